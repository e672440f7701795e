// SPDX-License-Identifier: GPL-2.0-only
/*
 * A vendor's driver, as small as it gets, for its package: of the classic interface,
 * with one type of which there is never a device to be had.
 */
#include <linux/device.h>
#include <linux/mdev.h>
#include <linux/module.h>
#include <linux/vfio.h>

static struct device *parent;

static ssize_t available_instances_show(struct kobject *kobj, struct device *dev,
					char *buf)
{
	return sprintf(buf, "0\n");
}
static MDEV_TYPE_ATTR_RO(available_instances);

static ssize_t device_api_show(struct kobject *kobj, struct device *dev, char *buf)
{
	return sprintf(buf, "%s\n", VFIO_DEVICE_API_PCI_STRING);
}
static MDEV_TYPE_ATTR_RO(device_api);

static struct attribute *type_attrs[] = {
	&mdev_type_attr_available_instances.attr,
	&mdev_type_attr_device_api.attr,
	NULL,
};

static struct attribute_group type = {
	.name = "none",
	.attrs = type_attrs,
};

static struct attribute_group *types[] = { &type, NULL };

static int vendor_create(struct kobject *kobj, struct mdev_device *mdev)
{
	return -EUSERS;
}

static int vendor_remove(struct mdev_device *mdev)
{
	return 0;
}

static const struct mdev_parent_ops ops = {
	.owner = THIS_MODULE,
	.supported_type_groups = types,
	.create = vendor_create,
	.remove = vendor_remove,
};

static int __init vendor_init(void)
{
	int ret;

	parent = root_device_register("vendor");
	if (IS_ERR(parent))
		return PTR_ERR(parent);
	ret = mdev_register_device(parent, &ops);
	if (ret)
		root_device_unregister(parent);
	return ret;
}

static void __exit vendor_exit(void)
{
	mdev_unregister_device(parent);
	root_device_unregister(parent);
}

module_init(vendor_init);
module_exit(vendor_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("A vendor's driver that comes as a package");
/* Which of our packages it was built with. */
MODULE_INFO(built_with, BUILT_WITH);
