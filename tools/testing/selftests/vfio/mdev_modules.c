// SPDX-License-Identifier: GPL-2.0-only
/*
 * Modules that come and go: which loads and which holds which, and what becomes of
 * devices when their driver or their vendor's driver leaves.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>

#include "kselftest_harness.h"
#include "mdev_util.h"

#define BUS_DRIVER	"mdev_test_bus"

/* Those that use others come first. */
static const char * const family[] = {
	BUS_DRIVER, STRUCTURED, RAW, "mdev_test", "mdev_pci", "vfio_mdev", "mdev",
};

FIXTURE(modules) {
	struct snapshot before;
	char uuid[UUID_LEN];
	char path[PATH_LEN];
	char name[64];
	struct mdev_user user;
};

static void unload_family(struct __test_metadata *_metadata)
{
	unsigned int i;

	for (i = 0; i < ARRAY_LEN(family); i++)
		if (module_loaded(family[i]))
			EXPECT_EQ(0, module_unload(family[i]));
}

FIXTURE_SETUP(modules)
{
	uuid_make(self->uuid);
	self->user = (struct mdev_user){ -1, -1, -1 };
	unload_family(_metadata);
	snapshot_take(&self->before);
}

FIXTURE_TEARDOWN(modules)
{
	struct snapshot after;

	mdev_close(&self->user);
	if (mdev_exists(self->uuid))
		EXPECT_EQ(0, mdev_remove(self->uuid));
	unload_family(_metadata);
	snapshot_take(&after);
	EXPECT_STREQ(self->before.text, after.text);
}

static pid_t async_unload(const char *name)
{
	pid_t pid = async_fork();

	if (pid)
		return pid;
	_exit(syscall(SYS_delete_module, name, O_NONBLOCK) ? errno : 0);
}

/* How the bus driver binds: the error and the delay */
static int set_bus_driver(const char *parameter, unsigned int value)
{
	char path[PATH_LEN], text[16];

	snprintf(path, sizeof(path), "/sys/module/" BUS_DRIVER "/parameters/%s",
		 parameter);
	snprintf(text, sizeof(text), "%u", value);
	return write_file(path, text);
}

TEST_F(modules, first_parent_loads_vfio_mdev)
{
	ASSERT_EQ(0, module_load("mdev", NULL));
	ASSERT_EQ(0, module_load("mdev_test", NULL));
	EXPECT_FALSE(module_loaded("vfio_mdev"));
	ASSERT_EQ(0, module_load(RAW, "registered=0"));
	EXPECT_FALSE(module_loaded("vfio_mdev"));
	ASSERT_EQ(0, parent_register(RAW, 1));
	EXPECT_TRUE(module_loaded("vfio_mdev"));
}

TEST_F(modules, all_unload_when_idle)
{
	int i;

	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, module_load(RAW, NULL));
		ASSERT_EQ(0, module_load(STRUCTURED, NULL));
		ASSERT_EQ(0, mdev_create(RAW, 0, "few", self->uuid));
		EXPECT_EQ(0, mdev_remove(self->uuid));
		/* Parents and types do not hold the bus driver. */
		EXPECT_EQ(0, module_unload("vfio_mdev"));
		EXPECT_EQ(0, module_unload(STRUCTURED));
		EXPECT_EQ(0, module_unload(RAW));
		EXPECT_EQ(0, module_unload("mdev_test"));
		EXPECT_EQ(0, module_unload("mdev"));
		EXPECT_FALSE(exists("/sys/class/mdev_bus"));
		EXPECT_FALSE(exists("/sys/bus/mdev"));
	}
}

TEST_F(modules, mdev_is_held_while_in_use)
{
	ASSERT_EQ(0, module_load(RAW, NULL));
	EXPECT_EQ(-EWOULDBLOCK, module_unload("mdev"));
	EXPECT_EQ(0, module_unload(RAW));
	EXPECT_EQ(0, module_unload("mdev_test"));
	/* vfio_mdev holds it too. */
	EXPECT_EQ(-EWOULDBLOCK, module_unload("mdev"));
	EXPECT_EQ(0, module_unload("vfio_mdev"));
	EXPECT_EQ(0, module_unload("mdev"));
}

TEST_F(modules, many_parents)
{
	int i;

	ASSERT_EQ(0, module_load(RAW, "parents=8"));
	EXPECT_EQ(1, count_entries("/sys/class/mdev_bus"));
	for (i = 1; i < 8; i++)
		EXPECT_EQ(0, parent_register(RAW, i));
	EXPECT_EQ(8, count_entries("/sys/class/mdev_bus"));
	for (i = 7; i >= 0; i -= 2)
		EXPECT_EQ(0, parent_unregister(RAW, i));
	EXPECT_EQ(4, count_entries("/sys/class/mdev_bus"));
	EXPECT_EQ(0, module_unload(RAW));
	EXPECT_EQ(0, count_entries("/sys/class/mdev_bus"));
}

TEST_F(modules, vendor_takes_its_devices_along)
{
	char other[UUID_LEN];

	ASSERT_EQ(0, module_load(RAW, NULL));
	ASSERT_EQ(0, mdev_create(RAW, 0, "few", self->uuid));
	ASSERT_EQ(0, mdev_make(RAW, 0, "many", other));
	EXPECT_EQ(0, module_unload(RAW));
	EXPECT_FALSE(mdev_exists(self->uuid));
	EXPECT_FALSE(mdev_exists(other));
	EXPECT_EQ(0, count_entries("/sys/class/mdev_bus"));
}

/* An owner is held while a device is open. */
TEST_F(modules, owner_is_busy_while_open)
{
	ASSERT_EQ(0, module_load(STRUCTURED, NULL));
	ASSERT_EQ(0, mdev_create(STRUCTURED, 0, "few", self->uuid));
	ASSERT_EQ(0, mdev_open(self->uuid, &self->user));
	EXPECT_EQ(-EWOULDBLOCK, module_unload(STRUCTURED));
	EXPECT_EQ(-EWOULDBLOCK, module_unload("vfio_mdev"));
	EXPECT_EQ(-EWOULDBLOCK, module_unload("mdev"));
	EXPECT_EQ(0, mdev_alive(&self->user));
	mdev_close(&self->user);
	EXPECT_EQ(0, module_unload(STRUCTURED));
}

/* A driver that names no owner has to wait for the user, as ever. */
TEST_F(modules, without_owner_unloading_waits)
{
	pid_t pid;

	ASSERT_EQ(0, module_load(RAW, NULL));
	ASSERT_EQ(0, mdev_create(RAW, 0, "few", self->uuid));
	ASSERT_EQ(0, mdev_open(self->uuid, &self->user));
	pid = async_unload(RAW);
	EXPECT_EQ(-ETIMEDOUT, async_result(pid, A_WHILE));
	EXPECT_EQ(0, mdev_alive(&self->user));
	mdev_close(&self->user);
	EXPECT_EQ(0, async_result(pid, SOON));
	EXPECT_FALSE(module_loaded(RAW));
	EXPECT_FALSE(mdev_exists(self->uuid));
}

/* A device that removes itself when all that it consists of goes */
TEST_F(modules, a_device_goes_by_itself_and_so_do_its_modules)
{
	unsigned int i;

	for (i = 0; i < 6; i++) {
		ASSERT_EQ(0, module_load(i % 2 ? RAW : STRUCTURED, NULL));
		ASSERT_EQ(0, mdev_create(i % 2 ? RAW : STRUCTURED, 0, "few",
					 self->uuid));
		mdev_path(self->path, self->uuid, "mdev_remove_on_close");
		ASSERT_EQ(0, write_file(self->path, "1"));
		ASSERT_EQ(0, mdev_open(self->uuid, &self->user));
		mdev_close(&self->user);
		/* At once, or a little later */
		usleep(i / 2 * 300);
		unload_family(_metadata);
		EXPECT_FALSE(exists("/sys/bus/mdev"));
	}
}

TEST_F(modules, vfio_mdev_comes_back_to_its_devices)
{
	ASSERT_EQ(0, module_load(STRUCTURED, NULL));
	ASSERT_EQ(0, mdev_create(STRUCTURED, 0, "few", self->uuid));
	EXPECT_EQ(0, module_unload("vfio_mdev"));
	EXPECT_TRUE(mdev_exists(self->uuid));
	EXPECT_FALSE(exists("/sys/bus/mdev/devices/%s/driver", self->uuid));
	EXPECT_EQ(-ENOENT, mdev_group(self->uuid));
	EXPECT_EQ(0, vendor_calls(STRUCTURED, "remove"));

	ASSERT_EQ(0, module_load("vfio_mdev", NULL));
	ASSERT_EQ(0, mdev_open(self->uuid, &self->user));
	EXPECT_EQ(0, mdev_alive(&self->user));
	mdev_close(&self->user);
	EXPECT_EQ(0, mdev_remove(self->uuid));
}

/* Created while there is no driver: bound when it comes. */
TEST_F(modules, devices_wait_for_a_driver)
{
	ASSERT_EQ(0, module_load(RAW, NULL));
	ASSERT_EQ(0, module_unload("vfio_mdev"));
	ASSERT_EQ(0, mdev_create(RAW, 0, "few", self->uuid));
	EXPECT_TRUE(exists("/sys/bus/mdev/devices/%s/mdev_type", self->uuid));
	EXPECT_FALSE(exists("/sys/bus/mdev/devices/%s/driver", self->uuid));
	ASSERT_EQ(0, module_load("vfio_mdev", NULL));
	ASSERT_EQ(0, mdev_open(self->uuid, &self->user));
	EXPECT_EQ(0, mdev_alive(&self->user));
}

TEST_F(modules, failure_to_bind_undoes_the_creation)
{
	expect_dmesg("mdev [-0-9a-f]+ was not created:");
	expect_dmesg("probe of [-0-9a-f]+ failed with error");
	expect_dmesg("probe with driver mdev_test_bus failed with error");
	ASSERT_EQ(0, module_load(STRUCTURED, NULL));
	ASSERT_EQ(0, module_unload("vfio_mdev"));
	ASSERT_EQ(0, module_load(BUS_DRIVER, NULL));

	ASSERT_EQ(0, set_bus_driver("error", EIO));
	EXPECT_EQ(-EIO, mdev_create(STRUCTURED, 0, "few", self->uuid));
	EXPECT_FALSE(mdev_exists(self->uuid));
	EXPECT_FALSE(exists("/sys/class/mdev_bus/%s.0/%s", STRUCTURED,
			    self->uuid));
	EXPECT_EQ(1, vendor_calls(STRUCTURED, "create"));
	EXPECT_EQ(1, vendor_calls(STRUCTURED, "remove"));
	EXPECT_EQ(3, mdev_available(STRUCTURED, 0, "few"));

	ASSERT_EQ(0, set_bus_driver("error", 0));
	EXPECT_EQ(0, mdev_create(STRUCTURED, 0, "few", self->uuid));
	ASSERT_EQ(0, link_name(mdev_path(self->path, self->uuid, "driver"),
			       self->name, sizeof(self->name)));
	EXPECT_STREQ(BUS_DRIVER, self->name);
	EXPECT_EQ(0, mdev_remove(self->uuid));
	EXPECT_EQ(2, vendor_calls(STRUCTURED, "remove"));
}

/* What is neither 0 nor an error is not what create's and remove's write say. */
TEST_F(modules, row_66_a_bus_drivers_positive_number)
{
	expect_dmesg("mdev [-0-9a-f]+ was not created:");
	expect_dmesg("probe of [-0-9a-f]+ failed with error");
	expect_dmesg("probe with driver mdev_test_bus failed with error");
	ASSERT_EQ(0, module_load(STRUCTURED, NULL));
	ASSERT_EQ(0, module_unload("vfio_mdev"));
	ASSERT_EQ(0, module_load(BUS_DRIVER, NULL));

	/* The driver negates it. */
	ASSERT_EQ(0, set_bus_driver("error", -5));
	EXPECT_EQ(-EINVAL, mdev_create(STRUCTURED, 0, "few", self->uuid));
	EXPECT_FALSE(mdev_exists(self->uuid));
	ASSERT_EQ(0, set_bus_driver("error", 0));
	ASSERT_EQ(0, mdev_create(STRUCTURED, 0, "few", self->uuid));

	ASSERT_EQ(0, set_bus_driver("answer", 1));
	EXPECT_EQ(-EINVAL, mdev_remove(self->uuid));
	EXPECT_TRUE(mdev_exists(self->uuid));
	ASSERT_EQ(0, set_bus_driver("answer", 0));
	EXPECT_EQ(0, mdev_remove(self->uuid));
}

static int bus_driver_asked(void)
{
	char text[16];

	if (read_file("/sys/module/" BUS_DRIVER "/parameters/asked", text,
		      sizeof(text)) < 0)
		return -1;
	return atoi(text);
}

/* That somebody has its lock at the time does not spare a device the question. */
TEST_F(modules, all_of_a_parents_devices_are_asked_first)
{
	char second[UUID_LEN];
	pid_t bind, parent;

	ASSERT_EQ(0, module_load(STRUCTURED, NULL));
	ASSERT_EQ(0, module_load(BUS_DRIVER, NULL));
	ASSERT_EQ(0, mdev_create(STRUCTURED, 0, "few", self->uuid));
	ASSERT_EQ(0, mdev_make(STRUCTURED, 0, "few", second));
	ASSERT_EQ(0, mdev_open(self->uuid, &self->user));

	ASSERT_EQ(0, write_file("/sys/bus/mdev/drivers/vfio_mdev/unbind",
				second));
	ASSERT_EQ(0, set_bus_driver("delay", 60000));
	bind = async_write("/sys/bus/mdev/drivers/" BUS_DRIVER "/bind", second);
	ASSERT_TRUE(WAIT_FOR(exists("/sys/bus/mdev/devices/%s/driver", second),
			     SOON));

	parent = async_write("/sys/kernel/debug/" STRUCTURED "/unregister", "0");
	EXPECT_TRUE(WAIT_FOR(vendor_calls(STRUCTURED, "request") > 0, SOON));
	EXPECT_EQ(0, bus_driver_asked());
	ASSERT_EQ(0, set_bus_driver("delay", 0));
	EXPECT_EQ(0, async_result(bind, SOON));
	EXPECT_TRUE(WAIT_FOR(bus_driver_asked() > 0, SOON));

	/* The first is still waited for. */
	EXPECT_EQ(-ETIMEDOUT, async_result(parent, 0));
	EXPECT_EQ(0, mdev_alive(&self->user));
	EXPECT_EQ(0, vendor_calls(STRUCTURED, "remove"));
	mdev_close(&self->user);
	EXPECT_EQ(0, async_result(parent, SOON));
	EXPECT_EQ(2, vendor_calls(STRUCTURED, "remove"));
}

TEST_F(modules, a_second_bus_driver)
{
	ASSERT_EQ(0, module_load(RAW, NULL));
	ASSERT_EQ(0, module_load(BUS_DRIVER, NULL));
	ASSERT_EQ(0, mdev_create(RAW, 0, "few", self->uuid));
	ASSERT_EQ(0, link_name(mdev_path(self->path, self->uuid, "driver"),
			       self->name, sizeof(self->name)));
	EXPECT_STREQ("vfio_mdev", self->name);

	EXPECT_EQ(0, write_file("/sys/bus/mdev/drivers/vfio_mdev/unbind",
				self->uuid));
	EXPECT_EQ(0, write_file("/sys/bus/mdev/drivers/" BUS_DRIVER "/bind",
				self->uuid));
	EXPECT_EQ(-ENOENT, mdev_group(self->uuid));
	ASSERT_EQ(0, read_file("/sys/module/" BUS_DRIVER "/parameters/bound",
			       self->name, sizeof(self->name)) - 1);
	EXPECT_STREQ("1", self->name);
	EXPECT_EQ(0, mdev_remove(self->uuid));
	ASSERT_EQ(0, read_file("/sys/module/" BUS_DRIVER "/parameters/bound",
			       self->name, sizeof(self->name)) - 1);
	EXPECT_STREQ("0", self->name);
}

/* The device's lock is not waited for: a bus driver may take its time. */
TEST_F(modules, removal_while_binding_is_busy)
{
	pid_t pid;

	ASSERT_EQ(0, module_load(STRUCTURED, NULL));
	ASSERT_EQ(0, module_load(BUS_DRIVER, NULL));
	ASSERT_EQ(0, mdev_create(STRUCTURED, 0, "few", self->uuid));
	ASSERT_EQ(0, write_file("/sys/bus/mdev/drivers/vfio_mdev/unbind",
				self->uuid));
	ASSERT_EQ(0, set_bus_driver("delay", 30000));
	pid = async_write("/sys/bus/mdev/drivers/" BUS_DRIVER "/bind",
			  self->uuid);
	EXPECT_TRUE(WAIT_FOR(exists("/sys/bus/mdev/devices/%s/driver", self->uuid),
			     SOON));
	EXPECT_EQ(-EBUSY, mdev_remove(self->uuid));
	EXPECT_EQ(-ETIMEDOUT, async_result(pid, 0));
	ASSERT_EQ(0, set_bus_driver("delay", 0));
	EXPECT_EQ(0, async_result(pid, SOON));
	EXPECT_EQ(0, vendor_calls(STRUCTURED, "remove"));
	EXPECT_EQ(0, mdev_remove(self->uuid));
}

/* For a moment it is: a reader of uevent has it, too, on Linux 6.1. */
TEST_F(modules, removal_waits_for_a_moment)
{
	pid_t pid;

	ASSERT_EQ(0, module_load(STRUCTURED, NULL));
	ASSERT_EQ(0, module_load(BUS_DRIVER, NULL));
	ASSERT_EQ(0, mdev_create(STRUCTURED, 0, "few", self->uuid));
	ASSERT_EQ(0, write_file("/sys/bus/mdev/drivers/vfio_mdev/unbind",
				self->uuid));
	ASSERT_EQ(0, set_bus_driver("delay", 40));
	pid = async_write("/sys/bus/mdev/drivers/" BUS_DRIVER "/bind",
			  self->uuid);
	/* The link is there from before the driver's probe() on. */
	EXPECT_TRUE(WAIT_FOR(exists("/sys/bus/mdev/devices/%s/driver",
				    self->uuid), SOON));
	EXPECT_EQ(0, mdev_remove(self->uuid));
	EXPECT_EQ(0, async_result(pid, SOON));
}

/* Nor can a device be removed, or made twice, before it is whole. */
TEST_F(modules, removal_while_creating_has_to_wait)
{
	pid_t pid;

	expect_dmesg("mdev [-0-9a-f]+ was not created:");
	ASSERT_EQ(0, module_load(STRUCTURED, NULL));
	ASSERT_EQ(0, module_unload("vfio_mdev"));
	ASSERT_EQ(0, module_load(BUS_DRIVER, "delay=30000"));
	pid = async_write(type_path(self->path, STRUCTURED, 0, "few", "create"),
			  self->uuid);
	ASSERT_TRUE(WAIT_FOR(mdev_exists(self->uuid), SOON));
	/* Its link to the type says that it is bound and has its group. */
	EXPECT_FALSE(exists("/sys/bus/mdev/devices/%s/mdev_type", self->uuid));
	EXPECT_EQ(-EAGAIN, mdev_remove(self->uuid));
	EXPECT_EQ(-EEXIST, mdev_create(STRUCTURED, 0, "few", self->uuid));
	EXPECT_EQ(-ETIMEDOUT, async_result(pid, 0));
	ASSERT_EQ(0, set_bus_driver("delay", 0));
	EXPECT_EQ(0, async_result(pid, SOON));
	EXPECT_EQ(0, mdev_remove(self->uuid));
	EXPECT_EQ(1, vendor_calls(STRUCTURED, "remove"));
}

TEST_F(modules, vendor_unloads_while_devices_are_created)
{
	char uuid[UUID_LEN];
	int status, i;
	pid_t pid;

	expect_dmesg("mdev [-0-9a-f]+ was not created:");
	ASSERT_EQ(0, module_load(RAW, NULL));
	pid = async_fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		while (true)
			if (mdev_make(RAW, 0, "many", uuid))
				usleep(500);
	}
	for (i = 0; i < 4; i++) {
		EXPECT_TRUE(WAIT_FOR(mdev_available(RAW, 0, "many") < 60,
				     SOON));
		EXPECT_EQ(0, module_unload(RAW));
		EXPECT_EQ(0, module_load(RAW, NULL));
	}
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	EXPECT_EQ(0, module_unload(RAW));
	EXPECT_EQ(0, count_entries("/sys/bus/mdev/devices"));
}

MDEV_TEST_MAIN("mdev")
