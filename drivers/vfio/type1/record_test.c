// SPDX-License-Identifier: GPL-2.0-only
/* KUnit tests of record.c, which includes this file. */
#include <kunit/test.h>
#include <linux/prandom.h>

#define TEST_ORDER	5
#define TEST_PAGES	BIT(TEST_ORDER)

/*
 * Consecutive pages, which are recorded as if they were somebody's; and how many
 * count as locked memory, by what those that added and dropped them were told. They can
 * be pinned from @first on, and up to @end.
 */
struct record_test {
	struct t1_record record;
	struct t1_spare spare;
	struct page *pages;
	unsigned long counted;
	unsigned long first;
	unsigned long end;
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
	t->end = ULONG_MAX;
	test->priv = t;
	return 0;
}

static void record_test_exit(struct kunit *test)
{
	struct record_test *t = test->priv;

	if (!t)
		return;
	t1_spare_end(&t->spare);
	KUNIT_EXPECT_EQ(test, t1_record_counted(&t->record), 0UL);
	/* What is left of a test that failed: nobody has pinned it. */
	if (!t1_record_counted(&t->record)) {
		t1_record_free(&t->record);
		__free_pages(t->pages, TEST_ORDER);
	}
}

/* A stretch, locked, or NULL if there is none and none is wanted. */
static struct t1_stretch *record_test_lock(struct record_test *t, unsigned long index,
					   bool wanted)
{
	unsigned long start = round_down(index, STRETCH_PAGES);
	struct t1_stretch *s;

	t->spare.first = max(t->first, start) - start;
	t->spare.end = min(t->end - start, STRETCH_PAGES);
	if (wanted) {
		s = t1_record_make(&t->record, index);
	} else {
		rcu_read_lock();
		s = t1_record_stretch(&t->record, index);
		rcu_read_unlock();
	}
	if (s)
		t1_stretch_lock(s);
	return s;
}

/* How many count, which the record says as well. */
static unsigned long record_test_counted(struct kunit *test)
{
	struct record_test *t = test->priv;

	KUNIT_EXPECT_EQ(test, t1_record_counted(&t->record), t->counted);
	return t->counted;
}

/* The memory for what is pinned, beside the stretches. */
static unsigned long record_test_bytes(struct record_test *t)
{
	unsigned long bytes = t1_record_bytes(&t->record), place;
	struct t1_stretch *s;

	xa_for_each(&t->record.stretches, place, s)
		bytes -= sizeof(*s);
	return bytes;
}

/* Pin as a caller does, pages from @from on. */
static long record_test_pin(struct record_test *t, unsigned long index,
			    unsigned long n, unsigned int from, unsigned int step)
{
	struct page *pages[TEST_PAGES], *raised[TEST_PAGES];
	struct t1_source src = { .pages = pages };
	unsigned long i, done, most, hole;
	struct t1_stretch *s;
	unsigned int slot;
	long ret = 0;

	for (done = 0; done < n; done += ret) {
		s = record_test_lock(t, index + done, true);
		if (!s)
			return -ENOMEM;
		slot = t1_slot(index + done);
		most = t1_in_stretch(index + done, min(n - done, TEST_PAGES));
		ret = t1_stretch_raise(s, slot, most, raised, &t->spare);
		if (!ret) {
			hole = t1_stretch_hole(s, slot, most);
			for (i = 0; i < hole; i++)
				pages[i] = t->pages + (from + (done + i) * step) % TEST_PAGES;
			for (src.run = 1; src.run < hole &&
			     pages[src.run] == pages[0] + src.run; src.run++)
				;
			ret = t1_stretch_add(s, slot, hole, &src, &t->spare, &t->counted);
		}
		t1_stretch_unlock(s);
		if (ret == -EAGAIN)
			ret = t1_spare_fill(&t->spare);
		if (ret < 0)
			return ret;
	}
	return done;
}

/* Unpin as a caller does; how many pages were let go of. */
static unsigned long record_test_unpin(struct record_test *t, unsigned long index,
				       unsigned long n)
{
	unsigned long done = 0, let_go = 0, most;
	struct t1_batch batch = { };
	struct t1_stretch *s;

	while (done < n) {
		most = t1_in_stretch(index + done, n - done);
		s = record_test_lock(t, index + done, false);
		if (s) {
			most = t1_stretch_drop_some(s, t1_slot(index + done), most, &batch);
			t1_stretch_unlock(s);
		}
		done += most;
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
	struct t1_stretch *s = record_test_lock(t, index, true);
	bool done = t1_stretch_put(s, t1_slot(index), t1_word_of(t->pages + from % TEST_PAGES));

	t1_stretch_unlock(s);
	t->counted += done;
	return done;
}

/* The same of one page, as most callers do. */
static long record_test_pin_one(struct record_test *t, unsigned long index,
				unsigned int from)
{
	return record_test_put(t, index, from) ? 1 : record_test_pin(t, index, 1, from, 1);
}

static unsigned long record_test_unpin_one(struct record_test *t, unsigned long index)
{
	struct t1_stretch *s = record_test_lock(t, index, false);
	u64 word;

	if (!s)
		return 0;
	word = t1_stretch_drop(s, t1_slot(index));
	t1_stretch_unlock(s);
	t->counted -= word && t1_word_is_counted(word);
	return !!word;
}

/* Nothing is pinned, and nothing but the stretches is left, and words of few slots. */
static void record_test_is_empty(struct kunit *test)
{
	struct record_test *t = test->priv;
	unsigned long place, start, kept = 0;
	struct t1_stretch *s;

	KUNIT_EXPECT_EQ(test, record_test_counted(test), 0UL);
	xa_for_each(&t->record.stretches, place, s) {
		start = place << STRETCH_SHIFT;
		if (s->form == T1_FULL &&
		    min(t->end, start + STRETCH_PAGES) - max(t->first, start) <= 30)
			kept += 256;
	}
	KUNIT_EXPECT_LE(test, record_test_bytes(t), kept);
}

/* One page takes no memory, pinned again or not, until it gets company. */
static void record_test_lone(struct kunit *test)
{
	struct record_test *t = test->priv;
	unsigned long last = STRETCH_PAGES - 1, index = 0, pfn, n;
	bool bare;

	KUNIT_ASSERT_EQ(test, record_test_pin_one(t, last, 3), 1L);
	KUNIT_ASSERT_EQ(test, record_test_pin(t, last + 1, 1, 4, 1), 1L);
	KUNIT_EXPECT_EQ(test, record_test_bytes(t), 0UL);
	KUNIT_EXPECT_EQ(test, record_test_counted(test), 2UL);
	KUNIT_EXPECT_TRUE(test, t1_record_extent(&t->record, &index, 2 * last, &pfn, &n, &bare));
	KUNIT_EXPECT_EQ(test, index, last);
	KUNIT_EXPECT_EQ(test, pfn, page_to_pfn(t->pages) + 3);
	KUNIT_EXPECT_EQ(test, n, 1UL);
	KUNIT_EXPECT_EQ(test, record_test_unpin_one(t, last - 1), 0UL);
	KUNIT_EXPECT_EQ(test, record_test_unpin(t, last + 2, 100), 0UL);
	KUNIT_ASSERT_EQ(test, record_test_pin_one(t, last, 7), 1L);
	KUNIT_EXPECT_EQ(test, record_test_bytes(t), 0UL);
	KUNIT_EXPECT_EQ(test, record_test_unpin_one(t, last), 0UL);
	KUNIT_ASSERT_EQ(test, record_test_pin_one(t, last, 7), 1L);
	KUNIT_EXPECT_EQ(test, record_test_unpin(t, last, 1), 0UL);
	KUNIT_EXPECT_EQ(test, record_test_unpin(t, last, 1), 1UL);
	KUNIT_EXPECT_EQ(test, record_test_unpin_one(t, last), 0UL);
	KUNIT_EXPECT_EQ(test, record_test_unpin_one(t, last + 1), 1UL);
	record_test_is_empty(test);
}

static void record_test_few(struct kunit *test)
{
	struct record_test *t = test->priv;
	unsigned int i;

	for (i = 0; i < 40; i++)
		KUNIT_ASSERT_EQ(test, record_test_pin(t, (i * 37) % STRETCH_PAGES, 1, i, 3), 1L);
	KUNIT_EXPECT_EQ(test, record_test_counted(test), 40UL);
	KUNIT_EXPECT_LE(test, record_test_bytes(t), FEW_MOST_BYTES);
	KUNIT_EXPECT_EQ(test, record_test_pin(t, 37, 1, 9, 1), 1L);
	KUNIT_EXPECT_EQ(test, record_test_counted(test), 40UL);
	KUNIT_EXPECT_EQ(test, record_test_unpin(t, 0, STRETCH_PAGES), 39UL);
	KUNIT_EXPECT_EQ(test, record_test_unpin(t, 0, STRETCH_PAGES), 1UL);
	record_test_is_empty(test);
}

static void record_test_run(struct kunit *test)
{
	unsigned long index = STRETCH_PAGES - 12, all = 2 * STRETCH_PAGES, pfn, n;
	struct record_test *t = test->priv;
	bool bare;

	/* At once, and over a stretch's end one more at a time. */
	KUNIT_ASSERT_EQ(test, record_test_pin(t, index, 12, 0, 1), 12L);
	for (n = 0; n < 20; n++)
		KUNIT_ASSERT_EQ(test, record_test_pin_one(t, STRETCH_PAGES + n, 12 + n), 1L);
	KUNIT_EXPECT_EQ(test, record_test_bytes(t), 2 * RUN_BYTES);
	KUNIT_EXPECT_TRUE(test, t1_record_extent(&t->record, &index, all, &pfn, &n, &bare));
	KUNIT_EXPECT_EQ(test, pfn, page_to_pfn(t->pages));
	KUNIT_EXPECT_EQ(test, n, 12UL);
	index = STRETCH_PAGES;
	KUNIT_EXPECT_TRUE(test, t1_record_extent(&t->record, &index, index + 7, &pfn, &n, &bare));
	KUNIT_EXPECT_EQ(test, pfn, page_to_pfn(t->pages) + 12);
	KUNIT_EXPECT_EQ(test, n, 8UL);
	/* One that continues it is put there, once; another page is not. */
	KUNIT_EXPECT_EQ(test, record_test_unpin(t, index + 18, 2), 2UL);
	KUNIT_EXPECT_FALSE(test, record_test_put(t, index + 18, 29));
	KUNIT_EXPECT_TRUE(test, record_test_put(t, index + 18, 30));
	KUNIT_EXPECT_FALSE(test, record_test_put(t, index + 18, 30));
	KUNIT_EXPECT_TRUE(test, record_test_put(t, index + 19, 31));
	KUNIT_EXPECT_EQ(test, record_test_bytes(t), 2 * RUN_BYTES);
	KUNIT_EXPECT_EQ(test, record_test_counted(test), 32UL);
	/* A second pin of one, and all are still there. */
	KUNIT_EXPECT_EQ(test, record_test_pin(t, index + 8, 1, 0, 1), 1L);
	KUNIT_EXPECT_EQ(test, record_test_unpin(t, 0, all), 31UL);
	KUNIT_EXPECT_EQ(test, record_test_unpin(t, index + 8, 1), 1UL);
	record_test_is_empty(test);
	/* One that does not continue it. */
	KUNIT_ASSERT_EQ(test, record_test_pin(t, 7, 10, 0, 1), 10L);
	KUNIT_ASSERT_EQ(test, record_test_pin_one(t, 17, 1), 1L);
	KUNIT_EXPECT_EQ(test, record_test_counted(test), 11UL);
	index = 17;
	KUNIT_EXPECT_TRUE(test, t1_record_extent(&t->record, &index, all, &pfn, &n, &bare));
	KUNIT_EXPECT_EQ(test, index, 17UL);
	KUNIT_EXPECT_EQ(test, pfn, page_to_pfn(t->pages) + 1);
	KUNIT_EXPECT_EQ(test, record_test_unpin(t, 0, all), 11UL);
	record_test_is_empty(test);
}

/* A run of memory's first pages, at slots that are higher than their numbers. */
static void record_test_run_low(struct kunit *test)
{
	struct record_test *t = test->priv;
	struct page *pages = t->pages;

	t->pages = pfn_to_page(1);
	KUNIT_EXPECT_EQ(test, record_test_pin(t, 40, 20, 0, 1), 20L);
	KUNIT_EXPECT_EQ(test, record_test_bytes(t), RUN_BYTES);
	KUNIT_EXPECT_EQ(test, record_test_counted(test), 20UL);
	KUNIT_EXPECT_EQ(test, record_test_unpin(t, 40, 2), 2UL);
	KUNIT_EXPECT_EQ(test, record_test_unpin_one(t, 59), 1UL);
	KUNIT_EXPECT_TRUE(test, record_test_put(t, 59, 19));
	KUNIT_EXPECT_EQ(test, record_test_pin(t, 60, 2, 20, 1), 2L);
	KUNIT_EXPECT_EQ(test, record_test_bytes(t), RUN_BYTES);
	KUNIT_EXPECT_EQ(test, record_test_counted(test), 20UL);
	KUNIT_EXPECT_EQ(test, record_test_unpin(t, 0, 61), 19UL);
	KUNIT_EXPECT_EQ(test, record_test_unpin(t, 61, 1), 1UL);
	record_test_is_empty(test);
	t->pages = pages;
}

/* Those of a full one are raised and lowered without its lock, the first and last not. */
static void record_test_full(struct kunit *test)
{
	unsigned long last = STRETCH_PAGES - 1;
	struct record_test *t = test->priv;
	struct page *pages[2];
	u64 *words;

	KUNIT_ASSERT_EQ(test, record_test_pin(t, 0, STRETCH_PAGES, 0, 3), (long)STRETCH_PAGES);
	KUNIT_EXPECT_EQ(test, record_test_bytes(t), PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, record_test_counted(test), STRETCH_PAGES);
	rcu_read_lock();
	words = t1_stretch_words(t1_record_stretch(&t->record, last));
	KUNIT_EXPECT_FALSE(test, t1_word_lower(words + last));
	KUNIT_EXPECT_EQ(test, t1_words_raise(words + last - 1, 2, pages), 2UL);
	KUNIT_EXPECT_TRUE(test, t1_word_lower(words + last - 1));
	KUNIT_EXPECT_FALSE(test, t1_word_lower(words + last - 1));
	KUNIT_EXPECT_PTR_EQ(test, pages[1], t->pages + last * 3 % TEST_PAGES);
	rcu_read_unlock();
	KUNIT_EXPECT_EQ(test, record_test_unpin(t, 0, STRETCH_PAGES), last);
	KUNIT_EXPECT_EQ(test, record_test_counted(test), 1UL);
	rcu_read_lock();
	words = t1_stretch_words(t1_record_stretch(&t->record, last));
	KUNIT_EXPECT_EQ(test, t1_words_raise(words, 1, pages), 0UL);
	KUNIT_EXPECT_EQ(test, record_test_unpin(t, last, 1), 1UL);
	/* Who has found it before it went finds nothing to raise. */
	KUNIT_EXPECT_EQ(test, t1_words_raise(words + last, 1, pages), 0UL);
	KUNIT_EXPECT_PTR_EQ(test, t1_stretch_words(t1_record_stretch(&t->record, last)), NULL);
	rcu_read_unlock();
	record_test_is_empty(test);
}

/* A pin that cannot be counted is refused, and changes nothing. */
static void record_test_most(struct kunit *test)
{
	struct record_test *t = test->priv;
	struct t1_stretch *s;
	unsigned long i;

	KUNIT_ASSERT_EQ(test, record_test_pin_one(t, 7, 3), 1L);
	s = record_test_lock(t, 7, false);
	s->word += ((1UL << 21) - 2) * T1_WORD_ONE;
	t1_stretch_unlock(s);
	KUNIT_EXPECT_EQ(test, record_test_pin(t, 7, 1, 0, 1), 1L);
	KUNIT_EXPECT_EQ(test, record_test_pin(t, 7, 1, 0, 1), (long)-EOVERFLOW);
	KUNIT_EXPECT_EQ(test, record_test_pin(t, 6, 3, 0, 1), (long)-EOVERFLOW);
	/* As often as that takes minutes under all checkers. */
	for (i = 0; i < 3; i++)
		KUNIT_ASSERT_EQ(test, record_test_unpin_one(t, 7), 0UL);
	s = record_test_lock(t, 7, false);
	*word_of(s, 7) -= ((1UL << 21) - 4) * T1_WORD_ONE;
	t1_stretch_unlock(s);
	KUNIT_EXPECT_EQ(test, record_test_unpin(t, 6, 3), 2UL);
	record_test_is_empty(test);
}

static void record_test_io(struct kunit *test)
{
	struct t1_source src = { .run = 20, .nreserved = 20 };
	struct record_test *t = test->priv;
	long rest = STRETCH_PAGES - 30, ret;
	struct t1_stretch *s;

	src.pfn = page_to_pfn(t->pages);
	do {
		s = record_test_lock(t, 7, true);
		KUNIT_ASSERT_NOT_NULL(test, s);
		ret = t1_stretch_add(s, 7, 20, &src, &t->spare, &t->counted);
		t1_stretch_unlock(s);
		if (ret == -EAGAIN)
			KUNIT_ASSERT_EQ(test, t1_spare_fill(&t->spare), 0);
	} while (ret == -EAGAIN);
	KUNIT_EXPECT_EQ(test, ret, 20L);
	KUNIT_EXPECT_EQ(test, record_test_counted(test), 0UL);
	/* Beside what counts, in a full one. */
	KUNIT_ASSERT_EQ(test, record_test_pin(t, 30, rest, 0, 3), rest);
	KUNIT_EXPECT_EQ(test, record_test_bytes(t), PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, record_test_counted(test), (unsigned long)rest);
	KUNIT_EXPECT_EQ(test, record_test_unpin_one(t, 7), 1UL);
	KUNIT_EXPECT_EQ(test, record_test_unpin_one(t, STRETCH_PAGES - 1), 1UL);
	KUNIT_EXPECT_EQ(test, record_test_counted(test), rest - 1UL);
	KUNIT_EXPECT_EQ(test, record_test_unpin(t, 20, 300), 290UL);
	KUNIT_EXPECT_EQ(test, record_test_counted(test), rest - 291UL);
	KUNIT_EXPECT_EQ(test, record_test_unpin(t, 100, STRETCH_PAGES - 100), rest - 291UL);
	KUNIT_EXPECT_EQ(test, record_test_unpin(t, 0, 100), 0UL);
	record_test_is_empty(test);
}

/* What was wanted and not used, and is not idle while somebody is busy. */
static void record_test_unused(struct kunit *test)
{
	struct record_test *t = test->priv;
	struct page *pages[2] = { t->pages, t->pages + 2 };
	struct t1_source src = { .pages = pages, .run = 1 };
	struct t1_stretch *s;
	long ret;

	xa_lock(&t->record.stretches);
	KUNIT_EXPECT_TRUE(test, t1_record_is_idle(&t->record));
	xa_unlock(&t->record.stretches);
	s = record_test_lock(t, 3, true);
	KUNIT_ASSERT_NOT_NULL(test, s);
	ret = t1_stretch_add(s, 3, 2, &src, &t->spare, &t->counted);
	atomic_inc(&s->busy);
	t1_stretch_unlock(s);
	KUNIT_ASSERT_EQ(test, ret, (long)-EAGAIN);
	KUNIT_ASSERT_EQ(test, t1_spare_fill(&t->spare), 0);
	t1_spare_end(&t->spare);
	xa_lock(&t->record.stretches);
	KUNIT_EXPECT_FALSE(test, t1_record_is_idle(&t->record));
	atomic_dec(&s->busy);
	KUNIT_EXPECT_TRUE(test, t1_record_is_idle(&t->record));
	xa_unlock(&t->record.stretches);
	KUNIT_EXPECT_EQ(test, record_test_pin_one(t, 3, 0), 1L);
	xa_lock(&t->record.stretches);
	KUNIT_EXPECT_FALSE(test, t1_record_is_idle(&t->record));
	xa_unlock(&t->record.stretches);
	KUNIT_EXPECT_EQ(test, record_test_unpin_one(t, 3), 1UL);
	record_test_is_empty(test);
}

/* What a range of one stretch says, against the counts of its pages. */
static void record_test_look(struct kunit *test, unsigned long index, unsigned long n,
			     const u16 *count, unsigned long *bits)
{
	struct record_test *t = test->priv;
	struct t1_stretch *s = record_test_lock(t, index, true);
	unsigned int slot = t1_slot(index);
	unsigned long i, within = 0;

	n = t1_in_stretch(index, n);
	for (i = 0; i < n && !count[index + i]; i++)
		;
	KUNIT_EXPECT_EQ(test, t1_stretch_hole(s, slot, n), i);
	KUNIT_EXPECT_EQ(test, t1_stretch_holds(s, slot), !!count[index]);
	bitmap_zero(bits, STRETCH_PAGES);
	t1_stretch_mark(s, slot, n, bits, 0);
	for (i = 0; i < n; i++) {
		within += !!count[index + i];
		KUNIT_EXPECT_EQ(test, test_bit(i, bits), !!count[index + i]);
		if (s->form == T1_LONE || (s->form == T1_FEW && count[index + i]))
			KUNIT_EXPECT_EQ(test, t1_stretch_may_hold(s, slot + i),
					!!count[index + i]);
	}
	KUNIT_EXPECT_EQ(test, t1_stretch_counted(s, slot, n), within);
	t1_stretch_unlock(s);
}

/* Anything in any order, against counts in an array. */
static void record_test_any(struct kunit *test, unsigned long size)
{
	struct record_test *t = test->priv;
	unsigned long expected, distinct = 0, *bits;
	unsigned int index, n, from, step, i, round;
	struct rnd_state rnd;
	u16 *count;

	count = kunit_kcalloc(test, round_up(size, STRETCH_PAGES), sizeof(*count), GFP_KERNEL);
	bits = kunit_kzalloc(test, BITS_TO_LONGS(STRETCH_PAGES) * sizeof(long), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, count);
	KUNIT_ASSERT_NOT_NULL(test, bits);
	prandom_seed_state(&rnd, 5);
	for (round = 0; round < 3000; round++) {
		index = t->first + prandom_u32_state(&rnd) % (size - t->first);
		n = round % 3 ? 1 : 1 + prandom_u32_state(&rnd) % TEST_PAGES;
		/* Often what would continue a run that begins at 0. */
		from = prandom_u32_state(&rnd) % 4 ? index : prandom_u32_state(&rnd);
		step = prandom_u32_state(&rnd) % 4;
		/* More and more, then fewer and fewer. */
		if (prandom_u32_state(&rnd) % 8 < (round % 1000 < 500 ? 5 : 3)) {
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
		record_test_look(test, index, n, count, bits);
		record_test_look(test, max_t(unsigned long, t->first,
					     round_down(index, STRETCH_PAGES)),
				 STRETCH_PAGES, count, bits);
	}
	while (t->counted)
		record_test_unpin(t, 0, size + TEST_PAGES);
	record_test_is_empty(test);
}

static void record_test_model(struct kunit *test)
{
	record_test_any(test, 2 * STRETCH_PAGES + 36);
}

/* Mappings that have a few slots of a stretch, and some of it. */
static void record_test_model_small(struct kunit *test)
{
	struct record_test *t = test->priv;

	t->first = STRETCH_PAGES - 20;
	t->end = STRETCH_PAGES + 100 + TEST_PAGES;
	record_test_any(test, t->end - TEST_PAGES);
}

/* And one that has nearly all of it. */
static void record_test_model_large(struct kunit *test)
{
	struct record_test *t = test->priv;

	t->first = 1;
	t->end = STRETCH_PAGES - 1;
	record_test_any(test, t->end - TEST_PAGES);
}

/* A small mapping's second page takes as much as all of it, once and for all. */
static void record_test_small(struct kunit *test)
{
	struct record_test *t = test->priv;
	unsigned long bytes, index = 8, pfn, n, i;
	struct t1_stretch *s;
	bool bare;

	t->first = 7;
	t->end = 7 + 16;
	KUNIT_ASSERT_EQ(test, record_test_pin_one(t, 22, 1), 1L);
	KUNIT_EXPECT_EQ(test, record_test_bytes(t), 0UL);
	KUNIT_ASSERT_EQ(test, record_test_pin_one(t, 7, 5), 1L);
	bytes = record_test_bytes(t);
	KUNIT_EXPECT_LE(test, bytes, 256UL);
	KUNIT_EXPECT_EQ(test, record_test_unpin_one(t, 22), 1UL);
	KUNIT_EXPECT_FALSE(test, t1_record_extent(&t->record, &index, 22, &pfn, &n, &bare));
	s = record_test_lock(t, 7, true);
	KUNIT_EXPECT_EQ(test, t1_stretch_counted(s, 0, 8), 1U);
	t1_stretch_unlock(s);
	KUNIT_ASSERT_TRUE(test, record_test_put(t, 22, 1));
	for (i = 8; i < 22; i++)
		KUNIT_ASSERT_TRUE(test, record_test_put(t, i, 3 * i));
	KUNIT_EXPECT_EQ(test, record_test_bytes(t), bytes);
	KUNIT_EXPECT_EQ(test, record_test_unpin(t, 0, STRETCH_PAGES), 16UL);
	record_test_is_empty(test);
	/* They stay for the next pins. */
	KUNIT_EXPECT_EQ(test, record_test_bytes(t), bytes);
	KUNIT_EXPECT_TRUE(test, record_test_put(t, 9, 7));
	KUNIT_EXPECT_TRUE(test, record_test_put(t, 12, 2));
	KUNIT_EXPECT_EQ(test, record_test_bytes(t), bytes);
	KUNIT_EXPECT_EQ(test, record_test_unpin(t, 0, STRETCH_PAGES), 2UL);
	record_test_is_empty(test);
}

static struct kunit_case record_test_cases[] = {
	KUNIT_CASE(record_test_lone),
	KUNIT_CASE(record_test_few),
	KUNIT_CASE(record_test_run),
	KUNIT_CASE(record_test_run_low),
	KUNIT_CASE(record_test_full),
	KUNIT_CASE(record_test_most),
	KUNIT_CASE(record_test_io),
	KUNIT_CASE(record_test_unused),
	KUNIT_CASE(record_test_model),
	KUNIT_CASE(record_test_model_small),
	KUNIT_CASE(record_test_model_large),
	KUNIT_CASE(record_test_small),
	{ }
};

static struct kunit_suite record_test_suite = {
	.name = "vfio_type1_record",
	.init = record_test_init,
	.exit = record_test_exit,
	.test_cases = record_test_cases,
};

kunit_test_suite(record_test_suite);
