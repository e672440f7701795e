// SPDX-License-Identifier: GPL-2.0-only
/*
 * Vendor driver to measure with: registers a VFIO device itself, so that the
 * VFIO core calls the same callbacks as in bench_forward with nobody between
 */
#define MDEV_INTERFACE MDEV_INTERFACE_MODERN
#include <linux/module.h>
#include <linux/platform_device.h>

#include <vfio-compat/vfio.h>

#include "bench_device.h"

struct bench_direct {
	struct vfio_device vdev;
	struct bench_device bd;
};

static struct platform_device *bench_pdev;
static struct bench_direct *bench;

static struct bench_device *to_bench_device(struct vfio_device *vdev)
{
	return &container_of(vdev, struct bench_direct, vdev)->bd;
}

static void bench_direct_release(struct vfio_device *vdev)
{
	__free_page(to_bench_device(vdev)->page);
	vfio_compat_free_device(vdev);
}

static int bench_direct_open(struct vfio_device *vdev)
{
	return 0;
}

static void bench_direct_close(struct vfio_device *vdev)
{
}

static ssize_t bench_direct_read(struct vfio_device *vdev, char __user *buf,
				 size_t count, loff_t *ppos)
{
	return bench_read(to_bench_device(vdev), buf, count);
}

static ssize_t bench_direct_write(struct vfio_device *vdev,
				  const char __user *buf, size_t count,
				  loff_t *ppos)
{
	return bench_write(to_bench_device(vdev), buf, count);
}

static long bench_direct_ioctl(struct vfio_device *vdev, unsigned int cmd,
			       unsigned long arg)
{
	return bench_ioctl(to_bench_device(vdev), cmd);
}

static int bench_direct_mmap(struct vfio_device *vdev,
			     struct vm_area_struct *vma)
{
	return bench_mmap(to_bench_device(vdev), vma);
}

static const struct vfio_device_ops bench_direct_ops = {
	.name = "bench-direct",
	.release = bench_direct_release,
	VFIO_COMPAT_EMULATED_IOMMUFD_OPS
	.open_device = bench_direct_open,
	.close_device = bench_direct_close,
	.read = bench_direct_read,
	.write = bench_direct_write,
	.ioctl = bench_direct_ioctl,
	.mmap = bench_direct_mmap,
};

static int bench_direct_probe(struct platform_device *pdev)
{
	struct page *page = alloc_page(GFP_KERNEL | __GFP_ZERO);
	int ret;

	if (!page)
		return -ENOMEM;
	bench = vfio_alloc_device(bench_direct, vdev, &pdev->dev,
				  &bench_direct_ops);
	if (IS_ERR(bench)) {
		__free_page(page);
		return PTR_ERR(bench);
	}
	bench->bd.page = page;

	ret = vfio_register_emulated_iommu_dev(&bench->vdev);
	if (ret)
		vfio_put_device(&bench->vdev);
	return ret;
}

/* The VFIO core holds the driver's module for as long as the device is open. */
static struct platform_driver bench_direct_driver = {
	.driver = {
		.name = "bench_direct",
		.suppress_bind_attrs = true,
	},
};

static int __init bench_direct_init(void)
{
	bench_pdev = platform_create_bundle(&bench_direct_driver,
					    bench_direct_probe, NULL, 0,
					    NULL, 0);
	return PTR_ERR_OR_ZERO(bench_pdev);
}
module_init(bench_direct_init);

static void __exit bench_direct_exit(void)
{
	vfio_unregister_group_dev(&bench->vdev);
	vfio_put_device(&bench->vdev);
	platform_device_unregister(bench_pdev);
	platform_driver_unregister(&bench_direct_driver);
}
module_exit(bench_direct_exit);

MODULE_DESCRIPTION("Mediated devices: VFIO device to compare with");
MODULE_LICENSE("GPL");
