/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What an IOMMU driver is called by, and where it is remembered once it has gone.
 *
 * The driver says what page sizes it has in VFIO_COMPAT_IOMMU_PGSIZES before it
 * includes this, and defines the two functions that are declared here.
 */
#ifndef _VFIO_COMPAT_IOMMU_OPS_H
#define _VFIO_COMPAT_IOMMU_OPS_H

#include <linux/err.h>
#include <linux/iommu.h>
#include <linux/pci.h>
#include <linux/platform_device.h>
#include <vfio-compat/version.h>

/* Returns a domain that maps nothing yet, or NULL. */
static struct iommu_domain *vfio_compat_new_domain(void);

/* Those that are not IOMMU_DOMAIN_UNMANAGED translate nothing. */
static int vfio_compat_attach_dev(struct iommu_domain *domain, struct device *dev);

/* 6.19: attach_dev is told which domain this one takes the place of */
#if VFIO_COMPAT_HAS_IOMMU_ATTACH_OLD
static int vfio_compat_attach(struct iommu_domain *domain, struct device *dev,
			      struct iommu_domain *old)
{
	return vfio_compat_attach_dev(domain, dev);
}
#else
#define vfio_compat_attach vfio_compat_attach_dev
#endif

/* 6.16: a driver allocates domains that map, and has one of each other type */
#if VFIO_COMPAT_HAS_IOMMU_DOMAIN_ALLOC
static struct iommu_domain *vfio_compat_domain_alloc(unsigned int type)
{
	switch (type) {
	case IOMMU_DOMAIN_UNMANAGED:
	case IOMMU_DOMAIN_IDENTITY:
	case IOMMU_DOMAIN_BLOCKED:
		return vfio_compat_new_domain();
	default:
		return NULL;
	}
}

#define VFIO_COMPAT_IOMMU_DOMAINS					\
	.domain_alloc = vfio_compat_domain_alloc,			\
	.pgsize_bitmap = VFIO_COMPAT_IOMMU_PGSIZES,
#else
static struct iommu_domain *vfio_compat_domain_alloc(struct device *dev)
{
	struct iommu_domain *domain = vfio_compat_new_domain();

	if (!domain)
		return ERR_PTR(-ENOMEM);
	domain->pgsize_bitmap = VFIO_COMPAT_IOMMU_PGSIZES;
	return domain;
}

static const struct iommu_domain_ops vfio_compat_idle_ops = {
	.attach_dev = vfio_compat_attach,
};

static struct iommu_domain vfio_compat_identity_domain = {
	.type = IOMMU_DOMAIN_IDENTITY,
	.ops = &vfio_compat_idle_ops,
};

static struct iommu_domain vfio_compat_blocked_domain = {
	.type = IOMMU_DOMAIN_BLOCKED,
	.ops = &vfio_compat_idle_ops,
};

#define VFIO_COMPAT_IOMMU_DOMAINS					\
	.domain_alloc_paging = vfio_compat_domain_alloc,		\
	.identity_domain = &vfio_compat_identity_domain,		\
	.blocked_domain = &vfio_compat_blocked_domain,
#endif

/* 6.8: buses have no IOMMU driver any more; before they kept the last one. */
static inline void vfio_compat_forget_iommu_ops(const struct iommu_ops *ops)
{
#if VFIO_COMPAT_HAS_BUS_IOMMU_OPS
	if (platform_bus_type.iommu_ops == ops)
		platform_bus_type.iommu_ops = NULL;
#ifdef CONFIG_PCI
	if (pci_bus_type.iommu_ops == ops)
		pci_bus_type.iommu_ops = NULL;
#endif
#endif
}

#endif /* _VFIO_COMPAT_IOMMU_OPS_H */
