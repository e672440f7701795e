// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mappings: which IOVAs stand for which addresses of whom
 *
 * The tree is changed under maps_lock, and searched without: mappings are
 * freed after a grace period, a search that another change may have led astray
 * is done over, and what was found is looked at again under the mapping's lock.
 *
 * A mapping that IOMMU domains are to map is in the tree, as new, while that
 * is done, which takes long: so nothing else can be mapped there, and all other
 * IOVAs can. One that is unmapped is in the tree, as going, until no domain
 * maps it any more. Meanwhile it cannot be used, except that what is pinned can
 * be unpinned. Either all mappings that a call is to unmap go, or none.
 *
 * A call that unmaps looks at all mappings of its range before it takes any, in
 * one hold of maps_lock. If the range cuts one, the call is refused, and nothing
 * has changed. If another call has its hands on one (new or going), it sleeps until
 * that call lets go of this one, and looks again; it has none itself while it
 * sleeps, so calls never wait for each other in a circle, nor wake each other. What
 * can still fail when they are taken: a driver does not unpin, the task is killed,
 * there is no memory for dirty bits, or their bitmap, which is tried first, has gone
 * since. Then all mappings are ready again, and whole; pins failed meanwhile, and
 * drivers have unpinned as they were told.
 *
 * 'last' is the last byte of a range, so that the end of the address space is
 * one that can be used; no sum below goes past it.
 */
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/wait_bit.h>

#include "type1.h"
#include "trace.h"

/* How often drivers are asked to unpin, and how long they are waited for. */
#define UNMAP_ROUNDS	10
#define UNMAP_WAIT_MS	5

static struct t1_map *to_map(struct rb_node *node)
{
	return node ? rb_entry(node, struct t1_map, node) : NULL;
}

/**
 * t1_map_get - find a mapping that may be used, and lock it
 * @c: the container
 * @iova: in it
 * @going: one that is about to be unmapped will do
 *
 * Context: process context. Returns with the mapping's lock held.
 * Return: the mapping or NULL.
 */
struct t1_map *t1_map_get(struct t1_container *c, unsigned long iova, bool going)
{
	unsigned int seq;
	struct t1_map *m;

	might_lock(&c->maps_lock);
	do {
		seq = read_seqcount_begin(&c->maps_seq);
		t1_search_begin();
		m = t1_map_search(c, iova);
		if (m)
			t1_map_lock(m);
		t1_search_end();
	} while (!m && read_seqcount_retry(&c->maps_seq, seq));
	if (m && m->state != T1_MAP_READY && !(going && m->state == T1_MAP_GOING)) {
		t1_map_unlock(m);
		m = NULL;
	}
	return m;
}

/**
 * t1_map_enter - find a mapping that may be used, and be in flight in it
 * @c: the container
 * @iova: in it
 *
 * Context: process context. The caller is to call t1_map_leave().
 * Return: the mapping or NULL.
 */
struct t1_map *t1_map_enter(struct t1_container *c, unsigned long iova)
{
	unsigned int seq;
	struct t1_map *m;
	bool entered;

	might_lock(&c->maps_lock);
	do {
		seq = read_seqcount_begin(&c->maps_seq);
		t1_search_begin();
		m = t1_map_search(c, iova);
		entered = m && t1_map_enter_found(c, m);
		t1_search_end();
	} while (!m && read_seqcount_retry(&c->maps_seq, seq));
	return entered ? m : NULL;
}

/**
 * t1_map_enter_barred - be in flight in a mapping although its bars forbid it
 * @c: the container
 * @m: the mapping, in which the caller counts as in flight already, and does not
 *	while it waits for the lock
 *
 * unmap_one() sets the bars, and takes them back if the mapping cannot go, within
 * one hold of the mapping's lock: a caller that has that lock does not see it.
 *
 * Context: in a reader's section of RCU.
 * Return: success; if not, the caller is not in flight any more.
 */
bool t1_map_enter_barred(struct t1_container *c, struct t1_map *m)
{
	bool barred;

	/* Not while it waits for the lock: an unmap waits for nobody to be in flight. */
	t1_map_leave(c, m);
	t1_map_lock(m);
	barred = m->bars & T1_BAR_STATE;
	/* The lock is held, so it is sure to be seen. */
	if (!barred)
		atomic_inc(&m->inflight);
	t1_map_unlock(m);
	return !barred;
}

/**
 * t1_map_first - the first mapping that does not end before an IOVA
 * @c: the container
 * @iova: it
 *
 * Context: maps_lock is held.
 * Return: the mapping or NULL.
 */
struct t1_map *t1_map_first(struct t1_container *c, unsigned long iova)
{
	struct rb_node *node = c->maps.rb_node;
	struct t1_map *first = NULL;

	lockdep_assert_held(&c->maps_lock);
	while (node) {
		struct t1_map *m = to_map(node);

		if (iova <= m->last) {
			first = m;
			if (iova >= m->iova)
				break;
			node = node->rb_left;
		} else {
			node = node->rb_right;
		}
	}
	return first;
}

/**
 * t1_map_next - the mapping behind one
 * @m: it
 *
 * Context: maps_lock is held.
 * Return: the mapping or NULL.
 */
struct t1_map *t1_map_next(struct t1_map *m)
{
	return to_map(rb_next(&m->node));
}

/**
 * t1_map_pinned - how many pages mediated devices have pinned in a mapping
 * @m: it
 *
 * Context: process context. maps_lock is held, and the mapping's lock is not: pages
 * may come and go meanwhile. Sleeps.
 * Return: how many, of those that count as locked memory.
 */
unsigned long t1_map_pinned(struct t1_map *m)
{
	return t1_record_counted_all(&m->local);
}

/**
 * t1_maps_pinned - how many pages mediated devices have pinned
 * @c: the container
 *
 * Context: process context, maps_lock is held. Sleeps.
 * Return: how many, of those that count as locked memory.
 */
unsigned long t1_maps_pinned(struct t1_container *c)
{
	unsigned long pinned = 0;
	struct t1_map *m;

	for (m = t1_map_first(c, 0); m; m = t1_map_next(m))
		pinned += t1_map_pinned(m);
	return pinned;
}

/**
 * t1_map_want_extra - have a mapping have an extra
 * @m: the mapping
 *
 * Context: process context; see t1_map_backing(). Sleeps.
 * Return: 0 or -ENOMEM.
 */
int t1_map_want_extra(struct t1_map *m)
{
	struct t1_extra *extra;

	if (m->extra)
		return 0;
	extra = kzalloc(sizeof(*extra), GFP_KERNEL_ACCOUNT);
	if (!extra)
		return -ENOMEM;
	/* From here on nothing is recorded without the mapping's lock. */
	mmap_write_lock(m->owner->mm);
	t1_map_lock(m);
	WRITE_ONCE(m->extra, extra);
	t1_map_unlock(m);
	mmap_write_unlock(m->owner->mm);
	return 0;
}

/**
 * t1_map_drop_extra - free a mapping's extra, if nothing is in it
 * @m: the mapping
 *
 * Context: process context; see t1_map_backing().
 */
void t1_map_drop_extra(struct t1_map *m)
{
	struct t1_extra *extra = m->extra;

	if (!extra || extra->backing || extra->dirty)
		return;
	t1_map_lock(m);
	WRITE_ONCE(m->extra, NULL);
	t1_map_unlock(m);
	kfree(extra);
}

/* Put a mapping into the tree, unless it overlaps another. */
static __always_inline int insert(struct t1_container *c, struct t1_map *new)
{
	struct rb_node **link = &c->maps.rb_node, *parent = NULL, *node;
	struct t1_map *m, *below = NULL, *above = NULL;

	lockdep_assert_held(&c->maps_lock);
	/* Many are above all others. */
	if (c->highest && new->iova > c->highest->last) {
		parent = &c->highest->node;
		link = &parent->rb_right;
	}
	while (*link) {
		parent = *link;
		m = rb_entry(parent, struct t1_map, node);
		if (new->iova < m->iova) {
			above = m;
			link = &parent->rb_left;
		} else {
			below = m;
			link = &parent->rb_right;
		}
	}
	if ((below && below->last >= new->iova) || (above && above->iova <= new->last))
		return -EEXIST;
	if (!c->avail)
		return -ENOSPC;
	write_seqcount_begin(&c->maps_seq);
	rb_link_node(&new->node, parent, &node);
	/*
	 * Inserting: write the mapping and its node, with no children; write barrier;
	 * write links to it, this one and those that rebalancing adds. Searching
	 * (t1_map_search()): read a link; address dependency; read what it leads to.
	 */
	smp_wmb();
	WRITE_ONCE(*link, node);
	rb_insert_color(&new->node, &c->maps);
	write_seqcount_end(&c->maps_seq);
	if (!above)
		c->highest = new;
	c->avail--;
	c->nmaps++;
	return 0;
}

static void erase(struct t1_container *c, struct t1_map *m)
{
	lockdep_assert_held(&c->maps_lock);
	if (c->highest == m)
		c->highest = to_map(rb_prev(&m->node));
	write_seqcount_begin(&c->maps_seq);
	rb_erase(&m->node, &c->maps);
	write_seqcount_end(&c->maps_seq);
	c->avail++;
	c->nmaps--;
	if (m->vaddr_invalid) {
		atomic_dec(&c->barred);
		WRITE_ONCE(c->vaddr_invalid, c->vaddr_invalid - 1);
	}
}

/*
 * A call has its hands on a mapping no more: it is ready, or has left the tree.
 * Of those who wait in unmap_begin() only those are woken that wait for this one.
 * Waiting: under maps_lock, read settled and raise waiting; enter the queue; full
 * barrier (of set_current_state()); read settled, sleep unless it has changed.
 * Letting go: under maps_lock, read waiting; write settled; full barrier; look into
 * the queue. Store buffering: at least one side sees the other.
 */
static void let_go(struct t1_container *c, struct t1_map *m)
{
	lockdep_assert_held(&c->maps_lock);
	if (likely(!atomic_read(&c->waiting)))
		return;
	WRITE_ONCE(c->settled, c->settled + 1);
	smp_mb(); /* pairs with set_current_state() of wait_var_event_killable() */
	wake_up_var(m);
}

static void set_state(struct t1_map *m, enum t1_map_state state)
{
	t1_map_lock(m);
	t1_map_set_state(m, state);
	t1_map_unlock(m);
}

/*
 * Take a mapping's address away, so that nobody may enter it, or give it one. The
 * counters say why a pin fails; whether one may be made the mapping's bars say.
 */
static void set_vaddr_invalid(struct t1_container *c, struct t1_map *m, bool invalid)
{
	lockdep_assert_held(&c->maps_lock);
	if (invalid) {
		WRITE_ONCE(c->vaddr_invalid, c->vaddr_invalid + 1);
		atomic_inc(&c->barred);
	}
	t1_map_lock(m);
	m->vaddr_invalid = invalid;
	t1_map_set_bars(m);
	t1_map_unlock(m);
	if (!invalid) {
		atomic_dec(&c->barred);
		WRITE_ONCE(c->vaddr_invalid, c->vaddr_invalid - 1);
	}
}

/*
 * The last of a mapping that is not in the tree and that no domain maps. Who
 * found it before sees that it is not ready, under its lock, within a grace
 * period.
 */
static void map_free(struct t1_map *m)
{
	if (unlikely(m->extra)) {
		kvfree(m->extra->dirty);
		kfree(m->extra);
	}
	t1_owner_put(m->owner);
	kfree_rcu(m, rcu);
}

static noinline int replace_owner(struct t1_container *c)
{
	struct t1_owner *owner = t1_owner_new();

	if (IS_ERR(owner))
		return PTR_ERR(owner);
	t1_owner_put(c->owner);
	c->owner = owner;
	return 0;
}

/* The owner of a new mapping, most often that of the last one. */
static __always_inline struct t1_owner *map_owner(struct t1_container *c)
{
	int ret;

	lockdep_assert_held(&c->maps_lock);
	if (unlikely(!c->owner || !t1_owner_is_current(c->owner))) {
		ret = replace_owner(c);
		if (ret)
			return ERR_PTR(ret);
	}
	refcount_inc(&c->owner->refs);
	return c->owner;
}

static __always_inline int map_insert(struct t1_container *c, struct t1_map *m)
{
	unsigned long rest = t1_pgsize(c) - 1;
	struct t1_owner *owner;
	int ret;

	if (unlikely((m->iova | m->vaddr | (m->last + 1)) & rest))
		return -EINVAL;
	owner = map_owner(c);
	if (IS_ERR(owner))
		return PTR_ERR(owner);
	m->owner = owner;
	ret = insert(c, m);
	if (unlikely(ret))
		t1_owner_put(owner);
	return ret;
}

/* Have what a mapping needs before it is ready. */
static int map_complete(struct t1_container *c, struct t1_map *m)
{
	int ret = t1_dirty_new_map(c, m);

	if (!ret && !list_empty(&c->domains)) {
		ret = t1_back_map(c, m, NULL);
		if (ret)
			t1_unback_map(c, m, NULL);
	}
	mutex_lock(&c->maps_lock);
	if (ret)
		erase(c, m);
	else
		set_state(m, T1_MAP_READY);
	let_go(c, m);
	mutex_unlock(&c->maps_lock);
	if (ret)
		map_free(m);
	return ret;
}

/* Insert a mapping where there may be domains, or something is tracked. */
static noinline int map_not_only_local(struct t1_container *c, struct t1_map *m)
{
	bool complete;
	int ret;

	down_read(&c->domains_lock);
	complete = c->tracking || !list_empty(&c->domains);
	if (complete) {
		m->state = T1_MAP_NEW;
		m->bars = t1_map_bars(m);
	}
	mutex_lock(&c->maps_lock);
	if (c->ranges && !t1_ranges_hold(c->ranges, m->iova, m->last))
		ret = -EINVAL;
	else
		ret = map_insert(c, m);
	mutex_unlock(&c->maps_lock);
	if (ret)
		kfree(m);
	else if (complete)
		ret = map_complete(c, m);
	up_read(&c->domains_lock);
	return ret;
}

/**
 * t1_map - MAP_DMA
 * @c: the container
 * @iova: where
 * @vaddr: of the current task's address space
 * @size: bytes
 * @prot: IOMMU_READ, IOMMU_WRITE
 *
 * Context: process context of a user's task. Sleeps.
 * Return: 0; -EINVAL: not of whole pages, or nothing that the IOMMUs can translate;
 * -VFIO_COMPAT_EOVERFLOW: not below the top of the address space; -EEXIST: something
 * is mapped there, or another call is mapping or unmapping it; -ENOSPC:
 * dma_entry_limit is reached; -ENOMEM: out of memory, or of memory that may be
 * locked; -EFAULT: the memory cannot be pinned; -EINTR: the task was killed.
 */
int t1_map(struct t1_container *c, unsigned long iova, unsigned long vaddr,
	   unsigned long size, int prot)
{
	unsigned long last, end;
	struct t1_map *m;
	int ret;

	ret = t1_range_last(iova, size, &last) ?: t1_range_last(vaddr, size, &end);
	if (ret)
		return ret;
	m = kmalloc(sizeof(*m), GFP_KERNEL_ACCOUNT);
	if (!m)
		return -ENOMEM;

	m->iova = iova;
	m->last = last;
	m->vaddr = vaddr;
	t1_record_init(&m->local);
	m->extra = NULL;
	atomic_set(&m->inflight, 0);
	m->align = (vaddr >> PAGE_SHIFT) & (STRETCH_PAGES - 1);
	m->prot = prot;
	m->state = T1_MAP_READY;
	m->vaddr_invalid = false;
	m->bars = t1_map_bars(m);

	mutex_lock(&c->maps_lock);
	if (likely(c->local_only)) {
		ret = map_insert(c, m);
		mutex_unlock(&c->maps_lock);
		if (unlikely(ret))
			kfree(m);
	} else {
		mutex_unlock(&c->maps_lock);
		ret = map_not_only_local(c, m);
	}

	if (!ret && unlikely(!READ_ONCE(c->debugfs)))
		t1_debugfs_add(c);
	trace_map_dma(c->id, iova, vaddr, size, prot, ret);
	return ret;
}

/*
 * Wait until nobody is in flight in a mapping. Leaving (t1_map_leave()): decrement
 * inflight; full barrier; read waiting, look into the queue if it is not 0. Waiting:
 * raise waiting, enter the queue; full barrier (of set_current_state()); read
 * inflight, sleep unless it is 0. Store buffering: at least one side sees the other.
 */
static int wait_idle(struct t1_container *c, struct t1_map *m)
{
	int ret;

	if (likely(!atomic_read_acquire(&m->inflight)))
		return 0;
	atomic_inc(&c->waiting);
	ret = wait_var_event_killable(&m->inflight, !atomic_read_acquire(&m->inflight));
	atomic_dec(&c->waiting);
	return ret ? -EINTR : 0;
}

/* Lock a mapping that nobody may enter, with nobody in flight in it. */
static int lock_idle(struct t1_container *c, struct t1_map *m)
{
	int ret;

	for (;;) {
		ret = wait_idle(c, m);
		if (ret)
			return ret;
		t1_map_lock(m);
		if (!atomic_read_acquire(&m->inflight))
			return 0;
		t1_map_unlock(m);
	}
}

/*
 * Have another task, or the same after exec, own a mapping. It has no address, so
 * nobody enters it, and t1_unmap_vaddr() has waited for those who had. There may be
 * some who unpin, which does not change what the owner is charged for: with no
 * group of mediated devices there is a domain, and all of the mapping is backed.
 * They are waited for.
 */
static int change_owner(struct t1_container *c, struct t1_map *m)
{
	struct t1_backing *b = t1_map_backing(m);
	struct t1_owner *old = m->owner, *new;
	unsigned long charged = b ? b->charged : 0;
	int ret;

	if (old->mm == current->mm)
		return 0;
	new = map_owner(c);
	if (IS_ERR(new))
		return PTR_ERR(new);
	ret = t1_owner_charge(new, charged, false);
	if (ret)
		goto put;
	ret = lock_idle(c, m);
	if (ret) {
		t1_owner_uncharge(new, charged);
		goto put;
	}
	m->owner = new;
	t1_map_unlock(m);
	t1_owner_uncharge(old, charged);
	new = old;
put:
	t1_owner_put(new);
	return ret;
}

/**
 * t1_map_new_vaddr - MAP_DMA of a new address for a mapping that has none
 * @c: the container
 * @iova: of the mapping
 * @vaddr: of the current task's address space
 * @size: of the mapping
 *
 * Context: process context of a user's task. Sleeps.
 * Return: 0; -ENOENT: nothing is mapped there; -EINVAL: it has an address, or
 * another call is unmapping it, or it is not of that size; as t1_map() for the rest.
 */
int t1_map_new_vaddr(struct t1_container *c, unsigned long iova,
		     unsigned long vaddr, unsigned long size)
{
	unsigned long last, end;
	struct t1_map *m;
	int ret;

	ret = t1_range_last(iova, size, &last) ?: t1_range_last(vaddr, size, &end);
	if (ret)
		return ret;
	down_read(&c->domains_lock);
	mutex_lock(&c->maps_lock);
	m = t1_map_first(c, iova);
	if ((iova | vaddr | size) & (t1_pgsize(c) - 1))
		ret = -EINVAL;
	else if (!m || m->iova > last)
		ret = -ENOENT;
	else if (m->iova != iova || m->last != last || !m->vaddr_invalid ||
		 m->state != T1_MAP_READY)
		ret = -EINVAL;
	else
		ret = change_owner(c, m);
	if (!ret) {
		m->vaddr = vaddr;
		set_vaddr_invalid(c, m, false);
	}
	mutex_unlock(&c->maps_lock);
	up_read(&c->domains_lock);
	return ret;
}

/* The last byte that a call is to unmap. */
static int unmap_last(struct t1_container *c, u64 iova, u64 size, bool all,
		      unsigned long *last)
{
	unsigned long rest = t1_pgsize(c) - 1;

	if (unlikely(all)) {
		*last = ULONG_MAX;
		return iova || size ? -EINVAL : 0;
	}
	if (iova & rest || size & rest)
		return -EINVAL;
	return t1_range_last(iova, size, last);
}

/**
 * t1_maps_split - would a range cut a mapping in two?
 * @c: the container
 * @iova: the range's first byte
 * @last: its last
 *
 * Context: maps_lock is held.
 * Return: yes or no.
 */
bool t1_maps_split(struct t1_container *c, unsigned long iova, unsigned long last)
{
	struct t1_map *m = t1_map_first(c, iova);

	if (m && m->iova < iova)
		return true;
	m = t1_map_first(c, last);
	return m && m->iova <= last && m->last != last;
}

/*
 * Nobody uses a mapping, nor will: its lock is held, and it is going. Taking: write
 * bars; full barrier; read inflight. Entering (t1_map_enter_found()): increment
 * inflight; full barrier; read bars, back out if they forbid it. Store buffering: at
 * least one side sees the other. Those who unpin are in flight from under the lock on.
 */
static bool is_idle(struct t1_map *m)
{
	smp_mb(); /* pairs with smp_mb__after_atomic() in t1_map_enter_found() */
	return !atomic_read_acquire(&m->inflight) && t1_record_empty(&m->local);
}

/* Take a mapping: nobody may enter it from here on. Is it idle? */
static bool take(struct t1_map *m)
{
	bool idle;

	t1_map_lock(m);
	t1_map_set_state(m, T1_MAP_GOING);
	idle = is_idle(m);
	t1_map_unlock(m);
	return idle;
}

static void unmap_undo(struct t1_container *c, struct t1_map *going)
{
	mutex_lock(&c->maps_lock);
	for (; going; going = going->next) {
		set_state(going, T1_MAP_READY);
		let_go(c, going);
		cond_resched();
	}
	mutex_unlock(&c->maps_lock);
}

/*
 * List what is to go, and change nothing: -EINVAL: the range cuts a mapping in two.
 * @busy is one that another call has its hands on: whether it is cut shows when that
 * has let go of it.
 */
static int unmap_look(struct t1_container *c, unsigned long iova, unsigned long last,
		      bool all, struct t1_map **list, struct t1_map **busy)
{
	bool splits = c->v2 && !all;
	struct t1_map *m, **end = list;

	lockdep_assert_held(&c->maps_lock);
	*list = NULL;
	*busy = NULL;
	for (m = t1_map_first(c, iova); m && m->iova <= last; m = t1_map_next(m)) {
		cond_resched();
		if (m->state != T1_MAP_READY) {
			*busy = m;
			continue;
		}
		if (splits && (m->iova < iova || m->last > last))
			return -EINVAL;
		/* The first version takes its start for a mapping's, or nothing. */
		if (m->iova < iova)
			break;
		m->next = NULL;
		*end = m;
		end = &m->next;
		if (m->last >= last)
			break;
	}
	return 0;
}

/*
 * Begin to unmap: list what is to go, when no other call has its hands on any of it.
 * If there is no error, maps_lock is held after this; nothing is taken yet.
 */
static int unmap_begin(struct t1_container *c, unsigned long iova,
		       unsigned long last, bool all, struct t1_map **list)
{
	unsigned long settled;
	struct t1_map *busy;
	int ret;

	for (;;) {
		mutex_lock(&c->maps_lock);
		ret = unmap_look(c, iova, last, all, list, &busy);
		if (!ret && !busy)
			return 0;
		if (ret) {
			mutex_unlock(&c->maps_lock);
			return ret;
		}
		settled = c->settled;
		atomic_inc(&c->waiting);
		mutex_unlock(&c->maps_lock);
		/* The mapping may be gone by now: it is only waited for by its address. */
		ret = wait_var_event_killable(busy, READ_ONCE(c->settled) != settled);
		atomic_dec(&c->waiting);
		if (ret)
			return -EINTR;
	}
}

/* Take what is listed. Is all of it idle? */
static bool unmap_take(struct t1_map *list)
{
	bool idle = true;

	for (; list; list = list->next) {
		idle &= take(list);
		cond_resched();
	}
	return idle;
}

/* Take what is listed, and is not mapped by a domain, out of the tree. */
static void unmap_erase(struct t1_container *c, struct t1_map *going)
{
	for (; going; going = going->next) {
		erase(c, going);
		let_go(c, going);
		cond_resched();
	}
}

/* Free a mapping that has left the tree; its size. */
static u64 map_unmapped(struct t1_container *c, struct t1_map *m)
{
	u64 size = t1_map_size(m);

	trace_unmap_dma(c->id, m->iova, size);
	map_free(m);
	return size;
}

static u64 unmap_free(struct t1_container *c, struct t1_map *going)
{
	struct t1_map *m;
	u64 size = 0;

	while ((m = going)) {
		going = m->next;
		size += map_unmapped(c, m);
		cond_resched();
	}
	return size;
}

static void warn_pinned(struct t1_container *c, struct t1_map *m, const char *what,
			struct iommu_group *group)
{
	char driver[T1_DRIVER_LEN];

	if (c->warned)
		return;
	c->warned = true;
	t1_group_driver(group, driver);
	pr_warn("vfio_iommu_type1: driver %s has not unpinned pages at IOVA %#lx to %#lx when told to: %s\n",
		driver, m->iova, m->last, what);
}

/* Whose driver it may be, as far as can be told. */
static void warn_busy(struct t1_container *c, struct t1_map *m)
{
	struct t1_group *g, *found = NULL;

	list_for_each_entry(g, &c->groups, list)
		if (atomic_long_read(&g->npinned) || !found)
			found = g;
	warn_pinned(c, m, "unmapping it is refused, repair the driver",
		    found ? found->group : NULL);
}

/* Have drivers let go of a mapping that is going. */
static int unmap_quiesce(struct t1_container *c, struct t1_map *m)
{
	bool pinned;
	int round;

	for (round = 0; ; round++) {
		if (wait_idle(c, m))
			return -EINTR;
		t1_map_lock(m);
		pinned = !t1_record_empty(&m->local);
		t1_map_unlock(m);
		/* The call that unpins the last page is in flight, and none after it. */
		if (!pinned)
			return wait_idle(c, m);
		if (round == UNMAP_ROUNDS) {
			warn_busy(c, m);
			return -EBUSY;
		}
		/* A driver may unpin a little after it was told. */
		if (round)
			schedule_timeout_killable(msecs_to_jiffies(UNMAP_WAIT_MS));
		if (fatal_signal_pending(current))
			return -EINTR;
		t1_tell_unmap(c, m);
	}
}

/* Have no domain map what is listed. */
static void unmap_domains(struct t1_container *c, struct t1_map *going)
{
	if (list_empty(&c->domains))
		return;
	for (; going; going = going->next) {
		t1_unback_map(c, going, NULL);
		cond_resched();
	}
}

/* Unmap what is listed, which nobody uses: cannot fail. */
static u64 unmap_finish(struct t1_container *c, struct t1_map *going)
{
	unmap_domains(c, going);
	mutex_lock(&c->maps_lock);
	unmap_erase(c, going);
	mutex_unlock(&c->maps_lock);
	return unmap_free(c, going);
}

/*
 * Most calls are for one mapping, which nobody uses and no domain maps. Return
 * it, out of the tree, or NULL if it is not so, or anything is wrong. Nobody sees
 * that it was taken if it was not idle, see t1_map_enter_barred().
 */
static struct t1_map *unmap_one(struct t1_container *c, u64 iova, u64 size)
{
	struct t1_map *m;
	bool idle = false;

	mutex_lock(&c->maps_lock);
	m = likely(c->local_only) ? t1_map_search(c, iova) : NULL;
	if (m && m->iova == iova && t1_map_size(m) == size && size &&
	    m->state == T1_MAP_READY) {
		t1_map_lock(m);
		t1_map_set_state(m, T1_MAP_GOING);
		idle = is_idle(m);
		if (!idle)
			t1_map_set_state(m, T1_MAP_READY);
		t1_map_unlock(m);
		/* It was never seen as going under maps_lock: nobody waits for it. */
		if (idle)
			erase(c, m);
	}
	mutex_unlock(&c->maps_lock);
	return idle ? m : NULL;
}

/*
 * Find out whether the range and the bitmap will do while nothing is taken. The
 * latter can go until it is written, which is found out then.
 */
static int unmap_dry_run(struct t1_container *c, unsigned long iova,
			 unsigned long last, const struct vfio_bitmap *bitmap)
{
	struct t1_map *list;
	int ret = unmap_begin(c, iova, last, false, &list);

	if (ret)
		return ret;
	mutex_unlock(&c->maps_lock);
	return t1_dirty_try(c, iova, last, bitmap);
}

/**
 * t1_unmap - UNMAP_DMA
 * @c: the container
 * @iova: where
 * @size: bytes; those that were unmapped
 * @flags: VFIO_DMA_UNMAP_FLAG_ALL, VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP
 * @bitmap: of the latter, checked
 *
 * Context: process context of a user's task. Sleeps, calls drivers.
 * Return: 0, or an errno and nothing has been unmapped: -EINVAL: no range of
 * whole pages, or it cuts a mapping in two; -EBUSY: a driver does not unpin;
 * -EFAULT: the bitmap cannot be written; -ENOMEM: out of memory, for dirty bits;
 * -EINTR: the task was killed.
 */
int t1_unmap(struct t1_container *c, u64 iova, u64 *size, u32 flags,
	     const struct vfio_bitmap *bitmap)
{
	bool all = flags & VFIO_DMA_UNMAP_FLAG_ALL;
	bool dirty = flags & VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP;
	struct t1_map *m, *going;
	unsigned long last;
	bool simple;
	int ret;

	if (likely(!flags)) {
		m = unmap_one(c, iova, *size);
		if (likely(m)) {
			*size = map_unmapped(c, m);
			return 0;
		}
	}
	down_read(&c->domains_lock);
	simple = !dirty && list_empty(&c->domains);
	ret = unmap_last(c, iova, *size, all, &last);
	if (!ret && dirty && (!c->tracking || bitmap->pgsize != t1_pgsize(c)))
		ret = -EINVAL;
	if (ret)
		goto unlock;
	ret = dirty ? unmap_dry_run(c, iova, last, bitmap) : 0;
	if (!ret)
		ret = unmap_begin(c, iova, last, all, &going);
	if (ret)
		goto unlock;
	simple &= unmap_take(going);
	if (simple)
		unmap_erase(c, going);
	mutex_unlock(&c->maps_lock);
	if (simple) {
		*size = unmap_free(c, going);
		goto unlock;
	}
	for (m = going; m && !ret; m = m->next)
		ret = unmap_quiesce(c, m);
	for (m = going; m && !ret && dirty; m = m->next)
		ret = t1_dirty_report(c, m, iova, bitmap, false);
	if (ret)
		unmap_undo(c, going);
	else
		*size = unmap_finish(c, going);
unlock:
	up_read(&c->domains_lock);
	return ret;
}

/* Take the addresses of what is listed, or none if one has none. */
static int unmap_take_vaddr(struct t1_container *c, struct t1_map *list)
{
	struct t1_map *m;

	for (m = list; m; m = m->next)
		if (m->vaddr_invalid)
			return -EINVAL;
	for (m = list; m; m = m->next) {
		set_vaddr_invalid(c, m, true);
		take(m);
		cond_resched();
	}
	return 0;
}

/* They have no address, or still have it: nobody is in flight there, or an error. */
static u64 unmap_vaddr_finish(struct t1_container *c, struct t1_map *going, int error)
{
	u64 size = 0;

	mutex_lock(&c->maps_lock);
	for (; going; going = going->next) {
		size += (u64)t1_map_size(going);
		set_state(going, T1_MAP_READY);
		if (error)
			set_vaddr_invalid(c, going, false);
		let_go(c, going);
		cond_resched();
	}
	mutex_unlock(&c->maps_lock);
	return size;
}

/**
 * t1_unmap_vaddr - UNMAP_DMA of the addresses alone
 * @c: the container
 * @iova: where
 * @size: bytes; those of the mappings that have no address now
 * @all: all mappings
 *
 * No call uses the addresses after this.
 *
 * Context: process context of a user's task. Sleeps until nobody is in flight in the
 * mappings, as drivers of groups that an IOMMU translates for may pin and access.
 * Return: 0, or an errno and nothing was changed: -EBUSY: there are mediated
 * devices, which need the addresses; -EINVAL: as t1_unmap(), or one of the
 * mappings has no address; -EINTR: the task was killed.
 */
int t1_unmap_vaddr(struct t1_container *c, u64 iova, u64 *size, bool all)
{
	struct t1_map *m, *going;
	unsigned long last;
	u64 done;
	int ret;

	down_read(&c->domains_lock);
	if (c->nemulated) {
		ret = -EBUSY;
		goto unlock;
	}
	ret = unmap_last(c, iova, *size, all, &last);
	if (!ret)
		ret = unmap_begin(c, iova, last, all, &going);
	if (ret)
		goto unlock;
	ret = unmap_take_vaddr(c, going);
	mutex_unlock(&c->maps_lock);
	if (ret)
		goto unlock;
	for (m = going; m && !ret; m = m->next)
		ret = wait_idle(c, m);
	done = unmap_vaddr_finish(c, going, ret);
	if (!ret)
		*size = done;
unlock:
	up_read(&c->domains_lock);
	return ret;
}

/**
 * t1_maps_local_only - whether maps_lock is all that a map or unmap takes
 * @c: the container
 * @local_only: it is, unless there is a domain, or something is tracked
 *
 * Context: process context. domains_lock is held for writing.
 */
void t1_maps_local_only(struct t1_container *c, bool local_only)
{
	lockdep_assert_held_write(&c->domains_lock);
	mutex_lock(&c->maps_lock);
	c->local_only = local_only && list_empty(&c->domains) && !c->tracking;
	mutex_unlock(&c->maps_lock);
}

/**
 * t1_unmap_all - unmap everything, pinned or not
 * @c: the container, in which no device is open
 * @group: the last that leaves, or NULL
 *
 * Nothing is left in the tree before the first record is emptied: debugfs walks
 * the records of what is in the tree, under maps_lock.
 *
 * Context: process context. domains_lock is held for writing, so no mapping is
 * new or going; one that needs no domain may come meanwhile, and stays. Sleeps.
 */
void t1_unmap_all(struct t1_container *c, struct iommu_group *group)
{
	struct t1_map *going = NULL;
	unsigned long counted;
	struct t1_map *m;

	mutex_lock(&c->maps_lock);
	while ((m = t1_map_first(c, 0))) {
		set_state(m, T1_MAP_GOING);
		erase(c, m);
		m->next = going;
		going = m;
		cond_resched();
	}
	mutex_unlock(&c->maps_lock);
	for (m = going; m; m = m->next) {
		if (t1_record_empty(&m->local))
			continue;
		warn_pinned(c, m, "they are unpinned now, repair the driver", group);
		counted = t1_record_release(&m->local, m->prot & IOMMU_WRITE);
		if (!t1_map_backing(m))
			t1_owner_uncharge(m->owner, counted);
	}
	unmap_domains(c, going);
	unmap_free(c, going);
}
