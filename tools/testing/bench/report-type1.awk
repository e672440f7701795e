# SPDX-License-Identifier: GPL-2.0
#
# Makes the table of "make bench BENCH=type1" from what type1.c printed and
# count.c counted. Variables: kver, unit ("instructions" are judged, "cycles" are
# not), tsv (file for the machine-readable copy), counts (show functions for all
# rows, not only for those that miss). Exits with 1 when an aim is missed.

# A row of the table: what it is called; the row whose floor is its own; what
# ours may cost at most, and what the floor was on 6.12 when that was said.
function declare(name, title, floor_of, most, floor_then)
{
	order[++declared] = name
	titles[name] = title
	floors[name] = floor_of
	aims[name] = most
	floors_then[name] = floor_then
}

function heading(text)
{
	order[++declared] = "#" text
}

BEGIN {
	worse = 1.02		# than the kernel's own, at most
	judged = unit == "instructions"
	missed = tabled = 0

	heading("a page pinned, 16,384 in all")
	declare("pin-4k-1", "4K, 1 a call", "pin-4k-1", 1000, 709)
	declare("pin-4k-16", "4K, 16 a call", "pin-4k-16")
	declare("pin-4k-512", "4K, 512 a call", "pin-4k-512", 330, 270)
	declare("pin-thp-1", "THP, 1 a call", "pin-thp-1", 1000, 622)
	declare("pin-thp-512", "THP, 512 a call", "pin-thp-512", 20, 11)
	declare("consecutive-pin-1", "consecutive 4K, 1 a call", "consecutive-pin-1", 1000, 709)
	declare("consecutive-pin-16", "consecutive 4K, 16 a call", "consecutive-pin-16")
	declare("consecutive-pin-512", "consecutive 4K, 512 a call", "consecutive-pin-512")
	declare("split-pin-1", "THP mapped in 4K, 1 a call", "split-pin-1", 1000, 709)
	declare("split-pin-512", "THP mapped in 4K, 512 a call", "split-pin-512")
	declare("thread-pin-1", "by a kernel thread, 1 a call", "thread-pin-1", 1500, 882)
	declare("thread-pin-thp-1", "by a kernel thread, THP, 1 a call", "thread-pin-thp-1", 1500, 795)
	declare("thread-pin-512", "by a kernel thread, 512 a call", "thread-pin-512")
	declare("shuffled-pin-1", "shuffled, 1 a call", "shuffled-pin-1")
	declare("stride-2-pin", "one in 2, 1 a call", "stride-2-pin")
	declare("stride-16-pin", "one in 16, 1 a call", "stride-16-pin")
	declare("stride-512-pin", "one in 512, 1 a call", "stride-512-pin")
	declare("sparse-pin-4k", "one in 16 that exist, 4K", "sparse-pin-4k", 1150, 709)
	declare("sparse-pin-thp", "one in 16 that exist, THP", "sparse-pin-thp", 1150, 622)
	declare("mappings-pin-1", "1,024 mappings, 1 a call", "pin-4k-1", 1050, 709)
	declare("mappings-pin-thp-1", "1,024 mappings, THP, 1 a call", "pin-thp-1", 1050, 622)
	declare("mappings-pin-16", "1,024 mappings, 16 a call", "pin-4k-16")
	declare("other-pin-1", "by another process, 1 a call", "pin-4k-1")
	declare("other-pin-thp-1", "by another process, THP, 1 a call", "pin-thp-1")
	declare("other-pin-512", "by another process, 512 a call", "pin-4k-512")
	declare("small-pin-4k-1", "256 in all, 1 a call", "small-pin-4k-1")
	declare("small-pin-thp-1", "256 in all, THP, 1 a call", "small-pin-thp-1")
	declare("small-pin-4k-16", "256 in all, 16 a call", "small-pin-4k-16")
	declare("small-pin-4k-256", "256 in all, in one call", "small-pin-4k-256")
	declare("dirty-pin-1", "dirty tracking, 1 a call", "pin-4k-1")
	declare("dirty-pin-512", "dirty tracking, 512 a call", "pin-4k-512")
	declare("mixed-pin-1", "mixed container, 1 a call", "pin-4k-1")
	declare("mixed-pin-512", "mixed container, 512 a call", "pin-4k-512")

	heading("a page pinned, unpinned at once")
	declare("pair-4k-1", "4K, 1 a call", "pair-4k-1", 1250, 834)
	declare("pair-4k-16", "4K, 16 a call", "pair-4k-16")
	declare("pair-thp-1", "THP, 1 a call", "pair-thp-1", 1250, 746)
	declare("pair-thp-16", "THP, 16 a call", "pair-thp-16")
	declare("pair-beside-4k-1", "4K, 1 a call, another stays", "pair-4k-1", 1250, 834)
	declare("pair-beside-thp-1", "THP, 1 a call, another stays", "pair-thp-1", 1250, 746)

	heading("pinned, unpinned at random")
	declare("mix-4k", "4K", "mix-4k")
	declare("mix-consecutive", "consecutive 4K", "mix-consecutive")
	declare("mix-thp", "THP", "mix-thp")
	declare("mix-blend", "of all kinds, 64 mappings", "mix-blend")

	heading("a page pinned again")
	declare("again-4k-1", "4K, 1 a call", "", 120)
	declare("again-thp-1", "THP, 1 a call", "")
	declare("again-4k-512", "4K, 512 a call", "", 15)
	declare("again-thp-512", "THP, 512 a call", "")

	heading("unpinned, stays pinned")
	declare("again-unpin-4k-1", "4K, 1 a call", "", 120)
	declare("again-unpin-thp-1", "THP, 1 a call", "")

	heading("a page unpinned")
	declare("unpin-4k-1", "4K, 1 a call", "unpin-4k-1")
	declare("unpin-4k-16", "4K, 16 a call", "unpin-4k-16")
	declare("unpin-4k-512", "4K, 512 a call", "unpin-4k-512", 130, 101)
	declare("unpin-thp-1", "THP, 1 a call", "unpin-thp-1")
	declare("unpin-thp-512", "THP, 512 a call", "unpin-thp-512", 12, 11)
	declare("consecutive-unpin-1", "consecutive 4K, 1 a call", "consecutive-unpin-1")
	declare("consecutive-unpin-512", "consecutive 4K, 512 a call", "consecutive-unpin-512")
	declare("split-unpin-1", "THP mapped in 4K, 1 a call", "split-unpin-1")
	declare("split-unpin-512", "THP mapped in 4K, 512 a call", "split-unpin-512")
	declare("shuffled-unpin-1", "shuffled, 1 a call", "shuffled-unpin-1")
	declare("stride-2-unpin", "one in 2, 1 a call", "stride-2-unpin")
	declare("stride-16-unpin", "one in 16, 1 a call", "stride-16-unpin")
	declare("stride-512-unpin", "one in 512, 1 a call", "stride-512-unpin")
	declare("sparse-unpin-4k", "one in 16 that exist, 4K", "sparse-unpin-4k")
	declare("sparse-unpin-thp", "one in 16 that exist, THP", "sparse-unpin-thp")
	declare("mappings-unpin-1", "1,024 mappings, 1 a call", "unpin-4k-1")
	declare("mappings-unpin-thp-1", "1,024 mappings, THP, 1 a call", "unpin-thp-1")
	declare("mappings-unpin-16", "1,024 mappings, 16 a call", "unpin-4k-16")
	declare("small-unpin-4k-1", "256 in all, 1 a call", "small-unpin-4k-1")
	declare("small-unpin-thp-1", "256 in all, THP, 1 a call", "small-unpin-thp-1")
	declare("dirty-unpin-512", "dirty tracking, 512 a call", "unpin-4k-512")
	declare("mixed-unpin-512", "mixed container, 512 a call", "unpin-4k-512")

	heading("a mapping, one page")
	declare("map", "MAP_DMA, few there", "")
	declare("unmap", "UNMAP_DMA, few there", "")
	declare("map-10000", "MAP_DMA, 10,000 there", "", 1200)
	declare("unmap-10000", "UNMAP_DMA, 10,000 there", "", 1300)
	declare("unmap-all", "UNMAP_DMA of all, 10,000 there", "")
	declare("unmap-all-one", "UNMAP_DMA of all, one there", "", 1200)
	declare("map-refused", "MAP_DMA refused, one there", "", 800)
	declare("map-refused-10000", "MAP_DMA refused, 10,000 there", "", 900)

	heading("a pinned page unmapped")
	declare("unmap-pinned-4k", "4K, one mapping", "unpin-4k-512")
	declare("unmap-pinned-thp", "THP, one mapping", "unpin-thp-512")
	declare("unmap-pinned-1024", "1,024 mappings", "unpin-4k-16")
	declare("unmap-pinned-all", "1,024 mappings, all", "unpin-4k-16")

	heading("dirty tracking, a page mapped")
	declare("dirty-start", "start, all are pinned", "", 30)
	declare("dirty-get", "get, all are pinned", "", 30)
	declare("dirty-start-16", "start, one in 16 is pinned", "", 2)
	declare("dirty-get-16", "get, one in 16 is pinned", "", 2)

	heading("in a memory cgroup")
	declare("cgroup-map", "MAP_DMA", "", "any")
	declare("cgroup-unmap", "UNMAP_DMA", "", "any")
	declare("cgroup-pin-4k-1", "pin 4K, 1 a call", "", "any")
	declare("cgroup-pin-4k-512", "pin 4K, 512 a call", "", "any")
	declare("cgroup-stride-16-pin", "pin one in 16, 1 a call", "", "any")
	declare("cgroup-stride-512-pin", "pin one in 512, 1 a call", "", "any")
	declare("cgroup-unpin-4k-1", "unpin 4K, 1 a call", "", "any")
	declare("cgroup-stride-16-unpin", "unpin one in 16, 1 a call", "", "any")
	declare("cgroup-stride-512-unpin", "unpin one in 512, 1 a call", "", "any")

	heading("a page behind an IOMMU")
	declare("iommu-map-thp", "MAP_DMA, THP", "", 30)
	declare("iommu-unmap-thp", "UNMAP_DMA, THP", "", 30)
	declare("iommu-map-4k", "MAP_DMA, scattered 4K", "", 900)
	declare("iommu-unmap-4k", "UNMAP_DMA, scattered 4K", "", 700)
	declare("iommu-map-64k", "MAP_DMA, 64 KiB of THP a call", "", 400)
	declare("iommu-unmap-64k", "UNMAP_DMA, 64 KiB of THP a call", "")
	declare("iommu-unmap-all", "UNMAP_DMA of all, scattered 4K", "")

	heading("a copy by vfio_dma_rw()")
	declare("read-8", "8 bytes from the user", "read-8")
	declare("write-8", "8 bytes to the user", "write-8")
	declare("read-4k", "4 KiB from", "read-4k")
	declare("write-4k", "4 KiB to", "write-4k")
	declare("read-64k", "64 KiB from", "read-64k")
	declare("write-64k", "64 KiB to", "write-64k")
	declare("read-1m", "1 MiB from", "read-1m")
	declare("write-1m", "1 MiB to", "write-1m")
	declare("thread-read-8", "8 bytes from, by a kernel thread", "")
	declare("thread-write-8", "8 bytes to, by a kernel thread", "")

	heading("a container opened, closed")
	declare("open-close", "with a mediated device", "")
	declare("open-close-pci", "with a group behind an IOMMU", "")

	heading("kernel bytes a pinned page")
	declare("bytes-4k", "4K", "", 8.5)
	declare("bytes-thp", "THP", "", 0.3)
	declare("bytes-shuffled", "4K, pinned in no order", "", 8.5)
	declare("bytes-2", "one in 2", "", 17)
	declare("bytes-16", "one in 16", "", 66)
	declare("bytes-512", "one in 512", "", 70)
	declare("bytes-1024", "1,024 mappings", "")
	declare("bytes-dirty", "dirty tracking", "")
	declare("bytes-twice", "4K, pinned twice", "", "any")
	declare("bytes-twice-thp", "THP, pinned twice", "", "any")
	declare("bytes-left", "left when unpinned, at most", "", 0.25)

	heading("kernel bytes a mapping")
	declare("bytes-mapping", "one page, 10,000 there", "")

	heading("kernel bytes a page, IOMMU")
	declare("bytes-iommu-4k", "scattered 4K", "", 8.1)
	declare("bytes-iommu-thp", "THP", "", 0.3)

	heading("a page of a huge page of 1 GiB")
	declare("worst-1g-pin-1", "pinned, 1 a call", "worst-1g-pin-1")
	declare("worst-1g-pin-512", "pinned, 512 a call", "worst-1g-pin-512")
	declare("worst-1g-unpin-1", "unpinned, 1 a call", "worst-1g-unpin-1")
	declare("worst-1g-unpin-512", "unpinned, 512 a call", "worst-1g-unpin-512")

	heading("a page in each 2 MiB of 1 TiB")
	declare("worst-1t-pin", "pinned", "worst-1t-pin")
	declare("worst-1t-unpin", "unpinned", "worst-1t-unpin")
	declare("worst-1t-unmap", "unmapped", "worst-1t-unpin")
	declare("worst-1t-bytes", "kernel bytes", "")

	heading("the longest pin beside, ns")
	declare("beside-mappings-pin", "UNMAP_DMA of 10,000 mappings", "", "any")
	declare("beside-pinned-pin", "UNMAP_DMA of 10,000 pinned pages", "", "any")

	heading("an UNMAP_DMA beside pins, ns")
	declare("beside-mappings-unmap", "of 10,000 mappings", "", "any")
	declare("beside-pinned-unmap", "of 10,000 pinned pages", "", "any")

	printf "row\tunit\tstock\tfloor\tours\tat_most\tverdict\tiommufd\n" >tsv
}

# As pages are on the kernel
function title_of(name,    title)
{
	title = titles[name]
	if (kver ~ /-16k$/) {
		gsub(/4K/, "16K", title)
		sub(/64 KiB of THP/, "256 KiB of THP", title)
	}
	return title
}

# What was counted belongs to the row that follows.
$1 == "counted" {
	delete counted
}

$1 == "in" {
	counted[$2 " " $3] = $4
}

$1 == "row" {
	value[$2, $3] = $4
	by_iommufd = by_iommufd || $2 == "iommufd"
	for (f in counted) {
		cost[$2, $3, f] = counted[f] / $5
		functions[f]
	}
	delete counted
}

$1 == "seed" {
	seed = $2
}

# Two lines a sharing: to pin and to unpin.
$1 == "stream" {
	stream = $3 " " $4 " " $5 " " $6
	if (!(stream in known_streams)) {
		known_streams[stream]
		streams[++nr_streams] = stream
	}
	took[$2, stream] = $7
	share[$2, stream] = $8
}

function digits(number)
{
	return number == "" ? "-" : sprintf(number < 100 ? "%.2f" : "%.0f", number)
}

function ratio(a, b)
{
	return a == "" || b == "" || b + 0 == 0 ? "-" : sprintf("%.3f", a / b)
}

# The aim, which is as far above an older kernel's own functions as above those of
# 6.12, and never much above what the kernel's module costs. What is asked of
# memory is no more than is said. Another machine than x86-64 has other instructions.
function at_most(name, stock, floor,    most)
{
	most = aims[name]
	if (most == "any" || !judged)
		return ""
	if (most == "" || (kver ~ /-arm64/ && name !~ /^bytes/))
		return stock * worse
	if (floor != "" && kver !~ /^6\.12\./ && floor > floors_then[name])
		most *= floor / floors_then[name]
	return name ~ /^bytes/ || most < stock * worse ? most : stock * worse
}

# The functions in which a row's instructions are.
function break_down(whose, name,    f, n, most, which, shown)
{
	for (n = 0; n < 12; n++) {
		most = value[whose, name] / 200
		which = ""
		for (f in functions) {
			if (!(f in shown) && cost[whose, name, f] > most) {
				most = cost[whose, name, f]
				which = f
			}
		}
		if (which == "")
			break
		shown[which]
		printf "      %10.2f %s in %s\n", most, whose, which
	}
}

function show(name,    stock, floor, ours, limit, word)
{
	stock = value["stock", name]
	floor = floors[name] == "" ? "" : value["floor", floors[name]]
	ours = value["ours", name]
	limit = at_most(name, stock, floor)
	word = "-"
	if (judged && (ours == "" || limit != "")) {
		word = ours != "" && ours <= limit ? "ok" : "MISSED"
		missed += word == "MISSED"
	}
	printf "%-32s %9s %8s %9s %7s %7s %8s  %s\n", title_of(name), digits(stock),
	       digits(floor), digits(ours), ratio(ours, stock), ratio(ours, floor),
	       digits(limit), by_iommufd ? sprintf("%-6s %9s", word,
	       digits(value["iommufd", name])) : word
	printf "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", name,
	       name ~ /^beside/ ? "ns" : unit, stock, floor, ours,
	       limit, word, value["iommufd", name] >tsv
	if (counts) {
		break_down("floor", name)
		break_down("stock", name)
	}
	if (counts || word == "MISSED")
		break_down("ours", name)
}

function sharing_name(sharing)
{
	if (sharing == "one")
		return "alone"
	if (sharing == "apart")
		return "2 mms, 2 containers"
	if (sharing == "container")
		return "2 mms, one container"
	if (sharing == "mm-apart")
		return "one mm, 2 containers"
	return "one mm, one container"
}

# What two or more do at the same time, in nanoseconds. "shared" is the part of
# what they do in containers apart, in the same mms, that they do in one.
function show_streams(    i, part, name, stock, ours, word, old, least, good)
{
	for (i = 1; i <= nr_streams; i++) {
		split(streams[i], part, " ")
		stock = took["stock", streams[i]]
		ours = took["ours", streams[i]]
		if (part[1] " " part[4] != old) {
			old = part[1] " " part[4]
			printf "\n%-32s %9s %8s %9s %7s %7s %8s\n",
			       "a page " part[1] "ned, " part[4] " a call, ns", "stock",
			       "shared", "ours", "/stock", "shared", "at least"
		}
		name = sharing_name(part[2])
		gsub(/2/, part[3], name)
		word = "-"
		least = streams[i] ~ /^pin container/ ? 0.9 : ""
		if (judged && streams[i] ~ /^pin .*container/) {
			good = ours != "" && ours <= stock * worse
			if (least != "")
				good = share["ours", streams[i]] >= least
			word = good ? "ok" : "MISSED"
			missed += !good
		}
		printf "%-32s %9s %8s %9s %7s %7s %8s  %s\n", name, digits(stock),
		       share["stock", streams[i]], digits(ours), ratio(ours, stock),
		       share["ours", streams[i]], least, word
		gsub(/ /, "-", streams[i])
		printf "stream-%s\tns\t%s\t\t%s\t\t%s\n", streams[i], stock,
		       ours, word >tsv
	}
}

function bar(name, whose, number, full,    n, s)
{
	if (number == "")
		return
	n = int(number / full * 50 + 0.5)
	for (n = n < 75 ? n : 75; n > 0; n--)
		s = s "#"
	printf "%-32s %-5s |%-50s %s\n", name, whose, s, digits(number)
}

function show_bars(    i, name, stock, title)
{
	for (i = 1; i <= declared; i++) {
		name = order[i]
		if (name ~ /^#/)
			title = substr(name, 2)
		stock = value["stock", name]
		if (aims[name] + 0 == 0 || stock + 0 == 0)
			continue
		if (title != "")
			printf "\n%s\n", title
		title = ""
		bar(title_of(name), "stock", stock, stock)
		bar("", "floor", floors[name] == "" ? "" : value["floor", floors[name]], stock)
		bar("", "ours", value["ours", name], stock)
	}
}

END {
	printf "Linux %s, %s%s\n", kver, unit,
	       seed == "" ? "" : ", calls at random of seed " seed
	for (i = 1; i <= declared; i++) {
		if (order[i] ~ /^#/)
			title = substr(order[i], 2)
		else if (("stock", order[i]) in value) {
			if (title != "")
				printf "\n%-32s %9s %8s %9s %7s %7s %8s%s\n", title,
				       "stock", "floor", "ours", "/stock", "/floor", "at most",
				       by_iommufd ? "           iommufd" : ""
			title = ""
			show(order[i])
			tabled++
		}
	}
	show_streams()
	show_bars()
	if (!tabled && !nr_streams) {
		print "\nno such row was measured"
		exit 1
	}
	if (judged)
		printf "\n%s\n", missed ? missed " aims missed" : "all aims reached"
	exit missed > 0
}
