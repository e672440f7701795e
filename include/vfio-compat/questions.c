// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a kernel offers, asked of its headers: see the script "ask"
 *
 * A question is an "#ifdef ASK_<name>" and has two forms, of which exactly one
 * compiles: the first, under YES, where the kernel has what is asked for, and the
 * second where it has not. If both compile, or neither does, the question does
 * not fit that kernel, and the build stops instead of guessing. The answer is
 * VFIO_COMPAT_HAS_<name> in <generated/vfio-compat.h>, 1 or 0.
 *
 * What makes the second form fail where the first compiles:
 *
 *	of a function	a declaration in its other form, or of something that
 *			is no function, contradicts the kernel's
 *	of a member	a struct that holds the kernel's without a name has
 *			the member twice (-fms-extensions)
 *
 * All first forms are compiled together, and all second forms. An error belongs
 * to the question whose name the compiler gives as the file. "ask" and "ask_it"
 * are other names in each. The headers, and what a second form uses of them, are
 * in every supported kernel; "if <name>" says that a question makes sense only
 * where that other one is answered by yes.
 */
#include <linux/device.h>
#include <linux/eventfd.h>
#include <linux/hrtimer.h>
#include <linux/iommu.h>
#include <linux/irqdomain.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/platform_device.h>
#include <linux/timer.h>
#include <linux/tty_driver.h>
#include <linux/uaccess.h>
#include <linux/uuid.h>
#include <linux/vfio.h>
#include <linux/workqueue.h>

/* 6.4: class_create() takes the name alone */
#ifdef ASK_CLASS_CREATE_NAME
#if YES
struct class *ask(void) { return class_create("ask"); }
#else
struct class *ask(void) { return class_create(NULL, "ask"); }
#endif
#endif

/* 6.11: a bus looks at a driver that is const */
#ifdef ASK_BUS_MATCH_CONST
#if YES
typedef int ask_it(struct device *dev, const struct device_driver *drv);
#else
typedef int ask_it(struct device *dev, struct device_driver *drv);
#endif
void ask(struct bus_type *bus, ask_it *match) { bus->match = match; }
#endif

/* 6.16: a class's link to a device takes no second device */
#ifdef ASK_CLASS_COMPAT_ONE_DEVICE
#if YES
int class_compat_create_link(struct class_compat *cls, struct device *dev);
#else
int class_compat_create_link(struct class_compat *cls, struct device *dev,
			     struct device *device_link);
#endif
#endif

/* 6.8: eventfd_signal() adds one */
#ifdef ASK_EVENTFD_SIGNAL_ONE
#if YES
void ask(struct eventfd_ctx *ctx) { eventfd_signal(ctx); }
#else
void ask(struct eventfd_ctx *ctx) { eventfd_signal(ctx, 1); }
#endif
#endif

/* 6.5: pin_user_pages_remote() does not tell the areas */
#ifdef ASK_PIN_REMOTE_NO_VMAS
#if YES
long pin_user_pages_remote(struct mm_struct *mm, unsigned long start,
			   unsigned long nr_pages, unsigned int gup_flags,
			   struct page **pages, int *locked);
#else
long pin_user_pages_remote(struct mm_struct *mm, unsigned long start,
			   unsigned long nr_pages, unsigned int gup_flags,
			   struct page **pages, struct vm_area_struct **vmas,
			   int *locked);
#endif
#endif

/* 6.4: an address is told its address space to be untagged for */
#ifdef ASK_UNTAGGED_ADDR_REMOTE
#if YES
unsigned long ask(struct mm_struct *mm) { return untagged_addr_remote(mm, 0UL); }
#else
char untagged_addr_remote;
#ifdef untagged_addr_remote
#error "a macro"
#endif
#endif
#endif

/* 6.12: I/O memory is looked up by follow_pfnmap_start() */
#ifdef ASK_FOLLOW_PFNMAP
#if YES
int (*ask)(struct follow_pfnmap_args *args) = follow_pfnmap_start;
#else
char follow_pfnmap_start;
#endif
#endif

/* 6.16: and it says how much is mapped as one */
#ifdef ASK_PFNMAP_ADDR_MASK /* if FOLLOW_PFNMAP */
#if YES
unsigned long ask(struct follow_pfnmap_args *args) { return args->addr_mask; }
#else
struct ask { struct follow_pfnmap_args; char addr_mask; };
#endif
#endif

/* 6.10: follow_pte() takes the area; before, the address space */
#ifdef ASK_FOLLOW_PTE_MM
#if YES
int (*ask)(struct mm_struct *mm, unsigned long address, pte_t **ptepp,
	   spinlock_t **ptlp) = follow_pte;
#else
int follow_pte(struct vm_area_struct *vma, unsigned long address, pte_t **ptepp,
	       spinlock_t **ptlp);
#endif
#endif

/* 6.18: struct pages of one folio lie side by side, without this */
#ifdef ASK_NTH_PAGE
#if YES
struct page *ask(struct page *page) { return nth_page(page, 1); }
#else
char nth_page;
#ifdef nth_page
#error "it is a macro"
#endif
#endif
#endif

/* 6.7: a fault handler may hold a part of the address space only */
#ifdef ASK_FAULT_LOCK
#if YES
void ask(struct vm_fault *vmf) { release_fault_lock(vmf); }
#else
char release_fault_lock;
#endif
#endif

/* 6.3: flags of an area are changed by functions */
#ifdef ASK_VM_FLAGS_SET
#if YES
void ask(struct vm_area_struct *vma) { vm_flags_set(vma, 0); }
#else
void ask(struct vm_area_struct *vma) { vma->vm_flags |= 0; }
#endif
#endif

/* 6.3, until 6.19: and lie in __vm_flags for functions that may change them */
#ifdef ASK_VMA_DOT_FLAGS
#if YES
void ask(struct vm_area_struct *vma) { vma->__vm_flags |= 0; }
#else
struct ask { struct vm_area_struct; char __vm_flags; };
#endif
#endif

/* 6.19: in a bitmap beside the vm_flags that are const */
#ifdef ASK_VMA_FLAGS_BITMAP
#if YES
void ask(struct vm_area_struct *vma) { vma->flags.__vma_flags[0] |= 0; }
#else
struct ask { struct vm_area_struct; char flags; };
#endif
#endif

/* 6.3: iommu_map() is told how to allocate */
#ifdef ASK_IOMMU_MAP_GFP
#if YES
int iommu_map(struct iommu_domain *domain, unsigned long iova,
	      phys_addr_t paddr, size_t size, int prot, gfp_t gfp);
#else
int iommu_map(struct iommu_domain *domain, unsigned long iova,
	      phys_addr_t paddr, size_t size, int prot);
#endif
#endif

/* 6.11: a domain is allocated for a device */
#ifdef ASK_IOMMU_PAGING_DOMAIN
#if YES
struct iommu_domain *ask(struct device *dev) { return iommu_paging_domain_alloc(dev); }
#else
char iommu_paging_domain_alloc;
#endif
#endif

/* 6.3: a group tells whether it can raise the interrupts of others */
#ifdef ASK_ISOLATED_MSI
#if YES
bool ask(struct iommu_group *group) { return iommu_group_has_isolated_msi(group); }
#else
char iommu_group_has_isolated_msi;
#endif
#endif

/* Until 6.13: a domain for a guest that translates once more */
#ifdef ASK_IOMMU_NESTING
#if YES
int ask(struct iommu_domain *domain) { return iommu_enable_nesting(domain); }
#else
char iommu_enable_nesting;
#endif
#endif

/* Until 6.8: a bus knows its IOMMU driver */
#ifdef ASK_BUS_IOMMU_OPS
#if YES
const struct iommu_ops *ask(const struct bus_type *bus) { return bus->iommu_ops; }
#else
struct ask { struct bus_type; char iommu_ops; };
#endif
#endif

/* 6.6: a terminal's driver writes bytes */
#ifdef ASK_TTY_WRITE_U8
#if YES
typedef ssize_t ask_it(struct tty_struct *tty, const u8 *buf, size_t count);
#else
typedef int ask_it(struct tty_struct *tty, const unsigned char *buf, int count);
#endif
void ask(struct tty_operations *ops, ask_it *write) { ops->write = write; }
#endif

/* Until 6.3: <linux/uuid.h> has uuid_le */
#ifdef ASK_UUID_LE
#if YES
int ask(const uuid_le a, const uuid_le b) { return uuid_le_cmp(a, b); }
#else
char uuid_le_cmp;
#endif
#endif

/* 6.2: a VFIO device can be used through an iommufd */
#ifdef ASK_VFIO_IOMMUFD
#if YES
struct vfio_device_ops ask = { .bind_iommufd = vfio_iommufd_emulated_bind };
#else
struct ask { struct vfio_device_ops; char bind_iommufd; };
#endif
#endif

/* 6.6: and leave it again */
#ifdef ASK_VFIO_DETACH_IOAS
#if YES
struct vfio_device_ops ask = { .detach_ioas = vfio_iommufd_emulated_detach_ioas };
#else
struct ask { struct vfio_device_ops; char detach_ioas; };
#endif
#endif

/* Until 6.2: a driver frees its VFIO device itself */
#ifdef ASK_VFIO_FREE_DEVICE
#if YES
void ask(struct vfio_device *vdev) { vfio_free_device(vdev); }
#else
char vfio_free_device;
#endif
#endif

/* 6.19: the VFIO core serves VFIO_DEVICE_GET_REGION_INFO, and asks the driver */
#ifdef ASK_VFIO_REGION_INFO_CAPS
#if YES
typedef int ask_it(struct vfio_device *vdev, struct vfio_region_info *info,
		   struct vfio_info_cap *caps);
void ask(struct vfio_device_ops *ops, ask_it *caps) { ops->get_region_info_caps = caps; }
#else
struct ask { struct vfio_device_ops; char get_region_info_caps; };
#endif
#endif

/* What classic sources alone want to know */

/* Until 6.15: a timer is deleted under this name */
#ifdef ASK_DEL_TIMER
#if YES
int ask(struct timer_list *timer) { return del_timer(timer) + del_timer_sync(timer); }
#else
char del_timer, del_timer_sync;
#endif
#endif

/* Until 6.15: a timer is set up without its function */
#ifdef ASK_HRTIMER_INIT
#if YES
void ask(struct hrtimer *timer) { hrtimer_init(timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL); }
#else
char hrtimer_init;
#endif
#endif

/* What test modules alone want to know */

/* 7.2: a platform driver is registered by its module's name, too */
#ifdef ASK_PLATFORM_MOD_NAME
#if YES
int __platform_driver_register(struct platform_driver *drv, struct module *owner,
			       const char *mod_name);
#else
int __platform_driver_register(struct platform_driver *drv, struct module *owner);
#endif
#endif

/* 6.13: a timer is set up in one call */
#ifdef ASK_HRTIMER_SETUP
#if YES
void ask(struct hrtimer *timer, enum hrtimer_restart (*function)(struct hrtimer *))
{
	hrtimer_setup(timer, function, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
}
#else
char hrtimer_setup;
#endif
#endif

/* 6.17: the queues of all are named by what they are */
#ifdef ASK_SYSTEM_DFL_WQ
#if YES
void ask(struct work_struct *work) { queue_work(system_dfl_wq, work); }
#else
char system_dfl_wq;
#endif
#endif

/* Until 6.16: an IOMMU driver allocates domains of all types alike */
#ifdef ASK_IOMMU_DOMAIN_ALLOC
#if YES
struct iommu_domain *ask(const struct iommu_ops *ops) { return ops->domain_alloc(0); }
#else
struct ask { struct iommu_ops; char domain_alloc; };
#endif
#endif

/* 6.19: it is told which domain another takes the place of */
#ifdef ASK_IOMMU_ATTACH_OLD
#if YES
typedef int ask_it(struct iommu_domain *domain, struct device *dev,
		   struct iommu_domain *old);
#else
typedef int ask_it(struct iommu_domain *domain, struct device *dev);
#endif
void ask(struct iommu_domain_ops *ops, ask_it *attach) { ops->attach_dev = attach; }
#endif
