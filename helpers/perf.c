/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* perf.c - records to perf buffers: they go to the host. */
#include "helpers/families.h"
#include "vm/mem.h"

#define CURRENT_CPU UINT32_MAX	/* BPF_F_CURRENT_CPU */
enum { PACKET_LEN_SHIFT = 32, PACKET_LEN_MAX = 0xfffff, ON_STACK = 1024 };

FN(perf_event_output)
{
	const struct uebpf_hooks *hooks = &call->env->hooks;
	struct uebpf_packet *packet = call_packet(call);
	struct uebpf_map *map = ptr(r2);
	uint64_t extra = r3 >> PACKET_LEN_SHIFT, size = (uint32_t)r5;
	uint32_t index = (uint32_t)r3;
	char small[ON_STACK], *record = small;
	int err;

	if (extra && (!packet || extra > PACKET_LEN_MAX))
		return ERR(EINVAL);
	if (extra && extra > (uint64_t)(packet->data_end - packet->data))
		return ERR(EFAULT);
	if (index == CURRENT_CPU)
		index = current_cpu(call);
	if (index >= map->max_entries)
		return ERR(E2BIG);
	if (!hooks->perf_output)
		return ERR(ENOENT);
	if (!extra)
		return (uint64_t)(int64_t)hooks->perf_output(hooks->ctx, map, index, ptr(r4), (size_t)size);
	if (size + extra > sizeof small)
		record = mem_alloc(call->env, (size_t)(size + extra));
	if (!record)
		return ERR(ENOMEM);
	if (size)
		memcpy(record, ptr(r4), (size_t)size);
	memcpy(record + size, packet->data, (size_t)extra);
	err = hooks->perf_output(hooks->ctx, map, index, record, (size_t)(size + extra));
	if (record != small)
		mem_free(call->env, record, (size_t)(size + extra));
	return (uint64_t)(int64_t)err;
}
