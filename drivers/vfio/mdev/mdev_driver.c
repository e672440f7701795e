// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mediated devices: the bus and its drivers
 *
 * Each generation has its drivers and its devices. A modern driver gets just
 * the devices of the parents it was registered with: it is bound by name and
 * matches nothing by itself. A classic bus driver (vfio_mdev is one) matches
 * every classic device; the first one that is registered gets it, and
 * driver_override hands a device to another. Which of the two a driver is
 * shows in its probe function. driver_override is compared, shown and replaced
 * under the instance's lock, also while drivers come and go, and the old name is
 * freed when nobody can be looking at it.
 *
 * The driver core's unbind file waits for the device's user with the device's
 * lock held, and nothing can stop it. Classic bus drivers have bind and unbind
 * files of our own in its place: an unbinding asks first, like a removal does
 * (mdev_leave.c), and the device's lock is taken when nobody uses it any more.
 */
#include <linux/mdev_classic.h>
#include <linux/module.h>

#include <vfio-compat/device.h>

#include "mdev_private.h"

static int mdev_modern_probe(struct device *dev)
{
	struct mdev_driver *drv = container_of(dev->driver, struct mdev_driver,
					       driver);

	return drv->probe ? drv->probe(to_mdev_device(dev)) : 0;
}

static int mdev_modern_remove(struct device *dev)
{
	struct mdev_driver *drv = container_of(dev->driver, struct mdev_driver,
					       driver);

	if (drv->remove)
		drv->remove(to_mdev_device(dev));
	return 0;
}

static int mdev_classic_probe(struct device *dev)
{
	struct mdev_bus_driver *drv = to_mdev_bus_driver(dev->driver);
	int ret = drv->probe ? drv->probe(dev) : 0;

	/* Neither 0 nor an error: create's write has to have an answer. */
	if (ret > 0)
		ret = -EINVAL;
	/* These say that the device is none of the driver's: no error */
	if (ret != -ENODEV && ret != -ENXIO)
		WRITE_ONCE(to_mdev_instance(dev)->probe_error, ret);
	return ret;
}

static int mdev_classic_remove(struct device *dev)
{
	struct mdev_bus_driver *drv = to_mdev_bus_driver(dev->driver);

	if (drv->remove)
		drv->remove(dev);
	return 0;
}

/**
 * mdev_classic_driver - the classic bus driver that a device is bound to
 * @dev: a mediated device, its lock held
 *
 * Return: NULL when there is none.
 */
struct mdev_bus_driver *mdev_classic_driver(struct device *dev)
{
	device_lock_assert(dev);

	if (!dev->driver || dev->driver->probe != mdev_classic_probe)
		return NULL;
	return to_mdev_bus_driver(dev->driver);
}

static bool mdev_override_allows(struct mdev_instance *inst, const char *name)
{
	bool allowed;

	spin_lock(&inst->lock);
	allowed = !inst->driver_override ||
		  !strcmp(inst->driver_override, name);
	spin_unlock(&inst->lock);
	return allowed;
}

static int mdev_match(struct device *dev,
		      VFIO_COMPAT_MATCH_CONST struct device_driver *drv)
{
	struct mdev_instance *inst = to_mdev_instance(dev);

	if (drv->probe != mdev_classic_probe ||
	    inst->kind != &mdev_classic_kind ||
	    !mdev_override_allows(inst, drv->name))
		return 0;

	WRITE_ONCE(inst->matched, true);
	return 1;
}

struct bus_type mdev_bus_type = {
	.name = "mdev",
	.match = mdev_match,
	.dev_groups = mdev_device_groups,
};
EXPORT_SYMBOL_GPL(mdev_bus_type);

/* Let go of a device for the admin; as mdev_device_remove(). */
static int mdev_unbind(struct mdev_instance *inst, struct device_driver *drv)
{
	struct device *dev = &inst->mdev.dev;
	int ret;

	if (READ_ONCE(dev->driver) != drv)
		return -ENODEV;
	ret = mdev_leave_prepare(inst, MDEV_UNBINDING);
	if (ret)
		return ret;

	if (READ_ONCE(dev->driver) == drv)
		device_release_driver(dev);
	mdev_leave_cancel(inst, MDEV_UNBINDING);
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
	if (mdev_match(dev, drv))
		ret = device_driver_attach(drv, dev);
	put_device(dev);
	return ret ?: count;
}

/* Binding takes the device's lock; so may who waits for the files' users. */
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
 * mdev_modern_driver_add - put a modern driver on the bus
 * @drv: the driver
 *
 * Return: 0, -EINVAL without a device_api, or what driver_register() says.
 */
int mdev_modern_driver_add(struct mdev_driver *drv)
{
	if (!drv->device_api)
		return -EINVAL;

	drv->driver.bus = &mdev_bus_type;
	drv->driver.probe = mdev_modern_probe;
	drv->driver.remove = mdev_modern_remove;
	return driver_register(&drv->driver);
}

/**
 * mdev_modern_driver_del - opposite of mdev_modern_driver_add()
 * @drv: the driver
 */
void mdev_modern_driver_del(struct mdev_driver *drv)
{
	driver_unregister(&drv->driver);
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
	drv->driver.bus = &mdev_bus_type;
	drv->driver.probe = mdev_classic_probe;
	drv->driver.remove = mdev_classic_remove;
	/* The one who writes to create wants to hear of an error. */
	drv->driver.probe_type = PROBE_FORCE_SYNCHRONOUS;
	drv->driver.suppress_bind_attrs = true;

	ret = driver_register(&drv->driver);
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

/**
 * mdev_bus_has_driver - is a driver on the bus?
 * @name: its name
 */
bool mdev_bus_has_driver(const char *name)
{
	return driver_find(name, &mdev_bus_type);
}
