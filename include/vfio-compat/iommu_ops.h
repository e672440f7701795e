/* SPDX-License-Identifier: GPL-2.0-only */
/* Where the IOMMU layer remembers an IOMMU driver that has gone. */
#ifndef _VFIO_COMPAT_IOMMU_OPS_H
#define _VFIO_COMPAT_IOMMU_OPS_H

#include <linux/iommu.h>
#include <linux/pci.h>
#include <linux/platform_device.h>
#include <vfio-compat/version.h>

/* 6.8: buses have no IOMMU driver any more; before they kept the last one. */
static inline void vfio_compat_forget_iommu_ops(const struct iommu_ops *ops)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 8, 0)
	if (platform_bus_type.iommu_ops == ops)
		platform_bus_type.iommu_ops = NULL;
#ifdef CONFIG_PCI
	if (pci_bus_type.iommu_ops == ops)
		pci_bus_type.iommu_ops = NULL;
#endif
#endif
}

#endif /* _VFIO_COMPAT_IOMMU_OPS_H */
