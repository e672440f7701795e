// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an admin is told, in a folder of debugfs with the name of the module
 *
 * A container has a folder from its first mapping on, with files that are read
 * from what there is. Only where there are several groups something is counted for
 * them: how many pages were pinned for each. The VFIO core does not say for whom a
 * page is unpinned, so how many are pinned now is known of an only group alone.
 *
 * A user may have memory of his own be long in coming that a call writes to with these
 * locks held: a reader here waits for it, and can be killed.
 *
 * What a reader may find gone, and what keeps it:
 *
 *	container	removing its folder waits for readers, so it is done first
 *			and without a lock
 *	this module	an open file has a reference to it
 *	groups,		domains_lock: they leave under it, held for writing
 *	domains, ranges
 *	mappings	maps_lock: none is freed, nor its record emptied by other
 *			means than unpinning, before it has left the tree
 *	records		stretches stay as long as the mapping; the lock of each:
 *			unpinning frees what it empties
 *	owners		owners_lock: they leave their list under it
 *	devices		the lock of their group, which they leave before they end
 *	drivers		see t1_group_driver(): their names are copied under RCU
 *
 * Events are traced with numbers alone, which are taken before what they are of
 * can go.
 */
#include <linux/debugfs.h>
#include <linux/rculist.h>
#include <linux/seq_file.h>
#include <linux/string_helpers.h>

#include "type1.h"

static struct dentry *root;

static int domains_show(struct seq_file *seq, void *unused)
{
	struct t1_container *c = seq->private;
	struct t1_domain *d;
	unsigned int i;

	if (down_read_killable(&c->domains_lock))
		return -EINTR;
	seq_printf(seq, "version %d%s, pages %#lx, dirty pages %stracked\n",
		   c->v2 ? 2 : 1, c->nesting ? ", nesting" : "", c->pgsizes,
		   c->tracking ? "" : "not ");
	list_for_each_entry(d, &c->domains, list)
		seq_printf(seq, "domain of %u groups, pages %#lx%s\n", d->ngroups,
			   d->domain->pgsize_bitmap, d->coherent ? ", coherent" : "");
	if (c->nemulated)
		seq_printf(seq, "local domain of %u groups\n", c->nemulated);
	for (i = 0; c->ranges && i < c->ranges->n; i++)
		seq_printf(seq, "IOVAs %#lx to %#lx\n", c->ranges->range[i].start,
			   c->ranges->range[i].last);
	up_read(&c->domains_lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(domains);

/* What mappings have pinned, and are charged for. */
struct use {
	bool backed;
	unsigned long local;
	unsigned long backing;
	unsigned long charged;
	unsigned long bytes;
};

/*
 * It may change between the steps. While a first domain comes or the last goes, what
 * mediated devices have pinned is said to be charged for beside it.
 */
static void add_use(struct use *use, struct t1_map *m)
{
	unsigned long local = t1_record_counted(&m->local), charged;
	struct t1_backing *b;

	t1_map_lock(m);
	b = t1_map_backing(m);
	charged = b ? b->charged : 0;
	use->backed = t1_map_is_backed(m);
	t1_map_unlock(m);
	use->local += local;
	use->backing += charged;
	use->charged += charged + (use->backed ? 0 : local);
	use->bytes += t1_record_bytes(&m->local);
}

static int mappings_show(struct seq_file *seq, void *unused)
{
	static const char * const states[] = { "new", "ready", "going" };
	struct t1_container *c = seq->private;
	struct t1_map *m;

	seq_puts(seq, "iova last vaddr prot state backed locked_pages record_bytes\n");
	if (mutex_lock_killable(&c->maps_lock))
		return -EINTR;
	for (m = t1_map_first(c, 0); m; m = t1_map_next(m)) {
		struct use use = { };

		add_use(&use, m);
		seq_printf(seq, "%#lx %#lx %#lx %s%s %s %s %lu %lu\n", m->iova,
			   m->last, m->vaddr, m->prot & IOMMU_READ ? "r" : "-",
			   m->prot & IOMMU_WRITE ? "w" : "-", states[m->state],
			   str_yes_no(use.backed), use.charged, use.bytes);
	}
	mutex_unlock(&c->maps_lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(mappings);

static int show_device(struct device *dev, void *seq)
{
	seq_puts(seq, dev_name(dev));
	return 1;
}

static int pins_show(struct seq_file *seq, void *unused)
{
	struct t1_container *c = seq->private;
	char driver[T1_DRIVER_LEN];
	unsigned long pinned;
	struct t1_group *g;

	if (down_read_killable(&c->domains_lock))
		return -EINTR;
	if (mutex_lock_killable(&c->maps_lock)) {
		up_read(&c->domains_lock);
		return -EINTR;
	}
	pinned = t1_maps_pinned(c);
	mutex_unlock(&c->maps_lock);
	seq_printf(seq, "group device driver pages_pinned%s\n",
		   c->ngroups > 1 ? "_so_far" : "");
	list_for_each_entry(g, &c->groups, list) {
		seq_printf(seq, "%d ", iommu_group_id(g->group));
		if (!iommu_group_for_each_dev(g->group, seq, show_device))
			seq_puts(seq, "(none)");
		t1_group_driver(g->group, driver);
		if (c->ngroups > 1)
			pinned = atomic_long_read(&g->npinned);
		seq_printf(seq, " %s %lu\n", driver, pinned);
	}
	up_read(&c->domains_lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(pins);

static int memory_show(struct seq_file *seq, void *unused)
{
	struct t1_container *c = seq->private;
	struct use use = { };
	struct t1_map *m;

	if (mutex_lock_killable(&c->maps_lock))
		return -EINTR;
	for (m = t1_map_first(c, 0); m; m = t1_map_next(m))
		add_use(&use, m);
	seq_printf(seq, "mappings %u\nmappings_left %u\nlocked_pages %lu\npinned_by_mediated_devices %lu\npinned_for_iommu %lu\nrecord_bytes %lu\n",
		   c->nmaps, c->avail, use.charged, use.local, use.backing,
		   use.bytes + c->nmaps * sizeof(*m));
	mutex_unlock(&c->maps_lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(memory);

/**
 * t1_debugfs_add - show a container
 * @c: it
 *
 * Context: process context, none of its locks. Sleeps. Cannot fail.
 */
void t1_debugfs_add(struct t1_container *c)
{
	struct dentry *dir;
	char name[12];

	/* The first call makes it, and nobody looks at it before that is done. */
	if (cmpxchg(&c->debugfs, NULL, ERR_PTR(-EBUSY)))
		return;
	snprintf(name, sizeof(name), "%u", c->id);
	dir = debugfs_create_dir(name, root);
	debugfs_create_file("domains", 0400, dir, c, &domains_fops);
	debugfs_create_file("mappings", 0400, dir, c, &mappings_fops);
	debugfs_create_file("pins", 0400, dir, c, &pins_fops);
	debugfs_create_file("memory", 0400, dir, c, &memory_fops);
	WRITE_ONCE(c->debugfs, dir);
}

DEFINE_SHOW_ATTRIBUTE(t1_owners);

/**
 * t1_debugfs_init - the folder for all containers
 */
void t1_debugfs_init(void)
{
	root = debugfs_create_dir(KBUILD_MODNAME, NULL);
	debugfs_create_file("charged_in_advance", 0400, root, NULL, &t1_owners_fops);
}

/**
 * t1_debugfs_exit - it goes with the module
 */
void t1_debugfs_exit(void)
{
	debugfs_remove(root);
}
