/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* verified.h - the verifier's stage of the pipeline. */
#ifndef UEBPF_LOADER_VERIFIED_H
#define UEBPF_LOADER_VERIFIED_H

#include "loader/object.h"
#include "verifier/verifier.h"

/* What the verifier knows of each instruction, as text; verifies the program once more.  -ENOENT: not a
 * verified program. */
int verified_facts(const struct prog *prog, struct text_out *to);
/* Verifies prog->code (decoded, not bound) and lays out its context accesses.  *facts, zeroed before: what the
 * copy that runs may make use of (verify_apply), none where options forbid; freed with verify_free.
 * 0 or -errno with *err. */
int verify_prog(struct prog *prog, const struct uebpf_load_opts *o, struct verify_result *facts,
		struct uebpf_error *err);
/* Frees what verify_prog kept for verified_facts. */
void verified_forget(struct prog *prog);
/* Mode trusted: finds the context accesses and translates them; proves nothing. */
int trust_prog(struct prog *prog, struct uebpf_error *err);

#endif
