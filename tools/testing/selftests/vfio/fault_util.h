/* SPDX-License-Identifier: GPL-2.0-only */
/* Having what a thread asks of the kernel denied, see mdev_faults.c. */
#ifndef FAULT_UTIL_H
#define FAULT_UTIL_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mdev_util.h"

#define FAIL_NTH	"/proc/self/fail-nth"

static inline int allow_faults(const char *kind, const char *option,
			       const char *value)
{
	char path[PATH_LEN];

	snprintf(path, sizeof(path), "/sys/kernel/debug/%s/%s", kind, option);
	return write_file(path, value);
}

/* By themselves they spare a caller that can wait, and say what they do. */
static inline int faults_on(void)
{
	static const char * const kinds[] = {
		"failslab", "fail_page_alloc", "fail_usercopy",
	};
	unsigned int i;
	int ret = 0;

	for (i = 0; !ret && i < ARRAY_LEN(kinds); i++)
		ret = allow_faults(kinds[i], "verbose", "0");
	if (!ret)
		ret = allow_faults("failslab", "ignore-gfp-wait", "N");
	if (!ret)
		ret = allow_faults("fail_page_alloc", "ignore-gfp-wait", "N");
	if (!ret)
		ret = allow_faults("fail_page_alloc", "min-order", "0");
	if (!ret && exists("/sys/kernel/debug/kmemleak"))
		write_file("/sys/kernel/debug/kmemleak", "off");
	return ret;
}

/*
 * FD is one of FAIL_NTH. Setting it is a copy from the user, which may be what
 * is denied.
 */
static inline void deny(int fd, unsigned int nth)
{
	char text[16];
	ssize_t ret;

	snprintf(text, sizeof(text), "%u", nth);
	do {
		ret = pwrite(fd, text, strlen(text), 0);
	} while (ret < 0 && errno == EFAULT);
	if (ret < 0)
		abort();
}

/* No more denials. Was one due that did not come, but perhaps for this? */
static inline bool deny_no_more(int fd)
{
	char text[16] = "1";

	if (pread(fd, text, sizeof(text) - 1, 0) < 0 && errno != EFAULT)
		abort();
	deny(fd, 0);
	return atoi(text);
}

#endif /* FAULT_UTIL_H */
