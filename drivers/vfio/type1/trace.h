/* SPDX-License-Identifier: GPL-2.0-only */
/* What can be watched in /sys/kernel/tracing/events/vfio_type1 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM vfio_type1

#if !defined(_VFIO_TYPE1_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _VFIO_TYPE1_TRACE_H

#include <linux/tracepoint.h>

TRACE_EVENT(map_dma,
	TP_PROTO(unsigned int container, u64 iova, u64 vaddr, u64 size, int prot,
		 int ret),
	TP_ARGS(container, iova, vaddr, size, prot, ret),
	TP_STRUCT__entry(
		__field(unsigned int, container)
		__field(int, prot)
		__field(u64, iova)
		__field(u64, vaddr)
		__field(u64, size)
		__field(int, ret)
	),
	TP_fast_assign(
		__entry->container = container;
		__entry->prot = prot;
		__entry->iova = iova;
		__entry->vaddr = vaddr;
		__entry->size = size;
		__entry->ret = ret;
	),
	TP_printk("container=%u iova=%#llx vaddr=%#llx size=%#llx prot=%d ret=%d",
		  __entry->container, __entry->iova, __entry->vaddr,
		  __entry->size, __entry->prot, __entry->ret)
);

TRACE_EVENT(unmap_dma,
	TP_PROTO(unsigned int container, u64 iova, u64 size),
	TP_ARGS(container, iova, size),
	TP_STRUCT__entry(
		__field(unsigned int, container)
		__field(u64, iova)
		__field(u64, size)
	),
	TP_fast_assign(
		__entry->container = container;
		__entry->iova = iova;
		__entry->size = size;
	),
	TP_printk("container=%u iova=%#llx size=%#llx",
		  __entry->container, __entry->iova, __entry->size)
);

TRACE_EVENT(pin_pages,
	TP_PROTO(unsigned int container, u64 iova, unsigned long npages,
		 unsigned long fresh, int ret),
	TP_ARGS(container, iova, npages, fresh, ret),
	TP_STRUCT__entry(
		__field(unsigned int, container)
		__field(int, ret)
		__field(u64, iova)
		__field(unsigned long, npages)
		__field(unsigned long, fresh)
	),
	TP_fast_assign(
		__entry->container = container;
		__entry->ret = ret;
		__entry->iova = iova;
		__entry->npages = npages;
		__entry->fresh = fresh;
	),
	TP_printk("container=%u iova=%#llx npages=%lu fresh=%lu ret=%d",
		  __entry->container, __entry->iova, __entry->npages,
		  __entry->fresh, __entry->ret)
);

DECLARE_EVENT_CLASS(type1_pages,
	TP_PROTO(unsigned int container, u64 iova, unsigned long npages),
	TP_ARGS(container, iova, npages),
	TP_STRUCT__entry(
		__field(unsigned int, container)
		__field(u64, iova)
		__field(unsigned long, npages)
	),
	TP_fast_assign(
		__entry->container = container;
		__entry->iova = iova;
		__entry->npages = npages;
	),
	TP_printk("container=%u iova=%#llx npages=%lu",
		  __entry->container, __entry->iova, __entry->npages)
);

DEFINE_EVENT(type1_pages, unpin_pages,
	TP_PROTO(unsigned int container, u64 iova, unsigned long npages),
	TP_ARGS(container, iova, npages)
);

DEFINE_EVENT(type1_pages, limit_exceeded,
	TP_PROTO(unsigned int container, u64 iova, unsigned long npages),
	TP_ARGS(container, iova, npages)
);

TRACE_EVENT(attach_group,
	TP_PROTO(unsigned int container, int group, bool emulated, int ret),
	TP_ARGS(container, group, emulated, ret),
	TP_STRUCT__entry(
		__field(unsigned int, container)
		__field(int, group)
		__field(bool, emulated)
		__field(int, ret)
	),
	TP_fast_assign(
		__entry->container = container;
		__entry->group = group;
		__entry->emulated = emulated;
		__entry->ret = ret;
	),
	TP_printk("container=%u group=%d emulated=%d ret=%d", __entry->container,
		  __entry->group, __entry->emulated, __entry->ret)
);

TRACE_EVENT(detach_group,
	TP_PROTO(unsigned int container, int group),
	TP_ARGS(container, group),
	TP_STRUCT__entry(
		__field(unsigned int, container)
		__field(int, group)
	),
	TP_fast_assign(
		__entry->container = container;
		__entry->group = group;
	),
	TP_printk("container=%u group=%d", __entry->container, __entry->group)
);

#endif /* _VFIO_TYPE1_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
