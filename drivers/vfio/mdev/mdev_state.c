// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mediated devices: the state of a device, and its transitions
 *
 * A removal or an unbinding by the admin claims a device (REMOVING, UNBINDING); a
 * parent's unregistration takes it (DEAD). From then on mdev_removal_pending() is
 * true and the bus driver lets no new user in; a claim may be given back. What
 * those that wait for a device's user (mdev_request.c) wait for is a change of
 * idle_seq, by which the bus driver says that the user has gone, or of state.
 *
 * The admin's wait runs in a write to a sysfs file. Where its task is to be stopped
 * (SIGSTOP and its kin, ptrace, either freezer, suspend) the write returns
 * -ERESTARTNOHAND, and the same write comes again when the task goes on. Until then
 * inst->away holds the writer and how far it has come, the state stays as it is, and
 * no user is let in. The write that comes again goes on from there: no question is
 * repeated, and the next one is due when it was.
 *
 *	state		  away	  the writer
 *	ACTIVE		  NULL	  there is none
 *	REMOVING/UNBINDING  NULL  is in mdev_request_admin(), or past it
 *	REMOVING/UNBINDING  set	  was sent out of the kernel to be stopped
 *	DEAD		  any	  gets -ENODEV; away goes with the instance
 *
 * The write may never come again: the task is killed while stopped, a handler
 * runs when it goes on, a debugger sends it elsewhere. The kernel tells nobody,
 * so it is looked for: every MDEV_RETURN_TIME while a writer is away (inst->look),
 * and by each caller that is refused meanwhile: a user that wants in, the next
 * removal or unbinding. The writer has given up when it has exited, when it is
 * itself the caller, or when it was seen neither stopped nor about to be, and for
 * MDEV_RETURN_TIME has not come back: a restarted write needs a processor only. A
 * writer that does not sleep may not have got one; it is given ten times as long.
 * The claim is then given back.
 *
 * A task that waits is noted down in inst->wait, with what it waits for, for an
 * admin that looks into debugfs; nothing is decided by it.
 *
 * Locks. inst->lock protects away and wait. The state is changed by mdev_state_try()
 * and mdev_state_set() alone, which are full barriers, and read without a lock.
 *
 * Store buffering, where a user comes while a device is claimed or taken. L is a lock of the
 * bus driver's, as vfio_mdev_main.c has one, or inst->lock where the device removes
 * itself.
 *
 *	a user comes:	 lock L; read state, refuse unless ACTIVE or CREATING; write
 *			 that there is a user; unlock L
 *	it is claimed:	 write state; lock L; read whether there is a user; unlock L
 *
 * One holds L after the other, and sees what that wrote before it unlocked.
 */
#include <linux/freezer.h>
#include <linux/mdev_classic.h>
#include <linux/sched/jobctl.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/timekeeping.h>
#include <linux/wait.h>

#include "mdev_private.h"

/* How long a writer may take from being let go to its next look in here */
#define MDEV_RETURN_TIME	HZ

/**
 * mdev_note_process - note down the caller
 * @process: where
 */
void mdev_note_process(struct mdev_process *process)
{
	BUILD_BUG_ON(sizeof(process->comm) < TASK_COMM_LEN);

	process->pid = task_tgid_nr(current);
	get_task_comm(process->comm, current);
	process->since = ktime_get_ns();
}

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

/* Gives a claim back if its writer does not come back. */
static void mdev_look_for_writer(struct mdev_instance *inst)
{
	int state = READ_ONCE(inst->state);

	lockdep_assert_held(&inst->lock);

	if (!inst->away.writer || !mdev_writer_gave_up(&inst->away))
		return;
	mdev_forget_writer(inst);
	/* Not if the parent's unregistration has taken the device over */
	if (state == MDEV_REMOVING || state == MDEV_UNBINDING)
		mdev_state_try(inst, state, MDEV_ACTIVE);
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
 * mdev_state_init - set up what a state needs
 * @inst: new device
 */
void mdev_state_init(struct mdev_instance *inst)
{
	init_waitqueue_head(&inst->idle);
	spin_lock_init(&inst->lock);
	INIT_DELAYED_WORK(&inst->look, mdev_look);
}

/**
 * mdev_state_end - no writer is looked for any more
 * @inst: the device, MDEV_DEAD or not yet found by others
 *
 * A writer that is sent away from here on sees the state.
 *
 * Context: process context. Sleeps.
 */
void mdev_state_end(struct mdev_instance *inst)
{
	cancel_delayed_work_sync(&inst->look);
}

/**
 * mdev_state_bars_users - are users refused?
 * @inst: the device, its lock held
 *
 * Return: as mdev_removal_pending().
 */
bool mdev_state_bars_users(struct mdev_instance *inst)
{
	mdev_look_for_writer(inst);
	return READ_ONCE(inst->state) > MDEV_ACTIVE;
}

/**
 * mdev_has_news - is there what a wait waits for?
 * @inst: the device
 * @seq: its idle_seq at the last look
 * @state: its state then
 *
 * Return: true when the user has gone since, or the device has left @state.
 */
bool mdev_has_news(struct mdev_instance *inst, int seq, int state)
{
	return atomic_read(&inst->idle_seq) != seq ||
	       READ_ONCE(inst->state) != state;
}

/**
 * mdev_state_waits_for - note down what the caller waits for
 * @inst: the device
 * @state: the state that the caller claimed it for
 * @what: in a word, NULL when it waits no more
 * @asked: how often the device's user has been asked
 *
 * For those that look. It does nothing when another has taken the device over.
 */
void mdev_state_waits_for(struct mdev_instance *inst, int state,
			  const char *what, unsigned int asked)
{
	spin_lock(&inst->lock);
	if (READ_ONCE(inst->state) == state) {
		inst->wait.what = what;
		inst->wait.asked = asked;
	}
	spin_unlock(&inst->lock);
}

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

/**
 * mdev_state_claim - claim a device for the admin, or take up a wait again
 * @inst: the device
 * @wanted: what for, MDEV_REMOVING or MDEV_UNBINDING
 * @progress: how far the caller's wait has come: set
 * @why: set where it is refused
 *
 * Return: 0; -EAGAIN, -EBUSY or -ENODEV where its state allows none.
 */
int mdev_state_claim(struct mdev_instance *inst, int wanted,
		     struct mdev_progress *progress, enum mdev_cause *why)
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
		state = mdev_state_try(inst, MDEV_ACTIVE, wanted);
		if (state != MDEV_ACTIVE) {
			ret = mdev_refusal(wanted, state, why);
		} else {
			mdev_note_process(&inst->wait.waiter);
			/* The admin has plans with it. */
			if (wanted == MDEV_UNBINDING)
				inst->removal_due = false;
		}
	}
	spin_unlock(&inst->lock);
	return ret;
}

/**
 * mdev_state_suspend - the caller's write returns, and is to come again
 * @inst: the device, claimed
 * @progress: how far its wait has come
 */
void mdev_state_suspend(struct mdev_instance *inst,
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

/**
 * mdev_state_reopen - give a claim back: let users in again
 * @inst: the device
 * @state: what it was claimed for
 *
 * Does nothing if the parent's unregistration has taken the device over.
 *
 * Context: any.
 */
void mdev_state_reopen(struct mdev_instance *inst, int state)
{
	mdev_state_try(inst, state, MDEV_ACTIVE);
}

/**
 * mdev_state_take - take a device over, for the unregistration of its parent
 * @inst: the device; MDEV_DEAD from here on, and no new user is let in
 *
 * A removal or unbinding that waits for the user, in a sysfs file, gives up.
 *
 * Context: process context.
 */
void mdev_state_take(struct mdev_instance *inst)
{
	mdev_state_set(inst, MDEV_DEAD);
	spin_lock(&inst->lock);
	mdev_note_process(&inst->wait.waiter);
	inst->wait.what = "turn";
	inst->wait.asked = 0;
	spin_unlock(&inst->lock);
	wake_up_all(&inst->idle);
}
