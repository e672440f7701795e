// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sample bus driver: mediated serial cards as terminals of the host
 *
 * vfio_mdev gives a mediated device to a program. This driver gives one to the
 * kernel: a PCI serial card (mtty has some) that is handed to it by
 * driver_override becomes /dev/ttyMBUS<n>, by its first port. Callbacks of the
 * vendor's that take a user's buffer are of no use to the kernel, so registers
 * are accessed through the helpers for PCI-like devices, mdev_pci_bar_read()
 * and its opposite. Nobody listens to the card's interrupt: it is polled.
 *
 * A struct mbus_port lives from probe until the TTY layer has let go of it,
 * which may be long after the driver was unbound: the file is hung up, and its
 * user is not waited for. prepare_remove hangs it up, and the removal goes on when
 * the card is stopped; no open starts it again meanwhile. A terminal that is open
 * exclusively (TIOCEXCL) is not hung up: its card stays. Nor does anything else here
 * wait for a user: all that takes port->lock is bounded by the vendor's own
 * callbacks, so remove, under the device's lock, is bounded too. It stops the card
 * itself when prepare_remove was not asked. The module cannot go while a file is
 * open, and neither can the vendor's while the card is.
 *
 * port->lock	dead (set once, at the unbinding), running, and the card while
 *		it runs: between the vendor's open and release
 * port->queue_lock  what is to be sent, and whether work may be queued. Set
 *		and cleared with running, under both
 * mbus_lock	mbus_ports, which has a port for as long as it lives
 *
 * Order: port->lock, port->queue_lock; mbus_lock is taken alone.
 */
#define MDEV_INTERFACE MDEV_INTERFACE_CLASSIC
#include <linux/idr.h>
#include <linux/kfifo.h>
#include <linux/mdev_pci.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pci_ids.h>
#include <linux/serial_reg.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/tty.h>
#include <linux/tty_flip.h>
#include <linux/workqueue.h>

#include <vfio-compat/tty.h>

#define MBUS_NAME	"mbus"
#define MBUS_PORTS	32
#define MBUS_QUEUE	1024
#define MBUS_POLL	msecs_to_jiffies(10)
/* Registers read before others get a chance */
#define MBUS_BUDGET	1024
#define MBUS_CLASS	(PCI_CLASS_COMMUNICATION_SERIAL << 8 | 0x02)

struct mbus_port {
	struct tty_port port;
	int minor;
	struct mdev_device *mdev;
	struct mdev_pci *pci;
	const struct mdev_parent_ops *ops;
	struct delayed_work work;

	struct mutex lock;	/* what follows */
	bool dead;
	bool running;

	spinlock_t queue_lock;	/* what follows */
	bool queueing;
	DECLARE_KFIFO(queue, u8, MBUS_QUEUE);
};

static struct tty_driver *mbus_tty;
static DEFINE_MUTEX(mbus_lock);
static DEFINE_IDR(mbus_ports);

static struct mbus_port *to_mbus_port(struct tty_port *port)
{
	return container_of(port, struct mbus_port, port);
}

/* The card */

static u8 mbus_in(struct mbus_port *port, unsigned int reg)
{
	u64 val;

	/* As from a card that is not there */
	return mdev_pci_bar_read(port->pci, 0, reg, 1, &val) ? 0xff : val;
}

static void mbus_out(struct mbus_port *port, unsigned int reg, u8 val)
{
	mdev_pci_bar_write(port->pci, 0, reg, 1, val);
}

static bool mbus_next(struct mbus_port *port, u8 *byte)
{
	return kfifo_out_spinlocked(&port->queue, byte, 1, &port->queue_lock);
}

/* Send and receive one byte: is there more to do? */
static bool mbus_step(struct mbus_port *port)
{
	u8 lsr = mbus_in(port, UART_LSR);
	u8 byte;

	if (lsr == 0xff)
		return false;
	if (lsr & UART_LSR_OE)
		tty_insert_flip_char(&port->port, 0, TTY_OVERRUN);
	if (lsr & UART_LSR_DR) {
		byte = mbus_in(port, UART_RX);
		tty_insert_flip_char(&port->port, byte, TTY_NORMAL);
		return true;
	}
	if (!(lsr & UART_LSR_THRE) || !mbus_next(port, &byte))
		return false;
	mbus_out(port, UART_TX, byte);
	return true;
}

static void mbus_schedule(struct mbus_port *port, unsigned long delay)
{
	spin_lock_irq(&port->queue_lock);
	if (port->queueing)
		mod_delayed_work(system_freezable_wq, &port->work, delay);
	spin_unlock_irq(&port->queue_lock);
}

static void mbus_work(struct work_struct *work)
{
	struct mbus_port *port = container_of(to_delayed_work(work),
					      struct mbus_port, work);
	unsigned int budget = MBUS_BUDGET;

	mutex_lock(&port->lock);
	if (port->running) {
		while (budget && mbus_step(port))
			budget--;
		tty_flip_buffer_push(&port->port);
	}
	mutex_unlock(&port->lock);

	tty_port_tty_wakeup(&port->port);
	mbus_schedule(port, budget ? MBUS_POLL : 0);
}

static int mbus_start(struct mbus_port *port)
{
	int ret;

	lockdep_assert_held(&port->lock);

	if (port->dead)
		return -ENODEV;
	if (mdev_removal_pending(mdev_dev(port->mdev)))
		return -EBUSY;
	if (!port->ops->open)
		return -EINVAL;
	if (!try_module_get(port->ops->owner))
		return -ENODEV;
	ret = port->ops->open(port->mdev);
	if (ret) {
		module_put(port->ops->owner);
		return ret;
	}

	mbus_out(port, UART_LCR, UART_LCR_WLEN8);
	mbus_out(port, UART_FCR, UART_FCR_ENABLE_FIFO);
	mbus_out(port, UART_MCR, UART_MCR_DTR | UART_MCR_RTS);
	port->running = true;

	spin_lock_irq(&port->queue_lock);
	kfifo_reset(&port->queue);
	port->queueing = true;
	spin_unlock_irq(&port->queue_lock);
	return 0;
}

static void mbus_stop(struct mbus_port *port)
{
	lockdep_assert_held(&port->lock);

	if (!port->running)
		return;

	spin_lock_irq(&port->queue_lock);
	port->queueing = false;
	spin_unlock_irq(&port->queue_lock);

	port->running = false;
	if (port->ops->release)
		port->ops->release(port->mdev);
	module_put(port->ops->owner);
	mdev_device_idle(mdev_dev(port->mdev));
}

/* The terminal */

static int mbus_activate(struct tty_port *tty_port, struct tty_struct *tty)
{
	struct mbus_port *port = to_mbus_port(tty_port);
	int ret;

	mutex_lock(&port->lock);
	ret = mbus_start(port);
	mutex_unlock(&port->lock);

	if (!ret)
		mbus_schedule(port, 0);
	return ret;
}

static void mbus_shutdown(struct tty_port *tty_port)
{
	struct mbus_port *port = to_mbus_port(tty_port);

	mutex_lock(&port->lock);
	mbus_stop(port);
	mutex_unlock(&port->lock);
	cancel_delayed_work_sync(&port->work);
}

static void mbus_destruct(struct tty_port *tty_port)
{
	struct mbus_port *port = to_mbus_port(tty_port);

	mutex_lock(&mbus_lock);
	idr_remove(&mbus_ports, port->minor);
	mutex_unlock(&mbus_lock);
	kfree(port);
}

static const struct tty_port_operations mbus_port_ops = {
	.activate = mbus_activate,
	.shutdown = mbus_shutdown,
	.destruct = mbus_destruct,
};

static struct mbus_port *mbus_get_port(unsigned int minor)
{
	struct mbus_port *port;

	mutex_lock(&mbus_lock);
	port = idr_find(&mbus_ports, minor);
	if (port && !tty_port_get(&port->port))
		port = NULL;
	mutex_unlock(&mbus_lock);
	return port;
}

static int mbus_install(struct tty_driver *driver, struct tty_struct *tty)
{
	struct mbus_port *port = mbus_get_port(tty->index);
	int ret;

	if (!port)
		return -ENODEV;

	ret = tty_standard_install(driver, tty);
	if (ret) {
		tty_port_put(&port->port);
		return ret;
	}
	tty->driver_data = port;
	return 0;
}

static void mbus_cleanup(struct tty_struct *tty)
{
	struct mbus_port *port = tty->driver_data;

	tty_port_put(&port->port);
}

static int mbus_open(struct tty_struct *tty, struct file *filp)
{
	struct mbus_port *port = tty->driver_data;

	return tty_port_open(&port->port, tty, filp);
}

static void mbus_close(struct tty_struct *tty, struct file *filp)
{
	struct mbus_port *port = tty->driver_data;

	tty_port_close(&port->port, tty, filp);
}

static void mbus_hangup(struct tty_struct *tty)
{
	struct mbus_port *port = tty->driver_data;

	tty_port_hangup(&port->port);
}

static VFIO_COMPAT_TTY_WRITE(mbus_write)
{
	struct mbus_port *port = tty->driver_data;
	unsigned long flags;
	int ret = -EIO;

	spin_lock_irqsave(&port->queue_lock, flags);
	if (port->queueing) {
		ret = kfifo_in(&port->queue, buf, count);
		mod_delayed_work(system_freezable_wq, &port->work, 0);
	}
	spin_unlock_irqrestore(&port->queue_lock, flags);
	return ret;
}

static unsigned int mbus_write_room(struct tty_struct *tty)
{
	struct mbus_port *port = tty->driver_data;
	unsigned long flags;
	unsigned int room;

	spin_lock_irqsave(&port->queue_lock, flags);
	room = port->queueing ? kfifo_avail(&port->queue) : 0;
	spin_unlock_irqrestore(&port->queue_lock, flags);
	return room;
}

static unsigned int mbus_chars_in_buffer(struct tty_struct *tty)
{
	struct mbus_port *port = tty->driver_data;
	unsigned long flags;
	unsigned int chars;

	spin_lock_irqsave(&port->queue_lock, flags);
	chars = port->queueing ? kfifo_len(&port->queue) : 0;
	spin_unlock_irqrestore(&port->queue_lock, flags);
	return chars;
}

static const struct tty_operations mbus_tty_ops = {
	.install = mbus_install,
	.cleanup = mbus_cleanup,
	.open = mbus_open,
	.close = mbus_close,
	.hangup = mbus_hangup,
	.write = mbus_write,
	.write_room = mbus_write_room,
	.chars_in_buffer = mbus_chars_in_buffer,
};

/* The mediated device */

static bool mbus_serves(struct mdev_pci *pci)
{
	return pci && pci->desc->class == MBUS_CLASS &&
	       pci->desc->bar[0].size > UART_SCR;
}

static int mbus_enlist(struct mbus_port *port)
{
	mutex_lock(&mbus_lock);
	port->minor = idr_alloc(&mbus_ports, port, 0, MBUS_PORTS, GFP_KERNEL);
	mutex_unlock(&mbus_lock);
	return min(port->minor, 0);
}

/* From now on a process that has the port open gets errors. */
static void mbus_retire(struct mbus_port *port)
{
	mutex_lock(&port->lock);
	port->dead = true;
	mbus_stop(port);
	mutex_unlock(&port->lock);
	cancel_delayed_work_sync(&port->work);

	tty_port_tty_hangup(&port->port, false);
}

static int mbus_probe(struct device *dev)
{
	struct mdev_device *mdev = mdev_from_dev(dev);
	struct mdev_pci *pci = mdev_pci_find(mdev);
	struct mbus_port *port;
	struct device *tty_dev;
	int ret;

	if (!mbus_serves(pci))
		return -ENODEV;

	port = kzalloc(sizeof(*port), GFP_KERNEL);
	if (!port)
		return -ENOMEM;

	port->mdev = mdev;
	port->pci = pci;
	port->ops = mdev_get_parent_ops(mdev);
	INIT_DELAYED_WORK(&port->work, mbus_work);
	mutex_init(&port->lock);
	spin_lock_init(&port->queue_lock);
	INIT_KFIFO(port->queue);
	tty_port_init(&port->port);
	port->port.ops = &mbus_port_ops;

	ret = mbus_enlist(port);
	if (ret) {
		tty_port_destroy(&port->port);
		kfree(port);
		return ret;
	}

	dev_set_drvdata(dev, port);
	tty_dev = tty_port_register_device(&port->port, mbus_tty, port->minor,
					   dev);
	if (IS_ERR(tty_dev)) {
		mbus_retire(port);
		tty_port_put(&port->port);
		return PTR_ERR(tty_dev);
	}
	return 0;
}

static void mbus_remove(struct device *dev)
{
	struct mbus_port *port = dev_get_drvdata(dev);

	mbus_retire(port);
	tty_unregister_device(mbus_tty, port->minor);
	tty_port_put(&port->port);
}

/* Is the terminal open exclusively? */
static bool mbus_exclusive(struct mbus_port *port)
{
	struct tty_struct *tty = tty_port_tty_get(&port->port);
	bool exclusive = tty && test_bit(TTY_EXCLUSIVE, &tty->flags);

	tty_kref_put(tty);
	return exclusive;
}

static int mbus_prepare_remove(struct device *dev, unsigned int count)
{
	struct mbus_port *port = dev_get_drvdata(dev);
	bool running;

	/* mbus_start() looks for a removal under this lock: either sees the other. */
	mutex_lock(&port->lock);
	running = port->running;
	mutex_unlock(&port->lock);

	if (!running)
		return 0;
	if (mbus_exclusive(port))
		return -EBUSY;
	tty_port_tty_hangup(&port->port, false);
	return -EAGAIN;
}

static struct mdev_driver mbus_driver = {
	.name = MBUS_NAME,
	.probe = mbus_probe,
	.remove = mbus_remove,
	.prepare_remove = mbus_prepare_remove,
};

static int __init mbus_init(void)
{
	int ret;

	mbus_tty = tty_alloc_driver(MBUS_PORTS, TTY_DRIVER_REAL_RAW |
						TTY_DRIVER_DYNAMIC_DEV);
	if (IS_ERR(mbus_tty))
		return PTR_ERR(mbus_tty);

	mbus_tty->driver_name = MBUS_NAME;
	mbus_tty->name = "ttyMBUS";
	mbus_tty->type = TTY_DRIVER_TYPE_SERIAL;
	mbus_tty->subtype = SERIAL_TYPE_NORMAL;
	/* No echo: cards with a loopback plug would echo it for ever. */
	mbus_tty->init_termios = tty_std_termios;
	mbus_tty->init_termios.c_cflag |= CLOCAL;
	mbus_tty->init_termios.c_iflag = 0;
	mbus_tty->init_termios.c_oflag = 0;
	mbus_tty->init_termios.c_lflag = 0;
	tty_set_operations(mbus_tty, &mbus_tty_ops);

	ret = tty_register_driver(mbus_tty);
	if (ret)
		goto err_put;

	ret = mdev_register_driver(&mbus_driver, THIS_MODULE);
	if (ret)
		goto err_unregister;
	return 0;

err_unregister:
	tty_unregister_driver(mbus_tty);
err_put:
	tty_driver_kref_put(mbus_tty);
	return ret;
}

static void __exit mbus_exit(void)
{
	mdev_unregister_driver(&mbus_driver);
	tty_unregister_driver(mbus_tty);
	tty_driver_kref_put(mbus_tty);
	idr_destroy(&mbus_ports);
}

module_init(mbus_init);
module_exit(mbus_exit);

/* First come, first served: what is not overridden shall be vfio_mdev's. */
MODULE_SOFTDEP("pre: vfio_mdev");
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Sample bus driver: mediated serial cards as terminals");
