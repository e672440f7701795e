/* SPDX-License-Identifier: GPL-2.0-only */
/* Driver core: const-ness of bus and driver arguments, classes. */
#ifndef _VFIO_COMPAT_DEVICE_H
#define _VFIO_COMPAT_DEVICE_H

#include <linux/device.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <vfio-compat/version.h>

/* 6.11: bus_type.match takes a const driver */
#if VFIO_COMPAT_HAS_BUS_MATCH_CONST
#define VFIO_COMPAT_MATCH_CONST const
#else
#define VFIO_COMPAT_MATCH_CONST
#endif

/* 6.4: class_create() lost its owner argument */
static inline struct class *vfio_compat_class_create(const char *name)
{
#if VFIO_COMPAT_HAS_CLASS_CREATE_NAME
	/* Not the macro that drift.h makes of it for old sources */
	return (class_create)(name);
#else
	return class_create(THIS_MODULE, name);
#endif
}

/* 6.16: the link to the second device, which was NULL for all, is gone */
static inline int vfio_compat_class_link(struct class_compat *class, struct device *dev)
{
#if VFIO_COMPAT_HAS_CLASS_COMPAT_ONE_DEVICE
	return class_compat_create_link(class, dev);
#else
	return class_compat_create_link(class, dev, NULL);
#endif
}

static inline void vfio_compat_class_unlink(struct class_compat *class,
					    struct device *dev)
{
#if VFIO_COMPAT_HAS_CLASS_COMPAT_ONE_DEVICE
	class_compat_remove_link(class, dev);
#else
	class_compat_remove_link(class, dev, NULL);
#endif
}

/* For a driver of another module, by its name: 7.2 asks for that */
static inline int vfio_compat_platform_register(struct platform_driver *drv,
						struct module *owner)
{
#if VFIO_COMPAT_HAS_PLATFORM_MOD_NAME
	return __platform_driver_register(drv, owner, owner->name);
#else
	return __platform_driver_register(drv, owner);
#endif
}

#endif /* _VFIO_COMPAT_DEVICE_H */
