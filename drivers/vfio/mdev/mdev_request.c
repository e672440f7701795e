// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mediated devices: requesting a device from its user
 *
 * Before a classic device is removed, unbound, or taken away with its parent,
 * its bus driver is asked to have the user go, again and again until the user
 * has gone. The device is claimed before the first question (mdev_state.c), so one
 * that has no user then will have none.
 *
 * The admin's wait runs in a write to a sysfs file. Two kinds of event break its
 * sleep. A signal that has a handler, or kills, ends the wait: the claim is given
 * back and the write is -EINTR. All else (SIGSTOP and its kin, ptrace, either
 * freezer, suspend) wants the task out of the kernel for a while. Only the
 * signal code of the kernel can stop a task, and no module can call it, so the
 * write returns -ERESTARTNOHAND: the task is stopped on its way out, and the same
 * write comes again when it goes on. What io_uring writes is not restarted, and is
 * ended (EINTR).
 *
 * Why a removal or unbinding failed is kept with the failures of the parent.
 *
 * A device that removes itself (mdev_user.c) is in REMOVING, too, with nobody
 * waiting: the bus driver is asked at once, and the device goes or is ACTIVE again.
 *
 * A parent's unregistration waits for as long as it takes and cannot be
 * stopped. So that the machine can be suspended meanwhile, the wait is one that
 * the freezer may freeze in place. Held then are the parent's unreg_sem, which
 * others only try, and what the caller of the unregistration holds. That must be
 * nothing that a suspend waits for: no lock that a suspend or resume callback of
 * the vendor's takes. The lock of a device is such a lock, since the PM core
 * takes each device's: while that of the parent, or of a device above it, is
 * held (it is in the remove callback of the parent's driver), the wait refuses to
 * be frozen, and the suspend fails as it does for any task that does not freeze.
 * Frozen there, it would hang the machine. So it is with a child of the parent: the
 * caller may be in the remove callback of a device below it, an auxiliary one. Locks
 * of other devices cannot be looked for, and must not be held. This is looked at
 * anew every MDEV_FREEZE_INTERVAL. That the freezer should not warn of the
 * locks that remain (lockdep) is what TASK_FREEZABLE_UNSAFE says.
 *
 * Locks. None is held while waiting, but for what the last paragraph says. The
 * device's lock, which keeps its driver, is only tried, and only for the moment
 * of a question; so no wait here is for a task that waits for a user. It is
 * held around the bus driver's prepare_remove, and so around the vendor's
 * request and can_request: no call of the user's (ioctl, close) takes it, so a
 * request that signals an eventfd can meet any of them.
 */
#include <linux/freezer.h>
#include <linux/mdev_classic.h>
#include <linux/sched/signal.h>
#include <linux/wait.h>

#include "mdev_private.h"
#include "trace.h"

/* How often to try again for a lock that another task has for a moment */
#define MDEV_RETRIES		10
/* When to look again whether a wait may be frozen */
#define MDEV_FREEZE_INTERVAL	HZ

/* False if another task has the device's lock; else the driver's @answer. */
static bool mdev_ask(struct device *dev, unsigned int count, int *answer)
{
	struct mdev_bus_driver *drv;

	if (!device_trylock(dev))
		return false;

	drv = mdev_bus_classic_driver(dev);
	*answer = drv && drv->prepare_remove ? drv->prepare_remove(dev, count) :
					       0;
	device_unlock(dev);
	/* Neither 0 nor an error: the admin's write has to have an answer. */
	if (*answer > 0)
		*answer = -EINVAL;
	trace_mdev_request(&to_mdev_instance(dev)->mdev.uuid, count, *answer);
	return true;
}

/* Readers of uevent and the like have the lock, too: they are waited for. */
static bool mdev_ask_soon(struct device *dev, unsigned int count, int *answer)
{
	unsigned int i;

	for (i = 0; i < MDEV_RETRIES; i++) {
		if (mdev_ask(dev, count, answer))
			return true;
		schedule_timeout_interruptible(MDEV_RETRY_INTERVAL);
		if (signal_pending(current))
			break;
	}
	return false;
}

/* The admin's wait */

/* A task's own stays while it runs. */
static struct sighand_struct *mdev_own_sighand(void)
{
	return rcu_dereference_protected(current->sighand, true);
}

/* Of the signals that pend, does one run a handler, or kill? */
static bool mdev_signal_ends(void)
{
	struct sighand_struct *sighand = mdev_own_sighand();
	bool ends = false;
	sigset_t pending;
	int sig;

	spin_lock_irq(&sighand->siglock);
	sigorsets(&pending, &current->pending.signal,
		  &current->signal->shared_pending.signal);
	sigandnsets(&pending, &pending, &current->blocked);
	for (sig = 1; sig <= _NSIG; sig++) {
		__sighandler_t handler = sighand->action[sig - 1].sa.sa_handler;

		if (!sigismember(&pending, sig) || handler == SIG_IGN)
			continue;
		/* A tracer is told of those that are ignored, too. */
		if (handler != SIG_DFL ||
		    !(sig_kernel_stop(sig) || sig_kernel_ignore(sig)))
			ends = true;
	}
	spin_unlock_irq(&sighand->siglock);
	return ends;
}

/* What an error of the bus driver's means */
static enum mdev_cause mdev_why_busy(struct mdev_instance *inst, int answer)
{
	enum mdev_cause why = MDEV_CAUSE_ANSWER;

	if (answer != -EBUSY)
		return why;
	spin_lock(&inst->lock);
	why = inst->presence == MDEV_USER_NONE ? MDEV_CAUSE_FILE_OPEN :
						 MDEV_CAUSE_NOBODY_TO_ASK;
	spin_unlock(&inst->lock);
	return why;
}

/* -EAGAIN: asked. -ERESTARTNOHAND: something pends. Else that is the answer. */
static int mdev_request_step(struct mdev_instance *inst, int state,
			     struct mdev_progress *progress, enum mdev_cause *why)
{
	struct device *dev = &inst->mdev.dev;
	long left = max_t(long, progress->due - jiffies, 0);
	int seq, ret = -EBUSY;

	mdev_state_waits_for(inst, state, "user", progress->count);
	if (wait_event_interruptible_timeout(inst->idle,
					     mdev_has_news(inst, progress->seq, state),
					     left) < 0)
		return -ERESTARTNOHAND;
	*why = MDEV_CAUSE_GOING;
	if (READ_ONCE(inst->state) != state)
		return -ENODEV;

	*why = MDEV_CAUSE_LOCKED;
	mdev_state_waits_for(inst, state, "lock", progress->count);
	seq = atomic_read(&inst->idle_seq);
	if (!mdev_ask_soon(dev, progress->count, &ret))
		return signal_pending(current) ? -ERESTARTNOHAND : -EBUSY;
	/* What has changed before a question that was not asked is still news. */
	progress->seq = seq;
	if (ret == -EBUSY)
		dev_info(dev, "stays: it is in use, and its user cannot be asked to let it go\n");

	if (ret)
		*why = mdev_why_busy(inst, ret);
	progress->count++;
	progress->due = jiffies + MDEV_REQUEST_INTERVAL;
	return ret;
}

/**
 * mdev_request_admin - request a device from its user, for the admin
 * @inst: the device
 * @state: why, MDEV_REMOVING or MDEV_UNBINDING
 *
 * Context: process context, from a write of a sysfs file whose return value is
 * this one's; no lock held; waits interruptibly.
 * Return: 0 when there is no user, and the device is in @state, for the caller to
 * go on or to call mdev_state_reopen(). Else the caller has nothing more to do:
 * -EAGAIN when the device is not complete, -EBUSY or -EAGAIN when another task
 * takes it away, -EBUSY when its user cannot be asked or another task has the
 * device's lock; -EINTR when a signal ended the wait, -ERESTARTNOHAND when the
 * writer is to come back to it; -ENODEV when the device is going away; or what
 * the driver answered.
 */
int mdev_request_admin(struct mdev_instance *inst, int state)
{
	enum mdev_act act = state == MDEV_REMOVING ? MDEV_ACT_REMOVE :
						     MDEV_ACT_UNBIND;
	struct mdev_progress progress;
	enum mdev_cause why;
	int ret;

	ret = mdev_state_claim(inst, state, &progress, &why);
	if (ret) {
		mdev_device_failed(&inst->mdev.dev, act, why, ret);
		return ret;
	}

	do
		ret = mdev_request_step(inst, state, &progress, &why);
	while (ret == -EAGAIN);

	if (ret == -ERESTARTNOHAND) {
		if (signal_pending(current) && !mdev_signal_ends() &&
		    !(current->flags & (PF_KTHREAD | PF_IO_WORKER))) {
			mdev_state_suspend(inst, &progress);
			return ret;
		}
		why = MDEV_CAUSE_SIGNAL;
		ret = -EINTR;
	}
	mdev_state_waits_for(inst, state, NULL, 0);
	if (ret) {
		mdev_state_reopen(inst, state);
		mdev_device_failed(&inst->mdev.dev, act, why, ret);
	}
	return ret;
}

/**
 * mdev_request_self - request a device from its bus driver that is to remove itself
 * @inst: the device
 *
 * Context: process context, no lock that a callback takes. Sleeps.
 * Return: 0 and the device is MDEV_REMOVING, has no user and gets none. Else the
 * caller has nothing more to do.
 */
int mdev_request_self(struct mdev_instance *inst)
{
	struct device *dev = &inst->mdev.dev;
	enum mdev_cause why;
	int ret;

	if (!mdev_user_claim_unused(inst))
		return -EBUSY;
	if (!mdev_ask_soon(dev, 0, &ret)) {
		why = MDEV_CAUSE_LOCKED;
		ret = -EBUSY;
	} else {
		why = mdev_why_busy(inst, ret);
	}
	if (!ret)
		return 0;

	mdev_state_reopen(inst, MDEV_REMOVING);
	mdev_device_failed(dev, MDEV_ACT_REMOVE, why, ret);
	spin_lock(&inst->lock);
	if (inst->removal_due)
		mdev_user_queue_removal(inst, MDEV_REQUEST_INTERVAL);
	spin_unlock(&inst->lock);
	return ret;
}

/* The wait of a parent's unregistration */

static int mdev_lock_is_held(struct device *dev, void *unused)
{
	return mutex_is_locked(&dev->mutex);
}

/*
 * Does a suspend get past the locks of the devices above, and of the parent's
 * children? See the essay. A device that was deleted may outlive the one above.
 */
static bool mdev_may_freeze(struct mdev_instance *inst)
{
	struct device *dev;

	for (dev = inst->mdev.dev.parent; dev; dev = dev->parent) {
		if (mutex_is_locked(&dev->mutex) || !device_is_registered(dev))
			return false;
	}
	return !device_for_each_child(inst->mdev.dev.parent, NULL,
				      mdev_lock_is_held);
}

/*
 * The freezer marks a task that it freezes as if by a signal, and the mark stays. The VFIO
 * core, about to unregister the device, would take it for one, and warn.
 */
static void mdev_clear_freezers_mark(void)
{
	struct sighand_struct *sighand = mdev_own_sighand();

	spin_lock_irq(&sighand->siglock);
	recalc_sigpending();
	spin_unlock_irq(&sighand->siglock);
}

/* Sleeps until there is news of a device that is MDEV_DEAD, or for @timeout. */
static void mdev_request_sleep(struct mdev_instance *inst, int seq, long timeout)
{
	while (timeout && !mdev_has_news(inst, seq, MDEV_DEAD)) {
		unsigned int state = TASK_UNINTERRUPTIBLE;
		long slice = min_t(long, timeout, MDEV_FREEZE_INTERVAL);

		if (mdev_may_freeze(inst))
			state |= TASK_FREEZABLE_UNSAFE;
		timeout -= slice;
		timeout += ___wait_event(inst->idle,
					 ___wait_cond_timeout(mdev_has_news(inst, seq, MDEV_DEAD)),
					 state, 0, slice,
					 __ret = schedule_timeout(__ret));
	}
}

/**
 * mdev_request_first - ask the user that there is for the first time
 * @inst: the device, after mdev_state_take()
 *
 * Context: process context, no lock that a callback takes.
 * Return: false when another task has the device's lock: to be tried again.
 */
bool mdev_request_first(struct mdev_instance *inst)
{
	if (!inst->first_asked) {
		inst->first_seq = atomic_read(&inst->idle_seq);
		inst->first_asked = mdev_ask(&inst->mdev.dev, 0,
					     &inst->first_answer);
	}
	return inst->first_asked;
}

/**
 * mdev_request_retry - sleep until it is time to try mdev_request_first() again
 * @inst: the device
 *
 * Context: process context.
 */
void mdev_request_retry(struct mdev_instance *inst)
{
	mdev_request_sleep(inst, atomic_read(&inst->idle_seq),
			   MDEV_RETRY_INTERVAL);
}

/**
 * mdev_request_wait - request a device from its user, however long it takes
 * @inst: the device, after mdev_state_take()
 *
 * Context: process context, no lock that a callback takes.
 */
void mdev_request_wait(struct mdev_instance *inst)
{
	struct device *dev = &inst->mdev.dev;
	bool asked = mdev_request_first(inst);
	int answer = inst->first_answer;
	int seq = inst->first_seq;
	unsigned int count = 0;

	for (;;) {
		if (asked && !answer)
			break;
		if (asked && answer != -EAGAIN && !count)
			dev_notice(dev, "waiting for its user, who cannot be asked, to let it go\n");
		count += asked;
		mdev_state_waits_for(inst, MDEV_DEAD, asked ? "user" : "lock", count);
		mdev_request_sleep(inst, seq, asked ? MDEV_REQUEST_INTERVAL :
						    MDEV_RETRY_INTERVAL);

		seq = atomic_read(&inst->idle_seq);
		asked = mdev_ask(dev, count, &answer);
	}
	mdev_state_waits_for(inst, MDEV_DEAD, "driver", count);
	mdev_clear_freezers_mark();
}
