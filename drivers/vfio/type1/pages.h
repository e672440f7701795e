/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The page engine: pins pages of an address space, remembers which page backs
 * which place and how often it is pinned, charges them to the owner's locked
 * memory, and releases them. It knows nothing of IOVAs, containers or ioctls.
 *
 *	record.h, record.c	what is pinned where
 *	pages_get.c		pages out of an address space
 *	pages_owner.c		whose address space it is, and its locked memory
 */
#ifndef _VFIO_TYPE1_PAGES_H
#define _VFIO_TYPE1_PAGES_H

#include <linux/atomic.h>
#include <linux/cache.h>
#include <linux/cred.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/refcount.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/smp.h>
#include <vfio-compat/gup.h>

struct seq_file;

/*
 * A record has so many bits for the number of a page. It is all of memory that a machine
 * can have; I/O memory may lie beyond, and cannot be pinned then.
 */
#define T1_PFN_BITS	40
#define T1_PFN_MAX	GENMASK_ULL(T1_PFN_BITS - 1, 0)

/*
 * Pages are charged in advance, a few for each of some processors, so that most pins do
 * not take the owner's mmap_lock. Of an amount the low bits are these, the rest is what
 * is charged for because it is pinned.
 */
#define T1_AHEAD_SLOTS	2
#define T1_AHEAD_PAGES	16
#define T1_AHEAD_ALL	(T1_AHEAD_SLOTS * T1_AHEAD_PAGES)
#define T1_AMOUNT_SHIFT	5
#define T1_AMOUNT_ONE	((long)BIT(T1_AMOUNT_SHIFT))
#define T1_AMOUNT_AHEAD	(T1_AMOUNT_ONE - 1)

/**
 * struct t1_owner - whose memory it is, and who pays for locking it
 * @refs: one for each mapping
 * @ahead: pages may be charged in advance
 * @lock_cap: the task was capable of CAP_IPC_LOCK: no limit
 * @mm: the address space, kept from being freed but not from being emptied
 * @task: whose RLIMIT_MEMLOCK counts
 * @cred: the credentials that it had then
 * @list: of all owners
 * @slots: what is charged, in amounts as above, none of them negative
 */
struct t1_owner {
	refcount_t refs;
	bool ahead;
	bool lock_cap;
	struct mm_struct *mm;
	struct task_struct *task;
	const struct cred *cred;
	struct list_head list;
	struct {
		atomic_long_t amount;
	} ____cacheline_aligned_in_smp slots[T1_AHEAD_SLOTS];
};

struct t1_owner *t1_owner_new(bool ahead);

/* Is it what the current task makes? */
static inline bool t1_owner_is_current(const struct t1_owner *owner)
{
	/* What a task is capable of changes with its credentials only. */
	return owner->mm == current->mm && owner->cred == current_cred() &&
	       owner->task == current->group_leader;
}

void t1_owner_put(struct t1_owner *owner);
int t1_owner_charge(struct t1_owner *owner, unsigned long npages, bool force);
void t1_owner_uncharge(struct t1_owner *owner, unsigned long npages);
int t1_owners_show(struct seq_file *seq, void *unused);

/* The amount of this processor, as far as it matters. */
static __always_inline atomic_long_t *t1_owner_amount(struct t1_owner *owner)
{
	unsigned int cpu = raw_smp_processor_id();

	return &owner->slots[cpu % T1_AHEAD_SLOTS].amount;
}

/* May it have charges in advance, that near to its limit? */
static __always_inline bool t1_owner_may_ahead(const struct t1_owner *owner)
{
	return owner->ahead &&
	       (owner->lock_cap ||
		READ_ONCE(owner->mm->locked_vm) + T1_AHEAD_ALL + T1_AHEAD_PAGES <=
		task_rlimit(owner->task, RLIMIT_MEMLOCK) >> PAGE_SHIFT);
}

/**
 * t1_owner_charge_page - a page is locked
 * @owner: who pays
 *
 * Context: process context. Sleeps, may take the owner's mmap_lock.
 * Return: as t1_owner_charge().
 */
static __always_inline int t1_owner_charge_page(struct t1_owner *owner)
{
	atomic_long_t *amount = t1_owner_amount(owner);
	long old = atomic_long_read(amount);

	while (likely(old & T1_AMOUNT_AHEAD))
		if (likely(atomic_long_try_cmpxchg(amount, &old, old - 1 + T1_AMOUNT_ONE)))
			return 0;
	return t1_owner_charge(owner, 1, false);
}

/**
 * t1_owner_uncharge_page - a page is not locked any more
 * @owner: who paid
 *
 * Context: process context. Sleeps, may take the owner's mmap_lock. Cannot fail.
 */
static __always_inline void t1_owner_uncharge_page(struct t1_owner *owner)
{
	atomic_long_t *amount = t1_owner_amount(owner);
	long old = atomic_long_read(amount);

	/* Another stays charged here, so this is not the last. */
	if (likely(old >= 2 * T1_AMOUNT_ONE && (old & T1_AMOUNT_AHEAD) < T1_AHEAD_PAGES) &&
	    likely(t1_owner_may_ahead(owner)) &&
	    likely(atomic_long_try_cmpxchg(amount, &old, old + 1 - T1_AMOUNT_ONE)))
		return;
	t1_owner_uncharge(owner, 1);
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

void t1_bill_begin(struct t1_bill *bill, struct t1_owner *owner);
void t1_bill_end(struct t1_bill *bill);

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

int t1_gup_begin(struct t1_gup *gup, struct mm_struct *mm, bool write);
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

	return likely(vfio_compat_pin_user_pages_fast(vaddr, 1, flags, page) == 1) &&
	       t1_page_is_plain(*page);
}

bool t1_gup_page_of(struct mm_struct *mm, unsigned long vaddr, bool write,
		    struct page **page);

bool t1_page_is_bare(struct page *page);
void t1_unpin(struct page **pages, unsigned long npages, bool dirty);

/* The next pages of a source. */
static inline void t1_source_skip(struct t1_source *src, unsigned long n)
{
	if (src->pages)
		src->pages += n;
	src->pfn += n;
	src->run = src->run > n ? src->run - n : 1;
}

#endif /* _VFIO_TYPE1_PAGES_H */
