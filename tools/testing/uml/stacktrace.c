// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the test kernels have in place of arch/um/kernel/stacktrace.c: see build.
 *
 * KASAN and kmemleak take a stack trace with each allocation. Linux' own looks up
 * every word of the stack among the addresses of all code, a third of what such a
 * kernel does, and has empty traces without frame pointers. This one follows the
 * frame pointers, from frame to frame, until one lies outside of the stack.
 */
#include <linux/align.h>
#include <linux/export.h>
#include <linux/init.h>
#include <linux/kasan.h>
#include <linux/mman.h>
#include <linux/sched.h>
#include <linux/stacktrace.h>
#include <asm/stacktrace.h>

void dump_trace(struct task_struct *task, const struct stacktrace_ops *ops,
		void *data)
{
	struct pt_regs *fault = task->thread.segv_regs;
	unsigned long at = get_frame_pointer(task, fault);
	unsigned long lowest = (unsigned long)get_stack_pointer(task, fault);
	unsigned long end = ALIGN(lowest + 1, THREAD_SIZE);
	const struct stack_frame *frame;

	while (at >= lowest && at <= end - sizeof(*frame) &&
	       IS_ALIGNED(at, sizeof(long))) {
		frame = (const struct stack_frame *)at;
		ops->address(data, READ_ONCE_NOCHECK(frame->return_address), 1);
		lowest = at + sizeof(*frame);
		at = READ_ONCE_NOCHECK(*(unsigned long *)&frame->next_frame);
	}
}

static void keep(void *data, unsigned long address, int reliable)
{
	struct stack_trace *trace = data;

	if (trace->skip)
		trace->skip--;
	else if (trace->nr_entries < trace->max_entries)
		trace->entries[trace->nr_entries++] = address;
}

static const struct stacktrace_ops keep_ops = { .address = keep };

void save_stack_trace_tsk(struct task_struct *task, struct stack_trace *trace)
{
	/* Less this function, where the trace is its own. */
	if (task == current)
		trace->skip++;
	dump_trace(task, &keep_ops, trace);
}
EXPORT_SYMBOL_GPL(save_stack_trace_tsk);

void save_stack_trace(struct stack_trace *trace)
{
	trace->skip++;
	dump_trace(current, &keep_ops, trace);
}
EXPORT_SYMBOL_GPL(save_stack_trace);

/*
 * Each process that the kernel starts on the host is at first a copy of it. None
 * looks at KASAN's shadow of the memory, so that is not copied.
 */
int madvise(void *start, size_t len, int advice);

static int __init keep_shadow_from_copies(void)
{
	return madvise((void *)KASAN_SHADOW_START, KASAN_SHADOW_SIZE, MADV_WIPEONFORK);
}
early_initcall(keep_shadow_from_copies);
