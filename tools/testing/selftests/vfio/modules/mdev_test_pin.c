// SPDX-License-Identifier: GPL-2.0-only
/*
 * Test vendor driver: pins a page, and learns of its unmapping by a callback
 *
 * A device pins one page at a time. mdev_test_device.lock protects which, and
 * is not held while pages are pinned and unpinned. A second pin is refused, so
 * that only one caller ever gets to do either.
 */
#include <linux/iommu.h>
#include <linux/module.h>
#include <linux/vfio.h>

#include "mdev_test.h"

static struct mdev_test_vendor pin;

static int pin_create(struct kobject *kobj, struct mdev_device *mdev)
{
	return mdev_test_create(&pin, kobj, mdev);
}

static long pin_page(struct mdev_device *mdev, unsigned long pfn)
{
	struct mdev_test_device *mt = mdev_get_drvdata(mdev);
	unsigned long phys_pfn;
	bool busy;
	int ret;

	mutex_lock(&mt->lock);
	busy = mt->pinned;
	mt->pinned = true;
	mt->pinned_pfn = pfn;
	mutex_unlock(&mt->lock);
	if (busy)
		return -EBUSY;

	ret = vfio_pin_pages(mdev_dev(mdev), &pfn, 1, IOMMU_READ | IOMMU_WRITE,
			     &phys_pfn);
	if (ret == 1)
		return 0;
	mutex_lock(&mt->lock);
	mt->pinned = false;
	mutex_unlock(&mt->lock);
	return ret;
}

/* Unpins the page if it is among these. */
static int unpin_page(struct mdev_device *mdev, unsigned long first,
		      unsigned long last)
{
	struct mdev_test_device *mt = mdev_get_drvdata(mdev);
	unsigned long pfn;
	bool mine;

	mutex_lock(&mt->lock);
	pfn = mt->pinned_pfn;
	mine = mt->pinned && pfn >= first && pfn <= last;
	if (mine)
		mt->pinned = false;
	mutex_unlock(&mt->lock);
	return mine ? vfio_unpin_pages(mdev_dev(mdev), &pfn, 1) : 0;
}

static int pin_nulls(struct mdev_device *mdev)
{
	unsigned long pfn = 0, phys_pfn, events = VFIO_IOMMU_NOTIFY_DMA_UNMAP;
	struct device *dev = mdev_dev(mdev);
	struct notifier_block nb = {};
	struct vfio_group *group;
	char data = 0;

	group = vfio_group_get_external_user_from_dev(dev);
	if (IS_ERR(group))
		return __LINE__;
	if (vfio_dma_rw(group, 0, NULL, 1, false) != -EINVAL ||
	    vfio_dma_rw(group, 0, &data, 0, false) != -EINVAL ||
	    vfio_dma_rw(NULL, 0, &data, 1, false) != -EINVAL)
		return __LINE__;
	if (vfio_group_pin_pages(group, NULL, 1, IOMMU_READ, &phys_pfn) !=
	    -EINVAL ||
	    vfio_group_pin_pages(group, &pfn, 1, IOMMU_READ, NULL) != -EINVAL ||
	    vfio_group_unpin_pages(group, NULL, 1) != -EINVAL)
		return __LINE__;
	vfio_group_put_external_user(group);
	vfio_group_put_external_user(NULL);

	if (vfio_group_pin_pages(NULL, &pfn, 1, IOMMU_READ, &phys_pfn) !=
	    -EINVAL ||
	    vfio_group_unpin_pages(NULL, &pfn, 1) != -EINVAL)
		return __LINE__;
	if (vfio_pin_pages(NULL, &pfn, 1, IOMMU_READ, &phys_pfn) != -EINVAL ||
	    vfio_pin_pages(dev, NULL, 1, IOMMU_READ, &phys_pfn) != -EINVAL ||
	    vfio_pin_pages(dev, &pfn, 1, IOMMU_READ, NULL) != -EINVAL ||
	    vfio_unpin_pages(NULL, &pfn, 1) != -EINVAL ||
	    vfio_unpin_pages(dev, NULL, 1) != -EINVAL)
		return __LINE__;
	/* What makes no sense is told before the device is looked at. */
	if (vfio_pin_pages(dev->parent, &pfn, 0, IOMMU_READ, &phys_pfn) !=
	    -EINVAL ||
	    vfio_pin_pages(dev->parent, &pfn, VFIO_PIN_PAGES_MAX_ENTRIES + 1,
			   IOMMU_READ, &phys_pfn) != -E2BIG)
		return __LINE__;
	if (PTR_ERR_OR_ZERO(vfio_group_get_external_user_from_dev(NULL)) !=
	    -ENODEV ||
	    PTR_ERR_OR_ZERO(vfio_group_get_external_user(NULL)) != -EINVAL)
		return __LINE__;
	if (vfio_register_notifier(NULL, VFIO_IOMMU_NOTIFY, &events, &nb) !=
	    -EINVAL ||
	    vfio_register_notifier(dev, VFIO_IOMMU_NOTIFY, NULL, &nb) !=
	    -EINVAL ||
	    vfio_register_notifier(dev, VFIO_IOMMU_NOTIFY, &events, NULL) !=
	    -EINVAL ||
	    vfio_unregister_notifier(NULL, VFIO_IOMMU_NOTIFY, &nb) != -EINVAL ||
	    vfio_unregister_notifier(dev, VFIO_IOMMU_NOTIFY, NULL) != -EINVAL)
		return __LINE__;
	if (mdev_from_dev(NULL) || mdev_register_device(NULL, NULL) != -EINVAL)
		return __LINE__;
	mdev_unregister_device(NULL);
	return 0;
}

static long pin_ioctl(struct mdev_device *mdev, unsigned int cmd,
		      unsigned long arg)
{
	int ret;

	ret = mdev_test_called(&pin, MDEV_TEST_OP_IOCTL, cmd, arg, 0, 0);
	if (ret)
		return ret;

	switch (cmd) {
	case MDEV_TEST_PIN:
		return pin_page(mdev, arg >> PAGE_SHIFT);
	case MDEV_TEST_UNPIN:
		return unpin_page(mdev, 0, ULONG_MAX);
	case MDEV_TEST_PIN_NULLS:
		return pin_nulls(mdev);
	default:
		return -ENOTTY;
	}
}

static void pin_dma_unmap(struct mdev_device *mdev, u64 iova, u64 length)
{
	mdev_test_called(&pin, MDEV_TEST_OP_DMA_UNMAP, iova, length, 0, 0);
	unpin_page(mdev, iova >> PAGE_SHIFT, (iova + length - 1) >> PAGE_SHIFT);
}

static void pin_release(struct mdev_device *mdev)
{
	unpin_page(mdev, 0, ULONG_MAX);
	mdev_test_release(mdev);
}

static const struct mdev_parent_ops pin_ops = {
	.owner = THIS_MODULE,
	.create = pin_create,
	.remove = mdev_test_remove,
	.open = mdev_test_open,
	.release = pin_release,
	.ioctl = pin_ioctl,
	.dma_unmap = pin_dma_unmap,
};

static struct mdev_test_vendor pin = MDEV_TEST_VENDOR("mdev_test_pin",
						      &pin_ops);

static int __init pin_init(void)
{
	return mdev_test_vendor_add(&pin, THIS_MODULE);
}
module_init(pin_init);

static void __exit pin_exit(void)
{
	mdev_test_vendor_del(&pin);
}
module_exit(pin_exit);

MODULE_DESCRIPTION("Mediated devices: test vendor driver that pins");
MODULE_LICENSE("GPL");
