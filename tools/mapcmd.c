/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* mapcmd.c - maps that are not the object's own: `uebpf-run --map PATH` looks at one without any object (our
 * shared files and the kernel's pins, while others write), and objects' maps are bound to such ones. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>
#include "tools/tool.h"

enum { BPF_FS = (int)0xcafe4a11, WATCH_NS = 500000000 };

static bool is_pin(const char *path)
{
	struct statfs fs;

	return !statfs(path, &fs) && (uint32_t)fs.f_type == (uint32_t)BPF_FS;
}

static struct uebpf_map *open_map(struct session *s, const char *path, bool kernel, bool writes)
{
	struct uebpf_kernel_opts k = { .size = sizeof k, .fd = -1, .pin = path };
	struct uebpf_error err = { 0 };
	/* A file is whoever's the file system says it is: its mode decides, as for any data of ours. */
	struct uebpf_map *map = kernel ? uebpf_map_from_kernel(s->env, &k, &err) :
		uebpf_map_open(s->env, path, UEBPF_OPEN_TRUSTED | (writes ? 0 : UEBPF_OPEN_RDONLY), &err);

	/* Reading from a queue, stack or ring writes to it. */
	if (!map && err.err == -EROFS)
		return open_map(s, path, kernel, true);
	if (!map)
		die_error(s, &err);
	return map;
}

/* --kernel-map NAME=PIN, --shared-map NAME=PATH: before load. */
void maps_bind(struct session *s, struct uebpf_object *obj)
{
	const struct { const struct strings *list; const char *option; bool kernel; } from[] = {
		{ &s->opt->kernel_map, "--kernel-map", true }, { &s->opt->shared_map, "--shared-map", false },
	};

	for (size_t f = 0; f < 2; f++)
		for (size_t i = 0; i < from[f].list->n; i++) {
			char *name = need(strdup(from[f].list->v[i])), *eq = strchr(name, '=');
			struct uebpf_error err = { 0 };
			struct uebpf_map *map;

			if (!eq || eq == name || !eq[1])
				die(EXIT_USAGE, "%s %s: not NAME=PATH", from[f].option, name);
			*eq = 0;
			if (from[f].kernel) {
				map = open_map(s, eq + 1, true, true);
				if (uebpf_object_bind_map(obj, name, map, &err))
					die_error(s, &err);
				uebpf_map_unref(map);
			} else if (uebpf_object_share_map(obj, name, eq + 1, 0, UEBPF_OPEN_TRUSTED, &err) < 0) {
				die_error(s, &err);
			}
			free(name);
		}
	if (!s->opt->kernel && !s->opt->kernel_object) {	/* there libbpf does it */
		struct uebpf_error err = { 0 };
		int n = uebpf_object_bind_pins(obj, NULL, UEBPF_MIRROR_WRITE_THROUGH, &err);

		if (n < 0)
			die_error(s, &err);
		if (n)
			note("%d map%s pinned in /sys/fs/bpf: the kernel's own", n, n == 1 ? "" : "s");
	}
}

/* What is wrong with a key or value, and what one looks like: the text of zeroes. */
static void *parsed(struct session *s, struct uebpf_map *map, int what, const char *text, size_t room)
{
	struct uebpf_error err = { 0 };
	void *data;

	if (!room && *text)
		die(EXIT_USAGE, "--map %s: a map of this type has no %s: give an empty one (\"\")", s->opt->map,
		    what ? "values to write" : "keys");
	if (!room)
		return NULL;
	data = need(calloc(1, room + 8));
	if (uebpf_map_parse(map, what, text, data, &err)) {
		memset(data, 0, room);
		die(EXIT_USAGE, "--map %s: %s %s: %s (one is written like %s)", s->opt->map, what ? "value" : "key", text,
		    err.text, map_text(map, what, data, false));
	}
	return data;
}

/* Errno values of map operations, as they are meant there. */
const char *map_why(int r)
{
	switch (r) {
	case -ENOENT: return "no entry with this key";
	case -EEXIST: return "there is an entry with this key";
	case -E2BIG: return "the map is full, or the index is none of it";
	case -ENOSPC: return "the map is full";
	case -EPERM: return "the map is frozen or read-only";
	case -EBUSY: return "another holds the entry's lock";
	case -EINVAL: case -EOPNOTSUPP: case -524: return "maps of this type do not do that";	/* 524: the kernel's ENOTSUPP */
	default: return strerror(-r);
	}
}

static int lookup(struct session *s, struct uebpf_map *map, const struct uebpf_map_info *i)
{
	uint8_t *key = parsed(s, map, 0, s->opt->map_lookup, i->key_size);
	int r = maps_dump_entry(s, map, key);

	free(key);
	if (r)
		die(EXIT_USAGE, "--map %s: --lookup %s: %s", s->opt->map, s->opt->map_lookup, map_why(r));
	return EXIT_RAN;
}

static int change(struct session *s, struct uebpf_map *map, const struct uebpf_map_info *i)
{
	const struct options *o = s->opt;
	const char *which = o->map_delete ? o->map_delete : o->map_update;
	uint8_t *key = parsed(s, map, 0, which, i->key_size), *value = NULL;
	int r;

	if (o->map_delete) {
		r = uebpf_map_delete(map, key);
	} else {
		value = parsed(s, map, 1, o->map_update_value, i->value_size);
		r = maps_update(map, key, value);
	}
	free(key);
	free(value);
	if (r)
		die(EXIT_USAGE, "--map %s: %s %s: %s", o->map, o->map_delete ? "--delete" : "--update", which, map_why(r));
	if (o->json)
		json_bool("done", true);
	return EXIT_RAN;
}

static volatile sig_atomic_t stopped;

static void on_signal(int sig)
{
	(void)sig;
	stopped = 1;
}

/* The map lives on without its file or pin, but nobody else will find it there. */
static bool moved(const char *path, const struct stat *was)
{
	struct stat is;

	return stat(path, &is) || is.st_ino != was->st_ino || is.st_dev != was->st_dev;
}

/* Again and again until it is interrupted, which ends it behind a whole look, or nobody reads.  With --json each look
 * is a document of one line. */
static int watch(struct session *s, struct uebpf_map *map, const struct stat *was)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	const struct timespec pause = { 0, WATCH_NS };
	const struct sigaction stop = { .sa_handler = on_signal };
	const struct options *o = s->opt;
	bool told = false, screen = !o->json && isatty(STDOUT_FILENO);

	for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
		sigaction(signals[i], &stop, NULL);
	for (uint64_t n = 1;; n++) {
		if (screen)
			fputs("\033[H\033[2J", stdout);
		maps_dump_one(map, o->json, false);
		if (!told && moved(o->map, was)) {
			note("--map %s: was removed or replaced; this is still the map that was there", o->map);
			told = true;
		}
		if (stopped || (o->repeat && n >= o->repeat))
			return EXIT_RAN;
		json_end();
		out_flush();
		nanosleep(&pause, NULL);
		if (stopped)
			return EXIT_RAN;
		if (o->json)
			json_open(NULL, '{');
	}
}

/* Files are trusted: who may write one may shorten it under our eyes. */
static void cut_short(int sig)
{
	static const char text[] = "uebpf-run: --map: the file was made shorter while it was read\n";

	(void)sig;
	_exit(write(STDERR_FILENO, text, sizeof text - 1) < 0 ? EXIT_USAGE : EXIT_FAULT);
}

int map_command(struct session *s)
{
	const struct options *o = s->opt;
	struct uebpf_map_info i = { .size = sizeof i };
	struct uebpf_map *map = open_map(s, o->map, is_pin(o->map), o->map_update || o->map_delete);
	struct stat was = { 0 };
	int code = EXIT_RAN;

	stat(o->map, &was);
	signal(SIGBUS, cut_short);
	uebpf_map_info(map, &i);
	if (o->map_lookup)
		code = lookup(s, map, &i);
	else if (o->map_update || o->map_delete)
		code = change(s, map, &i);
	else if (o->watch)
		code = watch(s, map, &was);
	else
		maps_dump_one(map, o->json, false);
	uebpf_map_unref(map);
	return code;
}
