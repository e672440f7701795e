// SPDX-License-Identifier: GPL-2.0-only
/*
 * Drivers of mediated devices read and write bytes of what is mapped
 *
 * Nothing is pinned for that: the memory is copied from or to as its owner would.
 * The call is in flight in the mapping meanwhile, so that an unmap waits.
 */
#include <linux/kthread.h>
#include <linux/pfn.h>
#include <linux/sched/mm.h>
#include <linux/uaccess.h>

#include "type1.h"

/* Copy within a mapping that this call is in flight in. */
static int rw_in_map(struct t1_map *m, unsigned long vaddr, void *data,
		     size_t len, bool write)
{
	struct mm_struct *mm = m->owner->mm;
	bool adopt = current->mm != mm;
	unsigned long left;

	if (adopt) {
		if (current->mm || !(current->flags & PF_KTHREAD))
			return -EFAULT;
		if (!mmget_not_zero(mm))
			return -EPERM;
		kthread_use_mm(mm);
	}
	left = write ? copy_to_user((void __user *)vaddr, data, len) :
		       copy_from_user(data, (void __user *)vaddr, len);
	if (adopt) {
		kthread_unuse_mm(mm);
		mmput(mm);
	}
	return left ? -EFAULT : 0;
}

/**
 * t1_dma_rw - copy from or to what is mapped
 * @data: the container
 * @iova: where
 * @buf: kernel memory
 * @len: bytes
 * @write: to what is mapped
 *
 * Context: process context of the mapping's owner or of a kernel thread that
 * runs in no address space. Sleeps.
 * Return: 0; -EINVAL: not all is mapped; -EPERM: the mapping does not allow
 * it, or its owner is gone; -EFAULT: it cannot be accessed, or not by this
 * task; -EBUSY: mappings have no address.
 */
int t1_dma_rw(void *data, dma_addr_t iova, void *buf, size_t len, bool write)
{
	struct t1_container *c = data;
	unsigned long offset;
	struct t1_map *m;
	size_t n;
	int ret = 0;

	if (unlikely(READ_ONCE(c->vaddr_invalid)))
		return -EBUSY;
	if (len && iova + len - 1 < iova)
		return -EINVAL;
	for (; len && !ret; len -= n, iova += n, buf += n) {
		m = t1_map_enter(c, iova);
		if (!m)
			return t1_not_entered(c);
		offset = iova - m->iova;
		n = min_t(unsigned long, len - 1, m->last - iova) + 1;
		if (unlikely(!t1_map_allows(m, write ? IOMMU_WRITE : IOMMU_READ)))
			ret = -EPERM;
		else
			ret = rw_in_map(m, m->vaddr + offset, buf, n, write);
		/* A part may have been written, of what could not be copied. */
		if (write && ret != -EPERM) {
			smp_mb(); /* pairs with that of t1_dirty_start() */
			if (unlikely(READ_ONCE(m->bars) & T1_BAR_DIRTY))
				t1_dirty_mark(m, PFN_DOWN(offset),
					      PFN_UP(offset + n) - PFN_DOWN(offset));
		}
		t1_leave(c, &m->inflight);
	}
	return ret;
}
