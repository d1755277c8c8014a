/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* stack.c - stacks of the probed thread: the instruction pointer of a pt_regs context, then return
 * addresses along frame pointers, each read as the probe option allows.  There is no kernel stack. */
#include "helpers/families.h"

enum {
	SKIP_MASK = 0xff, USER_STACK = 1 << 8, COMPARE_FAST = 1 << 9, REUSE_ID = 1 << 10, BUILD_ID = 1 << 11,
	DEPTH_MAX = 127,
	STEP_MAX = 1 << 20,	/* a frame farther up than that is not a frame */
};

static bool register_of(const struct uebpf_call *call, const char *name, uint64_t *value)
{
	const struct prog_type *type = call->code->type;
	uint32_t i;

	for (i = 0; type && type->flags & TYPE_DIRECT && i < type->nr_fields; i++) {
		const struct ctx_field *field = &type->fields[i];

		if (field->size == sizeof *value && !strcmp(ctx_field_name(type, field), name) &&
		    field->off + sizeof *value <= call->ctx_len) {
			memcpy(value, (const char *)call->ctx + field->off, sizeof *value);
			return true;
		}
	}
	return false;
}

/* How many addresses went into ip[], or -EFAULT without registers. */
static long walk(struct uebpf_call *call, uint64_t flags, uint64_t *ip, uint32_t max)
{
	uint64_t frame[2], at = 0, pc = 0;
	uint32_t skip = flags & SKIP_MASK, n = 0, depth;

	if (!(flags & USER_STACK) || !register_of(call, "ip", &pc) || !register_of(call, "bp", &at))
		return -EFAULT;
	for (depth = 0; n < max && depth < DEPTH_MAX + SKIP_MASK; depth++) {
		if (depth >= skip)
			ip[n++] = pc;
		if (!at || at % sizeof(uint64_t) || probe_copy(call, frame, at, sizeof frame))
			break;
		pc = frame[1];
		at = frame[0] > at && frame[0] - at <= STEP_MAX ? frame[0] : 0;
		if (!pc)
			break;
	}
	return n;
}

FN(get_stackid)
{
	struct uebpf_map *map = ptr(r2);
	uint32_t max = map->value_size / 8 < DEPTH_MAX ? map->value_size / 8 : DEPTH_MAX;
	uint64_t ip[DEPTH_MAX];
	long n;

	if (r3 & ~(uint64_t)(SKIP_MASK | USER_STACK | COMPARE_FAST | REUSE_ID))
		return ERR(EINVAL);
	if (!map->ops->more->stack_id)
		return ERR(EOPNOTSUPP);
	n = walk(call, r3, ip, max);
	if (n <= 0)
		return ERR(EFAULT);
	return (uint64_t)map->ops->more->stack_id(map, ip, (uint32_t)n, r3);
}

FN(get_stack)
{
	uint64_t ip[DEPTH_MAX];
	uint32_t size = (uint32_t)r3, max = size / 8 < DEPTH_MAX ? size / 8 : DEPTH_MAX;
	long n = -EINVAL;

	memset(ptr(r2), 0, size);
	if (r4 & BUILD_ID)
		return ERR(EOPNOTSUPP);
	if (!(r4 & ~(uint64_t)(SKIP_MASK | USER_STACK)) && size % 8 == 0)
		n = walk(call, r4, ip, max);
	if (n <= 0)
		return (uint64_t)(int64_t)n;
	memcpy(ptr(r2), ip, (size_t)n * sizeof ip[0]);
	return (uint64_t)n * sizeof ip[0];
}

FN(get_func_ip)
{
	uint64_t pc = 0;

	register_of(call, "ip", &pc);
	return pc;
}
