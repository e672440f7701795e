/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the test vendor drivers of all ages know of a device's pins: which pages of
 * the user's there are, so that they can be given back, and what a notifier was
 * told. How one pins is each driver's own, as that is what changed.
 */
#ifndef _VENDOR_PINS_H
#define _VENDOR_PINS_H

#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/vfio.h>

#include "vendor_abi.h"

/**
 * struct vendor_pins - the pins of a device
 * @pin: pin what the user's request says; answers how many
 * @unpin: unpin pages, the parent's if that was asked for; answers how many
 * @lock: protects what follows; @pin and @unpin are called with it held, and a
 *	  notifier takes it. A driver for more than tests may not have it
 *	  so, see mdev-pci.txt: a pin and an unmapping may wait for each other
 * @news: what notifiers were told
 * @nr: number of pages pinned
 * @pfn: these
 */
struct vendor_pins {
	int (*pin)(struct vendor_pins *pins, const struct vendor_pages *pages,
		   unsigned long *user_pfn, unsigned long *phys_pfn);
	int (*unpin)(struct vendor_pins *pins, bool parent,
		     unsigned long *user_pfn, int npage);
	struct mutex lock;	/* protects what follows */
	struct vendor_news news;
	unsigned int nr;
	unsigned long pfn[VENDOR_MAX_PINS];
};

static inline int vendor_pin(struct vendor_pins *pins,
			     const struct vendor_pages *pages,
			     unsigned long *user_pfn, unsigned long *phys_pfn)
{
	int ret = pins->pin(pins, pages, user_pfn, phys_pfn), i;

	if (ret > 0 && pins->nr + ret > VENDOR_MAX_PINS) {
		pins->unpin(pins, pages->parent, user_pfn, ret);
		return -ENOSPC;
	}
	for (i = 0; i < ret; i++)
		pins->pfn[pins->nr++] = user_pfn[i];
	return ret;
}

static inline void vendor_forget(struct vendor_pins *pins, unsigned long pfn)
{
	unsigned int i;

	for (i = 0; i < pins->nr; i++) {
		if (pins->pfn[i] == pfn) {
			pins->pfn[i] = pins->pfn[--pins->nr];
			return;
		}
	}
}

static inline int vendor_unpin(struct vendor_pins *pins,
			       const struct vendor_pages *pages,
			       unsigned long *user_pfn)
{
	int ret = pins->unpin(pins, pages->parent, user_pfn, pages->npage), i;

	for (i = 0; i < ret; i++)
		vendor_forget(pins, user_pfn[i]);
	return ret;
}

/* VENDOR_PIN and VENDOR_UNPIN */
static inline long vendor_pin_ioctl(struct vendor_pins *pins, unsigned int cmd,
				    void __user *arg)
{
	unsigned long *user_pfn, *phys_pfn;
	struct vendor_pages pages;
	size_t size;
	long ret;

	if (copy_from_user(&pages, arg, sizeof(pages)))
		return -EFAULT;
	size = clamp(pages.npage, 1, VENDOR_MAX_PAGES) * sizeof(*user_pfn);
	user_pfn = memdup_user((void __user *)pages.user_pfn, size);
	if (IS_ERR(user_pfn))
		return PTR_ERR(user_pfn);
	phys_pfn = memdup_user((void __user *)pages.phys_pfn, size);
	if (IS_ERR(phys_pfn)) {
		kfree(user_pfn);
		return PTR_ERR(phys_pfn);
	}

	mutex_lock(&pins->lock);
	ret = cmd == VENDOR_PIN ? vendor_pin(pins, &pages, user_pfn, phys_pfn) :
				  vendor_unpin(pins, &pages, user_pfn);
	mutex_unlock(&pins->lock);

	if (copy_to_user((void __user *)pages.phys_pfn, phys_pfn, size))
		ret = -EFAULT;
	kfree(phys_pfn);
	kfree(user_pfn);
	return ret;
}

/* Unpins what lies between two pages, these among it; the lock is held. */
static inline unsigned int vendor_unpin_range(struct vendor_pins *pins,
					      unsigned long first,
					      unsigned long last)
{
	unsigned int i = 0, count = 0;

	while (i < pins->nr) {
		unsigned long pfn = pins->pfn[i];

		if (pfn < first || pfn > last) {
			i++;
			continue;
		}
		WARN_ON(pins->unpin(pins, false, &pfn, 1) != 1);
		pins->pfn[i] = pins->pfn[--pins->nr];
		count++;
	}
	return count;
}

static inline void vendor_unpin_all(struct vendor_pins *pins)
{
	mutex_lock(&pins->lock);
	vendor_unpin_range(pins, 0, ULONG_MAX);
	mutex_unlock(&pins->lock);
}

/* A notifier was told of an unmapping. */
static inline void vendor_unmapped(struct vendor_pins *pins,
				   const struct vfio_iommu_type1_dma_unmap *unmap)
{
	mutex_lock(&pins->lock);
	pins->news.unmaps++;
	pins->news.iova = unmap->iova;
	pins->news.size = unmap->size;
	pins->news.unpinned +=
		vendor_unpin_range(pins, unmap->iova >> PAGE_SHIFT,
				   (unmap->iova + unmap->size - 1) >> PAGE_SHIFT);
	mutex_unlock(&pins->lock);
}

/* VENDOR_NEWS */
static inline long vendor_news_ioctl(struct vendor_pins *pins, void __user *arg)
{
	struct vendor_news news;

	mutex_lock(&pins->lock);
	news = pins->news;
	mutex_unlock(&pins->lock);
	return copy_to_user(arg, &news, sizeof(news)) ? -EFAULT : 0;
}

#endif /* _VENDOR_PINS_H */
