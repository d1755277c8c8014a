/* What a program can ask of its surroundings: all of it is scripted by replay options. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct answers { __u64 time, later, pid_tgid, uid_gid; __u32 random, cpu; char comm[16]; };

SEC("raw")
int surroundings(struct answers *a, __u64 len)
{
	if (len < sizeof *a)
		return -1;
	a->time = bpf_ktime_get_ns();
	a->later = bpf_ktime_get_ns();
	a->pid_tgid = bpf_get_current_pid_tgid();
	a->uid_gid = bpf_get_current_uid_gid();
	a->random = bpf_get_prandom_u32();
	a->cpu = bpf_get_smp_processor_id();
	bpf_get_current_comm(a->comm, sizeof a->comm);
	bpf_printk("cpu %d", a->cpu);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
