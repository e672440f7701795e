// SPDX-License-Identifier: GPL-2.0-only
/* What the tests of mediated devices share, see mdev_util.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/netlink.h>
#include <linux/vfio.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "mdev_util.h"

#define DEBUGFS		"/sys/kernel/debug"
#define DEVICES		"/sys/bus/mdev/devices"
#define PARENTS		"/sys/class/mdev_bus"
#define GROUPS		"/sys/kernel/iommu_groups"

#define MAX_MODULES	8

static const char *loaded[MAX_MODULES];
static unsigned int nr_loaded;
static pid_t main_process;

static __printf(1, 2) void complain(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("# ", stderr);
	vfprintf(stderr, format, args);
	fputs("\n", stderr);
	va_end(args);
}

long long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

void sleep_ms(unsigned int ms)
{
	usleep(ms * 1000);
}

unsigned int race_ms(unsigned int ms)
{
	return sysconf(_SC_NPROCESSORS_ONLN) > 1 ? ms : ms / 10;
}

void expect_dmesg(const char *regex)
{
	printf("# expect-dmesg: %s\n", regex);
	fflush(stdout);
}

/* Files */

int read_file(const char *path, char *buf, size_t size)
{
	ssize_t len = 0, ret = 0;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while ((size_t)len < size - 1) {
		ret = read(fd, buf + len, size - 1 - len);
		if (ret <= 0)
			break;
		len += ret;
	}
	if (ret < 0)
		ret = -errno;
	close(fd);
	if (ret < 0)
		return ret;
	if (len && buf[len - 1] == '\n')
		len--;
	buf[len] = '\0';
	return len;
}

int write_bytes(const char *path, const void *data, size_t len)
{
	ssize_t ret;
	int fd;

	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = write(fd, data, len);
	if (ret < 0)
		ret = -errno;
	else
		ret = (size_t)ret == len ? 0 : -EIO;
	close(fd);
	return ret;
}

int write_file(const char *path, const char *text)
{
	return write_bytes(path, text, strlen(text));
}

bool exists(const char *format, ...)
{
	char path[PATH_LEN];
	struct stat st;
	va_list args;

	va_start(args, format);
	vsnprintf(path, sizeof(path), format, args);
	va_end(args);
	return !lstat(path, &st);
}

int link_name(const char *path, char *buf, size_t size)
{
	char target[PATH_LEN];
	const char *last;
	ssize_t len;

	len = readlink(path, target, sizeof(target) - 1);
	if (len < 0)
		return -errno;
	target[len] = '\0';
	last = strrchr(target, '/');
	snprintf(buf, size, "%s", last ? last + 1 : target);
	return 0;
}

int count_entries(const char *dir)
{
	struct dirent *entry;
	int count = 0;
	DIR *d;

	d = opendir(dir);
	if (!d)
		return errno == ENOENT ? 0 : -errno;
	while ((entry = readdir(d)))
		if (entry->d_name[0] != '.')
			count++;
	closedir(d);
	return count;
}

static void wake(int sig)
{
}

pid_t async_fork(void)
{
	struct sigaction action = { .sa_handler = wake };
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (!pid) {
		sigaction(SIGUSR1, &action, NULL);
		syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, 0);
	}
	return pid;
}

pid_t async_write(const char *path, const char *text)
{
	pid_t pid = async_fork();

	if (pid)
		return pid;
	_exit(-write_file(path, text));
}

int async_result(pid_t pid, unsigned int ms)
{
	int status = 0;

	if (!WAIT_FOR(waitpid(pid, &status, WNOHANG), ms))
		return -ETIMEDOUT;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -ECANCELED;
}

void async_kill(pid_t pid)
{
	if (pid <= 0)
		return;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* Memory */

/* The number behind KEY in lines of "KEY: NUMBER" or "KEY NUMBER", or -1 */
static long long value_of(const char *text, const char *key)
{
	size_t len = strlen(key);

	for (; text; text = strchr(text, '\n')) {
		text += *text == '\n';
		if (!strncmp(text, key, len) && text[len] &&
		    strchr(": ", text[len]))
			return atoll(text + len + 1);
	}
	return -1;
}

long long proc_value(const char *path, const char *key)
{
	char text[32768];

	if (read_file(path, text, sizeof(text)) < 0)
		return -1;
	return value_of(text, key);
}

long long pages_held(void)
{
	char text[32768];

	write_file("/proc/sys/vm/stat_refresh", "1");
	if (read_file("/proc/vmstat", text, sizeof(text)) < 0)
		return -1;
	return value_of(text, "nr_foll_pin_acquired") -
	       value_of(text, "nr_foll_pin_released");
}

/* Pages that our type1 has charged a process for, but not pinned. */
static long long pages_ahead(pid_t pid)
{
	static const char * const files[] = {
		"/sys/kernel/debug/vfio_iommu_type1/charged_in_advance",
		"/sys/kernel/debug/vfio_iommu_type1_mdev/charged_in_advance",
	};
	long long ahead = 0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(files); i++) {
		char text[4096], *line, *next = text;

		if (read_file(files[i], text, sizeof(text)) < 0)
			continue;
		while ((line = strsep(&next, "\n"))) {
			long long n;
			int of;

			if (sscanf(line, "%d %lld", &of, &n) == 2 && of == pid)
				ahead += n;
		}
	}
	return ahead;
}

long long pages_locked_by(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	return proc_value(path, "VmLck") * 1024 / (long)page_size() - pages_ahead(pid);
}

long long pages_locked(void)
{
	return pages_locked_by(getpid());
}

int limit_memlock(unsigned long pages)
{
	struct rlimit limit = { pages * page_size(), pages * page_size() };

	return setrlimit(RLIMIT_MEMLOCK, &limit) ? -errno : 0;
}

int drop_ipc_lock(void)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data))
		return -errno;
	data[0].effective &= ~(1U << CAP_IPC_LOCK);
	data[0].permitted &= ~(1U << CAP_IPC_LOCK);
	data[0].inheritable &= ~(1U << CAP_IPC_LOCK);
	return syscall(SYS_capset, &header, data) ? -errno : 0;
}

/* Modules */

/* Runs a program without a shell and without its messages. */
static int run(const char *const *argv)
{
	posix_spawn_file_actions_t actions;
	int status;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null",
					 O_RDWR, 0);
	posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO,
					 STDERR_FILENO);
	status = posix_spawnp(&pid, argv[0], &actions, NULL,
			      (char *const *)argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (status)
		return -status;
	if (waitpid(pid, &status, 0) != pid)
		return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -ECANCELED;
}

bool module_loaded(const char *name)
{
	/* Modules that are built in have no such file. */
	return exists("/sys/module/%s/initstate", name);
}

int module_refs(const char *name)
{
	char path[PATH_LEN], text[16];
	int ret;

	snprintf(path, sizeof(path), "/sys/module/%s/refcnt", name);
	ret = read_file(path, text, sizeof(text));
	return ret < 0 ? ret : atoi(text);
}

/*
 * On a machine where the modules are not installed they are taken from where
 * make puts them, beside the tests' own folder.
 */
static int insert(const char *name, const char *parameters)
{
	char path[PATH_LEN], dir[PATH_LEN / 2];
	const char *from = getenv("MDEV_TEST_MODULES");
	struct utsname uts;
	ssize_t len;
	int fd, ret;

	len = readlink("/proc/self/exe", dir, sizeof(dir) - 1);
	if (len < 0)
		return -errno;
	dir[len] = '\0';
	*strrchr(dir, '/') = '\0';
	uname(&uts);
	if (from)
		snprintf(path, sizeof(path), "%s/%s.ko", from, name);
	else
		snprintf(path, sizeof(path),
			 "%s/../%s/tools/testing/selftests/vfio/modules/%s.ko",
			 dir, uts.release, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = syscall(SYS_finit_module, fd, parameters, 0) ? -errno : 0;
	close(fd);
	return ret;
}

bool kernel_before(unsigned int version, unsigned int patchlevel)
{
	unsigned int v = 0, p = 0;
	struct utsname uts;

	return !uname(&uts) && sscanf(uts.release, "%u.%u", &v, &p) == 2 &&
	       (v < version || (v == version && p < patchlevel));
}

/* The module that a path names, as the kernel knows it. */
static void module_name(const char *path, char name[64])
{
	const char *last = strrchr(path, '/');
	char *c;

	snprintf(name, 64, "%s", last ? last + 1 : path);
	for (c = name; *c && *c != '.'; c++)
		if (*c == '-')
			*c = '_';
	*c = '\0';
}

/*
 * What modprobe does when all is there that the module needs, and no more is said
 * of it, else -ENOENT. modprobe itself is a third of what some tests take in User
 * Mode Linux, where programs start slowly.
 */
static int insert_alone(const char *name, const char *parameters)
{
	char dir[PATH_LEN / 2], path[PATH_LEN], line[4096], word[64], more[64];
	char *rest, *file, *needed;
	struct utsname uts;
	int fd, ret = -ENOENT;
	FILE *f;

	uname(&uts);
	snprintf(dir, sizeof(dir), "/lib/modules/%s", uts.release);
	snprintf(path, sizeof(path), "%s/modules.softdep", dir);
	snprintf(more, sizeof(more), "softdep %s ", name);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (strncmp(line, more, strlen(more)))
			continue;
		fclose(f);
		return -ENOENT;
	}
	if (f)
		fclose(f);

	snprintf(path, sizeof(path), "%s/modules.dep", dir);
	f = fopen(path, "re");
	while (f && ret && fgets(line, sizeof(line), f)) {
		rest = line;
		file = strsep(&rest, ":");
		module_name(file, word);
		ret = rest && !strcmp(word, name) ? 0 : -ENOENT;
	}
	if (f)
		fclose(f);
	while (!ret && (needed = strsep(&rest, "\n "))) {
		module_name(needed, word);
		if (*word && !exists("/sys/module/%s", word))
			ret = -ENOENT;
	}
	if (ret)
		return ret;

	/* The kernel is given no packed one: modprobe unpacks it. */
	rest = strrchr(file, '.');
	if (!rest || strcmp(rest, ".ko"))
		return -ENOENT;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = syscall(SYS_finit_module, fd, parameters, 0) ? -errno : 0;
	close(fd);
	return ret == -EEXIST ? 0 : ret;
}

int module_load(const char *name, const char *parameters)
{
	const char *const argv[] = { "modprobe", name, parameters, NULL };
	int ret;

	if (!insert_alone(name, parameters ?: "") || !run(argv))
		return 0;

	if (!strncmp(name, "vfio_type1_", 11))
		return insert(name, parameters ?: "");
	if (strncmp(name, "mdev_test", 9))
		return -ENOENT;
	if (strcmp(name, "mdev_test") && strcmp(name, TEST_PCI)) {
		ret = module_load("mdev", NULL);
		if (!ret && !module_loaded("mdev_test"))
			ret = module_load("mdev_test", NULL);
		if (ret)
			return ret;
	}
	return insert(name, parameters ?: "");
}

int module_unload(const char *name)
{
	int ret;

	/* A reference that somebody is about to put is no use. */
	WAIT_FOR(!(ret = syscall(SYS_delete_module, name, O_NONBLOCK) ?
		   -errno : 0) || ret != -EWOULDBLOCK, A_WHILE);
	return ret;
}

static bool processor_has(const char *flag)
{
	char text[8192];

	return read_file("/proc/cpuinfo", text, sizeof(text)) > 0 &&
	       strstr(text, flag);
}

/* The kernel complains of a module that is not for its processor. */
const char *kvm_load(void)
{
	const char *module = NULL;

	if (processor_has(" svm "))
		module = "kvm_amd";
	else if (processor_has(" vmx "))
		module = "kvm_intel";
	else if (processor_has("IBM/S390"))
		module = processor_has(" sie") ? "kvm" : "mdev_test_kvm";
	if (exists("/dev/kvm") || !module || module_load(module, NULL))
		return NULL;
	return module;
}

int kvm_unload(const char *module)
{
	int ret;

	if (!module)
		return 0;
	ret = module_unload(module);
	return ret || strncmp(module, "kvm_", 4) ? ret : module_unload("kvm");
}

/* Test vendor drivers */

int vendor_write(const char *vendor, const char *control, const char *text)
{
	char path[PATH_LEN];

	snprintf(path, sizeof(path), DEBUGFS "/%s/%s", vendor, control);
	return write_file(path, text);
}

int vendor_set(const char *vendor, const char *control, unsigned int value)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", value);
	return vendor_write(vendor, control, text);
}

long long vendor_get(const char *vendor, const char *control)
{
	char path[PATH_LEN], text[32];
	int ret;

	snprintf(path, sizeof(path), DEBUGFS "/%s/%s", vendor, control);
	ret = read_file(path, text, sizeof(text));
	return ret < 0 ? ret : strtoll(text, NULL, 0);
}

int vendor_calls(const char *vendor, const char *callback)
{
	char control[64];

	snprintf(control, sizeof(control), "%s/calls", callback);
	return vendor_get(vendor, control);
}

int vendor_reset(const char *vendor)
{
	return vendor_write(vendor, "clear", "1");
}

int parent_register(const char *vendor, unsigned int parent)
{
	return vendor_set(vendor, "register", parent);
}

int parent_unregister(const char *vendor, unsigned int parent)
{
	return vendor_set(vendor, "unregister", parent);
}

/* Paths */

char *parent_path(char *buf, const char *vendor, unsigned int parent)
{
	snprintf(buf, PATH_LEN, PARENTS "/%s.%u", vendor, parent);
	return buf;
}

char *type_path(char *buf, const char *vendor, unsigned int parent,
		const char *type, const char *file)
{
	snprintf(buf, PATH_LEN, PARENTS "/%s.%u/mdev_supported_types/%s-%s/%s",
		 vendor, parent, vendor, type, file);
	return buf;
}

char *mdev_path(char *buf, const char *uuid, const char *file)
{
	snprintf(buf, PATH_LEN, DEVICES "/%s/%s", uuid, file);
	return buf;
}

/* Mediated devices */

char *uuid_make(char uuid[UUID_LEN])
{
	unsigned char b[16];

	if (getrandom(b, sizeof(b), 0) != sizeof(b))
		abort();
	b[6] = (b[6] & 0x0f) | 0x40;
	b[8] = (b[8] & 0x3f) | 0x80;
	snprintf(uuid, UUID_LEN,
		 "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
		 b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9],
		 b[10], b[11], b[12], b[13], b[14], b[15]);
	return uuid;
}

int mdev_create(const char *vendor, unsigned int parent, const char *type,
		const char *uuid)
{
	char path[PATH_LEN];

	return write_file(type_path(path, vendor, parent, type, "create"),
			  uuid);
}

int mdev_make(const char *vendor, unsigned int parent, const char *type,
	      char uuid[UUID_LEN])
{
	return mdev_create(vendor, parent, type, uuid_make(uuid));
}

int mdev_remove(const char *uuid)
{
	char path[PATH_LEN];

	return write_file(mdev_path(path, uuid, "remove"), "1");
}

bool mdev_exists(const char *uuid)
{
	return exists(DEVICES "/%s", uuid);
}

int mdev_available(const char *vendor, unsigned int parent, const char *type)
{
	char path[PATH_LEN], text[32];
	int ret;

	ret = read_file(type_path(path, vendor, parent, type,
				  "available_instances"), text, sizeof(text));
	return ret < 0 ? ret : atoi(text);
}

char *mdev_errors_path(char *path, const char *vendor, unsigned int parent)
{
	snprintf(path, PATH_LEN, "/sys/devices/platform/%s.%u/mdev_errors", vendor,
		 parent);
	return path;
}

int mdev_told_in(const char *path, const char *uuid, const char *what)
{
	char text[8192], *rest = text, *line, start[128];
	unsigned int count;
	int ret;

	ret = read_file(path, text, sizeof(text));
	if (ret < 0)
		return ret;
	snprintf(start, sizeof(start), " %s %s: ", uuid, what);
	while ((line = strsep(&rest, "\n")))
		if (strstr(line, start) && sscanf(line, "%u ", &count) == 1)
			return count;
	return 0;
}

int mdev_told(const char *vendor, unsigned int parent, const char *uuid,
	      const char *what)
{
	char path[PATH_LEN];

	return mdev_told_in(mdev_errors_path(path, vendor, parent), uuid, what);
}

int mdev_group(const char *uuid)
{
	char path[PATH_LEN], name[32];
	int ret;

	ret = link_name(mdev_path(path, uuid, "iommu_group"), name,
			sizeof(name));
	return ret ? ret : atoi(name);
}

int mdev_attach(const char *uuid, struct mdev_user *user)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };
	char path[PATH_LEN];
	int group, ret;

	user->container = -1;
	user->group = -1;
	user->device = -1;

	group = mdev_group(uuid);
	if (group < 0)
		return group;
	snprintf(path, sizeof(path), "/dev/vfio/%d", group);
	user->group = open(path, O_RDWR | O_CLOEXEC);
	if (user->group < 0)
		return -errno;
	user->container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	if (user->container < 0 ||
	    ioctl(user->group, VFIO_GROUP_GET_STATUS, &status) ||
	    !(status.flags & VFIO_GROUP_FLAGS_VIABLE) ||
	    ioctl(user->group, VFIO_GROUP_SET_CONTAINER, &user->container) ||
	    ioctl(user->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU)) {
		ret = errno ? -errno : -EIO;
		mdev_close(user);
		return ret;
	}
	return 0;
}

int mdev_device_fd(const char *uuid, struct mdev_user *user)
{
	int fd;

	fd = ioctl(user->group, VFIO_GROUP_GET_DEVICE_FD, uuid);
	return fd < 0 ? -errno : fd;
}

int mdev_open(const char *uuid, struct mdev_user *user)
{
	int ret;

	ret = mdev_attach(uuid, user);
	if (ret)
		return ret;
	ret = mdev_device_fd(uuid, user);
	if (ret < 0) {
		mdev_close(user);
		return ret;
	}
	user->device = ret;
	return 0;
}

void mdev_close(struct mdev_user *user)
{
	if (user->device >= 0)
		close(user->device);
	if (user->group >= 0)
		close(user->group);
	if (user->container >= 0)
		close(user->container);
	user->container = -1;
	user->group = -1;
	user->device = -1;
}

int mdev_alive(const struct mdev_user *user)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	unsigned int out = 0x7e57ab1e, in = 0;

	if (ioctl(user->device, VFIO_DEVICE_GET_INFO, &info))
		return -errno;
	if (info.num_regions != MDEV_TEST_NUM_REGIONS)
		return -EIO;
	if (pwrite(user->device, &out, sizeof(out), 0) != sizeof(out) ||
	    pread(user->device, &in, sizeof(in), 0) != sizeof(in))
		return -errno;
	return in == out ? 0 : -EIO;
}

/* What the kernel sends to udev */

int uevent_open(void)
{
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	int size = 1 << 20;
	int fd;

	fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC,
		    NETLINK_KOBJECT_UEVENT);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		close(fd);
		return -errno;
	}
	return fd;
}

int uevent_next(int fd, struct uevent *event, unsigned int ms)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	ssize_t len;

	if (poll(&pfd, 1, ms) <= 0)
		return -ETIMEDOUT;
	len = recv(fd, event->text, sizeof(event->text) - 1, 0);
	if (len < 0)
		return -errno;
	event->text[len] = '\0';
	event->len = len;
	return 0;
}

const char *uevent_get(const struct uevent *event, const char *key)
{
	const char *line = event->text;
	size_t len = strlen(key);

	for (; line < event->text + event->len; line += strlen(line) + 1)
		if (!strncmp(line, key, len) && line[len] == '=')
			return line + len + 1;
	return NULL;
}

/* The kernel's log */

int kmsg_open(void)
{
	int fd;

	fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	lseek(fd, 0, SEEK_END);
	return fd;
}

int kmsg_count(int fd, const char *text)
{
	char line[8192];
	int count = 0;
	ssize_t len;

	while (true) {
		len = read(fd, line, sizeof(line) - 1);
		if (len < 0 && errno == EPIPE)
			continue;
		if (len <= 0)
			return count;
		line[len] = '\0';
		count += !!strstr(line, text);
	}
}

/* Ten in five seconds, which the first of them begins. */
int kmsg_most(long long start)
{
	return 10 * ((now_ms() - start) / 5000 + 2);
}

/* Everything as before? */

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static __printf(2, 3) void snapshot_add(struct snapshot *snapshot,
					const char *format, ...)
{
	size_t len = strlen(snapshot->text);
	va_list args;

	va_start(args, format);
	vsnprintf(snapshot->text + len, sizeof(snapshot->text) - len, format,
		  args);
	va_end(args);
}

static void snapshot_list(struct snapshot *snapshot, const char *dir)
{
	struct dirent **entries;
	int i, count;

	count = scandir(dir, &entries, NULL, by_name);
	for (i = 0; i < count; i++) {
		if (entries[i]->d_name[0] != '.')
			snapshot_add(snapshot, "%s/%s\n", dir,
				     entries[i]->d_name);
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
}

/* How often modules are used, of one look at all of them */
static void snapshot_modules(struct snapshot *snapshot)
{
	static const char * const modules[] = {
		"mdev", "vfio", "vfio_mdev", "vfio_iommu_type1", "mdev_test",
		RAW, STRUCTURED, PIN,
	};
	char text[32768], line[80], *found;
	unsigned int i;
	int users;

	text[0] = '\n';
	if (read_file("/proc/modules", text + 1, sizeof(text) - 1) < 0)
		return;
	for (i = 0; i < ARRAY_LEN(modules); i++) {
		snprintf(line, sizeof(line), "\n%s ", modules[i]);
		found = strstr(text, line);
		if (found && sscanf(found, "%*s %*u %d", &users) == 1)
			snapshot_add(snapshot, "%s is used by %d\n",
				     modules[i], users);
	}
}

void snapshot_take(struct snapshot *snapshot)
{
	snapshot->text[0] = '\0';
	snapshot_list(snapshot, DEVICES);
	snapshot_list(snapshot, PARENTS);
	snapshot_list(snapshot, GROUPS);
	snapshot_list(snapshot, "/dev/vfio");
	snapshot_modules(snapshot);
	snapshot_add(snapshot, "%lld pages locked\n", pages_locked());
}

static bool snapshot_same(const struct snapshot *before,
			  struct snapshot *after)
{
	snapshot_take(after);
	return !strcmp(before->text, after->text);
}

/* Says what one snapshot has and the other has not. */
static void snapshot_complain(const char *what, const struct snapshot *has,
			      const struct snapshot *lacks)
{
	char copy[sizeof(has->text)], *rest = copy, *line;

	memcpy(copy, has->text, sizeof(copy));
	while ((line = strsep(&rest, "\n")))
		if (!strstr(lacks->text, line))
			complain("%s: %s", what, line);
}

/* After a test that failed: have the next one start afresh. */
static void remove_leftovers(void)
{
	struct dirent *entry;
	DIR *d;

	d = opendir(DEVICES);
	if (!d)
		return;
	while ((entry = readdir(d)))
		if (entry->d_name[0] != '.')
			mdev_remove(entry->d_name);
	closedir(d);
}

/* The first parent is registered, the others are not. */
static int reset_parents(const char *vendor)
{
	char path[PATH_LEN];
	int ret = 0;

	if (!exists("%s", parent_path(path, vendor, 0)))
		ret = parent_register(vendor, 0);
	if (!ret && exists("%s", parent_path(path, vendor, 1)))
		ret = parent_unregister(vendor, 1);
	return ret;
}

int env_setup(struct mdev_env *env, const char *vendor)
{
	int ret = 0;

	env->vendor = vendor;
	if (!module_loaded(vendor))
		ret = module_load(vendor, NULL);
	if (!ret)
		ret = vendor_reset(vendor);
	if (ret)
		return ret;
	remove_leftovers();
	ret = reset_parents(vendor);
	if (!ret)
		ret = vendor_reset(vendor);
	snapshot_take(&env->before);
	return ret;
}

int env_teardown(struct mdev_env *env)
{
	struct snapshot after;
	int ret = 0;

	if (vendor_get(env->vendor, "violations")) {
		complain("%s counts calls out of order, see the kernel's log",
			 env->vendor);
		ret = -EIO;
	}
	if (!WAIT_FOR(snapshot_same(&env->before, &after), SOON)) {
		snapshot_complain("left behind", &after, &env->before);
		snapshot_complain("gone", &env->before, &after);
		ret = -EIO;
	}
	return ret;
}

/* The whole program */

static __printf(1, 2) __noreturn void skip_all(const char *format, ...)
{
	va_list args;

	printf("TAP version 13\n1..0 # SKIP ");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	exit(4);
}

static void mdev_test_end(void)
{
	unsigned int i;
	int ret;

	if (getpid() != main_process)
		return;
	for (i = nr_loaded; i--;) {
		remove_leftovers();
		ret = module_loaded(loaded[i]) ? module_unload(loaded[i]) : 0;
		if (ret) {
			complain("module %s cannot be unloaded: %s", loaded[i],
				 strerror(-ret));
			fflush(NULL);
			_exit(1);
		}
	}
}

static void begin_with(const char *name)
{
	int ret;

	if (module_loaded(name))
		return;
	ret = module_load(name, NULL);
	if (ret == -ENOENT &&
	    (!strncmp(name, "mdev", 4) || !strcmp(name, TYPE1_TEST)))
		skip_all("module %s is not there: run make and make install first",
			 name);
	if (ret)
		skip_all("module %s cannot be loaded: %s", name,
			 strerror(-ret));
	loaded[nr_loaded++] = name;
}

void mdev_test_begin(int argc, char **argv, const char * const modules[])
{
	static const char * const first[] = { "vfio", "vfio_iommu_type1" };
	int i;

	for (i = 1; i < argc; i++)
		if (!strcmp(argv[i], "-l") || !strcmp(argv[i], "-h"))
			return;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (geteuid())
		skip_all("only root can make mediated devices");
	main_process = getpid();
	atexit(mdev_test_end);

	/* Not to be counted among those that come and go. */
	for (i = 0; i < ARRAY_LEN(first); i++)
		if (!module_loaded(first[i]))
			module_load(first[i], NULL);
	for (i = 0; modules[i]; i++) {
		if (!strcmp(modules[i], RAW) || !strcmp(modules[i], STRUCTURED))
			begin_with("mdev_test");
		begin_with(modules[i]);
	}
	if (modules[0] && !exists(DEBUGFS "/%s", modules[0]) &&
	    !strncmp(modules[0], "mdev_test_", 10))
		skip_all("no debugfs at " DEBUGFS);
}
