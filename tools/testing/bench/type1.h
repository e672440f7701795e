/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the parts of the program that measures type1 offer each other:
 *
 *	type1.c		how a row is measured; those of pins, mappings, copies
 *			and containers
 *	type1-mix.c	those of calls at random
 *	type1-worst.c	those of much memory
 *	type1-client.c	a user of VFIO: memory, containers, mappings, pins
 *	type1-bytes.c	rows about the kernel's memory
 *	type1-streams.c	rows about several CPUs
 *	type1-beside.c	pins beside an unmap
 */
#ifndef TYPE1_H
#define TYPE1_H

#include <linux/vfio.h>
#include <stddef.h>

#include "bench.h"
#include "modules/bench_pin.h"

#define PAGES		BENCH_PIN_PAGES
#define IOVA		0x100000000ull	/* where mappings start */
#define SETTLE_US	50000	/* for what the kernel frees later */

/* type1.c: whose module it is, what the PCI device is called, if there is one */
extern const char *label, *pci;
extern bool floor_only, by_iommufd;

/* How a row is measured, which does something so many times */
void measure(const char *name, unsigned int times, void (*prepare)(void),
	     void (*run)(void), void (*restore)(void));
void measure_once(const char *name, unsigned int times, void (*run)(void));
bool rows_given(void);
bool wanted(const char *group, const char *name);
void put_line(const char *line);

/* type1-client.c. Memory is PAGES pages, STRIDE pages from one to the next. */
extern char *memory;
extern size_t memory_size;

enum memory_kind {
	SCATTERED,	/* 4K pages that are no neighbours */
	HUGE,		/* huge pages */
	CONSECUTIVE,	/* 4K pages that lie behind each other, as huge ones did */
	SPLIT,		/* huge pages that the page table has in 4K */
	BLEND,		/* a huge page's worth of each, in turn */
};

void want_memory(enum memory_kind kind, unsigned int stride);

/* The container that functions are about, its last group, and its device */
extern int container, group, device;

void open_container(void);
void join(int group_fd);
void set_iommu(void);
int open_pin_group(int id);
int open_device(int group_fd, int id);
void set_up(bool emulated, bool with_pci);
void tear_down(void);

void map(__u64 iova, const void *at, size_t size);
void unmap(__u64 iova, size_t size);
void unmap_all(void);
void map_memory(unsigned int mappings);
void dirty_pages(__u32 flag);
void dirty_get(void);

/* How the pages of a row are pinned */
struct pin_row {
	const char *name;
	enum bench_pin_op op;	/* BENCH_PIN, BENCH_UNPIN or BENCH_PAIR */
	unsigned int size;	/* pages a call */
	enum memory_kind memory;
	unsigned int pages;	/* in all, if not PAGES */
	unsigned int stride;	/* only these pages exist, */
	bool dense;		/* or all do */
	unsigned int flags;
	unsigned int mappings;
	bool again, dirty, mixed;
	bool other;		/* by a process that has none of the memory */
};

extern const struct pin_row *row;

static inline unsigned int row_pages(void)
{
	return row->pages ? row->pages : PAGES;
}

void want_row_memory(void);

void submit(const struct bench_pin_job *job);
void pin(void);
void unpin(void);
void pair(void);

/* In calls of 512 where they can be, whatever the row says */
void pin_otherwise(void);
void unpin_otherwise(void);

/* Mappings of a page, with gaps of a page between them */
#define MAPPINGS	10000

void map_slot(unsigned int slot);
void refuse_slot(unsigned int slot);
void unmap_slot(unsigned int slot);
void map_many(void);

/* type1-mix.c. The same seed gives the same calls. */
void mix_group(__u64 seed);

/* type1-worst.c */
void worst_group(void);

/* type1-bytes.c, type1-streams.c */
double bytes_used(void);
void put_bytes_row(const char *name, double bytes, unsigned int times);
void memory_group(void);
__u64 nanoseconds(void);
void stay_on(unsigned int cpu);
void streams_group(void);

/* type1-beside.c */
void beside_group(void);

#endif /* TYPE1_H */
