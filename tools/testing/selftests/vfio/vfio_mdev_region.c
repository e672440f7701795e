// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reads, writes and mappings of a mediated device's regions. Where a vendor
 * says what its regions are, nothing beyond them reaches it: what it was called
 * with is the proof. Where it does not, everything reaches it as it came.
 */
#include <stdio.h>

#include "kselftest_harness.h"
#include "vfio_util.h"

#define LARGEST	(0x7fffffffUL & -PAGE)	/* what one call transfers at most */

static off_t at(__u32 index, __u64 offset)
{
	return ((__u64)index << MDEV_TEST_OFFSET_SHIFT) + offset;
}

FIXTURE(region) {
	struct open_device dev;
	int fd;
	char *buf;
};

FIXTURE_VARIANT(region) {
	const char *vendor;
	bool structured;
};

FIXTURE_VARIANT_ADD(region, raw) {
	.vendor = RAW,
};

FIXTURE_VARIANT_ADD(region, structured) {
	.vendor = STRUCTURED,
	.structured = true,
};

FIXTURE_SETUP(region)
{
	ASSERT_EQ(0, open_device_setup(&self->dev, variant->vendor));
	self->fd = self->dev.fd;
	self->buf = mmap(NULL, LARGEST + PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	ASSERT_NE(MAP_FAILED, self->buf);
}

FIXTURE_TEARDOWN(region)
{
	EXPECT_EQ(0, open_device_teardown(&self->dev));
}

/*
 * Reads, or else writes, COUNT bytes at POS and compares what the vendor was
 * called with: the same position and SEEN bytes, or nothing if SEEN is 0.
 * Answers what the call answered, -EILSEQ after a difference.
 */
static ssize_t transfer(const char *vendor, int fd, bool read, char *buf,
			size_t count, off_t pos, size_t seen)
{
	const char *op = read ? "read" : "write";
	char control[16];
	ssize_t ret;

	snprintf(control, sizeof(control), "%s/calls", op);
	vendor_set(vendor, control, 0);
	ret = read ? file_read(fd, buf, count, pos) :
		     file_write(fd, buf, count, pos);
	if (vendor_get(vendor, control) != !!seen)
		return -EILSEQ;
	if (!seen)
		return ret;

	snprintf(control, sizeof(control), "%s/arg0", op);
	if (vendor_get(vendor, control) != pos)
		return -EILSEQ;
	snprintf(control, sizeof(control), "%s/arg1", op);
	if (vendor_get(vendor, control) != (long long)seen)
		return -EILSEQ;
	snprintf(control, sizeof(control), "%s/arg2", op);
	if (vendor_get(vendor, control) != (intptr_t)buf)
		return -EILSEQ;
	return ret;
}

#define TRANSFER(read, count, pos, seen)				\
	transfer(variant->vendor, self->fd, read, self->buf, count, pos, seen)

/* What is at, across and behind the ends of each region. */
TEST_F(region, bounds)
{
	const struct {
		__u64 size;
		bool readable;
		bool writable;
	} regions[MDEV_TEST_NUM_REGIONS] = {
		[MDEV_TEST_REGION_REGS] = { MDEV_TEST_REGS_SIZE, true, true },
		[MDEV_TEST_REGION_MEM] = { MDEV_TEST_MEM_SIZE, true, true },
		[MDEV_TEST_REGION_BIG] = { MDEV_TEST_BIG_SIZE, true, true },
		[MDEV_TEST_REGION_ROM] = { MDEV_TEST_ROM_SIZE, true, false },
		[MDEV_TEST_REGION_TYPED] = { MDEV_TEST_TYPED_SIZE, true, true },
		[MDEV_TEST_REGION_INPUT] = { MDEV_TEST_INPUT_SIZE, true, false },
		[MDEV_TEST_REGION_OUTPUT] = { MDEV_TEST_OUTPUT_SIZE, false, true },
		[MDEV_TEST_REGION_SHORT] = { MDEV_TEST_SHORT_SIZE, true, true },
		[MDEV_TEST_REGION_ODD] = { MDEV_TEST_ODD_SIZE, true, true },
	};
	bool checks = variant->structured;
	const struct {
		__u64 offset;	/* from the region's end */
		size_t count;
		size_t seen;
		ssize_t done;
	} tries[] = {
		{ 0, 1, checks ? 0 : 1, -EINVAL },
		{ PAGE, PAGE, checks ? 0 : PAGE, -EINVAL },
		{ -1, 1, 1, 1 },
		{ -2, 2, 2, 2 },
		{ -2, 4, checks ? 2 : 4, 2 },
		{ -1, LARGEST, checks ? 1 : LARGEST, 1 },
		{ -0x123, 0x123, 0x123, 0x123 },
		{ -0x123, 0x124, checks ? 0x123 : 0x124, 0x123 },
	};
	unsigned int i, j, read;
	__u64 size;

	for (i = 0; i < MDEV_TEST_NUM_REGIONS * 2; i++) {
		read = i % 2;
		size = regions[i / 2].size;
		for (j = 0; j < ARRAY_LEN(tries); j++) {
			if (tries[j].done > 0 && (read ?
						  !regions[i / 2].readable :
						  !regions[i / 2].writable))
				continue;
			EXPECT_EQ(tries[j].done,
				  TRANSFER(read, tries[j].count,
					   at(i / 2, size + tries[j].offset),
					   tries[j].seen)) {
				TH_LOG("region %u, read %u, try %u", i / 2,
				       read, j);
			}
		}
		/* In front of the next one */
		EXPECT_EQ(-EINVAL, TRANSFER(read, 8, at(i / 2 + 1, -8),
					    checks ? 0 : 8)) {
			TH_LOG("region %u, read %u", i / 2, read);
		}
	}
}

TEST_F(region, far_away)
{
	static const off_t positions[] = {
		(off_t)MDEV_TEST_NUM_REGIONS << MDEV_TEST_OFFSET_SHIFT,
		1L << 62,
		INT64_MAX - 8,
	};
	bool checks = variant->structured;
	unsigned int i, read;

	for (read = 0; read < 2; read++) {
		for (i = 0; i < ARRAY_LEN(positions); i++)
			EXPECT_EQ(-EINVAL, TRANSFER(read, 8, positions[i],
						    checks ? 0 : 8));
		/* Here the system call itself says no. */
		EXPECT_EQ(-EINVAL, TRANSFER(read, 16, INT64_MAX - 8, 0));
		EXPECT_EQ(-EINVAL, TRANSFER(read, 1, -1, 0));
		EXPECT_EQ(-EINVAL, TRANSFER(read, 1, INT64_MIN, 0));
	}
}

TEST_F(region, direction)
{
	bool checks = variant->structured;

	EXPECT_EQ(checks ? -EINVAL : 4,
		  TRANSFER(false, 4, at(MDEV_TEST_REGION_ROM, 0),
			   checks ? 0 : 4));
	EXPECT_EQ(checks ? -EINVAL : 4,
		  TRANSFER(false, 4, at(MDEV_TEST_REGION_INPUT, 0),
			   checks ? 0 : 4));
	EXPECT_EQ(checks ? -EINVAL : 4,
		  TRANSFER(true, 4, at(MDEV_TEST_REGION_OUTPUT, 0),
			   checks ? 0 : 4));
}

/* Of nothing, everything is done at once, wherever it is: as with vfio-pci. */
TEST_F(region, nothing)
{
	EXPECT_EQ(0, file_read(self->fd, self->buf, 0, 0));
	EXPECT_EQ(0, file_write(self->fd, self->buf, 0, 0));
	if (!variant->structured)
		return;
	EXPECT_EQ(0, file_read(self->fd, self->buf, 0,
			       at(MDEV_TEST_REGION_NONE, 0)));
	EXPECT_EQ(0, file_write(self->fd, self->buf, 0,
				at(MDEV_TEST_REGION_ROM, 0)));
	EXPECT_EQ(0, vendor_calls(variant->vendor, "read"));
	EXPECT_EQ(0, vendor_calls(variant->vendor, "write"));
}

TEST_F(region, contents)
{
	unsigned char rom[MDEV_TEST_ROM_SIZE + 1] = {};
	char in[5000], out[5000];
	unsigned int i;

	for (i = 0; i < sizeof(out); i++)
		out[i] = i * 7 + i / 256;
	ASSERT_EQ(sizeof(out), file_write(self->fd, out, sizeof(out),
					  at(MDEV_TEST_REGION_MEM, 123)));
	ASSERT_EQ(sizeof(in), file_read(self->fd, in, sizeof(in),
					at(MDEV_TEST_REGION_MEM, 123)));
	EXPECT_EQ(0, memcmp(in, out, sizeof(in)));

	ASSERT_EQ(MDEV_TEST_ROM_SIZE,
		  file_read(self->fd, rom, sizeof(rom),
			    at(MDEV_TEST_REGION_ROM, 0)));
	for (i = 0; i < MDEV_TEST_ROM_SIZE; i++)
		ASSERT_EQ((0x5a ^ i) & 0xff, rom[i]);
	EXPECT_EQ(0, rom[MDEV_TEST_ROM_SIZE]);
}

/* read(2) goes on where it was. */
TEST_F(region, position)
{
	ASSERT_EQ(16, read(self->fd, self->buf, 16));
	ASSERT_EQ(24, write(self->fd, self->buf, 24));
	EXPECT_EQ(16, vendor_get(variant->vendor, "write/arg0"));
	ASSERT_EQ(8, read(self->fd, self->buf, 8));
	EXPECT_EQ(40, vendor_get(variant->vendor, "read/arg0"));
}

/* Nobody makes a copy of what a user wants to transfer. */
TEST_F(region, gigabyte)
{
	const size_t size = 1UL << 30;
	const int big = MDEV_TEST_REGION_BIG;
	bool checks = variant->structured;
	unsigned int read;

	for (read = 0; read < 2; read++) {
		EXPECT_EQ(size, TRANSFER(read, size, at(big, 0), size));
		EXPECT_EQ(size, TRANSFER(read, size, at(big, size), size));
		EXPECT_EQ(size - 1, TRANSFER(read, size, at(big, size + 1),
					     checks ? size - 1 : size));
		EXPECT_EQ(LARGEST, TRANSFER(read, 1UL << 31, at(big, 0),
					    LARGEST));
		EXPECT_EQ(MDEV_TEST_REGS_SIZE,
			  TRANSFER(read, size, at(MDEV_TEST_REGION_REGS, 0),
				   checks ? MDEV_TEST_REGS_SIZE : size));
	}
}

TEST_F(region, bad_memory)
{
	char *end = (char *)guarded(8) + 8;

	EXPECT_EQ(-EFAULT, file_read(self->fd, end, 8, 0));
	EXPECT_EQ(-EFAULT, file_write(self->fd, end, 8, 0));
	EXPECT_EQ(-EFAULT, file_read(self->fd, end - 4, 8, 0));
	EXPECT_EQ(-EFAULT, file_write(self->fd, end - 4, 8, 0));
	EXPECT_EQ(-EFAULT, file_read(self->fd, (void *)INTPTR_MIN, 8, 0));
	EXPECT_EQ(0, mdev_alive(&self->dev.user));
}

/* Errors of the vendor are the user's. */
TEST_F(region, vendor_fails)
{
	ASSERT_EQ(0, vendor_set(variant->vendor, "read/error", EXFULL));
	ASSERT_EQ(0, vendor_set(variant->vendor, "write/error", EXFULL));
	ASSERT_EQ(0, vendor_set(variant->vendor, "mmap/error", EXFULL));
	EXPECT_EQ(-EXFULL, file_read(self->fd, self->buf, 4, 0));
	EXPECT_EQ(-EXFULL, file_write(self->fd, self->buf, 4, 0));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ, MAP_SHARED, self->fd,
				   at(MDEV_TEST_REGION_MEM, 0)));
	EXPECT_EQ(EXFULL, errno);
}

/* Mappings */

static __u32 peek(const void *map, size_t offset)
{
	return __atomic_load_n((__u32 *)(map + offset), __ATOMIC_RELAXED);
}

static void poke(void *map, size_t offset, __u32 value)
{
	__atomic_store_n((__u32 *)(map + offset), value, __ATOMIC_RELAXED);
}

#define RW	(PROT_READ | PROT_WRITE)

/* Maps, unmaps, and answers the error, -EILSEQ if the vendor's calls differ. */
static int try_map(const char *vendor, int fd, int prot, int flags,
		   __u64 pos, size_t size, int calls)
{
	int ret = 0;
	void *map;

	vendor_set(vendor, "mmap/calls", 0);
	map = mmap(NULL, size, prot, flags, fd, pos);
	if (map == MAP_FAILED)
		ret = -errno;
	else
		munmap(map, size);
	return vendor_calls(vendor, "mmap") == calls ? ret : -EILSEQ;
}

#define TRY_MAP(prot, flags, pos, size, calls)				\
	try_map(variant->vendor, self->fd, prot, flags, pos, size, calls)

TEST_F(region, map_bounds)
{
	const struct {
		int index;
		__u64 offset;
		size_t size;
		bool allowed;		/* by what the vendor says */
		bool possible;		/* by what it has */
	} tries[] = {
		{ MDEV_TEST_REGION_MEM, 0, 4 * PAGE, true, true },
		{ MDEV_TEST_REGION_MEM, 0, PAGE, true, true },
		{ MDEV_TEST_REGION_MEM, 3 * PAGE, PAGE, true, true },
		{ MDEV_TEST_REGION_MEM, 0, 4 * PAGE - 1, true, true },
		{ MDEV_TEST_REGION_MEM, 8 * PAGE, 2 * PAGE, true, true },
		{ MDEV_TEST_REGION_MEM, 9 * PAGE, PAGE, true, true },
		{ MDEV_TEST_REGION_MEM, 0, 4 * PAGE + 1, false, true },
		{ MDEV_TEST_REGION_MEM, 3 * PAGE, 2 * PAGE, false, true },
		{ MDEV_TEST_REGION_MEM, 4 * PAGE, PAGE, false, true },
		{ MDEV_TEST_REGION_MEM, 7 * PAGE, 2 * PAGE, false, true },
		{ MDEV_TEST_REGION_MEM, 9 * PAGE, 2 * PAGE, false, true },
		{ MDEV_TEST_REGION_MEM, 10 * PAGE, PAGE, false, true },
		{ MDEV_TEST_REGION_MEM, 0, 10 * PAGE, false, true },
		{ MDEV_TEST_REGION_MEM, 0, 16 * PAGE, false, true },
		{ MDEV_TEST_REGION_MEM, 15 * PAGE, PAGE, false, true },
		{ MDEV_TEST_REGION_MEM, 15 * PAGE, 2 * PAGE, false, false },
		{ MDEV_TEST_REGION_MEM, 16 * PAGE, PAGE, false, false },
		{ MDEV_TEST_REGION_MEM, 0, 1UL << 38, false, false },
		{ MDEV_TEST_REGION_REGS, 0, PAGE, false, true },
		{ MDEV_TEST_REGION_BIG, 0, PAGE, false, false },
		{ MDEV_TEST_REGION_NONE, 0, PAGE, false, false },
		{ MDEV_TEST_REGION_ROM, 0, PAGE, false, false },
		{ MDEV_TEST_REGION_TYPED, 0, 2 * PAGE, true, true },
		{ MDEV_TEST_REGION_TYPED, PAGE, PAGE, true, true },
		{ MDEV_TEST_REGION_TYPED, 0, 3 * PAGE, false, false },
		{ MDEV_TEST_REGION_TYPED, PAGE, 2 * PAGE, false, false },
		{ MDEV_TEST_REGION_TYPED, 2 * PAGE, PAGE, false, false },
		{ MDEV_TEST_NUM_REGIONS, 0, PAGE, false, false },
		{ 0, -2 * PAGE, PAGE, false, false },
		{ 0, INT64_MAX & -PAGE, PAGE, false, false },
		{ 0, INT64_MIN, PAGE, false, false },
		{ 0, 1UL << 62, PAGE, false, false },
	};
	bool reaches, works;
	unsigned int i;

	for (i = 0; i < ARRAY_LEN(tries); i++) {
		reaches = !variant->structured || tries[i].allowed;
		works = reaches && tries[i].possible;
		EXPECT_EQ(works ? 0 : -EINVAL,
			  TRY_MAP(RW, MAP_SHARED,
				  at(tries[i].index, tries[i].offset),
				  tries[i].size, reaches)) {
			TH_LOG("mapping %u", i);
		}
	}
}

/* As with a BAR of vfio-pci's: whole pages, of a region that ends within one */
TEST_F(region, row_62_map_to_the_end_of_the_page)
{
	const struct {
		int index;
		__u64 offset;
		size_t size;
		bool allowed;
	} tries[] = {
		{ MDEV_TEST_REGION_SHORT, 0, PAGE, true },
		{ MDEV_TEST_REGION_SHORT, 0, MDEV_TEST_SHORT_SIZE, true },
		{ MDEV_TEST_REGION_SHORT, 0, PAGE + 1, false },
		{ MDEV_TEST_REGION_SHORT, PAGE, PAGE, false },
		{ MDEV_TEST_REGION_ODD, 0, 2 * PAGE, true },
		{ MDEV_TEST_REGION_ODD, 0, MDEV_TEST_ODD_SIZE, true },
		{ MDEV_TEST_REGION_ODD, 0, PAGE, true },
		{ MDEV_TEST_REGION_ODD, PAGE, PAGE, true },
		{ MDEV_TEST_REGION_ODD, 0, 3 * PAGE, false },
		{ MDEV_TEST_REGION_ODD, PAGE, 2 * PAGE, false },
		{ MDEV_TEST_REGION_ODD, 2 * PAGE, PAGE, false },
	};
	__u32 value[2] = { 0x600df00d };
	unsigned int i;
	void *map;

	for (i = 0; i < ARRAY_LEN(tries); i++) {
		EXPECT_EQ(tries[i].allowed ? 0 : -EINVAL,
			  TRY_MAP(RW, MAP_SHARED,
				  at(tries[i].index, tries[i].offset),
				  tries[i].size,
				  tries[i].allowed || !variant->structured)) {
			TH_LOG("mapping %u", i);
		}
	}

	map = mmap(NULL, 2 * PAGE, RW, MAP_SHARED, self->fd,
		   at(MDEV_TEST_REGION_ODD, 0));
	ASSERT_NE(MAP_FAILED, map);
	poke(map, MDEV_TEST_ODD_SIZE - 4, value[0]);
	value[0] = 0;
	EXPECT_EQ(4, file_read(self->fd, value, 8,
			       at(MDEV_TEST_REGION_ODD,
				  MDEV_TEST_ODD_SIZE - 4)));
	EXPECT_EQ(0x600df00d, value[0]);
	EXPECT_EQ(0, munmap(map, 2 * PAGE));
}

TEST_F(region, map_private)
{
	EXPECT_EQ(variant->structured ? -EINVAL : 0,
		  TRY_MAP(PROT_READ, MAP_PRIVATE, at(MDEV_TEST_REGION_MEM, 0),
			  PAGE, !variant->structured));
}

/* A mapping shows what read() and write() do. */
TEST_F(region, map_contents)
{
	__u32 value = 0x600df00d;
	void *map;

	map = mmap(NULL, MDEV_TEST_AREA1_SIZE, RW, MAP_SHARED, self->fd,
		   at(MDEV_TEST_REGION_MEM, MDEV_TEST_AREA1_OFFSET));
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(at(MDEV_TEST_REGION_MEM, MDEV_TEST_AREA1_OFFSET) / PAGE,
		  vendor_get(variant->vendor, "mmap/arg0"));
	EXPECT_EQ(MDEV_TEST_AREA1_SIZE,
		  vendor_get(variant->vendor, "mmap/arg1"));

	ASSERT_EQ(sizeof(value),
		  file_write(self->fd, &value, sizeof(value),
			     at(MDEV_TEST_REGION_MEM,
				MDEV_TEST_AREA1_OFFSET + PAGE + 4)));
	EXPECT_EQ(value, peek(map, PAGE + 4));
	poke(map, 0, 0x12345678);
	ASSERT_EQ(sizeof(value),
		  file_read(self->fd, &value, sizeof(value),
			    at(MDEV_TEST_REGION_MEM, MDEV_TEST_AREA1_OFFSET)));
	EXPECT_EQ(0x12345678, value);
	EXPECT_EQ(0, munmap(map, MDEV_TEST_AREA1_SIZE));
}

/*
 * Does the kernel refuse to map what it has in files without a name as a program? So it
 * does by 6.16, before it asks their driver.
 */
static bool no_programs(void)
{
	int fd = eventfd(0, EFD_CLOEXEC);
	void *map = mmap(NULL, PAGE, PROT_EXEC, MAP_SHARED, fd, 0);
	bool no = map == MAP_FAILED && errno == EPERM;

	close(fd);
	return no;
}

/* A mapping of a region that goes one way cannot go the other later. */
TEST_F(region, map_direction)
{
	const off_t input = at(MDEV_TEST_REGION_INPUT, 0);
	const off_t output = at(MDEV_TEST_REGION_OUTPUT, 0);
	bool checks = variant->structured;
	int refused = checks ? -1 : 0;
	bool no_exec = no_programs();
	void *map;

	EXPECT_EQ(checks ? -EINVAL : 0,
		  TRY_MAP(RW, MAP_SHARED, input, PAGE, !checks));
	EXPECT_EQ(checks ? -EINVAL : 0,
		  TRY_MAP(PROT_WRITE, MAP_SHARED, input, PAGE, !checks));
	EXPECT_EQ(checks ? -EINVAL : 0,
		  TRY_MAP(RW, MAP_SHARED, output, PAGE, !checks));
	EXPECT_EQ(checks ? -EINVAL : 0,
		  TRY_MAP(PROT_READ, MAP_SHARED, output, PAGE, !checks));
	EXPECT_EQ(no_exec ? -EPERM : checks ? -EINVAL : 0,
		  TRY_MAP(PROT_EXEC, MAP_SHARED, output, PAGE, !checks && !no_exec));

	map = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, self->fd, input);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(0, peek(map, 0));
	EXPECT_EQ(refused, mprotect(map, PAGE, RW));
	EXPECT_EQ(refused, mprotect(map, PAGE, PROT_WRITE));
	if (checks)
		EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(0, mprotect(map, PAGE, PROT_NONE));
	EXPECT_EQ(0, mprotect(map, PAGE, PROT_READ));
	EXPECT_EQ(0, munmap(map, PAGE));

	map = mmap(NULL, PAGE, PROT_WRITE, MAP_SHARED, self->fd, output);
	ASSERT_NE(MAP_FAILED, map);
	poke(map, 0, 1);
	EXPECT_EQ(refused, mprotect(map, PAGE, PROT_READ));
	EXPECT_EQ(no_exec ? -1 : refused,
		  mprotect(map, PAGE, PROT_READ | PROT_EXEC));
	EXPECT_EQ(0, mprotect(map, PAGE, PROT_WRITE));
	EXPECT_EQ(0, munmap(map, PAGE));
}

TEST_F(region, map_cannot_grow)
{
	void *map;

	map = mmap(NULL, PAGE, RW, MAP_SHARED, self->fd,
		   at(MDEV_TEST_REGION_MEM, 3 * PAGE));
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(MAP_FAILED, mremap(map, PAGE, 3 * PAGE, MREMAP_MAYMOVE));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(0, munmap(map, PAGE));
}

MDEV_TEST_MAIN(RAW, STRUCTURED)
