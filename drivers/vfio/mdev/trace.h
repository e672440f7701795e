/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What can be watched in /sys/kernel/tracing/events/mdev. The events tell what has
 * happened; what has not, and why, is mdev_error's.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM mdev

#if !defined(_MDEV_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _MDEV_TRACE_H

#include <linux/device.h>
#include <linux/string.h>
#include <linux/tracepoint.h>
#include <linux/uuid.h>

#define MDEV_TRACE_NAME	64

DECLARE_EVENT_CLASS(mdev_parent,
	TP_PROTO(struct device *dev),
	TP_ARGS(dev),
	TP_STRUCT__entry(
		__array(char, parent, MDEV_TRACE_NAME)
	),
	TP_fast_assign(
		strscpy(__entry->parent, dev_name(dev), MDEV_TRACE_NAME);
	),
	TP_printk("parent=%s", __entry->parent)
);

DEFINE_EVENT(mdev_parent, mdev_parent_registered,
	TP_PROTO(struct device *dev),
	TP_ARGS(dev)
);

DEFINE_EVENT(mdev_parent, mdev_parent_unregistered,
	TP_PROTO(struct device *dev),
	TP_ARGS(dev)
);

TRACE_EVENT(mdev_create,
	TP_PROTO(const guid_t *uuid, struct device *dev, const char *type),
	TP_ARGS(uuid, dev, type),
	TP_STRUCT__entry(
		__array(u8, uuid, UUID_SIZE)
		__array(char, parent, MDEV_TRACE_NAME)
		__array(char, type, MDEV_TRACE_NAME)
	),
	TP_fast_assign(
		export_guid(__entry->uuid, uuid);
		strscpy(__entry->parent, dev_name(dev), MDEV_TRACE_NAME);
		strscpy(__entry->type, type, MDEV_TRACE_NAME);
	),
	TP_printk("uuid=%pUl parent=%s type=%s", __entry->uuid, __entry->parent,
		  __entry->type)
);

TRACE_EVENT(mdev_request,
	TP_PROTO(const guid_t *uuid, unsigned int count, int answer),
	TP_ARGS(uuid, count, answer),
	TP_STRUCT__entry(
		__array(u8, uuid, UUID_SIZE)
		__field(unsigned int, count)
		__field(int, answer)
	),
	TP_fast_assign(
		export_guid(__entry->uuid, uuid);
		__entry->count = count;
		__entry->answer = answer;
	),
	TP_printk("uuid=%pUl count=%u answer=%d", __entry->uuid, __entry->count,
		  __entry->answer)
);

DECLARE_EVENT_CLASS(mdev_device,
	TP_PROTO(const guid_t *uuid),
	TP_ARGS(uuid),
	TP_STRUCT__entry(
		__array(u8, uuid, UUID_SIZE)
	),
	TP_fast_assign(
		export_guid(__entry->uuid, uuid);
	),
	TP_printk("uuid=%pUl", __entry->uuid)
);

DEFINE_EVENT(mdev_device, mdev_remove,
	TP_PROTO(const guid_t *uuid),
	TP_ARGS(uuid)
);

DEFINE_EVENT(mdev_device, mdev_open,
	TP_PROTO(const guid_t *uuid),
	TP_ARGS(uuid)
);

DEFINE_EVENT(mdev_device, mdev_close,
	TP_PROTO(const guid_t *uuid),
	TP_ARGS(uuid)
);

TRACE_EVENT(mdev_error,
	TP_PROTO(const char *parent, const guid_t *uuid, const char *act,
		 const char *cause, int ret),
	TP_ARGS(parent, uuid, act, cause, ret),
	TP_STRUCT__entry(
		__array(u8, uuid, UUID_SIZE)
		__array(char, parent, MDEV_TRACE_NAME)
		__array(char, act, 8)
		__array(char, cause, 16)
		__field(int, ret)
	),
	TP_fast_assign(
		export_guid(__entry->uuid, uuid);
		strscpy(__entry->parent, parent, MDEV_TRACE_NAME);
		strscpy(__entry->act, act, 8);
		strscpy(__entry->cause, cause, 16);
		__entry->ret = ret;
	),
	TP_printk("uuid=%pUl parent=%s act=%s cause=%s ret=%d", __entry->uuid,
		  __entry->parent, __entry->act, __entry->cause, __entry->ret)
);

#endif /* _MDEV_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
