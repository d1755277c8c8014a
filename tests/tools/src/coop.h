/* What the kernel half and the user half of the --kernel-object cases share. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct stats { __u64 kernel, emitted, lost, user, records, wrong; };
struct record { __u32 pid, magic; __u64 number; };
enum { MAGIC = 0x5eb9f };

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct stats);
} stats SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u64);
} calls SEC(".maps");

char LICENSE[] SEC("license") = "GPL";
