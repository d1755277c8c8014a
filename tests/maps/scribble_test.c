/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* A peer that is not trusted writes whatever it likes over a whole shared map, head page and locks too, while this
 * process uses the map through every function and every helper: no crash, no access beyond the map (pages around each
 * mapping trap), no operation without an end.  SOAK=1: 20 s for each map. */
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include "include/uebpf.h"
#include "maps/hash.h"
#include "maps/ring.h"
#include "tests/maps/suite.h"
#include "tests/util/compile.h"
#include "tests/util/run.h"

static const char *const names[] = { "twins", "hash", "odd", "lru", "percpu", "lru_percpu", "trie", "array", "percpu_array",
	"queue", "stack", "bloom", "ring", "user_ring", "traces", "devices", "tasks" };
enum { NAMES = sizeof(names) / sizeof(names[0]), ROUNDS = 5,
	/* Of work, and of work, waiting and other processes' turns on a machine that has much to do. */
	TOO_LONG_MS = 1500, FAR_TOO_LONG_MS = 15000 };

/* Each mapping stands between two that nobody may touch. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
void *mmap(void *at, size_t len, int prot, int flags, int fd, off_t off)
{
	enum { GUARD = 1 << 20 };
	size_t room = round_up(len, MAP_PAGE) + 2 * GUARD;
	long p;

	if (!at && !(flags & MAP_FIXED)) {
		p = syscall(SYS_mmap, NULL, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (p == -1)
			return MAP_FAILED;
		at = (uint8_t *)p + GUARD;	/* NOLINT: an address */
		flags |= MAP_FIXED;
	}
	p = syscall(SYS_mmap, at, len, prot, flags, fd, off);
	return (void *)p;			/* NOLINT: an address */
}
#endif

static uint64_t now_ms(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* ---- the peer ---- */

static void scribble(int fd, size_t bytes, uint32_t how)
{
	uint64_t s = 88172645463325252u + how, me = self_owner();
	uint8_t *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), *was = malloc(bytes);

	memcpy(was, p, bytes);
	for (;;) {
		size_t at = rnd(&s) % bytes & ~(size_t)7, from = rnd(&s) % bytes & ~(size_t)7;
		uint64_t v = rnd(&s);

		if (rnd(&s) % 8 == 0)		/* heads and buckets are in front */
			at = STORE_HEAD + at % 4096;
		switch (how) {
		case 0:				/* anything, often a small number */
			v = rnd(&s) % 3 ? v % 300 | (uint64_t)((uint32_t)v % 300) << 32 : v;
			break;
		case 1:				/* what stands elsewhere */
			memcpy(&v, p + from, 8);
			break;
		case 2:				/* a lock that is never given back */
			v = rnd(&s) % 2 ? me : rnd(&s) % 2 ? (uint32_t)me : me << TWIN_OWNER_SHIFT | TWIN_HELD;
			break;
		case 3:				/* nothing, or everything */
			v = rnd(&s) % 2 ? 0 : UINT64_MAX;
			break;
		default:			/* what stood here once */
			at &= ~(size_t)63;
			if (at + 64 <= bytes)
				memcpy(p + at, was + at, 64);
			continue;
		}
		if (at + 8 <= bytes)
			memcpy(p + at, &v, rnd(&s) % 2 ? 4 : 8);
	}
}

/* ---- this process ---- */

struct rig { struct uebpf_env *env; struct uebpf_object *obj; struct uebpf_map *map; uint64_t rnd; uint64_t worst; const char *slow; };

static struct uebpf_map *open_again(struct rig *r, struct uebpf_map_opts *o)
{
	struct uebpf_error err;
	struct uebpf_map *made = uebpf_map_create_shared(r->env, o, NULL, 0, 0, &err), *map;

	map = made ? uebpf_map_open_fd(r->env, uebpf_map_fd(made), 0, &err) : NULL;
	ck_assert_msg(map != NULL, "%s", err.text);
	uebpf_map_unref(made);
	return map;
}

static void rig_up(struct rig *r, const char *path, const char *name, const struct uebpf_load_opts *load)
{
	struct uebpf_map_info i = { .size = sizeof(i) };
	struct uebpf_object *shapes;
	struct uebpf_map_opts o = { .size = sizeof(o), .name = name };
	struct uebpf_error err;

	memset(r, 0, sizeof(*r));
	r->rnd = 987654321;
	r->env = uebpf_env_new(NULL);
	shapes = uebpf_object_open_file(r->env, path, NULL, &err);
	ck_assert_msg(shapes && !uebpf_object_load(shapes, NULL, &err), "%s", err.text);
	uebpf_map_info(uebpf_object_map(shapes, name), &i);
	o.type = i.type;
	o.key_size = i.key_size;
	o.value_size = i.value_size;
	o.max_entries = i.max_entries;
	o.flags = i.flags;
	r->map = open_again(r, &o);
	uebpf_object_free(shapes);
	r->obj = uebpf_object_open_file(r->env, path, NULL, &err);
	ck_assert_msg(r->obj && !uebpf_object_bind_map(r->obj, name, r->map, &err), "%s", err.text);
	ck_assert_msg(!uebpf_object_load(r->obj, load, &err), "%s", err.text);
}

static void rig_down(struct rig *r)
{
	uebpf_object_free(r->obj);
	uebpf_map_unref(r->map);
	uebpf_env_free(r->env);
}

static int look(void *arg, const void *data, size_t len)
{
	uint64_t *n = arg;

	for (size_t i = 0; i < len; i += 8)
		*n += ((const volatile uint8_t *)data)[i];
	return ++n[1] > 100000;
}

static void one_op(struct rig *r, uint32_t op)
{
	static uint8_t keys[64][64], values[64 << 13];
	uint64_t mem[8] = { rnd(&r->rnd) % 250, 0, 0, rnd(&r->rnd) % 250, rnd(&r->rnd) }, sum[2] = { 0 };
	uint32_t count = 1 + (uint32_t)(rnd(&r->rnd) % 60);
	struct uebpf_map *m = r->map;
	void *k = m->key_size ? mem : NULL, *rec;
	char prog[80];

	if (m->type == BPF_MAP_TYPE_LPM_TRIE)
		mem[0] = rnd(&r->rnd) % 66 | (rnd(&r->rnd) & 0xf1) << 32, mem[1] = rnd(&r->rnd) & 3;
	switch (op) {
	case 0: uebpf_map_update(m, k, values, rnd(&r->rnd) % 3); break;
	case 1: uebpf_map_lookup(m, k, values); break;
	case 2: uebpf_map_delete(m, k); break;
	case 3: uebpf_map_lookup_delete(m, k, values); break;
	case 4: uebpf_map_next_key(m, rnd(&r->rnd) % 2 ? k : NULL, keys[0]); break;
	case 5: uebpf_map_lookup_batch(m, NULL, keys, values, &count, (int)(rnd(&r->rnd) % 2)); break;
	case 6: uebpf_map_update_batch(m, keys, values, &count, 0); break;
	case 7: uebpf_map_delete_batch(m, keys, &count); break;
	case 8: uebpf_map_lookup_flags(m, k, values, BPF_F_LOCK); break;
	case 9: uebpf_map_value(m, k); break;
	case 10:
		rec = uebpf_map_reserve(m, rnd(&r->rnd) % 500);
		if (rec)
			memset(rec, 7, 8);
		uebpf_map_commit(m, rec, (int)(rnd(&r->rnd) % 2));
		break;
	case 11: uebpf_map_consume(m, look, sum); break;
	case 12:
		if (m->ops->more->storage)
			m->ops->more->storage(m, rnd(&r->rnd) % 5000, values, true);
		break;
	default:
		snprintf(prog, sizeof(prog), "use_%s", m->name);
		if (uebpf_object_prog(r->obj, prog))
			uebpf_prog_run(uebpf_object_prog(r->obj, prog), mem, sizeof(mem), NULL, sum);
		if (m->type == BPF_MAP_TYPE_PERCPU_HASH)
			uebpf_prog_run(uebpf_object_prog(r->obj, "use_other_cpu"), mem, sizeof(mem), NULL, sum);
	}
}

static void use(struct rig *r, uint64_t ms)
{
	uint64_t end = now_ms(CLOCK_MONOTONIC) + ms, began;

	while ((began = now_ms(CLOCK_MONOTONIC)) < end) {
		uint64_t work = now_ms(CLOCK_THREAD_CPUTIME_ID), took;
		uint32_t op = (uint32_t)(rnd(&r->rnd) % 20);

		one_op(r, op);
		work = now_ms(CLOCK_THREAD_CPUTIME_ID) - work;
		took = now_ms(CLOCK_MONOTONIC) - began;
		ck_assert_msg(work < TOO_LONG_MS && took < FAR_TOO_LONG_MS, "%s: operation %u took %llu ms, %llu of them work",
			      r->map->name, op, (unsigned long long)took, (unsigned long long)work);
		r->worst = took > r->worst ? took : r->worst;
	}
}

START_TEST(a_scribbling_peer_cannot_hurt_any_operation)
{
	struct uebpf_load_opts load = { .size = sizeof(load) };
	OBJECT(path, "scribble.bpf.c", "-O2 -g");
	const char *name = names[_i % NAMES];
	uint64_t worst = 0, ms = getenv("SOAK") ? 1300 : 12;

	for (uint32_t n = 0; n < 3 * ROUNDS; n++) {
		struct rig r;
		pid_t peer;

		load.engine = n % 3 == 1 ? UEBPF_ENGINE_INTERP : UEBPF_ENGINE_AUTO;
		load.mode = n % 3 == 2 ? UEBPF_MODE_CHECKED : UEBPF_MODE_VERIFIED;
		rig_up(&r, path, name, &load);
		use(&r, 2);		/* something is there */
		peer = spawn();
		if (!peer)
			scribble(uebpf_map_fd(r.map), STORE_HEAD + r.map->bytes, n / 3);
		use(&r, ms);
		kill(peer, SIGKILL);
		waitpid(peer, NULL, 0);
		use(&r, ms / 4);	/* what it left stays as it is */
		worst = r.worst > worst ? r.worst : worst;
		rig_down(&r);
	}
	printf("%s: slowest operation %llu ms\n", name, (unsigned long long)worst);
}
END_TEST

int main(void)
{
	TCase *t = test_case("a peer that scribbles", getenv("SOAK") ? 600 : 60);

	tcase_add_loop_test(t, a_scribbling_peer_cannot_hurt_any_operation, 0, NAMES);
	return run_tests();
}
