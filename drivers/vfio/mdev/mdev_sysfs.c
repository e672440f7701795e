// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mediated devices: the files in sysfs
 *
 *	<parent>/mdev_supported_types/<driver>-<type>/create	  write a UUID
 *						      devices/	  links
 *						      ...	  attributes
 *	<parent>/mdev_errors					  what failed
 *	<parent>/<uuid>/remove					  write 1
 *			mdev_type				  link
 *			driver_override				  classic only:
 *			mdev_in_use				  to be polled
 *			mdev_remove_on_close			  off
 *
 * The attributes of a type are the vendor's in the classic generation and the
 * core's in the modern one. Both have the form of struct mdev_type_attribute.
 *
 * A type's kobject lies in memory of the driver (modern) or of its
 * registration (classic). mdev_sysfs_remove_dir() waits until the last has been
 * released, so that memory may go afterwards.
 */
#include <linux/kernfs.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/sysfs.h>
#include <linux/mdev_classic.h>

#include "mdev_private.h"

/* Types: attributes */

static int mdev_parse_uuid(const char *buf, size_t count, guid_t *uuid)
{
	char str[UUID_STRING_LEN + 1];

	if (count == UUID_STRING_LEN + 1) {
		char last = buf[UUID_STRING_LEN];

		if (last != '\n' && last != '\0')
			return -EINVAL;
	} else if (count != UUID_STRING_LEN) {
		return -EINVAL;
	}

	memcpy(str, buf, UUID_STRING_LEN);
	str[UUID_STRING_LEN] = '\0';
	return guid_parse(str, uuid);
}

static ssize_t create_store(struct kobject *kobj, struct device *parent,
			    const char *buf, size_t count)
{
	struct mdev_type *type = to_mdev_type(kobj);
	guid_t uuid;
	int ret;

	ret = mdev_parse_uuid(buf, count, &uuid);
	if (ret) {
		mdev_failure(mdev_types_dir(type->parent)->failures, &guid_null,
			     MDEV_ACT_CREATE, MDEV_CAUSE_NO_UUID, ret);
		return ret;
	}

	ret = mdev_device_create(type, &uuid);
	return ret ?: count;
}
static MDEV_TYPE_ATTR_WO(create);

static ssize_t device_api_show(struct kobject *kobj, struct device *parent,
			       char *buf)
{
	struct mdev_driver *drv = to_mdev_type(kobj)->parent->mdev_driver;

	return sysfs_emit(buf, "%s\n", drv->device_api);
}
static MDEV_TYPE_ATTR_RO(device_api);

static ssize_t name_show(struct kobject *kobj, struct device *parent, char *buf)
{
	struct mdev_type *type = to_mdev_type(kobj);

	return sysfs_emit(buf, "%s\n", type->pretty_name ?: type->sysfs_name);
}
static MDEV_TYPE_ATTR_RO(name);

static ssize_t available_instances_show(struct kobject *kobj,
					struct device *parent, char *buf)
{
	struct mdev_type *type = to_mdev_type(kobj);
	struct mdev_driver *drv = type->parent->mdev_driver;
	unsigned int nr;

	if (drv->get_available)
		nr = drv->get_available(type);
	else
		nr = atomic_read(&type->parent->available_instances);
	return sysfs_emit(buf, "%u\n", nr);
}
static MDEV_TYPE_ATTR_RO(available_instances);

static ssize_t description_show(struct kobject *kobj, struct device *parent,
				char *buf)
{
	struct mdev_type *type = to_mdev_type(kobj);

	return type->parent->mdev_driver->show_description(type, buf);
}
static MDEV_TYPE_ATTR_RO(description);

static struct attribute *mdev_type_attrs[] = {
	&mdev_type_attr_create.attr,
	&mdev_type_attr_device_api.attr,
	&mdev_type_attr_name.attr,
	&mdev_type_attr_available_instances.attr,
	&mdev_type_attr_description.attr,
	NULL
};

static umode_t mdev_type_attr_visible(struct kobject *kobj,
				      struct attribute *attr, int n)
{
	struct mdev_parent *parent = to_mdev_type(kobj)->parent;

	if (attr == &mdev_type_attr_create.attr)
		return attr->mode;
	if (!mdev_types_dir(parent)->kind->core_attrs)
		return 0;
	if (attr == &mdev_type_attr_description.attr &&
	    !parent->mdev_driver->show_description)
		return 0;
	return attr->mode;
}

static const struct attribute_group mdev_type_group = {
	.attrs = mdev_type_attrs,
	.is_visible = mdev_type_attr_visible,
};

static const struct attribute_group *mdev_type_groups[] = {
	&mdev_type_group,
	NULL
};

static ssize_t mdev_type_show(struct kobject *kobj, struct attribute *attr,
			      char *buf)
{
	struct mdev_type_attribute *tattr =
		container_of(attr, struct mdev_type_attribute, attr);

	if (!tattr->show)
		return -EIO;
	return tattr->show(kobj, to_mdev_type(kobj)->parent->dev, buf);
}

static ssize_t mdev_type_store(struct kobject *kobj, struct attribute *attr,
			       const char *buf, size_t count)
{
	struct mdev_type_attribute *tattr =
		container_of(attr, struct mdev_type_attribute, attr);

	if (!tattr->store)
		return -EIO;
	return tattr->store(kobj, to_mdev_type(kobj)->parent->dev, buf, count);
}

static const struct sysfs_ops mdev_type_sysfs_ops = {
	.show = mdev_type_show,
	.store = mdev_type_store,
};

/* Types: directories */

static void mdev_type_release(struct kobject *kobj)
{
	struct mdev_parent *parent = to_mdev_type(kobj)->parent;

	put_device(parent->dev);
	mdev_types_dir_put(mdev_types_dir(parent));
}

static const struct kobj_type mdev_type_ktype = {
	.sysfs_ops = &mdev_type_sysfs_ops,
	.release = mdev_type_release,
	.default_groups = mdev_type_groups,
};

static void mdev_type_del(struct mdev_type *type)
{
	kobject_put(type->devices_kobj);
	kobject_del(&type->kobj);
	kobject_put(&type->kobj);
}

static int mdev_type_add(struct mdev_parent *parent, struct mdev_type *type)
{
	struct mdev_types_dir *dir = mdev_types_dir(parent);
	const char *driver = dev_driver_string(parent->dev);
	struct kobject *twin;
	char *name;
	int ret;

	name = kasprintf(GFP_KERNEL, "%s-%s", driver, type->sysfs_name);
	if (!name)
		return -ENOMEM;
	/* As sysfs names it, which would print a stack for a second one */
	strreplace(name, '/', '!');
	twin = kset_find_obj(&dir->kset, name);
	if (twin) {
		kobject_put(twin);
		ret = -EEXIST;
		goto out;
	}

	type->parent = parent;
	type->devices_kobj = NULL;
	type->kobj.kset = &dir->kset;
	get_device(parent->dev);
	mdev_types_dir_get(dir);
	ret = kobject_init_and_add(&type->kobj, &mdev_type_ktype, NULL, "%s",
				   name);
	if (ret) {
		kobject_put(&type->kobj);
		goto out;
	}

	type->devices_kobj = kobject_create_and_add("devices", &type->kobj);
	ret = type->devices_kobj ? 0 : -ENOMEM;
	if (!ret && dir->kind->add_type)
		ret = dir->kind->add_type(type);
	if (ret)
		mdev_type_del(type);
out:
	kfree(name);
	return ret;
}

static void mdev_types_dir_release(struct kobject *kobj)
{
	mdev_types_dir_put(container_of(kobj, struct mdev_types_dir,
					kset.kobj));
}

static const struct kobj_type mdev_types_dir_ktype = {
	.sysfs_ops = &kobj_sysfs_ops,
	.release = mdev_types_dir_release,
};

/* The driver core would answer a second parent with a stack dump. */
static bool mdev_is_parent(struct device *dev)
{
	struct kernfs_node *kn;

	kn = kernfs_find_and_get(dev->kobj.sd, "mdev_supported_types");
	kernfs_put(kn);
	return kn;
}

static ssize_t mdev_errors_show(struct device *dev,
				struct device_attribute *attr, char *buf)
{
	struct mdev_types_dir *dir = container_of(attr, struct mdev_types_dir,
						  errors);

	return mdev_failures_show(dir->failures, buf);
}

/*
 * Removing the file, which is done before the directory ends, waits for its readers:
 * so it can lie in there.
 */
static int mdev_add_errors(struct device *dev, struct mdev_types_dir *dir)
{
	dir->errors = (struct device_attribute)
		__ATTR(mdev_errors, 0444, mdev_errors_show, NULL);
	sysfs_attr_init(&dir->errors.attr);
	return device_create_file(dev, &dir->errors);
}

/**
 * mdev_sysfs_add_dir - make a parent's mdev_supported_types and mdev_errors
 * @parent: the parent
 * @kind: its generation
 *
 * Return: 0, -EEXIST when it is a parent already, -ENOMEM.
 */
int mdev_sysfs_add_dir(struct mdev_parent *parent,
		       const struct mdev_kind *kind)
{
	struct mdev_types_dir *dir;
	int ret;

	if (mdev_is_parent(parent->dev))
		return -EEXIST;

	dir = kzalloc(sizeof(*dir), GFP_KERNEL);
	if (!dir)
		return -ENOMEM;
	dir->failures = mdev_failures_alloc(parent->dev);
	if (!dir->failures) {
		kfree(dir);
		return -ENOMEM;
	}

	ret = mdev_add_errors(parent->dev, dir);
	if (ret)
		goto free_dir;
	ret = kobject_set_name(&dir->kset.kobj, "mdev_supported_types");
	if (ret)
		goto remove_errors;
	dir->kind = kind;
	dir->kset.kobj.parent = &parent->dev->kobj;
	dir->kset.kobj.ktype = &mdev_types_dir_ktype;
	init_completion(&dir->released);
	/* The registration's and the kset's */
	refcount_set(&dir->users, 2);

	/* Some kernels free and clear the name when it fails, others do not */
	ret = kset_register(&dir->kset);
	if (ret)
		goto free_name;

	lockdep_register_key(&dir->key);
	lockdep_set_class(&parent->unreg_sem, &dir->key);
	parent->mdev_types_kset = &dir->kset;
	return 0;

free_name:
	kfree_const(dir->kset.kobj.name);
remove_errors:
	device_remove_file(parent->dev, &dir->errors);
free_dir:
	mdev_failures_put(dir->failures);
	kfree(dir);
	return ret;
}

/**
 * mdev_sysfs_remove_dir - remove the directory, wait for its types' release
 * @parent: the parent, its types removed and its unreg_sem not held
 *
 * Waits for readers of mdev_errors, too.
 */
void mdev_sysfs_remove_dir(struct mdev_parent *parent)
{
	struct mdev_types_dir *dir = mdev_types_dir(parent);

	device_remove_file(parent->dev, &dir->errors);
	kset_unregister(&dir->kset);
	mdev_types_dir_put(dir);
	wait_for_completion(&dir->released);

	parent->mdev_types_kset = NULL;
	lockdep_unregister_key(&dir->key);
	mdev_failures_put(dir->failures);
	kfree(dir);
}

/**
 * mdev_sysfs_add_types - fill mdev_supported_types
 * @parent: the parent, its unreg_sem held for writing
 *
 * Return: 0, or an error and no type is left.
 */
int mdev_sysfs_add_types(struct mdev_parent *parent)
{
	unsigned int i;
	int ret;

	lockdep_assert_held_write(&parent->unreg_sem);

	for (i = 0; i < parent->nr_types; i++) {
		ret = mdev_type_add(parent, parent->types[i]);
		if (ret)
			goto remove;
	}
	return 0;

remove:
	while (i--)
		mdev_type_del(parent->types[i]);
	return ret;
}

/**
 * mdev_sysfs_remove_types - take the types away from the admin
 * @parent: the parent, its unreg_sem held for writing
 *
 * When it returns no store or show of a type is running.
 */
void mdev_sysfs_remove_types(struct mdev_parent *parent)
{
	unsigned int i;

	lockdep_assert_held_write(&parent->unreg_sem);

	for (i = 0; i < parent->nr_types; i++)
		mdev_type_del(parent->types[i]);
}

/* Devices */

static ssize_t remove_store(struct device *dev, struct device_attribute *attr,
			    const char *buf, size_t count)
{
	unsigned long val;
	int ret = 0;

	if (kstrtoul(buf, 0, &val))
		return -EINVAL;

	if (val)
		ret = mdev_device_remove(to_mdev_instance(dev), attr);
	return ret ?: count;
}
static DEVICE_ATTR_WO(remove);

static ssize_t driver_override_show(struct device *dev,
				    struct device_attribute *attr, char *buf)
{
	struct mdev_instance *inst = to_mdev_instance(dev);
	ssize_t len;

	spin_lock(&inst->lock);
	len = sysfs_emit(buf, "%s\n", inst->driver_override ?: "(null)");
	spin_unlock(&inst->lock);
	return len;
}

static ssize_t driver_override_store(struct device *dev,
				     struct device_attribute *attr,
				     const char *buf, size_t count)
{
	struct mdev_instance *inst = to_mdev_instance(dev);
	size_t len = strcspn(buf, "\n");
	char *name = NULL;

	/* What cannot be shown in a page is no driver's name. */
	if (len >= PAGE_SIZE - 1)
		return -EINVAL;
	if (len) {
		name = kstrndup(buf, len, GFP_KERNEL);
		if (!name)
			return -ENOMEM;
	}

	spin_lock(&inst->lock);
	swap(inst->driver_override, name);
	spin_unlock(&inst->lock);
	kfree(name);
	return count;
}
static DEVICE_ATTR_RW(driver_override);

static struct attribute *mdev_device_attrs[] = {
	&dev_attr_remove.attr,
	NULL
};

static const struct attribute_group mdev_device_group = {
	.attrs = mdev_device_attrs,
};

const struct attribute_group *mdev_device_groups[] = {
	&mdev_device_group,
	NULL
};

static ssize_t mdev_in_use_show(struct device *dev,
				struct device_attribute *attr, char *buf)
{
	struct mdev_instance *inst = to_mdev_instance(dev);
	bool in_use;

	spin_lock(&inst->lock);
	in_use = inst->presence == MDEV_USER_HERE;
	spin_unlock(&inst->lock);
	return sysfs_emit(buf, "%d\n", in_use);
}
static DEVICE_ATTR_RO(mdev_in_use);

static ssize_t mdev_remove_on_close_show(struct device *dev,
					 struct device_attribute *attr,
					 char *buf)
{
	struct mdev_instance *inst = to_mdev_instance(dev);
	bool set;

	spin_lock(&inst->lock);
	set = inst->remove_on_close;
	spin_unlock(&inst->lock);
	return sysfs_emit(buf, "%d\n", set);
}

static ssize_t mdev_remove_on_close_store(struct device *dev,
					  struct device_attribute *attr,
					  const char *buf, size_t count)
{
	struct mdev_instance *inst = to_mdev_instance(dev);
	bool set;
	int ret;

	ret = kstrtobool(buf, &set);
	if (ret)
		return ret;

	spin_lock(&inst->lock);
	inst->remove_on_close = set;
	if (!set)
		inst->removal_due = false;
	spin_unlock(&inst->lock);
	return count;
}
static DEVICE_ATTR_RW(mdev_remove_on_close);

static struct attribute *mdev_classic_device_attrs[] = {
	&dev_attr_driver_override.attr,
	&dev_attr_mdev_in_use.attr,
	&dev_attr_mdev_remove_on_close.attr,
	NULL
};
ATTRIBUTE_GROUPS(mdev_classic_device);

/* Has no name: the uevents of old say nothing of a type. */
const struct device_type mdev_classic_device_type = {
	.groups = mdev_classic_device_groups,
};

#if IS_ENABLED(CONFIG_VFIO_MDEV_KUNIT_TEST)
#include "mdev_sysfs_test.c"
#endif
