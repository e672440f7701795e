// SPDX-License-Identifier: GPL-2.0-only
/*
 * What runs in the guest of mdev_hotplug.sh and mdev_libvirt.sh in place of an operating
 * system, which takes a minute to come up in an emulator within an emulator: a program
 * for a PC without anything, which QEMU loads as a multiboot kernel. It does what a
 * system does with PCI serial cards that come, work and go, on QEMU's machine "pc":
 *
 *  - gives a card that has appeared on bus 0 its ports, and has each of them give back
 *    what is written, again and again;
 *  - when it is asked for the card, leaves it alone and ejects its slot, as ACPI's
 *    methods of that machine do;
 *  - tells of it on the first serial port: "slot 5: 2 ports work", "slot 5: asked to
 *    go", "slot 5: gone". A port that does not give back what it got ends it, with
 *    "slot 5: port 0 FAILED".
 *
 * Nothing is there but this: no libc, no interrupts, one stack. It is 32-bit code.
 */
#include <stdbool.h>
#include <stdint.h>

#define CONSOLE			0x3f8
#define PCI_ADDRESS		0xcf8
#define PCI_DATA		0xcfc

#define PCI_ID			0x00
#define PCI_COMMAND		0x04
#define PCI_CLASS		0x08
#define PCI_BAR0		0x10
#define PCI_COMMAND_IO		1
#define PCI_BAR_IO		1
#define CLASS_SERIAL		0x0700
#define NO_DEVICE		0xffffffff
#define SLOTS			32

/* QEMU's docs/specs/acpi_pci_hotplug */
#define HOTPLUG_DOWN		0xae04
#define HOTPLUG_EJECT		0xae08
#define HOTPLUG_BUS		0xae10

/* Of each slot's card, where the firmware had no say */
#define CARD_PORTS(slot)	(0xd000 + (slot) * 0x20)

/* Registers of a 16550, and their bits */
#define UART_DATA		0
#define UART_IER		1
#define UART_LCR		3
#define UART_LSR		5
#define UART_PORT_SIZE		8
#define UART_LCR_8N1		3
#define UART_LSR_DATA		1
#define UART_LSR_EMPTY		0x20

/* How often a register is read before it is given up */
#define PATIENCE		1000000

struct card {
	uint16_t base;
	uint8_t ports;
	bool told;	/* that it works */
	bool leaving;
};

static struct card cards[SLOTS];

/* What QEMU looks for in the first 8 KiB, and where it jumps to */
__asm__(".text\n"
	".balign 4\n"
	".long 0x1badb002, 0, -0x1badb002\n"
	".globl _start\n"
	"_start:\n"
	"	movl $stack + 16384, %esp\n"
	"	call run\n"
	".lcomm stack, 16384\n");

static void write8(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static void write32(uint16_t port, uint32_t value)
{
	__asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

static uint8_t read8(uint16_t port)
{
	uint8_t value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static uint32_t read32(uint16_t port)
{
	uint32_t value;

	__asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static void say(const char *text)
{
	for (; *text; text++) {
		while (!(read8(CONSOLE + UART_LSR) & UART_LSR_EMPTY))
			;
		write8(CONSOLE, *text);
	}
}

static void say_number(unsigned int number)
{
	char digits[11], *at = digits + sizeof(digits) - 1;

	*at = 0;
	do {
		*--at = '0' + number % 10;
		number /= 10;
	} while (number);
	say(at);
}

static void say_slot(unsigned int slot)
{
	say("slot ");
	say_number(slot);
	say(": ");
}

static uint32_t config_read(unsigned int slot, unsigned int reg)
{
	write32(PCI_ADDRESS, 1U << 31 | slot << 11 | reg);
	return read32(PCI_DATA);
}

static void config_write(unsigned int slot, unsigned int reg, uint32_t value)
{
	write32(PCI_ADDRESS, 1U << 31 | slot << 11 | reg);
	write32(PCI_DATA, value);
}

static bool is_card(unsigned int slot)
{
	return config_read(slot, PCI_ID) != NO_DEVICE &&
	       config_read(slot, PCI_CLASS) >> 16 == CLASS_SERIAL;
}

/* Its first BAR, of I/O ports, has all of its serial ports. */
static void set_up(unsigned int slot)
{
	struct card *card = &cards[slot];
	uint32_t size;
	int i;

	card->base = CARD_PORTS(slot);
	config_write(slot, PCI_COMMAND, 0);
	config_write(slot, PCI_BAR0, 0xffffffff);
	size = config_read(slot, PCI_BAR0);
	size = size & PCI_BAR_IO ? (uint16_t)-(size & 0xfffc) : 0;
	config_write(slot, PCI_BAR0, card->base);
	config_write(slot, PCI_COMMAND, PCI_COMMAND_IO);
	card->ports = size / UART_PORT_SIZE;
	for (i = 0; i < card->ports; i++) {
		write8(card->base + i * UART_PORT_SIZE + UART_IER, 0);
		write8(card->base + i * UART_PORT_SIZE + UART_LCR, UART_LCR_8N1);
	}
}

static bool port_works(uint16_t port)
{
	static uint8_t byte;
	unsigned int i;

	byte++;
	write8(port + UART_DATA, byte);
	for (i = 0; i < PATIENCE; i++)
		if (read8(port + UART_LSR) & UART_LSR_DATA)
			return read8(port + UART_DATA) == byte;
	return false;
}

static void use(unsigned int slot)
{
	struct card *card = &cards[slot];
	int i;

	for (i = 0; i < card->ports; i++) {
		if (port_works(card->base + i * UART_PORT_SIZE))
			continue;
		say_slot(slot);
		say("port ");
		say_number(i);
		say(" FAILED\n");
		while (true)
			__asm__ volatile("cli\n\thlt");
	}
	if (card->told)
		return;
	card->told = true;
	say_slot(slot);
	say_number(card->ports);
	say(" ports work\n");
}

/* QEMU takes the card out before the next instruction, or soon. */
static void eject(unsigned int slot)
{
	say_slot(slot);
	say("asked to go\n");
	cards[slot].leaving = true;
	config_write(slot, PCI_COMMAND, 0);
	write32(HOTPLUG_EJECT, 1U << slot);
}

static void look_at(unsigned int slot, bool down)
{
	static const struct card none;
	struct card *card = &cards[slot];

	if (!is_card(slot)) {
		if (card->base) {
			say_slot(slot);
			say("gone\n");
			*card = none;
		}
		return;
	}
	if (!card->base)
		set_up(slot);
	if (down && !card->leaving)
		eject(slot);
	else if (!card->leaving)
		use(slot);
}

__attribute__((noreturn, used))
static void run(void)
{
	unsigned int slot;
	uint32_t down;

	write32(HOTPLUG_BUS, 0);
	say("the guest is up\n");
	while (true) {
		down = read32(HOTPLUG_DOWN);
		for (slot = 1; slot < SLOTS; slot++)
			look_at(slot, down >> slot & 1);
	}
}
