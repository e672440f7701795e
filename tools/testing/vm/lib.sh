# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What the VM tools share: a kernel's boot files, its modules, the accelerator.
# To be sourced with $top set to the root of the source tree.

# shellcheck source=scripts/common.sh
. "${top:?}/scripts/common.sh"
# Until a kernel of another machine is asked for
use_machine "$(machine_named "")"

# Every guest that ends as it should writes this to the debug-exit port; QEMU
# then exits with 2n + 1, which no crash of guest or QEMU does.
exit_code=16
exit_status=$((2 * exit_code + 1))

# pause SECONDS: sleep, without a process for it.
exec {silence_fd}<> <(:)
pause()
{
	read -r -t "$1" -u "$silence_fd" || true
}

# find_emulator: sets emulator to the command that runs it, for the machine that is in use:
# this machine's own, or one of a newer Debian, with that one's libraries.
find_emulator()
{
	local root

	emulator=("$m_qemu")
	[ -n "$m_newer" ] || return 0
	root=$("$top/scripts/fetch-tools" "$m_later") || return
	emulator=("$root"/usr/lib*/ld-linux*.so.* --library-path "$(echo "$root"/usr/lib/*-linux-gnu)"
		"$root/usr/bin/$m_qemu")
}

# has_later: is there a newer QEMU than this machine's, for the machine that is in use?
has_later()
{
	[ -n "$m_later" ] && [ "$(codename)" = bookworm ]
}

# use_later: has find_emulator take that one, which may have to be fetched.
use_later()
{
	has_later || return 0
	if "$top/scripts/fetch-tools" "$m_later" >/dev/null; then
		m_newer=y
	else
		say "it goes on with this machine's QEMU"
	fi
}

# emulator_fault RESULTS KVER: was it QEMU's emulator that brought the guest down, and not
# what it ran? Says what it did, if so. Before QEMU 8.1 that may run a breakpoint which
# another processor has just patched away (a static key, a probe), and then runs it for
# ever. One in a module is taken for the module's.
emulator_fault()
{
	local version

	use_machine "$(machine_of "$2")"
	! grep -qx "SCALE='1'" "$1/job" || return
	m_newer=$(sed -n "s/^NEWER='\(.*\)'$/\1/p" "$1/job")
	find_emulator
	version=$("${emulator[@]}" --version | sed -n 's/.* version \([0-9.]*\).*/\1/p;q')
	[ "$(printf '%s\n' 8.1 "$version" | sort -V | tail -n 1)" = 8.1 ] &&
		! grep -qE 'RIP: .* \[[a-z0-9_]+\]' "$1/console.log" &&
		grep -qE 'RIP: [0-9a-f]*:?asm_exc_int3|Oops: int3|int3: 0000' "$1/console.log" &&
		echo "the emulator ran a breakpoint that was patched away"
}

# chosen_kernels WHICH: the tested kernels whose headers are here, or the one that
# WHICH names by its version or its series.
chosen_kernels()
{
	local found

	found=$("$top/scripts/kernels" ${1:+"$1"}) || exit 1
	[ -n "$found" ] || die "no supported kernel ${1:+$1 }has its headers here: run scripts/setup build as root"
	echo "$found"
}

# is_uml KVER: is it User Mode Linux, and not a stock kernel?
is_uml()
{
	[[ $1 == *-uml ]]
}

# is_intree KVER: is it built from a tree that has our files in it?
is_intree()
{
	[[ $1 == *-intree-* ]]
}

# is_rt KVER: is it a real-time kernel (PREEMPT_RT)?
is_rt()
{
	[[ $1 == *-rt-* || $1 == *-rt ]]
}

# uml_kernels WHICH: those of User Mode Linux, built if need be; all, or the one
# that WHICH names by its version or its series. Fails if one of them cannot be built.
uml_kernels()
{
	local series dir kver bad=0

	for series in "$oldest" "$newest"; do
		case $1 in
		''|"$series"|"$series".*-uml)
			if ! dir=$("$top/tools/testing/uml/build" "$series"); then
				bad=1
				continue
			fi
			kver=$(echo "$dir"/lib/modules/*)
			echo "${kver##*/}"
			;;
		esac
	done
	return $bad
}

# intree_kernels WHICH: those of the in-tree lane, built if need be; all, or those
# that WHICH names by their version or their series.
intree_kernels()
{
	local series kind kinds bad=0

	for series in "$oldest" "$newest" "$latest"; do
		case $series in
		"$latest")	kinds="iommufd kcsan" ;;
		"$newest")	kinds="debug iommufd builtin rt kcsan" ;;
		*)		kinds="debug builtin" ;;
		esac
		for kind in $kinds; do
			case $1 in
			''|"$series"|"$series".*-intree-"$kind")
				"$top/tools/testing/intree/build" "$series" "$kind" ||
					bad=1
				;;
			esac
		done
	done
	return $bad
}

# A caller that asks often keeps the answers of kernel_dir here.
declare -A kernel_dirs

# kernel_dir KVER: the directory that holds boot/ and lib/modules/KVER.
kernel_dir()
{
	if [ -n "${kernel_dirs[$1]:-}" ]; then
		echo "${kernel_dirs[$1]}"
	elif is_uml "$1"; then
		"$top/tools/testing/uml/build" "$(series_of "$1")"
	elif is_intree "$1"; then
		ls -d "$cache/intree/$1"
	else
		"$top/scripts/fetch-kernel" "$1"
	fi || die "there is no image of kernel $1 to boot"
}

# cached PATH COMMAND...: PATH, made by COMMAND > file when it is not there
# yet. Two callers may make it at once; the last to finish wins.
cached()
{
	local path=$1 new
	shift

	if [ ! -e "$path" ]; then
		mkdir -p "${path%/*}" && new=$(mktemp "$path.XXXXXX") || return 1
		if ! "$@" >"$new"; then
			rm -f "$new"
			return 1
		fi
		mv "$new" "$path"
	fi
	touch "$path"
	echo "$path"
}

# forget_old: takes away what has not been used for a day. One at a time: what
# another has found old may have been made anew since.
forget_old()
{
	{
		flock 9
		find "$cache/vm" -mindepth 1 -maxdepth 2 -name '*-*' -mmin +1440 \
			\( -path "$cache/vm/*/*" -o -name 'run-*' -o -name 'kvm-*' \
			-o -name 'tsc-*' \) \
			-prune -exec rm -rf {} +
	} 9>"$cache/vm/.lock"
}

# stamp FILE...: a word that changes when one of the files does.
stamp()
{
	cat "$@" | cksum | cut -d ' ' -f 1
}

# boot_image KVER: the file to give to -kernel; unpacked it boots faster.
boot_image()
{
	local kernel bzimage

	kernel=$(kernel_dir "$1") || return 1
	bzimage=$kernel/boot/vmlinuz-$1
	if is_uml "$1" || is_intree "$1" || [ "$(machine_of "$1")" != amd64 ]; then
		echo "$bzimage"
		return
	fi
	cached "$cache/vm/$1/vmlinux-$(stamp "$bzimage")" \
		"$top/scripts/unpack-kernel" "$bzimage" || echo "$bzimage"
}

# pack DIR: DIR as an archive that the kernel takes for an initramfs.
pack()
{
	(cd "$1" && find . | busybox cpio -o -H newc -R 0:0) 2>/dev/null
}

# root_of KVER: the folder of this machine that is the root of the VM; a foreign machine's
# is made of its packages.
root_of()
{
	if is_foreign "$1"; then
		"$top/scripts/fetch-root" "$(machine_of "$1")"
	else
		echo /
	fi
}

# busybox_of KVER: the busybox of the VM's root.
busybox_of()
{
	local root

	root=$(root_of "$1") || return 1
	if [ "$root" = / ]; then command -v busybox; else echo "$root/bin/busybox"; fi
}

# add_busybox DIR KVER: busybox, which must be the static one.
add_busybox()
{
	local box
	box=$(busybox_of "$2")

	if LC_ALL=C ldd "$box" >/dev/null 2>&1; then
		die "$box is not static: run scripts/setup vm"
	fi
	mkdir -p "$1/bin" && cp -L "$box" "$1/bin/busybox"
}

# add_modules DIR KVER NAME...: the modules NAME with all that they need,
# uncompressed, and DIR/modules/order, which names them in order of loading.
add_modules()
{
	local dir=$1 kver=$2 path name
	shift 2

	mkdir -p "$dir/modules" &&
	: >"$dir/modules/order" || return 1
	[ $# -gt 0 ] || return 0

	modprobe -d "$(kernel_dir "$kver")" -S "$kver" -a --show-depends "$@" |
	awk '$1 == "insmod" && !seen[$2]++ { print $2 }' |
	while read -r path; do
		name=${path##*/}
		name=${name%%.ko*}.ko
		case $path in
		*.xz)	xz -dc "$path" ;;
		*.zst)	zstd -dc "$path" ;;
		*.gz)	gzip -dc "$path" ;;
		*)	cat "$path" ;;
		esac >"$dir/modules/$name" || exit 1
		echo "$name"
	done >"$dir/modules/order"
}

# accel KVER: QEMU's arguments for the fastest accelerator that works, for a kernel of the
# machine that is in use. A /dev/kvm that opens says little: a guest must have come up
# under it. The KVM of a real-time kernel wants a time stamp counter that is said to be
# constant: the emulator's is the machine's own, though it does not say so by itself.
accel()
{
	local answer=tcg
	local kvm=host emulated=$m_cpu
	local probe

	probe=$cache/vm/kvm-$(cat /proc/sys/kernel/random/boot_id)
	if [ "$m_name" = amd64 ] && grep -qE '^flags.*\<(vmx|svm)\>' /proc/cpuinfo &&
	    [ -w /dev/kvm ]; then
		answer=$(cached "$probe" probe_kvm "$1")
		answer=$(cat "$answer")
	fi
	[ -z "$(flavour_of "$1")" ] || emulated=$m_cpu_16k
	if is_rt "$1"; then
		kvm+=,+invtsc
		emulated+=,+invtsc,x-force-features=on
	fi
	case $answer in
	kvm)	echo "-accel kvm -cpu $kvm" ;;
	*)	echo "-accel tcg,thread=multi -cpu $emulated" ;;
	esac
}

probe_kvm()
{
	local status=0

	timeout -s KILL $((20 * ${VM_SCALE:-1})) qemu-system-x86_64 -nodefaults -no-user-config \
		-display none -machine q35 -accel kvm -cpu host -m 256M \
		-no-reboot -device isa-debug-exit,iobase=0xf4,iosize=1 \
		-kernel "$(boot_image "$1")" -initrd "$(initramfs "$1")" \
		-append "vm=probe panic=-1" </dev/null >/dev/null 2>&1 ||
		status=$?
	if [ "$status" -eq "$exit_status" ]; then echo kvm; else echo tcg; fi
}

# tsc_khz: how fast the time stamp counter is that the emulator shows to a guest, if
# that can be told. A guest that finds it out itself, while it does not always get to
# run, may have a clock that is several times too fast, and everything takes too long.
tsc_khz()
{
	local answer

	[ "$m_name" = amd64 ] && grep -qE '^flags.*\<constant_tsc\>' /proc/cpuinfo || return 0
	answer=$(cached "$cache/vm/tsc-$(cat /proc/sys/kernel/random/boot_id)" probe_tsc) &&
		cat "$answer"
}

probe_tsc()
(
	dir=$(mktemp -d) || exit 1
	trap 'rm -rf "$dir"' EXIT
	gcc -O2 -o "$dir/tsc" "$top/tools/testing/vm/tsc.c" && "$dir/tsc"
)

# initramfs KVER: the first root of a guest: enough to reach the host's files.
initramfs()
{
	local kernel

	kernel=$(kernel_dir "$1") || return 1
	cached "$cache/vm/$1/initramfs-$(stamp "$top/tools/testing/vm/init" \
		"$(busybox_of "$1")" "$kernel/boot/vmlinuz-$1")" \
		make_initramfs "$1"
}

make_initramfs()
(
	dir=$(mktemp -d) || exit 1
	trap 'rm -rf "$dir"' EXIT
	drivers=(virtio_pci 9pnet_virtio 9p overlay)
	use_machine "$(machine_of "$1")"
	# User Mode Linux has what it needs built in.
	is_uml "$1" && drivers=()
	mkdir "$dir/proc" "$dir/sys" "$dir/dev" "$dir/mnt" &&
	add_busybox "$dir" "$1" &&
	add_modules "$dir" "$1" "${drivers[@]}" &&
	install -m 755 "$top/tools/testing/vm/init" "$dir/init" &&
	pack "$dir"
)

# wanted_modules OBJECTS: the modules found below OBJECTS, less our type1 if
# TYPE1 asks for the kernel's.
wanted_modules()
{
	local -a but=()

	case ${TYPE1:-ours} in
	ours)	;;
	stock)	but=(! -name vfio_iommu_type1.ko) ;;
	*)	die "there is no type1 $TYPE1; there are: ours stock" ;;
	esac
	find "$1" -name '*.ko' "${but[@]}" | sort
}

# module_tree KVER OBJECTS: a directory to lie over the kernel's own
# /lib/modules/KVER: updates/, with the wanted modules of OBJECTS, which modprobe
# prefers, and depmod's view of both. depmod runs here, where it takes a tenth of
# the time, and what only debuggers read is left out: a guest reads slowly.
module_tree()
{
	local kver=$1 objects=$2 kernel tree modules
	local -a ours

	kernel=$(kernel_dir "$kver") || exit 1
	modules=$(wanted_modules "$objects") || exit 1
	mapfile -t ours < <(printf '%s' "$modules")
	[ ${#ours[@]} -gt 0 ] || die "$objects holds no module: run make KVER=$kver"

	use_machine "$(machine_of "$kver")"
	tree=$cache/vm/$kver/modules-$(stamp "${ours[@]}" "$kernel/boot/vmlinuz-$kver")
	if [ ! -d "$tree" ]; then
		make_module_tree "$tree" || die "cannot make $tree"
	fi
	touch "$tree"
	echo "$tree/lib/modules/$kver"
}

make_module_tree()
(
	mkdir -p "${1%/*}" && new=$(mktemp -d "$1.XXXXXX") || exit 1
	trap 'rm -rf "$new"' EXIT
	dir=$new/lib/modules/$kver
	chmod 755 "$new" &&
	mkdir -p "$dir/updates" &&
	ln -s "$kernel/lib/modules/$kver/kernel" "$dir/kernel" &&
	cp "$kernel/lib/modules/$kver"/modules.{order,builtin*} "$dir" &&
	cp -L "${ours[@]}" "$dir/updates" &&
	"${m_cross}strip" --strip-debug "$dir"/updates/*.ko &&
	depmod -b "$new" "$kver" &&
	rm "$dir/kernel" || exit 1
	mv -T "$new" "$1" 2>/dev/null || [ -d "$1" ]
)
