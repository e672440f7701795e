// SPDX-License-Identifier: GPL-2.0-only
/* KUnit tests of mdev_sysfs.c, which includes this file. */
#include <kunit/test.h>

#define TEST_UUID	"83b8f4f2-509f-382f-3c1e-e6bfe0fa1001"

struct mdev_sysfs_test_write {
	const char *name;
	const char *text;
	size_t len;
	ssize_t expected;
};

#define TEST_WRITE(name, text, expected) \
	{ name, text, sizeof(text) - 1, expected }

/* A UUID that was understood meets a parent that is just going away. */
static const struct mdev_sysfs_test_write mdev_sysfs_test_writes[] = {
	TEST_WRITE("a UUID", TEST_UUID, -ENODEV),
	TEST_WRITE("with a newline", TEST_UUID "\n", -ENODEV),
	TEST_WRITE("with its zero", TEST_UUID "\0", -ENODEV),
	TEST_WRITE("in capitals", "83B8F4F2-509F-382F-3C1E-E6BFE0FA1001",
		   -ENODEV),
	TEST_WRITE("nothing", "", -EINVAL),
	TEST_WRITE("a newline", "\n", -EINVAL),
	TEST_WRITE("one digit short", "83b8f4f2-509f-382f-3c1e-e6bfe0fa100",
		   -EINVAL),
	TEST_WRITE("short, with a newline",
		   "83b8f4f2-509f-382f-3c1e-e6bfe0fa100\n", -EINVAL),
	TEST_WRITE("one digit long", TEST_UUID "1", -EINVAL),
	TEST_WRITE("two newlines", TEST_UUID "\n\n", -EINVAL),
	TEST_WRITE("in braces", "{" TEST_UUID "}", -EINVAL),
	TEST_WRITE("a space ahead", " " TEST_UUID, -EINVAL),
	TEST_WRITE("no dashes", "83b8f4f2f509ff382ff3c1efe6bfe0fa1001",
		   -EINVAL),
	TEST_WRITE("a dash in place of a digit",
		   "83b8f4f2-509f-382f-3c1e-e6bfe0fa100-", -EINVAL),
	TEST_WRITE("no hexadecimal digit",
		   "83b8f4f2-509f-382f-3c1e-e6bfe0fa100g", -EINVAL),
	TEST_WRITE("a zero within", "83b8f4f2-509f\000382f-3c1e-e6bfe0fa1001",
		   -EINVAL),
};

static struct mdev_type *mdev_sysfs_test_type(struct kunit *test)
{
	struct mdev_types_dir *dir;
	struct mdev_parent *parent;
	struct mdev_type *type;

	type = kunit_kzalloc(test, sizeof(*type), GFP_KERNEL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, type);
	parent = kunit_kzalloc(test, sizeof(*parent), GFP_KERNEL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, parent);
	dir = kunit_kzalloc(test, sizeof(*dir), GFP_KERNEL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dir);
	dir->failures = kunit_kzalloc(test, sizeof(*dir->failures), GFP_KERNEL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dir->failures);
	spin_lock_init(&dir->failures->lock);
	parent->mdev_types_kset = &dir->kset;
	init_rwsem(&parent->unreg_sem);
	type->parent = parent;
	return type;
}

static void mdev_sysfs_test_create(struct kunit *test)
{
	struct mdev_type *type = mdev_sysfs_test_type(test);
	const struct mdev_sysfs_test_write *w;
	unsigned int i;

	down_write(&type->parent->unreg_sem);
	for (i = 0; i < ARRAY_SIZE(mdev_sysfs_test_writes); i++) {
		w = &mdev_sysfs_test_writes[i];
		KUNIT_EXPECT_EQ_MSG(test, w->expected,
				    create_store(&type->kobj, NULL, w->text,
						 w->len),
				    "%s", w->name);
	}
	up_write(&type->parent->unreg_sem);
}

static ssize_t mdev_sysfs_test_show(struct kobject *kobj, struct device *dev,
				    char *buf)
{
	return 17;
}

static void mdev_sysfs_test_attributes(struct kunit *test)
{
	struct mdev_type_attribute none = {}, shown = {
		.show = mdev_sysfs_test_show,
	};
	struct mdev_type *type = mdev_sysfs_test_type(test);

	KUNIT_EXPECT_EQ(test, -EIO,
			mdev_type_show(&type->kobj, &none.attr, NULL));
	KUNIT_EXPECT_EQ(test, 17,
			mdev_type_show(&type->kobj, &shown.attr, NULL));
	KUNIT_EXPECT_EQ(test, -EIO,
			mdev_type_store(&type->kobj, &shown.attr, "", 0));
}

static struct kunit_case mdev_sysfs_cases[] = {
	KUNIT_CASE(mdev_sysfs_test_create),
	KUNIT_CASE(mdev_sysfs_test_attributes),
	{}
};

static struct kunit_suite mdev_sysfs_suite = {
	.name = "mdev-sysfs",
	.test_cases = mdev_sysfs_cases,
};

kunit_test_suite(mdev_sysfs_suite);
