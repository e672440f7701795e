/* SPDX-License-Identifier: GPL-2.0 */
/*
 * QEMU's plugin interface, as far as it is used here: QEMU exports it and Debian packages
 * no header. Debian 12's QEMU 7.2 has version 1 of it. From QEMU 9.1 on a plugin of
 * version 3 is loaded: a counter is an element of a scoreboard, which has one for each
 * virtual CPU, and the bytes of an instruction are copied. Functions that one of the two
 * lacks are weak, and NULL there.
 */
#ifndef QEMU_PLUGIN_H
#define QEMU_PLUGIN_H

#include <linux/types.h>
#include <stddef.h>

struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef __u64 qemu_plugin_id_t;
struct qemu_plugin_scoreboard;

/* An element of a scoreboard, or what is at that place in it */
struct qemu_plugin_u64 {
	struct qemu_plugin_scoreboard *score;
	size_t offset;
};

enum { PLUGIN_INLINE_ADD_U64 };
enum { PLUGIN_CB_NO_REGS };
enum { PLUGIN_MEM_W = 2 };

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id,
					   void (*cb)(qemu_plugin_id_t id,
						      struct qemu_plugin_tb *tb));
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
__u64 qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *
qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
/* In version 1 without TO and SIZE, and it returns where the bytes are. */
size_t qemu_plugin_insn_data(const struct qemu_plugin_insn *insn, void *to, size_t size);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
__u64 qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
#define PLUGIN_WEAK	__attribute__((weak))

/* Version 1 */
PLUGIN_WEAK void
qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *tb, int op,
					 void *value, __u64 imm);
PLUGIN_WEAK void
qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *insn, int op,
					   void *value, __u64 imm);

/* Version 3 */
PLUGIN_WEAK struct qemu_plugin_scoreboard *
qemu_plugin_scoreboard_new(size_t element_size);
PLUGIN_WEAK void *
qemu_plugin_scoreboard_find(struct qemu_plugin_scoreboard *score, unsigned int vcpu);
PLUGIN_WEAK void
qemu_plugin_register_vcpu_tb_exec_inline_per_vcpu(struct qemu_plugin_tb *tb, int op,
						  struct qemu_plugin_u64 entry,
						  __u64 imm);
PLUGIN_WEAK void
qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(struct qemu_plugin_insn *insn,
						    int op,
						    struct qemu_plugin_u64 entry,
						    __u64 imm);

void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *insn,
				      void (*cb)(unsigned int vcpu,
						 __u32 info, __u64 vaddr,
						 void *data),
				      int flags, int rw, void *data);

#endif /* QEMU_PLUGIN_H */
