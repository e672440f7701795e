/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the programs that measure have in common: how they fail, what the time
 * is, and how to tell the plugin in QEMU (count.c) what they found.
 */
#ifndef BENCH_H
#define BENCH_H

#include <errno.h>
#include <linux/types.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <x86intrin.h>

#include "mark.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof(*(a)))

#define PAGE	4096

static bool plugin;

#define fail(...)	fail_at(__LINE__, __VA_ARGS__)

static inline void __attribute__((format(printf, 2, 3), noreturn))
fail_at(int line, const char *format, ...)
{
	int error = errno;
	va_list args;

	va_start(args, format);
	fprintf(stderr, "bench, line %d: ", line);
	vfprintf(stderr, format, args);
	fprintf(stderr, ": %s\n", strerror(error));
	va_end(args);
	exit(1);
}

/* Talking to the plugin, see mark.h */
static inline __attribute__((always_inline)) void mark(const int command,
						       __u64 argument)
{
	asm volatile(".byte %c0, %c1\n\t.long %c2\n\t.byte %c3"
		     : : "i" (MARK_OPCODE), "i" (MARK_MODRM), "i" (MARK_BASE),
			 "i" (command), "D" (argument) : "memory");
}

static inline void find_plugin(void)
{
	void *at = mmap((void *)MARK_BASE, MARK_SIZE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE |
			MAP_FIXED_NOREPLACE, -1, 0);

	if (at != (void *)MARK_BASE)
		fail("cannot map memory at %#x", MARK_BASE);
}

static inline void put_bytes(const char *text)
{
	if (!plugin)
		fputs(text, stdout);
	else
		for (; *text; text++)
			mark(MARK_BYTE, (unsigned char)*text);
}

static inline __u64 ticks(void)
{
	_mm_lfence();
	return __rdtsc();
}

/* Functions only, and what else is in the text. */
static inline void symbols(void)
{
	char line[1024], type;
	FILE *file = fopen("/proc/kallsyms", "r");

	if (!file)
		fail("cannot open /proc/kallsyms");
	put_bytes("-\n");
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%*x %c", &type) == 1 && strchr("tTwW", type))
			put_bytes(line);
	}
	fclose(file);
}

#endif /* BENCH_H */
