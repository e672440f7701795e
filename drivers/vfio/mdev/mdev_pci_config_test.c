// SPDX-License-Identifier: GPL-2.0-only
/* KUnit tests of mdev_pci_config.c, which includes this file. */
#include <kunit/test.h>

static const struct mdev_pci_desc mdev_pci_test_desc = {
	.vendor_id = 0x1234,
	.device_id = 0x5678,
	.subsystem_vendor_id = 0x9abc,
	.subsystem_id = 0xdef0,
	.class = 0x070002,
	.revision = 0x10,
	.interrupt_pin = 1,
	.config_size = MDEV_PCI_CONFIG_MAX,
	.bar[0] = { .size = 8, .flags = PCI_BASE_ADDRESS_SPACE_IO },
	.bar[1] = { .size = SZ_4K },
	.bar[2] = { .size = 1ULL << 36,
		    .flags = PCI_BASE_ADDRESS_MEM_TYPE_64 |
			     PCI_BASE_ADDRESS_MEM_PREFETCH },
};

static int mdev_pci_test_init(struct kunit *test)
{
	struct mdev_pci_config *config;
	int ret;

	config = kunit_kzalloc(test, sizeof(*config), GFP_KERNEL);
	if (!config)
		return -ENOMEM;
	ret = mdev_pci_config_init(config, &mdev_pci_test_desc);
	if (!ret)
		mdev_pci_config_reset(config);
	test->priv = config;
	return ret;
}

static void mdev_pci_test_exit(struct kunit *test)
{
	if (test->priv)
		mdev_pci_config_free(test->priv);
}

static u32 mdev_pci_test_written(struct mdev_pci_config *config,
				 unsigned int offset, unsigned int width,
				 u32 val)
{
	mdev_pci_config_write(config, offset, width, val);
	return mdev_pci_config_value(config, offset, width);
}

static void mdev_pci_test_header(struct kunit *test)
{
	struct mdev_pci_config *config = test->priv;

	KUNIT_EXPECT_EQ(test, 0x56781234,
			mdev_pci_config_value(config, PCI_VENDOR_ID, 4));
	KUNIT_EXPECT_EQ(test, 0x07000210,
			mdev_pci_config_value(config, PCI_CLASS_REVISION, 4));
	KUNIT_EXPECT_EQ(test, 0xdef09abc,
			mdev_pci_config_value(config, PCI_SUBSYSTEM_VENDOR_ID, 4));
	KUNIT_EXPECT_EQ(test, 0x0100,
			mdev_pci_config_value(config, PCI_INTERRUPT_LINE, 2));
	KUNIT_EXPECT_EQ(test, PCI_COMMAND_IO | PCI_COMMAND_MEMORY,
			mdev_pci_config_value(config, PCI_COMMAND, 2));

	KUNIT_EXPECT_EQ(test, 0x56781234,
			mdev_pci_test_written(config, PCI_VENDOR_ID, 4, 0));
	KUNIT_EXPECT_EQ(test, 0x01ff,
			mdev_pci_test_written(config, PCI_INTERRUPT_LINE, 2,
					      0xffff));
	KUNIT_EXPECT_EQ(test, 0,
			mdev_pci_test_written(config, PCI_HEADER_TYPE, 1, 0xff));
}

static void mdev_pci_test_command(struct kunit *test)
{
	struct mdev_pci_config *config = test->priv;

	KUNIT_EXPECT_TRUE(test, mdev_pci_config_memory_on(config));
	KUNIT_EXPECT_EQ(test,
			PCI_COMMAND_IO | PCI_COMMAND_MEMORY |
			PCI_COMMAND_INTX_DISABLE | MDEV_PCI_COMMAND_WRITABLE,
			mdev_pci_test_written(config, PCI_COMMAND, 2, 0xffff));
	KUNIT_EXPECT_EQ(test, 0,
			mdev_pci_test_written(config, PCI_COMMAND, 2, 0));
	KUNIT_EXPECT_FALSE(test, mdev_pci_config_memory_on(config));
	mdev_pci_config_reset(config);
	KUNIT_EXPECT_TRUE(test, mdev_pci_config_memory_on(config));
}

/* Errors are set by the device, and cleared by software writing ones. */
static void mdev_pci_test_status(struct kunit *test)
{
	struct mdev_pci_config *config = test->priv;

	KUNIT_EXPECT_EQ(test, 0,
			mdev_pci_test_written(config, PCI_STATUS, 2, 0xffff));
	mdev_pci_config_set_value(config, PCI_STATUS, 2, MDEV_PCI_STATUS_CLEARABLE);
	KUNIT_EXPECT_EQ(test, MDEV_PCI_STATUS_CLEARABLE,
			mdev_pci_test_written(config, PCI_STATUS, 2, 0));
	KUNIT_EXPECT_EQ(test,
			MDEV_PCI_STATUS_CLEARABLE & ~PCI_STATUS_PARITY,
			mdev_pci_test_written(config, PCI_STATUS, 2,
					      PCI_STATUS_PARITY));
	mdev_pci_config_clear_status(config);
	KUNIT_EXPECT_EQ(test, 0, mdev_pci_config_value(config, PCI_STATUS, 2));
}

static void mdev_pci_test_sizing(struct kunit *test)
{
	struct mdev_pci_config *config = test->priv;
	static const u32 sizes[PCI_STD_NUM_BARS] = {
		0xfffffff9, 0xfffff000, 0x0000000c, 0xfffffff0, 0, 0,
	};
	unsigned int i;

	for (i = 0; i < PCI_STD_NUM_BARS; i++)
		KUNIT_EXPECT_EQ_MSG(test, sizes[i],
				    mdev_pci_test_written(config,
							  PCI_BASE_ADDRESS_0 + 4 * i,
							  4, ~0), "BAR %u", i);
	KUNIT_EXPECT_EQ(test, 0xe0000000,
			mdev_pci_test_written(config, PCI_BASE_ADDRESS_1, 4,
					      0xe0000123));
	/* An address can be written a byte at a time. */
	mdev_pci_config_write(config, PCI_BASE_ADDRESS_1 + 1, 1, 0xab);
	KUNIT_EXPECT_EQ(test, 0xe000a000,
			mdev_pci_config_value(config, PCI_BASE_ADDRESS_1, 4));
}

static void mdev_pci_test_caps(struct kunit *test)
{
	struct mdev_pci_config *config = test->priv;
	static const u8 body[3] = { 0x11, 0x22, 0x33 };
	static const u8 writable[3] = { 0, 0xf0, 0 };
	static const u8 big[PCI_CFG_SPACE_SIZE];

	KUNIT_EXPECT_EQ(test, 0x40,
			mdev_pci_config_add_cap(config, PCI_CAP_ID_VNDR, body,
						writable, sizeof(body)));
	KUNIT_EXPECT_EQ(test, -ENOSPC,
			mdev_pci_config_add_cap(config, PCI_CAP_ID_VNDR, big,
						NULL, PCI_CFG_SPACE_SIZE - 0x48 - 1));
	/* Five bytes took eight; this one takes all that is left. */
	KUNIT_EXPECT_EQ(test, 0x48,
			mdev_pci_config_add_cap(config, PCI_CAP_ID_EXP, big,
						NULL, PCI_CFG_SPACE_SIZE - 0x48 - 2));
	KUNIT_EXPECT_EQ(test, -ENOSPC,
			mdev_pci_config_add_cap(config, PCI_CAP_ID_VNDR, body,
						NULL, 0));
	mdev_pci_config_reset(config);

	KUNIT_EXPECT_EQ(test, PCI_STATUS_CAP_LIST,
			mdev_pci_config_value(config, PCI_STATUS, 2));
	KUNIT_EXPECT_EQ(test, 0x40,
			mdev_pci_config_value(config, PCI_CAPABILITY_LIST, 1));
	KUNIT_EXPECT_EQ(test, 0x22114800 | PCI_CAP_ID_VNDR,
			mdev_pci_config_value(config, 0x40, 4));
	KUNIT_EXPECT_EQ(test, 0x0000 | PCI_CAP_ID_EXP,
			mdev_pci_config_value(config, 0x48, 2));
	KUNIT_EXPECT_EQ(test, 0xf2114800 | PCI_CAP_ID_VNDR,
			mdev_pci_test_written(config, 0x40, 4, ~0));
}

static void mdev_pci_test_ext_caps(struct kunit *test)
{
	struct mdev_pci_config *config = test->priv;
	static const u8 body[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };

	KUNIT_EXPECT_EQ(test, -EINVAL,
			mdev_pci_config_add_ext_cap(config, PCI_EXT_CAP_ID_DSN,
						    16, body, NULL, 8));
	KUNIT_EXPECT_EQ(test, 0x100,
			mdev_pci_config_add_ext_cap(config, PCI_EXT_CAP_ID_DSN,
						    1, body, NULL, 8));
	KUNIT_EXPECT_EQ(test, 0x10c,
			mdev_pci_config_add_ext_cap(config, PCI_EXT_CAP_ID_VNDR,
						    2, body, NULL, 8));
	mdev_pci_config_reset(config);
	KUNIT_EXPECT_EQ(test, 0x10c10000 | PCI_EXT_CAP_ID_DSN,
			mdev_pci_config_value(config, 0x100, 4));
	KUNIT_EXPECT_EQ(test, 0x04030201,
			mdev_pci_config_value(config, 0x104, 4));
	KUNIT_EXPECT_EQ(test, 0x00020000 | PCI_EXT_CAP_ID_VNDR,
			mdev_pci_config_value(config, 0x10c, 4));
}

/* Where only some values of a writable field make sense */
static void mdev_pci_test_refused(struct kunit *test)
{
	static const u8 zeros[6], ones[6] = { 0xff, 0xff, 0xff, 0xff, 0xff };
	/* Eight messages */
	static const u8 msi[2] = { 3 << 1 };
	static const u8 msi_writable[2] = {
		PCI_MSI_FLAGS_ENABLE | PCI_MSI_FLAGS_QSIZE,
	};
	struct mdev_pci_config *config = test->priv;
	unsigned int ctrl, flags;

	config->pm = mdev_pci_config_add_cap(config, PCI_CAP_ID_PM, zeros, ones,
					     sizeof(zeros));
	config->msi = mdev_pci_config_add_cap(config, PCI_CAP_ID_MSI, msi,
					      msi_writable, sizeof(msi));
	mdev_pci_config_reset(config);

	ctrl = config->pm + PCI_PM_CTRL;
	KUNIT_EXPECT_EQ(test, 3, mdev_pci_test_written(config, ctrl, 1, 3));
	KUNIT_EXPECT_EQ(test, 3, mdev_pci_test_written(config, ctrl, 1, 1));
	KUNIT_EXPECT_EQ(test, 3, mdev_pci_test_written(config, ctrl, 1, 2));
	KUNIT_EXPECT_EQ(test, 0, mdev_pci_test_written(config, ctrl, 1, 0));

	flags = config->msi + PCI_MSI_FLAGS;
	KUNIT_EXPECT_EQ(test, 0x26,
			mdev_pci_test_written(config, flags, 1, 2 << 4));
	KUNIT_EXPECT_EQ(test, 0x37,
			mdev_pci_test_written(config, flags, 1, 7 << 4 | 1));
}

static void mdev_pci_test_desc_bad(struct kunit *test)
{
	struct mdev_pci_desc desc = mdev_pci_test_desc;
	struct mdev_pci_config config = {};

	desc.config_size = 512;
	KUNIT_EXPECT_EQ(test, -EINVAL, mdev_pci_config_init(&config, &desc));
	desc.config_size = 0;
	desc.interrupt_pin = 5;
	KUNIT_EXPECT_EQ(test, -EINVAL, mdev_pci_config_init(&config, &desc));
	desc.interrupt_pin = 0;
	desc.class = 0x1000000;
	KUNIT_EXPECT_EQ(test, -EINVAL, mdev_pci_config_init(&config, &desc));
	KUNIT_EXPECT_NULL(test, config.byte);

	desc.class = 0;
	KUNIT_ASSERT_EQ(test, 0, mdev_pci_config_init(&config, &desc));
	KUNIT_EXPECT_EQ(test, PCI_CFG_SPACE_SIZE, config.size);
	/* Without INTx there is nothing to disable. */
	mdev_pci_config_reset(&config);
	KUNIT_EXPECT_EQ(test, 0,
			mdev_pci_test_written(&config, PCI_COMMAND + 1, 1,
					      PCI_COMMAND_INTX_DISABLE >> 8));
	mdev_pci_config_free(&config);
}

static struct kunit_case mdev_pci_config_cases[] = {
	KUNIT_CASE(mdev_pci_test_header),
	KUNIT_CASE(mdev_pci_test_command),
	KUNIT_CASE(mdev_pci_test_status),
	KUNIT_CASE(mdev_pci_test_sizing),
	KUNIT_CASE(mdev_pci_test_caps),
	KUNIT_CASE(mdev_pci_test_ext_caps),
	KUNIT_CASE(mdev_pci_test_refused),
	KUNIT_CASE(mdev_pci_test_desc_bad),
	{}
};

static struct kunit_suite mdev_pci_config_suite = {
	.name = "mdev-pci-config",
	.init = mdev_pci_test_init,
	.exit = mdev_pci_test_exit,
	.test_cases = mdev_pci_config_cases,
};

kunit_test_suite(mdev_pci_config_suite);
