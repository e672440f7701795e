// SPDX-License-Identifier: GPL-2.0-only
/*
 * The type1 IOMMU driver of VFIO: what its core and a user call
 *
 * A user's container becomes one of ours with VFIO_SET_IOMMU. Here an ioctl is
 * copied in and checked as to its form, and handed on; the parts are named in
 * type1/type1.h, and so are the locks. The core calls with a reference to this
 * module, and makes sure that a container stays while its groups and devices call
 * into it; that a device is open while its driver pins; and that no device of a group
 * is open when the group leaves.
 *
 * An ioctl it makes without a lock: it reads which container it is for, and calls,
 * while the last group may leave in another thread, and the container be released. So
 * ioctls are counted (struct t1_container). To release waits for those that have begun,
 * and has others refused. One that has read and not begun runs, or was preempted, in the
 * kernel all the time: the memory is freed when no task does so any more, and
 * this module waits for that before it goes.
 */
#include <linux/debugfs.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/wait_bit.h>
#include <linux/vfio.h>

#include <vfio-compat/iommu.h>

#include "type1/type1.h"

bool t1_allow_unsafe_interrupts;
module_param_named(allow_unsafe_interrupts, t1_allow_unsafe_interrupts, bool, 0644);
MODULE_PARM_DESC(allow_unsafe_interrupts,
		 "Pass devices through although they can raise any interrupt, for want of interrupt remapping");

bool t1_disable_hugepages;
module_param_named(disable_hugepages, t1_disable_hugepages, bool, 0644);
MODULE_PARM_DESC(disable_hugepages, "Have the IOMMU map single pages only");

unsigned int t1_dma_entry_limit = U16_MAX;
module_param_named(dma_entry_limit, t1_dma_entry_limit, uint, 0644);
MODULE_PARM_DESC(dma_entry_limit, "How many mappings a container may have (65535)");

static atomic_t containers;

static void *type1_open(unsigned long arg)
{
	struct t1_container *c;

	if (arg != VFIO_TYPE1_IOMMU && arg != VFIO_TYPE1v2_IOMMU &&
	    !vfio_compat_is_nesting(arg))
		return ERR_PTR(-EINVAL);
	c = kzalloc(sizeof(*c), GFP_KERNEL_ACCOUNT);
	if (!c)
		return ERR_PTR(-ENOMEM);
	init_rwsem(&c->domains_lock);
	INIT_LIST_HEAD(&c->domains);
	INIT_LIST_HEAD(&c->groups);
	c->pgsizes = PAGE_MASK;
	mutex_init(&c->maps_lock);
	seqcount_mutex_init(&c->maps_seq, &c->maps_lock);
	c->maps = RB_ROOT;
	c->avail = READ_ONCE(t1_dma_entry_limit);
	c->local_only = true;
	init_rwsem(&c->devices_lock);
	INIT_LIST_HEAD(&c->devices);
	c->v2 = arg != VFIO_TYPE1_IOMMU;
	atomic_set(&c->barred, 1 + !c->v2);
	c->nesting = vfio_compat_is_nesting(arg);
	c->id = atomic_inc_return(&containers);
	return c;
}

/* What ioctls are counted from once the container is being released */
#define IOCTLS_GONE	(INT_MIN / 2)

static void free_container(struct rcu_head *rcu)
{
	kfree(container_of(rcu, struct t1_container, rcu));
}

static void type1_release(void *data)
{
	struct t1_container *c = data;

	/* See wait_for_none() for the order. */
	atomic_add(IOCTLS_GONE, &c->ioctls);
	wait_var_event(&c->ioctls, atomic_read_acquire(&c->ioctls) == IOCTLS_GONE);
	/* Waits for those who read its files, which takes its locks. */
	debugfs_remove(c->debugfs);
	/* What was mapped after the last group had gone. */
	if (c->nmaps)
		t1_unmap_all(c, NULL);
	t1_owner_put(c->owner);
	kfree(c->ranges);
	call_rcu_tasks(&c->rcu, free_container);
}

static __always_inline long map_dma(struct t1_container *c,
				    struct vfio_iommu_type1_dma_map __user *arg)
{
	size_t least = offsetofend(struct vfio_iommu_type1_dma_map, size);
	struct vfio_iommu_type1_dma_map map;
	unsigned long last;

	BUILD_BUG_ON((VFIO_DMA_MAP_FLAG_READ ^ IOMMU_READ) |
		     (VFIO_DMA_MAP_FLAG_WRITE ^ IOMMU_WRITE));
	/* Five reads cost less than the call of a function that copies. */
	if (!user_read_access_begin(arg, least))
		return -EFAULT;
	unsafe_get_user(map.argsz, &arg->argsz, fault);
	unsafe_get_user(map.flags, &arg->flags, fault);
	unsafe_get_user(map.vaddr, &arg->vaddr, fault);
	unsafe_get_user(map.iova, &arg->iova, fault);
	unsafe_get_user(map.size, &arg->size, fault);
	user_read_access_end();
	if (map.argsz < least)
		return -EINVAL;
	if (map.flags == VFIO_DMA_MAP_FLAG_VADDR)
		return t1_map_new_vaddr(c, map.iova, map.vaddr, map.size);
	if (map.flags & ~(VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE |
			  VFIO_DMA_MAP_FLAG_VADDR))
		return -EINVAL;
	if (!map.flags || map.flags & VFIO_DMA_MAP_FLAG_VADDR)
		return t1_range_last(map.iova, map.size, &last) ?:
		       t1_range_last(map.vaddr, map.size, &last) ?: -EINVAL;
	return t1_map(c, map.iova, map.vaddr, map.size, map.flags);

fault:
	user_read_access_end();
	return -EFAULT;
}

static noinline long unmap_dma(struct t1_container *c,
			       struct vfio_iommu_type1_dma_unmap __user *arg)
{
	size_t least = offsetofend(struct vfio_iommu_type1_dma_unmap, size);
	struct vfio_iommu_type1_dma_unmap unmap;
	struct vfio_bitmap bitmap;
	int ret;

	if (copy_from_user(&unmap, arg, least))
		return -EFAULT;
	if (unmap.argsz < least)
		return -EINVAL;
	/* The bitmap goes with no other flag. */
	if (unmap.flags == VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP) {
		if (unmap.argsz < least + sizeof(bitmap))
			return -EINVAL;
		if (copy_from_user(&bitmap, (void __user *)arg + least, sizeof(bitmap)))
			return -EFAULT;
		ret = t1_dirty_check(&bitmap, unmap.size);
		if (ret)
			return ret;
	} else if (unmap.flags & ~(VFIO_DMA_UNMAP_FLAG_ALL | VFIO_DMA_UNMAP_FLAG_VADDR)) {
		return -EINVAL;
	}
	if (unmap.flags & VFIO_DMA_UNMAP_FLAG_VADDR)
		ret = t1_unmap_vaddr(c, unmap.iova, &unmap.size,
				     unmap.flags & VFIO_DMA_UNMAP_FLAG_ALL);
	else
		ret = t1_unmap(c, unmap.iova, &unmap.size, unmap.flags, &bitmap);
	return ret ?: put_user(unmap.size, &arg->size);
}

static long dirty_pages(struct t1_container *c, void __user *arg)
{
	size_t least = offsetofend(struct vfio_iommu_type1_dirty_bitmap, flags);
	struct vfio_iommu_type1_dirty_bitmap_get range;
	struct vfio_iommu_type1_dirty_bitmap dirty;

	if (!c->v2)
		return -EACCES;
	if (copy_from_user(&dirty, arg, least))
		return -EFAULT;
	if (dirty.argsz < least)
		return -EINVAL;
	switch (dirty.flags) {
	case VFIO_IOMMU_DIRTY_PAGES_FLAG_START:
		return t1_dirty_start(c);
	case VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP:
		t1_dirty_stop(c);
		return 0;
	case VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP:
		if (dirty.argsz < least + sizeof(range))
			return -EINVAL;
		if (copy_from_user(&range, arg + least, sizeof(range)))
			return -EFAULT;
		return t1_dirty_get(c, &range);
	default:
		return -EINVAL;
	}
}

/* What is not called for each mapping */
static noinline long rare_ioctl(struct t1_container *c, unsigned int cmd, void __user *arg)
{
	switch (cmd) {
	case VFIO_IOMMU_GET_INFO:
		return t1_get_info(c, arg);
	case VFIO_IOMMU_DIRTY_PAGES:
		return dirty_pages(c, arg);
	default:
		return -ENOTTY;
	}
}

static long type1_ioctl(void *data, unsigned int cmd, unsigned long arg)
{
	struct t1_container *c = data;
	long ret;

	/* The core has a lock for this one, and may have no container yet. */
	if (cmd == VFIO_CHECK_EXTENSION)
		return t1_check_extension(c, arg);
	/* Without it, it may have read that there is one, and then that there is none. */
	if (unlikely(!c))
		return -EINVAL;
	if (unlikely(atomic_add_negative(1, &c->ioctls)))
		ret = -EINVAL;
	else if (cmd == VFIO_IOMMU_MAP_DMA)
		ret = map_dma(c, (void __user *)arg);
	else if (cmd == VFIO_IOMMU_UNMAP_DMA)
		ret = unmap_dma(c, (void __user *)arg);
	else
		ret = rare_ioctl(c, cmd, (void __user *)arg);
	if (unlikely(atomic_add_negative(-1, &c->ioctls)))
		wake_up_var(&c->ioctls);
	return ret;
}

static const struct vfio_iommu_driver_ops type1_ops = {
	.name = "vfio-iommu-type1-mdev",
	.owner = THIS_MODULE,
	.open = type1_open,
	.release = type1_release,
	.ioctl = type1_ioctl,
	.attach_group = t1_attach,
	.detach_group = t1_detach,
	.pin_pages = t1_pin_pages,
	.unpin_pages = t1_unpin_pages,
	.register_device = t1_add_device,
	.unregister_device = t1_remove_device,
	.dma_rw = t1_dma_rw,
	.group_iommu_domain = t1_group_domain,
};

static int __init type1_init(void)
{
	int ret;

	t1_debugfs_init();
	ret = vfio_register_iommu_driver(&type1_ops);
	if (ret)
		t1_debugfs_exit();
	else
		pr_info(KBUILD_MODNAME ": the type1 of vfio-mdev serves new containers\n");
	return ret;
}
module_init(type1_init);

static void __exit type1_exit(void)
{
	vfio_unregister_iommu_driver(&type1_ops);
	t1_debugfs_exit();
	/* Full stretches are freed by a function of ours, and containers. */
	rcu_barrier();
	if (IS_ENABLED(CONFIG_TASKS_RCU))
		rcu_barrier_tasks();
}
module_exit(type1_exit);

MODULE_DESCRIPTION("Type1 IOMMU driver for VFIO, with a local domain for mediated devices");
MODULE_VERSION("1.0");
MODULE_LICENSE("GPL");
