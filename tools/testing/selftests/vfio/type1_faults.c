// SPDX-License-Identifier: GPL-2.0-only
/*
 * Each thing that the kernel can fail to get while memory is mapped, pinned,
 * tracked and given back is denied in turn: the first, the second, and so on
 * until a try meets no more of them. A call that failed has changed nothing, and
 * can be made again; giving back does not fail.
 */
#include <fcntl.h>

#include "kselftest_harness.h"
#include "fault_util.h"
#include "type1_fixture.h"

#define BOTH		(TYPE1_TEST_READ | TYPE1_TEST_WRITE)
#define ALL		(T1_PAGES * PAGE)
/* More than any of these calls asks for */
#define MAX_NTH		3000

FIXTURE(faults) {
	struct type1_use use;
	char panic_on_warn[8];
	int fail_nth;
};

FIXTURE_SETUP(faults)
{
	expect_dmesg("-12|-ENOMEM|Unable to allocate memory|vmalloc error");
	expect_dmesg("debugfs: out of free dentries");
	if (access(FAIL_NTH, W_OK) || faults_on())
		SKIP(return, "the kernel has no fault injection");
	self->fail_nth = open(FAIL_NTH, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->fail_nth);
	/* A large allocation that fails is worth a warning to the kernel. */
	printf("# expect-warning: : vmalloc error:\n");
	ASSERT_LT(0, read_file("/proc/sys/kernel/panic_on_warn",
			       self->panic_on_warn,
			       sizeof(self->panic_on_warn)));
	ASSERT_EQ(0, write_file("/proc/sys/kernel/panic_on_warn", "0"));
	ASSERT_EQ(0, use_begin(&self->use, 2));
}

FIXTURE_TEARDOWN(faults)
{
	if (self->fail_nth <= 0)
		return;
	close(self->fail_nth);
	use_end(&self->use);
	EXPECT_EQ(0, HELD(&self->use));
	EXPECT_EQ(0, LOCKED(&self->use));
	EXPECT_EQ(0, write_file("/proc/sys/kernel/panic_on_warn",
				self->panic_on_warn));
}

/* A call, what it answers when done, and whether all is as before or done. */
struct attempt {
	long long (*act)(struct type1_use *use);
	long long done;
	bool (*verify)(struct type1_use *use, bool done);
	/* After one that was done */
	void (*undo)(struct type1_use *use);
};

/* Answers how many denials there were, or -1 after saying what was wrong. */
static int sweep(struct type1_use *use, int fail_nth,
		 const struct attempt *attempt)
{
	unsigned int nth;
	long long ret;
	bool met;

	for (nth = 1; nth < MAX_NTH; nth++) {
		deny(fail_nth, nth);
		ret = attempt->act(use);
		met = !deny_no_more(fail_nth);
		if (ret != attempt->done &&
		    (!met || (ret != -ENOMEM && ret != -EFAULT))) {
			ksft_print_msg("%u: answered %lld\n", nth, ret);
			return -1;
		}
		if (!attempt->verify(use, ret == attempt->done)) {
			ksft_print_msg("%u: after %lld: %lld held, %lld locked\n",
				       nth, ret, HELD(use), LOCKED(use));
			return -1;
		}
		if (ret == attempt->done)
			attempt->undo(use);
		if (!met)
			return nth - 1;
	}
	ksft_print_msg("there is no end to it\n");
	return -1;
}

/* How many pages are pinned and charged? */
static bool counts(struct type1_use *use, long long pages)
{
	return HELD(use) == pages && LOCKED(use) == pages;
}

/* Mapping */

static long long map_some(struct type1_use *use)
{
	return dma_map(use->t.container, use->mem, T1_IOVA, 64 * PAGE, T1_RW);
}

static bool is_mapped(struct type1_use *use, bool done)
{
	struct type1_info info;

	return counts(use, 0) && !type1_get_info(use->t.container, &info) &&
	       info.avail == type1_parameter_get("dma_entry_limit") - done;
}

static void unmap(struct type1_use *use)
{
	if (dma_unmap_all(use->t.container) < 0)
		abort();
}

TEST_F(faults, map)
{
	static const struct attempt attempt = {
		.act = map_some,
		.verify = is_mapped,
		.undo = unmap,
	};

	EXPECT_LT(1, sweep(&self->use, self->fail_nth, &attempt));
	/* With a bitmap to be had */
	ASSERT_EQ(0, dirty_start(self->use.t.container));
	EXPECT_LT(2, sweep(&self->use, self->fail_nth, &attempt));
}

/* Pinning */

static long long pin_many(struct type1_use *use)
{
	return pin(use->t.device[0], T1_IOVA + 100 * PAGE, 512, BOTH);
}

static bool are_pinned(struct type1_use *use, bool done)
{
	return counts(use, done ? 512 : 0);
}

static void unpin_many(struct type1_use *use)
{
	unpin(use->t.device[0], T1_IOVA + 100 * PAGE, 512);
}

TEST_F(faults, row_8_pin)
{
	static const struct attempt attempt = {
		.act = pin_many,
		.done = 512,
		.verify = are_pinned,
		.undo = unpin_many,
	};

	ASSERT_EQ(0, use_map(&self->use));
	EXPECT_LT(3, sweep(&self->use, self->fail_nth, &attempt));
}

/* One page at a time, where there is nothing yet and behind a few */
static const unsigned int one_at[] = { 5, 512 + 30 };

static long long pin_ones(struct type1_use *use)
{
	unsigned int i;
	long long ret;

	for (i = 0; i < ARRAY_LEN(one_at); i++) {
		ret = pin(use->t.device[0], T1_IOVA + one_at[i] * PAGE, 1,
			  BOTH);
		if (ret != 1)
			break;
	}
	if (i < ARRAY_LEN(one_at))
		while (i--)
			unpin(use->t.device[0], T1_IOVA + one_at[i] * PAGE, 1);
	return ret;
}

static bool ones_are_pinned(struct type1_use *use, bool done)
{
	return counts(use, 20 + (done ? ARRAY_LEN(one_at) : 0));
}

static void unpin_ones(struct type1_use *use)
{
	unpin(use->t.device[0], T1_IOVA, T1_PAGES);
}

TEST_F(faults, row_8_pin_one)
{
	static const struct attempt attempt = {
		.act = pin_ones,
		.done = 1,
		.verify = ones_are_pinned,
		.undo = unpin_ones,
	};
	unsigned int i;

	ASSERT_EQ(0, use_map(&self->use));
	for (i = 0; i < 20; i++)
		ASSERT_EQ(1, pin(self->use.t.device[1],
				 T1_IOVA + (512 + i) * PAGE, 1, BOTH));
	EXPECT_LT(1, sweep(&self->use, self->fail_nth, &attempt));
}

/* Memory that is pinned already is among it, of this device and of another. */
static bool more_are_pinned(struct type1_use *use, bool done)
{
	return counts(use, done ? 512 + 1 : 120) &&
	       load(use->t.device[1], T1_IOVA + 130 * PAGE) == T1_MARK(130);
}

TEST_F(faults, row_8_pin_beside_pins)
{
	static const struct attempt attempt = {
		.act = pin_many,
		.done = 512,
		.verify = more_are_pinned,
		.undo = unpin_many,
	};
	unsigned int i;

	ASSERT_EQ(0, use_map(&self->use));
	ASSERT_EQ(100, pin(self->use.t.device[1], T1_IOVA + 120 * PAGE, 100,
			   BOTH));
	for (i = 0; i < 19; i++)
		ASSERT_EQ(1, pin(self->use.t.device[1],
				 T1_IOVA + (300 + 9 * i) * PAGE, 1, BOTH));
	ASSERT_EQ(1, pin(self->use.t.device[1], T1_IOVA, 1, BOTH));
	EXPECT_LT(3, sweep(&self->use, self->fail_nth, &attempt));
}

/* One more pin of pages that are pinned, which then need counts */
static long long pin_again(struct type1_use *use)
{
	return pin(use->t.device[0], T1_IOVA, 64, BOTH);
}

static bool all_are_pinned(struct type1_use *use, bool done)
{
	return counts(use, 512) &&
	       pins_of(use->t.device[0], T1_IOVA + 63 * PAGE) == done;
}

static void unpin_again(struct type1_use *use)
{
	unpin(use->t.device[0], T1_IOVA, 64);
}

TEST_F(faults, row_8_pin_again)
{
	static const struct attempt attempt = {
		.act = pin_again,
		.done = 64,
		.verify = all_are_pinned,
		.undo = unpin_again,
	};

	ASSERT_EQ(0, use_map(&self->use));
	ASSERT_EQ(512, pin(self->use.t.device[1], T1_IOVA, 512, BOTH));
	EXPECT_LT(1, sweep(&self->use, self->fail_nth, &attempt));
}

/* Several mappings, some of them short */
static long long pin_mappings(struct type1_use *use)
{
	return pin(use->t.device[0], T1_IOVA, 200, BOTH);
}

static bool mappings_are_pinned(struct type1_use *use, bool done)
{
	return counts(use, done ? 200 : 0);
}

static void unpin_mappings(struct type1_use *use)
{
	unpin(use->t.device[0], T1_IOVA, 200);
}

TEST_F(faults, row_8_pin_mappings)
{
	static const struct attempt attempt = {
		.act = pin_mappings,
		.done = 200,
		.verify = mappings_are_pinned,
		.undo = unpin_mappings,
	};
	unsigned int i;

	for (i = 0; i < 200; i += 40)
		ASSERT_EQ(0, dma_map(self->use.t.container,
				     self->use.mem + i * PAGE,
				     T1_IOVA + i * PAGE, 40 * PAGE, T1_RW));
	EXPECT_LT(5, sweep(&self->use, self->fail_nth, &attempt));
}

/* Giving back */

static long long give_back(struct type1_use *use)
{
	return unpin(use->t.device[0], T1_IOVA, 512);
}

static bool is_given_back(struct type1_use *use, bool done)
{
	/* Its argument may be what could not be copied. */
	return counts(use, done ? 8 : 512);
}

static void pin_anew(struct type1_use *use)
{
	if (pin(use->t.device[0], T1_IOVA, 512, BOTH) != 512)
		abort();
}

TEST_F(faults, unpin_needs_nothing)
{
	static const struct attempt attempt = {
		.act = give_back,
		.done = 512,
		.verify = is_given_back,
		.undo = pin_anew,
	};

	ASSERT_EQ(0, use_map(&self->use));
	ASSERT_EQ(512, pin(self->use.t.device[0], T1_IOVA, 512, BOTH));
	ASSERT_EQ(8, pin(self->use.t.device[1], T1_IOVA + 7 * PAGE, 8, BOTH));
	EXPECT_LE(0, sweep(&self->use, self->fail_nth, &attempt));
	EXPECT_EQ(1, pins_of(self->use.t.device[1], T1_IOVA + 7 * PAGE));
}

static bool is_unmapped(struct type1_use *use, bool done)
{
	/* An answer that is not copied out comes too late. */
	return done ? counts(use, 0) : counts(use, 512) || counts(use, 0);
}

static void map_and_pin(struct type1_use *use)
{
	if (use_map(use) || pin(use->t.device[0], T1_IOVA, 512, BOTH) != 512)
		abort();
}

TEST_F(faults, unmap_needs_nothing)
{
	unsigned int nth;
	long long ret;

	for (nth = 1; nth < 8; nth++) {
		dma_unmap_all(self->use.t.container);
		map_and_pin(&self->use);
		deny(self->fail_nth, nth);
		ret = dma_unmap_all(self->use.t.container);
		deny_no_more(self->fail_nth);
		EXPECT_TRUE(ret == ALL || ret == -EFAULT);
		EXPECT_TRUE(is_unmapped(&self->use, ret == ALL));
	}
}

/* Tracking */

static long long start(struct type1_use *use)
{
	return dirty_start(use->t.container);
}

static bool is_tracking(struct type1_use *use, bool done)
{
	__u64 bitmap[T1_PAGES / 64];
	long ret = dirty_get(use->t.container, T1_IOVA, ALL, bitmap,
			     sizeof(bitmap));

	return ret == (done ? 0 : -EINVAL);
}

static void stop(struct type1_use *use)
{
	dirty_stop(use->t.container);
}

/* The bitmap of the second mapping, or the third: then there is none. */
TEST_F(faults, row_13_tracking)
{
	static const struct attempt attempt = {
		.act = start,
		.verify = is_tracking,
		.undo = stop,
	};
	unsigned int i;

	for (i = 0; i < T1_PAGES; i += 256)
		ASSERT_EQ(0, dma_map(self->use.t.container,
				     self->use.mem + i * PAGE,
				     T1_IOVA + i * PAGE, 256 * PAGE, T1_RW));
	EXPECT_LT(4, sweep(&self->use, self->fail_nth, &attempt));
	EXPECT_EQ(0, dirty_start(self->use.t.container));
}

/* Containers */

static long long open_another(struct type1_use *use)
{
	struct type1 t;
	int ret;

	ret = type1_bare(&t);
	if (!ret)
		ret = type1_join_group(&t, 3);
	if (!ret)
		ret = type1_set_driver(&t);
	if (!ret)
		ret = dma_map(t.container, use->mem, 0, PAGE, T1_RW);
	type1_close(&t);
	return ret;
}

static bool is_unchanged(struct type1_use *use, bool done)
{
	return counts(use, 0);
}

static void nothing(struct type1_use *use)
{
}

TEST_F(faults, row_37_container)
{
	static const struct attempt attempt = {
		.act = open_another,
		.verify = is_unchanged,
		.undo = nothing,
	};

	EXPECT_LT(5, sweep(&self->use, self->fail_nth, &attempt));
}

MDEV_TEST_MAIN(TYPE1_TEST)
