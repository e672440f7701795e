// SPDX-License-Identifier: GPL-2.0-only
/*
 * Test vendor drivers: parents, types and the controls in debugfs
 *
 * A vendor driver owns a handful of platform devices, made when its module is
 * loaded. Each is bound to the vendor's platform driver for as long as
 * user space does not unbind it, and is registered with mdev.ko from the time
 * it is bound (the first ones) or told so in debugfs, until it is unbound,
 * told so, or the module goes. mdev_test_parent.lock makes one of these
 * happen at a time. It is held while mdev.ko waits for open devices, so no
 * callback takes it.
 *
 * /sys/kernel/debug/<driver>/:
 *   register	  "<index> [defect]": register a parent, with ops that lack or
 *		  spoil something; the write fails as the registration does
 *   unregister	  "<index>"
 *   release_driver "<index>": take the driver from the parent's devices without
 *		  mdev.ko, as no vendor should
 *   clear	  have the other files, and those of the callbacks, say no and 0
 *   serialize	  see struct mdev_test_vendor
 *   violations	  calls in an order that the interface rules out
 *   <callback>/  see struct mdev_test_op
 */
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/nodemask.h>
#include <linux/nospec.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include <vfio-compat/device.h>

#include "mdev_test.h"

static const char * const op_names[MDEV_TEST_NUM_OPS] = {
	[MDEV_TEST_OP_CREATE] = "create",
	[MDEV_TEST_OP_REMOVE] = "remove",
	[MDEV_TEST_OP_OPEN] = "open",
	[MDEV_TEST_OP_RELEASE] = "release",
	[MDEV_TEST_OP_READ] = "read",
	[MDEV_TEST_OP_WRITE] = "write",
	[MDEV_TEST_OP_IOCTL] = "ioctl",
	[MDEV_TEST_OP_MMAP] = "mmap",
	[MDEV_TEST_OP_REQUEST] = "request",
	[MDEV_TEST_OP_GET_DEVICE_INFO] = "get_device_info",
	[MDEV_TEST_OP_GET_REGION_INFO] = "get_region_info",
	[MDEV_TEST_OP_GET_IRQ_INFO] = "get_irq_info",
	[MDEV_TEST_OP_SET_IRQS] = "set_irqs",
	[MDEV_TEST_OP_RESET] = "reset",
	[MDEV_TEST_OP_CAN_REQUEST] = "can_request",
	[MDEV_TEST_OP_DMA_UNMAP] = "dma_unmap",
	[MDEV_TEST_OP_SET_KVM] = "set_kvm",
	[MDEV_TEST_OP_DEVICE_FEATURE] = "device_feature",
};

/**
 * mdev_test_called - to be called first in each callback
 * @vendor: driver
 * @id: callback
 * @arg0: what it was called with, to be seen in debugfs; likewise:
 * @arg1: second
 * @arg2: third
 * @arg3: fourth
 *
 * Return: 0, or the error that the callback is to fail with. A delay ends early
 * when it is set to 0.
 */
int mdev_test_called(struct mdev_test_vendor *vendor, enum mdev_test_op_id id,
		     u64 arg0, u64 arg1, u64 arg2, u64 arg3)
{
	struct mdev_test_op *op = &vendor->op[id];
	u32 error = READ_ONCE(op->error);
	u32 nth = READ_ONCE(op->nth);
	u32 slept, call;

	op->args[0] = arg0;
	op->args[1] = arg1;
	op->args[2] = arg2;
	op->args[3] = arg3;
	call = atomic_inc_return(&op->calls);

	for (slept = 0; slept < READ_ONCE(op->delay); slept += 20)
		msleep(20);

	return error && (!nth || nth == call) ? -(int)error : 0;
}
EXPORT_SYMBOL_GPL(mdev_test_called);

/* Types */

static const struct {
	const char *label;
	int max;
} types[MDEV_TEST_NUM_TYPES] = {
	{ "single", 1 },
	{ "few", 3 },
	{ "many", 64 },
};

static struct mdev_test_parent *to_parent(struct device *dev)
{
	return *(struct mdev_test_parent **)dev_get_platdata(dev);
}

static unsigned int type_index(struct kobject *kobj)
{
	const char *label = strrchr(kobject_name(kobj), '-') + 1;
	unsigned int i;

	for (i = 0; i < MDEV_TEST_NUM_TYPES - 1; i++)
		if (!strcmp(label, types[i].label))
			break;
	return i;
}

/**
 * mdev_test_get_instance - count a new device of the type @kobj
 * @kobj: the type's directory
 * @dev: the parent
 * @type: where the type's index goes
 *
 * Return: the parent, or NULL if there are as many as there can be
 */
struct mdev_test_parent *mdev_test_get_instance(struct kobject *kobj,
						struct device *dev,
						unsigned int *type)
{
	struct mdev_test_parent *parent = to_parent(dev);

	*type = type_index(kobj);
	if (atomic_add_unless(&parent->used[*type], 1, types[*type].max))
		return parent;
	return NULL;
}

void mdev_test_put_instance(struct mdev_test_parent *parent, unsigned int type)
{
	atomic_dec(&parent->used[type]);
}

static ssize_t name_show(struct kobject *kobj, struct device *dev, char *buf)
{
	return sysfs_emit(buf, "Test device %s\n", types[type_index(kobj)].label);
}
static MDEV_TYPE_ATTR_RO(name);

static ssize_t description_show(struct kobject *kobj, struct device *dev,
				char *buf)
{
	unsigned int type = type_index(kobj);

	return sysfs_emit(buf, "regions: %u\ninterrupts: %u\ninstances: %d\n",
			  MDEV_TEST_NUM_REGIONS, MDEV_TEST_NUM_IRQS,
			  types[type].max);
}
static MDEV_TYPE_ATTR_RO(description);

static ssize_t device_api_show(struct kobject *kobj, struct device *dev,
			       char *buf)
{
	return sysfs_emit(buf, "%s\n", VFIO_DEVICE_API_PCI_STRING);
}
static MDEV_TYPE_ATTR_RO(device_api);

static ssize_t available_instances_show(struct kobject *kobj,
					struct device *dev, char *buf)
{
	unsigned int type = type_index(kobj);

	return sysfs_emit(buf, "%d\n", types[type].max -
			  atomic_read(&to_parent(dev)->used[type]));
}
static MDEV_TYPE_ATTR_RO(available_instances);

/* Neither shown nor stored: both ways of use are EIO. */
static MDEV_TYPE_ATTR(mute, 0644, NULL, NULL);

static struct attribute *type_attrs[] = {
	&mdev_type_attr_name.attr,
	&mdev_type_attr_description.attr,
	&mdev_type_attr_device_api.attr,
	&mdev_type_attr_available_instances.attr,
	&mdev_type_attr_mute.attr,
	NULL
};

static struct attribute_group single_type = {
	.name = "single", .attrs = type_attrs };
static struct attribute_group few_type = {
	.name = "few", .attrs = type_attrs };
static struct attribute_group many_type = {
	.name = "many", .attrs = type_attrs };
static struct attribute_group nameless_type = {
	.name = "", .attrs = type_attrs };

static struct attribute_group *all_types[] = {
	&single_type, &few_type, &many_type, NULL
};

static struct attribute_group *nameless_types[] = {
	&single_type, &nameless_type, &many_type, NULL
};

static struct attribute_group *same_types[] = {
	&single_type, &few_type, &single_type, NULL
};

static struct attribute_group slash_type = {
	.name = "a/b", .attrs = type_attrs };
static struct attribute_group mark_type = {
	.name = "a!b", .attrs = type_attrs };

/* sysfs has no slash in a name */
static struct attribute_group *alike_types[] = {
	&mark_type, &few_type, &slash_type, NULL
};

/* Attributes of the parent, while it is registered */

static ssize_t vendor_show(struct device *dev, struct device_attribute *attr,
			   char *buf)
{
	return sysfs_emit(buf, "%s\n",
			  to_parent(dev)->vendor->driver.driver.name);
}
static DEVICE_ATTR_RO(vendor);

static struct attribute *parent_attrs[] = {
	&dev_attr_vendor.attr,
	NULL
};

static const struct attribute_group parent_group = {
	.name = "mdev_test",
	.attrs = parent_attrs,
};

static const struct attribute_group *parent_groups[] = {
	&parent_group,
	NULL
};

/* Ways to get a registration wrong */

static void defect_no_types(struct mdev_parent_ops *ops)
{
	ops->supported_type_groups = NULL;
}

static void defect_nameless_type(struct mdev_parent_ops *ops)
{
	ops->supported_type_groups = nameless_types;
}

static void defect_same_type(struct mdev_parent_ops *ops)
{
	ops->supported_type_groups = same_types;
}

static void defect_alike_type(struct mdev_parent_ops *ops)
{
	ops->supported_type_groups = alike_types;
}

static const struct {
	const char *name;
	void (*apply)(struct mdev_parent_ops *ops);
} defects[] = {
	{ "no-types", defect_no_types },
	{ "nameless-type", defect_nameless_type },
	{ "same-type", defect_same_type },
	{ "alike-type", defect_alike_type },
};

/* Callbacks that can be left out, as "no-<callback>" */
static const struct {
	const char *name;
	size_t offset;
} optional[] = {
#define OPTIONAL(_op) { "no-" #_op, offsetof(struct mdev_parent_ops, _op) }
	OPTIONAL(create),
	OPTIONAL(remove),
	OPTIONAL(open),
	OPTIONAL(release),
	OPTIONAL(read),
	OPTIONAL(write),
	OPTIONAL(ioctl),
	OPTIONAL(mmap),
	OPTIONAL(request),
	OPTIONAL(get_device_info),
	OPTIONAL(get_region_info),
	OPTIONAL(get_irq_info),
	OPTIONAL(set_irqs),
	OPTIONAL(reset),
	OPTIONAL(can_request),
	OPTIONAL(dma_unmap),
	OPTIONAL(set_kvm),
	OPTIONAL(device_feature),
#undef OPTIONAL
};

static int apply_defect(struct mdev_parent_ops *ops, const char *name)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(defects); i++) {
		if (!strcmp(name, defects[i].name)) {
			defects[i].apply(ops);
			return 0;
		}
	}
	for (i = 0; i < ARRAY_SIZE(optional); i++) {
		if (!strcmp(name, optional[i].name)) {
			*(void **)((void *)ops + optional[i].offset) = NULL;
			return 0;
		}
	}
	return -ENOENT;
}

/* One that is not in sysfs yet */
static int register_unadded(const struct mdev_parent_ops *ops)
{
	struct platform_device *pdev;
	int ret;

	pdev = platform_device_alloc("mdev_test_unadded", PLATFORM_DEVID_NONE);
	if (!pdev)
		return -ENOMEM;
	ret = mdev_register_device(&pdev->dev, ops);
	if (!ret)
		mdev_unregister_device(&pdev->dev);
	platform_device_put(pdev);
	return ret;
}

static int register_parent(struct mdev_test_parent *parent, const char *defect)
{
	struct mdev_parent_ops ops = *parent->vendor->ops;
	int ret;

	ops.supported_type_groups = all_types;
	ops.dev_attr_groups = parent_groups;
	ops.mdev_attr_groups = mdev_test_device_groups;
	if (!strcmp(defect, "unadded"))
		return register_unadded(&ops);
	if (*defect) {
		ret = apply_defect(&ops, defect);
		if (ret)
			return ret;
	}

	mutex_lock(&parent->lock);
	if (!parent->registered)
		parent->ops = ops;
	ret = mdev_register_device(&parent->pdev->dev, &parent->ops);
	if (!ret)
		parent->registered = true;
	mutex_unlock(&parent->lock);
	return ret;
}

static void unregister_parent(struct mdev_test_parent *parent)
{
	mutex_lock(&parent->lock);
	mdev_unregister_device(&parent->pdev->dev);
	parent->registered = false;
	mutex_unlock(&parent->lock);
}

/* The platform driver */

static void unregister_action(void *data)
{
	struct mdev_test_parent *parent = data;

	if (parent->registered)
		unregister_parent(parent);
}

static int mdev_test_probe(struct platform_device *pdev)
{
	struct mdev_test_parent *parent = to_parent(&pdev->dev);
	int ret = 0;

	parent->pdev = pdev;
	if (parent->index < parent->vendor->nr_registered)
		ret = register_parent(parent, "");
	if (ret)
		return ret;
	return devm_add_action_or_reset(&pdev->dev, unregister_action, parent);
}

/* Controls */

static ssize_t control_write(struct file *file, const char __user *ubuf,
			     size_t count,
			     int (*control)(struct mdev_test_parent *parent,
					    const char *word))
{
	struct mdev_test_vendor *vendor = file->private_data;
	char buf[32] = "", word[32] = "";
	unsigned int index;
	bool locked;
	int ret;

	if (count >= sizeof(buf))
		return -EINVAL;
	if (copy_from_user(buf, ubuf, count))
		return -EFAULT;
	if (sscanf(buf, "%u %31s", &index, word) < 1)
		return -EINVAL;
	if (index >= vendor->nr_parents)
		return -ENXIO;
	index = array_index_nospec(index, vendor->nr_parents);
	if (!vendor->parents[index].pdev)
		return -ENXIO;

	locked = vendor->serialize;
	if (locked)
		mutex_lock(&vendor->mutex);
	ret = control(&vendor->parents[index], word);
	if (locked)
		mutex_unlock(&vendor->mutex);
	return ret ?: count;
}

static ssize_t register_write(struct file *file, const char __user *ubuf,
			      size_t count, loff_t *ppos)
{
	return control_write(file, ubuf, count, register_parent);
}

static int unregister_control(struct mdev_test_parent *parent, const char *word)
{
	unregister_parent(parent);
	return 0;
}

static ssize_t unregister_write(struct file *file, const char __user *ubuf,
				size_t count, loff_t *ppos)
{
	return control_write(file, ubuf, count, unregister_control);
}

static int release_driver(struct device *dev, void *unused)
{
	if (mdev_from_dev(dev))
		device_release_driver(dev);
	return 0;
}

static int release_control(struct mdev_test_parent *parent, const char *word)
{
	return device_for_each_child(&parent->pdev->dev, NULL, release_driver);
}

static ssize_t release_write(struct file *file, const char __user *ubuf,
			     size_t count, loff_t *ppos)
{
	return control_write(file, ubuf, count, release_control);
}

static const struct file_operations register_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = register_write,
};

static const struct file_operations unregister_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = unregister_write,
};

static const struct file_operations release_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = release_write,
};

static ssize_t clear_write(struct file *file, const char __user *ubuf,
			   size_t count, loff_t *ppos)
{
	struct mdev_test_vendor *vendor = file->private_data;
	unsigned int i;

	WRITE_ONCE(vendor->serialize, false);
	atomic_set(&vendor->violations, 0);
	for (i = 0; i < MDEV_TEST_NUM_OPS; i++) {
		struct mdev_test_op *op = &vendor->op[i];

		WRITE_ONCE(op->error, 0);
		WRITE_ONCE(op->nth, 0);
		WRITE_ONCE(op->delay, 0);
		atomic_set(&op->calls, 0);
	}
	return count;
}

static const struct file_operations clear_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = clear_write,
};

static void make_debugfs(struct mdev_test_vendor *vendor)
{
	struct dentry *dir, *root;
	unsigned int i;

	root = debugfs_create_dir(vendor->driver.driver.name, NULL);
	vendor->debugfs = root;
	debugfs_create_file("register", 0200, root, vendor, &register_fops);
	debugfs_create_file("unregister", 0200, root, vendor, &unregister_fops);
	debugfs_create_file("release_driver", 0200, root, vendor, &release_fops);
	debugfs_create_file("clear", 0200, root, vendor, &clear_fops);
	debugfs_create_bool("serialize", 0600, root, &vendor->serialize);
	debugfs_create_atomic_t("violations", 0600, root, &vendor->violations);

	for (i = 0; i < MDEV_TEST_NUM_OPS; i++) {
		struct mdev_test_op *op = &vendor->op[i];

		dir = debugfs_create_dir(op_names[i], root);
		debugfs_create_atomic_t("calls", 0600, dir, &op->calls);
		debugfs_create_u32("error", 0600, dir, &op->error);
		debugfs_create_u32("nth", 0600, dir, &op->nth);
		debugfs_create_u32("delay", 0600, dir, &op->delay);
		debugfs_create_u64("arg0", 0400, dir, &op->args[0]);
		debugfs_create_u64("arg1", 0400, dir, &op->args[1]);
		debugfs_create_u64("arg2", 0400, dir, &op->args[2]);
		debugfs_create_u64("arg3", 0400, dir, &op->args[3]);
	}
}

static struct platform_device *make_platform_device(struct mdev_test_parent *parent)
{
	struct platform_device *pdev;
	int ret;

	pdev = platform_device_alloc(parent->vendor->driver.driver.name,
				     parent->index);
	if (!pdev)
		return ERR_PTR(-ENOMEM);

	/* A place among the processors, as a PCI device has */
	set_dev_node(&pdev->dev, first_online_node);
	ret = platform_device_add_data(pdev, &parent, sizeof(parent));
	if (!ret)
		ret = platform_device_add(pdev);
	if (ret) {
		platform_device_put(pdev);
		return ERR_PTR(ret);
	}
	return pdev;
}

/**
 * mdev_test_vendor_add - make a vendor driver's parents and controls
 * @vendor: driver
 * @owner: its module
 *
 * Return: 0 or an error
 */
int mdev_test_vendor_add(struct mdev_test_vendor *vendor, struct module *owner)
{
	unsigned int i;
	int ret;

	if (vendor->nr_parents > MDEV_TEST_MAX_PARENTS)
		return -EINVAL;

	mutex_init(&vendor->mutex);
	vendor->driver.probe = mdev_test_probe;
	ret = vfio_compat_platform_register(&vendor->driver, owner);
	if (ret)
		return ret;

	for (i = 0; i < vendor->nr_parents; i++) {
		struct mdev_test_parent *parent = &vendor->parents[i];
		struct platform_device *pdev;

		mutex_init(&parent->lock);
		lockdep_set_class(&parent->lock, &parent->key);
		parent->vendor = vendor;
		parent->index = i;
		pdev = make_platform_device(parent);
		if (IS_ERR(pdev)) {
			mdev_test_vendor_del(vendor);
			return PTR_ERR(pdev);
		}
		parent->pdev = pdev;
	}

	make_debugfs(vendor);
	return 0;
}
EXPORT_SYMBOL_GPL(mdev_test_vendor_add);

/**
 * mdev_test_vendor_del - undo mdev_test_vendor_add()
 * @vendor: driver
 *
 * Waits for the users of its devices.
 */
void mdev_test_vendor_del(struct mdev_test_vendor *vendor)
{
	unsigned int i;

	debugfs_remove_recursive(vendor->debugfs);
	for (i = 0; i < vendor->nr_parents; i++)
		platform_device_unregister(vendor->parents[i].pdev);
	platform_driver_unregister(&vendor->driver);
}
EXPORT_SYMBOL_GPL(mdev_test_vendor_del);

MODULE_DESCRIPTION("Mediated devices: what the test vendor drivers share");
MODULE_LICENSE("GPL");
