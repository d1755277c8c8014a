// SPDX-License-Identifier: Apache-2.0 OR MIT
// throw.cc - a C++ exception thrown by a host's helper goes through the program that called it, however that was
// compiled and entered; afterwards the program runs again.
#include <cstdio>
#include <cstring>
#include <stdexcept>
#include "include/uebpf.h"

static bool armed;

extern "C" uint64_t helper(uint64_t a, uint64_t, uint64_t, uint64_t, uint64_t, struct uebpf_call *)
{
	if (armed)
		throw std::runtime_error("thrown");
	return a + 1;
}

struct guard {
	int *count;
	~guard() { ++*count; }
};

static const struct { const char *name, *text; bool checked_only; } programs[] = {
	{ "call", "r6 = 3\nr1 = 4\ncall 65536\nr0 += r6\nexit\n", false },
	{ "frame", "*(u64 *)(r10 - 8) = 4\nr1 = *(u64 *)(r10 - 8)\nr2 = r10\nr2 += -8\ncall 65536\nr1 = *(u64 *)(r10 - 8)\n"
		   "r0 += r1\nr0 += -1\nexit\n", false },
	{ "local", "r7 = 1\nr1 = 4\ncall f\nr0 += r7\nexit\nf: r6 = 2\nr8 = 0\ncall 65536\nr0 += r6\nexit\n", false },
	{ "loop", "r1 = 1\nr2 = func f ll\nr3 = 0\nr4 = 0\ncall 181\nr0 += 7\nexit\nf: r1 = 4\ncall 65536\nr0 = 0\nexit\n", false },
	{ "first read", "r2 = *(u8 *)(r1 + 0)\nif r2 == 9 goto l\nr7 = 1\nl: r1 = 4\ncall f\nr0 += r7\nexit\n"
			"f: r6 = 2\ncall 65536\nr0 += r6\nexit\n", true },
	{ "callx", "r7 = *(u8 *)(r1 + 0)\nr6 = 65536\nr6 += r7\nr1 = 7\ncallx r6\nexit\n", true },
};

static int one(const char *text, uint32_t mode, uint32_t engine, uint32_t flags, const char *what)
{
	struct uebpf_error err;
	struct uebpf_open_opts o = {};
	struct uebpf_load_opts l = {};
	uint8_t data[8] = { 0 };
	int destroyed = 0, bad = 0, caught = 0, ways = 0;

	o.size = sizeof o;
	o.type = "raw";
	l.size = sizeof l;
	l.mode = mode;
	l.engine = engine;
	l.jit_flags = flags;
	struct uebpf_env *env = uebpf_env_new(nullptr);
	uebpf_env_add_helper(env, 0, "five", "u64 (scalar)", helper, nullptr, &err);
	struct uebpf_object *obj = uebpf_object_open_text(env, text, &o, &err);
	if (!obj || uebpf_object_load(obj, &l, &err))
		return fprintf(stderr, "throw: %s: %s\n", what, err.text), 1;
	const struct uebpf_prog *prog = uebpf_object_prog(obj, nullptr);
	uebpf_entry entry = uebpf_prog_entry(prog);

	for (int way = 0; way < 3; way++) {
		uint64_t r0 = 0;
		auto run = [&] {
			guard g{ &destroyed };
			if (way == 0)
				bad |= uebpf_prog_run(prog, data, sizeof data, nullptr, &r0);
			else if (way == 1)
				bad |= uebpf_prog_run_batch(prog, data, 8, 1, &r0, nullptr);
			else
				r0 = entry(data, sizeof data, nullptr);
		};
		if (way == 2 && !entry)
			continue;
		ways++;
		armed = true;
		try {
			run();
			bad |= 1;
		} catch (const std::runtime_error &e) {
			caught += !strcmp(e.what(), "thrown");
		}
		armed = false;
		run();
		bad |= r0 != 8;
	}
	if (bad || caught != ways || destroyed != 2 * ways)
		bad = fprintf(stderr, "throw: %s: bad %d, caught %d of %d, destroyed %d\n", what, bad, caught, ways, destroyed);
	uebpf_object_free(obj);
	uebpf_env_free(env);
	return bad != 0;
}

int main()
{
	static const struct { const char *name; uint32_t mode, engine, flags; bool checked; } arms[] = {
		{ "jit trusted", UEBPF_MODE_TRUSTED, UEBPF_ENGINE_JIT, 0, false },
		{ "jit verified", UEBPF_MODE_VERIFIED, UEBPF_ENGINE_JIT, 0, false },
		{ "jit checked", UEBPF_MODE_CHECKED, UEBPF_ENGINE_JIT, 0, true },
		{ "jit checked, hardened", UEBPF_MODE_CHECKED, UEBPF_ENGINE_JIT,
		  UEBPF_JIT_BLIND | UEBPF_JIT_RETPOLINE | UEBPF_JIT_ENDBR, true },
		{ "interpreter trusted", UEBPF_MODE_TRUSTED, UEBPF_ENGINE_INTERP, 0, false },
		{ "interpreter checked", UEBPF_MODE_CHECKED, UEBPF_ENGINE_INTERP, 0, true },
	};
	int bad = 0, runs = 0;

	for (const auto &arm : arms)
		for (const auto &p : programs) {
			if (p.checked_only && !arm.checked)
				continue;
			char what[80];

			snprintf(what, sizeof what, "%s, %s", p.name, arm.name);
			bad |= one(p.text, arm.mode, arm.engine, arm.flags, what);
			runs++;
		}
	printf("throw: %d programs and engines\n", runs);
	return bad;
}
