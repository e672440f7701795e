/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Mediated devices: parents without hardware
 *
 * A driver of a real device registers that device as a parent. One that has none,
 * a sample or a test, makes a virtual device in a class of the same name,
 * /sys/class/NAME/NAME, and is that class' only user: libvirt looks for parents by
 * their class. Its module then begins and ends with the parent:
 *
 *	module_mdev_virtual_parent(NAME, ops);
 *
 * All is inline: a class belongs to the module that makes it, and the size of struct
 * mdev_parent_ops is the one that the driver was compiled with.
 */
#ifndef _LINUX_MDEV_VIRTUAL_H
#define _LINUX_MDEV_VIRTUAL_H

#ifndef MDEV_INTERFACE
#define MDEV_INTERFACE MDEV_INTERFACE_CLASSIC
#endif
#include <linux/mdev.h>
#ifndef MDEV_INTERFACE_CLASSIC
#error "our include folder must come first: LINUXINCLUDE, see Documentation/mdev-pci.txt"
#elif MDEV_INTERFACE != MDEV_INTERFACE_CLASSIC
#error "mdev_virtual.h serves drivers with the classic interface: include it ahead of mdev.h"
#endif

#include <linux/err.h>
#include <linux/init.h>
#include <linux/kdev_t.h>
#include <linux/module.h>

#include <vfio-compat/device.h>

/**
 * struct mdev_virtual_parent - a parent without hardware
 * @class: its class, which has no other device
 * @dev: the parent, as callbacks of types get it
 */
struct mdev_virtual_parent {
	struct class *class;
	struct device *dev;
};

/**
 * mdev_virtual_parent_register - make a parent without hardware and register it
 * @parent: what is to be known of it until mdev_virtual_parent_unregister()
 * @name: of the class and of the parent; the types' directories begin with it
 * @ops: the driver's, see mdev_register_device()
 *
 * Context: process context. Devices can be made before it returns.
 * Return: 0, or an error and nothing is left: -EEXIST when there is such a class,
 * -ENOMEM, or what mdev_register_device() answers.
 */
static inline int
mdev_virtual_parent_register(struct mdev_virtual_parent *parent,
			     const char *name,
			     const struct mdev_parent_ops *ops)
{
	int ret;

	parent->class = vfio_compat_class_create(name);
	if (IS_ERR(parent->class))
		return PTR_ERR(parent->class);

	parent->dev = device_create(parent->class, NULL, MKDEV(0, 0), NULL,
				    "%s", name);
	if (IS_ERR(parent->dev)) {
		ret = PTR_ERR(parent->dev);
		goto err_class;
	}

	ret = mdev_register_device(parent->dev, ops);
	if (ret)
		goto err_device;
	return 0;

err_device:
	device_unregister(parent->dev);
err_class:
	class_destroy(parent->class);
	return ret;
}

/**
 * mdev_virtual_parent_unregister - take a parent without hardware away again
 * @parent: one that was registered
 *
 * Context: process context. As mdev_unregister_device(), it waits for the users
 * of the parent's devices.
 */
static inline void
mdev_virtual_parent_unregister(struct mdev_virtual_parent *parent)
{
	mdev_unregister_device(parent->dev);
	device_unregister(parent->dev);
	class_destroy(parent->class);
}

/**
 * module_mdev_virtual_parent() - a module that is nothing but such a parent
 * @_name: name of the parent, as a word
 * @_ops: the driver's struct mdev_parent_ops
 *
 * In place of module_init() and module_exit().
 */
#define module_mdev_virtual_parent(_name, _ops)				\
static struct mdev_virtual_parent _name##_virtual_parent;		\
static int __init _name##_module_init(void)				\
{									\
	return mdev_virtual_parent_register(&_name##_virtual_parent,	\
					    #_name, &(_ops));		\
}									\
module_init(_name##_module_init);					\
static void __exit _name##_module_exit(void)				\
{									\
	mdev_virtual_parent_unregister(&_name##_virtual_parent);	\
}									\
module_exit(_name##_module_exit)

#endif /* _LINUX_MDEV_VIRTUAL_H */
