// SPDX-License-Identifier: GPL-2.0-only
/*
 * Races between tasks that create, remove, open, bind and register, each in a
 * process of its own. Every answer must be one that its asker can make sense
 * of, and in the end everything is as it was.
 */
#include <sched.h>
#include <signal.h>

#include "kselftest_harness.h"
#include "mdev_util.h"

#define MAX_WORKERS	6
#define MAX_ALLOWED	8
#define RACE_MS		1500
#define BUS_DRIVER	"mdev_test_bus"

struct worker;

typedef int (*step_fn)(struct worker *worker);

/* One of the racers: does its step again and again. */
struct worker {
	const char *name;
	step_fn step;
	const char *vendor;
	unsigned int parent;
	const char *uuid;
	/* Errors that tell that another was faster */
	int allowed[MAX_ALLOWED];
	/* Results */
	unsigned int done;
	unsigned int refused;
	int wrong;
};

struct race {
	bool stop;
	bool late;
	unsigned int nr;
	struct worker worker[MAX_WORKERS];
};

FIXTURE(race) {
	struct mdev_env env;
	const char *vendor;
	char uuid[UUID_LEN];
	struct race *race;
	bool goes_by_itself;
};

FIXTURE_VARIANT(race) {
	const char *vendor;
};

FIXTURE_VARIANT_ADD(race, raw) {
	.vendor = RAW,
};

FIXTURE_VARIANT_ADD(race, structured) {
	.vendor = STRUCTURED,
};

FIXTURE_SETUP(race)
{
	expect_dmesg("mdev [-0-9a-f]+ was not created:");
	self->vendor = variant->vendor;
	uuid_make(self->uuid);
	self->race = mmap(NULL, sizeof(*self->race), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->race);
	ASSERT_EQ(0, env_setup(&self->env, variant->vendor));
}

FIXTURE_TEARDOWN(race)
{
	char path[PATH_LEN];

	/* Those that depend on the race's last moment */
	vendor_set(self->vendor, "create/delay", 0);
	if (mdev_exists(self->uuid))
		EXPECT_EQ(0, mdev_remove(self->uuid));
	if (!exists("%s", parent_path(path, self->vendor, 0)))
		EXPECT_EQ(0, parent_register(self->vendor, 0));
	if (exists("%s", parent_path(path, self->vendor, 1)))
		EXPECT_EQ(0, parent_unregister(self->vendor, 1));

	EXPECT_EQ(vendor_calls(self->vendor, "open"),
		  vendor_calls(self->vendor, "release"));
	/* It is gone from sysfs before its vendor hears of it, and nobody waits for that. */
	if (self->goes_by_itself)
		WAIT_FOR(mdev_available(self->vendor, 0, "few") == 3, SOON);
	EXPECT_EQ(3, mdev_available(self->vendor, 0, "few"));
	EXPECT_EQ(1, mdev_available(self->vendor, 0, "single"));
	EXPECT_EQ(64, mdev_available(self->vendor, 0, "many"));
	EXPECT_EQ(0, env_teardown(&self->env));
	munmap(self->race, sizeof(*self->race));
}

static void add_worker(struct race *race, struct worker worker)
{
	race->worker[race->nr++] = worker;
}

static bool allowed(const struct worker *worker, int error)
{
	unsigned int i;

	for (i = 0; i < MAX_ALLOWED && worker->allowed[i]; i++)
		if (worker->allowed[i] == error)
			return true;
	return false;
}

static void work(struct race *race, struct worker *worker)
{
	int ret;

	while (!__atomic_load_n(&race->stop, __ATOMIC_RELAXED)) {
		ret = worker->step(worker);
		if (ret >= 0)
			worker->done++;
		else if (!allowed(worker, -ret))
			worker->wrong = ret;
		else
			worker->refused++;
		/* One that lost lets the others get somewhere, and late also one that won. */
		if (ret < 0)
			usleep(500);
		if (worker->done && __atomic_load_n(&race->late, __ATOMIC_RELAXED))
			usleep(50000);
	}
}

/* Each worker has to have had success, or the test has tested nothing. */
static void run_race(struct __test_metadata *_metadata, struct race *race)
{
	pid_t pid[MAX_WORKERS];
	unsigned int i;
	int status;

	for (i = 0; i < race->nr; i++) {
		pid[i] = async_fork();
		ASSERT_LE(0, pid[i]);
		if (!pid[i]) {
			work(race, &race->worker[i]);
			_exit(0);
		}
	}
	sleep_ms(race_ms(RACE_MS));
	__atomic_store_n(&race->late, true, __ATOMIC_RELAXED);
	WAIT_FOR(({
		bool all = true;

		for (i = 0; i < race->nr; i++)
			all &= race->worker[i].done > 0;
		all;
	}), 2 * SOON);
	__atomic_store_n(&race->stop, true, __ATOMIC_RELAXED);

	for (i = 0; i < race->nr; i++) {
		struct worker *worker = &race->worker[i];

		EXPECT_EQ(pid[i], waitpid(pid[i], &status, 0));
		EXPECT_EQ(0, status);
		EXPECT_EQ(0, worker->wrong) {
			TH_LOG("%s: %s", worker->name,
			       strerror(-worker->wrong));
		}
		EXPECT_LT(0, worker->done);
		TH_LOG("%s: %u done, %u refused", worker->name, worker->done,
		       worker->refused);
	}
}

/* Steps */

static int step_create(struct worker *worker)
{
	return mdev_create(worker->vendor, worker->parent, "few", worker->uuid);
}

static int step_create_many(struct worker *worker)
{
	char uuid[UUID_LEN];

	return mdev_make(worker->vendor, worker->parent, "many", uuid);
}

static int step_create_remove(struct worker *worker)
{
	char uuid[UUID_LEN];
	int ret;

	ret = mdev_make(worker->vendor, worker->parent, "many", uuid);
	return ret ? ret : mdev_remove(uuid);
}

static int step_remove(struct worker *worker)
{
	return mdev_remove(worker->uuid);
}

/* Registered half of the time, also where each step takes long. */
static int step_reregister(struct worker *worker)
{
	long long start = now_ms();
	int ret;

	ret = parent_unregister(worker->vendor, worker->parent);
	if (!ret)
		ret = parent_register(worker->vendor, worker->parent);
	sleep_ms(10 + now_ms() - start);
	return ret;
}

static int step_open(struct worker *worker)
{
	struct mdev_user user;
	int ret;

	ret = mdev_open(worker->uuid, &user);
	if (ret)
		return ret;
	ret = mdev_alive(&user);
	mdev_close(&user);
	return ret;
}

/* It goes when it is closed: that is seen to, or it is somebody else's doing. */
static int step_open_last(struct worker *worker)
{
	char path[PATH_LEN];
	int ret;

	ret = write_file(mdev_path(path, worker->uuid, "mdev_remove_on_close"), "1");
	return ret ? ret : step_open(worker);
}

static int step_unbind(struct worker *worker)
{
	return write_file("/sys/bus/mdev/drivers/vfio_mdev/unbind",
			  worker->uuid);
}

static int step_bind(struct worker *worker)
{
	return write_file("/sys/bus/mdev/drivers/vfio_mdev/bind", worker->uuid);
}

static int step_read(struct worker *worker)
{
	char path[PATH_LEN], text[64];

	return read_file(mdev_path(path, worker->uuid, "test/note"), text,
			 sizeof(text));
}

static const char * const overrides[] = {
	"vfio_mdev", BUS_DRIVER, "a",
	"a_name_that_is_too_long_for_the_memory_in_which_a_short_one_was_before_it_got_replaced",
	"\n",
};

static int step_override(struct worker *worker)
{
	static unsigned int n;
	char path[PATH_LEN];

	return write_file(mdev_path(path, worker->uuid, "driver_override"),
			  overrides[n++ % ARRAY_LEN(overrides)]);
}

/* One of them, whole, or none */
static int step_read_override(struct worker *worker)
{
	char path[PATH_LEN], text[4096];
	unsigned int i;
	int ret;

	ret = read_file(mdev_path(path, worker->uuid, "driver_override"), text,
			sizeof(text));
	if (ret < 0 || !strcmp(text, "(null)"))
		return ret;
	for (i = 0; i < ARRAY_LEN(overrides); i++)
		if (!strcmp(text, overrides[i]))
			return ret;
	return -EIO;
}

static int step_probe(struct worker *worker)
{
	return write_file("/sys/bus/mdev/drivers_probe", worker->uuid);
}

/* The device is looked at when a driver comes, and loses it when it goes. */
static int step_driver(struct worker *worker)
{
	int ret = module_load(BUS_DRIVER, NULL);

	write_file("/sys/bus/mdev/drivers/vfio_mdev/unbind", worker->uuid);
	step_probe(worker);
	return ret ? ret : module_unload(BUS_DRIVER);
}

static int step_available(struct worker *worker)
{
	return mdev_available(worker->vendor, worker->parent, "many");
}

/* Workers; all but the first to create a device come too late. */
static void add_create(struct race *race, const char *vendor, const char *uuid)
{
	add_worker(race, (struct worker){
		.name = "create", .step = step_create, .vendor = vendor,
		.uuid = uuid, .allowed = { EEXIST, ENODEV, ENOENT },
	});
}

/* Not yet there, not yet whole, in use, no longer there */
static void add_remove(struct race *race, const char *vendor, const char *uuid)
{
	add_worker(race, (struct worker){
		.name = "remove", .step = step_remove, .vendor = vendor,
		.uuid = uuid, .allowed = { ENOENT, EAGAIN, EBUSY, ENODEV },
	});
}

/* Never refused */
static void add_reregister(struct race *race, const char *vendor,
			   unsigned int parent)
{
	add_worker(race, (struct worker){
		.name = "register", .step = step_reregister, .vendor = vendor,
		.parent = parent,
	});
}

static void add_open(struct race *race, const char *vendor, const char *uuid)
{
	add_worker(race, (struct worker){
		.name = "open", .step = step_open, .vendor = vendor,
		.uuid = uuid,
		.allowed = { ENOENT, ENODEV, ENXIO, EBUSY, EINVAL, EPERM },
	});
}

static void add_open_last(struct race *race, const char *vendor, const char *uuid)
{
	add_worker(race, (struct worker){
		.name = "open for the last time", .step = step_open_last,
		.vendor = vendor, .uuid = uuid,
		.allowed = { ENOENT, ENODEV, ENXIO, EBUSY, EINVAL, EPERM },
	});
}

TEST_F(race, create_and_remove)
{
	struct race *race = self->race;

	add_create(race, self->vendor, self->uuid);
	add_create(race, self->vendor, self->uuid);
	add_remove(race, self->vendor, self->uuid);
	add_remove(race, self->vendor, self->uuid);
	run_race(_metadata, race);
	/* The second is told the same, however close it comes. */
	EXPECT_EQ(race->worker[0].refused + race->worker[1].refused,
		  mdev_told(self->vendor, 0, self->uuid, "create 17 uuid-in-use"));
}

TEST_F(race, create_remove_and_unregister)
{
	struct race *race = self->race;

	add_create(race, self->vendor, self->uuid);
	add_remove(race, self->vendor, self->uuid);
	add_reregister(race, self->vendor, 0);
	add_worker(race, (struct worker){
		.name = "read", .step = step_read, .uuid = self->uuid,
		.allowed = { ENOENT, ENODEV },
	});
	add_worker(race, (struct worker){
		.name = "available_instances", .step = step_available,
		.vendor = self->vendor, .allowed = { ENOENT, ENODEV },
	});
	run_race(_metadata, race);
}

/* Creations that take their time meet an unregistration in every state. */
TEST_F(race, slow_creation_and_unregister)
{
	struct race *race = self->race;

	vendor_set(self->vendor, "create/delay", 20);
	add_worker(race, (struct worker){
		.name = "create", .step = step_create_many,
		.vendor = self->vendor,
		.allowed = { ENODEV, ENOENT, EUSERS },
	});
	add_worker(race, (struct worker){
		.name = "create", .step = step_create_many,
		.vendor = self->vendor,
		.allowed = { ENODEV, ENOENT, EUSERS },
	});
	add_reregister(race, self->vendor, 0);
	run_race(_metadata, race);
	/* The devices go with the parent. */
	EXPECT_EQ(0, parent_unregister(self->vendor, 0));
	EXPECT_EQ(vendor_calls(self->vendor, "create"),
		  vendor_calls(self->vendor, "remove"));
}

TEST_F(race, two_parents_in_parallel)
{
	struct race *race = self->race;
	unsigned int i;

	ASSERT_EQ(0, parent_register(self->vendor, 1));
	for (i = 0; i < 4; i++)
		add_worker(race, (struct worker){
			.name = "create and remove",
			.step = step_create_remove,
			.vendor = self->vendor, .parent = i % 2,
		});
	run_race(_metadata, race);
}

/* A vendor whose callbacks take a lock that it also holds while it registers. */
TEST_F(race, vendors_lock_around_all)
{
	struct race *race = self->race;

	ASSERT_EQ(0, vendor_write(self->vendor, "serialize", "Y"));
	add_create(race, self->vendor, self->uuid);
	add_remove(race, self->vendor, self->uuid);
	add_worker(race, (struct worker){
		.name = "create and remove", .step = step_create_remove,
		.vendor = self->vendor,
	});
	add_reregister(race, self->vendor, 1);
	run_race(_metadata, race);
	EXPECT_EQ(0, vendor_write(self->vendor, "serialize", "N"));
}

TEST_F(race, open_and_remove)
{
	struct race *race = self->race;

	add_create(race, self->vendor, self->uuid);
	add_open(race, self->vendor, self->uuid);
	add_open(race, self->vendor, self->uuid);
	add_remove(race, self->vendor, self->uuid);
	run_race(_metadata, race);
}

TEST_F(race, open_and_unregister)
{
	struct race *race = self->race;

	add_create(race, self->vendor, self->uuid);
	add_open(race, self->vendor, self->uuid);
	add_reregister(race, self->vendor, 0);
	run_race(_metadata, race);
}

/* Devices that remove themselves, while others open, remove and unregister them */
TEST_F(race, goes_by_itself)
{
	struct race *race = self->race;

	self->goes_by_itself = true;
	add_create(race, self->vendor, self->uuid);
	add_open_last(race, self->vendor, self->uuid);
	add_open_last(race, self->vendor, self->uuid);
	add_open(race, self->vendor, self->uuid);
	add_remove(race, self->vendor, self->uuid);
	run_race(_metadata, race);
}

TEST_F(race, goes_by_itself_and_unregister)
{
	struct race *race = self->race;

	self->goes_by_itself = true;
	add_create(race, self->vendor, self->uuid);
	add_open_last(race, self->vendor, self->uuid);
	add_open_last(race, self->vendor, self->uuid);
	add_reregister(race, self->vendor, 0);
	run_race(_metadata, race);
}

/* What the vendor's remove takes is held while another parent comes and goes. */
TEST_F(race, goes_by_itself_under_the_vendors_lock)
{
	struct race *race = self->race;

	self->goes_by_itself = true;
	ASSERT_EQ(0, vendor_write(self->vendor, "serialize", "Y"));
	add_create(race, self->vendor, self->uuid);
	add_open_last(race, self->vendor, self->uuid);
	add_reregister(race, self->vendor, 1);
	run_race(_metadata, race);
	EXPECT_EQ(0, vendor_write(self->vendor, "serialize", "N"));
}

/* CVE-2026-80676 was of another bus. */
TEST_F(race, row_31_driver_override)
{
	struct race *race = self->race;
	unsigned int i;

	ASSERT_EQ(0, mdev_create(self->vendor, 0, "few", self->uuid));
	for (i = 0; i < 4; i++)
		add_worker(race, (struct worker){
			.name = i % 2 ? "read driver_override" :
					"write driver_override",
			.step = i % 2 ? step_read_override : step_override,
			.uuid = self->uuid,
		});
	add_worker(race, (struct worker){
		.name = "probe", .step = step_probe, .uuid = self->uuid,
		.allowed = { EINVAL, ENODEV, EBUSY, EAGAIN },
	});
	add_worker(race, (struct worker){
		.name = "driver", .step = step_driver, .uuid = self->uuid,
		.allowed = { EAGAIN, EBUSY },
	});
	run_race(_metadata, race);
	if (module_loaded(BUS_DRIVER))
		EXPECT_EQ(0, module_unload(BUS_DRIVER));
}

TEST_F(race, bind_open_and_remove)
{
	struct race *race = self->race;

	add_create(race, self->vendor, self->uuid);
	add_worker(race, (struct worker){
		.name = "unbind", .step = step_unbind, .uuid = self->uuid,
		.allowed = { ENODEV, EBUSY, EAGAIN },
	});
	add_worker(race, (struct worker){
		.name = "bind", .step = step_bind, .uuid = self->uuid,
		.allowed = { ENODEV, EBUSY, EAGAIN },
	});
	add_open(race, self->vendor, self->uuid);
	add_remove(race, self->vendor, self->uuid);
	run_race(_metadata, race);
}

MDEV_TEST_MAIN(RAW, STRUCTURED)
