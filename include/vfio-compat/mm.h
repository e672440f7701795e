/* SPDX-License-Identifier: GPL-2.0-only */
/* Areas, faults and pages. */
#ifndef _VFIO_COMPAT_MM_H
#define _VFIO_COMPAT_MM_H

#include <linux/mm.h>
#include <vfio-compat/version.h>

static inline void vfio_compat_vm_flags_set(struct vm_area_struct *vma,
					    unsigned long flags)
{
#if VFIO_COMPAT_HAS_VM_FLAGS_SET
	vm_flags_set(vma, flags);
#else
	vma->vm_flags |= flags;
#endif
}

static inline void vfio_compat_vm_flags_clear(struct vm_area_struct *vma,
					      unsigned long flags)
{
#if VFIO_COMPAT_HAS_VM_FLAGS_SET
	vm_flags_clear(vma, flags);
#else
	vma->vm_flags &= ~flags;
#endif
}

/*
 * Before a fault handler waits, and answers VM_FAULT_RETRY. 6.7: it may hold a part of
 * the address space only
 */
static inline void vfio_compat_fault_unlock(struct vm_fault *vmf)
{
#if VFIO_COMPAT_HAS_FAULT_LOCK
	release_fault_lock(vmf);
#else
	mmap_read_unlock(vmf->vma->vm_mm);
#endif
}

/* 6.18: the pages of a folio, which runs of pages here may cross, lie side by side */
static inline struct page *vfio_compat_nth_page(struct page *page, unsigned long n)
{
#if VFIO_COMPAT_HAS_NTH_PAGE
	return nth_page(page, n);
#else
	return page + n;
#endif
}

#endif /* _VFIO_COMPAT_MM_H */
