// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mediated devices: getting the user of a device to leave it
 *
 * Before a classic device is removed, unbound, or taken away with its parent,
 * its bus driver is asked to have the user go, again and again until the user
 * has gone. From before the first question mdev_removal_pending() is true, and
 * the bus driver lets no new user in; a device that has no user then will have
 * none. What is waited for is a change of idle_seq (the bus driver says that the
 * user has gone) or of state.
 *
 * The admin's wait runs in a write to a sysfs file. Two kinds of event break its
 * sleep. A signal that has a handler, or kills, ends the wait: the door opens
 * again and the write is -EINTR. All else (SIGSTOP and its kin, ptrace, either
 * freezer, suspend) wants the task out of the kernel for a while. Only the
 * signal code of the kernel can stop a task, and no module can call it, so the
 * write returns -ERESTARTNOHAND: the task is stopped on its way out, and the same
 * write comes again when it goes on. Until then inst->away holds the writer and
 * how far it has come, the state stays as it is, and the door stays closed. The
 * write that comes again goes on from there: no question is repeated, and the
 * next one is due when it was.
 *
 *	state		  away	  the writer
 *	ACTIVE		  NULL	  there is none
 *	REMOVING/UNBINDING  NULL  is in mdev_leave_prepare(), or past it
 *	REMOVING/UNBINDING  set	  was sent out of the kernel to be stopped
 *	DEAD		  any	  gets -ENODEV; away goes with the instance
 *
 * The write may never come again: the task is killed while stopped, a handler
 * runs when it goes on, a debugger sends it elsewhere. The kernel tells nobody,
 * so it is looked for: every MDEV_RETURN_TIME while a writer is away (inst->look),
 * and by whoever meets the closed door, a user that wants in, the next removal or
 * unbinding. The writer has given up when it has exited, when it is itself the
 * one who asks, or when it was seen neither stopped nor about to be, and for
 * MDEV_RETURN_TIME has not come back: a restarted write needs a processor only. One
 * that does not sleep may not have got that; it is given ten times as long. The
 * door then opens. What io_uring writes is not restarted, and is ended (EINTR).
 *
 * Whoever waits notes down in inst->wait who it is and for what, for an admin who
 * looks into debugfs; nothing is decided by it. Why a removal or unbinding failed is
 * kept with the failures of the parent.
 *
 * A device that removes itself (mdev_user.c) is in REMOVING, too, with nobody
 * waiting: it looks for a user and changes the state under inst->lock, asks the bus
 * driver at once, and goes or is ACTIVE again.
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
 * of other devices cannot be looked for, and must not be held. It is looked anew
 * every MDEV_FREEZE_INTERVAL. That the freezer should not warn of the
 * locks that remain (lockdep) is what TASK_FREEZABLE_UNSAFE says.
 *
 * Locks. None is held while waiting, but for what the last paragraph says. The
 * device's lock, which keeps its driver, is only tried, and only for the moment
 * of a question; so nobody waits here for somebody who waits for a user. It is
 * held around the bus driver's prepare_remove, and so around the vendor's
 * request and can_request: no call of the user's (ioctl, close) takes it, so a
 * request that signals an eventfd can meet any of them. inst->lock protects away
 * and wait.
 */
#include <linux/freezer.h>
#include <linux/mdev_classic.h>
#include <linux/sched/jobctl.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/wait.h>

#include "mdev_private.h"
#include "trace.h"

/* When, and how often, to try again for a lock that somebody has for a moment */
#define MDEV_RETRY_INTERVAL	(HZ / 50)
#define MDEV_RETRIES		10
/* When to look again whether a wait may be frozen */
#define MDEV_FREEZE_INTERVAL	HZ
/* How long a writer may take from being let go to its next look in here */
#define MDEV_RETURN_TIME	HZ

/* Is the task stopped, traced or frozen, or on its way there? */
static bool mdev_task_is_stopped(struct task_struct *task)
{
	return signal_pending(task) || freezing(task) ||
	       task_is_stopped_or_traced(task) ||
	       READ_ONCE(task->jobctl) & JOBCTL_TRAP_FREEZE ||
	       READ_ONCE(task->__state) & TASK_FROZEN;
}

static bool mdev_writer_gave_up(struct mdev_away *away)
{
	unsigned long patience = MDEV_RETURN_TIME;

	if (away->writer == current ||
	    READ_ONCE(away->writer->flags) & PF_EXITING)
		return true;

	if (mdev_task_is_stopped(away->writer)) {
		away->loose = false;
		return false;
	}
	if (!away->loose) {
		away->loose = true;
		away->loose_since = jiffies;
	}
	if (!(READ_ONCE(away->writer->__state) & TASK_INTERRUPTIBLE))
		patience *= 10;
	return time_after(jiffies, away->loose_since + patience);
}

static void mdev_forget_writer(struct mdev_instance *inst)
{
	put_task_struct(inst->away.writer);
	inst->away.writer = NULL;
	if (READ_ONCE(inst->state) != MDEV_DEAD)
		inst->wait.what = NULL;
}

/* Opens the door if the one who closed it does not come back. */
static void mdev_look_for_writer(struct mdev_instance *inst)
{
	int state = READ_ONCE(inst->state);

	lockdep_assert_held(&inst->lock);

	if (!inst->away.writer || !mdev_writer_gave_up(&inst->away))
		return;
	mdev_forget_writer(inst);
	/* Not if the parent's unregistration has taken the device over */
	if (state == MDEV_REMOVING || state == MDEV_UNBINDING)
		cmpxchg(&inst->state, state, MDEV_ACTIVE);
}

/* Looks for a writer that is away, for as long as it is. */
static void mdev_look(struct work_struct *work)
{
	struct mdev_instance *inst = container_of(to_delayed_work(work),
						  struct mdev_instance, look);

	spin_lock(&inst->lock);
	mdev_look_for_writer(inst);
	if (inst->away.writer && READ_ONCE(inst->state) != MDEV_DEAD)
		queue_delayed_work(system_freezable_wq, &inst->look,
				   MDEV_RETURN_TIME);
	spin_unlock(&inst->lock);
}

/**
 * mdev_leave_init - set up what a wait needs
 * @inst: new device
 */
void mdev_leave_init(struct mdev_instance *inst)
{
	init_waitqueue_head(&inst->idle);
	spin_lock_init(&inst->lock);
	INIT_DELAYED_WORK(&inst->look, mdev_look);
}

/**
 * mdev_leave_end - nobody is looked for any more, nor does it remove itself
 * @inst: the device, MDEV_DEAD or not yet found by others
 *
 * Context: process context, the parent's registration held. Sleeps.
 */
void mdev_leave_end(struct mdev_instance *inst)
{
	bool queued;

	/*
	 * A writer that is sent away from here on sees the state, as does whoever
	 * would have the device remove itself.
	 */
	spin_lock(&inst->lock);
	queued = cancel_delayed_work(&inst->go);
	spin_unlock(&inst->lock);
	if (queued)
		mdev_user_put(inst);
	cancel_delayed_work_sync(&inst->look);
}

/**
 * mdev_leave_pending - may no new user come?
 * @inst: the device, its lock held
 *
 * Return: as mdev_removal_pending().
 */
bool mdev_leave_pending(struct mdev_instance *inst)
{
	mdev_look_for_writer(inst);
	return READ_ONCE(inst->state) > MDEV_ACTIVE;
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
	pending = mdev_leave_pending(inst);
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

/* For those who look. Nothing when another has taken the device over. */
static void mdev_waits_for(struct mdev_instance *inst, int state,
			   const char *what, unsigned int asked)
{
	spin_lock(&inst->lock);
	if (READ_ONCE(inst->state) == state) {
		inst->wait.what = what;
		inst->wait.asked = asked;
	}
	spin_unlock(&inst->lock);
}

/* False if somebody else has the device's lock; else the driver's @answer. */
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

/* Has the user gone since @seq was read, or the device left @state? */
static bool mdev_news(struct mdev_instance *inst, int seq, int state)
{
	return atomic_read(&inst->idle_seq) != seq ||
	       READ_ONCE(inst->state) != state;
}

/* The admin's wait */

static int mdev_refusal(int wanted, int state, enum mdev_cause *why)
{
	switch (state) {
	case MDEV_CREATING:
		*why = MDEV_CAUSE_INCOMPLETE;
		return -EAGAIN;
	case MDEV_REMOVING:
		*why = MDEV_CAUSE_ANOTHER;
		return wanted == MDEV_REMOVING ? -EAGAIN : -EBUSY;
	case MDEV_UNBINDING:
		*why = MDEV_CAUSE_ANOTHER;
		return -EBUSY;
	default:
		*why = MDEV_CAUSE_GOING;
		return -ENODEV;
	}
}

/* Begins a wait, or takes one up that its writer has come back to. */
static int mdev_leave_begin(struct mdev_instance *inst, int wanted,
			    struct mdev_progress *progress,
			    enum mdev_cause *why)
{
	int state, ret = 0;

	spin_lock(&inst->lock);
	state = READ_ONCE(inst->state);
	if (inst->away.writer == current && state == wanted) {
		*progress = inst->away.progress;
		mdev_forget_writer(inst);
	} else {
		mdev_look_for_writer(inst);
		*progress = (struct mdev_progress){ .due = jiffies };
		state = cmpxchg(&inst->state, MDEV_ACTIVE, wanted);
		if (state != MDEV_ACTIVE) {
			ret = mdev_refusal(wanted, state, why);
		} else {
			mdev_who_is_it(&inst->wait.who);
			/* The admin has plans with it. */
			if (wanted == MDEV_UNBINDING)
				inst->due = false;
		}
	}
	spin_unlock(&inst->lock);
	return ret;
}

static void mdev_leave_suspend(struct mdev_instance *inst,
			       const struct mdev_progress *progress)
{
	spin_lock(&inst->lock);
	inst->away = (struct mdev_away){
		.writer = get_task_struct(current),
		.progress = *progress,
	};
	if (READ_ONCE(inst->state) != MDEV_DEAD) {
		inst->wait.what = "writer";
		queue_delayed_work(system_freezable_wq, &inst->look,
				   MDEV_RETURN_TIME);
	}
	spin_unlock(&inst->lock);
}

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
static int mdev_leave_step(struct mdev_instance *inst, int state,
			   struct mdev_progress *progress, enum mdev_cause *why)
{
	struct device *dev = &inst->mdev.dev;
	long left = max_t(long, progress->due - jiffies, 0);
	int seq, ret = -EBUSY;

	mdev_waits_for(inst, state, "user", progress->count);
	if (wait_event_interruptible_timeout(inst->idle,
					     mdev_news(inst, progress->seq,
						       state),
					     left) < 0)
		return -ERESTARTNOHAND;
	*why = MDEV_CAUSE_GOING;
	if (READ_ONCE(inst->state) != state)
		return -ENODEV;

	*why = MDEV_CAUSE_LOCKED;
	mdev_waits_for(inst, state, "lock", progress->count);
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
 * mdev_leave_prepare - have the device's user leave it, for the admin
 * @inst: the device
 * @state: why, MDEV_REMOVING or MDEV_UNBINDING
 *
 * Context: process context, from a write of a sysfs file whose return value is
 * this one's; no lock held; waits interruptibly.
 * Return: 0 when there is no user, and the device is in @state, for the caller to
 * go on or to call mdev_leave_cancel(). Else the caller has nothing more to do:
 * -EAGAIN when the device is not complete, -EBUSY or -EAGAIN when somebody else
 * takes it away, -EBUSY when its user cannot be asked or somebody has the
 * device's lock; -EINTR when a signal ended the wait, -ERESTARTNOHAND when the
 * writer is to come back to it; -ENODEV when the device is going away; or what
 * the driver answered.
 */
int mdev_leave_prepare(struct mdev_instance *inst, int state)
{
	enum mdev_act act = state == MDEV_REMOVING ? MDEV_ACT_REMOVE :
						     MDEV_ACT_UNBIND;
	struct mdev_progress progress;
	enum mdev_cause why;
	int ret;

	ret = mdev_leave_begin(inst, state, &progress, &why);
	if (ret) {
		mdev_device_failed(&inst->mdev.dev, act, why, ret);
		return ret;
	}

	do
		ret = mdev_leave_step(inst, state, &progress, &why);
	while (ret == -EAGAIN);

	if (ret == -ERESTARTNOHAND) {
		if (signal_pending(current) && !mdev_signal_ends() &&
		    !(current->flags & (PF_KTHREAD | PF_IO_WORKER))) {
			mdev_leave_suspend(inst, &progress);
			return ret;
		}
		why = MDEV_CAUSE_SIGNAL;
		ret = -EINTR;
	}
	mdev_waits_for(inst, state, NULL, 0);
	if (ret) {
		mdev_leave_cancel(inst, state);
		mdev_device_failed(&inst->mdev.dev, act, why, ret);
	}
	return ret;
}

/* For a device that is to remove itself: takes it, if nobody else has it. */
static bool mdev_leave_take_unused(struct mdev_instance *inst)
{
	int state = MDEV_DEAD;

	spin_lock(&inst->lock);
	if (inst->due && inst->presence == MDEV_USER_NONE)
		state = cmpxchg(&inst->state, MDEV_ACTIVE, MDEV_REMOVING);

	if (state == MDEV_CREATING)
		mdev_user_go(inst, MDEV_RETRY_INTERVAL);
	else if (state == MDEV_REMOVING)
		mdev_user_go(inst, MDEV_REQUEST_INTERVAL);
	spin_unlock(&inst->lock);
	return state == MDEV_ACTIVE;
}

/**
 * mdev_leave_unused - have a device that is to remove itself be left
 * @inst: the device
 *
 * Context: process context, no lock that a callback takes. Sleeps.
 * Return: 0 and the device is MDEV_REMOVING, has no user and gets none. Else the
 * caller has nothing more to do.
 */
int mdev_leave_unused(struct mdev_instance *inst)
{
	struct device *dev = &inst->mdev.dev;
	enum mdev_cause why;
	int ret;

	if (!mdev_leave_take_unused(inst))
		return -EBUSY;
	if (!mdev_ask_soon(dev, 0, &ret)) {
		why = MDEV_CAUSE_LOCKED;
		ret = -EBUSY;
	} else {
		why = mdev_why_busy(inst, ret);
	}
	if (!ret)
		return 0;

	mdev_leave_cancel(inst, MDEV_REMOVING);
	mdev_device_failed(dev, MDEV_ACT_REMOVE, why, ret);
	spin_lock(&inst->lock);
	if (inst->due)
		mdev_user_go(inst, MDEV_REQUEST_INTERVAL);
	spin_unlock(&inst->lock);
	return ret;
}

/**
 * mdev_leave_cancel - let users in again
 * @inst: the device
 * @state: as at mdev_leave_prepare()
 *
 * Does nothing if the parent's unregistration has taken the device over.
 *
 * Context: any.
 */
void mdev_leave_cancel(struct mdev_instance *inst, int state)
{
	cmpxchg(&inst->state, state, MDEV_ACTIVE);
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
 * The freezer marks whom it freezes as if by a signal, and the mark stays. The VFIO
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
static void mdev_leave_sleep(struct mdev_instance *inst, int seq, long timeout)
{
	while (timeout && !mdev_news(inst, seq, MDEV_DEAD)) {
		unsigned int state = TASK_UNINTERRUPTIBLE;
		long slice = min_t(long, timeout, MDEV_FREEZE_INTERVAL);

		if (mdev_may_freeze(inst))
			state |= TASK_FREEZABLE_UNSAFE;
		timeout -= slice;
		timeout += ___wait_event(inst->idle,
					 ___wait_cond_timeout(mdev_news(inst,
									seq,
									MDEV_DEAD)),
					 state, 0, slice,
					 __ret = schedule_timeout(__ret));
	}
}

/**
 * mdev_leave_start - let no new user in
 * @inst: the device; MDEV_DEAD from here on
 *
 * Whoever else waits for the user, in a sysfs file, gives up.
 *
 * Context: process context.
 */
void mdev_leave_start(struct mdev_instance *inst)
{
	xchg(&inst->state, MDEV_DEAD);
	spin_lock(&inst->lock);
	mdev_who_is_it(&inst->wait.who);
	inst->wait.what = "turn";
	inst->wait.asked = 0;
	spin_unlock(&inst->lock);
	wake_up_all(&inst->idle);
}

/**
 * mdev_leave_ask - ask the user there is for the first time
 * @inst: the device, after mdev_leave_start()
 *
 * Context: process context, no lock that a callback takes.
 * Return: false when somebody else has the device's lock: to be tried again.
 */
bool mdev_leave_ask(struct mdev_instance *inst)
{
	if (!inst->first_asked) {
		inst->first_seq = atomic_read(&inst->idle_seq);
		inst->first_asked = mdev_ask(&inst->mdev.dev, 0,
					     &inst->first_answer);
	}
	return inst->first_asked;
}

/**
 * mdev_leave_retry - sleep until it is time to try mdev_leave_ask() again
 * @inst: the device
 *
 * Context: process context.
 */
void mdev_leave_retry(struct mdev_instance *inst)
{
	mdev_leave_sleep(inst, atomic_read(&inst->idle_seq),
			 MDEV_RETRY_INTERVAL);
}

/**
 * mdev_leave_wait - have the device's user leave it, however long it takes
 * @inst: the device, after mdev_leave_start()
 *
 * Context: process context, no lock that a callback takes.
 */
void mdev_leave_wait(struct mdev_instance *inst)
{
	struct device *dev = &inst->mdev.dev;
	bool asked = mdev_leave_ask(inst);
	int answer = inst->first_answer;
	int seq = inst->first_seq;
	unsigned int count = 0;

	for (;;) {
		if (asked && !answer)
			break;
		if (asked && answer != -EAGAIN && !count)
			dev_notice(dev, "waiting for its user, who cannot be asked, to let it go\n");
		count += asked;
		mdev_waits_for(inst, MDEV_DEAD, asked ? "user" : "lock", count);
		mdev_leave_sleep(inst, seq, asked ? MDEV_REQUEST_INTERVAL :
						    MDEV_RETRY_INTERVAL);

		seq = atomic_read(&inst->idle_seq);
		asked = mdev_ask(dev, count, &answer);
	}
	mdev_waits_for(inst, MDEV_DEAD, "driver", count);
	mdev_clear_freezers_mark();
}
