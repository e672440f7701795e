// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mappings: which IOVAs stand for which addresses of whom
 *
 * The tree is changed under maps_lock, and searched without: mappings are
 * freed after a grace period, a search that another change may have led astray
 * is done over, and what was found is looked at again under the mapping's lock.
 *
 * 'last' is the last byte of a range, so that the end of the address space is
 * one that can be used; no sum below goes past it.
 */
#include <linux/slab.h>
#include <linux/wait_bit.h>

#include "type1.h"

static struct t1_map *to_map(struct rb_node *node)
{
	return node ? rb_entry(node, struct t1_map, node) : NULL;
}

/**
 * t1_map_stretch - find where pages of a mapping are recorded
 * @c: the container
 * @iova: in the mapping, which may be about to be unmapped
 * @map: the mapping
 * @npages: how many pages are wanted from there on; how many of these the stretch has,
 *	or would have, or one where nothing is mapped
 *
 * Context: process context. Returns with the stretch's lock held, which keeps the memory
 * of both; if something is pinned there, or the caller becomes busy then, they stay.
 * Return: the stretch, or NULL: nothing was ever pinned there.
 */
struct t1_stretch *t1_map_stretch(struct t1_container *c, unsigned long iova,
				  struct t1_map **map, unsigned long *npages)
{
	struct t1_stretch *s = NULL;
	unsigned long index, n = 1;
	unsigned int seq;
	struct t1_map *m;

	might_lock(&c->maps_lock);
	do {
		seq = read_seqcount_begin(&c->maps_seq);
		t1_search_begin();
		m = t1_map_search(c, iova);
		if (m) {
			index = t1_map_index(m, iova);
			n = min(*npages, ((m->last - iova) >> PAGE_SHIFT) + 1);
			n = t1_in_stretch(index, n);
			s = t1_record_stretch(&m->local, index);
		}
		if (s)
			t1_stretch_lock(s);
		t1_search_end();
	} while (!m && read_seqcount_retry(&c->maps_seq, seq));
	*map = m;
	*npages = n;
	return s;
}

/**
 * t1_map_enter - find a mapping that may be used, and be in flight in it
 * @c: the container
 * @iova: in it
 *
 * Context: process context. The caller is to call t1_leave().
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
		entered = m && t1_enter(c, m, &m->inflight);
		t1_search_end();
	} while (!m && read_seqcount_retry(&c->maps_seq, seq));
	return entered ? m : NULL;
}

/**
 * t1_enter_barred - be in flight in a mapping although its bars forbid it
 * @c: the container
 * @m: the mapping
 * @calls: its count, or that of a stretch of it, in which the caller counts already,
 *	and does not while it waits for the lock
 *
 * erase_idle() sets the bars, and takes them back if the mapping cannot go, within
 * one hold of the mapping's lock: a caller that has that lock does not see it.
 *
 * Context: in a reader's section of RCU.
 * Return: success; if not, the caller is not in flight any more.
 */
bool t1_enter_barred(struct t1_container *c, struct t1_map *m, atomic_t *calls)
{
	bool barred;

	/* Not while it waits for the lock: an unmap waits for nobody to be in flight. */
	t1_leave(c, calls);
	t1_map_lock(m);
	barred = m->bars & T1_BAR_STATE;
	/* The lock is held, so it is sure to be seen. */
	if (!barred)
		atomic_inc(calls);
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
 * t1_maps_pinned - how many pages mediated devices have pinned
 * @c: the container
 *
 * Context: process context. maps_lock is held, and no mapping's lock is: pages may come
 * and go meanwhile. Sleeps.
 * Return: how many, of those that count as locked memory.
 */
unsigned long t1_maps_pinned(struct t1_container *c)
{
	unsigned long pinned = 0;
	struct t1_map *m;

	for (m = t1_map_first(c, 0); m; m = t1_map_next(m))
		pinned += t1_record_counted(&m->local);
	return pinned;
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
	t1_map_lock(m);
	WRITE_ONCE(m->extra, extra);
	t1_map_unlock(m);
	return 0;
}

/* Whoever looks at what is in a mapping's extra has the mapping's lock. */
static void free_extra(struct t1_map *m)
{
	struct t1_extra *extra = m->extra;

	t1_map_lock(m);
	WRITE_ONCE(m->extra, NULL);
	t1_map_unlock(m);
	kvfree(extra->dirty);
	kfree(extra);
}

/**
 * t1_map_drop_extra - free a mapping's extra, if nothing is in it
 * @m: the mapping
 *
 * Context: process context; see t1_map_backing().
 */
void t1_map_drop_extra(struct t1_map *m)
{
	if (m->extra && !m->extra->backed && !m->extra->dirty)
		free_extra(m);
}

/**
 * t1_tree_erase - take a mapping out of the tree
 * @c: the container
 * @m: the mapping
 *
 * Context: process context, maps_lock is held.
 */
void t1_tree_erase(struct t1_container *c, struct t1_map *m)
{
	lockdep_assert_held(&c->maps_lock);
	if (c->highest == m)
		c->highest = to_map(rb_prev(&m->node));
	write_seqcount_begin(&c->maps_seq);
	rb_erase(&m->node, &c->maps);
	write_seqcount_end(&c->maps_seq);
	WRITE_ONCE(c->avail, c->avail + 1);
	c->nmaps--;
	if (m->vaddr_invalid) {
		atomic_dec(&c->barred);
		WRITE_ONCE(c->vaddr_invalid, c->vaddr_invalid - 1);
	}
}

/**
 * t1_map_let_go - have one's hands on a mapping no more
 * @c: the container
 * @m: the mapping, which is ready, or has left the tree
 *
 * Of those who wait in unmap_begin() only those are woken that wait for this one.
 * Waiting: under maps_lock, read settled and raise waiting; enter the queue; full
 * barrier (of set_current_state()); read settled, sleep unless it has changed.
 * Letting go: under maps_lock, read waiting; write settled; full barrier; look into
 * the queue. Store buffering: at least one side sees the other.
 *
 * Context: process context, maps_lock is held.
 */
void t1_map_let_go(struct t1_container *c, struct t1_map *m)
{
	lockdep_assert_held(&c->maps_lock);
	if (likely(!atomic_read(&c->waiting)))
		return;
	WRITE_ONCE(c->settled, c->settled + 1);
	smp_mb(); /* pairs with set_current_state() of wait_var_event_killable() */
	wake_up_var(m);
}

/**
 * t1_map_change_state - have a mapping be ready, or going
 * @m: the mapping
 * @state: which
 *
 * Context: process context, maps_lock is held.
 */
void t1_map_change_state(struct t1_map *m, enum t1_map_state state)
{
	t1_map_lock(m);
	t1_map_set_state(m, state);
	t1_map_unlock(m);
}

/**
 * t1_map_set_vaddr_invalid - take a mapping's address away, or give it one
 * @c: the container
 * @m: the mapping
 * @invalid: nobody may enter it; the container's counters say why a pin fails,
 *	whether one may be made the mapping's bars say
 *
 * Context: process context, maps_lock is held.
 */
void t1_map_set_vaddr_invalid(struct t1_container *c, struct t1_map *m, bool invalid)
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

/**
 * t1_map_free - the last of a mapping
 * @m: the mapping, which is not in the tree, and which no domain maps
 *
 * Whoever found it before sees that it is not ready, under its lock, within a grace
 * period.
 *
 * Context: process context.
 */
void t1_map_free(struct t1_map *m)
{
	/* A call that unpins, and finds nothing pinned, may look. */
	if (unlikely(m->extra))
		free_extra(m);
	if (unlikely(!t1_record_is_new(&m->local)))
		t1_record_free(&m->local);
	t1_owner_put(m->owner);
	kfree_rcu(m, rcu);
}

/*
 * Wait until a count of calls, of those in flight in a mapping or of those busy in a
 * stretch, is 0. Leaving (t1_leave()): decrement the count; full barrier; read waiting,
 * look into the queue if it is not 0. Waiting: raise waiting, enter the queue; full
 * barrier (of set_current_state()); read the count, sleep unless it is 0. Store
 * buffering: at least one side sees the other.
 */
static int wait_for_none(struct t1_container *c, atomic_t *calls)
{
	int ret;

	if (likely(!atomic_read_acquire(calls)))
		return 0;
	atomic_inc(&c->waiting);
	ret = wait_var_event_killable(calls, !atomic_read_acquire(calls));
	atomic_dec(&c->waiting);
	return ret ? -EINTR : 0;
}

/* Wait until nobody is busy in a stretch; whether something is pinned there then. */
static int stretch_wait_idle(struct t1_container *c, struct t1_stretch *s)
{
	bool busy;
	int ret;

	do {
		t1_stretch_lock(s);
		busy = atomic_read(&s->busy);
		ret = !!s->npinned;
		t1_stretch_unlock(s);
		if (busy && wait_for_none(c, &s->busy))
			return -EINTR;
	} while (busy);
	return ret;
}

/**
 * t1_map_wait_idle - wait until nobody uses a mapping
 * @c: the container
 * @m: the mapping, which is barred: nobody begins to, but to unpin
 *
 * Taking: write bars; full barrier; read inflight, and busy of each stretch. Entering
 * (t1_enter()): increment one of them; full barrier; read bars, back out if they forbid
 * it. Store buffering: at least one side sees the other. Stretches are made by those in
 * flight alone: none comes after these have left. Those who unpin become busy under the
 * lock under which they take a page off the record.
 *
 * Context: process context. Sleeps.
 * Return: 0: nothing is pinned, or will be; 1: something is; -EINTR: the task was
 * killed.
 */
int t1_map_wait_idle(struct t1_container *c, struct t1_map *m)
{
	struct t1_stretch *s;
	unsigned long place;
	int ret, pinned = 0;

	smp_mb(); /* pairs with smp_mb__after_atomic() in t1_enter() */
	if (wait_for_none(c, &m->inflight))
		return -EINTR;
	xa_for_each(&m->local.stretches, place, s) {
		ret = stretch_wait_idle(c, s);
		if (ret < 0)
			return ret;
		pinned |= ret;
		cond_resched();
	}
	return pinned;
}

/**
 * t1_map_is_idle - does nobody use a mapping, nor will, as far as is seen at once?
 * @m: the mapping, which is going
 *
 * See t1_map_wait_idle() for the order.
 *
 * Context: the mapping's lock is held.
 * Return: yes, or t1_map_wait_idle() knows more.
 */
bool t1_map_is_idle(struct t1_map *m)
{
	smp_mb(); /* pairs with smp_mb__after_atomic() in t1_enter() */
	return !atomic_read_acquire(&m->inflight) &&
	       (likely(t1_record_is_new(&m->local)) || t1_record_is_idle(&m->local));
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
