// SPDX-License-Identifier: GPL-2.0-only
/* Devices that are passed through, see type1_pci.h. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>

#include "type1_pci.h"

#define BUS		"/sys/bus/pci/"
#define COMMAND		4	/* in the configuration space */
#define MEMORY_SPACE	2
#define BUS_MASTER	4

#define GROUPS		"/sys/kernel/iommu_groups/"

/* The registers of an edu */
#define EDU_FROM	0x80
#define EDU_TO		0x88
#define EDU_COUNT	0x90
#define EDU_COMMAND	0x98
#define EDU_RAISE	0x60
#define EDU_LOWER	0x64
#define EDU_RUN		1
#define EDU_OUT		2
#define EDU_BUFFER	0x40000

/* What a device of ours may be: the first kind that is there */
static const struct pci_kind {
	unsigned int which;
	const char *vendor, *device;
	unsigned int nth;
	unsigned int bar;
	bool disk;
} kinds[] = {
	{ COPIER0, "0x1234", "0x11e8", 0, 0, false },
	{ COPIER1, "0x1234", "0x11e8", 1, 0, false },
	{ COPIER0, "0x1b36", "0x0010", 0, 0, true },
	{ COPIER1, "0x1b36", "0x0010", 1, 0, true },
	{ MEMORY, "0x1af4", "0x1110", 0, 2, false },
};

static bool says(const char *name, const char *file, const char *word)
{
	char path[PATH_LEN], text[32];

	snprintf(path, sizeof(path), BUS "devices/%s/%s", name, file);
	return read_file(path, text, sizeof(text)) > 0 &&
	       !strncmp(text, word, strlen(word));
}

/* No other driver than vfio-pci has it: somebody's system may live on a disk. */
static bool is_free(const char *name)
{
	char path[PATH_LEN], driver[32];

	snprintf(path, sizeof(path), BUS "devices/%s/driver", name);
	return link_name(path, driver, sizeof(driver)) || !strcmp(driver, "vfio-pci");
}

static int find(const struct pci_kind *kind, char name[16])
{
	struct dirent **entries;
	unsigned int nth = 0;
	int i, n, ret = -ENODEV;

	n = scandir(BUS "devices", &entries, NULL, alphasort);
	for (i = 0; i < n; i++) {
		const char *entry = entries[i]->d_name;

		if (says(entry, "vendor", kind->vendor) &&
		    says(entry, "device", kind->device) && is_free(entry) &&
		    nth++ == kind->nth) {
			snprintf(name, 16, "%.15s", entry);
			ret = 0;
		}
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
	return ret;
}

static int override(const struct pci *pci, const char *driver)
{
	char path[PATH_LEN];

	snprintf(path, sizeof(path), BUS "devices/%s/driver_override",
		 pci->name);
	return write_file(path, driver);
}

int pci_take(struct pci *pci, unsigned int which)
{
	unsigned int i;
	int ret = -ENODEV;

	memset(pci, 0, sizeof(*pci));
	pci->group = -1;
	pci->device = -1;
	for (i = 0; ret && i < ARRAY_LEN(kinds); i++) {
		pci->kind = &kinds[i];
		if (kinds[i].which == which)
			ret = find(pci->kind, pci->name);
	}
	if (ret)
		return ret;
	ret = override(pci, "vfio-pci");
	/* Where the IOMMU was found after the device it gets its group now. */
	if (!ret)
		ret = write_file(BUS "drivers_probe", pci->name);
	if (!ret && !exists(BUS "devices/%s/iommu_group", pci->name))
		ret = -ENODEV;
	return ret;
}

int pci_iommu(const struct pci *pci, char name[32])
{
	char path[PATH_LEN];

	snprintf(path, sizeof(path), BUS "devices/%s/iommu", pci->name);
	return link_name(path, name, 32);
}

int pci_hole(const struct pci *pci, __u64 *first, __u64 *last)
{
	char path[PATH_LEN], group[16], text[1024], *line, *rest = text;
	unsigned long long start, end;
	bool found = false, msi;
	int ret;

	snprintf(path, sizeof(path), BUS "devices/%s/iommu_group", pci->name);
	ret = link_name(path, group, sizeof(group));
	if (ret)
		return ret;
	snprintf(path, sizeof(path), GROUPS "%s/reserved_regions", group);
	ret = read_file(path, text, sizeof(text));
	if (ret < 0)
		return ret;
	while ((line = strsep(&rest, "\n"))) {
		char kind[16];

		if (sscanf(line, "%llx %llx %15s", &start, &end, kind) != 3)
			continue;
		msi = !strcmp(kind, "msi");
		if (found && !msi)
			continue;
		*first = start;
		*last = end;
		found = true;
		if (msi)
			break;
	}
	return found ? 0 : -ENOENT;
}

bool pci_can_map(const struct pci *pci)
{
	return !exists(BUS "devices/%s/function_id", pci->name);
}

int pci_give_back(struct pci *pci)
{
	char path[PATH_LEN];
	int ret;

	if (!pci->kind)
		return 0;
	pci_leave(pci);
	snprintf(path, sizeof(path), BUS "devices/%s/driver/unbind", pci->name);
	ret = write_file(path, pci->name);
	ret = override(pci, "\n") ? : ret;
	if (pci->stopped) {
		snprintf(path, sizeof(path), BUS "devices/%s/recover", pci->name);
		ret = write_file(path, "1") ? : ret;
	}
	pci->kind = NULL;
	return ret;
}

int pci_join_group(struct pci *pci, int container)
{
	char path[PATH_LEN];

	snprintf(path, sizeof(path), BUS "devices/%s", pci->name);
	pci->container = container;
	pci->group = group_join(path, container);
	return pci->group < 0 ? pci->group : 0;
}

static int find_bar(struct pci *pci)
{
	struct vfio_region_info info = {
		.argsz = sizeof(info),
		.index = pci->kind->bar,
	};
	int ret;

	ret = file_ioctl(pci->device, VFIO_DEVICE_GET_REGION_INFO, &info);
	if (ret)
		return ret;
	pci->bar_offset = info.offset;
	pci->bar_size = info.size;
	if (!pci_can_map(pci))
		return 0;
	pci->bar = mmap(NULL, info.size, PROT_READ | PROT_WRITE, MAP_SHARED,
			pci->device, info.offset);
	if (pci->bar == MAP_FAILED) {
		pci->bar = NULL;
		return -errno;
	}
	return 0;
}

int pci_open(struct pci *pci)
{
	struct vfio_region_info info = {
		.argsz = sizeof(info),
		.index = VFIO_PCI_CONFIG_REGION_INDEX,
	};
	int ret;

	pci->device = device_open(pci->group, pci->name);
	if (pci->device < 0)
		return pci->device;
	ret = file_ioctl(pci->device, VFIO_DEVICE_GET_REGION_INFO, &info);
	if (ret)
		return ret;
	if (file_put(pci->device, MEMORY_SPACE | BUS_MASTER, 2,
		     info.offset + COMMAND) != 2)
		return -EIO;
	return find_bar(pci);
}

void pci_leave(struct pci *pci)
{
	nvme_end(pci);
	if (pci->bar)
		munmap(pci->bar, pci->bar_size);
	pci->bar = NULL;
	if (pci->device >= 0)
		close(pci->device);
	pci->device = -1;
	if (pci->group >= 0)
		close(pci->group);
	pci->group = -1;
}

static __u64 *reg(const struct pci *pci, unsigned int offset)
{
	return (__u64 *)(pci->bar + offset);
}

static void reg_write(const struct pci *pci, unsigned int offset, __u64 value)
{
	__atomic_store_n(reg(pci, offset), value, __ATOMIC_SEQ_CST);
}

static bool edu_runs(const struct pci *pci)
{
	return __atomic_load_n(reg(pci, EDU_COMMAND), __ATOMIC_SEQ_CST) &
	       EDU_RUN;
}

static int edu_run(const struct pci *pci, __u64 from, __u64 to,
		   unsigned int len, __u64 command)
{
	reg_write(pci, EDU_FROM, from);
	reg_write(pci, EDU_TO, to);
	reg_write(pci, EDU_COUNT, len);
	reg_write(pci, EDU_COMMAND, command | EDU_RUN);
	return WAIT_FOR(!edu_runs(pci), SOON) ? 0 : -ETIMEDOUT;
}

static int transfer(struct pci *pci, __u64 iova, unsigned int len, bool out)
{
	if (pci->kind->disk)
		return nvme_transfer(pci, iova, len, out);
	return out ? edu_run(pci, EDU_BUFFER, iova, len, EDU_OUT) :
		     edu_run(pci, iova, EDU_BUFFER, len, 0);
}

int pci_read(struct pci *pci, __u64 iova, unsigned int len)
{
	return transfer(pci, iova, len, false);
}

int pci_write(struct pci *pci, __u64 iova, unsigned int len)
{
	return transfer(pci, iova, len, true);
}

int pci_copy(struct pci *pci, __u64 from, __u64 to, unsigned int len)
{
	int ret = pci_read(pci, from, len);

	return ret ? ret : pci_write(pci, to, len);
}

int pci_interrupt(struct pci *pci, bool raise)
{
	if (pci->kind->disk)
		return raise ? nvme_interrupt(pci) : 0;
	/* Registers below 0x80 are words of four bytes. */
	__atomic_store_n((__u32 *)(pci->bar + (raise ? EDU_RAISE : EDU_LOWER)), 1,
			 __ATOMIC_SEQ_CST);
	return 0;
}

__u32 pci_messages(const struct pci *pci)
{
	return pci->kind->disk ? VFIO_PCI_MSIX_IRQ_INDEX : VFIO_PCI_MSI_IRQ_INDEX;
}
