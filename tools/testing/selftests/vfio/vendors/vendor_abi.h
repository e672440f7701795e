/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Commands of the test vendor drivers' own on a device's file. Each answers
 * what the function that it is named for answered; arrays are filled also where
 * that is an error.
 */
#ifndef _VENDOR_ABI_H
#define _VENDOR_ABI_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define VENDOR_MAX_PAGES	8200	/* in one call; VFIO takes 8,192 where pages have 64 KiB */
#define VENDOR_MAX_PINS		4096	/* of a device */
#define VENDOR_REGION_SIZE	4096

/* Of linux/iommu.h */
#define VENDOR_READ		1
#define VENDOR_WRITE		2

/**
 * struct vendor_pages - pages to pin or unpin
 * @user_pfn: address of an array of __u64
 * @phys_pfn: address of an array of __u64, written by VENDOR_PIN
 * @npage: what is handed on, also if it makes no sense; the arrays have that
 *	   many entries, but at least one and no more than VENDOR_MAX_PAGES
 * @prot: VENDOR_READ, VENDOR_WRITE
 * @parent: ask for the pages of the parent device, which has none
 * @reserved: 0
 */
struct vendor_pages {
	__u64 user_pfn;
	__u64 phys_pfn;
	__s32 npage;
	__u32 prot;
	__u32 parent;
	__u32 reserved;
};

/**
 * struct vendor_word - the first word of a pinned page
 * @phys_pfn: the page
 * @value: what it is, or was before it was written
 * @write: write @new there
 * @new: new value
 */
struct vendor_word {
	__u64 phys_pfn;
	__u64 value;
	__u64 new;
	__u64 write;
};

/**
 * struct vendor_notifier - register a notifier or take it back
 * @type: 0 for the IOMMU's, 1 for the group's, others as they are
 * @on: register
 * @events: events to ask for; what is left of them
 */
struct vendor_notifier {
	__u32 type;
	__u32 on;
	__u64 events;
};

/**
 * struct vendor_news - what the notifiers were told since the device was opened
 * @unmaps: how often of an unmapping
 * @unpinned: how many pages were unpinned for that
 * @iova: start of the last one
 * @size: its size
 * @kvms: how often of a virtual machine
 * @kvm: was there one, the last time?
 */
struct vendor_news {
	__u32 unmaps;
	__u32 unpinned;
	__u64 iova;
	__u64 size;
	__u32 kvms;
	__u32 kvm;
};

/**
 * struct vendor_dma - read or write the user's memory
 * @iova: where
 * @data: address of what is read or written
 * @len: its length, a region's size at most
 * @write: write to @iova
 */
struct vendor_dma {
	__u64 iova;
	__u64 data;
	__u32 len;
	__u32 write;
};

#define VENDOR_PIN	_IOW('v', 0, struct vendor_pages)
#define VENDOR_UNPIN	_IOW('v', 1, struct vendor_pages)
#define VENDOR_WORD	_IOWR('v', 2, struct vendor_word)
#define VENDOR_NOTIFIER	_IOWR('v', 3, struct vendor_notifier)
#define VENDOR_NEWS	_IOR('v', 4, struct vendor_news)
/* Signals the eventfd of interrupt 0 */
#define VENDOR_SIGNAL	_IO('v', 5)
/* For drivers with a handle of an external user */
#define VENDOR_DMA	_IOW('v', 6, struct vendor_dma)
/* Has them take another one, of the file of a group that the user names */
#define VENDOR_GROUP	_IOW('v', 7, __s32)
/* VENDOR_DMA of the driver that did it through KVM */
#define VENDOR_GUEST	_IOW('v', 8, struct vendor_dma)

/*
 * The driver that was built with release v0.1 notes in its parameter "called" which
 * of its callbacks were called with these, a bit each.
 */
enum v0_1_op {
	V0_1_CREATE,
	V0_1_REMOVE,
	V0_1_OPEN,
	V0_1_RELEASE,
	V0_1_READ,
	V0_1_WRITE,
	V0_1_IOCTL,
	V0_1_MMAP,
	V0_1_REQUEST,
	V0_1_GET_DEVICE_INFO,
	V0_1_GET_REGION_INFO,
	V0_1_GET_IRQ_INFO,
	V0_1_SET_IRQS,
	V0_1_RESET,
	V0_1_CAN_REQUEST,
	V0_1_DMA_UNMAP,
	V0_1_DEVICE_FEATURE,
	V0_1_SET_KVM,
	V0_1_OPS
};

#define V0_1_COUNT	8
#define V0_1_POS	24
#define V0_1_IRQS	4
#define V0_1_BOOL	3
#define V0_1_CAP	0x5a
#define V0_1_FEATURE	0x1234

#endif /* _VENDOR_ABI_H */
