// SPDX-License-Identifier: GPL-2.0-only
/*
 * The local domain: pages for devices that no IOMMU translates for
 *
 * A mediated device's driver names IOVAs, and gets the pages behind them, pinned. A
 * page is pinned once in its mapping, however many callers pin it, and is charged as
 * locked memory unless an IOMMU domain's mapping is charged for it.
 *
 * The life of a pin. A search under RCU finds the mapping, and in its record the
 * stretch.
 *
 *	Again	A page that a full stretch counts already is counted once more, without
 *		a lock. As somebody holds it, it is dirty already, and an unmap that has
 *		begun finds it pinned, and has it unpinned.
 *	First	The call becomes busy in the stretch, and reads the mapping's bars: from
 *		here on an unmap waits for it. The page is got from the owner's memory,
 *		and charged. Under the stretch's lock it is recorded, and the call is
 *		busy no more. If another caller has recorded the page meanwhile, that
 *		is counted, and ours is given back.
 *	Fewer	Of several pins one is undone without a lock.
 *	Last	Under the stretch's lock the page is recorded no more, and the call becomes
 *		busy. Without it the page is released, and its charge given back.
 *
 * That is the straight way, of one page, as most calls are. pin_rest() is the general
 * one, of any number: it makes a stretch where there is none, and is in flight in the
 * mapping for that, gets and records whole holes, and gets memory for a stretch to
 * grow. The straight way goes over to it where anything is special. While pins, or
 * unpins, are traced all go the general way, which is the one that traces.
 *
 * Whether to charge for a page is decided under the stretch's lock as it is recorded or
 * dropped, as the first IOMMU domain may come or the last may go meanwhile. While one
 * does, the backing is charged for some of a mapping's pages, and not for others. A page
 * that is recorded or dropped while dirty pages are tracked is marked.
 */
#include <linux/slab.h>

#include "type1.h"
#include "trace.h"

/* A call's pins in one mapping, from where they cannot be had by a look-up. */
struct pinning {
	struct t1_container *c;
	struct t1_map *m;
	struct t1_stretch *s;	/* that they are in just now */
	unsigned long index;	/* of the next page */
	struct page **pages;	/* where that one is told, then those behind it */
	struct t1_gup gup;
	struct t1_spare spare;
	unsigned long charged;	/* in advance, for what is to be recorded */
	unsigned long recorded;
};

/*
 * How many of some pages of a stretch, the first ones, are charged for because of a
 * backing. The stretch's lock is held, and it stays so until that is let go.
 */
static unsigned long backed_pages(struct t1_map *m, unsigned long index, unsigned long n)
{
	if (likely(!READ_ONCE(m->extra)))
		return 0;
	t1_map_lock(m);
	n = t1_map_backed(m, index, n);
	t1_map_unlock(m);
	return n;
}

/* Have pages that are pinned be dirty, if that is tracked; the stretch's lock is held. */
static void mark_pages(struct t1_map *m, struct t1_stretch *s, unsigned long index,
		       unsigned long n)
{
	unsigned long *bits;

	if (likely(!READ_ONCE(m->extra)))
		return;
	t1_map_lock(m);
	bits = t1_map_dirty(m);
	if (bits)
		t1_stretch_mark(s, t1_slot(index), n, bits, index - m->align);
	t1_map_unlock(m);
}

/* Some pages more are pinned, and told. */
static void pin_next(struct pinning *p, unsigned long n)
{
	p->index += n;
	p->pages += n;
}

/* Get memory for the stretch to grow; its lock is held, and is let go for that. */
static int pin_fill(struct pinning *p)
{
	int ret;

	t1_stretch_unlock(p->s);
	ret = t1_spare_fill(&p->spare);
	t1_stretch_lock(p->s);
	return ret;
}

/* Have pages that are to be recorded charged, unless a domain is charged. */
static int pin_charge(struct pinning *p, unsigned long counted)
{
	int ret;

	if (p->charged >= counted)
		return 0;
	counted -= p->charged;
	ret = t1_owner_charge(p->m->owner, counted, false);
	if (ret)
		trace_limit_exceeded(p->c->id, p->m->iova, counted);
	else
		p->charged += counted;
	return ret;
}

/* Another caller was first: take that page, and give ours back. */
static long pin_raced(struct pinning *p, bool io)
{
	struct page *ours = *p->pages;
	long n;

	n = t1_stretch_raise(p->s, t1_slot(p->index), 1, p->pages, &p->spare);
	if (n == 1 && !io) {
		t1_stretch_unlock(p->s);
		t1_unpin(&ours, 1, false);
		t1_stretch_lock(p->s);
	}
	return n;
}

/* Record pages, of which @counted may have to be charged; how many, or errno. */
static long pin_record_some(struct pinning *p, unsigned long n,
			    struct t1_source *src, unsigned long *counted)
{
	unsigned long backed = backed_pages(p->m, p->index, n), added = 0;
	long ret;

	/* The last domain may have gone since. */
	if (unlikely(p->charged < *counted && !backed)) {
		t1_stretch_unlock(p->s);
		ret = pin_charge(p, *counted);
		t1_stretch_lock(p->s);
		return ret;
	}
	ret = t1_stretch_add(p->s, t1_slot(p->index), backed ?: n, src, &p->spare, &added);
	if (ret > 0) {
		p->recorded += ret;
		*counted -= min(*counted, added);
		/* With a domain it is charged already: ours is given back. */
		if (!backed)
			p->charged -= added;
	} else if (!ret) {
		ret = pin_raced(p, !src->pages);
	}
	return ret == -EAGAIN ? pin_fill(p) : ret;
}

/*
 * Record what was got for the next pages; of the rest, if it fails, the pins are given
 * back. The stretch's lock is held, and is let go for moments.
 */
static int pin_record(struct pinning *p, unsigned long n, struct t1_source *src)
{
	unsigned long counted = n - src->nreserved;
	long ret = 0;

	for (; n; n -= ret) {
		ret = pin_record_some(p, n, src, &counted);
		if (ret < 0)
			break;
		t1_source_skip(src, ret);
		pin_next(p, ret);
	}
	if (unlikely(n && src->pages)) {
		t1_stretch_unlock(p->s);
		t1_unpin(src->pages, n, false);
		t1_stretch_lock(p->s);
	}
	return min(ret, 0L);
}

/* There is no page to hand out for most I/O memory. */
static long pages_of_io(struct t1_source *src, struct page **pages, long n)
{
	long i;

	for (i = 0; i < n && pfn_valid(src->pfn + i); i++)
		pages[i] = pfn_to_page(src->pfn + i);
	return i ?: -EINVAL;
}

/* Get pages for a hole, and have them charged; how many, or errno. */
static long pin_get(struct pinning *p, unsigned long hole, bool backed,
		    struct t1_source *src)
{
	struct t1_map *m = p->m;
	long got;
	int ret;

	if (!p->gup.mm) {
		ret = t1_gup_begin(&p->gup, m->owner->mm, t1_map_allows(m, IOMMU_WRITE));
		if (ret)
			return ret;
	}
	got = t1_gup_pages(&p->gup, m->vaddr + ((p->index - m->align) << PAGE_SHIFT),
			   hole, p->pages, src);
	if (unlikely(got > 0 && !src->pages))
		got = pages_of_io(src, p->pages, got);
	if (got <= 0)
		return got;
	src->nreserved = min_t(unsigned long, src->nreserved, got);
	ret = backed ? 0 : pin_charge(p, got - src->nreserved);
	if (likely(!ret))
		return got;
	if (src->pages)
		t1_unpin(p->pages, got, false);
	return ret;
}

/*
 * Pin what is not pinned, up to @n pages. The stretch's lock is held, and is let go
 * while pages are got.
 */
static int pin_hole(struct pinning *p, unsigned long n)
{
	/* What is not, behind a page that is, is charged for as it is recorded. */
	bool backed = backed_pages(p->m, p->index, 1);
	struct t1_source src;
	long ret;

	n = t1_stretch_hole(p->s, t1_slot(p->index), n);
	t1_stretch_unlock(p->s);
	ret = pin_get(p, n, backed, &src);
	t1_stretch_lock(p->s);
	if (ret > 0)
		ret = pin_record(p, ret, &src);
	/* There is no charge for what another caller was first to pin. */
	return ret == -ENOMEM && t1_stretch_holds(p->s, t1_slot(p->index)) ? 0 : ret;
}

/* Pin pages of one stretch. */
static int pin_stretch(struct pinning *p, unsigned long n)
{
	unsigned long index = p->index, end = index + n;
	long ret = 0;

	t1_stretch_lock(p->s);
	while (p->index < end && !ret) {
		ret = t1_stretch_raise(p->s, t1_slot(p->index), end - p->index,
				       p->pages, &p->spare);
		if (ret > 0) {
			pin_next(p, ret);
			ret = 0;
		} else if (!ret) {
			ret = pin_hole(p, end - p->index);
		} else if (ret == -EAGAIN) {
			ret = pin_fill(p);
		}
	}
	if (!ret)
		mark_pages(p->m, p->s, index, n);
	t1_stretch_unlock(p->s);
	return ret;
}

/* Pin pages of a mapping that the caller is in flight in. */
static int pin_in_map(struct pinning *p, unsigned long n)
{
	unsigned long end = p->index + n;
	struct t1_map *m = p->m;
	struct t1_bill bill;
	int ret = 0;

	t1_bill_begin(&bill, m->owner);
	while (p->index < end && !ret) {
		t1_map_spare(m, p->index, &p->spare);
		p->s = t1_record_make(&m->local, p->index);
		ret = p->s ? pin_stretch(p, t1_in_stretch(p->index, end - p->index)) : -ENOMEM;
	}
	t1_spare_end(&p->spare);
	t1_owner_uncharge(m->owner, p->charged);
	/* Of what was not begun there is nothing to end: it is T1_GUP_OWN. */
	t1_gup_end(&p->gup);
	t1_bill_end(&bill);
	return ret;
}

/* The end of a call that went the general way. */
static int pin_told(struct t1_container *c, struct iommu_group *group,
		    unsigned long iova, unsigned long npages, struct page **pages,
		    unsigned long recorded, int ret)
{
	if (unlikely(ret))
		memset(pages, 0, npages * sizeof(*pages));
	else if (atomic_read(&c->barred))
		t1_group_pinned(c, group, recorded);
	trace_pin_pages(c->id, iova, npages, recorded, ret);
	return ret ?: npages;
}

/*
 * What t1_pin_pages() could not have by a look-up, from page @done on. None is past the
 * end of the address space.
 */
static noinline int pin_rest(struct t1_container *c, struct iommu_group *group,
			     unsigned long iova, unsigned long npages, int prot,
			     struct page **pages, unsigned long done)
{
	unsigned long recorded = 0, at;
	struct t1_map *m;
	int ret = 0;

	iova &= PAGE_MASK;
	while (done < npages && !ret) {
		struct pinning p = { .c = c, .pages = pages + done };

		at = iova + (done << PAGE_SHIFT);
		m = t1_map_enter(c, at);
		if (!m) {
			ret = t1_not_entered(c);
			break;
		}
		p.m = m;
		p.index = t1_map_index(m, at);
		if (!t1_map_allows(m, prot))
			ret = -EPERM;
		else
			ret = pin_in_map(&p, min(npages - done,
						 ((m->last - at) >> PAGE_SHIFT) + 1));
		t1_leave(c, &m->inflight);
		recorded += p.recorded;
		done = p.pages - pages;
	}
	if (unlikely(ret))
		t1_unpin_pages(c, iova, done);
	return pin_told(c, group, iova, npages, pages, recorded, ret);
}

/*
 * Record a page that is pinned and charged, in the general way; how many were: none if
 * another caller was first. An errno: it is neither pinned nor charged any more.
 */
static noinline int pin_one_record(struct t1_container *c, struct t1_map *m,
				   struct t1_stretch *s, unsigned long index,
				   struct page **page)
{
	struct t1_source src = { .pages = page, .run = 1 };
	struct pinning p = {
		.c = c, .m = m, .s = s, .index = index, .pages = page, .charged = 1,
	};
	struct t1_bill bill;
	int ret;

	t1_map_spare(m, index, &p.spare);
	t1_bill_begin(&bill, m->owner);
	t1_stretch_lock(s);
	ret = pin_record(&p, 1, &src);
	if (!ret)
		mark_pages(m, s, index, 1);
	t1_stretch_unlock(s);
	t1_bill_end(&bill);
	t1_spare_end(&p.spare);
	t1_owner_uncharge(m->owner, p.charged);
	return ret ?: p.recorded;
}

/* Pin once more what a stretch has that is not full: 1 if it has it; or an errno. */
static noinline long pin_one_again(struct t1_map *m, struct t1_stretch *s,
				   unsigned long index, struct page **page)
{
	struct t1_spare spare = { };
	long raised;

	t1_map_spare(m, index, &spare);
	t1_stretch_lock(s);
	raised = t1_stretch_raise(s, t1_slot(index), 1, page, &spare);
	t1_stretch_unlock(s);
	return raised;
}

static __always_inline unsigned long page_vaddr(const struct t1_map *m, unsigned long iova)
{
	return (m->vaddr + (iova - m->iova)) & PAGE_MASK;
}

static noinline bool pin_page_else(struct t1_map *m, unsigned long iova, struct page **page)
{
	return t1_gup_page_of(m->owner->mm, page_vaddr(m, iova),
			      t1_map_allows(m, IOMMU_WRITE), page);
}

/* Pin a page of the memory behind a mapping that the caller is busy in. */
static __always_inline bool pin_page_of(struct t1_map *m, unsigned long iova,
					struct page **page)
{
	if (likely(m->owner->mm == current->mm) &&
	    likely(t1_gup_own_page(page_vaddr(m, iova), t1_map_allows(m, IOMMU_WRITE), page)))
		return true;
	return pin_page_else(m, iova, page);
}

/* The general way for one page in a stretch that the caller is busy in, up to here. */
static noinline int pin_one_rest(struct t1_container *c, struct iommu_group *group,
				 unsigned long iova, struct t1_map *m,
				 struct t1_stretch *s, struct page **page)
{
	struct pinning p = {
		.c = c, .m = m, .index = t1_map_index(m, iova), .pages = page,
	};
	int ret = pin_in_map(&p, 1);

	t1_leave(c, &s->busy);
	return pin_told(c, group, iova & PAGE_MASK, 1, page, p.recorded, ret);
}

/*
 * Pin one page in a stretch of a mapping that allows it. A search has found both, which
 * is ended here. Where the stretch is full, the page is not pinned.
 */
static noinline __noclone int
pin_one(struct t1_container *c, struct iommu_group *group, unsigned long iova,
	struct t1_map *m, struct t1_stretch *s, struct page **page)
{
	unsigned int slot = t1_slot(t1_map_index(m, iova));
	bool entered = t1_enter(c, m, &s->busy), put;
	long raised = 0;
	int recorded = 1;

	t1_search_end();
	if (unlikely(!entered)) {
		*page = NULL;
		return t1_not_entered(c);
	}
	/* Where that is wrong a page more is got, and given back. */
	if (unlikely(data_race(t1_stretch_may_hold(s, slot))))
		raised = pin_one_again(m, s, t1_map_index(m, iova), page);
	if (unlikely(raised)) {
		if (raised < 0)
			goto rest;
		recorded = 0;
		goto pinned;
	}
	if (unlikely(!pin_page_of(m, iova, page)))
		goto rest;
	if (unlikely(t1_owner_charge_page(m->owner))) {
		t1_unpin(page, 1, false);
		goto rest;
	}
	t1_stretch_lock(s);
	put = likely(!READ_ONCE(m->extra)) && t1_stretch_put(s, slot, t1_word_of(*page));
	t1_stretch_unlock(s);
	if (unlikely(!put)) {
		recorded = pin_one_record(c, m, s, t1_map_index(m, iova), page);
		if (recorded < 0)
			goto rest;
	}
pinned:
	if (unlikely(atomic_read(&c->barred)))
		t1_group_pinned(c, group, recorded);
	t1_leave(c, &s->busy);
	return 1;
rest:
	return pin_one_rest(c, group, iova, m, s, page);
}

/* Of what is pinned, the counts are raised, unless the mapping's bars forbid it. */
static __always_inline bool pin_can_raise(struct t1_map *m, int prot)
{
	/* One byte, of which any value that it had will do. */
	return m && !(data_race(m->bars) & (u8)prot);
}

static __always_inline int
pin_page(struct t1_container *c, struct iommu_group *group, unsigned long iova,
	 int prot, struct page **page, bool barred)
{
	struct t1_stretch *s;
	unsigned long index;
	struct t1_map *m;
	u64 *word;

	t1_search_begin();
	m = t1_map_search(c, iova);
	if (unlikely(!pin_can_raise(m, prot)))
		goto rest;
	index = t1_map_index(m, iova);
	s = t1_record_stretch(&m->local, index);
	if (unlikely(!s))
		goto rest;
	if (!t1_stretch_is_full(s, t1_slot(index), &word) ||
	    !t1_word_raise(word, page))
		return pin_one(c, group, iova, m, s, page);
	t1_search_end();
	if (unlikely(barred && atomic_read(&c->nunscoped)))
		t1_group_pinned(c, group, 0);
	return 1;
rest:
	t1_search_end();
	return pin_rest(c, group, iova, 1, prot, page, 0);
}

/* Pin again what full stretches have, under RCU; how many were. */
static unsigned long pin_again(struct t1_map *m, unsigned long index, unsigned long n,
			       struct page **pages)
{
	unsigned long done = 0, most, raised;
	struct t1_stretch *s;
	u64 *word;

	while (done < n) {
		s = t1_record_stretch(&m->local, index + done);
		if (!s || !t1_stretch_is_full(s, t1_slot(index + done), &word))
			break;
		most = t1_in_stretch(index + done, n - done);
		raised = t1_words_raise(word, most, pages + done);
		done += raised;
		if (raised < most)
			break;
	}
	return done;
}

/* Why no page can be pinned, or 0 if none of the reasons holds any more. */
static int pin_refused(struct t1_container *c)
{
	if (!c->v2)
		return -EACCES;
	/* That nobody uses an address that was taken its mapping's bars see to. */
	if (READ_ONCE(c->vaddr_invalid))
		return -EBUSY;
	return list_empty(&c->devices) ? -EINVAL : 0;
}

static noinline __noclone int
pin_several(struct t1_container *c, struct iommu_group *group, unsigned long iova,
	    int n, int prot, struct page **pages)
{
	unsigned long npages = n, done = 0, last;
	struct t1_map *m;

	if (unlikely(atomic_read(&c->barred))) {
		int ret = pin_refused(c);

		if (ret)
			return ret;
	}
	if (unlikely(n <= 0))
		return -EINVAL;
	iova &= PAGE_MASK;
	if (unlikely(check_add_overflow(iova, (npages << PAGE_SHIFT) - 1, &last)))
		return -VFIO_COMPAT_EOVERFLOW;
	t1_search_begin();
	m = t1_map_search(c, iova);
	if (likely(pin_can_raise(m, prot) && !trace_pin_pages_enabled()))
		done = pin_again(m, t1_map_index(m, iova),
				 min(npages, ((m->last - iova) >> PAGE_SHIFT) + 1), pages);
	t1_search_end();
	if (unlikely(done < npages))
		return pin_rest(c, group, iova, npages, prot, pages, done);
	if (unlikely(atomic_read(&c->nunscoped)))
		t1_group_pinned(c, group, 0);
	return npages;
}

static noinline __noclone int
pin_barred(struct t1_container *c, struct iommu_group *group, unsigned long iova,
	   int npages, int prot, struct page **pages)
{
	int ret = pin_refused(c);

	return ret ?: pin_page(c, group, iova, prot, pages, true);
}

/**
 * t1_pin_pages - pin pages for a device that no IOMMU translates for
 * @data: the container
 * @group: the device's
 * @iova: of the first; what it has below a page is ignored
 * @npages: how many
 * @prot: IOMMU_READ, IOMMU_WRITE: what the mapping must allow
 * @pages: filled in
 *
 * Context: process context of any task, with a device of the group open. Sleeps.
 * The VFIO core calls this itself, as it is called most of all.
 *
 * Return: @npages, or an errno and everything is as before: -EACCES: the
 * container is of the first version; -EBUSY: mappings have no address; -EINVAL:
 * no pages, not all is mapped, or no driver would be told of an unmap, or it is
 * I/O memory without pages; -EPERM: the mapping does not allow it; -ENOMEM: out of
 * memory, or of memory that may be locked; -EFAULT: the memory cannot be
 * pinned; -ENODEV: its owner is gone; -EOVERFLOW: pinned two million times;
 * -VFIO_COMPAT_EOVERFLOW: they are not below the top of the address space;
 * -EINTR: the task was killed; or what else t1_gup_pages() says.
 */
int t1_pin_pages(void *data, struct iommu_group *group, dma_addr_t iova,
		 int npages, int prot, struct page **pages)
{
	struct t1_container *c = data;

	/* All that follow are called alike, so that nothing has to be moved. */
	if (unlikely(npages != 1 || trace_pin_pages_enabled()))
		return pin_several(c, group, iova, npages, prot, pages);
	if (unlikely(atomic_read(&c->barred)))
		return pin_barred(c, group, iova, npages, prot, pages);
	return pin_page(c, group, iova, prot, pages, false);
}

/*
 * Drop pins of a stretch, whose lock is held, up to where a backing is charged no more,
 * and count in @batch what is not charged for any more; how many were looked at, as
 * t1_stretch_drop_some().
 */
static unsigned long unpin_some(struct t1_map *m, struct t1_stretch *s,
				unsigned long index, unsigned long n,
				struct t1_batch *batch)
{
	unsigned long backed = backed_pages(m, index, n), counted = batch->counted;

	mark_pages(m, s, index, n);
	n = t1_stretch_drop_some(s, t1_slot(index), backed ?: n, batch);
	if (unlikely(backed))
		batch->counted = counted;
	return n;
}

/* Unpin pages up to the end of a stretch; how many were looked at. */
static noinline unsigned long unpin_stretch(struct t1_container *c, unsigned long iova,
					    unsigned long npages)
{
	unsigned long index, done = 0, n = npages;
	struct t1_batch batch;
	struct t1_stretch *s;
	struct t1_map *m;

	s = t1_map_stretch(c, iova, &m, &n);
	if (!s)
		return n;
	index = t1_map_index(m, iova);
	/* The mapping may have been unmapped by now. */
	if (!s->npinned) {
		t1_stretch_unlock(s);
		return n;
	}
	atomic_inc(&s->busy);
	batch.npages = 0;
	batch.nrun = 0;
	batch.counted = 0;
	batch.all = false;
	for (;;) {
		done += unpin_some(m, s, index + done, n - done, &batch);
		t1_stretch_unlock(s);
		t1_batch_release(&batch, t1_map_allows(m, IOMMU_WRITE));
		if (done == n)
			break;
		t1_stretch_lock(s);
	}
	t1_owner_uncharge(m->owner, batch.counted);
	t1_leave(c, &s->busy);
	return n;
}

/* Unpin a page in a stretch whose lock is held, and is released. */
static __always_inline void unpin_last(struct t1_container *c, struct t1_map *m,
				       struct t1_stretch *s, unsigned long iova)
{
	unsigned long index = t1_map_index(m, iova);
	bool extra = READ_ONCE(m->extra), charged;
	u64 word;

	if (unlikely(extra))
		mark_pages(m, s, index, 1);
	word = t1_stretch_drop(s, t1_slot(index));
	/* Then the mapping may have been unmapped by now, too. */
	if (!word) {
		t1_stretch_unlock(s);
		return;
	}
	charged = t1_word_is_counted(word) && !(unlikely(extra) && backed_pages(m, index, 1));
	atomic_inc(&s->busy);
	t1_stretch_unlock(s);
	t1_word_release(word, t1_map_allows(m, IOMMU_WRITE));
	if (charged)
		t1_owner_uncharge_page(m->owner);
	t1_leave(c, &s->busy);
}

/* Unpin a page in a stretch that a search has found, which is ended here. */
static noinline void unpin_found(struct t1_container *c, struct t1_map *m,
				 struct t1_stretch *s, unsigned long iova)
{
	t1_stretch_lock(s);
	t1_search_end();
	unpin_last(c, m, s, iova);
}

/* What is not done at once comes last, so that nothing has to be kept for it. */
static __always_inline void unpin_one(struct t1_container *c, unsigned long iova)
{
	struct t1_stretch *s = NULL;
	unsigned long index;
	struct t1_map *m;
	u64 *word;

	t1_search_begin();
	m = t1_map_search(c, iova);
	if (likely(m)) {
		index = t1_map_index(m, iova);
		s = t1_record_stretch(&m->local, index);
	}
	if (unlikely(!s)) {
		t1_search_end();
		/* The search may have missed it. */
		unpin_stretch(c, iova, 1);
		return;
	}
	if (t1_stretch_is_full(s, t1_slot(index), &word) && t1_word_lower(word)) {
		t1_search_end();
		return;
	}
	unpin_found(c, m, s, iova);
}

static noinline void unpin_several(struct t1_container *c, unsigned long iova, int n)
{
	unsigned long npages = max(n, 0), done = 0;

	trace_unpin_pages(c->id, iova, npages);
	/* What would be past the end of the address space is not pinned. */
	npages = min(npages, (ULONG_MAX - iova) / PAGE_SIZE + 1);
	while (done < npages) {
		done += unpin_stretch(c, iova + (done << PAGE_SHIFT), npages - done);
		cond_resched();
	}
}

/**
 * t1_unpin_pages - undo a pin of each
 * @data: the container
 * @iova: of the first; what it has below a page is ignored
 * @npages: how many; those that are not pinned are passed over
 *
 * Context: process context of any task. Sleeps. Needs no memory.
 */
void t1_unpin_pages(void *data, dma_addr_t iova, int npages)
{
	iova &= PAGE_MASK;
	if (likely(npages == 1 && !trace_unpin_pages_enabled()))
		unpin_one(data, iova);
	else
		unpin_several(data, iova, npages);
}

#if IS_ENABLED(CONFIG_VFIO_MDEV_KUNIT_TEST)
#include "local_test.c"
#endif
