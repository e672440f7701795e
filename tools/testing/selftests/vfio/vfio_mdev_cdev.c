// SPDX-License-Identifier: GPL-2.0-only
/*
 * Classic mediated devices opened by their own character device and attached to
 * an iommufd, with no group and no container: regions, pins, unmappings, and
 * removal. Kernels before 6.6, and those that are configured without, lack it.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "vendors/vendor_abi.h"
#include "vfio_util.h"

/* The headers of a distribution may be older than the kernel. */
#define CDEV_BIND	_IO(VFIO_TYPE, VFIO_BASE + 18)
#define CDEV_ATTACH	_IO(VFIO_TYPE, VFIO_BASE + 19)
#define CDEV_DETACH	_IO(VFIO_TYPE, VFIO_BASE + 20)
#define IOAS_ALLOC	_IO(';', 0x81)
#define IOAS_MAP	_IO(';', 0x85)
#define IOAS_UNMAP	_IO(';', 0x86)

#define AT_IOVA		1U	/* flags of IOAS_MAP */
#define MAY_WRITE	2U
#define MAY_READ	4U

struct cdev_bind {
	__u32 argsz, flags;
	__s32 iommufd;
	__u32 devid;
};

struct cdev_attach {
	__u32 argsz, flags;
	__u32 ioas;
};

struct cdev_detach {
	__u32 argsz, flags;
};

struct ioas_alloc {
	__u32 size, flags;
	__u32 ioas;
};

struct ioas_map {
	__u32 size, flags;
	__u32 ioas, reserved;
	__u64 memory, length, iova;
};

struct ioas_unmap {
	__u32 size, ioas;
	__u64 iova, length;
};

#define V4_10		"mdev_v4_10"
#define V5_4		"mdev_v5_4"
#define IOVA		0x40000000UL
#define PAGES		64
#define MARK(page)	(0xcdef000000000000UL + (page))

/* What an answer "at once" may take on a slow machine: no 10 s of waiting. */
#define AT_ONCE		6000

/* A device and its user, which has opened the file, and an iommufd. */
struct cdev {
	const char *vendor;
	struct snapshot before;
	char uuid[UUID_LEN];
	char node[PATH_LEN];
	int iommufd, fd;
	__u32 ioas;
	char *mem;
	long long held;
};

static int open_file(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* The node of the device's own character device. */
static int find_node(const char *uuid, char *node)
{
	char dir[PATH_LEN];
	struct dirent *entry;
	int ret = -ENOENT;
	DIR *d;

	d = opendir(mdev_path(dir, uuid, "vfio-dev"));
	if (!d)
		return -errno;
	while ((entry = readdir(d))) {
		if (strncmp(entry->d_name, "vfio", 4))
			continue;
		snprintf(node, PATH_LEN, "/dev/vfio/devices/%s", entry->d_name);
		ret = exists("%s", node) ? 0 : -ENODEV;
	}
	closedir(d);
	return ret;
}

static long do_bind(int fd, int iommufd)
{
	struct cdev_bind bind = { .argsz = sizeof(bind), .iommufd = iommufd };

	return file_ioctl(fd, CDEV_BIND, &bind);
}

static long attach(int fd, __u32 ioas)
{
	struct cdev_attach attach = { .argsz = sizeof(attach), .ioas = ioas };

	return file_ioctl(fd, CDEV_ATTACH, &attach);
}

static long detach(int fd)
{
	struct cdev_detach detach = { .argsz = sizeof(detach) };

	return file_ioctl(fd, CDEV_DETACH, &detach);
}

/* A new I/O address space with PAGES pages of MEM in it. */
static long make_ioas(int iommufd, void *mem, __u32 *ioas)
{
	struct ioas_alloc alloc = { .size = sizeof(alloc) };
	struct ioas_map map = {
		.size = sizeof(map),
		.flags = AT_IOVA | MAY_READ | MAY_WRITE,
		.memory = (uintptr_t)mem,
		.length = PAGES * PAGE,
		.iova = IOVA,
	};
	long ret = file_ioctl(iommufd, IOAS_ALLOC, &alloc);

	if (ret)
		return ret;
	map.ioas = alloc.ioas;
	*ioas = alloc.ioas;
	return file_ioctl(iommufd, IOAS_MAP, &map);
}

static long unmap(int iommufd, __u32 ioas)
{
	struct ioas_unmap unmap = {
		.size = sizeof(unmap),
		.ioas = ioas,
		.iova = IOVA,
		.length = PAGES * PAGE,
	};

	return file_ioctl(iommufd, IOAS_UNMAP, &unmap);
}

static __u64 *word_of(char *mem, unsigned int page)
{
	return (__u64 *)(mem + page * PAGE);
}

/* A driver as vendors had it, without the controls of the other ones. */
static bool of_old(const char *vendor)
{
	return !strncmp(vendor, "mdev_v", 6);
}

static int make_device(struct cdev *c, const char *vendor)
{
	char path[PATH_LEN];

	if (!of_old(vendor))
		return mdev_make(vendor, 0, "few", c->uuid);
	snprintf(path, sizeof(path),
		 "/sys/class/mdev_bus/%s.0/mdev_supported_types/%s-one/create",
		 vendor, vendor);
	return write_file(path, uuid_make(c->uuid));
}

/* All but the file of the device. */
static int cdev_begin(struct cdev *c, const char *vendor)
{
	unsigned int i;
	int ret;

	if (!of_old(vendor))
		vendor_reset(vendor);
	snapshot_take(&c->before);
	ret = make_device(c, vendor);
	if (ret)
		return ret;
	c->vendor = vendor;
	ret = find_node(c->uuid, c->node);
	if (ret)
		return ret;

	c->mem = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (c->mem == MAP_FAILED)
		return -errno;
	for (i = 0; i < PAGES; i++)
		*word_of(c->mem, i) = MARK(i);

	c->iommufd = open_file("/dev/iommu");
	if (c->iommufd < 0)
		return c->iommufd;
	c->held = pages_held();
	return make_ioas(c->iommufd, c->mem, &c->ioas);
}

static void cdev_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* All must be as it was. */
static void teardown(struct __test_metadata *_metadata, struct cdev *c)
{
	struct snapshot after;

	if (!c->vendor)
		return;
	cdev_close(&c->fd);
	if (c->iommufd >= 0) {
		EXPECT_EQ(c->held, pages_held());
		cdev_close(&c->iommufd);
	}
	if (mdev_exists(c->uuid))
		EXPECT_EQ(0, mdev_remove(c->uuid));
	EXPECT_FALSE(exists("%s", c->node));
	snapshot_take(&after);
	EXPECT_STREQ(c->before.text, after.text);
	EXPECT_EQ(0, of_old(c->vendor) ? module_unload(c->vendor) :
					 vendor_get(c->vendor, "violations"));
}

static void setup(struct __test_metadata *_metadata, struct cdev *c,
		  const char *vendor)
{
	int ret;

	c->fd = -1;
	c->iommufd = -1;
	if (!exists("/dev/iommu"))
		SKIP(return, "this kernel has no iommufd");
	if (module_load(vendor, NULL))
		SKIP(return, "there is no module %s, build-vendors builds it",
		     vendor);
	ret = cdev_begin(c, vendor);
	if (ret == -ENODEV) {
		teardown(_metadata, c);
		SKIP(return, "VFIO devices have no file of their own here");
	}
	ASSERT_EQ(0, ret);
	c->fd = open_file(c->node);
	ASSERT_LE(0, c->fd);
}

/* A driver that can ask its user to go */
FIXTURE(cdev) {
	struct cdev c;
};

FIXTURE_SETUP(cdev)
{
	setup(_metadata, &self->c, STRUCTURED);
}

FIXTURE_TEARDOWN(cdev)
{
	teardown(_metadata, &self->c);
}

static long region_info(int fd, __u32 index, __u64 *offset)
{
	struct vfio_region_info info = {
		.argsz = sizeof(info),
		.index = index,
	};
	long ret = file_ioctl(fd, VFIO_DEVICE_GET_REGION_INFO, &info);

	*offset = info.offset;
	return ret ? ret : info.size;
}

/* The device's file is good for nothing before it is bound. */
TEST_F(cdev, is_opened_by_binding)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	struct cdev *c = &self->c;
	char byte;

	EXPECT_EQ(-EINVAL, file_ioctl(c->fd, VFIO_DEVICE_GET_INFO, &info));
	EXPECT_EQ(-EINVAL, file_read(c->fd, &byte, 1, 0));
	EXPECT_EQ(-EINVAL, attach(c->fd, c->ioas));
	EXPECT_EQ(0, vendor_calls(c->vendor, "open"));

	ASSERT_EQ(0, do_bind(c->fd, c->iommufd));
	EXPECT_EQ(1, vendor_calls(c->vendor, "open"));
	EXPECT_EQ(0, file_ioctl(c->fd, VFIO_DEVICE_GET_INFO, &info));
	EXPECT_EQ(MDEV_TEST_NUM_REGIONS, info.num_regions);
	EXPECT_EQ(-EINVAL, do_bind(c->fd, c->iommufd));

	cdev_close(&c->fd);
	EXPECT_EQ(1, vendor_calls(c->vendor, "release"));
	EXPECT_EQ(1, vendor_calls(c->vendor, "open"));
}

TEST_F(cdev, the_vendors_open_fails)
{
	struct cdev *c = &self->c;

	vendor_set(c->vendor, "open/error", EXDEV);
	EXPECT_EQ(-EXDEV, do_bind(c->fd, c->iommufd));
	vendor_reset(c->vendor);
	EXPECT_EQ(0, do_bind(c->fd, c->iommufd));
}

TEST_F(cdev, regions)
{
	struct cdev *c = &self->c;
	__u64 offset, word = MARK(1), seen = 0;

	ASSERT_EQ(0, do_bind(c->fd, c->iommufd));
	EXPECT_EQ(0, attach(c->fd, c->ioas));
	ASSERT_EQ(MDEV_TEST_REGS_SIZE,
		  region_info(c->fd, MDEV_TEST_REGION_REGS, &offset));
	EXPECT_EQ(sizeof(word), file_write(c->fd, &word, sizeof(word),
					   offset + 0x10));
	EXPECT_EQ(sizeof(seen), file_read(c->fd, &seen, sizeof(seen),
					  offset + 0x10));
	EXPECT_EQ(word, seen);
	EXPECT_EQ(-EINVAL, file_read(c->fd, &seen, sizeof(seen),
				     offset + MDEV_TEST_REGS_SIZE));
	EXPECT_EQ(0, file_ioctl(c->fd, VFIO_DEVICE_RESET, NULL));
	EXPECT_EQ(1, vendor_calls(c->vendor, "reset"));

	/* Attached or not is no matter to what is no memory of the user's. */
	EXPECT_EQ(0, detach(c->fd));
	EXPECT_EQ(sizeof(seen), file_read(c->fd, &seen, sizeof(seen), offset));
}

/* One user at a time, whichever way it came. */
TEST_F(cdev, one_user)
{
	struct cdev *c = &self->c;
	struct mdev_user user = { -1, -1, -1 };
	int other = open_file(c->node);

	ASSERT_LE(0, other);
	ASSERT_EQ(0, do_bind(c->fd, c->iommufd));
	EXPECT_EQ(-EINVAL, do_bind(other, c->iommufd));
	EXPECT_EQ(-EBUSY, mdev_open(c->uuid, &user));
	mdev_close(&user);

	cdev_close(&c->fd);
	EXPECT_EQ(0, mdev_open(c->uuid, &user));
	EXPECT_EQ(-EBUSY, do_bind(other, c->iommufd));
	EXPECT_EQ(0, mdev_alive(&user));
	mdev_close(&user);
	EXPECT_EQ(0, do_bind(other, c->iommufd));
	EXPECT_EQ(3, vendor_calls(c->vendor, "open"));
	close(other);
}

TEST_F(cdev, removal_asks_the_user)
{
	struct cdev *c = &self->c;
	char path[PATH_LEN];
	pid_t pid;

	ASSERT_EQ(0, do_bind(c->fd, c->iommufd));
	pid = async_write(mdev_path(path, c->uuid, "remove"), "1");
	EXPECT_TRUE(WAIT_FOR(vendor_calls(c->vendor, "request") > 0, SOON));
	EXPECT_EQ(-ETIMEDOUT, async_result(pid, 0));
	cdev_close(&c->fd);
	EXPECT_EQ(0, async_result(pid, SOON));
	EXPECT_FALSE(mdev_exists(c->uuid));
	EXPECT_FALSE(exists("%s", c->node));
}

/* A user that has but the file, and the device not open, cannot be asked. */
TEST_F(cdev, removal_does_not_wait_for_an_unbound_file)
{
	struct cdev *c = &self->c;
	long long start = now_ms();
	char path[PATH_LEN];
	pid_t pid;

	pid = async_write(mdev_path(path, c->uuid, "remove"), "1");
	EXPECT_EQ(-EBUSY, async_result(pid, AT_ONCE));
	EXPECT_GT(AT_ONCE, now_ms() - start);
	async_kill(pid);
	EXPECT_TRUE(exists("%s", c->node));
	EXPECT_EQ(1, mdev_told(c->vendor, 0, c->uuid, "remove 16 file-open"));

	EXPECT_EQ(0, do_bind(c->fd, c->iommufd));
	EXPECT_EQ(1, vendor_calls(c->vendor, "open"));
	cdev_close(&c->fd);
	EXPECT_EQ(0, mdev_remove(c->uuid));
}

/* It does not go by itself under a user that has but the file, and tries later. */
TEST_F(cdev, goes_by_itself_but_not_with_a_file_open)
{
	struct cdev *c = &self->c;
	char path[PATH_LEN];
	int second;

	ASSERT_EQ(0, write_file(mdev_path(path, c->uuid, "mdev_remove_on_close"),
				"1"));
	second = open_file(c->node);
	ASSERT_LE(0, second);
	ASSERT_EQ(0, do_bind(c->fd, c->iommufd));
	cdev_close(&c->fd);
	EXPECT_TRUE(WAIT_FOR(mdev_told(c->vendor, 0, c->uuid,
				       "remove 16 file-open") == 1, SOON));
	EXPECT_TRUE(exists("%s", c->node));

	/* Another is not asked to wait for that. */
	cdev_close(&second);
	EXPECT_EQ(0, mdev_remove(c->uuid));
}

/* Drivers that learn of an unmapping by a callback, or by a classic notifier */
FIXTURE(pins) {
	struct cdev c;
	__u64 pfn[VENDOR_MAX_PAGES];
	__u64 phys[VENDOR_MAX_PAGES];
};

FIXTURE_VARIANT(pins) {
	const char *vendor;
	int count;		/* pages that the tests pin */
};

FIXTURE_VARIANT_ADD(pins, callback) {
	.vendor = PIN,
	.count = 1,
};

FIXTURE_VARIANT_ADD(pins, notifier) {
	.vendor = V4_10,
	.count = 9,
};

FIXTURE_VARIANT_ADD(pins, external_user) {
	.vendor = V5_4,
	.count = 9,
};

FIXTURE_SETUP(pins)
{
	unsigned int i;

	/* Some follow each other, and one is named twice. */
	for (i = 0; i < 4; i++) {
		self->pfn[i] = IOVA / PAGE + 20 + i;
		self->pfn[4 + i] = IOVA / PAGE + 5 * i;
	}
	self->pfn[8] = self->pfn[0];
	setup(_metadata, &self->c, variant->vendor);
	if (self->c.fd >= 0)
		ASSERT_EQ(0, do_bind(self->c.fd, self->c.iommufd));
}

FIXTURE_TEARDOWN(pins)
{
	teardown(_metadata, &self->c);
}

/* Answers how many pages it did. */
static long pages_call(struct cdev *c, bool pin, __u64 *pfn, __u64 *phys,
		       int count)
{
	struct vendor_pages pages = {
		.user_pfn = (uintptr_t)pfn,
		.phys_pfn = (uintptr_t)phys,
		.npage = count,
		.prot = VENDOR_READ | VENDOR_WRITE,
	};
	long ret;

	if (of_old(c->vendor))
		return file_ioctl(c->fd, pin ? VENDOR_PIN : VENDOR_UNPIN,
				  &pages);
	ret = file_ioctl(c->fd, pin ? MDEV_TEST_PIN : MDEV_TEST_UNPIN,
			 (void *)(uintptr_t)(*pfn * PAGE));
	return ret < 0 ? ret : 1;
}

#define CALL(pin)	pages_call(&self->c, pin, self->pfn, self->phys, \
				   variant->count)
#define PIN_ALL()	CALL(true)
#define UNPIN_ALL()	CALL(false)
#define HELD()		(pages_held() - self->c.held)

/* How often the driver was told of an unmapping. */
static int unmaps(struct cdev *c)
{
	struct vendor_news news = { .unmaps = ~0 };

	if (!of_old(c->vendor))
		return vendor_calls(c->vendor, "dma_unmap");
	file_ioctl(c->fd, VENDOR_NEWS, &news);
	return news.unmaps;
}

TEST_F(pins, need_an_address_space)
{
	struct cdev *c = &self->c;

	EXPECT_GT(0, PIN_ALL());
	EXPECT_EQ(0, HELD());
	EXPECT_EQ(0, attach(c->fd, c->ioas));
	EXPECT_EQ(variant->count, PIN_ALL());
	EXPECT_LT(0, HELD());
}

TEST_F(pins, are_the_users_memory)
{
	struct cdev *c = &self->c;
	unsigned int i, page;

	ASSERT_EQ(0, attach(c->fd, c->ioas));
	ASSERT_EQ(variant->count, PIN_ALL());
	EXPECT_LT(0, HELD());
	for (i = 0; of_old(c->vendor) && i < variant->count; i++) {
		struct vendor_word word = { .phys_pfn = self->phys[i] };

		page = self->pfn[i] - IOVA / PAGE;
		EXPECT_EQ(0, file_ioctl(c->fd, VENDOR_WORD, &word));
		EXPECT_EQ(MARK(page), word.value);
	}
	EXPECT_EQ(variant->count, UNPIN_ALL());
	EXPECT_EQ(0, HELD());
	EXPECT_EQ(0, unmaps(c));
}

/* A page that is not mapped fails the call, and nothing stays pinned. */
TEST_F(pins, all_or_none)
{
	struct cdev *c = &self->c;

	ASSERT_EQ(0, attach(c->fd, c->ioas));
	self->pfn[variant->count - 1] = IOVA / PAGE + PAGES;
	EXPECT_GT(0, PIN_ALL());
	EXPECT_EQ(0, HELD());
}

TEST_F(pins, end_with_their_mapping)
{
	struct cdev *c = &self->c;

	ASSERT_EQ(0, attach(c->fd, c->ioas));
	ASSERT_EQ(variant->count, PIN_ALL());
	EXPECT_EQ(0, unmap(c->iommufd, c->ioas));
	EXPECT_EQ(0, HELD());
	EXPECT_LE(1, unmaps(c));
	EXPECT_GT(0, PIN_ALL());
}

TEST_F(pins, end_with_detaching)
{
	struct cdev *c = &self->c;

	ASSERT_EQ(0, attach(c->fd, c->ioas));
	ASSERT_EQ(variant->count, PIN_ALL());
	EXPECT_EQ(0, detach(c->fd));
	EXPECT_EQ(0, HELD());
	EXPECT_LE(1, unmaps(c));
	EXPECT_GT(0, PIN_ALL());

	EXPECT_EQ(0, attach(c->fd, c->ioas));
	EXPECT_EQ(variant->count, PIN_ALL());
}

TEST_F(pins, end_with_another_address_space)
{
	struct cdev *c = &self->c;
	__u32 other;

	ASSERT_EQ(0, attach(c->fd, c->ioas));
	ASSERT_EQ(variant->count, PIN_ALL());
	ASSERT_EQ(0, make_ioas(c->iommufd, c->mem, &other));
	EXPECT_EQ(0, attach(c->fd, other));
	EXPECT_EQ(0, HELD());
	EXPECT_LE(1, unmaps(c));
	EXPECT_EQ(variant->count, PIN_ALL());

	/* The old one is nothing to this device any more. */
	EXPECT_EQ(0, unmap(c->iommufd, c->ioas));
	EXPECT_LT(0, HELD());
	EXPECT_EQ(0, unmap(c->iommufd, other));
	EXPECT_EQ(0, HELD());
}

TEST_F(pins, end_with_the_file)
{
	struct cdev *c = &self->c;

	ASSERT_EQ(0, attach(c->fd, c->ioas));
	ASSERT_EQ(variant->count, PIN_ALL());
	EXPECT_LT(0, HELD());
	cdev_close(&c->fd);
	EXPECT_EQ(0, HELD());
}

/* A process dies with the device open and pages pinned. */
TEST_F(pins, end_with_the_process)
{
	struct cdev *c = &self->c;
	int ready[2];
	char byte;
	pid_t pid;

	cdev_close(&c->fd);
	cdev_close(&c->iommufd);
	ASSERT_EQ(0, pipe(ready));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		c->iommufd = open_file("/dev/iommu");
		c->fd = open_file(c->node);
		byte = !make_ioas(c->iommufd, c->mem, &c->ioas) &&
		       !do_bind(c->fd, c->iommufd) &&
		       !attach(c->fd, c->ioas) && PIN_ALL() == variant->count;
		if (write(ready[1], &byte, 1) == 1)
			pause();
		_exit(1);
	}
	/* One that dies before has closed it. */
	close(ready[1]);
	EXPECT_EQ(1, read(ready[0], &byte, 1));
	EXPECT_EQ(1, byte);
	EXPECT_LT(0, HELD());
	kill(pid, SIGKILL);
	EXPECT_EQ(pid, waitpid(pid, NULL, 0));
	EXPECT_TRUE(WAIT_FOR(HELD() == 0, SOON));
	c->iommufd = open_file("/dev/iommu");
	c->fd = open_file(c->node);
	EXPECT_EQ(0, do_bind(c->fd, c->iommufd));
}

/* The kernel reads and writes the user's memory by a group's handle. */
TEST_F(pins, dma_rw)
{
	struct cdev *c = &self->c;
	__u64 word = 0;
	struct vendor_dma dma = {
		.iova = IOVA + 3 * PAGE,
		.data = (uintptr_t)&word,
		.len = sizeof(word),
	};

	if (strcmp(c->vendor, V5_4))
		SKIP(return, "%s has no such command", c->vendor);
	EXPECT_GT(0, file_ioctl(c->fd, VENDOR_DMA, &dma));
	ASSERT_EQ(0, attach(c->fd, c->ioas));
	EXPECT_EQ(0, file_ioctl(c->fd, VENDOR_DMA, &dma));
	EXPECT_EQ(MARK(3), word);
	word = MARK(99);
	dma.write = 1;
	EXPECT_EQ(0, file_ioctl(c->fd, VENDOR_DMA, &dma));
	EXPECT_EQ(MARK(99), *word_of(c->mem, 3));
}

int main(int argc, char **argv)
{
	static const char * const modules[] = {
		"mdev_test", STRUCTURED, PIN, NULL
	};

	mdev_test_begin(argc, argv, modules);
	module_load("iommufd", NULL);
	exit(test_harness_run(argc, argv));
}
