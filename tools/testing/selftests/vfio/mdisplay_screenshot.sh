#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# QEMU shows the sample's display: what a guest draws is, pixel by pixel, in the
# screenshot that QEMU's user takes. The guest has no processor; QEMU's own test
# interface does in its place what a driver would.
# shellcheck disable=SC2317 # functions that check calls
. "$(dirname "$0")/mdev_lib.sh"

need_root
need_program qemu-system-x86_64
need_program perl
work=$(mktemp -d) || exit 1

cleanup()
{
	stop_all TERM
	rm -rf "$work"
	unload_all
}

trap cleanup EXIT
need_module mdisplay

uuid=5d9e3a38-4d0c-4a34-9a1c-6d0f3c0e7a03
device=/sys/bus/mdev/devices/$uuid
bar=0xe0000000
registers=$((bar + 0x200000 - 0x1000))

# ask COMMAND...: what the guest's bus does; the answer in $answer
ask()
{
	local part

	echo "$*" >&3
	answer=
	# What had come of a line when the time was up is a part of it.
	until read -r -t 1 part <&4; do
		answer+=$part
		all_run || return
	done
	answer+=$part
	[[ $answer == OK* ]] || { echo "$1: $answer"; return 1; }
}

set_register()
{
	ask writel "$((registers + $1))" "$2"
}

register_is()
{
	ask readl "$((registers + $1))" || return
	[ $((${answer#OK })) -eq $(($2)) ] || { echo "register $1 is $answer"; return 1; }
}

create()
{
	echo "$uuid" >/sys/class/mdev_bus/mdisplay/mdev_supported_types/mdisplay-vga/create &&
		[ -e "$device" ]
}

start_qemu()
{
	mkfifo "$work"/{bus,monitor}.{in,out} || return
	start qemu-system-x86_64 -nodefaults -no-user-config -machine pc -accel tcg -S -m 16M \
		-vga none -display none \
		-qtest "pipe:$work/bus" -qtest-log none -monitor "pipe:$work/monitor" \
		-device vfio-pci,sysfsdev=$device,display=on,addr=5
	exec 3<>"$work/bus.in" 4<>"$work/bus.out" 5<>"$work/monitor.in" 6<>"$work/monitor.out"
}

# As firmware: BAR 0 at $bar, memory on. Then as a driver: is it the device?
set_up()
{
	ask outl 0xcf8 0x80002810 && ask outl 0xcfc "$bar" &&
		ask outl 0xcf8 0x80002804 && ask outw 0xcfc 2 &&
		register_is 0 0x5053444d
}

# draw WIDTH HEIGHT: a picture of random pixels
draw()
{
	local size=$(($1 * $2 * 4))

	head -c "$size" /dev/urandom >"$work/picture" &&
		set_register 0x0c "$1" && set_register 0x10 "$2" && set_register 0x18 1 &&
		ask b64write "$bar" "$size" "$(base64 -w 0 "$work/picture")"
}

screenshot()
{
	local line='' part

	rm -f "$work/shot"
	printf 'screendump %s\ninfo status\n' "$work/shot" >&5
	while all_run; do
		# Of a line that is not whole yet there is a part.
		read -r -t 1 part <&6 || { line+=$part; continue; }
		line+=$part
		[[ $line != *"VM status"* ]] || { [ -s "$work/shot" ]; return; }
		line=
	done
	return 1
}

# The same pixels, from X8R8G8B8 in memory to the R, G, B of the file's format
shows()
{
	{
		printf 'P6\n%d %d\n255\n' "$1" "$2"
		perl -e 'binmode STDIN; binmode STDOUT; local $/ = \4;
			 while (<STDIN>) { print scalar reverse substr $_, 0, 3 }' \
			<"$work/picture"
	} >"$work/expected"
	screenshot && cmp "$work/expected" "$work/shot"
}

removed()
{
	echo 1 >"$device/remove" && [ ! -e "$device" ]
}

plan 10
check "a display is created" create
start_qemu
check "QEMU's bus answers" set_up
if ! all_run >/dev/null; then
	skip_rest 9 "QEMU does not run"
	check "the display is removed" removed
	finish
fi
check "160x120 is drawn" draw 160 120
check "160x120 is in the screenshot" shows 160 120
check "the same mode, another picture" draw 160 120
check "it is in the screenshot" shows 160 120
check "another mode is drawn" draw 200 90
check "it is in the screenshot" shows 200 90
echo quit >&5
ended >"$work/end"
status=$?
check "QEMU ends well" sh -c "cat '$work/end'; exit $status"
check "the display is removed" removed
finish
