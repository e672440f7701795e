# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# What the scripts here share; sourced, with "set -eu" on. $me is the name that
# messages open with.

PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
export LC_ALL=C

: "${me:=$(basename "$0")}"
# Services have no $HOME. What others may write is none.
: "${HOME:=$(getent passwd "$(id -u)" | cut -d : -f 6)}"
cache="${VFIO_MDEV_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/vfio-mdev}"

# The kernels that the sources are for, as series: the first, the newest that Debian 12
# has, and the last that was tested, which is named nowhere else without make lint
# looking. Those of "tested" are what runs where none is named.
oldest=6.1
newest=6.12
latest=7.3
# shellcheck disable=SC2034 # for those that source this
tested="$oldest $newest $latest"

if [ -e "$(dirname "$0")/machines" ]; then
	. "$(dirname "$0")/machines"
else
	# Of those that are elsewhere, which have set it
	. "${top:?}/scripts/machines"
fi

say()
{
	echo "$me: $*" >&2
}

die()
{
	say "$*"
	exit 1
}

# 6.12.117+deb12-amd64 is of the series 6.12.
series_of()
{
	echo "$1" | sed -n 's/^\([0-9]\{1,\}\.[0-9]\{1,\}\)\([^0-9].*\)\{0,1\}$/\1/p'
}

# flavour_of KERNEL: -16k of one with pages of 16 KiB, nothing of the others
flavour_of()
{
	case $1 in
	*-16k)	echo -16k ;;
	esac
}

# Is the version $1 of series $2 or a later one?
is_from()
{
	s=$(series_of "$1")
	[ -n "$s" ] && [ "$(printf '%s\n' "$2" "$s" | sort -V | head -n 1)" = "$2" ]
}

# Is the version $1 one that the sources are for? What comes after the latest is for
# scripts/btfcheck to judge.
supported()
{
	is_from "$1" "$oldest"
}

# Is the version $1 of a later series than any that was tested?
is_beyond()
{
	[ "$(series_of "$1")" != "$latest" ] && is_from "$1" "$latest"
}

# Of the Debian that this machine has
codename()
{
	sed -n 's/^VERSION_CODENAME="\{0,1\}\([a-z]*\)"\{0,1\}$/\1/p' /etc/os-release 2>/dev/null
}

# machine_for KERNEL: the machine of a kernel that is given by version, or by series and
# flavour (6.12-16k), where $ARCH says it.
machine_for()
{
	case $1 in
	*.*.*)	machine_of "$1" ;;
	*)	machine_named "${ARCH:-}" ;;
	esac
}

# is_foreign KERNEL: is it for another machine than this?
is_foreign()
{
	[ "$(machine_for "$1")" != "$(machine_named "")" ]
}

# cross_words KERNEL: what the make of another machine's stock kernel has to be told. The
# headers of Linux 6.1 want it as Debian's own packages have it, later ones know.
cross_words()
{
	if [ -n "$1" ] && is_foreign "$1"; then
		use_machine "$(machine_of "$1")"
		echo "ARCH=$m_arch CROSS_COMPILE=$m_cross DEB_BUILD_ARCH=$(machine_named "")" \
			"DEB_HOST_ARCH=$m_name DEB_HOST_GNU_TYPE=$m_tuple"
	fi
}

# suite_of KERNEL: the suite of Debian that a kernel is in, given by version or by
# series; nothing where it is one that this machine has its own packages from.
suite_of()
{
	case $1 in
	6.1|6.1.*)	suite=bookworm ;;
	6.12.*+deb12*)	suite=bookworm ;;
	6.12.*+deb13*)	suite=trixie ;;
	7.*)		suite=trixie-backports ;;
	*)		suite= ;;
	esac
	if is_foreign "$1"; then
		echo "${suite:-$(codename)}"
	elif [ "$suite" != "$(codename)" ]; then
		echo "$suite"
	fi
}

# The version of the kernel that build directory $1 belongs to, as uname -r
# will say it.
release_of()
{
	sed -n 's/^#define UTS_RELEASE "\(.*\)"$/\1/p' \
		"$1/include/generated/utsrelease.h" 2>/dev/null
}

# The build directory of kernel $1: the installed headers, or those that
# scripts/setup unpacked in the cache. Fails if there are none.
kdir_of()
{
	for d in "/lib/modules/$1/build" "/usr/src/linux-headers-$1" \
	    "$cache/headers/$1/build"; do
		if [ "$(release_of "$d")" = "$1" ]; then
			echo "$d"
			return 0
		fi
	done
	return 1
}

# Set $kver and $kdir for a kernel given by version, or by build directory (a
# word with a slash); ends with what to do if it cannot be built for.
find_kernel()
{
	case $1 in
	*/*)	[ -d "$1" ] || die "$1 is no folder: give a kernel's build tree"
		kdir=$(cd "$1" && pwd)
		kver=$(release_of "$kdir") || true
		[ -n "$kver" ] ||
			die "$1 is no prepared kernel build tree: run 'make modules_prepare' there" ;;
	*)	kver=$1
		kdir= ;;
	esac
	supported "$kver" ||
		die "Linux $kver is too old, these modules are for $oldest and later: choose a kernel with KVER=, or type 'make kernels'"
	[ -n "$kdir" ] || kdir=$(kdir_of "$kver") ||
		die "no headers of Linux $kver here: run 'apt-get install linux-headers-$kver' or 'scripts/setup build' as root"
}

installed()
{
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# quietly WHAT COMMAND...: run it with its output in a log, with a line every
# ten seconds; on failure show the end of the log and return its status.
quietly()
{
	what=$1
	shift
	log=$(mktemp)
	"$@" >"$log" 2>&1 </dev/null &
	pid=$!
	waited=0
	# Most find that there is nothing to do.
	for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		kill -0 "$pid" 2>/dev/null && sleep 0.1
	done
	while kill -0 "$pid" 2>/dev/null; do
		sleep 1
		waited=$((waited + 1))
		if [ $((waited % 10)) -eq 0 ]; then
			say "$what, $waited s: $(tr '\r' '\n' <"$log" | grep . | tail -n 1 | cut -c 1-100)"
		fi
	done
	rc=0
	wait "$pid" || rc=$?
	if [ "$rc" -ne 0 ]; then
		say "$what failed:"
		tail -n 20 "$log" | sed 's/^/    /' >&2
	fi
	rm -f "$log"
	return "$rc"
}

# use_ccache: compilers take from the cache what they made of the same before, if it was by
# the same name. Where ccache is not installed, or may not write there, they work as ever.
# ccache looks at the headers that were read then, and knows nothing of one that would be read
# in place of another since: so which there are in $top is part of what it asks for.
use_ccache()
{
	mkdir -p "$cache/ccache" 2>/dev/null || true
	if [ ! -d /usr/lib/ccache ] || [ ! -w "$cache/ccache" ]; then
		return 0
	fi
	headers=$(cd "${top:?}" && find include drivers samples tools -name '*.h' | sort)
	names=$cache/ccache/headers-$(echo "$headers" | cksum | cut -d ' ' -f 1)
	echo "$headers" >"$names.$$"
	mv "$names.$$" "$names"
	# Which language messages are in, DKMS asks here and there.
	export CCACHE_DIR="$cache/ccache" CCACHE_MAXSIZE=1G CCACHE_COMPILERCHECK=content \
		CCACHE_EXTRAFILES="$names" CCACHE_SLOPPINESS=locale PATH="/usr/lib/ccache:$PATH"
}

# lock DIR: make it if need be, and keep others that lock it waiting until this
# process, and those that it runs, have ended.
lock()
{
	mkdir -p "$1"
	exec 9>"$1/.lock"
	if ! flock -n 9; then
		say "waiting for another run that works in $1"
		flock 9
	fi
}

# known_mirror LABEL: where the machine has that part of Debian from, as its package
# lists say; of a file that lists mirrors the first.
known_mirror()
{
	# shellcheck disable=SC2016 # names of apt's
	uri=$(apt-get indextargets --format '$(ORIGIN) $(LABEL) $(REPO_URI)' \
		'Created-By: Packages' 2>/dev/null |
		sed -nE "s,^Debian $1 ((https?:|mirror\+file:).*),\1,p" | head -n 1)
	case $uri in
	mirror+file:*)
		# Its path may end with the slash of a folder.
		uri=${uri#mirror+file:}
		sed -nE 's,^(https?://[^[:space:]]*).*,\1,p' "${uri%/}" 2>/dev/null | head -n 1 ;;
	*)	echo "$uri" ;;
	esac
}

# Set $mirror and $security to where the machine has Debian and its updates from.
find_mirrors()
{
	mirror=$(known_mirror Debian)
	security=$(known_mirror Debian-Security)
	[ -z "$mirror" ] || [ -z "$security" ] || return 0
	apt_update || true
	mirror=$(known_mirror Debian)
	security=$(known_mirror Debian-Security)
	if [ -z "$mirror" ] || [ -z "$security" ]; then
		die "apt here knows no mirror of Debian and of its security updates: see to /etc/apt/sources.list*, then 'apt-get update'"
	fi
}

# bootstrap SUITE DIR [PACKAGES]: an untouched Debian, as small as it gets, in DIR. The
# words with commas between them name packages that are in it as well.
bootstrap()
{
	archives=${VFIO_MDEV_DOWNLOADS:-$cache/fresh/archives}
	find_mirrors && mkdir -p "$archives" &&
	debootstrap --variant=minbase ${3:+"--include=$3"} --cache-dir="$archives" \
		"$1" "$2" "$mirror" &&
	rm -f "$2"/var/cache/apt/archives/*.deb
}

# How the machine's apt reaches its mirrors, as lines for another's settings; what it
# does with them is Debian's. A program that finds a proxy may not be there.
apt_settings()
{
	apt-config dump | grep -E '^Acquire::(http|https|Retries|Check-|Force)' |
		grep -viE '^[^ ]*auto-?detect' || true
}

# Have apt, in this process, know the suite of kernel $1, if the machine has its own
# packages from another or is another.
use_suite_of()
{
	suite=$(suite_of "$1")
	[ -z "$suite" ] || use_suite "${suite%-backports}" "$(machine_for "$1")"
}

# use_suite RELEASE MACHINE: have apt, in this process, take packages of MACHINE's where a
# name does not say whose. Its lists are in the cache, and it has no other setting of the
# machine's than how to reach its mirrors: dpkg here hears of no other architecture.
use_suite()
{
	release=$1
	host=$(dpkg --print-architecture)
	find_mirrors
	lists=$cache/apt/$release
	[ "$2" = "$host" ] || lists=$lists-$2
	mkdir -p "$lists/lists/partial" "$lists/archives/partial"
	touch "$lists/status"
	cat >"$lists/sources.list.$$" <<-END
		deb $mirror $release main
		deb $mirror $release-backports main
		deb $security $release-security main
	END
	{
		apt_settings
		cat <<-END
			Dir::Etc::main "/dev/null";
			Dir::Etc::parts "/dev/null";
			Dir::Etc::SourceList "$lists/sources.list";
			Dir::Etc::SourceParts "/dev/null";
			Dir::State "$lists";
			Dir::State::status "$lists/status";
			Dir::Cache "$lists";
			APT::Sandbox::User "root";
			APT::Architecture "$2";
			APT::Architectures { "$2"; "$host"; };
			Acquire::Languages "none";
		END
	} >"$lists/apt.conf.$$"
	mv "$lists/sources.list.$$" "$lists/sources.list"
	mv "$lists/apt.conf.$$" "$lists/apt.conf"
	export APT_CONFIG="$lists/apt.conf"
	apt_own=$lists
	apt_updated=
}

# Refresh apt's package lists, once a run; the machine's as root only. Where it fails apt
# knows what it could read: a mirror that is being updated has lists that do not fit.
apt_update()
{
	[ -z "${apt_updated:-}" ] || return 0
	[ -n "${apt_own:-}" ] || [ "$(id -u)" -eq 0 ] || return 1
	apt_updated=1
	quietly "reading apt's package lists${apt_own:+ of $release}" \
		${apt_own:+flock "$apt_own"} apt-get -q update
}

# apt_knows PACKAGE: has apt's newest lists got it?
apt_knows()
{
	[ -n "$(candidate "$1")" ] ||
		{ apt_update || true; [ -n "$(candidate "$1")" ]; }
}

# apt_offers SERIES[-FLAVOUR]: the newest stock kernel of it that apt has headers of, and
# the kernel, which may come later.
apt_offers()
{
	apt-cache search --names-only \
		"^linux-headers-$(series_of "$1" | sed 's/\./\\./')\.[0-9.]*(-[0-9]+|\+deb[0-9.]+)-$(machine_for "$1")$(flavour_of "$1")\$" |
		sed -n 's/^linux-headers-\([^ ]*\) .*/\1/p' | sort -Vr |
		while read -r offered; do
			[ -z "$(candidate "linux-image-$offered")" ] || echo "$offered"
		done | head -n 1
}

# apt's newest version of package $1; empty if apt knows none.
candidate()
{
	apt-cache policy "$1" 2>/dev/null |
		sed -n 's/^ *Candidate: *\([^( ].*\)/\1/p'
}

# What $VFIO_MDEV_DOWNLOADS, a folder that keeps packages for later, has of these: apt
# leaves out what it finds.
take_downloads()
{
	for p; do
		arch=$(apt-config dump --format '%v%n' APT::Architecture)
		case $p in
		*:*)	arch=${p##*:} ;;
		esac
		for arch in "$arch" all; do
			deb="$VFIO_MDEV_DOWNLOADS/${p%:*}_$(candidate "$p" | sed 's/:/%3a/')_$arch.deb"
			[ ! -e "$deb" ] || ln -s "$deb" "$debs"
		done
	done
}

# download_into DIR PACKAGE...: unpack packages under DIR, installing nothing.
download_into()
{
	into=$1
	shift
	debs=$(mktemp -d)
	[ -z "${VFIO_MDEV_DOWNLOADS:-}" ] || take_downloads "$@"
	ok=1
	(cd "$debs" && quietly "downloading $*" apt-get -q download "$@") || ok=
	if [ -z "$ok" ]; then
		apt_update || true
		ok=1
		(cd "$debs" && quietly "downloading $*" apt-get -q download "$@") || ok=
	fi
	if [ -n "$ok" ]; then
		for deb in "$debs"/*.deb; do
			quietly "unpacking $(basename "$deb")" dpkg-deb -x "$deb" "$into" ||
				ok=
		done
	fi
	[ -z "${VFIO_MDEV_DOWNLOADS:-}" ] ||
		find "$debs" -name '*.deb' -type f -exec cp -n {} "$VFIO_MDEV_DOWNLOADS" \;
	rm -rf "$debs"
	[ -n "$ok" ]
}
