#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# libvirt lists the sample card's types, creates a device and destroys it; has one come
# back by itself, as nova asks for it; and gives one to a guest, which works with it. In
# a virtual machine of make check, where no libvirtd runs, it is started for the time
# of the test, with what it needs; elsewhere it has to run.
# shellcheck disable=SC2317 # functions that check calls
. "$(dirname "$0")/mdev_lib.sh"
. "$(dirname "$0")/mdev_guest_lib.sh"
. "$(dirname "$0")/mdev_libvirt_lib.sh"

need_root
for program in libvirtd virsh udevadm mdevctl; do
	need_program $program
done
need_guest

work=$(mktemp -d) || exit 1
console=$work/console
domain=mdev_test

cleanup()
{
	! domain_is running || virsh_qemu destroy "$domain"
	stop_all TERM
	rm -rf "$work"
	unload_all
}

domain_is()
{
	[ "$(virsh_qemu domstate "$domain" 2>/dev/null)" = "$1" ]
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

# As nova does it: the device is to be there whenever its parent is.
starts_by_itself()
{
	virsh nodedev-define "$xml" && virsh nodedev-autostart "$node" &&
		virsh nodedev-start "$node" && test -e "$device/driver" || return
	rmmod mtty && gone "$device" && modprobe mtty &&
		wait_for test -e "$device/driver"
}

# What nova reads of it then, and asks for in the end.
is_listed_and_goes()
{
	wait_for device_tells_its_group && device_tells_its_group && undefine
}

write_domain()
{
	cat >"$work/hostdev" <<-END
	<hostdev mode='subsystem' type='mdev' model='vfio-pci'>
	  <source><address uuid='$uuid'/></source>
	  <alias name='ua-card'/>
	  <address type='pci' domain='0' bus='0' slot='5' function='0'/>
	</hostdev>
	END
	cat >"$work/domain" <<-END
	<domain type='qemu'>
	  <name>$domain</name>
	  <memory unit='MiB'>16</memory>
	  <os>
	    <type arch='x86_64' machine='pc'>hvm</type>
	    <kernel>$guest</kernel>
	  </os>
	  <features><acpi/></features>
	  <cpu mode='custom' match='exact' check='none'><model>qemu64</model></cpu>
	  <devices>
	    <emulator>$(command -v qemu-system-x86_64)</emulator>
	    <controller type='usb' model='none'/>
	    <memballoon model='none'/>
	    <serial type='file'><source path='$console'/></serial>
	$(cat "$work/hostdev")
	  </devices>
	</domain>
	END
}

# libvirt runs QEMU several times to learn what it can do, before it takes the first
# guest.
guest_works_with_it()
{
	create && write_domain && virsh_qemu create "$work/domain" &&
		wait_for says "slot 5: 2 ports work" 1 && in_use "$device"
}

busy_device_stays()
{
	if virsh nodedev-destroy "$node"; then
		echo "destroyed while a guest has it"
		return 1
	fi
	in_use "$device" && says "slot 5: asked to go" 0 && domain_is running
}

unplugged()
{
	virsh_qemu detach-device "$domain" "$work/hostdev" --live &&
		wait_for says "slot 5: gone" 1 && wait_for is_free "$device" &&
		domain_is running
}

plugged_again()
{
	virsh_qemu attach-device "$domain" "$work/hostdev" --live &&
		wait_for says "slot 5: 2 ports work" 2 && in_use "$device"
}

free_when_the_guest_is_destroyed()
{
	virsh_qemu destroy "$domain" && wait_for is_free "$device" && destroy
}

plan 16
check "libvirtd answers" sh -c "cat '$work/start'; exit $how"
if [ $how -ne 0 ]; then
	skip_rest 16 "libvirtd does not answer"
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
if [ ${#started[@]} -eq 0 ]; then
	skip_rest 16 "this machine's own libvirtd is left alone"
	finish
fi
mend_udev_rule
# mdevctl's rule starts it when its parent is added, and again when that is registered:
# one of the two is first.
echo "# expect-dmesg: mdev $uuid was not created: its UUID is in use"
check "nodedev-autostart: it comes with its parent" starts_by_itself
check "as libvirt tells, until it is undefined" is_listed_and_goes
check "a guest works with it" guest_works_with_it
check "a busy device is not destroyed" busy_device_stays
check "detach-device: the guest lets go" unplugged
check "attach-device: the guest works with it" plugged_again
check "it is free when the guest is destroyed" free_when_the_guest_is_destroyed
finish
