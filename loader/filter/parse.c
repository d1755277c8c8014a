/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* parse.c - the text of a filter expression into a tree (docs/filters.md).  Operators and their
 * precedence are C's; knows no types. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "loader/filter/filter.h"
#include "vm/message.h"

enum { NESTED_MAX = 200 };
enum token { T_END, T_NAME, T_CONTEXT, T_INT, T_DOUBLE, T_TEXT, T_PUNCT };

struct parser {
	struct filter *f;
	const char *at;		/* behind the token */
	const char *begin;	/* of the token */
	enum token token;
	int64_t i;
	double d;
	uint32_t nested;
	bool failed;
};

static uint32_t column(const struct parser *p)
{
	return (uint32_t)(p->begin - p->f->source) + 1;
}

static struct tree *fail(struct parser *p, const char *why)
{
	if (!p->failed)
		filter_fail(p->f, column(p), UEBPF_E_SYNTAX, "%s", message_text(why));
	p->failed = true;
	return NULL;
}
#define fail(p, literal) fail(p, MESSAGE_TEXT(literal))

static struct tree *node(struct parser *p, enum tree_kind kind, uint32_t col, struct tree *left, struct tree *right)
{
	struct tree *t = p->failed ? NULL : tree_node(&p->f->arena, kind, col, left, right);

	if (!t && !p->failed) {
		p->failed = true;
		filter_no_memory(p->f);
	}
	return t;
}

/* ---- tokens ---- */

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_name(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || is_digit(c);
}

static bool is_quote(char c) { return c == '"' || c == '\''; }

static int hex(char c)
{
	return is_digit(c) ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : 99;
}

/* A decimal floating number, whatever the locale's point: "12.5e3" is read as 125e2. */
static void floating(struct parser *p)
{
	char buf[80];
	size_t n = 0;
	long long scale = 0, exponent = 0;
	const char *at = p->at;
	int saved = errno;
	char *stop;

	p->token = T_DOUBLE;
	for (bool point = false; is_digit(*at) || (*at == '.' && !point); at++) {
		point |= *at == '.';
		scale -= point && *at != '.';
		if (*at != '.' && n < 50)
			buf[n++] = *at;
		else if (*at != '.')
			fail(p, "too many digits");
	}
	if ((*at | 32) == 'e') {
		exponent = strtoll(at + 1, &stop, 10);
		if (!is_digit(stop[-1]))
			fail(p, "digits are missing");
		at = stop;
	}
	exponent = exponent > 9999 ? 9999 : exponent < -9999 ? -9999 : exponent;
	snprintf(buf + n, sizeof(buf) - n, "e%lld", exponent + scale);
	p->d = strtod(buf, NULL);
	errno = saved;
	p->at = at;
	if (*at && strchr("fFlL", *at))		/* as in C, and without a meaning here */
		p->at = ++at;
	if (is_name(*at) || *at == '.')
		fail(p, "not a number");
}

static void number(struct parser *p)
{
	int base = p->at[0] == '0' ? (p->at[1] | 32) == 'x' ? 16 : 8 : 10;
	const char *digits = p->at + (base == 16 ? 2 : 0), *end = digits, *all = p->at;
	uint64_t v = 0;
	bool over = false;

	while (is_digit(*all))
		all++;
	if (base != 16 && (*all == '.' || (*all | 32) == 'e')) {
		floating(p);
		return;
	}
	for (; hex(*end) < base; end++) {
		over |= v > (UINT64_MAX - (unsigned)hex(*end)) / (unsigned)base;
		v = v * (unsigned)base + (unsigned)hex(*end);
	}
	p->token = T_INT;
	p->i = (int64_t)v;
	if (end == digits)
		fail(p, "digits are missing");
	while ((*end | 32) == 'u' || (*end | 32) == 'l')
		end++;
	if (over)
		fail(p, "the number does not fit in 64 bits");
	else if (is_name(*end))
		fail(p, "not a number");
	p->at = end;
}

/* White space and comments. */
static const char *skip(struct parser *p, const char *at)
{
	const char *end;

	for (;; at = end) {
		at += strspn(at, " \t\r\n");
		if (at[0] != '/' || (at[1] != '/' && at[1] != '*'))
			return at;
		end = at[1] == '/' ? at + strcspn(at, "\n") : strstr(at + 2, "*/");
		if (!end) {
			p->begin = at;
			fail(p, "the comment has no end");
			return at + strlen(at);
		}
		end += at[1] == '*' ? 2 : 0;
	}
}

/* A name with members: "a.b", "a -> b"; "$ctx.x", "$app.P:T". */
static void name(struct parser *p)
{
	bool context = *p->at == '$';
	const char *more;

	p->token = context ? T_CONTEXT : T_NAME;
	p->at += context;
	for (;; p->at = more) {
		while (is_name(*p->at) || (context && (*p->at == ':' || *p->at == '-') && is_name(p->at[1])))
			p->at++;
		more = skip(p, p->at);
		if (*more != '.' && (*more != '-' || more[1] != '>'))
			return;
		more = skip(p, more + (*more == '.' ? 1 : 2));
		if (!is_name(*more))
			return;
	}
}

static void next(struct parser *p)
{
	static const char two[][3] = { "&&", "||", "==", "!=", "<=", ">=", "<<", ">>", "->" };

	p->begin = p->at = skip(p, p->at);
	if (p->failed || !*p->at) {
		p->token = T_END;
	} else if (is_digit(*p->at) || (*p->at == '.' && is_digit(p->at[1]))) {
		number(p);
	} else if (is_quote(p->at[*p->at == 'L'])) {
		p->at += *p->at == 'L';		/* wide, to C */
		p->token = T_TEXT;
	} else if (is_name(*p->at) || *p->at == '$') {
		name(p);
	} else {
		p->token = T_PUNCT;
		for (size_t i = 0; i < sizeof(two) / sizeof(*two); i++)
			if (!strncmp(p->at, two[i], 2)) {
				p->at += 2;
				return;
			}
		p->at++;
	}
}

static bool is(const struct parser *p, const char *text)
{
	return p->token == T_PUNCT && *p->begin == *text && text[1] == (p->at - p->begin == 2 ? p->begin[1] : 0);
}

static bool take(struct parser *p, const char *text)
{
	bool there = is(p, text);

	if (there)
		next(p);
	return there;
}

/* ---- constants ---- */

/* One character of a literal behind p->at; *star: an unescaped one.  -1: p->failed. */
static int character(struct parser *p, bool *star)
{
	static const char from[] = "nrtabfv\\\"'*?", to[] = "\n\r\t\a\b\f\v\\\"'*?";
	const char *known;
	const char *begin = p->at;
	int v = (unsigned char)*p->at++, n = 0;

	*star = v == '*';
	if (v != '\\')
		return v;
	v = (unsigned char)*p->at;
	p->at += v != 0;
	known = v ? strchr(from, v) : NULL;
	if (known)
		return (unsigned char)to[known - from];
	if (v == 'x') {
		for (v = 0; hex(*p->at) < 16 && n < 2; n++)
			v = v * 16 + hex(*p->at++);
	} else if (v >= '0' && v <= '7') {
		for (v -= '0', n = 1; *p->at >= '0' && *p->at <= '7' && n < 3; n++)
			v = v * 8 + (*p->at++ - '0');
	}
	if (n && v > 0 && v < 256)
		return v;
	p->begin = begin;
	fail(p, "unknown escape; known: \\n \\r \\t \\a \\b \\f \\v \\\\ \\\" \\' \\* \\? \\xHH \\OOO");
	return -1;
}

static struct tree *text(struct parser *p)
{
	char quote = *p->at++, *to;
	uint32_t col = column(p), n = 0;
	struct tree *t = node(p, TREE_STRING, col, NULL, NULL);
	bool glob = false, star;
	const char *open = p->begin, *body = p->at;
	int c = 0;

	/* Twice: with a star in it the literal is a pattern, and stars and backslashes stay escaped. */
	to = t ? arena_alloc(&p->f->arena, strlen(p->at) * 2 + 1) : NULL;
	for (int round = 0; to && round < 2; round++) {
		for (p->at = body, n = 0; *p->at && *p->at != quote && c >= 0;) {
			c = character(p, &star);
			if (c < 0)
				return NULL;
			if (round && glob && !star && (c == '*' || c == '\\'))
				to[n++] = '\\';
			glob |= star;
			to[n++] = (char)c;
		}
	}
	if (!to || *p->at != quote) {
		p->begin = open;
		return to || p->failed ? fail(p, "the text has no end") : (filter_no_memory(p->f), p->failed = true, NULL);
	}
	p->at++;
	t->kind = glob ? TREE_GLOB : TREE_STRING;
	t->text = to;
	t->len = n;
	t->what = quote == '\'' && n == 1 ? t : NULL;	/* beside a number: one (check.c) */
	next(p);
	return t;
}

/* ---- expressions ---- */

static struct tree *binary(struct parser *p, unsigned level);

/* Where an operator could stand. */
static struct tree *unexpected(struct parser *p, const char *why)
{
	if (is(p, "="))
		return fail(p, "'=' is no operator; '==' compares");
	if (p->token == T_PUNCT && p->at - p->begin == 1 && strchr("+-/%*", *p->begin))
		return fail(p, "there is no arithmetic: == != < > <= >= && || ! & | ^ ~ << >>");
	return (fail)(p, why);
}

/* The token's name, without what may stand between its parts; -> is a point. */
static bool take_name(struct parser *p, struct tree *t)
{
	const char *at = p->begin + (t->kind == TREE_CONTEXT);
	char *to = arena_alloc(&p->f->arena, (size_t)(p->at - at) + 1);

	if (!to) {
		filter_no_memory(p->f);
		p->failed = true;
		return false;
	}
	t->text = to;
	for (; at < p->at; at++) {
		at = skip(p, at);
		if (*at == '-' && at[1] == '>') {
			to[t->len++] = '.';
			at++;
		} else if (at < p->at) {
			to[t->len++] = *at;
		}
	}
	if (t->kind == TREE_CONTEXT && strncmp(to, "ctx.", 4) && strncmp(to, "app.", 4))
		fail(p, "a context is $ctx.NAME or $app.PROVIDER:TYPE");
	else if (t->kind == TREE_CONTEXT && to[0] == 'a' && !memchr(to, ':', t->len))
		fail(p, "an application's context is $app.PROVIDER:TYPE");
	return !p->failed;
}

static struct tree *primary(struct parser *p)
{
	struct tree *t;

	if (take(p, "(")) {
		t = binary(p, 0);
		if (!p->failed && !is(p, ")"))
			return unexpected(p, "')' is expected");
		next(p);
		return t;
	}
	if (p->token == T_TEXT)
		return text(p);
	if (p->token == T_END)
		return fail(p, "the expression ends here; a field, a context or a constant is expected");
	if (p->token == T_PUNCT)
		return fail(p, "a field, a context or a constant is expected");
	t = node(p, p->token == T_NAME ? TREE_FIELD : p->token == T_CONTEXT ? TREE_CONTEXT : p->token == T_INT ?
		 TREE_INT : TREE_DOUBLE, column(p), NULL, NULL);
	if (!t)
		return NULL;
	if (p->token == T_INT) {
		t->i = p->i;
	} else if (p->token == T_DOUBLE) {
		t->d = p->d;
	} else if (!take_name(p, t)) {
		return NULL;
	}
	next(p);
	return t;
}

static struct tree *postfix(struct parser *p)
{
	struct tree *t = primary(p);

	while (!p->failed && is(p, "[")) {
		t = node(p, TREE_INDEX, column(p), t, NULL);
		next(p);
		if (p->failed || p->token != T_INT)
			return fail(p, "an index is a constant");
		t->i = p->i;
		next(p);
		if (!take(p, "]"))
			return fail(p, "']' is expected");
	}
	return t;
}

static struct tree *unary(struct parser *p)
{
	static const struct { char text[2]; uint8_t kind; } ops[] = {
		{ "!", TREE_NOT }, { "~", TREE_BIT_NOT }, { "-", TREE_MINUS }, { "+", TREE_PLUS },
	};
	uint32_t col = column(p);
	struct tree *t;

	for (size_t i = 0; i < sizeof(ops) / sizeof(*ops); i++)
		if (is(p, ops[i].text)) {
			if (++p->nested > NESTED_MAX)
				return fail(p, "nested too deep");
			next(p);
			t = unary(p);
			p->nested--;
			return node(p, ops[i].kind, col, t, NULL);
		}
	return postfix(p);
}

/* Loosest first; unlike in C, bits come before comparisons, as LTTng has it. */
static const struct { char text[3]; uint8_t level, kind; } operators[] = {
	{ "||", 0, TREE_OR }, { "&&", 1, TREE_AND }, { "==", 2, TREE_EQ }, { "!=", 2, TREE_NE }, { "<", 3, TREE_LT },
	{ ">", 3, TREE_GT }, { "<=", 3, TREE_LE }, { ">=", 3, TREE_GE }, { "|", 4, TREE_BIT_OR }, { "^", 5, TREE_BIT_XOR },
	{ "&", 6, TREE_BIT_AND }, { "<<", 7, TREE_LSHIFT }, { ">>", 7, TREE_RSHIFT },
};

/* What operators of this level and tighter ones join. */
static struct tree *binary(struct parser *p, unsigned level)
{
	struct tree *t, *right;
	uint32_t col;

	if (!level && ++p->nested > NESTED_MAX)
		return fail(p, "nested too deep");
	t = unary(p);
	for (size_t i = 0; !p->failed && i < sizeof(operators) / sizeof(*operators); i++)
		if (operators[i].level >= level && is(p, operators[i].text)) {
			col = column(p);
			next(p);
			right = binary(p, operators[i].level + 1u);
			t = node(p, operators[i].kind, col, t, right);
			i = (size_t)-1;		/* the next one */
		}
	p->nested -= !level;
	return p->failed ? NULL : t;
}

struct tree *filter_parse(struct filter *f)
{
	struct parser p = { .f = f, .at = f->source };
	struct tree *t;

	next(&p);
	if (!p.failed && p.token == T_END)
		return fail(&p, "the expression is empty");
	t = p.failed ? NULL : binary(&p, 0);
	if (!p.failed && p.token != T_END)
		return unexpected(&p, MESSAGE_TEXT("an operator is expected: == != < > <= >= && || & | ^ << >>"));
	return p.failed ? NULL : t;
}
