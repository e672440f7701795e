/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is pinned where, and how often
 *
 * A record maps indices, which are page numbers of a mapping, to pages and counts.
 * It is an array of stretches of as many indices as a page has words: a huge page
 * of the address space each. A stretch is made for the first pin in it and stays
 * as long as the record, so whoever has found one under RCU may lock it.
 *
 * A user of a record says which slots of a stretch can be pinned at all, as its mapping
 * may end there; of a range that is looked at or dropped the others are passed over.
 *
 * Its lock guards all that is in it, but for one thing, which drivers do most: a word
 * of a full stretch that counts one pin at least may be made to count more, or fewer
 * but one at least, without the lock, under RCU. So the words of a full stretch are
 * changed by cmpxchg, and freed after a grace period; only who has the lock makes
 * one 0, or something else.
 *
 * Whoever needs memory for a stretch to grow gets it without its lock: see struct
 * t1_spare.
 */
#ifndef _VFIO_TYPE1_RECORD_H
#define _VFIO_TYPE1_RECORD_H

#include <linux/atomic.h>
#include <linux/bits.h>
#include <linux/rcupdate.h>
#include <linux/spinlock.h>
#include <linux/xarray.h>

#include "pages.h"

#define STRETCH_SHIFT	(PAGE_SHIFT - 3)
#define STRETCH_PAGES	BIT(STRETCH_SHIFT)

/**
 * struct t1_record - which page backs which index, and how often it is pinned
 * @stretches: by their place, which is an index without its lowest STRETCH_SHIFT bits
 */
struct t1_record {
	struct xarray stretches;
};

/* The forms of a stretch, see record.c. */
enum { T1_LONE, T1_FEW, T1_RUN, T1_FULL };

/**
 * struct t1_stretch - consecutive indices of a record
 * @lock: of all that follows, but see above
 * @busy: calls that are about to pin a page in it, or to release one; it grows under
 *	the lock
 * @npinned: how many of its slots are
 * @nspecial: how many of these are special
 * @slot: lone: of the page
 * @room: few: slots that there is memory for
 * @form: of the following
 * @pages: what there is to know of its pages; the address is tagged where it is full
 * @word: lone: the page's; few: t1_few_bit() of each slot that is or was pinned; run:
 *	the word that slot 0 has or would have, which alone is none where that page's
 *	number would be below 0; full: for which slots there are words
 * @rcu: when it is freed, as nothing is pinned. A reader finds no tag in @pages then
 *
 * There may be one for each page that is pinned: keep it at 32 bytes.
 */
struct t1_stretch {
	spinlock_t lock;	/* of all that follows */
	atomic_t busy;
	u16 npinned;
	u16 nspecial;
	union {
		u16 slot;
		u16 room;
	};
	u8 form;
	union {
		struct {
			void *pages;
			u64 word;
		};
		struct rcu_head rcu;
	};
};

/**
 * struct t1_spare - memory for a stretch to grow into, got outside its lock
 * @pages: it, or NULL
 * @bytes: how much it is, or how much is wanted
 * @first: the first slot that can be pinned
 * @end: the one behind the last
 *
 * No page is ever pinned in the stretch outside of these two.
 */
struct t1_spare {
	void *pages;
	size_t bytes;
	u16 first;
	u16 end;
};

/**
 * struct t1_batch - pages that a record let go of, to be released unlocked
 * @npages: in @pages
 * @run: the first of @nrun consecutive pages
 * @nrun: how many
 * @counted: pages that counted as locked memory, of this and earlier batches
 * @all: whatever is pinned is to go, however often
 * @pages: single pages
 */
struct t1_batch {
	unsigned int npages;
	unsigned int nrun;
	struct page *run;
	unsigned long counted;
	bool all;
	struct page *pages[64];
};

/*
 * A word stands for a page that is pinned: its number, how often, and what is
 * special about it. 0 is not pinned; one whose highest bit is set cannot be pinned
 * more often.
 */
#define T1_WORD_ONE		BIT_ULL(T1_PFN_BITS + 2)
#define T1_WORD_SPECIAL_SHIFT	T1_PFN_BITS
#define T1_WORD_PFN		T1_PFN_MAX

static inline unsigned long t1_word_pfn(u64 word)
{
	return word & T1_WORD_PFN;
}

/* All but its count. */
static inline u64 t1_word_what(u64 word)
{
	return word & (T1_WORD_ONE - 1);
}

static inline unsigned int t1_word_special(u64 word)
{
	return (word >> T1_WORD_SPECIAL_SHIFT) & (T1_PAGE_RESERVED | T1_PAGE_BARE);
}

static inline bool t1_word_is_counted(u64 word)
{
	return !(word & (u64)T1_PAGE_RESERVED << T1_WORD_SPECIAL_SHIFT);
}

/* The word of a page that is pinned once, and nothing special. */
static inline u64 t1_word_of(struct page *page)
{
	return T1_WORD_ONE | page_to_pfn(page);
}

static inline void t1_record_init(struct t1_record *record)
{
	xa_init_flags(&record->stretches, XA_FLAGS_ACCOUNT);
}

/* It is held from one function to another, which sparse cannot follow. */
static inline void t1_stretch_lock(struct t1_stretch *s)
{
	spin_lock(&s->lock);
	__release(&s->lock);
}

static inline void t1_stretch_unlock(struct t1_stretch *s)
{
	__acquire(&s->lock);
	spin_unlock(&s->lock);
}

/* The slot of an index in its stretch. */
static inline unsigned int t1_slot(unsigned long index)
{
	return index & (STRETCH_PAGES - 1);
}

/*
 * One of 64 bits that stands for a slot, for few: so that slots which lie near each
 * other, or at a regular distance, have bits of their own.
 */
static inline u64 t1_few_bit(unsigned int slot)
{
	return BIT_ULL((slot ^ slot >> 4) % 64);
}

/* How many of @n indices lie in the stretch of the first. */
static inline unsigned long t1_in_stretch(unsigned long index, unsigned long n)
{
	return min(n, STRETCH_PAGES - t1_slot(index));
}

/*
 * Find a stretch under RCU; shorter than xa_load(), which must do for all arrays. In
 * this one are stretches and nothing else, so what has the bit is a node, or says that
 * there was one just now.
 */
#define T1_ENTRY_INTERNAL	2UL

/* The place of an index in a node; that the shift is one is not for UBSAN to check. */
static __always_inline unsigned long t1_node_slot(const struct xa_node *node,
						  unsigned long index)
{
	return index >> (node->shift + STRETCH_SHIFT) % BITS_PER_LONG;
}

static __always_inline struct t1_stretch *
t1_record_stretch(const struct t1_record *record, unsigned long index)
{
	void *entry = rcu_dereference_raw(record->stretches.xa_head);
	const struct xa_node *node;
	void __rcu *const *slots;
	unsigned long slot;

	if (unlikely(!((unsigned long)entry & T1_ENTRY_INTERNAL)))
		return index >> STRETCH_SHIFT ? NULL : entry;
	node = xa_to_node(entry);
	slot = t1_node_slot(node, index);
	if (unlikely(slot >= XA_CHUNK_SIZE))
		return NULL;
	for (;;) {
		slots = node->slots;
		entry = rcu_dereference_raw(slots[slot]);
		if (likely(!((unsigned long)entry & T1_ENTRY_INTERNAL)))
			return entry;
		if (unlikely(!xa_is_node(entry)))
			return NULL;
		node = xa_to_node(entry);
		slot = t1_node_slot(node, index) & XA_CHUNK_MASK;
	}
}

#define T1_STRETCH_FULL	1UL

/* The word of a slot if the stretch is full. The lock is held, or under RCU. */
static __always_inline bool t1_stretch_is_full(const struct t1_stretch *s,
					       unsigned int slot, u64 **word)
{
	/* The words are written before: pairs with smp_store_release() in move(). */
	unsigned long pages = (unsigned long)READ_ONCE(s->pages);

	*word = (u64 *)(pages + slot * sizeof(u64) - T1_STRETCH_FULL);
	return likely(pages & T1_STRETCH_FULL);
}

/* Its words, or NULL. */
static inline u64 *t1_stretch_words(const struct t1_stretch *s)
{
	u64 *words;

	return t1_stretch_is_full(s, 0, &words) ? words : NULL;
}

/* Pin what is pinned once more, if it can be. */
static __always_inline bool t1_word_raise(u64 *word, struct page **page)
{
	u64 old = READ_ONCE(*word), new;

	do {
		/* Its count is neither 0 nor the highest. */
		if (unlikely((s64)old <= 0))
			return false;
		new = old + T1_WORD_ONE;
	} while (unlikely(!try_cmpxchg(word, &old, new)));
	*page = pfn_to_page(t1_word_pfn(new));
	return true;
}

/* Undo one of several pins. */
static __always_inline bool t1_word_lower(u64 *word)
{
	u64 old = READ_ONCE(*word);

	do {
		if (old < 2 * T1_WORD_ONE)
			return false;
	} while (unlikely(!try_cmpxchg(word, &old, old - T1_WORD_ONE)));
	return true;
}

/**
 * t1_words_raise - pin what is pinned once more, if that is easy
 * @words: of a full stretch, from the first slot on
 * @n: how many
 * @pages: filled in
 *
 * Context: under RCU.
 * Return: how many were from the first on.
 */
static inline unsigned long t1_words_raise(u64 *words, unsigned long n,
					   struct page **pages)
{
	unsigned long i = 0;

	/* Two at a time, for the loop itself is a fifth of it. */
	for (; i + 1 < n; i += 2) {
		if (!t1_word_raise(words + i, pages + i))
			return i;
		if (!t1_word_raise(words + i + 1, pages + i + 1))
			return i + 1;
	}
	return i < n && t1_word_raise(words + i, pages + i) ? n : i;
}

struct t1_stretch *t1_record_make(struct t1_record *record, unsigned long index);
bool t1_record_is_idle(struct t1_record *record);
unsigned long t1_record_release(struct t1_record *record, bool dirty);
void t1_record_free(struct t1_record *record);
unsigned long t1_record_counted(struct t1_record *record);
unsigned long t1_record_bytes(struct t1_record *record);
bool t1_record_extent(struct t1_record *record, unsigned long *index,
		      unsigned long last, unsigned long *pfn,
		      unsigned long *npages, bool *bare);

/* No page was ever pinned. Reliable under the lock. */
static inline bool t1_record_is_new(struct t1_record *record)
{
	return xa_empty(&record->stretches);
}

/*
 * Is a page likely to be pinned in a stretch that is not full? A run is not looked into:
 * it has no counts, so that happens once to each. The lock may not be held, and then it
 * may be wrong.
 */
static __always_inline bool t1_stretch_may_hold(const struct t1_stretch *s,
						unsigned int slot)
{
	if (likely(s->form >= T1_RUN))
		return false;
	if (s->form == T1_FEW)
		return s->word & t1_few_bit(slot);
	return s->npinned && s->slot == slot;
}

unsigned long t1_stretch_hole(struct t1_stretch *s, unsigned int slot, unsigned long n);

/* Is it pinned? The stretch's lock is held. */
static inline bool t1_stretch_holds(struct t1_stretch *s, unsigned int slot)
{
	return !t1_stretch_hole(s, slot, 1);
}

long t1_stretch_raise(struct t1_stretch *s, unsigned int slot, unsigned long n,
		      struct page **pages, struct t1_spare *spare);
bool __t1_stretch_put(struct t1_stretch *s, unsigned int slot, u64 word);

/**
 * t1_stretch_put - record a page, if that is easy
 * @s: where
 * @slot: of it
 * @word: its: pinned once, and nothing special
 *
 * Context: the stretch's lock is held.
 * Return: success; if not, a page is recorded there, or t1_stretch_add() knows more.
 */
static __always_inline bool t1_stretch_put(struct t1_stretch *s, unsigned int slot,
					   u64 word)
{
	u64 *at;

	lockdep_assert_held(&s->lock);
	if (t1_stretch_is_full(s, slot, &at)) {
		if (unlikely(READ_ONCE(*at)))
			return false;
		WRITE_ONCE(*at, word);
	} else if (s->form == T1_LONE && !s->npinned) {
		s->word = word;
		s->slot = slot;
	} else {
		return __t1_stretch_put(s, slot, word);
	}
	s->npinned++;
	return true;
}

long t1_stretch_add(struct t1_stretch *s, unsigned int slot, unsigned long n,
		    const struct t1_source *src, struct t1_spare *spare,
		    unsigned long *counted);
u64 __t1_stretch_drop(struct t1_stretch *s, unsigned int slot);

/* Pinned once, and nothing special. */
#define T1_WORD_IS_PLAIN(word)	((word) >> T1_WORD_SPECIAL_SHIFT ==	\
				 T1_WORD_ONE >> T1_WORD_SPECIAL_SHIFT)

/**
 * t1_stretch_drop - undo one pin of a page
 * @s: where
 * @slot: of it
 *
 * Context: the stretch's lock is held. Needs no memory.
 * Return: the page's word if nobody pins it any more, for t1_word_release(), or 0.
 */
static __always_inline u64 t1_stretch_drop(struct t1_stretch *s, unsigned int slot)
{
	u64 *at, old;

	lockdep_assert_held(&s->lock);
	if (t1_stretch_is_full(s, slot, &at)) {
		old = READ_ONCE(*at);
		if (likely(T1_WORD_IS_PLAIN(old) && s->npinned > 1) &&
		    likely(try_cmpxchg(at, &old, 0))) {
			s->npinned--;
			return old;
		}
	} else if (s->form == T1_LONE && s->npinned && s->slot == slot &&
		   T1_WORD_IS_PLAIN(s->word)) {
		s->npinned = 0;
		return s->word;
	}
	return __t1_stretch_drop(s, slot);
}

unsigned long t1_stretch_drop_some(struct t1_stretch *s, unsigned int slot,
				   unsigned long n, struct t1_batch *batch);
unsigned int t1_stretch_counted(struct t1_stretch *s, unsigned int slot,
				unsigned long n);
void t1_stretch_mark(struct t1_stretch *s, unsigned int slot, unsigned long n,
		     unsigned long *bitmap, unsigned long bit);

int t1_spare_fill(struct t1_spare *spare);
void t1_spare_end(struct t1_spare *spare);

void t1_batch_release(struct t1_batch *batch, bool dirty);

/**
 * t1_word_release - release a page that was dropped
 * @word: its
 * @dirty: it may have been written to
 *
 * Context: process context. Sleeps.
 */
static __always_inline void t1_word_release(u64 word, bool dirty)
{
	struct page *page = pfn_to_page(t1_word_pfn(word));

	if (unlikely(t1_word_special(word) & T1_PAGE_BARE))
		return;
	if (dirty && !PageDirty(page))
		set_page_dirty_lock(page);
	unpin_user_page(page);
}

#endif /* _VFIO_TYPE1_RECORD_H */
