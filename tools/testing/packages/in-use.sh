# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Sourced by ./run: make packages-check IN_USE=1. A machine that runs, with the kernel's
# modules, has ours installed, upgraded and purged by apt and DKMS, which build them in it.
# Each time a guest has a device by the old modules: they have to serve it until it ends
# and to be named, and then the new ones take over. In the machine ./guest does all that,
# a step with a name each. What DKMS compiles there has been compiled here, under the same
# paths, and ccache has kept it: an emulated compiler takes half an hour for each version.

: "${second:?}" "${v1:?}" "${v2:?}"

# DKMS, here, compiles what it will compile in the machine; nothing of it stays but ccache's.
compile_for_machine()
{
	local version

	# The machine has the same file, and the same cache.
	printf '%s\n' 'cache_dir = /var/cache/ccache' 'max_size = 500M' 'compiler_check = content' \
		'sloppiness = locale' >/etc/ccache.conf
	export DEBIAN_KERNEL_USE_CCACHE=1 PATH="/usr/lib/ccache:$PATH"
	for version in "$v1" "$v2"; do
		install "$(deb vfio-mdev-dkms "$version")" "$(deb vfio-mdev-samples-dkms "$version")" ||
			return
	done
	purge '^vfio-mdev-.*' && kernels_own && ccache -s
}

step "an initramfs is to be small" small_initramfs
step "apt installs DKMS, Linux $second, systemd and QEMU" \
	install dkms dh-dkms ccache gcc make libc6-dev kmod "linux-headers-$second" \
	"linux-image-$second" systemd-sysv udev e2fsprogs qemu-system-x86
step "make deb, version $v1" build "$v1"
step "make deb, version $v2" build "$v2"
step "DKMS compiles both, and ccache keeps it" compile_for_machine
step "an initramfs has the kernel's type1" wants_type1_early kernel/drivers/vfio
step "a machine has this root" make_disk

step "it starts $second" starts in_use "$second"
step "a guest has a device by the kernel's type1" was uses_the_kernels
step "apt and DKMS build and install ours, and name what is in use" was installs
step "ours take over when it ends" was takes_over
step "a guest has a device of ours" was uses_ours
step "apt and DKMS upgrade them, and name what is in use" was upgrades
step "the new ones take over when it ends" was takes_over_again
step "a guest has a device of the new ones" was uses_the_new
step "apt purges them, and names what is in use" was purges
step "the kernel's take over when it ends" was kernels_take_over
