/* SPDX-License-Identifier: GPL-2.0-only */
/* Driver core: const-ness of bus and driver arguments, class_create(). */
#ifndef _VFIO_COMPAT_DEVICE_H
#define _VFIO_COMPAT_DEVICE_H

#include <linux/device.h>
#include <linux/module.h>
#include <vfio-compat/version.h>

/* 6.11: bus_type.match takes a const driver */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 11, 0)
#define VFIO_COMPAT_MATCH_CONST const
#else
#define VFIO_COMPAT_MATCH_CONST
#endif

/* 6.4: class_create() lost its owner argument */
static inline struct class *vfio_compat_class_create(const char *name)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)
	return class_create(name);
#else
	return class_create(THIS_MODULE, name);
#endif
}

#endif /* _VFIO_COMPAT_DEVICE_H */
