// SPDX-License-Identifier: GPL-2.0-only
/* KUnit tests of mdev_classic.c, which includes this file. */
#include <kunit/test.h>

static int mdev_test_create(struct kobject *kobj, struct mdev_device *mdev)
{
	return 0;
}

static int mdev_test_remove(struct mdev_device *mdev)
{
	return 0;
}

static int mdev_test_get_device_info(struct mdev_device *mdev,
				     struct vfio_device_info *info,
				     struct vfio_info_cap *caps)
{
	return 0;
}

static int mdev_test_get_irq_info(struct mdev_device *mdev,
				  struct vfio_irq_info *info)
{
	return 0;
}

static int mdev_test_set_irqs(struct mdev_device *mdev, u32 flags, u32 index,
			      u32 start, u32 count, void *data)
{
	return 0;
}

static struct attribute mdev_test_attr_api = { .name = "device_api" };
static struct attribute mdev_test_attr_available = {
	.name = "available_instances",
};

static struct attribute *mdev_test_attrs[] = {
	&mdev_test_attr_api, &mdev_test_attr_available, NULL
};

static struct attribute_group mdev_test_group_a = {
	.name = "a", .attrs = mdev_test_attrs,
};

static struct attribute_group mdev_test_group_b = { .name = "b" };
static struct attribute_group mdev_test_group_empty = { .name = "" };
static struct attribute_group mdev_test_group_nameless;

static struct attribute_group *mdev_test_types[] = {
	&mdev_test_group_a, &mdev_test_group_b, NULL
};

static struct attribute_group *mdev_test_no_types[] = { NULL };

static struct attribute_group *mdev_test_empty_type[] = {
	&mdev_test_group_a, &mdev_test_group_empty, NULL
};

static struct attribute_group *mdev_test_nameless_type[] = {
	&mdev_test_group_nameless, NULL
};

#define MDEV_TEST_OPS					\
	.create = mdev_test_create,			\
	.remove = mdev_test_remove,			\
	.supported_type_groups = mdev_test_types

static void mdev_test_check(struct kunit *test)
{
	static const struct mdev_parent_ops good[] = {
		{ MDEV_TEST_OPS },
		{ MDEV_TEST_OPS,
		  .get_device_info = mdev_test_get_device_info,
		  .get_irq_info = mdev_test_get_irq_info,
		  .set_irqs = mdev_test_set_irqs },
	}, bad[] = {
		{},
		{ .create = mdev_test_create,
		  .supported_type_groups = mdev_test_types },
		{ .remove = mdev_test_remove,
		  .supported_type_groups = mdev_test_types },
		{ .create = mdev_test_create, .remove = mdev_test_remove },
		{ .create = mdev_test_create, .remove = mdev_test_remove,
		  .supported_type_groups = mdev_test_no_types },
		{ .create = mdev_test_create, .remove = mdev_test_remove,
		  .supported_type_groups = mdev_test_empty_type },
		{ .create = mdev_test_create, .remove = mdev_test_remove,
		  .supported_type_groups = mdev_test_nameless_type },
		{ MDEV_TEST_OPS, .get_irq_info = mdev_test_get_irq_info },
		{ MDEV_TEST_OPS, .set_irqs = mdev_test_set_irqs },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(good); i++)
		KUNIT_EXPECT_EQ_MSG(test, 0, mdev_check_ops(NULL, &good[i]),
				    "good %u", i);
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		KUNIT_EXPECT_EQ_MSG(test, -EINVAL,
				    mdev_check_ops(NULL, &bad[i]), "bad %u", i);
}

/* Vendors compiled with headers older and newer than ours */
static void mdev_test_copy(struct kunit *test)
{
	size_t classic = offsetofend(struct mdev_parent_ops, mmap);
	size_t size = sizeof(struct mdev_parent_ops);
	struct {
		struct mdev_parent_ops ops;
		void *later[2];
	} from = { .ops = { MDEV_TEST_OPS } };
	struct mdev_parent_ops to;

	memset(&to, 0xff, sizeof(to));
	KUNIT_EXPECT_EQ(test, 0, mdev_copy_ops(&to, &from, classic));
	KUNIT_EXPECT_PTR_EQ(test, to.create, from.ops.create);
	KUNIT_EXPECT_NULL(test, memchr_inv((void *)&to + classic, 0,
					   size - classic));

	KUNIT_EXPECT_EQ(test, 0, mdev_copy_ops(&to, &from, size));
	KUNIT_EXPECT_EQ(test, 0, memcmp(&to, &from.ops, size));
	KUNIT_EXPECT_EQ(test, 0, mdev_copy_ops(&to, &from, sizeof(from)));

	from.later[1] = mdev_test_copy;
	KUNIT_EXPECT_EQ(test, -E2BIG,
			mdev_copy_ops(&to, &from, sizeof(from)));
	KUNIT_EXPECT_EQ(test, 0,
			mdev_copy_ops(&to, &from, sizeof(from) - sizeof(void *)));
	KUNIT_EXPECT_EQ(test, -EINVAL,
			mdev_copy_ops(&to, &from, classic - 1));
	KUNIT_EXPECT_EQ(test, -EINVAL, mdev_copy_ops(&to, &from, 0));
}

static void mdev_test_alloc(struct kunit *test)
{
	const struct mdev_parent_ops ops = { MDEV_TEST_OPS };
	struct mdev_classic_parent *cp = mdev_classic_alloc(NULL, &ops);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, cp);
	KUNIT_EXPECT_EQ(test, 2, cp->parent.nr_types);
	KUNIT_EXPECT_STREQ(test, "a", cp->parent.types[0]->sysfs_name);
	KUNIT_EXPECT_STREQ(test, "b", cp->parent.types[1]->sysfs_name);
	/* The attributes lie in the type's directory itself. */
	KUNIT_EXPECT_NULL(test, cp->types[0].group.name);
	KUNIT_EXPECT_PTR_EQ(test, cp->types[0].group.attrs,
			    &mdev_test_attrs[0]);
	mdev_classic_free(cp);
}

static void mdev_test_attributes(struct kunit *test)
{
	KUNIT_EXPECT_TRUE(test, mdev_group_has(&mdev_test_group_a,
					       "available_instances"));
	KUNIT_EXPECT_FALSE(test, mdev_group_has(&mdev_test_group_a, "name"));
	KUNIT_EXPECT_FALSE(test, mdev_group_has(&mdev_test_group_b,
						"device_api"));
}

static struct kunit_case mdev_classic_cases[] = {
	KUNIT_CASE(mdev_test_check),
	KUNIT_CASE(mdev_test_copy),
	KUNIT_CASE(mdev_test_alloc),
	KUNIT_CASE(mdev_test_attributes),
	{}
};

static struct kunit_suite mdev_classic_suite = {
	.name = "mdev-classic",
	.test_cases = mdev_classic_cases,
};

kunit_test_suite(mdev_classic_suite);
