// SPDX-License-Identifier: GPL-2.0-only
/*
 * A disk (NVMe) that copies memory, see type1_pci.h: what it reads it writes to its
 * first blocks, and back from there, in whole blocks. Where PCI has no interrupts but
 * MSI-X, QEMU has no simpler device.
 *
 * It finds its commands in memory, and answers there. That is mapped while a command runs
 * and no longer: a container has otherwise the mappings and the locked pages that its
 * test gave it. The answers are looked for, an interrupt is for the test that wants one.
 *
 * A machine may stop a device that its IOMMU refused something (s390x does): its registers
 * read as ones then, until it is found anew. Linux has to know of it before that is begun,
 * or it waits a minute for the device; it says so by the interrupt for errors.
 *
 * A guest's disk has registers and memory of the guest's (pci->guest), and no interrupt.
 */
#include "type1_pci.h"

/* Registers */
#define CONFIG		0x14
#define STATUS		0x1c
#define ADMIN_SIZES	0x24
#define ADMIN_COMMANDS	0x28
#define ADMIN_ANSWERS	0x30
#define DOORBELL	0x1000

#define ENABLE		1U
#define ENTRY_SIZES	(4U << 20 | 6U << 16)	/* logarithms: of an answer, of a command */
#define READY		1U
#define FATAL		2U

/* Commands of the queue for administration, and of the other */
#define CREATE_COMMANDS	1U
#define CREATE_ANSWERS	5U
#define FLUSH		0U
#define WRITE		1U
#define READ		2U

#define CONTIGUOUS	1U
#define INTERRUPTS	2U

#define BLOCK		512U
#define PIECE		4096UL	/* what it takes for a page */
#define ENTRIES		16U	/* of a queue */
#define OWN_IOVA	0x300000000ULL

enum { ADMIN, DISK, QUEUES };

/* A command, or of its 16 words those that are not 0 */
struct command {
	__u32 code;
	__u32 disk;
	__u64 data[2];
	__u32 more[3];
};

struct nvme {
	char *mem;	/* for each queue a piece of commands and one of answers */
	size_t size;
	__u64 iova;
	bool runs;
	__s32 error;	/* eventfd of the interrupt for errors */
	struct {
		unsigned int tail, head;
		bool odd;	/* how often the answers went round */
	} queue[QUEUES];
};

static int reg_put(const struct pci *pci, unsigned int reg, __u32 value)
{
	if (pci->guest)
		return pci->guest->put(reg, value);
	return file_put(pci->device, value, 4, pci->bar_offset + reg) == 4 ? 0 : -EIO;
}

static __u32 reg_get(const struct pci *pci, unsigned int reg)
{
	__u64 value;

	if (pci->guest)
		return pci->guest->get(reg);
	return file_get(pci->device, &value, 4, pci->bar_offset + reg) == 4 ? value : -1U;
}

static int reg_put_address(const struct pci *pci, unsigned int reg, __u64 value)
{
	return reg_put(pci, reg, value) ? : reg_put(pci, reg + 4, value >> 32);
}

static bool has_stopped(struct pci *pci)
{
	const __u32 status = reg_get(pci, STATUS);

	pci->stopped = status == -1U || status & FATAL;
	return pci->stopped;
}

static __u32 *commands(const struct nvme *nvme, unsigned int queue)
{
	return (__u32 *)(nvme->mem + 2 * queue * PIECE);
}

static __u32 *answers(const struct nvme *nvme, unsigned int queue)
{
	return (__u32 *)(nvme->mem + (2 * queue + 1) * PIECE);
}

static __u64 own_iova(const struct nvme *nvme, const void *mem)
{
	return nvme->iova + ((const char *)mem - nvme->mem);
}

/* The last word of an answer: whose it is, whether it is there, and a status. */
static __u32 verdict(const struct nvme *nvme, unsigned int queue)
{
	const __u32 *answer = answers(nvme, queue) + 4 * nvme->queue[queue].head;

	return le32toh(__atomic_load_n(answer + 3, __ATOMIC_ACQUIRE));
}

static bool is_answered(const struct nvme *nvme, unsigned int queue)
{
	return (verdict(nvme, queue) >> 16 & 1) != nvme->queue[queue].odd;
}

/* Above 0: the device's own word for what went wrong. Also 0: it was stopped. */
static int run(struct pci *pci, unsigned int queue, const struct command *command)
{
	struct nvme *nvme = pci->nvme;
	__u32 *word = commands(nvme, queue) + 16 * nvme->queue[queue].tail;
	__u32 status;
	int i, ret;

	memset(word, 0, 64);
	word[0] = htole32(command->code);
	word[1] = htole32(command->disk);
	for (i = 0; i < 2; i++) {
		word[6 + 2 * i] = htole32(command->data[i]);
		word[7 + 2 * i] = htole32(command->data[i] >> 32);
	}
	for (i = 0; i < 3; i++)
		word[10 + i] = htole32(command->more[i]);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);

	nvme->queue[queue].tail = (nvme->queue[queue].tail + 1) % ENTRIES;
	ret = reg_put(pci, DOORBELL + 8 * queue, nvme->queue[queue].tail);
	if (ret)
		return ret;
	if (!WAIT_FOR(is_answered(nvme, queue) || has_stopped(pci), SOON))
		return -ETIMEDOUT;
	if (pci->stopped && pci->guest)
		return -EIO;
	if (pci->stopped)
		return WAIT_FOR(fired(nvme->error), SOON) ? 0 : -ETIMEDOUT;

	status = verdict(nvme, queue) >> 17;
	nvme->queue[queue].head = (nvme->queue[queue].head + 1) % ENTRIES;
	if (!nvme->queue[queue].head)
		nvme->queue[queue].odd = !nvme->queue[queue].odd;
	ret = reg_put(pci, DOORBELL + 8 * queue + 4, nvme->queue[queue].head);
	return ret ? ret : status;
}

static int create(struct pci *pci, __u32 code, const __u32 *mem, __u32 flags)
{
	const struct command command = {
		.code = code,
		.data = { own_iova(pci->nvme, mem) },
		.more = { (ENTRIES - 1) << 16 | DISK, CONTIGUOUS | flags },
	};

	return run(pci, ADMIN, &command) ? -EIO : 0;
}

static int start(struct pci *pci)
{
	struct nvme *nvme = pci->nvme;
	int ret;

	ret = reg_put(pci, CONFIG, 0) ? :
	      reg_put(pci, ADMIN_SIZES, (ENTRIES - 1) << 16 | (ENTRIES - 1)) ? :
	      reg_put_address(pci, ADMIN_COMMANDS, own_iova(nvme, commands(nvme, ADMIN))) ? :
	      reg_put_address(pci, ADMIN_ANSWERS, own_iova(nvme, answers(nvme, ADMIN))) ? :
	      reg_put(pci, CONFIG, ENTRY_SIZES | ENABLE);
	if (ret)
		return ret;
	if (!WAIT_FOR(reg_get(pci, STATUS) & READY, SOON) || has_stopped(pci))
		return -EIO;
	ret = create(pci, CREATE_ANSWERS, answers(nvme, DISK), INTERRUPTS) ? :
	      create(pci, CREATE_COMMANDS, commands(nvme, DISK), DISK << 16);
	nvme->runs = !ret;
	return ret;
}

static int begin(struct pci *pci)
{
	struct nvme *nvme = calloc(1, sizeof(*nvme));
	int ret;

	if (!nvme)
		return -ENOMEM;
	pci->nvme = nvme;
	if (pci->guest) {
		nvme->mem = pci->guest->mem;
		nvme->iova = pci->guest->iova;
		return 0;
	}
	nvme->iova = OWN_IOVA;
	nvme->size = whole_pages(2 * QUEUES * PIECE);
	nvme->mem = mmap(NULL, nvme->size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (nvme->mem == MAP_FAILED) {
		pci->nvme = NULL;
		free(nvme);
		return -ENOMEM;
	}
	nvme->error = new_eventfd();
	ret = arm(pci->device, VFIO_PCI_ERR_IRQ_INDEX, 0, 1, &nvme->error);
	if (ret)
		nvme_end(pci);
	return ret;
}

static int run_mapped(struct pci *pci, const struct command *command)
{
	struct nvme *nvme;
	int ret;

	if (pci->stopped)
		return 0;
	ret = pci->nvme ? 0 : begin(pci);
	if (ret)
		return ret;
	nvme = pci->nvme;
	if (!pci->guest)
		ret = dma_map(pci->container, nvme->mem, nvme->iova, nvme->size, T1_RW);
	if (ret)
		return ret;
	ret = nvme->runs ? 0 : start(pci);
	if (!ret)
		ret = run(pci, DISK, command);
	if (!pci->guest &&
	    dma_unmap(pci->container, nvme->iova, nvme->size) != nvme->size)
		return -EIO;
	return ret;
}

int nvme_transfer(struct pci *pci, __u64 iova, unsigned int len, bool out)
{
	const unsigned int blocks = (len + BLOCK - 1) / BLOCK;
	const struct command command = {
		.code = out ? READ : WRITE,
		.disk = 1,
		.data = { iova, (iova & -PIECE) + PIECE },
		.more = { 0, 0, blocks - 1 },
	};
	int ret = run_mapped(pci, &command);

	/* It may say so when the IOMMU did not let it. */
	return ret > 0 ? 0 : ret;
}

int nvme_interrupt(struct pci *pci)
{
	const struct command command = { .code = FLUSH, .disk = 1 };

	return run_mapped(pci, &command) ? -EIO : 0;
}

void nvme_end(struct pci *pci)
{
	if (!pci->nvme)
		return;
	if (!pci->guest) {
		close(pci->nvme->error);
		munmap(pci->nvme->mem, pci->nvme->size);
	}
	free(pci->nvme);
	pci->nvme = NULL;
}
