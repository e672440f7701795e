// SPDX-License-Identifier: GPL-2.0-only
/*
 * The sample's PCI serial card as QEMU and a guest see it. What is tested is
 * the helpers for PCI-like devices as much as the sample.
 */
#include <fcntl.h>
#include <linux/kvm.h>
#include <linux/pci_regs.h>
#include <linux/serial_reg.h>
#include <linux/types.h>
#include <linux/vfio.h>
#include <stdio.h>

#include "kselftest_harness.h"
#include "vfio_util.h"

#define TYPES	"/sys/class/mdev_bus/mtty/mdev_supported_types"
#define PORTS	24

#define INTX	VFIO_PCI_INTX_IRQ_INDEX
#define MSI	VFIO_PCI_MSI_IRQ_INDEX
#define MASK	VFIO_IRQ_SET_ACTION_MASK
#define UNMASK	VFIO_IRQ_SET_ACTION_UNMASK
#define TRIGGER	VFIO_IRQ_SET_ACTION_TRIGGER

#define EMPTY	(UART_LSR_TEMT | UART_LSR_THRE)
#define FIFO_ON	0xc0

static int card_create(int ports, char uuid[UUID_LEN])
{
	char path[PATH_LEN];

	snprintf(path, sizeof(path), TYPES "/mtty-%d/create", ports);
	return write_file(path, uuid_make(uuid));
}

/* Has a virtual machine the card open? */
static int card_kvm(const char *uuid)
{
	char path[PATH_LEN], text[32];
	int ret;

	ret = read_file(mdev_path(path, uuid, "kvm"), text, sizeof(text));
	return ret < 0 ? ret : atoi(text);
}

static int cards_available(int ports)
{
	char path[PATH_LEN], text[32];
	int ret;

	snprintf(path, sizeof(path), TYPES "/mtty-%d/available_instances",
		 ports);
	ret = read_file(path, text, sizeof(text));
	return ret < 0 ? ret : atoi(text);
}

FIXTURE(card) {
	struct snapshot before;
	char uuid[UUID_LEN];
	struct mdev_user user;
	int fd;
	off_t config;
};

FIXTURE_VARIANT(card) {
	int ports;
	__u16 device_id;
};

FIXTURE_VARIANT_ADD(card, one_port) {
	.ports = 1,
	.device_id = 0x0002,
};

FIXTURE_VARIANT_ADD(card, two_ports) {
	.ports = 2,
	.device_id = 0x0003,
};

FIXTURE_SETUP(card)
{
	struct vfio_region_info info = {
		.argsz = sizeof(info),
		.index = VFIO_PCI_CONFIG_REGION_INDEX,
	};

	snapshot_take(&self->before);
	ASSERT_EQ(0, card_create(variant->ports, self->uuid));
	ASSERT_EQ(0, mdev_open(self->uuid, &self->user));
	self->fd = self->user.device;
	ASSERT_EQ(0, file_ioctl(self->fd, VFIO_DEVICE_GET_REGION_INFO, &info));
	self->config = info.offset;
}

static bool all_as(const struct snapshot *before)
{
	struct snapshot now;

	snapshot_take(&now);
	return !strcmp(before->text, now.text) && !module_refs("mtty");
}

FIXTURE_TEARDOWN(card)
{
	mdev_close(&self->user);
	if (mdev_exists(self->uuid))
		EXPECT_EQ(0, mdev_remove(self->uuid));
	EXPECT_EQ(PORTS, cards_available(1));
	EXPECT_EQ(PORTS / 2, cards_available(2));
	EXPECT_TRUE(WAIT_FOR(all_as(&self->before), SOON));
}

/* Little-endian values of WIDTH bytes; errors show as what no test expects. */
static __u32 get(int fd, off_t pos, int width)
{
	__u64 value;

	return file_get(fd, &value, width, pos) == width ? value : 0xdeadbeef;
}

static void put(int fd, off_t pos, int width, __u32 value)
{
	if (file_put(fd, value, width, pos) != width)
		fprintf(stderr, "# write to %#llx failed\n", (long long)pos);
}

#define CONFIG(offset, width)	get(self->fd, self->config + (offset), width)
#define SET_CONFIG(offset, width, value)				\
	put(self->fd, self->config + (offset), width, value)
/* Registers of a port */
#define IN(port, reg)		get(self->fd, (port) * 8 + (reg), 1)
#define OUT(port, reg, value)	put(self->fd, (port) * 8 + (reg), 1, value)

TEST_F(card, regions)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	struct vfio_region_info region = { .argsz = sizeof(region) };
	__u32 i;

	ASSERT_EQ(0, file_ioctl(self->fd, VFIO_DEVICE_GET_INFO, &info));
	EXPECT_EQ(VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET, info.flags);
	ASSERT_EQ(VFIO_PCI_NUM_REGIONS, info.num_regions);
	EXPECT_EQ(VFIO_PCI_NUM_IRQS, info.num_irqs);

	for (i = 0; i < VFIO_PCI_NUM_REGIONS; i++) {
		__u64 size = 0;

		if (i == VFIO_PCI_BAR0_REGION_INDEX)
			size = 8 * variant->ports;
		if (i == VFIO_PCI_CONFIG_REGION_INDEX)
			size = 256;
		region.index = i;
		ASSERT_EQ(0, file_ioctl(self->fd, VFIO_DEVICE_GET_REGION_INFO,
					&region));
		EXPECT_EQ(size, region.size);
		EXPECT_EQ((__u64)i << 40, region.offset);
		EXPECT_EQ(size ? VFIO_REGION_INFO_FLAG_READ |
				 VFIO_REGION_INFO_FLAG_WRITE : 0,
			  region.flags);
	}
}

TEST_F(card, interrupts)
{
	static const struct {
		__u32 count;
		__u32 flags;
	} irqs[VFIO_PCI_NUM_IRQS] = {
		[INTX] = { 1, VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_MASKABLE |
			      VFIO_IRQ_INFO_AUTOMASKED },
		[MSI] = { 1, VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_NORESIZE },
		[VFIO_PCI_MSIX_IRQ_INDEX] = { 0, VFIO_IRQ_INFO_EVENTFD },
		[VFIO_PCI_ERR_IRQ_INDEX] = {
			1, VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_NORESIZE },
		[VFIO_PCI_REQ_IRQ_INDEX] = {
			1, VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_NORESIZE },
	};
	struct vfio_irq_info info = { .argsz = sizeof(info) };
	__u32 i;

	for (i = 0; i < VFIO_PCI_NUM_IRQS; i++) {
		info.index = i;
		ASSERT_EQ(0, file_ioctl(self->fd, VFIO_DEVICE_GET_IRQ_INFO,
					&info));
		EXPECT_EQ(irqs[i].count, info.count);
		EXPECT_EQ(irqs[i].flags, info.flags);
	}
}

/* Configuration space */

TEST_F(card, config)
{
	unsigned char whole[257], bytes[256];
	unsigned int i, cap;

	ASSERT_EQ(256, file_read(self->fd, whole, 256, self->config));
	for (i = 0; i < 256; i++)
		bytes[i] = CONFIG(i, 1);
	EXPECT_EQ(0, memcmp(whole, bytes, 256));
	EXPECT_EQ(256, file_read(self->fd, whole, 257, self->config));
	EXPECT_EQ(6, file_read(self->fd, whole, 100, self->config + 250));
	EXPECT_EQ(-EINVAL, file_read(self->fd, whole, 1, self->config + 256));

	EXPECT_EQ(0x1b36, CONFIG(PCI_VENDOR_ID, 2));
	EXPECT_EQ(variant->device_id, CONFIG(PCI_DEVICE_ID, 2));
	EXPECT_EQ(0x070002, CONFIG(PCI_CLASS_REVISION, 4) >> 8);
	EXPECT_EQ(PCI_HEADER_TYPE_NORMAL, CONFIG(PCI_HEADER_TYPE, 1));
	EXPECT_EQ(1, CONFIG(PCI_INTERRUPT_PIN, 1));
	EXPECT_EQ(PCI_COMMAND_IO, CONFIG(PCI_COMMAND, 2));
	ASSERT_EQ(PCI_STATUS_CAP_LIST, CONFIG(PCI_STATUS, 2));
	cap = CONFIG(PCI_CAPABILITY_LIST, 1);
	ASSERT_LE(PCI_STD_HEADER_SIZEOF, cap);
	EXPECT_EQ(0, cap % 4);
	EXPECT_EQ(PCI_CAP_ID_MSI, CONFIG(cap, 1));
	EXPECT_EQ(0, CONFIG(cap + PCI_CAP_LIST_NEXT, 1));
	EXPECT_EQ(PCI_MSI_FLAGS_64BIT, CONFIG(cap + PCI_MSI_FLAGS, 2));
}

TEST_F(card, bar_sizes)
{
	__u32 size = 8 * variant->ports;
	unsigned int bar;

	EXPECT_EQ(PCI_BASE_ADDRESS_SPACE_IO, CONFIG(PCI_BASE_ADDRESS_0, 4));
	SET_CONFIG(PCI_BASE_ADDRESS_0, 4, ~0U);
	EXPECT_EQ(~(size - 1) | PCI_BASE_ADDRESS_SPACE_IO,
		  CONFIG(PCI_BASE_ADDRESS_0, 4));
	SET_CONFIG(PCI_BASE_ADDRESS_0, 4, 0x0000c0ff);
	EXPECT_EQ((0xc0ff & ~(size - 1)) | PCI_BASE_ADDRESS_SPACE_IO,
		  CONFIG(PCI_BASE_ADDRESS_0, 4));
	/* Where the guest put it makes no difference to the file. */
	OUT(0, UART_SCR, 0x5a);
	EXPECT_EQ(0x5a, IN(0, UART_SCR));

	for (bar = 1; bar < PCI_STD_NUM_BARS; bar++) {
		SET_CONFIG(PCI_BASE_ADDRESS_0 + 4 * bar, 4, ~0U);
		EXPECT_EQ(0, CONFIG(PCI_BASE_ADDRESS_0 + 4 * bar, 4));
	}
	SET_CONFIG(PCI_ROM_ADDRESS, 4, ~0U);
	EXPECT_EQ(0, CONFIG(PCI_ROM_ADDRESS, 4));
}

/* Ones, then zeros: what follows is writable, all else stays. */
TEST_F(card, config_masks)
{
	unsigned char before[256], ones[256], zeros[256], mask[256] = {};
	unsigned int i, cap = CONFIG(PCI_CAPABILITY_LIST, 1);

	mask[PCI_COMMAND] = PCI_COMMAND_IO | PCI_COMMAND_MASTER |
			    PCI_COMMAND_PARITY;
	mask[PCI_COMMAND + 1] = (PCI_COMMAND_SERR |
				 PCI_COMMAND_INTX_DISABLE) >> 8;
	mask[PCI_CACHE_LINE_SIZE] = 0xff;
	mask[PCI_LATENCY_TIMER] = 0xff;
	mask[PCI_INTERRUPT_LINE] = 0xff;
	mask[PCI_BASE_ADDRESS_0] = -8 * variant->ports;
	memset(mask + PCI_BASE_ADDRESS_0 + 1, 0xff, 3);
	/* Of one message that can be, no more can be enabled. */
	mask[cap + PCI_MSI_FLAGS] = PCI_MSI_FLAGS_ENABLE;
	mask[cap + PCI_MSI_ADDRESS_LO] = 0xfc;
	memset(mask + cap + PCI_MSI_ADDRESS_LO + 1, 0xff, 3);
	memset(mask + cap + PCI_MSI_ADDRESS_HI, 0xff, 4);
	memset(mask + cap + PCI_MSI_DATA_64, 0xff, 2);

	ASSERT_EQ(256, file_read(self->fd, before, 256, self->config));
	memset(ones, 0xff, sizeof(ones));
	ASSERT_EQ(256, file_write(self->fd, ones, 256, self->config));
	ASSERT_EQ(256, file_read(self->fd, ones, 256, self->config));
	memset(zeros, 0, sizeof(zeros));
	ASSERT_EQ(256, file_write(self->fd, zeros, 256, self->config));
	ASSERT_EQ(256, file_read(self->fd, zeros, 256, self->config));
	for (i = 0; i < 256; i++) {
		EXPECT_EQ(before[i] | mask[i], ones[i]) {
			TH_LOG("offset %#x", i);
		}
		EXPECT_EQ(before[i] & ~mask[i], zeros[i]) {
			TH_LOG("offset %#x", i);
		}
	}
}

/* Ports */

TEST_F(card, loops_back)
{
	static const char text[] = "Hello, guest!";
	unsigned int port, i;

	for (port = 0; port < variant->ports; port++) {
		EXPECT_EQ(EMPTY, IN(port, UART_LSR));
		OUT(port, UART_FCR, UART_FCR_ENABLE_FIFO);
	}
	for (port = 0; port < variant->ports; port++)
		for (i = 0; i < sizeof(text); i++)
			OUT(port, UART_TX, text[i] ^ port);
	for (port = 0; port < variant->ports; port++) {
		for (i = 0; i < sizeof(text); i++) {
			EXPECT_EQ(EMPTY | UART_LSR_DR, IN(port, UART_LSR));
			EXPECT_EQ(text[i] ^ port, IN(port, UART_RX));
		}
		EXPECT_EQ(EMPTY, IN(port, UART_LSR));
		EXPECT_EQ(0, IN(port, UART_RX));
	}
}

TEST_F(card, overrun)
{
	const unsigned int port = variant->ports - 1;
	unsigned int i;

	OUT(port, UART_TX, 1);
	OUT(port, UART_TX, 2);
	EXPECT_EQ(EMPTY | UART_LSR_DR | UART_LSR_OE, IN(port, UART_LSR));
	EXPECT_EQ(EMPTY | UART_LSR_DR, IN(port, UART_LSR));
	EXPECT_EQ(1, IN(port, UART_RX));
	EXPECT_EQ(EMPTY, IN(port, UART_LSR));

	OUT(port, UART_FCR, UART_FCR_ENABLE_FIFO);
	for (i = 0; i < 16; i++) {
		OUT(port, UART_TX, i);
		EXPECT_EQ(EMPTY | UART_LSR_DR, IN(port, UART_LSR));
	}
	OUT(port, UART_TX, i);
	EXPECT_EQ(EMPTY | UART_LSR_DR | UART_LSR_OE, IN(port, UART_LSR));
	for (i = 0; i < 16; i++)
		EXPECT_EQ(i, IN(port, UART_RX));
	EXPECT_EQ(EMPTY, IN(port, UART_LSR));

	OUT(port, UART_TX, 1);
	OUT(port, UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_RCVR);
	EXPECT_EQ(EMPTY, IN(port, UART_LSR));
}

TEST_F(card, registers)
{
	unsigned int port;

	for (port = 0; port < variant->ports; port++) {
		OUT(port, UART_SCR, 0xa0 + port);
		OUT(port, UART_IER, 0xff);
		OUT(port, UART_LCR, UART_LCR_DLAB | UART_LCR_WLEN8);
		OUT(port, UART_DLL, 0x12 + port);
		OUT(port, UART_DLM, 0x34);
	}
	for (port = 0; port < variant->ports; port++) {
		EXPECT_EQ(0xa0 + port, IN(port, UART_SCR));
		EXPECT_EQ(0x12 + port, IN(port, UART_DLL));
		EXPECT_EQ(0x34, IN(port, UART_DLM));
		EXPECT_EQ(UART_LCR_DLAB | UART_LCR_WLEN8, IN(port, UART_LCR));
		OUT(port, UART_LCR, UART_LCR_WLEN8);
		EXPECT_EQ(0x0f, IN(port, UART_IER));
		EXPECT_EQ(EMPTY, IN(port, UART_LSR));
	}
}

/* The plug, and loop mode in the chip */
TEST_F(card, modem_lines)
{
	char path[PATH_LEN];

	OUT(0, UART_MCR, UART_MCR_RTS);
	EXPECT_EQ(UART_MSR_CTS | UART_MSR_DCTS, IN(0, UART_MSR));
	EXPECT_EQ(UART_MSR_CTS, IN(0, UART_MSR));
	OUT(0, UART_MCR, UART_MCR_DTR);
	EXPECT_EQ(UART_MSR_DSR | UART_MSR_DCD | UART_MSR_DCTS |
		  UART_MSR_DDSR | UART_MSR_DDCD, IN(0, UART_MSR));

	ASSERT_EQ(0, write_file(mdev_path(path, self->uuid, "loopback"), "0"));
	EXPECT_EQ(UART_MSR_DDSR | UART_MSR_DDCD, IN(0, UART_MSR));
	OUT(0, UART_TX, 'x');
	EXPECT_EQ(EMPTY, IN(0, UART_LSR));

	OUT(0, UART_MCR, UART_MCR_LOOP | UART_MCR_OUT1 | UART_MCR_OUT2);
	EXPECT_EQ(UART_MSR_RI | UART_MSR_DCD, IN(0, UART_MSR) & 0xf0);
	OUT(0, UART_TX, 'y');
	EXPECT_EQ('y', IN(0, UART_RX));
	OUT(0, UART_MCR, 0);
	EXPECT_EQ(UART_MSR_TERI | UART_MSR_DDCD, IN(0, UART_MSR));
}

/* The reason for an interrupt, the most urgent first */
TEST_F(card, interrupt_ids)
{
	unsigned int i;

	EXPECT_EQ(UART_IIR_NO_INT, IN(0, UART_IIR));
	OUT(0, UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_TRIGGER_14);
	OUT(0, UART_IER, 0x0f);
	OUT(0, UART_MCR, UART_MCR_RTS);
	for (i = 0; i < 17; i++)
		OUT(0, UART_TX, i);

	EXPECT_EQ(FIFO_ON | UART_IIR_RLSI, IN(0, UART_IIR));
	IN(0, UART_LSR);
	EXPECT_EQ(FIFO_ON | UART_IIR_RDI, IN(0, UART_IIR));
	for (i = 0; i < 3; i++)
		IN(0, UART_RX);
	EXPECT_EQ(FIFO_ON | UART_IIR_RX_TIMEOUT, IN(0, UART_IIR));
	for (i = 0; i < 13; i++)
		IN(0, UART_RX);
	EXPECT_EQ(FIFO_ON | UART_IIR_THRI, IN(0, UART_IIR));
	EXPECT_EQ(FIFO_ON | UART_IIR_MSI, IN(0, UART_IIR));
	IN(0, UART_MSR);
	EXPECT_EQ(FIFO_ON | UART_IIR_NO_INT, IN(0, UART_IIR));
	OUT(0, UART_IER, 0x0d);
	OUT(0, UART_IER, 0x0f);
	EXPECT_EQ(FIFO_ON | UART_IIR_THRI, IN(0, UART_IIR));
}

/* Interrupts */

/* OUT2 is the switch between the chip and the card's interrupt. */
static void listen_to(int fd, int port)
{
	put(fd, port * 8 + UART_MCR, 1, UART_MCR_OUT2);
	put(fd, port * 8 + UART_IER, 1, UART_IER_RDI);
}

static long arm_one(int fd, __u32 index, __s32 efd)
{
	return arm(fd, index, 0, 1, &efd);
}

TEST_F(card, intx)
{
	const unsigned int port = variant->ports - 1;
	int efd = new_eventfd();

	ASSERT_EQ(0, arm_one(self->fd, INTX, efd));
	listen_to(self->fd, port);
	EXPECT_EQ(0, fired(efd));
	OUT(port, UART_TX, 1);
	EXPECT_EQ(1, fired(efd));
	EXPECT_EQ(PCI_STATUS_INTERRUPT,
		  CONFIG(PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);

	/* Masked by that, but the line is up: unmasked, it comes again. */
	OUT(port, UART_TX, 2);
	EXPECT_EQ(0, fired(efd));
	EXPECT_EQ(0, irq_action(self->fd, INTX, 0, 1, UNMASK));
	EXPECT_EQ(1, fired(efd));

	/* Served, the line is down. */
	IN(port, UART_RX);
	EXPECT_EQ(0, CONFIG(PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);
	EXPECT_EQ(0, irq_action(self->fd, INTX, 0, 1, UNMASK));
	EXPECT_EQ(0, fired(efd));
	OUT(port, UART_TX, 3);
	EXPECT_EQ(1, fired(efd));

	/* Off, and on again with the line up. */
	EXPECT_EQ(0, irq_action(self->fd, INTX, 0, 0, TRIGGER));
	EXPECT_EQ(-EINVAL, irq_action(self->fd, INTX, 0, 1, UNMASK));
	EXPECT_EQ(0, fired(efd));
	EXPECT_EQ(0, arm_one(self->fd, INTX, efd));
	EXPECT_EQ(1, fired(efd));
}

TEST_F(card, intx_masked)
{
	int efd = new_eventfd(), unmask = new_eventfd();
	__s32 data = unmask;

	ASSERT_EQ(0, arm_one(self->fd, INTX, efd));
	ASSERT_EQ(0, irq_action(self->fd, INTX, 0, 1, MASK));
	listen_to(self->fd, 0);
	OUT(0, UART_TX, 1);
	EXPECT_EQ(0, fired(efd));
	EXPECT_EQ(0, irq_action(self->fd, INTX, 0, 1, UNMASK));
	EXPECT_EQ(1, fired(efd));

	/* An eventfd unmasks, as KVM does at the end of an interrupt. */
	ASSERT_EQ(0, set_irqs(self->fd, VFIO_IRQ_SET_DATA_EVENTFD | UNMASK,
			      INTX, 0, 1, &data, sizeof(data)));
	EXPECT_EQ(0, fired(efd));
	EXPECT_EQ(0, eventfd_write(unmask, 1));
	EXPECT_TRUE(WAIT_FOR(fired(efd) == 1, SOON));
	data = -1;
	ASSERT_EQ(0, set_irqs(self->fd, VFIO_IRQ_SET_DATA_EVENTFD | UNMASK,
			      INTX, 0, 1, &data, sizeof(data)));
	EXPECT_EQ(0, eventfd_write(unmask, 1));
	EXPECT_EQ(0, fired(efd));

	/* To mask through one is what vfio-pci does not offer either. */
	data = unmask;
	EXPECT_EQ(-ENOTTY,
		  set_irqs(self->fd, VFIO_IRQ_SET_DATA_EVENTFD | MASK, INTX, 0,
			   1, &data, sizeof(data)));
}

TEST_F(card, intx_disabled)
{
	int efd = new_eventfd();

	ASSERT_EQ(0, arm_one(self->fd, INTX, efd));
	SET_CONFIG(PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_INTX_DISABLE);
	listen_to(self->fd, 0);
	OUT(0, UART_TX, 1);
	EXPECT_EQ(0, fired(efd));
	EXPECT_EQ(PCI_STATUS_INTERRUPT,
		  CONFIG(PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);
	SET_CONFIG(PCI_COMMAND, 2, PCI_COMMAND_IO);
	EXPECT_EQ(1, fired(efd));
}

TEST_F(card, out2)
{
	int efd = new_eventfd();

	ASSERT_EQ(0, arm_one(self->fd, INTX, efd));
	OUT(0, UART_IER, UART_IER_RDI);
	OUT(0, UART_TX, 1);
	EXPECT_EQ(UART_IIR_RDI, IN(0, UART_IIR));
	EXPECT_EQ(0, fired(efd));
	OUT(0, UART_MCR, UART_MCR_LOOP | UART_MCR_OUT2);
	EXPECT_EQ(0, fired(efd));
	OUT(0, UART_MCR, UART_MCR_OUT2);
	EXPECT_EQ(1, fired(efd));
}

TEST_F(card, msi)
{
	int intx = new_eventfd(), msi = new_eventfd();

	ASSERT_EQ(0, arm_one(self->fd, INTX, intx));
	EXPECT_EQ(-EINVAL, arm_one(self->fd, MSI, msi));
	ASSERT_EQ(0, irq_action(self->fd, INTX, 0, 0, TRIGGER));
	EXPECT_EQ(-EINVAL, irq_action(self->fd, MSI, 0, 1, TRIGGER));
	ASSERT_EQ(0, arm_one(self->fd, MSI, msi));
	EXPECT_EQ(-EINVAL, arm_one(self->fd, INTX, intx));
	EXPECT_EQ(-ENOTTY, irq_action(self->fd, MSI, 0, 1, MASK));
	EXPECT_EQ(-ENOTTY, irq_action(self->fd, MSI, 0, 1, UNMASK));

	/* One message each time that there is something new. */
	listen_to(self->fd, 0);
	OUT(0, UART_TX, 1);
	EXPECT_EQ(1, fired(msi));
	IN(0, UART_RX);
	OUT(0, UART_TX, 2);
	EXPECT_EQ(1, fired(msi));
	EXPECT_EQ(0, irq_action(self->fd, MSI, 0, 1, TRIGGER));
	EXPECT_EQ(1, fired(msi));

	ASSERT_EQ(0, irq_action(self->fd, MSI, 0, 0, TRIGGER));
	IN(0, UART_RX);
	OUT(0, UART_TX, 3);
	EXPECT_EQ(0, fired(msi));
	EXPECT_EQ(0, fired(intx));
}

TEST_F(card, no_msix)
{
	EXPECT_EQ(-EINVAL, arm_one(self->fd, VFIO_PCI_MSIX_IRQ_INDEX,
				   new_eventfd()));
	EXPECT_EQ(-EINVAL, arm_one(self->fd, VFIO_PCI_NUM_IRQS, new_eventfd()));
}

TEST_F(card, error)
{
	int efd = new_eventfd();

	EXPECT_EQ(-EINVAL, irq_action(self->fd, VFIO_PCI_ERR_IRQ_INDEX, 0, 1,
				      TRIGGER));
	ASSERT_EQ(0, arm_one(self->fd, VFIO_PCI_ERR_IRQ_INDEX, efd));
	EXPECT_EQ(0, irq_action(self->fd, VFIO_PCI_ERR_IRQ_INDEX, 0, 1,
				TRIGGER));
	EXPECT_EQ(1, fired(efd));
	EXPECT_EQ(-ENOTTY, irq_action(self->fd, VFIO_PCI_ERR_IRQ_INDEX, 0, 1,
				      MASK));
	ASSERT_EQ(0, arm_one(self->fd, VFIO_PCI_ERR_IRQ_INDEX, -1));
	EXPECT_EQ(-EINVAL, irq_action(self->fd, VFIO_PCI_ERR_IRQ_INDEX, 0, 1,
				      TRIGGER));
	EXPECT_EQ(-EBADF, arm_one(self->fd, VFIO_PCI_ERR_IRQ_INDEX, 12345));
}

/* The admin wants the card back: the user is told, if it wants to be. */
TEST_F(card, request)
{
	int efd = new_eventfd();
	char path[PATH_LEN];
	pid_t admin;

	EXPECT_EQ(-EBUSY, mdev_remove(self->uuid));
	ASSERT_EQ(0, arm_one(self->fd, VFIO_PCI_REQ_IRQ_INDEX, efd));
	admin = async_write(mdev_path(path, self->uuid, "remove"), "1");
	EXPECT_TRUE(WAIT_FOR(fired(efd), SOON));
	EXPECT_EQ(-ETIMEDOUT, async_result(admin, A_WHILE));
	OUT(0, UART_TX, 'x');
	EXPECT_EQ('x', IN(0, UART_RX));
	mdev_close(&self->user);
	EXPECT_EQ(0, async_result(admin, SOON));
	EXPECT_FALSE(mdev_exists(self->uuid));
}

/* Its registers are as after power on, its configuration and eventfds stay. */
TEST_F(card, reset)
{
	int efd = new_eventfd();

	ASSERT_EQ(0, arm_one(self->fd, INTX, efd));
	SET_CONFIG(PCI_BASE_ADDRESS_0, 4, 0xc000);
	OUT(0, UART_SCR, 0x55);
	listen_to(self->fd, 0);
	OUT(0, UART_MCR, UART_MCR_OUT2 | UART_MCR_RTS);
	OUT(0, UART_TX, 1);
	EXPECT_EQ(1, fired(efd));

	ASSERT_EQ(0, file_ioctl(self->fd, VFIO_DEVICE_RESET, NULL));
	EXPECT_EQ(0, IN(0, UART_SCR));
	EXPECT_EQ(0, IN(0, UART_MCR));
	EXPECT_EQ(0, IN(0, UART_MSR));
	EXPECT_EQ(0, IN(0, UART_IER));
	EXPECT_EQ(EMPTY, IN(0, UART_LSR));
	EXPECT_EQ(0, CONFIG(PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);
	EXPECT_EQ(0xc001, CONFIG(PCI_BASE_ADDRESS_0, 4));

	EXPECT_EQ(0, irq_action(self->fd, INTX, 0, 1, UNMASK));
	EXPECT_EQ(0, fired(efd));
	listen_to(self->fd, 0);
	OUT(0, UART_TX, 1);
	EXPECT_EQ(1, fired(efd));
}

TEST_F(card, next_user)
{
	unsigned char before[256], after[256], ones[256];
	int efd = new_eventfd();

	ASSERT_EQ(256, file_read(self->fd, before, 256, self->config));
	memset(ones, 0xff, sizeof(ones));
	ASSERT_EQ(256, file_write(self->fd, ones, 256, self->config));
	ASSERT_EQ(0, arm_one(self->fd, INTX, efd));
	OUT(0, UART_SCR, 0x55);
	OUT(0, UART_TX, 1);
	mdev_close(&self->user);

	ASSERT_EQ(0, mdev_open(self->uuid, &self->user));
	self->fd = self->user.device;
	ASSERT_EQ(256, file_read(self->fd, after, 256, self->config));
	EXPECT_EQ(0, memcmp(before, after, 256));
	EXPECT_EQ(0, IN(0, UART_SCR));
	EXPECT_EQ(EMPTY, IN(0, UART_LSR));
	listen_to(self->fd, 0);
	OUT(0, UART_TX, 1);
	EXPECT_EQ(0, fired(efd));
}

/* Accesses of any width, and across the end of the BAR */
TEST_F(card, widths)
{
	__u32 size = 8 * variant->ports;
	unsigned char all[32];

	OUT(0, UART_LCR, UART_LCR_WLEN8);
	OUT(0, UART_SCR, 0x77);
	ASSERT_EQ(size, file_read(self->fd, all, sizeof(all), 0));
	EXPECT_EQ(UART_LCR_WLEN8, all[UART_LCR]);
	EXPECT_EQ(0x77, all[UART_SCR]);
	EXPECT_EQ(UART_LCR_WLEN8, get(self->fd, UART_LCR - 3, 4) >> 24);
	EXPECT_EQ(0x77, get(self->fd, UART_MCR, 4) >> 24);
	EXPECT_EQ(-EINVAL, file_read(self->fd, all, 1, size));
	EXPECT_EQ(-EINVAL, file_write(self->fd, all, 1, size));
}

/* A virtual machine's while one has it, and nobody's after that */
TEST_F(card, tells_of_kvm)
{
	struct kvm_create_device device = { .type = KVM_DEV_TYPE_VFIO };
	struct kvm_device_attr add = {
		.group = KVM_DEV_VFIO_GROUP,
		.attr = KVM_DEV_VFIO_GROUP_ADD,
		.addr = (uintptr_t)&self->user.group,
	};
	const char *module;
	int kvm, vm, ret;

	EXPECT_EQ(0, card_kvm(self->uuid));
	module = kvm_load();
	kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (kvm < 0)
		SKIP(return, "no KVM here");
	vm = ioctl(kvm, KVM_CREATE_VM, 0);
	ASSERT_LE(0, vm);
	ASSERT_EQ(0, ioctl(vm, KVM_CREATE_DEVICE, &device));

	close(self->fd);
	ret = file_ioctl(device.fd, KVM_SET_DEVICE_ATTR, &add);
	EXPECT_EQ(0, ret);
	EXPECT_EQ(0, card_kvm(self->uuid));
	self->user.device = mdev_device_fd(self->uuid, &self->user);
	EXPECT_LE(0, self->user.device);
	close(device.fd);
	close(vm);
	close(kvm);
	EXPECT_EQ(1, card_kvm(self->uuid));
	mdev_close(&self->user);
	EXPECT_EQ(0, card_kvm(self->uuid));

	EXPECT_EQ(0, mdev_open(self->uuid, &self->user));
	EXPECT_EQ(0, card_kvm(self->uuid));
	EXPECT_EQ(0, kvm_unload(module));
}

/* One stock of ports for cards of both types */

TEST(instances)
{
	char uuids[PORTS][UUID_LEN], extra[UUID_LEN], path[PATH_LEN];
	struct snapshot before;
	int count = 0, left = PORTS, i;

	expect_dmesg("mdev [-0-9a-f]+ was not created:");
	snapshot_take(&before);
	ASSERT_TRUE(exists(TYPES "/mtty-1/create"));
	for (i = 0; left; i++) {
		int ports = left > 1 && i % 3 ? 2 : 1;

		EXPECT_EQ(left, cards_available(1));
		EXPECT_EQ(left / 2, cards_available(2));
		ASSERT_EQ(0, card_create(ports, uuids[count++]));
		left -= ports;
		if (left == 1)
			EXPECT_EQ(-EUSERS, card_create(2, extra));
	}
	EXPECT_EQ(0, cards_available(1));
	EXPECT_EQ(0, cards_available(2));
	EXPECT_EQ(-EUSERS, card_create(1, extra));
	EXPECT_EQ(-EUSERS, card_create(2, extra));
	EXPECT_FALSE(mdev_exists(extra));
	for (i = 0; i < count; i++) {
		EXPECT_TRUE(exists("%s", mdev_path(path, uuids[i], "ports")));
		EXPECT_EQ(0, mdev_remove(uuids[i]));
	}
	EXPECT_EQ(PORTS, cards_available(1));
	EXPECT_EQ(PORTS / 2, cards_available(2));
	EXPECT_TRUE(WAIT_FOR(all_as(&before), SOON));
}

MDEV_TEST_MAIN("mtty")
