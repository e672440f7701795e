// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mediated devices: getting the user of a device to leave it
 *
 * Before a classic device is removed, unbound, or taken away with its parent,
 * its bus driver is asked to have the user go, again and again while he makes
 * up his mind. From before the first question mdev_removal_pending() is true,
 * and the bus driver lets no new user in; a device that has no user then will
 * have none.
 *
 * No lock is held while waiting. The device's lock, which keeps its driver, is
 * only tried, and only for the moment of a question; so nobody waits here for
 * somebody who waits for a user. What is waited for is a change of idle_seq
 * (the bus driver says that the user has gone) or of state.
 */
#include <linux/mdev_classic.h>
#include <linux/sched/signal.h>
#include <linux/wait.h>

#include "mdev_private.h"

/* How long a user is left alone before he is asked again */
#define MDEV_REQUEST_INTERVAL	(10 * HZ)
/* When, and how often, to try again for a lock that somebody has for a moment */
#define MDEV_RETRY_INTERVAL	(HZ / 50)
#define MDEV_RETRIES		10

/**
 * mdev_removal_pending - may no new user come?
 * @dev: a mediated device
 *
 * A bus driver reads it under a lock under which its prepare_remove callback
 * looks for users: then either sees the other.
 *
 * Context: any.
 * Return: true from the start of a removal or unbinding on until it is done or
 * given up.
 */
bool mdev_removal_pending(struct device *dev)
{
	return READ_ONCE(to_mdev_instance(dev)->state) > MDEV_ACTIVE;
}
EXPORT_SYMBOL(mdev_removal_pending);

/**
 * mdev_device_idle - tell a pending removal that the last user has gone
 * @dev: a mediated device
 *
 * Context: any.
 */
void mdev_device_idle(struct device *dev)
{
	struct mdev_instance *inst = to_mdev_instance(dev);

	atomic_inc(&inst->idle_seq);
	wake_up_all(&inst->idle);
}
EXPORT_SYMBOL(mdev_device_idle);

/* False if somebody else has the device's lock; else the driver's @answer. */
static bool mdev_ask(struct device *dev, unsigned int count, int *answer)
{
	struct mdev_bus_driver *drv;

	if (!device_trylock(dev))
		return false;

	drv = mdev_classic_driver(dev);
	*answer = drv && drv->prepare_remove ? drv->prepare_remove(dev, count) :
					       0;
	device_unlock(dev);
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

/**
 * mdev_leave_prepare - have the device's user leave it, for the admin
 * @inst: the device
 * @state: why, MDEV_REMOVING or MDEV_UNBINDING; it is in that state
 *
 * Context: process context, no lock held; waits interruptibly.
 * Return: 0 when there is no user; -EBUSY when he cannot be asked, or somebody
 * has the device's lock; -EINTR when a signal came; -ENODEV when the parent is
 * going away; or what the driver answered.
 */
int mdev_leave_prepare(struct mdev_instance *inst, int state)
{
	struct device *dev = &inst->mdev.dev;
	unsigned int count;

	for (count = 0; ; count++) {
		int seq = atomic_read(&inst->idle_seq);
		int ret = -EBUSY;

		if (!mdev_ask_soon(dev, count, &ret))
			return signal_pending(current) ? -EINTR : -EBUSY;
		if (ret == -EBUSY)
			dev_info(dev, "stays: it is in use, and its user cannot be asked to let it go\n");
		if (ret != -EAGAIN)
			return ret;

		if (wait_event_interruptible_timeout(inst->idle,
						     mdev_news(inst, seq, state),
						     MDEV_REQUEST_INTERVAL) < 0)
			return -EINTR;
		if (READ_ONCE(inst->state) != state)
			return -ENODEV;
	}
}

/**
 * mdev_leave_start - let no new user in, and ask the one there is
 * @inst: the device; MDEV_DEAD from here on
 *
 * Whoever else waits for the user, in a sysfs file, gives up.
 *
 * Context: process context, no lock that a callback takes.
 */
void mdev_leave_start(struct mdev_instance *inst)
{
	xchg(&inst->state, MDEV_DEAD);
	wake_up_all(&inst->idle);

	inst->first_seq = atomic_read(&inst->idle_seq);
	inst->first_asked = mdev_ask(&inst->mdev.dev, 0, &inst->first_answer);
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
	bool asked = inst->first_asked;
	int answer = inst->first_answer;
	int seq = inst->first_seq;
	unsigned int count = 0;

	for (;;) {
		if (asked && !answer)
			return;
		if (asked && answer != -EAGAIN && !count)
			dev_notice(dev, "waiting for its user, who cannot be asked, to let it go\n");
		count += asked;
		wait_event_timeout(inst->idle, mdev_news(inst, seq, MDEV_DEAD),
				   asked ? MDEV_REQUEST_INTERVAL :
					   MDEV_RETRY_INTERVAL);

		seq = atomic_read(&inst->idle_seq);
		asked = mdev_ask(dev, count, &answer);
	}
}
