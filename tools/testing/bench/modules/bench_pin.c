// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices to measure type1 with: each pins and unpins pages, or copies, as a
 * job tells it, many calls to an ioctl
 *
 * A device holds one set of pages at a time, those of the job that first pinned
 * them, all of them pinned @depth times over. Another set is refused until the
 * last is unpinned. What is left when the device is closed, or when the user
 * unmaps it, is given back; the bits of @held say which pages are left, and a
 * set that lost some can no longer be pinned or unpinned by a job. Steps that
 * were loaded, see bench_pin.h, leave nothing pinned, so they are no set.
 *
 * bench_pin.lock protects the set and the pages, and is held for a whole job.
 * dma_unmap takes it as well: type1 calls that with no lock which pinning needs.
 */
#define MDEV_INTERFACE MDEV_INTERFACE_MODERN
#include <linux/iommu.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/platform_device.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>

#include <vfio-compat/vfio.h>

#include "bench_pin.h"

#define COPY_MAX	SZ_1M

struct bench_pin {
	struct vfio_device vdev;
	struct mutex lock;	/* all below */
	struct page **pages;	/* BENCH_PIN_PAGES, from the first pin on */
	void *buffer;		/* COPY_MAX bytes, from the first copy on */
	struct bench_pin_job set;
	unsigned int depth;
	struct bench_pin_step *steps;	/* that were loaded */
	u32 nr_steps;
	struct mm_struct *user;	/* which waits for a job's end */
	DECLARE_BITMAP(held, BENCH_PIN_PAGES);
	u8 depths[BENCH_PIN_PAGES];	/* of each page, to check and undo steps */
};

/* A job for a kernel thread */
struct bench_work {
	struct work_struct work;
	struct bench_pin *bp;
	const struct bench_pin_job *job;
	int ret;
};

static struct platform_device *bench_pdevs[BENCH_PIN_DEVICES];
static struct bench_pin *bench_pins[BENCH_PIN_DEVICES];

static struct bench_pin *to_bench_pin(struct vfio_device *vdev)
{
	return container_of(vdev, struct bench_pin, vdev);
}

/* Each call once: the factor is odd and calls are a power of two. */
static u32 nth_call(const struct bench_pin_job *job, u32 n)
{
	if (job->flags & BENCH_PIN_SHUFFLED)
		return n * 0x9e3779b1 & (job->calls - 1);
	return n;
}

static u64 address_of(const struct bench_pin_job *job, u32 call)
{
	return job->at + (call * job->stride << PAGE_SHIFT);
}

static struct page **pages_at(struct bench_pin *bp,
			      const struct bench_pin_job *job, u32 call)
{
	return bp->pages + call * job->size;
}

/* One call of a job, or a negative errno. */
typedef int (*bench_call)(struct bench_pin *bp, u64 at, u32 size,
			  struct page **pages);

static int call_pin(struct bench_pin *bp, u64 at, u32 size, struct page **pages)
{
	return vfio_pin_pages(&bp->vdev, at, size, IOMMU_READ | IOMMU_WRITE,
			      pages);
}

static int call_unpin(struct bench_pin *bp, u64 at, u32 size,
		      struct page **pages)
{
	vfio_unpin_pages(&bp->vdev, at, size);
	return size;
}

static int call_gup(struct bench_pin *bp, u64 at, u32 size, struct page **pages)
{
	int ret = pin_user_pages_fast(at, size, FOLL_WRITE | FOLL_LONGTERM,
				      pages);

	if (ret > 0 && ret != size)
		unpin_user_pages(pages, ret);
	return ret;
}

static int call_put(struct bench_pin *bp, u64 at, u32 size, struct page **pages)
{
	unpin_user_pages_dirty_lock(pages, size, true);
	return size;
}

static int call_pair(struct bench_pin *bp, u64 at, u32 size,
		     struct page **pages)
{
	int ret = call_pin(bp, at, size, pages);

	if (ret > 0)
		call_unpin(bp, at, ret, pages);
	return ret;
}

static int call_gup_put(struct bench_pin *bp, u64 at, u32 size,
			struct page **pages)
{
	int ret = call_gup(bp, at, size, pages);

	if (ret == size)
		call_put(bp, at, size, pages);
	return ret;
}

/* A kernel thread must adopt the memory that it pins. */
static int call_gup_adopted(struct bench_pin *bp, u64 at, u32 size,
			    struct page **pages)
{
	int ret;

	kthread_use_mm(bp->user);
	ret = call_gup(bp, at, size, pages);
	kthread_unuse_mm(bp->user);
	return ret;
}

/*
 * Makes the calls of a job, and returns how many succeeded. It is built into each
 * caller, so that the loop, which is measured too, has little in it.
 */
static __always_inline u32 make_calls(struct bench_pin *bp,
				      const struct bench_pin_job *job,
				      bench_call call)
{
	const u64 step = job->stride << PAGE_SHIFT;
	const u32 calls = job->calls, size = job->size;
	struct page **pages = bp->pages;
	u64 at = job->at;
	u32 n;

	if (job->flags & BENCH_PIN_SHUFFLED) {
		for (n = 0; n < calls; n++) {
			u32 which = nth_call(job, n);

			if (call(bp, address_of(job, which), size,
				 pages_at(bp, job, which)) != size)
				break;
		}
	} else {
		for (n = 0; n < calls; n++, at += step, pages += size)
			if (call(bp, at, size, pages) != size)
				break;
	}
	return n;
}

/* All or nothing: undo() takes the first calls back. */
static __always_inline int make_all_calls(struct bench_pin *bp,
					  const struct bench_pin_job *job,
					  bench_call call, bench_call undo)
{
	u32 made = make_calls(bp, job, call);

	if (made == job->calls)
		return 0;
	while (made--) {
		u32 which = nth_call(job, made);

		undo(bp, address_of(job, which), job->size,
		     pages_at(bp, job, which));
	}
	return -EFAULT;
}

/* Counts how often each page is pinned, unless a step goes below 0 or too far. */
static bool count_step(const struct bench_pin_step *step, u8 *depths)
{
	u32 i;

	for (i = step->page; i < step->page + step->size; i++) {
		if (depths[i] == (step->unpin ? 0 : U8_MAX))
			return false;
		depths[i] += step->unpin ? -1 : 1;
	}
	return true;
}

static bool check_steps(const struct bench_pin_step *steps, u32 count,
			u8 *depths)
{
	u32 n;

	for (n = 0; n < count; n++) {
		if (!steps[n].size || steps[n].size > BENCH_PIN_BATCH ||
		    steps[n].page > BENCH_PIN_PAGES - steps[n].size ||
		    !count_step(&steps[n], depths))
			return false;
	}
	return !memchr_inv(depths, 0, BENCH_PIN_PAGES);
}

/* Takes steps that succeeded back, so many of the first. */
static void undo_steps(struct bench_pin *bp, u64 at, u32 made, bench_call undo)
{
	u32 i;

	memset(bp->depths, 0, BENCH_PIN_PAGES);
	for (i = 0; i < made; i++)
		count_step(&bp->steps[i], bp->depths);
	for (i = 0; i < BENCH_PIN_PAGES; i++)
		for (; bp->depths[i]; bp->depths[i]--)
			undo(bp, at + ((u64)i << PAGE_SHIFT), 1, bp->pages + i);
}

static __always_inline int make_steps(struct bench_pin *bp, u64 at,
				      bench_call call, bench_call undo)
{
	const struct bench_pin_step *step = bp->steps;
	u32 n;

	for (n = 0; n < bp->nr_steps; n++, step++) {
		u64 where = at + ((u64)step->page << PAGE_SHIFT);
		struct page **pages = bp->pages + step->page;

		if (step->unpin) {
			undo(bp, where, step->size, pages);
		} else if (call(bp, where, step->size, pages) != step->size) {
			undo_steps(bp, at, n, undo);
			return -EFAULT;
		}
	}
	return 0;
}

static int make_pairs(struct bench_pin *bp, const struct bench_pin_job *job)
{
	u64 beside = address_of(job, job->calls);
	struct page *page;
	int ret;

	if (job->flags & BENCH_PIN_BESIDE && call_pin(bp, beside, 1, &page) != 1)
		return -EFAULT;
	ret = make_calls(bp, job, call_pair) == job->calls ? 0 : -EFAULT;
	if (job->flags & BENCH_PIN_BESIDE)
		call_unpin(bp, beside, 1, &page);
	return ret;
}

static int run_copy(struct bench_pin *bp, const struct bench_pin_job *job)
{
	u32 n;
	int ret = 0;

	for (n = 0; n < job->calls && !ret; n++) {
		u64 at = address_of(job, nth_call(job, n));

		if (job->op == BENCH_READ || job->op == BENCH_WRITE)
			ret = vfio_dma_rw(&bp->vdev, at, bp->buffer, job->size,
					  job->op == BENCH_WRITE);
		else if (job->op == BENCH_COPY_FROM)
			ret = copy_from_user(bp->buffer, u64_to_user_ptr(at),
					     job->size) ? -EFAULT : 0;
		else
			ret = copy_to_user(u64_to_user_ptr(at), bp->buffer,
					   job->size) ? -EFAULT : 0;
	}
	return ret;
}

static bool is_copy(u32 op)
{
	return op >= BENCH_READ && op <= BENCH_COPY_TO;
}

static bool is_steps(u32 op)
{
	return op == BENCH_STEPS || op == BENCH_GUP_STEPS;
}

static int run(struct bench_pin *bp, const struct bench_pin_job *job)
{
	switch (job->op) {
	case BENCH_PIN:
		return make_all_calls(bp, job, call_pin, call_unpin);
	case BENCH_UNPIN:
		make_calls(bp, job, call_unpin);
		return 0;
	case BENCH_GUP:
		if (job->flags & BENCH_PIN_THREAD)
			return make_all_calls(bp, job, call_gup_adopted,
					      call_put);
		return make_all_calls(bp, job, call_gup, call_put);
	case BENCH_PUT:
		make_calls(bp, job, call_put);
		return 0;
	case BENCH_PAIR:
		return make_pairs(bp, job);
	case BENCH_STEPS:
		return make_steps(bp, job->at, call_pin, call_unpin);
	case BENCH_GUP_STEPS:
		return make_steps(bp, job->at, call_gup, call_put);
	case BENCH_GUP_PUT:
		return make_calls(bp, job, call_gup_put) == job->calls ?
		       0 : -EFAULT;
	default:
		return run_copy(bp, job);
	}
}

static void run_work(struct work_struct *work)
{
	struct bench_work *bw = container_of(work, struct bench_work, work);

	bw->ret = run(bw->bp, bw->job);
}

static int check(const struct bench_pin_job *job)
{
	u64 pages = (u64)job->calls * job->stride, last;

	if (job->op > BENCH_COPY_TO ||
	    (job->flags & ~(BENCH_PIN_SHUFFLED | BENCH_PIN_THREAD | BENCH_PIN_BESIDE)) ||
	    !job->calls || job->calls > BENCH_PIN_PAGES || !job->size ||
	    job->stride > U32_MAX)
		return -EINVAL;
	if ((job->flags & BENCH_PIN_SHUFFLED) && !is_power_of_2(job->calls))
		return -EINVAL;
	if (job->flags & BENCH_PIN_BESIDE && job->op != BENCH_PAIR)
		return -EINVAL;
	if ((job->op == BENCH_GUP_PUT || job->op == BENCH_GUP_STEPS) &&
	    (job->flags & BENCH_PIN_THREAD))
		return -EINVAL;
	if (is_steps(job->op)) {
		if (job->calls != 1 || job->size != 1 || job->stride != 1)
			return -EINVAL;
		pages = BENCH_PIN_PAGES;
	}
	if (check_add_overflow(job->at, pages << PAGE_SHIFT, &last))
		return -EINVAL;
	if (is_copy(job->op))
		return job->size > COPY_MAX ||
		       ((job->flags & BENCH_PIN_THREAD) &&
			job->op >= BENCH_COPY_FROM) ? -EINVAL : 0;
	if (!PAGE_ALIGNED(job->at) || job->size > BENCH_PIN_BATCH ||
	    job->stride < job->size ||
	    job->calls * job->size > BENCH_PIN_PAGES)
		return -EINVAL;
	return 0;
}

/* Are these the pages that are pinned, in calls of whatever size? */
static bool same_set(const struct bench_pin_job *a,
		     const struct bench_pin_job *b)
{
	bool vfio_a = a->op <= BENCH_PAIR, vfio_b = b->op <= BENCH_PAIR;

	if (vfio_a != vfio_b || a->at != b->at ||
	    a->calls * a->size != b->calls * b->size)
		return false;
	return (a->size == a->stride && b->size == b->stride) ||
	       (a->size == b->size && a->stride == b->stride);
}

static u32 pages_of(const struct bench_pin_job *job)
{
	return job->calls * job->size;
}

/* May it be done, given what is pinned? What is not VFIO's is pinned once. */
static int admit(struct bench_pin *bp, const struct bench_pin_job *job)
{
	bool same = bp->depth && same_set(&bp->set, job) &&
		    bitmap_full(bp->held, pages_of(job));

	switch (job->op) {
	case BENCH_PIN:
		return !bp->depth || (same && bp->depth == 1) ? 0 : -EBUSY;
	case BENCH_PAIR:
	case BENCH_GUP:
	case BENCH_GUP_PUT:
		return !bp->depth ? 0 : -EBUSY;
	case BENCH_STEPS:
	case BENCH_GUP_STEPS:
		return !bp->steps ? -EINVAL : bp->depth ? -EBUSY : 0;
	case BENCH_UNPIN:
	case BENCH_PUT:
		return same ? 0 : -EINVAL;
	default:
		return 0;
	}
}

static void record(struct bench_pin *bp, const struct bench_pin_job *job)
{
	switch (job->op) {
	case BENCH_PIN:
	case BENCH_GUP:
		if (!bp->depth++) {
			bp->set = *job;
			bitmap_fill(bp->held, pages_of(job));
		}
		break;
	case BENCH_UNPIN:
	case BENCH_PUT:
		bp->depth--;
		break;
	}
}

/* What a job needs is not made when a device is opened: that is measured too. */
static int provide(struct bench_pin *bp, const struct bench_pin_job *job)
{
	if (is_copy(job->op)) {
		if (!bp->buffer)
			bp->buffer = kvzalloc(COPY_MAX, GFP_KERNEL);
		return bp->buffer ? 0 : -ENOMEM;
	}
	if (!bp->pages)
		bp->pages = kvcalloc(BENCH_PIN_PAGES, sizeof(*bp->pages),
				     GFP_KERNEL);
	return bp->pages ? 0 : -ENOMEM;
}

static long bench_pin_run(struct bench_pin *bp, const struct bench_pin_job *job)
{
	struct bench_work bw = { .bp = bp, .job = job };
	int ret;

	lockdep_assert_held(&bp->lock);

	ret = admit(bp, job);
	if (!ret)
		ret = provide(bp, job);
	if (ret)
		return ret;
	if (job->flags & BENCH_PIN_THREAD) {
		bp->user = current->mm;
		INIT_WORK_ONSTACK(&bw.work, run_work);
		queue_work(system_unbound_wq, &bw.work);
		flush_work(&bw.work);
		destroy_work_on_stack(&bw.work);
		ret = bw.ret;
	} else {
		ret = run(bp, job);
	}
	if (!ret)
		record(bp, job);
	return ret;
}

static long bench_pin_load(struct bench_pin *bp,
			   const struct bench_pin_load __user *arg)
{
	struct bench_pin_step *steps;
	struct bench_pin_load load;
	bool good;

	if (copy_from_user(&load, arg, sizeof(load)))
		return -EFAULT;
	if (!load.count || load.count > BENCH_PIN_STEPS || load.zero)
		return -EINVAL;
	steps = vmemdup_user(u64_to_user_ptr(load.steps),
			     array_size(load.count, sizeof(*steps)));
	if (IS_ERR(steps))
		return PTR_ERR(steps);

	mutex_lock(&bp->lock);
	memset(bp->depths, 0, BENCH_PIN_PAGES);
	good = check_steps(steps, load.count, bp->depths);
	if (good) {
		swap(bp->steps, steps);
		bp->nr_steps = load.count;
	}
	mutex_unlock(&bp->lock);
	kvfree(steps);
	return good ? 0 : -EINVAL;
}

static long bench_pin_ioctl(struct vfio_device *vdev, unsigned int cmd,
			    unsigned long arg)
{
	struct bench_pin *bp = to_bench_pin(vdev);
	struct bench_pin_job job;
	long ret;

	if (cmd == BENCH_PIN_LOAD)
		return bench_pin_load(bp, (void __user *)arg);
	if (cmd != BENCH_PIN_RUN)
		return -ENOTTY;
	if (copy_from_user(&job, (void __user *)arg, sizeof(job)))
		return -EFAULT;
	ret = check(&job);
	if (ret)
		return ret;

	mutex_lock(&bp->lock);
	ret = bench_pin_run(bp, &job);
	mutex_unlock(&bp->lock);
	return ret;
}

static u64 page_at(const struct bench_pin_job *set, u32 page)
{
	return address_of(set, page / set->size) +
	       ((u64)(page % set->size) << PAGE_SHIFT);
}

/* Unpins what is left between two IOVAs, the last inclusive. */
static void give_back(struct bench_pin *bp, u64 first, u64 last)
{
	const struct bench_pin_job *set = &bp->set;
	u32 all = pages_of(set), page = 0, run;
	unsigned int i;

	lockdep_assert_held(&bp->lock);

	if (first > set->at)
		page = min_t(u64, all, div64_u64((first - set->at) >> PAGE_SHIFT,
						 set->stride) * set->size);
	while ((page = find_next_bit(bp->held, all, page)) < all) {
		u64 at = page_at(set, page);

		if (at > last)
			break;
		if (at < first) {
			page++;
			continue;
		}
		run = find_next_zero_bit(bp->held, all, page) - page;
		if (set->size != set->stride)
			run = min(run, set->size - page % set->size);
		run = min_t(u32, run, BENCH_PIN_BATCH);
		run = min_t(u64, run, ((last - at) >> PAGE_SHIFT) + 1);
		for (i = 0; i < bp->depth; i++)
			vfio_unpin_pages(&bp->vdev, at, run);
		bitmap_clear(bp->held, page, run);
		page += run;
	}
	if (bitmap_empty(bp->held, all))
		bp->depth = 0;
}

static void bench_pin_dma_unmap(struct vfio_device *vdev, u64 iova, u64 length)
{
	struct bench_pin *bp = to_bench_pin(vdev);

	mutex_lock(&bp->lock);
	if (bp->depth && bp->set.op == BENCH_PIN)
		give_back(bp, iova, iova + length - 1);
	mutex_unlock(&bp->lock);
}

static int bench_pin_open(struct vfio_device *vdev)
{
	return 0;
}

static void bench_pin_close(struct vfio_device *vdev)
{
	struct bench_pin *bp = to_bench_pin(vdev);

	mutex_lock(&bp->lock);
	if (bp->depth && bp->set.op == BENCH_PIN) {
		give_back(bp, 0, U64_MAX);
	} else if (bp->depth) {
		unpin_user_pages_dirty_lock(bp->pages, pages_of(&bp->set), true);
		bp->depth = 0;
	}
	kvfree(bp->pages);
	bp->pages = NULL;
	kvfree(bp->steps);
	bp->steps = NULL;
	kvfree(bp->buffer);
	bp->buffer = NULL;
	mutex_unlock(&bp->lock);
}

static int bench_pin_init_dev(struct vfio_device *vdev)
{
	mutex_init(&to_bench_pin(vdev)->lock);
	return 0;
}

static void bench_pin_release(struct vfio_device *vdev)
{
	mutex_destroy(&to_bench_pin(vdev)->lock);
	vfio_compat_free_device(vdev);
}

static const struct vfio_device_ops bench_pin_ops = {
	.name = "bench-pin",
	.init = bench_pin_init_dev,
	.release = bench_pin_release,
	VFIO_COMPAT_EMULATED_IOMMUFD_OPS
	.open_device = bench_pin_open,
	.close_device = bench_pin_close,
	.ioctl = bench_pin_ioctl,
	.dma_unmap = bench_pin_dma_unmap,
};

static int add_device(int id)
{
	struct platform_device *pdev;
	struct bench_pin *bp;
	int ret;

	pdev = platform_device_register_simple("bench_pin", id, NULL, 0);
	if (IS_ERR(pdev))
		return PTR_ERR(pdev);
	bp = vfio_alloc_device(bench_pin, vdev, &pdev->dev, &bench_pin_ops);
	if (IS_ERR(bp)) {
		ret = PTR_ERR(bp);
		goto unregister;
	}
	ret = vfio_register_emulated_iommu_dev(&bp->vdev);
	if (ret)
		goto put;

	bench_pdevs[id] = pdev;
	bench_pins[id] = bp;
	return 0;

put:
	vfio_put_device(&bp->vdev);
unregister:
	platform_device_unregister(pdev);
	return ret;
}

static void remove_devices(int count)
{
	while (count--) {
		vfio_unregister_group_dev(&bench_pins[count]->vdev);
		vfio_put_device(&bench_pins[count]->vdev);
		platform_device_unregister(bench_pdevs[count]);
	}
}

/* Whether an open device holds its module, the VFIO core asks its driver. */
static struct platform_driver bench_pin_driver = {
	.driver = {
		.name = "bench_pin",
		.suppress_bind_attrs = true,
	},
};

static int __init bench_pin_init(void)
{
	int i, ret;

	ret = platform_driver_register(&bench_pin_driver);
	if (ret)
		return ret;
	for (i = 0; i < BENCH_PIN_DEVICES; i++) {
		ret = add_device(i);
		if (ret) {
			remove_devices(i);
			platform_driver_unregister(&bench_pin_driver);
			return ret;
		}
	}
	return 0;
}
module_init(bench_pin_init);

static void __exit bench_pin_exit(void)
{
	remove_devices(BENCH_PIN_DEVICES);
	platform_driver_unregister(&bench_pin_driver);
}
module_exit(bench_pin_exit);

MODULE_DESCRIPTION("VFIO devices that pin pages, to measure type1 with");
MODULE_LICENSE("GPL");
