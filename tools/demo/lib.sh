# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What the demo's two ways share, sysfs and libvirt: steps that say what comes and the
# command that an admin types, what the guest reports, and the look for what is left.
# To be sourced with $top set to the root of the source tree, and $start to when the demo
# began, in seconds since 1970.

# shellcheck source=tools/testing/vm/lib.sh
. "${top:?}/tools/testing/vm/lib.sh"

# step WHAT COMMAND: says what comes, with the command that an admin types.
step()
{
	doing=$1
	printf '[%3d s] %-45s # %s\n' $(($(date +%s) - ${start:?})) "$1" "$2"
}

show()
{
	sed 's/^/            /'
}

fail()
{
	echo "FAILED at \"$doing\": $*"
	exit 1
}

# What the guest's kernel is told.
# shellcheck disable=SC2034 # for those that source this
guest_words="console=ttyS0 quiet panic=-1 oops=panic acpi=off noapic nolapic mitigations=off cryptomgr.notests no_timer_check random.trust_cpu=on ${VM_TSC:+tsc_early_khz=$VM_TSC}"

# while_runs COMMAND...: waits until it fails, with a line now and then.
while_runs()
{
	local halves=0

	while "$@" 2>/dev/null; do
		sleep 0.5
		if [ $((++halves % 20)) -eq 0 ]; then
			echo "... it has been running for $((halves / 2)) s" | show
		fi
	done
}

# Sets ports to how many the guest found to work.
count_ports()
{
	ports=$(grep -c 'read the same' "$VM_RESULTS/inner-report")
	[ "$ports" -ge 1 ] || fail "the guest reported no port"
}

unload()
{
	local rest

	step "unload the modules" "modprobe -r mtty vfio_mdev"
	modprobe -r mtty vfio_mdev || fail "they are in use"
	step "look for what is left" "lsmod; ls /sys/kernel/iommu_groups; dmesg -l err,warn"
	rest=$(
		lsmod | grep -E '^(mtty|mdev|vfio_mdev)'
		find /sys/bus/mdev /sys/class/mdev_bus /sys/kernel/iommu_groups -mindepth 1 2>/dev/null
		dmesg -l emerg,alert,crit,err,warn | grep -E 'mtty|mdev|vfio' | grep -v 'taints kernel'
	)
	[ -z "$rest" ] || fail "this is left: $rest"
	echo "nothing" | show
}
