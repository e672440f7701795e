// SPDX-License-Identifier: GPL-2.0-only
/* KUnit tests of vfio_mdev_layout.c, which includes this file. */
#include <kunit/test.h>

#define TEST_RW	(VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE)

/* What the vendor of the test answers; a region of size ~0 is an error. */
struct vfio_mdev_test_answer {
	u32 num_regions;
	bool caps;
	bool sparse_too_long;
	struct vfio_region_info region[3];
};

static const struct vfio_mdev_test_answer *vfio_mdev_test_answer;

static int vfio_mdev_test_device_info(struct mdev_device *mdev,
				      struct vfio_device_info *info,
				      struct vfio_info_cap *caps)
{
	struct vfio_info_cap_header cap = { .id = 0x7e57, .version = 1 };

	info->num_regions = vfio_mdev_test_answer->num_regions;
	if (!vfio_mdev_test_answer->caps)
		return 0;
	return vfio_info_add_capability(caps, &cap, sizeof(cap));
}

static int vfio_mdev_test_region_info(struct mdev_device *mdev,
				      struct vfio_region_info *info,
				      struct vfio_info_cap *caps)
{
	const struct vfio_region_info *answer =
		&vfio_mdev_test_answer->region[info->index];
	struct vfio_info_cap_header other = { .id = 0x7e57, .version = 1 };
	struct vfio_region_info_cap_sparse_mmap sparse = {
		.header.id = VFIO_REGION_INFO_CAP_SPARSE_MMAP,
		.header.version = 1,
		.nr_areas = vfio_mdev_test_answer->sparse_too_long,
	};
	int ret;

	if (answer->size == U64_MAX)
		return -EIO;
	info->size = answer->size;
	info->offset = answer->offset;
	info->flags = answer->flags;
	if (!vfio_mdev_test_answer->caps)
		return 0;
	ret = vfio_info_add_capability(caps, &other, sizeof(other));
	return ret ?: vfio_info_add_capability(caps, &sparse.header,
					       sizeof(sparse));
}

static const struct mdev_parent_ops vfio_mdev_test_ops = {
	.get_device_info = vfio_mdev_test_device_info,
	.get_region_info = vfio_mdev_test_region_info,
};

static struct vfio_mdev *vfio_mdev_test_vm(struct kunit *test)
{
	struct vfio_mdev *vmdev = kunit_kzalloc(test, sizeof(*vmdev), GFP_KERNEL);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, vmdev);
	vmdev->ops = &vfio_mdev_test_ops;
	return vmdev;
}

static const struct vfio_mdev_test_answer vfio_mdev_test_usual = {
	.num_regions = 3,
	.caps = true,
	.region = {
		{ .offset = 0, .size = SZ_4K, .flags = TEST_RW },
		{ .offset = SZ_1T, .size = 0 },
		/* The last byte that a file offset reaches is its last. */
		{ .offset = S64_MAX - 15, .size = 15,
		  .flags = VFIO_REGION_INFO_FLAG_READ },
	},
};

struct vfio_mdev_test_access {
	const char *name;
	u64 pos;
	size_t count;
	u32 access;
	ssize_t expected;
};

#define TEST_R	VFIO_REGION_INFO_FLAG_READ
#define TEST_W	VFIO_REGION_INFO_FLAG_WRITE

static const struct vfio_mdev_test_access vfio_mdev_test_accesses[] = {
	{ "all of a region", 0, SZ_4K, TEST_W, SZ_4K },
	{ "over its end", 1, SZ_4K, TEST_R, SZ_4K - 1 },
	{ "its last byte", SZ_4K - 1, 8, TEST_R, 1 },
	{ "just behind it", SZ_4K, 1, TEST_R, -EINVAL },
	{ "as much as there can be", 1, SIZE_MAX, TEST_R, SZ_4K - 1 },
	{ "nothing, where nothing is", SZ_1M, 0, TEST_R, 0 },
	{ "a region of size 0", SZ_1T, 1, TEST_R, -EINVAL },
	{ "the topmost region", S64_MAX - 15, 16, TEST_R, 15 },
	{ "its last byte", S64_MAX - 1, 1, TEST_R, 1 },
	{ "the last file offset", S64_MAX, 1, TEST_R, -EINVAL },
	{ "a write where one may only read", S64_MAX - 15, 1, TEST_W, -EINVAL },
	{ "a negative position", -1, 1, TEST_R, -EINVAL },
};

static void vfio_mdev_test_clamp(struct kunit *test)
{
	struct vfio_mdev *vmdev = vfio_mdev_test_vm(test);
	const struct vfio_mdev_test_access *a;
	unsigned int i;

	vfio_mdev_test_answer = &vfio_mdev_test_usual;
	KUNIT_ASSERT_EQ(test, 0, vfio_mdev_get_layout(vmdev));
	for (i = 0; i < ARRAY_SIZE(vfio_mdev_test_accesses); i++) {
		a = &vfio_mdev_test_accesses[i];
		KUNIT_EXPECT_EQ_MSG(test, a->expected,
				    vfio_mdev_clamp(vmdev, a->pos, a->count,
						    a->access),
				    "%s", a->name);
	}
	vfio_mdev_put_layout(vmdev);
}

/* Links count from the start of the info that the chain follows. */
static void vfio_mdev_test_chains(struct kunit *test)
{
	struct vfio_mdev *vmdev = vfio_mdev_test_vm(test);
	const struct vfio_info_cap_header *cap;
	const struct vfio_mdev_region *region;

	vfio_mdev_test_answer = &vfio_mdev_test_usual;
	KUNIT_ASSERT_EQ(test, 0, vfio_mdev_get_layout(vmdev));

	KUNIT_EXPECT_EQ(test, vmdev->layout.caps.size, sizeof(*cap));
	cap = (void *)vmdev->layout.caps.buf;
	KUNIT_EXPECT_EQ(test, cap->next, 0);

	region = &vmdev->layout.regions[0];
	cap = (void *)region->caps.buf;
	KUNIT_EXPECT_EQ(test, cap->id, 0x7e57);
	KUNIT_EXPECT_EQ(test, cap->next, VFIO_COMPAT_REGION_CAPS_START + sizeof(*cap));
	KUNIT_ASSERT_PTR_EQ(test, (void *)region->sparse, (void *)(cap + 1));
	KUNIT_EXPECT_EQ(test, region->sparse->header.next, 0);
	vfio_mdev_put_layout(vmdev);
}

struct vfio_mdev_test_bad {
	const char *name;
	int expected;
	struct vfio_mdev_test_answer answer;
};

static const struct vfio_mdev_test_bad vfio_mdev_test_bad[] = {
	{ "a region past the last file offset", -EINVAL, {
		.num_regions = 1,
		.region[0] = { .offset = S64_MAX, .size = 1 } } },
	{ "a sum that wraps", -EINVAL, {
		.num_regions = 1,
		.region[0] = { .offset = U64_MAX - 1, .size = 8 } } },
	{ "the vendor's error for the second", -EIO, {
		.num_regions = 2, .caps = true,
		.region[0] = { .size = SZ_4K },
		.region[1] = { .size = U64_MAX } } },
	{ "more areas than the chain holds", -EINVAL, {
		.num_regions = 1, .caps = true, .sparse_too_long = true,
		.region[0] = { .size = SZ_4K } } },
	{ "too many regions", -EINVAL, {
		.num_regions = U32_MAX, .caps = true } },
};

static void vfio_mdev_test_bad_layout(struct kunit *test)
{
	struct vfio_mdev *vmdev = vfio_mdev_test_vm(test);
	const struct vfio_mdev_test_bad *bad;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(vfio_mdev_test_bad); i++) {
		bad = &vfio_mdev_test_bad[i];
		vfio_mdev_test_answer = &bad->answer;
		KUNIT_EXPECT_EQ_MSG(test, bad->expected,
				    vfio_mdev_get_layout(vmdev), "%s", bad->name);
		KUNIT_EXPECT_NULL_MSG(test, vmdev->layout.regions, "%s",
				      bad->name);
		KUNIT_EXPECT_NULL_MSG(test, vmdev->layout.caps.buf, "%s",
				      bad->name);
	}
}

struct vfio_mdev_test_map {
	u64 first;
	u64 len;
	bool allowed;
};

static void vfio_mdev_test_areas(struct kunit *test)
{
	static const struct vfio_mdev_test_map maps[] = {
		{ 0x1000, 0x2000, true },
		{ 0x2000, 0x1000, true },
		{ 0x2000, 0x1001, false },
		{ 0x0, 0x1000, false },
		{ 0xfff, 0x1000, false },
		/* Two areas that touch are not one. */
		{ 0x2000, 0x2000, false },
		{ 0x3000, 0x1000, true },
		{ 0x4000, 0x1000, false },
		{ U64_MAX, 0x2000, false },
		{ 0x1000, U64_MAX, false },
	};
	struct vfio_region_info_cap_sparse_mmap *sparse;
	struct vfio_mdev_region region = {};
	unsigned int i;

	sparse = kunit_kzalloc(test, struct_size(sparse, areas, 2), GFP_KERNEL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, sparse);
	KUNIT_EXPECT_TRUE(test, vfio_mdev_area_allows(&region, SZ_16K, 0, SZ_4K));

	region.sparse = sparse;
	KUNIT_EXPECT_FALSE(test, vfio_mdev_area_allows(&region, SZ_16K, 0, SZ_4K));

	sparse->nr_areas = 2;
	sparse->areas[0].offset = 0x1000;
	sparse->areas[0].size = 0x2000;
	sparse->areas[1].offset = 0x3000;
	sparse->areas[1].size = 0x1000;
	for (i = 0; i < ARRAY_SIZE(maps); i++)
		KUNIT_EXPECT_EQ_MSG(test, maps[i].allowed,
				    vfio_mdev_area_allows(&region, SZ_16K,
							  maps[i].first,
							  maps[i].len),
				    "%llx, %llx bytes", maps[i].first,
				    maps[i].len);
}

/* Row 62: to the end of a page, unless something else is there */
static void vfio_mdev_test_rounds_up(struct kunit *test)
{
	static const struct {
		const char *name;
		u64 offset, size, mappable;
		u64 other_offset, other_size;
	} regions[] = {
		{ "none", 0, 0, 0, SZ_1M, 0 },
		{ "whole pages", 0, 2 * PAGE_SIZE, 2 * PAGE_SIZE,
		  2 * PAGE_SIZE, PAGE_SIZE },
		{ "less than a page", 0, 0x100, PAGE_SIZE, SZ_1M, SZ_4K },
		{ "a page and a half", SZ_1M, PAGE_SIZE + PAGE_SIZE / 2,
		  2 * PAGE_SIZE, 0, SZ_1M },
		{ "its neighbour has the next page", 0, 0x100, PAGE_SIZE,
		  PAGE_SIZE, PAGE_SIZE },
		{ "its neighbour has the rest", 0, 0x100, 0x100, 0x100, 0x100 },
		{ "its neighbour has a bit of it", 0, 0x100, 0x100,
		  PAGE_SIZE - 1, 1 },
		{ "an empty neighbour", 0, 0x100, PAGE_SIZE, 0x200, 0 },
		{ "the topmost", S64_MAX - 0xff, 0xff, 0x100, 0, SZ_4K },
	};
	struct vfio_mdev *vmdev = vfio_mdev_test_vm(test);
	struct vfio_mdev_region region[2] = {};
	unsigned int i;

	vmdev->layout.info.num_regions = ARRAY_SIZE(region);
	vmdev->layout.regions = region;
	for (i = 0; i < ARRAY_SIZE(regions); i++) {
		region[0].info.offset = regions[i].offset;
		region[0].info.size = regions[i].size;
		region[1].info.offset = regions[i].other_offset;
		region[1].info.size = regions[i].other_size;
		KUNIT_EXPECT_EQ_MSG(test, regions[i].mappable,
				    vfio_mdev_mappable_size(vmdev, region),
				    "%s", regions[i].name);
	}
	vmdev->layout.regions = NULL;
}

/* An area at the end of a region does so, too; others are what they are. */
static void vfio_mdev_test_area_rounds_up(struct kunit *test)
{
	struct vfio_region_info_cap_sparse_mmap *sparse;
	struct vfio_mdev_region region = { .info.size = 0x1800 };
	static const struct {
		u64 offset, size, first, len;
		bool allowed;
	} areas[] = {
		{ 0x1000, 0x800, 0x1000, 0x1000, true },
		{ 0x0, 0x1800, 0x0, 0x2000, true },
		{ 0x0, 0x1800, 0x0, 0x3000, false },
		{ 0x0, 0x1400, 0x0, 0x2000, false },
		{ 0x0, 0x800, 0x0, 0x1000, false },
		{ 0x1800, 0x0, 0x1800, 0x800, false },
	};
	unsigned int i;

	sparse = kunit_kzalloc(test, struct_size(sparse, areas, 1), GFP_KERNEL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, sparse);
	region.sparse = sparse;
	sparse->nr_areas = 1;
	for (i = 0; i < ARRAY_SIZE(areas); i++) {
		sparse->areas[0].offset = areas[i].offset;
		sparse->areas[0].size = areas[i].size;
		KUNIT_EXPECT_EQ_MSG(test, areas[i].allowed,
				    vfio_mdev_area_allows(&region, 0x2000,
							  areas[i].first,
							  areas[i].len),
				    "%u", i);
	}
}

static struct kunit_case vfio_mdev_layout_cases[] = {
	KUNIT_CASE(vfio_mdev_test_clamp),
	KUNIT_CASE(vfio_mdev_test_chains),
	KUNIT_CASE(vfio_mdev_test_bad_layout),
	KUNIT_CASE(vfio_mdev_test_areas),
	KUNIT_CASE(vfio_mdev_test_rounds_up),
	KUNIT_CASE(vfio_mdev_test_area_rounds_up),
	{}
};

static struct kunit_suite vfio_mdev_layout_suite = {
	.name = "vfio-mdev-layout",
	.test_cases = vfio_mdev_layout_cases,
};

kunit_test_suite(vfio_mdev_layout_suite);
