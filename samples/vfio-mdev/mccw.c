// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sample vendor driver: mediated subchannels, in the manner of channel I/O
 *
 * The parent is a control unit without hardware that has 16 units to give
 * away, each behind a subchannel. A user writes its request into the one I/O
 * region (mccw.h): the address of a channel program in its own memory. The
 * unit runs the program: it keeps what it is sent and gives it back, tells what
 * it is, and what was wrong. Then the response stands in the region, and the
 * I/O interrupt is signalled.
 *
 * Written as a vendor driver of Linux v5.12, to struct mdev_parent_ops without
 * structured ops: every VFIO command arrives at the driver's ioctl. Of what came since
 * it has can_request: a removal that no user would hear of is refused at once. The unit
 * copies, so guest memory is read and written with vfio_dma_rw() and never
 * pinned. A command is read once, as a whole, and what was read is what is checked
 * and carried out: one that its user changes meanwhile is the old or the new one.
 * A program ends after MCCW_MAX_COMMANDS at the latest.
 *
 * A struct mccw lives from create to remove. unit->lock covers all that a
 * request reads and changes. It is held while the user's memory is touched,
 * which may take as long as the user likes, so it is waited for interruptibly.
 * unit->irq_lock covers the eventfds alone; request, which others wait for,
 * takes just this one. unit->group is set while the device is open.
 */
#include <linux/atomic.h>
#include <linux/build_bug.h>
#include <linux/mdev.h>
#include <linux/mdev_virtual.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/nospec.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/uaccess.h>
#include <linux/vfio.h>

#include <vfio-compat/eventfd.h>

#include "mccw.h"

#define MCCW_UNITS		16

/* A program that is longer is taken for one that never ends. */
#define MCCW_MAX_COMMANDS	256
/* Addresses have 31 bits. */
#define MCCW_ADDRESS_END	0x80000000

struct mccw {
	struct vfio_group *group;

	struct mutex lock;	/* what follows */
	struct mccw_io_region region;
	u8 sense[32];
	unsigned int kept;	/* bytes in buffer */
	u8 buffer[MCCW_BUFFER];

	spinlock_t irq_lock;	/* the eventfds */
	struct eventfd_ctx *trigger[VFIO_CCW_NUM_IRQS];
};

static_assert(sizeof(struct mccw_io_region) == 140);

static atomic_t mccw_free_units = ATOMIC_INIT(MCCW_UNITS);

/* Channel programs */

/* How a program ended, in the terms of the subchannel status word */
struct mccw_end {
	u32 next;		/* address after the last command */
	u16 left;		/* of its count */
	u8 device;
	u8 subchannel;
};

static int mccw_memory(struct mccw *unit, u32 address, void *data, size_t len,
		       bool to_guest)
{
	lockdep_assert_held(&unit->lock);

	if (address >= MCCW_ADDRESS_END || len > MCCW_ADDRESS_END - address)
		return -EFAULT;
	return vfio_dma_rw(unit->group, address, data, len, to_guest);
}

/* The unit has @len bytes at @data for the guest. */
static void mccw_give(struct mccw *unit, const struct mccw_ccw *ccw,
		      void *data, unsigned int len, struct mccw_end *end)
{
	unsigned int count = be16_to_cpu(ccw->count);

	len = min(len, count);
	if (!(ccw->flags & MCCW_FLAG_SKIP) && len) {
		if (mccw_memory(unit, be32_to_cpu(ccw->address), data, len,
				true)) {
			end->subchannel |= MCCW_PROGRAM_CHECK;
			return;
		}
		unit->region.given += len;
	}
	end->left = count - len;
}

static void mccw_keep(struct mccw *unit, const struct mccw_ccw *ccw,
		      struct mccw_end *end)
{
	unsigned int count = be16_to_cpu(ccw->count);
	unsigned int len = min_t(unsigned int, count, MCCW_BUFFER);

	unit->kept = 0;
	if (len && mccw_memory(unit, be32_to_cpu(ccw->address), unit->buffer,
			       len, false)) {
		end->subchannel |= MCCW_PROGRAM_CHECK;
		return;
	}
	unit->kept = len;
	unit->region.taken += len;
	end->left = count - len;
}

static void mccw_reject(struct mccw *unit, struct mccw_end *end)
{
	unit->sense[0] = MCCW_COMMAND_REJECT;
	end->device |= MCCW_UNIT_CHECK;
}

static void mccw_command(struct mccw *unit, const struct mccw_ccw *ccw,
			 struct mccw_end *end)
{
	u8 identity[] = { 0xff, 0x4d, 0x43, 0x01, 0x4d, 0x44, 0x01 };

	end->left = be16_to_cpu(ccw->count);
	if (ccw->command != MCCW_SENSE)
		memset(unit->sense, 0, sizeof(unit->sense));

	switch (ccw->command) {
	case MCCW_WRITE:
		mccw_keep(unit, ccw, end);
		break;
	case MCCW_READ:
		mccw_give(unit, ccw, unit->buffer, unit->kept, end);
		break;
	case MCCW_NOOP:
		end->left = 0;
		break;
	case MCCW_SENSE:
		mccw_give(unit, ccw, unit->sense, sizeof(unit->sense), end);
		break;
	case MCCW_SENSE_ID:
		mccw_give(unit, ccw, identity, sizeof(identity), end);
		break;
	default:
		mccw_reject(unit, end);
		return;
	}

	if (end->left && !(ccw->flags & MCCW_FLAG_ANY_LENGTH))
		end->subchannel |= MCCW_WRONG_LENGTH;
}

static bool mccw_valid(const struct mccw_ccw *ccw)
{
	return !(ccw->flags & ~(MCCW_FLAG_CHAIN | MCCW_FLAG_ANY_LENGTH |
				MCCW_FLAG_SKIP));
}

static void mccw_program(struct mccw *unit, u32 address, struct mccw_end *end)
{
	bool transferred = false;
	struct mccw_ccw ccw;
	unsigned int i;

	for (i = 0; i < MCCW_MAX_COMMANDS; i++) {
		if (address % sizeof(ccw) ||
		    mccw_memory(unit, address, &ccw, sizeof(ccw), false))
			break;
		address += sizeof(ccw);
		end->next = address;

		if (ccw.command == MCCW_TRANSFER) {
			if (transferred)
				break;
			transferred = true;
			address = be32_to_cpu(ccw.address);
			continue;
		}
		transferred = false;

		if (!mccw_valid(&ccw))
			break;
		unit->region.commands++;
		mccw_command(unit, &ccw, end);
		if (end->subchannel || end->device ||
		    !(ccw.flags & MCCW_FLAG_CHAIN)) {
			end->device |= MCCW_CHANNEL_END | MCCW_DEVICE_END;
			return;
		}
	}

	end->subchannel |= MCCW_PROGRAM_CHECK;
}

/* Requests */

static u32 mccw_word(const u8 *area, unsigned int word)
{
	return be32_to_cpup((const __be32 *)area + word);
}

static void mccw_respond(struct mccw_io_region *region,
			 const struct mccw_end *end)
{
	bool well = !end->subchannel &&
		    end->device == (MCCW_CHANNEL_END | MCCW_DEVICE_END);
	__be32 *scsw = (__be32 *)region->irb;

	memset(region->irb, 0, sizeof(region->irb));
	scsw[0] = cpu_to_be32(MCCW_ORB_FORMAT1 | MCCW_START | MCCW_ENDED |
			      (well ? 0 : MCCW_ALERT));
	scsw[1] = cpu_to_be32(end->next);
	scsw[2] = cpu_to_be32(end->device << 24 | end->subchannel << 16 |
			      end->left);
}

static void mccw_signal(struct mccw *unit, unsigned int index)
{
	spin_lock(&unit->irq_lock);
	if (unit->trigger[index])
		vfio_compat_eventfd_signal(unit->trigger[index]);
	spin_unlock(&unit->irq_lock);
}

static int mccw_start(struct mccw *unit)
{
	struct mccw_io_region *region = &unit->region;
	struct mccw_end end = { };

	if (!(mccw_word(region->scsw, 0) & MCCW_START) ||
	    !(mccw_word(region->orb, 1) & MCCW_ORB_FORMAT1))
		return -EOPNOTSUPP;

	mccw_program(unit, mccw_word(region->orb, 2), &end);
	mccw_respond(region, &end);
	region->requests++;
	mccw_signal(unit, VFIO_CCW_IO_IRQ_INDEX);
	return 0;
}

/* The region lies at 0, which a file has as its position to begin with. */
static bool mccw_whole(size_t count, loff_t pos)
{
	return count == sizeof(struct mccw_io_region) && !pos;
}

static ssize_t mccw_read(struct mdev_device *mdev, char __user *buf,
			 size_t count, loff_t *ppos)
{
	struct mccw *unit = mdev_get_drvdata(mdev);
	struct mccw_io_region region;

	if (!mccw_whole(count, *ppos))
		return -EINVAL;

	if (mutex_lock_interruptible(&unit->lock))
		return -ERESTARTSYS;
	region = unit->region;
	mutex_unlock(&unit->lock);

	return copy_to_user(buf, &region, count) ? -EFAULT : count;
}

static ssize_t mccw_write(struct mdev_device *mdev, const char __user *buf,
			  size_t count, loff_t *ppos)
{
	struct mccw *unit = mdev_get_drvdata(mdev);
	struct mccw_io_region region;
	int ret;

	if (!mccw_whole(count, *ppos))
		return -EINVAL;
	if (copy_from_user(&region, buf, count))
		return -EFAULT;

	if (mutex_lock_interruptible(&unit->lock))
		return -ERESTARTSYS;
	memcpy(unit->region.orb, region.orb, sizeof(region.orb));
	memcpy(unit->region.scsw, region.scsw, sizeof(region.scsw));
	ret = mccw_start(unit);
	unit->region.ret_code = ret;
	mutex_unlock(&unit->lock);

	return ret ?: count;
}

/* Commands */

static int mccw_reset(struct mccw *unit)
{
	if (mutex_lock_interruptible(&unit->lock))
		return -ERESTARTSYS;
	memset(&unit->region, 0, sizeof(unit->region));
	memset(unit->sense, 0, sizeof(unit->sense));
	unit->kept = 0;
	mutex_unlock(&unit->lock);
	return 0;
}

static void mccw_set_trigger(struct mccw *unit, unsigned int index,
			     struct eventfd_ctx *trigger)
{
	spin_lock(&unit->irq_lock);
	swap(unit->trigger[index], trigger);
	spin_unlock(&unit->irq_lock);

	if (trigger)
		eventfd_ctx_put(trigger);
}

static int mccw_set_eventfd(struct mccw *unit, unsigned int index, s32 fd)
{
	struct eventfd_ctx *trigger = NULL;

	if (fd >= 0) {
		trigger = eventfd_ctx_fdget(fd);
		if (IS_ERR(trigger))
			return PTR_ERR(trigger);
	} else if (fd != -1) {
		return -EINVAL;
	}
	mccw_set_trigger(unit, index, trigger);
	return 0;
}

/* There are no channel reports, and so no interrupt for them. */
static unsigned int mccw_irq_count(unsigned int index)
{
	return index == VFIO_CCW_CRW_IRQ_INDEX ? 0 : 1;
}

static int mccw_apply_irqs(struct mccw *unit, const struct vfio_irq_set *set,
			   const void *data)
{
	switch (set->flags) {
	case VFIO_IRQ_SET_ACTION_TRIGGER | VFIO_IRQ_SET_DATA_EVENTFD:
		return mccw_set_eventfd(unit, set->index, *(const s32 *)data);
	case VFIO_IRQ_SET_ACTION_TRIGGER | VFIO_IRQ_SET_DATA_BOOL:
		if (*(const u8 *)data)
			mccw_signal(unit, set->index);
		return 0;
	case VFIO_IRQ_SET_ACTION_TRIGGER | VFIO_IRQ_SET_DATA_NONE:
		if (set->count)
			mccw_signal(unit, set->index);
		else
			mccw_set_trigger(unit, set->index, NULL);
		return 0;
	default:
		return -EINVAL;
	}
}

static long mccw_set_irqs(struct mccw *unit, void __user *arg)
{
	const size_t minsz = offsetofend(struct vfio_irq_set, count);
	struct vfio_irq_set set;
	void *data = NULL;
	size_t size = 0;
	long ret;

	if (copy_from_user(&set, arg, minsz))
		return -EFAULT;
	if (set.index >= VFIO_CCW_NUM_IRQS)
		return -EINVAL;
	set.index = array_index_nospec(set.index, VFIO_CCW_NUM_IRQS);
	ret = vfio_set_irqs_validate_and_prepare(&set,
						 mccw_irq_count(set.index),
						 VFIO_CCW_NUM_IRQS, &size);
	if (ret)
		return ret;
	/* None at all: only DATA_NONE says something by that */
	if (!set.count && !(set.flags & VFIO_IRQ_SET_DATA_NONE))
		return -EINVAL;

	if (size) {
		data = memdup_user(arg + minsz, size);
		if (IS_ERR(data))
			return PTR_ERR(data);
	}
	ret = mccw_apply_irqs(unit, &set, data);
	kfree(data);
	return ret;
}

static long mccw_get_info(void __user *arg)
{
	const size_t minsz = offsetofend(struct vfio_device_info, num_irqs);
	struct vfio_device_info info;

	if (copy_from_user(&info, arg, minsz))
		return -EFAULT;
	if (info.argsz < minsz)
		return -EINVAL;

	info.flags = VFIO_DEVICE_FLAGS_CCW | VFIO_DEVICE_FLAGS_RESET;
	info.num_regions = VFIO_CCW_NUM_REGIONS;
	info.num_irqs = VFIO_CCW_NUM_IRQS;
	return copy_to_user(arg, &info, minsz) ? -EFAULT : 0;
}

static long mccw_get_region_info(void __user *arg)
{
	const size_t minsz = offsetofend(struct vfio_region_info, offset);
	struct vfio_region_info info;

	if (copy_from_user(&info, arg, minsz))
		return -EFAULT;
	if (info.argsz < minsz || info.index != VFIO_CCW_CONFIG_REGION_INDEX)
		return -EINVAL;

	info.flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	info.cap_offset = 0;
	info.size = sizeof(struct mccw_io_region);
	info.offset = 0;
	return copy_to_user(arg, &info, minsz) ? -EFAULT : 0;
}

static long mccw_get_irq_info(void __user *arg)
{
	const size_t minsz = offsetofend(struct vfio_irq_info, count);
	struct vfio_irq_info info;

	if (copy_from_user(&info, arg, minsz))
		return -EFAULT;
	if (info.argsz < minsz || info.index >= VFIO_CCW_NUM_IRQS)
		return -EINVAL;

	info.index = array_index_nospec(info.index, VFIO_CCW_NUM_IRQS);
	info.flags = VFIO_IRQ_INFO_EVENTFD;
	info.count = mccw_irq_count(info.index);
	return copy_to_user(arg, &info, minsz) ? -EFAULT : 0;
}

static long mccw_ioctl(struct mdev_device *mdev, unsigned int cmd,
		       unsigned long arg)
{
	struct mccw *unit = mdev_get_drvdata(mdev);

	switch (cmd) {
	case VFIO_DEVICE_GET_INFO:
		return mccw_get_info((void __user *)arg);
	case VFIO_DEVICE_GET_REGION_INFO:
		return mccw_get_region_info((void __user *)arg);
	case VFIO_DEVICE_GET_IRQ_INFO:
		return mccw_get_irq_info((void __user *)arg);
	case VFIO_DEVICE_SET_IRQS:
		return mccw_set_irqs(unit, (void __user *)arg);
	case VFIO_DEVICE_RESET:
		return mccw_reset(unit);
	default:
		return -ENOTTY;
	}
}

static void mccw_request(struct mdev_device *mdev, unsigned int count)
{
	mccw_signal(mdev_get_drvdata(mdev), VFIO_CCW_REQ_IRQ_INDEX);
}

/* Is there an eventfd to signal? */
static bool mccw_can_request(struct mdev_device *mdev)
{
	struct mccw *unit = mdev_get_drvdata(mdev);
	bool armed;

	spin_lock(&unit->irq_lock);
	armed = unit->trigger[VFIO_CCW_REQ_IRQ_INDEX];
	spin_unlock(&unit->irq_lock);
	return armed;
}

/* Life of a subchannel */

static int mccw_create(struct kobject *kobj, struct mdev_device *mdev)
{
	struct mccw *unit;

	if (atomic_dec_if_positive(&mccw_free_units) < 0)
		return -EUSERS;

	unit = kzalloc(sizeof(*unit), GFP_KERNEL);
	if (!unit) {
		atomic_inc(&mccw_free_units);
		return -ENOMEM;
	}
	mutex_init(&unit->lock);
	spin_lock_init(&unit->irq_lock);
	mdev_set_drvdata(mdev, unit);
	return 0;
}

static int mccw_remove(struct mdev_device *mdev)
{
	kfree(mdev_get_drvdata(mdev));
	atomic_inc(&mccw_free_units);
	return 0;
}

/* Each user finds the unit as after power on. */
static int mccw_open(struct mdev_device *mdev)
{
	struct mccw *unit = mdev_get_drvdata(mdev);
	struct vfio_group *group;
	int ret;

	ret = mccw_reset(unit);
	if (ret)
		return ret;

	group = vfio_group_get_external_user_from_dev(mdev_dev(mdev));
	if (IS_ERR(group))
		return PTR_ERR(group);
	unit->group = group;
	return 0;
}

static void mccw_release(struct mdev_device *mdev)
{
	struct mccw *unit = mdev_get_drvdata(mdev);
	unsigned int i;

	for (i = 0; i < VFIO_CCW_NUM_IRQS; i++)
		mccw_set_trigger(unit, i, NULL);
	vfio_group_put_external_user(unit->group);
	unit->group = NULL;
}

/* The type, mccw-echo */

static ssize_t name_show(struct kobject *kobj, struct device *dev, char *buf)
{
	return sysfs_emit(buf, "Echo unit\n");
}
static MDEV_TYPE_ATTR_RO(name);

static ssize_t description_show(struct kobject *kobj, struct device *dev,
				char *buf)
{
	return sysfs_emit(buf, "Subchannel of a unit that gives back what it was sent\n");
}
static MDEV_TYPE_ATTR_RO(description);

static ssize_t device_api_show(struct kobject *kobj, struct device *dev,
			       char *buf)
{
	return sysfs_emit(buf, "%s\n", VFIO_DEVICE_API_CCW_STRING);
}
static MDEV_TYPE_ATTR_RO(device_api);

static ssize_t available_instances_show(struct kobject *kobj,
					struct device *dev, char *buf)
{
	return sysfs_emit(buf, "%d\n", atomic_read(&mccw_free_units));
}
static MDEV_TYPE_ATTR_RO(available_instances);

static struct attribute *mccw_type_attrs[] = {
	&mdev_type_attr_name.attr,
	&mdev_type_attr_description.attr,
	&mdev_type_attr_device_api.attr,
	&mdev_type_attr_available_instances.attr,
	NULL
};

static struct attribute_group mccw_type_echo = {
	.name = "echo",
	.attrs = mccw_type_attrs,
};

static struct attribute_group *mccw_type_groups[] = {
	&mccw_type_echo,
	NULL
};

static const struct mdev_parent_ops mccw_ops = {
	.owner = THIS_MODULE,
	.supported_type_groups = mccw_type_groups,
	.create = mccw_create,
	.remove = mccw_remove,
	.open = mccw_open,
	.release = mccw_release,
	.read = mccw_read,
	.write = mccw_write,
	.ioctl = mccw_ioctl,
	.request = mccw_request,
	.can_request = mccw_can_request,
};

module_mdev_virtual_parent(mccw, mccw_ops);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Sample vendor driver: mediated subchannels");
