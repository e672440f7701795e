/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Mediated devices: one header, two generations of its interface
 *
 * The *classic* interface is what vendor drivers of Linux v4.10 to v5.12 were
 * written to: struct mdev_parent_ops and mdev_register_device(). The *modern*
 * one is what the kernel offers since 6.1: struct mdev_parent, struct
 * mdev_driver with device_api, mdev_register_parent(). Some names mean
 * different things in each, so a translation unit sees exactly one of them.
 *
 * Drivers built outside a kernel tree see the classic interface. Inside a
 * kernel tree that carries this framework (there CONFIG_VFIO_MDEV_DEVICE comes
 * from the tree's own configuration) the modern one is shown. A source chooses
 * otherwise with one macro, before the include or as a compiler flag:
 *
 *	#define MDEV_INTERFACE MDEV_INTERFACE_MODERN
 */
#ifndef _LINUX_MDEV_H
#define _LINUX_MDEV_H

#define MDEV_INTERFACE_CLASSIC	1
#define MDEV_INTERFACE_MODERN	2

#include <linux/kconfig.h>

#ifndef MDEV_INTERFACE
#if IS_ENABLED(CONFIG_VFIO_MDEV_DEVICE)
#define MDEV_INTERFACE		MDEV_INTERFACE_MODERN
#else
#define MDEV_INTERFACE		MDEV_INTERFACE_CLASSIC
#endif
#endif

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

#else
#error "MDEV_INTERFACE is neither MDEV_INTERFACE_CLASSIC nor MDEV_INTERFACE_MODERN"
#endif

#endif /* _LINUX_MDEV_H */
