// SPDX-License-Identifier: GPL-2.0-only
/* KUnit tests of local.c, which includes this file. */
#include <kunit/test.h>

/* A container of one mapping of one page, with a dirty bitmap. */
struct local_test {
	struct t1_container c;
	struct t1_map *m;
};

static int local_test_init(struct kunit *test)
{
	struct local_test *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);
	struct t1_map *m;

	if (!t)
		return -ENOMEM;
	/* Neither is the test's: t1_map_free() frees them. */
	m = kzalloc(sizeof(*m), GFP_KERNEL);
	if (!m)
		return -ENOMEM;
	m->extra = kzalloc(sizeof(*m->extra), GFP_KERNEL);
	if (m->extra)
		m->extra->dirty = kvzalloc(T1_DIRTY_BYTES(1), GFP_KERNEL);
	t1_record_init(&m->local);
	m->last = PAGE_SIZE - 1;
	m->prot = IOMMU_READ | IOMMU_WRITE;
	mutex_init(&t->c.maps_lock);
	seqcount_mutex_init(&t->c.maps_seq, &t->c.maps_lock);
	t->c.maps = RB_ROOT;
	rb_link_node(&m->node, NULL, &t->c.maps.rb_node);
	rb_insert_color(&m->node, &t->c.maps);
	t->m = m;
	test->priv = t;
	return m->extra && m->extra->dirty ? 0 : -ENOMEM;
}

static void local_test_exit(struct kunit *test)
{
	struct local_test *t = test->priv;

	if (t && t->m)
		t1_map_free(t->m);
}

/*
 * A page that is not pinned is unpinned while its mapping goes, with its bitmap: the
 * call has found the stretch, and does the rest when all of the unmap is done. Nothing
 * waits for it. The lock keeps the memory of both.
 */
static void local_test_unpin_late(struct kunit *test)
{
	struct local_test *t = test->priv;
	struct t1_extra *extra;
	struct t1_stretch *s;
	unsigned long n = 1;
	struct t1_map *m;

	KUNIT_ASSERT_NOT_NULL(test, t1_record_make(&t->m->local, 0));
	s = t1_map_stretch(&t->c, 0, &m, &n);
	KUNIT_ASSERT_NOT_NULL(test, s);
	/* Of what an unmap does all but the freeing of the record, which may sleep. */
	rb_erase(&m->node, &t->c.maps);
	xa_erase(&m->local.stretches, 0);
	t1_map_free(m);
	t->m = NULL;
	extra = m->extra;
	unpin_last(&t->c, m, s, 0);

	KUNIT_EXPECT_NULL(test, extra);
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&s->busy));
	kfree(s);
}

/*
 * The same in a small mapping, whose words stay when nothing is pinned any more: they go
 * with the record, and the form may not be known to the call yet.
 */
static void local_test_unpin_late_small(struct kunit *test)
{
	struct local_test *t = test->priv;
	struct t1_spare spare = { .end = 2 };
	struct page *pages[2] = { ZERO_PAGE(0), ZERO_PAGE(0) };
	struct t1_source src = { .pages = pages, .run = 1, .nreserved = 2 };
	struct t1_batch batch = { .all = true };
	unsigned long n = 1, counted = 0;
	struct t1_stretch *s;
	struct t1_map *m;
	void *words, *dirty;

	KUNIT_ASSERT_NOT_NULL(test, t1_record_make(&t->m->local, 0));
	s = t1_map_stretch(&t->c, 0, &m, &n);
	KUNIT_ASSERT_NOT_NULL(test, s);
	KUNIT_EXPECT_EQ(test, -EAGAIN, t1_stretch_add(s, 0, 2, &src, &spare, &counted));
	t1_stretch_unlock(s);
	KUNIT_ASSERT_EQ(test, 0, t1_spare_fill(&spare));
	t1_stretch_lock(s);
	KUNIT_EXPECT_EQ(test, 2, t1_stretch_add(s, 0, 2, &src, &spare, &counted));
	t1_stretch_drop_some(s, 0, 2, &batch);
	KUNIT_EXPECT_EQ(test, 0, s->npinned);
	KUNIT_EXPECT_EQ(test, T1_FULL, s->form);
	/* So far have t1_map_free() and t1_record_free() come, seen from another processor. */
	dirty = m->extra->dirty;
	m->extra->dirty = NULL;
	words = s->pages;
	s->pages = NULL;
	unpin_last(&t->c, m, s, 0);

	KUNIT_EXPECT_EQ(test, 0, atomic_read(&s->busy));
	s->pages = words;
	m->extra->dirty = dirty;
}

static struct kunit_case local_test_cases[] = {
	KUNIT_CASE(local_test_unpin_late),
	KUNIT_CASE(local_test_unpin_late_small),
	{ }
};

static struct kunit_suite local_test_suite = {
	.name = "vfio_type1_local",
	.init = local_test_init,
	.exit = local_test_exit,
	.test_cases = local_test_cases,
};

kunit_test_suite(local_test_suite);
