// SPDX-License-Identifier: GPL-2.0-only
/*
 * Test vendor drivers: the devices
 *
 * A device exists from create to remove and has memory between open and
 * release. Its regions lie behind each other in that memory, each in pages of
 * its own, as laid out in "regions"; MDEV_TEST_REGION_BIG alone has none. mdev_test_device.lock
 * protects its state and interrupts; contents are what user space last wrote,
 * unordered.
 */
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/nospec.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/vfio.h>
#include <linux/vmalloc.h>
#include <vfio-compat/eventfd.h>

#include "mdev_test.h"

#define REGION_RW (VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE)

static const struct {
	u64 size;
	u32 flags;
	u32 start;	/* in mdev_test_device.mem */
} regions[MDEV_TEST_NUM_REGIONS] = {
	[MDEV_TEST_REGION_REGS] = {
		MDEV_TEST_REGS_SIZE, REGION_RW, 0 },
	[MDEV_TEST_REGION_MEM] = {
		MDEV_TEST_MEM_SIZE, REGION_RW | VFIO_REGION_INFO_FLAG_MMAP,
		PAGE_SIZE },
	[MDEV_TEST_REGION_BIG] = {
		MDEV_TEST_BIG_SIZE, REGION_RW, 0 },
	[MDEV_TEST_REGION_ROM] = {
		MDEV_TEST_ROM_SIZE, VFIO_REGION_INFO_FLAG_READ, 17 * PAGE_SIZE },
	[MDEV_TEST_REGION_TYPED] = {
		MDEV_TEST_TYPED_SIZE, REGION_RW | VFIO_REGION_INFO_FLAG_MMAP,
		18 * PAGE_SIZE },
	[MDEV_TEST_REGION_INPUT] = {
		MDEV_TEST_INPUT_SIZE,
		VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_MMAP,
		20 * PAGE_SIZE },
	[MDEV_TEST_REGION_OUTPUT] = {
		MDEV_TEST_OUTPUT_SIZE,
		VFIO_REGION_INFO_FLAG_WRITE | VFIO_REGION_INFO_FLAG_MMAP,
		21 * PAGE_SIZE },
	[MDEV_TEST_REGION_SHORT] = {
		MDEV_TEST_SHORT_SIZE, REGION_RW | VFIO_REGION_INFO_FLAG_MMAP,
		22 * PAGE_SIZE },
	[MDEV_TEST_REGION_ODD] = {
		MDEV_TEST_ODD_SIZE, REGION_RW | VFIO_REGION_INFO_FLAG_MMAP,
		23 * PAGE_SIZE },
};

#define MEM_SIZE	(25 * PAGE_SIZE)

static const struct {
	u32 count;
	u32 flags;
	u32 start;	/* in mdev_test_device.vector */
} irqs[MDEV_TEST_NUM_IRQS] = {
	[MDEV_TEST_IRQ_LEVEL] = {
		1, VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_MASKABLE |
		   VFIO_IRQ_INFO_AUTOMASKED, 0 },
	[MDEV_TEST_IRQ_EDGES] = {
		MDEV_TEST_NUM_EDGES,
		VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_NORESIZE, 1 },
	[MDEV_TEST_IRQ_REQUEST] = {
		1, VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_NORESIZE,
		1 + MDEV_TEST_NUM_EDGES },
};

static void violation(struct mdev_test_device *mt, const char *what)
{
	atomic_inc(&mt->vendor->violations);
	pr_err("%s: %s\n", mt->vendor->driver.driver.name, what);
}

static void set_trigger(struct mdev_test_vector *vector,
			struct eventfd_ctx *trigger)
{
	if (vector->trigger)
		eventfd_ctx_put(vector->trigger);
	vector->trigger = trigger;
}

static void irqs_disable(struct mdev_test_device *mt)
{
	unsigned int i;

	for (i = 0; i < MDEV_TEST_NUM_VECTORS; i++) {
		set_trigger(&mt->vector[i], NULL);
		mt->vector[i].masked = false;
		mt->vector[i].pending = false;
	}
}

/* Life cycle */

int mdev_test_create(struct mdev_test_vendor *vendor, struct kobject *kobj,
		     struct mdev_device *mdev)
{
	bool locked = READ_ONCE(vendor->serialize);
	struct mdev_test_device *mt;
	int ret;

	mt = kzalloc(sizeof(*mt), GFP_KERNEL);
	if (!mt)
		return -ENOMEM;
	mt->vendor = vendor;
	mutex_init(&mt->lock);

	if (locked)
		mutex_lock(&vendor->mutex);
	ret = mdev_test_called(vendor, MDEV_TEST_OP_CREATE, 0, 0, 0, 0);
	if (!ret) {
		mt->parent = mdev_test_get_instance(kobj, mdev_parent_dev(mdev),
						    &mt->type);
		if (!mt->parent)
			ret = -EUSERS;
	}
	if (locked)
		mutex_unlock(&vendor->mutex);

	if (ret)
		kfree(mt);
	else
		mdev_set_drvdata(mdev, mt);
	return ret;
}
EXPORT_SYMBOL_GPL(mdev_test_create);

/* As in the later classic kernels the device is gone whatever this answers. */
int mdev_test_remove(struct mdev_device *mdev)
{
	struct mdev_test_device *mt = mdev_get_drvdata(mdev);
	struct mdev_test_vendor *vendor = mt->vendor;
	bool locked = READ_ONCE(vendor->serialize);
	int ret;

	if (locked)
		mutex_lock(&vendor->mutex);
	ret = mdev_test_called(vendor, MDEV_TEST_OP_REMOVE, 0, 0, 0, 0);
	if (mt->open)
		violation(mt, "remove while open");
	mdev_test_put_instance(mt->parent, mt->type);
	if (locked)
		mutex_unlock(&vendor->mutex);

	mdev_set_drvdata(mdev, NULL);
	vfree(mt->mem);
	kfree(mt);
	return ret;
}
EXPORT_SYMBOL_GPL(mdev_test_remove);

int mdev_test_open(struct mdev_device *mdev)
{
	struct mdev_test_device *mt = mdev_get_drvdata(mdev);
	int ret, i;

	ret = mdev_test_called(mt->vendor, MDEV_TEST_OP_OPEN, 0, 0, 0, 0);
	if (ret)
		return ret;

	mutex_lock(&mt->lock);
	if (mt->open) {
		violation(mt, "open while open");
		ret = -EBUSY;
		goto unlock;
	}
	mt->mem = vmalloc_user(MEM_SIZE);
	if (!mt->mem) {
		ret = -ENOMEM;
		goto unlock;
	}
	for (i = 0; i < MDEV_TEST_ROM_SIZE; i++)
		mt->mem[regions[MDEV_TEST_REGION_ROM].start + i] = 0x5a ^ i;
	mt->open = true;
unlock:
	mutex_unlock(&mt->lock);
	return ret;
}
EXPORT_SYMBOL_GPL(mdev_test_open);

void mdev_test_release(struct mdev_device *mdev)
{
	struct mdev_test_device *mt = mdev_get_drvdata(mdev);

	mdev_test_called(mt->vendor, MDEV_TEST_OP_RELEASE, 0, 0, 0, 0);

	mutex_lock(&mt->lock);
	if (!mt->open)
		violation(mt, "release while closed");
	mt->open = false;
	irqs_disable(mt);
	vfree(mt->mem);
	mt->mem = NULL;
	mutex_unlock(&mt->lock);
}
EXPORT_SYMBOL_GPL(mdev_test_release);

/* Regions */

/*
 * Where in memory an access starts, and its length cut to the region. NULL: the
 * region has no memory.
 */
static int locate(struct mdev_test_device *mt, loff_t pos, size_t *count,
		  u8 **mem)
{
	u64 index = (u64)pos >> MDEV_TEST_OFFSET_SHIFT;
	u64 offset = pos & (BIT_ULL(MDEV_TEST_OFFSET_SHIFT) - 1);

	if (!mt->open) {
		violation(mt, "access while closed");
		return -ENODEV;
	}
	if (index >= MDEV_TEST_NUM_REGIONS)
		return -EINVAL;
	index = array_index_nospec(index, MDEV_TEST_NUM_REGIONS);
	if (offset >= regions[index].size)
		return -EINVAL;
	offset = array_index_nospec(offset, regions[index].size);
	*count = min_t(u64, *count, regions[index].size - offset);
	*mem = index == MDEV_TEST_REGION_BIG ? NULL :
	       mt->mem + regions[index].start + offset;
	return 0;
}

ssize_t mdev_test_read(struct mdev_device *mdev, char __user *buf,
		       size_t count, loff_t *ppos)
{
	struct mdev_test_device *mt = mdev_get_drvdata(mdev);
	u8 *mem;
	int ret;

	ret = mdev_test_called(mt->vendor, MDEV_TEST_OP_READ, *ppos, count,
			       (uintptr_t)buf, 0);
	if (!ret)
		ret = locate(mt, *ppos, &count, &mem);
	if (ret)
		return ret;

	if (mem)
		ret = copy_to_user(buf, mem, count);
	else if (count)
		ret = clear_user(buf, 1) || clear_user(buf + count - 1, 1);
	if (ret)
		return -EFAULT;
	*ppos += count;
	return count;
}
EXPORT_SYMBOL_GPL(mdev_test_read);

ssize_t mdev_test_write(struct mdev_device *mdev, const char __user *buf,
			size_t count, loff_t *ppos)
{
	struct mdev_test_device *mt = mdev_get_drvdata(mdev);
	u8 *mem, c;
	int ret;

	ret = mdev_test_called(mt->vendor, MDEV_TEST_OP_WRITE, *ppos, count,
			       (uintptr_t)buf, 0);
	if (!ret)
		ret = locate(mt, *ppos, &count, &mem);
	if (ret)
		return ret;

	if (mem)
		ret = copy_from_user(mem, buf, count);
	else if (count)
		ret = copy_from_user(&c, buf, 1) ||
		      copy_from_user(&c, buf + count - 1, 1);
	if (ret)
		return -EFAULT;
	*ppos += count;
	return count;
}
EXPORT_SYMBOL_GPL(mdev_test_write);

static bool ends_within_page(u64 index)
{
	return index == MDEV_TEST_REGION_SHORT || index == MDEV_TEST_REGION_ODD;
}

int mdev_test_mmap(struct mdev_device *mdev, struct vm_area_struct *vma)
{
	struct mdev_test_device *mt = mdev_get_drvdata(mdev);
	u64 pos = (u64)vma->vm_pgoff << PAGE_SHIFT;
	u64 size = vma->vm_end - vma->vm_start;
	size_t room = size;
	u8 *mem;
	int ret;

	ret = mdev_test_called(mt->vendor, MDEV_TEST_OP_MMAP, vma->vm_pgoff,
			       size, 0, 0);
	if (!ret)
		ret = locate(mt, pos, &room, &mem);
	if (ret)
		return ret;
	/* The rest of a page belongs to no other region. */
	if (ends_within_page(pos >> MDEV_TEST_OFFSET_SHIFT))
		room = PAGE_ALIGN(room);
	if (!mem || room < size)
		return -EINVAL;
	return remap_vmalloc_range(vma, mem, 0);
}
EXPORT_SYMBOL_GPL(mdev_test_mmap);

/**
 * mdev_test_region_info - answer VFIO_DEVICE_GET_REGION_INFO, capabilities aside
 * @info: index in, the rest out
 *
 * Return: 0, -EINVAL if there is no such region
 */
int mdev_test_region_info(struct vfio_region_info *info)
{
	u32 index = info->index;

	if (index >= MDEV_TEST_NUM_REGIONS)
		return -EINVAL;
	index = array_index_nospec(index, MDEV_TEST_NUM_REGIONS);
	info->flags = regions[index].flags;
	info->size = regions[index].size;
	info->offset = (u64)index << MDEV_TEST_OFFSET_SHIFT;
	return 0;
}
EXPORT_SYMBOL_GPL(mdev_test_region_info);

/* Interrupts */

/**
 * mdev_test_irq_info - answer VFIO_DEVICE_GET_IRQ_INFO
 * @info: index in, the rest out
 *
 * Return: 0, -EINVAL if there is no such interrupt
 */
int mdev_test_irq_info(struct vfio_irq_info *info)
{
	u32 index = info->index;

	if (index >= MDEV_TEST_NUM_IRQS)
		return -EINVAL;
	index = array_index_nospec(index, MDEV_TEST_NUM_IRQS);
	info->flags = irqs[index].flags;
	info->count = irqs[index].count;
	return 0;
}
EXPORT_SYMBOL_GPL(mdev_test_irq_info);

static int signal_vector(struct mdev_test_vector *vector, u32 flags)
{
	if (!vector->trigger)
		return -ENXIO;
	if (vector->masked) {
		vector->pending = true;
		return 0;
	}
	vfio_compat_eventfd_signal(vector->trigger);
	vector->masked = flags & VFIO_IRQ_INFO_AUTOMASKED;
	return 0;
}

/**
 * mdev_test_signal - signal an interrupt to user space
 * @mt: device
 * @index: interrupt
 * @start: which of those of that index
 *
 * Return: 0, -EINVAL if there is none such, -ENXIO if nobody listens
 */
int mdev_test_signal(struct mdev_test_device *mt, u32 index, u32 start)
{
	int ret;

	if (index >= MDEV_TEST_NUM_IRQS)
		return -EINVAL;
	index = array_index_nospec(index, MDEV_TEST_NUM_IRQS);
	if (start >= irqs[index].count)
		return -EINVAL;
	start = array_index_nospec(start, irqs[index].count);
	mutex_lock(&mt->lock);
	ret = signal_vector(&mt->vector[irqs[index].start + start],
			    irqs[index].flags);
	mutex_unlock(&mt->lock);
	return ret;
}
EXPORT_SYMBOL_GPL(mdev_test_signal);

static int set_eventfds(struct mdev_test_vector *vector, u32 count, s32 *fds)
{
	struct eventfd_ctx *trigger[MDEV_TEST_NUM_EDGES] = {};
	int ret = 0;
	u32 i;

	for (i = 0; i < count && !ret; i++) {
		if (fds[i] < 0)
			continue;
		trigger[i] = eventfd_ctx_fdget(fds[i]);
		if (IS_ERR(trigger[i])) {
			ret = PTR_ERR(trigger[i]);
			trigger[i] = NULL;
		}
	}
	for (i = 0; i < count; i++) {
		if (!ret)
			set_trigger(&vector[i], trigger[i]);
		else if (trigger[i])
			eventfd_ctx_put(trigger[i]);
	}
	return ret;
}

/**
 * mdev_test_set_irqs - do as VFIO_DEVICE_SET_IRQS says
 * @mt: device
 * @flags: VFIO_IRQ_SET_*
 * @index: interrupt, checked by the caller like:
 * @start: first one of that index
 * @count: how many; 0 turns all off
 * @data: what flags say it is
 *
 * Return: 0 or an error, after which nothing has changed
 */
int mdev_test_set_irqs(struct mdev_test_device *mt, u32 flags, u32 index,
		       u32 start, u32 count, void *data)
{
	struct mdev_test_vector *vector = &mt->vector[irqs[index].start + start];
	u32 action = flags & VFIO_IRQ_SET_ACTION_TYPE_MASK;
	u8 *chosen = flags & VFIO_IRQ_SET_DATA_BOOL ? data : NULL;
	int ret = 0;
	u32 i;

	if (action != VFIO_IRQ_SET_ACTION_TRIGGER &&
	    (index != MDEV_TEST_IRQ_LEVEL || flags & VFIO_IRQ_SET_DATA_EVENTFD))
		return -ENOTTY;

	mutex_lock(&mt->lock);
	if (flags & VFIO_IRQ_SET_DATA_EVENTFD) {
		ret = set_eventfds(vector, count, data);
		goto unlock;
	}
	if (!count) {
		for (i = 0; i < irqs[index].count; i++)
			set_trigger(&mt->vector[irqs[index].start + i], NULL);
		goto unlock;
	}
	for (i = 0; i < count; i++) {
		if (chosen && !chosen[i])
			continue;
		if (action == VFIO_IRQ_SET_ACTION_TRIGGER) {
			signal_vector(&vector[i], irqs[index].flags);
			continue;
		}
		vector[i].masked = action == VFIO_IRQ_SET_ACTION_MASK;
		if (!vector[i].masked && vector[i].pending) {
			vector[i].pending = false;
			signal_vector(&vector[i], irqs[index].flags);
		}
	}
unlock:
	mutex_unlock(&mt->lock);
	return ret;
}
EXPORT_SYMBOL_GPL(mdev_test_set_irqs);

/**
 * mdev_test_reset - clear registers and memory
 * @mt: device
 *
 * Return: 0
 */
int mdev_test_reset(struct mdev_test_device *mt)
{
	mutex_lock(&mt->lock);
	memset(mt->mem, 0, regions[MDEV_TEST_REGION_ROM].start);
	mutex_unlock(&mt->lock);
	return 0;
}
EXPORT_SYMBOL_GPL(mdev_test_reset);

/* Attributes */

static struct mdev_test_device *dev_to_mt(struct device *dev)
{
	return mdev_get_drvdata(mdev_from_dev(dev));
}

static ssize_t note_show(struct device *dev, struct device_attribute *attr,
			 char *buf)
{
	struct mdev_test_device *mt = dev_to_mt(dev);
	ssize_t ret;

	mutex_lock(&mt->lock);
	ret = sysfs_emit(buf, "%s\n", mt->note);
	mutex_unlock(&mt->lock);
	return ret;
}

static ssize_t note_store(struct device *dev, struct device_attribute *attr,
			  const char *buf, size_t count)
{
	struct mdev_test_device *mt = dev_to_mt(dev);

	if (count >= sizeof(mt->note))
		return -EINVAL;
	mutex_lock(&mt->lock);
	strscpy(mt->note, buf, sizeof(mt->note));
	strreplace(mt->note, '\n', '\0');
	mutex_unlock(&mt->lock);
	return count;
}
static DEVICE_ATTR_RW(note);

static ssize_t open_show(struct device *dev, struct device_attribute *attr,
			 char *buf)
{
	return sysfs_emit(buf, "%d\n", dev_to_mt(dev)->open);
}
static DEVICE_ATTR_RO(open);

static ssize_t trigger_store(struct device *dev, struct device_attribute *attr,
			     const char *buf, size_t count)
{
	u32 index, start;
	int ret;

	if (sscanf(buf, "%u %u", &index, &start) != 2)
		return -EINVAL;
	ret = mdev_test_signal(dev_to_mt(dev), index, start);
	return ret ?: count;
}
static DEVICE_ATTR_WO(trigger);

static struct attribute *device_attrs[] = {
	&dev_attr_note.attr,
	&dev_attr_open.attr,
	&dev_attr_trigger.attr,
	NULL
};

static const struct attribute_group device_group = {
	.name = "test",
	.attrs = device_attrs,
};

const struct attribute_group *mdev_test_device_groups[] = {
	&device_group,
	NULL
};
