// SPDX-License-Identifier: GPL-2.0-only
/* The sample's subchannel: a device that is no PCI device, in v5.12's manner. */
#include <endian.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "sample_util.h"
#include "samples/vfio-mdev/mccw.h"

#define UNITS	16
#define SIZE	140
/* The user's memory: channel programs in the first page, data in the second */
#define MEMORY	0x100000
#define PAGES	4
#define DATA	(MEMORY + PAGE)
/* Readable for the device */
#define SECRET	0x200000
#define WELL	(MCCW_CHANNEL_END | MCCW_DEVICE_END)
#define TRIGGER	VFIO_IRQ_SET_ACTION_TRIGGER

/* A user of a unit */
struct unit {
	char uuid[UUID_LEN];
	struct mdev_user user;
	int fd;
	unsigned char *memory;
	unsigned char *secret;
	int io;
};

static int map(struct unit *unit, void *mem, __u64 iova, size_t size,
	       __u32 flags)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = flags,
		.vaddr = (uintptr_t)mem,
		.iova = iova,
		.size = size,
	};

	return file_ioctl(unit->user.container, VFIO_IOMMU_MAP_DMA, &map);
}

static unsigned char *anonymous(size_t size)
{
	void *mem = mmap(NULL, size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (mem == MAP_FAILED)
		abort();
	return mem;
}

static int unit_open(struct unit *unit)
{
	__s32 io;
	int ret;

	ret = mdev_open(unit->uuid, &unit->user);
	if (ret)
		return ret;
	unit->fd = unit->user.device;
	unit->memory = anonymous(PAGES * PAGE);
	unit->secret = anonymous(PAGE);
	ret = map(unit, unit->memory, MEMORY, PAGES * PAGE,
		  VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE);
	if (!ret)
		ret = map(unit, unit->secret, SECRET, PAGE,
			  VFIO_DMA_MAP_FLAG_READ);
	unit->io = new_eventfd();
	io = unit->io;
	if (!ret)
		ret = arm(unit->fd, VFIO_CCW_IO_IRQ_INDEX, 0, 1, &io);
	return ret;
}

/* The number-th command of the program at the beginning of the memory */
static void command(struct unit *unit, int number, __u8 code, __u8 flags,
		    __u16 count, __u32 address)
{
	struct mccw_ccw ccw = {
		.command = code,
		.flags = flags,
		.count = htobe16(count),
		.address = htobe32(address),
	};

	memcpy(unit->memory + number * sizeof(ccw), &ccw, sizeof(ccw));
}

static ssize_t region_read(struct unit *unit, struct mccw_io_region *region)
{
	return file_read(unit->fd, region, sizeof(*region), 0);
}

static ssize_t start(struct unit *unit, __u32 program)
{
	struct mccw_io_region region;
	__be32 format = htobe32(MCCW_ORB_FORMAT1);
	__be32 function = htobe32(MCCW_START);
	__be32 address = htobe32(program);

	memset(&region, 0xee, sizeof(region));
	memcpy(region.orb + 4, &format, 4);
	memcpy(region.orb + 8, &address, 4);
	memcpy(region.scsw, &function, 4);
	return file_write(unit->fd, &region, sizeof(region), 0);
}

/* What the response says */
struct end {
	__u32 control;
	__u32 next;
	__u8 device;
	__u8 subchannel;
	__u16 left;
};

static struct end end_of(const struct mccw_io_region *region)
{
	__be32 words[3];
	__u32 status;

	memcpy(words, region->irb, sizeof(words));
	status = be32toh(words[2]);
	return (struct end) {
		.control = be32toh(words[0]),
		.next = be32toh(words[1]),
		.device = status >> 24,
		.subchannel = status >> 16,
		.left = status,
	};
}

/* Runs the program in memory; an end that no test expects if it cannot. */
static struct end run(struct unit *unit)
{
	struct mccw_io_region region;

	if (start(unit, MEMORY) != SIZE || fired(unit->io) != 1 ||
	    region_read(unit, &region) != SIZE || region.ret_code)
		return (struct end) { .next = 0xdeadbeef };
	return end_of(&region);
}

FIXTURE(unit) {
	struct unit u;
	struct snapshot before;
};

FIXTURE_SETUP(unit)
{
	snapshot_take(&self->before);
	ASSERT_EQ(0, sample_make("mccw", "echo", self->u.uuid));
	ASSERT_EQ(0, unit_open(&self->u));
}

FIXTURE_TEARDOWN(unit)
{
	mdev_close(&self->u.user);
	if (mdev_exists(self->u.uuid))
		EXPECT_EQ(0, mdev_remove(self->u.uuid));
	EXPECT_EQ(UNITS, sample_available("mccw", "echo"));
	EXPECT_TRUE(WAIT_FOR(sample_idle("mccw", &self->before), SOON));
}

TEST_F(unit, description)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	struct vfio_region_info region = { .argsz = sizeof(region) };
	struct vfio_irq_info irq = { .argsz = sizeof(irq) };
	char path[PATH_LEN], text[64];
	__u32 i;

	ASSERT_LT(0, read_file(sample_path(path, "mccw", "echo", "device_api"),
			       text, sizeof(text)));
	EXPECT_EQ(0, strncmp("vfio-ccw", text, 8));

	ASSERT_EQ(0, file_ioctl(self->u.fd, VFIO_DEVICE_GET_INFO, &info));
	EXPECT_EQ(VFIO_DEVICE_FLAGS_CCW | VFIO_DEVICE_FLAGS_RESET, info.flags);
	EXPECT_EQ(1, info.num_regions);
	EXPECT_EQ(VFIO_CCW_NUM_IRQS, info.num_irqs);
	info.argsz = offsetof(struct vfio_device_info, num_irqs);
	EXPECT_EQ(-EINVAL, file_ioctl(self->u.fd, VFIO_DEVICE_GET_INFO, &info));
	EXPECT_EQ(-EFAULT, file_ioctl(self->u.fd, VFIO_DEVICE_GET_INFO, NULL));

	ASSERT_EQ(0, file_ioctl(self->u.fd, VFIO_DEVICE_GET_REGION_INFO,
				&region));
	EXPECT_EQ(SIZE, region.size);
	EXPECT_EQ(0, region.offset);
	EXPECT_EQ(VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE,
		  region.flags);
	region.index = 1;
	EXPECT_EQ(-EINVAL, file_ioctl(self->u.fd, VFIO_DEVICE_GET_REGION_INFO,
				      &region));

	for (i = 0; i < VFIO_CCW_NUM_IRQS; i++) {
		irq.index = i;
		ASSERT_EQ(0, file_ioctl(self->u.fd, VFIO_DEVICE_GET_IRQ_INFO,
					&irq));
		EXPECT_EQ(VFIO_IRQ_INFO_EVENTFD, irq.flags);
		EXPECT_EQ(i == VFIO_CCW_CRW_IRQ_INDEX ? 0 : 1, irq.count);
	}
	irq.index = i;
	EXPECT_EQ(-EINVAL, file_ioctl(self->u.fd, VFIO_DEVICE_GET_IRQ_INFO,
				      &irq));

	EXPECT_EQ(-ENOTTY, file_ioctl(self->u.fd, VFIO_DEVICE_QUERY_GFX_PLANE,
				      &info));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ, MAP_SHARED,
				   self->u.fd, 0));
}

/* The region moves as a whole or not at all. */
TEST_F(unit, whole_region_only)
{
	static const size_t lengths[] = { 1, 12, 124, SIZE - 1, SIZE + 1, 280 };
	static const off_t places[] = { 1, 12, SIZE, 280, 1L << 40, 1L << 62 };
	unsigned char bytes[280], *end = guarded(SIZE);
	struct mccw_io_region region;
	unsigned int i;

	command(&self->u, 0, MCCW_NOOP, 0, 0, 0);
	memset(bytes, 0, sizeof(bytes));
	for (i = 0; i < ARRAY_LEN(lengths); i++) {
		EXPECT_EQ(-EINVAL, file_read(self->u.fd, bytes, lengths[i], 0));
		EXPECT_EQ(-EINVAL, file_write(self->u.fd, bytes, lengths[i],
					      0));
	}
	for (i = 0; i < ARRAY_LEN(places); i++) {
		EXPECT_EQ(-EINVAL, file_read(self->u.fd, bytes, SIZE,
					     places[i]));
		EXPECT_EQ(-EINVAL, file_write(self->u.fd, bytes, SIZE,
					      places[i]));
	}
	EXPECT_EQ(-EFAULT, file_read(self->u.fd, end + 1, SIZE, 0));
	EXPECT_EQ(-EFAULT, file_write(self->u.fd, end + 1, SIZE, 0));

	/* Nothing of this was a request, and the file's position stays. */
	ASSERT_EQ(SIZE, read(self->u.fd, end, SIZE));
	ASSERT_EQ(SIZE, read(self->u.fd, &region, SIZE));
	EXPECT_EQ(0, region.requests);
	EXPECT_EQ(0, fired(self->u.io));
	ASSERT_EQ(SIZE, start(&self->u, MEMORY));
	ASSERT_EQ(SIZE, region_read(&self->u, &region));
	EXPECT_EQ(1, region.requests);
}

TEST_F(unit, says_who_it_is)
{
	unsigned char *data = self->u.memory + PAGE;
	struct end end;

	memset(data, 0x55, 16);
	command(&self->u, 0, MCCW_SENSE_ID, 0, 7, DATA);
	end = run(&self->u);
	EXPECT_EQ(WELL, end.device);
	EXPECT_EQ(0, end.subchannel);
	EXPECT_EQ(0, end.left);
	EXPECT_EQ(MEMORY + 8, end.next);
	EXPECT_EQ(MCCW_ORB_FORMAT1 | MCCW_START | MCCW_ENDED, end.control);
	EXPECT_EQ(0, memcmp("\xffMC\x01MD\x01\x55", data, 8));
}

/* What is sent comes back, into the memory the program names, no more. */
TEST_F(unit, echo)
{
	unsigned char *sent = self->u.memory + PAGE;
	unsigned char *back = self->u.memory + 2 * PAGE + 5;
	struct mccw_io_region region;
	struct end end;
	int i;

	for (i = 0; i < 300; i++)
		sent[i] = i * 7;
	memset(back - 5, 0x55, 400);
	command(&self->u, 0, MCCW_WRITE, MCCW_FLAG_CHAIN, 300, DATA);
	command(&self->u, 1, MCCW_TRANSFER, 0, 0, MEMORY + 80);
	command(&self->u, 10, MCCW_NOOP, MCCW_FLAG_CHAIN, 0, 0);
	command(&self->u, 11, MCCW_READ, MCCW_FLAG_ANY_LENGTH, 390,
		DATA + PAGE + 5);
	end = run(&self->u);
	EXPECT_EQ(WELL, end.device);
	EXPECT_EQ(0, end.subchannel);
	EXPECT_EQ(90, end.left);
	EXPECT_EQ(MEMORY + 96, end.next);
	EXPECT_EQ(0, memcmp(sent, back, 300));
	EXPECT_EQ(0x55, back[-1]);
	EXPECT_EQ(0x55, back[300]);

	ASSERT_EQ(SIZE, region_read(&self->u, &region));
	EXPECT_EQ(1, region.requests);
	EXPECT_EQ(3, region.commands);
	EXPECT_EQ(300, region.taken);
	EXPECT_EQ(300, region.given);
}

TEST_F(unit, lengths)
{
	unsigned char *data = self->u.memory + PAGE;
	struct end end;

	/* More than it keeps */
	command(&self->u, 0, MCCW_WRITE, 0, 3 * PAGE, DATA);
	end = run(&self->u);
	EXPECT_EQ(MCCW_WRONG_LENGTH, end.subchannel);
	EXPECT_EQ(3 * PAGE - MCCW_BUFFER, end.left);
	EXPECT_TRUE(end.control & MCCW_ALERT);

	/* A wrong length ends the program. */
	data[0] = 0x55;
	command(&self->u, 0, MCCW_SENSE_ID, MCCW_FLAG_CHAIN, 8, DATA + PAGE);
	command(&self->u, 1, MCCW_SENSE_ID, 0, 7, DATA);
	end = run(&self->u);
	EXPECT_EQ(MCCW_WRONG_LENGTH, end.subchannel);
	EXPECT_EQ(1, end.left);
	EXPECT_EQ(MEMORY + 8, end.next);
	EXPECT_EQ(0x55, data[0]);

	command(&self->u, 0, MCCW_SENSE_ID,
		MCCW_FLAG_CHAIN | MCCW_FLAG_ANY_LENGTH | MCCW_FLAG_SKIP, 8,
		DATA);
	command(&self->u, 1, MCCW_NOOP, 0, 0, 0);
	end = run(&self->u);
	EXPECT_EQ(0, end.subchannel);
	EXPECT_EQ(0x55, data[0]);
}

TEST_F(unit, says_what_was_wrong)
{
	unsigned char *data = self->u.memory + PAGE;
	struct end end;

	command(&self->u, 0, 0x37, MCCW_FLAG_CHAIN, 1, DATA);
	command(&self->u, 1, MCCW_NOOP, 0, 0, 0);
	end = run(&self->u);
	EXPECT_EQ(WELL | MCCW_UNIT_CHECK, end.device);
	EXPECT_EQ(MEMORY + 8, end.next);
	EXPECT_TRUE(end.control & MCCW_ALERT);

	command(&self->u, 0, MCCW_SENSE, MCCW_FLAG_CHAIN, 32, DATA);
	command(&self->u, 1, MCCW_NOOP, MCCW_FLAG_CHAIN, 0, 0);
	command(&self->u, 2, MCCW_SENSE, 0, 32, DATA + 32);
	end = run(&self->u);
	EXPECT_EQ(WELL, end.device);
	EXPECT_EQ(MCCW_COMMAND_REJECT, data[0]);
	EXPECT_EQ(0, data[32]);
}

/* No program harms anyone but its user. */
TEST_F(unit, bad_programs)
{
	struct end end;
	int i;

	/* Two transfers in a row, one to itself */
	command(&self->u, 0, MCCW_TRANSFER, 0, 0, MEMORY);
	end = run(&self->u);
	EXPECT_EQ(MCCW_PROGRAM_CHECK, end.subchannel);
	EXPECT_EQ(0, end.device);

	/* One that never ends */
	command(&self->u, 0, MCCW_NOOP, MCCW_FLAG_CHAIN, 0, 0);
	command(&self->u, 1, MCCW_TRANSFER, 0, 0, MEMORY);
	end = run(&self->u);
	EXPECT_EQ(MCCW_PROGRAM_CHECK, end.subchannel);

	/* One that runs out of the memory */
	for (i = 0; i < 4 * PAGE / 8; i++)
		command(&self->u, i, MCCW_NOOP, MCCW_FLAG_CHAIN, 0, 0);
	ASSERT_EQ(SIZE, start(&self->u, MEMORY + 4 * PAGE - 8));
	EXPECT_EQ(1, fired(self->u.io));

	/* One that is not there, or cannot be */
	ASSERT_EQ(SIZE, start(&self->u, 0x300000));
	ASSERT_EQ(SIZE, start(&self->u, MEMORY + 4));
	ASSERT_EQ(SIZE, start(&self->u, 0xfffffff8));
	EXPECT_EQ(3, fired(self->u.io));

	/* Flags that the unit has not */
	command(&self->u, 0, MCCW_NOOP, 0x04, 0, 0);
	EXPECT_EQ(MCCW_PROGRAM_CHECK, run(&self->u).subchannel);

	/* Data that is not there, or that the device may not change */
	command(&self->u, 0, MCCW_SENSE_ID, 0, 7, 0x300000);
	EXPECT_TRUE(run(&self->u).subchannel & MCCW_PROGRAM_CHECK);
	command(&self->u, 0, MCCW_SENSE_ID, 0, 7, 0x7ffffffc);
	EXPECT_TRUE(run(&self->u).subchannel & MCCW_PROGRAM_CHECK);
	command(&self->u, 0, MCCW_SENSE_ID, 0, 7, SECRET);
	EXPECT_TRUE(run(&self->u).subchannel & MCCW_PROGRAM_CHECK);
	EXPECT_EQ(0, self->u.secret[0]);
	command(&self->u, 0, MCCW_WRITE, 0, 8, SECRET);
	EXPECT_EQ(0, run(&self->u).subchannel);
}

/* Programs of 2^16 commands and of as many bytes as a command can name */
TEST_F(unit, row_44_long_programs)
{
	enum { COMMANDS = 1 << 16 };
	const __u32 address = 0x400000;
	struct mccw_ccw chained = {
		.command = MCCW_NOOP,
		.flags = MCCW_FLAG_CHAIN,
	};
	struct mccw_ccw *program;
	struct mccw_io_region region;
	struct end end;
	int i;

	program = (void *)anonymous(COMMANDS * sizeof(*program));
	populate(program, COMMANDS * sizeof(*program));
	for (i = 0; i < COMMANDS; i++)
		program[i] = chained;
	program[COMMANDS - 1].flags = 0;
	ASSERT_EQ(0, map(&self->u, (void *)program, address,
			 COMMANDS * sizeof(*program), VFIO_DMA_MAP_FLAG_READ));

	/* Its end would come, but not soon enough. */
	ASSERT_EQ(SIZE, start(&self->u, address));
	ASSERT_EQ(SIZE, region_read(&self->u, &region));
	end = end_of(&region);
	EXPECT_EQ(MCCW_PROGRAM_CHECK, end.subchannel);
	EXPECT_EQ(256, region.commands);
	EXPECT_EQ(address + 256 * 8, end.next);
	/* A short one, at the end of the mapping */
	ASSERT_EQ(SIZE, start(&self->u, address + (COMMANDS - 9) * 8));
	ASSERT_EQ(SIZE, region_read(&self->u, &region));
	EXPECT_EQ(0, end_of(&region).subchannel);
	EXPECT_EQ(256 + 9, region.commands);
	EXPECT_EQ(2, fired(self->u.io));

	/* All 16 bits of a count, beyond the memory and beyond all addresses */
	command(&self->u, 0, MCCW_WRITE, MCCW_FLAG_ANY_LENGTH, 0xffff, DATA);
	end = run(&self->u);
	EXPECT_EQ(0, end.subchannel);
	EXPECT_EQ(0xffff - MCCW_BUFFER, end.left);
	command(&self->u, 0, MCCW_READ, MCCW_FLAG_ANY_LENGTH, 0xffff,
		MEMORY + PAGES * PAGE - 16);
	EXPECT_EQ(MCCW_PROGRAM_CHECK, run(&self->u).subchannel);
	command(&self->u, 0, MCCW_WRITE, MCCW_FLAG_ANY_LENGTH, 0xffff,
		0x7ffffff0);
	EXPECT_EQ(MCCW_PROGRAM_CHECK, run(&self->u).subchannel);
	command(&self->u, 0, MCCW_WRITE, MCCW_FLAG_ANY_LENGTH, 0xffff,
		0xffffffff);
	EXPECT_EQ(MCCW_PROGRAM_CHECK, run(&self->u).subchannel);
}

struct flipper {
	unsigned char *byte;
	bool stop;
};

/* The low byte of a count, 3 and 9 in turn */
static void *flip(void *data)
{
	struct flipper *flipper = data;

	while (!__atomic_load_n(&flipper->stop, __ATOMIC_RELAXED)) {
		__atomic_store_n(flipper->byte, 3, __ATOMIC_RELAXED);
		__atomic_store_n(flipper->byte, 9, __ATOMIC_RELAXED);
	}
	return NULL;
}

/*
 * A command that its user changes all the time is one or the other: what it is
 * answered fits what was moved.
 */
TEST_F(unit, row_43_command_that_changes)
{
	long long end_at = now_ms() + race_ms(1500);
	struct mccw_io_region region;
	struct flipper flipper = {
		.byte = self->u.memory + offsetof(struct mccw_ccw, count) + 1,
	};
	pthread_t thread;
	__u32 before = 0, given;
	struct end end;
	int i;

	command(&self->u, 0, MCCW_SENSE_ID, MCCW_FLAG_ANY_LENGTH, 9, DATA);
	ASSERT_EQ(0, pthread_create(&thread, NULL, flip, &flipper));
	for (i = 0; i < 100 || now_ms() < end_at; i++) {
		ASSERT_EQ(SIZE, start(&self->u, MEMORY));
		ASSERT_EQ(SIZE, region_read(&self->u, &region));
		end = end_of(&region);
		given = region.given - before;
		before = region.given;
		EXPECT_EQ(0, end.subchannel);
		EXPECT_TRUE((given == 3 && end.left == 0) ||
			    (given == 7 && end.left == 2)) {
			TH_LOG("gave %u, left %u", given, end.left);
			break;
		}
	}
	__atomic_store_n(&flipper.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	EXPECT_NE(0, fired(self->u.io));
}

/* Every command of SET_IRQS from several threads, while programs run */

struct setter {
	int fd;
	__s32 efd;
	bool stop;
	long wrong;
};

static void *set_anything(void *data)
{
	static const __u32 kinds[] = {
		VFIO_IRQ_SET_DATA_NONE, VFIO_IRQ_SET_DATA_BOOL,
		VFIO_IRQ_SET_DATA_EVENTFD,
	};
	struct setter *setter = data;
	__s32 fds[] = { setter->efd, -1, 12345 };
	unsigned int i;
	__u8 yes = 1;
	long ret;

	for (i = 0; !__atomic_load_n(&setter->stop, __ATOMIC_RELAXED); i++) {
		const __u32 kind = kinds[i % 3];
		const __u32 index = i / 3 % VFIO_CCW_NUM_IRQS;

		ret = set_irqs(setter->fd, kind | TRIGGER, index, 0,
			       kind == VFIO_IRQ_SET_DATA_NONE ? i / 9 % 2 : 1,
			       kind == VFIO_IRQ_SET_DATA_BOOL ? (void *)&yes :
								&fds[i / 9 % 3],
			       kind == VFIO_IRQ_SET_DATA_NONE ? 0 :
			       kind == VFIO_IRQ_SET_DATA_BOOL ? 1 : 4);
		if (ret && ret != -EBADF &&
		    !(ret == -EINVAL && index == VFIO_CCW_CRW_IRQ_INDEX))
			setter->wrong = ret;
	}
	return NULL;
}

TEST_F(unit, row_32_set_irqs_from_several_threads)
{
	struct setter setter = { .fd = self->u.fd, .efd = new_eventfd() };
	long long end_at = now_ms() + race_ms(1000);
	pthread_t thread[3];
	unsigned int i;

	command(&self->u, 0, MCCW_NOOP, 0, 0, 0);
	for (i = 0; i < ARRAY_LEN(thread); i++)
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, set_anything,
					    &setter));
	while (now_ms() < end_at) {
		ASSERT_EQ(SIZE, start(&self->u, MEMORY));
		sleep_ms(1);
	}
	__atomic_store_n(&setter.stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < ARRAY_LEN(thread); i++)
		pthread_join(thread[i], NULL);
	EXPECT_EQ(0, setter.wrong);
	ASSERT_EQ(0, arm(self->u.fd, VFIO_CCW_IO_IRQ_INDEX, 0, 1, &self->u.io));
	fired(self->u.io);
	EXPECT_EQ(WELL, run(&self->u).device);
}

TEST_F(unit, refused_requests)
{
	struct mccw_io_region region;
	__be32 word = htobe32(MCCW_ORB_FORMAT1);

	/* Neither a start nor a format, then no start */
	memset(&region, 0, sizeof(region));
	EXPECT_EQ(-EOPNOTSUPP, file_write(self->u.fd, &region, SIZE, 0));
	memcpy(region.orb + 4, &word, 4);
	EXPECT_EQ(-EOPNOTSUPP, file_write(self->u.fd, &region, SIZE, 0));

	/* No format */
	memset(&region, 0, sizeof(region));
	word = htobe32(MCCW_START);
	memcpy(region.scsw, &word, 4);
	EXPECT_EQ(-EOPNOTSUPP, file_write(self->u.fd, &region, SIZE, 0));

	ASSERT_EQ(SIZE, region_read(&self->u, &region));
	EXPECT_EQ(-EOPNOTSUPP, region.ret_code);
	EXPECT_EQ(0, region.requests);
	EXPECT_EQ(0, fired(self->u.io));
}

TEST_F(unit, interrupts)
{
	__s32 fds[2] = { new_eventfd(), -1 };
	__u8 yes = 1, no = 0;
	int i;

	command(&self->u, 0, MCCW_NOOP, 0, 0, 0);
	for (i = 1; i <= 3; i++)
		ASSERT_EQ(SIZE, start(&self->u, MEMORY));
	EXPECT_EQ(3, fired(self->u.io));

	EXPECT_EQ(0, irq_action(self->u.fd, VFIO_CCW_IO_IRQ_INDEX, 0, 1,
				TRIGGER));
	EXPECT_EQ(1, fired(self->u.io));
	EXPECT_EQ(0, set_irqs(self->u.fd, VFIO_IRQ_SET_DATA_BOOL | TRIGGER,
			      VFIO_CCW_IO_IRQ_INDEX, 0, 1, &yes, 1));
	EXPECT_EQ(0, set_irqs(self->u.fd, VFIO_IRQ_SET_DATA_BOOL | TRIGGER,
			      VFIO_CCW_IO_IRQ_INDEX, 0, 1, &no, 1));
	EXPECT_EQ(1, fired(self->u.io));

	/* Another eventfd, none, none once more */
	EXPECT_EQ(0, arm(self->u.fd, VFIO_CCW_IO_IRQ_INDEX, 0, 1, fds));
	ASSERT_EQ(SIZE, start(&self->u, MEMORY));
	EXPECT_EQ(1, fired(fds[0]));
	EXPECT_EQ(0, arm(self->u.fd, VFIO_CCW_IO_IRQ_INDEX, 0, 1, &fds[1]));
	ASSERT_EQ(SIZE, start(&self->u, MEMORY));
	EXPECT_EQ(0, arm(self->u.fd, VFIO_CCW_IO_IRQ_INDEX, 0, 1, fds));
	EXPECT_EQ(0, irq_action(self->u.fd, VFIO_CCW_IO_IRQ_INDEX, 0, 0,
				TRIGGER));
	ASSERT_EQ(SIZE, start(&self->u, MEMORY));
	EXPECT_EQ(0, fired(fds[0]));
	EXPECT_EQ(0, fired(self->u.io));

	/* Data of none */
	EXPECT_EQ(-EINVAL, arm(self->u.fd, VFIO_CCW_IO_IRQ_INDEX, 0, 0, fds));
	EXPECT_EQ(-EINVAL, set_irqs(self->u.fd,
				    VFIO_IRQ_SET_DATA_BOOL | TRIGGER,
				    VFIO_CCW_IO_IRQ_INDEX, 0, 0, &yes, 0));

	EXPECT_EQ(-EINVAL, arm(self->u.fd, VFIO_CCW_CRW_IRQ_INDEX, 0, 1, fds));
	EXPECT_EQ(-EINVAL, arm(self->u.fd, VFIO_CCW_NUM_IRQS, 0, 1, fds));
	EXPECT_EQ(-EINVAL, arm(self->u.fd, VFIO_CCW_IO_IRQ_INDEX, 1, 1, fds));
	EXPECT_EQ(-EINVAL, arm(self->u.fd, VFIO_CCW_IO_IRQ_INDEX, 0, 2, fds));
	EXPECT_EQ(-EINVAL, irq_action(self->u.fd, VFIO_CCW_IO_IRQ_INDEX, 0, 1,
				      VFIO_IRQ_SET_ACTION_MASK));
	fds[0] = self->u.fd;
	EXPECT_EQ(-EINVAL, arm(self->u.fd, VFIO_CCW_IO_IRQ_INDEX, 0, 1, fds));
}

TEST_F(unit, forgets)
{
	unsigned char *data = self->u.memory + PAGE;
	struct mccw_io_region region;
	int round;

	for (round = 0; round < 2; round++) {
		memcpy(data, "secret", 6);
		command(&self->u, 0, MCCW_WRITE, 0, 6, DATA);
		EXPECT_EQ(0, run(&self->u).subchannel);
		if (round) {
			mdev_close(&self->u.user);
			ASSERT_EQ(0, unit_open(&self->u));
			data = self->u.memory + PAGE;
		} else {
			ASSERT_EQ(0, file_ioctl(self->u.fd, VFIO_DEVICE_RESET,
						NULL));
		}
		ASSERT_EQ(SIZE, region_read(&self->u, &region));
		EXPECT_EQ(0, region.requests);
		memset(data, 0, 6);
		command(&self->u, 0, MCCW_READ, MCCW_FLAG_ANY_LENGTH, 6, DATA);
		EXPECT_EQ(6, run(&self->u).left);
		EXPECT_EQ(0, data[0]);
	}
}

/* The user that is asked for the device gives it back. */
TEST_F(unit, removal_asks)
{
	__s32 req = new_eventfd();
	char path[PATH_LEN];
	pid_t pid;

	/* One that cannot be asked keeps it, and nobody waits for that. */
	pid = async_write(mdev_path(path, self->u.uuid, "remove"), "1");
	EXPECT_EQ(-EBUSY, async_result(pid, SOON));
	ASSERT_EQ(0, arm(self->u.fd, VFIO_CCW_REQ_IRQ_INDEX, 0, 1, &req));
	pid = async_write(mdev_path(path, self->u.uuid, "remove"), "1");
	EXPECT_TRUE(WAIT_FOR(fired(req) > 0, SOON));
	EXPECT_TRUE(mdev_exists(self->u.uuid));
	command(&self->u, 0, MCCW_NOOP, 0, 0, 0);
	EXPECT_EQ(WELL, run(&self->u).device);
	mdev_close(&self->u.user);
	EXPECT_EQ(0, async_result(pid, SOON));
	EXPECT_FALSE(mdev_exists(self->u.uuid));
}

/* A user that dies leaves nothing, and a unit that works. */
TEST_F(unit, dying_user)
{
	struct pollfd ready;
	int pipes[2];
	pid_t pid;

	mdev_close(&self->u.user);
	ASSERT_EQ(0, pipe(pipes));
	pid = fork();
	if (!pid) {
		if (!unit_open(&self->u)) {
			command(&self->u, 0, MCCW_NOOP, MCCW_FLAG_CHAIN, 0, 0);
			command(&self->u, 1, MCCW_TRANSFER, 0, 0, MEMORY);
			if (write(pipes[1], "", 1) == 1)
				for (;;)
					start(&self->u, MEMORY);
		}
		_exit(1);
	}
	/* One that dies before has closed it. */
	close(pipes[1]);
	ready = (struct pollfd) { .fd = pipes[0], .events = POLLIN };
	EXPECT_EQ(1, poll(&ready, 1, SOON));
	EXPECT_EQ(POLLIN, ready.revents & POLLIN);
	sleep_ms(50);
	kill(pid, SIGKILL);
	EXPECT_EQ(pid, waitpid(pid, NULL, 0));

	EXPECT_TRUE(WAIT_FOR(!unit_open(&self->u), SOON));
	command(&self->u, 0, MCCW_NOOP, 0, 0, 0);
	EXPECT_EQ(WELL, run(&self->u).device);
}

TEST(instances)
{
	char uuids[UNITS][UUID_LEN], extra[UUID_LEN];
	int i;

	expect_dmesg("mdev [-0-9a-f]+ was not created:");
	for (i = 0; i < UNITS; i++) {
		EXPECT_EQ(UNITS - i, sample_available("mccw", "echo"));
		ASSERT_EQ(0, sample_make("mccw", "echo", uuids[i]));
	}
	EXPECT_EQ(0, sample_available("mccw", "echo"));
	EXPECT_EQ(-EUSERS, sample_make("mccw", "echo", extra));
	for (i = 0; i < UNITS; i++)
		EXPECT_EQ(0, mdev_remove(uuids[i]));
	EXPECT_EQ(UNITS, sample_available("mccw", "echo"));
}

MDEV_TEST_MAIN("mccw")
