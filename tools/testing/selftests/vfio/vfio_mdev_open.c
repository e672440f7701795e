// SPDX-License-Identifier: GPL-2.0-only
/*
 * What vendors differ in when their devices are opened: callbacks that they
 * lack, regions that cannot be, and the virtual machine that a device is
 * opened for.
 */
#include <fcntl.h>
#include <linux/kvm.h>
#include <linux/types.h>
#include <stdio.h>

#include "kselftest_harness.h"
#include "vfio_util.h"

/* Callbacks that a vendor lacks */

FIXTURE(lacking) {
	struct mdev_env env;
	char uuid[UUID_LEN];
	struct mdev_user user;
	bool made;
};

FIXTURE_VARIANT(lacking) {
	const char *vendor;
	bool structured;
};

FIXTURE_VARIANT_ADD(lacking, raw) {
	.vendor = RAW,
};

FIXTURE_VARIANT_ADD(lacking, structured) {
	.vendor = STRUCTURED,
	.structured = true,
};

FIXTURE_SETUP(lacking)
{
	self->user.container = -1;
	self->user.group = -1;
	self->user.device = -1;
	ASSERT_EQ(0, env_setup(&self->env, variant->vendor));
}

FIXTURE_TEARDOWN(lacking)
{
	mdev_close(&self->user);
	if (self->made) {
		EXPECT_EQ(0, mdev_remove(self->uuid));
		EXPECT_EQ(0, parent_unregister(variant->vendor, 1));
	}
	EXPECT_EQ(0, env_teardown(&self->env));
}

/* Makes and opens a device whose vendor lacks CALLBACK. */
static int open_lacking(const char *vendor, const char *callback, char *uuid,
			struct mdev_user *user, bool *made)
{
	char text[32];
	int ret;

	snprintf(text, sizeof(text), "1 no-%s", callback);
	ret = vendor_write(vendor, "register", text);
	if (ret)
		return ret;
	*made = true;
	ret = mdev_make(vendor, 1, "many", uuid);
	if (ret)
		return ret;
	return mdev_open(uuid, user);
}

#define OPEN_LACKING(callback)						\
	open_lacking(variant->vendor, callback, self->uuid, &self->user,\
		     &self->made)

TEST_F(lacking, open)
{
	EXPECT_EQ(-EINVAL, OPEN_LACKING("open"));
	EXPECT_EQ(0, vendor_calls(variant->vendor, "release"));
}

TEST_F(lacking, release)
{
	expect_dmesg("remove while open");
	ASSERT_EQ(0, OPEN_LACKING("release"));
	EXPECT_EQ(0, mdev_alive(&self->user));
	mdev_close(&self->user);
	EXPECT_EQ(0, vendor_calls(variant->vendor, "release"));
	/* The test vendor has to be told in another way. */
	EXPECT_EQ(0, mdev_remove(self->uuid));
	EXPECT_EQ(1, vendor_get(variant->vendor, "violations"));
	ASSERT_EQ(0, vendor_reset(variant->vendor));
	EXPECT_EQ(0, mdev_make(variant->vendor, 1, "many", self->uuid));
}

TEST_F(lacking, read)
{
	__u32 value = 0;

	ASSERT_EQ(0, OPEN_LACKING("read"));
	EXPECT_EQ(-EINVAL, file_read(self->user.device, &value, 4, 0));
	EXPECT_EQ(4, file_write(self->user.device, &value, 4, 0));
}

TEST_F(lacking, write)
{
	__u32 value = 0;

	ASSERT_EQ(0, OPEN_LACKING("write"));
	EXPECT_EQ(-EINVAL, file_write(self->user.device, &value, 4, 0));
	EXPECT_EQ(4, file_read(self->user.device, &value, 4, 0));
}

TEST_F(lacking, mmap)
{
	ASSERT_EQ(0, OPEN_LACKING("mmap"));
	EXPECT_EQ(MAP_FAILED,
		  mmap(NULL, PAGE, PROT_READ, MAP_SHARED, self->user.device,
		       (off_t)MDEV_TEST_REGION_MEM << MDEV_TEST_OFFSET_SHIFT));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(0, mdev_alive(&self->user));
}

TEST_F(lacking, ioctl)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	int fd;

	ASSERT_EQ(0, OPEN_LACKING("ioctl"));
	fd = self->user.device;
	EXPECT_EQ(variant->structured ? 0 : -EINVAL,
		  file_ioctl(fd, VFIO_DEVICE_GET_INFO, &info));
	EXPECT_EQ(variant->structured ? 0 : -EINVAL,
		  file_ioctl(fd, VFIO_DEVICE_RESET, NULL));
	EXPECT_EQ(variant->structured ? -ENOTTY : -EINVAL,
		  file_ioctl(fd, MDEV_TEST_ECHO, NULL));
}

/* What has no op of its own is the ioctl's. */

FIXTURE(partly) {
	struct mdev_env env;
	char uuid[UUID_LEN];
	struct mdev_user user;
	bool made;
};

FIXTURE_VARIANT(partly) {
	const char *callback;
	unsigned int cmd;
};

FIXTURE_VARIANT_ADD(partly, get_region_info) {
	.callback = "get_region_info",
	.cmd = VFIO_DEVICE_GET_REGION_INFO,
};

FIXTURE_VARIANT_ADD(partly, set_irqs) {
	.callback = "set_irqs",
	.cmd = VFIO_DEVICE_SET_IRQS,
};

FIXTURE_VARIANT_ADD(partly, reset) {
	.callback = "reset",
	.cmd = VFIO_DEVICE_RESET,
};

FIXTURE_SETUP(partly)
{
	ASSERT_EQ(0, env_setup(&self->env, STRUCTURED));
	ASSERT_EQ(0, open_lacking(STRUCTURED, variant->callback, self->uuid,
				  &self->user, &self->made));
}

FIXTURE_TEARDOWN(partly)
{
	mdev_close(&self->user);
	EXPECT_EQ(0, mdev_remove(self->uuid));
	EXPECT_EQ(0, parent_unregister(STRUCTURED, 1));
	EXPECT_EQ(0, env_teardown(&self->env));
}

TEST_F(partly, structured)
{
	struct vfio_region_info info = { .argsz = sizeof(info) };
	unsigned long arg = 0x7edcba9876543210UL;
	int fd = self->user.device;
	char buf[8];
	ssize_t ret;

	ASSERT_EQ(0, vendor_set(STRUCTURED, "ioctl/error", EXFULL));
	/* From 6.19 on the kernel itself reads what this is given. */
	if (variant->cmd == VFIO_DEVICE_GET_REGION_INFO && !kernel_before(6, 19)) {
		EXPECT_EQ(-EFAULT, file_ioctl(fd, variant->cmd, (void *)arg));
		arg = (unsigned long)&info;
	}
	EXPECT_EQ(-EXFULL, file_ioctl(fd, variant->cmd, (void *)arg));
	EXPECT_EQ(variant->cmd, vendor_get(STRUCTURED, "ioctl/arg0"));
	EXPECT_EQ(arg, vendor_get(STRUCTURED, "ioctl/arg1"));
	EXPECT_EQ(0, mdev_alive(&self->user));

	/* Without regions there are no bounds but the vendor's own. */
	ret = file_read(fd, buf, sizeof(buf), MDEV_TEST_REGS_SIZE - 4);
	EXPECT_EQ(4, ret);
	EXPECT_EQ(variant->cmd == VFIO_DEVICE_GET_REGION_INFO ? 8 : 4,
		  vendor_get(STRUCTURED, "read/arg1"));
}

/* A feature of the device that its vendor does not have */
TEST_F(lacking, device_feature)
{
	struct vfio_device_feature feature = {
		.argsz = sizeof(feature),
		.flags = VFIO_DEVICE_FEATURE_PROBE | VFIO_DEVICE_FEATURE_GET |
			 MDEV_TEST_FEATURE,
	};

	ASSERT_EQ(0, OPEN_LACKING("device_feature"));
	EXPECT_EQ(-ENOTTY, file_ioctl(self->user.device, VFIO_DEVICE_FEATURE,
				      &feature));
	EXPECT_EQ(0, vendor_calls(variant->vendor, "ioctl"));
}

/* Layouts that cannot be, and vendors that fail to tell */

FIXTURE(layout) {
	struct mdev_env env;
	char uuid[UUID_LEN];
	struct mdev_user user;
};

static int set_layout(unsigned int layout)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", layout);
	return write_file("/sys/module/" STRUCTURED "/parameters/layout", text);
}

FIXTURE_SETUP(layout)
{
	ASSERT_EQ(0, env_setup(&self->env, STRUCTURED));
	ASSERT_EQ(0, mdev_make(STRUCTURED, 0, "many", self->uuid));
}

/* A failed open leaves nothing: the next one succeeds. */
FIXTURE_TEARDOWN(layout)
{
	EXPECT_EQ(vendor_calls(STRUCTURED, "open"),
		  vendor_calls(STRUCTURED, "release"));
	EXPECT_EQ(0, set_layout(0));
	EXPECT_EQ(0, vendor_reset(STRUCTURED));
	EXPECT_EQ(0, mdev_open(self->uuid, &self->user));
	EXPECT_EQ(0, mdev_alive(&self->user));
	mdev_close(&self->user);
	EXPECT_EQ(0, mdev_remove(self->uuid));
	EXPECT_EQ(0, env_teardown(&self->env));
}

TEST_F(layout, impossible)
{
	unsigned int layout;

	expect_dmesg("its driver (says it has|gives no usable answer)");
	for (layout = 1; layout <= 4; layout++) {
		ASSERT_EQ(0, set_layout(layout));
		EXPECT_EQ(-EINVAL, mdev_open(self->uuid, &self->user)) {
			TH_LOG("layout %u", layout);
		}
	}
	EXPECT_EQ(4, vendor_calls(STRUCTURED, "open"));
}

TEST_F(layout, not_told)
{
	long long start;
	int region, i, kmsg;

	expect_dmesg("its driver gives no usable answer");
	ASSERT_EQ(0, vendor_set(STRUCTURED, "get_device_info/error", EXFULL));
	EXPECT_EQ(-EXFULL, mdev_open(self->uuid, &self->user));
	EXPECT_EQ(0, vendor_calls(STRUCTURED, "get_region_info"));
	ASSERT_EQ(0, vendor_set(STRUCTURED, "get_device_info/error", 0));

	ASSERT_EQ(0, vendor_set(STRUCTURED, "get_region_info/error", EXFULL));
	for (region = 1; region <= MDEV_TEST_NUM_REGIONS; region++) {
		ASSERT_EQ(0, vendor_set(STRUCTURED, "get_region_info/nth",
					region));
		ASSERT_EQ(0, vendor_set(STRUCTURED, "get_region_info/calls",
					0));
		EXPECT_EQ(-EXFULL, mdev_open(self->uuid, &self->user));
	}

	/* A user that tries again and again does not fill the log. */
	kmsg = kmsg_open();
	start = now_ms();
	for (i = 0; i < 100; i++) {
		ASSERT_EQ(0, vendor_set(STRUCTURED, "get_region_info/calls", 0));
		EXPECT_EQ(-EXFULL, mdev_open(self->uuid, &self->user));
	}
	EXPECT_GE(kmsg_most(start), kmsg_count(kmsg, "no usable answer"));
	close(kmsg);
}

/* Ops that need others: no registration without */
TEST_F(layout, ops_missing)
{
	expect_dmesg("not registered for mediated devices");
	EXPECT_EQ(-EINVAL, vendor_write(STRUCTURED, "register",
					"1 no-get_device_info"));
	EXPECT_EQ(-EINVAL, vendor_write(STRUCTURED, "register",
					"1 no-get_irq_info"));
}

TEST_F(layout, open_fails)
{
	ASSERT_EQ(0, vendor_set(STRUCTURED, "open/error", EXFULL));
	EXPECT_EQ(-EXFULL, mdev_open(self->uuid, &self->user));
	EXPECT_EQ(0, vendor_calls(STRUCTURED, "release"));
	EXPECT_EQ(0, vendor_calls(STRUCTURED, "get_device_info"));
	ASSERT_EQ(0, vendor_set(STRUCTURED, "open/calls", 0));
}

/* The virtual machine */

FIXTURE(kvm) {
	struct mdev_env env;
	char uuid[UUID_LEN];
	struct mdev_user user;
	const char *module;	/* to unload */
	int vm;
	int vfio;		/* KVM's device */
};

FIXTURE_SETUP(kvm)
{
	struct kvm_create_device device = { .type = KVM_DEV_TYPE_VFIO };
	int kvm;

	self->module = kvm_load();
	kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (kvm < 0)
		SKIP(return, "no KVM here");
	self->vm = ioctl(kvm, KVM_CREATE_VM, 0);
	close(kvm);
	ASSERT_LE(0, self->vm);
	ASSERT_EQ(0, ioctl(self->vm, KVM_CREATE_DEVICE, &device));
	self->vfio = device.fd;
	ASSERT_EQ(0, env_setup(&self->env, STRUCTURED));
	ASSERT_EQ(0, mdev_make(STRUCTURED, 0, "many", self->uuid));
	ASSERT_EQ(0, mdev_attach(self->uuid, &self->user));
}

FIXTURE_TEARDOWN(kvm)
{
	mdev_close(&self->user);
	close(self->vfio);
	close(self->vm);
	EXPECT_EQ(0, mdev_remove(self->uuid));
	EXPECT_EQ(0, env_teardown(&self->env));
	EXPECT_EQ(0, kvm_unload(self->module));
}

static int change_group(int vfio, int attr, int group)
{
	struct kvm_device_attr request = {
		.group = KVM_DEV_VFIO_GROUP,
		.attr = attr,
		.addr = (uintptr_t)&group,
	};

	return file_ioctl(vfio, KVM_SET_DEVICE_ATTR, &request);
}

/* As long as the kernel has it, with or without a descriptor. */
static bool vm_exists(int vm)
{
	return exists("/sys/kernel/debug/kvm/%d-%d", getpid(), vm);
}

TEST_F(kvm, held_while_open)
{
	ASSERT_TRUE(vm_exists(self->vm));
	ASSERT_EQ(0, change_group(self->vfio, KVM_DEV_VFIO_GROUP_ADD,
				  self->user.group));
	EXPECT_EQ(0, vendor_calls(STRUCTURED, "set_kvm"));
	self->user.device = mdev_device_fd(self->uuid, &self->user);
	ASSERT_LE(0, self->user.device);
	EXPECT_EQ(1, vendor_calls(STRUCTURED, "set_kvm"));
	EXPECT_EQ(1, vendor_get(STRUCTURED, "set_kvm/arg0"));

	close(self->vfio);
	close(self->vm);
	EXPECT_TRUE(vm_exists(self->vm));
	close(self->user.device);
	EXPECT_EQ(1, vendor_calls(STRUCTURED, "release"));
	EXPECT_TRUE(WAIT_FOR(!vm_exists(self->vm), SOON));

	/* The next user has none. */
	self->user.device = mdev_device_fd(self->uuid, &self->user);
	ASSERT_LE(0, self->user.device);
	EXPECT_EQ(1, vendor_calls(STRUCTURED, "set_kvm"));
}

TEST_F(kvm, none)
{
	self->user.device = mdev_device_fd(self->uuid, &self->user);
	ASSERT_LE(0, self->user.device);
	EXPECT_EQ(0, vendor_calls(STRUCTURED, "set_kvm"));
}

TEST_F(kvm, left_before_open)
{
	ASSERT_EQ(0, change_group(self->vfio, KVM_DEV_VFIO_GROUP_ADD,
				  self->user.group));
	ASSERT_EQ(0, change_group(self->vfio, KVM_DEV_VFIO_GROUP_DEL,
				  self->user.group));
	self->user.device = mdev_device_fd(self->uuid, &self->user);
	ASSERT_LE(0, self->user.device);
	EXPECT_EQ(0, vendor_calls(STRUCTURED, "set_kvm"));
}

/* The vendor knows it before open, and nobody keeps it when that fails. */
TEST_F(kvm, row_41_open_fails)
{
	ASSERT_EQ(0, change_group(self->vfio, KVM_DEV_VFIO_GROUP_ADD,
				  self->user.group));
	ASSERT_EQ(0, vendor_set(STRUCTURED, "open/error", EXFULL));
	EXPECT_EQ(-EXFULL, mdev_device_fd(self->uuid, &self->user));
	EXPECT_EQ(1, vendor_calls(STRUCTURED, "set_kvm"));
	close(self->vfio);
	close(self->vm);
	EXPECT_TRUE(WAIT_FOR(!vm_exists(self->vm), SOON));
}

/* The user's memory */

#define IOVA	0x40000000UL
#define LENGTH	(16 * PAGE)

FIXTURE(memory) {
	struct open_device dev;
	int fd;
	int container;
	char *mem;
};

static long map_dma(int container, void *mem, __u64 iova, __u64 size)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)mem,
		.iova = iova,
		.size = size,
	};

	return file_ioctl(container, VFIO_IOMMU_MAP_DMA, &map);
}

static long unmap_dma(int container, __u64 iova, __u64 size)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap),
		.iova = iova,
		.size = size,
	};
	long ret;

	ret = file_ioctl(container, VFIO_IOMMU_UNMAP_DMA, &unmap);
	return ret ? ret : (long)unmap.size;
}

FIXTURE_SETUP(memory)
{
	ASSERT_EQ(0, open_device_setup(&self->dev, PIN));
	self->fd = self->dev.fd;
	self->container = self->dev.user.container;
	self->mem = mmap(NULL, 2 * LENGTH, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->mem);
	ASSERT_EQ(0, map_dma(self->container, self->mem, IOVA, LENGTH));
	ASSERT_EQ(0, map_dma(self->container, self->mem + LENGTH,
			     IOVA + LENGTH, LENGTH));
}

FIXTURE_TEARDOWN(memory)
{
	EXPECT_EQ(0, open_device_teardown(&self->dev));
	EXPECT_EQ(0, pages_locked());
}

/* Answers the line of modules/mdev_test_pin.c whose answer is wrong. */
TEST_F(memory, row_66_null_arguments)
{
	EXPECT_EQ(0, file_ioctl(self->fd, MDEV_TEST_PIN_NULLS, NULL));
}

/* Told of what is unmapped, in time to unpin what is pinned there. */
TEST_F(memory, unmapped_under_a_pin)
{
	ASSERT_EQ(0, file_ioctl(self->fd, MDEV_TEST_PIN,
				(void *)(IOVA + 5 * PAGE)));
	EXPECT_EQ(1, pages_locked());
	EXPECT_EQ(0, vendor_calls(PIN, "dma_unmap"));
	EXPECT_EQ(LENGTH, unmap_dma(self->container, IOVA, LENGTH));
	EXPECT_EQ(1, vendor_calls(PIN, "dma_unmap"));
	EXPECT_EQ(IOVA, vendor_get(PIN, "dma_unmap/arg0"));
	EXPECT_EQ(LENGTH, vendor_get(PIN, "dma_unmap/arg1"));
	EXPECT_EQ(0, pages_locked());
	EXPECT_EQ(-EINVAL, file_ioctl(self->fd, MDEV_TEST_PIN,
				      (void *)(IOVA + 5 * PAGE)));
	ASSERT_EQ(0, file_ioctl(self->fd, MDEV_TEST_PIN,
				(void *)(IOVA + LENGTH)));
	EXPECT_EQ(1, file_ioctl(self->fd, MDEV_TEST_UNPIN, NULL));
}

/* A device that goes takes its pins with it. */
TEST_F(memory, closed_with_a_pin)
{
	ASSERT_EQ(0, file_ioctl(self->fd, MDEV_TEST_PIN, (void *)IOVA));
	close(self->dev.user.device);
	self->dev.user.device = -1;
	EXPECT_EQ(0, pages_locked());
	EXPECT_EQ(2 * LENGTH, unmap_dma(self->container, IOVA, 2 * LENGTH));
	EXPECT_EQ(0, vendor_calls(PIN, "dma_unmap"));
}

MDEV_TEST_MAIN(RAW, STRUCTURED, PIN)
