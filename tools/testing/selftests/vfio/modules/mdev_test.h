/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the test vendor drivers share: parents that come and go, the state of
 * a device, and for every callback a counter and failures to order.
 */
#ifndef _MDEV_TEST_H
#define _MDEV_TEST_H

#include <linux/atomic.h>
#include <linux/eventfd.h>
#include <linux/mdev.h>
#include <linux/mutex.h>
#include <linux/platform_device.h>

#include "mdev_test_abi.h"

enum mdev_test_op_id {
	MDEV_TEST_OP_CREATE,
	MDEV_TEST_OP_REMOVE,
	MDEV_TEST_OP_OPEN,
	MDEV_TEST_OP_RELEASE,
	MDEV_TEST_OP_READ,
	MDEV_TEST_OP_WRITE,
	MDEV_TEST_OP_IOCTL,
	MDEV_TEST_OP_MMAP,
	MDEV_TEST_OP_REQUEST,
	MDEV_TEST_OP_GET_DEVICE_INFO,
	MDEV_TEST_OP_GET_REGION_INFO,
	MDEV_TEST_OP_GET_IRQ_INFO,
	MDEV_TEST_OP_SET_IRQS,
	MDEV_TEST_OP_RESET,
	MDEV_TEST_OP_CAN_REQUEST,
	MDEV_TEST_OP_DMA_UNMAP,
	MDEV_TEST_OP_SET_KVM,
	MDEV_TEST_OP_DEVICE_FEATURE,
	MDEV_TEST_NUM_OPS
};

/**
 * struct mdev_test_op - one callback, as seen and steered through debugfs
 * @calls: how often it was called; written to start anew
 * @args: what it was called with last
 * @error: errno to fail with, 0 for none
 * @nth: fail only the call that @calls numbers so, 0 for every call
 * @delay: milliseconds to sleep first
 */
struct mdev_test_op {
	atomic_t calls;
	u64 args[4];
	u32 error;
	u32 nth;
	u32 delay;
};

#define MDEV_TEST_NUM_TYPES	3
#define MDEV_TEST_MAX_PARENTS	8

struct mdev_test_vendor;

/**
 * struct mdev_test_parent - a parent device
 * @vendor: its driver
 * @pdev: the device
 * @index: its number
 * @lock: protects @registered and @ops, held while registering and unregistering
 * @key: @lock's class: callbacks of one parent take locks under which another
 *	 is registered
 * @registered: is registered with mdev.ko
 * @ops: with these
 * @used: devices there are of each type
 */
struct mdev_test_parent {
	struct mdev_test_vendor *vendor;
	struct platform_device *pdev;
	unsigned int index;
	struct lock_class_key key;
	struct mutex lock;	/* protects the next two */
	bool registered;
	struct mdev_parent_ops ops;
	atomic_t used[MDEV_TEST_NUM_TYPES];
};

/**
 * struct mdev_test_vendor - a vendor driver
 * @driver: binds to the parents; its name is that of the debugfs directory
 * @ops: what it registers with
 * @nr_parents: parents to make
 * @nr_registered: of these, how many to register when the module is loaded
 * @parents: the parents
 * @op: its callbacks
 * @violations: calls in an order that the interface rules out
 * @serialize: hold @mutex in create and remove, and while registering and
 *	       unregistering a parent through debugfs
 * @mutex: a lock such as vendors have
 * @debugfs: its directory
 */
struct mdev_test_vendor {
	struct platform_driver driver;
	const struct mdev_parent_ops *ops;
	unsigned int nr_parents;
	unsigned int nr_registered;
	struct mdev_test_parent parents[MDEV_TEST_MAX_PARENTS];
	struct mdev_test_op op[MDEV_TEST_NUM_OPS];
	atomic_t violations;
	bool serialize;
	struct mutex mutex;	/* protects nothing, see serialize */
	struct dentry *debugfs;
};

/* Both interrupt kinds that can be masked or not fit one of these. */
struct mdev_test_vector {
	struct eventfd_ctx *trigger;
	bool masked;
	bool pending;
};

#define MDEV_TEST_NUM_VECTORS	(1 + MDEV_TEST_NUM_EDGES + 1)

/**
 * struct mdev_test_device - a mediated device
 * @vendor: its driver
 * @parent: its parent
 * @type: index of its type
 * @lock: protects what follows
 * @open: between open and release
 * @mem: contents of the regions, allocated while open
 * @vector: its interrupts, those of one index after those of another
 * @feature: value of MDEV_TEST_FEATURE
 * @note: the attribute of that name
 * @pinned: mdev_test_pin has a page pinned, or is about to
 * @pinned_pfn: that one
 */
struct mdev_test_device {
	struct mdev_test_vendor *vendor;
	struct mdev_test_parent *parent;
	unsigned int type;
	struct mutex lock;	/* protects all that follows */
	bool open;
	u8 *mem;
	struct mdev_test_vector vector[MDEV_TEST_NUM_VECTORS];
	u64 feature;
	char note[64];
	bool pinned;
	unsigned long pinned_pfn;
};

int mdev_test_vendor_add(struct mdev_test_vendor *vendor, struct module *owner);
void mdev_test_vendor_del(struct mdev_test_vendor *vendor);

int mdev_test_called(struct mdev_test_vendor *vendor, enum mdev_test_op_id id,
		     u64 arg0, u64 arg1, u64 arg2, u64 arg3);

int mdev_test_create(struct mdev_test_vendor *vendor, struct kobject *kobj,
		     struct mdev_device *mdev);
int mdev_test_remove(struct mdev_device *mdev);
int mdev_test_open(struct mdev_device *mdev);
void mdev_test_release(struct mdev_device *mdev);
ssize_t mdev_test_read(struct mdev_device *mdev, char __user *buf,
		       size_t count, loff_t *ppos);
ssize_t mdev_test_write(struct mdev_device *mdev, const char __user *buf,
			size_t count, loff_t *ppos);
int mdev_test_mmap(struct mdev_device *mdev, struct vm_area_struct *vma);

int mdev_test_region_info(struct vfio_region_info *info);
int mdev_test_irq_info(struct vfio_irq_info *info);
int mdev_test_set_irqs(struct mdev_test_device *mt, u32 flags, u32 index,
		       u32 start, u32 count, void *data);
int mdev_test_reset(struct mdev_test_device *mt);
int mdev_test_signal(struct mdev_test_device *mt, u32 index, u32 start);

/* Between mdev_test_parent.c and mdev_test_device.c */
extern const struct attribute_group *mdev_test_device_groups[];
struct mdev_test_parent *mdev_test_get_instance(struct kobject *kobj,
						struct device *dev,
						unsigned int *type);
void mdev_test_put_instance(struct mdev_test_parent *parent, unsigned int type);

#define MDEV_TEST_VENDOR(_name, _ops)					\
	{								\
		.driver.driver.name = _name,				\
		.ops = _ops,						\
		.nr_parents = 2,					\
		.nr_registered = 1,					\
	}

#endif /* _MDEV_TEST_H */
