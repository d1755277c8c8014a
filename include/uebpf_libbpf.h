/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* uebpf_libbpf.h - for hosts that also link libbpf: one object here and one in the kernel that work on the
 * same maps.  Header only; the library itself needs no libbpf.  The order is
 *
 *	bpf_object__open ...  uebpf_kernel_arenas()  bpf_object__load()
 *	uebpf_object_open ... uebpf_share_kernel()   uebpf_object_load()
 *
 * then uebpf_map_consume() on a shared ring buffer whose callback runs a program on each record, or
 * uebpf_prog_run() whenever the host likes.  One thread at a time, as for the objects themselves. */
#ifndef UEBPF_LIBBPF_H
#define UEBPF_LIBBPF_H

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include "uebpf.h"

enum { UEBPF_MAP_TYPE_ARENA = 33 };	/* libbpf's headers may be older than the kernel */

struct uebpf_share_kernel_opts {
	size_t size;
	uint32_t policy;	/* enum uebpf_mirror, of maps that can only be mirrored */
	uint32_t data;		/* also .data and .bss; .data.NAME sections are shared always, constants never */
	uint64_t period_ns;	/* of UEBPF_MIRROR_PERIODIC */
	/* Told of each map shared; info.share says at which level.  The map stays the object's. */
	void (*shared)(void *arg, struct uebpf_map *map, struct bpf_map *kernel);
	void *arg;
};

/* The name that an object file gives a map: libbpf puts the object's own before ".bss" and ".data". */
static inline const char *uebpf_kernel_map_name(const struct bpf_map *map)
{
	const char *name = bpf_map__name(map), *dot = strchr(name, '.');

	return dot && (!strcmp(dot, ".bss") || !strcmp(dot, ".data") || !strcmp(dot, ".rodata")) ? dot : name;
}

static inline int uebpf_share_fail(struct uebpf_error *err, int errnum, const char *name, const char *text)
{
	if (err) {
		memset(err, 0, sizeof *err);
		err->stage = UEBPF_STAGE_MAP;
		err->code = UEBPF_E_MAP_BIND;
		err->err = errnum;
		err->pc = UINT32_MAX;
		snprintf(err->symbol, sizeof err->symbol, "%s", name);
		snprintf(err->text, sizeof err->text, "map %s: %s (%s)", name, text, strerror(-errnum));
	}
	return errnum;
}

/* Before bpf_object__load: makes each arena of `kernel` and maps it here, since the kernel's verifier wants
 * the address that user space uses, and a libbpf older than arenas makes none.  `held` gets up to `cap` maps,
 * which the caller unrefs after the objects; returns how many, or a negative errno. */
static inline int uebpf_kernel_arenas(struct uebpf_env *env, struct bpf_object *kernel, struct uebpf_map **held,
				      int cap, struct uebpf_error *err)
{
	struct bpf_map *m;
	int n = 0;

	bpf_object__for_each_map(m, kernel) {
		LIBBPF_OPTS(bpf_map_create_opts, make, .map_flags = bpf_map__map_flags(m),
			    .map_extra = bpf_map__map_extra(m));
		struct uebpf_kernel_opts open;
		int r;

		if ((int)bpf_map__type(m) != UEBPF_MAP_TYPE_ARENA)
			continue;
		if (n == cap)
			return uebpf_share_fail(err, -E2BIG, bpf_map__name(m), "more arenas than there is room for");
		memset(&open, 0, sizeof open);
		open.size = sizeof open;
		open.fd = bpf_map_create((enum bpf_map_type)UEBPF_MAP_TYPE_ARENA, bpf_map__name(m), 0, 0,
					 bpf_map__max_entries(m), &make);
		if (open.fd < 0)
			return uebpf_share_fail(err, open.fd, bpf_map__name(m), "the kernel makes no arena");
		held[n] = uebpf_map_from_kernel(env, &open, err);
		r = held[n] ? bpf_map__reuse_fd(m, open.fd) : err ? err->err : -EINVAL;
		close(open.fd);		/* libbpf and our map hold copies */
		n += held[n] != NULL;
		if (r)
			return r;
	}
	return n;
}

/* Do both objects' variables of a section lie alike?  Equal sizes do not say so. */
static inline int uebpf_same_layout(const struct uebpf_object *obj, const char *section, const struct bpf_object *kernel)
{
	struct btf *btf = bpf_object__btf(kernel);
	int id = btf ? btf__find_by_name_kind(btf, section, BTF_KIND_DATASEC) : -1;
	const struct btf_type *sec = id > 0 ? btf__type_by_id(btf, (uint32_t)id) : NULL;
	struct uebpf_global_info g;
	unsigned ours = 0, theirs = sec ? btf_vlen(sec) : 0;

	memset(&g, 0, sizeof g);
	g.size = sizeof g;
	for (uint32_t i = 0; !uebpf_object_global_info(obj, i, &g); i++) {
		const struct btf_var_secinfo *v = sec ? btf_var_secinfos(sec) : NULL;
		unsigned k = 0;

		if (strcmp(g.map, section))
			continue;
		ours++;
		while (k < theirs && strcmp(btf__name_by_offset(btf, btf__type_by_id(btf, v[k].type)->name_off), g.name))
			k++;
		if (k == theirs || v[k].offset != g.offset || v[k].size != g.bytes)
			return 0;
	}
	return ours == theirs;
}

/* Binds each map of `obj` (opened, not loaded) to the map of equal name in `kernel` (loaded); what only one
 * of them has stays its own.  A map of equal name and another shape is refused with both shapes, as is the
 * side of a ring buffer that the kernel keeps read-only (uebpf_map_from_kernel says which).  Returns how many
 * are shared, or a negative errno; -EPERM: bpf() needs CAP_BPF. */
static inline int uebpf_share_kernel(struct uebpf_env *env, struct uebpf_object *obj, struct bpf_object *kernel,
				     const struct uebpf_share_kernel_opts *opts, struct uebpf_error *err)
{
	struct uebpf_share_kernel_opts o;
	struct uebpf_error own, *e = err ? err : &own;
	struct uebpf_kernel_opts open;
	struct bpf_map *m;
	int n = 0;

	memset(&o, 0, sizeof o);
	if (opts)
		memcpy(&o, opts, opts->size < sizeof o ? opts->size : sizeof o);
	memset(&open, 0, sizeof open);
	open.size = sizeof open;
	open.policy = o.policy;
	open.period_ns = o.period_ns;
	bpf_object__for_each_map(m, kernel) {
		const char *name = uebpf_kernel_map_name(m);
		struct uebpf_map *map;
		int r;

		open.fd = bpf_map__fd(m);
		if (open.fd < 0 || !strncmp(name, ".rodata", 7) || strstr(name, ".kconfig") ||
		    (!o.data && (!strcmp(name, ".bss") || !strcmp(name, ".data"))) ||
		    uebpf_object_bind_map(obj, name, NULL, e) == -ENOENT)
			continue;
		if (*name == '.' && !uebpf_same_layout(obj, name, kernel))
			return uebpf_share_fail(e, -EINVAL, name, "the objects' variables of this section differ, or "
						"one has no BTF (compile with -g)");
		memset(e, 0, sizeof *e);
		map = uebpf_map_from_kernel(env, &open, e);
		if (!map)
			return e->err ? e->err : -EINVAL;
		r = uebpf_object_bind_map(obj, name, map, e);
		if (!r && o.shared)
			o.shared(o.arg, map, m);
		uebpf_map_unref(map);
		if (r)
			return r;
		n++;
	}
	return n;
}

#endif
