// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mediated devices: the user of a device, and removal after the last close
 *
 * The bus driver says when a user comes, is there, and has left; a user whose open
 * fails has come and left, and nobody is told of it.
 *
 *	NONE -> COMING -> HERE -> NONE, and COMING -> NONE
 *
 * When the last user has left, mdev_in_use is 0, its pollers are woken, and the
 * device sends one change uevent with MDEV_IN_USE=0. By then it can be removed. The
 * bus driver says so from its close, before which it cannot be unbound from the
 * device: so the device is still there, and its remove uevent comes later.
 *
 * A device whose remove_on_close is set then removes itself. That is done by a work
 * item (inst->removal), as the user's close is in the middle of the VFIO core's.
 * removal_due says that it is to be done, from the close until the device has gone,
 * another user has opened it, the admin begins to unbind it, or remove_on_close is
 * cleared. A close in the middle of an unbinding is none that counts. The work item
 * does nothing with a user there: the user's leaving queues it again. It asks no user
 * to leave. A removal by the admin has precedence, and a parent's unregistration
 * anyway. Where the bus driver does not give the device back (a file is open that
 * has no user, another task has the device's lock), it tries again every
 * MDEV_REQUEST_INTERVAL.
 *
 * References. A work item that is queued holds the struct device and, by its count
 * in the types directory, the parent's registration: mdev_parent_del() returns when
 * it has run or, which is done at the device's teardown, was taken out of the queue.
 * So the only one that waits for it with a lock held that a vendor's remove takes is
 * the unregistration, which may not be called with such a lock anyway. mdev.ko stays
 * until it has returned: its own workqueue is drained when the module goes.
 *
 * Locks. inst->lock protects it all. A user that comes looks at the state under it,
 * and a device that is to remove itself changes the state and looks for a user under
 * it: either sees the other.
 */
#include <linux/kobject.h>
#include <linux/mdev_classic.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sysfs.h>
#include <linux/timekeeping.h>
#include <linux/workqueue.h>

#include "mdev_private.h"
#include "trace.h"

static struct workqueue_struct *mdev_wq;

/**
 * mdev_user_queue_removal - have a device remove itself, soon
 * @inst: the device, its lock held; not torn down
 * @delay: when at the latest, in jiffies
 *
 * The work item takes the lock before anything else, and so finds its references.
 */
void mdev_user_queue_removal(struct mdev_instance *inst, unsigned long delay)
{
	lockdep_assert_held(&inst->lock);

	if (READ_ONCE(inst->state) == MDEV_DEAD ||
	    mod_delayed_work(mdev_wq, &inst->removal, delay))
		return;
	get_device(&inst->mdev.dev);
	mdev_types_dir_get(mdev_types_dir(inst->mdev.type->parent));
}

/**
 * mdev_user_put_removal - give back what a queued work item holds
 * @inst: the device, which may go with it, as may its parent
 */
void mdev_user_put_removal(struct mdev_instance *inst)
{
	mdev_types_dir_put(mdev_types_dir(inst->mdev.type->parent));
	put_device(&inst->mdev.dev);
}

/**
 * mdev_user_cancel_removal - the device is taken away in another way
 * @inst: the device, MDEV_DEAD or not yet found by others
 *
 * No removal is queued from here on, as its state says.
 *
 * Context: process context, the parent's registration held.
 */
void mdev_user_cancel_removal(struct mdev_instance *inst)
{
	bool queued;

	spin_lock(&inst->lock);
	queued = delayed_work_pending(&inst->removal) &&
		 cancel_delayed_work(&inst->removal);
	spin_unlock(&inst->lock);
	if (queued)
		mdev_user_put_removal(inst);
}

/**
 * mdev_user_claim_unused - claim a device that is to remove itself
 * @inst: the device
 *
 * Return: true and the device is MDEV_REMOVING and has no user. False where it is not
 * to be removed, or not yet: what is in the way queues it again, or this has.
 */
bool mdev_user_claim_unused(struct mdev_instance *inst)
{
	int state = MDEV_DEAD;

	spin_lock(&inst->lock);
	if (inst->removal_due && inst->presence == MDEV_USER_NONE)
		state = mdev_state_try(inst, MDEV_ACTIVE, MDEV_REMOVING);

	if (state == MDEV_CREATING)
		mdev_user_queue_removal(inst, MDEV_RETRY_INTERVAL);
	else if (state == MDEV_REMOVING)
		mdev_user_queue_removal(inst, MDEV_REQUEST_INTERVAL);
	spin_unlock(&inst->lock);
	return state == MDEV_ACTIVE;
}

/**
 * mdev_removal_pending - may no new user come?
 * @dev: a mediated device
 *
 * A bus driver calls it under a lock under which its prepare_remove callback
 * looks for users: then either sees the other.
 *
 * Context: process context, no lock that an interrupt takes.
 * Return: true from the start of a removal or unbinding on until it is done or
 * given up.
 */
bool mdev_removal_pending(struct device *dev)
{
	struct mdev_instance *inst = to_mdev_instance(dev);
	bool pending;

	if (READ_ONCE(inst->state) <= MDEV_ACTIVE)
		return false;

	spin_lock(&inst->lock);
	pending = mdev_state_bars_users(inst);
	spin_unlock(&inst->lock);
	return pending;
}
EXPORT_SYMBOL(mdev_removal_pending);

/**
 * mdev_device_idle - tell a pending removal that the last user has gone
 * @dev: a mediated device
 *
 * Context: any but NMI; with PREEMPT_RT, any that may sleep on locks.
 */
void mdev_device_idle(struct device *dev)
{
	struct mdev_instance *inst = to_mdev_instance(dev);

	atomic_inc(&inst->idle_seq);
	wake_up_all(&inst->idle);
}
EXPORT_SYMBOL(mdev_device_idle);

/**
 * mdev_user_comes - may a user open a device?
 * @dev: a mediated device
 *
 * A bus driver calls it first when a device is opened, and mdev_user_left() when
 * that fails or is over.
 *
 * Context: process context.
 * Return: 0, or -EBUSY from the start of a removal or unbinding on until it is
 * done or given up.
 */
int mdev_user_comes(struct device *dev)
{
	struct mdev_instance *inst = to_mdev_instance(dev);
	int ret = -EBUSY;

	spin_lock(&inst->lock);
	if (!mdev_state_bars_users(inst)) {
		inst->presence = MDEV_USER_COMING;
		mdev_note_process(&inst->user);
		ret = 0;
	}
	spin_unlock(&inst->lock);
	return ret;
}
EXPORT_SYMBOL(mdev_user_comes);

/**
 * mdev_user_here - a user has opened a device
 * @dev: a mediated device, after mdev_user_comes()
 *
 * Context: process context.
 */
void mdev_user_here(struct device *dev)
{
	struct mdev_instance *inst = to_mdev_instance(dev);

	spin_lock(&inst->lock);
	inst->presence = MDEV_USER_HERE;
	inst->removal_due = false;
	spin_unlock(&inst->lock);

	trace_mdev_open(&inst->mdev.uuid);
	sysfs_notify(&dev->kobj, NULL, "mdev_in_use");
}
EXPORT_SYMBOL(mdev_user_here);

/**
 * mdev_user_left - the last user of a device has gone
 * @dev: a mediated device, after mdev_user_comes()
 *
 * The bus driver is done with the user, and does not let itself be unbound before
 * this has returned. A pending removal goes on.
 *
 * Context: process context. Sleeps.
 */
void mdev_user_left(struct device *dev)
{
	struct mdev_instance *inst = to_mdev_instance(dev);
	bool was_here;

	spin_lock(&inst->lock);
	was_here = inst->presence == MDEV_USER_HERE;
	inst->presence = MDEV_USER_NONE;
	if (was_here)
		inst->removal_due = inst->remove_on_close &&
				    READ_ONCE(inst->state) != MDEV_UNBINDING;
	if (inst->removal_due)
		mdev_user_queue_removal(inst, 0);
	spin_unlock(&inst->lock);

	mdev_device_idle(dev);
	if (!was_here)
		return;

	trace_mdev_close(&inst->mdev.uuid);
	sysfs_notify(&dev->kobj, NULL, "mdev_in_use");
	kobject_uevent_env(&dev->kobj, KOBJ_CHANGE,
			   (char *[]) { "MDEV_IN_USE=0", NULL });
}
EXPORT_SYMBOL(mdev_user_left);

int mdev_user_init(void)
{
	mdev_wq = alloc_workqueue("mdev", WQ_UNBOUND | WQ_FREEZABLE, 0);
	return mdev_wq ? 0 : -ENOMEM;
}

/* No device is left, nor a work item queued. One may just be returning. */
void mdev_user_exit(void)
{
	destroy_workqueue(mdev_wq);
}
