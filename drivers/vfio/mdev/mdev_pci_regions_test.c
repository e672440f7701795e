// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of mdev_pci_regions.c, which includes this file: numbers that vfio_mdev
 * does not let through, but a vendor's own callback may, when it calls these.
 */
#include <kunit/test.h>

#define MDEV_PCI_TEST_CONFIG	VFIO_PCI_CONFIG_REGION_INDEX
#define MDEV_PCI_TEST_LAST	VFIO_PCI_NUM_REGIONS	/* the one that is added */

static int mdev_pci_test_bar_mmap(struct mdev_pci *pci, struct vm_area_struct *vma,
				  u64 offset)
{
	return 0;
}

static const struct mdev_pci_area mdev_pci_test_areas[] = {
	{ 0, PAGE_SIZE }, { 2 * PAGE_SIZE, 2 * PAGE_SIZE },
};

static const struct mdev_pci_region mdev_pci_test_region = {
	.size = 24,
};

static const struct mdev_pci_desc mdev_pci_test_card = {
	.bar = {
		{ .size = 4 * PAGE_SIZE, .mmap = mdev_pci_test_bar_mmap },
		{ .size = 4 * PAGE_SIZE, .mmap = mdev_pci_test_bar_mmap,
		  .areas = mdev_pci_test_areas,
		  .nr_areas = ARRAY_SIZE(mdev_pci_test_areas) },
		{ .size = 16, .flags = PCI_BASE_ADDRESS_SPACE_IO, .max_width = 4 },
		[4] = { .size = 4, .flags = PCI_BASE_ADDRESS_SPACE_IO },
	},
	.regions = &mdev_pci_test_region,
	.nr_regions = 1,
};

static int mdev_pci_test_card_init(struct kunit *test)
{
	struct mdev_pci *pci = kunit_kzalloc(test, sizeof(*pci), GFP_KERNEL);

	if (!pci)
		return -ENOMEM;
	pci->desc = &mdev_pci_test_card;
	pci->config.size = PCI_CFG_SPACE_SIZE;
	pci->config.byte = kunit_kcalloc(test, PCI_CFG_SPACE_SIZE,
					 sizeof(*pci->config.byte), GFP_KERNEL);
	test->priv = pci;
	return pci->config.byte ? 0 : -ENOMEM;
}

static void mdev_pci_test_locate(struct kunit *test)
{
	static const struct {
		u64 index, offset;
		size_t count, left;	/* 0: refused */
	} tries[] = {
		{ 0, 0, 1, 1 },
		{ 0, 0, SIZE_MAX, 4 * PAGE_SIZE },
		{ 0, 4 * PAGE_SIZE - 1, 8, 1 },
		{ 0, 4 * PAGE_SIZE, 1 },
		{ 0, MDEV_PCI_OFFSET_MASK, 1 },
		{ 3, 0, 1 },
		{ VFIO_PCI_ROM_REGION_INDEX, 0, 1 },
		{ VFIO_PCI_VGA_REGION_INDEX, 0, 1 },
		{ MDEV_PCI_TEST_CONFIG, 255, 4, 1 },
		{ MDEV_PCI_TEST_CONFIG, 256, 4 },
		{ MDEV_PCI_TEST_LAST, 16, 16, 8 },
		{ MDEV_PCI_TEST_LAST, 24, 1 },
		{ MDEV_PCI_TEST_LAST + 1, 0, 1 },
		{ MDEV_PCI_OFFSET_TO_INDEX(S64_MAX), 0, 1 },
		{ MDEV_PCI_OFFSET_TO_INDEX(U64_MAX), 0, 1 },
	};
	struct mdev_pci *pci = test->priv;
	unsigned int index, i;
	size_t count;
	u64 offset;
	int ret;

	for (i = 0; i < ARRAY_SIZE(tries); i++) {
		count = tries[i].count;
		ret = mdev_pci_locate(pci, MDEV_PCI_INDEX_TO_OFFSET(tries[i].index) +
				      tries[i].offset, &count, &index, &offset);
		KUNIT_EXPECT_EQ_MSG(test, tries[i].left ? 0 : -EINVAL, ret, "%u", i);
		if (ret)
			continue;
		KUNIT_EXPECT_EQ_MSG(test, tries[i].left, count, "%u", i);
		KUNIT_EXPECT_EQ_MSG(test, tries[i].index, (u64)index, "%u", i);
		KUNIT_EXPECT_EQ_MSG(test, tries[i].offset, offset, "%u", i);
	}
}

static void mdev_pci_test_access(struct kunit *test)
{
	static const struct {
		unsigned int index;
		u64 offset;
		unsigned int width;
		int ret;
	} tries[] = {
		{ 2, 0, 4, 0 },
		{ 2, 12, 4, 0 },
		{ 2, 15, 1, 0 },
		{ 2, 16, 1, -EINVAL },
		{ 2, 1, 2, -EINVAL },
		{ 2, 0, 0, -EINVAL },
		{ 2, 0, 3, -EINVAL },
		{ 2, 0, 8, -EINVAL },
		{ 2, -4ULL, 4, -EINVAL },
		{ 4, 0, 4, 0 },
		{ 4, 0, 8, -EINVAL },
		{ 0, 0, 8, -EIO },	/* It is switched off. */
		{ 0, 4 * PAGE_SIZE, 8, -EINVAL },
		{ 3, 0, 4, -EINVAL },
		{ PCI_STD_NUM_BARS, 0, 4, -EINVAL },
		{ UINT_MAX, 0, 4, -EINVAL },
	};
	struct mdev_pci *pci = test->priv;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(tries); i++)
		KUNIT_EXPECT_EQ_MSG(test, tries[i].ret,
				    mdev_pci_check_access(pci, tries[i].index,
							  tries[i].offset,
							  tries[i].width), "%u", i);
}

static void mdev_pci_test_mmap(struct kunit *test)
{
	static const struct {
		unsigned int index, page, pages;
		bool private, mapped;
	} tries[] = {
		{ 0, 0, 4, false, true },
		{ 0, 3, 1, false, true },
		{ 0, 0, 4, true },
		{ 0, 0, 5 },
		{ 0, 3, 2 },
		{ 0, 4, 1 },
		{ 1, 0, 1, false, true },
		{ 1, 2, 2, false, true },
		{ 1, 3, 1, false, true },
		{ 1, 1, 1 },
		{ 1, 0, 2 },
		{ 1, 0, 4 },
		{ 2, 0, 1 },
		{ 3, 0, 1 },
		{ PCI_STD_NUM_BARS, 0, 1 },
		{ MDEV_PCI_TEST_CONFIG, 0, 1 },
		{ MDEV_PCI_TEST_LAST, 0, 1 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(tries); i++) {
		struct vm_area_struct vma = {
			.vm_start = PAGE_SIZE,
			.vm_end = (1 + tries[i].pages) * PAGE_SIZE,
			.vm_flags = tries[i].private ? 0 : VM_SHARED,
			.vm_pgoff = (MDEV_PCI_INDEX_TO_OFFSET(tries[i].index) >>
				     PAGE_SHIFT) + tries[i].page,
		};

		KUNIT_EXPECT_EQ_MSG(test, tries[i].mapped ? 0 : -EINVAL,
				    mdev_pci_map(test->priv, &vma), "%u", i);
	}
}

static struct kunit_case mdev_pci_regions_cases[] = {
	KUNIT_CASE(mdev_pci_test_locate),
	KUNIT_CASE(mdev_pci_test_access),
	KUNIT_CASE(mdev_pci_test_mmap),
	{ }
};

static struct kunit_suite mdev_pci_regions_suite = {
	.name = "mdev-pci-regions",
	.init = mdev_pci_test_card_init,
	.test_cases = mdev_pci_regions_cases,
};

kunit_test_suite(mdev_pci_regions_suite);
