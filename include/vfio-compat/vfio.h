/* SPDX-License-Identifier: GPL-2.0-only */
/* VFIO core: iommufd callbacks, freeing a vfio_device. */
#ifndef _VFIO_COMPAT_VFIO_H
#define _VFIO_COMPAT_VFIO_H

/*
 * The kernel's own header; outside a kernel tree <linux/vfio.h> is a shadow of
 * it, for classic vendors, which then shows all that is in here, too.
 */
#ifndef MDEV_WITH_VFIO_CORE
#define MDEV_WITH_VFIO_CORE
#endif
#if IS_ENABLED(CONFIG_VFIO_MDEV_TREE)
#include <linux/vfio.h>
#else
#include_next <linux/vfio.h>
#endif

#include <vfio-compat/version.h>

/*
 * 6.2: vfio_device_ops has callbacks for iommufd; they are NULL where the
 * kernel is built without it. detach_ioas came with 6.6.
 */
#if VFIO_COMPAT_HAS_VFIO_DETACH_IOAS
#define VFIO_COMPAT_EMULATED_IOMMUFD_OPS				\
	.bind_iommufd = vfio_iommufd_emulated_bind,			\
	.unbind_iommufd = vfio_iommufd_emulated_unbind,			\
	.attach_ioas = vfio_iommufd_emulated_attach_ioas,		\
	.detach_ioas = vfio_iommufd_emulated_detach_ioas,
#elif VFIO_COMPAT_HAS_VFIO_IOMMUFD
#define VFIO_COMPAT_EMULATED_IOMMUFD_OPS				\
	.bind_iommufd = vfio_iommufd_emulated_bind,			\
	.unbind_iommufd = vfio_iommufd_emulated_unbind,			\
	.attach_ioas = vfio_iommufd_emulated_attach_ioas,
#else
#define VFIO_COMPAT_EMULATED_IOMMUFD_OPS
#endif

/*
 * 6.19: the core serves VFIO_DEVICE_GET_REGION_INFO, which then never comes to the
 * driver's ioctl, and asks the driver for what a region is. Capabilities are
 * given to it as a chain that starts at 0, before at the place in the answer.
 */
#if VFIO_COMPAT_HAS_VFIO_REGION_INFO_CAPS
#define VFIO_COMPAT_REGION_INFO_OPS					\
	.get_region_info_caps = vfio_mdev_region_info_caps,
#define VFIO_COMPAT_REGION_CAPS_START	0
#else
#define VFIO_COMPAT_REGION_INFO_OPS
#define VFIO_COMPAT_REGION_CAPS_START	sizeof(struct vfio_region_info)
#endif

/* 6.2: a device may be used through an iommufd */
static inline bool vfio_compat_on_iommufd(struct vfio_device *vdev)
{
#if VFIO_COMPAT_HAS_VFIO_IOMMUFD
	return vdev->iommufd_access;
#else
	return false;
#endif
}

/*
 * 6.6: where devices have files of their own, one may be open while the device
 * is not. The core counts files, and one more while the device is registered.
 */
static inline bool vfio_compat_has_file(struct vfio_device *vdev)
{
#if IS_ENABLED(CONFIG_VFIO_DEVICE_CDEV)
	return refcount_read(&vdev->refcount) > 1;
#else
	return false;
#endif
}

/* 6.2: the core frees what vfio_alloc_device() allocated */
static inline void vfio_compat_free_device(struct vfio_device *vdev)
{
#if VFIO_COMPAT_HAS_VFIO_FREE_DEVICE
	vfio_free_device(vdev);
#endif
}

#endif /* _VFIO_COMPAT_VFIO_H */
