/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* stack_kernel_test.c - get_stack, get_task_stack and get_stackid with build ids: the kernel walks this very process
 * in a raw tracepoint program, our helpers are asked about the addresses that it found. */
#include <linux/bpf.h>
#include "loader/loader.h"
#include "maps/maps.h"
#include "tests/helpers/units.h"
#include "tests/util/compile.h"
#include "tests/util/run.h"

enum { DEPTH = 64, IP = 16, WHERE = 8, USER = BPF_F_USER_STACK, IDS = BPF_F_USER_STACK | BPF_F_USER_BUILD_ID };

static struct kernel k;
static struct vm_host maps_host;
static uint64_t regs[21];	/* struct pt_regs of x86-64 */

/* The system call from libc's text, or from ours. */
static inline __attribute__((always_inline)) long run_prog(int fd, bool here)
{
	union bpf_attr attr;
	long r;

	memset(&attr, 0, sizeof attr);
	attr.test.prog_fd = (uint32_t)fd;
#ifdef __x86_64__
	if (here) {
		register long a3 __asm__("rdx") = sizeof attr;

		__asm__ volatile("syscall" : "=a"(r) : "a"(SYS_bpf), "D"(BPF_PROG_TEST_RUN), "S"(&attr), "r"(a3)
				 : "rcx", "r11", "memory");
		return r;
	}
#endif
	r = sys_bpf(BPF_PROG_TEST_RUN, &attr);
	return r;
}

static int load_walker(uint64_t flags, size_t size)
{
	const struct call_case c = { "get_stack", { C, A(WHERE), N(size), N(flags) } };
	int fd = kernel_load(&k, &c, BPF_PROG_TYPE_RAW_TRACEPOINT, 0);

	ck_assert_msg(fd >= 0, "%s", k.log);
	memset(k.area, 0, AREA);
	return fd;
}

/* What it said of our stack; how many bytes. */
static long walked(int fd, void *to, size_t size)
{
	int64_t r0;

	close(fd);
	memcpy(&r0, k.area, sizeof r0);
	memcpy(to, k.area + WHERE, size);
	return r0;
}

static long kernels(uint64_t flags, bool here, void *to, size_t size)
{
	int fd = load_walker(flags, size);

	ck_assert_int_eq(__builtin_frame_address(0) ? run_prog(fd, here) : -1, 0);
	return walked(fd, to, size);
}

static void at(uint64_t ip)
{
	setup();
	memset(regs, 0, sizeof regs);
	regs[IP] = ip;
	o.code.type = prog_type_find("perf_event");
	o.call.ctx = regs;
	o.call.ctx_len = sizeof regs;
	o.host.probe = UEBPF_PROBE_SYSCALL;
}

START_TEST(build_ids_are_the_kernels)
{
	uint64_t ips[DEPTH] = { 0 };
	struct bpf_stack_build_id theirs[DEPTH] = { 0 }, ours;
	unsigned valid = 0;

	if (!kernel_open(&k, NULL, 0))
		return;
	for (int here = 0; here < 2; here++) {
		long n = 0;

		for (int ids = 0; ids < 2; ids++)	/* one place, so that the stack is one */
			n = kernels(ids ? IDS : USER, here, ids ? (void *)theirs : ips, ids ? sizeof theirs : sizeof ips);
		ck_assert_int_ge(n, (long)sizeof ours);
		for (long i = 0; i < n / (long)sizeof ours; i++) {
			at(ips[i]);
			memset(&ours, 0xee, sizeof ours);
			ck_assert_int_eq((int64_t)call("get_stack", P(regs), P(&ours), sizeof ours, IDS, 0), sizeof ours);
			ck_assert_msg(!memcmp(&ours, &theirs[i], sizeof ours),
				      "%d, frame %ld at %#llx: status %d %d, offset %#llx %#llx", here, i,
				      (unsigned long long)ips[i], theirs[i].status, ours.status,
				      (unsigned long long)theirs[i].offset, (unsigned long long)ours.offset);
			valid += ours.status == BPF_STACK_BUILD_ID_VALID;
		}
	}
	kernel_close(&k);
	ck_assert_uint_ge(valid, 2);	/* libc's and this program's */
}
END_TEST

START_TEST(an_address_of_no_file_stays_an_address)
{
	struct bpf_stack_build_id got[2];

	at(P(regs));
	ck_assert_int_eq((int64_t)call("get_stack", P(regs), P(got), sizeof got, IDS, 0), sizeof got[0]);
	ck_assert_int_eq(got[0].status, BPF_STACK_BUILD_ID_IP);
	ck_assert_uint_eq(got[0].ip, P(regs));
	ck_assert_int_eq(got[1].status, BPF_STACK_BUILD_ID_EMPTY);
	/* what the kernel refuses */
	ck_assert_int_eq((int64_t)call("get_stack", P(regs), P(got), sizeof got - 8, IDS, 0), -EINVAL);
	ck_assert_int_eq((int64_t)call("get_stack", P(regs), P(got), sizeof got, BPF_F_USER_BUILD_ID, 0), -EINVAL);
	ck_assert_int_eq((int64_t)call("get_stack", P(regs), P(got), sizeof got, BPF_F_REUSE_STACKID, 0), -EINVAL);
}
END_TEST

START_TEST(a_task_is_the_running_one)
{
	uint64_t ips[4], me;

	at(0x1000);
	me = call("get_current_task_btf", 0, 0, 0, 0, 0);
	ck_assert_int_eq((int64_t)call("get_task_stack", me, P(ips), sizeof ips, USER, 0), 8);
	ck_assert_uint_eq(ips[0], 0x1000);
	ck_assert_int_eq((int64_t)call("get_task_stack", 1, P(ips), sizeof ips, USER, 0), -ESRCH);
	ck_assert_uint_eq(ips[0], 0);
	o.code.type = prog_type_find("xdp");	/* no registers there */
	ck_assert_int_eq((int64_t)call("get_stack", P(regs), P(ips), sizeof ips, USER, 0), -EFAULT);
}
END_TEST

START_TEST(a_map_of_build_ids_holds_them_under_one_id)
{
	struct uebpf_map_opts opts = { .size = sizeof opts, .type = BPF_MAP_TYPE_STACK_TRACE, .key_size = 4,
		.value_size = 4 * sizeof(struct bpf_stack_build_id), .max_entries = 64, .flags = BPF_F_STACK_BUILD_ID };
	struct bpf_stack_build_id got[4];
	struct uebpf_error err;
	struct uebpf_map *map;
	uint32_t key;
	int64_t id;

	at(P(sys_bpf));
	ck_assert_msg(!map_new(&maps_host, &opts, &map, &err), "%s", err.text);
	id = (int64_t)call("get_stackid", P(regs), P(map), USER, 0, 0);
	ck_assert_int_ge(id, 0);
	ck_assert_int_eq((int64_t)call("get_stackid", P(regs), P(map), USER, 0, 0), id);
	key = (uint32_t)id;
	ck_assert_int_eq(uebpf_map_lookup(map, &key, got), 0);
	ck_assert_int_eq(got[0].status, BPF_STACK_BUILD_ID_VALID);
	ck_assert_int_eq(got[1].status, BPF_STACK_BUILD_ID_EMPTY);
	uebpf_map_unref(map);
	opts.value_size = 40;
	ck_assert_int_eq(map_new(&maps_host, &opts, &map, &err), -EINVAL);
	opts.value_size = 128 * sizeof got[0];
	ck_assert_int_eq(map_new(&maps_host, &opts, &map, &err), -EINVAL);
}
END_TEST

/* ---- a program without registers: the stack of who ran it ---- */

static const struct uebpf_prog *prog;
static uint64_t args[12];
static struct { int64_t size; uint64_t ip[DEPTH]; } found;
enum { FRAMES = 3 };

/* Both stacks from one place; frame pointers here and in through(), whatever the compiler was told. */
static __attribute__((noinline)) uint64_t both(struct uebpf_run *run, uint64_t *theirs)
{
	uint64_t frame = P(__builtin_frame_address(0));
	int fd = load_walker(USER, DEPTH * 8);

	ck_assert_int_eq(run_prog(fd, true), 0);
	ck_assert_int_eq(uebpf_prog_run(prog, args, sizeof args, run, NULL), 0);
	ck_assert_int_ge(walked(fd, theirs, DEPTH * 8), FRAMES * 8);
	return frame ? P(__builtin_return_address(0)) : 0;
}

static __attribute__((noinline)) uint64_t through(struct uebpf_run *run, uint64_t *theirs)
{
	uint64_t frame = P(__builtin_frame_address(0)), back = both(run, theirs);

	return frame ? back : 0;
}

static void look_at(struct uebpf_object *obj)
{
	uint32_t zero = 0;

	ck_assert_int_eq(uebpf_map_lookup(uebpf_object_map(obj, ".bss"), &zero, &found), 0);
}

START_TEST(without_registers_it_is_the_callers)
{
	struct uebpf_load_opts load = { .size = sizeof load, .engine = _i ? UEBPF_ENGINE_JIT : UEBPF_ENGINE_INTERP };
	struct uebpf_env_opts opts = { .size = sizeof opts, .probe = UEBPF_PROBE_SYSCALL };
	struct uebpf_env *env = uebpf_env_new(&opts);
	uint64_t theirs[DEPTH] = { 0 }, back;
	struct uebpf_run run = { .size = sizeof run };
	struct uebpf_object *obj;
	struct uebpf_error err;

	OBJECT(path, "stack.bpf.c", "-O2 -g -mcpu=v3");
	if (!kernel_open(&k, NULL, 0))
		return;
	obj = uebpf_object_open_file(env, path, NULL, &err);
	ck_assert_msg(obj && !uebpf_object_load(obj, &load, &err), "%s", err.text);
	prog = uebpf_object_prog(obj, "walk");
	for (int with = 0; with < 2; with++) {
		unsigned i = 0;

		back = through(with ? &run : NULL, theirs);
		look_at(obj);
		ck_assert_int_ge(found.size, FRAMES * 8);
		ck_assert_msg(found.ip[0] - P(both) < 500, "%#llx is not in both() at %#llx",
			      (unsigned long long)found.ip[0], (unsigned long long)P(both));
		while (i < DEPTH && theirs[i] != back)
			i++;
		ck_assert_uint_lt(i, DEPTH);
		for (long n = 1; n < FRAMES; n++, i++)	/* beyond are frames without a frame pointer */
			ck_assert_uint_eq(found.ip[n], i < DEPTH ? theirs[i] : 0);
	}
	run.ip = 0x1234;	/* as the host says; no frame there */
	through(&run, theirs);
	look_at(obj);
	ck_assert_int_eq(found.size, 8);
	ck_assert_uint_eq(found.ip[0], 0x1234);
	ck_assert_uint_eq(run.ip, 0x1234);
	run.size = offsetof(struct uebpf_run, ip);	/* a host that was built before these fields */
	through(&run, theirs);
	look_at(obj);
	ck_assert_uint_ne(found.ip[0], 0x1234);
	ck_assert_uint_gt(found.size, 8);
	ck_assert_uint_eq(run.ip, 0x1234);
	ck_assert_uint_eq(run.size, offsetof(struct uebpf_run, ip));
	kernel_close(&k);
	uebpf_object_free(obj);
	uebpf_env_free(env);
}
END_TEST

int main(void)
{
	TCase *t = test_case("stacks", 30);

	tcase_add_test(t, build_ids_are_the_kernels);
	tcase_add_test(t, an_address_of_no_file_stays_an_address);
	tcase_add_test(t, a_task_is_the_running_one);
	tcase_add_test(t, a_map_of_build_ids_holds_them_under_one_id);
	tcase_add_loop_test(t, without_registers_it_is_the_callers, 0, 2);
	return run_tests();
}
