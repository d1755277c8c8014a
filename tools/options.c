/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* options.c - the command line of uebpf-run: one table row per option, and what excludes what.
 * Does nothing but fill struct options. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "tools/tool.h"

enum option_id {
	O_FIRST = 256, O_PROGRAM, O_TYPE, O_LIST, O_BTF, O_KCONFIG, O_CTX, O_CTX_HEX, O_CTX_SET, O_PACKET, O_PCAP,
	O_EVENTS, O_EVENT_SIZE, O_INSNS, O_QUIET, O_JSON, O_PACKET_OUT, O_CTX_OUT, O_WRITE, O_MAP_DUMP, O_MAP_INIT,
	O_MAP_SIZE, O_SET_GLOBAL, O_ENGINE, O_MODE, O_POLICY, O_BUDGET, O_VERIFY_ONLY, O_LOG, O_MAX_STATES,
	O_MAX_TIME, O_REFUSE_MAY, O_TRACE, O_DUMP, O_NO_RULE, O_NO_CPU, O_JIT, O_REPEAT, O_TIME, O_BENCH, O_KERNEL, O_CLOCK,
	O_SEED, O_CPU, O_PID, O_TGID, O_UID, O_GID, O_COMM, O_MOCK, O_PROBE, O_CLANG, O_MAP, O_LOOKUP,
	O_UPDATE, O_DELETE, O_WATCH, O_KERNEL_MAP, O_SHARED_MAP, O_PCAP_FILTER, O_KERNEL_OBJECT, O_ATTACH, O_EVERY, O_ON_RINGBUF,
	O_FILTER, O_LTTNG, O_EVENT_TYPE, O_EMIT, O_WRITE_ACCEPTED, O_CTF, O_AT_EXIT, O_FOR, O_KEEP, O_SHARE_DATA, O_INTERFACE, O_FREQUENCY, O_VERSION, O_HELP
};

static const struct option table[] = {
	{ "program", 1, 0, O_PROGRAM }, { "type", 1, 0, O_TYPE }, { "list", 0, 0, O_LIST },
	{ "btf", 1, 0, O_BTF }, { "kconfig", 1, 0, O_KCONFIG },
	{ "ctx", 1, 0, O_CTX }, { "ctx-hex", 1, 0, O_CTX_HEX }, { "ctx-set", 1, 0, O_CTX_SET },
	{ "packet", 1, 0, O_PACKET }, { "pcap", 1, 0, O_PCAP }, { "events", 1, 0, O_EVENTS },
	{ "event-size", 1, 0, O_EVENT_SIZE }, { "insns", 1, 0, O_INSNS },
	{ "quiet", 0, 0, O_QUIET }, { "json", 0, 0, O_JSON }, { "packet-out", 1, 0, O_PACKET_OUT },
	{ "ctx-out", 1, 0, O_CTX_OUT }, { "write", 1, 0, O_WRITE }, { "map-dump", 1, 0, O_MAP_DUMP },
	{ "map-init", 1, 0, O_MAP_INIT }, { "map-size", 1, 0, O_MAP_SIZE },
	{ "set-global", 1, 0, O_SET_GLOBAL }, { "engine", 1, 0, O_ENGINE }, { "mode", 1, 0, O_MODE },
	{ "policy", 1, 0, O_POLICY }, { "budget", 1, 0, O_BUDGET }, { "verify-only", 0, 0, O_VERIFY_ONLY },
	{ "log", 1, 0, O_LOG }, { "max-states", 1, 0, O_MAX_STATES }, { "max-time", 1, 0, O_MAX_TIME },
	{ "refuse-may", 1, 0, O_REFUSE_MAY }, { "trace", 0, 0, O_TRACE }, { "dump", 2, 0, O_DUMP },
	{ "no-rule", 1, 0, O_NO_RULE }, { "no-cpu", 1, 0, O_NO_CPU }, { "jit", 1, 0, O_JIT }, { "repeat", 1, 0, O_REPEAT },
	{ "time", 0, 0, O_TIME }, { "bench", 2, 0, O_BENCH }, { "kernel", 0, 0, O_KERNEL },
	{ "clock", 1, 0, O_CLOCK }, { "seed", 1, 0, O_SEED }, { "cpu", 1, 0, O_CPU }, { "pid", 1, 0, O_PID },
	{ "tgid", 1, 0, O_TGID }, { "uid", 1, 0, O_UID }, { "gid", 1, 0, O_GID }, { "comm", 1, 0, O_COMM },
	{ "mock", 1, 0, O_MOCK }, { "probe", 1, 0, O_PROBE }, { "clang", 1, 0, O_CLANG },
	{ "map", 1, 0, O_MAP }, { "lookup", 1, 0, O_LOOKUP }, { "update", 1, 0, O_UPDATE },
	{ "delete", 1, 0, O_DELETE }, { "watch", 0, 0, O_WATCH }, { "kernel-map", 1, 0, O_KERNEL_MAP },
	{ "shared-map", 1, 0, O_SHARED_MAP }, { "pcap-filter", 1, 0, O_PCAP_FILTER },
	{ "kernel-object", 1, 0, O_KERNEL_OBJECT }, { "attach", 0, 0, O_ATTACH }, { "every", 1, 0, O_EVERY },
	{ "on-ringbuf", 1, 0, O_ON_RINGBUF }, { "at-exit", 2, 0, O_AT_EXIT }, { "for", 1, 0, O_FOR },
	{ "keep", 0, 0, O_KEEP }, { "share-data", 0, 0, O_SHARE_DATA }, { "interface", 1, 0, O_INTERFACE },
	{ "frequency", 1, 0, O_FREQUENCY },
	{ "filter", 1, 0, O_FILTER }, { "lttng-bytecode", 1, 0, O_LTTNG }, { "event-type", 1, 0, O_EVENT_TYPE }, { "emit", 1, 0, O_EMIT },
	{ "write-accepted", 1, 0, O_WRITE_ACCEPTED }, { "ctf", 1, 0, O_CTF },
	{ "version", 0, 0, O_VERSION }, { "help", 0, 0, O_HELP },
	{ NULL, 0, 0, 0 }
};

static const char help[] =
"uebpf-run: runs eBPF programs in user space\n"
"\n"
"usage: uebpf-run [options] prog.o      an object built with clang --target=bpf -O2 -g -c\n"
"       uebpf-run [options] prog.c      compiles it first, and prints the command\n"
"       uebpf-run [options] --insns F   bare instructions\n"
"\n"
"What runs\n"
"  --program NAME|SECTION    which program of the object (needed when there are several)\n"
"  --type TYPE               program type where the section says nothing: raw, xdp, tc, socket, ...\n"
"  --list                    programs, maps, globals, helpers and their sizes; runs nothing\n"
"  --insns FILE|-            instructions without ELF: hex if every byte is a hex digit or white\n"
"                            space, else binary (8 bytes each, little-endian)\n"
"  --btf FILE                BTF that CO-RE relocates against (default: the running kernel's)\n"
"  --kconfig FILE            CONFIG_X=y lines for kconfig externs, plain or .gz (default: the running\n"
"                            kernel's, from /boot or /proc/config.gz)\n"
"  --clang FLAG              one more flag for compiling prog.c; may be repeated\n"
"Input (none: a zeroed context, or a packet of 64 zero bytes)\n"
"  --ctx FILE|-              the context's bytes           --ctx-hex HEX   the same in hex\n"
"  --ctx-set FIELD=VALUE     a field of the context or packet metadata; may be repeated\n"
"  --packet FILE|-|HEX       one packet, link layer first (cgroup_skb and lwt programs see it from the\n"
"                            network layer on, as in the kernel)\n"
"  --pcap FILE|-             every packet of a pcap or pcapng capture\n"
"  --events FILE|-           every record of a file of equal-sized contexts\n"
"  --event-size N            bytes of one record where the type does not say\n"
"Output\n"
"  --quiet                   only r0, bare lower-case hex   --json   one JSON document on stdout\n"
"  --packet-out FILE         the packet after the run       --ctx-out FILE   the context after it\n"
"  --write V[,V..]:OUT.pcap  packets with these verdicts, as the program left them; V is a name\n"
"                            (XDP_DROP or drop), a number, nonzero, fault or all\n"
"  --map-dump NAME|all       a map's entries afterwards, typed by BTF; may be repeated\n"
"State before the run\n"
"  --map-init 'NAME[KEY]=VALUE'  an entry, typed by BTF; VALUE prog:NAME fills a program array;\n"
"                            @FILE has one such line each (what --map-dump prints is accepted)\n"
"  --map-size NAME=N         another max_entries\n"
"  --set-global NAME=VALUE   a global variable or constant, typed by BTF\n"
"  --kernel-map NAME=PIN     uses the kernel's map pinned there in place of the object's\n"
"  --shared-map NAME=FILE    a map shared with other processes in that file, which is made when missing\n"
"With a kernel half (libbpf; maps of equal name and shape are shared)\n"
"  --kernel-object KERN.o    loads it into the kernel; --attach attaches its programs by their sections\n"
"                            (--interface NAME for xdp and tc, --frequency HZ for perf_event)\n"
"  --every TIME[:PROGRAM]    runs a program of prog.o again and again: 10ms, 1s\n"
"  --on-ringbuf MAP[:PROGRAM]   for each record of a ring buffer or perf_event_array: the record is its context\n"
"  --at-exit[=PROGRAM]       once, after the kernel half is detached\n"
"  --for TIME                ends by itself (else Ctrl-C)   --share-data   .data and .bss are shared too\n"
"  --keep                    leaves the maps that it pinned\n"
"Without an object\n"
"  --pcap-filter EXPR        runs libpcap's classic filter: --pcap in.pcap --pcap-filter 'tcp port 80'\n"
"  --filter EXPR             a filter expression over --event-type: --events FILE|- (binary records, or\n"
"                            JSON lines by field name); --write-accepted FILE what it accepts;\n"
"                            --emit FILE saves it as an object for another process\n"
"  --lttng-bytecode FILE     the same for LTTng's filter bytecode (docs/lttng.md)\n"
"  --event-type OBJ:STRUCT|FILE   its events: a C struct's BTF, or lines such as: u32 a, u32 b:3,\n"
"                            char name[16]\n"
"  --ctf DIR                 tries the filter on a recorded trace; --write-accepted DIR: a trace of what it\n"
"                            accepts\n"
"  --map FILE|PIN            shows a shared map or the kernel's pinned one; with it: --dump (the default),\n"
"                            --lookup KEY, --update KEY VALUE, --delete KEY, --watch (--repeat N times)\n"
"How it runs\n"
"  --engine auto|jit|interp  --mode verified|checked|trusted\n"
"  --policy user|kernel      user (default): safety; kernel: also what the kernel refuses for form\n"
"  --budget N                steps that a run may take\n"
"  --refuse-may syscall,lock,alloc   refuse programs whose helpers or maps may do so\n"
"  --probe refuse|syscall    how probe_read meets memory that is not the program's (default syscall)\n"
"  --no-rule NAME,..|all     rewriting rules off            --no-cpu NAME,..|all   CPU features off\n"
"  --jit WHAT,..             blind (no constant of the program in the code), retpoline, endbr (IBT);\n"
"                            perf-map, jitdump (for perf), gdb (bt names program and line)\n"
"Looking closer\n"
"  --verify-only             a verdict per program; runs nothing\n"
"  --log path|states         more of the verifier's log; --max-states N, --max-time MS its limits\n"
"                            (time: 10 s unless told)\n"
"  --trace                   each instruction with the registers before it, on stderr; the run is\n"
"                            interpreted, and checked unless --mode says otherwise\n"
"  --dump=WHAT,..            insns, facts, rewrite, x86; runs nothing\n"
"  --repeat N                run N times; with --time: ns per run, least and median\n"
"  --bench[=csv|json]        one table: each engine and mode, and the kernel when permitted\n"
"  --kernel                  same object and input in the kernel (BPF_PROG_TEST_RUN), side by side\n"
"Deterministic replay\n"
"  --clock real|capture|fixed:NS[+STEP]   what the time helpers say (capture: the packet's time)\n"
"  --seed N  --cpu N  --pid N  --tgid N  --uid N  --gid N  --comm NAME\n"
"  --mock HELPER=RETURN[,ARG<-HEX]..   scripts a helper: its result, bytes stored where ARG (1-5) points\n"
"Other\n"
"  --version, --help\n"
"\n"
"exit: 0 ran or verified  1 usage or I/O  2 malformed, not supported here, part absent  3 rejected\n"
"      4 fault  5 budget spent  6 --kernel differs  7 the kernel refused\n";

void print_help(void)
{
	fputs(help, stdout);
}

static void add(struct strings *list, const char *value)
{
	list->v = need(realloc(list->v, (list->n + 1) * sizeof *list->v));
	list->v[list->n++] = need(strdup(value));
}

uint64_t parse_number(const char *text, const char *what, uint64_t max)
{
	char *end;
	unsigned long long v;

	errno = 0;
	v = strtoull(text, &end, 0);
	if (errno || end == text || *end || text[0] == '-' || text[0] == ' ')
		die(EXIT_USAGE, "%s: '%s' is not a number that fits", what, text);
	if (v > max)
		die(EXIT_USAGE, "%s: %s is more than %" PRIu64, what, text, max);
	return v;
}

struct choice { const char *name; uint32_t value; };
static uint32_t choose(const char *option, const char *text, const struct choice *c)
{
	char all[128] = "";

	for (const struct choice *i = c; i->name; i++) {
		if (!strcmp(i->name, text))
			return i->value;
		snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", *all ? ", " : "", i->name);
	}
	die(EXIT_USAGE, "--%s: '%s' is none of %s", option, text, all);
}

/* Names separated by commas. */
static uint32_t choose_all(const char *option, const char *text, const struct choice *c)
{
	char *copy = need(strdup(text)), *save = NULL;
	uint32_t bits = 0;

	for (char *w = strtok_r(copy, ",", &save); w; w = strtok_r(NULL, ",", &save))
		bits |= choose(option, w, c);
	free(copy);
	return bits;
}

static void parse_clock(struct options *opt, const char *text)
{
	char copy[64], *plus;

	if (!strcmp(text, "real")) {
		opt->clock = CLOCK_KIND_REAL;
	} else if (!strcmp(text, "capture")) {
		opt->clock = CLOCK_KIND_CAPTURE;
	} else if (!strncmp(text, "fixed:", 6) && strlen(text) < sizeof copy) {
		opt->clock = CLOCK_KIND_FIXED;
		strcpy(copy, text + 6);
		plus = strchr(copy, '+');
		if (plus)
			*plus++ = 0;
		opt->clock_start = parse_number(copy, "--clock fixed", UINT64_MAX);
		opt->clock_step = plus ? parse_number(plus, "--clock fixed: step", UINT64_MAX) : 0;
	} else {
		die(EXIT_USAGE, "--clock: '%s' is none of real, capture, fixed:NS, fixed:NS+STEP", text);
	}
}

/* Options of input and replay; false: not one of them. */
static bool take_input(struct options *o, int id, const char *arg)
{
	switch (id) {
	case O_CTX: o->ctx = arg; break;
	case O_CTX_HEX: o->ctx_hex = arg; break;
	case O_CTX_SET: add(&o->ctx_set, arg); break;
	case O_PACKET: o->packet = arg; break;
	case O_PCAP: o->pcap = arg; break;
	case O_EVENTS: o->events = arg; break;
	case O_EVENT_SIZE: o->event_size = parse_number(arg, "--event-size", 1 << 20); break;
	case O_INSNS: o->insns = arg; break;
	case O_MAP_INIT: add(&o->map_init, arg); break;
	case O_MAP_SIZE: add(&o->resize, arg); break;
	case O_SET_GLOBAL: add(&o->set_global, arg); break;
	case O_MOCK: add(&o->mock, arg); break;
	case O_MAP: o->map = arg; break;
	case O_LOOKUP: o->map_lookup = arg; break;
	case O_UPDATE: o->map_update = arg; break;
	case O_DELETE: o->map_delete = arg; break;
	case O_WATCH: o->watch = true; break;
	case O_KERNEL_MAP: add(&o->kernel_map, arg); break;
	case O_SHARED_MAP: add(&o->shared_map, arg); break;
	case O_PCAP_FILTER: o->pcap_filter = arg; break;
	case O_FILTER: o->filter = arg; break;
	case O_LTTNG: o->filter = arg; o->bytecode = true; break;
	case O_EVENT_TYPE: o->event_type = arg; break;
	case O_EMIT: o->emit = arg; break;
	case O_WRITE_ACCEPTED: o->write_accepted = arg; break;
	case O_CTF: o->ctf = arg; break;
	case O_CLOCK: parse_clock(o, arg); break;
	case O_SEED: o->seed = parse_number(arg, "--seed", UINT64_MAX); o->has_seed = true; break;
	case O_CPU: o->cpu = parse_number(arg, "--cpu", 65535); o->has_cpu = true; break;
	case O_PID: o->pid = parse_number(arg, "--pid", UINT32_MAX); o->has_task = true; break;
	case O_TGID: o->tgid = parse_number(arg, "--tgid", UINT32_MAX); o->has_task = true; break;
	case O_UID: o->uid = parse_number(arg, "--uid", UINT32_MAX); o->has_task = true; break;
	case O_GID: o->gid = parse_number(arg, "--gid", UINT32_MAX); o->has_task = true; break;
	case O_COMM:
		if (strlen(arg) > 15)
			die(EXIT_USAGE, "--comm: '%s' is longer than 15 characters", arg);
		o->comm = arg;
		o->has_task = true;
		break;
	default:
		return false;
	}
	return true;
}

static void take(struct options *o, int id, const char *arg)
{
	static const struct choice may[] = { { "syscall", UEBPF_MAY_SYSCALL }, { "lock", UEBPF_MAY_LOCK },
					     { "alloc", UEBPF_MAY_ALLOC }, { NULL, 0 } };
	static const struct choice jit[] = {
		{ "blind", UEBPF_JIT_BLIND }, { "retpoline", UEBPF_JIT_RETPOLINE }, { "endbr", UEBPF_JIT_ENDBR },
		{ "perf-map", UEBPF_JIT_PERF_MAP }, { "jitdump", UEBPF_JIT_JITDUMP }, { "gdb", UEBPF_JIT_GDB },
		{ NULL, 0 }
	};
	static const struct choice engines[] = { { "auto", UEBPF_ENGINE_AUTO }, { "jit", UEBPF_ENGINE_JIT },
						 { "interp", UEBPF_ENGINE_INTERP }, { NULL, 0 } };
	static const struct choice modes[] = { { "verified", UEBPF_MODE_VERIFIED },
		{ "checked", UEBPF_MODE_CHECKED }, { "trusted", UEBPF_MODE_TRUSTED }, { NULL, 0 } };
	static const struct choice policies[] = { { "user", UEBPF_POLICY_USER },
						  { "kernel", UEBPF_POLICY_KERNEL }, { NULL, 0 } };
	static const struct choice logs[] = { { "short", 0 }, { "path", 1 }, { "states", 2 }, { NULL, 0 } };
	static const struct choice formats[] = { { "text", FORMAT_TEXT }, { "csv", FORMAT_CSV },
						 { "json", FORMAT_JSON }, { NULL, 0 } };
	static const struct choice probes[] = { { "refuse", 1 }, { "syscall", 0 }, { NULL, 0 } };

	if (take_input(o, id, arg))
		return;
	switch (id) {
	case O_PROGRAM: o->program = arg; break;
	case O_TYPE: o->type = arg; break;
	case O_LIST: o->list = true; break;
	case O_BTF: o->btf = arg; break;
	case O_KCONFIG: o->kconfig = arg; break;
	case O_QUIET: o->quiet = true; break;
	case O_JSON: o->json = true; break;
	case O_PACKET_OUT: o->packet_out = arg; break;
	case O_CTX_OUT: o->ctx_out = arg; break;
	case O_WRITE: add(&o->writes, arg); break;
	case O_MAP_DUMP: add(&o->map_dump, arg); break;
	case O_ENGINE: o->engine = choose("engine", arg, engines); break;
	case O_MODE: o->mode = choose("mode", arg, modes); break;
	case O_POLICY: o->policy = choose("policy", arg, policies); break;
	case O_BUDGET:
		o->budget = parse_number(arg, "--budget", UINT64_MAX);
		if (!o->budget)
			die(EXIT_USAGE, "--budget: 0 steps run nothing");
		break;
	case O_VERIFY_ONLY: o->verify_only = true; break;
	case O_LOG: o->log_level = choose("log", arg, logs); break;
	case O_MAX_STATES: o->max_states = parse_number(arg, "--max-states", UINT64_MAX); break;
	case O_MAX_TIME: o->max_ns = parse_number(arg, "--max-time", UINT64_MAX / 1000000) * 1000000; break;
	case O_REFUSE_MAY: o->refuse_may = choose_all("refuse-may", arg, may); break;
	case O_TRACE: o->trace = true; break;
	case O_DUMP:
		o->dump = arg;
		o->map_dump_all = !arg;	/* of --map PATH */
		break;
	case O_NO_RULE: o->no_rules = arg; break;
	case O_NO_CPU: o->no_cpu = arg; break;
	case O_JIT: o->jit_flags |= choose_all("jit", arg, jit); break;
	case O_REPEAT:
		o->repeat = parse_number(arg, "--repeat", 1000000000000);
		if (!o->repeat)
			die(EXIT_USAGE, "--repeat: 0 runs are none");
		break;
	case O_TIME: o->time = true; break;
	case O_BENCH:
		o->bench = true;
		o->format = arg ? (enum format)choose("bench", arg, formats) : FORMAT_TEXT;
		break;
	case O_KERNEL: o->kernel = true; break;
	case O_KERNEL_OBJECT: o->kernel_object = arg; break;
	case O_ATTACH: o->attach = true; break;
	case O_EVERY: add(&o->every, arg); break;
	case O_ON_RINGBUF: add(&o->on_ringbuf, arg); break;
	case O_AT_EXIT: add(&o->at_exit, arg ? arg : ""); break;
	case O_FOR: o->run_for = arg; break;
	case O_KEEP: o->keep = true; break;
	case O_SHARE_DATA: o->share_data = true; break;
	case O_INTERFACE: o->interface = arg; break;
	case O_FREQUENCY: o->frequency = (uint32_t)parse_number(arg, "--frequency", 1000000); break;
	case O_PROBE: o->probe_refuse = choose("probe", arg, probes); break;
	case O_CLANG: add(&o->clang, arg); break;
	}
}

/* Pairs that cannot both be meant. */
static void check_pairs(const struct options *o)
{
	const struct { bool a; const char *a_name; bool b; const char *b_name; } pair[] = {
		{ o->quiet, "--quiet", o->json, "--json" },
		{ o->file, "an object", o->insns, "--insns" },
		{ o->file || o->insns, "an object", o->map, "--map (--map-dump shows an object's maps)" },
		{ o->file || o->insns, "an object", o->pcap_filter, "--pcap-filter" },
		{ o->file || o->insns || o->pcap_filter, "another program", o->filter, "--filter" },
		{ o->filter && !o->event_type && !o->ctf, "--filter", true, "no --event-type: it says what the fields are" },
		{ o->bytecode, "--lttng-bytecode", o->ctf, "--ctf" },
		{ !o->filter, "no --filter", o->emit || o->ctf, "--emit or --ctf" },
		{ !o->events && !o->ctf, "no --events", o->write_accepted, "--write-accepted" },
		{ o->filter, "--filter", o->kernel, "--kernel (--emit writes an object for it)" },
		{ o->kernel, "--kernel", o->pcap_filter, "--pcap-filter" },
		{ !!o->map_lookup + !!o->map_update + !!o->map_delete + o->watch > 1, "one of --lookup, --update, "
		  "--delete, --watch", true, "another of them" },
		{ o->ctx, "--ctx", o->ctx_hex, "--ctx-hex" },
		{ o->ctx || o->ctx_hex, "--ctx", o->packet || o->pcap, "--packet or --pcap" },
		{ o->ctx || o->ctx_hex || o->packet || o->pcap, "a single input or --pcap", o->events, "--events" },
		{ o->packet, "--packet", o->pcap, "--pcap" },
		{ o->pcap || o->events, "--pcap or --events", o->trace, "--trace" },
		{ o->pcap || o->events, "--pcap or --events", o->repeat && !o->bench, "--repeat" },
		{ o->pcap || o->events, "--pcap or --events", o->packet_out || o->ctx_out,
		  "--packet-out or --ctx-out (a capture goes out with --write)" },
		{ !o->pcap, "no --pcap", o->writes.n, "--write" },
		{ o->bench, "--bench", o->kernel, "--kernel (the table has the kernel already)" },
		{ o->bench, "--bench", o->trace, "--trace" },
		{ o->repeat > 1, "--repeat", o->trace, "--trace" },
		{ o->trace, "--trace (it shows the interpreter)", o->engine == UEBPF_ENGINE_JIT, "--engine jit" },
		{ o->insns, "--insns", o->kernel && !o->type, "--kernel without --type" },
		{ o->quiet, "--quiet", o->list || o->bench || o->dump || o->verify_only,
		  "an option that prints a table" },
		{ o->clock == CLOCK_KIND_CAPTURE, "--clock capture", !o->pcap, "no --pcap" },
		{ o->kernel_object, "--kernel-object", o->kernel || o->bench || o->trace || o->pcap || o->events ||
		  o->repeat || o->insns || o->list || o->verify_only || o->dump, "--kernel, --bench, --trace, --dump, "
		  "--list, --verify-only, --repeat, --insns, --pcap or --events" },
		{ !o->kernel_object, "no --kernel-object", o->attach || o->every.n || o->on_ringbuf.n || o->at_exit.n ||
		  o->keep || o->share_data || o->interface || o->frequency || o->run_for, "--attach, --every, --on-ringbuf, "
		  "--at-exit, --for, --keep, --share-data, --interface or --frequency" },
	};

	for (size_t i = 0; i < sizeof pair / sizeof pair[0]; i++)
		if (pair[i].a && pair[i].b) {
			const char *a = pair[i].a_name, *b = pair[i].b_name;
			bool no_a = !strncmp(a, "no ", 3), no_b = !strncmp(b, "no ", 3);

			if (no_a || no_b)
				die(EXIT_USAGE, "%s works only with %s", no_a ? b : a, (no_a ? a : b) + 3);
			die(EXIT_USAGE, "%s and %s do not go together", a, b);
		}
	if (o->time && !o->repeat)
		die(EXIT_USAGE, "--time needs --repeat N: one run is too short to time");
	if (o->map_update && !o->map_update_value)
		die(EXIT_USAGE, "--update needs a key and a value");
	if (!o->map && (o->map_lookup || o->map_update || o->map_delete || o->watch || o->map_dump_all))
		die(EXIT_USAGE, o->map_dump_all ? "--dump needs =WHAT, or --map PATH" :
		    "--lookup, --update, --delete and --watch need --map PATH");
	if (!o->file && !o->insns && !o->map && !o->pcap_filter && !o->filter)
		die(EXIT_USAGE, "no program given; try: uebpf-run prog.o, or --help");
}

static void take_object(struct options *o, const char *path)
{
	if (o->map_update && !o->map_update_value) {	/* --update KEY VALUE */
		o->map_update_value = path;
		return;
	}
	if (o->file)
		die(EXIT_USAGE, "two objects: %s and %s", o->file, path);
	o->file = path;
}

static void print_version(bool json)
{
	char features[512];

	uebpf_features(features, sizeof features);
	if (json) {
		json_open(NULL, '{');
		json_string("version", uebpf_version());
		json_string("features", features);
		json_bool("libpcap", capture_built);
		json_bool("libbpf", kernel_built);
		json_bool("zlib", kconfig_gz_built);
		json_bool("libbabeltrace2", ctf_built);
		return;
	}
	printf("uebpf-run %s\nfeatures: %s\noptional: libpcap %s, libbpf %s, zlib %s, libbabeltrace2 %s\n", uebpf_version(), features,
	       capture_built ? "yes" : "no", kernel_built ? "yes" : "no", kconfig_gz_built ? "yes" : "no",
	       ctf_built ? "yes" : "no");
}

void options_parse(struct options *opt, int argc, char **argv)
{
	int id;

	opt->pid = opt->tgid = UINT32_MAX;
	opterr = 0;
	for (int i = 1; i < argc; i++)
		opt->json |= !strcmp(argv[i], "--json");	/* so that a usage error is a document too */
	for (;;) {
		int at = optind;

		id = getopt_long(argc, argv, "-:qhV", table, NULL);
		if (id == -1)
			break;
		switch (id) {
		case 1:
			take_object(opt, optarg);
			break;
		case '?':
			die(EXIT_USAGE, "%s: no such option; see --help", argv[at]);
		case ':':
			die(EXIT_USAGE, "%s needs a value; see --help", argv[at]);
		case 'q':
			opt->quiet = true;
			break;
		case 'h': case O_HELP:
			print_help();
			finish(EXIT_RAN);
		case 'V': case O_VERSION:
			print_version(opt->json);
			finish(EXIT_RAN);
		default:
			take(opt, id, optarg);
		}
	}
	while (optind < argc)
		take_object(opt, argv[optind++]);
	check_pairs(opt);
}
