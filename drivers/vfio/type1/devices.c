// SPDX-License-Identifier: GPL-2.0-only
/*
 * Open devices whose drivers are told when a mapping is to go
 *
 * devices_lock is held for reading while they are told, so a device that has been
 * removed is told nothing more.
 */
#include <linux/vfio.h>

#include "type1.h"

/**
 * t1_add_device - a device whose driver is to be told of unmaps is open
 * @data: the container
 * @vdev: the device
 *
 * Context: process context. Sleeps while an unmap is told.
 */
void t1_add_device(void *data, struct vfio_device *vdev)
{
	struct t1_container *c = data;

	if (!vdev->ops->dma_unmap)
		return;
	down_write(&c->devices_lock);
	if (list_empty(&c->devices))
		atomic_dec(&c->barred);
	list_add_tail(&vdev->iommu_entry, &c->devices);
	up_write(&c->devices_lock);
}

/**
 * t1_remove_device - a device is about to be closed
 * @data: the container
 * @vdev: the device; its driver is told nothing after this
 *
 * Context: process context. Sleeps while an unmap is told.
 */
void t1_remove_device(void *data, struct vfio_device *vdev)
{
	struct t1_container *c = data;

	if (!vdev->ops->dma_unmap)
		return;
	down_write(&c->devices_lock);
	list_del(&vdev->iommu_entry);
	if (list_empty(&c->devices))
		atomic_inc(&c->barred);
	up_write(&c->devices_lock);
}

/**
 * t1_tell_unmap - tell drivers that a mapping is to go
 * @c: the container
 * @m: the mapping
 *
 * Context: process context, none of the locks that an unpin takes. Sleeps.
 */
void t1_tell_unmap(struct t1_container *c, struct t1_map *m)
{
	struct vfio_device *vdev;

	down_read(&c->devices_lock);
	list_for_each_entry(vdev, &c->devices, iommu_entry)
		vdev->ops->dma_unmap(vdev, m->iova, (u64)t1_map_size(m));
	up_read(&c->devices_lock);
}
