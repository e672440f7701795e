/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of mdev_pci.ko share. Calls go downwards only:
 *
 *	mdev_pci_caps.c    capabilities that the vendor adds
 *	mdev_pci_regions.c regions, and accesses to them
 *	mdev_pci_main.c    the life of a device
 *	mdev_pci_config.c, mdev_pci_irqs.c, mdev_pci_check.c  its parts
 */
#ifndef _MDEV_PCI_PRIVATE_H
#define _MDEV_PCI_PRIVATE_H

#include <linux/mdev_pci.h>

static inline bool mdev_pci_bar_is_io(const struct mdev_pci_bar *bar)
{
	return bar->flags & PCI_BASE_ADDRESS_SPACE_IO;
}

static inline bool mdev_pci_bar_is_64(const struct mdev_pci_bar *bar)
{
	return !mdev_pci_bar_is_io(bar) &&
	       bar->flags & PCI_BASE_ADDRESS_MEM_TYPE_64;
}

/* mdev_pci_check.c: a sentence, or NULL */
const char *mdev_pci_bar_fault(const struct mdev_pci_bar *bar,
			       unsigned int index);
const char *mdev_pci_regions_fault(const struct mdev_pci_desc *desc,
				   unsigned int *index);
const char *mdev_pci_msix_fault(const struct mdev_pci_desc *desc,
				const struct mdev_pci_msix *msix);

/* mdev_pci_config.c: memory and arithmetic alone, the caller locks */
u64 mdev_pci_bar_writable(const struct mdev_pci_bar *bar);
int mdev_pci_config_init(struct mdev_pci_config *config,
			 const struct mdev_pci_desc *desc);
void mdev_pci_config_free(struct mdev_pci_config *config);
void mdev_pci_config_define(struct mdev_pci_config *config, unsigned int offset,
			    unsigned int width, u32 reset, u32 writable);
int mdev_pci_config_add_cap(struct mdev_pci_config *config, u8 id,
			    const u8 *body, const u8 *writable, size_t len);
int mdev_pci_config_add_ext_cap(struct mdev_pci_config *config, u16 id,
				u8 version, const u8 *body, const u8 *writable,
				size_t len);
void mdev_pci_config_reset(struct mdev_pci_config *config);
u32 mdev_pci_config_value(const struct mdev_pci_config *config,
			  unsigned int offset, unsigned int width);
void mdev_pci_config_write(struct mdev_pci_config *config, unsigned int offset,
			   unsigned int width, u32 val);
void mdev_pci_config_set_value(struct mdev_pci_config *config, unsigned int offset,
			       unsigned int width, u32 val);
void mdev_pci_config_clear_status(struct mdev_pci_config *config);
bool mdev_pci_config_memory_on(const struct mdev_pci_config *config);

/* mdev_pci_irqs.c */
int mdev_pci_irqs_init(struct mdev_pci_irqs *irqs, bool intx);
int mdev_pci_irqs_add(struct mdev_pci_irqs *irqs, u32 index,
		      unsigned int vectors);
void mdev_pci_irqs_del(struct mdev_pci_irqs *irqs, u32 index);
void mdev_pci_irqs_open(struct mdev_pci_irqs *irqs);
void mdev_pci_irqs_release(struct mdev_pci_irqs *irqs);
void mdev_pci_irqs_destroy(struct mdev_pci_irqs *irqs);
void mdev_pci_irqs_disable_intx(struct mdev_pci_irqs *irqs, bool disable);
bool mdev_pci_irqs_intx_level(struct mdev_pci_irqs *irqs);

#endif /* _MDEV_PCI_PRIVATE_H */
