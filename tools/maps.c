/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* maps.c - maps and globals from the command line and to the output, typed by the object's BTF.  The dump is
 * one line per entry in the form that --map-init reads. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "tools/tool.h"

enum { TYPE_PROG_ARRAY = 3, TYPE_QUEUE = 22, TYPE_STACK = 23, TYPE_RINGBUF = 27, TYPE_USER_RINGBUF = 31 };	/* the kernel's numbers */
#define NOT_READABLE (-524)	/* the kernel's ENOTSUPP: entries that only programs use */

static struct uebpf_map_info info_of(const struct uebpf_map *map)
{
	struct uebpf_map_info i = { .size = sizeof i };

	uebpf_map_info(map, &i);
	return i;
}

static bool per_cpu(const struct uebpf_map_info *i)
{
	return i->type == 5 || i->type == 6 || i->type == 10 || i->type == 21;	/* BPF_MAP_TYPE_*PERCPU* */
}

/* ---- before load ---- */

/* Splits NAME=REST in a copy; the caller frees. */
static char *split(const char *option, const char *text, char **rest)
{
	char *copy = need(strdup(text)), *eq = strchr(copy, '=');

	if (!eq || eq == copy)
		die(EXIT_USAGE, "%s %s: not NAME=VALUE", option, text);
	*eq = 0;
	*rest = eq + 1;
	return copy;
}

void maps_set_globals(struct session *s)
{
	for (size_t i = 0; i < s->opt->set_global.n; i++) {
		struct uebpf_error err = { 0 };
		char *value, *name = split("--set-global", s->opt->set_global.v[i], &value);

		if (uebpf_object_parse_global(s->obj, name, value, &err))
			die(EXIT_USAGE, "--set-global %s: %s", s->opt->set_global.v[i], err.text);
		free(name);
	}
}

void maps_resize(struct session *s)
{
	for (size_t i = 0; i < s->opt->resize.n; i++) {
		struct uebpf_error err = { 0 };
		char *value, *name = split("--map-size", s->opt->resize.v[i], &value);

		if (uebpf_object_resize_map(s->obj, name, (uint32_t)parse_number(value, "--map-size", UINT32_MAX), &err))
			die(EXIT_USAGE, "--map-size %s: %s", s->opt->resize.v[i], err.text);
		free(name);
	}
}

/* ---- --map-init NAME[KEY]=VALUE ---- */

/* End of the bracket that opens at *text, quotes and inner brackets skipped; NULL: none. */
static char *closing(char *text)
{
	int depth = 0;
	bool quoted = false;

	for (char *p = text; *p; p++) {
		if (quoted && *p == '\\' && p[1])
			p++;
		else if (*p == '"')
			quoted = !quoted;
		else if (!quoted && *p == '[')
			depth++;
		else if (!quoted && *p == ']' && !--depth)
			return p;
	}
	return NULL;
}

static void set_prog(struct session *s, struct uebpf_map *map, const void *key, const char *name, const char *text)
{
	const struct uebpf_prog *prog = uebpf_object_prog(s->obj, name);
	uint32_t index;
	int r;

	if (!prog)
		die(EXIT_USAGE, "--map-init %s: no program named %s", text, name);
	memcpy(&index, key, sizeof index);
	r = uebpf_map_set_prog(map, index, prog);
	if (r)
		die(EXIT_USAGE, "--map-init %s: %s", text, map_why(r));
}

/* A per-CPU map takes the value in every slot, as the kernel's update from user space does. */
int maps_update(struct uebpf_map *map, const void *key, const void *value)
{
	const struct uebpf_map_info i = info_of(map);
	size_t stride = (i.value_size + 7) & ~(size_t)7, slots = i.cpu_slots ? i.cpu_slots : 1;
	uint8_t *all;
	int r;

	if (!per_cpu(&i))
		return uebpf_map_update(map, key, value, 0);
	all = need(calloc(slots, stride));
	for (size_t n = 0; n < slots; n++)
		memcpy(all + n * stride, value, i.value_size);
	r = uebpf_map_update(map, key, all, 0);
	free(all);
	return r;
}

struct init { map_init_fn each; void *arg; };

static void init_entry(struct session *s, const char *text, const struct init *to)
{
	char *copy = need(strdup(text)), *open = strchr(copy, '['), *close = open ? closing(open) : NULL, *value;
	struct uebpf_error err = { 0 };
	struct uebpf_map_info i;
	struct uebpf_map *map;
	uint8_t *key, *data;
	int r;

	value = close ? close + 1 + strspn(close + 1, " ") : NULL;
	if (!value || open == copy || *value != '=')
		die(EXIT_USAGE, "--map-init %s: not NAME[KEY]=VALUE", text);
	value += 1 + strspn(value + 1, " ");
	*open = *close = 0;
	map = uebpf_object_map(s->obj, copy);
	if (!map)
		die(EXIT_USAGE, "--map-init %s: the object has no map named %s", text, copy);
	i = info_of(map);
	key = need(calloc(1, i.key_size + 8));
	data = need(calloc(1, i.value_size + 8));
	if (i.key_size && uebpf_map_parse(map, 0, open + 1, key, &err))
		die(EXIT_USAGE, "--map-init %s: key: %s", text, err.text);
	if (i.type == TYPE_PROG_ARRAY) {
		if (strncmp(value, "prog:", 5))
			die(EXIT_USAGE, "--map-init %s: a program array takes prog:NAME", text);
		if (!to->each)
			set_prog(s, map, key, value + 5, text);
		goto out;
	}
	if (uebpf_map_parse(map, 1, value, data, &err))
		die(EXIT_USAGE, "--map-init %s: value: %s", text, err.text);
	if (to->each) {
		to->each(to->arg, map, i.key_size ? key : NULL, data);
		goto out;
	}
	r = maps_update(map, i.key_size ? key : NULL, data);
	if (r)
		die(EXIT_USAGE, "--map-init %s: %s", text, map_why(r));
out:
	free(key);
	free(data);
	free(copy);
}

static void init_file(struct session *s, const char *path, const struct init *to)
{
	struct bytes b = read_all(path, "--map-init");
	char *text = need(realloc(b.data, b.len + 1)), *save = NULL;

	text[b.len] = 0;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		line += strspn(line, " \t");
		if (*line && *line != '#')
			init_entry(s, line, to);
	}
	free(text);
}

void maps_each_init(struct session *s, map_init_fn each, void *arg)
{
	const struct init to = { each, arg };

	for (size_t i = 0; i < s->opt->map_init.n; i++) {
		const char *text = s->opt->map_init.v[i];

		if (*text == '@')
			init_file(s, text + 1, &to);
		else
			init_entry(s, text, &to);
	}
}

void maps_init(struct session *s)
{
	maps_each_init(s, NULL, NULL);
}

/* ---- --map-dump ---- */

char *map_text(const struct uebpf_map *map, int what, const void *data, int json)
{
	long n = uebpf_map_format(map, what, data, json, NULL, 0);
	char *text;

	if (n < 0)
		return need(strdup(json ? "null" : "?"));
	text = need(malloc((size_t)n + 1));
	uebpf_map_format(map, what, data, json, text, (size_t)n + 1);
	return text;
}

static bool all_zero(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i])
			return false;
	return true;
}

struct dump { struct uebpf_map *map; struct uebpf_map_info i; bool json, one, sealed; uint64_t shown, zero; };

/* Slots that are all zero are left out.  Numbers come as their sum, with the parts behind it; the comment
 * keeps --map-init from taking a sum for every slot's value. */
static void dump_slots(const struct dump *d, const char *key, const uint8_t *value)
{
	size_t stride = (d->i.value_size + 7) & ~(size_t)7;
	char **text = need(calloc(d->i.cpu_slots + 1, sizeof *text)), *end;
	unsigned long long sum = 0;
	bool numbers = true;
	unsigned used = 0;

	for (uint32_t c = 0; c < d->i.cpu_slots; c++) {
		if (all_zero(value + c * stride, d->i.value_size))
			continue;
		text[c] = map_text(d->map, 1, value + c * stride, d->json);
		sum += strtoull(text[c], &end, 0);
		numbers = numbers && end != text[c] && !*end;
		used++;
	}
	numbers = numbers && used != 1;
	if (d->json)
		json_open("per_cpu", '[');
	else if (numbers)
		printf("%s[%s] = %llu  # sum of", d->i.name, key, sum);
	for (uint32_t c = 0; c < d->i.cpu_slots; c++) {
		if (text[c] && d->json) {
			json_open(NULL, '{');
			json_u64("slot", c);
			json_raw("value", text[c]);
			json_close();
		} else if (text[c] && numbers) {
			printf(" %s (slot %u)", text[c], c);
		} else if (text[c]) {
			printf("%s[%s] = %s  # slot %u\n", d->i.name, key, text[c], c);
		}
		free(text[c]);
	}
	if (d->json)
		json_close();
	if (d->json && numbers)
		json_u64("sum", sum);
	else if (numbers)
		puts(sum ? "" : " zeros");
	free(text);
}

static int dump_entry(struct dump *d, const void *key, uint8_t *value)
{
	size_t stride = (d->i.value_size + 7) & ~(size_t)7;
	size_t size = per_cpu(&d->i) ? stride * d->i.cpu_slots : d->i.value_size;
	int r = uebpf_map_lookup(d->map, key, value);
	bool array = !strcmp(d->i.type_name, "array") || !strcmp(d->i.type_name, "percpu_array");
	char *k, *v;

	d->sealed |= r == NOT_READABLE;
	if (r == -ENOENT || d->sealed)
		return r;	/* deleted meanwhile, or an empty slot */
	if (!r && array && !d->one && d->i.max_entries > 1 && all_zero(value, size)) {
		d->zero++;
		return 0;
	}
	k = key ? map_text(d->map, 0, key, d->json) : need(strdup(""));
	d->shown++;
	if (d->json) {
		json_open(NULL, '{');
		if (key)
			json_raw("key", k);
	}
	if (r) {
		if (d->json)
			json_string("unreadable", strerror(-r));
		else
			printf("# %s[%s]: not readable: %s\n", d->i.name, k, strerror(-r));
	} else if (per_cpu(&d->i)) {
		dump_slots(d, k, value);
	} else {
		v = map_text(d->map, 1, value, d->json);
		if (d->json)
			json_raw("value", v);
		else
			printf("%s[%s] = %s\n", d->i.name, k, v);
		free(v);
	}
	if (d->json)
		json_close();
	free(k);
	return r;
}

static int dump_record(void *arg, const void *data, size_t len)
{
	struct dump *d = arg;

	d->shown++;
	if (d->json) {
		json_bytes(NULL, data, len);
	} else {
		printf("# %s record %llu: ", d->i.name, (unsigned long long)d->shown);
		print_hex(stdout, data, len);
		putchar('\n');
	}
	return 0;
}

static void dump_entries(struct dump *d)
{
	size_t stride = (d->i.value_size + 7) & ~(size_t)7, slots = d->i.cpu_slots ? d->i.cpu_slots : 1;
	uint8_t *key = need(calloc(1, d->i.key_size + 8)), *next = need(calloc(1, d->i.key_size + 8));
	uint8_t *value = need(calloc(slots, stride + 8));
	bool first = true;

	/* Keys of a map that nobody else changes come once each; the bound holds if somebody does. */
	for (uint64_t n = 0; n <= (uint64_t)d->i.max_entries + 1 && !d->sealed; n++) {
		uint8_t *t;

		if (uebpf_map_next_key(d->map, first ? NULL : key, next))
			break;
		first = false;
		t = key, key = next, next = t;
		dump_entry(d, key, value);
	}
	free(key);
	free(next);
	free(value);
}

/* A queue or stack that nobody else uses: its values are taken out, shown in the order in which programs would get
 * them, and put back. */
static void dump_queue(struct dump *d)
{
	size_t size = d->i.value_size, n = 0;
	uint8_t *all = need(calloc((size_t)d->i.max_entries + 1, size));

	while (n < d->i.max_entries && !uebpf_map_lookup_delete(d->map, NULL, all + n * size))
		n++;
	for (size_t i = 0; i < n; i++) {
		char *v = map_text(d->map, 1, all + i * size, d->json);

		if (d->json)
			json_raw(NULL, v);
		else
			printf("%s[] = %s\n", d->i.name, v);
		free(v);
		d->shown++;
	}
	for (size_t i = 0; i < n; i++) {
		size_t at = d->i.type == TYPE_STACK ? n - 1 - i : i;
		int r = uebpf_map_update(d->map, NULL, all + at * size, 0);

		if (r)
			note("map %s: a value could not be put back: %s", d->i.name, strerror(-r));
	}
	free(all);
}

int maps_dump_entry(struct session *s, struct uebpf_map *map, const void *key)
{
	struct dump d = { .map = map, .i = info_of(map), .json = s->opt->json, .one = true };
	size_t stride = (d.i.value_size + 7) & ~(size_t)7, slots = d.i.cpu_slots ? d.i.cpu_slots : 1;
	uint8_t *value = need(calloc(slots, stride + 8));
	int r;

	if (d.json)
		json_open("entries", '[');
	r = dump_entry(&d, key, value);
	if (d.json)
		json_close();
	free(value);
	return r;
}

/* enum uebpf_share; a private map's is not worth a word. */
static const struct { const char *name, *text; } level[] = {
	{ "private", "" }, { "shared", "; shared" }, { "mapped", "; the kernel's, mapped" },
	{ "mirrored", "; the kernel's, read by bpf()" },
};

/* A ring of the kernel's, of which programs here have the other end: what it is there, and what can be done here. */
static const char *other_end(const struct uebpf_map_info *i, const char **here)
{
	bool ours = i->share != UEBPF_SHARE_MAPPED || (i->type != TYPE_RINGBUF && i->type != TYPE_USER_RINGBUF);

	*here = ours ? "" : i->type == TYPE_RINGBUF ? ": written here (a ringbuf to programs here)" :
		": its records are taken here (a user_ringbuf to programs here)";
	return ours ? i->type_name : i->type == TYPE_RINGBUF ? "user_ringbuf" : "ringbuf";
}

void maps_dump_one(struct uebpf_map *map, bool json, bool take)
{
	struct dump d = { .map = map, .i = info_of(map), .json = json };
	const char *here, *type = other_end(&d.i, &here);
	bool ring = d.i.type == TYPE_RINGBUF || d.i.type == TYPE_USER_RINGBUF;

	if (json) {
		json_open(d.i.name, '{');
		json_string("type", type);
		if (*here)
			json_string("type_here", d.i.type_name);
		json_u64("key_size", d.i.key_size);
		json_u64("value_size", d.i.value_size);
		json_u64("max_entries", d.i.max_entries);
		json_string("level", level[d.i.share & 3].name);
		json_open(ring ? "records" : "entries", '[');
	} else {
		printf("# map %s: %s, key %u, value %u bytes, max %u%s%s\n", d.i.name, type, d.i.key_size,
		       d.i.value_size, d.i.max_entries, level[d.i.share & 3].text, here);
	}
	if (d.i.type == TYPE_RINGBUF && take)
		uebpf_map_consume(map, dump_record, &d);
	else if (d.i.key_size)
		dump_entries(&d);
	else if ((d.i.type == TYPE_QUEUE || d.i.type == TYPE_STACK) && d.i.share == UEBPF_SHARE_PRIVATE)
		dump_queue(&d);
	else if (!json && ring)
		printf("# its records are its consumer's\n");
	else if (!json)
		printf("# its values have no keys and cannot be listed (--lookup \"\" shows the next)\n");
	if (d.sealed && !json)
		printf("# entries of this type are for programs only and cannot be read\n");
	if (json) {
		json_close();
		if (d.sealed)
			json_string("unreadable", "entries of this type are for programs only");
		json_u64("count", d.shown);
		json_u64("zero_entries", d.zero);
		json_close();
	} else {
		printf("# %llu %s", (unsigned long long)d.shown, ring ? "records" : "entries");
		if (d.zero)
			printf("; %llu that are all zero are not shown", (unsigned long long)d.zero);
		putchar('\n');
	}
}

/* What programs wrote in place into copies of the kernel's maps goes there now. */
void maps_push(struct session *s)
{
	struct uebpf_map *map = NULL;

	while ((map = uebpf_object_next_map(s->obj, map))) {
		long r = info_of(map).share == UEBPF_SHARE_MIRRORED ? uebpf_map_push(map) : 0;

		if (r < 0 && r != -EOPNOTSUPP)	/* without a copy here nothing waits to be written */
			note("map %s: not written back to the kernel: %s", uebpf_map_name(map), strerror((int)-r));
	}
}

void maps_dump(struct session *s)
{
	const struct strings *names = &s->opt->map_dump;
	struct uebpf_map *map = NULL;
	bool all = false;

	if (!names->n)
		return;
	for (size_t i = 0; i < names->n; i++) {
		all |= !strcmp(names->v[i], "all");
		if (strcmp(names->v[i], "all") && !uebpf_object_map(s->obj, names->v[i]))
			die(EXIT_USAGE, "--map-dump %s: the object has no such map", names->v[i]);
	}
	if (s->opt->json)
		json_open("maps", '{');
	while (all && (map = uebpf_object_next_map(s->obj, map)))
		maps_dump_one(map, s->opt->json, true);
	for (size_t i = 0; i < names->n && !all; i++)
		maps_dump_one(uebpf_object_map(s->obj, names->v[i]), s->opt->json, true);
	if (s->opt->json)
		json_close();
}
