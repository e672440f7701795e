/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/* Sample vendor driver mccw: what its user needs to know */
#ifndef _SAMPLES_MCCW_H
#define _SAMPLES_MCCW_H

#include <linux/types.h>

/**
 * struct mccw_io_region - the I/O region of a subchannel, 140 bytes
 * @orb: operation request block, as for START SUBCHANNEL
 * @scsw: subchannel status word, its function control asks for the start
 * @irb: interruption response block of the last request
 * @ret_code: 0 when the last write started its channel program, or a negated
 *	      errno
 * @requests: channel programs that came to an end, since the device was opened
 *	      or reset
 * @commands: in these programs
 * @taken: bytes of data the unit took from the user's memory
 * @given: bytes of data it put there
 *
 * It is read and written as a whole only. The user sets orb and scsw; what it
 * writes elsewhere is dropped. The first three are big-endian, as the channel
 * subsystem has them, the others in the host's order.
 */
struct mccw_io_region {
	__u8 orb[12];
	__u8 scsw[12];
	__u8 irb[96];
	__s32 ret_code;
	__u32 requests;
	__u32 commands;
	__u32 taken;
	__u32 given;
};

/* A channel command word, of format 1 */
struct mccw_ccw {
	__u8 command;
	__u8 flags;
	__be16 count;
	__be32 address;
};

#define MCCW_WRITE		0x01	/* keep up to MCCW_BUFFER bytes */
#define MCCW_READ		0x02	/* give back what was kept */
#define MCCW_NOOP		0x03
#define MCCW_SENSE		0x04
#define MCCW_TRANSFER		0x08	/* go on at address */
#define MCCW_SENSE_ID		0xe4
#define MCCW_BUFFER		4096

#define MCCW_FLAG_CHAIN		0x40	/* another command follows */
#define MCCW_FLAG_ANY_LENGTH	0x20	/* no matter how much was moved */
#define MCCW_FLAG_SKIP		0x10	/* read, but do not store */

/* Second word of orb */
#define MCCW_ORB_FORMAT1	0x00800000

/* First word of scsw */
#define MCCW_START		0x00004000
#define MCCW_ALERT		0x00000010
#define MCCW_ENDED		0x00000007

/* First byte of the third word of scsw: the device */
#define MCCW_CHANNEL_END	0x08
#define MCCW_DEVICE_END		0x04
#define MCCW_UNIT_CHECK		0x02

/* Its second byte: the subchannel */
#define MCCW_WRONG_LENGTH	0x40
#define MCCW_PROGRAM_CHECK	0x20

/* First byte of what MCCW_SENSE gives */
#define MCCW_COMMAND_REJECT	0x80

#endif /* _SAMPLES_MCCW_H */
