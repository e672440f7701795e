/* SPDX-License-Identifier: GPL-2.0-only */
/* The queue of unbound workers, which 6.17 names anew and warns of by its old name. */
#ifndef _VFIO_COMPAT_WORKQUEUE_H
#define _VFIO_COMPAT_WORKQUEUE_H

#include <linux/workqueue.h>
#include <vfio-compat/version.h>

#if VFIO_COMPAT_HAS_SYSTEM_DFL_WQ
#define vfio_compat_unbound_wq		system_dfl_wq
#else
#define vfio_compat_unbound_wq		system_unbound_wq
#endif

#endif /* _VFIO_COMPAT_WORKQUEUE_H */
