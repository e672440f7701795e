// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of mdev_pci_irqs.c, which includes this file: numbers that vfio_mdev
 * does not let through, but a vendor's own callback may.
 */
#include <kunit/test.h>

/* Nothing is done to MSI by this action: it is refused otherwise if the rest fits. */
static void mdev_pci_test_irqs(struct kunit *test)
{
	static const struct {
		u32 index, start, count;
		int ret;
	} tries[] = {
		{ VFIO_PCI_MSI_IRQ_INDEX, 0, 4, -ENOTTY },
		{ VFIO_PCI_MSI_IRQ_INDEX, 3, 1, -ENOTTY },
		{ VFIO_PCI_MSI_IRQ_INDEX, 0, 5, -EINVAL },
		{ VFIO_PCI_MSI_IRQ_INDEX, 3, 2, -EINVAL },
		{ VFIO_PCI_MSI_IRQ_INDEX, 4, 0, -EINVAL },
		{ VFIO_PCI_MSI_IRQ_INDEX, 1, U32_MAX, -EINVAL },
		{ VFIO_PCI_MSI_IRQ_INDEX, 3, U32_MAX - 2, -EINVAL },
		{ VFIO_PCI_MSI_IRQ_INDEX, U32_MAX, 1, -EINVAL },
		{ VFIO_PCI_INTX_IRQ_INDEX, 0, 0, -EINVAL },
		{ VFIO_PCI_NUM_IRQS, 0, 0, -EINVAL },
		{ U32_MAX, 0, 0, -EINVAL },
	};
	struct mdev_pci_irqs *irqs = kunit_kzalloc(test, sizeof(*irqs), GFP_KERNEL);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, irqs);
	irqs->count[VFIO_PCI_MSI_IRQ_INDEX] = 4;
	for (i = 0; i < ARRAY_SIZE(tries); i++)
		KUNIT_EXPECT_EQ_MSG(test, tries[i].ret,
				    mdev_pci_irqs_set(irqs, VFIO_IRQ_SET_ACTION_MASK,
						      tries[i].index,
						      tries[i].start,
						      tries[i].count, NULL), "%u", i);
}

static struct kunit_case mdev_pci_irqs_cases[] = {
	KUNIT_CASE(mdev_pci_test_irqs),
	{ }
};

static struct kunit_suite mdev_pci_irqs_suite = {
	.name = "mdev-pci-irqs",
	.test_cases = mdev_pci_irqs_cases,
};

kunit_test_suite(mdev_pci_irqs_suite);
