// SPDX-License-Identifier: GPL-2.0
/* How much of the kernel's memory type1 takes */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include "type1.h"

/*
 * Bytes: what the kernel has less, after something was done. Objects in slabs
 * count with their share of the slab, whether or not the rest of it is in use;
 * other memory counts in pages. The sum is exact where nothing else happens.
 */

static int shrink_fds[1024];
static unsigned int caches;

static void open_cache(const char *name)
{
	char path[512];

	snprintf(path, sizeof(path), "/sys/kernel/slab/%s/shrink", name);
	if (caches < ARRAY_SIZE(shrink_fds))
		shrink_fds[caches] = open(path, O_WRONLY | O_CLOEXEC);
	if (caches == ARRAY_SIZE(shrink_fds) || shrink_fds[caches++] < 0)
		fail("cannot open %s", path);
}

/* The last is the one that writing to these files takes memory from. */
static void open_caches(void)
{
	DIR *dir = opendir("/sys/kernel/slab");
	struct dirent *entry;

	if (!dir)
		fail("cannot open /sys/kernel/slab");
	while ((entry = readdir(dir)))
		if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
			open_cache(entry->d_name);
	closedir(dir);
	open_cache("kmalloc-8");
}

/* Gives back unused slabs, and those that a CPU has, which count as in use. */
static void shrink_caches(void)
{
	unsigned int i;

	for (i = 0; i < caches; i++)
		if (write(shrink_fds[i], "1", 1) != 1)
			fail("cannot shrink a cache");
}

/* A file that takes memory only when it is first read. */
struct report {
	const char *path;
	int fd;
	char text[1 << 18];
};

static struct report slabs = { "/proc/slabinfo", -1 };
static struct report zones = { "/proc/zoneinfo", -1 };
static struct report refresh = { "/proc/sys/vm/stat_refresh", -1 };

static void read_report(struct report *r)
{
	size_t len = 0;
	ssize_t got;

	if (r->fd < 0)
		r->fd = open(r->path, O_RDONLY | O_CLOEXEC);
	if (r->fd < 0 || lseek(r->fd, 0, SEEK_SET))
		fail("cannot open %s", r->path);
	while ((got = read(r->fd, r->text + len, sizeof(r->text) - 1 - len)) > 0)
		len += got;
	if (got < 0 || len == sizeof(r->text) - 1)
		fail("cannot read %s", r->path);
	r->text[len] = '\0';
}

static double bytes_in_slabs(void)
{
	unsigned long active, objects, size, in_slab, pages;
	char *rest = slabs.text, *line;
	double bytes = 0;

	while ((line = strsep(&rest, "\n")))
		if (sscanf(line, "%*s %lu %lu %lu %lu %lu", &active, &objects,
			   &size, &in_slab, &pages) == 5 && in_slab)
			bytes += (double)active * pages * PAGE / in_slab;
	return bytes;
}

/* Pages that are free, ready for a CPU, or in a slab */
static double bytes_elsewhere(void)
{
	char *rest = zones.text, *line;
	unsigned long pages;
	double bytes = 0;

	while ((line = strsep(&rest, "\n")))
		if (sscanf(line, " pages free %lu", &pages) == 1 ||
		    sscanf(line, " count: %lu", &pages) == 1 ||
		    sscanf(line, " nr_slab_reclaimable %lu", &pages) == 1 ||
		    sscanf(line, " nr_slab_unreclaimable %lu", &pages) == 1)
			bytes += (double)pages * PAGE;
	return bytes;
}

/* In itself it says nothing, only the difference of two does. */
double bytes_used(void)
{
	if (!caches)
		open_caches();
	read_report(&slabs);
	read_report(&zones);
	usleep(SETTLE_US);
	shrink_caches();
	/* A CPU's own counters go into those that are shown. */
	read_report(&refresh);
	read_report(&slabs);
	read_report(&zones);
	return bytes_in_slabs() - bytes_elsewhere();
}

void put_bytes_row(const char *name, double bytes, unsigned int times)
{
	char line[128];

	snprintf(line, sizeof(line), "row %s %s %.3f %u\n", label, name,
		 bytes / times, times);
	mark(MARK_REPORT, 0);
	put_line(line);
}

static const struct pin_row bytes_rows[] = {
	{ "bytes-4k", BENCH_PIN, 512, .mappings = 1 },
	{ "bytes-thp", BENCH_PIN, 512, .memory = HUGE, .mappings = 1 },
	{ "bytes-shuffled", BENCH_PIN, 1, .flags = BENCH_PIN_SHUFFLED, .mappings = 1 },
	{ "bytes-2", BENCH_PIN, 1, .stride = 2, .mappings = 1 },
	{ "bytes-16", BENCH_PIN, 1, .stride = 16, .mappings = 1 },
	{ "bytes-512", BENCH_PIN, 1, .stride = 512, .mappings = 1 },
	{ "bytes-twice", BENCH_PIN, 512, .again = true, .mappings = 1 },
	{ "bytes-twice-thp", BENCH_PIN, 512, .again = true, .memory = HUGE, .mappings = 1 },
	{ "bytes-dirty", BENCH_PIN, 512, .dirty = true, .mappings = 1 },
	{ "bytes-1024", BENCH_PIN, 16, .mappings = 1024 },
};

static void pin_row(void)
{
	pin();
	if (row->again)
		pin();
}

static void unpin_row(void)
{
	unpin();
	if (row->again)
		unpin();
}

/*
 * All that is pinned takes in a mapping in which nothing was before, and what more is
 * left when it is pinned and unpinned a second time.
 */
static void bytes_of_pins(void)
{
	double before, pinned, kept, after, left = 0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bytes_rows); i++) {
		row = &bytes_rows[i];
		if (!wanted("memory", row->name))
			continue;
		want_row_memory();
		set_up(true, false);
		map_memory(row->mappings);
		if (row->dirty)
			dirty_pages(VFIO_IOMMU_DIRTY_PAGES_FLAG_START);

		/* What is made once and for all is made now. */
		pin_row();
		unpin_row();
		unmap_all();
		map_memory(row->mappings);
		bytes_used();
		before = bytes_used();
		pin_row();
		pinned = bytes_used();
		unpin_row();
		kept = bytes_used();
		pin_row();
		unpin_row();
		after = bytes_used();
		tear_down();
		put_bytes_row(row->name, pinned - before, PAGES);
		if (after - kept > left)
			left = after - kept;
	}
	if (wanted("memory", "bytes-left"))
		put_bytes_row("bytes-left", left, PAGES);
}

static void bytes_of_mappings(void)
{
	double before;

	want_memory(SCATTERED, 1);
	set_up(true, false);
	map_many();
	unmap_all();
	bytes_used();
	before = bytes_used();
	map_many();
	put_bytes_row("bytes-mapping", bytes_used() - before, MAPPINGS);
	tear_down();
}

/* What a mapping behind an IOMMU takes, with the tables that have its pages */
static void bytes_behind_iommu(const char *name, enum memory_kind kind)
{
	double before;

	if (!pci || !wanted("memory", name))
		return;
	want_memory(kind, 1);
	set_up(false, true);
	/* So that tables of page tables are there; an unmap may leave more. */
	map(IOVA + memory_size, memory, PAGE);
	bytes_used();
	before = bytes_used();
	map_memory(1);
	put_bytes_row(name, bytes_used() - before, PAGES);
	tear_down();
}

void memory_group(void)
{
	bytes_of_pins();
	if (wanted("memory", "bytes-mapping"))
		bytes_of_mappings();
	bytes_behind_iommu("bytes-iommu-4k", SCATTERED);
	bytes_behind_iommu("bytes-iommu-thp", HUGE);
}
