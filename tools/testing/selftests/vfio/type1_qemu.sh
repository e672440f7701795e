#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# QEMU passes a PCI device with DMA and a mediated device to one guest, a Linux
# that boots and uses both. They share a container. On s390x, whose devices take MSI-X and
# addresses beyond 4 GiB, the guest has no kernel: see type1_qtest.c.
# shellcheck disable=SC2317 # functions that check calls
. "$(dirname "$0")/mdev_lib.sh"

need_root
here=$(dirname "$0")

# find_device NAME VENDOR DEVICE: the first of that kind that is behind an IOMMU, and that no
# driver has, as somebody's system may live on a disk
find_device()
{
	local path

	for path in /sys/bus/pci/devices/*; do
		[ "$(cat "$path/vendor" "$path/device")" = "$2"$'\n'"$3" ] || continue
		[ -e "$path/iommu_group" ] && [ ! -e "$path/driver" ] && device=${path##*/} && return
	done
	skip_all "no free $1 behind an IOMMU here"
}

case $(uname -m) in
s390x)
	boots=
	need_program qemu-system-aarch64
	find_device disk 0x1b36 0x0010 ;;
*)
	boots=y
	init=$here/type1_guest
	need_program qemu-system-x86_64
	need_program busybox
	[ -x "$init" ] || skip_all "the guest, a PC, boots the kernel of the tests, which is none of a PC's"
	[ -r "${VM_KERNEL:-}" ] || skip_all "no kernel to boot in \$VM_KERNEL"
	find_device edu 0x1234 0x11e8 ;;
esac
work=$(mktemp -d) || exit 1

give_back()
{
	echo "$device" >"/sys/bus/pci/devices/$device/driver/unbind" &&
		echo >"/sys/bus/pci/devices/$device/driver_override"
}

cleanup()
{
	stop_all KILL
	[ ! -e "/sys/bus/pci/drivers/vfio-pci/$device" ] || give_back
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
	echo vfio-pci >"/sys/bus/pci/devices/$device/driver_override" &&
		echo "$device" >/sys/bus/pci/drivers_probe &&
		echo "$uuid" >/sys/class/mdev_bus/mtty/mdev_supported_types/mtty-2/create &&
		[ -e "$card" ]
}

pack()
{
	mkdir "$work/root" && cp "$init" "$work/root/init" &&
		(cd "$work/root" && find . | busybox cpio -o -H newc) >"$work/initrd"
}

devices=(-device "vfio-pci,sysfsdev=$card,addr=5" -device "vfio-pci,host=$device,addr=6")

# Without cmpxchg16b, which the kernel would use for each allocation: QEMU 7.2 takes flags
# from it that no processor has, and the guest dies of them as it comes up.
boot()
{
	start qemu-system-x86_64 -nodefaults -no-user-config -display none \
		-machine pc -accel tcg,thread=single -cpu qemu64,-cx16 -m 128M -no-reboot \
		-kernel "$VM_KERNEL" -initrd "$work/initrd" \
		-append "console=ttyS0 quiet panic=-1 oops=panic acpi=off noapic nolapic mitigations=off cryptomgr.notests no_timer_check random.trust_cpu=on ${VM_TSC:+tsc_early_khz=$VM_TSC}" \
		-serial "file:$work/console" -device isa-debug-exit,iobase=0xf4,iosize=1 \
		"${devices[@]}"
}

# The machine has an IOMMU of its own otherwise, which QEMU does not pass devices through.
start_standing_still()
{
	mkfifo "$work"/qtest.{in,out} || exit 1
	start qemu-system-aarch64 -nodefaults -no-user-config -display none \
		-machine sbsa-ref,memory-backend=ram -global gpex-pcihost.bypass-iommu=on \
		-accel tcg -S -m 128M \
		-object "memory-backend-file,id=ram,size=128M,mem-path=$work/ram,share=on" \
		-chardev "pipe,id=qtest,path=$work/qtest" -qtest chardev:qtest \
		-qtest-log /dev/null "${devices[@]}"
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
	local did=0 status wanted=33

	if [ -z "$boots" ]; then
		all_run || return
		"$here/type1_qtest" "$work/qtest" "$work/ram" >"$work/console"
		did=$?
		kill "${started[0]}"
		wanted=0
	fi
	ended
	status=$?
	[ $did -eq 0 ] && [ $status -eq $wanted ] && return
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
if [ -n "$boots" ]; then
	check "the guest's files are packed" pack
	boot
else
	skip "the guest's files are packed" "it has no kernel for them"
	start_standing_still
fi
check "the guest's memory is locked" is_locked
ends_well >"$work/end"
status=$?
check "the guest ends well" sh -c "cat '$work/end'; exit $status"
check "the PCI device copied the guest's memory" says "copied 16 pages" 1
check "the mediated device's ports echo" says "gave back all" 2
check "both devices are given back" removed
finish
