// SPDX-License-Identifier: GPL-2.0
/*
 * usage: type1 [-q] [-p ADDRESS] [-r ROWS] LABEL
 *
 * Measures what type1 does for devices of bench_pin and for the PCI device at
 * ADDRESS, which vfio-pci has, and prints a line for each:
 *
 *	row LABEL NAME TICKS TIMES
 *	bytes LABEL NAME BYTES
 *
 * TICKS of the time stamp counter are for one page, or one call or mapping
 * where a row is about these, and TIMES is how many of them were measured: in a
 * VM that counts (QEMU's -icount, with the plugin count.c, to which the lines
 * go: -q) they are instructions, elsewhere cycles. LABEL says whose module it
 * is; "floor" is nobody's: bench_pin then calls the functions that pin pages
 * itself. ROWS is a list of names and groups of rows, with wildcards.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <fnmatch.h>
#include <linux/vfio.h>
#include <stdint.h>
#include <sys/ioctl.h>
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
	return 0;
}
