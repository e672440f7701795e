// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfio_mdev: notifiers of the classic interface
 *
 * A vendor registers them when its device is opened and takes them back when
 * it is released. Each device has one chain for what its user unmaps and one
 * for its virtual machine (vfio_mdev_kvm.c); the chains' own locks protect them. A notifier may
 * not change the chain it is called from.
 */
#include <linux/mdev_vfio.h>
#include <linux/module.h>

#include "vfio_mdev.h"

static const unsigned long vfio_mdev_known_events[] = {
	[VFIO_IOMMU_NOTIFY] = VFIO_IOMMU_NOTIFY_DMA_UNMAP,
	[VFIO_GROUP_NOTIFY] = VFIO_GROUP_NOTIFY_SET_KVM,
};

static struct blocking_notifier_head *
vfio_mdev_chain(struct vfio_mdev *vmdev, enum vfio_notify_type type)
{
	return type == VFIO_IOMMU_NOTIFY ? &vmdev->iommu_notifier :
					   &vmdev->group_notifier;
}

static int vfio_mdev_add_notifier(struct vfio_mdev *vmdev,
				  enum vfio_notify_type type,
				  struct notifier_block *nb)
{
	int ret;

	ret = blocking_notifier_chain_register(vfio_mdev_chain(vmdev, type), nb);
	if (!ret && type == VFIO_GROUP_NOTIFY)
		vfio_mdev_tell_kvm(vmdev, nb);
	return ret;
}

/**
 * vfio_register_notifier - hear of what the device's user does
 * @dev: a mediated device's struct device
 * @type: what it is about
 * @events: events to hear of, at least one; those that are taken are cleared,
 *	    what is left was refused
 * @nb: called for each event until vfio_unregister_notifier()
 *
 * A virtual machine that the device has already is told before this returns.
 *
 * Context: process context.
 * Return: 0; -EINVAL when an argument makes no sense or an event is unknown;
 * -ENODEV when @dev is no open mediated device.
 */
int vfio_register_notifier(struct device *dev, enum vfio_notify_type type,
			   unsigned long *events, struct notifier_block *nb)
{
	struct vfio_mdev *vmdev;
	int ret;

	if (!dev || !nb || !events || !*events ||
	    (unsigned int)type >= ARRAY_SIZE(vfio_mdev_known_events))
		return -EINVAL;

	*events &= ~vfio_mdev_known_events[type];
	if (*events)
		return -EINVAL;

	/* Until release: later the vendor would not take it back */
	vmdev = vfio_mdev_begin_dev(dev, VFIO_MDEV_NEEDS_PINNABLE);
	if (!vmdev)
		return -ENODEV;
	ret = vfio_mdev_add_notifier(vmdev, type, nb);
	vfio_mdev_end(vmdev);
	return ret;
}
EXPORT_SYMBOL(vfio_register_notifier);

/**
 * vfio_unregister_notifier - opposite of vfio_register_notifier()
 * @dev: a mediated device's struct device
 * @type: as at registration
 * @nb: likewise; not called any more when this returns
 *
 * Context: process context, not from @nb itself.
 * Return: 0, -EINVAL, -ENODEV as above, -ENOENT when it was not registered.
 */
int vfio_unregister_notifier(struct device *dev, enum vfio_notify_type type,
			     struct notifier_block *nb)
{
	struct vfio_mdev *vmdev;
	int ret;

	if (!dev || !nb ||
	    (unsigned int)type >= ARRAY_SIZE(vfio_mdev_known_events))
		return -EINVAL;

	vmdev = vfio_mdev_begin_dev(dev, VFIO_MDEV_NEEDS_BOUND);
	if (!vmdev)
		return -ENODEV;
	ret = blocking_notifier_chain_unregister(vfio_mdev_chain(vmdev, type), nb);
	vfio_mdev_end(vmdev);
	return ret;
}
EXPORT_SYMBOL(vfio_unregister_notifier);

/**
 * vfio_mdev_notify_unmap - tell the vendor's notifiers of an unmapping
 * @vmdev: device
 * @iova: start of what the user unmaps
 * @length: its length
 *
 * Context: process context, from the core's dma_unmap.
 */
void vfio_mdev_notify_unmap(struct vfio_mdev *vmdev, u64 iova, u64 length)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap),
		.iova = iova,
		.size = length,
	};

	blocking_notifier_call_chain(&vmdev->iommu_notifier,
				     VFIO_IOMMU_NOTIFY_DMA_UNMAP, &unmap);
}
