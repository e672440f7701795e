// SPDX-License-Identifier: GPL-2.0-only
/* The trace events' code: there is one place for it. */
#include <linux/types.h>

#define CREATE_TRACE_POINTS
#include "trace.h"
