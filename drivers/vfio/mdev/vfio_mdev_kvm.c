// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfio_mdev: the virtual machine that a device belongs to
 *
 * The VFIO core knows the struct kvm of a device's group. Some kernels hand it
 * out without a reference, valid in open_device only; so a reference of our
 * own is taken there and kept until close_device. kvm.ko is found by symbol: it
 * need not be loaded for a device to be used, and it is held as long as the
 * reference.
 *
 * What a vendor is told of it, and when:
 *
 *	set_kvm			before the vendor's open
 *	SET_KVM, with it	a notifier, within its registration, which can only
 *				be in OPENING or OPEN
 *	SET_KVM, with NULL	all notifiers, after the vendor's release or when its
 *				open has failed
 *
 * vmdev->kvm is written in OPENING, ahead of the vendor's open, and so ahead of any
 * registration that this, or a later callback, makes. It is cleared in ENTERED, when
 * all registrations that began before have ended (vfio_mdev_wait_calls()). So the next
 * user of the device, without a virtual machine, has none.
 */
#include <linux/mdev_vfio.h>
#include <linux/module.h>

#include "vfio_mdev.h"

#if IS_ENABLED(CONFIG_KVM)

/* Not to be had on an architecture without KVM */
#include <linux/kvm_host.h>

static bool vfio_mdev_hold_kvm(struct vfio_mdev *vmdev, struct kvm *kvm)
{
	bool (*get)(struct kvm *kvm);
	bool held;

	/* Taken first, so that giving the reference back cannot fail */
	vmdev->put_kvm = symbol_get(kvm_put_kvm);
	if (!vmdev->put_kvm)
		return false;
	get = symbol_get(kvm_get_kvm_safe);
	held = get && get(kvm);
	if (get)
		symbol_put(kvm_get_kvm_safe);
	if (!held)
		symbol_put(kvm_put_kvm);
	return held;
}

static void vfio_mdev_drop_kvm(struct vfio_mdev *vmdev)
{
	vmdev->put_kvm(vmdev->kvm);
	symbol_put(kvm_put_kvm);
}

#else

static bool vfio_mdev_hold_kvm(struct vfio_mdev *vmdev, struct kvm *kvm)
{
	return false;
}

static void vfio_mdev_drop_kvm(struct vfio_mdev *vmdev)
{
}

#endif

/**
 * vfio_mdev_get_kvm - hold the device's virtual machine and tell the vendor
 * @vmdev: device
 *
 * Context: from open_device.
 */
void vfio_mdev_get_kvm(struct vfio_mdev *vmdev)
{
	struct kvm *kvm = vmdev->vdev.kvm;

	if (!kvm || !vfio_mdev_hold_kvm(vmdev, kvm))
		return;

	vmdev->kvm = kvm;
	if (vmdev->ops->set_kvm)
		vmdev->ops->set_kvm(vmdev->mdev, vmdev->kvm);
}

/**
 * vfio_mdev_tell_kvm - tell a new notifier of the device's virtual machine
 * @vmdev: device
 * @nb: the notifier
 *
 * Context: within a call that needs %VFIO_MDEV_NEEDS_PINNABLE.
 */
void vfio_mdev_tell_kvm(struct vfio_mdev *vmdev, struct notifier_block *nb)
{
	if (vmdev->kvm)
		nb->notifier_call(nb, VFIO_GROUP_NOTIFY_SET_KVM, vmdev->kvm);
}

/**
 * vfio_mdev_put_kvm - opposite of vfio_mdev_get_kvm()
 * @vmdev: device, no call under way that needs %VFIO_MDEV_NEEDS_PINNABLE
 *
 * Context: from close_device, or open_device where it fails.
 */
void vfio_mdev_put_kvm(struct vfio_mdev *vmdev)
{
	if (!vmdev->kvm)
		return;
	blocking_notifier_call_chain(&vmdev->group_notifier,
				     VFIO_GROUP_NOTIFY_SET_KVM, NULL);
	vfio_mdev_drop_kvm(vmdev);
	vmdev->kvm = NULL;
}
