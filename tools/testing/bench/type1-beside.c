// SPDX-License-Identifier: GPL-2.0
/*
 * Pins while something else is unmapped that takes long: a driver pins a page and
 * unpins it, again and again, on a CPU of its own, until the UNMAP_DMA is over.
 * What counts is the call that took longest, as a device waits for it, in the round
 * in which that was least: other work on the machine makes some rounds worse, but
 * what has to wait for an unmap does so in each.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "type1.h"

#define ROUNDS		11
#define APART		0x10000000000ull	/* where the page is that is pinned */

enum phase { BEFORE, DURING, AFTER };

static enum phase phase;
static bool ready;
static __u64 longest;		/* nanoseconds */
static int other_device;

static void *pin_until_after(void *unused)
{
	struct bench_pin_job job = {
		.op = BENCH_PAIR,
		.at = APART,
		.calls = 1,
		.size = 1,
		.stride = 1,
	};
	enum phase now;

	(void)unused;
	stay_on(1);
	do {
		__u64 start = nanoseconds(), took;

		if (ioctl(other_device, BENCH_PIN_RUN, &job))
			fail("cannot pin beside an unmap");
		took = nanoseconds() - start;
		now = __atomic_load_n(&phase, __ATOMIC_SEQ_CST);
		if (now != BEFORE && took > longest)
			longest = took;
		__atomic_store_n(&ready, true, __ATOMIC_SEQ_CST);
	} while (now != AFTER);
	return NULL;
}

/* How long the unmap took. */
static __u64 unmap_beside_pins(void)
{
	pthread_t thread;
	__u64 start, took;

	longest = 0;
	ready = false;
	phase = BEFORE;
	if (pthread_create(&thread, NULL, pin_until_after, NULL))
		fail("cannot start a thread");
	while (!__atomic_load_n(&ready, __ATOMIC_SEQ_CST))
		;
	__atomic_store_n(&phase, DURING, __ATOMIC_SEQ_CST);
	start = nanoseconds();
	unmap(IOVA, MAPPINGS * PAGE);
	took = nanoseconds() - start;
	__atomic_store_n(&phase, AFTER, __ATOMIC_SEQ_CST);
	if (pthread_join(thread, NULL))
		fail("cannot end a thread");
	return took;
}

static void map_each(void)
{
	unsigned int i;

	for (i = 0; i < MAPPINGS; i++)
		map_slot(i);
}

static void map_at_once_and_pin(void)
{
	map(IOVA, memory, MAPPINGS * PAGE);
	pin();
}

static void put_time(const char *name, const char *what, __u64 took)
{
	char line[128];

	snprintf(line, sizeof(line), "row %s beside-%s-%s %llu %u\n", label, name,
		 what, took, ROUNDS);
	put_line(line);
}

static void beside(const char *name, void (*prepare)(void))
{
	__u64 pins = UINT64_MAX, unmaps = UINT64_MAX, took;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		prepare();
		usleep(SETTLE_US);
		took = unmap_beside_pins();
		if (took < unmaps)
			unmaps = took;
		if (longest < pins)
			pins = longest;
	}
	put_time(name, "pin", pins);
	put_time(name, "unmap", unmaps);
}

void beside_group(void)
{
	static const struct pin_row pinned = { .size = 16, .pages = MAPPINGS };
	int other;

	if (!wanted("streams", "beside") || sysconf(_SC_NPROCESSORS_ONLN) < 2)
		return;
	row = &pinned;
	stay_on(0);
	want_memory(SCATTERED, 1);
	set_up(true, false);
	other = open_pin_group(1);
	join(other);
	other_device = open_device(other, 1);
	map(APART, memory, PAGE);

	beside("mappings", map_each);
	beside("pinned", map_at_once_and_pin);

	close(other_device);
	close(other);
	tear_down();
}
