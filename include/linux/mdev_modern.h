/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Mediated devices: the modern interface, as the kernel has it since 6.1
 *
 * Layout and prototypes are an ABI: modules of the distribution (kvmgt) and
 * the kernel's samples link against mdev.ko with the kernel's own symbol
 * versions. One more member in a struct here changes the versions and those
 * modules are refused, so private state of this framework lies in structs
 * that contain these (drivers/vfio/mdev/mdev_private.h). Include through
 * <linux/mdev.h>.
 */
#ifndef _LINUX_MDEV_MODERN_H
#define _LINUX_MDEV_MODERN_H

#include <linux/device.h>
#include <linux/uuid.h>

struct mdev_type;

/**
 * struct mdev_device - a mediated device
 * @dev: device in the driver model, a child of the parent device
 * @uuid: its name on this machine
 * @next: unused; kept for the layout
 * @type: type it was created from
 * @active: true between the end of its creation and the start of its removal
 */
struct mdev_device {
	struct device dev;
	guid_t uuid;
	struct list_head next;
	struct mdev_type *type;
	bool active;
};

/**
 * struct mdev_type - a kind of device that a parent can be asked for
 * @sysfs_name: name of the type's directory, after the driver's name
 * @pretty_name: what the ``name`` attribute shows; @sysfs_name when NULL
 * @parent: the parent that offers it; set by the core
 * @kobj: private to the core
 * @devices_kobj: private to the core
 *
 * The driver sets the first two and keeps the struct until the parent is
 * unregistered.
 */
struct mdev_type {
	const char *sysfs_name;
	const char *pretty_name;
	struct mdev_parent *parent;
	struct kobject kobj;
	struct kobject *devices_kobj;
};

/**
 * struct mdev_parent - a device that mediated devices can be created on
 * @dev: the parent device
 * @mdev_driver: driver that is bound to each new child
 * @mdev_types_kset: the directory ``mdev_supported_types``
 * @unreg_sem: read by creation and teardown of a child, written by
 *	       mdev_unregister_parent()
 * @types: types on offer
 * @nr_types: number of entries in @types
 * @available_instances: children that can still be created, when the driver
 *			 has no get_available callback
 *
 * Embedded by the driver, filled by mdev_register_parent().
 */
struct mdev_parent {
	struct device *dev;
	struct mdev_driver *mdev_driver;
	struct kset *mdev_types_kset;
	struct rw_semaphore unreg_sem;
	struct mdev_type **types;
	unsigned int nr_types;
	atomic_t available_instances;
};

static inline struct mdev_device *to_mdev_device(struct device *dev)
{
	return container_of(dev, struct mdev_device, dev);
}

/**
 * struct mdev_driver - driver of mediated devices
 * @device_api: what the ``device_api`` attribute of its types shows
 * @max_instances: children of a parent at most, without @get_available
 * @probe: a device was created; bind it
 * @remove: opposite of @probe
 * @get_available: how many more devices of the type can be created (optional)
 * @show_description: print the type's description (optional)
 * @driver: name and owner are set by the driver, the rest by the core
 */
struct mdev_driver {
	const char *device_api;
	unsigned int max_instances;
	int (*probe)(struct mdev_device *dev);
	void (*remove)(struct mdev_device *dev);
	unsigned int (*get_available)(struct mdev_type *mtype);
	ssize_t (*show_description)(struct mdev_type *mtype, char *buf);
	struct device_driver driver;
};

int mdev_register_parent(struct mdev_parent *parent, struct device *dev,
			 struct mdev_driver *mdev_driver,
			 struct mdev_type **types, unsigned int nr_types);
void mdev_unregister_parent(struct mdev_parent *parent);

int mdev_register_driver(struct mdev_driver *drv);
void mdev_unregister_driver(struct mdev_driver *drv);

static inline struct device *mdev_dev(struct mdev_device *mdev)
{
	return &mdev->dev;
}

#endif /* _LINUX_MDEV_MODERN_H */
