# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What the test scripts share. A script plans its cases, then says of each how
# it went: "check NAME COMMAND..." runs a command, or a function, whose messages
# are shown if it fails.

case_nr=0
case_bad=0
loaded=()

skip_all()
{
	echo "TAP version 13"
	echo "1..0 # SKIP $*"
	exit 4
}

plan()
{
	echo "TAP version 13"
	echo "1..$1"
}

check()
{
	local case_name=$1 said
	shift

	case_nr=$((case_nr + 1))
	if said=$("$@" 2>&1); then
		echo "ok $case_nr $case_name"
	else
		case_bad=$((case_bad + 1))
		printf '%s\n' "$said" | sed 's/^/# /'
		echo "not ok $case_nr $case_name"
	fi
}

# The remaining of PLANNED cases cannot be tried.
skip_rest()
{
	local planned=$1
	shift

	while [ $case_nr -lt "$planned" ]; do
		case_nr=$((case_nr + 1))
		echo "ok $case_nr # SKIP $*"
	done
}

# Ends the script with the status that its cases ask for.
finish()
{
	[ $case_bad -eq 0 ]
	exit
}

need_root()
{
	[ "$(id -u)" -eq 0 ] || skip_all "only root can make mediated devices"
}

need_program()
{
	command -v "$1" >/dev/null || skip_all "no $1 here"
}

# Loads a module for the time of the script.
need_module()
{
	[ ! -e "/sys/module/$1/initstate" ] || return 0
	modprobe "$1" 2>/dev/null || skip_all "module $1 cannot be loaded"
	loaded=("$1" "${loaded[@]}")
}

remove_all()
{
	local device

	for device in /sys/bus/mdev/devices/*; do
		[ ! -e "$device" ] || echo 1 >"$device/remove"
	done
}

unload_all()
{
	local module

	remove_all
	for module in "${loaded[@]}"; do
		rmmod "$module"
	done
}
