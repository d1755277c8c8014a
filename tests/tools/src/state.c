/* Maps with typed keys and values, globals of several kinds. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

enum colour { RED, GREEN = 5, BLUE };
struct key { __u32 id; __u8 addr[4]; };
struct value { __u64 count; enum colour colour; char name[8]; };

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8);
	__type(key, struct key);
	__type(value, struct value);
} table SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u64);
} numbers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u32);
} per_cpu SEC(".maps");

volatile const __u32 factor = 3;
volatile const enum colour paint = GREEN;
__u64 total = 10;
__s16 small[3] = { 1, -2, 3 };

SEC("raw")
int state(void *mem, __u64 len)
{
	__u32 index = 1, zero = 0;
	struct key key = { .id = 7, .addr = { 10, 0, 0, 1 } };
	struct value *v = bpf_map_lookup_elem(&table, &key), fresh = { .count = 1, .colour = paint, .name = "new" };
	__u64 *n = bpf_map_lookup_elem(&numbers, &index);
	__u32 *c = bpf_map_lookup_elem(&per_cpu, &zero);

	if (v)
		v->count += factor;
	else
		bpf_map_update_elem(&table, &key, &fresh, BPF_ANY);
	if (n)
		*n += 2;
	if (c)
		*c += 1;
	total += factor;
	return total;
}

char LICENSE[] SEC("license") = "GPL";
