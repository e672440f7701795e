// SPDX-License-Identifier: GPL-2.0-only
/* KUnit tests of pages_record.c, which includes this file. */
#include <kunit/test.h>
#include <linux/prandom.h>

#define TEST_ORDER	5
#define TEST_PAGES	BIT(TEST_ORDER)

/*
 * Consecutive pages, which are recorded as if they were somebody's; and how many
 * count as locked memory, by what those that added and dropped them were told.
 */
struct record_test {
	struct t1_record record;
	struct t1_spare spare;
	struct page *pages;
	unsigned long counted;
};

static int record_test_init(struct kunit *test)
{
	struct record_test *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);

	if (!t)
		return -ENOMEM;
	t->pages = alloc_pages(GFP_KERNEL | __GFP_RETRY_MAYFAIL, TEST_ORDER);
	if (!t->pages)
		return -ENOMEM;
	t1_record_init(&t->record);
	test->priv = t;
	return 0;
}

static void record_test_exit(struct kunit *test)
{
	struct record_test *t = test->priv;

	if (!t)
		return;
	t1_spare_end(&t->record, &t->spare);
	if (t1_record_empty(&t->record))
		__free_pages(t->pages, TEST_ORDER);
}

/* How many count, which the record says as well. */
static unsigned long record_test_counted(struct kunit *test)
{
	struct record_test *t = test->priv;

	t1_record_lock(&t->record);
	KUNIT_EXPECT_EQ(test, t1_record_counted(&t->record, 0, ULONG_MAX), t->counted);
	t1_record_unlock(&t->record);
	return t->counted;
}

/* Pin as a caller does, pages from @from on. */
static long record_test_pin(struct record_test *t, unsigned long index,
			    unsigned long n, unsigned int from, unsigned int step)
{
	struct page *pages[TEST_PAGES], *raised[TEST_PAGES];
	struct t1_source src = { .pages = pages };
	unsigned long i, done, hole;
	long ret = 0;

	for (done = 0; done < n; done += ret) {
		t1_record_lock(&t->record);
		ret = t1_record_raise(&t->record, index + done, min(n - done, TEST_PAGES),
				      raised, &t->spare);
		if (!ret) {
			hole = t1_record_hole(&t->record, index + done,
					      min(n - done, TEST_PAGES));
			for (i = 0; i < hole; i++)
				pages[i] = t->pages + (from + (done + i) * step) % TEST_PAGES;
			for (src.run = 1; src.run < hole &&
			     pages[src.run] == pages[0] + src.run; src.run++)
				;
			ret = t1_record_add(&t->record, index + done, hole, &src,
					    &t->spare, &t->counted);
		}
		t1_record_unlock(&t->record);
		if (ret == -EAGAIN)
			ret = t1_spare_fill(&t->record, &t->spare);
		if (ret < 0)
			return ret;
	}
	return done;
}

/* Unpin as a caller does; how many pages were let go of. */
static unsigned long record_test_unpin(struct record_test *t, unsigned long index,
				       unsigned long n)
{
	unsigned long done = 0, let_go = 0;
	struct t1_batch batch = { };

	while (done < n) {
		t1_record_lock(&t->record);
		done += t1_record_drop(&t->record, index + done, n - done, &batch);
		t1_record_unlock(&t->record);
		let_go += batch.npages + batch.nrun;
		batch.npages = 0;
		batch.nrun = 0;
	}
	t->counted -= batch.counted;
	return let_go;
}

/* Record a page if that is easy. */
static bool record_test_put(struct record_test *t, unsigned long index,
			    unsigned int from)
{
	bool done;

	t1_record_lock(&t->record);
	done = t1_record_put(&t->record, index, t->pages + from % TEST_PAGES);
	t1_record_unlock(&t->record);
	t->counted += done;
	return done;
}

/* The same of one page, as most callers do. */
static long record_test_pin_one(struct record_test *t, unsigned long index,
				unsigned int from)
{
	bool held;

	t1_record_lock(&t->record);
	held = t1_record_holds(&t->record, index);
	t1_record_unlock(&t->record);
	return !held && record_test_put(t, index, from) ? 1 :
	       record_test_pin(t, index, 1, from, 1);
}

static unsigned long record_test_unpin_one(struct record_test *t, unsigned long index)
{
	u64 word;

	t1_record_lock(&t->record);
	word = t1_record_drop_one(&t->record, index);
	t1_record_unlock(&t->record);
	t->counted -= word && t1_word_is_counted(word);
	return !!word;
}

/* One page takes no memory, until it is pinned again or gets company. */
static void record_test_lone(struct kunit *test)
{
	struct record_test *t = test->priv;
	unsigned long index = 0, pfn, n;
	bool bare;

	KUNIT_ASSERT_EQ(test, record_test_pin_one(t, 511, 3), 1L);
	KUNIT_ASSERT_EQ(test, record_test_pin(t, 512, 1, 4, 1), 1L);
	KUNIT_EXPECT_EQ(test, t1_record_bytes(&t->record), 0UL);
	KUNIT_EXPECT_EQ(test, record_test_counted(test), 2UL);
	KUNIT_EXPECT_TRUE(test, t1_record_extent(&t->record, &index, 1023, &pfn, &n, &bare));
	KUNIT_EXPECT_EQ(test, index, 511UL);
	KUNIT_EXPECT_EQ(test, pfn, page_to_pfn(t->pages) + 3);
	KUNIT_EXPECT_EQ(test, n, 1UL);
	KUNIT_EXPECT_EQ(test, record_test_unpin_one(t, 510), 0UL);
	KUNIT_EXPECT_EQ(test, record_test_unpin(t, 513, 100), 0UL);
	KUNIT_ASSERT_EQ(test, record_test_pin_one(t, 511, 7), 1L);
	KUNIT_EXPECT_LE(test, t1_record_bytes(&t->record), 32UL);
	KUNIT_EXPECT_EQ(test, record_test_unpin_one(t, 511), 0UL);
	KUNIT_EXPECT_EQ(test, record_test_unpin_one(t, 511), 1UL);
	KUNIT_EXPECT_EQ(test, record_test_unpin_one(t, 512), 1UL);
	KUNIT_EXPECT_TRUE(test, t1_record_empty(&t->record));
	KUNIT_EXPECT_EQ(test, record_test_counted(test), 0UL);
}

static void record_test_few(struct kunit *test)
{
	struct record_test *t = test->priv;
	unsigned int i;

	for (i = 0; i < 40; i++)
		KUNIT_ASSERT_EQ(test, record_test_pin(t, (i * 37) % 512, 1, i, 1), 1L);
	KUNIT_EXPECT_EQ(test, record_test_counted(test), 40UL);
	KUNIT_EXPECT_LE(test, t1_record_bytes(&t->record), 512UL);
	KUNIT_EXPECT_EQ(test, record_test_pin(t, 37, 1, 9, 1), 1L);
	KUNIT_EXPECT_EQ(test, record_test_counted(test), 40UL);
	KUNIT_EXPECT_EQ(test, record_test_unpin(t, 0, 512), 39UL);
	KUNIT_EXPECT_EQ(test, record_test_unpin(t, 0, 512), 1UL);
	KUNIT_EXPECT_TRUE(test, t1_record_empty(&t->record));
	KUNIT_EXPECT_EQ(test, record_test_counted(test), 0UL);
}

static void record_test_run(struct kunit *test)
{
	struct record_test *t = test->priv;
	unsigned long index = 500, pfn, n;
	bool bare;

	/* One more at a time becomes one, too; and over a stretch's end. */
	KUNIT_ASSERT_EQ(test, record_test_pin(t, 500, 12, 0, 1), 12L);
	KUNIT_ASSERT_EQ(test, record_test_pin(t, 512, 20, 12, 1), 20L);
	KUNIT_EXPECT_LE(test, t1_record_bytes(&t->record), 2 * 96UL);
	KUNIT_EXPECT_TRUE(test, t1_record_extent(&t->record, &index, 1023, &pfn, &n, &bare));
	KUNIT_EXPECT_EQ(test, pfn, page_to_pfn(t->pages));
	KUNIT_EXPECT_EQ(test, n, 12UL);
	index = 512;
	KUNIT_EXPECT_TRUE(test, t1_record_extent(&t->record, &index, 519, &pfn, &n, &bare));
	KUNIT_EXPECT_EQ(test, pfn, page_to_pfn(t->pages) + 12);
	KUNIT_EXPECT_EQ(test, n, 8UL);
	/* One that continues it is put there, once; another page is not. */
	KUNIT_EXPECT_EQ(test, record_test_unpin(t, 530, 2), 2UL);
	KUNIT_EXPECT_FALSE(test, record_test_put(t, 530, 29));
	KUNIT_EXPECT_TRUE(test, record_test_put(t, 530, 30));
	KUNIT_EXPECT_FALSE(test, record_test_put(t, 530, 30));
	KUNIT_EXPECT_TRUE(test, record_test_put(t, 531, 31));
	KUNIT_EXPECT_LE(test, t1_record_bytes(&t->record), 2 * 96UL);
	KUNIT_EXPECT_EQ(test, record_test_counted(test), 32UL);
	/* A second pin of one, and all are still there. */
	KUNIT_EXPECT_EQ(test, record_test_pin(t, 520, 1, 0, 1), 1L);
	KUNIT_EXPECT_EQ(test, record_test_unpin(t, 0, 1024), 31UL);
	KUNIT_EXPECT_EQ(test, record_test_unpin(t, 520, 1), 1UL);
	KUNIT_EXPECT_TRUE(test, t1_record_empty(&t->record));
}

static void record_test_full(struct kunit *test)
{
	struct record_test *t = test->priv;
	struct page *pages[2];

	KUNIT_ASSERT_EQ(test, record_test_pin(t, 0, 512, 0, 3), 512L);
	KUNIT_EXPECT_EQ(test, t1_record_bytes(&t->record), PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, record_test_counted(test), 512UL);
	rcu_read_lock_sched();
	KUNIT_EXPECT_EQ(test, t1_record_raise_fast(&t->record, 511, 2, pages), 1UL);
	KUNIT_EXPECT_EQ(test, t1_record_raise_fast(&t->record, 512, 1, pages), 0UL);
	rcu_read_unlock_sched();
	KUNIT_EXPECT_PTR_EQ(test, pages[0], t->pages + 511 * 3 % TEST_PAGES);
	KUNIT_EXPECT_EQ(test, record_test_unpin(t, 0, 512), 511UL);
	KUNIT_EXPECT_EQ(test, record_test_counted(test), 1UL);
	KUNIT_EXPECT_EQ(test, record_test_unpin(t, 511, 1), 1UL);
	KUNIT_EXPECT_TRUE(test, t1_record_empty(&t->record));
}

/* A full one of @n pages. */
static void record_test_fill(struct kunit *test, unsigned long n)
{
	struct record_test *t = test->priv;

	KUNIT_ASSERT_EQ(test, record_test_pin(t, 0, 64, 0, 3), 64L);
	KUNIT_ASSERT_EQ(test, record_test_unpin(t, n, 64 - n), 64 - n);
}

static u64 *record_test_word(struct record_test *t, unsigned long index)
{
	return t1_stretch_word(t1_record_stretch(&t->record, index), index);
}

/* A word that is set without the lock, while the stretch is held. */
static void record_test_hold(struct kunit *test)
{
	struct record_test *t = test->priv;
	atomic_long_t *tally;

	/* It stays when its last page goes, and takes another. */
	record_test_fill(test, 1);
	tally = t1_word_hold(record_test_word(t, 7));
	KUNIT_ASSERT_NOT_NULL(test, tally);
	KUNIT_EXPECT_EQ(test, record_test_unpin_one(t, 0), 1UL);
	KUNIT_EXPECT_FALSE(test, t1_record_empty(&t->record));
	KUNIT_EXPECT_EQ(test, record_test_counted(test), 0UL);
	KUNIT_EXPECT_TRUE(test, t1_word_put(record_test_word(t, 7), tally, t->pages));
	t->counted++;
	KUNIT_EXPECT_EQ(test, record_test_counted(test), 1UL);
	KUNIT_EXPECT_EQ(test, record_test_pin(t, 7, 1, 5, 1), 1L);
	KUNIT_EXPECT_EQ(test, record_test_unpin(t, 0, 512), 0UL);
	KUNIT_EXPECT_EQ(test, record_test_unpin(t, 0, 512), 1UL);
	KUNIT_EXPECT_TRUE(test, t1_record_empty(&t->record));

	/* It goes with who held it. */
	record_test_fill(test, 2);
	tally = t1_word_hold(record_test_word(t, 7));
	KUNIT_ASSERT_NOT_NULL(test, tally);
	KUNIT_EXPECT_EQ(test, record_test_unpin(t, 0, 512), 2UL);
	KUNIT_EXPECT_FALSE(test, t1_record_empty(&t->record));
	t1_record_unhold(&t->record, 7, tally);
	KUNIT_EXPECT_TRUE(test, t1_record_empty(&t->record));

	/* Another was first: his page stays, and counts once. */
	record_test_fill(test, 2);
	tally = t1_word_hold(record_test_word(t, 7));
	KUNIT_ASSERT_NOT_NULL(test, tally);
	KUNIT_EXPECT_EQ(test, record_test_pin_one(t, 7, 9), 1L);
	KUNIT_EXPECT_FALSE(test, t1_word_put(record_test_word(t, 7), tally, t->pages));
	t1_record_unhold(&t->record, 7, tally);
	KUNIT_EXPECT_EQ(test, record_test_counted(test), 3UL);
	KUNIT_EXPECT_EQ(test, record_test_unpin(t, 0, 512), 3UL);
	KUNIT_EXPECT_TRUE(test, t1_record_empty(&t->record));
	KUNIT_EXPECT_EQ(test, record_test_counted(test), 0UL);
}

/* Behind a full one the next is full from the start, behind one that is not it is not. */
static void record_test_next(struct kunit *test)
{
	struct record_test *t = test->priv;

	KUNIT_ASSERT_EQ(test, record_test_pin(t, 0, 256, 0, 3), 256L);
	KUNIT_ASSERT_EQ(test, record_test_pin_one(t, 512, 1), 1L);
	KUNIT_EXPECT_EQ(test, t1_record_bytes(&t->record), 2 * PAGE_SIZE);
	KUNIT_ASSERT_EQ(test, record_test_pin_one(t, 1024, 1), 1L);
	KUNIT_EXPECT_EQ(test, t1_record_bytes(&t->record), 2 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, record_test_unpin(t, 0, 1100), 258UL);
	KUNIT_ASSERT_EQ(test, record_test_pin(t, 0, 255, 0, 3), 255L);
	KUNIT_ASSERT_EQ(test, record_test_pin_one(t, 512, 1), 1L);
	KUNIT_EXPECT_EQ(test, t1_record_bytes(&t->record), PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, record_test_unpin(t, 0, 1100), 256UL);
	KUNIT_EXPECT_TRUE(test, t1_record_empty(&t->record));
}

static void record_test_io(struct kunit *test)
{
	struct record_test *t = test->priv;
	struct t1_source src = { .pfn = page_to_pfn(t->pages), .run = 20, .nreserved = 20 };
	long ret;

	do {
		t1_record_lock(&t->record);
		ret = t1_record_add(&t->record, 7, 20, &src, &t->spare, &t->counted);
		t1_record_unlock(&t->record);
		if (ret == -EAGAIN)
			KUNIT_ASSERT_EQ(test, t1_spare_fill(&t->record, &t->spare), 0);
	} while (ret == -EAGAIN);
	KUNIT_EXPECT_EQ(test, ret, 20L);
	KUNIT_EXPECT_EQ(test, record_test_counted(test), 0UL);
	/* Beside what counts, in a full one. */
	KUNIT_ASSERT_EQ(test, record_test_pin(t, 30, 482, 0, 3), 482L);
	KUNIT_EXPECT_EQ(test, t1_record_bytes(&t->record), PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, record_test_counted(test), 482UL);
	KUNIT_EXPECT_EQ(test, record_test_unpin_one(t, 7), 1UL);
	KUNIT_EXPECT_EQ(test, record_test_unpin_one(t, 511), 1UL);
	KUNIT_EXPECT_EQ(test, record_test_counted(test), 481UL);
	KUNIT_EXPECT_EQ(test, record_test_unpin(t, 20, 300), 290UL);
	KUNIT_EXPECT_EQ(test, record_test_counted(test), 191UL);
	KUNIT_EXPECT_EQ(test, record_test_unpin(t, 100, 412), 191UL);
	KUNIT_EXPECT_EQ(test, record_test_unpin(t, 0, 100), 0UL);
	KUNIT_EXPECT_TRUE(test, t1_record_empty(&t->record));
}

/* A place that was reserved and not used is no pin. */
static void record_test_unused_place(struct kunit *test)
{
	struct record_test *t = test->priv;
	struct page *pages[2] = { t->pages, t->pages + 2 };
	struct t1_source src = { .pages = pages, .run = 1 };
	long ret;

	t1_record_lock(&t->record);
	ret = t1_record_add(&t->record, 1 << 20, 2, &src, &t->spare, &t->counted);
	t1_record_unlock(&t->record);
	KUNIT_ASSERT_EQ(test, ret, (long)-EAGAIN);
	KUNIT_ASSERT_EQ(test, t1_spare_fill(&t->record, &t->spare), 0);
	KUNIT_EXPECT_PTR_EQ(test, t1_record_stretch(&t->record, 1 << 20), NULL);
	t1_spare_end(&t->record, &t->spare);
	KUNIT_EXPECT_TRUE(test, t1_record_empty(&t->record));
}

/* Anything in any order, against counts in an array. */
static void record_test_model(struct kunit *test)
{
	struct record_test *t = test->priv;
	unsigned int index, n, from, step, i, round;
	unsigned long expected, distinct = 0, within;
	struct rnd_state rnd;
	u16 *count;

	count = kunit_kcalloc(test, 1100, sizeof(*count), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, count);
	prandom_seed_state(&rnd, 5);
	for (round = 0; round < 3000; round++) {
		index = prandom_u32_state(&rnd) % 1060;
		n = round % 3 ? 1 : 1 + prandom_u32_state(&rnd) % TEST_PAGES;
		from = prandom_u32_state(&rnd);
		step = prandom_u32_state(&rnd) % 4;
		if (prandom_u32_state(&rnd) % 2) {
			KUNIT_ASSERT_EQ(test, n == 1 ? record_test_pin_one(t, index, from) :
					record_test_pin(t, index, n, from, step), (long)n);
			for (i = index; i < index + n; i++)
				distinct += !count[i]++;
		} else {
			for (expected = 0, i = index; i < index + n; i++)
				if (count[i] && !--count[i])
					expected++;
			KUNIT_ASSERT_EQ(test, n == 1 ? record_test_unpin_one(t, index) :
					record_test_unpin(t, index, n), expected);
			distinct -= expected;
		}
		KUNIT_ASSERT_EQ(test, record_test_counted(test), distinct);
		t1_record_lock(&t->record);
		for (i = index; i < 1100 && !count[i]; i++)
			;
		KUNIT_EXPECT_EQ(test, t1_record_hole(&t->record, index, 1100 - index),
				(unsigned long)(i - index));
		for (within = 0, i = index; i < index + n; i++)
			within += !!count[i];
		KUNIT_EXPECT_EQ(test, t1_record_counted(&t->record, index, n), within);
		t1_record_unlock(&t->record);
	}
	while (!t1_record_empty(&t->record))
		record_test_unpin(t, 0, 1100);
	KUNIT_EXPECT_EQ(test, record_test_counted(test), 0UL);
}

static struct kunit_case record_test_cases[] = {
	KUNIT_CASE(record_test_lone),
	KUNIT_CASE(record_test_few),
	KUNIT_CASE(record_test_run),
	KUNIT_CASE(record_test_full),
	KUNIT_CASE(record_test_hold),
	KUNIT_CASE(record_test_next),
	KUNIT_CASE(record_test_io),
	KUNIT_CASE(record_test_unused_place),
	KUNIT_CASE(record_test_model),
	{ }
};

static struct kunit_suite record_test_suite = {
	.name = "vfio_type1_record",
	.init = record_test_init,
	.exit = record_test_exit,
	.test_cases = record_test_cases,
};

kunit_test_suite(record_test_suite);
