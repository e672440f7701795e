/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vm_flags: written directly before 6.3, by helpers since. What a fault handler holds
 * of an address space: the whole before 6.7, maybe a part of it since.
 */
#ifndef _VFIO_COMPAT_MM_H
#define _VFIO_COMPAT_MM_H

#include <linux/mm.h>
#include <vfio-compat/version.h>

static inline void vfio_compat_vm_flags_set(struct vm_area_struct *vma,
					    unsigned long flags)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
	vm_flags_set(vma, flags);
#else
	vma->vm_flags |= flags;
#endif
}

static inline void vfio_compat_vm_flags_clear(struct vm_area_struct *vma,
					      unsigned long flags)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
	vm_flags_clear(vma, flags);
#else
	vma->vm_flags &= ~flags;
#endif
}

/* Before a fault handler waits, and answers VM_FAULT_RETRY */
static inline void vfio_compat_fault_unlock(struct vm_fault *vmf)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
	release_fault_lock(vmf);
#else
	mmap_read_unlock(vmf->vma->vm_mm);
#endif
}

#endif /* _VFIO_COMPAT_MM_H */
