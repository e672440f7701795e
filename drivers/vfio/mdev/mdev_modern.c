// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mediated devices: parents of the modern interface
 *
 * The exports here and in mdev_modern_driver.c carry the kernel's own symbol
 * versions, so that the distribution's modules load. A version covers the
 * declarations that are visible where a symbol is exported: each of the two
 * files sees what its counterpart in the kernel sees. Here that is nothing that
 * would complete another type (no vfio.h, iommu.h, pci.h).
 */
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/sysfs.h>

#include "mdev_private.h"

static int mdev_modern_create(struct mdev_instance *inst)
{
	struct mdev_parent *parent = inst->mdev.type->parent;

	if (parent->mdev_driver->get_available)
		return 0;
	if (atomic_dec_if_positive(&parent->available_instances) < 0)
		return -EUSERS;
	return 0;
}

static void mdev_modern_destroy(struct mdev_instance *inst)
{
	struct mdev_parent *parent = inst->mdev.type->parent;

	if (!parent->mdev_driver->get_available)
		atomic_inc(&parent->available_instances);
}

static int mdev_modern_bind(struct mdev_instance *inst)
{
	struct mdev_driver *drv = inst->mdev.type->parent->mdev_driver;

	return device_driver_attach(&drv->driver, &inst->mdev.dev);
}

const struct mdev_kind mdev_modern_kind = {
	.core_attrs = true,
	.create = mdev_modern_create,
	.destroy = mdev_modern_destroy,
	.bind = mdev_modern_bind,
};

/**
 * mdev_register_parent - make a device a parent of mediated devices
 * @parent: embedded in the driver's state; overwritten
 * @dev: the device; the caller holds it until mdev_unregister_parent()
 * @mdev_driver: registered driver that new devices are bound to
 * @types: what can be created
 * @nr_types: number of @types
 *
 * Context: process context.
 * Return: 0 or a negative errno; after an error nothing is left.
 */
int mdev_register_parent(struct mdev_parent *parent, struct device *dev,
			 struct mdev_driver *mdev_driver,
			 struct mdev_type **types, unsigned int nr_types)
{
	*parent = (struct mdev_parent) {
		.dev = dev,
		.mdev_driver = mdev_driver,
		.types = types,
		.nr_types = nr_types,
		.available_instances = ATOMIC_INIT(mdev_driver->max_instances),
	};
	return mdev_parent_add(parent, &mdev_modern_kind);
}
EXPORT_SYMBOL(mdev_register_parent);

/**
 * mdev_unregister_parent - opposite of mdev_register_parent()
 * @parent: the parent
 *
 * Context: process context. Waits for users of the parent's devices.
 */
void mdev_unregister_parent(struct mdev_parent *parent)
{
	mdev_parent_del(parent);
}
EXPORT_SYMBOL(mdev_unregister_parent);
