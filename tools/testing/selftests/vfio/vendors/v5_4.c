// SPDX-License-Identifier: GPL-2.0-only
/*
 * Test vendor driver: as one written to Linux v5.4 to v5.10
 *
 * Devices are named by guid_t, asks for an IOMMU device, and leaves the user's
 * memory to v5_4_memory.c.
 */
#include <linux/mdev.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/uuid.h>
#include <linux/vfio.h>

#include "v5_4.h"

#define V5_NAME		"mdev_v5_4"
#define V5_INSTANCES	8

struct v5_device {
	guid_t uuid;
	int iommu_device;	/* what mdev_set_iommu_device() answered */
	void *region;
	struct v5_memory memory;
};

static atomic_t v5_instances = ATOMIC_INIT(V5_INSTANCES);
static struct platform_device *v5_parent;

static bool v5_keep_handle;
module_param_named(keep_handle, v5_keep_handle, bool, 0644);
MODULE_PARM_DESC(keep_handle, "keep an external user's handle until removal");

static int v5_create(struct kobject *kobj, struct mdev_device *mdev)
{
	struct v5_device *v5;

	if (atomic_dec_if_positive(&v5_instances) < 0)
		return -EUSERS;

	v5 = kvzalloc(sizeof(*v5), GFP_KERNEL);
	if (!v5)
		goto put_instance;
	v5->region = (void *)get_zeroed_page(GFP_KERNEL);
	if (!v5->region)
		goto free;
	guid_copy(&v5->uuid, mdev_uuid(mdev));
	v5->iommu_device = mdev_set_iommu_device(mdev_dev(mdev),
						 mdev_parent_dev(mdev));
	v5_memory_init(&v5->memory);
	mdev_set_drvdata(mdev, v5);
	return 0;

free:
	kvfree(v5);
put_instance:
	atomic_inc(&v5_instances);
	return -ENOMEM;
}

static int v5_remove(struct mdev_device *mdev)
{
	struct v5_device *v5 = mdev_get_drvdata(mdev);

	v5_memory_put(&v5->memory);
	free_page((unsigned long)v5->region);
	kvfree(v5);
	atomic_inc(&v5_instances);
	return 0;
}

static int v5_open(struct mdev_device *mdev)
{
	struct v5_device *v5 = mdev_get_drvdata(mdev);
	int ret;

	if (!try_module_get(THIS_MODULE))
		return -ENODEV;
	ret = v5_memory_open(&v5->memory, mdev_dev(mdev));
	if (ret)
		module_put(THIS_MODULE);
	return ret;
}

static void v5_release(struct mdev_device *mdev)
{
	struct v5_device *v5 = mdev_get_drvdata(mdev);

	v5_memory_release(&v5->memory, v5_keep_handle);
	module_put(THIS_MODULE);
}

static ssize_t v5_read(struct mdev_device *mdev, char __user *buf, size_t count,
		       loff_t *ppos)
{
	struct v5_device *v5 = mdev_get_drvdata(mdev);

	return simple_read_from_buffer(buf, count, ppos, v5->region,
				       VENDOR_REGION_SIZE);
}

static ssize_t v5_write(struct mdev_device *mdev, const char __user *buf,
			size_t count, loff_t *ppos)
{
	struct v5_device *v5 = mdev_get_drvdata(mdev);

	return simple_write_to_buffer(v5->region, VENDOR_REGION_SIZE, ppos, buf,
				      count);
}

static int v5_mmap(struct mdev_device *mdev, struct vm_area_struct *vma)
{
	struct v5_device *v5 = mdev_get_drvdata(mdev);

	if (vma->vm_pgoff || vma->vm_end - vma->vm_start > VENDOR_REGION_SIZE)
		return -EINVAL;
	return remap_pfn_range(vma, vma->vm_start,
			       virt_to_phys(v5->region) >> PAGE_SHIFT,
			       vma->vm_end - vma->vm_start, vma->vm_page_prot);
}

static long v5_ioctl(struct mdev_device *mdev, unsigned int cmd,
		     unsigned long arg)
{
	struct v5_device *v5 = mdev_get_drvdata(mdev);
	struct vfio_region_info region;
	struct vfio_device_info info;
	unsigned long minsz;

	switch (cmd) {
	case VFIO_DEVICE_GET_INFO:
		minsz = offsetofend(struct vfio_device_info, num_irqs);
		if (copy_from_user(&info, (void __user *)arg, minsz))
			return -EFAULT;
		if (info.argsz < minsz)
			return -EINVAL;
		info.flags = VFIO_DEVICE_FLAGS_RESET;
		info.num_regions = 1;
		info.num_irqs = 0;
		if (copy_to_user((void __user *)arg, &info, minsz))
			return -EFAULT;
		return 0;
	case VFIO_DEVICE_GET_REGION_INFO:
		minsz = offsetofend(struct vfio_region_info, offset);
		if (copy_from_user(&region, (void __user *)arg, minsz))
			return -EFAULT;
		if (region.argsz < minsz || region.index)
			return -EINVAL;
		region.flags = VFIO_REGION_INFO_FLAG_READ |
			       VFIO_REGION_INFO_FLAG_WRITE |
			       VFIO_REGION_INFO_FLAG_MMAP;
		region.cap_offset = 0;
		region.size = VENDOR_REGION_SIZE;
		region.offset = 0;
		if (copy_to_user((void __user *)arg, &region, minsz))
			return -EFAULT;
		return 0;
	case VFIO_DEVICE_RESET:
		memset(v5->region, 0, VENDOR_REGION_SIZE);
		return 0;
	default:
		return v5_memory_ioctl(&v5->memory, cmd, (void __user *)arg);
	}
}

static ssize_t name_show(struct kobject *kobj, struct device *dev, char *buf)
{
	return sprintf(buf, "One page\n");
}
static MDEV_TYPE_ATTR_RO(name);

static ssize_t description_show(struct kobject *kobj, struct device *dev,
				char *buf)
{
	return sprintf(buf, "A page of %s\n", dev_name(dev));
}
static MDEV_TYPE_ATTR_RO(description);

static ssize_t device_api_show(struct kobject *kobj, struct device *dev,
			       char *buf)
{
	return sprintf(buf, "%s\n", VFIO_DEVICE_API_PLATFORM_STRING);
}
static MDEV_TYPE_ATTR_RO(device_api);

static ssize_t available_instances_show(struct kobject *kobj,
					struct device *dev, char *buf)
{
	return sprintf(buf, "%d\n", atomic_read(&v5_instances));
}
static MDEV_TYPE_ATTR_RO(available_instances);

static struct attribute *v5_type_attrs[] = {
	&mdev_type_attr_name.attr,
	&mdev_type_attr_description.attr,
	&mdev_type_attr_device_api.attr,
	&mdev_type_attr_available_instances.attr,
	NULL,
};

static struct attribute_group v5_type_group = {
	.name = "one",
	.attrs = v5_type_attrs,
};

static struct attribute_group *v5_type_groups[] = {
	&v5_type_group,
	NULL,
};

static struct v5_device *dev_to_v5(struct device *dev)
{
	return mdev_get_drvdata(mdev_from_dev(dev));
}

static ssize_t uuid_show(struct device *dev, struct device_attribute *attr,
			 char *buf)
{
	return sprintf(buf, "%pUl\n", &dev_to_v5(dev)->uuid);
}
static DEVICE_ATTR_RO(uuid);

static ssize_t iommu_device_show(struct device *dev,
				 struct device_attribute *attr, char *buf)
{
	return sprintf(buf, "%d %d\n", dev_to_v5(dev)->iommu_device,
		       !!mdev_get_iommu_device(dev));
}
static DEVICE_ATTR_RO(iommu_device);

static ssize_t pin_store(struct device *dev, struct device_attribute *attr,
			 const char *buf, size_t count)
{
	unsigned long user_pfn;
	int ret;

	ret = kstrtoul(buf, 0, &user_pfn);
	if (!ret)
		ret = v5_memory_touch(&dev_to_v5(dev)->memory, user_pfn);
	return ret ? ret : count;
}
static DEVICE_ATTR_WO(pin);

static struct attribute *v5_device_attrs[] = {
	&dev_attr_uuid.attr,
	&dev_attr_iommu_device.attr,
	&dev_attr_pin.attr,
	NULL,
};

static const struct attribute_group v5_device_group = {
	.name = "vendor",
	.attrs = v5_device_attrs,
};

static const struct attribute_group *v5_device_groups[] = {
	&v5_device_group,
	NULL,
};

static const struct mdev_parent_ops v5_ops = {
	.owner			= THIS_MODULE,
	.mdev_attr_groups	= v5_device_groups,
	.supported_type_groups	= v5_type_groups,
	.create			= v5_create,
	.remove			= v5_remove,
	.open			= v5_open,
	.release		= v5_release,
	.read			= v5_read,
	.write			= v5_write,
	.ioctl			= v5_ioctl,
	.mmap			= v5_mmap,
};

static struct platform_driver v5_driver = {
	.driver = {
		.name = V5_NAME,
	},
};

static int __init v5_init(void)
{
	int ret;

	ret = platform_driver_register(&v5_driver);
	if (ret)
		return ret;

	v5_parent = platform_device_register_simple(V5_NAME, 0, NULL, 0);
	if (IS_ERR(v5_parent)) {
		ret = PTR_ERR(v5_parent);
		goto unregister_driver;
	}

	ret = mdev_register_device(&v5_parent->dev, &v5_ops);
	if (ret)
		goto unregister_parent;
	return 0;

unregister_parent:
	platform_device_unregister(v5_parent);
unregister_driver:
	platform_driver_unregister(&v5_driver);
	return ret;
}

static void __exit v5_exit(void)
{
	mdev_unregister_device(&v5_parent->dev);
	platform_device_unregister(v5_parent);
	platform_driver_unregister(&v5_driver);
}

module_init(v5_init)
module_exit(v5_exit)

MODULE_LICENSE("GPL v2");
MODULE_DESCRIPTION("Mediated devices: test vendor driver as of Linux v5.4");
