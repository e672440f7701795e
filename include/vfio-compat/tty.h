/* SPDX-License-Identifier: GPL-2.0-only */
/* tty_operations.write: 6.6 widened its count and its answer. */
#ifndef _VFIO_COMPAT_TTY_H
#define _VFIO_COMPAT_TTY_H

#include <linux/tty_driver.h>
#include <vfio-compat/version.h>

/* The head of such a function, with arguments tty, buf and count */
#if VFIO_COMPAT_HAS_TTY_WRITE_U8
#define VFIO_COMPAT_TTY_WRITE(_name)					\
	ssize_t _name(struct tty_struct *tty, const u8 *buf, size_t count)
#else
#define VFIO_COMPAT_TTY_WRITE(_name)					\
	int _name(struct tty_struct *tty, const u8 *buf, int count)
#endif

#endif /* _VFIO_COMPAT_TTY_H */
