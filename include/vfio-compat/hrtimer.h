/* SPDX-License-Identifier: GPL-2.0-only */
/* hrtimer_setup(), which 6.13 has in place of hrtimer_init(). */
#ifndef _VFIO_COMPAT_HRTIMER_H
#define _VFIO_COMPAT_HRTIMER_H

#include <linux/hrtimer.h>
#include <vfio-compat/version.h>

static inline void
vfio_compat_hrtimer_setup(struct hrtimer *timer,
			  enum hrtimer_restart (*function)(struct hrtimer *timer),
			  clockid_t clock, enum hrtimer_mode mode)
{
#if VFIO_COMPAT_HAS_HRTIMER_SETUP
	hrtimer_setup(timer, function, clock, mode);
#else
	hrtimer_init(timer, clock, mode);
	timer->function = function;
#endif
}

#endif /* _VFIO_COMPAT_HRTIMER_H */
