// SPDX-License-Identifier: GPL-2.0-only
/*
 * Test driver on the mdev bus, in the classic form
 *
 * Binds to classic devices that vfio_mdev leaves alone, or fails to, and answers
 * what it is told to when it is asked for them back.
 */
#include <linux/delay.h>
#include <linux/mdev.h>
#include <linux/module.h>

static uint error;
module_param(error, uint, 0644);
MODULE_PARM_DESC(error, "errno that binding fails with (default 0: none)");

static uint delay;
module_param(delay, uint, 0644);
MODULE_PARM_DESC(delay, "milliseconds that binding takes (default 0); less ends it sooner");

static int answer;
module_param(answer, int, 0644);
MODULE_PARM_DESC(answer, "what it answers to a removal (default 0: no user)");

static int asked;
module_param(asked, int, 0444);
MODULE_PARM_DESC(asked, "how often a removal asked");

static int bound;
module_param(bound, int, 0444);
MODULE_PARM_DESC(bound, "devices bound");

/* Has a device's lock for a while, as somebody who reads a file of its may. */
static int mdev_test_bus_hold(const char *name, const struct kernel_param *kp)
{
	struct device *dev = bus_find_device_by_name(&mdev_bus_type, NULL, name);

	if (!dev)
		return -ENODEV;
	device_lock(dev);
	msleep(60);
	device_unlock(dev);
	put_device(dev);
	return 0;
}

static const struct kernel_param_ops mdev_test_bus_hold_ops = {
	.set = mdev_test_bus_hold,
};
module_param_cb(hold, &mdev_test_bus_hold_ops, NULL, 0200);
MODULE_PARM_DESC(hold, "a device whose lock is held for 60 milliseconds");

static int mdev_test_bus_probe(struct device *dev)
{
	uint slept;

	if (!mdev_from_dev(dev))
		return -ENODEV;
	for (slept = 0; slept < READ_ONCE(delay); slept += 20)
		msleep(20);
	if (error)
		return -(int)error;
	bound++;
	return 0;
}

static void mdev_test_bus_remove(struct device *dev)
{
	bound--;
}

static int mdev_test_bus_prepare_remove(struct device *dev, unsigned int count)
{
	asked++;
	return READ_ONCE(answer);
}

static struct mdev_driver mdev_test_bus_driver = {
	.name = "mdev_test_bus",
	.probe = mdev_test_bus_probe,
	.remove = mdev_test_bus_remove,
	.prepare_remove = mdev_test_bus_prepare_remove,
};

static int __init mdev_test_bus_init(void)
{
	return mdev_register_driver(&mdev_test_bus_driver, THIS_MODULE);
}
module_init(mdev_test_bus_init);

static void __exit mdev_test_bus_exit(void)
{
	mdev_unregister_driver(&mdev_test_bus_driver);
}
module_exit(mdev_test_bus_exit);

MODULE_DESCRIPTION("Mediated devices: test driver on their bus");
MODULE_LICENSE("GPL");
