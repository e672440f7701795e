# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# libvirt, for mdev_libvirt.sh and the demo: started in a virtual machine of make check,
# which has no services, as systemd does it elsewhere. To be sourced behind mdev_lib.sh.

PATH=$PATH:/usr/sbin:/sbin:/lib/systemd

# Node devices
virsh()
{
	timeout 120 virsh -q -c 'nodedev:///system?mode=legacy' "$@"
}

# Guests
virsh_qemu()
{
	timeout 120 virsh -q -c 'qemu:///system?mode=legacy' "$@"
}

# libvirtd ends at once where there is no user and no group for its guests, whatever
# qemu.conf says. Debian makes them with a package that is not needed otherwise. The
# files lie in memory, as all that is written in the machine.
add_guests_user()
{
	local name=libvirt-qemu

	getent group $name >/dev/null || echo "$name:x:64055:" >>/etc/group || return
	getent passwd $name >/dev/null ||
		echo "$name:x:64055:64055::/nonexistent:/usr/sbin/nologin" >>/etc/passwd
}

# For guests in a machine that has no other users, and neither systemd nor AppArmor
configure_guests()
{
	cat >>/etc/libvirt/qemu.conf <<-END
	user = "root"
	group = "root"
	security_driver = "none"
	namespaces = []
	cgroup_controllers = []
	stdio_handler = "file"
	END
}

# Each is up before the next one, which uses it, is started.
start_libvirt()
{
	add_guests_user && configure_guests && mkdir -p /run/dbus /run/libvirt || return
	start_udev || return
	start dbus-daemon --system --nofork --nopidfile
	wait_for test -S /run/dbus/system_bus_socket || return
	start libvirtd
	wait_for virsh uri
}
