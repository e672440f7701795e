// SPDX-License-Identifier: GPL-2.0-only
/*
 * PCI-like mediated devices: regions, and accesses to them
 *
 * Region and position are in the file offset, as with vfio-pci. An access of any
 * length is made in steps of the natural size, 1 to 8 bytes, each through a kernel
 * value: no memory of a size that the user chose. Each step goes to configuration
 * space, to the vendor's callback for the BAR or for the further region, or to the
 * MSI-X table and pending bits, which are here.
 *
 * Locks: see mdev_pci_main.c.
 */
#include <linux/log2.h>
#include <linux/module.h>
#include <linux/nospec.h>
#include <linux/pci_ids.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "mdev_pci_private.h"

static unsigned int mdev_pci_nr_regions(struct mdev_pci *pci)
{
	return VFIO_PCI_NUM_REGIONS + pci->desc->nr_regions;
}

/* NULL for those that every PCI device has */
static const struct mdev_pci_region *mdev_pci_region(struct mdev_pci *pci,
						     unsigned int index)
{
	if (index < VFIO_PCI_NUM_REGIONS)
		return NULL;

	index = array_index_nospec(index - VFIO_PCI_NUM_REGIONS,
				   pci->desc->nr_regions);
	return &pci->desc->regions[index];
}

/* A BAR, for a caller that has checked the index, which may be a user's */
static const struct mdev_pci_bar *mdev_pci_bar(struct mdev_pci *pci,
					       unsigned int index)
{
	index = array_index_nospec(index, PCI_STD_NUM_BARS);
	return &pci->desc->bar[index];
}

/**
 * mdev_pci_get_device_info - VFIO_DEVICE_GET_INFO
 * @mdev: device
 * @info: the answer
 * @caps: its capabilities, of which there are none
 */
int mdev_pci_get_device_info(struct mdev_device *mdev,
			     struct vfio_device_info *info,
			     struct vfio_info_cap *caps)
{
	info->flags = VFIO_DEVICE_FLAGS_PCI;
	if (mdev_to_pci(mdev)->desc->reset)
		info->flags |= VFIO_DEVICE_FLAGS_RESET;
	info->num_regions = mdev_pci_nr_regions(mdev_to_pci(mdev));
	info->num_irqs = VFIO_PCI_NUM_IRQS;

	return 0;
}
EXPORT_SYMBOL(mdev_pci_get_device_info);

static u64 mdev_pci_region_size(struct mdev_pci *pci, unsigned int index)
{
	if (index == VFIO_PCI_CONFIG_REGION_INDEX)
		return pci->config.size;
	if (index < PCI_STD_NUM_BARS)
		return mdev_pci_bar(pci, index)->size;
	if (index < VFIO_PCI_NUM_REGIONS)
		return 0;
	return mdev_pci_region(pci, index)->size;
}

static int mdev_pci_add_areas(const struct mdev_pci_bar *bar,
			      struct vfio_info_cap *caps)
{
	struct vfio_region_info_cap_sparse_mmap *sparse;
	unsigned int i;
	int ret;

	sparse = kzalloc(struct_size(sparse, areas, bar->nr_areas), GFP_KERNEL);
	if (!sparse)
		return -ENOMEM;

	sparse->header.id = VFIO_REGION_INFO_CAP_SPARSE_MMAP;
	sparse->header.version = 1;
	sparse->nr_areas = bar->nr_areas;
	for (i = 0; i < bar->nr_areas; i++) {
		sparse->areas[i].offset = bar->areas[i].offset;
		sparse->areas[i].size = bar->areas[i].size;
	}

	ret = vfio_info_add_capability(caps, &sparse->header,
				       struct_size(sparse, areas,
						   bar->nr_areas));
	kfree(sparse);
	return ret;
}

/* The whole BAR may be mapped, with the MSI-X table in it. */
static int mdev_pci_add_msix_mappable(struct vfio_info_cap *caps)
{
	struct vfio_info_cap_header mappable = {
		.id = VFIO_REGION_INFO_CAP_MSIX_MAPPABLE,
		.version = 1,
	};

	return vfio_info_add_capability(caps, &mappable, sizeof(mappable));
}

static int mdev_pci_describe_region(const struct mdev_pci_region *region,
				    struct vfio_region_info *info,
				    struct vfio_info_cap *caps)
{
	struct vfio_region_info_cap_type type = {
		.header.id = VFIO_REGION_INFO_CAP_TYPE,
		.header.version = 1,
		.type = region->type,
		.subtype = region->subtype,
	};

	if (region->read)
		info->flags |= VFIO_REGION_INFO_FLAG_READ;
	if (region->write)
		info->flags |= VFIO_REGION_INFO_FLAG_WRITE;

	return vfio_info_add_capability(caps, &type.header, sizeof(type));
}

/**
 * mdev_pci_get_region_info - VFIO_DEVICE_GET_REGION_INFO
 * @mdev: device
 * @info: its index is the question, the rest the answer
 * @caps: capabilities of the region
 *
 * The ROM and VGA regions are there and empty.
 */
int mdev_pci_get_region_info(struct mdev_device *mdev,
			     struct vfio_region_info *info,
			     struct vfio_info_cap *caps)
{
	struct mdev_pci *pci = mdev_to_pci(mdev);
	unsigned int nr_regions = mdev_pci_nr_regions(pci);
	const struct mdev_pci_bar *bar;
	unsigned int index = info->index;

	if (index >= nr_regions)
		return -EINVAL;

	index = array_index_nospec(index, nr_regions);
	info->offset = MDEV_PCI_INDEX_TO_OFFSET(index);
	info->size = mdev_pci_region_size(pci, index);
	info->flags = 0;
	if (!info->size)
		return 0;
	if (index >= VFIO_PCI_NUM_REGIONS)
		return mdev_pci_describe_region(mdev_pci_region(pci, index),
						info, caps);

	info->flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	if (index >= PCI_STD_NUM_BARS)
		return 0;

	bar = mdev_pci_bar(pci, index);
	if (!bar->mmap)
		return 0;

	info->flags |= VFIO_REGION_INFO_FLAG_MMAP;
	if (bar->areas)
		return mdev_pci_add_areas(bar, caps);
	if (pci->msix.table_size && pci->msix.bar == index)
		return mdev_pci_add_msix_mappable(caps);
	return 0;
}
EXPORT_SYMBOL(mdev_pci_get_region_info);

static bool mdev_pci_within(u64 offset, u64 start, u64 size)
{
	return offset >= start && offset - start < size;
}

static int mdev_pci_load_bar(struct mdev_pci *pci, unsigned int index,
			     u64 offset, unsigned int width, u64 *val)
{
	const struct mdev_pci_bar *bar = mdev_pci_bar(pci, index);

	*val = 0;
	if (pci->msix.table_size && index == pci->msix.bar) {
		if (mdev_pci_within(offset, pci->msix.table,
				    pci->msix.table_size)) {
			*val = ~0ULL;
			return 0;
		}
		if (mdev_pci_within(offset, pci->msix.pba, pci->msix.pba_size))
			return 0;
	}

	return bar->read ? bar->read(pci, offset, width, val) : 0;
}

static int mdev_pci_store_bar(struct mdev_pci *pci, unsigned int index,
			      u64 offset, unsigned int width, u64 val)
{
	const struct mdev_pci_bar *bar = mdev_pci_bar(pci, index);

	if (pci->msix.table_size && index == pci->msix.bar &&
	    (mdev_pci_within(offset, pci->msix.table, pci->msix.table_size) ||
	     mdev_pci_within(offset, pci->msix.pba, pci->msix.pba_size)))
		return 0;

	return bar->write ? bar->write(pci, offset, width, val) : 0;
}

static void mdev_pci_load_config(struct mdev_pci *pci, unsigned int offset,
				 unsigned int width, u64 *val)
{
	*val = mdev_pci_config_get(pci, offset, width);

	if (offset <= PCI_STATUS && PCI_STATUS < offset + width &&
	    mdev_pci_irqs_intx_level(&pci->irqs))
		*val |= (u64)PCI_STATUS_INTERRUPT << 8 * (PCI_STATUS - offset);
}

static void mdev_pci_store_config(struct mdev_pci *pci, unsigned int offset,
				  unsigned int width, u32 val)
{
	u32 command;

	mutex_lock(&pci->config_lock);
	mdev_pci_config_write(&pci->config, offset, width, val);
	if (offset <= PCI_COMMAND + 1) {
		command = mdev_pci_config_value(&pci->config, PCI_COMMAND, 2);
		mdev_pci_irqs_disable_intx(&pci->irqs,
					   command & PCI_COMMAND_INTX_DISABLE);
	}
	mutex_unlock(&pci->config_lock);

	if (pci->desc->config_written)
		pci->desc->config_written(pci, offset, width);
}

/* As from a device that does not decode the address: EIO. */
static bool mdev_pci_decodes(struct mdev_pci *pci, unsigned int index)
{
	return mdev_pci_bar(pci, index)->flags & PCI_BASE_ADDRESS_SPACE_IO ||
	       mdev_pci_config_memory_on(&pci->config);
}

static int mdev_pci_load(struct mdev_pci *pci, unsigned int index, u64 offset,
			 unsigned int width, u64 *val)
{
	const struct mdev_pci_region *region = mdev_pci_region(pci, index);

	if (index == VFIO_PCI_CONFIG_REGION_INDEX) {
		mdev_pci_load_config(pci, offset, width, val);
		return 0;
	}
	if (region) {
		*val = 0;
		return region->read ? region->read(pci, offset, width, val) :
				      -EINVAL;
	}

	if (!mdev_pci_decodes(pci, index))
		return -EIO;
	return mdev_pci_load_bar(pci, index, offset, width, val);
}

static int mdev_pci_store(struct mdev_pci *pci, unsigned int index, u64 offset,
			  unsigned int width, u64 val)
{
	const struct mdev_pci_region *region = mdev_pci_region(pci, index);

	if (index == VFIO_PCI_CONFIG_REGION_INDEX) {
		mdev_pci_store_config(pci, offset, width, val);
		return 0;
	}
	if (region)
		return region->write ? region->write(pci, offset, width, val) :
				       -EINVAL;

	if (!mdev_pci_decodes(pci, index))
		return -EIO;
	return mdev_pci_store_bar(pci, index, offset, width, val);
}

static unsigned int mdev_pci_max_width(struct mdev_pci *pci,
				       unsigned int index)
{
	if (index == VFIO_PCI_CONFIG_REGION_INDEX)
		return 4;
	if (index >= VFIO_PCI_NUM_REGIONS)
		return 8;
	return mdev_pci_bar(pci, index)->max_width ?: 8;
}

/* The widest access that is aligned at @offset and not beyond @count. */
static unsigned int mdev_pci_width(u64 offset, size_t count, unsigned int max)
{
	while (offset % max || count < max)
		max /= 2;
	return max;
}

/*
 * Find the region of an access, and cut off what is beyond the region's end. What
 * comes out may index an array of that size, here or in the vendor's callback.
 */
static int mdev_pci_locate(struct mdev_pci *pci, loff_t pos, size_t *count,
			   unsigned int *index, u64 *offset)
{
	unsigned int nr_regions = mdev_pci_nr_regions(pci);
	u64 size;

	if (MDEV_PCI_OFFSET_TO_INDEX(pos) >= nr_regions)
		return -EINVAL;

	*index = array_index_nospec(MDEV_PCI_OFFSET_TO_INDEX(pos), nr_regions);
	*offset = pos & MDEV_PCI_OFFSET_MASK;
	size = mdev_pci_region_size(pci, *index);

	if (*offset >= size)
		return -EINVAL;
	*offset = array_index_nospec(*offset, size);
	*count = min_t(u64, *count, size - *offset);
	return 0;
}

/**
 * mdev_pci_find - the PCI side of a device, for a bus driver
 * @mdev: any mediated device
 *
 * Return: NULL unless its vendor driver has MDEV_PCI_PARENT_OPS.
 */
struct mdev_pci *mdev_pci_find(struct mdev_device *mdev)
{
	const struct mdev_parent_ops *ops = mdev_get_parent_ops(mdev);

	return ops->read == mdev_pci_read && ops->write == mdev_pci_write ?
	       mdev_to_pci(mdev) : NULL;
}
EXPORT_SYMBOL(mdev_pci_find);

static int mdev_pci_check_access(struct mdev_pci *pci, unsigned int index,
				 u64 offset, unsigned int width)
{
	u64 size;

	if (index >= PCI_STD_NUM_BARS || !is_power_of_2(width) ||
	    width > mdev_pci_max_width(pci, index) || offset % width)
		return -EINVAL;

	size = mdev_pci_bar(pci, index)->size;
	if (offset >= size || width > size - offset)
		return -EINVAL;
	return mdev_pci_decodes(pci, index) ? 0 : -EIO;
}

/**
 * mdev_pci_bar_read - the kernel reads a register
 * @pci: device, between the open and release callbacks of its vendor driver
 * @index: of the BAR
 * @offset: in it, a multiple of @width
 * @width: 1, 2, 4 or 8 bytes, not more than the BAR takes
 * @val: what was read
 *
 * Return: 0; EINVAL where no such register can be, EIO from a memory BAR that
 * is switched off, or the error of the vendor's callback.
 */
int mdev_pci_bar_read(struct mdev_pci *pci, unsigned int index, u64 offset,
		      unsigned int width, u64 *val)
{
	int ret = mdev_pci_check_access(pci, index, offset, width);

	return ret ?: mdev_pci_load_bar(pci, index, offset, width, val);
}
EXPORT_SYMBOL(mdev_pci_bar_read);

/**
 * mdev_pci_bar_write - the kernel writes a register
 * @pci: device, as for mdev_pci_bar_read()
 * @index: likewise
 * @offset: likewise
 * @width: likewise
 * @val: what to write
 *
 * Return: as mdev_pci_bar_read()
 */
int mdev_pci_bar_write(struct mdev_pci *pci, unsigned int index, u64 offset,
		       unsigned int width, u64 val)
{
	int ret = mdev_pci_check_access(pci, index, offset, width);

	return ret ?: mdev_pci_store_bar(pci, index, offset, width, val);
}
EXPORT_SYMBOL(mdev_pci_bar_write);

static int mdev_pci_step_in(struct mdev_pci *pci, unsigned int index,
			    u64 offset, unsigned int width, char __user *buf)
{
	__le64 bytes;
	u64 val;
	int ret;

	ret = mdev_pci_load(pci, index, offset, width, &val);
	if (ret)
		return ret;

	bytes = cpu_to_le64(val);
	return copy_to_user(buf, &bytes, width) ? -EFAULT : 0;
}

static int mdev_pci_step_out(struct mdev_pci *pci, unsigned int index,
			     u64 offset, unsigned int width,
			     const char __user *buf)
{
	__le64 bytes = 0;

	if (copy_from_user(&bytes, buf, width))
		return -EFAULT;

	return mdev_pci_store(pci, index, offset, width, le64_to_cpu(bytes));
}

/* @in: from the device into @buf, which is not written to otherwise */
static ssize_t mdev_pci_rw(struct mdev_pci *pci, bool in, char __user *buf,
			   size_t count, loff_t *ppos)
{
	unsigned int index, width, max;
	size_t done;
	u64 offset;
	int ret;

	if (!count)
		return 0;

	ret = mdev_pci_locate(pci, *ppos, &count, &index, &offset);
	if (ret)
		return ret;

	max = mdev_pci_max_width(pci, index);
	for (done = 0; done < count; done += width) {
		width = mdev_pci_width(offset + done, count - done, max);
		if (in)
			ret = mdev_pci_step_in(pci, index, offset + done, width,
					       buf + done);
		else
			ret = mdev_pci_step_out(pci, index, offset + done, width,
						buf + done);
		if (ret)
			return ret;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}

	*ppos += done;
	return done;
}

/**
 * mdev_pci_read - read(2) from a region
 * @mdev: device
 * @buf: where to
 * @count: bytes
 * @ppos: region and position in it
 *
 * Return: bytes read, fewer than @count at the end of a region; or EINVAL
 * where there is none, EIO from a memory BAR that is switched off, EFAULT, or
 * the error of the vendor's callback.
 */
ssize_t mdev_pci_read(struct mdev_device *mdev, char __user *buf, size_t count,
		      loff_t *ppos)
{
	return mdev_pci_rw(mdev_to_pci(mdev), true, buf, count, ppos);
}
EXPORT_SYMBOL(mdev_pci_read);

/**
 * mdev_pci_write - write(2) to a region
 * @mdev: device
 * @buf: where from
 * @count: bytes
 * @ppos: region and position in it
 *
 * Return: as mdev_pci_read()
 */
ssize_t mdev_pci_write(struct mdev_device *mdev, const char __user *buf,
		       size_t count, loff_t *ppos)
{
	return mdev_pci_rw(mdev_to_pci(mdev), false, (char __user *)buf, count,
			   ppos);
}
EXPORT_SYMBOL(mdev_pci_write);

static bool mdev_pci_range_within(u64 offset, u64 len, u64 start, u64 size)
{
	return offset >= start && len <= size && offset - start <= size - len;
}

static bool mdev_pci_mappable(const struct mdev_pci_bar *bar, u64 offset,
			      u64 len)
{
	unsigned int i;

	if (!bar->mmap || !mdev_pci_range_within(offset, len, 0, bar->size))
		return false;
	if (!bar->areas)
		return true;

	for (i = 0; i < bar->nr_areas; i++)
		if (mdev_pci_range_within(offset, len, bar->areas[i].offset,
					  bar->areas[i].size))
			return true;

	return false;
}

static int mdev_pci_map(struct mdev_pci *pci, struct vm_area_struct *vma)
{
	u64 pos = (u64)vma->vm_pgoff << PAGE_SHIFT;
	u64 index = MDEV_PCI_OFFSET_TO_INDEX(pos);
	u64 offset = pos & MDEV_PCI_OFFSET_MASK;
	const struct mdev_pci_bar *bar;

	if (index >= PCI_STD_NUM_BARS || !(vma->vm_flags & VM_SHARED))
		return -EINVAL;

	bar = mdev_pci_bar(pci, index);
	if (!mdev_pci_mappable(bar, offset, vma->vm_end - vma->vm_start))
		return -EINVAL;

	return bar->mmap(pci, vma, offset);
}

/**
 * mdev_pci_mmap - mmap(2) of a BAR
 * @mdev: device
 * @vma: shared, with region and position in its offset
 *
 * Return: what the BAR's mmap returns; EINVAL for what may not be mapped.
 */
int mdev_pci_mmap(struct mdev_device *mdev, struct vm_area_struct *vma)
{
	return mdev_pci_map(mdev_to_pci(mdev), vma);
}
EXPORT_SYMBOL(mdev_pci_mmap);

#if IS_ENABLED(CONFIG_VFIO_MDEV_KUNIT_TEST)
#include "mdev_pci_regions_test.c"
#endif
