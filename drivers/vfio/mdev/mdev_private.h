/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of mdev.ko share. Calls go downwards only:
 *
 *	mdev_modern*.c, mdev_classic*.c  the two generations' registration
 *	mdev_parent.c     parents, and the module
 *	mdev_debugfs.c    what there is, for an admin
 *	mdev_sysfs.c      the files
 *	mdev_device.c     the life of a device
 *	mdev_request.c    requesting a device from its user
 *	mdev_user.c       the user of a device
 *	mdev_state.c      the state of a device
 *	mdev_bus.c        the bus
 *	mdev_failure.c    what failed and why; trace.h, what happened
 */
#ifndef MDEV_PRIVATE_H
#define MDEV_PRIVATE_H

#define MDEV_INTERFACE MDEV_INTERFACE_MODERN
#include <linux/mdev.h>

#include <linux/completion.h>
#include <linux/kref.h>
#include <linux/lockdep.h>
#include <linux/refcount.h>
#include <linux/rhashtable-types.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#include "mdev_failure.h"

struct dentry;
struct mdev_bus_driver;
struct mdev_instance;

/**
 * struct mdev_kind - what differs between the generations of the interface
 * @device_type: of its devices (optional)
 * @core_attrs: the core shows the types' attributes (else the vendor does)
 * @add_type: add to a type's directory when it has just been made (optional)
 * @create: the UUID is reserved: make the device's resources
 * @destroy: opposite of @create, after the device has disappeared
 * @bind: the device has appeared: bind its driver or say why not
 *
 * Called with the parent's unreg_sem held: @add_type for writing, @create and
 * @bind for reading, @destroy for either.
 */
struct mdev_kind {
	const struct device_type *device_type;
	bool core_attrs;
	int (*add_type)(struct mdev_type *type);
	int (*create)(struct mdev_instance *inst);
	void (*destroy)(struct mdev_instance *inst);
	int (*bind)(struct mdev_instance *inst);
};

/**
 * struct mdev_failure - what failed, once or several times in the same way
 * @uuid: of the device, all 0 where there is none
 * @act: what was asked for
 * @cause: why it failed
 * @error: the answer
 * @count: how often
 * @last: when for the last time, CLOCK_MONOTONIC
 */
struct mdev_failure {
	guid_t uuid;
	enum mdev_act act;
	enum mdev_cause cause;
	int error;
	unsigned int count;
	u64 last;
};

/* As lines they fit in a page. */
#define MDEV_FAILURES	24

/**
 * struct mdev_failures - the last of a parent
 * @ref: the registration's and its devices'
 * @parent: name of the parent
 * @lock: protects @nr and @entry
 * @nr: number of @entry
 * @entry: ordered by time
 */
struct mdev_failures {
	struct kref ref;
	char parent[64];
	/* protects nr, entry */
	spinlock_t lock;
	unsigned int nr;
	struct mdev_failure entry[MDEV_FAILURES];
};

/**
 * struct mdev_types_dir - a parent's mdev_supported_types directory, and what
 *			   else mdev.ko has of a parent
 * @kset: the directory; &struct mdev_parent.mdev_types_kset points to it
 * @kind: generation of the parent
 * @users: types and the kset while not yet released, the registration, and each
 *	   device that is about to remove itself
 * @released: completed when @users drops to zero
 * @failures: what failed
 * @errors: the file that shows it
 * @debugfs: the parent's folder
 * @key: class of the parent's unreg_sem, one a parent: a vendor may take a
 *	 lock of its own in callbacks of one parent and around the registration
 *	 of another
 */
struct mdev_types_dir {
	struct kset kset;
	const struct mdev_kind *kind;
	refcount_t users;
	struct completion released;
	struct mdev_failures *failures;
	struct device_attribute errors;
	struct dentry *debugfs;
	struct lock_class_key key;
};

static inline struct mdev_types_dir *mdev_types_dir(struct mdev_parent *parent)
{
	return container_of(parent->mdev_types_kset, struct mdev_types_dir,
			    kset);
}

static inline void mdev_types_dir_get(struct mdev_types_dir *dir)
{
	refcount_inc(&dir->users);
}

static inline void mdev_types_dir_put(struct mdev_types_dir *dir)
{
	if (refcount_dec_and_test(&dir->users))
		complete(&dir->released);
}

static inline struct mdev_type *to_mdev_type(struct kobject *kobj)
{
	return container_of(kobj, struct mdev_type, kobj);
}

/*
 *	CREATING -> ACTIVE <-> REMOVING -> DEAD
 *	            ACTIVE <-> UNBINDING
 *
 * The admin gets a device to REMOVING and UNBINDING, and it may turn back; a parent's
 * unregistration goes to DEAD from anywhere. See mdev_state.c.
 */
enum mdev_state {
	MDEV_CREATING,
	MDEV_ACTIVE,
	MDEV_UNBINDING,
	MDEV_REMOVING,
	MDEV_DEAD,
};

/**
 * struct mdev_progress - how far the wait for a device's user has come
 * @count: number of the next question
 * @due: when to ask it, in jiffies
 * @seq: &struct mdev_instance.idle_seq at the last one
 */
struct mdev_progress {
	unsigned int count;
	unsigned long due;
	int seq;
};

/**
 * struct mdev_away - a wait whose writer is out of the kernel to be stopped
 * @writer: the task, held, or NULL
 * @progress: where it goes on when the writer comes back
 * @loose: the writer was seen to be no longer stopped
 * @loose_since: when first, in jiffies
 */
struct mdev_away {
	struct task_struct *writer;
	struct mdev_progress progress;
	bool loose;
	unsigned long loose_since;
};

/**
 * struct mdev_process - a process
 * @pid: its ID
 * @comm: name of the thread that came
 * @since: when it came, CLOCK_MONOTONIC
 */
struct mdev_process {
	pid_t pid;
	char comm[16];
	u64 since;
};

/* How long a user is left alone before the next question */
#define MDEV_REQUEST_INTERVAL	(10 * HZ)
/* When to try again for a lock that another task has for a moment */
#define MDEV_RETRY_INTERVAL	(HZ / 50)

enum mdev_presence {
	MDEV_USER_NONE,
	MDEV_USER_COMING,	/* its open is not done yet, and may fail */
	MDEV_USER_HERE,
};

/**
 * struct mdev_wait - what a removal, unbinding or unregistration waits for
 * @waiter: the process that waits
 * @what: for what, NULL when none waits
 * @asked: how often the device's user has been asked
 */
struct mdev_wait {
	struct mdev_process waiter;
	const char *what;
	unsigned int asked;
};

/**
 * struct mdev_instance - a mediated device, with what the public struct lacks
 * @mdev: public part
 * @uuid_entry: in the table of UUIDs, from reservation to destruction
 * @rcu: frees it when no look-up can find it any more
 * @kind: generation it belongs to
 * @failures: its parent's
 * @state: an enum mdev_state, changed by mdev_state_try() and mdev_state_set() only
 * @idle: a pending removal waits here for @idle_seq or @state to change
 * @idle_seq: bumped when the last user has gone
 * @matched: a classic bus driver was found that may have it
 * @probe_error: of the last classic bus driver that tried, but for -ENODEV
 * @first_asked: the user was asked, at @first_seq, when the parent went
 * @first_answer: what came of it
 * @first_seq: see there
 * @drvdata: the classic vendor's pointer
 * @busdata: vfio_mdev's pointer
 * @lock: protects @away, @driver_override, @presence, @user, @wait,
 *	  @remove_on_close, @removal_due
 * @away: a removal or unbinding that goes on when its writer does
 * @look: runs from time to time while there is such a writer
 * @driver_override: name of the only bus driver that may bind, or NULL
 * @presence: is there a user, as far as the bus driver says
 * @user: the process that opened the device
 * @wait: what is waited for, until the user goes
 * @remove_on_close: it is to be removed when its last user has gone
 * @removal_due: the last user has gone
 * @removal: then removes it
 */
struct mdev_instance {
	struct mdev_device mdev;
	struct rhash_head uuid_entry;
	struct rcu_head rcu;
	const struct mdev_kind *kind;
	struct mdev_failures *failures;
	int state;
	wait_queue_head_t idle;
	atomic_t idle_seq;
	bool matched;
	int probe_error;
	bool first_asked;
	int first_answer;
	int first_seq;
	void *drvdata;
	void *busdata;
	/* protects what follows, but for the works */
	spinlock_t lock;
	struct mdev_away away;
	struct delayed_work look;
	char *driver_override;
	enum mdev_presence presence;
	struct mdev_process user;
	struct mdev_wait wait;
	bool remove_on_close;
	bool removal_due;
	struct delayed_work removal;
};

static inline struct mdev_instance *to_mdev_instance(struct device *dev)
{
	return container_of(dev, struct mdev_instance, mdev.dev);
}

/* The state of a device changes here alone. Both are full barriers, see mdev_state.c. */
static inline int mdev_state_try(struct mdev_instance *inst, int from, int to)
{
	return cmpxchg(&inst->state, from, to);
}

static inline void mdev_state_set(struct mdev_instance *inst, int to)
{
	xchg(&inst->state, to);
}

/* mdev_device.c */
int mdev_device_init(void);
void mdev_device_exit(void);
int mdev_device_create(struct mdev_type *type, const guid_t *uuid);
int mdev_device_remove(struct mdev_instance *inst,
		       struct device_attribute *attr);
void mdev_device_remove_taken(struct mdev_instance *inst);

/* mdev_parent.c */
int mdev_parent_refuse_device(struct device *dev);
int mdev_parent_add(struct mdev_parent *parent, const struct mdev_kind *kind);
void mdev_parent_del(struct mdev_parent *parent);

/* mdev_sysfs.c */
extern const struct attribute_group *mdev_device_groups[];
extern const struct device_type mdev_classic_device_type;
int mdev_sysfs_add_dir(struct mdev_parent *parent,
		       const struct mdev_kind *kind);
void mdev_sysfs_remove_dir(struct mdev_parent *parent);
int mdev_sysfs_add_types(struct mdev_parent *parent);
void mdev_sysfs_remove_types(struct mdev_parent *parent);

/* mdev_bus.c */
extern struct bus_type mdev_bus_type;
bool mdev_bus_allows(struct device *dev, const struct device_driver *drv);
int mdev_bus_add_modern(struct device_driver *drv);
int mdev_bus_add_classic(struct device_driver *drv);
bool mdev_bus_has_driver(const char *name);
struct mdev_bus_driver *mdev_bus_classic_driver(struct device *dev);

/* mdev_state.c */
void mdev_note_process(struct mdev_process *process);
void mdev_state_init(struct mdev_instance *inst);
void mdev_state_end(struct mdev_instance *inst);
bool mdev_state_bars_users(struct mdev_instance *inst);
bool mdev_has_news(struct mdev_instance *inst, int seq, int state);
void mdev_state_waits_for(struct mdev_instance *inst, int state,
			  const char *what, unsigned int asked);
int mdev_state_claim(struct mdev_instance *inst, int wanted,
		     struct mdev_progress *progress, enum mdev_cause *why);
void mdev_state_suspend(struct mdev_instance *inst,
			const struct mdev_progress *progress);
void mdev_state_reopen(struct mdev_instance *inst, int state);
void mdev_state_take(struct mdev_instance *inst);

/* mdev_user.c */
int mdev_user_init(void);
void mdev_user_exit(void);
void mdev_user_queue_removal(struct mdev_instance *inst, unsigned long delay);
void mdev_user_put_removal(struct mdev_instance *inst);
void mdev_user_cancel_removal(struct mdev_instance *inst);
bool mdev_user_claim_unused(struct mdev_instance *inst);

/* mdev_request.c */
int mdev_request_admin(struct mdev_instance *inst, int state);
int mdev_request_self(struct mdev_instance *inst);
bool mdev_request_first(struct mdev_instance *inst);
void mdev_request_retry(struct mdev_instance *inst);
void mdev_request_wait(struct mdev_instance *inst);

/* mdev_failure.c */
struct mdev_failures *mdev_failures_alloc(struct device *parent);
struct mdev_failures *mdev_failures_get(struct mdev_failures *f);
void mdev_failures_put(struct mdev_failures *f);
void mdev_failure(struct mdev_failures *f, const guid_t *uuid,
		  enum mdev_act act, enum mdev_cause cause, int error);
const char *mdev_cause_sentence(enum mdev_cause cause);
ssize_t mdev_failures_show(struct mdev_failures *f, char *buf);

/* mdev_debugfs.c */
void mdev_debugfs_add(struct mdev_parent *parent);
void mdev_debugfs_remove(struct mdev_parent *parent);
void mdev_debugfs_init(void);
void mdev_debugfs_exit(void);

/* mdev_classic.c */
extern const struct mdev_kind mdev_classic_kind;

/* mdev_modern.c */
extern const struct mdev_kind mdev_modern_kind;

#endif /* MDEV_PRIVATE_H */
