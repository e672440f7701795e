// SPDX-License-Identifier: GPL-2.0-only
/*
 * Keeps a virtual machine of KVM's, without a processor, until it is killed.
 * Says so with a line, when it has it; ends at once where there is no KVM.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/kvm.h>

int main(void)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (kvm < 0 || ioctl(kvm, KVM_CREATE_VM, 0) < 0)
		return 1;
	puts("held");
	fflush(stdout);
	for (;;)
		pause();
}
