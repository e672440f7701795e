// SPDX-License-Identifier: GPL-2.0-only
/*
 * Unmapping what is pinned: drivers are told, and unpin at once, after a while,
 * or never. And calls that wait for each other, are refused, or killed.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>

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

/* Calls that wait for each other: an access that takes long holds up an unmap. */

/* A call of another thread */
struct call {
	long long (*make)(struct call *call);
	int fd;
	int device;
	__u64 iova;
	__u64 size;
	void *bitmap;
	size_t bytes;
	pid_t tid;
	long long ret;
	pthread_t thread;
};

static long long make_access(struct call *call)
{
	__u64 word;

	return rw_read(call->device, call->iova, &word, sizeof(word));
}

static long long make_unmap(struct call *call)
{
	return dma_unmap(call->fd, call->iova, call->size);
}

static long long make_unmap_all(struct call *call)
{
	return dma_unmap_all(call->fd);
}

static long long make_unmap_dirty(struct call *call)
{
	return dma_unmap_dirty(call->fd, call->iova, call->size, call->bitmap,
			       call->bytes);
}

static void *call_thread(void *data)
{
	struct call *call = data;

	__atomic_store_n(&call->tid, syscall(SYS_gettid), __ATOMIC_RELAXED);
	call->ret = call->make(call);
	return NULL;
}

static int call_begin(struct call *call,
		      long long (*make)(struct call *call),
		      const struct type1_use *use, __u64 iova, __u64 size)
{
	call->make = make;
	call->fd = use->t.container;
	call->device = use->t.device[0];
	call->iova = iova;
	call->size = size;
	call->tid = 0;
	if (pthread_create(&call->thread, NULL, call_thread, call))
		return -EAGAIN;
	return WAIT_FOR(__atomic_load_n(&call->tid, __ATOMIC_RELAXED), SOON) ? 0 :
		-ETIMEDOUT;
}

static long long call_end(struct call *call)
{
	pthread_join(call->thread, NULL);
	return call->ret;
}

/* How often a thread has got a processor, or a negated errno */
static long switches_of(const struct call *call)
{
	char path[PATH_LEN], text[4096], *at;
	long sum = 0;
	int ret;

	snprintf(path, sizeof(path), "/proc/self/task/%d/status", call->tid);
	ret = read_file(path, text, sizeof(text));
	if (ret < 0)
		return ret;
	for (at = text; (at = strstr(at, "ctxt_switches:")); ) {
		at += strlen("ctxt_switches:");
		sum += atol(at);
	}
	return sum ? sum : -ENOENT;
}

/* Is what is pinned there unpinned again at once? As pin(), else. */
static long try_pin(int dev, __u64 iova)
{
	long ret = pin(dev, iova, 1, BOTH);

	return ret == 1 ? unpin(dev, iova, 1) : ret;
}

#define NR		5
#define PART		(AREA * PAGE)
#define AT(n)		(T1_IOVA + (n) * PART)

/* So many mappings; an access and an unmap of the last wait for a page of it. */
static int begin_wait(struct type1_use *use, struct call *access,
		      struct call *unmapping)
{
	const int dev = use->t.device[0], fd = use->t.container;
	char *late = area(dev, TYPE1_TEST_AREA_LATE, PROT_READ | PROT_WRITE);
	unsigned int i;
	int ret = late ? 0 : -ENODEV;

	for (i = 0; i < NR && !ret; i++)
		ret = dma_map(fd, i < NR - 1 ? use->mem + i * PART : late, AT(i),
			      PART, T1_RW);
	/* Its first page is there. */
	if (ret || try_pin(dev, AT(NR - 1)) != 1)
		return ret ? ret : -EIO;
	hold_back(dev, true);
	ret = call_begin(access, make_access, use, AT(NR - 1) + 8 * PAGE, 0);
	if (ret || !WAIT_FOR(hold_back(dev, true) == 1, SOON))
		return ret ? ret : -ETIMEDOUT;
	ret = call_begin(unmapping, make_unmap, use, AT(NR - 1), PART);
	if (ret || !WAIT_FOR(try_pin(dev, AT(NR - 1)) == -EINVAL, SOON))
		return ret ? ret : -ETIMEDOUT;
	return 0;
}

/*
 * Two that wait for a third sleep, and what they are to unmap can be used until
 * then. Nobody waits to be refused.
 */
TEST_F(type1, row_52_two_wait_for_a_third)
{
	const int dev = self->use.t.device[0], fd = self->use.t.container;
	struct call access, unmapping, waiting[2];
	unsigned int i, j;

	if (type1_is_stock())
		SKIP(return, "the kernel's has all others wait, for pins too");
	ASSERT_EQ(0, begin_wait(&self->use, &access, &unmapping));
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, call_begin(&waiting[i], i ? make_unmap : make_unmap_all,
					&self->use, AT(0), NR * PART));
	for (i = 0; i < 40; i++) {
		for (j = 0; j < NR - 1; j++)
			EXPECT_EQ(1, try_pin(dev, AT(j)));
		sleep_ms(10);
	}
	for (i = 0; i < 2; i++) {
		EXPECT_LT(0, switches_of(&waiting[i]));
		EXPECT_GT(100, switches_of(&waiting[i]));
	}
	EXPECT_EQ(-EINVAL, dma_unmap(fd, AT(0), PART + PAGE));
	EXPECT_EQ(-EEXIST, dma_map(fd, self->use.mem, AT(NR - 1), PART, T1_RW));
	EXPECT_EQ(0, dma_map(fd, self->use.mem, AT(NR), PART, T1_RW));
	EXPECT_EQ(PART, dma_unmap(fd, AT(NR), PART));

	hold_back(dev, false);
	EXPECT_EQ(0, call_end(&access));
	EXPECT_EQ(PART, call_end(&unmapping));
	EXPECT_EQ((NR - 1) * PART, call_end(&waiting[0]) + call_end(&waiting[1]));
	EXPECT_EQ(0, HELD(&self->use));
	EXPECT_EQ(0, LOCKED(&self->use));
}

/* One that waits is killed, and has changed nothing; nor has the one in front. */
TEST_F(type1, row_52_killed_while_it_waits)
{
	const int dev = self->use.t.device[0], fd = self->use.t.container;
	struct call access, unmapping;
	int i, status;
	pid_t pid[2];

	if (type1_is_stock())
		SKIP(return, "the kernel's does not end");
	ASSERT_EQ(0, begin_wait(&self->use, &access, &unmapping));
	for (i = 0; i < 2; i++) {
		pid[i] = fork();
		ASSERT_LE(0, pid[i]);
		if (!pid[i])
			_exit(dma_unmap(fd, AT(0), NR * PART) == -1);
	}
	sleep_ms(100);
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(1, try_pin(dev, AT(0)));
		kill(pid[i], SIGKILL);
		EXPECT_TRUE(WAIT_FOR(waitpid(pid[i], &status, WNOHANG) == pid[i],
				     SOON));
		EXPECT_TRUE(WIFSIGNALED(status));
	}
	EXPECT_EQ(1, try_pin(dev, AT(0)));
	hold_back(dev, false);
	EXPECT_EQ(0, call_end(&access));
	EXPECT_EQ(PART, call_end(&unmapping));
	EXPECT_EQ((NR - 1) * PART, dma_unmap_all(fd));
}

/* What is dirty in a mapping that is going is told by both, who asks and who unmaps. */
TEST_F(type1, row_39_asked_while_it_goes)
{
	const int dev = self->use.t.device[0], fd = self->use.t.container;
	__u64 told = 0, asked = 0;
	struct call access, unmapping = { .bitmap = &told, .bytes = sizeof(told) };
	char *late;

	if (type1_is_stock())
		SKIP(return, "the kernel's has all others wait");
	late = area(dev, TYPE1_TEST_AREA_LATE, PROT_READ | PROT_WRITE);
	ASSERT_NE(NULL, late);
	ASSERT_EQ(0, dma_map(fd, late, AT(0), PART, T1_RW));
	ASSERT_EQ(0, dirty_start(fd));
	ASSERT_EQ(0, rw_write(dev, AT(0) + 3 * PAGE, "x", 1));
	hold_back(dev, true);
	ASSERT_EQ(0, call_begin(&access, make_access, &self->use, AT(0) + 8 * PAGE, 0));
	ASSERT_TRUE(WAIT_FOR(hold_back(dev, true) == 1, SOON));
	ASSERT_EQ(0, call_begin(&unmapping, make_unmap_dirty, &self->use, AT(0), PART));
	ASSERT_TRUE(WAIT_FOR(try_pin(dev, AT(0)) == -EINVAL, SOON));
	EXPECT_EQ(0, dirty_get(fd, AT(0), PART, &asked, sizeof(asked)));
	EXPECT_EQ(1 << 3, asked);
	hold_back(dev, false);
	EXPECT_EQ(0, call_end(&access));
	EXPECT_EQ(PART, call_end(&unmapping));
	EXPECT_EQ(1 << 3, told);
}

/*
 * An unmap is killed that waits for an access: its mapping is whole, and another that
 * waited for it goes on. No driver is to blame.
 */
TEST_F(type1, killed_while_an_access_is_under_way)
{
	const int dev = self->use.t.device[0], fd = self->use.t.container;
	struct call access, waiting;
	int status;
	char *late;
	pid_t pid;

	if (type1_is_stock())
		SKIP(return, "the kernel's does not end");
	late = area(dev, TYPE1_TEST_AREA_LATE, PROT_READ | PROT_WRITE);
	ASSERT_NE(NULL, late);
	ASSERT_EQ(0, dma_map(fd, late, AT(0), PART, T1_RW));
	ASSERT_EQ(1, try_pin(dev, AT(0)));
	hold_back(dev, true);
	ASSERT_EQ(0, call_begin(&access, make_access, &self->use, AT(0) + 8 * PAGE, 0));
	ASSERT_TRUE(WAIT_FOR(hold_back(dev, true) == 1, SOON));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(dma_unmap(fd, AT(0), PART) == -1);
	ASSERT_TRUE(WAIT_FOR(try_pin(dev, AT(0)) == -EINVAL, SOON));
	ASSERT_EQ(0, call_begin(&waiting, make_unmap_all, &self->use, 0, 0));
	kill(pid, SIGKILL);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	hold_back(dev, false);
	EXPECT_EQ(0, call_end(&access));
	EXPECT_EQ(PART, call_end(&waiting));
	EXPECT_EQ(0, HELD(&self->use));
}

/* A bitmap for two mappings, so far from each other that each has a page of it */
#define FAR		(PAGE * 8 * PAGE)

/*
 * An unmap is refused for its bitmap: nobody finds that it was tried. One whose
 * bitmap goes after that was found good leaves all as it was.
 */
TEST_F(type1, row_51_bitmap_that_goes)
{
	const int dev = self->use.t.device[0], fd = self->use.t.container;
	struct call call;
	char *bitmap;
	int i;

	if (type1_is_stock())
		SKIP(return, "the kernel's has unmapped what came before");
	bitmap = fresh_memory(2, PROT_READ | PROT_WRITE);
	call.bitmap = bitmap;
	call.bytes = 2 * PAGE;
	populate(bitmap, PAGE);
	ASSERT_EQ(bitmap + PAGE, mmap(bitmap + PAGE, PAGE, PROT_READ | PROT_WRITE,
				      MAP_SHARED | MAP_FIXED, dev,
				      TYPE1_TEST_AREA_LATE));
	ASSERT_EQ(0, dirty_start(fd));
	ASSERT_EQ(0, dma_map(fd, self->use.mem, T1_IOVA, PART, T1_RW));
	ASSERT_EQ(0, dma_map(fd, self->use.mem + PART, T1_IOVA + FAR, PART, T1_RW));
	ASSERT_EQ(0, rw_write(dev, T1_IOVA + 3 * PAGE, "x", 1));
	for (i = 0; i < 2; i++) {
		hold_back(dev, true);
		ASSERT_EQ(0, call_begin(&call, make_unmap_dirty, &self->use, T1_IOVA,
					2 * FAR));
		ASSERT_TRUE(WAIT_FOR(hold_back(dev, true) == 1, SOON));
		EXPECT_EQ(1, try_pin(dev, T1_IOVA));
		EXPECT_EQ(1, try_pin(dev, T1_IOVA + FAR));
		/* The page that is waited for, or the one before it */
		ASSERT_EQ(0, mprotect(bitmap + (i ? 0 : PAGE), PAGE, PROT_NONE));
		hold_back(dev, false);
		EXPECT_EQ(-EFAULT, call_end(&call));
		ASSERT_EQ(0, mprotect(bitmap, 2 * PAGE, PROT_READ | PROT_WRITE));
		EXPECT_EQ(1, try_pin(dev, T1_IOVA));
		EXPECT_EQ(1, try_pin(dev, T1_IOVA + FAR));
		madvise(bitmap + PAGE, PAGE, MADV_DONTNEED);
	}
	EXPECT_EQ(2 * PART, dma_unmap_dirty(fd, T1_IOVA, 2 * FAR, bitmap, 2 * PAGE));
	EXPECT_EQ(9, *(__u64 *)bitmap);
	EXPECT_EQ(1, *(__u64 *)(bitmap + PAGE));
}

MDEV_TEST_MAIN(TYPE1_TEST)
