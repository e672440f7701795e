// SPDX-License-Identifier: GPL-2.0
/*
 * usage: bench [-q] warm-up COUNT
 *	  bench [-q] lifecycle LABEL MAX
 *	  bench [-q] forward
 *	  bench symbols
 *
 * Measures operations on mediated devices and prints a line for each:
 *
 *	row LABEL OPERATION DEVICES TICKS SAMPLES
 *
 * TICKS of the time stamp counter are instructions in a VM that counts them
 * (QEMU's -icount), with the plugin count.c, to which the lines go (-q), and
 * cycles elsewhere. "warm-up" creates devices and measures nothing. "symbols"
 * tells the plugin where the kernel's functions are.
 *
 * An operation is sampled for several devices, and for each of them repeated:
 * the middle figure of one device is that without a timer's tick in it, memory
 * freed for somebody else, or somebody else's work done already, and the average
 * over the devices is that of no lucky place in a table, a tree or a slab. For
 * the last, a device that is created and removed for samples stays in the end,
 * so that the next one lies elsewhere: "at 100 devices" is the average of 92 to
 * 107.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench.h"

#define DEVICES		16	/* sampled for an operation */
#define REPEATS		5
#define SETTLE_US	50000	/* for what the kernel frees later */
#define BENCH_NOTHING	_IO(VFIO_TYPE, VFIO_BASE + 100)

/*
 * An operation on one device. The three are called in a row, the middle one is
 * measured. stay() is called when one device has been sampled.
 */
struct operation {
	const char *name;
	unsigned int devices;
	void (*prepare)(unsigned int device);
	void (*run)(unsigned int device);
	void (*restore)(unsigned int device);
	void (*stay)(void);
};

static __u64 measure_once(const struct operation *op, unsigned int device)
{
	__u64 start, end;

	usleep(SETTLE_US);
	if (op->prepare)
		op->prepare(device);
	mark(MARK_START, 0);
	start = ticks();
	op->run(device);
	end = ticks();
	mark(MARK_STOP, 0);
	if (op->restore)
		op->restore(device);
	return end - start;
}

static int compare(const void *a, const void *b)
{
	__u64 x = *(const __u64 *)a, y = *(const __u64 *)b;

	return (x > y) - (x < y);
}

static void measure(const struct operation *op, const char *label,
		    unsigned int existing)
{
	unsigned int device, repeat;
	__u64 sum = 0;
	char line[128];

	/* What is slow, or said in the kernel's log, the first times only */
	for (device = 0; device < op->devices; device++)
		measure_once(op, device);
	mark(MARK_REPORT, 0);

	for (device = 0; device < op->devices; device++) {
		__u64 sample[REPEATS];

		for (repeat = 0; repeat < REPEATS; repeat++)
			sample[repeat] = measure_once(op, device);
		qsort(sample, REPEATS, sizeof(*sample), compare);
		sum += sample[REPEATS / 2];
		if (op->stay)
			op->stay();
	}
	mark(MARK_REPORT, 0);
	snprintf(line, sizeof(line), "row %s %s %u %.1f %u\n", label, op->name,
		 existing, (double)sum / op->devices, op->devices * REPEATS);
	put_bytes(line);
	fprintf(stderr, "%s", plugin ? line : "");
}

/* Life cycle: devices of bench_modern */

#define SYS_PARENT	"/sys/devices/platform/bench_modern"
#define SYS_DEVICES	"/sys/bus/mdev/devices"
#define UUID_LEN	36

static unsigned int population;
static int create_fd, remove_fd;

/* Names spread like real ones: the bits of the index are all over the word. */
static void uuid_of(unsigned int index, char *uuid)
{
	__u64 mixed = (index + 1) * 0x9e3779b97f4a7c15ull;

	snprintf(uuid, UUID_LEN + 1, "%08x-%04x-4%03x-8%03x-%012llx",
		 (__u32)(mixed >> 32), (__u16)(mixed >> 16),
		 (unsigned int)mixed & 0xfff,
		 (unsigned int)(mixed >> 52) & 0xfff,
		 (unsigned long long)index);
}

static void create(unsigned int index)
{
	char uuid[UUID_LEN + 1];

	uuid_of(index, uuid);
	if (write(create_fd, uuid, UUID_LEN) != UUID_LEN)
		fail("device %u is refused, %s", index, uuid);
}

static void open_remove(unsigned int index)
{
	char uuid[UUID_LEN + 1], path[128];

	uuid_of(index, uuid);
	snprintf(path, sizeof(path), SYS_DEVICES "/%s/remove", uuid);
	remove_fd = open(path, O_WRONLY | O_CLOEXEC);
	if (remove_fd < 0)
		fail("cannot open %s", path);
}

static void write_remove(unsigned int unused)
{
	if (write(remove_fd, "1", 1) != 1)
		fail("cannot remove a device");
}

static void close_remove(unsigned int unused)
{
	close(remove_fd);
}

static void remove_device(unsigned int index)
{
	open_remove(index);
	write_remove(index);
	close_remove(index);
}

static void create_one_more(unsigned int unused)
{
	create(population);
}

static void remove_it(unsigned int unused)
{
	remove_device(population);
}

static void prepare_remove(unsigned int unused)
{
	create(population);
	open_remove(population);
}

static void keep_one_more(void)
{
	create(population++);
}

/* Creating it again is answered after a look-up. */
static void look_up(unsigned int device)
{
	char uuid[UUID_LEN + 1];

	uuid_of(device * population / DEVICES, uuid);
	if (write(create_fd, uuid, UUID_LEN) != -1 || errno != EEXIST)
		fail("%s was created twice", uuid);
}

static void enumerate(unsigned int device)
{
	static char buf[1 << 20];
	unsigned int found = 0;
	int fd;
	long len, at;

	fd = open(SYS_DEVICES, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		fail("cannot open " SYS_DEVICES);
	while ((len = syscall(SYS_getdents64, fd, buf, sizeof(buf))) > 0) {
		for (at = 0; at < len; found++)
			at += ((struct dirent64 *)(buf + at))->d_reclen;
	}
	close(fd);
	if (found != population + 2)
		fail("found %u files, not %u", found, population + 2);
}

static const struct operation lifecycle_operations[] = {
	{ "create", DEVICES, NULL, create_one_more, remove_it, keep_one_more },
	{ "remove", DEVICES, prepare_remove, write_remove, close_remove,
	  keep_one_more },
	{ "look-up", DEVICES, NULL, look_up, NULL },
	{ "enumerate", 1, NULL, enumerate, NULL },
};

static void populate(unsigned int target)
{
	for (; population < target; population++)
		create(population);
	while (population > target)
		remove_device(--population);
}

static void open_type(void)
{
	create_fd = open(SYS_PARENT "/mdev_supported_types/platform-bench/create",
			 O_WRONLY | O_CLOEXEC);
	if (create_fd < 0)
		fail("cannot open the type's create file");
}

static void lifecycle(const char *label, unsigned int max)
{
	unsigned int target, i;

	open_type();
	for (target = 10; target <= max; target *= 10) {
		for (i = 0; i < ARRAY_SIZE(lifecycle_operations); i++) {
			const struct operation *op = &lifecycle_operations[i];

			populate(op->stay ? target - DEVICES / 2 : target);
			measure(op, label, target);
		}
	}
	close(create_fd);
}

/* Forwarding: a device of bench_forward, then that of bench_direct */

#define FORWARD_UUID	"c1a57d3e-0000-4000-8000-000000000001"
#define MAPPED_PAGES	(DEVICES + 1)

static int device_fd;
static char *mapping;

static void read_register(unsigned int unused)
{
	__u32 word;

	if (pread(device_fd, &word, sizeof(word), 0) != sizeof(word))
		fail("cannot read");
}

static void write_register(unsigned int unused)
{
	__u32 word = 1;

	if (pwrite(device_fd, &word, sizeof(word), 0) != sizeof(word))
		fail("cannot write");
}

static void command(unsigned int unused)
{
	if (ioctl(device_fd, BENCH_NOTHING, 0))
		fail("cannot do nothing");
}

static void map(unsigned int unused)
{
	mapping = mmap(NULL, MAPPED_PAGES * PAGE, PROT_READ | PROT_WRITE,
		       MAP_SHARED, device_fd, 0);
	if (mapping == MAP_FAILED)
		fail("mmap");
}

static void unmap(unsigned int unused)
{
	munmap(mapping, MAPPED_PAGES * PAGE);
}

static void fault(unsigned int page)
{
	__atomic_store_n(mapping + page * PAGE, 1, __ATOMIC_RELAXED);
}

/* The tables for the pages are there after the first of them. */
static void map_and_touch(unsigned int unused)
{
	map(0);
	fault(DEVICES);
}

static const struct operation forward_operations[] = {
	{ "read", DEVICES, NULL, read_register, NULL },
	{ "write", DEVICES, NULL, write_register, NULL },
	{ "ioctl", DEVICES, NULL, command, NULL },
	{ "mmap", DEVICES, NULL, map, unmap },
	{ "fault", DEVICES, map_and_touch, fault, unmap },
};

static void put_string(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		fail("cannot write to %s", path);
	close(fd);
}

static void forward_device(const char *label, const char *dir, const char *name)
{
	int container, group;
	char path[128], link[128];
	ssize_t len;
	unsigned int i;

	snprintf(path, sizeof(path), "%s/%s/iommu_group", dir, name);
	len = readlink(path, link, sizeof(link) - 1);
	if (len < 0)
		fail("cannot read %s", path);
	link[len] = '\0';
	snprintf(path, sizeof(path), "/dev/vfio/%s", strrchr(link, '/') + 1);

	container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	group = open(path, O_RDWR | O_CLOEXEC);
	if (container < 0 || group < 0)
		fail("cannot open %s", path);
	if (ioctl(group, VFIO_GROUP_SET_CONTAINER, &container) ||
	    ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
		fail("cannot set the container of %s up", name);
	device_fd = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, name);
	if (device_fd < 0)
		fail("cannot open %s", name);

	for (i = 0; i < ARRAY_SIZE(forward_operations); i++)
		measure(&forward_operations[i], label, 1);
	close(device_fd);
	close(group);
	close(container);
}

static void forward(void)
{
	put_string("/sys/devices/platform/bench_forward/mdev_supported_types/platform-bench/create",
		   FORWARD_UUID);
	forward_device("vfio_mdev", SYS_DEVICES, FORWARD_UUID);
	put_string(SYS_DEVICES "/" FORWARD_UUID "/remove", "1");
	forward_device("direct", "/sys/devices/platform", "bench_direct");
}

int main(int argc, char **argv)
{
	find_plugin();
	if (argc > 1 && !strcmp(argv[1], "-q")) {
		plugin = true;
		argv++;
		argc--;
	}

	if (argc == 4 && !strcmp(argv[1], "lifecycle")) {
		lifecycle(argv[2], atoi(argv[3]));
	} else if (argc == 3 && !strcmp(argv[1], "warm-up")) {
		open_type();
		populate(atoi(argv[2]));
	} else if (argc == 2 && !strcmp(argv[1], "forward")) {
		forward();
	} else if (argc == 2 && !strcmp(argv[1], "symbols")) {
		plugin = true;
		symbols();
	} else {
		fprintf(stderr, "usage: see the top of bench.c\n");
		return 2;
	}
	return 0;
}
