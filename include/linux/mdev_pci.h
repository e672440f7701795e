/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Mediated devices that look like PCI devices
 *
 * A vendor driver with the classic interface describes its device in a
 * struct mdev_pci_desc, embeds a struct mdev_pci in what it keeps for each
 * mediated device, and has MDEV_PCI_PARENT_OPS in its struct mdev_parent_ops.
 * Configuration space, regions and interrupts are done from there; what is
 * left to the driver are the registers behind its BARs.
 * Documentation/mdev-pci.txt is a how-to.
 */
#ifndef _LINUX_MDEV_PCI_H
#define _LINUX_MDEV_PCI_H

#ifndef MDEV_INTERFACE
#define MDEV_INTERFACE MDEV_INTERFACE_CLASSIC
#endif
#include <linux/mdev.h>
#ifndef MDEV_INTERFACE_CLASSIC
#error "our include folder must come first: LINUXINCLUDE, see Documentation/mdev-pci.txt"
#elif MDEV_INTERFACE != MDEV_INTERFACE_CLASSIC
#error "mdev_pci.h serves drivers with the classic interface: include it ahead of mdev.h"
#endif

#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/vfio.h>
#include <uapi/linux/pci_regs.h>

struct eventfd_ctx;
struct mdev_pci;

/* Region index and position within it, as vfio-pci puts them into an offset */
#define MDEV_PCI_OFFSET_SHIFT		40
#define MDEV_PCI_OFFSET_MASK		((1ULL << MDEV_PCI_OFFSET_SHIFT) - 1)
#define MDEV_PCI_INDEX_TO_OFFSET(index)	((u64)(index) << MDEV_PCI_OFFSET_SHIFT)
#define MDEV_PCI_OFFSET_TO_INDEX(pos)	((u64)(pos) >> MDEV_PCI_OFFSET_SHIFT)

/**
 * struct mdev_pci_area - a part of a BAR that may be mapped
 * @offset: where in the BAR, a multiple of the page size
 * @size: in bytes, a multiple of the page size
 */
struct mdev_pci_area {
	u64 offset;
	u64 size;
};

/**
 * struct mdev_pci_bar - a base address register and what lies behind it
 * @size: in bytes, a power of two; 0: there is no such BAR
 * @flags: its low bits: %PCI_BASE_ADDRESS_SPACE_IO, or any of
 *	   %PCI_BASE_ADDRESS_MEM_TYPE_64 (the next BAR is then its upper half
 *	   and stays empty) and %PCI_BASE_ADDRESS_MEM_PREFETCH
 * @max_width: widest access that @read and @write take: 1, 2, 4 or 8 bytes,
 *	       0 means 8. Wider ones are split
 * @read: get @width bytes at @offset, a multiple of @width, into @val, which
 *	  is 0 before (optional; absent, the BAR reads as 0)
 * @write: opposite of @read (optional; absent, writes are dropped)
 * @mmap: map the BAR from @offset on to @vma; the range lies within the BAR
 *	  and one of the @areas (optional)
 * @areas: what of the BAR @mmap takes; NULL: all
 * @nr_areas: number of @areas
 *
 * The callbacks run in process context, on as many CPUs as the user has
 * threads. The MSI-X table and pending bits never reach them.
 */
struct mdev_pci_bar {
	u64 size;
	u32 flags;
	unsigned int max_width;
	int (*read)(struct mdev_pci *pci, u64 offset, unsigned int width,
		    u64 *val);
	int (*write)(struct mdev_pci *pci, u64 offset, unsigned int width,
		     u64 val);
	int (*mmap)(struct mdev_pci *pci, struct vm_area_struct *vma,
		    u64 offset);
	const struct mdev_pci_area *areas;
	unsigned int nr_areas;
};

/**
 * struct mdev_pci_region - a region beside those that every PCI device has
 * @type: what it is, as in &struct vfio_region_info_cap_type
 * @subtype: likewise
 * @size: in bytes
 * @read: as in &struct mdev_pci_bar; absent, users cannot read the region
 * @write: as in &struct mdev_pci_bar; absent, users cannot write it. A region
 *	   has one of the two at least
 */
struct mdev_pci_region {
	u32 type;
	u32 subtype;
	u64 size;
	int (*read)(struct mdev_pci *pci, u64 offset, unsigned int width,
		    u64 *val);
	int (*write)(struct mdev_pci *pci, u64 offset, unsigned int width,
		     u64 val);
};

/**
 * struct mdev_pci_desc - what a device of a type looks like
 * @vendor_id: and the next ones: as in the header of its configuration space
 * @device_id: see there
 * @subsystem_vendor_id: see there
 * @subsystem_id: see there
 * @class: base class, sub-class and programming interface in 24 bits
 * @revision: see there
 * @interrupt_pin: 1 to 4 for INTA to INTD, 0 without INTx
 * @config_size: 256 or 4096; 0 means 256
 * @bar: base address registers
 * @reset: bring the device, not its configuration space, into its initial
 *	   state (optional; absent, users cannot reset it)
 * @config_written: @width bytes at @offset of the configuration space have
 *		    been written (optional)
 * @regions: further regions, with indexes from %VFIO_PCI_NUM_REGIONS on
 *	     (optional)
 * @nr_regions: number of @regions
 */
struct mdev_pci_desc {
	u16 vendor_id;
	u16 device_id;
	u16 subsystem_vendor_id;
	u16 subsystem_id;
	u32 class;
	u8 revision;
	u8 interrupt_pin;
	u16 config_size;
	struct mdev_pci_bar bar[PCI_STD_NUM_BARS];
	int (*reset)(struct mdev_pci *pci);
	void (*config_written)(struct mdev_pci *pci, unsigned int offset,
			       unsigned int width);
	const struct mdev_pci_region *regions;
	unsigned int nr_regions;
};

/* A byte of configuration space: its value, and what a write does to it. */
struct mdev_pci_byte {
	u8 value;
	u8 reset;	/* value at open */
	u8 writable;	/* bits that take what is written */
	u8 clearable;	/* bits that a written 1 clears */
};

struct mdev_pci_config {
	struct mdev_pci_byte *byte;
	unsigned int size;
	/* capability lists: the first free byte, the header to link from */
	u16 cap_free;
	u16 cap_last;
	u16 ext_free;
	u16 ext_last;
	/* capabilities in which some values are refused, 0 if absent */
	u16 pm;
	u16 msi;
};

struct mdev_pci_msix {
	unsigned int bar;
	u64 table;
	u64 table_size;
	u64 pba;
	u64 pba_size;
};

/* See mdev_pci_irqs.c. */
struct mdev_pci_irqs {
	struct mutex mutex;	/* one VFIO_DEVICE_SET_IRQS at a time */
	unsigned int count[VFIO_PCI_NUM_IRQS];
	unsigned int nr_slots;	/* length of trigger[], fixed at open */
	struct virqfd *unmask;	/* changed under mutex or by the eventfd's end */

	spinlock_t lock;	/* what follows; changed under both locks, */
	u32 type;		/* but for the state of INTx: under this one */
	unsigned int nr_enabled;
	struct eventfd_ctx **trigger;
	struct eventfd_ctx *err;
	struct eventfd_ctx *req;
	bool intx_level;
	bool intx_masked;
	bool intx_disabled;
};

/**
 * struct mdev_pci - the PCI side of a mediated device
 * @mdev: the mediated device
 * @desc: its description
 *
 * Embedded in what the driver keeps for the device, zeroed at first; all
 * other members are the helpers' own.
 */
struct mdev_pci {
	struct mdev_device *mdev;
	const struct mdev_pci_desc *desc;
	/* private: */
	struct mutex config_lock;	/* values in config */
	struct mdev_pci_config config;
	struct mdev_pci_msix msix;
	struct mdev_pci_irqs irqs;
};

/**
 * mdev_to_pci - the struct mdev_pci of a mediated device
 * @mdev: a device for which mdev_pci_init() succeeded
 */
static inline struct mdev_pci *mdev_to_pci(struct mdev_device *mdev)
{
	return mdev_get_drvdata(mdev);
}

/* Life: from the create and remove callbacks */
int mdev_pci_init(struct mdev_pci *pci, struct mdev_device *mdev,
		  const struct mdev_pci_desc *desc);
void mdev_pci_destroy(struct mdev_pci *pci);

/* Capabilities: between mdev_pci_init() and the end of create */
int mdev_pci_add_cap(struct mdev_pci *pci, u8 id, const void *body,
		     const void *writable, size_t len);
int mdev_pci_add_ext_cap(struct mdev_pci *pci, u16 id, u8 version,
			 const void *body, const void *writable, size_t len);
int mdev_pci_add_vendor_cap(struct mdev_pci *pci, const void *body,
			    const void *writable, size_t len);
int mdev_pci_add_pm(struct mdev_pci *pci);
int mdev_pci_add_msi(struct mdev_pci *pci, unsigned int vectors);
int mdev_pci_add_msix(struct mdev_pci *pci, unsigned int vectors,
		      unsigned int bar, u64 table, u64 pba);

/* The driver's own look at configuration space: process context */
u32 mdev_pci_config_get(struct mdev_pci *pci, unsigned int offset,
			unsigned int width);
void mdev_pci_config_set(struct mdev_pci *pci, unsigned int offset,
			 unsigned int width, u32 val);

/* Interrupts: any context but NMI; with PREEMPT_RT, any that may sleep on locks */
void mdev_pci_set_intx(struct mdev_pci *pci, bool level);
unsigned int mdev_pci_nr_vectors(struct mdev_pci *pci);
bool mdev_pci_signal_msi(struct mdev_pci *pci, unsigned int vector);
void mdev_pci_signal_error(struct mdev_pci *pci);

/* For bus drivers that serve a device to the kernel: process context */
struct mdev_pci *mdev_pci_find(struct mdev_device *mdev);
int mdev_pci_bar_read(struct mdev_pci *pci, unsigned int index, u64 offset,
		      unsigned int width, u64 *val);
int mdev_pci_bar_write(struct mdev_pci *pci, unsigned int index, u64 offset,
		       unsigned int width, u64 val);

/* For struct mdev_parent_ops */
int mdev_pci_open(struct mdev_device *mdev);
void mdev_pci_release(struct mdev_device *mdev);
ssize_t mdev_pci_read(struct mdev_device *mdev, char __user *buf, size_t count,
		      loff_t *ppos);
ssize_t mdev_pci_write(struct mdev_device *mdev, const char __user *buf,
		       size_t count, loff_t *ppos);
int mdev_pci_mmap(struct mdev_device *mdev, struct vm_area_struct *vma);
void mdev_pci_request(struct mdev_device *mdev, unsigned int count);
bool mdev_pci_can_request(struct mdev_device *mdev);
int mdev_pci_get_device_info(struct mdev_device *mdev,
			     struct vfio_device_info *info,
			     struct vfio_info_cap *caps);
int mdev_pci_get_region_info(struct mdev_device *mdev,
			     struct vfio_region_info *info,
			     struct vfio_info_cap *caps);
int mdev_pci_get_irq_info(struct mdev_device *mdev,
			  struct vfio_irq_info *info);
int mdev_pci_set_irqs(struct mdev_device *mdev, u32 flags, u32 index,
		      u32 start, u32 count, void *data);
int mdev_pci_reset(struct mdev_device *mdev);

/**
 * MDEV_PCI_PARENT_OPS - the helpers' part of a struct mdev_parent_ops
 *
 * All but open and release: those are mdev_pci_open() and mdev_pci_release(),
 * or functions of the driver's own that call them.
 */
#define MDEV_PCI_PARENT_OPS					\
	.read = mdev_pci_read,					\
	.write = mdev_pci_write,				\
	.mmap = mdev_pci_mmap,					\
	.request = mdev_pci_request,				\
	.get_device_info = mdev_pci_get_device_info,		\
	.get_region_info = mdev_pci_get_region_info,		\
	.get_irq_info = mdev_pci_get_irq_info,			\
	.set_irqs = mdev_pci_set_irqs,				\
	.reset = mdev_pci_reset,				\
	.can_request = mdev_pci_can_request

#endif /* _LINUX_MDEV_PCI_H */
