// SPDX-License-Identifier: GPL-2.0-only
/*
 * PCI-like mediated devices: interrupts
 *
 * The device signals an interrupt, the user has armed an eventfd for it with
 * VFIO_DEVICE_SET_IRQS. At most one of INTx, MSI and MSI-X is enabled at a
 * time (irqs->type, VFIO_PCI_NUM_IRQS for none); its eventfds are trigger[0]
 * up to nr_enabled, and ERR and REQ have one of their own. A trigger may be
 * NULL: such interrupts go nowhere.
 *
 * INTx is a level. When the device raises it, and it is neither masked nor
 * switched off in the command register, the eventfd is signalled once and
 * INTx masks itself; the user serves the device and unmasks. If the level is
 * still high, this signals again. Nothing is lost in any order of these steps.
 *
 * Two locks. irqs->mutex makes one SET_IRQS at a time, with its memory and
 * eventfd references. irqs->lock, taken with interrupts off inside of it,
 * covers what the device's side looks at; eventfds are signalled under it, so
 * that once SET_IRQS or release has taken an eventfd away and returned, it is
 * not signalled any more. An unmask through an eventfd runs from a work item,
 * never from the wake-up itself: the waker may hold irqs->lock, when the user
 * gave the same eventfd for both ends.
 *
 * irqs->mutex is the one that a user's call holds for long. Signalling takes
 * irqs->lock alone, the request to let the device go among it: an admin does not
 * wait for what the user does, and no lock that an admin's call holds meets one of SET_IRQS'.
 *
 * irqs->lock is a spinlock_t, which sleeps with PREEMPT_RT. A raw one would not
 * help: eventfd_signal() takes a spinlock_t, too, and under a raw lock it must
 * not. So there signalling is for threads, as Documentation/mdev-pci.txt says.
 *
 * What can run on when the device is closed is the unmasking's work item:
 * release takes its eventfd away and waits for it, then takes the triggers.
 */
#include <linux/export.h>
#include <linux/nospec.h>
#include <linux/overflow.h>
#include <linux/slab.h>

#include <vfio-compat/eventfd.h>

#include "mdev_pci_private.h"

#define MDEV_PCI_IRQ_NONE	VFIO_PCI_NUM_IRQS

int mdev_pci_irqs_init(struct mdev_pci_irqs *irqs, bool intx)
{
	mutex_init(&irqs->mutex);
	spin_lock_init(&irqs->lock);
	irqs->type = MDEV_PCI_IRQ_NONE;
	irqs->count[VFIO_PCI_ERR_IRQ_INDEX] = 1;
	irqs->count[VFIO_PCI_REQ_IRQ_INDEX] = 1;

	return intx ? mdev_pci_irqs_add(irqs, VFIO_PCI_INTX_IRQ_INDEX, 1) : 0;
}

/* The device has @vectors interrupts of type @index. Not while it is open. */
int mdev_pci_irqs_add(struct mdev_pci_irqs *irqs, u32 index,
		      unsigned int vectors)
{
	struct eventfd_ctx **trigger;

	if (vectors > irqs->nr_slots) {
		trigger = kcalloc(vectors, sizeof(*trigger), GFP_KERNEL);
		if (!trigger)
			return -ENOMEM;

		kfree(irqs->trigger);
		irqs->trigger = trigger;
		irqs->nr_slots = vectors;
	}

	irqs->count[index] = vectors;
	return 0;
}

/* It has none after all. */
void mdev_pci_irqs_del(struct mdev_pci_irqs *irqs, u32 index)
{
	irqs->count[index] = 0;
}

void mdev_pci_irqs_destroy(struct mdev_pci_irqs *irqs)
{
	kfree(irqs->trigger);
	irqs->trigger = NULL;
	mutex_destroy(&irqs->mutex);
}

static void mdev_pci_signal(struct eventfd_ctx *ctx)
{
	if (ctx)
		vfio_compat_eventfd_signal(ctx);
}

static void mdev_pci_put_eventfd(struct eventfd_ctx *ctx)
{
	if (ctx)
		eventfd_ctx_put(ctx);
}

static void mdev_pci_put_eventfds(struct eventfd_ctx **ctx, u32 count)
{
	u32 i;

	for (i = 0; i < count; i++)
		mdev_pci_put_eventfd(ctx[i]);
	kfree(ctx);
}

/* A negative descriptor stands for no eventfd. */
static struct eventfd_ctx **mdev_pci_get_eventfds(const s32 *fds, u32 count)
{
	struct eventfd_ctx **ctx;
	u32 i;
	int ret;

	ctx = kcalloc(count, sizeof(*ctx), GFP_KERNEL_ACCOUNT);
	if (!ctx)
		return ERR_PTR(-ENOMEM);

	for (i = 0; i < count; i++) {
		if (fds[i] < 0)
			continue;

		ctx[i] = eventfd_ctx_fdget(fds[i]);
		if (IS_ERR(ctx[i])) {
			ret = PTR_ERR(ctx[i]);
			mdev_pci_put_eventfds(ctx, i);
			return ERR_PTR(ret);
		}
	}

	return ctx;
}

/* Signal INTx if it is due. */
static void mdev_pci_intx_fire(struct mdev_pci_irqs *irqs)
{
	lockdep_assert_held(&irqs->lock);

	if (irqs->type != VFIO_PCI_INTX_IRQ_INDEX || !irqs->intx_level ||
	    irqs->intx_masked || irqs->intx_disabled)
		return;

	irqs->intx_masked = true;
	mdev_pci_signal(irqs->trigger[0]);
}

static void mdev_pci_intx_set_masked(struct mdev_pci_irqs *irqs, bool masked)
{
	unsigned long flags;

	spin_lock_irqsave(&irqs->lock, flags);
	irqs->intx_masked = masked;
	mdev_pci_intx_fire(irqs);
	spin_unlock_irqrestore(&irqs->lock, flags);
}

/* The INTx Disable bit of the command register. */
void mdev_pci_irqs_disable_intx(struct mdev_pci_irqs *irqs, bool disable)
{
	unsigned long flags;

	spin_lock_irqsave(&irqs->lock, flags);
	WRITE_ONCE(irqs->intx_disabled, disable);
	mdev_pci_intx_fire(irqs);
	spin_unlock_irqrestore(&irqs->lock, flags);
}

bool mdev_pci_irqs_intx_level(struct mdev_pci_irqs *irqs)
{
	return READ_ONCE(irqs->intx_level);
}

/**
 * mdev_pci_set_intx - the device raises or lowers its interrupt line
 * @pci: device
 * @level: true while it wants service
 *
 * May be called at any time between mdev_pci_init() and mdev_pci_destroy(),
 * with the level that it has already too.
 *
 * Context: any but NMI; with PREEMPT_RT, any that may sleep on locks.
 */
void mdev_pci_set_intx(struct mdev_pci *pci, bool level)
{
	struct mdev_pci_irqs *irqs = &pci->irqs;
	unsigned long flags;

	spin_lock_irqsave(&irqs->lock, flags);
	WRITE_ONCE(irqs->intx_level, level);
	mdev_pci_intx_fire(irqs);
	spin_unlock_irqrestore(&irqs->lock, flags);
}
EXPORT_SYMBOL(mdev_pci_set_intx);

static bool mdev_pci_msi_on(const struct mdev_pci_irqs *irqs)
{
	return irqs->type == VFIO_PCI_MSI_IRQ_INDEX ||
	       irqs->type == VFIO_PCI_MSIX_IRQ_INDEX;
}

/**
 * mdev_pci_nr_vectors - how many messages the user has enabled
 * @pci: device
 *
 * Context: any but NMI; with PREEMPT_RT, any that may sleep on locks.
 *
 * Return: the number of MSI or MSI-X vectors; 0 if neither is enabled, so that
 * the device is to use INTx. With MSI it may be less than the device has.
 */
unsigned int mdev_pci_nr_vectors(struct mdev_pci *pci)
{
	struct mdev_pci_irqs *irqs = &pci->irqs;
	unsigned long flags;
	unsigned int nr;

	spin_lock_irqsave(&irqs->lock, flags);
	nr = mdev_pci_msi_on(irqs) ? irqs->nr_enabled : 0;
	spin_unlock_irqrestore(&irqs->lock, flags);

	return nr;
}
EXPORT_SYMBOL(mdev_pci_nr_vectors);

/**
 * mdev_pci_signal_msi - the device sends a message, MSI or MSI-X
 * @pci: device
 * @vector: which; nothing is sent for one that is not enabled
 *
 * Context: any but NMI; with PREEMPT_RT, any that may sleep on locks.
 *
 * Return: whether MSI or MSI-X is enabled. If not, the device is to use INTx.
 */
bool mdev_pci_signal_msi(struct mdev_pci *pci, unsigned int vector)
{
	struct mdev_pci_irqs *irqs = &pci->irqs;
	unsigned long flags;
	bool on;

	spin_lock_irqsave(&irqs->lock, flags);
	on = mdev_pci_msi_on(irqs);
	/* The guest may have chosen it, in a register of the device's */
	if (on && vector < irqs->nr_enabled) {
		vector = array_index_nospec(vector, irqs->nr_enabled);
		mdev_pci_signal(irqs->trigger[vector]);
	}
	spin_unlock_irqrestore(&irqs->lock, flags);

	return on;
}
EXPORT_SYMBOL(mdev_pci_signal_msi);

static bool mdev_pci_signal_slot(struct mdev_pci_irqs *irqs,
				 struct eventfd_ctx **slot)
{
	unsigned long flags;
	bool armed;

	spin_lock_irqsave(&irqs->lock, flags);
	armed = *slot;
	mdev_pci_signal(*slot);
	spin_unlock_irqrestore(&irqs->lock, flags);

	return armed;
}

/**
 * mdev_pci_signal_error - the device has failed beyond repair
 * @pci: device
 *
 * Users stop the virtual machine on this.
 *
 * Context: any but NMI; with PREEMPT_RT, any that may sleep on locks.
 */
void mdev_pci_signal_error(struct mdev_pci *pci)
{
	mdev_pci_signal_slot(&pci->irqs, &pci->irqs.err);
}
EXPORT_SYMBOL(mdev_pci_signal_error);

/**
 * mdev_pci_can_request - can the user be asked to give the device back?
 * @mdev: device
 */
bool mdev_pci_can_request(struct mdev_device *mdev)
{
	struct mdev_pci_irqs *irqs = &mdev_to_pci(mdev)->irqs;

	return READ_ONCE(irqs->req);
}
EXPORT_SYMBOL(mdev_pci_can_request);

/**
 * mdev_pci_request - ask the user to give the device back
 * @mdev: device
 * @count: how often that was done already
 */
void mdev_pci_request(struct mdev_device *mdev, unsigned int count)
{
	struct mdev_pci_irqs *irqs = &mdev_to_pci(mdev)->irqs;

	if (!mdev_pci_signal_slot(irqs, &irqs->req) && !count)
		dev_notice(mdev_dev(mdev),
			   "in use, and its user takes no requests to let it go\n");
}
EXPORT_SYMBOL(mdev_pci_request);

static void mdev_pci_replace(struct mdev_pci_irqs *irqs,
			     struct eventfd_ctx **slot, struct eventfd_ctx *ctx)
{
	lockdep_assert_held(&irqs->mutex);

	spin_lock_irq(&irqs->lock);
	swap(*slot, ctx);
	spin_unlock_irq(&irqs->lock);
	mdev_pci_put_eventfd(ctx);
}

/* Flushes the unmask eventfd's work even when its user closed it before. */
static void mdev_pci_irqs_disable(struct mdev_pci_irqs *irqs)
{
	unsigned int i;

	lockdep_assert_held(&irqs->mutex);

	spin_lock_irq(&irqs->lock);
	irqs->type = MDEV_PCI_IRQ_NONE;
	irqs->nr_enabled = 0;
	spin_unlock_irq(&irqs->lock);

	vfio_virqfd_disable(&irqs->unmask);
	for (i = 0; i < irqs->nr_slots; i++)
		mdev_pci_replace(irqs, &irqs->trigger[i], NULL);
}

void mdev_pci_irqs_open(struct mdev_pci_irqs *irqs)
{
	spin_lock_irq(&irqs->lock);
	irqs->intx_masked = false;
	irqs->intx_disabled = false;
	spin_unlock_irq(&irqs->lock);
}

void mdev_pci_irqs_release(struct mdev_pci_irqs *irqs)
{
	mutex_lock(&irqs->mutex);
	mdev_pci_irqs_disable(irqs);
	mdev_pci_replace(irqs, &irqs->err, NULL);
	mdev_pci_replace(irqs, &irqs->req, NULL);
	mutex_unlock(&irqs->mutex);
}

static void mdev_pci_enable(struct mdev_pci_irqs *irqs, u32 index,
			    unsigned int vectors)
{
	lockdep_assert_held(&irqs->lock);

	irqs->type = index;
	irqs->nr_enabled = vectors;
	irqs->intx_masked = false;
}

/*
 * Take @count eventfds from vector @start on, enabling interrupt type @index
 * with @vectors if none is enabled. All or nothing.
 */
static int mdev_pci_arm(struct mdev_pci_irqs *irqs, u32 index,
			unsigned int vectors, u32 start, u32 count,
			const s32 *fds)
{
	struct eventfd_ctx **ctx;
	u32 i;

	ctx = mdev_pci_get_eventfds(fds, count);
	if (IS_ERR(ctx))
		return PTR_ERR(ctx);

	spin_lock_irq(&irqs->lock);
	for (i = 0; i < count; i++)
		swap(irqs->trigger[start + i], ctx[i]);
	if (irqs->type == MDEV_PCI_IRQ_NONE)
		mdev_pci_enable(irqs, index, vectors);
	mdev_pci_intx_fire(irqs);
	spin_unlock_irq(&irqs->lock);

	mdev_pci_put_eventfds(ctx, count);
	return 0;
}

/* DATA_NONE and DATA_BOOL: as if the device had signalled. */
static void mdev_pci_loop_back(struct mdev_pci_irqs *irqs, u32 flags, u32 start,
			       u32 count, const u8 *bools)
{
	u32 i;

	for (i = 0; i < count; i++)
		if (flags & VFIO_IRQ_SET_DATA_NONE || bools[i])
			mdev_pci_signal_slot(irqs, &irqs->trigger[start + i]);
}

static int mdev_pci_intx_trigger(struct mdev_pci_irqs *irqs, u32 flags,
				 u32 index, u32 start, u32 count, void *data)
{
	bool on = irqs->type == index;

	if (on && !count && flags & VFIO_IRQ_SET_DATA_NONE) {
		mdev_pci_irqs_disable(irqs);
		return 0;
	}

	if ((!on && irqs->type != MDEV_PCI_IRQ_NONE) || start || count != 1)
		return -EINVAL;

	if (flags & VFIO_IRQ_SET_DATA_EVENTFD)
		return mdev_pci_arm(irqs, index, 1, 0, 1, data);

	if (!on)
		return -EINVAL;

	if (!READ_ONCE(irqs->intx_disabled))
		mdev_pci_loop_back(irqs, flags, 0, 1, data);
	return 0;
}

static int mdev_pci_intx_mask(struct mdev_pci_irqs *irqs, u32 flags, u32 index,
			      u32 start, u32 count, void *data)
{
	if (irqs->type != index || start || count != 1)
		return -EINVAL;
	if (flags & VFIO_IRQ_SET_DATA_EVENTFD)
		return -ENOTTY;

	if (flags & VFIO_IRQ_SET_DATA_NONE || *(u8 *)data)
		mdev_pci_intx_set_masked(irqs, true);
	return 0;
}

static void mdev_pci_intx_unmask_work(void *irqs, void *unused)
{
	mdev_pci_intx_set_masked(irqs, false);
}

static int mdev_pci_intx_unmask_by(struct mdev_pci_irqs *irqs, s32 fd)
{
	if (fd < 0) {
		vfio_virqfd_disable(&irqs->unmask);
		return 0;
	}

	return vfio_virqfd_enable(irqs, NULL, mdev_pci_intx_unmask_work, NULL,
				  &irqs->unmask, fd);
}

static int mdev_pci_intx_unmask(struct mdev_pci_irqs *irqs, u32 flags,
				u32 index, u32 start, u32 count, void *data)
{
	if (irqs->type != index || start || count != 1)
		return -EINVAL;
	if (flags & VFIO_IRQ_SET_DATA_EVENTFD)
		return mdev_pci_intx_unmask_by(irqs, *(s32 *)data);

	if (flags & VFIO_IRQ_SET_DATA_NONE || *(u8 *)data)
		mdev_pci_intx_set_masked(irqs, false);
	return 0;
}

static int mdev_pci_msi_trigger(struct mdev_pci_irqs *irqs, u32 flags,
				u32 index, u32 start, u32 count, void *data)
{
	bool on = irqs->type == index;
	unsigned int vectors;

	if (on && !count && flags & VFIO_IRQ_SET_DATA_NONE) {
		mdev_pci_irqs_disable(irqs);
		return 0;
	}

	if (!on && irqs->type != MDEV_PCI_IRQ_NONE)
		return -EINVAL;
	if (!on && !(flags & VFIO_IRQ_SET_DATA_EVENTFD))
		return -EINVAL;
	if (!on && !(start + count))
		return -ERANGE;

	/* MSI is enabled with as many vectors as come first, MSI-X with all. */
	if (on)
		vectors = irqs->nr_enabled;
	else if (index == VFIO_PCI_MSI_IRQ_INDEX)
		vectors = start + count;
	else
		vectors = irqs->count[index];

	if (start + count > vectors)
		return -EINVAL;

	if (flags & VFIO_IRQ_SET_DATA_EVENTFD)
		return mdev_pci_arm(irqs, index, vectors, start, count, data);

	mdev_pci_loop_back(irqs, flags, start, count, data);
	return 0;
}

static int mdev_pci_arm_single(struct mdev_pci_irqs *irqs,
			       struct eventfd_ctx **slot, s32 fd)
{
	struct eventfd_ctx *ctx = NULL;

	if (fd < -1)
		return -EINVAL;

	if (fd >= 0) {
		ctx = eventfd_ctx_fdget(fd);
		if (IS_ERR(ctx))
			return PTR_ERR(ctx);
	}

	mdev_pci_replace(irqs, slot, ctx);
	return 0;
}

/* ERR and REQ */
static int mdev_pci_single_trigger(struct mdev_pci_irqs *irqs, u32 flags,
				   u32 index, u32 start, u32 count, void *data)
{
	struct eventfd_ctx **slot;

	slot = index == VFIO_PCI_ERR_IRQ_INDEX ? &irqs->err : &irqs->req;
	if (start || count > 1)
		return -EINVAL;

	if (flags & VFIO_IRQ_SET_DATA_NONE) {
		if (!*slot)
			return -EINVAL;
		if (count)
			mdev_pci_signal_slot(irqs, slot);
		else
			mdev_pci_replace(irqs, slot, NULL);
		return 0;
	}

	if (!count)
		return -EINVAL;
	if (flags & VFIO_IRQ_SET_DATA_EVENTFD)
		return mdev_pci_arm_single(irqs, slot, *(s32 *)data);

	if (*(u8 *)data)
		mdev_pci_signal_slot(irqs, slot);
	return 0;
}

static const struct {
	u32 index;
	u32 action;
	int (*fn)(struct mdev_pci_irqs *irqs, u32 flags, u32 index, u32 start,
		  u32 count, void *data);
} mdev_pci_irq_actions[] = {
	{ VFIO_PCI_INTX_IRQ_INDEX, VFIO_IRQ_SET_ACTION_TRIGGER,
	  mdev_pci_intx_trigger },
	{ VFIO_PCI_INTX_IRQ_INDEX, VFIO_IRQ_SET_ACTION_MASK,
	  mdev_pci_intx_mask },
	{ VFIO_PCI_INTX_IRQ_INDEX, VFIO_IRQ_SET_ACTION_UNMASK,
	  mdev_pci_intx_unmask },
	{ VFIO_PCI_MSI_IRQ_INDEX, VFIO_IRQ_SET_ACTION_TRIGGER,
	  mdev_pci_msi_trigger },
	{ VFIO_PCI_MSIX_IRQ_INDEX, VFIO_IRQ_SET_ACTION_TRIGGER,
	  mdev_pci_msi_trigger },
	{ VFIO_PCI_ERR_IRQ_INDEX, VFIO_IRQ_SET_ACTION_TRIGGER,
	  mdev_pci_single_trigger },
	{ VFIO_PCI_REQ_IRQ_INDEX, VFIO_IRQ_SET_ACTION_TRIGGER,
	  mdev_pci_single_trigger },
};

static int mdev_pci_irqs_set(struct mdev_pci_irqs *irqs, u32 flags, u32 index,
			     u32 start, u32 count, void *data)
{
	u32 action = flags & VFIO_IRQ_SET_ACTION_TYPE_MASK;
	unsigned int i;
	u32 end;
	int ret;

	if (index >= VFIO_PCI_NUM_IRQS)
		return -EINVAL;
	index = array_index_nospec(index, VFIO_PCI_NUM_IRQS);

	if (start >= irqs->count[index] ||
	    check_add_overflow(start, count, &end) || end > irqs->count[index])
		return -EINVAL;
	start = array_index_nospec(start, irqs->count[index]);

	for (i = 0; i < ARRAY_SIZE(mdev_pci_irq_actions); i++) {
		if (mdev_pci_irq_actions[i].index != index ||
		    mdev_pci_irq_actions[i].action != action)
			continue;

		mutex_lock(&irqs->mutex);
		ret = mdev_pci_irq_actions[i].fn(irqs, flags, index, start,
						 count, data);
		mutex_unlock(&irqs->mutex);
		return ret;
	}

	return -ENOTTY;
}

/**
 * mdev_pci_set_irqs - VFIO_DEVICE_SET_IRQS
 * @mdev: device
 * @flags: kind of data and action
 * @index: type of interrupt
 * @start: first vector
 * @count: number of vectors
 * @data: see &struct mdev_parent_ops
 *
 * Return: 0, or the error that vfio-pci gives for the same.
 */
int mdev_pci_set_irqs(struct mdev_device *mdev, u32 flags, u32 index,
		      u32 start, u32 count, void *data)
{
	return mdev_pci_irqs_set(&mdev_to_pci(mdev)->irqs, flags, index, start,
				 count, data);
}
EXPORT_SYMBOL(mdev_pci_set_irqs);

/**
 * mdev_pci_get_irq_info - VFIO_DEVICE_GET_IRQ_INFO
 * @mdev: device
 * @info: its index is the question, the rest the answer
 */
int mdev_pci_get_irq_info(struct mdev_device *mdev, struct vfio_irq_info *info)
{
	struct mdev_pci_irqs *irqs = &mdev_to_pci(mdev)->irqs;
	u32 index = info->index;

	if (index >= VFIO_PCI_NUM_IRQS)
		return -EINVAL;

	index = array_index_nospec(index, VFIO_PCI_NUM_IRQS);
	info->count = irqs->count[index];
	info->flags = VFIO_IRQ_INFO_EVENTFD;
	if (index == VFIO_PCI_INTX_IRQ_INDEX)
		info->flags |= VFIO_IRQ_INFO_MASKABLE |
			       VFIO_IRQ_INFO_AUTOMASKED;
	else if (index != VFIO_PCI_MSIX_IRQ_INDEX)
		info->flags |= VFIO_IRQ_INFO_NORESIZE;

	return 0;
}
EXPORT_SYMBOL(mdev_pci_get_irq_info);

#if IS_ENABLED(CONFIG_VFIO_MDEV_KUNIT_TEST)
#include "mdev_pci_irqs_test.c"
#endif
