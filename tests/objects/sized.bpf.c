/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Maps whose size is not what their definition says: rounded to pages, or filled in by who makes them. */
#include "bpf_min.h"

struct { __uint(type, BPF_MAP_TYPE_RINGBUF); __uint(max_entries, 5000); } odd_ring SEC(".maps");
struct { __uint(type, 7 /* stack_trace */); __uint(max_entries, 10); } stacks SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY); __uint(key_size, 4); __uint(value_size, 4); } perf SEC(".maps");

SEC("raw") int nothing(void *ctx) { return 0; }
char _license[] SEC("license") = "GPL";
