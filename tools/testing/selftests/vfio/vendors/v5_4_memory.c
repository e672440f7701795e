// SPDX-License-Identifier: GPL-2.0-only
/*
 * Test vendor driver as one written to Linux v5.4 to v5.10: the user's memory
 *
 * It pins as an external user of the group, and knows no more of mediated
 * devices than <linux/vfio.h>. The handle is got at open and given back at
 * release or, for the tests, only when the device is removed.
 */
#include <linux/delay.h>
#include <linux/device.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/iommu.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vfio.h>

#include "v5_4.h"

static int v5_event(struct notifier_block *nb, unsigned long action, void *data)
{
	struct v5_memory *memory = container_of(nb, struct v5_memory, notifier);

	if (action == VFIO_IOMMU_NOTIFY_DMA_UNMAP)
		vendor_unmapped(&memory->pins, data);
	return NOTIFY_OK;
}

/* A device that is none of VFIO's has no external user. */
static int v5_parent_pages(struct v5_memory *memory)
{
	struct vfio_group *group;

	group = vfio_group_get_external_user_from_dev(memory->dev->parent);
	if (IS_ERR(group))
		return PTR_ERR(group);
	vfio_group_put_external_user(group);
	return 0;
}

static int v5_pin(struct vendor_pins *pins, const struct vendor_pages *pages,
		  unsigned long *user_pfn, unsigned long *phys_pfn)
{
	struct v5_memory *memory = container_of(pins, struct v5_memory, pins);

	if (pages->parent)
		return v5_parent_pages(memory);
	return vfio_group_pin_pages(memory->group, user_pfn, pages->npage,
				    pages->prot, phys_pfn);
}

static int v5_unpin(struct vendor_pins *pins, bool parent,
		    unsigned long *user_pfn, int npage)
{
	struct v5_memory *memory = container_of(pins, struct v5_memory, pins);

	if (parent)
		return v5_parent_pages(memory);
	return vfio_group_unpin_pages(memory->group, user_pfn, npage);
}

void v5_memory_init(struct v5_memory *memory)
{
	memory->pins.pin = v5_pin;
	memory->pins.unpin = v5_unpin;
	mutex_init(&memory->pins.lock);
}

int v5_memory_open(struct v5_memory *memory, struct device *dev)
{
	unsigned long events = VFIO_IOMMU_NOTIFY_DMA_UNMAP;
	struct vfio_group *group;
	int ret;

	group = vfio_group_get_external_user_from_dev(dev);
	if (IS_ERR(group))
		return PTR_ERR(group);

	v5_memory_put(memory);
	memory->dev = dev;
	memory->group = group;
	memory->notifier.notifier_call = v5_event;
	memset(&memory->pins.news, 0, sizeof(memory->pins.news));

	ret = vfio_register_notifier(dev, VFIO_IOMMU_NOTIFY, &events,
				     &memory->notifier);
	if (ret)
		v5_memory_put(memory);
	return ret;
}

void v5_memory_release(struct v5_memory *memory, bool keep)
{
	vfio_unregister_notifier(memory->dev, VFIO_IOMMU_NOTIFY,
				 &memory->notifier);

	vendor_unpin_all(&memory->pins);
	if (!keep)
		v5_memory_put(memory);
}

/* Gives the handle back, if there is one. */
void v5_memory_put(struct v5_memory *memory)
{
	mutex_lock(&memory->pins.lock);
	if (memory->group)
		vfio_group_put_external_user(memory->group);
	memory->group = NULL;
	mutex_unlock(&memory->pins.lock);
}

static long v5_word(void __user *arg)
{
	struct vendor_word word;
	u64 *page;

	if (copy_from_user(&word, arg, sizeof(word)))
		return -EFAULT;
	if (!pfn_valid(word.phys_pfn))
		return -EINVAL;
	page = page_address(pfn_to_page(word.phys_pfn));
	word.value = *page;
	if (word.write)
		*page = word.new;
	return copy_to_user(arg, &word, sizeof(word)) ? -EFAULT : 0;
}

static long v5_notifier(struct v5_memory *memory, void __user *arg)
{
	struct vendor_notifier request;
	unsigned long events;
	long ret;

	if (copy_from_user(&request, arg, sizeof(request)))
		return -EFAULT;
	events = request.events;
	ret = request.on ?
	      vfio_register_notifier(memory->dev, request.type, &events,
				     &memory->notifier) :
	      vfio_unregister_notifier(memory->dev, request.type,
				       &memory->notifier);
	request.events = events;
	if (copy_to_user(arg, &request, sizeof(request)))
		return -EFAULT;
	return ret;
}

static long v5_dma(struct v5_memory *memory, void __user *arg)
{
	struct vendor_dma dma;
	void *data;
	long ret;

	if (copy_from_user(&dma, arg, sizeof(dma)))
		return -EFAULT;
	if (dma.len > VENDOR_REGION_SIZE)
		return -E2BIG;
	data = memdup_user(u64_to_user_ptr(dma.data), dma.len);
	if (IS_ERR(data))
		return PTR_ERR(data);
	ret = vfio_dma_rw(memory->group, dma.iova, data, dma.len, dma.write);
	if (!ret && copy_to_user(u64_to_user_ptr(dma.data), data, dma.len))
		ret = -EFAULT;
	kfree(data);
	return ret;
}

/* As KVM and others do it, which know no more of the user than its descriptor */
static long v5_group(struct v5_memory *memory, s32 __user *arg)
{
	struct vfio_group *group;
	struct file *file;
	s32 fd;

	if (get_user(fd, arg))
		return -EFAULT;
	file = fget(fd);
	if (!file)
		return -EBADF;
	group = vfio_group_get_external_user(file);
	fput(file);
	if (IS_ERR(group))
		return PTR_ERR(group);

	v5_memory_put(memory);
	mutex_lock(&memory->pins.lock);
	memory->group = group;
	mutex_unlock(&memory->pins.lock);
	return 0;
}

long v5_memory_ioctl(struct v5_memory *memory, unsigned int cmd,
		     void __user *arg)
{
	switch (cmd) {
	case VENDOR_PIN:
	case VENDOR_UNPIN:
		return vendor_pin_ioctl(&memory->pins, cmd, arg);
	case VENDOR_WORD:
		return v5_word(arg);
	case VENDOR_NOTIFIER:
		return v5_notifier(memory, arg);
	case VENDOR_DMA:
		return v5_dma(memory, arg);
	case VENDOR_GROUP:
		return v5_group(memory, arg);
	case VENDOR_NEWS:
		return vendor_news_ioctl(&memory->pins, arg);
	default:
		return -ENOTTY;
	}
}

/* Pins a page for a moment, with whatever handle there is. */
int v5_memory_touch(struct v5_memory *memory, unsigned long user_pfn)
{
	unsigned long phys_pfn;
	int ret = -ENOENT;

	mutex_lock(&memory->pins.lock);
	if (memory->group)
		ret = vfio_group_pin_pages(memory->group, &user_pfn, 1,
					   IOMMU_READ, &phys_pfn);
	if (ret == 1) {
		usleep_range(500, 1000);
		vfio_group_unpin_pages(memory->group, &user_pfn, 1);
	}
	mutex_unlock(&memory->pins.lock);
	return ret == 1 ? 0 : ret;
}
