/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* run_threads_test.c - opening bare instructions and text, running, batches, statuses, lifetimes. */
#include <pthread.h>
#include <stdatomic.h>
#include "tests/api/api.h"

static struct uebpf_env *env;

static void setup(void)
{
	env = uebpf_env_new(NULL);
	ck_assert_ptr_nonnull(env);
}

static void teardown(void)
{
	uebpf_env_free(env);
}

START_TEST(returns_r0)
{
	static const uint8_t slots[] = { 0xb7, 0, 0, 0, 42, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0 };
	struct uebpf_error err;
	struct uebpf_object *obj = uebpf_object_open_insns(env, slots, 2, NULL, &err);
	uint64_t r0 = 0;

	ck_assert_msg(obj != NULL, "%s", err.text);
	ck_assert_int_eq(uebpf_prog_run(uebpf_object_prog(obj, NULL), NULL, 0, NULL, &r0), -ENOEXEC);
	ck_assert_msg(uebpf_object_load(obj, NULL, &err) == 0, "%s", err.text);
	ck_assert_int_eq(uebpf_prog_run(uebpf_object_prog(obj, NULL), NULL, 0, NULL, &r0), 0);
	ck_assert_uint_eq(r0, 42);
	ck_assert_int_eq(uebpf_prog_run(uebpf_object_prog(obj, "main"), NULL, 0, NULL, NULL), 0);
	ck_assert_ptr_null(uebpf_object_prog(obj, "other"));
	ck_assert_ptr_null(uebpf_object_next_prog(obj, uebpf_object_next_prog(obj, NULL)));
	ck_assert_ptr_null(uebpf_object_next_map(obj, NULL));
	uebpf_object_free(obj);
	uebpf_object_free(NULL);
}
END_TEST

START_TEST(raw_gets_memory_and_length)
{
	struct uebpf_object *obj = load_text(env, SUM8, NULL);
	const struct uebpf_prog *prog = uebpf_object_prog(obj, NULL);
	uint8_t bytes[8] = { 1, 2, 3, 4, 5, 6, 7, 200 };
	uint64_t r0;

	ck_assert_int_eq(uebpf_prog_run(prog, bytes, 8, NULL, &r0), 0);
	ck_assert_uint_eq(r0, 228);
	ck_assert_int_eq(uebpf_prog_run(prog, bytes, 7, NULL, &r0), 0);
	ck_assert_uint_eq(r0, 0);
	uebpf_object_free(obj);
}
END_TEST

START_TEST(fault_says_where)
{
	struct uebpf_object *obj = load_text_checked(env, "r0 = 1\nr0 = *(u64 *)(r1 + 8)\nexit\n", NULL);
	const struct uebpf_prog *prog = uebpf_object_prog(obj, NULL);
	struct uebpf_run run = { .size = sizeof(run) };
	struct uebpf_error err;
	uint64_t bytes[2] = { 0 }, r0 = 7;
	char where[64];

	ck_assert_int_eq(uebpf_prog_run(prog, bytes, 16, &run, &r0), 0);
	ck_assert_uint_eq(run.steps, 3);
	r0 = 7;
	ck_assert_int_eq(uebpf_prog_run(prog, bytes, 15, &run, &r0), -EFAULT);
	ck_assert_uint_eq(r0, 7);
	ck_assert_uint_eq(run.pc, 1);
	ck_assert_uint_eq(run.address, (uintptr_t)&bytes[1]);
	ck_assert_int_eq(uebpf_prog_explain(prog, -EFAULT, &run, &err), -EFAULT);
	ck_assert_uint_eq(err.code, UEBPF_E_FAULT);
	ck_assert_uint_eq(err.stage, UEBPF_STAGE_RUN);
	ck_assert_uint_eq(err.pc, 1);
	ck_assert_str_eq(err.object, "text");
	ck_assert_str_eq(err.symbol, "main");
	snprintf(where, sizeof(where), "address %#llx", (unsigned long long)(uintptr_t)&bytes[1]);
	ck_assert_ptr_nonnull(strstr(err.text, "text:main: insn 1: bad memory access"));
	ck_assert_ptr_nonnull(strstr(err.text, where));
	ck_assert_ptr_nonnull(strstr(err.text, "r0 = *(u64 *)(r1 + 0x8)"));
	uebpf_object_free(obj);
}
END_TEST

START_TEST(budget_and_abort)
{
	struct uebpf_object *obj = load_text_checked(env, "again:\ngoto again\nexit\n", NULL);
	const struct uebpf_prog *prog = uebpf_object_prog(obj, NULL);
	struct uebpf_run run = { .size = sizeof(run), .budget = 1000 };
	struct uebpf_error err;
	uint32_t abort = 1;

	ck_assert_int_eq(uebpf_prog_run(prog, NULL, 0, &run, NULL), -ETIME);
	ck_assert_uint_eq(run.steps, 1000);
	ck_assert_uint_eq(run.pc, 0);
	uebpf_prog_explain(prog, -ETIME, &run, &err);
	ck_assert_uint_eq(err.code, UEBPF_E_BUDGET);
	run = (struct uebpf_run){ .size = sizeof(run), .abort = &abort };
	ck_assert_int_eq(uebpf_prog_run(prog, NULL, 0, &run, NULL), -ECANCELED);
	uebpf_prog_explain(prog, -ECANCELED, &run, &err);
	ck_assert_uint_eq(err.code, UEBPF_E_ABORTED);
	run.size = offsetof(struct uebpf_run, ip);	/* without the fields that came later */
	ck_assert_int_eq(uebpf_prog_run(prog, NULL, 0, &run, NULL), -ECANCELED);
	run.size = 3;
	ck_assert_int_eq(uebpf_prog_run(prog, NULL, 0, &run, NULL), -EINVAL);
	uebpf_object_free(obj);
}
END_TEST

START_TEST(trusted_refuses_budget_unless_metered)
{
	struct uebpf_load_opts o = { .size = sizeof(o), .mode = UEBPF_MODE_TRUSTED };
	struct uebpf_object *obj = open_text(env, "r0 = 5\nexit\n", NULL);
	struct uebpf_run run = { .size = sizeof(run), .budget = 1000 };
	uint64_t r0;

	ck_assert_int_eq(uebpf_object_load(obj, &o, NULL), 0);
	ck_assert_int_eq(uebpf_prog_run(uebpf_object_prog(obj, NULL), NULL, 0, &run, &r0), -EOPNOTSUPP);
	run.budget = 0;
	ck_assert_int_eq(uebpf_prog_run(uebpf_object_prog(obj, NULL), NULL, 0, &run, &r0), 0);
	ck_assert_uint_eq(r0, 5);
	uebpf_object_free(obj);
	obj = open_text(env, "r0 = 5\nexit\n", NULL);
	o.metered = 1;
	run.budget = 1000;
	ck_assert_int_eq(uebpf_object_load(obj, &o, NULL), 0);
	ck_assert_int_eq(uebpf_prog_run(uebpf_object_prog(obj, NULL), NULL, 0, &run, &r0), 0);
	ck_assert_uint_eq(run.steps, 2);
	uebpf_object_free(obj);
}
END_TEST

START_TEST(batch_names_the_record_that_failed)
{
	/* faults on the record whose first byte is 9 */
	struct uebpf_object *obj = load_text_checked(env, "r0 = *(u8 *)(r1 + 0)\nif r0 != 9 goto out\n"
					     "r0 = *(u8 *)(r1 + 100)\nout:\nexit\n", NULL);
	const struct uebpf_prog *prog = uebpf_object_prog(obj, NULL);
	uint8_t rec[5][4] = { { 1 }, { 2 }, { 3 }, { 9 }, { 5 } };
	struct uebpf_record list[3] = { { rec[1], 4 }, { rec[3], 4 }, { rec[0], 4 } };
	uint64_t out[5] = { 77, 77, 77, 77, 77 };
	size_t at = 99;

	ck_assert_int_eq(uebpf_prog_run_batch(prog, rec, 4, 5, out, &at), -EFAULT);
	ck_assert_uint_eq(at, 3);
	ck_assert_uint_eq(out[2], 3);
	ck_assert_uint_eq(out[4], 77);
	ck_assert_int_eq(uebpf_prog_run_batch(prog, rec, 4, 3, NULL, NULL), 0);
	ck_assert_int_eq(uebpf_prog_run_records(prog, list, 3, out, &at), -EFAULT);
	ck_assert_uint_eq(at, 1);
	ck_assert_uint_eq(out[0], 2);
	uebpf_object_free(obj);
}
END_TEST

START_TEST(packet_context_is_checked)
{
	/* XDP_DROP when the first byte is 0xff: struct xdp_md { data, data_end } */
	struct uebpf_object *obj = load_text(env,
		"r2 = *(u32 *)(r1 + 0)\nr3 = *(u32 *)(r1 + 4)\nr0 = 2\nr4 = r2\nr4 += 1\n"
		"if r4 > r3 goto out\nr5 = *(u8 *)(r2 + 0)\nif r5 != 255 goto out\nr0 = 1\nout:\nexit\n", "xdp");
	const struct uebpf_prog *prog = uebpf_object_prog(obj, NULL);
	struct uebpf_prog_info info = { .size = sizeof(info) };
	uint8_t data[64] = { 0xff };
	struct uebpf_packet pkt = { .size = sizeof(pkt), .data = data, .data_end = data + 64 };
	uint64_t r0;

	uebpf_prog_info(prog, &info);
	ck_assert_uint_eq(info.ctx_kind, UEBPF_CTX_PACKET);
	ck_assert_uint_eq(info.ctx_size, sizeof(pkt));
	ck_assert_str_eq(info.type, "xdp");
	ck_assert_int_eq(uebpf_prog_run(prog, &pkt, sizeof(pkt), NULL, &r0), 0);
	ck_assert_uint_eq(r0, 1);
	ck_assert_str_eq(uebpf_prog_verdict(prog, r0), "XDP_DROP");
	ck_assert_uint_eq(pkt.len, 64);
	data[0] = 0;
	ck_assert_int_eq(uebpf_prog_run(prog, &pkt, sizeof(pkt), NULL, &r0), 0);
	ck_assert_str_eq(uebpf_prog_verdict(prog, r0), "XDP_PASS");
	pkt.data_end = pkt.data;	/* an empty packet is a packet */
	ck_assert_int_eq(uebpf_prog_run(prog, &pkt, sizeof(pkt), NULL, &r0), 0);
	ck_assert_int_eq(uebpf_prog_run(prog, &pkt, sizeof(pkt) - 1, NULL, &r0), -EINVAL);
	pkt.data_end = pkt.data - 1;
	ck_assert_int_eq(uebpf_prog_run(prog, &pkt, sizeof(pkt), NULL, &r0), -EINVAL);
	pkt.data_end = data + 64;
	pkt.head = data + 1;
	ck_assert_int_eq(uebpf_prog_run(prog, &pkt, sizeof(pkt), NULL, &r0), -EINVAL);
	pkt.head = NULL;
	pkt.tail = data + 63;
	ck_assert_int_eq(uebpf_prog_run(prog, &pkt, sizeof(pkt), NULL, &r0), -EINVAL);
	pkt.tail = NULL;
	pkt.size = 8;
	ck_assert_int_eq(uebpf_prog_run(prog, &pkt, sizeof(pkt), NULL, &r0), -EINVAL);
	uebpf_object_free(obj);
}
END_TEST

/* Each packet of a call finds the context that it would find alone. */
START_TEST(packets_in_a_call)
{
	static const struct { const char *text, *type; uint64_t want[4]; } t[] = {
		/* bounds first, and nothing else: the first byte of two */
		{ "r2 = *(u32 *)(r1 + 0)\nr3 = *(u32 *)(r1 + 4)\nr0 = 77\nr4 = r2\nr4 += 2\nif r4 > r3 goto out\n"
		  "r0 = *(u8 *)(r2 + 0)\nout:\nexit\n", "xdp", { 1, 3, 77, 77 } },
		/* the context later on, a frame, a register that callees keep */
		{ "r6 = r1\n*(u64 *)(r10 - 8) = 5\nr2 = *(u32 *)(r6 + 0)\nr3 = *(u32 *)(r6 + 4)\nr3 -= r2\nr7 = *(u32 *)(r6 + 16)\n"
		  "r3 += r7\nr0 = *(u64 *)(r10 - 8)\nr0 += r3\nexit\n", "xdp", { 8, 7, 6, 5 } },
		/* what one leaves in its context the next does not see: mark */
		{ "r2 = *(u32 *)(r1 + 0)\nr0 = *(u32 *)(r1 + 8)\nr0 += r2\nr3 = 9\n*(u32 *)(r1 + 8) = r3\nexit\n", "tc", { 3, 2, 1, 0 } },
		{ "call 5\nr0 = 4\nexit\n", "xdp", { 4, 4, 4, 4 } },
		{ "r0 = 4\nexit\n", "socket", { 4, 4, 4, 4 } },
	};
	static const uint32_t engine[] = { UEBPF_ENGINE_INTERP, UEBPF_ENGINE_AUTO };
	uint8_t bytes[8] = { 1, 2, 3, 4 };
	struct uebpf_record list[4] = { { bytes, 3 }, { bytes + 2, 2 }, { bytes, 1 }, { bytes, 0 } };
	struct uebpf_object *obj;
	uint64_t r0[4];
	size_t at = 9;

	for (size_t k = 0; k < 2 * sizeof t / sizeof *t; k++) {
		struct uebpf_load_opts o = { .size = sizeof o, .engine = engine[k & 1], .mode = k & 1 ? 0 : UEBPF_MODE_CHECKED };
		const struct uebpf_prog *prog;
		struct uebpf_error err;

		obj = open_text(env, t[k / 2].text, t[k / 2].type);
		ck_assert_msg(!uebpf_object_load(obj, &o, &err), "%s", err.text);
		prog = uebpf_object_prog(obj, NULL);
		memset(r0, 0xee, sizeof r0);
		ck_assert_int_eq(uebpf_prog_run_packets(prog, list, 4, r0, &at), 0);
		for (int i = 0; i < 4; i++)
			ck_assert_msg(r0[i] == t[k / 2].want[i], "program %zu, packet %d: %llu", k / 2, i, (unsigned long long)r0[i]);
		ck_assert_int_eq(uebpf_prog_run_packets(prog, list, 4, NULL, NULL), 0);
		ck_assert_int_eq(uebpf_prog_run_packets(prog, list, 0, r0, NULL), 0);
		list[2].len = (size_t)UINT32_MAX + 2;
		ck_assert_int_eq(uebpf_prog_run_packets(prog, list, 4, r0, &at), -EINVAL);
		ck_assert_uint_eq(at, 2);
		ck_assert_uint_eq(r0[1], t[k / 2].want[1]);
		list[2].len = 1;
		uebpf_object_free(obj);
	}
	obj = load_text(env, "r0 = 4\nexit\n", NULL);
	ck_assert_int_eq(uebpf_prog_run_packets(uebpf_object_prog(obj, NULL), list, 4, r0, NULL), -EINVAL);
	uebpf_object_free(obj);
}
END_TEST

/* Of a context of type filter the program decides how much there must be: a shorter record is refused, in a batch as alone. */
START_TEST(short_records_are_refused)
{
	struct uebpf_object *obj = load_text(env, "r0 = *(u64 *)(r1 + 0)\nexit\n", "filter");
	uint64_t rec[2] = { 1, 2 }, r0[2];
	struct uebpf_record list[2] = { { rec, 8 }, { rec, 4 } };
	size_t at = 9;

	ck_assert_int_eq(uebpf_prog_run_records(uebpf_object_prog(obj, NULL), list, 2, r0, &at), -EINVAL);
	ck_assert_uint_eq(at, 1);
	ck_assert_uint_eq(r0[0], 1);
	ck_assert_int_eq(uebpf_prog_run_batch(uebpf_object_prog(obj, NULL), rec, 4, 2, r0, &at), -EINVAL);
	ck_assert_uint_eq(at, 0);
	ck_assert_int_eq(uebpf_prog_run_batch(uebpf_object_prog(obj, NULL), rec, 8, 2, r0, &at), 0);
	ck_assert_uint_eq(r0[1], 2);
	uebpf_object_free(obj);
}
END_TEST

static void count_step(void *arg, uint32_t pc, const uint64_t regs[11], const char *insn)
{
	(void)regs;
	ck_assert_uint_lt(pc, 3);
	ck_assert_uint_gt(strlen(insn), 0);
	++*(int *)arg;
}

START_TEST(trace_sees_each_instruction)
{
	struct uebpf_object *obj = load_text_checked(env, "r0 = 1\nr0 += 2\nexit\n", NULL);
	uint64_t r0;
	int n = 0;

	ck_assert_int_eq(uebpf_prog_trace(uebpf_object_prog(obj, NULL), NULL, 0, NULL, &r0, count_step, &n), 0);
	ck_assert_int_eq(n, 3);
	ck_assert_uint_eq(r0, 3);
	uebpf_object_free(obj);
}
END_TEST

START_TEST(dump_is_the_program)
{
	struct uebpf_object *obj = load_text(env, "r0 = 1\nr0 += 2\nexit\n", NULL);
	const struct uebpf_prog *prog = uebpf_object_prog(obj, NULL);
	char text[200], part[10];
	long n = uebpf_prog_dump(prog, "insns", text, sizeof(text));

	ck_assert_int_eq(n, (long)strlen(text));
	ck_assert_ptr_nonnull(strstr(text, "1: r0 += 0x2\n"));
	ck_assert_int_eq(uebpf_prog_dump(prog, "insns", part, sizeof(part)), n);
	ck_assert_uint_eq(strlen(part), sizeof(part) - 1);
	ck_assert_int_eq(uebpf_prog_dump(prog, "insns", NULL, 0), n);
	ck_assert_int_eq(uebpf_prog_dump(prog, "nonsense", text, sizeof(text)), -EINVAL);
	uebpf_object_free(obj);
}
END_TEST

/* The facts are found anew, without a limit on time. */
START_TEST(a_long_program_has_facts)
{
	enum { N = 3000 };
	char *text = calloc(N + 2, 8), *facts;
	struct uebpf_object *obj;
	long n;

	for (int i = 0; i < N; i++)
		strcat(text + 7 * i, "r0 = 1\n");
	strcat(text + 7 * N, "exit\n");
	obj = load_text(env, text, NULL);
	n = uebpf_prog_dump(uebpf_object_prog(obj, NULL), "facts", NULL, 0);
	ck_assert_int_gt(n, N);
	facts = calloc((size_t)n + 1, 1);
	uebpf_prog_dump(uebpf_object_prog(obj, NULL), "facts", facts, (size_t)n + 1);
	ck_assert_ptr_nonnull(strstr(facts, "2999: r0 = 0x1\t; = 1"));
	uebpf_object_free(obj);
	free(facts);
	free(text);
}
END_TEST

/* ---- lifetimes ---- */

START_TEST(program_outlives_object_and_env)
{
	struct uebpf_env *own = uebpf_env_new(NULL);
	struct uebpf_object *obj = load_text(own, "r0 = 3\nexit\n", NULL);
	const struct uebpf_prog *prog = uebpf_prog_ref(uebpf_object_prog(obj, NULL));
	uint64_t r0;

	uebpf_object_free(obj);
	uebpf_env_free(own);
	ck_assert_int_eq(uebpf_prog_run(prog, NULL, 0, NULL, &r0), 0);
	ck_assert_uint_eq(r0, 3);
	ck_assert_str_eq(uebpf_prog_name(prog), "main");
	uebpf_prog_unref(prog);
	uebpf_prog_unref(NULL);
}
END_TEST

enum { THREADS = 8 };
static _Atomic int started;
static void *run_until_done(void *arg)
{
	const struct uebpf_prog *prog = arg;
	uint8_t bytes[8] = { 1, 1, 1, 1, 1, 1, 1, 1 };
	uint64_t r0;
	int i;

	for (i = 0; i < 20000; i++) {
		if (uebpf_prog_run(prog, bytes, 8, NULL, &r0) || r0 != 8)
			return arg;
		if (i == 100)
			atomic_fetch_add(&started, 1);
	}
	uebpf_prog_unref(prog);
	return NULL;
}

START_TEST(eight_threads_run_while_the_object_is_freed)
{
	struct uebpf_env *own = uebpf_env_new(NULL);
	struct uebpf_object *obj = load_text(own, SUM8, NULL);
	pthread_t t[THREADS];
	void *bad;
	int i;

	atomic_store(&started, 0);
	for (i = 0; i < THREADS; i++) {
		const struct uebpf_prog *prog = uebpf_prog_ref(uebpf_object_prog(obj, NULL));

		ck_assert_int_eq(pthread_create(&t[i], NULL, run_until_done, (void *)prog), 0);
	}
	while (atomic_load(&started) < 2)
		usleep(100);
	uebpf_object_free(obj);
	uebpf_env_free(own);
	for (i = 0; i < THREADS; i++) {
		pthread_join(t[i], &bad);
		ck_assert_ptr_null(bad);
	}
}
END_TEST

static void *open_and_free(void *arg)
{
	int i;

	for (i = 0; i < 200; i++) {
		struct uebpf_object *obj = uebpf_object_open_text(arg, SUM8, NULL, NULL);
		int bad = !obj || uebpf_object_load(obj, NULL, NULL);

		uebpf_object_free(obj);
		if (bad)
			return arg;
	}
	return NULL;
}

START_TEST(threads_open_and_load_in_one_env)
{
	pthread_t t[4];
	void *bad;
	int i;

	for (i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, open_and_free, env), 0);
	for (i = 0; i < 4; i++) {
		pthread_join(t[i], &bad);
		ck_assert_ptr_null(bad);
	}
}
END_TEST

static _Atomic int changing;
static uint64_t one(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, struct uebpf_call *call)
{
	(void)a, (void)b, (void)c, (void)d, (void)e, (void)call;
	return 1;
}

static void *add_and_withdraw(void *arg)
{
	struct uebpf_type_opts type = { .size = sizeof(type), .name = "passing", .ctx_size = 8 };

	while (atomic_load(&changing)) {
		int id = uebpf_env_add_helper(arg, 0, "passing", "u64 ()", one, NULL, NULL);

		if (id < 0x10000 || uebpf_env_add_type(arg, &type, NULL) ||
		    uebpf_env_remove_helper(arg, (uint32_t)id) || uebpf_env_remove_type(arg, "passing"))
			return arg;
	}
	return NULL;
}

START_TEST(helpers_and_types_come_and_go_while_others_load)
{
	pthread_t t[3];
	void *bad;
	int i;

	atomic_store(&changing, 1);
	ck_assert_int_eq(pthread_create(&t[0], NULL, add_and_withdraw, env), 0);
	for (i = 1; i < 3; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, open_and_free, env), 0);
	for (i = 1; i < 3; i++) {
		pthread_join(t[i], &bad);
		ck_assert_ptr_null(bad);
	}
	atomic_store(&changing, 0);
	pthread_join(t[0], &bad);
	ck_assert_ptr_null(bad);
}
END_TEST

static long resident_pages(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	long all, resident = 0;

	if (!f || fscanf(f, "%ld %ld", &all, &resident) != 2)
		resident = 0;
	if (f)
		fclose(f);
	return resident;
}

/* SOAK=1: a million times */
START_TEST(create_run_free_without_growth)
{
	long i, times = getenv("SOAK") ? 1000000 : SANITIZED ? 500 : 20000, before = 0;
	uint8_t bytes[8] = { 1, 1, 1, 1, 1, 1, 1, 1 };

	for (i = 0; i < times; i++) {
		struct uebpf_object *obj = uebpf_object_open_text(env, SUM8, NULL, NULL);
		uint64_t r0 = 0;

		if (!obj || uebpf_object_load(obj, NULL, NULL) ||
		    uebpf_prog_run(uebpf_object_prog(obj, NULL), bytes, 8, NULL, &r0) || r0 != 8)
			ck_abort_msg("round %ld", i);
		uebpf_object_free(obj);
		if (i == times / 10)
			before = resident_pages();
	}
	if (!SANITIZED)
		ck_assert_int_le(resident_pages() - before, 64);
}
END_TEST

START_TEST(features_and_version)
{
	char buf[200], small[3];
	size_t n = uebpf_features(buf, sizeof(buf));

	ck_assert_uint_eq(n, strlen(buf));
	ck_assert_int_eq(strncmp(buf, "interp", 6), 0);
	ck_assert_uint_eq(uebpf_features(small, sizeof(small)), n);
	ck_assert_str_eq(small, "in");
	ck_assert_uint_eq(uebpf_features(NULL, 0), n);
	ck_assert_str_eq(uebpf_version(), UEBPF_VERSION);
}
END_TEST

static void fill(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, returns_r0);
	tcase_add_test(tc, raw_gets_memory_and_length);
	tcase_add_test(tc, fault_says_where);
	tcase_add_test(tc, budget_and_abort);
	tcase_add_test(tc, trusted_refuses_budget_unless_metered);
	tcase_add_test(tc, batch_names_the_record_that_failed);
	tcase_add_test(tc, packet_context_is_checked);
	tcase_add_test(tc, packets_in_a_call);
	tcase_add_test(tc, short_records_are_refused);
	tcase_add_test(tc, trace_sees_each_instruction);
	tcase_add_test(tc, dump_is_the_program);
	tcase_add_test(tc, a_long_program_has_facts);
	tcase_add_test(tc, program_outlives_object_and_env);
	tcase_add_test(tc, eight_threads_run_while_the_object_is_freed);
	tcase_add_test(tc, threads_open_and_load_in_one_env);
	tcase_add_test(tc, helpers_and_types_come_and_go_while_others_load);
	tcase_add_test(tc, create_run_free_without_growth);
	tcase_add_test(tc, features_and_version);
}

int main(void)
{
	return run_suite("api run", fill);
}
