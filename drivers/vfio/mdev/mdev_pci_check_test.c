// SPDX-License-Identifier: GPL-2.0-only
/* KUnit tests of mdev_pci_check.c, which includes this file. */
#include <kunit/test.h>

static int mdev_pci_test_map(struct mdev_pci *pci, struct vm_area_struct *vma,
			     u64 offset)
{
	return 0;
}

static int mdev_pci_test_read(struct mdev_pci *pci, u64 offset,
			      unsigned int width, u64 *val)
{
	return 0;
}

static int mdev_pci_test_write(struct mdev_pci *pci, u64 offset,
			       unsigned int width, u64 val)
{
	return 0;
}

/* @fault is to be the one of which @words are a part. No words: no fault. */
static void mdev_pci_expect(struct kunit *test, const char *words,
			    const char *fault, unsigned int i)
{
	bool right = fault && words ? !!strstr(fault, words) : fault == words;

	KUNIT_EXPECT_TRUE_MSG(test, right, "%u: %s", i, fault ?: "no fault");
}

static void mdev_pci_test_bars(struct kunit *test)
{
	static const struct mdev_pci_area behind = { SZ_4K, SZ_4K };
	static const struct mdev_pci_area wraps = { -(u64)SZ_4K, SZ_4K };
	static const struct mdev_pci_area part = { 0, SZ_4K - 1 };
	static const struct mdev_pci_area odd = { 16, SZ_4K };
	static const struct {
		struct mdev_pci_bar bar;
		const char *fault;
	} bars[] = {
		{ { .size = 0 } },
		{ { .size = 16 } },
		{ { .size = SZ_2G } },
		{ { .size = SZ_4G }, "2 GiB" },
		{ { .size = 24 }, "power of two" },
		{ { .size = 8 }, "16 bytes" },
		{ { .size = 4, .flags = PCI_BASE_ADDRESS_SPACE_IO } },
		{ { .size = 2, .flags = PCI_BASE_ADDRESS_SPACE_IO },
		  "I/O ports take" },
		{ { .size = SZ_128K, .flags = PCI_BASE_ADDRESS_SPACE_IO },
		  "I/O ports take" },
		{ { .size = 4, .flags = 3 }, "no other flag" },
		{ { .size = SZ_4G, .flags = PCI_BASE_ADDRESS_MEM_TYPE_64 } },
		{ { .size = 1ULL << 40, .flags = PCI_BASE_ADDRESS_MEM_TYPE_64 } },
		{ { .size = 1ULL << 41, .flags = PCI_BASE_ADDRESS_MEM_TYPE_64 },
		  "1 TiB" },
		{ { .size = SZ_4K, .flags = PCI_BASE_ADDRESS_MEM_TYPE_1M },
		  "flag is unknown" },
		{ { .size = SZ_4K, .max_width = 8 } },
		{ { .size = SZ_4K, .max_width = 3 }, "max_width" },
		{ { .size = SZ_4K, .max_width = 16 }, "max_width" },
		{ { .size = SZ_8K, .areas = &behind, .nr_areas = 1 } },
		{ { .size = SZ_4K, .areas = &behind, .nr_areas = 1 }, "behind" },
		{ { .size = SZ_8K, .areas = &wraps, .nr_areas = 1 }, "behind" },
		{ { .size = SZ_8K, .areas = &part, .nr_areas = 1 },
		  "whole pages" },
		{ { .size = SZ_8K, .areas = &odd, .nr_areas = 1 },
		  "whole pages" },
		{ { .size = SZ_8K, .nr_areas = 1 }, "areas is not" },
		/* Row 62 */
		{ { .size = 0x100, .mmap = mdev_pci_test_map },
		  "smaller than a page" },
		{ { .size = PAGE_SIZE, .mmap = mdev_pci_test_map } },
	};
	static const struct mdev_pci_bar pair[2] = {
		{ .size = SZ_4K, .flags = PCI_BASE_ADDRESS_MEM_TYPE_64 },
		{ .size = SZ_4K },
	};
	struct mdev_pci_bar two[2] = {};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bars); i++) {
		two[0] = bars[i].bar;
		mdev_pci_expect(test, bars[i].fault, mdev_pci_bar_fault(two, 0),
				i);
	}
	/* A 64 bit BAR takes two places. */
	mdev_pci_expect(test, "not free", mdev_pci_bar_fault(pair, 0), i);
	mdev_pci_expect(test, "not free", mdev_pci_bar_fault(pair, 5), i);
}

static void mdev_pci_test_regions(struct kunit *test)
{
	static const struct {
		struct mdev_pci_region region;
		const char *fault;
	} regions[] = {
		{ { .size = 1, .read = mdev_pci_test_read } },
		{ { .size = 1ULL << 40, .write = mdev_pci_test_write } },
		{ { .size = 0 } },
		{ { .size = (1ULL << 40) + 1, .read = mdev_pci_test_read },
		  "1 TiB" },
		{ { .size = U64_MAX, .read = mdev_pci_test_read }, "1 TiB" },
		{ { .size = 1 }, "neither" },
	};
	struct mdev_pci_region two[2] = {
		{ .size = 1, .read = mdev_pci_test_read },
	};
	struct mdev_pci_desc desc = {};
	unsigned int i, index;

	mdev_pci_expect(test, NULL, mdev_pci_regions_fault(&desc, &index), 0);
	desc.nr_regions = 2;
	mdev_pci_expect(test, "regions is not",
			mdev_pci_regions_fault(&desc, &index), 0);

	desc.regions = two;
	for (i = 0; i < ARRAY_SIZE(regions); i++) {
		two[1] = regions[i].region;
		mdev_pci_expect(test, regions[i].fault,
				mdev_pci_regions_fault(&desc, &index), i);
		if (regions[i].fault)
			KUNIT_EXPECT_EQ(test, 1, index);
	}

	/* Their number is known before any of them is looked at. */
	desc.nr_regions = MDEV_PCI_MAX_REGIONS + 1;
	mdev_pci_expect(test, "too many",
			mdev_pci_regions_fault(&desc, &index), 0);
	desc.nr_regions = UINT_MAX;
	mdev_pci_expect(test, "too many",
			mdev_pci_regions_fault(&desc, &index), 0);
}

static void mdev_pci_test_msix(struct kunit *test)
{
	static const struct mdev_pci_desc desc = {
		.bar[0] = { .size = SZ_4K },
		.bar[1] = { .size = 64, .flags = PCI_BASE_ADDRESS_SPACE_IO },
		.bar[2] = { .size = SZ_8G,
			    .flags = PCI_BASE_ADDRESS_MEM_TYPE_64 },
	};
	static const struct {
		struct mdev_pci_msix msix;
		const char *fault;
	} places[] = {
		/* BAR, table and its size, pending bits and their size */
		{ { 0, 0, 0x20, 0x20, 8 } },
		{ { 0, 8, 0x20, 0, 8 } },
		{ { 0, 0xfe0, 0x20, 0, 8 } },
		{ { 0, 0, 0x20, 0xff8, 8 } },
		{ { 1, 0, 0x20, 0x20, 8 }, "no memory BAR" },
		{ { 3, 0, 0x20, 0x20, 8 }, "no memory BAR" },
		{ { 6, 0, 0x20, 0x20, 8 }, "no memory BAR" },
		{ { UINT_MAX, 0, 0x20, 0x20, 8 }, "no memory BAR" },
		{ { 0, 4, 0x20, 0x80, 8 }, "multiple of 8" },
		{ { 0, 0, 0x20, 0x84, 8 }, "multiple of 8" },
		{ { 0, 0xfe8, 0x20, 0, 8 }, "table ends" },
		{ { 0, 0, 0x1010, 0, 8 }, "table ends" },
		{ { 0, -8ULL, 0x20, 0, 8 }, "table ends" },
		{ { 2, SZ_4G, 0x20, 0, 8 }, "table ends" },
		{ { 0, 0, 0x20, 0x1000, 8 }, "bits end" },
		{ { 0, 0, 0x20, -8ULL, 8 }, "bits end" },
		{ { 2, 0, 0x20, SZ_4G, 8 }, "bits end" },
		{ { 0, 0, 0x20, 0, 8 }, "overlap" },
		{ { 0, 0, 0x20, 0x18, 8 }, "overlap" },
		{ { 0, 0x100, 0x20, 0xf8, 0x10 }, "overlap" },
		{ { 0, 0x100, 0x20, 0x80, 0x100 }, "overlap" },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(places); i++)
		mdev_pci_expect(test, places[i].fault,
				mdev_pci_msix_fault(&desc, &places[i].msix), i);
}

static struct kunit_case mdev_pci_check_cases[] = {
	KUNIT_CASE(mdev_pci_test_bars),
	KUNIT_CASE(mdev_pci_test_regions),
	KUNIT_CASE(mdev_pci_test_msix),
	{}
};

static struct kunit_suite mdev_pci_check_suite = {
	.name = "mdev-pci-check",
	.test_cases = mdev_pci_check_cases,
};

kunit_test_suite(mdev_pci_check_suite);
