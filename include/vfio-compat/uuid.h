/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * uuid_le, which drivers of Linux 4.x use for what is a guid_t since 4.13; the
 * last of it went in 6.3.
 */
#ifndef _VFIO_COMPAT_UUID_H
#define _VFIO_COMPAT_UUID_H

#include <linux/string.h>
#include <linux/uuid.h>

#ifndef UUID_LE
typedef guid_t uuid_le;
#define UUID_LE		GUID_INIT
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
