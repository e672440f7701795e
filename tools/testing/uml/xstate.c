// SPDX-License-Identifier: GPL-2.0-only
/*
 * Prints how many bytes of a process' extended state (what XSAVE saves) this
 * machine's ptrace gives out. User Mode Linux must give back as many. They are
 * more than a signal's frame holds, as the state that a process has to ask for,
 * like AMX's, is always among them.
 *
 * It also finds out whether a process may trace another here at all.
 */
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static char state[1 << 20];

static int fail(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	return 1;
}

int main(void)
{
	struct iovec buffer = { .iov_base = state, .iov_len = sizeof(state) };
	int status, error;
	pid_t child;

	child = fork();
	if (child < 0)
		return fail("fork");
	if (!child) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
			_exit(errno);
		raise(SIGSTOP);
		_exit(0);
	}
	if (waitpid(child, &status, 0) != child)
		return fail("waitpid");
	if (!WIFSTOPPED(status)) {
		errno = WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
		return fail("PTRACE_TRACEME");
	}

	error = ptrace(PTRACE_GETREGSET, child, (void *)NT_X86_XSTATE, &buffer) ? errno : 0;
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	errno = error;
	if (error == ENODEV)	/* a processor without XSAVE */
		buffer.iov_len = 0;
	else if (error)
		return fail("PTRACE_GETREGSET");
	printf("%zu\n", buffer.iov_len);
	return 0;
}
