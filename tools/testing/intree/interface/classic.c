// SPDX-License-Identifier: GPL-2.0-only
/* A source that asks sees the classic interface, its pins in linux/vfio.h. */
#define MDEV_INTERFACE MDEV_INTERFACE_CLASSIC
#include <linux/mdev.h>
#include <linux/module.h>
#include <linux/vfio.h>

static_assert(__same_type(vfio_pin_pages,
			  int (struct device *, unsigned long *, int, int,
			       unsigned long *)));

static int __used register_both(struct device *dev,
				const struct mdev_parent_ops *ops,
				struct mdev_driver *drv)
{
	return mdev_register_device(dev, ops) ?:
	       mdev_register_driver(drv, THIS_MODULE);
}
