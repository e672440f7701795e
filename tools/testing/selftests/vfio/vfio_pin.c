// SPDX-License-Identifier: GPL-2.0-only
/*
 * Classic vendor drivers, as they were: their pins, notifiers and handles of
 * external users, on drivers of three ages (vendors/) that pin by the mediated
 * device or by a group.
 *
 * Nothing here is unpinned that is not pinned, or after its mapping went: the
 * kernel's vfio_iommu_type1 warns of that.
 */
#include <fcntl.h>
#include <linux/kvm.h>
#include <signal.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "vendors/vendor_abi.h"
#include "vfio_util.h"

#define MAX_PAGES	512	/* of a call, with pages of 4 KiB */
#define MOST_PAGES	((int)(PAGE / sizeof(__u64)))	/* with those that there are */
#define PAGES		600	/* of the user's memory */
#define IOVA		0x40000000UL
#define FIRST		(IOVA / PAGE)
#define RO_IOVA		0x80000000UL
#define RO_FIRST	(RO_IOVA / PAGE)
#define RO_PAGES	16
#define NOWHERE		0x12345UL	/* a page that is not mapped */
#define GARBAGE		0x5a5a5a5a5a5aUL

#define BOTH		(VENDOR_READ | VENDOR_WRITE)
#define EVENT		1UL	/* the one that each notifier knows */

#define V4_10		"mdev_v4_10"
#define V5_4		"mdev_v5_4"
#define V5_11		"mdev_v5_11"
#define V0_1		"mdev_v0_1"

/* The use of one device of a driver */
struct use {
	const char *vendor;
	struct snapshot before;
	char uuid[UUID_LEN];
	struct mdev_user user;
	char *mem;
	long long held, locked;
	pid_t helper[2];	/* to be killed */
	__u64 user_pfn[VENDOR_MAX_PAGES];
	__u64 phys_pfn[VENDOR_MAX_PAGES];
};

FIXTURE(pin) {
	struct use use;
};

FIXTURE_VARIANT(pin) {
	const char *vendor;
	const char *driver;	/* in the names of its types */
	bool external;		/* pins by a group */
};

FIXTURE_VARIANT_ADD(pin, v4_10) {
	.vendor = V4_10,
	.driver = V4_10,
};

FIXTURE_VARIANT_ADD(pin, v5_4) {
	.vendor = V5_4,
	.driver = V5_4,
	.external = true,
};

FIXTURE_VARIANT_ADD(pin, v5_11) {
	.vendor = V5_11,
	.driver = "misc",
};

static int map_at(int container, void *mem, __u64 iova, size_t size, __u32 prot)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = prot,
		.vaddr = (uintptr_t)mem,
		.iova = iova,
		.size = size,
	};

	return file_ioctl(container, VFIO_IOMMU_MAP_DMA, &map);
}

static int unmap_at(int container, __u64 iova, size_t size)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap),
		.iova = iova,
		.size = size,
	};

	return file_ioctl(container, VFIO_IOMMU_UNMAP_DMA, &unmap);
}

/* The first word of each page says which it is. */
static __u64 *word_of(char *mem, unsigned int page)
{
	return (__u64 *)(mem + page * PAGE);
}

#define MARK(page)	(0xabcd000000000000UL + (page))

static char *make_memory(void)
{
	unsigned int i;
	char *mem;

	mem = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED)
		abort();
	populate(mem, PAGES * PAGE);
	for (i = 0; i < PAGES; i++)
		*word_of(mem, i) = MARK(i);
	return mem;
}

static int map_memory(int container, char *mem)
{
	int ret = map_at(container, mem, IOVA, PAGES * PAGE,
			 VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE);

	return ret ? ret : map_at(container, mem, RO_IOVA, RO_PAGES * PAGE,
				  VFIO_DMA_MAP_FLAG_READ);
}

static int make_device(const char *vendor, const char *driver,
		       const char *uuid)
{
	char path[PATH_LEN];

	snprintf(path, sizeof(path),
		 "/sys/class/mdev_bus/%s.0/mdev_supported_types/%s-one/create",
		 vendor, driver);
	return write_file(path, uuid);
}

static int set_parameter(const char *vendor, const char *name,
			 const char *value)
{
	char path[PATH_LEN];

	snprintf(path, sizeof(path), "/sys/module/%s/parameters/%s", vendor,
		 name);
	return write_file(path, value);
}

static const char *attribute(const char *uuid, const char *name)
{
	char path[PATH_LEN], file[64];
	static char text[256];

	snprintf(file, sizeof(file), "vendor/%s", name);
	if (read_file(mdev_path(path, uuid, file), text, sizeof(text)) < 0)
		return "";
	return text;
}

/* Has the driver pin and unpin a page from outside of the device's file. */
static int touch(const char *uuid, __u64 pfn)
{
	char path[PATH_LEN], text[32];

	snprintf(text, sizeof(text), "%llu", pfn);
	return write_file(mdev_path(path, uuid, "vendor/pin"), text);
}

/* How often the device's parent tells of a failure */
static int told(const struct use *use, const char *what)
{
	char path[PATH_LEN];

	return mdev_told_in(mdev_path(path, use->uuid, "../mdev_errors"), use->uuid,
			    what);
}

static int use_begin(struct use *use, const char *vendor, const char *driver)
{
	int ret;

	use->vendor = vendor;
	snapshot_take(&use->before);
	ret = make_device(vendor, driver, uuid_make(use->uuid));
	if (!ret)
		ret = mdev_open(use->uuid, &use->user);
	if (ret)
		return ret;

	use->mem = make_memory();
	memset(use->phys_pfn, 0x5a, sizeof(use->phys_pfn));
	use->held = pages_held();
	use->locked = pages_locked();
	return map_memory(use->user.container, use->mem);
}

/* All must be as it was. */
static void use_end(struct use *use, struct __test_metadata *_metadata)
{
	struct snapshot after;
	unsigned int i;

	if (!use->vendor)
		return;
	for (i = 0; i < ARRAY_LEN(use->helper); i++)
		async_kill(use->helper[i]);
	mdev_close(&use->user);
	EXPECT_EQ(use->held, pages_held());
	EXPECT_EQ(use->locked, pages_locked());
	if (mdev_exists(use->uuid))
		EXPECT_EQ(0, mdev_remove(use->uuid));
	snapshot_take(&after);
	EXPECT_STREQ(use->before.text, after.text);
	EXPECT_EQ(0, module_unload(use->vendor));
}

/* Why this driver cannot be loaded here, if so. */
static const char *use_not(const char *vendor)
{
	if (!strcmp(vendor, V5_11)) {
		if (exists("/proc/lockdep"))
			return "its license would turn lockdep off";
		expect_dmesg(V5_11 ": module license .*taints kernel");
		expect_dmesg("Disabling lock debugging due to kernel taint");
	}
	if (module_load(vendor, NULL))
		return "there is no such module, build-vendors builds it";
	return NULL;
}

FIXTURE_SETUP(pin)
{
	const char *why = use_not(variant->vendor);

	if (why)
		SKIP(return, "%s", why);
	ASSERT_EQ(0, use_begin(&self->use, variant->vendor, variant->driver));
}

FIXTURE_TEARDOWN(pin)
{
	use_end(&self->use, _metadata);
}

/* Those that have something the others have not */
FIXTURE(v4_10) {
	struct use use;
};

FIXTURE_SETUP(v4_10)
{
	const char *why = use_not(V4_10);

	if (why)
		SKIP(return, "%s", why);
	ASSERT_EQ(0, use_begin(&self->use, V4_10, V4_10));
}

FIXTURE_TEARDOWN(v4_10)
{
	use_end(&self->use, _metadata);
}

FIXTURE(v5_4) {
	struct use use;
};

FIXTURE_SETUP(v5_4)
{
	const char *why = use_not(V5_4);

	if (why)
		SKIP(return, "%s", why);
	ASSERT_EQ(0, use_begin(&self->use, V5_4, V5_4));
}

FIXTURE_TEARDOWN(v5_4)
{
	use_end(&self->use, _metadata);
}

FIXTURE(v5_11) {
	struct use use;
};

FIXTURE_SETUP(v5_11)
{
	const char *why = use_not(V5_11);

	if (why)
		SKIP(return, "%s", why);
	ASSERT_EQ(0, use_begin(&self->use, V5_11, "misc"));
}

FIXTURE_TEARDOWN(v5_11)
{
	use_end(&self->use, _metadata);
}

/* Built with the headers and symbol versions of a former release of ours */
FIXTURE(v0_1) {
	struct use use;
};

FIXTURE_SETUP(v0_1)
{
	const char *why = use_not(V0_1);

	if (why)
		SKIP(return, "%s", why);
	ASSERT_EQ(0, set_parameter(V0_1, "called", "0"));
	ASSERT_EQ(0, use_begin(&self->use, V0_1, "misc"));
}

FIXTURE_TEARDOWN(v0_1)
{
	use_end(&self->use, _metadata);
}

static long pages_call(struct use *use, unsigned long cmd, int npage,
		       __u32 prot, bool parent)
{
	struct vendor_pages pages = {
		.user_pfn = (uintptr_t)use->user_pfn,
		.phys_pfn = (uintptr_t)use->phys_pfn,
		.npage = npage,
		.prot = prot,
		.parent = parent,
	};

	return file_ioctl(use->user.device, cmd, &pages);
}

static long pin(struct use *use, int npage, __u32 prot)
{
	return pages_call(use, VENDOR_PIN, npage, prot, false);
}

static long unpin(struct use *use, int npage)
{
	return pages_call(use, VENDOR_UNPIN, npage, 0, false);
}

/* The array names COUNT pages from FROM on, starting with entry AT. */
static void name_pages(struct use *use, unsigned int at,
		       unsigned int count, __u64 from)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		use->user_pfn[at + i] = from + i;
}

static bool all_zero(const __u64 *word, unsigned int count)
{
	while (count--)
		if (*word++)
			return false;
	return true;
}

static __u64 load(int fd, __u64 phys_pfn)
{
	struct vendor_word word = { .phys_pfn = phys_pfn };
	long ret = file_ioctl(fd, VENDOR_WORD, &word);

	return ret ? (__u64)ret : word.value;
}

static long store(int fd, __u64 phys_pfn, __u64 value)
{
	struct vendor_word word = {
		.phys_pfn = phys_pfn,
		.new = value,
		.write = 1,
	};

	return file_ioctl(fd, VENDOR_WORD, &word);
}

static long notifier(int fd, __u32 type, bool on, __u64 *events)
{
	struct vendor_notifier request = {
		.type = type,
		.on = on,
		.events = *events,
	};
	long ret = file_ioctl(fd, VENDOR_NOTIFIER, &request);

	*events = request.events;
	return ret;
}

static struct vendor_news news(int fd)
{
	struct vendor_news news = { .unmaps = ~0 };

	file_ioctl(fd, VENDOR_NEWS, &news);
	return news;
}

/* Pins */

TEST_F(pin, scattered)
{
	struct use *use = &self->use;
	static const unsigned int page[] = { 10, 3, 599, 11, 12, 4, 0 };
	const int n = ARRAY_LEN(page);
	int i;

	for (i = 0; i < n; i++)
		use->user_pfn[i] = FIRST + page[i];
	ASSERT_EQ(n, pin(use, n, BOTH));
	EXPECT_EQ(use->held + n, pages_held());
	EXPECT_EQ(use->locked + n, pages_locked());
	for (i = 0; i < n; i++) {
		EXPECT_EQ(MARK(page[i]), load(use->user.device,
					      use->phys_pfn[i]));
		EXPECT_EQ(0, store(use->user.device, use->phys_pfn[i], ~i));
		EXPECT_EQ((__u64)~i, *word_of(use->mem, page[i]));
	}
	EXPECT_EQ(GARBAGE << 16 | 0x5a5a, use->phys_pfn[n]);
	EXPECT_EQ(n, unpin(use, n));
	EXPECT_EQ(use->held, pages_held());
	EXPECT_EQ(use->locked, pages_locked());
}

TEST_F(pin, contiguous)
{
	struct use *use = &self->use;
	int i;

	name_pages(use, 0, MAX_PAGES, FIRST + 7);
	ASSERT_EQ(MAX_PAGES, pin(use, MAX_PAGES, VENDOR_READ));
	EXPECT_EQ(use->locked + MAX_PAGES, pages_locked());
	for (i = 0; i < MAX_PAGES; i++)
		ASSERT_EQ(MARK(7 + i), load(use->user.device,
					    use->phys_pfn[i]));
	EXPECT_EQ(MAX_PAGES, unpin(use, MAX_PAGES));
}

/* A page is unpinned as often as it was pinned, and charged once. */
TEST_F(pin, repeated)
{
	struct use *use = &self->use;
	const int n = 5;
	int i;

	for (i = 0; i < n; i++)
		use->user_pfn[i] = FIRST + 100;
	ASSERT_EQ(n, pin(use, n, BOTH));
	EXPECT_EQ(use->locked + 1, pages_locked());
	for (i = 1; i < n; i++)
		EXPECT_EQ(use->phys_pfn[0], use->phys_pfn[i]);
	ASSERT_EQ(1, pin(use, 1, VENDOR_READ));
	EXPECT_EQ(n, unpin(use, n));
	EXPECT_EQ(use->locked + 1, pages_locked());
	EXPECT_LT(use->held, pages_held());
	EXPECT_EQ(1, unpin(use, 1));
	EXPECT_EQ(use->locked, pages_locked());
}

#define TRACING		"/sys/kernel/tracing/"
#define PROBE		"vfio_pin_test"

static long long probe_hits(void)
{
	char text[4096], *line;

	if (read_file(TRACING "kprobe_profile", text, sizeof(text)) < 0)
		return -1;
	line = strstr(text, PROBE);
	return line ? atoll(line + strlen(PROBE)) : -1;
}

/* One call of the core's for pages that follow each other. */
TEST_F(pin, a_call_for_each_run)
{
	struct use *use = &self->use;
	int n = 0;

	if (write_file(TRACING "kprobe_events",
		       "p:" PROBE " vfio:vfio_pin_pages"))
		SKIP(return, "no kprobe events here");
	/* The scheduler is not to be patched for it: an emulator may run old code. */
	write_file(TRACING "options/record-cmd", "0");
	ASSERT_EQ(0, write_file(TRACING "events/kprobes/" PROBE "/enable", "1"));

	name_pages(use, 0, MAX_PAGES, FIRST);
	EXPECT_EQ(MAX_PAGES, pin(use, MAX_PAGES, VENDOR_READ));
	EXPECT_EQ(1, probe_hits());
	EXPECT_EQ(MAX_PAGES, unpin(use, MAX_PAGES));

	name_pages(use, n, 100, FIRST + 200);
	n += 100;
	name_pages(use, n, 50, FIRST);
	n += 50;
	name_pages(use, n, 1, FIRST + 50);
	n += 1;
	name_pages(use, n, 30, FIRST + 10);
	n += 30;
	EXPECT_EQ(n, pin(use, n, VENDOR_READ));
	EXPECT_EQ(1 + 3, probe_hits());
	EXPECT_EQ(n, unpin(use, n));

	EXPECT_EQ(0, write_file(TRACING "events/kprobes/" PROBE "/enable", "0"));
	EXPECT_EQ(0, write_file(TRACING "kprobe_events", "-:" PROBE));
}

/* Errors */

TEST_F(pin, bad_numbers)
{
	struct use *use = &self->use;

	ASSERT_GT(VENDOR_MAX_PAGES, MOST_PAGES);
	name_pages(use, 0, MOST_PAGES + 1, FIRST);
	EXPECT_EQ(-EINVAL, pin(use, 0, BOTH));
	EXPECT_EQ(-EINVAL, pin(use, -1, BOTH));
	EXPECT_EQ(-EINVAL, unpin(use, 0));
	EXPECT_EQ(-EINVAL, unpin(use, -1));
	EXPECT_EQ(-E2BIG, pin(use, MOST_PAGES + 1, BOTH));
	EXPECT_EQ(-E2BIG, unpin(use, MOST_PAGES + 1));
	EXPECT_EQ(-E2BIG, pin(use, INT32_MAX, BOTH));
	EXPECT_EQ(2, told(use, "pin 22 arguments"));
	EXPECT_EQ(2, told(use, "pin 7 arguments"));

	use->user_pfn[0] = ~0UL;
	EXPECT_EQ(-EINVAL, pin(use, 1, BOTH));
	/* Its address would be that of a page that is mapped. */
	use->user_pfn[0] = FIRST | 1UL << 52;
	EXPECT_EQ(-EINVAL, pin(use, 1, BOTH));
	EXPECT_EQ(use->held, pages_held());
}

/* All of it or nothing */
TEST_F(pin, a_page_is_not_mapped)
{
	struct use *use = &self->use;
	static const unsigned int bad[] = { 0, 1, 20, 39 };
	unsigned int i;

	for (i = 0; i < ARRAY_LEN(bad); i++) {
		name_pages(use, 0, 20, FIRST + 3);
		name_pages(use, 20, 20, FIRST + 300);
		use->user_pfn[bad[i]] = NOWHERE;
		memset(use->phys_pfn, 0x5a, sizeof(use->phys_pfn));
		EXPECT_EQ(-EINVAL, pin(use, 40, BOTH));
		EXPECT_TRUE(all_zero(use->phys_pfn, 40));
		EXPECT_EQ(use->held, pages_held());
		EXPECT_EQ(use->locked, pages_locked());
	}
	/* The mapping ends within a run. */
	name_pages(use, 0, 20, FIRST + PAGES - 10);
	EXPECT_EQ(-EINVAL, pin(use, 20, BOTH));
	EXPECT_TRUE(all_zero(use->phys_pfn, 20));
	EXPECT_EQ(use->held, pages_held());
}

TEST_F(pin, a_failure_leaves_older_pins)
{
	struct use *use = &self->use;

	name_pages(use, 0, 8, FIRST);
	ASSERT_EQ(8, pin(use, 8, BOTH));
	use->user_pfn[8] = NOWHERE;
	EXPECT_EQ(-EINVAL, pin(use, 9, BOTH));
	EXPECT_EQ(use->held + 8, pages_held());
	EXPECT_EQ(use->locked + 8, pages_locked());
	EXPECT_EQ(8, unpin(use, 8));
	EXPECT_EQ(use->held, pages_held());
}

TEST_F(pin, more_than_the_mapping_allows)
{
	struct use *use = &self->use;

	name_pages(use, 0, 4, FIRST);
	name_pages(use, 4, 4, RO_FIRST);
	EXPECT_EQ(-EPERM, pin(use, 8, BOTH));
	EXPECT_TRUE(all_zero(use->phys_pfn, 8));
	EXPECT_EQ(-EPERM, pin(use, 8, VENDOR_WRITE));
	EXPECT_EQ(2, told(use, "pin 1 memory"));
	EXPECT_EQ(use->held, pages_held());
	ASSERT_EQ(8, pin(use, 8, VENDOR_READ));
	EXPECT_EQ(MARK(2), load(use->user.device, use->phys_pfn[6]));
	EXPECT_EQ(8, unpin(use, 8));
}

TEST_F(pin, memory_that_cannot_be_had)
{
	struct use *use = &self->use;

	/* The user has taken a page away and left it mapped. */
	ASSERT_EQ(0, munmap(use->mem + 5 * PAGE, PAGE));
	name_pages(use, 0, 8, FIRST);
	EXPECT_EQ(-EFAULT, pin(use, 8, BOTH));
	EXPECT_EQ(1, told(use, "pin 14 memory"));

	/* Of memory mapped from now on it may not have so much locked. */
	expect_dmesg("RLIMIT_MEMLOCK|tell_limit: ");
	ASSERT_EQ(0, unmap_at(use->user.container, IOVA, PAGES * PAGE));
	ASSERT_EQ(0, drop_ipc_lock());
	ASSERT_EQ(0, limit_memlock(4));
	ASSERT_EQ(0, map_at(use->user.container, use->mem, IOVA, PAGES * PAGE,
			    VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE));
	name_pages(use, 0, 8, FIRST + 10);
	EXPECT_EQ(-ENOMEM, pin(use, 8, BOTH));
	EXPECT_EQ(1, told(use, "pin 12 memory"));
	EXPECT_EQ(use->held, pages_held());
	EXPECT_EQ(use->locked, pages_locked());
	ASSERT_EQ(4, pin(use, 4, BOTH));
	EXPECT_EQ(4, unpin(use, 4));
}

TEST_F(pin, no_vfio_device)
{
	struct use *use = &self->use;

	name_pages(use, 0, 1, FIRST);
	EXPECT_EQ(-ENODEV, pages_call(use, VENDOR_PIN, 1, BOTH, true));
	EXPECT_EQ(-ENODEV, pages_call(use, VENDOR_UNPIN, 1, 0, true));
}

TEST_F(pin, nobody_hears_of_unmapping)
{
	struct use *use = &self->use;
	__u64 events = EVENT;

	name_pages(use, 0, 1, FIRST);
	ASSERT_EQ(0, notifier(use->user.device, 0, false, &events));
	EXPECT_EQ(-EINVAL, pin(use, 1, BOTH));
	EXPECT_EQ(1, told(use, "pin 22 unheard"));
	EXPECT_EQ(-ENOENT, notifier(use->user.device, 0, false, &events));
	ASSERT_EQ(0, notifier(use->user.device, 0, true, &events));
	EXPECT_EQ(0, events);
	ASSERT_EQ(1, pin(use, 1, BOTH));
	EXPECT_EQ(1, unpin(use, 1));
}

/* The kernel's vfio_iommu_type1 pins in its second version only. */
TEST_F(pin, container_of_the_first_version)
{
	struct use *use = &self->use;
	struct mdev_user *user = &use->user;

	close(user->device);
	user->device = -1;
	ASSERT_EQ(0, ioctl(user->group, VFIO_GROUP_UNSET_CONTAINER));
	close(user->container);
	user->container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	ASSERT_EQ(0, ioctl(user->group, VFIO_GROUP_SET_CONTAINER,
			   &user->container));
	ASSERT_EQ(0, ioctl(user->container, VFIO_SET_IOMMU, VFIO_TYPE1_IOMMU));
	ASSERT_EQ(0, map_memory(user->container, use->mem));
	user->device = mdev_device_fd(use->uuid, user);
	ASSERT_LE(0, user->device);

	name_pages(use, 0, 2, FIRST);
	EXPECT_EQ(-EACCES, pin(use, 2, BOTH));
	EXPECT_TRUE(all_zero(use->phys_pfn, 2));
}

/* Unmapping */

TEST_F(pin, told_of_unmapping)
{
	struct use *use = &self->use;
	struct vendor_news said;

	name_pages(use, 0, 2, FIRST + 5);
	name_pages(use, 2, 2, FIRST + 400);
	name_pages(use, 4, 1, FIRST + 5);
	ASSERT_EQ(5, pin(use, 5, BOTH));

	/* A mapping without a pin */
	EXPECT_EQ(0, unmap_at(use->user.container, RO_IOVA, RO_PAGES * PAGE));
	EXPECT_EQ(0, news(use->user.device).unmaps);

	EXPECT_EQ(0, unmap_at(use->user.container, 0, 1UL << 40));
	said = news(use->user.device);
	EXPECT_EQ(1, said.unmaps);
	EXPECT_EQ(5, said.unpinned);
	EXPECT_EQ(IOVA, said.iova);
	EXPECT_EQ(PAGES * PAGE, said.size);
	EXPECT_EQ(use->held, pages_held());
	EXPECT_EQ(use->locked, pages_locked());

	EXPECT_EQ(-EINVAL, pin(use, 5, BOTH));
	ASSERT_EQ(0, map_memory(use->user.container, use->mem));
	ASSERT_EQ(5, pin(use, 5, BOTH));
	EXPECT_EQ(5, unpin(use, 5));
}

/* Two mappings beside each other: only the one that goes is told of. */
TEST_F(pin, only_that_mapping)
{
	struct use *use = &self->use;
	const __u64 next = IOVA + PAGES * PAGE;
	struct vendor_news said;

	ASSERT_EQ(0, map_at(use->user.container, use->mem, next, 4 * PAGE,
			    VFIO_DMA_MAP_FLAG_READ));
	name_pages(use, 0, 8, next / PAGE - 4);
	ASSERT_EQ(8, pin(use, 8, VENDOR_READ));
	EXPECT_EQ(MARK(0), load(use->user.device, use->phys_pfn[4]));
	EXPECT_EQ(0, unmap_at(use->user.container, next, 4 * PAGE));
	said = news(use->user.device);
	EXPECT_EQ(1, said.unmaps);
	EXPECT_EQ(4, said.unpinned);
	EXPECT_EQ(next, said.iova);
	EXPECT_EQ(4 * PAGE, said.size);
	EXPECT_EQ(4, unpin(use, 4));
}

TEST_F(pin, events)
{
	struct use *use = &self->use;
	__u64 events = EVENT;

	ASSERT_EQ(0, notifier(use->user.device, 0, false, &events));
	events = 0;
	EXPECT_EQ(-EINVAL, notifier(use->user.device, 0, true, &events));
	events = 1UL << 5;
	EXPECT_EQ(-EINVAL, notifier(use->user.device, 0, true, &events));
	EXPECT_EQ(1UL << 5, events);
	events = EVENT | 1UL << 1;
	EXPECT_EQ(-EINVAL, notifier(use->user.device, 0, true, &events));
	EXPECT_EQ(1UL << 1, events);
	events = EVENT;
	EXPECT_EQ(-EINVAL, notifier(use->user.device, 2, true, &events));
	EXPECT_EQ(-EINVAL, notifier(use->user.device, ~0, true, &events));
	EXPECT_EQ(-EINVAL, notifier(use->user.device, 2, false, &events));
	EXPECT_EQ(0, notifier(use->user.device, 0, true, &events));
	EXPECT_EQ(0, events);
}

/* Closing */

TEST_F(pin, released_with_the_device)
{
	struct use *use = &self->use;

	name_pages(use, 0, 100, FIRST);
	ASSERT_EQ(100, pin(use, 100, BOTH));
	close(use->user.device);
	EXPECT_EQ(use->held, pages_held());
	EXPECT_EQ(use->locked, pages_locked());
	use->user.device = mdev_device_fd(use->uuid, &use->user);
	ASSERT_LE(0, use->user.device);
	ASSERT_EQ(100, pin(use, 100, BOTH));
}

TEST_F(pin, user_dies)
{
	struct use *use = &self->use;
	int status;
	pid_t pid;

	mdev_close(&use->user);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		name_pages(use, 0, 300, FIRST);
		if (mdev_open(use->uuid, &use->user) ||
		    map_memory(use->user.container, use->mem) ||
		    pin(use, 300, BOTH) != 300 ||
		    pages_held() != use->held + 300)
			_exit(1);
		raise(SIGKILL);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_TRUE(WAIT_FOR(pages_held() == use->held, SOON));
	EXPECT_EQ(0, mdev_remove(use->uuid));
}

TEST_F(pin, from_outside)
{
	struct use *use = &self->use;

	EXPECT_EQ(0, touch(use->uuid, FIRST));
	EXPECT_EQ(-EINVAL, touch(use->uuid, NOWHERE));
	mdev_close(&use->user);
	/* One has no device, the other no handle. */
	EXPECT_EQ(variant->external ? -ENOENT : -ENODEV,
		  touch(use->uuid, FIRST));
	EXPECT_EQ(!variant->external, told(use, "pin 19 not-open"));
	ASSERT_EQ(0, write_file("/sys/bus/mdev/drivers/vfio_mdev/unbind",
				use->uuid));
	EXPECT_EQ(variant->external ? -ENOENT : -ENODEV,
		  touch(use->uuid, FIRST));
	EXPECT_EQ(0, write_file("/sys/bus/mdev/drivers/vfio_mdev/bind",
				use->uuid));
}

/*
 * A process that pins from outside for as long as it lives. Answers other than
 * those of a device that is, or is not, open and mapped end it.
 */
static pid_t async_touch(const char *uuid)
{
	pid_t pid = async_fork();
	int ret;

	if (pid)
		return pid;
	do {
		ret = touch(uuid, FIRST + 9);
	} while (!ret || ret == -ENODEV || ret == -EINVAL || ret == -ENOENT);
	_exit(-ret);
}

TEST_F(pin, while_it_is_closed_and_unbound)
{
	struct use *use = &self->use;
	long long end = now_ms() + race_ms(3000);
	int i, rounds;

	if (variant->external)
		ASSERT_EQ(0, set_parameter(V5_4, "keep_handle", "1"));
	/* Not to be held by a helper that has yet to close it */
	mdev_close(&use->user);
	use->helper[0] = async_touch(use->uuid);
	use->helper[1] = async_touch(use->uuid);
	for (rounds = 0; rounds < 4 || now_ms() < end; rounds++) {
		mdev_close(&use->user);
		if (rounds % 2) {
			ASSERT_EQ(0, write_file("/sys/bus/mdev/drivers/vfio_mdev/unbind",
						use->uuid));
			ASSERT_EQ(0, write_file("/sys/bus/mdev/drivers/vfio_mdev/bind",
						use->uuid));
		}
		ASSERT_EQ(0, mdev_open(use->uuid, &use->user));
		ASSERT_EQ(0, map_memory(use->user.container, use->mem));
		/* The next mdev_close() does so in another order. */
		if (rounds % 3 == 0) {
			close(use->user.device);
			use->user.device = -1;
		}
	}
	for (i = 0; i < 2; i++)
		EXPECT_EQ(-ETIMEDOUT, async_result(use->helper[i], 0));
	if (variant->external)
		EXPECT_EQ(0, set_parameter(V5_4, "keep_handle", "0"));
}

/* The rest of such a driver */

TEST_F(pin, device)
{
	struct use *use = &self->use;
	struct vfio_region_info info = { .argsz = sizeof(info) };
	__u64 word = MARK(77), got = 0, *map;
	const int fd = use->user.device;

	EXPECT_STREQ(use->uuid, attribute(use->uuid, "uuid"));
	EXPECT_EQ(sizeof(word), file_write(fd, &word, sizeof(word), 8));
	EXPECT_EQ(sizeof(got), file_read(fd, &got, sizeof(got), 8));
	EXPECT_EQ(word, got);
	EXPECT_EQ(-ENOTTY, file_ioctl(fd, _IO('v', 99), NULL));
	/* Without a structured op every command goes to its ioctl. */
	EXPECT_EQ(strcmp(variant->vendor, V5_11) ? 0 : -ENOTTY,
		  file_ioctl(fd, VFIO_DEVICE_GET_REGION_INFO, &info));

	map = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	/* Nor can a part of a page be mapped. */
	if (!strcmp(variant->vendor, V5_11) || PAGE > VENDOR_REGION_SIZE) {
		EXPECT_EQ(MAP_FAILED, map);
		EXPECT_EQ(EINVAL, errno);
		return;
	}
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(word, map[1]);
	EXPECT_EQ(0, file_ioctl(fd, VFIO_DEVICE_RESET, NULL));
	EXPECT_EQ(0, map[1]);
	munmap(map, PAGE);
}

/* One age each */

TEST_F(v4_10, interrupt)
{
	struct use *use = &self->use;
	int eventfd = new_eventfd();

	ASSERT_EQ(0, arm(use->user.device, 0, 0, 1, &eventfd));
	EXPECT_EQ(0, file_ioctl(use->user.device, VENDOR_SIGNAL, NULL));
	EXPECT_EQ(1, fired(eventfd));
}

/* Its error is told to nobody but the log; the device is gone. */
TEST_F(v4_10, remove_fails)
{
	struct use *use = &self->use;
	char path[PATH_LEN], text[16];

	expect_dmesg("remove returned -16");
	snprintf(path, sizeof(path), "/sys/class/mdev_bus/%s.0/vendor/instances",
		 V4_10);
	ASSERT_LT(0, read_file(path, text, sizeof(text)));
	EXPECT_STREQ("8", text);

	/* It cannot be asked to have its user go. */
	EXPECT_EQ(-EBUSY, mdev_remove(use->uuid));
	mdev_close(&use->user);
	ASSERT_EQ(0, set_parameter(V4_10, "remove_error", "16"));
	EXPECT_EQ(0, mdev_remove(use->uuid));
	EXPECT_FALSE(mdev_exists(use->uuid));
	EXPECT_EQ(0, make_device(V4_10, V4_10, use->uuid));
	EXPECT_EQ(0, set_parameter(V4_10, "remove_error", "0"));
}

/* By VENDOR_DMA, or the same that COMMAND says */
static void read_and_write_memory(struct use *use, unsigned long command,
				  struct __test_metadata *_metadata)
{
	struct vendor_dma dma = { .len = 16 };
	__u64 word[2];

	dma.data = (uintptr_t)word;
	dma.iova = IOVA + 5 * PAGE - 8;
	ASSERT_EQ(0, file_ioctl(use->user.device, command, &dma));
	EXPECT_EQ(0, word[0]);
	EXPECT_EQ(MARK(5), word[1]);

	word[0] = 42;
	word[1] = 42;
	dma.write = 1;
	ASSERT_EQ(0, file_ioctl(use->user.device, command, &dma));
	EXPECT_EQ(42, *word_of(use->mem, 5));
	EXPECT_EQ(42, *(word_of(use->mem, 5) - 1));

	dma.iova = RO_IOVA;
	EXPECT_EQ(-EPERM, file_ioctl(use->user.device, command, &dma));
	dma.iova = NOWHERE * PAGE;
	EXPECT_EQ(-EINVAL, file_ioctl(use->user.device, command, &dma));
	EXPECT_EQ(use->held, pages_held());
}

TEST_F(v5_4, reads_and_writes_memory)
{
	read_and_write_memory(&self->use, VENDOR_DMA, _metadata);
}

/* As guest memory, while the device is open */
TEST_F(v4_10, reads_and_writes_memory)
{
	read_and_write_memory(&self->use, VENDOR_GUEST, _metadata);
}

TEST_F(v5_4, has_no_iommu_device)
{
	struct use *use = &self->use;
	char text[16];

	snprintf(text, sizeof(text), "%d 0", -EOPNOTSUPP);
	EXPECT_STREQ(text, attribute(use->uuid, "iommu_device"));
}

/* A handle outlives the use of the device, and then is good for nothing. */
TEST_F(v5_4, keeps_its_handle)
{
	struct use *use = &self->use;
	int refs;

	ASSERT_EQ(0, set_parameter(V5_4, "keep_handle", "1"));
	EXPECT_EQ(0, touch(use->uuid, FIRST));
	mdev_close(&use->user);
	EXPECT_EQ(-ENODEV, touch(use->uuid, FIRST));
	refs = module_refs("vfio_mdev");

	ASSERT_EQ(0, mdev_open(use->uuid, &use->user));
	EXPECT_EQ(-EINVAL, touch(use->uuid, FIRST));
	ASSERT_EQ(0, map_memory(use->user.container, use->mem));
	EXPECT_EQ(0, touch(use->uuid, FIRST));
	mdev_close(&use->user);

	ASSERT_EQ(0, write_file("/sys/bus/mdev/drivers/vfio_mdev/unbind",
				use->uuid));
	EXPECT_EQ(-ENODEV, touch(use->uuid, FIRST));
	ASSERT_EQ(0, write_file("/sys/bus/mdev/drivers/vfio_mdev/bind",
				use->uuid));
	EXPECT_EQ(-ENODEV, touch(use->uuid, FIRST));
	EXPECT_EQ(0, mdev_remove(use->uuid));
	EXPECT_EQ(refs - 1, module_refs("vfio_mdev"));
	EXPECT_EQ(0, set_parameter(V5_4, "keep_handle", "0"));
}

static long take_group(struct use *use, __s32 fd)
{
	return file_ioctl(use->user.device, VENDOR_GROUP, &fd);
}

/* The other way to a handle: the file of a group, of this device or another */
TEST_F(v5_4, handle_of_a_group)
{
	struct use *use = &self->use;
	char uuid[UUID_LEN], *mem = make_memory();
	struct mdev_user other;
	int device;

	ASSERT_EQ(0, make_device(V5_4, V5_4, uuid_make(uuid)));
	ASSERT_EQ(0, mdev_open(uuid, &other));
	memset(mem, 0x77, PAGE);

	ASSERT_EQ(0, take_group(use, use->user.group));
	name_pages(use, 0, 2, FIRST);
	ASSERT_EQ(2, pin(use, 2, BOTH));
	EXPECT_EQ(MARK(1), load(use->user.device, use->phys_pfn[1]));
	EXPECT_EQ(2, unpin(use, 2));

	/* The other's memory: none, then some */
	ASSERT_EQ(0, take_group(use, other.group));
	EXPECT_EQ(-EINVAL, pin(use, 2, BOTH));
	ASSERT_EQ(0, map_memory(other.container, mem));
	ASSERT_EQ(2, pin(use, 2, BOTH));
	EXPECT_EQ(0x7777777777777777UL,
		  load(use->user.device, use->phys_pfn[0]));
	EXPECT_EQ(MARK(1), load(use->user.device, use->phys_pfn[1]));
	EXPECT_EQ(2, unpin(use, 2));

	/* None of these is the group of an open device. */
	EXPECT_EQ(-EBADF, take_group(use, -1));
	EXPECT_EQ(-EINVAL, take_group(use, use->user.container));
	EXPECT_EQ(-EINVAL, take_group(use, use->user.device));
	EXPECT_EQ(-EINVAL, take_group(use, new_eventfd()));
	device = other.device;
	other.device = -1;
	close(device);
	EXPECT_EQ(-ENODEV, take_group(use, other.group));
	EXPECT_EQ(-ENODEV, pin(use, 2, BOTH));

	mdev_close(&other);
	EXPECT_EQ(0, mdev_remove(uuid));
	ASSERT_EQ(0, take_group(use, use->user.group));
	EXPECT_EQ(0, touch(use->uuid, FIRST));
}

static long dma(struct use *use, __u64 iova, __u64 *word, bool write)
{
	struct vendor_dma dma = {
		.iova = iova,
		.data = (uintptr_t)word,
		.len = sizeof(*word),
		.write = write,
	};

	return file_ioctl(use->user.device, VENDOR_DMA, &dma);
}

/* All calls with the handle that the driver has answer EXPECTED. */
static long calls_answer(struct use *use, long expected)
{
	__u64 word = 0;
	long ret;

	name_pages(use, 0, 2, FIRST);
	ret = pin(use, 2, BOTH);
	if (ret != (expected ? expected : 2))
		return ret ? ret : -EILSEQ;
	ret = unpin(use, 2);
	if (ret != (expected ? expected : 2))
		return ret ? ret : -EILSEQ;
	ret = dma(use, IOVA, &word, false);
	if (!ret)
		ret = dma(use, IOVA, &word, true);
	return ret;
}

/*
 * A handle got in one open of another device is good for nothing in the next:
 * that is another user's, or the same one's that has left and come again.
 */
TEST_F(v5_4, row_65_handle_of_an_open_that_ended)
{
	struct use *use = &self->use;
	char uuid[UUID_LEN], *mem = make_memory();
	struct mdev_user other;
	__u64 word = 0x666;

	ASSERT_EQ(0, make_device(V5_4, V5_4, uuid_make(uuid)));
	ASSERT_EQ(0, mdev_open(uuid, &other));
	ASSERT_EQ(0, map_memory(other.container, mem));
	ASSERT_EQ(0, take_group(use, other.group));
	EXPECT_EQ(0, calls_answer(use, 0));

	/* By another user, with memory of its own */
	mdev_close(&other);
	EXPECT_EQ(-ENODEV, calls_answer(use, -ENODEV));
	ASSERT_EQ(0, mdev_open(uuid, &other));
	EXPECT_EQ(-ENODEV, calls_answer(use, -ENODEV));
	ASSERT_EQ(0, map_memory(other.container, mem));
	EXPECT_EQ(-ENODEV, calls_answer(use, -ENODEV));
	EXPECT_EQ(-ENODEV, dma(use, IOVA + PAGE, &word, true));
	EXPECT_EQ(MARK(1), *word_of(mem, 1));
	EXPECT_EQ(use->held, pages_held());
	EXPECT_EQ(use->locked, pages_locked());

	/* By the same, with the mappings that were there */
	ASSERT_EQ(0, take_group(use, other.group));
	EXPECT_EQ(0, calls_answer(use, 0));
	close(other.device);
	other.device = mdev_device_fd(uuid, &other);
	ASSERT_LE(0, other.device);
	EXPECT_EQ(-ENODEV, calls_answer(use, -ENODEV));

	/* Bound anew, it is another device altogether. */
	ASSERT_EQ(0, take_group(use, other.group));
	mdev_close(&other);
	ASSERT_EQ(0, write_file("/sys/bus/mdev/drivers/vfio_mdev/unbind", uuid));
	EXPECT_EQ(-ENODEV, calls_answer(use, -ENODEV));
	ASSERT_EQ(0, write_file("/sys/bus/mdev/drivers/vfio_mdev/bind", uuid));
	ASSERT_EQ(0, mdev_open(uuid, &other));
	ASSERT_EQ(0, map_memory(other.container, mem));
	EXPECT_EQ(-ENODEV, calls_answer(use, -ENODEV));

	mdev_close(&other);
	EXPECT_EQ(0, mdev_remove(uuid));
	EXPECT_EQ(-ENODEV, calls_answer(use, -ENODEV));
	ASSERT_EQ(0, take_group(use, use->user.group));
	EXPECT_EQ(0, calls_answer(use, 0));
}

/*
 * The same while calls with the handle are under way all the time. A page that is
 * pinned when the open ends is one that its driver should have given back.
 */
TEST_F(v5_4, row_65_closed_under_its_calls)
{
	struct use *use = &self->use;
	char uuid[UUID_LEN], *mem = make_memory();
	long long end = now_ms() + race_ms(2000);
	struct mdev_user other;
	int rounds, i;

	expect_dmesg("driver " V5_4 " has not unpinned");
	ASSERT_EQ(0, make_device(V5_4, V5_4, uuid_make(uuid)));
	for (i = 0; i < 2; i++)
		use->helper[i] = async_touch(use->uuid);
	for (rounds = 0; rounds < 4 || now_ms() < end; rounds++) {
		ASSERT_EQ(0, mdev_open(uuid, &other));
		ASSERT_EQ(0, map_memory(other.container, mem));
		ASSERT_EQ(0, take_group(use, other.group));
		EXPECT_EQ(0, touch(use->uuid, FIRST));
		close(other.device);
		other.device = mdev_device_fd(uuid, &other);
		ASSERT_LE(0, other.device);
		EXPECT_EQ(-ENODEV, touch(use->uuid, FIRST));
		mdev_close(&other);
	}
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(-ETIMEDOUT, async_result(use->helper[i], 0));
		async_kill(use->helper[i]);
		use->helper[i] = 0;
	}
	EXPECT_EQ(0, mdev_remove(uuid));
	ASSERT_EQ(0, take_group(use, use->user.group));
}

TEST_F(v5_11, is_asked)
{
	struct use *use = &self->use;
	char path[PATH_LEN], text[16] = "";
	pid_t pid;

	ASSERT_EQ(0, set_parameter(V5_11, "requests", "0"));
	name_pages(use, 0, 10, FIRST);
	ASSERT_EQ(10, pin(use, 10, BOTH));
	pid = async_write(mdev_path(path, use->uuid, "remove"), "1");
	EXPECT_TRUE(WAIT_FOR(read_file("/sys/module/" V5_11 "/parameters/requests",
				       text, sizeof(text)) > 0 && atoi(text) > 0,
			     SOON));
	EXPECT_EQ(-ETIMEDOUT, async_result(pid, A_WHILE));
	EXPECT_EQ(1, pin(use, 1, BOTH));
	mdev_close(&use->user);
	EXPECT_EQ(0, async_result(pid, SOON));
	EXPECT_FALSE(mdev_exists(use->uuid));
}

/* The virtual machine, where there can be one */

/* One that knows a group */
struct machine {
	const char *module;	/* to be unloaded */
	int kvm, vm, device;
};

static bool machine_begin(struct machine *machine, const int *group,
			  struct __test_metadata *_metadata)
{
	struct kvm_create_device device = { .type = KVM_DEV_TYPE_VFIO };
	struct kvm_device_attr add = {
		.group = KVM_DEV_VFIO_GROUP,
		.attr = KVM_DEV_VFIO_GROUP_ADD,
		.addr = (uintptr_t)group,
	};

	machine->module = kvm_load();
	machine->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (machine->kvm < 0)
		return false;
	machine->vm = ioctl(machine->kvm, KVM_CREATE_VM, 0);
	EXPECT_LE(0, machine->vm);
	EXPECT_EQ(0, ioctl(machine->vm, KVM_CREATE_DEVICE, &device));
	EXPECT_EQ(0, ioctl(device.fd, KVM_SET_DEVICE_ATTR, &add));
	machine->device = device.fd;
	return true;
}

static void machine_end(struct machine *machine, struct __test_metadata *_metadata)
{
	close(machine->device);
	close(machine->vm);
	close(machine->kvm);
	EXPECT_EQ(0, kvm_unload(machine->module));
}

TEST_F(v4_10, told_of_the_machine)
{
	struct use *use = &self->use;
	__u64 events = EVENT;
	struct machine machine;

	if (!machine_begin(&machine, &use->user.group, _metadata))
		SKIP(return, "no KVM here");
	EXPECT_EQ(0, news(use->user.device).kvms);
	close(use->user.device);

	use->user.device = mdev_device_fd(use->uuid, &use->user);
	ASSERT_LE(0, use->user.device);
	EXPECT_EQ(1, news(use->user.device).kvms);
	EXPECT_EQ(1, news(use->user.device).kvm);

	/* A notifier that is registered late is told, too */
	ASSERT_EQ(0, notifier(use->user.device, 1, false, &events));
	ASSERT_EQ(0, notifier(use->user.device, 1, true, &events));
	EXPECT_EQ(0, events);
	EXPECT_EQ(2, news(use->user.device).kvms);
	EXPECT_EQ(1, news(use->user.device).kvm);

	mdev_close(&use->user);
	machine_end(&machine, _metadata);
}

/* A driver that was built with release v0.1 */

static unsigned long called(void)
{
	char text[32];

	if (read_file("/sys/module/" V0_1 "/parameters/called", text, sizeof(text)) < 0)
		return 0;
	return strtoul(text, NULL, 0);
}

/* Of an answer with room for it: the first capability */
static int capability(const void *answer, __u32 offset)
{
	return ((const struct vfio_info_cap_header *)((const char *)answer + offset))->id;
}

static void ask_v0_1(struct use *use, struct __test_metadata *_metadata)
{
	union {
		struct vfio_device_info info;
		char room[64];
	} device = { .info.argsz = sizeof(device) };
	union {
		struct vfio_region_info info;
		char room[64];
	} region = { .info.argsz = sizeof(region) };
	struct vfio_irq_info irq = { .argsz = sizeof(irq) };
	int fd = use->user.device;

	EXPECT_EQ(0, file_ioctl(fd, VFIO_DEVICE_GET_INFO, &device));
	EXPECT_EQ(1, device.info.num_regions);
	EXPECT_EQ(V0_1_CAP, capability(&device, device.info.cap_offset));
	EXPECT_EQ(0, file_ioctl(fd, VFIO_DEVICE_GET_REGION_INFO, &region));
	EXPECT_EQ(VENDOR_REGION_SIZE, region.info.size);
	EXPECT_EQ(V0_1_CAP, capability(&region, region.info.cap_offset));
	EXPECT_EQ(0, file_ioctl(fd, VFIO_DEVICE_GET_IRQ_INFO, &irq));
	EXPECT_EQ(V0_1_IRQS, irq.count);
}

/* Its callbacks, each with what it expects, and what they do */
TEST_F(v0_1, row_67_every_callback)
{
	struct use *use = &self->use;
	const unsigned long all = (1UL << V0_1_OPS) - 1;
	const __u8 bools[V0_1_IRQS - 1] = { [V0_1_IRQS - 2] = V0_1_BOOL };
	struct {
		struct vfio_device_feature feature;
		__u64 value;
	} set = {
		.feature.argsz = sizeof(set),
		.feature.flags = VFIO_DEVICE_FEATURE_SET | V0_1_FEATURE,
		.value = V0_1_FEATURE,
	};
	int fd = use->user.device;
	__u64 word = MARK(1), *mem;
	char path[PATH_LEN], text[8];
	pid_t pid;

	ask_v0_1(use, _metadata);
	EXPECT_EQ(V0_1_COUNT, file_write(fd, &word, V0_1_COUNT, V0_1_POS));
	mem = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, mem);
	EXPECT_EQ(word, mem[V0_1_POS / sizeof(*mem)]);
	munmap(mem, PAGE);
	EXPECT_EQ(0, file_ioctl(fd, VFIO_DEVICE_RESET, NULL));
	EXPECT_EQ(V0_1_COUNT, file_read(fd, &word, V0_1_COUNT, V0_1_POS));
	EXPECT_EQ(0, word);
	EXPECT_EQ(0, set_irqs(fd, VFIO_IRQ_SET_DATA_BOOL |
			      VFIO_IRQ_SET_ACTION_TRIGGER, 0, 1, V0_1_IRQS - 1,
			      bools, sizeof(bools)));
	EXPECT_EQ(0, file_ioctl(fd, VFIO_DEVICE_FEATURE, &set));
	EXPECT_EQ(0, strncmp(use->uuid, attribute(use->uuid, "uuid"), UUID_LEN - 1));
	ASSERT_LT(0, read_file("/sys/class/mdev_bus/" V0_1 ".0/vendor/uuid", text,
			       sizeof(text)));
	EXPECT_STREQ("none", text);

	name_pages(use, 0, 3, FIRST);
	EXPECT_EQ(3, pin(use, 3, BOTH));
	EXPECT_EQ(1, unpin(use, 1));
	EXPECT_EQ(0, unmap_at(use->user.container, IOVA, PAGES * PAGE));
	EXPECT_EQ(2, news(fd).unpinned);
	EXPECT_EQ(PAGES * PAGE, news(fd).size);

	pid = async_write(mdev_path(path, use->uuid, "remove"), "1");
	EXPECT_TRUE(WAIT_FOR(called() & (1UL << V0_1_REQUEST), SOON));
	mdev_close(&use->user);
	EXPECT_EQ(0, async_result(pid, SOON));
	EXPECT_EQ(all & ~(1UL << V0_1_SET_KVM), called());
}

TEST_F(v0_1, row_67_and_of_the_machine)
{
	struct machine machine;
	struct use *use = &self->use;

	if (!machine_begin(&machine, &use->user.group, _metadata))
		SKIP(return, "no KVM here");
	EXPECT_FALSE(called() & (1UL << V0_1_SET_KVM));
	close(use->user.device);
	use->user.device = mdev_device_fd(use->uuid, &use->user);
	EXPECT_LE(0, use->user.device);
	EXPECT_TRUE(called() & (1UL << V0_1_SET_KVM));
	mdev_close(&use->user);
	machine_end(&machine, _metadata);
}

MDEV_TEST_MAIN("vfio_mdev")
