// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an admin sees of a container: its folder in debugfs, and trace events.
 */
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "kselftest_harness.h"
#include "type1_fixture.h"

#define BOTH		(TYPE1_TEST_READ | TYPE1_TEST_WRITE)
#define FOLDERS		"/sys/kernel/debug/vfio_iommu_type1"
#define TEXT_LEN	8192

/* How many containers have a folder, and the name of one of them */
static int folders(char *name, size_t size)
{
	struct dirent *entry;
	DIR *dir = opendir(FOLDERS);
	int n = 0;

	if (!dir)
		return -errno;
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.' || entry->d_type != DT_DIR)
			continue;
		snprintf(name, size, "%s", entry->d_name);
		n++;
	}
	closedir(dir);
	return n;
}

/* A file of the one container that there is */
static const char *seen(const char *file)
{
	static char text[TEXT_LEN];
	char name[NAME_MAX + 1], path[PATH_LEN];
	int ret = folders(name, sizeof(name));

	if (ret != 1) {
		snprintf(text, sizeof(text), "%d folders", ret);
		return text;
	}
	snprintf(path, sizeof(path), FOLDERS "/%s/%s", name, file);
	ret = read_file(path, text, sizeof(text));
	if (ret < 0)
		snprintf(text, sizeof(text), "error %d", ret);
	return text;
}

/* The number behind a word of a file, or -1 */
static long number(const char *file, const char *word)
{
	const char *text = seen(file), *at = strstr(text, word);

	return at ? atol(at + strlen(word)) : -1;
}

/* The last number of a device's line */
static long pinned(unsigned int device)
{
	char name[32], line[256];
	const char *at;

	snprintf(name, sizeof(name), "vfio_type1_test.%u ", device);
	at = strstr(seen("pins"), name);
	if (!at || sscanf(at, "%255[^\n]", line) != 1)
		return -1;
	return atol(strrchr(line, ' '));
}

static bool counts_so_far(void)
{
	return !!strstr(seen("pins"), " pages_pinned_so_far\n");
}

TEST_F(type1, debugfs)
{
	struct type1 *t = &self->use.t;
	char name[NAME_MAX + 1], line[256];

	if (type1_is_stock())
		SKIP(return, "the kernel's shows nothing");
	EXPECT_EQ(0, folders(name, sizeof(name)));
	ASSERT_EQ(0, use_map(&self->use));
	ASSERT_EQ(1, folders(name, sizeof(name)));
	ASSERT_EQ(0, dma_map(t->container, self->use.mem, 0x10000, PAGE, T1_READ));
	ASSERT_EQ(3, pin(t->device[0], T1_IOVA + 4 * PAGE, 3, BOTH));
	ASSERT_EQ(2, pin(t->device[1], T1_IOVA + 4 * PAGE, 2, BOTH));

	snprintf(line, sizeof(line), "\n%#llx %#llx %#lx rw ready no 3 ", T1_IOVA,
		 T1_IOVA + T1_PAGES * PAGE - 1, (unsigned long)self->use.mem);
	EXPECT_NE(NULL, strstr(seen("mappings"), line));
	snprintf(line, sizeof(line), "\n0x10000 %#lx %#lx r- ready no 0 0\n",
		 0x10000 + PAGE - 1, (unsigned long)self->use.mem);
	EXPECT_NE(NULL, strstr(seen("mappings"), line));

	EXPECT_EQ(2, number("memory", "mappings "));
	EXPECT_EQ(type1_parameter_get("dma_entry_limit") - 2,
		  number("memory", "mappings_left "));
	EXPECT_EQ(3, number("memory", "locked_pages "));
	EXPECT_EQ(3, number("memory", "pinned_by_mediated_devices "));
	EXPECT_EQ(0, number("memory", "pinned_for_iommu "));
	EXPECT_LT(2 * 64, number("memory", "record_bytes "));

	EXPECT_NE(NULL, strstr(seen("domains"), "version 2, "));
	EXPECT_NE(NULL, strstr(seen("domains"), "dirty pages not tracked\n"));
	EXPECT_EQ(2, number("domains", "local domain of "));
	ASSERT_EQ(0, dirty_start(t->container));
	EXPECT_NE(NULL, strstr(seen("domains"), "dirty pages tracked\n"));

	EXPECT_EQ(3, unpin(t->device[0], T1_IOVA + 4 * PAGE, 3));
	EXPECT_EQ(2, number("memory", "locked_pages "));
	type1_close(t);
	EXPECT_EQ(0, folders(name, sizeof(name)));
}

/* Of an only group it is known how many are pinned now. */
TEST_F(type1, debugfs_pins)
{
	struct type1 *t = &self->use.t;

	if (type1_is_stock())
		SKIP(return, "the kernel's shows nothing");
	type1_leave(t, 1);
	ASSERT_EQ(0, use_map(&self->use));
	ASSERT_EQ(5, pin(t->device[0], T1_IOVA, 5, BOTH));
	EXPECT_EQ(5, pinned(0));
	EXPECT_FALSE(counts_so_far());
	EXPECT_EQ(-1, pinned(1));
	EXPECT_EQ(2, unpin(t->device[0], T1_IOVA, 2));
	EXPECT_EQ(3, pinned(0));

	/* With a second they are counted, from what there is on. */
	ASSERT_EQ(0, type1_join(t, 1));
	EXPECT_TRUE(counts_so_far());
	EXPECT_EQ(3, pinned(0));
	EXPECT_EQ(0, pinned(1));
	ASSERT_EQ(1, pin(t->device[0], T1_IOVA, 1, BOTH));
	ASSERT_EQ(4, pin(t->device[1], T1_IOVA + 100 * PAGE, 4, BOTH));
	ASSERT_EQ(4, pin(t->device[1], T1_IOVA + 100 * PAGE, 4, BOTH));
	EXPECT_EQ(4, pinned(0));
	EXPECT_EQ(4, pinned(1));
	EXPECT_EQ(4, unpin(t->device[1], T1_IOVA + 100 * PAGE, 4));
	EXPECT_EQ(4, unpin(t->device[1], T1_IOVA + 100 * PAGE, 4));
	EXPECT_EQ(4, pinned(1));
	type1_leave(t, 1);
	EXPECT_FALSE(counts_so_far());
	EXPECT_EQ(4, pinned(0));
	EXPECT_EQ(4, unpin(t->device[0], T1_IOVA, 5));
	EXPECT_EQ(0, pinned(0));
}

/*
 * Readers of all of it, while containers come and go with pages pinned, that a
 * driver has not given back: the last group's leaving empties the records.
 */
#define READERS		2
#define COPIES		8U	/* of the same memory: each two stretches of a record */

/* They come in wherever the kernel lets somebody more urgent have the processor. */
static void read_on(void)
{
	static const char * const files[] = { "domains", "mappings", "pins", "memory" };
	static char text[1 << 16];
	char path[PATH_LEN], name[NAME_MAX + 1];
	unsigned int i = 0;

	setpriority(PRIO_PROCESS, 0, -20);
	while (true) {
		usleep(100);
		if (folders(name, sizeof(name)) < 1)
			continue;
		snprintf(path, sizeof(path), FOLDERS "/%s/%s", name,
			 files[i++ % ARRAY_LEN(files)]);
		read_file(path, text, sizeof(text));
	}
}

/* A container's whole life, at the end of which pages are pinned. */
static long live(struct type1_use *use, unsigned int round)
{
	struct type1 *t = &use->t;
	unsigned int i;
	long ret;

	ret = type1_open(t, VFIO_TYPE1v2_IOMMU, 2);
	for (i = 0; !ret && i < COPIES; i++)
		ret = dma_map(t->container, use->mem, T1_IOVA + i * T1_PAGES * PAGE,
			      T1_PAGES * PAGE, T1_RW);
	if (!ret)
		ret = behave(t->device[0], TYPE1_TEST_UNMAP_IGNORE, 0, true);
	/* Some of each form that a record has */
	for (i = 0; !ret && i < COPIES * T1_PAGES; i += 64) {
		const unsigned int n = 1 + (i * round) % 64;

		ret = pin(t->device[0], T1_IOVA + i * PAGE, n, BOTH);
		ret = ret == n ? 0 : ret ?: -EIO;
	}
	type1_leave(t, 1);
	type1_close(t);
	return ret;
}

TEST_F(type1, row_53_readers_of_what_goes)
{
	long long end = now_ms() + race_ms(1200);
	pid_t reader[READERS];
	unsigned int i;

	if (type1_is_stock())
		SKIP(return, "the kernel's shows nothing");
	expect_dmesg("has not unpinned pages at IOVA");
	type1_close(&self->use.t);
	for (i = 0; i < READERS; i++) {
		reader[i] = async_fork();
		ASSERT_LE(0, reader[i]);
		if (!reader[i])
			read_on();
	}
	for (i = 1; now_ms() < end; i++)
		ASSERT_EQ(0, live(&self->use, i));
	for (i = 0; i < READERS; i++)
		async_kill(reader[i]);
}

/* Trace events, in a buffer of their own */

#define TRACING		"/sys/kernel/tracing/"
#define BUFFER		TRACING "instances/type1_seen/"

FIXTURE(trace) {
	struct type1_use use;
	bool skip;
};

FIXTURE_SETUP(trace)
{
	self->skip = type1_is_stock() || (mkdir(BUFFER, 0700) && errno != EEXIST) ||
		     !exists(BUFFER "events/vfio_type1");
	/* The scheduler is not to be patched for it: an emulator may run old code. */
	write_file(TRACING "options/record-cmd", "0");
	ASSERT_EQ(0, use_begin(&self->use, 1));
}

FIXTURE_TEARDOWN(trace)
{
	use_end(&self->use);
	EXPECT_EQ(0, HELD(&self->use));
	EXPECT_EQ(0, LOCKED(&self->use));
	if (exists(BUFFER))
		EXPECT_EQ(0, rmdir(BUFFER));
}

/* Was there an event with this in it? */
static bool traced(const char *event, const char *what)
{
	static char text[1 << 16];
	char *line, *rest = text, start[64];

	if (read_file(BUFFER "trace", text, sizeof(text)) < 0)
		return false;
	snprintf(start, sizeof(start), " %s: container=", event);
	while ((line = strsep(&rest, "\n")))
		if (strstr(line, start) && strstr(line, what))
			return true;
	return false;
}

TEST_F(trace, events)
{
	struct type1 *t = &self->use.t;
	char what[128];

	if (self->skip)
		SKIP(return, "no trace events of ours here");
	ASSERT_EQ(0, use_map(&self->use));
	EXPECT_FALSE(traced("map_dma", ""));

	ASSERT_EQ(0, write_file(BUFFER "events/vfio_type1/enable", "1"));
	ASSERT_EQ(0, dma_map(t->container, self->use.mem, 0x20000, PAGE, T1_RW));
	snprintf(what, sizeof(what), " iova=0x20000 vaddr=%#lx size=%#lx prot=3 ret=0",
		 (unsigned long)self->use.mem, (unsigned long)PAGE);
	EXPECT_TRUE(traced("map_dma", what));
	EXPECT_EQ(-EEXIST, dma_map(t->container, self->use.mem, 0x20000, PAGE, T1_RW));
	snprintf(what, sizeof(what), " ret=%d", -EEXIST);
	EXPECT_TRUE(traced("map_dma", what));

	ASSERT_EQ(1, pin(t->device[0], 0x20000, 1, BOTH));
	EXPECT_TRUE(traced("pin_pages", " iova=0x20000 npages=1 fresh=1 ret=0"));
	ASSERT_EQ(1, pin(t->device[0], 0x20000, 1, BOTH));
	EXPECT_TRUE(traced("pin_pages", " iova=0x20000 npages=1 fresh=0 ret=0"));
	ASSERT_EQ(7, pin(t->device[0], T1_IOVA, 7, BOTH));
	EXPECT_TRUE(traced("pin_pages", " iova=0x40000000 npages=7 fresh=7 ret=0"));
	EXPECT_EQ(-EINVAL, pin(t->device[0], 0x30000, 1, BOTH));
	EXPECT_TRUE(traced("pin_pages", " iova=0x30000 npages=1 fresh=0 ret=-22"));
	EXPECT_EQ(7, unpin(t->device[0], T1_IOVA, 7));
	EXPECT_TRUE(traced("unpin_pages", " iova=0x40000000 npages=7"));

	ASSERT_EQ(0, type1_join(t, 1));
	EXPECT_TRUE(traced("attach_group", " emulated=1 ret=0"));
	type1_leave(t, 1);
	EXPECT_TRUE(traced("detach_group", " group="));

	EXPECT_EQ(PAGE, dma_unmap(t->container, 0x20000, PAGE));
	snprintf(what, sizeof(what), " iova=0x20000 size=%#lx", (unsigned long)PAGE);
	EXPECT_TRUE(traced("unmap_dma", what));

	ASSERT_EQ(0, write_file(BUFFER "events/vfio_type1/enable", "0"));
	ASSERT_EQ(0, dma_map(t->container, self->use.mem, 0x50000, PAGE, T1_RW));
	EXPECT_FALSE(traced("map_dma", " iova=0x50000"));
}

TEST_F(trace, limit)
{
	struct type1 *t = &self->use.t;

	if (self->skip)
		SKIP(return, "no trace events of ours here");
	ASSERT_EQ(0, drop_ipc_lock());
	ASSERT_EQ(0, limit_memlock(4));
	ASSERT_EQ(0, use_map(&self->use));
	/* It also says how many of another test's lines it has left out. */
	expect_dmesg("RLIMIT_MEMLOCK|tell_limit: ");
	ASSERT_EQ(0, write_file(BUFFER "events/vfio_type1/limit_exceeded/enable", "1"));
	ASSERT_EQ(4, pin(t->device[0], T1_IOVA, 4, BOTH));
	EXPECT_FALSE(traced("limit_exceeded", ""));
	EXPECT_EQ(-ENOMEM, pin(t->device[0], T1_IOVA + 4 * PAGE, 2, BOTH));
	EXPECT_TRUE(traced("limit_exceeded", " iova=0x40000000 npages=2"));
	ASSERT_EQ(0, write_file(BUFFER "events/vfio_type1/limit_exceeded/enable", "0"));
}

MDEV_TEST_MAIN(TYPE1_TEST)
