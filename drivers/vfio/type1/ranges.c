// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which IOVAs a container's IOMMUs can translate
 *
 * They are those within the aperture of each domain but for what a group has
 * reserved: the window of message signalled interrupts, say. A set of ranges is
 * made anew when a group comes or goes, and never changed. Without a domain
 * there is none, and every IOVA is as good as another.
 */
#include <linux/iommu.h>
#include <linux/slab.h>

#include "type1.h"

/* Take reserved IOVAs out of the set; there is room for one more range. */
static void exclude(struct t1_ranges *ranges, unsigned long start,
		    unsigned long last)
{
	struct t1_range *r = ranges->range;
	unsigned int i = 0;

	while (i < ranges->n) {
		unsigned long r_start = r[i].start, r_last = r[i].last;

		if (start > r_last || last < r_start) {
			i++;
		} else if (start <= r_start && last >= r_last) {
			ranges->n--;
			memmove(r + i, r + i + 1, (ranges->n - i) * sizeof(*r));
		} else if (start <= r_start) {
			r[i++].start = last + 1;
		} else if (last >= r_last) {
			r[i++].last = start - 1;
		} else {
			memmove(r + i + 2, r + i + 1, (ranges->n - i - 1) * sizeof(*r));
			r[i].last = start - 1;
			r[i + 1].start = last + 1;
			r[i + 1].last = r_last;
			ranges->n++;
			i += 2;
		}
	}
}

/* Where the IOMMU driver would like interrupts, if no real place is reserved. */
static phys_addr_t msi_window(struct list_head *reserved)
{
	struct iommu_resv_region *region;
	phys_addr_t start = 0;

	list_for_each_entry(region, reserved, list) {
		if (region->type == IOMMU_RESV_MSI)
			return 0;
		if (region->type == IOMMU_RESV_SW_MSI)
			start = region->start;
	}
	return start;
}

static struct t1_ranges *make(struct t1_container *c, struct t1_domain *new,
			      struct list_head *reserved)
{
	unsigned long start = 0, last = ULONG_MAX;
	struct iommu_resv_region *region;
	struct t1_ranges *ranges;
	struct t1_domain *d;
	size_t n = 1;

	list_for_each_entry(d, &c->domains, list) {
		start = max_t(unsigned long, start, d->domain->geometry.aperture_start);
		last = min_t(unsigned long, last, d->domain->geometry.aperture_end);
	}
	if (new) {
		start = max_t(unsigned long, start, new->domain->geometry.aperture_start);
		last = min_t(unsigned long, last, new->domain->geometry.aperture_end);
	}
	if (start > last)
		return ERR_PTR(-EINVAL);
	list_for_each_entry(region, reserved, list)
		n++;
	ranges = kmalloc(struct_size(ranges, range, n), GFP_KERNEL_ACCOUNT);
	if (!ranges)
		return ERR_PTR(-ENOMEM);
	ranges->n = 1;
	ranges->range[0] = (struct t1_range){ start, last };
	list_for_each_entry(region, reserved, list)
		if (region->type != IOMMU_RESV_DIRECT_RELAXABLE && region->length)
			exclude(ranges, region->start, region->start + region->length - 1);
	if (ranges->n)
		return ranges;
	kfree(ranges);
	return ERR_PTR(-EINVAL);
}

/**
 * t1_ranges_make - the IOVAs that can be translated
 * @c: the container
 * @new: a domain beside those of the container, or NULL
 * @group: a group beside those of the container, or NULL
 * @msi: set to where @group's interrupts can be mapped by the IOMMU, or 0; unused without
 *	@group
 *
 * Context: process context, domains_lock is held for writing. Sleeps.
 * Return: to be freed with kfree(), or an ERR_PTR: -EINVAL: there are none;
 * -ENOMEM.
 */
struct t1_ranges *t1_ranges_make(struct t1_container *c, struct t1_domain *new,
				 struct iommu_group *group, phys_addr_t *msi)
{
	struct iommu_resv_region *region, *next;
	struct t1_ranges *ranges;
	LIST_HEAD(reserved);
	struct t1_group *g;
	int ret = 0;

	lockdep_assert_held_write(&c->domains_lock);
	if (group) {
		ret = iommu_get_group_resv_regions(group, &reserved);
		*msi = msi_window(&reserved);
	}
	list_for_each_entry(g, &c->groups, list)
		if (g->domain && !ret)
			ret = iommu_get_group_resv_regions(g->group, &reserved);
	ranges = ret ? ERR_PTR(ret) : make(c, new, &reserved);
	list_for_each_entry_safe(region, next, &reserved, list)
		kfree(region);
	return ranges;
}

/**
 * t1_ranges_hold - can all of these be translated?
 * @ranges: the set, or NULL, which holds everything
 * @start: the first
 * @last: the last
 *
 * Context: any in which @ranges stays.
 * Return: yes or no.
 */
bool t1_ranges_hold(const struct t1_ranges *ranges, unsigned long start,
		    unsigned long last)
{
	unsigned int i;

	for (i = 0; ranges && i < ranges->n; i++)
		if (start >= ranges->range[i].start && last <= ranges->range[i].last)
			return true;
	return !ranges;
}
