/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* refused.c - helpers that a library inside another process does not do; each row says why. */
#include "helpers/families.h"

FN(probe_write_user)
{
	return ERR(EPERM);
}

FN(sys_bpf)
{
	return ERR(EPERM);
}

FN(sys_close)
{
	return ERR(EPERM);
}

FN(kallsyms_lookup_name)
{
	memset(ptr(r4), 0, sizeof(uint64_t));
	return ERR(EPERM);
}

FN(timer_init)
{
	return ERR(EOPNOTSUPP);
}

FN(timer_set_callback)
{
	return ERR(EOPNOTSUPP);
}

FN(timer_start)
{
	return ERR(EOPNOTSUPP);
}

FN(timer_cancel)
{
	return ERR(EOPNOTSUPP);
}
