#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# libvirt lists the sample card's types, creates a device and destroys it. Where
# no libvirtd runs and no systemd would start one, as in a virtual machine of
# make check, it is started for the time of the test, with what it needs.
# shellcheck disable=SC2317 # functions that check calls
. "$(dirname "$0")/mdev_lib.sh"
PATH=$PATH:/usr/sbin:/sbin:/lib/systemd

need_root
for program in libvirtd virsh udevadm mdevctl; do
	need_program $program
done

daemons=()

# Starts a program that stays in the foreground.
start()
{
	"$@" </dev/null >/dev/null 2>&1 &
	daemons+=($!)
}

# until_true COMMAND...: waits for it.
until_true()
{
	local end=$((SECONDS + 300))

	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.2
	done
}

cleanup()
{
	local i

	for ((i = ${#daemons[@]} - 1; i >= 0; i--)); do
		kill "${daemons[i]}" 2>/dev/null
		wait "${daemons[i]}" 2>/dev/null
	done
	unload_all
}

virsh()
{
	timeout 120 virsh -q -c 'nodedev:///system?mode=legacy' "$@"
}

start_libvirt()
{
	need_program systemd-udevd
	need_program dbus-daemon
	mkdir -p /run/udev /run/dbus /run/libvirt
	start systemd-udevd
	until_true udevadm control --ping
	udevadm trigger --action=add --subsystem-match=mtty \
		--subsystem-match=mdev --subsystem-match=misc
	udevadm settle
	start dbus-daemon --system --nofork --nopidfile
	until_true test -S /run/dbus/system_bus_socket
	start libvirtd
}

trap cleanup EXIT
need_module mtty
if ! virsh uri >/dev/null 2>&1; then
	[ ! -d /run/systemd/system ] || skip_all "libvirtd is not running"
	start_libvirt
fi

uuid=5d9e3a38-4d0c-4a34-9a1c-6d0f3c0e7a02
device=/sys/bus/mdev/devices/$uuid
type=mtty-2
node=
xml=$(mktemp)

# The name that libvirt gives the device may end in its parent's.
listed()
{
	virsh nodedev-list --cap mdev --all | grep "^mdev_${uuid//-/_}"
}

the_types_are_listed()
{
	virsh nodedev-list --cap mdev_types | grep '^mtty_'
}

parent_tells_its_types()
{
	local dump

	dump=$(virsh nodedev-dumpxml "$parent") || return
	[[ $dump == *"<type id='$type'>"* &&
	   $dump == *"<deviceAPI>vfio-pci</deviceAPI>"* &&
	   $dump == *"<availableInstances>"* ]] ||
		{ echo "$dump"; return 1; }
}

write_xml()
{
	cat >"$xml" <<-END
	<device>
	  <parent>$parent</parent>
	  <capability type='mdev'>
	    <type id='$type'/>
	    <uuid>$uuid</uuid>
	  </capability>
	</device>
	END
}

create()
{
	write_xml
	virsh nodedev-create "$xml" && test -e "$device/driver"
}

device_tells_its_group()
{
	local dump group

	group=$(readlink "$device/iommu_group")
	dump=$(virsh nodedev-dumpxml "$node") || return
	[[ $dump == *"<iommuGroup number='${group##*/}'/>"* &&
	   $dump == *"<uuid>$uuid</uuid>"* ]] || { echo "$dump"; return 1; }
}

# libvirt asks the group whether the device is in use.
open_device_stays()
{
	local group

	group=$(readlink "$device/iommu_group")
	exec 9<>"/dev/vfio/${group##*/}" || return
	if virsh nodedev-destroy "$node"; then
		echo "destroyed while open"
		return 1
	fi
	exec 9>&-
	test -e "$device"
}

destroy()
{
	virsh nodedev-destroy "$node" && test ! -e "$device"
}

define_and_start()
{
	virsh nodedev-define "$xml" &&
		virsh nodedev-start "$node" && test -e "$device/driver"
}

undefine()
{
	destroy && virsh nodedev-undefine "$node" && ! listed
}

plan 9
check "libvirtd answers" until_true virsh uri
check "the parent is listed" until_true the_types_are_listed
parent=$(the_types_are_listed | head -n 1)
check "its types are told" parent_tells_its_types
check "nodedev-create" create
check "the device is listed" until_true listed
node=$(listed)
check "its group is told" device_tells_its_group
check "an open device is not destroyed" open_device_stays
check "nodedev-destroy" destroy
check "nodedev-define, -start, -destroy and -undefine" \
	eval "define_and_start && undefine"
rm -f "$xml"
finish
