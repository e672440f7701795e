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

#include <linux/mm.h>
#include <linux/refcount.h>
#include <linux/xarray.h>

struct task_struct;

/* Pages are recorded by stretches of 2 MiB, the size of a huge page. */
#define STRETCH_SHIFT	9
#define STRETCH_PAGES	(1UL << STRETCH_SHIFT)

/**
 * struct t1_owner - whose memory it is, and who pays for locking it
 * @refs: one for each mapping
 * @mm: the address space, kept from being freed but not from being emptied
 * @task: whose RLIMIT_MEMLOCK counts
 * @lock_cap: the task was capable of CAP_IPC_LOCK: no limit
 */
struct t1_owner {
	refcount_t refs;
	struct mm_struct *mm;
	struct task_struct *task;
	bool lock_cap;
};

struct t1_owner *t1_owner_current(struct t1_owner *like);
void t1_owner_put(struct t1_owner *owner);
int t1_owner_charge(struct t1_owner *owner, unsigned long npages, bool force);
void t1_owner_uncharge(struct t1_owner *owner, unsigned long npages);

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

int t1_gup_begin(struct t1_gup *gup, struct mm_struct *mm, bool write,
		 unsigned long npages);
void t1_gup_end(struct t1_gup *gup);
long t1_gup_pages(struct t1_gup *gup, unsigned long vaddr, unsigned long npages,
		  struct page **pages, unsigned long *io_pfn);

bool t1_page_is_bare(struct page *page);
void t1_unpin(struct page **pages, unsigned long npages, bool dirty);

/**
 * struct t1_record - which page backs which index, and how often it is pinned
 * @stretches: of STRETCH_PAGES indices each; its xa_lock guards all
 * @counted: pages in it that count as locked memory, each once
 */
struct t1_record {
	struct xarray stretches;
	unsigned long counted;
};

#define t1_record_lock(record)		xa_lock(&(record)->stretches)
#define t1_record_unlock(record)	xa_unlock(&(record)->stretches)

/**
 * struct t1_spare - memory for a record to grow into, got outside its lock
 * @stretch: an empty stretch, or NULL
 * @form: which form it has, or shall have
 * @room: how many pages it has memory for, or shall have
 * @wants_place: a place in the array is wanted, too
 * @has_place: one is reserved
 * @place_wanted: which
 * @place: which
 */
struct t1_spare {
	struct t1_stretch *stretch;
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
 * @pages: single pages
 */
struct t1_batch {
	unsigned int npages;
	unsigned int nrun;
	struct page *run;
	unsigned long counted;
	struct page *pages[64];
};

static inline void t1_record_init(struct t1_record *record)
{
	xa_init(&record->stretches);
	record->counted = 0;
}

/* Nothing is pinned. Reliable under the lock. */
static inline bool t1_record_empty(struct t1_record *record)
{
	return xa_empty(&record->stretches);
}

long t1_record_raise(struct t1_record *record, unsigned long index,
		     unsigned long npages, struct page **pages,
		     struct t1_spare *spare);
unsigned long t1_record_hole(struct t1_record *record, unsigned long index,
			     unsigned long npages);
long t1_record_add(struct t1_record *record, unsigned long index,
		   unsigned long npages, struct page **pages,
		   struct t1_spare *spare);
long t1_record_add_io(struct t1_record *record, unsigned long index,
		      unsigned long npages, unsigned long pfn,
		      struct t1_spare *spare);
int t1_spare_fill(struct t1_record *record, struct t1_spare *spare);
void t1_spare_end(struct t1_record *record, struct t1_spare *spare);

unsigned long t1_record_drop(struct t1_record *record, unsigned long index,
			     unsigned long npages, struct t1_batch *batch);
void t1_batch_release(struct t1_batch *batch, bool dirty);
void t1_record_release(struct t1_record *record, bool dirty);

bool t1_record_extent(struct t1_record *record, unsigned long *index,
		      unsigned long last, unsigned long *pfn,
		      unsigned long *npages);
unsigned long t1_record_counted(struct t1_record *record, unsigned long index,
				unsigned long npages);
void t1_record_mark(struct t1_record *record, unsigned long index,
		    unsigned long npages, unsigned long *bitmap, unsigned long bit);
unsigned long t1_record_bytes(struct t1_record *record);

#endif /* _VFIO_TYPE1_PAGES_H */
