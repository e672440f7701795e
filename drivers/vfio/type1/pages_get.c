// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages out of an address space
 *
 * Which memory can be pinned is what the kernel's own type1 finds: that of the
 * mm, whichever thread asks. So every page that is not there yet, or that
 * pin_user_pages_fast() refuses or cannot judge, is asked for by
 * pin_user_pages_remote() under the mmap_lock. A protection key, which is a
 * thread's, forbids nothing there; userfaultfd is not waited for, as the lock
 * cannot be dropped meanwhile: -EFAULT. Before that a thread that runs in the
 * address space takes what is there without the lock, and without a fault
 * (FOLL_NOFAULT), so that it never gets more than the remote way would give. A
 * kernel thread adopts the address space for that.
 *
 * Memory without a pin to hold is told apart. I/O memory (VM_PFNMAP) has no
 * pages that could be pinned: its owner revokes it by other means. The zero
 * page is always there, and a pin for each page of a large mapping would
 * overflow its reference count: the pin is given back at once.
 */
#include <linux/kthread.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>

#include <vfio-compat/gup.h>
#include <vfio-compat/mm.h>

#include "pages.h"

/**
 * t1_gup_begin - be about to pin
 * @gup: initialised
 * @mm: the address space
 * @write: the pages will be written to
 *
 * Context: process context. Sleeps. The same task calls t1_gup_end().
 * Return: 0, or -ENODEV: the address space is gone.
 */
int t1_gup_begin(struct t1_gup *gup, struct mm_struct *mm, bool write)
{
	gup->mm = mm;
	gup->write = write;
	gup->how = T1_GUP_OWN;
	if (current->mm == mm)
		return 0;
	if (!mmget_not_zero(mm))
		return -ENODEV;
	gup->how = T1_GUP_REMOTE;
	if (!current->mm && current->flags & PF_KTHREAD) {
		kthread_use_mm(mm);
		gup->how = T1_GUP_ADOPTED;
	}
	return 0;
}

/**
 * t1_gup_end - be done with pinning
 * @gup: what t1_gup_begin() initialised, also if it failed, or all 0
 */
void t1_gup_end(struct t1_gup *gup)
{
	if (gup->how == T1_GUP_OWN)
		return;
	if (gup->how == T1_GUP_ADOPTED)
		kthread_unuse_mm(gup->mm);
	mmput(gup->mm);
}

/* Consecutive I/O memory from an address on; the mmap_lock is held. */
static long follow_io(struct t1_gup *gup, unsigned long vaddr,
		      unsigned long npages, unsigned long *first)
{
	struct vm_area_struct *vma;
	unsigned long done = 0, pfn, step, i;
	int ret;

	while (done < npages) {
		vma = vma_lookup(gup->mm, vaddr + (done << PAGE_SHIFT));
		if (!vma || !(vma->vm_flags & VM_PFNMAP))
			ret = -EFAULT;
		else
			ret = vfio_compat_follow_pfnmap(vma, vaddr + (done << PAGE_SHIFT),
							gup->write, &pfn, &step);
		if (ret == -EAGAIN) {
			if (!fatal_signal_pending(current))
				continue;
			ret = -EINTR;
		}
		if (ret)
			return done ?: ret;
		if (done && pfn != *first + done)
			break;
		step = min(step, npages - done);
		if (pfn > T1_PFN_MAX || step - 1 > T1_PFN_MAX - pfn)
			return done ?: -EFAULT;
		for (i = 0; i < step; i++)
			if (pfn_valid(pfn + i) && !PageReserved(pfn_to_page(pfn + i)))
				return done ?: -EFAULT;
		if (!done)
			*first = pfn;
		done += step;
	}
	return done;
}

/*
 * How many pages are consecutive, from the first on. For a huge page, pinned at
 * once, this is what costs most, hence four at a time.
 */
static unsigned long run_length(struct page **pages, unsigned long n)
{
	struct page *first = pages[0];
	unsigned long run = 1;

	while (run + 4 <= n && pages[run] == vfio_compat_nth_page(first, run) &&
	       pages[run + 1] == vfio_compat_nth_page(first, run + 1) &&
	       pages[run + 2] == vfio_compat_nth_page(first, run + 2) &&
	       pages[run + 3] == vfio_compat_nth_page(first, run + 3))
		run += 4;
	while (run < n && pages[run] == vfio_compat_nth_page(first, run))
		run++;
	return run;
}

/* What there is to know about pages, while they are at hand. */
static void look_at(struct page **pages, unsigned long n,
		    struct t1_source *src)
{
	unsigned long run = run_length(pages, n), i, step;
	struct folio *folio;

	src->nreserved = 0;
	for (i = 0; i < n; i += step) {
		step = 1;
		if (unlikely(PageReserved(pages[i]))) {
			src->nreserved++;
			run = 1;
			if (t1_page_is_bare(pages[i]))
				unpin_user_page(pages[i]);
		} else if (i < run && PageCompound(pages[i])) {
			/* All of a folio is reserved, or none. */
			folio = page_folio(pages[i]);
			step = folio_nr_pages(folio) - folio_page_idx(folio, pages[i]);
			step = min(step, run - i);
		}
	}
	src->run = run;
}

/* All that there may be: pages, or I/O memory, which the mmap_lock keeps in place. */
static long get_locked(struct t1_gup *gup, unsigned long vaddr,
		       unsigned long npages, struct page **pages,
		       struct t1_source *src)
{
	long ret;

	mmap_read_lock(gup->mm);
	ret = vfio_compat_pin_user_pages_remote(gup->mm, vaddr, npages,
						t1_gup_flags(gup->write), pages);
	if (ret == -EFAULT) {
		ret = follow_io(gup, vfio_compat_untagged_addr(gup->mm, vaddr),
				npages, &src->pfn);
		src->pages = NULL;
		src->run = ret > 0 ? ret : 1;
		src->nreserved = src->run;
	}
	mmap_read_unlock(gup->mm);
	return ret;
}

/**
 * t1_gup_pages - pin some pages
 * @gup: the way into the address space
 * @vaddr: where from; a multiple of the page size
 * @npages: how many, at most; at least one, no more than INT_MAX
 * @pages: filled in, unless it is I/O memory that was found
 * @src: what was
 *
 * Context: process context. Sleeps, may take the mmap_lock.
 * Return: how many, at least one; or none, and -EFAULT: there is no memory that can
 * be pinned so; -ENOMEM; -EINTR: the task was killed; or what only the kernel's
 * functions know: -EOPNOTSUPP: it is a file's, on DAX; -EEXIST: it has no struct
 * page; -EREMOTEIO: it is a PCI device's; -EBUSY: it would have to move, and cannot.
 */
long t1_gup_pages(struct t1_gup *gup, unsigned long vaddr, unsigned long npages,
		  struct page **pages, struct t1_source *src)
{
	unsigned int flags = t1_gup_flags(gup->write) | FOLL_NOFAULT;
	long ret = 0;

	/* The kernel would take it for the whole page table. */
	if (WARN_ON_ONCE(!npages))
		return -EINVAL;
	src->pages = pages;
	if (gup->how != T1_GUP_REMOTE)
		ret = vfio_compat_pin_user_pages_fast(vaddr, npages, flags, pages);
	if (unlikely(ret <= 0))
		ret = get_locked(gup, vaddr, npages, pages, src);
	if (likely(ret > 0 && src->pages))
		look_at(pages, ret, src);
	return ret ?: -EFAULT;
}

/**
 * t1_gup_page_of - pin a page of somebody's memory
 * @mm: whose
 * @vaddr: where; a multiple of the page size
 * @write: it will be written to
 * @page: filled in
 *
 * Context: process context. Sleeps, may take the mmap_lock.
 * Return: success; if not, or if it is special in any way, it is not pinned, and
 * t1_gup_pages() knows more.
 */
bool t1_gup_page_of(struct mm_struct *mm, unsigned long vaddr, bool write,
		    struct page **page)
{
	struct t1_gup gup;
	bool got;

	if (t1_gup_begin(&gup, mm, write))
		return false;
	if (gup.how == T1_GUP_ADOPTED) {
		got = t1_gup_own_page(vaddr, write, page);
	} else {
		mmap_read_lock(mm);
		got = vfio_compat_pin_user_pages_remote(mm, vaddr, 1, t1_gup_flags(write),
							page) == 1;
		mmap_read_unlock(mm);
		got = got && t1_page_is_plain(*page);
	}
	t1_gup_end(&gup);
	return got;
}

/**
 * t1_page_is_bare - is it a page that holds no pin?
 * @page: one that t1_gup_pages() found
 *
 * Return: true for the zero page.
 */
bool t1_page_is_bare(struct page *page)
{
	return is_zero_pfn(page_to_pfn(page));
}

/**
 * t1_unpin - give pages back that were not recorded
 * @pages: as t1_gup_pages() found them
 * @npages: how many
 * @dirty: they may have been written to
 *
 * Context: process context. Sleeps.
 */
void t1_unpin(struct page **pages, unsigned long npages, bool dirty)
{
	unsigned long i, from = 0;

	for (i = 0; i < npages; i++) {
		if (!t1_page_is_bare(pages[i]))
			continue;
		unpin_user_pages_dirty_lock(pages + from, i - from, dirty);
		from = i + 1;
	}
	unpin_user_pages_dirty_lock(pages + from, npages - from, dirty);
}
