// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mediated devices: parents, and the module
 *
 * A *parent* is a device on which its driver lets mediated devices be
 * created; it offers *types*. Parents come in two generations (mdev_modern.c,
 * mdev_classic.c) that differ in a struct mdev_kind; all else is the same.
 *
 * Locks. parent->unreg_sem is held for writing while a parent comes or goes, and for
 * reading by each creation and removal of a device, which only try
 * (mdev_device.c). It is a lock of one parent, with a lockdep class of its own:
 * vendor callbacks run under it.
 *
 * References. Types hold the parent's struct device. mdev_parent_del() returns when
 * the last type has been released: the caller may free them.
 *
 * Publication. A type is set up before its kobject is added; what it gets later (its
 * devices directory) is used under unreg_sem, which the registration holds for
 * writing until all types stand.
 */
#include <linux/module.h>

#include <vfio-compat/device.h>

#include "mdev_private.h"
#include "trace.h"

static struct class_compat *mdev_bus_compat_class;

static int mdev_remove_child(struct device *dev, void *unused)
{
	if (dev->bus == &mdev_bus_type)
		mdev_device_remove_taken(to_mdev_instance(dev));
	return 0;
}

static int mdev_take_child(struct device *dev, void *unused)
{
	if (dev->bus == &mdev_bus_type)
		mdev_state_take(to_mdev_instance(dev));
	return 0;
}

static int mdev_ask_child(struct device *dev, void *missed)
{
	if (dev->bus == &mdev_bus_type &&
	    !mdev_request_first(to_mdev_instance(dev)))
		*(struct mdev_instance **)missed = to_mdev_instance(dev);
	return 0;
}

/*
 * All of a parent's users hear of it before the first is waited for: also that
 * of a child whose lock another task has, unless for longer than the others can wait
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
		mdev_request_retry(missed);
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

	/* No device of the first type is created while the last may fail. */
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
	device_for_each_child(parent->dev, NULL, mdev_take_child);
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

	ret = mdev_device_init();
	if (ret)
		return ret;

	ret = mdev_user_init();
	if (ret)
		goto exit_device;

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
exit_device:
	mdev_device_exit();
	return ret;
}

static void __exit mdev_exit(void)
{
	mdev_debugfs_exit();
	class_compat_unregister(mdev_bus_compat_class);
	bus_unregister(&mdev_bus_type);
	mdev_user_exit();
	mdev_device_exit();
}

subsys_initcall(mdev_init)
module_exit(mdev_exit)

MODULE_DESCRIPTION("Mediated devices: parents, types, devices, bus");
MODULE_VERSION("1.0");
MODULE_LICENSE("GPL");
