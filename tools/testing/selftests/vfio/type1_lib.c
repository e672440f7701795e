// SPDX-License-Identifier: GPL-2.0-only
/* A user of VFIO containers and of the test devices, see type1_lib.h. */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <stdio.h>
#include <sys/syscall.h>

#include "type1_lib.h"

#define PARAMETERS	"/sys/module/vfio_iommu_type1/parameters/"
#define ARG(a)		((__u64)(uintptr_t)(a))

bool type1_is_stock(void)
{
	const char *type1 = getenv("TYPE1");

	if (type1)
		return !strcmp(type1, "stock");
	return !exists("/sys/kernel/tracing/events/vfio_type1");
}

bool stock_differs(void)
{
	return type1_is_stock() && !getenv("TYPE1_STRICT");
}

bool stock_lacks_the_top(void)
{
	return stock_differs() && kernel_before(6, 18);
}

int beyond_the_top(void)
{
	return kernel_before(6, 18) ? -EINVAL : -EOVERFLOW;
}

bool knows_nesting(void)
{
	return kernel_before(6, 13);
}

bool none_is_no_error(void)
{
	return kernel_before(6, 2);
}

bool shares_zero_pages(void)
{
	return kernel_before(6, 2);
}

unsigned long huge_pages(void)
{
	static unsigned long pages;
	long long kb;

	if (!pages) {
		kb = proc_value("/proc/meminfo", "Hugepagesize");
		pages = kb > 0 ? kb * 1024 / PAGE : PAGE / sizeof(__u64);
	}
	return pages;
}

bool is_user_address(__u64 address)
{
	void *at = mmap((void *)(uintptr_t)address, PAGE, PROT_READ,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	if (at == MAP_FAILED)
		return errno == EEXIST;
	munmap(at, PAGE);
	return true;
}

__u64 user_end(void)
{
	__u64 end = 1ULL << 31, top;

	/* What lies beyond cannot be mapped, be it free or not. */
	for (top = end; top && is_user_address(top - 2 * PAGE); top <<= 1)
		end = top;
	return end;
}

__u64 kernel_address(void)
{
	unsigned long long address = 0;
	char name[256] = "";
	FILE *symbols = fopen("/proc/kallsyms", "r");

	while (symbols && strcmp(name, "_stext") &&
	       fscanf(symbols, "%llx %*c %255s%*[^\n]", &address, name) >= 2)
		;
	if (symbols)
		fclose(symbols);
	return (address ?: 1ULL << 63) & -PAGE;
}

/* Containers */

int type1_bare(struct type1 *t)
{
	unsigned int i;

	for (i = 0; i < TYPE1_TEST_DEVICES; i++) {
		t->group[i] = -1;
		t->device[i] = -1;
	}
	t->type = VFIO_TYPE1v2_IOMMU;
	t->has_driver = false;
	t->container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	return t->container < 0 ? -errno : 0;
}

int group_join(const char *device, int container)
{
	char path[PATH_LEN], group[32];
	int fd, ret;

	snprintf(path, sizeof(path), "%s/iommu_group", device);
	ret = link_name(path, group, sizeof(group));
	if (ret)
		return ret;
	snprintf(path, sizeof(path), "/dev/vfio/%s", group);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = file_ioctl(fd, VFIO_GROUP_SET_CONTAINER, &container);
	if (ret)
		close(fd);
	return ret ? ret : fd;
}

int device_open(int group, const char *name)
{
	int fd = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, name);

	return fd < 0 ? -errno : fd;
}

int type1_set_driver(struct type1 *t)
{
	int ret;

	if (t->has_driver)
		return 0;
	ret = file_ioctl(t->container, VFIO_SET_IOMMU,
			 (void *)(uintptr_t)t->type);
	t->has_driver = !ret;
	return ret;
}

static const char *device_name(char name[32], unsigned int device)
{
	snprintf(name, 32, TYPE1_TEST ".%u", device);
	return name;
}

int type1_join_group(struct type1 *t, unsigned int device)
{
	char path[PATH_LEN], name[32];

	snprintf(path, sizeof(path), "/sys/bus/platform/devices/%s",
		 device_name(name, device));
	t->group[device] = group_join(path, t->container);
	return t->group[device] < 0 ? t->group[device] : 0;
}

int type1_join(struct type1 *t, unsigned int device)
{
	char name[32];
	int ret;

	ret = type1_join_group(t, device);
	if (!ret)
		ret = type1_set_driver(t);
	if (!ret) {
		t->device[device] = device_open(t->group[device],
						device_name(name, device));
		ret = t->device[device] < 0 ? t->device[device] : 0;
	}
	if (ret)
		type1_leave(t, device);
	return ret;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void type1_leave(struct type1 *t, unsigned int device)
{
	close_fd(&t->device[device]);
	close_fd(&t->group[device]);
}

void type1_close(struct type1 *t)
{
	unsigned int i;

	for (i = 0; i < TYPE1_TEST_DEVICES; i++)
		type1_leave(t, i);
	close_fd(&t->container);
}

int type1_open(struct type1 *t, int type, unsigned int count)
{
	unsigned int i;
	int ret;

	ret = type1_bare(t);
	t->type = type;
	for (i = 0; !ret && i < count; i++)
		ret = type1_join(t, i);
	if (ret)
		type1_close(t);
	return ret;
}

int type1_parameter(const char *name, long long value)
{
	char path[PATH_LEN], text[32];

	snprintf(path, sizeof(path), PARAMETERS "%s", name);
	snprintf(text, sizeof(text), "%lld", value);
	return write_file(path, text);
}

long long type1_parameter_get(const char *name)
{
	char path[PATH_LEN], text[32];
	int ret;

	snprintf(path, sizeof(path), PARAMETERS "%s", name);
	ret = read_file(path, text, sizeof(text));
	return ret < 0 ? ret : atoll(text);
}

/* Mappings */

int dma_map(int container, const void *vaddr, __u64 iova, __u64 size,
	    __u32 flags)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = flags,
		.vaddr = ARG(vaddr),
		.iova = iova,
		.size = size,
	};

	return file_ioctl(container, VFIO_IOMMU_MAP_DMA, &map);
}

long long dma_unmap_flags(int container, __u64 iova, __u64 size, __u32 flags)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap),
		.flags = flags,
		.iova = iova,
		.size = size,
	};
	long ret = file_ioctl(container, VFIO_IOMMU_UNMAP_DMA, &unmap);

	return ret ? ret : (long long)unmap.size;
}

long long dma_unmap(int container, __u64 iova, __u64 size)
{
	return dma_unmap_flags(container, iova, size, 0);
}

long long dma_unmap_all(int container)
{
	return dma_unmap_flags(container, 0, 0, VFIO_DMA_UNMAP_FLAG_ALL);
}

long long dma_unmap_dirty(int container, __u64 iova, __u64 size, void *bitmap,
			  size_t bytes)
{
	struct {
		struct vfio_iommu_type1_dma_unmap unmap;
		struct vfio_bitmap bitmap;
	} arg = {
		.unmap = {
			.argsz = sizeof(arg),
			.flags = VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP,
			.iova = iova,
			.size = size,
		},
		.bitmap = {
			.pgsize = PAGE,
			.size = bytes,
			.data = bitmap,
		},
	};
	long ret = file_ioctl(container, VFIO_IOMMU_UNMAP_DMA, &arg);

	return ret ? ret : (long long)arg.unmap.size;
}

/* Dirty pages */

static long dirty_flag(int container, __u32 flags)
{
	struct vfio_iommu_type1_dirty_bitmap dirty = {
		.argsz = sizeof(dirty),
		.flags = flags,
	};

	return file_ioctl(container, VFIO_IOMMU_DIRTY_PAGES, &dirty);
}

long dirty_start(int container)
{
	return dirty_flag(container, VFIO_IOMMU_DIRTY_PAGES_FLAG_START);
}

long dirty_stop(int container)
{
	return dirty_flag(container, VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP);
}

long dirty_get(int container, __u64 iova, __u64 size, void *bitmap,
	       size_t bytes)
{
	struct {
		struct vfio_iommu_type1_dirty_bitmap dirty;
		struct vfio_iommu_type1_dirty_bitmap_get get;
	} arg = {
		.dirty = {
			.argsz = sizeof(arg),
			.flags = VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP,
		},
		.get = {
			.iova = iova,
			.size = size,
			.bitmap = {
				.pgsize = PAGE,
				.size = bytes,
				.data = bitmap,
			},
		},
	};

	return file_ioctl(container, VFIO_IOMMU_DIRTY_PAGES, &arg);
}

/* Information */

static void read_ranges(struct type1_info *info,
			const struct vfio_iommu_type1_info_cap_iova_range *cap)
{
	unsigned int i;

	for (i = 0; i < cap->nr_iovas && i < ARRAY_LEN(info->range); i++)
		info->range[info->nr_ranges++] = cap->iova_ranges[i];
}

int type1_get_info(int container, struct type1_info *info)
{
	char buf[4096] __attribute__((aligned(8))) = {};
	struct vfio_iommu_type1_info *raw = (void *)buf;
	struct vfio_info_cap_header *cap;
	unsigned int at, hops = 0;
	int ret;

	memset(info, 0, sizeof(*info));
	raw->argsz = sizeof(buf);
	ret = file_ioctl(container, VFIO_IOMMU_GET_INFO, raw);
	if (ret)
		return ret;
	info->flags = raw->flags;
	info->pgsizes = raw->iova_pgsizes;
	if (!(raw->flags & VFIO_IOMMU_INFO_CAPS))
		return 0;

	for (at = raw->cap_offset; at; at = cap->next) {
		if (at < sizeof(*raw) || at > sizeof(buf) - 64 || ++hops > 8)
			return -EIO;
		cap = (void *)(buf + at);
		switch (cap->id) {
		case VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE:
			read_ranges(info, (void *)cap);
			break;
		case VFIO_IOMMU_TYPE1_INFO_CAP_MIGRATION:
			info->has_migration = true;
			memcpy(&info->migration, cap, sizeof(info->migration));
			break;
		case VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL:
			info->has_avail = true;
			info->avail = ((struct vfio_iommu_type1_info_dma_avail *)cap)->avail;
			break;
		}
	}
	return 0;
}

/* The test device */

static long pin_call(int device, unsigned long cmd,
		     struct type1_test_pin *arg)
{
	return file_ioctl(device, cmd, arg);
}

long pin_words(int device, __u64 iova, unsigned int npage, __u32 prot,
	       __u64 *words)
{
	struct type1_test_pin arg = {
		.iova = iova,
		.words = ARG(words),
		.npage = npage,
		.prot = prot,
	};

	return pin_call(device, TYPE1_TEST_PIN, &arg);
}

long pin_pfns(int device, __u64 iova, unsigned int npage, __u32 prot,
	      __u64 *pfns)
{
	struct type1_test_pin arg = {
		.iova = iova,
		.pfns = ARG(pfns),
		.npage = npage,
		.prot = prot,
	};

	return pin_call(device, TYPE1_TEST_PIN, &arg);
}

long pin_in(int device, enum type1_test_context context, __u64 iova,
	    unsigned int npage, __u32 prot)
{
	struct type1_test_pin arg = {
		.iova = iova,
		.npage = npage,
		.prot = prot,
		.context = context,
	};

	return pin_call(device, TYPE1_TEST_PIN, &arg);
}

long pin(int device, __u64 iova, unsigned int npage, __u32 prot)
{
	return pin_in(device, TYPE1_TEST_CALLER, iova, npage, prot);
}

long unpin(int device, __u64 iova, unsigned int npage)
{
	struct type1_test_pin arg = {
		.iova = iova,
		.npage = npage,
	};

	return pin_call(device, TYPE1_TEST_UNPIN, &arg);
}

long rw_in(int device, enum type1_test_context context, __u64 iova, void *data,
	   size_t len, bool write)
{
	struct type1_test_rw arg = {
		.iova = iova,
		.data = ARG(data),
		.len = len,
		.write = write,
		.context = context,
	};

	return file_ioctl(device, TYPE1_TEST_RW, &arg);
}

long rw_read(int device, __u64 iova, void *data, size_t len)
{
	return rw_in(device, TYPE1_TEST_CALLER, iova, data, len, false);
}

long rw_write(int device, __u64 iova, const void *data, size_t len)
{
	return rw_in(device, TYPE1_TEST_CALLER, iova, (void *)data, len, true);
}

__u64 load(int device, __u64 iova)
{
	struct type1_test_word word = { .iova = iova };
	long ret = file_ioctl(device, TYPE1_TEST_WORD, &word);

	return ret ? (__u64)ret : word.value;
}

long store(int device, __u64 iova, __u64 value)
{
	struct type1_test_word word = {
		.iova = iova,
		.value = value,
		.write = 1,
	};

	return file_ioctl(device, TYPE1_TEST_WORD, &word);
}

int pins_of(int device, __u64 iova)
{
	struct type1_test_page page = { .iova = iova };
	long ret = file_ioctl(device, TYPE1_TEST_PAGE, &page);

	return ret ? ret : (int)page.count;
}

struct type1_test_page page_at(int device, const void *vaddr)
{
	struct type1_test_page page = { .vaddr = ARG(vaddr) };
	int none;

	/*
	 * A page that was pinned the slow way may be about to move in the kernel's lists, with
	 * a reference for that. Before it migrates pages, even none, the kernel has all move.
	 */
	if (type1_is_stock())
		syscall(SYS_move_pages, 0, 0UL, &none, &none, &none, 0);
	if (file_ioctl(device, TYPE1_TEST_PAGE, &page))
		memset(&page, 0, sizeof(page));
	return page;
}

long behave(int device, enum type1_test_unmap unmap, unsigned int n, bool keep)
{
	struct type1_test_behave arg = {
		.unmap = unmap,
		.n = n,
		.keep = keep,
	};

	return file_ioctl(device, TYPE1_TEST_BEHAVE, &arg);
}

struct type1_test_news news(int device)
{
	struct type1_test_news arg = {};

	if (file_ioctl(device, TYPE1_TEST_NEWS, &arg))
		arg.unmaps = ~0;
	return arg;
}

char *area(int device, unsigned long which, int prot)
{
	char *mem = mmap(NULL, AREA * PAGE, prot, MAP_SHARED, device, which);

	return mem == MAP_FAILED ? NULL : mem;
}

int hold_back(int device, bool hold)
{
	struct type1_test_late late = { .hold = hold };
	long ret = file_ioctl(device, TYPE1_TEST_LATE, &late);

	return ret ? ret : (int)late.waiting;
}

/* Memory */

char *scattered_memory(unsigned int pages)
{
	const size_t stretch = T1_STRETCH * PAGE, size = pages * PAGE;
	int fd = syscall(SYS_memfd_create, "scattered", 0);
	char *room, *mem;
	unsigned int i;

	room = mmap(NULL, size + stretch, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	/* They come in the order of the file, not in which they are marked. */
	if (fd < 0 || room == MAP_FAILED || fallocate(fd, 0, 0, size))
		goto fail;
	mem = (char *)(((uintptr_t)room + stretch - 1) / stretch * stretch);
	for (i = 0; i < pages; i++) {
		if (mmap(mem + i * PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
			 fd, (i / 2 + i % 2 * (pages / 2)) * PAGE) == MAP_FAILED)
			goto fail;
	}
	close(fd);
	mark_memory(mem, pages);
	return mem;
fail:
	perror("scattered memory");
	exit(1);
}

char *fresh_memory(unsigned int pages, int prot)
{
	char *mem = mmap(NULL, pages * PAGE, prot,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (mem == MAP_FAILED)
		abort();
	return mem;
}

void mark_memory(char *mem, unsigned int pages)
{
	unsigned int i;

	populate(mem, pages * PAGE);
	for (i = 0; i < pages; i++)
		*(__u64 *)(mem + i * PAGE) = T1_MARK(i);
}

char *marked_memory(unsigned int pages)
{
	char *mem = fresh_memory(pages, PROT_READ | PROT_WRITE);

	mark_memory(mem, pages);
	return mem;
}

char *keyed_memory(unsigned int pages, bool read)
{
	char *mem = marked_memory(pages);
	int key = pkey_alloc(0, read ? PKEY_DISABLE_WRITE : PKEY_DISABLE_ACCESS);

	if (key < 0)
		return NULL;
	if (pkey_mprotect(mem, pages * PAGE, PROT_READ | PROT_WRITE, key))
		abort();
	return mem;
}

#define LATE_MS	10

static void *bring(void *data)
{
	struct late_memory *late = data;
	struct pollfd fds[] = {
		{ .fd = late->fd, .events = POLLIN },
		{ .fd = late->stop[0], .events = POLLIN },
	};
	struct uffdio_zeropage zero = { .range.len = PAGE };
	struct uffd_msg msg;

	while (poll(fds, 2, -1) > 0 && !fds[1].revents) {
		if (read(late->fd, &msg, sizeof(msg)) != sizeof(msg))
			continue;
		__atomic_add_fetch(&late->asked, 1, __ATOMIC_SEQ_CST);
		sleep_ms(LATE_MS);
		zero.range.start = msg.arg.pagefault.address & -PAGE;
		ioctl(late->fd, UFFDIO_ZEROPAGE, &zero);
	}
	return NULL;
}

int late_begin(struct late_memory *late, unsigned int pages)
{
	struct uffdio_register range = {
		.mode = UFFDIO_REGISTER_MODE_MISSING,
		.range.len = pages * PAGE,
	};
	struct uffdio_api api = { .api = UFFD_API };

	/* Kernels with DEBUG_VM report a fault that may not wait, with its stack. */
	if (exists("/proc/lockdep"))
		return -EOPNOTSUPP;
	late->fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (late->fd < 0)
		return -EOPNOTSUPP;
	late->mem = fresh_memory(pages, PROT_READ | PROT_WRITE);
	late->pages = pages;
	late->asked = 0;
	range.range.start = ARG(late->mem);
	if (ioctl(late->fd, UFFDIO_API, &api) ||
	    ioctl(late->fd, UFFDIO_REGISTER, &range) ||
	    pipe(late->stop) || pthread_create(&late->thread, NULL, bring, late))
		return -errno;
	return 0;
}

void late_end(struct late_memory *late)
{
	if (write(late->stop[1], "", 1) != 1)
		abort();
	pthread_join(late->thread, NULL);
	close(late->stop[0]);
	close(late->stop[1]);
	close(late->fd);
	munmap(late->mem, late->pages * PAGE);
}

__u64 pfn_at(const void *vaddr)
{
	__u64 entry = 0;
	int fd;

	fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	if (pread(fd, &entry, sizeof(entry), ARG(vaddr) / PAGE * 8) != 8)
		entry = 0;
	close(fd);
	return entry >> 63 ? entry & ((1ULL << 55) - 1) : 0;
}

/* The whole of it */

int use_begin(struct type1_use *use, unsigned int devices)
{
	use->mem = marked_memory(T1_PAGES);
	use->held = pages_held();
	use->locked = pages_locked();
	return type1_open(&use->t, VFIO_TYPE1v2_IOMMU, devices);
}

int use_map(struct type1_use *use)
{
	return dma_map(use->t.container, use->mem, T1_IOVA, T1_PAGES * PAGE,
		       T1_RW);
}

void use_end(struct type1_use *use)
{
	type1_close(&use->t);
}
