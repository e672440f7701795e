#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Mediated devices in a kernel with everything built in: came the core up before
# the drivers, the bus driver in time, and do drivers of both generations work
# with nothing loaded?
cd "$(dirname "$0")" || exit 1
# shellcheck source=tools/testing/selftests/vfio/mdev_lib.sh
. ./mdev_lib.sh

# Parents, and the driver that their devices are bound to
parents=(mtty:vfio_mdev mdisplay:vfio_mdev mccw:vfio_mdev mdpy:mdpy mbochs:mbochs)

# Creates a device of the parent's first type, looks at it and removes it.
device_of()
{
	local parent=${1%:*} driver=${1#*:} uuid types type device

	uuid=$(cat /proc/sys/kernel/random/uuid)
	types=(/sys/class/mdev_bus/"$parent"/mdev_supported_types/*)
	type=${types[0]}
	device=/sys/bus/mdev/devices/$uuid
	echo "$uuid" >"$type/create" &&
	[ "$(basename "$(readlink -f "$device/driver")")" = "$driver" ] &&
	[ -e "/dev/vfio/$(basename "$(readlink -f "$device/iommu_group")")" ] &&
	echo 1 >"$device/remove" &&
	[ ! -e "$device" ]
}

need_root
grep -qs /vfio_mdev.ko "/lib/modules/$(uname -r)/modules.builtin" ||
	skip_all "in this kernel vfio_mdev is not built in"
plan $((${#parents[@]} + 1))
for parent in "${parents[@]}"; do
	if [ -e "/sys/class/mdev_bus/${parent%:*}" ] || [[ $parent = *:vfio_mdev ]]; then
		check "${parent%:*}" device_of "$parent"
	else
		case_nr=$((case_nr + 1))
		echo "ok $case_nr ${parent%:*} # SKIP this kernel has it as a module only"
	fi
done
check "kvmgt" test -d /sys/bus/mdev/drivers/intel_vgpu_mdev
finish
