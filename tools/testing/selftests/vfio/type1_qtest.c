// SPDX-License-Identifier: GPL-2.0-only
/*
 * Does what a guest would do with the devices that type1_qemu.sh gives it, where there is
 * no kernel for one to boot: QEMU has a guest that stands still, and does by its protocol
 * for tests (qtest) what a processor of the guest's would ask of it, a register read or
 * written a line. The guest's memory is a file that this process maps, too.
 *
 * The machine is QEMU's sbsa-ref, an arm64: no other has all of its memory beyond 4 GiB,
 * where an IOMMU of s390x begins. What copies memory is a disk in slot 6, and the serial
 * card is in slot 5. It tells of them what type1_guest tells.
 *
 * usage: type1_qtest PIPE MEMORY: QEMU reads PIPE.in and answers in PIPE.out.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>

#include "type1_pci.h"

/* The machine: each slot's configuration, addresses of its bus, and its memory */
#define CONFIG(slot)	(0xf0000000ULL + ((slot) << 15))
#define PORTS		0x7fff0000ULL
#define BUS_MEMORY	0x80000000ULL
#define RAM		0x10000000000ULL

#define PCI_COMMAND	0x04
#define PCI_BAR0	0x10
#define PCI_BAR1	0x14
#define ENABLED		7	/* ports, memory, bus master */

#define CARD_SLOT	5
#define CARD_PORTS	0x1000
#define DISK_SLOT	6

/* Registers of a 16550, and their bits */
#define UART_DATA	0
#define UART_IER	1
#define UART_LCR	3
#define UART_LSR	5
#define UART_SIZE	8
#define UART_LCR_8N1	3
#define UART_LSR_DATA	1

/* Seconds until it is taken for stuck: where QEMU is gone nobody opens its pipes. */
#define LIMIT		240

/* What is copied: in the guest's memory, behind what the disk has for itself */
#define COPIES		16
#define PIECE		4096U
#define OWN		(4 * PIECE)
#define LEN		2048U
#define FROM(i)		(OWN + (i) * PIECE + 0x100)
#define TO(i)		(OWN + (COPIES + (i)) * PIECE + 0x200)
#define SIZE		(OWN + 2 * COPIES * PIECE)

static FILE *to_qemu, *from_qemu;

static __printf(1, 2) __noreturn void fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf(" FAILED\n");
	exit(1);
}

/* A line to QEMU, and what it answers after OK: a number, or nothing, which is 0. */
static __printf(1, 2) __u64 ask(const char *format, ...)
{
	char line[128];
	va_list args;

	va_start(args, format);
	vfprintf(to_qemu, format, args);
	va_end(args);
	fputc('\n', to_qemu);
	if (fflush(to_qemu) || !fgets(line, sizeof(line), from_qemu))
		fail("QEMU's answer");
	if (strncmp(line, "OK", 2))
		fail("%s: QEMU", line);
	return strtoull(line + 2, NULL, 0);
}

static void write_to(const char *how, __u64 address, __u32 value)
{
	ask("write%s 0x%llx 0x%x", how, (unsigned long long)address, value);
}

static __u64 read_from(const char *how, __u64 address)
{
	return ask("read%s 0x%llx", how, (unsigned long long)address);
}

static int disk_put(unsigned int reg, __u32 value)
{
	write_to("l", BUS_MEMORY + reg, value);
	return 0;
}

static __u32 disk_get(unsigned int reg)
{
	return read_from("l", BUS_MEMORY + reg);
}

static void enable(unsigned int slot, __u32 bar0)
{
	write_to("l", CONFIG(slot) + PCI_BAR0, bar0);
	write_to("w", CONFIG(slot) + PCI_COMMAND, ENABLED);
}

static char *map_memory(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	char *mem = MAP_FAILED;

	if (fd >= 0)
		mem = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (mem == MAP_FAILED)
		fail("the guest's memory: %s", strerror(errno));
	close(fd);
	/* The machine may have described itself there. */
	memset(mem, 0, SIZE);
	return mem;
}

/* Nothing is to be written but that; what was there is 0. */
static bool is_copied(const char *mem, unsigned int i)
{
	const char *first = mem + OWN + (COPIES + i) * PIECE, *to = mem + TO(i), *byte;

	for (byte = first; byte < first + PIECE; byte++)
		if ((byte < to || byte >= to + LEN) && *byte)
			return false;
	return !memcmp(to, mem + FROM(i), LEN);
}

static void copy_pages(char *mem)
{
	const struct pci_guest guest = {
		.put = disk_put, .get = disk_get, .mem = mem, .iova = RAM,
	};
	struct pci disk = { .group = -1, .device = -1, .guest = &guest };
	unsigned int i, j;

	write_to("l", CONFIG(DISK_SLOT) + PCI_BAR1, 0);
	enable(DISK_SLOT, BUS_MEMORY);
	for (i = 0; i < COPIES; i++) {
		for (j = 0; j < LEN; j++)
			mem[FROM(i) + j] = rand();
		if (nvme_transfer(&disk, RAM + FROM(i), LEN, false) ||
		    nvme_transfer(&disk, RAM + TO(i), LEN, true))
			fail("the disk");
		if (!is_copied(mem, i))
			fail("page %u of the disk", i);
	}
	nvme_end(&disk);
	printf("the disk copied %d pages\n", COPIES);
}

static void try_port(unsigned int port)
{
	static const char message[] = "There and back again";
	const __u64 base = PORTS + CARD_PORTS + port * UART_SIZE;
	unsigned int i;

	write_to("b", base + UART_IER, 0);
	write_to("b", base + UART_LCR, UART_LCR_8N1);
	for (i = 0; i < sizeof(message); i++) {
		write_to("b", base + UART_DATA, message[i]);
		if (!WAIT_FOR(read_from("b", base + UART_LSR) & UART_LSR_DATA, SOON) ||
		    read_from("b", base + UART_DATA) != message[i])
			fail("port %u", port);
	}
	printf("a port gave back all\n");
}

static FILE *open_pipe(const char *name, const char *end, const char *mode)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s.%s", name, end);
	file = fopen(path, mode);
	if (!file)
		fail("%s: %s", path, strerror(errno));
	return file;
}

int main(int argc, char **argv)
{
	if (argc != 3)
		fail("type1_qtest PIPE MEMORY:");
	signal(SIGPIPE, SIG_IGN);
	alarm(LIMIT);
	to_qemu = open_pipe(argv[1], "in", "w");
	from_qemu = open_pipe(argv[1], "out", "r");
	copy_pages(map_memory(argv[2]));
	enable(CARD_SLOT, CARD_PORTS);
	try_port(0);
	try_port(1);
	return 0;
}
