/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What most tests of vfio_iommu_type1 work with: a container of the second
 * version with two test devices, in the end of which nothing may be left. For
 * programs, after kselftest_harness.h.
 */
#ifndef TYPE1_FIXTURE_H
#define TYPE1_FIXTURE_H

#include "type1_lib.h"

FIXTURE(type1) {
	struct type1_use use;
};

FIXTURE_SETUP(type1)
{
	ASSERT_EQ(0, use_begin(&self->use, 2));
}

FIXTURE_TEARDOWN(type1)
{
	use_end(&self->use);
	EXPECT_EQ(0, HELD(&self->use));
	EXPECT_EQ(0, LOCKED(&self->use));
}

#endif /* TYPE1_FIXTURE_H */
