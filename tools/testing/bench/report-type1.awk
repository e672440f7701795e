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
	missed = shown_rows = 0

	heading("a page pinned, 16,384 in all")
	declare("pin-4k-1", "4K, 1 a call", "pin-4k-1", 1000, 709)
	declare("pin-4k-16", "4K, 16 a call", "pin-4k-16")
	declare("pin-4k-512", "4K, 512 a call", "pin-4k-512", 330, 270)
	declare("pin-thp-1", "THP, 1 a call", "pin-thp-1")
	declare("pin-thp-512", "THP, 512 a call", "pin-thp-512", 20, 11)
	declare("thread-pin-1", "by a kernel thread, 1 a call", "thread-pin-1")
	declare("thread-pin-512", "by a kernel thread, 512 a call", "thread-pin-512")
	declare("shuffled-pin-1", "shuffled, 1 a call", "shuffled-pin-1")
	declare("stride-2-pin", "one in 2, 1 a call", "stride-2-pin")
	declare("stride-16-pin", "one in 16, 1 a call", "stride-16-pin")
	declare("stride-512-pin", "one in 512, 1 a call", "stride-512-pin")
	declare("mappings-pin-16", "1,024 mappings, 16 a call", "pin-4k-16")
	declare("dirty-pin-1", "dirty tracking, 1 a call", "pin-4k-1")
	declare("dirty-pin-512", "dirty tracking, 512 a call", "pin-4k-512")
	declare("mixed-pin-1", "mixed container, 1 a call", "pin-4k-1")
	declare("mixed-pin-512", "mixed container, 512 a call", "pin-4k-512")

	heading("a page pinned again")
	declare("again-4k-1", "4K, 1 a call", "", 150)
	declare("again-4k-512", "4K, 512 a call", "", 15)
	declare("again-thp-512", "THP, 512 a call", "")

	heading("a page unpinned")
	declare("unpin-4k-1", "4K, 1 a call", "unpin-4k-1")
	declare("unpin-4k-16", "4K, 16 a call", "unpin-4k-16")
	declare("unpin-4k-512", "4K, 512 a call", "unpin-4k-512", 130, 101)
	declare("unpin-thp-1", "THP, 1 a call", "unpin-thp-1")
	declare("unpin-thp-512", "THP, 512 a call", "unpin-thp-512", 12, 11)
	declare("shuffled-unpin-1", "shuffled, 1 a call", "shuffled-unpin-1")
	declare("stride-2-unpin", "one in 2, 1 a call", "stride-2-unpin")
	declare("stride-16-unpin", "one in 16, 1 a call", "stride-16-unpin")
	declare("stride-512-unpin", "one in 512, 1 a call", "stride-512-unpin")
	declare("mappings-unpin-16", "1,024 mappings, 16 a call", "unpin-4k-16")
	declare("dirty-unpin-512", "dirty tracking, 512 a call", "unpin-4k-512")
	declare("mixed-unpin-512", "mixed container, 512 a call", "unpin-4k-512")

	printf "row\tunit\tstock\tfloor\tours\tat_most\tverdict\n" >tsv
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
	for (f in counted) {
		cost[$2, $3, f] = counted[f] / $5
		functions[f]
	}
	delete counted
}

$1 == "row" && $2 == "ours" {
	have_ours = 1
}

function digits(number)
{
	return number == "" ? "-" : sprintf(number < 100 ? "%.2f" : "%.0f", number)
}

function ratio(a, b)
{
	return a == "" || b == "" || b + 0 == 0 ? "-" : sprintf("%.3f", a / b)
}

# Where an older kernel's own functions cost more, the aim is as far above them.
function at_most(name, floor)
{
	if (aims[name] == "")
		return ""
	if (floor != "" && kver !~ /^6\.12\./ &&
	    floor * aims[name] / floors_then[name] > aims[name])
		return floor * aims[name] / floors_then[name]
	return aims[name]
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
	limit = at_most(name, floor)
	word = "-"
	if (judged && ours != "") {
		word = "ok"
		if ((limit != "" && ours > limit) || ours > stock * worse) {
			word = "MISSED"
			missed++
		}
	}
	printf "%-32s %9s %8s %9s %7s %7s %8s  %s\n", titles[name], digits(stock),
	       digits(floor), digits(ours), ratio(ours, stock), ratio(ours, floor),
	       digits(limit), word
	printf "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", name, unit, stock, floor, ours,
	       limit, word >tsv
	if (counts) {
		break_down("floor", name)
		break_down("stock", name)
	}
	if (counts || word == "MISSED")
		break_down("ours", name)
}

function bar(name, whose, number, full,    n, s)
{
	if (number == "")
		return
	for (n = int(number / full * 50 + 0.5); n > 0; n--)
		s = s "#"
	printf "%-32s %-5s |%-50s %s\n", name, whose, s, digits(number)
}

function show_bars(    i, name, stock)
{
	print ""
	for (i = 1; i <= declared; i++) {
		name = order[i]
		if (aims[name] == "" || (stock = value["stock", name]) == "")
			continue
		bar(name, "stock", stock, stock)
		bar("", "floor", floors[name] == "" ? "" : value["floor", floors[name]], stock)
		bar("", "ours", value["ours", name], stock)
	}
}

END {
	printf "Linux %s, %s\n", kver, unit
	for (i = 1; i <= declared; i++) {
		if (order[i] ~ /^#/)
			title = substr(order[i], 2)
		else if (("stock", order[i]) in value) {
			if (title != "")
				printf "\n%-32s %9s %8s %9s %7s %7s %8s\n", title,
				       "stock", "floor", "ours", "/stock", "/floor", "at most"
			title = ""
			show(order[i])
		}
	}
	show_bars()
	if (!have_ours)
		print "\nours was not there: nothing is judged"
	else if (judged)
		printf "\n%s\n", missed ? missed " aims missed" : "all aims reached"
	exit missed > 0
}
