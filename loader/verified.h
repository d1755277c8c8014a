/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* verified.h - the verifier's stage of the pipeline. */
#ifndef UEBPF_LOADER_VERIFIED_H
#define UEBPF_LOADER_VERIFIED_H

#include "loader/object.h"
#include "verifier/verifier.h"

/* Verifies prog->code (decoded, not bound) and lays out its context accesses.  0 or -errno with *err. */
/* What the verifier knows of each instruction, as text; verifies the program once more.  -ENOENT: not a
 * verified program. */
int verified_facts(const struct prog *prog, void (*put)(void *arg, const char *text), void *arg);
int verify_prog(struct prog *prog, const struct uebpf_load_opts *o, struct uebpf_error *err);
/* Frees what verify_prog kept for verified_facts. */
void verified_forget(struct prog *prog);
/* Mode trusted: finds the context accesses and translates them; proves nothing. */
int trust_prog(struct prog *prog, struct uebpf_error *err);

#endif
