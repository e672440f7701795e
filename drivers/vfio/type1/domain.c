// SPDX-License-Identifier: GPL-2.0-only
/*
 * IOMMU domains, and the pages that they map
 *
 * Where a container has a domain, all pages of all mappings are pinned and
 * mapped, in all domains: they back the mapping. To map them into further domains,
 * and to release them, they are known from one of two:
 *
 *	recorded	A stretch has an entry in the record of the backing.
 *	asked for	It has none: a domain that maps it says where each page is.
 *
 * A stretch is asked for if it was got at once, is all plain memory, and lies
 * scattered: then a record would take as much as the IOMMU's page tables. Where pages
 * are consecutive a record takes next to nothing, and saves asking for each.
 *
 * Pages are pinned a stretch at a time and mapped in extents that are as long
 * as they are consecutive, up to 1 GiB, so that the IOMMU can use its largest
 * pages. No extent goes on from a stretch that is recorded into one that is asked for,
 * or beyond that, so such a one can be unmapped by itself. Several extents are given
 * to the IOMMU's driver at once, which flushes caches once for all.
 *
 * A page that backs a mapping is charged for once, whether mediated devices have
 * pinned it or not. So as each stretch is pinned and recorded, the charge for what
 * they have pinned there passes to the backing, with what was lacking: the mapping is
 * live up to its end. When the last domain goes it passes back, a stretch at a time.
 * Both are done under the lock of what is pinned there and the mapping's, so that those
 * who pin and unpin meanwhile charge for what is not live, and for nothing else.
 */
#include <linux/iommu.h>
#include <linux/log2.h>
#include <linux/scatterlist.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include <vfio-compat/iommu.h>

#include "type1.h"
#include "trace.h"

/* So long an extent gets: the largest page of most IOMMUs. */
#define EXTENT_PAGES	BIT(30 - PAGE_SHIFT)

/* So much is unmapped at once, so that others get their turns, unless it is one page. */
#define UNMAP_PAGES	BIT(24 - PAGE_SHIFT)

/* A mapping of no more takes no page for the addresses of its pages. */
#define FEW_PAGES	32

/* So many extents are mapped by one call of the IOMMU's driver. */
#define FILL_EXTENTS	16

/* So many runs of pages that are asked for are unmapped at once. */
#define ASKED_RUNS	64

/**
 * struct fill - the pages of a mapping on their way into IOMMU domains
 * @c: the container
 * @m: the mapping, which all domains are to map
 * @again: all but the first of them do already
 * @most: so long an extent gets, and at its multiples it ends
 * @first: its first page that is not mapped; what comes before is, also if
 *	something has failed
 * @npages: pages that are collected
 * @pfn: that would continue them
 * @bare: they are no memory, which may have no struct page: one extent
 * @n: else extents of them
 * @extents: these; the last may grow
 */
struct fill {
	struct t1_container *c;
	struct t1_map *m;
	bool again;
	unsigned long most;
	unsigned long first;
	unsigned long npages;
	unsigned long pfn;
	bool bare;
	unsigned int n;
	struct scatterlist extents[FILL_EXTENTS];
};

static unsigned long page_iova(struct t1_map *m, unsigned long page)
{
	return m->iova + (page << PAGE_SHIFT);
}

/* How many pages from one on lie before a multiple of @most, in IOVAs. */
static unsigned long extent_room(struct t1_map *m, unsigned long page,
				 unsigned long most)
{
	return most - ((page_iova(m, page) >> PAGE_SHIFT) & (most - 1));
}

/* How many pages from one on lie in the same stretch of a record. */
static unsigned long stretch_room(struct t1_map *m, unsigned long page)
{
	return t1_in_stretch(page + m->align, t1_map_npages(m) - page);
}

/* Is the stretch of a page that is mapped asked for? */
static bool is_asked(struct t1_map *m, unsigned long page)
{
	return !t1_record_stretch(&t1_map_backing(m)->record, page + m->align);
}

/* Where a page is that is asked for, or 0: the IOMMU's driver has lost it. */
static unsigned long asked_pfn(struct t1_domain *d, struct t1_map *m, unsigned long page)
{
	return iommu_iova_to_phys(d->domain, page_iova(m, page)) >> PAGE_SHIFT;
}

/* Where a page is that is recorded, or 0. */
static unsigned long page_pfn(struct t1_map *m, unsigned long page)
{
	unsigned long index = page + m->align, pfn = 0, n;
	bool bare;

	t1_record_extent(&t1_map_backing(m)->record, &index, index, &pfn, &n, &bare);
	return pfn;
}

/*
 * How many pages from one on are unmapped at once. A page of an IOMMU is unmapped whole:
 * it can go on where the memory does, up to the end of an extent.
 */
static unsigned long unmap_room(struct t1_domain *d, struct t1_map *m, unsigned long page)
{
	unsigned long most = extent_room(m, page, EXTENT_PAGES), n;

	for (n = extent_room(m, page, UNMAP_PAGES); n < most; n += UNMAP_PAGES) {
		if (page + n >= t1_map_npages(m) ||
		    __fls(d->domain->pgsize_bitmap) <= PAGE_SHIFT + ilog2(UNMAP_PAGES) ||
		    page_pfn(m, page + n) != page_pfn(m, page + n - 1) + 1)
			return n;
	}
	return most;
}

/* Unmap the first of @n pages that are asked for, and release them; how many. */
static unsigned long asked_release(struct t1_domain *d, struct t1_map *m,
				   unsigned long page, unsigned long n)
{
	struct {
		unsigned long pfn;
		unsigned long n;
	} runs[ASKED_RUNS];
	unsigned long done, pfn;
	unsigned int nruns = 0, i;

	/* A run is unmapped whole, as the IOMMU's pages are. */
	for (done = 0; done < n; done++) {
		pfn = asked_pfn(d, m, page + done);
		if (!pfn)
			return 0;
		if (nruns && pfn == runs[nruns - 1].pfn + runs[nruns - 1].n) {
			runs[nruns - 1].n++;
			continue;
		}
		if (nruns == ASKED_RUNS)
			break;
		runs[nruns].pfn = pfn;
		runs[nruns++].n = 1;
	}
	if (iommu_unmap(d->domain, page_iova(m, page), done << PAGE_SHIFT) !=
	    done << PAGE_SHIFT)
		return 0;
	for (i = 0; i < nruns; i++)
		unpin_user_page_range_dirty_lock(pfn_to_page(runs[i].pfn), runs[i].n,
						 m->prot & IOMMU_WRITE);
	return done;
}

/* Unmap the first of @n pages, up to a stretch that is asked for; how many. */
static unsigned long unmap_some(struct t1_domain *d, struct t1_map *m,
				unsigned long page, unsigned long n)
{
	unsigned long most = min(n, unmap_room(d, m, page));

	for (n = stretch_room(m, page); n < most; n += stretch_room(m, page + n))
		if (is_asked(m, page + n))
			break;
	n = min(n, most) << PAGE_SHIFT;
	return iommu_unmap(d->domain, page_iova(m, page), n) == n ? n >> PAGE_SHIFT : 0;
}

/*
 * Unmap the first pages of a mapping; success? If no other domain maps them this one is
 * @asked, and those that are asked for are released.
 */
static bool domain_unmap(struct t1_domain *d, struct t1_map *m, unsigned long npages,
			 bool asked)
{
	unsigned long page, n;

	for (page = 0; page < npages; page += n) {
		n = npages - page;
		if (asked && is_asked(m, page))
			n = asked_release(d, m, page, min(n, stretch_room(m, page)));
		else
			n = unmap_some(d, m, page, n);
		if (!n)
			return false;
		cond_resched();
	}
	return true;
}

static void fill_begin(struct fill *f, struct t1_container *c, struct t1_map *m,
		       bool again)
{
	struct t1_domain *first = list_first_entry(&c->domains, struct t1_domain, list);

	f->c = c;
	f->m = m;
	f->again = again;
	f->first = 0;
	f->npages = 0;
	f->pfn = 0;
	f->bare = false;
	f->n = 0;
	f->most = EXTENT_PAGES;
	/* The first may be new: what the container can map does not say what it can. */
	if (t1_disable_hugepages)
		f->most = max(t1_pgsize(c), t1_domain_pgsize(first)) >> PAGE_SHIFT;
	sg_init_table(f->extents, FILL_EXTENTS);
}

/* Map what is collected into a domain. */
static int fill_domain(struct fill *f, struct t1_domain *d)
{
	unsigned long iova = page_iova(f->m, f->first);
	int prot = f->m->prot | IOMMU_CACHE;

	if (!f->bare)
		return vfio_compat_iommu_map_sg(d->domain, iova, f->extents, f->n, prot);
	return vfio_compat_iommu_map(d->domain, iova,
				     (phys_addr_t)(f->pfn - f->npages) << PAGE_SHIFT,
				     f->npages << PAGE_SHIFT, prot);
}

/* Map it into all domains that do not map it. */
static int fill_flush(struct fill *f)
{
	struct list_head *domains = &f->c->domains;
	struct t1_domain *d;
	int ret;

	if (!f->npages)
		return 0;
	list_for_each_entry(d, domains, list) {
		ret = fill_domain(f, d);
		if (ret)
			goto undo;
		if (f->again)
			break;
	}
	f->first += f->npages;
	f->npages = 0;
	f->n = 0;
	return 0;
undo:
	list_for_each_entry_continue_reverse(d, domains, list)
		iommu_unmap(d->domain, page_iova(f->m, f->first), f->npages << PAGE_SHIFT);
	return ret;
}

/*
 * Add @n consecutive pages, the next of the mapping. What ends at the boundary of
 * an extent is not mapped in one call with what would continue it: the core would
 * join them, and some IOMMUs have larger pages than can be unmapped in parts.
 */
static __always_inline int fill_add(struct fill *f, unsigned long page,
				    unsigned long pfn, unsigned long n, bool bare)
{
	bool next = f->npages && pfn == f->pfn && bare == f->bare;
	int ret;

	if (next && extent_room(f->m, page, f->most) < f->most) {
		if (!bare)
			f->extents[f->n - 1].length += n << PAGE_SHIFT;
	} else {
		if (next || bare || f->bare || f->n == FILL_EXTENTS) {
			ret = fill_flush(f);
			if (ret)
				return ret;
		}
		f->bare = bare;
		if (!bare)
			sg_set_page(f->extents + f->n++, pfn_to_page(pfn),
				    n << PAGE_SHIFT, 0);
	}
	f->pfn = pfn + n;
	f->npages += n;
	return 0;
}

/* Add pages from one on and before @end, all of which are recorded. */
static int fill_recorded(struct fill *f, unsigned long page, unsigned long end)
{
	unsigned long last = end - 1 + f->m->align, index = page + f->m->align, pfn, n;
	struct t1_record *record = &t1_map_backing(f->m)->record;
	int ret = 0;
	bool bare;

	while (!ret && page < end &&
	       t1_record_extent(record, &index, last, &pfn, &n, &bare)) {
		n = min(n, extent_room(f->m, page, f->most));
		ret = fill_add(f, page, pfn, n, bare);
		page += n;
		index += n;
	}
	return ret;
}

/*
 * Map pages of a stretch that is asked for: @pages, of which those that are not mapped
 * are given back if something fails; or NULL, and a domain maps them already.
 */
static int fill_asked(struct fill *f, unsigned long page, unsigned long n,
		      struct page **pages)
{
	struct t1_domain *d = list_last_entry(&f->c->domains, struct t1_domain, list);
	unsigned long i, pfn;
	int ret = fill_flush(f);

	for (i = 0; i < n && !ret; i++) {
		pfn = pages ? page_to_pfn(pages[i]) : asked_pfn(d, f->m, page + i);
		ret = pfn ? fill_add(f, page + i, pfn, 1, false) : -EFAULT;
	}
	ret = ret ?: fill_flush(f);
	if (ret && pages) {
		i = f->first > page ? f->first - page : 0;
		t1_unpin(pages + i, n - i, f->m->prot & IOMMU_WRITE);
	}
	return ret;
}

/* Record what was pinned, or give it back; how much of it counts as locked memory. */
static int back_record(struct t1_map *m, unsigned long page, unsigned long n,
		       struct t1_source *src, unsigned long *counted)
{
	struct t1_record *record = &t1_map_backing(m)->record;
	struct t1_stretch *s = t1_record_make(record, page + m->align);
	unsigned int slot = t1_slot(page + m->align);
	struct t1_spare spare = { };
	long ret = s ? 0 : -ENOMEM;

	*counted = 0;
	t1_map_spare(m, page + m->align, &spare);
	while (n && ret >= 0) {
		t1_stretch_lock(s);
		ret = t1_stretch_add(s, slot, n, src, &spare, counted);
		t1_stretch_unlock(s);
		if (ret == -EAGAIN) {
			ret = t1_spare_fill(&spare);
		} else {
			t1_source_skip(src, ret);
			slot += ret;
			n -= ret;
		}
	}
	t1_spare_end(&spare);
	if (n && src->pages)
		t1_unpin(src->pages, n, false);
	return ret < 0 ? ret : 0;
}

/*
 * Lock what mediated devices have pinned in a stretch, if there is one, and the mapping:
 * so those who pin and unpin there see live before it changes, or after. One is made
 * under the mapping's lock.
 */
static struct t1_stretch *lock_both(struct t1_map *m, unsigned long index)
{
	struct t1_stretch *s;

	for (;;) {
		rcu_read_lock();
		s = t1_record_stretch(&m->local, index);
		rcu_read_unlock();
		if (s)
			t1_stretch_lock(s);
		t1_map_lock(m);
		if (s || !t1_record_stretch(&m->local, index))
			return s;
		t1_map_unlock(m);
	}
}

static void unlock_both(struct t1_map *m, struct t1_stretch *s)
{
	t1_map_unlock(m);
	if (s)
		t1_stretch_unlock(s);
}

/*
 * A mapping is live up to one page; have it be up to @n pages further, no more than a
 * stretch. Charge for those that back it, but for those that are charged.
 */
static int back_charge(struct t1_container *c, struct t1_map *m,
		       unsigned long page, unsigned long n, unsigned long counted)
{
	struct t1_backing *b = t1_map_backing(m);
	unsigned long already, charged = 0;
	struct t1_stretch *s;
	int ret;

	for (;;) {
		s = lock_both(m, page + m->align);
		already = charged;
		if (s)
			already += t1_stretch_counted(s, t1_slot(page + m->align), n);
		if (already >= counted)
			break;
		unlock_both(m, s);
		ret = t1_owner_charge(m->owner, counted - already, false);
		if (ret) {
			trace_limit_exceeded(c->id, page_iova(m, page), counted - already);
			t1_owner_uncharge(m->owner, charged);
			return ret;
		}
		charged += counted - already;
	}
	b->charged += counted;
	b->live = page + m->align + n;
	unlock_both(m, s);
	/* Others have pinned meanwhile, or memory where I/O memory backs the mapping. */
	t1_owner_uncharge(m->owner, already - counted);
	return 0;
}

/*
 * Have the owner of a mapping be charged for what mediated devices have pinned alone,
 * from the end on. What is left of the charge for its backing is to be given back.
 */
static void go_local(struct t1_map *m)
{
	struct t1_backing *b = t1_map_backing(m);
	unsigned long from, counted, lacking;
	struct t1_stretch *s;

	while (b->live > m->align) {
		s = lock_both(m, b->live - 1);
		from = m->align;
		if (!t1_record_is_new(&m->local))
			from = max(from, round_down(b->live - 1, STRETCH_PAGES));
		counted = s ? t1_stretch_counted(s, t1_slot(from), b->live - from) : 0;
		lacking = max(counted, b->charged) - b->charged;
		if (likely(!lacking)) {
			b->charged -= counted;
			b->live = from;
		}
		unlock_both(m, s);
		/* A page replaced I/O memory after that was mapped: it is pinned. */
		if (unlikely(lacking)) {
			t1_owner_charge(m->owner, lacking, true);
			t1_map_lock(m);
			b->charged += lacking;
			t1_map_unlock(m);
		}
		cond_resched();
	}
}

/* Unmap the first @npages of a mapping, which are all that is mapped; release all of it. */
static void unback(struct t1_container *c, struct t1_map *m, unsigned long npages)
{
	struct t1_backing *b = t1_map_backing(m);
	bool unmapped = true;
	struct t1_domain *d;

	lockdep_assert_held(&c->domains_lock);
	/* The last is asked, if all others have unmapped it. */
	list_for_each_entry(d, &c->domains, list)
		unmapped &= domain_unmap(d, m, npages, unmapped &&
					 list_is_last(&d->list, &c->domains));
	go_local(m);
	t1_map_lock(m);
	m->extra->backed = false;
	t1_map_unlock(m);
	/* Rather lose the memory than have a device write to what is another's. */
	if (unmapped)
		t1_record_release(&b->record, m->prot & IOMMU_WRITE);
	else
		WARN_ONCE(1, "vfio_iommu_type1: the IOMMU driver has not unmapped IOVA %#lx to %#lx, its pages are lost\n",
			  m->iova, m->last);
	t1_record_free(&b->record);
	t1_owner_uncharge(m->owner, b->charged);
	t1_map_drop_extra(m);
}

/**
 * t1_unback_map - undo t1_back_map()
 * @c: the container
 * @m: the mapping
 *
 * Its pages are released. Its owner is charged then for what mediated devices have
 * pinned.
 *
 * Context: process context, domains_lock is held. Sleeps. Needs no memory.
 */
void t1_unback_map(struct t1_container *c, struct t1_map *m)
{
	unback(c, m, t1_map_npages(m));
}

/* Pin all pages of a mapping, and map them. */
static int back_fill(struct fill *f, struct page **pages, struct t1_gup *gup)
{
	struct t1_map *m = f->m;
	unsigned long page, n, counted;
	struct t1_source src;
	bool asked;
	long got;
	int ret;

	for (page = 0; page < t1_map_npages(m); page += got) {
		if (fatal_signal_pending(current))
			return -EINTR;
		n = stretch_room(m, page);
		got = t1_gup_pages(gup, m->vaddr + (page << PAGE_SHIFT), n, pages, &src);
		if (got < 0)
			return got;
		asked = got == n && src.run < n && src.pages && !src.nreserved &&
			is_asked(m, page);
		counted = got;
		ret = asked ? 0 : back_record(m, page, got, &src, &counted);
		if (ret)
			return ret;
		ret = back_charge(f->c, m, page, got, counted);
		if (ret && asked)
			t1_unpin(pages, got, false);
		if (!ret)
			ret = asked ? fill_asked(f, page, got, pages) :
				      fill_recorded(f, page, page + got);
		if (ret)
			return ret;
		cond_resched();
	}
	return fill_flush(f);
}

/**
 * t1_back_map - have all domains map a mapping
 * @c: the container, which has one at least
 * @m: the mapping, which none maps, and which nobody else backs meanwhile
 *
 * Context: process context, domains_lock is held. Sleeps.
 * Return: 0, or an errno and nothing is left: -ENOMEM: out of memory, or of memory that
 * may be locked; -EFAULT: the memory cannot be pinned; -ESRCH: its owner is gone;
 * -EINTR: the task was killed; what the IOMMU driver says.
 */
int t1_back_map(struct t1_container *c, struct t1_map *m)
{
	struct page *few[FEW_PAGES], **pages = few;
	struct t1_backing *b;
	struct t1_gup gup;
	struct fill f;
	int ret;

	BUILD_BUG_ON(STRETCH_PAGES * sizeof(*pages) > PAGE_SIZE);
	lockdep_assert_held(&c->domains_lock);
	if (t1_map_npages(m) > FEW_PAGES)
		pages = (struct page **)__get_free_page(GFP_KERNEL);
	ret = pages ? t1_map_want_extra(m) : -ENOMEM;
	if (ret)
		goto free;
	b = &m->extra->backing;
	t1_record_init(&b->record);
	b->live = m->align;
	b->charged = 0;
	t1_map_lock(m);
	m->extra->backed = true;
	t1_map_unlock(m);
	fill_begin(&f, c, m, false);
	ret = -ESRCH;
	if (!t1_gup_begin(&gup, m->owner->mm, m->prot & IOMMU_WRITE)) {
		ret = back_fill(&f, pages, &gup);
		t1_gup_end(&gup);
	}
	if (ret)
		unback(c, m, f.first);
free:
	if (pages != few)
		free_page((unsigned long)pages);
	return ret;
}

/* Have the first domain map a mapping, too, as all others do. */
static int back_again(struct t1_container *c, struct t1_map *m)
{
	unsigned long page, n;
	struct fill f;
	int ret = 0;

	fill_begin(&f, c, m, true);
	for (page = 0; page < t1_map_npages(m) && !ret; page += n) {
		n = stretch_room(m, page);
		if (fatal_signal_pending(current))
			ret = -EINTR;
		else if (is_asked(m, page))
			ret = fill_asked(&f, page, n, NULL);
		else
			ret = fill_recorded(&f, page, page + n);
		cond_resched();
	}
	ret = ret ?: fill_flush(&f);
	if (ret)
		domain_unmap(list_first_entry(&c->domains, struct t1_domain, list),
			     m, f.first, false);
	return ret;
}

/*
 * The first mapping. domains_lock is held for writing, so none comes or goes, and its
 * next are found without maps_lock.
 */
static struct t1_map *first_map(struct t1_container *c)
{
	struct t1_map *m;

	lockdep_assert_held_write(&c->domains_lock);
	mutex_lock(&c->maps_lock);
	m = t1_map_first(c, 0);
	mutex_unlock(&c->maps_lock);
	return m;
}

/* Have a domain leave, and map the mappings before @end no more. */
static void domain_leave(struct t1_container *c, struct t1_domain *d, struct t1_map *end)
{
	bool last = list_is_singular(&c->domains);
	struct t1_map *m;

	for (m = first_map(c); m != end; m = t1_map_next(m)) {
		if (last)
			t1_unback_map(c, m);
		else
			domain_unmap(d, m, t1_map_npages(m), false);
		cond_resched();
	}
	list_del(&d->list);
}

/**
 * t1_domain_join - a domain joins the container's, and maps what is mapped
 * @c: the container
 * @d: the domain
 *
 * Context: process context, domains_lock is held for writing. Sleeps.
 * Return: 0, or as t1_back_map() and everything is as before.
 */
int t1_domain_join(struct t1_container *c, struct t1_domain *d)
{
	bool first = list_empty(&c->domains);
	struct t1_map *m;
	int ret;

	list_add(&d->list, &c->domains);
	for (m = first_map(c); m; m = t1_map_next(m)) {
		ret = first ? t1_back_map(c, m) : back_again(c, m);
		if (ret) {
			domain_leave(c, d, m);
			return ret;
		}
	}
	return 0;
}

/**
 * t1_domain_leave - a domain leaves the container's
 * @c: the container
 * @d: the domain, which is to be freed; if it is the last, no mapping is backed any more
 *
 * Context: process context, domains_lock is held for writing. Sleeps. Needs no
 * memory.
 */
void t1_domain_leave(struct t1_container *c, struct t1_domain *d)
{
	/* One of several is freed with all that it maps. */
	domain_leave(c, d, list_is_singular(&c->domains) ? NULL : first_map(c));
}

static int group_domain(struct device *dev, void *data)
{
	struct iommu_domain **domain = data;

	*domain = vfio_compat_iommu_domain(dev);
	return 1;
}

/**
 * t1_domain_new - a domain for a group, which is attached to it
 * @c: the container
 * @group: the group
 *
 * Context: process context. Sleeps.
 * Return: the domain or an ERR_PTR: what the IOMMU driver says, -ENODEV: the
 * group has no device, -ENOMEM.
 */
struct t1_domain *t1_domain_new(struct t1_container *c, struct iommu_group *group)
{
	struct iommu_domain *domain = ERR_PTR(-ENODEV);
	struct t1_domain *d;
	int ret;

	d = kzalloc(sizeof(*d), GFP_KERNEL_ACCOUNT);
	if (!d)
		return ERR_PTR(-ENOMEM);
	iommu_group_for_each_dev(group, &domain, group_domain);
	if (IS_ERR(domain)) {
		kfree(d);
		return ERR_CAST(domain);
	}
	d->domain = domain;
	ret = c->nesting ? vfio_compat_iommu_nest(domain) : 0;
	if (!ret)
		ret = iommu_attach_group(domain, group);
	if (ret) {
		t1_domain_free(d);
		return ERR_PTR(ret);
	}
	/* KVM does without emulating wbinvd where no device can bypass caches. */
	if (domain->ops->enforce_cache_coherency)
		d->coherent = domain->ops->enforce_cache_coherency(domain);
	return d;
}

/**
 * t1_domain_pgsizes - the sizes of pages that a domain can map
 * @d: the domain
 *
 * Context: any in which @d stays.
 * Return: a bit for each, none below our own: it can map these by several smaller.
 */
unsigned long t1_domain_pgsizes(const struct t1_domain *d)
{
	unsigned long sizes = d->domain->pgsize_bitmap;

	return (sizes & PAGE_MASK) | (sizes & ~PAGE_MASK ? PAGE_SIZE : 0);
}

/**
 * t1_domain_free - the end of a domain
 * @d: it, with no group attached; it has left the container's
 *
 * Context: process context. Sleeps.
 */
void t1_domain_free(struct t1_domain *d)
{
	iommu_domain_free(d->domain);
	kfree(d);
}
