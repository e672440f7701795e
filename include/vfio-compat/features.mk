# SPDX-License-Identifier: GPL-2.0
#
# What the kernel offers, for the headers here. The Kbuild file above all that use
# them includes this, before it puts our headers first, and the answers are left
# in $(src)/include/generated/vfio-compat.h, or the build stops.

vfio-compat-ask := $(dir $(lastword $(MAKEFILE_LIST)))ask

# Laid over a kernel tree, this is read before there is anything to compile with:
# then the tree's own preparation asks, after the last of its headers is made.
ifdef vfio-compat-in-tree

vfio-compat: $(offsets-file) $(rq-offsets-file)
	$(Q)said=$$(sh $(vfio-compat-ask) include/generated/vfio-compat.h); \
		[ -z "$$said" ] || { echo "vfio-compat: $$said" >&2; false; }
prepare: vfio-compat
PHONY += vfio-compat

# Cleaning reads this as well.
else ifneq ($(filter %/Makefile.build,$(MAKEFILE_LIST)),)

vfio-compat-said := $(shell sh $(vfio-compat-ask) $(src)/include/generated/vfio-compat.h)
$(if $(vfio-compat-said),$(error $(vfio-compat-said)))

endif
