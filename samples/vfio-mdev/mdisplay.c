// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sample vendor driver: mediated displays
 *
 * The parent is a graphics card without hardware that has 32 MiB of video
 * memory to give away, as displays of three sizes. A guest sees a PCI display
 * controller; mdisplay.h has its registers. The user of the device, QEMU say,
 * sees the same frame buffer: VFIO_DEVICE_QUERY_GFX_PLANE tells it which region
 * it is and what mode the guest has set, so it shows it in a window or saves
 * it, without a copy and without telling the guest. Through a region of EDID it
 * plugs in the monitor that the guest sees.
 *
 * The frame buffer may be mapped, the registers behind it in the same BAR may
 * not: a sparse mmap.
 *
 * A struct mdisplay lives from create to remove. display->lock covers the mode,
 * the monitor and the interrupt. The frame buffer's bytes have no lock, as in
 * hardware; its pages are those of the memory allocated at create, and a
 * mapping holds the device's file. mdisplay_lock covers the free video memory,
 * for all displays.
 */
#include <linux/mdev_pci.h>
#include <linux/mdev_virtual.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/nospec.h>
#include <linux/pci_ids.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>
#include <uapi/drm/drm_fourcc.h>

#include "mdisplay.h"

#define MDISPLAY_MEMORY		SZ_32M
#define MDISPLAY_PIXEL		4

/* Where in its region the EDID lies, behind struct vfio_region_gfx_edid */
#define MDISPLAY_BLOB		256

struct mdisplay_type {
	const char *suffix;
	const char *name;
	const char *description;
	u32 width;
	u32 height;
	struct mdev_pci_desc desc;
};

struct mdisplay {
	struct mdev_pci pci;
	const struct mdisplay_type *type;
	void *frame_buffer;

	struct mutex lock;	/* what follows */
	bool on;
	u32 width;
	u32 height;
	u32 link;		/* VFIO_DEVICE_GFX_LINK_STATE_UP or _DOWN */
	u32 edid_size;
	u8 edid[MDISPLAY_EDID_MAX];
	u32 irq_status;
	u32 irq_enable;
	bool irq;
};

static DEFINE_MUTEX(mdisplay_lock);
static size_t mdisplay_free_memory = MDISPLAY_MEMORY;

static struct mdisplay *to_mdisplay(struct mdev_pci *pci)
{
	return container_of(pci, struct mdisplay, pci);
}

/* The frame buffer is what of the BAR may be mapped. */
static u64 mdisplay_size(const struct mdisplay_type *type)
{
	return type->desc.bar[0].areas[0].size;
}

static void mdisplay_update_irq(struct mdisplay *display)
{
	bool old = display->irq;

	display->irq = display->irq_status & display->irq_enable;
	mdev_pci_set_intx(&display->pci, display->irq);
	if (display->irq && !old)
		mdev_pci_signal_msi(&display->pci, 0);
}

/* @width bytes of memory, as a little-endian number */

static u64 mdisplay_get(const void *memory, u64 offset, unsigned int width)
{
	__le64 bytes = 0;

	memcpy(&bytes, memory + offset, width);
	return le64_to_cpu(bytes);
}

static void mdisplay_put(void *memory, u64 offset, unsigned int width, u64 val)
{
	__le64 bytes = cpu_to_le64(val);

	memcpy(memory + offset, &bytes, width);
}

/* The guest's side: registers, and the frame buffer where it is not mapped */

static u32 mdisplay_register(const struct mdisplay *display, unsigned int reg)
{
	switch (reg) {
	case MDISPLAY_ID:
		return MDISPLAY_MAGIC;
	case MDISPLAY_MAX_WIDTH:
		return display->type->width;
	case MDISPLAY_MAX_HEIGHT:
		return display->type->height;
	case MDISPLAY_WIDTH:
		return display->width;
	case MDISPLAY_HEIGHT:
		return display->height;
	case MDISPLAY_STRIDE:
		return display->width * MDISPLAY_PIXEL;
	case MDISPLAY_CONTROL:
		return display->on ? MDISPLAY_CONTROL_ON : 0;
	case MDISPLAY_IRQ_STATUS:
		return display->irq_status;
	case MDISPLAY_IRQ_ENABLE:
		return display->irq_enable;
	case MDISPLAY_LINK:
		return display->link == VFIO_DEVICE_GFX_LINK_STATE_UP;
	case MDISPLAY_EDID_SIZE:
		return display->edid_size;
	case MDISPLAY_EDID ... MDISPLAY_EDID + MDISPLAY_EDID_MAX - 1:
		reg = array_index_nospec(reg - MDISPLAY_EDID, MDISPLAY_EDID_MAX);
		return mdisplay_get(display->edid, reg, 4);
	default:
		return 0;
	}
}

static void mdisplay_set_register(struct mdisplay *display, unsigned int reg,
				  u32 val)
{
	switch (reg) {
	case MDISPLAY_WIDTH:
		if (val && val <= display->type->width)
			display->width = val;
		break;
	case MDISPLAY_HEIGHT:
		if (val && val <= display->type->height)
			display->height = val;
		break;
	case MDISPLAY_CONTROL:
		display->on = val & MDISPLAY_CONTROL_ON;
		break;
	case MDISPLAY_IRQ_STATUS:
		display->irq_status &= ~val;
		break;
	case MDISPLAY_IRQ_ENABLE:
		display->irq_enable = val & MDISPLAY_IRQ_MONITOR;
		break;
	}
	mdisplay_update_irq(display);
}

static u64 mdisplay_registers_at(const struct mdisplay *display)
{
	return display->type->desc.bar[0].size - MDISPLAY_REGISTERS;
}

static int mdisplay_bar_read(struct mdev_pci *pci, u64 offset,
			     unsigned int width, u64 *val)
{
	struct mdisplay *display = to_mdisplay(pci);
	u64 registers = mdisplay_registers_at(display);

	if (offset < mdisplay_size(display->type)) {
		offset = array_index_nospec(offset,
					    mdisplay_size(display->type));
		*val = mdisplay_get(display->frame_buffer, offset, width);
	} else if (offset >= registers) {
		offset -= registers;
		mutex_lock(&display->lock);
		*val = mdisplay_register(display, ALIGN_DOWN(offset, 4)) >>
		       8 * (offset % 4);
		mutex_unlock(&display->lock);
	}
	return 0;
}

static int mdisplay_bar_write(struct mdev_pci *pci, u64 offset,
			      unsigned int width, u64 val)
{
	struct mdisplay *display = to_mdisplay(pci);
	u64 registers = mdisplay_registers_at(display);

	if (offset < mdisplay_size(display->type)) {
		offset = array_index_nospec(offset,
					    mdisplay_size(display->type));
		mdisplay_put(display->frame_buffer, offset, width, val);
	} else if (offset >= registers && width == 4) {
		mutex_lock(&display->lock);
		mdisplay_set_register(display, offset - registers, val);
		mutex_unlock(&display->lock);
	}
	return 0;
}

static int mdisplay_bar_mmap(struct mdev_pci *pci, struct vm_area_struct *vma,
			     u64 offset)
{
	return remap_vmalloc_range(vma, to_mdisplay(pci)->frame_buffer,
				   offset >> PAGE_SHIFT);
}

static int mdisplay_reset(struct mdev_pci *pci)
{
	struct mdisplay *display = to_mdisplay(pci);

	mutex_lock(&display->lock);
	display->on = false;
	display->width = display->type->width;
	display->height = display->type->height;
	display->irq_status = 0;
	display->irq_enable = 0;
	mdisplay_update_irq(display);
	mutex_unlock(&display->lock);

	memset(display->frame_buffer, 0, mdisplay_size(display->type));
	return 0;
}

/* The user's side: the monitor */

static void mdisplay_monitor_changed(struct mdisplay *display)
{
	display->irq_status |= MDISPLAY_IRQ_MONITOR;
	mdisplay_update_irq(display);
}

static void mdisplay_forget_monitor(struct mdisplay *display)
{
	display->link = VFIO_DEVICE_GFX_LINK_STATE_UP;
	display->edid_size = 0;
	memset(display->edid, 0, sizeof(display->edid));
}

static int mdisplay_edid_read(struct mdev_pci *pci, u64 offset,
			      unsigned int width, u64 *val)
{
	struct mdisplay *display = to_mdisplay(pci);
	struct vfio_region_gfx_edid edid = {
		.edid_offset = MDISPLAY_BLOB,
		.edid_max_size = MDISPLAY_EDID_MAX,
		.max_xres = display->type->width,
		.max_yres = display->type->height,
	};

	mutex_lock(&display->lock);
	edid.edid_size = display->edid_size;
	edid.link_state = display->link;
	if (offset >= MDISPLAY_BLOB)
		*val = mdisplay_get(display->edid, offset - MDISPLAY_BLOB,
				    width);
	else if (offset + width <= sizeof(edid))
		*val = mdisplay_get(&edid,
				    array_index_nospec(offset, sizeof(edid)),
				    width);
	mutex_unlock(&display->lock);

	return 0;
}

/* Fields of the header are in the host's order, and written one by one. */
static int mdisplay_set_field(struct mdisplay *display, u64 offset,
			      unsigned int width, u64 bytes)
{
	u32 val;

	if (width != sizeof(val))
		return -EINVAL;
	mdisplay_put(&val, 0, width, bytes);

	switch (offset) {
	case offsetof(struct vfio_region_gfx_edid, edid_size):
		if (val > MDISPLAY_EDID_MAX)
			return -EINVAL;
		display->edid_size = val;
		return 0;
	case offsetof(struct vfio_region_gfx_edid, link_state):
		if (val != VFIO_DEVICE_GFX_LINK_STATE_UP &&
		    val != VFIO_DEVICE_GFX_LINK_STATE_DOWN)
			return -EINVAL;
		display->link = val;
		mdisplay_monitor_changed(display);
		return 0;
	default:
		return -EINVAL;
	}
}

static int mdisplay_edid_write(struct mdev_pci *pci, u64 offset,
			       unsigned int width, u64 val)
{
	struct mdisplay *display = to_mdisplay(pci);
	int ret = 0;

	mutex_lock(&display->lock);
	if (offset >= MDISPLAY_BLOB)
		mdisplay_put(display->edid, offset - MDISPLAY_BLOB, width, val);
	else
		ret = mdisplay_set_field(display, offset, width, val);
	mutex_unlock(&display->lock);
	return ret;
}

static const struct mdev_pci_region mdisplay_regions[] = {
	{
		.type = VFIO_REGION_TYPE_GFX,
		.subtype = VFIO_REGION_SUBTYPE_GFX_EDID,
		.size = MDISPLAY_BLOB + MDISPLAY_EDID_MAX,
		.read = mdisplay_edid_read,
		.write = mdisplay_edid_write,
	},
};

/* The user's side: the picture */

static void mdisplay_describe_plane(struct mdisplay *display,
				    struct vfio_device_gfx_plane_info *plane)
{
	plane->x_hot = U32_MAX;
	plane->y_hot = U32_MAX;
	plane->region_index = VFIO_PCI_BAR0_REGION_INDEX;

	mutex_lock(&display->lock);
	if (display->on) {
		plane->drm_format = DRM_FORMAT_XRGB8888;
		plane->width = display->width;
		plane->height = display->height;
		plane->stride = display->width * MDISPLAY_PIXEL;
		plane->size = PAGE_ALIGN(plane->stride * plane->height);
	}
	mutex_unlock(&display->lock);
}

static long mdisplay_query_plane(struct mdisplay *display, void __user *arg)
{
	const size_t minsz = offsetofend(struct vfio_device_gfx_plane_info,
					 region_index);
	struct vfio_device_gfx_plane_info question, plane = { };

	if (copy_from_user(&question, arg, minsz))
		return -EFAULT;
	if (question.argsz < minsz)
		return -EINVAL;

	switch (question.flags) {
	case VFIO_GFX_PLANE_TYPE_PROBE | VFIO_GFX_PLANE_TYPE_REGION:
		return 0;
	case VFIO_GFX_PLANE_TYPE_REGION:
		break;
	default:
		return -EINVAL;
	}

	plane.argsz = question.argsz;
	plane.flags = question.flags;
	plane.drm_plane_type = question.drm_plane_type;
	mdisplay_describe_plane(display, &plane);
	return copy_to_user(arg, &plane, minsz) ? -EFAULT : 0;
}

static long mdisplay_ioctl(struct mdev_device *mdev, unsigned int cmd,
			   unsigned long arg)
{
	struct mdisplay *display = to_mdisplay(mdev_to_pci(mdev));

	if (cmd == VFIO_DEVICE_QUERY_GFX_PLANE)
		return mdisplay_query_plane(display, (void __user *)arg);
	return -ENOTTY;
}

/* The types */

#define MDISPLAY_DESC(_pixels, _memory) {				\
	.vendor_id = PCI_VENDOR_ID_REDHAT_QUMRANET,			\
	.device_id = 0x10f4, /* one for experiments */			\
	.subsystem_vendor_id = PCI_VENDOR_ID_REDHAT_QUMRANET,		\
	.subsystem_id = 0x1100,						\
	.class = PCI_CLASS_DISPLAY_OTHER << 8,				\
	.revision = 1,							\
	.interrupt_pin = 1,						\
	.bar[0] = {							\
		.size = (_memory),					\
		.flags = PCI_BASE_ADDRESS_MEM_PREFETCH,			\
		.max_width = 4,						\
		.read = mdisplay_bar_read,				\
		.write = mdisplay_bar_write,				\
		.mmap = mdisplay_bar_mmap,				\
		.areas = &(const struct mdev_pci_area) {		\
			.size = PAGE_ALIGN((_pixels) * MDISPLAY_PIXEL),	\
		},							\
		.nr_areas = 1,						\
	},								\
	.reset = mdisplay_reset,					\
	.regions = mdisplay_regions,					\
	.nr_regions = ARRAY_SIZE(mdisplay_regions),			\
}

static const struct mdisplay_type mdisplay_types[] = {
	{
		.suffix = "vga",
		.name = "VGA display",
		.description = "One display of up to 640x480",
		.width = 640,
		.height = 480,
		.desc = MDISPLAY_DESC(640 * 480, SZ_2M),
	}, {
		.suffix = "xga",
		.name = "XGA display",
		.description = "One display of up to 1024x768",
		.width = 1024,
		.height = 768,
		.desc = MDISPLAY_DESC(1024 * 768, SZ_4M),
	}, {
		.suffix = "hd",
		.name = "HD display",
		.description = "One display of up to 1920x1080",
		.width = 1920,
		.height = 1080,
		.desc = MDISPLAY_DESC(1920 * 1080, SZ_16M),
	},
};

static const struct mdisplay_type *mdisplay_type_of(struct kobject *kobj)
{
	const char *suffix = strrchr(kobject_name(kobj), '-') + 1;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(mdisplay_types) - 1; i++)
		if (!strcmp(suffix, mdisplay_types[i].suffix))
			break;
	return &mdisplay_types[i];
}

static size_t mdisplay_memory(const struct mdisplay_type *type)
{
	return type->desc.bar[0].size;
}

MDEV_TYPE_ATTR_PRINT(name, "%s\n", mdisplay_type_of(kobj)->name);
MDEV_TYPE_ATTR_PRINT(description, "%s\n", mdisplay_type_of(kobj)->description);
MDEV_TYPE_ATTR_PRINT(device_api, "%s\n", VFIO_DEVICE_API_PCI_STRING);
MDEV_TYPE_ATTR_PRINT(available_instances, "%zu\n",
		     READ_ONCE(mdisplay_free_memory) /
		     mdisplay_memory(mdisplay_type_of(kobj)));

static struct attribute *mdisplay_type_attrs[] = {
	&mdev_type_attr_name.attr,
	&mdev_type_attr_description.attr,
	&mdev_type_attr_device_api.attr,
	&mdev_type_attr_available_instances.attr,
	NULL
};

static struct attribute_group mdisplay_groups[] = {
	{ .name = "vga", .attrs = mdisplay_type_attrs },
	{ .name = "xga", .attrs = mdisplay_type_attrs },
	{ .name = "hd", .attrs = mdisplay_type_attrs },
};

static struct attribute_group *mdisplay_type_groups[] = {
	&mdisplay_groups[0],
	&mdisplay_groups[1],
	&mdisplay_groups[2],
	NULL
};

/* Life of a display */

static int mdisplay_take_memory(size_t size)
{
	int ret = 0;

	mutex_lock(&mdisplay_lock);
	if (mdisplay_free_memory < size)
		ret = -EUSERS;
	else
		WRITE_ONCE(mdisplay_free_memory, mdisplay_free_memory - size);
	mutex_unlock(&mdisplay_lock);

	return ret;
}

static void mdisplay_give_memory(size_t size)
{
	mutex_lock(&mdisplay_lock);
	WRITE_ONCE(mdisplay_free_memory, mdisplay_free_memory + size);
	mutex_unlock(&mdisplay_lock);
}

static int mdisplay_init_display(struct mdisplay *display,
				 struct mdev_device *mdev)
{
	const struct mdisplay_type *type = display->type;
	int ret;

	mutex_init(&display->lock);
	display->frame_buffer = vmalloc_user(mdisplay_size(type));
	if (!display->frame_buffer)
		return -ENOMEM;

	ret = mdev_pci_init(&display->pci, mdev, &type->desc);
	if (ret)
		goto err_free;

	ret = mdev_pci_add_msi(&display->pci, 1);
	if (ret < 0)
		goto err_pci;
	return 0;

err_pci:
	mdev_pci_destroy(&display->pci);
err_free:
	vfree(display->frame_buffer);
	return ret;
}

static int mdisplay_create(struct kobject *kobj, struct mdev_device *mdev)
{
	const struct mdisplay_type *type = mdisplay_type_of(kobj);
	struct mdisplay *display;
	int ret;

	ret = mdisplay_take_memory(mdisplay_memory(type));
	if (ret)
		return ret;

	display = kzalloc(sizeof(*display), GFP_KERNEL);
	if (!display) {
		ret = -ENOMEM;
		goto err_memory;
	}

	display->type = type;
	ret = mdisplay_init_display(display, mdev);
	if (ret)
		goto err_free;
	return 0;

err_free:
	kfree(display);
err_memory:
	mdisplay_give_memory(mdisplay_memory(type));
	return ret;
}

static int mdisplay_remove(struct mdev_device *mdev)
{
	struct mdisplay *display = to_mdisplay(mdev_to_pci(mdev));

	mdev_pci_destroy(&display->pci);
	vfree(display->frame_buffer);
	mdisplay_give_memory(mdisplay_memory(display->type));
	kfree(display);
	return 0;
}

/* Each user finds the display dark, and nothing of the one before. */
static int mdisplay_open(struct mdev_device *mdev)
{
	struct mdisplay *display = to_mdisplay(mdev_to_pci(mdev));

	mutex_lock(&display->lock);
	mdisplay_forget_monitor(display);
	mutex_unlock(&display->lock);

	mdisplay_reset(&display->pci);
	return mdev_pci_open(mdev);
}

static const struct mdev_parent_ops mdisplay_ops = {
	.owner = THIS_MODULE,
	.supported_type_groups = mdisplay_type_groups,
	.create = mdisplay_create,
	.remove = mdisplay_remove,
	.open = mdisplay_open,
	.release = mdev_pci_release,
	.ioctl = mdisplay_ioctl,
	MDEV_PCI_PARENT_OPS,
};

module_mdev_virtual_parent(mdisplay, mdisplay_ops);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Sample vendor driver: mediated displays");
