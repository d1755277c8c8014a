/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* tool.h - what the files of uebpf-run share: the options, the session, its inputs and its output.
 * The command uses nothing of the library but include/uebpf.h. */
#ifndef UEBPF_TOOLS_TOOL_H
#define UEBPF_TOOLS_TOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include "include/uebpf.h"

/* What the shell learns; the man page lists the same. */
enum exit_code {
	EXIT_RAN = 0, EXIT_USAGE = 1, EXIT_UNSUPPORTED = 2, EXIT_REJECTED = 3, EXIT_FAULT = 4,
	EXIT_BUDGET = 5, EXIT_DIFFERS = 6, EXIT_KERNEL = 7
};

struct strings { char **v; size_t n; };
struct bytes { uint8_t *data; size_t len; };
enum format { FORMAT_TEXT, FORMAT_CSV, FORMAT_JSON };
enum clock_kind { CLOCK_KIND_REAL, CLOCK_KIND_CAPTURE, CLOCK_KIND_FIXED };

struct options {
	const char *file, *insns;	/* one of them; insns: --insns */
	const char *program, *type, *btf, *kconfig;
	const char *ctx, *ctx_hex, *packet, *pcap, *events;
	size_t event_size;
	struct strings ctx_set, writes, map_dump, map_init, set_global, mock, resize, clang;
	struct strings kernel_map, shared_map;
	const char *map, *map_lookup, *map_update, *map_update_value, *map_delete;	/* --map PATH ... */
	const char *pcap_filter;
	const char *filter, *event_type, *emit, *write_accepted, *ctf;
	bool bytecode;			/* `filter` is a file of LTTng bytecode */
	const char *kernel_object, *interface, *run_for;	/* coop.c */
	struct strings every, on_ringbuf, at_exit;
	uint32_t frequency;		/* of perf_event programs, Hz; 0: 99 */
	bool attach, keep, share_data;
	const char *packet_out, *ctx_out, *dump, *no_rules, *no_cpu;
	uint32_t engine, mode, policy, log_level, refuse_may, jit_flags;
	uint64_t budget, max_states, max_ns, repeat, seed;
	uint32_t cpu, pid, tgid, uid, gid;
	const char *comm;
	enum clock_kind clock;
	uint64_t clock_start, clock_step;
	enum format format;		/* of --bench */
	bool map_dump_all, watch;	/* of --map */
	bool list, quiet, json, verify_only, trace, time, bench, kernel;
	bool has_seed, has_cpu, has_task, probe_refuse;
};

struct mock;
struct session {
	const struct options *opt;
	struct uebpf_env *env;
	struct uebpf_object *obj;
	const struct uebpf_prog *prog;
	struct uebpf_prog_info info;
	const char *path;		/* of the object that is open; the compiled file for a .c */
	const char *kconfig;		/* file with the kernel's configuration; NULL: what the library finds */
	char *compiled;			/* temporary object, removed at the end; NULL: none */
	struct bytes insns;		/* --insns */
	struct uebpf_cbpf_insn *cbpf;	/* --pcap-filter */
	size_t nr_cbpf;
	uint64_t open_ns, load_ns;
	uint64_t now;			/* the clock hook's next value (fixed) or the packet's time (capture) */
	uint64_t random;
	uint64_t printed, perf_records, perf_bytes;
	bool show_perf;			/* print each perf record (a single run) */
	struct mock *mocks;
};

/* One input of the program.  Packets lie in a buffer with room in front and behind, as an XDP frame does. */
struct input {
	uint32_t kind;			/* enum uebpf_ctx */
	struct bytes first;		/* the bytes as given; input_reset copies them again */
	uint8_t *room;			/* packet: buffer; else: the context that the program gets */
	size_t room_size, used;		/* used: packet bytes of the run before */
	size_t link;			/* packet: link-layer bytes of `first` that the program does not see */
	struct uebpf_packet packet, packet_first;
	uint64_t time_ns;
};

/* ---- main.c, options.c ---- */
/* Fills *opt; on a mistake prints it and ends with 1. */
void options_parse(struct options *opt, int argc, char **argv);
void print_help(void);
bool has_feature(const char *word);	/* of uebpf_features(); "jit" matches "jit=..." */
/* Ends: flushes the output, removes temporaries; the JSON document is closed. */
void finish(int code) __attribute__((noreturn));
/* One sentence on stderr (and in the JSON document), then finish(code). */
void die(int code, const char *text, ...) __attribute__((noreturn, format(printf, 2, 3)));
/* The library's error, its log where it has one, and the exit code that belongs to it. */
void die_error(const struct session *s, const struct uebpf_error *err) __attribute__((noreturn));
void note(const char *text, ...) __attribute__((format(printf, 1, 2)));	/* stderr; not with --quiet */
int exit_of(const struct uebpf_error *err);
void *need(void *memory);		/* ends the command when memory is short */
uint64_t now_ns(void);
extern struct session session;

/* ---- session.c: env, object, program ---- */
void session_open(struct session *s);		/* env, hooks, mocks, object, globals */
void session_env(struct session *s);		/* the env alone */
void session_choose(struct session *s);		/* the program that --program names or the only one */
void session_load(struct session *s);		/* all of the object; s->prog can run, maps are set */
void session_close(struct session *s);
/* Loads s->obj and finds s->prog; 0 when it can run, else *err says why not. */
int load_program(struct session *s, const struct uebpf_load_opts *opts, struct uebpf_error *err);
struct uebpf_load_opts session_load_opts(const struct session *s);
struct uebpf_object *session_object(struct session *s, struct uebpf_error *err); /* opens it once more */
void replay_hooks(struct session *s, struct uebpf_hooks *hooks);	/* replay.c */
char *compile_c(const char *source, const struct strings *flags);	/* compile.c: path of the object */

/* ---- input.c ---- */
struct bytes read_all(const char *path, const char *what);	/* "-" is stdin, once */
void claim_stdin(const char *what);		/* ends with 1 when it is taken already */
void write_all(const char *path, const void *data, size_t len);
bool is_hex_text(const uint8_t *text, size_t len);
/* Hex digits and white space to bytes; what: the option, for the message. */
struct bytes from_hex(const char *text, size_t len, const char *what);
uint64_t parse_number(const char *text, const char *what, uint64_t max);
struct bytes read_insns(const char *path);
void input_from_options(struct session *s, struct input *in);
void input_make(struct session *s, struct input *in, const void *data, size_t len, uint64_t time_ns);
void input_reset(struct input *in);
bool input_changed(const struct input *in);	/* since the reset */
void input_free(struct input *in);
static inline void *input_ctx(struct input *in)
{
	return in->kind == UEBPF_CTX_PACKET ? (void *)&in->packet : in->room;
}
static inline size_t input_len(const struct input *in)
{
	return in->kind == UEBPF_CTX_PACKET ? sizeof in->packet : in->first.len;
}
/* Where its bytes are after a run. */
struct bytes input_bytes(struct input *in);
/* The same with the link-layer header that the program was not shown. */
struct bytes input_frame(struct input *in);

/* ---- event.c: event types and events of the command line ---- */
void event_type_add(struct session *s);		/* --event-type, into the env */
const char *event_type_name(void);
const char *event_pointer_field(void);		/* a field that a binary record cannot hold; NULL: none */
struct bytes event_from_json(const char *line, size_t len, uint64_t number_of_line);
int emit_filter(struct session *s);
extern const bool ctf_built;
int run_ctf(struct session *s);			/* ctf.c; no_ctf.c without libbabeltrace2 */

/* ---- kconfig.c ---- */
extern const bool kconfig_gz_built;	/* with zlib */
/* The file for uebpf_open_opts.kconfig: `asked` (NULL: the running kernel's, when the object at `path`, or
 * in memory, has kconfig externs), inflated where it is compressed. */
const char *kconfig_file(const char *asked, const char *path, const struct bytes *object);

/* ---- pcap.c ---- */
extern const bool capture_built;	/* with libpcap */
/* libpcap's compiler, for Ethernet frames; the caller frees.  Ends with 1 on a syntax error. */
struct uebpf_cbpf_insn *capture_compile(const char *expression, size_t *n);
struct capture;
struct captured { const uint8_t *data; uint32_t len, wire_len; uint64_t time_ns; };
struct capture *capture_open(const char *path);
bool capture_next(struct capture *c, struct captured *out);	/* false at the end, or where it is damaged */
const char *capture_damage(const struct capture *c);		/* what ended it early (it was told); NULL: nothing */
uint64_t capture_size(const struct capture *c);			/* bytes of the file, 0 unknown */
uint64_t capture_at(const struct capture *c);
void capture_close(struct capture *c);				/* says what was cut short */
struct capture_out;
struct capture_out *capture_create(const char *path);
void capture_write(struct capture_out *out, const void *data, size_t len, uint64_t time_ns);
void capture_finish(struct capture_out *out);

/* ---- run.c, stream.c, bench.c, kernel.c, trace.c: what the command does ---- */
int run_one(struct session *s);
int run_stream(struct session *s);
int run_bench(struct session *s);
int run_trace(struct session *s, struct input *in, uint64_t *r0, struct uebpf_run *run);
int list_object(struct session *s);
int verify_only(struct session *s);
int dump_stages(struct session *s);
/* Reads up to `cap` inputs (all of a capture or of --events, or the one) for timing. */
size_t collect_inputs(struct session *s, struct input **out, size_t cap);
struct timing { double min, median, spread; };	/* ns per run; spread: (p90 - p10) / median */
struct timing timing_of(double *samples, size_t n);
/* Verdict's name or NULL. */
const char *verdict_name(const struct session *s, uint64_t r0);
/* Explains on stderr why a run did not end; returns the exit code. */
int tell_fault(struct session *s, int status, const struct uebpf_run *run, struct uebpf_error *err);
void json_fault(const char *key, int status, const struct uebpf_run *run, const struct uebpf_error *err);

extern const bool kernel_built;		/* with libbpf */
struct kernel;
struct kernel_result { uint32_t retval; struct bytes data, ctx; uint64_t ns; };
/* Loads the object with libbpf; ends with 7 and the kernel's reason when it refuses; with soft set
 * returns NULL instead and *why says it (static text). */
struct kernel *kernel_open(struct session *s, bool soft, const char **why);
/* 0 or -errno; res is valid until the next call.  repeat > 1: res->ns is the mean of one run. */
int kernel_run(struct kernel *k, struct input *in, uint32_t repeat, struct kernel_result *res);
/* True when the result is that of ours; else each difference is printed. */
bool kernel_same_result(struct session *s, const struct kernel_result *res, struct input *in, uint64_t r0,
			bool tell);
bool kernel_same_maps(struct kernel *k, struct session *s);
bool kernel_times(const struct kernel *k);	/* does it tell how long a run took? */
uint64_t kernel_load_ns(const struct kernel *k);
int kernel_map_fd(struct kernel *k, const char *name);	/* -1: it has no such map */
size_t kernel_code_bytes(const struct kernel *k);
void kernel_close(struct kernel *k);
int run_coop(struct session *s);	/* coop.c; no_kernel.c without libbpf */

/* ---- maps.c ---- */
void maps_set_globals(struct session *s);
void maps_resize(struct session *s);
void maps_init(struct session *s);
void maps_push(struct session *s);	/* after the last run, before the dump */
void maps_dump(struct session *s);
char *map_text(const struct uebpf_map *map, int what, const void *data, int json); /* malloc'ed */
int maps_update(struct uebpf_map *map, const void *key, const void *value); /* per-CPU: every slot */
const char *map_why(int r);	/* what a negative result of a map operation means */
void maps_dump_one(struct uebpf_map *map, bool json, bool take);	/* take: a ring's records too */
int maps_dump_entry(struct session *s, struct uebpf_map *map, const void *key);	/* 0 or -errno */

/* ---- mapcmd.c ---- */
int map_command(struct session *s);
void maps_bind(struct session *s, struct uebpf_object *obj);

/* Calls each with key and value of every --map-init of maps, for the kernel's copy. */
typedef void (*map_init_fn)(void *arg, struct uebpf_map *map, const void *key, const void *value);
void maps_each_init(struct session *s, map_init_fn each, void *arg);

/* ---- mock.c ---- */
void mocks_install(struct session *s);
bool mocks_checked(const struct session *s);	/* one stores bytes or leaves its range: runs must be checked */
void mocks_tell(const struct session *s);

/* ---- out.c: text helpers, the JSON document ---- */
void json_open(const char *key, char bracket);		/* '{' or '['; key NULL inside arrays */
void json_close(void);
void json_string(const char *key, const char *value);	/* NULL value: null */
void json_u64(const char *key, uint64_t value);
void json_i64(const char *key, int64_t value);
void json_double(const char *key, double value);
void json_bool(const char *key, bool value);
void json_bytes(const char *key, const void *data, size_t len);	/* lower-case hex */
void json_raw(const char *key, const char *json);	/* text that is JSON already */
void json_lines(void);					/* from now on each document is one line */
void json_end(void);					/* closes what is open; the document is whole */
void json_end_inner(void);				/* closes all but the document itself */
bool json_inside(void);					/* has the document begun and not ended */
void print_hex(FILE *f, const void *data, size_t len);
void print_escaped(FILE *f, const char *text, size_t len);
void out_flush(void);					/* ends with 1 when stdout cannot take it */
const char *with_unit(double value, char buf[24]);	/* "2.41 M" */
struct progress { uint64_t shown_ns; bool on, shown; };
void progress_start(struct progress *p, const struct options *opt);
void progress_show(struct progress *p, uint64_t at, uint64_t whole, uint64_t count);
void progress_end(struct progress *p);

#endif
