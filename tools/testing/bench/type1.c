// SPDX-License-Identifier: GPL-2.0
/*
 * usage: type1 [-q] [-p ADDRESS] [-r ROWS] LABEL
 *
 * Measures what type1 does for devices of bench_pin and for the PCI device at
 * ADDRESS, which vfio-pci has, and prints a line for each:
 *
 *	row LABEL NAME TICKS TIMES
 *	stream LABEL OPERATION SHARING STREAMS SIZE NANOSECONDS SHARE
 *
 * TICKS of the time stamp counter are for one page, or one call or mapping
 * where a row is about these, and TIMES is how many of them were measured: in a
 * VM that counts (QEMU's -icount, with the plugin count.c, to which the lines
 * go: -q) they are instructions, elsewhere cycles. LABEL says whose module it
 * is; "floor" is nobody's: bench_pin then calls the functions that pin pages
 * itself. ROWS is a list of names and groups of rows, with wildcards.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <linux/vfio.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"
#include "modules/bench_pin.h"

#define PAGES		BENCH_PIN_PAGES
#define HUGE		(2ul << 20)
#define IOVA		0x100000000ull	/* where mappings start */
#define SAMPLES		2
#define SETTLE_US	50000	/* for what the kernel frees later */

static const char *label, *rows, *pci;
static bool floor_only;

/* Is the row, or its group, one of those asked for? */
static bool wanted(const char *group, const char *name)
{
	char list[256], *rest = list, *pattern;

	if (!rows || !*rows)
		return true;
	snprintf(list, sizeof(list), "%s", rows);
	while ((pattern = strsep(&rest, ", ")))
		if (!fnmatch(pattern, name, 0) || !fnmatch(pattern, group, 0))
			return true;
	return false;
}

static void put_line(const char *line)
{
	put_bytes(line);
	if (plugin)
		fputs(line, stderr);
}

/*
 * Measures run(), which does something so many times. What happens the first
 * time only, such as making a slab, does not count.
 */
static void measure(const char *name, unsigned int times,
		    void (*prepare)(void), void (*run)(void),
		    void (*restore)(void))
{
	__u64 least = UINT64_MAX, start, end;
	char line[128];
	int i;

	for (i = 0; i < SAMPLES + 1; i++) {
		if (i == 1) {
			mark(MARK_REPORT, 0);
			least = UINT64_MAX;
		}
		if (prepare)
			prepare();
		usleep(SETTLE_US);
		mark(MARK_START, 0);
		start = ticks();
		run();
		end = ticks();
		mark(MARK_STOP, 0);
		if (restore)
			restore();
		if (end - start < least)
			least = end - start;
	}
	mark(MARK_REPORT, 0);
	snprintf(line, sizeof(line), "row %s %s %.3f %u\n", label, name,
		 (double)least / times, SAMPLES * times);
	put_line(line);
}

/* Memory: PAGES pages, STRIDE pages from one to the next */

static char *memory;
static size_t memory_size;
static unsigned int memory_stride;
static bool memory_huge;

static __u64 frame_of(const void *at)
{
	static int fd = -1;
	__u64 entry;

	if (fd < 0)
		fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (pread(fd, &entry, sizeof(entry), (uintptr_t)at / PAGE * sizeof(entry)) !=
	    sizeof(entry))
		fail("cannot read pagemap");
	return entry & ((1ull << 55) - 1);
}

/* Small pages are no neighbours, those of a huge page are. */
static void check_memory(void)
{
	unsigned int i, neighbours = 0;

	for (i = 1; i < PAGES; i++) {
		const char *at = memory + (size_t)i * memory_stride * PAGE;

		if (frame_of(at) ==
		    frame_of(at - (size_t)memory_stride * PAGE) + 1)
			neighbours++;
	}
	errno = ENOMEM;
	if (memory_huge ? neighbours < PAGES - PAGES / 512 :
			  neighbours > PAGES / 64)
		fail("%u of %u pages lie behind the last", neighbours, PAGES);
}

static void want_memory(bool huge, unsigned int stride)
{
	size_t size = (size_t)PAGES * stride * PAGE;
	unsigned int i;
	char *at;

	if (memory && memory_huge == huge && memory_stride == stride)
		return;
	if (memory)
		munmap(memory, memory_size);
	at = mmap(NULL, size + HUGE, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (at == MAP_FAILED)
		fail("cannot map memory");
	memory = (char *)(((uintptr_t)at + HUGE - 1) & -HUGE);
	munmap(at, memory - at);
	munmap(memory + size, at + HUGE - memory);
	if (madvise(memory, size, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE))
		fail("madvise");
	memory_size = size;
	memory_stride = stride;
	memory_huge = huge;

	/* The kernel hands pages out in a row, so touch them in another order. */
	for (i = 0; i < PAGES; i++)
		memory[(size_t)(i * 0x9e3779b1 % PAGES) * stride * PAGE] = 1;
	check_memory();
}

/* A container with devices of bench_pin, and with the PCI device */

static int container, group, device, pci_group;

static int open_group(const char *dir, const char *name)
{
	char path[128], link[128];
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), "%s/%s/iommu_group", dir, name);
	len = readlink(path, link, sizeof(link) - 1);
	if (len < 0)
		fail("cannot read %s", path);
	link[len] = '\0';
	snprintf(path, sizeof(path), "/dev/vfio/%s", strrchr(link, '/') + 1);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		fail("cannot open %s", path);
	return fd;
}

static void join(int group_fd)
{
	if (ioctl(group_fd, VFIO_GROUP_SET_CONTAINER, &container))
		fail("cannot put a group into a container");
}

static int open_pin_group(int id)
{
	char name[32];

	snprintf(name, sizeof(name), "bench_pin.%d", id);
	return open_group("/sys/devices/platform", name);
}

static int open_device(int group_fd, int id)
{
	char name[32];
	int fd;

	snprintf(name, sizeof(name), "bench_pin.%d", id);
	fd = ioctl(group_fd, VFIO_GROUP_GET_DEVICE_FD, name);
	if (fd < 0)
		fail("cannot open %s", name);
	return fd;
}

static void open_container(void)
{
	container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	if (container < 0)
		fail("cannot open /dev/vfio/vfio");
}

static void set_iommu(void)
{
	if (ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
		fail("cannot set the container up");
}

/* The devices that are to be had: without an IOMMU behind them, and with one. */
static void set_up(bool emulated, bool with_pci)
{
	open_container();
	group = -1;
	pci_group = -1;
	device = -1;
	if (with_pci) {
		pci_group = open_group("/sys/bus/pci/devices", pci);
		join(pci_group);
		set_iommu();
	}
	if (emulated) {
		group = open_pin_group(0);
		join(group);
		if (!with_pci)
			set_iommu();
		device = open_device(group, 0);
	}
}

static void tear_down(void)
{
	if (device >= 0)
		close(device);
	if (group >= 0)
		close(group);
	if (pci_group >= 0)
		close(pci_group);
	close(container);
}

static void map(__u64 iova, const void *at, size_t size)
{
	struct vfio_iommu_type1_dma_map arg = {
		.argsz = sizeof(arg),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)at,
		.iova = iova,
		.size = size,
	};

	if (ioctl(container, VFIO_IOMMU_MAP_DMA, &arg))
		fail("no mapping at %#llx", iova);
}

static void unmap(__u64 iova, size_t size)
{
	struct vfio_iommu_type1_dma_unmap arg = {
		.argsz = sizeof(arg),
		.iova = iova,
		.size = size,
	};

	if (ioctl(container, VFIO_IOMMU_UNMAP_DMA, &arg) || arg.size != size)
		fail("a mapping stays at %#llx", iova);
}

static void unmap_all(void)
{
	struct vfio_iommu_type1_dma_unmap arg = {
		.argsz = sizeof(arg),
		.flags = VFIO_DMA_UNMAP_FLAG_ALL,
	};

	if (ioctl(container, VFIO_IOMMU_UNMAP_DMA, &arg))
		fail("cannot unmap all");
}

/* The memory, in so many mappings. */
static void map_memory(unsigned int mappings)
{
	size_t size = memory_size / mappings, i;

	for (i = 0; i < mappings; i++)
		map(IOVA + i * size, memory + i * size, size);
}

/* Pinning: jobs for all the pages, as this row has it */

struct pin_row {
	const char *name;
	enum bench_pin_op op;	/* BENCH_PIN or BENCH_UNPIN */
	unsigned int size;	/* pages a call */
	unsigned int stride;
	unsigned int flags;
	unsigned int mappings;
	bool huge, again, dirty, mixed;
};

static const struct pin_row pin_rows[] = {
	{ "pin-4k-1", BENCH_PIN, 1 },
	{ "pin-4k-16", BENCH_PIN, 16 },
	{ "pin-4k-512", BENCH_PIN, 512 },
	{ "pin-thp-1", BENCH_PIN, 1, .huge = true },
	{ "pin-thp-512", BENCH_PIN, 512, .huge = true },
	{ "unpin-4k-1", BENCH_UNPIN, 1 },
	{ "unpin-4k-16", BENCH_UNPIN, 16 },
	{ "unpin-4k-512", BENCH_UNPIN, 512 },
	{ "unpin-thp-1", BENCH_UNPIN, 1, .huge = true },
	{ "unpin-thp-512", BENCH_UNPIN, 512, .huge = true },
	{ "again-4k-1", BENCH_PIN, 1, .again = true },
	{ "again-4k-512", BENCH_PIN, 512, .again = true },
	{ "again-thp-512", BENCH_PIN, 512, .again = true, .huge = true },
	{ "thread-pin-1", BENCH_PIN, 1, .flags = BENCH_PIN_THREAD },
	{ "thread-pin-512", BENCH_PIN, 512, .flags = BENCH_PIN_THREAD },
	{ "shuffled-pin-1", BENCH_PIN, 1, .flags = BENCH_PIN_SHUFFLED },
	{ "shuffled-unpin-1", BENCH_UNPIN, 1, .flags = BENCH_PIN_SHUFFLED },
	{ "stride-2-pin", BENCH_PIN, 1, .stride = 2 },
	{ "stride-2-unpin", BENCH_UNPIN, 1, .stride = 2 },
	{ "stride-16-pin", BENCH_PIN, 1, .stride = 16 },
	{ "stride-16-unpin", BENCH_UNPIN, 1, .stride = 16 },
	{ "stride-512-pin", BENCH_PIN, 1, .stride = 512 },
	{ "stride-512-unpin", BENCH_UNPIN, 1, .stride = 512 },
	{ "mappings-pin-16", BENCH_PIN, 16, .mappings = 1024 },
	{ "mappings-unpin-16", BENCH_UNPIN, 16, .mappings = 1024 },
	{ "dirty-pin-1", BENCH_PIN, 1, .dirty = true },
	{ "dirty-pin-512", BENCH_PIN, 512, .dirty = true },
	{ "dirty-unpin-512", BENCH_UNPIN, 512, .dirty = true },
	{ "mixed-pin-1", BENCH_PIN, 1, .mixed = true },
	{ "mixed-pin-512", BENCH_PIN, 512, .mixed = true },
	{ "mixed-unpin-512", BENCH_UNPIN, 512, .mixed = true },
};

static const struct pin_row *row;

static void submit(const struct bench_pin_job *job)
{
	if (ioctl(device, BENCH_PIN_RUN, job))
		fail("job %u of %u calls fails", job->op, job->calls);
}

static void do_pages(enum bench_pin_op op, unsigned int size, unsigned int flags)
{
	struct bench_pin_job job = {
		.op = floor_only ? op - BENCH_PIN + BENCH_GUP : op,
		.flags = flags,
		.at = floor_only ? (uintptr_t)memory : IOVA,
		.calls = PAGES / size,
		.size = size,
		.stride = row->stride ? row->stride : size,
	};

	submit(&job);
}

static void pin(void)
{
	do_pages(BENCH_PIN, row->size, row->flags);
}

static void unpin(void)
{
	do_pages(BENCH_UNPIN, row->size, row->flags);
}

static void pin_otherwise(void)
{
	do_pages(BENCH_PIN, row->stride ? row->size : 512, 0);
}

static void unpin_otherwise(void)
{
	do_pages(BENCH_UNPIN, row->stride ? row->size : 512, 0);
}

static void dirty_pages(__u32 flag)
{
	struct vfio_iommu_type1_dirty_bitmap arg = {
		.argsz = sizeof(arg),
		.flags = flag,
	};

	if (ioctl(container, VFIO_IOMMU_DIRTY_PAGES, &arg))
		fail("dirty tracking, %#x", flag);
}

static void pin_one_row(void)
{
	want_memory(row->huge, row->stride ? row->stride : 1);
	set_up(true, row->mixed);
	if (!floor_only)
		map_memory(row->mappings ? row->mappings : 1);
	if (row->dirty)
		dirty_pages(VFIO_IOMMU_DIRTY_PAGES_FLAG_START);

	if (row->again) {
		pin_otherwise();
		measure(row->name, PAGES, NULL, pin, unpin);
		unpin_otherwise();
	} else if (row->op == BENCH_PIN) {
		measure(row->name, PAGES, NULL, pin, unpin_otherwise);
	} else {
		measure(row->name, PAGES, pin_otherwise, unpin, NULL);
	}
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
				   row->mixed))
			continue;
		pin_one_row();
	}
}

/* Mappings. Those that are there already have gaps of a page between them. */

#define MAPPINGS	10000
#define MORE		256	/* are measured */

static void map_slot(unsigned int slot)
{
	map(IOVA + (__u64)slot * PAGE, memory + slot % PAGES * PAGE, PAGE);
}

static void unmap_slot(unsigned int slot)
{
	unmap(IOVA + (__u64)slot * PAGE, PAGE);
}

static void map_many(void)
{
	unsigned int i;

	for (i = 0; i < MAPPINGS; i++)
		map_slot(2 * i);
}

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

struct map_row {
	const char *group, *name;
	unsigned int times;
	void (*prepare)(void);
	void (*run)(void);
	void (*restore)(void);
	struct pin_row pins;	/* that prepare() makes */
	bool many;		/* in a container that has MAPPINGS of them */
	bool pci;
};

static const struct map_row map_rows[] = {
	{ "map", "map", MORE, NULL, map_more, unmap_more },
	{ "map", "unmap", MORE, map_more, unmap_more, NULL },
	{ "map", "map-10000", MORE, NULL, map_more, unmap_more, .many = true },
	{ "map", "unmap-10000", MORE, map_more, unmap_more, NULL, .many = true },
	{ "map", "unmap-all", MAPPINGS, map_many, unmap_all, NULL },
	{ "map", "unmap-pinned-4k", PAGES, map_pinned, unmap_memory, NULL,
	  .pins = { .size = 512, .mappings = 1 } },
	{ "map", "unmap-pinned-thp", PAGES, map_pinned, unmap_memory, NULL,
	  .pins = { .size = 512, .mappings = 1, .huge = true } },
	{ "map", "unmap-pinned-1024", PAGES, map_pinned, unmap_memory, NULL,
	  .pins = { .size = 16, .mappings = 1024 } },
	{ "map", "unmap-pinned-all", PAGES, map_pinned, unmap_all, NULL,
	  .pins = { .size = 16, .mappings = 1024 } },
	{ "iommu", "iommu-map-thp", PAGES, NULL, map_memory_once, unmap_memory,
	  .pins = { .huge = true }, .pci = true },
	{ "iommu", "iommu-unmap-thp", PAGES, map_memory_once, unmap_memory, NULL,
	  .pins = { .huge = true }, .pci = true },
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
		row = &r->pins;
		want_memory(row->huge, 1);
		set_up(!r->pci, r->pci);
		if (r->many)
			map_many();
		measure(r->name, r->times, r->prepare, r->run, r->restore);
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
		want_memory(false, 1);
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
static double bytes_used(void)
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

static void put_bytes_row(const char *name, double bytes, unsigned int times)
{
	char line[128];

	snprintf(line, sizeof(line), "row %s %s %.3f %u\n", label, name,
		 bytes / times, times);
	mark(MARK_REPORT, 0);
	put_line(line);
}

static const struct pin_row bytes_rows[] = {
	{ "bytes-4k", BENCH_PIN, 512, .mappings = 1 },
	{ "bytes-thp", BENCH_PIN, 512, .huge = true, .mappings = 1 },
	{ "bytes-shuffled", BENCH_PIN, 1, .flags = BENCH_PIN_SHUFFLED, .mappings = 1 },
	{ "bytes-2", BENCH_PIN, 1, .stride = 2, .mappings = 1 },
	{ "bytes-16", BENCH_PIN, 1, .stride = 16, .mappings = 1 },
	{ "bytes-512", BENCH_PIN, 1, .stride = 512, .mappings = 1 },
	{ "bytes-twice", BENCH_PIN, 512, .again = true, .mappings = 1 },
	{ "bytes-twice-thp", BENCH_PIN, 512, .again = true, .huge = true, .mappings = 1 },
	{ "bytes-dirty", BENCH_PIN, 512, .dirty = true, .mappings = 1 },
	{ "bytes-1024", BENCH_PIN, 16, .mappings = 1024 },
};

static void bytes_of_pins(void)
{
	double before, pinned, after, left = 0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bytes_rows); i++) {
		row = &bytes_rows[i];
		if (!wanted("memory", row->name))
			continue;
		want_memory(row->huge, row->stride ? row->stride : 1);
		set_up(true, false);
		map_memory(row->mappings);
		if (row->dirty)
			dirty_pages(VFIO_IOMMU_DIRTY_PAGES_FLAG_START);

		/* What is made once is made now. */
		pin();
		unpin();
		bytes_used();
		before = bytes_used();
		pin();
		if (row->again)
			pin();
		pinned = bytes_used();
		unpin();
		if (row->again)
			unpin();
		after = bytes_used();
		tear_down();
		put_bytes_row(row->name, pinned - before, PAGES);
		if (after - before > left)
			left = after - before;
	}
	if (wanted("memory", "bytes-left"))
		put_bytes_row("bytes-left", left, PAGES);
}

static void bytes_of_mappings(void)
{
	double before;

	want_memory(false, 1);
	set_up(true, false);
	map_many();
	unmap_all();
	bytes_used();
	before = bytes_used();
	map_many();
	put_bytes_row("bytes-mapping", bytes_used() - before, MAPPINGS);
	tear_down();
}

static void memory_group(void)
{
	bytes_of_pins();
	if (wanted("memory", "bytes-mapping"))
		bytes_of_mappings();
}

/*
 * Streams: processes, or threads of one, that pin at the same time, each on a
 * CPU, by a device and in a mapping of its own. All ways of sharing are set up
 * at once and take turns, so that what else the machine does hits all alike.
 *
 * A worker sleeps until it gets a byte for its next round. Those of a round then
 * wait for each other, pin, and unpin.
 */

#define STREAMS		8	/* at most */
#define STREAM_PAGES	4096
#define ROUNDS		51

enum sharing { APART, ONE_CONTAINER, ONE_MM_APART, ONE_MM, SHARINGS };

static const char *const sharing_names[] = {
	[APART] = "apart",
	[ONE_CONTAINER] = "container",
	[ONE_MM_APART] = "mm-apart",
	[ONE_MM] = "mm-container",
};

/* What coordinator and workers share */
static struct round {
	unsigned int streams;	/* of this round */
	unsigned int size;	/* pages a call */
	unsigned int arrived;
	struct {
		__u64 start, pinned, end;	/* nanoseconds */
	} worker[STREAMS];
} *now;

static struct worker {
	unsigned int id;
	int container, device;
	int go[2], done[2];
	pid_t pid;
} workers[SHARINGS][STREAMS];

static __u64 nanoseconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void stay_on(unsigned int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		fail("cannot stay on CPU %u", cpu);
}

static void stream_job(const struct worker *w, enum bench_pin_op op)
{
	struct bench_pin_job job = {
		.op = op,
		.at = IOVA * (w->id + 1),
		.calls = STREAM_PAGES / now->size,
		.size = now->size,
		.stride = now->size,
	};

	if (ioctl(w->device, BENCH_PIN_RUN, &job))
		fail("job %u of stream %u fails", op, w->id);
}

static void map_for(const struct worker *w)
{
	struct vfio_iommu_type1_dma_map arg = {
		.argsz = sizeof(arg),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.iova = IOVA * (w->id + 1),
		.size = STREAM_PAGES * PAGE,
	};
	unsigned int i;
	char *at;

	at = mmap(NULL, arg.size, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (at == MAP_FAILED || madvise(at, arg.size, MADV_NOHUGEPAGE))
		fail("no memory for stream %u", w->id);
	for (i = 0; i < STREAM_PAGES; i++)
		at[(size_t)(i * 0x9e3779b1 % STREAM_PAGES) * PAGE] = 1;
	arg.vaddr = (uintptr_t)at;
	if (ioctl(w->container, VFIO_IOMMU_MAP_DMA, &arg))
		fail("no mapping for stream %u", w->id);
}

static void meet(unsigned int count)
{
	__atomic_add_fetch(&now->arrived, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&now->arrived, __ATOMIC_SEQ_CST) < count)
		;
}

static void *work(void *data)
{
	const struct worker *w = data;
	char byte = 0;

	stay_on(w->id);
	map_for(w);
	for (;;) {
		if (write(w->done[1], &byte, 1) != 1 ||
		    read(w->go[0], &byte, 1) != 1)
			fail("no word from the coordinator");
		meet(now->streams);
		now->worker[w->id].start = nanoseconds();
		stream_job(w, BENCH_PIN);
		now->worker[w->id].pinned = nanoseconds();
		meet(2 * now->streams);
		stream_job(w, BENCH_UNPIN);
		now->worker[w->id].end = nanoseconds();
	}
	return NULL;
}

/* In a child: the workers with these numbers, each in a thread. */
static void work_in_threads(struct worker *first, unsigned int count)
{
	pthread_t thread;
	unsigned int i;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (i = 1; i < count; i++)
		if (pthread_create(&thread, NULL, work, first + i))
			fail("no thread for stream %u", i);
	work(first);
}

static void start_workers(enum sharing way, unsigned int streams)
{
	bool one_mm = way == ONE_MM || way == ONE_MM_APART;
	bool apart = way == APART || way == ONE_MM_APART;
	unsigned int in_one = one_mm ? streams : 1, i;
	struct worker *w;

	for (i = 0; i < streams; i++) {
		int id = way * STREAMS + i;

		w = &workers[way][i];
		group = open_pin_group(id);
		if (!i || apart)
			open_container();
		join(group);
		if (!i || apart)
			set_iommu();
		w->id = i;
		w->container = container;
		w->device = open_device(group, id);
		w->pid = 0;
		if (pipe2(w->go, O_CLOEXEC) || pipe2(w->done, O_CLOEXEC))
			fail("cannot make a pipe");
	}
	for (i = 0; i < streams; i += in_one) {
		w = &workers[way][i];
		w->pid = fork();
		if (w->pid < 0)
			fail("cannot fork");
		if (!w->pid)
			work_in_threads(w, in_one);
	}
}

static void wait_for(enum sharing way, unsigned int streams)
{
	unsigned int i;
	char byte;

	for (i = 0; i < streams; i++) {
		struct pollfd pollfd = {
			.fd = workers[way][i].done[0],
			.events = POLLIN,
		};

		if (poll(&pollfd, 1, 300 * 1000) != 1 ||
		    read(pollfd.fd, &byte, 1) != 1)
			fail("stream %u is gone", i);
	}
}

static void stop_workers(enum sharing way, unsigned int streams)
{
	unsigned int i;

	for (i = 0; i < streams; i++) {
		pid_t pid = workers[way][i].pid;

		if (pid && (kill(pid, SIGKILL) || waitpid(pid, NULL, 0) != pid))
			fail("cannot stop a stream");
	}
}

/* Nanoseconds that a round takes */
struct times {
	double pin, unpin;
};

static struct times play(enum sharing way, unsigned int streams,
			 unsigned int size)
{
	__u64 start = UINT64_MAX, pinned = 0, end = 0;
	unsigned int i;

	memset(now, 0, sizeof(*now));
	now->streams = streams;
	now->size = size;
	for (i = 0; i < streams; i++)
		if (write(workers[way][i].go[1], "", 1) != 1)
			fail("cannot wake stream %u", i);
	wait_for(way, streams);

	for (i = 0; i < streams; i++) {
		if (now->worker[i].start < start)
			start = now->worker[i].start;
		if (now->worker[i].pinned > pinned)
			pinned = now->worker[i].pinned;
		if (now->worker[i].end > end)
			end = now->worker[i].end;
	}
	return (struct times){ .pin = pinned - start, .unpin = end - pinned };
}

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static double median(double *values)
{
	qsort(values, ROUNDS, sizeof(*values), compare);
	return values[ROUNDS / 2];
}

/*
 * The time of a page, whoever's it is, and how that compares with containers
 * apart in the same round.
 */
static void put_stream(const char *op, const char *name, unsigned int streams,
		       unsigned int size, const double *took,
		       const double *reference)
{
	double least = took[0], shares[ROUNDS];
	char line[128];
	int i;

	for (i = 0; i < ROUNDS; i++) {
		if (took[i] < least)
			least = took[i];
		shares[i] = reference[i] / took[i];
	}
	snprintf(line, sizeof(line), "stream %s %s %s %u %u %.1f %.3f\n", label,
		 op, name, streams, size, least / STREAM_PAGES / streams,
		 median(shares));
	put_line(line);
}

static void put_streams(const char *op, unsigned int streams,
			unsigned int size, double (*took)[ROUNDS])
{
	int s;

	put_stream(op, "one", 1, size, took[SHARINGS], took[SHARINGS]);
	for (s = 0; s < SHARINGS; s++)
		put_stream(op, sharing_names[s], streams, size, took[s],
			   took[s < ONE_MM_APART ? APART : ONE_MM_APART]);
}

static void stream_rows(unsigned int streams, unsigned int size)
{
	static double pins[SHARINGS + 1][ROUNDS], unpins[SHARINGS + 1][ROUNDS];
	unsigned int round;
	int s;

	for (round = 0; round < ROUNDS; round++) {
		for (s = 0; s <= SHARINGS; s++) {
			struct times took = s < SHARINGS ?
					    play(s, streams, size) :
					    play(APART, 1, size);

			pins[s][round] = took.pin;
			unpins[s][round] = took.unpin;
		}
	}
	put_streams("pin", streams, size, pins);
	put_streams("unpin", streams, size, unpins);
}

static void some_streams(unsigned int streams)
{
	int s;

	for (s = 0; s < SHARINGS; s++) {
		start_workers(s, streams);
		wait_for(s, streams);
	}
	stream_rows(streams, 1);
	stream_rows(streams, 512);
	for (s = 0; s < SHARINGS; s++)
		stop_workers(s, streams);
}

/* In a child: what it opens is closed with it. */
static void streams_group(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned int streams;
	int status;

	if (!wanted("streams", "streams") || cpus < 2)
		return;
	now = mmap(NULL, sizeof(*now), PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (now == MAP_FAILED)
		fail("cannot map memory");
	for (streams = 2; streams <= STREAMS && streams <= cpus; streams *= 2) {
		pid_t pid = fork();

		if (pid < 0)
			fail("cannot fork");
		if (!pid) {
			some_streams(streams);
			exit(0);
		}
		if (waitpid(pid, &status, 0) != pid || status)
			exit(1);
	}
}

int main(int argc, char **argv)
{
	int option;

	find_plugin();
	while ((option = getopt(argc, argv, "qp:r:")) != -1) {
		switch (option) {
		case 'q':
			plugin = true;
			break;
		case 'p':
			pci = optarg;
			break;
		case 'r':
			rows = optarg;
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
	setvbuf(stdout, NULL, _IOLBF, 0);

	pin_group();
	copy_group();
	if (floor_only)
		return 0;
	map_group();
	container_group();
	memory_group();
	streams_group();
	return 0;
}
