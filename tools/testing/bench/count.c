// SPDX-License-Identifier: GPL-2.0
/*
 * QEMU plugin: counts the kernel's instructions, by function, while the
 * program in the guest says so (mark.h)
 *
 *	-plugin count.so,out=FILE
 *
 * A module's instructions are counted one by one, those of the kernel proper
 * by block of translation, which is nearly exact. FILE gets the lines that the
 * program sends, and at each report, before the next such line, for each
 * function that ran
 *
 *	in MODULE FUNCTION INSTRUCTIONS
 *
 * with "-" for the kernel proper. All callbacks run in the one thread of the
 * one virtual CPU.
 **/
#include <linux/types.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mark.h"
#include "qemu-plugin.h"

#define EXPORT		__attribute__((visibility("default")))

/* QEMU reads it when the constructor has run. */
EXPORT int qemu_plugin_version = 1;

static void __attribute__((constructor)) choose_version(void)
{
	if (qemu_plugin_scoreboard_new)
		qemu_plugin_version = 3;
}

/* Kernel without KASLR: text, then modules; below are data and users. */
#define KERNEL_TEXT	0xffffffff80000000ull
#define MODULES		0xffffffffc0000000ull

static FILE *out;

static void __attribute__((noreturn)) die(const char *what)
{
	fprintf(stderr, "count: %s\n", what);
	exit(1);
}

/* Symbols, sorted by address when first needed */

struct symbol {
	__u64 address;
	__u64 count;
	char *name;
	char *module;
};

static struct symbol *symbols;
static size_t nr_symbols, max_symbols;
static bool sorted;

static void forget_symbols(void)
{
	while (nr_symbols) {
		nr_symbols--;
		free(symbols[nr_symbols].name);
		free(symbols[nr_symbols].module);
	}
	sorted = false;
}

static void add_symbol(__u64 address, const char *name, const char *module)
{
	if (nr_symbols == max_symbols) {
		max_symbols = max_symbols ? max_symbols * 2 : 1 << 16;
		symbols = realloc(symbols, max_symbols * sizeof(*symbols));
		if (!symbols)
			die("no memory");
	}
	symbols[nr_symbols++] = (struct symbol) {
		.address = address,
		.name = strdup(name),
		.module = strdup(module),
	};
}

static int compare_symbols(const void *a, const void *b)
{
	const struct symbol *x = a, *y = b;

	return (x->address > y->address) - (x->address < y->address);
}

static struct symbol *find_symbol(__u64 address)
{
	size_t low = 0, high = nr_symbols;

	if (!sorted) {
		qsort(symbols, nr_symbols, sizeof(*symbols), compare_symbols);
		sorted = true;
	}
	while (low < high) {
		size_t middle = (low + high) / 2;

		if (symbols[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? &symbols[low - 1] : NULL;
}

/*
 * Counters, by address. The code that QEMU makes adds to them for ever, so
 * they stay where they are: each in its place of one array, which for version 3 is
 * the one virtual CPU's element of a scoreboard. That is there when code is translated.
 */
#define MAX_COUNTERS	(512 * 1024)

struct counter {
	struct counter *next;
	__u64 address;
	__u64 sum;		/* between starts and stops since the last report */
};

static struct counter *table[1 << 16];
static struct counter counters[MAX_COUNTERS];
static unsigned int nr_counters;
static struct qemu_plugin_scoreboard *score;
static __u64 *running;	/* added to by the guest */

static void make_array(void)
{
	if (score)
		running = qemu_plugin_scoreboard_find(score, 0);
	else
		running = calloc(MAX_COUNTERS, sizeof(*running));
	if (!running)
		die("no memory");
}

static unsigned int counter_at(__u64 address)
{
	struct counter **bucket = &table[(address ^ address >> 16) & 0xffff];
	struct counter *c;

	if (!running)
		make_array();
	for (c = *bucket; c; c = c->next)
		if (c->address == address)
			return c - counters;

	if (nr_counters == MAX_COUNTERS)
		die("too many counters");
	c = &counters[nr_counters++];
	c->address = address;
	c->next = *bucket;
	*bucket = c;
	return c - counters;
}

static struct qemu_plugin_u64 entry_of(unsigned int counter)
{
	return (struct qemu_plugin_u64) { score, counter * sizeof(*running) };
}

/* Have so many added when a block, or an instruction, runs. */
static void count_block(struct qemu_plugin_tb *tb, unsigned int counter, size_t n)
{
	if (score)
		qemu_plugin_register_vcpu_tb_exec_inline_per_vcpu(tb, PLUGIN_INLINE_ADD_U64,
								  entry_of(counter), n);
	else
		qemu_plugin_register_vcpu_tb_exec_inline(tb, PLUGIN_INLINE_ADD_U64,
							 &running[counter], n);
}

static void count_insn(struct qemu_plugin_insn *insn, unsigned int counter)
{
	if (score)
		qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(insn, PLUGIN_INLINE_ADD_U64,
								    entry_of(counter), 1);
	else
		qemu_plugin_register_vcpu_insn_exec_inline(insn, PLUGIN_INLINE_ADD_U64,
							   &running[counter], 1);
}

static void start_counting(void)
{
	if (running)
		memset(running, 0, nr_counters * sizeof(*running));
}

static void stop_counting(void)
{
	unsigned int i;

	for (i = 0; i < nr_counters; i++)
		counters[i].sum += running[i];
}

static void report(void)
{
	struct counter *c;
	size_t i;

	for (c = counters; c < counters + nr_counters; c++) {
		struct symbol *s = c->sum ? find_symbol(c->address) : NULL;

		if (s)
			s->count += c->sum;
		c->sum = 0;
	}
	fputs("counted\n", out);
	for (i = 0; i < nr_symbols; i++) {
		if (symbols[i].count)
			fprintf(out, "in %s %s %llu\n", symbols[i].module,
				symbols[i].name,
				(unsigned long long)symbols[i].count);
		symbols[i].count = 0;
	}
}

static void take_byte(char byte)
{
	static char line[1024];
	static size_t len;
	char name[512], module[64];
	unsigned long long address;
	int found;

	if (byte != '\n') {
		if (len < sizeof(line) - 1)
			line[len++] = byte;
		return;
	}
	line[len] = '\0';
	len = 0;

	found = sscanf(line, "%16llx %*c %511s [%63[^]]", &address, name,
		       module);
	if (!strcmp(line, "-")) {
		forget_symbols();
	} else if (found >= 2) {
		add_symbol(address, name, found == 3 ? module : "-");
	} else {
		fprintf(out, "%s\n", line);
		fflush(out);
	}
}

static void marked(unsigned int vcpu, __u32 info, __u64 vaddr, void *data)
{
	switch ((enum mark_command)(uintptr_t)data) {
	case MARK_START:
		start_counting();
		break;
	case MARK_STOP:
		stop_counting();
		break;
	case MARK_REPORT:
		report();
		break;
	case MARK_BYTE:
		take_byte(vaddr - MARK_BASE);
		break;
	}
}

static void bytes_of(struct qemu_plugin_insn *insn, void *to, size_t size)
{
	const void *(*data)(const struct qemu_plugin_insn *insn) =
		(const void *(*)(const struct qemu_plugin_insn *))qemu_plugin_insn_data;

	if (score)
		qemu_plugin_insn_data(insn, to, size);
	else
		memcpy(to, data(insn), size);
}

static void look_for_mark(struct qemu_plugin_insn *insn)
{
	static const __u8 mark[] = {
		MARK_OPCODE, MARK_MODRM, MARK_BASE & 0xff,
		MARK_BASE >> 8 & 0xff, MARK_BASE >> 16 & 0xff, MARK_BASE >> 24
	};
	__u8 bytes[sizeof(mark) + 1];

	if (qemu_plugin_insn_size(insn) != sizeof(bytes))
		return;
	bytes_of(insn, bytes, sizeof(bytes));
	if (!memcmp(bytes, mark, sizeof(mark)))
		qemu_plugin_register_vcpu_mem_cb(insn, marked,
						 PLUGIN_CB_NO_REGS, PLUGIN_MEM_W,
						 (void *)(uintptr_t)bytes[sizeof(mark)]);
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	size_t n = qemu_plugin_tb_n_insns(tb), i;
	__u64 address = qemu_plugin_tb_vaddr(tb);

	if (address >= KERNEL_TEXT && address < MODULES) {
		count_block(tb, counter_at(address), n);
		return;
	}
	for (i = 0; i < n; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);

		address = qemu_plugin_insn_vaddr(insn);
		if (address < KERNEL_TEXT)
			look_for_mark(insn);
		else
			count_insn(insn, counter_at(address));
	}
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc,
			       char **argv)
{
	if (argc != 1 || strncmp(argv[0], "out=", 4)) {
		fprintf(stderr, "count: usage: -plugin count.so,out=FILE\n");
		return 1;
	}
	out = fopen(argv[0] + 4, "w");
	if (!out) {
		perror(argv[0] + 4);
		return 1;
	}
	if (qemu_plugin_scoreboard_new)
		score = qemu_plugin_scoreboard_new(MAX_COUNTERS * sizeof(*running));
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
