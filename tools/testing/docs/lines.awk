# SPDX-License-Identifier: GPL-2.0
#
# usage: awk -v words=FILE [-v until=REGEX] -f lines.awk DOCUMENT
#
# Prints what a document has its reader type, a line each: its number, the number of
# its section, what it is, and the text, separated by tabs. It is one of
#
#	command		also "make ..." within a sentence of a .md file
#	output		what the command before it prints
#	kbuild		an assignment for a driver's Kbuild file
#	unclear		neither, where nothing else should be
#
# In a .md file a block is fenced, in a .txt file it is indented and follows an
# empty line. Commands begin with one of the words in FILE, or assign a variable of
# the shell's; in a block that "::" announces, and between fences, nothing but commands
# and assignments may be. Where the first line has root's prompt, "# ", the lines
# without it are output.
BEGIN {
	OFS = "\t"
	while ((getline word <words) > 0)
		known[word] = 1
	markdown = ARGV[1] ~ /\.md$/
}

function print_line(what, text)
{
	print begin, section + 0, what, text
}

# judge TEXT STRICT: a line of a block, without its indentation.
function judge(text, strict,	first)
{
	if (prompt && text !~ /^# /) {
		print_line("output", text)
		return
	}
	sub(/^# /, "", text)
	first = text
	sub(/[ \t].*/, "", first)
	if (text ~ /^[A-Za-z_][A-Za-z0-9_-]* *[:+?]=/)
		print_line("kbuild", text)
	else if (first in known || first ~ /^[A-Za-z_]+=/)
		print_line("command", text)
	else if (strict)
		print_line("unclear", text)
}

# Commands within a sentence, which may go over several lines.
function judge_sentence(	i, n, part)
{
	n = split(sentence, part, "`")
	if (n > 0 && n % 2 == 0)
		print_line("unclear", sentence)
	for (i = 2; i <= n; i += 2)
		if (part[i] ~ /^make /)
			print_line("command", part[i])
	sentence = ""
}

until != "" && $0 ~ until { exit }

/^(---+|===+|#+ .*)$/ && !fenced { section++ }

markdown && /^```/ {
	begin = NR
	judge_sentence()
	fenced = !fenced
	first = 1
	next
}

markdown && !fenced {
	if (sentence == "")
		begin = NR
	sentence = sentence " " $0
	if (/^$/)
		judge_sentence()
	next
}

markdown { inside = 1; strict = 1 }
!markdown && /^$/ { blank = 1; next }
!markdown && /^[^ \t]/ { inside = 0; blank = 0; strict = /::$/; next }
!markdown && blank && !inside { inside = 1; first = 1 }
!inside || /^$/ { next }

{
	text = $0
	sub(/^[ \t]+/, "", text)
	if (held == "")
		begin = NR
	if (text ~ /\\$/) {
		held = held substr(text, 1, length(text) - 1)
		next
	}
	text = held text
	held = ""
	if (first)
		prompt = text ~ /^# /
	first = 0
	judge(text, strict)
}

END {
	if (markdown && !fenced)
		judge_sentence()
}
