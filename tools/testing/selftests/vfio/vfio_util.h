/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the tests of a device's file share. Functions answer what the system
 * call does, or a negated errno.
 */
#ifndef VFIO_UTIL_H
#define VFIO_UTIL_H

#include <endian.h>
#include <errno.h>
#include <linux/vfio.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mdev_util.h"

/* A page of the system that the test runs on */
#define PAGE	page_size()

/* Since glibc 2.36 */
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE	23
#endif

static inline long file_ioctl(int fd, unsigned long cmd, const void *arg)
{
	long ret = ioctl(fd, cmd, arg);

	return ret < 0 ? -errno : ret;
}

static inline ssize_t file_read(int fd, void *buf, size_t count, off_t pos)
{
	ssize_t ret = pread(fd, buf, count, pos);

	return ret < 0 ? -errno : ret;
}

static inline ssize_t file_write(int fd, const void *buf, size_t count,
				 off_t pos)
{
	ssize_t ret = pwrite(fd, buf, count, pos);

	return ret < 0 ? -errno : ret;
}

/* Of a register of WIDTH bytes the number, and into it: they are little-endian. */
static inline ssize_t file_get(int fd, __u64 *value, int width, off_t pos)
{
	__u64 bytes = 0;
	ssize_t ret = file_read(fd, &bytes, width, pos);

	*value = le64toh(bytes);
	return ret;
}

static inline ssize_t file_put(int fd, __u64 value, int width, off_t pos)
{
	__u64 bytes = htole64(value);

	return file_write(fd, &bytes, width, pos);
}

/*
 * Has pages that are about to be written be there. It is one call for what would
 * be a fault for each, so it may fail, and saves the half of many a test's time
 * in User Mode Linux.
 */
static inline void populate(void *mem, size_t size)
{
	madvise(mem, size, MADV_POPULATE_WRITE);
}

static inline size_t whole_pages(size_t size)
{
	return (size + PAGE - 1) / PAGE * PAGE;
}

/*
 * Memory of SIZE bytes that ends where nothing is mapped. A caller that asks often
 * gives it back, else the end of the test does: that is a process of its own.
 */
static inline void *guarded(size_t size)
{
	size_t pages = whole_pages(size);
	char *mem;

	mem = mmap(NULL, pages + PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED || mprotect(mem + pages, PAGE, PROT_NONE))
		abort();
	return mem + pages - size;
}

static inline void guarded_free(void *mem, size_t size)
{
	size_t pages = whole_pages(size);

	munmap((char *)mem + size - pages, pages + PAGE);
}

/* How often an eventfd was signalled since the last look. */
static inline int fired(int fd)
{
	__u64 count = 0;

	if (read(fd, &count, sizeof(count)) < 0)
		return errno == EAGAIN ? 0 : -errno;
	return count;
}

static inline int new_eventfd(void)
{
	return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
}

/* SIZE bytes of DATA go behind the struct. */
static inline long set_irqs(int fd, __u32 flags, __u32 index,
			    __u32 start, __u32 count, const void *data,
			    size_t size)
{
	struct vfio_irq_set *set = guarded(sizeof(*set) + size);
	long ret;

	set->argsz = sizeof(*set) + size;
	set->flags = flags;
	set->index = index;
	set->start = start;
	set->count = count;
	if (size)
		memcpy(set->data, data, size);
	ret = file_ioctl(fd, VFIO_DEVICE_SET_IRQS, set);
	guarded_free(set, sizeof(*set) + size);
	return ret;
}

/* Has COUNT interrupts of INDEX from START on signal FDS. */
static inline long arm(int fd, __u32 index, __u32 start, __u32 count,
		       const __s32 *fds)
{
	return set_irqs(fd, VFIO_IRQ_SET_DATA_EVENTFD |
			VFIO_IRQ_SET_ACTION_TRIGGER, index, start, count, fds,
			count * sizeof(*fds));
}

/* ACTION on one interrupt, without data. */
static inline long irq_action(int fd, __u32 index, __u32 start,
			      __u32 count, __u32 action)
{
	return set_irqs(fd, VFIO_IRQ_SET_DATA_NONE | action, index, start,
			count, NULL, 0);
}

/* A device that is open, its vendor's counters at 0. */
struct open_device {
	struct mdev_env env;
	const char *vendor;
	char uuid[UUID_LEN];
	struct mdev_user user;
	int fd;
};

static inline int open_device_setup(struct open_device *dev, const char *vendor)
{
	int ret;

	dev->vendor = vendor;
	ret = env_setup(&dev->env, vendor);
	if (!ret)
		ret = mdev_make(vendor, 0, "many", dev->uuid);
	if (!ret)
		ret = mdev_open(dev->uuid, &dev->user);
	if (!ret)
		ret = vendor_reset(vendor);
	dev->fd = dev->user.device;
	return ret;
}

static inline int open_device_teardown(struct open_device *dev)
{
	int ret;

	mdev_close(&dev->user);
	ret = mdev_remove(dev->uuid);
	return ret ? ret : env_teardown(&dev->env);
}

#endif /* VFIO_UTIL_H */
