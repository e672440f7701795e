/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The PCI devices of the tests' virtual machine (tools/testing/vm/run --iommu),
 * passed through: two that copy memory, QEMU's "edu" or disks (type1_nvme.c), and,
 * where a process can reach that, one with memory in a BAR. Functions answer what the
 * system call does, or a negated errno.
 */
#ifndef TYPE1_PCI_H
#define TYPE1_PCI_H

#include "type1_lib.h"

enum { COPIER0, COPIER1, MEMORY, PCI_DEVICES };

#define COPY_MAX	2048U	/* bytes of one copy */
#define EDU_ID		0x010000edU	/* in the first word of an edu's registers */

struct nvme;

/* What a guest has of a disk, see type1_qtest.c */
struct pci_guest {
	int (*put)(unsigned int reg, __u32 value);
	__u32 (*get)(unsigned int reg);	/* or all ones */
	char *mem;	/* 16 KiB of the guest's memory, all zeroes, and */
	__u64 iova;	/* where the guest has them */
};

/* Descriptors are -1 where not open. */
struct pci {
	const struct pci_kind *kind;
	char name[16];
	int container;
	int group;
	int device;
	char *bar;	/* registers or memory, where a process can reach them */
	size_t bar_size;
	__u64 bar_offset;	/* in the device's file */
	bool stopped;	/* by the machine, for what it did; it copies no more */
	struct nvme *nvme;
	const struct pci_guest *guest;	/* NULL: this process has it */
};

/* Has vfio-pci drive it, and not any more. */
int pci_take(struct pci *pci, unsigned int which);
int pci_give_back(struct pci *pci);

/*
 * After that: what the kernel calls its IOMMU; the first addresses that the IOMMU, or its
 * driver, keeps from it, for interrupts if for anything; and whether a process can map its
 * BARs. On s390x it takes instructions of their own to reach them.
 */
int pci_iommu(const struct pci *pci, char name[32]);
int pci_hole(const struct pci *pci, __u64 *first, __u64 *last);
bool pci_can_map(const struct pci *pci);

/* Its group joins a container that has, or gets, an IOMMU driver. */
int pci_join_group(struct pci *pci, int container);
int pci_open(struct pci *pci);
void pci_leave(struct pci *pci);

/*
 * It reads LEN bytes at IOVA into itself, or writes what it has there; a disk does so
 * with all of the last 512 bytes. It cannot tell whether the IOMMU let it.
 */
int pci_read(struct pci *pci, __u64 iova, unsigned int len);
int pci_write(struct pci *pci, __u64 iova, unsigned int len);
/* Both: from one place to another. */
int pci_copy(struct pci *pci, __u64 from, __u64 to, unsigned int len);

/* It raises its interrupt, or does no more. The kind of messages that it has for that */
int pci_interrupt(struct pci *pci, bool raise);
__u32 pci_messages(const struct pci *pci);

/* The same for a disk; OUT: it writes. And what it held is given up when it is closed. */
int nvme_transfer(struct pci *pci, __u64 iova, unsigned int len, bool out);
int nvme_interrupt(struct pci *pci);
void nvme_end(struct pci *pci);

#endif /* TYPE1_PCI_H */
