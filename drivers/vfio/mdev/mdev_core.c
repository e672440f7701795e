// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mediated devices: parents, devices and their life cycle
 *
 * A *parent* is a device on which its driver lets mediated devices be
 * created; it offers *types*. Parents come in two generations (mdev_modern.c,
 * mdev_parent_ops.c) that differ in a struct mdev_kind; all else is here.
 *
 * Life of a device. Creation reserves the UUID in a table that is unique on
 * the machine, has the vendor make the resources, adds the device (its
 * attributes stand when the uevent is sent), binds it and links it into its
 * type's directory; then it is ACTIVE. An error undoes what was done. A
 * removal by the admin first asks (mdev_leave.c), with no lock held, and may
 * come back with the device as it was; a device may also be told to do that by
 * itself, after its last close (mdev_user.c). From then on it cannot fail: the device
 * disappears, which waits for whoever uses it, the vendor gives the resources
 * up, and the UUID is free. Teardown allocates nothing.
 *
 * Locks. parent->unreg_sem is held for reading from the start to the end of a
 * creation and for the teardown of a removal, for writing while a parent goes
 * comes or goes. Readers only ever try: such a parent means ENODEV, never a
 * wait, so a sysfs write never stands in the way of the unregistration that
 * drains the sysfs files. Vendor callbacks run under it, so it is a lock of
 * one parent, with a lockdep class of its own. No global lock is held around
 * a callback.
 *
 * References. A device holds its type's kobject from the end of its creation to
 * its teardown; types hold the parent's struct device. mdev_parent_del() returns
 * when the last type has been released: the caller may free them. What may
 * outlive that is the struct mdev_instance alone, when somebody still holds a
 * reference to its struct device. It is freed a grace period after the last of
 * them, for those who search the table of UUIDs, which takes no lock.
 *
 * Publication. Nothing is found by others before it is complete. An instance has
 * its UUID before the table of UUIDs has it, and a search of the table reads
 * nothing else. A device is set up before device_add(), a type before its kobject
 * is added; what a type gets later (its devices directory) is used under
 * unreg_sem, which the registration holds for writing until all types stand.
 * ACTIVE is set after the last step that can fail. The state is changed by
 * operations that are full barriers. busdata, which is followed without a lock,
 * has a release and an acquire (mdev_set_busdata()). There are no bit-fields:
 * what different locks protect lies in different words of memory.
 */
#include <linux/hash.h>
#include <linux/module.h>
#include <linux/ratelimit.h>
#include <linux/rhashtable.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/sysfs.h>

#include <vfio-compat/device.h>

#include "mdev_private.h"
#include "trace.h"

static struct class_compat *mdev_bus_compat_class;
static struct rhashtable mdev_uuids;

/* A program that asks for devices that it has does not fill the log. */
static struct ratelimit_state mdev_duplicates =
	RATELIMIT_STATE_INIT_FLAGS(mdev_duplicates, DEFAULT_RATELIMIT_INTERVAL,
				   DEFAULT_RATELIMIT_BURST,
				   RATELIMIT_MSG_ON_RELEASE);

static u32 mdev_uuid_hash(const void *uuid, u32 len, u32 seed)
{
	u64 half[2];

	memcpy(half, uuid, sizeof(half));
	return hash_64((half[0] ^ seed) * GOLDEN_RATIO_64 + half[1], 32);
}

static const struct rhashtable_params mdev_uuid_params = {
	.head_offset = offsetof(struct mdev_instance, uuid_entry),
	.key_offset = offsetof(struct mdev_instance, mdev.uuid),
	.key_len = sizeof(guid_t),
	.hashfn = mdev_uuid_hash,
	.automatic_shrinking = true,
};

/* A refusal costs little; who was not seen is met when the UUID is reserved. */
static bool mdev_uuid_taken(const guid_t *uuid)
{
	return rhashtable_lookup_fast(&mdev_uuids, uuid, mdev_uuid_params);
}

static void mdev_uuid_release(struct mdev_instance *inst)
{
	rhashtable_remove_fast(&mdev_uuids, &inst->uuid_entry,
			       mdev_uuid_params);
}

static void mdev_instance_free(struct device *dev)
{
	struct mdev_instance *inst = to_mdev_instance(dev);

	/* Of a removal that the parent's has overtaken */
	if (inst->away.writer)
		put_task_struct(inst->away.writer);
	mdev_failures_put(inst->failures);
	kfree(inst->driver_override);
	kfree_rcu(inst, rcu);
}

/*
 * The device is DEAD and has no user; the caller holds unreg_sem, and puts the
 * type, which keeps the parent, when he needs neither any more.
 */
static void mdev_instance_teardown(struct mdev_instance *inst)
{
	lockdep_assert_held(&inst->mdev.type->parent->unreg_sem);

	mdev_leave_end(inst);
	inst->mdev.active = false;
	mdev_sysfs_remove_links(inst);
	device_del(&inst->mdev.dev);
	inst->kind->destroy(inst);
	mdev_uuid_release(inst);
	trace_mdev_remove(&inst->mdev.uuid);
	put_device(&inst->mdev.dev);
}

/* The device is REMOVING and has no user. @attr: see mdev_device_remove() */
static int mdev_instance_remove(struct mdev_instance *inst,
				struct device_attribute *attr)
{
	struct mdev_type *type = inst->mdev.type;
	struct mdev_parent *parent = type->parent;

	if (!down_read_trylock(&parent->unreg_sem)) {
		mdev_leave_cancel(inst, MDEV_REMOVING);
		return -ENODEV;
	}
	/* Only a caller that holds it for writing can take the device over. */
	xchg(&inst->state, MDEV_DEAD);
	if (attr)
		device_remove_file_self(&inst->mdev.dev, attr);
	mdev_instance_teardown(inst);
	up_read(&parent->unreg_sem);
	kobject_put(&type->kobj);
	return 0;
}

/* Removes a device that is to go by itself, if it has no user; see mdev_user.c. */
static void mdev_instance_go(struct work_struct *work)
{
	struct mdev_instance *inst = container_of(to_delayed_work(work),
						  struct mdev_instance, go);

	if (!mdev_leave_unused(inst))
		mdev_instance_remove(inst, NULL);
	mdev_user_put(inst);
}

static struct mdev_instance *mdev_instance_alloc(struct mdev_type *type,
						 const guid_t *uuid)
{
	struct mdev_instance *inst = kzalloc(sizeof(*inst), GFP_KERNEL);
	struct mdev_types_dir *dir = mdev_types_dir(type->parent);
	struct device *dev;

	if (!inst)
		return NULL;

	guid_copy(&inst->mdev.uuid, uuid);
	INIT_LIST_HEAD(&inst->mdev.next);
	inst->mdev.type = type;
	inst->kind = dir->kind;
	inst->failures = mdev_failures_get(dir->failures);
	mdev_leave_init(inst);
	INIT_DELAYED_WORK(&inst->go, mdev_instance_go);

	dev = &inst->mdev.dev;
	device_initialize(dev);
	dev->parent = type->parent->dev;
	dev->bus = &mdev_bus_type;
	dev->type = inst->kind->device_type;
	dev->release = mdev_instance_free;
	if (dev_set_name(dev, "%pUl", uuid)) {
		put_device(dev);
		return NULL;
	}
	return inst;
}

static int mdev_instance_setup(struct mdev_instance *inst,
			       enum mdev_cause *step)
{
	struct device *dev = &inst->mdev.dev;
	int ret;

	*step = MDEV_CAUSE_UUID;
	ret = rhashtable_lookup_insert_fast(&mdev_uuids, &inst->uuid_entry,
					    mdev_uuid_params);
	if (ret)
		return ret;

	*step = MDEV_CAUSE_PARENT_DRIVER;
	ret = inst->kind->create(inst);
	if (ret)
		goto release_uuid;

	*step = MDEV_CAUSE_BUS;
	ret = device_add(dev);
	if (ret)
		goto destroy;

	*step = MDEV_CAUSE_BUS_DRIVER;
	ret = inst->kind->bind(inst);
	if (ret)
		goto del;

	*step = MDEV_CAUSE_LINKS;
	ret = mdev_sysfs_add_links(inst);
	if (ret)
		goto del;

	kobject_get(&inst->mdev.type->kobj);
	inst->mdev.active = true;
	trace_mdev_create(&inst->mdev.uuid, dev->parent,
			  inst->mdev.type->sysfs_name);
	xchg(&inst->state, MDEV_ACTIVE);
	return 0;

del:
	mdev_leave_start(inst);
	mdev_leave_wait(inst);
	mdev_leave_end(inst);
	device_del(dev);
destroy:
	inst->kind->destroy(inst);
release_uuid:
	mdev_uuid_release(inst);
	return ret;
}

static void mdev_report(struct mdev_parent *parent, const guid_t *uuid,
			enum mdev_cause cause, int error)
{
	mdev_failure(mdev_types_dir(parent)->failures, uuid, MDEV_ACT_CREATE,
		     cause, error);
	if (cause == MDEV_CAUSE_UUID_IN_USE && !__ratelimit(&mdev_duplicates))
		return;
	dev_err(parent->dev, "mdev %pUl was not created: %s (%d)\n", uuid,
		mdev_cause_sentence(cause), error);
}

/**
 * mdev_device_create - create a mediated device
 * @type: type it is to be of
 * @uuid: its name
 *
 * Context: process context; called from the type's ``create`` file, whose
 * active reference keeps @type.
 * Return: 0; -ENODEV when the parent is going away, -EEXIST when the UUID is
 * in use on this machine, -ENOMEM, or what the vendor or bus driver said.
 */
int mdev_device_create(struct mdev_type *type, const guid_t *uuid)
{
	struct mdev_parent *parent = type->parent;
	struct mdev_instance *inst;
	enum mdev_cause step;
	int ret;

	if (!down_read_trylock(&parent->unreg_sem)) {
		mdev_failure(mdev_types_dir(parent)->failures, uuid,
			     MDEV_ACT_CREATE, MDEV_CAUSE_PARENT_BUSY, -ENODEV);
		return -ENODEV;
	}

	if (mdev_uuid_taken(uuid)) {
		ret = -EEXIST;
		mdev_report(parent, uuid, MDEV_CAUSE_UUID_IN_USE, ret);
		goto unlock;
	}

	inst = mdev_instance_alloc(type, uuid);
	if (!inst) {
		ret = -ENOMEM;
		mdev_report(parent, uuid, MDEV_CAUSE_NO_MEMORY, ret);
		goto unlock;
	}

	ret = mdev_instance_setup(inst, &step);
	if (ret) {
		mdev_report(parent, uuid, step, ret);
		put_device(&inst->mdev.dev);
	}

unlock:
	up_read(&parent->unreg_sem);
	return ret;
}

/**
 * mdev_device_remove - remove a mediated device for the admin
 * @inst: the device
 * @attr: the ``remove`` attribute whose store is running
 *
 * Context: process context, may wait for the device's user, interruptibly.
 * Return: 0 and the device is gone. Else it is as before: -EAGAIN when it is
 * not yet active, or somebody else is removing it; -EBUSY when it is open and
 * its user cannot be asked, or when its driver is just being unbound; -EINTR
 * when a signal ended the wait; -ERESTARTNOHAND when the caller is to be stopped
 * and to come back; -ENODEV when the device, or its parent, is going away.
 */
int mdev_device_remove(struct mdev_instance *inst,
		       struct device_attribute *attr)
{
	int ret;

	ret = mdev_leave_prepare(inst, MDEV_REMOVING);
	if (ret)
		return ret;

	ret = mdev_instance_remove(inst, attr);
	if (ret)
		mdev_device_failed(&inst->mdev.dev, MDEV_ACT_REMOVE,
				   MDEV_CAUSE_GOING, ret);
	return ret;
}

static int mdev_remove_child(struct device *dev, void *unused)
{
	struct mdev_instance *inst;
	struct mdev_type *type;

	if (dev->bus != &mdev_bus_type)
		return 0;

	inst = to_mdev_instance(dev);
	type = inst->mdev.type;
	mdev_leave_wait(inst);
	mdev_instance_teardown(inst);
	kobject_put(&type->kobj);
	return 0;
}

static int mdev_start_child(struct device *dev, void *unused)
{
	if (dev->bus == &mdev_bus_type)
		mdev_leave_start(to_mdev_instance(dev));
	return 0;
}

static int mdev_ask_child(struct device *dev, void *missed)
{
	if (dev->bus == &mdev_bus_type &&
	    !mdev_leave_ask(to_mdev_instance(dev)))
		*(struct mdev_instance **)missed = to_mdev_instance(dev);
	return 0;
}

/*
 * All of a parent's users hear of it before the first is waited for: also that
 * of a child whose lock somebody has, unless for longer than the others can wait
 * to be asked again.
 */
static void mdev_ask_children(struct mdev_parent *parent)
{
	unsigned long end = jiffies + MDEV_REQUEST_INTERVAL;
	struct mdev_instance *missed;

	for (;;) {
		missed = NULL;
		device_for_each_child(parent->dev, &missed, mdev_ask_child);
		if (!missed || time_after(jiffies, end))
			return;
		mdev_leave_retry(missed);
	}
}

static void mdev_parent_uevent(struct mdev_parent *parent, char *state)
{
	kobject_uevent_env(&parent->dev->kobj, KOBJ_CHANGE,
			   (char *[]) { state, NULL });
}

/**
 * mdev_parent_refuse_device - say why a device cannot be a parent
 * @dev: device that was not added, or was deleted
 *
 * Return: -EINVAL.
 */
int mdev_parent_refuse_device(struct device *dev)
{
	dev_err(dev, "not registered for mediated devices: it has no directory in sysfs, device_add() comes first\n");
	return -EINVAL;
}

/**
 * mdev_parent_add - make a device a parent
 * @parent: dev, types and nr_types are set
 * @kind: generation of the interface it was registered by
 *
 * Context: process context.
 * Return: 0; -EINVAL when the device was not added; -EEXIST when it is a parent
 * already or two types have the same name; -ENOMEM. After an error nothing is
 * left.
 */
int mdev_parent_add(struct mdev_parent *parent, const struct mdev_kind *kind)
{
	int ret;

	if (!device_is_registered(parent->dev))
		return mdev_parent_refuse_device(parent->dev);

	init_rwsem(&parent->unreg_sem);
	ret = mdev_sysfs_add_dir(parent, kind);
	if (ret)
		goto report;

	/* Nobody creates a device of the first type while the last may fail. */
	down_write(&parent->unreg_sem);
	ret = mdev_sysfs_add_types(parent);
	if (ret)
		goto remove_dir;
	ret = vfio_compat_class_link(mdev_bus_compat_class, parent->dev);
	if (ret)
		goto remove_types;
	mdev_debugfs_add(parent);
	up_write(&parent->unreg_sem);

	dev_info(parent->dev, "MDEV: Registered\n");
	trace_mdev_parent_registered(parent->dev);
	mdev_parent_uevent(parent, "MDEV_STATE=registered");
	return 0;

remove_types:
	mdev_sysfs_remove_types(parent);
remove_dir:
	up_write(&parent->unreg_sem);
	mdev_sysfs_remove_dir(parent);
report:
	dev_err(parent->dev,
		"not registered for mediated devices: %s (%d)\n",
		ret == -EEXIST ? "it is already, or two types have one name" :
				 "its sysfs files could not be made", ret);
	return ret;
}

/**
 * mdev_parent_del - opposite of mdev_parent_add()
 * @parent: the parent; it has no types and no children when this returns
 *
 * Users of open children are asked to let go, and waited for.
 *
 * Context: process context.
 */
void mdev_parent_del(struct mdev_parent *parent)
{
	dev_info(parent->dev, "MDEV: Unregistering\n");

	down_write(&parent->unreg_sem);
	vfio_compat_class_unlink(mdev_bus_compat_class, parent->dev);
	device_for_each_child(parent->dev, NULL, mdev_start_child);
	mdev_ask_children(parent);
	device_for_each_child(parent->dev, NULL, mdev_remove_child);
	mdev_sysfs_remove_types(parent);
	up_write(&parent->unreg_sem);
	mdev_debugfs_remove(parent);
	mdev_sysfs_remove_dir(parent);

	trace_mdev_parent_unregistered(parent->dev);
	mdev_parent_uevent(parent, "MDEV_STATE=unregistered");
}

static int __init mdev_init(void)
{
	int ret;

	ret = rhashtable_init(&mdev_uuids, &mdev_uuid_params);
	if (ret)
		return ret;

	ret = mdev_user_init();
	if (ret)
		goto destroy_uuids;

	ret = bus_register(&mdev_bus_type);
	if (ret)
		goto exit_user;

	mdev_bus_compat_class = class_compat_register("mdev_bus");
	if (!mdev_bus_compat_class) {
		ret = -ENOMEM;
		goto unregister_bus;
	}
	mdev_debugfs_init();
	return 0;

unregister_bus:
	bus_unregister(&mdev_bus_type);
exit_user:
	mdev_user_exit();
destroy_uuids:
	rhashtable_destroy(&mdev_uuids);
	return ret;
}

static void __exit mdev_exit(void)
{
	mdev_debugfs_exit();
	class_compat_unregister(mdev_bus_compat_class);
	bus_unregister(&mdev_bus_type);
	mdev_user_exit();
	rhashtable_destroy(&mdev_uuids);
}

subsys_initcall(mdev_init)
module_exit(mdev_exit)

MODULE_DESCRIPTION("Mediated devices: parents, types, devices, bus");
MODULE_LICENSE("GPL");
