// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is pinned where, and how often
 *
 * A record maps indices, which are page numbers of a mapping, to pages and
 * counts. It is an array of stretches of 512 indices. A stretch exists while
 * something in it is pinned, and has one of three forms:
 *
 *	few	some pages, sorted by their slot in the stretch: 10 bytes each
 *	run	physically consecutive pages, each pinned once, as a bitmap:
 *		96 bytes for all
 *	full	a word for each slot, pinned or not: 4 KiB
 *
 * A word has a page's number, its count, and what is special about it; 0 is
 * not pinned. A run that is pinned a second time becomes one of the others. A
 * form changes only when pages are added or raised, so dropping needs no
 * memory; it frees a stretch with its last page.
 *
 * The lock of the array guards all of this, and is a spinlock: memory to grow
 * into is a struct t1_spare. A function that finds it lacking says what it
 * wants in it and returns -EAGAIN; the caller unlocks, has it filled, and
 * calls again. What is dropped is collected in a struct t1_batch and released
 * unlocked, as that may sleep.
 */
#include <linux/bitmap.h>
#include <linux/slab.h>

#include "pages.h"

enum { FEW, RUN, FULL };

struct t1_stretch {
	u16 form;
	u16 npinned;		/* slots that are */
	u16 room;		/* few: slots that there is memory for */
	u16 special;		/* run: of all its pages */
};

struct t1_few {
	struct t1_stretch head;
	u64 word[];		/* followed by the u16 slot of each */
};

struct t1_run {
	struct t1_stretch head;
	unsigned long pfn;	/* that slot 0 has or would have */
	DECLARE_BITMAP(pinned, STRETCH_PAGES);
};

struct t1_full {
	struct t1_stretch head;
	u64 *word;
};

#define WORD_COUNT	GENMASK_ULL(21, 0)
#define WORD_PFN	GENMASK_ULL(61, 22)
#define WORD_PFN_SHIFT	22
#define WORD_SPECIAL_SHIFT 62

#define SLOT(index)	((index) & (STRETCH_PAGES - 1))

/* More than so many are better off in a full one; so few need no run. */
#define FEW_BYTES(room)	(sizeof(struct t1_few) + (room) * (sizeof(u64) + sizeof(u16)))
#define FEW_ROOM(bytes)	(((bytes) - sizeof(struct t1_few)) / (sizeof(u64) + sizeof(u16)))
#define FEW_MOST	FEW_ROOM(1024)
#define RUN_LEAST	6

static struct t1_few *to_few(struct t1_stretch *s)
{
	return container_of(s, struct t1_few, head);
}

static struct t1_run *to_run(struct t1_stretch *s)
{
	return container_of(s, struct t1_run, head);
}

static struct t1_full *to_full(struct t1_stretch *s)
{
	return container_of(s, struct t1_full, head);
}

static u64 word_make(unsigned long pfn, unsigned int special)
{
	return (u64)special << WORD_SPECIAL_SHIFT | (u64)pfn << WORD_PFN_SHIFT | 1;
}

static unsigned long word_pfn(u64 word)
{
	return (word & WORD_PFN) >> WORD_PFN_SHIFT;
}

static unsigned int word_special(u64 word)
{
	return word >> WORD_SPECIAL_SHIFT;
}

static unsigned int page_special(struct page *page)
{
	if (likely(!PageReserved(page)))
		return 0;
	return t1_page_is_bare(page) ? T1_PAGE_RESERVED | T1_PAGE_BARE : T1_PAGE_RESERVED;
}

/*
 * What is to be added: pages, or I/O memory from a page on.
 */
struct source {
	struct page **pages;
	unsigned long pfn;
};

static u64 source_word(const struct source *src, unsigned long i)
{
	if (src->pages)
		return word_make(page_to_pfn(src->pages[i]), page_special(src->pages[i]));
	return word_make(src->pfn + i, T1_PAGE_RESERVED | T1_PAGE_BARE);
}

/* How many of them are consecutive, and alike. */
static unsigned long source_run(const struct source *src, unsigned long n)
{
	struct page **pages = src->pages;
	unsigned int special;
	unsigned long i;

	if (!pages)
		return n;
	special = page_special(pages[0]);
	for (i = 1; i < n; i++)
		if (page_to_pfn(pages[i]) != page_to_pfn(pages[i - 1]) + 1 ||
		    page_special(pages[i]) != special)
			break;
	return i;
}

/*
 * Few: sorted slots.
 */

static u16 *few_slots(struct t1_few *few)
{
	return (u16 *)(few->word + few->head.room);
}

/* The first that is not below a slot. */
static unsigned int few_find(struct t1_few *few, unsigned int slot)
{
	u16 *slots = few_slots(few);
	unsigned int low = 0, high = few->head.npinned;

	/* Most come in order. */
	if (high && slots[high - 1] < slot)
		return high;
	while (low < high) {
		unsigned int mid = (low + high) / 2;

		if (slots[mid] < slot)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static void few_insert(struct t1_few *few, unsigned int at, unsigned int slot,
		       u64 word)
{
	u16 *slots = few_slots(few);
	unsigned int behind = few->head.npinned - at;

	memmove(few->word + at + 1, few->word + at, behind * sizeof(u64));
	memmove(slots + at + 1, slots + at, behind * sizeof(u16));
	few->word[at] = word;
	slots[at] = slot;
	few->head.npinned++;
}

static void few_delete(struct t1_few *few, unsigned int at)
{
	u16 *slots = few_slots(few);
	unsigned int behind = --few->head.npinned - at;

	memmove(few->word + at, few->word + at + 1, behind * sizeof(u64));
	memmove(slots + at, slots + at + 1, behind * sizeof(u16));
}

/*
 * All forms.
 */

/* The next slot that is pinned at or behind a slot, or STRETCH_PAGES; its word. */
static unsigned int stretch_next(struct t1_stretch *s, unsigned int slot, u64 *word)
{
	unsigned int at;

	switch (s->form) {
	case FEW:
		at = few_find(to_few(s), slot);
		if (at == s->npinned)
			return STRETCH_PAGES;
		*word = to_few(s)->word[at];
		return few_slots(to_few(s))[at];
	case RUN:
		slot = find_next_bit(to_run(s)->pinned, STRETCH_PAGES, slot);
		*word = word_make(to_run(s)->pfn + slot, s->special);
		return slot;
	default:
		while (slot < STRETCH_PAGES && !to_full(s)->word[slot])
			slot++;
		if (slot < STRETCH_PAGES)
			*word = to_full(s)->word[slot];
		return slot;
	}
}

/* Put a word where none is; there is room for it. */
static void stretch_put(struct t1_stretch *s, unsigned int slot, u64 word)
{
	switch (s->form) {
	case FEW:
		few_insert(to_few(s), few_find(to_few(s), slot), slot, word);
		return;
	case RUN:
		__set_bit(slot, to_run(s)->pinned);
		break;
	default:
		to_full(s)->word[slot] = word;
	}
	s->npinned++;
}

static void stretch_free(struct t1_stretch *s)
{
	if (s->form == FULL)
		free_page((unsigned long)to_full(s)->word);
	kfree(s);
}

/* Would all its pages and @n more be one run? */
static bool stretch_is_run(struct t1_stretch *s, unsigned int slot,
			   const struct source *src, unsigned long n)
{
	u64 first = source_word(src, 0), word;
	unsigned int at;

	if (source_run(src, n) < n)
		return false;
	if (!s)
		return true;
	for (at = 0; (at = stretch_next(s, at, &word)) < STRETCH_PAGES; at++)
		if (word != word_make(word_pfn(first) - slot + at, word_special(first)))
			return false;
	return true;
}

/* Say what is wanted, unless it is there already. */
static bool spare_lacks(struct t1_spare *spare, unsigned int form,
			unsigned int npages)
{
	if (spare->stretch && spare->form == form &&
	    (form != FEW || spare->room >= npages))
		return false;
	if (spare->stretch)
		stretch_free(spare->stretch);
	spare->stretch = NULL;
	spare->form = form;
	spare->room = npages;
	return true;
}

static struct t1_stretch *spare_take(struct t1_spare *spare)
{
	struct t1_stretch *s = spare->stretch;

	spare->stretch = NULL;
	return s;
}

/*
 * Replace a stretch, or none, by one that takes @n more pages from @slot on,
 * none of which is pinned.
 */
static int stretch_grow(struct t1_record *record, unsigned long index,
			struct t1_stretch **sp, const struct source *src,
			unsigned long n, struct t1_spare *spare)
{
	struct t1_stretch *old = *sp, *new;
	unsigned int total = (old ? old->npinned : 0) + n;
	unsigned int slot = SLOT(index), form, at;
	u64 word;

	if (total >= RUN_LEAST && (!old || old->form == FEW) &&
	    stretch_is_run(old, slot, src, n))
		form = RUN;
	else
		form = total <= FEW_MOST ? FEW : FULL;
	if (!old && (!spare->has_place || spare->place != index >> STRETCH_SHIFT)) {
		spare->wants_place = true;
		spare->place_wanted = index >> STRETCH_SHIFT;
	}
	if (spare_lacks(spare, form, total) || spare->wants_place)
		return -EAGAIN;
	new = spare->stretch;
	if (form == RUN) {
		to_run(new)->pfn = word_pfn(source_word(src, 0)) - slot;
		new->special = word_special(source_word(src, 0));
	}
	if (xa_is_err(__xa_store(&record->stretches, index >> STRETCH_SHIFT, new, 0))) {
		/* Who shared the place has given it up. */
		spare->has_place = false;
		return -EAGAIN;
	}
	spare_take(spare);
	if (old) {
		for (at = 0; (at = stretch_next(old, at, &word)) < STRETCH_PAGES; at++)
			stretch_put(new, at, word);
		stretch_free(old);
	}
	*sp = new;
	return 0;
}

/* How many slots from one on are not pinned, of @n. */
static unsigned long stretch_hole(struct t1_stretch *s, unsigned int slot,
				  unsigned long n)
{
	u64 word;

	return min_t(unsigned long, stretch_next(s, slot, &word) - slot, n);
}

static long record_add(struct t1_record *record, unsigned long index,
		       unsigned long npages, struct source src,
		       struct t1_spare *spare)
{
	unsigned int slot = SLOT(index);
	unsigned long n = min(npages, STRETCH_PAGES - slot), run, counted, i;
	struct t1_stretch *s;
	u64 word;
	int ret;

	lockdep_assert_held(&record->stretches.xa_lock);
	s = xa_load(&record->stretches, index >> STRETCH_SHIFT);
	if (s)
		n = stretch_hole(s, slot, n);
	if (!n)
		return 0;
	if (s && s->form == RUN) {
		run = source_run(&src, n);
		if (word_make(to_run(s)->pfn + slot, s->special) == source_word(&src, 0)) {
			bitmap_set(to_run(s)->pinned, slot, run);
			s->npinned += run;
			if (!s->special)
				record->counted += run;
			return run;
		}
	}
	if (!s || s->form == RUN || (s->form == FEW && s->npinned + n > s->room)) {
		ret = stretch_grow(record, index, &s, &src, n, spare);
		if (ret)
			return ret;
	}
	if (s->form == RUN) {
		bitmap_set(to_run(s)->pinned, slot, n);
		s->npinned += n;
		if (!s->special)
			record->counted += n;
		return n;
	}
	counted = record->counted;
	if (s->form == FULL) {
		for (i = 0; i < n; i++) {
			word = source_word(&src, i);
			to_full(s)->word[slot + i] = word;
			counted += !word_special(word);
		}
		s->npinned += n;
	} else {
		for (i = 0; i < n; i++) {
			word = source_word(&src, i);
			stretch_put(s, slot + i, word);
			counted += !word_special(word);
		}
	}
	record->counted = counted;
	return n;
}

/**
 * t1_record_add - record pages that are pinned nowhere in it
 * @record: where
 * @index: of the first
 * @npages: how many
 * @pages: them, one pin of each
 * @spare: memory to grow into
 *
 * Context: the record's lock is held.
 * Return: how many were, up to the end of the stretch; 0: the first is pinned
 * already; -EAGAIN: call again after t1_spare_fill().
 */
long t1_record_add(struct t1_record *record, unsigned long index,
		   unsigned long npages, struct page **pages,
		   struct t1_spare *spare)
{
	return record_add(record, index, npages, (struct source){ .pages = pages },
			  spare);
}

/**
 * t1_record_add_io - record I/O memory
 * @record: where
 * @index: of the first
 * @npages: how many
 * @pfn: the first of as many consecutive ones
 * @spare: memory to grow into
 *
 * Context: the record's lock is held.
 * Return: as t1_record_add().
 */
long t1_record_add_io(struct t1_record *record, unsigned long index,
		      unsigned long npages, unsigned long pfn,
		      struct t1_spare *spare)
{
	return record_add(record, index, npages, (struct source){ .pfn = pfn }, spare);
}

/* A run is about to be pinned again: make it one with counts. */
static int run_widen(struct t1_record *record, unsigned long index,
		     struct t1_stretch **sp, struct t1_spare *spare)
{
	struct t1_stretch *old = *sp;
	u64 word;
	unsigned int at, form = old->npinned <= FEW_MOST ? FEW : FULL;

	if (spare_lacks(spare, form, old->npinned))
		return -EAGAIN;
	*sp = spare_take(spare);
	for (at = 0; (at = stretch_next(old, at, &word)) < STRETCH_PAGES; at++)
		stretch_put(*sp, at, word);
	/* Replacing an entry needs no memory. */
	__xa_store(&record->stretches, index >> STRETCH_SHIFT, *sp, 0);
	stretch_free(old);
	return 0;
}

/**
 * t1_record_raise - pin what is pinned once more
 * @record: where
 * @index: of the first
 * @npages: how many
 * @pages: filled in
 * @spare: memory to grow into
 *
 * Context: the record's lock is held.
 * Return: how many were, up to one that is not pinned or the end of the
 * stretch; -EAGAIN: call again after t1_spare_fill(); -EOVERFLOW: the first is
 * pinned four million times.
 */
long t1_record_raise(struct t1_record *record, unsigned long index,
		     unsigned long npages, struct page **pages,
		     struct t1_spare *spare)
{
	unsigned int slot = SLOT(index), at;
	unsigned long n = min(npages, STRETCH_PAGES - slot), i;
	struct t1_stretch *s;
	u64 *word;
	int ret;

	lockdep_assert_held(&record->stretches.xa_lock);
	s = xa_load(&record->stretches, index >> STRETCH_SHIFT);
	if (!s)
		return 0;
	if (s->form == RUN) {
		if (!test_bit(slot, to_run(s)->pinned))
			return 0;
		ret = run_widen(record, index, &s, spare);
		if (ret)
			return ret;
	}
	if (s->form == FULL) {
		word = to_full(s)->word + slot;
		for (i = 0; i < n && word[i]; i++) {
			if (unlikely((word[i] & WORD_COUNT) == WORD_COUNT))
				return i ?: -EOVERFLOW;
			pages[i] = pfn_to_page(word_pfn(++word[i]));
		}
		return i;
	}
	at = few_find(to_few(s), slot);
	n = min_t(unsigned long, n, s->npinned - at);
	word = to_few(s)->word + at;
	for (i = 0; i < n && few_slots(to_few(s))[at + i] == slot + i; i++) {
		if (unlikely((word[i] & WORD_COUNT) == WORD_COUNT))
			return i ?: -EOVERFLOW;
		pages[i] = pfn_to_page(word_pfn(++word[i]));
	}
	return i;
}

/**
 * t1_record_hole - what is not pinned
 * @record: where
 * @index: of the first
 * @npages: how many to look at
 *
 * Context: the record's lock is held.
 * Return: how many are not, up to one that is.
 */
unsigned long t1_record_hole(struct t1_record *record, unsigned long index,
			     unsigned long npages)
{
	unsigned long done = 0, n, hole;
	struct t1_stretch *s;

	lockdep_assert_held(&record->stretches.xa_lock);
	while (done < npages) {
		n = min(npages - done, STRETCH_PAGES - SLOT(index + done));
		s = xa_load(&record->stretches, (index + done) >> STRETCH_SHIFT);
		hole = s ? stretch_hole(s, SLOT(index + done), n) : n;
		done += hole;
		if (hole < n)
			break;
	}
	return done;
}

static void spare_leave_place(struct t1_record *record, struct t1_spare *spare)
{
	/* Nothing happens to one that was taken. */
	if (spare->has_place)
		xa_release(&record->stretches, spare->place);
	spare->has_place = false;
}

/**
 * t1_spare_fill - get the memory that a record wanted
 * @record: it
 * @spare: says what
 *
 * Context: process context, the record's lock is not held. Sleeps.
 * Return: 0 or -ENOMEM.
 */
int t1_spare_fill(struct t1_record *record, struct t1_spare *spare)
{
	struct t1_stretch *s;
	size_t size;

	if (spare->wants_place) {
		spare_leave_place(record, spare);
		if (xa_reserve(&record->stretches, spare->place_wanted,
			       GFP_KERNEL_ACCOUNT))
			return -ENOMEM;
		spare->place = spare->place_wanted;
		spare->has_place = true;
		spare->wants_place = false;
	}
	if (spare->stretch)
		return 0;
	switch (spare->form) {
	case FEW:
		size = kmalloc_size_roundup(FEW_BYTES(spare->room));
		break;
	case RUN:
		size = sizeof(struct t1_run);
		break;
	default:
		size = sizeof(struct t1_full);
	}
	s = kzalloc(size, GFP_KERNEL_ACCOUNT);
	if (!s)
		return -ENOMEM;
	s->form = spare->form;
	if (s->form == FEW) {
		s->room = FEW_ROOM(size);
		spare->room = s->room;
	} else if (s->form == FULL) {
		to_full(s)->word = (u64 *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
		if (!to_full(s)->word) {
			kfree(s);
			return -ENOMEM;
		}
	}
	spare->stretch = s;
	return 0;
}

/**
 * t1_spare_end - no more is wanted
 * @record: whose it was
 * @spare: what t1_spare_fill() may have filled
 *
 * Context: process context, the record's lock is not held.
 */
void t1_spare_end(struct t1_record *record, struct t1_spare *spare)
{
	spare_leave_place(record, spare);
	if (spare->stretch)
		stretch_free(spare->stretch);
	spare->stretch = NULL;
}

/* So many at once are released without a chance to reschedule. */
#define BATCH_RUN	(1U << 16)

/* Let go of @n consecutive pages; false if there is no room for them. */
static bool batch_add(struct t1_batch *batch, unsigned long pfn,
		      unsigned int special, unsigned int n)
{
	struct page *page = pfn_to_page(pfn);

	if (special & T1_PAGE_BARE)
		return true;
	if (n == 1 && batch->npages < ARRAY_SIZE(batch->pages)) {
		batch->pages[batch->npages++] = page;
	} else if (!batch->nrun) {
		batch->run = page;
		batch->nrun = n;
	} else if (pfn == page_to_pfn(batch->run) + batch->nrun &&
		   batch->nrun < BATCH_RUN) {
		batch->nrun += n;
	} else {
		return false;
	}
	if (!special)
		batch->counted += n;
	return true;
}

static unsigned int drop_run(struct t1_run *run, unsigned int slot,
			     unsigned int end, struct t1_batch *batch)
{
	unsigned int from;

	while ((from = find_next_bit(run->pinned, end, slot)) < end) {
		slot = find_next_zero_bit(run->pinned, end, from);
		if (!batch_add(batch, run->pfn + from, run->head.special, slot - from))
			return from;
		bitmap_clear(run->pinned, from, slot - from);
		run->head.npinned -= slot - from;
	}
	return end;
}

static unsigned int drop_few(struct t1_few *few, unsigned int slot,
			     unsigned int end, struct t1_batch *batch)
{
	unsigned int at = few_find(few, slot);

	while (at < few->head.npinned && few_slots(few)[at] < end) {
		u64 *word = few->word + at;

		if ((*word & WORD_COUNT) > 1) {
			--*word;
			at++;
			continue;
		}
		if (!batch_add(batch, word_pfn(*word), word_special(*word), 1))
			return few_slots(few)[at];
		few_delete(few, at);
	}
	return end;
}

static unsigned int drop_full(struct t1_full *full, unsigned int slot,
			      unsigned int end, struct t1_batch *batch)
{
	for (; slot < end; slot++) {
		u64 *word = full->word + slot;

		if (!*word)
			continue;
		if ((*word & WORD_COUNT) > 1) {
			--*word;
			continue;
		}
		if (!batch_add(batch, word_pfn(*word), word_special(*word), 1))
			break;
		*word = 0;
		full->head.npinned--;
	}
	return slot;
}

/* Drop from a slot on; where that ended. */
static unsigned int stretch_drop(struct t1_stretch *s, unsigned int slot,
				 unsigned int end, struct t1_batch *batch)
{
	switch (s->form) {
	case FEW:
		return drop_few(to_few(s), slot, end, batch);
	case RUN:
		return drop_run(to_run(s), slot, end, batch);
	default:
		return drop_full(to_full(s), slot, end, batch);
	}
}

/**
 * t1_record_drop - undo one pin of each
 * @record: where
 * @index: of the first
 * @npages: how many; those that are not pinned are passed over
 * @batch: takes those that nobody pins any more
 *
 * Context: the record's lock is held. Needs no memory.
 * Return: how many were looked at: fewer when the batch is full, which is then
 * to be released before the rest is dropped.
 */
unsigned long t1_record_drop(struct t1_record *record, unsigned long index,
			     unsigned long npages, struct t1_batch *batch)
{
	unsigned long done = 0, counted = batch->counted, n, end;
	struct t1_stretch *s;

	lockdep_assert_held(&record->stretches.xa_lock);
	while (done < npages) {
		unsigned int slot = SLOT(index + done);

		n = min(npages - done, STRETCH_PAGES - slot);
		end = slot + n;
		s = xa_load(&record->stretches, (index + done) >> STRETCH_SHIFT);
		if (s) {
			end = stretch_drop(s, slot, end, batch);
			if (!s->npinned) {
				__xa_erase(&record->stretches,
					   (index + done) >> STRETCH_SHIFT);
				stretch_free(s);
			}
		}
		done += end - slot;
		if (end - slot < n)
			break;
	}
	record->counted -= batch->counted - counted;
	return done;
}

/**
 * t1_batch_release - release what was dropped
 * @batch: empty again after this; its count of locked pages goes on
 * @dirty: the pages may have been written to
 *
 * Context: process context. Sleeps.
 */
void t1_batch_release(struct t1_batch *batch, bool dirty)
{
	if (batch->nrun)
		unpin_user_page_range_dirty_lock(batch->run, batch->nrun, dirty);
	if (batch->npages)
		unpin_user_pages_dirty_lock(batch->pages, batch->npages, dirty);
	batch->nrun = 0;
	batch->npages = 0;
}

/**
 * t1_record_release - release everything, however often it is pinned
 * @record: empty after this
 * @dirty: the pages may have been written to
 *
 * Context: process context, nobody else uses the record. Sleeps. Needs no
 * memory.
 */
void t1_record_release(struct t1_record *record, bool dirty)
{
	struct t1_batch batch = { };
	struct t1_stretch *s;
	unsigned long index;

	xa_for_each(&record->stretches, index, s) {
		unsigned int slot = 0;
		u64 word;

		/* Whatever is pinned counts once now. */
		while (s->form != RUN && (slot = stretch_next(s, slot, &word)) < STRETCH_PAGES) {
			if (s->form == FULL)
				to_full(s)->word[slot] = (word & ~WORD_COUNT) | 1;
			else
				to_few(s)->word[few_find(to_few(s), slot)] = (word & ~WORD_COUNT) | 1;
			slot++;
		}
		slot = 0;
		while (slot < STRETCH_PAGES) {
			slot = stretch_drop(s, slot, STRETCH_PAGES, &batch);
			if (slot < STRETCH_PAGES)
				t1_batch_release(&batch, dirty);
		}
		stretch_free(s);
		cond_resched();
	}
	t1_batch_release(&batch, dirty);
	xa_destroy(&record->stretches);
	record->counted = 0;
}

/**
 * t1_record_extent - find consecutive pages
 * @record: where
 * @index: from where on; the first that was found
 * @last: up to where
 * @pfn: of the first
 * @npages: how many; the next extent may go on where this one ends
 *
 * Context: nobody changes the record.
 * Return: false if there is none.
 */
bool t1_record_extent(struct t1_record *record, unsigned long *index,
		      unsigned long last, unsigned long *pfn,
		      unsigned long *npages)
{
	unsigned long place = *index >> STRETCH_SHIFT;
	unsigned int slot = SLOT(*index), first;
	struct t1_stretch *s;
	u64 word;

	for (s = xa_find(&record->stretches, &place, last >> STRETCH_SHIFT, XA_PRESENT); s;
	     s = xa_find_after(&record->stretches, &place, last >> STRETCH_SHIFT, XA_PRESENT)) {
		if (place != *index >> STRETCH_SHIFT)
			slot = 0;
		first = stretch_next(s, slot, &word);
		if (first < STRETCH_PAGES)
			break;
	}
	if (!s || (place << STRETCH_SHIFT) + first > last)
		return false;
	*index = (place << STRETCH_SHIFT) + first;
	*pfn = word_pfn(word);
	if (s->form == RUN)
		slot = find_next_zero_bit(to_run(s)->pinned, STRETCH_PAGES, first);
	else
		for (slot = first + 1; stretch_next(s, slot, &word) == slot && slot < STRETCH_PAGES &&
		     word_pfn(word) == *pfn + slot - first; slot++)
			;
	*npages = min(slot - first, last - *index + 1);
	return true;
}

/**
 * t1_record_counted - how many pages of a range count as locked memory
 * @record: where
 * @index: of the first
 * @npages: how many to look at
 *
 * Context: the record's lock is held.
 * Return: how many.
 */
unsigned long t1_record_counted(struct t1_record *record, unsigned long index,
				unsigned long npages)
{
	unsigned long done = 0, counted = 0, n;
	struct t1_stretch *s;
	unsigned int slot;
	u64 word;

	lockdep_assert_held(&record->stretches.xa_lock);
	for (; done < npages; done += n) {
		n = min(npages - done, STRETCH_PAGES - SLOT(index + done));
		s = xa_load(&record->stretches, (index + done) >> STRETCH_SHIFT);
		if (!s)
			continue;
		for (slot = SLOT(index + done);
		     (slot = stretch_next(s, slot, &word)) < SLOT(index + done) + n; slot++)
			counted += !word_special(word);
	}
	return counted;
}

/**
 * t1_record_mark - set the bits of what is pinned
 * @record: where
 * @index: of the first
 * @npages: how many to look at
 * @bitmap: its bits
 * @bit: that of the first
 *
 * Context: the record's lock is held.
 */
void t1_record_mark(struct t1_record *record, unsigned long index,
		    unsigned long npages, unsigned long *bitmap, unsigned long bit)
{
	unsigned long done = 0, n;
	struct t1_stretch *s;
	unsigned int slot, from;
	u64 word;

	lockdep_assert_held(&record->stretches.xa_lock);
	for (; done < npages; done += n) {
		from = SLOT(index + done);
		n = min(npages - done, STRETCH_PAGES - from);
		s = xa_load(&record->stretches, (index + done) >> STRETCH_SHIFT);
		if (!s)
			continue;
		for (slot = from; (slot = stretch_next(s, slot, &word)) < from + n; slot++)
			__set_bit(bit + done + slot - from, bitmap);
	}
}

/**
 * t1_record_bytes - the memory that a record takes
 * @record: it
 *
 * Context: any.
 * Return: bytes, without those of the array.
 */
unsigned long t1_record_bytes(struct t1_record *record)
{
	struct t1_stretch *s;
	unsigned long place, bytes = 0;

	xa_lock(&record->stretches);
	xa_for_each(&record->stretches, place, s)
		bytes += ksize(s) + (s->form == FULL ? PAGE_SIZE : 0);
	xa_unlock(&record->stretches);
	return bytes;
}
