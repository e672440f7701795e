/* SPDX-License-Identifier: GPL-2.0-only */
/* Mediated devices: the interface, in the generation of <linux/mdev_interface.h> */
#ifndef _LINUX_MDEV_H
#define _LINUX_MDEV_H

#include <linux/mdev_interface.h>

#if MDEV_INTERFACE == MDEV_INTERFACE_MODERN

#include <linux/mdev_modern.h>

#elif MDEV_INTERFACE == MDEV_INTERFACE_CLASSIC

#include <linux/mdev_classic.h>

/*
 * The names below belong to the classic generation but are taken in the
 * modern one, so the objects behind them carry other names.
 */
#define mdev_driver			mdev_bus_driver
#define to_mdev_driver(drv)		to_mdev_bus_driver(drv)
#define mdev_register_driver(drv, owner) mdev_register_bus_driver(drv, owner)
#define mdev_unregister_driver(drv)	mdev_unregister_bus_driver(drv)

/**
 * mdev_dev - the struct device of a mediated device
 * @mdev: mediated device
 */
static inline struct device *mdev_dev(struct mdev_device *mdev)
{
	return mdev_to_dev(mdev);
}

/*
 * Until 4.19 mdev_uuid() returned a uuid_le, since 5.4 it returns a pointer. A
 * source of the older kind says so with -DMDEV_UUID_BY_VALUE.
 */
#ifdef MDEV_UUID_BY_VALUE
#include <vfio-compat/uuid.h>

static inline uuid_le mdev_uuid_by_value(struct mdev_device *mdev)
{
	return *mdev_uuid(mdev);
}

#define mdev_uuid(mdev)			mdev_uuid_by_value(mdev)
#endif

#else
#error "MDEV_INTERFACE is neither MDEV_INTERFACE_CLASSIC nor MDEV_INTERFACE_MODERN"
#endif

#endif /* _LINUX_MDEV_H */
