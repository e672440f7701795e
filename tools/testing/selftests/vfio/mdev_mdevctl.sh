#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# mdevctl itself: lists types, starts, stops, defines and reads devices of the
# test vendor drivers; and, where udev runs or can be started, those that are to start
# by themselves come with their parent.
# shellcheck disable=SC2317 # functions that check calls
. "$(dirname "$0")/mdev_lib.sh"
PATH=$PATH:/lib/systemd

need_root
need_program mdevctl
mdevctl --version | grep -q '^mdevctl [1-9]' || skip_all "this mdevctl is too old"

cleanup()
{
	stop_all TERM
	unload_all
}

trap cleanup EXIT
need_module mdev_test
need_module mdev_test_raw
need_module mdev_test_structured

uuid=5d9e3a38-4d0c-4a34-9a1c-6d0f3c0e7a01
device=/sys/bus/mdev/devices/$uuid
parent=mdev_test_structured.0
type=mdev_test_structured-few
by_hand=5d9e3a38-4d0c-4a34-9a1c-6d0f3c0e7a07
defined=/etc/mdevctl.d/$parent/$uuid

# said WORDS COMMAND...: does the command succeed and say the words?
said()
{
	local words=$1 text
	shift

	text=$("$@" 2>&1) || { echo "$* failed: $text"; return 1; }
	[[ $text == *"$words"* ]] || { echo "$* says: $text"; return 1; }
}

reads()
{
	local is

	is=$(cat "$1") || return 1
	[ "$is" = "$2" ] || { echo "$1 is $is"; return 1; }
}

gone()
{
	[ ! -e "$1" ] || { echo "$1 is there"; return 1; }
}

refused()
{
	if "$@"; then
		echo "$* succeeded"
		return 1
	fi
}

types_list_all()
{
	local kind vendor

	for vendor in mdev_test_raw mdev_test_structured; do
		said "$vendor.0" mdevctl types || return
		for kind in single few many; do
			said "$vendor-$kind" mdevctl types || return
		done
	done
}

types_tell_what_sysfs_says()
{
	local json

	json=$(mdevctl types --parent "$parent" --dumpjson) || return
	case $json in
	*'"available_instances": 3'*)	;;
	*)	echo "$json"; return 1 ;;
	esac
	case $json in
	*'"device_api": "vfio-pci"'*)	;;
	*)	echo "$json"; return 1 ;;
	esac
	case $json in
	*'"name": "Test device few"'*)	;;
	*)	echo "$json"; return 1 ;;
	esac
}

# Can devices start by themselves here: does udev run, or can it?
udev_is_up()
{
	if [ -n "${VM_RESULTS:-}" ]; then
		mend_udev_rule && start_udev
	else
		udevadm control --ping
	fi
}

register()
{
	echo 0 >"/sys/kernel/debug/mdev_test_structured/$1"
}

both_are_defined()
{
	mdevctl define --uuid "$uuid" --parent "$parent" --type "$type" --auto &&
	mdevctl modify --uuid "$uuid" --addattr test/note --value "from udev" &&
	mdevctl define --uuid "$by_hand" --parent "$parent" --type "$type"
}

# The rule of udev's, and what mdevctl does for it
comes_with_its_parent()
{
	register unregister && gone "$device" || return
	register register && wait_for reads "$device/test/note" "from udev" &&
		udevadm settle --timeout=60
}

both_are_undefined()
{
	stopped && mdevctl undefine --uuid "$uuid" && mdevctl undefine --uuid "$by_hand"
}

stopped()
{
	mdevctl stop --uuid "$uuid" && gone "$device"
}

plan 22
check "types lists every type" types_list_all
check "types tells what sysfs says" types_tell_what_sysfs_says
check "start creates" mdevctl start --uuid $uuid --parent $parent --type $type
check "the device is bound" test -L $device/driver
check "list shows it" said $uuid mdevctl list
check "a second start is refused" \
	refused mdevctl start --uuid $uuid --parent $parent --type $type
check "stop removes" stopped

check "define" mdevctl define --uuid $uuid --parent $parent --type $type
check "the definition is a file" test -e $defined
check "an attribute can be added" \
	mdevctl modify --uuid $uuid --addattr test/note --value "from mdevctl"
check "start by UUID" mdevctl start --uuid $uuid
check "the attribute is set" reads $device/test/note "from mdevctl"
check "list --dumpjson shows the attribute" \
	said "from mdevctl" mdevctl list --defined --dumpjson --uuid $uuid
check "a running device can be stopped" stopped
check "undefine" mdevctl undefine --uuid $uuid
check "the definition is gone" gone $defined

check "a start in JSON" mdevctl start --uuid $uuid --parent $parent \
	--jsonfile /dev/stdin <<-END
	{
	  "mdev_type": "$type",
	  "start": "manual",
	  "attrs": [ { "test/note": "from JSON" } ]
	}
END
check "its attribute is set" reads $device/test/note "from JSON"
if [ ! -d /proc/sys/fs/inotify ] || [ ! -e /usr/bin/udevadm ] ||
   { [ -z "${VM_RESULTS:-}" ] && [ ! -e /usr/sbin/mdevctl ]; }; then
	skip_rest 22 "udev cannot run here, or its rule finds no mdevctl"
	finish
fi
stopped
said=$(mktemp) || exit 1
# Not by check, which would have it in a shell of its own.
udev_is_up >"$said" 2>&1
how=$?
check "udev is up" sh -c "cat '$said'; exit $how"
rm "$said"
check "one that is to start by itself is defined, and one by hand" both_are_defined
check "it comes with its parent, and its attribute is set" comes_with_its_parent
check "the other one does not, and both are undefined" \
	eval "gone /sys/bus/mdev/devices/$by_hand && both_are_undefined"
finish
