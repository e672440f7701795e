// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sample vendor driver: mediated PCI serial cards
 *
 * The parent is a device without hardware that has 24 serial ports to give
 * away, as cards with one or two of them. A card is what QEMU's pci-serial
 * is, with the same ids: 16550A ports, 8 bytes each in one I/O BAR. Each
 * port wears a loopback plug: what is sent arrives again, RTS shows as CTS,
 * DTR as DSR and DCD. The plug can be pulled through sysfs, where a card also
 * tells whether a virtual machine has it.
 *
 * /sys/class/mtty/mtty is the parent; libvirt looks for parents of that class.
 *
 * A struct mtty_card lives from create to remove. card->lock covers its
 * ports, and is taken by every access to the BAR, by open, reset and the plug;
 * it is a mutex, since nothing here happens in interrupts. mtty_lock covers
 * the number of free ports, for all cards. card->kvm is set by VFIO's callbacks,
 * which come one after the other, and looked at by sysfs without a lock.
 */
#include <linux/kfifo.h>
#include <linux/mdev_pci.h>
#include <linux/mdev_virtual.h>
#include <linux/module.h>
#include <linux/pci_ids.h>
#include <linux/serial_reg.h>
#include <linux/slab.h>

#define MTTY_PORTS		24
#define MTTY_PORTS_PER_CARD	2
#define MTTY_PORT_REGS		8
#define MTTY_FIFO_SIZE		16

#define MTTY_IER_MASK							\
	(UART_IER_MSI | UART_IER_RLSI | UART_IER_THRI | UART_IER_RDI)
#define MTTY_IIR_FIFO_ON	0xc0

struct mtty_port {
	u8 ier;
	u8 fcr;
	u8 lcr;
	u8 mcr;
	u8 scr;
	u8 divisor[2];
	u8 lines;		/* modem lines, in the upper half of MSR */
	u8 deltas;		/* changes since MSR was read, its lower half */
	bool overrun;		/* since LSR was read */
	bool thr_empty;		/* since IIR told so */
	DECLARE_KFIFO(rx, u8, MTTY_FIFO_SIZE);
};

struct mtty_card {
	struct mdev_pci pci;
	unsigned int nr_ports;
	struct kvm *kvm;

	struct mutex lock;	/* what follows */
	bool plugged;
	bool interrupt;
	struct mtty_port port[MTTY_PORTS_PER_CARD];
};

struct mtty_type {
	unsigned int nr_ports;
	const char *name;
	const char *description;
	struct mdev_pci_desc desc;
};

static DEFINE_MUTEX(mtty_lock);
static unsigned int mtty_free_ports = MTTY_PORTS;

/* The ports: a 16550A, with the plug. */

static bool mtty_fifo_on(const struct mtty_port *port)
{
	return port->fcr & UART_FCR_ENABLE_FIFO;
}

static bool mtty_divisor_shown(const struct mtty_port *port)
{
	return port->lcr & UART_LCR_DLAB;
}

static unsigned int mtty_rx_trigger(const struct mtty_port *port)
{
	static const u8 levels[] = { 1, 4, 8, 14 };

	return mtty_fifo_on(port) ? levels[port->fcr >> 6] : 1;
}

static void mtty_receive(struct mtty_port *port, u8 byte)
{
	unsigned int room = mtty_fifo_on(port) ? MTTY_FIFO_SIZE : 1;

	if (kfifo_len(&port->rx) < room)
		kfifo_put(&port->rx, byte);
	else
		port->overrun = true;
}

/* The modem lines follow MCR: inside the chip in loop mode, else by the plug. */
static void mtty_update_lines(struct mtty_card *card, struct mtty_port *port)
{
	bool loop = port->mcr & UART_MCR_LOOP;
	u8 old = port->lines, changed;

	port->lines = 0;
	if (loop || card->plugged) {
		if (port->mcr & UART_MCR_RTS)
			port->lines |= UART_MSR_CTS;
		if (port->mcr & UART_MCR_DTR)
			port->lines |= loop ? UART_MSR_DSR :
					      UART_MSR_DSR | UART_MSR_DCD;
	}
	if (loop && port->mcr & UART_MCR_OUT1)
		port->lines |= UART_MSR_RI;
	if (loop && port->mcr & UART_MCR_OUT2)
		port->lines |= UART_MSR_DCD;

	changed = old ^ port->lines;
	if (changed & UART_MSR_CTS)
		port->deltas |= UART_MSR_DCTS;
	if (changed & UART_MSR_DSR)
		port->deltas |= UART_MSR_DDSR;
	if (changed & UART_MSR_DCD)
		port->deltas |= UART_MSR_DDCD;
	if (changed & old & UART_MSR_RI)
		port->deltas |= UART_MSR_TERI;
}

static void mtty_send(struct mtty_card *card, struct mtty_port *port, u8 byte)
{
	if (card->plugged || port->mcr & UART_MCR_LOOP)
		mtty_receive(port, byte);
	port->thr_empty = true;
}

static void mtty_set_fcr(struct mtty_port *port, u8 val)
{
	bool toggled = (port->fcr ^ val) & UART_FCR_ENABLE_FIFO;

	if (toggled || val & UART_FCR_CLEAR_RCVR)
		kfifo_reset(&port->rx);
	if (toggled || val & UART_FCR_CLEAR_XMIT)
		port->thr_empty = true;

	port->fcr = val & UART_FCR_ENABLE_FIFO ?
		    val & (UART_FCR_ENABLE_FIFO | UART_FCR_TRIGGER_MASK) : 0;
}

/* Sending takes no time here, so the transmitter is always empty. */
static u8 mtty_lsr(const struct mtty_port *port)
{
	u8 lsr = UART_LSR_TEMT | UART_LSR_THRE;

	if (!kfifo_is_empty(&port->rx))
		lsr |= UART_LSR_DR;
	if (port->overrun)
		lsr |= UART_LSR_OE;
	return lsr;
}

/* The most urgent reason for an interrupt, or UART_IIR_NO_INT */
static u8 mtty_interrupt_id(const struct mtty_port *port)
{
	unsigned int received = kfifo_len(&port->rx);

	if (port->ier & UART_IER_RLSI && port->overrun)
		return UART_IIR_RLSI;
	if (port->ier & UART_IER_RDI && received)
		return received >= mtty_rx_trigger(port) ? UART_IIR_RDI :
							   UART_IIR_RX_TIMEOUT;
	if (port->ier & UART_IER_THRI && port->thr_empty)
		return UART_IIR_THRI;
	if (port->ier & UART_IER_MSI && port->deltas)
		return UART_IIR_MSI;
	return UART_IIR_NO_INT;
}

static u8 mtty_port_read(struct mtty_port *port, unsigned int reg)
{
	u8 val = 0;

	switch (reg) {
	case UART_RX:
		if (mtty_divisor_shown(port))
			return port->divisor[0];
		if (!kfifo_get(&port->rx, &val))
			return 0;
		return val;
	case UART_IER:
		return mtty_divisor_shown(port) ? port->divisor[1] : port->ier;
	case UART_IIR:
		val = mtty_interrupt_id(port);
		if (val == UART_IIR_THRI)
			port->thr_empty = false;
		return mtty_fifo_on(port) ? val | MTTY_IIR_FIFO_ON : val;
	case UART_LCR:
		return port->lcr;
	case UART_MCR:
		return port->mcr;
	case UART_LSR:
		val = mtty_lsr(port);
		port->overrun = false;
		return val;
	case UART_MSR:
		val = port->lines | port->deltas;
		port->deltas = 0;
		return val;
	default:
		return port->scr;
	}
}

static void mtty_port_write(struct mtty_card *card, struct mtty_port *port,
			    unsigned int reg, u8 val)
{
	switch (reg) {
	case UART_TX:
		if (mtty_divisor_shown(port))
			port->divisor[0] = val;
		else
			mtty_send(card, port, val);
		break;
	case UART_IER:
		if (mtty_divisor_shown(port)) {
			port->divisor[1] = val;
			break;
		}
		if (val & ~port->ier & UART_IER_THRI)
			port->thr_empty = true;
		port->ier = val & MTTY_IER_MASK;
		break;
	case UART_FCR:
		mtty_set_fcr(port, val);
		break;
	case UART_LCR:
		port->lcr = val;
		break;
	case UART_MCR:
		port->mcr = val & (UART_MCR_LOOP | UART_MCR_OUT2 |
				   UART_MCR_OUT1 | UART_MCR_RTS | UART_MCR_DTR);
		mtty_update_lines(card, port);
		break;
	case UART_SCR:
		port->scr = val;
		break;
	}
}

static void mtty_port_reset(struct mtty_card *card, struct mtty_port *port)
{
	memset(port, 0, sizeof(*port));
	INIT_KFIFO(port->rx);
	port->thr_empty = true;
	mtty_update_lines(card, port);
	port->deltas = 0;
}

/* OUT2 is the switch between the chip and the interrupt line, as in PCs. */
static bool mtty_interrupts(const struct mtty_port *port)
{
	return (port->mcr & (UART_MCR_OUT2 | UART_MCR_LOOP)) == UART_MCR_OUT2 &&
	       mtty_interrupt_id(port) != UART_IIR_NO_INT;
}

/* The card: its ports share one interrupt, INTx, or MSI where that is on. */

static struct mtty_card *to_mtty_card(struct mdev_pci *pci)
{
	return container_of(pci, struct mtty_card, pci);
}

static void mtty_update_interrupt(struct mtty_card *card)
{
	bool old = card->interrupt;
	unsigned int i;

	card->interrupt = false;
	for (i = 0; i < card->nr_ports; i++)
		card->interrupt |= mtty_interrupts(&card->port[i]);

	mdev_pci_set_intx(&card->pci, card->interrupt);
	if (card->interrupt && !old)
		mdev_pci_signal_msi(&card->pci, 0);
}

static int mtty_bar_read(struct mdev_pci *pci, u64 offset, unsigned int width,
			 u64 *val)
{
	struct mtty_card *card = to_mtty_card(pci);

	mutex_lock(&card->lock);
	*val = mtty_port_read(&card->port[offset / MTTY_PORT_REGS],
			      offset % MTTY_PORT_REGS);
	mtty_update_interrupt(card);
	mutex_unlock(&card->lock);

	return 0;
}

static int mtty_bar_write(struct mdev_pci *pci, u64 offset, unsigned int width,
			  u64 val)
{
	struct mtty_card *card = to_mtty_card(pci);

	mutex_lock(&card->lock);
	mtty_port_write(card, &card->port[offset / MTTY_PORT_REGS],
			offset % MTTY_PORT_REGS, val);
	mtty_update_interrupt(card);
	mutex_unlock(&card->lock);

	return 0;
}

static int mtty_reset(struct mdev_pci *pci)
{
	struct mtty_card *card = to_mtty_card(pci);
	unsigned int i;

	mutex_lock(&card->lock);
	for (i = 0; i < card->nr_ports; i++)
		mtty_port_reset(card, &card->port[i]);
	mtty_update_interrupt(card);
	mutex_unlock(&card->lock);

	return 0;
}

/* The types. A type's directory is mtty-1 or mtty-2, after its ports. */

#define MTTY_DESC(_device_id, _ports) {					\
	.vendor_id = PCI_VENDOR_ID_REDHAT,				\
	.device_id = (_device_id),					\
	.subsystem_vendor_id = PCI_VENDOR_ID_REDHAT_QUMRANET,		\
	.subsystem_id = 0x1100,						\
	.class = PCI_CLASS_COMMUNICATION_SERIAL << 8 | 0x02, /* 16550 */ \
	.revision = 1,							\
	.interrupt_pin = 1,						\
	.bar[0] = {							\
		.size = (_ports) * MTTY_PORT_REGS,			\
		.flags = PCI_BASE_ADDRESS_SPACE_IO,			\
		.max_width = 1,						\
		.read = mtty_bar_read,					\
		.write = mtty_bar_write,				\
	},								\
	.reset = mtty_reset,						\
}

static const struct mtty_type mtty_types[] = {
	{
		.nr_ports = 1,
		.name = "Single port serial",
		.description = "PCI serial card with one looped-back 16550A port",
		.desc = MTTY_DESC(0x0002, 1),
	}, {
		.nr_ports = 2,
		.name = "Dual port serial",
		.description = "PCI serial card with two looped-back 16550A ports",
		.desc = MTTY_DESC(0x0003, 2),
	},
};

static const struct mtty_type *mtty_type_of(struct kobject *kobj)
{
	const char *suffix = strrchr(kobject_name(kobj), '-');

	return suffix && !strcmp(suffix, "-2") ? &mtty_types[1] :
						 &mtty_types[0];
}

MDEV_TYPE_ATTR_PRINT(name, "%s\n", mtty_type_of(kobj)->name);
MDEV_TYPE_ATTR_PRINT(description, "%s\n", mtty_type_of(kobj)->description);
MDEV_TYPE_ATTR_PRINT(device_api, "%s\n", VFIO_DEVICE_API_PCI_STRING);
MDEV_TYPE_ATTR_PRINT(available_instances, "%u\n",
		     READ_ONCE(mtty_free_ports) / mtty_type_of(kobj)->nr_ports);

static struct attribute *mtty_type_attrs[] = {
	&mdev_type_attr_name.attr,
	&mdev_type_attr_description.attr,
	&mdev_type_attr_device_api.attr,
	&mdev_type_attr_available_instances.attr,
	NULL
};

static struct attribute_group mtty_type_single = {
	.name = "1",
	.attrs = mtty_type_attrs,
};

static struct attribute_group mtty_type_dual = {
	.name = "2",
	.attrs = mtty_type_attrs,
};

static struct attribute_group *mtty_type_groups[] = {
	&mtty_type_single,
	&mtty_type_dual,
	NULL
};

/* Attributes of the parent */

static ssize_t total_ports_show(struct device *dev,
				struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n", MTTY_PORTS);
}
static DEVICE_ATTR_RO(total_ports);

static ssize_t free_ports_show(struct device *dev,
			       struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n", READ_ONCE(mtty_free_ports));
}
static DEVICE_ATTR_RO(free_ports);

static struct attribute *mtty_parent_attrs[] = {
	&dev_attr_total_ports.attr,
	&dev_attr_free_ports.attr,
	NULL
};
ATTRIBUTE_GROUPS(mtty_parent);

/* Attributes of a card */

static struct mtty_card *dev_to_mtty_card(struct device *dev)
{
	return to_mtty_card(mdev_to_pci(mdev_from_dev(dev)));
}

static ssize_t ports_show(struct device *dev, struct device_attribute *attr,
			  char *buf)
{
	return sysfs_emit(buf, "%u\n", dev_to_mtty_card(dev)->nr_ports);
}
static DEVICE_ATTR_RO(ports);

static ssize_t loopback_show(struct device *dev, struct device_attribute *attr,
			     char *buf)
{
	return sysfs_emit(buf, "%u\n",
			  READ_ONCE(dev_to_mtty_card(dev)->plugged));
}

static ssize_t loopback_store(struct device *dev, struct device_attribute *attr,
			      const char *buf, size_t count)
{
	struct mtty_card *card = dev_to_mtty_card(dev);
	unsigned int i;
	bool plugged;
	int ret;

	ret = kstrtobool(buf, &plugged);
	if (ret)
		return ret;

	mutex_lock(&card->lock);
	WRITE_ONCE(card->plugged, plugged);
	for (i = 0; i < card->nr_ports; i++)
		mtty_update_lines(card, &card->port[i]);
	mtty_update_interrupt(card);
	mutex_unlock(&card->lock);

	return count;
}
static DEVICE_ATTR_RW(loopback);

static ssize_t kvm_show(struct device *dev, struct device_attribute *attr,
			char *buf)
{
	return sysfs_emit(buf, "%u\n", !!READ_ONCE(dev_to_mtty_card(dev)->kvm));
}
static DEVICE_ATTR_RO(kvm);

static struct attribute *mtty_card_attrs[] = {
	&dev_attr_ports.attr,
	&dev_attr_loopback.attr,
	&dev_attr_kvm.attr,
	NULL
};
ATTRIBUTE_GROUPS(mtty_card);

/* Life of a card */

static int mtty_take_ports(unsigned int nr)
{
	int ret = 0;

	mutex_lock(&mtty_lock);
	if (mtty_free_ports < nr)
		ret = -EUSERS;
	else
		WRITE_ONCE(mtty_free_ports, mtty_free_ports - nr);
	mutex_unlock(&mtty_lock);

	return ret;
}

static void mtty_give_ports(unsigned int nr)
{
	mutex_lock(&mtty_lock);
	WRITE_ONCE(mtty_free_ports, mtty_free_ports + nr);
	mutex_unlock(&mtty_lock);
}

static int mtty_create(struct kobject *kobj, struct mdev_device *mdev)
{
	const struct mtty_type *type = mtty_type_of(kobj);
	struct mtty_card *card;
	int ret;

	ret = mtty_take_ports(type->nr_ports);
	if (ret)
		return ret;

	card = kzalloc(sizeof(*card), GFP_KERNEL);
	if (!card) {
		ret = -ENOMEM;
		goto err_ports;
	}

	mutex_init(&card->lock);
	card->nr_ports = type->nr_ports;
	card->plugged = true;

	ret = mdev_pci_init(&card->pci, mdev, &type->desc);
	if (ret)
		goto err_free;

	ret = mdev_pci_add_msi(&card->pci, 1);
	if (ret < 0)
		goto err_pci;

	mtty_reset(&card->pci);
	return 0;

err_pci:
	mdev_pci_destroy(&card->pci);
err_free:
	kfree(card);
err_ports:
	mtty_give_ports(type->nr_ports);
	return ret;
}

static int mtty_remove(struct mdev_device *mdev)
{
	struct mtty_card *card = to_mtty_card(mdev_to_pci(mdev));

	mdev_pci_destroy(&card->pci);
	mtty_give_ports(card->nr_ports);
	kfree(card);
	return 0;
}

/*
 * Ahead of open, where the user is a virtual machine of KVM's. It is held until
 * release has returned: a driver that makes use of it takes no reference.
 */
static void mtty_set_kvm(struct mdev_device *mdev, struct kvm *kvm)
{
	WRITE_ONCE(to_mtty_card(mdev_to_pci(mdev))->kvm, kvm);
}

/* Each user finds the card as after power on. */
static int mtty_open(struct mdev_device *mdev)
{
	mtty_reset(mdev_to_pci(mdev));
	return mdev_pci_open(mdev);
}

static void mtty_release(struct mdev_device *mdev)
{
	mdev_pci_release(mdev);
	mtty_set_kvm(mdev, NULL);
}

static const struct mdev_parent_ops mtty_ops = {
	.owner = THIS_MODULE,
	.dev_attr_groups = mtty_parent_groups,
	.mdev_attr_groups = mtty_card_groups,
	.supported_type_groups = mtty_type_groups,
	.create = mtty_create,
	.remove = mtty_remove,
	.open = mtty_open,
	.release = mtty_release,
	.set_kvm = mtty_set_kvm,
	MDEV_PCI_PARENT_OPS,
};

module_mdev_virtual_parent(mtty, mtty_ops);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Sample vendor driver: mediated PCI serial cards");
