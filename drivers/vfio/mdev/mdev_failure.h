/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Why something failed, as a parent's file mdev_errors tells it. Each cause has a
 * word for programs and a sentence for people (mdev_failure.c); the ABI file lists the
 * words, so they stay. mdev.ko and vfio_mdev.ko share this.
 */
#ifndef MDEV_FAILURE_H
#define MDEV_FAILURE_H

struct device;

/* What was asked for */
enum mdev_act {
	MDEV_ACT_CREATE,
	MDEV_ACT_REMOVE,
	MDEV_ACT_UNBIND,
	MDEV_ACT_OPEN,
	MDEV_ACT_PIN,
};

enum mdev_cause {
	/* a creation */
	MDEV_CAUSE_NO_UUID,
	MDEV_CAUSE_PARENT_BUSY,
	MDEV_CAUSE_UUID_IN_USE,
	MDEV_CAUSE_NO_MEMORY,
	MDEV_CAUSE_BUS,
	MDEV_CAUSE_BUS_DRIVER,
	MDEV_CAUSE_LINKS,
	/* a removal, an unbinding */
	MDEV_CAUSE_INCOMPLETE,
	MDEV_CAUSE_ANOTHER,
	MDEV_CAUSE_GOING,
	MDEV_CAUSE_LOCKED,
	MDEV_CAUSE_NOBODY_TO_ASK,
	MDEV_CAUSE_FILE_OPEN,
	MDEV_CAUSE_SIGNAL,
	MDEV_CAUSE_ANSWER,
	/* an open */
	MDEV_CAUSE_BEING_REMOVED,
	MDEV_CAUSE_BEING_UNBOUND,
	MDEV_CAUSE_NO_OPEN,
	MDEV_CAUSE_OWNER_GOING,
	MDEV_CAUSE_LAYOUT,
	/* a pin */
	MDEV_CAUSE_ARGUMENTS,
	MDEV_CAUSE_NOT_OPEN,
	MDEV_CAUSE_UNHEARD,
	MDEV_CAUSE_MEMORY,
	/* what the vendor's create or open answered */
	MDEV_CAUSE_PARENT_DRIVER,
};

void mdev_device_failed(struct device *dev, enum mdev_act act,
			enum mdev_cause cause, int error);

#endif /* MDEV_FAILURE_H */
