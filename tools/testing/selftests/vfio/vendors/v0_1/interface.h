/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The classic interface as release v0.1 showed it to vendor drivers, without its
 * comments: what drivers that were built then know. It is never changed.
 */
#ifndef _V0_1_INTERFACE_H
#define _V0_1_INTERFACE_H

#include <linux/bits.h>
#include <linux/device.h>
#include <linux/notifier.h>
#include <linux/sysfs.h>
#include <linux/types.h>
#include <linux/uuid.h>

struct file;
struct kvm;
struct mdev_device;
struct module;
struct vfio_device_info;
struct vfio_group;
struct vfio_info_cap;
struct vfio_irq_info;
struct vfio_region_info;
struct vm_area_struct;

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
};

struct mdev_type_attribute {
	struct attribute attr;
	ssize_t (*show)(struct kobject *kobj, struct device *dev, char *buf);
	ssize_t (*store)(struct kobject *kobj, struct device *dev,
			 const char *buf, size_t count);
};

#define MDEV_TYPE_ATTR_RO(_name)					\
	struct mdev_type_attribute mdev_type_attr_##_name = __ATTR_RO(_name)

struct mdev_bus_driver {
	const char *name;
	int (*probe)(struct device *dev);
	void (*remove)(struct device *dev);
	struct device_driver driver;
	int (*prepare_remove)(struct device *dev, unsigned int count);
};

int mdev_register_device_sized(struct device *dev,
			       const struct mdev_parent_ops *ops,
			       size_t ops_size);
#define mdev_register_device(dev, ops)					\
	mdev_register_device_sized(dev, ops, sizeof(struct mdev_parent_ops))
void mdev_unregister_device(struct device *dev);

void *mdev_get_drvdata(struct mdev_device *mdev);
void mdev_set_drvdata(struct mdev_device *mdev, void *data);
const guid_t *mdev_uuid(struct mdev_device *mdev);
struct device *mdev_parent_dev(struct mdev_device *mdev);
struct device *mdev_to_dev(struct mdev_device *mdev);
struct mdev_device *mdev_from_dev(struct device *dev);
int mdev_set_iommu_device(struct device *dev, struct device *iommu_device);
struct device *mdev_get_iommu_device(struct device *dev);

int mdev_register_bus_driver(struct mdev_bus_driver *drv, struct module *owner);
void mdev_unregister_bus_driver(struct mdev_bus_driver *drv);
extern struct bus_type mdev_bus_type;

enum vfio_notify_type {
	VFIO_IOMMU_NOTIFY = 0,
	VFIO_GROUP_NOTIFY = 1,
};

int vfio_mdev_pin_pages(struct device *dev, unsigned long *user_pfn, int npage,
			int prot, unsigned long *phys_pfn);
int vfio_mdev_unpin_pages(struct device *dev, unsigned long *user_pfn,
			  int npage);
int vfio_register_notifier(struct device *dev, enum vfio_notify_type type,
			   unsigned long *events, struct notifier_block *nb);
int vfio_unregister_notifier(struct device *dev, enum vfio_notify_type type,
			     struct notifier_block *nb);
struct vfio_group *vfio_group_get_external_user(struct file *filep);
struct vfio_group *vfio_group_get_external_user_from_dev(struct device *dev);
void vfio_group_put_external_user(struct vfio_group *group);
int vfio_group_pin_pages(struct vfio_group *group,
			 unsigned long *user_iova_pfn, int npage, int prot,
			 unsigned long *phys_pfn);
int vfio_group_unpin_pages(struct vfio_group *group,
			   unsigned long *user_iova_pfn, int npage);
int vfio_mdev_dma_rw(struct vfio_group *group, dma_addr_t user_iova,
		     void *data, size_t len, bool write);

#endif /* _V0_1_INTERFACE_H */
