/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* elf_fuzz.c - any bytes as an object: open, link every program (CO-RE against a BTF of a few bytes),
 * load, run checked, and put its variables into text. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "include/uebpf.h"
#include "loader/loader.h"

static char target[] = "/tmp/uebpf-fuzz-XXXXXX";
static struct uebpf_env *env;

/* A small BTF file that CO-RE is resolved against: struct a { int b; }. */
static void make_target(void)
{
	static const uint32_t blob[] = { 0x0001eb9f, 24, 0, 44, 44, 12,
		3, 0x01000000, 4, 0x01000020, 1, 0x04000001, 4, 5, 1, 0,
		1, 0x08000000, 2, 0x00610000, 0x746e6900, 0x00006200 };
	int fd = mkstemp(target);

	if (fd < 0 || write(fd, blob, sizeof(blob)) < 0)
		abort();
	close(fd);
}

static void remove_target(void)
{
	unlink(target);
}

static void whole_way(const uint8_t *data, size_t len)
{
	struct uebpf_open_opts open = { .size = sizeof(open), .name = "fuzz.o", .type = "raw", .btf = target,
					.kconfig = target };
	struct uebpf_load_opts load = { .size = sizeof(load), .budget = 10000, .mode = UEBPF_MODE_CHECKED,
					.engine = UEBPF_ENGINE_INTERP };
	struct uebpf_error err;
	struct uebpf_object *obj = uebpf_object_open_memory(env, data, len, &open, &err);
	const struct uebpf_prog *prog = NULL;
	struct uebpf_map *map = NULL;
	uint32_t pages = 0;
	uint64_t bytes = 0;

	if (!obj) {
		if (!err.code || !err.text[0])
			abort();
		return;
	}
	while ((map = uebpf_object_next_map(obj, map))) {
		struct uebpf_map_info info = { .size = sizeof(info) };

		uebpf_map_info(map, &info);
		bytes += (uint64_t)(info.key_size + info.value_size) * info.max_entries;
		pages++;
	}
	if (pages < 64 && bytes < 1 << 24 && !uebpf_object_load(obj, &load, &err)) {
		while ((prog = uebpf_object_next_prog(obj, prog))) {
			uint8_t ctx[64] = { 0 };
			struct uebpf_run run = { .size = sizeof(run) };
			uint64_t r0;
			struct uebpf_prog_info info = { .size = sizeof(info) };

			uebpf_prog_info(prog, &info);
			if (info.ctx_size <= sizeof(ctx) && info.type && !strcmp(info.type, "raw"))
				uebpf_prog_run(prog, ctx, sizeof(ctx), &run, &r0);
		}
	}
	uebpf_object_free(obj);
}

static void link_all(const uint8_t *data, size_t len)
{
	struct elf_params params = { .name = "fuzz.o", .btf = target };
	struct elf_image *image;
	struct uebpf_error err;
	char text[256];

	if (elf_open(data, len, &params, &image, &err))
		return;
	for (uint32_t i = 0; i < image->nr_progs; i++) {
		struct linked linked;
		struct link_place place;

		if (!elf_link_program(image, i, &linked, &err))
			for (uint32_t k = 0; k < linked.n; k++)
				if (!link_place(&linked, k, &place))
					abort();
		link_free(&linked);
	}
	for (uint32_t i = 0; i < image->nr_globals; i++) {
		const struct image_global *g = &image->globals[i];
		const struct image_map *m = &image->maps[g->map];

		if (g->off + (uint64_t)g->size > m->data)
			abort();
		if (image->btf && g->btf_type && m->bytes)
			btf_format_value(image->btf, g->btf_type, m->bytes + g->off, g->size, true, text,
					 sizeof(text));
	}
	elf_close(image);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t *copy;

	if (!env) {
		make_target();
		atexit(remove_target);
		env = uebpf_env_new(NULL);
	}
	if (len > 1 << 20)
		return 0;
	copy = malloc(len ? len : 1);	/* its own block: a read past the end is seen */
	memcpy(copy, data, len);
	link_all(copy, len);
	whole_way(copy, len);
	free(copy);
	return 0;
}
