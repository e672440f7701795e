/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What vfio_type1_test.ko and the tests agree on: the private commands of its
 * devices, which pin, access and release the memory of a container, and what
 * can be mapped of their files. A command fails as what it called did.
 */
#ifndef _VFIO_TYPE1_TEST_ABI_H
#define _VFIO_TYPE1_TEST_ABI_H

#include <linux/types.h>
#include <linux/vfio.h>

/* Device N is "vfio_type1_test.N". */
#define TYPE1_TEST_DEVICES	4
#define TYPE1_TEST_RW_MAX	(4UL << 20)

#define TYPE1_TEST_READ		1	/* IOMMU_READ */
#define TYPE1_TEST_WRITE	2	/* IOMMU_WRITE */

/* What calls the VFIO core */
enum type1_test_context {
	TYPE1_TEST_CALLER,	/* the process itself */
	TYPE1_TEST_KTHREAD,	/* a kernel thread */
	TYPE1_TEST_KTHREAD_MM,	/* one that has adopted the caller's memory */
	TYPE1_TEST_CONTEXTS
};

/*
 * Pins npage pages from iova on. For each its page frame number goes to pfns
 * and its first word, read through the pin, to words, where these are not 0.
 */
struct type1_test_pin {
	__u64 iova;
	__u64 pfns;
	__u64 words;
	__u32 npage;
	__u32 prot;
	__u32 context;
	__u32 reserved;
};

#define TYPE1_TEST_PIN		_IOW(VFIO_TYPE, VFIO_BASE + 100, struct type1_test_pin)

/*
 * Unpins once each page of a range that this device has pinned. Answers how
 * many these were; prot, pfns and words are unused.
 */
#define TYPE1_TEST_UNPIN	_IOW(VFIO_TYPE, VFIO_BASE + 101, struct type1_test_pin)

/* Reads or writes memory by the core's copying, len bytes at most. */
struct type1_test_rw {
	__u64 iova;
	__u64 data;
	__u64 len;
	__u32 write;
	__u32 context;
};

#define TYPE1_TEST_RW		_IOW(VFIO_TYPE, VFIO_BASE + 102, struct type1_test_rw)

/* Reads or writes the word at iova through this device's pin of its page. */
struct type1_test_word {
	__u64 iova;
	__u64 value;
	__u32 write;
	__u32 reserved;
};

#define TYPE1_TEST_WORD		_IOWR(VFIO_TYPE, VFIO_BASE + 103, struct type1_test_word)

/*
 * Looks at a page: of the caller's memory at vaddr if this is not 0, else the
 * one that is pinned at iova. count is how often this device has pinned iova,
 * refs how often the folio is referenced.
 */
struct type1_test_page {
	__u64 vaddr;
	__u64 iova;
	__u64 pfn;
	__u64 refs;
	__u32 count;
	__u32 flags;
#define TYPE1_TEST_PAGE_LARGE	1
#define TYPE1_TEST_PAGE_ZERO	2
};

#define TYPE1_TEST_PAGE		_IOWR(VFIO_TYPE, VFIO_BASE + 104, struct type1_test_page)

/* A pin of a small page adds this to its references, one of a large page 1. */
#define TYPE1_TEST_PIN_REFS	1024

/* What the device does when it is told that memory goes */
enum type1_test_unmap {
	TYPE1_TEST_UNMAP_UNPIN,		/* unpins it at once */
	TYPE1_TEST_UNMAP_IGNORE,
	TYPE1_TEST_UNMAP_NTH,		/* unpins when told the nth time */
	TYPE1_TEST_UNMAP_LATE,		/* unpins n milliseconds later */
	TYPE1_TEST_UNMAPS
};

/* Lasts until the device is closed, as do the numbers of TYPE1_TEST_NEWS. */
struct type1_test_behave {
	__u32 unmap;
	__u32 n;
	__u32 keep;	/* does not unpin what is left when it is closed */
	__u32 reserved;
};

#define TYPE1_TEST_BEHAVE	_IOW(VFIO_TYPE, VFIO_BASE + 105, struct type1_test_behave)

/* What it was told since it was last asked; iova and size of the last time. */
struct type1_test_news {
	__u64 iova;
	__u64 size;
	__u64 unpinned;
	__u32 unmaps;
	__u32 faults;	/* of TYPE1_TEST_AREA_NONE, without a page or an error */
};

#define TYPE1_TEST_NEWS		_IOWR(VFIO_TYPE, VFIO_BASE + 106, struct type1_test_news)

/*
 * What can be mapped: TYPE1_TEST_AREA_PAGES pages each, without reference
 * counts. The first word of page n of AREA_EAGER and AREA_LAZY (the same pages,
 * the latter enter the page table when touched) is TYPE1_TEST_AREA_WORD + n.
 * AREA_IO has no memory behind it and must not be touched. AREA_OWN are pages as
 * any driver has some: they are counted, and could be freed while a pin that holds
 * no reference is used. AREA_NONE can be pinned, but a caller that may not let go of
 * the address space while it waits gets no page and no error, so often; and then the
 * error that others get at once. Linux 6.1 passes that on, later kernels warn. AREA_LATE
 * are pages that come when touched, as userfaultfd brings them: while the device holds
 * them back, a task that copies or touches them waits. A pin does not wait, as with
 * userfaultfd: EFAULT. AREA_FAR is like AREA_IO; the number of its first page is the last
 * that type1 keeps, where the machine's page tables go further.
 */
#define TYPE1_TEST_AREA_PAGES	16UL
#define TYPE1_TEST_AREA_EAGER	0UL
#define TYPE1_TEST_AREA_LAZY	0x100000UL
#define TYPE1_TEST_AREA_IO	0x200000UL
#define TYPE1_TEST_AREA_NONE	0x300000UL
#define TYPE1_TEST_AREA_OWN	0x400000UL
#define TYPE1_TEST_AREA_LATE	0x500000UL
#define TYPE1_TEST_AREA_FAR	0x600000UL
#define TYPE1_TEST_AREA_WORD	0x7e57a4ea0000UL
#define TYPE1_TEST_FAULTS	100

/* Whether pages of TYPE1_TEST_AREA_LATE are held back; how many wait for some. */
struct type1_test_late {
	__u32 hold;
	__u32 waiting;
};

#define TYPE1_TEST_LATE		_IOWR(VFIO_TYPE, VFIO_BASE + 107, struct type1_test_late)

#endif /* _VFIO_TYPE1_TEST_ABI_H */
