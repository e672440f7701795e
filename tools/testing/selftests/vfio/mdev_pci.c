// SPDX-License-Identifier: GPL-2.0-only
/*
 * The helpers for PCI-like devices, on a card that has one of everything
 * (modules/mdev_test_pci.c): BARs of all kinds, regions, MSI with several
 * messages, MSI-X, errors. mtty_card.c has the rest.
 */
#include <linux/pci_regs.h>
#include <linux/types.h>
#include <linux/vfio.h>
#include <pthread.h>

#include "kselftest_harness.h"
#include "sample_util.h"

#define INTX	VFIO_PCI_INTX_IRQ_INDEX
#define MSI	VFIO_PCI_MSI_IRQ_INDEX
#define MSIX	VFIO_PCI_MSIX_IRQ_INDEX
#define ERR	VFIO_PCI_ERR_IRQ_INDEX
#define MASK	VFIO_IRQ_SET_ACTION_MASK
#define UNMASK	VFIO_IRQ_SET_ACTION_UNMASK
#define TRIGGER	VFIO_IRQ_SET_ACTION_TRIGGER

#define NR_MSI	MDEV_TEST_PCI_NR_MSI
#define NR_MSIX	MDEV_TEST_PCI_NR_MSIX

#define AT(region)	((off_t)(region) << 40)
#define CONFIG		AT(VFIO_PCI_CONFIG_REGION_INDEX)

FIXTURE(pci) {
	struct snapshot before;
	char uuid[UUID_LEN];
	struct mdev_user user;
	int fd;
	__s32 efd[NR_MSIX + 1];
};

FIXTURE_SETUP(pci)
{
	unsigned int i;

	snapshot_take(&self->before);
	ASSERT_EQ(0, sample_make(TEST_PCI, "card", self->uuid));
	ASSERT_EQ(0, mdev_open(self->uuid, &self->user));
	self->fd = self->user.device;
	for (i = 0; i < ARRAY_LEN(self->efd); i++) {
		self->efd[i] = new_eventfd();
		ASSERT_LE(0, self->efd[i]);
	}
}

FIXTURE_TEARDOWN(pci)
{
	mdev_close(&self->user);
	if (mdev_exists(self->uuid))
		EXPECT_EQ(0, mdev_remove(self->uuid));
	EXPECT_TRUE(WAIT_FOR(sample_idle(TEST_PCI, &self->before), SOON));
}

static __u64 get(int fd, off_t pos, int width)
{
	__u64 value;
	ssize_t ret = file_get(fd, &value, width, pos);

	return ret == width ? value : (__u64)ret;
}

static long put(int fd, off_t pos, int width, __u64 value)
{
	ssize_t ret = file_put(fd, value, width, pos);

	return ret == width ? 0 : ret;
}

static long command(int fd, unsigned long cmd, unsigned long arg)
{
	return file_ioctl(fd, cmd, (void *)arg);
}

static struct mdev_test_pci_seen seen(int fd)
{
	struct mdev_test_pci_seen seen = { .bar = ~0 };

	file_ioctl(fd, MDEV_TEST_PCI_SEEN, &seen);
	return seen;
}

/* Offset of a capability, 0 if there is none */
static unsigned int find_cap(int fd, __u8 id)
{
	unsigned int cap = get(fd, CONFIG + PCI_CAPABILITY_LIST, 1);

	while (cap && get(fd, CONFIG + cap, 1) != id)
		cap = get(fd, CONFIG + cap + PCI_CAP_LIST_NEXT, 1);
	return cap;
}

/* Regions */

struct region {
	struct vfio_region_info info;
	char caps[128];
};

static int region_get(int fd, __u32 index, struct region *region)
{
	memset(region, 0, sizeof(*region));
	region->info.argsz = sizeof(*region);
	region->info.index = index;
	return file_ioctl(fd, VFIO_DEVICE_GET_REGION_INFO, region);
}

static const void *region_cap(const struct region *region, __u16 id)
{
	const struct vfio_info_cap_header *cap;
	__u32 offset;

	if (!(region->info.flags & VFIO_REGION_INFO_FLAG_CAPS))
		return NULL;
	for (offset = region->info.cap_offset; offset; offset = cap->next) {
		cap = (const void *)region + offset;
		if (cap->id == id)
			return cap;
	}
	return NULL;
}

TEST_F(pci, regions)
{
	const __u32 rw = VFIO_REGION_INFO_FLAG_READ |
			 VFIO_REGION_INFO_FLAG_WRITE;
	const __u32 map = VFIO_REGION_INFO_FLAG_MMAP |
			  VFIO_REGION_INFO_FLAG_CAPS;
	const struct {
		__u64 size;
		__u32 flags;
	} regions[VFIO_PCI_NUM_REGIONS + 2] = {
		[VFIO_PCI_BAR0_REGION_INDEX] = { MDEV_TEST_PCI_BAR0_SIZE, rw | map },
		[VFIO_PCI_BAR1_REGION_INDEX] = { MDEV_TEST_PCI_BAR1_SIZE, rw },
		[VFIO_PCI_BAR2_REGION_INDEX] = { MDEV_TEST_PCI_BAR2_SIZE, rw | map },
		[VFIO_PCI_BAR4_REGION_INDEX] = { MDEV_TEST_PCI_BAR4_SIZE, rw },
		[VFIO_PCI_BAR5_REGION_INDEX] = { MDEV_TEST_PCI_BAR5_SIZE, rw },
		[VFIO_PCI_CONFIG_REGION_INDEX] = { 4096, rw },
		[VFIO_PCI_NUM_REGIONS] = {
			MDEV_TEST_PCI_REGION_SIZE, rw | VFIO_REGION_INFO_FLAG_CAPS },
		[VFIO_PCI_NUM_REGIONS + 1] = {
			MDEV_TEST_PCI_REGION_SIZE,
			VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_CAPS },
	};
	const struct vfio_region_info_cap_sparse_mmap *sparse;
	const struct vfio_region_info_cap_type *type;
	struct vfio_device_info info = { .argsz = sizeof(info) };
	struct region region;
	__u32 i;

	ASSERT_EQ(0, file_ioctl(self->fd, VFIO_DEVICE_GET_INFO, &info));
	EXPECT_EQ(VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET, info.flags);
	EXPECT_EQ(VFIO_PCI_NUM_IRQS, info.num_irqs);
	ASSERT_EQ(ARRAY_LEN(regions), info.num_regions);
	for (i = 0; i < info.num_regions; i++) {
		ASSERT_EQ(0, region_get(self->fd, i, &region));
		EXPECT_EQ(regions[i].size, region.info.size);
		EXPECT_EQ(regions[i].flags, region.info.flags);
		EXPECT_EQ((__u64)AT(i), region.info.offset);
	}
	EXPECT_EQ(-EINVAL, region_get(self->fd, i, &region));

	ASSERT_EQ(0, region_get(self->fd, 0, &region));
	sparse = region_cap(&region, VFIO_REGION_INFO_CAP_SPARSE_MMAP);
	ASSERT_NE(NULL, sparse);
	ASSERT_EQ(2, sparse->nr_areas);
	EXPECT_EQ(MDEV_TEST_PCI_AREA0_OFFSET, sparse->areas[0].offset);
	EXPECT_EQ(MDEV_TEST_PCI_AREA0_SIZE, sparse->areas[0].size);
	EXPECT_EQ(MDEV_TEST_PCI_AREA1_OFFSET, sparse->areas[1].offset);
	EXPECT_EQ(MDEV_TEST_PCI_AREA1_SIZE, sparse->areas[1].size);

	ASSERT_EQ(0, region_get(self->fd, 2, &region));
	EXPECT_NE(NULL, region_cap(&region, VFIO_REGION_INFO_CAP_MSIX_MAPPABLE));
	EXPECT_EQ(NULL, region_cap(&region, VFIO_REGION_INFO_CAP_SPARSE_MMAP));

	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, region_get(self->fd, VFIO_PCI_NUM_REGIONS + i,
					&region));
		type = region_cap(&region, VFIO_REGION_INFO_CAP_TYPE);
		ASSERT_NE(NULL, type);
		EXPECT_EQ(MDEV_TEST_REGION_TYPE, type->type);
		EXPECT_EQ(MDEV_TEST_REGION_SUBTYPE + i, type->subtype);
	}
}

TEST_F(pci, further_regions)
{
	const off_t both = AT(VFIO_PCI_NUM_REGIONS);
	const off_t read_only = AT(VFIO_PCI_NUM_REGIONS + 1);
	char text[] = "all of sixteen b", got[MDEV_TEST_PCI_REGION_SIZE + 1];
	const int fd = self->fd;

	ASSERT_EQ(16, file_write(fd, text, 16, both));
	ASSERT_EQ(MDEV_TEST_PCI_REGION_SIZE,
		  file_read(fd, got, sizeof(got), read_only));
	EXPECT_EQ(0, memcmp(text, got, 16));
	EXPECT_EQ(-EINVAL, file_write(fd, text, 1, read_only));
	/* What the driver says of an access is what the user gets. */
	EXPECT_EQ(-EIO, file_write(fd, text, 1, both + 16));
	EXPECT_EQ(-EINVAL, file_read(fd, got, 1,
				     both + MDEV_TEST_PCI_REGION_SIZE));
	EXPECT_EQ(-EINVAL, file_read(fd, got, 1, AT(VFIO_PCI_NUM_REGIONS + 2)));
}

/* BARs */

/* Each access arrives in steps of its natural size. */
TEST_F(pci, steps)
{
	static const struct {
		int bar;
		__u32 offset;
		int len;
		__u32 steps;
		__u32 last;
		__u32 width;
	} accesses[] = {
		{ 0, 0x10, 8, 1, 0x10, 8 },
		{ 0, 0x10, 4, 1, 0x10, 4 },
		{ 0, 0x12, 2, 1, 0x12, 2 },
		{ 0, 0x13, 1, 1, 0x13, 1 },
		{ 0, 0x14, 8, 2, 0x18, 4 },
		{ 0, 0x11, 8, 4, 0x18, 1 },
		{ 0, 0x11, 3, 2, 0x12, 2 },
		{ 1, 0x08, 8, 2, 0x0c, 4 },
		{ 2, 0x08, 8, 1, 0x08, 8 },
		{ 4, 0x08, 8, 4, 0x0e, 2 },
		{ 4, 0x09, 2, 2, 0x0a, 1 },
	};
	struct mdev_test_pci_seen last;
	const int fd = self->fd;
	unsigned int i;
	__u32 count;

	for (i = 0; i < ARRAY_LEN(accesses); i++) {
		const __u64 value = 0x8877665544332211ULL >>
				    (64 - 8 * accesses[i].len);
		const off_t pos = AT(accesses[i].bar) + accesses[i].offset;
		int write;

		for (write = 1; write >= 0; write--) {
			count = seen(fd).count;
			if (write) {
				EXPECT_EQ(0, put(fd, pos, accesses[i].len,
						 value));
			} else {
				EXPECT_EQ(value, get(fd, pos, accesses[i].len));
			}
			last = seen(fd);
			EXPECT_EQ(accesses[i].steps, last.count - count) {
				TH_LOG("access %u", i);
			}
			EXPECT_EQ(accesses[i].bar, last.bar);
			EXPECT_EQ(accesses[i].last, last.offset) {
				TH_LOG("access %u", i);
			}
			EXPECT_EQ(accesses[i].width, last.width);
			EXPECT_EQ(write, last.write);
		}
	}
}

TEST_F(pci, ends)
{
	const __u64 size[PCI_STD_NUM_BARS] = {
		MDEV_TEST_PCI_BAR0_SIZE, MDEV_TEST_PCI_BAR1_SIZE,
		MDEV_TEST_PCI_BAR2_SIZE, 0, MDEV_TEST_PCI_BAR4_SIZE,
		MDEV_TEST_PCI_BAR5_SIZE,
	};
	__u8 bytes[16] = { 0x5a, 0x5a, 0x5a };
	unsigned int i;

	for (i = 0; i < PCI_STD_NUM_BARS; i++) {
		EXPECT_EQ(-EINVAL, file_read(self->fd, bytes, 1,
					     AT(i) + size[i]));
		EXPECT_EQ(-EINVAL, file_write(self->fd, bytes, 1,
					      AT(i) + size[i]));
		if (!size[i])
			continue;
		EXPECT_EQ(3, file_write(self->fd, bytes, sizeof(bytes),
					AT(i) + size[i] - 3));
		EXPECT_EQ(3, file_read(self->fd, bytes, sizeof(bytes),
				       AT(i) + size[i] - 3));
		/* Nothing is behind the last one. */
		EXPECT_EQ(i == 5 ? 0 : 0x5a, bytes[0]);
		bytes[0] = 0x5a;
		bytes[1] = 0x5a;
		bytes[2] = 0x5a;
	}
}

/* What cannot be read or written by the user stops the access. */
TEST_F(pci, bad_buffers)
{
	char *end = (char *)guarded(PAGE) + PAGE;

	EXPECT_EQ(-EFAULT, file_read(self->fd, end, 4, 0));
	EXPECT_EQ(-EFAULT, file_write(self->fd, end, 4, 0));
	EXPECT_EQ(-EFAULT, file_read(self->fd, end - 4, 8, 0x10));
	EXPECT_EQ(-EFAULT, file_read(self->fd, end, 4, CONFIG));
	EXPECT_EQ(-EFAULT, file_write(self->fd, end, 4, CONFIG + PCI_COMMAND));
	EXPECT_EQ(0, file_read(self->fd, end, 0, 0));
	EXPECT_EQ(4, file_read(self->fd, end - 4, 4, 0));
}

TEST_F(pci, sizing)
{
	const off_t bars = CONFIG + PCI_BASE_ADDRESS_0;
	const int fd = self->fd;
	unsigned int i;

	for (i = 0; i < PCI_STD_NUM_BARS; i++)
		ASSERT_EQ(0, put(fd, bars + 4 * i, 4, ~0U));
	EXPECT_EQ((__u32)-MDEV_TEST_PCI_BAR0_SIZE, get(fd, bars, 4));
	EXPECT_EQ((__u32)-MDEV_TEST_PCI_BAR1_SIZE | PCI_BASE_ADDRESS_SPACE_IO,
		  get(fd, bars + 4, 4));
	EXPECT_EQ((__u32)-MDEV_TEST_PCI_BAR2_SIZE |
		  PCI_BASE_ADDRESS_MEM_TYPE_64 | PCI_BASE_ADDRESS_MEM_PREFETCH,
		  get(fd, bars + 8, 4));
	EXPECT_EQ(~0U, get(fd, bars + 12, 4));
	EXPECT_EQ((__u32)-MDEV_TEST_PCI_BAR4_SIZE, get(fd, bars + 16, 4));
	EXPECT_EQ((__u32)-MDEV_TEST_PCI_BAR5_SIZE, get(fd, bars + 20, 4));
	ASSERT_EQ(0, put(fd, bars + 12, 4, 0x12));
	EXPECT_EQ(0x12, get(fd, bars + 12, 4));
}

/* Switched off, memory does not answer, ports do (as with vfio-pci). */
TEST_F(pci, memory_off)
{
	static const int memory[] = { 0, 2, 4, 5 };
	const int fd = self->fd;
	unsigned int i;
	__u32 *map;

	EXPECT_EQ(PCI_COMMAND_IO | PCI_COMMAND_MEMORY,
		  get(fd, CONFIG + PCI_COMMAND, 2));
	map = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		   MDEV_TEST_PCI_AREA0_OFFSET);
	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, put(fd, CONFIG + PCI_COMMAND, 2, 0));
	for (i = 0; i < ARRAY_LEN(memory); i++) {
		EXPECT_EQ((__u64)-EIO, get(fd, AT(memory[i]), 4));
		EXPECT_EQ(-EIO, put(fd, AT(memory[i]), 4, 1));
	}
	EXPECT_EQ(0, put(fd, AT(1), 4, 0x77));
	EXPECT_EQ(0x77, get(fd, AT(1), 4));
	/* A mapping stays. */
	map[0] = htole32(0x1234);
	ASSERT_EQ(0, put(fd, CONFIG + PCI_COMMAND, 2, PCI_COMMAND_MEMORY));
	EXPECT_EQ(0x1234, get(fd, MDEV_TEST_PCI_AREA0_OFFSET, 4));
	munmap(map, PAGE);
}

static int try_map(int fd, off_t pos, size_t size, int flags)
{
	void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, pos);

	if (map == MAP_FAILED)
		return -errno;
	munmap(map, size);
	return 0;
}

TEST_F(pci, mappings)
{
	const int fd = self->fd;
	__u32 *map;

	map = mmap(NULL, MDEV_TEST_PCI_AREA1_SIZE, PROT_READ | PROT_WRITE,
		   MAP_SHARED, fd, MDEV_TEST_PCI_AREA1_OFFSET);
	ASSERT_NE(MAP_FAILED, map);
	map[PAGE / 4] = htole32(0xabcd);
	EXPECT_EQ(0xabcd, get(fd, MDEV_TEST_PCI_AREA1_OFFSET + PAGE, 4));
	ASSERT_EQ(0, put(fd, MDEV_TEST_PCI_AREA1_OFFSET + 4, 4, 0xef));
	EXPECT_EQ(htole32(0xef), map[1]);
	/* A reset is one of the memory, too. */
	ASSERT_EQ(0, command(fd, VFIO_DEVICE_RESET, 0));
	EXPECT_EQ(0, map[PAGE / 4]);
	munmap(map, MDEV_TEST_PCI_AREA1_SIZE);

	/* Within an area, or not at all */
	EXPECT_EQ(0, try_map(fd, PAGE, 2 * PAGE, MAP_SHARED));
	EXPECT_EQ(0, try_map(fd, 2 * PAGE, PAGE, MAP_SHARED));
	EXPECT_EQ(-EINVAL, try_map(fd, 0, PAGE, MAP_SHARED));
	EXPECT_EQ(-EINVAL, try_map(fd, 0, 2 * PAGE, MAP_SHARED));
	EXPECT_EQ(-EINVAL, try_map(fd, 2 * PAGE, 2 * PAGE, MAP_SHARED));
	EXPECT_EQ(-EINVAL, try_map(fd, PAGE, 7 * PAGE, MAP_SHARED));
	EXPECT_EQ(-EINVAL, try_map(fd, 7 * PAGE, 2 * PAGE, MAP_SHARED));
	EXPECT_EQ(-EINVAL, try_map(fd, 8 * PAGE, PAGE, MAP_SHARED));
	EXPECT_EQ(-EINVAL, try_map(fd, PAGE, PAGE, MAP_PRIVATE));

	/* All of it, with the table of MSI-X */
	EXPECT_EQ(0, try_map(fd, AT(2), MDEV_TEST_PCI_BAR2_SIZE, MAP_SHARED));
	EXPECT_EQ(-EINVAL, try_map(fd, AT(2), MDEV_TEST_PCI_BAR2_SIZE + PAGE,
				   MAP_SHARED));
	/* None of these */
	EXPECT_EQ(-EINVAL, try_map(fd, AT(1), PAGE, MAP_SHARED));
	EXPECT_EQ(-EINVAL, try_map(fd, AT(3), PAGE, MAP_SHARED));
	EXPECT_EQ(-EINVAL, try_map(fd, AT(4), PAGE, MAP_SHARED));
	EXPECT_EQ(-EINVAL, try_map(fd, CONFIG, PAGE, MAP_SHARED));
	EXPECT_EQ(-EINVAL, try_map(fd, AT(VFIO_PCI_NUM_REGIONS), PAGE,
				   MAP_SHARED));
}

/* Configuration space */

TEST_F(pci, capabilities)
{
	const int fd = self->fd;
	struct mdev_test_pci_seen last;
	unsigned int cap;

	EXPECT_EQ(0x7e571234, get(fd, CONFIG + PCI_VENDOR_ID, 4));
	EXPECT_EQ(0x00011234, get(fd, CONFIG + PCI_SUBSYSTEM_VENDOR_ID, 4));
	EXPECT_EQ(0xff000007, get(fd, CONFIG + PCI_CLASS_REVISION, 4));

	cap = find_cap(fd, PCI_CAP_ID_MSI);
	ASSERT_NE(0, cap);
	EXPECT_EQ(PCI_MSI_FLAGS_64BIT | 3 << 1,
		  get(fd, CONFIG + cap + PCI_MSI_FLAGS, 2));
	ASSERT_EQ(0, put(fd, CONFIG + cap + PCI_MSI_FLAGS, 2,
			 PCI_MSI_FLAGS_ENABLE | 2 << 4));
	EXPECT_EQ(PCI_MSI_FLAGS_64BIT | 3 << 1 | 2 << 4 | PCI_MSI_FLAGS_ENABLE,
		  get(fd, CONFIG + cap + PCI_MSI_FLAGS, 2));
	last = seen(fd);
	EXPECT_EQ(VFIO_PCI_CONFIG_REGION_INDEX, last.bar);
	EXPECT_EQ(cap + PCI_MSI_FLAGS, last.offset);
	EXPECT_EQ(2, last.width);

	cap = find_cap(fd, PCI_CAP_ID_MSIX);
	ASSERT_NE(0, cap);
	EXPECT_EQ(NR_MSIX - 1, get(fd, CONFIG + cap + PCI_MSIX_FLAGS, 2));
	EXPECT_EQ(MDEV_TEST_PCI_TABLE | 2,
		  get(fd, CONFIG + cap + PCI_MSIX_TABLE, 4));
	EXPECT_EQ(MDEV_TEST_PCI_PBA | 2,
		  get(fd, CONFIG + cap + PCI_MSIX_PBA, 4));

	cap = find_cap(fd, PCI_CAP_ID_VNDR);
	ASSERT_NE(0, cap);
	EXPECT_EQ(8, get(fd, CONFIG + cap + 2, 1));
	EXPECT_EQ(0x0504030201ULL, get(fd, CONFIG + cap + 3, 5));
	ASSERT_EQ(0, put(fd, CONFIG + cap + 3, 5, ~0ULL));
	EXPECT_EQ(0x050f03ff01ULL, get(fd, CONFIG + cap + 3, 5));

	EXPECT_NE(0, find_cap(fd, PCI_CAP_ID_PM));
	EXPECT_EQ(0, find_cap(fd, PCI_CAP_ID_EXP));
	EXPECT_EQ(0x00010000 | PCI_EXT_CAP_ID_DSN, get(fd, CONFIG + 256, 4));
	EXPECT_EQ(MDEV_TEST_PCI_SERIAL, get(fd, CONFIG + 260, 8));
	expect_dmesg("MSI-X of its mediated devices cannot be, .*: BAR [0-9]");
	EXPECT_EQ(0, command(fd, MDEV_TEST_PCI_REFUSALS, 0));
}

/* Errors that the device shows, until they are cleared by writing ones */
TEST_F(pci, status)
{
	const __u16 errors = PCI_STATUS_SIG_SYSTEM_ERROR |
			     PCI_STATUS_DETECTED_PARITY;
	const int fd = self->fd;

	EXPECT_EQ(PCI_STATUS_CAP_LIST, get(fd, CONFIG + PCI_STATUS, 2));
	ASSERT_EQ(0, command(fd, MDEV_TEST_PCI_STATUS, errors));
	EXPECT_EQ(PCI_STATUS_CAP_LIST | errors,
		  get(fd, CONFIG + PCI_STATUS, 2));
	ASSERT_EQ(0, put(fd, CONFIG + PCI_STATUS, 2,
			 PCI_STATUS_DETECTED_PARITY));
	EXPECT_EQ(PCI_STATUS_CAP_LIST | PCI_STATUS_SIG_SYSTEM_ERROR,
		  get(fd, CONFIG + PCI_STATUS, 2));
	ASSERT_EQ(0, command(fd, VFIO_DEVICE_RESET, 0));
	EXPECT_EQ(PCI_STATUS_CAP_LIST, get(fd, CONFIG + PCI_STATUS, 2));
}

/* The user keeps the table himself: it reads as ones, nothing is pending. */
TEST_F(pci, msix_table)
{
	const off_t table = AT(2) + MDEV_TEST_PCI_TABLE;
	const off_t pba = AT(2) + MDEV_TEST_PCI_PBA;
	const off_t table_end = table + NR_MSIX * PCI_MSIX_ENTRY_SIZE;
	const off_t pba_end = pba + 16;
	const int fd = self->fd;
	__u32 count = seen(fd).count;

	EXPECT_EQ(~0ULL, get(fd, table, 8));
	EXPECT_EQ(~0U, get(fd, table_end - 4, 4));
	EXPECT_EQ(0, get(fd, pba, 8));
	EXPECT_EQ(0, get(fd, pba_end - 8, 8));
	EXPECT_EQ(0, put(fd, table, 8, 0));
	EXPECT_EQ(0, put(fd, pba, 8, ~0ULL));
	EXPECT_EQ(~0ULL, get(fd, table, 8));
	EXPECT_EQ(0, get(fd, pba, 8));
	EXPECT_EQ(count, seen(fd).count);

	/* What lies around them is the driver's. */
	EXPECT_EQ(0, put(fd, table - 8, 8, 1));
	EXPECT_EQ(0, put(fd, table_end, 8, 2));
	EXPECT_EQ(0, put(fd, pba - 8, 8, 3));
	EXPECT_EQ(0, put(fd, pba_end, 8, 4));
	EXPECT_EQ(1, get(fd, table - 8, 8));
	EXPECT_EQ(2, get(fd, table_end, 8));
	EXPECT_EQ(3, get(fd, pba - 8, 8));
	EXPECT_EQ(4, get(fd, pba_end, 8));
	EXPECT_EQ(count + 8, seen(fd).count);
}

/* Interrupts */

/* Which of the eventfds were signalled once? -1 if one was more than that. */
static int which_fired(const __s32 *efd, unsigned int nr, __u64 mask[2])
{
	unsigned int i;
	int count;

	mask[0] = 0;
	mask[1] = 0;
	for (i = 0; i < nr; i++) {
		count = fired(efd[i]);
		if (count < 0 || count > 1)
			return -1;
		mask[i / 64] |= (__u64)count << i % 64;
	}
	return 0;
}

TEST_F(pci, interrupts)
{
	static const struct {
		__u32 count;
		__u32 flags;
	} irqs[VFIO_PCI_NUM_IRQS] = {
		[INTX] = { 1, VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_MASKABLE |
			      VFIO_IRQ_INFO_AUTOMASKED },
		[MSI] = { NR_MSI, VFIO_IRQ_INFO_EVENTFD |
				  VFIO_IRQ_INFO_NORESIZE },
		[MSIX] = { NR_MSIX, VFIO_IRQ_INFO_EVENTFD },
		[ERR] = { 1, VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_NORESIZE },
		[VFIO_PCI_REQ_IRQ_INDEX] = {
			1, VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_NORESIZE },
	};
	struct vfio_irq_info info = { .argsz = sizeof(info) };
	__u32 i;

	for (i = 0; i < VFIO_PCI_NUM_IRQS; i++) {
		info.index = i;
		ASSERT_EQ(0, file_ioctl(self->fd, VFIO_DEVICE_GET_IRQ_INFO,
					&info));
		EXPECT_EQ(irqs[i].count, info.count);
		EXPECT_EQ(irqs[i].flags, info.flags);
	}
}

TEST_F(pci, msi)
{
	const int fd = self->fd;
	unsigned int i;
	__u64 mask[2];

	EXPECT_EQ(0, command(fd, MDEV_TEST_PCI_MESSAGE, 0));
	EXPECT_EQ(0, command(fd, MDEV_TEST_PCI_VECTORS, 0));
	EXPECT_EQ(-EINVAL, arm(fd, MSI, 0, NR_MSI + 1, self->efd));
	ASSERT_EQ(0, arm(fd, MSI, 0, 5, self->efd));
	EXPECT_EQ(5, command(fd, MDEV_TEST_PCI_VECTORS, 0));
	/* No more can be had than was asked for first. */
	EXPECT_EQ(-EINVAL, arm(fd, MSI, 5, 1, &self->efd[5]));
	EXPECT_EQ(-EINVAL, arm(fd, MSI, 0, 8, self->efd));
	EXPECT_EQ(-EINVAL, irq_action(fd, MSI, 5, 1, TRIGGER));
	EXPECT_EQ(-ENOTTY, irq_action(fd, MSI, 0, 1, MASK));
	EXPECT_EQ(-ENOTTY, irq_action(fd, MSI, 0, 1, UNMASK));
	EXPECT_EQ(-EINVAL, arm(fd, MSIX, 0, 1, self->efd));
	EXPECT_EQ(-EINVAL, arm(fd, INTX, 0, 1, self->efd));

	/* Each message goes to its own eventfd, once. */
	for (i = 0; i < NR_MSI; i++) {
		EXPECT_EQ(1, command(fd, MDEV_TEST_PCI_MESSAGE, i));
		EXPECT_EQ(0, which_fired(self->efd, NR_MSIX, mask));
		EXPECT_EQ(i < 5 ? 1ULL << i : 0, mask[0]);
		EXPECT_EQ(0, mask[1]);
	}
	EXPECT_EQ(1, command(fd, MDEV_TEST_PCI_MESSAGE, -1UL));
	EXPECT_EQ(0, which_fired(self->efd, NR_MSIX, mask));
	EXPECT_EQ(0, mask[0] | mask[1]);

	ASSERT_EQ(0, irq_action(fd, MSI, 0, 0, TRIGGER));
	EXPECT_EQ(0, command(fd, MDEV_TEST_PCI_VECTORS, 0));
	EXPECT_EQ(0, command(fd, MDEV_TEST_PCI_MESSAGE, 0));
	EXPECT_EQ(0, which_fired(self->efd, NR_MSIX, mask));
	EXPECT_EQ(0, mask[0] | mask[1]);

	/* Now more of them */
	ASSERT_EQ(0, arm(fd, MSI, 0, NR_MSI, self->efd));
	EXPECT_EQ(NR_MSI, command(fd, MDEV_TEST_PCI_VECTORS, 0));
	EXPECT_EQ(1, command(fd, MDEV_TEST_PCI_MESSAGE, NR_MSI - 1));
	EXPECT_EQ(0, which_fired(self->efd, NR_MSIX, mask));
	EXPECT_EQ(1ULL << (NR_MSI - 1), mask[0]);
}

TEST_F(pci, msix)
{
	const int fd = self->fd;
	unsigned int i;
	__u64 mask[2];
	__s32 none = -1;

	EXPECT_EQ(-EINVAL, arm(fd, MSIX, 0, NR_MSIX + 1, self->efd));
	EXPECT_EQ(-EINVAL, irq_action(fd, MSIX, 0, 1, TRIGGER));
	/* One is armed, and all are enabled. */
	ASSERT_EQ(0, arm(fd, MSIX, 3, 1, &self->efd[3]));
	EXPECT_EQ(NR_MSIX, command(fd, MDEV_TEST_PCI_VECTORS, 0));
	EXPECT_EQ(-EINVAL, arm(fd, MSI, 0, 1, self->efd));
	EXPECT_EQ(-ENOTTY, irq_action(fd, MSIX, 0, 1, MASK));
	for (i = 0; i < NR_MSIX; i++)
		EXPECT_EQ(1, command(fd, MDEV_TEST_PCI_MESSAGE, i));
	EXPECT_EQ(0, which_fired(self->efd, NR_MSIX, mask));
	EXPECT_EQ(1ULL << 3, mask[0]);
	EXPECT_EQ(0, mask[1]);

	/* The others come one after the other, as a guest sets them up. */
	for (i = 0; i < NR_MSIX; i++)
		ASSERT_EQ(0, arm(fd, MSIX, i, 1, &self->efd[i]));
	for (i = 0; i < NR_MSIX; i++) {
		EXPECT_EQ(1, command(fd, MDEV_TEST_PCI_MESSAGE, i));
		EXPECT_EQ(0, which_fired(self->efd, NR_MSIX, mask));
		EXPECT_EQ(i < 64 ? 1ULL << i : 0, mask[0]);
		EXPECT_EQ(i / 64, mask[1]);
	}

	/* A guest masks one: its user takes the eventfd away, and back. */
	ASSERT_EQ(0, arm(fd, MSIX, 7, 1, &none));
	EXPECT_EQ(1, command(fd, MDEV_TEST_PCI_MESSAGE, 7));
	EXPECT_EQ(1, command(fd, MDEV_TEST_PCI_MESSAGE, 8));
	EXPECT_EQ(0, which_fired(self->efd, NR_MSIX, mask));
	EXPECT_EQ(1ULL << 8, mask[0]);
	ASSERT_EQ(0, arm(fd, MSIX, 7, 1, &self->efd[7]));
	EXPECT_EQ(1, command(fd, MDEV_TEST_PCI_MESSAGE, 7));
	EXPECT_EQ(1, fired(self->efd[7]));

	ASSERT_EQ(0, irq_action(fd, MSIX, 0, 0, TRIGGER));
	EXPECT_EQ(0, command(fd, MDEV_TEST_PCI_MESSAGE, 8));
	EXPECT_EQ(0, fired(self->efd[8]));
}

/* As if the device had sent them */
TEST_F(pci, looped_back)
{
	const __u32 bools = VFIO_IRQ_SET_DATA_BOOL | TRIGGER;
	const __u8 chosen[6] = { 0, 1, 0, 0, 255, 1 };
	const int fd = self->fd;
	__u64 mask[2];

	EXPECT_EQ(-EINVAL, set_irqs(fd, bools, MSIX, 0, 6, chosen, 6));
	ASSERT_EQ(0, arm(fd, MSIX, 0, NR_MSIX, self->efd));
	EXPECT_EQ(0, set_irqs(fd, bools, MSIX, 10, 6, chosen, 6));
	EXPECT_EQ(0, which_fired(self->efd, NR_MSIX, mask));
	EXPECT_EQ((1ULL << 11) | (1ULL << 14) | (1ULL << 15), mask[0]);
	EXPECT_EQ(0, irq_action(fd, MSIX, 60, 5, TRIGGER));
	EXPECT_EQ(0, which_fired(self->efd, NR_MSIX, mask));
	EXPECT_EQ(0xfULL << 60, mask[0]);
	EXPECT_EQ(1, mask[1]);
	EXPECT_EQ(-EINVAL, irq_action(fd, MSIX, 60, 6, TRIGGER));
}

/* One that is no eventfd: nothing is armed, or what was stays. */
TEST_F(pci, all_or_nothing)
{
	const int fd = self->fd;
	__s32 efd[4];
	__u64 mask[2];

	memcpy(efd, self->efd, sizeof(efd));
	efd[3] = self->fd;
	EXPECT_EQ(-EINVAL, arm(fd, MSIX, 0, 4, efd));
	EXPECT_EQ(0, command(fd, MDEV_TEST_PCI_VECTORS, 0));
	efd[3] = 12345;
	EXPECT_EQ(-EBADF, arm(fd, MSI, 0, 4, efd));
	EXPECT_EQ(0, command(fd, MDEV_TEST_PCI_VECTORS, 0));

	ASSERT_EQ(0, arm(fd, MSIX, 4, 4, &self->efd[4]));
	EXPECT_EQ(-EBADF, arm(fd, MSIX, 4, 4, efd));
	EXPECT_EQ(1, command(fd, MDEV_TEST_PCI_MESSAGE, 4));
	EXPECT_EQ(0, which_fired(self->efd, NR_MSIX, mask));
	EXPECT_EQ(1ULL << 4, mask[0]);
}

TEST_F(pci, error)
{
	const int fd = self->fd;
	__s32 none = -1, bad = -2;

	EXPECT_EQ(0, command(fd, MDEV_TEST_PCI_ERROR, 0));
	ASSERT_EQ(0, arm(fd, ERR, 0, 1, self->efd));
	EXPECT_EQ(0, fired(self->efd[0]));
	EXPECT_EQ(0, command(fd, MDEV_TEST_PCI_ERROR, 0));
	EXPECT_EQ(1, fired(self->efd[0]));
	/* Beside any other interrupt, and from one eventfd to another */
	ASSERT_EQ(0, arm(fd, MSIX, 0, 1, &self->efd[2]));
	ASSERT_EQ(0, arm(fd, ERR, 0, 1, &self->efd[1]));
	EXPECT_EQ(0, command(fd, MDEV_TEST_PCI_ERROR, 0));
	EXPECT_EQ(0, fired(self->efd[0]));
	EXPECT_EQ(1, fired(self->efd[1]));
	EXPECT_EQ(0, fired(self->efd[2]));
	EXPECT_EQ(-EINVAL, arm(fd, ERR, 0, 1, &bad));
	EXPECT_EQ(-EINVAL, arm(fd, ERR, 0, 2, self->efd));
	EXPECT_EQ(0, command(fd, MDEV_TEST_PCI_ERROR, 0));
	EXPECT_EQ(1, fired(self->efd[1]));
	ASSERT_EQ(0, arm(fd, ERR, 0, 1, &none));
	EXPECT_EQ(0, command(fd, MDEV_TEST_PCI_ERROR, 0));
	EXPECT_EQ(0, fired(self->efd[1]));
	ASSERT_EQ(0, arm(fd, ERR, 0, 1, self->efd));
	ASSERT_EQ(0, irq_action(fd, ERR, 0, 0, TRIGGER));
	EXPECT_EQ(0, command(fd, MDEV_TEST_PCI_ERROR, 0));
	EXPECT_EQ(0, fired(self->efd[0]));
}

/*
 * One eventfd for an interrupt and for its unmasking: the kernel takes what it
 * signals, round and round for as long as the level is up. Nobody hangs.
 */
TEST_F(pci, unmasks_itself)
{
	const int fd = self->fd;

	ASSERT_EQ(0, arm(fd, INTX, 0, 1, self->efd));
	ASSERT_EQ(0, set_irqs(fd, VFIO_IRQ_SET_DATA_EVENTFD | UNMASK, INTX, 0,
			      1, self->efd, sizeof(*self->efd)));
	ASSERT_EQ(0, command(fd, MDEV_TEST_PCI_INTX, 1));
	sleep_ms(A_WHILE);
	ASSERT_EQ(0, command(fd, MDEV_TEST_PCI_INTX, 0));
	ASSERT_EQ(0, irq_action(fd, INTX, 0, 0, TRIGGER));
	fired(self->efd[0]);
	ASSERT_EQ(0, command(fd, MDEV_TEST_PCI_INTX, 1));
	EXPECT_EQ(0, fired(self->efd[0]));
	ASSERT_EQ(0, arm(fd, INTX, 0, 1, self->efd));
	EXPECT_EQ(1, fired(self->efd[0]));
}

/* Is one of these signalled sooner or later? Takes the signals of all. */
static bool any_fired(const __s32 *efd, unsigned int nr)
{
	unsigned int i;
	bool any = false;

	for (i = 0; i < nr; i++)
		any |= fired(efd[i]) > 0;
	return any;
}

/* Disarmed in a storm, nothing of before is signalled any more. */
TEST_F(pci, row_35_closed_in_a_storm)
{
	static const struct {
		__u32 index;
		unsigned int nr;
	} rounds[] = {
		{ MSIX, NR_MSIX }, { MSI, NR_MSI }, { INTX, 1 }, { ERR, 1 },
	};
	const int fd = self->fd;
	unsigned int i, again;

	ASSERT_EQ(0, command(fd, MDEV_TEST_PCI_STORM, 1));
	for (again = 0; again < 3; again++) {
		for (i = 0; i < ARRAY_LEN(rounds); i++) {
			const __u32 index = rounds[i].index;
			const unsigned int nr = rounds[i].nr;

			ASSERT_EQ(0, arm(fd, index, 0, nr, self->efd));
			EXPECT_TRUE(WAIT_FOR(any_fired(self->efd, nr), SOON));
			ASSERT_EQ(0, irq_action(fd, index, 0, 0, TRIGGER));
			any_fired(self->efd, nr);
			sleep_ms(10);
			EXPECT_FALSE(any_fired(self->efd, nr));
		}
	}

	/* Closed, and opened by the next one */
	ASSERT_EQ(0, arm(fd, MSIX, 0, NR_MSIX, self->efd));
	ASSERT_EQ(0, arm(fd, ERR, 0, 1, &self->efd[1]));
	EXPECT_TRUE(WAIT_FOR(any_fired(self->efd, NR_MSIX), SOON));
	mdev_close(&self->user);
	any_fired(self->efd, NR_MSIX);
	sleep_ms(10);
	EXPECT_FALSE(any_fired(self->efd, NR_MSIX));
	ASSERT_EQ(0, mdev_open(self->uuid, &self->user));
	EXPECT_EQ(0, command(self->user.device, MDEV_TEST_PCI_VECTORS, 0));
	sleep_ms(10);
	EXPECT_FALSE(any_fired(self->efd, NR_MSIX));
	mdev_close(&self->user);
	/* The storm ends with the device. */
	EXPECT_EQ(0, mdev_remove(self->uuid));
}

struct armer {
	int fd;
	__s32 *efd;
	bool stop;
	int wrong;
};

/* A call that comes too late finds another type enabled, or none. */
static void *arm_and_disarm(void *data)
{
	static const __u32 index[] = { MSI, MSIX, INTX };
	struct armer *armer = data;
	unsigned int i;
	long ret;

	for (i = 0; !__atomic_load_n(&armer->stop, __ATOMIC_RELAXED); i++) {
		ret = arm(armer->fd, index[i % 3], 0, 1, armer->efd);
		if (ret && ret != -EINVAL)
			armer->wrong = ret;
		irq_action(armer->fd, index[(i + i / 3) % 3], 0, 0, TRIGGER);
	}
	return NULL;
}

TEST_F(pci, storm_and_threads)
{
	pthread_t thread[3];
	struct armer armer = { .fd = self->fd, .efd = self->efd };
	unsigned int i;

	ASSERT_EQ(0, command(self->fd, MDEV_TEST_PCI_STORM, 1));
	for (i = 0; i < ARRAY_LEN(thread); i++)
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, arm_and_disarm,
					    &armer));
	sleep_ms(race_ms(1500));
	__atomic_store_n(&armer.stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < ARRAY_LEN(thread); i++)
		pthread_join(thread[i], NULL);
	EXPECT_EQ(0, armer.wrong);
	ASSERT_EQ(0, command(self->fd, MDEV_TEST_PCI_STORM, 0));
}

/* Everything that SET_IRQS can say, by several threads at once, in a storm */

struct setter {
	struct armer *all;
	unsigned int seed;
};

static void *set_anything(void *data)
{
	static const __u32 kinds[] = {
		VFIO_IRQ_SET_DATA_NONE, VFIO_IRQ_SET_DATA_BOOL,
		VFIO_IRQ_SET_DATA_EVENTFD,
	};
	static const __u32 actions[] = { MASK, UNMASK, TRIGGER, TRIGGER };
	struct setter *setter = data;
	struct armer *all = setter->all;
	__s32 fds[] = { all->efd[0], all->efd[1], all->efd[2], -1, 12345, -2 };
	unsigned int dice = setter->seed;
	__u8 yes = 1;
	long ret;

	while (!__atomic_load_n(&all->stop, __ATOMIC_RELAXED)) {
		__u32 kind, action, index, count;

		dice = dice * 1103515245 + 12345;
		index = (dice >> 8) % VFIO_PCI_NUM_IRQS;
		kind = kinds[(dice >> 12) % ARRAY_LEN(kinds)];
		action = actions[(dice >> 16) % ARRAY_LEN(actions)];
		count = kind == VFIO_IRQ_SET_DATA_NONE ? (dice >> 20) % 2 : 1;
		ret = set_irqs(all->fd, kind | action, index, 0, count,
			       kind == VFIO_IRQ_SET_DATA_BOOL ? (void *)&yes :
			       &fds[(dice >> 24) % ARRAY_LEN(fds)],
			       kind == VFIO_IRQ_SET_DATA_NONE ? 0 :
			       kind == VFIO_IRQ_SET_DATA_BOOL ? 1 : 4);
		if (ret && ret != -EINVAL && ret != -ENOTTY &&
		    ret != -EBADF && ret != -EBUSY)
			all->wrong = ret;
	}
	return NULL;
}

TEST_F(pci, row_32_set_irqs_from_several_threads)
{
	struct armer all = { .fd = self->fd, .efd = self->efd };
	struct setter setter[4];
	pthread_t thread[ARRAY_LEN(setter)];
	unsigned int i;

	ASSERT_EQ(0, command(self->fd, MDEV_TEST_PCI_STORM, 1));
	for (i = 0; i < ARRAY_LEN(setter); i++) {
		setter[i] = (struct setter){ .all = &all, .seed = 7 * i + 1 };
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, set_anything,
					    &setter[i]));
	}
	sleep_ms(race_ms(1500));
	__atomic_store_n(&all.stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < ARRAY_LEN(setter); i++)
		pthread_join(thread[i], NULL);
	EXPECT_EQ(0, all.wrong);

	/* Whatever is armed now, none of it is after this. */
	for (i = 0; i < VFIO_PCI_NUM_IRQS; i++)
		irq_action(self->fd, i, 0, 0, TRIGGER);
	any_fired(self->efd, 3);
	sleep_ms(10);
	EXPECT_FALSE(any_fired(self->efd, 3));
	EXPECT_EQ(0, command(self->fd, MDEV_TEST_PCI_VECTORS, 0));
	ASSERT_EQ(0, command(self->fd, MDEV_TEST_PCI_STORM, 0));
	ASSERT_EQ(0, arm(self->fd, MSIX, 0, NR_MSIX, self->efd));
}

/* Enabled, with no eventfd ever given or with it taken away again */
TEST_F(pci, row_32_trigger_without_eventfd)
{
	static const __u32 index[] = { INTX, MSI, MSIX };
	const __u32 bools = VFIO_IRQ_SET_DATA_BOOL | TRIGGER;
	const int fd = self->fd;
	__s32 none = -1;
	__u8 yes = 1;
	unsigned int i;

	ASSERT_EQ(0, command(fd, MDEV_TEST_PCI_STORM, 1));
	for (i = 0; i < ARRAY_LEN(index); i++) {
		EXPECT_EQ(-EINVAL, irq_action(fd, index[i], 0, 1, TRIGGER));
		EXPECT_EQ(-EINVAL, set_irqs(fd, bools, index[i], 0, 1, &yes, 1));
		ASSERT_EQ(0, arm(fd, index[i], 0, 1, &none));
		EXPECT_EQ(0, irq_action(fd, index[i], 0, 1, TRIGGER));
		EXPECT_EQ(0, set_irqs(fd, bools, index[i], 0, 1, &yes, 1));
		sleep_ms(5);
		/* It is the one that is enabled all the same. */
		EXPECT_EQ(-EINVAL, arm(fd, index[(i + 1) % 3], 0, 1, &none));

		ASSERT_EQ(0, arm(fd, index[i], 0, 1, self->efd));
		if (index[i] == INTX)
			EXPECT_EQ(0, irq_action(fd, INTX, 0, 1, UNMASK));
		EXPECT_TRUE(WAIT_FOR(any_fired(self->efd, 1), SOON));
		ASSERT_EQ(0, arm(fd, index[i], 0, 1, &none));
		any_fired(self->efd, 1);
		sleep_ms(5);
		EXPECT_FALSE(any_fired(self->efd, 1));
		ASSERT_EQ(0, irq_action(fd, index[i], 0, 0, TRIGGER));
	}
	/* Those of one, which are not enabled: there is one or there is none. */
	for (i = ERR; i <= VFIO_PCI_REQ_IRQ_INDEX; i++) {
		EXPECT_EQ(-EINVAL, irq_action(fd, i, 0, 1, TRIGGER));
		EXPECT_EQ(0, set_irqs(fd, bools, i, 0, 1, &yes, 1));
		EXPECT_EQ(0, arm(fd, i, 0, 1, &none));
		EXPECT_EQ(-EINVAL, irq_action(fd, i, 0, 0, TRIGGER));
	}
	ASSERT_EQ(0, command(fd, MDEV_TEST_PCI_STORM, 0));
}

/* INTx is masked, unmasked, exchanged and taken down while its level is up. */
TEST_F(pci, row_32_intx_masked_while_it_is_set_up)
{
	const __u32 by_eventfd = VFIO_IRQ_SET_DATA_EVENTFD | UNMASK;
	const int fd = self->fd;
	__s32 unmask = new_eventfd(), none = -1;

	ASSERT_EQ(0, command(fd, MDEV_TEST_PCI_INTX, 1));
	EXPECT_EQ(-EINVAL, irq_action(fd, INTX, 0, 1, MASK));
	EXPECT_EQ(-EINVAL, irq_action(fd, INTX, 0, 1, UNMASK));
	EXPECT_EQ(-EINVAL, set_irqs(fd, by_eventfd, INTX, 0, 1, &unmask, 4));

	/* The level is up already, and masked it stays through an exchange. */
	ASSERT_EQ(0, arm(fd, INTX, 0, 1, self->efd));
	EXPECT_EQ(1, fired(self->efd[0]));
	ASSERT_EQ(0, irq_action(fd, INTX, 0, 1, MASK));
	ASSERT_EQ(0, arm(fd, INTX, 0, 1, &self->efd[1]));
	EXPECT_EQ(0, fired(self->efd[1]));
	ASSERT_EQ(0, put(fd, CONFIG + PCI_COMMAND, 2, PCI_COMMAND_MEMORY |
			 PCI_COMMAND_INTX_DISABLE));
	ASSERT_EQ(0, irq_action(fd, INTX, 0, 1, UNMASK));
	EXPECT_EQ(0, fired(self->efd[1]));
	ASSERT_EQ(0, put(fd, CONFIG + PCI_COMMAND, 2, PCI_COMMAND_MEMORY));
	EXPECT_EQ(1, fired(self->efd[1]));
	EXPECT_EQ(0, fired(self->efd[0]));

	/* Unmasked through an eventfd, of which there is one at a time */
	ASSERT_EQ(0, set_irqs(fd, by_eventfd, INTX, 0, 1, &unmask, 4));
	EXPECT_EQ(-EBUSY, set_irqs(fd, by_eventfd, INTX, 0, 1, self->efd, 4));
	EXPECT_EQ(0, eventfd_write(unmask, 1));
	EXPECT_TRUE(WAIT_FOR(fired(self->efd[1]) == 1, SOON));
	ASSERT_EQ(0, arm(fd, INTX, 0, 1, &none));
	EXPECT_EQ(0, eventfd_write(unmask, 1));
	EXPECT_EQ(0, fired(self->efd[1]));

	/* Taken down masked, it comes up unmasked, and nobody unmasks it. */
	ASSERT_EQ(0, irq_action(fd, INTX, 0, 1, MASK));
	ASSERT_EQ(0, irq_action(fd, INTX, 0, 0, TRIGGER));
	EXPECT_EQ(0, eventfd_write(unmask, 1));
	EXPECT_EQ(-EINVAL, irq_action(fd, INTX, 0, 1, UNMASK));
	ASSERT_EQ(0, arm(fd, INTX, 0, 1, self->efd));
	EXPECT_EQ(1, fired(self->efd[0]));
	EXPECT_EQ(0, eventfd_write(unmask, 1));
	sleep_ms(5);
	EXPECT_EQ(0, fired(self->efd[0]));
	EXPECT_EQ(0, set_irqs(fd, by_eventfd, INTX, 0, 1, &unmask, 4));
	ASSERT_EQ(0, command(fd, MDEV_TEST_PCI_INTX, 0));
}

/*
 * The admin asks through an eventfd that the user is just exchanging, and of which
 * nobody but the device keeps it.
 */

static void *exchange_request(void *data)
{
	struct armer *armer = data;
	long ret;

	while (!__atomic_load_n(&armer->stop, __ATOMIC_RELAXED)) {
		__s32 efd = new_eventfd();

		ret = arm(armer->fd, VFIO_PCI_REQ_IRQ_INDEX, 0, 1, &efd);
		/* Closed, its number may be another file's. */
		if (ret && ret != -EBADF && ret != -ENOTTY)
			armer->wrong = ret;
		close(efd);
	}
	return NULL;
}

TEST_F(pci, row_33_asked_while_it_sets_irqs)
{
	struct armer armer = { .fd = self->fd };
	char path[PATH_LEN];
	pthread_t thread[2];
	unsigned int i;
	pid_t admin;

	ASSERT_EQ(0, arm(self->fd, VFIO_PCI_REQ_IRQ_INDEX, 0, 1, self->efd));
	mdev_path(path, self->uuid, "remove");
	admin = async_write(path, "1");
	EXPECT_TRUE(WAIT_FOR(fired(self->efd[0]) > 0, SOON));
	for (i = 0; i < ARRAY_LEN(thread); i++)
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, exchange_request,
					    &armer));
	/* Killed, and asked again: each asks at once. */
	for (i = 0; i < 10; i++) {
		async_kill(admin);
		admin = async_write(path, "1");
		sleep_ms(50);
	}
	/* It gives way in the middle of it. */
	mdev_close(&self->user);
	EXPECT_EQ(0, async_result(admin, SOON));
	__atomic_store_n(&armer.stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < ARRAY_LEN(thread); i++)
		pthread_join(thread[i], NULL);
	EXPECT_EQ(0, armer.wrong);
	EXPECT_FALSE(mdev_exists(self->uuid));
}

/*
 * Closed while its interrupt and the unmasking chase each other, both through one
 * eventfd: when the file is closed nothing of it runs on.
 */
TEST_F(pci, row_35_closed_in_a_resample)
{
	unsigned int i;

	for (i = 0; i < 20; i++) {
		const int fd = self->user.device;
		__s32 efd = new_eventfd();

		ASSERT_EQ(0, arm(fd, INTX, 0, 1, &efd));
		ASSERT_EQ(0, set_irqs(fd, VFIO_IRQ_SET_DATA_EVENTFD | UNMASK,
				      INTX, 0, 1, &efd, sizeof(efd)));
		ASSERT_EQ(0, command(fd, MDEV_TEST_PCI_INTX, 1));
		/* Now and then the eventfd goes first, and takes its work along. */
		if (i % 4 == 3) {
			close(efd);
			efd = -1;
		}
		mdev_close(&self->user);
		if (efd >= 0) {
			fired(efd);
			EXPECT_EQ(0, eventfd_write(efd, 1));
			sleep_ms(2);
			EXPECT_EQ(1, fired(efd));
			close(efd);
		}
		ASSERT_EQ(0, mdev_open(self->uuid, &self->user));
		ASSERT_EQ(0, command(self->user.device, MDEV_TEST_PCI_INTX, 0));
	}
}

/* The user that opens it next finds nothing of the one before. */
TEST_F(pci, next_user)
{
	const int fd = self->fd;

	ASSERT_EQ(0, put(fd, CONFIG + PCI_COMMAND, 2, 0));
	ASSERT_EQ(0, put(fd, CONFIG + PCI_BASE_ADDRESS_2, 8, ~0ULL));
	ASSERT_EQ(0, arm(fd, MSIX, 0, NR_MSIX, self->efd));
	ASSERT_EQ(0, arm(fd, ERR, 0, 1, self->efd));
	mdev_close(&self->user);
	ASSERT_EQ(0, mdev_open(self->uuid, &self->user));
	self->fd = self->user.device;
	EXPECT_EQ(PCI_COMMAND_IO | PCI_COMMAND_MEMORY,
		  get(self->fd, CONFIG + PCI_COMMAND, 2));
	EXPECT_EQ(PCI_BASE_ADDRESS_MEM_TYPE_64 | PCI_BASE_ADDRESS_MEM_PREFETCH,
		  get(self->fd, CONFIG + PCI_BASE_ADDRESS_2, 8));
	EXPECT_EQ(0, command(self->fd, MDEV_TEST_PCI_VECTORS, 0));
	EXPECT_EQ(0, command(self->fd, MDEV_TEST_PCI_ERROR, 0));
	EXPECT_FALSE(any_fired(self->efd, NR_MSIX));
	ASSERT_EQ(0, arm(self->fd, MSI, 0, 1, self->efd));
}

MDEV_TEST_MAIN("mdev_pci", TEST_PCI)
