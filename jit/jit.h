/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* jit.h - machine code from prepared code.  What every backend offers: a folder jit/ARCH with the
 * functions of "backend" below; where there is none, jit/none.c says so.  Knows nothing of maps and
 * helpers but their descriptors, nothing of objects. */
#ifndef UEBPF_JIT_JIT_H
#define UEBPF_JIT_JIT_H

#include "vm/code.h"

/* ---- CPU features that the emitter may use beyond the architecture's baseline ---- */
/* movbe and bmi (bmi2) are the emitter's; rseq (glibc's registration) and rdpid are ways to the CPU's number,
 * which helpers and their inlined forms take (struct vm_host). */
enum jit_cpu { JIT_CPU_MOVBE = 1, JIT_CPU_BMI2 = 2, JIT_CPU_RDPID = 4, JIT_CPU_RSEQ = 8, JIT_CPU_AVX2 = 16 };
/* Detects; `off`: "movbe,bmi" or "all" or NULL.  -EINVAL: `off` names something unknown. */
int jit_cpu_detect(const char *off, uint32_t *features);
/* The one that is known without asking the processor, which takes a virtual machine some microseconds. */
bool jit_rseq(void);
/* "movbe bmi rdpid", snprintf-like. */
int jit_cpu_text(uint32_t features, char *buf, size_t cap);
/* "x86-64", or NULL when this build has no backend. */
const char *jit_arch(void);

/* ---- code pages of an env (pages.c) ---- */
struct jit_pages;
/* No pages are mapped before the first program.  NULL: memory is short. */
struct jit_pages *jit_pages_new(struct vm_host *host);
void jit_pages_free(struct jit_pages *pages);	/* after the last program; NULL is fine */

/* ---- compiling ---- */
enum jit_flags {
	JIT_BLIND = 1,		/* constants from the program never appear in code as written */
	JIT_RETPOLINE = 2,	/* indirect branches through a retpoline */
	JIT_ENDBR = 4,		/* entries begin with endbr64 (IBT) */
	JIT_PERF_MAP = 8,	/* append to /tmp/perf-PID.map, created with O_EXCL */
	JIT_JITDUMP = 16,	/* write jit-PID.dump into the working directory, created with O_EXCL */
	JIT_GDB = 32,		/* register with GDB's JIT interface */
};
struct jit_opts {
	struct jit_pages *pages;
	uint32_t cpu;			/* enum jit_cpu */
	uint32_t flags;			/* enum jit_flags */
	const char *name;		/* program's name for perf and gdb; NULL: "prog" */
	const char *no_rules;		/* as uebpf_load_opts; NULL: none off */
	uint32_t *hits;			/* JIT_RULE_COUNT: how often each of jit_rule_names did something is added; or NULL */
	bool *unseen;			/* set where a file for perf could not be written; or NULL */
	const struct code *source;	/* of checked code: as it was before it was rewritten; NULL: gone */
	/* Source of an instruction slot for gdb and jitdump; NULL: unknown. */
	bool (*line)(void *arg, uint32_t slot, const char **file, uint32_t *line);
	void *line_arg;
};
struct jit_code;
/* Compiles prepared code and sets code->jit.  The code runs as code->checked and code->metered say.
 * 0, -ENOMEM, -EACCES or -EPERM (executable memory is denied here), -EOPNOTSUPP (no backend, or an
 * operation that the backend lacks: named in *err), -E2BIG. */
int jit_compile(struct code *code, const struct jit_opts *opts, struct uebpf_error *err);
/* Frees code->jit (NULL is fine).  Nobody may be inside. */
void jit_free(struct code *code);
size_t jit_code_bytes(const struct code *code);		/* machine code; 0: not compiled */

enum { JIT_RULE_COUNT = 10 };
extern const char jit_rule_names[];	/* the emitter's own rules; as rewrite_names (vm/rewrite/rewrite.h) */

/* ---- running ---- */
/* As interp_run. */
int jit_run(const struct code *code, void *ctx, size_t ctx_len, struct uebpf_run *run, uint64_t *r0);
/* The plain function when a run needs no state of its own (cannot fault, no budget); else NULL.
 * uebpf_prog_run may call it directly. */
uebpf_entry jit_plain(const struct code *code);
/* A function of the same kind for every program that cannot fault and carries no budget: it builds
 * the state that helpers look at; NULL for others. */
uebpf_entry jit_entry(const struct code *code);
/* The loop over many contexts that was compiled with the program; results != end.  From base in steps of stride;
 * stride 0: base is an array of struct uebpf_record.  packets: base is one of packets (data and length), and stride
 * the address of a struct uebpf_packet whose bounds the loop sets; returns all their lengths in one word (OR: too
 * long ones show).  NULL: there is none. */
typedef uint64_t (*jit_batch_fn)(const void *base, size_t stride, uint64_t *results, uint64_t *end);
jit_batch_fn jit_batch(const struct code *code, bool packets);
bool jit_batch_views(const struct code *code);		/* does that of packets use the struct uebpf_packet? */

/* ---- looking at it ---- */
/* Disassembly interleaved with the decoded instructions and, before an instruction, what note (may be
 * NULL) says of its slot ("" or whole lines); returns the whole length. */
long jit_dump(const struct code *code, char *buf, size_t cap, const char *(*note)(void *arg, uint32_t slot),
	      void *arg);
/* Where in the program is machine address `addr`?  false: not inside.  Async-signal-safe. */
bool jit_addr(const struct code *code, uintptr_t addr, uint32_t *slot);
/* The compiled program that holds `addr`, or NULL.  Takes no lock: for crash handlers. */
const struct code *jit_find(const struct jit_pages *pages, uintptr_t addr);

#endif
