/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* out.c - how uebpf-run writes: the one JSON document of --json, hex, escaped text, the progress bar.
 * Knows nothing of programs. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tools/tool.h"

enum { MAX_DEPTH = 16 };
static char open_bracket[MAX_DEPTH];	/* what closes each open level */
static bool has_item[MAX_DEPTH];
static int depth;
static bool one_line;

void json_lines(void)
{
	one_line = true;
}

/* Between items, and before a closing bracket. */
static void next_line(int level)
{
	if (!one_line)
		printf("\n%*s", level * 2, "");
}

static void escape_char(FILE *f, unsigned char c)
{
	static const char *const named[] = { ['"'] = "\\\"", ['\\'] = "\\\\", ['\n'] = "\\n",
					     ['\t'] = "\\t", ['\r'] = "\\r" };
	if (c < sizeof named / sizeof named[0] && named[c])
		fputs(named[c], f);
	else if (c < 0x20 || c == 0x7f)
		fprintf(f, "\\u%04x", c);
	else
		fputc(c, f);
}

/* Length of the UTF-8 sequence at s, 0 when it is none. */
static size_t utf8_length(const char *text, size_t left)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t n = s[0] < 0x80 ? 1 : s[0] >= 0xc2 && s[0] < 0xe0 ? 2 : s[0] >= 0xe0 && s[0] < 0xf0 ? 3 :
		   s[0] >= 0xf0 && s[0] < 0xf5 ? 4 : 0;

	if (!n || n > left)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if (n == 3 && ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] >= 0xa0)))
		return 0;
	if (n == 4 && ((s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] >= 0x90)))
		return 0;
	return n;
}

/* Text that a terminal and a JSON reader can take, whatever a hostile object put into a name. */
void print_escaped(FILE *f, const char *text, size_t len)
{
	for (size_t i = 0; i < len; ) {
		size_t n = utf8_length(text + i, len - i);

		if (n > 1)
			fwrite(text + i, 1, n, f);
		else if (n == 1)
			escape_char(f, (unsigned char)text[i]);
		else
			fputs("\\ufffd", f);
		i += n ? n : 1;
	}
}

static void begin(const char *key)
{
	if (!depth)
		return;
	if (has_item[depth])
		fputs(one_line ? ", " : ",", stdout);
	next_line(depth);
	has_item[depth] = true;
	if (open_bracket[depth] == '}') {
		putchar('"');
		print_escaped(stdout, key ? key : "", key ? strlen(key) : 0);
		fputs("\": ", stdout);
	}
}

void json_open(const char *key, char bracket)
{
	begin(key);
	putchar(bracket);
	if (depth + 1 >= MAX_DEPTH)
		abort();	/* a fixed nesting of this program's own */
	open_bracket[++depth] = bracket == '{' ? '}' : ']';
	has_item[depth] = false;
}

void json_close(void)
{
	if (has_item[depth])
		next_line(depth - 1);
	putchar(open_bracket[depth--]);
	if (!depth)
		putchar('\n');
}

void json_end(void)
{
	while (depth)
		json_close();
}

void json_end_inner(void)
{
	if (!depth)
		json_open(NULL, '{');
	while (depth > 1)
		json_close();
}

bool json_inside(void)
{
	return depth > 0;
}

void json_string(const char *key, const char *value)
{
	begin(key);
	if (!value) {
		fputs("null", stdout);
		return;
	}
	putchar('"');
	print_escaped(stdout, value, strlen(value));
	putchar('"');
}

void json_u64(const char *key, uint64_t value)
{
	begin(key);
	printf("%llu", (unsigned long long)value);
}

void json_i64(const char *key, int64_t value)
{
	begin(key);
	printf("%lld", (long long)value);
}

void json_double(const char *key, double value)
{
	begin(key);
	if (isfinite(value))
		printf("%.4g", value);
	else
		fputs("null", stdout);
}

void json_bool(const char *key, bool value)
{
	begin(key);
	fputs(value ? "true" : "false", stdout);
}

void json_bytes(const char *key, const void *data, size_t len)
{
	begin(key);
	putchar('"');
	print_hex(stdout, data, len);
	putchar('"');
}

void json_raw(const char *key, const char *json)
{
	begin(key);
	fputs(*json ? json : "null", stdout);
}

void print_hex(FILE *f, const void *data, size_t len)
{
	static const char digit[] = "0123456789abcdef";
	const uint8_t *p = data;

	for (size_t i = 0; i < len; i++) {
		fputc(digit[p[i] >> 4], f);
		fputc(digit[p[i] & 15], f);
	}
}

/* A full disk or a closed pipe is a failure of the command, not a detail. */
void out_flush(void)
{
	static bool told;

	errno = 0;
	if (!fflush(stdout) && !ferror(stdout))
		return;
	if (!errno && write(STDOUT_FILENO, "\n", 1) >= 0)	/* failed earlier: the reason is asked again */
		errno = EIO;
	if (!told)
		fprintf(stderr, "uebpf-run: standard output: %s\n", strerror(errno ? errno : EIO));
	told = true;
	session_close(&session);
	_exit(EXIT_USAGE);
}

const char *with_unit(double value, char buf[24])
{
	const char *unit = value >= 1e9 ? " G" : value >= 1e6 ? " M" : value >= 1e3 ? " k" : "";
	double by = value >= 1e9 ? 1e9 : value >= 1e6 ? 1e6 : value >= 1e3 ? 1e3 : 1;

	snprintf(buf, 24, *unit ? "%.2f%s" : "%.0f%s", value / by, unit);
	return buf;
}

void progress_start(struct progress *p, const struct options *opt)
{
	p->shown = false;
	p->on = !opt->quiet && isatty(STDERR_FILENO);
	p->shown_ns = now_ns();
}

void progress_show(struct progress *p, uint64_t at, uint64_t whole, uint64_t count)
{
	enum { WIDTH = 30 };
	uint64_t now;
	int full;

	now = now_ns();
	if (now - p->shown_ns < 100000000)
		return;
	p->shown_ns = now;
	p->shown = true;
	full = whole ? (int)(at * WIDTH / whole) : 0;
	if (full > WIDTH)
		full = WIDTH;
	fprintf(stderr, "\r[%.*s%*s] %llu", full, "##############################", WIDTH - full, "",
		(unsigned long long)count);
	fflush(stderr);
}

void progress_end(struct progress *p)
{
	if (p->shown)
		fputs("\r\033[K", stderr);
}
