/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* no_filters.c - stands for loader/filter (all but cbpf*.c) in a build without the tracer's languages
 * (FILTERS=no). */
#include <errno.h>
#include "loader/env.h"

const bool filters_present = false;

static int absent(struct uebpf_error *err)
{
	return error_set(err, UEBPF_STAGE_FILTER, UEBPF_E_ABSENT, -ENOTSUP, UINT32_MAX,
			 "this build has no filter expressions and no LTTng bytecode (made with FILTERS=no); compile the "
			 "filter elsewhere and open the object");
}

struct uebpf_object *uebpf_object_open_filter(struct uebpf_env *env, const char *expr, const char *type,
					      const struct uebpf_open_opts *opts, struct uebpf_error *err)
{
	(void)env, (void)expr, (void)type, (void)opts;
	absent(err);
	return NULL;
}

struct uebpf_object *uebpf_object_open_lttng(struct uebpf_env *env, const void *bytecode, size_t len,
					     const char *type, const struct uebpf_open_opts *opts, struct uebpf_error *err)
{
	(void)env, (void)bytecode, (void)len, (void)type, (void)opts;
	absent(err);
	return NULL;
}

long uebpf_object_save(const struct uebpf_object *obj, void *buf, size_t cap, struct uebpf_error *err)
{
	(void)obj, (void)buf, (void)cap;
	return absent(err);
}
