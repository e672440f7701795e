# SPDX-License-Identifier: GPL-2.0
#
# Reads what one test program printed and judges it strictly as KTAP: a version
# line, at each level a plan, as many results as planned, counted from 1, and
# no result better than those nested in it.
#
# Prints a line for every case that has no cases nested in it, "pass NAME",
# "skip NAME" or "fail NAME"; after a failed one the lines that the program
# printed since the result before, each behind "| "; and "fail SENTENCE" for
# each breach of the protocol.

function breach(sentence)
{
	breaches++
	print "fail " sentence
}

# Ends the cases of all levels from LEVEL down. Returns the worst result.
function close_levels(level,	bad)
{
	for (bad = 0; depth >= level; depth--) {
		if (plan[depth] == "")
			breach("no plan" where(depth))
		else if (plan[depth] != count[depth])
			breach(plan[depth] " cases planned, " count[depth] + 0 \
			       " reported" where(depth))
		if (failed[depth])
			bad = 1
		delete plan[depth]
		delete count[depth]
		delete failed[depth]
	}
	return bad
}

function where(level)
{
	return level ? " (nested, before line " NR ")" : ""
}

function level_of(line)
{
	match(line, /^ */)
	return int(RLENGTH / 2)
}

BEGIN {
	depth = -1
}

{
	sub(/\r$/, "")
}

/^ *(KTAP version [0-9]+|TAP version 13)$/ {
	level = level_of($0)
	if (level > depth + 1 || level == 0 && depth >= 0)
		breach("a version line out of place, line " NR)
	depth = level
	next
}

/^ *1\.\.[0-9]+/ {
	level = level_of($0)
	if (level > depth)
		breach("a plan before the version, line " NR)
	else if (plan[level] != "")
		breach("a second plan, line " NR)
	depth = level
	plan[level] = substr($1, 4) + 0
	if (toupper($0) ~ /# SKIP/ && plan[level] == 0) {
		sub(/^.*# /, "")
		print "skip all: " $0
	}
	next
}

/^ *(not )?ok [0-9]+/ {
	level = level_of($0)
	nested = level < depth
	nested_bad = nested && close_levels(level + 1)
	if (level > depth)
		breach("a result before the version, line " NR)
	depth = level

	line = $0
	ok = line !~ /^ *not /
	sub(/^ *(not )?ok /, "", line)
	number = line + 0
	name = line
	sub(/^[0-9]+ *(- )?/, "", name)

	count[level]++
	if (number != count[level])
		breach("case " number " where " count[level] " was due, line " NR)
	if (nested_bad && ok)
		breach("\"" name "\" passes with failed cases in it")

	# A failure that the program expects is marked as such.
	if (toupper(name) ~ /# (XFAIL|TODO)/)
		ok = 1
	if (!ok)
		failed[level] = 1
	if (!nested) {
		if (ok && toupper(name) ~ /# SKIP/)
			print "skip " name
		else if (ok)
			print "pass " name
		else {
			print "fail " name
			printf "%s", said
		}
	}
	said = ""
	next
}

{
	said = said "| " $0 "\n"
}

/^ *Bail out!/ {
	breach($0)
}

END {
	before = breaches
	if (depth < 0)
		breach("it printed no KTAP")
	close_levels(0)
	# Its last words are of interest if it ended too early.
	if (breaches > before)
		printf "%s", said
}
