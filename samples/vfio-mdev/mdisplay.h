/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * Sample vendor driver mdisplay: what a guest's driver needs to know
 *
 * BAR 0 starts with the frame buffer, 32 bits a pixel (DRM_FORMAT_XRGB8888),
 * line after line without a gap. Its last page holds registers of 32 bits,
 * little-endian; narrower writes and those of impossible values are dropped.
 */
#ifndef _SAMPLES_MDISPLAY_H
#define _SAMPLES_MDISPLAY_H

#define MDISPLAY_REGISTERS	4096	/* from the end of BAR 0 */

#define MDISPLAY_ID		0x00	/* MDISPLAY_MAGIC */
#define MDISPLAY_MAX_WIDTH	0x04	/* read-only, in pixels */
#define MDISPLAY_MAX_HEIGHT	0x08
#define MDISPLAY_WIDTH		0x0c	/* the mode */
#define MDISPLAY_HEIGHT		0x10
#define MDISPLAY_STRIDE		0x14	/* read-only, bytes a line */
#define MDISPLAY_CONTROL	0x18
#define MDISPLAY_IRQ_STATUS	0x1c	/* written ones clear */
#define MDISPLAY_IRQ_ENABLE	0x20
#define MDISPLAY_LINK		0x24	/* read-only, 1 with a monitor */
#define MDISPLAY_EDID_SIZE	0x28	/* read-only, 0 if nothing is known */
#define MDISPLAY_EDID		0x400	/* read-only, MDISPLAY_EDID_MAX bytes */

#define MDISPLAY_MAGIC		0x5053444d
#define MDISPLAY_CONTROL_ON	0x1
#define MDISPLAY_IRQ_MONITOR	0x1	/* link or EDID changed */
#define MDISPLAY_EDID_MAX	512

#endif /* _SAMPLES_MDISPLAY_H */
