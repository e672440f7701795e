// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is pinned where, and how often
 *
 * A stretch has one of four forms, by what is pinned in it:
 *
 *	lone	a page, or none: all is in the stretch itself
 *	few	some pages, sorted by their slot: 10 bytes each
 *	run	physically consecutive pages, each pinned once: a bit for each slot
 *	full	a word for each slot that can be pinned: a page of them at most
 *
 * It is lone at first, and again when nothing is pinned in it any more; but the words of
 * a small mapping stay, as a stretch does. Else its form changes only when pages are
 * added, or when a page of a run is pinned a second time, so dropping needs no memory.
 *
 * A function that finds memory lacking says in a struct t1_spare how much it wants
 * and returns -EAGAIN; the caller unlocks, has it filled, and calls again. What is
 * dropped is collected in a struct t1_batch and released unlocked, as that may sleep.
 */
#include <linux/bitmap.h>
#include <linux/slab.h>

#include "record.h"

/* The words of a full stretch, unless they are a page, which has those of all slots. */
struct words {
	struct rcu_head rcu;
	u64 word[];
};

/* What a run takes: as much as few at least, with pages of 4 KiB */
#define RUN_BYTES	(STRETCH_PAGES / BITS_PER_BYTE)
/* What few take at least; each size is four times the one before it. */
#define LEAST_BYTES	64U
/* More are better off in a full one. */
#define FEW_MOST_BYTES	(PAGE_SIZE / 4)
#define FEW_ROOM(bytes)	((bytes) / (sizeof(u64) + sizeof(u16)))
/* The words of a small mapping are no larger than few soon are, and it has no few. */
#define SMALL_BYTES	(4 * LEAST_BYTES)

static u64 word_make(unsigned long pfn, unsigned int special)
{
	return T1_WORD_ONE | (u64)special << T1_WORD_SPECIAL_SHIFT | pfn;
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
 * Few: words, followed by the slot of each. A lone page is few, too: at most one, whose
 * word and slot are in the stretch.
 */

static bool is_few(const struct t1_stretch *s)
{
	return s->form <= T1_FEW;
}

static u64 *few_words(struct t1_stretch *s)
{
	return s->form == T1_LONE ? &s->word : s->pages;
}

static u16 *few_slots(struct t1_stretch *s)
{
	return s->form == T1_LONE ? &s->slot : (u16 *)(few_words(s) + s->room);
}

/* The first that is not below a slot. */
static unsigned int few_find(struct t1_stretch *s, unsigned int slot)
{
	u16 *slots = few_slots(s);
	unsigned int low = 0, high = s->npinned;

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

static void few_insert(struct t1_stretch *s, unsigned int at, unsigned int slot, u64 word)
{
	unsigned int behind = s->npinned - at;

	if (behind) {
		memmove(few_words(s) + at + 1, few_words(s) + at, behind * sizeof(u64));
		memmove(few_slots(s) + at + 1, few_slots(s) + at, behind * sizeof(u16));
	}
	few_words(s)[at] = word;
	few_slots(s)[at] = slot;
	if (s->form == T1_FEW)
		s->word |= t1_few_bit(slot);
}

static void few_delete(struct t1_stretch *s, unsigned int at)
{
	unsigned int behind = s->npinned - at - 1;

	if (!behind)
		return;
	memmove(few_words(s) + at, few_words(s) + at + 1, behind * sizeof(u64));
	memmove(few_slots(s) + at, few_slots(s) + at + 1, behind * sizeof(u16));
}

/*
 * Full: from which slot on there are words, and up to where.
 */

static unsigned int full_first(const struct t1_stretch *s)
{
	return s->word & U16_MAX;
}

static unsigned int full_end(const struct t1_stretch *s)
{
	return s->word >> 16;
}

static size_t words_bytes(unsigned int first, unsigned int end)
{
	return sizeof(struct words) + (end - first) * sizeof(u64);
}

static bool full_is_small(const struct t1_stretch *s)
{
	return words_bytes(full_first(s), full_end(s)) <= SMALL_BYTES;
}

static size_t full_bytes(const struct t1_spare *spare)
{
	size_t bytes = words_bytes(spare->first, spare->end);

	return bytes > PAGE_SIZE / 2 ? PAGE_SIZE : bytes;
}

/* Where the word of slot 0 is, or would be. */
static u64 *full_words(const struct t1_spare *spare)
{
	if (spare->bytes == PAGE_SIZE)
		return spare->pages;
	return ((struct words *)spare->pages)->word - spare->first;
}

/* The memory of it, unless that is a page. */
static struct words *full_memory(const struct t1_stretch *s)
{
	if (full_end(s) - full_first(s) == STRETCH_PAGES)
		return NULL;
	return container_of(t1_stretch_words(s) + full_first(s), struct words, word[0]);
}

/*
 * All forms. The lock is held, or nobody else uses the record.
 */

/* The next slot from one on and before @end that is pinned, or @end; its word. */
static unsigned int next(struct t1_stretch *s, unsigned int slot,
			 unsigned int end, u64 *word)
{
	unsigned int at, last;
	u64 *words;

	switch (s->form) {
	case T1_LONE:
	case T1_FEW:
		at = few_find(s, slot);
		if (at == s->npinned || few_slots(s)[at] >= end)
			return end;
		*word = few_words(s)[at];
		return few_slots(s)[at];
	case T1_RUN:
		slot = find_next_bit(s->pages, end, slot);
		*word = s->word + slot;
		return slot;
	default:
		words = t1_stretch_words(s);
		last = min(end, full_end(s));
		slot = max(slot, full_first(s));
		while (slot < last && !READ_ONCE(words[slot]))
			slot++;
		if (slot < last)
			*word = READ_ONCE(words[slot]);
		return slot < last ? slot : end;
	}
}

/* The word of a slot, but in a run, which has none; NULL, or a word of 0: it is not pinned. */
static __always_inline u64 *word_of(struct t1_stretch *s, unsigned int slot)
{
	unsigned int at;

	if (s->form == T1_FULL)
		return t1_stretch_words(s) + slot;
	at = few_find(s, slot);
	return at < s->npinned && few_slots(s)[at] == slot ? few_words(s) + at : NULL;
}

static void free_words(struct rcu_head *rcu)
{
	__free_page(container_of(rcu, struct page, rcu_head));
}

/*
 * Nothing is pinned any more. A call that looks at the words of a full one without the
 * lock finds none to raise, and has found them before the grace period.
 */
static void become_lone(struct t1_stretch *s)
{
	u64 *page = t1_stretch_words(s);
	struct words *words = page ? full_memory(s) : NULL;
	void *pages = s->pages;

	WRITE_ONCE(s->pages, NULL);
	s->form = T1_LONE;
	if (words)
		kfree_rcu(words, rcu);
	else if (page)
		call_rcu(&virt_to_page(page)->rcu_head, free_words);
	else
		kfree(pages);
}

/* Slots are pinned no more; what they were is gone already. */
static void count_out(struct t1_stretch *s, unsigned int n, unsigned int nspecial)
{
	s->npinned -= n;
	s->nspecial -= nspecial;
	if (!s->npinned && s->form != T1_LONE && !(s->form == T1_FULL && full_is_small(s)))
		become_lone(s);
}

/* Take another form, with memory for it. A run's first word is @base. */
static void move(struct t1_stretch *s, unsigned int form, struct t1_spare *spare, u64 base)
{
	unsigned int room = form == T1_FEW ? FEW_ROOM(spare->bytes) : 0, slot, n = 0;
	u64 *words = form == T1_FULL ? full_words(spare) : spare->pages, word;
	u16 *slots = (u16 *)(words + room);
	void *from = s->pages;

	if (form == T1_FULL && spare->bytes == PAGE_SIZE)
		base = STRETCH_PAGES << 16;
	else if (form == T1_FULL)
		base = spare->first | spare->end << 16;
	if (form == T1_FEW && s->form == T1_FEW) {
		memcpy(words, from, s->npinned * sizeof(u64));
		memcpy(slots, few_slots(s), s->npinned * sizeof(u16));
		base = s->word;
		goto moved;
	}
	if (form == T1_FULL && s->form == T1_FEW) {
		for (; n < s->npinned; n++)
			words[few_slots(s)[n]] = few_words(s)[n];
		goto moved;
	}
	for (slot = 0; (slot = next(s, slot, STRETCH_PAGES, &word)) < STRETCH_PAGES; slot++) {
		if (form == T1_RUN) {
			__set_bit(slot, (unsigned long *)words);
		} else if (form == T1_FULL) {
			words[slot] = word;
		} else {
			words[n] = word;
			slots[n++] = slot;
			base |= t1_few_bit(slot);
		}
	}
moved:
	s->word = base;
	s->room = room;
	s->form = form;
	spare->pages = NULL;
	/* Pairs with the address dependency behind t1_stretch_words(). */
	smp_store_release(&s->pages, form == T1_FULL ? (void *)words + T1_STRETCH_FULL :
						       (void *)words);
	kfree(from);
}

/* Say what is wanted, unless it is there already. */
static bool spare_lacks(struct t1_spare *spare, size_t bytes)
{
	if (spare->pages && spare->bytes == bytes)
		return false;
	t1_spare_end(spare);
	spare->bytes = bytes;
	return true;
}

/* Are they few that were pinned one behind the other? Then there are more to come. */
static bool is_dense(struct t1_stretch *s)
{
	return s->form == T1_FEW && s->npinned > FEW_ROOM(RUN_BYTES) &&
	       few_slots(s)[s->npinned - 1] - few_slots(s)[0] + 1 == s->npinned;
}

/*
 * The memory for so many, of which some have counts: to be full, or for few. A small
 * mapping's is full at once.
 */
static size_t bytes_for(struct t1_stretch *s, unsigned int npinned,
			const struct t1_spare *spare)
{
	size_t full = full_bytes(spare), bytes = LEAST_BYTES;

	if (is_dense(s) || full <= SMALL_BYTES)
		return full;
	while (FEW_ROOM(bytes) < npinned)
		bytes *= 4;
	return bytes <= FEW_MOST_BYTES && bytes < full ? bytes : full;
}

/* Have room for @npinned pages in a form that has counts. */
static int widen(struct t1_stretch *s, unsigned int npinned, struct t1_spare *spare)
{
	size_t bytes = bytes_for(s, npinned, spare);

	if (spare_lacks(spare, bytes))
		return -EAGAIN;
	move(s, bytes == full_bytes(spare) ? T1_FULL : T1_FEW, spare, 0);
	return 0;
}

/* Would all its pages and @n more from a slot on be one run? */
static bool makes_run(struct t1_stretch *s, unsigned int slot,
		      const struct t1_source *src, unsigned long n)
{
	u64 base = source_word(src, 0) - slot, word;
	unsigned int at;

	if (src->run < n || s->form == T1_FULL)
		return false;
	if (s->form == T1_RUN)
		return s->word == base;
	for (at = 0; (at = next(s, at, STRETCH_PAGES, &word)) < STRETCH_PAGES; at++)
		if (word != base + at)
			return false;
	return true;
}

/* Have room for @n pages more from a slot on, none of which is pinned. */
static int make_room(struct t1_stretch *s, unsigned int slot,
		     const struct t1_source *src, unsigned long n,
		     struct t1_spare *spare)
{
	if (s->form == T1_FULL || (s->form == T1_LONE && s->npinned + n == 1) ||
	    (s->form == T1_FEW && s->npinned + n <= s->room))
		return 0;
	if (!makes_run(s, slot, src, n))
		return widen(s, s->npinned + n, spare);
	if (s->form == T1_RUN)
		return 0;
	if (spare_lacks(spare, RUN_BYTES))
		return -EAGAIN;
	move(s, T1_RUN, spare, source_word(src, 0) - slot);
	return 0;
}

/* Put a word where none is, but into a run; there is room for it. */
static void put(struct t1_stretch *s, unsigned int slot, u64 word)
{
	if (is_few(s))
		few_insert(s, few_find(s, slot), slot, word);
	else
		WRITE_ONCE(t1_stretch_words(s)[slot], word);
	s->npinned++;
	s->nspecial += !!t1_word_special(word);
}

static noinline bool few_put_between(struct t1_stretch *s, unsigned int slot, u64 word)
{
	unsigned int at = few_find(s, slot);

	if (few_slots(s)[at] == slot)
		return false;
	few_insert(s, at, slot, word);
	s->npinned++;
	return true;
}

/* Most come in order. There is one: without any a stretch is lone, see count_out(). */
static __always_inline bool few_put(struct t1_stretch *s, unsigned int slot, u64 word)
{
	unsigned int at = s->npinned;
	u16 *slots = few_slots(s);

	if (at == s->room)
		return false;
	if (slots[at - 1] >= slot)
		return few_put_between(s, slot, word);
	few_words(s)[at] = word;
	slots[at] = slot;
	s->word |= t1_few_bit(slot);
	s->npinned++;
	return true;
}

/* What t1_stretch_put() does where there are few pages, or a run. */
bool __t1_stretch_put(struct t1_stretch *s, unsigned int slot, u64 word)
{
	if (s->form == T1_FEW)
		return few_put(s, slot, word);
	if (s->form != T1_RUN || word != s->word + slot || __test_and_set_bit(slot, s->pages))
		return false;
	s->npinned++;
	return true;
}

/**
 * t1_stretch_add - record pages that are not pinned
 * @s: where
 * @slot: of the first
 * @n: how many, in the stretch
 * @src: them
 * @spare: memory to grow into
 * @counted: grows by how many of those that were count as locked memory
 *
 * Context: the stretch's lock is held.
 * Return: how many were, up to one that is pinned; 0: the first is;
 * -EAGAIN: call again after t1_spare_fill().
 */
long t1_stretch_add(struct t1_stretch *s, unsigned int slot, unsigned long n,
		    const struct t1_source *src, struct t1_spare *spare,
		    unsigned long *counted)
{
	unsigned int nspecial = s->nspecial;
	unsigned long i;
	int ret;

	lockdep_assert_held(&s->lock);
	n = t1_stretch_hole(s, slot, n);
	if (!n)
		return 0;
	/* What goes on with a run is added to it first. */
	if (s->form == T1_RUN && source_word(src, 0) == s->word + slot)
		n = min(n, src->run);
	ret = make_room(s, slot, src, n, spare);
	if (ret)
		return ret;
	if (s->form == T1_RUN) {
		bitmap_set(s->pages, slot, n);
		s->npinned += n;
		s->nspecial += t1_word_special(s->word + slot) ? n : 0;
	} else if (s->form == T1_FULL && !src->nreserved) {
		u64 *words = t1_stretch_words(s) + slot;

		for (i = 0; i < n; i++)
			WRITE_ONCE(words[i], t1_word_of(src->pages[i]));
		s->npinned += n;
	} else {
		for (i = 0; i < n; i++)
			put(s, slot + i, source_word(src, i));
	}
	*counted += n - (s->nspecial - nspecial);
	return n;
}

/**
 * t1_stretch_raise - pin what is pinned once more
 * @s: where
 * @slot: of the first
 * @n: how many, in the stretch
 * @pages: filled in
 * @spare: memory to grow into
 *
 * Context: the stretch's lock is held.
 * Return: how many were, up to one that is not pinned; -EAGAIN: call again after
 * t1_spare_fill(); -EOVERFLOW: the first is pinned two million times.
 */
long t1_stretch_raise(struct t1_stretch *s, unsigned int slot, unsigned long n,
		      struct page **pages, struct t1_spare *spare)
{
	unsigned long i;
	u64 *word;
	int ret;

	lockdep_assert_held(&s->lock);
	if (!t1_stretch_holds(s, slot))
		return 0;
	if (s->form == T1_RUN) {
		ret = widen(s, s->npinned, spare);
		if (ret)
			return ret;
	}
	for (i = 0; i < n; i++) {
		word = word_of(s, slot + i);
		if (!word || !t1_word_raise(word, pages + i))
			break;
	}
	return i ?: -EOVERFLOW;
}

/**
 * t1_stretch_hole - what is not pinned
 * @s: where
 * @slot: of the first
 * @n: how many to look at, in the stretch
 *
 * Context: the stretch's lock is held.
 * Return: how many are not, up to one that is.
 */
unsigned long t1_stretch_hole(struct t1_stretch *s, unsigned int slot, unsigned long n)
{
	u64 word;

	lockdep_assert_held(&s->lock);
	return s->npinned ? next(s, slot, slot + n, &word) - slot : n;
}

/*
 * Undo one pin of a word, or all. Return what it was if that was the last, or 0: there are
 * others, or there was none.
 */
static u64 word_drop(u64 *word, bool all)
{
	u64 old = READ_ONCE(*word), new;

	do {
		new = old < 2 * T1_WORD_ONE || all ? 0 : old - T1_WORD_ONE;
	} while (unlikely(!try_cmpxchg(word, &old, new)));
	return new ? 0 : old;
}

/* What t1_stretch_drop() does in general. */
u64 __t1_stretch_drop(struct t1_stretch *s, unsigned int slot)
{
	u64 *at, word = 0;

	lockdep_assert_held(&s->lock);
	/* Nor look further: of a mapping that is gone the words may just be going. */
	if (!s->npinned)
		return 0;
	if (s->form == T1_RUN) {
		if (__test_and_clear_bit(slot, s->pages))
			word = s->word + slot;
	} else {
		at = word_of(s, slot);
		if (at)
			word = word_drop(at, false);
		if (word && s->form == T1_FEW)
			few_delete(s, at - few_words(s));
	}
	if (word)
		count_out(s, 1, !!t1_word_special(word));
	return word;
}

/* So many at once are released without a chance to reschedule. */
#define BATCH_RUN	BIT(16)

/* Let go of @n consecutive pages; false if there is no room for them. */
static bool batch_add(struct t1_batch *batch, u64 word, unsigned int n)
{
	unsigned int special = t1_word_special(word);
	struct page *page = pfn_to_page(t1_word_pfn(word));

	if (special & T1_PAGE_BARE)
		return true;
	if (n == 1 && batch->npages < ARRAY_SIZE(batch->pages)) {
		batch->pages[batch->npages++] = page;
	} else if (!batch->nrun) {
		batch->run = page;
		batch->nrun = n;
	} else if (page_to_pfn(page) == page_to_pfn(batch->run) + batch->nrun &&
		   batch->nrun < BATCH_RUN) {
		batch->nrun += n;
	} else {
		return false;
	}
	if (!special)
		batch->counted += n;
	return true;
}

static unsigned int drop_few(struct t1_stretch *s, unsigned int slot,
			     unsigned int end, struct t1_batch *batch)
{
	unsigned int at = few_find(s, slot), to = at, n = s->npinned, nspecial = 0;
	u16 *slots = few_slots(s);
	u64 *words = few_words(s);

	/* What stays moves to where what went was. */
	for (; at < n && slots[at] < end; at++) {
		if (!batch->all && words[at] >= 2 * T1_WORD_ONE) {
			words[to] = words[at] - T1_WORD_ONE;
			slots[to++] = slots[at];
			continue;
		}
		if (!batch_add(batch, words[at], 1)) {
			end = slots[at];
			break;
		}
		nspecial += !!t1_word_special(words[at]);
	}
	if (at == to)
		return end;
	memmove(words + to, words + at, (n - at) * sizeof(u64));
	memmove(slots + to, slots + at, (n - at) * sizeof(u16));
	count_out(s, at - to, nspecial);
	return end;
}

static unsigned int drop_run(struct t1_stretch *s, unsigned int slot,
			     unsigned int end, struct t1_batch *batch)
{
	unsigned int from, n = 0, nspecial = 0;

	while ((from = find_next_bit(s->pages, end, slot)) < end) {
		slot = find_next_zero_bit(s->pages, end, from);
		if (!batch_add(batch, s->word + from, slot - from)) {
			end = from;
			break;
		}
		bitmap_clear(s->pages, from, slot - from);
		n += slot - from;
		nspecial += t1_word_special(s->word + from) ? slot - from : 0;
	}
	count_out(s, n, nspecial);
	return end;
}

static unsigned int drop_full(struct t1_stretch *s, unsigned int slot,
			      unsigned int end, struct t1_batch *batch)
{
	u64 *words = t1_stretch_words(s), *word = words + max(slot, full_first(s));
	u64 *last = words + min(end, full_end(s)), old;
	unsigned int special = 0, bare = 0, n = batch->npages;

	for (; word < last; word++) {
		if (unlikely(n == ARRAY_SIZE(batch->pages)))
			break;
		old = READ_ONCE(*word);
		if (unlikely(!T1_WORD_IS_PLAIN(old) || !try_cmpxchg(word, &old, 0))) {
			old = old ? word_drop(word, batch->all) : 0;
			if (!old)
				continue;
			special += !!t1_word_special(old);
			if (t1_word_special(old) & T1_PAGE_BARE) {
				bare++;
				continue;
			}
		}
		batch->pages[n++] = pfn_to_page(t1_word_pfn(old));
	}
	if (word < last)
		end = word - words;
	n -= batch->npages;
	batch->npages += n;
	batch->counted += n + bare - special;
	count_out(s, n + bare, special);
	return end;
}

/**
 * t1_stretch_drop_some - undo one pin of each
 * @s: where
 * @slot: of the first
 * @n: how many, in the stretch; those that are not pinned are passed over
 * @batch: takes those that nobody pins any more
 *
 * Context: the stretch's lock is held. Needs no memory.
 * Return: how many were looked at: fewer when the batch is full, which is then
 * to be released before the rest is dropped.
 */
unsigned long t1_stretch_drop_some(struct t1_stretch *s, unsigned int slot,
				   unsigned long n, struct t1_batch *batch)
{
	lockdep_assert_held(&s->lock);
	switch (s->form) {
	case T1_LONE:
	case T1_FEW:
		return drop_few(s, slot, slot + n, batch) - slot;
	case T1_RUN:
		return drop_run(s, slot, slot + n, batch) - slot;
	default:
		return drop_full(s, slot, slot + n, batch) - slot;
	}
}

/**
 * t1_stretch_counted - how many pages count as locked memory
 * @s: where
 * @slot: of the first
 * @n: how many to look at, in the stretch
 *
 * Context: the stretch's lock is held.
 * Return: how many, each once.
 */
unsigned int t1_stretch_counted(struct t1_stretch *s, unsigned int slot,
				unsigned long n)
{
	unsigned int counted = 0, end = slot + n;
	u64 word;

	lockdep_assert_held(&s->lock);
	if (!s->npinned || n == STRETCH_PAGES)
		return s->npinned - s->nspecial;
	for (; (slot = next(s, slot, end, &word)) < end; slot++)
		counted += t1_word_is_counted(word);
	return counted;
}

/**
 * t1_stretch_mark - set the bits of what is pinned
 * @s: where
 * @slot: of the first
 * @n: how many to look at, in the stretch
 * @bitmap: its bits
 * @bit: that of the first
 *
 * Context: the stretch's lock is held.
 */
void t1_stretch_mark(struct t1_stretch *s, unsigned int slot, unsigned long n,
		     unsigned long *bitmap, unsigned long bit)
{
	unsigned int end = slot + n, at;
	u64 word, *words;

	lockdep_assert_held(&s->lock);
	bit -= slot;
	if (s->npinned == STRETCH_PAGES) {
		bitmap_set(bitmap, bit + slot, n);
	} else if (s->form == T1_FULL) {
		slot = max(slot, full_first(s));
		end = min(end, full_end(s));
		for (words = t1_stretch_words(s); slot < end; slot++)
			if (READ_ONCE(words[slot]))
				__set_bit(bit + slot, bitmap);
	} else if (is_few(s)) {
		const u16 *slots = few_slots(s);
		unsigned int npinned = s->npinned;

		for (at = few_find(s, slot); at < npinned && slots[at] < end; at++)
			__set_bit(bit + slots[at], bitmap);
	} else {
		for (; (slot = next(s, slot, end, &word)) < end; slot++)
			__set_bit(bit + slot, bitmap);
	}
}

/**
 * t1_spare_fill - get the memory that a stretch wanted
 * @spare: says how much
 *
 * Context: process context, the stretch's lock is not held. Sleeps.
 * Return: 0 or -ENOMEM.
 */
int t1_spare_fill(struct t1_spare *spare)
{
	if (spare->bytes == PAGE_SIZE)
		spare->pages = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	else
		spare->pages = kzalloc(spare->bytes, GFP_KERNEL_ACCOUNT);
	return spare->pages ? 0 : -ENOMEM;
}

/**
 * t1_spare_end - no more is wanted
 * @spare: what t1_spare_fill() may have filled
 *
 * Context: any that may not hold a lock of the scheduler's.
 */
void t1_spare_end(struct t1_spare *spare)
{
	if (likely(!spare->pages))
		return;
	if (spare->bytes == PAGE_SIZE)
		free_page((unsigned long)spare->pages);
	else
		kfree(spare->pages);
	spare->pages = NULL;
}

/**
 * t1_record_make - find a stretch, or make it
 * @record: where
 * @index: in it
 *
 * Context: process context; the record stays meanwhile. Sleeps.
 * Return: the stretch, or NULL: out of memory.
 */
struct t1_stretch *t1_record_make(struct t1_record *record, unsigned long index)
{
	struct t1_stretch *s, *other;

	BUILD_BUG_ON(STRETCH_PAGES > U16_MAX || RUN_BYTES < sizeof(long));
#ifdef MAX_PHYSMEM_BITS
	BUILD_BUG_ON(T1_PFN_BITS + PAGE_SHIFT - MAX_PHYSMEM_BITS < 0);
#endif
	rcu_read_lock();
	s = t1_record_stretch(record, index);
	rcu_read_unlock();
	if (s)
		return s;
	s = kzalloc(sizeof(*s), GFP_KERNEL_ACCOUNT);
	if (!s)
		return NULL;
	spin_lock_init(&s->lock);
	other = xa_cmpxchg(&record->stretches, index >> STRETCH_SHIFT, NULL, s,
			   GFP_KERNEL_ACCOUNT);
	if (likely(!other))
		return s;
	kfree(s);
	return xa_is_err(other) ? NULL : other;
}

/**
 * t1_record_is_idle - is nothing pinned, nor about to be, as far as is seen at once?
 * @record: where; it gets no new stretches meanwhile
 *
 * Context: the record's lock is held, inside of which that of a stretch is only tried.
 * Return: yes, or perhaps not.
 */
bool t1_record_is_idle(struct t1_record *record)
{
	struct t1_stretch *s = rcu_dereference_raw(record->stretches.xa_head);
	bool idle;

	lockdep_assert_held(&record->stretches.xa_lock);
	if (!s)
		return true;
	if (xa_is_internal(s) || !spin_trylock(&s->lock))
		return false;
	idle = !s->npinned && !atomic_read(&s->busy);
	spin_unlock(&s->lock);
	return idle;
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
 * @record: nothing is pinned in it after this
 * @dirty: the pages may have been written to
 *
 * Context: process context, nobody else pins or unpins. Sleeps. Needs no memory.
 * Return: how many of its pages counted as locked memory.
 */
unsigned long t1_record_release(struct t1_record *record, bool dirty)
{
	struct t1_batch batch = { .all = true };
	struct t1_stretch *s;
	unsigned long place;

	xa_for_each(&record->stretches, place, s) {
		unsigned int slot = 0;

		while (slot < STRETCH_PAGES) {
			t1_stretch_lock(s);
			slot += t1_stretch_drop_some(s, slot, STRETCH_PAGES - slot, &batch);
			t1_stretch_unlock(s);
			if (slot < STRETCH_PAGES)
				t1_batch_release(&batch, dirty);
		}
		cond_resched();
	}
	t1_batch_release(&batch, dirty);
	return batch.counted;
}

/**
 * t1_record_free - free the memory of a record
 * @record: in which nothing is pinned, or what is, is lost
 *
 * A call may have found one of its stretches under RCU, to unpin what is not pinned.
 *
 * Context: process context, nobody who does not find it under RCU uses it. Sleeps if
 * it is large.
 */
void t1_record_free(struct t1_record *record)
{
	struct t1_stretch *s;
	unsigned long place;

	xa_for_each(&record->stretches, place, s) {
		if (s->form != T1_LONE)
			become_lone(s);
		kfree_rcu(s, rcu);
		cond_resched();
	}
	xa_destroy(&record->stretches);
}

/**
 * t1_record_counted - how many pages count as locked memory
 * @record: where; pages may come and go meanwhile
 *
 * Context: process context, the record stays. Sleeps.
 * Return: how many, each once.
 */
unsigned long t1_record_counted(struct t1_record *record)
{
	unsigned long place, counted = 0;
	struct t1_stretch *s;

	xa_for_each(&record->stretches, place, s) {
		t1_stretch_lock(s);
		counted += t1_stretch_counted(s, 0, STRETCH_PAGES);
		t1_stretch_unlock(s);
		cond_resched();
	}
	return counted;
}

/**
 * t1_record_bytes - the memory that a record takes
 * @record: it
 *
 * Context: process context, the record stays. Sleeps.
 * Return: bytes, without those of the array.
 */
unsigned long t1_record_bytes(struct t1_record *record)
{
	unsigned long place, bytes = 0;
	struct t1_stretch *s;

	xa_for_each(&record->stretches, place, s) {
		t1_stretch_lock(s);
		bytes += sizeof(*s);
		if (s->form == T1_FULL)
			bytes += full_memory(s) ? ksize(full_memory(s)) : PAGE_SIZE;
		else if (s->pages)
			bytes += ksize(s->pages);
		t1_stretch_unlock(s);
		cond_resched();
	}
	return bytes;
}

/**
 * t1_record_extent - find consecutive pages
 * @record: where
 * @index: from where on; the first that was found
 * @last: up to where, or to the end of the stretch
 * @pfn: of the first
 * @npages: how many, all alike; the next extent may go on where this one ends
 * @bare: they are, see T1_PAGE_BARE
 *
 * Context: nobody changes the record.
 * Return: false if there is none.
 */
bool t1_record_extent(struct t1_record *record, unsigned long *index,
		      unsigned long last, unsigned long *pfn,
		      unsigned long *npages, bool *bare)
{
	struct t1_stretch *s = t1_record_stretch(record, *index);
	unsigned int slot = t1_slot(*index), end, first, at;
	u64 word, what;

	end = slot + t1_in_stretch(*index, last - *index + 1);
	first = s ? next(s, slot, end, &word) : end;
	if (first == end)
		return false;
	*index += first - slot;
	*pfn = t1_word_pfn(word);
	*bare = t1_word_special(word) & T1_PAGE_BARE;
	what = t1_word_what(word) - first;
	at = first + 1;
	if (s->form == T1_RUN)
		at = find_next_zero_bit(s->pages, end, first);
	while (at < end && next(s, at, at + 1, &word) == at &&
	       t1_word_what(word) == what + at)
		at++;
	*npages = at - first;
	return true;
}

#if IS_ENABLED(CONFIG_VFIO_MDEV_KUNIT_TEST)
#include "record_test.c"
#endif
