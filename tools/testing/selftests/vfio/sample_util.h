/* SPDX-License-Identifier: GPL-2.0-only */
/* What the tests of the samples share: a sample's parent has its module's name. */
#ifndef SAMPLE_UTIL_H
#define SAMPLE_UTIL_H

#include <stdio.h>

#include "vfio_util.h"

static inline char *sample_path(char *buf, const char *sample, const char *type,
				const char *file)
{
	snprintf(buf, PATH_LEN,
		 "/sys/class/mdev_bus/%s/mdev_supported_types/%s-%s/%s",
		 sample, sample, type, file);
	return buf;
}

/* With a new UUID */
static inline int sample_make(const char *sample, const char *type,
			      char uuid[UUID_LEN])
{
	char path[PATH_LEN];

	return write_file(sample_path(path, sample, type, "create"),
			  uuid_make(uuid));
}

static inline int sample_available(const char *sample, const char *type)
{
	char path[PATH_LEN], text[32];
	int ret;

	ret = read_file(sample_path(path, sample, type, "available_instances"),
			text, sizeof(text));
	return ret < 0 ? ret : atoi(text);
}

/* Is everything as it was, and nothing of the sample in use? */
static inline bool sample_idle(const char *sample,
			       const struct snapshot *before)
{
	struct snapshot now;

	snapshot_take(&now);
	return !strcmp(before->text, now.text) && !module_refs(sample);
}

#endif /* SAMPLE_UTIL_H */
