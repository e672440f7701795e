// SPDX-License-Identifier: GPL-2.0-only
/*
 * Test vendor driver: as one built with release v0.1 of these modules
 *
 * It has each callback that release knew, and notes which were called with what
 * they should be called with. It is built with the headers and symbol versions of
 * that release and loaded on those of today.
 */
#include <linux/iommu.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vfio.h>

#include "interface.h"
#include "../vendor_pins.h"

#define V0_NAME		"mdev_v0_1"

struct v0_device {
	struct mdev_device *mdev;
	void *region;
	struct vendor_pins pins;
};

static unsigned long v0_called;
module_param_named(called, v0_called, ulong, 0644);
MODULE_PARM_DESC(called, "callbacks that were called as they should be, a bit each");

static struct miscdevice v0_parent = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = V0_NAME ".0",
};

/* All that it may use is loaded with the versions of v0.1, called or not. */
static const void * const v0_imports[] __used = {
	mdev_unregister_device, mdev_get_drvdata, mdev_set_drvdata, mdev_uuid,
	mdev_parent_dev, mdev_to_dev, mdev_from_dev, mdev_set_iommu_device,
	mdev_get_iommu_device, mdev_register_bus_driver,
	mdev_unregister_bus_driver, &mdev_bus_type,
	vfio_mdev_pin_pages, vfio_mdev_unpin_pages, vfio_register_notifier,
	vfio_unregister_notifier, vfio_group_get_external_user,
	vfio_group_get_external_user_from_dev, vfio_group_put_external_user,
	vfio_group_pin_pages, vfio_group_unpin_pages, vfio_mdev_dma_rw,
};

static void v0_note(enum v0_1_op op, bool right)
{
	if (right)
		set_bit(op, &v0_called);
}

static int v0_pin(struct vendor_pins *pins, const struct vendor_pages *pages,
		  unsigned long *user_pfn, unsigned long *phys_pfn)
{
	struct v0_device *v0 = container_of(pins, struct v0_device, pins);

	return vfio_mdev_pin_pages(mdev_to_dev(v0->mdev), user_pfn, pages->npage,
				   pages->prot, phys_pfn);
}

static int v0_unpin(struct vendor_pins *pins, bool parent,
		    unsigned long *user_pfn, int npage)
{
	struct v0_device *v0 = container_of(pins, struct v0_device, pins);

	return vfio_mdev_unpin_pages(mdev_to_dev(v0->mdev), user_pfn, npage);
}

/* Life */

static int v0_create(struct kobject *kobj, struct mdev_device *mdev)
{
	struct v0_device *v0;

	v0 = kvzalloc(sizeof(*v0), GFP_KERNEL);
	if (!v0)
		return -ENOMEM;
	v0->region = (void *)get_zeroed_page(GFP_KERNEL);
	if (!v0->region) {
		kvfree(v0);
		return -ENOMEM;
	}
	v0->mdev = mdev;
	v0->pins.pin = v0_pin;
	v0->pins.unpin = v0_unpin;
	mutex_init(&v0->pins.lock);
	mdev_set_drvdata(mdev, v0);
	v0_note(V0_1_CREATE, !strcmp(kobj->name, "misc-one") &&
		mdev_parent_dev(mdev) == v0_parent.this_device);
	return 0;
}

static int v0_remove(struct mdev_device *mdev)
{
	struct v0_device *v0 = mdev_get_drvdata(mdev);

	v0_note(V0_1_REMOVE, v0->mdev == mdev);
	free_page((unsigned long)v0->region);
	kvfree(v0);
	return 0;
}

static int v0_open(struct mdev_device *mdev)
{
	struct v0_device *v0 = mdev_get_drvdata(mdev);

	memset(&v0->pins.news, 0, sizeof(v0->pins.news));
	v0_note(V0_1_OPEN, v0->mdev == mdev);
	return 0;
}

static void v0_release(struct mdev_device *mdev)
{
	struct v0_device *v0 = mdev_get_drvdata(mdev);

	vendor_unpin_all(&v0->pins);
	v0_note(V0_1_RELEASE, v0->mdev == mdev);
}

static void v0_request(struct mdev_device *mdev, unsigned int count)
{
	v0_note(V0_1_REQUEST, !count);
}

static bool v0_can_request(struct mdev_device *mdev)
{
	struct v0_device *v0 = mdev_get_drvdata(mdev);

	v0_note(V0_1_CAN_REQUEST, v0->mdev == mdev);
	return true;
}

/* The user's memory, and its virtual machine */

static void v0_dma_unmap(struct mdev_device *mdev, u64 iova, u64 length)
{
	struct v0_device *v0 = mdev_get_drvdata(mdev);
	struct vfio_iommu_type1_dma_unmap unmap = { .iova = iova, .size = length };

	vendor_unmapped(&v0->pins, &unmap);
	v0_note(V0_1_DMA_UNMAP, length);
}

static void v0_set_kvm(struct mdev_device *mdev, struct kvm *kvm)
{
	v0_note(V0_1_SET_KVM, kvm);
}

/* The device's file */

static ssize_t v0_read(struct mdev_device *mdev, char __user *buf, size_t count,
		       loff_t *ppos)
{
	struct v0_device *v0 = mdev_get_drvdata(mdev);

	v0_note(V0_1_READ, count == V0_1_COUNT && *ppos == V0_1_POS);
	return simple_read_from_buffer(buf, count, ppos, v0->region,
				       VENDOR_REGION_SIZE);
}

static ssize_t v0_write(struct mdev_device *mdev, const char __user *buf,
			size_t count, loff_t *ppos)
{
	struct v0_device *v0 = mdev_get_drvdata(mdev);

	v0_note(V0_1_WRITE, count == V0_1_COUNT && *ppos == V0_1_POS);
	return simple_write_to_buffer(v0->region, VENDOR_REGION_SIZE, ppos, buf,
				      count);
}

static int v0_mmap(struct mdev_device *mdev, struct vm_area_struct *vma)
{
	struct v0_device *v0 = mdev_get_drvdata(mdev);

	v0_note(V0_1_MMAP, vma->vm_end - vma->vm_start == PAGE_SIZE);
	return remap_pfn_range(vma, vma->vm_start,
			       virt_to_phys(v0->region) >> PAGE_SHIFT,
			       PAGE_SIZE, vma->vm_page_prot);
}

static long v0_ioctl(struct mdev_device *mdev, unsigned int cmd,
		     unsigned long arg)
{
	struct v0_device *v0 = mdev_get_drvdata(mdev);

	v0_note(V0_1_IOCTL, cmd == VENDOR_NEWS);
	switch (cmd) {
	case VENDOR_PIN:
	case VENDOR_UNPIN:
		return vendor_pin_ioctl(&v0->pins, cmd, (void __user *)arg);
	case VENDOR_NEWS:
		return vendor_news_ioctl(&v0->pins, (void __user *)arg);
	default:
		return -ENOTTY;
	}
}

static int v0_get_device_info(struct mdev_device *mdev,
			      struct vfio_device_info *info,
			      struct vfio_info_cap *caps)
{
	struct vfio_info_cap_header cap = { .id = V0_1_CAP, .version = 1 };

	info->flags = VFIO_DEVICE_FLAGS_RESET;
	info->num_regions = 1;
	info->num_irqs = 1;
	v0_note(V0_1_GET_DEVICE_INFO, true);
	return vfio_info_add_capability(caps, &cap, sizeof(cap));
}

static int v0_get_region_info(struct mdev_device *mdev,
			      struct vfio_region_info *info,
			      struct vfio_info_cap *caps)
{
	struct vfio_info_cap_header cap = { .id = V0_1_CAP, .version = 1 };

	info->flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE |
		      VFIO_REGION_INFO_FLAG_MMAP;
	info->size = VENDOR_REGION_SIZE;
	info->offset = 0;
	v0_note(V0_1_GET_REGION_INFO, !info->index);
	return vfio_info_add_capability(caps, &cap, sizeof(cap));
}

static int v0_get_irq_info(struct mdev_device *mdev, struct vfio_irq_info *info)
{
	info->flags = VFIO_IRQ_INFO_EVENTFD;
	info->count = V0_1_IRQS;
	v0_note(V0_1_GET_IRQ_INFO, !info->index);
	return 0;
}

static int v0_set_irqs(struct mdev_device *mdev, u32 flags, u32 index, u32 start,
		       u32 count, void *data)
{
	v0_note(V0_1_SET_IRQS, flags == (VFIO_IRQ_SET_DATA_BOOL |
					 VFIO_IRQ_SET_ACTION_TRIGGER) &&
		!index && start == 1 && count == V0_1_IRQS - 1 &&
		((u8 *)data)[count - 1] == V0_1_BOOL);
	return 0;
}

static int v0_reset(struct mdev_device *mdev)
{
	struct v0_device *v0 = mdev_get_drvdata(mdev);

	memset(v0->region, 0, VENDOR_REGION_SIZE);
	v0_note(V0_1_RESET, true);
	return 0;
}

static int v0_device_feature(struct mdev_device *mdev, u32 flags,
			     void __user *arg, size_t argsz)
{
	u64 value;

	if (copy_from_user(&value, arg, sizeof(value)))
		return -EFAULT;
	v0_note(V0_1_DEVICE_FEATURE,
		flags == (VFIO_DEVICE_FEATURE_SET | V0_1_FEATURE) &&
		argsz == sizeof(value) && value == V0_1_FEATURE);
	return 0;
}

/* Attributes */

static ssize_t device_api_show(struct kobject *kobj, struct device *dev,
			       char *buf)
{
	return sprintf(buf, "%s\n", VFIO_DEVICE_API_PLATFORM_STRING);
}
static MDEV_TYPE_ATTR_RO(device_api);

static ssize_t available_instances_show(struct kobject *kobj,
					struct device *dev, char *buf)
{
	return sprintf(buf, "1\n");
}
static MDEV_TYPE_ATTR_RO(available_instances);

static struct attribute *v0_type_attrs[] = {
	&mdev_type_attr_device_api.attr,
	&mdev_type_attr_available_instances.attr,
	NULL,
};

static struct attribute_group v0_type_group = {
	.name = "one",
	.attrs = v0_type_attrs,
};

static struct attribute_group *v0_type_groups[] = {
	&v0_type_group,
	NULL,
};

/* Of the parent, which has none, and of a device */
static ssize_t uuid_show(struct device *dev, struct device_attribute *attr,
			 char *buf)
{
	struct mdev_device *mdev = mdev_from_dev(dev);

	return mdev ? sprintf(buf, "%pUl\n", mdev_uuid(mdev)) :
		      sprintf(buf, "none\n");
}
static DEVICE_ATTR_RO(uuid);

static struct attribute *v0_attrs[] = {
	&dev_attr_uuid.attr,
	NULL,
};

static const struct attribute_group v0_group = {
	.name = "vendor",
	.attrs = v0_attrs,
};

static const struct attribute_group *v0_groups[] = {
	&v0_group,
	NULL,
};

static const struct mdev_parent_ops v0_ops = {
	.owner			= THIS_MODULE,
	.dev_attr_groups	= v0_groups,
	.mdev_attr_groups	= v0_groups,
	.supported_type_groups	= v0_type_groups,
	.create			= v0_create,
	.remove			= v0_remove,
	.open			= v0_open,
	.release		= v0_release,
	.read			= v0_read,
	.write			= v0_write,
	.ioctl			= v0_ioctl,
	.mmap			= v0_mmap,
	.request		= v0_request,
	.get_device_info	= v0_get_device_info,
	.get_region_info	= v0_get_region_info,
	.get_irq_info		= v0_get_irq_info,
	.set_irqs		= v0_set_irqs,
	.reset			= v0_reset,
	.can_request		= v0_can_request,
	.dma_unmap		= v0_dma_unmap,
	.set_kvm		= v0_set_kvm,
	.device_feature		= v0_device_feature,
};

static int __init v0_init(void)
{
	int ret;

	ret = misc_register(&v0_parent);
	if (ret)
		return ret;
	ret = mdev_register_device(v0_parent.this_device, &v0_ops);
	if (ret)
		misc_deregister(&v0_parent);
	return ret;
}

static void __exit v0_exit(void)
{
	mdev_unregister_device(v0_parent.this_device);
	misc_deregister(&v0_parent);
}

module_init(v0_init)
module_exit(v0_exit)

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Mediated devices: test vendor driver built with release v0.1");
