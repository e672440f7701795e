// SPDX-License-Identifier: GPL-2.0-only
/*
 * Drivers of today's interface on this mdev.ko: the kernel's own samples, built
 * as they are (build-vendors), and the distribution's own kvmgt.
 */
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

#include "kselftest_harness.h"
#include "vfio_util.h"

#define ROUNDS	20

struct sample {
	const char *name;
	const char *type;
	__u32 id;		/* PCI's, of vendor and device */
	int max;		/* instances, if that is a fixed number */
	unsigned int offset;	/* in BAR 0, of what can be written and read */
	unsigned int len;
	bool mmap;
};

/*
 * One of the kernel's samples. They lie beside the tests' own folder and are not
 * installed: one has the name of ours.
 */
static int sample_load(const char *name)
{
	char path[PATH_LEN], dir[PATH_LEN / 2];
	const char *from = getenv("MDEV_TEST_SAMPLES");
	struct utsname uts;
	ssize_t len;
	int fd, ret;

	len = readlink("/proc/self/exe", dir, sizeof(dir) - 1);
	if (len < 0)
		return -errno;
	dir[len] = '\0';
	*strrchr(dir, '/') = '\0';
	uname(&uts);
	if (from)
		snprintf(path, sizeof(path), "%s/%s.ko", from, name);
	else
		snprintf(path, sizeof(path), "%s/../vendors/%s/samples/%s.ko",
			 dir, uts.release, name);
	module_load("vfio", NULL);
	module_load("mdev", NULL);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = syscall(SYS_finit_module, fd, "", 0) ? -errno : 0;
	close(fd);
	return ret;
}

FIXTURE(modern) {
	struct snapshot before;
	char uuid[UUID_LEN];
	struct mdev_user user;
	bool loaded;
};

FIXTURE_VARIANT(modern) {
	struct sample sample;
};

FIXTURE_VARIANT_ADD(modern, mtty) {
	.sample = {
		.name = "mtty",
		.type = "2",
		.id = 0x32534348,
		.max = 12,
		.offset = 3,		/* the line control register */
		.len = 1,
	},
};

FIXTURE_VARIANT_ADD(modern, mdpy) {
	.sample = {
		.name = "mdpy",
		.type = "vga",
		.id = 0x000f1b36,
		.max = 4,
		.offset = 0x1234,
		.len = 4,
		.mmap = true,
	},
};

FIXTURE_VARIANT_ADD(modern, mbochs) {
	.sample = {
		.name = "mbochs",
		.type = "small",
		.id = 0x11111234,
		.offset = 0x1234,
		.len = 4,
		.mmap = true,
	},
};

FIXTURE_SETUP(modern)
{
	int ret;

	self->user = (struct mdev_user){ -1, -1, -1 };
	uuid_make(self->uuid);
	/* The kernel's of 6.1 have no description. */
	expect_dmesg(": missing MODULE_DESCRIPTION");
	ret = sample_load(variant->sample.name);
	if (ret == -ENOENT)
		SKIP(return, "the kernel's %s is not there, build-vendors builds it",
		     variant->sample.name);
	ASSERT_EQ(0, ret);
	self->loaded = true;
	if (module_loaded("vfio_mdev"))
		ASSERT_EQ(0, module_unload("vfio_mdev"));
	snapshot_take(&self->before);
}

FIXTURE_TEARDOWN(modern)
{
	struct snapshot after;

	if (!self->loaded)
		return;
	mdev_close(&self->user);
	if (mdev_exists(self->uuid))
		EXPECT_EQ(0, mdev_remove(self->uuid));
	snapshot_take(&after);
	EXPECT_STREQ(self->before.text, after.text);
	EXPECT_EQ(0, module_unload(variant->sample.name));
	EXPECT_FALSE(exists("/sys/class/mdev_bus/%s", variant->sample.name));
}

static char *sample_path(char *path, const struct sample *sample,
			 const char *file)
{
	snprintf(path, PATH_LEN,
		 "/sys/class/mdev_bus/%s/mdev_supported_types/%s-%s/%s",
		 sample->name, sample->name, sample->type, file);
	return path;
}

static int sample_create(const struct sample *sample, const char *uuid)
{
	char path[PATH_LEN];

	return write_file(sample_path(path, sample, "create"), uuid);
}

static int sample_available(const struct sample *sample)
{
	char path[PATH_LEN], text[64];
	int ret;

	ret = read_file(sample_path(path, sample, "available_instances"), text,
			sizeof(text));
	return ret < 0 ? ret : atoi(text);
}

/* Is it a PCI device that works? */
static int use(const struct mdev_user *user, const struct sample *sample)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	struct vfio_region_info region = {
		.argsz = sizeof(region),
		.index = VFIO_PCI_CONFIG_REGION_INDEX,
	};
	__u32 word = 0x1b2c3d1b, got = 0;
	__u16 half[2];
	__u8 *map;

	if (file_ioctl(user->device, VFIO_DEVICE_GET_INFO, &info) ||
	    !(info.flags & VFIO_DEVICE_FLAGS_PCI) ||
	    file_ioctl(user->device, VFIO_DEVICE_GET_REGION_INFO, &region) ||
	    file_read(user->device, &got, 4, region.offset) != 4)
		return -EIO;
	/* They write numbers as the machine does, this one as one or as two of half its size. */
	memcpy(half, &got, sizeof(half));
	if (got != sample->id &&
	    (half[0] != (__u16)sample->id || half[1] != sample->id >> 16))
		return -ENXIO;

	region.index = VFIO_PCI_BAR0_REGION_INDEX;
	region.argsz = sizeof(region);
	got = 0;
	if (file_ioctl(user->device, VFIO_DEVICE_GET_REGION_INFO, &region) ||
	    file_write(user->device, &word, sample->len,
		       region.offset + sample->offset) != sample->len ||
	    file_read(user->device, &got, sample->len,
		      region.offset + sample->offset) != sample->len ||
	    memcmp(&word, &got, sample->len))
		return -EILSEQ;
	if (!sample->mmap)
		return 0;

	map = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
		   user->device, region.offset);
	if (map == MAP_FAILED)
		return -errno;
	map[0] = 0x55;
	munmap(map, 2 * PAGE);
	return 0;
}

TEST_F(modern, device)
{
	const struct sample *sample = &variant->sample;
	char path[PATH_LEN], text[64];

	expect_dmesg("mdev [-0-9a-f]+ was not created:");
	ASSERT_LT(0, read_file(sample_path(path, sample, "device_api"), text,
			       sizeof(text)));
	EXPECT_STREQ("vfio-pci", text);
	if (sample->max)
		EXPECT_EQ(sample->max, sample_available(sample));
	ASSERT_EQ(0, sample_create(sample, self->uuid));
	EXPECT_EQ(-EEXIST, sample_create(sample, self->uuid));
	if (sample->max)
		EXPECT_EQ(sample->max - 1, sample_available(sample));
	ASSERT_EQ(0, link_name(mdev_path(path, self->uuid, "driver"), text,
			       sizeof(text)));
	EXPECT_STREQ(sample->name, text);
	EXPECT_TRUE(exists("/sys/class/mdev_bus/%s/mdev_supported_types/%s-%s/devices/%s",
			   sample->name, sample->name, sample->type,
			   self->uuid));
	ASSERT_EQ(0, mdev_open(self->uuid, &self->user));
	EXPECT_EQ(0, use(&self->user, sample));
	EXPECT_EQ(-EWOULDBLOCK, module_unload(sample->name));
	mdev_close(&self->user);
	EXPECT_EQ(0, mdev_remove(self->uuid));
	EXPECT_FALSE(mdev_exists(self->uuid));
	EXPECT_EQ(-EINVAL, sample_create(sample, "no"));
}

/* The VFIO core waits for the user. */
TEST_F(modern, removed_while_open)
{
	const struct sample *sample = &variant->sample;
	char path[PATH_LEN];
	pid_t pid;

	ASSERT_EQ(0, sample_create(sample, self->uuid));
	ASSERT_EQ(0, mdev_open(self->uuid, &self->user));
	pid = async_write(mdev_path(path, self->uuid, "remove"), "1");
	EXPECT_EQ(-ETIMEDOUT, async_result(pid, A_WHILE));
	EXPECT_EQ(0, use(&self->user, sample));
	mdev_close(&self->user);
	EXPECT_EQ(0, async_result(pid, SOON));
	EXPECT_FALSE(mdev_exists(self->uuid));
}

TEST_F(modern, comes_and_goes)
{
	const struct sample *sample = &variant->sample;
	unsigned int i;

	for (i = 0; i < ROUNDS; i++) {
		ASSERT_EQ(0, sample_create(sample, self->uuid));
		if (i % 4 == 0) {
			ASSERT_EQ(0, mdev_open(self->uuid, &self->user));
			ASSERT_EQ(0, use(&self->user, sample));
			mdev_close(&self->user);
		}
		ASSERT_EQ(0, mdev_remove(self->uuid));
	}
}

/* Its devices go with it. */
TEST_F(modern, parent_comes_and_goes)
{
	const struct sample *sample = &variant->sample;
	char other[UUID_LEN];
	unsigned int i;

	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, sample_create(sample, self->uuid));
		ASSERT_EQ(0, sample_create(sample, uuid_make(other)));
		ASSERT_EQ(0, module_unload(sample->name));
		EXPECT_FALSE(mdev_exists(self->uuid));
		EXPECT_FALSE(mdev_exists(other));
		ASSERT_EQ(0, sample_load(sample->name));
	}
}

/* Both generations on one machine: names are unique, both are of use. */
TEST_F(modern, beside_classic_ones)
{
	const struct sample *sample = &variant->sample;
	struct mdev_user classic = { -1, -1, -1 };
	char other[UUID_LEN];

	expect_dmesg("mdev [-0-9a-f]+ was not created:");
	ASSERT_EQ(0, module_load(RAW, NULL));
	ASSERT_EQ(0, mdev_make(RAW, 0, "few", other));
	EXPECT_EQ(-EEXIST, sample_create(sample, other));
	ASSERT_EQ(0, sample_create(sample, self->uuid));
	EXPECT_EQ(-EEXIST, mdev_create(RAW, 0, "few", self->uuid));

	ASSERT_EQ(0, mdev_open(self->uuid, &self->user));
	ASSERT_EQ(0, mdev_open(other, &classic));
	EXPECT_EQ(0, use(&self->user, sample));
	EXPECT_EQ(0, mdev_alive(&classic));
	mdev_close(&self->user);
	EXPECT_EQ(0, mdev_remove(self->uuid));
	EXPECT_EQ(0, mdev_alive(&classic));
	mdev_close(&classic);

	/* Neither bus driver takes what belongs to the other generation. */
	ASSERT_EQ(0, sample_create(sample, self->uuid));
	EXPECT_EQ(0, module_unload(RAW));
	EXPECT_FALSE(mdev_exists(other));
	EXPECT_EQ(0, module_unload("mdev_test"));
	EXPECT_EQ(0, module_unload("vfio_mdev"));
	ASSERT_EQ(0, mdev_open(self->uuid, &self->user));
	EXPECT_EQ(0, use(&self->user, sample));
}

/* With its own symbol versions; without a GPU it does not do more than load. */
TEST(kvmgt_loads)
{
	if (system("modinfo kvmgt >/dev/null 2>&1"))
		SKIP(return, "this kernel has no kvmgt");
	ASSERT_EQ(0, module_load("kvmgt", NULL));
	EXPECT_TRUE(exists("/sys/module/mdev/holders/kvmgt"));
	EXPECT_TRUE(exists("/sys/bus/mdev/drivers/intel_vgpu_mdev"));
	EXPECT_EQ(0, system("modprobe -r kvmgt"));
	EXPECT_FALSE(module_loaded("kvmgt"));
}

MDEV_TEST_MAIN("mdev")
