// SPDX-License-Identifier: GPL-2.0
/*
 * Rows about much memory: pages of a huge page of 1 GiB, and one page in each
 * 2 MiB of 1 TiB. These take long, and are measured only if they are asked for.
 *
 * The 1 TiB is the same huge page, again and again. That is 32 times what a device
 * can pin, so 32 devices do it.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <unistd.h>

#include "type1.h"

#ifndef MFD_HUGE_1GB
#define MFD_HUGE_1GB	(30u << 26)
#endif

#define GIGABYTE	0x40000000ull
#define TERABYTE	(1024 * GIGABYTE)
#define STRETCH		512	/* pages */
#define STRETCHES	(BENCH_PIN_DEVICES * PAGES)

static int groups[BENCH_PIN_DEVICES], devices[BENCH_PIN_DEVICES];

/* Nothing, if the machine has no such page free. */
static char *map_terabyte(void)
{
	int fd = memfd_create("bench", MFD_CLOEXEC | MFD_HUGETLB | MFD_HUGE_1GB);
	char *at, *first;
	size_t done;

	if (fd < 0 || ftruncate(fd, GIGABYTE))
		return NULL;
	at = mmap(NULL, TERABYTE + GIGABYTE, PROT_NONE,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (at == MAP_FAILED)
		fail("no room for 1 TiB");
	first = (char *)(((uintptr_t)at + GIGABYTE - 1) & -GIGABYTE);
	for (done = 0; done < TERABYTE; done += GIGABYTE) {
		if (mmap(first + done, GIGABYTE, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED)
			break;
		first[done] = 1;
	}
	close(fd);
	if (done == TERABYTE)
		return first;
	munmap(at, TERABYTE + GIGABYTE);
	return NULL;
}

/* Of the first huge page, as far as one device can pin it */

static const struct pin_row gigabyte_rows[] = {
	{ "worst-1g-pin-1", BENCH_PIN, 1 },
	{ "worst-1g-pin-512", BENCH_PIN, 512 },
	{ "worst-1g-unpin-1", BENCH_UNPIN, 1 },
	{ "worst-1g-unpin-512", BENCH_UNPIN, 512 },
};

static void gigabyte(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(gigabyte_rows); i++) {
		row = &gigabyte_rows[i];
		if (!wanted("worst", row->name))
			continue;
		set_up(true, false);
		if (!floor_only)
			map(IOVA, memory, GIGABYTE);
		if (row->op == BENCH_PIN)
			measure(row->name, PAGES, NULL, pin, unpin_otherwise);
		else
			measure(row->name, PAGES, pin_otherwise, unpin, NULL);
		tear_down();
	}
}

/* One page a stretch */

static void in_stretches(enum bench_pin_op op)
{
	const __u64 part = (__u64)PAGES * STRETCH * PAGE;
	unsigned int i;

	for (i = 0; i < BENCH_PIN_DEVICES; i++) {
		struct bench_pin_job job = {
			.op = floor_only ? op - BENCH_PIN + BENCH_GUP : op,
			.at = (floor_only ? (uintptr_t)memory : IOVA) + i * part,
			.calls = PAGES,
			.size = 1,
			.stride = STRETCH,
		};

		device = devices[i];
		submit(&job);
	}
}

static void pin_stretches(void)
{
	in_stretches(BENCH_PIN);
}

static void unpin_stretches(void)
{
	in_stretches(BENCH_UNPIN);
}

static void unmap_terabyte(void)
{
	unmap(IOVA, TERABYTE);
}

static void terabyte(void)
{
	double before;
	int i;

	set_up(true, false);
	groups[0] = group;
	devices[0] = device;
	for (i = 1; i < BENCH_PIN_DEVICES; i++) {
		groups[i] = open_pin_group(i);
		join(groups[i]);
		devices[i] = open_device(groups[i], i);
	}
	if (!floor_only)
		map(IOVA, memory, TERABYTE);
	pin_stretches();
	unpin_stretches();

	before = bytes_used();
	measure_once("worst-1t-pin", STRETCHES, pin_stretches);
	if (!floor_only)
		put_bytes_row("worst-1t-bytes", bytes_used() - before, STRETCHES);
	measure_once("worst-1t-unpin", STRETCHES, unpin_stretches);
	if (!floor_only) {
		pin_stretches();
		measure_once("worst-1t-unmap", STRETCHES, unmap_terabyte);
	}

	for (i = 1; i < BENCH_PIN_DEVICES; i++) {
		close(devices[i]);
		close(groups[i]);
	}
	group = groups[0];
	device = devices[0];
	tear_down();
}

static bool gigabyte_wanted(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(gigabyte_rows); i++)
		if (wanted("worst", gigabyte_rows[i].name))
			return true;
	return false;
}

/* One is measured with the others. */
static bool terabyte_wanted(void)
{
	return wanted("worst", "worst-1t-pin") ||
	       wanted("worst", "worst-1t-unpin") ||
	       wanted("worst", "worst-1t-unmap") ||
	       wanted("worst", "worst-1t-bytes");
}

void worst_group(void)
{
	if (!rows_given() || !(gigabyte_wanted() || terabyte_wanted()))
		return;
	memory = map_terabyte();
	if (!memory) {
		fprintf(stderr, "bench: no page of 1 GiB is free: no rows of group worst\n");
		return;
	}
	gigabyte();
	if (terabyte_wanted())
		terabyte();
	munmap(memory, TERABYTE);
	memory = NULL;
}
