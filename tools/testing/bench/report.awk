# SPDX-License-Identifier: GPL-2.0
#
# Makes the table of "make bench" from what bench.c printed and count.c counted.
# Variables: kver, unit ("instructions" are judged, "cycles" are not), tsv (file
# for the machine-readable copy). Exits with 1 when an aim is missed.

BEGIN {
	precision = 1.001	# what one run differs from the next
	flat = 1.10		# most to least, in our modules
	forwarding = 60		# instructions more

	split("create remove look-up enumerate", lifecycle)
	split("read write ioctl mmap fault", forward)
	judged = unit == "instructions"
	missed = 0
	print "operation\tdevices\tunit\tours\tstock\tin_ours\tin_stock\tverdict" >tsv
}

# What was counted belongs to the row that follows.
$1 == "counted" {
	delete counted
}

$1 == "in" {
	counted[$2 " " $3] = $4
}

$1 == "row" {
	row = $2 " " $3 " " $4
	total[row] = $5
	inside[row] = 0
	for (f in counted) {
		split(f, part, " ")
		if (part[1] == "mdev" || part[1] == "vfio_mdev")
			inside[row] += counted[f] / $6
		cost[row, f] = counted[f] / $6
		functions[f]
	}
	if ($3 == "create" && !($4 in known)) {
		known[$4]
		devices[++sizes] = $4
	}
	delete counted
}

function verdict(good)
{
	if (!judged)
		return "-"
	if (!good)
		missed++
	return good ? "ok" : "MISSED"
}

# The functions that make most of the difference between two rows.
function blame(worse, better,    f, d, n, most, which, shown)
{
	for (n = 0; n < 6; n++) {
		most = 10
		which = ""
		for (f in functions) {
			d = cost[worse, f] - cost[better, f]
			if (!(f in shown) && d > most) {
				most = d
				which = f
			}
		}
		if (which == "")
			break
		shown[which]
		printf "    %+8.0f in %s\n", most, which
	}
}

function bar(value, full,    n, s)
{
	for (n = int(value / full * 40 + 0.5); n > 0; n--)
		s = s "#"
	return s
}

function write_tsv(op, n, ours, stock, word)
{
	printf "%s\t%d\t%s\t%.1f\t%.1f\t%.1f\t%.1f\t%s\n", op, n, unit,
	       total[ours], total[stock], inside[ours], inside[stock], word >tsv
}

function show_lifecycle(op,    i, n, ours, stock, word, least, most)
{
	for (i = 1; i <= sizes; i++) {
		n = devices[i]
		ours = "ours " op " " n
		stock = "stock " op " " n
		word = verdict(total[ours] <= total[stock] * precision)
		printf "%-10s %7d %11.0f %11.0f %7.3f %9.0f %9.0f  %s\n", op, n,
		       total[ours], total[stock], total[ours] / total[stock],
		       inside[ours], inside[stock], word
		write_tsv(op, n, ours, stock, word)
		if (word == "MISSED")
			blame(ours, stock)
		if (i == 1 || inside[ours] < least)
			least = inside[ours]
		if (i == 1 || inside[ours] > most)
			most = inside[ours]
	}
	if (judged)
		printf "%-10s in our mdev.ko %.0f to %.0f: %s\n", "", least, most,
		       verdict(most <= least * flat) == "ok" ? "flat, ok" : "NOT FLAT, MISSED"
}

function show_forward(op,    ours, direct, word)
{
	ours = "vfio_mdev " op " 1"
	direct = "direct " op " 1"
	word = verdict(total[ours] - total[direct] <= forwarding)
	printf "%-10s %11.0f %11.0f %+11.0f %9.0f  %s\n", op, total[ours],
	       total[direct], total[ours] - total[direct], inside[ours], word
	write_tsv("forward-" op, 1, ours, direct, word)
	if (word == "MISSED")
		blame(ours, direct)
}

function show_bars(op,    i, n, full)
{
	for (i = 1; i <= sizes; i++) {
		full = full < inside["ours " op " " devices[i]] ? inside["ours " op " " devices[i]] : full
		full = full < inside["stock " op " " devices[i]] ? inside["stock " op " " devices[i]] : full
	}
	printf "\n%s, instructions in mdev.ko\n", op
	for (i = 1; i <= sizes; i++) {
		n = devices[i]
		printf "%7d ours  |%-40s %.0f\n", n, bar(inside["ours " op " " n], full), inside["ours " op " " n]
		printf "%7s stock |%-40s %.0f\n", "", bar(inside["stock " op " " n], full), inside["stock " op " " n]
	}
}

END {
	printf "Linux %s, %s\n\n", kver, unit
	printf "%-10s %7s %11s %11s %7s %9s %9s\n", "", "devices", "ours", "stock", "ratio", "in ours", "in stock"
	for (o = 1; o in lifecycle; o++)
		show_lifecycle(lifecycle[o])

	printf "\n%-10s %11s %11s %11s %9s\n", "", "vfio_mdev", "direct", "more", "in ours"
	for (o = 1; o in forward; o++)
		show_forward(forward[o])

	if (judged) {
		show_bars("create")
		show_bars("look-up")
		printf "\n%s\n", missed ? missed " aims missed" : "all aims reached"
	}
	exit missed > 0
}
