// SPDX-License-Identifier: GPL-2.0
/*
 * Rows of calls at random, of all sizes and in all orders, that nobody tuned
 * anything for: pages are pinned alone and in ranges, again and again, beside
 * others or far from them, and unpinned in other ranges and in another order.
 *
 * The driver gets the calls as a list (BENCH_PIN_LOAD). They come in phases; in
 * each the calls are within some part of the memory, up to some size, in some
 * order, and so many of them unpin. At the end all is unpinned.
 */
#include <stdint.h>
#include <sys/ioctl.h>

#include "type1.h"

#define STEPS		8192	/* before all that is left is unpinned */
#define DEPTH		3	/* a page is pinned so many times at most */

static struct bench_pin_step steps[BENCH_PIN_STEPS];
static unsigned int count;
static unsigned int pinned;	/* pages, by all calls together */
static unsigned char depths[PAGES];

static __u64 state;

static unsigned int random_below(unsigned int bound)
{
	__u64 z;

	state += 0x9e3779b97f4a7c15;
	z = (state ^ state >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return (z ^ z >> 31) % bound;
}

enum order { FORWARD, BACKWARD, ANY, ORDERS };

struct phase {
	unsigned int first, pages;	/* that calls begin in */
	unsigned int size;		/* at most */
	unsigned int unpins;		/* of eight calls */
	enum order order;
	bool pairs;			/* unpinned right after */
	unsigned int at;		/* in the part */
};

static struct phase new_phase(void)
{
	static const unsigned int sizes[] = { 1, 1, 1, 1, 4, 16, 64, 512 };
	struct phase phase = {
		.pages = 16u << random_below(11),
		.size = sizes[random_below(ARRAY_SIZE(sizes))],
		.unpins = random_below(8),
		.order = random_below(ORDERS),
		.pairs = !random_below(6),
	};

	phase.first = random_below(PAGES - phase.pages + 1);
	phase.at = random_below(phase.pages);
	return phase;
}

/* How many pages a call may be about that begins here. */
static unsigned int fits(unsigned int page, unsigned int size, bool unpin)
{
	unsigned int n = 0;

	while (n < size && page + n < PAGES &&
	       (unpin ? depths[page + n] > 0 : depths[page + n] < DEPTH))
		n++;
	return n;
}

static void add_step(unsigned int page, unsigned int size, bool unpin)
{
	unsigned int i;

	if (count == BENCH_PIN_STEPS) {
		errno = E2BIG;
		fail("too many steps");
	}
	steps[count++] = (struct bench_pin_step){ page, size, unpin };
	for (i = page; i < page + size; i++)
		depths[i] += unpin ? -1 : 1;
	if (!unpin)
		pinned += size;
}

/* Where nothing is left to be unpinned, or no more to be pinned, the other. */
static void add_random_step(struct phase *phase)
{
	unsigned int size = 1 + random_below(phase->size), page, some;
	bool unpin = random_below(8) < phase->unpins;

	if (phase->order == ANY)
		phase->at = random_below(phase->pages);
	page = phase->first + phase->at;
	some = fits(page, size, unpin);
	if (!some) {
		unpin = !unpin;
		some = fits(page, size, unpin);
	}
	add_step(page, some, unpin);
	if (phase->pairs && !unpin)
		add_step(page, some, true);

	if (phase->order == FORWARD)
		phase->at = (phase->at + some) % phase->pages;
	else if (phase->order == BACKWARD)
		phase->at = (phase->at + phase->pages - some % phase->pages) %
			    phase->pages;
}

static void make_steps(__u64 seed)
{
	unsigned int page, some;

	state = seed;
	while (count < STEPS) {
		struct phase phase = new_phase();
		unsigned int calls = 1 + random_below(256);

		while (calls--)
			add_random_step(&phase);
	}
	for (page = 0; page < PAGES; page += !some) {
		some = fits(page, 1 + random_below(512), true);
		if (some)
			add_step(page, some, true);
	}
}

static void load_steps(void)
{
	struct bench_pin_load load = {
		.steps = (uintptr_t)steps,
		.count = count,
	};

	if (ioctl(device, BENCH_PIN_LOAD, &load))
		fail("cannot load %u steps", count);
}

static void mix(void)
{
	struct bench_pin_job job = {
		.op = floor_only ? BENCH_GUP_STEPS : BENCH_STEPS,
		.at = floor_only ? (uintptr_t)memory : IOVA,
		.calls = 1,
		.size = 1,
		.stride = 1,
	};

	submit(&job);
}

static const struct mix_row {
	const char *name;
	enum memory_kind memory;
	unsigned int mappings;
} mix_rows[] = {
	{ "mix-4k", SCATTERED, 1 },
	{ "mix-consecutive", CONSECUTIVE, 1 },
	{ "mix-thp", HUGE, 1 },
	{ "mix-blend", BLEND, 64 },
};

void mix_group(__u64 seed)
{
	char line[64];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(mix_rows); i++) {
		const struct mix_row *r = &mix_rows[i];

		if (!wanted("mix", r->name))
			continue;
		if (!count) {
			make_steps(seed);
			snprintf(line, sizeof(line), "seed %llu\n", seed);
			put_line(line);
		}
		want_memory(r->memory, 1);
		set_up(true, false);
		if (!floor_only)
			map_memory(r->mappings);
		load_steps();
		measure(r->name, pinned, NULL, mix, NULL);
		tear_down();
	}
}
