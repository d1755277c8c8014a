/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* message.h - texts for people.  The release library holds them packed: with UEBPF_PACK they lie in
 * a section of their own, scripts/pack.c replaces its bytes at the link (frequent strings of
 * characters become symbols, frequent symbols get short codes), and the address that the code has
 * stays as the text's name.  Objects that were not linked so (tests, other modes) hold and read the
 * plain texts. */
#ifndef UEBPF_VM_MESSAGE_H
#define UEBPF_VM_MESSAGE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

enum {
	MESSAGE_MAX = 512, /* bytes of the longest, its NUL included */
	MESSAGE_STEP = 32, /* texts from one mark to the next */
	MESSAGE_MARKS = 64,
	MESSAGE_SYMBOLS = 1024, /* at most; ten bits each, two of them for each symbol */
	MESSAGE_PAIR_BITS = 20,
	MESSAGE_CODE_MAX = 20, /* bits of the longest code */
	MESSAGE_BEHIND = 3, /* bytes behind the codes that are read too */
};

#ifdef UEBPF_PACK
#define MESSAGE_PACKED __attribute__((section("uebpf_message"), aligned(1))) /* no padding */
#define MESSAGE_ROWS __attribute__((section("uebpf_rows")))
/* A literal only. */
#define MESSAGE_TEXT(literal)                               \
	({                                                  \
		static const char text_[] MESSAGE_PACKED = literal; \
		text_;                                      \
	})
#else /* here the compiler checks formats */
#define MESSAGE_PACKED
#define MESSAGE_ROWS
#define MESSAGE_TEXT(literal) literal
#endif
/* A format and its arguments.  A choice: (function)(..., yes ? MESSAGE_TEXT("a") :
 * MESSAGE_TEXT("b")). */
#define MESSAGE(literal, ...) MESSAGE_TEXT(literal), ##__VA_ARGS__

/* A symbol stands for two others, or, when the first is itself, for the character that the second
 * says. They are numbered from the shortest code on (canonical Huffman codes); those that only
 * others use come last and have no code.  A text ends with the symbol of NUL. */
struct message_code {
	uint16_t size;			/* of the section */
	uint16_t codes;			/* where they begin among the bytes, highest bit first;
					 * before them: the symbols */
	uint16_t count[MESSAGE_CODE_MAX];	/* codes of 1, 2, ... bits */
};
struct message_pack {
	struct message_code code;
	struct message_mark {
		uint16_t text, codes;	/* offsets of a text in the section and of its first code */
	} mark[MESSAGE_MARKS];		/* those behind the last have the section's size */
	uint8_t bytes[];
};
struct message_rows {
	struct message_code code;
	uint8_t bytes[];
};
/* The link adds these; without it they are NULL. */
#define MESSAGE_LINKED __attribute__((weak, visibility("hidden")))
extern const char message_start[] MESSAGE_LINKED; /* the section, without bytes */
extern const struct message_pack message_pack MESSAGE_LINKED;
extern char message_rows_start[] MESSAGE_LINKED;
extern const struct message_rows message_rows MESSAGE_LINKED;

/* The text itself or, unpacked, somewhere in buf. */
const char *message_text(const char *text, char buf[MESSAGE_MAX]);
/* The text at an offset below pack->size; compilers may share the end of one. */
const char *message_unpack(const struct message_pack *pack, size_t at, char buf[MESSAGE_MAX]);
/* Texts one behind the other that are declared `static const char table[] MESSAGE_PACKED`, the first not
 * empty.  The first call unpacks them where they are; they are to be read through what it returns, since
 * the compiler may read a constant before the call.  From any thread, also in a signal handler. */
const char *message_table(const void *table, size_t size);
/* Constants declared MESSAGE_ROWS, which is for those that pack well: nothing reads them before an env was
 * made, which calls this.  Any thread. */
void message_unpack_rows(void);
/* Their bytes. */
void message_read_rows(const struct message_rows *rows, char *to);
/* vsnprintf */
int message_print(char *to, size_t cap, const char *text, va_list args)
	__attribute__((format(printf, 3, 0)));

#endif
