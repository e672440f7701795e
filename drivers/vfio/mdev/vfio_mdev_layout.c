// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfio_mdev: regions of a device as its vendor describes them
 *
 * A vendor with structured ops is asked for the whole layout once, when the
 * device is opened. Users get their answers from what was taken down, and no
 * access outside of it reaches the vendor. The layout is complete before the
 * first access can come and does not change until the last file is closed.
 *
 * 'last' is the last byte of something, inclusive. A region's offset and last
 * byte fit into a file offset, and it is not empty when it has one; so sums of
 * a region's offset and a position in it cannot overflow. A mapping's offset, in
 * pages, is looked at before it becomes one in bytes, or its upper bits would be lost
 * and another region be found. No test sees that: the kernel lets none such come from
 * mmap(2) or remap_file_pages(2), as its end, too, has to fit into 64 bits.
 *
 * Of a struct that the vendor fills, only what it is asked for is taken down: the
 * rest, padding and all, is zero for the user, whatever the vendor left there.
 *
 * Only pages can be mapped. A region, or an area of it, that ends within a page
 * is mapped to the end of that page, as a BAR of vfio-pci's is, provided that
 * the rest of the page belongs to no other region, nor to a part of this one
 * that may not be mapped.
 */
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/ratelimit.h>
#include <linux/slab.h>

#include <vfio-compat/mm.h>

#include "vfio_mdev.h"

/* More than any device has; a vendor that says more is mistaken. */
#define VFIO_MDEV_MAX_REGIONS	256

/* A user that opens its device again and again does not fill the log. */
static struct ratelimit_state vfio_mdev_complaints =
	RATELIMIT_STATE_INIT_FLAGS(vfio_mdev_complaints,
				   DEFAULT_RATELIMIT_INTERVAL,
				   DEFAULT_RATELIMIT_BURST,
				   RATELIMIT_MSG_ON_RELEASE);

static void vfio_mdev_free_caps(struct vfio_info_cap *caps)
{
	kfree(caps->buf);
	caps->buf = NULL;
	caps->size = 0;
}

/* Make the links of a chain right for a place @offset bytes into an answer. */
static void vfio_mdev_seal_caps(struct vfio_info_cap *caps, size_t offset)
{
	if (caps->size)
		vfio_info_cap_shift(caps, offset);
}

/* The chain's sparse mmap capability, without what a vendor left in its hole */
static const struct vfio_region_info_cap_sparse_mmap *
vfio_mdev_find_sparse(struct vfio_info_cap *caps)
{
	struct vfio_region_info_cap_sparse_mmap *sparse;
	struct vfio_info_cap_header *cap = caps->buf;

	if (!cap)
		return NULL;

	while (cap->id != VFIO_REGION_INFO_CAP_SPARSE_MMAP) {
		if (!cap->next)
			return NULL;
		cap = (void *)caps->buf + cap->next;
	}

	sparse = container_of(cap, struct vfio_region_info_cap_sparse_mmap,
			      header);
	if ((void *)sparse + struct_size(sparse, areas, sparse->nr_areas) >
	    (void *)caps->buf + caps->size)
		return ERR_PTR(-EINVAL);
	sparse->reserved = 0;
	return sparse;
}

static int vfio_mdev_get_region(struct vfio_mdev *vmdev, u32 index)
{
	struct vfio_mdev_region *region = &vmdev->layout.regions[index];
	struct vfio_region_info *info = &region->info;
	struct vfio_region_info answer = {
		.argsz = sizeof(answer),
		.index = index,
	};
	u64 end;
	int ret;

	ret = vmdev->ops->get_region_info(vmdev->mdev, &answer, &region->caps);
	if (ret)
		return ret;

	info->index = index;
	info->flags = answer.flags;
	info->size = answer.size;
	info->offset = answer.offset;
	if (check_add_overflow(info->offset, info->size, &end) ||
	    end > (u64)S64_MAX)
		return -EINVAL;

	region->sparse = vfio_mdev_find_sparse(&region->caps);
	if (IS_ERR(region->sparse)) {
		ret = PTR_ERR(region->sparse);
		region->sparse = NULL;
		return ret;
	}
	vfio_mdev_seal_caps(&region->caps, VFIO_COMPAT_REGION_CAPS_START);
	return 0;
}

static int vfio_mdev_get_regions(struct vfio_mdev *vmdev)
{
	struct vfio_mdev_layout *layout = &vmdev->layout;
	u32 i;
	int ret;

	if (!vmdev->ops->get_region_info)
		return 0;

	if (layout->info.num_regions > VFIO_MDEV_MAX_REGIONS) {
		if (__ratelimit(&vfio_mdev_complaints))
			dev_err(vmdev->vdev.dev, "its driver says it has %u regions, at most %u can be\n",
				layout->info.num_regions, VFIO_MDEV_MAX_REGIONS);
		return -EINVAL;
	}
	layout->regions = kcalloc(layout->info.num_regions,
				  sizeof(*layout->regions), GFP_KERNEL_ACCOUNT);
	if (!layout->regions)
		return -ENOMEM;

	for (i = 0; i < layout->info.num_regions; i++) {
		ret = vfio_mdev_get_region(vmdev, i);
		if (ret) {
			if (__ratelimit(&vfio_mdev_complaints))
				dev_err(vmdev->vdev.dev, "its driver gives no usable answer about region %u (%d)\n",
					i, ret);
			return ret;
		}
	}
	return 0;
}

/**
 * vfio_mdev_get_layout - ask the vendor what the device looks like
 * @vmdev: device, the vendor's open has succeeded
 *
 * Context: process context, from open_device.
 * Return: 0, -EINVAL when the answers make no sense, -ENOMEM, or the vendor's
 * error. After an error nothing is left.
 */
int vfio_mdev_get_layout(struct vfio_mdev *vmdev)
{
	struct vfio_mdev_layout *layout = &vmdev->layout;
	struct vfio_device_info answer = { .argsz = sizeof(answer) };
	int ret;

	memset(layout, 0, sizeof(*layout));
	if (!vmdev->ops->get_device_info)
		return 0;

	ret = vmdev->ops->get_device_info(vmdev->mdev, &answer, &layout->caps);
	if (!ret) {
		layout->info.flags = answer.flags;
		layout->info.num_regions = answer.num_regions;
		layout->info.num_irqs = answer.num_irqs;
		vfio_mdev_seal_caps(&layout->caps, sizeof(layout->info));
		ret = vfio_mdev_get_regions(vmdev);
	}
	if (ret)
		vfio_mdev_put_layout(vmdev);
	return ret;
}

/**
 * vfio_mdev_put_layout - opposite of vfio_mdev_get_layout()
 * @vmdev: device
 */
void vfio_mdev_put_layout(struct vfio_mdev *vmdev)
{
	struct vfio_mdev_layout *layout = &vmdev->layout;
	u32 i;

	for (i = 0; layout->regions && i < layout->info.num_regions; i++)
		vfio_mdev_free_caps(&layout->regions[i].caps);
	kfree(layout->regions);
	layout->regions = NULL;
	vfio_mdev_free_caps(&layout->caps);
}

static const struct vfio_mdev_region *
vfio_mdev_find_region(const struct vfio_mdev *vmdev, u64 pos)
{
	const struct vfio_mdev_region *region = vmdev->layout.regions;
	const struct vfio_mdev_region *end =
		region + vmdev->layout.info.num_regions;

	for (; region < end; region++) {
		/* Wraps to a large number below the region */
		if (pos - region->info.offset < region->info.size)
			return region;
	}
	return NULL;
}

/**
 * vfio_mdev_clamp - bound a read or write to the region it starts in
 * @vmdev: device with regions
 * @pos: file offset
 * @count: length
 * @access: VFIO_REGION_INFO_FLAG_READ or _WRITE
 *
 * Like vfio-pci, an access across the end of a region is cut off there.
 *
 * Context: any, device open.
 * Return: the length that may be transferred, 0 only for a @count of 0; -EINVAL
 * where no region is, or none that allows @access.
 */
ssize_t vfio_mdev_clamp(const struct vfio_mdev *vmdev, loff_t pos, size_t count,
			u32 access)
{
	const struct vfio_mdev_region *region;
	u64 left;

	if (!count)
		return 0;
	region = vfio_mdev_find_region(vmdev, pos);
	if (!region || !(region->info.flags & access))
		return -EINVAL;

	left = region->info.offset + region->info.size - pos;
	return min_t(u64, count, left);
}

/* Is there nothing of another region from @pos to @end? */
static bool vfio_mdev_is_gap(const struct vfio_mdev *vmdev, u64 pos, u64 end)
{
	const struct vfio_mdev_region *region = vmdev->layout.regions;
	const struct vfio_mdev_region *last_region =
		region + vmdev->layout.info.num_regions;

	for (; region < last_region; region++) {
		if (region->info.size && region->info.offset < end &&
		    region->info.offset + region->info.size > pos)
			return false;
	}
	return true;
}

/* How much of a region can be mapped, from its offset on? */
static u64 vfio_mdev_mappable_size(const struct vfio_mdev *vmdev,
				   const struct vfio_mdev_region *region)
{
	u64 end = region->info.offset + region->info.size;
	u64 page_end = ALIGN(end, (u64)PAGE_SIZE);

	if (!vfio_mdev_is_gap(vmdev, end, page_end))
		page_end = end;
	return page_end - region->info.offset;
}

/* @mappable: what vfio_mdev_mappable_size() says of the region */
static bool vfio_mdev_area_allows(const struct vfio_mdev_region *region,
				  u64 mappable, u64 first, u64 len)
{
	const struct vfio_region_info_cap_sparse_mmap *sparse = region->sparse;
	u32 i;

	if (!sparse)
		return true;

	for (i = 0; i < sparse->nr_areas; i++) {
		u64 offset = sparse->areas[i].offset;
		u64 size = sparse->areas[i].size;

		/* An area at the region's end ends where that does. */
		if (size && offset + size == region->info.size)
			size = mappable - offset;
		if (first >= offset && first - offset <= size &&
		    len <= size - (first - offset))
			return true;
	}
	return false;
}

/**
 * vfio_mdev_check_mmap - does a mapping lie in what may be mapped?
 * @vmdev: device with regions
 * @vma: mapping; loses the right to grow, and to become readable or writable
 *	 where the region is not
 *
 * Context: process context, mmap_lock held for writing, device open.
 * Return: 0 or -EINVAL.
 */
int vfio_mdev_check_mmap(const struct vfio_mdev *vmdev, struct vm_area_struct *vma)
{
	const struct vfio_mdev_region *region;
	u64 len = vma->vm_end - vma->vm_start;
	u64 pos, first, mappable;
	u32 flags;

	if (!(vma->vm_flags & VM_SHARED) ||
	    vma->vm_pgoff > (u64)S64_MAX >> PAGE_SHIFT)
		return -EINVAL;

	pos = (u64)vma->vm_pgoff << PAGE_SHIFT;
	region = vfio_mdev_find_region(vmdev, pos);
	if (!region)
		return -EINVAL;
	flags = region->info.flags;
	first = pos - region->info.offset;
	mappable = vfio_mdev_mappable_size(vmdev, region);
	if (!(flags & VFIO_REGION_INFO_FLAG_MMAP) || len > mappable - first ||
	    !vfio_mdev_area_allows(region, mappable, first, len))
		return -EINVAL;

	vfio_compat_vm_flags_set(vma, VM_DONTEXPAND);
	if (!(flags & VFIO_REGION_INFO_FLAG_READ)) {
		if (vma->vm_flags & (VM_READ | VM_EXEC))
			return -EINVAL;
		vfio_compat_vm_flags_clear(vma, VM_MAYREAD | VM_MAYEXEC);
	}
	if (!(flags & VFIO_REGION_INFO_FLAG_WRITE)) {
		if (vma->vm_flags & VM_WRITE)
			return -EINVAL;
		vfio_compat_vm_flags_clear(vma, VM_MAYWRITE);
	}
	return 0;
}

#if IS_ENABLED(CONFIG_VFIO_MDEV_KUNIT_TEST)
#include "vfio_mdev_layout_test.c"
#endif
