/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What vfio_type1_iommu.ko and the tests agree on: devices with DMA behind an
 * IOMMU, both without hardware, and the private commands of the devices.
 *
 * Two of the devices are alike. The third has an IOMMU unit of another kind,
 * which shares no domain with theirs, forces no cache coherency, and translates
 * less.
 */
#ifndef _VFIO_TYPE1_IOMMU_ABI_H
#define _VFIO_TYPE1_IOMMU_ABI_H

#include <linux/types.h>
#include <linux/vfio.h>

/* Device N is "vfio_type1_iommu.N". */
#define TYPE1_IOMMU		"vfio_type1_iommu"
#define TYPE1_IOMMU_DEVICES	3
#define TYPE1_IOMMU_SMALL	2	/* the third */

/* The last address, and in the second case a hole */
#define TYPE1_IOMMU_LARGE_LAST	((1ULL << 48) - 1)
#define TYPE1_IOMMU_SMALL_LAST	((1ULL << 32) - 1)
#define TYPE1_IOMMU_HOLE	0x60000000ULL
#define TYPE1_IOMMU_HOLE_LAST	0x600fffffULL

/* The device reads or writes memory: -EFAULT where its IOMMU does not let it. */
struct type1_iommu_dma {
	__u64 iova;
	__u64 data;
	__u32 len;
	__u32 write;
};

#define TYPE1_IOMMU_DMA		_IOW(VFIO_TYPE, VFIO_BASE + 110, struct type1_iommu_dma)

/* The device's driver copies from or to memory, as if no IOMMU translated for it. */
#define TYPE1_IOMMU_RW		_IOW(VFIO_TYPE, VFIO_BASE + 112, struct type1_iommu_dma)

/* What its IOMMU domain is */
struct type1_iommu_state {
	__u64 mapped;		/* pages */
	__u64 domain;		/* its number, 0 without one */
};

#define TYPE1_IOMMU_STATE	_IOR(VFIO_TYPE, VFIO_BASE + 111, struct type1_iommu_state)

#endif /* _VFIO_TYPE1_IOMMU_ABI_H */
