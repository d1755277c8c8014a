/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* task.c - time, chance, CPU and the identity of the running thread; each through the env's hooks. */
#include <linux/bpf.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "helpers/families.h"
#include "helpers/task.h"
#include "vm/self.h"

#define NSEC UINT64_C(1000000000)
#define TASK_MARK (UINT64_C(0x7a5c) << 48)

/* ---- time ---- */

/* A function that looks at no struct uebpf_call and leaves errno alone (CALL_ALONE). */
#define ALONE(name) \
static uint64_t name(uint64_t r1 UNUSED, uint64_t r2 UNUSED, uint64_t r3 UNUSED, uint64_t r4 UNUSED, uint64_t r5 UNUSED, \
		     struct uebpf_call *call UNUSED)

static uint64_t clock_ns(struct uebpf_call *call, enum uebpf_clock which, clockid_t id)
{
	const struct uebpf_hooks *hooks = &call->env->hooks;
	struct timespec now = { 0, 0 };

	if (hooks->clock)
		return hooks->clock(hooks->ctx, which);
	clock_gettime(id, &now);
	return (uint64_t)now.tv_sec * NSEC + (uint64_t)now.tv_nsec;
}

FN(ktime_get_ns)
{
	return clock_ns(call, UEBPF_CLOCK_MONOTONIC, CLOCK_MONOTONIC);
}

/* The same of a host that has no clock of its own: the vDSO does it, and no state of a run is needed. */
ALONE(monotonic_ns)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NSEC + (uint64_t)now.tv_nsec;
}

int clock_inliner(const struct call_site *site, struct insn *out, int cap)
{
	if (site->code->host->hooks.clock || cap < 1)
		return 0;
	out[0] = (struct insn){ .op = OP_CALL, .dst = CALL_ALONE, .imm = (int64_t)(intptr_t)monotonic_ns };
	return 1;
}

FN(ktime_get_boot_ns)
{
	return clock_ns(call, UEBPF_CLOCK_BOOTTIME, CLOCK_BOOTTIME);
}

FN(ktime_get_coarse_ns)
{
	return clock_ns(call, UEBPF_CLOCK_COARSE, CLOCK_MONOTONIC_COARSE);
}

FN(ktime_get_tai_ns)
{
	return clock_ns(call, UEBPF_CLOCK_TAI, CLOCK_TAI);
}

/* The kernel's counter starts five minutes before its 32-bit wrap; the coarse clock advances once a
 * tick and its resolution is the tick. */
FN(jiffies64)
{
	const struct uebpf_hooks *hooks = &call->env->hooks;
	struct timespec tick = { 0, 0 };
	uint64_t ns, hz;

	if (hooks->clock)
		return hooks->clock(hooks->ctx, UEBPF_CLOCK_JIFFIES);
	clock_getres(CLOCK_MONOTONIC_COARSE, &tick);
	ns = tick.tv_nsec > 0 ? (uint64_t)tick.tv_nsec : NSEC / 250;
	hz = (NSEC + ns / 2) / ns;
	return (uint32_t)(-300 * (int64_t)hz) +
	       clock_ns(call, UEBPF_CLOCK_COARSE, CLOCK_MONOTONIC_COARSE) / (NSEC / hz);
}

/* ---- chance ---- */

/* Hooks are out of the way, so that the usual path needs no stack frame. */
#define HOOKED __attribute__((noinline, cold)) static

HOOKED uint32_t hooked_random(const struct uebpf_hooks *hooks)
{
	return hooks->random(hooks->ctx);
}

#define RANDOM_STEP UINT64_C(0x9e3779b97f4a7c15)
#define RANDOM_MIX UINT64_C(0xd6e8feb86659fd93)

ALONE(own_random)
{
	struct self *self = self_get();
	uint64_t x = self->random += RANDOM_STEP;

	x = (x ^ x >> 32) * RANDOM_MIX;
	return (uint32_t)(x >> 32);
}

#if defined(__x86_64__)
/* The same in place.  On x86-64 the thread pointer lies at distance 0 from itself. */
int random_inliner(const struct call_site *site, struct insn *out, int cap)
{
	ptrdiff_t at = (char *)&self_cache - self_thread();
	enum { PID = 1, STATE, PAGE, STEP, MIX, HALF, OWN };
	const int64_t arg[] = { at + (ptrdiff_t)offsetof(struct self, pid_tid), at + (ptrdiff_t)offsetof(struct self, random),
				(int64_t)(uintptr_t)&self_fork_page[0], (int64_t)RANDOM_STEP, (int64_t)RANDOM_MIX, 32,
				(int64_t)(uintptr_t)own_random };
	static const struct pattern code[] = {
		{ .op = OP_LD_TLS64, .dst = 1 },
		{ .op = OP_LD_DW, .dst = 2, .src = 1, .off = OFF_ARG, .arg = PID },
		{ .op = OP_LDDW, .dst = 3, .arg = PAGE },
		{ .op = OP_LD_W, .dst = 3, .src = 3 },
		{ .op = OP_RSH64_K, .dst = 2, .arg = HALF },
		{ .op = OP_JNE64_X, .dst = 2, .src = 3, .off = 18 },
		{ .op = OP_JEQ64_K, .dst = 2, .off = 18 },
		{ .op = OP_LD_DW, .dst = 0, .src = 1, .off = OFF_ARG, .arg = STATE },
		{ .op = OP_LDDW, .dst = 3, .arg = STEP },
		{ .op = OP_ADD64_X, .dst = 0, .src = 3 },
		{ .op = OP_STX_DW, .dst = 1, .src = 0, .off = OFF_ARG, .arg = STATE },
		{ .op = OP_MOV64_X, .dst = 2, .src = 0 },
		{ .op = OP_RSH64_K, .dst = 2, .arg = HALF },
		{ .op = OP_XOR64_X, .dst = 0, .src = 2 },
		{ .op = OP_LDDW, .dst = 3, .arg = MIX },
		{ .op = OP_MUL64_X, .dst = 0, .src = 3 },
		{ .op = OP_RSH64_K, .dst = 0, .arg = HALF },
		{ .op = OP_JA, .off = 19 },
		{ .op = OP_CALL, .dst = CALL_ALONE, .arg = OWN },
	};

	if (site->code->host->hooks.random || at != (int32_t)at)
		return 0;
	return WRITE(out, cap, code, arg);
}
#else
int random_inliner(const struct call_site *site, struct insn *out, int cap)
{
	(void)site, (void)out, (void)cap;
	return 0;
}
#endif

FN(get_prandom_u32)
{
	const struct uebpf_hooks *hooks = &call->env->hooks;

	return hooks->random ? hooked_random(hooks) : own_random(0, 0, 0, 0, 0, NULL);
}

/* ---- CPU ---- */

/* glibc 2.35 keeps struct rseq of each thread at this offset from the thread pointer; the kernel writes
 * the CPU's number there.  Weak: other C libraries do not have it. */
extern const ptrdiff_t __rseq_offset __attribute__((weak));
struct rseq_head { uint32_t cpu_id_start, cpu_id; };

HOOKED uint32_t other_cpu(const struct vm_host *host)
{
	unsigned cpu;

	if (host->hooks.cpu)
		return host->hooks.cpu(host->hooks.ctx);
#ifdef __x86_64__
	if (host->rdpid) {	/* Linux keeps the number in 12 bits, the node above (arch/x86 vDSO ABI) */
		uint64_t id;

		__asm__ volatile(".byte 0xf3, 0x0f, 0xc7, 0xf8" : "=a"(id));
		return id & 0xfff;
	}
#endif
	return getcpu(&cpu, NULL) ? 0 : cpu;
}

uint32_t current_cpu(struct uebpf_call *call)
{
#if defined(__x86_64__) || defined(__aarch64__)
	if (!call->env->hooks.cpu && call->env->rseq) {
		const volatile struct rseq_head *rseq =
			(const void *)((char *)__builtin_thread_pointer() + __rseq_offset);
		uint32_t cpu = rseq->cpu_id;

		if ((int32_t)cpu >= 0)	/* negative: not registered */
			return cpu;
	}
#endif
	return other_cpu(call->env);
}

ALONE(own_cpu)
{
	unsigned cpu;

	return getcpu(&cpu, NULL) ? 0 : cpu;
}

/* The same in place: negative means that the thread is not registered, then the kernel is asked. */
int cpu_inliner(const struct call_site *site, struct insn *out, int cap)
{
	static const struct pattern code[] = {
		{ .op = OP_LD_TLS32, .dst = 0, .arg = 1 }, { .op = OP_JSGE32_K, .dst = 0, .off = 3 },
		{ .op = OP_CALL, .dst = CALL_ALONE, .arg = 2 },
	};
	int64_t at, arg[2];

	if (!self_thread() || site->code->host->hooks.cpu || !site->code->host->rseq)
		return 0;
	at = __rseq_offset + (ptrdiff_t)offsetof(struct rseq_head, cpu_id);
	if (at != (int32_t)at)
		return 0;
	arg[0] = at;
	arg[1] = (int64_t)(uintptr_t)own_cpu;
	return WRITE(out, cap, code, arg);
}

FN(get_smp_processor_id)
{
	return current_cpu(call);
}

FN(get_numa_node_id)
{
	unsigned cpu = 0, node = 0;

	if (call->env->hooks.cpu)	/* a replay has one node */
		return 0;
	return getcpu(&cpu, &node) ? 0 : node;
}

/* ---- identity ---- */

/* Who the host says is running, if it has a say. */
HOOKED bool hooked_task(const struct uebpf_call *call, struct uebpf_task *task)
{
	const struct uebpf_hooks *hooks = &call->env->hooks;

	memset(task, 0, sizeof *task);
	if (hooks->task)
		hooks->task(hooks->ctx, task);
	return hooks->task;
}

HOOKED uint64_t hooked_pid_tgid(const struct uebpf_call *call)
{
	struct uebpf_task task;

	hooked_task(call, &task);
	return (uint64_t)task.tgid << 32 | task.pid;
}

ALONE(own_pid_tgid)
{
	return self_get()->pid_tid;
}

/* self_get() in place: what the thread remembers, while the fork page holds the same pid. */
int pid_tgid_inliner(const struct call_site *site, struct insn *out, int cap)
{
	const int64_t arg[] = { (char *)&self_cache.pid_tid - self_thread(), (int64_t)(uintptr_t)&self_fork_page[0], 32,
				(int64_t)(uintptr_t)own_pid_tgid };
	static const struct pattern code[] = {
		{ .op = OP_LD_TLS64, .dst = 0, .arg = 1 },
		{ .op = OP_LDDW, .dst = 1, .arg = 2 },
		{ .op = OP_LD_W, .dst = 1, .src = 1 },
		{ .op = OP_MOV64_X, .dst = 2, .src = 0 },
		{ .op = OP_RSH64_K, .dst = 2, .arg = 3 },
		{ .op = OP_JNE64_X, .dst = 2, .src = 1, .off = 7 },
		{ .op = OP_JNE64_K, .dst = 2, .off = 8 },
		{ .op = OP_CALL, .dst = CALL_ALONE, .arg = 4 },
	};

	if (!self_thread() || site->code->host->hooks.task || arg[0] != (int32_t)arg[0])
		return 0;
	return WRITE(out, cap, code, arg);
}

FN(get_current_pid_tgid)
{
	return call->env->hooks.task ? hooked_pid_tgid(call) : self_get()->pid_tid;
}

/* Not cached: both can change in a live thread without our knowing. */
FN(get_current_uid_gid)
{
	struct uebpf_task task;

	if (!hooked_task(call, &task)) {
		task.gid = getgid();
		task.uid = getuid();
	}
	return (uint64_t)task.gid << 32 | task.uid;
}

FN(get_current_comm)
{
	struct uebpf_task task;
	uint32_t size = (uint32_t)r2, len;

	if (!hooked_task(call, &task))
		prctl(PR_GET_NAME, task.comm, 0ul, 0ul, 0ul);
	task.comm[sizeof task.comm - 1] = 0;
	len = (uint32_t)strlen(task.comm);
	if (len >= size)
		len = size - 1;
	memcpy(ptr(r1), task.comm, len);
	memset((char *)ptr(r1) + len, 0, size - len);
	return 0;
}

uint64_t task_number(struct uebpf_call *call)
{
	struct uebpf_task task;

	return TASK_MARK | (hooked_task(call, &task) ? task.pid : self_get()->tid);
}

FN(get_current_task)
{
	return task_number(call);
}

FN(get_current_task_btf)
{
	return task_number(call);
}

FN(get_ns_current_pid_tgid)
{
	struct bpf_pidns_info info = { 0, 0 };
	const struct self *self = self_get();
	int saved = errno, err = -EINVAL;
	struct stat st;

	if (r4 == sizeof info && stat("/proc/self/ns/pid", &st) == 0 && (uint64_t)st.st_dev == r1 &&
	    (uint64_t)st.st_ino == r2) {
		info.pid = self->tid;
		info.tgid = self->pid;
		err = 0;
	}
	memset(ptr(r3), 0, (uint32_t)r4);
	if (!err)
		memcpy(ptr(r3), &info, sizeof info);
	errno = saved;
	return (uint64_t)(int64_t)err;
}

FN(get_attach_cookie)
{
	const struct uebpf_run *run = call->run;

	return run ? run->cookie : 0;
}
