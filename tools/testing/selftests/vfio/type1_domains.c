// SPDX-License-Identifier: GPL-2.0-only
/*
 * Containers with IOMMU domains of two kinds, each with its own: what is mapped
 * is mapped in all of them, and what fails in one leaves nothing in any. The
 * IOMMU and its devices are software (modules/vfio_type1_iommu.c).
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include "kselftest_harness.h"
#include "modules/vfio_type1_iommu_abi.h"
#include "type1_lib.h"

#define BOTH		(TYPE1_TEST_READ | TYPE1_TEST_WRITE)
#define PARAMETERS	"/sys/module/" TYPE1_IOMMU "/parameters/"
#define PRESENT		PARAMETERS "present"
#define STOP		PARAMETERS "stop_large"
#define SMALL		TYPE1_IOMMU_SMALL
#define PAGES		64U	/* of what is mapped mostly */
#define ELSEWHERE	0x80000000ULL
#define MIDDLE		(AREA * PAGE)	/* a page of some IOMMUs: 64 KiB */
#define LARGE		(2UL << 20)

FIXTURE(domains) {
	struct type1_use use;
	int group[TYPE1_IOMMU_DEVICES];
	int device[TYPE1_IOMMU_DEVICES];
};

#define data_t		FIXTURE_DATA(domains)
#define CONTAINER	(self->use.t.container)
#define MEM		(self->use.mem)

FIXTURE_SETUP(domains)
{
	unsigned int i;

	expect_dmesg("allow_unsafe_interrupts");
	for (i = 0; i < TYPE1_IOMMU_DEVICES; i++) {
		self->group[i] = -1;
		self->device[i] = -1;
	}
	MEM = marked_memory(T1_PAGES);
	self->use.held = pages_held();
	self->use.locked = pages_locked();
	ASSERT_EQ(0, write_file(PRESENT, "1"));
	/* Nothing raises interrupts here. */
	ASSERT_EQ(0, type1_parameter("allow_unsafe_interrupts", 1));
	ASSERT_EQ(0, type1_bare(&self->use.t));
}

static void leave(data_t *self, unsigned int n)
{
	if (self->device[n] >= 0)
		close(self->device[n]);
	if (self->group[n] >= 0)
		close(self->group[n]);
	self->device[n] = -1;
	self->group[n] = -1;
}

static int write_number(const char *path, __u64 number)
{
	char text[32];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
	return write_file(path, text);
}

/* The sizes of pages of domains that are to come, of a device's kind */
static int page_sizes(unsigned int n, __u64 sizes)
{
	return write_number(n == SMALL ? PARAMETERS "pages_small" :
			    PARAMETERS "pages_large", sizes);
}

/* The last address of a SMALL one's domains that are to come */
static int small_last(__u64 last)
{
	return write_number(PARAMETERS "last_small", last);
}

FIXTURE_TEARDOWN(domains)
{
	unsigned int i;

	for (i = 0; i < TYPE1_IOMMU_DEVICES; i++)
		leave(self, i);
	use_end(&self->use);
	EXPECT_EQ(0, HELD(&self->use));
	EXPECT_EQ(0, LOCKED(&self->use));
	EXPECT_EQ(0, write_file(STOP, "0"));
	EXPECT_EQ(0, write_file(PRESENT, "0"));
	EXPECT_EQ(0, type1_parameter("allow_unsafe_interrupts", 0));
	EXPECT_EQ(0, page_sizes(0, PAGE | LARGE));
	EXPECT_EQ(0, page_sizes(SMALL, PAGE | LARGE));
	EXPECT_EQ(0, small_last(TYPE1_IOMMU_SMALL_LAST));
	EXPECT_EQ(0, type1_parameter("disable_hugepages", 0));
}

static int join_group(data_t *self, unsigned int n)
{
	char path[PATH_LEN];

	snprintf(path, sizeof(path),
		 "/sys/bus/platform/devices/" TYPE1_IOMMU ".%u", n);
	self->group[n] = group_join(path, CONTAINER);
	return self->group[n] < 0 ? self->group[n] : 0;
}

static int join(data_t *self, unsigned int n)
{
	char name[32];
	int ret;

	ret = join_group(self, n);
	if (!ret)
		ret = type1_set_driver(&self->use.t);
	if (!ret) {
		snprintf(name, sizeof(name), TYPE1_IOMMU ".%u", n);
		self->device[n] = device_open(self->group[n], name);
		ret = self->device[n] < 0 ? self->device[n] : 0;
	}
	if (ret)
		leave(self, n);
	return ret;
}

static int join_mdev(data_t *self, unsigned int n)
{
	return type1_join(&self->use.t, n);
}

static int map_some(data_t *self, __u64 iova)
{
	return dma_map(CONTAINER, MEM, iova, PAGES * PAGE, T1_RW);
}

static long dma(data_t *self, unsigned int n, __u64 iova, __u64 *word,
		bool write)
{
	struct type1_iommu_dma arg = {
		.iova = iova,
		.data = (uintptr_t)word,
		.len = sizeof(*word),
		.write = write,
	};

	return file_ioctl(self->device[n], TYPE1_IOMMU_DMA, &arg);
}

/* What the device reads there, or a negated errno */
static __u64 peek(data_t *self, unsigned int n, __u64 iova)
{
	__u64 word = 0;
	long ret = dma(self, n, iova, &word, false);

	return ret ? (__u64)ret : word;
}

static long poke(data_t *self, unsigned int n, __u64 iova, __u64 word)
{
	return dma(self, n, iova, &word, true);
}

static struct type1_iommu_state state(data_t *self, unsigned int n)
{
	struct type1_iommu_state state = {};

	file_ioctl(self->device[n], TYPE1_IOMMU_STATE, &state);
	return state;
}

/* The nth page that IOMMUs of a device's kind are to map; 0: none */
static int fail_page(unsigned int n, unsigned int nth)
{
	return write_number(n == SMALL ? PARAMETERS "fail_small" :
			    PARAMETERS "fail_large", nth);
}

/*
 * How many pages all IOMMUs of a device's kind map, and have mapped before, and how
 * often one was asked where a page is
 */
struct mapped {
	long long now;
	long long ever;
	long long asked;
};

static struct mapped mapped_by(unsigned int n)
{
	struct mapped mapped = { -1, -1, -1 };
	char text[64];

	if (read_file(n == SMALL ? PARAMETERS "mapped_small" :
		      PARAMETERS "mapped_large", text, sizeof(text)) > 0)
		sscanf(text, "%lld %lld %lld", &mapped.now, &mapped.ever,
		       &mapped.asked);
	return mapped;
}

/*
 * Who cannot join stays outside, and there is one line that says why. These come
 * first, as there are no more than some lines in five seconds.
 */
#define NOT_JOINED(error, why) \
	"cannot join the container (" #error "): " why

TEST_F(domains, says_why_it_does_not_join)
{
	const __u64 size = PAGES * PAGE;
	int log, status;
	pid_t pid;

	if (type1_is_stock())
		SKIP(return, "the kernel's does not say why");
	ASSERT_EQ(0, join_mdev(self, 0));
	log = kmsg_open();

	ASSERT_EQ(0, map_some(self, TYPE1_IOMMU_HOLE));
	EXPECT_EQ(-EINVAL, join(self, SMALL));
	EXPECT_EQ(1, kmsg_count(log, NOT_JOINED(-22, "something is mapped where")));
	EXPECT_EQ(size, dma_unmap_all(CONTAINER));

	ASSERT_EQ(0, map_some(self, T1_IOVA));
	ASSERT_EQ(0, munmap(MEM, size));
	EXPECT_EQ(-EFAULT, join(self, 0));
	EXPECT_EQ(1, kmsg_count(log, NOT_JOINED(-14, "memory that is mapped cannot")));
	EXPECT_EQ(size, dma_unmap_all(CONTAINER));

	/* Who has mapped it is gone. */
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(dma_map(CONTAINER, MEM + size, T1_IOVA, size, T1_RW) != 0);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(-ESRCH, join(self, 0));
	EXPECT_EQ(1, kmsg_count(log, NOT_JOINED(-3, "the process whose memory")));
	EXPECT_EQ(size, dma_unmap_all(CONTAINER));

	ASSERT_EQ(0, join(self, 0));
	type1_leave(&self->use.t, 0);
	ASSERT_EQ(0, dma_map(CONTAINER, MEM + size, T1_IOVA, size, T1_RW));
	ASSERT_EQ(size, dma_unmap_flags(CONTAINER, T1_IOVA, size,
					VFIO_DMA_UNMAP_FLAG_VADDR));
	EXPECT_EQ(-EBUSY, join(self, SMALL));
	EXPECT_EQ(1, kmsg_count(log, NOT_JOINED(-16, "a mapping has no address")));
	EXPECT_EQ(-EBUSY, join_mdev(self, 0));
	EXPECT_EQ(1, kmsg_count(log, NOT_JOINED(-16, "a mapping has no address")));
	EXPECT_EQ(size, dma_unmap_all(CONTAINER));
	close(log);
}

TEST_F(domains, says_that_nothing_nests)
{
	int log;

	if (type1_is_stock())
		SKIP(return, "the kernel's does not say why");
	if (!knows_nesting())
		SKIP(return, "no such container on this kernel");
	log = kmsg_open();
	self->use.t.type = VFIO_TYPE1_NESTING_IOMMU;
	EXPECT_GT(0, join(self, 0));
	EXPECT_EQ(1, kmsg_count(log, "there is no nesting IOMMU domain for it: use"));
	close(log);
}

TEST_F(domains, says_that_too_much_would_be_locked)
{
	int log;

	if (type1_is_stock())
		SKIP(return, "the kernel's does not say why");
	expect_dmesg("RLIMIT_MEMLOCK|tell_limit: ");
	ASSERT_EQ(0, drop_ipc_lock());
	ASSERT_EQ(0, limit_memlock(PAGES - 1));
	ASSERT_EQ(0, join_mdev(self, 0));
	ASSERT_EQ(0, map_some(self, T1_IOVA));
	log = kmsg_open();
	EXPECT_EQ(-ENOMEM, join(self, 0));
	EXPECT_EQ(1, kmsg_count(log, NOT_JOINED(-12, "out of memory, or of memory")));
	EXPECT_EQ(0, LOCKED(&self->use));
	EXPECT_EQ(0, HELD(&self->use));
	close(log);
}

TEST_F(domains, one_for_two_of_a_kind)
{
	ASSERT_EQ(0, join(self, 0));
	ASSERT_EQ(0, map_some(self, T1_IOVA));
	ASSERT_EQ(0, join(self, 1));
	EXPECT_NE(0, state(self, 0).domain);
	EXPECT_EQ(state(self, 0).domain, state(self, 1).domain);
	EXPECT_EQ(PAGES, state(self, 1).mapped);
	EXPECT_EQ(PAGES, LOCKED(&self->use));
	EXPECT_EQ(PAGES, HELD(&self->use));
	leave(self, 0);
	EXPECT_EQ(PAGES, state(self, 1).mapped);
	EXPECT_EQ(T1_MARK(3), peek(self, 1, T1_IOVA + 3 * PAGE));
}

TEST_F(domains, two_for_two_kinds)
{
	const __u64 at = T1_IOVA + 7 * PAGE;

	ASSERT_EQ(0, join(self, 0));
	ASSERT_EQ(0, map_some(self, T1_IOVA));
	/* This one finds a mapping, */
	ASSERT_EQ(0, join(self, SMALL));
	EXPECT_NE(state(self, 0).domain, state(self, SMALL).domain);
	EXPECT_EQ(PAGES, state(self, SMALL).mapped);
	/* and this is made for both. */
	ASSERT_EQ(0, dma_map(CONTAINER, MEM + PAGES * PAGE, ELSEWHERE,
			     PAGES * PAGE, T1_READ));
	EXPECT_EQ(2 * PAGES, state(self, 0).mapped);
	EXPECT_EQ(2 * PAGES, state(self, SMALL).mapped);
	EXPECT_EQ(2 * PAGES, LOCKED(&self->use));
	EXPECT_EQ(2 * PAGES, HELD(&self->use));

	EXPECT_EQ(T1_MARK(7), peek(self, 0, at));
	EXPECT_EQ(0, poke(self, SMALL, at, 0x77));
	EXPECT_EQ(0x77, peek(self, 0, at));
	EXPECT_EQ(0x77, *(__u64 *)(MEM + 7 * PAGE));
	EXPECT_EQ(T1_MARK(PAGES + 1), peek(self, SMALL, ELSEWHERE + PAGE));
	EXPECT_EQ(-EFAULT, poke(self, SMALL, ELSEWHERE + PAGE, 1));
	EXPECT_EQ(-EFAULT, poke(self, 0, ELSEWHERE + PAGE, 1));

	EXPECT_EQ(PAGES * PAGE, dma_unmap(CONTAINER, T1_IOVA, PAGES * PAGE));
	EXPECT_EQ(-EFAULT, (long)peek(self, 0, at));
	EXPECT_EQ(-EFAULT, (long)peek(self, SMALL, at));
	EXPECT_EQ(PAGES, state(self, 0).mapped);
	EXPECT_EQ(PAGES, state(self, SMALL).mapped);

	leave(self, 0);
	EXPECT_EQ(PAGES, LOCKED(&self->use));
	EXPECT_EQ(PAGES, state(self, SMALL).mapped);
	ASSERT_EQ(0, join(self, 0));
	EXPECT_EQ(PAGES, state(self, 0).mapped);
	leave(self, SMALL);
	EXPECT_EQ(T1_MARK(PAGES + 2), peek(self, 0, ELSEWHERE + 2 * PAGE));
	EXPECT_EQ(PAGES, LOCKED(&self->use));
	EXPECT_EQ(PAGES, HELD(&self->use));
}

TEST_F(domains, what_all_can_do)
{
	struct type1_info info;

	ASSERT_EQ(0, join(self, 0));
	ASSERT_EQ(0, type1_get_info(CONTAINER, &info));
	ASSERT_EQ(1, info.nr_ranges);
	EXPECT_EQ(TYPE1_IOMMU_LARGE_LAST, info.range[0].end);
	EXPECT_EQ(1, ioctl(CONTAINER, VFIO_CHECK_EXTENSION, VFIO_DMA_CC_IOMMU));
	EXPECT_EQ(0, map_some(self, TYPE1_IOMMU_HOLE));
	EXPECT_EQ(-EINVAL, join(self, SMALL));
	EXPECT_EQ(PAGES, state(self, 0).mapped);
	EXPECT_EQ(PAGES * PAGE, dma_unmap_all(CONTAINER));
	EXPECT_EQ(0, map_some(self, 1ULL << 33));
	EXPECT_EQ(-EINVAL, join(self, SMALL));
	EXPECT_EQ(PAGES * PAGE, dma_unmap_all(CONTAINER));

	ASSERT_EQ(0, join(self, SMALL));
	ASSERT_EQ(0, type1_get_info(CONTAINER, &info));
	ASSERT_EQ(2, info.nr_ranges);
	EXPECT_EQ(0, info.range[0].start);
	EXPECT_EQ(TYPE1_IOMMU_HOLE - 1, info.range[0].end);
	EXPECT_EQ(TYPE1_IOMMU_HOLE_LAST + 1, info.range[1].start);
	EXPECT_EQ(TYPE1_IOMMU_SMALL_LAST, info.range[1].end);
	EXPECT_EQ(0, ioctl(CONTAINER, VFIO_CHECK_EXTENSION, VFIO_DMA_CC_IOMMU));
	EXPECT_EQ(-EINVAL, map_some(self, TYPE1_IOMMU_HOLE));
	EXPECT_EQ(-EINVAL, map_some(self, TYPE1_IOMMU_HOLE - PAGE));
	EXPECT_EQ(-EINVAL, map_some(self, 1ULL << 33));
	EXPECT_EQ(0, map_some(self, TYPE1_IOMMU_HOLE - PAGES * PAGE));

	leave(self, SMALL);
	ASSERT_EQ(0, type1_get_info(CONTAINER, &info));
	ASSERT_EQ(1, info.nr_ranges);
	EXPECT_EQ(TYPE1_IOMMU_LARGE_LAST, info.range[0].end);
	EXPECT_EQ(1, ioctl(CONTAINER, VFIO_CHECK_EXTENSION, VFIO_DMA_CC_IOMMU));
	EXPECT_EQ(0, map_some(self, 1ULL << 33));
}

static __u64 sizes_of(data_t *self)
{
	struct type1_info info;

	return type1_get_info(CONTAINER, &info) ? 0 : info.pgsizes;
}

/*
 * Sizes of pages are those of each IOMMU first, where one with pages smaller than
 * ours can map ours, and then those of all.
 */
TEST_F(domains, page_sizes_of_each_and_all)
{
	if (stock_differs())
		SKIP(return, "the kernel's warns of pages larger than the processor's");
	ASSERT_EQ(0, join_mdev(self, 0));
	EXPECT_EQ(-PAGE, sizes_of(self));
	ASSERT_EQ(0, page_sizes(0, 512 | LARGE));
	ASSERT_EQ(0, page_sizes(SMALL, LARGE));
	ASSERT_EQ(0, join(self, 0));
	EXPECT_EQ(PAGE | LARGE, sizes_of(self));
	ASSERT_EQ(0, join(self, SMALL));
	EXPECT_EQ(LARGE, sizes_of(self));
	EXPECT_EQ(-EINVAL, map_some(self, T1_IOVA));
	EXPECT_EQ(-EINVAL, dma_unmap(CONTAINER, T1_IOVA, PAGE));

	/* They are fewer while it is there, and more when it has left. */
	leave(self, SMALL);
	EXPECT_EQ(PAGE | LARGE, sizes_of(self));
	ASSERT_EQ(0, map_some(self, T1_IOVA));
	EXPECT_EQ(T1_MARK(3), peek(self, 0, T1_IOVA + 3 * PAGE));
	EXPECT_EQ(-EINVAL, join(self, SMALL));
	EXPECT_EQ(PAGE | LARGE, sizes_of(self));
	EXPECT_EQ(PAGES * PAGE, dma_unmap_all(CONTAINER));
	ASSERT_EQ(0, join(self, SMALL));
	leave(self, 0);
	EXPECT_EQ(LARGE, sizes_of(self));
	leave(self, SMALL);
	EXPECT_EQ(-PAGE, sizes_of(self));
	EXPECT_EQ(0, map_some(self, T1_IOVA));
}

/* Where they have none in common: a page of the one is several of the other. */
TEST_F(domains, page_sizes_without_a_common_one)
{
	const __u64 at = T1_IOVA + MIDDLE;
	char *room, *mem;
	unsigned int i;

	if (stock_differs())
		SKIP(return, "the kernel's looks for the first bit of 0");
	ASSERT_EQ(0, page_sizes(0, PAGE | LARGE));
	ASSERT_EQ(0, page_sizes(SMALL, MIDDLE));
	ASSERT_EQ(0, join_mdev(self, 0));
	/* Its pages are consecutive, which the larger page needs. */
	room = fresh_memory(2 * AREA, PROT_NONE);
	mem = (char *)(((uintptr_t)room + MIDDLE - 1) & -MIDDLE);
	ASSERT_EQ(mem, mmap(mem, MIDDLE, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_FIXED, self->use.t.device[0],
			    TYPE1_TEST_AREA_EAGER));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, type1_parameter("disable_hugepages", i));
		ASSERT_EQ(0, join(self, 0));
		ASSERT_EQ(0, dma_map(CONTAINER, mem, at, MIDDLE, T1_RW));
		ASSERT_EQ(0, join(self, SMALL));
		EXPECT_EQ(MIDDLE, sizes_of(self));
		ASSERT_EQ(0, dma_map(CONTAINER, mem, ELSEWHERE, MIDDLE, T1_RW));
		EXPECT_EQ(2 * AREA, state(self, 0).mapped);
		EXPECT_EQ(2 * AREA, state(self, SMALL).mapped);
		EXPECT_EQ(TYPE1_TEST_AREA_WORD + 5, peek(self, SMALL, at + 5 * PAGE));
		EXPECT_EQ(-EINVAL, dma_map(CONTAINER, mem, 0, PAGE, T1_RW));
		EXPECT_EQ(-EINVAL, dma_map(CONTAINER, MEM, PAGE, MIDDLE, T1_RW));
		EXPECT_EQ(MIDDLE, dma_unmap(CONTAINER, ELSEWHERE, MIDDLE));
		leave(self, 0);
		EXPECT_EQ(MIDDLE, sizes_of(self));
		EXPECT_EQ(MIDDLE, dma_unmap(CONTAINER, at, MIDDLE));
		leave(self, SMALL);
		EXPECT_EQ(-PAGE, sizes_of(self));
	}
	munmap(room, 2 * MIDDLE);
}

/* The IOMMU has no memory for a page: nothing is mapped anywhere. */
TEST_F(domains, map_that_fails)
{
	unsigned int n, i;

	ASSERT_EQ(0, join(self, 0));
	ASSERT_EQ(0, join(self, SMALL));
	ASSERT_EQ(0, map_some(self, ELSEWHERE));
	for (n = 0; n <= SMALL; n += SMALL) {
		for (i = 1; i <= PAGES; i += 9) {
			ASSERT_EQ(0, fail_page(n, i));
			EXPECT_EQ(-ENOMEM, map_some(self, T1_IOVA));
			EXPECT_EQ(PAGES, state(self, 0).mapped);
			EXPECT_EQ(PAGES, state(self, SMALL).mapped);
			EXPECT_EQ(PAGES, LOCKED(&self->use));
			EXPECT_EQ(PAGES, HELD(&self->use));
		}
		EXPECT_EQ(0, fail_page(n, 0));
	}
	EXPECT_EQ(0, map_some(self, T1_IOVA));
	EXPECT_EQ(T1_MARK(9), peek(self, SMALL, T1_IOVA + 9 * PAGE));
}

/*
 * Pages that lie scattered are in no record: a domain that maps them is asked where they
 * are, by the next domain and when they are released. 700 is in the second stretch.
 */
#define SCATTERED	(2 * (unsigned int)T1_STRETCH + 100)

static bool all_is_seen(data_t *self, unsigned int n, __u64 iova)
{
	unsigned int i;

	for (i = 0; i < SCATTERED; i++)
		if (peek(self, n, iova + i * PAGE) != T1_MARK(i))
			return false;
	return true;
}

static long map_scattered(data_t *self, char *mem)
{
	return dma_map(CONTAINER, mem, T1_IOVA, SCATTERED * PAGE, T1_RW);
}

TEST_F(domains, row_58_scattered_pages)
{
	char *mem = scattered_memory(SCATTERED);
	long long asked;

	ASSERT_EQ(0, join(self, 0));
	ASSERT_EQ(0, map_scattered(self, mem));
	EXPECT_TRUE(all_is_seen(self, 0, T1_IOVA));
	EXPECT_EQ(SCATTERED, HELD(&self->use));
	EXPECT_EQ(SCATTERED, LOCKED(&self->use));

	/* One more domain, which is left alone with them */
	asked = mapped_by(0).asked;
	ASSERT_EQ(0, join(self, SMALL));
	EXPECT_LE(asked + SCATTERED, mapped_by(0).asked);
	EXPECT_EQ(SCATTERED, state(self, SMALL).mapped);
	EXPECT_TRUE(all_is_seen(self, SMALL, T1_IOVA));
	leave(self, 0);
	EXPECT_EQ(SCATTERED, HELD(&self->use));
	EXPECT_TRUE(all_is_seen(self, SMALL, T1_IOVA));
	EXPECT_EQ(SCATTERED * PAGE, dma_unmap(CONTAINER, T1_IOVA, SCATTERED * PAGE));
	EXPECT_EQ(0, HELD(&self->use));
	EXPECT_EQ(0, LOCKED(&self->use));

	/* The last domain leaves what a mediated device has pinned. */
	ASSERT_EQ(0, map_scattered(self, mem));
	ASSERT_EQ(0, join_mdev(self, 0));
	ASSERT_EQ(5, pin(self->use.t.device[0], T1_IOVA + 600 * PAGE, 5, BOTH));
	EXPECT_EQ(SCATTERED + 5, HELD(&self->use));
	EXPECT_EQ(SCATTERED, LOCKED(&self->use));
	leave(self, SMALL);
	EXPECT_EQ(5, HELD(&self->use));
	EXPECT_EQ(5, LOCKED(&self->use));
	EXPECT_EQ(T1_MARK(604), load(self->use.t.device[0], T1_IOVA + 604 * PAGE));
	ASSERT_EQ(0, join(self, 0));
	EXPECT_TRUE(all_is_seen(self, 0, T1_IOVA));
	EXPECT_EQ(SCATTERED, LOCKED(&self->use));
	munmap(mem, SCATTERED * PAGE);
}

/* What was mapped before something fails is released, and what was not. */
TEST_F(domains, row_58_scattered_pages_that_fail)
{
	char *mem = scattered_memory(SCATTERED);
	unsigned int n;

	if (stock_differs())
		SKIP(return, "the kernel's unmaps what it has not mapped, too");
	ASSERT_EQ(0, join(self, 0));
	for (n = 1; n <= SCATTERED; n += 137) {
		ASSERT_EQ(0, fail_page(0, n));
		EXPECT_EQ(-ENOMEM, map_scattered(self, mem));
		EXPECT_EQ(0, HELD(&self->use));
		EXPECT_EQ(0, LOCKED(&self->use));
		EXPECT_EQ(0, state(self, 0).mapped);
	}
	ASSERT_EQ(0, fail_page(0, 0));
	ASSERT_EQ(0, map_scattered(self, mem));
	/* Of one more domain only what that maps is undone. */
	ASSERT_EQ(0, fail_page(SMALL, 700));
	EXPECT_EQ(-ENOMEM, join(self, SMALL));
	ASSERT_EQ(0, fail_page(SMALL, 0));
	EXPECT_EQ(SCATTERED, HELD(&self->use));
	EXPECT_TRUE(all_is_seen(self, 0, T1_IOVA));
	/* And of both a mapping */
	ASSERT_EQ(0, join(self, SMALL));
	EXPECT_EQ(SCATTERED * PAGE, dma_unmap(CONTAINER, T1_IOVA, SCATTERED * PAGE));
	ASSERT_EQ(0, fail_page(SMALL, 700));
	EXPECT_EQ(-ENOMEM, map_scattered(self, mem));
	ASSERT_EQ(0, fail_page(SMALL, 0));
	EXPECT_EQ(0, HELD(&self->use));
	EXPECT_EQ(0, state(self, 0).mapped);
	EXPECT_EQ(0, state(self, SMALL).mapped);
	munmap(mem, SCATTERED * PAGE);
}

/* The same while a group joins: it stays outside, and all is as before. */
static void join_fails(struct __test_metadata *_metadata, data_t *self,
		       unsigned int nth)
{
	const long long held = HELD(&self->use), locked = LOCKED(&self->use);

	ASSERT_EQ(0, fail_page(0, nth));
	EXPECT_EQ(-ENOMEM, join(self, 0));
	EXPECT_EQ(held, HELD(&self->use));
	EXPECT_EQ(locked, LOCKED(&self->use));
	EXPECT_EQ(T1_MARK(4), load(self->use.t.device[0], T1_IOVA + 4 * PAGE));
	EXPECT_EQ(0, fail_page(0, 0));
}

TEST_F(domains, join_that_fails)
{
	unsigned int i;

	if (stock_differs())
		SKIP(return, "the kernel's unmaps what it has not mapped, too");
	ASSERT_EQ(0, join(self, SMALL));
	ASSERT_EQ(0, join_mdev(self, 0));
	ASSERT_EQ(0, map_some(self, T1_IOVA));
	ASSERT_EQ(0, map_some(self, ELSEWHERE));
	ASSERT_EQ(5, pin(self->use.t.device[0], T1_IOVA, 5, BOTH));
	/* To a domain of another kind; the kernel's type1 tries two pages first. */
	for (i = 3; i <= 2 * PAGES; i += 21) {
		join_fails(_metadata, self, i);
		EXPECT_EQ(2 * PAGES, state(self, SMALL).mapped);
	}
	EXPECT_EQ(2 * PAGES, LOCKED(&self->use));
	/* And to a container without one */
	leave(self, SMALL);
	EXPECT_EQ(5, LOCKED(&self->use));
	EXPECT_EQ(5, HELD(&self->use));
	for (i = 3; i <= 2 * PAGES; i += 21)
		join_fails(_metadata, self, i);
	ASSERT_EQ(0, join(self, 0));
	EXPECT_EQ(2 * PAGES, state(self, 0).mapped);
	EXPECT_EQ(2 * PAGES, LOCKED(&self->use));
	EXPECT_EQ(T1_MARK(9), peek(self, 0, ELSEWHERE + 9 * PAGE));
}

/* All that a device can write to is dirty for as long as it can, and once more. */
TEST_F(domains, row_12_dirty_when_it_leaves)
{
	const __u64 all = ~0ULL;
	__u64 bits = 0;

	ASSERT_EQ(0, join(self, 0));
	ASSERT_EQ(0, join_mdev(self, 0));
	ASSERT_EQ(0, map_some(self, T1_IOVA));
	ASSERT_EQ(3, pin(self->use.t.device[0], T1_IOVA + 9 * PAGE, 3, BOTH));
	ASSERT_EQ(0, dirty_start(CONTAINER));
	EXPECT_EQ(0, dirty_get(CONTAINER, T1_IOVA, PAGES * PAGE, &bits, 8));
	EXPECT_EQ(all, bits);
	bits = 0;
	EXPECT_EQ(0, dirty_get(CONTAINER, T1_IOVA, PAGES * PAGE, &bits, 8));
	EXPECT_EQ(all, bits);
	leave(self, 0);
	bits = 0;
	EXPECT_EQ(0, dirty_get(CONTAINER, T1_IOVA, PAGES * PAGE, &bits, 8));
	EXPECT_EQ(all, bits);
	/* From here on it is known who writes. */
	bits = 0;
	EXPECT_EQ(0, dirty_get(CONTAINER, T1_IOVA, PAGES * PAGE, &bits, 8));
	EXPECT_EQ(7 << 9, bits);
	ASSERT_EQ(0, join(self, SMALL));
	EXPECT_EQ(PAGES * PAGE, dma_unmap_dirty(CONTAINER, T1_IOVA,
						PAGES * PAGE, &bits, 8));
	EXPECT_EQ(all, bits);
}

/* No page and no error while memory is mapped, by us and in another's name */
TEST_F(domains, row_9_no_page)
{
	int status, dev;
	char *mem;
	pid_t pid;

	if (!none_is_no_error())
		SKIP(return, "this kernel's own functions warn, and answer EFAULT");
	if (type1_is_stock())
		SKIP(return, "the kernel's takes none for one");
	ASSERT_EQ(0, join_mdev(self, 0));
	dev = self->use.t.device[0];
	mem = area(dev, TYPE1_TEST_AREA_NONE, PROT_READ | PROT_WRITE);
	ASSERT_NE(NULL, mem);
	ASSERT_EQ(0, dma_map(CONTAINER, mem, T1_IOVA, AREA * PAGE, T1_RW));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(join(self, 0) != -EFAULT);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(1, news(dev).faults);
	EXPECT_EQ(-EFAULT, join(self, 0));
	EXPECT_EQ(1, news(dev).faults);
	EXPECT_EQ(AREA * PAGE, dma_unmap_all(CONTAINER));
	ASSERT_EQ(0, join(self, 0));
	EXPECT_EQ(-EFAULT, dma_map(CONTAINER, mem, T1_IOVA, AREA * PAGE,
				   T1_RW));
	EXPECT_EQ(1, news(dev).faults);
	EXPECT_EQ(0, state(self, 0).mapped);
	munmap(mem, AREA * PAGE);
}

/*
 * Who maps much can be stopped, and has then mapped nothing. It is memory of a
 * device, of which nobody but the driver can know that there is a signal.
 */
#define AREAS	2500U

static int make_areas(data_t *self, char *mem)
{
	unsigned int i;

	for (i = 0; i < AREAS; i++)
		if (mmap(mem + i * AREA * PAGE, AREA * PAGE,
			 PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
			 self->use.t.device[0], TYPE1_TEST_AREA_EAGER) ==
		    MAP_FAILED)
			return -errno;
	return 0;
}

static int map_areas(data_t *self, char *mem)
{
	return make_areas(self, mem) ?:
	       dma_map(CONTAINER, mem, 0, AREAS * AREA * PAGE, T1_RW);
}

TEST_F(domains, signal_stops_a_long_map)
{
	char *mem = fresh_memory(AREAS * AREA, PROT_NONE);
	struct type1_info before, after;
	int status;
	pid_t pid;

	if (stock_differs())
		SKIP(return, "the kernel's maps a device's memory to the end");
	ASSERT_EQ(0, join(self, 0));
	ASSERT_EQ(0, join_mdev(self, 0));
	ASSERT_EQ(0, type1_get_info(CONTAINER, &before));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(-map_areas(self, mem));
	EXPECT_TRUE(WAIT_FOR(state(self, 0).mapped > AREA, SOON));
	kill(pid, SIGKILL);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(0, state(self, 0).mapped);
	ASSERT_EQ(0, type1_get_info(CONTAINER, &after));
	EXPECT_EQ(before.avail, after.avail);
	EXPECT_EQ(0, dma_unmap_all(CONTAINER));
	EXPECT_EQ(0, map_some(self, 0));
	EXPECT_EQ(T1_MARK(1), peek(self, 0, PAGE));
}

/*
 * The same of who joins with a group where much is mapped: first of all, and
 * beside an IOMMU of another kind. Others get a turn meanwhile, or the signal would
 * not come in time.
 */
static void join_is_killed(struct __test_metadata *_metadata, data_t *self,
			   unsigned int n)
{
	const long long held = HELD(&self->use), locked = LOCKED(&self->use);
	const unsigned int all = AREAS * AREA + PAGES;
	struct type1_info before, after;
	unsigned int tries = 0;
	long long ever;
	int status;
	pid_t pid;

	ASSERT_EQ(0, type1_get_info(CONTAINER, &before));
	/* It may be done before this test gets to see it. */
	do {
		ever = mapped_by(n).ever;
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid)
			_exit(join(self, n) ? 1 : 0);
		EXPECT_TRUE(WAIT_FOR(mapped_by(n).ever > ever + AREA, SOON));
		kill(pid, SIGKILL);
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_EQ(0, mapped_by(n).now);
	} while (mapped_by(n).ever - ever >= all && ++tries < 5);
	EXPECT_GT(all, mapped_by(n).ever - ever);
	EXPECT_TRUE(WIFSIGNALED(status));
	ASSERT_EQ(0, type1_get_info(CONTAINER, &after));
	EXPECT_EQ(before.avail, after.avail);
	EXPECT_EQ(before.pgsizes, after.pgsizes);
	EXPECT_EQ(before.nr_ranges, after.nr_ranges);
	EXPECT_EQ(held, HELD(&self->use));
	EXPECT_EQ(locked, LOCKED(&self->use));
	ASSERT_EQ(0, join(self, n));
	EXPECT_EQ(all, state(self, n).mapped);
}

TEST_F(domains, row_57_signal_stops_a_long_join)
{
	char *mem = fresh_memory(AREAS * AREA, PROT_NONE);

	if (stock_differs())
		SKIP(return, "the kernel's maps all of it");
	ASSERT_EQ(0, join_mdev(self, 0));
	ASSERT_EQ(0, map_areas(self, mem));
	ASSERT_EQ(0, map_some(self, T1_IOVA));
	ASSERT_EQ(5, pin(self->use.t.device[0], T1_IOVA, 5, BOTH));
	join_is_killed(_metadata, self, 0);
	EXPECT_EQ(PAGES, LOCKED(&self->use));
	join_is_killed(_metadata, self, SMALL);
	EXPECT_EQ(T1_MARK(5), peek(self, SMALL, T1_IOVA + 5 * PAGE));
	leave(self, 0);
	leave(self, SMALL);
	EXPECT_EQ(5, LOCKED(&self->use));
	EXPECT_EQ(5, HELD(&self->use));
	EXPECT_EQ((AREAS * AREA + PAGES) * PAGE, dma_unmap_all(CONTAINER));
	munmap(mem, AREAS * AREA * PAGE);
}

/* What is counted when a second group joins goes by what is pinned, not mapped. */
TEST_F(domains, row_57_a_page_of_a_huge_mapping)
{
	const __u64 iova = (uintptr_t)MEM;

	if (type1_is_stock())
		SKIP(return, "the kernel's counts nothing");
	ASSERT_EQ(0, join_mdev(self, 0));
	ASSERT_EQ(0, dma_map(CONTAINER, NULL, 0, 1ULL << 62, T1_RW));
	ASSERT_EQ(1, pin(self->use.t.device[0], iova, 1, BOTH));
	ASSERT_EQ(0, join_mdev(self, 1));
	EXPECT_EQ(1, HELD(&self->use));
	EXPECT_EQ(1, LOCKED(&self->use));
	ASSERT_EQ(1, unpin(self->use.t.device[0], iova, 1));
	EXPECT_EQ(1LL << 62, dma_unmap_all(CONTAINER));
}

/*
 * Others get the processor while a call takes long: somebody more urgent asks for
 * the same one again and again. How long that took at most is printed, and means
 * something on a machine that does nothing else: TYPE1_GIB in the environment is the
 * memory behind an IOMMU, TYPE1_TIB what is mapped while dirty pages are tracked (8,
 * less a page of bits, at most), TYPE1_PREEMPT how the kernel is preempted, where that
 * can be told: none.
 */
#define ASK_US		500

struct urgent {
	pthread_t thread;
	atomic_uint turns;
	atomic_llong longest;	/* in nanoseconds */
	atomic_bool stop;
	long long start;
};

static long long now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void *ask_again(void *data)
{
	struct urgent *urgent = data;
	long long before, late;

	while (!urgent->stop) {
		before = now_ns();
		usleep(ASK_US);
		late = now_ns() - before - ASK_US * 1000LL;
		if (late > urgent->longest)
			urgent->longest = late;
		urgent->turns++;
	}
	return NULL;
}

static int urgent_begin(struct urgent *urgent)
{
	struct sched_param param = { .sched_priority = 1 };
	pthread_attr_t attr;
	cpu_set_t cpu;

	memset(urgent, 0, sizeof(*urgent));
	CPU_ZERO(&cpu);
	CPU_SET(0, &cpu);
	if (sched_setaffinity(0, sizeof(cpu), &cpu))
		return -errno;
	pthread_attr_init(&attr);
	pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED);
	pthread_attr_setschedpolicy(&attr, SCHED_FIFO);
	pthread_attr_setschedparam(&attr, &param);
	return -pthread_create(&urgent->thread, &attr, ask_again, urgent);
}

static void urgent_end(struct urgent *urgent)
{
	urgent->stop = true;
	pthread_join(urgent->thread, NULL);
}

/* A call begins, */
static void call_begins(struct urgent *urgent)
{
	urgent->turns = 0;
	urgent->longest = 0;
	urgent->start = now_ns();
}

/* and has ended: has it given others some turns, if it took so long? */
static bool gave_turns(struct urgent *urgent, const char *call)
{
	const long long us = (now_ns() - urgent->start) / 1000;

	ksft_print_msg("%s: %lld us, %u turns, longest wait %lld us\n", call, us,
		       urgent->turns, urgent->longest / 1000);
	return urgent->turns > 3 || us < 200 * ASK_US;
}

static unsigned long long wanted(const char *name, unsigned long long unit,
				 unsigned long long otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) * unit : otherwise;
}

#define PREEMPT		"/sys/kernel/debug/sched/preempt"

/*
 * Kernels give nobody the processor unless they are told to, if that can be had and
 * nothing else is asked for.
 */
static bool preempt_none(void)
{
	const char *mode = getenv("TYPE1_PREEMPT") ?: "none";
	char was[64] = "";

	read_file(PREEMPT, was, sizeof(was));
	return strstr(was, "(voluntary)") && !write_file(PREEMPT, mode);
}

#define SLICE		(4UL << 20)

/* SIZE bytes that repeat one slice of a file, which are all there */
static char *much_memory(unsigned long size)
{
	int fd = memfd_create("slice", MFD_CLOEXEC);
	unsigned long i;
	char *mem;

	mem = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (fd < 0 || ftruncate(fd, SLICE) || mem == MAP_FAILED)
		return NULL;
	for (i = 0; i < size; i += SLICE)
		if (mmap(mem + i, SLICE, PROT_READ | PROT_WRITE, MAP_SHARED |
			 MAP_FIXED | MAP_POPULATE, fd, 0) == MAP_FAILED)
			mem = NULL;
	close(fd);
	return mem;
}

/* It is mapped in the first GiB, and behind the hole of one of them. */
static int map_much(data_t *self, char *mem, unsigned long size)
{
	const unsigned long gib = 1UL << 30;
	unsigned long i, n;
	int ret = 0;

	for (i = 0; i < size && !ret; i += n) {
		n = size - i < gib ? size - i : gib;
		ret = dma_map(CONTAINER, mem + i, i ? i + gib : 0, n, T1_RW);
	}
	return ret;
}

TEST_F(domains, row_57_turns_while_joining)
{
	const unsigned long size = wanted("TYPE1_GIB", 1ULL << 30, 512UL << 20);
	struct urgent urgent;
	bool none;
	char *mem;

	if (stock_differs())
		SKIP(return, "the kernel's keeps the processor");
	mem = much_memory(size);
	ASSERT_NE(NULL, mem);
	none = preempt_none();
	ASSERT_EQ(0, small_last(TYPE1_IOMMU_LARGE_LAST));
	ASSERT_EQ(0, join_mdev(self, 0));
	ASSERT_EQ(0, map_much(self, mem, size));
	ASSERT_EQ(0, urgent_begin(&urgent));
	call_begins(&urgent);
	EXPECT_EQ(0, join(self, 0));
	EXPECT_TRUE(gave_turns(&urgent, "first IOMMU"));
	call_begins(&urgent);
	EXPECT_EQ(0, join(self, SMALL));
	EXPECT_TRUE(gave_turns(&urgent, "one more IOMMU"));
	leave(self, 0);
	call_begins(&urgent);
	EXPECT_EQ(size, dma_unmap_all(CONTAINER));
	EXPECT_TRUE(gave_turns(&urgent, "unmap"));
	urgent_end(&urgent);
	if (none)
		EXPECT_EQ(0, write_file(PREEMPT, "voluntary"));
	munmap(mem, size);
}

/*
 * While a group with an IOMMU joins and leaves the charge is that of the pages: for
 * all of them up to where it has got, and for those that are pinned from there on.
 */
#define STRETCH		512U
#define PIECE		(STRETCH / 4)
#define MANY		(66 * STRETCH)	/* more than are given back at once */
#define EVERY		64U
#define FIRST		(EVERY / 2)
#define SPARSE		(MANY / EVERY)
#define STOP_AT		(MANY / 4 * 3)

/* Pieces of the same pages, which are not consecutive from one to the next */
static char *pieces(unsigned int pages)
{
	char *mem = fresh_memory(pages + STRETCH, PROT_NONE);
	int fd = memfd_create("piece", MFD_CLOEXEC);
	unsigned int i;

	mem += -(uintptr_t)mem % (STRETCH * PAGE);
	if (fd < 0 || ftruncate(fd, PIECE * PAGE))
		return NULL;
	for (i = 0; i < pages; i += PIECE)
		if (mmap(mem + i * PAGE, PIECE * PAGE, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_FIXED | MAP_POPULATE, fd, 0) == MAP_FAILED)
			mem = NULL;
	close(fd);
	return mem;
}

static long pin_at(data_t *self, unsigned int page, unsigned int n)
{
	return pin(self->use.t.device[0], ELSEWHERE + page * PAGE, n, BOTH);
}

static long unpin_at(data_t *self, unsigned int page, unsigned int n)
{
	return unpin(self->use.t.device[0], ELSEWHERE + page * PAGE, n);
}

/* Up to where the backing is charged, as far as the charge says */
static unsigned int charged_up_to(data_t *self)
{
	const long long locked = LOCKED(&self->use);
	unsigned int page;

	for (page = 0; page < MANY; page += STRETCH)
		if (page + (MANY - page) / EVERY == locked)
			break;
	return page;
}

/* Pins around a page, and beside others' pins */
struct sibling {
	data_t *self;
	unsigned int around;
	atomic_bool stop;
	atomic_uint failed;
	pthread_t thread;
};

static void *pin_around(void *data)
{
	struct sibling *sibling = data;
	unsigned int i, n, page;

	for (i = 0; !sibling->stop; i++) {
		n = i % 3 ? 1 : 16;
		page = sibling->around + i % 11 * (STRETCH / 4) - STRETCH - 8;
		if (pin_at(sibling->self, page, n) != n ||
		    unpin_at(sibling->self, page, n) != n)
			sibling->failed++;
	}
	return NULL;
}

/* On both sides, and across */
static void pins_while_joining(struct __test_metadata *_metadata, data_t *self,
			       unsigned int mark)
{
	const long long locked = LOCKED(&self->use);

	EXPECT_EQ(1, pin_at(self, mark - 1, 1));
	EXPECT_EQ(locked, LOCKED(&self->use));
	EXPECT_EQ(1, pin_at(self, mark + 1, 1));
	EXPECT_EQ(locked + 1, LOCKED(&self->use));
	EXPECT_EQ(16, pin_at(self, mark - 8, 16));
	EXPECT_EQ(locked + 8, LOCKED(&self->use));
	EXPECT_EQ(16, unpin_at(self, mark - 8, 16));
	EXPECT_EQ(locked + 1, LOCKED(&self->use));
	EXPECT_EQ(1, unpin_at(self, mark + 1, 1));
	EXPECT_EQ(1, unpin_at(self, mark - 1, 1));
	EXPECT_EQ(locked, LOCKED(&self->use));
	EXPECT_EQ(1, unpin_at(self, FIRST, 1));
	EXPECT_EQ(locked, LOCKED(&self->use));
	EXPECT_EQ(1, unpin_at(self, MANY - FIRST, 1));
	EXPECT_EQ(locked - 1, LOCKED(&self->use));
	EXPECT_EQ(1, pin_at(self, MANY - FIRST, 1));
	EXPECT_EQ(1, pin_at(self, FIRST, 1));
	EXPECT_EQ(locked, LOCKED(&self->use));
}

/* Is it killed while it joins, or when it has? */
static void pins_beside(struct __test_metadata *_metadata, data_t *self, bool killed)
{
	struct sibling sibling = { .self = self };
	int status;
	pid_t pid;

	ASSERT_EQ(0, write_number(STOP, STOP_AT));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		join(self, 0);
		pause();
	}
	EXPECT_TRUE(WAIT_FOR(mapped_by(0).now == STOP_AT - 1, SOON));
	sibling.around = charged_up_to(self);
	EXPECT_LE(STOP_AT, sibling.around);
	EXPECT_GT(MANY, sibling.around + 2 * STRETCH);
	if (sibling.around >= STOP_AT && sibling.around < MANY)
		pins_while_joining(_metadata, self, sibling.around);
	EXPECT_EQ(0, pthread_create(&sibling.thread, NULL, pin_around, &sibling));
	if (!killed) {
		EXPECT_EQ(0, write_file(STOP, "0"));
		EXPECT_TRUE(WAIT_FOR(LOCKED(&self->use) >= MANY &&
				     mapped_by(0).now == MANY, SOON));
	}
	kill(pid, SIGKILL);
	EXPECT_EQ(pid, waitpid(pid, &status, 0));
	sibling.stop = true;
	pthread_join(sibling.thread, NULL);
	EXPECT_EQ(0, sibling.failed);
	EXPECT_EQ(0, write_file(STOP, "0"));
	EXPECT_EQ(SPARSE, LOCKED(&self->use));
	EXPECT_EQ(SPARSE, HELD(&self->use));
}

TEST_F(domains, row_57_pins_while_joining)
{
	unsigned int i;
	char *mem;

	if (stock_differs())
		SKIP(return, "the kernel's has all others wait");
	mem = pieces(MANY);
	ASSERT_NE(NULL, mem);
	ASSERT_EQ(0, join_mdev(self, 0));
	ASSERT_EQ(0, dma_map(CONTAINER, mem, ELSEWHERE, MANY * PAGE, T1_RW));
	for (i = FIRST; i < MANY; i += EVERY)
		ASSERT_EQ(1, pin_at(self, i, 1));
	EXPECT_EQ(SPARSE, LOCKED(&self->use));
	pins_beside(_metadata, self, true);
	pins_beside(_metadata, self, false);
	/* It joins, pins come and go, and it stays longer than they do. */
	ASSERT_EQ(0, join(self, 0));
	EXPECT_EQ(MANY, LOCKED(&self->use));
	EXPECT_EQ(16, pin_at(self, 0, 16));
	for (i = FIRST; i < MANY; i += EVERY)
		EXPECT_EQ(1, unpin_at(self, i, 1));
	EXPECT_EQ(MANY, LOCKED(&self->use));
	leave(self, 0);
	EXPECT_EQ(16, LOCKED(&self->use));
	EXPECT_EQ(16, unpin_at(self, 0, 16));
	EXPECT_EQ(0, LOCKED(&self->use));
}

TEST_F(domains, row_57_turns_while_tracking)
{
	const unsigned long long most = (INT32_MAX & ~(PAGE * 8 - 1)) * PAGE;
	const unsigned long long asked = wanted("TYPE1_TIB", 1ULL << 40, 1ULL << 38);
	const unsigned long long size = asked < most ? asked : most;
	const bool none = preempt_none();
	const size_t bytes = size / PAGE / 8;
	struct urgent urgent;
	char *bitmap;

	bitmap = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, bitmap);
	ASSERT_EQ(0, join_mdev(self, 0));
	ASSERT_EQ(0, dma_map(CONTAINER, MEM, T1_IOVA, size, T1_RW));
	ASSERT_EQ(1, pin(self->use.t.device[0], T1_IOVA, 1, BOTH));
	ASSERT_EQ(0, urgent_begin(&urgent));
	call_begins(&urgent);
	EXPECT_EQ(0, dirty_start(CONTAINER));
	EXPECT_TRUE(gave_turns(&urgent, "tracking starts"));
	call_begins(&urgent);
	EXPECT_EQ(0, dirty_get(CONTAINER, T1_IOVA, size, bitmap, bytes));
	EXPECT_TRUE(gave_turns(&urgent, "dirty bitmap"));
	EXPECT_EQ(1, *bitmap);
	ASSERT_EQ(0, mprotect(bitmap + bytes - PAGE, PAGE, PROT_READ));
	call_begins(&urgent);
	EXPECT_EQ(-EFAULT, dirty_get(CONTAINER, T1_IOVA, size, bitmap, bytes));
	EXPECT_TRUE(gave_turns(&urgent, "dirty bitmap that cannot be written"));
	call_begins(&urgent);
	EXPECT_EQ(0, dirty_stop(CONTAINER));
	EXPECT_TRUE(gave_turns(&urgent, "tracking stops"));
	urgent_end(&urgent);
	if (none)
		EXPECT_EQ(0, write_file(PREEMPT, "voluntary"));
	munmap(bitmap, bytes);
}

/* Which the IOMMU would let a device reach after the driver has freed it */
TEST_F(domains, row_74_memory_of_a_driver)
{
	char *mem;

	ASSERT_EQ(0, join(self, 0));
	ASSERT_EQ(0, join_mdev(self, 0));
	mem = area(self->use.t.device[0], TYPE1_TEST_AREA_OWN, PROT_READ | PROT_WRITE);
	ASSERT_NE(NULL, mem);
	EXPECT_EQ(-EFAULT, dma_map(CONTAINER, mem, ELSEWHERE, AREA * PAGE, T1_RW));
	EXPECT_EQ(-EFAULT, dma_map(CONTAINER, mem, ELSEWHERE, PAGE, T1_READ));
	EXPECT_EQ(0, state(self, 0).mapped);
	munmap(mem, AREA * PAGE);
}

/* A process gives what another has mapped an address of its own, and pays. */
TEST_F(domains, row_6_another_takes_over)
{
	const __u64 size = PAGES * PAGE;
	int status;
	pid_t pid;

	ASSERT_EQ(0, join(self, 0));
	ASSERT_EQ(0, map_some(self, T1_IOVA));
	ASSERT_EQ(size, dma_unmap_flags(CONTAINER, T1_IOVA, size,
					VFIO_DMA_UNMAP_FLAG_VADDR));
	EXPECT_EQ(PAGES, LOCKED(&self->use));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		if (pages_locked())
			_exit(1);
		if (dma_map(CONTAINER, MEM, T1_IOVA, size,
			    VFIO_DMA_MAP_FLAG_VADDR))
			_exit(2);
		_exit(pages_locked() == PAGES ? 0 : 3);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, LOCKED(&self->use));
	EXPECT_EQ(T1_MARK(5), peek(self, 0, T1_IOVA + 5 * PAGE));
	EXPECT_EQ(size, dma_unmap_all(CONTAINER));
	EXPECT_EQ(0, LOCKED(&self->use));
	EXPECT_EQ(0, HELD(&self->use));
}

/*
 * Pages replace memory of a device, which is not charged for, and are pinned; their
 * process exits; and the domain leaves, so that they would be charged for.
 */
TEST_F(domains, row_19_its_process_is_gone)
{
	int status;
	char *mem;
	pid_t pid;

	ASSERT_EQ(0, join(self, 0));
	ASSERT_EQ(0, join_mdev(self, 0));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		mem = area(self->use.t.device[0], TYPE1_TEST_AREA_EAGER,
			   PROT_READ | PROT_WRITE);
		if (!mem || dma_map(CONTAINER, mem, ELSEWHERE, AREA * PAGE, T1_RW))
			_exit(1);
		if (mmap(mem, AREA * PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != mem)
			_exit(2);
		_exit(pin(self->use.t.device[0], ELSEWHERE, 4, BOTH) != 4);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(4, HELD(&self->use));
	leave(self, 0);
	EXPECT_EQ(4, unpin(self->use.t.device[0], ELSEWHERE, 4));
	EXPECT_EQ(0, HELD(&self->use));
	EXPECT_EQ(AREA * PAGE, dma_unmap_all(CONTAINER));
}

/* The device's driver copies from a page, in another thread. */
struct use {
	int device;
	long ret;
	pthread_t thread;
};

#define LATE_PAGE	3

static long use_page(int device, unsigned int page)
{
	__u64 word;
	struct type1_iommu_dma arg = {
		.iova = T1_IOVA + page * PAGE,
		.data = (uintptr_t)&word,
		.len = sizeof(word),
	};

	return file_ioctl(device, TYPE1_IOMMU_RW, &arg);
}

static void *use_thread(void *data)
{
	struct use *use = data;

	use->ret = use_page(use->device, LATE_PAGE);
	return NULL;
}

/* Takes an address away, and gives another; the first alone if it gets that far. */
static void move(data_t *self, __u64 size)
{
	if (dma_unmap_flags(CONTAINER, T1_IOVA, size,
			    VFIO_DMA_UNMAP_FLAG_VADDR) != (long long)size)
		_exit(1);
	if (dma_map(CONTAINER, MEM, T1_IOVA, size, VFIO_DMA_MAP_FLAG_VADDR))
		_exit(2);
	_exit(0);
}

/*
 * A page comes late, and whoever uses an address holds up those who take it away;
 * a process that is killed meanwhile leaves it as it is.
 */
TEST_F(domains, row_56_new_address_beside_an_access)
{
	const __u64 size = AREA * PAGE;
	struct type1 other;
	int dev, i, status;
	struct use use;
	char *late;
	pid_t pid;

	if (stock_differs())
		SKIP(return, "the kernel's has all others wait");
	ASSERT_EQ(0, type1_open(&other, VFIO_TYPE1v2_IOMMU, 1));
	dev = other.device[0];
	late = area(dev, TYPE1_TEST_AREA_LATE, PROT_READ | PROT_WRITE);
	ASSERT_NE(NULL, late);
	ASSERT_EQ(0, join(self, 0));
	ASSERT_EQ(0, dma_map(CONTAINER, late, T1_IOVA, size, T1_RW));
	EXPECT_EQ(AREA, LOCKED(&self->use));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, madvise(late + LATE_PAGE * PAGE, PAGE, MADV_DONTNEED));
		hold_back(dev, true);
		use = (struct use){ .device = self->device[0] };
		ASSERT_EQ(0, pthread_create(&use.thread, NULL, use_thread, &use));
		ASSERT_TRUE(WAIT_FOR(hold_back(dev, true) == 1, SOON));
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid)
			move(self, size);
		/* From now on nobody begins to use it. */
		EXPECT_TRUE(WAIT_FOR(use_page(self->device[0], 0) == -EBUSY, SOON));
		sleep_ms(100);
		EXPECT_EQ(0, waitpid(pid, &status, WNOHANG));
		if (!i) {
			kill(pid, SIGKILL);
			EXPECT_EQ(pid, waitpid(pid, &status, 0));
			EXPECT_TRUE(WIFSIGNALED(status));
		}
		hold_back(dev, false);
		pthread_join(use.thread, NULL);
		EXPECT_EQ(0, use.ret);
		if (!i)
			EXPECT_EQ(0, use_page(self->device[0], 0));
	}
	EXPECT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, LOCKED(&self->use));
	/* What is pinned is the memory of the one that has mapped it. */
	EXPECT_EQ(-EFAULT, use_page(self->device[0], 0));
	EXPECT_EQ(size, dma_unmap_all(CONTAINER));
	munmap(late, size);
	type1_close(&other);
}

TEST_F(domains, interrupts_that_are_not_isolated)
{
	ASSERT_EQ(0, join_group(self, 0));
	ASSERT_EQ(0, type1_parameter("allow_unsafe_interrupts", 0));
	EXPECT_EQ(-EPERM, type1_set_driver(&self->use.t));
	ASSERT_EQ(0, type1_parameter("allow_unsafe_interrupts", 1));
	EXPECT_EQ(0, type1_set_driver(&self->use.t));
}

MDEV_TEST_MAIN(TYPE1_TEST, TYPE1_IOMMU)
