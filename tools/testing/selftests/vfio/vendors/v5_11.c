// SPDX-License-Identifier: GPL-2.0-only
/*
 * Test vendor driver: as one written to Linux v5.11 and v5.12
 *
 * It is told when the admin wants a device back. What it says of its license
 * is for the tests: such drivers may use what is exported to everybody, and no
 * more. It has no notifier of a virtual machine, no interrupt and no mmap.
 */
#include <linux/delay.h>
#include <linux/iommu.h>
#include <linux/mdev.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/uuid.h>
#include <linux/vfio.h>

#include "vendor_pins.h"

#define V5_NAME		"mdev_v5_11"
#define V5_INSTANCES	8

struct v5_device {
	struct mdev_device *mdev;
	u8 region[VENDOR_REGION_SIZE];
	struct notifier_block notifier;
	struct vendor_pins pins;
};

static atomic_t v5_instances = ATOMIC_INIT(V5_INSTANCES);

static unsigned int v5_requests;
module_param_named(requests, v5_requests, uint, 0644);
MODULE_PARM_DESC(requests, "calls of request callbacks");

static struct miscdevice v5_parent = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = V5_NAME ".0",
};

static struct device *v5_dev(struct vendor_pins *pins, bool parent)
{
	struct v5_device *v5 = container_of(pins, struct v5_device, pins);

	return parent ? mdev_parent_dev(v5->mdev) : mdev_dev(v5->mdev);
}

static int v5_pin(struct vendor_pins *pins, const struct vendor_pages *pages,
		  unsigned long *user_pfn, unsigned long *phys_pfn)
{
	return vfio_pin_pages(v5_dev(pins, pages->parent), user_pfn,
			      pages->npage, pages->prot, phys_pfn);
}

static int v5_unpin(struct vendor_pins *pins, bool parent,
		    unsigned long *user_pfn, int npage)
{
	return vfio_unpin_pages(v5_dev(pins, parent), user_pfn, npage);
}

static long v5_word(void __user *arg)
{
	struct vendor_word word;
	u64 *page;

	if (copy_from_user(&word, arg, sizeof(word)))
		return -EFAULT;
	page = __va(word.phys_pfn << PAGE_SHIFT);
	word.value = *page;
	if (word.write)
		*page = word.new;
	return copy_to_user(arg, &word, sizeof(word)) ? -EFAULT : 0;
}

static int v5_event(struct notifier_block *nb, unsigned long action, void *data)
{
	struct v5_device *v5 = container_of(nb, struct v5_device, notifier);

	if (action == VFIO_IOMMU_NOTIFY_DMA_UNMAP)
		vendor_unmapped(&v5->pins, data);
	return NOTIFY_OK;
}

static long v5_notifier(struct v5_device *v5, void __user *arg)
{
	struct vendor_notifier request;
	unsigned long events;
	long ret;

	if (copy_from_user(&request, arg, sizeof(request)))
		return -EFAULT;
	events = request.events;
	ret = request.on ?
	      vfio_register_notifier(mdev_dev(v5->mdev), request.type, &events,
				     &v5->notifier) :
	      vfio_unregister_notifier(mdev_dev(v5->mdev), request.type,
				       &v5->notifier);
	request.events = events;
	if (copy_to_user(arg, &request, sizeof(request)))
		return -EFAULT;
	return ret;
}

static int v5_open(struct mdev_device *mdev)
{
	struct v5_device *v5 = mdev_get_drvdata(mdev);
	unsigned long events = VFIO_IOMMU_NOTIFY_DMA_UNMAP;

	memset(&v5->pins.news, 0, sizeof(v5->pins.news));
	return vfio_register_notifier(mdev_dev(mdev), VFIO_IOMMU_NOTIFY,
				      &events, &v5->notifier);
}

static void v5_release(struct mdev_device *mdev)
{
	struct v5_device *v5 = mdev_get_drvdata(mdev);

	vfio_unregister_notifier(mdev_dev(mdev), VFIO_IOMMU_NOTIFY,
				 &v5->notifier);
	vendor_unpin_all(&v5->pins);
}

static void v5_request(struct mdev_device *mdev, unsigned int count)
{
	v5_requests++;
}

static ssize_t v5_read(struct mdev_device *mdev, char __user *buf, size_t count,
		       loff_t *ppos)
{
	struct v5_device *v5 = mdev_get_drvdata(mdev);

	if (*ppos >= VENDOR_REGION_SIZE)
		return 0;
	count = min_t(size_t, count, VENDOR_REGION_SIZE - *ppos);
	if (copy_to_user(buf, v5->region + *ppos, count))
		return -EFAULT;
	*ppos += count;
	return count;
}

static ssize_t v5_write(struct mdev_device *mdev, const char __user *buf,
			size_t count, loff_t *ppos)
{
	struct v5_device *v5 = mdev_get_drvdata(mdev);

	if (*ppos >= VENDOR_REGION_SIZE)
		return 0;
	count = min_t(size_t, count, VENDOR_REGION_SIZE - *ppos);
	if (copy_from_user(v5->region + *ppos, buf, count))
		return -EFAULT;
	*ppos += count;
	return count;
}

static long v5_ioctl(struct mdev_device *mdev, unsigned int cmd,
		     unsigned long arg)
{
	struct v5_device *v5 = mdev_get_drvdata(mdev);
	struct vfio_device_info info;
	unsigned long minsz;

	switch (cmd) {
	case VFIO_DEVICE_GET_INFO:
		minsz = offsetofend(struct vfio_device_info, num_irqs);
		if (copy_from_user(&info, (void __user *)arg, minsz))
			return -EFAULT;
		if (info.argsz < minsz)
			return -EINVAL;
		info.flags = 0;
		info.num_regions = 0;
		info.num_irqs = 0;
		if (copy_to_user((void __user *)arg, &info, minsz))
			return -EFAULT;
		return 0;
	case VENDOR_PIN:
	case VENDOR_UNPIN:
		return vendor_pin_ioctl(&v5->pins, cmd, (void __user *)arg);
	case VENDOR_WORD:
		return v5_word((void __user *)arg);
	case VENDOR_NOTIFIER:
		return v5_notifier(v5, (void __user *)arg);
	case VENDOR_NEWS:
		return vendor_news_ioctl(&v5->pins, (void __user *)arg);
	default:
		return -ENOTTY;
	}
}

static int v5_create(struct kobject *kobj, struct mdev_device *mdev)
{
	struct v5_device *v5;

	if (atomic_dec_if_positive(&v5_instances) < 0)
		return -EUSERS;
	v5 = kvzalloc(sizeof(*v5), GFP_KERNEL);
	if (!v5) {
		atomic_inc(&v5_instances);
		return -ENOMEM;
	}
	v5->mdev = mdev;
	v5->notifier.notifier_call = v5_event;
	v5->pins.pin = v5_pin;
	v5->pins.unpin = v5_unpin;
	mutex_init(&v5->pins.lock);
	mdev_set_drvdata(mdev, v5);
	return 0;
}

static int v5_remove(struct mdev_device *mdev)
{
	kvfree(mdev_get_drvdata(mdev));
	atomic_inc(&v5_instances);
	return 0;
}

static ssize_t name_show(struct kobject *kobj, struct device *dev, char *buf)
{
	return sprintf(buf, "One page\n");
}
static MDEV_TYPE_ATTR_RO(name);

static ssize_t device_api_show(struct kobject *kobj, struct device *dev,
			       char *buf)
{
	return sprintf(buf, "%s\n", VFIO_DEVICE_API_PLATFORM_STRING);
}
static MDEV_TYPE_ATTR_RO(device_api);

static ssize_t available_instances_show(struct kobject *kobj,
					struct device *dev, char *buf)
{
	return sprintf(buf, "%d\n", atomic_read(&v5_instances));
}
static MDEV_TYPE_ATTR_RO(available_instances);

static struct attribute *v5_type_attrs[] = {
	&mdev_type_attr_name.attr,
	&mdev_type_attr_device_api.attr,
	&mdev_type_attr_available_instances.attr,
	NULL,
};

static struct attribute_group v5_type_group = {
	.name = "one",
	.attrs = v5_type_attrs,
};

static struct attribute_group *v5_type_groups[] = {
	&v5_type_group,
	NULL,
};

static ssize_t uuid_show(struct device *dev, struct device_attribute *attr,
			 char *buf)
{
	return sprintf(buf, "%pUl\n", mdev_uuid(mdev_from_dev(dev)));
}
static DEVICE_ATTR_RO(uuid);

static ssize_t pin_store(struct device *dev, struct device_attribute *attr,
			 const char *buf, size_t count)
{
	struct v5_device *v5 = mdev_get_drvdata(mdev_from_dev(dev));
	unsigned long user_pfn, phys_pfn;
	int ret;

	ret = kstrtoul(buf, 0, &user_pfn);
	if (ret)
		return ret;
	mutex_lock(&v5->pins.lock);
	ret = vfio_pin_pages(dev, &user_pfn, 1, IOMMU_READ, &phys_pfn);
	if (ret == 1) {
		usleep_range(500, 1000);
		vfio_unpin_pages(dev, &user_pfn, 1);
	}
	mutex_unlock(&v5->pins.lock);
	return ret == 1 ? count : ret;
}
static DEVICE_ATTR_WO(pin);

static struct attribute *v5_device_attrs[] = {
	&dev_attr_uuid.attr,
	&dev_attr_pin.attr,
	NULL,
};

static const struct attribute_group v5_device_group = {
	.name = "vendor",
	.attrs = v5_device_attrs,
};

static const struct attribute_group *v5_device_groups[] = {
	&v5_device_group,
	NULL,
};

static const struct mdev_parent_ops v5_ops = {
	.owner			= THIS_MODULE,
	.mdev_attr_groups	= v5_device_groups,
	.supported_type_groups	= v5_type_groups,
	.create			= v5_create,
	.remove			= v5_remove,
	.open			= v5_open,
	.release		= v5_release,
	.read			= v5_read,
	.write			= v5_write,
	.ioctl			= v5_ioctl,
	.request		= v5_request,
};

static int __init v5_init(void)
{
	int ret;

	ret = misc_register(&v5_parent);
	if (ret)
		return ret;
	ret = mdev_register_device(v5_parent.this_device, &v5_ops);
	if (ret)
		misc_deregister(&v5_parent);
	return ret;
}

static void __exit v5_exit(void)
{
	mdev_unregister_device(v5_parent.this_device);
	misc_deregister(&v5_parent);
}

module_init(v5_init)
module_exit(v5_exit)

MODULE_LICENSE("Proprietary");
MODULE_DESCRIPTION("Mediated devices: test vendor driver as of Linux v5.11");
