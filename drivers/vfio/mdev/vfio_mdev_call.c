// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfio_mdev: calls from the vendor's side against closing and unbinding
 *
 * A vendor may pin, unpin, read, write and register notifiers at any time from
 * create to remove, also while the device is being closed or unbound. Such a
 * call is begun and ended here. Beginning it finds the device, sees that it is
 * in the state that is needed, and counts the call, all in a section of
 * vfio_mdev_srcu; closing and unbinding change the state, wait for the
 * sections, and then for the calls of their own device. So either a call sees the
 * new state and does not begin, or it is waited for.
 *
 * Ending: decrement the count, a full barrier; look into the queue. Waiting: enter the
 * queue; full barrier (of set_current_state()); read the count, sleep unless it is 0.
 * Store buffering: at least one side sees the other. Nothing of the device is touched
 * behind the decrement.
 *
 * The state is set with a release when a device is opened and read with an acquire
 * here, with no lock in common: a call that finds the device open sees that the VFIO
 * core counts it as open, too. mdev_set_busdata() and mdev_get_busdata() do the same
 * for the device itself.
 *
 * The sections are short: what a call does may take as long as the user wants,
 * whose memory it touches, and other users' devices must not wait for that.
 */
#include <linux/srcu.h>
#include <linux/wait_bit.h>

#include "vfio_mdev.h"

DEFINE_STATIC_SRCU(vfio_mdev_srcu);

static bool vfio_mdev_is(const struct vfio_mdev *vmdev, enum vfio_mdev_need need)
{
	enum vfio_mdev_state state = vfio_mdev_state(vmdev);

	switch (need) {
	case VFIO_MDEV_NEEDS_PINNABLE:
		return state == VFIO_MDEV_OPENING || state == VFIO_MDEV_OPEN;
	case VFIO_MDEV_NEEDS_USER:
		return state != VFIO_MDEV_CLOSED;
	default:
		return true;
	}
}

static bool vfio_mdev_enter_call(struct vfio_mdev *vmdev,
				 enum vfio_mdev_need need)
{
	if (!vfio_mdev_is(vmdev, need))
		return false;
	atomic_inc(&vmdev->calls);
	return true;
}

/* In a section: the VFIO device of a device, NULL if it has none */
static struct vfio_mdev *vfio_mdev_find(struct device *dev)
{
	struct mdev_device *mdev = mdev_from_dev(dev);

	return mdev ? mdev_get_busdata(mdev) : NULL;
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
	struct vfio_mdev *vmdev = vfio_mdev_find(dev);

	if (vmdev && !vfio_mdev_enter_call(vmdev, need))
		vmdev = NULL;
	srcu_read_unlock(&vfio_mdev_srcu, idx);
	return vmdev;
}

/**
 * vfio_mdev_begin_open_nr - begin a call that belongs to one open of a device
 * @dev: a mediated device's struct device
 * @need: state it has to be in
 * @open_nr: number of the open
 *
 * An open ends, and another begins, with a wait for all sections in between.
 * So within a section the state and the number, which is read after it, are of
 * the same open.
 *
 * Context: process context.
 * Return: its VFIO device, for vfio_mdev_end(); NULL when it is not in the
 * state, or that open has ended.
 */
struct vfio_mdev *vfio_mdev_begin_open_nr(struct device *dev,
					  enum vfio_mdev_need need,
					  unsigned long open_nr)
{
	int idx = srcu_read_lock(&vfio_mdev_srcu);
	struct vfio_mdev *vmdev = vfio_mdev_find(dev);

	if (vmdev && vfio_mdev_is(vmdev, need) && READ_ONCE(vmdev->open_nr) == open_nr)
		atomic_inc(&vmdev->calls);
	else
		vmdev = NULL;
	srcu_read_unlock(&vfio_mdev_srcu, idx);
	return vmdev;
}

/**
 * vfio_mdev_begin - begin a call for a device that is held
 * @vmdev: the device
 * @need: state it has to be in
 *
 * Context: process context.
 * Return: false when it is not in the state.
 */
bool vfio_mdev_begin(struct vfio_mdev *vmdev, enum vfio_mdev_need need)
{
	int idx = srcu_read_lock(&vfio_mdev_srcu);
	bool begun = vfio_mdev_enter_call(vmdev, need);

	srcu_read_unlock(&vfio_mdev_srcu, idx);
	return begun;
}

/**
 * vfio_mdev_end - end a call
 * @vmdev: device; not to be touched afterwards
 *
 * Context: process context.
 */
void vfio_mdev_end(struct vfio_mdev *vmdev)
{
	/* A waiter may free the device then: only the count's address says which to wake. */
	if (atomic_dec_and_test(&vmdev->calls))
		wake_up_var(&vmdev->calls);
}

/**
 * vfio_mdev_wait_calls - wait for the calls that have begun
 * @vmdev: device; its state was changed so that no others begin
 *
 * Context: process context.
 */
void vfio_mdev_wait_calls(struct vfio_mdev *vmdev)
{
	synchronize_srcu_expedited(&vfio_mdev_srcu);
	wait_var_event(&vmdev->calls, !atomic_read_acquire(&vmdev->calls));
}
