// SPDX-License-Identifier: GPL-2.0-only
/*
 * Test vendor driver: with every structured op
 *
 * In a struct that it is to fill it leaves POISON wherever nothing is asked of it.
 *
 * What protects what is told in mdev_test_device.c.
 */
#include <linux/module.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/vfio.h>

#include "mdev_test.h"

#define POISON	0x5a

static struct mdev_test_vendor structured;

/* Answers that make no sense */
enum {
	LAYOUT_RIGHT,
	LAYOUT_MANY_REGIONS,
	LAYOUT_MANY_AREAS,
	LAYOUT_WRAPPING_REGION,
	LAYOUT_NEGATIVE_REGION,
};

static uint layout;
module_param(layout, uint, 0644);
MODULE_PARM_DESC(layout, "what is wrong with the regions (default 0: nothing)");

static int structured_create(struct kobject *kobj, struct mdev_device *mdev)
{
	return mdev_test_create(&structured, kobj, mdev);
}

static long structured_ioctl(struct mdev_device *mdev, unsigned int cmd,
			     unsigned long arg)
{
	int ret;

	ret = mdev_test_called(&structured, MDEV_TEST_OP_IOCTL, cmd, arg, 0, 0);
	if (ret)
		return ret;
	return cmd == MDEV_TEST_ECHO ? arg & INT_MAX : -ENOTTY;
}

static void structured_request(struct mdev_device *mdev, unsigned int count)
{
	mdev_test_called(&structured, MDEV_TEST_OP_REQUEST, count, 0, 0, 0);
	mdev_test_signal(mdev_get_drvdata(mdev), MDEV_TEST_IRQ_REQUEST, 0);
}

static bool structured_can_request(struct mdev_device *mdev)
{
	return !mdev_test_called(&structured, MDEV_TEST_OP_CAN_REQUEST,
				 0, 0, 0, 0);
}

static int structured_get_device_info(struct mdev_device *mdev,
				      struct vfio_device_info *info,
				      struct vfio_info_cap *caps)
{
	struct {
		struct vfio_info_cap_header header;
		u64 word;
	} cap = {
		.header.id = MDEV_TEST_INFO_CAP,
		.header.version = 1,
		.word = MDEV_TEST_INFO_CAP_WORD,
	};
	int ret;

	ret = mdev_test_called(&structured, MDEV_TEST_OP_GET_DEVICE_INFO,
			       0, 0, 0, 0);
	if (ret)
		return ret;
	memset(info, POISON, sizeof(*info));
	info->flags = VFIO_DEVICE_FLAGS_RESET;
	info->num_regions = MDEV_TEST_NUM_REGIONS;
	info->num_irqs = MDEV_TEST_NUM_IRQS;
	if (layout == LAYOUT_MANY_REGIONS)
		info->num_regions = U32_MAX;
	return vfio_info_add_capability(caps, &cap.header, sizeof(cap));
}

static int add_sparse_areas(struct vfio_info_cap *caps)
{
	struct {
		struct vfio_region_info_cap_sparse_mmap sparse;
		struct vfio_region_sparse_mmap_area areas[2];
	} cap = {
		.sparse.header.id = VFIO_REGION_INFO_CAP_SPARSE_MMAP,
		.sparse.header.version = 1,
		.sparse.nr_areas = 2,
		.sparse.reserved = POISON,
		.areas = {
			{ MDEV_TEST_AREA0_OFFSET, MDEV_TEST_AREA0_SIZE },
			{ MDEV_TEST_AREA1_OFFSET, MDEV_TEST_AREA1_SIZE },
		},
	};

	if (layout == LAYOUT_MANY_AREAS)
		cap.sparse.nr_areas = U32_MAX;
	return vfio_info_add_capability(caps, &cap.sparse.header, sizeof(cap));
}

static int add_type(struct vfio_info_cap *caps)
{
	struct vfio_region_info_cap_type type = {
		.header.id = VFIO_REGION_INFO_CAP_TYPE,
		.header.version = 1,
		.type = MDEV_TEST_REGION_TYPE,
		.subtype = MDEV_TEST_REGION_SUBTYPE,
	};
	struct vfio_info_cap_header mappable = {
		.id = VFIO_REGION_INFO_CAP_MSIX_MAPPABLE,
		.version = 1,
	};
	int ret;

	ret = vfio_info_add_capability(caps, &type.header, sizeof(type));
	if (ret)
		return ret;
	return vfio_info_add_capability(caps, &mappable, sizeof(mappable));
}

static int structured_get_region_info(struct mdev_device *mdev,
				      struct vfio_region_info *info,
				      struct vfio_info_cap *caps)
{
	u32 index = info->index;
	int ret;

	ret = mdev_test_called(&structured, MDEV_TEST_OP_GET_REGION_INFO,
			       index, 0, 0, 0);
	if (ret)
		return ret;
	memset(info, POISON, sizeof(*info));
	info->index = index;
	ret = mdev_test_region_info(info);
	info->index = ~index;
	if (ret)
		return ret;
	switch (index) {
	case MDEV_TEST_REGION_REGS:
		if (layout == LAYOUT_WRAPPING_REGION)
			info->offset = -(u64)MDEV_TEST_REGS_SIZE / 2;
		else if (layout == LAYOUT_NEGATIVE_REGION)
			info->offset = S64_MAX - MDEV_TEST_REGS_SIZE / 2;
		return 0;
	case MDEV_TEST_REGION_MEM:
		return add_sparse_areas(caps);
	case MDEV_TEST_REGION_TYPED:
		return add_type(caps);
	default:
		return 0;
	}
}

static int structured_get_irq_info(struct mdev_device *mdev,
				   struct vfio_irq_info *info)
{
	u32 index = info->index;
	int ret;

	ret = mdev_test_called(&structured, MDEV_TEST_OP_GET_IRQ_INFO,
			       index, 0, 0, 0);
	if (ret)
		return ret;
	memset(info, POISON, sizeof(*info));
	info->index = index;
	ret = mdev_test_irq_info(info);
	info->index = ~index;
	return ret;
}

static int structured_set_irqs(struct mdev_device *mdev, u32 flags, u32 index,
			       u32 start, u32 count, void *data)
{
	int ret;

	ret = mdev_test_called(&structured, MDEV_TEST_OP_SET_IRQS, flags, index,
			       start, count);
	if (ret)
		return ret;
	return mdev_test_set_irqs(mdev_get_drvdata(mdev), flags, index, start,
				  count, data);
}

static int structured_reset(struct mdev_device *mdev)
{
	int ret;

	ret = mdev_test_called(&structured, MDEV_TEST_OP_RESET, 0, 0, 0, 0);
	return ret ?: mdev_test_reset(mdev_get_drvdata(mdev));
}

static void structured_dma_unmap(struct mdev_device *mdev, u64 iova, u64 length)
{
	mdev_test_called(&structured, MDEV_TEST_OP_DMA_UNMAP, iova, length,
			 0, 0);
}

static void structured_set_kvm(struct mdev_device *mdev, struct kvm *kvm)
{
	mdev_test_called(&structured, MDEV_TEST_OP_SET_KVM, !!kvm, 0, 0, 0);
}

static int structured_device_feature(struct mdev_device *mdev, u32 flags,
				     void __user *arg, size_t argsz)
{
	struct mdev_test_device *mt = mdev_get_drvdata(mdev);
	int ret;

	ret = mdev_test_called(&structured, MDEV_TEST_OP_DEVICE_FEATURE, flags,
			       argsz, 0, 0);
	if (ret)
		return ret;
	if ((flags & VFIO_DEVICE_FEATURE_MASK) != MDEV_TEST_FEATURE)
		return -ENOTTY;
	ret = vfio_check_feature(flags, argsz, VFIO_DEVICE_FEATURE_GET |
				 VFIO_DEVICE_FEATURE_SET, sizeof(mt->feature));
	if (ret != 1)
		return ret;

	mutex_lock(&mt->lock);
	if (flags & VFIO_DEVICE_FEATURE_SET)
		ret = copy_from_user(&mt->feature, arg, sizeof(mt->feature));
	else
		ret = copy_to_user(arg, &mt->feature, sizeof(mt->feature));
	mutex_unlock(&mt->lock);
	return ret ? -EFAULT : 0;
}

static const struct mdev_parent_ops structured_ops = {
	.owner = THIS_MODULE,
	.create = structured_create,
	.remove = mdev_test_remove,
	.open = mdev_test_open,
	.release = mdev_test_release,
	.read = mdev_test_read,
	.write = mdev_test_write,
	.ioctl = structured_ioctl,
	.mmap = mdev_test_mmap,
	.request = structured_request,
	.get_device_info = structured_get_device_info,
	.get_region_info = structured_get_region_info,
	.get_irq_info = structured_get_irq_info,
	.set_irqs = structured_set_irqs,
	.reset = structured_reset,
	.can_request = structured_can_request,
	.dma_unmap = structured_dma_unmap,
	.set_kvm = structured_set_kvm,
	.device_feature = structured_device_feature,
};

static struct mdev_test_vendor structured =
	MDEV_TEST_VENDOR("mdev_test_structured", &structured_ops);

module_param_named(parents, structured.nr_parents, uint, 0444);
MODULE_PARM_DESC(parents, "parent devices to make (default 2)");
module_param_named(registered, structured.nr_registered, uint, 0444);
MODULE_PARM_DESC(registered, "of these, how many offer types (default 1)");

static int __init structured_init(void)
{
	return mdev_test_vendor_add(&structured, THIS_MODULE);
}
module_init(structured_init);

static void __exit structured_exit(void)
{
	mdev_test_vendor_del(&structured);
}
module_exit(structured_exit);

MODULE_DESCRIPTION("Mediated devices: test vendor driver with structured ops");
MODULE_LICENSE("GPL");
