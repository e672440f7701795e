/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Mediated devices: the classic vendor interface
 *
 * A vendor driver fills a struct mdev_parent_ops and calls
 * mdev_register_device() for each device that it can cut into mediated ones.
 * What stands up to mdev_parent_ops.request is the interface of Linux v4.10
 * to v5.12; the members after it are the *structured ops*, each optional. A
 * VFIO command that has its structured op is checked in full by vfio_mdev and
 * goes there; every other command goes to the driver's ioctl as it came.
 *
 * Include through <linux/mdev.h>.
 */
#ifndef _LINUX_MDEV_CLASSIC_H
#define _LINUX_MDEV_CLASSIC_H

#include <linux/device.h>
#include <linux/sysfs.h>
#include <linux/types.h>
#include <linux/uuid.h>

struct kvm;
struct mdev_device;
struct module;
struct vfio_device_info;
struct vfio_info_cap;
struct vfio_irq_info;
struct vfio_region_info;
struct vm_area_struct;

/**
 * struct mdev_parent_ops - a vendor driver's side of its mediated devices
 * @owner: module held while a device is open (optional; it was never read in
 *	   the classic era, so drivers that set nothing keep working)
 * @dev_attr_groups: attributes added to the parent device (optional)
 * @mdev_attr_groups: attributes of each mediated device (optional)
 * @supported_type_groups: NULL-terminated, one group a type: its name, after
 *	   the driver's and a dash, is the type's directory, its attributes
 *	   are &struct mdev_type_attribute
 * @create: make the device's resources; @kobj is the type's directory. The
 *	   device is not yet visible. An error is what the admin's write gets; a
 *	   positive number makes it EINVAL
 * @remove: give them up. Called once, after the last release; an error is
 *	   logged and otherwise ignored
 * @open: a user opens the device, once until @release. Absent: EINVAL
 * @release: the last user's file is closed (optional)
 * @read: read(2) on the device's file: the user's buffer, any length
 * @write: write(2), likewise
 * @ioctl: commands without a structured op, as the user gave them
 * @mmap: mmap(2) on the device's file, of whole pages: the last may go beyond
 *	   the end of a region that does not end with it
 * @request: the admin wants the device back: ask the user to let it go. Called
 *	   with @count 0 and again with 1, 2, ... while it stays open. Without
 *	   it the removal of an open device answers EBUSY
 * @get_device_info: flags, num_regions and num_irqs of VFIO_DEVICE_GET_INFO;
 *	   capabilities by vfio_info_add_capability(). Called at open, after
 *	   @open, and answers for as long as the device is open
 * @get_region_info: flags, size and offset of region info->index, with its
 *	   capabilities. Called at open for each region; accesses outside of
 *	   what it said never reach @read, @write and @mmap
 * @get_irq_info: flags and count of interrupt info->index
 * @set_irqs: VFIO_DEVICE_SET_IRQS. @index, @start and @count lie within what
 *	   @get_irq_info said; @data is a kernel copy of @count bytes
 *	   (DATA_BOOL) or s32 file descriptors (DATA_EVENTFD), NULL for
 *	   DATA_NONE and when @count is 0
 * @reset: VFIO_DEVICE_RESET
 * @can_request: can @request reach somebody at this moment? Absent: yes. False
 *	   makes the removal of an open device answer EBUSY at once
 * @dma_unmap: the user unmaps IOVA range @iova, @length: unpin what is pinned
 *	   in it before returning. Calls come from the start of @open to the
 *	   start of @release, also for ranges without a pin
 * @set_kvm: before @open, the virtual machine that the group belongs to, held
 *	   until @release has returned or @open has failed; not called without
 *	   one
 * @device_feature: VFIO_DEVICE_FEATURE for features that the VFIO core leaves
 *	   to drivers; see vfio_check_feature(), with %MDEV_WITH_VFIO_CORE
 *
 * Callbacks run in process context with no lock of mdev.ko or vfio_mdev.ko
 * held. The VFIO core holds its per-device locks around @set_kvm, @open and
 * @release, and the driver core the device's lock around @request and
 * @can_request. @create and @remove of different devices run in parallel.
 * @read, @write, @ioctl, @mmap and the structured ops run on as many CPUs as
 * the user has threads; the driver locks.
 */
struct mdev_parent_ops {
	struct module *owner;
	const struct attribute_group **dev_attr_groups;
	const struct attribute_group **mdev_attr_groups;
	struct attribute_group **supported_type_groups;

	int (*create)(struct kobject *kobj, struct mdev_device *mdev);
	int (*remove)(struct mdev_device *mdev);
	int (*open)(struct mdev_device *mdev);
	void (*release)(struct mdev_device *mdev);
	ssize_t (*read)(struct mdev_device *mdev, char __user *buf,
			size_t count, loff_t *ppos);
	ssize_t (*write)(struct mdev_device *mdev, const char __user *buf,
			 size_t count, loff_t *ppos);
	long (*ioctl)(struct mdev_device *mdev, unsigned int cmd,
		      unsigned long arg);
	int (*mmap)(struct mdev_device *mdev, struct vm_area_struct *vma);
	void (*request)(struct mdev_device *mdev, unsigned int count);

	/* Structured ops */
	int (*get_device_info)(struct mdev_device *mdev,
			       struct vfio_device_info *info,
			       struct vfio_info_cap *caps);
	int (*get_region_info)(struct mdev_device *mdev,
			       struct vfio_region_info *info,
			       struct vfio_info_cap *caps);
	int (*get_irq_info)(struct mdev_device *mdev,
			    struct vfio_irq_info *info);
	int (*set_irqs)(struct mdev_device *mdev, u32 flags, u32 index,
			u32 start, u32 count, void *data);
	int (*reset)(struct mdev_device *mdev);
	bool (*can_request)(struct mdev_device *mdev);
	void (*dma_unmap)(struct mdev_device *mdev, u64 iova, u64 length);
	void (*set_kvm)(struct mdev_device *mdev, struct kvm *kvm);
	int (*device_feature)(struct mdev_device *mdev, u32 flags,
			      void __user *arg, size_t argsz);

	/*
	 * So far v0.1. A new member comes last and under #ifndef __GENKSYMS__: then the
	 * version of the registration stays, and drivers built before are loaded.
	 */
};

/**
 * struct mdev_type_attribute - a sysfs attribute of a type
 * @attr: name and mode
 * @show: print into @buf (a page); @kobj is the type's directory, @dev the
 *	  parent device
 * @store: opposite of @show
 *
 * Programs rely on ``device_api`` and ``available_instances`` being there for
 * each type; ``name`` and ``description`` are optional.
 */
struct mdev_type_attribute {
	struct attribute attr;
	ssize_t (*show)(struct kobject *kobj, struct device *dev, char *buf);
	ssize_t (*store)(struct kobject *kobj, struct device *dev,
			 const char *buf, size_t count);
};

#define MDEV_TYPE_ATTR(_name, _mode, _show, _store)			\
	struct mdev_type_attribute mdev_type_attr_##_name =		\
		__ATTR(_name, _mode, _show, _store)
#define MDEV_TYPE_ATTR_RW(_name)					\
	struct mdev_type_attribute mdev_type_attr_##_name = __ATTR_RW(_name)
#define MDEV_TYPE_ATTR_RO(_name)					\
	struct mdev_type_attribute mdev_type_attr_##_name = __ATTR_RO(_name)
#define MDEV_TYPE_ATTR_WO(_name)					\
	struct mdev_type_attribute mdev_type_attr_##_name = __ATTR_WO(_name)

/**
 * MDEV_TYPE_ATTR_PRINT - a type's attribute that prints what there is to say
 * @_name: its name
 * @...: format and values, which may make use of kobj and dev, as @show has them
 */
#define MDEV_TYPE_ATTR_PRINT(_name, ...)				\
static ssize_t _name##_show(struct kobject *kobj, struct device *dev,	\
			    char *buf)					\
{									\
	return sysfs_emit(buf, __VA_ARGS__);				\
}									\
static MDEV_TYPE_ATTR_RO(_name)

/**
 * MDEV_TYPE_GROUPS - the supported_type_groups of a driver with one type
 * @_name: they are called that, and _groups
 * @_type: the type's name
 * @...: its attributes
 */
#define MDEV_TYPE_GROUPS(_name, _type, ...)				\
static struct attribute *_name##_attrs[] = { __VA_ARGS__, NULL };	\
static struct attribute_group _name##_group = {				\
	.name = _type,							\
	.attrs = _name##_attrs,						\
};									\
static struct attribute_group *_name##_groups[] = { &_name##_group, NULL }

int mdev_register_device_sized(struct device *dev,
			       const struct mdev_parent_ops *ops,
			       size_t ops_size);

/*
 * The size of the ops as the driver was compiled travels with them, so that
 * members can be added without breaking modules built earlier.
 */
#define mdev_register_device(dev, ops)					\
	mdev_register_device_sized(dev, ops, sizeof(struct mdev_parent_ops))

void mdev_unregister_device(struct device *dev);

void *mdev_get_drvdata(struct mdev_device *mdev);
void mdev_set_drvdata(struct mdev_device *mdev, void *data);
const guid_t *mdev_uuid(struct mdev_device *mdev);
struct device *mdev_parent_dev(struct mdev_device *mdev);
struct device *mdev_to_dev(struct mdev_device *mdev);
struct mdev_device *mdev_from_dev(struct device *dev);

/*
 * There is nothing behind them. Some sources want to see them declared, others take
 * that for a kernel where they work, and are built with -DMDEV_NO_IOMMU_DEVICE.
 */
#ifndef MDEV_NO_IOMMU_DEVICE
int mdev_set_iommu_device(struct device *dev, struct device *iommu_device);
struct device *mdev_get_iommu_device(struct device *dev);
#endif

/**
 * struct mdev_bus_driver - a driver on the mdev bus for classic devices
 * @name: name of the driver, as in /sys/bus/mdev/drivers
 * @probe: bind to a device
 * @remove: let it go; by then it has no user if there is a @prepare_remove
 * @driver: filled by mdev_register_driver()
 * @prepare_remove: the device is to be removed, unbound, or taken away with
 *	   its parent (optional). 0: it has no user, and none comes as long as
 *	   mdev_removal_pending(); -EAGAIN: its user was asked to go, ask again
 *	   with @count one higher when mdev_device_idle() was called or 10 s
 *	   have passed; another error is the answer to the admin and ends the
 *	   matter (a positive number is -EINVAL), but a parent that goes waits
 *	   all the same. It starts with a @count of 0. Called with the device's
 *	   lock held. A driver that has it holds its module while it has a user
 *
 * Vendor drivers know it as struct mdev_driver.
 */
struct mdev_bus_driver {
	const char *name;
	int (*probe)(struct device *dev);
	void (*remove)(struct device *dev);
	struct device_driver driver;
	int (*prepare_remove)(struct device *dev, unsigned int count);
};

static inline struct mdev_bus_driver *
to_mdev_bus_driver(struct device_driver *drv)
{
	return container_of(drv, struct mdev_bus_driver, driver);
}

int mdev_register_bus_driver(struct mdev_bus_driver *drv, struct module *owner);
void mdev_unregister_bus_driver(struct mdev_bus_driver *drv);
void mdev_device_idle(struct device *dev);
bool mdev_removal_pending(struct device *dev);
int mdev_user_comes(struct device *dev);
void mdev_user_here(struct device *dev);
void mdev_user_left(struct device *dev);
const struct mdev_parent_ops *mdev_get_parent_ops(struct mdev_device *mdev);
void *mdev_get_busdata(struct mdev_device *mdev);
void mdev_set_busdata(struct mdev_device *mdev, void *data);

extern struct bus_type mdev_bus_type;

#endif /* _LINUX_MDEV_CLASSIC_H */
