// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory that changes while it is pinned: copied on write, moved, unmapped,
 * given back, protected, split; memory of files and of huge pages; memory that
 * must not be pinned for long.
 */
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "type1_fixture.h"

#define BOTH		(TYPE1_TEST_READ | TYPE1_TEST_WRITE)
#define HUGE_PAGES	huge_pages()	/* small ones in a huge one */
#define HUGE_SIZE	(HUGE_PAGES * PAGE)

/* So many that they are in a huge page and fit in a call */
static unsigned int some_of_huge(void)
{
	const unsigned int huge = huge_pages();

	return huge < T1_MAX_PIN ? huge : T1_MAX_PIN;
}

static __u64 *word_at(char *mem, unsigned int page)
{
	return (__u64 *)(mem + page * PAGE);
}

/* What a device has stored */
static __u64 seen(char *mem, unsigned int page)
{
	return __atomic_load_n(word_at(mem, page), __ATOMIC_RELAXED);
}

/* Copies */

TEST_F(type1, fork_and_write)
{
	const int dev = self->use.t.device[0];
	char *mem = self->use.mem;
	int status;
	pid_t pid;

	ASSERT_EQ(0, use_map(&self->use));
	ASSERT_EQ(4, pin(dev, T1_IOVA, 4, BOTH));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		*word_at(mem, 0) = 1;
		_exit(load(dev, T1_IOVA) != T1_MARK(0) ||
		      seen(mem, 1) != T1_MARK(1));
	}
	*word_at(mem, 1) = 2;
	EXPECT_EQ(2, load(dev, T1_IOVA + PAGE));
	EXPECT_EQ(0, store(dev, T1_IOVA + 2 * PAGE, 3));
	EXPECT_EQ(3, seen(mem, 2));
	*word_at(mem, 1) = T1_MARK(1);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	/* Pages that are shared, pinned then */
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(0);
	ASSERT_EQ(4, pin(dev, T1_IOVA + 8 * PAGE, 4, BOTH));
	*word_at(mem, 9) = 4;
	EXPECT_EQ(4, load(dev, T1_IOVA + 9 * PAGE));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
}

/* Pinned for reading before it was ever written */
TEST_F(type1, written_after_the_pin)
{
	const int dev = self->use.t.device[0];
	char *mem = fresh_memory(8, PROT_READ | PROT_WRITE);

	ASSERT_EQ(0, dma_map(self->use.t.container, mem, T1_IOVA, 8 * PAGE,
			     T1_RW));
	ASSERT_EQ(8, pin(dev, T1_IOVA, 8, TYPE1_TEST_READ));
	*word_at(mem, 5) = 5;
	EXPECT_EQ(5, load(dev, T1_IOVA + 5 * PAGE));
	EXPECT_EQ(0, load(dev, T1_IOVA + 6 * PAGE));
}

/*
 * Not even the mapping may be written through. Before 6.2 Linux has the pages of
 * zeros pinned that all share, so what is written later is not seen through the
 * pin; with the kernel's own type1, too. Later ones have pages of its own pinned.
 */
static void never_written(struct __test_metadata *_metadata,
			  struct type1_use *use, char *mem, bool huge)
{
	const int dev = use->t.device[0], fd = use->t.container;
	const bool shared = shares_zero_pages();
	unsigned int charged = shared && !huge ? 0 : 8, i;

	ASSERT_EQ(0, dma_map(fd, mem, T1_IOVA, HUGE_SIZE, T1_READ));
	ASSERT_EQ(1, pin(dev, T1_IOVA, 1, TYPE1_TEST_READ));
	ASSERT_EQ(7, pin(dev, T1_IOVA + PAGE, 7, TYPE1_TEST_READ));
	EXPECT_EQ(charged, LOCKED(use));
	for (i = 0; i < 8; i++) {
		*word_at(mem, i) = 42;
		EXPECT_EQ(shared ? 0 : 42, load(dev, T1_IOVA + i * PAGE));
		EXPECT_EQ(42, seen(mem, i));
	}
	EXPECT_EQ(8, unpin(dev, T1_IOVA, 8));
	EXPECT_EQ(0, LOCKED(use));
	EXPECT_EQ(0, HELD(use));
	/* What was written once is pinned as it is. */
	ASSERT_EQ(8, pin(dev, T1_IOVA, 8, TYPE1_TEST_READ));
	*word_at(mem, 7) = 43;
	EXPECT_EQ(42, load(dev, T1_IOVA));
	EXPECT_EQ(43, load(dev, T1_IOVA + 7 * PAGE));
	EXPECT_EQ(8, LOCKED(use));
	EXPECT_EQ(HUGE_SIZE, dma_unmap_all(fd));
}

static char *huge_area(void)
{
	char *mem = fresh_memory(4 * HUGE_PAGES, PROT_READ | PROT_WRITE);

	return mem + (-(uintptr_t)mem & (HUGE_SIZE - 1));
}

TEST_F(type1, never_written)
{
	char *mem = huge_area();

	madvise(mem, HUGE_SIZE, MADV_NOHUGEPAGE);
	never_written(_metadata, &self->use, mem, false);
}

TEST_F(type1, never_written_huge)
{
	char *mem = huge_area();

	madvise(mem, HUGE_SIZE, MADV_HUGEPAGE);
	if (!(page_at(self->use.t.device[0], mem).flags & TYPE1_TEST_PAGE_LARGE))
		SKIP(return, "no huge page of zeros here");
	never_written(_metadata, &self->use, mem, true);
}

/* Gone from under the pin */

TEST_F(type1, given_back)
{
	const int dev = self->use.t.device[0];
	char *mem = self->use.mem;

	ASSERT_EQ(0, use_map(&self->use));
	ASSERT_EQ(4, pin(dev, T1_IOVA, 4, BOTH));
	ASSERT_EQ(0, madvise(mem, 2 * PAGE, MADV_DONTNEED));
	EXPECT_EQ(0, seen(mem, 0));
	EXPECT_EQ(T1_MARK(0), load(dev, T1_IOVA));
	EXPECT_EQ(0, store(dev, T1_IOVA, 1));
	EXPECT_EQ(0, seen(mem, 0));
	/* What is pinned is what it was, until the last pin is gone. */
	ASSERT_EQ(4, pin(dev, T1_IOVA, 4, BOTH));
	EXPECT_EQ(1, load(dev, T1_IOVA));
	EXPECT_EQ(4, unpin(dev, T1_IOVA, 4));
	EXPECT_EQ(4, unpin(dev, T1_IOVA, 4));
	EXPECT_EQ(0, HELD(&self->use));
	ASSERT_EQ(4, pin(dev, T1_IOVA, 4, BOTH));
	EXPECT_EQ(0, load(dev, T1_IOVA));
	EXPECT_EQ(4, LOCKED(&self->use));
}

TEST_F(type1, unmapped_by_the_user)
{
	const int dev = self->use.t.device[0];
	char *mem = marked_memory(16);

	ASSERT_EQ(0, dma_map(self->use.t.container, mem, T1_IOVA, 16 * PAGE,
			     T1_RW));
	ASSERT_EQ(8, pin(dev, T1_IOVA, 8, BOTH));
	ASSERT_EQ(0, munmap(mem, 16 * PAGE));
	EXPECT_EQ(8, HELD(&self->use));
	EXPECT_EQ(8, LOCKED(&self->use));
	EXPECT_EQ(T1_MARK(7), load(dev, T1_IOVA + 7 * PAGE));
	EXPECT_EQ(-EFAULT, pin(dev, T1_IOVA + 8 * PAGE, 1, BOTH));
	EXPECT_EQ(-EFAULT, pin(dev, T1_IOVA, 9, BOTH));
	EXPECT_EQ(8, LOCKED(&self->use));
	EXPECT_EQ(4, unpin(dev, T1_IOVA, 4));
	EXPECT_EQ(4, HELD(&self->use));
	EXPECT_EQ(16 * PAGE, dma_unmap_all(self->use.t.container));
}

TEST_F(type1, moved)
{
	const int dev = self->use.t.device[0];
	char *mem = marked_memory(16), *to = fresh_memory(16, PROT_READ);

	ASSERT_EQ(0, dma_map(self->use.t.container, mem, T1_IOVA, 16 * PAGE,
			     T1_RW));
	ASSERT_EQ(8, pin(dev, T1_IOVA, 8, BOTH));
	to = mremap(mem, 16 * PAGE, 16 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		    to);
	ASSERT_NE(MAP_FAILED, to);
	*word_at(to, 3) = 3;
	EXPECT_EQ(3, load(dev, T1_IOVA + 3 * PAGE));
	EXPECT_EQ(-EFAULT, pin(dev, T1_IOVA + 8 * PAGE, 1, BOTH));
	EXPECT_EQ(8, pin(dev, T1_IOVA, 8, BOTH));
	EXPECT_EQ(8, LOCKED(&self->use));
	EXPECT_EQ(8, HELD(&self->use));
}

TEST_F(type1, protected)
{
	const int dev = self->use.t.device[0], fd = self->use.t.container;
	char *mem = self->use.mem;

	ASSERT_EQ(0, use_map(&self->use));
	ASSERT_EQ(4, pin(dev, T1_IOVA, 4, BOTH));
	ASSERT_EQ(0, mprotect(mem, 8 * PAGE, PROT_READ));
	EXPECT_EQ(0, store(dev, T1_IOVA, 1));
	EXPECT_EQ(1, seen(mem, 0));
	/* The mapping may be written, its memory not. */
	EXPECT_EQ(-EFAULT, pin(dev, T1_IOVA + 4 * PAGE, 1, TYPE1_TEST_READ));
	EXPECT_EQ(-EFAULT, pin(dev, T1_IOVA + 4 * PAGE, 8, BOTH));
	EXPECT_EQ(-EFAULT, rw_write(dev, T1_IOVA, mem + 64, 8));
	EXPECT_EQ(0, rw_read(dev, T1_IOVA, mem + 20 * PAGE, 8));
	ASSERT_EQ(0, dma_map(fd, mem, 2 * T1_IOVA, 8 * PAGE, T1_READ));
	EXPECT_EQ(8, pin(dev, 2 * T1_IOVA, 8, TYPE1_TEST_READ));
	ASSERT_EQ(0, mprotect(mem, 16 * PAGE, PROT_NONE));
	EXPECT_EQ(-EFAULT, pin(dev, T1_IOVA + 8 * PAGE, 1, BOTH));
	EXPECT_EQ(8, unpin(dev, 2 * T1_IOVA, 8));
	EXPECT_EQ(-EFAULT, pin(dev, 2 * T1_IOVA, 1, TYPE1_TEST_READ));
	ASSERT_EQ(0, mprotect(mem, 16 * PAGE, PROT_READ | PROT_WRITE));
	EXPECT_EQ(4, LOCKED(&self->use));
	EXPECT_EQ(16, pin(dev, T1_IOVA, 16, BOTH));
}

/* Files */

TEST_F(type1, memfd)
{
	const int dev = self->use.t.device[0];
	int file = syscall(SYS_memfd_create, "type1", 0);
	__u64 word = 0;
	char *mem;

	ASSERT_LE(0, file);
	ASSERT_EQ(0, ftruncate(file, 64 * PAGE));
	mem = mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file,
		   0);
	ASSERT_NE(MAP_FAILED, mem);
	mark_memory(mem, 32);
	ASSERT_EQ(0, dma_map(self->use.t.container, mem, T1_IOVA, 64 * PAGE,
			     T1_RW));
	ASSERT_EQ(64, pin(dev, T1_IOVA, 64, BOTH));
	EXPECT_EQ(64, LOCKED(&self->use));
	EXPECT_EQ(T1_MARK(31), load(dev, T1_IOVA + 31 * PAGE));
	EXPECT_EQ(0, store(dev, T1_IOVA + 40 * PAGE, 40));
	EXPECT_EQ(8, file_read(file, &word, 8, 40 * PAGE));
	EXPECT_EQ(40, word);
	/* What is pinned and not in the file any more is nobody else's. */
	ASSERT_EQ(0, ftruncate(file, 32 * PAGE));
	EXPECT_EQ(40, load(dev, T1_IOVA + 40 * PAGE));
	EXPECT_EQ(64, HELD(&self->use));
	EXPECT_EQ(64, unpin(dev, T1_IOVA, 64));
	EXPECT_EQ(-EFAULT, pin(dev, T1_IOVA + 32 * PAGE, 1, BOTH));
	EXPECT_EQ(-EFAULT, pin(dev, T1_IOVA, 64, BOTH));
	EXPECT_EQ(0, HELD(&self->use));
	EXPECT_EQ(32, pin(dev, T1_IOVA, 32, BOTH));
	close(file);
}

/* A private mapping of a file: the device gets a copy, as a writer would. */
TEST_F(type1, private_file)
{
	const int dev = self->use.t.device[0];
	int file = syscall(SYS_memfd_create, "type1", 0);
	__u64 word = 7;
	char *mem;

	ASSERT_LE(0, file);
	ASSERT_EQ(8, file_write(file, &word, 8, 0));
	ASSERT_EQ(0, ftruncate(file, 4 * PAGE));
	mem = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, file,
		   0);
	ASSERT_NE(MAP_FAILED, mem);
	ASSERT_EQ(0, dma_map(self->use.t.container, mem, T1_IOVA, 4 * PAGE,
			     T1_RW));
	ASSERT_EQ(4, pin(dev, T1_IOVA, 4, BOTH));
	EXPECT_EQ(7, load(dev, T1_IOVA));
	EXPECT_EQ(0, store(dev, T1_IOVA, 8));
	EXPECT_EQ(8, seen(mem, 0));
	EXPECT_EQ(8, file_read(file, &word, 8, 0));
	EXPECT_EQ(7, word);
	close(file);
}

/* On every machine; headers may be older than the kernel. */
#define MEMFD_SECRET	447

/* Memory that even the kernel does not see, least of all a device */
TEST_F(type1, secret_memory_is_refused)
{
	const int dev = self->use.t.device[0];
	int file = syscall(MEMFD_SECRET, 0);
	long long locked;
	char *mem;

	if (file < 0)
		SKIP(return, "no memfd_secret() here");
	ASSERT_EQ(0, ftruncate(file, 4 * PAGE));
	mem = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	if (mem == MAP_FAILED)
		SKIP(return, "no secret memory here");
	mark_memory(mem, 4);
	/* By itself, in some versions of Linux */
	locked = LOCKED(&self->use);
	ASSERT_EQ(0, dma_map(self->use.t.container, mem, T1_IOVA, 4 * PAGE,
			     T1_RW));
	EXPECT_EQ(-EFAULT, pin(dev, T1_IOVA, 1, BOTH));
	EXPECT_EQ(-EFAULT, pin(dev, T1_IOVA, 4, TYPE1_TEST_READ));
	EXPECT_EQ(-EFAULT, pin_in(dev, TYPE1_TEST_KTHREAD, T1_IOVA, 4, BOTH));
	EXPECT_EQ(0, HELD(&self->use));
	EXPECT_EQ(locked, LOCKED(&self->use));
	munmap(mem, 4 * PAGE);
	close(file);
}

/*
 * A file that is written back cannot have pages that change at any time: the
 * kernel refuses them from 6.5 on, as do we what the kernel refuses.
 */
TEST_F(type1, file_that_is_written_back)
{
	const int dev = self->use.t.device[0];
	const char *path = getenv("VM_RESULTS");
	char name[PATH_LEN];
	long ret, again;
	char *mem;
	int file;

	if (!path)
		SKIP(return, "no file system with a disk of its own");
	snprintf(name, sizeof(name), "%s/type1_memory.tmp", path);
	file = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ASSERT_LE(0, file);
	mem = MAP_FAILED;
	if (!ftruncate(file, 4 * PAGE))
		mem = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
			   file, 0);
	unlink(name);
	if (mem == MAP_FAILED)
		SKIP(return, "no shared mappings of its files");
	ASSERT_EQ(0, dma_map(self->use.t.container, mem, T1_IOVA, 4 * PAGE,
			     T1_RW));
	ret = pin(dev, T1_IOVA, 4, BOTH);
	EXPECT_TRUE(ret == 4 || ret == -EFAULT);
	again = pin_in(dev, TYPE1_TEST_KTHREAD, T1_IOVA, 4, BOTH);
	EXPECT_EQ(ret, again);
	EXPECT_EQ(ret > 0 ? 4 : 0, HELD(&self->use));
	EXPECT_EQ(ret > 0 ? 4 : 0, LOCKED(&self->use));
	EXPECT_EQ(4 * PAGE, dma_unmap_all(self->use.t.container));
	munmap(mem, 4 * PAGE);
	close(file);
}

/*
 * Keys and userfaultfd: what can be pinned is the same for any thread and any
 * number of pages, and the same as with the kernel's own type1.
 */

#define COUNTS		{ 1, 3, 4, T1_MAX_PIN }

/* Pinned by our memory's process, by a kernel thread with it or without, by another */
enum { BY_ANOTHER = TYPE1_TEST_CONTEXTS, BY_ALL };

static long pin_by(int dev, unsigned int by, __u64 iova, unsigned int n,
		   __u32 prot)
{
	int status;
	pid_t pid;

	if (by != BY_ANOTHER)
		return pin_in(dev, by, iova, n, prot);
	pid = fork();
	if (!pid) {
		long ret = pin(dev, iova, n, prot);

		_exit(ret == n ? 0 : -ret);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -EIO;
	return WEXITSTATUS(status) ? -WEXITSTATUS(status) : (long)n;
}

FIXTURE(keys) {
	struct type1_use use;
	char *mem;
};

FIXTURE_VARIANT(keys) {
	bool read;
};

FIXTURE_VARIANT_ADD(keys, no_access) {
	.read = false,
};

FIXTURE_VARIANT_ADD(keys, no_writes) {
	.read = true,
};

FIXTURE_SETUP(keys)
{
	ASSERT_EQ(0, use_begin(&self->use, 1));
	self->mem = keyed_memory(2 * T1_MAX_PIN, variant->read);
}

FIXTURE_TEARDOWN(keys)
{
	use_end(&self->use);
	EXPECT_EQ(0, HELD(&self->use));
	EXPECT_EQ(0, LOCKED(&self->use));
}

TEST_F(keys, row_54_forbid_nothing)
{
	static const unsigned int counts[] = COUNTS;
	const int dev = self->use.t.device[0], fd = self->use.t.container;
	unsigned int by, i, n;

	if (!self->mem)
		SKIP(return, "no protection keys here");
	ASSERT_EQ(0, dma_map(fd, self->mem, T1_IOVA, T1_MAX_PIN * PAGE, T1_RW));
	for (by = 0; by < BY_ALL; by++)
		for (i = 0; i < ARRAY_LEN(counts); i++) {
			n = counts[i];
			EXPECT_EQ(n, pin_by(dev, by, T1_IOVA, n, BOTH));
			EXPECT_EQ(n, LOCKED(&self->use));
			EXPECT_EQ(T1_MARK(n - 1), load(dev, T1_IOVA + (n - 1) * PAGE));
			EXPECT_EQ(n, unpin(dev, T1_IOVA, n));
		}
	EXPECT_EQ(T1_MAX_PIN * PAGE, dma_unmap_all(fd));
	/* Not there yet; and that again, for reading only */
	for (by = 0; by < 2 * BY_ALL; by++)
		for (i = 0; i < ARRAY_LEN(counts); i++) {
			n = counts[i];
			ASSERT_EQ(0, madvise(self->mem, T1_MAX_PIN * PAGE, MADV_DONTNEED));
			ASSERT_EQ(0, dma_map(fd, self->mem, T1_IOVA, T1_MAX_PIN * PAGE,
					     by < BY_ALL ? T1_RW : T1_READ));
			EXPECT_EQ(n, pin_by(dev, by % BY_ALL, T1_IOVA, n, TYPE1_TEST_READ));
			EXPECT_EQ(T1_MAX_PIN * PAGE, dma_unmap_all(fd));
		}
}

/* A page that userfaultfd has yet to bring is one that cannot be had. */
TEST_F(type1, row_63_userfaultfd)
{
	static const unsigned int counts[] = COUNTS;
	const int dev = self->use.t.device[0], fd = self->use.t.container;
	struct late_memory late;
	unsigned int by, i, n;
	int ret;

	ret = late_begin(&late, T1_MAX_PIN + 1);
	if (ret == -EOPNOTSUPP)
		SKIP(return, "no userfaultfd() here, or one that reports each fault");
	ASSERT_EQ(0, ret);
	ASSERT_EQ(0, dma_map(fd, late.mem, T1_IOVA, (T1_MAX_PIN + 1) * PAGE, T1_RW));
	for (by = 0; by < BY_ALL; by++)
		for (i = 0; i < ARRAY_LEN(counts); i++)
			EXPECT_EQ(-EFAULT, pin_by(dev, by, T1_IOVA, counts[i], BOTH));
	EXPECT_EQ(0, late.asked);
	/* Behind one that it has brought */
	EXPECT_EQ(0, seen(late.mem, 0));
	EXPECT_EQ(1, late.asked);
	for (by = 0; by < BY_ALL; by++)
		for (i = 0; i < ARRAY_LEN(counts); i++) {
			n = counts[i];
			EXPECT_EQ(n == 1 ? 1 : -EFAULT,
				  pin_by(dev, by, T1_IOVA, n, BOTH));
			if (n == 1)
				EXPECT_EQ(1, unpin(dev, T1_IOVA, 1));
		}
	EXPECT_EQ(1, late.asked);
	EXPECT_EQ(0, HELD(&self->use));
	EXPECT_EQ(0, LOCKED(&self->use));
	EXPECT_EQ((T1_MAX_PIN + 1) * PAGE, dma_unmap_all(fd));
	late_end(&late);
}

/* Huge pages */

/* Two transparent huge pages beside each other, or NULL */
static char *transparent(int dev)
{
	char *mem = huge_area();
	unsigned int i;

	madvise(mem, 2 * HUGE_SIZE, MADV_HUGEPAGE);
	mark_memory(mem, 2 * HUGE_PAGES);
	for (i = 0; i < 2; i++)
		if (!(page_at(dev, mem + i * HUGE_SIZE).flags &
		      TYPE1_TEST_PAGE_LARGE))
			return NULL;
	return mem;
}

TEST_F(type1, transparent_huge_pages)
{
	const int dev = self->use.t.device[0], fd = self->use.t.container;
	const unsigned int n = some_of_huge(), first = HUGE_PAGES - n;
	const __u64 at = T1_IOVA + first * PAGE, middle = at + n / 2 * PAGE;
	struct type1_test_page before;
	char *mem = transparent(dev);
	__u64 pfn[T1_MAX_PIN];
	unsigned int i;

	if (!mem)
		SKIP(return, "no transparent huge pages here");
	before = page_at(dev, mem);
	ASSERT_EQ(0, dma_map(fd, mem, T1_IOVA, 2 * HUGE_SIZE, T1_RW));
	ASSERT_EQ(n, pin_pfns(dev, at, n, BOTH, pfn));
	for (i = 1; i < n; i++)
		ASSERT_EQ(pfn[0] + i, pfn[i]);
	EXPECT_EQ(n, LOCKED(&self->use));
	EXPECT_EQ(before.refs + n, page_at(dev, mem).refs);
	/* In any order, and from the middle of one to that of the next */
	ASSERT_EQ(n, pin(dev, middle, n, BOTH));
	EXPECT_EQ(n + n / 2, LOCKED(&self->use));
	EXPECT_EQ(before.refs + n, page_at(dev, mem).refs);
	i = first + n + n / 4;
	EXPECT_EQ(T1_MARK(i), load(dev, T1_IOVA + i * PAGE));
	EXPECT_EQ(n, unpin(dev, at, n));
	EXPECT_EQ(n, LOCKED(&self->use));
	EXPECT_EQ(before.refs + n / 2, page_at(dev, mem).refs);
	for (i = 0; i < n; i += 2)
		ASSERT_EQ(1, unpin(dev, middle + i * PAGE, 1));
	EXPECT_EQ(n / 2, LOCKED(&self->use));
	EXPECT_EQ(before.refs + n / 4, page_at(dev, mem).refs);
	EXPECT_EQ(n / 2, HELD(&self->use));
	EXPECT_EQ(2 * HUGE_SIZE, dma_unmap_all(fd));
	EXPECT_EQ(before.refs, page_at(dev, mem).refs);
}

/* An address in the middle of one is mapped where another would begin. */
TEST_F(type1, huge_pages_out_of_phase)
{
	const int dev = self->use.t.device[0], fd = self->use.t.container;
	const unsigned int n = some_of_huge(), first = HUGE_PAGES - n;
	char *mem = transparent(dev);
	__u64 word[T1_MAX_PIN];
	unsigned int i;

	if (!mem)
		SKIP(return, "no transparent huge pages here");
	ASSERT_EQ(0, dma_map(fd, mem + 100 * PAGE, T1_IOVA,
			     (2 * HUGE_PAGES - 100) * PAGE, T1_RW));
	ASSERT_EQ(n, pin_words(dev, T1_IOVA + first * PAGE, n, BOTH, word));
	for (i = 0; i < n; i++)
		ASSERT_EQ(T1_MARK(first + 100 + i), word[i]);
	ASSERT_EQ(n - 100, pin_words(dev, T1_IOVA + HUGE_SIZE, n - 100, BOTH, word));
	for (i = 0; i < n - 100; i++)
		ASSERT_EQ(T1_MARK(HUGE_PAGES + 100 + i), word[i]);
	EXPECT_EQ(2 * n - 100, LOCKED(&self->use));
	EXPECT_EQ(2 * n - 100, HELD(&self->use));
}

/* It is one page, then it is many, then not all of them are there. */
TEST_F(type1, split_while_pinned)
{
	const int dev = self->use.t.device[0], fd = self->use.t.container;
	char *mem = transparent(dev), *to;
	unsigned int i;

	if (!mem)
		SKIP(return, "no transparent huge pages here");
	to = fresh_memory(64, PROT_READ);
	ASSERT_EQ(0, dma_map(fd, mem, T1_IOVA, 2 * HUGE_SIZE, T1_RW));
	ASSERT_EQ(400, pin(dev, T1_IOVA, 400, BOTH));
	ASSERT_EQ(0, mprotect(mem + 100 * PAGE, PAGE, PROT_READ));
	ASSERT_EQ(0, madvise(mem + 200 * PAGE, 100 * PAGE, MADV_DONTNEED));
	ASSERT_NE(MAP_FAILED, mremap(mem + 300 * PAGE, 64 * PAGE, 64 * PAGE,
				     MREMAP_MAYMOVE | MREMAP_FIXED, to));
	for (i = 0; i < 400; i++)
		ASSERT_EQ(T1_MARK(i), load(dev, T1_IOVA + i * PAGE));
	ASSERT_EQ(100, pin(dev, T1_IOVA + 400 * PAGE, 100, BOTH));
	EXPECT_EQ(500, LOCKED(&self->use));
	EXPECT_EQ(100, unpin(dev, T1_IOVA + 200 * PAGE, 100));
	ASSERT_EQ(100, pin(dev, T1_IOVA + 200 * PAGE, 100, BOTH));
	EXPECT_EQ(0, load(dev, T1_IOVA + 250 * PAGE));
	EXPECT_EQ(0, store(dev, T1_IOVA + 250 * PAGE, 1));
	EXPECT_EQ(1, seen(mem, 250));
	EXPECT_EQ(500, unpin(dev, T1_IOVA, 500));
	EXPECT_EQ(0, HELD(&self->use));
	EXPECT_EQ(0, LOCKED(&self->use));
}

TEST_F(type1, hugetlb)
{
	const int dev = self->use.t.device[0], fd = self->use.t.container;
	const unsigned int n = some_of_huge(), first = HUGE_PAGES - n / 4;
	const __u64 at = T1_IOVA + first * PAGE;
	struct type1_test_page before;
	unsigned int i;
	char *mem;

	if (write_file("/proc/sys/vm/nr_hugepages", "4"))
		SKIP(return, "no huge pages here");
	mem = mmap(NULL, 2 * HUGE_SIZE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	if (mem == MAP_FAILED) {
		write_file("/proc/sys/vm/nr_hugepages", "0");
		SKIP(return, "no huge pages to be had");
	}
	mark_memory(mem, 2 * HUGE_PAGES);
	before = page_at(dev, mem);
	EXPECT_TRUE(before.flags & TYPE1_TEST_PAGE_LARGE);
	ASSERT_EQ(0, dma_map(fd, mem, T1_IOVA, 2 * HUGE_SIZE, T1_RW));
	ASSERT_EQ(n, pin(dev, at, n, BOTH));
	EXPECT_EQ(n, LOCKED(&self->use));
	EXPECT_EQ(before.refs + n / 4, page_at(dev, mem).refs);
	for (i = 0; i < n; i++)
		ASSERT_EQ(T1_MARK(first + i), load(dev, at + i * PAGE));
	EXPECT_EQ(n / 8, unpin(dev, at, n / 8));
	EXPECT_EQ(before.refs + n / 8, page_at(dev, mem).refs);
	ASSERT_EQ(0, munmap(mem, 2 * HUGE_SIZE));
	EXPECT_EQ(T1_MARK(first + n - 1), load(dev, at + (n - 1) * PAGE));
	EXPECT_EQ(-EFAULT, pin(dev, T1_IOVA, 1, BOTH));
	EXPECT_EQ(n - n / 8, LOCKED(&self->use));
	EXPECT_EQ(2 * HUGE_SIZE, dma_unmap_all(fd));
	EXPECT_EQ(0, HELD(&self->use));
	EXPECT_EQ(0, write_file("/proc/sys/vm/nr_hugepages", "0"));
}

/* What is pinned does not move. */
TEST_F(type1, compaction)
{
	const int dev = self->use.t.device[0];
	__u64 before[512], after[512];

	ASSERT_EQ(0, use_map(&self->use));
	ASSERT_EQ(512, pin_pfns(dev, T1_IOVA, 512, BOTH, before));
	if (write_file("/proc/sys/vm/compact_memory", "1"))
		SKIP(return, "no compaction here");
	ASSERT_EQ(512, pin_pfns(dev, T1_IOVA, 512, BOTH, after));
	EXPECT_EQ(0, memcmp(before, after, sizeof(before)));
	EXPECT_EQ(before[7], pfn_at(self->use.mem + 7 * PAGE));
}

MDEV_TEST_MAIN(TYPE1_TEST)
