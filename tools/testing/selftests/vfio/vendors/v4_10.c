// SPDX-License-Identifier: GPL-2.0-only
/*
 * Test vendor driver: as one written to Linux v4.10
 *
 * It names devices by uuid_le, pins by the mediated device, hears of unmapping
 * from its open to its release, and its remove may fail. Not to be ported: that
 * it builds as it stands is what it is for. Only guest memory, which it would have
 * got from KVM, it gets as porting.txt says.
 *
 * v4_lock protects the list of devices; a device's lock its pins, what the
 * notifiers were told and the interrupt. No function of VFIO's but those that
 * pin and unpin is called with it held, since a notifier takes it.
 */
#include <linux/device.h>
#include <linux/delay.h>
#include <linux/eventfd.h>
#include <linux/iommu.h>
#include <linux/mdev.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/uuid.h>
#include <linux/vfio.h>
#include <vfio-compat/guest.h>

#include "vendor_pins.h"

#define V4_NAME		"mdev_v4_10"
#define V4_INSTANCES	8

struct v4_device {
	struct list_head next;
	struct mdev_device *mdev;
	uuid_le uuid;
	void *region;
	struct notifier_block iommu_notifier;
	struct notifier_block group_notifier;
	struct vendor_pins pins;	/* whose lock protects what follows */
	struct eventfd_ctx *trigger;
};

static DEFINE_MUTEX(v4_lock);
static LIST_HEAD(v4_devices);
static int v4_instances = V4_INSTANCES;

static struct class *v4_class;
static struct device *v4_parent;

static int v4_remove_error;
module_param_named(remove_error, v4_remove_error, int, 0644);
MODULE_PARM_DESC(remove_error, "errno that remove callbacks fail with");

/* Pages */

static struct device *v4_dev(struct vendor_pins *pins, bool parent)
{
	struct v4_device *v4 = container_of(pins, struct v4_device, pins);

	return parent ? mdev_parent_dev(v4->mdev) : mdev_dev(v4->mdev);
}

static int v4_pin(struct vendor_pins *pins, const struct vendor_pages *pages,
		  unsigned long *user_pfn, unsigned long *phys_pfn)
{
	return vfio_pin_pages(v4_dev(pins, pages->parent), user_pfn,
			      pages->npage, pages->prot, phys_pfn);
}

static int v4_unpin(struct vendor_pins *pins, bool parent,
		    unsigned long *user_pfn, int npage)
{
	return vfio_unpin_pages(v4_dev(pins, parent), user_pfn, npage);
}

static long v4_word(void __user *arg)
{
	struct vendor_word word;
	u64 *page;

	if (copy_from_user(&word, arg, sizeof(word)))
		return -EFAULT;
	if (!pfn_valid(word.phys_pfn))
		return -EINVAL;
	page = page_address(pfn_to_page(word.phys_pfn));
	word.value = *page;
	if (word.write)
		*page = word.new;
	return copy_to_user(arg, &word, sizeof(word)) ? -EFAULT : 0;
}

static long v4_guest(struct v4_device *v4, void __user *arg)
{
	struct device *dev = mdev_dev(v4->mdev);
	struct vendor_dma dma;
	void *data;
	long ret;

	if (copy_from_user(&dma, arg, sizeof(dma)))
		return -EFAULT;
	if (dma.len > VENDOR_REGION_SIZE)
		return -E2BIG;
	data = memdup_user((void __user *)dma.data, dma.len);
	if (IS_ERR(data))
		return PTR_ERR(data);
	ret = dma.write ? vfio_guest_write(dev, dma.iova, data, dma.len) :
			  vfio_guest_read(dev, dma.iova, data, dma.len);
	if (!ret && copy_to_user((void __user *)dma.data, data, dma.len))
		ret = -EFAULT;
	kfree(data);
	return ret;
}

/* Notifiers */

static int v4_iommu_event(struct notifier_block *nb, unsigned long action,
			  void *data)
{
	struct v4_device *v4 = container_of(nb, struct v4_device,
					    iommu_notifier);

	if (action == VFIO_IOMMU_NOTIFY_DMA_UNMAP)
		vendor_unmapped(&v4->pins, data);
	return NOTIFY_OK;
}

static int v4_group_event(struct notifier_block *nb, unsigned long action,
			  void *data)
{
	struct v4_device *v4 = container_of(nb, struct v4_device,
					    group_notifier);

	if (action != VFIO_GROUP_NOTIFY_SET_KVM)
		return NOTIFY_OK;

	mutex_lock(&v4->pins.lock);
	v4->pins.news.kvms++;
	v4->pins.news.kvm = !!data;
	mutex_unlock(&v4->pins.lock);
	return NOTIFY_OK;
}

static long v4_notifier(struct v4_device *v4, void __user *arg)
{
	struct device *dev = mdev_dev(v4->mdev);
	struct vendor_notifier request;
	struct notifier_block *nb;
	unsigned long events;
	long ret;

	if (copy_from_user(&request, arg, sizeof(request)))
		return -EFAULT;
	nb = request.type == VFIO_GROUP_NOTIFY ? &v4->group_notifier :
						 &v4->iommu_notifier;
	events = request.events;
	ret = request.on ?
	      vfio_register_notifier(dev, request.type, &events, nb) :
	      vfio_unregister_notifier(dev, request.type, nb);
	request.events = events;
	if (copy_to_user(arg, &request, sizeof(request)))
		return -EFAULT;
	return ret;
}

static int v4_open(struct mdev_device *mdev)
{
	struct v4_device *v4 = mdev_get_drvdata(mdev);
	unsigned long events = VFIO_IOMMU_NOTIFY_DMA_UNMAP;
	int ret;

	memset(&v4->pins.news, 0, sizeof(v4->pins.news));
	v4->iommu_notifier.notifier_call = v4_iommu_event;
	v4->group_notifier.notifier_call = v4_group_event;

	ret = vfio_register_notifier(mdev_dev(mdev), VFIO_IOMMU_NOTIFY, &events,
				     &v4->iommu_notifier);
	if (ret)
		return ret;

	events = VFIO_GROUP_NOTIFY_SET_KVM;
	ret = vfio_register_notifier(mdev_dev(mdev), VFIO_GROUP_NOTIFY, &events,
				     &v4->group_notifier);
	if (ret)
		vfio_unregister_notifier(mdev_dev(mdev), VFIO_IOMMU_NOTIFY,
					 &v4->iommu_notifier);
	return ret;
}

static void v4_release(struct mdev_device *mdev)
{
	struct v4_device *v4 = mdev_get_drvdata(mdev);

	vfio_unregister_notifier(mdev_dev(mdev), VFIO_GROUP_NOTIFY,
				 &v4->group_notifier);
	vfio_unregister_notifier(mdev_dev(mdev), VFIO_IOMMU_NOTIFY,
				 &v4->iommu_notifier);

	vendor_unpin_all(&v4->pins);
	mutex_lock(&v4->pins.lock);
	if (v4->trigger) {
		eventfd_ctx_put(v4->trigger);
		v4->trigger = NULL;
	}
	mutex_unlock(&v4->pins.lock);
}

/* The device's file */

static ssize_t v4_read(struct mdev_device *mdev, char __user *buf, size_t count,
		       loff_t *ppos)
{
	struct v4_device *v4 = mdev_get_drvdata(mdev);

	return simple_read_from_buffer(buf, count, ppos, v4->region,
				       VENDOR_REGION_SIZE);
}

static ssize_t v4_write(struct mdev_device *mdev, const char __user *buf,
			size_t count, loff_t *ppos)
{
	struct v4_device *v4 = mdev_get_drvdata(mdev);

	return simple_write_to_buffer(v4->region, VENDOR_REGION_SIZE, ppos, buf,
				      count);
}

static int v4_mmap(struct mdev_device *mdev, struct vm_area_struct *vma)
{
	struct v4_device *v4 = mdev_get_drvdata(mdev);

	if (vma->vm_pgoff || vma->vm_end - vma->vm_start > VENDOR_REGION_SIZE)
		return -EINVAL;
	vma->vm_flags |= VM_IO | VM_DONTEXPAND | VM_DONTDUMP;
	vma->vm_flags &= ~VM_MAYEXEC;
	return remap_pfn_range(vma, vma->vm_start,
			       virt_to_phys(v4->region) >> PAGE_SHIFT,
			       vma->vm_end - vma->vm_start, vma->vm_page_prot);
}

static long v4_get_info(void __user *arg)
{
	size_t minsz = offsetofend(struct vfio_device_info, num_irqs);
	struct vfio_device_info info;

	if (copy_from_user(&info, arg, minsz))
		return -EFAULT;
	if (info.argsz < minsz)
		return -EINVAL;
	info.flags = VFIO_DEVICE_FLAGS_RESET;
	info.num_regions = 1;
	info.num_irqs = 1;
	return copy_to_user(arg, &info, minsz) ? -EFAULT : 0;
}

static long v4_get_region_info(void __user *arg)
{
	size_t minsz = offsetofend(struct vfio_region_info, offset);
	struct vfio_region_info info;

	if (copy_from_user(&info, arg, minsz))
		return -EFAULT;
	if (info.argsz < minsz || info.index)
		return -EINVAL;
	info.flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE |
		     VFIO_REGION_INFO_FLAG_MMAP;
	info.cap_offset = 0;
	info.size = VENDOR_REGION_SIZE;
	info.offset = 0;
	return copy_to_user(arg, &info, minsz) ? -EFAULT : 0;
}

static long v4_get_irq_info(void __user *arg)
{
	size_t minsz = offsetofend(struct vfio_irq_info, count);
	struct vfio_irq_info info;

	if (copy_from_user(&info, arg, minsz))
		return -EFAULT;
	if (info.argsz < minsz || info.index)
		return -EINVAL;
	info.flags = VFIO_IRQ_INFO_EVENTFD;
	info.count = 1;
	return copy_to_user(arg, &info, minsz) ? -EFAULT : 0;
}

static long v4_set_irqs(struct v4_device *v4, void __user *arg)
{
	size_t minsz = offsetofend(struct vfio_irq_set, count);
	struct eventfd_ctx *trigger = NULL;
	struct vfio_irq_set set;
	size_t size;
	int ret, fd;

	if (copy_from_user(&set, arg, minsz))
		return -EFAULT;
	ret = vfio_set_irqs_validate_and_prepare(&set, 1, 1, &size);
	if (ret)
		return ret;
	if (size) {
		if (copy_from_user(&fd, arg + minsz, sizeof(fd)))
			return -EFAULT;
		trigger = eventfd_ctx_fdget(fd);
		if (IS_ERR(trigger))
			return PTR_ERR(trigger);
	}

	mutex_lock(&v4->pins.lock);
	swap(v4->trigger, trigger);
	mutex_unlock(&v4->pins.lock);
	if (trigger)
		eventfd_ctx_put(trigger);
	return 0;
}

static long v4_signal(struct v4_device *v4)
{
	mutex_lock(&v4->pins.lock);
	if (v4->trigger)
		eventfd_signal(v4->trigger, 1);
	mutex_unlock(&v4->pins.lock);
	return 0;
}

static long v4_ioctl(struct mdev_device *mdev, unsigned int cmd,
		     unsigned long data)
{
	struct v4_device *v4 = mdev_get_drvdata(mdev);
	void __user *arg = (void __user *)data;

	switch (cmd) {
	case VFIO_DEVICE_GET_INFO:
		return v4_get_info(arg);
	case VFIO_DEVICE_GET_REGION_INFO:
		return v4_get_region_info(arg);
	case VFIO_DEVICE_GET_IRQ_INFO:
		return v4_get_irq_info(arg);
	case VFIO_DEVICE_SET_IRQS:
		return v4_set_irqs(v4, arg);
	case VFIO_DEVICE_RESET:
		memset(v4->region, 0, VENDOR_REGION_SIZE);
		return 0;
	case VENDOR_PIN:
	case VENDOR_UNPIN:
		return vendor_pin_ioctl(&v4->pins, cmd, arg);
	case VENDOR_WORD:
		return v4_word(arg);
	case VENDOR_NOTIFIER:
		return v4_notifier(v4, arg);
	case VENDOR_NEWS:
		return vendor_news_ioctl(&v4->pins, arg);
	case VENDOR_SIGNAL:
		return v4_signal(v4);
	case VENDOR_GUEST:
		return v4_guest(v4, arg);
	default:
		return -ENOTTY;
	}
}

/* Life */

static int v4_create(struct kobject *kobj, struct mdev_device *mdev)
{
	struct v4_device *v4;

	if (strcmp(kobj->name, V4_NAME "-one"))
		return -EINVAL;

	v4 = kvzalloc(sizeof(*v4), GFP_KERNEL);
	if (!v4)
		return -ENOMEM;
	v4->region = (void *)get_zeroed_page(GFP_KERNEL);
	if (!v4->region) {
		kvfree(v4);
		return -ENOMEM;
	}
	v4->mdev = mdev;
	v4->uuid = mdev_uuid(mdev);
	v4->pins.pin = v4_pin;
	v4->pins.unpin = v4_unpin;
	mutex_init(&v4->pins.lock);

	mutex_lock(&v4_lock);
	if (!v4_instances) {
		mutex_unlock(&v4_lock);
		free_page((unsigned long)v4->region);
		kvfree(v4);
		return -EUSERS;
	}
	v4_instances--;
	list_add(&v4->next, &v4_devices);
	mutex_unlock(&v4_lock);

	mdev_set_drvdata(mdev, v4);
	return 0;
}

static int v4_remove(struct mdev_device *mdev)
{
	struct v4_device *v4 = mdev_get_drvdata(mdev);

	mutex_lock(&v4_lock);
	list_del(&v4->next);
	v4_instances++;
	mutex_unlock(&v4_lock);

	mdev_set_drvdata(mdev, NULL);
	free_page((unsigned long)v4->region);
	kvfree(v4);
	return -v4_remove_error;
}

/* Attributes */

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
	return sprintf(buf, "%d\n", v4_instances);
}
static MDEV_TYPE_ATTR_RO(available_instances);

static struct attribute *v4_type_attrs[] = {
	&mdev_type_attr_name.attr,
	&mdev_type_attr_device_api.attr,
	&mdev_type_attr_available_instances.attr,
	NULL,
};

static struct attribute_group v4_type_group = {
	.name = "one",
	.attrs = v4_type_attrs,
};

static struct attribute_group *v4_type_groups[] = {
	&v4_type_group,
	NULL,
};

/* Finds its device as drivers did that kept a list of them. */
static ssize_t uuid_show(struct device *dev, struct device_attribute *attr,
			 char *buf)
{
	struct mdev_device *mdev = mdev_from_dev(dev);
	struct v4_device *v4;
	ssize_t len = -ENODEV;

	mutex_lock(&v4_lock);
	list_for_each_entry(v4, &v4_devices, next) {
		if (!uuid_le_cmp(v4->uuid, mdev_uuid(mdev)))
			len = sprintf(buf, "%pUl\n", &v4->uuid);
	}
	mutex_unlock(&v4_lock);
	return len;
}
static DEVICE_ATTR_RO(uuid);

/* Pins a page for a moment, whether the device is open or not. */
static ssize_t pin_store(struct device *dev, struct device_attribute *attr,
			 const char *buf, size_t count)
{
	struct v4_device *v4 = mdev_get_drvdata(mdev_from_dev(dev));
	unsigned long user_pfn, phys_pfn;
	int ret;

	ret = kstrtoul(buf, 0, &user_pfn);
	if (ret)
		return ret;
	mutex_lock(&v4->pins.lock);
	ret = vfio_pin_pages(dev, &user_pfn, 1, IOMMU_READ, &phys_pfn);
	if (ret == 1) {
		usleep_range(500, 1000);
		vfio_unpin_pages(dev, &user_pfn, 1);
	}
	mutex_unlock(&v4->pins.lock);
	return ret == 1 ? count : ret;
}
static DEVICE_ATTR_WO(pin);

static struct attribute *v4_device_attrs[] = {
	&dev_attr_uuid.attr,
	&dev_attr_pin.attr,
	NULL,
};

static const struct attribute_group v4_device_group = {
	.name = "vendor",
	.attrs = v4_device_attrs,
};

static const struct attribute_group *v4_device_groups[] = {
	&v4_device_group,
	NULL,
};

static ssize_t instances_show(struct device *dev, struct device_attribute *attr,
			      char *buf)
{
	return sprintf(buf, "%d\n", V4_INSTANCES);
}
static DEVICE_ATTR_RO(instances);

static struct attribute *v4_parent_attrs[] = {
	&dev_attr_instances.attr,
	NULL,
};

static const struct attribute_group v4_parent_group = {
	.name = "vendor",
	.attrs = v4_parent_attrs,
};

static const struct attribute_group *v4_parent_groups[] = {
	&v4_parent_group,
	NULL,
};

static const struct mdev_parent_ops v4_ops = {
	.owner			= THIS_MODULE,
	.dev_attr_groups	= v4_parent_groups,
	.mdev_attr_groups	= v4_device_groups,
	.supported_type_groups	= v4_type_groups,
	.create			= v4_create,
	.remove			= v4_remove,
	.open			= v4_open,
	.release		= v4_release,
	.read			= v4_read,
	.write			= v4_write,
	.ioctl			= v4_ioctl,
	.mmap			= v4_mmap,
};

static int __init v4_init(void)
{
	int ret;

	v4_class = class_create(THIS_MODULE, V4_NAME);
	if (IS_ERR(v4_class))
		return PTR_ERR(v4_class);

	v4_parent = device_create(v4_class, NULL, MKDEV(0, 0), NULL, V4_NAME ".0");
	if (IS_ERR(v4_parent)) {
		ret = PTR_ERR(v4_parent);
		goto destroy_class;
	}

	ret = mdev_register_device(v4_parent, &v4_ops);
	if (ret)
		goto unregister_parent;
	return 0;

unregister_parent:
	device_unregister(v4_parent);
destroy_class:
	class_destroy(v4_class);
	return ret;
}

static void __exit v4_exit(void)
{
	mdev_unregister_device(v4_parent);
	device_unregister(v4_parent);
	class_destroy(v4_class);
}

module_init(v4_init)
module_exit(v4_exit)

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Mediated devices: test vendor driver as of Linux v4.10");
