/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* print.c - text from numbers: trace_printk, trace_vprintk, snprintf, with the kernel's rules of what a
 * format may say (no precision, no '#', only %c %d %i %u %x %X %s and pointer forms).
 *
 * Two passes, as in the kernel, because what they refuse differs: the first checks the whole format and
 * takes the arguments into a buffer of 512 bytes (what does not fit is -ENOSPC), the second writes. */
#include <linux/bpf.h>
#include "helpers/families.h"
#include "vm/message.h"

enum { STORE = 512, PRINTK_ARGS = 3, WIDTH_MAX = 8388607 };

void put(struct writer *w, char c, size_t n)
{
	for (size_t i = w->len; i < w->cap && i < w->len + n; i++)
		w->out[i] = c;
	w->len += n;
}

void put_text(struct writer *w, const char *text, size_t n)
{
	if (w->len < w->cap)
		memcpy(w->out + w->len, text, n < w->cap - w->len ? n : w->cap - w->len);
	w->len += n;
}

static int is_digit(char c) { return c >= '0' && c <= '9'; }
static int is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
static int is_print(char c) { return c >= ' ' && c <= '~'; }
static int is_alnum(char c)
{
	return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

static void flags_and_width(struct spec *s, const char *f, uint32_t *at)
{
	uint32_t i = *at;
	uint64_t width = 0;

	for (; f[i] == '0' || f[i] == '+' || f[i] == '-' || f[i] == ' '; i++) {
		s->zero |= f[i] == '0';
		s->plus |= f[i] == '+';
		s->left |= f[i] == '-';
		s->space |= f[i] == ' ';
	}
	for (; is_digit(f[i]); i++)
		width = width > WIDTH_MAX ? width : width * 10 + (uint64_t)(f[i] - '0');
	s->width = width > WIDTH_MAX ? WIDTH_MAX : (uint32_t)width;
	*at = i;
}

static int ends_spec(char c)
{
	return !c || is_space(c) || (is_print(c) && !is_alnum(c));
}

/* %p forms; f[i] is the 'p'.  Characters after it that belong to it are eaten as vsnprintf does. */
static int pointer_spec(struct spec *s, const char *f, uint32_t i)
{
	char next = f[i + 1];

	if ((next == 'k' || next == 'u') && f[i + 2] == 's') {
		s->conv = CONV_STR;
		s->len = i + 3;
		return ends_spec(f[i + 3]) ? 0 : -EINVAL;
	}
	if (ends_spec(next) || next == 'K' || next == 'x') {
		s->conv = CONV_PTR;
	} else if (next == 's' || next == 'S' || next == 'B') {
		s->conv = CONV_SYMBOL;
	} else if ((next == 'i' || next == 'I') && (f[i + 2] == '4' || f[i + 2] == '6')) {
		s->conv = CONV_IP;
		s->dotted = next == 'I';
		s->bytes = f[i + 2] == '4' ? 4 : 16;
	} else {
		return -EINVAL;
	}
	for (i++; is_alnum(f[i]); i++)
		;
	s->len = i;
	return 0;
}

static int read_spec(struct spec *s, const char *f)
{
	uint32_t i = 1;

	memset(s, 0, sizeof *s);
	if (f[1] == '%') {
		s->conv = CONV_PERCENT;
		s->len = 2;
		return 0;
	}
	flags_and_width(s, f, &i);
	if (f[i] == 'p')
		return pointer_spec(s, f, i);
	if (f[i] == 's' || f[i] == 'c') {
		s->conv = f[i] == 's' ? CONV_STR : CONV_CHAR;
		s->len = i + 1;
		return f[i] == 'c' || ends_spec(f[i + 1]) ? 0 : -EINVAL;
	}
	s->bytes = 4;
	if (f[i] == 'l') {
		s->bytes = sizeof(long) == 8 || f[i + 1] == 'l' ? 8 : 4;
		i += f[i + 1] == 'l' ? 2 : 1;
	}
	if (f[i] != 'd' && f[i] != 'i' && f[i] != 'u' && f[i] != 'x' && f[i] != 'X')
		return -EINVAL;
	s->conv = CONV_INT;
	s->letter = f[i];
	s->len = i + 1;
	return 0;
}

/* The next conversion behind *at: 1, 0 at the end, or -EINVAL.  Text before it goes to w (NULL: nowhere). */
static int next_spec(struct spec *s, const char *fmt, size_t size, size_t *at, struct writer *w)
{
	int err;

	for (; *at < size && fmt[*at] != '%'; ++*at)
		if (w)
			put(w, fmt[*at], 1);
	if (*at == size)
		return 0;
	err = read_spec(s, fmt + *at);
	*at += s->len;
	return err ? err : 1;
}

/* ---- first pass: check, and take arguments ---- */

struct store {
	char bytes[STORE];
	uint32_t used;
	uint32_t at[FORMAT_ARGS];	/* where each argument lies */
};

static int take(struct uebpf_call *call, struct store *store, const struct spec *s, uint64_t value,
		uint32_t index)
{
	uint32_t size = s->conv == CONV_IP ? s->bytes : s->conv == CONV_INT ? s->bytes : sizeof(long);
	uint32_t align = s->conv == CONV_STR || s->conv == CONV_CHAR || s->conv == CONV_IP ? 1 : 4;
	long got;

	store->used = (store->used + align - 1) & ~(align - 1);
	store->at[index] = store->used;
	if (s->conv == CONV_STR) {
		if (store->used >= STORE)
			return -ENOSPC;
		got = probe_string(call, store->bytes + store->used, value, STORE - store->used);
		if (got <= 0) {
			store->bytes[store->used] = 0;
			got = 1;
		}
		store->used += (uint32_t)got;
		return 0;
	}
	if (s->conv == CONV_CHAR)
		size = 1;
	if (STORE - store->used < size)
		return -ENOSPC;
	if (s->conv == CONV_IP) {
		if (probe_copy(call, store->bytes + store->used, value, size))
			memset(store->bytes + store->used, 0, size);
	} else if (size == 1) {
		store->bytes[store->used] = (char)value;
	} else if (size == 4) {
		memcpy(store->bytes + store->used, &(uint32_t){ (uint32_t)value }, 4);
	} else {
		memcpy(store->bytes + store->used, &value, 8);
	}
	store->used += size;
	return 0;
}

/* ---- second pass: write ---- */

static uint64_t stored(const struct store *store, uint32_t index, uint32_t bytes)
{
	uint64_t wide = 0;
	uint32_t narrow = 0;

	if (bytes == 8)
		memcpy(&wide, store->bytes + store->at[index], 8);
	else
		memcpy(&narrow, store->bytes + store->at[index], 4);
	return bytes == 8 ? wide : narrow;
}

/* Text in its width; a sign stands before zeroes and behind blanks. */
static void put_padded(struct writer *w, const struct spec *s, bool zero, char sign, const char *text, size_t len)
{
	size_t all = len + (sign != 0), pad = s->width > all ? s->width - all : 0;

	if (!s->left && !zero)
		put(w, ' ', pad);
	if (sign)
		put(w, sign, 1);
	if (!s->left && zero)
		put(w, '0', pad);
	put_text(w, text, len);
	if (s->left)
		put(w, ' ', pad);
}

void put_number(struct writer *w, const struct spec *s, uint64_t value, int bytes)
{
	const char *digit = s->letter == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
	unsigned base = (s->letter | 0x20) == 'x' ? 16 : 10;
	char text[24], *at = text + sizeof text;
	int64_t number = bytes == 8 ? (int64_t)value : (int32_t)value;
	char sign = 0;

	if (s->letter == 'd' || s->letter == 'i') {
		sign = number < 0 ? '-' : s->plus ? '+' : s->space ? ' ' : 0;
		value = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
	}
	do
		*--at = digit[value % base];
	while (value /= base);
	put_padded(w, s, s->zero, sign, at, (size_t)(text + sizeof text - at));
}

static void put_ip(struct writer *w, const struct spec *s, const unsigned char *b)
{
	struct spec number = { .width = s->dotted ? 0 : 3, .zero = 1, .letter = 'u' };
	int i;

	for (i = 0; i < s->bytes; i++) {
		if (s->bytes == 4) {
			if (i)
				put(w, '.', 1);
			put_number(w, &number, b[i], 4);
			continue;
		}
		if (s->dotted && i && i % 2 == 0)
			put(w, ':', 1);
		put(w, "0123456789abcdef"[b[i] >> 4], 1);
		put(w, "0123456789abcdef"[b[i] & 15], 1);
	}
}

static void put_spec(struct writer *w, const struct spec *s, const struct store *store, uint32_t index)
{
	const char *bytes = store->bytes + store->at[index];
	struct spec hex = *s;

	switch (s->conv) {
	case CONV_INT:
		put_number(w, s, stored(store, index, s->bytes), s->bytes);
		break;
	case CONV_CHAR:
		put_padded(w, s, false, 0, bytes, 1);
		break;
	case CONV_STR:
		put_padded(w, s, false, 0, bytes, strlen(bytes));
		break;
	case CONV_IP:
		put_ip(w, s, (const unsigned char *)bytes);
		break;
	case CONV_SYMBOL:
		put_text(w, "0x", 2);
		/* fall through */
	default:
		hex.letter = 'x';
		if (s->conv == CONV_PTR && !s->width) {
			hex.width = 2 * sizeof(long);
			hex.zero = 1;
		}
		put_number(w, &hex, stored(store, index, sizeof(long)), sizeof(long));
	}
}

static int check_text(const char *fmt, size_t *size)
{
	const char *end = memchr(fmt, 0, *size);

	if (!end)
		return -EINVAL;
	*size = (size_t)(end - fmt);
	for (const char *p = fmt; p < end; p++)
		if (!(*p & 0x80) && !is_print(*p) && !is_space(*p))
			return -EINVAL;	/* other scripts pass since Linux 6.17 */
	return 0;
}

long format_text(struct uebpf_call *call, char *out, size_t cap, const char *fmt, size_t fmt_size,
		 const uint64_t *args, uint32_t nr_args)
{
	struct writer w = { .out = out, .cap = cap ? cap - 1 : 0 };
	struct store store = { .used = 0 };
	struct spec spec;
	uint32_t n = 0;
	size_t i = 0;
	int err = check_text(fmt, &fmt_size);

	if (err)
		return err;
	while ((err = next_spec(&spec, fmt, fmt_size, &i, NULL)) > 0) {
		if (spec.conv == CONV_PERCENT)
			continue;
		err = n < nr_args ? take(call, &store, &spec, args[n], n) : -EINVAL;
		if (err)
			break;
		n++;
	}
	if (err)
		return err;
	for (i = n = 0; next_spec(&spec, fmt, fmt_size, &i, &w);) {
		if (spec.conv == CONV_PERCENT)
			put(&w, '%', 1);
		else
			put_spec(&w, &spec, &store, n++);
	}
	if (cap)
		out[w.len < cap ? w.len : cap - 1] = 0;
	return (long)w.len;
}

/* ---- the helpers ---- */

static uint64_t print(struct uebpf_call *call, const char *fmt, uint64_t fmt_size, const uint64_t *args,
		      uint32_t nr_args)
{
	const struct uebpf_hooks *hooks = &call->env->hooks;
	char text[FORMAT_BUF];
	long len = format_text(call, text, sizeof text, fmt, (size_t)fmt_size, args, nr_args);

	if (len >= 0 && hooks->print)
		hooks->print(hooks->ctx, text, strlen(text));
	return (uint64_t)(int64_t)len;
}

FN(trace_printk)
{
	uint64_t args[PRINTK_ARGS] = { r3, r4, r5 };

	return print(call, ptr(r1), r2, args, PRINTK_ARGS);
}

static int bad_args(uint64_t data, uint64_t size)
{
	return size % 8 || size > FORMAT_ARGS * 8 || (size && !data);
}

FN(trace_vprintk)
{
	uint64_t args[FORMAT_ARGS] = { 0 };

	if (bad_args(r3, r4))
		return ERR(EINVAL);
	if (r4)
		memcpy(args, ptr(r3), (size_t)r4);
	return print(call, ptr(r1), r2, args, (uint32_t)r4 / 8);
}

FN(snprintf)
{
	uint64_t args[FORMAT_ARGS] = { 0 };
	long len;

	if (bad_args(r4, r5))
		return ERR(EINVAL);
	if (r5)
		memcpy(args, ptr(r4), (size_t)r5);
	len = format_text(call, ptr(r1), (size_t)(uint32_t)r2, ptr(r3), SIZE_MAX - (uintptr_t)r3, args,
			  (uint32_t)r5 / 8);
	return (uint64_t)(int64_t)(len < 0 ? len : len + 1);
}

FN(snprintf_btf)
{
	const uint64_t known = BTF_F_COMPACT | BTF_F_NONAME | BTF_F_PTR_RAW | BTF_F_ZERO;
	struct { uint64_t at; uint32_t id, flags; } what;

	if (r4 != sizeof what || r5 & ~known)
		return ERR(EINVAL);
	memcpy(&what, ptr(r3), sizeof what);
	if (!call->env->type_text)
		return ERR(ENOENT);
	return (uint64_t)(int64_t)call->env->type_text(call, ptr(r1), (uint32_t)r2, what.at, what.id, r5);
}

int snprintf_check(const char *text, uint64_t size, const char **why)
{
	size_t len = strlen(text) + 1, i = 0;
	struct spec spec;
	uint64_t n = 0;
	int more;

	*why = MESSAGE_TEXT("snprintf: its format has a character or conversion that bpf_snprintf does not take");
	more = check_text(text, &len) ? -EINVAL : 1;
	while (more > 0 && (more = next_spec(&spec, text, len, &i, NULL)) > 0)
		n += spec.conv != CONV_PERCENT;
	if (more)
		return more;
	*why = MESSAGE_TEXT("snprintf: its format has more conversions than data_len / 8 arguments");
	return size != UINT64_MAX && n > size / 8 ? -EINVAL : 0;
}
