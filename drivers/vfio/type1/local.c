// SPDX-License-Identifier: GPL-2.0-only
/*
 * The local domain: memory for devices that no IOMMU translates for
 *
 * A mediated device's driver names IOVAs, and gets the pages behind them,
 * pinned; or has bytes copied. A page is pinned once in its mapping, however
 * many callers pin it, and is charged as locked memory unless an IOMMU domain's
 * mapping is charged for it.
 *
 * Pinning what is pinned is a look-up, under the mapping's lock or without. For
 * the rest the caller is in flight in the mapping, so that an unmap waits, and
 * pins without the lock: pages, then the charge, then they are recorded. A
 * page that another caller has recorded meanwhile is given back and his is
 * counted. Whether to charge is decided under the lock as the page is
 * recorded, as the first IOMMU domain may come or the last may go meanwhile. While
 * one does, the backing is charged for some of a mapping's pages, and not for others.
 *
 * Most calls are for one page. They have a straight way, pin_page() and
 * unpin_one(); the former goes over to the other where anything is special. Most
 * of these add to a stretch that is full already: pin_one_full() holds it, so
 * that nothing has to be looked up again, and charges and records the page in one
 * go under the owner's mmap_lock. That stands in for the mapping's lock: what
 * decides whether to charge does not change under it.
 */
#include <linux/slab.h>

#include "type1.h"
#include "trace.h"

/* A page number of a mapping, and its index in the records. */
static unsigned long map_page(struct t1_map *m, unsigned long iova)
{
	return (iova - m->iova) >> PAGE_SHIFT;
}

/* A call's pins in one mapping, from where they cannot be had by a look-up. */
struct pinning {
	struct t1_container *c;
	struct t1_map *m;
	struct t1_gup gup;
	struct t1_spare spare;
	struct t1_bill bill;
	unsigned long charged;	/* in advance, for what is to be recorded */
	unsigned long recorded;
};

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

/* Another caller was first: take his page, and give ours back. */
static long pin_raced(struct pinning *p, unsigned long index, struct page **page,
		      bool io)
{
	struct page *ours = *page;
	long n;

	n = t1_record_raise(&p->m->local, index, 1, page, &p->spare);
	if (n == 1 && !io) {
		t1_map_unlock(p->m);
		t1_unpin(&ours, 1, false);
		t1_map_lock(p->m);
	}
	return n;
}

/* Record pages, of which @counted may have to be charged; how many, or errno. */
static long pin_record_some(struct pinning *p, unsigned long index,
			    unsigned long n, struct t1_source *src,
			    unsigned long *counted, struct page **pages)
{
	struct t1_map *m = p->m;
	unsigned long backed = t1_map_backed(m, index, n), added = 0;
	long ret;

	/* The last domain may have gone since. */
	if (unlikely(p->charged < *counted && !backed)) {
		t1_map_unlock(m);
		ret = pin_charge(p, *counted);
		t1_map_lock(m);
		return ret;
	}
	ret = t1_record_add(&m->local, index, backed ?: n, src, &p->spare, &added);
	if (ret > 0) {
		p->recorded += ret;
		*counted -= min(*counted, added);
		/* With a domain it is charged already: ours is given back. */
		if (!backed)
			p->charged -= added;
	} else if (!ret) {
		ret = pin_raced(p, index, pages, !src->pages);
	}
	if (ret == -EAGAIN) {
		t1_map_unlock(m);
		ret = t1_spare_fill(&m->local, &p->spare);
		t1_map_lock(m);
	}
	return ret;
}

/*
 * Record what was got for @pages, and how many of it in @done; the rest is
 * given back.
 */
static int pin_record(struct pinning *p, unsigned long index, unsigned long n,
		      struct t1_source *src, struct page **pages,
		      unsigned long *done)
{
	unsigned long counted = n - src->nreserved;
	long ret = 0;

	t1_assert_map_held(p->m);
	for (*done = 0; *done < n; *done += ret) {
		ret = pin_record_some(p, index + *done, n - *done, src, &counted,
				      pages + *done);
		if (ret < 0)
			break;
		t1_source_skip(src, ret);
	}
	if (unlikely(*done < n && src->pages)) {
		t1_map_unlock(p->m);
		t1_unpin(src->pages, n - *done, false);
		t1_map_lock(p->m);
	}
	return ret < 0 ? ret : 0;
}

/* There is no page to hand out for most I/O memory. */
static long pages_of_io(struct t1_source *src, struct page **pages, long n)
{
	long i;

	for (i = 0; i < n && pfn_valid(src->pfn + i); i++)
		pages[i] = pfn_to_page(src->pfn + i);
	return i ?: -EINVAL;
}

/*
 * Get pages for a hole and record them. The mapping's lock is not held, and is
 * held after this.
 */
static int pin_hole(struct pinning *p, unsigned long index, unsigned long hole,
		    struct page **pages, bool backed, unsigned long *done)
{
	struct t1_map *m = p->m;
	struct t1_source src;
	long got, ret;

	*done = 0;
	got = t1_gup_pages(&p->gup, m->vaddr + ((index - m->align) << PAGE_SHIFT),
			   hole, pages, &src);
	if (unlikely(got > 0 && !src.pages))
		got = pages_of_io(&src, pages, got);
	ret = min(got, 0L);
	if (got > 0 && !backed) {
		ret = pin_charge(p, got - min_t(unsigned long, got, src.nreserved));
		if (ret && src.pages)
			t1_unpin(pages, got, false);
	}
	t1_map_lock(m);
	if (ret)
		return ret;
	src.nreserved = min_t(unsigned long, src.nreserved, got);
	return pin_record(p, index, got, &src, pages, done);
}

/* What is left over of a call's pins in a mapping, whose lock is not held. */
static void pin_end(struct pinning *p)
{
	t1_spare_end(&p->m->local, &p->spare);
	t1_owner_uncharge(p->m->owner, p->charged);
}

/*
 * Pin what a look-up does not find, in a mapping that the caller is in flight
 * in. What is pinned in the end is in @done.
 */
static int pin_slowly(struct pinning *p, unsigned long index, unsigned long n,
		      struct page **pages, unsigned long *done)
{
	struct t1_map *m = p->m;
	unsigned long hole, got;
	bool begun = false, backed;
	long ret = 0;

	*done = 0;
	t1_bill_begin(&p->bill, m->owner);
	t1_map_lock(m);
	for (;;) {
		while (*done < n) {
			ret = t1_record_raise(&m->local, index + *done, n - *done,
					      pages + *done, &p->spare);
			if (ret <= 0)
				break;
			*done += ret;
			ret = 0;
		}
		if ((ret && ret != -EAGAIN) || *done == n)
			break;
		hole = n - *done;
		if (hole > 1 && !ret) {
			hole = t1_record_hole(&m->local, index + *done, hole);
			/* It was recorded just now, see pin_one_full(). */
			if (!hole)
				continue;
		}
		/* What is not, behind a page that is, is charged for as it is recorded. */
		backed = t1_map_backed(m, index + *done, 1);
		t1_map_unlock(m);
		if (ret) {
			ret = t1_spare_fill(&m->local, &p->spare);
			t1_map_lock(m);
			if (ret)
				break;
			continue;
		}
		if (!begun)
			ret = t1_gup_begin(&p->gup, m->owner->mm,
					   m->prot & IOMMU_WRITE, n - *done);
		if (ret) {
			t1_map_lock(m);
			break;
		}
		begun = true;
		ret = pin_hole(p, index + *done, hole, pages + *done, backed, &got);
		*done += got;
		/* There is no charge for what another caller was first to pin. */
		if (ret == -ENOMEM && t1_record_holds(&m->local, index + *done))
			ret = 0;
		if (ret || *done == n)
			break;
	}
	if (!ret)
		t1_dirty_mark(m, index - m->align, n);
	t1_map_unlock(m);
	pin_end(p);
	if (begun)
		t1_gup_end(&p->gup);
	t1_bill_end(&p->bill);
	return ret;
}

/*
 * What t1_pin_pages() could not have by a look-up, from page @done on. It is in
 * flight already in mapping @m, if that is one.
 */
static noinline int pin_rest(struct t1_container *c, struct iommu_group *group,
			     unsigned long iova, unsigned long npages, int prot,
			     struct page **pages, unsigned long done,
			     struct t1_map *m)
{
	unsigned long recorded = 0, at, n;
	int ret = 0;

	iova &= PAGE_MASK;
	for (; done < npages && !ret; done += n) {
		struct pinning p = { .c = c };

		at = iova + (done << PAGE_SHIFT);
		n = 0;
		/* Nothing is mapped past the end of the address space. */
		if (!m && at >= iova)
			m = t1_map_enter(c, at);
		if (!m) {
			ret = t1_not_entered(c);
			break;
		}
		p.m = m;
		if ((m->prot & prot) != prot)
			ret = -EPERM;
		else
			ret = pin_slowly(&p, map_page(m, at) + m->align,
					 min(npages - done, ((m->last - at) >> PAGE_SHIFT) + 1),
					 pages + done, &n);
		t1_map_leave(c, m);
		m = NULL;
		recorded += p.recorded;
	}
	if (unlikely(ret)) {
		t1_unpin_pages(c, iova, done);
		memset(pages, 0, npages * sizeof(*pages));
	} else if (atomic_read(&c->barred)) {
		t1_group_pinned(c, group, recorded);
	}
	trace_pin_pages(c->id, iova, npages, recorded, ret);
	return ret ?: npages;
}

static noinline __noclone int
pin_all(struct t1_container *c, struct iommu_group *group, unsigned long iova,
	int npages, int prot, struct page **pages)
{
	return pin_rest(c, group, iova, npages, prot, pages, 0, NULL);
}

/* All that was to be pinned was pinned before. */
static noinline int pin_raised(struct t1_container *c, struct iommu_group *group,
			       unsigned long iova, unsigned long npages)
{
	if (atomic_read(&c->nunscoped))
		t1_group_pinned(c, group, 0);
	trace_pin_pages(c->id, iova & PAGE_MASK, npages, 0, 0);
	return npages;
}

/*
 * Record a page that is pinned and charged; how many were: none if another
 * caller was first. An errno: it is neither pinned nor charged any more.
 */
static noinline int pin_one_record(struct t1_container *c, struct t1_map *m,
				   unsigned long index, struct page **page)
{
	struct t1_source src = { .pages = page, .run = 1 };
	struct pinning p = { .c = c, .m = m, .charged = 1 };
	unsigned long done;
	int ret;

	t1_bill_begin(&p.bill, m->owner);
	t1_map_lock(m);
	ret = pin_record(&p, index, 1, &src, page, &done);
	if (!ret)
		t1_dirty_mark(m, index - m->align, 1);
	t1_map_unlock(m);
	t1_bill_end(&p.bill);
	pin_end(&p);
	return ret ?: p.recorded;
}

/* The mapping was about to be unmapped. */
static noinline int pin_one_late(struct t1_container *c, unsigned long iova,
				 struct page **page)
{
	int ret = t1_not_entered(c);

	*page = NULL;
	trace_pin_pages(c->id, iova & PAGE_MASK, 1, 0, ret);
	return ret;
}

/* Pin a page of the memory behind a mapping that the caller is in flight in. */
static __always_inline bool pin_page_of(struct t1_map *m, unsigned long iova,
					struct page **page)
{
	unsigned long vaddr = (m->vaddr + (iova - m->iova)) & PAGE_MASK;
	struct mm_struct *mm = m->owner->mm;
	bool write = m->prot & IOMMU_WRITE;

	if (likely(mm == current->mm) && likely(t1_gup_own_page(vaddr, write, page)))
		return true;
	return t1_gup_page_of(mm, vaddr, write, page);
}

/* Is a page pinned, of which a look-up does not know? */
static noinline bool pin_one_is_held(struct t1_map *m, unsigned long index)
{
	bool held;

	t1_map_lock(m);
	held = t1_record_holds(&m->local, index);
	t1_map_unlock(m);
	return held;
}

/*
 * Pin one page in a mapping that allows it, and that a search has found, which is
 * ended here. It has seen a stretch in which it may be pinned, or NULL.
 */
static noinline __noclone int
pin_one(struct t1_container *c, struct iommu_group *group, unsigned long iova,
	struct t1_map *m, void *stretch, struct page **page)
{
	bool entered = t1_map_enter_found(c, m), done;
	unsigned long index;
	int recorded = 1;

	t1_search_end();
	if (unlikely(!entered))
		return pin_one_late(c, iova, page);
	index = map_page(m, iova) + m->align;
	if (unlikely(READ_ONCE(m->extra)) ||
	    (stretch && pin_one_is_held(m, index)))
		goto rest;
	if (unlikely(!pin_page_of(m, iova, page)))
		goto rest;
	if (unlikely(t1_owner_charge(m->owner, 1, false))) {
		t1_unpin(page, 1, false);
		goto rest;
	}
	t1_map_lock(m);
	done = likely(!m->extra) && t1_record_put(&m->local, index, *page);
	t1_map_unlock(m);
	if (unlikely(!done)) {
		recorded = pin_one_record(c, m, index, page);
		if (recorded < 0)
			goto rest;
	}
	if (unlikely(atomic_read(&c->barred)))
		t1_group_pinned(c, group, recorded);
	t1_map_leave(c, m);
	trace_pin_pages(c->id, iova & PAGE_MASK, 1, recorded, 0);
	return 1;
rest:
	/* What the mapping has to allow, it does. */
	return pin_rest(c, group, iova, 1, 0, page, 0, m);
}

/*
 * The same where the stretch is full and the page most likely not pinned: charged
 * and recorded at once under the owner's mmap_lock, which t1_map_want_extra()
 * takes as well. Its address space may be about to go: a charge goes with it.
 */
static noinline __noclone int
pin_one_full(struct t1_container *c, struct iommu_group *group, unsigned long iova,
	     struct t1_map *m, u64 *word, struct page **page)
{
	struct t1_owner *owner;
	struct mm_struct *mm;
	atomic_long_t *tally;

	if (unlikely(!t1_map_enter_found(c, m))) {
		t1_search_end();
		return pin_one_late(c, iova, page);
	}
	tally = t1_word_hold(word);
	t1_search_end();
	if (unlikely(!tally))
		goto rest;
	if (unlikely(READ_ONCE(m->extra)))
		goto unhold;
	if (unlikely(!pin_page_of(m, iova, page)))
		goto unhold;
	owner = m->owner;
	mm = owner->mm;
	if (unlikely(mmap_write_lock_killable(mm)))
		goto unpin;
	if (unlikely(m->extra || !t1_owner_has_room(owner) ||
		     !t1_word_put(word, tally, *page))) {
		mmap_write_unlock(mm);
		goto unpin;
	}
	mm->locked_vm++;
	mmap_write_unlock(mm);
	if (unlikely(atomic_read(&c->barred)))
		t1_group_pinned(c, group, 1);
	t1_map_leave(c, m);
	trace_pin_pages(c->id, iova & PAGE_MASK, 1, 1, 0);
	return 1;
unpin:
	t1_unpin(page, 1, false);
unhold:
	t1_record_unhold(&m->local, map_page(m, iova) + m->align, tally);
rest:
	return pin_rest(c, group, iova, 1, 0, page, 0, m);
}

/*
 * Of what is pinned, the counts are raised. That needs no lock: as somebody
 * holds the pages, they are dirty already, and an unmap that has begun finds them
 * pinned, and has them unpinned.
 */
static __always_inline bool pin_can_raise(struct t1_map *m, int prot)
{
	/* One byte, of which any value that it had will do. */
	return m && !(data_race(m->bars) & (u8)prot);
}

static __always_inline int
pin_page(struct t1_container *c, struct iommu_group *group, unsigned long iova,
	 int prot, struct page **page, bool barred)
{
	unsigned long index;
	struct t1_map *m;
	u64 *word;
	void *s;

	t1_search_begin();
	m = t1_map_search(c, iova);
	if (unlikely(!pin_can_raise(m, prot))) {
		t1_search_end();
		return pin_all(c, group, iova, 1, prot, page);
	}
	index = map_page(m, iova) + m->align;
	s = t1_record_stretch(&m->local, index);
	if (unlikely(xa_pointer_tag(s) != T1_STRETCH_FULL))
		return pin_one(c, group, iova, m, s, page);
	word = t1_stretch_word(s, index);
	if (unlikely(!t1_word_raise(word, page)))
		return pin_one_full(c, group, iova, m, word, page);
	t1_search_end();
	if (unlikely(barred || trace_pin_pages_enabled()))
		return pin_raised(c, group, iova, 1);
	return 1;
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
	if (likely(pin_can_raise(m, prot)))
		done = t1_record_raise_fast(&m->local, map_page(m, iova) + m->align,
					    min(npages, ((m->last - iova) >> PAGE_SHIFT) + 1),
					    pages);
	t1_search_end();
	if (unlikely(done < npages))
		return pin_rest(c, group, iova, npages, prot, pages, done, NULL);
	if (unlikely(atomic_read(&c->nunscoped) || trace_pin_pages_enabled()))
		return pin_raised(c, group, iova, npages);
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
	if (unlikely(npages != 1))
		return pin_several(c, group, iova, npages, prot, pages);
	if (unlikely(atomic_read(&c->barred)))
		return pin_barred(c, group, iova, npages, prot, pages);
	return pin_page(c, group, iova, prot, pages, false);
}

/*
 * Drop pins in a mapping, and count in @batch what is not charged for any more; how
 * many were looked at, as t1_record_drop().
 */
static unsigned long unpin_some(struct t1_map *m, unsigned long index,
				unsigned long n, struct t1_batch *batch)
{
	unsigned long backed = t1_map_backed(m, index, n), done = 0;
	unsigned long counted = batch->counted;

	if (unlikely(backed)) {
		done = t1_record_drop(&m->local, index, backed, batch);
		batch->counted = counted;
		if (done < backed)
			return done;
	}
	return done + t1_record_drop(&m->local, index + done, n - done, batch);
}

/* Unpin in one mapping, whose lock is held, and is released. */
static void unpin_in_map(struct t1_container *c, struct t1_map *m,
			 unsigned long iova, unsigned long n)
{
	unsigned long index = map_page(m, iova) + m->align, done;
	struct t1_batch batch;

	batch.npages = 0;
	batch.nrun = 0;
	batch.counted = 0;
	batch.all = false;
	done = unpin_some(m, index, n, &batch);
	if (!batch.npages && !batch.nrun) {
		t1_map_unlock(m);
		return;
	}
	/* The lock is held, so it is sure to be seen. */
	atomic_inc(&m->inflight);
	for (;;) {
		t1_map_unlock(m);
		t1_batch_release(&batch, m->prot & IOMMU_WRITE);
		if (done == n && !batch.npages)
			break;
		t1_map_lock(m);
		done += unpin_some(m, index + done, n - done, &batch);
	}
	t1_owner_uncharge(m->owner, batch.counted);
	t1_map_leave(c, m);
}

/* Unpin a page in a mapping whose lock is held, and is released. */
static void unpin_one(struct t1_container *c, struct t1_map *m, unsigned long iova)
{
	unsigned long index = map_page(m, iova) + m->align;
	u64 word = t1_record_drop_one(&m->local, index);
	bool charged;

	if (!word) {
		t1_map_unlock(m);
		return;
	}
	/* The lock is held, so it is sure to be seen. */
	atomic_inc(&m->inflight);
	charged = t1_word_is_counted(word) && !t1_map_backed(m, index, 1);
	t1_map_unlock(m);
	t1_word_release(word, m->prot & IOMMU_WRITE);
	if (charged)
		t1_owner_uncharge_page(m->owner);
	t1_map_leave(c, m);
}

/**
 * t1_unpin_pages - undo a pin of each
 * @c: the container
 * @iova: of the first; what it has below a page is ignored
 * @npages: how many; those that are not pinned are passed over
 *
 * Context: process context of any task. Sleeps. Needs no memory.
 */
void t1_unpin_pages(struct t1_container *c, unsigned long iova,
		    unsigned long npages)
{
	unsigned long done = 0, n;
	struct t1_map *m;

	iova &= PAGE_MASK;
	trace_unpin_pages(c->id, iova, npages);
	if (likely(npages == 1)) {
		m = t1_map_get(c, iova, true);
		if (m)
			unpin_one(c, m, iova);
		return;
	}
	/* What would be past the end of the address space is not pinned. */
	npages = min(npages, (ULONG_MAX - iova) / PAGE_SIZE + 1);
	for (; done < npages; done += n) {
		n = 1;
		m = t1_map_get(c, iova + (done << PAGE_SHIFT), true);
		if (!m)
			continue;
		n = min(npages - done,
			t1_map_npages(m) - map_page(m, iova + (done << PAGE_SHIFT)));
		unpin_in_map(c, m, iova + (done << PAGE_SHIFT), n);
	}
}
