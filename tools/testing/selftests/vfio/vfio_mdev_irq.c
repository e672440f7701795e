// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupts of a mediated device: what VFIO_DEVICE_SET_IRQS refuses before a
 * vendor with structured ops sees it, and how interrupts of both kinds of
 * vendor come out of eventfds.
 */
#include <linux/types.h>
#include <stdio.h>

#include "kselftest_harness.h"
#include "vfio_util.h"

#define NONE	VFIO_IRQ_SET_DATA_NONE
#define BOOL	VFIO_IRQ_SET_DATA_BOOL
#define EVENTFD	VFIO_IRQ_SET_DATA_EVENTFD
#define MASK	VFIO_IRQ_SET_ACTION_MASK
#define UNMASK	VFIO_IRQ_SET_ACTION_UNMASK
#define TRIGGER	VFIO_IRQ_SET_ACTION_TRIGGER

#define LEVEL	MDEV_TEST_IRQ_LEVEL
#define EDGES	MDEV_TEST_IRQ_EDGES
#define REQUEST	MDEV_TEST_IRQ_REQUEST
#define NR	MDEV_TEST_NUM_EDGES

/* The device signals an interrupt; answers -ENXIO if nobody listens. */
static int signal_irq(const char *uuid, __u32 index, __u32 start)
{
	char path[PATH_LEN], text[32];

	snprintf(text, sizeof(text), "%u %u", index, start);
	return write_file(mdev_path(path, uuid, "test/trigger"), text);
}

/* What is refused */

FIXTURE(check) {
	struct open_device dev;
	int fd;
	int efd;
	struct vfio_irq_set *set;	/* up to the end of what is mapped */
};

FIXTURE_SETUP(check)
{
	__s32 fds[NR];
	int i;

	ASSERT_EQ(0, open_device_setup(&self->dev, STRUCTURED));
	self->fd = self->dev.fd;
	self->efd = new_eventfd();
	ASSERT_LE(0, self->efd);
	for (i = 0; i < NR; i++)
		fds[i] = self->efd;
	ASSERT_EQ(0, arm(self->fd, EDGES, 0, NR, fds));
	ASSERT_EQ(0, arm(self->fd, LEVEL, 0, 1, fds));
	ASSERT_EQ(0, vendor_set(STRUCTURED, "set_irqs/calls", 0));
	self->set = guarded(sizeof(*self->set) + sizeof(fds));
	memset(self->set, 0xff, sizeof(*self->set) + sizeof(fds));
}

/* Whatever was refused has changed nothing: all is armed as before. */
FIXTURE_TEARDOWN(check)
{
	int i;

	EXPECT_EQ(0, fired(self->efd));
	for (i = 0; i < NR; i++)
		EXPECT_EQ(0, signal_irq(self->dev.uuid, EDGES, i));
	EXPECT_EQ(0, signal_irq(self->dev.uuid, LEVEL, 0));
	EXPECT_EQ(NR + 1, fired(self->efd));
	EXPECT_EQ(0, vendor_calls(STRUCTURED, "ioctl"));
	EXPECT_EQ(0, open_device_teardown(&self->dev));
}

static long try_set(struct vfio_irq_set *set, int fd, __u32 argsz,
		    __u32 flags, __u32 index, __u32 start,
		    __u32 count)
{
	set->argsz = argsz;
	set->flags = flags;
	set->index = index;
	set->start = start;
	set->count = count;
	return file_ioctl(fd, VFIO_DEVICE_SET_IRQS, set);
}

#define TRY(argsz, flags, index, start, count)				\
	try_set(self->set, self->fd, argsz, flags, index, start, count)

#define HEAD	sizeof(struct vfio_irq_set)
#define FULL	(HEAD + NR * sizeof(__s32))

TEST_F(check, argsz)
{
	__u32 argsz;

	for (argsz = 0; argsz < HEAD; argsz++)
		EXPECT_EQ(-EINVAL, TRY(argsz, NONE | TRIGGER, EDGES, 0, 0));
	for (; argsz < HEAD + NR; argsz++)
		EXPECT_EQ(-EINVAL, TRY(argsz, BOOL | TRIGGER, EDGES, 0, NR));
	for (argsz = HEAD; argsz < FULL; argsz++)
		EXPECT_EQ(-EINVAL, TRY(argsz, EVENTFD | TRIGGER, EDGES, 0, NR));
	EXPECT_EQ(0, vendor_calls(STRUCTURED, "set_irqs"));
}

TEST_F(check, ranges)
{
	static const struct {
		__u32 index;
		__u32 start;
		__u32 count;
	} tries[] = {
		{ MDEV_TEST_NUM_IRQS, 0, 1 },
		{ UINT32_MAX, 0, 1 },
		{ MDEV_TEST_IRQ_NONE, 0, 0 },
		{ MDEV_TEST_IRQ_NONE, 0, 1 },
		{ LEVEL, 0, 2 },
		{ LEVEL, 1, 0 },
		{ LEVEL, 1, 1 },
		{ EDGES, 0, NR + 1 },
		{ EDGES, 1, NR },
		{ EDGES, NR - 1, 2 },
		{ EDGES, NR, 0 },
		{ EDGES, NR, 1 },
		{ EDGES, 0, UINT32_MAX },
		{ EDGES, 1, UINT32_MAX },
		{ EDGES, 4, UINT32_MAX - 3 },
		{ EDGES, UINT32_MAX, 0 },
		{ EDGES, UINT32_MAX, 1 },
		{ EDGES, UINT32_MAX, 2 },
		{ EDGES, UINT32_MAX, UINT32_MAX },
		{ EDGES, 0xfffffff8, 16 },
		{ EDGES, 0x80000000, 0 },
		{ EDGES, 0x7fffffff, 1 },
		{ EDGES, 0, 0x40000001 },
		{ EDGES, 0, 0x80000000 },
		{ EDGES, 0, 0x80000008 },
	};
	static const __u32 data[] = { NONE, BOOL, EVENTFD };
	unsigned int i, j;

	for (i = 0; i < ARRAY_LEN(tries); i++) {
		for (j = 0; j < ARRAY_LEN(data); j++) {
			EXPECT_EQ(-EINVAL, TRY(FULL, data[j] | TRIGGER,
					       tries[i].index, tries[i].start,
					       tries[i].count)) {
				TH_LOG("try %u, data %u", i, data[j]);
			}
			EXPECT_EQ(-EINVAL, TRY(UINT32_MAX, data[j] | TRIGGER,
					       tries[i].index, tries[i].start,
					       tries[i].count)) {
				TH_LOG("try %u, data %u", i, data[j]);
			}
		}
	}
	EXPECT_EQ(0, vendor_calls(STRUCTURED, "set_irqs"));
}

/* What vfio-pci answers to flags; 0: they reach the vendor. */
static int judge(__u32 flags, __u32 index)
{
	__u32 data = flags & VFIO_IRQ_SET_DATA_TYPE_MASK;
	__u32 action = flags & VFIO_IRQ_SET_ACTION_TYPE_MASK;

	if (data != NONE && data != BOOL && data != EVENTFD)
		return -EINVAL;
	if (action == TRIGGER)
		return 0;
	if ((action == MASK || action == UNMASK) && index == LEVEL)
		return 0;
	return -ENOTTY;
}

TEST_F(check, flags)
{
	static const __u32 indexes[] = { LEVEL, EDGES };
	unsigned int i, bit;
	__u32 flags;
	int calls;

	/* Once seen, the vendor makes of it nothing that is looked at here. */
	ASSERT_EQ(0, vendor_set(STRUCTURED, "set_irqs/error", EXFULL));
	for (i = 0; i < ARRAY_LEN(indexes); i++) {
		for (flags = 0; flags < 64; flags++) {
			int error = judge(flags, indexes[i]);

			calls = vendor_calls(STRUCTURED, "set_irqs");
			EXPECT_EQ(error ? error : -EXFULL,
				  TRY(FULL, flags, indexes[i], 0, 1)) {
				TH_LOG("index %u, flags %#x", indexes[i],
				       flags);
			}
			EXPECT_EQ(calls + !error,
				  vendor_calls(STRUCTURED, "set_irqs"));
			if (!error)
				EXPECT_EQ(flags, vendor_get(STRUCTURED,
							    "set_irqs/arg0"));
		}
		calls = vendor_calls(STRUCTURED, "set_irqs");
		for (bit = 6; bit < 32; bit++)
			EXPECT_EQ(-EINVAL,
				  TRY(FULL, NONE | TRIGGER | (1U << bit),
				      indexes[i], 0, 1));
		EXPECT_EQ(calls, vendor_calls(STRUCTURED, "set_irqs"));
	}
}

TEST_F(check, pointers)
{
	char *end = (char *)self->set + FULL;
	struct vfio_irq_set *late;

	EXPECT_EQ(-EFAULT, file_ioctl(self->fd, VFIO_DEVICE_SET_IRQS, NULL));
	EXPECT_EQ(-EFAULT, file_ioctl(self->fd, VFIO_DEVICE_SET_IRQS,
				      end - HEAD + 1));

	/* The struct is there, its data are not, or not all. */
	late = (void *)(end - HEAD);
	EXPECT_EQ(-EFAULT, try_set(late, self->fd, FULL, EVENTFD | TRIGGER,
				   EDGES, 0, NR));
	late = (void *)(end - HEAD - 4);
	EXPECT_EQ(-EFAULT, try_set(late, self->fd, FULL, EVENTFD | TRIGGER,
				   EDGES, 0, 2));
	EXPECT_EQ(-EFAULT, try_set(late, self->fd, FULL, BOOL | TRIGGER,
				   EDGES, 0, 5));
	EXPECT_EQ(0, vendor_calls(STRUCTURED, "set_irqs"));
}

/* What is good arrives as it was given. */
TEST_F(check, arguments)
{
	__u32 start, count;

	ASSERT_EQ(0, vendor_set(STRUCTURED, "set_irqs/error", EXFULL));
	for (start = 0; start < NR; start++) {
		for (count = 0; start + count <= NR; count++) {
			EXPECT_EQ(-EXFULL, TRY(FULL, EVENTFD | TRIGGER, EDGES,
					       start, count));
			EXPECT_EQ(EDGES, vendor_get(STRUCTURED,
						    "set_irqs/arg1"));
			EXPECT_EQ(start, vendor_get(STRUCTURED,
						    "set_irqs/arg2"));
			EXPECT_EQ(count, vendor_get(STRUCTURED,
						    "set_irqs/arg3"));
		}
	}
}

/* No answer about an interrupt, nothing done about it. */
TEST_F(check, irq_info_fails)
{
	ASSERT_EQ(0, vendor_set(STRUCTURED, "get_irq_info/error", EXFULL));
	EXPECT_EQ(-EXFULL, TRY(FULL, NONE | TRIGGER, EDGES, 0, 1));
	EXPECT_EQ(0, vendor_calls(STRUCTURED, "set_irqs"));
}

/* What is delivered */

FIXTURE(irq) {
	struct open_device dev;
	int fd;
	const char *uuid;
	__s32 fds[NR];
};

FIXTURE_VARIANT(irq) {
	const char *vendor;
};

FIXTURE_VARIANT_ADD(irq, raw) {
	.vendor = RAW,
};

FIXTURE_VARIANT_ADD(irq, structured) {
	.vendor = STRUCTURED,
};

FIXTURE_SETUP(irq)
{
	int i;

	ASSERT_EQ(0, open_device_setup(&self->dev, variant->vendor));
	self->fd = self->dev.fd;
	self->uuid = self->dev.uuid;
	for (i = 0; i < NR; i++) {
		self->fds[i] = new_eventfd();
		ASSERT_LE(0, self->fds[i]);
	}
}

FIXTURE_TEARDOWN(irq)
{
	int i;

	for (i = 0; i < NR; i++)
		EXPECT_EQ(0, fired(self->fds[i]));
	EXPECT_EQ(0, open_device_teardown(&self->dev));
}

TEST_F(irq, each_its_own)
{
	int i, j;

	for (i = 0; i < NR; i++)
		EXPECT_EQ(-ENXIO, signal_irq(self->uuid, EDGES, i));
	ASSERT_EQ(0, arm(self->fd, EDGES, 0, NR, self->fds));
	for (i = 0; i < NR; i++) {
		EXPECT_EQ(0, signal_irq(self->uuid, EDGES, i));
		for (j = 0; j < NR; j++)
			EXPECT_EQ(i == j, fired(self->fds[j]));
	}
	EXPECT_EQ(0, signal_irq(self->uuid, EDGES, 5));
	EXPECT_EQ(0, signal_irq(self->uuid, EDGES, 5));
	EXPECT_EQ(2, fired(self->fds[5]));
}

/* -1 stands for none; what is outside of the range stays as it is. */
TEST_F(irq, part_of_them)
{
	__s32 part[3] = { self->fds[7], -1, self->fds[6] };
	int i;

	ASSERT_EQ(0, arm(self->fd, EDGES, 0, NR, self->fds));
	ASSERT_EQ(0, arm(self->fd, EDGES, 2, 3, part));
	for (i = 0; i < NR; i++)
		EXPECT_EQ(i == 3 ? -ENXIO : 0,
			  signal_irq(self->uuid, EDGES, i));
	EXPECT_EQ(1, fired(self->fds[0]));
	EXPECT_EQ(1, fired(self->fds[1]));
	EXPECT_EQ(0, fired(self->fds[2]));
	EXPECT_EQ(0, fired(self->fds[3]));
	EXPECT_EQ(0, fired(self->fds[4]));
	EXPECT_EQ(1, fired(self->fds[5]));
	EXPECT_EQ(2, fired(self->fds[6]));
	EXPECT_EQ(2, fired(self->fds[7]));
}

/* No eventfd: all stay what they were. */
TEST_F(irq, bad_descriptors)
{
	__s32 bad[2] = { self->fds[7], 12345 };

	ASSERT_EQ(0, arm(self->fd, EDGES, 0, NR, self->fds));
	EXPECT_EQ(-EBADF, arm(self->fd, EDGES, 0, 2, bad));
	bad[1] = self->fd;
	EXPECT_EQ(-EINVAL, arm(self->fd, EDGES, 0, 2, bad));
	EXPECT_EQ(0, signal_irq(self->uuid, EDGES, 0));
	EXPECT_EQ(0, signal_irq(self->uuid, EDGES, 1));
	EXPECT_EQ(1, fired(self->fds[0]));
	EXPECT_EQ(1, fired(self->fds[1]));
}

/* The user triggers them himself. */
TEST_F(irq, loop_back)
{
	static const __u8 chosen[NR] = { 0, 1, 1, 0, 0, 0, 0, 2 };
	int i;

	ASSERT_EQ(0, arm(self->fd, EDGES, 0, NR, self->fds));
	EXPECT_EQ(0, irq_action(self->fd, EDGES, 1, 3, TRIGGER));
	for (i = 0; i < NR; i++)
		EXPECT_EQ(i >= 1 && i < 4, fired(self->fds[i]));
	EXPECT_EQ(0, set_irqs(self->fd, BOOL | TRIGGER, EDGES, 0, NR, chosen,
			      sizeof(chosen)));
	for (i = 0; i < NR; i++)
		EXPECT_EQ(!!chosen[i], fired(self->fds[i]));
}

TEST_F(irq, disable)
{
	int i;

	ASSERT_EQ(0, arm(self->fd, EDGES, 0, NR, self->fds));
	ASSERT_EQ(0, arm(self->fd, REQUEST, 0, 1, self->fds));
	ASSERT_EQ(0, irq_action(self->fd, EDGES, 0, 0, TRIGGER));
	for (i = 0; i < NR; i++)
		EXPECT_EQ(-ENXIO, signal_irq(self->uuid, EDGES, i));
	EXPECT_EQ(0, signal_irq(self->uuid, REQUEST, 0));
	EXPECT_EQ(1, fired(self->fds[0]));
}

/* Masks itself when it fires, and fires again at unmask if it has to. */
TEST_F(irq, automasked)
{
	ASSERT_EQ(0, arm(self->fd, LEVEL, 0, 1, self->fds));
	EXPECT_EQ(0, signal_irq(self->uuid, LEVEL, 0));
	EXPECT_EQ(1, fired(self->fds[0]));
	EXPECT_EQ(0, signal_irq(self->uuid, LEVEL, 0));
	EXPECT_EQ(0, fired(self->fds[0]));
	EXPECT_EQ(0, irq_action(self->fd, LEVEL, 0, 1, UNMASK));
	EXPECT_EQ(1, fired(self->fds[0]));
	EXPECT_EQ(0, irq_action(self->fd, LEVEL, 0, 1, UNMASK));
	EXPECT_EQ(0, fired(self->fds[0]));
	EXPECT_EQ(0, signal_irq(self->uuid, LEVEL, 0));
	EXPECT_EQ(1, fired(self->fds[0]));
}

TEST_F(irq, masked)
{
	static const __u8 no, yes = 1;

	ASSERT_EQ(0, arm(self->fd, LEVEL, 0, 1, self->fds));
	ASSERT_EQ(0, set_irqs(self->fd, BOOL | MASK, LEVEL, 0, 1, &no, 1));
	EXPECT_EQ(0, signal_irq(self->uuid, LEVEL, 0));
	EXPECT_EQ(1, fired(self->fds[0]));
	ASSERT_EQ(0, irq_action(self->fd, LEVEL, 0, 1, UNMASK));
	ASSERT_EQ(0, irq_action(self->fd, LEVEL, 0, 1, MASK));
	EXPECT_EQ(0, signal_irq(self->uuid, LEVEL, 0));
	ASSERT_EQ(0, set_irqs(self->fd, BOOL | UNMASK, LEVEL, 0, 1, &no, 1));
	EXPECT_EQ(0, fired(self->fds[0]));
	ASSERT_EQ(0, set_irqs(self->fd, BOOL | UNMASK, LEVEL, 0, 1, &yes, 1));
	EXPECT_EQ(1, fired(self->fds[0]));
}

/* Nothing is signalled once the device is closed, nor to the next user. */
TEST_F(irq, closed)
{
	ASSERT_EQ(0, arm(self->fd, EDGES, 0, NR, self->fds));
	mdev_close(&self->dev.user);
	EXPECT_EQ(-ENXIO, signal_irq(self->uuid, EDGES, 0));
	ASSERT_EQ(0, mdev_open(self->uuid, &self->dev.user));
	EXPECT_EQ(-ENXIO, signal_irq(self->uuid, EDGES, 0));
}

/* An eventfd lives on in the device though its descriptor is closed. */
TEST_F(irq, descriptor_closed)
{
	__s32 fd = dup(self->fds[0]);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, arm(self->fd, EDGES, 0, 1, &fd));
	close(fd);
	EXPECT_EQ(0, signal_irq(self->uuid, EDGES, 0));
	EXPECT_EQ(1, fired(self->fds[0]));
}

MDEV_TEST_MAIN(RAW, STRUCTURED)
