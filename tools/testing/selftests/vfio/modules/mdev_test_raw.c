// SPDX-License-Identifier: GPL-2.0-only
/*
 * Test vendor driver: as drivers were in Linux v5.12
 *
 * Every VFIO command arrives at its ioctl, which reads and writes the user's
 * structs itself. It has neither owner nor request. What protects what is
 * told in mdev_test_device.c.
 */
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/vfio.h>

#include "mdev_test.h"

static struct mdev_test_vendor raw;

static int raw_create(struct kobject *kobj, struct mdev_device *mdev)
{
	return mdev_test_create(&raw, kobj, mdev);
}

static long raw_get_info(void __user *arg)
{
	struct vfio_device_info info;
	size_t minsz = offsetofend(struct vfio_device_info, num_irqs);

	if (copy_from_user(&info, arg, minsz))
		return -EFAULT;
	if (info.argsz < minsz)
		return -EINVAL;
	info.flags = VFIO_DEVICE_FLAGS_RESET;
	info.num_regions = MDEV_TEST_NUM_REGIONS;
	info.num_irqs = MDEV_TEST_NUM_IRQS;
	return copy_to_user(arg, &info, minsz) ? -EFAULT : 0;
}

static long raw_get_region_info(void __user *arg)
{
	struct vfio_region_info info;
	size_t minsz = offsetofend(struct vfio_region_info, offset);
	int ret;

	if (copy_from_user(&info, arg, minsz))
		return -EFAULT;
	if (info.argsz < minsz)
		return -EINVAL;
	ret = mdev_test_region_info(&info);
	if (ret)
		return ret;
	info.cap_offset = 0;
	return copy_to_user(arg, &info, minsz) ? -EFAULT : 0;
}

static long raw_get_irq_info(void __user *arg)
{
	struct vfio_irq_info info;
	size_t minsz = offsetofend(struct vfio_irq_info, count);
	int ret;

	if (copy_from_user(&info, arg, minsz))
		return -EFAULT;
	if (info.argsz < minsz)
		return -EINVAL;
	ret = mdev_test_irq_info(&info);
	if (ret)
		return ret;
	return copy_to_user(arg, &info, minsz) ? -EFAULT : 0;
}

static long raw_set_irqs(struct mdev_test_device *mt, void __user *arg)
{
	size_t minsz = offsetofend(struct vfio_irq_set, count);
	struct vfio_irq_info info = {};
	struct vfio_irq_set set;
	void *data = NULL;
	size_t size = 0;
	int ret;

	if (copy_from_user(&set, arg, minsz))
		return -EFAULT;
	info.index = set.index;
	ret = mdev_test_irq_info(&info);
	if (ret)
		return ret;
	ret = vfio_set_irqs_validate_and_prepare(&set, info.count,
						 MDEV_TEST_NUM_IRQS, &size);
	if (ret)
		return ret;
	if (size) {
		data = memdup_user(arg + minsz, size);
		if (IS_ERR(data))
			return PTR_ERR(data);
	}
	ret = mdev_test_set_irqs(mt, set.flags, set.index, set.start, set.count,
				 data);
	kfree(data);
	return ret;
}

static long raw_ioctl(struct mdev_device *mdev, unsigned int cmd,
		      unsigned long arg)
{
	struct mdev_test_device *mt = mdev_get_drvdata(mdev);
	int ret;

	ret = mdev_test_called(&raw, MDEV_TEST_OP_IOCTL, cmd, arg, 0, 0);
	if (ret)
		return ret;

	switch (cmd) {
	case VFIO_DEVICE_GET_INFO:
		return raw_get_info((void __user *)arg);
	case VFIO_DEVICE_GET_REGION_INFO:
		return raw_get_region_info((void __user *)arg);
	case VFIO_DEVICE_GET_IRQ_INFO:
		return raw_get_irq_info((void __user *)arg);
	case VFIO_DEVICE_SET_IRQS:
		return raw_set_irqs(mt, (void __user *)arg);
	case VFIO_DEVICE_RESET:
		return mdev_test_reset(mt);
	case MDEV_TEST_ECHO:
		return arg & INT_MAX;
	default:
		return -ENOTTY;
	}
}

static const struct mdev_parent_ops raw_ops = {
	.create = raw_create,
	.remove = mdev_test_remove,
	.open = mdev_test_open,
	.release = mdev_test_release,
	.read = mdev_test_read,
	.write = mdev_test_write,
	.ioctl = raw_ioctl,
	.mmap = mdev_test_mmap,
};

static struct mdev_test_vendor raw = MDEV_TEST_VENDOR("mdev_test_raw",
						      &raw_ops);

module_param_named(parents, raw.nr_parents, uint, 0444);
MODULE_PARM_DESC(parents, "parent devices to make (default 2)");
module_param_named(registered, raw.nr_registered, uint, 0444);
MODULE_PARM_DESC(registered, "of these, how many offer types (default 1)");

static int __init raw_init(void)
{
	return mdev_test_vendor_add(&raw, THIS_MODULE);
}
module_init(raw_init);

static void __exit raw_exit(void)
{
	mdev_test_vendor_del(&raw);
}
module_exit(raw_exit);

MODULE_DESCRIPTION("Mediated devices: test vendor driver with a raw ioctl");
MODULE_LICENSE("GPL");
