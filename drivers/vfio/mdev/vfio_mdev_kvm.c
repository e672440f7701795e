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
 * vm->kvm is set in an open and cleared when that fails or at its end, after all
 * calls that may tell somebody of it. So whoever opens the device next, without a
 * virtual machine, has none.
 */
#include <linux/mdev_vfio.h>
#include <linux/module.h>

#include "vfio_mdev.h"

#if IS_ENABLED(CONFIG_KVM)

/* Not to be had on an architecture without KVM */
#include <linux/kvm_host.h>

static bool vfio_mdev_hold_kvm(struct vfio_mdev *vm, struct kvm *kvm)
{
	bool (*get)(struct kvm *kvm);
	bool held;

	/* Taken first, so that giving the reference back cannot fail */
	vm->put_kvm = symbol_get(kvm_put_kvm);
	if (!vm->put_kvm)
		return false;
	get = symbol_get(kvm_get_kvm_safe);
	held = get && get(kvm);
	if (get)
		symbol_put(kvm_get_kvm_safe);
	if (!held)
		symbol_put(kvm_put_kvm);
	return held;
}

static void vfio_mdev_drop_kvm(struct vfio_mdev *vm)
{
	vm->put_kvm(vm->kvm);
	symbol_put(kvm_put_kvm);
}

#else

static bool vfio_mdev_hold_kvm(struct vfio_mdev *vm, struct kvm *kvm)
{
	return false;
}

static void vfio_mdev_drop_kvm(struct vfio_mdev *vm)
{
}

#endif

/**
 * vfio_mdev_get_kvm - hold the device's virtual machine and tell the vendor
 * @vm: device
 *
 * Context: from open_device.
 */
void vfio_mdev_get_kvm(struct vfio_mdev *vm)
{
	struct kvm *kvm = vm->vdev.kvm;

	if (!kvm || !vfio_mdev_hold_kvm(vm, kvm))
		return;

	vm->kvm = kvm;
	if (vm->ops->set_kvm)
		vm->ops->set_kvm(vm->mdev, vm->kvm);
}

/**
 * vfio_mdev_put_kvm - opposite of vfio_mdev_get_kvm()
 * @vm: device
 *
 * Context: from close_device.
 */
void vfio_mdev_put_kvm(struct vfio_mdev *vm)
{
	if (!vm->kvm)
		return;
	blocking_notifier_call_chain(&vm->group_notifier,
				     VFIO_GROUP_NOTIFY_SET_KVM, NULL);
	vfio_mdev_drop_kvm(vm);
	vm->kvm = NULL;
}
