/* SPDX-License-Identifier: GPL-2.0-only */
/* The ioctl by which the benchmark of type1 has its devices pin pages. */
#ifndef _BENCH_PIN_H
#define _BENCH_PIN_H

#include <linux/types.h>
#include <linux/vfio.h>

#define BENCH_PIN_DEVICES	32
#define BENCH_PIN_PAGES		16384
#define BENCH_PIN_BATCH		512

enum bench_pin_op {
	BENCH_PIN,		/* vfio_pin_pages() */
	BENCH_UNPIN,		/* vfio_unpin_pages() */
	BENCH_PAIR,		/* both, one after the other, for each call */
	BENCH_GUP,		/* pin_user_pages_fast() */
	BENCH_PUT,		/* unpin_user_pages_dirty_lock() */
	BENCH_GUP_PUT,		/* both, as above; not by a kernel thread */
	BENCH_STEPS,		/* what was loaded, by VFIO's functions */
	BENCH_GUP_STEPS,	/* by the others; not by a kernel thread */
	BENCH_READ,		/* vfio_dma_rw(), from the user's memory */
	BENCH_WRITE,		/* and to it */
	BENCH_COPY_FROM,	/* copy_from_user() */
	BENCH_COPY_TO,		/* copy_to_user() */
};

#define BENCH_PIN_SHUFFLED	0x1	/* calls are in no order */
#define BENCH_PIN_THREAD	0x2	/* made by a kernel thread */
#define BENCH_PIN_BESIDE	0x4	/* pairs: the page behind all stays pinned meanwhile */

/**
 * struct bench_pin_job - calls that a device is to make
 * @op: enum bench_pin_op
 * @flags: BENCH_PIN_*
 * @at: IOVA, or address where type1 is not asked
 * @calls: how many; of steps all are done, and this, @size and @stride are 1
 * @size: of one, in pages, or for copies in bytes
 * @stride: pages from one call to the next
 */
struct bench_pin_job {
	__u32 op;
	__u32 flags;
	__u64 at;
	__u32 calls;
	__u32 size;
	__u64 stride;
};

#define BENCH_PIN_RUN	_IO(VFIO_TYPE, VFIO_BASE + 101)

/**
 * struct bench_pin_step - a call of many that differ
 * @page: the first, counted from the job's address; the last is below
 *	BENCH_PIN_PAGES
 * @size: in pages
 * @unpin: or else they are pinned
 */
struct bench_pin_step {
	__u32 page;
	__u16 size;
	__u16 unpin;
};

#define BENCH_PIN_STEPS	65536

/**
 * struct bench_pin_load - steps for jobs to come
 * @steps: address of them
 * @count: how many
 * @zero: must be 0
 *
 * When all are done nothing is pinned. None may unpin what is not, or pin a page
 * more than 255 times over.
 */
struct bench_pin_load {
	__u64 steps;
	__u32 count;
	__u32 zero;
};

#define BENCH_PIN_LOAD	_IO(VFIO_TYPE, VFIO_BASE + 102)

#endif /* _BENCH_PIN_H */
