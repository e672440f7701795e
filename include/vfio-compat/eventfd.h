/* SPDX-License-Identifier: GPL-2.0-only */
/* eventfd_signal(): 6.8 dropped the count. */
#ifndef _VFIO_COMPAT_EVENTFD_H
#define _VFIO_COMPAT_EVENTFD_H

#include <linux/eventfd.h>
#include <vfio-compat/version.h>

static inline void vfio_compat_eventfd_signal(struct eventfd_ctx *ctx)
{
#if VFIO_COMPAT_HAS_EVENTFD_SIGNAL_ONE
	eventfd_signal(ctx);
#else
	eventfd_signal(ctx, 1);
#endif
}

#endif /* _VFIO_COMPAT_EVENTFD_H */
