// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfio_mdev: pinning, reading and writing the user's memory, as the classic
 * interface has it
 *
 * A classic vendor names pages by page frame numbers of the user's address
 * space, in any order, and gets host page frame numbers. The VFIO core takes a
 * contiguous range and gives struct pages: each run of consecutive numbers is
 * one call of the core's. A call pins all of its pages or none.
 *
 * An external user's struct vfio_group is a struct vfio_mdev_handle. It stands
 * for one open of one device: the next open is another user's, with other
 * memory, so from the end of that open on the handle answers ENODEV.
 * It holds references to the struct device, so that giving it back takes no
 * lock, and to this module. The open is named by its number, not held: a handle
 * that is kept keeps no user from closing the device.
 *
 * What was pinned through a handle is a pin of the device like any other. It is
 * to be given back by the end of the vendor's release: later the handle cannot,
 * and the page stays pinned, its mapping with it, until the container goes.
 *
 * The core's functions may be called for an open device only: each function is
 * a call in the sense of vfio_mdev_call.c. No other lock.
 *
 * A pin that fails is remembered with its cause for the parent's mdev_errors.
 */
#include <linux/mdev_vfio.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "vfio_mdev.h"

/* The core's functions, whose names mean the classic ones where vendors look */
#undef vfio_pin_pages
#undef vfio_unpin_pages
#undef vfio_dma_rw

#define VFIO_MDEV_MAX_PFN	(ULONG_MAX >> PAGE_SHIFT)

/*
 * How many of the @nr numbers at @pfn follow each other? An iommufd unpins just
 * what was pinned as a whole, so there each page is a run.
 */
static int vfio_mdev_run(struct vfio_mdev *vmdev, const unsigned long *pfn, int nr)
{
	int n = 1;

	if (vfio_compat_on_iommufd(&vmdev->vdev))
		return 1;
	while (n < nr && pfn[n] == pfn[0] + n)
		n++;
	return n;
}

static void vfio_mdev_unpin_runs(struct vfio_mdev *vmdev,
				 const unsigned long *pfn, int nr)
{
	int run;

	for (; nr; pfn += run, nr -= run) {
		run = vfio_mdev_run(vmdev, pfn, nr);
		vfio_unpin_pages(&vmdev->vdev, (dma_addr_t)*pfn << PAGE_SHIFT,
				 run);
	}
}

/* Without somebody to tell, the user could not unmap what is pinned. */
static bool vfio_mdev_hears_unmap(struct vfio_mdev *vmdev)
{
	return vmdev->ops->dma_unmap ||
	       rcu_access_pointer(vmdev->iommu_notifier.head);
}

static int vfio_mdev_check_pfns(const unsigned long *pfn, int nr)
{
	int i;

	if (!pfn || nr <= 0)
		return -EINVAL;
	if (nr > VFIO_PIN_PAGES_MAX_ENTRIES)
		return -E2BIG;
	for (i = 0; i < nr; i++) {
		if (pfn[i] > VFIO_MDEV_MAX_PFN)
			return -EINVAL;
	}
	return 0;
}

static int vfio_mdev_pin_runs(struct vfio_mdev *vmdev, const unsigned long *pfn,
			      int nr, int prot, unsigned long *phys_pfn)
{
	int done, run, ret, i;

	for (done = 0; done < nr; done += run) {
		/* A struct page pointer takes the room of its frame number */
		struct page **pages = (struct page **)&phys_pfn[done];

		run = vfio_mdev_run(vmdev, &pfn[done], nr - done);
		ret = vfio_pin_pages(&vmdev->vdev,
				     (dma_addr_t)pfn[done] << PAGE_SHIFT, run,
				     prot, pages);
		if (ret != run)
			goto unwind;
		for (i = 0; i < run; i++)
			phys_pfn[done + i] = page_to_pfn(pages[i]);
	}
	return nr;

unwind:
	if (ret > 0) {
		vfio_unpin_pages(&vmdev->vdev, (dma_addr_t)pfn[done] << PAGE_SHIFT,
				 ret);
		ret = -EFAULT;
	}
	vfio_mdev_unpin_runs(vmdev, pfn, done);
	memset(phys_pfn, 0, nr * sizeof(*phys_pfn));
	return ret ?: -EFAULT;
}

static int vfio_mdev_pin_failed(struct device *dev, enum mdev_cause why, int ret)
{
	mdev_device_failed(dev, MDEV_ACT_PIN, why, ret);
	return ret;
}

static int vfio_mdev_pin(struct vfio_mdev *vmdev, const unsigned long *pfn,
			 int nr, int prot, unsigned long *phys_pfn)
{
	struct device *dev = vmdev->vdev.dev;
	int ret;

	BUILD_BUG_ON(sizeof(struct page *) != sizeof(*phys_pfn));

	if (!vfio_mdev_hears_unmap(vmdev))
		return vfio_mdev_pin_failed(dev, MDEV_CAUSE_UNHEARD, -EINVAL);
	ret = vfio_mdev_pin_runs(vmdev, pfn, nr, prot, phys_pfn);
	if (ret < 0)
		vfio_mdev_pin_failed(dev, MDEV_CAUSE_MEMORY, ret);
	return ret;
}

/**
 * vfio_mdev_pin_pages - pin pages of the user's memory
 * @dev: a mediated device's struct device
 * @user_pfn: page frame numbers in the user's I/O address space, in any order,
 *	      the same one as often as wished
 * @npage: how many, at most VFIO_PIN_PAGES_MAX_ENTRIES
 * @prot: IOMMU_READ and IOMMU_WRITE, what the device will do
 * @phys_pfn: host page frame numbers, all 0 when one could not be pinned
 *
 * Each page stays until it has been unpinned as often as it was pinned, which
 * is to be done by the end of the vendor's release. The vendor has a dma_unmap
 * callback or a VFIO_IOMMU_NOTIFY notifier, in which it unpins. Classic sources
 * call it vfio_pin_pages().
 *
 * Context: process context, no lock that the unmap callback takes.
 * Return: @npage, or an error and nothing was pinned: -EINVAL when an argument
 * is NULL or makes no sense, -E2BIG, -ENODEV when @dev is no open mediated
 * device, -EINVAL when an address is not mapped or nobody would hear of its
 * unmapping, -EPERM when it is mapped with less than @prot, -ENOMEM.
 */
int vfio_mdev_pin_pages(struct device *dev, unsigned long *user_pfn, int npage,
			int prot, unsigned long *phys_pfn)
{
	struct vfio_mdev *vmdev;
	int ret;

	if (!dev)
		return -EINVAL;
	if (!phys_pfn)
		return vfio_mdev_pin_failed(dev, MDEV_CAUSE_ARGUMENTS, -EINVAL);
	ret = vfio_mdev_check_pfns(user_pfn, npage);
	if (ret)
		return vfio_mdev_pin_failed(dev, MDEV_CAUSE_ARGUMENTS, ret);

	vmdev = vfio_mdev_begin_dev(dev, VFIO_MDEV_NEEDS_PINNABLE);
	if (!vmdev)
		return vfio_mdev_pin_failed(dev, MDEV_CAUSE_NOT_OPEN, -ENODEV);
	ret = vfio_mdev_pin(vmdev, user_pfn, npage, prot, phys_pfn);
	vfio_mdev_end(vmdev);
	return ret;
}
EXPORT_SYMBOL(vfio_mdev_pin_pages);

/**
 * vfio_mdev_unpin_pages - unpin pages of the user's memory
 * @dev: a mediated device's struct device
 * @user_pfn: page frame numbers that were pinned
 * @npage: how many, at most VFIO_PIN_PAGES_MAX_ENTRIES
 *
 * Classic sources call it vfio_unpin_pages().
 *
 * Context: process context.
 * Return: @npage, -ENODEV, -E2BIG or -EINVAL as vfio_mdev_pin_pages().
 */
int vfio_mdev_unpin_pages(struct device *dev, unsigned long *user_pfn,
			  int npage)
{
	struct vfio_mdev *vmdev;
	int ret;

	if (!dev)
		return -EINVAL;
	ret = vfio_mdev_check_pfns(user_pfn, npage);
	if (ret)
		return ret;

	vmdev = vfio_mdev_begin_dev(dev, VFIO_MDEV_NEEDS_USER);
	if (!vmdev)
		return -ENODEV;
	vfio_mdev_unpin_runs(vmdev, user_pfn, npage);
	vfio_mdev_end(vmdev);
	return npage;
}
EXPORT_SYMBOL(vfio_mdev_unpin_pages);

/**
 * struct vfio_mdev_handle - an external user's handle
 * @dev: mediated device, held
 * @open_nr: number of the open that it was got in
 */
struct vfio_mdev_handle {
	struct device *dev;
	unsigned long open_nr;
};

static struct vfio_mdev_handle *to_handle(struct vfio_group *group)
{
	return (struct vfio_mdev_handle *)group;
}

static struct vfio_mdev *vfio_mdev_begin_handle(struct vfio_group *group,
						enum vfio_mdev_need need)
{
	struct vfio_mdev_handle *handle = to_handle(group);

	return vfio_mdev_begin_open_nr(handle->dev, need, handle->open_nr);
}

/**
 * vfio_group_get_external_user_from_dev - a handle for another kernel user
 * @dev: a mediated device's struct device
 *
 * Context: process context.
 * Return: a handle for vfio_group_pin_pages() and its kin, to be given back by
 * vfio_group_put_external_user(); ERR_PTR(-ENODEV) when @dev is no open
 * mediated device, ERR_PTR(-ENOMEM). The handle works until the device is
 * closed, and not again when it is opened anew.
 */
struct vfio_group *vfio_group_get_external_user_from_dev(struct device *dev)
{
	struct vfio_mdev *vmdev = vfio_mdev_begin_dev(dev, VFIO_MDEV_NEEDS_USER);
	struct vfio_mdev_handle *handle;
	unsigned long open_nr;

	if (!vmdev)
		return ERR_PTR(-ENODEV);
	/* Of this open, even where that is just ending: the call keeps the next away. */
	open_nr = READ_ONCE(vmdev->open_nr);
	handle = kmalloc(sizeof(*handle), GFP_KERNEL);
	if (handle) {
		/* Open, it holds this module. */
		__module_get(THIS_MODULE);
		handle->dev = get_device(dev);
		handle->open_nr = open_nr;
	}
	vfio_mdev_end(vmdev);
	return handle ? (struct vfio_group *)handle : ERR_PTR(-ENOMEM);
}
EXPORT_SYMBOL_GPL(vfio_group_get_external_user_from_dev);

static int vfio_mdev_match_group(struct device *dev, const void *file)
{
	struct vfio_mdev *vmdev = vfio_mdev_begin_dev(dev, VFIO_MDEV_NEEDS_USER);
	bool has;

	if (!vmdev)
		return 0;
	has = vfio_file_has_dev((struct file *)file, &vmdev->vdev);
	vfio_mdev_end(vmdev);
	return has;
}

/**
 * vfio_group_get_external_user - a handle for another kernel user
 * @filep: file of a VFIO group
 *
 * Context: process context.
 * Return: as vfio_group_get_external_user_from_dev(), for the mediated device
 * of the group; ERR_PTR(-EINVAL) when @filep is not a group's.
 */
struct vfio_group *vfio_group_get_external_user(struct file *filep)
{
	struct vfio_group *group;
	struct device *dev;

	if (!filep || !vfio_file_is_group(filep))
		return ERR_PTR(-EINVAL);

	dev = bus_find_device(&mdev_bus_type, NULL, filep,
			      vfio_mdev_match_group);
	if (!dev)
		return ERR_PTR(-ENODEV);
	group = vfio_group_get_external_user_from_dev(dev);
	put_device(dev);
	return group;
}
EXPORT_SYMBOL_GPL(vfio_group_get_external_user);

/**
 * vfio_group_put_external_user - give a handle back
 * @group: the handle, or NULL
 *
 * Context: process context.
 */
void vfio_group_put_external_user(struct vfio_group *group)
{
	struct vfio_mdev_handle *handle = to_handle(group);

	if (!group)
		return;
	put_device(handle->dev);
	kfree(handle);
	module_put(THIS_MODULE);
}
EXPORT_SYMBOL_GPL(vfio_group_put_external_user);

/**
 * vfio_group_pin_pages - pin pages of an external user's memory
 * @group: handle of vfio_group_get_external_user_from_dev()
 * @user_iova_pfn: as for vfio_mdev_pin_pages()
 * @npage: likewise
 * @prot: likewise
 * @phys_pfn: likewise
 *
 * Context: as vfio_mdev_pin_pages().
 * Return: likewise, -ENODEV also when the open that @group was got in has ended.
 */
int vfio_group_pin_pages(struct vfio_group *group,
			 unsigned long *user_iova_pfn, int npage, int prot,
			 unsigned long *phys_pfn)
{
	struct vfio_mdev *vmdev;
	struct device *dev;
	int ret;

	if (!group || !phys_pfn)
		return -EINVAL;
	dev = to_handle(group)->dev;
	ret = vfio_mdev_check_pfns(user_iova_pfn, npage);
	if (ret)
		return vfio_mdev_pin_failed(dev, MDEV_CAUSE_ARGUMENTS, ret);

	vmdev = vfio_mdev_begin_handle(group, VFIO_MDEV_NEEDS_PINNABLE);
	if (!vmdev)
		return vfio_mdev_pin_failed(dev, MDEV_CAUSE_NOT_OPEN, -ENODEV);
	ret = vfio_mdev_pin(vmdev, user_iova_pfn, npage, prot, phys_pfn);
	vfio_mdev_end(vmdev);
	return ret;
}
EXPORT_SYMBOL(vfio_group_pin_pages);

/**
 * vfio_group_unpin_pages - opposite of vfio_group_pin_pages()
 * @group: handle of vfio_group_get_external_user_from_dev()
 * @user_iova_pfn: as for vfio_mdev_unpin_pages()
 * @npage: likewise
 *
 * Context: process context.
 * Return: as vfio_mdev_unpin_pages(), -ENODEV also when the open that @group
 * was got in has ended.
 */
int vfio_group_unpin_pages(struct vfio_group *group,
			   unsigned long *user_iova_pfn, int npage)
{
	struct vfio_mdev *vmdev;
	int ret;

	if (!group)
		return -EINVAL;
	ret = vfio_mdev_check_pfns(user_iova_pfn, npage);
	if (ret)
		return ret;

	vmdev = vfio_mdev_begin_handle(group, VFIO_MDEV_NEEDS_USER);
	if (!vmdev)
		return -ENODEV;
	vfio_mdev_unpin_runs(vmdev, user_iova_pfn, npage);
	vfio_mdev_end(vmdev);
	return npage;
}
EXPORT_SYMBOL(vfio_group_unpin_pages);

/**
 * vfio_mdev_dma_rw - read or write an external user's memory
 * @group: handle of vfio_group_get_external_user_from_dev()
 * @user_iova: address in the user's I/O address space
 * @data: kernel buffer
 * @len: its length
 * @write: to the user's memory
 *
 * Classic sources call it vfio_dma_rw().
 *
 * Context: process context.
 * Return: 0, -EINVAL without a @group, @data or @len, -ENODEV when the open that
 * @group was got in has ended, or what the IOMMU driver answers.
 */
int vfio_mdev_dma_rw(struct vfio_group *group, dma_addr_t user_iova,
		     void *data, size_t len, bool write)
{
	struct vfio_mdev *vmdev;
	int ret;

	if (!group || !data || !len)
		return -EINVAL;
	vmdev = vfio_mdev_begin_handle(group, VFIO_MDEV_NEEDS_USER);
	if (!vmdev)
		return -ENODEV;
	ret = vfio_dma_rw(&vmdev->vdev, user_iova, data, len, write);
	vfio_mdev_end(vmdev);
	return ret;
}
EXPORT_SYMBOL(vfio_mdev_dma_rw);
