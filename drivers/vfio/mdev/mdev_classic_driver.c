// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mediated devices: classic bus drivers, and their bind and unbind files
 *
 * The driver core's unbind file waits for the device's user with the device's
 * lock held, and nothing can stop it. Classic bus drivers have bind and unbind
 * files of our own in its place: an unbinding asks first, like a removal does
 * (mdev_request.c), and the device's lock is taken when nobody uses it any more.
 */
#include <linux/mdev_classic.h>
#include <linux/module.h>

#include "mdev_private.h"

/* Let go of a device for the admin; as mdev_device_remove(). */
static int mdev_unbind(struct mdev_instance *inst, struct device_driver *drv)
{
	struct device *dev = &inst->mdev.dev;
	int ret;

	if (READ_ONCE(dev->driver) != drv)
		return -ENODEV;
	ret = mdev_request_admin(inst, MDEV_UNBINDING);
	if (ret)
		return ret;

	if (READ_ONCE(dev->driver) == drv)
		device_release_driver(dev);
	mdev_state_reopen(inst, MDEV_UNBINDING);
	return 0;
}

static ssize_t unbind_store(struct device_driver *drv, const char *buf,
			    size_t count)
{
	struct device *dev = bus_find_device_by_name(&mdev_bus_type, NULL, buf);
	int ret;

	if (!dev)
		return -ENODEV;
	ret = mdev_unbind(to_mdev_instance(dev), drv);
	put_device(dev);
	return ret ?: count;
}

static ssize_t bind_store(struct device_driver *drv, const char *buf,
			  size_t count)
{
	struct device *dev = bus_find_device_by_name(&mdev_bus_type, NULL, buf);
	int ret = -ENODEV;

	if (!dev)
		return -ENODEV;
	if (mdev_bus_allows(dev, drv))
		ret = device_driver_attach(drv, dev);
	put_device(dev);
	return ret ?: count;
}

/* Binding takes the device's lock; so may a caller that waits for the files' users. */
static struct driver_attribute mdev_driver_attrs[] = {
	__ATTR_IGNORE_LOCKDEP(bind, 0200, NULL, bind_store),
	__ATTR_IGNORE_LOCKDEP(unbind, 0200, NULL, unbind_store),
};

static void mdev_remove_driver_files(struct device_driver *drv)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(mdev_driver_attrs); i++)
		driver_remove_file(drv, &mdev_driver_attrs[i]);
}

static int mdev_add_driver_files(struct device_driver *drv)
{
	unsigned int i;
	int ret;

	for (i = 0; i < ARRAY_SIZE(mdev_driver_attrs); i++) {
		ret = driver_create_file(drv, &mdev_driver_attrs[i]);
		if (ret) {
			mdev_remove_driver_files(drv);
			return ret;
		}
	}
	return 0;
}

/**
 * mdev_register_bus_driver - register a driver for classic devices
 * @drv: the driver; it stays in use until mdev_unregister_bus_driver()
 * @owner: its module
 *
 * Devices that no other driver has are bound before it returns. Classic
 * sources call it mdev_register_driver().
 *
 * Context: process context.
 * Return: 0, -EINVAL without a name, or what driver_register() says.
 */
int mdev_register_bus_driver(struct mdev_bus_driver *drv, struct module *owner)
{
	int ret;

	if (!drv->name)
		return -EINVAL;

	drv->driver.name = drv->name;
	drv->driver.owner = owner;
	ret = mdev_bus_add_classic(&drv->driver);
	if (ret)
		return ret;
	ret = mdev_add_driver_files(&drv->driver);
	if (ret) {
		driver_unregister(&drv->driver);
		return ret;
	}
	return 0;
}
EXPORT_SYMBOL(mdev_register_bus_driver);

/**
 * mdev_unregister_bus_driver - opposite of mdev_register_bus_driver()
 * @drv: the driver
 *
 * Context: process context; its devices are unbound. A driver whose users are to
 * be waited for holds its module while it has one, so that none is left here.
 */
void mdev_unregister_bus_driver(struct mdev_bus_driver *drv)
{
	mdev_remove_driver_files(&drv->driver);
	driver_unregister(&drv->driver);
}
EXPORT_SYMBOL(mdev_unregister_bus_driver);
