// SPDX-License-Identifier: GPL-2.0
/* A user of VFIO: its memory, containers and mappings, and pins in these. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/kernel-page-flags.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "type1.h"

#define BLOCK		(PAGE * PAGE / sizeof(__u64))	/* a huge page */

/* Memory: PAGES pages, STRIDE pages from one to the next */

char *memory;
size_t memory_size;
static unsigned int memory_stride;
static enum memory_kind memory_kind;

static char *nth_page(unsigned int nth)
{
	return memory + (size_t)nth * memory_stride * PAGE;
}

/* A file that has 64 bits for each page */
struct page_file {
	const char *path;
	int fd;
};

static __u64 entry_of(struct page_file *file, __u64 nth)
{
	__u64 entry;

	if (file->fd < 0)
		file->fd = open(file->path, O_RDONLY | O_CLOEXEC);
	if (pread(file->fd, &entry, sizeof(entry), nth * sizeof(entry)) !=
	    sizeof(entry))
		fail("cannot read %s", file->path);
	return entry;
}

static __u64 frame_of(const void *at)
{
	static struct page_file pagemap = { "/proc/self/pagemap", -1 };

	return entry_of(&pagemap, (uintptr_t)at / PAGE) & ((1ull << 55) - 1);
}

static bool is_compound(__u64 frame)
{
	static struct page_file flags = { "/proc/kpageflags", -1 };

	return entry_of(&flags, frame) &
	       (1 << KPF_COMPOUND_HEAD | 1 << KPF_COMPOUND_TAIL);
}

static enum memory_kind kind_at(const char *at)
{
	if (memory_kind == BLEND)
		return (at - memory) / BLOCK % BLEND;
	return memory_kind;
}

/* How much of its memory a process has in huge pages, as its page table has it */
static size_t mapped_huge(void)
{
	FILE *file = fopen("/proc/self/smaps_rollup", "re");
	size_t kilobytes = 0;
	char line[128];

	if (!file)
		fail("cannot open smaps_rollup");
	while (fgets(line, sizeof(line), file))
		sscanf(line, "AnonHugePages: %zu kB", &kilobytes);
	fclose(file);
	return kilobytes << 10;
}

/* Is it what was asked for? A few scattered pages may be neighbours. */
static void check_memory(void)
{
	unsigned int i, neighbours = 0, others = 0;
	__u64 frame, last = 0;
	size_t huge = 0;

	for (i = 0; i < PAGES; i++, last = frame) {
		const char *at = nth_page(i);
		enum memory_kind kind = kind_at(at);

		frame = frame_of(at);
		if (kind == SCATTERED)
			neighbours += frame == last + 1;
		else if ((at - memory) % BLOCK && frame != last + 1)
			others++;
		if (is_compound(frame) != (kind == HUGE || kind == SPLIT))
			others++;
		if (kind == HUGE)
			huge += PAGE;
	}
	errno = ENOMEM;
	if (neighbours > PAGES / 64 || others)
		fail("%u of %u pages lie behind the last, %u are not as they should be",
		     neighbours, PAGES, others);
	if (mapped_huge() != huge)
		fail("%zu bytes are mapped as huge pages", mapped_huge());
}

/*
 * Huge pages to small ones. What is done to a part of one makes the kernel split
 * it: MADV_COLD the page itself, mprotect() what the page table has. It would
 * put them together again.
 */
static void split_memory(void)
{
	char *at;

	for (at = memory; at < memory + memory_size; at += BLOCK) {
		enum memory_kind kind = kind_at(at);

		if ((kind == CONSECUTIVE && madvise(at, PAGE, MADV_COLD)) ||
		    (kind == SPLIT &&
		     (mprotect(at, PAGE, PROT_READ) ||
		      mprotect(at, PAGE, PROT_READ | PROT_WRITE))))
			fail("cannot split a huge page");
	}
	if (memory_kind != HUGE && madvise(memory, memory_size, MADV_NOHUGEPAGE))
		fail("madvise");
}

/* A child has none of it, so that the kernel copies no page. */
void want_memory(enum memory_kind kind, unsigned int stride)
{
	size_t size = (size_t)PAGES * stride * PAGE;
	unsigned int i;
	char *at;

	if (memory && memory_kind == kind && memory_stride == stride)
		return;
	if (memory)
		munmap(memory, memory_size);
	at = mmap(NULL, size + BLOCK, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (at == MAP_FAILED)
		fail("cannot map memory");
	memory = (char *)(((uintptr_t)at + BLOCK - 1) & -BLOCK);
	munmap(at, memory - at);
	munmap(memory + size, at + BLOCK - memory);
	memory_size = size;
	memory_stride = stride;
	memory_kind = kind;
	for (at = memory; at < memory + size; at += BLOCK)
		if (madvise(at, BLOCK, kind_at(at) == SCATTERED ?
				       MADV_NOHUGEPAGE : MADV_HUGEPAGE))
			fail("madvise");
	if (madvise(memory, size, MADV_DONTFORK))
		fail("madvise");

	/* The kernel hands pages out in a row, so touch them in another order. */
	for (i = 0; i < PAGES; i++)
		*nth_page(i * 0x9e3779b1 % PAGES) = 1;
	split_memory();
	check_memory();
}

/* A container with devices of bench_pin, and with the PCI device */

int container, group, device;
static int pci_group;

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

void join(int group_fd)
{
	if (ioctl(group_fd, VFIO_GROUP_SET_CONTAINER, &container))
		fail("cannot put a group into a container");
}

int open_pin_group(int id)
{
	char name[32];

	snprintf(name, sizeof(name), "bench_pin.%d", id);
	return open_group("/sys/devices/platform", name);
}

int open_device(int group_fd, int id)
{
	char name[32];
	int fd;

	snprintf(name, sizeof(name), "bench_pin.%d", id);
	fd = ioctl(group_fd, VFIO_GROUP_GET_DEVICE_FD, name);
	if (fd < 0)
		fail("cannot open %s", name);
	return fd;
}

/* An iommufd takes the place of a container, with the same ioctls. */
void open_container(void)
{
	const char *path = by_iommufd ? "/dev/iommu" : "/dev/vfio/vfio";

	container = open(path, O_RDWR | O_CLOEXEC);
	if (container < 0)
		fail("cannot open %s", path);
}

void set_iommu(void)
{
	if (ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
		fail("cannot set the container up");
}

/* The devices that are to be had: without an IOMMU behind them, and with one. */
void set_up(bool emulated, bool with_pci)
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

void tear_down(void)
{
	if (device >= 0)
		close(device);
	if (group >= 0)
		close(group);
	if (pci_group >= 0)
		close(pci_group);
	close(container);
}

static int try_map(__u64 iova, const void *at, size_t size)
{
	struct vfio_iommu_type1_dma_map arg = {
		.argsz = sizeof(arg),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)at,
		.iova = iova,
		.size = size,
	};

	return ioctl(container, VFIO_IOMMU_MAP_DMA, &arg);
}

void map(__u64 iova, const void *at, size_t size)
{
	if (try_map(iova, at, size))
		fail("no mapping at %#llx", iova);
}

void unmap(__u64 iova, size_t size)
{
	struct vfio_iommu_type1_dma_unmap arg = {
		.argsz = sizeof(arg),
		.iova = iova,
		.size = size,
	};

	if (ioctl(container, VFIO_IOMMU_UNMAP_DMA, &arg) || arg.size != size)
		fail("a mapping stays at %#llx", iova);
}

void unmap_all(void)
{
	struct vfio_iommu_type1_dma_unmap arg = {
		.argsz = sizeof(arg),
		.flags = VFIO_DMA_UNMAP_FLAG_ALL,
	};

	if (ioctl(container, VFIO_IOMMU_UNMAP_DMA, &arg))
		fail("cannot unmap all");
}

/* The memory, in so many mappings. */
void map_memory(unsigned int mappings)
{
	size_t size = memory_size / mappings, i;

	for (i = 0; i < mappings; i++)
		map(IOVA + i * size, memory + i * size, size);
}

/* Mappings of one page each */

void map_slot(unsigned int slot)
{
	map(IOVA + (__u64)slot * PAGE, memory + slot % PAGES * PAGE, PAGE);
}

/* That there is a mapping already is what MAP_DMA must say. */
void refuse_slot(unsigned int slot)
{
	if (!try_map(IOVA + (__u64)slot * PAGE, memory, PAGE) || errno != EEXIST)
		fail("a second mapping in slot %u", slot);
}

void unmap_slot(unsigned int slot)
{
	unmap(IOVA + (__u64)slot * PAGE, PAGE);
}

void map_many(void)
{
	unsigned int i;

	for (i = 0; i < MAPPINGS; i++)
		map_slot(2 * i);
}

/* Pins */

const struct pin_row *row;

void want_row_memory(void)
{
	want_memory(row->memory, row->stride && !row->dense ? row->stride : 1);
}

void submit(const struct bench_pin_job *job)
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
		.calls = row_pages() / size,
		.size = size,
		.stride = row->stride ? row->stride : size,
	};

	submit(&job);
}

void pin(void)
{
	do_pages(BENCH_PIN, row->size, row->flags);
}

void unpin(void)
{
	do_pages(BENCH_UNPIN, row->size, row->flags);
}

void pair(void)
{
	do_pages(BENCH_PAIR, row->size, row->flags);
}

/* As few calls as there can be. An iommufd takes back what was pinned in one call. */
static unsigned int largest_size(void)
{
	if (row->stride || by_iommufd)
		return row->size;
	return row_pages() < 512 ? row_pages() : 512;
}

void pin_otherwise(void)
{
	do_pages(BENCH_PIN, largest_size(), 0);
}

void unpin_otherwise(void)
{
	do_pages(BENCH_UNPIN, largest_size(), 0);
}

void dirty_pages(__u32 flag)
{
	struct vfio_iommu_type1_dirty_bitmap arg = {
		.argsz = sizeof(arg),
		.flags = flag,
	};

	if (ioctl(container, VFIO_IOMMU_DIRTY_PAGES, &arg))
		fail("dirty tracking, %#x", flag);
}

/* Of the first mapping, which has all of the memory */
void dirty_get(void)
{
	static __u64 bits[PAGES / 64];
	struct {
		struct vfio_iommu_type1_dirty_bitmap head;
		struct vfio_iommu_type1_dirty_bitmap_get get;
	} arg = {
		.head.argsz = sizeof(arg),
		.head.flags = VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP,
		.get.iova = IOVA,
		.get.size = memory_size,
		.get.bitmap.pgsize = PAGE,
		.get.bitmap.size = sizeof(bits),
		.get.bitmap.data = bits,
	};

	bits[0] = 0;
	if (ioctl(container, VFIO_IOMMU_DIRTY_PAGES, &arg))
		fail("no dirty bitmap");
	if (!(bits[0] & 1))
		fail("a pinned page is not dirty");
}
