// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mediated devices: the bus and its drivers
 *
 * Each generation has its drivers and its devices. A modern driver gets just
 * the devices of the parents it was registered with: it is bound by name and
 * matches nothing by itself. A classic bus driver (vfio_mdev is one) matches
 * every classic device; the first one that is registered gets it, and
 * driver_override hands a device to another. Which of the two a driver is
 * shows in its probe function.
 *
 * Before the admin removes a classic device its bus driver is asked, again and
 * again while the user makes up his mind. No lock is held while waiting: the
 * device's lock is only tried, and only for the moment of a question, so an
 * unbinding never waits for a removal, nor a removal for an unbinding. While
 * the question is open mdev_removal_pending() is true and the bus driver lets
 * no new user in.
 */
#include <linux/atomic.h>
#include <linux/mdev_classic.h>
#include <linux/module.h>

#include <vfio-compat/device.h>

#include "mdev_private.h"

/* How long a user is left alone before he is asked again */
#define MDEV_REQUEST_INTERVAL	(10 * HZ)

static atomic_t mdev_nr_classic_drivers;

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

	to_mdev_instance(dev)->probe_error = ret;
	return ret;
}

static int mdev_classic_remove(struct device *dev)
{
	struct mdev_bus_driver *drv = to_mdev_bus_driver(dev->driver);

	if (drv->remove)
		drv->remove(dev);
	return 0;
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

	return drv->probe == mdev_classic_probe && inst->kind == &mdev_classic_kind &&
	       mdev_override_allows(inst, drv->name);
}

struct bus_type mdev_bus_type = {
	.name = "mdev",
	.match = mdev_match,
	.dev_groups = mdev_device_groups,
};
EXPORT_SYMBOL_GPL(mdev_bus_type);

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

	ret = driver_register(&drv->driver);
	if (!ret)
		atomic_inc(&mdev_nr_classic_drivers);
	return ret;
}
EXPORT_SYMBOL(mdev_register_bus_driver);

/**
 * mdev_unregister_bus_driver - opposite of mdev_register_bus_driver()
 * @drv: the driver
 *
 * Context: process context; its devices are unbound, which may wait for users.
 */
void mdev_unregister_bus_driver(struct mdev_bus_driver *drv)
{
	atomic_dec(&mdev_nr_classic_drivers);
	driver_unregister(&drv->driver);
}
EXPORT_SYMBOL(mdev_unregister_bus_driver);

/**
 * mdev_bus_has_classic_driver - is there a driver for classic devices?
 */
bool mdev_bus_has_classic_driver(void)
{
	return atomic_read(&mdev_nr_classic_drivers);
}

/**
 * mdev_removal_pending - may no new user come?
 * @dev: a mediated device
 *
 * A bus driver reads it under a lock under which its prepare_remove callback
 * looks for users: then either sees the other.
 *
 * Context: any.
 * Return: true from the start of a removal on until it is given up.
 */
bool mdev_removal_pending(struct device *dev)
{
	return READ_ONCE(to_mdev_instance(dev)->state) >= MDEV_REMOVING;
}
EXPORT_SYMBOL(mdev_removal_pending);

/**
 * mdev_device_idle - tell a pending removal that the last user has gone
 * @dev: a mediated device
 *
 * Context: any.
 */
void mdev_device_idle(struct device *dev)
{
	struct mdev_instance *inst = to_mdev_instance(dev);

	atomic_inc(&inst->idle_seq);
	wake_up_all(&inst->idle);
}
EXPORT_SYMBOL(mdev_device_idle);

static int mdev_ask_driver(struct device *dev, unsigned int count)
{
	int ret = 0;

	if (!device_trylock(dev))
		return -EBUSY;

	if (dev->driver && dev->driver->probe == mdev_classic_probe) {
		struct mdev_bus_driver *drv = to_mdev_bus_driver(dev->driver);

		if (drv->prepare_remove)
			ret = drv->prepare_remove(dev, count);
	}
	device_unlock(dev);
	return ret;
}

/* Has the last user gone since @seq was read, or the removal been overtaken? */
static bool mdev_ask_again(struct mdev_instance *inst, int seq)
{
	return atomic_read(&inst->idle_seq) != seq ||
	       READ_ONCE(inst->state) != MDEV_REMOVING;
}

/**
 * mdev_bus_prepare_remove - have the device's user leave it
 * @inst: the device, its removal pending
 *
 * Context: process context, no lock held; waits interruptibly.
 * Return: 0 when there is no user; -EBUSY, -EINTR, -ENODEV as for
 * mdev_device_remove().
 */
int mdev_bus_prepare_remove(struct mdev_instance *inst)
{
	struct device *dev = &inst->mdev.dev;
	unsigned int count;

	for (count = 0; ; count++) {
		int seq = atomic_read(&inst->idle_seq);
		int ret;

		ret = mdev_ask_driver(dev, count);
		if (ret == -EBUSY)
			dev_info(dev, "not removed: it is in use, and its user cannot be asked to let it go\n");
		if (ret != -EAGAIN)
			return ret;

		if (wait_event_interruptible_timeout(inst->idle,
						     mdev_ask_again(inst, seq),
						     MDEV_REQUEST_INTERVAL) < 0)
			return -EINTR;
		if (READ_ONCE(inst->state) != MDEV_REMOVING)
			return -ENODEV;
	}
}
