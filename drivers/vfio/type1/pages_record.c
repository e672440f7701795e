// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is pinned where, and how often
 *
 * A record maps indices, which are page numbers of a mapping, to pages and
 * counts. It is an array of stretches of 512 indices. A stretch exists while
 * something in it is pinned, and has one of four forms:
 *
 *	lone	one page, pinned once: all is in the entry of the array
 *	few	some pages, sorted by their slot in the stretch: 10 bytes each
 *	run	physically consecutive pages, each pinned once, as a bitmap:
 *		96 bytes for all
 *	full	a word for each slot, pinned or not: a page of them
 *
 * A run or a lone page that is pinned a second time becomes one of the others. A
 * form changes only when pages are added or raised, so dropping needs no memory; it frees a
 * stretch with its last page. A full stretch stays full.
 *
 * The lock of the array guards all of this, but for two things, which drivers do
 * most: without it, a word of a full stretch that is not 0 may be raised, and one
 * that is 0 may be set by who holds the stretch, see t1_word_hold(). So a full
 * stretch is freed after a grace period, words are changed by cmpxchg and their
 * tally by atomic operations, and only who has the lock makes a word 0.
 *
 * The lock is a spinlock: memory to grow into is a struct t1_spare. A function
 * that finds it lacking says what it wants in it and returns -EAGAIN; the
 * caller unlocks, has it filled, and calls again. What is dropped is collected
 * in a struct t1_batch and released unlocked, as that may sleep.
 */
#include <linux/bitmap.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "pages.h"

enum { FEW, RUN, FULL, LONE };

/* What few and run begin with. */
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

#define SLOT(index)	((index) & (STRETCH_PAGES - 1))

/* More are better off in a full one, at 64 bytes each or less; so few need no run. */
#define FEW_BYTES(room)	(sizeof(struct t1_few) + (room) * (sizeof(u64) + sizeof(u16)))
#define FEW_ROOM(bytes)	(((bytes) - sizeof(struct t1_few)) / (sizeof(u64) + sizeof(u16)))
#define FEW_MOST	63UL
#define FEW_LEAST_BYTES	32
/* Behind a full one with so many, the next is likely to become full. */
#define FULL_LIKELY	256
#define FEW_MOST_BYTES	1024
#define RUN_LEAST	6

static unsigned int form_of(void *s)
{
	switch (xa_pointer_tag(s)) {
	case T1_STRETCH_FULL:
		return FULL;
	case T1_STRETCH_LONE:
		return LONE;
	default:
		return ((struct t1_stretch *)s)->form;
	}
}

static struct t1_few *to_few(void *s)
{
	return s;
}

static struct t1_run *to_run(void *s)
{
	return s;
}

static u64 *to_words(void *s)
{
	return t1_stretch_words(s);
}

static unsigned int npinned(void *s)
{
	switch (form_of(s)) {
	case FULL:
		return T1_TALLY_NPINNED(atomic_long_read(t1_words_tally(to_words(s))));
	case LONE:
		return 1;
	default:
		return ((struct t1_stretch *)s)->npinned;
	}
}

static u64 word_make(unsigned long pfn, unsigned int special)
{
	return T1_WORD_ONE | (u64)special << T1_WORD_SPECIAL_SHIFT | pfn;
}

static unsigned int word_special(u64 word)
{
	return (word >> T1_WORD_SPECIAL_SHIFT) & (T1_PAGE_RESERVED | T1_PAGE_BARE);
}

/* What it adds to a tally. */
static unsigned long word_tally(u64 word)
{
	return T1_TALLY_PINNED + (word_special(word) ? T1_TALLY_SPECIAL : 0);
}

static unsigned int page_special(struct page *page)
{
	if (likely(!PageReserved(page)))
		return 0;
	return t1_page_is_bare(page) ? T1_PAGE_RESERVED | T1_PAGE_BARE : T1_PAGE_RESERVED;
}

static u64 source_word(const struct t1_source *src, unsigned long i)
{
	if (!src->pages)
		return word_make(src->pfn + i, T1_PAGE_RESERVED | T1_PAGE_BARE);
	return word_make(page_to_pfn(src->pages[i]),
			 src->nreserved ? page_special(src->pages[i]) : 0);
}

/*
 * Lone: from the top the page's number, its slot, what is special, the tag.
 */

#define LONE_SPECIAL_SHIFT	2
#define LONE_SLOT_SHIFT		4
#define LONE_PFN_SHIFT		(LONE_SLOT_SHIFT + STRETCH_SHIFT)

static void *lone_make(u64 word, unsigned int slot)
{
	return (void *)(t1_word_pfn(word) << LONE_PFN_SHIFT |
			(unsigned long)slot << LONE_SLOT_SHIFT |
			word_special(word) << LONE_SPECIAL_SHIFT | T1_STRETCH_LONE);
}

static unsigned int lone_slot(void *s)
{
	return SLOT((unsigned long)s >> LONE_SLOT_SHIFT);
}

static u64 lone_word(void *s)
{
	unsigned long lone = (unsigned long)s;

	return word_make(lone >> LONE_PFN_SHIFT, (lone >> LONE_SPECIAL_SHIFT) &
			 (T1_PAGE_RESERVED | T1_PAGE_BARE));
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

	if (behind) {
		memmove(few->word + at + 1, few->word + at, behind * sizeof(u64));
		memmove(slots + at + 1, slots + at, behind * sizeof(u16));
	}
	few->word[at] = word;
	slots[at] = slot;
	few->head.npinned++;
}

static void few_delete(struct t1_few *few, unsigned int at)
{
	u16 *slots = few_slots(few);
	unsigned int behind = --few->head.npinned - at;

	if (!behind)
		return;
	memmove(few->word + at, few->word + at + 1, behind * sizeof(u64));
	memmove(slots + at, slots + at + 1, behind * sizeof(u16));
}

/*
 * All forms.
 */

/* A full one stays while it is held. */
static bool stretch_is_empty(void *s)
{
	return form_of(s) == FULL ? !atomic_long_read(t1_words_tally(to_words(s))) : !npinned(s);
}

/* The next slot from one on and before @end that is pinned, or @end; its word. */
static unsigned int stretch_next(void *s, unsigned int slot, unsigned int end,
				 u64 *word)
{
	unsigned int at;
	u64 *words;

	switch (form_of(s)) {
	case FEW:
		at = few_find(to_few(s), slot);
		if (at == to_few(s)->head.npinned || few_slots(to_few(s))[at] >= end)
			return end;
		*word = to_few(s)->word[at];
		return few_slots(to_few(s))[at];
	case RUN:
		slot = find_next_bit(to_run(s)->pinned, end, slot);
		*word = word_make(to_run(s)->pfn + slot, to_run(s)->head.special);
		return slot;
	case LONE:
		*word = lone_word(s);
		return slot <= lone_slot(s) && lone_slot(s) < end ? lone_slot(s) : end;
	default:
		words = to_words(s);
		while (slot < end && !words[slot])
			slot++;
		if (slot < end)
			*word = words[slot];
		return slot;
	}
}

/* Put a word where none is; there is room for it. */
static void stretch_put(void *s, unsigned int slot, u64 word)
{
	switch (form_of(s)) {
	case FEW:
		few_insert(to_few(s), few_find(to_few(s), slot), slot, word);
		break;
	case RUN:
		__set_bit(slot, to_run(s)->pinned);
		to_run(s)->head.npinned++;
		break;
	default:
		WRITE_ONCE(to_words(s)[slot], word);
		atomic_long_add(word_tally(word), t1_words_tally(to_words(s)));
	}
}

static void free_words(struct rcu_head *rcu)
{
	__free_page(container_of(rcu, struct page, rcu_head));
}

/* A full one may be looked at without the lock. */
static void stretch_free(void *s)
{
	if (form_of(s) == LONE)
		return;
	if (form_of(s) == FULL)
		call_rcu(&virt_to_page(to_words(s))->rcu_head, free_words);
	else
		kfree(s);
}

/* In few steps: each costs as much as a page to pin. */
static size_t few_size(unsigned int room)
{
	size_t size = FEW_LEAST_BYTES;

	while (size < FEW_BYTES(room))
		size *= 4;
	return min_t(size_t, size, FEW_MOST_BYTES);
}

static void *stretch_alloc(unsigned int form, unsigned int room)
{
	struct t1_stretch *s;
	size_t size;
	u64 *words;

	if (form == FULL) {
		words = (u64 *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
		if (!words)
			return NULL;
		atomic_long_set(t1_words_tally(words), 0);
		return xa_tag_pointer(words, T1_STRETCH_FULL);
	}
	BUILD_BUG_ON(FEW_ROOM(FEW_MOST_BYTES) < FEW_MOST);
	size = form == RUN ? sizeof(struct t1_run) : few_size(room);
	s = kzalloc(size, GFP_KERNEL_ACCOUNT);
	if (!s)
		return NULL;
	s->form = form;
	s->room = form == FEW ? min(FEW_ROOM(size), FEW_MOST) : 0;
	return s;
}

/* Would all its pages and @n more be one run? */
static bool stretch_is_run(void *s, unsigned int slot,
			   const struct t1_source *src, unsigned long n)
{
	u64 first = source_word(src, 0), word;
	unsigned int at;

	if (src->run < n)
		return false;
	if (!s)
		return true;
	for (at = 0; (at = stretch_next(s, at, STRETCH_PAGES, &word)) < STRETCH_PAGES; at++)
		if (word != word_make(t1_word_pfn(first) - slot + at, word_special(first)))
			return false;
	return true;
}

static void few_move(struct t1_few *old, void *new)
{
	unsigned int at, n = old->head.npinned;

	if (form_of(new) == FEW) {
		memcpy(to_few(new)->word, old->word, n * sizeof(u64));
		memcpy(few_slots(to_few(new)), few_slots(old), n * sizeof(u16));
		to_few(new)->head.npinned = n;
		return;
	}
	if (form_of(new) == FULL) {
		unsigned long tally = 0;

		for (at = 0; at < n; at++) {
			to_words(new)[few_slots(old)[at]] = old->word[at];
			tally += word_tally(old->word[at]);
		}
		atomic_long_add(tally, t1_words_tally(to_words(new)));
		return;
	}
	for (at = 0; at < n; at++)
		stretch_put(new, few_slots(old)[at], old->word[at]);
}

/* Copy what is pinned into another stretch, and free it. */
static void stretch_move(void *old, void *new)
{
	unsigned int slot;
	u64 word;

	if (form_of(old) == FEW)
		few_move(old, new);
	else
		for (slot = 0; (slot = stretch_next(old, slot, STRETCH_PAGES, &word)) <
		     STRETCH_PAGES; slot++)
			stretch_put(new, slot, word);
	stretch_free(old);
}

/* Say what is wanted, unless it is there already. */
static bool spare_lacks(struct t1_spare *spare, unsigned int form,
			unsigned int npages)
{
	if (spare->stretch && spare->form == form &&
	    (form != FEW || to_few(spare->stretch)->head.room >= npages))
		return false;
	if (spare->stretch)
		stretch_free(spare->stretch);
	spare->stretch = NULL;
	spare->wants_stretch = true;
	spare->form = form;
	spare->room = npages;
	return true;
}

/* Most often there is memory for the array; else a place is asked for. */
#define STORE_FLAGS	(GFP_NOWAIT | __GFP_NOWARN)

/*
 * Who pins one page after the other fills stretch after stretch. Then one is full
 * from the start, which is no more memory than two pages for FULL_LIKELY pins.
 */
static bool likely_full(struct t1_record *record, unsigned long index)
{
	void *s;

	if (index < STRETCH_PAGES)
		return false;
	s = t1_record_stretch(record, index - STRETCH_PAGES);
	return s && form_of(s) == FULL && npinned(s) >= FULL_LIKELY;
}

/*
 * Replace a stretch, or none, by one that takes @n more pages from @index on,
 * none of which is pinned.
 */
static int stretch_grow(struct t1_record *record, unsigned long index, void **sp,
			const struct t1_source *src, unsigned long n,
			struct t1_spare *spare)
{
	unsigned int total = (*sp ? npinned(*sp) : 0) + n, form;
	void *new;

	if (!*sp && n <= FEW_MOST && likely_full(record, index))
		form = FULL;
	else if (total == 1)
		form = LONE;
	else if (total >= RUN_LEAST && (!*sp || form_of(*sp) != RUN) &&
		 stretch_is_run(*sp, SLOT(index), src, n))
		form = RUN;
	else
		form = total <= FEW_MOST ? FEW : FULL;
	if (form != LONE && spare_lacks(spare, form, total))
		return -EAGAIN;
	new = form == LONE ? lone_make(source_word(src, 0), SLOT(index)) : spare->stretch;
	if (form == RUN) {
		to_run(new)->pfn = t1_word_pfn(source_word(src, 0)) - SLOT(index);
		to_run(new)->head.special = word_special(source_word(src, 0));
	}
	/* Replacing an entry needs no memory, so it does not fail below. */
	if (*sp)
		stretch_move(*sp, new);
	if (xa_is_err(__xa_store(&record->stretches, index >> STRETCH_SHIFT, new,
				 STORE_FLAGS))) {
		spare->wants_place = true;
		spare->place_wanted = index >> STRETCH_SHIFT;
		return -EAGAIN;
	}
	if (form != LONE)
		spare->stretch = NULL;
	*sp = new;
	return 0;
}

/* How many slots from one on are not pinned, of @n. */
static unsigned long stretch_hole(void *s, unsigned int slot, unsigned long n)
{
	u64 word;

	return stretch_next(s, slot, slot + n, &word) - slot;
}

/* Add a run of @n that fits into a run. */
static long add_run(struct t1_run *run, unsigned int slot, unsigned long n,
		    unsigned long *counted)
{
	bitmap_set(run->pinned, slot, n);
	run->head.npinned += n;
	if (!run->head.special)
		*counted += n;
	return n;
}

/* Add to a full one, up to what is pinned. */
static long add_full(void *s, unsigned int slot, unsigned long n,
		     const struct t1_source *src, unsigned long *counted)
{
	u64 word, *words = to_words(s) + slot;
	unsigned long special = 0, i;

	/* More than there are may be counted for a moment, but never fewer. */
	atomic_long_add(n * T1_TALLY_PINNED, t1_words_tally(to_words(s)));
	if (src->nreserved) {
		for (i = 0; i < n; i++) {
			word = source_word(src, i);
			if (cmpxchg(words + i, 0, word))
				break;
			special += !!word_special(word);
		}
	} else {
		for (i = 0; i < n; i++)
			if (cmpxchg(words + i, 0, word_make(page_to_pfn(src->pages[i]), 0)))
				break;
	}
	atomic_long_add(special * T1_TALLY_SPECIAL - (n - i) * T1_TALLY_PINNED,
			t1_words_tally(to_words(s)));
	*counted += i - special;
	return i;
}

static long add_few(void *s, unsigned int slot, unsigned long n,
		    const struct t1_source *src, unsigned long *counted)
{
	unsigned long i;
	u64 word;

	for (i = 0; i < n; i++) {
		word = source_word(src, i);
		stretch_put(s, slot + i, word);
		*counted += !word_special(word);
	}
	return n;
}

static bool run_put(struct t1_run *run, unsigned int slot, u64 word)
{
	if (word != word_make(run->pfn + slot, run->head.special) ||
	    __test_and_set_bit(slot, run->pinned))
		return false;
	run->head.npinned++;
	return true;
}

static bool few_put(struct t1_few *few, unsigned int slot, u64 word)
{
	unsigned int at = few_find(few, slot);

	if (few->head.npinned == few->head.room ||
	    (at < few->head.npinned && few_slots(few)[at] == slot))
		return false;
	few_insert(few, at, slot, word);
	return true;
}

/* What t1_record_put() does where a stretch is not full. */
bool __t1_record_put(struct t1_record *record, void *s, unsigned int slot,
		     struct page *page)
{
	u64 word = word_make(page_to_pfn(page), 0);

	if (!s)
		return false;
	switch (form_of(s)) {
	case RUN:
		return run_put(s, slot, word);
	case FEW:
		return few_put(s, slot, word);
	default:
		return false;
	}
}

/**
 * t1_record_add - record pages that are pinned nowhere in it
 * @record: where
 * @index: of the first
 * @npages: how many
 * @src: them
 * @spare: memory to grow into
 * @counted: grows by how many of those that were count as locked memory
 *
 * Context: the record's lock is held.
 * Return: how many were, up to the end of the stretch; 0: the first is pinned
 * already; -EAGAIN: call again after t1_spare_fill().
 */
long t1_record_add(struct t1_record *record, unsigned long index,
		   unsigned long npages, const struct t1_source *src,
		   struct t1_spare *spare, unsigned long *counted)
{
	unsigned int slot = SLOT(index);
	unsigned long n = min(npages, STRETCH_PAGES - slot);
	void *s;
	int ret;

	lockdep_assert_held(&record->stretches.xa_lock);
	s = t1_record_stretch(record, index);
	if (s && form_of(s) == FULL)
		return add_full(s, slot, n, src, counted);
	if (s)
		n = stretch_hole(s, slot, n);
	if (!n)
		return 0;
	if (s && form_of(s) == RUN &&
	    word_make(to_run(s)->pfn + slot, to_run(s)->head.special) == source_word(src, 0))
		return add_run(s, slot, min(n, src->run), counted);
	if (!s || form_of(s) != FEW || npinned(s) + n > to_few(s)->head.room) {
		ret = stretch_grow(record, index, &s, src, n, spare);
		if (ret)
			return ret;
	}
	switch (form_of(s)) {
	case FEW:
		return add_few(s, slot, n, src, counted);
	case LONE:
		*counted += !word_special(lone_word(s));
		return 1;
	case RUN:
		return add_run(s, slot, n, counted);
	default:
		return add_full(s, slot, n, src, counted);
	}
}

/* What has no counts is about to be pinned again: make it one that has. */
static int stretch_widen(struct t1_record *record, unsigned long index, void **sp,
			 struct t1_spare *spare)
{
	void *new;

	if (spare_lacks(spare, npinned(*sp) <= FEW_MOST ? FEW : FULL, npinned(*sp)))
		return -EAGAIN;
	new = spare->stretch;
	spare->stretch = NULL;
	stretch_move(*sp, new);
	/* Replacing an entry needs no memory. */
	__xa_store(&record->stretches, index >> STRETCH_SHIFT, new, 0);
	*sp = new;
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
 * stretch, though one may be recorded as this returns, see t1_word_put();
 * -EAGAIN: call again after t1_spare_fill(); -EOVERFLOW: the first is pinned two
 * million times.
 */
long t1_record_raise(struct t1_record *record, unsigned long index,
		     unsigned long npages, struct page **pages,
		     struct t1_spare *spare)
{
	unsigned int slot = SLOT(index), at;
	unsigned long n = min(npages, STRETCH_PAGES - slot), i;
	u64 *word;
	void *s;
	int ret;

	lockdep_assert_held(&record->stretches.xa_lock);
	s = t1_record_stretch(record, index);
	if (!s)
		return 0;
	if (form_of(s) == RUN || form_of(s) == LONE) {
		if (stretch_hole(s, slot, 1))
			return 0;
		ret = stretch_widen(record, index, &s, spare);
		if (ret)
			return ret;
	}
	if (form_of(s) == FULL) {
		word = to_words(s) + slot;
	} else {
		at = few_find(to_few(s), slot);
		word = to_few(s)->word + at;
		/* Those that are pinned without a gap. */
		for (i = 0; i < n && at + i < npinned(s) &&
		     few_slots(to_few(s))[at + i] == slot + i; i++)
			;
		n = i;
	}
	for (i = 0; i < n && t1_word_raise(word + i, pages + i); i++)
		;
	/* It may have been recorded meanwhile, and was not the first to be raised. */
	return i || !n || (s64)READ_ONCE(word[0]) >= 0 ? i : -EOVERFLOW;
}

/**
 * t1_record_hole - what is not pinned
 * @record: where
 * @index: of the first
 * @npages: how many to look at
 *
 * Context: the record's lock is held.
 * Return: how many are not, up to one that is; one may be recorded as this
 * returns, see t1_word_put().
 */
unsigned long t1_record_hole(struct t1_record *record, unsigned long index,
			     unsigned long npages)
{
	unsigned long done = 0, n, hole;
	void *s;

	lockdep_assert_held(&record->stretches.xa_lock);
	while (done < npages) {
		n = min(npages - done, STRETCH_PAGES - SLOT(index + done));
		s = t1_record_stretch(record, index + done);
		hole = s ? stretch_hole(s, SLOT(index + done), n) : n;
		done += hole;
		if (hole < n)
			break;
	}
	return done;
}

/**
 * t1_record_holds - is it pinned?
 * @record: where
 * @index: of it
 *
 * Context: the record's lock is held.
 * Return: yes or no.
 */
bool t1_record_holds(struct t1_record *record, unsigned long index)
{
	void *s = t1_record_stretch(record, index);
	struct t1_few *few = s;
	unsigned int at;

	lockdep_assert_held(&record->stretches.xa_lock);
	if (!s || form_of(s) != FEW)
		return s && !stretch_hole(s, SLOT(index), 1);
	at = few_find(few, SLOT(index));
	return at < few->head.npinned && few_slots(few)[at] == SLOT(index);
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
	if (spare->wants_place) {
		spare_leave_place(record, spare);
		if (xa_reserve(&record->stretches, spare->place_wanted,
			       GFP_KERNEL_ACCOUNT))
			return -ENOMEM;
		spare->place = spare->place_wanted;
		spare->has_place = true;
		spare->wants_place = false;
	}
	if (!spare->wants_stretch)
		return 0;
	spare->stretch = stretch_alloc(spare->form, spare->room);
	spare->wants_stretch = !spare->stretch;
	return spare->stretch ? 0 : -ENOMEM;
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
#define BATCH_RUN	BIT(16)

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

	if (end == slot + 1) {
		if (!test_bit(slot, run->pinned))
			return end;
		if (!batch_add(batch, run->pfn + slot, run->head.special, 1))
			return slot;
		__clear_bit(slot, run->pinned);
		run->head.npinned--;
		return end;
	}
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

		if (!batch->all && *word >= 2 * T1_WORD_ONE) {
			*word -= T1_WORD_ONE;
			at++;
			continue;
		}
		if (!batch_add(batch, t1_word_pfn(*word), word_special(*word), 1))
			return few_slots(few)[at];
		few_delete(few, at);
	}
	return end;
}

/*
 * Undo one pin of a word, or all; others may raise it meanwhile. Return what it
 * was, if nobody pins it any more, or 0.
 */
static u64 word_drop(u64 *word, bool all)
{
	u64 old = READ_ONCE(*word), new;

	do {
		new = old < 2 * T1_WORD_ONE || all ? 0 : old - T1_WORD_ONE;
	} while (unlikely(!try_cmpxchg(word, &old, new)));
	return new ? 0 : old;
}

/* Pinned once, and nothing special. */
#define WORD_IS_PLAIN(word)	((word) >> T1_WORD_SPECIAL_SHIFT ==	\
				 T1_WORD_ONE >> T1_WORD_SPECIAL_SHIFT)

static unsigned int drop_full(void *s, unsigned int slot, unsigned int end,
			      struct t1_batch *batch)
{
	u64 *word = to_words(s) + slot, *last = to_words(s) + end, old;
	unsigned int special = 0, bare = 0, n = batch->npages;

	for (; word < last; word++) {
		if (unlikely(n == ARRAY_SIZE(batch->pages)))
			break;
		old = READ_ONCE(*word);
		if (unlikely(!WORD_IS_PLAIN(old) || !try_cmpxchg(word, &old, 0))) {
			old = old ? word_drop(word, batch->all) : 0;
			if (!old)
				continue;
			special += !!word_special(old);
			if (word_special(old) & T1_PAGE_BARE) {
				bare++;
				continue;
			}
		}
		batch->pages[n++] = pfn_to_page(t1_word_pfn(old));
	}
	atomic_long_sub(special * T1_TALLY_SPECIAL +
			(n - batch->npages + bare) * T1_TALLY_PINNED,
			t1_words_tally(to_words(s)));
	batch->counted += n - batch->npages + bare - special;
	batch->npages = n;
	return word - to_words(s);
}

static unsigned int drop_lone(void *s, unsigned int slot, unsigned int end,
			      struct t1_batch *batch, bool *empty)
{
	u64 word = lone_word(s);

	*empty = false;
	if (lone_slot(s) < slot || lone_slot(s) >= end)
		return end;
	*empty = batch_add(batch, t1_word_pfn(word), word_special(word), 1);
	return *empty ? end : lone_slot(s);
}

/* Drop from a slot on; where that ended, and whether nothing is left. */
static unsigned int stretch_drop(void *s, unsigned int slot, unsigned int end,
				 struct t1_batch *batch, bool *empty)
{
	switch (form_of(s)) {
	case LONE:
		return drop_lone(s, slot, end, batch, empty);
	case FEW:
		end = drop_few(s, slot, end, batch);
		break;
	case RUN:
		end = drop_run(s, slot, end, batch);
		break;
	default:
		end = drop_full(s, slot, end, batch);
	}
	*empty = stretch_is_empty(s);
	return end;
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
	unsigned long done = 0, n, end;
	bool empty;
	void *s;

	lockdep_assert_held(&record->stretches.xa_lock);
	while (done < npages) {
		unsigned int slot = SLOT(index + done);

		n = min(npages - done, STRETCH_PAGES - slot);
		end = slot + n;
		s = t1_record_stretch(record, index + done);
		if (s) {
			end = stretch_drop(s, slot, end, batch, &empty);
			if (empty) {
				__xa_erase(&record->stretches,
					   (index + done) >> STRETCH_SHIFT);
				stretch_free(s);
			}
		}
		done += end - slot;
		if (end - slot < n)
			break;
	}
	return done;
}

static u64 drop_one_full(u64 *words, unsigned int slot, bool *empty)
{
	u64 word = words[slot] ? word_drop(words + slot, false) : 0;

	*empty = word && !atomic_long_sub_return(word_tally(word), t1_words_tally(words));
	return word;
}

static u64 drop_one_few(struct t1_few *few, unsigned int slot)
{
	unsigned int at = few_find(few, slot);
	u64 word;

	if (at == few->head.npinned || few_slots(few)[at] != slot)
		return 0;
	word = word_drop(few->word + at, false);
	if (word)
		few_delete(few, at);
	return word;
}

static u64 drop_one_run(struct t1_run *run, unsigned int slot)
{
	if (!__test_and_clear_bit(slot, run->pinned))
		return 0;
	run->head.npinned--;
	return word_make(run->pfn + slot, run->head.special);
}

/**
 * t1_record_drop_one - undo one pin of a page
 * @record: where
 * @index: of it
 *
 * Context: the record's lock is held. Needs no memory.
 * Return: the page's word if nobody pins it any more, for t1_word_release(), or 0.
 */
u64 t1_record_drop_one(struct t1_record *record, unsigned long index)
{
	void *s = t1_record_stretch(record, index);
	bool empty;
	u64 word;

	lockdep_assert_held(&record->stretches.xa_lock);
	if (unlikely(!s))
		return 0;
	switch (form_of(s)) {
	case FULL:
		word = drop_one_full(to_words(s), SLOT(index), &empty);
		break;
	case LONE:
		empty = lone_slot(s) == SLOT(index);
		word = empty ? lone_word(s) : 0;
		break;
	case FEW:
		word = drop_one_few(s, SLOT(index));
		empty = !to_few(s)->head.npinned;
		break;
	default:
		word = drop_one_run(s, SLOT(index));
		empty = !to_run(s)->head.npinned;
	}
	if (empty) {
		__xa_erase(&record->stretches, index >> STRETCH_SHIFT);
		stretch_free(s);
	}
	return word;
}

/**
 * t1_record_unhold - a full stretch is not held any more
 * @record: where it was
 * @index: of the page that was to be recorded
 * @tally: of the stretch
 *
 * Context: process context, the record's lock is not held.
 */
void t1_record_unhold(struct t1_record *record, unsigned long index,
		      atomic_long_t *tally)
{
	void *s;

	if (atomic_long_sub_return(T1_TALLY_HELD, tally))
		return;
	/* Nobody who dropped could free it. It may have had pages since. */
	t1_record_lock(record);
	s = t1_record_stretch(record, index);
	if (s && form_of(s) == FULL && stretch_is_empty(s)) {
		__xa_erase(&record->stretches, index >> STRETCH_SHIFT);
		stretch_free(s);
	}
	t1_record_unlock(record);
}

/**
 * t1_word_release - release a page that was dropped
 * @word: its
 * @dirty: it may have been written to
 *
 * Context: process context. Sleeps.
 */
void t1_word_release(u64 word, bool dirty)
{
	struct page *page = pfn_to_page(t1_word_pfn(word));

	if (unlikely(word_special(word) & T1_PAGE_BARE))
		return;
	if (dirty && !PageDirty(page))
		set_page_dirty_lock(page);
	unpin_user_page(page);
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
 * Return: how many of its pages counted as locked memory.
 */
unsigned long t1_record_release(struct t1_record *record, bool dirty)
{
	struct t1_batch batch = { .all = true };
	unsigned long index;
	bool empty;
	void *s;

	xa_for_each(&record->stretches, index, s) {
		unsigned int slot = 0;

		while (slot < STRETCH_PAGES) {
			slot = stretch_drop(s, slot, STRETCH_PAGES, &batch, &empty);
			if (slot < STRETCH_PAGES)
				t1_batch_release(&batch, dirty);
		}
		stretch_free(s);
		cond_resched();
	}
	t1_batch_release(&batch, dirty);
	xa_destroy(&record->stretches);
	return batch.counted;
}

/* What t1_record_extent() does, of any form. */
bool __t1_record_extent(struct t1_record *record, unsigned long *index,
			unsigned long last, unsigned long *pfn,
			unsigned long *npages, bool *bare)
{
	unsigned long place = *index >> STRETCH_SHIFT;
	unsigned int slot = SLOT(*index), first = 0;
	u64 word, base;
	void *s;

	for (s = xa_find(&record->stretches, &place, last >> STRETCH_SHIFT, XA_PRESENT); s;
	     s = xa_find_after(&record->stretches, &place, last >> STRETCH_SHIFT, XA_PRESENT)) {
		if (place != *index >> STRETCH_SHIFT)
			slot = 0;
		first = stretch_next(s, slot, STRETCH_PAGES, &word);
		if (first < STRETCH_PAGES)
			break;
	}
	if (!s || (place << STRETCH_SHIFT) + first > last)
		return false;
	*index = (place << STRETCH_SHIFT) + first;
	*pfn = t1_word_pfn(word);
	*bare = t1_word_is_bare(word);
	base = t1_word_what(word) - first;
	slot = first + 1;
	if (form_of(s) == RUN)
		slot = find_next_zero_bit(to_run(s)->pinned, STRETCH_PAGES, first);
	else
		while (slot < STRETCH_PAGES &&
		       stretch_next(s, slot, slot + 1, &word) == slot &&
		       t1_word_what(word) == base + slot)
			slot++;
	*npages = min_t(unsigned long, slot - first, last - *index + 1);
	return true;
}

/* How many pages of a stretch count as locked memory, from a slot on and before @end. */
static unsigned int stretch_counted(void *s, unsigned int slot, unsigned int end)
{
	unsigned int counted = 0;
	unsigned long tally;
	u64 word;

	if (form_of(s) == RUN && end - slot == STRETCH_PAGES)
		return to_run(s)->head.special ? 0 : to_run(s)->head.npinned;
	if (form_of(s) == FULL && end - slot == STRETCH_PAGES) {
		tally = atomic_long_read(t1_words_tally(to_words(s)));
		return T1_TALLY_NPINNED(tally) - T1_TALLY_NSPECIAL(tally);
	}
	for (; (slot = stretch_next(s, slot, end, &word)) < end; slot++)
		counted += !word_special(word);
	return counted;
}

/**
 * t1_record_counted - how many pages of a range count as locked memory
 * @record: where
 * @index: of the first
 * @npages: how many to look at, at least one, or ULONG_MAX for all that follow
 *
 * Context: the record's lock is held.
 * Return: how many, each once.
 */
unsigned long t1_record_counted(struct t1_record *record, unsigned long index,
				unsigned long npages)
{
	unsigned long last = index + min(npages - 1, ULONG_MAX - index);
	unsigned long counted = 0, place;
	unsigned int slot, end;
	void *s;

	lockdep_assert_held(&record->stretches.xa_lock);
	xa_for_each_range(&record->stretches, place, s, index >> STRETCH_SHIFT,
			  last >> STRETCH_SHIFT) {
		slot = place == index >> STRETCH_SHIFT ? SLOT(index) : 0;
		end = place == last >> STRETCH_SHIFT ? SLOT(last) + 1 : STRETCH_PAGES;
		counted += stretch_counted(s, slot, end);
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
	unsigned int slot, from;
	u64 word;
	void *s;

	lockdep_assert_held(&record->stretches.xa_lock);
	for (; done < npages; done += n) {
		from = SLOT(index + done);
		n = min(npages - done, STRETCH_PAGES - from);
		s = t1_record_stretch(record, index + done);
		if (!s)
			continue;
		for (slot = from;
		     (slot = stretch_next(s, slot, from + n, &word)) < from + n; slot++)
			__set_bit(bit + done + slot - from, bitmap);
	}
}

/* So many stretches are looked at without letting go of the lock. */
#define STRETCHES_AT_ONCE	64

/**
 * t1_record_counted_all - how many pages count as locked memory
 * @record: where; pages may come and go meanwhile
 *
 * Context: process context, without the lock. Sleeps.
 * Return: how many, each once.
 */
unsigned long t1_record_counted_all(struct t1_record *record)
{
	unsigned long place, counted = 0, n = 0;
	void *s;

	xa_lock(&record->stretches);
	xa_for_each(&record->stretches, place, s) {
		counted += stretch_counted(s, 0, STRETCH_PAGES);
		if (++n % STRETCHES_AT_ONCE)
			continue;
		xa_unlock(&record->stretches);
		cond_resched();
		xa_lock(&record->stretches);
	}
	xa_unlock(&record->stretches);
	return counted;
}

/**
 * t1_record_bytes - the memory that a record takes
 * @record: it
 *
 * Context: process context, without the lock. Sleeps.
 * Return: bytes, without those of the array.
 */
unsigned long t1_record_bytes(struct t1_record *record)
{
	unsigned long place, bytes = 0, n = 0;
	void *s;

	xa_lock(&record->stretches);
	xa_for_each(&record->stretches, place, s) {
		if (form_of(s) != LONE)
			bytes += form_of(s) == FULL ? PAGE_SIZE : ksize(s);
		if (++n % STRETCHES_AT_ONCE)
			continue;
		xa_unlock(&record->stretches);
		cond_resched();
		xa_lock(&record->stretches);
	}
	xa_unlock(&record->stretches);
	return bytes;
}

#if IS_ENABLED(CONFIG_VFIO_MDEV_KUNIT_TEST)
#include "pages_record_test.c"
#endif
