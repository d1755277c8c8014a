/* Kernel half: counts the system calls of the process that runs it, reports each ppoll. */
#include "coop.h"
#define PPOLL 271	/* x86-64 */

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 65536);
} events SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} uebpf_case_coop SEC(".maps");
__u64 seen SEC(".data.both") = 7;

SEC("raw_tp/sys_enter")
int enter(struct bpf_raw_tracepoint_args *ctx)
{
	__u32 zero = 0, id = ctx->args[1];
	struct stats *s = bpf_map_lookup_elem(&stats, &zero);
	char comm[16] __attribute__((aligned(8))) = "";
	struct record *r;

	bpf_get_current_comm(comm, sizeof comm);
	if (!s || *(__u64 *)comm != 0x75722d6670626575 /* "uebpf-ru" */ || comm[8] != 'n')
		return 0;
	__sync_fetch_and_add(&s->kernel, 1);
	__sync_fetch_and_add(&seen, 1);
	bpf_map_update_elem(&calls, &id, &s->kernel, BPF_ANY);
	if (id != PPOLL)
		return 0;
	r = bpf_ringbuf_reserve(&events, sizeof *r, 0);
	if (!r) {
		__sync_fetch_and_add(&s->lost, 1);
		return 0;
	}
	r->pid = bpf_get_current_pid_tgid() >> 32;
	r->magic = MAGIC;
	r->number = __sync_fetch_and_add(&s->emitted, 1);
	bpf_ringbuf_submit(r, 0);
	return 0;
}
