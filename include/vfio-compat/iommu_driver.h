/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How an IOMMU driver and the VFIO core of 6.1 to 7.3 talk
 *
 * The kernel has this in a private header, which is taken in a kernel tree and
 * not to be had outside of one: scripts/btfcheck compares what is here with a
 * kernel's own description of itself.
 */
#ifndef _VFIO_COMPAT_IOMMU_DRIVER_H
#define _VFIO_COMPAT_IOMMU_DRIVER_H

#include <linux/types.h>
#include <linux/vfio.h>
#include <vfio-compat/version.h>

#if IS_ENABLED(CONFIG_VFIO_MDEV_TREE)
#include "../../drivers/vfio/vfio.h"
#else

struct iommu_domain;
struct iommu_group;
struct module;
struct page;

enum vfio_group_type {
	VFIO_IOMMU,
	VFIO_EMULATED_IOMMU,
	VFIO_NO_IOMMU,
};

enum vfio_iommu_notify_type { VFIO_IOMMU_CONTAINER_CLOSE };

/*
 * 6.3 dropped notify, and does not look for it; the core before reads it
 * always. register_device and unregister_device: both or neither.
 */
struct vfio_iommu_driver_ops {
	char *name;
	struct module *owner;
	void *(*open)(unsigned long arg);
	void (*release)(void *data);
	long (*ioctl)(void *data, unsigned int cmd, unsigned long arg);
	int (*attach_group)(void *data, struct iommu_group *group,
			    enum vfio_group_type type);
	void (*detach_group)(void *data, struct iommu_group *group);
	int (*pin_pages)(void *data, struct iommu_group *group,
			 dma_addr_t iova, int npage, int prot,
			 struct page **pages);
	void (*unpin_pages)(void *data, dma_addr_t iova, int npage);
	void (*register_device)(void *data, struct vfio_device *vdev);
	void (*unregister_device)(void *data, struct vfio_device *vdev);
	int (*dma_rw)(void *data, dma_addr_t iova, void *buf, size_t count,
		      bool write);
	struct iommu_domain *(*group_iommu_domain)(void *data,
						   struct iommu_group *group);
	void (*notify)(void *data, enum vfio_iommu_notify_type event);
};

int vfio_register_iommu_driver(const struct vfio_iommu_driver_ops *ops);
void vfio_unregister_iommu_driver(const struct vfio_iommu_driver_ops *ops);

#endif
#endif /* _VFIO_COMPAT_IOMMU_DRIVER_H */
