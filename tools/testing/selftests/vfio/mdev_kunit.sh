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
for module in mdev vfio_mdev mdev_pci vfio_iommu_type1; do
	need_module $module
done
suites=("$said"/*mdev*/results "$said"/*type1*/results)
[ -e "${suites[0]}" ] || skip_all "the modules were built without KUnit tests"

# What is wrong is refused in the log, too.
echo "# expect-dmesg: not registered for mediated devices:"
echo "# expect-dmesg: its driver (gives no usable answer about region|says it has)"

# A case's result is indented, a suite's is not.
cat "${suites[@]}" | awk '
	/# Subtest: / {
		suite = $NF
	}
	/^ +(not )?ok [0-9]+/ {
		ok = $1 == "ok"
		sub(/^.*ok [0-9]+ (- )?/, "")
		line[++n] = (ok ? "ok " : "not ok ") n " " suite ": " $0
		bad += !ok
		next
	}
	{
		line[n + 1] = line[n + 1] "# " $0 "\n"
	}
	END {
		print "TAP version 13"
		print "1.." n
		for (i = 1; i <= n; i++)
			print line[i]
		exit bad > 0
	}'
