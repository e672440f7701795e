/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For sources of the classic generation what such sources expect here, for others
 * the kernel's <linux/vfio.h>, and both for those that ask for it: see
 * <linux/mdev_interface.h>
 *
 * Found before the kernel's own by builds that have our include folder first.
 */
#ifndef _LINUX_VFIO_SHADOW_H
#define _LINUX_VFIO_SHADOW_H

#include <linux/mdev_interface.h>

#ifdef MDEV_WITH_VFIO_CORE
#include_next <linux/vfio.h>
#endif

#if MDEV_INTERFACE == MDEV_INTERFACE_CLASSIC
#include <linux/mdev_vfio.h>
#endif

#endif /* _LINUX_VFIO_SHADOW_H */
