// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whose memory is pinned, and its locked memory
 *
 * An owner is an address space and the task that gave it to a container: what
 * is pinned is charged to the first (VmLck in /proc/<pid>/status) up to the
 * RLIMIT_MEMLOCK of the second. An owner never changes: who takes a mapping
 * over is another owner. The address space may be gone before its owner, after
 * exec or exit; a charge died with it and is not given back.
 *
 * A charge takes the mmap_lock for writing, so nobody calls here with a spinlock or that
 * lock held. It also stops all page faults of the owner, so where single pages are
 * pinned some more are charged for in advance, of a container's first owner: at most
 * T1_AHEAD_ALL, while there is that much room below the limit, and none when nothing is
 * pinned any more. Where a limit is reached all that any container has charged the
 * address space in advance is taken back first, so nobody is refused because of it.
 *
 * The kernel memory that pages take to be recorded is as much the owner's as the
 * pages are: its memory cgroup pays, also for what a kernel thread pins, for which
 * nobody would, or another process.
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/memcontrol.h>
#include <linux/ratelimit.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "pages.h"

/* One line in five seconds says enough about a limit. */
static DEFINE_RATELIMIT_STATE(limit_messages, 5 * HZ, 1);

/* All that may have charges in advance, and these are taken back at a limit. */
static DEFINE_MUTEX(owners_lock);
static LIST_HEAD(owners);

/**
 * t1_owner_new - the owner that the current task makes
 * @ahead: pages may be charged in advance
 *
 * Context: process context of a user's task. Sleeps.
 * Return: a reference to be put, or an ERR_PTR: -ENOMEM.
 */
struct t1_owner *t1_owner_new(bool ahead)
{
	struct t1_owner *owner = kzalloc(sizeof(*owner), GFP_KERNEL_ACCOUNT);

	BUILD_BUG_ON(T1_AHEAD_PAGES > T1_AMOUNT_AHEAD);
	if (!owner)
		return ERR_PTR(-ENOMEM);
	refcount_set(&owner->refs, 1);
	owner->cred = get_current_cred();
	owner->mm = current->mm;
	mmgrab(owner->mm);
	owner->task = get_task_struct(current->group_leader);
	owner->lock_cap = capable(CAP_IPC_LOCK);
	owner->ahead = ahead;
	mutex_lock(&owners_lock);
	list_add(&owner->list, &owners);
	mutex_unlock(&owners_lock);
	return owner;
}

/**
 * t1_owner_put - give a reference back
 * @owner: may be NULL
 *
 * Context: process context. Sleeps.
 */
void t1_owner_put(struct t1_owner *owner)
{
	if (!owner || !refcount_dec_and_test(&owner->refs))
		return;
	mutex_lock(&owners_lock);
	list_del(&owner->list);
	mutex_unlock(&owners_lock);
	put_cred(owner->cred);
	put_task_struct(owner->task);
	mmdrop(owner->mm);
	kfree(owner);
}

static noinline void tell_limit(struct t1_owner *owner, unsigned long npages)
{
	if (!__ratelimit(&limit_messages))
		return;
	pr_warn("vfio_iommu_type1: %s[%d]: %lu bytes more would exceed its limit of locked memory (RLIMIT_MEMLOCK) of %lu bytes, of which %lu are in use: raise it, with ulimit -l or the memtune of a libvirt domain\n",
		owner->task->comm, task_pid_nr(owner->task), npages << PAGE_SHIFT,
		task_rlimit(owner->task, RLIMIT_MEMLOCK),
		READ_ONCE(owner->mm->locked_vm) << PAGE_SHIFT);
}

/* The address space is there, and is held in the case of another's. */
static __always_inline bool owner_enter(struct t1_owner *owner)
{
	return owner->mm == current->mm || mmget_not_zero(owner->mm);
}

static __always_inline void owner_leave(struct t1_owner *owner)
{
	if (owner->mm != current->mm)
		mmput(owner->mm);
}

/* Take back what is charged in advance; how many pages. */
static unsigned long take_back(struct t1_owner *owner)
{
	unsigned long ahead = 0;
	unsigned int i;

	for (i = 0; i < T1_AHEAD_SLOTS; i++)
		ahead += atomic_long_fetch_andnot(T1_AMOUNT_AHEAD, &owner->slots[i].amount) &
			 T1_AMOUNT_AHEAD;
	return ahead;
}

/* Charge for fewer pages; the address space is there. */
static void give_back(struct mm_struct *mm, unsigned long npages)
{
	if (!npages)
		return;
	mmap_write_lock(mm);
	if (!WARN_ON_ONCE(mm->locked_vm < npages))
		mm->locked_vm -= npages;
	mmap_write_unlock(mm);
}

/* Of all whose address space it is, whose mmap_lock is not held; was there any? */
static bool take_back_all(struct mm_struct *mm)
{
	unsigned long ahead = 0;
	struct t1_owner *owner;

	mutex_lock(&owners_lock);
	list_for_each_entry(owner, &owners, list)
		if (owner->mm == mm)
			ahead += take_back(owner);
	mutex_unlock(&owners_lock);
	give_back(mm, ahead);
	return ahead;
}

/* Is nothing charged for because it is pinned? Then @ahead: is something in advance? */
static bool nothing_is_charged(struct t1_owner *owner, bool *ahead)
{
	unsigned long all = 0;
	unsigned int i;

	for (i = 0; i < T1_AHEAD_SLOTS; i++)
		all |= atomic_long_read(&owner->slots[i].amount);
	*ahead = all;
	return all < T1_AMOUNT_ONE;
}

/* Charge for pages, and some in advance: how many, or errno. */
static long charge(struct t1_owner *owner, unsigned long npages, bool force)
{
	struct mm_struct *mm = owner->mm;
	unsigned long limit, ahead = 0;
	bool some;

	if (unlikely(force))
		mmap_write_lock(mm);
	else if (mmap_write_lock_killable(mm))
		return -EINTR;
	limit = owner->lock_cap || force ? ULONG_MAX :
		task_rlimit(owner->task, RLIMIT_MEMLOCK) >> PAGE_SHIFT;
	if (unlikely(npages > limit || mm->locked_vm > limit - npages)) {
		mmap_write_unlock(mm);
		return -ENOMEM;
	}
	mm->locked_vm += npages;
	/* Not for the first, which many drivers unpin at once. */
	if (npages == 1 && t1_owner_may_ahead(owner) && !nothing_is_charged(owner, &some)) {
		ahead = T1_AHEAD_PAGES - 1;
		mm->locked_vm += ahead;
	}
	mmap_write_unlock(mm);
	return ahead;
}

/* Note down what was charged, and how many pages in advance that there is room for. */
static unsigned long note_charge(struct t1_owner *owner, unsigned long npages,
				 unsigned long ahead)
{
	atomic_long_t *amount = t1_owner_amount(owner);
	long old = atomic_long_read(amount);
	unsigned long more;

	do {
		more = min_t(unsigned long, ahead, T1_AHEAD_PAGES - (old & T1_AMOUNT_AHEAD));
	} while (!atomic_long_try_cmpxchg(amount, &old, old + more + npages * T1_AMOUNT_ONE));
	return more;
}

/**
 * t1_owner_charge - more pages are locked
 * @owner: who pays
 * @npages: how many
 * @force: beyond the limit, and where there is nobody to charge any more, too
 *
 * Context: process context. Sleeps, takes the owner's mmap_lock.
 * Return: 0, always if it is forced; -ENOMEM: the limit is reached, and told; -ESRCH: the
 * address space is gone; -EINTR: the task was killed.
 */
int t1_owner_charge(struct t1_owner *owner, unsigned long npages, bool force)
{
	long ahead;

	if (!npages)
		return 0;
	if (unlikely(!owner_enter(owner))) {
		/* They are unpinned later, and are to be found then. */
		if (force)
			note_charge(owner, npages, 0);
		return force ? 0 : -ESRCH;
	}
	ahead = charge(owner, npages, force);
	if (unlikely(ahead == -ENOMEM) && take_back_all(owner->mm))
		ahead = charge(owner, npages, force);
	if (unlikely(ahead == -ENOMEM))
		tell_limit(owner, npages);
	if (likely(ahead >= 0)) {
		/* Others may have charged in advance meanwhile, or come near the limit. */
		ahead -= note_charge(owner, npages, ahead);
		if (unlikely(owner->ahead && !t1_owner_may_ahead(owner)))
			ahead += take_back(owner);
		give_back(owner->mm, ahead);
		ahead = 0;
	}
	owner_leave(owner);
	return ahead;
}

/*
 * Note down that pages are charged for no more, in whichever slot they are. Return how
 * many pages are to be given back: these, and what was charged in advance, all of it
 * if nothing else is charged for; or none.
 *
 * Two who make the last two amounts 0: each writes its own, with a full barrier, and
 * reads the other. Store buffering: at least one sees that nothing is charged for.
 */
static unsigned long note_uncharge(struct t1_owner *owner, const unsigned long all)
{
	unsigned int i = raw_smp_processor_id() % T1_AHEAD_SLOTS;
	bool keep = all == 1 && t1_owner_may_ahead(owner), some;
	unsigned long npages = all, back = 0, n, ahead;
	unsigned int tries = 0;
	atomic_long_t *amount;
	long old, new;

	for (; npages; i = (i + 1) % T1_AHEAD_SLOTS) {
		/* Others may take what was there while we look elsewhere, but not for long. */
		if (WARN_ONCE(++tries > 1000 * T1_AHEAD_SLOTS,
			      "vfio_iommu_type1: of %lu pages that were unpinned %lu are not charged for, report it: %#lx %#lx\n",
			      all, npages, atomic_long_read(&owner->slots[0].amount),
			      atomic_long_read(&owner->slots[1].amount)))
			break;
		amount = &owner->slots[i].amount;
		old = atomic_long_read(amount);
		do {
			n = min_t(unsigned long, npages, old >> T1_AMOUNT_SHIFT);
			ahead = old & T1_AMOUNT_AHEAD;
			/* Another stays charged here, so this is not the last. */
			if (keep && old >= 2 * T1_AMOUNT_ONE)
				ahead++;
			/* Room for the next ones. */
			if (ahead > T1_AHEAD_PAGES)
				ahead = T1_AHEAD_PAGES / 2;
			new = old - (old & T1_AMOUNT_AHEAD) - n * T1_AMOUNT_ONE + ahead;
		} while (n && !atomic_long_try_cmpxchg(amount, &old, new));
		if (n)
			back += n + (old & T1_AMOUNT_AHEAD) - ahead;
		npages -= n;
	}
	if (unlikely(nothing_is_charged(owner, &some)) && some)
		back += take_back(owner);
	return back;
}

/**
 * t1_owner_uncharge - fewer pages are locked
 * @owner: who paid
 * @npages: how many
 *
 * Context: process context. Sleeps, takes the owner's mmap_lock. Cannot fail.
 */
void t1_owner_uncharge(struct t1_owner *owner, unsigned long npages)
{
	if (!npages)
		return;
	npages = note_uncharge(owner, npages);
	if (!npages || !owner_enter(owner))
		return;
	give_back(owner->mm, npages);
	owner_leave(owner);
}

/**
 * t1_owners_show - which processes are charged in advance, for how many pages each
 * @seq: a line for each container that charges one, of its number and how many
 * @unused: as seq_file calls it
 *
 * Context: process context. Sleeps.
 * Return: 0.
 */
int t1_owners_show(struct seq_file *seq, void *unused)
{
	struct t1_owner *owner;
	unsigned long ahead;
	unsigned int i;

	mutex_lock(&owners_lock);
	list_for_each_entry(owner, &owners, list) {
		/* After exec or exit what it is charged for is gone. */
		if (READ_ONCE(owner->task->mm) != owner->mm)
			continue;
		for (i = 0, ahead = 0; i < T1_AHEAD_SLOTS; i++)
			ahead += atomic_long_read(&owner->slots[i].amount) & T1_AMOUNT_AHEAD;
		if (ahead)
			seq_printf(seq, "%d %lu\n", task_tgid_vnr(owner->task), ahead);
	}
	mutex_unlock(&owners_lock);
	return 0;
}

/**
 * t1_bill_begin - have the memory cgroup of an owner pay for what is allocated
 * @bill: initialised
 * @owner: whose
 *
 * Context: process context. The same task calls t1_bill_end(). What is allocated
 * meanwhile with __GFP_ACCOUNT, or for an XArray with XA_FLAGS_ACCOUNT, is charged.
 */
void t1_bill_begin(struct t1_bill *bill, struct t1_owner *owner)
{
	bill->memcg = NULL;
	if (likely(owner->mm == current->mm && !(current->flags & PF_KTHREAD)))
		return;
	bill->memcg = get_mem_cgroup_from_mm(owner->mm);
	if (bill->memcg)
		bill->before = set_active_memcg(bill->memcg);
}

/**
 * t1_bill_end - the end of t1_bill_begin()
 * @bill: what that initialised
 *
 * Context: process context.
 */
void t1_bill_end(struct t1_bill *bill)
{
	if (likely(!bill->memcg))
		return;
	set_active_memcg(bill->before);
	mem_cgroup_put(bill->memcg);
}
