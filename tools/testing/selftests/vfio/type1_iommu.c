// SPDX-License-Identifier: GPL-2.0-only
/*
 * Containers with an IOMMU: where the DMA of real devices lands and where it
 * does not; what is charged, pinned and dirty while devices with and without an
 * IOMMU come and go; what an IOMMU cannot map.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "type1_pci.h"

#define BOTH		(TYPE1_TEST_READ | TYPE1_TEST_WRITE)
#define HOLE_FIRST	(self->hole_first)
#define HOLE_LAST	(self->hole_last)
#define LARGE		(PAGE / sizeof(__u64) * PAGE)	/* of one page of a page table */
#define BITS		(self->bits)	/* of an address that the IOMMU translates */
/* Above what PCI on s390x has for itself: where MEM is mapped, and where nothing is */
#define IOVA		0x140000000ULL
#define ELSEWHERE	0x180000000ULL
#define MDEVS		2

FIXTURE(iommu) {
	struct type1_use use;
	struct pci pci[PCI_DEVICES];
	char *view;		/* of a BAR, VIEW_SIZE */
	const char *fault;	/* what the kernel says of each that the IOMMU refuses */
	unsigned int bits;
	__u64 hole_first, hole_last;
};

#define VIEW_SIZE	(16 * PAGE)

#define rig_t		FIXTURE_DATA(iommu)
#define CONTAINER	(self->use.t.container)
#define MEM		(self->use.mem)

/* By the names that the kernel gives IOMMUs */
static const struct {
	const char *name, *fault, *dmesg;
	unsigned int bits;
} iommus[] = {
	{ "dmar", "DMAR: ", "DMAR: |dmar_fault: ", 48 },
	{ "smmu3", "arm-smmu-v3 ", "arm-smmu-v3 |arm_smmu_[a-z_]+: [0-9]+ callbacks", 48 },
	/* Which stops the device, see type1_nvme.c. */
	{ "s390-iommu", "reports an error for PCI function",
	  "reports an error for PCI function|waiting for pending transaction", 42 },
};

static void know_iommu(rig_t *self)
{
	char name[32];
	unsigned int i;

	for (i = 0; i < ARRAY_LEN(iommus) && !pci_iommu(&self->pci[COPIER0], name); i++)
		if (!strncmp(name, iommus[i].name, strlen(iommus[i].name))) {
			expect_dmesg(iommus[i].dmesg);
			self->fault = iommus[i].fault;
			BITS = iommus[i].bits;
		}
}

FIXTURE_SETUP(iommu)
{
	unsigned int i;

	MEM = marked_memory(T1_PAGES);
	self->use.held = pages_held();
	self->use.locked = pages_locked();
	for (i = 0; i < PCI_DEVICES; i++)
		if (i != MEMORY || pci_can_map(&self->pci[COPIER0]))
			ASSERT_EQ(0, pci_take(&self->pci[i], i));
	know_iommu(self);
	ASSERT_NE(NULL, self->fault);
	ASSERT_EQ(0, pci_hole(&self->pci[COPIER0], &HOLE_FIRST, &HOLE_LAST));
	ASSERT_EQ(0, type1_bare(&self->use.t));
}

FIXTURE_TEARDOWN(iommu)
{
	unsigned int i;

	/* It would keep the device's file open. */
	if (self->view)
		munmap(self->view, VIEW_SIZE);
	for (i = 0; i < PCI_DEVICES; i++)
		EXPECT_EQ(0, pci_give_back(&self->pci[i]));
	use_end(&self->use);
	EXPECT_EQ(0, HELD(&self->use));
	EXPECT_EQ(0, LOCKED(&self->use));
}

static int join_pci(rig_t *self, unsigned int n)
{
	int ret = pci_join_group(&self->pci[n], CONTAINER);

	if (!ret)
		ret = type1_set_driver(&self->use.t);
	if (!ret)
		ret = pci_open(&self->pci[n]);
	if (ret)
		pci_leave(&self->pci[n]);
	return ret;
}

static int join_mdev(rig_t *self, unsigned int n)
{
	return type1_join(&self->use.t, n);
}

static int map_memory(rig_t *self)
{
	return dma_map(CONTAINER, MEM, IOVA, T1_PAGES * PAGE, T1_RW);
}

/* A container with the first copier, and all memory mapped */
static int begin_mapped(rig_t *self)
{
	int ret = join_pci(self, COPIER0);

	return ret ? ret : map_memory(self);
}

/* The same, where a machine has stopped the first copier for what it tried */
static int begin_again(rig_t *self)
{
	struct pci *copier = &self->pci[COPIER0];
	int ret;

	if (!copier->stopped)
		return 0;
	ret = pci_give_back(copier) ? : pci_take(copier, COPIER0);
	self->use.t.has_driver = false;
	return ret ? : begin_mapped(self);
}

static __u64 iova_of(unsigned int page)
{
	return IOVA + page * PAGE;
}

static __u64 *word_of(char *mem, unsigned int page)
{
	return (__u64 *)(mem + page * PAGE);
}

/* Is each page but one that which mark_memory() made it? */
static bool unchanged_but(char *mem, unsigned int pages, int but)
{
	unsigned int i;

	for (i = 0; i < pages; i++)
		if (i != but && *word_of(mem, i) != T1_MARK(i))
			return false;
	return true;
}

/* Does what the device writes to an IOVA get to a place in our memory? */
static bool lands(struct pci *edu, __u64 from, __u64 to,
		  __u64 *place, __u64 word)
{
	__atomic_store_n(place, 0, __ATOMIC_SEQ_CST);
	return !pci_copy(edu, from, to, 8) &&
	       __atomic_load_n(place, __ATOMIC_SEQ_CST) == word;
}

/* Where DMA lands */

TEST_F(iommu, dma_lands)
{
	ASSERT_EQ(0, begin_mapped(self));
	EXPECT_EQ(T1_PAGES, LOCKED(&self->use));
	ASSERT_EQ(0, pci_copy(&self->pci[COPIER0], iova_of(3), iova_of(900), 64));
	EXPECT_EQ(T1_MARK(3), *word_of(MEM, 900));
	EXPECT_TRUE(unchanged_but(MEM, T1_PAGES, 900));

	EXPECT_EQ(T1_PAGES * PAGE, dma_unmap_all(CONTAINER));
	EXPECT_EQ(0, LOCKED(&self->use));
	EXPECT_EQ(0, HELD(&self->use));
}

TEST_F(iommu, dma_across_two_mappings)
{
	char *other = marked_memory(4);
	const unsigned int half = COPY_MAX / 2;

	ASSERT_EQ(0, begin_mapped(self));
	ASSERT_EQ(0, dma_map(CONTAINER, other, iova_of(T1_PAGES), 4 * PAGE,
			     T1_RW));
	memset(MEM + PAGE, 0x5a, PAGE);
	ASSERT_EQ(0, pci_copy(&self->pci[COPIER0], iova_of(1),
			      iova_of(T1_PAGES) - half, COPY_MAX));
	EXPECT_EQ(0, memcmp(MEM + T1_PAGES * PAGE - half, MEM + PAGE, half));
	EXPECT_EQ(0, memcmp(other, MEM + PAGE, half));
	EXPECT_EQ(0, other[half]);
	EXPECT_EQ(T1_MARK(1), *word_of(other, 1));
}

TEST_F(iommu, dma_elsewhere_is_blocked)
{
	struct pci *copier = &self->pci[COPIER0];
	int log = kmsg_open();
	unsigned int i;

	ASSERT_EQ(0, begin_mapped(self));
	ASSERT_EQ(0, pci_copy(copier, iova_of(3), ELSEWHERE, 64));
	EXPECT_TRUE(WAIT_FOR(kmsg_count(log, self->fault) > 0, SOON));
	ASSERT_EQ(0, begin_again(self));
	EXPECT_EQ(0, pci_write(copier, iova_of(T1_PAGES), 64));
	ASSERT_EQ(0, begin_again(self));
	EXPECT_EQ(0, pci_write(copier, IOVA - PAGE, 64));
	ASSERT_EQ(0, begin_again(self));
	/* By its address in the machine neither, of a page whose is not mapped */
	for (i = 0; i < T1_PAGES; i++)
		if (pfn_at(word_of(MEM, i)) - IOVA / PAGE >= T1_PAGES)
			break;
	ASSERT_GT(T1_PAGES, i);
	EXPECT_EQ(0, pci_write(copier, pfn_at(word_of(MEM, i)) * PAGE, 64));
	EXPECT_TRUE(unchanged_but(MEM, T1_PAGES, -1));
	close(log);
}

TEST_F(iommu, dma_after_unmapping_is_blocked)
{
	struct pci *edu = &self->pci[COPIER0];
	char *other = marked_memory(16);

	ASSERT_EQ(0, begin_mapped(self));
	ASSERT_EQ(0, dma_map(CONTAINER, other, ELSEWHERE, 16 * PAGE, T1_RW));
	EXPECT_TRUE(lands(edu, iova_of(3), ELSEWHERE + 5 * PAGE,
			  word_of(other, 5), T1_MARK(3)));
	mark_memory(other, 16);
	EXPECT_EQ(16 * PAGE, dma_unmap(CONTAINER, ELSEWHERE, 16 * PAGE));
	EXPECT_EQ(T1_PAGES, LOCKED(&self->use));
	EXPECT_EQ(T1_PAGES, HELD(&self->use));
	ASSERT_EQ(0, pci_copy(edu, iova_of(3), ELSEWHERE + 5 * PAGE, 64));
	EXPECT_TRUE(unchanged_but(other, 16, -1));
}

/* The same address, other memory, several times */
TEST_F(iommu, dma_follows_the_mapping)
{
	struct pci *edu = &self->pci[COPIER0];
	char *mem[2] = { marked_memory(8), marked_memory(8) };
	int i;

	ASSERT_EQ(0, begin_mapped(self));
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, dma_map(CONTAINER, mem[i % 2], ELSEWHERE, 8 * PAGE,
				     T1_RW));
		EXPECT_TRUE(lands(edu, iova_of(10 + i), ELSEWHERE + 7 * PAGE,
				  word_of(mem[i % 2], 7), T1_MARK(10 + i)));
		EXPECT_TRUE(unchanged_but(mem[(i + 1) % 2], 8, -1));
		mark_memory(mem[i % 2], 8);
		ASSERT_EQ(8 * PAGE, dma_unmap(CONTAINER, ELSEWHERE, 8 * PAGE));
	}
}

TEST_F(iommu, read_only_and_write_only)
{
	struct pci *edu = &self->pci[COPIER0];
	char *in = marked_memory(1), *out = marked_memory(1);

	ASSERT_EQ(0, begin_mapped(self));
	ASSERT_EQ(0, dma_map(CONTAINER, in, ELSEWHERE, PAGE, T1_READ));
	ASSERT_EQ(0, dma_map(CONTAINER, out, ELSEWHERE + PAGE, PAGE, T1_WRITE));
	*(__u64 *)in = 0x1111;
	ASSERT_EQ(0, pci_copy(edu, ELSEWHERE, ELSEWHERE + PAGE, 8));
	EXPECT_EQ(0x1111, *(__u64 *)out);

	/* That this IOMMU lets what it may write be read is its driver's way. */
	ASSERT_EQ(0, pci_copy(edu, iova_of(0), ELSEWHERE, 8));
	EXPECT_EQ(0x1111, *(__u64 *)in);
}

/* Memory that may only be read can be mapped to be read, and stays as it is. */
TEST_F(iommu, read_only_memory)
{
	char *mem = marked_memory(4), *zero = fresh_memory(4, PROT_READ);
	struct pci *edu = &self->pci[COPIER0];

	ASSERT_EQ(0, begin_mapped(self));
	ASSERT_EQ(0, mprotect(mem, 4 * PAGE, PROT_READ));
	EXPECT_EQ(-EFAULT, dma_map(CONTAINER, mem, ELSEWHERE, 4 * PAGE, T1_RW));
	EXPECT_EQ(T1_PAGES, LOCKED(&self->use));
	EXPECT_EQ(T1_PAGES, HELD(&self->use));
	ASSERT_EQ(0, dma_map(CONTAINER, mem, ELSEWHERE, 4 * PAGE, T1_READ));
	EXPECT_EQ(T1_PAGES + 4, LOCKED(&self->use));
	EXPECT_TRUE(lands(edu, ELSEWHERE + PAGE, iova_of(9), word_of(MEM, 9),
			  T1_MARK(1)));
	ASSERT_EQ(0, dma_map(CONTAINER, zero, ELSEWHERE + LARGE, 4 * PAGE,
			     T1_READ));
	EXPECT_TRUE(lands(edu, ELSEWHERE + LARGE + PAGE, iova_of(9),
			  word_of(MEM, 9), 0));

	ASSERT_EQ(0, pci_write(edu, ELSEWHERE + 2 * PAGE, 8));
	EXPECT_EQ(T1_MARK(2), *word_of(mem, 2));
}

static const unsigned int counts[] = { 1, 3, 4, T1_MAX_PIN };

/* A protection key forbids its thread, and no device. */
TEST_F(iommu, row_54_protection_keys)
{
	struct pci *edu = &self->pci[COPIER0];
	unsigned int i, read;
	char *mem;

	ASSERT_EQ(0, begin_mapped(self));
	for (read = 0; read < 2; read++) {
		mem = keyed_memory(T1_MAX_PIN, read);
		if (!mem)
			SKIP(return, "no protection keys here");
		for (i = 0; i < ARRAY_LEN(counts); i++) {
			ASSERT_EQ(0, dma_map(CONTAINER, mem, ELSEWHERE,
					     counts[i] * PAGE, T1_RW));
			EXPECT_TRUE(lands(edu, ELSEWHERE + (counts[i] - 1) * PAGE,
					  iova_of(9), word_of(MEM, 9),
					  T1_MARK(counts[i] - 1)));
			EXPECT_EQ(counts[i] * PAGE,
				  dma_unmap(CONTAINER, ELSEWHERE, counts[i] * PAGE));
			/* Nor what is not there yet */
			ASSERT_EQ(0, madvise(mem, (counts[i] - 1) * PAGE,
					     MADV_DONTNEED));
		}
	}
}

/* What userfaultfd has yet to bring is not waited for. */
TEST_F(iommu, row_63_userfaultfd)
{
	struct late_memory late;
	unsigned int i;
	int ret;

	ASSERT_EQ(0, begin_mapped(self));
	ret = late_begin(&late, T1_MAX_PIN);
	if (ret == -EOPNOTSUPP)
		SKIP(return, "no userfaultfd() here, or one that reports each fault");
	ASSERT_EQ(0, ret);
	for (i = 0; i < ARRAY_LEN(counts); i++)
		EXPECT_EQ(-EFAULT, dma_map(CONTAINER, late.mem, ELSEWHERE,
					   counts[i] * PAGE, T1_RW));
	EXPECT_EQ(0, late.asked);
	EXPECT_EQ(0, __atomic_load_n(word_of(late.mem, 0), __ATOMIC_RELAXED));
	EXPECT_EQ(-EFAULT, dma_map(CONTAINER, late.mem, ELSEWHERE, 3 * PAGE, T1_RW));
	EXPECT_EQ(0, dma_map(CONTAINER, late.mem, ELSEWHERE, PAGE, T1_RW));
	EXPECT_EQ(1, late.asked);
	EXPECT_EQ(PAGE, dma_unmap(CONTAINER, ELSEWHERE, PAGE));
	EXPECT_EQ(T1_PAGES, LOCKED(&self->use));
	late_end(&late);
}

TEST_F(iommu, row_74_memory_of_a_driver)
{
	char *mem;

	ASSERT_EQ(0, begin_mapped(self));
	ASSERT_EQ(0, join_mdev(self, 0));
	mem = area(self->use.t.device[0], TYPE1_TEST_AREA_OWN, PROT_READ | PROT_WRITE);
	ASSERT_NE(NULL, mem);
	EXPECT_EQ(-EFAULT, dma_map(CONTAINER, mem, ELSEWHERE, AREA * PAGE, T1_RW));
	EXPECT_EQ(-EFAULT, dma_map(CONTAINER, mem, ELSEWHERE, PAGE, T1_READ));
	munmap(mem, AREA * PAGE);
}

/*
 * QEMU's IOMMU of s390x does not look into the tables that it is given, it hears of what is
 * mapped from then on.
 */
static int tell_again(rig_t *self)
{
	if (pci_can_map(&self->pci[COPIER0]))
		return 0;
	return dma_unmap_all(CONTAINER) == T1_PAGES * PAGE ? map_memory(self) : -EIO;
}

TEST_F(iommu, two_groups_in_a_container)
{
	ASSERT_EQ(0, begin_mapped(self));
	ASSERT_EQ(0, join_pci(self, COPIER1));
	EXPECT_EQ(T1_PAGES, LOCKED(&self->use));
	ASSERT_EQ(0, tell_again(self));
	EXPECT_TRUE(lands(&self->pci[COPIER0], iova_of(5), iova_of(100),
			  word_of(MEM, 100), T1_MARK(5)));
	EXPECT_TRUE(lands(&self->pci[COPIER1], iova_of(6), iova_of(101),
			  word_of(MEM, 101), T1_MARK(6)));
	pci_leave(&self->pci[COPIER0]);
	EXPECT_EQ(T1_PAGES, LOCKED(&self->use));
	EXPECT_TRUE(lands(&self->pci[COPIER1], iova_of(7), iova_of(102),
			  word_of(MEM, 102), T1_MARK(7)));
	ASSERT_EQ(0, join_pci(self, COPIER0));
	ASSERT_EQ(0, tell_again(self));
	EXPECT_TRUE(lands(&self->pci[COPIER0], iova_of(8), iova_of(103),
			  word_of(MEM, 103), T1_MARK(8)));
	EXPECT_EQ(T1_PAGES, LOCKED(&self->use));
	EXPECT_EQ(T1_PAGES, HELD(&self->use));
}

TEST_F(iommu, two_containers_are_apart)
{
	char *other = marked_memory(T1_PAGES);
	int container;

	ASSERT_EQ(0, begin_mapped(self));
	container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, container);
	ASSERT_EQ(0, pci_join_group(&self->pci[COPIER1], container));
	ASSERT_EQ(0, file_ioctl(container, VFIO_SET_IOMMU,
				(void *)VFIO_TYPE1v2_IOMMU));
	ASSERT_EQ(0, pci_open(&self->pci[COPIER1]));
	ASSERT_EQ(0, dma_map(container, other, IOVA, T1_PAGES * PAGE,
			     T1_RW));
	EXPECT_EQ(2 * T1_PAGES, LOCKED(&self->use));

	EXPECT_TRUE(lands(&self->pci[COPIER1], iova_of(5), iova_of(70),
			  word_of(other, 70), T1_MARK(5)));
	EXPECT_TRUE(unchanged_but(MEM, T1_PAGES, -1));
	EXPECT_TRUE(lands(&self->pci[COPIER0], iova_of(6), iova_of(71),
			  word_of(MEM, 71), T1_MARK(6)));
	EXPECT_TRUE(unchanged_but(other, T1_PAGES, 70));

	/* The last group takes the mappings along. */
	pci_leave(&self->pci[COPIER1]);
	EXPECT_EQ(T1_PAGES, LOCKED(&self->use));
	close(container);
}

/* After a fork the child gets the copies, and the device stays with us. */
TEST_F(iommu, fork)
{
	int status;
	pid_t pid;

	ASSERT_EQ(0, begin_mapped(self));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		*word_of(MEM, 20) = 1;
		_exit(pages_locked());
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	*word_of(MEM, 21) = 0x21;
	EXPECT_TRUE(lands(&self->pci[COPIER0], iova_of(21), iova_of(20),
			  word_of(MEM, 20), 0x21));
}

/* What the IOMMU can do */

TEST_F(iommu, information)
{
	struct type1_info info;
	unsigned int last;

	ASSERT_EQ(0, join_mdev(self, 0));
	ASSERT_EQ(0, type1_get_info(CONTAINER, &info));
	EXPECT_EQ(~(PAGE - 1), info.pgsizes);

	ASSERT_EQ(0, join_pci(self, COPIER0));
	ASSERT_EQ(0, type1_get_info(CONTAINER, &info));
	EXPECT_EQ(PAGE, info.pgsizes & -info.pgsizes);
	EXPECT_EQ(0, info.pgsizes >> BITS);
	/* A hole at the beginning leaves one range. */
	last = !!HOLE_FIRST;
	ASSERT_EQ(last + 1, info.nr_ranges);
	if (last) {
		EXPECT_EQ(0, info.range[0].start);
		EXPECT_EQ(HOLE_FIRST - 1, info.range[0].end);
	}
	EXPECT_EQ(HOLE_LAST + 1, info.range[last].start);
	EXPECT_EQ((1ULL << BITS) - 1, info.range[last].end);
	/* This one cannot snoop by force. */
	EXPECT_EQ(0, ioctl(CONTAINER, VFIO_CHECK_EXTENSION, VFIO_DMA_CC_IOMMU));

	pci_leave(&self->pci[COPIER0]);
	ASSERT_EQ(0, type1_get_info(CONTAINER, &info));
	EXPECT_EQ(~(PAGE - 1), info.pgsizes);
}

TEST_F(iommu, mapping_over_a_hole)
{
	const __u64 end = 1ULL << BITS;
	const __u64 beside = HOLE_FIRST ? HOLE_FIRST - PAGE : HOLE_LAST + 1 + PAGE;
	const struct {
		__u64 iova, size;
	} bad[] = {
		{ HOLE_FIRST, PAGE },
		{ HOLE_FIRST - PAGE, 2 * PAGE },
		{ HOLE_FIRST + 7 * PAGE, 3 * PAGE },
		{ HOLE_LAST + 1 - PAGE, 2 * PAGE },
		{ HOLE_FIRST - PAGE, HOLE_LAST + 1 - HOLE_FIRST + 2 * PAGE },
		{ end, PAGE },
		{ end - PAGE, 2 * PAGE },
		{ ~0ULL - PAGE + 1, PAGE },
	};
	unsigned int i;

	ASSERT_EQ(0, join_pci(self, COPIER0));
	for (i = 0; i < ARRAY_LEN(bad); i++)
		EXPECT_EQ(-EINVAL, dma_map(CONTAINER, MEM, bad[i].iova,
					   bad[i].size, T1_RW));
	EXPECT_EQ(0, LOCKED(&self->use));
	EXPECT_EQ(0, HELD(&self->use));
	EXPECT_EQ(0, dma_map(CONTAINER, MEM, beside, PAGE, T1_RW));
	EXPECT_EQ(0, dma_map(CONTAINER, MEM + PAGE, HOLE_LAST + 1, PAGE, T1_RW));
	EXPECT_EQ(0, dma_map(CONTAINER, MEM, end - PAGE, PAGE, T1_RW));
	EXPECT_TRUE(lands(&self->pci[COPIER0], HOLE_LAST + 1, beside,
			  word_of(MEM, 0), T1_MARK(1)));
	EXPECT_EQ(3, LOCKED(&self->use));
	EXPECT_EQ(3 * PAGE, dma_unmap_all(CONTAINER));
}

/* Mappings that were there before the group: it is refused, nothing changes. */
static void conflict(struct __test_metadata *_metadata, rig_t *self,
		     __u64 iova, int error)
{
	const int *dev = self->use.t.device;

	ASSERT_EQ(0, join_mdev(self, 0));
	ASSERT_EQ(0, map_memory(self));
	ASSERT_EQ(0, dma_map(CONTAINER, MEM, iova, 4 * PAGE, T1_RW));
	ASSERT_EQ(2, pin(dev[0], iova, 2, BOTH));
	EXPECT_EQ(2, LOCKED(&self->use));
	EXPECT_EQ(error, join_pci(self, COPIER0));
	EXPECT_EQ(2, LOCKED(&self->use));
	EXPECT_EQ(2, HELD(&self->use));
	EXPECT_EQ(T1_MARK(1), load(dev[0], iova + PAGE));
	ASSERT_EQ(3, pin(dev[0], iova_of(0), 3, BOTH));
	EXPECT_EQ(5, LOCKED(&self->use));

	EXPECT_EQ(4 * PAGE, dma_unmap(CONTAINER, iova, 4 * PAGE));
	ASSERT_EQ(0, join_pci(self, COPIER0));
	EXPECT_EQ(T1_PAGES, LOCKED(&self->use));
	EXPECT_TRUE(lands(&self->pci[COPIER0], iova_of(5), iova_of(6),
			  word_of(MEM, 6), T1_MARK(5)));
}

TEST_F(iommu, group_that_cannot_have_a_mapping_reserved)
{
	conflict(_metadata, self, HOLE_FIRST + PAGE, -EINVAL);
}

TEST_F(iommu, group_that_cannot_have_a_mapping_too_high)
{
	if (stock_differs())
		SKIP(return, "stock finds out when it maps: EFAULT");
	conflict(_metadata, self, 1ULL << 52, -EINVAL);
}

TEST_F(iommu, group_that_cannot_have_a_mapping_no_memory)
{
	char *gone = marked_memory(8);

	ASSERT_EQ(0, join_mdev(self, 0));
	ASSERT_EQ(0, map_memory(self));
	ASSERT_EQ(0, dma_map(CONTAINER, gone, ELSEWHERE, 8 * PAGE, T1_RW));
	ASSERT_EQ(2, pin(self->use.t.device[0], ELSEWHERE, 2, BOTH));
	ASSERT_EQ(0, munmap(gone + 4 * PAGE, 4 * PAGE));
	EXPECT_EQ(-EFAULT, join_pci(self, COPIER0));
	EXPECT_EQ(2, LOCKED(&self->use));
	EXPECT_EQ(2, HELD(&self->use));
	EXPECT_EQ(8 * PAGE, dma_unmap(CONTAINER, ELSEWHERE, 8 * PAGE));
	EXPECT_EQ(0, LOCKED(&self->use));
	ASSERT_EQ(0, join_pci(self, COPIER0));
	EXPECT_TRUE(lands(&self->pci[COPIER0], iova_of(5), iova_of(6),
			  word_of(MEM, 6), T1_MARK(5)));
}

/* Large pages */

#define IOMMU_MAP	"/sys/kernel/tracing/events/iommu/map/"
#define TRACE		"/sys/kernel/tracing/trace"

/* How many calls of the IOMMU's layer mapped a range, and the least of them */
struct steps {
	unsigned int calls;
	unsigned long smallest;
};

static struct steps steps_of(int container, char *mem, __u64 iova, size_t size)
{
	struct steps steps = { .smallest = -1UL };
	unsigned long first, len;
	char line[256];
	FILE *trace;

	/* It would change the code of the scheduler. */
	write_file("/sys/kernel/tracing/options/record-cmd", "0");
	close(open(TRACE, O_WRONLY | O_TRUNC | O_CLOEXEC));
	if (write_file(IOMMU_MAP "enable", "1") ||
	    dma_map(container, mem, iova, size, T1_RW))
		return steps;
	write_file(IOMMU_MAP "enable", "0");
	trace = fopen(TRACE, "r");
	while (trace && fgets(line, sizeof(line), trace)) {
		char *at = strstr(line, "iova=0x"), *of = strstr(line, "size=");

		if (!at || !of)
			continue;
		first = strtoul(at + 5, NULL, 16);
		len = strtoul(of + 5, NULL, 0);
		if (first < iova || first >= iova + size)
			continue;
		steps.calls++;
		if (len < steps.smallest)
			steps.smallest = len;
	}
	if (trace)
		fclose(trace);
	return steps;
}

/* SIZE bytes in large pages, or NULL */
static char *huge_memory(size_t size)
{
	char *mem = fresh_memory((size + LARGE) / PAGE, PROT_READ | PROT_WRITE);

	mem = (char *)(((uintptr_t)mem + LARGE - 1) & ~(LARGE - 1));
	madvise(mem, size, MADV_HUGEPAGE);
	mark_memory(mem, size / PAGE);
	return mem;
}

TEST_F(iommu, large_pages)
{
	const size_t size = 4 * LARGE;
	struct type1_test_page page;
	struct steps steps;
	char *mem = huge_memory(size);
	unsigned int i;

	ASSERT_EQ(0, join_mdev(self, 0));
	for (i = 0; i < size / PAGE; i += LARGE / PAGE) {
		page = page_at(self->use.t.device[0], word_of(mem, i));
		if (!(page.flags & TYPE1_TEST_PAGE_LARGE))
			SKIP(return, "got no large pages");
	}
	ASSERT_EQ(0, begin_mapped(self));

	steps = steps_of(CONTAINER, mem, ELSEWHERE, size);
	EXPECT_GE(4, steps.calls);
	EXPECT_LE(LARGE, steps.smallest);
	EXPECT_EQ(T1_PAGES + size / PAGE, LOCKED(&self->use));
	for (i = 0; i < size / PAGE; i += LARGE / PAGE - 1)
		EXPECT_TRUE(lands(&self->pci[COPIER0], ELSEWHERE + i * PAGE,
				  iova_of(0), word_of(MEM, 0), T1_MARK(i)));
	EXPECT_EQ(size, dma_unmap(CONTAINER, ELSEWHERE, size));
	EXPECT_EQ(T1_PAGES, LOCKED(&self->use));
	EXPECT_EQ(T1_PAGES, HELD(&self->use));

	/* And where large pages are forbidden */
	ASSERT_EQ(0, type1_parameter("disable_hugepages", 1));
	steps = steps_of(CONTAINER, mem, ELSEWHERE, LARGE);
	ASSERT_EQ(0, type1_parameter("disable_hugepages", 0));
	EXPECT_EQ(LARGE / PAGE, steps.calls);
	EXPECT_EQ(PAGE, steps.smallest);
	EXPECT_TRUE(lands(&self->pci[COPIER0], ELSEWHERE + 100 * PAGE, iova_of(0),
			  word_of(MEM, 0), T1_MARK(100)));
}

/* A large page that begins at neither of both ends, and a part of one */
TEST_F(iommu, large_pages_askew)
{
	char *mem = huge_memory(2 * LARGE);
	const size_t size = LARGE + 3 * PAGE;

	ASSERT_EQ(0, begin_mapped(self));
	ASSERT_EQ(0, dma_map(CONTAINER, mem + 5 * PAGE, ELSEWHERE + 7 * PAGE,
			     size, T1_RW));
	EXPECT_EQ(T1_PAGES + size / PAGE, LOCKED(&self->use));
	EXPECT_TRUE(lands(&self->pci[COPIER0], iova_of(1), ELSEWHERE + 7 * PAGE,
			  word_of(mem, 5), T1_MARK(1)));
	EXPECT_TRUE(lands(&self->pci[COPIER0], iova_of(2),
			  ELSEWHERE + 7 * PAGE + LARGE,
			  word_of(mem, 5 + LARGE / PAGE), T1_MARK(2)));
	*word_of(mem, 5) = T1_MARK(5);
	*word_of(mem, 5 + LARGE / PAGE) = T1_MARK(5 + LARGE / PAGE);
	EXPECT_TRUE(unchanged_but(mem, 2 * LARGE / PAGE, -1));
	EXPECT_EQ(size, dma_unmap(CONTAINER, ELSEWHERE, LARGE * 2));
	EXPECT_EQ(T1_PAGES, HELD(&self->use));
}

TEST_F(iommu, hugetlb)
{
	const size_t size = 2 * LARGE;
	char was[32];
	char *mem;

	if (!exists("/proc/sys/vm/nr_hugepages"))
		SKIP(return, "the processor has no huge pages");
	ASSERT_LT(0, read_file("/proc/sys/vm/nr_hugepages", was, sizeof(was)));
	ASSERT_EQ(0, write_file("/proc/sys/vm/nr_hugepages", "4"));
	ASSERT_EQ(0, begin_mapped(self));
	mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE |
		   MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	if (mem == MAP_FAILED)
		write_file("/proc/sys/vm/nr_hugepages", was);
	ASSERT_NE(MAP_FAILED, mem);
	mark_memory(mem, size / PAGE);
	ASSERT_EQ(0, dma_map(CONTAINER, mem, ELSEWHERE, size, T1_RW));
	EXPECT_EQ(T1_PAGES + size / PAGE, LOCKED(&self->use));
	EXPECT_TRUE(lands(&self->pci[COPIER0], iova_of(3), ELSEWHERE + 700 * PAGE,
			  word_of(mem, 700), T1_MARK(3)));
	/* The device's until it is unmapped */
	ASSERT_EQ(0, munmap(mem, size));
	EXPECT_EQ(T1_PAGES + size / PAGE, LOCKED(&self->use));
	EXPECT_EQ(0, pci_write(&self->pci[COPIER0], ELSEWHERE + LARGE, 64));
	EXPECT_EQ(size, dma_unmap(CONTAINER, ELSEWHERE, size));
	EXPECT_EQ(T1_PAGES, LOCKED(&self->use));
	EXPECT_EQ(0, write_file("/proc/sys/vm/nr_hugepages", was));
}

/*
 * One page of the IOMMU is unmapped whole, however large. Linux finds a GiB for one
 * shortly after boot, or with hugepagesz=1G hugepages=1 at its command line.
 */
TEST_F(iommu, gigantic_page)
{
	const char *count = "/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages";
	const size_t size = 1UL << 30;
	char was[32];
	char *mem;

	if (read_file(count, was, sizeof(was)) <= 0)
		SKIP(return, "the processor has no pages of 1 GiB");
	if (!atoi(was))
		write_file(count, "1");
	mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS |
		   MAP_HUGETLB | 30 << MAP_HUGE_SHIFT, -1, 0);
	if (mem == MAP_FAILED) {
		write_file(count, was);
		SKIP(return, "there is no page of 1 GiB to be had");
	}
	ASSERT_EQ(0, begin_mapped(self));
	ASSERT_EQ(0, dma_map(CONTAINER, mem, ELSEWHERE, size, T1_RW));
	EXPECT_EQ(T1_PAGES + size / PAGE, LOCKED(&self->use));
	*word_of(mem, 200000) = T1_MARK(4);
	EXPECT_TRUE(lands(&self->pci[COPIER0], ELSEWHERE + 200000 * PAGE, iova_of(3),
			  word_of(MEM, 3), T1_MARK(4)));
	EXPECT_EQ(size, dma_unmap(CONTAINER, ELSEWHERE, size));
	EXPECT_EQ(T1_PAGES, LOCKED(&self->use));
	EXPECT_EQ(T1_PAGES, HELD(&self->use));
	munmap(mem, size);
	EXPECT_EQ(0, write_file(count, was));
}

/* Locked memory */

/* No more than that: a failure costs nothing, and says so once. */
TEST_F(iommu, row_29_limit_of_locked_memory)
{
	char *large = fresh_memory(LARGE / PAGE * 64, PROT_READ | PROT_WRITE);
	int log;

	expect_dmesg("RLIMIT_MEMLOCK|locked|tell_limit: [0-9]+ callbacks suppressed");
	ASSERT_EQ(0, join_pci(self, COPIER0));
	ASSERT_EQ(0, drop_ipc_lock());
	ASSERT_EQ(0, limit_memlock(pages_locked() + 100));
	ASSERT_EQ(0, dma_map(CONTAINER, MEM, IOVA, 100 * PAGE, T1_RW));
	log = kmsg_open();
	EXPECT_EQ(-ENOMEM, dma_map(CONTAINER, MEM + 100 * PAGE, iova_of(100),
				   PAGE, T1_RW));
	EXPECT_EQ(-ENOMEM, dma_map(CONTAINER, large, ELSEWHERE, 64 * LARGE,
				   T1_RW));
	EXPECT_GE(2, kmsg_count(log, "vfio"));
	close(log);
	EXPECT_EQ(100, LOCKED(&self->use));
	EXPECT_EQ(100, HELD(&self->use));
	/* A device may need some for itself. */
	ASSERT_EQ(0, limit_memlock(pages_locked() + 4));
	EXPECT_TRUE(lands(&self->pci[COPIER0], iova_of(99), iova_of(1),
			  word_of(MEM, 1), T1_MARK(99)));
	EXPECT_EQ(100 * PAGE, dma_unmap_all(CONTAINER));
	ASSERT_EQ(0, limit_memlock(pages_locked() + 100));
	EXPECT_EQ(0, dma_map(CONTAINER, MEM, IOVA, 100 * PAGE, T1_RW));
}

/* A group that would have to lock too much stays outside. */
TEST_F(iommu, limit_when_a_group_joins)
{
	const int *dev = self->use.t.device;

	expect_dmesg("RLIMIT_MEMLOCK|locked|tell_limit: [0-9]+ callbacks suppressed");
	ASSERT_EQ(0, drop_ipc_lock());
	ASSERT_EQ(0, limit_memlock(pages_locked() + T1_PAGES - 1));
	ASSERT_EQ(0, join_mdev(self, 0));
	ASSERT_EQ(0, map_memory(self));
	ASSERT_EQ(7, pin(dev[0], IOVA, 7, BOTH));
	EXPECT_EQ(-ENOMEM, join_pci(self, COPIER0));
	EXPECT_EQ(7, LOCKED(&self->use));
	EXPECT_EQ(7, HELD(&self->use));
	ASSERT_EQ(0, limit_memlock(pages_locked() - 7 + T1_PAGES));
	ASSERT_EQ(0, join_pci(self, COPIER0));
	EXPECT_EQ(T1_PAGES, LOCKED(&self->use));
	EXPECT_EQ(7, unpin(dev[0], IOVA, 7));
	EXPECT_EQ(T1_PAGES, LOCKED(&self->use));
}

TEST_F(iommu, row_19_last_iommu_group_leaves)
{
	const int *dev = self->use.t.device;

	ASSERT_EQ(0, begin_mapped(self));
	ASSERT_EQ(0, join_mdev(self, 0));
	ASSERT_EQ(0, join_mdev(self, 1));
	ASSERT_EQ(10, pin(dev[0], IOVA, 10, BOTH));
	ASSERT_EQ(10, pin(dev[1], iova_of(5), 10, BOTH));
	EXPECT_EQ(T1_PAGES, LOCKED(&self->use));
	pci_leave(&self->pci[COPIER0]);
	EXPECT_EQ(15, LOCKED(&self->use));
	EXPECT_EQ(15, HELD(&self->use));
	EXPECT_EQ(T1_MARK(14), load(dev[1], iova_of(14)));
	EXPECT_EQ(10, unpin(dev[0], IOVA, 10));
	EXPECT_EQ(10, LOCKED(&self->use));
	ASSERT_EQ(0, join_pci(self, COPIER0));
	EXPECT_EQ(T1_PAGES, LOCKED(&self->use));
	EXPECT_EQ(10, unpin(dev[1], iova_of(5), 10));
	EXPECT_EQ(T1_PAGES, LOCKED(&self->use));
	pci_leave(&self->pci[COPIER0]);
	EXPECT_EQ(0, LOCKED(&self->use));
	EXPECT_EQ(0, HELD(&self->use));
	ASSERT_EQ(1, pin(dev[0], IOVA, 1, BOTH));
	EXPECT_EQ(1, LOCKED(&self->use));
}

#define CROWD	100U	/* pages whose counts are kept by page, and those beside */

/* Pins one page at a time, none of which anybody else does. */
struct pinner {
	int device;
	unsigned int page;
	bool *stop;
	pthread_rwlock_t *gate;	/* whoever has it to write finds nothing under way */
	long bad;
	pthread_t thread;
};

static void *pin_singles(void *data)
{
	struct pinner *pinner = data;
	const __u64 iova = iova_of(pinner->page);

	while (!pinner->bad && !__atomic_load_n(pinner->stop, __ATOMIC_RELAXED)) {
		pthread_rwlock_rdlock(pinner->gate);
		if (pin(pinner->device, iova, 1, BOTH) != 1)
			pinner->bad = 1;
		else if (unpin(pinner->device, iova, 1) != 1)
			pinner->bad = 2;
		pthread_rwlock_unlock(pinner->gate);
	}
	return NULL;
}

/*
 * Whichever domain is charged meanwhile, nothing is charged twice or not at all, as
 * soon as no pin is under way: until then one may be charged ahead.
 */
TEST_F(iommu, row_19_group_comes_and_goes_beside_pins)
{
	const int *dev = self->use.t.device;
	struct pinner pinner[2] = {};
	pthread_rwlock_t gate = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;
	long long end = now_ms() + race_ms(3000);
	bool stop = false;
	unsigned int i;

	ASSERT_EQ(0, begin_mapped(self));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, join_mdev(self, i));
		ASSERT_EQ(CROWD, pin(dev[i], IOVA, CROWD, BOTH));
	}
	for (i = 0; i < 2; i++) {
		pinner[i].device = dev[i];
		pinner[i].page = CROWD + i;
		pinner[i].stop = &stop;
		pinner[i].gate = &gate;
		ASSERT_EQ(0, pthread_create(&pinner[i].thread, NULL, pin_singles,
					    &pinner[i]));
	}
	do {
		pci_leave(&self->pci[COPIER0]);
		pthread_rwlock_wrlock(&gate);
		EXPECT_EQ(CROWD, LOCKED(&self->use));
		pthread_rwlock_unlock(&gate);
		EXPECT_EQ(0, join_pci(self, COPIER0));
		pthread_rwlock_wrlock(&gate);
		EXPECT_EQ(T1_PAGES, LOCKED(&self->use));
		pthread_rwlock_unlock(&gate);
	} while (now_ms() < end);
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < 2; i++) {
		pthread_join(pinner[i].thread, NULL);
		EXPECT_EQ(0, pinner[i].bad);
	}
	EXPECT_EQ(T1_PAGES, LOCKED(&self->use));
	pci_leave(&self->pci[COPIER0]);
	EXPECT_EQ(CROWD, LOCKED(&self->use));
	EXPECT_EQ(CROWD, HELD(&self->use));
	for (i = 0; i < 2; i++)
		EXPECT_EQ(CROWD, unpin(dev[i], IOVA, CROWD));
}

/*
 * Devices come and go, memory is mapped, unmapped, pinned and unpinned, in
 * random order: what must be locked is known at each step.
 */
#define WALK_MAPS	2
#define WALK_PAGES	48U

struct walk {
	bool pci[2], mdev[MDEVS], mapped[WALK_MAPS];
	unsigned char pins[MDEVS][WALK_MAPS][WALK_PAGES];
};

static const __u64 walk_iova[WALK_MAPS] = { IOVA, ELSEWHERE };

static unsigned int walk_locked(const struct walk *w)
{
	unsigned int map, page, n, pages = 0;

	for (map = 0; map < WALK_MAPS; map++) {
		if (w->mapped[map] && (w->pci[0] || w->pci[1])) {
			pages += WALK_PAGES;
			continue;
		}
		for (page = 0; page < WALK_PAGES; page++) {
			for (n = 0; n < MDEVS; n++)
				if (w->pins[n][map][page])
					break;
			pages += n < MDEVS;
		}
	}
	return pages;
}

static bool walk_empty(const struct walk *w)
{
	return !w->pci[0] && !w->pci[1] && !w->mdev[0] && !w->mdev[1];
}

/* The container forgets everything with its last group. */
static void walk_left(rig_t *self, struct walk *w)
{
	if (walk_empty(w)) {
		memset(w, 0, sizeof(*w));
		self->use.t.has_driver = false;
	}
}

static int walk_pci(rig_t *self, struct walk *w, unsigned int n)
{
	if (!w->pci[n]) {
		w->pci[n] = true;
		return join_pci(self, COPIER0 + n);
	}
	pci_leave(&self->pci[COPIER0 + n]);
	w->pci[n] = false;
	walk_left(self, w);
	return 0;
}

static int walk_mdev(rig_t *self, struct walk *w, unsigned int n)
{
	if (!w->mdev[n]) {
		w->mdev[n] = true;
		return join_mdev(self, n);
	}
	type1_leave(&self->use.t, n);
	w->mdev[n] = false;
	memset(w->pins[n], 0, sizeof(w->pins[n]));
	walk_left(self, w);
	return 0;
}

static int walk_map(rig_t *self, struct walk *w, unsigned int map)
{
	unsigned int n;
	long long ret;

	if (!self->use.t.has_driver)
		return 0;
	if (!w->mapped[map]) {
		w->mapped[map] = true;
		return dma_map(CONTAINER, MEM + map * WALK_PAGES * PAGE,
			       walk_iova[map], WALK_PAGES * PAGE, T1_RW);
	}
	ret = dma_unmap(CONTAINER, walk_iova[map], WALK_PAGES * PAGE);
	if (ret != WALK_PAGES * PAGE)
		return ret < 0 ? ret : -EIO;
	w->mapped[map] = false;
	for (n = 0; n < MDEVS; n++)
		memset(w->pins[n][map], 0, WALK_PAGES);
	return 0;
}

static int walk_pin(rig_t *self, struct walk *w, unsigned int n,
		    unsigned int map, unsigned int first, unsigned int count)
{
	__u64 word[WALK_PAGES];
	unsigned int i;
	long ret;

	ret = pin_words(self->use.t.device[n], walk_iova[map] + first * PAGE,
			count, BOTH, word);
	if (!w->mapped[map])
		return ret == -EINVAL ? 0 : -EIO;
	if (ret != count)
		return ret < 0 ? ret : -EIO;
	for (i = 0; i < count; i++) {
		if (word[i] != T1_MARK(map * WALK_PAGES + first + i))
			return -EBADMSG;
		w->pins[n][map][first + i]++;
	}
	return 0;
}

static int walk_unpin(rig_t *self, struct walk *w, unsigned int n,
		      unsigned int map, unsigned int first, unsigned int count)
{
	unsigned int i, pinned = 0;
	long ret;

	for (i = first; i < first + count; i++) {
		pinned += !!w->pins[n][map][i];
		w->pins[n][map][i] -= !!w->pins[n][map][i];
	}
	ret = unpin(self->use.t.device[n], walk_iova[map] + first * PAGE,
		    count);
	return ret == pinned ? 0 : -EIO;
}

static int walk_use(rig_t *self, struct walk *w)
{
	unsigned int n = rand() % MDEVS, map = rand() % WALK_MAPS;
	unsigned int first = rand() % WALK_PAGES;
	unsigned int count = 1 + rand() % (WALK_PAGES - first);

	if (!w->mdev[n])
		return 0;
	if (rand() % 2)
		return walk_pin(self, w, n, map, first, count);
	return walk_unpin(self, w, n, map, first, count);
}

static int walk_step(rig_t *self, struct walk *w)
{
	switch (rand() % 8) {
	case 0:	return walk_pci(self, w, rand() % 2);
	case 1:	return walk_mdev(self, w, rand() % MDEVS);
	case 2:	return walk_map(self, w, rand() % WALK_MAPS);
	default: return walk_use(self, w);
	}
}

static void walk(struct __test_metadata *_metadata, rig_t *self,
		 unsigned int seed)
{
	struct walk w = {};
	int i, ret = 0;

	srand(seed);
	for (i = 0; i < 400 && !ret; i++) {
		ret = walk_step(self, &w);
		if (ret || LOCKED(&self->use) != walk_locked(&w)) {
			TH_LOG("step %d: %d, locked %lld, not %u", i, ret,
			       LOCKED(&self->use), walk_locked(&w));
			ret = ret ? ret : -EIO;
		}
	}
	EXPECT_EQ(0, ret);
}

TEST_F(iommu, any_order_1)
{
	walk(_metadata, self, 1);
}

TEST_F(iommu, any_order_2)
{
	walk(_metadata, self, 2);
}

TEST_F(iommu, any_order_3)
{
	walk(_metadata, self, 3);
}

/* A device with an IOMMU and one without see the same memory. */
TEST_F(iommu, both_kinds_see_the_same)
{
	const int *dev = self->use.t.device;

	ASSERT_EQ(0, join_mdev(self, 0));
	ASSERT_EQ(0, map_memory(self));
	ASSERT_EQ(4, pin(dev[0], IOVA, 4, BOTH));
	ASSERT_EQ(0, join_pci(self, COPIER0));
	ASSERT_EQ(4, pin(dev[0], iova_of(4), 4, BOTH));
	ASSERT_EQ(0, store(dev[0], iova_of(1), 0x77));
	ASSERT_EQ(0, store(dev[0], iova_of(5), 0x78));
	EXPECT_TRUE(lands(&self->pci[COPIER0], iova_of(1), iova_of(2),
			  word_of(MEM, 2), 0x77));
	EXPECT_EQ(0x77, load(dev[0], iova_of(2)));
	EXPECT_TRUE(lands(&self->pci[COPIER0], iova_of(5), iova_of(6),
			  word_of(MEM, 6), 0x78));
	EXPECT_EQ(0x78, load(dev[0], iova_of(6)));
	EXPECT_EQ(T1_PAGES * PAGE, dma_unmap_all(CONTAINER));
	EXPECT_EQ(8, news(dev[0]).unpinned);
	EXPECT_EQ(0, LOCKED(&self->use));
}

/* Dirty pages */

static unsigned int bits_in(const __u64 *bitmap, unsigned int words)
{
	unsigned int i, bits = 0;

	for (i = 0; i < words; i++)
		bits += __builtin_popcountll(bitmap[i]);
	return bits;
}

#define WORDS	(T1_PAGES / 64)

TEST_F(iommu, all_is_dirty)
{
	__u64 bitmap[WORDS] = {};

	ASSERT_EQ(0, begin_mapped(self));
	ASSERT_EQ(0, dirty_start(CONTAINER));
	ASSERT_EQ(0, dirty_get(CONTAINER, IOVA, T1_PAGES * PAGE, bitmap,
			       sizeof(bitmap)));
	EXPECT_EQ(T1_PAGES, bits_in(bitmap, WORDS));
	/* It can write whenever it likes. */
	memset(bitmap, 0, sizeof(bitmap));
	ASSERT_EQ(0, dirty_get(CONTAINER, IOVA, T1_PAGES * PAGE, bitmap,
			       sizeof(bitmap)));
	EXPECT_EQ(T1_PAGES, bits_in(bitmap, WORDS));
	memset(bitmap, 0, sizeof(bitmap));
	EXPECT_EQ(T1_PAGES * PAGE, dma_unmap_dirty(CONTAINER, IOVA,
						   T1_PAGES * PAGE, bitmap,
						   sizeof(bitmap)));
	EXPECT_EQ(T1_PAGES, bits_in(bitmap, WORDS));
	EXPECT_EQ(0, dirty_stop(CONTAINER));
}

/* What it may have written stays dirty when it has left, until it is read. */
TEST_F(iommu, row_12_dirty_when_it_leaves)
{
	const int *dev = self->use.t.device;
	__u64 bitmap[WORDS] = {};

	ASSERT_EQ(0, begin_mapped(self));
	ASSERT_EQ(0, join_mdev(self, 0));
	ASSERT_EQ(3, pin(dev[0], iova_of(70), 3, BOTH));
	ASSERT_EQ(0, dirty_start(CONTAINER));
	ASSERT_EQ(0, dirty_get(CONTAINER, IOVA, T1_PAGES * PAGE, bitmap,
			       sizeof(bitmap)));
	EXPECT_EQ(T1_PAGES, bits_in(bitmap, WORDS));
	pci_leave(&self->pci[COPIER0]);
	memset(bitmap, 0, sizeof(bitmap));
	ASSERT_EQ(0, dirty_get(CONTAINER, IOVA, T1_PAGES * PAGE, bitmap,
			       sizeof(bitmap)));
	EXPECT_EQ(T1_PAGES, bits_in(bitmap, WORDS));
	/* From here on it is known who writes. */
	memset(bitmap, 0, sizeof(bitmap));
	ASSERT_EQ(0, dirty_get(CONTAINER, IOVA, T1_PAGES * PAGE, bitmap,
			       sizeof(bitmap)));
	EXPECT_EQ(3, bits_in(bitmap, WORDS));
	EXPECT_TRUE(bit_of(bitmap, 70) && bit_of(bitmap, 71) &&
		    bit_of(bitmap, 72));

	ASSERT_EQ(0, join_pci(self, COPIER0));
	memset(bitmap, 0, sizeof(bitmap));
	ASSERT_EQ(0, dirty_get(CONTAINER, IOVA, T1_PAGES * PAGE, bitmap,
			       sizeof(bitmap)));
	EXPECT_EQ(T1_PAGES, bits_in(bitmap, WORDS));
	EXPECT_EQ(0, dirty_stop(CONTAINER));
}

/* Memory of a device */

TEST_F(iommu, row_10_memory_of_a_device)
{
	struct pci *memory = &self->pci[MEMORY];
	char *bar;

	if (!pci_can_map(&self->pci[COPIER0]))
		SKIP(return, "no process can reach a device's memory here");
	ASSERT_EQ(0, begin_mapped(self));
	ASSERT_EQ(0, join_pci(self, MEMORY));
	ASSERT_LE(4UL << 20, memory->bar_size);
	bar = memory->bar;
	mark_memory(bar, 16);
	/* Not from its beginning on */
	ASSERT_EQ(0, dma_map(CONTAINER, bar + 3 * PAGE, ELSEWHERE, 4 * PAGE,
			     T1_RW));
	EXPECT_EQ(T1_PAGES, LOCKED(&self->use));
	EXPECT_EQ(T1_PAGES, HELD(&self->use));
	EXPECT_TRUE(lands(&self->pci[COPIER0], ELSEWHERE + PAGE, iova_of(1),
			  word_of(MEM, 1), T1_MARK(4)));
	EXPECT_TRUE(lands(&self->pci[COPIER0], iova_of(9), ELSEWHERE + 2 * PAGE,
			  word_of(bar, 5), T1_MARK(9)));
	EXPECT_TRUE(unchanged_but(bar, 16, 5));
	EXPECT_EQ(4 * PAGE, dma_unmap(CONTAINER, ELSEWHERE, 4 * PAGE));

	/* And all of it, which may go in large steps */
	ASSERT_EQ(0, dma_map(CONTAINER, bar, ELSEWHERE, memory->bar_size,
			     T1_RW));
	EXPECT_TRUE(lands(&self->pci[COPIER0], iova_of(10),
			  ELSEWHERE + memory->bar_size - PAGE,
			  word_of(bar, memory->bar_size / PAGE - 1),
			  T1_MARK(10)));
	EXPECT_TRUE(lands(&self->pci[COPIER0], iova_of(11),
			  ELSEWHERE + memory->bar_size / 2,
			  word_of(bar, memory->bar_size / 2 / PAGE), T1_MARK(11)));
	EXPECT_EQ(T1_PAGES, LOCKED(&self->use));
	EXPECT_EQ(memory->bar_size, dma_unmap(CONTAINER, ELSEWHERE,
					      memory->bar_size));
	EXPECT_EQ(0, *word_of(bar, 20));
}

TEST_F(iommu, row_10_memory_that_may_be_read)
{
	struct pci *memory = &self->pci[MEMORY];
	char *view;

	if (!pci_can_map(&self->pci[COPIER0]))
		SKIP(return, "no process can reach a device's memory here");
	ASSERT_EQ(0, begin_mapped(self));
	ASSERT_EQ(0, join_pci(self, MEMORY));
	mark_memory(memory->bar, 16);
	view = mmap(NULL, VIEW_SIZE, PROT_READ, MAP_SHARED, memory->device,
		    memory->bar_offset);
	ASSERT_NE(MAP_FAILED, view);
	self->view = view;
	EXPECT_EQ(-EFAULT, dma_map(CONTAINER, view, ELSEWHERE, VIEW_SIZE,
				   T1_RW));
	ASSERT_EQ(0, dma_map(CONTAINER, view, ELSEWHERE, VIEW_SIZE, T1_READ));
	EXPECT_TRUE(lands(&self->pci[COPIER0], ELSEWHERE + 2 * PAGE, iova_of(1),
			  word_of(MEM, 1), T1_MARK(2)));
	ASSERT_EQ(0, pci_write(&self->pci[COPIER0], ELSEWHERE + 3 * PAGE, 8));
	EXPECT_EQ(T1_MARK(3), *word_of(memory->bar, 3));
}

/* A device's registers, read by another device */
TEST_F(iommu, registers_of_a_device)
{
	struct pci *other = &self->pci[COPIER1];

	if (!pci_can_map(&self->pci[COPIER0]))
		SKIP(return, "no process can reach a device's memory here");
	ASSERT_EQ(0, begin_mapped(self));
	ASSERT_EQ(0, join_pci(self, COPIER1));
	ASSERT_EQ(0, dma_map(CONTAINER, other->bar, ELSEWHERE, other->bar_size,
			     T1_RW));
	*word_of(MEM, 0) = 0;
	ASSERT_EQ(0, pci_copy(&self->pci[COPIER0], ELSEWHERE, IOVA, 4));
	EXPECT_EQ(EDU_ID, *(__u32 *)MEM);
}

TEST_F(iommu, row_30_memory_of_a_device_is_free)
{
	struct pci *memory = &self->pci[MEMORY];

	if (!pci_can_map(&self->pci[COPIER0]))
		SKIP(return, "no process can reach a device's memory here");
	ASSERT_EQ(0, join_pci(self, MEMORY));
	ASSERT_EQ(0, drop_ipc_lock());
	ASSERT_EQ(0, limit_memlock(pages_locked()));
	ASSERT_EQ(0, dma_map(CONTAINER, memory->bar, ELSEWHERE,
			     memory->bar_size, T1_RW));
	EXPECT_EQ(0, LOCKED(&self->use));
	EXPECT_EQ(memory->bar_size, dma_unmap_all(CONTAINER));
	EXPECT_EQ(0, LOCKED(&self->use));
}

/* Interrupts of devices */

/* Of both edus, by the line that they may share or by a message: each gets its own. */
static void interrupts(struct __test_metadata *_metadata, rig_t *self, __u32 index)
{
	struct vfio_irq_info info = { .argsz = sizeof(info), .index = index };
	const __s32 irq[2] = { new_eventfd(), new_eventfd() };
	int i;

	ASSERT_EQ(0, begin_mapped(self));
	ASSERT_EQ(0, join_pci(self, COPIER1));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, file_ioctl(self->pci[COPIER0 + i].device,
					VFIO_DEVICE_GET_IRQ_INFO, &info));
		ASSERT_EQ(1, info.count);
		ASSERT_EQ(0, arm(self->pci[COPIER0 + i].device, index, 0, 1, &irq[i]));
	}
	for (i = 0; i < 8; i++) {
		struct pci *edu = &self->pci[COPIER0 + i % 2];

		ASSERT_EQ(0, pci_interrupt(edu, true));
		if (i < 2) {
			/* A disk starts by it, and tells of that, too. */
			ASSERT_TRUE(WAIT_FOR(fired(irq[i]) > 0, SOON));
			sleep_ms(20);
			fired(irq[i]);
		} else {
			ASSERT_TRUE(WAIT_FOR(fired(irq[i % 2]) == 1, SOON));
		}
		EXPECT_EQ(0, fired(irq[!(i % 2)]));
		EXPECT_EQ(0, pci_interrupt(edu, false));
		if (info.flags & VFIO_IRQ_INFO_AUTOMASKED)
			EXPECT_EQ(0, irq_action(edu->device, index, 0, 1,
						VFIO_IRQ_SET_ACTION_UNMASK));
	}
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(0, fired(irq[i]));
		EXPECT_EQ(0, irq_action(self->pci[COPIER0 + i].device, index, 0, 0,
					VFIO_IRQ_SET_ACTION_TRIGGER));
		close(irq[i]);
	}
}

TEST_F(iommu, interrupts_by_line)
{
	if (!pci_can_map(&self->pci[COPIER0]))
		SKIP(return, "devices send messages only here");
	interrupts(_metadata, self, VFIO_PCI_INTX_IRQ_INDEX);
}

TEST_F(iommu, interrupts_by_message)
{
	interrupts(_metadata, self, pci_messages(&self->pci[COPIER0]));
}

/*
 * An interrupt controller that takes any message from any device (GICv2m) would let a
 * user of one raise another's interrupts. For a VM with such a one, see
 * Documentation/testing.txt.
 */
TEST_F(iommu, messages_of_anyone)
{
	if (!exists("/sys/firmware/devicetree/base/intc@8000000/v2m@8020000"))
		SKIP(return, "the messages of devices are kept apart here");
	expect_dmesg("allow_unsafe_interrupts");
	EXPECT_EQ(-EPERM, join_pci(self, COPIER0));
	EXPECT_EQ(-EPERM, join_pci(self, COPIER0));
	ASSERT_EQ(0, join_mdev(self, 0));
	EXPECT_EQ(-EPERM, join_pci(self, COPIER0));
	ASSERT_EQ(0, map_memory(self));
	EXPECT_EQ(3, pin(self->use.t.device[0], IOVA, 3, BOTH));
	EXPECT_EQ(3, LOCKED(&self->use));

	ASSERT_EQ(0, type1_parameter("allow_unsafe_interrupts", 1));
	EXPECT_EQ(0, join_pci(self, COPIER0));
	ASSERT_EQ(0, type1_parameter("allow_unsafe_interrupts", 0));
	EXPECT_TRUE(lands(&self->pci[COPIER0], iova_of(3), iova_of(4), word_of(MEM, 4),
			  T1_MARK(3)));
}

/* New addresses for what is mapped */

static int update_vaddr(int container, const void *vaddr, __u64 iova,
			__u64 size)
{
	return dma_map(container, vaddr, iova, size, VFIO_DMA_MAP_FLAG_VADDR);
}

static long long drop_vaddr(int container, __u64 iova, __u64 size)
{
	return dma_unmap_flags(container, iova, size,
			       VFIO_DMA_UNMAP_FLAG_VADDR);
}

static char *map_memfd(int fd, unsigned int pages)
{
	return mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		    0);
}

/* In two mappings of 32 pages each, beside each other */
#define MOVED	64U
#define PART	(MOVED / 2 * PAGE)

static int begin_moved(rig_t *self, int *fd, char **mem)
{
	int ret;

	*fd = memfd_create("moved", MFD_CLOEXEC);
	if (*fd < 0 || ftruncate(*fd, MOVED * PAGE))
		return -errno;
	*mem = map_memfd(*fd, MOVED);
	mark_memory(*mem, MOVED);
	ret = join_pci(self, COPIER0);
	if (!ret)
		ret = dma_map(CONTAINER, *mem, IOVA, PART, T1_RW);
	if (!ret)
		ret = dma_map(CONTAINER, *mem + PART, IOVA + PART, PART,
			      T1_RW);
	return ret;
}

TEST_F(iommu, new_address)
{
	char *mem, *hole;
	int fd;

	ASSERT_EQ(0, begin_moved(self, &fd, &mem));
	EXPECT_EQ(1, ioctl(CONTAINER, VFIO_CHECK_EXTENSION, VFIO_UPDATE_VADDR));
	EXPECT_EQ(MOVED, LOCKED(&self->use));
	EXPECT_EQ(2 * PART, drop_vaddr(CONTAINER, IOVA, 2 * PART));
	EXPECT_EQ(MOVED, LOCKED(&self->use));
	ASSERT_EQ(0, munmap(mem, MOVED * PAGE));
	hole = fresh_memory(MOVED, PROT_NONE);
	/* The device goes on meanwhile. */
	ASSERT_EQ(0, pci_copy(&self->pci[COPIER0], iova_of(3), iova_of(40), 64));

	mem = map_memfd(fd, MOVED);
	ASSERT_NE(MAP_FAILED, mem);
	EXPECT_EQ(0, update_vaddr(CONTAINER, mem, IOVA, PART));
	EXPECT_EQ(0, update_vaddr(CONTAINER, mem + PART, IOVA + PART, PART));
	EXPECT_EQ(T1_MARK(3), *word_of(mem, 40));
	EXPECT_EQ(MOVED, LOCKED(&self->use));
	EXPECT_EQ(MOVED, HELD(&self->use));

	/* The new address is what counts for a device that comes later. */
	ASSERT_EQ(0, join_mdev(self, 0));
	ASSERT_EQ(1, pin(self->use.t.device[0], iova_of(5), 1, BOTH));
	EXPECT_EQ(T1_MARK(5), load(self->use.t.device[0], iova_of(5)));
	EXPECT_EQ(2 * PART, dma_unmap_all(CONTAINER));
	EXPECT_EQ(0, LOCKED(&self->use));
	munmap(hole, MOVED * PAGE);
	close(fd);
}

TEST_F(iommu, new_address_errors)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_VADDR | T1_READ,
		.iova = IOVA,
		.size = PART,
	};
	const __u64 next = IOVA + PART;
	char *mem;
	int fd;

	ASSERT_EQ(0, begin_moved(self, &fd, &mem));
	map.vaddr = (uintptr_t)mem;
	EXPECT_EQ(-EINVAL, update_vaddr(CONTAINER, mem, IOVA, PART));
	EXPECT_EQ(-EINVAL, drop_vaddr(CONTAINER, IOVA, PART - PAGE));
	EXPECT_EQ(-EINVAL, dma_unmap_flags(CONTAINER, IOVA, PART,
					   VFIO_DMA_UNMAP_FLAG_VADDR |
					   VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP));
	EXPECT_EQ(0, drop_vaddr(CONTAINER, ELSEWHERE, PART));

	ASSERT_EQ(PART, drop_vaddr(CONTAINER, next, PART));
	/* All of a range or nothing of it */
	EXPECT_EQ(-EINVAL, drop_vaddr(CONTAINER, IOVA, 2 * PART));
	EXPECT_EQ(-EINVAL, update_vaddr(CONTAINER, mem, IOVA, PART));
	ASSERT_EQ(PART, drop_vaddr(CONTAINER, IOVA, PART));

	EXPECT_EQ(-EINVAL, file_ioctl(CONTAINER, VFIO_IOMMU_MAP_DMA, &map));
	EXPECT_EQ(-EINVAL, update_vaddr(CONTAINER, mem, IOVA, PART - PAGE));
	EXPECT_EQ(-EINVAL, update_vaddr(CONTAINER, mem, IOVA, 2 * PART));
	EXPECT_EQ(-EINVAL, update_vaddr(CONTAINER, mem + 1, IOVA, PART));
	EXPECT_EQ(-ENOENT, update_vaddr(CONTAINER, mem, ELSEWHERE, PART));
	EXPECT_EQ(-EEXIST, dma_map(CONTAINER, mem, IOVA, PART, T1_RW));
	/* Whoever comes would need the memory. */
	EXPECT_EQ(-EBUSY, join_pci(self, COPIER1));
	EXPECT_EQ(-EBUSY, join_mdev(self, 0));

	EXPECT_EQ(0, update_vaddr(CONTAINER, mem, IOVA, PART));
	EXPECT_EQ(PART, dma_unmap(CONTAINER, next, PART));
	EXPECT_EQ(PART / PAGE, LOCKED(&self->use));
	EXPECT_EQ(PART / PAGE, HELD(&self->use));
	ASSERT_EQ(0, join_mdev(self, 0));
	EXPECT_EQ(0, ioctl(CONTAINER, VFIO_CHECK_EXTENSION, VFIO_UPDATE_VADDR));
	EXPECT_EQ(-EBUSY, drop_vaddr(CONTAINER, IOVA, PART));
	EXPECT_TRUE(lands(&self->pci[COPIER0], iova_of(3), iova_of(4),
			  word_of(mem, 4), T1_MARK(3)));
	close(fd);
}

TEST_F(iommu, new_address_of_everything)
{
	char *mem;
	int fd;

	ASSERT_EQ(0, begin_moved(self, &fd, &mem));
	EXPECT_EQ(2 * PART, dma_unmap_flags(CONTAINER, 0, 0,
					    VFIO_DMA_UNMAP_FLAG_VADDR |
					    VFIO_DMA_UNMAP_FLAG_ALL));
	EXPECT_EQ(MOVED, LOCKED(&self->use));
	EXPECT_EQ(2 * PART, dma_unmap_all(CONTAINER));
	EXPECT_EQ(0, LOCKED(&self->use));
	EXPECT_EQ(0, HELD(&self->use));
	ASSERT_EQ(0, join_mdev(self, 0));
	close(fd);
}

/* Processes that end, or become another */

static void keep_over_exec(int fd)
{
	fcntl(fd, F_SETFD, 0);
}

/*
 * The second life of this program. Its arguments: the container, and a memfd
 * of what is mapped, or -1.
 */
static int after_exec(char **arg)
{
	const int container = atoi(arg[0]), fd = atoi(arg[1]);
	const long long before = pages_locked();
	char *mem;

	if (fd >= 0) {
		mem = map_memfd(fd, MOVED);
		if (mem == MAP_FAILED ||
		    update_vaddr(container, mem, IOVA, PART) ||
		    update_vaddr(container, mem + PART, IOVA + PART, PART))
			return 1;
		if (pages_locked() - before != MOVED)
			return 2;
	}
	if (dma_unmap_all(container) != 2 * PART)
		return 3;
	if (pages_locked() != before)
		return 4;
	return 0;
}

static void start_again(int container, int fd)
{
	char word[2][16];

	snprintf(word[0], sizeof(word[0]), "%d", container);
	snprintf(word[1], sizeof(word[1]), "%d", fd);
	execl("/proc/self/exe", "type1_iommu", "--after-exec", word[0], word[1],
	      NULL);
	_exit(127);
}

/* A process that maps, becomes another program and goes on there. */
static int exec_with_maps(rig_t *self, bool moves)
{
	int fd, status;
	char *mem;
	pid_t pid;

	pid = fork();
	if (!pid) {
		if (begin_moved(self, &fd, &mem) ||
		    (moves && drop_vaddr(CONTAINER, IOVA, 2 * PART) < 0))
			_exit(126);
		keep_over_exec(CONTAINER);
		keep_over_exec(self->pci[COPIER0].group);
		keep_over_exec(self->pci[COPIER0].device);
		keep_over_exec(fd);
		start_again(CONTAINER, moves ? fd : -1);
	}
	if (waitpid(pid, &status, 0) != pid)
		return -errno;
	return status;
}

TEST_F(iommu, row_6_exec)
{
	EXPECT_EQ(0, exec_with_maps(self, false));
}

TEST_F(iommu, row_6_exec_and_new_address)
{
	EXPECT_EQ(0, exec_with_maps(self, true));
}

/* Another process takes away what we mapped: it was charged to us. */
TEST_F(iommu, row_6_unmapped_by_another)
{
	int fd, status;
	char *mem;
	pid_t pid;

	ASSERT_EQ(0, begin_moved(self, &fd, &mem));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		keep_over_exec(CONTAINER);
		start_again(CONTAINER, -1);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, LOCKED(&self->use));
	EXPECT_EQ(0, HELD(&self->use));
	close(fd);
}

TEST_F(iommu, killed_with_maps)
{
	int status, i;
	pid_t pid;

	for (i = 0; i < 2; i++) {
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid) {
			if (begin_mapped(self) || join_mdev(self, 0) ||
			    pin(self->use.t.device[0], IOVA, 9, BOTH) != 9)
				_exit(1);
			raise(SIGKILL);
		}
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_TRUE(WIFSIGNALED(status));
		EXPECT_TRUE(WAIT_FOR(!HELD(&self->use), SOON));
		/* The container is still open here, and can be used again. */
	}
	ASSERT_EQ(0, begin_mapped(self));
	EXPECT_TRUE(lands(&self->pci[COPIER0], iova_of(1), iova_of(2),
			  word_of(MEM, 2), T1_MARK(1)));
}

/*
 * Much memory that takes little, in small pages which are all there: SIZE bytes
 * that repeat one slice of a file.
 */
#define SLICE		(64UL << 20)

static char *much_memory(unsigned long size)
{
	int fd = memfd_create("slice", MFD_CLOEXEC);
	unsigned long i;
	char *mem;

	mem = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (fd < 0 || ftruncate(fd, SLICE) || mem == MAP_FAILED)
		return NULL;
	for (i = 0; i < size; i += SLICE)
		if (mmap(mem + i, SLICE, PROT_READ | PROT_WRITE, MAP_SHARED |
			 MAP_FIXED | MAP_POPULATE, fd, 0) == MAP_FAILED)
			mem = NULL;
	close(fd);
	return mem;
}

static bool has_ended(pid_t pid)
{
	siginfo_t info = {};

	return !waitid(P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT) && info.si_pid == pid;
}

/*
 * Who maps much can be stopped, and has then mapped nothing. As the pages are
 * there nobody but the driver looks for a signal.
 */
TEST_F(iommu, signal_stops_a_long_map)
{
	const unsigned long size = 8 * SLICE;
	char path[64], *mem;
	int status, tries;
	pid_t pid;

	ASSERT_EQ(0, join_pci(self, COPIER0));
	for (tries = 0; tries < 5; tries++) {
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid) {
			mem = much_memory(size);
			_exit(!mem || dma_map(CONTAINER, mem, IOVA, size, T1_RW));
		}
		snprintf(path, sizeof(path), "/proc/%d/status", pid);
		EXPECT_TRUE(WAIT_FOR(proc_value(path, "VmLck") > 8 * 1024 ||
				     has_ended(pid), 2 * SOON));
		kill(pid, SIGKILL);
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		if (!WIFEXITED(status) || WEXITSTATUS(status))
			break;
		/* It was done before this test got to run again. */
		EXPECT_EQ(size, dma_unmap_all(CONTAINER));
	}
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(0, HELD(&self->use));
	EXPECT_EQ(0, dma_unmap_all(CONTAINER));
	ASSERT_EQ(0, map_memory(self));
	EXPECT_EQ(T1_PAGES, LOCKED(&self->use));
}

/* How often a thread got the processor that it shares with the test */
static atomic_uint turns;

static void *take_turns(void *stop)
{
	while (!*(atomic_bool *)stop) {
		turns++;
		usleep(1000);
	}
	return NULL;
}

#define PREEMPT		"/sys/kernel/debug/sched/preempt"

/*
 * While much is mapped and unmapped, others get to run: on a kernel that gives
 * nobody the processor unless it is told to, if that can be had.
 */
TEST_F(iommu, row_16_long_map)
{
	const unsigned long size = 16 * SLICE;
	static atomic_bool stop;
	char was[64] = "";
	pthread_t thread;
	unsigned int n;
	cpu_set_t cpu;
	char *mem;

	CPU_ZERO(&cpu);
	CPU_SET(0, &cpu);
	ASSERT_EQ(0, sched_setaffinity(0, sizeof(cpu), &cpu));
	mem = much_memory(size);
	ASSERT_NE(NULL, mem);
	ASSERT_EQ(0, join_pci(self, COPIER0));
	read_file(PREEMPT, was, sizeof(was));
	if (strstr(was, "(voluntary)"))
		ASSERT_EQ(0, write_file(PREEMPT, "none"));
	ASSERT_EQ(0, pthread_create(&thread, NULL, take_turns, &stop));
	n = turns;
	EXPECT_EQ(0, dma_map(CONTAINER, mem, 1ULL << 32, size, T1_RW));
	EXPECT_LT(n + 3, turns);
	EXPECT_EQ(size / PAGE, LOCKED(&self->use));
	n = turns;
	EXPECT_EQ(size, dma_unmap_all(CONTAINER));
	EXPECT_LT(n + 3, turns);
	stop = true;
	pthread_join(thread, NULL);
	if (strstr(was, "(voluntary)"))
		EXPECT_EQ(0, write_file(PREEMPT, "voluntary"));
	munmap(mem, size);
}

int main(int argc, char **argv)
{
	static const char * const modules[] = { TYPE1_TEST, "vfio_pci", NULL };

	if (argc == 4 && !strcmp(argv[1], "--after-exec"))
		return after_exec(argv + 2);
	mdev_test_begin(argc, argv, modules);
	exit(test_harness_run(argc, argv));
}
