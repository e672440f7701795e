// SPDX-License-Identifier: GPL-2.0-only
/*
 * Several threads and processes in one container: pins beside mapping and
 * unmapping elsewhere and of the same, devices that come and go, dirty tracking
 * that starts and stops. Whatever happens, each call ends as it may, and in the
 * end nothing is left.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "type1_fixture.h"

#define BOTH		(TYPE1_TEST_READ | TYPE1_TEST_WRITE)
#define MAX_WORKERS	6
#define A_TIME		1200	/* of work, in milliseconds */
#define PART		128U	/* pages of a worker's own */
#define PART_SIZE	(PART * PAGE)

/*
 * Somebody who repeats a round until it is time; a round that answers other than
 * 0 was the last.
 */
struct worker {
	struct type1_use *use;
	unsigned int nr;	/* among those of the test */
	long (*round)(struct worker *worker);
	long bad;
	unsigned long met;	/* rounds that began while another's was under way */
	bool *stop;
	__u64 random;
	pthread_t thread;
};

static unsigned int pick(struct worker *worker, unsigned int below)
{
	worker->random ^= worker->random << 13;
	worker->random ^= worker->random >> 7;
	worker->random ^= worker->random << 17;
	return (worker->random >> 11) % below;
}

static unsigned int under_way;

static void *work(void *data)
{
	struct worker *worker = data;

	do {
		if (__atomic_fetch_add(&under_way, 1, __ATOMIC_RELAXED))
			worker->met++;
		worker->bad = worker->round(worker);
		__atomic_fetch_sub(&under_way, 1, __ATOMIC_RELAXED);
	} while (!worker->bad &&
		 !__atomic_load_n(worker->stop, __ATOMIC_RELAXED));
	return NULL;
}

/* Whether they are sent signals, one after the other */
static bool pestered;

/*
 * All at once, for some time. Answers the first result that was bad. With several
 * processors some rounds have to meet others, or nothing was tested.
 */
static long work_together(struct type1_use *use, unsigned int n,
			  long (*const round[])(struct worker *worker))
{
	struct worker worker[MAX_WORKERS] = {};
	bool stop = false;
	unsigned long met = 0;
	long long end;
	unsigned int i;
	long bad = 0;

	for (i = 0; i < n; i++) {
		worker[i].use = use;
		worker[i].nr = i;
		worker[i].round = round[i];
		worker[i].stop = &stop;
		worker[i].random = (i + 1) * 0x9e3779b97f4a7c15ULL;
		if (pthread_create(&worker[i].thread, NULL, work, &worker[i]))
			return -EAGAIN;
	}
	end = now_ms() + race_ms(A_TIME);
	for (i = 0; now_ms() < end; i++) {
		sleep_ms(pestered ? 1 : race_ms(A_TIME));
		if (pestered)
			pthread_kill(worker[i % n].thread, SIGUSR1);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < n; i++) {
		pthread_join(worker[i].thread, NULL);
		met += worker[i].met;
		if (worker[i].bad && !bad)
			bad = worker[i].bad;
	}
	if (!bad && !met && sysconf(_SC_NPROCESSORS_ONLN) > 1)
		return -ENODATA;
	return bad;
}

static int device_of(struct worker *worker)
{
	return worker->use->t.device[worker->nr % 2];
}

/* Where a worker's own memory is mapped, and what that is */
static __u64 own_iova(const struct worker *worker)
{
	return T1_IOVA + worker->nr * PART_SIZE;
}

static char *own_memory(const struct worker *worker)
{
	return worker->use->mem + worker->nr * PART_SIZE;
}

/* Rounds */

/* What is mapped is pinned, and is what it has to be: pages from one on. */
static long pin_marked(struct worker *worker, unsigned int page, unsigned int n)
{
	const __u64 iova = T1_IOVA + page * PAGE;
	__u64 word[PART];
	unsigned int i;
	long ret;

	ret = pin_words(device_of(worker), iova, n, BOTH, word);
	if (ret != n)
		return ret ?: -EIO;
	for (i = 0; i < n; i++)
		if (word[i] != T1_MARK(page + i))
			return -EILSEQ;
	return unpin(device_of(worker), iova, n) == n ? 0 : -ENOENT;
}

static long pin_own(struct worker *worker)
{
	const unsigned int at = pick(worker, PART), n = 1 + pick(worker, PART - at);

	return pin_marked(worker, worker->nr * PART + at, n);
}

static long map_own(struct worker *worker)
{
	const int fd = worker->use->t.container;
	const __u64 iova = own_iova(worker);
	unsigned int i;
	long ret;

	for (i = 0; i < PART; i += 16) {
		ret = dma_map(fd, own_memory(worker) + i * PAGE, iova + i * PAGE,
			      16 * PAGE, T1_RW);
		if (ret)
			return ret;
	}
	return dma_unmap(fd, iova, PART_SIZE) == PART_SIZE ? 0 : -EIO;
}

#define CROWD		100U	/* pages that make a stretch a full one */

/* One page at a time, of a few, behind those that come and go. */
static long pin_single(struct worker *worker)
{
	return pin_marked(worker, CROWD - 2 + pick(worker, 8), 1);
}

/* Several, among which are those */
static long pin_among(struct worker *worker)
{
	const unsigned int n = 2 + pick(worker, 12);

	return pin_marked(worker, CROWD - 6 + pick(worker, 6), n);
}

/* Pinned twice, no matter how they lie, they are recorded with their counts. */
static long crowd(struct worker *worker)
{
	unsigned int i;
	long ret;

	for (i = 0; i < 2; i++) {
		ret = pin(device_of(worker), T1_IOVA, CROWD, BOTH);
		if (ret != CROWD)
			return ret ?: -EIO;
	}
	sched_yield();
	for (i = 0; i < 2; i++)
		if (unpin(device_of(worker), T1_IOVA, CROWD) != CROWD)
			return -ENOENT;
	return 0;
}

/* Somebody else unmaps it meanwhile, and his unmapping unpins. */
static long pin_any(struct worker *worker)
{
	const unsigned int at = pick(worker, PART), n = 1 + pick(worker, PART - at);
	const __u64 iova = T1_IOVA + at * PAGE;
	__u64 word[PART];
	unsigned int i;
	long ret;

	ret = pin_words(device_of(worker), iova, n, BOTH, word);
	if (ret == -EINVAL)
		return 0;
	if (ret != n)
		return ret ?: -EIO;
	for (i = 0; i < n; i++)
		if (word[i] != T1_MARK(at + i))
			return -EILSEQ;
	ret = unpin(device_of(worker), iova, n);
	return ret < 0 ? ret : 0;
}

static long read_any(struct worker *worker)
{
	const unsigned int at = pick(worker, PART - 4);
	__u64 word[4 * PAGE / 8];
	long ret;

	ret = rw_in(device_of(worker), pick(worker, TYPE1_TEST_CONTEXTS),
		    T1_IOVA + at * PAGE, word, sizeof(word), false);
	if (ret == -EINVAL)
		return 0;
	if (!ret && word[3 * PAGE / 8] != T1_MARK(at + 3))
		ret = -EILSEQ;
	return ret;
}

static long map_any(struct worker *worker)
{
	const int fd = worker->use->t.container;
	long ret;

	ret = dma_map(fd, worker->use->mem, T1_IOVA, PART_SIZE, T1_RW);
	if (ret && ret != -EEXIST)
		return ret;
	if (!pick(worker, 3))
		sched_yield();
	ret = dma_unmap(fd, T1_IOVA, PART_SIZE);
	return ret && ret != PART_SIZE ? ret : 0;
}

/* What others pin is not taken from them by a call that is refused. */
static long refused(struct worker *worker)
{
	long ret = dma_unmap(worker->use->t.container, T1_IOVA, PART_SIZE + PAGE);

	return ret == -EINVAL ? 0 : ret ?: -EIO;
}

static long pin_first(struct worker *worker)
{
	const unsigned int at = pick(worker, PART / 2) + worker->nr % 2 * PART / 2;

	return pin_marked(worker, at, 1);
}

static long unmap_all(struct worker *worker)
{
	long ret = dma_unmap_all(worker->use->t.container);

	sched_yield();
	return ret < 0 ? ret : 0;
}

static long come_and_go(struct worker *worker)
{
	struct type1 *t = &worker->use->t;
	const unsigned int device = 2 + worker->nr % 2;
	long ret;

	ret = type1_join(t, device);
	if (ret)
		return ret;
	ret = pin(t->device[device], T1_IOVA + worker->nr * PAGE, 8, BOTH);
	type1_leave(t, device);
	return ret == 8 || ret == -EINVAL ? 0 : ret ?: -EIO;
}

static long track(struct worker *worker)
{
	const int fd = worker->use->t.container;
	__u64 bitmap[T1_PAGES / 64];
	long ret;

	ret = dirty_start(fd);
	if (!ret)
		ret = dirty_get(fd, T1_IOVA, T1_PAGES * PAGE, bitmap,
				sizeof(bitmap));
	if (!ret)
		ret = dirty_stop(fd);
	sched_yield();
	return ret;
}

static long look(struct worker *worker)
{
	struct type1_info info;
	long ret = type1_get_info(worker->use->t.container, &info);

	sched_yield();
	return ret ? ret : info.has_avail ? 0 : -EIO;
}

/* A container that is nobody's has no mappings, and answers EINVAL. */
static long take_and_leave(struct worker *worker)
{
	struct type1 *t = &worker->use->t;
	long ret = type1_join_group(t, 0);

	t->has_driver = false;
	if (!ret)
		ret = type1_set_driver(t);
	sched_yield();
	type1_leave(t, 0);
	return ret;
}

static long map_if_any(struct worker *worker)
{
	const __u64 page = pick(worker, T1_PAGES);
	long ret = dma_map(worker->use->t.container, worker->use->mem + page * PAGE,
			   T1_IOVA + page * PAGE, PAGE, T1_RW);

	return ret == -EEXIST || ret == -EINVAL ? 0 : ret;
}

static long unmap_if_any(struct worker *worker)
{
	long ret = dma_unmap_all(worker->use->t.container);

	sched_yield();
	return ret == -EINVAL || ret > 0 ? 0 : ret;
}

static long track_if_any(struct worker *worker)
{
	const int fd = worker->use->t.container;
	long ret = dirty_start(fd);

	if (!ret)
		ret = dirty_stop(fd);
	sched_yield();
	return ret == -EINVAL ? 0 : ret;
}

#define TOGETHER(use, ...) ({						\
	long (*const __round[])(struct worker *worker) = { __VA_ARGS__ };\
	work_together(use, ARRAY_LEN(__round), __round);		\
})

/* Threads */

static int map_parts(struct type1_use *use, unsigned int n)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; !ret && i < n; i++)
		ret = dma_map(use->t.container, use->mem + i * PART_SIZE,
			      T1_IOVA + i * PART_SIZE, PART_SIZE, T1_RW);
	return ret;
}

TEST_F(type1, pins_beside_mapping)
{
	ASSERT_EQ(0, map_parts(&self->use, 2));
	EXPECT_EQ(0, TOGETHER(&self->use, pin_own, pin_own, map_own, map_own,
			      look));
	EXPECT_EQ(0, HELD(&self->use));
	EXPECT_EQ(0, LOCKED(&self->use));
	EXPECT_EQ(2 * PART_SIZE, dma_unmap_all(self->use.t.container));
}

TEST_F(type1, pins_of_one_mapping)
{
	ASSERT_EQ(0, use_map(&self->use));
	EXPECT_EQ(0, TOGETHER(&self->use, pin_own, pin_own, pin_own, pin_own));
	EXPECT_EQ(0, HELD(&self->use));
	EXPECT_EQ(0, LOCKED(&self->use));
}

/* Counted up and down by all of them */
TEST_F(type1, pins_of_the_same_pages)
{
	const int a = self->use.t.device[0];

	ASSERT_EQ(0, use_map(&self->use));
	ASSERT_EQ(1, pin(a, T1_IOVA + 64 * PAGE, 1, BOTH));
	EXPECT_EQ(0, TOGETHER(&self->use, pin_any, pin_any, pin_any, pin_any));
	EXPECT_EQ(T1_MARK(64), load(a, T1_IOVA + 64 * PAGE));
	EXPECT_EQ(1, HELD(&self->use));
	EXPECT_EQ(1, LOCKED(&self->use));
	EXPECT_EQ(1, unpin(a, T1_IOVA + 64 * PAGE, 1));
}

TEST_F(type1, pins_of_single_pages)
{
	ASSERT_EQ(0, use_map(&self->use));
	EXPECT_EQ(0, TOGETHER(&self->use, pin_single, pin_single, pin_among,
			      pin_among, crowd));
	EXPECT_EQ(0, HELD(&self->use));
	EXPECT_EQ(0, LOCKED(&self->use));
}

TEST_F(type1, row_51_refused_unmap)
{
	ASSERT_EQ(0, map_parts(&self->use, 2));
	EXPECT_EQ(0, TOGETHER(&self->use, pin_first, pin_first, refused, refused));
	EXPECT_EQ(0, HELD(&self->use));
	EXPECT_EQ(0, LOCKED(&self->use));
}

TEST_F(type1, pins_of_what_is_unmapped)
{
	if (type1_is_stock())
		SKIP(return, "the kernel's dies: pins come as fast as they go");
	EXPECT_EQ(0, TOGETHER(&self->use, pin_any, pin_any, read_any, map_any));
	dma_unmap_all(self->use.t.container);
	EXPECT_EQ(0, HELD(&self->use));
	EXPECT_EQ(0, LOCKED(&self->use));
}

TEST_F(type1, two_that_unmap)
{
	if (type1_is_stock())
		SKIP(return, "the kernel's dies: pins come as fast as they go");
	EXPECT_EQ(0, TOGETHER(&self->use, map_any, map_any, unmap_all, pin_any));
	dma_unmap_all(self->use.t.container);
	EXPECT_EQ(0, HELD(&self->use));
	EXPECT_EQ(0, LOCKED(&self->use));
}

TEST_F(type1, devices_come_and_go)
{
	if (type1_is_stock())
		SKIP(return, "the kernel's deadlocks: opening against unmapping");
	EXPECT_EQ(0, TOGETHER(&self->use, come_and_go, come_and_go, map_any,
			      pin_any));
	dma_unmap_all(self->use.t.container);
	EXPECT_EQ(0, HELD(&self->use));
	EXPECT_EQ(0, LOCKED(&self->use));
}

/* The container is the user's again and again, and nobody's meanwhile. */
TEST_F(type1, container_of_nobody)
{
	struct type1 *t = &self->use.t;

	if (type1_is_stock())
		SKIP(return, "the kernel's is used when it is freed");
	type1_leave(t, 1);
	type1_leave(t, 0);
	t->has_driver = false;
	EXPECT_EQ(0, TOGETHER(&self->use, take_and_leave, map_if_any, map_if_any,
			      unmap_if_any, track_if_any));
	EXPECT_EQ(0, HELD(&self->use));
	EXPECT_EQ(0, LOCKED(&self->use));
}

TEST_F(type1, tracking_starts_and_stops)
{
	ASSERT_EQ(0, map_parts(&self->use, 2));
	EXPECT_EQ(0, TOGETHER(&self->use, pin_own, pin_own, map_own, track));
	EXPECT_EQ(0, HELD(&self->use));
	EXPECT_EQ(0, LOCKED(&self->use));
}

TEST_F(type1, tracking_of_single_pages)
{
	ASSERT_EQ(0, use_map(&self->use));
	EXPECT_EQ(0, TOGETHER(&self->use, pin_single, pin_single, crowd, track));
	EXPECT_EQ(0, HELD(&self->use));
	EXPECT_EQ(0, LOCKED(&self->use));
}

/* Processes */

/* Pins the parent's memory, and its own, until it is killed. */
static void child(struct type1_use *use)
{
	bool stop = false;
	struct worker worker = {
		.use = use,
		.nr = 1,
		.stop = &stop,
		.random = getpid(),
	};

	while (true) {
		worker.nr = 1;
		if (pin_own(&worker))
			_exit(1);
		worker.nr = 5;
		if (map_own(&worker))
			_exit(2);
	}
}

TEST_F(type1, killed_meanwhile)
{
	struct worker worker = { .use = &self->use, .random = 1 };
	long long end = now_ms() + race_ms(A_TIME);
	int status;
	pid_t pid;

	ASSERT_EQ(0, map_parts(&self->use, 2));
	while (now_ms() < end) {
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid)
			child(&self->use);
		sleep_ms(10 + pick(&worker, 50));
		ASSERT_EQ(0, pin_own(&worker));
		kill(pid, SIGKILL);
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_TRUE(WIFSIGNALED(status));
		/* What it had mapped when it died */
		dma_unmap(self->use.t.container, T1_IOVA + 5 * PART_SIZE,
			  PART_SIZE);
		/* What it had pinned was for its device: the parent has it. */
		unpin(self->use.t.device[1], T1_IOVA + PART_SIZE, PART);
	}
	EXPECT_EQ(2 * PART_SIZE, dma_unmap_all(self->use.t.container));
	EXPECT_EQ(0, HELD(&self->use));
	EXPECT_EQ(0, LOCKED(&self->use));
}

static void no_op(int sig)
{
}

/* No call is cut short by a signal that does not kill. */
TEST_F(type1, signals)
{
	struct sigaction action = { .sa_handler = no_op };

	sigaction(SIGUSR1, &action, NULL);
	pestered = true;
	ASSERT_EQ(0, map_parts(&self->use, 2));
	EXPECT_EQ(0, TOGETHER(&self->use, pin_own, pin_own, map_own));
	EXPECT_LT(0, dma_unmap_all(self->use.t.container));
	EXPECT_EQ(0, HELD(&self->use));

	/* An unmap that has to wait for those who pin, with which the kernel's dies */
	if (type1_is_stock())
		return;
	EXPECT_EQ(0, TOGETHER(&self->use, pin_any, pin_any, map_any));
	dma_unmap_all(self->use.t.container);
	EXPECT_EQ(0, HELD(&self->use));
	EXPECT_EQ(0, LOCKED(&self->use));
}

/* Much of it */

#define SLICE		(4UL << 20)
#define SLICES		512

/*
 * 2 GiB of pins, which are made and given back without anybody noticing. A
 * kernel that checks itself takes as long for a sixteenth. It is the same little
 * memory again and again: QEMU's emulator clears a page in which there was code
 * a hundred times slower than others.
 */
TEST_F(type1, row_16_long_pins)
{
	const int dev = self->use.t.device[0], fd = self->use.t.container;
	const unsigned long all = SLICES * SLICE / (exists("/proc/lockdep") ? 16 : 1);
	struct utsname uts;
	unsigned long i;
	char *mem;
	int file;

	uname(&uts);
	if (strstr(uts.release, "uml"))
		SKIP(return, "too much for User Mode Linux");
	file = syscall(SYS_memfd_create, "type1", 0);
	ASSERT_LE(0, file);
	ASSERT_EQ(0, ftruncate(file, SLICE));
	mem = mmap(NULL, all, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, mem);
	for (i = 0; i < all; i += SLICE)
		ASSERT_NE(MAP_FAILED, mmap(mem + i, SLICE,
					   PROT_READ | PROT_WRITE,
					   MAP_SHARED | MAP_FIXED | MAP_POPULATE,
					   file, 0));
	ASSERT_EQ(0, dma_map(fd, mem, T1_IOVA, all, T1_RW));
	for (i = 0; i < all; i += 512 * PAGE)
		ASSERT_EQ(512, pin(dev, T1_IOVA + i, 512, BOTH));
	EXPECT_EQ(all / PAGE, LOCKED(&self->use));
	/* All of it in one call */
	EXPECT_EQ(0, behave(dev, TYPE1_TEST_UNMAP_UNPIN, 0, false));
	EXPECT_EQ(all, dma_unmap_all(fd));
	EXPECT_EQ(0, HELD(&self->use));
	munmap(mem, all);
	close(file);
}

MDEV_TEST_MAIN(TYPE1_TEST)
