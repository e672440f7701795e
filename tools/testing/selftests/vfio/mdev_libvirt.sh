#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# libvirt lists the sample card's types, creates a device and destroys it. In a
# virtual machine of make check, where no libvirtd runs, it is started for the time
# of the test, with what it needs; elsewhere it has to run.
# shellcheck disable=SC2317 # functions that check calls
. "$(dirname "$0")/mdev_lib.sh"
PATH=$PATH:/usr/sbin:/sbin:/lib/systemd

need_root
for program in libvirtd virsh udevadm mdevctl; do
	need_program $program
done

work=$(mktemp -d) || exit 1

cleanup()
{
	stop_all TERM
	rm -rf "$work"
	unload_all
}

virsh()
{
	timeout 120 virsh -q -c 'nodedev:///system?mode=legacy' "$@"
}

# libvirtd ends at once where there is no user and no group for its guests, whatever
# qemu.conf says. Debian makes them with a package that is not needed otherwise. The
# files lie in memory, as all that is written in the machine.
add_guests_user()
{
	local name=libvirt-qemu

	getent group $name >/dev/null || echo "$name:x:64055:" >>/etc/group || return
	getent passwd $name >/dev/null ||
		echo "$name:x:64055:64055::/nonexistent:/usr/sbin/nologin" >>/etc/passwd
}

# Each is up before the next one, which uses it, is started.
start_libvirt()
{
	add_guests_user && mkdir -p /run/udev /run/dbus /run/libvirt || return
	start systemd-udevd
	wait_for udevadm control --ping || return
	udevadm trigger --action=add --subsystem-match=mtty \
		--subsystem-match=mdev --subsystem-match=misc
	wait_for udevadm settle --timeout=10 || return
	start dbus-daemon --system --nofork --nopidfile
	wait_for test -S /run/dbus/system_bus_socket || return
	start libvirtd
	wait_for virsh uri
}

trap cleanup EXIT
need_module mtty
how=0
if ! virsh uri >/dev/null 2>&1; then
	[ -n "${VM_RESULTS:-}" ] || skip_all "libvirtd is not running"
	need_program systemd-udevd
	need_program dbus-daemon
	start_libvirt >"$work/start" 2>&1
	how=$?
fi

uuid=5d9e3a38-4d0c-4a34-9a1c-6d0f3c0e7a02
device=/sys/bus/mdev/devices/$uuid
type=mtty-2
node=
xml=$work/xml

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
check "libvirtd answers" sh -c "cat '$work/start'; exit $how"
if [ $how -ne 0 ]; then
	skip_rest 9 "libvirtd does not answer"
	finish
fi
check "the parent is listed" wait_for the_types_are_listed
parent=$(the_types_are_listed | head -n 1)
check "its types are told" parent_tells_its_types
check "nodedev-create" create
check "the device is listed" wait_for listed
node=$(listed)
check "its group is told" device_tells_its_group
check "an open device is not destroyed" open_device_stays
check "nodedev-destroy" destroy
check "nodedev-define, -start, -destroy and -undefine" \
	eval "define_and_start && undefine"
finish
