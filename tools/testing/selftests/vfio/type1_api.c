// SPDX-License-Identifier: GPL-2.0-only
/*
 * The container's ioctls: extensions, VFIO_IOMMU_GET_INFO and its capabilities,
 * flags, sizes, addresses and errors of mapping and unmapping, the rules of the
 * first version, the limit of mappings.
 */
#include <sys/mman.h>

#include "kselftest_harness.h"
#include "type1_fixture.h"

#define DIRTY_MAX	0x10000000ULL	/* bytes of a bitmap */

/* Extensions */

static long extension(int container, unsigned long which)
{
	return file_ioctl(container, VFIO_CHECK_EXTENSION, (void *)which);
}

FIXTURE(bare) {
	struct type1 t;
};

FIXTURE_SETUP(bare)
{
	ASSERT_EQ(0, type1_bare(&self->t));
}

FIXTURE_TEARDOWN(bare)
{
	type1_close(&self->t);
}

TEST_F(bare, extensions_before_there_is_a_group)
{
	const int fd = self->t.container;

	EXPECT_EQ(VFIO_API_VERSION, file_ioctl(fd, VFIO_GET_API_VERSION, NULL));
	EXPECT_EQ(1, extension(fd, VFIO_TYPE1_IOMMU));
	EXPECT_EQ(1, extension(fd, VFIO_TYPE1v2_IOMMU));
	EXPECT_EQ(knows_nesting(), extension(fd, VFIO_TYPE1_NESTING_IOMMU));
	EXPECT_EQ(1, extension(fd, VFIO_UNMAP_ALL));
	EXPECT_EQ(0, extension(fd, VFIO_UPDATE_VADDR));
	EXPECT_EQ(0, extension(fd, VFIO_DMA_CC_IOMMU));
	EXPECT_EQ(0, extension(fd, VFIO_SPAPR_TCE_IOMMU));
	EXPECT_EQ(0, extension(fd, 12345));
}

TEST_F(bare, needs_a_group)
{
	struct vfio_iommu_type1_info info = { .argsz = sizeof(info) };

	EXPECT_GT(0, file_ioctl(self->t.container, VFIO_SET_IOMMU,
				(void *)VFIO_TYPE1v2_IOMMU));
	EXPECT_EQ(-EINVAL, file_ioctl(self->t.container, VFIO_IOMMU_GET_INFO,
				      &info));
	EXPECT_EQ(-EINVAL, dma_map(self->t.container, NULL, 0, PAGE, T1_RW));
}

TEST_F(bare, types)
{
	const unsigned int ngood = knows_nesting() ? 3 : 2;
	static const unsigned long good[] = {
		VFIO_TYPE1_IOMMU, VFIO_TYPE1v2_IOMMU, VFIO_TYPE1_NESTING_IOMMU,
	};
	static const unsigned long bad[] = {
		0, VFIO_SPAPR_TCE_IOMMU, VFIO_DMA_CC_IOMMU, VFIO_UNMAP_ALL,
		VFIO_UPDATE_VADDR, 12345,
	};
	unsigned int i;

	ASSERT_EQ(0, type1_join_group(&self->t, 0));
	for (i = 0; i < ARRAY_LEN(bad); i++)
		EXPECT_GT(0, file_ioctl(self->t.container, VFIO_SET_IOMMU,
					(void *)bad[i]));
	for (i = ngood; i < ARRAY_LEN(good); i++)
		EXPECT_GT(0, file_ioctl(self->t.container, VFIO_SET_IOMMU,
					(void *)good[i]));
	type1_close(&self->t);
	for (i = 0; i < ngood; i++) {
		ASSERT_EQ(0, type1_open(&self->t, good[i], 1));
		/* Nothing that an emulated group needs is nested. */
		EXPECT_EQ(0, dma_map(self->t.container, NULL, 0, PAGE,
				     T1_READ));
		type1_close(&self->t);
	}
}

TEST_F(type1, extensions)
{
	const int fd = self->use.t.container;

	EXPECT_EQ(1, extension(fd, VFIO_TYPE1_IOMMU));
	EXPECT_EQ(1, extension(fd, VFIO_TYPE1v2_IOMMU));
	EXPECT_EQ(knows_nesting(), extension(fd, VFIO_TYPE1_NESTING_IOMMU));
	EXPECT_EQ(1, extension(fd, VFIO_UNMAP_ALL));
	/* A mediated device could not follow such an update. */
	EXPECT_EQ(0, extension(fd, VFIO_UPDATE_VADDR));
	/* No domain that would not be coherent */
	EXPECT_EQ(1, extension(fd, VFIO_DMA_CC_IOMMU));
	EXPECT_EQ(0, extension(fd, VFIO_SPAPR_TCE_v2_IOMMU));
	EXPECT_EQ(0, extension(fd, 0));
	EXPECT_EQ(0, extension(fd, ~0UL));
}

TEST_F(type1, unknown_commands)
{
	EXPECT_EQ(-ENOTTY, file_ioctl(self->use.t.container,
				      _IO(VFIO_TYPE, VFIO_BASE + 99), NULL));
}

/* VFIO_IOMMU_GET_INFO */

TEST_F(type1, info)
{
	struct type1_info info;

	ASSERT_EQ(0, type1_get_info(self->use.t.container, &info));
	EXPECT_EQ(VFIO_IOMMU_INFO_PGSIZES | VFIO_IOMMU_INFO_CAPS, info.flags);
	EXPECT_EQ(~(PAGE - 1), info.pgsizes);
	/* All of the address space can be used. */
	EXPECT_EQ(0, info.nr_ranges);
	ASSERT_TRUE(info.has_migration);
	EXPECT_EQ(1, info.migration.header.version);
	EXPECT_EQ(0, info.migration.flags);
	EXPECT_EQ(PAGE, info.migration.pgsize_bitmap);
	EXPECT_EQ(DIRTY_MAX, info.migration.max_dirty_bitmap_size);
	ASSERT_TRUE(info.has_avail);
	EXPECT_EQ(type1_parameter_get("dma_entry_limit"), info.avail);
}

#define POISON	0xa5

/* ARGSZ bytes of room, all poisoned, before memory that is not there */
static struct vfio_iommu_type1_info *poisoned(__u32 argsz)
{
	struct vfio_iommu_type1_info *info = guarded(argsz < 8 ? 8 : argsz);

	memset(info, POISON, argsz < 8 ? 8 : argsz);
	info->argsz = argsz;
	return info;
}

TEST_F(type1, info_sizes)
{
	const __u32 least = offsetof(struct vfio_iommu_type1_info, cap_offset);
	const int fd = self->use.t.container;
	struct vfio_iommu_type1_info *info;
	__u32 all, argsz;

	for (argsz = 0; argsz < least; argsz += 4) {
		info = guarded(least);
		info->argsz = argsz;
		EXPECT_EQ(-EINVAL, file_ioctl(fd, VFIO_IOMMU_GET_INFO, info));
	}

	/* The oldest form: no word of capabilities, but of their size */
	info = poisoned(least);
	ASSERT_EQ(0, file_ioctl(fd, VFIO_IOMMU_GET_INFO, info));
	EXPECT_EQ(~(PAGE - 1), info->iova_pgsizes);
	all = info->argsz;
	ASSERT_LT(sizeof(*info), all);

	for (argsz = least; argsz < all; argsz += 4) {
		info = poisoned(argsz);
		ASSERT_EQ(0, file_ioctl(fd, VFIO_IOMMU_GET_INFO, info));
		EXPECT_EQ(all, info->argsz);
		EXPECT_TRUE(info->flags & VFIO_IOMMU_INFO_PGSIZES);
		EXPECT_TRUE(argsz < least + 4 || !info->cap_offset);
	}
	info = poisoned(all);
	ASSERT_EQ(0, file_ioctl(fd, VFIO_IOMMU_GET_INFO, info));
	EXPECT_EQ(all, info->argsz);
	EXPECT_LE(sizeof(*info), info->cap_offset);

	/* The struct is there, what should hold the rest is not. */
	info = guarded(sizeof(*info));
	info->argsz = all;
	EXPECT_EQ(-EFAULT, file_ioctl(fd, VFIO_IOMMU_GET_INFO, info));
	EXPECT_EQ(-EFAULT, file_ioctl(fd, VFIO_IOMMU_GET_INFO,
				      (char *)guarded(PAGE) + PAGE - 4));
}

/*
 * Whatever the kernel writes it has thought of: a reserved byte reads 0, or is
 * the user's own.
 */
TEST_F(type1, row_14_reserved_bytes)
{
	unsigned char *buf, seen[4096] = {};
	const int fd = self->use.t.container;
	struct vfio_iommu_type1_info *info;
	struct vfio_iommu_type1_info_cap_migration *migration;
	struct vfio_info_cap_header *cap;
	unsigned int i, at, size, end, other = 0;

	info = poisoned(sizeof(seen));
	buf = (unsigned char *)info;
	ASSERT_EQ(0, file_ioctl(fd, VFIO_IOMMU_GET_INFO, info));
	memset(seen, 1, offsetof(struct vfio_iommu_type1_info, cap_offset) + 4);
	end = sizeof(*info);
	for (at = info->cap_offset; at; at = cap->next) {
		ASSERT_LT(at, sizeof(seen) - 64);
		cap = (void *)(buf + at);
		size = sizeof(struct vfio_iommu_type1_info_dma_avail);
		if (cap->id == VFIO_IOMMU_TYPE1_INFO_CAP_MIGRATION)
			size = sizeof(*migration);
		memset(seen + at, 1, size);
		if (cap->id == VFIO_IOMMU_TYPE1_INFO_CAP_MIGRATION)
			memset(seen + at + offsetof(typeof(*migration), flags) +
			       sizeof(migration->flags), 0, 4);
		if (at + size > end)
			end = at + size;
	}
	for (i = 0; i < sizeof(seen); i++)
		if (!seen[i] && buf[i])
			other += i >= sizeof(*info) && i < end ? 1 : buf[i] != POISON;
	EXPECT_EQ(0, other);
}

/* Mapping */

static long map_raw(int fd, __u32 argsz, __u32 flags, __u64 vaddr, __u64 iova,
		    __u64 size)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = argsz,
		.flags = flags,
		.vaddr = vaddr,
		.iova = iova,
		.size = size,
	};

	return file_ioctl(fd, VFIO_IOMMU_MAP_DMA, &map);
}

TEST_F(type1, map_sizes_and_flags)
{
	const int fd = self->use.t.container;
	const __u32 sz = sizeof(struct vfio_iommu_type1_dma_map);
	const __u64 mem = (uintptr_t)self->use.mem;
	unsigned int bit;

	EXPECT_EQ(-EINVAL, map_raw(fd, 0, T1_RW, mem, 0, PAGE));
	EXPECT_EQ(-EINVAL, map_raw(fd, sz - 1, T1_RW, mem, 0, PAGE));
	EXPECT_EQ(-EINVAL, map_raw(fd, sz, 0, mem, 0, PAGE));
	for (bit = 3; bit < 32; bit++)
		EXPECT_EQ(-EINVAL, map_raw(fd, sz, T1_RW | 1U << bit, mem, 0,
					   PAGE));
	EXPECT_EQ(-EFAULT, file_ioctl(fd, VFIO_IOMMU_MAP_DMA,
				      (char *)guarded(PAGE) + PAGE - 8));
	EXPECT_EQ(0, dma_unmap_all(fd));

	/* More than is known is no error, nor is one of the two permissions. */
	EXPECT_EQ(0, map_raw(fd, sz + 100, T1_RW, mem, 0, PAGE));
	EXPECT_EQ(0, map_raw(fd, sz, T1_READ, mem, PAGE, PAGE));
	EXPECT_EQ(0, map_raw(fd, sz, T1_WRITE, mem, 2 * PAGE, PAGE));
	EXPECT_EQ(3 * PAGE, dma_unmap_all(fd));
}

static bool wraps(__u64 start, __u64 size)
{
	return size && start + size - 1 < start;
}

TEST_F(type1, map_alignment_and_wrap)
{
	const struct {
		__u64 vaddr, iova, size;
	} bad[] = {
		{ 0, 0, 0 },
		{ 0, 0, 1 },
		{ 0, 0, PAGE - 1 },
		{ 0, 0, PAGE + 512 },
		{ 0, 1, PAGE },
		{ 0, 2048, PAGE },
		{ 1, 0, PAGE },
		{ 2048, 0, PAGE },
		{ 0, T1_LAST_PAGE, 2 * PAGE },
		{ T1_LAST_PAGE, 0, 2 * PAGE },
		{ 0, PAGE, T1_LAST_PAGE + PAGE - 1 },
		{ 0, 2 * PAGE, T1_LAST_PAGE },
		{ 2 * PAGE, 0, T1_LAST_PAGE },
		{ 0, 1ULL << 63, (1ULL << 63) + PAGE },
		{ 0, 0, ~0ULL },
	};
	const int fd = self->use.t.container;
	unsigned int i;

	for (i = 0; i < ARRAY_LEN(bad); i++) {
		EXPECT_EQ(wraps(bad[i].iova, bad[i].size) ||
			  wraps(bad[i].vaddr, bad[i].size) ?
			  beyond_the_top() : -EINVAL,
			  dma_map(fd, (void *)(uintptr_t)bad[i].vaddr,
				  bad[i].iova, bad[i].size, T1_RW)) {
			TH_LOG("%llx %llx %llx", bad[i].vaddr, bad[i].iova,
			       bad[i].size);
		}
	}
	EXPECT_EQ(0, dma_unmap_all(fd));
	/* Nothing is pinned: what is there matters when it is. */
	EXPECT_EQ(0, dma_map(fd, NULL, PAGE, PAGE, T1_RW));
	EXPECT_EQ(0, HELD(&self->use));
}

TEST_F(type1, map_what_is_mapped)
{
	const int fd = self->use.t.container;
	const __u64 at = T1_IOVA;

	ASSERT_EQ(0, dma_map(fd, self->use.mem, at, 4 * PAGE, T1_RW));
	EXPECT_EQ(-EEXIST, dma_map(fd, self->use.mem, at, 4 * PAGE, T1_RW));
	EXPECT_EQ(-EEXIST, dma_map(fd, self->use.mem, at, PAGE, T1_RW));
	EXPECT_EQ(-EEXIST, dma_map(fd, self->use.mem, at + PAGE, PAGE, T1_RW));
	EXPECT_EQ(-EEXIST, dma_map(fd, self->use.mem, at + 3 * PAGE, 9 * PAGE,
				   T1_RW));
	EXPECT_EQ(-EEXIST, dma_map(fd, self->use.mem, at - PAGE, 2 * PAGE,
				   T1_RW));
	EXPECT_EQ(-EEXIST, dma_map(fd, self->use.mem, at - PAGE, 9 * PAGE,
				   T1_RW));
	EXPECT_EQ(0, dma_map(fd, self->use.mem, at + 4 * PAGE, PAGE, T1_RW));
	EXPECT_EQ(0, dma_map(fd, self->use.mem, at - PAGE, PAGE, T1_RW));
	/* The same memory at several places is nothing special. */
	EXPECT_EQ(0, dma_map(fd, self->use.mem, 1ULL << 50, 4 * PAGE, T1_RW));
	EXPECT_EQ(10 * PAGE, dma_unmap_all(fd));
}

/* All but the updating of an address that was given up, which cannot be here. */
TEST_F(type1, update_vaddr_with_a_mediated_device)
{
	const __u32 vaddr = VFIO_DMA_MAP_FLAG_VADDR;
	const int fd = self->use.t.container;

	ASSERT_EQ(0, use_map(&self->use));
	EXPECT_EQ(-EBUSY, dma_unmap_flags(fd, T1_IOVA, T1_PAGES * PAGE,
					  VFIO_DMA_UNMAP_FLAG_VADDR));
	EXPECT_EQ(-EBUSY, dma_unmap_flags(fd, 0, 0, VFIO_DMA_UNMAP_FLAG_VADDR |
					  VFIO_DMA_UNMAP_FLAG_ALL));
	EXPECT_EQ(-EINVAL, dma_map(fd, self->use.mem, T1_IOVA, T1_PAGES * PAGE,
				   vaddr));
	EXPECT_EQ(-EINVAL, dma_map(fd, self->use.mem, T1_IOVA, PAGE, vaddr));
	EXPECT_EQ(-ENOENT, dma_map(fd, self->use.mem, 0, PAGE, vaddr));
	EXPECT_EQ(-EINVAL, dma_map(fd, self->use.mem, 0, PAGE,
				   vaddr | T1_READ));
	EXPECT_EQ(-EINVAL, dma_map(fd, self->use.mem, 0, PAGE,
				   vaddr | T1_WRITE));

	/* It is as it was. */
	EXPECT_EQ(1, pin(self->use.t.device[0], T1_IOVA, 1, TYPE1_TEST_READ));
	EXPECT_EQ(1, unpin(self->use.t.device[0], T1_IOVA, 1));
	EXPECT_EQ(T1_PAGES * PAGE, dma_unmap_all(fd));
}

/* Unmapping */

static long unmap_raw(int fd, __u32 argsz, __u32 flags, __u64 iova, __u64 size)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = argsz,
		.flags = flags,
		.iova = iova,
		.size = size,
	};

	return file_ioctl(fd, VFIO_IOMMU_UNMAP_DMA, &unmap);
}

TEST_F(type1, unmap_sizes_and_flags)
{
	const __u32 sz = sizeof(struct vfio_iommu_type1_dma_unmap);
	const __u32 dirty = VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP;
	const __u32 all = VFIO_DMA_UNMAP_FLAG_ALL;
	const int fd = self->use.t.container;
	unsigned int bit;

	ASSERT_EQ(0, use_map(&self->use));
	EXPECT_EQ(-EINVAL, unmap_raw(fd, 0, 0, T1_IOVA, T1_PAGES * PAGE));
	EXPECT_EQ(-EINVAL, unmap_raw(fd, sz - 1, 0, T1_IOVA, T1_PAGES * PAGE));
	for (bit = 3; bit < 32; bit++)
		EXPECT_EQ(-EINVAL, unmap_raw(fd, sz, 1U << bit, T1_IOVA,
					     T1_PAGES * PAGE));
	EXPECT_EQ(-EFAULT, file_ioctl(fd, VFIO_IOMMU_UNMAP_DMA,
				      (char *)guarded(PAGE) + PAGE - 8));
	/* A bitmap is only of a range, and needs to be there. */
	EXPECT_EQ(-EINVAL, unmap_raw(fd, sz, dirty, T1_IOVA, T1_PAGES * PAGE));
	EXPECT_EQ(-EINVAL, unmap_raw(fd, sz + 24, dirty | all, 0, 0));
	EXPECT_EQ(-EINVAL, unmap_raw(fd, sz + 24,
				     dirty | VFIO_DMA_UNMAP_FLAG_VADDR,
				     T1_IOVA, T1_PAGES * PAGE));
	/* All is all. */
	EXPECT_EQ(-EINVAL, unmap_raw(fd, sz, all, T1_IOVA, 0));
	EXPECT_EQ(-EINVAL, unmap_raw(fd, sz, all, 0, PAGE));
	EXPECT_EQ(-EINVAL, unmap_raw(fd, sz, all, PAGE, PAGE));
	EXPECT_EQ(-EINVAL, unmap_raw(fd, sz, all, 0, ~0ULL));

	EXPECT_EQ(T1_PAGES * PAGE, dma_unmap_all(fd));
	EXPECT_EQ(0, dma_unmap_all(fd));
}

TEST_F(type1, unmap_alignment_and_wrap)
{
	const struct {
		__u64 iova, size;
	} bad[] = {
		{ T1_IOVA, 0 },
		{ T1_IOVA, 1 },
		{ T1_IOVA, PAGE + 1 },
		{ T1_IOVA + 1, PAGE },
		{ T1_IOVA + 2048, PAGE },
		{ T1_LAST_PAGE, 2 * PAGE },
		{ T1_IOVA, ~0ULL },
		{ T1_IOVA, T1_LAST_PAGE },
		{ 1ULL << 63, (1ULL << 63) + PAGE },
		{ 0, 0 },
		{ 0, ~0ULL },
	};
	const int fd = self->use.t.container;
	unsigned int i;

	ASSERT_EQ(0, dma_map(fd, self->use.mem, T1_IOVA, PAGE, T1_RW));
	for (i = 0; i < ARRAY_LEN(bad); i++) {
		EXPECT_EQ((bad[i].iova | bad[i].size) % PAGE ||
			  !wraps(bad[i].iova, bad[i].size) ?
			  -EINVAL : beyond_the_top(),
			  dma_unmap(fd, bad[i].iova, bad[i].size)) {
			TH_LOG("%llx %llx", bad[i].iova, bad[i].size);
		}
	}
	EXPECT_EQ(PAGE, dma_unmap_all(fd));
}

/* The second version cuts no mapping. */
TEST_F(type1, unmap_ranges)
{
	const int fd = self->use.t.container;
	const __u64 at = T1_IOVA;
	char *mem = self->use.mem;

	ASSERT_EQ(0, dma_map(fd, mem, at, 4 * PAGE, T1_RW));
	ASSERT_EQ(0, dma_map(fd, mem, at + 4 * PAGE, 4 * PAGE, T1_RW));
	ASSERT_EQ(0, dma_map(fd, mem, at + 16 * PAGE, 4 * PAGE, T1_RW));

	EXPECT_EQ(-EINVAL, dma_unmap(fd, at, PAGE));
	EXPECT_EQ(-EINVAL, dma_unmap(fd, at + PAGE, PAGE));
	EXPECT_EQ(-EINVAL, dma_unmap(fd, at + 3 * PAGE, PAGE));
	EXPECT_EQ(-EINVAL, dma_unmap(fd, at + PAGE, 3 * PAGE));
	EXPECT_EQ(-EINVAL, dma_unmap(fd, at, 5 * PAGE));
	EXPECT_EQ(-EINVAL, dma_unmap(fd, at - PAGE, 2 * PAGE));
	EXPECT_EQ(-EINVAL, dma_unmap(fd, at + 2 * PAGE, 6 * PAGE));
	EXPECT_EQ(-EINVAL, dma_unmap(fd, at + 8 * PAGE, 9 * PAGE));
	EXPECT_EQ(-EINVAL, dma_unmap(fd, at + 17 * PAGE, 90 * PAGE));

	/* Holes are no error, nor is nothing at all. */
	EXPECT_EQ(0, dma_unmap(fd, at + 8 * PAGE, 8 * PAGE));
	EXPECT_EQ(0, dma_unmap(fd, at - 90 * PAGE, 90 * PAGE));
	EXPECT_EQ(0, dma_unmap(fd, at + 20 * PAGE, PAGE));
	EXPECT_EQ(8 * PAGE, dma_unmap(fd, at + 4 * PAGE, 90 * PAGE));
	EXPECT_EQ(0, dma_unmap(fd, at + 4 * PAGE, 90 * PAGE));
	EXPECT_EQ(4 * PAGE, dma_unmap(fd, 0, at + 4 * PAGE));
	EXPECT_EQ(0, dma_unmap_all(fd));
}

/* What does not fit anything cannot be answered either. */
TEST_F(type1, unmap_answers_nothing_when_it_fails)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap),
		.iova = T1_IOVA + PAGE,
		.size = PAGE,
	};

	ASSERT_EQ(0, use_map(&self->use));
	EXPECT_EQ(-EINVAL, file_ioctl(self->use.t.container,
				      VFIO_IOMMU_UNMAP_DMA, &unmap));
	EXPECT_EQ(PAGE, unmap.size);
	EXPECT_EQ(T1_IOVA + PAGE, unmap.iova);
}

/* The first version */

FIXTURE(v1) {
	struct type1_use use;
};

FIXTURE_SETUP(v1)
{
	ASSERT_EQ(0, use_begin(&self->use, 1));
	type1_close(&self->use.t);
	ASSERT_EQ(0, type1_open(&self->use.t, VFIO_TYPE1_IOMMU, 1));
}

FIXTURE_TEARDOWN(v1)
{
	use_end(&self->use);
}

/* What covers the beginning of a mapping takes all of it, the rest nothing. */
TEST_F(v1, partial_unmap)
{
	const int fd = self->use.t.container;
	const __u64 at = T1_IOVA;
	char *mem = self->use.mem;

	ASSERT_EQ(0, dma_map(fd, mem, at, 4 * PAGE, T1_RW));
	EXPECT_EQ(0, dma_unmap(fd, at + PAGE, PAGE));
	EXPECT_EQ(0, dma_unmap(fd, at + PAGE, 9 * PAGE));
	EXPECT_EQ(0, dma_unmap(fd, at + 3 * PAGE, PAGE));
	EXPECT_EQ(-EEXIST, dma_map(fd, mem, at + 3 * PAGE, PAGE, T1_RW));
	EXPECT_EQ(4 * PAGE, dma_unmap(fd, at, PAGE));
	EXPECT_EQ(0, dma_unmap(fd, at, PAGE));

	ASSERT_EQ(0, dma_map(fd, mem, at, 4 * PAGE, T1_RW));
	ASSERT_EQ(0, dma_map(fd, mem, at + 4 * PAGE, 4 * PAGE, T1_RW));
	EXPECT_EQ(8 * PAGE, dma_unmap(fd, at, 5 * PAGE));
	ASSERT_EQ(0, dma_map(fd, mem, at, 4 * PAGE, T1_RW));
	EXPECT_EQ(4 * PAGE, dma_unmap(fd, at - PAGE, 2 * PAGE));
	EXPECT_EQ(0, dma_unmap_all(fd));
}

/* It starts in the middle of one mapping: the next is not reached either. */
TEST_F(v1, unmap_from_the_middle)
{
	const int fd = self->use.t.container;
	const __u64 at = T1_IOVA;
	char *mem = self->use.mem;

	ASSERT_EQ(0, dma_map(fd, mem, at, 4 * PAGE, T1_RW));
	ASSERT_EQ(0, dma_map(fd, mem, at + 4 * PAGE, 4 * PAGE, T1_RW));
	EXPECT_EQ(0, dma_unmap(fd, at + 2 * PAGE, 6 * PAGE));
	EXPECT_EQ(8 * PAGE, dma_unmap_all(fd));
}

TEST_F(v1, errors_are_the_same)
{
	const int fd = self->use.t.container;

	EXPECT_EQ(-EINVAL, dma_unmap(fd, T1_IOVA, 0));
	EXPECT_EQ(-EINVAL, dma_unmap(fd, T1_IOVA + 1, PAGE));
	EXPECT_EQ(beyond_the_top(), dma_unmap(fd, T1_LAST_PAGE, 2 * PAGE));
	EXPECT_EQ(-EBUSY, dma_unmap_flags(fd, T1_IOVA, PAGE,
					  VFIO_DMA_UNMAP_FLAG_VADDR));
}

TEST_F(v1, neither_pins_nor_tracks)
{
	__u64 bitmap[T1_PAGES / 64];

	ASSERT_EQ(0, use_map(&self->use));
	EXPECT_EQ(-EACCES, pin(self->use.t.device[0], T1_IOVA, 1,
			       TYPE1_TEST_READ));
	EXPECT_EQ(-EACCES, dirty_start(self->use.t.container));
	EXPECT_EQ(-EACCES, dirty_stop(self->use.t.container));
	EXPECT_EQ(-EACCES, dirty_get(self->use.t.container, T1_IOVA,
				     T1_PAGES * PAGE, bitmap, sizeof(bitmap)));
}

TEST_F(v1, reads_and_writes)
{
	__u64 word = 0;

	ASSERT_EQ(0, use_map(&self->use));
	EXPECT_EQ(0, rw_read(self->use.t.device[0], T1_IOVA + 7 * PAGE, &word,
			     sizeof(word)));
	EXPECT_EQ(T1_MARK(7), word);
}

/* The limit of mappings */

static __u32 avail(int fd)
{
	struct type1_info info;

	return type1_get_info(fd, &info) ? ~0U : info.avail;
}

/* Nothing is got by what fails. */
TEST_F(bare, row_1_limit_of_mappings)
{
	const unsigned int limit = 20;
	long long before = type1_parameter_get("dma_entry_limit");
	unsigned int i;
	int fd;

	ASSERT_EQ(0, type1_parameter("dma_entry_limit", limit));
	type1_close(&self->t);
	ASSERT_EQ(0, type1_open(&self->t, VFIO_TYPE1v2_IOMMU, 1));
	/* It is the limit of containers that are opened from now on. */
	EXPECT_EQ(0, type1_parameter("dma_entry_limit", before));
	fd = self->t.container;

	for (i = 0; i < limit; i++) {
		EXPECT_EQ(limit - i, avail(fd));
		EXPECT_EQ(0, dma_map(fd, NULL, 2 * i * PAGE, PAGE, T1_RW));
	}
	EXPECT_EQ(0, avail(fd));
	EXPECT_EQ(-ENOSPC, dma_map(fd, NULL, 1ULL << 40, PAGE, T1_RW));
	EXPECT_EQ(-ENOSPC, dma_map(fd, NULL, PAGE, PAGE, T1_RW));
	EXPECT_EQ(-EEXIST, dma_map(fd, NULL, 0, PAGE, T1_RW));
	EXPECT_EQ(-EINVAL, dma_map(fd, NULL, 1, PAGE, T1_RW));

	EXPECT_EQ(PAGE, dma_unmap(fd, 0, PAGE));
	EXPECT_EQ(1, avail(fd));
	EXPECT_EQ(0, dma_map(fd, NULL, 1ULL << 40, PAGE, T1_RW));
	EXPECT_EQ(0, avail(fd));
	EXPECT_EQ(-ENOSPC, dma_map(fd, NULL, 0, PAGE, T1_RW));
	EXPECT_EQ(2 * PAGE, dma_unmap(fd, 0, 4 * PAGE + PAGE));
	EXPECT_EQ(2, avail(fd));
	EXPECT_EQ((limit - 2) * PAGE, dma_unmap_all(fd));
	EXPECT_EQ(limit, avail(fd));
}

/* The mappings go with the last group, the container stays. */
TEST_F(type1, last_group_leaves)
{
	const int fd = self->use.t.container;

	ASSERT_EQ(0, use_map(&self->use));
	ASSERT_EQ(4, pin(self->use.t.device[0], T1_IOVA, 4, TYPE1_TEST_READ));
	type1_leave(&self->use.t, 1);
	EXPECT_EQ(4, HELD(&self->use));
	type1_leave(&self->use.t, 0);
	EXPECT_EQ(0, HELD(&self->use));
	EXPECT_EQ(-EINVAL, dma_unmap_all(fd));

	ASSERT_EQ(0, type1_join_group(&self->use.t, 0));
	ASSERT_EQ(0, file_ioctl(fd, VFIO_SET_IOMMU,
				(void *)VFIO_TYPE1v2_IOMMU));
	EXPECT_EQ(0, dma_unmap_all(fd));
	EXPECT_EQ(0, use_map(&self->use));
}

/* The mappings belong to the container: who joins later finds them. */
TEST_F(type1, groups_come_and_go)
{
	struct type1 *t = &self->use.t;

	type1_leave(t, 1);
	ASSERT_EQ(0, use_map(&self->use));
	ASSERT_EQ(1, pin(t->device[0], T1_IOVA, 1, TYPE1_TEST_READ));
	ASSERT_EQ(0, type1_join(t, 1));
	ASSERT_EQ(1, pin(t->device[1], T1_IOVA, 1, TYPE1_TEST_READ));
	EXPECT_EQ(1, LOCKED(&self->use));
	type1_leave(t, 0);
	EXPECT_EQ(1, LOCKED(&self->use));
	EXPECT_LT(0, HELD(&self->use));
	EXPECT_EQ(T1_MARK(0), load(t->device[1], T1_IOVA));
	ASSERT_EQ(0, type1_join(t, 0));
	EXPECT_EQ(T1_PAGES * PAGE, dma_unmap_all(t->container));
	EXPECT_EQ(1, news(t->device[1]).unpinned);
	EXPECT_EQ(0, news(t->device[0]).unpinned);
	EXPECT_EQ(0, HELD(&self->use));
}

MDEV_TEST_MAIN(TYPE1_TEST)
