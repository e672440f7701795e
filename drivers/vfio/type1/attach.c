// SPDX-License-Identifier: GPL-2.0-only
/*
 * Groups come and go
 *
 * A group of mediated devices joins without more ado. One that an IOMMU
 * translates for gets a domain: one of the container's if it is of the same
 * kind, else its own, which then maps everything that is mapped. The first
 * domain to come pins all of it, the last to go unpins all; mappings stay until
 * the last group of either kind goes.
 *
 * All of this is done with domains_lock held for writing: where there is a domain,
 * nothing is mapped or unmapped meanwhile, but mediated devices pin and unpin.
 *
 * A group that cannot join leaves the container as it was, and one line in the log
 * that says why, unless the task was killed.
 */
#include <linux/iommu.h>
#include <linux/ratelimit.h>
#include <linux/rculist.h>
#include <linux/slab.h>

#include <vfio-compat/iommu.h>

#include "type1.h"
#include "trace.h"

/* It is the user's doing, who may repeat it: some lines will do, and no others. */
static struct ratelimit_state refusals =
	RATELIMIT_STATE_INIT_FLAGS(refusals, DEFAULT_RATELIMIT_INTERVAL,
				   DEFAULT_RATELIMIT_BURST, RATELIMIT_MSG_ON_RELEASE);

/* Say why a group does not join. */
static int refuse(struct t1_group *g, int ret, const char *why)
{
	if (ret != -EINTR && __ratelimit(&refusals))
		pr_notice("vfio_iommu_type1: group %d cannot join the container (%d): %s\n",
			  iommu_group_id(g->group), ret, why);
	return ret;
}

/*
 * What each domain can map by itself, then what all can: the largest of their
 * smallest pages, of which each can map what another maps as one, and those above
 * that all have.
 */
static void update_pgsizes(struct t1_container *c)
{
	unsigned long least = PAGE_SIZE;
	struct t1_domain *d;

	c->pgsizes = PAGE_MASK;
	list_for_each_entry(d, &c->domains, list) {
		c->pgsizes &= t1_domain_pgsizes(d);
		least = max(least, t1_domain_pgsize(d));
	}
	c->pgsizes = (c->pgsizes & ~(least - 1)) | least;
}

/* Can a domain map everything that is mapped, within the ranges? */
static bool maps_fit(struct t1_container *c, struct t1_domain *d,
		     const struct t1_ranges *ranges)
{
	unsigned long rest = t1_domain_pgsize(d) - 1;
	struct t1_map *m;
	bool fit = true;

	mutex_lock(&c->maps_lock);
	for (m = t1_map_first(c, 0); m && fit; m = t1_map_next(m)) {
		fit = !((m->iova | m->vaddr | (m->last + 1)) & rest) &&
		      t1_ranges_hold(ranges, m->iova, m->last);
		cond_resched();
	}
	mutex_unlock(&c->maps_lock);
	return fit;
}

/*
 * Move a group from a domain of its own, which is freed then, to one of the same kind
 * that it can share. Return the one that it is in, or an ERR_PTR: it is in none, and its
 * own is freed.
 */
static struct t1_domain *share_domain(struct t1_container *c, struct iommu_group *group,
				      struct t1_domain *own)
{
	struct t1_domain *d;
	int ret;

	list_for_each_entry(d, &c->domains, list) {
		if (d->domain->ops != own->domain->ops || d->coherent != own->coherent)
			continue;
		iommu_detach_group(own->domain, group);
		if (!iommu_attach_group(d->domain, group)) {
			t1_domain_free(own);
			return d;
		}
		ret = iommu_attach_group(own->domain, group);
		if (ret) {
			t1_domain_free(own);
			return ERR_PTR(ret);
		}
	}
	return own;
}

/* Say why not everything that is mapped is mapped in its domain. */
static int refuse_maps(struct t1_group *g, int ret)
{
	if (ret == -ENOMEM)
		return refuse(g, ret,
			      "out of memory, or of memory that may be locked: raise RLIMIT_MEMLOCK, with ulimit -l or the memtune of a libvirt domain");
	if (ret == -EFAULT)
		return refuse(g, ret,
			      "memory that is mapped cannot be pinned, or is not there any more: unmap it first");
	if (ret == -ESRCH)
		return refuse(g, ret,
			      "the process whose memory is mapped is gone: unmap it first");
	return refuse(g, ret,
		      "its IOMMU driver does not map what is mapped: see what it has said, or unmap it first");
}

/* What only a domain of its own needs. */
static int start_domain(struct t1_container *c, struct t1_group *g,
			struct t1_domain *d, phys_addr_t msi)
{
	int ret = msi ? iommu_get_msi_cookie(d->domain, msi) : 0;

	if (ret && ret != -ENODEV)
		return refuse(g, ret,
			      "its IOMMU driver does not map its interrupts: see what it has said");
	ret = t1_domain_join(c, d);
	return ret ? refuse_maps(g, ret) : 0;
}

static int attach_backed(struct t1_container *c, struct t1_group *g)
{
	struct t1_ranges *ranges;
	phys_addr_t msi = 0;
	struct t1_domain *d;
	int ret;

	if (!t1_allow_unsafe_interrupts && !vfio_compat_isolated_msi(g->group)) {
		pr_warn_ratelimited("vfio_iommu_type1: interrupts of group %d are not isolated by the IOMMU, which lets a guest raise any: enable interrupt remapping, or accept that with allow_unsafe_interrupts=1\n",
				    iommu_group_id(g->group));
		return -EPERM;
	}
	d = t1_domain_new(c, g->group);
	if (IS_ERR(d))
		return refuse(g, PTR_ERR(d), c->nesting ?
			      "there is no nesting IOMMU domain for it: use VFIO_TYPE1v2_IOMMU" :
			      "there is no IOMMU domain for it: see what its IOMMU driver has said");
	t1_maps_local_only(c, false);
	ranges = t1_ranges_make(c, d, g->group, &msi);
	if (IS_ERR(ranges)) {
		ret = refuse(g, PTR_ERR(ranges),
			     "no IOVA that all groups can use is left, or no memory: give it a container of its own");
		ranges = NULL;
		goto detach;
	}
	if (!maps_fit(c, d, ranges)) {
		ret = refuse(g, -EINVAL,
			     "something is mapped where its IOMMU does not translate, or not in whole pages of its IOMMU's: unmap it first, or give it a container of its own");
		goto detach;
	}
	d = share_domain(c, g->group, d);
	if (IS_ERR(d)) {
		ret = refuse(g, PTR_ERR(d),
			     "its IOMMU driver does not take it back into its domain: see what it has said");
		goto free;
	}
	if (!d->ngroups) {
		ret = start_domain(c, g, d, msi);
		if (ret)
			goto detach;
	}
	d->ngroups++;
	g->domain = d;
	kfree(c->ranges);
	c->ranges = ranges;
	update_pgsizes(c);
	return 0;
detach:
	iommu_detach_group(d->domain, g->group);
	t1_domain_free(d);
free:
	kfree(ranges);
	return ret;
}

/*
 * A group has come or gone. As long as it is the only one, all that is pinned is
 * pinned for it; with others, pins are counted for each, from what there is on.
 */
static void count_groups(struct t1_container *c, int more)
{
	struct t1_group *g;

	c->ngroups += more;
	if (more > 0 && c->ngroups == 2) {
		g = list_first_entry(&c->groups, struct t1_group, list);
		mutex_lock(&c->maps_lock);
		atomic_long_set(&g->npinned, t1_maps_pinned(c));
		mutex_unlock(&c->maps_lock);
		atomic_inc(&c->barred);
	} else if (more < 0 && c->ngroups == 1) {
		atomic_dec(&c->barred);
	}
}

/**
 * t1_attach - a group joins
 * @data: the container
 * @group: the group
 * @type: VFIO_EMULATED_IOMMU: it is one of mediated devices
 *
 * Context: process context. Sleeps.
 * Return: 0, or an errno and everything is as before: -EBUSY: mappings have no
 * address; -EPERM: its interrupts are not isolated; -EINVAL: it has joined already,
 * or the IOMMU cannot translate what is mapped, or no IOVA that others can; -ENODEV:
 * it has no device; -ENOMEM: out of memory, or of memory that may be locked; -EFAULT:
 * what is mapped cannot be pinned; -ESRCH: its owner is gone; -EINTR: the task was
 * killed; what else t1_gup_pages() or the IOMMU driver says.
 */
int t1_attach(void *data, struct iommu_group *group, enum vfio_group_type type)
{
	bool emulated = type == VFIO_EMULATED_IOMMU;
	struct t1_container *c = data;
	struct t1_group *g;
	int ret;

	g = kzalloc(sizeof(*g), GFP_KERNEL_ACCOUNT);
	if (!g)
		return -ENOMEM;
	g->group = group;
	atomic_set(&g->scoped, emulated);

	ret = down_write_killable(&c->domains_lock);
	if (ret)
		goto free;
	if (READ_ONCE(c->vaddr_invalid))
		ret = refuse(g, -EBUSY,
			     "a mapping has no address: give it one first, with VFIO_DMA_MAP_FLAG_VADDR");
	else if (t1_group_find(c, group))
		ret = refuse(g, -EINVAL, "it has joined already");
	else if (!emulated)
		ret = attach_backed(c, g);
	if (!ret) {
		list_add_tail_rcu(&g->list, &c->groups);
		count_groups(c, 1);
		if (emulated)
			c->nemulated++;
		else
			t1_unscoped(c, 1);
	}
	t1_maps_local_only(c, true);
	up_write(&c->domains_lock);
free:
	if (ret)
		kfree(g);
	trace_attach_group(c->id, iommu_group_id(group), emulated, ret);
	return ret;
}

/* The IOVAs that remain are more than before; without memory, as many. */
static void widen_ranges(struct t1_container *c)
{
	struct t1_ranges *ranges = NULL;

	if (!list_empty(&c->domains)) {
		ranges = t1_ranges_make(c, NULL, NULL, NULL);
		if (IS_ERR(ranges))
			return;
	}
	kfree(c->ranges);
	c->ranges = ranges;
}

static void detach_backed(struct t1_container *c, struct t1_group *g)
{
	struct t1_domain *d = g->domain;

	iommu_detach_group(d->domain, g->group);
	if (!--d->ngroups) {
		t1_domain_leave(c, d);
		t1_domain_free(d);
		update_pgsizes(c);
	}
	widen_ranges(c);
}

/**
 * t1_detach - a group leaves
 * @data: the container
 * @group: the group
 *
 * Context: process context, no device of the group is open. Sleeps. What can
 * fail for lack of memory leaves fewer IOVAs usable than there are.
 */
void t1_detach(void *data, struct iommu_group *group)
{
	struct t1_container *c = data;
	struct t1_group *g;

	down_write(&c->domains_lock);
	g = t1_group_find(c, group);
	if (g) {
		list_del_rcu(&g->list);
		count_groups(c, -1);
		/* What it may have written to nobody can tell any more. */
		if (!atomic_xchg(&g->scoped, 1)) {
			if (c->tracking)
				t1_dirty_all(c);
			t1_unscoped(c, -1);
		}
		if (g->domain)
			detach_backed(c, g);
		else
			c->nemulated--;
		/* Of what comes meanwhile it does not matter whether it is seen. */
		if (list_empty(&c->groups) && data_race(c->nmaps))
			t1_unmap_all(c, group);
		t1_maps_local_only(c, true);
		trace_detach_group(c->id, iommu_group_id(group));
	}
	up_write(&c->domains_lock);
	if (g)
		kfree_rcu(g, rcu);
}

/**
 * t1_group_domain - the IOMMU domain of a group
 * @data: the container
 * @group: the group
 *
 * Context: process context. Sleeps.
 * Return: the domain, or an ERR_PTR: -ENODEV: it has none; -EINVAL: there is no such.
 */
struct iommu_domain *t1_group_domain(void *data, struct iommu_group *group)
{
	struct iommu_domain *domain = ERR_PTR(-ENODEV);
	struct t1_container *c = data;
	struct t1_group *g;

	if (!c || !group)
		return ERR_PTR(-EINVAL);
	down_read(&c->domains_lock);
	g = t1_group_find(c, group);
	if (g && g->domain)
		domain = g->domain->domain;
	up_read(&c->domains_lock);
	return domain;
}
