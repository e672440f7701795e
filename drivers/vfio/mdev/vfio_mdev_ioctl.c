// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfio_mdev: VFIO commands of a device
 *
 * A table has a row for each command with a structured op. Where the vendor
 * has the op, the row's handler checks what the user gave and answers, from
 * the layout that was taken down at open or by asking the vendor; in all other
 * cases the command goes to the vendor's ioctl as it came. Errnos are those
 * that vfio-pci has for the same input.
 *
 * From Linux 6.19 on the VFIO core serves VFIO_DEVICE_GET_REGION_INFO itself and
 * asks vfio_mdev_region_info_caps() for what a region is. A vendor with
 * structured ops is not concerned. One that has only an ioctl wants the pointer
 * of the user, which the core does not pass on: it is taken from the system call
 * that is running, so the vendor sees what it always saw, and writes its answer
 * and capabilities where it always did. The alternative, a page of scratch memory
 * in the user's address space, would have to be found again in what the vendor
 * wrote there, and can be seen, changed and used up by the user's other threads.
 *
 * No lock: handlers run while the device is open, see vfio_mdev_main.c.
 */
#include <linux/bitops.h>
#include <linux/nospec.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include <vfio-compat/syscall.h>

#include "vfio_mdev.h"

/*
 * VFIO_DEVICE_GET_INFO and _GET_REGION_INFO answer alike: a struct of which
 * old users know only the beginning, then, where there is room, capabilities.
 */
static long vfio_mdev_copy_info(void __user *arg, u32 argsz,
				const void *info, size_t size,
				const struct vfio_info_cap *caps, bool room)
{
	if (copy_to_user(arg, info, min_t(size_t, argsz, size)))
		return -EFAULT;
	if (room && copy_to_user(arg + size, caps->buf, caps->size))
		return -EFAULT;
	return 0;
}

static long vfio_mdev_get_info(struct vfio_mdev *vmdev, void __user *arg)
{
	const struct vfio_info_cap *caps = &vmdev->layout.caps;
	struct vfio_device_info info = vmdev->layout.info;
	bool room = false;
	u32 argsz;

	if (get_user(argsz, (u32 __user *)arg))
		return -EFAULT;
	if (argsz < offsetofend(struct vfio_device_info, num_irqs))
		return -EINVAL;

	info.argsz = argsz;
	info.cap_offset = 0;
	if (caps->size) {
		info.flags |= VFIO_DEVICE_FLAGS_CAPS;
		room = argsz >= sizeof(info) + caps->size;
		if (room)
			info.cap_offset = sizeof(info);
		else
			info.argsz = sizeof(info) + caps->size;
	}
	return vfio_mdev_copy_info(arg, argsz, &info, sizeof(info), caps, room);
}

static long vfio_mdev_get_region_info(struct vfio_mdev *vmdev, void __user *arg)
{
	const size_t minsz = offsetofend(struct vfio_region_info, offset);
	const u32 num_regions = vmdev->layout.info.num_regions;
	const struct vfio_mdev_region *region;
	const struct vfio_info_cap *caps;
	struct vfio_region_info info;
	bool room = false;
	u32 argsz;

	if (copy_from_user(&info, arg, minsz))
		return -EFAULT;
	argsz = info.argsz;
	if (argsz < minsz || info.index >= num_regions)
		return -EINVAL;

	info.index = array_index_nospec(info.index, num_regions);
	region = &vmdev->layout.regions[info.index];
	caps = &region->caps;
	info = region->info;
	info.argsz = argsz;
	info.cap_offset = 0;
	if (caps->size) {
		info.flags |= VFIO_REGION_INFO_FLAG_CAPS;
		room = argsz >= sizeof(info) + caps->size;
		if (room)
			info.cap_offset = sizeof(info);
		else
			info.argsz = sizeof(info) + caps->size;
	}
	return vfio_mdev_copy_info(arg, argsz, &info, sizeof(info), caps, room);
}

/* The user's index is one that the vendor can use for an array afterwards. */
static long vfio_mdev_ask_irq(struct vfio_mdev *vmdev, u32 *index,
			      struct vfio_irq_info *info)
{
	const u32 num_irqs = vmdev->layout.info.num_irqs;

	if (*index >= num_irqs)
		return -EINVAL;

	*index = array_index_nospec(*index, num_irqs);
	*info = (struct vfio_irq_info) {
		.argsz = sizeof(*info),
		.index = *index,
	};
	return vmdev->ops->get_irq_info(vmdev->mdev, info);
}

static long vfio_mdev_get_irq_info(struct vfio_mdev *vmdev, void __user *arg)
{
	const size_t minsz = offsetofend(struct vfio_irq_info, count);
	struct vfio_irq_info info, answer;
	long ret;

	if (copy_from_user(&info, arg, minsz))
		return -EFAULT;
	if (info.argsz < minsz)
		return -EINVAL;

	ret = vfio_mdev_ask_irq(vmdev, &info.index, &answer);
	if (ret)
		return ret;

	info.flags = answer.flags;
	info.count = answer.count;
	return copy_to_user(arg, &info, minsz) ? -EFAULT : 0;
}

/* Is it one action, and one that the interrupt has? */
static long vfio_mdev_check_irq_action(u32 flags, u32 irq_flags)
{
	u32 action = flags & VFIO_IRQ_SET_ACTION_TYPE_MASK;

	if (hweight32(action) != 1)
		return -ENOTTY;
	if (action != VFIO_IRQ_SET_ACTION_TRIGGER &&
	    !(irq_flags & VFIO_IRQ_INFO_MASKABLE))
		return -ENOTTY;
	if ((flags & VFIO_IRQ_SET_DATA_EVENTFD) &&
	    !(irq_flags & VFIO_IRQ_INFO_EVENTFD))
		return -EINVAL;
	return 0;
}

static long vfio_mdev_set_irqs(struct vfio_mdev *vmdev, void __user *arg)
{
	const size_t minsz = offsetofend(struct vfio_irq_set, count);
	struct vfio_irq_info info;
	struct vfio_irq_set hdr;
	void *data = NULL;
	size_t size = 0;
	u32 nr;
	long ret;

	if (copy_from_user(&hdr, arg, minsz))
		return -EFAULT;
	ret = vfio_mdev_ask_irq(vmdev, &hdr.index, &info);
	if (ret)
		return ret;

	/* Bounds start, count and argsz by the vendor's count, at most 2^31 */
	nr = min_t(u32, info.count, INT_MAX);
	ret = vfio_set_irqs_validate_and_prepare(&hdr, nr,
						 vmdev->layout.info.num_irqs,
						 &size);
	if (ret)
		return ret;
	hdr.start = array_index_nospec(hdr.start, nr);
	ret = vfio_mdev_check_irq_action(hdr.flags, info.flags);
	if (ret)
		return ret;

	if (size) {
		data = memdup_user(arg + minsz, size);
		if (IS_ERR(data))
			return PTR_ERR(data);
	}
	ret = vmdev->ops->set_irqs(vmdev->mdev, hdr.flags, hdr.index, hdr.start,
				   hdr.count, data);
	kfree(data);
	return ret;
}

static long vfio_mdev_reset(struct vfio_mdev *vmdev, void __user *arg)
{
	return vmdev->ops->reset(vmdev->mdev);
}

/**
 * struct vfio_mdev_command - a VFIO command with a structured op
 * @cmd: command
 * @op: offset of the op in struct mdev_parent_ops
 * @handler: serves it where the vendor has the op
 */
struct vfio_mdev_command {
	unsigned int cmd;
	size_t op;
	long (*handler)(struct vfio_mdev *vmdev, void __user *arg);
};

#define VFIO_MDEV_COMMAND(_cmd, _op, _handler)				\
	{ _cmd, offsetof(struct mdev_parent_ops, _op), _handler }

static const struct vfio_mdev_command vfio_mdev_commands[] = {
	VFIO_MDEV_COMMAND(VFIO_DEVICE_SET_IRQS, set_irqs, vfio_mdev_set_irqs),
	VFIO_MDEV_COMMAND(VFIO_DEVICE_GET_INFO, get_device_info,
			  vfio_mdev_get_info),
	VFIO_MDEV_COMMAND(VFIO_DEVICE_GET_REGION_INFO, get_region_info,
			  vfio_mdev_get_region_info),
	VFIO_MDEV_COMMAND(VFIO_DEVICE_GET_IRQ_INFO, get_irq_info,
			  vfio_mdev_get_irq_info),
	VFIO_MDEV_COMMAND(VFIO_DEVICE_RESET, reset, vfio_mdev_reset),
};

static bool vfio_mdev_has_op(const struct vfio_mdev *vmdev, size_t offset)
{
	return *(void **)((void *)vmdev->ops + offset);
}

/**
 * vfio_mdev_ioctl - serve a command, or pass it to the vendor
 * @vdev: device
 * @cmd: command
 * @arg: its argument, the user's
 *
 * Context: process context, device open.
 * Return: what the command returns. A command that nobody serves is -ENOTTY;
 * -EINVAL when it is a reset, or the vendor has no way to serve any command.
 */
long vfio_mdev_ioctl(struct vfio_device *vdev, unsigned int cmd,
		     unsigned long arg)
{
	struct vfio_mdev *vmdev = to_vfio_mdev(vdev);
	unsigned int i;

	if (vmdev->ops->get_device_info || vmdev->ops->reset) {
		for (i = 0; i < ARRAY_SIZE(vfio_mdev_commands); i++) {
			const struct vfio_mdev_command *c =
				&vfio_mdev_commands[i];

			if (c->cmd == cmd && vfio_mdev_has_op(vmdev, c->op))
				return c->handler(vmdev, (void __user *)arg);
		}
	}

	if (vmdev->ops->ioctl)
		return vmdev->ops->ioctl(vmdev->mdev, cmd, arg);
	if (!vmdev->ops->get_device_info || cmd == VFIO_DEVICE_RESET)
		return -EINVAL;
	return -ENOTTY;
}

/**
 * vfio_mdev_region_info_caps - tell the VFIO core what a region is
 * @vdev: device
 * @info: argsz and index as the user gave them; the answer
 * @caps: empty; capabilities for the core to add to the answer, and to free
 *
 * Context: process context, within the user's ioctl(2), device open.
 * Return: 0, or what VFIO_DEVICE_GET_REGION_INFO returns then.
 */
int vfio_mdev_region_info_caps(struct vfio_device *vdev, struct vfio_region_info *info,
			       struct vfio_info_cap *caps)
{
	const unsigned int cmd = VFIO_DEVICE_GET_REGION_INFO;
	struct vfio_mdev *vmdev = to_vfio_mdev(vdev);
	const struct vfio_mdev_region *region;
	u32 argsz = info->argsz, index;
	void __user *arg;
	long ret;

	if (!vmdev->ops->get_device_info || !vmdev->ops->get_region_info) {
		arg = vfio_compat_ioctl_arg(cmd);
		if (!arg)
			return -EINVAL;
		ret = vfio_mdev_ioctl(vdev, cmd, (unsigned long)arg);
		if (!ret && copy_from_user(info, arg, sizeof(*info)))
			ret = -EFAULT;
		return ret;
	}

	if (info->index >= vmdev->layout.info.num_regions)
		return -EINVAL;
	index = array_index_nospec(info->index, vmdev->layout.info.num_regions);
	region = &vmdev->layout.regions[index];
	*info = region->info;
	info->argsz = argsz;
	info->cap_offset = 0;
	if (region->caps.size) {
		caps->buf = kmemdup(region->caps.buf, region->caps.size,
				    GFP_KERNEL_ACCOUNT);
		if (!caps->buf)
			return -ENOMEM;
		caps->size = region->caps.size;
	}
	return 0;
}
