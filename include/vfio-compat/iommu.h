/* SPDX-License-Identifier: GPL-2.0-only */
/* The IOMMU interface. */
#ifndef _VFIO_COMPAT_IOMMU_H
#define _VFIO_COMPAT_IOMMU_H

#include <linux/device.h>
#include <linux/err.h>
#include <linux/iommu.h>
#include <linux/irqdomain.h>
#include <linux/vfio.h>
#include <vfio-compat/version.h>

static inline int vfio_compat_iommu_map(struct iommu_domain *domain,
					unsigned long iova, phys_addr_t paddr,
					size_t size, int prot)
{
#if VFIO_COMPAT_HAS_IOMMU_MAP_GFP
	return iommu_map(domain, iova, paddr, size, prot, GFP_KERNEL_ACCOUNT);
#else
	return iommu_map(domain, iova, paddr, size, prot);
#endif
}

/* Returns 0 or an errno, and nothing is mapped. */
static inline int vfio_compat_iommu_map_sg(struct iommu_domain *domain,
					   unsigned long iova, struct scatterlist *sg,
					   unsigned int nents, int prot)
{
	ssize_t ret;

#if VFIO_COMPAT_HAS_IOMMU_MAP_GFP
	ret = iommu_map_sg(domain, iova, sg, nents, prot, GFP_KERNEL_ACCOUNT);
#else
	ret = iommu_map_sg(domain, iova, sg, nents, prot);
#endif
	return ret < 0 ? ret : 0;
}

static inline struct iommu_domain *vfio_compat_iommu_domain(struct device *dev)
{
#if VFIO_COMPAT_HAS_IOMMU_PAGING_DOMAIN
	return iommu_paging_domain_alloc(dev);
#else
	return iommu_domain_alloc(dev->bus) ?: ERR_PTR(-EIO);
#endif
}

#if !VFIO_COMPAT_HAS_ISOLATED_MSI
static inline int vfio_compat_intr_remap(struct device *dev, void *unused)
{
	return device_iommu_capable(dev, IOMMU_CAP_INTR_REMAP);
}
#endif

/* No device of the group can raise an interrupt that is not its own. */
static inline bool vfio_compat_isolated_msi(struct iommu_group *group)
{
#if VFIO_COMPAT_HAS_ISOLATED_MSI
	return iommu_group_has_isolated_msi(group);
#else
	return irq_domain_check_msi_remap() ||
	       iommu_group_for_each_dev(group, NULL, vfio_compat_intr_remap);
#endif
}

/*
 * Until 6.13 a container's domains could translate once more what a guest's
 * translated; such a container is not known since.
 */
static inline bool vfio_compat_is_nesting(unsigned long type)
{
#if VFIO_COMPAT_HAS_IOMMU_NESTING
	return type == VFIO_TYPE1_NESTING_IOMMU;
#else
	return false;
#endif
}

static inline int vfio_compat_iommu_nest(struct iommu_domain *domain)
{
#if VFIO_COMPAT_HAS_IOMMU_NESTING
	return iommu_enable_nesting(domain);
#else
	return -EINVAL;
#endif
}

#endif /* _VFIO_COMPAT_IOMMU_H */
