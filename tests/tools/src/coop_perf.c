/* Kernel half with the older transport: a perf_event_array. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(key_size, 4);
	__uint(value_size, 4);
} events SEC(".maps");

SEC("raw_tp/sys_enter")
int enter(struct bpf_raw_tracepoint_args *ctx)
{
	__u64 record[2] = { ctx->args[1], 42 };

	if (ctx->args[1] == 271)	/* ppoll */
		bpf_perf_event_output(ctx, &events, BPF_F_CURRENT_CPU, record, sizeof record);
	return 0;
}
char LICENSE[] SEC("license") = "GPL";
