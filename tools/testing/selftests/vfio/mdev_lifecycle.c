// SPDX-License-Identifier: GPL-2.0-only
/*
 * Life of a mediated device: how it is opened and left, and what its vendor driver
 * sees of that.
 */
#include <fcntl.h>
#include <signal.h>

#include "kselftest_harness.h"
#include "mdev_util.h"

FIXTURE(life) {
	struct mdev_env env;
	const char *vendor;
	char uuid[UUID_LEN];
	char path[PATH_LEN];
	struct mdev_user user;
};

FIXTURE_VARIANT(life) {
	const char *vendor;
	int owner_refs;
};

FIXTURE_VARIANT_ADD(life, raw) {
	.vendor = RAW,
	.owner_refs = 0,
};

FIXTURE_VARIANT_ADD(life, structured) {
	.vendor = STRUCTURED,
	.owner_refs = 1,
};

FIXTURE_SETUP(life)
{
	self->vendor = variant->vendor;
	self->user = (struct mdev_user){ -1, -1, -1 };
	ASSERT_EQ(0, env_setup(&self->env, variant->vendor));
	ASSERT_EQ(0, mdev_make(variant->vendor, 0, "few", self->uuid));
}

/* Whatever a test does, nothing must hold the device in its end. */
FIXTURE_TEARDOWN(life)
{
	mdev_close(&self->user);
	if (mdev_exists(self->uuid))
		EXPECT_EQ(0, mdev_remove(self->uuid));
	EXPECT_EQ(vendor_calls(self->vendor, "open"),
		  vendor_calls(self->vendor, "release"));
	EXPECT_EQ(vendor_calls(self->vendor, "create"),
		  vendor_calls(self->vendor, "remove"));
	EXPECT_EQ(0, env_teardown(&self->env));
}

/* One open, and then as many releases as said? */
static void expect_opened(struct __test_metadata *_metadata,
			  const char *vendor, int opens, int releases)
{
	EXPECT_EQ(opens, vendor_calls(vendor, "open"));
	EXPECT_TRUE(WAIT_FOR(vendor_calls(vendor, "release") == releases,
			     releases ? SOON : 0));
}

TEST_F(life, open_and_close)
{
	int i;

	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, mdev_open(self->uuid, &self->user));
		EXPECT_EQ(0, mdev_alive(&self->user));
		expect_opened(_metadata, self->vendor, i + 1, i);
		mdev_close(&self->user);
		expect_opened(_metadata, self->vendor, i + 1, i + 1);
	}
}

TEST_F(life, open_holds_the_owner)
{
	int vendor = module_refs(self->vendor);
	int driver = module_refs("vfio_mdev");

	ASSERT_EQ(0, mdev_open(self->uuid, &self->user));
	EXPECT_EQ(vendor + variant->owner_refs, module_refs(self->vendor));
	EXPECT_LT(driver, module_refs("vfio_mdev"));
	mdev_close(&self->user);
	EXPECT_TRUE(WAIT_FOR(module_refs(self->vendor) == vendor, SOON));
	EXPECT_TRUE(WAIT_FOR(module_refs("vfio_mdev") == driver, SOON));
}

TEST_F(life, opened_twice)
{
	int fd;

	ASSERT_EQ(0, mdev_open(self->uuid, &self->user));
	fd = mdev_device_fd(self->uuid, &self->user);
	ASSERT_LE(0, fd);
	expect_opened(_metadata, self->vendor, 1, 0);

	close(self->user.device);
	self->user.device = fd;
	EXPECT_EQ(0, mdev_alive(&self->user));
	expect_opened(_metadata, self->vendor, 1, 0);
	mdev_close(&self->user);
	expect_opened(_metadata, self->vendor, 1, 1);
}

TEST_F(life, group_has_one_user)
{
	struct mdev_user second;

	ASSERT_EQ(0, mdev_open(self->uuid, &self->user));
	EXPECT_EQ(-EBUSY, mdev_attach(self->uuid, &second));
	EXPECT_EQ(0, mdev_alive(&self->user));
}

/* The device's file is what holds the device, not group and container. */
TEST_F(life, group_and_container_closed_first)
{
	ASSERT_EQ(0, mdev_open(self->uuid, &self->user));
	close(self->user.group);
	close(self->user.container);
	self->user.group = -1;
	self->user.container = -1;
	EXPECT_EQ(0, mdev_alive(&self->user));
	expect_opened(_metadata, self->vendor, 1, 0);
	mdev_close(&self->user);
	expect_opened(_metadata, self->vendor, 1, 1);
}

TEST_F(life, inherited_by_fork)
{
	int status, go[2];
	pid_t child;
	char c;

	ASSERT_EQ(0, mdev_open(self->uuid, &self->user));
	ASSERT_EQ(0, pipe(go));
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		close(go[1]);
		if (read(go[0], &c, 1) != 1 || mdev_alive(&self->user))
			_exit(1);
		/* Leaves without closing. */
		_exit(0);
	}

	mdev_close(&self->user);
	sleep_ms(100);
	expect_opened(_metadata, self->vendor, 1, 0);
	EXPECT_EQ(1, write(go[1], "g", 1));
	EXPECT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	expect_opened(_metadata, self->vendor, 1, 1);
	close(go[0]);
	close(go[1]);
}

TEST_F(life, user_exits_without_closing)
{
	int status, i;
	pid_t child;

	for (i = 0; i < 5; i++) {
		child = async_fork();
		ASSERT_LE(0, child);
		if (!child)
			_exit(mdev_open(self->uuid, &self->user) ? 1 : 0);
		EXPECT_EQ(child, waitpid(child, &status, 0));
		EXPECT_EQ(0, status);
		expect_opened(_metadata, self->vendor, i + 1, i + 1);
	}
}

TEST_F(life, user_is_killed)
{
	int status, i;
	pid_t child;

	for (i = 0; i < 5; i++) {
		child = async_fork();
		ASSERT_LE(0, child);
		if (!child) {
			if (mdev_open(self->uuid, &self->user))
				_exit(1);
			while (!mdev_alive(&self->user))
				;
			_exit(2);
		}
		ASSERT_TRUE(WAIT_FOR(vendor_calls(self->vendor, "open") ==
				     i + 1, SOON));
		sleep_ms(20);
		kill(child, SIGKILL);
		EXPECT_EQ(child, waitpid(child, &status, 0));
		EXPECT_TRUE(WIFSIGNALED(status));
		expect_opened(_metadata, self->vendor, i + 1, i + 1);
	}
	/* And the next user finds it as the first did. */
	ASSERT_EQ(0, mdev_open(self->uuid, &self->user));
	EXPECT_EQ(0, mdev_alive(&self->user));
}

/* A user that dies in a callback of the vendor's takes it along. */
TEST_F(life, user_is_killed_in_a_call)
{
	unsigned int word;
	pid_t child;
	int status;

	vendor_set(self->vendor, "read/delay", 500);
	child = async_fork();
	ASSERT_LE(0, child);
	if (!child) {
		if (mdev_open(self->uuid, &self->user))
			_exit(1);
		_exit(pread(self->user.device, &word, sizeof(word), 0) != 4);
	}
	ASSERT_TRUE(WAIT_FOR(vendor_calls(self->vendor, "read") == 1, SOON));
	kill(child, SIGKILL);
	EXPECT_EQ(child, waitpid(child, &status, 0));
	expect_opened(_metadata, self->vendor, 1, 1);
}

TEST_F(life, mapping_outlives_the_files)
{
	off_t offset = (off_t)MDEV_TEST_REGION_MEM << MDEV_TEST_OFFSET_SHIFT;
	unsigned int *mem;

	ASSERT_EQ(0, mdev_open(self->uuid, &self->user));
	mem = mmap(NULL, page_size(), PROT_READ | PROT_WRITE, MAP_SHARED,
		   self->user.device, offset);
	ASSERT_NE(MAP_FAILED, mem);
	__atomic_store_n(mem, 0x1234, __ATOMIC_RELAXED);
	mdev_close(&self->user);
	expect_opened(_metadata, self->vendor, 1, 0);
	EXPECT_EQ(0x1234, __atomic_load_n(mem, __ATOMIC_RELAXED));
	munmap(mem, page_size());
	expect_opened(_metadata, self->vendor, 1, 1);
}

TEST_F(life, open_fails_as_the_vendor_says)
{
	int refs = module_refs(self->vendor);

	vendor_set(self->vendor, "open/error", ENOSPC);
	EXPECT_EQ(-ENOSPC, mdev_open(self->uuid, &self->user));
	EXPECT_EQ(-ENOSPC, mdev_open(self->uuid, &self->user));
	/* A number that is no error would pass for a file. */
	vendor_set(self->vendor, "open/error", -5);
	EXPECT_EQ(-EINVAL, mdev_open(self->uuid, &self->user));
	EXPECT_EQ(0, vendor_calls(self->vendor, "release"));
	EXPECT_EQ(refs, module_refs(self->vendor));

	vendor_reset(self->vendor);
	vendor_set(self->vendor, "create/calls", 1);
	ASSERT_EQ(0, mdev_open(self->uuid, &self->user));
	EXPECT_EQ(0, mdev_alive(&self->user));
}

/* Nor does a failed open keep the device from being removed. */
TEST_F(life, open_fails_and_device_goes)
{
	vendor_set(self->vendor, "open/error", EIO);
	EXPECT_EQ(-EIO, mdev_open(self->uuid, &self->user));
	EXPECT_EQ(0, mdev_remove(self->uuid));
	vendor_set(self->vendor, "open/calls", 0);
}

/*
 * A program that is told of a group may open it at once, while the device is still
 * being set up: it gets a whole device or none.
 */
TEST_F(life, opened_from_the_uevent)
{
	const char *path, *action;
	struct uevent event;
	char uuid[UUID_LEN];
	int fd, i, ret;
	long long end;
	pid_t pid;

	fd = uevent_open();
	ASSERT_LE(0, fd);
	type_path(self->path, self->vendor, 0, "many", "create");
	for (i = 0; i < 10; i++) {
		pid = async_write(self->path, uuid_make(uuid));
		do {
			ASSERT_EQ(0, uevent_next(fd, &event, SOON));
			path = uevent_get(&event, "DEVPATH");
			action = uevent_get(&event, "ACTION");
		} while (strcmp(action, i % 2 ? "add" : "bind") ||
			 !strstr(path, i % 2 ? "/vfio/" : uuid));

		/* Again without a pause: as early as can be. */
		end = now_ms() + SOON;
		do
			ret = mdev_open(uuid, &self->user);
		while (ret && now_ms() < end);
		EXPECT_EQ(0, ret);
		EXPECT_EQ(0, mdev_alive(&self->user));
		EXPECT_EQ(0, async_result(pid, SOON));
		EXPECT_EQ(0, mdev_alive(&self->user));
		mdev_close(&self->user);
		EXPECT_EQ(0, mdev_remove(uuid));
	}
	close(fd);
}

TEST_F(life, file_of_an_attribute_outlives_the_device)
{
	char text[64];
	int fd;

	fd = open(mdev_path(self->path, self->uuid, "test/note"), O_RDWR);
	ASSERT_LE(0, fd);
	EXPECT_EQ(4, write(fd, "note", 4));
	EXPECT_EQ(0, mdev_remove(self->uuid));
	EXPECT_EQ(-1, pread(fd, text, sizeof(text), 0));
	EXPECT_EQ(ENODEV, errno);
	close(fd);
}

TEST_F(life, parent_goes_with_its_devices)
{
	char uuids[8][UUID_LEN];
	int i;

	ASSERT_EQ(0, parent_register(self->vendor, 1));
	for (i = 0; i < 8; i++)
		ASSERT_EQ(0, mdev_make(self->vendor, 1, "many", uuids[i]));
	EXPECT_EQ(0, parent_unregister(self->vendor, 1));
	for (i = 0; i < 8; i++)
		EXPECT_FALSE(mdev_exists(uuids[i]));
	EXPECT_EQ(8, vendor_calls(self->vendor, "remove"));
	/* The other parent's are still there. */
	EXPECT_TRUE(mdev_exists(self->uuid));
}

TEST_F(life, parent_goes_though_one_device_refuses)
{
	char uuids[3][UUID_LEN];
	int i, kmsg;

	expect_dmesg("removed, though its driver's remove returned");
	kmsg = kmsg_open();
	ASSERT_LE(0, kmsg);
	ASSERT_EQ(0, parent_register(self->vendor, 1));
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, mdev_make(self->vendor, 1, "few", uuids[i]));
	vendor_set(self->vendor, "remove/error", EBUSY);
	vendor_set(self->vendor, "remove/nth", 2);

	EXPECT_EQ(0, parent_unregister(self->vendor, 1));
	for (i = 0; i < 3; i++)
		EXPECT_FALSE(mdev_exists(uuids[i]));
	EXPECT_EQ(3, vendor_calls(self->vendor, "remove"));
	EXPECT_EQ(1, kmsg_count(kmsg, "remove returned"));
	EXPECT_FALSE(exists("/sys/class/mdev_bus/%s.1", self->vendor));

	EXPECT_EQ(0, parent_register(self->vendor, 1));
	EXPECT_EQ(3, mdev_available(self->vendor, 1, "few"));
	EXPECT_EQ(0, parent_unregister(self->vendor, 1));
	close(kmsg);
}

TEST_F(life, devices_of_one_parent_are_independent)
{
	struct mdev_user other;
	char uuid[UUID_LEN];

	ASSERT_EQ(0, mdev_make(self->vendor, 0, "few", uuid));
	ASSERT_EQ(0, mdev_open(self->uuid, &self->user));
	ASSERT_EQ(0, mdev_open(uuid, &other));
	EXPECT_EQ(0, mdev_alive(&other));
	mdev_close(&other);
	EXPECT_EQ(0, mdev_remove(uuid));
	EXPECT_EQ(0, mdev_alive(&self->user));
}

TEST_F(life, many_devices)
{
	char uuids[64][UUID_LEN];
	int group[64];
	int i, j;

	for (i = 0; i < 64; i++)
		ASSERT_EQ(0, mdev_make(self->vendor, 0, "many", uuids[i]));
	for (i = 0; i < 64; i++) {
		group[i] = mdev_group(uuids[i]);
		ASSERT_LE(0, group[i]);
		for (j = 0; j < i; j++)
			ASSERT_NE(group[i], group[j]);
	}
	for (i = 0; i < 64; i++)
		EXPECT_EQ(0, mdev_remove(uuids[i]));
}

MDEV_TEST_MAIN(RAW, STRUCTURED)
