/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * uuid_le, which drivers of Linux 4.x use for what is a guid_t since 4.13; the
 * last of it went in 6.3. There one bus, MEI, kept a type of that name for
 * itself.
 */
#ifndef _VFIO_COMPAT_UUID_H
#define _VFIO_COMPAT_UUID_H

#include <linux/string.h>
#include <linux/uuid.h>
#include <vfio-compat/version.h>

#if !VFIO_COMPAT_HAS_UUID_LE
#include <uapi/linux/mei_uuid.h>

#define uuid_le		guid_t
#undef UUID_LE
#define UUID_LE		GUID_INIT
#undef NULL_UUID_LE
#define NULL_UUID_LE	GUID_INIT(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)

static inline int uuid_le_cmp(const guid_t u1, const guid_t u2)
{
	return memcmp(&u1, &u2, sizeof(u1));
}
#endif

static inline void uuid_le_gen(uuid_le *u)
{
	guid_gen(u);
}

static inline int uuid_le_to_bin(const char *uuid, uuid_le *u)
{
	return guid_parse(uuid, u);
}

#endif /* _VFIO_COMPAT_UUID_H */
