// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mappings in every order: against a model that knows what must come of each
 * call, in patterns, and at both ends of the address space.
 */
#include "kselftest_harness.h"
#include "type1_fixture.h"

#define BOTH		(TYPE1_TEST_READ | TYPE1_TEST_WRITE)
#define DEVICES		2
#define HUGE		(512 * PAGE)
#define SLOTS		192U	/* pages of the address space */
#define MEMORY		256U	/* pages that are mapped there */
#define LONGEST		24U
#define STEPS		1500U
#define NOT_MAPPED	(-1)

/* Patterns */

TEST_F(type1, checkerboard)
{
	const int dev = self->use.t.device[0], fd = self->use.t.container;
	const unsigned int n = 400;
	unsigned int i;

	for (i = 0; i < n; i += 2)
		ASSERT_EQ(0, dma_map(fd, self->use.mem + i * PAGE,
				     T1_IOVA + i * PAGE, PAGE, T1_RW));
	for (i = 0; i < n; i++)
		ASSERT_EQ(i % 2 ? -EINVAL : 1,
			  pin(dev, T1_IOVA + i * PAGE, 1, BOTH));
	for (i = 1; i < n; i += 2)
		ASSERT_EQ(0, dma_unmap(fd, T1_IOVA + i * PAGE, PAGE));
	EXPECT_EQ(n / 2, LOCKED(&self->use));
	for (i = 1; i < n; i += 2)
		ASSERT_EQ(0, dma_map(fd, self->use.mem + i * PAGE,
				     T1_IOVA + i * PAGE, PAGE, T1_RW));
	ASSERT_EQ(n, pin(dev, T1_IOVA, n, BOTH));
	for (i = 0; i < n; i++)
		ASSERT_EQ(T1_MARK(i), load(dev, T1_IOVA + i * PAGE));
	for (i = 0; i < n; i += 2)
		ASSERT_EQ(PAGE, dma_unmap(fd, T1_IOVA + i * PAGE, PAGE));
	EXPECT_EQ(n / 2, HELD(&self->use));
	EXPECT_EQ(n / 2 * PAGE, dma_unmap(fd, T1_IOVA, n * PAGE));
	EXPECT_EQ(0, HELD(&self->use));
	EXPECT_EQ(0, LOCKED(&self->use));
}

/* Made from the end, gone from the end, and again from the beginning */
TEST_F(type1, backwards)
{
	const int dev = self->use.t.device[0], fd = self->use.t.container;
	const int n = 200;
	int i;

	for (i = n - 1; i >= 0; i--)
		ASSERT_EQ(0, dma_map(fd, self->use.mem + i * PAGE,
				     T1_IOVA + i * PAGE, PAGE, T1_RW));
	ASSERT_EQ(n, pin(dev, T1_IOVA, n, BOTH));
	for (i = n - 1; i >= 0; i--) {
		ASSERT_EQ(PAGE, dma_unmap(fd, T1_IOVA + i * PAGE, PAGE));
		ASSERT_EQ(-EINVAL, pin(dev, T1_IOVA + i * PAGE, 1, BOTH));
	}
	EXPECT_EQ(0, LOCKED(&self->use));
	for (i = 0; i < n; i++)
		ASSERT_EQ(0, dma_map(fd, self->use.mem + i * PAGE,
				     T1_IOVA + i * PAGE, PAGE, T1_RW));
	for (i = 0; i < n; i++)
		ASSERT_EQ(PAGE, dma_unmap(fd, T1_IOVA + i * PAGE, PAGE));
	EXPECT_EQ(0, dma_unmap_all(fd));
}

/* Where a mapping was there may be one of another size, to other memory. */
TEST_F(type1, remapped)
{
	const int dev = self->use.t.device[0], fd = self->use.t.container;
	__u64 word[64];
	unsigned int size, i;

	for (size = 64; size; size /= 2) {
		for (i = 0; i < 64; i += size)
			ASSERT_EQ(0, dma_map(fd, self->use.mem +
					     (64 * size + i) % T1_PAGES * PAGE,
					     T1_IOVA + i * PAGE, size * PAGE,
					     T1_RW));
		ASSERT_EQ(64, pin_words(dev, T1_IOVA, 64, BOTH, word));
		for (i = 0; i < 64; i++)
			ASSERT_EQ(T1_MARK((64 * size + i) % T1_PAGES), word[i]);
		EXPECT_EQ(64, LOCKED(&self->use));
		ASSERT_EQ(64 * PAGE, dma_unmap_all(fd));
		EXPECT_EQ(0, HELD(&self->use));
	}
}

/* The ends of the address space */

TEST_F(type1, first_page)
{
	const int dev = self->use.t.device[0], fd = self->use.t.container;

	ASSERT_EQ(0, dma_map(fd, self->use.mem, 0, 2 * PAGE, T1_RW));
	EXPECT_EQ(-EEXIST, dma_map(fd, self->use.mem, 0, PAGE, T1_RW));
	ASSERT_EQ(2, pin(dev, 0, 2, BOTH));
	EXPECT_EQ(T1_MARK(0), load(dev, 0));
	EXPECT_EQ(-EINVAL, dma_unmap(fd, 0, PAGE));
	EXPECT_EQ(2 * PAGE, dma_unmap(fd, 0, 2 * PAGE));
	EXPECT_EQ(2, news(dev).unpinned);
}

TEST_F(type1, row_2_last_page)
{
	const int fd = self->use.t.container;

	if (stock_lacks_the_top())
		SKIP(return, "the kernel's does not find a mapping that ends at 2^64");
	ASSERT_EQ(0, dma_map(fd, self->use.mem, T1_LAST_PAGE, PAGE, T1_RW));
	EXPECT_EQ(-EEXIST, dma_map(fd, self->use.mem, T1_LAST_PAGE, PAGE,
				   T1_RW));
	EXPECT_EQ(-EEXIST, dma_map(fd, self->use.mem, T1_LAST_PAGE - PAGE,
				   2 * PAGE, T1_RW));
	EXPECT_EQ(PAGE, dma_unmap(fd, T1_LAST_PAGE, PAGE));
	EXPECT_EQ(0, dma_unmap(fd, T1_LAST_PAGE, PAGE));

	ASSERT_EQ(0, dma_map(fd, self->use.mem, T1_LAST_PAGE - PAGE, 2 * PAGE,
			     T1_RW));
	EXPECT_EQ(-EEXIST, dma_map(fd, self->use.mem, T1_LAST_PAGE, PAGE,
				   T1_RW));
	EXPECT_EQ(-EINVAL, dma_unmap(fd, T1_LAST_PAGE, PAGE));
	EXPECT_EQ(-EINVAL, dma_unmap(fd, T1_LAST_PAGE - PAGE, PAGE));
	EXPECT_EQ(2 * PAGE, dma_unmap(fd, PAGE, T1_LAST_PAGE));
	EXPECT_EQ(0, dma_unmap_all(fd));
	ASSERT_EQ(0, dma_map(fd, self->use.mem, T1_LAST_PAGE, PAGE, T1_RW));
	EXPECT_EQ(PAGE, dma_unmap_all(fd));
}

TEST_F(type1, row_3_sums_that_wrap)
{
	const int dev = self->use.t.device[0], fd = self->use.t.container;
	const __u64 last = T1_LAST_PAGE;
	struct type1_test_news told;
	__u64 word[4];

	if (stock_lacks_the_top())
		SKIP(return, "the kernel's does not find a mapping that ends at 2^64");
	ASSERT_EQ(0, dma_map(fd, self->use.mem, last - 3 * PAGE, 4 * PAGE,
			     T1_RW));
	ASSERT_EQ(0, dma_map(fd, self->use.mem + 4 * PAGE, 0, PAGE, T1_RW));
	ASSERT_EQ(4, pin_words(dev, last - 3 * PAGE, 4, BOTH, word));
	EXPECT_EQ(T1_MARK(3), word[3]);
	ASSERT_EQ(1, pin(dev, last, 1, BOTH));
	EXPECT_EQ(4, LOCKED(&self->use));
	/* The address space has an end: what comes after it is not its start. */
	EXPECT_EQ(beyond_the_top(), pin(dev, last, 2, BOTH));
	EXPECT_EQ(beyond_the_top(), pin(dev, last - PAGE, 512, BOTH));
	/* The kernel's own reads on at 0. */
	if (!stock_differs())
		EXPECT_EQ(-EINVAL, rw_read(dev, last + PAGE - 8, word, 16));
	EXPECT_EQ(0, rw_read(dev, last, word, 8));
	EXPECT_EQ(T1_MARK(3), word[0]);
	EXPECT_EQ(0, rw_write(dev, last + PAGE - 8, word, 8));
	EXPECT_EQ(T1_MARK(3), *(__u64 *)(self->use.mem + 4 * PAGE - 8));
	EXPECT_EQ(4, LOCKED(&self->use));
	EXPECT_EQ(1, unpin(dev, last, 1));
	EXPECT_EQ(4, LOCKED(&self->use));

	EXPECT_EQ(beyond_the_top(), dma_unmap(fd, last, 2 * PAGE));
	EXPECT_EQ(-EINVAL, dma_unmap(fd, last, PAGE));
	EXPECT_EQ(4 * PAGE, dma_unmap(fd, last - 3 * PAGE, 4 * PAGE));
	told = news(dev);
	EXPECT_EQ(last - 3 * PAGE, told.iova);
	EXPECT_EQ(4 * PAGE, told.size);
	EXPECT_EQ(4, told.unpinned);
	EXPECT_EQ(0, LOCKED(&self->use));
	EXPECT_EQ(0, HELD(&self->use));

	ASSERT_EQ(0, dma_map(fd, self->use.mem, last, PAGE, T1_RW));
	ASSERT_EQ(1, pin(dev, last, 1, BOTH));
	EXPECT_EQ(2 * PAGE, dma_unmap_all(fd));
	EXPECT_EQ(0, HELD(&self->use));
}

/* Two mappings of half of all addresses each */
TEST_F(type1, row_3_all_there_is)
{
	const int dev = self->use.t.device[0], fd = self->use.t.container;
	const __u64 half = 1ULL << 63;

	if (stock_lacks_the_top())
		SKIP(return, "the kernel's does not find a mapping that ends at 2^64");
	ASSERT_EQ(0, dma_map(fd, NULL, 0, half, T1_RW));
	ASSERT_EQ(0, dma_map(fd, NULL, half, half, T1_RW));
	EXPECT_EQ(-EEXIST, dma_map(fd, NULL, T1_IOVA, PAGE, T1_RW));
	EXPECT_EQ(-EEXIST, dma_map(fd, NULL, T1_LAST_PAGE, PAGE, T1_RW));
	ASSERT_EQ(1, pin(dev, (uintptr_t)self->use.mem, 1, BOTH));
	ASSERT_EQ(1, pin(dev, half + (uintptr_t)self->use.mem + PAGE, 1, BOTH));
	EXPECT_EQ(T1_MARK(1), load(dev, half + (uintptr_t)self->use.mem + PAGE));
	EXPECT_EQ(2, LOCKED(&self->use));
	EXPECT_EQ(-EFAULT, pin(dev, T1_LAST_PAGE, 1, BOTH));
	EXPECT_EQ(-EINVAL, dma_unmap(fd, half - PAGE, PAGE));
	EXPECT_EQ(half, dma_unmap(fd, half, half) & ~0ULL);
	EXPECT_EQ(1, LOCKED(&self->use));
	EXPECT_EQ(0, dma_map(fd, NULL, T1_LAST_PAGE, PAGE, T1_RW));
}

/*
 * Places and sizes within a page, and within a huge one, of 2^64: no sum of them, and
 * nothing that is rounded up, comes out at the other end.
 */
TEST_F(type1, row_40_near_the_top)
{
	static const unsigned int pages[] = { 1, 2, 511, 512, 513, T1_PAGES };
	const __u64 places[] = { 0, PAGE, HUGE, HUGE + PAGE };
	const __u64 less[] = { 1, 8, PAGE - 1, PAGE, PAGE + 1, HUGE - 1, HUGE,
			       HUGE + PAGE };
	const int dev = self->use.t.device[0], fd = self->use.t.container;
	unsigned int i, j;
	__u64 at, size;

	if (stock_lacks_the_top())
		SKIP(return, "the kernel's does not find a mapping that ends at 2^64");
	for (i = 0; i < ARRAY_LEN(pages); i++) {
		for (j = 0; j < ARRAY_LEN(pages); j++) {
			const __u64 last = (pages[j] - 1) * PAGE;

			at = -(pages[i] * PAGE);
			size = pages[j] * PAGE;
			if (size > -at) {
				EXPECT_EQ(beyond_the_top(),
					  dma_map(fd, self->use.mem, at, size, T1_RW));
				EXPECT_EQ(beyond_the_top(), dma_unmap(fd, at, size));
				continue;
			}
			ASSERT_EQ(0, dma_map(fd, self->use.mem, at, size, T1_RW));
			ASSERT_EQ(1, pin(dev, at + last, 1, BOTH));
			EXPECT_EQ(T1_MARK(pages[j] - 1), load(dev, at + last));
			EXPECT_EQ(size == -at ? beyond_the_top() : -EINVAL,
				  pin(dev, at + last, 2, BOTH));
			EXPECT_EQ(size, dma_unmap(fd, at, size));
		}
	}
	for (i = 0; i < ARRAY_LEN(places); i++) {
		for (j = 0; j < ARRAY_LEN(less); j++) {
			const bool fits = places[i] <= less[j];
			const int error = fits ? -EINVAL : beyond_the_top();

			at = places[i];
			size = -less[j];
			if (fits && !(size % PAGE)) {
				EXPECT_EQ(0, dma_map(fd, NULL, at, size, T1_RW));
				EXPECT_EQ(size, (__u64)dma_unmap(fd, at, size));
				continue;
			}
			EXPECT_EQ(error, dma_map(fd, NULL, at, size, T1_RW));
			EXPECT_EQ(size % PAGE ? -EINVAL : error, dma_unmap(fd, at, size));
		}
	}
	EXPECT_EQ(0, dma_unmap_all(fd));
	EXPECT_EQ(0, HELD(&self->use));
	EXPECT_EQ(0, LOCKED(&self->use));
}

/* The model */

struct mapping {
	bool used;
	unsigned int start, len;	/* in slots */
	unsigned int mem;		/* first page of memory */
	__u32 prot;
};

struct model {
	struct type1_use *use;
	__u64 base;
	__u64 random;
	struct mapping mapping[SLOTS];
	int at[SLOTS];			/* the mapping of a slot */
	unsigned int pins[DEVICES][SLOTS];
	unsigned int step;
	const char *what;		/* the step's kind */
	unsigned int start, len;	/* its arguments */
	long long want, got;
};

static unsigned int pick(struct model *m, unsigned int below)
{
	m->random ^= m->random << 13;
	m->random ^= m->random >> 7;
	m->random ^= m->random << 17;
	return (m->random >> 11) % below;
}

static void pick_range(struct model *m)
{
	m->start = pick(m, SLOTS);
	m->len = 1 + pick(m, LONGEST);
	if (m->len > SLOTS - m->start)
		m->len = SLOTS - m->start;
}

/* Now and then exactly that of a mapping */
static void pick_mapping(struct model *m)
{
	const struct mapping *mapping = &m->mapping[pick(m, SLOTS)];

	pick_range(m);
	if (mapping->used && pick(m, 4)) {
		m->start = mapping->start;
		m->len = mapping->len;
	}
}

static __u64 address(const struct model *m, unsigned int slot)
{
	return m->base + slot * PAGE;
}

static const struct mapping *mapping_at(const struct model *m,
					unsigned int slot)
{
	return m->at[slot] < 0 ? NULL : &m->mapping[m->at[slot]];
}

/* Answers whether all was as expected, like the other steps. */
static bool step_map(struct model *m)
{
	struct mapping new = { .used = true };
	unsigned int i, id;

	m->what = "map";
	pick_range(m);
	new.start = m->start;
	new.len = m->len;
	new.mem = pick(m, MEMORY - new.len);
	new.prot = 1 + pick(m, 3);
	if (new.prot == T1_WRITE)
		new.prot = T1_RW;

	m->want = 0;
	for (i = 0; i < new.len; i++)
		if (m->at[new.start + i] >= 0)
			m->want = -EEXIST;
	m->got = dma_map(m->use->t.container, m->use->mem + new.mem * PAGE,
			 address(m, new.start), new.len * PAGE, new.prot);
	if (m->got || m->want)
		return m->got == m->want;

	for (id = 0; m->mapping[id].used; id++)
		;
	m->mapping[id] = new;
	for (i = 0; i < new.len; i++)
		m->at[new.start + i] = id;
	return true;
}

/* Does a range that begins or ends in that slot cut its mapping? */
static bool cuts(const struct model *m, unsigned int slot, bool begins)
{
	const struct mapping *mapping = mapping_at(m, slot);

	if (!mapping)
		return false;
	return begins ? mapping->start != slot :
			mapping->start + mapping->len != slot + 1;
}

static bool step_unmap(struct model *m)
{
	unsigned int i, d, id;

	m->what = "unmap";
	pick_mapping(m);
	m->want = 0;
	for (i = m->start; i < m->start + m->len; i++)
		m->want += m->at[i] >= 0 ? PAGE : 0;
	if (cuts(m, m->start, true) || cuts(m, m->start + m->len - 1, false))
		m->want = -EINVAL;
	m->got = dma_unmap(m->use->t.container, address(m, m->start),
			   m->len * PAGE);
	if (m->got != m->want)
		return false;
	if (m->want < 0)
		return true;

	for (i = m->start; i < m->start + m->len; i++) {
		if (m->at[i] < 0)
			continue;
		id = m->at[i];
		m->mapping[id].used = false;
		m->at[i] = NOT_MAPPED;
		for (d = 0; d < DEVICES; d++)
			m->pins[d][i] = 0;
	}
	return true;
}

/* What comes of an access to the range: 0 or the error of its first bad page */
static int permitted(const struct model *m, __u32 prot)
{
	const struct mapping *mapping;
	unsigned int i;

	for (i = m->start; i < m->start + m->len; i++) {
		mapping = mapping_at(m, i);
		if (!mapping)
			return -EINVAL;
		if ((mapping->prot & prot) != prot)
			return -EPERM;
	}
	return 0;
}

static bool step_pin(struct model *m)
{
	const unsigned int d = pick(m, DEVICES);
	const __u32 prot = pick(m, 3) ? TYPE1_TEST_READ : BOTH;
	const struct mapping *mapping;
	__u64 word[LONGEST];
	unsigned int i;

	m->what = "pin";
	pick_mapping(m);
	if (m->len > LONGEST)
		m->len = LONGEST;
	m->want = permitted(m, prot) ?: (int)m->len;
	m->got = pin_words(m->use->t.device[d], address(m, m->start), m->len,
			   prot, word);
	if (m->got != m->want)
		return false;
	for (i = 0; m->want > 0 && i < m->len; i++) {
		mapping = mapping_at(m, m->start + i);
		m->pins[d][m->start + i]++;
		m->want = T1_MARK(mapping->mem + m->start + i - mapping->start);
		m->got = word[i];
		if (m->got != m->want)
			return false;
		m->want = m->len;
	}
	return true;
}

static bool step_unpin(struct model *m)
{
	const unsigned int d = pick(m, DEVICES);
	unsigned int i;

	m->what = "unpin";
	pick_mapping(m);
	m->want = 0;
	for (i = m->start; i < m->start + m->len; i++)
		if (m->pins[d][i]) {
			m->pins[d][i]--;
			m->want++;
		}
	m->got = unpin(m->use->t.device[d], address(m, m->start), m->len);
	return m->got == m->want;
}

/* A range that begins and ends anywhere in its pages */
static bool step_read(struct model *m)
{
	const struct mapping *mapping;
	char buf[LONGEST * PAGE];
	unsigned int i, from, to;
	const char *mem;

	m->what = "read";
	pick_range(m);
	from = pick(m, PAGE);
	to = m->len * PAGE - pick(m, PAGE);
	if (to <= from)
		to = from + 1;
	m->want = permitted(m, T1_READ);
	m->got = rw_read(m->use->t.device[0], address(m, m->start) + from,
			 buf + from, to - from);
	if (m->got != m->want)
		return false;
	for (i = from; !m->want && i < to; i++) {
		mapping = mapping_at(m, m->start + i / PAGE);
		mem = m->use->mem + (mapping->mem + m->start + i / PAGE -
				     mapping->start) * PAGE;
		if (buf[i] == mem[i % PAGE])
			continue;
		m->what = "compare";
		m->got = i;
		return false;
	}
	return true;
}

/* Within a page, behind its mark */
static bool step_write(struct model *m)
{
	const unsigned int offset = 64 + pick(m, PAGE - 128);
	const struct mapping *mapping;
	__u64 word;

	m->what = "write";
	m->start = pick(m, SLOTS);
	m->len = 1;
	m->want = permitted(m, T1_RW);
	word = m->random;
	m->got = rw_write(m->use->t.device[1], address(m, m->start) + offset,
			  &word, sizeof(word));
	if (m->got || m->want)
		return m->got == m->want;
	mapping = mapping_at(m, m->start);
	memcpy(&m->got, m->use->mem + (mapping->mem + m->start -
				       mapping->start) * PAGE + offset, 8);
	m->want = word;
	return m->got == m->want;
}

static bool step_count(struct model *m)
{
	unsigned int i;

	m->what = "count";
	m->want = 0;
	for (i = 0; i < SLOTS; i++)
		m->want += m->pins[0][i] || m->pins[1][i];
	m->got = LOCKED(m->use);
	if (m->got != m->want)
		return false;
	m->got = HELD(m->use);
	return m->got == m->want;
}

static bool step(struct model *m)
{
	switch (pick(m, 12)) {
	case 0 ... 2:
		return step_map(m);
	case 3:
		return step_unmap(m);
	case 4 ... 6:
		return step_pin(m);
	case 7 ... 8:
		return step_unpin(m);
	case 9:
		return step_read(m);
	case 10:
		return step_write(m);
	default:
		return step_count(m);
	}
}

static bool run_model(struct model *m, struct type1_use *use, __u64 base,
		      __u64 seed)
{
	unsigned int i;

	memset(m, 0, sizeof(*m));
	m->use = use;
	m->base = base;
	m->random = seed * 0x9e3779b97f4a7c15ULL;
	for (i = 0; i < SLOTS; i++)
		m->at[i] = NOT_MAPPED;
	for (; m->step < STEPS; m->step++)
		if (!step(m))
			return false;
	return true;
}

FIXTURE(model) {
	struct type1_use use;
	struct model model;
};

FIXTURE_VARIANT(model) {
	__u64 base;
	unsigned int before;	/* pages that lie below it */
	__u64 seed;
};

FIXTURE_VARIANT_ADD(model, low) {
	.base = 0,
	.seed = 1,
};

/* Beyond what an int, or 32 bits of pages, can tell apart */
FIXTURE_VARIANT_ADD(model, middle) {
	.base = 0x7ffffffffff80000ULL,
	.seed = 2,
};

/* A stretch, as much as a huge page, begins within. */
FIXTURE_VARIANT_ADD(model, stretches) {
	.base = 0x100000000ULL,
	.before = SLOTS / 2,
	.seed = 3,
};

FIXTURE_VARIANT_ADD(model, high) {
	.before = SLOTS,
	.seed = 4,
};

FIXTURE_SETUP(model)
{
	ASSERT_EQ(0, use_begin(&self->use, DEVICES));
}

FIXTURE_TEARDOWN(model)
{
	use_end(&self->use);
	EXPECT_EQ(0, HELD(&self->use));
	EXPECT_EQ(0, LOCKED(&self->use));
}

TEST_F(model, random)
{
	const __u64 base = variant->base - variant->before * PAGE;
	struct model *m = &self->model;

	if (!(base + SLOTS * PAGE) && stock_lacks_the_top())
		SKIP(return, "the kernel's does not find a mapping that ends at 2^64");
	EXPECT_TRUE(run_model(m, &self->use, base, variant->seed)) {
		TH_LOG("step %u, %s of %u pages at %u: wanted %lld, got %lld",
		       m->step, m->what, m->len, m->start, m->want, m->got);
	}
}

MDEV_TEST_MAIN(TYPE1_TEST)
