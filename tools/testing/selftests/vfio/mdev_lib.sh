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

# skip NAME WHY: the next case is none here.
skip()
{
	local name=$1
	shift

	case_nr=$((case_nr + 1))
	echo "ok $case_nr ${name:+$name }# SKIP $*"
}

# The remaining of PLANNED cases cannot be tried.
skip_rest()
{
	local planned=$1
	shift

	while [ $case_nr -lt "$planned" ]; do
		skip "" "$@"
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

# Programs that run beside the script, the first one first: of each the process, its
# name, and the file that has what it says.
started=()
declare -A name_of=() log_of=()

# start PROGRAM ARGUMENT...: starts one. What it says shows where it is waited for.
start()
{
	local log pid

	log=$(mktemp) || exit 1
	"$@" </dev/null >"$log" 2>&1 &
	pid=$!
	started+=("$pid")
	name_of[$pid]=${1##*/}
	log_of[$pid]=$log
}

# last_words PROCESS WHAT: what became of it, and what it said last.
last_words()
{
	echo "${name_of[$1]} $2, and said last:"
	tail -n 10 "${log_of[$1]}"
}

# Do all that were started run? Else the one that has ended says why.
all_run()
{
	local pid

	for pid in "${started[@]}"; do
		kill -0 "$pid" 2>/dev/null && continue
		last_words "$pid" "has ended"
		return 1
	done
}

# wait_for COMMAND...: until it succeeds, or one that was started has ended.
wait_for()
{
	local end=$((SECONDS + 300)) pid

	until "$@" >/dev/null 2>&1; do
		all_run || return
		if [ $SECONDS -ge $end ]; then
			echo "for 300 s it was not so: $*"
			for pid in "${started[@]}"; do
				last_words "$pid" "runs"
			done
			return 1
		fi
		sleep 0.2
	done
}

# ended: waits for the one that was started last to end; its status.
ended()
{
	local pid=${started[-1]} status

	wait "$pid"
	status=$?
	unset 'started[-1]'
	last_words "$pid" "ended with status $status"
	rm -f "${log_of[$pid]}"
	return $status
}

# stop_all SIGNAL: ends those that still run, the last one first.
stop_all()
{
	while [ ${#started[@]} -gt 0 ]; do
		kill "-$1" "${started[-1]}" 2>/dev/null
		ended >/dev/null
	done
}

# start_udev: the daemon, in a virtual machine of make check, which has none; it has
# dealt with the devices that are there by then.
start_udev()
{
	mkdir -p /run/udev || return
	start systemd-udevd
	wait_for udevadm control --ping || return
	udevadm trigger --action=add --subsystem-match=mtty \
		--subsystem-match=mdev --subsystem-match=misc
	wait_for udevadm settle --timeout=10
}

# Debian's udev rule starts mediated devices with a program that lies elsewhere:
# Documentation/vfio-mediated-device.txt tells an admin the same.
mend_udev_rule()
{
	[ -e /usr/sbin/mdevctl ] || ln -s ../bin/mdevctl /usr/sbin/mdevctl
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
