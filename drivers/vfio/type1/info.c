// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a user is told: VFIO_IOMMU_GET_INFO with its capabilities, and
 * VFIO_CHECK_EXTENSION.
 */
#include <linux/slab.h>
#include <linux/uaccess.h>

#include <vfio-compat/iommu.h>

#include "type1.h"

static int add_ranges(struct t1_container *c, struct vfio_info_cap *caps)
{
	struct vfio_iommu_type1_info_cap_iova_range *cap;
	size_t size;
	unsigned int i;
	int ret;

	if (!c->ranges)
		return 0;
	size = struct_size(cap, iova_ranges, c->ranges->n);
	cap = kzalloc(size, GFP_KERNEL);
	if (!cap)
		return -ENOMEM;
	cap->header.id = VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE;
	cap->header.version = 1;
	cap->nr_iovas = c->ranges->n;
	for (i = 0; i < c->ranges->n; i++) {
		cap->iova_ranges[i].start = c->ranges->range[i].start;
		cap->iova_ranges[i].end = c->ranges->range[i].last;
	}
	ret = vfio_info_add_capability(caps, &cap->header, size);
	kfree(cap);
	return ret;
}

static int add_caps(struct t1_container *c, struct vfio_info_cap *caps)
{
	struct vfio_iommu_type1_info_cap_migration migration = {
		.header.id = VFIO_IOMMU_TYPE1_INFO_CAP_MIGRATION,
		.header.version = 1,
		.pgsize_bitmap = t1_pgsize(c),
		.max_dirty_bitmap_size = T1_DIRTY_BYTES(T1_DIRTY_MAX_PAGES),
	};
	struct vfio_iommu_type1_info_dma_avail avail = {
		.header.id = VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL,
		.header.version = 1,
		.avail = READ_ONCE(c->avail),
	};

	return vfio_info_add_capability(caps, &migration.header, sizeof(migration)) ?:
	       vfio_info_add_capability(caps, &avail.header, sizeof(avail)) ?:
	       add_ranges(c, caps);
}

/**
 * t1_get_info - VFIO_IOMMU_GET_INFO
 * @c: the container
 * @arg: the user's
 *
 * Context: process context. Sleeps.
 * Return: 0; -EFAULT; -EINVAL: @arg is too small; -ENOMEM.
 */
int t1_get_info(struct t1_container *c, struct vfio_iommu_type1_info __user *arg)
{
	size_t least = offsetofend(struct vfio_iommu_type1_info, iova_pgsizes);
	struct vfio_info_cap caps = { };
	struct vfio_iommu_type1_info info = { };
	size_t have;
	int ret;

	if (copy_from_user(&info, arg, least))
		return -EFAULT;
	if (info.argsz < least)
		return -EINVAL;
	have = min_t(size_t, info.argsz, sizeof(info));

	down_read(&c->domains_lock);
	info.flags = VFIO_IOMMU_INFO_PGSIZES | VFIO_IOMMU_INFO_CAPS;
	info.iova_pgsizes = c->pgsizes;
	ret = add_caps(c, &caps);
	up_read(&c->domains_lock);
	if (ret)
		goto free;

	if (info.argsz < sizeof(info) + caps.size) {
		info.argsz = sizeof(info) + caps.size;
	} else {
		vfio_info_cap_shift(&caps, sizeof(info));
		info.cap_offset = sizeof(info);
		if (copy_to_user(arg + 1, caps.buf, caps.size))
			ret = -EFAULT;
	}
	if (!ret && copy_to_user(arg, &info, have))
		ret = -EFAULT;
free:
	kfree(caps.buf);
	return ret;
}

static bool all_coherent(struct t1_container *c)
{
	struct t1_domain *d;
	bool coherent = true;

	down_read(&c->domains_lock);
	list_for_each_entry(d, &c->domains, list)
		coherent &= d->coherent;
	up_read(&c->domains_lock);
	return coherent;
}

/**
 * t1_check_extension - VFIO_CHECK_EXTENSION
 * @c: the container, or NULL: none is made yet
 * @arg: the extension
 *
 * Context: process context. Sleeps.
 * Return: 1: there is, 0: there is not.
 */
int t1_check_extension(struct t1_container *c, unsigned long arg)
{
	switch (arg) {
	case VFIO_DMA_CC_IOMMU:
		return c && all_coherent(c);
	case VFIO_UPDATE_VADDR:
		/* Mediated devices use addresses at any time. */
		return c && !READ_ONCE(c->nemulated);
	default:
		return arg == VFIO_TYPE1_IOMMU || arg == VFIO_TYPE1v2_IOMMU ||
		       vfio_compat_is_nesting(arg) || arg == VFIO_UNMAP_ALL;
	}
}
