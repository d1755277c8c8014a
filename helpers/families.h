/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* families.h - the helper functions, declared from their rows, and what families share. */
#ifndef UEBPF_HELPERS_FAMILIES_H
#define UEBPF_HELPERS_FAMILIES_H

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include "vm/code.h"
#include "vm/desc.h"
#include "vm/insn.h"

#define HELPER(nr, name, ...) \
uint64_t helper_##name(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, \
		       struct uebpf_call *call);
#include "helpers/helpers.def"

/* Defines one: arguments that a helper does not take are unnamed by being unused. */
#define FN(name) \
uint64_t helper_##name(uint64_t r1 UNUSED, uint64_t r2 UNUSED, uint64_t r3 UNUSED, uint64_t r4 UNUSED, \
		       uint64_t r5 UNUSED, struct uebpf_call *call UNUSED)
#define UNUSED __attribute__((unused))
#define ERR(number) ((uint64_t)(int64_t)-(number))
#ifndef ENOTSUPP
#define ENOTSUPP 524		/* the kernel's own, seen by programs only */
#endif

static inline void *ptr(uint64_t value)
{
	return (void *)(uintptr_t)value;
}

/* Copies n bytes from an address that a program computed: memory of the run directly, other memory as
 * the env's probe option says.  0 or -EFAULT; dst is then undefined. */
int probe_copy(struct uebpf_call *call, void *dst, uint64_t from, size_t n);
/* The same for a string: at most n bytes with the NUL, which dst always gets when n > 0.  Length with
 * NUL, or -EFAULT. */
long probe_string(struct uebpf_call *call, char *dst, uint64_t from, size_t n);

/* Sums of RFC 1071, as the kernel folds them. */
uint32_t csum_add(uint32_t a, uint32_t b);
uint32_t csum_bytes(const void *data, size_t len, uint32_t seed);
uint16_t csum_fold(uint32_t sum);

/* Formats as bpf_trace_printk does.  Length of the whole text, which may exceed cap, or -EINVAL. */
enum { FORMAT_ARGS = 12, FORMAT_BUF = 1024 };
long format_text(struct uebpf_call *call, char *out, size_t cap, const char *fmt, size_t fmt_size,
		 const uint64_t *args, uint32_t nr_args);

/* Text into a buffer that may be too short: len counts on. */
struct writer {
	char *out;
	size_t cap, len;
};
void put(struct writer *w, char c, size_t n);
void put_text(struct writer *w, const char *text, size_t n);
enum conv { CONV_NONE, CONV_PERCENT, CONV_INT, CONV_CHAR, CONV_STR, CONV_PTR, CONV_SYMBOL, CONV_IP };
struct spec {
	enum conv conv;
	uint32_t len;			/* characters of the format, '%' included */
	uint32_t width;
	uint8_t zero, plus, space, left;
	uint8_t bytes;			/* CONV_INT: 4 or 8; CONV_IP: 4 or 16 */
	uint8_t dotted;			/* CONV_IP: %pI */
	char letter;
};

/* By letter ('d', 'u', 'x', 'X'), width and flags; bytes: 4 or 8 of a signed value. */
void put_number(struct writer *w, const struct spec *s, uint64_t value, int bytes);

uint32_t current_cpu(struct uebpf_call *call);

enum { LOOP_LIMIT = 1 << 23 };	/* rounds of bpf_loop (Linux: BPF_MAX_LOOPS) */
int loop_inliner(const struct call_site *site, struct insn *out, int cap);
int each_inliner(const struct call_site *site, struct insn *out, int cap);
int clock_inliner(const struct call_site *site, struct insn *out, int cap);
uint64_t tail_to(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, struct uebpf_call *call);
int tail_inliner(const struct call_site *site, struct insn *out, int cap);
int numbers_inliner(const struct call_site *site, struct insn *out, int cap);
int strncmp_inliner(const struct call_site *site, struct insn *out, int cap);
int filter_head_inliner(const struct call_site *site, struct insn *out, int cap);
int random_inliner(const struct call_site *site, struct insn *out, int cap);
int cpu_inliner(const struct call_site *site, struct insn *out, int cap);
int pid_tgid_inliner(const struct call_site *site, struct insn *out, int cap);
int map_lookup_inliner(const struct call_site *site, struct insn *out, int cap);
int map_update_inliner(const struct call_site *site, struct insn *out, int cap);
int map_delete_inliner(const struct call_site *site, struct insn *out, int cap);
int ring_reserve_inliner(const struct call_site *site, struct insn *out, int cap);
int snprintf_check(const char *text, uint64_t size, const char **why);

#endif
