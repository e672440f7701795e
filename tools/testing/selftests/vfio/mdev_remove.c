// SPDX-License-Identifier: GPL-2.0-only
/*
 * Removal of devices that are open: the admin never hangs, the device comes to
 * no harm where its user cannot be asked, and is gone as soon as its user lets
 * go where he can.
 */
#include <fcntl.h>
#include <linux/vfio.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>

#include "kselftest_harness.h"
#include "mdev_util.h"

/* What an answer "at once" may take on a slow machine: no 10 s of waiting. */
#define AT_ONCE		6000
#define UNBIND		"/sys/bus/mdev/drivers/vfio_mdev/unbind"

/* A device and its user */
struct subject {
	struct mdev_env env;
	const char *vendor;
	char uuid[UUID_LEN];
	char path[PATH_LEN];
	struct mdev_user user;
};

FIXTURE(remove) {
	struct subject s;
};

static void setup(struct __test_metadata *_metadata, struct subject *self,
		  const char *vendor)
{
	self->vendor = vendor;
	ASSERT_EQ(0, env_setup(&self->env, vendor));
	ASSERT_EQ(0, mdev_make(vendor, 0, "few", self->uuid));
	ASSERT_EQ(0, mdev_open(self->uuid, &self->user));
	mdev_path(self->path, self->uuid, "remove");
}

FIXTURE_SETUP(remove)
{
	setup(_metadata, &self->s, STRUCTURED);
}

static void teardown(struct __test_metadata *_metadata, struct subject *self)
{
	mdev_close(&self->user);
	if (mdev_exists(self->uuid))
		EXPECT_EQ(0, mdev_remove(self->uuid));
	EXPECT_FALSE(mdev_exists(self->uuid));
	EXPECT_EQ(vendor_calls(self->vendor, "create"),
		  vendor_calls(self->vendor, "remove"));
	EXPECT_EQ(0, env_teardown(&self->env));
}

FIXTURE_TEARDOWN(remove)
{
	teardown(_metadata, &self->s);
}

/* The same, of a vendor driver that cannot ask. */
FIXTURE(remove_raw) {
	struct subject s;
};

FIXTURE_SETUP(remove_raw)
{
	setup(_metadata, &self->s, RAW);
}

FIXTURE_TEARDOWN(remove_raw)
{
	teardown(_metadata, &self->s);
}

/* Is the device whole, to its user, to another, and to the admin? */
static void expect_unharmed(struct __test_metadata *_metadata,
			    struct subject *self)
{
	int fd;

	EXPECT_EQ(0, mdev_alive(&self->user));
	EXPECT_TRUE(exists("/sys/bus/mdev/devices/%s/remove", self->uuid));
	EXPECT_TRUE(exists("/sys/bus/mdev/devices/%s/driver", self->uuid));
	EXPECT_TRUE(exists("/sys/bus/mdev/devices/%s/mdev_type", self->uuid));
	fd = mdev_device_fd(self->uuid, &self->user);
	EXPECT_LE(0, fd);
	if (fd >= 0)
		close(fd);

	/* It can be closed and opened again. */
	mdev_close(&self->user);
	EXPECT_EQ(0, mdev_open(self->uuid, &self->user));
	EXPECT_EQ(0, mdev_alive(&self->user));
	EXPECT_EQ(0, vendor_calls(self->vendor, "remove"));
}

/* Starts a removal or unbinding and waits until the user has been asked. */
static pid_t pending(struct subject *self, const char *path,
		     const char *text)
{
	pid_t pid = async_write(path, text);

	if (!WAIT_FOR(vendor_calls(self->vendor, "request") > 0, SOON) ||
	    async_result(pid, 0) != -ETIMEDOUT) {
		async_kill(pid);
		return -1;
	}
	return pid;
}

static pid_t remove_pending(struct subject *self)
{
	return pending(self, self->path, "1");
}

TEST_F(remove_raw, is_busy_at_once_without_request)
{
	long long start = now_ms();

	EXPECT_EQ(-EBUSY, mdev_remove(self->s.uuid));
	EXPECT_GT(AT_ONCE, now_ms() - start);
	expect_unharmed(_metadata, &self->s);
	EXPECT_EQ(-EBUSY, mdev_remove(self->s.uuid));
	expect_unharmed(_metadata, &self->s);

	mdev_close(&self->s.user);
	EXPECT_EQ(0, mdev_remove(self->s.uuid));
}

TEST_F(remove, is_busy_at_once_when_nobody_can_be_asked)
{
	long long start = now_ms();

	vendor_set(self->s.vendor, "can_request/error", 1);
	EXPECT_EQ(-EBUSY, mdev_remove(self->s.uuid));
	EXPECT_GT(AT_ONCE, now_ms() - start);
	EXPECT_EQ(0, vendor_calls(self->s.vendor, "request"));
	EXPECT_LT(0, vendor_calls(self->s.vendor, "can_request"));
	expect_unharmed(_metadata, &self->s);

	/* Closed it needs no asking. */
	mdev_close(&self->s.user);
	EXPECT_EQ(0, mdev_remove(self->s.uuid));
}

TEST_F(remove, asks_and_ends_when_the_user_closes)
{
	struct {
		struct vfio_irq_set set;
		int fd;
	} arm = {
		.set.argsz = sizeof(arm),
		.set.flags = VFIO_IRQ_SET_DATA_EVENTFD |
			     VFIO_IRQ_SET_ACTION_TRIGGER,
		.set.index = MDEV_TEST_IRQ_REQUEST,
		.set.count = 1,
	};
	struct pollfd pfd = { .events = POLLIN };
	long long start;
	pid_t pid;

	arm.fd = eventfd(0, EFD_CLOEXEC);
	ASSERT_LE(0, arm.fd);
	ASSERT_EQ(0, ioctl(self->s.user.device, VFIO_DEVICE_SET_IRQS, &arm));

	pid = async_write(self->s.path, "1");
	pfd.fd = arm.fd;
	EXPECT_EQ(1, poll(&pfd, 1, AT_ONCE));
	EXPECT_EQ(0, vendor_get(self->s.vendor, "request/arg0"));

	/* The device works as long as its user has it. */
	EXPECT_EQ(-ETIMEDOUT, async_result(pid, A_WHILE));
	EXPECT_EQ(0, mdev_alive(&self->s.user));
	EXPECT_EQ(0, vendor_calls(self->s.vendor, "remove"));

	start = now_ms();
	mdev_close(&self->s.user);
	EXPECT_EQ(0, async_result(pid, SOON));
	EXPECT_GT(AT_ONCE, now_ms() - start);
	EXPECT_FALSE(mdev_exists(self->s.uuid));
	EXPECT_EQ(1, vendor_calls(self->s.vendor, "remove"));
	EXPECT_EQ(1, vendor_calls(self->s.vendor, "release"));
	close(arm.fd);
}

/* Every ten seconds */
TEST_F(remove, asks_again)
{
	pid_t pid;

	pid = remove_pending(&self->s);
	ASSERT_LT(0, pid);
	EXPECT_EQ(0, vendor_get(self->s.vendor, "request/arg0"));
	EXPECT_TRUE(WAIT_FOR(vendor_calls(self->s.vendor, "request") == 2,
			     2 * SOON));
	EXPECT_EQ(1, vendor_get(self->s.vendor, "request/arg0"));
	mdev_close(&self->s.user);
	EXPECT_EQ(0, async_result(pid, SOON));
}

TEST_F(remove, lets_no_new_user_in_while_it_waits)
{
	pid_t pid;

	pid = remove_pending(&self->s);
	ASSERT_LT(0, pid);
	EXPECT_EQ(-EBUSY, mdev_device_fd(self->s.uuid, &self->s.user));
	EXPECT_EQ(0, mdev_alive(&self->s.user));

	/* Not even right after the last one has gone. */
	close(self->s.user.device);
	self->s.user.device = -1;
	EXPECT_GT(0, mdev_device_fd(self->s.uuid, &self->s.user));
	EXPECT_EQ(0, async_result(pid, SOON));
	EXPECT_EQ(1, vendor_calls(self->s.vendor, "open"));
}

TEST_F(remove, waits_for_the_last_file)
{
	pid_t pid;
	int fd;

	fd = mdev_device_fd(self->s.uuid, &self->s.user);
	ASSERT_LE(0, fd);
	pid = remove_pending(&self->s);
	ASSERT_LT(0, pid);
	close(fd);
	EXPECT_EQ(-ETIMEDOUT, async_result(pid, A_WHILE));
	EXPECT_EQ(0, vendor_calls(self->s.vendor, "release"));
	mdev_close(&self->s.user);
	EXPECT_EQ(0, async_result(pid, SOON));
	EXPECT_EQ(1, vendor_calls(self->s.vendor, "release"));
}

TEST_F(remove, can_be_interrupted)
{
	pid_t pid;

	pid = remove_pending(&self->s);
	ASSERT_LT(0, pid);
	EXPECT_EQ(0, kill(pid, SIGUSR1));
	EXPECT_EQ(-EINTR, async_result(pid, SOON));
	expect_unharmed(_metadata, &self->s);

	/* And tried again, from the start. */
	vendor_set(self->s.vendor, "request/calls", 0);
	pid = remove_pending(&self->s);
	ASSERT_LT(0, pid);
	EXPECT_EQ(0, vendor_get(self->s.vendor, "request/arg0"));
	mdev_close(&self->s.user);
	EXPECT_EQ(0, async_result(pid, SOON));
}

TEST_F(remove, can_be_killed)
{
	pid_t pid;

	pid = remove_pending(&self->s);
	ASSERT_LT(0, pid);
	EXPECT_EQ(0, kill(pid, SIGKILL));
	EXPECT_EQ(-ECANCELED, async_result(pid, SOON));
	expect_unharmed(_metadata, &self->s);
}

TEST_F(remove, of_two_the_second_has_to_try_again)
{
	pid_t pid;

	pid = remove_pending(&self->s);
	ASSERT_LT(0, pid);
	EXPECT_EQ(-EAGAIN, mdev_remove(self->s.uuid));
	EXPECT_EQ(-ETIMEDOUT, async_result(pid, 0));
	mdev_close(&self->s.user);
	EXPECT_EQ(0, async_result(pid, SOON));
}

TEST_F(remove, ends_when_the_user_is_killed)
{
	pid_t pid, user;
	int status;

	mdev_close(&self->s.user);
	user = async_fork();
	ASSERT_LE(0, user);
	if (!user) {
		if (mdev_open(self->s.uuid, &self->s.user))
			_exit(1);
		pause();
		_exit(2);
	}
	ASSERT_TRUE(WAIT_FOR(vendor_calls(self->s.vendor, "open") == 2, SOON));
	pid = remove_pending(&self->s);
	ASSERT_LT(0, pid);
	kill(user, SIGKILL);
	EXPECT_EQ(user, waitpid(user, &status, 0));
	EXPECT_EQ(0, async_result(pid, SOON));
	EXPECT_EQ(2, vendor_calls(self->s.vendor, "release"));
}

/* An unbinding asks the user, like a removal does; one of them at a time. */
TEST_F(remove, is_busy_while_the_device_is_being_unbound)
{
	long long start;
	pid_t pid;

	pid = pending(&self->s, UNBIND, self->s.uuid);
	ASSERT_LT(0, pid);

	start = now_ms();
	EXPECT_EQ(-EBUSY, mdev_remove(self->s.uuid));
	EXPECT_GT(AT_ONCE, now_ms() - start);
	EXPECT_EQ(-ETIMEDOUT, async_result(pid, 0));
	EXPECT_EQ(0, mdev_alive(&self->s.user));

	mdev_close(&self->s.user);
	EXPECT_EQ(0, async_result(pid, SOON));
	EXPECT_FALSE(exists("/sys/bus/mdev/devices/%s/driver", self->s.uuid));
	EXPECT_EQ(0, mdev_remove(self->s.uuid));
}

TEST_F(remove, unbinding_can_be_interrupted)
{
	pid_t pid;

	pid = pending(&self->s, UNBIND, self->s.uuid);
	ASSERT_LT(0, pid);
	EXPECT_EQ(0, kill(pid, SIGUSR1));
	EXPECT_EQ(-EINTR, async_result(pid, SOON));
	expect_unharmed(_metadata, &self->s);
}

TEST_F(remove_raw, unbinding_is_busy_at_once)
{
	EXPECT_EQ(-EBUSY, write_file(UNBIND, self->s.uuid));
	expect_unharmed(_metadata, &self->s);
	mdev_close(&self->s.user);
	EXPECT_EQ(0, write_file(UNBIND, self->s.uuid));
}

/* Ends what PID waits for by unregistering the parent. */
static void gives_way(struct __test_metadata *_metadata,
		      struct subject *self, pid_t pid)
{
	pid_t parent;

	ASSERT_LT(0, pid);
	snprintf(self->path, sizeof(self->path),
		 "/sys/kernel/debug/%s/unregister", self->vendor);
	parent = async_write(self->path, "0");

	/* The admin's answer comes while the device is still open. */
	EXPECT_EQ(-ENODEV, async_result(pid, SOON));
	EXPECT_EQ(-ETIMEDOUT, async_result(parent, A_WHILE));
	EXPECT_EQ(0, mdev_alive(&self->user));
	EXPECT_EQ(0, vendor_calls(self->vendor, "remove"));

	mdev_close(&self->user);
	EXPECT_EQ(0, async_result(parent, SOON));
	EXPECT_FALSE(mdev_exists(self->uuid));
	EXPECT_EQ(1, vendor_calls(self->vendor, "remove"));
	EXPECT_EQ(0, parent_register(self->vendor, 0));
}

TEST_F(remove, gives_way_to_the_parents_unregistration)
{
	gives_way(_metadata, &self->s, remove_pending(&self->s));
}

TEST_F(remove, unbinding_gives_way_to_the_parents_unregistration)
{
	gives_way(_metadata, &self->s, pending(&self->s, UNBIND, self->s.uuid));
}

/* While the parent's unregistration waits nothing can be created or removed. */
static void unregister_waits(struct __test_metadata *_metadata,
			     struct subject *self)
{
	char closed[UUID_LEN], late[UUID_LEN];
	int remove_fd, create_fd;
	pid_t parent;

	ASSERT_EQ(0, mdev_make(self->vendor, 0, "few", closed));
	remove_fd = open(self->path, O_WRONLY);
	create_fd = open(type_path(self->path, self->vendor, 0, "many",
				   "create"), O_WRONLY);
	ASSERT_LE(0, remove_fd);
	ASSERT_LE(0, create_fd);

	snprintf(self->path, sizeof(self->path),
		 "/sys/kernel/debug/%s/unregister", self->vendor);
	parent = async_write(self->path, "0");
	ASSERT_TRUE(WAIT_FOR(!exists("/sys/class/mdev_bus/%s.0", self->vendor),
			     SOON));
	EXPECT_EQ(-ETIMEDOUT, async_result(parent, A_WHILE));
	EXPECT_EQ(0, mdev_alive(&self->user));

	uuid_make(late);
	EXPECT_EQ(-1, write(create_fd, late, 36));
	EXPECT_EQ(ENODEV, errno);
	EXPECT_EQ(-1, write(remove_fd, "1", 1));
	EXPECT_TRUE(errno == ENODEV || errno == EAGAIN);
	close(create_fd);
	close(remove_fd);

	mdev_close(&self->user);
	EXPECT_EQ(0, async_result(parent, SOON));
	EXPECT_FALSE(mdev_exists(self->uuid));
	EXPECT_FALSE(mdev_exists(closed));
	EXPECT_EQ(2, vendor_calls(self->vendor, "remove"));
	EXPECT_EQ(0, parent_register(self->vendor, 0));
	EXPECT_EQ(3, mdev_available(self->vendor, 0, "few"));
}

TEST_F(remove, of_the_parent_waits_for_the_user)
{
	unregister_waits(_metadata, &self->s);
	EXPECT_LT(0, vendor_calls(self->s.vendor, "request"));
}

TEST_F(remove_raw, of_the_parent_waits_for_the_user)
{
	unregister_waits(_metadata, &self->s);
}

/* As from Linux 5.4 on: a driver has to give the device up. */
TEST_F(remove, ignores_the_vendors_error)
{
	int kmsg;

	expect_dmesg("removed, though its driver's remove returned");
	kmsg = kmsg_open();
	ASSERT_LE(0, kmsg);
	mdev_close(&self->s.user);
	vendor_set(self->s.vendor, "remove/error", EBUSY);
	EXPECT_EQ(0, mdev_remove(self->s.uuid));
	EXPECT_FALSE(mdev_exists(self->s.uuid));
	EXPECT_EQ(1, vendor_calls(self->s.vendor, "remove"));
	EXPECT_EQ(1, kmsg_count(kmsg, "remove returned"));
	EXPECT_EQ(3, mdev_available(self->s.vendor, 0, "few"));
	close(kmsg);
}

/* Who holds just the group does not hold the device. */
TEST_F(remove, does_not_wait_for_a_group)
{
	close(self->s.user.device);
	self->s.user.device = -1;
	ASSERT_TRUE(WAIT_FOR(vendor_calls(self->s.vendor, "release") == 1, SOON));
	EXPECT_EQ(0, mdev_remove(self->s.uuid));
	EXPECT_FALSE(mdev_exists(self->s.uuid));
	EXPECT_GT(0, mdev_device_fd(self->s.uuid, &self->s.user));
}

MDEV_TEST_MAIN(RAW, STRUCTURED)
