// SPDX-License-Identifier: GPL-2.0-only
/*
 * Vendor driver to measure with: the least that a driver of the kernel's own
 * interface does
 *
 * Loads against the kernel's mdev.ko and against ours. Its devices are bound
 * and nothing else: they are no VFIO devices, what is measured is mdev.ko.
 */
#define MDEV_INTERFACE MDEV_INTERFACE_MODERN
#include <linux/mdev.h>
#include <linux/module.h>
#include <linux/platform_device.h>

#define BENCH_MAX_DEVICES	20000

static struct platform_device *bench_pdev;
static struct mdev_parent bench_parent;

static struct mdev_type bench_type = {
	.sysfs_name = "bench",
	.pretty_name = "bench",
};

static struct mdev_type *bench_types[] = { &bench_type };

static int bench_modern_probe(struct mdev_device *mdev)
{
	return 0;
}

static void bench_modern_remove(struct mdev_device *mdev)
{
}

static struct mdev_driver bench_modern_driver = {
	.device_api = "bench",
	.max_instances = BENCH_MAX_DEVICES,
	.probe = bench_modern_probe,
	.remove = bench_modern_remove,
	.driver = {
		.name = "bench_modern",
		.owner = THIS_MODULE,
		.mod_name = KBUILD_MODNAME,
	},
};

static int __init bench_modern_init(void)
{
	int ret;

	bench_pdev = platform_device_register_simple("bench_modern",
						     PLATFORM_DEVID_NONE,
						     NULL, 0);
	if (IS_ERR(bench_pdev))
		return PTR_ERR(bench_pdev);

	ret = mdev_register_driver(&bench_modern_driver);
	if (ret)
		goto unregister_device;
	ret = mdev_register_parent(&bench_parent, &bench_pdev->dev,
				   &bench_modern_driver, bench_types,
				   ARRAY_SIZE(bench_types));
	if (ret)
		goto unregister_driver;
	return 0;

unregister_driver:
	mdev_unregister_driver(&bench_modern_driver);
unregister_device:
	platform_device_unregister(bench_pdev);
	return ret;
}
module_init(bench_modern_init);

static void __exit bench_modern_exit(void)
{
	mdev_unregister_parent(&bench_parent);
	mdev_unregister_driver(&bench_modern_driver);
	platform_device_unregister(bench_pdev);
}
module_exit(bench_modern_exit);

MODULE_DESCRIPTION("Mediated devices: modern vendor driver to measure with");
MODULE_LICENSE("GPL");
