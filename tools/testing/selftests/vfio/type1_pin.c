// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pins, and reads and writes without pins: counts and charges, failures that
 * leave nothing behind, addresses of every kind, callers of every kind.
 */
#include <signal.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "type1_fixture.h"

#define BOTH		(TYPE1_TEST_READ | TYPE1_TEST_WRITE)
#define RO_IOVA		0x80000000ULL

/* What a pin of it adds to its references */
static __u64 refs_of_pin(const struct type1_test_page *page)
{
	return page->flags & TYPE1_TEST_PAGE_LARGE ? 1 : TYPE1_TEST_PIN_REFS;
}

/* Counts */

TEST_F(type1, reads_and_writes_through_it)
{
	const int dev = self->use.t.device[0];
	__u64 pfn[8], word[8];
	unsigned int i;

	ASSERT_EQ(0, use_map(&self->use));
	ASSERT_EQ(8, pin_pfns(dev, T1_IOVA + 5 * PAGE, 8, BOTH, pfn));
	for (i = 0; i < 8; i++)
		EXPECT_EQ(pfn_at(self->use.mem + (5 + i) * PAGE), pfn[i]);
	EXPECT_EQ(8, pin_words(dev, T1_IOVA + 5 * PAGE, 8, BOTH, word));
	for (i = 0; i < 8; i++)
		EXPECT_EQ(T1_MARK(5 + i), word[i]);
	EXPECT_EQ(0, store(dev, T1_IOVA + 6 * PAGE + 64, 42));
	EXPECT_EQ(42, *(__u64 *)(self->use.mem + 6 * PAGE + 64));
	*(__u64 *)(self->use.mem + 7 * PAGE + 64) = 43;
	EXPECT_EQ(43, load(dev, T1_IOVA + 7 * PAGE + 64));
	EXPECT_EQ(8, unpin(dev, T1_IOVA + 5 * PAGE, 8));
	EXPECT_EQ(8, LOCKED(&self->use));
	EXPECT_EQ(8, HELD(&self->use));
}

/* One device, then two: the page stays until the last of its pins is gone. */
TEST_F(type1, row_18_pinned_by_several)
{
	const int a = self->use.t.device[0], b = self->use.t.device[1];
	const __u64 at = T1_IOVA + 9 * PAGE;
	struct type1_test_page before, page;

	ASSERT_EQ(0, use_map(&self->use));
	before = page_at(a, self->use.mem + 9 * PAGE);
	ASSERT_EQ(1, pin(a, at, 1, BOTH));
	ASSERT_EQ(1, pin(a, at, 1, BOTH));
	ASSERT_EQ(1, pin(b, at, 1, TYPE1_TEST_READ));
	page = page_at(a, self->use.mem + 9 * PAGE);
	EXPECT_EQ(before.pfn, page.pfn);
	EXPECT_EQ(before.refs + refs_of_pin(&before), page.refs);
	EXPECT_EQ(1, HELD(&self->use));
	EXPECT_EQ(1, LOCKED(&self->use));

	EXPECT_EQ(1, unpin(a, at, 1));
	EXPECT_EQ(1, unpin(a, at, 1));
	EXPECT_EQ(0, unpin(a, at, 1));
	EXPECT_EQ(1, HELD(&self->use));
	EXPECT_EQ(1, LOCKED(&self->use));
	EXPECT_EQ(T1_MARK(9), load(b, at));
	EXPECT_EQ(1, unpin(b, at, 1));
	EXPECT_EQ(0, HELD(&self->use));
	EXPECT_EQ(0, LOCKED(&self->use));
	page = page_at(a, self->use.mem + 9 * PAGE);
	EXPECT_EQ(before.refs, page.refs);
}

/* More often than any small counter holds, and all of it given back. */
TEST_F(type1, thousands_of_times)
{
	const int dev = self->use.t.device[0];
	const unsigned int times = 3000;
	unsigned int i;

	ASSERT_EQ(0, use_map(&self->use));
	for (i = 0; i < times; i++)
		ASSERT_EQ(3, pin(dev, T1_IOVA + PAGE, 3, BOTH));
	EXPECT_EQ(times, pins_of(dev, T1_IOVA + PAGE));
	EXPECT_EQ(3, HELD(&self->use));
	EXPECT_EQ(3, LOCKED(&self->use));
	for (i = 0; i < times; i++)
		ASSERT_EQ(3, unpin(dev, T1_IOVA + PAGE, 3));
	EXPECT_EQ(0, HELD(&self->use));
	EXPECT_EQ(0, LOCKED(&self->use));
}

/* The same memory mapped twice is pinned and charged by where it is mapped. */
TEST_F(type1, charged_by_iova)
{
	const int dev = self->use.t.device[0];
	struct type1_test_page before;

	ASSERT_EQ(0, use_map(&self->use));
	ASSERT_EQ(0, dma_map(self->use.t.container, self->use.mem, RO_IOVA,
			     PAGE, T1_READ));
	before = page_at(dev, self->use.mem);
	ASSERT_EQ(1, pin(dev, T1_IOVA, 1, BOTH));
	ASSERT_EQ(1, pin(dev, RO_IOVA, 1, TYPE1_TEST_READ));
	EXPECT_EQ(2, LOCKED(&self->use));
	EXPECT_EQ(before.refs + 2 * refs_of_pin(&before),
		  page_at(dev, self->use.mem).refs);
	EXPECT_EQ(1, unpin(dev, T1_IOVA, 1));
	EXPECT_EQ(1, LOCKED(&self->use));
	EXPECT_EQ(T1_MARK(0), load(dev, RO_IOVA));
}

/* All kinds of patterns, unpinned in another order */
TEST_F(type1, patterns)
{
	static const unsigned int stride[] = { 1, 2, 3, 7, 16, 512 };
	const int dev = self->use.t.device[0];
	unsigned int s, i, n;

	ASSERT_EQ(0, use_map(&self->use));
	for (s = 0; s < ARRAY_LEN(stride); s++) {
		n = 0;
		for (i = 0; i < T1_PAGES; i += stride[s], n++)
			ASSERT_EQ(1, pin(dev, T1_IOVA + i * PAGE, 1, BOTH));
		EXPECT_EQ(n, HELD(&self->use));
		EXPECT_EQ(n, LOCKED(&self->use));
		for (i = 0; i < T1_PAGES; i += stride[s])
			ASSERT_EQ(T1_MARK(i), load(dev, T1_IOVA + i * PAGE));
		/* Around those that are pinned */
		ASSERT_EQ(T1_MAX_PIN, pin(dev, T1_IOVA + 100 * PAGE,
					  T1_MAX_PIN, BOTH));
		for (i = 0; i < T1_PAGES; i += stride[s])
			ASSERT_EQ(1, unpin(dev, T1_IOVA + i * PAGE, 1));
		EXPECT_EQ(T1_MAX_PIN, HELD(&self->use));
		EXPECT_EQ(T1_MAX_PIN, LOCKED(&self->use));
		for (i = 0; i < T1_MAX_PIN; i++)
			ASSERT_EQ(1, unpin(dev, T1_IOVA + (100 + T1_MAX_PIN -
					   1 - i) * PAGE, 1));
		EXPECT_EQ(0, HELD(&self->use));
		EXPECT_EQ(0, LOCKED(&self->use));
	}
}

TEST_F(type1, across_mappings)
{
	const int dev = self->use.t.device[0];
	__u64 word[64];
	unsigned int i;

	/* Each page of memory is mapped at the mirror of its place. */
	for (i = 0; i < 64; i++)
		ASSERT_EQ(0, dma_map(self->use.t.container,
				     self->use.mem + (63 - i) * PAGE,
				     T1_IOVA + i * PAGE, PAGE, T1_RW));
	ASSERT_EQ(64, pin_words(dev, T1_IOVA, 64, BOTH, word));
	for (i = 0; i < 64; i++)
		EXPECT_EQ(T1_MARK(63 - i), word[i]);
	EXPECT_EQ(64, LOCKED(&self->use));
	EXPECT_EQ(64 * PAGE, dma_unmap(self->use.t.container, T1_IOVA,
				       64 * PAGE));
	EXPECT_EQ(0, HELD(&self->use));
}

/* Failures */

TEST_F(type1, numbers_of_pages)
{
	const int dev = self->use.t.device[0];

	ASSERT_EQ(0, use_map(&self->use));
	EXPECT_EQ(-EINVAL, pin(dev, T1_IOVA, 0, BOTH));
	EXPECT_EQ(T1_MAX_PIN, pin(dev, T1_IOVA, T1_MAX_PIN, BOTH));
	EXPECT_EQ(T1_MAX_PIN, unpin(dev, T1_IOVA, T1_MAX_PIN));
}

/* All of it or nothing, and what was pinned before stays. */
TEST_F(type1, holes)
{
	const int dev = self->use.t.device[0];
	const int fd = self->use.t.container;

	ASSERT_EQ(0, dma_map(fd, self->use.mem, T1_IOVA, 8 * PAGE, T1_RW));
	ASSERT_EQ(0, dma_map(fd, self->use.mem, T1_IOVA + 9 * PAGE, 8 * PAGE,
			     T1_RW));
	ASSERT_EQ(2, pin(dev, T1_IOVA + 6 * PAGE, 2, BOTH));
	EXPECT_EQ(-EINVAL, pin(dev, T1_IOVA, 17, BOTH));
	EXPECT_EQ(-EINVAL, pin(dev, T1_IOVA + 7 * PAGE, 2, BOTH));
	EXPECT_EQ(-EINVAL, pin(dev, T1_IOVA + 8 * PAGE, 1, BOTH));
	EXPECT_EQ(-EINVAL, pin(dev, T1_IOVA + 16 * PAGE, 2, BOTH));
	EXPECT_EQ(-EINVAL, pin(dev, T1_IOVA - PAGE, 2, BOTH));
	EXPECT_EQ(-EINVAL, pin(dev, 0, 1, BOTH));
	EXPECT_EQ(2, HELD(&self->use));
	EXPECT_EQ(2, LOCKED(&self->use));
	EXPECT_EQ(2, unpin(dev, T1_IOVA + 6 * PAGE, 2));
	EXPECT_EQ(0, HELD(&self->use));
}

TEST_F(type1, permissions)
{
	const int dev = self->use.t.device[0];
	const int fd = self->use.t.container;

	ASSERT_EQ(0, dma_map(fd, self->use.mem, T1_IOVA, PAGE, T1_RW));
	ASSERT_EQ(0, dma_map(fd, self->use.mem, T1_IOVA + PAGE, PAGE, T1_READ));
	ASSERT_EQ(0, dma_map(fd, self->use.mem, T1_IOVA + 2 * PAGE, PAGE,
			     T1_WRITE));
	EXPECT_EQ(-EPERM, pin(dev, T1_IOVA, 2, BOTH));
	EXPECT_EQ(-EPERM, pin(dev, T1_IOVA, 2, TYPE1_TEST_WRITE));
	EXPECT_EQ(-EPERM, pin(dev, T1_IOVA, 3, TYPE1_TEST_READ));
	EXPECT_EQ(-EPERM, pin(dev, T1_IOVA + 2 * PAGE, 1, BOTH));
	EXPECT_EQ(0, HELD(&self->use));
	EXPECT_EQ(2, pin(dev, T1_IOVA, 2, TYPE1_TEST_READ));
	EXPECT_EQ(1, pin(dev, T1_IOVA + 2 * PAGE, 1, TYPE1_TEST_WRITE));
	EXPECT_EQ(3, LOCKED(&self->use));
}

/* The address of the user's that a mapping names may be anything. */
TEST_F(type1, row_7_no_memory_there)
{
	const int dev = self->use.t.device[0];
	const int fd = self->use.t.container;
	char *mem = marked_memory(3);

	ASSERT_EQ(0, munmap(mem + PAGE, PAGE));
	ASSERT_EQ(0, dma_map(fd, mem, T1_IOVA, 3 * PAGE, T1_RW));
	EXPECT_EQ(-EFAULT, pin(dev, T1_IOVA + PAGE, 1, BOTH));
	EXPECT_EQ(-EFAULT, pin(dev, T1_IOVA + PAGE, 1, TYPE1_TEST_READ));
	EXPECT_EQ(-EFAULT, pin(dev, T1_IOVA, 3, BOTH));
	EXPECT_EQ(-EFAULT, pin(dev, T1_IOVA + PAGE, 2, BOTH));
	EXPECT_EQ(0, HELD(&self->use));
	EXPECT_EQ(0, LOCKED(&self->use));
	ASSERT_EQ(1, pin(dev, T1_IOVA, 1, BOTH));
	EXPECT_EQ(-EFAULT, pin(dev, T1_IOVA, 2, BOTH));
	EXPECT_EQ(1, HELD(&self->use));
	EXPECT_EQ(1, LOCKED(&self->use));
	EXPECT_EQ(1, pin(dev, T1_IOVA + 2 * PAGE, 1, BOTH));
}

/* No page and no error is no success, and nothing to try for ever. */
TEST_F(type1, row_9_no_page)
{
	const int dev = self->use.t.device[0], fd = self->use.t.container;
	char *mem = area(dev, TYPE1_TEST_AREA_NONE,
			 PROT_READ | PROT_WRITE);
	unsigned int n, faults;
	int status;
	pid_t pid;

	if (!none_is_no_error())
		SKIP(return, "this kernel's own functions warn, and answer EFAULT");
	if (type1_is_stock())
		SKIP(return, "the kernel's takes none for one");
	ASSERT_NE(NULL, mem);
	ASSERT_EQ(0, dma_map(fd, self->use.mem, T1_IOVA - 8 * PAGE, 8 * PAGE,
			     T1_RW));
	ASSERT_EQ(0, dma_map(fd, mem, T1_IOVA, AREA * PAGE, T1_RW));
	/* What a kernel thread tries without a fault counts for none */
	for (n = 1; n <= 3; n++) {
		EXPECT_EQ(-EFAULT, pin_in(dev, TYPE1_TEST_KTHREAD, T1_IOVA, n,
					  BOTH));
		/* A page by itself is tried in two ways. */
		faults = news(dev).faults;
		EXPECT_LE(1, faults);
		EXPECT_GE(n == 1 ? 2 : 1, faults);
	}
	/* Behind pages that there are */
	EXPECT_EQ(-EFAULT, pin_in(dev, TYPE1_TEST_KTHREAD, T1_IOVA - 2 * PAGE,
				  3, TYPE1_TEST_READ));
	EXPECT_EQ(1, news(dev).faults);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(pin(dev, T1_IOVA - 8 * PAGE, 8 + AREA, BOTH) != -EFAULT);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(1, news(dev).faults);
	/* Our own memory: some kernels offer to try again. */
	EXPECT_EQ(-EFAULT, pin(dev, T1_IOVA, AREA, BOTH));
	EXPECT_GE(1, news(dev).faults);
	EXPECT_EQ(0, HELD(&self->use));
	EXPECT_EQ(0, LOCKED(&self->use));
	EXPECT_EQ(8, pin(dev, T1_IOVA - 8 * PAGE, 8, BOTH));
	EXPECT_EQ((8 + AREA) * PAGE, dma_unmap_all(fd));
	munmap(mem, AREA * PAGE);
}

#define UNREAD	"unread"

/* What the caller gave, or zeros where a copy that failed wiped it */
static bool unread(const char *buf)
{
	static const char zeros[16];

	return !strcmp(buf, UNREAD) || !memcmp(buf, zeros, sizeof(zeros));
}

/* Where user addresses end, and where those of the kernel do */
TEST_F(type1, row_4_addresses_near_the_top)
{
	const __u64 end = user_end(), kernel = kernel_address();
	const __u64 vaddr[] = {
		end - 2 * PAGE, end - PAGE, end, kernel,
		0xffffffffff600000ULL, 0xffffffff81000000ULL,
		T1_LAST_PAGE - PAGE, T1_LAST_PAGE - 16 * PAGE, T1_LAST_PAGE,
	};
	const int dev = self->use.t.device[0];
	const int fd = self->use.t.container;
	char buf[16] = UNREAD;
	unsigned int i, n;

	for (i = 0; i < ARRAY_LEN(vaddr); i++) {
		n = -vaddr[i] / PAGE > 16 ? 16 : -vaddr[i] / PAGE;
		ASSERT_EQ(0, dma_map(fd, (void *)(uintptr_t)vaddr[i], T1_IOVA,
				     n * PAGE, T1_RW));
		EXPECT_GT(0, pin(dev, T1_IOVA, 1, TYPE1_TEST_READ));
		EXPECT_GT(0, pin(dev, T1_IOVA, n, BOTH));
		EXPECT_GT(0, pin(dev, T1_IOVA + (n - 1) * PAGE, 1, BOTH));
		EXPECT_EQ(-EFAULT, rw_read(dev, T1_IOVA, buf, sizeof(buf)));
		EXPECT_EQ(-EFAULT, rw_write(dev, T1_IOVA, buf, sizeof(buf)));
		EXPECT_TRUE(unread(buf));
		EXPECT_EQ(0, HELD(&self->use));
		EXPECT_EQ(n * PAGE, dma_unmap_all(fd));
		/* What follows the last address is not the first. */
		EXPECT_EQ(beyond_the_top(),
			  dma_map(fd, (void *)(uintptr_t)vaddr[i], T1_IOVA,
				  -vaddr[i] + PAGE, T1_RW));
	}
}

/* A page is the one that its address lies in, wherever in it that is. */
TEST_F(type1, row_15_unaligned)
{
	const int dev = self->use.t.device[0];
	const __u64 at = T1_IOVA;
	__u64 word[2];

	if (stock_differs())
		SKIP(return, "an unaligned address is one more page to the kernel's");
	ASSERT_EQ(0, dma_map(self->use.t.container, self->use.mem, at,
			     4 * PAGE, T1_RW));
	ASSERT_EQ(1, pin(dev, at + PAGE + 1, 1, BOTH));
	ASSERT_EQ(1, pin(dev, at + PAGE, 1, BOTH));
	ASSERT_EQ(1, pin(dev, at + 2 * PAGE - 1, 1, BOTH));
	EXPECT_EQ(1, LOCKED(&self->use));
	EXPECT_EQ(1, HELD(&self->use));
	ASSERT_EQ(2, pin_words(dev, at + PAGE + 2048, 2, BOTH, word));
	EXPECT_EQ(T1_MARK(1), word[0]);
	EXPECT_EQ(T1_MARK(2), word[1]);
	EXPECT_EQ(2, LOCKED(&self->use));
	EXPECT_EQ(1, unpin(dev, at + PAGE + 7, 1));
	EXPECT_EQ(1, unpin(dev, at + PAGE, 1));
	EXPECT_EQ(2, unpin(dev, at + PAGE + 4095, 2));
	EXPECT_EQ(1, LOCKED(&self->use));
	EXPECT_EQ(1, unpin(dev, at + PAGE, 1));
	EXPECT_EQ(0, LOCKED(&self->use));
	EXPECT_EQ(0, HELD(&self->use));

	/* Neither end of the mapping gives. */
	EXPECT_EQ(-EINVAL, pin(dev, at - 1, 1, BOTH));
	EXPECT_EQ(-EINVAL, pin(dev, at - 2048, 1, BOTH));
	EXPECT_EQ(-EINVAL, pin(dev, at - 1, 2, BOTH));
	EXPECT_EQ(1, pin(dev, at + 4 * PAGE - 1, 1, BOTH));
	EXPECT_EQ(-EINVAL, pin(dev, at + 4 * PAGE - 1, 2, BOTH));
	EXPECT_EQ(-EINVAL, pin(dev, at + 4 * PAGE + 1, 1, BOTH));
	EXPECT_EQ(1, LOCKED(&self->use));
	EXPECT_EQ(1, unpin(dev, at + 3 * PAGE, 1));
	EXPECT_EQ(0, HELD(&self->use));
}

/* Adjacent pairs, so that what is beside a pin must not go with it */
TEST_F(type1, row_15_pairs)
{
	const int dev = self->use.t.device[0];
	unsigned int i;

	ASSERT_EQ(0, use_map(&self->use));
	for (i = 0; i + 1 < 64; i++)
		ASSERT_EQ(2, pin(dev, T1_IOVA + i * PAGE, 2, BOTH));
	EXPECT_EQ(64, LOCKED(&self->use));
	for (i = 0; i + 1 < 64; i++) {
		ASSERT_EQ(2, unpin(dev, T1_IOVA + i * PAGE, 2));
		EXPECT_EQ(63 - i - (i == 62), LOCKED(&self->use));
	}
	EXPECT_EQ(0, HELD(&self->use));
}

/* Memory that is not counted */

/* What nobody ever wrote is one page for all, until it is written. */
TEST_F(type1, row_5_zero_page)
{
	const int dev = self->use.t.device[0];
	const unsigned int times = 200;
	struct type1_test_page zero, after;
	char *fresh, *look;
	unsigned int i;
	bool own;

	fresh = fresh_memory(T1_MAX_PIN, PROT_READ);
	look = fresh_memory(1, PROT_READ);
	/* The large page of zeros is another, and is pinned as any. */
	madvise(fresh, T1_MAX_PIN * PAGE, MADV_NOHUGEPAGE);
	madvise(look, PAGE, MADV_NOHUGEPAGE);
	zero = page_at(dev, look);
	ASSERT_TRUE(zero.flags & TYPE1_TEST_PAGE_ZERO);
	ASSERT_EQ(0, dma_map(self->use.t.container, fresh, T1_IOVA,
			     T1_MAX_PIN * PAGE, T1_READ));
	for (i = 0; i < times / 10; i++) {
		ASSERT_EQ(T1_MAX_PIN, pin(dev, T1_IOVA, T1_MAX_PIN,
					  TYPE1_TEST_READ));
		EXPECT_EQ(0, load(dev, T1_IOVA));
		/* Later kernels give the mapping a page of its own for each then. */
		own = !(page_at(dev, fresh).flags & TYPE1_TEST_PAGE_ZERO);
		EXPECT_EQ(own ? T1_MAX_PIN : 0, HELD(&self->use));
		EXPECT_EQ(own ? T1_MAX_PIN : 0, LOCKED(&self->use));
		ASSERT_EQ(T1_MAX_PIN, unpin(dev, T1_IOVA, T1_MAX_PIN));
	}
	/* One by itself goes another way. */
	for (i = 0; i < times; i++) {
		ASSERT_EQ(1, pin(dev, T1_IOVA + i * PAGE, 1, TYPE1_TEST_READ));
		ASSERT_EQ(1, pin(dev, T1_IOVA + i * PAGE, 1, TYPE1_TEST_READ));
		ASSERT_EQ(2, unpin(dev, T1_IOVA + i * PAGE, 1) +
			  unpin(dev, T1_IOVA + i * PAGE, 1));
	}
	after = page_at(dev, look);
	EXPECT_EQ(zero.pfn, after.pfn);
	EXPECT_EQ(zero.refs, after.refs);
	EXPECT_EQ(0, HELD(&self->use));
	EXPECT_EQ(0, LOCKED(&self->use));
}

FIXTURE(pfnmap) {
	struct type1_use use;
};

FIXTURE_VARIANT(pfnmap) {
	unsigned long which;
};

FIXTURE_VARIANT_ADD(pfnmap, eager) {
	.which = TYPE1_TEST_AREA_EAGER,
};

FIXTURE_VARIANT_ADD(pfnmap, lazy) {
	.which = TYPE1_TEST_AREA_LAZY,
};

FIXTURE_SETUP(pfnmap)
{
	ASSERT_EQ(0, use_begin(&self->use, 1));
}

FIXTURE_TEARDOWN(pfnmap)
{
	use_end(&self->use);
	EXPECT_EQ(0, HELD(&self->use));
	EXPECT_EQ(0, LOCKED(&self->use));
}

/* What a device may have changed */
static __u64 seen(const void *word)
{
	return __atomic_load_n((const __u64 *)word, __ATOMIC_RELAXED);
}

/* The right pages, from the middle of the area on */
TEST_F(pfnmap, row_10_right_page)
{
	const int dev = self->use.t.device[0];
	char *mem = area(dev, variant->which, PROT_READ | PROT_WRITE);
	__u64 word[AREA - 5];
	unsigned int i;

	ASSERT_NE(NULL, mem);
	ASSERT_EQ(0, dma_map(self->use.t.container, mem + 5 * PAGE, T1_IOVA,
			     (AREA - 5) * PAGE, T1_RW));
	ASSERT_EQ(1, pin_words(dev, T1_IOVA + 4 * PAGE, 1, BOTH, word));
	EXPECT_EQ(TYPE1_TEST_AREA_WORD + 9, word[0]);
	ASSERT_EQ(AREA - 5, pin_words(dev, T1_IOVA, AREA - 5, BOTH, word));
	for (i = 0; i < AREA - 5; i++)
		EXPECT_EQ(TYPE1_TEST_AREA_WORD + 5 + i, word[i]);
	EXPECT_EQ(0, store(dev, T1_IOVA + PAGE + 128, 99));
	EXPECT_EQ(99, seen(mem + 6 * PAGE + 128));
	EXPECT_EQ(0, HELD(&self->use));
	EXPECT_EQ(0, LOCKED(&self->use));
	EXPECT_EQ(AREA - 5, unpin(dev, T1_IOVA, AREA - 5));
	EXPECT_EQ(TYPE1_TEST_AREA_WORD + 9, load(dev, T1_IOVA + 4 * PAGE));
}

TEST_F(pfnmap, row_10_permissions)
{
	const int dev = self->use.t.device[0];
	char *mem = area(dev, variant->which, PROT_READ);

	ASSERT_NE(NULL, mem);
	ASSERT_EQ(0, dma_map(self->use.t.container, mem, T1_IOVA, AREA * PAGE,
			     T1_RW));
	EXPECT_EQ(-EFAULT, pin(dev, T1_IOVA, 1, BOTH));
	EXPECT_EQ(-EFAULT, pin(dev, T1_IOVA + 3 * PAGE, 4, BOTH));
	EXPECT_EQ(AREA * PAGE, dma_unmap_all(self->use.t.container));
	ASSERT_EQ(0, dma_map(self->use.t.container, mem, T1_IOVA, AREA * PAGE,
			     T1_READ));
	EXPECT_EQ(AREA, pin(dev, T1_IOVA, AREA, TYPE1_TEST_READ));
}

TEST_F(pfnmap, row_30_not_charged)
{
	const int dev = self->use.t.device[0];
	char *mem = area(dev, variant->which, PROT_READ | PROT_WRITE);

	ASSERT_NE(NULL, mem);
	ASSERT_EQ(0, drop_ipc_lock());
	ASSERT_EQ(0, limit_memlock(2));
	ASSERT_EQ(0, dma_map(self->use.t.container, mem, T1_IOVA, AREA * PAGE,
			     T1_RW));
	EXPECT_EQ(AREA, pin(dev, T1_IOVA, AREA, BOTH));
	EXPECT_EQ(0, LOCKED(&self->use));
	EXPECT_EQ(AREA, unpin(dev, T1_IOVA, AREA));
	EXPECT_EQ(0, LOCKED(&self->use));
}

/* No page, no pin */
TEST_F(type1, row_10_no_memory_behind_it)
{
	const int dev = self->use.t.device[0];
	char *mem = area(dev, TYPE1_TEST_AREA_IO, PROT_READ | PROT_WRITE);

	if (!mem)
		SKIP(return, "no such place on this machine");
	ASSERT_EQ(0, dma_map(self->use.t.container, mem, T1_IOVA, AREA * PAGE,
			     T1_RW));
	EXPECT_EQ(-EINVAL, pin(dev, T1_IOVA, 1, BOTH));
	EXPECT_EQ(-EINVAL, pin(dev, T1_IOVA, AREA, TYPE1_TEST_READ));
	EXPECT_EQ(0, HELD(&self->use));
	EXPECT_EQ(0, LOCKED(&self->use));
}

/* Beyond what is kept of a page's number. The page before has no memory behind it. */
TEST_F(type1, page_beyond_those_that_are_numbered)
{
	const int dev = self->use.t.device[0];
	char *mem = area(dev, TYPE1_TEST_AREA_FAR, PROT_READ | PROT_WRITE);

	if (!mem)
		SKIP(return, "the page tables of this machine do not go so far");
	ASSERT_EQ(0, dma_map(self->use.t.container, mem, T1_IOVA, AREA * PAGE,
			     T1_RW));
	EXPECT_EQ(-EINVAL, pin(dev, T1_IOVA, 1, TYPE1_TEST_READ));
	EXPECT_EQ(-EFAULT, pin(dev, T1_IOVA + PAGE, 1, BOTH));
	EXPECT_EQ(-EFAULT, pin(dev, T1_IOVA + PAGE, AREA - 1, TYPE1_TEST_READ));
	EXPECT_EQ(0, HELD(&self->use));
	EXPECT_EQ(0, LOCKED(&self->use));
}

/* A driver's own memory: it could be freed under a pin, which does not hold it. */
TEST_F(type1, row_74_memory_of_a_driver)
{
	const int dev = self->use.t.device[0];
	char *mem = area(dev, TYPE1_TEST_AREA_OWN, PROT_READ | PROT_WRITE);
	enum type1_test_context context;

	ASSERT_NE(NULL, mem);
	ASSERT_EQ(0, dma_map(self->use.t.container, mem, T1_IOVA, AREA * PAGE,
			     T1_RW));
	ASSERT_EQ(0, dma_map(self->use.t.container, mem, RO_IOVA, AREA * PAGE,
			     T1_READ));
	for (context = 0; context < TYPE1_TEST_CONTEXTS; context++) {
		EXPECT_EQ(-EFAULT, pin_in(dev, context, T1_IOVA, 1, BOTH));
		EXPECT_EQ(-EFAULT, pin_in(dev, context, T1_IOVA, AREA, BOTH));
		EXPECT_EQ(-EFAULT, pin_in(dev, context, RO_IOVA + PAGE, 1,
					  TYPE1_TEST_READ));
	}
	EXPECT_EQ(0, HELD(&self->use));
	EXPECT_EQ(0, LOCKED(&self->use));
}

/* Who pins, reads and writes */

TEST_F(type1, from_kernel_threads)
{
	const int dev = self->use.t.device[0];
	enum type1_test_context context;

	ASSERT_EQ(0, use_map(&self->use));
	for (context = 0; context < TYPE1_TEST_CONTEXTS; context++) {
		ASSERT_EQ(T1_MAX_PIN, pin_in(dev, context, T1_IOVA, T1_MAX_PIN,
					     BOTH));
		EXPECT_EQ(T1_MARK(77), load(dev, T1_IOVA + 77 * PAGE));
		EXPECT_EQ(T1_MAX_PIN, LOCKED(&self->use));
		EXPECT_EQ(T1_MAX_PIN, unpin(dev, T1_IOVA, T1_MAX_PIN));
		EXPECT_EQ(0, LOCKED(&self->use));
		EXPECT_EQ(-EINVAL, pin_in(dev, context, 0, 1, BOTH));
	}
}

/* The memory is that of who mapped it, whoever asks. */
TEST_F(type1, from_another_process)
{
	const int dev = self->use.t.device[0];
	int status;
	pid_t pid;

	ASSERT_EQ(0, use_map(&self->use));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		mark_memory(self->use.mem + PAGE, T1_PAGES - 1);
		if (pin(dev, T1_IOVA, 8, BOTH) != 8)
			_exit(1);
		if (load(dev, T1_IOVA + 7 * PAGE) != T1_MARK(7))
			_exit(2);
		if (pages_locked())
			_exit(3);
		_exit(0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(8, LOCKED(&self->use));
	EXPECT_EQ(8, unpin(dev, T1_IOVA, 8));
}

TEST_F(type1, rw)
{
	const size_t lens[] = { 1, 8, 63, PAGE, PAGE + 1, 16 * PAGE, 1 << 20 };
	const int dev = self->use.t.device[0];
	char *mem = self->use.mem, *buf = malloc(2 << 20);
	enum type1_test_context context;
	unsigned int i;

	ASSERT_EQ(0, use_map(&self->use));
	for (context = 0; context < TYPE1_TEST_CONTEXTS; context++) {
		for (i = 0; i < ARRAY_LEN(lens); i++) {
			EXPECT_EQ(0, rw_in(dev, context, T1_IOVA + PAGE - 6, buf,
					   lens[i], false));
			EXPECT_EQ(0, memcmp(mem + PAGE - 6, buf, lens[i]));
			memset(buf, context + i + 1, lens[i]);
			EXPECT_EQ(0, rw_in(dev, context, T1_IOVA + PAGE - 6, buf,
					   lens[i], true));
			EXPECT_EQ(0, memcmp(mem + PAGE - 6, buf, lens[i]));
		}
	}
	EXPECT_EQ(0, HELD(&self->use));
	EXPECT_EQ(0, LOCKED(&self->use));
	free(buf);
}

TEST_F(type1, rw_across_mappings)
{
	const int dev = self->use.t.device[0];
	const int fd = self->use.t.container;
	char buf[4 * PAGE];

	ASSERT_EQ(0, dma_map(fd, self->use.mem + PAGE, T1_IOVA, PAGE, T1_RW));
	ASSERT_EQ(0, dma_map(fd, self->use.mem, T1_IOVA + PAGE, PAGE, T1_RW));
	ASSERT_EQ(0, dma_map(fd, self->use.mem + 2 * PAGE, T1_IOVA + 2 * PAGE,
			     PAGE, T1_READ));
	ASSERT_EQ(0, rw_read(dev, T1_IOVA, buf, 3 * PAGE));
	EXPECT_EQ(T1_MARK(1), *(__u64 *)buf);
	EXPECT_EQ(T1_MARK(0), *(__u64 *)(buf + PAGE));
	EXPECT_EQ(T1_MARK(2), *(__u64 *)(buf + 2 * PAGE));
	EXPECT_EQ(0, rw_write(dev, T1_IOVA + 100, buf, PAGE));
	EXPECT_EQ(T1_MARK(1), *(__u64 *)(self->use.mem + PAGE + 100));

	EXPECT_EQ(-EPERM, rw_write(dev, T1_IOVA + 2 * PAGE, buf, 8));
	EXPECT_EQ(-EPERM, rw_write(dev, T1_IOVA + 2 * PAGE - 8, buf, 16));
	EXPECT_EQ(T1_MARK(2), *(__u64 *)(self->use.mem + 2 * PAGE));
	EXPECT_EQ(-EINVAL, rw_read(dev, T1_IOVA + 3 * PAGE, buf, 1));
	EXPECT_EQ(-EINVAL, rw_read(dev, T1_IOVA + 2 * PAGE, buf, PAGE + 1));
	EXPECT_EQ(-EINVAL, rw_read(dev, 0, buf, 1));
	/* What cannot be read cannot be written either: no more, no less. */
	ASSERT_EQ(0, dma_map(fd, self->use.mem + 3 * PAGE, T1_IOVA + 3 * PAGE,
			     PAGE, T1_WRITE));
	EXPECT_EQ(-EPERM, rw_read(dev, T1_IOVA + 3 * PAGE, buf, 8));
}

/* Memory that is there, and that its process may not even read */
TEST_F(type1, no_access)
{
	const int dev = self->use.t.device[0];
	char *mem = self->use.mem;
	enum type1_test_context context;

	ASSERT_EQ(0, dma_map(self->use.t.container, mem, T1_IOVA, 16 * PAGE, T1_READ));
	ASSERT_EQ(0, mprotect(mem + 4 * PAGE, 4 * PAGE, PROT_NONE));
	for (context = 0; context < TYPE1_TEST_CONTEXTS; context++) {
		EXPECT_EQ(-EFAULT, pin_in(dev, context, T1_IOVA + 4 * PAGE, 1,
					  TYPE1_TEST_READ));
		EXPECT_EQ(-EFAULT, pin_in(dev, context, T1_IOVA + 4 * PAGE, 4,
					  TYPE1_TEST_READ));
		EXPECT_EQ(-EFAULT, pin_in(dev, context, T1_IOVA, 16, TYPE1_TEST_READ));
	}
	EXPECT_EQ(0, HELD(&self->use));
	ASSERT_EQ(0, mprotect(mem + 4 * PAGE, 4 * PAGE, PROT_READ));
	EXPECT_EQ(16, pin(dev, T1_IOVA, 16, TYPE1_TEST_READ));
	EXPECT_EQ(T1_MARK(5), load(dev, T1_IOVA + 5 * PAGE));
	EXPECT_EQ(16, unpin(dev, T1_IOVA, 16));
	ASSERT_EQ(0, mprotect(mem + 4 * PAGE, 4 * PAGE, PROT_READ | PROT_WRITE));
}

/* Only the memory of the process that mapped it, and only what it may see */
TEST_F(type1, row_11_other_memory)
{
	const __u64 kernel[] = {
		kernel_address(), 0xffff888000000000ULL, 0xffffffff81000000ULL,
		0xffffffffff600000ULL, T1_LAST_PAGE - PAGE,
	};
	const int dev = self->use.t.device[0];
	const int fd = self->use.t.container;
	enum type1_test_context context;
	char buf[16] = UNREAD;
	int status, ret;
	unsigned int i;
	pid_t pid;

	for (i = 0; i < ARRAY_LEN(kernel); i++) {
		ASSERT_EQ(0, dma_map(fd, (void *)(uintptr_t)kernel[i], T1_IOVA,
				     PAGE, T1_RW));
		for (context = 0; context < TYPE1_TEST_CONTEXTS; context++) {
			EXPECT_EQ(-EFAULT, rw_in(dev, context, T1_IOVA, buf,
						 sizeof(buf), false));
			EXPECT_TRUE(unread(buf));
			EXPECT_EQ(-EFAULT, rw_in(dev, context, T1_IOVA, buf,
						 sizeof(buf), true));
		}
		EXPECT_EQ(PAGE, dma_unmap_all(fd));
	}

	ASSERT_EQ(0, use_map(&self->use));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		ret = rw_read(dev, T1_IOVA, buf, sizeof(buf));
		if ((ret != -EFAULT && ret != -EPERM) || !unread(buf))
			_exit(1);
		ret = rw_write(dev, T1_IOVA, buf, sizeof(buf));
		if (ret != -EFAULT && ret != -EPERM)
			_exit(2);
		/* Nor a kernel thread that has this process' memory */
		ret = rw_in(dev, TYPE1_TEST_KTHREAD_MM, T1_IOVA, buf,
			    sizeof(buf), false);
		if ((ret != -EFAULT && ret != -EPERM) || !unread(buf))
			_exit(3);
		/* One without any has that of the mapping. */
		ret = rw_in(dev, TYPE1_TEST_KTHREAD, T1_IOVA, buf, 8, false);
		_exit(ret || *(__u64 *)buf != T1_MARK(0) ? 4 : 0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(T1_MARK(0), *(__u64 *)self->use.mem);
}

MDEV_TEST_MAIN(TYPE1_TEST)
