/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* uebpf_probe.h - probe sites that this process filters and that the kernel can attach to.
 *
 *	static struct uebpf_slot slot = UEBPF_SLOT_INIT;
 *	...
 *	if (UEBPF_PROBE(shop, sale, &slot, &event))
 *		record(&event);
 *
 * A site is a no-op of 5 bytes (4 on arm64) that .note.stapsdt describes as SystemTap's and libbpf's USDT
 * readers expect: provider, name, two arguments, the event's address and its size.  The slot is asked
 * first: while it is empty every event passes the site, and what a filter rejects does not, so that a
 * uprobe costs its trap only for events that are wanted.  The value is that of uebpf_slot_accepts(): 1
 * wanted, 0 not.  Elsewhere than on x86-64 and arm64 the slot alone is asked and no site is made.
 * GNU C; provider and name are words, not strings.  Any thread, signal handlers too. */
#ifndef UEBPF_PROBE_H
#define UEBPF_PROBE_H

#include "uebpf.h"

#if defined(__x86_64__)
#define UEBPF_PROBE_NOP ".byte 0x0f, 0x1f, 0x44, 0x00, 0x00"
#elif defined(__aarch64__)
#define UEBPF_PROBE_NOP "nop"
#endif

#ifdef UEBPF_PROBE_NOP
/* The note: lengths of owner and description, type 3; then the site's address, an address that tells how
 * far the file was moved since (prelink), a semaphore (none) and the strings. */
#define UEBPF_PROBE_SITE(provider, name, event, bytes) \
	__asm__ volatile( \
		"990: " UEBPF_PROBE_NOP "\n" \
		"\t.pushsection .note.stapsdt, \"\", \"note\"\n" \
		"\t.balign 4\n" \
		"\t.4byte 992f - 991f, 994f - 993f, 3\n" \
		"991:\t.asciz \"stapsdt\"\n" \
		"992:\t.balign 4\n" \
		"993:\t.8byte 990b, _.stapsdt.base, 0\n" \
		"\t.asciz \"" #provider "\"\n" \
		"\t.asciz \"" #name "\"\n" \
		"\t.asciz \"8@%[uebpf_event] 8@%[uebpf_bytes]\"\n" \
		"994:\t.balign 4\n" \
		"\t.popsection\n" \
		"\t.ifndef _.stapsdt.base\n" \
		"\t.pushsection .stapsdt.base, \"aG\", \"progbits\", .stapsdt.base, comdat\n" \
		"\t.weak _.stapsdt.base\n" \
		"\t.hidden _.stapsdt.base\n" \
		"_.stapsdt.base: .space 1\n" \
		"\t.size _.stapsdt.base, 1\n" \
		"\t.popsection\n" \
		"\t.endif\n" \
		:: [uebpf_event] "r"(event), [uebpf_bytes] "r"((uint64_t)(bytes)) : "memory")
#else
#define UEBPF_PROBE_SITE(provider, name, event, bytes) ((void)(event))
#endif

#define UEBPF_PROBE(provider, name, slot, event) __extension__ ({ \
	int uebpf_wanted = uebpf_slot_accepts((slot), (event), sizeof *(event), (void *)0); \
	if (uebpf_wanted) \
		UEBPF_PROBE_SITE(provider, name, (event), sizeof *(event)); \
	uebpf_wanted; })

#endif
