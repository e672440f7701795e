// SPDX-License-Identifier: GPL-2.0-only
/*
 * Locked memory: what is charged to whom, to the page, at each step; limits; and
 * processes that fork, exec, exit and are killed with pages pinned.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "type1_fixture.h"

#define BOTH		(TYPE1_TEST_READ | TYPE1_TEST_WRITE)
#define ALL		(T1_PAGES * PAGE)
#define AFTER_EXEC	"after-exec"

/* Of another process */
static long long locked_of(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	return proc_value(path, "VmLck") * 1024 / (long long)PAGE;
}

static int exit_of(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -2;
}

/* Limits */

TEST_F(type1, limit)
{
	const int dev = self->use.t.device[0];
	__u64 word[8];

	ASSERT_EQ(0, drop_ipc_lock());
	ASSERT_EQ(0, limit_memlock(10));
	expect_dmesg("RLIMIT_MEMLOCK");
	ASSERT_EQ(0, use_map(&self->use));
	ASSERT_EQ(10, pin(dev, T1_IOVA, 10, BOTH));
	EXPECT_EQ(-ENOMEM, pin(dev, T1_IOVA + 10 * PAGE, 1, BOTH));
	EXPECT_EQ(10, LOCKED(&self->use));
	EXPECT_EQ(10, HELD(&self->use));
	/* What is pinned costs no more. */
	ASSERT_EQ(10, pin(dev, T1_IOVA, 10, TYPE1_TEST_READ));
	EXPECT_EQ(-ENOMEM, pin(dev, T1_IOVA + 9 * PAGE, 2, BOTH));
	EXPECT_EQ(10, unpin(dev, T1_IOVA, 10));
	EXPECT_EQ(10, LOCKED(&self->use));

	/* Room for 4 is none for 8. */
	EXPECT_EQ(4, unpin(dev, T1_IOVA, 4));
	EXPECT_EQ(-ENOMEM, pin(dev, T1_IOVA + 20 * PAGE, 8, BOTH));
	EXPECT_EQ(6, LOCKED(&self->use));
	EXPECT_EQ(6, HELD(&self->use));
	EXPECT_EQ(-ENOMEM, pin(dev, T1_IOVA, 11, BOTH));
	EXPECT_EQ(6, LOCKED(&self->use));
	ASSERT_EQ(4, pin_words(dev, T1_IOVA + 20 * PAGE, 4, BOTH, word));
	EXPECT_EQ(T1_MARK(23), word[3]);
	EXPECT_EQ(10, LOCKED(&self->use));
	/* Kernel threads are no way around it. */
	EXPECT_EQ(-ENOMEM, pin_in(dev, TYPE1_TEST_KTHREAD, T1_IOVA, 1, BOTH));
	EXPECT_EQ(-ENOMEM, pin_in(dev, TYPE1_TEST_KTHREAD_MM, T1_IOVA, 8,
				  BOTH));
	/* A lower limit takes nothing away. */
	ASSERT_EQ(0, limit_memlock(5));
	EXPECT_EQ(6, unpin(dev, T1_IOVA + 4 * PAGE, 6));
	EXPECT_EQ(4, LOCKED(&self->use));
	EXPECT_EQ(1, pin(dev, T1_IOVA, 1, BOTH));
	EXPECT_EQ(-ENOMEM, pin(dev, T1_IOVA + PAGE, 1, BOTH));
	EXPECT_EQ(ALL, dma_unmap_all(self->use.t.container));
	EXPECT_EQ(0, LOCKED(&self->use));
}

TEST_F(type1, limit_of_nothing)
{
	const int dev = self->use.t.device[0];

	ASSERT_EQ(0, drop_ipc_lock());
	ASSERT_EQ(0, limit_memlock(0));
	expect_dmesg("RLIMIT_MEMLOCK");
	ASSERT_EQ(0, use_map(&self->use));
	EXPECT_EQ(-ENOMEM, pin(dev, T1_IOVA, 1, BOTH));
	EXPECT_EQ(-ENOMEM, pin(dev, T1_IOVA, 512, TYPE1_TEST_READ));
	EXPECT_EQ(0, HELD(&self->use));
	EXPECT_EQ(0, LOCKED(&self->use));
}

/* Who has CAP_IPC_LOCK when mapping is charged, and not limited. */
TEST_F(type1, capable)
{
	const int dev = self->use.t.device[0];

	ASSERT_EQ(0, limit_memlock(10));
	ASSERT_EQ(0, use_map(&self->use));
	EXPECT_EQ(512, pin(dev, T1_IOVA, 512, BOTH));
	EXPECT_EQ(512, LOCKED(&self->use));
	EXPECT_EQ(512, unpin(dev, T1_IOVA, 512));
	EXPECT_EQ(0, LOCKED(&self->use));
}

/* What mlock() locks and what is pinned count together. */
TEST_F(type1, beside_mlock)
{
	const int dev = self->use.t.device[0];
	char *other = marked_memory(5);

	ASSERT_EQ(0, drop_ipc_lock());
	ASSERT_EQ(0, limit_memlock(10));
	expect_dmesg("RLIMIT_MEMLOCK");
	ASSERT_EQ(0, use_map(&self->use));
	ASSERT_EQ(0, mlock(other, 5 * PAGE));
	ASSERT_EQ(5, pin(dev, T1_IOVA, 5, BOTH));
	EXPECT_EQ(10, LOCKED(&self->use));
	EXPECT_EQ(-ENOMEM, pin(dev, T1_IOVA + 5 * PAGE, 1, BOTH));
	ASSERT_EQ(0, munlock(other, 5 * PAGE));
	EXPECT_EQ(5, LOCKED(&self->use));
	ASSERT_EQ(5, pin(dev, T1_IOVA + 5 * PAGE, 5, BOTH));
	EXPECT_EQ(-1, mlock(other, PAGE));
	EXPECT_EQ(10, unpin(dev, T1_IOVA, 10));
	EXPECT_EQ(0, LOCKED(&self->use));
}

/* As often as one tries: a few lines, each of which says all. */
TEST_F(type1, row_29_one_line)
{
	const int dev = self->use.t.device[0];
	const unsigned int tries = 300;
	char limit[64], wish[64], task[64];
	int kmsg, lines, named;
	unsigned int i;

	if (stock_differs())
		SKIP(return, "the kernel's has a line for each failure");
	snprintf(limit, sizeof(limit), " %lu bytes", 10 * PAGE);
	snprintf(wish, sizeof(wish), " %lu bytes", 512 * PAGE);
	snprintf(task, sizeof(task), "row_29[%d]", getpid());
	ASSERT_EQ(0, prctl(PR_SET_NAME, "row_29"));
	ASSERT_EQ(0, drop_ipc_lock());
	ASSERT_EQ(0, limit_memlock(10));
	expect_dmesg("RLIMIT_MEMLOCK");
	expect_dmesg("callbacks suppressed");
	ASSERT_EQ(0, use_map(&self->use));
	/* Those of the tests before count, too. */
	sleep_ms(5500);
	kmsg = kmsg_open();
	for (i = 0; i < tries; i++)
		ASSERT_EQ(-ENOMEM, pin(dev, T1_IOVA, 512, BOTH));
	lines = kmsg_count(kmsg, "RLIMIT_MEMLOCK");
	EXPECT_LE(1, lines);
	EXPECT_GE(15, lines);
	lseek(kmsg, 0, SEEK_SET);
	named = kmsg_count(kmsg, task);
	EXPECT_LE(1, named);
	lseek(kmsg, 0, SEEK_SET);
	EXPECT_LE(named, kmsg_count(kmsg, limit));
	lseek(kmsg, 0, SEEK_SET);
	EXPECT_LE(named, kmsg_count(kmsg, wish));
	close(kmsg);
}

/* Processes */

/* Each pays for its own memory, whoever pins it. */
TEST_F(type1, two_owners)
{
	const int a = self->use.t.device[0], fd = self->use.t.container;
	int go[2];
	pid_t pid;
	char c;

	ASSERT_EQ(0, use_map(&self->use));
	ASSERT_EQ(0, pipe(go));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		mark_memory(self->use.mem, 64);
		*(__u64 *)self->use.mem = 4711;
		if (dma_map(fd, self->use.mem, 2 * T1_IOVA, 64 * PAGE, T1_RW))
			_exit(1);
		if (write(go[1], "x", 1) != 1)
			_exit(2);
		pause();
		_exit(0);
	}
	/* One that dies before has closed it. */
	close(go[1]);
	ASSERT_EQ(1, read(go[0], &c, 1));
	ASSERT_EQ(5, pin(a, 2 * T1_IOVA, 5, BOTH));
	EXPECT_EQ(4711, load(a, 2 * T1_IOVA));
	EXPECT_EQ(0, LOCKED(&self->use));
	EXPECT_EQ(5, locked_of(pid));
	ASSERT_EQ(3, pin(a, T1_IOVA, 3, BOTH));
	EXPECT_EQ(T1_MARK(0), load(a, T1_IOVA));
	EXPECT_EQ(3, LOCKED(&self->use));
	EXPECT_EQ(5, locked_of(pid));
	EXPECT_EQ(64 * PAGE, dma_unmap(fd, 2 * T1_IOVA, 64 * PAGE));
	EXPECT_EQ(0, locked_of(pid));
	EXPECT_EQ(3, LOCKED(&self->use));
	kill(pid, SIGKILL);
	EXPECT_EQ(-2, exit_of(pid));
}

/* A child of the owner's unpins, unmaps and exits: it is the owner's charge. */
TEST_F(type1, child)
{
	const int dev = self->use.t.device[0];
	pid_t pid;

	ASSERT_EQ(0, use_map(&self->use));
	ASSERT_EQ(20, pin(dev, T1_IOVA, 20, BOTH));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		if (pages_locked())
			_exit(1);
		if (unpin(dev, T1_IOVA, 5) != 5 || pages_locked())
			_exit(2);
		if (pin(dev, T1_IOVA + 30 * PAGE, 1, BOTH) != 1 ||
		    pages_locked())
			_exit(3);
		_exit(0);
	}
	EXPECT_EQ(0, exit_of(pid));
	EXPECT_EQ(16, LOCKED(&self->use));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(dma_unmap_all(self->use.t.container) != ALL ||
		      pages_locked());
	EXPECT_EQ(0, exit_of(pid));
	EXPECT_EQ(0, LOCKED(&self->use));
	EXPECT_EQ(0, HELD(&self->use));
}

/* The owner is gone, its memory is pinned for as long as it is mapped. */
TEST_F(type1, owner_exits)
{
	const int dev = self->use.t.device[0], fd = self->use.t.container;
	__u64 word = 0;
	pid_t pid;

	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		*(__u64 *)self->use.mem = 4712;
		_exit(use_map(&self->use) ||
		      pin(dev, T1_IOVA, 16, BOTH) != 16);
	}
	ASSERT_EQ(0, exit_of(pid));
	EXPECT_EQ(16, HELD(&self->use));
	EXPECT_EQ(4712, load(dev, T1_IOVA));
	EXPECT_EQ(0, LOCKED(&self->use));
	/* What is pinned can be pinned, the rest not any more. */
	EXPECT_EQ(16, pin(dev, T1_IOVA, 16, BOTH));
	EXPECT_EQ(16, unpin(dev, T1_IOVA, 16));
	EXPECT_GT(0, pin(dev, T1_IOVA + 16 * PAGE, 1, BOTH));
	EXPECT_GT(0, pin_in(dev, TYPE1_TEST_KTHREAD, T1_IOVA + 16 * PAGE, 8,
			    BOTH));
	EXPECT_GT(0, rw_read(dev, T1_IOVA, &word, sizeof(word)));
	EXPECT_GT(0, rw_in(dev, TYPE1_TEST_KTHREAD, T1_IOVA, &word,
			   sizeof(word), false));
	EXPECT_EQ(0, word);
	EXPECT_EQ(16, HELD(&self->use));
	EXPECT_EQ(8, unpin(dev, T1_IOVA, 8));
	EXPECT_EQ(8, HELD(&self->use));
	EXPECT_EQ(0, LOCKED(&self->use));
	EXPECT_EQ(ALL, dma_unmap_all(fd));
	EXPECT_EQ(0, HELD(&self->use));
	EXPECT_EQ(0, LOCKED(&self->use));
}

/* A thread maps, and is no more. */
static void *map_in_thread(void *use)
{
	return (void *)(long)use_map(use);
}

TEST_F(type1, thread_that_mapped_exits)
{
	const int dev = self->use.t.device[0];
	pthread_t thread;
	void *ret;

	ASSERT_EQ(0, pthread_create(&thread, NULL, map_in_thread, &self->use));
	ASSERT_EQ(0, pthread_join(thread, &ret));
	ASSERT_EQ(NULL, ret);
	EXPECT_EQ(9, pin(dev, T1_IOVA, 9, BOTH));
	EXPECT_EQ(9, LOCKED(&self->use));
}

/* What follows is the same process, and other memory. */
static int after_exec(int argc, char **argv)
{
	struct type1 t;
	char *mem;

	if (argc < 5)
		return 10;
	type1_bare(&t);
	close(t.container);
	t.container = atoi(argv[2]);
	t.group[0] = atoi(argv[3]);
	t.device[0] = atoi(argv[4]);
	if (pages_locked())
		return 11;
	/* Its old memory is pinned and cannot be pinned. */
	if (load(t.device[0], T1_IOVA + PAGE) != T1_MARK(1))
		return 12;
	if (pin(t.device[0], T1_IOVA + 100 * PAGE, 1, BOTH) >= 0)
		return 13;
	mem = marked_memory(8);
	if (dma_map(t.container, mem, 2 * T1_IOVA, 8 * PAGE, T1_RW) ||
	    pin(t.device[0], 2 * T1_IOVA, 8, BOTH) != 8 || pages_locked() != 8)
		return 14;
	if (unpin(t.device[0], T1_IOVA, 8) != 8 || pages_locked() != 8)
		return 15;
	if (dma_unmap(t.container, T1_IOVA, ALL) != ALL || pages_locked() != 8)
		return 16;
	if (unpin(t.device[0], 2 * T1_IOVA, 3) != 3 || pages_locked() != 5)
		return 17;
	if (dma_unmap_all(t.container) != 8 * PAGE || pages_locked())
		return 18;
	return 0;
}

TEST_F(type1, row_6_exec)
{
	char container[16], group[16], device[16];
	struct type1 *t = &self->use.t;
	const char *const argv[] = {
		"type1_account", AFTER_EXEC, container, group, device, NULL
	};
	pid_t pid;

	type1_close(t);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		if (type1_open(t, VFIO_TYPE1v2_IOMMU, 1) || use_map(&self->use) ||
		    pin(t->device[0], T1_IOVA, 64, BOTH) != 64 ||
		    pages_locked() != 64)
			_exit(1);
		/* Without the flag that closes them */
		snprintf(container, sizeof(container), "%d", dup(t->container));
		snprintf(group, sizeof(group), "%d", dup(t->group[0]));
		snprintf(device, sizeof(device), "%d", dup(t->device[0]));
		execv("/proc/self/exe", (char *const *)argv);
		_exit(2);
	}
	EXPECT_EQ(0, exit_of(pid));
	EXPECT_TRUE(WAIT_FOR(!HELD(&self->use), SOON));
}

/* The one that execs is a child, which shares nothing but descriptors. */
TEST_F(type1, row_6_child_execs)
{
	const int dev = self->use.t.device[0];
	pid_t pid;

	ASSERT_EQ(0, use_map(&self->use));
	ASSERT_EQ(64, pin(dev, T1_IOVA, 64, BOTH));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		execlp("true", "true", NULL);
		_exit(1);
	}
	EXPECT_EQ(0, exit_of(pid));
	EXPECT_EQ(64, LOCKED(&self->use));
	EXPECT_EQ(ALL, dma_unmap_all(self->use.t.container));
	EXPECT_EQ(0, LOCKED(&self->use));
}

/* Killed wherever it is */
TEST_F(type1, killed_with_pins)
{
	struct type1 *t = &self->use.t;
	unsigned int i;
	pid_t pid;

	type1_close(t);
	for (i = 0; i < 6; i++) {
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid) {
			if (type1_open(t, VFIO_TYPE1v2_IOMMU, 2))
				_exit(1);
			while (!use_map(&self->use) &&
			       pin(t->device[0], T1_IOVA, 512, BOTH) == 512 &&
			       pin(t->device[1], T1_IOVA + 256 * PAGE, 512,
				   BOTH) == 512 &&
			       unpin(t->device[0], T1_IOVA, 300) == 300 &&
			       dma_unmap_all(t->container) == ALL)
				;
			_exit(2);
		}
		sleep_ms(30 + 17 * i);
		kill(pid, SIGKILL);
		EXPECT_EQ(-2, exit_of(pid));
		EXPECT_TRUE(WAIT_FOR(!HELD(&self->use), SOON));
	}
}

/* By order of coming and going of devices the charge is that of the pages. */
TEST_F(type1, row_19_devices_come_and_go)
{
	struct type1 *t = &self->use.t;

	ASSERT_EQ(0, use_map(&self->use));
	ASSERT_EQ(10, pin(t->device[0], T1_IOVA, 10, BOTH));
	ASSERT_EQ(10, pin(t->device[1], T1_IOVA + 5 * PAGE, 10, BOTH));
	EXPECT_EQ(15, LOCKED(&self->use));
	type1_leave(t, 0);
	EXPECT_EQ(10, LOCKED(&self->use));
	ASSERT_EQ(0, type1_join(t, 2));
	EXPECT_EQ(10, LOCKED(&self->use));
	ASSERT_EQ(10, pin(t->device[2], T1_IOVA, 10, BOTH));
	EXPECT_EQ(15, LOCKED(&self->use));
	ASSERT_EQ(0, type1_join(t, 0));
	type1_leave(t, 1);
	EXPECT_EQ(10, LOCKED(&self->use));
	type1_leave(t, 2);
	EXPECT_EQ(0, LOCKED(&self->use));
	EXPECT_EQ(0, HELD(&self->use));
}

/* In place of MDEV_TEST_MAIN(): the program also is what the test executes. */
int main(int argc, char **argv)
{
	static const char * const modules[] = { TYPE1_TEST, NULL };

	if (argc > 1 && !strcmp(argv[1], AFTER_EXEC))
		return after_exec(argc, argv);
	mdev_test_begin(argc, argv, modules);
	exit(test_harness_run(argc, argv));
}
