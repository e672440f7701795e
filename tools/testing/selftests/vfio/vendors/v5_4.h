/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _V5_4_H
#define _V5_4_H

#include <linux/notifier.h>
#include <linux/types.h>

#include "vendor_pins.h"

struct device;
struct vfio_group;

/**
 * struct v5_memory - what a device has of its user's memory
 * @dev: the mediated device
 * @notifier: hears of unmapping while the device is open
 * @group: handle of an external user, got when the device is opened
 * @pins: what it has pinned; their lock protects @group
 */
struct v5_memory {
	struct device *dev;
	struct notifier_block notifier;
	struct vfio_group *group;
	struct vendor_pins pins;
};

void v5_memory_init(struct v5_memory *memory);
int v5_memory_open(struct v5_memory *memory, struct device *dev);
void v5_memory_release(struct v5_memory *memory, bool keep);
void v5_memory_put(struct v5_memory *memory);
long v5_memory_ioctl(struct v5_memory *memory, unsigned int cmd,
		     void __user *arg);
int v5_memory_touch(struct v5_memory *memory, unsigned long user_pfn);

#endif /* _V5_4_H */
