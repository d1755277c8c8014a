/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* coop.h - the kernel half of --kernel-object: loaded, attached and taken down.  Wants libbpf. */
#ifndef UEBPF_TOOLS_COOP_H
#define UEBPF_TOOLS_COOP_H

#include <bpf/libbpf.h>
#include "tools/tool.h"

struct half {
	struct bpf_object *obj;
	struct session *s;
	struct bpf_link **links;
	size_t nr_links;
	struct { int ifindex; bool egress, made_qdisc; uint32_t handle, priority; } *tc;	/* tc programs */
	size_t nr_tc;
	struct bpf_map **pinned;	/* maps that this command pinned */
	size_t nr_pinned;
	struct uebpf_map *arena[8];
	int nr_arenas;
};

/* Loads the object; on refusal takes down what exists and ends with 7, the reason and the capability that
 * is missing. */
void half_load(struct half *h, struct session *s);
/* Attaches each program by its section; the first refusal names it and ends with 7. */
void half_attach(struct half *h);
/* Detaches everything; removes the pins it made unless `keep`. */
void half_detach(struct half *h);
void half_free(struct half *h, bool keep);

#endif
