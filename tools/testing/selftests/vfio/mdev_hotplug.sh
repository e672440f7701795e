#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A card comes and goes while its guest runs: plugged in and unplugged through QEMU's
# monitor, and removed in sysfs while the guest works with it. Also from a guest that
# stands still, and so cannot let go.
# shellcheck disable=SC2317 # functions that check calls
. "$(dirname "$0")/mdev_lib.sh"
. "$(dirname "$0")/mdev_guest_lib.sh"

need_root
need_guest
work=$(mktemp -d) || exit 1
console=$work/console

cleanup()
{
	stop_all KILL
	rm -rf "$work"
	unload_all
}

trap cleanup EXIT
need_module mtty

type=/sys/class/mdev_bus/mtty/mdev_supported_types/mtty-2
first=5d9e3a38-4d0c-4a34-9a1c-6d0f3c0e7a05
second=5d9e3a38-4d0c-4a34-9a1c-6d0f3c0e7a06
devices=/sys/bus/mdev/devices

# What QEMU's monitor answers is not read: what comes of it shows.
monitor()
{
	echo "$*" >"$work/monitor.in"
}

start_guest()
{
	mkfifo "$work"/monitor.{in,out} || exit 1
	start qemu-system-x86_64 "${guest_machine[@]}" -kernel "$guest" \
		-serial "file:$console" -chardev "pipe,id=monitor,path=$work/monitor" \
		-mon monitor
}

# plug UUID SLOT TIMES: the guest has it work, for the TIMESth time in that slot.
plug()
{
	monitor "device_add vfio-pci,id=card$2,sysfsdev=$devices/$1,addr=$2" &&
		wait_for says "slot $2: 2 ports work" "$3" && in_use "$devices/$1"
}

two_cards_are_made()
{
	echo "$first" >"$type/create" && echo "$second" >"$type/create"
}

# The device stays, for the next guest.
unplug()
{
	monitor "device_del card5" &&
		wait_for says "slot 5: gone" 1 && says "slot 5: asked to go" 1 &&
		wait_for is_free "$devices/$first"
}

removed()
{
	timeout -s INT 60 sh -c "echo 1 >$devices/$first/remove" &&
		gone "$devices/$first" &&
		says "slot 5: asked to go" 2 && wait_for says "slot 5: gone" 2
}

# The admin gives up, and the device is as it was.
kept_while_the_guest_stands_still()
{
	monitor stop
	if timeout -s INT 2 sh -c "echo 1 >$devices/$second/remove"; then
		echo "it was removed"
		return 1
	fi
	in_use "$devices/$second" && says "slot 6: asked to go" 0
}

# It had been asked; and the device was told to go with its last user.
goes_when_the_guest_goes_on()
{
	echo 1 >"$devices/$second/mdev_remove_on_close" && monitor cont &&
		wait_for says "slot 6: gone" 1 && wait_for gone "$devices/$second"
}

plan 8
check "two cards are made" two_cards_are_made
start_guest
check "a guest without a card comes up" wait_for says "the guest is up" 1
check "a card is plugged in, and works" plug $first 5 1
check "the monitor unplugs it" unplug
check "it is plugged in again" plug $first 5 2
check "a removal in sysfs has the guest let go" removed
check "a guest that stands still keeps its card" \
	eval "plug $second 6 1 && kept_while_the_guest_stands_still"
check "and lets go when it goes on" goes_when_the_guest_goes_on
finish
