# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Sourced by ./run: make packages-check SECUREBOOT=1. The package, and make install, on a
# machine with Secure Boot, before and after DKMS's key is enrolled as an administrator
# does it: what loads, what is refused, and which modules the machine has then. All is
# built here; in the machine ./guest does the rest, a step with a name each.

: "${top:?}" "${work:?}" "${first:?}" "${v1:?}"

# Others' signatures, and none
other_modules()
{
	local build=/lib/modules/$first/build

	mkdir -p "$work/none" "$work/foreign" &&
	cp "/lib/modules/$first/kernel/drivers/vfio/vfio_iommu_type1.ko" "$work/none" &&
	strip --strip-debug "$work/none/vfio_iommu_type1.ko" &&
	[ -z "$(modinfo -F sig_key "$work/none/vfio_iommu_type1.ko")" ] &&
	cp "$work/none/vfio_iommu_type1.ko" "$work/foreign" &&
	foreign_key && "$build/scripts/sign-file" sha256 "$work/foreign.key" "$work/foreign.pub" \
		"$work/foreign/vfio_iommu_type1.ko"
}

# DKMS makes the key, and signs with it.
refused_under_secure_boot()
{
	pretend_secure_boot &&
	fails install "$(deb vfio-mdev-dkms "$v1")" >"$work/said" 2>&1
	local status=$?

	cat "$work/said"
	[ $status -eq 0 ] && refused_for_its_key && no_pretence
}

apt_goes_on()
{
	pretend_secure_boot && pretend_enrolled && dpkg --configure -a &&
	ours_in_charge "$first" && no_pretence
}

build_test()
{
	make -C "$top/tools/testing/selftests/vfio" OUTPUT="$work/tests" \
		KSELFTESTS="$("$top/scripts/cache-source")/tools/testing/selftests" \
		"$work/tests/mtty_card"
}

step "apt installs DKMS, Linux $first, QEMU, its firmware and Debian's boot loaders" \
	install dkms dh-dkms bpftool gcc make libc6-dev kmod openssl mokutil \
	"linux-headers-$first" "linux-image-$first" qemu-system-x86 busybox-static cpio xz-utils zstd \
	ovmf shim-signed shim-helpers-amd64-signed grub-efi-amd64-signed
step "it runs there" runs "$first"
step "make deb, version $v1" build "$v1"
step "make" make -C "$top" KVER="$first"
step "a test is built" build_test
step "where Secure Boot seems to be on apt builds ours and does not install them" refused_under_secure_boot
step "modules with no signature and with a foreign one" other_modules
step "a machine with Secure Boot" secure_machine "$first"

step "it boots" boots before
step "it is locked down, and does not know DKMS's key" was locked_down
step "it refuses a module without a signature" was unsigned
step "it refuses ours, signed with DKMS's key" was ours
step "DKMS does not install them, and says what to do" was dkms
step "make install refuses, and says what to do" was make_install
step "the kernel's modules are the machine's" was kernels_own
step "its type1 loads, and vfio-pci passes a device through by it" was type1
step "mokutil asks for DKMS's key to be enrolled" was import
step "MokManager enrolls it" enroll secret

step "it boots" boots after
step "it is locked down, and knows DKMS's key" was locked_down
step "it refuses a module without a signature" was unsigned
step "it refuses a module with a foreign signature" was foreign
step "DKMS installs ours" was dkms
step "they load, and vfio-pci passes a device through by our type1" was type1
step "apt purges them, and the kernel's are back" was purge
step "make install signs ours" was make_install
step "they load, and a sample's test passes" was sample
step "where the key seems to be enrolled \"dpkg --configure -a\" ends the installation" apt_goes_on
