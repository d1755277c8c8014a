/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* unwind.c - call frame information of compiled programs that call C, so that a C++ exception, a
 * cancelled thread or a backtrace goes through them.  Rows hold at the calls, not in prologues.  GDB gets the same table
 * (jit/gdb.c).
 *
 * Registration is libgcc's __register_frame; a process without an unwinder does not have it.  Register
 * numbers: System V psABI x86-64, figure 3.36; format: LSB core, exception frames. */
#include <string.h>
#include "jit/x86_64/jc.h"
#include "vm/mem.h"

void __register_frame(const void *frames) __attribute__((weak));
void __deregister_frame(const void *frames) __attribute__((weak));

static const uint8_t dwarf[16] = { 0, 2, 1, 3, 7, 6, 4, 5, 8, 9, 10, 11, 12, 13, 14, 15 };
enum { RETURN_ADDRESS = 16, MOST = 96 };

static void uleb(struct x_buf *b, uint32_t v)
{
	for (; v >= 0x80; v >>= 7)
		x_8(b, v | 0x80);
	x_8(b, v);
}

static void cie(struct x_buf *b)
{
	static const uint8_t bytes[] = {
		20, 0, 0, 0,		/* length */
		0, 0, 0, 0,		/* a CIE */
		1, 'z', 'R', 0,
		1, 0x78, RETURN_ADDRESS,/* code and data alignment: 1, -8 */
		1, 0x00,		/* addresses are absolute */
		0x0c, 7, 8,		/* CFA = rsp + 8 */
		0x80 | RETURN_ADDRESS, 1,
		0, 0
	};
	memcpy(b->p, bytes, sizeof bytes);
	b->p += sizeof bytes;
}

static void fde(struct x_buf *b, const uint8_t *start, const uint8_t *from, size_t len, const struct unwind_frame *f)
{
	uint8_t *begin = b->p;

	x_32(b, 0);
	x_32(b, (uint32_t)(b->p - start));	/* back to the CIE */
	x_64(b, (uintptr_t)from);
	x_64(b, len);
	uleb(b, 0);
	x_8(b, 0x0c);				/* DW_CFA_def_cfa */
	uleb(b, f->fp ? dwarf[RBP] : dwarf[RSP]);
	uleb(b, f->cfa);
	for (int k = 0; k < f->nr; k++) {
		x_8(b, 0x80u | dwarf[f->saved[k]]);	/* DW_CFA_offset */
		uleb(b, 2u + (unsigned)k);
	}
	while ((b->p - begin - 4) % 8)
		x_8(b, 0);
	len = (size_t)(b->p - begin - 4);
	memcpy(begin, &(uint32_t){ (uint32_t)len }, 4);
}

void unwind_register(struct jit_code *jit, const struct unwind_frame *frames, uint32_t n, bool gdb)
{
	size_t size = MOST * (size_t)(n + 1);
	uint8_t *table;
	struct x_buf b;

	jit->unwinds = __register_frame && __deregister_frame;
	if (!jit->unwinds && !gdb)
		return;
	table = mem_alloc(jit->host, size);
	if (!table)
		return;		/* unwinding stops here, as without the information */
	b.p = table;
	cie(&b);
	for (uint32_t k = 0; k < n; k++)
		fde(&b, table, jit->text + frames[k].from, frames[k].to - frames[k].from, &frames[k]);
	x_32(&b, 0);
	jit->unwind = table;
	jit->unwind_bytes = size;
	if (jit->unwinds)
		__register_frame(table);
}

void unwind_drop(struct jit_code *jit)
{
	if (!jit->unwind)
		return;
	if (jit->unwinds)
		__deregister_frame(jit->unwind);
	mem_free(jit->host, jit->unwind, jit->unwind_bytes);
	jit->unwind = NULL;
}
