// SPDX-License-Identifier: GPL-2.0-only
/*
 * Locked memory: what is charged to whom, to the page, at each step; limits; and
 * processes that fork, exec, exit and are killed with pages pinned.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "type1_fixture.h"

#define BOTH		(TYPE1_TEST_READ | TYPE1_TEST_WRITE)
#define ALL		(T1_PAGES * PAGE)
#define AFTER_EXEC	"after-exec"

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
	expect_dmesg("RLIMIT_MEMLOCK|tell_limit: ");
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
	expect_dmesg("RLIMIT_MEMLOCK|tell_limit: ");
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
	expect_dmesg("RLIMIT_MEMLOCK|tell_limit: ");
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
	uint64_t iova = T1_IOVA, next;
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
	expect_dmesg("RLIMIT_MEMLOCK|tell_limit: ");
	expect_dmesg("callbacks suppressed");
	ASSERT_EQ(0, use_map(&self->use));
	/* Pages of one stretch of the address space are charged for at once. */
	next = -(uintptr_t)self->use.mem % (T1_STRETCH * PAGE);
	if (next <= (T1_PAGES - 512) * PAGE)
		iova += next;
	/* Those of the tests before count, too. */
	sleep_ms(5500);
	kmsg = kmsg_open();
	for (i = 0; i < tries; i++)
		ASSERT_EQ(-ENOMEM, pin(dev, iova, 512, BOTH));
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
	EXPECT_EQ(5, pages_locked_by(pid));
	ASSERT_EQ(3, pin(a, T1_IOVA, 3, BOTH));
	EXPECT_EQ(T1_MARK(0), load(a, T1_IOVA));
	EXPECT_EQ(3, LOCKED(&self->use));
	EXPECT_EQ(5, pages_locked_by(pid));
	EXPECT_EQ(64 * PAGE, dma_unmap(fd, 2 * T1_IOVA, 64 * PAGE));
	EXPECT_EQ(0, pages_locked_by(pid));
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
	EXPECT_EQ(-ENODEV, pin(dev, T1_IOVA + 16 * PAGE, 1, BOTH));
	EXPECT_EQ(-ENODEV, pin_in(dev, TYPE1_TEST_KTHREAD, T1_IOVA + 16 * PAGE, 8,
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

/* Pages charged for beside those that are pinned, with what a limit forbids */
static long long charged_ahead(long long pinned, unsigned long limit)
{
	long long all = proc_value("/proc/self/status", "VmLck") * 1024 / (long long)PAGE;
	long long ahead = all - pinned;

	if (ahead < 0 || ahead > 32)
		return -1;
	/* Near the limit there are none. */
	return all > (long long)limit - 32 && ahead ? -2 : ahead;
}

/*
 * Single pages are charged for in advance: few, only while others are pinned, and
 * without anybody being refused for it, in another container neither.
 */
TEST_F(type1, charged_in_advance)
{
	const int dev = self->use.t.device[0];
	const unsigned int limit = 100;
	long long ahead, most = 0;
	struct type1 other;
	unsigned int i;

	if (stock_differs())
		SKIP(return, "the kernel's charges for each page by itself");
	type1_leave(&self->use.t, 1);
	ASSERT_EQ(0, type1_bare(&other));
	ASSERT_EQ(0, type1_join(&other, 1));
	ASSERT_EQ(0, drop_ipc_lock());
	ASSERT_EQ(0, limit_memlock(limit));
	ASSERT_EQ(0, dma_map(other.container, self->use.mem, T1_IOVA, ALL, T1_RW));
	expect_dmesg("RLIMIT_MEMLOCK|tell_limit: ");
	ASSERT_EQ(0, use_map(&self->use));
	for (i = 0; i < limit; i++) {
		ASSERT_EQ(1, pin(dev, T1_IOVA + i * PAGE, 1, BOTH));
		ahead = charged_ahead(i + 1, limit);
		ASSERT_LE(0, ahead);
		EXPECT_TRUE(i || !ahead);
		most = ahead > most ? ahead : most;
	}
	EXPECT_LT(0, most);
	EXPECT_EQ(-ENOMEM, pin(dev, T1_IOVA + i * PAGE, 1, BOTH));
	while (i--) {
		EXPECT_EQ(1, unpin(dev, T1_IOVA + i * PAGE, 1));
		EXPECT_LE(0, charged_ahead(i, limit));
	}
	EXPECT_EQ(0, charged_ahead(0, limit));

	/* Many at once come near the limit. */
	ASSERT_EQ(1, pin(dev, T1_IOVA, 1, BOTH));
	ASSERT_EQ(1, pin(dev, T1_IOVA + PAGE, 1, BOTH));
	EXPECT_LT(0, charged_ahead(2, limit));
	ASSERT_EQ(60, pin(dev, T1_IOVA + 10 * PAGE, 60, BOTH));
	EXPECT_EQ(0, charged_ahead(62, limit));
	EXPECT_EQ(60, unpin(dev, T1_IOVA + 10 * PAGE, 60));

	/* What one container has charged in advance the other may have. */
	ASSERT_EQ(1, pin(dev, T1_IOVA + 2 * PAGE, 1, BOTH));
	EXPECT_LT(0, charged_ahead(3, limit));
	ASSERT_EQ((int)limit - 3, pin(other.device[1], T1_IOVA, limit - 3, BOTH));
	EXPECT_EQ(0, charged_ahead(limit, limit));
	EXPECT_EQ(-ENOMEM, pin(dev, T1_IOVA + 3 * PAGE, 1, BOTH));
	EXPECT_EQ((int)limit - 3, unpin(other.device[1], T1_IOVA, limit - 3));
	EXPECT_EQ(3, unpin(dev, T1_IOVA, 3));
	EXPECT_EQ(0, charged_ahead(0, limit));
	type1_close(&other);
	EXPECT_EQ(0, HELD(&self->use));
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

/* The memory that the kernel takes for what a user has mapped and pinned */

#define CGROUPS		"/sys/fs/cgroup"
#define CGROUP		CGROUPS "/type1_account"
#define MAPPINGS	60000U
#define PINNED		20000U	/* of them */
#define PINNED_BY_OTHERS 4000U	/* and so many by each of two */
#define MAPPING_BYTES	96LL
#define NODE_BYTES	576LL	/* of an xarray, of which two entries are used */
#define STRETCH_BYTES	32LL	/* of what is recorded in each of these */
#define OBJECT_BYTES	8LL	/* charged for each object besides */
/* What a processor has charged in advance, and the little else that happens */
#define CGROUP_SLACK	0x100000
#define STRETCH		(T1_STRETCH * PAGE)

static long long cgroup_current(void)
{
	char text[32];

	return read_file(CGROUP "/memory.current", text, sizeof(text)) < 0 ?
	       -1 : atoll(text);
}

/* Where this process is, below CGROUPS */
static int cgroup_of_self(char *path, size_t size)
{
	char text[256], *at;

	if (read_file("/proc/self/cgroup", text, sizeof(text)) < 0)
		return -EIO;
	at = strstr(text, "0::/");
	if (!at)
		return -ENOENT;
	at[strcspn(at, "\n")] = 0;
	snprintf(path, size, CGROUPS "%s/cgroup.procs", at + 3);
	return 0;
}

/* Two pages, in stretches beside each other: a node of the record's for each */
static int map_pairs(int container, char *pair)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < MAPPINGS && !ret; i++)
		ret = dma_map(container, pair, T1_IOVA + i * 4 * PAGE, 2 * PAGE, T1_RW);
	return ret;
}

static int pin_pairs(int device, unsigned int from, unsigned int n,
		     enum type1_test_context context)
{
	long ret = 2;
	unsigned int i;

	for (i = from; i < from + n && ret == 2; i++)
		ret = pin_in(device, context, T1_IOVA + i * 4 * PAGE, 2, BOTH);
	return ret == 2 ? 0 : ret < 0 ? ret : -EIO;
}

TEST_F(type1, row_64_memory_cgroup)
{
	const int dev = self->use.t.device[0], fd = self->use.t.container;
	char home[PATH_LEN], text[256] = "", *pair;
	long long start, before, now;
	pid_t pid;

	if (stock_differs())
		SKIP(return, "the kernel's has nobody charged");
	if (read_file(CGROUPS "/cgroup.controllers", text, sizeof(text)) < 0 ||
	    !strstr(text, "memory"))
		SKIP(return, "no memory cgroups here");
	ASSERT_EQ(0, cgroup_of_self(home, sizeof(home)));
	pair = fresh_memory(2 * STRETCH / PAGE, PROT_READ | PROT_WRITE);
	pair += (-(uintptr_t)pair & (STRETCH - 1)) + STRETCH - PAGE;
	madvise(pair, 2 * PAGE, MADV_NOHUGEPAGE);
	mark_memory(pair, 2);
	ASSERT_EQ(0, write_file(CGROUPS "/cgroup.subtree_control", "+memory"));
	ASSERT_EQ(0, mkdir(CGROUP, 0700));
	EXPECT_EQ(0, write_file(CGROUP "/cgroup.procs", "0"));

	start = cgroup_current();
	before = start;
	EXPECT_EQ(0, map_pairs(fd, pair));
	now = cgroup_current();
	EXPECT_LE(MAPPINGS * MAPPING_BYTES, now - before + CGROUP_SLACK);
	EXPECT_GE(MAPPINGS * MAPPING_BYTES * 2, now - before);

	before = now;
	EXPECT_EQ(0, pin_pairs(dev, 0, PINNED, TYPE1_TEST_CALLER));
	now = cgroup_current();
	EXPECT_LE(PINNED * (NODE_BYTES + 2 * STRETCH_BYTES + 3 * OBJECT_BYTES),
		  now - before + CGROUP_SLACK);
	/* A kernel thread, or a process that is elsewhere, for our memory */
	before = now;
	EXPECT_EQ(0, pin_pairs(dev, PINNED, PINNED_BY_OTHERS, TYPE1_TEST_KTHREAD));
	now = cgroup_current();
	EXPECT_LE(PINNED_BY_OTHERS * NODE_BYTES, now - before + CGROUP_SLACK);
	before = now;
	pid = fork();
	if (!pid)
		_exit(write_file(home, "0") ||
		      pin_pairs(dev, PINNED + PINNED_BY_OTHERS, PINNED_BY_OTHERS,
				TYPE1_TEST_CALLER));
	EXPECT_EQ(0, exit_of(pid));
	now = cgroup_current();
	EXPECT_LE(PINNED_BY_OTHERS * NODE_BYTES, now - before + CGROUP_SLACK);

	EXPECT_EQ(MAPPINGS * 2 * PAGE, dma_unmap_all(fd));
	EXPECT_TRUE(WAIT_FOR(cgroup_current() < start + CGROUP_SLACK, SOON));
	EXPECT_EQ(0, write_file(home, "0"));
	EXPECT_EQ(0, rmdir(CGROUP));
	EXPECT_EQ(0, write_file(CGROUPS "/cgroup.subtree_control", "-memory"));
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
