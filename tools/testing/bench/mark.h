/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How the program in the guest talks to the plugin in QEMU: by one store
 * instruction that occurs nowhere else, "movb $command, MARK_BASE(%rdi)". The
 * plugin knows it by its bytes and is shown the address; the difference to
 * MARK_BASE is the argument, in rdi.
 */
#ifndef MARK_H
#define MARK_H

#define MARK_BASE	0x4d440000
#define MARK_SIZE	0x10000
#define MARK_OPCODE	0xc6
#define MARK_MODRM	0x87

enum mark_command {
	MARK_START,	/* count from here */
	MARK_STOP,	/* to here */
	MARK_REPORT,	/* write down what was counted since the last report */
	MARK_BYTE,	/* argument: the next byte of a line, to be written down or
			 * (from /proc/kallsyms) to be taken as a symbol
			 */
};

#endif /* MARK_H */
