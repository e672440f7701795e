// SPDX-License-Identifier: GPL-2.0-only
/*
 * PCI-like mediated devices: configuration space
 *
 * Each byte of configuration space knows what a write does to it: bits that
 * take the written value, bits that a written 1 clears, and all others, which
 * stay. That is all that sizing a BAR needs: the address bits below its size
 * are not writable, so what is read after writing ones is the size.
 *
 * No locks, no device: the caller has exclusive use of the struct
 * mdev_pci_config. The one exception is mdev_pci_config_memory_on(), which
 * reads a single byte and may be called at any time.
 */
#include <linux/align.h>
#include <linux/mm.h>
#include <linux/pci_ids.h>
#include <linux/slab.h>

#include "mdev_pci_private.h"

#define MDEV_PCI_CONFIG_MAX	4096
#define MDEV_PCI_EXT_CAP_START	256

#define MDEV_PCI_COMMAND_WRITABLE					\
	(PCI_COMMAND_MASTER | PCI_COMMAND_PARITY | PCI_COMMAND_SERR)

#define MDEV_PCI_STATUS_CLEARABLE					\
	(PCI_STATUS_PARITY | PCI_STATUS_SIG_TARGET_ABORT |		\
	 PCI_STATUS_REC_TARGET_ABORT | PCI_STATUS_REC_MASTER_ABORT |	\
	 PCI_STATUS_SIG_SYSTEM_ERROR | PCI_STATUS_DETECTED_PARITY)

/* The bits of the base address that software can set. */
u64 mdev_pci_bar_writable(const struct mdev_pci_bar *bar)
{
	u64 fixed = mdev_pci_bar_is_io(bar) ? ~PCI_BASE_ADDRESS_IO_MASK :
					      ~PCI_BASE_ADDRESS_MEM_MASK;

	return ~((bar->size - 1) | fixed);
}

/* Describe @width bytes, least significant first. */
void mdev_pci_config_define(struct mdev_pci_config *config, unsigned int offset,
			    unsigned int width, u32 reset, u32 writable)
{
	unsigned int i;

	for (i = 0; i < width; i++) {
		config->byte[offset + i].reset = reset >> (8 * i);
		config->byte[offset + i].writable = writable >> (8 * i);
	}
}

static void mdev_pci_config_define_bars(struct mdev_pci_config *config,
					const struct mdev_pci_bar *bars,
					u16 *command)
{
	const struct mdev_pci_bar *bar;
	unsigned int i, offset;
	u64 writable;

	for (i = 0; i < PCI_STD_NUM_BARS; i++) {
		bar = &bars[i];
		if (!bar->size)
			continue;

		offset = PCI_BASE_ADDRESS_0 + 4 * i;
		writable = mdev_pci_bar_writable(bar);
		mdev_pci_config_define(config, offset, 4, bar->flags,
				       lower_32_bits(writable));
		if (mdev_pci_bar_is_64(bar))
			mdev_pci_config_define(config, offset + 4, 4, 0,
					       upper_32_bits(writable));

		*command |= mdev_pci_bar_is_io(bar) ? PCI_COMMAND_IO :
						      PCI_COMMAND_MEMORY;
	}
}

/*
 * Make the configuration space of a device without capabilities. Its BARs are
 * decoded from the start, as after pci_enable_device(): users of vfio-pci find
 * them so.
 */
int mdev_pci_config_init(struct mdev_pci_config *config,
			 const struct mdev_pci_desc *desc)
{
	unsigned int size = desc->config_size ?: PCI_CFG_SPACE_SIZE;
	u16 command, decode = 0;

	if (size != PCI_CFG_SPACE_SIZE && size != MDEV_PCI_CONFIG_MAX)
		return -EINVAL;
	if (desc->interrupt_pin > 4 || desc->class > 0xffffff)
		return -EINVAL;

	config->byte = kvcalloc(size, sizeof(*config->byte), GFP_KERNEL);
	if (!config->byte)
		return -ENOMEM;

	config->size = size;
	config->cap_free = PCI_STD_HEADER_SIZEOF;
	config->ext_free = MDEV_PCI_EXT_CAP_START;

	mdev_pci_config_define_bars(config, desc->bar, &decode);
	command = decode | MDEV_PCI_COMMAND_WRITABLE;
	if (desc->interrupt_pin)
		command |= PCI_COMMAND_INTX_DISABLE;

	mdev_pci_config_define(config, PCI_VENDOR_ID, 2, desc->vendor_id, 0);
	mdev_pci_config_define(config, PCI_DEVICE_ID, 2, desc->device_id, 0);
	mdev_pci_config_define(config, PCI_COMMAND, 2, decode, command);
	mdev_pci_config_define(config, PCI_CLASS_REVISION, 4,
			       desc->class << 8 | desc->revision, 0);
	mdev_pci_config_define(config, PCI_CACHE_LINE_SIZE, 1, 0, 0xff);
	mdev_pci_config_define(config, PCI_LATENCY_TIMER, 1, 0, 0xff);
	mdev_pci_config_define(config, PCI_SUBSYSTEM_VENDOR_ID, 2,
			       desc->subsystem_vendor_id, 0);
	mdev_pci_config_define(config, PCI_SUBSYSTEM_ID, 2,
			       desc->subsystem_id, 0);
	mdev_pci_config_define(config, PCI_INTERRUPT_LINE, 1, 0, 0xff);
	mdev_pci_config_define(config, PCI_INTERRUPT_PIN, 1,
			       desc->interrupt_pin, 0);

	config->byte[PCI_STATUS + 1].clearable = MDEV_PCI_STATUS_CLEARABLE >> 8;
	return 0;
}

void mdev_pci_config_free(struct mdev_pci_config *config)
{
	kvfree(config->byte);
	config->byte = NULL;
}

static void mdev_pci_config_define_body(struct mdev_pci_config *config,
					unsigned int offset, const u8 *body,
					const u8 *writable, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		mdev_pci_config_define(config, offset + i, 1, body[i],
				       writable ? writable[i] : 0);
}

/*
 * Append a capability of @len bytes after its id and link. Returns its offset;
 * ENOSPC when there is no room left.
 */
int mdev_pci_config_add_cap(struct mdev_pci_config *config, u8 id,
			    const u8 *body, const u8 *writable, size_t len)
{
	unsigned int offset = config->cap_free;
	unsigned int link;

	if (offset + PCI_CAP_FLAGS > PCI_CFG_SPACE_SIZE ||
	    len > PCI_CFG_SPACE_SIZE - offset - PCI_CAP_FLAGS)
		return -ENOSPC;

	link = config->cap_last ? config->cap_last + PCI_CAP_LIST_NEXT :
				  PCI_CAPABILITY_LIST;
	config->byte[link].reset = offset;
	config->byte[PCI_STATUS].reset |= PCI_STATUS_CAP_LIST;

	mdev_pci_config_define(config, offset + PCI_CAP_LIST_ID, 1, id, 0);
	mdev_pci_config_define_body(config, offset + PCI_CAP_FLAGS, body,
				    writable, len);

	config->cap_last = offset;
	config->cap_free = ALIGN(offset + PCI_CAP_FLAGS + len, 4);
	return offset;
}

/* The same for an extended capability, with @len bytes after its header. */
int mdev_pci_config_add_ext_cap(struct mdev_pci_config *config, u16 id,
				u8 version, const u8 *body, const u8 *writable,
				size_t len)
{
	unsigned int offset = config->ext_free;
	u32 link;

	if (version > 0xf)
		return -EINVAL;
	if (offset + 4 > config->size || len > config->size - offset - 4)
		return -ENOSPC;

	if (config->ext_last) {
		link = (u32)offset << 4;
		config->byte[config->ext_last + 2].reset |= link & 0xf0;
		config->byte[config->ext_last + 3].reset = link >> 8;
	}

	mdev_pci_config_define(config, offset, 4, (u32)version << 16 | id, 0);
	mdev_pci_config_define_body(config, offset + 4, body, writable, len);

	config->ext_last = offset;
	config->ext_free = ALIGN(offset + 4 + len, 4);
	return offset;
}

void mdev_pci_config_reset(struct mdev_pci_config *config)
{
	unsigned int i;

	for (i = 0; i < config->size; i++)
		WRITE_ONCE(config->byte[i].value, config->byte[i].reset);
}

u32 mdev_pci_config_value(const struct mdev_pci_config *config,
			  unsigned int offset, unsigned int width)
{
	unsigned int i;
	u32 val = 0;

	for (i = 0; i < width; i++)
		val |= (u32)config->byte[offset + i].value << (8 * i);

	return val;
}

/* The device changes a value, also where software cannot. */
void mdev_pci_config_set_value(struct mdev_pci_config *config, unsigned int offset,
			       unsigned int width, u32 val)
{
	unsigned int i;

	for (i = 0; i < width; i++)
		WRITE_ONCE(config->byte[offset + i].value, val >> (8 * i));
}

/* Power states D1 and D2 are optional and not offered: such writes do nothing. */
static u8 mdev_pci_pm_accept(u8 old, u8 new)
{
	u8 state = new & PCI_PM_CTRL_STATE_MASK;

	if (state == 0 || state == 3)
		return new;

	return (new & ~PCI_PM_CTRL_STATE_MASK) | (old & PCI_PM_CTRL_STATE_MASK);
}

/* No more messages can be enabled than the device is capable of. */
static u8 mdev_pci_msi_accept(u8 new)
{
	u8 capable = (new & PCI_MSI_FLAGS_QMASK) >> 1;
	u8 enabled = (new & PCI_MSI_FLAGS_QSIZE) >> 4;

	if (enabled <= capable)
		return new;

	return (new & ~PCI_MSI_FLAGS_QSIZE) | capable << 4;
}

static void mdev_pci_config_write_byte(struct mdev_pci_config *config,
				       unsigned int offset, u8 val)
{
	struct mdev_pci_byte *byte = &config->byte[offset];
	u8 new;

	new = (byte->value & ~byte->writable) | (val & byte->writable);
	new &= ~(val & byte->clearable);

	if (config->pm && offset == config->pm + PCI_PM_CTRL)
		new = mdev_pci_pm_accept(byte->value, new);
	if (config->msi && offset == config->msi + PCI_MSI_FLAGS)
		new = mdev_pci_msi_accept(new);

	WRITE_ONCE(byte->value, new);
}

/* What a write by software does. */
void mdev_pci_config_write(struct mdev_pci_config *config, unsigned int offset,
			   unsigned int width, u32 val)
{
	unsigned int i;

	for (i = 0; i < width; i++)
		mdev_pci_config_write_byte(config, offset + i, val >> (8 * i));
}

void mdev_pci_config_clear_status(struct mdev_pci_config *config)
{
	unsigned int i;

	for (i = 0; i < config->size; i++)
		WRITE_ONCE(config->byte[i].value,
			   config->byte[i].value & ~config->byte[i].clearable);
}

/* Does the device decode accesses to its memory BARs? */
bool mdev_pci_config_memory_on(const struct mdev_pci_config *config)
{
	return READ_ONCE(config->byte[PCI_COMMAND].value) & PCI_COMMAND_MEMORY;
}

#if IS_ENABLED(CONFIG_VFIO_MDEV_KUNIT_TEST)
#include "mdev_pci_config_test.c"
#endif
