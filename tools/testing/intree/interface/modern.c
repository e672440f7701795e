// SPDX-License-Identifier: GPL-2.0-only
/* A source that does not ask sees the modern interface, and the kernel's pins. */
#include <linux/mdev.h>
#include <linux/module.h>
#include <linux/vfio.h>

#if MDEV_INTERFACE != MDEV_INTERFACE_MODERN
#error "a kernel tree's own sources are to see the modern interface"
#endif

#ifdef mdev_register_device
#error "a name of the classic interface is to be seen"
#endif

static_assert(__same_type(mdev_register_driver,
			  int (struct mdev_driver *)));
static_assert(__same_type(vfio_pin_pages,
			  int (struct vfio_device *, dma_addr_t, int, int,
			       struct page **)));

MODULE_DESCRIPTION("Mediated devices: what a source sees in a kernel tree");
MODULE_LICENSE("GPL");
