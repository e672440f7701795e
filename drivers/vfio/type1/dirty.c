// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which pages may have been written to
 *
 * While this is tracked, each mapping has a bit for each page. A page is dirty
 * that a mediated device has pinned or copied to; it stays so while it is
 * pinned. A device behind an IOMMU can write to all that is mapped, so as long
 * as there is one in the container all is dirty, unless its driver pins what it
 * uses (a scoped group).
 *
 * A mapping that is going is not written to any more, so its bits are read and
 * stay. Those of others are taken, read and cleared at once under the mapping's
 * lock, a buffer full at a time, and then set for what is pinned: whoever unpins a page
 * sets its bit as well, so none is missed that was unpinned in between. None is lost if
 * the user's memory cannot be written: that is found out before the first is taken,
 * and if it has changed since, or the task is killed, all that was told counts as dirty
 * again.
 *
 * Bits are read, set and searched for in bites of BITE_PAGES. Between two of them
 * the mapping's lock is let go, others get a turn, and a task that is killed ends;
 * domains_lock and maps_lock stay, so no bitmap comes or goes meanwhile.
 */
#include <linux/log2.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "type1.h"

/* A page of bits. */
#define BITE_PAGES	(PAGE_SIZE * BITS_PER_BYTE)

/* So much of a user's bitmap is made writable at once. */
#define FAULT_BYTES	SZ_256K

/**
 * t1_dirty_mark - pages may have been written to
 * @m: the mapping; if it is not tracked nothing is done
 * @page: the first of them
 * @npages: how many
 *
 * Context: process context, the mapping's lock is not held. Sleeps.
 */
void t1_dirty_mark(struct t1_map *m, unsigned long page, unsigned long npages)
{
	unsigned long *bits, n;

	for (; npages; npages -= n, page += n) {
		n = min(npages, BITE_PAGES);
		t1_map_lock(m);
		bits = t1_map_dirty(m);
		if (bits)
			bitmap_set(bits, page, n);
		t1_map_unlock(m);
		cond_resched();
	}
}

/* Have some pages of a mapping dirty, as far as they are pinned. */
static void mark_pinned(struct t1_map *m, unsigned long page, unsigned long npages)
{
	unsigned long index = page + m->align, last = index + npages - 1, place;
	struct t1_stretch *s;

	xa_for_each_range(&m->local.stretches, place, s, index >> STRETCH_SHIFT,
			  last >> STRETCH_SHIFT) {
		index = max(index, place << STRETCH_SHIFT);
		t1_stretch_lock(s);
		t1_map_lock(m);
		t1_stretch_mark(s, t1_slot(index), t1_in_stretch(index, last - index + 1),
				t1_map_dirty(m), index - m->align);
		t1_map_unlock(m);
		t1_stretch_unlock(s);
		cond_resched();
	}
}

/* Have a mapping, which has an extra, be tracked with some bits; or no more: NULL. */
static void set_bits(struct t1_map *m, unsigned long *bits)
{
	t1_map_lock(m);
	m->extra->dirty = bits;
	t1_map_set_bars(m);
	t1_map_unlock(m);
}

/**
 * t1_dirty_track - have a bit for each page of a mapping
 * @m: the mapping
 *
 * If it fails, an extra that it made goes with the mapping, or when all are tracked
 * no more.
 *
 * Context: process context, domains_lock is held: for writing, if others may use the
 * mapping. Sleeps.
 * Return: 0; -ENOMEM; -EINVAL: too large for dirty pages to be tracked.
 */
int t1_dirty_track(struct t1_map *m)
{
	unsigned long *bits;

	if (t1_map_npages(m) > T1_DIRTY_MAX_PAGES)
		return -EINVAL;
	if (t1_map_want_extra(m))
		return -ENOMEM;
	bits = kvzalloc(T1_DIRTY_BYTES(t1_map_npages(m)), GFP_KERNEL_ACCOUNT);
	if (!bits)
		return -ENOMEM;
	set_bits(m, bits);
	/* Calls that pin or unpin from here on mark that. */
	mark_pinned(m, 0, t1_map_npages(m));
	return 0;
}

static void drop_all_bits(struct t1_container *c)
{
	unsigned long *bits;
	struct t1_map *m;

	for (m = t1_map_first(c, 0); m; m = t1_map_next(m)) {
		bits = t1_map_dirty(m);
		if (bits)
			set_bits(m, NULL);
		kvfree(bits);
		t1_map_drop_extra(m);
		cond_resched();
	}
}

/**
 * t1_dirty_start - start to track
 * @c: the container
 *
 * Context: process context. Sleeps.
 * Return: 0, also if it was started before; -ENOMEM; -EINVAL: a mapping is too
 * large; -EINTR: the task was killed. It can be tried again.
 */
int t1_dirty_start(struct t1_container *c)
{
	struct t1_map *m;
	int ret = 0;

	if (down_write_killable(&c->domains_lock))
		return -EINTR;
	mutex_lock(&c->maps_lock);
	for (m = t1_map_first(c, 0); m && !ret && !c->tracking; m = t1_map_next(m)) {
		ret = fatal_signal_pending(current) ? -EINTR : t1_dirty_track(m);
		cond_resched();
	}
	if (ret)
		drop_all_bits(c);
	else
		c->tracking = true;
	/*
	 * Starting: write the bars of the mappings; full barrier; the user reads memory.
	 * A driver's copy (t1_dma_rw()): write memory; full barrier; read the bars, mark
	 * what was written if it is tracked. Store buffering: at least one side sees the
	 * other.
	 */
	smp_mb();
	c->local_only &= !c->tracking;
	mutex_unlock(&c->maps_lock);
	up_write(&c->domains_lock);
	return ret;
}

/**
 * t1_dirty_stop - track no more
 * @c: the container
 *
 * Context: process context. Sleeps.
 */
void t1_dirty_stop(struct t1_container *c)
{
	down_write(&c->domains_lock);
	mutex_lock(&c->maps_lock);
	c->tracking = false;
	drop_all_bits(c);
	mutex_unlock(&c->maps_lock);
	t1_maps_local_only(c, true);
	up_write(&c->domains_lock);
}

/**
 * t1_dirty_all - anything may have been written to
 * @c: the container
 *
 * Context: process context, domains_lock is held for writing. Sleeps.
 */
void t1_dirty_all(struct t1_container *c)
{
	struct t1_map *m;

	lockdep_assert_held_write(&c->domains_lock);
	mutex_lock(&c->maps_lock);
	for (m = t1_map_first(c, 0); m; m = t1_map_next(m))
		t1_dirty_mark(m, 0, t1_map_npages(m));
	mutex_unlock(&c->maps_lock);
}

/**
 * t1_dirty_check - is a user's bitmap fit for a range?
 * @bitmap: it
 * @size: of the range
 *
 * Context: any.
 * Return: 0 or -EINVAL.
 */
int t1_dirty_check(const struct vfio_bitmap *bitmap, u64 size)
{
	u64 npages;

	if (!is_power_of_2(bitmap->pgsize))
		return -EINVAL;
	npages = size >> __ffs64(bitmap->pgsize);
	if (!npages || bitmap->size > T1_DIRTY_BYTES(T1_DIRTY_MAX_PAGES) ||
	    npages > bitmap->size * BITS_PER_BYTE ||
	    bitmap->size < T1_DIRTY_BYTES(npages))
		return -EINVAL;
	return access_ok((void __user *)bitmap->data, bitmap->size) ? 0 : -EINVAL;
}

/* Read the bits of pages from one on, or take them: those of what is pinned stay. */
static void read_bits(struct t1_container *c, struct t1_map *m, unsigned long page,
		      unsigned long n, unsigned long *bits, bool take)
{
	unsigned long *dirty;

	t1_map_lock(m);
	dirty = t1_map_dirty(m);
	if (atomic_read(&c->nunscoped) && t1_map_is_backed(m))
		bitmap_set(dirty, page, n);
	bitmap_copy(bits, dirty + BIT_WORD(page), n);
	if (take)
		bitmap_clear(dirty, page, n);
	t1_map_unlock(m);
	if (take)
		mark_pinned(m, page, n);
}

/* A bit for each larger page instead: dirty if any of its pages is. */
static unsigned long coarsen(unsigned long *bits, unsigned long n,
			     unsigned int shift)
{
	unsigned long from = 0, to = 0, bit;

	if (!shift)
		return n;
	for (; from < n; from += 1UL << shift, to++) {
		bit = find_next_bit(bits, n, from);
		__assign_bit(to, bits, bit < min(n, from + (1UL << shift)));
	}
	return to;
}

/*
 * Write bits into a user's bitmap from one on. What is before it in its first
 * word stays, and what is behind the last in its last word is 0. @bits has room
 * for a word more.
 */
static int write_bits(u64 __user *bitmap, unsigned long at, unsigned long *bits,
		      unsigned long n)
{
	unsigned int shift = at % 64;
	u64 before;

	bitmap += at / 64;
	if (shift) {
		if (get_user(before, bitmap))
			return -EFAULT;
		n += shift;
		bitmap_shift_left(bits, bits, shift, n);
		bits[0] |= before & GENMASK_ULL(shift - 1, 0);
	}
	bitmap_clear(bits, n, -n % 64);
	return copy_to_user(bitmap, bits, T1_DIRTY_BYTES(n)) ? -EFAULT : 0;
}

/**
 * t1_dirty_report - tell a user which pages of a mapping are dirty
 * @c: the container
 * @m: the mapping
 * @base: the IOVA of the bitmap's first bit, not behind that of the mapping
 * @bitmap: of a page size that the container has
 * @take: what was told is not dirty any more unless it is pinned
 *
 * Context: process context, domains_lock is held. Sleeps.
 * Return: 0; -EFAULT: the bitmap cannot be written; -ENOMEM; -EINTR: the task was
 * killed.
 */
int t1_dirty_report(struct t1_container *c, struct t1_map *m, unsigned long base,
		    const struct vfio_bitmap *bitmap, bool take)
{
	unsigned int shift = __ffs64(bitmap->pgsize) - PAGE_SHIFT;
	unsigned long page, n, at, *bits;
	int ret = 0;

	BUILD_BUG_ON(sizeof(unsigned long) != sizeof(u64));
	/* One that is new may not be tracked yet, and is not dirty then. */
	if (!(READ_ONCE(m->bars) & T1_BAR_DIRTY))
		return 0;
	bits = kmalloc(BITE_PAGES / BITS_PER_BYTE + sizeof(*bits), GFP_KERNEL);
	if (!bits)
		return -ENOMEM;
	for (page = 0; page < t1_map_npages(m) && !ret; page += n) {
		n = min(t1_map_npages(m) - page, BITE_PAGES);
		at = ((m->iova - base) >> PAGE_SHIFT) + page;
		read_bits(c, m, page, n, bits, take);
		ret = write_bits((u64 __user *)bitmap->data, at >> shift, bits,
				 coarsen(bits, n, shift));
		if (!ret && fatal_signal_pending(current))
			ret = -EINTR;
		cond_resched();
	}
	/* What was taken. */
	if (ret && take)
		t1_dirty_mark(m, 0, page);
	kfree(bits);
	return ret;
}

/**
 * t1_dirty_try - can the bits of a range be told, as far as can be known?
 * @c: the container
 * @iova: of the bitmap's first bit
 * @last: the range's last byte
 * @bitmap: of a page size that the container has
 *
 * The mappings may be others by the time that they are told.
 *
 * Context: process context, without maps_lock, which pins may wait for. Sleeps: the
 * memory of the bitmap may be long in coming.
 * Return: 0; -EFAULT; -EINTR: the task was killed.
 */
int t1_dirty_try(struct t1_container *c, unsigned long iova, unsigned long last,
		 const struct vfio_bitmap *bitmap)
{
	/* An IOVA without so many of its lowest bits says which byte of the bitmap it has. */
	unsigned int shift = __ffs64(bitmap->pgsize) + ilog2(BITS_PER_BYTE);
	char __user *bytes = (char __user *)bitmap->data;
	unsigned long at = iova, to = 0, from, n;
	struct t1_map *m;

	for (;;) {
		mutex_lock(&c->maps_lock);
		m = t1_map_first(c, at);
		if (m) {
			at = max(m->iova, at);
			to = min(m->last, last);
		}
		mutex_unlock(&c->maps_lock);
		if (!m || at > last)
			return 0;
		if (fatal_signal_pending(current))
			return -EINTR;
		from = (at - iova) >> shift;
		n = min_t(unsigned long, ((to - iova) >> shift) - from + 1, FAULT_BYTES);
		if (fault_in_safe_writeable(bytes + from, n))
			return -EFAULT;
		if (from + n > (last - iova) >> shift)
			return 0;
		at = iova + ((from + n) << shift);
		cond_resched();
	}
}

/**
 * t1_dirty_get - tell a user which pages of a range are dirty
 * @c: the container
 * @range: it, with a bitmap, both as the user gave them
 *
 * Context: process context. Sleeps.
 * Return: 0; -VFIO_COMPAT_EOVERFLOW: it is not below the top of the address space;
 * -EINVAL: nothing is tracked, or it is no range of whole pages and whole
 * mappings, or the bitmap does not fit; as t1_dirty_report().
 */
int t1_dirty_get(struct t1_container *c,
		 const struct vfio_iommu_type1_dirty_bitmap_get *range)
{
	unsigned long rest, last;
	struct t1_map *m, *told;
	int ret;

	ret = t1_range_last(range->iova, range->size, &last) ?:
	      t1_dirty_check(&range->bitmap, range->size);
	if (ret)
		return ret;
	if (down_read_killable(&c->domains_lock))
		return -EINTR;
	rest = t1_pgsize(c) - 1;
	ret = -EINVAL;
	if (!c->tracking || range->bitmap.pgsize != t1_pgsize(c) ||
	    range->iova & rest || range->size & rest)
		goto unlock;
	ret = t1_dirty_try(c, range->iova, last, &range->bitmap);
	mutex_lock(&c->maps_lock);
	if (t1_maps_split(c, range->iova, last))
		ret = -EINVAL;
	for (m = t1_map_first(c, range->iova); m && m->iova <= last && !ret;
	     m = t1_map_next(m)) {
		/* Those of one that is going stay: the call that unmaps it reads them. */
		ret = t1_dirty_report(c, m, range->iova, &range->bitmap,
				      m->state != T1_MAP_GOING);
		if (!ret)
			continue;
		for (told = t1_map_first(c, range->iova); told != m;
		     told = t1_map_next(told))
			t1_dirty_mark(told, 0, t1_map_npages(told));
	}
	mutex_unlock(&c->maps_lock);
unlock:
	up_read(&c->domains_lock);
	return ret;
}
