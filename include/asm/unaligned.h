/* SPDX-License-Identifier: GPL-2.0-only */
/* Where get_unaligned() and its kin were until 6.12, for sources of those days. */
#undef VFIO_COMPAT_UNALIGNED_MOVED
/* Checkers may not know it. */
#ifdef __has_include_next
#if !__has_include_next("asm/unaligned.h")
#define VFIO_COMPAT_UNALIGNED_MOVED
#endif
#endif

#ifdef VFIO_COMPAT_UNALIGNED_MOVED
#include <linux/unaligned.h>
#else
#include_next <asm/unaligned.h>
#endif
