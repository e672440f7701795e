/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Pinning, notifiers and external users as in the classic generation
 *
 * The kernel's vfio.ko exports vfio_pin_pages() and its kin with other
 * arguments, so what vfio_mdev.ko exports carries names of its own, and the
 * classic names are mapped to them here. Comes with <linux/vfio.h>.
 */
#ifndef _LINUX_MDEV_VFIO_H
#define _LINUX_MDEV_VFIO_H

#include <linux/bits.h>
#include <linux/notifier.h>
#include <linux/types.h>

#include <linux/mdev_interface.h>

#ifdef MDEV_WITH_VFIO_CORE

/* First, so that the kernel's declarations keep their names */
#include <vfio-compat/vfio.h>

#else

/* What <linux/vfio.h> included in those days */
#include <linux/iommu.h>
#include <linux/mm.h>
#include <linux/poll.h>
#include <linux/workqueue.h>
#include <uapi/linux/vfio.h>

#define VFIO_PIN_PAGES_MAX_ENTRIES	(PAGE_SIZE / sizeof(unsigned long))

/**
 * struct vfio_info_cap - capabilities that are being gathered for an answer
 * @buf: the chain, allocated by kmalloc(); NULL as long as there is none
 * @size: its length
 */
struct vfio_info_cap {
	struct vfio_info_cap_header *buf;
	size_t size;
};

#endif

/*
 * The functions of the VFIO core that a driver uses to answer ioctls. vfio_mdev.ko is
 * compiled with the kernel's declarations beside these.
 */
struct vfio_info_cap_header *vfio_info_cap_add(struct vfio_info_cap *caps,
					       size_t size, u16 id, u16 version);
void vfio_info_cap_shift(struct vfio_info_cap *caps, size_t offset);
int vfio_info_add_capability(struct vfio_info_cap *caps,
			     struct vfio_info_cap_header *cap, size_t size);
int vfio_set_irqs_validate_and_prepare(struct vfio_irq_set *hdr, int num_irqs,
				       int max_irq_type, size_t *data_size);

struct device;
struct file;
struct vfio_group;

/*
 * vfio_pin_pages() pins @npage pages of the user's memory, at most
 * VFIO_PIN_PAGES_MAX_ENTRIES, for @prot of IOMMU_READ and IOMMU_WRITE: all, and
 * answers @npage, or none, and answers an error. @dev is the mediated device.
 * Process context, and no lock that the driver's dma_unmap or notifier takes.
 * vfio_unpin_pages() gives pages back, as often as each was pinned. Their
 * kernel-doc is where they are defined, in vfio_mdev_pin.c;
 * Documentation/mdev-pci.txt has an example.
 */
int vfio_mdev_pin_pages(struct device *dev, unsigned long *user_pfn, int npage,
			int prot, unsigned long *phys_pfn);
int vfio_mdev_unpin_pages(struct device *dev, unsigned long *user_pfn,
			  int npage);
#define vfio_pin_pages		vfio_mdev_pin_pages
#define vfio_unpin_pages	vfio_mdev_unpin_pages

/**
 * enum vfio_notify_type - what a notifier is for
 * @VFIO_IOMMU_NOTIFY: changes of the user's mappings
 * @VFIO_GROUP_NOTIFY: changes of the device's group
 */
enum vfio_notify_type {
	VFIO_IOMMU_NOTIFY = 0,
	VFIO_GROUP_NOTIFY = 1,
};

/* Of VFIO_IOMMU_NOTIFY; data: struct vfio_iommu_type1_dma_unmap */
#define VFIO_IOMMU_NOTIFY_DMA_UNMAP	BIT(0)
/* Of VFIO_GROUP_NOTIFY; data: struct kvm, NULL when it goes */
#define VFIO_GROUP_NOTIFY_SET_KVM	BIT(0)

int vfio_register_notifier(struct device *dev, enum vfio_notify_type type,
			   unsigned long *events, struct notifier_block *nb);
int vfio_unregister_notifier(struct device *dev, enum vfio_notify_type type,
			     struct notifier_block *nb);

/* An external user's group is the mediated device that it stands for. */
struct vfio_group *vfio_group_get_external_user(struct file *filep);
struct vfio_group *vfio_group_get_external_user_from_dev(struct device *dev);
void vfio_group_put_external_user(struct vfio_group *group);
int vfio_group_pin_pages(struct vfio_group *group,
			 unsigned long *user_iova_pfn, int npage, int prot,
			 unsigned long *phys_pfn);
int vfio_group_unpin_pages(struct vfio_group *group,
			   unsigned long *user_iova_pfn, int npage);
int vfio_mdev_dma_rw(struct vfio_group *group, dma_addr_t user_iova,
		     void *data, size_t len, bool write);
#define vfio_dma_rw		vfio_mdev_dma_rw

#endif /* _LINUX_MDEV_VFIO_H */
