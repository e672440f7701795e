// SPDX-License-Identifier: GPL-2.0-only
/*
 * The groups of a container, one by one: which one it is, what is pinned for it,
 * and whose driver its device has
 *
 * The list changes under domains_lock, held for writing, and is read under RCU too.
 */
#include <linux/rculist.h>
#include <linux/string.h>

#include "type1.h"

/**
 * t1_group_find - what a container knows of a group
 * @c: the container
 * @group: the group
 *
 * Context: process context, domains_lock is held.
 * Return: it, or NULL: the group has not joined.
 */
struct t1_group *t1_group_find(struct t1_container *c, struct iommu_group *group)
{
	struct t1_group *g;

	list_for_each_entry(g, &c->groups, list)
		if (g->group == group)
			return g;
	return NULL;
}

/**
 * t1_group_pinned - count what is pinned for a group
 * @c: the container, in which there are several, or one that may have written to any
 *	page; this one pins what it writes to
 * @group: the group
 * @npages: pages that nobody had pinned before
 *
 * Context: any in which the scheduler's locks are not held.
 */
void t1_group_pinned(struct t1_container *c, struct iommu_group *group,
		     unsigned long npages)
{
	struct t1_group *g;

	t1_search_begin();
	list_for_each_entry_rcu(g, &c->groups, list, rcu_read_lock_any_held()) {
		if (g->group != group)
			continue;
		atomic_long_add(npages, &g->npinned);
		if (unlikely(!atomic_read(&g->scoped)) && !atomic_xchg(&g->scoped, 1))
			t1_unscoped(c, -1);
		break;
	}
	t1_search_end();
}

static int device_driver(struct device *dev, void *name)
{
	if (dev->parent && !strcmp(dev_bus_name(dev), "mdev"))
		dev = dev->parent;
	/* It may be unbound now, and its module is freed after a grace period. */
	rcu_read_lock();
	strscpy(name, dev_driver_string(dev), T1_DRIVER_LEN);
	rcu_read_unlock();
	return 1;
}

/**
 * t1_group_driver - the driver of a group's device, for a message
 * @group: the group, or NULL
 * @name: filled in
 *
 * Context: process context. Sleeps.
 */
void t1_group_driver(struct iommu_group *group, char name[T1_DRIVER_LEN])
{
	strscpy(name, "(none)", T1_DRIVER_LEN);
	if (group)
		iommu_group_for_each_dev(group, name, device_driver);
}
