// SPDX-License-Identifier: GPL-2.0-only
/*
 * Unmapping what is pinned: drivers are told, and unpin at once, after a while,
 * or never.
 */
#include "kselftest_harness.h"
#include "type1_fixture.h"

#define BOTH		(TYPE1_TEST_READ | TYPE1_TEST_WRITE)
#define ALL		(T1_PAGES * PAGE)

TEST_F(type1, told_of_what_goes)
{
	const int a = self->use.t.device[0], b = self->use.t.device[1];
	const int fd = self->use.t.container;
	struct type1_test_news told;
	unsigned int i;

	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, dma_map(fd, self->use.mem, T1_IOVA + i * 16 * PAGE,
				     16 * PAGE, T1_RW));
	ASSERT_EQ(2, pin(a, T1_IOVA + 18 * PAGE, 2, BOTH));
	ASSERT_EQ(2, pin(a, T1_IOVA + 18 * PAGE, 2, BOTH));
	ASSERT_EQ(1, pin(b, T1_IOVA + 40 * PAGE, 1, BOTH));

	/* Nothing is pinned in it. */
	EXPECT_EQ(16 * PAGE, dma_unmap(fd, T1_IOVA, 16 * PAGE));
	EXPECT_EQ(0, news(a).unmaps);
	EXPECT_EQ(0, news(b).unmaps);
	EXPECT_EQ(16 * PAGE, dma_unmap(fd, T1_IOVA + 16 * PAGE, 16 * PAGE));
	told = news(a);
	EXPECT_EQ(1, told.unmaps);
	EXPECT_EQ(T1_IOVA + 16 * PAGE, told.iova);
	EXPECT_EQ(16 * PAGE, told.size);
	EXPECT_EQ(4, told.unpinned);
	EXPECT_EQ(0, news(b).unpinned);
	EXPECT_EQ(1, HELD(&self->use));
	EXPECT_EQ(1, LOCKED(&self->use));

	/* Two at once, one of them pinned */
	EXPECT_EQ(32 * PAGE, dma_unmap_all(fd));
	EXPECT_EQ(1, news(b).unpinned);
	EXPECT_EQ(0, HELD(&self->use));
	EXPECT_EQ(-EINVAL, pin(b, T1_IOVA + 40 * PAGE, 1, BOTH));
}

/* One that has left is not told, and one that came is. */
TEST_F(type1, told_while_open)
{
	struct type1 *t = &self->use.t;

	ASSERT_EQ(0, use_map(&self->use));
	ASSERT_EQ(1, pin(t->device[0], T1_IOVA, 1, BOTH));
	ASSERT_EQ(3, pin(t->device[1], T1_IOVA, 3, BOTH));
	type1_leave(t, 0);
	EXPECT_EQ(3, LOCKED(&self->use));
	ASSERT_EQ(0, type1_join(t, 2));
	ASSERT_EQ(1, pin(t->device[2], T1_IOVA + 9 * PAGE, 1, BOTH));
	EXPECT_EQ(ALL, dma_unmap_all(t->container));
	EXPECT_EQ(3, news(t->device[1]).unpinned);
	EXPECT_EQ(1, news(t->device[2]).unpinned);
}

TEST_F(type1, unpins_when_told_again)
{
	const int dev = self->use.t.device[0];

	ASSERT_EQ(0, use_map(&self->use));
	ASSERT_EQ(512, pin(dev, T1_IOVA, 512, BOTH));
	ASSERT_EQ(0, behave(dev, TYPE1_TEST_UNMAP_NTH, 3, false));
	EXPECT_EQ(ALL, dma_unmap(self->use.t.container, T1_IOVA, ALL));
	EXPECT_EQ(3, news(dev).unmaps);
	EXPECT_EQ(0, HELD(&self->use));
	EXPECT_EQ(0, LOCKED(&self->use));
}

/* It has somebody else unpin: the user may have to ask again. */
TEST_F(type1, unpins_late)
{
	const int dev = self->use.t.device[0];
	long long ret;

	if (type1_is_stock())
		SKIP(return, "the kernel's dies: BUG_ON() of the tenth time");
	expect_dmesg("driver vfio_type1_test has not unpinned");
	ASSERT_EQ(0, use_map(&self->use));
	ASSERT_EQ(9, pin(dev, T1_IOVA, 9, BOTH));
	ASSERT_EQ(0, behave(dev, TYPE1_TEST_UNMAP_LATE, 10, false));
	EXPECT_TRUE(WAIT_FOR((ret = dma_unmap_all(self->use.t.container)) ==
			     ALL || ret != -EBUSY, SOON));
	EXPECT_EQ(ALL, ret);
	EXPECT_EQ(0, HELD(&self->use));
}

/* A driver that does not unpin keeps its mapping, and all of the call's. */
TEST_F(type1, row_17_never_unpins)
{
	const int dev = self->use.t.device[0], fd = self->use.t.container;
	int kmsg;

	if (type1_is_stock())
		SKIP(return, "the kernel's dies: BUG_ON() of the tenth time");
	expect_dmesg("driver vfio_type1_test has not unpinned");
	kmsg = kmsg_open();
	ASSERT_EQ(0, dma_map(fd, self->use.mem, T1_IOVA, 16 * PAGE, T1_RW));
	ASSERT_EQ(0, dma_map(fd, self->use.mem, T1_IOVA + 16 * PAGE, 16 * PAGE,
			     T1_RW));
	ASSERT_EQ(4, pin(dev, T1_IOVA + 20 * PAGE, 4, BOTH));
	ASSERT_EQ(0, behave(dev, TYPE1_TEST_UNMAP_IGNORE, 0, false));

	EXPECT_EQ(-EBUSY, dma_unmap(fd, T1_IOVA + 16 * PAGE, 16 * PAGE));
	EXPECT_LT(1, news(dev).unmaps);
	EXPECT_EQ(-EBUSY, dma_unmap(fd, T1_IOVA, 32 * PAGE));
	EXPECT_EQ(-EBUSY, dma_unmap_all(fd));
	EXPECT_EQ(1, kmsg_count(kmsg, "vfio_type1_test has not unpinned"));

	/* Whole */
	EXPECT_EQ(T1_MARK(4), load(dev, T1_IOVA + 20 * PAGE));
	EXPECT_EQ(4, HELD(&self->use));
	EXPECT_EQ(4, LOCKED(&self->use));
	EXPECT_EQ(-EEXIST, dma_map(fd, self->use.mem, T1_IOVA, PAGE, T1_RW));
	EXPECT_EQ(-EEXIST, dma_map(fd, self->use.mem, T1_IOVA + 31 * PAGE, PAGE,
				   T1_RW));
	ASSERT_EQ(32, pin(dev, T1_IOVA, 32, BOTH));
	EXPECT_EQ(32, LOCKED(&self->use));
	EXPECT_EQ(32, unpin(dev, T1_IOVA, 32));
	EXPECT_EQ(4, LOCKED(&self->use));

	/* The one beside it goes, and this one when the driver does its part. */
	EXPECT_EQ(16 * PAGE, dma_unmap(fd, T1_IOVA, 16 * PAGE));
	ASSERT_EQ(0, behave(dev, TYPE1_TEST_UNMAP_UNPIN, 0, false));
	EXPECT_EQ(16 * PAGE, dma_unmap(fd, T1_IOVA, 32 * PAGE));
	EXPECT_EQ(0, HELD(&self->use));
	close(kmsg);
}

/* What cannot be unmapped is dirty still. */
TEST_F(type1, row_17_with_dirty_pages)
{
	const int dev = self->use.t.device[0], fd = self->use.t.container;
	__u64 bitmap[T1_PAGES / 64] = {};

	if (type1_is_stock())
		SKIP(return, "the kernel's dies: BUG_ON() of the tenth time");
	expect_dmesg("driver vfio_type1_test has not unpinned");
	ASSERT_EQ(0, use_map(&self->use));
	ASSERT_EQ(0, dirty_start(fd));
	ASSERT_EQ(1, pin(dev, T1_IOVA + 3 * PAGE, 1, BOTH));
	ASSERT_EQ(0, rw_write(dev, T1_IOVA + 70 * PAGE, "x", 1));
	ASSERT_EQ(0, behave(dev, TYPE1_TEST_UNMAP_IGNORE, 0, false));
	EXPECT_EQ(-EBUSY, dma_unmap_dirty(fd, T1_IOVA, ALL, bitmap,
					  sizeof(bitmap)));
	ASSERT_EQ(0, behave(dev, TYPE1_TEST_UNMAP_UNPIN, 0, false));
	memset(bitmap, 0, sizeof(bitmap));
	EXPECT_EQ(ALL, dma_unmap_dirty(fd, T1_IOVA, ALL, bitmap,
				       sizeof(bitmap)));
	EXPECT_EQ(1 << 3, bitmap[0]);
	EXPECT_EQ(1 << 6, bitmap[1]);
}

/* A bitmap that cannot be written unmaps nothing. */
TEST_F(type1, dirty_pages_that_nobody_reads)
{
	const int dev = self->use.t.device[0], fd = self->use.t.container;
	__u64 bitmap[T1_PAGES / 64] = {};

	ASSERT_EQ(0, use_map(&self->use));
	ASSERT_EQ(0, dirty_start(fd));
	ASSERT_EQ(0, rw_write(dev, T1_IOVA + 70 * PAGE, "x", 1));
	EXPECT_EQ(-EFAULT, dma_unmap_dirty(fd, T1_IOVA, ALL, (void *)8,
					   sizeof(bitmap)));
	EXPECT_EQ(ALL, dma_unmap_dirty(fd, T1_IOVA, ALL, bitmap,
				       sizeof(bitmap)));
	EXPECT_EQ(1 << 6, bitmap[1]);
}

/* A container that goes takes everything with it, and says whose fault it is. */
TEST_F(type1, row_17_container_goes)
{
	const int dev = self->use.t.device[0];
	int kmsg;

	if (type1_is_stock())
		SKIP(return, "the kernel's warns, and does not unpin");
	expect_dmesg("driver vfio_type1_test has not unpinned");
	kmsg = kmsg_open();
	type1_leave(&self->use.t, 1);
	ASSERT_EQ(0, use_map(&self->use));
	ASSERT_EQ(512, pin(dev, T1_IOVA, 512, BOTH));
	ASSERT_EQ(7, pin(dev, T1_IOVA, 7, BOTH));
	ASSERT_EQ(0, behave(dev, TYPE1_TEST_UNMAP_IGNORE, 0, true));
	type1_close(&self->use.t);
	EXPECT_TRUE(WAIT_FOR(!HELD(&self->use), SOON));
	EXPECT_EQ(0, LOCKED(&self->use));
	EXPECT_EQ(1, kmsg_count(kmsg, "vfio_type1_test has not unpinned"));
	close(kmsg);
}

/* The device is closed, its pins stay; the container lives on by another. */
TEST_F(type1, row_17_device_goes)
{
	struct type1 *t = &self->use.t;

	if (type1_is_stock())
		SKIP(return, "the kernel's dies: BUG_ON() of the tenth time");
	expect_dmesg("has not unpinned");
	ASSERT_EQ(0, use_map(&self->use));
	ASSERT_EQ(3, pin(t->device[0], T1_IOVA, 3, BOTH));
	ASSERT_EQ(0, behave(t->device[0], TYPE1_TEST_UNMAP_IGNORE, 0, true));
	type1_leave(t, 0);
	EXPECT_EQ(3, HELD(&self->use));
	EXPECT_EQ(3, LOCKED(&self->use));
	EXPECT_EQ(-EBUSY, dma_unmap_all(t->container));
	ASSERT_EQ(1, pin(t->device[1], T1_IOVA + PAGE, 1, BOTH));
	EXPECT_EQ(1, unpin(t->device[1], T1_IOVA + PAGE, 1));
	EXPECT_EQ(3, LOCKED(&self->use));
	type1_close(t);
	EXPECT_TRUE(WAIT_FOR(!HELD(&self->use), SOON));
}

/* Closed in any order */
TEST_F(type1, container_closed_first)
{
	struct type1 *t = &self->use.t;
	__u64 word;

	ASSERT_EQ(0, use_map(&self->use));
	ASSERT_EQ(8, pin(t->device[0], T1_IOVA, 8, BOTH));
	close(t->container);
	t->container = -1;
	EXPECT_EQ(T1_MARK(3), load(t->device[0], T1_IOVA + 3 * PAGE));
	EXPECT_EQ(8, LOCKED(&self->use));
	close(t->group[0]);
	t->group[0] = -1;
	ASSERT_EQ(1, pin_words(t->device[0], T1_IOVA + 9 * PAGE, 1, BOTH,
			       &word));
	EXPECT_EQ(T1_MARK(9), word);
	type1_leave(t, 1);
	EXPECT_EQ(9, LOCKED(&self->use));
}

/* Everything is pinned, in pages of every form of bookkeeping. */
TEST_F(type1, all_of_it_is_pinned)
{
	const int dev = self->use.t.device[0], fd = self->use.t.container;
	const unsigned int n = 8;
	unsigned int i, j;

	for (i = 0; i < n; i++)
		ASSERT_EQ(0, dma_map(fd, self->use.mem, T1_IOVA + i * ALL, ALL,
				     T1_RW));
	for (i = 0; i < n; i++)
		for (j = 0; j < T1_PAGES; j += 512)
			ASSERT_EQ(512, pin(dev, T1_IOVA + i * ALL + j * PAGE,
					   512, BOTH));
	for (j = 0; j < T1_PAGES; j += 3)
		ASSERT_EQ(1, pin(dev, T1_IOVA + j * PAGE, 1, BOTH));
	EXPECT_EQ(n * T1_PAGES, LOCKED(&self->use));
	EXPECT_EQ(n * T1_PAGES, HELD(&self->use));
	EXPECT_EQ(n * ALL, dma_unmap_all(fd));
	EXPECT_EQ(0, LOCKED(&self->use));
	EXPECT_EQ(0, HELD(&self->use));
}

MDEV_TEST_MAIN(TYPE1_TEST)
