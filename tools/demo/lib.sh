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
guest_words="$m_inner_words quiet panic=-1 oops=panic cryptomgr.notests random.trust_cpu=on ${VM_TSC:+tsc_early_khz=$VM_TSC}"

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

# What the guest says on its console is marked. Shows that, and sets ports to how many it
# found to work.
guest_report()
{
	local console=$VM_RESULTS/inner-console.log report

	report=$(tr -d '\r' <"$console" | sed -n 's/^demo: //p')
	echo "$report" | show
	case $(echo "$report" | tail -n 1) in
	"all works")	;;
	amiss)	fail "the guest found the card amiss" ;;
	*)	tail -n 10 "$console" | tr -d '\r' | show
		fail "the guest came to no verdict: $(cat "$VM_RESULTS/inner-qemu.log" 2>/dev/null)" ;;
	esac
	ports=$(echo "$report" | grep -c 'read the same')
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
