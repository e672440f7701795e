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
 * in first and then gives a name its old meaning; so a source that was ported
 * to the new one has no use for this header.
 *
 *	class_create(owner, name)	6.4 dropped the owner
 *	eventfd_signal(ctx, n)		6.8 dropped the count
 *	vma->vm_flags |= flags		6.3 made it const
 *	uuid_le, uuid_le_cmp(), ...	6.3 dropped the last of them
 */
#ifndef _VFIO_COMPAT_DRIFT_H
#define _VFIO_COMPAT_DRIFT_H

#include <linux/device.h>
#include <linux/eventfd.h>
#include <linux/khugepaged.h>
#include <linux/ksm.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/userfaultfd_k.h>
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
#define eventfd_signal(ctx, n)		((void)(n), eventfd_signal(ctx))
#endif

/*
 * mmap callbacks have a mapping that nobody else sees yet. The headers above have
 * parameters of the name.
 */
#if VFIO_COMPAT_HAS_VMA_FLAGS_BITMAP
#define vm_flags			flags.__vma_flags[0]
#elif VFIO_COMPAT_HAS_VMA_DOT_FLAGS
#define vm_flags			__vm_flags
#endif

#endif /* _VFIO_COMPAT_DRIFT_H */
