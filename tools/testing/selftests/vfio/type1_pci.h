/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The PCI devices of the tests' virtual machine (tools/testing/vm/run --iommu),
 * passed through: two of QEMU's "edu", which copy memory, and one with memory in
 * a BAR. Functions answer what the system call does, or a negated errno.
 */
#ifndef TYPE1_PCI_H
#define TYPE1_PCI_H

#include "type1_lib.h"

enum { EDU0, EDU1, MEMORY, PCI_DEVICES };

#define EDU_MAX		2048U	/* bytes of one copy */
#define EDU_ID		0x010000edU	/* in the first word of its registers */

/* Descriptors are -1 where not open. */
struct pci {
	unsigned int which;
	char name[16];
	int group;
	int device;
	char *bar;	/* registers or memory */
	size_t bar_size;
	__u64 bar_offset;	/* in the device's file */
};

/* Has vfio-pci drive it, and not any more. */
int pci_take(struct pci *pci, unsigned int which);
int pci_give_back(struct pci *pci);

/*
 * After that: what the kernel calls its IOMMU, and the addresses that the IOMMU, or its
 * driver, keeps for interrupts.
 */
int pci_iommu(const struct pci *pci, char name[32]);
int pci_msi_window(const struct pci *pci, __u64 *first, __u64 *last);

/* Its group joins a container that has, or gets, an IOMMU driver. */
int pci_join_group(struct pci *pci, int container);
int pci_open(struct pci *pci);
void pci_leave(struct pci *pci);

/*
 * An edu reads LEN bytes at IOVA into itself, or writes what it has there. It
 * cannot tell whether the IOMMU let it.
 */
int edu_read(const struct pci *pci, __u64 iova, unsigned int len);
int edu_write(const struct pci *pci, __u64 iova, unsigned int len);
/* Both: from one place to another. */
int edu_copy(const struct pci *pci, __u64 from, __u64 to, unsigned int len);

/* It raises one of its interrupts, or does no more. */
void edu_interrupt(const struct pci *pci, bool raise);

#endif /* TYPE1_PCI_H */
