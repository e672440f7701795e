// SPDX-License-Identifier: GPL-2.0-only
/*
 * PCI-like mediated devices: what in a description no device can have
 *
 * Each function looks at one thing that the vendor driver says of its device,
 * and answers what is wrong with it, in words that end a sentence in the kernel
 * log; NULL if nothing is. What has passed here is relied on everywhere else: a
 * region's index and any position in it fit into a file offset, and what may be
 * mapped consists of whole pages.
 *
 * No locks, no device.
 */
#include <linux/align.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/nospec.h>

#include "mdev_pci_private.h"

#define MDEV_PCI_IO_BAR_MAX	SZ_64K
/* A region must have an index that vfio_mdev takes. */
#define MDEV_PCI_MAX_REGIONS	(256 - VFIO_PCI_NUM_REGIONS)

static const char *mdev_pci_bar_size_fault(const struct mdev_pci_bar *bar)
{
	if (!is_power_of_2(bar->size))
		return "its size is no power of two";
	if (mdev_pci_bar_is_io(bar))
		return bar->size >= 4 && bar->size <= MDEV_PCI_IO_BAR_MAX ?
		       NULL : "I/O ports take 4 bytes to 64 KiB";
	if (bar->size < 16)
		return "memory takes 16 bytes at least";
	if (mdev_pci_bar_is_64(bar))
		return bar->size <= 1ULL << MDEV_PCI_OFFSET_SHIFT ?
		       NULL : "no BAR may have more than 1 TiB";
	return bar->size <= SZ_2G ?
	       NULL : "more than 2 GiB need PCI_BASE_ADDRESS_MEM_TYPE_64";
}

static const char *mdev_pci_bar_flags_fault(const struct mdev_pci_bar *bar)
{
	if (mdev_pci_bar_is_io(bar))
		return bar->flags == PCI_BASE_ADDRESS_SPACE_IO ?
		       NULL : "I/O ports have no other flag";
	return bar->flags & ~(PCI_BASE_ADDRESS_MEM_TYPE_64 |
			      PCI_BASE_ADDRESS_MEM_PREFETCH) ?
	       "a flag is unknown" : NULL;
}

static const char *mdev_pci_bar_map_fault(const struct mdev_pci_bar *bar)
{
	const struct mdev_pci_area *area;
	unsigned int i;

	/* As a real one's, whose page something else could share */
	if (bar->mmap && !PAGE_ALIGNED(bar->size))
		return "it has an mmap callback and is smaller than a page";
	if (bar->nr_areas && !bar->areas)
		return "nr_areas is set and areas is not";

	for (i = 0; i < bar->nr_areas; i++) {
		area = &bar->areas[i];
		if (!area->size || !PAGE_ALIGNED(area->offset) ||
		    !PAGE_ALIGNED(area->size))
			return "an area does not consist of whole pages";
		if (area->size > bar->size ||
		    area->offset > bar->size - area->size)
			return "an area ends behind it";
	}
	return NULL;
}

/**
 * mdev_pci_bar_fault - what is wrong with a BAR?
 * @bar: element @index of the six in a description
 * @index: see there
 */
const char *mdev_pci_bar_fault(const struct mdev_pci_bar *bar,
			       unsigned int index)
{
	const char *fault;

	if (!bar->size)
		return NULL;

	fault = mdev_pci_bar_flags_fault(bar) ?:
		mdev_pci_bar_size_fault(bar) ?:
		mdev_pci_bar_map_fault(bar);
	if (fault)
		return fault;

	if (bar->max_width > 8 ||
	    (bar->max_width && !is_power_of_2(bar->max_width)))
		return "max_width is not 1, 2, 4 or 8";

	if (mdev_pci_bar_is_64(bar) &&
	    (index == PCI_STD_NUM_BARS - 1 || bar[1].size))
		return "it has 64 bits and the next one is not free";

	return NULL;
}

static const char *mdev_pci_region_fault(const struct mdev_pci_region *region)
{
	/* Absent, as a BAR is */
	if (!region->size)
		return NULL;
	if (region->size > 1ULL << MDEV_PCI_OFFSET_SHIFT)
		return "no region may have more than 1 TiB";
	if (!region->read && !region->write)
		return "it has neither a read nor a write callback";
	return NULL;
}

/**
 * mdev_pci_regions_fault - what is wrong with the further regions?
 * @desc: their description
 * @index: which of them it is, counted from 0; set where there is a fault
 */
const char *mdev_pci_regions_fault(const struct mdev_pci_desc *desc,
				   unsigned int *index)
{
	const char *fault;

	*index = 0;
	if (desc->nr_regions && !desc->regions)
		return "nr_regions is set and regions is not";

	*index = MDEV_PCI_MAX_REGIONS;
	if (desc->nr_regions > MDEV_PCI_MAX_REGIONS)
		return "there are too many";

	for (*index = 0; *index < desc->nr_regions; (*index)++) {
		fault = mdev_pci_region_fault(&desc->regions[*index]);
		if (fault)
			return fault;
	}
	return NULL;
}

static bool mdev_pci_msix_fits(const struct mdev_pci_bar *bar, u64 offset,
			       u64 size)
{
	return offset <= U32_MAX && size <= bar->size &&
	       offset <= bar->size - size;
}

/**
 * mdev_pci_msix_fault - what is wrong with where MSI-X keeps its table?
 * @desc: the device's description
 * @msix: place and size of the table and the pending bits
 */
const char *mdev_pci_msix_fault(const struct mdev_pci_desc *desc,
				const struct mdev_pci_msix *msix)
{
	const struct mdev_pci_bar *bar;

	if (msix->bar >= PCI_STD_NUM_BARS)
		return "the table is in no memory BAR";
	bar = &desc->bar[array_index_nospec(msix->bar, PCI_STD_NUM_BARS)];
	if (!bar->size || mdev_pci_bar_is_io(bar))
		return "the table is in no memory BAR";

	if (!IS_ALIGNED(msix->table, 8) || !IS_ALIGNED(msix->pba, 8))
		return "table or pending bits are not at a multiple of 8";
	if (!mdev_pci_msix_fits(bar, msix->table, msix->table_size))
		return "the table ends behind its BAR";
	if (!mdev_pci_msix_fits(bar, msix->pba, msix->pba_size))
		return "the pending bits end behind their BAR";
	if (msix->table < msix->pba + msix->pba_size &&
	    msix->pba < msix->table + msix->table_size)
		return "table and pending bits overlap";
	return NULL;
}

#if IS_ENABLED(CONFIG_VFIO_MDEV_KUNIT_TEST)
#include "mdev_pci_check_test.c"
#endif
