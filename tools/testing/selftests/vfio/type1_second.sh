#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Our type1 under its second name, beside the kernel's own, which cannot be
# replaced where it is built in or in use: new containers are ours as long as it
# is there.
# shellcheck disable=SC2317 # functions that check calls
. "$(dirname "$0")/mdev_lib.sh"

own=vfio_iommu_type1
second=${own}_mdev
tracing=/sys/kernel/tracing/instances/type1_second

need_root
modinfo "$second" >/dev/null 2>&1 || skip_all "no $second was built"
file=$(find "/lib/modules/$(uname -r)/kernel" -name "$own.ko*" -print -quit)
[ -n "$file" ] || skip_all "this kernel has no $own as a module"
modprobe -r "$own" || skip_all "$own is in use"
work=$(mktemp -d) || exit 1

cleanup()
{
	[ ! -d "$tracing" ] || { echo 0 >"$tracing/events/enable"; rmdir "$tracing"; }
	# Whoever comes next gets the one that modprobe prefers.
	modprobe -r "$second" "$own"
	rm -rf "$work"
}

trap cleanup EXIT

is_loaded()
{
	[ -e "/sys/module/$1/initstate" ]
}

load_own()
{
	modprobe vfio && insmod "$file" && is_loaded "$own"
}

load_second()
{
	modprobe "$second" && is_loaded "$second" && is_loaded "$own"
}

says_so()
{
	dmesg | grep -q "$second: the type1 of vfio-mdev serves new containers"
}

# A test program, as it finds vfio_iommu_type1
pass()
{
	env "TYPE1=$1" "./$2" >"$work/log" 2>&1 || { cat "$work/log"; return 1; }
}

trace()
{
	mkdir "$tracing" && echo 0 >/sys/kernel/tracing/options/record-cmd &&
		echo 1 >"$tracing/events/vfio_type1/enable"
}

were_ours()
{
	grep -q ' map_dma: ' "$tracing/trace" && grep -q ' pin_pages: ' "$tracing/trace"
}

unload_second()
{
	echo 0 >"$tracing/events/vfio_type1/enable" && rmdir "$tracing" &&
		modprobe -r "$second" && ! is_loaded "$second" && is_loaded "$own"
}

plan 8
check "the kernel's own is loaded" load_own
check "ours is loaded beside it" load_second
check "it says that it is in charge" says_so
check "its events can be traced" trace
check "pins are as they are with ours" pass ours type1_pin
check "the containers were ours" were_ours
check "it can be unloaded" unload_second
check "the kernel's own serves again" pass stock type1_map
finish
