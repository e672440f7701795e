/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The device that bench_forward and bench_direct have in common: what the two
 * do with it differs only in what calls them.
 */
#ifndef _BENCH_DEVICE_H
#define _BENCH_DEVICE_H

#include <linux/mm.h>
#include <linux/uaccess.h>
#include <linux/vfio.h>

#include <vfio-compat/mm.h>

/* A command that does nothing */
#define BENCH_NOTHING	_IO(VFIO_TYPE, VFIO_BASE + 100)

/**
 * struct bench_device - one register, and a page for all of a mapping
 * @reg: what is read and written
 * @page: what is mapped
 */
struct bench_device {
	u32 reg;
	struct page *page;
};

static inline ssize_t bench_read(struct bench_device *bd, char __user *buf,
				 size_t count)
{
	if (count != sizeof(bd->reg))
		return -EINVAL;
	return copy_to_user(buf, &bd->reg, sizeof(bd->reg)) ? -EFAULT : count;
}

static inline ssize_t bench_write(struct bench_device *bd,
				  const char __user *buf, size_t count)
{
	if (count != sizeof(bd->reg))
		return -EINVAL;
	return copy_from_user(&bd->reg, buf, sizeof(bd->reg)) ? -EFAULT : count;
}

static inline long bench_ioctl(struct bench_device *bd, unsigned int cmd)
{
	return cmd == BENCH_NOTHING ? 0 : -ENOTTY;
}

static vm_fault_t bench_fault(struct vm_fault *vmf)
{
	struct bench_device *bd = vmf->vma->vm_private_data;

	return vmf_insert_pfn(vmf->vma, vmf->address, page_to_pfn(bd->page));
}

static const struct vm_operations_struct bench_vm_ops = {
	.fault = bench_fault,
};

static inline int bench_mmap(struct bench_device *bd,
			     struct vm_area_struct *vma)
{
	if (!(vma->vm_flags & VM_SHARED))
		return -EINVAL;

	vfio_compat_vm_flags_set(vma, VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP);
	vma->vm_private_data = bd;
	vma->vm_ops = &bench_vm_ops;
	return 0;
}

#endif /* _BENCH_DEVICE_H */
