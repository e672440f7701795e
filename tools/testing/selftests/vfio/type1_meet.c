// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two calls that meet, for each rule of type1 about the order of memory accesses: a case
 * has the name of the rule's litmus test (tools/testing/litmus/type1-*)
 *
 * Two threads repeat a round each, on a processor of their own. A call of which the rule
 * tells is counted if one of the other thread's was under way meanwhile. Now and then
 * both stand still, and everything has to be as if they had come one after the other.
 * vfio_type1_delay.ko, where the kernel has probes, makes some calls wait at the moments
 * that matter.
 *
 * Some of these are enough to see that a case works. To rely on it name a number in the
 * environment, MEETINGS=1000000: so many pairs of calls meet then, as long as that takes.
 * "type1_meet -t tree" runs one of the cases.
 */
#include <pthread.h>
#include <sched.h>

#include "kselftest_harness.h"
#include "type1_fixture.h"

#define DELAY		"vfio_type1_delay"
#define BOTH		(TYPE1_TEST_READ | TYPE1_TEST_WRITE)
#define MEETINGS	2000	/* pairs of calls */
#define MEETINGS_MS	5000	/* for so many, if no number is named */
#define ROUNDS		100	/* of either, until both stand still */
#define PART		128U
#define PART_SIZE	(PART * PAGE)
#define CROWD		100U	/* pages that make a stretch a full one */
#define AROUND		64U	/* pages mapped one by one: the even ones stay */

struct side {
	struct type1_use *use;
	struct side *other;
	long (*round)(struct side *side);
	unsigned int nr;
	unsigned int calls;	/* begun and ended: an odd number while one is under way */
	bool done;		/* has made its rounds, and goes on until the other has */
	unsigned long met;	/* calls during which the other made one */
	unsigned long pinned;	/* rounds in which something was */
	long bad;
	__u64 random;
	__u64 value;
	pthread_t thread;
	char apart[128];	/* from the other's */
};

/* What both know; changed while they stand still */
static struct {
	pthread_barrier_t barrier;
	long (*check)(struct type1_use *use);
	unsigned long wanted;
	long long end;
	long long locked;
	bool stop;
} all;

static unsigned int pick(struct side *side, unsigned int below)
{
	side->random ^= side->random << 13;
	side->random ^= side->random >> 7;
	side->random ^= side->random << 17;
	return (side->random >> 11) % below;
}

#define CALLS(side)	__atomic_load_n(&(side)->calls, __ATOMIC_SEQ_CST)
#define DONE(side)	__atomic_load_n(&(side)->done, __ATOMIC_SEQ_CST)

static unsigned int meet_begin(struct side *side)
{
	__atomic_add_fetch(&side->calls, 1, __ATOMIC_SEQ_CST);
	return CALLS(side->other);
}

static long meet_end(struct side *side, unsigned int was, long ret)
{
	if (was % 2 || CALLS(side->other) != was)
		side->met++;
	__atomic_add_fetch(&side->calls, 1, __ATOMIC_SEQ_CST);
	return ret;
}

/* A call that is to meet one of the other's; what it answers */
#define MEET(me, call) ({						\
	struct side *__me = (me);					\
	unsigned int __was = meet_begin(__me);				\
	meet_end(__me, __was, call);					\
})

static bool enough(struct side *side)
{
	const unsigned long one = side->met, two = side->other->met;
	const unsigned long most = one > two ? one : two, least = one > two ? two : one;

	if (side->bad || side->other->bad)
		return true;
	/*
	 * There are as many pairs as calls of the one that has met more, or some more. A
	 * tenth as many of the other's, as many short calls may meet one that stands still.
	 */
	if (most >= all.wanted && least >= all.wanted / 10)
		return true;
	return all.end && now_ms() > all.end;
}

static void *work(void *data)
{
	struct side *side = data;
	cpu_set_t cpus;
	unsigned int i;

	CPU_ZERO(&cpus);
	CPU_SET(side->nr, &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
	do {
		/* One that is faster would leave the other's calls nobody to meet. */
		for (i = 1; !side->bad && (i <= ROUNDS || !DONE(side->other)); i++) {
			side->bad = side->round(side);
			if (i == ROUNDS || side->bad)
				__atomic_store_n(&side->done, true, __ATOMIC_SEQ_CST);
		}
		pthread_barrier_wait(&all.barrier);
		side->done = false;
		if (!side->nr) {
			if (!side->bad)
				side->bad = all.check(side->use);
			all.stop = enough(side);
		}
		pthread_barrier_wait(&all.barrier);
	} while (!all.stop);
	return NULL;
}

static void show_delays(void)
{
	char text[1024], *line, *rest = text;

	if (read_file("/sys/module/" DELAY "/parameters/waits", text, sizeof(text)) <= 0)
		return;
	while ((line = strsep(&rest, "\n")))
		if (*line)
			printf("# delayed: %s\n", line);
}

/* The first bad answer of either, or 0. */
static long meet(struct type1_use *use, long (*first)(struct side *side),
		 long (*second)(struct side *side), long (*check)(struct type1_use *use))
{
	struct side side[2] = {
		{ .use = use, .other = side + 1, .round = first, .random = 0x9e3779b97f4a7c15ULL },
		{ .use = use, .other = side, .round = second, .nr = 1,
		  .random = 0xbf58476d1ce4e5b9ULL },
	};
	const char *meetings = getenv("MEETINGS");
	unsigned int i;

	all.wanted = meetings ? strtoul(meetings, NULL, 0) : MEETINGS;
	all.end = meetings ? 0 : now_ms() + MEETINGS_MS;
	all.check = check;
	all.stop = false;
	all.locked = proc_value("/proc/self/status", "VmLck");
	/* Whoever names a number knows how long that may take. */
	if (!meetings)
		alarm(TEST_TIMEOUT_DEFAULT);
	module_load(DELAY, NULL);
	pthread_barrier_init(&all.barrier, NULL, 2);
	for (i = 0; i < 2; i++)
		if (pthread_create(&side[i].thread, NULL, work, side + i))
			exit(KSFT_FAIL);
	for (i = 0; i < 2; i++)
		pthread_join(side[i].thread, NULL);
	show_delays();
	module_unload(DELAY);
	printf("# met: %lu of the first's calls, %lu of the other's; found mapped: %lu\n",
	       side[0].met, side[1].met, side[0].pinned);
	if (side[0].bad || side[1].bad)
		return side[0].bad ?: side[1].bad;
	if (!side[0].met || !side[1].met)
		return -ENODATA;
	/* Those that may find nothing mapped have to find it at times. */
	return side[0].pinned ? 0 : -ECHILD;
}

/* Nothing is pinned: none is held, and none is charged for, not even in advance. */
static long nothing_is_left(struct type1_use *use)
{
	if (HELD(use))
		return -EBUSY;
	return proc_value("/proc/self/status", "VmLck") == all.locked ? 0 : -EOVERFLOW;
}

static long nothing_is_mapped(struct type1_use *use)
{
	long long size = dma_unmap_all(use->t.container);

	return size < 0 ? size : nothing_is_left(use);
}

/* Rounds */

static int device_of(struct side *side)
{
	return side->use->t.device[side->nr];
}

/* Pages are pinned if they are mapped, and are what they have to be. */
static long pin_any(struct side *side, unsigned int page, unsigned int n)
{
	const __u64 iova = T1_IOVA + page * PAGE;
	__u64 word[CROWD];
	unsigned int i;
	long ret;

	ret = MEET(side, pin_words(device_of(side), iova, n, BOTH, word));
	if (ret == -EINVAL)
		return 0;
	if (ret != n)
		return ret ?: -EIO;
	for (i = 0; i < n; i++)
		if (word[i] != T1_MARK(page + i))
			return -EILSEQ;
	side->pinned++;
	ret = unpin(device_of(side), iova, n);
	return ret < 0 ? ret : 0;
}

static long pin_one(struct side *side)
{
	return pin_any(side, pick(side, 4), 1);
}

static long pin_many(struct side *side)
{
	return pin_any(side, pick(side, 4), CROWD);
}

/* In one of several stretches */
static long pin_somewhere(struct side *side)
{
	return pin_any(side, pick(side, T1_PAGES), 1);
}

/* Pages that are mapped all the time */
static long pin_there(struct side *side, unsigned int page, unsigned int n)
{
	unsigned long pinned = side->pinned;
	long ret = pin_any(side, page, n);

	return ret ?: side->pinned > pinned ? 0 : -EINVAL;
}

static long pin_between(struct side *side)
{
	return pin_there(side, pick(side, AROUND / 2) * 2, 1);
}

static long pin_of_crowd(struct side *side)
{
	return pin_there(side, pick(side, CROWD), 1);
}

/* Twice, so a stretch gets counts; then nothing, unless the other has its page. */
static long pin_crowd(struct side *side)
{
	unsigned int i;
	long ret;

	for (i = 0; i < 2; i++) {
		ret = MEET(side, pin(device_of(side), T1_IOVA, CROWD, BOTH));
		if (ret != CROWD)
			return ret ?: -EIO;
	}
	for (i = 0; i < 2; i++)
		if (MEET(side, unpin(device_of(side), T1_IOVA, CROWD)) != CROWD)
			return -ENOENT;
	return 0;
}

/* The unpin is what is to meet the other's. */
static long unpin_own(struct side *side)
{
	const __u64 iova = T1_IOVA + side->nr * PAGE;
	long ret = pin(device_of(side), iova, 1, BOTH);

	if (ret != 1)
		return ret ?: -EIO;
	side->pinned++;
	return MEET(side, unpin(device_of(side), iova, 1)) == 1 ? 0 : -ENOENT;
}

/* Until it begins a call, or ends one, unless it stands still. */
static void wait_for_other(struct side *side)
{
	const unsigned int was = CALLS(side->other);
	unsigned int i;

	for (i = 0; i < 200 && CALLS(side->other) == was; i++)
		sched_yield();
}

/* As it is mapped, or when the other is about to find it */
static long unmap(struct side *side)
{
	const int fd = side->use->t.container;
	long ret = dma_map(fd, side->use->mem, T1_IOVA, PART_SIZE, T1_RW);

	if (ret)
		return ret;
	if (pick(side, 2))
		wait_for_other(side);
	ret = MEET(side, dma_unmap(fd, T1_IOVA, PART_SIZE));
	return ret == PART_SIZE ? 0 : ret ?: -EIO;
}

/* All stretches of a new mapping are new. */
static long pin_new(struct side *side)
{
	const int fd = side->use->t.container;
	long ret = dma_map(fd, side->use->mem, T1_IOVA, T1_PAGES * PAGE, T1_RW);

	if (!ret)
		ret = pin_there(side, pick(side, T1_PAGES), 1);
	if (ret)
		return ret;
	ret = dma_unmap(fd, T1_IOVA, T1_PAGES * PAGE);
	return ret == T1_PAGES * PAGE ? 0 : ret ?: -EIO;
}

/* Both want to unmap the same, and it takes a while, as it is pinned. */
static long unmap_same(struct side *side)
{
	const int fd = side->use->t.container;
	long ret = dma_map(fd, side->use->mem, T1_IOVA, PART_SIZE, T1_RW);

	if (ret && ret != -EEXIST)
		return ret;
	ret = pin(device_of(side), T1_IOVA + side->nr * PAGE, 1, BOTH);
	if (ret != 1 && ret != -EINVAL)
		return ret ?: -EIO;
	side->pinned += ret == 1;
	ret = MEET(side, dma_unmap(fd, T1_IOVA, PART_SIZE));
	return !ret || ret == PART_SIZE ? 0 : ret;
}

/* The tree of mappings is balanced again and again, around those that stay. */
static long map_around(struct side *side)
{
	const unsigned int at = pick(side, AROUND / 2) * 2 + 1;
	const __u64 iova = T1_IOVA + at * PAGE;
	const int fd = side->use->t.container;
	long ret;

	if (side->value & 1ULL << at)
		ret = MEET(side, dma_unmap(fd, iova, PAGE)) == PAGE ? 0 : -EIO;
	else
		ret = MEET(side, dma_map(fd, side->use->mem, iova, PAGE, T1_RW));
	side->value ^= 1ULL << at;
	return ret;
}

static long copy(struct side *side)
{
	side->value++;
	side->pinned++;
	return MEET(side, rw_write(device_of(side), T1_IOVA, &side->value, sizeof(side->value)));
}

/* What is written after the start, and copied by the end, has a bit. */
static long track(struct side *side)
{
	__u64 *mem = (__u64 *)side->use->mem;
	const int fd = side->use->t.container;
	__u64 bitmap[T1_PAGES / 64], before, after;
	unsigned int calls;
	long ret;

	ret = MEET(side, dirty_start(fd));
	if (ret)
		return ret;
	before = __atomic_load_n(mem, __ATOMIC_SEQ_CST);
	if (pick(side, 2))
		sched_yield();
	after = __atomic_load_n(mem, __ATOMIC_SEQ_CST);
	/* The copy may be done, and its call not. */
	calls = CALLS(side->other);
	while (calls % 2 && CALLS(side->other) == calls)
		if (all.end && now_ms() > all.end + MEETINGS_MS)
			return -ETIMEDOUT;
	ret = dirty_get(fd, T1_IOVA, T1_PAGES * PAGE, bitmap, sizeof(bitmap));
	if (!ret)
		ret = dirty_stop(fd);
	if (!ret && before != after && !bit_of(bitmap, 0))
		ret = -ENOMSG;
	return ret;
}

/* Its group comes to lie behind the other's, and a pin for it looks at both. */
static long pin_behind(struct side *side)
{
	struct type1 *t = &side->use->t;
	unsigned int i;
	long ret;

	type1_leave(t, side->nr);
	ret = type1_join(t, side->nr);
	for (i = 0; i < 16 && !ret; i++)
		ret = pin_there(side, 0, 1);
	return ret;
}

static long come_and_go(struct side *side)
{
	struct type1 *t = &side->use->t;
	long ret = MEET(side, type1_join(t, 2));

	if (ret)
		return ret;
	return MEET(side, (type1_leave(t, 2), 0));
}

/* Cases */

#define A_DAY	(24 * 3600)

FIXTURE(meet) {
	struct type1_use use;
};

FIXTURE_SETUP(meet)
{
	if (type1_is_stock())
		SKIP(return, "these rules are of our module");
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		SKIP(return, "one processor alone meets nobody");
	ASSERT_EQ(0, use_begin(&self->use, 2));
}

FIXTURE_TEARDOWN(meet)
{
	use_end(&self->use);
	EXPECT_EQ(0, HELD(&self->use));
	EXPECT_EQ(0, LOCKED(&self->use));
}

/* A page is pinned in a mapping that is about to go: which of the two is first. */
TEST_F_TIMEOUT(meet, enter_bars, A_DAY)
{
	EXPECT_EQ(0, meet(&self->use, pin_one, unmap, nothing_is_mapped));
}

/* The unmap waits for a call that takes a while. */
TEST_F_TIMEOUT(meet, leave, A_DAY)
{
	EXPECT_EQ(0, meet(&self->use, pin_many, unmap, nothing_is_mapped));
}

TEST_F_TIMEOUT(meet, settled, A_DAY)
{
	EXPECT_EQ(0, meet(&self->use, unmap_same, unmap_same, nothing_is_mapped));
}

TEST_F_TIMEOUT(meet, tree, A_DAY)
{
	unsigned int i;

	for (i = 0; i < AROUND; i += 2)
		ASSERT_EQ(0, dma_map(self->use.t.container, self->use.mem + i * PAGE,
				     T1_IOVA + i * PAGE, PAGE, T1_RW));
	EXPECT_EQ(0, meet(&self->use, pin_between, map_around, nothing_is_left));
}

TEST_F_TIMEOUT(meet, stretch, A_DAY)
{
	EXPECT_EQ(0, meet(&self->use, pin_somewhere, pin_new, nothing_is_mapped));
}

/* A stretch gets words, and they go again. */
TEST_F_TIMEOUT(meet, words_freed, A_DAY)
{
	ASSERT_EQ(0, use_map(&self->use));
	EXPECT_EQ(0, meet(&self->use, pin_of_crowd, pin_crowd, nothing_is_left));
}

/* The last two charges go, and what was charged in advance with them. */
TEST_F_TIMEOUT(meet, amounts, A_DAY)
{
	ASSERT_EQ(0, use_map(&self->use));
	EXPECT_EQ(0, meet(&self->use, unpin_own, unpin_own, nothing_is_left));
}

TEST_F_TIMEOUT(meet, tracking, A_DAY)
{
	ASSERT_EQ(0, use_map(&self->use));
	EXPECT_EQ(0, meet(&self->use, copy, track, nothing_is_left));
	mark_memory(self->use.mem, 1);
}

TEST_F_TIMEOUT(meet, group, A_DAY)
{
	ASSERT_EQ(0, use_map(&self->use));
	EXPECT_EQ(0, meet(&self->use, pin_behind, come_and_go, nothing_is_left));
}

MDEV_TEST_MAIN(TYPE1_TEST)
