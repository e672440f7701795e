// SPDX-License-Identifier: GPL-2.0-only
/*
 * First process of the guest that type1_qemu.sh boots: has the edu in slot 6
 * copy pages, and the ports of the serial card in slot 5 give back what is
 * written to them. It tells of it on the console, and ends QEMU through its
 * debug-exit port: 16 is success.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#define PAGE		4096
#define PAGES		16
#define EDU		"/sys/bus/pci/devices/0000:00:06.0/"
#define CARD		"/0000:00:05.0/"
#define EXIT_PORT	0xf4
#define SUCCESS		16
#define FAILURE		17

/* The registers of an edu, and its memory */
#define EDU_FROM	(0x80 / 8)
#define EDU_TO		(0x88 / 8)
#define EDU_COUNT	(0x90 / 8)
#define EDU_COMMAND	(0x98 / 8)
#define EDU_RUN		1
#define EDU_OUT		2
#define EDU_BUFFER	0x40000
#define EDU_LEN		2048

static void finish(int code)
{
	fflush(NULL);
	tcdrain(STDOUT_FILENO);
	if (!ioperm(EXIT_PORT, 1, 1))
		outb(code, EXIT_PORT);
	while (1)
		pause();
}

__attribute__((format(printf, 1, 2), noreturn))
static void fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf(": %s\n", strerror(errno));
	finish(FAILURE);
	abort();
}

static uint64_t physical(const void *mem)
{
	uint64_t entry = 0;
	int fd;

	fd = open("/proc/self/pagemap", O_RDONLY);
	if (pread(fd, &entry, sizeof(entry), (uintptr_t)mem / PAGE * 8) !=
	    sizeof(entry) || !(entry >> 63))
		fail("pagemap");
	close(fd);
	return (entry & ((1ULL << 55) - 1)) * PAGE;
}

static void edu_run(uint64_t *edu, uint64_t from, uint64_t to, uint64_t command)
{
	int i;

	__atomic_store_n(edu + EDU_FROM, from, __ATOMIC_SEQ_CST);
	__atomic_store_n(edu + EDU_TO, to, __ATOMIC_SEQ_CST);
	__atomic_store_n(edu + EDU_COUNT, EDU_LEN, __ATOMIC_SEQ_CST);
	__atomic_store_n(edu + EDU_COMMAND, command | EDU_RUN, __ATOMIC_SEQ_CST);
	for (i = 0; i < 3000; i++) {
		if (!(__atomic_load_n(edu + EDU_COMMAND, __ATOMIC_SEQ_CST) &
		      EDU_RUN))
			return;
		usleep(10000);
	}
	fail("the edu does not end");
}

static void copy_pages(void)
{
	const uint16_t command = 6;	/* memory space, bus master */
	char *from, *to;
	uint64_t *edu;
	int i, j, fd;

	fd = open(EDU "enable", O_WRONLY);
	if (write(fd, "1", 1) != 1)
		fail("no edu");
	close(fd);
	fd = open(EDU "config", O_RDWR);
	if (pwrite(fd, &command, sizeof(command), 4) != sizeof(command))
		fail("configuration of the edu");
	close(fd);
	fd = open(EDU "resource0", O_RDWR);
	edu = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	from = mmap(NULL, 2 * PAGES * PAGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (edu == MAP_FAILED || from == MAP_FAILED)
		fail("mmap");
	to = from + PAGES * PAGE;

	for (i = 0; i < PAGES; i++) {
		for (j = 0; j < PAGE; j++) {
			from[i * PAGE + j] = rand();
			to[i * PAGE + j] = 0x5a;
		}
		edu_run(edu, physical(from + i * PAGE) + 100, EDU_BUFFER, 0);
		edu_run(edu, EDU_BUFFER, physical(to + i * PAGE) + 200, EDU_OUT);
	}
	for (i = 0; i < PAGES; i++) {
		char *page = to + i * PAGE;

		if (memcmp(page + 200, from + i * PAGE + 100, EDU_LEN) ||
		    page[199] != 0x5a || page[200 + EDU_LEN] != 0x5a)
			fail("page %d has not what the edu was to copy", i);
	}
	printf("the edu copied %d pages\n", PAGES);
}

static void try_port(const char *path)
{
	static const char message[] = "There and back again";
	char echo[sizeof(message)];
	struct termios raw;
	struct pollfd wait;
	size_t got = 0;
	ssize_t n;

	wait.events = POLLIN;
	wait.fd = open(path, O_RDWR | O_NOCTTY);
	if (wait.fd < 0 || tcgetattr(wait.fd, &raw))
		fail("%s", path);
	cfmakeraw(&raw);
	cfsetspeed(&raw, B115200);
	if (tcsetattr(wait.fd, TCSANOW, &raw) ||
	    write(wait.fd, message, sizeof(message)) != sizeof(message))
		fail("%s", path);
	while (got < sizeof(message)) {
		if (poll(&wait, 1, 30000) != 1)
			fail("%s is silent", path);
		n = read(wait.fd, echo + got, sizeof(echo) - got);
		if (n <= 0)
			fail("%s", path);
		got += n;
	}
	if (memcmp(echo, message, sizeof(message)))
		fail("%s gave back something else", path);
	close(wait.fd);
	printf("a port gave back all\n");
}

static void try_card(void)
{
	char link[512], path[64];
	size_t i, tried = 0;
	glob_t ports;
	ssize_t len;

	if (glob("/sys/class/tty/ttyS*", 0, NULL, &ports))
		fail("no terminals");
	for (i = 0; i < ports.gl_pathc; i++) {
		len = readlink(ports.gl_pathv[i], link, sizeof(link) - 1);
		if (len < 0)
			continue;
		link[len] = 0;
		if (!strstr(link, CARD))
			continue;
		snprintf(path, sizeof(path), "/dev/%s",
			 strrchr(ports.gl_pathv[i], '/') + 1);
		try_port(path);
		tried++;
	}
	if (!tried)
		fail("the serial card has no port");
}

int main(void)
{
	int fd;

	mkdir("/proc", 0755);
	mkdir("/sys", 0755);
	mkdir("/dev", 0755);
	if (mount("proc", "/proc", "proc", 0, NULL) ||
	    mount("sysfs", "/sys", "sysfs", 0, NULL) ||
	    mount("devtmpfs", "/dev", "devtmpfs", 0, NULL))
		finish(FAILURE);
	fd = open("/dev/ttyS0", O_RDWR);
	dup2(fd, STDOUT_FILENO);
	copy_pages();
	try_card();
	finish(SUCCESS);
}
