/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What stops sources of Linux 4.10 to 5.12 from building on 6.1 and later and has
 * nothing to do with mediated devices
 *
 * Optional. A driver's Kbuild file asks for it with
 *
 *	ccflags-y += -include vfio-compat/drift.h
 *
 * and its sources build as they are. Each part takes the kernel's own header
 * in first and then gives a name its old meaning, its value too; so a source that
 * was ported to the new one has no use for this header.
 *
 *	class_create(owner, name)	6.4 dropped the owner
 *	eventfd_signal(ctx, n)		6.8 dropped the count and the value
 *	vma->vm_flags |= flags		6.3 made it const
 *	uuid_le, uuid_le_cmp(), ...	6.3 dropped the last of them
 *	no_llseek			6.12 dropped it
 *	asm/unaligned.h			6.12 moved it
 *	MODULE_IMPORT_NS(NAME)		6.13 wants a string
 *	exports of dma-buf		5.16 put them into a namespace
 *	remap_vmalloc_range_partial()	5.7 added an argument, 5.11 took it from modules
 *	del_timer(), del_timer_sync(), from_timer()	6.16 renamed the last of them
 *	hrtimer_init()			6.15 dropped it
 */
#ifndef _VFIO_COMPAT_DRIFT_H
#define _VFIO_COMPAT_DRIFT_H

#include <linux/device.h>
#include <linux/eventfd.h>
#include <linux/fs.h>
#include <linux/hrtimer.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/stringify.h>
#include <linux/timer.h>
#include <linux/vfio.h>
#include <linux/vmalloc.h>
#include <vfio-compat/uuid.h>
#include <vfio-compat/version.h>

#if !defined(MDEV_INTERFACE_CLASSIC) && !IS_ENABLED(CONFIG_VFIO_MDEV_TREE)
#error "our include folder must come first: LINUXINCLUDE, see Documentation/porting.txt"
#endif

#if VFIO_COMPAT_HAS_CLASS_CREATE_NAME
#define class_create(owner, name)	((void)(owner), class_create(name))
#endif

#if VFIO_COMPAT_HAS_EVENTFD_SIGNAL_ONE
static inline __u64 vfio_compat_eventfd_add(struct eventfd_ctx *ctx, __u64 n)
{
	__u64 i;

	for (i = 0; i < n; i++)
		eventfd_signal(ctx);
	return n;
}

#define eventfd_signal(ctx, n)		vfio_compat_eventfd_add(ctx, n)
#endif

#ifndef no_llseek
#define no_llseek			NULL
#endif

#undef MODULE_IMPORT_NS
#define MODULE_IMPORT_NS(ns)		MODULE_INFO(import_ns, __stringify(ns))

/* Drivers that share buffers could do without. It is nothing to others. */
#ifdef MODULE
MODULE_IMPORT_NS(DMA_BUF);
#endif

/* Timers */

#if !VFIO_COMPAT_HAS_DEL_TIMER
#define del_timer(timer)		timer_delete(timer)
#define del_timer_sync(timer)		timer_delete_sync(timer)
#endif

#ifndef from_timer
#define from_timer(var, timer, field)	container_of(timer, typeof(*(var)), field)
#endif

#if !VFIO_COMPAT_HAS_HRTIMER_INIT
/* Until the driver says what to do, which it did in the next statement */
static inline enum hrtimer_restart vfio_compat_hrtimer_none(struct hrtimer *timer)
{
	return HRTIMER_NORESTART;
}

#define hrtimer_init(timer, clock, mode)				\
	hrtimer_setup(timer, vfio_compat_hrtimer_none, clock, mode)
#endif

/* Mappings */

/*
 * For a whole mapping, which the kernel checks against the memory's end. It was called
 * with and without @pgoff.
 */
static inline int vfio_compat_remap_partial(struct vm_area_struct *vma,
					    unsigned long uaddr, void *kaddr,
					    unsigned long pgoff, unsigned long size)
{
	if (uaddr != vma->vm_start || PAGE_ALIGN(size) != vma->vm_end - uaddr)
		return -EINVAL;
	return remap_vmalloc_range(vma, kaddr, pgoff);
}

#define vfio_compat_remap_4(vma, uaddr, kaddr, size)			\
	vfio_compat_remap_partial(vma, uaddr, kaddr, 0, size)
#define vfio_compat_remap_5		vfio_compat_remap_partial
#define remap_vmalloc_range_partial(...)				\
	CONCATENATE(vfio_compat_remap_, COUNT_ARGS(__VA_ARGS__))(__VA_ARGS__)

/*
 * mmap callbacks have a mapping that nobody else sees yet. The flags are changed in
 * place: as a member of another name, or as the first word of a bitmap. That is
 * more than a name, so whatever has vm_flags for one comes before.
 */
#if VFIO_COMPAT_HAS_VMA_DOT_FLAGS
#define vm_flags			__vm_flags
#elif VFIO_COMPAT_HAS_VMA_FLAGS_BITMAP
#include <linux/huge_mm.h>
#include <linux/hugetlb.h>
#include <linux/khugepaged.h>
#include <linux/ksm.h>
#include <linux/mm_inline.h>
#include <linux/mman.h>
#include <linux/pgtable.h>
#include <linux/sched/mm.h>
#include <linux/userfaultfd_k.h>
#define vm_flags			flags.__vma_flags[0]
#endif

#endif /* _VFIO_COMPAT_DRIFT_H */
