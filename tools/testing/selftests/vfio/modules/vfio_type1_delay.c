// SPDX-License-Identifier: GPL-2.0-only
/*
 * Delays in vfio_iommu_type1, where another processor may come in between
 *
 * What its essays say of the order of memory accesses is about moments: a mapping has
 * been found and is not entered yet, its bars are written and its counts not read yet.
 * Here a probe at the beginning of a function that follows such a moment has one call of
 * eight wait, for up to 16 microseconds. The drivers are as they are.
 *
 * /sys/module/vfio_type1_delay/parameters/waits says how often each has made a call
 * wait. vfio_iommu_type1 has to be ours, and loaded before; a function that the compiler
 * has made part of another is left out.
 */
#include <linux/delay.h>
#include <linux/hash.h>
#include <linux/kprobes.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/sysfs.h>

struct point {
	const char *symbol;
	struct kprobe probe;
	bool probed;
	atomic_long_t waits;
};

#define POINT(function)	{ .symbol = "vfio_iommu_type1:" #function }

static struct point points[] = {
	/* A mapping and its stretch are found, and can go until a call is busy there. */
	POINT(pin_one),
	POINT(unpin_found),
	/* No stretch was found: another call may make it. */
	POINT(t1_record_make),
	/* The bars are written, the counts of calls not read. */
	POINT(t1_map_is_idle),
	POINT(t1_map_wait_idle),
	/* A call counts in a mapping that is barred, and will not. */
	POINT(t1_enter_barred),
	/* It has left a mapping, or is about to. */
	POINT(t1_map_let_go),
	POINT(t1_tree_erase),
	/* A stretch wants memory, and its lock is let go. */
	POINT(t1_spare_fill),
	/* Amounts are about to change. */
	POINT(t1_owner_charge),
	POINT(t1_owner_uncharge),
	/* A page is pinned, and for whom is not counted. */
	POINT(t1_group_pinned),
	/* A copy is about to be in flight; bits are about to be read. */
	POINT(t1_map_enter),
	POINT(t1_dirty_report),
};

static int wait_a_little(struct kprobe *probe, struct pt_regs *regs)
{
	struct point *point = container_of(probe, struct point, probe);
	u32 random = hash_32((u32)ktime_get_mono_fast_ns(), 16);

	if (random % 8)
		return 0;
	atomic_long_inc(&point->waits);
	udelay(random / 8 % 16 + 1);
	return 0;
}

static int waits_get(char *buf, const struct kernel_param *param)
{
	unsigned int i;
	int len = 0;

	for (i = 0; i < ARRAY_SIZE(points); i++)
		if (points[i].probed)
			len += sysfs_emit_at(buf, len, "%s %ld\n",
					     strchr(points[i].symbol, ':') + 1,
					     atomic_long_read(&points[i].waits));
	return len;
}

static const struct kernel_param_ops waits_ops = { .get = waits_get };
module_param_cb(waits, &waits_ops, NULL, 0444);

static void unprobe(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(points); i++)
		if (points[i].probed)
			unregister_kprobe(&points[i].probe);
}

static int __init delay_init(void)
{
	unsigned int i, n = 0;
	int ret;

	for (i = 0; i < ARRAY_SIZE(points); i++) {
		points[i].probe.symbol_name = points[i].symbol;
		points[i].probe.pre_handler = wait_a_little;
		ret = register_kprobe(&points[i].probe);
		if (ret && ret != -ENOENT) {
			unprobe();
			return ret;
		}
		points[i].probed = !ret;
		n += !ret;
	}
	return n ? 0 : -ENOENT;
}
module_init(delay_init);

static void __exit delay_exit(void)
{
	unprobe();
}
module_exit(delay_exit);

MODULE_DESCRIPTION("Delays in vfio_iommu_type1, for its tests");
MODULE_LICENSE("GPL");
