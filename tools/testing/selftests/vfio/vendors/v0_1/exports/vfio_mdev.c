// SPDX-License-Identifier: GPL-2.0-only
/* What vfio_mdev.ko of release v0.1 exported to vendor drivers: see mdev.c. */
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/vfio.h>
#include <linux/wait.h>

#include "../interface.h"

int vfio_mdev_pin_pages(struct device *dev, unsigned long *user_pfn, int npage,
			int prot, unsigned long *phys_pfn)
{
	return 0;
}
EXPORT_SYMBOL(vfio_mdev_pin_pages);

int vfio_mdev_unpin_pages(struct device *dev, unsigned long *user_pfn, int npage)
{
	return 0;
}
EXPORT_SYMBOL(vfio_mdev_unpin_pages);

int vfio_register_notifier(struct device *dev, enum vfio_notify_type type,
			   unsigned long *events, struct notifier_block *nb)
{
	return 0;
}
EXPORT_SYMBOL(vfio_register_notifier);

int vfio_unregister_notifier(struct device *dev, enum vfio_notify_type type,
			     struct notifier_block *nb)
{
	return 0;
}
EXPORT_SYMBOL(vfio_unregister_notifier);

struct vfio_group *vfio_group_get_external_user(struct file *filep)
{
	return NULL;
}
EXPORT_SYMBOL_GPL(vfio_group_get_external_user);

struct vfio_group *vfio_group_get_external_user_from_dev(struct device *dev)
{
	return NULL;
}
EXPORT_SYMBOL_GPL(vfio_group_get_external_user_from_dev);

void vfio_group_put_external_user(struct vfio_group *group)
{
}
EXPORT_SYMBOL_GPL(vfio_group_put_external_user);

int vfio_group_pin_pages(struct vfio_group *group,
			 unsigned long *user_iova_pfn, int npage, int prot,
			 unsigned long *phys_pfn)
{
	return 0;
}
EXPORT_SYMBOL(vfio_group_pin_pages);

int vfio_group_unpin_pages(struct vfio_group *group,
			   unsigned long *user_iova_pfn, int npage)
{
	return 0;
}
EXPORT_SYMBOL(vfio_group_unpin_pages);

int vfio_mdev_dma_rw(struct vfio_group *group, dma_addr_t user_iova,
		     void *data, size_t len, bool write)
{
	return 0;
}
EXPORT_SYMBOL(vfio_mdev_dma_rw);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Mediated devices: what vfio_mdev.ko of v0.1 exported");
