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
#include <unistd.h>
#ifdef __x86_64__
#include <x86intrin.h>
#endif

#include "mark.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof(*(a)))

/* A constant where it is one, as what is measured counts with it */
#ifdef __x86_64__
#define PAGE	4096
#else
#define PAGE	page_size()
#endif

static inline size_t page_size(void)
{
	static size_t size;

	if (!size)
		size = sysconf(_SC_PAGESIZE);
	return size;
}

/* There is a plugin for x86-64 alone. */
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
#ifdef __x86_64__
	asm volatile(".byte %c0, %c1\n\t.long %c2\n\t.byte %c3"
		     : : "i" (MARK_OPCODE), "i" (MARK_MODRM), "i" (MARK_BASE),
			 "i" (command), "D" (argument) : "memory");
#endif
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

/*
 * The time stamp counter, or what a machine has like it, in nanoseconds, each of which is
 * an instruction where QEMU counts them.
 */
static inline __u64 ticks(void)
{
#ifdef __x86_64__
	_mm_lfence();
	return __rdtsc();
#elif defined(__aarch64__)
	__u64 count, hertz;

	asm volatile("isb; mrs %0, cntvct_el0; mrs %1, cntfrq_el0"
		     : "=r" (count), "=r" (hertz) : : "memory");
	return count / hertz * 1000000000 + count % hertz * 1000000000 / hertz;
#else
#error "no counter is known for this machine"
#endif
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
