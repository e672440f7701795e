/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel's <linux/vfio.h>, and for sources of the classic generation the
 * functions that such sources expect in it
 *
 * Found before the kernel's own by builds that have our include folder first.
 */
#ifndef _LINUX_VFIO_SHADOW_H
#define _LINUX_VFIO_SHADOW_H

#include_next <linux/vfio.h>

#include <linux/mdev_interface.h>
#if MDEV_INTERFACE == MDEV_INTERFACE_CLASSIC
#include <linux/mdev_vfio.h>
#endif

#endif /* _LINUX_VFIO_SHADOW_H */
