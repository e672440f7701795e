// SPDX-License-Identifier: GPL-2.0-only
/*
 * The skeleton of a vendor driver, as a stranger builds it: in a folder of its own,
 * from what "make install" leaves (build-vendors). Its devices pin their user's pages.
 */
#include <linux/pci_regs.h>
#include <pthread.h>

#include "kselftest_harness.h"
#include "sample_util.h"

#define DEVICES	4

/* Registers, and what STATUS says: see the skeleton's README. */
enum { SOURCE, TARGET, DELAY, DOORBELL, STATUS };
enum { IDLE, DONE, FAILED, COPYING };

#define INTX	VFIO_PCI_INTX_IRQ_INDEX
#define UNMASK	VFIO_IRQ_SET_ACTION_UNMASK

/* The user's memory: a page to copy, one to copy to, two for others */
#define IOVA	0x40000000UL
#define PAGES	4
#define FROM	(IOVA / PAGE)
#define TO	(FROM + 1)
/* Readable for the device; and nothing at all */
#define SECRET	(FROM + 16)
#define NOWHERE	(FROM + 32)

/* What no test waits for */
#define NEVER	600000

FIXTURE(copier) {
	struct snapshot before;
	char uuid[UUID_LEN];
	struct mdev_user user;
	int fd;
	int irq;
	unsigned char *mem;
	unsigned char *secret;
	long long held;
	long long locked;
};

static int map(int container, void *mem, __u64 page, unsigned int pages,
	       __u32 flags)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = flags,
		.vaddr = (uintptr_t)mem,
		.iova = page * PAGE,
		.size = pages * PAGE,
	};

	return file_ioctl(container, VFIO_IOMMU_MAP_DMA, &map);
}

/* Each page of the memory is a mapping of its own. */
static int map_page(int container, void *mem, __u64 page)
{
	return map(container, (char *)mem + (page - FROM) * PAGE, page, 1,
		   VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE);
}

static int unmap(int container, __u64 page)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap),
		.iova = page * PAGE,
		.size = PAGE,
	};

	return file_ioctl(container, VFIO_IOMMU_UNMAP_DMA, &unmap);
}

static unsigned char *anonymous(size_t size)
{
	void *mem = mmap(NULL, size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (mem == MAP_FAILED)
		abort();
	return mem;
}

static void put(int fd, unsigned int reg, __u32 value)
{
	if (file_put(fd, value, sizeof(value), 4 * reg) != sizeof(value))
		fprintf(stderr, "# register %u cannot be written\n", reg);
}

static __u32 get(int fd, unsigned int reg)
{
	__u64 value;

	return file_get(fd, &value, 4, 4 * reg) == 4 ? value : 0xdeadbeef;
}

static void ring(int fd, __u32 source, __u32 target, __u32 delay)
{
	put(fd, SOURCE, source);
	put(fd, TARGET, target);
	put(fd, DELAY, delay);
	put(fd, DOORBELL, 1);
}

static int intx_arm(int fd, int irq)
{
	__s32 efd = irq;

	return arm(fd, INTX, 0, 1, &efd);
}

FIXTURE_SETUP(copier)
{
	int i;

	if (module_load("skeleton", NULL))
		SKIP(return, "there is no module skeleton, build-vendors builds it");
	snapshot_take(&self->before);
	ASSERT_EQ(0, sample_make("skeleton", "copy", self->uuid));
	ASSERT_EQ(0, mdev_open(self->uuid, &self->user));
	self->fd = self->user.device;
	self->irq = new_eventfd();
	ASSERT_EQ(0, intx_arm(self->fd, self->irq));

	self->mem = anonymous(PAGES * PAGE);
	self->secret = anonymous(PAGE);
	memset(self->mem, 0x11, PAGE);
	memset(self->mem + PAGE, 0x22, PAGE);
	self->held = pages_held();
	self->locked = pages_locked();
	for (i = 0; i < PAGES; i++)
		ASSERT_EQ(0, map_page(self->user.container, self->mem, FROM + i));
	ASSERT_EQ(0, map(self->user.container, self->secret, SECRET, 1,
			 VFIO_DMA_MAP_FLAG_READ));
}

FIXTURE_TEARDOWN(copier)
{
	mdev_close(&self->user);
	EXPECT_EQ(self->held, pages_held());
	EXPECT_EQ(self->locked, pages_locked());
	if (mdev_exists(self->uuid))
		EXPECT_EQ(0, mdev_remove(self->uuid));
	EXPECT_EQ(DEVICES, sample_available("skeleton", "copy"));
	EXPECT_TRUE(WAIT_FOR(sample_idle("skeleton", &self->before), SOON));
	EXPECT_EQ(0, module_unload("skeleton"));
}

#define HELD	(pages_held() - self->held)
#define COPIED	(!memcmp(self->mem, self->mem + PAGE, PAGE))
#define INTERRUPTED	WAIT_FOR(fired(self->irq) > 0, SOON)

TEST_F(copier, description)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	struct vfio_region_info bar = {
		.argsz = sizeof(bar),
		.index = VFIO_PCI_BAR0_REGION_INDEX,
	};
	struct vfio_irq_info irq = { .argsz = sizeof(irq), .index = INTX };
	char path[PATH_LEN], text[64];
	unsigned int reg;

	ASSERT_LT(0, read_file(sample_path(path, "skeleton", "copy", "device_api"),
			       text, sizeof(text)));
	EXPECT_EQ(0, strncmp("vfio-pci", text, 8));
	EXPECT_TRUE(exists("/sys/class/skeleton/skeleton"));

	ASSERT_EQ(0, file_ioctl(self->fd, VFIO_DEVICE_GET_INFO, &info));
	EXPECT_EQ(VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET, info.flags);
	ASSERT_EQ(0, file_ioctl(self->fd, VFIO_DEVICE_GET_REGION_INFO, &bar));
	EXPECT_EQ(32, bar.size);
	EXPECT_EQ(0, bar.offset);
	ASSERT_EQ(0, file_ioctl(self->fd, VFIO_DEVICE_GET_IRQ_INFO, &irq));
	EXPECT_EQ(1, irq.count);

	for (reg = 0; reg < 8; reg++)
		EXPECT_EQ(0, get(self->fd, reg));
	put(self->fd, SOURCE, 0xfedcba98);
	put(self->fd, STATUS, COPYING);
	EXPECT_EQ(0xfedcba98, get(self->fd, SOURCE));
	EXPECT_EQ(IDLE, get(self->fd, STATUS));
	EXPECT_EQ(0, fired(self->irq));
}

TEST_F(copier, copies)
{
	int i;

	for (i = 1; i < 4; i++) {
		memset(self->mem, 0x33 * i, PAGE);
		ring(self->fd, FROM, TO, i - 1);
		ASSERT_TRUE(INTERRUPTED);
		EXPECT_TRUE(COPIED);
		EXPECT_EQ(0, HELD);
		EXPECT_EQ(DONE, get(self->fd, STATUS));
		ASSERT_EQ(0, irq_action(self->fd, INTX, 0, 1, UNMASK));
		EXPECT_EQ(0, fired(self->irq));
	}
	/* The level stays up until somebody has looked. */
	ring(self->fd, FROM, TO, 0);
	ASSERT_TRUE(INTERRUPTED);
	ASSERT_EQ(0, irq_action(self->fd, INTX, 0, 1, UNMASK));
	EXPECT_EQ(1, fired(self->irq));
	/* One page to itself */
	EXPECT_EQ(DONE, get(self->fd, STATUS));
	ASSERT_EQ(0, irq_action(self->fd, INTX, 0, 1, UNMASK));
	ring(self->fd, FROM, FROM, 0);
	ASSERT_TRUE(INTERRUPTED);
	EXPECT_EQ(DONE, get(self->fd, STATUS));
	EXPECT_EQ(0x99, self->mem[0]);
}

TEST_F(copier, pages_that_cannot_be_had)
{
	const struct {
		__u32 source, target;
	} jobs[] = {
		{ FROM, NOWHERE }, { NOWHERE, TO }, { FROM, SECRET },
		{ SECRET, TO }, { FROM, 0xffffffff }, { 0xffffffff, 0xffffffff },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_LEN(jobs); i++) {
		ring(self->fd, jobs[i].source, jobs[i].target, 0);
		EXPECT_EQ(1, fired(self->irq));
		EXPECT_EQ(FAILED, get(self->fd, STATUS));
		EXPECT_EQ(0, HELD);
		ASSERT_EQ(0, irq_action(self->fd, INTX, 0, 1, UNMASK));
	}
	EXPECT_EQ(0, self->secret[0]);
	ring(self->fd, FROM, TO, 0);
	ASSERT_TRUE(INTERRUPTED);
	EXPECT_TRUE(COPIED);
}

/* Pinned from the doorbell on, and one job at a time */
TEST_F(copier, reset_while_pinned)
{
	ring(self->fd, FROM, TO, NEVER);
	EXPECT_EQ(2, HELD);
	EXPECT_EQ(COPYING, get(self->fd, STATUS));
	ring(self->fd, FROM + 2, FROM + 3, 0);
	EXPECT_EQ(2, HELD);
	EXPECT_EQ(COPYING, get(self->fd, STATUS));

	ASSERT_EQ(0, file_ioctl(self->fd, VFIO_DEVICE_RESET, NULL));
	EXPECT_EQ(0, HELD);
	EXPECT_EQ(IDLE, get(self->fd, STATUS));
	EXPECT_EQ(0, get(self->fd, SOURCE));
	EXPECT_EQ(0, fired(self->irq));
	EXPECT_FALSE(COPIED);

	/* The next job does not wait as long as the last was to take. */
	ring(self->fd, FROM, TO, 0);
	ASSERT_TRUE(INTERRUPTED);
	EXPECT_TRUE(COPIED);
}

TEST_F(copier, unmapped_while_pinned)
{
	const __u32 pages[] = { FROM, TO };
	unsigned int i;

	for (i = 0; i < ARRAY_LEN(pages); i++) {
		ring(self->fd, FROM, TO, NEVER);
		/* No page of the job's */
		ASSERT_EQ(0, unmap(self->user.container, FROM + 2));
		EXPECT_EQ(2, HELD);
		EXPECT_EQ(COPYING, get(self->fd, STATUS));
		EXPECT_EQ(0, fired(self->irq));

		ASSERT_EQ(0, unmap(self->user.container, pages[i]));
		EXPECT_EQ(0, HELD);
		EXPECT_EQ(1, fired(self->irq));
		EXPECT_EQ(FAILED, get(self->fd, STATUS));
		EXPECT_FALSE(COPIED);
		ASSERT_EQ(0, irq_action(self->fd, INTX, 0, 1, UNMASK));

		ASSERT_EQ(0, map_page(self->user.container, self->mem, pages[i]));
		ASSERT_EQ(0, map_page(self->user.container, self->mem, FROM + 2));
	}
	ring(self->fd, FROM, TO, 0);
	ASSERT_TRUE(INTERRUPTED);
	EXPECT_TRUE(COPIED);
}

/* Its job goes with the user, and the next one finds nothing of it. */
TEST_F(copier, closed_while_pinned)
{
	ring(self->fd, FROM, TO, NEVER);
	EXPECT_EQ(2, HELD);
	close(self->user.device);
	EXPECT_EQ(0, HELD);
	EXPECT_FALSE(COPIED);

	self->user.device = mdev_device_fd(self->uuid, &self->user);
	self->fd = self->user.device;
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, intx_arm(self->fd, self->irq));
	EXPECT_EQ(IDLE, get(self->fd, STATUS));
	EXPECT_EQ(0, get(self->fd, DELAY));
	ring(self->fd, FROM, TO, 0);
	ASSERT_TRUE(INTERRUPTED);
	EXPECT_TRUE(COPIED);
}

TEST_F(copier, removed_while_pinned)
{
	int req = new_eventfd();
	char path[PATH_LEN];
	__s32 efd = req;
	pid_t admin;

	ring(self->fd, FROM, TO, NEVER);
	EXPECT_EQ(-EBUSY, mdev_remove(self->uuid));
	EXPECT_EQ(-EWOULDBLOCK, module_unload("skeleton"));
	ASSERT_EQ(0, arm(self->fd, VFIO_PCI_REQ_IRQ_INDEX, 0, 1, &efd));
	admin = async_write(mdev_path(path, self->uuid, "remove"), "1");
	EXPECT_TRUE(WAIT_FOR(fired(req), SOON));
	EXPECT_EQ(2, HELD);
	EXPECT_EQ(COPYING, get(self->fd, STATUS));
	mdev_close(&self->user);
	EXPECT_EQ(0, async_result(admin, SOON));
	EXPECT_FALSE(mdev_exists(self->uuid));
	EXPECT_EQ(0, HELD);
}

/* Everything at once */

struct race {
	int fd;
	int container;
	unsigned char *mem;
	int stop;
	unsigned int resets;
	int refused;
};

static bool stopped(struct race *race)
{
	return __atomic_load_n(&race->stop, __ATOMIC_SEQ_CST);
}

static void *race_ring(void *data)
{
	struct race *race = data;
	__u32 delay = 0;

	while (!stopped(race)) {
		ring(race->fd, FROM, TO, delay++ % 3);
		get(race->fd, STATUS);
	}
	return NULL;
}

static void *race_unmap(void *data)
{
	struct race *race = data;
	__u64 page = FROM;
	int ret;

	while (!stopped(race)) {
		ret = unmap(race->container, page);
		if (!ret)
			ret = map_page(race->container, race->mem, page);
		/* A doorbell that is kept from its processor keeps its pages. */
		if (ret && ret != -EBUSY)
			race->refused = ret;
		page = FROM + TO - page;
	}
	return NULL;
}

static void *race_reset(void *data)
{
	struct race *race = data;
	int ret;

	while (!stopped(race)) {
		ret = file_ioctl(race->fd, VFIO_DEVICE_RESET, NULL);
		if (!ret)
			race->resets++;
		else if (ret != -EBUSY)
			race->refused = ret;
		usleep(500);
	}
	return NULL;
}

TEST_F(copier, rung_unmapped_and_reset_at_once)
{
	struct race race = {
		.fd = self->fd,
		.container = self->user.container,
		.mem = self->mem,
	};
	void *(*const racers[])(void *) = {
		race_ring, race_ring, race_unmap, race_reset,
	};
	const char *type1 = getenv("TYPE1");
	pthread_t thread[ARRAY_LEN(racers)];
	unsigned int i;

	if (type1 && !strcmp(type1, "stock"))
		SKIP(return, "the kernel's type1 dies of a driver that is kept from its processor");
	expect_dmesg("has not unpinned pages at IOVA");
	for (i = 0; i < ARRAY_LEN(racers); i++)
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, racers[i], &race));
	sleep_ms(race_ms(500));
	__atomic_store_n(&race.stop, 1, __ATOMIC_SEQ_CST);
	for (i = 0; i < ARRAY_LEN(racers); i++)
		pthread_join(thread[i], NULL);
	EXPECT_EQ(0, race.refused);
	EXPECT_LT(0, race.resets);

	ASSERT_EQ(0, file_ioctl(self->fd, VFIO_DEVICE_RESET, NULL));
	EXPECT_EQ(0, HELD);
	irq_action(self->fd, INTX, 0, 1, UNMASK);
	fired(self->irq);
	memset(self->mem, 0x44, PAGE);
	ring(self->fd, FROM, TO, 0);
	ASSERT_TRUE(INTERRUPTED);
	EXPECT_EQ(DONE, get(self->fd, STATUS));
	EXPECT_TRUE(COPIED);
}

TEST(instances)
{
	char uuids[DEVICES][UUID_LEN], extra[UUID_LEN];
	int i;

	if (module_load("skeleton", NULL))
		SKIP(return, "there is no module skeleton, build-vendors builds it");
	expect_dmesg("mdev [-0-9a-f]+ was not created:");
	for (i = 0; i < DEVICES; i++) {
		EXPECT_EQ(DEVICES - i, sample_available("skeleton", "copy"));
		ASSERT_EQ(0, sample_make("skeleton", "copy", uuids[i]));
	}
	EXPECT_EQ(0, sample_available("skeleton", "copy"));
	EXPECT_EQ(-EUSERS, sample_make("skeleton", "copy", extra));
	EXPECT_EQ(0, mdev_remove(uuids[0]));
	EXPECT_EQ(1, sample_available("skeleton", "copy"));
	ASSERT_EQ(0, sample_make("skeleton", "copy", uuids[0]));
	/* The others go with the driver. */
	EXPECT_EQ(0, module_unload("skeleton"));
	for (i = 0; i < DEVICES; i++)
		EXPECT_FALSE(mdev_exists(uuids[i]));
	EXPECT_FALSE(exists("/sys/class/skeleton"));
}

MDEV_TEST_MAIN("mdev", "vfio_mdev", "mdev_pci")
