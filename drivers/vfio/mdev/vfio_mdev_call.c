// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfio_mdev: calls from the vendor's side against closing and unbinding
 *
 * A vendor may pin, unpin, read, write and register notifiers at any time from
 * create to remove, also while the device is being closed or unbound. Such a
 * call is begun and ended here. Beginning it finds the device, sees that it is
 * in the state that is needed, and counts the call, all in a section of
 * vfio_mdev_srcu; closing and unbinding change the state, wait for the
 * sections, and then for the calls of their own device.
 *
 * The sections are short: what a call does may take as long as the user wants,
 * whose memory it touches, and other users' devices must not wait for that.
 */
#include <linux/srcu.h>

#include "vfio_mdev.h"

DEFINE_STATIC_SRCU(vfio_mdev_srcu);

static bool vfio_mdev_is(const struct vfio_mdev *vm, enum vfio_mdev_need need)
{
	switch (need) {
	case VFIO_MDEV_PINNABLE:
		return READ_ONCE(vm->pinnable);
	case VFIO_MDEV_OPEN:
		return READ_ONCE(vm->open);
	default:
		return true;
	}
}

/**
 * vfio_mdev_begin_dev - begin a call
 * @dev: any device
 * @need: state it has to be in
 *
 * Context: process context.
 * Return: its VFIO device, for vfio_mdev_end(); NULL when it is no mediated
 * device that is bound to vfio_mdev, or not in the state.
 */
struct vfio_mdev *vfio_mdev_begin_dev(struct device *dev,
				      enum vfio_mdev_need need)
{
	int idx = srcu_read_lock(&vfio_mdev_srcu);
	struct vfio_mdev *vm = NULL;

	if (mdev_from_dev(dev))
		vm = mdev_get_busdata(mdev_from_dev(dev));
	if (vm && vfio_mdev_is(vm, need))
		atomic_inc(&vm->calls);
	else
		vm = NULL;
	srcu_read_unlock(&vfio_mdev_srcu, idx);
	return vm;
}

/**
 * vfio_mdev_begin - begin a call for a device that is held
 * @vm: the device
 * @need: state it has to be in
 *
 * Context: process context.
 * Return: false when it is not in the state.
 */
bool vfio_mdev_begin(struct vfio_mdev *vm, enum vfio_mdev_need need)
{
	int idx = srcu_read_lock(&vfio_mdev_srcu);
	bool is = vfio_mdev_is(vm, need);

	if (is)
		atomic_inc(&vm->calls);
	srcu_read_unlock(&vfio_mdev_srcu, idx);
	return is;
}

/**
 * vfio_mdev_end - end a call
 * @vm: device; not to be touched afterwards
 *
 * Context: process context.
 */
void vfio_mdev_end(struct vfio_mdev *vm)
{
	/* Who waits may free the device, but not before the section ends */
	int idx = srcu_read_lock(&vfio_mdev_srcu);

	if (atomic_dec_and_test(&vm->calls))
		wake_up_all(&vm->wait);
	srcu_read_unlock(&vfio_mdev_srcu, idx);
}

/**
 * vfio_mdev_wait_calls - wait for the calls that have begun
 * @vm: device; its state was changed so that no others begin
 *
 * Context: process context.
 */
void vfio_mdev_wait_calls(struct vfio_mdev *vm)
{
	synchronize_srcu_expedited(&vfio_mdev_srcu);
	if (!atomic_read(&vm->calls))
		return;
	wait_event(vm->wait, !atomic_read(&vm->calls));
	/* Past the end of the last call */
	synchronize_srcu_expedited(&vfio_mdev_srcu);
}
