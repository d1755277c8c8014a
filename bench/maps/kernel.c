/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* kernel.c - the kernel's maps: the same programs by BPF_PROG_TEST_RUN, and one bpf() an operation. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "bench/maps/bench.h"

#ifdef HAVE_LIBBPF
#include <sys/mman.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

static struct bpf_object *obj, *arena;
static volatile uint64_t *consumer, *producer;

static int quiet(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	if (getenv("LOUD") && level <= LIBBPF_WARN)
		vfprintf(stderr, fmt, ap);
	return 0;
}

static int put(void *arg, const char *name, const void *key, const void *value)
{
	static uint64_t all[1024];
	int cpus = libbpf_num_possible_cpus(), fd = bpf_object__find_map_fd_by_name(obj, name);

	(void)arg;
	for (int c = 0; c < cpus; c++)
		all[c] = *(const uint64_t *)value;
	return bpf_map_update_elem(fd, key, all, 0);
}

/* Globals lie in .bss in the order of the source file; BTF says where.  The object's own maps would do,
 * but the offsets come from our loader, which knows the same file. */
static int set(struct bpf_object *obj, const char *file, const char *name, const void *from, size_t size)
{
	static struct uebpf_env *env;
	static const char *of;
	static struct uebpf_object *same;
	struct uebpf_global_info g = { .size = sizeof g };
	struct bpf_map *bss = NULL, *m;
	size_t bytes;
	uint8_t *at;

	if (!same || strcmp(of, file)) {
		env = env ? env : uebpf_env_new(NULL);
		uebpf_object_free(same);
		same = uebpf_object_open_file(env, file, NULL, NULL);
		of = file;
	}
	bpf_object__for_each_map(m, obj)
		if (strstr(bpf_map__name(m), ".bss"))
			bss = m;
	at = bss ? (uint8_t *)(uintptr_t)bpf_map__initial_value(bss, &bytes) : NULL;
	for (uint32_t i = 0; at && !uebpf_object_global_info(same, i, &g); i++)
		if (!strcmp(g.name, name) && g.bytes == size && g.offset + size <= bytes) {
			memcpy(at + g.offset, from, size);
			return 0;
		}
	return -1;
}

#define MAPS "build/bench/maps.o"
#define ARENA "build/bench/arena.o"

/* Debian's libbpf knows no arenas: made and mapped here. */
static void open_arena(void)
{
	LIBBPF_OPTS(bpf_map_create_opts, o, .map_flags = BPF_F_MMAPABLE);
	int fd = bpf_map_create(33, "arena", 0, 0, ARENA_PAGES, &o);
	void *mem = fd < 0 ? MAP_FAILED : mmap(NULL, (size_t)ARENA_PAGES * 4096, PROT_READ | PROT_WRITE,
					       MAP_SHARED, fd, 0);
	uint64_t at = (uintptr_t)mem;

	arena = mem == MAP_FAILED ? NULL : bpf_object__open_file(ARENA, NULL);
	if (!arena || set(arena, ARENA, "key8", keys->key8, sizeof keys->key8) || set(arena, ARENA, "table", &at, 8) ||
	    bpf_map__reuse_fd(bpf_object__find_map_by_name(arena, "arena"), fd) || bpf_object__load(arena)) {
		fprintf(stderr, "kernel: no arena; its row is left out\n");
		arena = NULL;
		return;
	}
	fill_arena(mem);
}

static int open_kernel(void)
{
	int fd, page = getpagesize();

	libbpf_set_print(quiet);
	obj = bpf_object__open_file(MAPS, NULL);
	if (!obj)
		return -1;
#define SET(name) set(obj, MAPS, #name, keys->name, sizeof keys->name)
	if (SET(number) || SET(key8) || SET(miss8) || SET(key16) || SET(addr) || SET(addr_dense) ||
	    set(obj, MAPS, "chain8", &keys->entry8[0], 8) || bpf_object__load(obj)) {
		fprintf(stderr, "kernel: the programs could not be loaded; its columns are left out\n");
		return -1;
	}
	fd = bpf_object__find_map_fd_by_name(obj, "ring");
	consumer = mmap(NULL, (size_t)page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	producer = mmap(NULL, (size_t)page, PROT_READ, MAP_SHARED, fd, page);
	if (consumer == MAP_FAILED || producer == MAP_FAILED)
		return -1;
	open_arena();
	return fill_maps(put, NULL);
}

enum { LONG_RUNS = 16 * RUNS };
static double sample_jit(const char *name)
{
	static uint8_t packet[64];
	struct bpf_object *of = strncmp(name, "arena_", 6) ? obj : arena;
	struct bpf_program *p = of ? bpf_object__find_program_by_name(of, name) : NULL;
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = packet, .data_size_in = sizeof packet);

	if (!p || bpf_program__fd(p) < 0)
		return -1;
	o.repeat = WARM;
	if (bpf_prog_test_run_opts(bpf_program__fd(p), &o))
		return -1;
	*consumer = *producer;
	/* Before it runs an XDP program more than once the kernel waits for tens of milliseconds, and what was warm is
	 * cold; enough runs make that small.  A ring has room for RUNS. */
	o.repeat = strcmp(name, "ring_submit") ? LONG_RUNS : RUNS;
	if (bpf_prog_test_run_opts(bpf_program__fd(p), &o))
		return -1;
	*consumer = *producer;
	return (double)o.duration / CHUNK;
}

static void close_kernel(void)
{
	bpf_object__close(obj);
	obj = NULL;
}
const struct contestant kernel_jit = { "kernel, JIT", open_kernel, sample_jit, close_kernel };

/* ---- bpf() ---- */

static int nothing_to_open(void) { return obj ? 0 : -1; }

static double sample_calls(const char *name)
{
	static const struct { const char *prog, *map; int op; size_t key; } calls[] = {
		{ "array_lookup", "array", 0, 4 }, { "percpu_array_lookup", "percpu_array", 0, 4 },
		{ "hash8_lookup", "hash8", 0, 8 }, { "hash8_miss", "hash8", 3, 8 },
		{ "hash16_lookup", "hash16", 0, 16 }, { "hash8_update", "hash8_change", 1, 8 },
		{ "hash8_insert_delete", "hash8_change", 2, 8 }, { "lru8_lookup", "lru8", 0, 8 },
		{ "lru8_update", "lru8", 1, 8 }, { "percpu_hash8_lookup", "percpu_hash8", 0, 8 },
		{ "lpm_lookup", "lpm", 4, 8 }, { "lpm_dense_lookup", "lpm_dense", 5, 8 },
	};
	static uint64_t value[1024];
	for (size_t c = 0; c < sizeof calls / sizeof calls[0]; c++) {
		int fd = bpf_object__find_map_fd_by_name(obj, calls[c].map), op = calls[c].op;
		double t = now_ns();
		if (strcmp(name, calls[c].prog))
			continue;
		for (uint32_t i = 0; i < CHUNK; i++) {	/* a call takes long enough without warming up */
			const void *k = op == 4 ? (void *)&keys->addr[i] : op == 5 ? (void *)&keys->addr_dense[i] :
				op == 2 || op == 3 ? (void *)&keys->miss8[i] : calls[c].key == 4 ? (void *)&keys->number[i] :
				calls[c].key == 8 ? (void *)&keys->key8[i] : (void *)&keys->key16[i];
			if (op == 1 || op == 2)
				bpf_map_update_elem(fd, k, value, 0);
			else
				bpf_map_lookup_elem(fd, k, value);
			if (op == 2)
				bpf_map_delete_elem(fd, k);
		}
		return (now_ns() - t) / CHUNK;
	}
	return -1;
}

static void nothing(void) { }
const struct contestant kernel_calls = { "kernel, bpf()", nothing_to_open, sample_calls, nothing };

/* Bytes of the slabs that hold small allocations. */
static double slab_bytes(void)
{
	char line[512];
	double sum = 0, pages, slabs;
	FILE *f = fopen("/proc/slabinfo", "r");

	while (f && fgets(line, sizeof line, f))
		if (!strncmp(line, "kmalloc-", 8) &&
		    sscanf(line, "%*s %*s %*s %*s %*s %lf : tunables %*s %*s %*s : slabdata %*s %lf", &pages, &slabs) == 2)
			sum += pages * slabs * getpagesize();
	if (f)
		fclose(f);
	return sum;
}

/* What the kernel itself says of a map (fdinfo memlock) after its entries were made, and how much the slabs grew
 * meanwhile: a trie says the bytes of its entries only, and allocates one by one. */
double kernel_memory(uint32_t type, uint32_t key, uint32_t value, uint32_t n, uint32_t flags, double *slabs)
{
	double before = slab_bytes();
	LIBBPF_OPTS(bpf_map_create_opts, o, .map_flags = flags);
	int fd = bpf_map_create(type, "bench", key, value, n, &o);
	char path[64], line[128];
	double bytes = -1;
	FILE *f;

	for (uint64_t i = 0; fd >= 0 && i < n && type == 11; i++) {	/* the others are allocated whole */
		struct prefix4 p = { 32, (uint32_t)(i * 4093) };
		bpf_map_update_elem(fd, &p, &i, 0);
	}
	*slabs = (slab_bytes() - before) / n;
	snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "memlock: %lf", &bytes) == 1)
			break;
	if (f)
		fclose(f);
	if (fd >= 0)
		close(fd);
	return bytes < 0 ? -1 : bytes / n;
}
#else
double kernel_memory(uint32_t type, uint32_t key, uint32_t value, uint32_t n, uint32_t flags, double *slabs)
{
	(void)type, (void)key, (void)value, (void)n, (void)flags, (void)slabs;
	return -1;
}
static int missing(void)
{
	fprintf(stderr, "kernel: built without libbpf; its columns are left out\n");
	return -1;
}
const struct contestant kernel_jit = { "kernel, JIT", missing, NULL, NULL };
const struct contestant kernel_calls = { "kernel, bpf()", missing, NULL, NULL };
#endif
