// SPDX-License-Identifier: GPL-2.0
/*
 * Streams: processes, or threads of one, that pin at the same time, each on a
 * CPU, by a device and in a mapping of its own. All ways of sharing are set up
 * at once and take turns, so that what else the machine does hits all alike.
 *
 * A worker sleeps until it gets a byte for its next round. Those of a round then
 * wait for each other, pin, and unpin.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "type1.h"

#define STREAMS		8	/* at most */
#define STREAM_PAGES	4096
#define ROUNDS		51

enum sharing { APART, ONE_CONTAINER, ONE_MM_APART, ONE_MM, SHARINGS };

static const char *const sharing_names[] = {
	[APART] = "apart",
	[ONE_CONTAINER] = "container",
	[ONE_MM_APART] = "mm-apart",
	[ONE_MM] = "mm-container",
};

/* What coordinator and workers share */
static struct round {
	unsigned int streams;	/* of this round */
	unsigned int size;	/* pages a call */
	unsigned int arrived;
	struct {
		__u64 start, pinned, end;	/* nanoseconds */
	} worker[STREAMS];
} *now;

static struct worker {
	unsigned int id;
	int container, device;
	int go[2], done[2];
	pid_t pid;
} workers[SHARINGS][STREAMS];

__u64 nanoseconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

void stay_on(unsigned int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		fail("cannot stay on CPU %u", cpu);
}

static void stream_job(const struct worker *w, enum bench_pin_op op)
{
	struct bench_pin_job job = {
		.op = op,
		.at = IOVA * (w->id + 1),
		.calls = STREAM_PAGES / now->size,
		.size = now->size,
		.stride = now->size,
	};

	if (ioctl(w->device, BENCH_PIN_RUN, &job))
		fail("job %u of stream %u fails", op, w->id);
}

static void map_for(const struct worker *w)
{
	struct vfio_iommu_type1_dma_map arg = {
		.argsz = sizeof(arg),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.iova = IOVA * (w->id + 1),
		.size = STREAM_PAGES * PAGE,
	};
	unsigned int i;
	char *at;

	at = mmap(NULL, arg.size, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (at == MAP_FAILED || madvise(at, arg.size, MADV_NOHUGEPAGE))
		fail("no memory for stream %u", w->id);
	for (i = 0; i < STREAM_PAGES; i++)
		at[(size_t)(i * 0x9e3779b1 % STREAM_PAGES) * PAGE] = 1;
	arg.vaddr = (uintptr_t)at;
	if (ioctl(w->container, VFIO_IOMMU_MAP_DMA, &arg))
		fail("no mapping for stream %u", w->id);
}

static void meet(unsigned int count)
{
	__atomic_add_fetch(&now->arrived, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&now->arrived, __ATOMIC_SEQ_CST) < count)
		;
}

static void *work(void *data)
{
	const struct worker *w = data;
	char byte = 0;

	stay_on(w->id);
	map_for(w);
	for (;;) {
		if (write(w->done[1], &byte, 1) != 1 ||
		    read(w->go[0], &byte, 1) != 1)
			fail("no word from the coordinator");
		meet(now->streams);
		now->worker[w->id].start = nanoseconds();
		stream_job(w, BENCH_PIN);
		now->worker[w->id].pinned = nanoseconds();
		meet(2 * now->streams);
		stream_job(w, BENCH_UNPIN);
		now->worker[w->id].end = nanoseconds();
	}
	return NULL;
}

/* In a child: the workers with these numbers, each in a thread. */
static void work_in_threads(struct worker *first, unsigned int count)
{
	pthread_t thread;
	unsigned int i;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (i = 1; i < count; i++)
		if (pthread_create(&thread, NULL, work, first + i))
			fail("no thread for stream %u", i);
	work(first);
}

static void start_workers(enum sharing way, unsigned int streams)
{
	bool one_mm = way == ONE_MM || way == ONE_MM_APART;
	bool apart = way == APART || way == ONE_MM_APART;
	unsigned int in_one = one_mm ? streams : 1, i;
	struct worker *w;

	for (i = 0; i < streams; i++) {
		int id = way * STREAMS + i;

		w = &workers[way][i];
		group = open_pin_group(id);
		if (!i || apart)
			open_container();
		join(group);
		if (!i || apart)
			set_iommu();
		w->id = i;
		w->container = container;
		w->device = open_device(group, id);
		w->pid = 0;
		if (pipe2(w->go, O_CLOEXEC) || pipe2(w->done, O_CLOEXEC))
			fail("cannot make a pipe");
	}
	for (i = 0; i < streams; i += in_one) {
		w = &workers[way][i];
		w->pid = fork();
		if (w->pid < 0)
			fail("cannot fork");
		if (!w->pid)
			work_in_threads(w, in_one);
	}
}

static void wait_for(enum sharing way, unsigned int streams)
{
	unsigned int i;
	char byte;

	for (i = 0; i < streams; i++) {
		struct pollfd pollfd = {
			.fd = workers[way][i].done[0],
			.events = POLLIN,
		};

		if (poll(&pollfd, 1, 300 * 1000) != 1 ||
		    read(pollfd.fd, &byte, 1) != 1)
			fail("stream %u is gone", i);
	}
}

static void stop_workers(enum sharing way, unsigned int streams)
{
	unsigned int i;

	for (i = 0; i < streams; i++) {
		pid_t pid = workers[way][i].pid;

		if (pid && (kill(pid, SIGKILL) || waitpid(pid, NULL, 0) != pid))
			fail("cannot stop a stream");
	}
}

/* Nanoseconds that a round takes */
struct times {
	double pin, unpin;
};

static struct times play(enum sharing way, unsigned int streams,
			 unsigned int size)
{
	__u64 start = UINT64_MAX, pinned = 0, end = 0;
	unsigned int i;

	memset(now, 0, sizeof(*now));
	now->streams = streams;
	now->size = size;
	for (i = 0; i < streams; i++)
		if (write(workers[way][i].go[1], "", 1) != 1)
			fail("cannot wake stream %u", i);
	wait_for(way, streams);

	for (i = 0; i < streams; i++) {
		if (now->worker[i].start < start)
			start = now->worker[i].start;
		if (now->worker[i].pinned > pinned)
			pinned = now->worker[i].pinned;
		if (now->worker[i].end > end)
			end = now->worker[i].end;
	}
	return (struct times){ .pin = pinned - start, .unpin = end - pinned };
}

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static double median(double *values)
{
	qsort(values, ROUNDS, sizeof(*values), compare);
	return values[ROUNDS / 2];
}

/*
 * The time of a page, whoever's it is, and how that compares with containers
 * apart in the same round.
 */
static void put_stream(const char *op, const char *name, unsigned int streams,
		       unsigned int size, const double *took,
		       const double *reference)
{
	double least = took[0], shares[ROUNDS];
	char line[128];
	int i;

	for (i = 0; i < ROUNDS; i++) {
		if (took[i] < least)
			least = took[i];
		shares[i] = reference[i] / took[i];
	}
	snprintf(line, sizeof(line), "stream %s %s %s %u %u %.1f %.3f\n", label,
		 op, name, streams, size, least / STREAM_PAGES / streams,
		 median(shares));
	put_line(line);
}

static void put_streams(const char *op, unsigned int streams,
			unsigned int size, double (*took)[ROUNDS])
{
	int s;

	put_stream(op, "one", 1, size, took[SHARINGS], took[SHARINGS]);
	for (s = 0; s < SHARINGS; s++)
		put_stream(op, sharing_names[s], streams, size, took[s],
			   took[s < ONE_MM_APART ? APART : ONE_MM_APART]);
}

static void stream_rows(unsigned int streams, unsigned int size)
{
	static double pins[SHARINGS + 1][ROUNDS], unpins[SHARINGS + 1][ROUNDS];
	unsigned int round;
	int s;

	for (round = 0; round < ROUNDS; round++) {
		for (s = 0; s <= SHARINGS; s++) {
			struct times took = s < SHARINGS ?
					    play(s, streams, size) :
					    play(APART, 1, size);

			pins[s][round] = took.pin;
			unpins[s][round] = took.unpin;
		}
	}
	put_streams("pin", streams, size, pins);
	put_streams("unpin", streams, size, unpins);
}

static void some_streams(unsigned int streams)
{
	int s;

	for (s = 0; s < SHARINGS; s++) {
		start_workers(s, streams);
		wait_for(s, streams);
	}
	stream_rows(streams, 1);
	stream_rows(streams, 512);
	for (s = 0; s < SHARINGS; s++)
		stop_workers(s, streams);
}

/* In a child: what it opens is closed with it. */
void streams_group(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned int streams;
	int status;

	if (!wanted("streams", "streams") || cpus < 2)
		return;
	now = mmap(NULL, sizeof(*now), PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (now == MAP_FAILED)
		fail("cannot map memory");
	for (streams = 2; streams <= STREAMS && streams <= cpus; streams *= 2) {
		pid_t pid = fork();

		if (pid < 0)
			fail("cannot fork");
		if (!pid) {
			some_streams(streams);
			exit(0);
		}
		if (waitpid(pid, &status, 0) != pid || status)
			exit(1);
	}
}
