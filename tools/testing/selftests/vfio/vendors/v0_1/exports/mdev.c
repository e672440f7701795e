// SPDX-License-Identifier: GPL-2.0-only
/*
 * What mdev.ko of release v0.1 exported to vendor drivers: the symbol versions that
 * drivers built then ask for
 *
 * Compiled and never loaded. A symbol's version is a sum over its type, and over
 * all types that its file can see the inside of; so the includes are those that the
 * file of v0.1 had.
 */
#include <linux/async.h>
#include <linux/completion.h>
#include <linux/kmod.h>
#include <linux/list.h>
#include <linux/lockdep.h>
#include <linux/mdev.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/rhashtable-types.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#include "../interface.h"

int mdev_register_device_sized(struct device *dev,
			       const struct mdev_parent_ops *ops,
			       size_t ops_size)
{
	return 0;
}
EXPORT_SYMBOL(mdev_register_device_sized);

void mdev_unregister_device(struct device *dev)
{
}
EXPORT_SYMBOL(mdev_unregister_device);

void *mdev_get_drvdata(struct mdev_device *mdev)
{
	return NULL;
}
EXPORT_SYMBOL(mdev_get_drvdata);

void mdev_set_drvdata(struct mdev_device *mdev, void *data)
{
}
EXPORT_SYMBOL(mdev_set_drvdata);

const guid_t *mdev_uuid(struct mdev_device *mdev)
{
	return NULL;
}
EXPORT_SYMBOL(mdev_uuid);

struct device *mdev_parent_dev(struct mdev_device *mdev)
{
	return NULL;
}
EXPORT_SYMBOL(mdev_parent_dev);

struct device *mdev_to_dev(struct mdev_device *mdev)
{
	return NULL;
}
EXPORT_SYMBOL(mdev_to_dev);

struct mdev_device *mdev_from_dev(struct device *dev)
{
	return NULL;
}
EXPORT_SYMBOL(mdev_from_dev);

int mdev_set_iommu_device(struct device *dev, struct device *iommu_device)
{
	return 0;
}
EXPORT_SYMBOL(mdev_set_iommu_device);

struct device *mdev_get_iommu_device(struct device *dev)
{
	return NULL;
}
EXPORT_SYMBOL(mdev_get_iommu_device);

int mdev_register_bus_driver(struct mdev_bus_driver *drv, struct module *owner)
{
	return 0;
}
EXPORT_SYMBOL(mdev_register_bus_driver);

void mdev_unregister_bus_driver(struct mdev_bus_driver *drv)
{
}
EXPORT_SYMBOL(mdev_unregister_bus_driver);

struct bus_type mdev_bus_type;
EXPORT_SYMBOL_GPL(mdev_bus_type);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Mediated devices: what mdev.ko of v0.1 exported");
