/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which generation of the mediated device interface a source sees
 *
 * The *classic* interface is what vendor drivers of Linux v4.10 to v5.12 were
 * written to: struct mdev_parent_ops and mdev_register_device(), pages pinned
 * by struct device. The *modern* one is what the kernel offers since 6.1:
 * struct mdev_parent, struct mdev_driver with device_api, and its own
 * vfio_pin_pages(). Some names mean different things in each, so a
 * translation unit sees exactly one of them.
 *
 * Drivers built outside a kernel tree see the classic interface. Where the
 * kernel's own tree carries this framework (its configuration then has
 * CONFIG_VFIO_MDEV_TREE) the modern one is shown. A source chooses otherwise
 * with one macro, before the first include or as a compiler flag:
 *
 *	#define MDEV_INTERFACE MDEV_INTERFACE_MODERN
 *
 * Beside the classic one <linux/vfio.h> shows nothing of today's VFIO core, so that
 * whatever is found together existed together. A source that uses the core as well,
 * by <linux/vfio_pci_core.h> for instance, says so in the same way:
 *
 *	#define MDEV_WITH_VFIO_CORE
 *
 * Within a kernel tree <linux/vfio.h> is the tree's, and shows it always.
 */
#ifndef _LINUX_MDEV_INTERFACE_H
#define _LINUX_MDEV_INTERFACE_H

#include <linux/kconfig.h>

#define MDEV_INTERFACE_CLASSIC	1
#define MDEV_INTERFACE_MODERN	2

#ifndef MDEV_INTERFACE
#if IS_ENABLED(CONFIG_VFIO_MDEV_TREE)
#define MDEV_INTERFACE		MDEV_INTERFACE_MODERN
#else
#define MDEV_INTERFACE		MDEV_INTERFACE_CLASSIC
#endif
#endif

#ifndef MDEV_WITH_VFIO_CORE
#if IS_ENABLED(CONFIG_VFIO_MDEV_TREE) || MDEV_INTERFACE != MDEV_INTERFACE_CLASSIC
#define MDEV_WITH_VFIO_CORE
#endif
#endif

#endif /* _LINUX_MDEV_INTERFACE_H */
