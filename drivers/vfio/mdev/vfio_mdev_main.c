// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfio_mdev: the bus driver that makes VFIO devices of classic mediated devices
 *
 * A bound device has a struct vfio_mdev, allocated by the VFIO core, which
 * holds it until it is unregistered and the last file is closed. What a user
 * does with the file goes to the vendor's callbacks; where the vendor describes
 * its regions and interrupts (structured ops) it is checked first, in
 * vfio_mdev_layout.c and vfio_mdev_ioctl.c.
 *
 * Opening and closing. The core serialises open_device and close_device of a
 * device and calls them for the first and the last file only. The state goes through
 * the drawing in vfio_mdev.h. While it is open the vendor's module is held, and layout
 * and kvm do not change: read, write, mmap and ioctl use them without a lock. The core
 * also holds this module then.
 *
 * Calls from the vendor's side (vfio_mdev_call.c) may come at any time. Pins
 * end before the vendor's release, in which it gives back what it has, all
 * others before the device counts as closed. Unmappings by the user reach the
 * vendor from its open to its release; one that comes while release runs waits
 * for its end, as the IOMMU driver takes an answer to mean that all is unpinned.
 *
 * Removal. mdev.ko changes the state of the mediated device, then asks whether there
 * is a user (vfio_mdev_prepare_remove()); a user that comes leaves CLOSED. Both are
 * under vmdev->lock, so a user that is not seen sees the removal: the two sides stand in
 * mdev_state.c. mdev.ko is told when a user comes, is here and has left: it does the
 * same under its own lock for a device that removes itself. A further file of an open
 * device passes open_device by, so users are also refused at the match callback,
 * which the core asks before it opens a file by name.
 *
 * A user that is on its way in or out cannot be asked: the removal is told to ask
 * again. Store buffering:
 *
 *	it is opened:	write vmdev->state OPEN; lock and unlock inst->lock, in
 *			mdev_user_here(); read inst->state, and wake a removal
 *	it is removed:	write inst->state; lock and unlock inst->lock, in
 *			mdev_state_claim() or mdev_state_take(); read vmdev->state, and
 *			wait unless it is OPEN
 *
 * One holds the lock after the other: either the removal asks, or it is woken.
 *
 * The wait for the user happens in mdev.ko, which close_device wakes. The VFIO core
 * has a wait of its own, with the device's lock held and not to be interrupted, for
 * the last file. This wait is reached only when the driver is unbound behind
 * mdev.ko's back, or when a file of the device's own (not a group's) is opened after
 * the question and never bound to an iommufd. The holder of such a file that was
 * opened before cannot be asked.
 *
 * There is no state machine of a migration here, nor a file of one: the VFIO core
 * refuses what belongs to them, as no mig_ops are set, and a vendor's
 * device_feature gets what the core leaves to drivers.
 */
#include <linux/delay.h>
#include <linux/module.h>

#include "vfio_mdev.h"

/* How often, and after how many milliseconds, to look if a file has gone */
#define VFIO_MDEV_FILE_RETRIES	20
#define VFIO_MDEV_FILE_INTERVAL	20

/* Opens of all devices so far */
static atomic_long_t vfio_mdev_opens;

static int vfio_mdev_enter(struct vfio_mdev *vmdev, enum mdev_cause *why)
{
	int ret;

	spin_lock(&vmdev->lock);
	*why = MDEV_CAUSE_BEING_UNBOUND;
	ret = vmdev->unbinding ? -ENODEV : 0;
	if (!ret) {
		*why = MDEV_CAUSE_BEING_REMOVED;
		ret = mdev_user_comes(vmdev->vdev.dev);
	}
	if (!ret) {
		WRITE_ONCE(vmdev->open_nr,
			   atomic_long_inc_return(&vfio_mdev_opens));
		vfio_mdev_set_state(vmdev, VFIO_MDEV_ENTERED);
	}
	spin_unlock(&vmdev->lock);
	return ret;
}

static void vfio_mdev_leave(struct vfio_mdev *vmdev)
{
	spin_lock(&vmdev->lock);
	vfio_mdev_set_state(vmdev, VFIO_MDEV_CLOSED);
	spin_unlock(&vmdev->lock);
	vfio_mdev_wait_calls(vmdev);
	mdev_user_left(vmdev->vdev.dev);
}

/* From here on the vendor gives back what is pinned, and pins no more. */
static void vfio_mdev_release_vendor(struct vfio_mdev *vmdev)
{
	vfio_mdev_set_state(vmdev, VFIO_MDEV_RELEASING);
	vfio_mdev_wait_calls(vmdev);
	if (vmdev->ops->release)
		vmdev->ops->release(vmdev->mdev);
	vfio_mdev_set_state(vmdev, VFIO_MDEV_ENTERED);
	wake_up_all(&vmdev->wait);
}

static int vfio_mdev_open_device(struct vfio_device *vdev)
{
	struct vfio_mdev *vmdev = to_vfio_mdev(vdev);
	enum mdev_cause why = MDEV_CAUSE_NO_OPEN;
	int ret = -EINVAL;

	if (!vmdev->ops->open)
		goto refused;

	ret = vfio_mdev_enter(vmdev, &why);
	if (ret)
		goto refused;
	if (!try_module_get(vmdev->ops->owner)) {
		why = MDEV_CAUSE_OWNER_GOING;
		ret = -ENODEV;
		goto leave;
	}

	vfio_mdev_set_state(vmdev, VFIO_MDEV_OPENING);
	vfio_mdev_get_kvm(vmdev);
	why = MDEV_CAUSE_PARENT_DRIVER;
	ret = vmdev->ops->open(vmdev->mdev);
	if (ret)
		goto put_kvm;
	why = MDEV_CAUSE_LAYOUT;
	ret = vfio_mdev_get_layout(vmdev);
	if (ret)
		goto release;

	/* A removal that reads it sees what the vendor's open wrote. */
	vfio_mdev_set_state(vmdev, VFIO_MDEV_OPEN);
	mdev_user_here(vdev->dev);
	/* A removal that came meanwhile has not asked yet: see the essay */
	if (mdev_removal_pending(vdev->dev))
		mdev_device_idle(vdev->dev);
	return 0;

release:
	vfio_mdev_release_vendor(vmdev);
put_kvm:
	vfio_mdev_set_state(vmdev, VFIO_MDEV_ENTERED);
	vfio_mdev_wait_calls(vmdev);
	vfio_mdev_put_kvm(vmdev);
	module_put(vmdev->ops->owner);
leave:
	vfio_mdev_leave(vmdev);
	/* A callback's number that is no error would be taken for a file. */
	if (ret > 0)
		ret = -EINVAL;
refused:
	mdev_device_failed(vdev->dev, MDEV_ACT_OPEN, why, ret);
	return ret;
}

static void vfio_mdev_close_device(struct vfio_device *vdev)
{
	struct vfio_mdev *vmdev = to_vfio_mdev(vdev);

	vfio_mdev_release_vendor(vmdev);
	vfio_mdev_put_layout(vmdev);
	vfio_mdev_put_kvm(vmdev);
	module_put(vmdev->ops->owner);
	vfio_mdev_leave(vmdev);
}

static ssize_t vfio_mdev_read(struct vfio_device *vdev, char __user *buf,
			      size_t count, loff_t *ppos)
{
	struct vfio_mdev *vmdev = to_vfio_mdev(vdev);

	if (unlikely(!vmdev->ops->read))
		return -EINVAL;

	if (vmdev->layout.regions) {
		ssize_t len = vfio_mdev_clamp(vmdev, *ppos, count,
					      VFIO_REGION_INFO_FLAG_READ);

		if (len <= 0)
			return len;
		count = len;
	}
	return vmdev->ops->read(vmdev->mdev, buf, count, ppos);
}

static ssize_t vfio_mdev_write(struct vfio_device *vdev, const char __user *buf,
			       size_t count, loff_t *ppos)
{
	struct vfio_mdev *vmdev = to_vfio_mdev(vdev);

	if (unlikely(!vmdev->ops->write))
		return -EINVAL;

	if (vmdev->layout.regions) {
		ssize_t len = vfio_mdev_clamp(vmdev, *ppos, count,
					      VFIO_REGION_INFO_FLAG_WRITE);

		if (len <= 0)
			return len;
		count = len;
	}
	return vmdev->ops->write(vmdev->mdev, buf, count, ppos);
}

static int vfio_mdev_mmap(struct vfio_device *vdev, struct vm_area_struct *vma)
{
	struct vfio_mdev *vmdev = to_vfio_mdev(vdev);
	int ret;

	if (!vmdev->ops->mmap)
		return -EINVAL;

	if (vmdev->layout.regions) {
		ret = vfio_mdev_check_mmap(vmdev, vma);
		if (ret)
			return ret;
	}
	return vmdev->ops->mmap(vmdev->mdev, vma);
}

/* From the VFIO core's own wait; see the essay. */
static void vfio_mdev_request(struct vfio_device *vdev, unsigned int count)
{
	struct vfio_mdev *vmdev = to_vfio_mdev(vdev);

	/* The core also waits for a moment for a device that is closed */
	if (vfio_mdev_state(vmdev) != VFIO_MDEV_OPEN)
		return;
	if (vmdev->ops->request)
		vmdev->ops->request(vmdev->mdev, count);
	else if (!count)
		dev_notice(vdev->dev, "waiting for its user, who cannot be asked, to close it\n");
}

static int vfio_mdev_match(struct vfio_device *vdev, char *buf)
{
	struct vfio_mdev *vmdev = to_vfio_mdev(vdev);
	enum mdev_cause why = MDEV_CAUSE_BEING_REMOVED;
	int ret = 1;

	if (strcmp(dev_name(vdev->dev), buf))
		return 0;

	spin_lock(&vmdev->lock);
	if (vmdev->unbinding) {
		why = MDEV_CAUSE_BEING_UNBOUND;
		ret = -ENODEV;
	} else if (mdev_removal_pending(vdev->dev)) {
		ret = -EBUSY;
	}
	spin_unlock(&vmdev->lock);
	if (ret < 0)
		mdev_device_failed(vdev->dev, MDEV_ACT_OPEN, why, ret);
	return ret;
}

static void vfio_mdev_dma_unmap(struct vfio_device *vdev, u64 iova, u64 length)
{
	struct vfio_mdev *vmdev = to_vfio_mdev(vdev);

	if (!vfio_mdev_begin(vmdev, VFIO_MDEV_NEEDS_PINNABLE)) {
		wait_event(vmdev->wait, vfio_mdev_state(vmdev) != VFIO_MDEV_RELEASING);
		return;
	}
	if (vmdev->ops->dma_unmap)
		vmdev->ops->dma_unmap(vmdev->mdev, iova, length);
	vfio_mdev_notify_unmap(vmdev, iova, length);
	vfio_mdev_end(vmdev);
}

static int vfio_mdev_device_feature(struct vfio_device *vdev, u32 flags,
				    void __user *arg, size_t argsz)
{
	struct vfio_mdev *vmdev = to_vfio_mdev(vdev);

	if (!vmdev->ops->device_feature)
		return -ENOTTY;
	return vmdev->ops->device_feature(vmdev->mdev, flags, arg, argsz);
}

static void vfio_mdev_release(struct vfio_device *vdev)
{
	vfio_compat_free_device(vdev);
}

static const struct vfio_device_ops vfio_mdev_ops = {
	.name = "vfio-mdev",
	.release = vfio_mdev_release,
	VFIO_COMPAT_EMULATED_IOMMUFD_OPS
	.open_device = vfio_mdev_open_device,
	.close_device = vfio_mdev_close_device,
	.read = vfio_mdev_read,
	.write = vfio_mdev_write,
	.ioctl = vfio_mdev_ioctl,
	VFIO_COMPAT_REGION_INFO_OPS
	.mmap = vfio_mdev_mmap,
	.request = vfio_mdev_request,
	.match = vfio_mdev_match,
	.dma_unmap = vfio_mdev_dma_unmap,
	.device_feature = vfio_mdev_device_feature,
};

/* No call finds it any more; it goes when the last reference does. */
static void vfio_mdev_forget(struct vfio_mdev *vmdev)
{
	mdev_set_busdata(vmdev->mdev, NULL);
	vfio_mdev_wait_calls(vmdev);
	vfio_put_device(&vmdev->vdev);
}

static int vfio_mdev_probe(struct device *dev)
{
	struct vfio_mdev *vmdev;
	int ret;

	vmdev = vfio_alloc_device(vfio_mdev, vdev, dev, &vfio_mdev_ops);
	if (IS_ERR(vmdev))
		return PTR_ERR(vmdev);

	/* The core does it too, but goes on without one when it fails. */
	ret = vfio_assign_device_set(&vmdev->vdev, vmdev);
	if (ret) {
		vfio_put_device(&vmdev->vdev);
		return ret;
	}

	vmdev->mdev = mdev_from_dev(dev);
	vmdev->ops = mdev_get_parent_ops(vmdev->mdev);
	spin_lock_init(&vmdev->lock);
	init_waitqueue_head(&vmdev->wait);
	BLOCKING_INIT_NOTIFIER_HEAD(&vmdev->iommu_notifier);
	BLOCKING_INIT_NOTIFIER_HEAD(&vmdev->group_notifier);
	dev_set_drvdata(dev, vmdev);
	mdev_set_busdata(vmdev->mdev, vmdev);

	ret = vfio_register_emulated_iommu_dev(&vmdev->vdev);
	if (ret)
		vfio_mdev_forget(vmdev);
	return ret;
}

static void vfio_mdev_remove(struct device *dev)
{
	struct vfio_mdev *vmdev = dev_get_drvdata(dev);

	spin_lock(&vmdev->lock);
	vmdev->unbinding = true;
	spin_unlock(&vmdev->lock);

	vfio_unregister_group_dev(&vmdev->vdev);
	vfio_mdev_forget(vmdev);
}

/* A file without a user is one that is being closed, or is not bound yet. */
static int vfio_mdev_wait_file(struct vfio_mdev *vmdev)
{
	unsigned int i;

	for (i = 0; vfio_compat_has_file(&vmdev->vdev); i++) {
		if (i == VFIO_MDEV_FILE_RETRIES)
			return -EBUSY;
		msleep(VFIO_MDEV_FILE_INTERVAL);
	}
	return 0;
}

static int vfio_mdev_prepare_remove(struct device *dev, unsigned int count)
{
	struct vfio_mdev *vmdev = dev_get_drvdata(dev);
	bool closed;

	spin_lock(&vmdev->lock);
	closed = vfio_mdev_state(vmdev) == VFIO_MDEV_CLOSED;
	spin_unlock(&vmdev->lock);

	if (closed)
		return vfio_mdev_wait_file(vmdev);
	if (!vmdev->ops->request)
		return -EBUSY;
	/* Being opened, or closed: either ends, and says so */
	if (vfio_mdev_state(vmdev) != VFIO_MDEV_OPEN)
		return -EAGAIN;
	if (vmdev->ops->can_request && !vmdev->ops->can_request(vmdev->mdev))
		return -EBUSY;

	vmdev->ops->request(vmdev->mdev, count);
	return -EAGAIN;
}

static struct mdev_driver vfio_mdev_driver = {
	.name = "vfio_mdev",
	.probe = vfio_mdev_probe,
	.remove = vfio_mdev_remove,
	.prepare_remove = vfio_mdev_prepare_remove,
};

static int __init vfio_mdev_init(void)
{
	return mdev_register_driver(&vfio_mdev_driver, THIS_MODULE);
}

static void __exit vfio_mdev_exit(void)
{
	mdev_unregister_driver(&vfio_mdev_driver);
}

module_init(vfio_mdev_init)
module_exit(vfio_mdev_exit)

MODULE_DESCRIPTION("VFIO devices of classic mediated devices");
MODULE_VERSION("1.0");
MODULE_LICENSE("GPL");
