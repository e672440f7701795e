// SPDX-License-Identifier: GPL-2.0-only
/*
 * MAP_DMA: a mapping is made, or gets a new address
 *
 * A mapping that IOMMU domains are to map is in the tree, as new, while that
 * is done, which takes long: so nothing else can be mapped there, and all other
 * IOVAs can.
 */
#include <linux/slab.h>

#include "type1.h"
#include "trace.h"

/*
 * Find a place in the tree for a mapping, unless it overlaps another: the link to it, and
 * the mapping that has that.
 */
static __always_inline struct rb_node **
find_place(struct t1_container *c, unsigned long iova, unsigned long last,
	   struct rb_node **parent)
{
	struct rb_node *node = c->maps.rb_node;
	struct t1_map *m;

	lockdep_assert_held(&c->maps_lock);
	*parent = NULL;
	/* Many are above all others. */
	if (c->highest && iova > c->highest->last) {
		*parent = &c->highest->node;
		node = NULL;
	}
	while (node) {
		*parent = node;
		m = rb_entry(node, struct t1_map, node);
		if (last < m->iova)
			node = node->rb_left;
		else if (likely(iova > m->last))
			node = node->rb_right;
		else
			return ERR_PTR(-EEXIST);
	}
	if (!c->avail)
		return ERR_PTR(-ENOSPC);
	if (!*parent)
		return &c->maps.rb_node;
	m = rb_entry(*parent, struct t1_map, node);
	return last < m->iova ? &(*parent)->rb_left : &(*parent)->rb_right;
}

static __always_inline void tree_insert(struct t1_container *c, struct t1_map *m,
					struct rb_node *parent, struct rb_node **link)
{
	struct rb_node *node;

	write_seqcount_begin(&c->maps_seq);
	rb_link_node(&m->node, parent, &node);
	/*
	 * Inserting: write the mapping and its node, with no children; write barrier;
	 * write links to it, this one and those that rebalancing adds. Searching
	 * (t1_map_search()): read a link; address dependency; read what it leads to.
	 */
	smp_wmb();
	WRITE_ONCE(*link, node);
	rb_insert_color(&m->node, &c->maps);
	write_seqcount_end(&c->maps_seq);
	WRITE_ONCE(c->avail, c->avail - 1); /* info.c reads it without the lock */
	c->nmaps++;
}

static noinline int replace_owner(struct t1_container *c)
{
	struct t1_owner *owner = t1_owner_new(!c->owner);

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

/* Make a mapping, and put it into the tree, which does not change meanwhile. */
static __always_inline struct t1_map *
map_insert(struct t1_container *c, unsigned long iova, unsigned long last,
	   unsigned long vaddr, int prot, enum t1_map_state state)
{
	struct rb_node *parent, **link;
	struct t1_owner *owner;
	struct t1_map *m;

	if (unlikely((iova | vaddr | (last + 1)) & (t1_pgsize(c) - 1)))
		return ERR_PTR(-EINVAL);
	link = find_place(c, iova, last, &parent);
	if (IS_ERR(link))
		return ERR_CAST(link);
	m = kmalloc(sizeof(*m), GFP_KERNEL_ACCOUNT);
	if (!m)
		return ERR_PTR(-ENOMEM);
	owner = map_owner(c);
	if (IS_ERR(owner)) {
		kfree(m);
		return ERR_CAST(owner);
	}
	m->iova = iova;
	m->last = last;
	m->vaddr = vaddr;
	m->owner = owner;
	t1_record_init(&m->local);
	m->extra = NULL;
	atomic_set(&m->inflight, 0);
	m->align = (vaddr >> PAGE_SHIFT) & (STRETCH_PAGES - 1);
	m->prot = prot;
	m->state = state;
	m->vaddr_invalid = false;
	m->bars = t1_map_bars(m);
	tree_insert(c, m, parent, link);
	if (!c->highest || iova > c->highest->last)
		c->highest = m;
	return m;
}

/* Have what a mapping needs before it is ready. */
static int map_complete(struct t1_container *c, struct t1_map *m)
{
	int ret = c->tracking ? t1_dirty_track(m) : 0;

	if (!ret && !list_empty(&c->domains))
		ret = t1_back_map(c, m);
	mutex_lock(&c->maps_lock);
	if (ret)
		t1_tree_erase(c, m);
	else
		t1_map_change_state(m, T1_MAP_READY);
	t1_map_let_go(c, m);
	mutex_unlock(&c->maps_lock);
	if (ret)
		t1_map_free(m);
	return ret;
}

/* Make a mapping where there may be domains, or something is tracked. */
static noinline int map_not_only_local(struct t1_container *c, unsigned long iova,
				       unsigned long last, unsigned long vaddr, int prot)
{
	struct t1_map *m = ERR_PTR(-EINVAL);
	int ret;

	down_read(&c->domains_lock);
	mutex_lock(&c->maps_lock);
	if (t1_ranges_hold(c->ranges, iova, last))
		m = map_insert(c, iova, last, vaddr, prot, T1_MAP_NEW);
	mutex_unlock(&c->maps_lock);
	ret = IS_ERR(m) ? PTR_ERR(m) : map_complete(c, m);
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
 * locked; -EFAULT: the memory cannot be pinned; -EINTR: the task was killed; what
 * else t1_gup_pages() or the IOMMU driver says.
 */
int t1_map(struct t1_container *c, unsigned long iova, unsigned long vaddr,
	   unsigned long size, int prot)
{
	unsigned long last, end;
	int ret;

	ret = t1_range_last(iova, size, &last) ?: t1_range_last(vaddr, size, &end);
	if (ret)
		return ret;
	mutex_lock(&c->maps_lock);
	if (likely(c->local_only)) {
		ret = PTR_ERR_OR_ZERO(map_insert(c, iova, last, vaddr, prot, T1_MAP_READY));
		mutex_unlock(&c->maps_lock);
	} else {
		mutex_unlock(&c->maps_lock);
		ret = map_not_only_local(c, iova, last, vaddr, prot);
	}

	if (!ret && unlikely(!READ_ONCE(c->debugfs)))
		t1_debugfs_add(c);
	trace_map_dma(c->id, iova, vaddr, size, prot, ret);
	return ret;
}

/*
 * Have another task, or the same after exec, own a mapping. It has no address, so
 * nobody pins or copies, and t1_unmap_vaddr() has waited for those who did. There may be
 * some who unpin, which does not change what the owner is charged for: with no
 * group of mediated devices there is a domain, and all of the mapping is backed.
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
	t1_map_lock(m);
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
		t1_map_set_vaddr_invalid(c, m, false);
	}
	mutex_unlock(&c->maps_lock);
	up_read(&c->domains_lock);
	return ret;
}
