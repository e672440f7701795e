/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kernel's own modules answer, where that changed: a program is not to be
 * able to tell our modules from those of the running kernel. No header says it, so
 * here alone the kernel's version decides.
 *
 *	since	what					where
 *	6.13	VFIO_TYPE1_NESTING_IOMMU is unknown	<vfio-compat/iommu.h>, which
 *							can ask
 *	6.18	a sum beyond 2^64 is EOVERFLOW, and	VFIO_COMPAT_EOVERFLOW
 *		was EINVAL
 *	6.19	the VFIO core answers VFIO_DEVICE_GET_	<vfio-compat/vfio.h>, which
 *		REGION_INFO: EFAULT, EINVAL		can ask
 *
 * Documentation/type1-differences.txt has the same from the user's side.
 */
#ifndef _VFIO_COMPAT_ANSWERS_H
#define _VFIO_COMPAT_ANSWERS_H

#include <linux/errno.h>
#include <vfio-compat/version.h>

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 18, 0)
#define VFIO_COMPAT_EOVERFLOW	EOVERFLOW
#else
#define VFIO_COMPAT_EOVERFLOW	EINVAL
#endif

#endif /* _VFIO_COMPAT_ANSWERS_H */
