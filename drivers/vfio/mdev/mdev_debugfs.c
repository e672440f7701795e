// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mediated devices: what there is, for an admin, in the folder mdev of debugfs
 *
 *	mdev/<bus or class>:<parent>/types	  each type, and how many devices it has
 *				     devices	  each device: its state, the process
 *						  that has it open, what waits for what
 *
 * All is read from what there is when it is read; nothing is counted for it. No
 * callback of the vendor's is called. Of devices of the modern interface it is not
 * known whether they are open: their driver does not say.
 *
 * What a reader may find gone, and what keeps it:
 *
 *	parent, types	removing the folder waits for readers, so it is done before they
 *			go; after the wait for users, as that is what is looked for
 *	kobjects of	nothing: they go before the folder does. A type's name is the
 *	types		driver's
 *	device		the iterator over the parent's children holds each in turn
 *	user, wait	inst->lock; they are copied
 *	driver		nothing: not looked at
 *	this module	an open file has a reference to it
 *
 * A reader takes locks for a moment only, and no others inside of them.
 */
#include <linux/debugfs.h>
#include <linux/device.h>
#include <linux/seq_file.h>
#include <linux/timekeeping.h>

#include "mdev_private.h"

static struct dentry *mdev_debugfs_root;

/* A count of one type's devices */
struct mdev_type_count {
	const struct mdev_type *type;
	unsigned int devices;
};

static int mdev_count_device(struct device *dev, void *data)
{
	struct mdev_type_count *count = data;

	if (dev->bus == &mdev_bus_type &&
	    to_mdev_instance(dev)->mdev.type == count->type)
		count->devices++;
	return 0;
}

static int types_show(struct seq_file *seq, void *unused)
{
	struct mdev_parent *parent = seq->private;
	unsigned int i;

	seq_puts(seq, "type devices\n");
	for (i = 0; i < parent->nr_types; i++) {
		struct mdev_type_count count = { .type = parent->types[i] };

		device_for_each_child(parent->dev, &count, mdev_count_device);
		seq_escape(seq, count.type->sysfs_name, " \t\n\\");
		seq_printf(seq, " %u\n", count.devices);
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(types);

/* Process, name and for how many seconds, or as many dashes */
static void mdev_show_process(struct seq_file *seq,
			      const struct mdev_process *process, bool there)
{
	if (!there) {
		seq_puts(seq, " - - -");
		return;
	}
	seq_printf(seq, " %d ", process->pid);
	seq_escape(seq, process->comm, " \t\n\\");
	seq_printf(seq, " %llu", div_u64(ktime_get_ns() - process->since,
					 NSEC_PER_SEC));
}

static int mdev_show_device(struct device *dev, void *data)
{
	static const char * const states[] = {
		[MDEV_CREATING] = "creating",
		[MDEV_ACTIVE] = "active",
		[MDEV_UNBINDING] = "unbinding",
		[MDEV_REMOVING] = "removing",
		[MDEV_DEAD] = "going",
	};
	static const char * const uses[] = {
		[MDEV_USER_NONE] = "free",
		[MDEV_USER_COMING] = "opening",
		[MDEV_USER_HERE] = "open",
	};
	enum mdev_presence presence;
	struct seq_file *seq = data;
	struct mdev_instance *inst;
	struct mdev_process user;
	struct mdev_wait wait;
	int state;

	if (dev->bus != &mdev_bus_type)
		return 0;
	inst = to_mdev_instance(dev);

	spin_lock(&inst->lock);
	state = READ_ONCE(inst->state);
	presence = inst->presence;
	user = inst->user;
	wait = inst->wait;
	spin_unlock(&inst->lock);

	seq_printf(seq, "%pUl ", &inst->mdev.uuid);
	seq_escape(seq, inst->mdev.type->sysfs_name, " \t\n\\");
	seq_printf(seq, " %s %s", states[state],
		   inst->kind == &mdev_classic_kind ? uses[presence] : "unknown");
	mdev_show_process(seq, &user, presence != MDEV_USER_NONE);
	if (state <= MDEV_ACTIVE)
		wait.what = NULL;
	mdev_show_process(seq, &wait.waiter, wait.what);
	if (wait.what)
		seq_printf(seq, " %s %u\n", wait.what, wait.asked);
	else
		seq_puts(seq, " - -\n");
	return 0;
}

static int devices_show(struct seq_file *seq, void *unused)
{
	struct mdev_parent *parent = seq->private;

	seq_puts(seq, "uuid type state use user_pid user_comm user_seconds waiter_pid waiter_comm waiter_seconds waits_for asked\n");
	device_for_each_child(parent->dev, seq, mdev_show_device);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(devices);

/**
 * mdev_debugfs_add - show a parent
 * @parent: it, with all of its types
 *
 * Context: process context. Cannot fail: there is no folder then.
 */
void mdev_debugfs_add(struct mdev_parent *parent)
{
	struct device *dev = parent->dev;
	struct dentry *dir;
	char *name;

	/* Names are unique on a bus or in a class. */
	name = kasprintf(GFP_KERNEL, "%s:%s", dev_bus_name(dev), dev_name(dev));
	if (!name)
		return;
	dir = debugfs_create_dir(name, mdev_debugfs_root);
	kfree(name);
	debugfs_create_file("types", 0400, dir, parent, &types_fops);
	debugfs_create_file("devices", 0400, dir, parent, &devices_fops);
	mdev_types_dir(parent)->debugfs = dir;
}

/**
 * mdev_debugfs_remove - show a parent no more
 * @parent: it, its unreg_sem not held
 *
 * Context: process context. Sleeps until nobody reads.
 */
void mdev_debugfs_remove(struct mdev_parent *parent)
{
	debugfs_remove(mdev_types_dir(parent)->debugfs);
}

/**
 * mdev_debugfs_init - the folder for all parents
 */
void mdev_debugfs_init(void)
{
	mdev_debugfs_root = debugfs_create_dir(KBUILD_MODNAME, NULL);
}

/**
 * mdev_debugfs_exit - it goes with the module
 */
void mdev_debugfs_exit(void)
{
	debugfs_remove(mdev_debugfs_root);
}
