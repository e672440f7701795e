// SPDX-License-Identifier: GPL-2.0-only
/*
 * Linked to the kernel's selftests for VFIO, whose source stays as it is:
 *
 *  - those that leave open which way to the IOMMU they take, and mean iommufd, take
 *    the one that VFIO_IOMMU_MODE names;
 *  - a case of theirs has VM_SCALE times its seconds, since emulation takes longer. It is
 *    poll() by which their harness waits for one.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <stdlib.h>
#include <time.h>

extern const char *default_iommu_mode;

static int scale = 1;

static void __attribute__((constructor)) read_environment(void)
{
	const char *mode = getenv("VFIO_IOMMU_MODE");
	const char *times = getenv("VM_SCALE");

	if (mode)
		default_iommu_mode = mode;
	if (times)
		scale = atoi(times);
}

int poll(struct pollfd *fds, nfds_t count, int milliseconds)
{
	struct timespec limit = { .tv_sec = (long)milliseconds * scale / 1000,
				  .tv_nsec = (long)milliseconds * scale % 1000 * 1000000 };

	return ppoll(fds, count, milliseconds < 0 ? NULL : &limit, NULL);
}
