#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The KUnit tests within the modules have run when these were loaded; the kernel
# keeps what they said.
cd "$(dirname "$0")" || exit 1
# shellcheck source=tools/testing/selftests/vfio/mdev_lib.sh
. ./mdev_lib.sh

said=/sys/kernel/debug/kunit

need_root
[ -d $said ] || skip_all "the kernel has no KUnit, or no debugfs is mounted"
trap unload_all EXIT
suites=(mdev-classic mdev-sysfs vfio-mdev-layout mdev-pci-config
	mdev-pci-check mdev-pci-regions mdev-pci-irqs)
for module in mdev vfio_mdev mdev_pci vfio_iommu_type1; do
	need_module $module
done
# The kernel's own has none.
[ "${TYPE1:-}" != ours ] || suites+=(vfio_type1_record vfio_type1_local)
results=()
for suite in "${suites[@]}"; do
	[ ! -e "$said/$suite/results" ] || results+=("$said/$suite/results")
done
# The lane of User Mode Linux builds them in.
case ${#results[@]}:$(uname -r) in
0:*-uml) ;;
0:*)	skip_all "the modules were built without KUnit tests" ;;
esac

# What is wrong is refused in the log, too.
echo "# expect-dmesg: not registered for mediated devices:"
echo "# expect-dmesg: its driver (gives no usable answer about region|says it has)"

# A case's result is indented, a suite's is not.
cat /dev/null "${results[@]}" | awk -v suites="${suites[*]}" '
	function result(ok, what)
	{
		n++
		line[n] = line[n] (ok ? "ok " : "not ok ") n " " what
		bad += !ok
	}
	/# Subtest: / {
		suite = $NF
	}
	/^ +(not )?ok [0-9]+/ {
		ran[suite] = 1
		ok = $1 == "ok"
		sub(/^.*ok [0-9]+ (- )?/, "")
		result(ok, suite ": " $0)
		next
	}
	{
		line[n + 1] = line[n + 1] "# " $0 "\n"
	}
	END {
		wanted = split(suites, want)
		for (i = 1; i <= wanted; i++)
			if (!ran[want[i]])
				result(0, want[i] ": it did not run")
		print "TAP version 13"
		print "1.." n
		for (i = 1; i <= n; i++)
			print line[i]
		exit bad > 0
	}'
