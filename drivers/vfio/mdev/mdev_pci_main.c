// SPDX-License-Identifier: GPL-2.0-only
/*
 * PCI-like mediated devices: the life of one
 *
 * A struct mdev_pci lives in what the vendor driver keeps for the device, from
 * mdev_pci_init() in its create to mdev_pci_destroy() in its remove; the
 * mediated device's drvdata points to it. Description and capabilities
 * (mdev_pci_caps.c) do not change after create.
 *
 * Locks. While the device is open, users read and write it (mdev_pci_regions.c) from
 * as many CPUs as they have threads: pci->config_lock covers the values in
 * configuration space, the vendor's own locks cover what is behind the BARs.
 * No lock is held around a callback of the vendor, and none while user memory
 * is touched.
 */
#include <linux/module.h>

#include "mdev_pci_private.h"

static int mdev_pci_check_desc(struct device *parent,
			       const struct mdev_pci_desc *desc)
{
	const char *fault;
	unsigned int i;

	for (i = 0; i < PCI_STD_NUM_BARS; i++) {
		fault = mdev_pci_bar_fault(&desc->bar[i], i);
		if (fault) {
			dev_err(parent,
				"BAR %u of its mediated devices cannot be, %s: size %#llx, flags %#x\n",
				i, fault, desc->bar[i].size, desc->bar[i].flags);
			return -EINVAL;
		}
	}

	fault = mdev_pci_regions_fault(desc, &i);
	if (fault) {
		dev_err(parent,
			"further region %u of its mediated devices cannot be, %s\n",
			i, fault);
		return -EINVAL;
	}
	return 0;
}

/**
 * mdev_pci_init - make the PCI side of a new mediated device
 * @pci: zeroed, in what the driver keeps for the device
 * @mdev: the device; its drvdata will point to @pci
 * @desc: what it looks like; stays in place for as long as the device does
 *
 * To be called from the create callback, undone with mdev_pci_destroy().
 *
 * Return: 0; EINVAL if @desc does not describe a PCI device, with a line in the
 * kernel log if it is for its BARs or regions; ENOMEM.
 */
int mdev_pci_init(struct mdev_pci *pci, struct mdev_device *mdev,
		  const struct mdev_pci_desc *desc)
{
	int ret;

	ret = mdev_pci_check_desc(mdev_parent_dev(mdev), desc);
	if (ret)
		return ret;

	pci->mdev = mdev;
	pci->desc = desc;
	mutex_init(&pci->config_lock);

	ret = mdev_pci_config_init(&pci->config, desc);
	if (ret)
		return ret;

	ret = mdev_pci_irqs_init(&pci->irqs, desc->interrupt_pin);
	if (ret) {
		mdev_pci_config_free(&pci->config);
		return ret;
	}

	mdev_set_drvdata(mdev, pci);
	return 0;
}
EXPORT_SYMBOL(mdev_pci_init);

/**
 * mdev_pci_destroy - opposite of mdev_pci_init()
 * @pci: device, not open
 */
void mdev_pci_destroy(struct mdev_pci *pci)
{
	mdev_set_drvdata(pci->mdev, NULL);
	mdev_pci_irqs_destroy(&pci->irqs);
	mdev_pci_config_free(&pci->config);
	mutex_destroy(&pci->config_lock);
}
EXPORT_SYMBOL(mdev_pci_destroy);

/**
 * mdev_pci_config_get - what is in configuration space
 * @pci: device
 * @offset: where; @offset + @width lies within
 * @width: 1 to 4 bytes
 */
u32 mdev_pci_config_get(struct mdev_pci *pci, unsigned int offset,
			unsigned int width)
{
	u32 val;

	mutex_lock(&pci->config_lock);
	val = mdev_pci_config_value(&pci->config, offset, width);
	mutex_unlock(&pci->config_lock);

	return val;
}
EXPORT_SYMBOL(mdev_pci_config_get);

/**
 * mdev_pci_config_set - the device changes its configuration space
 * @pci: device
 * @offset: where; @offset + @width lies within
 * @width: 1 to 4 bytes
 * @val: new value, of bits that software cannot write too
 *
 * For registers that show the state of the device, such as errors in the
 * status register. Opening the device sets them back.
 */
void mdev_pci_config_set(struct mdev_pci *pci, unsigned int offset,
			 unsigned int width, u32 val)
{
	mutex_lock(&pci->config_lock);
	mdev_pci_config_set_value(&pci->config, offset, width, val);
	mutex_unlock(&pci->config_lock);
}
EXPORT_SYMBOL(mdev_pci_config_set);

/**
 * mdev_pci_open - a user opens the device
 * @mdev: device
 *
 * Configuration space is as described, no interrupt is armed. A driver whose
 * own open fails after this calls mdev_pci_release().
 *
 * Return: 0
 */
int mdev_pci_open(struct mdev_device *mdev)
{
	struct mdev_pci *pci = mdev_to_pci(mdev);

	mutex_lock(&pci->config_lock);
	mdev_pci_config_reset(&pci->config);
	mutex_unlock(&pci->config_lock);
	mdev_pci_irqs_open(&pci->irqs);

	return 0;
}
EXPORT_SYMBOL(mdev_pci_open);

/**
 * mdev_pci_release - the user has closed the device
 * @mdev: device
 *
 * No eventfd is signalled any more when this returns.
 */
void mdev_pci_release(struct mdev_device *mdev)
{
	mdev_pci_irqs_release(&mdev_to_pci(mdev)->irqs);
}
EXPORT_SYMBOL(mdev_pci_release);

/**
 * mdev_pci_reset - VFIO_DEVICE_RESET
 * @mdev: device
 *
 * Configuration space keeps its values, but for errors in the status
 * register, and armed interrupts stay so: that is what vfio-pci gives, which
 * saves and restores them around the reset.
 *
 * Return: what the description's reset returns; EINVAL if it has none.
 */
int mdev_pci_reset(struct mdev_device *mdev)
{
	struct mdev_pci *pci = mdev_to_pci(mdev);

	if (!pci->desc->reset)
		return -EINVAL;

	mutex_lock(&pci->config_lock);
	mdev_pci_config_clear_status(&pci->config);
	mutex_unlock(&pci->config_lock);

	return pci->desc->reset(pci);
}
EXPORT_SYMBOL(mdev_pci_reset);

MODULE_VERSION("1.0");
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Helpers for mediated devices that look like PCI devices");
