/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernels that these modules support: where they begin; what comes after the last
 * that was tested scripts/btfcheck looks at. Each header of this folder smooths
 * over what changed in one kernel subsystem between them; drivers include the
 * one they need and hold no version checks of their own. What a kernel has is
 * not told from its version, either, but by its headers, see ask and questions.c.
 */
#ifndef _VFIO_COMPAT_VERSION_H
#define _VFIO_COMPAT_VERSION_H

#include <linux/version.h>

/* Checkers may not know it. */
#ifdef __has_include
#if !__has_include("generated/vfio-compat.h")
#error "What this kernel offers is not known: give -I as Documentation/porting.txt says."
#endif
#endif
#include <generated/vfio-compat.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 1, 0)
#error "This kernel is older than 6.1: use its own mdev.ko, or build for Linux 6.1 or later."
#endif

#endif /* _VFIO_COMPAT_VERSION_H */
