// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mediated devices: the classic interface
 *
 * A registration lives in a struct mdev_classic_parent, which contains the
 * struct mdev_parent that the rest of mdev.ko works with and a copy of the
 * vendor's ops, as long as ours whatever the vendor was compiled with: members
 * that it does not know are NULL. It is found by its struct device in
 * mdev_classic_parents, a list under a mutex that is held for the look-up
 * alone. The entry stands before the types do, so that a second registration
 * of a device fails early, and goes before they do.
 *
 * The callbacks' context is in struct mdev_parent_ops.
 */
#include <linux/async.h>
#include <linux/kmod.h>
#include <linux/list.h>
#include <linux/mdev_classic.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>

#include "mdev_private.h"

/**
 * struct mdev_classic_type - a type of a classic parent
 * @type: what the core works with
 * @group: the vendor's group without its name: its attributes lie in the
 *	   type's directory itself
 */
struct mdev_classic_type {
	struct mdev_type type;
	struct attribute_group group;
};

/**
 * struct mdev_classic_parent - a registration
 * @parent: what the core works with
 * @ops: the vendor's, padded with NULL
 * @entry: in mdev_classic_parents
 * @type_ptrs: the types as the core wants them
 * @types: the types
 */
struct mdev_classic_parent {
	struct mdev_parent parent;
	struct mdev_parent_ops ops;
	struct list_head entry;
	struct mdev_type **type_ptrs;
	struct mdev_classic_type types[];
};

static LIST_HEAD(mdev_classic_parents);
static DEFINE_MUTEX(mdev_classic_parents_lock);

static struct mdev_classic_parent *classic_parent(struct mdev_device *mdev)
{
	return container_of(mdev->type->parent, struct mdev_classic_parent,
			    parent);
}

/* What differs from the modern generation */

static int mdev_classic_add_type(struct mdev_type *type)
{
	struct mdev_classic_type *ctype =
		container_of(type, struct mdev_classic_type, type);

	return sysfs_create_group(&type->kobj, &ctype->group);
}

static int mdev_classic_create(struct mdev_instance *inst)
{
	struct mdev_device *mdev = &inst->mdev;
	const struct mdev_parent_ops *ops = &classic_parent(mdev)->ops;
	int ret;

	mdev->dev.groups = ops->mdev_attr_groups;
	ret = ops->create(&mdev->type->kobj, mdev);
	/* Neither 0 nor an error: nothing was made, and the write fails. */
	return ret > 0 ? -EINVAL : ret;
}

static void mdev_classic_destroy(struct mdev_instance *inst)
{
	struct mdev_device *mdev = &inst->mdev;
	int ret;

	ret = classic_parent(mdev)->ops.remove(mdev);
	if (ret)
		dev_err(&mdev->dev,
			"removed, though its driver's remove returned %d: a driver has to give the device up here\n",
			ret);
}

static int mdev_classic_bind(struct mdev_instance *inst)
{
	struct device *dev = &inst->mdev.dev;
	int ret;

	if (dev->driver)
		return 0;
	ret = READ_ONCE(inst->probe_error);
	if (ret)
		return ret;

	/*
	 * A driver that matches may not have been asked, for want of memory.
	 * None was even looked for if the bus does not probe by itself.
	 */
	ret = READ_ONCE(inst->matched) ? device_attach(dev) : 0;
	if (ret)
		return min(ret, 0);

	dev_notice(dev, "no driver was bound: load vfio_mdev, or bind one\n");
	return 0;
}

const struct mdev_kind mdev_classic_kind = {
	.device_type = &mdev_classic_device_type,
	.add_type = mdev_classic_add_type,
	.create = mdev_classic_create,
	.destroy = mdev_classic_destroy,
	.bind = mdev_classic_bind,
};

/* Registration */

static bool mdev_group_has(const struct attribute_group *group,
			   const char *name)
{
	struct attribute **attr;

	for (attr = group->attrs; attr && *attr; attr++) {
		if (!strcmp((*attr)->name, name))
			return true;
	}
	return false;
}

/* Programs that list types give up on one that lacks these. */
static void mdev_warn_of_missing(struct device *dev,
				 const struct attribute_group *group)
{
	static const char * const names[] = {
		"device_api", "available_instances",
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		if (!mdev_group_has(group, names[i]))
			dev_warn(dev, "mdev type %s has no %s: mdevctl and libvirt will not list it\n",
				 group->name, names[i]);
	}
}

static int mdev_check_ops(struct device *dev, const struct mdev_parent_ops *ops)
{
	const char *wrong = NULL;
	unsigned int i;

	if (!ops->create || !ops->remove)
		wrong = "create or remove is missing";
	else if (!ops->supported_type_groups || !ops->supported_type_groups[0])
		wrong = "it offers no types";
	else if ((ops->get_region_info || ops->get_irq_info) &&
		 !ops->get_device_info)
		wrong = "get_region_info and get_irq_info need get_device_info";
	else if (ops->set_irqs && !ops->get_irq_info)
		wrong = "set_irqs needs get_irq_info";

	for (i = 0; !wrong && ops->supported_type_groups[i]; i++) {
		const char *name = ops->supported_type_groups[i]->name;

		if (!name || !*name)
			wrong = "a type has no name";
	}

	if (!wrong)
		return 0;
	dev_err(dev, "not registered for mediated devices: %s\n", wrong);
	return -EINVAL;
}

static void mdev_classic_free(struct mdev_classic_parent *cp)
{
	kfree(cp->type_ptrs);
	kfree(cp);
}

static struct mdev_classic_parent *
mdev_classic_alloc(struct device *dev, const struct mdev_parent_ops *ops)
{
	struct attribute_group **groups = ops->supported_type_groups;
	struct mdev_classic_parent *cp;
	unsigned int nr, i;

	for (nr = 0; groups[nr]; nr++)
		;

	cp = kzalloc(struct_size(cp, types, nr), GFP_KERNEL);
	if (!cp)
		return NULL;
	cp->type_ptrs = kcalloc(nr, sizeof(*cp->type_ptrs), GFP_KERNEL);
	if (!cp->type_ptrs) {
		kfree(cp);
		return NULL;
	}

	for (i = 0; i < nr; i++) {
		struct mdev_classic_type *ctype = &cp->types[i];

		ctype->type.sysfs_name = groups[i]->name;
		ctype->group = *groups[i];
		ctype->group.name = NULL;
		cp->type_ptrs[i] = &ctype->type;
	}
	cp->ops = *ops;
	cp->parent.dev = dev;
	cp->parent.types = cp->type_ptrs;
	cp->parent.nr_types = nr;
	return cp;
}

static struct mdev_classic_parent *mdev_classic_find(struct device *dev)
{
	struct mdev_classic_parent *cp;

	lockdep_assert_held(&mdev_classic_parents_lock);

	list_for_each_entry(cp, &mdev_classic_parents, entry) {
		if (cp->parent.dev == dev)
			return cp;
	}
	return NULL;
}

static int mdev_classic_enlist(struct mdev_classic_parent *cp)
{
	int ret = -EEXIST;

	mutex_lock(&mdev_classic_parents_lock);
	if (!mdev_classic_find(cp->parent.dev)) {
		list_add(&cp->entry, &mdev_classic_parents);
		ret = 0;
	}
	mutex_unlock(&mdev_classic_parents_lock);
	return ret;
}

static struct mdev_classic_parent *mdev_classic_delist(struct device *dev)
{
	struct mdev_classic_parent *cp;

	mutex_lock(&mdev_classic_parents_lock);
	cp = mdev_classic_find(dev);
	if (cp)
		list_del(&cp->entry);
	mutex_unlock(&mdev_classic_parents_lock);
	return cp;
}

static void mdev_load_bus_driver(void)
{
	int ret;

	if (mdev_bus_has_driver("vfio_mdev"))
		return;

	/*
	 * modprobe waits for asynchronous probes: do not wait for it in one. PCI hands
	 * its to another worker.
	 */
	if (current_is_async() || current->flags & PF_WQ_WORKER)
		ret = request_module_nowait("vfio_mdev");
	else
		ret = request_module("vfio_mdev");
	if (ret)
		pr_notice("mdev: vfio_mdev could not be loaded (%d): mediated devices stay without a driver until it is\n",
			  ret);
}

/* A vendor built with later headers may set only what we know. */
static int mdev_copy_ops(struct mdev_parent_ops *to, const void *from,
			 size_t size)
{
	size_t known = min(size, sizeof(*to));

	if (size < offsetofend(struct mdev_parent_ops, mmap))
		return -EINVAL;
	if (size > known && memchr_inv(from + known, 0, size - known))
		return -E2BIG;

	memset(to, 0, sizeof(*to));
	memcpy(to, from, known);
	return 0;
}

/**
 * mdev_register_device_sized - make a device a parent of mediated devices
 * @dev: the device; held until mdev_unregister_device()
 * @vendor_ops: the vendor's callbacks, copied
 * @ops_size: size of the struct as the vendor compiled it
 *
 * Sources call mdev_register_device(dev, ops). The first parent loads
 * vfio_mdev. Devices can be created before this returns.
 *
 * Context: process context, no lock that a callback takes.
 * Return: 0; -EINVAL when @dev was not added, when create, remove, the types or
 * a type's name are missing or structured ops do not fit together; -E2BIG when the vendor uses
 * callbacks that this module does not know; -EEXIST when @dev is a parent
 * already or two types have the same name; -ENOMEM.
 */
int mdev_register_device_sized(struct device *dev,
			       const struct mdev_parent_ops *vendor_ops,
			       size_t ops_size)
{
	struct mdev_classic_parent *cp;
	struct mdev_parent_ops ops;
	unsigned int i;
	int ret;

	if (!dev || !vendor_ops)
		return -EINVAL;
	/* Before anything is made in the directory that it has not got */
	if (!device_is_registered(dev))
		return mdev_parent_refuse_device(dev);
	ret = mdev_copy_ops(&ops, vendor_ops, ops_size);
	if (ret) {
		dev_err(dev, "not registered for mediated devices: its driver was built for another mdev.ko (%d)\n",
			ret);
		return ret;
	}
	ret = mdev_check_ops(dev, &ops);
	if (ret)
		return ret;

	cp = mdev_classic_alloc(dev, &ops);
	if (!cp)
		return -ENOMEM;
	ret = mdev_classic_enlist(cp);
	if (ret)
		goto free;

	mdev_load_bus_driver();
	for (i = 0; i < cp->parent.nr_types; i++)
		mdev_warn_of_missing(dev, ops.supported_type_groups[i]);

	get_device(dev);
	ret = sysfs_create_groups(&dev->kobj, ops.dev_attr_groups);
	if (ret)
		goto delist;
	ret = mdev_parent_add(&cp->parent, &mdev_classic_kind);
	if (ret)
		goto remove_groups;
	return 0;

remove_groups:
	sysfs_remove_groups(&dev->kobj, ops.dev_attr_groups);
delist:
	mdev_classic_delist(dev);
	put_device(dev);
free:
	mdev_classic_free(cp);
	return ret;
}
EXPORT_SYMBOL(mdev_register_device_sized);

/**
 * mdev_unregister_device - opposite of mdev_register_device()
 * @dev: the parent device
 *
 * Removes its mediated devices: users of open ones are asked to let go and
 * waited for. Without a registration it does nothing.
 *
 * Context: process context, no lock that a callback takes.
 */
void mdev_unregister_device(struct device *dev)
{
	struct mdev_classic_parent *cp = mdev_classic_delist(dev);

	if (!cp)
		return;

	mdev_parent_del(&cp->parent);
	sysfs_remove_groups(&dev->kobj, cp->ops.dev_attr_groups);
	mdev_classic_free(cp);
	put_device(dev);
}
EXPORT_SYMBOL(mdev_unregister_device);

/* Accessors; a classic vendor has a device from create to remove. */

/**
 * mdev_get_parent_ops - the vendor's callbacks for a device
 * @mdev: a classic device
 *
 * Context: any. For bus drivers.
 */
const struct mdev_parent_ops *mdev_get_parent_ops(struct mdev_device *mdev)
{
	return &classic_parent(mdev)->ops;
}
EXPORT_SYMBOL(mdev_get_parent_ops);

/**
 * mdev_get_busdata - the bus driver's pointer
 * @mdev: a classic device
 *
 * Acquire: what was written before mdev_set_busdata() is seen behind the
 * pointer. It pairs with the release there.
 *
 * Context: any.
 */
void *mdev_get_busdata(struct mdev_device *mdev)
{
	/* Pairs with mdev_set_busdata() */
	return smp_load_acquire(&to_mdev_instance(&mdev->dev)->busdata);
}
EXPORT_SYMBOL(mdev_get_busdata);

/**
 * mdev_set_busdata - keep a pointer that vfio_mdev finds its device by
 * @mdev: a classic device
 * @data: what mdev_get_busdata() is to return
 *
 * Unlike the driver core's, it is never another driver's: only vfio_mdev sets
 * it, so that it can be read while the device is being rebound.
 *
 * Release: what was written before is seen by a caller that gets @data from
 * mdev_get_busdata(), which acquires and takes no lock.
 *
 * Context: any.
 */
void mdev_set_busdata(struct mdev_device *mdev, void *data)
{
	/* Pairs with mdev_get_busdata() */
	smp_store_release(&to_mdev_instance(&mdev->dev)->busdata, data);
}
EXPORT_SYMBOL(mdev_set_busdata);

/**
 * mdev_get_drvdata - the vendor's pointer
 * @mdev: mediated device
 *
 * Context: any.
 */
void *mdev_get_drvdata(struct mdev_device *mdev)
{
	return to_mdev_instance(&mdev->dev)->drvdata;
}
EXPORT_SYMBOL(mdev_get_drvdata);

/**
 * mdev_set_drvdata - keep a pointer for the vendor
 * @mdev: mediated device
 * @data: what mdev_get_drvdata() is to return
 *
 * Context: any.
 */
void mdev_set_drvdata(struct mdev_device *mdev, void *data)
{
	to_mdev_instance(&mdev->dev)->drvdata = data;
}
EXPORT_SYMBOL(mdev_set_drvdata);

/**
 * mdev_uuid - the UUID of a device
 * @mdev: mediated device
 *
 * Context: any.
 */
const guid_t *mdev_uuid(struct mdev_device *mdev)
{
	return &mdev->uuid;
}
EXPORT_SYMBOL(mdev_uuid);

/**
 * mdev_parent_dev - the parent device of a device
 * @mdev: mediated device
 *
 * Context: any.
 */
struct device *mdev_parent_dev(struct mdev_device *mdev)
{
	return mdev->type->parent->dev;
}
EXPORT_SYMBOL(mdev_parent_dev);

/**
 * mdev_to_dev - the struct device of a mediated device
 * @mdev: mediated device
 *
 * Context: any. Sources call mdev_dev().
 */
struct device *mdev_to_dev(struct mdev_device *mdev)
{
	return &mdev->dev;
}
EXPORT_SYMBOL(mdev_to_dev);

/**
 * mdev_from_dev - the mediated device that a struct device belongs to
 * @dev: any device, or NULL
 *
 * Context: any.
 * Return: NULL when @dev is not a mediated device of a classic parent.
 */
struct mdev_device *mdev_from_dev(struct device *dev)
{
	if (!dev || dev->bus != &mdev_bus_type ||
	    to_mdev_instance(dev)->kind != &mdev_classic_kind)
		return NULL;
	return to_mdev_device(dev);
}
EXPORT_SYMBOL(mdev_from_dev);

/**
 * mdev_set_iommu_device - not supported
 * @dev: a mediated device's struct device
 * @iommu_device: device whose IOMMU domain it was to use
 *
 * The IOMMU group of a mediated device is emulated by the VFIO core and has
 * no IOMMU behind it.
 *
 * Return: -EOPNOTSUPP.
 */
int mdev_set_iommu_device(struct device *dev, struct device *iommu_device)
{
	return -EOPNOTSUPP;
}
EXPORT_SYMBOL(mdev_set_iommu_device);

/**
 * mdev_get_iommu_device - there is none
 * @dev: a mediated device's struct device
 *
 * Return: NULL.
 */
struct device *mdev_get_iommu_device(struct device *dev)
{
	return NULL;
}
EXPORT_SYMBOL(mdev_get_iommu_device);

#if IS_ENABLED(CONFIG_VFIO_MDEV_KUNIT_TEST)
#include "mdev_classic_test.c"
#endif
