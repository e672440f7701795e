/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A guest's memory, for drivers that read and wrote it through KVM
 *
 * Optional. kvm_read_guest(), kvm_write_guest() and gfn_to_hva() are for KVM's own
 * modules only in Linux 7. What a mediated device's user has mapped for it is the
 * same memory, at the same addresses where the guest has no IOMMU:
 *
 *	kvm_read_guest(kvm, gpa, data, len)	vfio_guest_read(dev, gpa, data, len)
 *	kvm_write_guest(kvm, gpa, data, len)	vfio_guest_write(dev, gpa, data, len)
 *	gfn_to_hva(), then copying there	either of these
 *
 * with the device of a mediated device, mdev_dev(). They do not need the guest's
 * address space, nor the calling thread to be the guest's. As KVM's, they are for
 * drivers under the GPL.
 */
#ifndef _VFIO_COMPAT_GUEST_H
#define _VFIO_COMPAT_GUEST_H

#include <linux/err.h>
#include <linux/vfio.h>

#if MDEV_INTERFACE != MDEV_INTERFACE_CLASSIC
#error "vfio-compat/guest.h serves drivers with the classic interface"
#endif

static inline int vfio_guest_rw(struct device *dev, u64 gpa, void *data, size_t len,
				bool write)
{
	struct vfio_group *group = vfio_group_get_external_user_from_dev(dev);
	int ret;

	if (IS_ERR(group))
		return PTR_ERR(group);
	ret = vfio_dma_rw(group, gpa, data, len, write);
	vfio_group_put_external_user(group);
	return ret;
}

/**
 * vfio_guest_read - read what the user of a mediated device has mapped for it
 * @dev: the mediated device's struct device
 * @gpa: where, as the device sees it
 * @data: where to
 * @len: how much
 *
 * Context: process context, while the device is open; no lock that the driver's
 * dma_unmap or notifier takes.
 * Return: 0, or an error, of vfio_dma_rw(): -EINVAL where nothing is mapped, -ENODEV for
 * a device that is not open.
 */
static inline int vfio_guest_read(struct device *dev, u64 gpa, void *data, size_t len)
{
	return vfio_guest_rw(dev, gpa, data, len, false);
}

/**
 * vfio_guest_write - write what the user of a mediated device has mapped for it
 * @dev: the mediated device's struct device
 * @gpa: where, as the device sees it
 * @data: what
 * @len: how much
 *
 * Context: as for vfio_guest_read().
 * Return: 0, or an error, as there; -EPERM where the device may only read.
 */
static inline int vfio_guest_write(struct device *dev, u64 gpa, const void *data,
				   size_t len)
{
	return vfio_guest_rw(dev, gpa, (void *)data, len, true);
}

#endif /* _VFIO_COMPAT_GUEST_H */
