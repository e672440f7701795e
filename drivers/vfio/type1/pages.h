/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The page engine: pins pages of an address space, remembers which page backs
 * which place and how often it is pinned, charges them to the owner's locked
 * memory, and releases them. It knows nothing of IOVAs, containers or ioctls.
 *
 *	pages_get.c	pages out of an address space
 *	pages_record.c	what is pinned where
 *	pages_owner.c	whose address space it is, and its locked memory
 */
#ifndef _VFIO_TYPE1_PAGES_H
#define _VFIO_TYPE1_PAGES_H

#include <linux/atomic.h>
#include <linux/bits.h>
#include <linux/cred.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/xarray.h>

/* Pages are recorded by stretches of 2 MiB, the size of a huge page. */
#define STRETCH_SHIFT	9
#define STRETCH_PAGES	BIT(STRETCH_SHIFT)

/**
 * struct t1_owner - whose memory it is, and who pays for locking it
 * @refs: one for each mapping
 * @mm: the address space, kept from being freed but not from being emptied
 * @task: whose RLIMIT_MEMLOCK counts
 * @cred: the credentials that it had then
 * @lock_cap: the task was capable of CAP_IPC_LOCK: no limit
 */
struct t1_owner {
	refcount_t refs;
	struct mm_struct *mm;
	struct task_struct *task;
	const struct cred *cred;
	bool lock_cap;
};

struct t1_owner *t1_owner_new(void);

/* Is it what the current task makes? */
static inline bool t1_owner_is_current(const struct t1_owner *owner)
{
	/* What a task is capable of changes with its credentials only. */
	return owner->mm == current->mm && owner->cred == current_cred() &&
	       owner->task == current->group_leader;
}

void t1_owner_put(struct t1_owner *owner);
int t1_owner_charge(struct t1_owner *owner, unsigned long npages, bool force);

/* Is there room for a page more under the limit? The owner's mmap_lock is held. */
static __always_inline bool t1_owner_has_room(const struct t1_owner *owner)
{
	return owner->lock_cap || owner->mm->locked_vm <
	       task_rlimit(owner->task, RLIMIT_MEMLOCK) >> PAGE_SHIFT;
}

void t1_owner_uncharge(struct t1_owner *owner, unsigned long npages);

/* Give back the charge for a page, most often to the current task's memory. */
static __always_inline void t1_owner_uncharge_page(struct t1_owner *owner)
{
	struct mm_struct *mm = owner->mm;

	if (unlikely(mm != current->mm)) {
		t1_owner_uncharge(owner, 1);
		return;
	}
	mmap_write_lock(mm);
	if (!WARN_ON_ONCE(!mm->locked_vm))
		mm->locked_vm--;
	mmap_write_unlock(mm);
}

/**
 * struct t1_bill - whose memory cgroup pays for kernel memory, see t1_bill_begin()
 * @memcg: that of an owner, or NULL: that of the current task, which is as good
 * @before: what paid before
 */
struct t1_bill {
	struct mem_cgroup *memcg;
	struct mem_cgroup *before;
};

void __t1_bill_begin(struct t1_bill *bill, struct t1_owner *owner);
void __t1_bill_end(struct t1_bill *bill);

/**
 * t1_bill_begin - have the memory cgroup of an owner pay for what is allocated
 * @bill: initialised
 * @owner: whose
 *
 * Context: process context. The same task calls t1_bill_end(). What is allocated
 * meanwhile with __GFP_ACCOUNT, or for an XArray with XA_FLAGS_ACCOUNT, is charged.
 */
static inline void t1_bill_begin(struct t1_bill *bill, struct t1_owner *owner)
{
	bill->memcg = NULL;
	if (unlikely(owner->mm != current->mm || current->flags & PF_KTHREAD))
		__t1_bill_begin(bill, owner);
}

/**
 * t1_bill_end - the end of t1_bill_begin()
 * @bill: what that initialised
 *
 * Context: process context.
 */
static inline void t1_bill_end(struct t1_bill *bill)
{
	if (unlikely(bill->memcg))
		__t1_bill_end(bill);
}

/*
 * What is special about a page. Reserved ones do not count as locked memory.
 * Bare ones, which are I/O memory and the zero page, hold no pin and are
 * reserved, too.
 */
#define T1_PAGE_RESERVED	1
#define T1_PAGE_BARE		2

/**
 * struct t1_gup - a way into an address space, see t1_gup_begin()
 * @mm: it
 * @how: which function pins
 * @write: for writing
 */
struct t1_gup {
	struct mm_struct *mm;
	enum t1_gup_how {
		T1_GUP_OWN,
		T1_GUP_ADOPTED,
		T1_GUP_REMOTE,
	} how;
	bool write;
};

/**
 * struct t1_source - pages that were got
 * @pages: them, one pin of each, or NULL: it is I/O memory
 * @pfn: the first of it, consecutive
 * @run: how many from the start on are known to be consecutive and alike, at
 *	least one
 * @nreserved: how many are reserved; it may be that none has to be looked at
 */
struct t1_source {
	struct page **pages;
	unsigned long pfn;
	unsigned long run;
	unsigned long nreserved;
};

int t1_gup_begin(struct t1_gup *gup, struct mm_struct *mm, bool write,
		 unsigned long npages);
void t1_gup_end(struct t1_gup *gup);
long t1_gup_pages(struct t1_gup *gup, unsigned long vaddr, unsigned long npages,
		  struct page **pages, struct t1_source *src);

static inline unsigned int t1_gup_flags(bool write)
{
	return FOLL_LONGTERM | (write ? FOLL_WRITE : 0);
}

/* A page that has been pinned is not special; else it is unpinned. */
static inline bool t1_page_is_plain(struct page *page)
{
	if (likely(!PageReserved(page)))
		return true;
	unpin_user_page(page);
	return false;
}

/*
 * Pin a page of the current task's memory. If it is not there yet, or special in
 * any way, it is not pinned, and t1_gup_page_of() knows more.
 */
static inline bool t1_gup_own_page(unsigned long vaddr, bool write,
				   struct page **page)
{
	unsigned int flags = t1_gup_flags(write) | FOLL_NOFAULT;

	return likely(pin_user_pages_fast(vaddr, 1, flags, page) == 1) &&
	       t1_page_is_plain(*page);
}

bool t1_gup_page_of(struct mm_struct *mm, unsigned long vaddr, bool write,
		    struct page **page);

bool t1_page_is_bare(struct page *page);
void t1_unpin(struct page **pages, unsigned long npages, bool dirty);

/**
 * struct t1_record - which page backs which index, and how often it is pinned
 * @stretches: of STRETCH_PAGES indices each; its xa_lock guards all
 */
struct t1_record {
	struct xarray stretches;
};

/* It is held from one function to another, which sparse cannot follow. */
static inline void t1_record_lock(struct t1_record *record)
{
	xa_lock(&record->stretches);
	__release(&record->stretches.xa_lock);
}

static inline void t1_record_unlock(struct t1_record *record)
{
	__acquire(&record->stretches.xa_lock);
	xa_unlock(&record->stretches);
}

/**
 * struct t1_spare - memory for a record to grow into, got outside its lock
 * @stretch: an empty stretch, or NULL
 * @wants_stretch: one was wanted
 * @form: which form it has, or shall have
 * @room: how many pages it has memory for, or shall have
 * @wants_place: a place in the array is wanted, too
 * @has_place: one is reserved
 * @place_wanted: which
 * @place: which
 */
struct t1_spare {
	void *stretch;
	bool wants_stretch;
	unsigned int form;
	unsigned int room;
	bool wants_place;
	bool has_place;
	unsigned long place_wanted;
	unsigned long place;
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

/* The next pages of a source. */
static inline void t1_source_skip(struct t1_source *src, unsigned long n)
{
	if (src->pages)
		src->pages += n;
	src->pfn += n;
	src->run = src->run > n ? src->run - n : 1;
}

static inline void t1_record_init(struct t1_record *record)
{
	xa_init_flags(&record->stretches, XA_FLAGS_ACCOUNT);
}

/*
 * A word stands for a slot of a full stretch: the page's number, its count, and
 * what is special about it; 0 is not pinned, and one whose highest bit is set
 * cannot be pinned more often. A full stretch is a page of words, and its entry
 * in the array is tagged; that of a lone page is no pointer at all.
 */
#define T1_WORD_ONE		BIT_ULL(42)
#define T1_WORD_SPECIAL_SHIFT	40
#define T1_WORD_PFN		GENMASK_ULL(39, 0)
#define T1_STRETCH_FULL		1UL
#define T1_STRETCH_LONE		3UL

static inline unsigned long t1_word_pfn(u64 word)
{
	return word & T1_WORD_PFN;
}

/* All but its count. */
static inline u64 t1_word_what(u64 word)
{
	return word & (T1_WORD_ONE - 1);
}

static inline bool t1_word_is_bare(u64 word)
{
	return word & (u64)T1_PAGE_BARE << T1_WORD_SPECIAL_SHIFT;
}

static inline bool t1_word_is_counted(u64 word)
{
	return !(word & (u64)T1_PAGE_RESERVED << T1_WORD_SPECIAL_SHIFT);
}

/* Its count is neither 0 nor the highest. */
static inline bool t1_word_can_raise(u64 word)
{
	return (s64)word > 0;
}

/* Find a stretch; shorter than xa_load(), which must do for all arrays. */
static __always_inline void *t1_record_stretch(const struct t1_record *record,
					       unsigned long index)
{
	unsigned long place = index >> STRETCH_SHIFT, slot;
	void *entry = rcu_dereference_raw(record->stretches.xa_head);
	struct xa_node *node;
	void __rcu **slots;

	if (unlikely(!xa_is_internal(entry)))
		return place ? NULL : entry;
	if (unlikely(!xa_is_node(entry)))
		return NULL;
	node = xa_to_node(entry);
	slot = place >> node->shift;
	if (unlikely(slot >= XA_CHUNK_SIZE))
		return NULL;
	slots = node->slots;
	entry = rcu_dereference_raw(slots[slot]);
	/* First what most are. */
	if (likely(xa_pointer_tag(entry) == T1_STRETCH_FULL))
		return entry;
	while (xa_is_internal(entry)) {
		/* It may be a place that is reserved, or about to move. */
		if (unlikely(!xa_is_node(entry)))
			return NULL;
		node = xa_to_node(entry);
		slot = (place >> node->shift) & XA_CHUNK_MASK;
		entry = rcu_dereference_raw(node->slots[slot]);
	}
	return entry;
}

/* The words of a full stretch. */
static inline u64 *t1_stretch_words(void *s)
{
	return (u64 *)((unsigned long)s - T1_STRETCH_FULL);
}

static inline u64 *t1_stretch_word(void *s, unsigned long index)
{
	return t1_stretch_words(s) + (index & (STRETCH_PAGES - 1));
}

/*
 * Their page knows how many of them are pinned, how many of those are special, and
 * how often the stretch is held: as long as any of this is not 0 it stays.
 */
#define T1_TALLY_PINNED		1UL
#define T1_TALLY_SPECIAL	BIT(16)
#define T1_TALLY_HELD		BIT(32)
#define T1_TALLY_NPINNED(tally)	((tally) & (T1_TALLY_SPECIAL - 1))
#define T1_TALLY_NSPECIAL(tally) ((tally) >> 16 & (T1_TALLY_SPECIAL - 1))

static inline atomic_long_t *t1_words_tally(u64 *words)
{
	return (atomic_long_t *)&virt_to_page(words)->private;
}

/**
 * t1_word_raise - pin what is pinned once more, if it can be
 * @word: of a full stretch, which others may raise meanwhile
 * @page: filled in
 *
 * Context: the record's lock is held, or in a reader's section of RCU.
 * Return: success.
 */
static __always_inline bool t1_word_raise(u64 *word, struct page **page)
{
	u64 old = READ_ONCE(*word), new;

	do {
		if (unlikely(!t1_word_can_raise(old)))
			return false;
		new = old + T1_WORD_ONE;
	} while (unlikely(!try_cmpxchg(word, &old, new)));
	*page = pfn_to_page(t1_word_pfn(new));
	return true;
}

/**
 * t1_record_raise_fast - pin what is pinned once more, if that is easy
 * @record: where
 * @index: of the first
 * @npages: how many
 * @pages: filled in
 *
 * Context: in a reader's section of RCU, without the lock.
 * Return: how many were from the first on; t1_record_raise() knows about the
 * others.
 */
static inline unsigned long t1_record_raise_fast(struct t1_record *record,
						 unsigned long index,
						 unsigned long npages,
						 struct page **pages)
{
	unsigned long done = 0, slot, end;
	u64 *words;
	void *s;

	while (done < npages) {
		s = t1_record_stretch(record, index + done);
		if (xa_pointer_tag(s) != T1_STRETCH_FULL)
			break;
		slot = (index + done) & (STRETCH_PAGES - 1);
		end = min(npages, done + STRETCH_PAGES - slot);
		words = t1_stretch_words(s) + slot - done;
		/* Two at a time, for the loop itself is a fifth of it. */
		for (; done + 1 < end; done += 2) {
			if (!t1_word_raise(words + done, pages + done))
				return done;
			if (!t1_word_raise(words + done + 1, pages + done + 1))
				return done + 1;
		}
		if (done < end && t1_word_raise(words + done, pages + done))
			done++;
		if (done < end)
			return done;
	}
	return done;
}

/**
 * t1_word_hold - keep a full stretch, so that a page can be recorded unlocked
 * @word: of it
 *
 * Context: in a reader's section of RCU. To be followed by t1_word_put() or
 * t1_record_unhold().
 * Return: the stretch's tally, or NULL if it is about to be freed.
 */
static __always_inline atomic_long_t *t1_word_hold(u64 *word)
{
	atomic_long_t *tally = t1_words_tally(word);

	return likely(atomic_long_add_unless(tally, T1_TALLY_HELD, 0)) ? tally : NULL;
}

/**
 * t1_word_put - record a page, which is not reserved, in a stretch that is held
 * @word: where
 * @tally: of the stretch, which is not held after this
 * @page: it
 *
 * Context: any, without the record's lock.
 * Return: success; if not, the word is another caller's, and t1_record_unhold()
 * is to be called.
 */
static __always_inline bool t1_word_put(u64 *word, atomic_long_t *tally,
					struct page *page)
{
	u64 old = 0;

	/* First, so that who drops the page finds it counted. */
	atomic_long_add(T1_TALLY_PINNED - T1_TALLY_HELD, tally);
	if (likely(try_cmpxchg(word, &old, T1_WORD_ONE | page_to_pfn(page))))
		return true;
	atomic_long_add(T1_TALLY_HELD - T1_TALLY_PINNED, tally);
	return false;
}

void t1_record_unhold(struct t1_record *record, unsigned long index,
		      atomic_long_t *tally);

unsigned long t1_record_hole(struct t1_record *record, unsigned long index,
			     unsigned long npages);
bool t1_record_holds(struct t1_record *record, unsigned long index);

/* Nothing is pinned. Reliable under the lock. */
static inline bool t1_record_empty(struct t1_record *record)
{
	return xa_empty(&record->stretches);
}

long t1_record_raise(struct t1_record *record, unsigned long index,
		     unsigned long npages, struct page **pages,
		     struct t1_spare *spare);
bool __t1_record_put(struct t1_record *record, void *s, unsigned int slot,
		     struct page *page);
long t1_record_add(struct t1_record *record, unsigned long index,
		   unsigned long npages, const struct t1_source *src,
		   struct t1_spare *spare, unsigned long *counted);
int t1_spare_fill(struct t1_record *record, struct t1_spare *spare);
void t1_spare_end(struct t1_record *record, struct t1_spare *spare);

unsigned long t1_record_drop(struct t1_record *record, unsigned long index,
			     unsigned long npages, struct t1_batch *batch);
u64 t1_record_drop_one(struct t1_record *record, unsigned long index);
void t1_batch_release(struct t1_batch *batch, bool dirty);
void t1_word_release(u64 word, bool dirty);
unsigned long t1_record_release(struct t1_record *record, bool dirty);

bool __t1_record_extent(struct t1_record *record, unsigned long *index,
			unsigned long last, unsigned long *pfn,
			unsigned long *npages, bool *bare);
unsigned long t1_record_counted(struct t1_record *record, unsigned long index,
				unsigned long npages);
void t1_record_mark(struct t1_record *record, unsigned long index,
		    unsigned long npages, unsigned long *bitmap, unsigned long bit);
unsigned long t1_record_counted_all(struct t1_record *record);
unsigned long t1_record_bytes(struct t1_record *record);

/**
 * t1_record_put - record a page, which is not reserved, if that is easy
 * @record: where
 * @index: of it
 * @page: it
 *
 * Context: the record's lock is held.
 * Return: success; if not, t1_record_add() knows more.
 */
static inline bool t1_record_put(struct t1_record *record, unsigned long index,
				 struct page *page)
{
	unsigned int slot = index & (STRETCH_PAGES - 1);
	void *s = t1_record_stretch(record, index);
	u64 *words;

	lockdep_assert_held(&record->stretches.xa_lock);
	if (unlikely(xa_pointer_tag(s) != T1_STRETCH_FULL))
		return __t1_record_put(record, s, slot, page);
	words = t1_stretch_words(s);
	if (unlikely(cmpxchg(words + slot, 0, T1_WORD_ONE | page_to_pfn(page))))
		return false;
	atomic_long_add(T1_TALLY_PINNED, t1_words_tally(words));
	return true;
}

/**
 * t1_record_extent - find consecutive pages
 * @record: where
 * @index: from where on; the first that was found
 * @last: up to where
 * @pfn: of the first
 * @npages: how many, all alike; the next extent may go on where this one ends
 * @bare: they are, see T1_PAGE_BARE
 *
 * Context: nobody changes the record.
 * Return: false if there is none.
 */
static inline bool t1_record_extent(struct t1_record *record, unsigned long *index,
				    unsigned long last, unsigned long *pfn,
				    unsigned long *npages, bool *bare)
{
	unsigned long slot = *index & (STRETCH_PAGES - 1), n = 1, most;
	void *s = t1_record_stretch(record, *index);
	u64 *words;

	/* Pages that lie scattered are recorded in full: an extent of one each. */
	if (unlikely(xa_pointer_tag(s) != T1_STRETCH_FULL))
		return __t1_record_extent(record, index, last, pfn, npages, bare);
	words = t1_stretch_words(s) + slot;
	if (unlikely(!*words))
		return __t1_record_extent(record, index, last, pfn, npages, bare);
	most = min(last - *index + 1, STRETCH_PAGES - slot);
	*pfn = t1_word_pfn(*words);
	*bare = t1_word_is_bare(*words);
	while (n < most && words[n] && t1_word_what(words[n]) == t1_word_what(*words) + n)
		n++;
	*npages = n;
	return true;
}

#endif /* _VFIO_TYPE1_PAGES_H */
