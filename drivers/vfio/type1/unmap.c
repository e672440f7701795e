// SPDX-License-Identifier: GPL-2.0-only
/*
 * UNMAP_DMA: mappings go, or lose their addresses
 *
 * A mapping that is unmapped is in the tree, as going, until no domain maps it any
 * more. Meanwhile it cannot be used, except that what is pinned can be unpinned.
 * Either all mappings that a call is to unmap go, or none.
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
 */
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/wait_bit.h>

#include "type1.h"
#include "trace.h"

/* How often drivers are asked to unpin, and how long they are waited for. */
#define UNMAP_ROUNDS	10
#define UNMAP_WAIT_MS	5

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

/*
 * Have what is listed ready again, which was taken; if @vaddr, with the address that it
 * lost then. Its size.
 */
static u64 unmap_ready(struct t1_container *c, struct t1_map *taken, bool vaddr)
{
	u64 size = 0;

	mutex_lock(&c->maps_lock);
	for (; taken; taken = taken->next) {
		size += t1_map_size(taken);
		t1_map_change_state(taken, T1_MAP_READY);
		if (vaddr)
			t1_map_set_vaddr_invalid(c, taken, false);
		t1_map_let_go(c, taken);
		cond_resched();
	}
	mutex_unlock(&c->maps_lock);
	return size;
}

/*
 * List what is to go, and change nothing: -EINVAL: the range cuts a mapping in two.
 * @busy is one that another call has its hands on: whether it is cut shows when that
 * has let go of it.
 */
static int unmap_look(struct t1_container *c, unsigned long iova, unsigned long last,
		      struct t1_map **list, struct t1_map **busy)
{
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
		if (c->v2 && (m->iova < iova || m->last > last))
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
		       unsigned long last, struct t1_map **list)
{
	unsigned long settled;
	struct t1_map *busy;
	int ret;

	for (;;) {
		mutex_lock(&c->maps_lock);
		ret = unmap_look(c, iova, last, list, &busy);
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

/* Take what is listed: nobody may enter it from here on. Is all of it idle? */
static bool unmap_take(struct t1_map *list)
{
	bool idle = true;

	for (; list; list = list->next) {
		t1_map_lock(list);
		t1_map_set_state(list, T1_MAP_GOING);
		idle &= t1_map_is_idle(list);
		t1_map_unlock(list);
		cond_resched();
	}
	return idle;
}

/* Free a mapping that has left the tree; its size. */
static u64 map_unmapped(struct t1_container *c, struct t1_map *m)
{
	u64 size = t1_map_size(m);

	trace_unmap_dma(c->id, m->iova, size);
	t1_map_free(m);
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

	/* Two unmaps may meet here. That of a bool says true on s390x for what is beside it. */
	if (xchg(&c->warned, 1))
		return;
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
	int round, ret;

	for (round = 0; ; round++) {
		ret = t1_map_wait_idle(c, m);
		if (ret <= 0)
			return ret;
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

/* Unmap what is listed, which nobody uses: cannot fail. */
static u64 unmap_finish(struct t1_container *c, struct t1_map *going)
{
	struct t1_map *m;

	for (m = going; m && !list_empty(&c->domains); m = m->next) {
		t1_unback_map(c, m);
		cond_resched();
	}
	mutex_lock(&c->maps_lock);
	for (m = going; m; m = m->next) {
		t1_tree_erase(c, m);
		t1_map_let_go(c, m);
		cond_resched();
	}
	mutex_unlock(&c->maps_lock);
	return unmap_free(c, going);
}

/*
 * Take a mapping out of the tree if nobody uses it; return it, or NULL. Nobody sees that
 * it was taken if it was not idle, see t1_enter_barred().
 */
static __always_inline struct t1_map *erase_idle(struct t1_container *c, struct t1_map *m)
{
	bool idle;

	if (unlikely(m->state != T1_MAP_READY))
		return NULL;
	t1_map_lock(m);
	t1_map_set_state(m, T1_MAP_GOING);
	idle = t1_map_is_idle(m);
	if (!idle)
		t1_map_set_state(m, T1_MAP_READY);
	t1_map_unlock(m);
	/* It was never seen as going under maps_lock: nobody waits for it. */
	if (idle)
		t1_tree_erase(c, m);
	return idle ? m : NULL;
}

/*
 * Most calls are for one mapping, or for all, of which there is one alone; which nobody
 * uses and no domain maps.
 */
static __always_inline struct t1_map *unmap_one(struct t1_container *c, u64 iova,
						u64 size, bool all)
{
	struct t1_map *m = NULL;

	mutex_lock(&c->maps_lock);
	if (likely(c->local_only && !all)) {
		m = t1_map_search(c, iova);
		if (m && (m->iova != iova || t1_map_size(m) != size))
			m = NULL;
	} else if (c->local_only && c->nmaps == 1 && !iova && !size) {
		m = c->highest;
	}
	if (m)
		m = erase_idle(c, m);
	mutex_unlock(&c->maps_lock);
	return m;
}

/*
 * Find out whether the range and the bitmap will do while nothing is taken. The
 * latter can go until it is written, which is found out then.
 */
static int unmap_dry_run(struct t1_container *c, unsigned long iova,
			 unsigned long last, const struct vfio_bitmap *bitmap)
{
	struct t1_map *list;
	int ret;

	if (!c->tracking || bitmap->pgsize != t1_pgsize(c))
		return -EINVAL;
	ret = unmap_begin(c, iova, last, &list);
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
	struct t1_map *m = NULL, *going;
	unsigned long last;
	bool idle;
	int ret;

	if (likely(!flags))
		m = unmap_one(c, iova, *size, false);
	else if (all)
		m = unmap_one(c, iova, *size, true);
	if (likely(m)) {
		*size = map_unmapped(c, m);
		return 0;
	}
	down_read(&c->domains_lock);
	ret = unmap_last(c, iova, *size, all, &last);
	if (!ret && dirty)
		ret = unmap_dry_run(c, iova, last, bitmap);
	if (!ret)
		ret = unmap_begin(c, iova, last, &going);
	if (ret)
		goto unlock;
	idle = unmap_take(going);
	mutex_unlock(&c->maps_lock);
	for (m = going; m && !ret && !idle; m = m->next)
		ret = unmap_quiesce(c, m);
	for (m = going; m && !ret && dirty; m = m->next)
		ret = t1_dirty_report(c, m, iova, bitmap, false);
	if (ret)
		unmap_ready(c, going, false);
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
		t1_map_set_vaddr_invalid(c, m, true);
		cond_resched();
	}
	unmap_take(list);
	return 0;
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
	ret = c->nemulated ? -EBUSY : unmap_last(c, iova, *size, all, &last);
	if (!ret)
		ret = unmap_begin(c, iova, last, &going);
	if (ret)
		goto unlock;
	ret = unmap_take_vaddr(c, going);
	mutex_unlock(&c->maps_lock);
	if (ret)
		goto unlock;
	for (m = going; m && !ret; m = m->next)
		ret = min(t1_map_wait_idle(c, m), 0);
	/* Nobody is in flight there, or an error. */
	done = unmap_ready(c, going, ret);
	if (!ret)
		*size = done;
unlock:
	up_read(&c->domains_lock);
	return ret;
}

/**
 * t1_unmap_all - unmap everything, pinned or not
 * @c: the container, in which no device is open, and which has no domain
 * @group: the last that leaves, or NULL
 *
 * Nothing is left in the tree before the first record is emptied: debugfs walks
 * the records of what is in the tree, under maps_lock.
 *
 * Context: process context. domains_lock is held for writing, so no mapping is
 * new or going; one may come meanwhile, and stays. Or nobody else uses the container.
 * Sleeps.
 */
void t1_unmap_all(struct t1_container *c, struct iommu_group *group)
{
	struct t1_map *going = NULL, *m;

	mutex_lock(&c->maps_lock);
	while ((m = t1_map_first(c, 0))) {
		t1_map_change_state(m, T1_MAP_GOING);
		t1_tree_erase(c, m);
		m->next = going;
		going = m;
		cond_resched();
	}
	mutex_unlock(&c->maps_lock);
	for (m = going; m; m = m->next) {
		if (!t1_map_wait_idle(c, m))
			continue;
		warn_pinned(c, m, "they are unpinned now, repair the driver", group);
		t1_owner_uncharge(m->owner, t1_record_release(&m->local, m->prot & IOMMU_WRITE));
	}
	unmap_free(c, going);
}
