// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mediated devices: why something failed, for programs
 *
 * A parent remembers the last failures to create, remove, unbind and open its
 * devices and to pin their users' memory. What fails again in the same way for the
 * same device is counted and not listed anew: neither a guest that has its
 * device pin what cannot be pinned nor a program that tries again and again pushes
 * the other lines out. There is room for MDEV_FAILURES, the oldest go first. The
 * parent's file mdev_errors shows them, and the trace event mdev_error tells
 * of each when it happens.
 *
 * The memory is the parent's registration's and every device's that it has made, for as
 * long as the struct device is held: a caller that may name a device may report
 * its failure, also when the parent has gone. lock protects nr and entry; it is held
 * for a look at all entries, by a caller that has just failed.
 */
#include <linux/device.h>
#include <linux/slab.h>
#include <linux/sysfs.h>
#include <linux/timekeeping.h>

#include "mdev_private.h"
#include "trace.h"

static const char * const mdev_acts[] = {
	[MDEV_ACT_CREATE] = "create",
	[MDEV_ACT_REMOVE] = "remove",
	[MDEV_ACT_UNBIND] = "unbind",
	[MDEV_ACT_OPEN] = "open",
	[MDEV_ACT_PIN] = "pin",
};

static const struct {
	const char *word;
	const char *sentence;
} mdev_causes[] = {
	[MDEV_CAUSE_NO_UUID] = {
		"no-uuid", "what was written is no UUID" },
	[MDEV_CAUSE_PARENT_BUSY] = {
		"parent-busy", "its parent is just coming or going" },
	[MDEV_CAUSE_UUID_IN_USE] = {
		"uuid-in-use", "its UUID is in use" },
	[MDEV_CAUSE_NO_MEMORY] = {
		"no-memory", "no memory" },
	[MDEV_CAUSE_BUS] = {
		"bus", "it could not be added to the bus" },
	[MDEV_CAUSE_BUS_DRIVER] = {
		"bus-driver", "its bus driver refused it" },
	[MDEV_CAUSE_LINKS] = {
		"links", "its links could not be made" },
	[MDEV_CAUSE_INCOMPLETE] = {
		"incomplete", "it is not complete yet" },
	[MDEV_CAUSE_ANOTHER] = {
		"another", "somebody else is removing or unbinding it" },
	[MDEV_CAUSE_GOING] = {
		"going", "it is going, or its parent is" },
	[MDEV_CAUSE_LOCKED] = {
		"locked", "somebody has its lock, to bind or unbind it" },
	[MDEV_CAUSE_NOBODY_TO_ASK] = {
		"nobody-to-ask", "it is in use, and its user cannot be asked to let it go" },
	[MDEV_CAUSE_FILE_OPEN] = {
		"file-open", "a file of it is open, though nobody uses it" },
	[MDEV_CAUSE_SIGNAL] = {
		"signal", "a signal ended the wait for its user" },
	[MDEV_CAUSE_ANSWER] = {
		"answer", "its bus driver answered so" },
	[MDEV_CAUSE_BEING_REMOVED] = {
		"being-removed", "it is being removed or unbound" },
	[MDEV_CAUSE_BEING_UNBOUND] = {
		"driver-going", "its bus driver is leaving it" },
	[MDEV_CAUSE_NO_OPEN] = {
		"no-open", "the driver of its parent has no open callback" },
	[MDEV_CAUSE_OWNER_GOING] = {
		"owner-going", "the module of its parent's driver is being unloaded" },
	[MDEV_CAUSE_LAYOUT] = {
		"layout", "the driver of its parent did not describe it well" },
	[MDEV_CAUSE_ARGUMENTS] = {
		"arguments", "the driver of its parent asked for what makes no sense" },
	[MDEV_CAUSE_NOT_OPEN] = {
		"not-open", "it is not open, or not bound to vfio_mdev" },
	[MDEV_CAUSE_UNHEARD] = {
		"unheard", "the driver of its parent could not be told of an unmapping" },
	[MDEV_CAUSE_MEMORY] = {
		"memory", "its user's memory could not be pinned" },
	[MDEV_CAUSE_PARENT_DRIVER] = {
		"parent-driver", "the driver of its parent refused it" },
};

/**
 * mdev_failures_alloc - a parent has not failed yet
 * @parent: its name is kept
 *
 * Return: for mdev_failures_put(), or NULL.
 */
struct mdev_failures *mdev_failures_alloc(struct device *parent)
{
	struct mdev_failures *f = kzalloc(sizeof(*f), GFP_KERNEL);

	if (!f)
		return NULL;
	kref_init(&f->ref);
	spin_lock_init(&f->lock);
	strscpy(f->parent, dev_name(parent), sizeof(f->parent));
	return f;
}

struct mdev_failures *mdev_failures_get(struct mdev_failures *f)
{
	kref_get(&f->ref);
	return f;
}

static void mdev_failures_free(struct kref *ref)
{
	kfree(container_of(ref, struct mdev_failures, ref));
}

void mdev_failures_put(struct mdev_failures *f)
{
	kref_put(&f->ref, mdev_failures_free);
}

static bool mdev_failure_same(const struct mdev_failure *a,
			      const struct mdev_failure *b)
{
	return a->act == b->act && a->cause == b->cause &&
	       a->error == b->error && guid_equal(&a->uuid, &b->uuid);
}

/*
 * Takes out the one like @failure, or the first where there is no room. What fails again
 * is mostly the last that failed.
 */
static void mdev_failure_take_out(struct mdev_failures *f,
				  struct mdev_failure *failure)
{
	unsigned int i = f->nr;

	while (i && !mdev_failure_same(&f->entry[i - 1], failure))
		i--;
	if (i)
		failure->count += f->entry[--i].count;
	else if (f->nr < MDEV_FAILURES)
		return;

	f->nr--;
	memmove(&f->entry[i], &f->entry[i + 1],
		(f->nr - i) * sizeof(f->entry[0]));
}

/**
 * mdev_failure - remember a failure
 * @f: of which parent
 * @uuid: of which device, &guid_null where there is none
 * @act: what was asked for
 * @cause: why it failed
 * @error: the answer, a negative errno
 *
 * Context: process context.
 */
void mdev_failure(struct mdev_failures *f, const guid_t *uuid,
		  enum mdev_act act, enum mdev_cause cause, int error)
{
	struct mdev_failure failure = {
		.uuid = *uuid,
		.act = act,
		.cause = cause,
		.error = error,
		.count = 1,
	};

	spin_lock(&f->lock);
	failure.last = ktime_get_ns();
	mdev_failure_take_out(f, &failure);
	f->entry[f->nr++] = failure;
	spin_unlock(&f->lock);

	trace_mdev_error(f->parent, uuid, mdev_acts[act],
			 mdev_causes[cause].word, error);
}

/**
 * mdev_device_failed - remember a failure of a device's
 * @dev: mediated device that the caller may use; any other is ignored
 * @act: what was asked for
 * @cause: why it failed
 * @error: the answer, a negative errno
 *
 * Context: process context.
 */
void mdev_device_failed(struct device *dev, enum mdev_act act,
			enum mdev_cause cause, int error)
{
	struct mdev_instance *inst;

	if (dev->bus != &mdev_bus_type)
		return;
	inst = to_mdev_instance(dev);
	mdev_failure(inst->failures, &inst->mdev.uuid, act, cause, error);
}
EXPORT_SYMBOL_GPL(mdev_device_failed);

/**
 * mdev_cause_sentence - a cause in words
 * @cause: it
 */
const char *mdev_cause_sentence(enum mdev_cause cause)
{
	return mdev_causes[cause].sentence;
}

/**
 * mdev_failures_show - print the failures of a parent, the last one last
 * @f: they
 * @buf: a page; MDEV_FAILURES lines fit
 *
 * Return: what was printed.
 */
ssize_t mdev_failures_show(struct mdev_failures *f, char *buf)
{
	unsigned int i;
	int len = 0;

	spin_lock(&f->lock);
	for (i = 0; i < f->nr; i++) {
		const struct mdev_failure *e = &f->entry[i];
		u64 seconds = e->last;
		u32 ns = do_div(seconds, NSEC_PER_SEC);

		len += sysfs_emit_at(buf, len, "%u %llu.%06u %pUl %s %d %s: %s\n",
				     e->count, seconds, ns / 1000, &e->uuid,
				     mdev_acts[e->act], -e->error,
				     mdev_causes[e->cause].word,
				     mdev_causes[e->cause].sentence);
	}
	spin_unlock(&f->lock);
	return len;
}
