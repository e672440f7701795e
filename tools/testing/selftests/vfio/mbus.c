// SPDX-License-Identifier: GPL-2.0-only
/*
 * The sample's bus driver: a serial card goes from vfio_mdev to the host's
 * terminals and back, whatever its users do.
 */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "sample_util.h"

#define DRIVERS	"/sys/bus/mdev/drivers"
#define CARDS	24

/* Writes to a file of a driver's. */
static int driver_do(const char *driver, const char *file, const char *uuid)
{
	char path[PATH_LEN];

	snprintf(path, sizeof(path), DRIVERS "/%s/%s", driver, file);
	return write_file(path, uuid);
}

static bool driver_is(const char *uuid, const char *driver)
{
	char path[PATH_LEN], name[64];

	if (link_name(mdev_path(path, uuid, "driver"), name, sizeof(name)))
		return !driver;
	return driver && !strcmp(name, driver);
}

static int override(const char *uuid, const char *driver)
{
	char path[PATH_LEN];

	return write_file(mdev_path(path, uuid, "driver_override"), driver);
}

/* Hands a device that no driver has to the one named. */
static int hand(const char *uuid, const char *driver)
{
	int ret = override(uuid, driver);

	if (!ret)
		ret = write_file("/sys/bus/mdev/drivers_probe", uuid);
	if (!ret && !driver_is(uuid, driver))
		ret = -ENODEV;
	return ret;
}

/* The path of its terminal */
static char *terminal(char *buf, const char *uuid)
{
	char dir[PATH_LEN];
	struct dirent *entry;
	DIR *stream;

	snprintf(buf, PATH_LEN, "/none");
	stream = opendir(mdev_path(dir, uuid, "tty"));
	while (stream && (entry = readdir(stream)))
		if (!strncmp(entry->d_name, "ttyMBUS", 7))
			snprintf(buf, PATH_LEN, "/dev/%s", entry->d_name);
	if (stream)
		closedir(stream);
	return buf;
}

static int terminal_open(const char *uuid)
{
	char path[PATH_LEN];
	int fd;

	fd = open(terminal(path, uuid), O_RDWR | O_NOCTTY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Sends COUNT bytes and receives them again. */
static int loop_back(int fd, unsigned int count)
{
	unsigned int sent = 0, received = 0, n, i;
	unsigned char bytes[64];
	struct pollfd ready;
	ssize_t ret;

	while (received < count) {
		n = count - sent < sizeof(bytes) ? count - sent : sizeof(bytes);
		for (i = 0; i < n; i++)
			bytes[i] = (sent + i) * 13;
		if (n) {
			ret = write(fd, bytes, n);
			if (ret < 0)
				return -errno;
			sent += ret;
		}

		ready = (struct pollfd) { .fd = fd, .events = POLLIN };
		if (poll(&ready, 1, SOON) != 1)
			return -ETIMEDOUT;
		ret = read(fd, bytes, sizeof(bytes));
		if (ret <= 0)
			return ret ? -errno : -EPIPE;
		for (i = 0; i < ret; i++)
			if (bytes[i] != (unsigned char)(received++ * 13))
				return -EILSEQ;
	}
	return 0;
}

FIXTURE(card) {
	struct snapshot before;
	char uuid[UUID_LEN];
	int fd;
};

FIXTURE_SETUP(card)
{
	snapshot_take(&self->before);
	ASSERT_EQ(0, sample_make("mtty", "2", self->uuid));
	ASSERT_TRUE(driver_is(self->uuid, "vfio_mdev"));
	ASSERT_EQ(0, driver_do("vfio_mdev", "unbind", self->uuid));
	ASSERT_EQ(0, hand(self->uuid, "mbus"));
	self->fd = terminal_open(self->uuid);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(card)
{
	if (self->fd >= 0)
		close(self->fd);
	if (mdev_exists(self->uuid))
		EXPECT_EQ(0, mdev_remove(self->uuid));
	EXPECT_TRUE(WAIT_FOR(sample_idle("mtty", &self->before), SOON));
	EXPECT_TRUE(WAIT_FOR(module_refs("mbus") == 0, SOON));
	EXPECT_EQ(CARDS, sample_available("mtty", "1"));
}

/* Is FD one that everything fails on, as after a hang-up? */
static bool hung_up(int fd)
{
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	char byte = 0;

	return poll(&ready, 1, 0) == 1 && (ready.revents & POLLHUP) &&
	       !read(fd, &byte, 1) && write(fd, &byte, 1) < 0 && errno == EIO;
}

/* vfio_mdev's again, and works. */
static int back_to_vfio(const char *uuid)
{
	struct mdev_user user;
	int ret;

	ret = hand(uuid, "vfio_mdev");
	if (!ret)
		ret = mdev_open(uuid, &user);
	if (!ret) {
		struct vfio_device_info info = { .argsz = sizeof(info) };

		ret = file_ioctl(user.device, VFIO_DEVICE_GET_INFO, &info);
		mdev_close(&user);
	}
	return ret;
}

TEST_F(card, terminal)
{
	EXPECT_FALSE(exists("/sys/bus/mdev/devices/%s/iommu_group",
			    self->uuid));
	EXPECT_EQ(0, loop_back(self->fd, 3000));

	/* Another file of it, the card then as after power on */
	close(self->fd);
	self->fd = terminal_open(self->uuid);
	ASSERT_LE(0, self->fd);
	EXPECT_EQ(0, loop_back(self->fd, 100));
}

/* The driver says no to what is no serial card, and to no name but its own. */
TEST_F(card, others)
{
	char display[UUID_LEN], mine[UUID_LEN];

	ASSERT_EQ(0, sample_make("mdisplay", "vga", display));
	EXPECT_TRUE(driver_is(display, "vfio_mdev"));
	EXPECT_EQ(-EBUSY, driver_do("mbus", "bind", display));
	ASSERT_EQ(0, driver_do("vfio_mdev", "unbind", display));
	EXPECT_EQ(-ENODEV, hand(display, "mbus"));
	EXPECT_TRUE(driver_is(display, NULL));
	EXPECT_EQ(-ENODEV, hand(display, "nobody"));
	EXPECT_EQ(0, back_to_vfio(display));
	EXPECT_EQ(0, mdev_remove(display));

	ASSERT_EQ(0, sample_make("mtty", "1", mine));
	EXPECT_TRUE(driver_is(mine, "vfio_mdev"));
	EXPECT_EQ(0, override(mine, "mbus"));
	EXPECT_TRUE(driver_is(mine, "vfio_mdev"));
	EXPECT_EQ(0, mdev_remove(mine));
}

TEST_F(card, unbound_while_open)
{
	ASSERT_EQ(0, loop_back(self->fd, 10));
	ASSERT_EQ(0, driver_do("mbus", "unbind", self->uuid));
	EXPECT_TRUE(WAIT_FOR(hung_up(self->fd), SOON));
	EXPECT_FALSE(exists("/sys/bus/mdev/devices/%s/tty", self->uuid));
	/* Its file is still open; the card is another's. */
	EXPECT_EQ(0, back_to_vfio(self->uuid));
	EXPECT_TRUE(hung_up(self->fd));

	/* And there may be a second terminal beside the old file. */
	ASSERT_EQ(0, driver_do("vfio_mdev", "unbind", self->uuid));
	ASSERT_EQ(0, hand(self->uuid, "mbus"));
	EXPECT_TRUE(hung_up(self->fd));
	close(self->fd);
	self->fd = terminal_open(self->uuid);
	ASSERT_LE(0, self->fd);
	EXPECT_EQ(0, loop_back(self->fd, 10));
}

TEST_F(card, unbound_while_waited_for)
{
	char byte;
	pid_t pid;

	pid = fork();
	if (!pid)
		_exit(read(self->fd, &byte, 1) ? 1 : 0);
	sleep_ms(200);
	ASSERT_EQ(0, driver_do("mbus", "unbind", self->uuid));
	EXPECT_EQ(0, async_result(pid, SOON));
	EXPECT_EQ(0, back_to_vfio(self->uuid));
}

/* Sends, receives and opens anew until it is killed. */
static pid_t busy_user(const char *uuid)
{
	pid_t pid = async_fork();

	if (!pid) {
		for (;;) {
			int fd = terminal_open(uuid);

			if (fd < 0)
				continue;
			while (!loop_back(fd, 200))
				;
			close(fd);
		}
	}
	return pid;
}

TEST_F(card, rebound_while_busy)
{
	pid_t users[2];
	int i;

	users[0] = busy_user(self->uuid);
	users[1] = busy_user(self->uuid);
	for (i = 0; i < 20; i++) {
		sleep_ms(20);
		ASSERT_EQ(0, driver_do("mbus", "unbind", self->uuid));
		ASSERT_EQ(0, i % 2 ? back_to_vfio(self->uuid) : 0);
		ASSERT_EQ(0, i % 2 ? driver_do("vfio_mdev", "unbind",
					       self->uuid) : 0);
		ASSERT_EQ(0, hand(self->uuid, "mbus"));
	}
	async_kill(users[0]);
	async_kill(users[1]);
	close(self->fd);
	self->fd = terminal_open(self->uuid);
	ASSERT_LE(0, self->fd);
	EXPECT_EQ(0, loop_back(self->fd, 100));
}

/* No need to ask: its user is the host, which lets go at once. */
TEST_F(card, removed_while_busy)
{
	pid_t pid = busy_user(self->uuid);

	sleep_ms(200);
	EXPECT_EQ(0, mdev_remove(self->uuid));
	EXPECT_TRUE(WAIT_FOR(hung_up(self->fd), SOON));
	async_kill(pid);
}

/* One that is open exclusively is neither hung up nor waited for: it stays. */
TEST_F(card, exclusive)
{
	pid_t pid;
	char path[PATH_LEN];

	ASSERT_EQ(0, ioctl(self->fd, TIOCEXCL));
	pid = async_write(mdev_path(path, self->uuid, "remove"), "1");
	EXPECT_EQ(-EBUSY, async_result(pid, SOON));
	EXPECT_EQ(-EBUSY, driver_do("mbus", "unbind", self->uuid));
	EXPECT_TRUE(driver_is(self->uuid, "mbus"));
	EXPECT_EQ(0, loop_back(self->fd, 100));

	ASSERT_EQ(0, ioctl(self->fd, TIOCNXCL));
	EXPECT_EQ(0, driver_do("mbus", "unbind", self->uuid));
	EXPECT_TRUE(WAIT_FOR(hung_up(self->fd), SOON));
	EXPECT_EQ(0, back_to_vfio(self->uuid));
}

/* Neither module goes while the terminal is open. */
TEST_F(card, unloaded_while_open)
{
	EXPECT_EQ(-EWOULDBLOCK, module_unload("mbus"));
	EXPECT_EQ(-EWOULDBLOCK, module_unload("mtty"));
	EXPECT_EQ(0, loop_back(self->fd, 100));

	close(self->fd);
	self->fd = -1;
	EXPECT_TRUE(WAIT_FOR(module_refs("mbus") == 0, SOON));
	ASSERT_EQ(0, module_unload("mbus"));
	EXPECT_TRUE(driver_is(self->uuid, NULL));
	EXPECT_EQ(0, back_to_vfio(self->uuid));
	EXPECT_EQ(0, module_load("mbus", NULL));
	EXPECT_TRUE(driver_is(self->uuid, "vfio_mdev"));
}

TEST_F(card, killed_user)
{
	pid_t pid = busy_user(self->uuid);

	sleep_ms(200);
	async_kill(pid);
	EXPECT_EQ(0, loop_back(self->fd, 0));
	close(self->fd);
	self->fd = -1;
	EXPECT_TRUE(WAIT_FOR(module_refs("mbus") == 0, SOON));
	self->fd = terminal_open(self->uuid);
	ASSERT_LE(0, self->fd);
	EXPECT_EQ(0, loop_back(self->fd, 100));
}

/* Without driver_override a card goes to the driver that it is bound to by name. */
TEST(bound_by_name)
{
	char uuid[UUID_LEN];

	ASSERT_EQ(0, sample_make("mtty", "1", uuid));
	EXPECT_TRUE(driver_is(uuid, "vfio_mdev"));
	ASSERT_EQ(0, driver_do("vfio_mdev", "unbind", uuid));
	ASSERT_EQ(0, driver_do("mbus", "bind", uuid));
	EXPECT_TRUE(driver_is(uuid, "mbus"));
	EXPECT_EQ(0, mdev_remove(uuid));
}

MDEV_TEST_MAIN("mtty", "mdisplay", "mbus")
