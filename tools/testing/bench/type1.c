// SPDX-License-Identifier: GPL-2.0
/*
 * usage: type1 [-qc] [-p ADDRESS] [-r ROWS] [-s SEED] LABEL
 *
 * Measures what type1 does for devices of bench_pin and for the PCI device at
 * ADDRESS, which vfio-pci has, and prints a line for each:
 *
 *	row LABEL NAME TICKS TIMES
 *	seed SEED, before rows of calls at random (type1-mix.c)
 *	stream LABEL OPERATION SHARING STREAMS SIZE NANOSECONDS SHARE
 *
 * TICKS of the time stamp counter are for one page, or one call or mapping
 * where a row is about these, and TIMES is how many of them were measured: in a
 * VM that counts (QEMU's -icount, with the plugin count.c, to which the lines
 * go: -q) they are instructions, elsewhere cycles. LABEL says whose module it
 * is; "floor" is nobody's: bench_pin then calls the functions that pin pages
 * itself; with "iommufd" there is no type1, and the kernel's iommufd stands in for
 * the container. ROWS is a list of names and groups of rows, with wildcards. -c says
 * that this is in a memory cgroup other than the root: of the rows those are measured
 * for which the kernel takes memory that is charged to it, named "cgroup-NAME".
 */
#define _GNU_SOURCE
#include <fnmatch.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "type1.h"

#define SAMPLES		2

const char *label, *pci;
bool floor_only, by_iommufd;
static const char *rows;
static bool in_cgroup;

static bool is_charged(const char *name)
{
	static const char * const charged[] = {
		"map", "unmap", "pin-4k-1", "pin-4k-512", "unpin-4k-1",
		"stride-16-pin", "stride-16-unpin", "stride-512-pin",
		"stride-512-unpin",
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(charged); i++)
		if (!strcmp(charged[i], name))
			return true;
	return false;
}

bool rows_given(void)
{
	return rows && *rows;
}

/* Is the row, or its group, one of those asked for? */
bool wanted(const char *group, const char *name)
{
	char list[1024], full[64], *rest = list, *pattern;

	if (in_cgroup) {
		if (!is_charged(name))
			return false;
		snprintf(full, sizeof(full), "cgroup-%s", name);
		group = "cgroup";
		name = full;
	}
	if (!rows_given())
		return true;
	snprintf(list, sizeof(list), "%s", rows);
	while ((pattern = strsep(&rest, ", ")))
		if (!fnmatch(pattern, name, 0) || !fnmatch(pattern, group, 0))
			return true;
	return false;
}

void put_line(const char *line)
{
	put_bytes(line);
	if (plugin)
		fputs(line, stderr);
}

/* What run() takes, so many times in a row. */
static __u64 sample(unsigned int rounds, void (*prepare)(void),
		    void (*run)(void), void (*restore)(void))
{
	__u64 start, took = 0;
	unsigned int i;

	for (i = 0; i < rounds; i++) {
		if (prepare)
			prepare();
		if (!i)
			usleep(SETTLE_US);
		mark(MARK_START, 0);
		start = ticks();
		run();
		took += ticks() - start;
		mark(MARK_STOP, 0);
		if (restore)
			restore();
	}
	return took;
}

static void put_row(const char *name, __u64 took, unsigned int times,
		    unsigned int samples)
{
	char line[128];

	mark(MARK_REPORT, 0);
	snprintf(line, sizeof(line), "row %s %s%s %.3f %u\n", label,
		 in_cgroup ? "cgroup-" : "", name, (double)took / times,
		 samples * times);
	put_line(line);
}

/*
 * What happens the first time only, such as making a slab, does not count. In all
 * rounds together run() does something so many times.
 */
static void measure_rounds(const char *name, unsigned int times,
			   unsigned int rounds, void (*prepare)(void),
			   void (*run)(void), void (*restore)(void))
{
	__u64 least = UINT64_MAX, took;
	int i;

	sample(rounds, prepare, run, restore);
	mark(MARK_REPORT, 0);
	for (i = 0; i < SAMPLES; i++) {
		took = sample(rounds, prepare, run, restore);
		if (took < least)
			least = took;
	}
	put_row(name, least, times, SAMPLES);
}

void measure_once(const char *name, unsigned int times, void (*run)(void))
{
	put_row(name, sample(1, NULL, run, NULL), times, 1);
}

void measure(const char *name, unsigned int times, void (*prepare)(void),
	     void (*run)(void), void (*restore)(void))
{
	measure_rounds(name, times, 1, prepare, run, restore);
}

/* Pinning */

#define SMALL	256	/* pages, of a driver that has few of them pinned */

static const struct pin_row pin_rows[] = {
	{ "pin-4k-1", BENCH_PIN, 1 },
	{ "pin-4k-16", BENCH_PIN, 16 },
	{ "pin-4k-512", BENCH_PIN, 512 },
	{ "pin-thp-1", BENCH_PIN, 1, .memory = HUGE },
	{ "pin-thp-512", BENCH_PIN, 512, .memory = HUGE },
	{ "unpin-4k-1", BENCH_UNPIN, 1 },
	{ "unpin-4k-16", BENCH_UNPIN, 16 },
	{ "unpin-4k-512", BENCH_UNPIN, 512 },
	{ "unpin-thp-1", BENCH_UNPIN, 1, .memory = HUGE },
	{ "unpin-thp-512", BENCH_UNPIN, 512, .memory = HUGE },
	{ "consecutive-pin-1", BENCH_PIN, 1, CONSECUTIVE },
	{ "consecutive-pin-16", BENCH_PIN, 16, CONSECUTIVE },
	{ "consecutive-pin-512", BENCH_PIN, 512, CONSECUTIVE },
	{ "consecutive-unpin-1", BENCH_UNPIN, 1, CONSECUTIVE },
	{ "consecutive-unpin-512", BENCH_UNPIN, 512, CONSECUTIVE },
	{ "split-pin-1", BENCH_PIN, 1, SPLIT },
	{ "split-pin-512", BENCH_PIN, 512, SPLIT },
	{ "split-unpin-1", BENCH_UNPIN, 1, SPLIT },
	{ "split-unpin-512", BENCH_UNPIN, 512, SPLIT },
	{ "small-pin-4k-1", BENCH_PIN, 1, .pages = SMALL },
	{ "small-pin-4k-16", BENCH_PIN, 16, .pages = SMALL },
	{ "small-pin-4k-256", BENCH_PIN, SMALL, .pages = SMALL },
	{ "small-pin-thp-1", BENCH_PIN, 1, HUGE, SMALL },
	{ "small-unpin-4k-1", BENCH_UNPIN, 1, .pages = SMALL },
	{ "small-unpin-thp-1", BENCH_UNPIN, 1, HUGE, SMALL },
	{ "pair-4k-1", BENCH_PAIR, 1 },
	{ "pair-4k-16", BENCH_PAIR, 16 },
	{ "pair-thp-1", BENCH_PAIR, 1, HUGE },
	{ "pair-thp-16", BENCH_PAIR, 16, HUGE },
	{ "pair-beside-4k-1", BENCH_PAIR, 1, .pages = PAGES / 2, .flags = BENCH_PIN_BESIDE },
	{ "pair-beside-thp-1", BENCH_PAIR, 1, HUGE, PAGES / 2, .flags = BENCH_PIN_BESIDE },
	{ "again-4k-1", BENCH_PIN, 1, .again = true },
	{ "again-thp-1", BENCH_PIN, 1, HUGE, .again = true },
	{ "again-unpin-4k-1", BENCH_UNPIN, 1, .again = true },
	{ "again-unpin-thp-1", BENCH_UNPIN, 1, HUGE, .again = true },
	{ "again-4k-512", BENCH_PIN, 512, .again = true },
	{ "again-thp-512", BENCH_PIN, 512, .again = true, .memory = HUGE },
	{ "thread-pin-1", BENCH_PIN, 1, .flags = BENCH_PIN_THREAD },
	{ "thread-pin-thp-1", BENCH_PIN, 1, HUGE, .flags = BENCH_PIN_THREAD },
	{ "other-pin-1", BENCH_PIN, 1, .other = true },
	{ "other-pin-512", BENCH_PIN, 512, .other = true },
	{ "other-pin-thp-1", BENCH_PIN, 1, HUGE, .other = true },
	{ "thread-pin-512", BENCH_PIN, 512, .flags = BENCH_PIN_THREAD },
	{ "shuffled-pin-1", BENCH_PIN, 1, .flags = BENCH_PIN_SHUFFLED },
	{ "shuffled-unpin-1", BENCH_UNPIN, 1, .flags = BENCH_PIN_SHUFFLED },
	{ "stride-2-pin", BENCH_PIN, 1, .stride = 2 },
	{ "stride-2-unpin", BENCH_UNPIN, 1, .stride = 2 },
	{ "stride-16-pin", BENCH_PIN, 1, .stride = 16 },
	{ "stride-16-unpin", BENCH_UNPIN, 1, .stride = 16 },
	{ "stride-512-pin", BENCH_PIN, 1, .stride = 512 },
	{ "stride-512-unpin", BENCH_UNPIN, 1, .stride = 512 },
	{ "sparse-pin-4k", BENCH_PIN, 1, .pages = PAGES / 16, .stride = 16,
	  .dense = true },
	{ "sparse-pin-thp", BENCH_PIN, 1, HUGE, PAGES / 16, 16, true },
	{ "sparse-unpin-4k", BENCH_UNPIN, 1, .pages = PAGES / 16, .stride = 16,
	  .dense = true },
	{ "sparse-unpin-thp", BENCH_UNPIN, 1, HUGE, PAGES / 16, 16, true },
	{ "mappings-pin-1", BENCH_PIN, 1, .mappings = 1024 },
	{ "mappings-pin-thp-1", BENCH_PIN, 1, HUGE, .mappings = 1024 },
	{ "mappings-unpin-1", BENCH_UNPIN, 1, .mappings = 1024 },
	{ "mappings-unpin-thp-1", BENCH_UNPIN, 1, HUGE, .mappings = 1024 },
	{ "mappings-pin-16", BENCH_PIN, 16, .mappings = 1024 },
	{ "mappings-unpin-16", BENCH_UNPIN, 16, .mappings = 1024 },
	{ "dirty-pin-1", BENCH_PIN, 1, .dirty = true },
	{ "dirty-pin-512", BENCH_PIN, 512, .dirty = true },
	{ "dirty-unpin-512", BENCH_UNPIN, 512, .dirty = true },
	{ "mixed-pin-1", BENCH_PIN, 1, .mixed = true },
	{ "mixed-pin-512", BENCH_PIN, 512, .mixed = true },
	{ "mixed-unpin-512", BENCH_UNPIN, 512, .mixed = true },
};

static void measure_pins(void)
{
	unsigned int pages = row_pages();

	if (row->again)
		pin_otherwise();
	if (row->op == BENCH_PAIR)
		measure(row->name, pages, NULL, pair, NULL);
	else if (row->op == BENCH_UNPIN)
		measure(row->name, pages, pin_otherwise, unpin, NULL);
	else
		measure(row->name, pages, NULL, pin,
			row->again ? unpin : unpin_otherwise);
	if (row->again)
		unpin_otherwise();
}

/* What is open is shared with it, memory is not. */
static void in_child(void (*what)(void))
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		fail("cannot fork");
	if (!pid) {
		what();
		exit(0);
	}
	if (waitpid(pid, &status, 0) != pid || status)
		exit(1);
}

static void pin_one_row(void)
{
	want_row_memory();
	set_up(true, row->mixed);
	if (!floor_only)
		map_memory(row->mappings ? row->mappings : 1);
	if (row->dirty)
		dirty_pages(VFIO_IOMMU_DIRTY_PAGES_FLAG_START);

	if (row->other)
		in_child(measure_pins);
	else
		measure_pins();
	tear_down();
}

static void pin_group(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(pin_rows); i++) {
		row = &pin_rows[i];
		if (!wanted("pin", row->name) || (row->mixed && !pci))
			continue;
		/* What they are of is measured in a row of its own. */
		if (floor_only && (row->again || row->mappings || row->dirty ||
				   row->mixed || row->other ||
				   row->flags & BENCH_PIN_BESIDE))
			continue;
		/* It has no dirty pages of its users' own. */
		if (by_iommufd && row->dirty)
			continue;
		pin_one_row();
	}
}

/* Mappings, and those in the gaps between many */

#define MORE		256	/* are measured */

/* In the gaps, all over the place. */
static unsigned int gap(unsigned int nth)
{
	return 2 * (nth * 4001 % MAPPINGS) + 1;
}

static void map_more(void)
{
	unsigned int i;

	for (i = 0; i < MORE; i++)
		map_slot(gap(i));
}

static void unmap_more(void)
{
	unsigned int i;

	for (i = 0; i < MORE; i++)
		unmap_slot(gap(i));
}

static void map_memory_once(void)
{
	map_memory(1);
}

static void unmap_memory(void)
{
	unmap(IOVA, memory_size);
}

static void map_pinned(void)
{
	map_memory(row->mappings);
	pin();
}

/* Mappings where there is one already, which are refused */
static void map_first(void)
{
	map_slot(0);
}

static void map_refused(void)
{
	unsigned int i;

	for (i = 0; i < MORE; i++)
		refuse_slot(0);
}

static void map_refused_many(void)
{
	unsigned int i;

	for (i = 0; i < MORE; i++)
		refuse_slot(gap(i) - 1);
}

/* Mappings of 16 pages, 64 KiB of 4K, one behind the other, as many as MORE */
#define BYTES_64K	(16 * PAGE)

static void map_64k(void)
{
	unsigned int i;

	for (i = 0; i < MORE; i++)
		map(IOVA + i * BYTES_64K, memory + i * BYTES_64K, BYTES_64K);
}

static void unmap_64k(void)
{
	unsigned int i;

	for (i = 0; i < MORE; i++)
		unmap(IOVA + i * BYTES_64K, BYTES_64K);
}

/* Dirty tracking, of one mapping */

static void dirty_start(void)
{
	dirty_pages(VFIO_IOMMU_DIRTY_PAGES_FLAG_START);
}

static void map_pinned_dirty(void)
{
	map_pinned();
	dirty_start();
}

static void dirty_stop_unmap(void)
{
	dirty_pages(VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP);
	unmap_memory();
}

struct map_row {
	const char *group, *name;
	unsigned int times;
	void (*prepare)(void);
	void (*run)(void);
	void (*restore)(void);
	struct pin_row pins;	/* that prepare() makes */
	unsigned int rounds;	/* if run() does it once only */
	bool many;		/* in a container that has MAPPINGS of them */
	bool pci;
};

#define SPARSE	{ .size = 1, .pages = PAGES / 16, .stride = 16, .dense = true, \
		  .mappings = 1 }

static const struct map_row map_rows[] = {
	{ "map", "map", MORE, NULL, map_more, unmap_more },
	{ "map", "unmap", MORE, map_more, unmap_more, NULL },
	{ "map", "map-10000", MORE, NULL, map_more, unmap_more, .many = true },
	{ "map", "unmap-10000", MORE, map_more, unmap_more, NULL, .many = true },
	{ "map", "unmap-all", MAPPINGS, map_many, unmap_all, NULL },
	{ "map", "unmap-pinned-4k", PAGES, map_pinned, unmap_memory, NULL,
	  .pins = { .size = 512, .mappings = 1 } },
	{ "map", "unmap-pinned-thp", PAGES, map_pinned, unmap_memory, NULL,
	  .pins = { .size = 512, .mappings = 1, .memory = HUGE } },
	{ "map", "unmap-pinned-1024", PAGES, map_pinned, unmap_memory, NULL,
	  .pins = { .size = 16, .mappings = 1024 } },
	{ "map", "unmap-pinned-all", PAGES, map_pinned, unmap_all, NULL,
	  .pins = { .size = 16, .mappings = 1024 } },
	{ "map", "map-refused", MORE, map_first, map_refused, unmap_all },
	{ "map", "map-refused-10000", MORE, NULL, map_refused_many, NULL,
	  .many = true },
	{ "map", "unmap-all-one", MORE, map_first, unmap_all, NULL,
	  .rounds = MORE },
	{ "dirty", "dirty-start", PAGES, map_pinned, dirty_start,
	  dirty_stop_unmap, .pins = { .size = 512, .mappings = 1 } },
	{ "dirty", "dirty-get", PAGES, map_pinned_dirty, dirty_get,
	  dirty_stop_unmap, .pins = { .size = 512, .mappings = 1 } },
	{ "dirty", "dirty-start-16", PAGES, map_pinned, dirty_start,
	  dirty_stop_unmap, .pins = SPARSE },
	{ "dirty", "dirty-get-16", PAGES, map_pinned_dirty, dirty_get,
	  dirty_stop_unmap, .pins = SPARSE },
	{ "iommu", "iommu-map-64k", MORE * 16, NULL, map_64k, unmap_64k,
	  .pins = { .memory = HUGE }, .pci = true },
	{ "iommu", "iommu-unmap-64k", MORE * 16, map_64k, unmap_64k, NULL,
	  .pins = { .memory = HUGE }, .pci = true },
	{ "iommu", "iommu-map-thp", PAGES, NULL, map_memory_once, unmap_memory,
	  .pins = { .memory = HUGE }, .pci = true },
	{ "iommu", "iommu-unmap-thp", PAGES, map_memory_once, unmap_memory, NULL,
	  .pins = { .memory = HUGE }, .pci = true },
	{ "iommu", "iommu-map-4k", PAGES, NULL, map_memory_once, unmap_memory,
	  .pci = true },
	{ "iommu", "iommu-unmap-4k", PAGES, map_memory_once, unmap_memory, NULL,
	  .pci = true },
	{ "iommu", "iommu-unmap-all", PAGES, map_memory_once, unmap_all, NULL,
	  .pci = true },
};

static void map_group(void)
{
	const struct map_row *r;

	for (r = map_rows; r < map_rows + ARRAY_SIZE(map_rows); r++) {
		if (!wanted(r->group, r->name) || (r->pci && !pci))
			continue;
		/* Nor does it take what bench_pin gives back when it is told to. */
		if (by_iommufd && (strcmp(r->group, "map") || r->pins.size))
			continue;
		row = &r->pins;
		want_row_memory();
		set_up(!r->pci, r->pci);
		if (r->many)
			map_many();
		measure_rounds(r->name, r->times, r->rounds ? r->rounds : 1,
			       r->prepare, r->run, r->restore);
		tear_down();
	}
}

/* Copies through type1, one after the other in the memory */

struct copy_row {
	const char *name;
	enum bench_pin_op op;	/* BENCH_READ or BENCH_WRITE */
	unsigned int calls;
	unsigned int size;
	unsigned int flags;
};

static const struct copy_row copy_rows[] = {
	{ "read-8", BENCH_READ, 1024, 8 },
	{ "write-8", BENCH_WRITE, 1024, 8 },
	{ "read-4k", BENCH_READ, 1024, 4096 },
	{ "write-4k", BENCH_WRITE, 1024, 4096 },
	{ "read-64k", BENCH_READ, 64, 65536 },
	{ "write-64k", BENCH_WRITE, 64, 65536 },
	{ "read-1m", BENCH_READ, 16, 1 << 20 },
	{ "write-1m", BENCH_WRITE, 16, 1 << 20 },
	{ "thread-read-8", BENCH_READ, 1024, 8, BENCH_PIN_THREAD },
	{ "thread-write-8", BENCH_WRITE, 1024, 8, BENCH_PIN_THREAD },
};

static const struct copy_row *copying;

static void copy(void)
{
	struct bench_pin_job job = {
		.op = floor_only ? copying->op - BENCH_READ + BENCH_COPY_FROM :
				   copying->op,
		.flags = copying->flags,
		.at = floor_only ? (uintptr_t)memory : IOVA,
		.calls = copying->calls,
		.size = copying->size,
		.stride = (copying->size + PAGE - 1) / PAGE,
	};

	submit(&job);
}

static void copy_group(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(copy_rows); i++) {
		copying = &copy_rows[i];
		if (!wanted("copy", copying->name) ||
		    (floor_only && copying->flags))
			continue;
		want_memory(SCATTERED, 1);
		set_up(true, false);
		if (!floor_only)
			map_memory(1);
		measure(copying->name, copying->calls, NULL, copy, NULL);
		tear_down();
	}
}

/* Containers */

#define CONTAINERS	64

static void open_and_close(void)
{
	int i;

	for (i = 0; i < CONTAINERS; i++) {
		set_up(true, false);
		tear_down();
	}
}

static void open_and_close_pci(void)
{
	int i;

	for (i = 0; i < CONTAINERS; i++) {
		set_up(false, true);
		tear_down();
	}
}

static void container_group(void)
{
	if (wanted("container", "open-close"))
		measure("open-close", CONTAINERS, NULL, open_and_close, NULL);
	if (wanted("container", "open-close-pci") && pci)
		measure("open-close-pci", CONTAINERS, NULL, open_and_close_pci,
			NULL);
}

int main(int argc, char **argv)
{
	__u64 seed = 1;
	int option;

	find_plugin();
	while ((option = getopt(argc, argv, "qcp:r:s:")) != -1) {
		switch (option) {
		case 'q':
			plugin = true;
			break;
		case 'c':
			in_cgroup = true;
			break;
		case 'p':
			pci = optarg;
			break;
		case 'r':
			rows = optarg;
			break;
		case 's':
			seed = strtoull(optarg, NULL, 10);
			break;
		default:
			return 2;
		}
	}
	if (optind != argc - 1) {
		fprintf(stderr, "usage: see the top of the source\n");
		return 2;
	}
	label = argv[optind];
	floor_only = !strcmp(label, "floor");
	by_iommufd = !strcmp(label, "iommufd");
	setvbuf(stdout, NULL, _IOLBF, 0);

	if (!by_iommufd)
		worst_group();
	pin_group();
	if (!by_iommufd)
		mix_group(seed);
	copy_group();
	if (floor_only)
		return 0;
	map_group();
	container_group();
	if (by_iommufd)
		return 0;
	memory_group();
	streams_group();
	beside_group();
	return 0;
}
