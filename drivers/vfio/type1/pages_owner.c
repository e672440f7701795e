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
 * A charge takes the mmap_lock for writing, so nobody calls here with a
 * spinlock or that lock held.
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
#include <linux/slab.h>

#include "pages.h"

/* One line in five seconds says enough about a limit. */
static DEFINE_RATELIMIT_STATE(limit_messages, 5 * HZ, 1);

/**
 * t1_owner_new - the owner that the current task makes
 *
 * Context: process context of a user's task. Sleeps.
 * Return: a reference to be put, or an ERR_PTR: -ENOMEM.
 */
struct t1_owner *t1_owner_new(void)
{
	struct t1_owner *owner = kmalloc(sizeof(*owner), GFP_KERNEL_ACCOUNT);

	if (!owner)
		return ERR_PTR(-ENOMEM);
	refcount_set(&owner->refs, 1);
	owner->cred = get_current_cred();
	owner->mm = current->mm;
	mmgrab(owner->mm);
	owner->task = get_task_struct(current->group_leader);
	owner->lock_cap = capable(CAP_IPC_LOCK);
	return owner;
}

/**
 * t1_owner_put - give a reference back
 * @owner: may be NULL
 *
 * Context: any that may not hold a lock of the scheduler's.
 */
void t1_owner_put(struct t1_owner *owner)
{
	if (!owner || !refcount_dec_and_test(&owner->refs))
		return;
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

/**
 * t1_owner_charge - more pages are locked
 * @owner: who pays
 * @npages: how many
 * @force: beyond the limit, too
 *
 * Context: process context. Sleeps, takes the owner's mmap_lock.
 * Return: 0; -ENOMEM: the limit is reached, and told; -ESRCH: the address
 * space is gone; -EINTR: the task was killed, unless it is forced.
 */
int t1_owner_charge(struct t1_owner *owner, unsigned long npages, bool force)
{
	int ret = 0;

	if (!npages)
		return 0;
	if (unlikely(!owner_enter(owner)))
		return -ESRCH;
	if (unlikely(force))
		mmap_write_lock(owner->mm);
	else
		ret = mmap_write_lock_killable(owner->mm);
	if (likely(!ret)) {
		ret = __account_locked_vm(owner->mm, npages, true, owner->task,
					  owner->lock_cap || force);
		mmap_write_unlock(owner->mm);
		if (unlikely(ret))
			tell_limit(owner, npages);
	}
	owner_leave(owner);
	return ret;
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
	if (!npages || !owner_enter(owner))
		return;
	mmap_write_lock(owner->mm);
	__account_locked_vm(owner->mm, npages, false, owner->task, true);
	mmap_write_unlock(owner->mm);
	owner_leave(owner);
}

/* What t1_bill_begin() does for another's memory, or in a kernel thread. */
void __t1_bill_begin(struct t1_bill *bill, struct t1_owner *owner)
{
	bill->memcg = get_mem_cgroup_from_mm(owner->mm);
	if (bill->memcg)
		bill->before = set_active_memcg(bill->memcg);
}

void __t1_bill_end(struct t1_bill *bill)
{
	set_active_memcg(bill->before);
	mem_cgroup_put(bill->memcg);
}
