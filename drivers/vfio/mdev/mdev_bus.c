// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mediated devices: the bus, and which driver may have which device
 *
 * Each generation has its drivers and its devices. A modern driver gets just
 * the devices of the parents it was registered with: it is bound by name and
 * matches nothing by itself. A classic bus driver (vfio_mdev is one) matches
 * every classic device; the first one that is registered gets it, and
 * driver_override hands a device to another. Which of the two a driver is
 * shows in its probe function. driver_override is compared, shown and replaced
 * under the instance's lock, also while drivers come and go, and the old name is
 * freed when nobody can be looking at it.
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
 * mdev_bus_classic_driver - the classic bus driver that a device is bound to
 * @dev: a mediated device, its lock held
 *
 * Return: NULL when there is none.
 */
struct mdev_bus_driver *mdev_bus_classic_driver(struct device *dev)
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

/**
 * mdev_bus_allows - may a driver have a device?
 * @dev: a mediated device
 * @drv: a driver on the bus
 *
 * Never a modern one, which is bound by name.
 */
bool mdev_bus_allows(struct device *dev, const struct device_driver *drv)
{
	struct mdev_instance *inst = to_mdev_instance(dev);

	if (drv->probe != mdev_classic_probe ||
	    inst->kind != &mdev_classic_kind ||
	    !mdev_override_allows(inst, drv->name))
		return false;

	WRITE_ONCE(inst->matched, true);
	return true;
}

static int mdev_match(struct device *dev,
		      VFIO_COMPAT_MATCH_CONST struct device_driver *drv)
{
	return mdev_bus_allows(dev, drv);
}

struct bus_type mdev_bus_type = {
	.name = "mdev",
	.match = mdev_match,
	.dev_groups = mdev_device_groups,
};
EXPORT_SYMBOL_GPL(mdev_bus_type);

/**
 * mdev_bus_add_modern - put a modern driver on the bus
 * @drv: its driver member
 *
 * Return: what driver_register() says.
 */
int mdev_bus_add_modern(struct device_driver *drv)
{
	drv->bus = &mdev_bus_type;
	drv->probe = mdev_modern_probe;
	drv->remove = mdev_modern_remove;
	return driver_register(drv);
}

/**
 * mdev_bus_add_classic - put a classic bus driver on the bus
 * @drv: its driver member; its bind and unbind files are the caller's
 *
 * Return: what driver_register() says.
 */
int mdev_bus_add_classic(struct device_driver *drv)
{
	drv->bus = &mdev_bus_type;
	drv->probe = mdev_classic_probe;
	drv->remove = mdev_classic_remove;
	/* The admin's write to create is to have an error as its answer. */
	drv->probe_type = PROBE_FORCE_SYNCHRONOUS;
	drv->suppress_bind_attrs = true;
	return driver_register(drv);
}

static int mdev_is_named(struct device_driver *drv, void *name)
{
	return !strcmp(drv->name, name);
}

/**
 * mdev_bus_has_driver - is a driver on the bus?
 * @name: its name
 */
bool mdev_bus_has_driver(const char *name)
{
	return bus_for_each_drv(&mdev_bus_type, NULL, (void *)name, mdev_is_named);
}
