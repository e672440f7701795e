// SPDX-License-Identifier: GPL-2.0-only
/*
 * Test IOMMU: devices with DMA and what translates for them, both in software
 *
 * A domain is a map from the pages of the IOVA space to those of memory. It is
 * of the kind of the first device that is attached; a device of the other kind
 * is refused. A device's DMA is an ioctl, which looks its pages up in the
 * domain that the device is attached to and copies.
 *
 * The devices exist while the module's parameter "present" is 1, as each holds
 * a reference to the module. Of the pages to be mapped by an IOMMU of a kind,
 * the nth fails if n is written to the parameter "fail_large" or "fail_small".
 * "pages_large" and "pages_small" are the sizes of pages, a bit for each, of the
 * domains that come to be of a kind, and "last_small" is their last address of the
 * one; "mapped_large" and "mapped_small" tell how many of our pages those of a kind
 * map, and have mapped since there is this module, and how often they were asked
 * where a page is.
 *
 * test_iommu_lock protects which domain each device is attached to; a domain
 * that a device is attached to stays. The pages of a domain are protected by
 * their array's own lock. Tests of failures map in one thread.
 */
#include <linux/highmem.h>
#include <linux/iommu.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/wait.h>
#include <linux/xarray.h>

#define MDEV_INTERFACE MDEV_INTERFACE_MODERN
#define VFIO_COMPAT_IOMMU_PGSIZES (PAGE_SIZE | PMD_SIZE)
#include <vfio-compat/iommu_ops.h>
#include <vfio-compat/vfio.h>

#include "vfio_type1_iommu_abi.h"

enum test_kind { KIND_NONE, KIND_LARGE, KIND_SMALL, KINDS };

#define PAGE_PROT	(IOMMU_READ | IOMMU_WRITE)
#define PROT_BITS	2

struct test_domain {
	struct iommu_domain domain;
	enum test_kind kind;
	u64 number;
	atomic64_t mapped;
	struct xarray pages;	/* page number and protection, by IOVA page */
};

struct test_device {
	struct vfio_device vdev;
	unsigned int id;
};

static DEFINE_MUTEX(test_iommu_lock);
static struct test_domain *test_attached[TYPE1_IOMMU_DEVICES];
static unsigned int test_fail[KINDS];
static unsigned long test_pgsizes[KINDS] = {
	[KIND_LARGE] = PAGE_SIZE | PMD_SIZE,
	[KIND_SMALL] = PAGE_SIZE | PMD_SIZE,
};

static unsigned long test_last[KINDS] = {
	[KIND_LARGE] = TYPE1_IOMMU_LARGE_LAST,
	[KIND_SMALL] = TYPE1_IOMMU_SMALL_LAST,
};

static atomic_long_t test_mapped[KINDS];
static atomic_long_t test_mapped_ever[KINDS];
static atomic_long_t test_asked[KINDS];
static struct platform_device *test_pdevs[TYPE1_IOMMU_DEVICES];
static atomic64_t test_domains;
static struct iommu_device test_iommu;

static struct test_domain *to_test_domain(struct iommu_domain *domain)
{
	return container_of(domain, struct test_domain, domain);
}

static enum test_kind kind_of(unsigned int id)
{
	return id == TYPE1_IOMMU_SMALL ? KIND_SMALL : KIND_LARGE;
}

/* Domains */

static struct iommu_domain *vfio_compat_new_domain(void)
{
	struct test_domain *td = kzalloc(sizeof(*td), GFP_KERNEL);

	if (!td)
		return NULL;
	xa_init(&td->pages);
	td->number = atomic64_inc_return(&test_domains);
	return &td->domain;
}

static void test_domain_free(struct iommu_domain *domain)
{
	struct test_domain *td = to_test_domain(domain);

	/* It takes with it what it maps. */
	atomic_long_sub(atomic64_read(&td->mapped), &test_mapped[td->kind]);
	xa_destroy(&td->pages);
	kfree(td);
}

static int vfio_compat_attach_dev(struct iommu_domain *domain, struct device *dev)
{
	unsigned int id = to_platform_device(dev)->id;
	struct test_domain *td = to_test_domain(domain);
	int ret = 0;

	mutex_lock(&test_iommu_lock);
	if (domain->type != IOMMU_DOMAIN_UNMANAGED) {
		test_attached[id] = NULL;
	} else if (td->kind != KIND_NONE && td->kind != kind_of(id)) {
		ret = -EINVAL;
	} else {
		if (td->kind == KIND_NONE)
			domain->pgsize_bitmap = READ_ONCE(test_pgsizes[kind_of(id)]);
		td->kind = kind_of(id);
		domain->geometry.aperture_end = READ_ONCE(test_last[td->kind]);
		domain->geometry.force_aperture = true;
		test_attached[id] = td;
	}
	mutex_unlock(&test_iommu_lock);
	return ret;
}

static bool test_fails(enum test_kind kind)
{
	unsigned int nth = READ_ONCE(test_fail[kind]);

	if (nth)
		WRITE_ONCE(test_fail[kind], nth - 1);
	return nth == 1;
}

/* The nth page that is to be mapped waits, and those behind it, until this is 0. */
static unsigned int test_stop[KINDS];
static DECLARE_WAIT_QUEUE_HEAD(test_go_on);

static void test_stops(enum test_kind kind)
{
	unsigned int nth = READ_ONCE(test_stop[kind]);

	if (nth > 1)
		WRITE_ONCE(test_stop[kind], nth - 1);
	else if (nth)
		wait_event_killable(test_go_on, !READ_ONCE(test_stop[kind]));
}

static int test_map_page(struct test_domain *td, unsigned long index,
			 phys_addr_t paddr, int prot, gfp_t gfp)
{
	void *entry = xa_mk_value((paddr >> PAGE_SHIFT) << PROT_BITS |
				  (prot & PAGE_PROT));
	int ret;

	test_stops(td->kind);
	if (test_fails(td->kind))
		return -ENOMEM;
	ret = xa_insert(&td->pages, index, entry, gfp);
	if (!ret) {
		atomic64_inc(&td->mapped);
		atomic_long_inc(&test_mapped[td->kind]);
		atomic_long_inc(&test_mapped_ever[td->kind]);
	}
	WARN_ON(ret == -EBUSY);
	return ret;
}

static int test_map_pages(struct iommu_domain *domain, unsigned long iova,
			  phys_addr_t paddr, size_t pgsize, size_t pgcount,
			  int prot, gfp_t gfp, size_t *mapped)
{
	size_t done;
	int ret = 0;

	for (done = 0; done < pgsize * pgcount; done += PAGE_SIZE) {
		ret = test_map_page(to_test_domain(domain),
				    (iova + done) >> PAGE_SHIFT, paddr + done,
				    prot, gfp);
		if (ret)
			break;
	}
	*mapped = done;
	return ret;
}

static size_t test_unmap_pages(struct iommu_domain *domain, unsigned long iova,
			       size_t pgsize, size_t pgcount,
			       struct iommu_iotlb_gather *gather)
{
	struct test_domain *td = to_test_domain(domain);
	size_t done;

	for (done = 0; done < pgsize * pgcount; done += PAGE_SIZE) {
		if (!xa_erase(&td->pages, (iova + done) >> PAGE_SHIFT))
			break;
		atomic64_dec(&td->mapped);
		atomic_long_dec(&test_mapped[td->kind]);
	}
	/* An IOMMU driver may take it ill to unmap what is not mapped. */
	WARN_ON(!done);
	return done;
}

static phys_addr_t test_iova_to_phys(struct iommu_domain *domain,
				     dma_addr_t iova)
{
	struct test_domain *td = to_test_domain(domain);
	void *entry = xa_load(&td->pages, iova >> PAGE_SHIFT);

	atomic_long_inc(&test_asked[td->kind]);
	if (!entry)
		return 0;
	return ((phys_addr_t)(xa_to_value(entry) >> PROT_BITS) << PAGE_SHIFT) |
	       offset_in_page(iova);
}

static bool test_enforce_coherency(struct iommu_domain *domain)
{
	return to_test_domain(domain)->kind == KIND_LARGE;
}

static const struct iommu_domain_ops test_domain_ops = {
	.attach_dev = vfio_compat_attach,
	.map_pages = test_map_pages,
	.unmap_pages = test_unmap_pages,
	.iova_to_phys = test_iova_to_phys,
	.enforce_cache_coherency = test_enforce_coherency,
	.free = test_domain_free,
};

/* The IOMMU */

static bool test_capable(struct device *dev, enum iommu_cap cap)
{
	return cap == IOMMU_CAP_CACHE_COHERENCY;
}

static bool is_test_device(struct device *dev)
{
	return dev->bus == &platform_bus_type &&
	       !strcmp(to_platform_device(dev)->name, TYPE1_IOMMU);
}

static struct iommu_device *test_probe_device(struct device *dev)
{
	return is_test_device(dev) ? &test_iommu : ERR_PTR(-ENODEV);
}

static void test_release_device(struct device *dev)
{
}

static int test_def_domain_type(struct device *dev)
{
	return IOMMU_DOMAIN_IDENTITY;
}

static void test_get_resv_regions(struct device *dev, struct list_head *head)
{
	struct iommu_resv_region *region;

	if (kind_of(to_platform_device(dev)->id) != KIND_SMALL)
		return;
	region = iommu_alloc_resv_region(TYPE1_IOMMU_HOLE,
					 TYPE1_IOMMU_HOLE_LAST + 1 -
					 TYPE1_IOMMU_HOLE, 0,
					 IOMMU_RESV_RESERVED, GFP_KERNEL);
	if (region)
		list_add_tail(&region->list, head);
}

static const struct iommu_ops test_iommu_ops = {
	.owner = THIS_MODULE,
	.capable = test_capable,
	VFIO_COMPAT_IOMMU_DOMAINS
	.probe_device = test_probe_device,
	.release_device = test_release_device,
	.device_group = generic_device_group,
	.get_resv_regions = test_get_resv_regions,
	.def_domain_type = test_def_domain_type,
	.default_domain_ops = &test_domain_ops,
};

/* The devices */

static int test_copy(unsigned long value, struct type1_iommu_dma *dma)
{
	unsigned int offset = offset_in_page(dma->iova);
	unsigned int len = min_t(unsigned long, dma->len, PAGE_SIZE - offset);
	void __user *data = u64_to_user_ptr(dma->data);
	void *mem = kmap_local_page(pfn_to_page(value >> PROT_BITS));
	unsigned long left;

	if (dma->write)
		left = copy_from_user(mem + offset, data, len);
	else
		left = copy_to_user(data, mem + offset, len);
	kunmap_local(mem);
	dma->iova += len;
	dma->data += len;
	dma->len -= len;
	return left ? -EFAULT : 0;
}

static int test_dma_page(struct test_domain *td, struct type1_iommu_dma *dma)
{
	void *entry = xa_load(&td->pages, dma->iova >> PAGE_SHIFT);
	unsigned long value;

	if (!entry)
		return -EFAULT;
	value = xa_to_value(entry);
	if (!(value & (dma->write ? IOMMU_WRITE : IOMMU_READ)) ||
	    !pfn_valid(value >> PROT_BITS))
		return -EFAULT;
	return test_copy(value, dma);
}

static long test_ioctl_dma(struct test_device *dev, void __user *arg)
{
	struct type1_iommu_dma dma;
	struct test_domain *td;
	long ret = 0;

	if (copy_from_user(&dma, arg, sizeof(dma)))
		return -EFAULT;
	mutex_lock(&test_iommu_lock);
	td = test_attached[dev->id];
	while (dma.len && !ret)
		ret = td ? test_dma_page(td, &dma) : -EFAULT;
	mutex_unlock(&test_iommu_lock);
	return ret;
}

static long test_ioctl_state(struct test_device *dev, void __user *arg)
{
	struct type1_iommu_state state = {};
	struct test_domain *td;

	mutex_lock(&test_iommu_lock);
	td = test_attached[dev->id];
	if (td) {
		state.mapped = atomic64_read(&td->mapped);
		state.domain = td->number;
	}
	mutex_unlock(&test_iommu_lock);
	return copy_to_user(arg, &state, sizeof(state)) ? -EFAULT : 0;
}

static long test_ioctl_rw(struct test_device *dev, void __user *arg)
{
	struct type1_iommu_dma dma;
	void *data;
	int ret;

	if (copy_from_user(&dma, arg, sizeof(dma)))
		return -EFAULT;
	if (!dma.len || dma.len > PAGE_SIZE)
		return -EINVAL;
	data = memdup_user(u64_to_user_ptr(dma.data), dma.len);
	if (IS_ERR(data))
		return PTR_ERR(data);
	ret = vfio_dma_rw(&dev->vdev, dma.iova, data, dma.len, dma.write);
	if (!ret && !dma.write && copy_to_user(u64_to_user_ptr(dma.data), data, dma.len))
		ret = -EFAULT;
	kfree(data);
	return ret;
}

static long test_ioctl(struct vfio_device *vdev, unsigned int cmd,
		       unsigned long arg)
{
	struct test_device *dev = container_of(vdev, struct test_device, vdev);

	switch (cmd) {
	case TYPE1_IOMMU_DMA:
		return test_ioctl_dma(dev, (void __user *)arg);
	case TYPE1_IOMMU_RW:
		return test_ioctl_rw(dev, (void __user *)arg);
	case TYPE1_IOMMU_STATE:
		return test_ioctl_state(dev, (void __user *)arg);
	default:
		return -ENOTTY;
	}
}

static int test_open(struct vfio_device *vdev)
{
	return 0;
}

static void test_close(struct vfio_device *vdev)
{
}

/* Nothing stays pinned. */
static void test_dma_unmap(struct vfio_device *vdev, u64 iova, u64 length)
{
}

static int test_init_dev(struct vfio_device *vdev)
{
	struct test_device *dev = container_of(vdev, struct test_device, vdev);

	dev->id = to_platform_device(vdev->dev)->id;
	return 0;
}

static void test_release_dev(struct vfio_device *vdev)
{
	vfio_compat_free_device(vdev);
}

static const struct vfio_device_ops test_device_ops = {
	.name = TYPE1_IOMMU,
	.init = test_init_dev,
	.release = test_release_dev,
	.open_device = test_open,
	.close_device = test_close,
	.ioctl = test_ioctl,
	.dma_unmap = test_dma_unmap,
};

static void test_unregister(void *data)
{
	struct test_device *dev = data;

	vfio_unregister_group_dev(&dev->vdev);
	vfio_put_device(&dev->vdev);
}

static int test_probe(struct platform_device *pdev)
{
	struct test_device *dev;
	int ret;

	dev = vfio_alloc_device(test_device, vdev, &pdev->dev,
				&test_device_ops);
	if (IS_ERR(dev))
		return PTR_ERR(dev);
	ret = vfio_register_group_dev(&dev->vdev);
	if (ret) {
		vfio_put_device(&dev->vdev);
		return ret;
	}
	return devm_add_action_or_reset(&pdev->dev, test_unregister, dev);
}

static struct platform_driver test_driver = {
	.probe = test_probe,
	.driver = {
		.name = TYPE1_IOMMU,
	},
	.driver_managed_dma = true,
};

static void test_remove_devices(void)
{
	unsigned int i;

	for (i = 0; i < TYPE1_IOMMU_DEVICES; i++)
		platform_device_unregister(test_pdevs[i]);
	memset(test_pdevs, 0, sizeof(test_pdevs));
}

static int test_add_devices(void)
{
	struct platform_device *pdev;
	unsigned int i;

	for (i = 0; i < TYPE1_IOMMU_DEVICES; i++) {
		pdev = platform_device_register_simple(TYPE1_IOMMU, i, NULL, 0);
		if (IS_ERR(pdev)) {
			test_remove_devices();
			return PTR_ERR(pdev);
		}
		test_pdevs[i] = pdev;
	}
	return 0;
}

static bool present;

static int test_set_present(const char *text, const struct kernel_param *param)
{
	bool value;
	int ret = kstrtobool(text, &value);

	if (ret || value == present)
		return ret;
	if (value)
		ret = test_add_devices();
	else
		test_remove_devices();
	if (!ret)
		present = value;
	return ret;
}

static const struct kernel_param_ops test_present_ops = {
	.set = test_set_present,
	.get = param_get_bool,
};
module_param_cb(present, &test_present_ops, &present, 0600);
MODULE_PARM_DESC(present, "are the devices there?");
module_param_named(fail_large, test_fail[KIND_LARGE], uint, 0600);
MODULE_PARM_DESC(fail_large, "the page to fail for the first two devices");
module_param_named(fail_small, test_fail[KIND_SMALL], uint, 0600);
MODULE_PARM_DESC(fail_small, "the page to fail for the third device");

static int test_set_stop(const char *text, const struct kernel_param *param)
{
	int ret = param_set_uint(text, param);

	wake_up_all(&test_go_on);
	return ret;
}

static const struct kernel_param_ops test_stop_ops = {
	.set = test_set_stop,
	.get = param_get_uint,
};
module_param_cb(stop_large, &test_stop_ops, &test_stop[KIND_LARGE], 0600);
MODULE_PARM_DESC(stop_large, "the page to wait at for the first two devices, until 0");
module_param_named(pages_large, test_pgsizes[KIND_LARGE], ulong, 0600);
MODULE_PARM_DESC(pages_large, "the sizes of pages for the first two devices");
module_param_named(pages_small, test_pgsizes[KIND_SMALL], ulong, 0600);
MODULE_PARM_DESC(pages_small, "the sizes of pages for the third device");
module_param_named(last_small, test_last[KIND_SMALL], ulong, 0600);
MODULE_PARM_DESC(last_small, "the last address for the third device");

static int test_get_mapped(char *buffer, const struct kernel_param *param)
{
	enum test_kind kind = (uintptr_t)param->arg;

	return sysfs_emit(buffer, "%ld %ld %ld\n", atomic_long_read(&test_mapped[kind]),
			  atomic_long_read(&test_mapped_ever[kind]),
			  atomic_long_read(&test_asked[kind]));
}

static const struct kernel_param_ops test_mapped_ops = {
	.get = test_get_mapped,
};
module_param_cb(mapped_large, &test_mapped_ops, (void *)KIND_LARGE, 0400);
MODULE_PARM_DESC(mapped_large, "pages mapped for the first two devices, now and ever, and asked for");
module_param_cb(mapped_small, &test_mapped_ops, (void *)KIND_SMALL, 0400);
MODULE_PARM_DESC(mapped_small, "pages mapped for the third device, now and ever, and asked for");

static void test_remove_iommu(void)
{
	iommu_device_unregister(&test_iommu);
	vfio_compat_forget_iommu_ops(&test_iommu_ops);
	iommu_device_sysfs_remove(&test_iommu);
}

static int __init test_init(void)
{
	int ret;

	ret = iommu_device_sysfs_add(&test_iommu, NULL, NULL, TYPE1_IOMMU);
	if (ret)
		return ret;
	/* Some kernels can have one IOMMU driver, and may have it. */
	ret = iommu_device_register(&test_iommu, &test_iommu_ops, NULL);
	if (ret) {
		iommu_device_sysfs_remove(&test_iommu);
		return ret;
	}
	ret = platform_driver_register(&test_driver);
	if (ret)
		test_remove_iommu();
	return ret;
}
module_init(test_init);

static void __exit test_exit(void)
{
	platform_driver_unregister(&test_driver);
	test_remove_iommu();
}
module_exit(test_exit);

MODULE_DESCRIPTION("VFIO: test devices behind a test IOMMU");
MODULE_LICENSE("GPL");
