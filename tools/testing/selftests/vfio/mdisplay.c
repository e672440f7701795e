// SPDX-License-Identifier: GPL-2.0-only
/* The sample's display, as QEMU and a guest see it. */
#include <linux/pci_regs.h>
#include <stddef.h>

#include "kselftest_harness.h"
#include "sample_util.h"
#include "samples/vfio-mdev/mdisplay.h"

#define EDID_REGION	VFIO_PCI_NUM_REGIONS
#define INTX		VFIO_PCI_INTX_IRQ_INDEX
#define XRGB8888	0x34325258
#define PROBE		VFIO_GFX_PLANE_TYPE_PROBE
#define REGION		VFIO_GFX_PLANE_TYPE_REGION
#define DMABUF		VFIO_GFX_PLANE_TYPE_DMABUF
#define MEMORY		(32UL << 20)

#define EDID(field)	offsetof(struct vfio_region_gfx_edid, field)

FIXTURE(display) {
	struct snapshot before;
	char uuid[UUID_LEN];
	struct mdev_user user;
	int fd;
	off_t edid;
};

FIXTURE_VARIANT(display) {
	const char *type;
	__u32 width;
	__u32 height;
	size_t bar;
};

FIXTURE_VARIANT_ADD(display, vga) {
	.type = "vga",
	.width = 640,
	.height = 480,
	.bar = 2 << 20,
};

FIXTURE_VARIANT_ADD(display, xga) {
	.type = "xga",
	.width = 1024,
	.height = 768,
	.bar = 4 << 20,
};

FIXTURE_VARIANT_ADD(display, hd) {
	.type = "hd",
	.width = 1920,
	.height = 1080,
	.bar = 16 << 20,
};

FIXTURE_SETUP(display)
{
	struct vfio_region_info info = {
		.argsz = sizeof(info),
		.index = EDID_REGION,
	};

	snapshot_take(&self->before);
	ASSERT_EQ(0, sample_make("mdisplay", variant->type, self->uuid));
	ASSERT_EQ(0, mdev_open(self->uuid, &self->user));
	self->fd = self->user.device;
	ASSERT_EQ(0, file_ioctl(self->fd, VFIO_DEVICE_GET_REGION_INFO, &info));
	self->edid = info.offset;
}

FIXTURE_TEARDOWN(display)
{
	mdev_close(&self->user);
	EXPECT_EQ(0, mdev_remove(self->uuid));
	EXPECT_EQ(MEMORY / variant->bar,
		  sample_available("mdisplay", variant->type));
	EXPECT_TRUE(WAIT_FOR(sample_idle("mdisplay", &self->before), SOON));
}

static __u32 get(int fd, off_t pos)
{
	__u64 value;

	return file_get(fd, &value, 4, pos) == 4 ? value : 0xdeadbeef;
}

static int put(int fd, off_t pos, __u32 value)
{
	ssize_t ret = file_put(fd, value, 4, pos);

	return ret == 4 ? 0 : ret;
}

/* A field of struct vfio_region_gfx_edid is in the host's order. */
static __u32 get_field(int fd, off_t pos)
{
	__u32 value;

	return file_read(fd, &value, sizeof(value), pos) == sizeof(value) ?
	       value : 0xdeadbeef;
}

static int put_field(int fd, off_t pos, __u32 value)
{
	ssize_t ret = file_write(fd, &value, sizeof(value), pos);

	return ret == sizeof(value) ? 0 : ret;
}

#define FRAME		whole_pages((size_t)variant->width * variant->height * 4)
#define REGISTER(reg)	(variant->bar - MDISPLAY_REGISTERS + (reg))
#define IN(reg)		get(self->fd, REGISTER(reg))
#define OUT(reg, val)	put(self->fd, REGISTER(reg), val)
#define MONITOR(field)	get_field(self->fd, self->edid + EDID(field))
#define SET_MONITOR(field, val)						\
	put_field(self->fd, self->edid + EDID(field), val)

/* A region with its capabilities */
struct region {
	struct vfio_region_info info;
	char caps[256];
};

static const void *find_cap(const struct region *region, __u16 id)
{
	__u32 offset = region->info.cap_offset;

	while (offset) {
		const struct vfio_info_cap_header *cap =
			(const void *)region + offset;

		if (cap->id == id)
			return cap;
		offset = cap->next;
	}
	return NULL;
}

TEST_F(display, regions)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	struct region region = { .info.argsz = sizeof(region) };
	const struct vfio_region_info_cap_sparse_mmap *sparse;
	const struct vfio_region_info_cap_type *type;

	ASSERT_EQ(0, file_ioctl(self->fd, VFIO_DEVICE_GET_INFO, &info));
	EXPECT_EQ(VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET, info.flags);
	EXPECT_EQ(VFIO_PCI_NUM_REGIONS + 1, info.num_regions);

	ASSERT_EQ(0, file_ioctl(self->fd, VFIO_DEVICE_GET_REGION_INFO,
				&region));
	EXPECT_EQ(variant->bar, region.info.size);
	EXPECT_EQ(VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE |
		  VFIO_REGION_INFO_FLAG_MMAP | VFIO_REGION_INFO_FLAG_CAPS,
		  region.info.flags);
	sparse = find_cap(&region, VFIO_REGION_INFO_CAP_SPARSE_MMAP);
	ASSERT_NE(NULL, sparse);
	ASSERT_EQ(1, sparse->nr_areas);
	EXPECT_EQ(0, sparse->areas[0].offset);
	EXPECT_EQ(FRAME, sparse->areas[0].size);

	memset(&region, 0, sizeof(region));
	region.info.argsz = sizeof(region);
	region.info.index = EDID_REGION;
	ASSERT_EQ(0, file_ioctl(self->fd, VFIO_DEVICE_GET_REGION_INFO,
				&region));
	EXPECT_EQ(VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE |
		  VFIO_REGION_INFO_FLAG_CAPS, region.info.flags);
	type = find_cap(&region, VFIO_REGION_INFO_CAP_TYPE);
	ASSERT_NE(NULL, type);
	EXPECT_EQ(VFIO_REGION_TYPE_GFX, type->type);
	EXPECT_EQ(VFIO_REGION_SUBTYPE_GFX_EDID, type->subtype);
	EXPECT_EQ(MONITOR(edid_offset) + MDISPLAY_EDID_MAX, region.info.size);

	region.info.index = EDID_REGION + 1;
	EXPECT_EQ(-EINVAL, file_ioctl(self->fd, VFIO_DEVICE_GET_REGION_INFO,
				      &region));
	EXPECT_EQ(-EINVAL, put(self->fd, (off_t)(EDID_REGION + 1) << 40, 0));
}

static void *map(int fd, size_t size, off_t offset, int flags)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, offset);
}

TEST_F(display, mapping)
{
	unsigned char *frame = map(self->fd, FRAME, 0, MAP_SHARED), *part;
	size_t registers = REGISTER(0);

	ASSERT_NE(MAP_FAILED, frame);
	part = map(self->fd, PAGE, FRAME - PAGE, MAP_SHARED);
	ASSERT_NE(MAP_FAILED, part);

	EXPECT_EQ(0, put(self->fd, 0, 0x11223344));
	EXPECT_EQ(0, memcmp("\x44\x33\x22\x11", frame, 4));
	memcpy(frame + FRAME - 4, "last", 4);
	EXPECT_EQ(0, memcmp("last", part + PAGE - 4, 4));
	EXPECT_EQ(0x7473616c, get(self->fd, FRAME - 4));

	/* Behind it is nothing, then the registers; neither can be mapped. */
	EXPECT_EQ(0, put(self->fd, FRAME, 0x55555555));
	EXPECT_EQ(0, get(self->fd, FRAME));
	EXPECT_EQ(MAP_FAILED, map(self->fd, PAGE, FRAME, MAP_SHARED));
	EXPECT_EQ(MAP_FAILED, map(self->fd, PAGE, registers, MAP_SHARED));
	EXPECT_EQ(MAP_FAILED, map(self->fd, FRAME + PAGE, 0, MAP_SHARED));
	EXPECT_EQ(MAP_FAILED, map(self->fd, 2 * PAGE, FRAME - PAGE,
				  MAP_SHARED));
	EXPECT_EQ(MAP_FAILED, map(self->fd, variant->bar, 0, MAP_SHARED));
	EXPECT_EQ(MAP_FAILED, map(self->fd, PAGE, 0, MAP_PRIVATE));
	EXPECT_EQ(MAP_FAILED, map(self->fd, PAGE, self->edid, MAP_SHARED));
	EXPECT_EQ(0, munmap(frame, FRAME));
	EXPECT_EQ(0, munmap(part, PAGE));
}

TEST_F(display, registers)
{
	__u8 byte = 1;

	EXPECT_EQ(MDISPLAY_MAGIC, IN(MDISPLAY_ID));
	EXPECT_EQ(variant->width, IN(MDISPLAY_MAX_WIDTH));
	EXPECT_EQ(variant->height, IN(MDISPLAY_MAX_HEIGHT));
	EXPECT_EQ(variant->width, IN(MDISPLAY_WIDTH));
	EXPECT_EQ(variant->height, IN(MDISPLAY_HEIGHT));
	EXPECT_EQ(variant->width * 4, IN(MDISPLAY_STRIDE));
	EXPECT_EQ(0, IN(MDISPLAY_CONTROL));

	OUT(MDISPLAY_WIDTH, 320);
	OUT(MDISPLAY_HEIGHT, 200);
	OUT(MDISPLAY_STRIDE, 1);
	EXPECT_EQ(320, IN(MDISPLAY_WIDTH));
	EXPECT_EQ(200, IN(MDISPLAY_HEIGHT));
	EXPECT_EQ(1280, IN(MDISPLAY_STRIDE));

	/* What cannot be shown, what is no register's width */
	OUT(MDISPLAY_WIDTH, 0);
	OUT(MDISPLAY_WIDTH, variant->width + 1);
	OUT(MDISPLAY_HEIGHT, 0);
	OUT(MDISPLAY_HEIGHT, 0x80000000);
	EXPECT_EQ(320, IN(MDISPLAY_WIDTH));
	EXPECT_EQ(200, IN(MDISPLAY_HEIGHT));
	EXPECT_EQ(1, file_write(self->fd, &byte, 1,
				REGISTER(MDISPLAY_CONTROL)));
	EXPECT_EQ(0, IN(MDISPLAY_CONTROL));
	EXPECT_EQ(1, file_read(self->fd, &byte, 1, REGISTER(MDISPLAY_ID) + 1));
	EXPECT_EQ((MDISPLAY_MAGIC >> 8) & 0xff, byte);

	OUT(MDISPLAY_CONTROL, 0xffffffff);
	EXPECT_EQ(MDISPLAY_CONTROL_ON, IN(MDISPLAY_CONTROL));
	ASSERT_EQ(0, file_ioctl(self->fd, VFIO_DEVICE_RESET, NULL));
	EXPECT_EQ(0, IN(MDISPLAY_CONTROL));
	EXPECT_EQ(variant->width, IN(MDISPLAY_WIDTH));
}

static long query(int fd, __u32 flags, struct vfio_device_gfx_plane_info *plane)
{
	memset(plane, 0, sizeof(*plane));
	plane->argsz = sizeof(*plane);
	plane->flags = flags;
	return file_ioctl(fd, VFIO_DEVICE_QUERY_GFX_PLANE, plane);
}

TEST_F(display, plane)
{
	struct vfio_device_gfx_plane_info plane;

	EXPECT_EQ(0, query(self->fd, PROBE | REGION, &plane));
	EXPECT_EQ(-EINVAL, query(self->fd, PROBE | DMABUF, &plane));
	EXPECT_EQ(-EINVAL, query(self->fd, DMABUF, &plane));
	EXPECT_EQ(-EINVAL, query(self->fd, REGION | DMABUF, &plane));
	EXPECT_EQ(-EINVAL, query(self->fd, PROBE, &plane));
	EXPECT_EQ(-EINVAL, query(self->fd, 0, &plane));
	EXPECT_EQ(-EINVAL, query(self->fd, REGION | 8, &plane));

	/* Dark */
	ASSERT_EQ(0, query(self->fd, REGION, &plane));
	EXPECT_EQ(0, plane.drm_format);
	EXPECT_EQ(0, plane.size);
	EXPECT_EQ(0, plane.width);
	EXPECT_EQ(0, plane.height);

	OUT(MDISPLAY_CONTROL, MDISPLAY_CONTROL_ON);
	ASSERT_EQ(0, query(self->fd, REGION, &plane));
	EXPECT_EQ(XRGB8888, plane.drm_format);
	EXPECT_EQ(0, plane.drm_format_mod);
	EXPECT_EQ(variant->width, plane.width);
	EXPECT_EQ(variant->height, plane.height);
	EXPECT_EQ(variant->width * 4, plane.stride);
	EXPECT_EQ(FRAME, plane.size);
	EXPECT_EQ(0xffffffff, plane.x_hot);
	EXPECT_EQ(VFIO_PCI_BAR0_REGION_INDEX, plane.region_index);

	OUT(MDISPLAY_WIDTH, 10);
	OUT(MDISPLAY_HEIGHT, 3);
	ASSERT_EQ(0, query(self->fd, REGION, &plane));
	EXPECT_EQ(10, plane.width);
	EXPECT_EQ(3, plane.height);
	EXPECT_EQ(40, plane.stride);
	EXPECT_EQ(PAGE, plane.size);

	plane.flags = REGION;
	plane.argsz = offsetof(struct vfio_device_gfx_plane_info, region_index);
	EXPECT_EQ(-EINVAL, file_ioctl(self->fd, VFIO_DEVICE_QUERY_GFX_PLANE,
				      &plane));
	EXPECT_EQ(-EFAULT, file_ioctl(self->fd, VFIO_DEVICE_QUERY_GFX_PLANE,
				      NULL));
	EXPECT_EQ(-ENOTTY, file_ioctl(self->fd, VFIO_DEVICE_GET_GFX_DMABUF,
				      &plane));
}

TEST_F(display, monitor)
{
	off_t blob = self->edid + MONITOR(edid_offset);
	unsigned char edid[MDISPLAY_EDID_MAX], guest[MDISPLAY_EDID_MAX];
	struct vfio_region_gfx_edid header;
	unsigned int i;

	ASSERT_EQ(sizeof(header), file_read(self->fd, &header, sizeof(header),
					    self->edid));
	EXPECT_EQ(MDISPLAY_EDID_MAX, header.edid_max_size);
	EXPECT_EQ(0, header.edid_size);
	EXPECT_EQ(variant->width, header.max_xres);
	EXPECT_EQ(variant->height, header.max_yres);
	EXPECT_EQ(VFIO_DEVICE_GFX_LINK_STATE_UP, header.link_state);

	/* QEMU's order */
	for (i = 0; i < sizeof(edid); i++)
		edid[i] = i * 3 + 1;
	EXPECT_EQ(0, SET_MONITOR(link_state, VFIO_DEVICE_GFX_LINK_STATE_DOWN));
	EXPECT_EQ(0, IN(MDISPLAY_LINK));
	EXPECT_EQ(0, SET_MONITOR(edid_size, 253));
	EXPECT_EQ(253, file_write(self->fd, edid, 253, blob));
	EXPECT_EQ(0, SET_MONITOR(link_state, VFIO_DEVICE_GFX_LINK_STATE_UP));

	EXPECT_EQ(1, IN(MDISPLAY_LINK));
	EXPECT_EQ(253, IN(MDISPLAY_EDID_SIZE));
	ASSERT_EQ(sizeof(guest), file_read(self->fd, guest, sizeof(guest),
					   REGISTER(MDISPLAY_EDID)));
	EXPECT_EQ(0, memcmp(edid, guest, 253));
	EXPECT_EQ(0, guest[253]);
	OUT(MDISPLAY_EDID, 0);
	EXPECT_EQ(1, IN(MDISPLAY_EDID) & 0xff);

	EXPECT_EQ(-EINVAL, SET_MONITOR(edid_offset, 0));
	EXPECT_EQ(-EINVAL, SET_MONITOR(edid_max_size, 4096));
	EXPECT_EQ(-EINVAL, SET_MONITOR(max_xres, 1));
	EXPECT_EQ(-EINVAL, SET_MONITOR(edid_size, MDISPLAY_EDID_MAX + 1));
	EXPECT_EQ(-EINVAL, SET_MONITOR(link_state, 0));
	EXPECT_EQ(-EINVAL, SET_MONITOR(link_state, 3));
	EXPECT_EQ(-EINVAL, file_write(self->fd, edid, 1,
				      self->edid + EDID(edid_size)));
	EXPECT_EQ(253, MONITOR(edid_size));
	/* What is longer is cut off at the end. */
	EXPECT_EQ(8, file_write(self->fd, edid, sizeof(edid),
				blob + MDISPLAY_EDID_MAX - 8));
	EXPECT_EQ(-EINVAL, put(self->fd, blob + MDISPLAY_EDID_MAX, 0));
}

TEST_F(display, monitor_interrupt)
{
	__s32 intx = new_eventfd();

	ASSERT_EQ(0, arm(self->fd, INTX, 0, 1, &intx));
	EXPECT_EQ(0, SET_MONITOR(link_state, VFIO_DEVICE_GFX_LINK_STATE_DOWN));
	EXPECT_EQ(MDISPLAY_IRQ_MONITOR, IN(MDISPLAY_IRQ_STATUS));
	EXPECT_EQ(0, fired(intx));
	OUT(MDISPLAY_IRQ_ENABLE, MDISPLAY_IRQ_MONITOR);
	EXPECT_EQ(1, fired(intx));

	/* Served: it fires again for the next change only. */
	OUT(MDISPLAY_IRQ_STATUS, MDISPLAY_IRQ_MONITOR);
	EXPECT_EQ(0, IN(MDISPLAY_IRQ_STATUS));
	EXPECT_EQ(0, irq_action(self->fd, INTX, 0, 1,
				VFIO_IRQ_SET_ACTION_UNMASK));
	EXPECT_EQ(0, fired(intx));
	EXPECT_EQ(0, SET_MONITOR(link_state, VFIO_DEVICE_GFX_LINK_STATE_UP));
	EXPECT_EQ(1, fired(intx));
}

/* The next user sees nothing of this one, whose mapping stays its own. */
TEST_F(display, forgets)
{
	unsigned char *frame = map(self->fd, FRAME, 0, MAP_SHARED);

	ASSERT_NE(MAP_FAILED, frame);
	memset(frame, 0x55, FRAME);
	OUT(MDISPLAY_CONTROL, MDISPLAY_CONTROL_ON);
	EXPECT_EQ(0, SET_MONITOR(edid_size, 128));
	mdev_close(&self->user);
	/* A mapping holds the device open. */
	EXPECT_EQ(0x55, frame[FRAME - 1]);
	EXPECT_EQ(-EBUSY, mdev_remove(self->uuid));
	ASSERT_EQ(0, munmap(frame, FRAME));

	ASSERT_TRUE(WAIT_FOR(!mdev_open(self->uuid, &self->user), SOON));
	self->fd = self->user.device;
	frame = map(self->fd, FRAME, 0, MAP_SHARED);
	ASSERT_NE(MAP_FAILED, frame);
	EXPECT_EQ(0, frame[0]);
	EXPECT_EQ(0, frame[FRAME - 1]);
	EXPECT_EQ(0, IN(MDISPLAY_CONTROL));
	EXPECT_EQ(0, IN(MDISPLAY_EDID_SIZE));
	ASSERT_EQ(0, munmap(frame, FRAME));
}

/* All types share the video memory. */
TEST(video_memory)
{
	char hd[2][UUID_LEN], vga[UUID_LEN];

	expect_dmesg("mdev [-0-9a-f]+ was not created:");
	ASSERT_EQ(0, sample_make("mdisplay", "hd", hd[0]));
	EXPECT_EQ(4, sample_available("mdisplay", "xga"));
	ASSERT_EQ(0, sample_make("mdisplay", "hd", hd[1]));
	EXPECT_EQ(0, sample_available("mdisplay", "vga"));
	EXPECT_EQ(-EUSERS, sample_make("mdisplay", "vga", vga));
	EXPECT_EQ(0, mdev_remove(hd[0]));
	EXPECT_EQ(8, sample_available("mdisplay", "vga"));
	EXPECT_EQ(1, sample_available("mdisplay", "hd"));
	EXPECT_EQ(0, mdev_remove(hd[1]));
}

MDEV_TEST_MAIN("mdisplay")
