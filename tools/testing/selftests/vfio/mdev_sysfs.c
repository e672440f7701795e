// SPDX-License-Identifier: GPL-2.0-only
/*
 * What programs (mdevctl, libvirt, KubeVirt, nova) rely on in sysfs: files,
 * links, errors and uevents of parents, types and mediated devices.
 */
#include <ctype.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "mdev_util.h"

#define NOT_CREATED "mdev [-0-9a-f]+ was not created:"

static const char * const all_types[] = { "single", "few", "many" };

FIXTURE(sysfs) {
	struct mdev_env env;
	const char *vendor;
	char uuid[UUID_LEN];
	char path[PATH_LEN];
	char text[4096];
};

FIXTURE_VARIANT(sysfs) {
	const char *vendor;
	const char *other;
};

FIXTURE_VARIANT_ADD(sysfs, raw) {
	.vendor = RAW,
	.other = STRUCTURED,
};

FIXTURE_VARIANT_ADD(sysfs, structured) {
	.vendor = STRUCTURED,
	.other = RAW,
};

FIXTURE_SETUP(sysfs)
{
	self->vendor = variant->vendor;
	uuid_make(self->uuid);
	ASSERT_EQ(0, env_setup(&self->env, variant->vendor));
}

FIXTURE_TEARDOWN(sysfs)
{
	EXPECT_EQ(0, env_teardown(&self->env));
}

/* Does PATH, all links followed, end in TAIL? */
static bool leads_to(const char *path, const char *tail)
{
	char real[PATH_MAX];
	size_t len;

	if (!realpath(path, real))
		return false;
	len = strlen(real);
	return len >= strlen(tail) && !strcmp(real + len - strlen(tail), tail);
}

TEST_F(sysfs, parent_is_linked_while_registered)
{
	char tail[PATH_LEN];

	snprintf(tail, sizeof(tail), "/devices/platform/%s.0", self->vendor);
	EXPECT_TRUE(leads_to(parent_path(self->path, self->vendor, 0), tail));
	EXPECT_FALSE(exists("%s", parent_path(self->path, self->vendor, 1)));
	EXPECT_FALSE(exists("/sys/devices/platform/%s.1/mdev_supported_types",
			    self->vendor));

	ASSERT_EQ(0, parent_register(self->vendor, 1));
	snprintf(tail, sizeof(tail), "/devices/platform/%s.1", self->vendor);
	EXPECT_TRUE(leads_to(parent_path(self->path, self->vendor, 1), tail));
	ASSERT_EQ(0, parent_unregister(self->vendor, 1));
	EXPECT_FALSE(exists("%s", parent_path(self->path, self->vendor, 1)));
	EXPECT_FALSE(exists("/sys/devices/platform/%s.1/mdev_supported_types",
			    self->vendor));
}

/* How many parents' locks lockdep knows of, or -errno */
static int parents_known_to_lockdep(void)
{
	FILE *f = fopen("/proc/lockdep", "re");
	char line[256];
	int n = 0;

	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f))
		n += strstr(line, " FD:") && strstr(line, "&dir->key");
	fclose(f);
	return n;
}

/* The lock of each parent is a class of its own, in memory that is freed. */
TEST_F(sysfs, lockdep_forgets_a_parent)
{
	int before = parents_known_to_lockdep();

	if (before < 0)
		SKIP(return, "the kernel has no lockdep");
	ASSERT_LT(0, before);
	ASSERT_EQ(0, parent_register(self->vendor, 1));
	EXPECT_EQ(before + 1, parents_known_to_lockdep());
	ASSERT_EQ(0, parent_unregister(self->vendor, 1));
	EXPECT_TRUE(WAIT_FOR(parents_known_to_lockdep() == before, SOON));
}

TEST_F(sysfs, types_have_their_files)
{
	static const char * const files[] = {
		"device_api", "available_instances", "name", "description",
	};
	struct stat st;
	unsigned int i, j;

	snprintf(self->path, sizeof(self->path),
		 "/sys/class/mdev_bus/%s.0/mdev_supported_types", self->vendor);
	EXPECT_EQ(ARRAY_LEN(all_types), count_entries(self->path));

	for (i = 0; i < ARRAY_LEN(all_types); i++) {
		for (j = 0; j < ARRAY_LEN(files); j++) {
			type_path(self->path, self->vendor, 0, all_types[i],
				  files[j]);
			EXPECT_LT(0, read_file(self->path, self->text,
					       sizeof(self->text))) {
				TH_LOG("%s", self->path);
			}
		}
		type_path(self->path, self->vendor, 0, all_types[i], "create");
		ASSERT_EQ(0, stat(self->path, &st));
		EXPECT_EQ(S_IFREG | 0200, st.st_mode);
		type_path(self->path, self->vendor, 0, all_types[i], "devices");
		ASSERT_EQ(0, stat(self->path, &st));
		EXPECT_TRUE(S_ISDIR(st.st_mode));
		EXPECT_EQ(0, count_entries(self->path));
	}
}

TEST_F(sysfs, type_attributes_read_as_the_vendor_says)
{
	char lines[128];

	type_path(self->path, self->vendor, 0, "few", "device_api");
	ASSERT_LT(0, read_file(self->path, self->text, sizeof(self->text)));
	EXPECT_STREQ("vfio-pci", self->text);

	type_path(self->path, self->vendor, 0, "few", "name");
	ASSERT_LT(0, read_file(self->path, self->text, sizeof(self->text)));
	EXPECT_STREQ("Test device few", self->text);

	type_path(self->path, self->vendor, 0, "few", "description");
	ASSERT_LT(0, read_file(self->path, self->text, sizeof(self->text)));
	snprintf(lines, sizeof(lines),
		 "regions: %u\ninterrupts: %u\ninstances: 3",
		 MDEV_TEST_NUM_REGIONS, MDEV_TEST_NUM_IRQS);
	EXPECT_STREQ(lines, self->text);

	/* With neither show nor store */
	type_path(self->path, self->vendor, 0, "few", "mute");
	EXPECT_EQ(-EIO, read_file(self->path, self->text, sizeof(self->text)));
	EXPECT_EQ(-EIO, write_file(self->path, "1"));
}

/* mdevctl: a signed number of 32 bits. */
static bool is_s32(const char *text)
{
	char *end;
	long value;

	errno = 0;
	value = strtol(text, &end, 10);
	return *text && !*end && !errno && value >= INT_MIN && value <= INT_MAX;
}

TEST_F(sysfs, available_instances_count_down_and_up)
{
	char uuids[3][UUID_LEN], last[UUID_LEN];
	int i;

	expect_dmesg(NOT_CREATED);
	type_path(self->path, self->vendor, 0, "few", "available_instances");
	ASSERT_LT(0, read_file(self->path, self->text, sizeof(self->text)));
	EXPECT_TRUE(is_s32(self->text));

	for (i = 0; i < 3; i++) {
		EXPECT_EQ(3 - i, mdev_available(self->vendor, 0, "few"));
		ASSERT_EQ(0, mdev_make(self->vendor, 0, "few", uuids[i]));
	}
	EXPECT_EQ(0, mdev_available(self->vendor, 0, "few"));
	EXPECT_EQ(-EUSERS, mdev_make(self->vendor, 0, "few", last));
	EXPECT_FALSE(mdev_exists(last));
	EXPECT_EQ(1, mdev_available(self->vendor, 0, "single"));
	type_path(self->path, self->vendor, 0, "few", "devices");
	EXPECT_EQ(3, count_entries(self->path));

	for (i = 0; i < 3; i++) {
		EXPECT_EQ(0, mdev_remove(uuids[i]));
		EXPECT_EQ(i + 1, mdev_available(self->vendor, 0, "few"));
	}
	EXPECT_EQ(0, count_entries(self->path));
}

TEST_F(sysfs, device_is_laid_out_as_promised)
{
	char tail[PATH_LEN], name[64];
	struct stat st;
	int group;

	ASSERT_EQ(0, mdev_create(self->vendor, 0, "single", self->uuid));

	/* A direct child of the parent, a link on the bus */
	snprintf(tail, sizeof(tail), "/devices/platform/%s.0/%s", self->vendor,
		 self->uuid);
	snprintf(self->path, sizeof(self->path), "/sys/bus/mdev/devices/%s",
		 self->uuid);
	ASSERT_EQ(0, lstat(self->path, &st));
	EXPECT_TRUE(S_ISLNK(st.st_mode));
	EXPECT_TRUE(leads_to(self->path, tail));

	/* Links to it and from it */
	snprintf(self->text, sizeof(self->text), "devices/%s", self->uuid);
	type_path(self->path, self->vendor, 0, "single", self->text);
	EXPECT_TRUE(leads_to(self->path, tail));

	snprintf(tail, sizeof(tail),
		 "/%s.0/mdev_supported_types/%s-single", self->vendor,
		 self->vendor);
	mdev_path(self->path, self->uuid, "mdev_type");
	ASSERT_EQ(0, lstat(self->path, &st));
	EXPECT_TRUE(S_ISLNK(st.st_mode));
	EXPECT_TRUE(leads_to(self->path, tail));

	ASSERT_EQ(0, link_name(mdev_path(self->path, self->uuid, "driver"),
			       name, sizeof(name)));
	EXPECT_STREQ("vfio_mdev", name);
	ASSERT_EQ(0, link_name(mdev_path(self->path, self->uuid, "subsystem"),
			       name, sizeof(name)));
	EXPECT_STREQ("mdev", name);

	group = mdev_group(self->uuid);
	ASSERT_LE(0, group);
	EXPECT_TRUE(exists("/sys/kernel/iommu_groups/%d/devices/%s", group,
			   self->uuid));
	EXPECT_TRUE(exists("/dev/vfio/%d", group));

	mdev_path(self->path, self->uuid, "remove");
	ASSERT_EQ(0, stat(self->path, &st));
	EXPECT_EQ(S_IFREG | 0200, st.st_mode);

	/* mdevctl writes attributes as soon as create has returned. */
	mdev_path(self->path, self->uuid, "test/note");
	EXPECT_EQ(0, write_file(self->path, "a note"));
	ASSERT_LT(0, read_file(self->path, self->text, sizeof(self->text)));
	EXPECT_STREQ("a note", self->text);

	ASSERT_EQ(0, mdev_remove(self->uuid));
	EXPECT_FALSE(mdev_exists(self->uuid));
	EXPECT_FALSE(exists("/sys/class/mdev_bus/%s.0/%s", self->vendor,
			    self->uuid));
	EXPECT_FALSE(exists("/sys/kernel/iommu_groups/%d", group));
	EXPECT_FALSE(exists("/dev/vfio/%d", group));
}

/* libvirt waits for mdev_type and then reads iommu_group at once. */
TEST_F(sysfs, iommu_group_stands_before_mdev_type)
{
	int status, i;
	pid_t pid;

	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		mdev_path(self->path, self->uuid, "mdev_type");
		for (i = 0; i < 20; i++) {
			while (!exists("%s", self->path))
				sched_yield();
			if (mdev_group(self->uuid) < 0 &&
			    exists("%s", self->path))
				_exit(1);
			while (exists("%s", self->path))
				sched_yield();
		}
		_exit(0);
	}

	/* The watcher needs some time to see each state. */
	for (i = 0; !waitpid(pid, &status, WNOHANG); i++) {
		EXPECT_EQ(0, mdev_create(self->vendor, 0, "few", self->uuid));
		sleep_ms(10);
		EXPECT_EQ(0, mdev_remove(self->uuid));
		sleep_ms(10);
		ASSERT_GT(1000, i);
	}
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(0, WEXITSTATUS(status));
}

TEST_F(sysfs, create_takes_a_uuid_as_programs_write_it)
{
	char upper[UUID_LEN], line[64];
	int i;

	/* mdevctl writes no newline, echo does. */
	EXPECT_EQ(0, mdev_create(self->vendor, 0, "few", self->uuid));
	EXPECT_EQ(0, mdev_remove(self->uuid));
	snprintf(line, sizeof(line), "%s\n", self->uuid);
	EXPECT_EQ(0, mdev_create(self->vendor, 0, "few", line));
	EXPECT_TRUE(mdev_exists(self->uuid));
	EXPECT_EQ(0, mdev_remove(self->uuid));

	/* Names are in lower case. */
	for (i = 0; i < UUID_LEN; i++)
		upper[i] = toupper(self->uuid[i]);
	EXPECT_EQ(0, mdev_create(self->vendor, 0, "few", upper));
	EXPECT_TRUE(mdev_exists(self->uuid));
	EXPECT_EQ(0, mdev_remove(self->uuid));

	/* nova always uses this one. */
	EXPECT_EQ(0, mdev_create(self->vendor, 0, "few",
				 "00000000-0000-0000-0000-000000000000"));
	EXPECT_EQ(0, mdev_remove("00000000-0000-0000-0000-000000000000"));
	EXPECT_EQ(4, vendor_calls(self->vendor, "create"));
}

TEST_F(sysfs, create_refuses_what_is_no_uuid)
{
	static const char * const bad[] = {
		"", "\n", "1", "-",
		/* 35 characters, 37, 38 */
		"c63b0a6c-9d3b-4b1f-8a9e-1c9f7c2d5e1",
		"c63b0a6c-9d3b-4b1f-8a9e-1c9f7c2d5e1f0",
		"c63b0a6c-9d3b-4b1f-8a9e-1c9f7c2d5e1f\n\n",
		"c63b0a6c-9d3b-4b1f-8a9e-1c9f7c2d5e1f 1",
		" c63b0a6c-9d3b-4b1f-8a9e-1c9f7c2d5e1",
		" c63b0a6c-9d3b-4b1f-8a9e-1c9f7c2d5e1f",
		"{c63b0a6c-9d3b-4b1f-8a9e-1c9f7c2d5e1f}",
		/* no hexadecimal digit, dashes elsewhere, no dashes */
		"g63b0a6c-9d3b-4b1f-8a9e-1c9f7c2d5e1f",
		"c63b0a6c9-d3b-4b1f-8a9e-1c9f7c2d5e1f",
		"c63b0a6c-9d3b-4b1f-8a9e-1c9f7c2d5e-f",
		"c63b0a6c+9d3b+4b1f+8a9e+1c9f7c2d5e1f",
		"c63b0a6c9d3b4b1f8a9e1c9f7c2d5e1f",
		"c63b0a6c-9d3b-4b1f-8a9e-1c9f7c2d5e1\n",
		"../../../../../../../../etc/passwd..",
	};
	unsigned int i;

	type_path(self->path, self->vendor, 0, "few", "create");
	for (i = 0; i < ARRAY_LEN(bad); i++) {
		int ret = write_file(self->path, bad[i]);

		/* sysfs passes a write of nothing by. */
		EXPECT_EQ(*bad[i] ? -EINVAL : 0, ret) {
			TH_LOG("\"%s\"", bad[i]);
		}
	}
	EXPECT_EQ(0, vendor_calls(self->vendor, "create"));
	EXPECT_EQ(3, mdev_available(self->vendor, 0, "few"));
}

TEST_F(sysfs, a_uuid_is_unique_on_the_machine)
{
	char upper[UUID_LEN];
	int i;

	for (i = 0; i < UUID_LEN; i++)
		upper[i] = toupper(self->uuid[i]);
	expect_dmesg(NOT_CREATED);
	ASSERT_EQ(0, parent_register(self->vendor, 1));
	ASSERT_EQ(0, mdev_create(self->vendor, 0, "few", self->uuid));

	EXPECT_EQ(-EEXIST, mdev_create(self->vendor, 0, "few", self->uuid));
	EXPECT_EQ(-EEXIST, mdev_create(self->vendor, 0, "few", upper));
	EXPECT_EQ(-EEXIST, mdev_create(self->vendor, 0, "many", self->uuid));
	EXPECT_EQ(-EEXIST, mdev_create(self->vendor, 1, "few", self->uuid));
	EXPECT_EQ(-EEXIST, mdev_create(variant->other, 0, "few", self->uuid));
	/* The vendor is not asked. */
	EXPECT_EQ(1, vendor_calls(self->vendor, "create"));
	EXPECT_TRUE(mdev_exists(self->uuid));

	EXPECT_EQ(0, mdev_remove(self->uuid));
	EXPECT_EQ(0, mdev_create(self->vendor, 1, "few", self->uuid));
	EXPECT_EQ(0, mdev_remove(self->uuid));
	EXPECT_EQ(0, parent_unregister(self->vendor, 1));
}

/* Of guests one after the other, as Proxmox VE names them, or in another place */
TEST_F(sysfs, uuids_may_be_alike)
{
	static const char * const formats[] = {
		"00000000-0000-0000-0000-0000000001%02u",
		"c63b0a6c-9d3b-%02u1f-8a9e-1c9f7c2d5e1f",
	};
	char uuid[UUID_LEN];
	unsigned int i, n;

	for (i = 0; i < ARRAY_LEN(formats); i++) {
		for (n = 0; n < 64; n++) {
			snprintf(uuid, sizeof(uuid), formats[i], n);
			EXPECT_EQ(0, mdev_create(self->vendor, 0, "many", uuid)) {
				TH_LOG("%s", uuid);
			}
		}
		for (n = 0; n < 64; n++) {
			snprintf(uuid, sizeof(uuid), formats[i], n);
			EXPECT_EQ(0, mdev_remove(uuid));
		}
	}
}

TEST_F(sysfs, the_vendors_error_is_the_admins)
{
	static const int errors[] = {
		EUSERS, ENOSPC, EBUSY, EIO, EPERM, EAGAIN, EINVAL,
	};
	unsigned int i;
	int kmsg;

	expect_dmesg(NOT_CREATED);
	kmsg = kmsg_open();
	ASSERT_LE(0, kmsg);
	for (i = 0; i < ARRAY_LEN(errors); i++) {
		vendor_set(self->vendor, "create/error", errors[i]);
		EXPECT_EQ(-errors[i],
			  mdev_create(self->vendor, 0, "few", self->uuid));
		EXPECT_FALSE(mdev_exists(self->uuid));
		EXPECT_EQ(3, mdev_available(self->vendor, 0, "few"));
		/* One line says why. */
		EXPECT_EQ(1, kmsg_count(kmsg, self->uuid));
	}
	EXPECT_EQ(0, vendor_calls(self->vendor, "remove"));

	/* The UUID is free again. */
	vendor_set(self->vendor, "create/error", 0);
	EXPECT_EQ(0, mdev_create(self->vendor, 0, "few", self->uuid));
	EXPECT_EQ(0, mdev_remove(self->uuid));
	EXPECT_EQ(0, kmsg_count(kmsg, "was not created"));
	close(kmsg);
}

TEST_F(sysfs, row_66_create_answers_a_positive_number)
{
	expect_dmesg(NOT_CREATED);
	/* The driver negates it. */
	vendor_set(self->vendor, "create/error", -5);
	EXPECT_EQ(-EINVAL, mdev_create(self->vendor, 0, "few", self->uuid));
	EXPECT_FALSE(mdev_exists(self->uuid));
	EXPECT_EQ(3, mdev_available(self->vendor, 0, "few"));
	EXPECT_EQ(0, vendor_calls(self->vendor, "remove"));
	vendor_set(self->vendor, "create/error", 0);
	EXPECT_EQ(0, mdev_create(self->vendor, 0, "few", self->uuid));
	EXPECT_EQ(0, mdev_remove(self->uuid));
}

TEST_F(sysfs, remove_reads_a_number)
{
	int fd;

	ASSERT_EQ(0, mdev_create(self->vendor, 0, "few", self->uuid));
	mdev_path(self->path, self->uuid, "remove");

	EXPECT_EQ(0, write_file(self->path, "0"));
	EXPECT_EQ(0, write_file(self->path, "0\n"));
	EXPECT_EQ(-EINVAL, write_file(self->path, "yes"));
	EXPECT_EQ(-EINVAL, write_file(self->path, "\n"));
	EXPECT_EQ(-EINVAL, write_file(self->path, "-1"));
	EXPECT_TRUE(mdev_exists(self->uuid));
	EXPECT_EQ(0, vendor_calls(self->vendor, "remove"));

	/* Through a file opened before, a second time */
	fd = open(self->path, O_WRONLY);
	ASSERT_LE(0, fd);
	EXPECT_EQ(2, write(fd, "1\n", 2));
	EXPECT_FALSE(mdev_exists(self->uuid));
	EXPECT_EQ(-1, write(fd, "1\n", 2));
	EXPECT_EQ(ENODEV, errno);
	close(fd);
	EXPECT_EQ(-ENOENT, mdev_remove(self->uuid));
	EXPECT_EQ(1, vendor_calls(self->vendor, "remove"));
}

static bool is_uuid(const char *name)
{
	size_t i;

	for (i = 0; i < 36; i++) {
		if (i == 8 || i == 13 || i == 18 || i == 23) {
			if (name[i] != '-')
				return false;
		} else if (!isxdigit(name[i])) {
			return false;
		}
	}
	return !name[36];
}

/* mdevctl parses every entry as a UUID. */
TEST_F(sysfs, the_bus_holds_uuids_only)
{
	char uuids[3][UUID_LEN];
	FILE *list;
	int i, n = 0;

	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, mdev_make(self->vendor, 0, "few", uuids[i]));
	list = popen("ls -1 /sys/bus/mdev/devices", "r");
	ASSERT_NE(NULL, list);
	while (fscanf(list, "%63s", self->text) == 1) {
		n++;
		EXPECT_TRUE(is_uuid(self->text)) {
			TH_LOG("%s", self->text);
		}
	}
	EXPECT_EQ(3, n);
	pclose(list);
	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, mdev_remove(uuids[i]));
}

/* The next uevent of the parent that tells of its state. */
static int next_state(int fd, const char *parent, struct uevent *event,
		      unsigned int ms)
{
	const char *path, *state;
	int ret;

	while (!(ret = uevent_next(fd, event, ms))) {
		path = uevent_get(event, "DEVPATH");
		state = uevent_get(event, "MDEV_STATE");
		if (path && state && strstr(path, parent))
			return 0;
	}
	return ret;
}

TEST_F(sysfs, one_uevent_tells_of_registration)
{
	struct uevent event;
	char parent[64];
	int fd;

	snprintf(parent, sizeof(parent), "%s.1", self->vendor);
	fd = uevent_open();
	ASSERT_LE(0, fd);

	ASSERT_EQ(0, parent_register(self->vendor, 1));
	ASSERT_EQ(0, next_state(fd, parent, &event, SOON));
	EXPECT_STREQ("change", uevent_get(&event, "ACTION"));
	EXPECT_STREQ("registered", uevent_get(&event, "MDEV_STATE"));
	EXPECT_EQ(-ETIMEDOUT, next_state(fd, parent, &event, A_WHILE));

	ASSERT_EQ(0, parent_unregister(self->vendor, 1));
	ASSERT_EQ(0, next_state(fd, parent, &event, SOON));
	EXPECT_STREQ("change", uevent_get(&event, "ACTION"));
	EXPECT_STREQ("unregistered", uevent_get(&event, "MDEV_STATE"));
	EXPECT_EQ(-ETIMEDOUT, next_state(fd, parent, &event, A_WHILE));
	close(fd);
}

/* mdevctl's udev rule creates devices of any type on the uevent. */
TEST_F(sysfs, types_stand_when_the_registration_is_told)
{
	struct uevent event;
	char parent[64];
	pid_t pid;
	int i, fd;

	snprintf(parent, sizeof(parent), "%s.1", self->vendor);
	fd = uevent_open();
	ASSERT_LE(0, fd);
	snprintf(self->path, sizeof(self->path),
		 "/sys/kernel/debug/%s/register", self->vendor);

	for (i = 0; i < 5; i++) {
		pid = async_write(self->path, "1");
		ASSERT_EQ(0, next_state(fd, parent, &event, SOON));
		EXPECT_STREQ("registered", uevent_get(&event, "MDEV_STATE"));
		EXPECT_EQ(0, mdev_create(self->vendor, 1, "many", self->uuid));
		EXPECT_EQ(0, async_result(pid, SOON));
		EXPECT_EQ(0, mdev_remove(self->uuid));
		EXPECT_EQ(0, parent_unregister(self->vendor, 1));
		EXPECT_EQ(0, next_state(fd, parent, &event, SOON));
	}
	close(fd);
}

/* Takes uevents until one is of ACTION on the device. */
static int next_of(int fd, const char *uuid, const char *action,
		   struct uevent *event, unsigned int ms)
{
	const char *path;
	int ret;

	while (!(ret = uevent_next(fd, event, ms))) {
		path = uevent_get(event, "DEVPATH");
		if (path && strstr(path, uuid) &&
		    !strcmp(strrchr(path, '/') + 1, uuid) &&
		    !strcmp(uevent_get(event, "ACTION"), action))
			return 0;
	}
	return ret;
}

TEST_F(sysfs, attributes_stand_when_the_device_is_told)
{
	struct uevent event;
	pid_t pid;
	int i, fd;

	fd = uevent_open();
	ASSERT_LE(0, fd);
	type_path(self->path, self->vendor, 0, "many", "create");

	for (i = 0; i < 5; i++) {
		pid = async_write(self->path, self->uuid);
		ASSERT_EQ(0, next_of(fd, self->uuid, "add", &event, SOON));
		EXPECT_STREQ("mdev", uevent_get(&event, "SUBSYSTEM"));
		mdev_path(self->text, self->uuid, "test/note");
		EXPECT_EQ(0, write_file(self->text, "told"));
		EXPECT_TRUE(exists("/sys/bus/mdev/devices/%s/remove",
				   self->uuid));
		EXPECT_EQ(0, async_result(pid, SOON));
		EXPECT_EQ(0, mdev_remove(self->uuid));
		EXPECT_EQ(0, next_of(fd, self->uuid, "remove", &event, SOON));
	}
	close(fd);
}

TEST_F(sysfs, parent_attributes_stand_while_registered)
{
	parent_path(self->path, self->vendor, 0);
	strcat(self->path, "/mdev_test/vendor");
	ASSERT_LT(0, read_file(self->path, self->text, sizeof(self->text)));
	EXPECT_STREQ(self->vendor, self->text);

	ASSERT_EQ(0, parent_register(self->vendor, 1));
	EXPECT_TRUE(exists("/sys/devices/platform/%s.1/mdev_test/vendor",
			   self->vendor));
	ASSERT_EQ(0, parent_unregister(self->vendor, 1));
	EXPECT_FALSE(exists("/sys/devices/platform/%s.1/mdev_test",
			    self->vendor));
}

TEST_F(sysfs, row_61_row_66_registration_fails_whole)
{
	static const struct {
		const char *control;
		int error;
	} defects[] = {
		{ "1 no-create", -EINVAL },
		{ "1 no-remove", -EINVAL },
		{ "1 no-types", -EINVAL },
		{ "1 nameless-type", -EINVAL },
		{ "1 same-type", -EEXIST },
		/* Rows 61 and 66 */
		{ "1 alike-type", -EEXIST },
		{ "1 unadded", -EINVAL },
	};
	struct uevent event;
	char parent[64];
	unsigned int i;
	int fd, kmsg;

	expect_dmesg("not registered for mediated devices:");
	kmsg = kmsg_open();
	ASSERT_LE(0, kmsg);
	snprintf(parent, sizeof(parent), "%s.1", self->vendor);
	fd = uevent_open();
	ASSERT_LE(0, fd);

	for (i = 0; i < ARRAY_LEN(defects); i++) {
		EXPECT_EQ(defects[i].error,
			  vendor_write(self->vendor, "register",
				       defects[i].control)) {
			TH_LOG("%s", defects[i].control);
		}
		/* One line, and none of the kernel's own, says why. */
		EXPECT_EQ(1, kmsg_count(kmsg, "not registered for mediated"));
		EXPECT_FALSE(exists("/sys/devices/platform/%s/mdev_test",
				    parent));
		EXPECT_FALSE(exists("/sys/devices/platform/%s/mdev_supported_types",
				    parent));
		EXPECT_FALSE(exists("/sys/class/mdev_bus/%s", parent));
		/* To be tried again, and undone, with success. */
		EXPECT_EQ(-ETIMEDOUT, next_state(fd, parent, &event, 50));
		EXPECT_EQ(0, parent_register(self->vendor, 1));
		EXPECT_EQ(0, next_state(fd, parent, &event, SOON));
		EXPECT_EQ(0, mdev_create(self->vendor, 1, "few", self->uuid));
		EXPECT_EQ(0, mdev_remove(self->uuid));
		EXPECT_EQ(0, parent_unregister(self->vendor, 1));
		EXPECT_EQ(0, next_state(fd, parent, &event, SOON));
	}
	close(kmsg);
	close(fd);
}

TEST_F(sysfs, a_parent_is_registered_once)
{
	expect_dmesg("not registered for mediated devices:");
	EXPECT_EQ(-EEXIST, parent_register(self->vendor, 0));
	EXPECT_EQ(0, mdev_create(self->vendor, 0, "few", self->uuid));
	EXPECT_EQ(-EEXIST, parent_register(self->vendor, 0));
	EXPECT_TRUE(mdev_exists(self->uuid));
	EXPECT_EQ(0, mdev_remove(self->uuid));

	/* Unregistering what is not registered does nothing. */
	EXPECT_EQ(0, parent_unregister(self->vendor, 1));
	EXPECT_EQ(0, parent_register(self->vendor, 1));
	EXPECT_EQ(0, parent_unregister(self->vendor, 1));
	EXPECT_EQ(0, parent_unregister(self->vendor, 1));
}

TEST_F(sysfs, a_device_can_be_unbound_and_bound)
{
	ASSERT_EQ(0, mdev_create(self->vendor, 0, "few", self->uuid));

	EXPECT_EQ(0, write_file("/sys/bus/mdev/drivers/vfio_mdev/unbind",
				self->uuid));
	EXPECT_FALSE(exists("/sys/bus/mdev/devices/%s/driver", self->uuid));
	EXPECT_FALSE(exists("/sys/bus/mdev/devices/%s/iommu_group",
			    self->uuid));
	EXPECT_TRUE(exists("/sys/bus/mdev/devices/%s/mdev_type", self->uuid));
	EXPECT_EQ(0, write_file("/sys/bus/mdev/drivers/vfio_mdev/bind",
				self->uuid));
	EXPECT_LE(0, mdev_group(self->uuid));

	/* Without a driver it can be removed as well. */
	EXPECT_EQ(0, write_file("/sys/bus/mdev/drivers/vfio_mdev/unbind",
				self->uuid));
	EXPECT_EQ(0, mdev_remove(self->uuid));
	EXPECT_EQ(1, vendor_calls(self->vendor, "remove"));
}

TEST_F(sysfs, a_bus_that_does_not_probe_leaves_it_to_the_admin)
{
	ASSERT_EQ(0, write_file("/sys/bus/mdev/drivers_autoprobe", "0"));
	EXPECT_EQ(0, mdev_create(self->vendor, 0, "few", self->uuid));
	EXPECT_EQ(0, write_file("/sys/bus/mdev/drivers_autoprobe", "1"));
	EXPECT_TRUE(exists("/sys/bus/mdev/devices/%s/mdev_type", self->uuid));
	EXPECT_FALSE(exists("/sys/bus/mdev/devices/%s/driver", self->uuid));

	EXPECT_EQ(0, write_file("/sys/bus/mdev/drivers_probe", self->uuid));
	EXPECT_LE(0, mdev_group(self->uuid));
	EXPECT_EQ(0, mdev_remove(self->uuid));
}

TEST_F(sysfs, the_parent_can_be_unbound)
{
	char driver[PATH_LEN], device[64];

	ASSERT_EQ(0, mdev_create(self->vendor, 0, "few", self->uuid));
	snprintf(device, sizeof(device), "%s.0", self->vendor);
	snprintf(driver, sizeof(driver), "/sys/bus/platform/drivers/%s/unbind",
		 self->vendor);
	EXPECT_EQ(0, write_file(driver, device));
	EXPECT_FALSE(mdev_exists(self->uuid));
	EXPECT_FALSE(exists("/sys/class/mdev_bus/%s", device));
	EXPECT_EQ(1, vendor_calls(self->vendor, "remove"));

	snprintf(driver, sizeof(driver), "/sys/bus/platform/drivers/%s/bind",
		 self->vendor);
	EXPECT_EQ(0, write_file(driver, device));
	EXPECT_TRUE(exists("/sys/class/mdev_bus/%s", device));
	EXPECT_EQ(3, mdev_available(self->vendor, 0, "few"));
}

MDEV_TEST_MAIN(RAW, STRUCTURED)
