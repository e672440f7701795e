// SPDX-License-Identifier: GPL-2.0-only
/*
 * Skeleton of a vendor driver: a PCI-like device that copies a page of its user's memory
 *
 * Documentation/mdev-pci.txt walks through it. The doorbell pins the two pages of a job,
 * which is ended by skeleton_work(), in the hardware's place, by dma_unmap or by a reset:
 * under sk->lock, by the one that finds it COPYING. Until then it is the doorbell's, with
 * page and frame: sk->lock is not held around the pin, which may wait for dma_unmap.
 */
#include <linux/highmem.h>
#include <linux/mdev_pci.h>
#include <linux/mdev_virtual.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

enum { SOURCE, TARGET, DELAY, DOORBELL, STATUS, NR_REGS = 8 };
enum { IDLE, DONE, FAILED, COPYING, PINNING, UNMAPPED };	/* values of STATUS */

struct skeleton {
	struct mdev_pci pci;
	struct delayed_work work;
	struct mutex lock;		/* what follows */
	u32 reg[NR_REGS];
	unsigned long page[2];		/* of a job, by the user's numbers: from, to */
	unsigned long frame[2];		/* the same by the host's */
};

static atomic_t skeleton_free = ATOMIC_INIT(4);	/* devices that can be made */
#define to_skeleton(_pci) container_of(_pci, struct skeleton, pci)

static void skeleton_end(struct skeleton *sk, u32 status)
{
	lockdep_assert_held(&sk->lock);
	if (sk->reg[STATUS] == COPYING)
		vfio_unpin_pages(mdev_dev(sk->pci.mdev), sk->page, 2);
	sk->reg[STATUS] = status;
	mdev_pci_set_intx(&sk->pci, status != IDLE);
}

static void skeleton_work(struct work_struct *work)
{
	struct skeleton *sk = container_of(work, struct skeleton, work.work);

	mutex_lock(&sk->lock);
	if (sk->reg[STATUS] == COPYING) {
		copy_highpage(pfn_to_page(sk->frame[1]), pfn_to_page(sk->frame[0]));
		skeleton_end(sk, DONE);
	}
	mutex_unlock(&sk->lock);
}

static void skeleton_pin(struct skeleton *sk)
{
	struct device *dev = mdev_dev(sk->pci.mdev);
	int ret = vfio_pin_pages(dev, sk->page, 2, IOMMU_READ | IOMMU_WRITE, sk->frame);

	mutex_lock(&sk->lock);
	if (ret == 2 && sk->reg[STATUS] == PINNING) {
		sk->reg[STATUS] = COPYING;
		mod_delayed_work(system_freezable_wq, &sk->work,
				 msecs_to_jiffies(sk->reg[DELAY]));
	} else {
		if (ret == 2)
			vfio_unpin_pages(dev, sk->page, 2);
		skeleton_end(sk, FAILED);
	}
	mutex_unlock(&sk->lock);
}

static void skeleton_dma_unmap(struct mdev_device *mdev, u64 iova, u64 length)
{
	struct skeleton *sk = to_skeleton(mdev_to_pci(mdev));

	mutex_lock(&sk->lock);
	if (((u64)sk->page[0] << PAGE_SHIFT) - iova < length ||
	    ((u64)sk->page[1] << PAGE_SHIFT) - iova < length) {
		if (sk->reg[STATUS] == COPYING)
			skeleton_end(sk, FAILED);
		else if (sk->reg[STATUS] == PINNING)
			sk->reg[STATUS] = UNMAPPED;
	}
	mutex_unlock(&sk->lock);
}

static int skeleton_read(struct mdev_pci *pci, u64 offset, unsigned int width, u64 *val)
{
	struct skeleton *sk = to_skeleton(pci);

	mutex_lock(&sk->lock);
	*val = sk->reg[offset / 4];
	if (offset / 4 == STATUS)
		mdev_pci_set_intx(pci, false);
	mutex_unlock(&sk->lock);
	return 0;
}

static int skeleton_write(struct mdev_pci *pci, u64 offset, unsigned int width, u64 val)
{
	struct skeleton *sk = to_skeleton(pci);
	bool rung;

	mutex_lock(&sk->lock);
	rung = offset / 4 == DOORBELL && sk->reg[STATUS] < COPYING;
	if (rung) {
		sk->page[0] = sk->reg[SOURCE];
		sk->page[1] = sk->reg[TARGET];
		sk->reg[STATUS] = PINNING;
	} else if (offset / 4 < DOORBELL) {
		sk->reg[offset / 4] = val;
	}
	mutex_unlock(&sk->lock);
	if (rung)
		skeleton_pin(sk);
	return 0;
}

static int skeleton_reset(struct mdev_pci *pci)
{
	struct skeleton *sk = to_skeleton(pci);
	int ret = -EBUSY;

	mutex_lock(&sk->lock);
	if (sk->reg[STATUS] < PINNING) {
		skeleton_end(sk, IDLE);
		memset(sk->reg, 0, sizeof(sk->reg));
		ret = 0;
	}
	mutex_unlock(&sk->lock);
	return ret;
}

static const struct mdev_pci_desc skeleton_desc = {
	.vendor_id = 0x1234,
	.device_id = 0x5ce1,
	.class = 0x088000,
	.interrupt_pin = 1,
	.bar[0] = { .size = 4 * NR_REGS, .max_width = 4,
		    .read = skeleton_read, .write = skeleton_write },
	.reset = skeleton_reset,
};

static int skeleton_create(struct kobject *kobj, struct mdev_device *mdev)
{
	struct skeleton *sk;
	int ret;

	if (atomic_dec_if_positive(&skeleton_free) < 0)
		return -EUSERS;
	sk = kzalloc(sizeof(*sk), GFP_KERNEL);
	ret = sk ? mdev_pci_init(&sk->pci, mdev, &skeleton_desc) : -ENOMEM;
	if (ret) {
		kfree(sk);
		atomic_inc(&skeleton_free);
		return ret;
	}
	mutex_init(&sk->lock);
	INIT_DELAYED_WORK(&sk->work, skeleton_work);
	return 0;
}

static int skeleton_remove(struct mdev_device *mdev)
{
	struct skeleton *sk = to_skeleton(mdev_to_pci(mdev));

	mdev_pci_destroy(&sk->pci);
	kfree(sk);
	atomic_inc(&skeleton_free);
	return 0;
}

static void skeleton_release(struct mdev_device *mdev)
{
	struct skeleton *sk = to_skeleton(mdev_to_pci(mdev));

	skeleton_reset(&sk->pci);
	cancel_delayed_work_sync(&sk->work);
	mdev_pci_release(mdev);
}

MDEV_TYPE_ATTR_PRINT(name, "Page copier\n");
MDEV_TYPE_ATTR_PRINT(device_api, "%s\n", VFIO_DEVICE_API_PCI_STRING);
MDEV_TYPE_ATTR_PRINT(available_instances, "%d\n", atomic_read(&skeleton_free));
MDEV_TYPE_GROUPS(skeleton_type, "copy", &mdev_type_attr_name.attr,
		 &mdev_type_attr_device_api.attr, &mdev_type_attr_available_instances.attr);

static const struct mdev_parent_ops skeleton_ops = {
	.owner = THIS_MODULE,
	.supported_type_groups = skeleton_type_groups,
	.create = skeleton_create,
	.remove = skeleton_remove,
	.open = mdev_pci_open,
	.release = skeleton_release,
	.dma_unmap = skeleton_dma_unmap,
	MDEV_PCI_PARENT_OPS,
};

module_mdev_virtual_parent(skeleton, skeleton_ops);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Skeleton of a vendor driver: copies a page of its user's memory");
