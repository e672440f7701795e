// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mediated devices: who has one open, and that it is free again
 *
 * The bus driver says when a user comes, is there, and has left; a user whose open
 * fails has come and left, and nobody is told of it.
 *
 *	NONE -> COMING -> HERE -> NONE, and COMING -> NONE
 *
 * When the last user has left, mdev_in_use is 0, whoever polls it is woken, and the
 * device sends one change uevent with MDEV_IN_USE=0. By then it can be removed. The
 * bus driver says so from its close, before which it cannot be unbound from the
 * device: so the device is still there, and its remove uevent comes later.
 *
 * A device whose remove_on_close is set then removes itself. That is done by a work
 * item (inst->go), as the user's close is in the middle of the VFIO core's. due says
 * that it is to be done, from the close until the device has gone, somebody has it
 * open again, the admin begins to unbind it, or remove_on_close is cleared. A close in
 * the middle of an unbinding is none that counts. The work item goes nowhere with a
 * user there: the user's leaving starts it again. It asks nobody to leave. A removal
 * by the admin has precedence, and a parent's unregistration anyway.
 * Where the bus driver does not give the device back (a file is open that nobody
 * uses, somebody has the device's lock), it tries again every MDEV_REQUEST_INTERVAL.
 *
 * References. A work item that is queued holds the struct device and, by its count
 * in the types directory, the parent's registration: mdev_parent_del() returns when
 * it has run or, which is done at the device's teardown, was taken out of the queue.
 * So nobody waits for it with a lock held that a vendor's remove takes but the one
 * who may not hold it anyway. mdev.ko stays until it has returned: its own workqueue
 * is drained when the module goes.
 *
 * Locks. inst->lock protects it all. A user that comes looks at the state under it,
 * and a device that is to go by itself changes the state and looks for a user under
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
 * mdev_who_is_it - note down the caller
 * @who: where
 */
void mdev_who_is_it(struct mdev_who *who)
{
	BUILD_BUG_ON(sizeof(who->comm) < TASK_COMM_LEN);

	who->pid = task_tgid_nr(current);
	get_task_comm(who->comm, current);
	who->since = ktime_get_ns();
}

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
	if (!mdev_leave_pending(inst)) {
		inst->presence = MDEV_USER_COMING;
		mdev_who_is_it(&inst->user);
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
	inst->due = false;
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
		inst->due = inst->remove_on_close &&
			    READ_ONCE(inst->state) != MDEV_UNBINDING;
	if (inst->due)
		mdev_user_go(inst, 0);
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

/**
 * mdev_user_go - have a device remove itself, soon
 * @inst: the device, its lock held; not torn down
 * @delay: when at the latest, in jiffies
 *
 * The work item takes the lock before anything else, and so finds its references.
 */
void mdev_user_go(struct mdev_instance *inst, unsigned long delay)
{
	lockdep_assert_held(&inst->lock);

	if (READ_ONCE(inst->state) == MDEV_DEAD ||
	    mod_delayed_work(mdev_wq, &inst->go, delay))
		return;
	get_device(&inst->mdev.dev);
	mdev_types_dir_get(mdev_types_dir(inst->mdev.type->parent));
}

/**
 * mdev_user_put - give back what a queued work item holds
 * @inst: the device, which may go with it, as may its parent
 */
void mdev_user_put(struct mdev_instance *inst)
{
	mdev_types_dir_put(mdev_types_dir(inst->mdev.type->parent));
	put_device(&inst->mdev.dev);
}

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
