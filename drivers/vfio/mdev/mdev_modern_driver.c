// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mediated devices: drivers of the modern interface
 *
 * What these exports' symbol versions depend on is in mdev_modern.c; the
 * kernel's counterpart of this file sees iommu.h.
 */
#include <linux/export.h>
#include <linux/iommu.h>

#include "mdev_private.h"

/**
 * mdev_register_driver - register a driver of mediated devices
 * @drv: the driver
 *
 * Context: process context.
 * Return: 0, -EINVAL without a device_api, or what driver_register() says.
 */
int mdev_register_driver(struct mdev_driver *drv)
{
	return drv->device_api ? mdev_bus_add_modern(&drv->driver) : -EINVAL;
}
EXPORT_SYMBOL(mdev_register_driver);

/**
 * mdev_unregister_driver - opposite of mdev_register_driver()
 * @drv: the driver
 *
 * Context: process context.
 */
void mdev_unregister_driver(struct mdev_driver *drv)
{
	driver_unregister(&drv->driver);
}
EXPORT_SYMBOL(mdev_unregister_driver);
