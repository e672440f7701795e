// SPDX-License-Identifier: GPL-2.0-only
/*
 * Test device for the IOMMU driver below VFIO: pins, reads and writes what is
 * mapped in its container, as its user's ioctls say
 *
 * The devices are registered straight with the VFIO core, no mediated device is
 * needed. Each keeps the pins it has made, by page of the IOVA space, so that it
 * can give them back when it is told that memory goes and when it is closed.
 *
 * gate is held for reading from before a page is pinned until the pin is in
 * pins, and for writing while the callback of an unmapping looks for pins: the
 * callback misses none that was made before it came. Pins of different pages
 * run side by side. Vendor drivers do the same with one mutex, so an IOMMU
 * driver must be able to pin while it waits for such a callback.
 *
 * lock, taken within gate and unpinning or without, protects pins and what is in them, the
 * behaviour and the news. Nothing is called with it held. A pin is taken out of
 * pins before it is given back: of two that want to, one does.
 */
#include <linux/delay.h>
#include <linux/file.h>
#include <linux/highmem.h>
#include <linux/iommu.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/xarray.h>

#define MDEV_INTERFACE MDEV_INTERFACE_MODERN
#include <vfio-compat/mm.h>
#include <vfio-compat/vfio.h>
#include <vfio-compat/workqueue.h>

#include "vfio_type1_test_abi.h"

/**
 * struct type1_test - a device
 * @vdev: what the VFIO core works with
 * @gate: keeps the callback of an unmapping from missing a pin
 * @unpinning: has it wait for an unpin that is under way
 * @lock: protects all below
 * @pins: struct type1_test_held by page of the IOVA space
 * @behave: what it does when memory goes
 * @told: how often it was told since @behave was set
 * @news: of memory that goes
 * @faults: those of @news, counted below the lock of an address space
 * @late: unpins all, for TYPE1_TEST_UNMAP_LATE
 * @hold: pages of TYPE1_TEST_AREA_LATE are held back
 * @waiting: how many wait for some
 * @come: where they do
 */
struct type1_test {
	struct vfio_device vdev;
	struct rw_semaphore gate;
	struct rw_semaphore unpinning;
	/* protects pins, behave, told, news */
	struct mutex lock;
	struct xarray pins;
	struct type1_test_behave behave;
	unsigned int told;
	struct type1_test_news news;
	atomic_t faults;
	struct delayed_work late;
	bool hold;
	atomic_t waiting;
	wait_queue_head_t come;
};

struct type1_test_held {
	struct page *page;
	unsigned int count;
};

/* Something for a kernel thread to do */
struct type1_test_job {
	struct work_struct work;
	struct mm_struct *mm;
	int (*run)(struct type1_test_job *job);
	int result;
};

struct type1_test_pin_job {
	struct type1_test_job job;
	struct type1_test *tt;
	struct page **pages;
	u64 iova;
	int npage;
	int prot;
};

struct type1_test_rw_job {
	struct type1_test_job job;
	struct type1_test *tt;
	void *data;
	u64 iova;
	size_t len;
	bool write;
};

/* Of TYPE1_TEST_AREA_EAGER and _LAZY */
static struct page *type1_test_area;
/* Of TYPE1_TEST_AREA_OWN */
static struct page *type1_test_own;
/* The first page frame without memory that TYPE1_TEST_AREA_IO maps */
static unsigned long type1_test_io_pfn;
static struct platform_device *type1_test_pdevs[TYPE1_TEST_DEVICES];

static struct type1_test *to_type1_test(struct vfio_device *vdev)
{
	return container_of(vdev, struct type1_test, vdev);
}

/* Kernel threads */

static void type1_test_work(struct work_struct *work)
{
	struct type1_test_job *job = container_of(work, struct type1_test_job,
						  work);

	if (job->mm)
		kthread_use_mm(job->mm);
	job->result = job->run(job);
	if (job->mm)
		kthread_unuse_mm(job->mm);
}

static int type1_test_do(struct type1_test_job *job, u32 context)
{
	if (context == TYPE1_TEST_CALLER)
		return job->run(job);

	job->mm = context == TYPE1_TEST_KTHREAD_MM ? current->mm : NULL;
	INIT_WORK_ONSTACK(&job->work, type1_test_work);
	queue_work(vfio_compat_unbound_wq, &job->work);
	flush_work(&job->work);
	destroy_work_on_stack(&job->work);
	return job->result;
}

/* Pins */

/* What is denied memory in a test is not to be the test device. */
#define TYPE1_TEST_GFP	(GFP_KERNEL | __GFP_NOFAIL)

static u64 type1_test_index(u64 iova)
{
	return iova >> PAGE_SHIFT;
}

static int type1_test_hold(struct type1_test *tt, u64 index, struct page *page)
{
	struct type1_test_held *held;
	int ret;

	lockdep_assert_held(&tt->lock);

	held = xa_load(&tt->pins, index);
	if (held) {
		if (held->page != page)
			return -ESTALE;
		held->count++;
		return 0;
	}
	held = kmalloc(sizeof(*held), TYPE1_TEST_GFP);
	held->page = page;
	held->count = 1;
	ret = xa_err(xa_store(&tt->pins, index, held, TYPE1_TEST_GFP));
	if (ret)
		kfree(held);
	return ret;
}

/* Was it held? */
static bool type1_test_drop(struct type1_test *tt, u64 index)
{
	struct type1_test_held *held;

	lockdep_assert_held(&tt->lock);

	held = xa_load(&tt->pins, index);
	if (!held)
		return false;
	if (!--held->count) {
		xa_erase(&tt->pins, index);
		kfree(held);
	}
	return true;
}

/* How many pages from index on, up to last, are held? Each is dropped once. */
static int type1_test_drop_run(struct type1_test *tt, u64 index, u64 last)
{
	int n = 0;

	lockdep_assert_held(&tt->lock);

	while (n < VFIO_PIN_PAGES_MAX_ENTRIES && last - index >= n &&
	       type1_test_drop(tt, index + n))
		n++;
	return n;
}

/* Unpins each page of a range once, or until nothing is left of it. */
static u64 type1_test_unpin(struct type1_test *tt, u64 first, u64 last,
			    unsigned int offset, bool all)
{
	unsigned long index = first;
	u64 unpinned = 0;
	int n;

	while (true) {
		down_read(&tt->unpinning);
		mutex_lock(&tt->lock);
		n = 0;
		if (xa_find(&tt->pins, &index, last, XA_PRESENT))
			n = type1_test_drop_run(tt, index, last);
		mutex_unlock(&tt->lock);
		if (!n) {
			up_read(&tt->unpinning);
			return unpinned;
		}
		vfio_unpin_pages(&tt->vdev, ((u64)index << PAGE_SHIFT) + offset,
				 n);
		up_read(&tt->unpinning);
		unpinned += n;
		if (all)
			continue;
		if (last - index < n)
			return unpinned;
		index += n;
	}
}

static u64 type1_test_unpin_all(struct type1_test *tt)
{
	return type1_test_unpin(tt, 0, type1_test_index(U64_MAX), 0, true);
}

static int type1_test_pin_run(struct type1_test_job *job)
{
	struct type1_test_pin_job *pin = container_of(job,
						      struct type1_test_pin_job,
						      job);

	return vfio_pin_pages(&pin->tt->vdev, pin->iova, pin->npage, pin->prot,
			      pin->pages);
}

/* All of them or none */
static int type1_test_hold_all(struct type1_test *tt, u64 index, int npage,
			       struct page **pages)
{
	int i, ret = 0;

	mutex_lock(&tt->lock);
	for (i = 0; i < npage; i++) {
		ret = type1_test_hold(tt, index + i, pages[i]);
		if (ret)
			break;
	}
	if (ret)
		while (i--)
			type1_test_drop(tt, index + i);
	mutex_unlock(&tt->lock);
	return ret;
}

static u64 type1_test_load(struct page *page, unsigned int offset)
{
	void *mem = kmap_local_page(page);
	u64 value = READ_ONCE(*(u64 *)(mem + offset));

	kunmap_local(mem);
	return value;
}

static int type1_test_tell(const struct type1_test_pin *arg, int npage,
			   struct page **pages)
{
	u64 __user *pfns = u64_to_user_ptr(arg->pfns);
	u64 __user *words = u64_to_user_ptr(arg->words);
	int i;

	for (i = 0; i < npage; i++) {
		if (pfns && put_user((u64)page_to_pfn(pages[i]), pfns + i))
			return -EFAULT;
		if (words && put_user(type1_test_load(pages[i], 0), words + i))
			return -EFAULT;
	}
	return 0;
}

static int type1_test_pin_pages(struct type1_test *tt,
				const struct type1_test_pin *arg,
				struct page **pages)
{
	struct type1_test_pin_job pin = {
		.job.run = type1_test_pin_run,
		.tt = tt,
		.pages = pages,
		.iova = arg->iova,
		.npage = arg->npage,
		.prot = arg->prot,
	};
	int ret, err;

	down_read(&tt->gate);
	ret = type1_test_do(&pin.job, arg->context);
	if (ret > 0) {
		err = type1_test_hold_all(tt, type1_test_index(arg->iova), ret,
					  pages);
		if (err) {
			vfio_unpin_pages(&tt->vdev, arg->iova, ret);
			ret = err;
		}
	}
	up_read(&tt->gate);
	return ret;
}

static long type1_test_ioctl_pin(struct type1_test *tt, void *data)
{
	const struct type1_test_pin *arg = data;
	struct page **pages = NULL;
	int ret, err;

	if (arg->context >= TYPE1_TEST_CONTEXTS)
		return -EINVAL;
	/* What the core refuses by its number needs no room. */
	if (arg->npage && arg->npage <= VFIO_PIN_PAGES_MAX_ENTRIES)
		pages = kcalloc(arg->npage, sizeof(*pages), TYPE1_TEST_GFP);
	ret = type1_test_pin_pages(tt, arg, pages);
	if (ret > 0) {
		err = type1_test_tell(arg, ret, pages);
		if (err)
			ret = err;
	}
	kfree(pages);
	return ret;
}

static long type1_test_ioctl_unpin(struct type1_test *tt, void *data)
{
	const struct type1_test_pin *arg = data;
	u64 first = type1_test_index(arg->iova);

	if (!arg->npage)
		return -EINVAL;
	return type1_test_unpin(tt, first, first + arg->npage - 1,
				offset_in_page(arg->iova), false);
}

/* Access */

static int type1_test_rw_run(struct type1_test_job *job)
{
	struct type1_test_rw_job *rw = container_of(job,
						    struct type1_test_rw_job,
						    job);

	return vfio_dma_rw(&rw->tt->vdev, rw->iova, rw->data, rw->len,
			   rw->write);
}

static long type1_test_ioctl_rw(struct type1_test *tt, void *data)
{
	const struct type1_test_rw *arg = data;
	struct type1_test_rw_job rw = {
		.job.run = type1_test_rw_run,
		.tt = tt,
		.iova = arg->iova,
		.len = arg->len,
		.write = arg->write,
	};
	int ret;

	if (!arg->len || arg->len > TYPE1_TEST_RW_MAX ||
	    arg->context >= TYPE1_TEST_CONTEXTS)
		return -EINVAL;
	/* What is not read keeps its bytes. */
	rw.data = vmemdup_user(u64_to_user_ptr(arg->data), arg->len);
	if (IS_ERR(rw.data))
		return PTR_ERR(rw.data);
	ret = type1_test_do(&rw.job, arg->context);
	if (!arg->write &&
	    copy_to_user(u64_to_user_ptr(arg->data), rw.data, arg->len))
		ret = -EFAULT;
	kvfree(rw.data);
	return ret;
}

static long type1_test_ioctl_word(struct type1_test *tt, void *data)
{
	struct type1_test_word *arg = data;
	unsigned int offset = offset_in_page(arg->iova);
	struct type1_test_held *held;
	int ret = 0;
	void *mem;

	if (!IS_ALIGNED(arg->iova, sizeof(u64)))
		return -EINVAL;
	mutex_lock(&tt->lock);
	held = xa_load(&tt->pins, type1_test_index(arg->iova));
	if (!held) {
		ret = -ENOENT;
	} else if (arg->write) {
		mem = kmap_local_page(held->page);
		WRITE_ONCE(*(u64 *)(mem + offset), arg->value);
		kunmap_local(mem);
	} else {
		arg->value = type1_test_load(held->page, offset);
	}
	mutex_unlock(&tt->lock);
	return ret;
}

static void type1_test_describe(struct type1_test_page *arg, struct page *page)
{
	struct folio *folio = page_folio(page);

	arg->pfn = page_to_pfn(page);
	arg->refs = folio_ref_count(folio);
	if (folio_test_large(folio))
		arg->flags |= TYPE1_TEST_PAGE_LARGE;
	if (is_zero_pfn(arg->pfn))
		arg->flags |= TYPE1_TEST_PAGE_ZERO;
}

static long type1_test_ioctl_page(struct type1_test *tt, void *data)
{
	struct type1_test_page *arg = data;
	struct type1_test_held *held;
	struct page *page;
	int ret;

	arg->pfn = 0;
	arg->refs = 0;
	arg->flags = 0;
	mutex_lock(&tt->lock);
	held = xa_load(&tt->pins, type1_test_index(arg->iova));
	arg->count = held ? held->count : 0;
	if (held && !arg->vaddr)
		type1_test_describe(arg, held->page);
	mutex_unlock(&tt->lock);
	if (!arg->vaddr)
		return 0;

	ret = get_user_pages_fast(arg->vaddr, 1, 0, &page);
	if (ret != 1)
		return ret < 0 ? ret : -EFAULT;
	type1_test_describe(arg, page);
	arg->refs--;
	put_page(page);
	return 0;
}

/* Unmapping */

static void type1_test_late(struct work_struct *work)
{
	type1_test_unpin_all(container_of(to_delayed_work(work),
					  struct type1_test, late));
}

static long type1_test_ioctl_behave(struct type1_test *tt, void *data)
{
	const struct type1_test_behave *arg = data;

	if (arg->unmap >= TYPE1_TEST_UNMAPS)
		return -EINVAL;
	mutex_lock(&tt->lock);
	tt->behave = *arg;
	tt->told = 0;
	mutex_unlock(&tt->lock);
	return 0;
}

static long type1_test_ioctl_news(struct type1_test *tt, void *data)
{
	struct type1_test_news *arg = data;

	mutex_lock(&tt->lock);
	*arg = tt->news;
	memset(&tt->news, 0, sizeof(tt->news));
	mutex_unlock(&tt->lock);
	arg->faults = atomic_xchg(&tt->faults, 0);
	return 0;
}

static void type1_test_dma_unmap(struct vfio_device *vdev, u64 iova, u64 length)
{
	struct type1_test *tt = to_type1_test(vdev);
	struct type1_test_behave behave;
	unsigned int told;
	u64 unpinned;

	down_write(&tt->gate);
	mutex_lock(&tt->lock);
	behave = tt->behave;
	told = ++tt->told;
	tt->news.iova = iova;
	tt->news.size = length;
	tt->news.unmaps++;
	mutex_unlock(&tt->lock);
	up_write(&tt->gate);

	if (behave.unmap == TYPE1_TEST_UNMAP_LATE)
		schedule_delayed_work(&tt->late, msecs_to_jiffies(behave.n));
	if (behave.unmap == TYPE1_TEST_UNMAP_UNPIN ||
	    (behave.unmap == TYPE1_TEST_UNMAP_NTH && told >= behave.n)) {
		unpinned = type1_test_unpin(tt, type1_test_index(iova),
					    type1_test_index(iova + length - 1),
					    0, true);
		/* Others may have a pin off the list that is not undone yet. */
		down_write(&tt->unpinning);
		up_write(&tt->unpinning);
		mutex_lock(&tt->lock);
		tt->news.unpinned += unpinned;
		mutex_unlock(&tt->lock);
	}
}

static long type1_test_ioctl_late(struct type1_test *tt, void *data)
{
	struct type1_test_late *arg = data;

	WRITE_ONCE(tt->hold, arg->hold);
	wake_up_all(&tt->come);
	arg->waiting = atomic_read(&tt->waiting);
	return 0;
}

/* The device's file */

struct type1_test_command {
	unsigned int cmd;
	long (*run)(struct type1_test *tt, void *data);
};

static const struct type1_test_command type1_test_commands[] = {
	{ TYPE1_TEST_PIN, type1_test_ioctl_pin },
	{ TYPE1_TEST_UNPIN, type1_test_ioctl_unpin },
	{ TYPE1_TEST_RW, type1_test_ioctl_rw },
	{ TYPE1_TEST_WORD, type1_test_ioctl_word },
	{ TYPE1_TEST_PAGE, type1_test_ioctl_page },
	{ TYPE1_TEST_BEHAVE, type1_test_ioctl_behave },
	{ TYPE1_TEST_NEWS, type1_test_ioctl_news },
	{ TYPE1_TEST_LATE, type1_test_ioctl_late },
};

union type1_test_arg {
	struct type1_test_pin pin;
	struct type1_test_rw rw;
	struct type1_test_word word;
	struct type1_test_page page;
	struct type1_test_behave behave;
	struct type1_test_news news;
	struct type1_test_late late;
};

static long type1_test_ioctl(struct vfio_device *vdev, unsigned int cmd,
			     unsigned long uarg)
{
	struct type1_test *tt = to_type1_test(vdev);
	void __user *user = (void __user *)uarg;
	union type1_test_arg arg;
	unsigned int i;
	long ret;

	for (i = 0; i < ARRAY_SIZE(type1_test_commands); i++) {
		if (cmd != type1_test_commands[i].cmd)
			continue;
		if (copy_from_user(&arg, user, _IOC_SIZE(cmd)))
			return -EFAULT;
		ret = type1_test_commands[i].run(tt, &arg);
		if (ret >= 0 && _IOC_DIR(cmd) & _IOC_READ &&
		    copy_to_user(user, &arg, _IOC_SIZE(cmd)))
			return -EFAULT;
		return ret;
	}
	return -ENOTTY;
}

static vm_fault_t type1_test_fault(struct vm_fault *vmf)
{
	unsigned long page = (vmf->address - vmf->vma->vm_start) >> PAGE_SHIFT;

	if (page >= TYPE1_TEST_AREA_PAGES)
		return VM_FAULT_SIGBUS;
	return vmf_insert_pfn(vmf->vma, vmf->address & PAGE_MASK,
			      page_to_pfn(type1_test_area) + page);
}

static const struct vm_operations_struct type1_test_lazy = {
	.fault = type1_test_fault,
};

/*
 * To try again, where that was not offered: it is what makes the kernel's
 * functions that pin answer 0.
 */
static vm_fault_t type1_test_no_page(struct vm_fault *vmf)
{
	struct type1_test *tt = vmf->vma->vm_private_data;

	if (vmf->flags & FAULT_FLAG_ALLOW_RETRY ||
	    atomic_inc_return(&tt->faults) > TYPE1_TEST_FAULTS)
		return VM_FAULT_SIGBUS;
	return VM_FAULT_RETRY;
}

static const struct vm_operations_struct type1_test_none = {
	.fault = type1_test_no_page,
};

/*
 * A page of its own for each fault. While they are held back it waits without the
 * lock of the address space, so the area may be gone after that; the file stays.
 */
static vm_fault_t type1_test_late_page(struct vm_fault *vmf)
{
	struct type1_test *tt = vmf->vma->vm_private_data;
	struct file *file;

	if (!READ_ONCE(tt->hold)) {
		vmf->page = alloc_page(TYPE1_TEST_GFP | __GFP_ZERO);
		return 0;
	}
	if (!(vmf->flags & FAULT_FLAG_ALLOW_RETRY) || vmf->flags & FAULT_FLAG_RETRY_NOWAIT)
		return VM_FAULT_SIGBUS;
	file = get_file(vmf->vma->vm_file);
	vfio_compat_fault_unlock(vmf);
	atomic_inc(&tt->waiting);
	wait_event_killable(tt->come, !READ_ONCE(tt->hold));
	atomic_dec(&tt->waiting);
	fput(file);
	return VM_FAULT_RETRY;
}

static const struct vm_operations_struct type1_test_late_pages = {
	.fault = type1_test_late_page,
};

static int type1_test_mmap(struct vfio_device *vdev, struct vm_area_struct *vma)
{
	unsigned long size = vma->vm_end - vma->vm_start;
	unsigned long pfn = page_to_pfn(type1_test_area);

	if (size > TYPE1_TEST_AREA_PAGES * PAGE_SIZE)
		return -EINVAL;
	switch (vma->vm_pgoff << PAGE_SHIFT) {
	case TYPE1_TEST_AREA_LAZY:
		vfio_compat_vm_flags_set(vma, VM_IO | VM_PFNMAP |
					 VM_DONTEXPAND | VM_DONTDUMP);
		vma->vm_ops = &type1_test_lazy;
		return 0;
	case TYPE1_TEST_AREA_NONE:
		vma->vm_private_data = to_type1_test(vdev);
		vma->vm_ops = &type1_test_none;
		return 0;
	case TYPE1_TEST_AREA_LATE:
		vma->vm_private_data = to_type1_test(vdev);
		vma->vm_ops = &type1_test_late_pages;
		return 0;
	case TYPE1_TEST_AREA_IO:
		if (!type1_test_io_pfn)
			return -ENODEV;
		vma->vm_page_prot = pgprot_noncached(vma->vm_page_prot);
		pfn = type1_test_io_pfn;
		break;
	case TYPE1_TEST_AREA_FAR:
		pfn = GENMASK_ULL(39, 0);
		if (IS_ENABLED(CONFIG_UML) ||
		    pte_pfn(pfn_pte(pfn + 1, vma->vm_page_prot)) != pfn + 1)
			return -ENODEV;
		vma->vm_page_prot = pgprot_noncached(vma->vm_page_prot);
		break;
	case TYPE1_TEST_AREA_OWN:
		pfn = page_to_pfn(type1_test_own);
		break;
	case TYPE1_TEST_AREA_EAGER:
		break;
	default:
		return -EINVAL;
	}
	return remap_pfn_range(vma, vma->vm_start, pfn, size, vma->vm_page_prot);
}

static int type1_test_open(struct vfio_device *vdev)
{
	struct type1_test *tt = to_type1_test(vdev);

	mutex_lock(&tt->lock);
	memset(&tt->behave, 0, sizeof(tt->behave));
	memset(&tt->news, 0, sizeof(tt->news));
	tt->told = 0;
	mutex_unlock(&tt->lock);
	atomic_set(&tt->faults, 0);
	WRITE_ONCE(tt->hold, false);
	return 0;
}

static void type1_test_close(struct vfio_device *vdev)
{
	struct type1_test *tt = to_type1_test(vdev);
	struct type1_test_held *held;
	unsigned long index;
	bool keep;

	cancel_delayed_work_sync(&tt->late);
	mutex_lock(&tt->lock);
	keep = tt->behave.keep;
	mutex_unlock(&tt->lock);
	if (!keep)
		type1_test_unpin_all(tt);

	mutex_lock(&tt->lock);
	xa_for_each(&tt->pins, index, held)
		kfree(held);
	xa_destroy(&tt->pins);
	mutex_unlock(&tt->lock);
}

static int type1_test_init_dev(struct vfio_device *vdev)
{
	struct type1_test *tt = to_type1_test(vdev);

	init_rwsem(&tt->gate);
	init_rwsem(&tt->unpinning);
	mutex_init(&tt->lock);
	xa_init(&tt->pins);
	INIT_DELAYED_WORK(&tt->late, type1_test_late);
	init_waitqueue_head(&tt->come);
	return 0;
}

static void type1_test_release_dev(struct vfio_device *vdev)
{
	mutex_destroy(&to_type1_test(vdev)->lock);
	vfio_compat_free_device(vdev);
}

static const struct vfio_device_ops type1_test_ops = {
	.name = "vfio_type1_test",
	.init = type1_test_init_dev,
	.release = type1_test_release_dev,
	.open_device = type1_test_open,
	.close_device = type1_test_close,
	.ioctl = type1_test_ioctl,
	.mmap = type1_test_mmap,
	.dma_unmap = type1_test_dma_unmap,
	VFIO_COMPAT_EMULATED_IOMMUFD_OPS
};

/* The platform device that it hangs on */

static void type1_test_unregister(void *data)
{
	struct type1_test *tt = data;

	vfio_unregister_group_dev(&tt->vdev);
	vfio_put_device(&tt->vdev);
}

static int type1_test_probe(struct platform_device *pdev)
{
	struct type1_test *tt;
	int ret;

	tt = vfio_alloc_device(type1_test, vdev, &pdev->dev, &type1_test_ops);
	if (IS_ERR(tt))
		return PTR_ERR(tt);
	ret = vfio_register_emulated_iommu_dev(&tt->vdev);
	if (ret) {
		vfio_put_device(&tt->vdev);
		return ret;
	}
	return devm_add_action_or_reset(&pdev->dev, type1_test_unregister, tt);
}

static struct platform_driver type1_test_driver = {
	.probe = type1_test_probe,
	.driver = {
		.name = "vfio_type1_test",
	},
	/* It has no DMA, and gets its IOMMU group when bound already. */
	.driver_managed_dma = true,
};

#define TYPE1_TEST_AREA_ORDER	get_order(TYPE1_TEST_AREA_PAGES * PAGE_SIZE)

/* Pages that are memory, but not of the kind that is counted; and some that are */
static int type1_test_make_area(void)
{
	unsigned long i;

	type1_test_area = alloc_pages(GFP_KERNEL | __GFP_ZERO, TYPE1_TEST_AREA_ORDER);
	type1_test_own = alloc_pages(GFP_KERNEL | __GFP_ZERO, TYPE1_TEST_AREA_ORDER);
	if (!type1_test_area || !type1_test_own) {
		if (type1_test_area)
			__free_pages(type1_test_area, TYPE1_TEST_AREA_ORDER);
		if (type1_test_own)
			__free_pages(type1_test_own, TYPE1_TEST_AREA_ORDER);
		return -ENOMEM;
	}
	for (i = 0; i < TYPE1_TEST_AREA_PAGES; i++) {
		SetPageReserved(type1_test_area + i);
		*(u64 *)page_address(type1_test_area + i) =
			TYPE1_TEST_AREA_WORD + i;
	}
	return 0;
}

static void type1_test_free_area(void)
{
	unsigned long i;

	for (i = 0; i < TYPE1_TEST_AREA_PAGES; i++)
		ClearPageReserved(type1_test_area + i);
	__free_pages(type1_test_area, TYPE1_TEST_AREA_ORDER);
	__free_pages(type1_test_own, TYPE1_TEST_AREA_ORDER);
}

/*
 * Below 4 GiB, where a machine has no memory if it has a hole anywhere. User
 * Mode Linux kills a process that has such a page.
 */
static void type1_test_find_io(void)
{
	unsigned long first = 0xf0000000UL >> PAGE_SHIFT, i;

	if (IS_ENABLED(CONFIG_UML))
		return;
	for (i = 0; i < TYPE1_TEST_AREA_PAGES; i++)
		if (pfn_valid(first + i))
			return;
	type1_test_io_pfn = first;
}

static void type1_test_remove_devices(void)
{
	unsigned int i;

	for (i = 0; i < TYPE1_TEST_DEVICES; i++)
		platform_device_unregister(type1_test_pdevs[i]);
	platform_driver_unregister(&type1_test_driver);
	type1_test_free_area();
}

static int __init type1_test_init(void)
{
	struct platform_device *pdev;
	unsigned int i;
	int ret;

	type1_test_find_io();
	ret = type1_test_make_area();
	if (ret)
		return ret;
	ret = platform_driver_register(&type1_test_driver);
	if (ret) {
		type1_test_free_area();
		return ret;
	}
	for (i = 0; i < TYPE1_TEST_DEVICES; i++) {
		pdev = platform_device_register_simple("vfio_type1_test", i,
						       NULL, 0);
		if (IS_ERR(pdev)) {
			type1_test_remove_devices();
			return PTR_ERR(pdev);
		}
		type1_test_pdevs[i] = pdev;
	}
	return 0;
}
module_init(type1_test_init);

static void __exit type1_test_exit(void)
{
	type1_test_remove_devices();
}
module_exit(type1_test_exit);

MODULE_DESCRIPTION("VFIO: test device that pins what is mapped");
MODULE_LICENSE("GPL");
