/* SPDX-License-Identifier: GPL-2.0-only */
/* Pages and I/O memory of another address space. */
#ifndef _VFIO_COMPAT_GUP_H
#define _VFIO_COMPAT_GUP_H

#include <linux/mm.h>
#include <linux/uaccess.h>
#include <vfio-compat/version.h>

static inline long
vfio_compat_pin_user_pages_remote(struct mm_struct *mm, unsigned long vaddr,
				  unsigned long npages, unsigned int flags,
				  struct page **pages)
{
#if VFIO_COMPAT_HAS_PIN_REMOTE_NO_VMAS
	return pin_user_pages_remote(mm, vaddr, npages, flags, pages, NULL);
#else
	return pin_user_pages_remote(mm, vaddr, npages, flags, pages, NULL, NULL);
#endif
}

/*
 * Does pin_user_pages_fast() see that memory may not even be read? An entry of the page
 * table is there all the same: either such entries are marked for NUMA balancing, or
 * the machine's own check knows them, or (s390) nothing tells.
 */
static __always_inline bool vfio_compat_fast_sees_no_access(void)
{
	if (IS_ENABLED(CONFIG_NUMA_BALANCING))
		return true;
	/* By the names before and from 6.10 on: without, it is the slow way in disguise. */
	if (!IS_ENABLED(CONFIG_HAVE_FAST_GUP) && !IS_ENABLED(CONFIG_HAVE_GUP_FAST))
		return true;
	return !pte_access_permitted(pfn_pte(0, PAGE_NONE), false);
}

/* pin_user_pages_fast(), which pins none where it could pin what may not be read. */
static __always_inline int
vfio_compat_pin_user_pages_fast(unsigned long vaddr, int npages, unsigned int flags,
				struct page **pages)
{
	if (!(flags & FOLL_WRITE) && !vfio_compat_fast_sees_no_access())
		return 0;
	return pin_user_pages_fast(vaddr, npages, flags, pages);
}

static inline unsigned long vfio_compat_untagged_addr(struct mm_struct *mm,
						      unsigned long addr)
{
#if VFIO_COMPAT_HAS_UNTAGGED_ADDR_REMOTE
	return untagged_addr_remote(mm, addr);
#else
	return untagged_addr(addr);
#endif
}

/* The page of I/O memory that is mapped at an address, if any is right now. */
static inline int vfio_compat_look_pfnmap(struct vm_area_struct *vma,
					  unsigned long vaddr, bool write,
					  unsigned long *pfn, unsigned long *npages)
{
#if VFIO_COMPAT_HAS_FOLLOW_PFNMAP
	struct follow_pfnmap_args args = { .vma = vma, .address = vaddr };
	int ret = follow_pfnmap_start(&args);

	if (ret)
		return ret;
	*pfn = args.pfn;
#if VFIO_COMPAT_HAS_PFNMAP_ADDR_MASK
	*npages = (~args.addr_mask - (vaddr & ~args.addr_mask) + 1) >> PAGE_SHIFT;
#else
	*npages = 1;
	/* What no page table holds is mapped by a huge page at least. */
	if (!args.ptep)
		*npages = (ALIGN(vaddr + 1, PMD_SIZE) - vaddr) >> PAGE_SHIFT;
#endif
	if (write && !args.writable)
		ret = -EACCES;
	follow_pfnmap_end(&args);
	return ret;
#else
	spinlock_t *lock;	/* of the page table */
	pte_t *pte;
	int ret;

#if VFIO_COMPAT_HAS_FOLLOW_PTE_MM
	ret = follow_pte(vma->vm_mm, vaddr, &pte, &lock);
#else
	ret = follow_pte(vma, vaddr, &pte, &lock);
#endif
	if (ret)
		return ret;
	/* As follow_pte() does not say to sparse. */
	__acquire(lock);
	*pfn = pte_pfn(*pte);
	*npages = 1;
	if (write && !pte_write(*pte))
		ret = -EACCES;
	pte_unmap_unlock(pte, lock);
	return ret;
#endif
}

/*
 * I/O memory at an address of a VM_PFNMAP area: its page, and how many mapped
 * as one follow, this included. The caller holds the mmap_lock, and starts
 * over on -EAGAIN, before which it was released and taken again. Else an error is
 * -EFAULT, -ENOMEM or -EINTR, if the task is to die.
 */
static inline int vfio_compat_follow_pfnmap(struct vm_area_struct *vma,
					    unsigned long vaddr, bool write,
					    unsigned long *pfn,
					    unsigned long *npages)
{
	bool unlocked = false;
	int ret;

	ret = vfio_compat_look_pfnmap(vma, vaddr, write, pfn, npages);
	if (!ret)
		return 0;
	ret = fixup_user_fault(vma->vm_mm, vaddr,
			       FAULT_FLAG_REMOTE | (write ? FAULT_FLAG_WRITE : 0),
			       &unlocked);
	if (unlocked)
		return -EAGAIN;
	if (ret)
		return ret;
	ret = vfio_compat_look_pfnmap(vma, vaddr, write, pfn, npages);
	return ret ? -EFAULT : 0;
}

#endif /* _VFIO_COMPAT_GUP_H */
