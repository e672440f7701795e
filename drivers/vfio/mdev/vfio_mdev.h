/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of vfio_mdev.ko share. Calls go downwards only:
 *
 *	vfio_mdev_main.c     opening, closing, what a user does with the file
 *	vfio_mdev_ioctl.c    VFIO commands
 *	vfio_mdev_layout.c   regions
 *	vfio_mdev_pin.c, vfio_mdev_notify.c  what the vendor does
 *	vfio_mdev_kvm.c      the virtual machine
 *	vfio_mdev_call.c     calls from the vendor's side
 */
#ifndef VFIO_MDEV_H
#define VFIO_MDEV_H

#define MDEV_INTERFACE MDEV_INTERFACE_CLASSIC
#include <linux/mdev.h>
#include <linux/notifier.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#include <vfio-compat/vfio.h>

#include "mdev_failure.h"

/**
 * struct vfio_mdev_region - a region as the vendor described it
 * @info: flags, size, offset
 * @caps: capability chain, ready to be copied behind an info
 * @sparse: the chain's sparse mmap capability, or NULL
 */
struct vfio_mdev_region {
	struct vfio_region_info info;
	struct vfio_info_cap caps;
	const struct vfio_region_info_cap_sparse_mmap *sparse;
};

/**
 * struct vfio_mdev_layout - a device as the vendor described it
 * @info: flags, num_regions, num_irqs
 * @caps: capability chain, ready to be copied behind an info
 * @regions: info.num_regions of them, or NULL without get_region_info
 */
struct vfio_mdev_layout {
	struct vfio_device_info info;
	struct vfio_info_cap caps;
	struct vfio_mdev_region *regions;
};

/*
 *	CLOSED <-> ENTERED -> OPENING -> OPEN
 *	            ^   ^       |  |       |
 *	            |   '-------'  v       |
 *	            '-------- RELEASING <--'
 *
 * The VFIO core opens and closes a device once at a time, and so the state has one
 * writer. From ENTERED on a user has the device. Its vendor may pin in OPENING, which
 * is the vendor's open, and OPEN; RELEASING is the vendor's release. An open that the
 * vendor refuses goes back to ENTERED, one whose layout is refused is released.
 */
enum vfio_mdev_state {
	VFIO_MDEV_CLOSED,
	VFIO_MDEV_ENTERED,
	VFIO_MDEV_OPENING,
	VFIO_MDEV_OPEN,
	VFIO_MDEV_RELEASING,
};

/**
 * struct vfio_mdev - the VFIO device of a mediated device
 * @vdev: what the VFIO core works with
 * @mdev: the mediated device
 * @ops: its vendor's callbacks
 * @layout: taken down at open, read without a lock while open
 * @kvm: reference held while open, or NULL
 * @put_kvm: gives @kvm back
 * @iommu_notifier: classic vendor's, told when the user unmaps
 * @group_notifier: classic vendor's, told of @kvm
 * @lock: orders a user that comes or goes against a removal: protects @unbinding,
 *	  and @state where it becomes or was %VFIO_MDEV_CLOSED
 * @unbinding: the driver is being unbound, in whatever state
 * @state: an enum vfio_mdev_state, set with a release by vfio_mdev_set_state(), read
 *	  with an acquire by vfio_mdev_state()
 * @open_nr: number of the last open, written before its %VFIO_MDEV_ENTERED. No two
 *	  opens have the same
 * @calls: calls from the vendor's side and of the user's unmappings under way
 * @wait: for @calls to end, and for the end of %VFIO_MDEV_RELEASING
 */
struct vfio_mdev {
	struct vfio_device vdev;
	struct mdev_device *mdev;
	const struct mdev_parent_ops *ops;
	struct vfio_mdev_layout layout;
	struct kvm *kvm;
	void (*put_kvm)(struct kvm *kvm);
	struct blocking_notifier_head iommu_notifier;
	struct blocking_notifier_head group_notifier;
	/* protects unbinding, and state at its ends */
	spinlock_t lock;
	bool unbinding;
	int state;
	unsigned long open_nr;
	atomic_t calls;
	wait_queue_head_t wait;
};

static inline struct vfio_mdev *to_vfio_mdev(struct vfio_device *vdev)
{
	return container_of(vdev, struct vfio_mdev, vdev);
}

/* Publication: a caller that reads a state sees what was written before it was set. */
static inline void vfio_mdev_set_state(struct vfio_mdev *vmdev,
				       enum vfio_mdev_state state)
{
	/* Pairs with vfio_mdev_state() */
	smp_store_release(&vmdev->state, state);
}

static inline enum vfio_mdev_state vfio_mdev_state(const struct vfio_mdev *vmdev)
{
	/* Pairs with vfio_mdev_set_state() */
	return smp_load_acquire(&vmdev->state);
}

/* vfio_mdev_call.c */
enum vfio_mdev_need {
	VFIO_MDEV_NEEDS_BOUND,
	VFIO_MDEV_NEEDS_USER,		/* any state but CLOSED */
	VFIO_MDEV_NEEDS_PINNABLE,	/* OPENING, OPEN */
};

struct vfio_mdev *vfio_mdev_begin_dev(struct device *dev,
				      enum vfio_mdev_need need);
struct vfio_mdev *vfio_mdev_begin_open_nr(struct device *dev,
					  enum vfio_mdev_need need,
					  unsigned long open_nr);
bool vfio_mdev_begin(struct vfio_mdev *vmdev, enum vfio_mdev_need need);
void vfio_mdev_end(struct vfio_mdev *vmdev);
void vfio_mdev_wait_calls(struct vfio_mdev *vmdev);

/* vfio_mdev_notify.c */
void vfio_mdev_notify_unmap(struct vfio_mdev *vmdev, u64 iova, u64 length);

/* vfio_mdev_layout.c */
int vfio_mdev_get_layout(struct vfio_mdev *vmdev);
void vfio_mdev_put_layout(struct vfio_mdev *vmdev);
ssize_t vfio_mdev_clamp(const struct vfio_mdev *vmdev, loff_t pos, size_t count,
			u32 access);
int vfio_mdev_check_mmap(const struct vfio_mdev *vmdev,
			 struct vm_area_struct *vma);

/* vfio_mdev_ioctl.c */
long vfio_mdev_ioctl(struct vfio_device *vdev, unsigned int cmd,
		     unsigned long arg);
int vfio_mdev_region_info_caps(struct vfio_device *vdev, struct vfio_region_info *info,
			       struct vfio_info_cap *caps);

/* vfio_mdev_kvm.c */
void vfio_mdev_get_kvm(struct vfio_mdev *vmdev);
void vfio_mdev_tell_kvm(struct vfio_mdev *vmdev, struct notifier_block *nb);
void vfio_mdev_put_kvm(struct vfio_mdev *vmdev);

#endif /* VFIO_MDEV_H */
