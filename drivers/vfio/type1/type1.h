/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A container: what is mapped, which groups are attached, and the two kinds of
 * domains that serve them
 *
 * What is on top calls what is below it, and nothing calls up:
 *
 *	../vfio_iommu_type1.c	what the VFIO core and a user call
 *	attach.c		groups come and go
 *	map.c, unmap.c		mappings come and go, or get new addresses
 *	local.c			mediated devices pin and unpin pages
 *	access.c		their drivers copy bytes
 *	domain.c		IOMMU domains, and the pages mapped into them
 *	info.c, debugfs.c	what a user is told, and an admin
 *	dirty.c			which pages may have been written to
 *	ranges.c		which IOVAs the attached IOMMUs can translate
 *	devices.c		whose drivers are told of an unmap
 *	group.c			a container's groups, one by one
 *	tree.c			mappings: look-up, states
 *	pages.h			the page engine
 *
 * Locks, in the order in which they are taken:
 *
 *	domains_lock	read: map, unmap, the dirty bitmap. Write: groups come
 *			and go, tracking starts and stops. Guards domains,
 *			ranges, pgsizes, tracking, and the list of groups,
 *			which is read under RCU as well.
 *	maps_lock	the tree of mappings, their number, avail,
 *			vaddr_invalid, owner and the transitions of a
 *			mapping's state. Held for moments, and while a dirty
 *			bitmap is copied out. Without a domain and tracking
 *			(local_only) it is all that a map or unmap takes.
 *	mmap_lock	of a mapping's owner: its locked memory.
 *	stretch		what is pinned in 2 MiB of a mapping: a spinlock, see record.h.
 *	mapping		the xa_lock of its record: the array of stretches, its state,
 *			extra, bitmap and owner. A spinlock.
 *
 * What is charged for because of a backing changes under both of the last.
 *
 * A pin, an unpin or an access takes only the last three, so those of a container
 * run in parallel, and meet a map or an unmap in the same mapping only. It
 * finds the mapping under RCU, and counts as in flight in it, or as busy in a stretch
 * of it, while it does anything that sleeps. A pin of what is pinned takes none.
 *
 * With PREEMPT_RT, t1_map_stretch() and t1_map_enter() wait for maps_lock where they meet
 * a change of the tree: the task that makes it may have been preempted. So they are
 * called with no lock that is taken under maps_lock, and in flight in no mapping.
 * They say so to lockdep on any kernel.
 *
 * To be in flight or busy needs no lock: see t1_map_wait_idle() for the order. A mapping
 * without an address is barred like one that is going, and VFIO_DMA_UNMAP_FLAG_VADDR
 * waits alike: nobody has entered it who may use its address or its owner when these
 * are replaced.
 *
 * devices_lock is taken for reading while drivers are told of an unmap, which
 * they answer by unpinning, below domains_lock; and for writing, by itself, to
 * add and remove a device.
 */
#ifndef _VFIO_TYPE1_TYPE1_H
#define _VFIO_TYPE1_TYPE1_H

#include <linux/atomic.h>
#include <linux/bitmap.h>
#include <linux/iommu.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/overflow.h>
#include <linux/rbtree.h>
#include <linux/rwsem.h>
#include <linux/seqlock.h>
#include <linux/vfio.h>
#include <linux/wait_bit.h>

#include <vfio-compat/answers.h>
#include <vfio-compat/iommu_driver.h>

#include "record.h"

struct dentry;
struct t1_ranges;

extern bool t1_allow_unsafe_interrupts;
extern bool t1_disable_hugepages;
extern unsigned int t1_dma_entry_limit;

/**
 * struct t1_container - what /dev/vfio/vfio is to its user
 * @domains_lock: see above
 * @domains: IOMMU domains, struct t1_domain
 * @groups: attached groups of both kinds, struct t1_group
 * @ranges: the IOVAs that all domains can translate, NULL without a domain
 * @pgsizes: the page sizes that all domains can map; the smallest is the largest
 *	of their smallest, of which some may need several pages
 * @ngroups: how many
 * @nemulated: groups of mediated devices
 * @nunscoped: groups that may write to any page, as far as can be told
 * @tracking: dirty pages are tracked
 * @maps_lock: see above
 * @maps_seq: for those who search the tree without the lock
 * @maps: mappings by IOVA
 * @highest: the last of them
 * @nmaps: how many
 * @avail: how many more are allowed
 * @vaddr_invalid: how many have no address
 * @local_only: there is no domain, and nothing is tracked; changes under
 *	domains_lock, too, and is false while that is about to change
 * @barred: reasons why not every page can be pinned just so: these mappings,
 *	that there is no device, that it is of the first version; and why it
 *	matters for whom: the groups of @nunscoped, that there are several groups
 * @settled: grows when a mapping that calls may wait for has become ready, or has gone
 * @owner: of the last mapping, likely that of the next
 * @devices_lock: see above
 * @devices: VFIO devices whose driver wants to know of unmaps
 * @waiting: how many calls sleep until another lets go of a mapping, or until
 *	nobody is in flight in one, in the queues of wait_var_event()
 * @v2: of the second version, which can be relied upon not to split mappings
 * @nesting: the IOMMU is to translate what the guest's translated
 * @warned: that a driver left pages pinned
 * @id: its name in debugfs
 * @debugfs: its folder, once there was a mapping; an error while that is made
 * @ioctls: that have begun, from far below 0 on once it is being released
 * @rcu: when it is freed: some may be about to begin
 */
struct t1_container {
	struct rw_semaphore domains_lock;
	struct list_head domains;
	struct list_head groups;
	struct t1_ranges *ranges;
	unsigned long pgsizes;
	unsigned int ngroups;
	unsigned int nemulated;
	atomic_t nunscoped;
	bool tracking;

	struct mutex maps_lock;	/* of the following */
	seqcount_mutex_t maps_seq;
	struct rb_root maps;
	struct t1_map *highest;
	unsigned int nmaps;
	unsigned int avail;
	unsigned int vaddr_invalid;
	bool local_only;
	atomic_t barred;
	unsigned long settled;
	struct t1_owner *owner;

	struct rw_semaphore devices_lock;
	struct list_head devices;

	atomic_t waiting;
	bool v2;
	bool nesting;
	unsigned int warned;
	unsigned int id;
	struct dentry *debugfs;
	atomic_t ioctls;
	struct rcu_head rcu;
};

/**
 * enum t1_map_state - the life of a mapping
 * @T1_MAP_NEW: its pages are being mapped; nobody may use it
 * @T1_MAP_READY: it may be used
 * @T1_MAP_GOING: it is being unmapped, or has left the tree; what is pinned may
 *	be unpinned
 */
enum t1_map_state {
	T1_MAP_NEW,
	T1_MAP_READY,
	T1_MAP_GOING,
};

/**
 * struct t1_backing - the pages that IOMMU domains map
 * @record: each once, but for stretches that a domain is asked for, see domain.c
 * @live: an index: for what comes before, the owner is charged because of this
 *	record, whatever mediated devices have pinned there; from it on only
 *	because of what they have. Changes under the mapping's lock, with @charged
 * @charged: how many the owner is charged for because of this record
 */
struct t1_backing {
	struct t1_record record;
	unsigned long live;
	unsigned long charged;
};

/**
 * struct t1_extra - what most mappings do without
 * @backing: what IOMMU domains map
 * @backed: that is used, as there is a domain
 * @dirty: a bit for each page, while dirty pages are tracked
 */
struct t1_extra {
	struct t1_backing backing;
	bool backed;
	unsigned long *dirty;
};

/**
 * struct t1_map - a mapping
 * @node: in the container's tree
 * @iova: its first byte
 * @last: its last
 * @vaddr: of its first page, in the owner's address space
 * @owner: whose memory it is, and who is charged: for what counts of a backing
 *	as far as that is live, and of @local from there on. It is replaced only
 *	while the mapping has no address and nobody is in flight in it
 * @rcu: when it is freed; who searches then reads none of these two
 * @local: what mediated devices have pinned; its lock is the mapping's
 * @extra: what it has besides, or NULL
 * @next: in the list of what is being unmapped
 * @inflight: calls that use the mapping, or its owner, without a lock; see above
 * @bars: what pages cannot be pinned for by a look-up: what @prot does not have,
 *	or anything, and T1_BAR_*
 * @state: see there
 * @vaddr_invalid: it has no address, @vaddr is about to be replaced
 * @unused: so that a shift alone gets @prot
 * @prot: IOMMU_READ, IOMMU_WRITE
 * @align: the index of the first page in the records, so that the stretches
 *	of a record are the huge pages of the address space
 *
 * What it begins with is written before others can find it, see tree_insert(). Of what
 * shares a byte, state and vaddr_invalid change under its lock and prot never does;
 * bars, which is read without, and align have bytes of their own.
 *
 * There may be 65,535 of them in a container: keep it at 96 bytes.
 */
struct t1_map {
	struct rb_node node;
	unsigned long iova;
	unsigned long last;
	union {
		struct {
			unsigned long vaddr;
			struct t1_owner *owner;
		};
		struct rcu_head rcu;
	};
	struct t1_record local;
	struct t1_extra *extra;
	struct t1_map *next;
	atomic_t inflight;
	u8 bars;
	u8 state : 2;
	u8 vaddr_invalid : 1;
	u8 unused : 3;
	u8 prot : 2;
	u16 align;
};

/*
 * It is not ready, or has no address: then nothing can be pinned; written pages have
 * to be marked.
 */
#define T1_BAR_STATE	0x80
#define T1_BAR_DIRTY	0x40
#define T1_BAR_PROT	0x3f

/**
 * struct t1_domain - an IOMMU domain
 * @domain: it
 * @list: of the container's domains
 * @ngroups: attached to it
 * @coherent: no device can bypass the caches
 */
struct t1_domain {
	struct iommu_domain *domain;
	struct list_head list;
	unsigned int ngroups;
	bool coherent;
};

/**
 * struct t1_group - an attached group
 * @group: it
 * @list: of the container's groups
 * @domain: NULL for one of mediated devices
 * @scoped: it writes to what it pinned only
 * @npinned: pages that were pinned for it, so far, counted while there are several
 * @rcu: after it has left the list
 */
struct t1_group {
	struct iommu_group *group;
	struct list_head list;
	struct t1_domain *domain;
	atomic_t scoped;
	atomic_long_t npinned;
	struct rcu_head rcu;
};

static inline unsigned long t1_map_size(const struct t1_map *m)
{
	return m->last - m->iova + 1;
}

static inline unsigned long t1_map_npages(const struct t1_map *m)
{
	return t1_map_size(m) >> PAGE_SHIFT;
}

static inline bool t1_map_allows(const struct t1_map *m, int prot)
{
	/* That never changes; what shares its byte does, see struct t1_map. */
	return data_race((m->prot & prot) == prot);
}

/* The index of an IOVA in a mapping's records. */
static inline unsigned long t1_map_index(const struct t1_map *m, unsigned long iova)
{
	return ((iova - m->iova) >> PAGE_SHIFT) + m->align;
}

/* Which slots of a stretch the mapping has. */
static inline void t1_map_spare(const struct t1_map *m, unsigned long index,
				struct t1_spare *spare)
{
	unsigned long start = round_down(index, STRETCH_PAGES);

	spare->first = start ? 0 : m->align;
	spare->end = min(STRETCH_PAGES, m->align + t1_map_npages(m) - start);
}

/* The last byte of a range that a user gave, or why it is none. */
static inline int t1_range_last(u64 start, u64 size, unsigned long *last)
{
	u64 end;

	if (!size)
		return -EINVAL;
	if (check_add_overflow(start, size - 1, &end) || end > ULONG_MAX)
		return -VFIO_COMPAT_EOVERFLOW;
	*last = end;
	return 0;
}

/* The smallest page that all domains can map. */
static inline unsigned long t1_pgsize(struct t1_container *c)
{
	return 1UL << __ffs(c->pgsizes);
}

/* As t1_stretch_lock(): sparse cannot follow it. */
static inline void t1_map_lock(struct t1_map *m)
{
	xa_lock(&m->local.stretches);
	__release(&m->local.stretches.xa_lock);
}

static inline void t1_map_unlock(struct t1_map *m)
{
	__acquire(&m->local.stretches.xa_lock);
	xa_unlock(&m->local.stretches);
}

#define t1_assert_map_held(m)	lockdep_assert_held(&(m)->local.stretches.xa_lock)

/*
 * A mapping's extra comes and goes under domains_lock, held for writing, or while
 * the mapping is new or going; and under its lock, for those who have only that.
 * Whoever has the lock of a stretch, and sees no extra, may record pages there: when
 * there is one, what is pinned in a stretch is looked at under that lock.
 */
static inline struct t1_backing *t1_map_backing(const struct t1_map *m)
{
	return m->extra && m->extra->backed ? &m->extra->backing : NULL;
}

static inline unsigned long *t1_map_dirty(const struct t1_map *m)
{
	return m->extra ? m->extra->dirty : NULL;
}

/* What follows from the rest of a mapping. */
static inline u8 t1_map_bars(const struct t1_map *m)
{
	u8 bars = t1_map_dirty(m) ? T1_BAR_DIRTY : 0;

	if (m->state != T1_MAP_READY || m->vaddr_invalid)
		return bars | T1_BAR_STATE | T1_BAR_PROT;
	return bars | (~m->prot & T1_BAR_PROT);
}

/*
 * To be done when any of that has changed in a mapping that others may have found.
 * Changing: write the mapping's address, owner and extra; release; write bars.
 * Entering (t1_enter()): read bars; acquire; read these.
 */
static inline void t1_map_set_bars(struct t1_map *m)
{
	t1_assert_map_held(m);
	/* pairs with smp_load_acquire() in t1_enter() */
	smp_store_release(&m->bars, t1_map_bars(m));
}

static inline void t1_map_set_state(struct t1_map *m, enum t1_map_state state)
{
	m->state = state;
	t1_map_set_bars(m);
}

/*
 * How many of @n pages from an index on are charged for because of a backing. The
 * others, which come after these, are charged for when they are pinned. For the pages
 * of a stretch it changes under the lock of that.
 */
static inline unsigned long t1_map_backed(struct t1_map *m, unsigned long index,
					  unsigned long n)
{
	struct t1_backing *b;

	t1_assert_map_held(m);
	b = t1_map_backing(m);
	if (likely(!b) || index >= b->live)
		return 0;
	return min(n, b->live - index);
}

/* Are all its pages? Then, or soon, IOMMU domains map all of it. */
static inline bool t1_map_is_backed(struct t1_map *m)
{
	return t1_map_backed(m, m->align + t1_map_npages(m) - 1, 1);
}

/*
 * Find a mapping under RCU, for those who look at it again under its lock, or enter
 * it. It may be missed while the tree changes: rebalancing moves whole branches, each
 * link by itself, so a search may be led past it, but not in a circle for longer than
 * it takes for the links to be seen. What is found is right: where a mapping lies does
 * not change. For the order of what is read see tree_insert(), in map.c.
 */
static inline struct t1_map *t1_map_search(struct t1_container *c,
					   unsigned long iova)
{
	struct rb_node *node = rcu_dereference_raw(c->maps.rb_node);

	while (node) {
		struct t1_map *m = rb_entry(node, struct t1_map, node);

		if (iova < m->iova)
			node = rcu_dereference_raw(node->rb_left);
		else if (iova > m->last)
			node = rcu_dereference_raw(node->rb_right);
		else
			return m;
	}
	return NULL;
}

/*
 * What is under this may look mappings up. It may take a mapping's lock, which sleeps
 * with PREEMPT_RT: there it is a section of RCU's own, and where lockdep holds every
 * kernel to the rules of PREEMPT_RT. Elsewhere it is one with preemption off, which
 * costs less. It goes from one function to another, which sparse cannot follow.
 */
#define T1_SEARCH_PREEMPTIBLE	(IS_ENABLED(CONFIG_PREEMPT_RT) ||	\
				 IS_ENABLED(CONFIG_PROVE_RAW_LOCK_NESTING))

static inline void t1_search_begin(void)
{
	if (T1_SEARCH_PREEMPTIBLE) {
		rcu_read_lock();
		__release(RCU);
	} else {
		rcu_read_lock_sched();
		__release(RCU_SCHED);
	}
}

static inline void t1_search_end(void)
{
	if (T1_SEARCH_PREEMPTIBLE) {
		__acquire(RCU);
		rcu_read_unlock();
	} else {
		__acquire(RCU_SCHED);
		rcu_read_unlock_sched();
	}
}

/*
 * Be no longer in flight in a mapping, or busy in a stretch, which may be gone after
 * this: only the count's address says then whom to wake. What was done there comes
 * before, and the decrement is the full barrier that wait_for_none() needs.
 */
static inline void t1_leave(struct t1_container *c, atomic_t *calls)
{
	if (atomic_dec_and_test(calls) && unlikely(atomic_read(&c->waiting)))
		wake_up_var(calls);
}

bool t1_enter_barred(struct t1_container *c, struct t1_map *m, atomic_t *calls);

/*
 * Be in flight in a mapping that a search has found, or busy in a stretch of it, unless
 * that is over.
 */
static inline bool t1_enter(struct t1_container *c, struct t1_map *m, atomic_t *calls)
{
	atomic_inc(calls);
	smp_mb__after_atomic(); /* pairs with smp_mb() in t1_map_is_idle() and _wait_idle() */
	if (likely(!(smp_load_acquire(&m->bars) & T1_BAR_STATE)))
		return true;
	return t1_enter_barred(c, m, calls);
}

/* Why a mapping cannot be entered; its address may have been taken just now. */
static inline int t1_not_entered(struct t1_container *c)
{
	return READ_ONCE(c->vaddr_invalid) ? -EBUSY : -EINVAL;
}

/* There are more groups, or fewer, that may write to any page. */
static inline void t1_unscoped(struct t1_container *c, int more)
{
	atomic_add(more, &c->nunscoped);
	atomic_add(more, &c->barred);
}

/* tree.c */
struct t1_stretch *t1_map_stretch(struct t1_container *c, unsigned long iova,
				  struct t1_map **map, unsigned long *npages);
struct t1_map *t1_map_enter(struct t1_container *c, unsigned long iova);
struct t1_map *t1_map_first(struct t1_container *c, unsigned long iova);
struct t1_map *t1_map_next(struct t1_map *m);
unsigned long t1_maps_pinned(struct t1_container *c);
int t1_map_want_extra(struct t1_map *m);
void t1_map_drop_extra(struct t1_map *m);
void t1_tree_erase(struct t1_container *c, struct t1_map *m);
void t1_map_let_go(struct t1_container *c, struct t1_map *m);
void t1_map_change_state(struct t1_map *m, enum t1_map_state state);
void t1_map_set_vaddr_invalid(struct t1_container *c, struct t1_map *m, bool invalid);
void t1_map_free(struct t1_map *m);
int t1_map_wait_idle(struct t1_container *c, struct t1_map *m);
bool t1_map_is_idle(struct t1_map *m);
bool t1_maps_split(struct t1_container *c, unsigned long iova, unsigned long last);
void t1_maps_local_only(struct t1_container *c, bool local_only);

/* map.c */
int t1_map(struct t1_container *c, unsigned long iova, unsigned long vaddr,
	   unsigned long size, int prot);
int t1_map_new_vaddr(struct t1_container *c, unsigned long iova,
		     unsigned long vaddr, unsigned long size);

/* unmap.c */
int t1_unmap(struct t1_container *c, u64 iova, u64 *size, u32 flags,
	     const struct vfio_bitmap *bitmap);
int t1_unmap_vaddr(struct t1_container *c, u64 iova, u64 *size, bool all);
void t1_unmap_all(struct t1_container *c, struct iommu_group *group);

/* group.c */
struct t1_group *t1_group_find(struct t1_container *c, struct iommu_group *group);
void t1_group_pinned(struct t1_container *c, struct iommu_group *group,
		     unsigned long npages);

#define T1_DRIVER_LEN	64
void t1_group_driver(struct iommu_group *group, char name[T1_DRIVER_LEN]);

/* local.c */
int t1_pin_pages(void *data, struct iommu_group *group, dma_addr_t iova,
		 int npages, int prot, struct page **pages);
void t1_unpin_pages(void *data, dma_addr_t iova, int npages);

/* access.c */
int t1_dma_rw(void *data, dma_addr_t iova, void *buf, size_t len, bool write);

/* devices.c */
void t1_add_device(void *data, struct vfio_device *vdev);
void t1_remove_device(void *data, struct vfio_device *vdev);
void t1_tell_unmap(struct t1_container *c, struct t1_map *m);

/* domain.c */
int t1_back_map(struct t1_container *c, struct t1_map *m);
void t1_unback_map(struct t1_container *c, struct t1_map *m);
struct t1_domain *t1_domain_new(struct t1_container *c, struct iommu_group *group);
unsigned long t1_domain_pgsizes(const struct t1_domain *d);
void t1_domain_free(struct t1_domain *d);
int t1_domain_join(struct t1_container *c, struct t1_domain *d);
void t1_domain_leave(struct t1_container *c, struct t1_domain *d);

/* The smallest of them. */
static inline unsigned long t1_domain_pgsize(const struct t1_domain *d)
{
	return 1UL << __ffs(t1_domain_pgsizes(d));
}

/* attach.c */
int t1_attach(void *data, struct iommu_group *group, enum vfio_group_type type);
void t1_detach(void *data, struct iommu_group *group);
struct iommu_domain *t1_group_domain(void *data, struct iommu_group *group);

/* ranges.c */
struct t1_ranges {
	unsigned int n;
	struct t1_range {
		unsigned long start;
		unsigned long last;
	} range[];
};

struct t1_ranges *t1_ranges_make(struct t1_container *c, struct t1_domain *d,
				 struct iommu_group *group, phys_addr_t *msi);
bool t1_ranges_hold(const struct t1_ranges *ranges, unsigned long start,
		    unsigned long last);

/* dirty.c */
int t1_dirty_start(struct t1_container *c);
void t1_dirty_stop(struct t1_container *c);
int t1_dirty_get(struct t1_container *c,
		 const struct vfio_iommu_type1_dirty_bitmap_get *range);
int t1_dirty_check(const struct vfio_bitmap *bitmap, u64 size);
int t1_dirty_try(struct t1_container *c, unsigned long iova, unsigned long last,
		 const struct vfio_bitmap *bitmap);
int t1_dirty_track(struct t1_map *m);
int t1_dirty_report(struct t1_container *c, struct t1_map *m, unsigned long base,
		    const struct vfio_bitmap *bitmap, bool take);
void t1_dirty_mark(struct t1_map *m, unsigned long page, unsigned long npages);
void t1_dirty_all(struct t1_container *c);

/* The largest bitmap that a user can ask for, of 8 TiB in pages of 4 KiB. */
#define T1_DIRTY_BYTES(npages)	(DIV_ROUND_UP((u64)(npages), 64) * sizeof(u64))
#define T1_DIRTY_MAX_PAGES	((u64)INT_MAX)

/* info.c */
int t1_get_info(struct t1_container *c, struct vfio_iommu_type1_info __user *arg);
int t1_check_extension(struct t1_container *c, unsigned long arg);

/* debugfs.c */
void t1_debugfs_init(void);
void t1_debugfs_exit(void);
void t1_debugfs_add(struct t1_container *c);

#endif /* _VFIO_TYPE1_TYPE1_H */
