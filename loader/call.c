/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* call.c - what a host's helper may ask of the run that called it. */
#include <errno.h>
#include "vm/code.h"

void *uebpf_call_host(const struct uebpf_call *call)
{
	return call->host;
}

void *uebpf_call_helper_host(const struct uebpf_call *call)
{
	const struct host_helper *own = call->helper ? helper_of_host(call->helper) : NULL;

	return own ? own->host : NULL;
}

void *uebpf_call_ctx(const struct uebpf_call *call, size_t *len)
{
	if (len)
		*len = call->ctx_len;
	return call->ctx;
}

struct uebpf_env *uebpf_call_env(const struct uebpf_call *call)
{
	return call->env ? call->env->env : NULL;
}

int uebpf_call_check(struct uebpf_call *call, uint64_t address, size_t len, int write)
{
	return call_may_access(call, address, len, write ? ACCESS_WRITE : ACCESS_READ) ? 0 : -EFAULT;
}

void uebpf_call_fail(struct uebpf_call *call, int status, uint64_t address)
{
	/* the first reason is the one that ends the run; 0 or a positive number is no reason */
	if (call->status)
		return;
	call->status = status < 0 ? status : -EINVAL;
	call->address = address;
}
