/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A user of VFIO containers, and of the devices of vfio_type1_test.ko in them,
 * for the tests of vfio_iommu_type1. Functions answer what the system call
 * does, or a negated errno.
 */
#ifndef TYPE1_LIB_H
#define TYPE1_LIB_H

#include <linux/vfio.h>
#include <pthread.h>
#include <stdint.h>

#include "modules/vfio_type1_test_abi.h"
#include "vfio_util.h"

#define T1_READ		VFIO_DMA_MAP_FLAG_READ
#define T1_WRITE	VFIO_DMA_MAP_FLAG_WRITE
#define T1_RW		(T1_READ | T1_WRITE)

/* Pages of a call of the VFIO core's */
#define T1_MAX_PIN	512
/* Pages that our record keeps together */
#define T1_STRETCH	(PAGE / sizeof(__u64))
/* The last page of the IOVA space */
#define T1_LAST_PAGE	(~0ULL - PAGE + 1)

/* Is the kernel's own vfio_iommu_type1 loaded, and not ours? */
bool type1_is_stock(void);
/*
 * The same, unless TYPE1_STRICT in the environment asks to have tests run that
 * this one is known not to pass.
 */
bool stock_differs(void);

/*
 * The group of a device, given by its path in sysfs, joins a container: its
 * descriptor. And that of a device of it.
 */
int group_join(const char *device, int container);
int device_open(int group, const char *name);

/* The same, for what Linux 6.18's own module does right */
bool stock_lacks_the_top(void);
/* What a range gets that does not end below 2^64: EINVAL, from 6.18 on EOVERFLOW */
int beyond_the_top(void);
/* Later kernels' headers do not have the name any more. */
#ifndef VFIO_TYPE1_NESTING_IOMMU
#define VFIO_TYPE1_NESTING_IOMMU	6
#endif

/* Pages in a huge one, of which a page table that is full of pages maps as much */
unsigned long huge_pages(void);
/* May a process have memory there? On s390x anywhere, the kernel's addresses are its own. */
bool is_user_address(__u64 address);
/* Where a process's addresses end, and a page of the kernel's own memory */
__u64 user_end(void);
__u64 kernel_address(void);

/* Is VFIO_TYPE1_NESTING_IOMMU known? Until 6.13 */
bool knows_nesting(void);

/* May the kernel's functions that pin find nothing, and answer 0? */
bool none_is_no_error(void);
/* Do they pin the pages of zeros of memory that was never written? */
bool shares_zero_pages(void);

/* Containers; descriptors are -1 where not open. */
struct type1 {
	int container;
	int type;		/* of the IOMMU driver that it gets */
	bool has_driver;	/* it got it */
	int group[TYPE1_TEST_DEVICES];
	int device[TYPE1_TEST_DEVICES];
};

/* The first COUNT devices, open in a container with an IOMMU driver of TYPE. */
int type1_open(struct type1 *t, int type, unsigned int count);
/* A container alone, without a group or an IOMMU driver */
int type1_bare(struct type1 *t);
/* After its first group; if it has one nothing happens. */
int type1_set_driver(struct type1 *t);
/* One more device: its group joins, then its file is opened. */
int type1_join_group(struct type1 *t, unsigned int device);
int type1_join(struct type1 *t, unsigned int device);
/* It is closed, and its group leaves. */
void type1_leave(struct type1 *t, unsigned int device);
void type1_close(struct type1 *t);
int type1_parameter(const char *name, long long value);
long long type1_parameter_get(const char *name);

/* Mappings */
int dma_map(int container, const void *vaddr, __u64 iova, __u64 size,
	    __u32 flags);
/* How many bytes */
long long dma_unmap_flags(int container, __u64 iova, __u64 size, __u32 flags);
long long dma_unmap(int container, __u64 iova, __u64 size);
long long dma_unmap_all(int container);
/* And which of it is dirty */
long long dma_unmap_dirty(int container, __u64 iova, __u64 size, void *bitmap,
			  size_t bytes);

/* Dirty pages */
long dirty_start(int container);
long dirty_stop(int container);
long dirty_get(int container, __u64 iova, __u64 size, void *bitmap,
	       size_t bytes);
static inline bool bit_of(const __u64 *bitmap, unsigned int bit)
{
	return bitmap[bit / 64] >> (bit % 64) & 1;
}

/* What VFIO_IOMMU_GET_INFO says */
struct type1_info {
	__u32 flags;
	__u64 pgsizes;
	bool has_avail;
	__u32 avail;
	bool has_migration;
	struct vfio_iommu_type1_info_cap_migration migration;
	unsigned int nr_ranges;
	struct vfio_iova_range range[16];
};

int type1_get_info(int container, struct type1_info *info);

/* The test device */
long pin_words(int device, __u64 iova, unsigned int npage, __u32 prot,
	       __u64 *words);
long pin_pfns(int device, __u64 iova, unsigned int npage, __u32 prot,
	      __u64 *pfns);
long pin_in(int device, enum type1_test_context context, __u64 iova,
	    unsigned int npage, __u32 prot);
long pin(int device, __u64 iova, unsigned int npage, __u32 prot);
long unpin(int device, __u64 iova, unsigned int npage);
long rw_in(int device, enum type1_test_context context, __u64 iova, void *data,
	   size_t len, bool write);
long rw_read(int device, __u64 iova, void *data, size_t len);
long rw_write(int device, __u64 iova, const void *data, size_t len);
/* A word through a pin; a negated errno, as if it were the word. */
__u64 load(int device, __u64 iova);
long store(int device, __u64 iova, __u64 value);
/* How often the device has pinned it */
int pins_of(int device, __u64 iova);
/* How often the page at an address of ours is referenced, and what it is */
struct type1_test_page page_at(int device, const void *vaddr);
long behave(int device, enum type1_test_unmap unmap, unsigned int n, bool keep);
struct type1_test_news news(int device);

/* One of its areas, AREA pages of PROT, or NULL */
#define AREA	TYPE1_TEST_AREA_PAGES
char *area(int device, unsigned long which, int prot);

/* Are the pages of its TYPE1_TEST_AREA_LATE held back? How many wait for some? */
int hold_back(int device, bool hold);

/* Memory: its pages begin with words that tell one from another. */
#define T1_MARK(page)	(0xabcd000000000000ULL + (page))
char *marked_memory(unsigned int pages);
void mark_memory(char *mem, unsigned int pages);
/*
 * Marked memory from the start of a stretch on, of an even number of pages, that lie
 * scattered: one of the first half of a file and one of the second in turn
 */
char *scattered_memory(unsigned int pages);
/* Private memory that was never touched */
char *fresh_memory(unsigned int pages, int prot);
/*
 * Marked memory with a protection key that forbids this thread all or, if it may
 * be READ, to write. NULL: there are no keys here.
 */
char *keyed_memory(unsigned int pages, bool read);
/*
 * Memory whose pages a thread brings when userfaultfd asks for them, a little
 * late. ASKED is how often that was. -EOPNOTSUPP: there is no userfaultfd() here, or this
 * is a kernel that debugs it.
 */
struct late_memory {
	char *mem;
	unsigned int pages;
	unsigned int asked;
	int fd;
	int stop[2];
	pthread_t thread;
};

int late_begin(struct late_memory *late, unsigned int pages);
void late_end(struct late_memory *late);
/* What /proc/self/pagemap says of an address of ours; 0 if it is not there. */
__u64 pfn_at(const void *vaddr);

/* What a test works with, and what has to be as it was when it ends */
struct type1_use {
	struct type1 t;
	char *mem;
	long long held;
	long long locked;
};

#define T1_PAGES	1024U	/* of use->mem */
#define T1_IOVA		0x40000000ULL

int use_begin(struct type1_use *use, unsigned int devices);
/* Everything of use->mem is mapped at T1_IOVA */
int use_map(struct type1_use *use);
void use_end(struct type1_use *use);

/* Since use_begin() */
#define HELD(use)	(pages_held() - (use)->held)
#define LOCKED(use)	(pages_locked() - (use)->locked)

#endif /* TYPE1_LIB_H */
