#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# QEMU passes a PCI device with DMA and a mediated device to one guest, a Linux
# that boots and uses both. They share a container.
# shellcheck disable=SC2317 # functions that check calls
. "$(dirname "$0")/mdev_lib.sh"

need_root
need_program qemu-system-x86_64
need_program busybox
init=$(dirname "$0")/type1_guest
[ -x "$init" ] || skip_all "the guest, a PC, boots the kernel of the tests, which is none of a PC's"
[ -r "${VM_KERNEL:-}" ] || skip_all "no kernel to boot in \$VM_KERNEL"
edu=
for path in /sys/bus/pci/devices/*; do
	[ "$(cat "$path/vendor" "$path/device")" = $'0x1234\n0x11e8' ] || continue
	[ -e "$path/iommu_group" ] && edu=${path##*/} && break
done
[ -n "$edu" ] || skip_all "no edu behind an IOMMU here"
work=$(mktemp -d) || exit 1

give_back()
{
	echo "$edu" >"/sys/bus/pci/devices/$edu/driver/unbind" &&
		echo >"/sys/bus/pci/devices/$edu/driver_override"
}

cleanup()
{
	stop_all KILL
	[ ! -e "/sys/bus/pci/drivers/vfio-pci/$edu" ] || give_back
	rm -rf "$work"
	unload_all
}

trap cleanup EXIT
need_module mtty
need_module vfio_pci

uuid=5d9e3a38-4d0c-4a34-9a1c-6d0f3c0e7a04
card=/sys/bus/mdev/devices/$uuid

prepare()
{
	echo vfio-pci >"/sys/bus/pci/devices/$edu/driver_override" &&
		echo "$edu" >/sys/bus/pci/drivers_probe &&
		echo "$uuid" >/sys/class/mdev_bus/mtty/mdev_supported_types/mtty-2/create &&
		[ -e "$card" ]
}

pack()
{
	mkdir "$work/root" && cp "$init" "$work/root/init" &&
		(cd "$work/root" && find . | busybox cpio -o -H newc) >"$work/initrd"
}

# Without cmpxchg16b, which the kernel would use for each allocation: QEMU 7.2 takes flags
# from it that no processor has, and the guest dies of them as it comes up.
start_guest()
{
	start qemu-system-x86_64 -nodefaults -no-user-config -display none \
		-machine pc -accel tcg,thread=single -cpu qemu64,-cx16 -m 128M -no-reboot \
		-kernel "$VM_KERNEL" -initrd "$work/initrd" \
		-append "console=ttyS0 quiet panic=-1 oops=panic acpi=off noapic nolapic mitigations=off cryptomgr.notests no_timer_check random.trust_cpu=on ${VM_TSC:+tsc_early_khz=$VM_TSC}" \
		-serial "file:$work/console" -device isa-debug-exit,iobase=0xf4,iosize=1 \
		-device "vfio-pci,sysfsdev=$card,addr=5" -device "vfio-pci,host=$edu,addr=6"
}

# Kilobytes that QEMU has locked; nothing once it is gone.
locked()
{
	sed -n 's/^VmLck:[^0-9]*\([0-9]*\) kB$/\1/p' "/proc/${started[0]}/status"
}

has_locked_its_memory()
{
	[ "$(locked)" -ge 131072 ]
}

# All of its memory, as the PCI device may use all of it, and not twice.
is_locked()
{
	wait_for has_locked_its_memory && [ "$(locked)" -lt 147456 ] && return
	echo "QEMU has locked $(locked)"
	return 1
}

# Bounded by the test's own limit.
ends_well()
{
	ended
	[ $? -eq 33 ] && return
	tail -n 20 "$work/console"
	return 1
}

says()
{
	[ "$(grep -c "$1" "$work/console")" -eq "$2" ] && return
	tail -n 5 "$work/console"
	return 1
}

removed()
{
	give_back && echo 1 >"$card/remove" && [ ! -e "$card" ]
}

plan 7
check "both devices are there" prepare
check "the guest's files are packed" pack
start_guest
check "the guest's memory is locked" is_locked
ends_well >"$work/end"
status=$?
check "the guest ends well" sh -c "cat '$work/end'; exit $status"
check "the PCI device copied the guest's memory" says "copied 16 pages" 1
check "the mediated device's ports echo" says "gave back all" 2
check "both devices are given back" removed
finish
