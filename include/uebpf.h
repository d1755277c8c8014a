/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* uebpf.h - the public API of libuebpf: eBPF programs in the caller's own process.
 *
 * An env holds what programs may use (helpers, program types, limits, hooks).  An object is
 * opened in an env from a file, memory or instructions, may be adjusted (globals, map sizes and
 * bindings), and is then loaded.  Loading yields programs (immutable, refcounted, runnable from
 * any thread and from signal handlers) and maps (refcounted, may outlive the object).
 *
 * Rules that hold everywhere:
 *  - functions return 0 or a negative errno value; errno itself is never touched;
 *  - option structs begin with their own size, a NULL option pointer or a zero field means default;
 *  - the library installs no signal handler, starts no thread, reads no environment variable,
 *    never writes to stdout or stderr and never ends the process.
 */
#ifndef UEBPF_H
#define UEBPF_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define UEBPF_API __attribute__((visibility("default")))
#else
#define UEBPF_API
#endif

struct uebpf_env;
struct uebpf_object;
struct uebpf_prog;
struct uebpf_map;
struct uebpf_call;	/* what a helper can ask about the run that called it */

/* "0.1.0"; static storage. */
UEBPF_API const char *uebpf_version(void);
/* What this build and CPU can do, e.g. "interp verifier jit=x86-64 movbe bmi libelf", into buf (cut to cap
 * bytes with the NUL); the length of the whole.  Any thread.  Words: "interp", "verifier" when mode verified
 * exists, "jit=ARCH" when engine jit exists, then CPU features in use, then "libelf" when objects can be
 * opened, "filters" when expressions and LTTng bytecode can. */
UEBPF_API size_t uebpf_features(char *buf, size_t cap);

/* ---- errors --------------------------------------------------------------------------- */

enum uebpf_stage {
	UEBPF_STAGE_NONE, UEBPF_STAGE_ENV, UEBPF_STAGE_OPEN, UEBPF_STAGE_ELF, UEBPF_STAGE_BTF,
	UEBPF_STAGE_RELOC, UEBPF_STAGE_CORE, UEBPF_STAGE_MAP, UEBPF_STAGE_DECODE, UEBPF_STAGE_LINK,
	UEBPF_STAGE_VERIFY, UEBPF_STAGE_REWRITE, UEBPF_STAGE_JIT, UEBPF_STAGE_RUN, UEBPF_STAGE_FILTER
};

/* Stable numbers: a code keeps its value and meaning in all later versions. */
enum uebpf_code {
	UEBPF_OK = 0,
	/* arguments and resources */
	UEBPF_E_ARGUMENT = 1, UEBPF_E_MEMORY = 2, UEBPF_E_IO = 3, UEBPF_E_LIMIT = 4, UEBPF_E_STATE = 5,
	UEBPF_E_ABSENT = 6,		/* a part this build or machine does not have */
	/* what was given is not a usable object */
	UEBPF_E_NOT_ELF = 20, UEBPF_E_HOST_OBJECT = 21, UEBPF_E_LLVM_IR = 22, UEBPF_E_SOURCE_TEXT = 23,
	UEBPF_E_BIG_ENDIAN = 24, UEBPF_E_MALFORMED = 25, UEBPF_E_NO_PROGRAM = 26, UEBPF_E_NO_BTF = 27,
	UEBPF_E_BAD_BTF = 28, UEBPF_E_BAD_RELOC = 29, UEBPF_E_EXTERN = 30, UEBPF_E_CORE = 31,
	UEBPF_E_MAP_DEF = 32, UEBPF_E_MAP_TYPE = 33, UEBPF_E_MAP_BIND = 34, UEBPF_E_SYNTAX = 35,
	UEBPF_E_FIELD = 36,
	/* what the program asks for */
	UEBPF_E_INSN = 50, UEBPF_E_JUMP = 51, UEBPF_E_HELPER = 52, UEBPF_E_KFUNC = 53,
	UEBPF_E_PROG_TYPE = 54, UEBPF_E_UNSUPPORTED = 55, UEBPF_E_TOO_LONG = 56,
	/* the verifier's no */
	UEBPF_E_UNSAFE = 70, UEBPF_E_FORM = 71, UEBPF_E_COMPLEX = 72,
	/* a run that did not end with exit */
	UEBPF_E_FAULT = 90, UEBPF_E_BUDGET = 91, UEBPF_E_ABORTED = 92, UEBPF_E_DEPTH = 93,
	UEBPF_E_NO_HELPER = 94, UEBPF_E_CONTEXT = 95
};

/* One error, whole: fixed size, by value, nothing to free, may be copied and sent. */
struct uebpf_error {
	uint32_t stage;		/* enum uebpf_stage */
	uint32_t code;		/* enum uebpf_code */
	int32_t err;		/* negative errno value, the same that the function returned */
	uint32_t pc;		/* instruction slot in the program (8-byte units), UINT32_MAX if none */
	uint32_t line;		/* source line, 0 if unknown */
	uint32_t column;	/* source column, 0 if unknown */
	char object[128];	/* file or object name, tail kept when longer */
	char section[64];
	char symbol[64];	/* program, map, global or extern */
	char file[128];		/* source file */
	char text[512];		/* "prog.o:xdp/drop_udp:filter.c:42: what is wrong and how to mend it" */
};
/* Static text, "unknown" for other numbers. */
UEBPF_API const char *uebpf_stage_name(uint32_t stage);	/* "verify" */
UEBPF_API const char *uebpf_code_name(uint32_t code);	/* "UEBPF_E_NOT_ELF" */

/* For a socket or a file: a portable form of at most UEBPF_ERROR_PACKED bytes.  Pack returns the length
 * (nothing is written when it exceeds cap).  Unpack returns the bytes used, -EAGAIN when `len` ends
 * before the error does, -EBADMSG when this is none. */
#define UEBPF_ERROR_PACKED 960
UEBPF_API size_t uebpf_error_pack(const struct uebpf_error *err, void *buf, size_t cap);
UEBPF_API long uebpf_error_unpack(const void *data, size_t len, struct uebpf_error *err);

/* ---- env ------------------------------------------------------------------------------ */

enum uebpf_level { UEBPF_LOG_ERROR, UEBPF_LOG_WARN, UEBPF_LOG_INFO, UEBPF_LOG_DEBUG };
enum uebpf_mode { UEBPF_MODE_DEFAULT, UEBPF_MODE_VERIFIED, UEBPF_MODE_CHECKED, UEBPF_MODE_TRUSTED };
enum uebpf_engine { UEBPF_ENGINE_AUTO, UEBPF_ENGINE_JIT, UEBPF_ENGINE_INTERP };
enum uebpf_policy { UEBPF_POLICY_USER, UEBPF_POLICY_KERNEL };
enum uebpf_probe {
	UEBPF_PROBE_REFUSE,	/* memory that the env does not know: -EFAULT */
	UEBPF_PROBE_SYSCALL	/* process_vm_readv on ourselves, about 1 us a read */
};
enum uebpf_clock { UEBPF_CLOCK_MONOTONIC, UEBPF_CLOCK_BOOTTIME, UEBPF_CLOCK_COARSE, UEBPF_CLOCK_TAI,
		   UEBPF_CLOCK_JIFFIES };
struct uebpf_task { uint32_t pid, tgid, uid, gid; char comm[16]; };

/* Hooks replace what a program learns of its surroundings; each may be NULL (the real thing).
 * They are called from whatever thread runs a program and must be as safe as that thread needs. */
struct uebpf_hooks {
	size_t size;
	void *ctx;						/* first argument of each */
	uint64_t (*clock)(void *ctx, enum uebpf_clock which);	/* ns; jiffies: ticks */
	uint32_t (*random)(void *ctx);
	uint32_t (*cpu)(void *ctx);
	void (*task)(void *ctx, struct uebpf_task *out);
	void (*print)(void *ctx, const char *text, size_t len);	/* trace_printk; NULL: discarded */
	/* perf_event_output: index is the map slot that was named (or the cpu). Return 0 or -errno. */
	int (*perf_output)(void *ctx, struct uebpf_map *map, uint32_t index, const void *data, size_t len);
};

struct uebpf_env_opts {
	size_t size;
	struct uebpf_hooks hooks;	/* hooks.size 0: none */
	void (*log)(void *ctx, enum uebpf_level level, const char *line);
	void *log_ctx;
	void *(*alloc)(void *ctx, void *old, size_t old_size, size_t new_size); /* new_size 0 frees */
	void *alloc_ctx;
	uint32_t mode;			/* enum uebpf_mode: default of its objects */
	uint32_t engine;		/* enum uebpf_engine */
	uint32_t policy;		/* enum uebpf_policy */
	uint32_t probe;			/* enum uebpf_probe */
	uint32_t stack_size;		/* bytes a frame, 0 = 512 */
	uint32_t max_frames;		/* 0 = 8 */
	uint32_t max_insns;		/* slots a program, 0 = 1,000,000 */
	uint32_t cpu_slots;		/* per-CPU maps: runs that may be active at once, 0 = possible
					 * CPUs but at least 64; at most 1024 */
	uint64_t budget;		/* steps of a checked run, 0 = 2^32 */
	const char *cpu_features_off;	/* "movbe,bmi" or "all"; NULL: use what the CPU has */
};
/* NULL when memory is short or an option is out of range. */
UEBPF_API struct uebpf_env *uebpf_env_new(const struct uebpf_env_opts *opts);
/* Gives up the caller's handle (NULL is fine); objects, programs and maps keep what they need of the env
 * alive. */
UEBPF_API void uebpf_env_free(struct uebpf_env *env);

/* A host's own helper.  `fn` gets r1-r5 and the call; what it returns becomes r0. */
typedef uint64_t (*uebpf_helper_fn)(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5,
				    struct uebpf_call *call);
/* id: a kernel number (contract taken from the built-in row), or 0 for the next free number from
 * 0x10000; name: how an object's extern function finds it; NULL proto keeps the built-in row's contract.
 * proto: the contract, "result (argument, ...)" with up to five arguments:
 *   result: void, a number (u8 ... u64, s8 ... s64, int, long, scalar), value or value? (of the map
 *     argument), mem:N or mem:N? (N bytes), mem? (as many as the alloc_size argument says), sock?
 *   argument: a number; any; ctx; map; key, value, value_out (of the map before); mem, mem_out, mem_inout
 *     (length in the next size or size0 argument; "mem:size" says the same), mem:N, mem_out:N (N bytes);
 *     size (> 0), size0; alloc_size; cstr (constant string); func:loop|map_elem|dynptr|timer|vma; stack;
 *     acquired; spin_lock; timer; dynptr[:local|ringbuf]; dynptr_out:local|ringbuf; sock; btf; kptr
 *   "?" behind an argument allows NULL; a name may follow it: "u64 (ctx, mem:size data, size len, cstr)".
 * A function that takes a kernel number's row returns what the kernel's does: sockets as struct bpf_sock
 * (80 readable bytes), bpf_tcp_sock (112) or bpf_xdp_sock (4); "sock?" of the host's own is never looked into.
 * A function must keep its contract (a value or mem result is memory of that size while the run lasts):
 * the verifier believes it.  A bad contract is told with its column in *err.
 * Returns the id or -EINVAL, -EEXIST, -ENOMEM.  Objects opened later see it.  Any thread. */
UEBPF_API int uebpf_env_add_helper(struct uebpf_env *env, uint32_t id, const char *name,
				   const char *proto, uebpf_helper_fn fn, void *host,
				   struct uebpf_error *err);
/* Withdraws a helper of the host's; objects opened before keep it.  -ENOENT, -ENOMEM, or -EBUSY while a
 * loaded program calls it.  Any thread. */
UEBPF_API int uebpf_env_remove_helper(struct uebpf_env *env, uint32_t id);
/* Asked of a call: the run's host pointer, the helper's own, the ctx passed to uebpf_prog_run. */
UEBPF_API void *uebpf_call_host(const struct uebpf_call *call);
UEBPF_API void *uebpf_call_helper_host(const struct uebpf_call *call);
UEBPF_API void *uebpf_call_ctx(const struct uebpf_call *call, size_t *len);
UEBPF_API struct uebpf_env *uebpf_call_env(const struct uebpf_call *call);
/* 0 when the running program itself may read (write != 0: write) [address, address+len), else -EFAULT: for
 * helpers whose contract does not say the size of what they fill.  Exact and slow. */
UEBPF_API int uebpf_call_check(struct uebpf_call *call, uint64_t address, size_t len, int write);
/* Ends the run with `status` (negative errno) after the helper returns. */
UEBPF_API void uebpf_call_fail(struct uebpf_call *call, int status, uint64_t address);

/* A host-described context or event (section "uebpf/NAME"): its fields lie in one struct, in place or
 * behind a pointer.  Programs in C, filter expressions and LTTng bytecode are checked against it. */
enum uebpf_field_kind {
	UEBPF_FIELD_SCALAR,	/* size 1, 2, 4, 8 */
	UEBPF_FIELD_CSTR,	/* pointer to a NUL-terminated string */
	UEBPF_FIELD_BYTES,	/* bytes in place: an array */
	UEBPF_FIELD_MEM		/* pointer to memory whose byte count is in field `size_field`: a sequence */
};
/* What a scalar, or each element of BYTES and MEM, means to expressions and bytecode. */
enum uebpf_value {
	UEBPF_VALUE_UNSIGNED, UEBPF_VALUE_SIGNED,
	UEBPF_VALUE_FLOAT,	/* IEEE 754, 4 or 8 bytes */
	UEBPF_VALUE_TEXT	/* elements of 1 byte: a string that ends at NUL or at the field's end */
};
struct uebpf_label { const char *name; int64_t value; };
struct uebpf_field {
	const char *name;	/* members of inner structs: "a.b" */
	uint32_t offset, size;	/* in the host's struct, bytes */
	uint32_t kind;		/* enum uebpf_field_kind */
	uint32_t writable;
	const char *size_field;	/* UEBPF_FIELD_MEM */
	uint16_t value;		/* enum uebpf_value; of BYTES and MEM it matters with `elem` */
	uint16_t elem;		/* BYTES, MEM: bytes of an element, 0 = 1 */
	uint16_t big_endian;	/* scalar or elements: most significant byte first (0: as this host) */
	uint16_t nullable;	/* CSTR, MEM: may be NULL; programs test it, expressions reject the event */
	const struct uebpf_label *labels; /* enum: names of values, NULL none */
	uint32_t nr_labels;
	uint8_t bits, bit;	/* a bit-field: so many bits of the scalar, from this one on (0: the least significant of
				 * its value); bits 0: all of it */
	uint8_t shared;		/* scalar, BYTES: lies in a union, over others that say so */
	uint8_t pad;
};
struct uebpf_type_opts {
	size_t size;
	const char *name;		/* section "uebpf/NAME", --type NAME */
	uint32_t ctx_size;		/* bytes of the host's struct */
	const struct uebpf_field *fields; /* NULL: the whole struct is readable bytes */
	uint32_t nr_fields;
	uint32_t writable;		/* without fields: may programs write it */
};
/* Everything is copied.  Objects opened later see the type.  Any thread.  -EINVAL (*err names the field),
 * -EEXIST, -ENOMEM. */
UEBPF_API int uebpf_env_add_type(struct uebpf_env *env, const struct uebpf_type_opts *type,
				 struct uebpf_error *err);
/* The same from the BTF of a C struct: `btf` is raw BTF or an ELF file with a .BTF section (clang -g
 * -target bpf, gcc -gbtf) in memory, `name` the struct or typedef and the type's name.  Integers, bools,
 * enums (with labels), floats, char arrays (text), other arrays, char pointers (nullable strings) and
 * other pointers (unsigned numbers) become fields, as do bit-fields; inner structs "a.b", unnamed ones their
 * members; in a union, which does not say what it holds, pointers to text are numbers too. */
UEBPF_API int uebpf_env_add_type_btf(struct uebpf_env *env, const char *name, const void *btf, size_t len,
				     struct uebpf_error *err);
/* The i-th field of a type that was added; strings live as long as the type.  -ENOENT after the last or
 * when there is no such type; *ctx_size (may be NULL) is set whenever there is. */
UEBPF_API int uebpf_env_type_field(const struct uebpf_env *env, const char *name, uint32_t i,
				   struct uebpf_field *field, uint32_t *ctx_size);
/* Contexts ($ctx.NAME and $app.PROVIDER:TYPE of expressions and bytecode) are helpers of that name
 * without '$', added with uebpf_env_add_helper: contract "u64 ()" an integer, "double ()" a double, whose
 * bits the function returns, "long (mem_out:N)" a string of at most N bytes that it writes (< 0: none;
 * the event is rejected).  The library has ctx.vpid, ctx.vtid, ctx.cpu_id and ctx.procname. */
/* -ENOENT, or -EBUSY while an object that uses it is open.  Any thread. */
UEBPF_API int uebpf_env_remove_type(struct uebpf_env *env, const char *name);

/* ---- objects -------------------------------------------------------------------------- */

struct uebpf_open_opts {
	size_t size;
	const char *name;	/* in messages; default: the path, or "memory" */
	const char *type;	/* program type of sections that say nothing ("raw", "xdp", ...) */
	const char *btf;	/* file with the target BTF of CO-RE; NULL: /sys/kernel/btf/vmlinux */
	const char *kconfig;	/* file with CONFIG_x=y lines; NULL: /boot/config-RELEASE if it is there */
};
/* All return NULL with *err filled (err may be NULL).  The data may be freed after the call.  An object
 * belongs to one thread at a time until it is loaded; several may be opened and loaded in one env at once. */
UEBPF_API struct uebpf_object *uebpf_object_open_file(struct uebpf_env *env, const char *path,
				const struct uebpf_open_opts *opts, struct uebpf_error *err);
UEBPF_API struct uebpf_object *uebpf_object_open_memory(struct uebpf_env *env, const void *data, size_t len,
				const struct uebpf_open_opts *opts, struct uebpf_error *err);
/* `insns`: n slots of 8 bytes in the little-endian wire form (RFC 9669 3.1). */
UEBPF_API struct uebpf_object *uebpf_object_open_insns(struct uebpf_env *env, const void *insns, size_t n,
				const struct uebpf_open_opts *opts, struct uebpf_error *err);
/* Assembly text in clang's form, one instruction a line, "label:" lines allowed. */
UEBPF_API struct uebpf_object *uebpf_object_open_text(struct uebpf_env *env, const char *text,
				const struct uebpf_open_opts *opts, struct uebpf_error *err);
/* Classic BPF, as libpcap compiles it (struct bpf_insn has this layout) and SO_ATTACH_FILTER takes it;
 * the program has type "cbpf": its context is struct uebpf_packet (wire_len 0: the captured length),
 * its result what the classic filter returns.  -EINVAL: pc names the classic instruction. */
struct uebpf_cbpf_insn { uint16_t code; uint8_t jt, jf; uint32_t k; };
UEBPF_API struct uebpf_object *uebpf_object_open_cbpf(struct uebpf_env *env,
				const struct uebpf_cbpf_insn *insns, size_t n,
				const struct uebpf_open_opts *opts, struct uebpf_error *err);
/* A filter expression (docs/filters.md) over the event type `type` of the env: one program, "filter", that
 * returns 1 for events to record and 0 for others.  *err points at the column: err->column, and the
 * text ends in the expression with a caret under the place. */
UEBPF_API struct uebpf_object *uebpf_object_open_filter(struct uebpf_env *env, const char *expr,
				const char *type, const struct uebpf_open_opts *opts, struct uebpf_error *err);
/* LTTng filter bytecode as an event filter: `bytecode` is struct lttng_ust_abi_filter_bytecode of lttng/ust-abi.h,
 * 48 bytes of header (u32 length, u32 offset of the relocation table, ...) and the data.  `type` is an event
 * type of the env.  docs/lttng.md says what each opcode does here.  NULL, with *err: err->pc is the offset
 * in the data.  A filter that names a field or context that is not there opens and accepts no event, as in
 * LTTng; the log says so. */
UEBPF_API struct uebpf_object *uebpf_object_open_lttng(struct uebpf_env *env, const void *bytecode, size_t len,
				const char *type, const struct uebpf_open_opts *opts, struct uebpf_error *err);
/* Writes an object opened as a filter as an ELF file to `buf`: position-free, its field accesses are CO-RE
 * relocations by name, so that it may be opened (uebpf_object_open_memory) where the event type has
 * other offsets.  Returns the length (nothing is written when it exceeds cap), -EINVAL for objects of
 * another origin, -ENOMEM. */
UEBPF_API long uebpf_object_save(const struct uebpf_object *obj, void *buf, size_t cap, struct uebpf_error *err);
/* NULL is fine.  Programs and maps that are held stay, and tell of themselves what they told before; the
 * file, its types and the log go.  Programs may be running meanwhile. */
UEBPF_API void uebpf_object_free(struct uebpf_object *obj);

/* Before load.  A global by its symbol name; `size` must be the symbol's.  -ENOENT, -EINVAL.  Whatever
 * adjusts an object gives -EBUSY once it is loaded. */
UEBPF_API int uebpf_object_set_global(struct uebpf_object *obj, const char *name, const void *value,
				size_t size, struct uebpf_error *err);
/* Address and size of a global (after load: live, shared with the programs); NULL if unknown. */
UEBPF_API void *uebpf_object_global(struct uebpf_object *obj, const char *name, size_t *size);
/* Globals in the object's order: the i-th, or -ENOENT after the last.  Strings live with the object. */
struct uebpf_global_info {
	size_t size;
	const char *name;
	const char *section;		/* ".data", ".rodata", ".bss", ".data.x"; the map's name in `map` */
	const char *map;		/* its map, as uebpf_object_map() knows it */
	uint32_t offset, bytes;		/* in that map's value */
	uint32_t read_only;
	uint32_t typed;			/* the object's BTF knows its type: format and parse work */
};
UEBPF_API int uebpf_object_global_info(const struct uebpf_object *obj, uint32_t i,
				struct uebpf_global_info *info);
/* Before load: sets a global from text by its BTF type, in the form that uebpf_map_parse() reads;
 * a global without BTF takes an integer of its size or x"HEX". */
UEBPF_API int uebpf_object_parse_global(struct uebpf_object *obj, const char *name, const char *text,
				struct uebpf_error *err);
/* Text of a global's present value (as uebpf_map_format). */
UEBPF_API long uebpf_object_format_global(const struct uebpf_object *obj, const char *name, int json,
				char *buf, size_t cap);
/* Overrides a map definition's max_entries.  -ENOENT; -EINVAL: 0, or a map of global variables. */
UEBPF_API int uebpf_object_resize_map(struct uebpf_object *obj, const char *name, uint32_t max_entries,
				struct uebpf_error *err);
/* Uses `map` (a reference is taken) in place of the object's own map `name`.  -ENOENT: the object has none
 * of that name (told for map NULL too, else -EINVAL); -EINVAL: another shape, both are shown. */
UEBPF_API int uebpf_object_bind_map(struct uebpf_object *obj, const char *name, struct uebpf_map *map,
				struct uebpf_error *err);

/* Before load: the object's map lies in the file `path` from now on: opened when it exists (its shape must
 * be the object's), else created with the definition's shape and the types of its key and value; mode and
 * flags as uebpf_map_create_shared and uebpf_map_open.  1: created, 0: opened, or a negative errno. */
UEBPF_API int uebpf_object_share_map(struct uebpf_object *obj, const char *name, const char *path, uint32_t mode,
				uint32_t flags, struct uebpf_error *err);
/* Before load: each map whose definition says LIBBPF_PIN_BY_NAME and whose name is pinned in `dir` (NULL:
 * /sys/fs/bpf) becomes the kernel's map (policy: enum uebpf_mirror); one that nobody pinned stays our own.
 * How many were bound, or a negative errno.  Never done without being asked. */
UEBPF_API int uebpf_object_bind_pins(struct uebpf_object *obj, const char *dir, uint32_t policy,
				struct uebpf_error *err);

/* Before load: binds every map of `obj` to the map of equal name and shape in the loaded object `old`, so
 * that a new version of a program goes on with the state of the old one.  Maps that differ (told in the
 * log) or are new are created as usual; read-only data is always the new object's own.  Returns how many
 * maps are kept, or -EINVAL (`old` is not loaded), -EBUSY (`obj` is). */
enum uebpf_keep { UEBPF_KEEP_MAPS, UEBPF_KEEP_DATA /* .data and .bss too */ };
UEBPF_API int uebpf_object_replace(struct uebpf_object *obj, const struct uebpf_object *old, enum uebpf_keep keep,
				struct uebpf_error *err);

enum uebpf_may { UEBPF_MAY_SYSCALL = 1, UEBPF_MAY_LOCK = 2, UEBPF_MAY_ALLOC = 4 };
struct uebpf_load_opts {
	size_t size;
	uint32_t mode, engine, policy;	/* 0: the env's */
	uint32_t refuse_may;		/* enum uebpf_may bits: refuse programs with helpers or maps that may */
	uint32_t metered;		/* count steps and honour budget and abort in verified/trusted mode too */
	uint64_t budget;		/* default of run.budget, 0 = the env's */
	const char *no_rules;		/* "rotate,fold" or "all": rewriting rules switched off;
					 * "facts": what the verifier proved is not used */
	uint32_t log_level;		/* verifier: 0 short, 1 path, 2 states */
	/* Verifier: instructions explored in one walk (0 = 1,000,000; where a way to sum up loops fails it walks once
	 * more), time of all walks together (0 = 10 s). */
	uint64_t max_states, max_ns;
	const char *only;		/* load just this program (name or section); others stay unloaded */
	uint32_t jit_flags;		/* enum uebpf_jit */
	uint32_t pad;
};
enum uebpf_jit {
	UEBPF_JIT_BLIND = 1,		/* the program's constants do not appear in the code as written */
	UEBPF_JIT_RETPOLINE = 2,	/* no indirect branch that another process could mistrain */
	UEBPF_JIT_ENDBR = 4,		/* entries begin with endbr64 */
	UEBPF_JIT_PERF_MAP = 8,		/* append to /tmp/perf-PID.map (created with O_EXCL, never followed) */
	UEBPF_JIT_JITDUMP = 16,		/* append to jit-PID.dump in the working directory */
	UEBPF_JIT_GDB = 32		/* tell GDB (its JIT interface): bt names the program */
};
/* 0 when at least one program can run; what is wrong with another is told by uebpf_prog_error.
 * When none can run, the first one's error is returned. */
UEBPF_API int uebpf_object_load(struct uebpf_object *obj, const struct uebpf_load_opts *opts,
				struct uebpf_error *err);
/* The verifier's and loader's log, alive until the object is freed; "" if empty. */
UEBPF_API const char *uebpf_object_log(const struct uebpf_object *obj);
/* By function name or section; NULL name: the only program (NULL when there are several). */
UEBPF_API const struct uebpf_prog *uebpf_object_prog(const struct uebpf_object *obj, const char *name);
/* Iteration in the object's order: prev NULL gives the first, NULL comes after the last. */
UEBPF_API const struct uebpf_prog *uebpf_object_next_prog(const struct uebpf_object *obj,
				const struct uebpf_prog *prev);
UEBPF_API struct uebpf_map *uebpf_object_map(const struct uebpf_object *obj, const char *name);
UEBPF_API struct uebpf_map *uebpf_object_next_map(const struct uebpf_object *obj, struct uebpf_map *prev);

/* ---- programs ------------------------------------------------------------------------- */

struct uebpf_prog_info {
	size_t size;
	const char *name, *section, *type;
	uint32_t slots;			/* 8-byte units, subprograms included */
	uint32_t insns;			/* decoded instructions */
	uint32_t subprogs;
	uint32_t mode, engine;		/* as loaded */
	uint32_t may;			/* enum uebpf_may bits of the helpers and maps it uses */
	uint32_t stack;			/* bytes a run may use */
	uint32_t ctx_size;		/* bytes that uebpf_prog_run needs at least */
	size_t code_bytes;		/* machine code, 0 when interpreted */
	uint64_t verify_ns, compile_ns;
	uint64_t verify_states, verify_insns;
	uint32_t ctx_kind;		/* enum uebpf_ctx: what uebpf_prog_run takes */
	uint32_t kernel_type;		/* BPF_PROG_TYPE_x, 0: the kernel has no such type */
};
enum uebpf_ctx {
	UEBPF_CTX_BYTES,		/* a struct of ctx_size bytes, as its type lays it out */
	UEBPF_CTX_PACKET,		/* struct uebpf_packet */
	UEBPF_CTX_RAW			/* any memory: r1 its address, r2 its length */
};
/* info->size set; strings live as long as the program. */
UEBPF_API void uebpf_prog_info(const struct uebpf_prog *prog, struct uebpf_prog_info *info);
UEBPF_API const char *uebpf_prog_name(const struct uebpf_prog *prog);
/* Why the program cannot run: 0, or its negative errno with *err filled. */
UEBPF_API int uebpf_prog_error(const struct uebpf_prog *prog, struct uebpf_error *err);
/* A program lives as long as its object or a reference of the host's; any thread, signal handlers too
 * while another reference exists. */
UEBPF_API const struct uebpf_prog *uebpf_prog_ref(const struct uebpf_prog *prog);
UEBPF_API void uebpf_prog_unref(const struct uebpf_prog *prog);

struct uebpf_run {
	size_t size;			/* sizeof(struct uebpf_run) */
	void *host;			/* for helpers: uebpf_call_host() */
	uint64_t budget;		/* steps, 0 = the load's */
	const uint32_t *abort;		/* non-zero there ends the run soon (metered or checked programs) */
	uint64_t steps;			/* out: steps charged (metered or checked programs) */
	uint32_t pc;			/* out, on fault: slot within the program */
	uint32_t pad;
	uint64_t address;		/* out, on -EFAULT: the address that was refused */
	uint64_t cookie;		/* what the helper get_attach_cookie returns */
	/* Where the probed thread is, its instruction and frame pointer: bpf_get_stack and its like begin there when
	 * the context has no registers.  0: at the caller of uebpf_prog_run. */
	uint64_t ip, frame;		/* read when `size` covers them */
};
/* Runs `prog` on ctx (layout by its type; see docs/types.md).  Any thread, signal handlers too.
 * Returns 0 with *r0 set; -EFAULT bad access; -ETIME budget spent; -ECANCELED abort flag;
 * -EINVAL ctx_len smaller than the type needs; -ELOOP call depth; -ENOSYS a helper without a function
 * here; -ENOEXEC the program was refused at load; -EOPNOTSUPP budget or abort asked of a program
 * loaded without metering.  r0, run may be NULL. */
UEBPF_API int uebpf_prog_run(const struct uebpf_prog *prog, void *ctx, size_t ctx_len,
			     struct uebpf_run *run, uint64_t *r0);
/* The same with an error whose text names object, section, source line and what was wrong. */
UEBPF_API int uebpf_prog_explain(const struct uebpf_prog *prog, int status, const struct uebpf_run *run,
				 struct uebpf_error *err);
/* Calls `step` before each instruction: registers r0-r10 and its text.  Runs the program as it is before
 * rewriting, interpreted, in the mode it was loaded for; goes on in what tail calls lead to.  Allocates
 * a copy of each program (-ENOMEM). */
typedef void (*uebpf_trace_fn)(void *arg, uint32_t pc, const uint64_t regs[11], const char *insn);
UEBPF_API int uebpf_prog_trace(const struct uebpf_prog *prog, void *ctx, size_t ctx_len,
			       struct uebpf_run *run, uint64_t *r0, uebpf_trace_fn step, void *arg);
/* Runs over n records of `stride` bytes from base; results[i] = r0.  Returns 0 or the status of the
 * first record that failed, whose index is *at (at may be NULL); earlier results are valid. */
UEBPF_API int uebpf_prog_run_batch(const struct uebpf_prog *prog, void *base, size_t stride, size_t n,
				   uint64_t *results, size_t *at);
/* Pointer/length form. */
struct uebpf_record { void *data; size_t len; };
UEBPF_API int uebpf_prog_run_records(const struct uebpf_prog *prog, const struct uebpf_record *records,
				     size_t n, uint64_t *results, size_t *at);
/* The same for packet types where the records are packets as a capture has them: their bytes, L2 first, and how many
 * (at most UINT32_MAX); wire length and everything else of struct uebpf_packet is 0 for each, and what the program
 * leaves there is gone.  Classic filters, and programs that only read, run in a loop of their own machine code:
 * the fastest way to filter packets.  -EINVAL also for other types. */
UEBPF_API int uebpf_prog_run_packets(const struct uebpf_prog *prog, const struct uebpf_record *packets,
				     size_t n, uint64_t *results, size_t *at);
/* The compiled function itself: only of programs that cannot fault and carry no budget; else NULL.  Of
 * packet types only where the program calls nothing that looks at its run; the caller then sees to it
 * that data <= data_end, data_meta is not NULL and len is data_end - data, as uebpf_prog_run does. */
typedef uint64_t (*uebpf_entry)(void *ctx, size_t ctx_len, void *host);
UEBPF_API uebpf_entry uebpf_prog_entry(const struct uebpf_prog *prog);
/* Text of a stage of the program: "insns", "facts", "rewrite", "x86".  Returns the length that the
 * whole text has (may exceed cap) or -EINVAL / -ENOENT. */
UEBPF_API long uebpf_prog_dump(const struct uebpf_prog *prog, const char *what, char *buf, size_t cap);
/* A helper as the env knows it; strings are static or live as long as the env. */
struct uebpf_helper_info {
	size_t size;
	uint32_t id;
	uint32_t may;			/* enum uebpf_may */
	uint32_t callable;		/* 0: contract only, a run that reaches it gets -ENOSYS */
	uint32_t args;			/* how many arguments its contract has, 0-5 */
	const char *name;		/* without bpf_ */
	const char *support;		/* "full", "adapted: how", "host: ...", "refused: why" */
	uint32_t pointer;		/* its result: 0 any number, 1 an object of the host, 2 memory, 3 a number in a
					 * range that verified programs rely on (lengths, errors) */
};
/* The i-th different helper that `prog` calls (by id, ascending); -ENOENT after the last. */
UEBPF_API int uebpf_prog_helper(const struct uebpf_prog *prog, uint32_t i, struct uebpf_helper_info *info);
/* By name, with or without "bpf_"; -ENOENT when the env has none of that name. */
UEBPF_API int uebpf_env_helper(const struct uebpf_env *env, const char *name, struct uebpf_helper_info *info);
/* The i-th field of what uebpf_prog_run takes as ctx (of struct uebpf_packet for packet types; offset
 * and size as in the host's memory); -ENOENT after the last or when the type has no named fields. */
UEBPF_API int uebpf_prog_field(const struct uebpf_prog *prog, uint32_t i, struct uebpf_field *field);
/* Which program's machine code holds `address`, for crash handlers: takes no lock, allocates nothing.
 * 0 or -ENOENT.  The names live as long as the program. */
struct uebpf_addr_info {
	size_t size;
	const struct uebpf_prog *prog;
	const char *name, *section;
	uint32_t pc;			/* instruction slot */
	uint32_t line;			/* 0: unknown */
	const char *file;		/* "" if unknown */
};
UEBPF_API int uebpf_addr_info(const struct uebpf_env *env, const void *address, struct uebpf_addr_info *info);
/* Name of a return value for the program's type ("XDP_DROP"), or NULL. */
UEBPF_API const char *uebpf_prog_verdict(const struct uebpf_prog *prog, uint64_t r0);

/* ---- slots: programs that are replaced while other threads run them --------------------- */

/* A slot stands where a host asks whether an event is wanted, beside a tracepoint for instance.  It is
 * empty, or holds filters, whose verdicts are OR'ed (each of them runs: programs may count).  The check
 * of an empty slot is one load.  Replacing never waits for runs and runs never wait for it; no thread
 * has to register; what was replaced comes back once no thread and no interrupted signal handler can be
 * in it.  Zeroed memory is an empty slot (UEBPF_SLOT_INIT); uebpf_slot_init comes before the first
 * program.  The members are the library's. */
struct uebpf_filters;
struct uebpf_reclaim;
struct uebpf_slot { struct uebpf_filters *live; struct uebpf_reclaim *domain; };
#define UEBPF_SLOT_INIT { NULL, NULL }

enum uebpf_on_error { UEBPF_ON_ERROR_DROP, UEBPF_ON_ERROR_RECORD };
/* Counters of one installed filter, read while it runs; sums over all threads. */
struct uebpf_filter_stats {
	size_t size;
	uint64_t runs, accepted, rejected;
	uint64_t faults, budget, aborted, other;	/* runs that ended so: -EFAULT, -ETIME, -ECANCELED, else */
	uint64_t ns;					/* time inside, when opts.timed */
};
/* A filter was replaced and nobody is in it.  The reference that the slot held is dropped afterwards. */
typedef void (*uebpf_gone_fn)(void *arg, const struct uebpf_prog *prog, const struct uebpf_filter_stats *stats);
struct uebpf_filter_opts {
	size_t size;
	uint32_t on_error;		/* enum uebpf_on_error: what a run that fails says of the event */
	uint32_t no_counters, timed;
	uint32_t pad;
	uint64_t budget;		/* steps, 0 = the load's; metered or checked programs */
	uebpf_gone_fn gone;		/* called by whoever replaces, polls or waits; NULL: not told */
	void *gone_arg;
};
/* -ENOMEM.  The slot keeps `env` until uebpf_slot_fini. */
UEBPF_API int uebpf_slot_init(struct uebpf_slot *slot, struct uebpf_env *env);
/* Empties the slot and waits until nobody is in what it held.  -EDEADLK from inside a run. */
UEBPF_API int uebpf_slot_fini(struct uebpf_slot *slot);
/* `prog` (a reference is taken) in place of all filters of the slot; NULL empties it.  Any thread.
 * -ENOEXEC: the program was refused at load; -EOPNOTSUPP: opts.budget without metering; -ENOMEM. */
UEBPF_API int uebpf_slot_set(struct uebpf_slot *slot, const struct uebpf_prog *prog,
			     const struct uebpf_filter_opts *opts);
/* One filter more, one less (-ENOENT: not there).  Any thread. */
UEBPF_API int uebpf_slot_add(struct uebpf_slot *slot, const struct uebpf_prog *prog,
			     const struct uebpf_filter_opts *opts);
UEBPF_API int uebpf_slot_remove(struct uebpf_slot *slot, const struct uebpf_prog *prog);
/* Counters of an installed program (NULL: of the first one); -ENOENT. */
UEBPF_API int uebpf_slot_stats(struct uebpf_slot *slot, const struct uebpf_prog *prog,
			       struct uebpf_filter_stats *stats);
/* Gives back what it can; how many replacements of this slot's env still wait for somebody to leave. */
UEBPF_API int uebpf_slot_poll(struct uebpf_slot *slot);
/* Until none waits: 0, -ETIME, or -EDEADLK from inside a run. */
UEBPF_API int uebpf_slot_wait(struct uebpf_slot *slot, uint64_t timeout_ns);
/* Behind the inline checks below. */
UEBPF_API int uebpf_slot_eval(struct uebpf_slot *slot, void *ctx, size_t ctx_len, void *host);
UEBPF_API int uebpf_slot_run_full(struct uebpf_slot *slot, void *ctx, size_t ctx_len, struct uebpf_run *run,
				  uint64_t *r0);

#if defined(__GNUC__)
#define UEBPF_SLOT_EMPTY(slot) __builtin_expect(!__atomic_load_n(&(slot)->live, __ATOMIC_RELAXED), 1)
#else
#define UEBPF_SLOT_EMPTY(slot) (!*(struct uebpf_filters *volatile *)&(slot)->live)
#endif
/* Is the event wanted?  1 when the slot is empty or a filter accepts it (r0 != 0), else 0. */
static inline int uebpf_slot_accepts(struct uebpf_slot *slot, void *ctx, size_t ctx_len, void *host)
{
	return UEBPF_SLOT_EMPTY(slot) ? 1 : uebpf_slot_eval(slot, ctx, ctx_len, host);
}
/* As uebpf_prog_run of the slot's first program; -ENOENT when the slot is empty. */
static inline int uebpf_slot_run(struct uebpf_slot *slot, void *ctx, size_t ctx_len, struct uebpf_run *run,
				 uint64_t *r0)
{
	return UEBPF_SLOT_EMPTY(slot) ? -2 : uebpf_slot_run_full(slot, ctx, ctx_len, run, r0);
}

/* Touches the code and data that a run of the program uses, so that the first event does not fault
 * pages in.  0 or the program's load error. */
UEBPF_API int uebpf_prog_prefault(const struct uebpf_prog *prog);

/* Context of xdp, tc and socket programs; read, and written back after the run. */
struct uebpf_packet {
	size_t size;			/* sizeof(struct uebpf_packet) */
	uint8_t *data, *data_end;	/* the packet, L2 first */
	uint8_t *data_meta;		/* NULL: no metadata (same as data) */
	uint8_t *head, *tail;		/* bounds of the buffer: room to grow in front and behind; NULL: none */
	uint32_t ifindex, rx_queue, egress_ifindex;
	uint32_t mark, priority, protocol;	/* protocol in network byte order, as in __sk_buff */
	uint32_t pkt_type, queue_mapping, vlan_present, vlan_tci, vlan_proto, hash, tc_index, tc_classid;
	uint32_t cb[5];
	uint32_t napi_id, family, remote_ip4, local_ip4, remote_ip6[4], local_ip6[4], remote_port, local_port;
	uint32_t gso_segs, gso_size, wire_len, tstamp_type;
	uint64_t tstamp, hwtstamp;
	/* out: where a redirect helper sent the packet */
	uint32_t redirect_kind;		/* enum uebpf_redirect */
	uint32_t redirect_ifindex;	/* or the map slot */
	uint64_t redirect_flags;
	struct uebpf_map *redirect_map;
	/* set by the library before each run and when a helper moves the bounds: data_end - data */
	uint32_t len;
	uint32_t flow_keys_len;
	void *sock;			/* the host's socket, laid out as struct bpf_sock (80 bytes that
					 * programs may read), or NULL */
	void *flow_keys;		/* struct bpf_flow_keys of flow_dissector programs, or NULL */
	struct uebpf_tunnel *tunnel;	/* what the tunnel helpers read and write, or NULL */
	uint64_t socket_cookie;		/* get_socket_cookie */
	uint32_t socket_uid;		/* get_socket_uid, when socket_cookie is not 0 */
	uint32_t encapsulated;		/* skb_adjust_room put headers around it: not a second time (-EALREADY) */
};
/* Tunnel metadata of a packet; bytes as in the kernel's struct bpf_tunnel_key (linux/bpf.h). */
struct uebpf_tunnel {
	uint32_t key_len, opt_len;	/* bytes valid in key and opt; 0: the packet has none */
	uint64_t flags;			/* BPF_F_x of skb_set_tunnel_key */
	uint8_t key[64], opt[256];
};
enum uebpf_redirect { UEBPF_REDIRECT_NONE, UEBPF_REDIRECT_IFINDEX, UEBPF_REDIRECT_MAP, UEBPF_REDIRECT_PEER,
		      UEBPF_REDIRECT_NEIGH, UEBPF_REDIRECT_CLONE };

/* ---- maps ----------------------------------------------------------------------------- */

enum uebpf_share { UEBPF_SHARE_PRIVATE, UEBPF_SHARE_SHARED, UEBPF_SHARE_MAPPED, UEBPF_SHARE_MIRRORED };
struct uebpf_map_opts {
	size_t size;
	const char *name;
	uint32_t type;			/* the kernel's number (BPF_MAP_TYPE_x) */
	uint32_t key_size, value_size, max_entries;
	uint32_t flags;			/* the kernel's BPF_F_x for BPF_MAP_CREATE */
	uint64_t extra;			/* map_extra */
	struct uebpf_map *inner;	/* template of map-in-map types */
	/* Shared maps: BTF of key and value (raw bytes, type ids in it), kept with the map so that any opener
	 * can print its entries.  NULL: none. */
	const void *btf;
	uint32_t btf_len, btf_key, btf_value, pad;
};
struct uebpf_map_info {
	size_t size;
	const char *name, *type_name;
	uint32_t type, key_size, value_size, max_entries, flags;
	uint32_t share;			/* enum uebpf_share */
	uint32_t cpu_slots;		/* values a per-CPU lookup returns */
	uint32_t may;			/* enum uebpf_may */
	uint64_t bytes;			/* storage */
	uint64_t extra;
};
/* A private map with one reference, the caller's, that needs no object; NULL with *err: the kernel's errno
 * for what bpf() refuses too (-EINVAL, -E2BIG), -ENOMEM.  Any thread. */
UEBPF_API struct uebpf_map *uebpf_map_create(struct uebpf_env *env, const struct uebpf_map_opts *opts,
					     struct uebpf_error *err);
/* ---- shared between processes: one memfd or file per map, self-describing ---- */
enum uebpf_open {
	UEBPF_OPEN_TRUSTED = 1,		/* every process that may write it is trusted; files need this */
	UEBPF_OPEN_RDONLY = 2,		/* mapped read-only: neither we nor our programs can change it */
	UEBPF_OPEN_REPLACE = 4		/* create: remove a file of that name first (stale after a crash) */
};
/* A new map in the file `path` (must not exist; mode 0 means 0600; /dev/shm is a good place), or, with
 * path NULL, in a memfd sealed against shrinking and growing.  A file gets its whole room at once
 * (-ENOSPC).  The map lives as long as the file or a descriptor of it; removing the file is the creator's
 * business.  Every type but maps of maps, program arrays and arena.  A process that dies at any point leaves
 * the map usable: waiters take its locks over, and nothing is lost but its operation in flight; a value
 * under a bpf_spin_lock, in an array or per CPU may be torn.  A memfd's creator distrusts its peers as
 * uebpf_map_open says, unless flags have UEBPF_OPEN_TRUSTED.  Per-CPU maps give each process a window of
 * 32 slots, at most 8 processes at a time (-EUSERS). */
UEBPF_API struct uebpf_map *uebpf_map_create_shared(struct uebpf_env *env, const struct uebpf_map_opts *opts,
				const char *path, uint32_t mode, uint32_t flags, struct uebpf_error *err);
/* Opens such a map by path, or by an inherited or passed descriptor (duplicated).  Without
 * UEBPF_OPEN_TRUSTED only a sealed memfd is taken and nothing in it is believed: a hostile peer can
 * spoil values but not this process; waits for locks, 100 ms in all of an operation or a batch, end
 * with -EBUSY.  Refused: another pid namespace (-EXDEV), a layout of another version, an unfinished map (-EAGAIN). */
UEBPF_API struct uebpf_map *uebpf_map_open(struct uebpf_env *env, const char *path, uint32_t flags,
					   struct uebpf_error *err);
UEBPF_API struct uebpf_map *uebpf_map_open_fd(struct uebpf_env *env, int fd, uint32_t flags,
					      struct uebpf_error *err);
/* Descriptor of a shared map, to be inherited or passed; it belongs to the map.  -EOPNOTSUPP: private. */
UEBPF_API int uebpf_map_fd(const struct uebpf_map *map);
/* ---- the kernel's own maps ---- */
enum uebpf_mirror {
	UEBPF_MIRROR_WRITE_THROUGH,	/* a program's update or delete goes to the kernel at once; what a
					 * lookup does not find here is asked from the kernel, and an
					 * array's element each time */
	UEBPF_MIRROR_PERIODIC,		/* also: everything is read again when older than period_ns */
	UEBPF_MIRROR_ON_DEMAND		/* only uebpf_map_pull and uebpf_map_push move anything */
};
struct uebpf_kernel_opts {
	size_t size;
	int fd;				/* a map's descriptor (duplicated), or -1 and */
	uint32_t id;			/* its id, or 0 and */
	const char *pin;		/* its path in bpffs */
	uint32_t policy;		/* enum uebpf_mirror, of maps that can only be mirrored */
	uint64_t period_ns;
};
/* A map that the kernel holds, at the level that the kernel allows (info.share says which):
 *  mapped    arrays with BPF_F_MMAPABLE (.data and .bss too) and arenas: the same bytes;
 *            a RINGBUF, consumed here: uebpf_map_consume, or bound to a USER_RINGBUF map, whose programs
 *            drain it; a USER_RINGBUF, produced here: uebpf_map_reserve, or bound to a RINGBUF map
 *            (the kernel keeps the other sides read-only, so those bindings are refused);
 *  mirrored  everything else: these functions are one bpf() call each; programs see a copy in this
 *            process, and values they write in place reach the kernel with uebpf_map_push.  Of
 *            per-CPU maps programs see nothing.
 *  listed    program arrays, maps of maps, devices, sockets (level mirrored, too): ids to look at; objects
 *            cannot be bound to them.
 * Of a ring, info.type says what it is to programs here, which have its other end.
 * -EPERM: bpf() needs CAP_BPF here.  -EOPNOTSUPP: perf events (read them with libbpf's perf_buffer), cgroups,
 * storage of tasks and the like. */
UEBPF_API struct uebpf_map *uebpf_map_from_kernel(struct uebpf_env *env, const struct uebpf_kernel_opts *opts,
						  struct uebpf_error *err);
/* Mirrored maps: everything from, or to, the kernel.  Number of elements; -EOPNOTSUPP: not mirrored, or
 * without a copy (queues, per-CPU); -E2BIG: the copy has no room for what programs added; -EAGAIN: others
 * removed keys all the time; or what bpf() gave.  Any thread. */
UEBPF_API long uebpf_map_pull(struct uebpf_map *map);
UEBPF_API long uebpf_map_push(struct uebpf_map *map);
/* References: one for whoever made or opened the map, one for each object that uses it.  NULL is fine.  Any
 * thread. */
UEBPF_API struct uebpf_map *uebpf_map_ref(struct uebpf_map *map);
UEBPF_API void uebpf_map_unref(struct uebpf_map *map);
/* info->size set; strings live as long as the map. */
UEBPF_API void uebpf_map_info(const struct uebpf_map *map, struct uebpf_map_info *info);
UEBPF_API const char *uebpf_map_name(const struct uebpf_map *map);

/* As bpf(BPF_MAP_*_ELEM): the kernel's flags and errno values.  value of per-CPU maps: cpu_slots
 * values, each rounded up to 8 bytes.  -EFAULT: key or value is NULL.  Any thread. */
UEBPF_API int uebpf_map_lookup(struct uebpf_map *map, const void *key, void *value);
UEBPF_API int uebpf_map_update(struct uebpf_map *map, const void *key, const void *value, uint64_t flags);
UEBPF_API int uebpf_map_delete(struct uebpf_map *map, const void *key);
UEBPF_API int uebpf_map_lookup_delete(struct uebpf_map *map, const void *key, void *value);
/* key NULL: the first.  -ENOENT after the last; an unknown key starts again, as the kernel does: bound a walk
 * by max_entries where others remove keys or a peer is hostile. */
UEBPF_API int uebpf_map_next_key(struct uebpf_map *map, const void *key, void *next);
/* Many at once.  lookup_batch reads up to *count elements after `from` (key NULL: from the start; not the
 * same memory as keys) and sets *count; 0, or -ENOENT when the end was reached (what came before is
 * valid).  The others take *count elements and set it to how many succeeded before the error returned.
 * remove != 0: elements are deleted as they are read (hash types).  Beyond bpf(): update_batch takes flags as
 * update does and every type that update has. */
UEBPF_API int uebpf_map_lookup_batch(struct uebpf_map *map, const void *from, void *keys, void *values,
				     uint32_t *count, int remove);
UEBPF_API int uebpf_map_update_batch(struct uebpf_map *map, const void *keys, const void *values,
				     uint32_t *count, uint64_t flags);
UEBPF_API int uebpf_map_delete_batch(struct uebpf_map *map, const void *keys, uint32_t *count);
/* As uebpf_map_lookup with bpf()'s flags (BPF_F_LOCK). */
UEBPF_API int uebpf_map_lookup_flags(struct uebpf_map *map, const void *key, void *value, uint64_t flags);
/* The value in place (this thread's slot for per-CPU maps), NULL if absent or not addressable.  key NULL:
 * an arena's first byte. */
UEBPF_API void *uebpf_map_value(struct uebpf_map *map, const void *key);
/* prog_array: the program is referenced; NULL removes it. */
UEBPF_API int uebpf_map_set_prog(struct uebpf_map *map, uint32_t index, const struct uebpf_prog *prog);
/* array_of_maps, hash_of_maps: `inner` must have the template's shape and is referenced until `map` is
 * freed (a run may still use it); NULL removes.  flags as for update.  -EINVAL when the shape differs. */
UEBPF_API int uebpf_map_set_inner(struct uebpf_map *map, const void *key, struct uebpf_map *inner,
				  uint64_t flags);
/* From now on updates and deletes by these functions give -EPERM (programs may still write).
 * -EPERM when it was frozen already. */
UEBPF_API int uebpf_map_freeze(struct uebpf_map *map);
/* The host as producer of a ringbuf or user_ringbuf map: memory for a record of `size` bytes, 8-aligned,
 * or NULL (full, too large, or this very thread is inside a reserve); then commit it exactly once,
 * discard != 0 drops it.  Any thread, several at once. */
UEBPF_API void *uebpf_map_reserve(struct uebpf_map *map, size_t size);
UEBPF_API void uebpf_map_commit(struct uebpf_map *map, void *record, int discard);
/* (After fork a private ring buffer, unlike other private maps, stays shared between parent and child:
 * its pages are mapped twice, which private pages cannot be.  Both may produce; one should consume.) */
/* Calls cb for each finished record of a ring buffer map, in order, until empty or cb returns
 * non-zero (which is returned if negative).  Returns the number of records.  One consumer at a time. */
typedef int (*uebpf_record_fn)(void *arg, const void *data, size_t len);
UEBPF_API long uebpf_map_consume(struct uebpf_map *map, uebpf_record_fn cb, void *arg);
/* A file descriptor that is readable while a ring buffer map holds records (poll, epoll); -errno.
 * -EOPNOTSUPP for one shared between processes: look at it by time. */
UEBPF_API int uebpf_map_poll_fd(struct uebpf_map *map);
/* Text of a key or value by the object's BTF: returns the whole length; what: 0 key, 1 value. */
UEBPF_API long uebpf_map_format(const struct uebpf_map *map, int what, const void *data, int json,
				char *buf, size_t cap);

/* The reverse: a key (what 0) or value (what 1) from text by the object's BTF into `data` of key_size or
 * value_size bytes (per-CPU maps: one value).  Reads what uebpf_map_format writes and shorter forms:
 * integers (decimal, 0x, negative, 'c', true/false, enum names), dotted IPv4 and colon IPv6/MAC addresses
 * into members of their size (network order), "text" into char arrays, {1, 2} and {.name = 1} or
 * {"name": 1} for structs and [1, 2] or {1, 2} for arrays (what is not named is zero), x"HEX" for bytes
 * as they lie in memory.  Without BTF: an integer up to 8 bytes or x"HEX".  -EINVAL with *err. */
UEBPF_API int uebpf_map_parse(const struct uebpf_map *map, int what, const char *text, void *data,
			      struct uebpf_error *err);

#ifdef __cplusplus
}
#endif
#endif
