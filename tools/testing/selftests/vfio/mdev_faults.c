// SPDX-License-Identifier: GPL-2.0-only
/*
 * Each thing that the kernel can fail to get while a device is made, used and
 * removed is denied in turn: the first, the second, and so on until one try
 * meets no more of them. After each try everything must be as if it had not
 * been, or done; what failed must work when it is done again; and no try may
 * cost memory.
 *
 * This needs a kernel with fault injection. kmemleak would ask for memory, too:
 * it is turned off until the next boot.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

#include "kselftest_harness.h"
#include "fault_util.h"
#include "sample_util.h"

#define DEBUGFS		"/sys/kernel/debug"
#define PANIC_ON_WARN	"/proc/sys/kernel/panic_on_warn"

/* More than any of these calls asks for. */
#define MAX_NTH		2000
#define MAX_CACHES	256
/* How often a try is repeated to see whether it leaks. */
#define REPEAT		24

/*
 * Linux' own: a VFIO group that could not be made keeps its IOMMU group, with a
 * warning from this function. What leads there is left out the next time.
 */
#define KNOWN_BUG	"vfio_group_release"

/* What a try works with. */
struct faults {
	struct mdev_env env;
	char panic_on_warn[8];
	int kmsg;
	bool left_out[MAX_NTH];
	unsigned int nr_left_out;
	bool again;		/* do what failed once more */
	const char *vendor;
	char uuid[UUID_LEN];
	struct mdev_user user;
	__s32 eventfd[MDEV_TEST_PCI_NR_MSIX];
	char *mem;
	int fail_nth;
};

/* Something that is done while something fails; functions answer as ever. */
struct attempt {
	/* Makes what act() needs. */
	int (*prepare)(struct faults *faults);
	int (*act)(struct faults *faults);
	/* Is all as it is to be when act() was done, or was not? */
	int (*verify)(struct faults *faults, bool done);
	int (*undo)(struct faults *faults, bool done);
};

/* Denial */

static bool may_be(int error)
{
	switch (error) {
	case 0:
	case -ENOMEM:
	case -EFAULT:	/* a copy from or to the user */
		return true;
	}
	return false;
}

/* Denies the NTH; 0 or an error, and whether there was an NTH. */
static int try_nth(struct faults *faults, const struct attempt *attempt,
		   unsigned int nth, bool *met)
{
	int done, ret = 0;

	if (attempt->prepare)
		ret = attempt->prepare(faults);
	if (ret) {
		ksft_print_msg("%u: cannot be prepared: %s\n", nth, strerror(-ret));
		return ret;
	}

	deny(faults->fail_nth, nth);
	done = attempt->act(faults);
	*met = !deny_no_more(faults->fail_nth);
	if (!may_be(done)) {
		ksft_print_msg("%u: failed with %s\n", nth, strerror(-done));
		ret = done;
	}
	if (!*met && done) {
		ksft_print_msg("%u: failed with %s though nothing was denied\n",
			       nth, strerror(-done));
		ret = done;
	}
	if (!ret) {
		ret = attempt->verify(faults, !done);
		if (ret)
			ksft_print_msg("%u: after %s: %s\n", nth,
				       done ? "a failure" : "success",
				       strerror(-ret));
	}
	/* Row 37: nothing of a failure is in the way of the next time. */
	if (!ret && done && faults->again) {
		done = attempt->act(faults);
		ret = done ? done : attempt->verify(faults, true);
		if (ret)
			ksft_print_msg("%u: done again after a failure: %s\n",
				       nth, strerror(-ret));
	}
	done = attempt->undo(faults, !done);
	if (done)
		ksft_print_msg("%u: cannot be undone: %s\n", nth, strerror(-done));
	if (kmsg_count(faults->kmsg, KNOWN_BUG)) {
		faults->left_out[nth] = true;
		faults->nr_left_out++;
		snapshot_take(&faults->env.before);
	}
	return ret ? ret : done;
}

/* Answers how many there were. */
static int sweep(struct faults *faults, const struct attempt *attempt)
{
	unsigned int nth;
	bool met = true;
	int ret;

	for (nth = 1; nth < MAX_NTH; nth++) {
		if (faults->left_out[nth])
			continue;
		ret = try_nth(faults, attempt, nth, &met);
		if (ret)
			return ret;
		if (!met)
			return nth - 1;
	}
	ksft_print_msg("there is no end to it\n");
	return -E2BIG;
}

/* Memory */

/* How many objects of each kmalloc() size, and nodes of sysfs, are in use. */
struct usage {
	unsigned int nr;
	struct {
		char name[32];
		long used;
	} cache[MAX_CACHES];
};

static bool counts(const char *name)
{
	return !strncmp(name, "kmalloc", 7) || !strcmp(name, "kernfs_node_cache");
}

/* Of this one is what the kernel keeps a write to sysfs in. */
#define SMALLEST	"kmalloc-8"

/* Opens what has each cache that counts give back what is free; answers how many. */
static unsigned int shrinkers_open(int *fds)
{
	char path[PATH_LEN];
	struct dirent *entry;
	unsigned int nr = 0;
	int last = -1, fd;
	DIR *d;

	d = opendir("/sys/kernel/slab");
	while (d && nr < MAX_CACHES - 1 && (entry = readdir(d))) {
		if (!counts(entry->d_name))
			continue;
		snprintf(path, sizeof(path), "/sys/kernel/slab/%s/shrink",
			 entry->d_name);
		fd = open(path, O_WRONLY | O_CLOEXEC);
		if (fd >= 0 && !strcmp(entry->d_name, SMALLEST))
			last = fd;
		else if (fd >= 0)
			fds[nr++] = fd;
	}
	if (d)
		closedir(d);
	if (last >= 0)
		fds[nr++] = last;
	return nr;
}

/* Reads what an open file holds from its begin; answers its length. */
static ssize_t reread(int fd, char *text, size_t size)
{
	ssize_t len = 0, ret;

	if (lseek(fd, 0, SEEK_SET))
		return -errno;
	while ((size_t)len < size - 1) {
		ret = read(fd, text + len, size - 1 - len);
		if (ret < 0)
			return -errno;
		if (!ret)
			break;
		len += ret;
	}
	text[len] = '\0';
	return (size_t)len < size - 1 ? len : -E2BIG;
}

/*
 * Counts what is neither freed nor waits for that. Of the slab that a processor
 * allocates from the kernel takes what is free for used, dozens of the small
 * objects. So nothing is allocated between the caches' giving such slabs back
 * and the count: all files are open by then, and have been read.
 */
static int usage_read(struct usage *usage)
{
	static char text[1 << 16];
	int shrinkers[MAX_CACHES];
	char *line, *rest;
	unsigned int nr, i;
	ssize_t len;
	int fd;

	fd = open("/proc/slabinfo", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	write_file("/proc/sys/vm/drop_caches", "2");
	sleep_ms(40);
	nr = shrinkers_open(shrinkers);
	len = reread(fd, text, sizeof(text));
	for (i = 0; i < nr && len > 0; i++)
		if (write(shrinkers[i], "1", 1) != 1)
			len = -errno;
	if (len > 0)
		len = reread(fd, text, sizeof(text));
	while (nr)
		close(shrinkers[--nr]);
	close(fd);
	if (len < 0)
		return len;

	usage->nr = 0;
	for (line = strtok_r(text, "\n", &rest); line && usage->nr < MAX_CACHES;
	     line = strtok_r(NULL, "\n", &rest)) {
		if (sscanf(line, "%31s %ld", usage->cache[usage->nr].name,
			   &usage->cache[usage->nr].used) == 2 &&
		    counts(usage->cache[usage->nr].name))
			usage->nr++;
	}
	return usage->nr ? 0 : -ENOENT;
}

/* The least of each cache in a moment: some things take time to be freed. */
static int usage_take(struct usage *usage)
{
	struct usage again;
	unsigned int i, j;
	int ret;

	ret = usage_read(usage);
	for (i = 0; !ret && i < 2; i++) {
		ret = usage_read(&again);
		for (j = 0; !ret && j < usage->nr; j++)
			if (again.cache[j].used < usage->cache[j].used)
				usage->cache[j].used = again.cache[j].used;
	}
	return ret;
}

/*
 * Which caches grew by LEAST or more from each to the next? Says so, if told. Of
 * several steps one may hide it, where what was on its way before is gone.
 */
static bool usage_grows(const struct usage *usage, unsigned int nr, long least,
			const char *what)
{
	unsigned int need = nr > 2 ? nr - 2 : 1;
	unsigned int i, j, grown;
	bool any = false;

	for (i = 0; i < usage[0].nr; i++) {
		for (j = 1, grown = 0; j < nr; j++)
			if (usage[j].cache[i].used -
			    usage[j - 1].cache[i].used >= least)
				grown++;
		if (grown < need || usage[nr - 1].cache[i].used -
				    usage[0].cache[i].used < need * least)
			continue;
		any = true;
		if (what)
			ksft_print_msg("%s: of %s %ld objects, then %ld\n",
				       what, usage[0].cache[i].name,
				       usage[0].cache[i].used,
				       usage[nr - 1].cache[i].used);
	}
	return any;
}

/* Which of the first NR denials leaks? Some examples will do. */
static void find_leak(struct faults *faults, const struct attempt *attempt,
		      unsigned int nr)
{
	unsigned int nth, i, found = 0;
	struct usage usage[2];
	char what[32];
	bool met;

	for (nth = 1; nth <= nr && found < 3; nth++) {
		if (faults->left_out[nth])
			continue;
		if (usage_take(&usage[0]))
			return;
		for (i = 0; i < REPEAT; i++)
			if (try_nth(faults, attempt, nth, &met))
				return;
		if (usage_take(&usage[1]))
			return;
		snprintf(what, sizeof(what), "denial %u, %d times", nth, REPEAT);
		found += usage_grows(usage, 2, REPEAT, what);
	}
}

#define NR_SWEEPS	5

/*
 * Leaves nothing behind? A first sweep fills what the kernel keeps, as does one
 * that met the known bug; of what is more after each of the others something
 * was lost. Answers how many denials there were.
 */
static int sweeps(struct faults *faults, const struct attempt *attempt)
{
	struct usage usage[NR_SWEEPS];
	unsigned int left_out;
	int nr, ret, i = 0;

	do {
		left_out = faults->nr_left_out;
		faults->again = !i;
		nr = sweep(faults, attempt);
		if (nr >= 0 && faults->nr_left_out != left_out)
			i = 0;
		ret = nr < 0 ? nr : usage_take(&usage[i]);
		if (ret)
			return ret;
		if (i > 1 && !usage_grows(usage, i + 1, 1, NULL))
			return nr;
	} while (++i < NR_SWEEPS);

	usage_grows(usage, NR_SWEEPS, 1, "leaks");
	find_leak(faults, attempt, nr);
	return -ENOMEM;
}

FIXTURE(faults) {
	struct faults faults;
};

FIXTURE_VARIANT(faults) {
	const char *vendor;
};

FIXTURE_VARIANT_ADD(faults, raw) {
	.vendor = RAW,
};

FIXTURE_VARIANT_ADD(faults, structured) {
	.vendor = STRUCTURED,
};

/* Is there somebody to be denied something? Says what will come of it. */
static bool can_deny(void)
{
	/* A task that was denied something says so. */
	expect_dmesg("[( ]-12( |\\)|$)|-ENOMEM|Unable to allocate memory");
	expect_dmesg("can not set name properly!|driver_sysfs_add");
	expect_dmesg("warn_alloc: .* callbacks suppressed");
	expect_dmesg("debugfs: out of free dentries");
	return !access(FAIL_NTH, W_OK) && !faults_on();
}

static int faults_begin(struct faults *faults, const char *vendor)
{
	int ret;

	printf("# expect-warning: " KNOWN_BUG "\n");
	printf("# expect-warning: : vmalloc error:\n");
	printf("# expect-left: /sys/kernel/iommu_groups/\n");
	ret = read_file(PANIC_ON_WARN, faults->panic_on_warn,
			sizeof(faults->panic_on_warn));
	if (ret > 0)
		ret = write_file(PANIC_ON_WARN, "0");
	if (ret)
		return ret;
	faults->kmsg = kmsg_open();
	faults->fail_nth = open(FAIL_NTH, O_RDWR | O_CLOEXEC);
	if (faults->kmsg < 0 || faults->fail_nth < 0)
		return -EIO;
	faults->vendor = vendor;
	uuid_make(faults->uuid);
	snapshot_take(&faults->env.before);
	return 0;
}

static int faults_end(struct faults *faults)
{
	close(faults->fail_nth);
	close(faults->kmsg);
	return write_file(PANIC_ON_WARN, faults->panic_on_warn);
}

FIXTURE_SETUP(faults)
{
	if (!can_deny())
		SKIP(return, "the kernel has no fault injection");
	ASSERT_EQ(0, faults_begin(&self->faults, variant->vendor));
	ASSERT_EQ(0, env_setup(&self->faults.env, variant->vendor));
}

FIXTURE_TEARDOWN(faults)
{
	if (!self->faults.vendor)
		return;
	EXPECT_EQ(0, faults_end(&self->faults));
	EXPECT_EQ(0, env_teardown(&self->faults.env));
}

/* Creation */

static int create(struct faults *faults)
{
	return mdev_create(faults->vendor, 0, "many", faults->uuid);
}

/* A device that is there is a whole one. */
static int created(struct faults *faults, bool done)
{
	struct mdev_user user;
	char path[PATH_LEN];
	int ret;

	type_path(path, faults->vendor, 0, "many", "devices");
	if (mdev_exists(faults->uuid) != done ||
	    exists("%s/%s", path, faults->uuid) != done ||
	    mdev_available(faults->vendor, 0, "many") != 64 - done)
		return -EIO;
	if (!done)
		return 0;
	if (!exists("%s", mdev_path(path, faults->uuid, "mdev_type")))
		return -EIO;
	/* Linux makes do without the node when it cannot be made. */
	if (!exists("/dev/vfio/%d", mdev_group(faults->uuid)))
		return mdev_group(faults->uuid) < 0 ? -EIO : 0;
	ret = mdev_open(faults->uuid, &user);
	if (ret)
		return ret;
	ret = mdev_alive(&user);
	mdev_close(&user);
	return ret;
}

static int uncreate(struct faults *faults, bool done)
{
	return done ? mdev_remove(faults->uuid) : 0;
}

TEST_F(faults, create)
{
	static const struct attempt attempt = {
		.act = create,
		.verify = created,
		.undo = uncreate,
	};

	EXPECT_LT(20, sweeps(&self->faults, &attempt));
	EXPECT_LT(0, mdev_told(variant->vendor, 0, self->faults.uuid, "create 12 no-memory"));
	EXPECT_LT(0, mdev_told(variant->vendor, 0, self->faults.uuid, "create 12 bus"));
	EXPECT_LT(0, mdev_told(variant->vendor, 0, self->faults.uuid, "create 12 bus-driver"));
	EXPECT_LT(0, mdev_told(variant->vendor, 0, self->faults.uuid, "create 12 links"));
}

/* Removal */

static int remove_it(struct faults *faults)
{
	return mdev_remove(faults->uuid);
}

static int removed(struct faults *faults, bool done)
{
	return created(faults, !done);
}

static int unremove(struct faults *faults, bool done)
{
	return uncreate(faults, !done);
}

TEST_F(faults, remove)
{
	static const struct attempt attempt = {
		.prepare = create,
		.act = remove_it,
		.verify = removed,
		.undo = unremove,
	};

	EXPECT_LT(1, sweeps(&self->faults, &attempt));
}

/* Opening the group, a container and the device */

static int open_it(struct faults *faults)
{
	return mdev_open(faults->uuid, &faults->user);
}

static int opened(struct faults *faults, bool done)
{
	return done ? mdev_alive(&faults->user) : 0;
}

static int unopen(struct faults *faults, bool done)
{
	if (done)
		mdev_close(&faults->user);
	/* Would be refused to an open one. */
	return mdev_remove(faults->uuid);
}

TEST_F(faults, row_37_open)
{
	static const struct attempt attempt = {
		.prepare = create,
		.act = open_it,
		.verify = opened,
		.undo = unopen,
	};

	EXPECT_LT(10, sweeps(&self->faults, &attempt));
}

/* Commands of an open device */

static int create_and_open(struct faults *faults)
{
	unsigned int i;
	int ret;

	for (i = 0; i < MDEV_TEST_NUM_EDGES; i++)
		faults->eventfd[i] = new_eventfd();
	ret = create(faults);
	return ret ? ret : open_it(faults);
}

static int still_alive(struct faults *faults, bool done)
{
	return mdev_alive(&faults->user);
}

static int close_and_remove(struct faults *faults, bool done)
{
	unsigned int i;

	for (i = 0; i < MDEV_TEST_NUM_EDGES; i++)
		close(faults->eventfd[i]);
	mdev_close(&faults->user);
	return mdev_remove(faults->uuid);
}

static int arm_all(struct faults *faults)
{
	struct {
		struct vfio_irq_set set;
		__s32 eventfd[MDEV_TEST_NUM_EDGES];
	} irqs = {
		.set.argsz = sizeof(irqs),
		.set.flags = VFIO_IRQ_SET_DATA_EVENTFD |
			     VFIO_IRQ_SET_ACTION_TRIGGER,
		.set.index = MDEV_TEST_IRQ_EDGES,
		.set.count = MDEV_TEST_NUM_EDGES,
	};

	memcpy(irqs.eventfd, faults->eventfd, sizeof(irqs.eventfd));
	return file_ioctl(faults->user.device, VFIO_DEVICE_SET_IRQS, &irqs);
}

TEST_F(faults, set_irqs)
{
	static const struct attempt attempt = {
		.prepare = create_and_open,
		.act = arm_all,
		.verify = still_alive,
		.undo = close_and_remove,
	};

	EXPECT_LT(1, sweeps(&self->faults, &attempt));
}

static int ask_all(struct faults *faults)
{
	struct {
		struct vfio_region_info info;
		char caps[256];
	} region = { .info.argsz = sizeof(region) };
	struct vfio_device_info info = { .argsz = sizeof(info) };
	struct vfio_irq_info irq = { .argsz = sizeof(irq) };
	int fd = faults->user.device;
	char byte;
	long ret;

	ret = file_ioctl(fd, VFIO_DEVICE_GET_INFO, &info);
	region.info.index = MDEV_TEST_REGION_MEM;
	if (!ret)
		ret = file_ioctl(fd, VFIO_DEVICE_GET_REGION_INFO, &region);
	if (!ret)
		ret = file_ioctl(fd, VFIO_DEVICE_GET_IRQ_INFO, &irq);
	if (!ret)
		ret = file_read(fd, &byte, 1, 0);
	if (ret == 1)
		ret = file_write(fd, &byte, 1, 0);
	return ret == 1 ? 0 : ret;
}

TEST_F(faults, commands)
{
	static const struct attempt attempt = {
		.prepare = create_and_open,
		.act = ask_all,
		.verify = still_alive,
		.undo = close_and_remove,
	};

	EXPECT_LT(5, sweeps(&self->faults, &attempt));
}

/* Taking a device from its driver, and giving it back */

static int driver_write(struct faults *faults, const char *file)
{
	char path[PATH_LEN];

	snprintf(path, sizeof(path), "/sys/bus/mdev/drivers/vfio_mdev/%s",
		 file);
	return write_file(path, faults->uuid);
}

static int bind_it(struct faults *faults)
{
	return driver_write(faults, "bind");
}

static int unbind_it(struct faults *faults)
{
	return driver_write(faults, "unbind");
}

/* A device without its driver has nothing of it. */
static int is_bound(struct faults *faults, bool done)
{
	char path[PATH_LEN];

	if (done)
		return created(faults, true);
	if (!mdev_exists(faults->uuid) || mdev_group(faults->uuid) >= 0 ||
	    exists("%s", mdev_path(path, faults->uuid, "driver")))
		return -EIO;
	return 0;
}

static int is_unbound(struct faults *faults, bool done)
{
	return is_bound(faults, !done);
}

static int create_unbound(struct faults *faults)
{
	int ret = create(faults);

	return ret ? ret : unbind_it(faults);
}

static int remove_again(struct faults *faults, bool done)
{
	return mdev_remove(faults->uuid);
}

TEST_F(faults, unbind)
{
	static const struct attempt attempt = {
		.prepare = create,
		.act = unbind_it,
		.verify = is_unbound,
		.undo = remove_again,
	};

	EXPECT_LT(1, sweeps(&self->faults, &attempt));
}

TEST_F(faults, bind)
{
	static const struct attempt attempt = {
		.prepare = create_unbound,
		.act = bind_it,
		.verify = is_bound,
		.undo = remove_again,
	};

	EXPECT_LT(10, sweeps(&self->faults, &attempt));
}

/* Registration of a parent */

static int register_it(struct faults *faults)
{
	return parent_register(faults->vendor, 1);
}

static int registered(struct faults *faults, bool done)
{
	char path[PATH_LEN];

	if (exists("%s", parent_path(path, faults->vendor, 1)) != done)
		return -EIO;
	return done && mdev_available(faults->vendor, 1, "many") != 64 ?
	       -EIO : 0;
}

static int unregister_it(struct faults *faults, bool done)
{
	return done ? parent_unregister(faults->vendor, 1) : 0;
}

TEST_F(faults, row_37_register_parent)
{
	static const struct attempt attempt = {
		.act = register_it,
		.verify = registered,
		.undo = unregister_it,
	};

	EXPECT_LT(20, sweeps(&self->faults, &attempt));
}

/* Cards, for the helpers of PCI-like devices */

FIXTURE(cards) {
	struct faults faults;
};

FIXTURE_SETUP(cards)
{
	if (!can_deny())
		SKIP(return, "the kernel has no fault injection");
	ASSERT_EQ(0, faults_begin(&self->faults, TEST_PCI));
}

FIXTURE_TEARDOWN(cards)
{
	if (!self->faults.vendor)
		return;
	EXPECT_EQ(0, faults_end(&self->faults));
	EXPECT_TRUE(WAIT_FOR(sample_idle(TEST_PCI, &self->faults.env.before),
			     SOON));
}

static int card_create(struct faults *faults)
{
	char path[PATH_LEN];

	return write_file(sample_path(path, TEST_PCI, "card", "create"),
			  faults->uuid);
}

static int card_created(struct faults *faults, bool done)
{
	if (mdev_exists(faults->uuid) != done ||
	    sample_available(TEST_PCI, "card") != 16 - done)
		return -EIO;
	return 0;
}

TEST_F(cards, create)
{
	static const struct attempt attempt = {
		.act = card_create,
		.verify = card_created,
		.undo = uncreate,
	};

	EXPECT_LT(20, sweeps(&self->faults, &attempt));
}

/* Has the card as many messages as the user armed, and do they reach it? */
static int card_sends(struct faults *faults, int count)
{
	int fd = faults->user.device, last = MDEV_TEST_PCI_NR_MSIX - 1;

	if (file_ioctl(fd, MDEV_TEST_PCI_VECTORS, NULL) != count ||
	    file_ioctl(fd, MDEV_TEST_PCI_MESSAGE, (void *)(long)last) != !!count)
		return -EIO;
	return fired(faults->eventfd[last]) == !!count ? 0 : -EIO;
}

static int card_opened(struct faults *faults, bool done)
{
	return done ? card_sends(faults, 0) : 0;
}

TEST_F(cards, open)
{
	static const struct attempt attempt = {
		.prepare = card_create,
		.act = open_it,
		.verify = card_opened,
		.undo = unopen,
	};

	self->faults.eventfd[MDEV_TEST_PCI_NR_MSIX - 1] = new_eventfd();
	EXPECT_LT(10, sweeps(&self->faults, &attempt));
}

static int card_prepare(struct faults *faults)
{
	int ret = card_create(faults);

	return ret ? ret : open_it(faults);
}

static int card_arm(struct faults *faults)
{
	struct {
		struct vfio_irq_set set;
		__s32 eventfd[MDEV_TEST_PCI_NR_MSIX];
	} irqs = {
		.set.argsz = sizeof(irqs),
		.set.flags = VFIO_IRQ_SET_DATA_EVENTFD |
			     VFIO_IRQ_SET_ACTION_TRIGGER,
		.set.index = VFIO_PCI_MSIX_IRQ_INDEX,
		.set.count = MDEV_TEST_PCI_NR_MSIX,
	};

	memcpy(irqs.eventfd, faults->eventfd, sizeof(irqs.eventfd));
	return file_ioctl(faults->user.device, VFIO_DEVICE_SET_IRQS, &irqs);
}

static int card_armed(struct faults *faults, bool done)
{
	return card_sends(faults, done ? MDEV_TEST_PCI_NR_MSIX : 0);
}

static int card_close(struct faults *faults, bool done)
{
	mdev_close(&faults->user);
	return mdev_remove(faults->uuid);
}

TEST_F(cards, set_irqs)
{
	static const struct attempt attempt = {
		.prepare = card_prepare,
		.act = card_arm,
		.verify = card_armed,
		.undo = card_close,
	};
	unsigned int i;

	for (i = 0; i < MDEV_TEST_PCI_NR_MSIX; i++)
		self->faults.eventfd[i] = new_eventfd();
	EXPECT_LT(2, sweeps(&self->faults, &attempt));
}

/* Pins */

#define PIN_IOVA	0x100000UL

FIXTURE(pins) {
	struct faults faults;
};

FIXTURE_SETUP(pins)
{
	if (!can_deny())
		SKIP(return, "the kernel has no fault injection");
	ASSERT_EQ(0, faults_begin(&self->faults, PIN));
	ASSERT_EQ(0, env_setup(&self->faults.env, PIN));
	self->faults.mem = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE,
				-1, 0);
	ASSERT_NE(MAP_FAILED, self->faults.mem);
}

FIXTURE_TEARDOWN(pins)
{
	if (!self->faults.vendor)
		return;
	EXPECT_EQ(0, faults_end(&self->faults));
	EXPECT_EQ(0, env_teardown(&self->faults.env));
	/* It holds vfio_mdev. */
	EXPECT_EQ(0, module_unload(PIN));
}

static int pin_prepare(struct faults *faults)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)faults->mem,
		.iova = PIN_IOVA,
		.size = PAGE,
	};
	int ret = create(faults);

	if (!ret)
		ret = open_it(faults);
	return ret ? ret : file_ioctl(faults->user.container,
				      VFIO_IOMMU_MAP_DMA, &map);
}

static int pin_it(struct faults *faults)
{
	return file_ioctl(faults->user.device, MDEV_TEST_PIN,
			  (void *)PIN_IOVA);
}

/* Pinned once or not at all; the other way about it works, too. */
static int pinned(struct faults *faults, bool done)
{
	int ret = 0;

	if (!done)
		ret = pin_it(faults);
	if (!ret && pin_it(faults) != -EBUSY)
		ret = -EIO;
	if (!ret && file_ioctl(faults->user.device, MDEV_TEST_UNPIN, NULL) != 1)
		ret = -EIO;
	return ret;
}

TEST_F(pins, pin)
{
	static const struct attempt attempt = {
		.prepare = pin_prepare,
		.act = pin_it,
		.verify = pinned,
		.undo = card_close,
	};

	EXPECT_LE(0, sweeps(&self->faults, &attempt));
}

/* vfio_mdev itself */

FIXTURE(modules) {
	struct faults faults;
};

static int module_file(void)
{
	struct utsname uts;
	char path[PATH_LEN];

	uname(&uts);
	snprintf(path, sizeof(path), "/lib/modules/%s/updates/vfio_mdev.ko",
		 uts.release);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/*
 * A Linux that goes on when it has no memory for the module's folder of drivers
 * leaves the link to the driver elsewhere, and complains the next time.
 */
static bool loader_loses_links(void)
{
	unsigned int major, minor;
	struct utsname name;

	if (uname(&name) || sscanf(name.release, "%u.%u", &major, &minor) != 2)
		return false;
	return major == 6 && minor < 10;
}

FIXTURE_SETUP(modules)
{
	if (!can_deny())
		SKIP(return, "the kernel has no fault injection");
	if (loader_loses_links())
		SKIP(return, "this Linux leaves a driver's link behind when it has no memory");
	self->faults.user.device = module_file();
	if (self->faults.user.device < 0)
		SKIP(return, "vfio_mdev.ko is not among the kernel's updates");
	expect_dmesg("execmem: unable|bus_add_driver: |debugfs: out of free");
	ASSERT_EQ(0, faults_begin(&self->faults, RAW));
}

FIXTURE_TEARDOWN(modules)
{
	if (!self->faults.vendor)
		return;
	close(self->faults.user.device);
	EXPECT_EQ(0, faults_end(&self->faults));
	EXPECT_EQ(0, module_load("vfio_mdev", NULL));
}

static int module_take_away(struct faults *faults)
{
	return module_loaded("vfio_mdev") ? module_unload("vfio_mdev") : 0;
}

/* Of some of its own failures Linux says that the file makes no sense. */
static int module_insert(struct faults *faults)
{
	if (!syscall(SYS_finit_module, faults->user.device, "", 0))
		return 0;
	return errno == EINVAL ? -ENOMEM : -errno;
}

/* It is a driver on the bus, and serves devices, or is not there. */
static int module_there(struct faults *faults, bool done)
{
	struct mdev_user user;
	int ret;

	if (module_loaded("vfio_mdev") != done ||
	    exists("/sys/bus/mdev/drivers/vfio_mdev") != done)
		return -EIO;
	if (!done)
		return 0;
	ret = create(faults);
	if (!ret)
		ret = mdev_open(faults->uuid, &user);
	if (!ret) {
		ret = mdev_alive(&user);
		mdev_close(&user);
	}
	mdev_remove(faults->uuid);
	return ret;
}

static int module_undo(struct faults *faults, bool done)
{
	return module_take_away(faults);
}

/* Linux' loader and KUnit, whose tests it runs, lose memory: not looked at */
TEST_F(modules, load)
{
	static const struct attempt attempt = {
		.prepare = module_take_away,
		.act = module_insert,
		.verify = module_there,
		.undo = module_undo,
	};

	EXPECT_LT(20, sweep(&self->faults, &attempt));
}

MDEV_TEST_MAIN(RAW, STRUCTURED, "mdev_pci", TEST_PCI)
