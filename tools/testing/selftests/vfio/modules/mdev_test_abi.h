/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the test vendor drivers and the tests agree on: the regions and
 * interrupts of their devices, and their private commands.
 */
#ifndef _MDEV_TEST_ABI_H
#define _MDEV_TEST_ABI_H

#include <linux/types.h>
#include <linux/vfio.h>

/* A region's offset in the device's file is its index shifted by this. */
#define MDEV_TEST_OFFSET_SHIFT		40

enum mdev_test_region {
	MDEV_TEST_REGION_REGS,	/* read and write */
	MDEV_TEST_REGION_MEM,	/* and mmap, of two areas (sparse) */
	MDEV_TEST_REGION_BIG,	/* reads as zeros, writes are dropped */
	MDEV_TEST_REGION_NONE,	/* size 0 */
	MDEV_TEST_REGION_ROM,	/* read only, an odd size */
	MDEV_TEST_REGION_TYPED,	/* capabilities type and mmappable */
	MDEV_TEST_REGION_INPUT,	/* read and mmap */
	MDEV_TEST_REGION_OUTPUT, /* write and mmap */
	MDEV_TEST_REGION_SHORT,	/* read, write and mmap, less than a page */
	MDEV_TEST_REGION_ODD,	/* likewise, a page and a half */
	MDEV_TEST_NUM_REGIONS
};

/* What can be mapped consists of pages, of the size that this machine has. */
#ifdef __KERNEL__
#define MDEV_TEST_PAGE			PAGE_SIZE
#else
#define MDEV_TEST_PAGE			((unsigned long)sysconf(_SC_PAGESIZE))
#endif

#define MDEV_TEST_REGS_SIZE		MDEV_TEST_PAGE
#define MDEV_TEST_MEM_SIZE		(16 * MDEV_TEST_PAGE)
#define MDEV_TEST_BIG_SIZE		0x80000000UL
#define MDEV_TEST_ROM_SIZE		0x123UL
#define MDEV_TEST_TYPED_SIZE		(2 * MDEV_TEST_PAGE)
#define MDEV_TEST_INPUT_SIZE		MDEV_TEST_PAGE
#define MDEV_TEST_OUTPUT_SIZE		MDEV_TEST_PAGE
#define MDEV_TEST_SHORT_SIZE		0x200UL
#define MDEV_TEST_ODD_SIZE		(MDEV_TEST_PAGE + MDEV_TEST_PAGE / 2)

/* The sparse areas of MDEV_TEST_REGION_MEM */
#define MDEV_TEST_AREA0_OFFSET		0x0UL
#define MDEV_TEST_AREA0_SIZE		(4 * MDEV_TEST_PAGE)
#define MDEV_TEST_AREA1_OFFSET		(8 * MDEV_TEST_PAGE)
#define MDEV_TEST_AREA1_SIZE		(2 * MDEV_TEST_PAGE)

#define MDEV_TEST_REGION_TYPE		0x7e57
#define MDEV_TEST_REGION_SUBTYPE	0x17

/* The capability of VFIO_DEVICE_GET_INFO: a header and this word. */
#define MDEV_TEST_INFO_CAP		0x7e57
#define MDEV_TEST_INFO_CAP_WORD		0x1f0cab1eULL

enum mdev_test_irq {
	MDEV_TEST_IRQ_LEVEL,	/* one, maskable and automasked */
	MDEV_TEST_IRQ_EDGES,	/* several, resized as a whole */
	MDEV_TEST_IRQ_REQUEST,	/* one, signalled by a removal */
	MDEV_TEST_IRQ_NONE,	/* count 0 */
	MDEV_TEST_NUM_IRQS
};

#define MDEV_TEST_NUM_EDGES		8

/* Answers arg, cut to 31 bits: does a command reach the vendor as it is? */
#define MDEV_TEST_ECHO			_IO(VFIO_TYPE, VFIO_BASE + 90)

/* Of mdev_test_pin: pin the page at IOVA arg, unpin it again */
#define MDEV_TEST_PIN			_IO(VFIO_TYPE, VFIO_BASE + 92)
#define MDEV_TEST_UNPIN			_IO(VFIO_TYPE, VFIO_BASE + 93)
/* Of mdev_test_pin, too: which of the answers to NULL is wrong? 0: none */
#define MDEV_TEST_PIN_NULLS		_IO(VFIO_TYPE, VFIO_BASE + 102)

/*
 * Of mdev_test_pci, a PCI card: what it does by itself, and what was done to it.
 * BAR 0 has memory, of which the areas can be mapped, BAR 1 ports, BAR 2 the
 * table of MSI-X and memory, BAR 4 registers of two bytes, BAR 5 nothing.
 */
#define MDEV_TEST_PCI_BAR0_SIZE		(8 * MDEV_TEST_PAGE)
#define MDEV_TEST_PCI_AREA0_OFFSET	MDEV_TEST_PAGE
#define MDEV_TEST_PCI_AREA0_SIZE	(2 * MDEV_TEST_PAGE)
#define MDEV_TEST_PCI_AREA1_OFFSET	(6 * MDEV_TEST_PAGE)
#define MDEV_TEST_PCI_AREA1_SIZE	(2 * MDEV_TEST_PAGE)
#define MDEV_TEST_PCI_BAR1_SIZE		0x40UL
#define MDEV_TEST_PCI_BAR2_SIZE		(4 * MDEV_TEST_PAGE)
#define MDEV_TEST_PCI_TABLE		MDEV_TEST_PAGE
#define MDEV_TEST_PCI_PBA		(2 * MDEV_TEST_PAGE)
#define MDEV_TEST_PCI_BAR4_SIZE		0x100UL
#define MDEV_TEST_PCI_BAR5_SIZE		0x10UL
#define MDEV_TEST_PCI_NR_MSI		8
#define MDEV_TEST_PCI_NR_MSIX		65
#define MDEV_TEST_PCI_REGION_SIZE	0x18UL
#define MDEV_TEST_PCI_SERIAL		0x0123456789abcdefULL

/**
 * struct mdev_test_pci_seen - the last access that reached the card
 * @bar: of this BAR, or VFIO_PCI_CONFIG_REGION_INDEX
 * @offset: where
 * @width: how many bytes
 * @write: it was a write
 * @count: accesses so far
 */
struct mdev_test_pci_seen {
	__u32 bar;
	__u32 offset;
	__u32 width;
	__u32 write;
	__u32 count;
};

/* A message; answers whether these are enabled */
#define MDEV_TEST_PCI_MESSAGE		_IO(VFIO_TYPE, VFIO_BASE + 94)
/* Answers how many are */
#define MDEV_TEST_PCI_VECTORS		_IO(VFIO_TYPE, VFIO_BASE + 95)
/* The level of INTx */
#define MDEV_TEST_PCI_INTX		_IO(VFIO_TYPE, VFIO_BASE + 96)
/* Breaks */
#define MDEV_TEST_PCI_ERROR		_IO(VFIO_TYPE, VFIO_BASE + 97)
/* Shows bits in its status register */
#define MDEV_TEST_PCI_STATUS		_IO(VFIO_TYPE, VFIO_BASE + 98)
/* Signals all that it has, from a timer, until told to stop or removed */
#define MDEV_TEST_PCI_STORM		_IO(VFIO_TYPE, VFIO_BASE + 99)
/* Answers into a struct mdev_test_pci_seen */
#define MDEV_TEST_PCI_SEEN		_IO(VFIO_TYPE, VFIO_BASE + 100)
/* Which of the helpers' answers to what makes no sense is wrong? 0: none */
#define MDEV_TEST_PCI_REFUSALS		_IO(VFIO_TYPE, VFIO_BASE + 101)

/* A device feature of eight bytes that can be set and got. */
#define MDEV_TEST_FEATURE		0x7e57

#endif /* _MDEV_TEST_ABI_H */
