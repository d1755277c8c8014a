/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* helper_text.h - the contract of a helper in the text form of helpers/proto.c, and the names of the
 * program types it is offered to: for docs/gendoc.c and the tests. */
#ifndef UEBPF_DOCS_HELPER_TEXT_H
#define UEBPF_DOCS_HELPER_TEXT_H

#include <stdio.h>
#include <string.h>
#include "helpers/helpers.h"

struct text { char *buf; size_t cap; int len; };

static void add(struct text *t, const char *a, const char *b)
{
	size_t at = (size_t)t->len < t->cap ? (size_t)t->len : t->cap;

	t->len += snprintf(t->cap ? t->buf + at : NULL, t->cap - at, "%s%s", a, b);
}

/* The n-th word of a list separated by blanks. */
static void add_word(struct text *t, const char *before, const char *list, unsigned n)
{
	char word[16];

	for (; n; n--)
		list += strcspn(list, " ") + 1;
	snprintf(word, sizeof word, "%.*s", (int)strcspn(list, " ,"), list);
	add(t, before, word);
}

static void add_arg(struct text *t, const struct arg *arg)
{
	char number[8];

	switch (arg->kind) {
	case ARG_FIXED:
	case ARG_FIXED_OUT:
		snprintf(number, sizeof number, "%u", arg->size);
		add(t, arg->kind == ARG_FIXED ? "mem:" : "mem_out:", number);
		break;
	case ARG_FUNC:
		add_word(t, "func:", helpers_callbacks, arg->size);
		break;
	default:
		add_word(t, "", helpers_kinds, arg->kind - ARG_ANY);
		if ((arg->kind == ARG_DYNPTR || arg->kind == ARG_DYNPTR_OUT) && arg->size)
			add_word(t, ":", helpers_dynptrs, arg->size - DYNPTR_LOCAL);
	}
	if (arg->flags & ARG_OR_NULL)
		add(t, "?", "");
}

/* The contract; snprintf-like. */
static inline int proto_text(const struct helper *helper, char *buf, size_t cap)
{
	static const char *const results[] = {
		[RET_SCALAR] = "u64", [RET_VOID] = "void", [RET_VALUE_OR_NULL] = "value?",
		[RET_VALUE] = "value", [RET_MEM_OR_NULL] = "mem?", [RET_MEM] = "mem",
		[RET_SOCK_OR_NULL] = "sock?", [RET_BTF_OR_NULL] = "btf?", [RET_BTF] = "btf",
		[RET_NEVER] = "never", [RET_FIRST] = "first",
	};
	struct text t = { buf, cap, 0 };
	struct ret ret = helper_ret(helper);
	char number[16];

	if (ret.size && (ret.kind == RET_MEM || ret.kind == RET_MEM_OR_NULL)) {
		snprintf(number, sizeof number, "mem:%u", ret.size);
		add(&t, number, ret.kind == RET_MEM ? "" : "?");
	} else {
		add(&t, results[ret.kind], "");
	}
	add(&t, " (", "");
	for (unsigned i = 0; i < 5 && helper_arg(helper, i).kind != ARG_NONE; i++) {
		struct arg arg = helper_arg(helper, i);

		if (i)
			add(&t, ", ", "");
		add_arg(&t, &arg);
	}
	add(&t, ")", "");
	return t.len;
}

/* Names of the groups of a row, "xdp, tc"; snprintf-like. */
static inline int groups_text(uint32_t groups, char *buf, size_t cap)
{
	static const struct { uint32_t bit; const char *name; } names[] = {
		{ HG_BASE, "all" }, { HG_TRACING, "tracing" }, { HG_PERF, "perf_event" },
		{ HG_KPROBE, "kprobe" }, { HG_XDP, "xdp" }, { HG_TC, "tc" }, { HG_SOCKET, "socket" },
		{ HG_CGROUP_SKB, "cgroup_skb" }, { HG_CGROUP_SOCK, "cgroup_sock" },
		{ HG_CGROUP_ADDR, "cgroup_sock_addr" }, { HG_CGROUP, "cgroup_device" },
		{ HG_SYSCTL, "cgroup_sysctl" }, { HG_SOCKOPT, "cgroup_sockopt" },
		{ HG_SOCK_OPS, "sock_ops" }, { HG_SK_MSG, "sk_msg" }, { HG_SK_SKB, "sk_skb" },
		{ HG_SK_LOOKUP, "sk_lookup" }, { HG_REUSEPORT, "sk_reuseport" },
		{ HG_FLOW, "flow_dissector" }, { HG_LWT, "lwt" }, { HG_LWT_IN, "lwt_in" },
		{ HG_LWT_XMIT, "lwt_xmit" }, { HG_SEG6LOCAL, "lwt_seg6local" },
		{ HG_NETFILTER, "netfilter" }, { HG_BTF, "fentry" }, { HG_ITER, "iter" },
		{ HG_LSM, "lsm" }, { HG_SYSCALL, "syscall" }, { HG_LIRC, "lirc_mode2" },
		{ HG_HOST, "host" },
	};
	struct text t = { buf, cap, 0 };

	if (cap)
		buf[0] = 0;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (groups & names[i].bit)
			add(&t, t.len ? ", " : "", names[i].name);
	return t.len;
}

#endif
