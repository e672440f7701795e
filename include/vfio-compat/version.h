/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernels that these modules support. Each header of this folder smooths
 * over what changed in one kernel subsystem between them; drivers include the
 * one they need and hold no version checks of their own.
 */
#ifndef _VFIO_COMPAT_VERSION_H
#define _VFIO_COMPAT_VERSION_H

#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 1, 0)
#error "This kernel is older than 6.1: use its own mdev.ko, or build for Linux 6.1 to 6.12."
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
#error "This kernel is newer than 6.12: these modules are made for Linux 6.1 to 6.12."
#endif

#endif /* _VFIO_COMPAT_VERSION_H */
