// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel's own vfio_ccw on this mdev.ko and vfio_iommu_type1: devices of s390x's
 * channel subsystem. Distributions for such machines have it, Debian has not: there
 * build-vendors builds it, unmodified. A user as QEMU is one has channel programs run
 * through a device's region, and type1 pins the pages that they name.
 *
 * The device is a virtio disk that no driver of disks has. Its subchannel is taken and
 * given back. What was pinned for a program that has ended is told by which pages are
 * dirty then; a program with a command that suspends it stays as it is, its pages
 * pinned, for as long as a test wants.
 */
#include <dirent.h>
#include <endian.h>
#include <limits.h>
#include <linux/vfio_ccw.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "type1_lib.h"

#define DRIVER		"vfio_ccw"
#define SUBCHANNELS	"/sys/bus/css/devices"
#define CCW_DEVICES	"/sys/bus/ccw/devices"
#define BUS_ID		16
#define VIRTIO_DISK	"3832/02"
#define ROUNDS		10

/* Channel command words, of format 1 */
#define CCW_NOOP	0x03
#define CCW_TRANSFER	0x08
#define CCW_SENSE_ID	0xe4
#define CCW_READ_CONFIG	0x22	/* these are virtio's */
#define CCW_REVISION	0x83

#define CHAIN		0x40	/* another command follows */
#define ANY_LENGTH	0x20	/* no matter how much was moved */
#define INDIRECT	0x04	/* the address is that of a list of addresses */
#define SUSPEND		0x02	/* wait before this command */

/* Second word of an operation request block */
#define ORB_SUSPEND	0x08000000	/* commands may do so */
#define ORB_FORMAT1	0x00800000
#define ORB_PREFETCH	0x00400000
#define ORB_QUIETLY	0x00080000	/* no interrupt when suspended */
#define ORB_64BIT	0x00020000	/* addresses in lists, each of 4 KiB */
#define ORB_2K		0x00010000	/* each of 2 KiB */
#define ORB		(ORB_FORMAT1 | ORB_PREFETCH)

/* First word of a subchannel status word, and first two bytes of its third */
#define SCSW_START	0x00004000
#define SCSW_CLEAR	0x00001000
#define WELL		0x0c00	/* channel end and device end */
#define PROGRAM_CHECK	0x20

/* The user's memory, by pages */
#define MEMORY		0x100000
enum { PROGRAM, LIST, SETUP, DATA, PAGES = 16 };

/* What of a disk's configuration is read, in the order of bytes of before virtio 1 */
struct config {
	__u64 sectors;
	__u32 unused[3];
	__u32 sector_size;
};

struct unit {
	char subchannel[BUS_ID];
	char uuid[UUID_LEN];
	struct mdev_user user;
	char *mem;
	int irq;
	unsigned int commands;	/* of the program */
	bool taken;
	struct snapshot before;
	long long held;
	long long locked;
};

static char *subchannel_path(char *path, const struct unit *u, const char *file)
{
	snprintf(path, PATH_LEN, SUBCHANNELS "/%s/%s", u->subchannel, file);
	return path;
}

static char *io_path(char *path, const struct unit *u, const char *file)
{
	snprintf(path, PATH_LEN,
		 "/sys/class/mdev_bus/%s/mdev_supported_types/vfio_ccw-io/%s",
		 u->subchannel, file);
	return path;
}

static bool says(const char *device, const char *file, const char *word)
{
	char path[PATH_LEN], text[32];

	snprintf(path, sizeof(path), CCW_DEVICES "/%s/%s", device, file);
	return read_file(path, text, sizeof(text)) > 0 && !strcmp(text, word);
}

/* Is the device of virtio's bus that belongs to it without a driver, or not there? */
static bool is_unused(const char *device)
{
	bool unused = true;
	struct dirent *entry;
	char path[PATH_LEN];
	DIR *d;

	snprintf(path, sizeof(path), CCW_DEVICES "/%s", device);
	d = opendir(path);
	while (d && (entry = readdir(d)))
		if (!strncmp(entry->d_name, "virtio", 6) &&
		    exists("%s/%s/driver", path, entry->d_name))
			unused = false;
	if (d)
		closedir(d);
	return d && unused;
}

/* The subchannel of the first disk that is not in use. */
static bool find_disk(struct unit *u)
{
	char link[PATH_LEN], path[PATH_MAX], *end;
	struct dirent **entries;
	bool found = false;
	int i, n;

	n = scandir(CCW_DEVICES, &entries, NULL, alphasort);
	for (i = 0; i < n; i++) {
		const char *name = entries[i]->d_name;

		snprintf(link, sizeof(link), CCW_DEVICES "/%.15s", name);
		if (!found && says(name, "cutype", VIRTIO_DISK) &&
		    is_unused(name) && realpath(link, path)) {
			end = strrchr(path, '/');
			*end = '\0';
			snprintf(u->subchannel, BUS_ID, "%.15s", strrchr(path, '/') + 1);
			found = true;
		}
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
	return found;
}

/* A disk's subchannel goes from its driver to vfio_ccw, */
static int take(struct unit *u)
{
	char path[PATH_LEN];
	int ret;

	ret = write_file(subchannel_path(path, u, "driver_override"), DRIVER);
	if (!ret)
		ret = write_file(subchannel_path(path, u, "driver/unbind"), u->subchannel);
	if (!ret)
		ret = write_file("/sys/bus/css/drivers_probe", u->subchannel);
	return ret;
}

/* and back. */
static int give_back(struct unit *u)
{
	char path[PATH_LEN];
	struct unit found;
	int ret;

	ret = write_file(subchannel_path(path, u, "driver_override"), "\n");
	if (exists("%s", subchannel_path(path, u, "driver")) && !ret)
		ret = write_file(subchannel_path(path, u, "driver/unbind"), u->subchannel);
	if (!ret)
		ret = write_file("/sys/bus/css/drivers_probe", u->subchannel);
	if (!ret && !WAIT_FOR(find_disk(&found), SOON))
		ret = -ENODEV;
	return ret;
}

static int create(struct unit *u, const char *uuid)
{
	char path[PATH_LEN];

	return write_file(io_path(path, u, "create"), uuid);
}

static int available(struct unit *u)
{
	char path[PATH_LEN], text[32];
	int ret;

	ret = read_file(io_path(path, u, "available_instances"), text, sizeof(text));
	return ret < 0 ? ret : atoi(text);
}

/* A user, with all its memory mapped */
static int open_unit(struct unit *u)
{
	__s32 irq;
	int ret;

	ret = mdev_open(u->uuid, &u->user);
	if (!ret)
		ret = dma_map(u->user.container, u->mem, MEMORY, PAGES * PAGE, T1_RW);
	u->irq = new_eventfd();
	irq = u->irq;
	if (!ret)
		ret = arm(u->user.device, VFIO_CCW_IO_IRQ_INDEX, 0, 1, &irq);
	if (!ret)
		ret = dirty_start(u->user.container);
	return ret;
}

FIXTURE(ccw) {
	struct unit u;
};

FIXTURE_SETUP(ccw)
{
	struct unit *u = &self->u;

	u->user = (struct mdev_user){ -1, -1, -1 };
	if (!exists(SUBCHANNELS))
		SKIP(return, "this machine has no channel subsystem");
	if (!find_disk(u))
		SKIP(return, "there is no virtio disk (" VIRTIO_DISK ") without a driver");
	snapshot_take(&u->before);
	if (module_load(DRIVER, NULL))
		SKIP(return, "there is no module " DRIVER ", build-vendors builds it");
	u->mem = marked_memory(PAGES);
	u->held = pages_held();
	u->locked = pages_locked();
	u->taken = true;
	ASSERT_EQ(0, take(u));
	ASSERT_EQ(0, create(u, uuid_make(u->uuid)));
}

FIXTURE_TEARDOWN(ccw)
{
	struct unit *u = &self->u;
	struct snapshot after;

	if (!u->taken)
		return;
	mdev_close(&u->user);
	if (mdev_exists(u->uuid))
		EXPECT_EQ(0, mdev_remove(u->uuid));
	EXPECT_EQ(0, give_back(u));
	EXPECT_EQ(0, module_unload(DRIVER));
	EXPECT_EQ(0, HELD(u));
	EXPECT_EQ(0, LOCKED(u));
	snapshot_take(&after);
	EXPECT_STREQ(u->before.text, after.text);
}

/* Channel programs */

static __u32 at(unsigned int page, unsigned int offset)
{
	return MEMORY + page * PAGE + offset;
}

static char *memory(struct unit *u, unsigned int page)
{
	return u->mem + page * PAGE;
}

static void begin(struct unit *u)
{
	u->commands = 0;
}

static void command(struct unit *u, __u8 code, __u8 flags, __u16 count, __u32 address)
{
	const struct {
		__u8 code;
		__u8 flags;
		__be16 count;
		__be32 address;
	} ccw = { code, flags, htobe16(count), htobe32(address) };

	memcpy(memory(u, PROGRAM) + u->commands++ * sizeof(ccw), &ccw, sizeof(ccw));
}

/* From now on, and until it is closed, the device is one of virtio 1. */
static void set_revision(struct unit *u)
{
	static const __u8 revision[4] = { 0, 1, 0, 0 };

	memcpy(memory(u, SETUP), revision, sizeof(revision));
	command(u, CCW_REVISION, CHAIN, sizeof(revision), at(SETUP, 0));
}

/* The program's, at an address */
static long start_at(struct unit *u, __u32 control, __u32 address)
{
	const __be32 orb[3] = { 0, htobe32(control), htobe32(address) };
	const __be32 function = htobe32(SCSW_START);
	struct ccw_io_region region = {};

	memcpy(region.orb_area, orb, sizeof(orb));
	memcpy(region.scsw_area, &function, sizeof(function));
	return file_write(u->user.device, &region, sizeof(region), 0);
}

static long start(struct unit *u, __u32 control)
{
	long ret = start_at(u, control, at(PROGRAM, 0));

	return ret == sizeof(struct ccw_io_region) ? 0 : ret;
}

/* How it ended */
struct end {
	__u32 control;
	__u32 next;	/* command */
	__u16 status;	/* of device and subchannel */
	__u16 left;	/* bytes not moved */
	int ret;
};

static struct end end_of(struct unit *u)
{
	struct ccw_io_region region;
	struct end end = { .ret = -ETIMEDOUT };
	__be32 words[3];

	if (!WAIT_FOR(fired(u->irq) == 1, SOON))
		return end;
	end.ret = file_read(u->user.device, &region, sizeof(region), 0);
	if (end.ret != sizeof(region))
		return end;
	end.ret = region.ret_code;
	memcpy(words, region.irb_area, sizeof(words));
	end.control = be32toh(words[0]);
	end.next = be32toh(words[1]);
	end.status = be32toh(words[2]) >> 16;
	end.left = be32toh(words[2]);
	return end;
}

static struct end run(struct unit *u, __u32 control)
{
	long ret = start(u, control);

	return ret ? (struct end){ .ret = ret } : end_of(u);
}

static bool well(const struct end *end)
{
	return !end->ret && end->status == WELL;
}

/* The pages that were pinned since this was last asked: a bit for each */
static __u64 pinned(struct unit *u)
{
	__u64 bitmap = 0;

	if (dirty_get(u->user.container, MEMORY, PAGES * PAGE, &bitmap, sizeof(bitmap)))
		return ~0ULL;
	return bitmap;
}

/* A list of addresses, of eight bytes */
static void list(struct unit *u, const __u64 *addresses, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		((__be64 *)memory(u, LIST))[i] = htobe64(addresses[i]);
}

/* And of four */
static void short_list(struct unit *u, const __u32 *addresses, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		((__be32 *)memory(u, LIST))[i] = htobe32(addresses[i]);
}

/* What its configuration is, read into one place. */
static int read_config(struct unit *u, struct config *config)
{
	struct end end;

	begin(u);
	set_revision(u);
	command(u, CCW_READ_CONFIG, 0, sizeof(*config), at(DATA, 0));
	end = run(u, ORB);
	memcpy(config, memory(u, DATA), sizeof(*config));
	memset(memory(u, DATA), 0xee, sizeof(*config));
	return well(&end) ? 0 : -EIO;
}

/*
 * Does memory that was 0x55 have what follows the first BEFORE bytes of the configuration,
 * and no more? QEMU 7.2 begins at the configuration's first byte again with each
 * address of a list: that is the emulator's, and which memory it gets is the same.
 */
static bool has_rest(const char *mem, const struct config *config, unsigned int before)
{
	const unsigned int len = sizeof(*config) - before;

	return mem[len] == 0x55 && (!memcmp(mem, (const char *)config + before, len) ||
				    !memcmp(mem, config, len));
}

/*
 * Has a program wait in its third command: its second one, of three whole pages
 * that begin in the midst of one, has been run.
 */
#define WAITING		5
#define WAITING_PAGES	(0x1fULL << SETUP)

static long begin_waiting(struct unit *u)
{
	begin(u);
	set_revision(u);
	command(u, CCW_READ_CONFIG, CHAIN | ANY_LENGTH, 3 * PAGE, at(DATA, 64));
	command(u, CCW_NOOP, SUSPEND, 0, 0);
	return start(u, ORB | ORB_SUSPEND | ORB_QUIETLY);
}

static long wait_in_program(struct unit *u)
{
	long ret = begin_waiting(u);

	if (!ret && WAIT_FOR(fired(u->irq), 50))
		ret = -EINTR;
	return ret;
}

/* Its life */

TEST_F(ccw, description)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	struct vfio_region_info region = { .argsz = sizeof(region) };
	char path[PATH_LEN], text[64];
	struct unit *u = &self->u;

	ASSERT_LT(0, read_file(io_path(path, u, "device_api"), text, sizeof(text)));
	EXPECT_STREQ(VFIO_DEVICE_API_CCW_STRING, text);
	ASSERT_EQ(0, link_name(mdev_path(path, u->uuid, "driver"), text, sizeof(text)));
	EXPECT_STREQ("vfio_ccw_mdev", text);
	EXPECT_TRUE(exists(SUBCHANNELS "/%s/%s", u->subchannel, u->uuid));

	ASSERT_EQ(0, open_unit(u));
	ASSERT_EQ(0, file_ioctl(u->user.device, VFIO_DEVICE_GET_INFO, &info));
	EXPECT_EQ(VFIO_DEVICE_FLAGS_CCW | VFIO_DEVICE_FLAGS_RESET, info.flags);
	EXPECT_EQ(VFIO_CCW_NUM_IRQS, info.num_irqs);
	ASSERT_EQ(0, file_ioctl(u->user.device, VFIO_DEVICE_GET_REGION_INFO, &region));
	EXPECT_EQ(sizeof(struct ccw_io_region), region.size);
}

/* There is one device of a subchannel at a time. */
TEST_F(ccw, only_one)
{
	struct unit *u = &self->u;
	char other[UUID_LEN];

	expect_dmesg("mdev [-0-9a-f]+ was not created:");
	EXPECT_EQ(0, available(u));
	EXPECT_EQ(-EUSERS, create(u, uuid_make(other)));
	EXPECT_EQ(-EEXIST, create(u, u->uuid));
	ASSERT_EQ(0, mdev_remove(u->uuid));
	EXPECT_EQ(1, available(u));
	ASSERT_EQ(0, create(u, other));
	EXPECT_EQ(0, available(u));
	EXPECT_EQ(0, mdev_remove(other));
	ASSERT_EQ(0, create(u, u->uuid));
}

TEST_F(ccw, comes_and_goes)
{
	struct unit *u = &self->u;
	struct config config;
	unsigned int i;

	for (i = 0; i < ROUNDS; i++) {
		ASSERT_EQ(0, open_unit(u));
		ASSERT_EQ(0, read_config(u, &config));
		mdev_close(&u->user);
		ASSERT_EQ(0, mdev_remove(u->uuid));
		ASSERT_EQ(0, create(u, uuid_make(u->uuid)));
	}
}

/* It waits for its user, and asks to be let go. */
TEST_F(ccw, removed_while_open)
{
	struct unit *u = &self->u;
	__s32 request = new_eventfd();
	char path[PATH_LEN];
	struct config config;
	pid_t pid;

	ASSERT_EQ(0, open_unit(u));
	EXPECT_EQ(-EWOULDBLOCK, module_unload(DRIVER));
	ASSERT_EQ(0, arm(u->user.device, VFIO_CCW_REQ_IRQ_INDEX, 0, 1, &request));
	pid = async_write(mdev_path(path, u->uuid, "remove"), "1");
	EXPECT_TRUE(WAIT_FOR(fired(request) > 0, SOON));
	EXPECT_EQ(-ETIMEDOUT, async_result(pid, A_WHILE));
	EXPECT_EQ(0, read_config(u, &config));
	mdev_close(&u->user);
	EXPECT_EQ(0, async_result(pid, SOON));
	EXPECT_FALSE(mdev_exists(u->uuid));
	EXPECT_EQ(1, available(u));
}

/* So does its subchannel: the driver lets go of it when the user does. */
TEST_F(ccw, unbound_while_open)
{
	struct unit *u = &self->u;
	char path[PATH_LEN];
	pid_t pid;

	ASSERT_EQ(0, open_unit(u));
	ASSERT_EQ(0, wait_in_program(u));
	EXPECT_EQ(WAITING, HELD(u));
	pid = async_write(subchannel_path(path, u, "driver/unbind"), u->subchannel);
	EXPECT_EQ(-ETIMEDOUT, async_result(pid, A_WHILE));
	EXPECT_EQ(WAITING, HELD(u));
	mdev_close(&u->user);
	EXPECT_EQ(0, async_result(pid, SOON));
	EXPECT_FALSE(mdev_exists(u->uuid));
	EXPECT_FALSE(exists("/sys/class/mdev_bus/%s", u->subchannel));
	EXPECT_EQ(0, HELD(u));
}

/* A device that nobody has open goes with the driver. */
TEST_F(ccw, driver_goes_and_comes)
{
	struct unit *u = &self->u;
	struct config config;
	unsigned int i;

	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, module_unload(DRIVER));
		EXPECT_FALSE(mdev_exists(u->uuid));
		EXPECT_FALSE(exists("/sys/class/mdev_bus/%s", u->subchannel));
		ASSERT_EQ(0, module_load(DRIVER, NULL));
		ASSERT_EQ(0, create(u, u->uuid));
		ASSERT_EQ(0, open_unit(u));
		EXPECT_EQ(0, read_config(u, &config));
		mdev_close(&u->user);
	}
}

/* Channel programs */

TEST_F(ccw, sense_id)
{
	static const __u8 id[7] = { 0xff, 0x38, 0x32, 0x02 };
	struct unit *u = &self->u;
	struct end end;

	ASSERT_EQ(0, open_unit(u));
	begin(u);
	command(u, CCW_SENSE_ID, ANY_LENGTH, sizeof(id), at(DATA, 0));
	end = run(u, ORB);
	EXPECT_EQ(0, end.ret);
	EXPECT_EQ(WELL, end.status);
	EXPECT_EQ(0, end.left);
	EXPECT_EQ(at(PROGRAM, 8), end.next);
	EXPECT_EQ(0, memcmp(memory(u, DATA), id, sizeof(id)));
	EXPECT_EQ(1ULL << DATA, pinned(u));
	EXPECT_EQ(0, HELD(u));
	EXPECT_EQ(0, LOCKED(u));
	/* Nothing more of it */
	EXPECT_EQ(0, pinned(u));
	EXPECT_EQ(0, fired(u->irq));
}

/* One that is read across a border of pages: pages that do not follow each other */
TEST_F(ccw, read_indirectly)
{
	const unsigned int first = 10, second = 6, before = 10;
	const __u64 addresses[] = { at(first, PAGE - before), at(second, 0) };
	struct unit *u = &self->u;
	struct config config;
	struct end end;

	ASSERT_EQ(0, open_unit(u));
	ASSERT_EQ(0, read_config(u, &config));
	EXPECT_EQ(1ULL << SETUP | 1ULL << DATA, pinned(u));
	EXPECT_LT(0, config.sectors);
	EXPECT_EQ(512, config.sector_size);

	memset(memory(u, first), 0x55, PAGE);
	memset(memory(u, second), 0x55, PAGE);
	list(u, addresses, 2);
	begin(u);
	command(u, CCW_READ_CONFIG, INDIRECT, sizeof(config), at(LIST, 0));
	end = run(u, ORB | ORB_64BIT);
	EXPECT_TRUE(well(&end));
	EXPECT_EQ(0, end.left);
	EXPECT_EQ(at(PROGRAM, 8), end.next);
	EXPECT_EQ(0, memcmp(memory(u, first) + PAGE - before, &config, before));
	EXPECT_TRUE(has_rest(memory(u, second), &config, before));
	EXPECT_EQ(0x55, memory(u, first)[PAGE - before - 1]);
	EXPECT_EQ((char)0xee, *memory(u, DATA));
	EXPECT_EQ(1ULL << first | 1ULL << second, pinned(u));
	EXPECT_EQ(0, HELD(u));
}

/* Addresses of half a page each: two may be of one page, which is pinned twice. */
TEST_F(ccw, read_indirectly_by_halves)
{
	const unsigned int half = PAGE / 2, before = 7;
	const __u32 one_page[] = { at(9, half - before), at(9, half) };
	const __u64 two_pages[] = { at(9, half - before), at(12, half) };
	struct unit *u = &self->u;
	struct config config;
	struct end end;

	ASSERT_EQ(0, open_unit(u));
	ASSERT_EQ(0, read_config(u, &config));
	pinned(u);
	memset(memory(u, 9), 0x55, PAGE);
	short_list(u, one_page, 2);
	begin(u);
	command(u, CCW_READ_CONFIG, INDIRECT, sizeof(config), at(LIST, 0));
	end = run(u, ORB);
	EXPECT_TRUE(well(&end));
	EXPECT_EQ(0, memcmp(memory(u, 9) + half - before, &config, before));
	EXPECT_TRUE(has_rest(memory(u, 9) + half, &config, before));
	EXPECT_EQ(1ULL << 9, pinned(u));

	memset(memory(u, 9), 0x55, PAGE);
	memset(memory(u, 12), 0x55, PAGE);
	list(u, two_pages, 2);
	end = run(u, ORB | ORB_64BIT | ORB_2K);
	EXPECT_TRUE(well(&end));
	EXPECT_EQ(0, memcmp(memory(u, 9) + half - before, &config, before));
	EXPECT_EQ(0x55, memory(u, 9)[half]);
	EXPECT_TRUE(has_rest(memory(u, 12) + half, &config, before));
	EXPECT_EQ(1ULL << 9 | 1ULL << 12, pinned(u));
}

/* The driver makes a list of its own of what is read across a border. */
TEST_F(ccw, read_across_a_border)
{
	const unsigned int before = 5;
	struct unit *u = &self->u;
	struct config config;
	struct end end;

	ASSERT_EQ(0, open_unit(u));
	ASSERT_EQ(0, read_config(u, &config));
	pinned(u);
	begin(u);
	command(u, CCW_NOOP, CHAIN, 0, 0);
	command(u, CCW_TRANSFER, 0, 0, at(PROGRAM, 80));
	u->commands = 10;
	command(u, CCW_READ_CONFIG, 0, sizeof(config), at(6, PAGE - before));
	memset(memory(u, 6), 0x55, 2 * PAGE);
	end = run(u, ORB);
	EXPECT_TRUE(well(&end));
	EXPECT_EQ(at(PROGRAM, 88), end.next);
	EXPECT_EQ(0, memcmp(memory(u, 7) - before, &config, before));
	EXPECT_TRUE(has_rest(memory(u, 7), &config, before));
	EXPECT_EQ(3ULL << 6, pinned(u));
}

/* Pages are pinned for as long as the program runs. */
TEST_F(ccw, pinned_while_it_runs)
{
	struct ccw_cmd_region stop = { .command = VFIO_CCW_ASYNC_CMD_CSCH };
	struct {
		struct vfio_region_info info;
		struct vfio_region_info_cap_type type;
	} region = {
		.info.argsz = sizeof(region),
		.info.index = VFIO_CCW_NUM_REGIONS,
	};
	struct unit *u = &self->u;
	struct config config;
	struct end end;

	ASSERT_EQ(0, open_unit(u));
	ASSERT_EQ(0, file_ioctl(u->user.device, VFIO_DEVICE_GET_REGION_INFO, &region));
	ASSERT_EQ(sizeof(region.info), region.info.cap_offset);
	ASSERT_EQ(VFIO_REGION_TYPE_CCW, region.type.type);
	ASSERT_EQ(VFIO_REGION_SUBTYPE_CCW_ASYNC_CMD, region.type.subtype);

	ASSERT_EQ(0, wait_in_program(u));
	EXPECT_EQ(WAITING, HELD(u));
	EXPECT_EQ(WAITING, LOCKED(u));
	EXPECT_EQ(WAITING_PAGES, pinned(u));
	EXPECT_EQ(-EBUSY, start(u, ORB));
	EXPECT_EQ(WAITING, HELD(u));
	/* Pages that stay pinned stay dirty. */
	EXPECT_EQ(WAITING_PAGES, pinned(u));

	ASSERT_EQ(sizeof(stop), file_write(u->user.device, &stop, sizeof(stop),
					   region.info.offset));
	end = end_of(u);
	EXPECT_TRUE(end.control & SCSW_CLEAR);
	EXPECT_EQ(0, HELD(u));
	EXPECT_EQ(0, LOCKED(u));
	EXPECT_EQ(WAITING_PAGES, pinned(u));
	EXPECT_EQ(0, pinned(u));
	begin(u);
	command(u, CCW_READ_CONFIG, 0, sizeof(config), at(DATA, 0));
	end = run(u, ORB);
	EXPECT_TRUE(well(&end));
}

TEST_F(ccw, reset_unpins)
{
	struct unit *u = &self->u;
	struct config config;

	ASSERT_EQ(0, open_unit(u));
	ASSERT_EQ(0, wait_in_program(u));
	EXPECT_EQ(WAITING, HELD(u));
	ASSERT_EQ(0, file_ioctl(u->user.device, VFIO_DEVICE_RESET, NULL));
	EXPECT_EQ(0, HELD(u));
	EXPECT_EQ(0, LOCKED(u));
	EXPECT_EQ(0, read_config(u, &config));
}

/* The driver is told of pages that go, and lets go of those that it has. */
TEST_F(ccw, unmapped_while_it_runs)
{
	struct unit *u = &self->u;
	char *more = marked_memory(1);
	struct config config;

	ASSERT_EQ(0, open_unit(u));
	ASSERT_EQ(0, dma_map(u->user.container, more, at(PAGES, 0), PAGE, T1_RW));
	ASSERT_EQ(0, wait_in_program(u));
	EXPECT_EQ(PAGE, dma_unmap(u->user.container, at(PAGES, 0), PAGE));
	EXPECT_EQ(WAITING, HELD(u));
	EXPECT_EQ(PAGES * PAGE, dma_unmap(u->user.container, MEMORY, PAGES * PAGE));
	EXPECT_EQ(0, HELD(u));
	EXPECT_EQ(0, LOCKED(u));
	EXPECT_GT(0, start(u, ORB));
	ASSERT_EQ(0, dma_map(u->user.container, u->mem, MEMORY, PAGES * PAGE, T1_RW));
	EXPECT_EQ(0, read_config(u, &config));
}

TEST_F(ccw, closed_while_it_runs)
{
	struct unit *u = &self->u;
	struct config config;
	int i;

	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, open_unit(u));
		ASSERT_EQ(0, wait_in_program(u));
		EXPECT_EQ(WAITING, HELD(u));
		mdev_close(&u->user);
		EXPECT_EQ(0, HELD(u));
		EXPECT_EQ(0, LOCKED(u));
	}
	ASSERT_EQ(0, open_unit(u));
	EXPECT_EQ(0, read_config(u, &config));
}

TEST_F(ccw, killed_while_it_runs)
{
	struct unit *u = &self->u;
	int status;
	pid_t pid;

	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		if (open_unit(u) || wait_in_program(u) || HELD(u) != WAITING)
			_exit(1);
		raise(SIGKILL);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_TRUE(WAIT_FOR(!HELD(u), SOON));
	EXPECT_EQ(0, mdev_remove(u->uuid));
}

/* What cannot be pinned is refused, and nothing of it stays pinned. */
TEST_F(ccw, refused)
{
	const __u64 addresses[] = { at(DATA, PAGE - 1), at(PAGES + 5, 0) };
	struct unit *u = &self->u;
	char *read_only = marked_memory(1);
	struct config config;

	ASSERT_EQ(0, open_unit(u));
	ASSERT_EQ(0, dma_map(u->user.container, read_only, at(PAGES, 0), PAGE, T1_READ));

	/* The program itself */
	EXPECT_GT(0, start_at(u, ORB, at(PAGES + 5, 0)));
	/* The list, and what it names */
	begin(u);
	command(u, CCW_READ_CONFIG, INDIRECT, 16, at(PAGES + 5, 0));
	EXPECT_GT(0, start(u, ORB | ORB_64BIT));
	begin(u);
	list(u, addresses, 2);
	command(u, CCW_READ_CONFIG, INDIRECT, 16, at(LIST, 0));
	EXPECT_GT(0, start(u, ORB | ORB_64BIT));
	/*
	 * The end of what a command names: the page before is pinned by then, by the
	 * same call, or with addresses of 2 KiB by one before.
	 */
	begin(u);
	command(u, CCW_READ_CONFIG, ANY_LENGTH, 2 * PAGE, at(PAGES - 1, 0));
	EXPECT_EQ(-EPERM, start(u, ORB | ORB_64BIT));
	EXPECT_EQ(0, HELD(u));
	EXPECT_EQ(-EPERM, start(u, ORB));
	begin(u);
	set_revision(u);
	command(u, CCW_READ_CONFIG, 0, 16, at(PAGES, 0));
	EXPECT_EQ(-EPERM, start(u, ORB));

	EXPECT_EQ(0, HELD(u));
	EXPECT_EQ(0, LOCKED(u));
	EXPECT_EQ(0, fired(u->irq));
	EXPECT_EQ(T1_MARK(0), *(__u64 *)read_only);
	EXPECT_EQ(0, read_config(u, &config));
}

TEST_F(ccw, limit_of_locked_memory)
{
	struct unit *u = &self->u;
	struct config config;

	ASSERT_EQ(0, drop_ipc_lock());
	ASSERT_EQ(0, open_unit(u));
	ASSERT_EQ(0, limit_memlock(u->locked + WAITING - 1));
	expect_dmesg("RLIMIT_MEMLOCK|tell_limit: ");
	EXPECT_EQ(-ENOMEM, begin_waiting(u));
	EXPECT_EQ(0, HELD(u));
	EXPECT_EQ(0, LOCKED(u));
	ASSERT_EQ(0, limit_memlock(u->locked + WAITING));
	EXPECT_EQ(0, wait_in_program(u));
	EXPECT_EQ(WAITING, LOCKED(u));
	ASSERT_EQ(0, file_ioctl(u->user.device, VFIO_DEVICE_RESET, NULL));
	EXPECT_EQ(0, read_config(u, &config));
}

/* The driver of crypto adapters has them only where the machine has some. */
TEST(vfio_ap)
{
	if (!exists(SUBCHANNELS))
		SKIP(return, "this machine is not of s390x");
	if (exists("/sys/bus/ap"))
		SKIP(return, "this machine has crypto adapters");
	if (system("modinfo vfio_ap >/dev/null 2>&1"))
		SKIP(return, "there is no module vfio_ap, build-vendors builds it");
	EXPECT_NE(0, module_load("vfio_ap", NULL));
	EXPECT_FALSE(module_loaded("vfio_ap"));
	EXPECT_FALSE(exists("/sys/bus/mdev/drivers/vfio_ap_mdev"));
}

MDEV_TEST_MAIN("mdev")
