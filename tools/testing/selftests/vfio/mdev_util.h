/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the tests of mediated devices share. Functions answer 0 or a number, or
 * a negated errno.
 *
 * The test vendor drivers (modules/) are named by their module; their controls
 * are named by their path below /sys/kernel/debug/<module>/, for example
 * "create/error": see modules/mdev_test_parent.c.
 */
#ifndef MDEV_UTIL_H
#define MDEV_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <unistd.h>

#include "kselftest.h"
#include "modules/mdev_test_abi.h"

#define RAW		"mdev_test_raw"
#define STRUCTURED	"mdev_test_structured"
#define PIN		"mdev_test_pin"
/* This one has VFIO devices, and no mediated ones. */
#define TYPE1_TEST	"vfio_type1_test"
/* A module of its own, without controls, in need of mdev_pci alone */
#define TEST_PCI	"mdev_test_pci"

/* A virtual machine without KVM on a busy host is slow. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	90

/* How long to wait for what should happen soon, in milliseconds. */
#define SOON	20000
/* How long to wait for what should not happen. */
#define A_WHILE	700

#define ARRAY_LEN(a)	(sizeof(a) / sizeof((a)[0]))

/* Looks at COND until it is true or MS have passed, and answers it. */
#define WAIT_FOR(cond, ms) ({						\
	long long __end = now_ms() + (ms);				\
	bool __met;							\
	while (!(__met = (cond)) && now_ms() < __end)			\
		sleep_ms(5);						\
	__met;								\
})

long long now_ms(void);
void sleep_ms(unsigned int ms);

/*
 * How long those that race are let run: a tenth of MS on one processor, where
 * the next gets its turn only when one sleeps.
 */
unsigned int race_ms(unsigned int ms);

/* Announces lines that the kernel may log at level warning or above. */
void expect_dmesg(const char *regex);

/* Files */
int read_file(const char *path, char *buf, size_t size);
int write_file(const char *path, const char *text);
int write_bytes(const char *path, const void *data, size_t len);
__printf(1, 2) bool exists(const char *format, ...);
/* The last part of what a link points to. */
int link_name(const char *path, char *buf, size_t size);
int count_entries(const char *dir);

/* Memory */
static inline unsigned long page_size(void)
{
	return sysconf(_SC_PAGESIZE);
}

/* The line "KEY: VALUE" or "KEY VALUE" of a file of /proc, -1 without one. */
long long proc_value(const char *path, const char *key);
/* Pages that somebody in the machine has pinned. */
long long pages_held(void);
/* Locked pages of this process, or of one, but for those charged in advance. */
long long pages_locked(void);
long long pages_locked_by(pid_t pid);
/* How many this process may have locked, unless it has CAP_IPC_LOCK. */
int limit_memlock(unsigned long pages);
/* Takes CAP_IPC_LOCK from this process for good. */
int drop_ipc_lock(void);

/*
 * A process that does something meanwhile, with no descriptor but the standard
 * ones: fork() for the caller, which ends it with _exit(-result). SIGUSR1
 * interrupts its system call.
 */
pid_t async_fork(void);
/* One that writes a file. */
pid_t async_write(const char *path, const char *text);
/* Its result; -ETIMEDOUT if there is none after MS. */
int async_result(pid_t pid, unsigned int ms);
/* For a caller that has nothing more to wait for: kills it. */
void async_kill(pid_t pid);

/* Modules */
int module_load(const char *name, const char *parameters);
/* Waits for the module's last reference for a moment only. */
int module_unload(const char *name);
/* Is the running kernel older than that? */
bool kernel_before(unsigned int version, unsigned int patchlevel);

bool module_loaded(const char *name);
/* Its use count, -ENOENT if it is not loaded. */
int module_refs(const char *name);
/*
 * Loads the kernel's KVM for the processor unless it is there. Answers what
 * kvm_unload() is to be given; whether there is KVM now, /dev/kvm tells.
 */
const char *kvm_load(void);
int kvm_unload(const char *module);

/* Test vendor drivers */
int vendor_write(const char *vendor, const char *control, const char *text);
int vendor_set(const char *vendor, const char *control, unsigned int value);
/* A number, or a negated errno. */
long long vendor_get(const char *vendor, const char *control);
/* How often a callback was called since vendor_reset(). */
int vendor_calls(const char *vendor, const char *callback);
/* No failure ordered, no delay, all counters 0. */
int vendor_reset(const char *vendor);
int parent_register(const char *vendor, unsigned int parent);
int parent_unregister(const char *vendor, unsigned int parent);

/* Paths; each call with the same buffer gives the buffer. */
#define PATH_LEN	512
char *parent_path(char *buf, const char *vendor, unsigned int parent);
char *type_path(char *buf, const char *vendor, unsigned int parent,
		const char *type, const char *file);
char *mdev_path(char *buf, const char *uuid, const char *file);

/* Mediated devices */
#define UUID_LEN	37
char *uuid_make(char uuid[UUID_LEN]);
int mdev_create(const char *vendor, unsigned int parent, const char *type,
		const char *uuid);
/* With a new UUID. */
int mdev_make(const char *vendor, unsigned int parent, const char *type,
	      char uuid[UUID_LEN]);
int mdev_remove(const char *uuid);
bool mdev_exists(const char *uuid);
int mdev_available(const char *vendor, unsigned int parent, const char *type);
/* The parent's file mdev_errors; the link of its class goes before the file does. */
char *mdev_errors_path(char *path, const char *vendor, unsigned int parent);
/* How often such a file tells of WHAT ("create 22 no-uuid") of a device */
int mdev_told_in(const char *path, const char *uuid, const char *what);
int mdev_told(const char *vendor, unsigned int parent, const char *uuid,
	      const char *what);
/* The number of its IOMMU group. */
int mdev_group(const char *uuid);

/* A user of a device as QEMU is one; descriptors are -1 where not open. */
struct mdev_user {
	int container;
	int group;
	int device;
};

/* Opens it all, as said by its result. */
int mdev_open(const char *uuid, struct mdev_user *user);
/* All but the device. */
int mdev_attach(const char *uuid, struct mdev_user *user);
/* Another descriptor of the device. */
int mdev_device_fd(const char *uuid, struct mdev_user *user);
void mdev_close(struct mdev_user *user);
/* Does the open device still work: ioctl, read, write? */
int mdev_alive(const struct mdev_user *user);

/* What the kernel sends to udev */
struct uevent {
	char text[4096];
	size_t len;
};

int uevent_open(void);
/* The next one, -ETIMEDOUT if there is none within MS. */
int uevent_next(int fd, struct uevent *event, unsigned int ms);
/* Value of a key, or NULL. */
const char *uevent_get(const struct uevent *event, const char *key);

/* The kernel's log, from the call on */
int kmsg_open(void);
/* How many new lines hold TEXT? All that are there are taken. */
int kmsg_count(int fd, const char *text);
/* The most lines that a place whose lines are limited can have written since START. */
int kmsg_most(long long start);

/* Mediated devices, parents, groups and use counts at one moment */
struct snapshot {
	char text[8192];
};

void snapshot_take(struct snapshot *snapshot);

/*
 * What each fixture holds: the first vendor driver is the one under test. The
 * module is loaded, nothing is ordered of it. In the end everything must be as
 * it was in the beginning.
 */
struct mdev_env {
	const char *vendor;
	struct snapshot before;
};

int env_setup(struct mdev_env *env, const char *vendor);
int env_teardown(struct mdev_env *env);

/*
 * In place of TEST_HARNESS_MAIN. The modules named, after each other and NULL
 * at the end, are loaded before the first test and unloaded after the last;
 * where that cannot be, all tests are skipped.
 */
void mdev_test_begin(int argc, char **argv, const char * const modules[]);

#define MDEV_TEST_MAIN(...)						\
int main(int argc, char **argv)						\
{									\
	static const char * const modules[] = { __VA_ARGS__, NULL };	\
									\
	mdev_test_begin(argc, argv, modules);				\
	exit(test_harness_run(argc, argv));				\
}

#endif /* MDEV_UTIL_H */
