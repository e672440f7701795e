// SPDX-License-Identifier: GPL-2.0-only
/*
 * Vendor driver to measure with: a classic one, its devices' callbacks called
 * by vfio_mdev
 */
#include <linux/mdev.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/slab.h>

#include "bench_device.h"

static struct platform_device *bench_pdev;

static int bench_forward_create(struct kobject *kobj, struct mdev_device *mdev)
{
	struct bench_device *bd = kzalloc(sizeof(*bd), GFP_KERNEL);

	if (!bd)
		return -ENOMEM;
	bd->page = alloc_page(GFP_KERNEL | __GFP_ZERO);
	if (!bd->page) {
		kfree(bd);
		return -ENOMEM;
	}
	mdev_set_drvdata(mdev, bd);
	return 0;
}

static int bench_forward_remove(struct mdev_device *mdev)
{
	struct bench_device *bd = mdev_get_drvdata(mdev);

	__free_page(bd->page);
	kfree(bd);
	return 0;
}

static int bench_forward_open(struct mdev_device *mdev)
{
	return 0;
}

static void bench_forward_release(struct mdev_device *mdev)
{
}

static ssize_t bench_forward_read(struct mdev_device *mdev, char __user *buf,
				  size_t count, loff_t *ppos)
{
	return bench_read(mdev_get_drvdata(mdev), buf, count);
}

static ssize_t bench_forward_write(struct mdev_device *mdev,
				   const char __user *buf, size_t count,
				   loff_t *ppos)
{
	return bench_write(mdev_get_drvdata(mdev), buf, count);
}

static long bench_forward_ioctl(struct mdev_device *mdev, unsigned int cmd,
				unsigned long arg)
{
	return bench_ioctl(mdev_get_drvdata(mdev), cmd);
}

static int bench_forward_mmap(struct mdev_device *mdev,
			      struct vm_area_struct *vma)
{
	return bench_mmap(mdev_get_drvdata(mdev), vma);
}

static struct attribute *bench_type_attrs[] = { NULL };

static struct attribute_group bench_type = {
	.name = "bench",
	.attrs = bench_type_attrs,
};

static struct attribute_group *bench_types[] = { &bench_type, NULL };

static const struct mdev_parent_ops bench_forward_ops = {
	.owner = THIS_MODULE,
	.supported_type_groups = bench_types,
	.create = bench_forward_create,
	.remove = bench_forward_remove,
	.open = bench_forward_open,
	.release = bench_forward_release,
	.read = bench_forward_read,
	.write = bench_forward_write,
	.ioctl = bench_forward_ioctl,
	.mmap = bench_forward_mmap,
};

static int __init bench_forward_init(void)
{
	int ret;

	bench_pdev = platform_device_register_simple("bench_forward",
						     PLATFORM_DEVID_NONE,
						     NULL, 0);
	if (IS_ERR(bench_pdev))
		return PTR_ERR(bench_pdev);

	ret = mdev_register_device(&bench_pdev->dev, &bench_forward_ops);
	if (ret)
		platform_device_unregister(bench_pdev);
	return ret;
}
module_init(bench_forward_init);

static void __exit bench_forward_exit(void)
{
	mdev_unregister_device(&bench_pdev->dev);
	platform_device_unregister(bench_pdev);
}
module_exit(bench_forward_exit);

MODULE_DESCRIPTION("Mediated devices: classic vendor driver to measure with");
MODULE_LICENSE("GPL");
