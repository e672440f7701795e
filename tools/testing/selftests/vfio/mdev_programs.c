// SPDX-License-Identifier: GPL-2.0-only
/*
 * What KubeVirt, Proxmox VE and nova do with mediated devices, on the same files and in
 * the same order: these programs are not in Debian. mdev_mdevctl.sh, mdev_libvirt.sh and
 * mdev_hotplug.sh run those that are, and the first two do what nova has libvirt do;
 * here is what nova needs of the files that libvirt reads for it.
 *
 * A walk is written as its program reads: strings are trimmed where it trims them, and a
 * file that it cannot do without is asserted.
 */
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "kselftest_harness.h"
#include "vfio_util.h"

#define DEVICES		"/sys/bus/mdev/devices/"
#define PARENTS		"/sys/class/mdev_bus/"
#define NAME_LEN	128
/* Proxmox VE's name of the first device of its guest number 100 */
#define GUEST_100	"00000000-0000-0000-0000-000000000100"
#define GUEST_100_NEXT	"00000001-0000-0000-0000-000000000100"
#define FEW		"mdev_test_structured-few"

FIXTURE(programs) {
	struct mdev_env env;
	struct mdev_user user;
	char parent[PATH_LEN];
	char path[PATH_LEN];
};

FIXTURE_SETUP(programs)
{
	self->user = (struct mdev_user){ -1, -1, -1 };
	ASSERT_EQ(0, env_setup(&self->env, STRUCTURED));
	parent_path(self->parent, STRUCTURED, 0);
}

static void remove_all(void)
{
	char path[PATH_LEN];
	glob_t devices;
	size_t i;

	if (glob(DEVICES "*", 0, NULL, &devices))
		return;
	for (i = 0; i < devices.gl_pathc; i++) {
		snprintf(path, sizeof(path), "%s/remove", devices.gl_pathv[i]);
		write_file(path, "1");
	}
	globfree(&devices);
}

FIXTURE_TEARDOWN(programs)
{
	mdev_close(&self->user);
	remove_all();
	EXPECT_EQ(0, env_teardown(&self->env));
}

/* The last part of a path */
static const char *base(const char *path)
{
	return strrchr(path, '/') + 1;
}

static int read_number(const char *path)
{
	char text[32], *end;
	long number;

	if (read_file(path, text, sizeof(text)) <= 0)
		return -EIO;
	number = strtol(text, &end, 10);
	return *text >= '0' && *text <= '9' && !*end ? number : -EINVAL;
}

/* KubeVirt */

/* How it names a type: as the type does, with underscores; else by the folder. */
static int kubevirt_type(const char *folder, char name[NAME_LEN])
{
	char path[PATH_LEN], link[PATH_LEN];
	ssize_t len;
	char *at;

	snprintf(path, sizeof(path), "%s/name", folder);
	if (read_file(path, name, NAME_LEN) < 0) {
		if (exists("%s", path))
			return -EIO;
		len = readlink(folder, link, sizeof(link) - 1);
		link[len < 0 ? 0 : len] = 0;
		snprintf(name, NAME_LEN, "%s", base(len < 0 ? folder : link));
	}
	for (at = name; *at; at++)
		if (*at == ' ')
			*at = '_';
	return 0;
}

/* The parent of a device: the last but one part of where its link leads */
static int kubevirt_parent(const char *uuid, char name[NAME_LEN])
{
	char path[PATH_LEN], link[PATH_LEN];
	ssize_t len;
	char *end;

	snprintf(path, sizeof(path), DEVICES "%s", uuid);
	len = readlink(path, link, sizeof(link) - 1);
	if (len < 0)
		return -errno;
	link[len] = 0;
	end = strrchr(link, '/');
	if (!end || strcmp(end + 1, uuid))
		return -EINVAL;
	*end = 0;
	snprintf(name, NAME_LEN, "%s", base(link));
	return 0;
}

/*
 * All of one type, of the parents that have none so far: as many as the type has left,
 * a number that it reads once.
 */
static int kubevirt_create(const char *wanted)
{
	char name[NAME_LEN], path[PATH_LEN], uuid[UUID_LEN];
	int n, made = 0;
	glob_t types;
	size_t i;

	if (glob(PARENTS "*/mdev_supported_types/*", 0, NULL, &types))
		return -ENOENT;
	for (i = 0; i < types.gl_pathc; i++) {
		if (kubevirt_type(types.gl_pathv[i], name) || strcmp(name, wanted) ||
		    strncmp(types.gl_pathv[i], PARENTS STRUCTURED ".0/",
			    strlen(PARENTS STRUCTURED ".0/")))
			continue;
		snprintf(path, sizeof(path), "%s/available_instances",
			 types.gl_pathv[i]);
		for (n = read_number(path); n > 0; n--, made++) {
			snprintf(path, sizeof(path), "%s/create",
				 types.gl_pathv[i]);
			if (write_file(path, uuid_make(uuid))) {
				made = -EIO;
				break;
			}
		}
	}
	globfree(&types);
	return made;
}

/* Those of no type that is wanted go. */
static int kubevirt_remove_others(const char *wanted)
{
	char name[NAME_LEN], path[PATH_LEN], type[PATH_LEN];
	glob_t devices;
	size_t i;
	int ret = 0;

	if (glob(DEVICES "*", 0, NULL, &devices))
		return 0;
	for (i = 0; i < devices.gl_pathc; i++) {
		snprintf(type, sizeof(type), "%s/mdev_type", devices.gl_pathv[i]);
		if (kubevirt_type(type, name) || !strcmp(name, wanted))
			continue;
		snprintf(path, sizeof(path), "%s/remove", devices.gl_pathv[i]);
		ret = write_file(path, "1") ?: ret;
	}
	globfree(&devices);
	return ret;
}

TEST_F(programs, kubevirt_makes_all_of_a_type)
{
	char name[NAME_LEN], path[PATH_LEN], group[NAME_LEN];
	const char *uuid;
	glob_t devices;
	size_t i;

	ASSERT_EQ(3, kubevirt_create("Test_device_few"));
	EXPECT_EQ(0, mdev_available(STRUCTURED, 0, "few"));

	/* What its device plugin then finds. */
	ASSERT_EQ(0, glob(DEVICES "*", 0, NULL, &devices));
	ASSERT_EQ(3, devices.gl_pathc);
	for (i = 0; i < devices.gl_pathc; i++) {
		struct stat st;

		ASSERT_EQ(0, lstat(devices.gl_pathv[i], &st));
		EXPECT_TRUE(S_ISLNK(st.st_mode));
		uuid = base(devices.gl_pathv[i]);
		snprintf(path, sizeof(path), DEVICES "%s/mdev_type", uuid);
		ASSERT_EQ(0, kubevirt_type(path, name));
		EXPECT_STREQ("Test_device_few", name);
		ASSERT_EQ(0, kubevirt_parent(uuid, name));
		EXPECT_STREQ(STRUCTURED ".0", name);
		/* Its resource, and the node that it hands to the guest's pod */
		snprintf(path, sizeof(path), DEVICES "%s/iommu_group", uuid);
		ASSERT_EQ(0, link_name(path, group, sizeof(group)));
		EXPECT_TRUE(exists("/dev/vfio/%s", group));
		/* Nor is it to take the folder for a file of the device's own. */
		snprintf(path, sizeof(path), DEVICES "%s/vfio-dev", uuid);
		EXPECT_EQ(1, count_entries(path));
	}
	globfree(&devices);

	/* Another configuration: these go, and others come. */
	EXPECT_EQ(0, kubevirt_remove_others("Test_device_single"));
	EXPECT_EQ(0, count_entries(DEVICES));
	EXPECT_EQ(1, kubevirt_create("Test_device_single"));
	EXPECT_EQ(0, kubevirt_remove_others("Test_device_single"));
	EXPECT_EQ(1, count_entries(DEVICES));
}

/* Its parent's processors, which the plugin tells the scheduler if there are such */
TEST_F(programs, kubevirt_reads_the_parents_numa_node)
{
	char path[PATH_LEN], uuid[UUID_LEN], name[NAME_LEN];

	ASSERT_EQ(0, mdev_make(STRUCTURED, 0, "few", uuid));
	ASSERT_EQ(0, kubevirt_parent(uuid, name));
	snprintf(path, sizeof(path), PARENTS "%s/numa_node", name);
	if (!exists("/sys/devices/system/node"))
		SKIP(return, "no such places in this kernel");
	EXPECT_LE(0, read_number(path));
}

/* Does inotify tell within MS that a file of this name came, or went? */
static bool watched(int fd, uint32_t mask, const char *name, unsigned int ms)
{
	char buf[4096] __attribute__((aligned(8)));
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	long long end = now_ms() + ms;
	struct inotify_event *event;
	ssize_t len, at;

	while (now_ms() < end) {
		if (poll(&pfd, 1, end - now_ms()) != 1)
			return false;
		len = read(fd, buf, sizeof(buf));
		for (at = 0; at < len; at += sizeof(*event) + event->len) {
			event = (struct inotify_event *)(buf + at);
			if (event->mask & mask && event->len &&
			    !strcmp(event->name, name))
				return true;
		}
	}
	return false;
}

/* A node that goes makes a device unhealthy, one that comes back heals it. */
TEST_F(programs, kubevirt_watches_the_groups)
{
	char uuid[UUID_LEN], group[16];
	int fd, number;

	fd = inotify_init1(IN_CLOEXEC);
	if (fd < 0)
		SKIP(return, "no inotify in this kernel");
	ASSERT_EQ(0, mdev_make(STRUCTURED, 0, "few", uuid));
	number = mdev_group(uuid);
	ASSERT_LE(0, number);
	snprintf(group, sizeof(group), "%d", number);
	ASSERT_LE(0, inotify_add_watch(fd, "/dev/vfio",
				       IN_CREATE | IN_DELETE));

	ASSERT_EQ(0, mdev_remove(uuid));
	EXPECT_TRUE(watched(fd, IN_DELETE, group, SOON));
	ASSERT_EQ(0, mdev_create(STRUCTURED, 0, "few", uuid));
	EXPECT_EQ(number, mdev_group(uuid));
	EXPECT_TRUE(watched(fd, IN_CREATE, group, SOON));
	/* What is open and closed meanwhile is the same device. */
	ASSERT_EQ(0, mdev_open(uuid, &self->user));
	mdev_close(&self->user);
	EXPECT_FALSE(watched(fd, IN_CREATE | IN_DELETE, group, 50));
	close(fd);
}

/* Proxmox VE */

/* It has all of this of each type, or does not show the parent's types at all. */
TEST_F(programs, proxmox_lists_types)
{
	char path[PATH_LEN + 64], text[4096];
	glob_t types;
	size_t i;

	snprintf(path, sizeof(path), "%s/mdev_supported_types/*", self->parent);
	ASSERT_EQ(0, glob(path, 0, NULL, &types));
	EXPECT_EQ(3, types.gl_pathc);
	for (i = 0; i < types.gl_pathc; i++) {
		snprintf(path, sizeof(path), "%s/available_instances",
			 types.gl_pathv[i]);
		EXPECT_LE(0, read_number(path));
		snprintf(path, sizeof(path), "%s/description", types.gl_pathv[i]);
		EXPECT_LT(0, read_file(path, text, sizeof(text))) {
			TH_LOG("%s", path);
		}
		snprintf(path, sizeof(path), "%s/name", types.gl_pathv[i]);
		EXPECT_LT(0, read_file(path, text, sizeof(text)));
	}
	globfree(&types);
}

/* What it does before a guest starts: uses the device that is there, or makes one. */
static int proxmox_prepare(const char *parent, const char *type, const char *uuid)
{
	char path[PATH_LEN + 64], name[NAME_LEN];

	snprintf(path, sizeof(path), "%s/%s", parent, uuid);
	if (exists("%s", path)) {
		snprintf(path, sizeof(path), "%s/%s/mdev_type", parent, uuid);
		return link_name(path, name, sizeof(name)) ?: strcmp(name, type) ?
			-EINVAL : 1;
	}
	snprintf(path, sizeof(path), "%s/mdev_supported_types/%s/available_instances",
		 parent, type);
	if (read_number(path) < 1)
		return -EUSERS;
	snprintf(path, sizeof(path), "%s/mdev_supported_types/%s/create", parent,
		 type);
	/* 36 bytes, without an end of the line */
	return write_bytes(path, uuid, UUID_LEN - 1);
}

TEST_F(programs, proxmox_starts_and_stops_a_guest)
{
	ASSERT_EQ(0, proxmox_prepare(self->parent, FEW, GUEST_100));
	/* A second card of the same guest's, and a start after one that failed. */
	ASSERT_EQ(0, proxmox_prepare(self->parent, FEW, GUEST_100_NEXT));
	EXPECT_EQ(1, proxmox_prepare(self->parent, FEW, GUEST_100));
	EXPECT_EQ(-EINVAL, proxmox_prepare(self->parent,
					   "mdev_test_structured-single", GUEST_100));
	EXPECT_EQ(1, mdev_available(STRUCTURED, 0, "few"));

	/* The guest has gone, and both devices stay until it writes. */
	ASSERT_EQ(0, mdev_open(GUEST_100, &self->user));
	mdev_close(&self->user);
	ASSERT_TRUE(mdev_exists(GUEST_100));
	EXPECT_EQ(0, mdev_remove(GUEST_100));
	EXPECT_EQ(0, mdev_remove(GUEST_100_NEXT));
	EXPECT_EQ(3, mdev_available(STRUCTURED, 0, "few"));
}

/*
 * When the guest has stopped it gives the vendor's driver ten seconds to remove the
 * device, and looks once a second: one that is told to go is gone by then.
 */
TEST_F(programs, proxmox_waits_for_the_driver_to_remove_it)
{
	ASSERT_EQ(0, proxmox_prepare(self->parent, FEW, GUEST_100));
	mdev_path(self->path, GUEST_100, "mdev_remove_on_close");
	ASSERT_EQ(0, write_file(self->path, "1"));
	ASSERT_EQ(0, mdev_open(GUEST_100, &self->user));
	mdev_close(&self->user);
	EXPECT_TRUE(WAIT_FOR(!mdev_exists(GUEST_100), 10000));
	/* The bus's link has gone first. Then the same name can be had again. */
	expect_dmesg("mdev [-0-9a-f]+ was not created:");
	EXPECT_TRUE(WAIT_FOR(!proxmox_prepare(self->parent, FEW, GUEST_100), SOON));
}

/* nova, by libvirt */

/*
 * libvirt wakes when the device is announced, and waits for mdev_type; the group's link,
 * which it reads next, nova cannot do without. A device with a fixed UUID comes back
 * after a restart in a group that may be another one: it is found by its UUID.
 */
TEST_F(programs, nova_finds_its_device_again)
{
	static const char uuid[] = "5d9e3a38-4d0c-4a34-9a1c-6d0f3c0e7a08";
	char path[PATH_LEN], api[32], name[NAME_LEN], other[UUID_LEN];
	struct uevent event;
	int fd, i;

	type_path(path, STRUCTURED, 0, "few", "device_api");
	ASSERT_LT(0, read_file(path, api, sizeof(api)));
	EXPECT_STREQ("vfio-pci", api);
	EXPECT_EQ(3, read_number(type_path(path, STRUCTURED, 0, "few",
					   "available_instances")));
	fd = uevent_open();
	ASSERT_LE(0, fd);
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, mdev_create(STRUCTURED, 0, "few", uuid));
		do {
			ASSERT_EQ(0, uevent_next(fd, &event, SOON));
		} while (strcmp(uevent_get(&event, "ACTION"), "add") ||
			 strcmp(base(uevent_get(&event, "DEVPATH")), uuid));
		EXPECT_TRUE(WAIT_FOR(exists(DEVICES "%s/mdev_type", uuid), SOON));
		EXPECT_LE(0, mdev_group(uuid));
		mdev_path(path, uuid, "mdev_type");
		ASSERT_EQ(0, link_name(path, name, sizeof(name)));
		EXPECT_STREQ(FEW, name);

		/* The host starts again, and another comes first. */
		ASSERT_EQ(0, parent_unregister(STRUCTURED, 0));
		EXPECT_FALSE(mdev_exists(uuid));
		ASSERT_EQ(0, parent_register(STRUCTURED, 0));
		if (!i)
			ASSERT_EQ(0, mdev_make(STRUCTURED, 0, "few", other));
	}
	close(fd);
}

MDEV_TEST_MAIN(STRUCTURED)
