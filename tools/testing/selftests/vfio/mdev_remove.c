// SPDX-License-Identifier: GPL-2.0-only
/*
 * Removal of devices that are open: the admin never hangs, the device comes to
 * no harm where its user cannot be asked, and is gone as soon as its user lets
 * go where it can.
 */
#include <fcntl.h>
#include <linux/vfio.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "mdev_util.h"

/* What an answer "at once" may take on a slow machine: no 10 s of waiting. */
#define AT_ONCE		6000
#define UNBIND		"/sys/bus/mdev/drivers/vfio_mdev/unbind"
#define POWER		"/sys/power/"

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
	/* The same is told when it is asked only now. */
	EXPECT_EQ(-ENODEV, mdev_remove(self->uuid));
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

/*
 * A wait whose process is stopped, traced, frozen or suspended goes on with it:
 * its user is not asked anew, and nobody comes in meanwhile.
 */
static void expect_pending(struct __test_metadata *_metadata,
			   struct subject *self, pid_t pid)
{
	int fd;

	fd = mdev_device_fd(self->uuid, &self->user);
	EXPECT_EQ(-EBUSY, fd);
	if (fd >= 0)
		close(fd);
	ASSERT_EQ(-ETIMEDOUT, async_result(pid, 0));
	EXPECT_EQ(0, mdev_alive(&self->user));
	EXPECT_EQ(1, vendor_calls(self->vendor, "request"));
	EXPECT_EQ(0, vendor_get(self->vendor, "request/arg0"));
}

static void stop(struct __test_metadata *_metadata, pid_t pid)
{
	int status;

	EXPECT_EQ(0, kill(pid, SIGSTOP));
	EXPECT_EQ(pid, waitpid(pid, &status, WUNTRACED));
	EXPECT_TRUE(WIFSTOPPED(status));
}

static void stop_and_continue(struct __test_metadata *_metadata,
			      struct subject *self, pid_t pid)
{
	int i;

	ASSERT_LT(0, pid);
	for (i = 0; i < 3; i++) {
		stop(_metadata, pid);
		expect_pending(_metadata, self, pid);
		EXPECT_EQ(0, kill(pid, SIGCONT));
		sleep_ms(100);
		expect_pending(_metadata, self, pid);
	}
	/* For longer than a writer may take to come back */
	stop(_metadata, pid);
	sleep_ms(1500);
	expect_pending(_metadata, self, pid);
	sleep_ms(1500);
	expect_pending(_metadata, self, pid);
	EXPECT_EQ(0, kill(pid, SIGCONT));
	EXPECT_EQ(-ETIMEDOUT, async_result(pid, A_WHILE));
	expect_pending(_metadata, self, pid);
}

TEST_F(remove, row_59_stopped_and_continued)
{
	pid_t pid = remove_pending(&self->s);

	stop_and_continue(_metadata, &self->s, pid);
	mdev_close(&self->s.user);
	EXPECT_EQ(0, async_result(pid, SOON));
	EXPECT_FALSE(mdev_exists(self->s.uuid));
}

TEST_F(remove, row_59_unbinding_stopped_and_continued)
{
	pid_t pid = pending(&self->s, UNBIND, self->s.uuid);

	stop_and_continue(_metadata, &self->s, pid);
	mdev_close(&self->s.user);
	EXPECT_EQ(0, async_result(pid, SOON));
	EXPECT_FALSE(exists("/sys/bus/mdev/devices/%s/driver", self->s.uuid));
}

/*
 * The count goes on where it was: the second question has number 1. The writer is
 * stopped for longer than one may take to come back that does not get a processor.
 */
TEST_F(remove, row_59_asks_on_after_a_stop)
{
	pid_t pid = remove_pending(&self->s);

	ASSERT_LT(0, pid);
	stop(_metadata, pid);
	sleep_ms(100);
	expect_pending(_metadata, &self->s, pid);
	sleep_ms(12000);
	expect_pending(_metadata, &self->s, pid);
	EXPECT_EQ(0, kill(pid, SIGCONT));
	EXPECT_TRUE(WAIT_FOR(vendor_calls(self->s.vendor, "request") == 2,
			     2 * SOON));
	EXPECT_EQ(1, vendor_get(self->s.vendor, "request/arg0"));
	mdev_close(&self->s.user);
	EXPECT_EQ(0, async_result(pid, SOON));
}

TEST_F(remove, row_59_its_user_leaves_while_it_is_stopped)
{
	pid_t pid = remove_pending(&self->s);
	long long start;

	ASSERT_LT(0, pid);
	stop(_metadata, pid);
	close(self->s.user.device);
	self->s.user.device = -1;
	ASSERT_TRUE(WAIT_FOR(vendor_calls(self->s.vendor, "release") == 1,
			     SOON));
	EXPECT_EQ(-EBUSY, mdev_device_fd(self->s.uuid, &self->s.user));
	EXPECT_EQ(-EAGAIN, mdev_remove(self->s.uuid));
	start = now_ms();
	EXPECT_EQ(0, kill(pid, SIGCONT));
	EXPECT_EQ(0, async_result(pid, SOON));
	EXPECT_GT(AT_ONCE, now_ms() - start);
	EXPECT_FALSE(mdev_exists(self->s.uuid));
}

/* As strace -p does it, and as a debugger does */
TEST_F(remove, row_59_traced)
{
	pid_t pid = remove_pending(&self->s);
	int status;

	ASSERT_LT(0, pid);
	ASSERT_EQ(0, ptrace(PTRACE_SEIZE, pid, NULL, NULL));
	EXPECT_EQ(0, ptrace(PTRACE_INTERRUPT, pid, NULL, NULL));
	EXPECT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFSTOPPED(status));
	expect_pending(_metadata, &self->s, pid);
	EXPECT_EQ(0, ptrace(PTRACE_DETACH, pid, NULL, NULL));
	sleep_ms(100);
	expect_pending(_metadata, &self->s, pid);

	ASSERT_EQ(0, ptrace(PTRACE_ATTACH, pid, NULL, NULL));
	EXPECT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFSTOPPED(status));
	expect_pending(_metadata, &self->s, pid);
	EXPECT_EQ(0, ptrace(PTRACE_DETACH, pid, NULL, NULL));
	EXPECT_EQ(-ETIMEDOUT, async_result(pid, A_WHILE));
	expect_pending(_metadata, &self->s, pid);
	mdev_close(&self->s.user);
	EXPECT_EQ(0, async_result(pid, SOON));
}

/* A freezer: a file system, its options, a file, what freezes and thaws. */
struct freezer {
	const char *type;
	const char *options;
	const char *file;
	const char *freeze;
	const char *thaw;
	const char *state_file;
	const char *frozen;
};

static const struct freezer new_freezer = {
	"cgroup2", NULL, "cgroup.freeze", "1", "0", "cgroup.events", "frozen 1",
};

static const struct freezer old_freezer = {
	"cgroup", "freezer", "freezer.state", "FROZEN", "THAWED",
	"freezer.state", "FROZEN",
};

/* A group of processes that it can freeze */
struct frozen_group {
	const struct freezer *f;
	char root[32];
	char dir[64];
};

static bool group_make(struct frozen_group *group, const struct freezer *f)
{
	char text[4096];

	if (f->options && (read_file("/proc/cgroups", text, sizeof(text)) < 0 ||
			   !strstr(text, f->options)))
		return false;
	group->f = f;
	snprintf(group->root, sizeof(group->root), "/tmp/mdev_remove.XXXXXX");
	if (!mkdtemp(group->root))
		return false;
	if (mount("none", group->root, f->type, 0, f->options)) {
		rmdir(group->root);
		return false;
	}
	snprintf(group->dir, sizeof(group->dir), "%s/mdev_remove", group->root);
	return !mkdir(group->dir, 0755);
}

static int group_write(const struct frozen_group *group, const char *file,
		       const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", group->dir, file);
	return write_file(path, text);
}

static int group_freeze(const struct frozen_group *group, pid_t pid)
{
	char text[16];
	int ret;

	snprintf(text, sizeof(text), "%d", pid);
	ret = group_write(group, "cgroup.procs", text);
	return ret ? ret : group_write(group, group->f->file, group->f->freeze);
}

static int group_thaw(const struct frozen_group *group)
{
	return group_write(group, group->f->file, group->f->thaw);
}

static bool group_is_frozen(const struct frozen_group *group)
{
	char path[128], text[64];

	snprintf(path, sizeof(path), "%s/%s", group->dir, group->f->state_file);
	return read_file(path, text, sizeof(text)) > 0 &&
	       strstr(text, group->f->frozen);
}

/* Its process has ended. */
static void group_end(struct __test_metadata *_metadata,
		      const struct frozen_group *group)
{
	EXPECT_TRUE(WAIT_FOR(!rmdir(group->dir), SOON));
	EXPECT_EQ(0, umount(group->root));
	EXPECT_EQ(0, rmdir(group->root));
}

static void freeze_and_thaw(struct __test_metadata *_metadata,
			    struct subject *self, const struct freezer *f)
{
	struct frozen_group group;
	pid_t pid;

	if (!group_make(&group, f))
		SKIP(return, "no such freezer here");
	pid = remove_pending(self);
	ASSERT_LT(0, pid);
	EXPECT_EQ(0, group_freeze(&group, pid));
	EXPECT_TRUE(WAIT_FOR(group_is_frozen(&group), SOON));
	expect_pending(_metadata, self, pid);
	sleep_ms(1500);
	expect_pending(_metadata, self, pid);

	EXPECT_EQ(0, group_thaw(&group));
	EXPECT_EQ(-ETIMEDOUT, async_result(pid, A_WHILE));
	expect_pending(_metadata, self, pid);
	mdev_close(&self->user);
	EXPECT_EQ(0, async_result(pid, SOON));
	group_end(_metadata, &group);
}

TEST_F(remove, row_59_frozen)
{
	freeze_and_thaw(_metadata, &self->s, &new_freezer);
}

TEST_F(remove, row_59_frozen_by_the_older_freezer)
{
	freeze_and_thaw(_metadata, &self->s, &old_freezer);
}

TEST_F(remove, row_59_killed_while_stopped)
{
	pid_t pid = remove_pending(&self->s);

	ASSERT_LT(0, pid);
	stop(_metadata, pid);
	EXPECT_EQ(0, kill(pid, SIGKILL));
	EXPECT_EQ(-ECANCELED, async_result(pid, SOON));
	expect_unharmed(_metadata, &self->s);

	/* The next one begins with the first question, though nobody looked. */
	vendor_set(self->s.vendor, "request/calls", 0);
	pid = remove_pending(&self->s);
	ASSERT_LT(0, pid);
	stop(_metadata, pid);
	EXPECT_EQ(0, kill(pid, SIGKILL));
	EXPECT_EQ(-ECANCELED, async_result(pid, SOON));
	vendor_set(self->s.vendor, "request/calls", 0);
	pid = pending(&self->s, UNBIND, self->s.uuid);
	ASSERT_LT(0, pid);
	expect_pending(_metadata, &self->s, pid);
	mdev_close(&self->s.user);
	EXPECT_EQ(0, async_result(pid, SOON));
}

TEST_F(remove, row_59_a_handler_ends_it_after_a_stop)
{
	pid_t pid = remove_pending(&self->s);

	ASSERT_LT(0, pid);
	stop(_metadata, pid);
	EXPECT_EQ(0, kill(pid, SIGUSR1));
	EXPECT_EQ(0, kill(pid, SIGCONT));
	EXPECT_EQ(-EINTR, async_result(pid, SOON));
	expect_unharmed(_metadata, &self->s);
}

static void wake(int sig)
{
}

/* A writer whose handler is one that has system calls restarted, and lives on */
static pid_t remove_with_sa_restart(struct subject *self, int sig, int told)
{
	struct sigaction action = {
		.sa_handler = wake,
		.sa_flags = SA_RESTART,
	};
	pid_t pid;
	int ret;

	fflush(NULL);
	pid = fork();
	if (pid)
		return pid;
	close(self->user.device);
	close(self->user.group);
	close(self->user.container);
	sigaction(sig, &action, NULL);
	ret = write_file(self->path, "1");
	if (write(told, &ret, sizeof(ret)) != sizeof(ret))
		_exit(1);
	pause();
	_exit(0);
}

static void sa_restart(struct __test_metadata *_metadata, struct subject *self,
		       int sig, bool stopped)
{
	int told[2], ret = 0, fd = -1;
	pid_t pid;

	ASSERT_EQ(0, pipe(told));
	pid = remove_with_sa_restart(self, sig, told[1]);
	ASSERT_LT(0, pid);
	ASSERT_TRUE(WAIT_FOR(vendor_calls(self->vendor, "request") == 1, SOON));
	expect_pending(_metadata, self, pid);
	if (stopped)
		stop(_metadata, pid);
	EXPECT_EQ(0, kill(pid, sig));
	if (stopped)
		EXPECT_EQ(0, kill(pid, SIGCONT));
	EXPECT_EQ(sizeof(ret), read(told[0], &ret, sizeof(ret)));
	EXPECT_EQ(-EINTR, ret);

	/* One that was stopped is given a moment to come back. */
	EXPECT_TRUE(WAIT_FOR((fd = mdev_device_fd(self->uuid, &self->user)) >= 0,
			     stopped ? SOON : 0));
	if (fd >= 0)
		close(fd);
	EXPECT_EQ(-ETIMEDOUT, async_result(pid, 0));
	expect_unharmed(_metadata, self);
	async_kill(pid);
	close(told[0]);
	close(told[1]);
}

TEST_F(remove, row_59_a_restarting_handler_ends_it)
{
	sa_restart(_metadata, &self->s, SIGUSR1, false);
}

/* Without one it would not be heard of. */
TEST_F(remove, row_59_a_handler_of_a_signal_that_is_ignored_else)
{
	sa_restart(_metadata, &self->s, SIGWINCH, false);
}

TEST_F(remove, row_59_a_restarting_handler_ends_it_after_a_stop)
{
	sa_restart(_metadata, &self->s, SIGUSR1, true);
}

TEST_F(remove, row_59_the_parent_goes_while_it_is_stopped)
{
	pid_t pid = remove_pending(&self->s), parent;

	ASSERT_LT(0, pid);
	stop(_metadata, pid);
	snprintf(self->s.path, sizeof(self->s.path),
		 "/sys/kernel/debug/%s/unregister", self->s.vendor);
	parent = async_write(self->s.path, "0");
	EXPECT_TRUE(WAIT_FOR(vendor_calls(self->s.vendor, "request") == 2,
			     SOON));
	EXPECT_EQ(0, kill(pid, SIGCONT));
	EXPECT_EQ(-ENODEV, async_result(pid, SOON));
	EXPECT_EQ(-ETIMEDOUT, async_result(parent, 0));
	mdev_close(&self->s.user);
	EXPECT_EQ(0, async_result(parent, SOON));
	EXPECT_FALSE(mdev_exists(self->s.uuid));
	EXPECT_EQ(0, parent_register(self->s.vendor, 0));
}

/*
 * Suspends the machine as far as LEVEL, for no longer than that takes. Answers 1
 * where it cannot be tried.
 */
static int try_suspend(const char *level)
{
	char text[256];
	int ret;

	if (read_file(POWER "pm_test", text, sizeof(text)) < 0 ||
	    read_file(POWER "state", text, sizeof(text)) < 0 ||
	    !strstr(text, "freeze"))
		return 1;
	/* The root of a virtual machine does not survive it. */
	if (strcmp(level, "freezer") &&
	    exists("/sys/bus/virtio/drivers/9pnet_virtio"))
		return 1;
	write_file("/sys/module/suspend/parameters/pm_test_delay", "0");
	ret = write_file(POWER "pm_test", level);
	if (!ret)
		ret = write_file(POWER "state", "freeze");
	write_file(POWER "pm_test", "none");
	return ret;
}

TEST_F(remove, row_59_suspended)
{
	pid_t pid = remove_pending(&self->s);
	int ret;

	ASSERT_LT(0, pid);
	ret = try_suspend("freezer");
	if (ret == 1) {
		async_kill(pid);
		SKIP(return, "the kernel cannot try a suspend");
	}
	EXPECT_EQ(0, ret);
	EXPECT_EQ(-ETIMEDOUT, async_result(pid, A_WHILE));
	expect_pending(_metadata, &self->s, pid);
	mdev_close(&self->s.user);
	EXPECT_EQ(0, async_result(pid, SOON));
	EXPECT_FALSE(mdev_exists(self->s.uuid));
}

/* Starts something that takes the parent away, and waits for the question. */
static pid_t parent_pending(struct subject *self, const char *path,
			    const char *text)
{
	pid_t pid = async_write(path, text);

	if (!WAIT_FOR(vendor_calls(self->vendor, "request") == 1, SOON)) {
		async_kill(pid);
		return -1;
	}
	return pid;
}

static void suspended_with_the_parent(struct __test_metadata *_metadata,
				      struct subject *self, const char *level)
{
	pid_t pid;
	int ret;

	snprintf(self->path, sizeof(self->path),
		 "/sys/kernel/debug/%s/unregister", self->vendor);
	pid = parent_pending(self, self->path, "0");
	ASSERT_LT(0, pid);
	ret = try_suspend(level);
	if (ret != 1) {
		EXPECT_EQ(0, ret);
		EXPECT_EQ(-ETIMEDOUT, async_result(pid, A_WHILE));
		EXPECT_EQ(0, mdev_alive(&self->user));
		EXPECT_EQ(1, vendor_calls(self->vendor, "request"));
		EXPECT_EQ(0, try_suspend(level));
	}
	mdev_close(&self->user);
	EXPECT_EQ(0, async_result(pid, SOON));
	EXPECT_FALSE(mdev_exists(self->uuid));
	EXPECT_EQ(0, parent_register(self->vendor, 0));
	if (ret == 1)
		SKIP(return, "the kernel cannot try a suspend");
}

TEST_F(remove, row_60_suspended_while_the_parent_goes)
{
	suspended_with_the_parent(_metadata, &self->s, "freezer");
}

TEST_F(remove, row_60_devices_suspended_while_the_parent_goes)
{
	suspended_with_the_parent(_metadata, &self->s, "devices");
}

/* What a suspend does to a process, without what it does when one refuses */
static void parent_frozen(struct __test_metadata *_metadata,
			  struct subject *self, const char *path,
			  const char *text, bool frozen)
{
	struct frozen_group group;
	pid_t pid;

	if (!group_make(&group, &old_freezer))
		SKIP(return, "no such freezer here");
	pid = parent_pending(self, path, text);
	ASSERT_LT(0, pid);
	EXPECT_EQ(0, group_freeze(&group, pid));
	EXPECT_EQ(frozen, WAIT_FOR(group_is_frozen(&group),
				   frozen ? SOON : 2500));
	EXPECT_EQ(0, group_thaw(&group));
	EXPECT_EQ(-ETIMEDOUT, async_result(pid, 0));
	EXPECT_EQ(0, mdev_alive(&self->user));
	mdev_close(&self->user);
	EXPECT_EQ(0, async_result(pid, SOON));
	EXPECT_FALSE(mdev_exists(self->uuid));
	group_end(_metadata, &group);
}

TEST_F(remove, row_60_frozen_while_the_parent_goes)
{
	snprintf(self->s.path, sizeof(self->s.path),
		 "/sys/kernel/debug/%s/unregister", self->s.vendor);
	parent_frozen(_metadata, &self->s, self->s.path, "0", true);
	if (!exists("/sys/class/mdev_bus/%s.0", self->s.vendor))
		EXPECT_EQ(0, parent_register(self->s.vendor, 0));
}

/*
 * With the parent's lock held, as in its driver's remove, no suspend could get
 * past it: it fails, where a frozen wait would hang the machine.
 */
TEST_F(remove, row_60_not_frozen_under_the_parents_lock)
{
	char path[PATH_LEN], device[64];

	snprintf(device, sizeof(device), "%s.0", self->s.vendor);
	snprintf(path, sizeof(path), "/sys/bus/platform/drivers/%s/unbind",
		 self->s.vendor);
	parent_frozen(_metadata, &self->s, path, device, false);
	if (!exists("/sys/class/mdev_bus/%s", device)) {
		snprintf(path, sizeof(path),
			 "/sys/bus/platform/drivers/%s/bind", self->s.vendor);
		EXPECT_EQ(0, write_file(path, device));
	}
}

/* A request that signals an eventfd meets the calls that set it, and the close. */
TEST_F(remove, row_33_requests_and_set_irqs)
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
	long long end = now_ms() + race_ms(2000);
	int i, stop = eventfd(0, EFD_CLOEXEC);
	atomic_bool *enough;
	pid_t pid;

	enough = mmap(NULL, sizeof(*enough), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)enough);
	arm.fd = stop;
	pid = async_fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		/* Each removal asks, and is given up. */
		while (!*enough) {
			pid = async_write(self->s.path, "1");
			/* One that comes before the write ends nothing. */
			do
				kill(pid, SIGUSR1);
			while ((i = async_result(pid, 3)) == -ETIMEDOUT);
			if (i && i != -EINTR)
				_exit(-i);
		}
		_exit(0);
	}
	for (i = 0; now_ms() < end ||
	     (vendor_calls(self->s.vendor, "request") < 3 &&
	      now_ms() < end + SOON); i++) {
		EXPECT_EQ(0, ioctl(self->s.user.device, VFIO_DEVICE_SET_IRQS,
				   &arm));
		arm.fd = i % 2 ? stop : -1;
		if (i % 10 == 9)
			sleep_ms(1);
		if (i % 50 == 49 && mdev_exists(self->s.uuid)) {
			int fd = mdev_device_fd(self->s.uuid, &self->s.user);

			EXPECT_TRUE(fd >= 0 || fd == -EBUSY);
			if (fd >= 0)
				close(fd);
		}
	}
	EXPECT_LE(3, vendor_calls(self->s.vendor, "request"));
	EXPECT_EQ(-ETIMEDOUT, async_result(pid, 0));
	/* Not killed: it may be in a fork, and Linux 6.12's User Mode Linux dies of that. */
	*enough = true;
	EXPECT_EQ(0, async_result(pid, SOON));
	munmap(enough, sizeof(*enough));
	close(stop);
	EXPECT_TRUE(mdev_exists(self->s.uuid));
	mdev_close(&self->s.user);
	EXPECT_EQ(0, mdev_remove(self->s.uuid));
	/* Its vendor is told a moment after it has gone from sysfs. */
	EXPECT_TRUE(WAIT_FOR(vendor_calls(self->s.vendor, "create") ==
			     vendor_calls(self->s.vendor, "remove"), SOON));
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
	EXPECT_EQ(ENODEV, errno);
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

/* A user that holds just the group does not hold the device. */
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
