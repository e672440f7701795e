// SPDX-License-Identifier: GPL-2.0-only
/*
 * A mediated device as VFIO's users see it: how they come to its file, and
 * what its commands answer to good and to bad arguments. Each test is made on
 * a vendor with an ioctl alone and on one with structured ops, of which
 * vfio_mdev checks everything that a user says.
 */
#include <ctype.h>
#include <fcntl.h>
#include <linux/types.h>
#include <stdio.h>

#include "kselftest_harness.h"
#include "vfio_util.h"

#define POISON	0xa5
#define UNKNOWN	_IO(VFIO_TYPE, VFIO_BASE + 91)

/* Before the device's file is open */

FIXTURE(group) {
	struct mdev_env env;
	char uuid[UUID_LEN];
	struct mdev_user user;
};

FIXTURE_VARIANT(group) {
	const char *vendor;
};

FIXTURE_VARIANT_ADD(group, raw) {
	.vendor = RAW,
};

FIXTURE_VARIANT_ADD(group, structured) {
	.vendor = STRUCTURED,
};

FIXTURE_SETUP(group)
{
	self->user.container = -1;
	self->user.group = -1;
	self->user.device = -1;
	ASSERT_EQ(0, env_setup(&self->env, variant->vendor));
	ASSERT_EQ(0, mdev_make(variant->vendor, 0, "many", self->uuid));
}

FIXTURE_TEARDOWN(group)
{
	mdev_close(&self->user);
	EXPECT_EQ(0, mdev_remove(self->uuid));
	EXPECT_EQ(0, env_teardown(&self->env));
}

static int open_group(const char *uuid)
{
	char path[PATH_LEN];
	int fd;

	snprintf(path, sizeof(path), "/dev/vfio/%d", mdev_group(uuid));
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static long group_flags(int group)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };
	long ret;

	ret = file_ioctl(group, VFIO_GROUP_GET_STATUS, &status);
	return ret ? ret : status.flags;
}

/* The capability ID of the IOMMU, asked for as QEMU does. */
static const void *iommu_capability(int container, int id)
{
	static char buf[4096];
	struct vfio_iommu_type1_info *info = (void *)buf;
	const struct vfio_info_cap_header *cap;
	__u32 offset;

	info->argsz = sizeof(*info);
	if (ioctl(container, VFIO_IOMMU_GET_INFO, info) ||
	    info->argsz > sizeof(buf) ||
	    ioctl(container, VFIO_IOMMU_GET_INFO, info) ||
	    !(info->flags & VFIO_IOMMU_INFO_CAPS))
		return NULL;
	for (offset = info->cap_offset; offset; offset = cap->next) {
		cap = (void *)buf + offset;
		if (cap->id == id)
			return cap;
	}
	return NULL;
}

TEST_F(group, as_qemu_does)
{
	struct vfio_iommu_type1_dma_unmap unmap = { .argsz = sizeof(unmap) };
	const struct vfio_iommu_type1_info_cap_migration *migration;
	struct vfio_iommu_type1_dma_map map = { .argsz = sizeof(map) };
	const struct vfio_iommu_type1_info_dma_avail *avail;
	struct vfio_device_info info = { .argsz = sizeof(info) };
	struct mdev_user *user = &self->user;
	__u32 available;
	void *ram;

	user->group = open_group(self->uuid);
	ASSERT_LE(0, user->group);
	EXPECT_EQ(VFIO_GROUP_FLAGS_VIABLE, group_flags(user->group));
	user->container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, user->container);
	EXPECT_EQ(VFIO_API_VERSION,
		  ioctl(user->container, VFIO_GET_API_VERSION));
	EXPECT_EQ(1, ioctl(user->container, VFIO_CHECK_EXTENSION,
			   VFIO_TYPE1v2_IOMMU));
	ASSERT_EQ(0, ioctl(user->group, VFIO_GROUP_SET_CONTAINER,
			   &user->container));
	EXPECT_EQ(VFIO_GROUP_FLAGS_VIABLE | VFIO_GROUP_FLAGS_CONTAINER_SET,
		  group_flags(user->group));
	ASSERT_EQ(0, ioctl(user->container, VFIO_SET_IOMMU,
			   VFIO_TYPE1v2_IOMMU));

	migration = iommu_capability(user->container,
				     VFIO_IOMMU_TYPE1_INFO_CAP_MIGRATION);
	ASSERT_NE(NULL, migration);
	EXPECT_NE(0, migration->pgsize_bitmap & PAGE);
	avail = iommu_capability(user->container,
				 VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL);
	ASSERT_NE(NULL, avail);
	available = avail->avail;

	map.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE;
	map.size = 16 << 20;
	ram = mmap(NULL, map.size, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, ram);
	map.vaddr = (uintptr_t)ram;
	ASSERT_EQ(0, file_ioctl(user->container, VFIO_IOMMU_MAP_DMA, &map));
	EXPECT_EQ(-EEXIST,
		  file_ioctl(user->container, VFIO_IOMMU_MAP_DMA, &map));
	avail = iommu_capability(user->container,
				 VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL);
	ASSERT_NE(NULL, avail);
	EXPECT_EQ(available - 1, avail->avail);

	user->device = mdev_device_fd(self->uuid, user);
	ASSERT_LE(0, user->device);
	EXPECT_EQ(1, vendor_calls(variant->vendor, "open"));
	ASSERT_EQ(0, file_ioctl(user->device, VFIO_DEVICE_GET_INFO, &info));
	EXPECT_NE(0, info.flags & VFIO_DEVICE_FLAGS_RESET);
	EXPECT_EQ(0, file_ioctl(user->device, VFIO_DEVICE_RESET, NULL));

	unmap.size = map.size;
	EXPECT_EQ(0, file_ioctl(user->container, VFIO_IOMMU_UNMAP_DMA, &unmap));
	EXPECT_EQ(map.size, unmap.size);
}

TEST_F(group, wrong_names)
{
	char other[UUID_LEN], upper[UUID_LEN], prefix[UUID_LEN], *endless;
	int i;

	ASSERT_EQ(0, mdev_make(variant->vendor, 0, "many", other));
	ASSERT_EQ(0, mdev_attach(self->uuid, &self->user));

	EXPECT_EQ(-ENODEV, mdev_device_fd(other, &self->user));
	EXPECT_EQ(-ENODEV, mdev_device_fd("", &self->user));
	EXPECT_EQ(-ENODEV, mdev_device_fd("0000:00:00.0", &self->user));
	snprintf(prefix, sizeof(prefix), "%.35s", self->uuid);
	EXPECT_EQ(-ENODEV, mdev_device_fd(prefix, &self->user));
	for (i = 0; i < UUID_LEN; i++)
		upper[i] = toupper(self->uuid[i]);
	if (strcmp(upper, self->uuid))
		EXPECT_EQ(-ENODEV, mdev_device_fd(upper, &self->user));
	EXPECT_EQ(-EFAULT, mdev_device_fd(NULL, &self->user));
	endless = guarded(1);
	*endless = 'a';
	EXPECT_EQ(-EFAULT, mdev_device_fd(endless, &self->user));

	EXPECT_EQ(0, vendor_calls(variant->vendor, "open"));
	EXPECT_EQ(0, mdev_remove(other));
}

TEST_F(group, no_container)
{
	self->user.group = open_group(self->uuid);
	ASSERT_LE(0, self->user.group);
	EXPECT_EQ(-EINVAL, mdev_device_fd(self->uuid, &self->user));

	self->user.container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->user.container);
	ASSERT_EQ(0, ioctl(self->user.group, VFIO_GROUP_SET_CONTAINER,
			   &self->user.container));
	EXPECT_EQ(-EINVAL, mdev_device_fd(self->uuid, &self->user));
	EXPECT_EQ(0, vendor_calls(variant->vendor, "open"));
}

TEST_F(group, second_open)
{
	int again;

	ASSERT_EQ(0, mdev_open(self->uuid, &self->user));
	EXPECT_EQ(-EBUSY, open_group(self->uuid));

	again = mdev_device_fd(self->uuid, &self->user);
	ASSERT_LE(0, again);
	EXPECT_EQ(1, vendor_calls(variant->vendor, "open"));
	close(self->user.device);
	self->user.device = again;
	EXPECT_EQ(0, vendor_calls(variant->vendor, "release"));
	EXPECT_EQ(0, mdev_alive(&self->user));

	mdev_close(&self->user);
	EXPECT_EQ(1, vendor_calls(variant->vendor, "release"));
	EXPECT_EQ(0, vendor_get(variant->vendor, "violations"));
}

/* The device's file is open */

FIXTURE(device) {
	struct open_device dev;
};

FIXTURE_VARIANT(device) {
	const char *vendor;
	bool structured;
};

FIXTURE_VARIANT_ADD(device, raw) {
	.vendor = RAW,
};

FIXTURE_VARIANT_ADD(device, structured) {
	.vendor = STRUCTURED,
	.structured = true,
};

FIXTURE_SETUP(device)
{
	ASSERT_EQ(0, open_device_setup(&self->dev, variant->vendor));
}

FIXTURE_TEARDOWN(device)
{
	EXPECT_EQ(0, open_device_teardown(&self->dev));
}

FIXTURE(raw) {
	struct open_device dev;
};

FIXTURE_SETUP(raw)
{
	ASSERT_EQ(0, open_device_setup(&self->dev, RAW));
}

FIXTURE_TEARDOWN(raw)
{
	EXPECT_EQ(0, open_device_teardown(&self->dev));
}

FIXTURE(structured) {
	struct open_device dev;
};

FIXTURE_SETUP(structured)
{
	ASSERT_EQ(0, open_device_setup(&self->dev, STRUCTURED));
}

FIXTURE_TEARDOWN(structured)
{
	EXPECT_EQ(0, open_device_teardown(&self->dev));
}

/*
 * Gives command CMD a struct of ARGSZ bytes, of which HEAD are HEADER's; what
 * is in front of it and behind it must not change. The struct is BUF + PAGE.
 */
static long ask(int fd, unsigned long cmd, unsigned char *buf,
		const void *header, size_t head, __u32 argsz)
{
	unsigned char *arg = buf + PAGE;
	size_t i, used = argsz > head ? argsz : head;
	long ret;

	memset(buf, POISON, 3 * PAGE);
	memcpy(arg, header, head);
	memcpy(arg, &argsz, sizeof(argsz));
	ret = file_ioctl(fd, cmd, arg);
	for (i = 0; i < 3 * PAGE; i++)
		if ((i < PAGE || i >= PAGE + used) && buf[i] != POISON)
			return -EILSEQ;
	return ret;
}

/* All that a command does to a struct shorter than MINSZ, or to none. */
static int refuses_short(int fd, unsigned long cmd, const void *header,
			 size_t minsz)
{
	unsigned char buf[3 * PAGE];
	__u32 argsz;
	void *part;

	for (argsz = 0; argsz < minsz; argsz++)
		if (ask(fd, cmd, buf, header, minsz, argsz) != -EINVAL)
			return argsz + 1;
	if (file_ioctl(fd, cmd, NULL) != -EFAULT)
		return -1;
	part = guarded(minsz - 1);
	memcpy(part, header, minsz - 1);
	return file_ioctl(fd, cmd, part) == -EFAULT ? 0 : -2;
}

/* The header of capability ID, if the chain from OFFSET on lies within ARGSZ. */
static const void *find_capability(const unsigned char *arg, __u32 argsz,
				   __u32 offset, int id, int *length)
{
	const struct vfio_info_cap_header *cap;
	const void *found = NULL;

	for (*length = 0; offset; offset = cap->next) {
		if (offset + sizeof(*cap) > argsz || ++*length > 8)
			return NULL;
		cap = (void *)arg + offset;
		if (cap->id == id)
			found = cap;
	}
	return found;
}

TEST_F(device, get_info)
{
	const size_t minsz = offsetof(struct vfio_device_info, cap_offset);
	struct vfio_device_info header = { .argsz = sizeof(header) };
	unsigned char buf[3 * PAGE];
	const struct vfio_device_info *info = (void *)(buf + PAGE);

	header.argsz = minsz;
	EXPECT_EQ(0, refuses_short(self->dev.fd, VFIO_DEVICE_GET_INFO, &header,
				   minsz));
	ASSERT_EQ(0, ask(self->dev.fd, VFIO_DEVICE_GET_INFO, buf, &header, minsz,
			 minsz));
	EXPECT_EQ(MDEV_TEST_NUM_REGIONS, info->num_regions);
	EXPECT_EQ(MDEV_TEST_NUM_IRQS, info->num_irqs);
	EXPECT_EQ(VFIO_DEVICE_FLAGS_RESET,
		  info->flags & ~VFIO_DEVICE_FLAGS_CAPS);
	EXPECT_EQ(variant->structured ? 0 : 3 + minsz,
		  vendor_calls(variant->vendor, "ioctl"));
}

TEST_F(structured, get_info_capabilities)
{
	const size_t minsz = offsetof(struct vfio_device_info, cap_offset);
	struct vfio_device_info header = {};
	unsigned char buf[3 * PAGE];
	const struct vfio_device_info *info = (void *)(buf + PAGE);
	const struct vfio_info_cap_header *cap;
	__u32 argsz, needed;
	int length;

	ASSERT_EQ(0, ask(self->dev.fd, VFIO_DEVICE_GET_INFO, buf, &header, minsz,
			 minsz));
	needed = info->argsz;
	ASSERT_LE(minsz + sizeof(*cap) + 8, needed);
	ASSERT_GE(PAGE, needed);

	for (argsz = minsz; argsz < needed; argsz++) {
		ASSERT_EQ(0, ask(self->dev.fd, VFIO_DEVICE_GET_INFO, buf, &header,
				 minsz, argsz));
		EXPECT_EQ(needed, info->argsz);
		EXPECT_NE(0, info->flags & VFIO_DEVICE_FLAGS_CAPS);
		if (argsz >= minsz + 4)
			EXPECT_EQ(0, info->cap_offset);
	}
	for (; argsz <= needed + 64; argsz++) {
		ASSERT_EQ(0, ask(self->dev.fd, VFIO_DEVICE_GET_INFO, buf, &header,
				 minsz, argsz));
		EXPECT_EQ(argsz, info->argsz);
		EXPECT_NE(0, info->flags & VFIO_DEVICE_FLAGS_CAPS);
		cap = find_capability(buf + PAGE, needed, info->cap_offset,
				      MDEV_TEST_INFO_CAP, &length);
		ASSERT_NE(NULL, cap);
		EXPECT_EQ(1, length);
		EXPECT_EQ(1, cap->version);
		EXPECT_EQ(MDEV_TEST_INFO_CAP_WORD,
			  *(const __u64 *)(cap + 1));
	}
}

TEST_F(device, get_region_info)
{
	const struct {
		__u64 size;
		__u32 flags;
		__u32 caps;
	} regions[MDEV_TEST_NUM_REGIONS] = {
#define R VFIO_REGION_INFO_FLAG_READ
#define W VFIO_REGION_INFO_FLAG_WRITE
#define M VFIO_REGION_INFO_FLAG_MMAP
		[MDEV_TEST_REGION_REGS] = { MDEV_TEST_REGS_SIZE, R | W, 0 },
		[MDEV_TEST_REGION_MEM] = { MDEV_TEST_MEM_SIZE, R | W | M, 1 },
		[MDEV_TEST_REGION_BIG] = { MDEV_TEST_BIG_SIZE, R | W, 0 },
		[MDEV_TEST_REGION_ROM] = { MDEV_TEST_ROM_SIZE, R, 0 },
		[MDEV_TEST_REGION_TYPED] = { MDEV_TEST_TYPED_SIZE, R | W | M, 2 },
		[MDEV_TEST_REGION_INPUT] = { MDEV_TEST_INPUT_SIZE, R | M, 0 },
		[MDEV_TEST_REGION_OUTPUT] = { MDEV_TEST_OUTPUT_SIZE, W | M, 0 },
		[MDEV_TEST_REGION_SHORT] = { MDEV_TEST_SHORT_SIZE, R | W | M, 0 },
		[MDEV_TEST_REGION_ODD] = { MDEV_TEST_ODD_SIZE, R | W | M, 0 },
#undef R
#undef W
#undef M
	};
	struct vfio_region_info header = { .argsz = sizeof(header) };
	unsigned char buf[3 * PAGE];
	const struct vfio_region_info *info = (void *)(buf + PAGE);
	__u32 i, flags;

	EXPECT_EQ(0, refuses_short(self->dev.fd, VFIO_DEVICE_GET_REGION_INFO,
				   &header, sizeof(header)));
	for (i = 0; i < MDEV_TEST_NUM_REGIONS; i++) {
		header.index = i;
		ASSERT_EQ(0, ask(self->dev.fd, VFIO_DEVICE_GET_REGION_INFO, buf,
				 &header, sizeof(header), sizeof(header)));
		EXPECT_EQ(i, info->index);
		EXPECT_EQ(regions[i].size, info->size);
		EXPECT_EQ((__u64)i << MDEV_TEST_OFFSET_SHIFT, info->offset);
		flags = regions[i].flags;
		if (variant->structured && regions[i].caps)
			flags |= VFIO_REGION_INFO_FLAG_CAPS;
		else
			EXPECT_EQ(sizeof(header), info->argsz);
		EXPECT_EQ(flags, info->flags);
		EXPECT_EQ(0, info->cap_offset);
	}
	header.index = MDEV_TEST_NUM_REGIONS;
	EXPECT_EQ(-EINVAL, ask(self->dev.fd, VFIO_DEVICE_GET_REGION_INFO, buf,
			       &header, sizeof(header), sizeof(header)));
	header.index = UINT32_MAX;
	EXPECT_EQ(-EINVAL, ask(self->dev.fd, VFIO_DEVICE_GET_REGION_INFO, buf,
			       &header, sizeof(header), sizeof(header)));
	if (variant->structured)
		EXPECT_EQ(0, vendor_calls(variant->vendor, "ioctl"));
}

/* A chain of LENGTH capabilities, of which ID is returned, for any argsz. */
static const void *ask_region(int fd, __u32 index, unsigned char *buf,
			      int id, int length)
{
	struct vfio_region_info header = { .index = index };
	const struct vfio_region_info *info = (void *)(buf + PAGE);
	const void *cap = NULL;
	__u32 argsz, needed;
	int found;

	if (ask(fd, VFIO_DEVICE_GET_REGION_INFO, buf, &header, sizeof(header),
		sizeof(header)))
		return NULL;
	needed = info->argsz;
	if (needed <= sizeof(header) || needed > PAGE)
		return NULL;
	for (argsz = sizeof(header); argsz < needed; argsz++) {
		if (ask(fd, VFIO_DEVICE_GET_REGION_INFO, buf, &header,
			sizeof(header), argsz) || info->argsz != needed ||
		    info->cap_offset)
			return NULL;
	}
	for (; argsz <= needed + 64; argsz++) {
		if (ask(fd, VFIO_DEVICE_GET_REGION_INFO, buf, &header,
			sizeof(header), argsz) || info->argsz != argsz ||
		    info->cap_offset < sizeof(header))
			return NULL;
		cap = find_capability(buf + PAGE, needed, info->cap_offset, id,
				      &found);
		if (found != length)
			return NULL;
	}
	return cap;
}

TEST_F(structured, get_region_info_capabilities)
{
	const struct vfio_region_info_cap_sparse_mmap *sparse;
	const struct vfio_region_info_cap_type *type;
	unsigned char buf[3 * PAGE];

	sparse = ask_region(self->dev.fd, MDEV_TEST_REGION_MEM, buf,
			    VFIO_REGION_INFO_CAP_SPARSE_MMAP, 1);
	ASSERT_NE(NULL, sparse);
	EXPECT_EQ(1, sparse->header.version);
	ASSERT_EQ(2, sparse->nr_areas);
	EXPECT_EQ(MDEV_TEST_AREA0_OFFSET, sparse->areas[0].offset);
	EXPECT_EQ(MDEV_TEST_AREA0_SIZE, sparse->areas[0].size);
	EXPECT_EQ(MDEV_TEST_AREA1_OFFSET, sparse->areas[1].offset);
	EXPECT_EQ(MDEV_TEST_AREA1_SIZE, sparse->areas[1].size);

	type = ask_region(self->dev.fd, MDEV_TEST_REGION_TYPED, buf,
			  VFIO_REGION_INFO_CAP_TYPE, 2);
	ASSERT_NE(NULL, type);
	EXPECT_EQ(MDEV_TEST_REGION_TYPE, type->type);
	EXPECT_EQ(MDEV_TEST_REGION_SUBTYPE, type->subtype);
	EXPECT_NE(NULL, ask_region(self->dev.fd, MDEV_TEST_REGION_TYPED, buf,
				   VFIO_REGION_INFO_CAP_MSIX_MAPPABLE, 2));
}

/* What the vendor leaves in what it is not asked for does not get to the user. */
TEST_F(structured, holes_are_zero)
{
	const struct vfio_region_info_cap_sparse_mmap *sparse;
	const size_t place = offsetof(struct vfio_device_info, cap_offset);
	struct vfio_device_info device = {};
	struct vfio_region_info region = {};
	struct vfio_irq_info irq = {};
	unsigned char buf[3 * PAGE], *arg = buf + PAGE;
	size_t i;

	/*
	 * All of the struct, and no room for capabilities: their place is told as
	 * 0. Newer kernels have four bytes of padding behind it.
	 */
	ASSERT_EQ(0, ask(self->dev.fd, VFIO_DEVICE_GET_INFO, buf, &device,
			 place, place + 8));
	for (i = place; i < place + 4; i++)
		EXPECT_EQ(0, arg[i]);
	for (; i < place + 8; i++)
		EXPECT_TRUE(!arg[i] || arg[i] == POISON);

	for (region.index = 0; region.index < MDEV_TEST_NUM_REGIONS;
	     region.index++) {
		ASSERT_EQ(0, ask(self->dev.fd, VFIO_DEVICE_GET_REGION_INFO, buf,
				 &region, sizeof(region), sizeof(region)));
		EXPECT_EQ(region.index, ((struct vfio_region_info *)arg)->index);
		EXPECT_EQ(0, ((struct vfio_region_info *)arg)->cap_offset);
	}
	sparse = ask_region(self->dev.fd, MDEV_TEST_REGION_MEM, buf,
			    VFIO_REGION_INFO_CAP_SPARSE_MMAP, 1);
	ASSERT_NE(NULL, sparse);
	EXPECT_EQ(0, sparse->reserved);

	irq.index = MDEV_TEST_IRQ_EDGES;
	ASSERT_EQ(0, ask(self->dev.fd, VFIO_DEVICE_GET_IRQ_INFO, buf, &irq,
			 sizeof(irq), sizeof(irq)));
	EXPECT_EQ(sizeof(irq), ((struct vfio_irq_info *)arg)->argsz);
	EXPECT_EQ(irq.index, ((struct vfio_irq_info *)arg)->index);
}

/* The layout is the one of the open: the vendor is not asked again. */
TEST_F(structured, asked_once)
{
	struct vfio_region_info info = { .argsz = sizeof(info) };
	int i;

	mdev_close(&self->dev.user);
	ASSERT_EQ(0, vendor_reset(STRUCTURED));
	ASSERT_EQ(0, mdev_open(self->dev.uuid, &self->dev.user));
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(0, file_ioctl(self->dev.user.device,
					VFIO_DEVICE_GET_REGION_INFO, &info));
		EXPECT_EQ(0, mdev_alive(&self->dev.user));
	}
	EXPECT_EQ(1, vendor_calls(STRUCTURED, "get_device_info"));
	EXPECT_EQ(MDEV_TEST_NUM_REGIONS,
		  vendor_calls(STRUCTURED, "get_region_info"));
}

TEST_F(device, get_irq_info)
{
	static const struct {
		__u32 count;
		__u32 flags;
	} irqs[MDEV_TEST_NUM_IRQS] = {
		[MDEV_TEST_IRQ_LEVEL] = {
			1, VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_MASKABLE |
			   VFIO_IRQ_INFO_AUTOMASKED },
		[MDEV_TEST_IRQ_EDGES] = {
			MDEV_TEST_NUM_EDGES,
			VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_NORESIZE },
		[MDEV_TEST_IRQ_REQUEST] = {
			1, VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_NORESIZE },
	};
	struct vfio_irq_info header = { .argsz = sizeof(header) };
	unsigned char buf[3 * PAGE];
	const struct vfio_irq_info *info = (void *)(buf + PAGE);
	__u32 i;

	EXPECT_EQ(0, refuses_short(self->dev.fd, VFIO_DEVICE_GET_IRQ_INFO, &header,
				   sizeof(header)));
	for (i = 0; i < MDEV_TEST_NUM_IRQS; i++) {
		header.index = i;
		ASSERT_EQ(0, ask(self->dev.fd, VFIO_DEVICE_GET_IRQ_INFO, buf,
				 &header, sizeof(header), sizeof(header) + 64));
		EXPECT_EQ(i, info->index);
		EXPECT_EQ(irqs[i].flags, info->flags);
		EXPECT_EQ(irqs[i].count, info->count);
		EXPECT_EQ(POISON, buf[PAGE + sizeof(header)]);
	}
	header.index = MDEV_TEST_NUM_IRQS;
	EXPECT_EQ(-EINVAL, ask(self->dev.fd, VFIO_DEVICE_GET_IRQ_INFO, buf, &header,
			       sizeof(header), sizeof(header)));
	header.index = UINT32_MAX;
	EXPECT_EQ(-EINVAL, ask(self->dev.fd, VFIO_DEVICE_GET_IRQ_INFO, buf, &header,
			       sizeof(header), sizeof(header)));
	if (variant->structured)
		EXPECT_EQ(0, vendor_calls(variant->vendor, "ioctl"));
}

/* A command with no op of its own arrives as it was given. */
TEST_F(device, other_commands)
{
	static const unsigned long args[] = {
		0, 1, 0x7fffffff, 0x7edcba9876543210UL,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_LEN(args); i++) {
		EXPECT_EQ(args[i] & 0x7fffffff,
			  file_ioctl(self->dev.fd, MDEV_TEST_ECHO,
				     (void *)args[i]));
		EXPECT_EQ(MDEV_TEST_ECHO,
			  vendor_get(variant->vendor, "ioctl/arg0"));
		EXPECT_EQ(args[i], vendor_get(variant->vendor, "ioctl/arg1"));
	}
	EXPECT_EQ(-ENOTTY, file_ioctl(self->dev.fd, UNKNOWN, (void *)args[3]));
	EXPECT_EQ(UNKNOWN, vendor_get(variant->vendor, "ioctl/arg0"));
	EXPECT_EQ(args[3], vendor_get(variant->vendor, "ioctl/arg1"));
	EXPECT_EQ(ARRAY_LEN(args) + 1, vendor_calls(variant->vendor, "ioctl"));

	/* With an error that is the vendor's own. */
	ASSERT_EQ(0, vendor_set(variant->vendor, "ioctl/error", EXFULL));
	EXPECT_EQ(-EXFULL, file_ioctl(self->dev.fd, UNKNOWN, NULL));
}

/*
 * Without structured ops every command does, with whatever it is given. From 6.19 on
 * the kernel itself reads what GET_REGION_INFO is given.
 */
TEST_F(raw, commands)
{
	static const unsigned int cmds[] = {
		VFIO_DEVICE_GET_INFO, VFIO_DEVICE_GET_REGION_INFO,
		VFIO_DEVICE_GET_IRQ_INFO, VFIO_DEVICE_SET_IRQS,
		VFIO_DEVICE_RESET, VFIO_DEVICE_QUERY_GFX_PLANE,
	};
	struct vfio_region_info info = { .argsz = sizeof(info) };
	unsigned long arg;
	unsigned int i;

	ASSERT_EQ(0, vendor_set(RAW, "ioctl/error", EXFULL));
	for (i = 0; i < ARRAY_LEN(cmds); i++) {
		arg = 0x7edcba9876543210UL;
		if (cmds[i] == VFIO_DEVICE_GET_REGION_INFO && !kernel_before(6, 19)) {
			EXPECT_EQ(-EFAULT, file_ioctl(self->dev.fd, cmds[i], (void *)arg));
			arg = (unsigned long)&info;
		}
		EXPECT_EQ(-EXFULL, file_ioctl(self->dev.fd, cmds[i], (void *)arg));
		EXPECT_EQ(cmds[i], vendor_get(RAW, "ioctl/arg0"));
		EXPECT_EQ(arg, vendor_get(RAW, "ioctl/arg1"));
	}
	EXPECT_EQ(ARRAY_LEN(cmds), vendor_calls(RAW, "ioctl"));
}

TEST_F(device, reset)
{
	__u32 value = 0x12345678;

	ASSERT_EQ(sizeof(value), file_write(self->dev.fd, &value, sizeof(value), 0));
	EXPECT_EQ(0, file_ioctl(self->dev.fd, VFIO_DEVICE_RESET, NULL));
	ASSERT_EQ(sizeof(value), file_read(self->dev.fd, &value, sizeof(value), 0));
	EXPECT_EQ(0, value);
	if (!variant->structured)
		return;

	EXPECT_EQ(1, vendor_calls(variant->vendor, "reset"));
	EXPECT_EQ(0, vendor_calls(variant->vendor, "ioctl"));
	ASSERT_EQ(0, vendor_set(variant->vendor, "reset/error", EXFULL));
	EXPECT_EQ(-EXFULL, file_ioctl(self->dev.fd, VFIO_DEVICE_RESET, NULL));
}

/* Never by way of ioctl: the VFIO core takes this command. */
TEST_F(device, feature)
{
	struct {
		struct vfio_device_feature head;
		__u64 value;
	} arg = { .head.argsz = sizeof(arg), .value = 0x123456789abcdef0ULL };

	arg.head.flags = VFIO_DEVICE_FEATURE_SET | MDEV_TEST_FEATURE;
	if (!variant->structured) {
		EXPECT_EQ(-ENOTTY,
			  file_ioctl(self->dev.fd, VFIO_DEVICE_FEATURE, &arg));
		EXPECT_EQ(0, vendor_calls(variant->vendor, "ioctl"));
		return;
	}

	EXPECT_EQ(0, file_ioctl(self->dev.fd, VFIO_DEVICE_FEATURE, &arg));
	EXPECT_EQ(arg.head.flags,
		  vendor_get(variant->vendor, "device_feature/arg0"));
	EXPECT_EQ(sizeof(arg.value),
		  vendor_get(variant->vendor, "device_feature/arg1"));
	arg.head.flags = VFIO_DEVICE_FEATURE_GET | MDEV_TEST_FEATURE;
	arg.value = 0;
	EXPECT_EQ(0, file_ioctl(self->dev.fd, VFIO_DEVICE_FEATURE, &arg));
	EXPECT_EQ(0x123456789abcdef0ULL, arg.value);
	arg.head.flags |= VFIO_DEVICE_FEATURE_PROBE;
	EXPECT_EQ(0, file_ioctl(self->dev.fd, VFIO_DEVICE_FEATURE, &arg));
	EXPECT_EQ(3, vendor_calls(variant->vendor, "device_feature"));

	arg.head.flags = VFIO_DEVICE_FEATURE_GET | (MDEV_TEST_FEATURE + 1);
	EXPECT_EQ(-ENOTTY, file_ioctl(self->dev.fd, VFIO_DEVICE_FEATURE, &arg));
	arg.head.flags = VFIO_DEVICE_FEATURE_GET | MDEV_TEST_FEATURE;
	arg.head.argsz = sizeof(arg) - 1;
	EXPECT_EQ(-EINVAL, file_ioctl(self->dev.fd, VFIO_DEVICE_FEATURE, &arg));
	arg.head.argsz = sizeof(arg.head) - 1;
	EXPECT_EQ(-EINVAL, file_ioctl(self->dev.fd, VFIO_DEVICE_FEATURE, &arg));
	EXPECT_EQ(-EFAULT, file_ioctl(self->dev.fd, VFIO_DEVICE_FEATURE, NULL));
	EXPECT_EQ(0, vendor_calls(variant->vendor, "ioctl"));
}

MDEV_TEST_MAIN(RAW, STRUCTURED)
