# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Sourced by ./run: two machines, by QEMU, in which what was installed here is used.
#
# One has Secure Boot, by OVMF. Its firmware's variables, Microsoft's keys among them,
# stay from one boot to the next. It boots as Debian does: shim, GRUB, the kernel, all as
# Debian signed them. Its root is this one, with a layer in memory over it, by init and
# guest of tools/testing/vm.
#
# The other has a disk with a copy of this root, and comes up as an installed machine
# does: with the initramfs that is in /boot, and systemd.
#
# In both ./guest looks, in steps with names, and leaves their outputs and statuses in
# $results.

# shellcheck source=tools/testing/vm/lib.sh
. "${top:?}/tools/testing/vm/lib.sh"

machine=${work:?}/machine
results=$machine/results

# Did ./guest do that?
was()
{
	cat "$results/$1.log" && [ "$(cat "$results/$1.status")" = 0 ]
}

share=(-fsdev "local,id=results,path=$results,security_model=none,multidevs=remap"
	-device "virtio-9p-pci,fsdev=results,mount_tag=results")

# secure_machine KVER
secure_machine()
{
	local esp=$machine/esp khz

	khz=$(tsc_khz)
	mkdir -p "$esp/EFI/BOOT" "$esp/EFI/debian" "$results" "$cache/vm" &&
	cp /usr/share/OVMF/OVMF_VARS_4M.ms.fd "$machine/variables" &&
	cp /usr/lib/shim/shimx64.efi.signed "$esp/EFI/BOOT/BOOTX64.EFI" &&
	cp /usr/lib/shim/mmx64.efi.signed "$esp/EFI/BOOT/mmx64.efi" &&
	cp /usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed "$esp/EFI/BOOT/grubx64.efi" &&
	cp "/boot/vmlinuz-$1" "$esp/vmlinuz" &&
	(unset -f install && make_initramfs "$1") >"$esp/initrd" &&
	cat >"$esp/EFI/debian/grub.cfg" <<-END &&
		linux /vmlinuz console=ttyS0 loglevel=5 panic=-1 no_timer_check tsc=reliable random.trust_cpu=on intel_iommu=on iommu=nopt${khz:+ tsc_early_khz=$khz}
		initrd /initrd
		boot
	END
	cat >"$results/job" <<-END
		KVER='$1' MODULES='/mnt/host/lib/modules/$1' RESULTS='$results'
		SCALE=5 TYPE1=stock EXIT_CODE=$exit_code INTERACTIVE=
		GUEST='$top/tools/testing/vm/guest' DIRECTORY='$top' KEEP='$top $work'
	END
}

# boot_secure COMMAND...: until it resets, after the command in it, or by what was chosen
# in MokManager. What it says is in $machine/console; what is written to $machine/keys is
# typed there.
boot_secure()
(
	rm -f "$machine/keys" "$results/status"
	mkfifo "$machine/keys" && echo "exec ${*@Q}" >"$results/command" || exit
	echo $BASHPID >"$machine/pid"
	# shellcheck disable=SC2046 # words
	exec timeout 3600 qemu-system-x86_64 -nodefaults -no-user-config -display none -no-reboot \
		-machine q35,smm=on,kernel-irqchip=split $(accel "${first:?}") -smp 2 -m 2G \
		-global driver=cfi.pflash01,property=secure,value=on \
		-drive if=pflash,unit=0,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.secboot.fd \
		-drive "if=pflash,unit=1,format=raw,file=$machine/variables" \
		-device intel-iommu,intremap=on,aw-bits=48 \
		-drive "if=none,id=esp,format=raw,readonly=on,file=fat:$machine/esp" \
		-device virtio-blk-pci,drive=esp \
		-device edu,dma_mask=0xffffffff -device edu,dma_mask=0xffffffff \
		-object memory-backend-ram,id=bar,size=4M,share=on -device ivshmem-plain,memdev=bar \
		-fsdev local,id=host,path=/,security_model=none,readonly=on,multidevs=remap \
		-device virtio-9p-pci,fsdev=host,mount_tag=host \
		"${share[@]}" \
		-chardev stdio,id=console -serial chardev:console -monitor none \
		<>"$machine/keys" >"$machine/console" 2>&1
)

# boots WHEN: ./guest does all that it does then.
boots()
{
	boot_secure "${here:?}/guest" "$1" "$work" && [ "$(cat "$results/status")" = 0 ]
	local status=$?

	tail -n 30 "$machine/console"
	cat "$results/output"
	return $status
}

# answer SAID KEYS: types them once the firmware has said that.
answer()
{
	local patience

	for ((patience = 600; patience > 0; patience--)); do
		sleep 1
		if grep -aq "$1" "$machine/console"; then
			printf '%b' "$2" >"$machine/keys"
			return
		fi
	done
	echo "never said: $1"
	return 1
}

# What an administrator does on the blue screen after "mokutil --import"
enroll()
{
	local down='\033[B' pid status

	: >"$machine/console"
	boot_secure true &
	pid=$!
	answer "Press any key" ' ' &&
	answer "Continue boot" "$down" && sleep 2 && answer "Enroll MOK" '\r' &&
	answer "View key 0" "$down" && sleep 2 && answer Continue '\r' &&
	answer Yes "$down" && sleep 2 && answer Yes '\r' &&
	answer Password: "$1" && sleep 2 && answer Password: '\r' &&
	answer Reboot '\r'
	status=$?
	[ $status -eq 0 ] || kill "$(cat "$machine/pid")"
	wait $pid
	return $status
}

# make_disk: this root as it is now, less what is mounted in it, and with a service that
# calls ./guest and switches off. What says here which kernel runs goes first.
make_disk()
{
	local root=$machine/root status

	cat >/etc/systemd/system/look@.service <<-END
		[Unit]
		After=multi-user.target
		SuccessAction=poweroff
		FailureAction=poweroff
		[Service]
		Type=oneshot
		Environment=VM_RESULTS=/run/results
		ExecStart=rm -f /usr/local/bin/uname
		ExecStart=mkdir /run/results
		ExecStart=mount -t 9p -o trans=virtio,version=9p2000.L results /run/results
		ExecStart=$here/guest %i
	END
	# The tree may be in /tmp, which is not to be emptied, nor to be another.
	ln -sf /dev/null /etc/tmpfiles.d/tmp.conf &&
	ln -sf /dev/null /etc/systemd/system/tmp.mount || return
	if ! mountpoint -q "$machine"; then
		mkdir -p "$machine" && mount -t tmpfs tmpfs "$machine" || return
	fi
	mkdir -p "$root" && rm -f "$machine/disk" && mount --bind / "$root" &&
	truncate -s 16G "$machine/disk" && mke2fs -q -t ext4 -d "$root" "$machine/disk"
	status=$?
	umount "$root"
	return $status
}

# starts WHEN KVER: with the disk as it was made. ./guest does all that it does then; it has
# the packages beside its results. What it builds there takes long where QEMU emulates the
# compiler.
starts()
{
	local khz limit=3600

	khz=$(tsc_khz)
	rm -rf "$results" && mkdir "$results" || return
	if [ "$1" = in_use ]; then
		limit=10800
		cp -r "$work/${v1:?}" "$work/${v2:?}" "$results" || return
	fi
	# shellcheck disable=SC2046 # words
	timeout $limit qemu-system-x86_64 -nodefaults -no-user-config -display none -no-reboot \
		-machine q35,kernel-irqchip=split $(accel "$2") -smp 2 -m 2G \
		-device intel-iommu,intremap=on -device edu -kernel "/boot/vmlinuz-$2" \
		-initrd "/boot/initrd.img-$2" \
		-append "root=/dev/vda rw console=ttyS0 panic=-1 no_timer_check tsc=reliable random.trust_cpu=on intel_iommu=on iommu=nopt${khz:+ tsc_early_khz=$khz} systemd.wants=look@$1.service" \
		-drive "file=$machine/disk,format=raw,if=virtio,snapshot=on" "${share[@]}" \
		-chardev stdio,id=console -serial chardev:console -monitor none \
		</dev/null >"$machine/console" 2>&1
	tail -n 30 "$machine/console"
	was up
}
