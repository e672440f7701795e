// SPDX-License-Identifier: GPL-2.0-only
/*
 * Prints how many thousand times a second the time stamp counter of this machine
 * counts, which is what QEMU's emulator shows a guest. It is no use to ask
 * /proc/cpuinfo, which says how fast the processor is just now.
 *
 * A reading is of both clocks, and of many the one that was disturbed least.
 */
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

#define READINGS	1000

struct reading {
	unsigned long long ticks;
	long long ns;
};

static struct reading read_clocks(void)
{
	unsigned long long before, after, least = -1ULL;
	struct reading best = { };
	struct timespec now;
	int i;

	for (i = 0; i < READINGS; i++) {
		before = __rdtsc();
		clock_gettime(CLOCK_MONOTONIC, &now);
		after = __rdtsc();
		if (after - before >= least)
			continue;
		least = after - before;
		best.ticks = before + least / 2;
		best.ns = now.tv_sec * 1000000000LL + now.tv_nsec;
	}
	return best;
}

int main(void)
{
	const struct timespec some_time = { .tv_nsec = 300000000 };
	struct reading from = read_clocks(), to;

	nanosleep(&some_time, NULL);
	to = read_clocks();
	printf("%.0f\n", (to.ticks - from.ticks) * 1e6 / (to.ns - from.ns));
	return 0;
}
