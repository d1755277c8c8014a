/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* ctf.c - a filter tried on a recorded trace (--ctf): libbabeltrace2 reads it, each event class becomes an
 * event type, recorded contexts become $ctx.NAME.  As in a tracer, a class without a field that the
 * filter names has all its events rejected. */
#ifdef HAVE_BABELTRACE2
#include <babeltrace2/babeltrace.h>
#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "tools/tool.h"

const bool ctf_built = true;

enum { MOST_FIELDS = 256, MOST_ELEMENTS = 4096, TEXT_ROOM = 128, NAME_ROOM = 64 };

/* A field of an event class and where its value goes in the record. */
struct slot { char name[NAME_ROOM]; struct uebpf_field f; };
struct class {
	const bt_event_class *key;
	char name[NAME_ROOM];
	struct slot slot[MOST_FIELDS];
	uint32_t nr_slots, size;
	struct uebpf_object *obj;
	const struct uebpf_prog *prog;	/* NULL: cannot be compiled for this class */
	uint64_t seen, accepted;
};
struct context { char name[NAME_ROOM]; bool text; uint64_t value; char chars[TEXT_ROOM]; bool present; };
struct ctf {
	struct session *s;
	bt_message_iterator *it;		/* what the muxer sends */
	bt_self_component_filter *self;		/* with --write-accepted */
	struct class **classes;
	size_t nr_classes;
	struct context *contexts[64];
	size_t nr_contexts;
	uint64_t elements[MOST_ELEMENTS], total, faults;
	size_t used;
	uint8_t *record;
	struct uebpf_error last;
};

/* ---- contexts ---- */

static uint64_t context_number(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, struct uebpf_call *call)
{
	const struct context *c = uebpf_call_helper_host(call);

	(void)r1, (void)r2, (void)r3, (void)r4, (void)r5;
	return c->value;
}

static uint64_t context_text(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, struct uebpf_call *call)
{
	const struct context *c = uebpf_call_helper_host(call);

	(void)r2, (void)r3, (void)r4, (void)r5;
	memcpy((void *)(uintptr_t)r1, c->chars, TEXT_ROOM);
	return c->present ? 0 : (uint64_t)-ENOENT;
}

static bool is(bt_field_class_type type, bt_field_class_type of)
{
	return bt_field_class_type_is(type, of);
}

static void take_context(struct ctf *c, const char *name, const bt_field *field)
{
	bt_field_class_type type = bt_field_get_class_type(field);
	bool text = is(type, BT_FIELD_CLASS_TYPE_STRING);
	struct uebpf_error err;
	struct context *x = NULL;
	char full[NAME_ROOM + 8];

	if (!text && !is(type, BT_FIELD_CLASS_TYPE_INTEGER))
		return;
	for (size_t i = 0; i < c->nr_contexts && !x; i++)
		if (!strcmp(c->contexts[i]->name, name))
			x = c->contexts[i];
	if (!x) {
		if (c->nr_contexts == sizeof c->contexts / sizeof *c->contexts || strlen(name) >= NAME_ROOM)
			return;
		x = c->contexts[c->nr_contexts++] = need(calloc(1, sizeof *x));
		strcpy(x->name, name);
		x->text = text;
		snprintf(full, sizeof full, "ctx.%s", name);
		if (uebpf_env_add_helper(c->s->env, 0, full, text ? "long (mem_out:128)" : "u64 ()",
					 text ? context_text : context_number, x, &err) < 0)
			note("context %s is left out: %s", full, err.text);
	}
	x->present = true;
	if (text)
		snprintf(x->chars, sizeof x->chars, "%s", bt_field_string_get_value(field));
	else
		x->value = is(type, BT_FIELD_CLASS_TYPE_SIGNED_INTEGER) ?
			(uint64_t)bt_field_integer_signed_get_value(field) : bt_field_integer_unsigned_get_value(field);
}

static void take_contexts(struct ctf *c, const bt_field *fields)
{
	const bt_field_class *fc = fields ? bt_field_borrow_class_const(fields) : NULL;

	for (uint64_t i = 0; fc && i < bt_field_class_structure_get_member_count(fc); i++)
		take_context(c, bt_field_class_structure_member_get_name(
				bt_field_class_structure_borrow_member_by_index_const(fc, i)),
			     bt_field_structure_borrow_member_field_by_index_const(fields, i));
}

/* ---- event classes ---- */

static struct slot *add_slot(struct class *k, const char *name)
{
	struct slot *s = &k->slot[k->nr_slots];

	if (k->nr_slots + 2 >= MOST_FIELDS || strlen(name) + 5 >= NAME_ROOM)
		return NULL;
	k->nr_slots++;
	strcpy(s->name, name);
	s->f = (struct uebpf_field){ .name = s->name, .offset = k->size, .size = 8 };
	k->size += 8;
	return s;
}

static uint16_t number_kind(bt_field_class_type type)
{
	return is(type, BT_FIELD_CLASS_TYPE_REAL) ? UEBPF_VALUE_FLOAT :
	       is(type, BT_FIELD_CLASS_TYPE_SIGNED_INTEGER) ? UEBPF_VALUE_SIGNED : UEBPF_VALUE_UNSIGNED;
}

static bool is_number(bt_field_class_type type)
{
	return is(type, BT_FIELD_CLASS_TYPE_REAL) || is(type, BT_FIELD_CLASS_TYPE_INTEGER) || type == BT_FIELD_CLASS_TYPE_BOOL;
}

static void describe(struct class *k, const bt_field_class *fc, const char *prefix)
{
	for (uint64_t i = 0; fc && i < bt_field_class_structure_get_member_count(fc); i++) {
		const bt_field_class_structure_member *m = bt_field_class_structure_borrow_member_by_index_const(fc, i);
		const bt_field_class *inner = bt_field_class_structure_member_borrow_field_class_const(m);
		bt_field_class_type type = bt_field_class_get_type(inner);
		char name[NAME_ROOM * 2];
		struct slot *s;

		snprintf(name, sizeof name, "%s%s", prefix, bt_field_class_structure_member_get_name(m));
		if (type == BT_FIELD_CLASS_TYPE_STRUCTURE && strlen(name) + 1 < NAME_ROOM) {
			strcat(name, ".");
			describe(k, inner, name);
			continue;
		}
		s = add_slot(k, name);
		if (!s)
			continue;
		if (is_number(type)) {
			s->f.value = number_kind(type);
		} else if (type == BT_FIELD_CLASS_TYPE_STRING) {
			s->f.kind = UEBPF_FIELD_CSTR;
			s->f.nullable = 1;
		} else if (is(type, BT_FIELD_CLASS_TYPE_ARRAY) &&
			   is_number(bt_field_class_get_type(bt_field_class_array_borrow_element_field_class_const(inner)))) {
			struct slot *len;

			s->f.kind = UEBPF_FIELD_MEM;
			s->f.elem = 8;
			s->f.value = number_kind(bt_field_class_get_type(bt_field_class_array_borrow_element_field_class_const(inner)));
			strcat(name, ".len");
			len = add_slot(k, name);
			if (len)
				s->f.size_field = len->name;
			else
				k->nr_slots--;
		} else {
			k->nr_slots--;	/* options, variants: no field of ours */
			k->size -= 8;
		}
	}
}

static struct class *new_class(struct ctf *c, const bt_event_class *key, const bt_field *payload)
{
	struct uebpf_load_opts load = session_load_opts(c->s);
	struct uebpf_field fields[MOST_FIELDS];
	struct class *k = need(calloc(1, sizeof *k));
	struct uebpf_type_opts t = { .size = sizeof t, .name = k->name, .fields = fields };
	const char *name = bt_event_class_get_name(key);
	struct uebpf_error err = { 0 };

	k->key = key;
	snprintf(k->name, sizeof k->name, "event%zu", c->nr_classes);
	describe(k, payload ? bt_field_borrow_class_const(payload) : NULL, "");
	if (!k->nr_slots)	/* contexts can still be asked */
		add_slot(k, "(none)");
	for (uint32_t i = 0; i < k->nr_slots; i++)
		fields[i] = k->slot[i].f;
	t.nr_fields = k->nr_slots;
	t.ctx_size = k->size;
	if (!uebpf_env_add_type(c->s->env, &t, &err))
		k->obj = uebpf_object_open_filter(c->s->env, c->s->opt->filter, k->name, NULL, &err);
	if (k->obj && !uebpf_object_load(k->obj, &load, &err))
		k->prog = uebpf_object_prog(k->obj, NULL);
	if (!k->prog) {
		if (err.code != UEBPF_E_FIELD)
			die_error(c->s, &err);
		c->last = err;
	}
	snprintf(k->name, sizeof k->name, "%.63s", name ? name : "(no name)");
	c->classes = need(realloc(c->classes, (c->nr_classes + 1) * sizeof *c->classes));
	c->classes[c->nr_classes++] = k;
	return k;
}

static struct class *class_of(struct ctf *c, const bt_event_class *key, const bt_field *payload)
{
	for (size_t i = 0; i < c->nr_classes; i++)
		if (c->classes[i]->key == key)
			return c->classes[i];
	return new_class(c, key, payload);
}

/* ---- events ---- */

static uint64_t number(const bt_field *f)
{
	bt_field_class_type type = bt_field_get_class_type(f);
	union { double d; uint64_t u; } u;

	if (type == BT_FIELD_CLASS_TYPE_BOOL)
		return (uint64_t)bt_field_bool_get_value(f);
	if (is(type, BT_FIELD_CLASS_TYPE_SIGNED_INTEGER))
		return (uint64_t)bt_field_integer_signed_get_value(f);
	if (is(type, BT_FIELD_CLASS_TYPE_INTEGER))
		return bt_field_integer_unsigned_get_value(f);
	u.d = type == BT_FIELD_CLASS_TYPE_SINGLE_PRECISION_REAL ? (double)bt_field_real_single_precision_get_value(f) :
	      bt_field_real_double_precision_get_value(f);
	return u.u;
}

static void put(struct ctf *c, const struct slot *s, uint64_t v)
{
	memcpy(c->record + s->f.offset, &v, 8);
}

/* In the order of describe(). */
static void fill(struct ctf *c, const struct class *k, const bt_field *fields, uint32_t *at)
{
	const bt_field_class *fc = fields ? bt_field_borrow_class_const(fields) : NULL;

	for (uint64_t i = 0; fc && i < bt_field_class_structure_get_member_count(fc) && *at < k->nr_slots; i++) {
		const bt_field *f = bt_field_structure_borrow_member_field_by_index_const(fields, i);
		const struct slot *s = &k->slot[*at];
		const char *name = bt_field_class_structure_member_get_name(
			bt_field_class_structure_borrow_member_by_index_const(fc, i)), *last = strrchr(s->name, '.');

		if (bt_field_get_class_type(f) == BT_FIELD_CLASS_TYPE_STRUCTURE) {
			fill(c, k, f, at);
			continue;
		}
		if (strcmp(last ? last + 1 : s->name, name) && strcmp(s->name, name))
			continue;	/* it became no field */
		++*at;
		if (s->f.kind == UEBPF_FIELD_CSTR) {
			put(c, s, (uintptr_t)bt_field_string_get_value(f));
		} else if (s->f.kind == UEBPF_FIELD_MEM) {
			uint64_t n = bt_field_array_get_length(f), begin = c->used;

			for (uint64_t e = 0; e < n && c->used < MOST_ELEMENTS; e++)
				c->elements[c->used++] = number(bt_field_array_borrow_element_field_by_index_const(f, e));
			put(c, s, (uintptr_t)&c->elements[begin]);
			put(c, &k->slot[*at], (c->used - begin) * 8);
			++*at;
		} else {
			put(c, s, number(f));
		}
	}
}

/* Is the event accepted? */
static bool take_event(struct ctf *c, const bt_event *ev)
{
	const bt_field *payload = bt_event_borrow_payload_field_const(ev);
	struct class *k;
	uint32_t at = 0;
	uint64_t r0 = 0;

	for (size_t i = 0; i < c->nr_contexts; i++)
		c->contexts[i]->present = false;
	take_contexts(c, bt_event_borrow_common_context_field_const(ev));
	take_contexts(c, bt_event_borrow_specific_context_field_const(ev));
	k = class_of(c, bt_event_borrow_class_const(ev), payload);
	k->seen++;
	c->total++;
	if (!k->prog)
		return false;
	c->record = need(realloc(c->record, k->size));
	memset(c->record, 0, k->size);
	c->used = 0;
	fill(c, k, payload, &at);
	if (uebpf_prog_run(k->prog, c->record, k->size, NULL, &r0)) {
		c->faults++;
		return false;
	}
	k->accepted += r0 != 0;
	return r0 != 0;
}

/* ---- the graph: source.ctf.fs, utils.muxer, and this; with --write-accepted a filter that lets accepted events
 * pass, and sink.ctf.fs ---- */

static bt_graph_simple_sink_component_initialize_func_status sink_begin(bt_message_iterator *it, void *data)
{
	((struct ctf *)data)->it = it;
	return BT_GRAPH_SIMPLE_SINK_COMPONENT_INITIALIZE_FUNC_STATUS_OK;
}

static bt_graph_simple_sink_component_consume_func_status sink_consume(bt_message_iterator *it, void *data)
{
	bt_message_array_const msgs;
	uint64_t n;
	bt_message_iterator_next_status st = bt_message_iterator_next(it, &msgs, &n);

	if (st == BT_MESSAGE_ITERATOR_NEXT_STATUS_END)
		return BT_GRAPH_SIMPLE_SINK_COMPONENT_CONSUME_FUNC_STATUS_END;
	if (st == BT_MESSAGE_ITERATOR_NEXT_STATUS_AGAIN)
		return BT_GRAPH_SIMPLE_SINK_COMPONENT_CONSUME_FUNC_STATUS_AGAIN;
	if (st != BT_MESSAGE_ITERATOR_NEXT_STATUS_OK)
		return BT_GRAPH_SIMPLE_SINK_COMPONENT_CONSUME_FUNC_STATUS_ERROR;
	for (uint64_t i = 0; i < n; i++) {
		if (bt_message_get_type(msgs[i]) == BT_MESSAGE_TYPE_EVENT)
			(void)take_event(data, bt_message_event_borrow_event_const(msgs[i]));
		bt_message_put_ref(msgs[i]);
	}
	return BT_GRAPH_SIMPLE_SINK_COMPONENT_CONSUME_FUNC_STATUS_OK;
}

static bt_component_class_initialize_method_status pass_begin(bt_self_component_filter *self,
	bt_self_component_filter_configuration *configuration, const bt_value *params, void *data)
{
	(void)configuration, (void)params;
	((struct ctf *)data)->self = self;
	bt_self_component_set_data(bt_self_component_filter_as_self_component(self), data);
	return bt_self_component_filter_add_input_port(self, "in", NULL, NULL) ||
	       bt_self_component_filter_add_output_port(self, "out", NULL, NULL) ?
		BT_COMPONENT_CLASS_INITIALIZE_METHOD_STATUS_MEMORY_ERROR : BT_COMPONENT_CLASS_INITIALIZE_METHOD_STATUS_OK;
}

static struct ctf *ctf_of(bt_self_message_iterator *self)
{
	return bt_self_component_get_data(bt_self_message_iterator_borrow_component(self));
}

static bt_message_iterator_class_initialize_method_status pass_connect(bt_self_message_iterator *self,
	bt_self_message_iterator_configuration *configuration, bt_self_component_port_output *port)
{
	struct ctf *c = ctf_of(self);

	(void)configuration, (void)port;
	return bt_message_iterator_create_from_message_iterator(self,
		bt_self_component_filter_borrow_input_port_by_name(c->self, "in"), &c->it) ?
		BT_MESSAGE_ITERATOR_CLASS_INITIALIZE_METHOD_STATUS_ERROR : BT_MESSAGE_ITERATOR_CLASS_INITIALIZE_METHOD_STATUS_OK;
}

static void pass_end(bt_self_message_iterator *self)
{
	bt_message_iterator_put_ref(ctf_of(self)->it);
}

/* All messages but events that are not accepted. */
static bt_message_iterator_class_next_method_status pass_next(bt_self_message_iterator *self, bt_message_array_const out,
							      uint64_t capacity, uint64_t *count)
{
	struct ctf *c = ctf_of(self);
	bt_message_iterator_next_status st = BT_MESSAGE_ITERATOR_NEXT_STATUS_OK;
	bt_message_array_const msgs;
	uint64_t n;

	for (*count = 0; !*count && st == BT_MESSAGE_ITERATOR_NEXT_STATUS_OK;) {
		st = bt_message_iterator_next(c->it, &msgs, &n);
		for (uint64_t i = 0; st == BT_MESSAGE_ITERATOR_NEXT_STATUS_OK && i < n; i++)
			if (*count < capacity && (bt_message_get_type(msgs[i]) != BT_MESSAGE_TYPE_EVENT ||
						  take_event(c, bt_message_event_borrow_event_const(msgs[i]))))
				out[(*count)++] = msgs[i];
			else
				bt_message_put_ref(msgs[i]);
	}
	return st == BT_MESSAGE_ITERATOR_NEXT_STATUS_OK ? BT_MESSAGE_ITERATOR_CLASS_NEXT_METHOD_STATUS_OK :
	       st == BT_MESSAGE_ITERATOR_NEXT_STATUS_END ? BT_MESSAGE_ITERATOR_CLASS_NEXT_METHOD_STATUS_END :
	       st == BT_MESSAGE_ITERATOR_NEXT_STATUS_AGAIN ? BT_MESSAGE_ITERATOR_CLASS_NEXT_METHOD_STATUS_AGAIN :
	       BT_MESSAGE_ITERATOR_CLASS_NEXT_METHOD_STATUS_ERROR;
}

static const bt_plugin *plugin(const char *name)
{
	const bt_plugin *p = NULL;

	if (bt_plugin_find(name, BT_TRUE, BT_TRUE, BT_TRUE, BT_TRUE, BT_FALSE, &p) != BT_PLUGIN_FIND_STATUS_OK)
		die(EXIT_UNSUPPORTED, "--ctf: libbabeltrace2 has no plugin %s here; on Debian: apt-get install libbabeltrace2-0", name);
	return p;
}

static char *traces[256];
static size_t nr_traces;

/* A trace is a directory with a file "metadata"; a session may hold several. */
static int find_trace(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	if (type == FTW_F && !strcmp(path + at->base, "metadata") && nr_traces < sizeof traces / sizeof *traces)
		traces[nr_traces++] = need(strndup(path, (size_t)at->base - 1));
	return 0;
}

static bool add_trace(bt_graph *g, const char *dir, size_t n, const bt_component_filter *mux, uint64_t *port)
{
	bt_value *params = need(bt_value_map_create()), *inputs = need(bt_value_array_create());
	const bt_component_source *src = NULL;
	char name[32];
	bool good;

	snprintf(name, sizeof name, "trace%zu", n);
	good = !bt_value_array_append_string_element(inputs, dir) && !bt_value_map_insert_entry(params, "inputs", inputs) &&
	       !bt_graph_add_source_component(g, bt_plugin_borrow_source_component_class_by_name_const(plugin("ctf"), "fs"),
					      name, params, BT_LOGGING_LEVEL_NONE, &src);
	for (uint64_t i = 0; good && i < bt_component_source_get_output_port_count(src); i++)
		good = !bt_graph_connect_ports(g, bt_component_source_borrow_output_port_by_index_const(src, i),
					       bt_component_filter_borrow_input_port_by_index_const(mux, (*port)++), NULL);
	bt_value_put_ref(inputs);
	bt_value_put_ref(params);
	return good;
}

/* What the muxer's messages go to. */
static bool add_end(bt_graph *g, struct ctf *c, const bt_component_filter *mux)
{
	const bt_component_filter *last = mux;
	const bt_component_sink *sink = NULL;
	bool good;

	if (!c->s->opt->write_accepted) {
		good = !bt_graph_add_simple_sink_component(g, "filter", sink_begin, sink_consume, NULL, c, &sink);
	} else {
		bt_message_iterator_class *it = need(bt_message_iterator_class_create(pass_next));
		bt_component_class_filter *pass = need(bt_component_class_filter_create("accepted", it));
		bt_value *params = need(bt_value_map_create());

		bt_message_iterator_class_set_initialize_method(it, pass_connect);
		bt_message_iterator_class_set_finalize_method(it, pass_end);
		bt_component_class_filter_set_initialize_method(pass, pass_begin);
		good = !bt_graph_add_filter_component_with_initialize_method_data(g,
				pass, "filter", NULL, c, BT_LOGGING_LEVEL_NONE, &last) &&
		       !bt_graph_connect_ports(g, bt_component_filter_borrow_output_port_by_name_const(mux, "out"),
					       bt_component_filter_borrow_input_port_by_name_const(last, "in"), NULL) &&
		       !bt_value_map_insert_string_entry(params, "path", c->s->opt->write_accepted) &&
		       !bt_value_map_insert_bool_entry(params, "quiet", BT_TRUE) &&
		       !bt_graph_add_sink_component(g, bt_plugin_borrow_sink_component_class_by_name_const(plugin("ctf"), "fs"),
						    "written", params, BT_LOGGING_LEVEL_NONE, &sink);
		bt_value_put_ref(params);
		bt_component_class_filter_put_ref(pass);
		bt_message_iterator_class_put_ref(it);
	}
	return good && !bt_graph_connect_ports(g, bt_component_filter_borrow_output_port_by_name_const(last, "out"),
					       bt_component_sink_borrow_input_port_by_name_const(sink, "in"), NULL);
}

static void read_trace(struct ctf *c, const char *dir)
{
	bt_graph *g = need(bt_graph_create(0));
	const bt_component_filter *mux = NULL;
	uint64_t port = 0;
	bool good;

	if (nftw(dir, find_trace, 16, FTW_PHYS) || !nr_traces)
		die(EXIT_USAGE, "--ctf %s: no trace is there (a directory with a file \"metadata\")", dir);
	good = !bt_graph_add_filter_component(g, bt_plugin_borrow_filter_component_class_by_name_const(plugin("utils"), "muxer"),
					      "muxer", NULL, BT_LOGGING_LEVEL_NONE, &mux);
	for (size_t i = 0; good && i < nr_traces; i++)
		good = add_trace(g, traces[i], i, mux, &port);
	good = good && add_end(g, c, mux) && !bt_graph_run(g);
	if (!good) {
		const bt_error *e = bt_current_thread_take_error();
		const bt_error_cause *cause = e ? bt_error_borrow_cause_by_index(e, 0) : NULL;

		die(EXIT_USAGE, "--ctf %s: cannot be read%s as a CTF trace%s%s", dir,
		    c->s->opt->write_accepted ? " or written" : "", cause ? ": " : "",
		    cause ? bt_error_cause_get_message(cause) : "");
	}
	bt_graph_put_ref(g);
}

int run_ctf(struct session *s)
{
	struct ctf c = { .s = s };
	uint64_t accepted = 0, start = now_ns(), ns;
	unsigned without = 0;

	session_env(s);
	read_trace(&c, s->opt->ctf);
	ns = now_ns() - start;
	for (size_t i = 0; i < c.nr_classes; i++) {
		const struct class *k = c.classes[i];

		accepted += k->accepted;
		without += !k->prog;
		if (!s->opt->quiet && !s->opt->json)
			printf("%-40s %10" PRIu64 " of %10" PRIu64 "%s\n", k->name, k->accepted, k->seen,
			       k->prog ? "" : "  (has not all fields)");
	}
	if (s->opt->json) {
		json_u64("accepted", accepted);
		json_u64("rejected", c.total - accepted);
	} else if (!s->opt->quiet) {
		printf("accepted %10" PRIu64 "  %5.1f %%\nrejected %10" PRIu64 "\n", accepted,
		       c.total ? 100.0 * (double)accepted / (double)c.total : 0.0, c.total - accepted);
	}
	if (without)
		note("%u of %zu event classes cannot be asked: %s", without, c.nr_classes, c.last.text);
	note("%" PRIu64 " events in %.3f s, reading included", c.total, (double)ns / 1e9);
	return c.faults ? EXIT_FAULT : EXIT_RAN;
}
#endif
