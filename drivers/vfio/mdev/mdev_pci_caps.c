// SPDX-License-Identifier: GPL-2.0-only
/*
 * PCI-like mediated devices: capabilities, which a vendor driver adds in its create
 *
 * The device is not yet seen by others, so there is no lock. One that is added stays;
 * where its interrupts could be made and its place in configuration space could not,
 * or the other way round, nothing is left of it.
 */
#include <linux/log2.h>
#include <linux/module.h>

#include "mdev_pci_private.h"

/* From the third byte on */
struct mdev_pci_msi_body {
	__le16 flags;
	__le32 address_lo;
	__le32 address_hi;
	__le16 data;
} __packed;

struct mdev_pci_msix_body {
	__le16 flags;
	__le32 table;
	__le32 pba;
} __packed;

/**
 * mdev_pci_add_cap - add a capability
 * @pci: device, in its create
 * @id: capability id, %PCI_CAP_ID_EXP and its kin
 * @body: what follows the id and the link at open
 * @writable: the bits of @body that software can write; NULL: none
 * @len: length of @body
 *
 * Return: its offset in configuration space, or ENOSPC.
 */
int mdev_pci_add_cap(struct mdev_pci *pci, u8 id, const void *body,
		     const void *writable, size_t len)
{
	return mdev_pci_config_add_cap(&pci->config, id, body, writable, len);
}
EXPORT_SYMBOL(mdev_pci_add_cap);

/**
 * mdev_pci_add_ext_cap - add an extended capability
 * @pci: device with 4096 bytes of configuration space, in its create
 * @id: %PCI_EXT_CAP_ID_DSN and its kin
 * @version: version of the capability
 * @body: what follows the four bytes of its header at open
 * @writable: the bits of @body that software can write; NULL: none
 * @len: length of @body
 *
 * Return: its offset in configuration space, EINVAL or ENOSPC.
 */
int mdev_pci_add_ext_cap(struct mdev_pci *pci, u16 id, u8 version,
			 const void *body, const void *writable, size_t len)
{
	return mdev_pci_config_add_ext_cap(&pci->config, id, version, body,
					   writable, len);
}
EXPORT_SYMBOL(mdev_pci_add_ext_cap);

/**
 * mdev_pci_add_vendor_cap - add a vendor-specific capability
 * @pci: device, in its create
 * @body: what follows the byte with the capability's length at open
 * @writable: the bits of @body that software can write; NULL: none
 * @len: length of @body
 *
 * Return: its offset in configuration space, or ENOSPC.
 */
int mdev_pci_add_vendor_cap(struct mdev_pci *pci, const void *body,
			    const void *writable, size_t len)
{
	u8 data[PCI_CFG_SPACE_SIZE] = {}, mask[PCI_CFG_SPACE_SIZE] = {};

	if (len > PCI_CFG_SPACE_SIZE - PCI_STD_HEADER_SIZEOF - 3)
		return -ENOSPC;

	data[0] = PCI_CAP_FLAGS + 1 + len;
	memcpy(data + 1, body, len);
	if (writable)
		memcpy(mask + 1, writable, len);

	return mdev_pci_add_cap(pci, PCI_CAP_ID_VNDR, data, mask, len + 1);
}
EXPORT_SYMBOL(mdev_pci_add_vendor_cap);

/**
 * mdev_pci_add_pm - add the power management capability, with D0 and D3hot
 * @pci: device, in its create
 *
 * The device keeps its state in D3hot.
 *
 * Return: its offset in configuration space, EEXIST or ENOSPC.
 */
int mdev_pci_add_pm(struct mdev_pci *pci)
{
	static const u8 body[PCI_PM_SIZEOF - PCI_CAP_FLAGS] = {
		[PCI_PM_PMC - PCI_CAP_FLAGS] = 3, /* version */
		[PCI_PM_CTRL - PCI_CAP_FLAGS] = PCI_PM_CTRL_NO_SOFT_RESET,
	};
	static const u8 writable[sizeof(body)] = {
		[PCI_PM_CTRL - PCI_CAP_FLAGS] = PCI_PM_CTRL_STATE_MASK,
	};
	int offset;

	if (pci->config.pm)
		return -EEXIST;

	offset = mdev_pci_add_cap(pci, PCI_CAP_ID_PM, body, writable,
				  sizeof(body));
	if (offset > 0)
		pci->config.pm = offset;
	return offset;
}
EXPORT_SYMBOL(mdev_pci_add_pm);

/**
 * mdev_pci_add_msi - let the device send MSI
 * @pci: device, in its create
 * @vectors: how many, a power of two up to 32
 *
 * Return: offset of the capability in configuration space, EINVAL, EEXIST,
 * ENOSPC or ENOMEM.
 */
int mdev_pci_add_msi(struct mdev_pci *pci, unsigned int vectors)
{
	struct mdev_pci_msi_body body = {
		.flags = cpu_to_le16(PCI_MSI_FLAGS_64BIT),
	};
	static const struct mdev_pci_msi_body writable = {
		.flags = cpu_to_le16(PCI_MSI_FLAGS_ENABLE |
				     PCI_MSI_FLAGS_QSIZE),
		.address_lo = cpu_to_le32(0xfffffffc),
		.address_hi = cpu_to_le32(0xffffffff),
		.data = cpu_to_le16(0xffff),
	};
	int offset, ret;

	if (!is_power_of_2(vectors) || vectors > 32)
		return -EINVAL;
	if (pci->config.msi)
		return -EEXIST;

	body.flags |= cpu_to_le16(ilog2(vectors) << 1);
	ret = mdev_pci_irqs_add(&pci->irqs, VFIO_PCI_MSI_IRQ_INDEX, vectors);
	if (ret)
		return ret;

	offset = mdev_pci_add_cap(pci, PCI_CAP_ID_MSI, &body, &writable,
				  sizeof(body));
	if (offset > 0)
		pci->config.msi = offset;
	else
		mdev_pci_irqs_del(&pci->irqs, VFIO_PCI_MSI_IRQ_INDEX);
	return offset;
}
EXPORT_SYMBOL(mdev_pci_add_msi);

/**
 * mdev_pci_add_msix - let the device send MSI-X
 * @pci: device, in its create
 * @vectors: how many, 1 to 2048
 * @bar: memory BAR that holds the table and the pending bits
 * @table: offset of the table of 16 bytes a vector, a multiple of 8
 * @pba: offset of the pending bits, 64 in 8 bytes, a multiple of 8
 *
 * As with vfio-pci, software finds the table to read as ones: the program that
 * runs the device, QEMU, keeps the table itself and arms vectors with eventfds.
 *
 * Return: offset of the capability in configuration space; EINVAL, with a line
 * in the kernel log if it is for the place, which table and pending bits do not
 * share; EEXIST, ENOSPC or ENOMEM.
 */
int mdev_pci_add_msix(struct mdev_pci *pci, unsigned int vectors,
		      unsigned int bar, u64 table, u64 pba)
{
	struct mdev_pci_msix_body body = {
		.flags = cpu_to_le16(vectors - 1),
		.table = cpu_to_le32(table | bar),
		.pba = cpu_to_le32(pba | bar),
	};
	static const struct mdev_pci_msix_body writable = {
		.flags = cpu_to_le16(PCI_MSIX_FLAGS_ENABLE |
				     PCI_MSIX_FLAGS_MASKALL),
	};
	const struct mdev_pci_msix msix = {
		.bar = bar,
		.table = table,
		.table_size = (u64)vectors * PCI_MSIX_ENTRY_SIZE,
		.pba = pba,
		.pba_size = DIV_ROUND_UP((u64)vectors, 64) * 8,
	};
	const char *fault;
	int offset, ret;

	if (!vectors || vectors > 2048)
		return -EINVAL;
	fault = mdev_pci_msix_fault(pci->desc, &msix);
	if (fault) {
		dev_err(mdev_parent_dev(pci->mdev),
			"MSI-X of its mediated devices cannot be, %s: BAR %u, table at %#llx, pending bits at %#llx\n",
			fault, bar, table, pba);
		return -EINVAL;
	}
	if (pci->msix.table_size)
		return -EEXIST;

	ret = mdev_pci_irqs_add(&pci->irqs, VFIO_PCI_MSIX_IRQ_INDEX, vectors);
	if (ret)
		return ret;

	offset = mdev_pci_add_cap(pci, PCI_CAP_ID_MSIX, &body, &writable,
				  sizeof(body));
	if (offset < 0) {
		mdev_pci_irqs_del(&pci->irqs, VFIO_PCI_MSIX_IRQ_INDEX);
		return offset;
	}

	pci->msix = msix;
	return offset;
}
EXPORT_SYMBOL(mdev_pci_add_msix);
