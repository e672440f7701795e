// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mediated devices: the life of a device
 *
 * Creation reserves the UUID in a table that is unique on the machine, has the
 * vendor make the resources, adds the device (its attributes stand when the uevent
 * is sent), binds it and links it into its type's directory; then it is ACTIVE. An
 * error undoes what was done. A removal by the admin first requests the device from
 * its user (mdev_request.c), with no lock held, and may come back with the device as
 * it was; a device may also remove itself, after its last close (mdev_user.c). From
 * then on it cannot fail: the device disappears, which waits until nothing uses it,
 * the vendor gives the resources up, and the UUID is free. Teardown allocates
 * nothing.
 *
 * Locks. parent->unreg_sem (mdev_parent.c) is held for reading from the start to the
 * end of a creation and for the teardown of a removal. It is only tried: a parent
 * that comes or goes means ENODEV, never a wait, so a sysfs write never stands in the
 * way of the unregistration that drains the sysfs files. Vendor callbacks run under
 * it. No global lock is held around a callback.
 *
 * References. A device holds its type's kobject from the end of its creation to
 * its teardown; types hold the parent's struct device. What may outlive the parent's
 * registration is the struct mdev_instance alone, when a reference to its struct
 * device is still held. It is freed a grace period after the last of them, for those
 * that search the table of UUIDs, which takes no lock.
 *
 * Publication. No device is found by others before it is complete. An instance has
 * its UUID before the table of UUIDs has it, and a search of the table reads
 * nothing else: rhashtable inserts with a release, and follows its pointers with
 * rcu_dereference(). A device is set up before device_add(). ACTIVE is set after the
 * last step that can fail, by a full barrier, and a claim reads it by another
 * (mdev_state_try()): it sees all of the creation. busdata, which is followed without a
 * lock, has a release and an acquire (mdev_set_busdata()). There are no bit-fields:
 * what different locks protect lies in different words of memory.
 */
#include <linux/hash.h>
#include <linux/ratelimit.h>
#include <linux/rhashtable.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/sysfs.h>

#include "mdev_private.h"
#include "trace.h"

static struct rhashtable mdev_uuids;

/* A program that asks for devices that it has does not fill the log. */
static struct ratelimit_state mdev_duplicates =
	RATELIMIT_STATE_INIT_FLAGS(mdev_duplicates, DEFAULT_RATELIMIT_INTERVAL,
				   DEFAULT_RATELIMIT_BURST,
				   RATELIMIT_MSG_ON_RELEASE);

/*
 * The lower bits choose the place in the table, and programs number their UUIDs: a few
 * digits, which may be the topmost of a half, have to lead to all places. A product
 * carries bits upwards, a shift folds them down again.
 */
static u32 mdev_uuid_hash(const void *uuid, u32 len, u32 seed)
{
	u64 half[2], hash;

	memcpy(half, uuid, sizeof(half));
	hash = (half[0] ^ seed) * GOLDEN_RATIO_64;
	hash = ((hash ^ hash >> 32) + half[1]) * GOLDEN_RATIO_64;
	return hash_64(hash ^ hash >> 32, 32);
}

static const struct rhashtable_params mdev_uuid_params = {
	.head_offset = offsetof(struct mdev_instance, uuid_entry),
	.key_offset = offsetof(struct mdev_instance, mdev.uuid),
	.key_len = sizeof(guid_t),
	.hashfn = mdev_uuid_hash,
	.automatic_shrinking = true,
};

/* A refusal costs little; a device not seen here is met when the UUID is reserved. */
static bool mdev_uuid_taken(const guid_t *uuid)
{
	return rhashtable_lookup_fast(&mdev_uuids, uuid, mdev_uuid_params);
}

static void mdev_uuid_release(struct mdev_instance *inst)
{
	rhashtable_remove_fast(&mdev_uuids, &inst->uuid_entry,
			       mdev_uuid_params);
}

/* The device is bound: programs that see mdev_type expect iommu_group. */
static int mdev_add_links(struct mdev_instance *inst)
{
	struct mdev_type *type = inst->mdev.type;
	struct device *dev = &inst->mdev.dev;
	int ret;

	ret = sysfs_create_link(type->devices_kobj, &dev->kobj, dev_name(dev));
	if (ret)
		return ret;

	ret = sysfs_create_link(&dev->kobj, &type->kobj, "mdev_type");
	if (ret)
		sysfs_remove_link(type->devices_kobj, dev_name(dev));
	return ret;
}

/* The link to its type goes with the device's directory. */
static void mdev_remove_links(struct mdev_instance *inst)
{
	sysfs_remove_link(inst->mdev.type->devices_kobj,
			  dev_name(&inst->mdev.dev));
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

static void mdev_instance_end_works(struct mdev_instance *inst)
{
	mdev_user_cancel_removal(inst);
	mdev_state_end(inst);
}

/*
 * The device is DEAD and has no user; the caller holds unreg_sem, and puts the
 * type, which keeps the parent, when it needs neither any more.
 */
static void mdev_instance_teardown(struct mdev_instance *inst)
{
	lockdep_assert_held(&inst->mdev.type->parent->unreg_sem);

	mdev_instance_end_works(inst);
	inst->mdev.active = false;
	mdev_remove_links(inst);
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
		mdev_state_reopen(inst, MDEV_REMOVING);
		return -ENODEV;
	}
	/*
	 * Only a caller that holds it for writing can take the device over. One may have,
	 * and be done with it: nothing of a device that removes itself waits for that.
	 */
	if (mdev_state_try(inst, MDEV_REMOVING, MDEV_DEAD) != MDEV_REMOVING) {
		up_read(&parent->unreg_sem);
		return -ENODEV;
	}
	if (attr)
		device_remove_file_self(&inst->mdev.dev, attr);
	mdev_instance_teardown(inst);
	up_read(&parent->unreg_sem);
	kobject_put(&type->kobj);
	return 0;
}

/* Of a device that removes itself, if it has no user; see mdev_user.c */
static void mdev_instance_remove_self(struct work_struct *work)
{
	struct mdev_instance *inst = container_of(to_delayed_work(work),
						  struct mdev_instance, removal);

	if (!mdev_request_self(inst))
		mdev_instance_remove(inst, NULL);
	mdev_user_put_removal(inst);
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
	mdev_state_init(inst);
	INIT_DELAYED_WORK(&inst->removal, mdev_instance_remove_self);

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

	ret = rhashtable_lookup_insert_fast(&mdev_uuids, &inst->uuid_entry,
					    mdev_uuid_params);
	if (ret) {
		/* Another was faster, or the table is too full and cannot grow. */
		*step = ret == -EEXIST ? MDEV_CAUSE_UUID_IN_USE :
					 MDEV_CAUSE_NO_MEMORY;
		return ret;
	}

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
	ret = mdev_add_links(inst);
	if (ret)
		goto del;

	kobject_get(&inst->mdev.type->kobj);
	inst->mdev.active = true;
	trace_mdev_create(&inst->mdev.uuid, dev->parent,
			  inst->mdev.type->sysfs_name);
	mdev_state_set(inst, MDEV_ACTIVE);
	return 0;

del:
	mdev_state_take(inst);
	mdev_request_wait(inst);
	mdev_instance_end_works(inst);
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

	ret = mdev_request_admin(inst, MDEV_REMOVING);
	if (ret)
		return ret;

	ret = mdev_instance_remove(inst, attr);
	if (ret)
		mdev_device_failed(&inst->mdev.dev, MDEV_ACT_REMOVE,
				   MDEV_CAUSE_GOING, ret);
	return ret;
}

/**
 * mdev_device_remove_taken - remove a device of a parent that goes
 * @inst: the device, after mdev_state_take()
 *
 * Its user is asked to let it go, and waited for.
 *
 * Context: process context, the parent's unreg_sem held for writing.
 */
void mdev_device_remove_taken(struct mdev_instance *inst)
{
	struct mdev_type *type = inst->mdev.type;

	mdev_request_wait(inst);
	mdev_instance_teardown(inst);
	kobject_put(&type->kobj);
}

int mdev_device_init(void)
{
	return rhashtable_init(&mdev_uuids, &mdev_uuid_params);
}

/* No device is left. */
void mdev_device_exit(void)
{
	rhashtable_destroy(&mdev_uuids);
}
