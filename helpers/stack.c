/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* stack.c - stacks of the probed thread: the instruction pointer of a context with registers (pt_regs, perf_event)
 * or of struct uebpf_run, then return addresses along frame pointers, each read as the probe option allows; or, for
 * each of them, the build id of the file that it lies in and the offset there.  There is no kernel stack. */
#include <link.h>
#include <linux/bpf.h>
#include "helpers/families.h"
#include "helpers/task.h"

enum {
	DEPTH_MAX = 127,
	STEP_MAX = 1 << 20,	/* a frame farther up than that is not a frame */
	PLACE_WORDS = sizeof(struct bpf_stack_build_id) / 8,
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

/* Where the probed thread is; false: nobody knows. */
static bool place(const struct uebpf_call *call, uint64_t *pc, uint64_t *frame)
{
	if (register_of(call, "ip", pc) && register_of(call, "bp", frame))
		return true;
	*pc = call->run && call->run->size >= sizeof *call->run ? call->run->ip : 0;
	*frame = *pc ? call->run->frame : 0;
	return *pc;
}

/* How many addresses went into ip[], or -EFAULT without registers. */
static long walk(struct uebpf_call *call, uint64_t flags, uint64_t *ip, uint32_t max)
{
	uint64_t frame[2], at = 0, pc = 0;
	uint32_t skip = flags & BPF_F_SKIP_FIELD_MASK, n = 0, depth;

	if (!(flags & BPF_F_USER_STACK) || !place(call, &pc, &at))
		return -EFAULT;
	for (depth = 0; n < max && depth < DEPTH_MAX + BPF_F_SKIP_FIELD_MASK; depth++) {
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

/* ---- build ids ---- */

static size_t padded(size_t n, size_t align) { return (n + align - 1) & ~(align - 1); }

/* The build id among the notes of a segment, as `file ...` shows it. */
static bool build_id(const uint8_t *note, size_t left, size_t align, uint8_t *id)
{
	ElfW(Nhdr) h;

	for (size_t step; left >= sizeof h; note += step, left -= step) {
		size_t desc;

		memcpy(&h, note, sizeof h);
		desc = padded(sizeof h + h.n_namesz, align);
		step = desc + padded(h.n_descsz, align);
		if (step > left)
			break;
		if (h.n_type != NT_GNU_BUILD_ID || h.n_namesz != sizeof "GNU" ||
		    memcmp(note + sizeof h, "GNU", sizeof "GNU") || h.n_descsz > BPF_BUILD_ID_SIZE)
			continue;
		memcpy(id, note + desc, h.n_descsz);
		return true;
	}
	return false;
}

/* Of one loaded file: is the address in it, and where?  Ends the search when it is. */
static int look(struct dl_phdr_info *file, size_t size, void *arg)
{
	struct bpf_stack_build_id *place = arg;
	const ElfW(Phdr) *seg = file->dlpi_phdr, *end = seg + file->dlpi_phnum;
	uint64_t ip = place->ip;

	(void)size;
	while (seg < end && !(seg->p_type == PT_LOAD && ip - (file->dlpi_addr + seg->p_vaddr) < seg->p_filesz))
		seg++;
	if (seg == end)
		return 0;
	ip += seg->p_offset - (file->dlpi_addr + seg->p_vaddr);
	for (seg = file->dlpi_phdr; seg < end; seg++)
		if (seg->p_type == PT_NOTE && build_id(ptr(file->dlpi_addr + seg->p_vaddr), seg->p_filesz,
						       seg->p_align == 8 ? 8 : 4, place->build_id)) {
			place->status = BPF_STACK_BUILD_ID_VALID;
			place->offset = ip;
			break;
		}
	return 1;
}

/* What no file with a build id holds keeps its address, as in the kernel. */
static void places(const uint64_t *ip, long n, void *out)
{
	for (long i = 0; i < n; i++) {
		struct bpf_stack_build_id place = { .status = BPF_STACK_BUILD_ID_IP, .ip = ip[i] };

		dl_iterate_phdr(look, &place);
		memcpy((char *)out + (size_t)i * sizeof place, &place, sizeof place);
	}
}

/* ---- the helpers ---- */

/* Apart, because of the four kilobytes. */
static __attribute__((noinline)) long id_of_places(struct uebpf_map *map, const uint64_t *ip, long n,
						   uint64_t flags)
{
	uint64_t words[DEPTH_MAX * PLACE_WORDS];

	places(ip, n, words);
	return map->ops->more->stack_id(map, words, (uint32_t)n * PLACE_WORDS, flags);
}

FN(get_stackid)
{
	struct uebpf_map *map = ptr(r2);
	bool ids = map->flags & BPF_F_STACK_BUILD_ID;
	uint32_t max = map->value_size / (ids ? sizeof(struct bpf_stack_build_id) : sizeof(uint64_t));
	uint64_t ip[DEPTH_MAX];
	long n;

	if (r3 & ~(uint64_t)(BPF_F_SKIP_FIELD_MASK | BPF_F_USER_STACK | BPF_F_FAST_STACK_CMP | BPF_F_REUSE_STACKID))
		return ERR(EINVAL);
	if (!map->ops->more->stack_id)
		return ERR(EOPNOTSUPP);
	n = walk(call, r3, ip, max < DEPTH_MAX ? max : DEPTH_MAX);
	if (n <= 0)
		return ERR(EFAULT);
	return (uint64_t)(ids ? id_of_places(map, ip, n, r3) : map->ops->more->stack_id(map, ip, (uint32_t)n, r3));
}

static uint64_t stack_into(struct uebpf_call *call, void *to, uint32_t size, uint64_t flags)
{
	bool ids = flags & BPF_F_USER_BUILD_ID;
	uint32_t each = ids ? sizeof(struct bpf_stack_build_id) : sizeof(uint64_t), max = size / each;
	uint64_t ip[DEPTH_MAX];
	long n = -EINVAL;

	memset(to, 0, size);
	if (!(flags & ~(uint64_t)(BPF_F_SKIP_FIELD_MASK | BPF_F_USER_STACK | BPF_F_USER_BUILD_ID)) && size % each == 0 &&
	    (!ids || flags & BPF_F_USER_STACK))
		n = walk(call, flags, ip, max < DEPTH_MAX ? max : DEPTH_MAX);
	if (n <= 0)
		return (uint64_t)(int64_t)n;
	if (ids)
		places(ip, n, to);
	else
		memcpy(to, ip, (size_t)n * sizeof ip[0]);
	return (uint64_t)n * each;
}

FN(get_stack)
{
	return stack_into(call, ptr(r2), (uint32_t)r3, r4);
}

FN(get_task_stack)
{
	if (r1 == task_number(call))
		return stack_into(call, ptr(r2), (uint32_t)r3, r4);
	memset(ptr(r2), 0, (uint32_t)r3);
	return ERR(ESRCH);
}

FN(get_func_ip)
{
	uint64_t pc, frame;

	place(call, &pc, &frame);
	return pc;
}
