// SPDX-License-Identifier: GPL-2.0-only
/*
 * Dirty pages: what is pinned is dirty for as long as it is, what was written by
 * the core's copying until it is asked for; bitmaps of mappings beside each
 * other; errors.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "type1_fixture.h"

#define BOTH		(TYPE1_TEST_READ | TYPE1_TEST_WRITE)
#define ALL		(T1_PAGES * PAGE)
#define DIRTY_MAX	0x10000000ULL	/* bytes of a bitmap */

/* No bitmap of a user's, unless the machine's users may have any address. */
#define KERNELS		((void *)0xffff888000000000ULL)

static int error_of_kernels(void)
{
	return is_user_address((uintptr_t)KERNELS) ? -EFAULT : -EINVAL;
}

struct bitmap {
	__u64 word[T1_PAGES / 64];
};

static long get_all(struct type1_use *use, struct bitmap *bitmap)
{
	memset(bitmap, 0, sizeof(*bitmap));
	return dirty_get(use->t.container, T1_IOVA, ALL, bitmap,
			 sizeof(*bitmap));
}

static unsigned int weight(const struct bitmap *bitmap)
{
	unsigned int i, n = 0;

	for (i = 0; i < T1_PAGES; i++)
		n += bit_of(bitmap->word, i);
	return n;
}

/* Exactly COUNT bits from FIRST on? */
static bool only(const struct bitmap *bitmap, unsigned int first,
		 unsigned int count)
{
	unsigned int i;

	for (i = 0; i < T1_PAGES; i++)
		if (bit_of(bitmap->word, i) != (i >= first && i - first < count))
			return false;
	return true;
}

TEST_F(type1, starts_and_stops)
{
	const int fd = self->use.t.container;
	struct bitmap bitmap;

	EXPECT_EQ(0, dirty_stop(fd));
	ASSERT_EQ(0, use_map(&self->use));
	EXPECT_EQ(-EINVAL, get_all(&self->use, &bitmap));
	EXPECT_EQ(0, dirty_start(fd));
	EXPECT_EQ(0, dirty_start(fd));
	EXPECT_EQ(0, get_all(&self->use, &bitmap));
	EXPECT_EQ(0, weight(&bitmap));
	EXPECT_EQ(0, dirty_stop(fd));
	EXPECT_EQ(0, dirty_stop(fd));
	EXPECT_EQ(-EINVAL, get_all(&self->use, &bitmap));
}

TEST_F(type1, pinned_is_dirty)
{
	const int dev = self->use.t.device[0], fd = self->use.t.container;
	struct bitmap bitmap;

	ASSERT_EQ(0, use_map(&self->use));
	ASSERT_EQ(10, pin(dev, T1_IOVA + 60 * PAGE, 10, BOTH));
	ASSERT_EQ(0, dirty_start(fd));
	/* From the start, and as often as one asks */
	EXPECT_EQ(0, get_all(&self->use, &bitmap));
	EXPECT_TRUE(only(&bitmap, 60, 10));
	EXPECT_EQ(0, get_all(&self->use, &bitmap));
	EXPECT_TRUE(only(&bitmap, 60, 10));
	/* Once more after it is given back */
	EXPECT_EQ(5, unpin(dev, T1_IOVA + 60 * PAGE, 5));
	EXPECT_EQ(0, get_all(&self->use, &bitmap));
	EXPECT_TRUE(only(&bitmap, 60, 10));
	EXPECT_EQ(0, get_all(&self->use, &bitmap));
	EXPECT_TRUE(only(&bitmap, 65, 5));
	/* Pinned and given back between two questions */
	ASSERT_EQ(1, pin(dev, T1_IOVA + 70 * PAGE, 1, BOTH));
	EXPECT_EQ(1, unpin(dev, T1_IOVA + 70 * PAGE, 1));
	EXPECT_EQ(0, get_all(&self->use, &bitmap));
	EXPECT_TRUE(only(&bitmap, 65, 6));
	EXPECT_EQ(5, unpin(dev, T1_IOVA + 65 * PAGE, 5));
	EXPECT_EQ(0, get_all(&self->use, &bitmap));
	EXPECT_EQ(0, get_all(&self->use, &bitmap));
	EXPECT_EQ(0, weight(&bitmap));
	/* Nothing of it is left for the next time. */
	ASSERT_EQ(1, pin(dev, T1_IOVA, 1, BOTH));
	EXPECT_EQ(1, unpin(dev, T1_IOVA, 1));
	EXPECT_EQ(0, dirty_stop(fd));
	EXPECT_EQ(0, dirty_start(fd));
	EXPECT_EQ(0, get_all(&self->use, &bitmap));
	EXPECT_EQ(0, weight(&bitmap));
}

TEST_F(type1, written_is_dirty)
{
	const int dev = self->use.t.device[0], fd = self->use.t.container;
	struct bitmap bitmap;
	char buf[3 * PAGE];

	memset(buf, 1, sizeof(buf));
	ASSERT_EQ(0, use_map(&self->use));
	ASSERT_EQ(0, rw_write(dev, T1_IOVA, buf, 8));
	ASSERT_EQ(0, dirty_start(fd));
	EXPECT_EQ(0, get_all(&self->use, &bitmap));
	EXPECT_EQ(0, weight(&bitmap));
	/* A byte at the end of one page, a byte of the next, all of others */
	EXPECT_EQ(0, rw_write(dev, T1_IOVA + 64 * PAGE - 1, buf, 2));
	EXPECT_EQ(0, rw_write(dev, T1_IOVA + 65 * PAGE, buf, 2 * PAGE));
	EXPECT_EQ(0, rw_read(dev, T1_IOVA + 300 * PAGE, buf, sizeof(buf)));
	EXPECT_EQ(0, get_all(&self->use, &bitmap));
	EXPECT_TRUE(only(&bitmap, 63, 4));
	EXPECT_EQ(0, get_all(&self->use, &bitmap));
	EXPECT_EQ(0, weight(&bitmap));
	EXPECT_EQ(0, rw_in(dev, TYPE1_TEST_KTHREAD, T1_IOVA + ALL - 1, buf, 1,
			   true));
	EXPECT_EQ(0, get_all(&self->use, &bitmap));
	EXPECT_TRUE(only(&bitmap, T1_PAGES - 1, 1));
}

/* What a write that fails in the middle has written may be anything but clean. */
TEST_F(type1, written_in_part_is_dirty)
{
	const int dev = self->use.t.device[0], fd = self->use.t.container;
	struct bitmap bitmap;
	char buf[2 * PAGE];

	if (stock_differs())
		SKIP(return, "the kernel's loses a page that was written");
	memset(buf, 1, sizeof(buf));
	ASSERT_EQ(0, use_map(&self->use));
	ASSERT_EQ(0, dirty_start(fd));
	ASSERT_EQ(0, mprotect(self->use.mem + 8 * PAGE, PAGE, PROT_NONE));
	EXPECT_EQ(-EFAULT, rw_write(dev, T1_IOVA + 7 * PAGE, buf, 2 * PAGE));
	EXPECT_EQ(0, get_all(&self->use, &bitmap));
	EXPECT_TRUE(bitmap.word[0] & (1ULL << 7));
	EXPECT_EQ(0, mprotect(self->use.mem + 8 * PAGE, PAGE,
			      PROT_READ | PROT_WRITE));
}

/* What is mapped later is tracked, too. */
TEST_F(type1, mapped_while_tracking)
{
	const int dev = self->use.t.device[0], fd = self->use.t.container;
	struct bitmap bitmap;

	ASSERT_EQ(0, dirty_start(fd));
	ASSERT_EQ(0, use_map(&self->use));
	ASSERT_EQ(2, pin(dev, T1_IOVA + 7 * PAGE, 2, BOTH));
	EXPECT_EQ(0, get_all(&self->use, &bitmap));
	EXPECT_TRUE(only(&bitmap, 7, 2));
	EXPECT_EQ(ALL, dma_unmap_all(fd));
	ASSERT_EQ(0, use_map(&self->use));
	EXPECT_EQ(0, get_all(&self->use, &bitmap));
	EXPECT_EQ(0, weight(&bitmap));
}

/*
 * Mappings that begin anywhere in a word of the bitmap: each adds its bits, and
 * what lies between stays as the user had it.
 */
TEST_F(type1, several_mappings)
{
	static const unsigned int start[] = { 3, 7, 64, 65, 130, 200, 203, 500 };
	static const unsigned int len[] = { 4, 57, 1, 60, 3, 3, 100, 5 };
	const int dev = self->use.t.device[0], fd = self->use.t.container;
	struct bitmap bitmap;
	unsigned int i, n = 0;

	ASSERT_EQ(0, dirty_start(fd));
	for (i = 0; i < ARRAY_LEN(start); i++) {
		ASSERT_EQ(0, dma_map(fd, self->use.mem + start[i] * PAGE,
				     T1_IOVA + start[i] * PAGE, len[i] * PAGE,
				     T1_RW));
		/* The first and the last page of each */
		ASSERT_EQ(1, pin(dev, T1_IOVA + start[i] * PAGE, 1, BOTH));
		ASSERT_EQ(1, pin(dev, T1_IOVA + (start[i] + len[i] - 1) * PAGE,
				 1, BOTH));
		n += len[i] > 1 ? 2 : 1;
	}
	EXPECT_EQ(0, get_all(&self->use, &bitmap));
	EXPECT_EQ(n, weight(&bitmap));
	for (i = 0; i < ARRAY_LEN(start); i++) {
		EXPECT_TRUE(bit_of(bitmap.word, start[i]));
		EXPECT_TRUE(bit_of(bitmap.word, start[i] + len[i] - 1));
	}
}

/* Nothing of one answer comes again in the next, which is of another range. */
TEST_F(type1, answers_do_not_mix)
{
	const int dev = self->use.t.device[0], fd = self->use.t.container;
	struct bitmap bitmap;
	unsigned int i;

	if (stock_differs())
		SKIP(return, "the kernel's keeps what it has moved for an answer");
	ASSERT_EQ(0, dirty_start(fd));
	/* Two pages that are dirty, and one that is not between */
	for (i = 3; i < 200; i += 7) {
		ASSERT_EQ(0, dma_map(fd, self->use.mem, T1_IOVA + i * PAGE,
				     3 * PAGE, T1_RW));
		ASSERT_EQ(1, pin(dev, T1_IOVA + i * PAGE, 1, BOTH));
		ASSERT_EQ(1, pin(dev, T1_IOVA + (i + 2) * PAGE, 1, BOTH));
	}
	EXPECT_EQ(0, get_all(&self->use, &bitmap));
	EXPECT_EQ(58, weight(&bitmap));
	memset(&bitmap, 0, sizeof(bitmap));
	EXPECT_EQ(0, dirty_get(fd, T1_IOVA + 64 * PAGE, 64 * PAGE, &bitmap, 8));
	EXPECT_EQ(18, weight(&bitmap));
	for (i = 2; i < 64; i += 7)
		EXPECT_EQ(5, bitmap.word[0] >> i & 7);
	/* Where nothing is mapped nothing is dirty. */
	memset(&bitmap, 0, sizeof(bitmap));
	EXPECT_EQ(0, dirty_get(fd, T1_IOVA + 303 * PAGE, 100 * PAGE, &bitmap,
			       sizeof(bitmap)));
	EXPECT_EQ(0, weight(&bitmap));
}

/* No mapping is cut. */
TEST_F(type1, parts_of_mappings)
{
	const int fd = self->use.t.container;
	struct bitmap bitmap = {};

	ASSERT_EQ(0, dma_map(fd, self->use.mem, T1_IOVA, 64 * PAGE, T1_RW));
	ASSERT_EQ(0, dma_map(fd, self->use.mem, T1_IOVA + 64 * PAGE, 64 * PAGE,
			     T1_RW));
	ASSERT_EQ(0, dirty_start(fd));
	EXPECT_EQ(-EINVAL, dirty_get(fd, T1_IOVA, PAGE, &bitmap, 8));
	EXPECT_EQ(-EINVAL, dirty_get(fd, T1_IOVA + PAGE, 63 * PAGE, &bitmap,
				     16));
	EXPECT_EQ(-EINVAL, dirty_get(fd, T1_IOVA, 65 * PAGE, &bitmap, 16));
	EXPECT_EQ(-EINVAL, dirty_get(fd, T1_IOVA + 32 * PAGE, 64 * PAGE,
				     &bitmap, 16));
	EXPECT_EQ(0, dirty_get(fd, T1_IOVA, 64 * PAGE, &bitmap, 8));
	EXPECT_EQ(0, dirty_get(fd, T1_IOVA + 64 * PAGE, 64 * PAGE, &bitmap, 8));
	EXPECT_EQ(0, dirty_get(fd, T1_IOVA - 64 * PAGE, 256 * PAGE, &bitmap,
			       32));
}

static long dirty_raw(int fd, __u32 argsz, __u32 flags, __u64 iova, __u64 size,
		      __u64 pgsize, __u64 bytes, void *data)
{
	struct {
		struct vfio_iommu_type1_dirty_bitmap dirty;
		struct vfio_iommu_type1_dirty_bitmap_get get;
	} arg = {
		.dirty = { .argsz = argsz, .flags = flags },
		.get = {
			.iova = iova,
			.size = size,
			.bitmap = {
				.pgsize = pgsize,
				.size = bytes,
				.data = data,
			},
		},
	};

	return file_ioctl(fd, VFIO_IOMMU_DIRTY_PAGES, &arg);
}

TEST_F(type1, flags_and_sizes)
{
	const __u32 get = VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP;
	const __u32 sz = sizeof(struct vfio_iommu_type1_dirty_bitmap) +
			 sizeof(struct vfio_iommu_type1_dirty_bitmap_get);
	const int fd = self->use.t.container;
	unsigned int bit;

	for (bit = 3; bit < 32; bit++)
		EXPECT_EQ(-EINVAL, dirty_raw(fd, sz, 1U << bit, 0, 0, 0, 0,
					     NULL));
	EXPECT_EQ(-EINVAL, dirty_raw(fd, sz, 3, 0, 0, 0, 0, NULL));
	EXPECT_EQ(-EINVAL, dirty_raw(fd, sz, 5, 0, 0, 0, 0, NULL));
	EXPECT_EQ(-EINVAL, dirty_raw(fd, sz, 6, 0, 0, 0, 0, NULL));
	EXPECT_EQ(-EINVAL, dirty_raw(fd, sz, 7, 0, 0, 0, 0, NULL));
	EXPECT_EQ(-EINVAL, dirty_raw(fd, 0, 1, 0, 0, 0, 0, NULL));
	EXPECT_EQ(-EINVAL, dirty_raw(fd, 7, 1, 0, 0, 0, 0, NULL));
	EXPECT_EQ(-EINVAL, dirty_raw(fd, 8, get, 0, 0, 0, 0, NULL));
	EXPECT_EQ(-EINVAL, dirty_raw(fd, sz - 1, get, 0, 0, 0, 0, NULL));
	EXPECT_EQ(-EFAULT, file_ioctl(fd, VFIO_IOMMU_DIRTY_PAGES,
				      (char *)guarded(PAGE) + PAGE - 4));
	EXPECT_EQ(0, dirty_raw(fd, 8, 1, 0, 0, 0, 0, NULL));
	EXPECT_EQ(0, dirty_raw(fd, sz, 2, 0, 0, 0, 0, NULL));
}

TEST_F(type1, no_flag)
{
	EXPECT_EQ(-EINVAL, dirty_raw(self->use.t.container, 8, 0, 0, 0, 0, 0,
				     NULL));
}

TEST_F(type1, page_size_0)
{
	const __u32 get = VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP;
	struct bitmap bitmap;

	if (type1_is_stock())
		SKIP(return, "the kernel's looks for the first bit of 0");
	ASSERT_EQ(0, use_map(&self->use));
	ASSERT_EQ(0, dirty_start(self->use.t.container));
	EXPECT_EQ(-EINVAL, dirty_raw(self->use.t.container, 48, get, T1_IOVA,
				     ALL, 0, sizeof(bitmap), &bitmap));
}

TEST_F(type1, bad_questions)
{
	const __u32 get = VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP;
	const int fd = self->use.t.container;
	struct bitmap b;
	const struct {
		__u64 iova, size, pgsize, bytes;
		void *data;
		long want;
	} bad[] = {
		{ T1_IOVA, 0, PAGE, sizeof(b), &b, -EINVAL },
		{ T1_IOVA, ALL, 1, sizeof(b), &b, -EINVAL },
		{ T1_IOVA, ALL, 2048, DIRTY_MAX / 2, &b, -EINVAL },
		{ T1_IOVA, ALL, 2 * PAGE, sizeof(b), &b, -EINVAL },
		{ T1_IOVA, ALL, PAGE + 1, DIRTY_MAX / 2, &b, -EINVAL },
		{ T1_IOVA, ALL, 1ULL << 63, sizeof(b), &b, -EINVAL },
		{ T1_IOVA, ALL, PAGE, 0, &b, -EINVAL },
		{ T1_IOVA, ALL, PAGE, sizeof(b) - 1, &b, -EINVAL },
		{ T1_IOVA, ALL, PAGE, sizeof(b) - 8, &b, -EINVAL },
		{ T1_IOVA, ALL, PAGE, DIRTY_MAX + 1, &b, -EINVAL },
		{ T1_IOVA, ALL, PAGE, ~0ULL, &b, -EINVAL },
		{ T1_IOVA + 1, ALL, PAGE, sizeof(b), &b, -EINVAL },
		{ T1_IOVA, ALL - 1, PAGE, sizeof(b), &b, -EINVAL },
		{ T1_IOVA, -T1_IOVA + PAGE, PAGE, DIRTY_MAX, &b, beyond_the_top() },
		{ T1_LAST_PAGE, 2 * PAGE, PAGE, sizeof(b), &b, beyond_the_top() },
		{ T1_IOVA, ALL, PAGE, sizeof(b), KERNELS, error_of_kernels() },
		{ T1_IOVA, ALL, PAGE, sizeof(b), (void *)8, -EFAULT },
	};
	unsigned int i;

	ASSERT_EQ(0, use_map(&self->use));
	ASSERT_EQ(0, dirty_start(fd));
	for (i = 0; i < ARRAY_LEN(bad); i++)
		EXPECT_EQ(bad[i].want, dirty_raw(fd, 48, get, bad[i].iova,
						 bad[i].size, bad[i].pgsize,
						 bad[i].bytes, bad[i].data)) {
			TH_LOG("question %u", i);
		}
	EXPECT_EQ(0, get_all(&self->use, &b));
}

/* An answer that does not arrive can be asked for again. */
TEST_F(type1, answer_does_not_arrive)
{
	const int dev = self->use.t.device[0], fd = self->use.t.container;
	struct bitmap bitmap;

	ASSERT_EQ(0, use_map(&self->use));
	ASSERT_EQ(0, dirty_start(fd));
	ASSERT_EQ(0, rw_write(dev, T1_IOVA + 5 * PAGE, "x", 1));
	EXPECT_EQ(-EFAULT, dirty_get(fd, T1_IOVA, ALL, (void *)8,
				     sizeof(bitmap)));
	EXPECT_EQ(0, get_all(&self->use, &bitmap));
	EXPECT_TRUE(only(&bitmap, 5, 1));
}

/* Of what an answer in two pages of memory tells */
#define SPREAD_PAGES	(2 * PAGE * 8)
#define SPREAD		(SPREAD_PAGES * PAGE)
#define PART		16U

/* The second has its bits in both pages of the bitmap. */
#define PART_AT		{ 5, SPREAD_PAGES / 2 - 8, SPREAD_PAGES / 2 + 7232 }
#define SPREAD_DIRTY	{ 6, 20, SPREAD_PAGES / 2 - 6, SPREAD_PAGES / 2 + 6,	\
			  SPREAD_PAGES / 2 + 7235 }

static int map_spread(struct type1_use *use)
{
	const unsigned int part_at[] = PART_AT;
	unsigned int i;
	int ret = 0;

	for (i = 0; !ret && i < ARRAY_LEN(part_at); i++)
		ret = dma_map(use->t.container, use->mem + i * PART * PAGE,
			      T1_IOVA + part_at[i] * PAGE, PART * PAGE, T1_RW);
	return ret;
}

static int write_spread(struct type1_use *use)
{
	const unsigned int spread_dirty[] = SPREAD_DIRTY;
	unsigned int i;
	int ret = 0;

	for (i = 0; !ret && i < ARRAY_LEN(spread_dirty); i++)
		ret = rw_write(use->t.device[0],
			       T1_IOVA + spread_dirty[i] * PAGE, "x", 1);
	return ret;
}

static char *spread_bitmap(void)
{
	return fresh_memory(2, PROT_READ | PROT_WRITE);
}

/* An answer of which the second page cannot be written */
static long get_part(struct type1_use *use, char *bitmap, int prot)
{
	long ret;

	mprotect(bitmap + PAGE, PAGE, prot);
	ret = dirty_get(use->t.container, T1_IOVA, SPREAD, bitmap, 2 * PAGE);
	mprotect(bitmap + PAGE, PAGE, PROT_READ | PROT_WRITE);
	return ret;
}

static long get_spread(struct type1_use *use, char *bitmap)
{
	memset(bitmap, 0, 2 * PAGE);
	return dirty_get(use->t.container, T1_IOVA, SPREAD, bitmap, 2 * PAGE);
}

/* Exactly what write_spread() has written? */
static bool is_spread(const char *bitmap)
{
	const unsigned int spread_dirty[] = SPREAD_DIRTY;
	unsigned int i, n = 0, bits = 0;

	for (i = 0; i < SPREAD_PAGES; i++)
		bits += bit_of((const __u64 *)bitmap, i);
	for (i = 0; i < ARRAY_LEN(spread_dirty); i++)
		n += bit_of((const __u64 *)bitmap, spread_dirty[i]);
	return n == ARRAY_LEN(spread_dirty) && bits == n;
}

/* What was told of some mappings is lost with a call that fails at another. */
TEST_F(type1, answer_arrives_in_part)
{
	char *bitmap = spread_bitmap(), *none = spread_bitmap();

	if (stock_differs())
		SKIP(return, "the kernel's forgets what it has told");
	ASSERT_EQ(0, map_spread(&self->use));
	ASSERT_EQ(0, dirty_start(self->use.t.container));
	ASSERT_EQ(0, write_spread(&self->use));
	EXPECT_EQ(-EFAULT, get_part(&self->use, bitmap, PROT_READ));
	EXPECT_EQ(-EFAULT, get_part(&self->use, bitmap, PROT_NONE));
	EXPECT_EQ(0, get_spread(&self->use, bitmap));
	EXPECT_TRUE(is_spread(bitmap));
	EXPECT_EQ(0, get_spread(&self->use, bitmap));
	EXPECT_EQ(0, memcmp(bitmap, none, 2 * PAGE));
}

/* The same in one mapping, which is told of in several steps */
TEST_F(type1, answer_of_one_arrives_in_part)
{
	char *bitmap = spread_bitmap();
	char *mem = fresh_memory(SPREAD_PAGES, PROT_READ | PROT_WRITE);

	ASSERT_EQ(0, dma_map(self->use.t.container, mem, T1_IOVA, SPREAD,
			     T1_RW));
	ASSERT_EQ(0, dirty_start(self->use.t.container));
	ASSERT_EQ(0, write_spread(&self->use));
	EXPECT_EQ(-EFAULT, get_part(&self->use, bitmap, PROT_READ));
	EXPECT_EQ(0, get_spread(&self->use, bitmap));
	EXPECT_TRUE(is_spread(bitmap));
}

/*
 * That it could be written before is no promise: what was told is not lost. It has
 * three pages, one for each mapping. The third is held back when it is asked for,
 * and the second is taken away meanwhile.
 */
#define WATCHED_PAGES	(3 * PAGE * 8)

struct question {
	int fd;
	char *bitmap;
	long ret;
};

static void *ask(void *data)
{
	struct question *q = data;

	q->ret = dirty_get(q->fd, T1_IOVA, WATCHED_PAGES * PAGE, q->bitmap, 3 * PAGE);
	return NULL;
}

TEST_F(type1, row_39_answer_stops_on_its_way)
{
	const int dev = self->use.t.device[0], fd = self->use.t.container;
	struct question q = { .fd = fd };
	pthread_t thread;
	unsigned int i;

	if (stock_differs())
		SKIP(return, "the kernel's forgets what it has told");
	q.bitmap = fresh_memory(3, PROT_READ | PROT_WRITE);
	populate(q.bitmap, 2 * PAGE);
	ASSERT_EQ(q.bitmap + 2 * PAGE,
		  mmap(q.bitmap + 2 * PAGE, PAGE, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_FIXED, dev, TYPE1_TEST_AREA_LATE));
	ASSERT_EQ(0, dirty_start(fd));
	for (i = 0; i < 3; i++) {
		const __u64 iova = T1_IOVA + (i * PAGE * 8 + 7) * PAGE;

		ASSERT_EQ(0, dma_map(fd, self->use.mem + i * PAGE, iova, PAGE,
				     T1_RW));
		ASSERT_EQ(0, rw_write(dev, iova, "x", 1));
	}
	hold_back(dev, true);
	ASSERT_EQ(0, pthread_create(&thread, NULL, ask, &q));
	EXPECT_TRUE(WAIT_FOR(hold_back(dev, true) == 1, SOON));
	EXPECT_EQ(0, mprotect(q.bitmap + PAGE, PAGE, PROT_NONE));
	hold_back(dev, false);
	pthread_join(thread, NULL);
	EXPECT_EQ(-EFAULT, q.ret);
	ASSERT_EQ(0, mprotect(q.bitmap, 3 * PAGE, PROT_READ | PROT_WRITE));
	memset(q.bitmap, 0, 3 * PAGE);
	ask(&q);
	EXPECT_EQ(0, q.ret);
	for (i = 0; i < 3; i++)
		EXPECT_EQ(1 << 7, *(__u64 *)(q.bitmap + i * PAGE));
}

/* Unmapping */

TEST_F(type1, unmap_tells)
{
	const int dev = self->use.t.device[0], fd = self->use.t.container;
	struct bitmap bitmap = {};

	ASSERT_EQ(0, dma_map(fd, self->use.mem, T1_IOVA + 5 * PAGE, 90 * PAGE,
			     T1_RW));
	ASSERT_EQ(0, dma_map(fd, self->use.mem, T1_IOVA + 95 * PAGE, 90 * PAGE,
			     T1_RW));
	EXPECT_EQ(-EINVAL, dma_unmap_dirty(fd, T1_IOVA, ALL, &bitmap,
					   sizeof(bitmap)));
	ASSERT_EQ(0, dirty_start(fd));
	ASSERT_EQ(4, pin(dev, T1_IOVA + 93 * PAGE, 4, BOTH));
	ASSERT_EQ(0, rw_write(dev, T1_IOVA + 97 * PAGE, "x", 1));
	EXPECT_EQ(-EINVAL, dma_unmap_dirty(fd, T1_IOVA, ALL, &bitmap,
					   sizeof(bitmap) - 8));
	EXPECT_EQ(-EINVAL, dma_unmap_dirty(fd, T1_IOVA, 0, &bitmap,
					   sizeof(bitmap)));
	EXPECT_EQ(-EINVAL, dma_unmap_dirty(fd, T1_IOVA, 90 * PAGE, &bitmap,
					   sizeof(bitmap)));
	EXPECT_EQ(error_of_kernels(),
		  dma_unmap_dirty(fd, T1_IOVA, ALL, KERNELS, sizeof(bitmap)));
	EXPECT_EQ(180 * PAGE, dma_unmap_dirty(fd, T1_IOVA, ALL, &bitmap,
					      sizeof(bitmap)));
	EXPECT_TRUE(only(&bitmap, 93, 5));
	EXPECT_EQ(0, HELD(&self->use));
	EXPECT_EQ(0, dma_unmap_dirty(fd, T1_IOVA, ALL, &bitmap,
				     sizeof(bitmap)));
	EXPECT_EQ(0, dma_unmap_all(fd));
}

/* What fails at one mapping unmaps none, and what is dirty in all stays so. */
TEST_F(type1, unmap_that_fails_late)
{
	const int dev = self->use.t.device[0], fd = self->use.t.container;
	char *bitmap = spread_bitmap();

	if (type1_is_stock())
		SKIP(return, "the kernel's has unmapped what came before");
	expect_dmesg("driver vfio_type1_test has not unpinned");
	ASSERT_EQ(0, map_spread(&self->use));
	ASSERT_EQ(0, dirty_start(fd));
	ASSERT_EQ(0, write_spread(&self->use));
	ASSERT_EQ(0, mprotect(bitmap + PAGE, PAGE, PROT_READ));
	EXPECT_EQ(-EFAULT, dma_unmap_dirty(fd, T1_IOVA, SPREAD, bitmap,
					   2 * PAGE));
	ASSERT_EQ(0, mprotect(bitmap + PAGE, PAGE, PROT_READ | PROT_WRITE));
	EXPECT_EQ(0, get_spread(&self->use, bitmap));
	EXPECT_TRUE(is_spread(bitmap));

	/* One that is dirty already is pinned in the last. */
	ASSERT_EQ(0, write_spread(&self->use));
	ASSERT_EQ(1, pin(dev, T1_IOVA + (SPREAD_PAGES / 2 + 7235) * PAGE, 1, BOTH));
	ASSERT_EQ(0, behave(dev, TYPE1_TEST_UNMAP_IGNORE, 0, false));
	EXPECT_EQ(-EBUSY, dma_unmap_dirty(fd, T1_IOVA, SPREAD, bitmap,
					  2 * PAGE));
	EXPECT_EQ(0, get_spread(&self->use, bitmap));
	EXPECT_TRUE(is_spread(bitmap));
	ASSERT_EQ(0, write_spread(&self->use));
	EXPECT_EQ(-EBUSY, dma_unmap_dirty(fd, T1_IOVA, SPREAD, bitmap,
					  2 * PAGE));
	ASSERT_EQ(0, behave(dev, TYPE1_TEST_UNMAP_UNPIN, 0, false));
	memset(bitmap, 0, 2 * PAGE);
	EXPECT_EQ(3 * PART * PAGE, dma_unmap_dirty(fd, T1_IOVA, SPREAD, bitmap,
						   2 * PAGE));
	EXPECT_TRUE(is_spread(bitmap));
}

/* The topmost page, of which no sum may be one too many */
TEST_F(type1, row_3_topmost_page)
{
	const int dev = self->use.t.device[0], fd = self->use.t.container;
	struct bitmap bitmap = {};

	if (stock_lacks_the_top())
		SKIP(return, "the kernel's refuses a range that ends at 2^64");
	ASSERT_EQ(0, dma_map(fd, self->use.mem, T1_LAST_PAGE - 69 * PAGE,
			     70 * PAGE, T1_RW));
	ASSERT_EQ(0, dirty_start(fd));
	ASSERT_EQ(1, pin(dev, T1_LAST_PAGE, 1, BOTH));
	EXPECT_EQ(0, dirty_get(fd, T1_LAST_PAGE - 69 * PAGE, 70 * PAGE,
			       &bitmap, 16));
	EXPECT_TRUE(only(&bitmap, 69, 1));
	memset(&bitmap, 0, sizeof(bitmap));
	EXPECT_EQ(-EINVAL, dirty_get(fd, T1_LAST_PAGE, PAGE, &bitmap, 8));
	EXPECT_EQ(70 * PAGE, dma_unmap_dirty(fd, T1_LAST_PAGE - 69 * PAGE,
					     70 * PAGE, &bitmap, 16));
	EXPECT_TRUE(only(&bitmap, 69, 1));
	ASSERT_EQ(0, dma_map(fd, self->use.mem, T1_LAST_PAGE, PAGE, T1_RW));
	ASSERT_EQ(1, pin(dev, T1_LAST_PAGE, 1, BOTH));
	memset(&bitmap, 0, sizeof(bitmap));
	EXPECT_EQ(0, dirty_get(fd, T1_LAST_PAGE, PAGE, &bitmap, 8));
	EXPECT_TRUE(only(&bitmap, 0, 1));
}

/* Devices */

/*
 * A device that never pinned changes nothing when it is there nor when it
 * leaves: it has no access but by pins.
 */
TEST_F(type1, row_12_device_that_never_pinned)
{
	const int dev = self->use.t.device[0], fd = self->use.t.container;
	struct bitmap bitmap;

	ASSERT_EQ(0, use_map(&self->use));
	ASSERT_EQ(0, dirty_start(fd));
	ASSERT_EQ(3, pin(dev, T1_IOVA + 100 * PAGE, 3, BOTH));
	EXPECT_EQ(0, get_all(&self->use, &bitmap));
	EXPECT_TRUE(only(&bitmap, 100, 3));
	type1_leave(&self->use.t, 1);
	EXPECT_EQ(0, get_all(&self->use, &bitmap));
	EXPECT_TRUE(only(&bitmap, 100, 3));
	ASSERT_EQ(0, type1_join(&self->use.t, 2));
	EXPECT_EQ(0, get_all(&self->use, &bitmap));
	EXPECT_TRUE(only(&bitmap, 100, 3));
	/* What the one that leaves has used is dirty still. */
	type1_leave(&self->use.t, 0);
	EXPECT_EQ(0, get_all(&self->use, &bitmap));
	EXPECT_TRUE(only(&bitmap, 100, 3));
	EXPECT_EQ(0, get_all(&self->use, &bitmap));
	EXPECT_EQ(0, weight(&bitmap));
}

/* More than a bitmap may have bits: an error, and not for good. */
TEST_F(type1, mapping_too_large_to_track)
{
	const int fd = self->use.t.container;
	const __u64 size = (__u64)PAGE << 32;
	struct bitmap bitmap;

	ASSERT_EQ(0, use_map(&self->use));
	ASSERT_EQ(0, dma_map(fd, NULL, 1ULL << 48, size, T1_RW));
	EXPECT_EQ(-EINVAL, dirty_start(fd));
	EXPECT_EQ(-EINVAL, get_all(&self->use, &bitmap));
	EXPECT_EQ(size, dma_unmap(fd, 1ULL << 48, size) & ~0ULL);
	EXPECT_EQ(0, dirty_start(fd));
	EXPECT_EQ(0, get_all(&self->use, &bitmap));
	/* Nor can it be mapped while there is tracking. */
	EXPECT_EQ(-EINVAL, dma_map(fd, NULL, 1ULL << 48, size, T1_RW));
	EXPECT_EQ(ALL, dma_unmap_all(fd));
}

/*
 * Who asks for much can be stopped, and has then taken nothing. It is so much that
 * whoever looks at the bitmap sees its beginning before its end is written.
 */
#define MUCH		(512ULL << 30)
#define MUCH_BYTES	(MUCH / PAGE / 8)

static bool wait_for_word(const __u64 *word)
{
	long long end = now_ms() + SOON;

	while (!__atomic_load_n(word, __ATOMIC_RELAXED) && now_ms() < end)
		sched_yield();
	return *word;
}

TEST_F(type1, row_57_signal_stops_a_long_bitmap)
{
	const int dev = self->use.t.device[0], fd = self->use.t.container;
	unsigned int tries = 0;
	__u64 *bitmap, word;
	int status;
	pid_t pid;

	if (stock_differs())
		SKIP(return, "the kernel's goes on to the end");
	bitmap = mmap(NULL, MUCH_BYTES, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	ASSERT_NE(MAP_FAILED, bitmap);
	ASSERT_EQ(0, dma_map(fd, self->use.mem, T1_IOVA, MUCH, T1_RW));
	ASSERT_EQ(0, dirty_start(fd));
	/* It may be done before this test gets to run again. */
	do {
		word = T1_MARK(0);
		ASSERT_EQ(0, rw_write(dev, T1_IOVA, &word, sizeof(word)));
		bitmap[0] = 0;
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid)
			_exit(dirty_get(fd, T1_IOVA, MUCH, bitmap, MUCH_BYTES) != 0);
		EXPECT_TRUE(wait_for_word(bitmap));
		kill(pid, SIGKILL);
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
	} while (!WIFSIGNALED(status) && ++tries < 5);
	EXPECT_TRUE(WIFSIGNALED(status));
	memset(bitmap, 0, MUCH_BYTES);
	EXPECT_EQ(0, dirty_get(fd, T1_IOVA, MUCH, bitmap, MUCH_BYTES));
	EXPECT_EQ(1, bitmap[0] & 1);
	/* And once only */
	EXPECT_EQ(0, dirty_get(fd, T1_IOVA, MUCH, bitmap, MUCH_BYTES));
	EXPECT_EQ(0, bitmap[0]);
	EXPECT_EQ(0, dirty_stop(fd));
	munmap(bitmap, MUCH_BYTES);
}

MDEV_TEST_MAIN(TYPE1_TEST)
