/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* trace.c - --trace: each instruction with the registers before it.  Text goes to stderr, so that the
 * result stays alone on stdout. */
#include <inttypes.h>
#include <string.h>
#include "tools/tool.h"

struct trace { bool json; uint64_t count; };

static void step(void *arg, uint32_t pc, const uint64_t regs[11], const char *insn)
{
	struct trace *t = arg;

	t->count++;
	if (t->json) {
		json_open(NULL, '{');
		json_u64("pc", pc);
		json_string("insn", insn);
		json_open("regs", '[');
		for (int i = 0; i < 11; i++)
			json_u64(NULL, regs[i]);
		json_close();
		json_close();
		return;
	}
	fprintf(stderr, "%5" PRIu32 ": %-44s", pc, insn);
	for (int i = 0; i < 11; i++)
		fprintf(stderr, " r%d=%" PRIx64, i, regs[i]);
	fputc('\n', stderr);
}

int run_trace(struct session *s, struct input *in, uint64_t *r0, struct uebpf_run *run)
{
	struct trace t = { .json = s->opt->json };
	int status;

	if (t.json)
		json_open("trace", '[');
	status = uebpf_prog_trace(s->prog, input_ctx(in), input_len(in), run, r0, step, &t);
	if (t.json)
		json_close();
	return status;
}
