# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What the tests share whose guest is mdev_guest.c. It writes to $console, a file, what
# it sees of its cards.

console=
guest=$(realpath "$(dirname "$0")")/mdev_guest
# shellcheck disable=SC2034 # for those that source this
read -r -a guest_machine <<<"-nodefaults -no-user-config -display none -machine pc -accel tcg,thread=single -cpu qemu64 -m 16M"

need_guest()
{
	need_program qemu-system-x86_64
	[ -r "$guest" ] || skip_all "no $guest here"
}

# says LINE TIMES: has the guest said this line so often, and none that tells of a
# failure? Shows the rest if not.
says()
{
	! grep FAILED "$console" && [ "$(grep -cx "$1" "$console")" -eq "$2" ] && return
	tail -n 5 "$console"
	return 1
}

# Does somebody have the device open, as it says itself?
in_use()
{
	[ "$(cat "$1/mdev_in_use")" = 1 ]
}

is_free()
{
	[ "$(cat "$1/mdev_in_use")" = 0 ]
}

gone()
{
	[ ! -e "$1" ]
}
