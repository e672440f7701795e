// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an admin, and a program, sees of mediated devices: why something failed,
 * which process has a device open and that it is free again, debugfs, trace events. And what
 * comes of it: a device that removes itself when it has become free.
 */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "kselftest_harness.h"
#include "vfio_util.h"

#define BUS_DRIVER	"mdev_test_bus"
#define DRIVERS		"/sys/bus/mdev/drivers/"
#define UNBIND		DRIVERS "vfio_mdev/unbind"
#define NO_UUID		"00000000-0000-0000-0000-000000000000"
#define NOT_CREATED	"mdev [-0-9a-f]+ was not created:"
#define MAX_FAILURES	24

FIXTURE(seen) {
	struct mdev_env env;
	char uuid[UUID_LEN];
	char path[PATH_LEN];
	struct mdev_user user;
};

FIXTURE_SETUP(seen)
{
	self->user = (struct mdev_user){ -1, -1, -1 };
	ASSERT_EQ(0, env_setup(&self->env, STRUCTURED));
	/* Of other tests: a new registration has not failed yet. */
	ASSERT_EQ(0, parent_unregister(STRUCTURED, 0));
	ASSERT_EQ(0, parent_register(STRUCTURED, 0));
	ASSERT_EQ(0, mdev_make(STRUCTURED, 0, "few", self->uuid));
}

FIXTURE_TEARDOWN(seen)
{
	mdev_close(&self->user);
	vendor_reset(STRUCTURED);
	if (mdev_exists(self->uuid))
		EXPECT_EQ(0, mdev_remove(self->uuid));
	if (module_loaded(BUS_DRIVER))
		EXPECT_EQ(0, module_unload(BUS_DRIVER));
	EXPECT_EQ(3, mdev_available(STRUCTURED, 0, "few"));
	EXPECT_EQ(0, env_teardown(&self->env));
}

/* Why something failed */

#define TOLD(what)	mdev_told(STRUCTURED, 0, self->uuid, what)

/* How the bus driver binds and answers */
static int set_bus_driver(const char *parameter, int value)
{
	char path[PATH_LEN], text[16];

	snprintf(path, sizeof(path), "/sys/module/" BUS_DRIVER "/parameters/%s",
		 parameter);
	snprintf(text, sizeof(text), "%d", value);
	return write_file(path, text);
}

TEST_F(seen, why_a_creation_failed)
{
	char other[UUID_LEN];

	expect_dmesg(NOT_CREATED);
	/* Nothing has failed. */
	EXPECT_EQ(0, read_file(mdev_errors_path(self->path, STRUCTURED, 0), other,
			       sizeof(other)));

	EXPECT_EQ(-EINVAL, mdev_create(STRUCTURED, 0, "few", "nonsense"));
	EXPECT_EQ(-EINVAL, mdev_create(STRUCTURED, 0, "few",
				       "g63b0a6c-9d3b-4b1f-8a9e-1c9f7c2d5e1f"));
	EXPECT_EQ(2, mdev_told(STRUCTURED, 0, NO_UUID, "create 22 no-uuid"));
	EXPECT_EQ(-EEXIST, mdev_create(STRUCTURED, 0, "few", self->uuid));
	EXPECT_EQ(1, TOLD("create 17 uuid-in-use"));
	/* It is the parent that was asked which tells. */
	ASSERT_EQ(0, parent_register(STRUCTURED, 1));
	EXPECT_EQ(-EEXIST, mdev_create(STRUCTURED, 1, "few", self->uuid));
	EXPECT_EQ(1, TOLD("create 17 uuid-in-use"));
	EXPECT_EQ(1, mdev_told(STRUCTURED, 1, self->uuid, "create 17 uuid-in-use"));
	ASSERT_EQ(0, parent_unregister(STRUCTURED, 1));
	EXPECT_GT(0, mdev_told(STRUCTURED, 1, self->uuid, ""));

	ASSERT_EQ(0, mdev_remove(self->uuid));
	vendor_set(STRUCTURED, "create/error", EIO);
	EXPECT_EQ(-EIO, mdev_create(STRUCTURED, 0, "few", self->uuid));
	EXPECT_EQ(1, TOLD("create 5 parent-driver"));
	vendor_set(STRUCTURED, "create/error", 0);
	/* No instance is left. */
	ASSERT_EQ(0, mdev_make(STRUCTURED, 0, "single", other));
	EXPECT_EQ(-EUSERS, mdev_create(STRUCTURED, 0, "single", self->uuid));
	EXPECT_EQ(1, TOLD("create 87 parent-driver"));
	ASSERT_EQ(0, mdev_remove(other));
}

TEST_F(seen, why_a_bus_driver_was_in_the_way)
{
	pid_t pid;

	expect_dmesg(NOT_CREATED);
	expect_dmesg("probe of [-0-9a-f]+ failed with error");
	expect_dmesg("probe with driver mdev_test_bus failed with error");
	ASSERT_EQ(0, mdev_remove(self->uuid));
	ASSERT_EQ(0, module_unload("vfio_mdev"));
	ASSERT_EQ(0, module_load(BUS_DRIVER, NULL));
	ASSERT_EQ(0, set_bus_driver("error", EIO));
	EXPECT_EQ(-EIO, mdev_create(STRUCTURED, 0, "few", self->uuid));
	EXPECT_EQ(1, TOLD("create 5 bus-driver"));
	ASSERT_EQ(0, set_bus_driver("error", 0));

	/* Before it is whole */
	ASSERT_EQ(0, set_bus_driver("delay", 60000));
	pid = async_write(type_path(self->path, STRUCTURED, 0, "few", "create"),
			  self->uuid);
	ASSERT_TRUE(WAIT_FOR(mdev_exists(self->uuid), SOON));
	EXPECT_EQ(-EAGAIN, mdev_remove(self->uuid));
	EXPECT_EQ(1, TOLD("remove 11 incomplete"));
	ASSERT_EQ(0, set_bus_driver("delay", 0));
	EXPECT_EQ(0, async_result(pid, SOON));

	ASSERT_EQ(0, set_bus_driver("answer", -EPERM));
	EXPECT_EQ(-EPERM, mdev_remove(self->uuid));
	EXPECT_EQ(-EPERM, write_file(DRIVERS BUS_DRIVER "/unbind", self->uuid));
	EXPECT_EQ(1, TOLD("remove 1 answer"));
	EXPECT_EQ(1, TOLD("unbind 1 answer"));
	ASSERT_EQ(0, set_bus_driver("answer", 0));
	EXPECT_EQ(0, write_file(DRIVERS BUS_DRIVER "/unbind", self->uuid));

	/* While it is being bound */
	ASSERT_EQ(0, set_bus_driver("delay", 60000));
	pid = async_write(DRIVERS BUS_DRIVER "/bind", self->uuid);
	ASSERT_TRUE(WAIT_FOR(exists("/sys/bus/mdev/devices/%s/driver", self->uuid),
			     SOON));
	EXPECT_EQ(-EBUSY, mdev_remove(self->uuid));
	EXPECT_EQ(1, TOLD("remove 16 locked"));
	ASSERT_EQ(0, set_bus_driver("delay", 0));
	EXPECT_EQ(0, async_result(pid, SOON));
	EXPECT_EQ(0, mdev_remove(self->uuid));
	ASSERT_EQ(0, module_load("vfio_mdev", NULL));
}

/* A removal that waits for the device's user, which has been asked */
static pid_t pending(const char *path, const char *text)
{
	pid_t pid = async_write(path, text);

	if (WAIT_FOR(vendor_calls(STRUCTURED, "request") > 0, SOON))
		return pid;
	async_kill(pid);
	return -1;
}

TEST_F(seen, why_a_removal_failed)
{
	pid_t pid, parent;
	int fd;

	expect_dmesg(NOT_CREATED);
	ASSERT_EQ(0, mdev_open(self->uuid, &self->user));
	vendor_set(STRUCTURED, "can_request/error", 1);
	EXPECT_EQ(-EBUSY, mdev_remove(self->uuid));
	EXPECT_EQ(-EBUSY, mdev_remove(self->uuid));
	EXPECT_EQ(-EBUSY, write_file(UNBIND, self->uuid));
	EXPECT_EQ(2, TOLD("remove 16 nobody-to-ask"));
	EXPECT_EQ(1, TOLD("unbind 16 nobody-to-ask"));
	vendor_set(STRUCTURED, "can_request/error", 0);

	mdev_path(self->path, self->uuid, "remove");
	pid = pending(self->path, "1");
	ASSERT_LE(0, pid);
	EXPECT_EQ(-EAGAIN, mdev_remove(self->uuid));
	EXPECT_EQ(1, TOLD("remove 11 another"));
	EXPECT_EQ(-EBUSY, write_file(UNBIND, self->uuid));
	EXPECT_EQ(1, TOLD("unbind 16 another"));
	/* Nobody gets in. */
	fd = mdev_device_fd(self->uuid, &self->user);
	EXPECT_EQ(-EBUSY, fd);
	EXPECT_EQ(1, TOLD("open 16 being-removed"));
	kill(pid, SIGUSR1);
	EXPECT_EQ(-EINTR, async_result(pid, SOON));
	EXPECT_EQ(1, TOLD("remove 4 signal"));

	/* A parent that goes */
	vendor_set(STRUCTURED, "request/calls", 0);
	pid = pending(self->path, "1");
	ASSERT_LE(0, pid);
	parent = async_write("/sys/kernel/debug/" STRUCTURED "/unregister", "0");
	EXPECT_EQ(-ENODEV, async_result(pid, SOON));
	EXPECT_EQ(1, TOLD("remove 19 going"));
	EXPECT_EQ(-ENODEV, write_file("/sys/devices/platform/" STRUCTURED
				      ".0/mdev_supported_types/" STRUCTURED
				      "-few/create", self->uuid));
	EXPECT_EQ(1, TOLD("create 19 parent-busy"));
	mdev_close(&self->user);
	EXPECT_EQ(0, async_result(parent, SOON));
	ASSERT_EQ(0, parent_register(STRUCTURED, 0));
}

TEST_F(seen, why_an_open_failed)
{
	char uuid[UUID_LEN];

	expect_dmesg("its driver gives no usable answer about region 0");
	vendor_set(STRUCTURED, "open/error", EIO);
	EXPECT_EQ(-EIO, mdev_open(self->uuid, &self->user));
	EXPECT_EQ(1, TOLD("open 5 parent-driver"));
	vendor_set(STRUCTURED, "open/error", 0);
	vendor_set(STRUCTURED, "get_region_info/error", EPERM);
	EXPECT_EQ(-EPERM, mdev_open(self->uuid, &self->user));
	EXPECT_EQ(1, TOLD("open 1 layout"));
	vendor_set(STRUCTURED, "get_region_info/error", 0);

	ASSERT_EQ(0, vendor_write(STRUCTURED, "register", "1 no-open"));
	ASSERT_EQ(0, mdev_make(STRUCTURED, 1, "few", uuid));
	EXPECT_EQ(-EINVAL, mdev_open(uuid, &self->user));
	EXPECT_EQ(1, mdev_told(STRUCTURED, 1, uuid, "open 22 no-open"));
	ASSERT_EQ(0, parent_unregister(STRUCTURED, 1));
}

/*
 * An open while the driver or the vendor's module goes, which has begun where mdev.ko
 * does not have the device leave first: its driver is taken away without it, or the
 * module still has another parent to unregister, whose device takes its time.
 */
TEST_F(seen, why_an_open_failed_as_something_went)
{
	struct mdev_user other = { -1, -1, -1 };
	char uuid[UUID_LEN];
	pid_t pid;

	ASSERT_EQ(0, mdev_open(self->uuid, &self->user));
	pid = async_write("/sys/kernel/debug/" STRUCTURED "/release_driver", "0");
	EXPECT_TRUE(WAIT_FOR(vendor_calls(STRUCTURED, "request") > 0, SOON));
	EXPECT_EQ(-ENODEV, mdev_device_fd(self->uuid, &self->user));
	/* Linux 6.12 has it leave its group first, and says ENODEV without us. */
	if (kernel_before(6, 12))
		EXPECT_EQ(1, TOLD("open 19 driver-going"));
	mdev_close(&self->user);
	EXPECT_EQ(0, async_result(pid, SOON));
	ASSERT_EQ(0, mdev_remove(self->uuid));

	ASSERT_EQ(0, mdev_create(STRUCTURED, 0, "few", self->uuid));
	ASSERT_EQ(0, parent_register(STRUCTURED, 1));
	ASSERT_EQ(0, mdev_make(STRUCTURED, 1, "few", uuid));
	ASSERT_EQ(0, mdev_attach(uuid, &other));
	vendor_set(STRUCTURED, "remove/delay", 1500);
	pid = async_fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(-module_unload(STRUCTURED));
	ASSERT_TRUE(WAIT_FOR(!exists("/sys/kernel/debug/" STRUCTURED), SOON));
	EXPECT_EQ(-ENODEV, mdev_device_fd(uuid, &other));
	EXPECT_EQ(1, mdev_told(STRUCTURED, 1, uuid, "open 19 owner-going"));
	mdev_close(&other);
	EXPECT_EQ(0, async_result(pid, SOON));
	ASSERT_EQ(0, module_load(STRUCTURED, NULL));
}

TEST_F(seen, why_a_pin_failed)
{
	char uuid[UUID_LEN];

	ASSERT_EQ(0, module_load(PIN, NULL));
	ASSERT_EQ(0, mdev_make(PIN, 0, "few", uuid));
	ASSERT_EQ(0, mdev_open(uuid, &self->user));
	EXPECT_EQ(-EINVAL, file_ioctl(self->user.device, MDEV_TEST_PIN,
				      (void *)0x123000));
	EXPECT_EQ(-EINVAL, file_ioctl(self->user.device, MDEV_TEST_PIN,
				      (void *)0x123000));
	EXPECT_EQ(2, mdev_told(PIN, 0, uuid, "pin 22 memory"));
	EXPECT_EQ(0, file_ioctl(self->user.device, MDEV_TEST_PIN_NULLS, NULL));
	EXPECT_LT(0, mdev_told(PIN, 0, uuid, "pin 22 arguments"));
	mdev_close(&self->user);
	EXPECT_EQ(0, mdev_remove(uuid));
	EXPECT_EQ(0, module_unload(PIN));
}

/* It tells of the last ones, in order, and one line is of all that are alike. */
TEST_F(seen, failures_are_bounded)
{
	char text[8192], uuid[MAX_FAILURES + 6][UUID_LEN], *rest = text, *line;
	double last = 0, time;
	unsigned int i, n = 0;
	long long start;
	struct stat st;
	int kmsg;

	expect_dmesg(NOT_CREATED);
	kmsg = kmsg_open();
	start = now_ms();
	for (i = 0; i < 200; i++)
		EXPECT_EQ(-EEXIST, mdev_create(STRUCTURED, 0, "few", self->uuid));
	EXPECT_EQ(200, TOLD("create 17 uuid-in-use"));
	EXPECT_GE(kmsg_most(start), kmsg_count(kmsg, "its UUID is in use"));
	close(kmsg);
	vendor_set(STRUCTURED, "create/error", ENOSPC);
	for (i = 0; i < ARRAY_LEN(uuid); i++)
		EXPECT_EQ(-ENOSPC, mdev_make(STRUCTURED, 0, "few", uuid[i]));
	vendor_set(STRUCTURED, "create/error", 0);

	EXPECT_EQ(0, TOLD("create 17 uuid-in-use"));
	for (i = 0; i < ARRAY_LEN(uuid); i++)
		EXPECT_EQ(i >= ARRAY_LEN(uuid) - MAX_FAILURES,
			  mdev_told(STRUCTURED, 0, uuid[i],
				    "create 28 parent-driver"));

	ASSERT_EQ(0, stat(mdev_errors_path(self->path, STRUCTURED, 0), &st));
	EXPECT_EQ(S_IFREG | 0444, st.st_mode);
	ASSERT_LT(0, read_file(self->path, text, sizeof(text)));
	EXPECT_GT(PAGE, strlen(text));
	while ((line = strsep(&rest, "\n"))) {
		n++;
		EXPECT_EQ(0, strncmp(line, "1 ", 2));
		time = strtod(line + 2, NULL);
		EXPECT_LE(last, time);
		last = time;
	}
	EXPECT_EQ(MAX_FAILURES, n);
	/* Of CLOCK_MONOTONIC */
	EXPECT_GT(5, now_ms() / 1000 - last);
}

/* Free or in use */

/* A number in one of the device's files, or a negated errno */
static int device_number(const char *uuid, const char *file)
{
	char path[PATH_LEN], text[32];
	int ret = read_file(mdev_path(path, uuid, file), text, sizeof(text));

	return ret < 0 ? ret : atoi(text);
}

static int in_use(const char *uuid)
{
	return device_number(uuid, "mdev_in_use");
}

/* The next uevent of the device that its use is the reason of */
static int next_use(int fd, const char *uuid, unsigned int ms)
{
	struct uevent event;
	const char *path, *use;
	int ret;

	while (!(ret = uevent_next(fd, &event, ms))) {
		path = uevent_get(&event, "DEVPATH");
		use = uevent_get(&event, "MDEV_IN_USE");
		if (use && !strcmp(strrchr(path, '/') + 1, uuid) &&
		    !strcmp(uevent_get(&event, "ACTION"), "change") &&
		    !strcmp(uevent_get(&event, "SUBSYSTEM"), "mdev"))
			return atoi(use);
	}
	return ret;
}

/* Every file of the device, by their defaults and permissions */
TEST_F(seen, the_devices_files)
{
	static const char * const files[] = {
		"driver", "driver_override", "iommu_group", "mdev_in_use",
		"mdev_remove_on_close", "mdev_type", "power", "remove",
		"subsystem", "test", "uevent", "vfio-dev", "waiting_for_supplier",
	};
	struct dirent *entry;
	struct stat st;
	unsigned int i;
	DIR *d;

	EXPECT_EQ(0, in_use(self->uuid));
	EXPECT_EQ(0, device_number(self->uuid, "mdev_remove_on_close"));
	ASSERT_EQ(0, stat(mdev_path(self->path, self->uuid, "mdev_in_use"), &st));
	EXPECT_EQ(S_IFREG | 0444, st.st_mode);
	ASSERT_EQ(0, stat(mdev_path(self->path, self->uuid,
				    "mdev_remove_on_close"), &st));
	EXPECT_EQ(S_IFREG | 0644, st.st_mode);

	d = opendir(mdev_path(self->path, self->uuid, ""));
	ASSERT_NE(NULL, d);
	while ((entry = readdir(d))) {
		for (i = 0; i < ARRAY_LEN(files); i++)
			if (!strcmp(files[i], entry->d_name))
				break;
		EXPECT_TRUE(i < ARRAY_LEN(files) || entry->d_name[0] == '.') {
			TH_LOG("%s", entry->d_name);
		}
	}
	closedir(d);
}

TEST_F(seen, tells_that_it_is_free)
{
	struct uevent event;
	int fd, second;

	fd = uevent_open();
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, mdev_open(self->uuid, &self->user));
	EXPECT_EQ(1, in_use(self->uuid));
	second = mdev_device_fd(self->uuid, &self->user);
	ASSERT_LE(0, second);
	close(second);
	/* Neither the first nor one of several says so. */
	EXPECT_EQ(-ETIMEDOUT, next_use(fd, self->uuid, 100));
	EXPECT_EQ(1, in_use(self->uuid));
	mdev_close(&self->user);
	EXPECT_EQ(0, next_use(fd, self->uuid, SOON));
	EXPECT_EQ(0, in_use(self->uuid));
	/* When it is said it is true. */
	EXPECT_EQ(0, mdev_remove(self->uuid));

	/* Nobody was there: nobody left. */
	ASSERT_EQ(0, mdev_create(STRUCTURED, 0, "few", self->uuid));
	vendor_set(STRUCTURED, "open/error", EIO);
	EXPECT_EQ(-EIO, mdev_open(self->uuid, &self->user));
	vendor_set(STRUCTURED, "open/error", 0);
	EXPECT_EQ(-ETIMEDOUT, next_use(fd, self->uuid, 100));
	/* The parent has said nothing. */
	while (!uevent_next(fd, &event, 0))
		EXPECT_EQ(NULL, uevent_get(&event, "MDEV_STATE"));
	close(fd);
}

TEST_F(seen, tells_that_a_killed_user_has_gone)
{
	pid_t pid;
	int fd;

	fd = uevent_open();
	ASSERT_LE(0, fd);
	pid = async_fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		if (mdev_open(self->uuid, &self->user))
			_exit(1);
		pause();
		_exit(0);
	}
	ASSERT_TRUE(WAIT_FOR(in_use(self->uuid) == 1, SOON));
	async_kill(pid);
	EXPECT_EQ(0, next_use(fd, self->uuid, SOON));
	EXPECT_EQ(-ETIMEDOUT, next_use(fd, self->uuid, 50));
	EXPECT_EQ(0, in_use(self->uuid));
	close(fd);
}

/* Is there news in the file within MS? Reads it. */
static bool polled(int fd, unsigned int ms, char *now)
{
	struct pollfd pfd = { .fd = fd, .events = POLLPRI };
	bool news = poll(&pfd, 1, ms) == 1 && pfd.revents & POLLPRI;

	return pread(fd, now, 1, 0) == 1 && news;
}

TEST_F(seen, wakes_who_polls)
{
	char now;
	pid_t pid;
	int fd;

	fd = open(mdev_path(self->path, self->uuid, "mdev_in_use"), O_RDONLY);
	ASSERT_LE(0, fd);
	polled(fd, 0, &now);
	EXPECT_FALSE(polled(fd, 50, &now));
	EXPECT_EQ('0', now);
	ASSERT_EQ(0, mdev_open(self->uuid, &self->user));
	EXPECT_TRUE(polled(fd, SOON, &now));
	EXPECT_EQ('1', now);
	EXPECT_FALSE(polled(fd, 50, &now));

	/* A program that sleeps in poll() when the user leaves */
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		close(self->user.device);
		close(self->user.group);
		close(self->user.container);
		_exit(polled(fd, SOON, &now) && now == '0' ? 0 : 1);
	}
	sleep_ms(50);
	mdev_close(&self->user);
	EXPECT_EQ(0, async_result(pid, SOON));
	close(fd);
}

/* A device that removes itself */

static int set_remove_on_close(const char *uuid, const char *text)
{
	char path[PATH_LEN];

	return write_file(mdev_path(path, uuid, "mdev_remove_on_close"), text);
}

TEST_F(seen, goes_after_its_last_close)
{
	int second, fd;

	fd = uevent_open();
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EINVAL, set_remove_on_close(self->uuid, "perhaps"));
	ASSERT_EQ(0, set_remove_on_close(self->uuid, "1"));
	EXPECT_EQ(1, device_number(self->uuid, "mdev_remove_on_close"));
	/* It was not open, and is not when its vendor does not let it be. */
	vendor_set(STRUCTURED, "open/error", EIO);
	EXPECT_EQ(-EIO, mdev_open(self->uuid, &self->user));
	vendor_set(STRUCTURED, "open/error", 0);
	sleep_ms(100);
	EXPECT_TRUE(mdev_exists(self->uuid));

	ASSERT_EQ(0, mdev_open(self->uuid, &self->user));
	second = mdev_device_fd(self->uuid, &self->user);
	ASSERT_LE(0, second);
	close(second);
	sleep_ms(100);
	EXPECT_TRUE(mdev_exists(self->uuid));
	EXPECT_EQ(0, mdev_alive(&self->user));

	mdev_close(&self->user);
	EXPECT_TRUE(WAIT_FOR(!mdev_exists(self->uuid), SOON));
	EXPECT_TRUE(WAIT_FOR(mdev_available(STRUCTURED, 0, "few") == 3, SOON));
	EXPECT_EQ(1, vendor_calls(STRUCTURED, "remove"));
	/* Nobody was asked, and it said that it was free. */
	EXPECT_EQ(0, vendor_calls(STRUCTURED, "request"));
	EXPECT_EQ(0, next_use(fd, self->uuid, SOON));
	/* Its name is free as well. */
	ASSERT_TRUE(WAIT_FOR(!mdev_create(STRUCTURED, 0, "few", self->uuid), SOON));
	expect_dmesg(NOT_CREATED);
	EXPECT_EQ(0, device_number(self->uuid, "mdev_remove_on_close"));
	close(fd);
}

TEST_F(seen, stays_unless_it_is_told_to_go)
{
	ASSERT_EQ(0, mdev_open(self->uuid, &self->user));
	mdev_close(&self->user);
	/* That was before it was told to. */
	ASSERT_EQ(0, set_remove_on_close(self->uuid, "1"));
	sleep_ms(100);
	EXPECT_TRUE(mdev_exists(self->uuid));
	ASSERT_EQ(0, mdev_open(self->uuid, &self->user));
	ASSERT_EQ(0, set_remove_on_close(self->uuid, "0"));
	mdev_close(&self->user);
	sleep_ms(100);
	EXPECT_TRUE(mdev_exists(self->uuid));
	EXPECT_EQ(0, vendor_calls(STRUCTURED, "remove"));
}

/* The admin's unbinding asks the user to go: that is no reason to remove it. */
TEST_F(seen, an_unbinding_keeps_it)
{
	pid_t pid;

	ASSERT_EQ(0, set_remove_on_close(self->uuid, "1"));
	ASSERT_EQ(0, mdev_open(self->uuid, &self->user));
	pid = pending(UNBIND, self->uuid);
	ASSERT_LE(0, pid);
	mdev_close(&self->user);
	EXPECT_EQ(0, async_result(pid, SOON));
	sleep_ms(100);
	EXPECT_TRUE(mdev_exists(self->uuid));
	EXPECT_FALSE(exists("/sys/bus/mdev/devices/%s/driver", self->uuid));
	/* Nor later, when it has not been open again. */
	ASSERT_EQ(0, write_file(DRIVERS "vfio_mdev/bind", self->uuid));
	vendor_set(STRUCTURED, "open/error", EIO);
	EXPECT_EQ(-EIO, mdev_open(self->uuid, &self->user));
	vendor_set(STRUCTURED, "open/error", 0);
	sleep_ms(100);
	EXPECT_TRUE(mdev_exists(self->uuid));
	EXPECT_EQ(0, vendor_calls(STRUCTURED, "remove"));
}

/* The vendor takes long to remove it, and its parent and its driver go meanwhile. */
TEST_F(seen, its_parent_goes_while_it_goes)
{
	pid_t pid;

	vendor_set(STRUCTURED, "remove/delay", 60000);
	ASSERT_EQ(0, set_remove_on_close(self->uuid, "1"));
	ASSERT_EQ(0, mdev_open(self->uuid, &self->user));
	mdev_close(&self->user);
	ASSERT_TRUE(WAIT_FOR(vendor_calls(STRUCTURED, "remove") == 1, SOON));
	pid = async_write("/sys/kernel/debug/" STRUCTURED "/unregister", "0");
	EXPECT_EQ(-ETIMEDOUT, async_result(pid, 100));
	vendor_set(STRUCTURED, "remove/delay", 0);
	EXPECT_EQ(0, async_result(pid, SOON));
	EXPECT_EQ(1, vendor_calls(STRUCTURED, "remove"));
	ASSERT_EQ(0, parent_register(STRUCTURED, 0));
}

/*
 * It has found that it is to go, and waits for its lock, which somebody has; its parent
 * takes it away meanwhile, and is done before it looks again.
 */
TEST_F(seen, its_parent_is_faster)
{
	unsigned int i, removed = vendor_calls(STRUCTURED, "remove");
	pid_t holder, parent;

	ASSERT_EQ(0, module_load(BUS_DRIVER, NULL));
	for (i = 0; i < 12; i++) {
		ASSERT_EQ(0, set_remove_on_close(self->uuid, "1"));
		ASSERT_EQ(0, mdev_open(self->uuid, &self->user));
		holder = async_write("/sys/module/" BUS_DRIVER "/parameters/hold",
				     self->uuid);
		sleep_ms(20 + i % 4);
		mdev_close(&self->user);
		sleep_ms(10 + i);
		parent = async_write("/sys/kernel/debug/" STRUCTURED "/unregister", "0");
		EXPECT_EQ(0, async_result(holder, SOON));
		EXPECT_EQ(0, async_result(parent, SOON));
		EXPECT_FALSE(mdev_exists(self->uuid));
		EXPECT_EQ(++removed, vendor_calls(STRUCTURED, "remove"));
		ASSERT_EQ(0, parent_register(STRUCTURED, 0));
		ASSERT_EQ(0, mdev_create(STRUCTURED, 0, "few", self->uuid));
	}
	ASSERT_EQ(0, module_unload(BUS_DRIVER));
}

/*
 * The admin is about to remove it, and stopped: it is to look again in ten seconds.
 * Its parent does not wait for that.
 */
TEST_F(seen, its_parent_goes_before_it_looks_again)
{
	long long start;
	pid_t pid;

	ASSERT_EQ(0, set_remove_on_close(self->uuid, "1"));
	ASSERT_EQ(0, mdev_open(self->uuid, &self->user));
	pid = pending(mdev_path(self->path, self->uuid, "remove"), "1");
	ASSERT_LE(0, pid);
	kill(pid, SIGSTOP);
	sleep_ms(200);
	mdev_close(&self->user);
	sleep_ms(200);
	EXPECT_TRUE(mdev_exists(self->uuid));
	start = now_ms();
	EXPECT_EQ(0, parent_unregister(STRUCTURED, 0));
	EXPECT_GT(5000, now_ms() - start);
	kill(pid, SIGCONT);
	EXPECT_EQ(-ENODEV, async_result(pid, SOON));
	ASSERT_EQ(0, parent_register(STRUCTURED, 0));
}

/* debugfs */

#define FOLDER		"/sys/kernel/debug/mdev/platform:" STRUCTURED

/* A file of a parent's folder */
static const char *shown(unsigned int parent, const char *file)
{
	static char text[16384];
	char path[PATH_LEN];
	int ret;

	snprintf(path, sizeof(path), FOLDER ".%u/%s", parent, file);
	ret = read_file(path, text, sizeof(text));
	if (ret < 0)
		snprintf(text, sizeof(text), "error %d", ret);
	return text;
}

/* What it says of a device, behind its name */
static const char *shown_device(const char *uuid)
{
	static char line[512];
	const char *at = strstr(shown(0, "devices"), uuid);

	if (!at || sscanf(at + UUID_LEN, "%511[^\n]", line) != 1)
		return "no such line";
	return line;
}

TEST_F(seen, debugfs)
{
	char expected[256];
	pid_t pid;

	if (!exists("/sys/kernel/debug/mdev"))
		SKIP(return, "no debugfs");
	EXPECT_STREQ("type devices\nsingle 0\nfew 1\nmany 0", shown(0, "types"));
	EXPECT_FALSE(exists(FOLDER ".1"));
	EXPECT_STREQ("few active free - - - - - - - -",
		     shown_device(self->uuid));

	prctl(PR_SET_NAME, "a user");
	ASSERT_EQ(0, mdev_open(self->uuid, &self->user));
	snprintf(expected, sizeof(expected),
		 "few active open %d a\\040user 0 - - - - -", getpid());
	EXPECT_STREQ(expected, shown_device(self->uuid));

	mdev_path(self->path, self->uuid, "remove");
	pid = pending(self->path, "1");
	ASSERT_LE(0, pid);
	snprintf(expected, sizeof(expected), " %d a\\040user 0 user 1", pid);
	EXPECT_TRUE(WAIT_FOR(!!strstr(shown_device(self->uuid), expected), SOON)) {
		TH_LOG("%s", shown_device(self->uuid));
	}
	EXPECT_NE(NULL, strstr(shown_device(self->uuid), "few removing open "));

	/* Stopped it waits for itself. */
	kill(pid, SIGSTOP);
	EXPECT_TRUE(WAIT_FOR(!!strstr(shown_device(self->uuid), " writer "), SOON));
	kill(pid, SIGCONT);
	EXPECT_TRUE(WAIT_FOR(!!strstr(shown_device(self->uuid), " user 1"), SOON));
	kill(pid, SIGUSR1);
	EXPECT_EQ(-EINTR, async_result(pid, SOON));
	EXPECT_NE(NULL, strstr(shown_device(self->uuid), " - - - - -"));

	vendor_set(STRUCTURED, "request/calls", 0);
	pid = pending("/sys/kernel/debug/" STRUCTURED "/unregister", "0");
	ASSERT_LE(0, pid);
	snprintf(expected, sizeof(expected), " %d a\\040user ", pid);
	EXPECT_TRUE(WAIT_FOR(!!strstr(shown_device(self->uuid), expected), SOON)) {
		TH_LOG("%s", shown_device(self->uuid));
	}
	EXPECT_NE(NULL, strstr(shown_device(self->uuid), "few going open "));
	EXPECT_NE(NULL, strstr(shown_device(self->uuid), " user 1"));
	mdev_close(&self->user);
	EXPECT_EQ(0, async_result(pid, SOON));
	EXPECT_FALSE(exists(FOLDER ".0"));
	ASSERT_EQ(0, parent_register(STRUCTURED, 0));
	EXPECT_TRUE(exists(FOLDER ".0"));
}

/* Readers of all of it, while parents, devices and their users come and go */
static void read_on(void)
{
	static char text[1 << 16];
	char path[PATH_LEN];

	for (;;) {
		read_file(FOLDER ".1/types", text, sizeof(text));
		read_file(FOLDER ".1/devices", text, sizeof(text));
		read_file(mdev_errors_path(path, STRUCTURED, 1), text, sizeof(text));
	}
}

TEST_F(seen, row_53_readers_of_what_goes)
{
	long long end = now_ms() + race_ms(1500);
	char uuid[UUID_LEN];
	pid_t reader[2];
	unsigned int i;

	expect_dmesg(NOT_CREATED);
	for (i = 0; i < ARRAY_LEN(reader); i++) {
		reader[i] = async_fork();
		ASSERT_LE(0, reader[i]);
		if (!reader[i])
			read_on();
	}
	for (i = 0; now_ms() < end || i < 10; i++) {
		ASSERT_EQ(0, parent_register(STRUCTURED, 1));
		ASSERT_EQ(0, mdev_make(STRUCTURED, 1, "many", uuid));
		EXPECT_EQ(-EEXIST, mdev_create(STRUCTURED, 1, "few", uuid));
		ASSERT_EQ(0, mdev_open(uuid, &self->user));
		if (i % 2)
			EXPECT_EQ(0, set_remove_on_close(uuid, "1"));
		mdev_close(&self->user);
		ASSERT_EQ(0, parent_unregister(STRUCTURED, 1));
		EXPECT_FALSE(mdev_exists(uuid));
	}
	for (i = 0; i < ARRAY_LEN(reader); i++)
		async_kill(reader[i]);
	EXPECT_EQ(vendor_calls(STRUCTURED, "create"),
		  vendor_calls(STRUCTURED, "remove") + 1);
}

/* Trace events, in a buffer of their own */

#define TRACING		"/sys/kernel/tracing/"
#define BUFFER		TRACING "instances/mdev_seen/"

/* Was there an event with this in it? */
static bool traced(const char *event, const char *format, const char *what)
{
	static char text[1 << 16];
	char *line, *rest = text, start[64], end[256];

	if (read_file(BUFFER "trace", text, sizeof(text)) < 0)
		return false;
	snprintf(start, sizeof(start), ": %s: ", event);
	snprintf(end, sizeof(end), format, what);
	while ((line = strsep(&rest, "\n"))) {
		line = strstr(line, start);
		if (line && !strcmp(line + strlen(start), end))
			return true;
	}
	return false;
}

TEST_F(seen, trace_events)
{
	char uuid[UUID_LEN];
	pid_t pid;

	if ((mkdir(BUFFER, 0700) && errno != EEXIST) || !exists(BUFFER "events/mdev"))
		SKIP(return, "no trace events of ours here");
	expect_dmesg(NOT_CREATED);
	/* The scheduler is not to be patched for it: an emulator may run old code. */
	write_file(TRACING "options/record-cmd", "0");
	ASSERT_EQ(0, write_file(BUFFER "events/mdev/enable", "1"));

	ASSERT_EQ(0, parent_register(STRUCTURED, 1));
	EXPECT_TRUE(traced("mdev_parent_registered", "parent=%s.1", STRUCTURED));
	ASSERT_EQ(0, mdev_make(STRUCTURED, 1, "few", uuid));
	EXPECT_TRUE(traced("mdev_create", "uuid=%s parent=" STRUCTURED ".1 type=few",
			   uuid));
	EXPECT_EQ(-EEXIST, mdev_create(STRUCTURED, 1, "few", uuid));
	EXPECT_TRUE(traced("mdev_error", "uuid=%s parent=" STRUCTURED
			   ".1 act=create cause=uuid-in-use ret=-17", uuid));

	ASSERT_EQ(0, mdev_open(uuid, &self->user));
	EXPECT_TRUE(traced("mdev_open", "uuid=%s", uuid));
	EXPECT_FALSE(traced("mdev_close", "uuid=%s", uuid));
	pid = pending(mdev_path(self->path, uuid, "remove"), "1");
	ASSERT_LE(0, pid);
	EXPECT_TRUE(WAIT_FOR(traced("mdev_request", "uuid=%s count=0 answer=-11", uuid),
			     SOON));
	mdev_close(&self->user);
	EXPECT_EQ(0, async_result(pid, SOON));
	EXPECT_TRUE(traced("mdev_close", "uuid=%s", uuid));
	EXPECT_TRUE(traced("mdev_request", "uuid=%s count=1 answer=0", uuid));
	EXPECT_TRUE(traced("mdev_remove", "uuid=%s", uuid));
	ASSERT_EQ(0, parent_unregister(STRUCTURED, 1));
	EXPECT_TRUE(traced("mdev_parent_unregistered", "parent=%s.1", STRUCTURED));

	ASSERT_EQ(0, write_file(BUFFER "events/mdev/enable", "0"));
	ASSERT_EQ(0, mdev_open(self->uuid, &self->user));
	EXPECT_FALSE(traced("mdev_open", "uuid=%s", self->uuid));
	EXPECT_EQ(0, rmdir(BUFFER));
}

MDEV_TEST_MAIN(STRUCTURED)
