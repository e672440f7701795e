// SPDX-License-Identifier: GPL-2.0-only
/*
 * Test vendor driver: a PCI card that has one of everything
 *
 * What the helpers of mdev_pci.ko do for a driver shows in what the user of the
 * card sees, and in what reaches the driver: the last access is kept and told.
 * The card signals interrupts when told to by a command of its own, or, in a
 * storm, all of them from a timer, also while nobody has it open.
 *
 * test->mem lives from create to remove; mappings hold the device's file, and
 * that the device. What user space writes there has no order. test->lock covers
 * the last access.
 */
#include <linux/device.h>
#include <linux/hrtimer.h>
#include <linux/ktime.h>
#include <linux/mdev_pci.h>
#include <linux/mdev_virtual.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>
#include <vfio-compat/hrtimer.h>

#include "mdev_test_abi.h"

#define TEST_INSTANCES		16
#define TEST_STORM_NS		(500 * NSEC_PER_USEC)

struct test_pci {
	struct mdev_pci pci;
	spinlock_t lock;	/* protects seen */
	struct mdev_test_pci_seen seen;
	u8 *mem[PCI_STD_NUM_BARS];
	u8 region[MDEV_TEST_PCI_REGION_SIZE];
	struct hrtimer storm;
	bool storming;
};

static atomic_t test_free = ATOMIC_INIT(TEST_INSTANCES);

static struct test_pci *to_test(struct mdev_pci *pci)
{
	return container_of(pci, struct test_pci, pci);
}

static void test_see(struct test_pci *test, u32 bar, u64 offset,
		     unsigned int width, bool write)
{
	spin_lock(&test->lock);
	test->seen.bar = bar;
	test->seen.offset = offset;
	test->seen.width = width;
	test->seen.write = write;
	test->seen.count++;
	spin_unlock(&test->lock);
}

/* Its memory has numbers as PCI has them, the lowest byte first. */
static u64 get_number(const void *mem, unsigned int width)
{
	__le64 bytes = 0;

	memcpy(&bytes, mem, width);
	return le64_to_cpu(bytes);
}

static void put_number(void *mem, unsigned int width, u64 val)
{
	__le64 bytes = cpu_to_le64(val);

	memcpy(mem, &bytes, width);
}

/* BARs */

static int test_load(struct mdev_pci *pci, u32 bar, u64 offset,
		     unsigned int width, u64 *val)
{
	struct test_pci *test = to_test(pci);

	test_see(test, bar, offset, width, false);
	*val = get_number(test->mem[bar] + offset, width);
	return 0;
}

static int test_store(struct mdev_pci *pci, u32 bar, u64 offset,
		      unsigned int width, u64 val)
{
	struct test_pci *test = to_test(pci);

	test_see(test, bar, offset, width, true);
	put_number(test->mem[bar] + offset, width, val);
	return 0;
}

static int test_map(struct mdev_pci *pci, u32 bar, struct vm_area_struct *vma,
		    u64 offset)
{
	return remap_vmalloc_range(vma, to_test(pci)->mem[bar],
				   offset >> PAGE_SHIFT);
}

#define TEST_READ(_bar)							\
static int test_read##_bar(struct mdev_pci *pci, u64 offset,		\
			   unsigned int width, u64 *val)		\
{									\
	return test_load(pci, _bar, offset, width, val);		\
}

#define TEST_WRITE(_bar)						\
static int test_write##_bar(struct mdev_pci *pci, u64 offset,		\
			    unsigned int width, u64 val)		\
{									\
	return test_store(pci, _bar, offset, width, val);		\
}

TEST_READ(0)
TEST_WRITE(0)
TEST_READ(1)
TEST_WRITE(1)
TEST_READ(2)
TEST_WRITE(2)
TEST_READ(4)
TEST_WRITE(4)

static int test_map0(struct mdev_pci *pci, struct vm_area_struct *vma,
		     u64 offset)
{
	return test_map(pci, 0, vma, offset);
}

static int test_map2(struct mdev_pci *pci, struct vm_area_struct *vma,
		     u64 offset)
{
	return test_map(pci, 2, vma, offset);
}

/* Regions */

static int test_region_read(struct mdev_pci *pci, u64 offset,
			    unsigned int width, u64 *val)
{
	*val = get_number(to_test(pci)->region + offset, width);
	return 0;
}

static int test_region_write(struct mdev_pci *pci, u64 offset,
			     unsigned int width, u64 val)
{
	/* The last eight bytes are broken. */
	if (offset >= MDEV_TEST_PCI_REGION_SIZE - 8)
		return -EIO;
	put_number(to_test(pci)->region + offset, width, val);
	return 0;
}

static const struct mdev_pci_region test_regions[] = {
	{
		.type = MDEV_TEST_REGION_TYPE,
		.subtype = MDEV_TEST_REGION_SUBTYPE,
		.size = MDEV_TEST_PCI_REGION_SIZE,
		.read = test_region_read,
		.write = test_region_write,
	}, {
		.type = MDEV_TEST_REGION_TYPE,
		.subtype = MDEV_TEST_REGION_SUBTYPE + 1,
		.size = MDEV_TEST_PCI_REGION_SIZE,
		.read = test_region_read,
	},
};

/* The card */

static void test_config_written(struct mdev_pci *pci, unsigned int offset,
				unsigned int width)
{
	test_see(to_test(pci), VFIO_PCI_CONFIG_REGION_INDEX, offset, width,
		 true);
}

static int test_reset(struct mdev_pci *pci)
{
	struct test_pci *test = to_test(pci);

	memset(test->mem[0], 0, MDEV_TEST_PCI_BAR0_SIZE);
	return 0;
}

static const struct mdev_pci_area test_areas[] = {
	{ MDEV_TEST_PCI_AREA0_OFFSET, MDEV_TEST_PCI_AREA0_SIZE },
	{ MDEV_TEST_PCI_AREA1_OFFSET, MDEV_TEST_PCI_AREA1_SIZE },
};

static const struct mdev_pci_desc test_desc = {
	.vendor_id = 0x1234,
	.device_id = 0x7e57,
	.subsystem_vendor_id = 0x1234,
	.subsystem_id = 0x0001,
	.class = 0xff0000,
	.revision = 7,
	.interrupt_pin = 1,
	.config_size = 4096,
	.bar[0] = {
		.size = MDEV_TEST_PCI_BAR0_SIZE,
		.read = test_read0,
		.write = test_write0,
		.mmap = test_map0,
		.areas = test_areas,
		.nr_areas = ARRAY_SIZE(test_areas),
	},
	.bar[1] = {
		.size = MDEV_TEST_PCI_BAR1_SIZE,
		.flags = PCI_BASE_ADDRESS_SPACE_IO,
		.max_width = 4,
		.read = test_read1,
		.write = test_write1,
	},
	.bar[2] = {
		.size = MDEV_TEST_PCI_BAR2_SIZE,
		.flags = PCI_BASE_ADDRESS_MEM_TYPE_64 |
			 PCI_BASE_ADDRESS_MEM_PREFETCH,
		.read = test_read2,
		.write = test_write2,
		.mmap = test_map2,
	},
	.bar[4] = {
		.size = MDEV_TEST_PCI_BAR4_SIZE,
		.max_width = 2,
		.read = test_read4,
		.write = test_write4,
	},
	.bar[5] = {
		.size = MDEV_TEST_PCI_BAR5_SIZE,
	},
	.reset = test_reset,
	.config_written = test_config_written,
	.regions = test_regions,
	.nr_regions = ARRAY_SIZE(test_regions),
};

/* From a hard interrupt, with PREEMPT_RT from a thread, at any time */
static enum hrtimer_restart test_storm(struct hrtimer *timer)
{
	struct test_pci *test = container_of(timer, struct test_pci, storm);
	unsigned int i;

	for (i = 0; i < MDEV_TEST_PCI_NR_MSIX; i++)
		mdev_pci_signal_msi(&test->pci, i);
	mdev_pci_set_intx(&test->pci, false);
	mdev_pci_set_intx(&test->pci, true);
	mdev_pci_signal_error(&test->pci);
	hrtimer_forward_now(timer, ns_to_ktime(TEST_STORM_NS));
	return READ_ONCE(test->storming) ? HRTIMER_RESTART : HRTIMER_NORESTART;
}

static void test_set_storm(struct test_pci *test, bool on)
{
	WRITE_ONCE(test->storming, on);
	if (on) {
		hrtimer_start(&test->storm, ns_to_ktime(TEST_STORM_NS),
			      HRTIMER_MODE_REL);
		return;
	}
	hrtimer_cancel(&test->storm);
	mdev_pci_set_intx(&test->pci, false);
}

static int test_add_caps(struct mdev_pci *pci)
{
	static const u8 body[5] = { 1, 2, 3, 4, 5 };
	static const u8 writable[5] = { 0, 0xff, 0, 0x0f };
	static const __le64 serial = cpu_to_le64(MDEV_TEST_PCI_SERIAL);
	int ret;

	ret = mdev_pci_add_pm(pci);
	if (ret > 0)
		ret = mdev_pci_add_msi(pci, MDEV_TEST_PCI_NR_MSI);
	if (ret > 0)
		ret = mdev_pci_add_msix(pci, MDEV_TEST_PCI_NR_MSIX, 2,
					MDEV_TEST_PCI_TABLE, MDEV_TEST_PCI_PBA);
	if (ret > 0)
		ret = mdev_pci_add_vendor_cap(pci, body, writable,
					      sizeof(body));
	if (ret > 0)
		ret = mdev_pci_add_ext_cap(pci, PCI_EXT_CAP_ID_DSN, 1, &serial,
					   NULL, sizeof(serial));
	return min(ret, 0);
}

/* Capabilities that cannot be; the card has them all already. */
static int test_refusals(struct mdev_pci *pci)
{
	static const u8 body[256];
	const struct {
		int is, ought;
	} answers[] = {
		{ mdev_pci_add_pm(pci), -EEXIST },
		{ mdev_pci_add_msi(pci, 0), -EINVAL },
		{ mdev_pci_add_msi(pci, 3), -EINVAL },
		{ mdev_pci_add_msi(pci, 64), -EINVAL },
		{ mdev_pci_add_msi(pci, 1), -EEXIST },
		{ mdev_pci_add_msix(pci, 0, 2, 0, 0x100), -EINVAL },
		{ mdev_pci_add_msix(pci, 2049, 2, 0, 0x100), -EINVAL },
		/* In a BAR of ports, in none, in a seventh */
		{ mdev_pci_add_msix(pci, 1, 1, 0, 0x10), -EINVAL },
		{ mdev_pci_add_msix(pci, 1, 3, 0, 0x10), -EINVAL },
		{ mdev_pci_add_msix(pci, 1, 6, 0, 0x10), -EINVAL },
		/* Beyond it, and at an odd place */
		{ mdev_pci_add_msix(pci, 2, 2, MDEV_TEST_PCI_BAR2_SIZE - 0x10, 0), -EINVAL },
		{ mdev_pci_add_msix(pci, 1, 2, 0, MDEV_TEST_PCI_BAR2_SIZE), -EINVAL },
		{ mdev_pci_add_msix(pci, 1, 2, ~0ULL << 3, 0), -EINVAL },
		{ mdev_pci_add_msix(pci, 1, 2, 4, 0x100), -EINVAL },
		{ mdev_pci_add_msix(pci, 1, 2, 0, 0x104), -EINVAL },
		/* In each other's place */
		{ mdev_pci_add_msix(pci, 2, 2, 0x100, 0x118), -EINVAL },
		{ mdev_pci_add_msix(pci, 2, 2, 0x100, 0x100), -EINVAL },
		{ mdev_pci_add_msix(pci, 1, 2, 0, 0x100), -EEXIST },
		{ mdev_pci_add_vendor_cap(pci, body, NULL, 256), -ENOSPC },
		{ mdev_pci_add_cap(pci, PCI_CAP_ID_EXP, body, NULL, 200),
		  -ENOSPC },
		{ mdev_pci_add_ext_cap(pci, PCI_EXT_CAP_ID_VNDR, 16, body, NULL,
				       4), -EINVAL },
		{ mdev_pci_add_ext_cap(pci, PCI_EXT_CAP_ID_VNDR, 1, body, NULL,
				       4096), -ENOSPC },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(answers); i++) {
		if (answers[i].is != answers[i].ought)
			return i + 1;
	}
	return 0;
}

static long test_ioctl(struct mdev_device *mdev, unsigned int cmd,
		       unsigned long arg)
{
	struct mdev_pci *pci = mdev_to_pci(mdev);
	struct test_pci *test = to_test(pci);
	struct mdev_test_pci_seen seen;

	switch (cmd) {
	case MDEV_TEST_PCI_MESSAGE:
		return mdev_pci_signal_msi(pci, arg);
	case MDEV_TEST_PCI_VECTORS:
		return mdev_pci_nr_vectors(pci);
	case MDEV_TEST_PCI_INTX:
		mdev_pci_set_intx(pci, arg);
		return 0;
	case MDEV_TEST_PCI_ERROR:
		mdev_pci_signal_error(pci);
		return 0;
	case MDEV_TEST_PCI_STATUS:
		mdev_pci_config_set(pci, PCI_STATUS, 2, arg |
				    mdev_pci_config_get(pci, PCI_STATUS, 2));
		return 0;
	case MDEV_TEST_PCI_STORM:
		test_set_storm(test, arg);
		return 0;
	case MDEV_TEST_PCI_SEEN:
		spin_lock(&test->lock);
		seen = test->seen;
		spin_unlock(&test->lock);
		return copy_to_user((void __user *)arg, &seen, sizeof(seen)) ?
		       -EFAULT : 0;
	case MDEV_TEST_PCI_REFUSALS:
		return test_refusals(pci);
	default:
		return -ENOTTY;
	}
}

/* Life */

static void test_free_memory(struct test_pci *test)
{
	unsigned int i;

	for (i = 0; i < PCI_STD_NUM_BARS; i++)
		vfree(test->mem[i]);
	kfree(test);
}

static struct test_pci *test_alloc(void)
{
	struct test_pci *test = kzalloc(sizeof(*test), GFP_KERNEL);
	unsigned int i;

	if (!test)
		return NULL;

	spin_lock_init(&test->lock);
	vfio_compat_hrtimer_setup(&test->storm, test_storm, CLOCK_MONOTONIC,
				  HRTIMER_MODE_REL);
	for (i = 0; i < PCI_STD_NUM_BARS; i++) {
		if (!test_desc.bar[i].size)
			continue;
		test->mem[i] = vmalloc_user(PAGE_ALIGN(test_desc.bar[i].size));
		if (!test->mem[i]) {
			test_free_memory(test);
			return NULL;
		}
	}
	return test;
}

static int test_create(struct kobject *kobj, struct mdev_device *mdev)
{
	struct test_pci *test;
	int ret = -ENOMEM;

	if (atomic_dec_if_positive(&test_free) < 0)
		return -EUSERS;
	test = test_alloc();
	if (!test)
		goto put_instance;
	ret = mdev_pci_init(&test->pci, mdev, &test_desc);
	if (ret)
		goto free;
	ret = test_add_caps(&test->pci);
	if (ret)
		goto destroy;
	return 0;

destroy:
	mdev_pci_destroy(&test->pci);
free:
	test_free_memory(test);
put_instance:
	atomic_inc(&test_free);
	return ret;
}

static int test_remove(struct mdev_device *mdev)
{
	struct test_pci *test = to_test(mdev_to_pci(mdev));

	test_set_storm(test, false);
	mdev_pci_destroy(&test->pci);
	test_free_memory(test);
	atomic_inc(&test_free);
	return 0;
}

static ssize_t device_api_show(struct kobject *kobj, struct device *dev,
			       char *buf)
{
	return sysfs_emit(buf, "%s\n", VFIO_DEVICE_API_PCI_STRING);
}
static MDEV_TYPE_ATTR_RO(device_api);

static ssize_t available_instances_show(struct kobject *kobj,
					struct device *dev, char *buf)
{
	return sysfs_emit(buf, "%d\n", atomic_read(&test_free));
}
static MDEV_TYPE_ATTR_RO(available_instances);

static struct attribute *test_type_attrs[] = {
	&mdev_type_attr_device_api.attr,
	&mdev_type_attr_available_instances.attr,
	NULL
};

static struct attribute_group test_type = {
	.name = "card",
	.attrs = test_type_attrs,
};

static struct attribute_group *test_types[] = { &test_type, NULL };

static const struct mdev_parent_ops test_ops = {
	.owner = THIS_MODULE,
	.supported_type_groups = test_types,
	.create = test_create,
	.remove = test_remove,
	.open = mdev_pci_open,
	.release = mdev_pci_release,
	.ioctl = test_ioctl,
	MDEV_PCI_PARENT_OPS,
};

module_mdev_virtual_parent(mdev_test_pci, test_ops);

MODULE_DESCRIPTION("Mediated devices: test vendor driver with PCI cards");
MODULE_LICENSE("GPL");
