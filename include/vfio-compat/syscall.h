/* SPDX-License-Identifier: GPL-2.0-only */
/* The argument of the running system call, for what the kernel does not pass on. */
#ifndef _VFIO_COMPAT_SYSCALL_H
#define _VFIO_COMPAT_SYSCALL_H

#include <linux/compat.h>
#include <linux/sched.h>
#include <linux/sched/task_stack.h>
#include <linux/uaccess.h>
#include <asm/syscall.h>
#include <asm/unistd.h>

/* ioctl(2) of a program of 32 bits on x86, arm64 and s390 */
#define VFIO_COMPAT_NR_IOCTL32	54

/**
 * vfio_compat_ioctl_arg - what the user gave to the ioctl(2) that is running
 * @cmd: the command that it has to be
 *
 * For a callback that runs within ioctl(2) and is not given the pointer. The
 * registers in which a system call came stay what they are until it returns.
 *
 * Context: process context.
 * Return: the pointer, or NULL if this is no task of a user's, or it runs no
 * ioctl(2) with that command.
 */
static inline void __user *vfio_compat_ioctl_arg(unsigned int cmd)
{
	struct pt_regs *regs = task_pt_regs(current);
	unsigned long args[6];
	int nr = __NR_ioctl;

	if (current->flags & (PF_KTHREAD | PF_IO_WORKER))
		return NULL;
#ifdef CONFIG_COMPAT
	if (in_compat_syscall())
		nr = VFIO_COMPAT_NR_IOCTL32;
#endif
	syscall_get_arguments(current, regs, args);
	if (syscall_get_nr(current, regs) != nr || (unsigned int)args[1] != cmd)
		return NULL;
#ifdef CONFIG_COMPAT
	if (in_compat_syscall())
		return compat_ptr(args[2]);
#endif
	return (void __user *)args[2];
}

#endif /* _VFIO_COMPAT_SYSCALL_H */
