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

static const struct {
	const char *vendor, *device;
	unsigned int nth;
	unsigned int bar;
} known[PCI_DEVICES] = {
	[EDU0] = { "0x1234", "0x11e8", 0, 0 },
	[EDU1] = { "0x1234", "0x11e8", 1, 0 },
	[MEMORY] = { "0x1af4", "0x1110", 0, 2 },
};

static bool says(const char *name, const char *file, const char *word)
{
	char path[PATH_LEN], text[32];

	snprintf(path, sizeof(path), BUS "devices/%s/%s", name, file);
	return read_file(path, text, sizeof(text)) > 0 &&
	       !strncmp(text, word, strlen(word));
}

static int find(unsigned int which, char name[16])
{
	struct dirent **entries;
	unsigned int nth = 0;
	int i, n, ret = -ENODEV;

	n = scandir(BUS "devices", &entries, NULL, alphasort);
	for (i = 0; i < n; i++) {
		const char *entry = entries[i]->d_name;

		if (says(entry, "vendor", known[which].vendor) &&
		    says(entry, "device", known[which].device) &&
		    nth++ == known[which].nth) {
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
	int ret;

	memset(pci, 0, sizeof(*pci));
	pci->which = which;
	pci->group = -1;
	pci->device = -1;
	ret = find(which, pci->name);
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

int pci_msi_window(const struct pci *pci, __u64 *first, __u64 *last)
{
	unsigned long long start, end;
	char path[PATH_LEN], group[16], text[1024], kind[16], *line, *rest = text;
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
		if (sscanf(line, "%llx %llx %15s", &start, &end, kind) != 3 ||
		    strcmp(kind, "msi"))
			continue;
		*first = start;
		*last = end;
		return 0;
	}
	return -ENOENT;
}

int pci_give_back(struct pci *pci)
{
	char path[PATH_LEN];
	int ret;

	pci_leave(pci);
	snprintf(path, sizeof(path), BUS "devices/%s/driver/unbind", pci->name);
	ret = write_file(path, pci->name);
	return override(pci, "\n") ? : ret;
}

int pci_join_group(struct pci *pci, int container)
{
	char path[PATH_LEN];

	snprintf(path, sizeof(path), BUS "devices/%s", pci->name);
	pci->group = group_join(path, container);
	return pci->group < 0 ? pci->group : 0;
}

static int map_bar(struct pci *pci)
{
	struct vfio_region_info info = {
		.argsz = sizeof(info),
		.index = known[pci->which].bar,
	};
	int ret;

	ret = file_ioctl(pci->device, VFIO_DEVICE_GET_REGION_INFO, &info);
	if (ret)
		return ret;
	pci->bar_offset = info.offset;
	pci->bar_size = info.size;
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
	return map_bar(pci);
}

void pci_leave(struct pci *pci)
{
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

void edu_interrupt(const struct pci *pci, bool raise)
{
	/* Registers below 0x80 are words of four bytes. */
	__atomic_store_n((__u32 *)(pci->bar + (raise ? EDU_RAISE : EDU_LOWER)), 1,
			 __ATOMIC_SEQ_CST);
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

int edu_read(const struct pci *pci, __u64 iova, unsigned int len)
{
	return edu_run(pci, iova, EDU_BUFFER, len, 0);
}

int edu_write(const struct pci *pci, __u64 iova, unsigned int len)
{
	return edu_run(pci, EDU_BUFFER, iova, len, EDU_OUT);
}

int edu_copy(const struct pci *pci, __u64 from, __u64 to, unsigned int len)
{
	int ret = edu_read(pci, from, len);

	return ret ? ret : edu_write(pci, to, len);
}
