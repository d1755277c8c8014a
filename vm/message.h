/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* message.h - texts for people.  The release library holds them packed: with UEBPF_PACK they lie in
 * a section of their own, scripts/pack.c replaces its bytes at the link, the address that the code has
 * stays as the text's name, and the first that is said unpacks all of them where they lie.  Objects that
 * were not linked so (tests, other modes) hold and read the plain texts. */
#ifndef UEBPF_VM_MESSAGE_H
#define UEBPF_VM_MESSAGE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* Texts: characters and copies of what was before, in bits that a range coder wrote.  Each bit has a chance of
 * being 1, which its being 1 or 0 moves; where the chances lie: */
enum {
	MESSAGE_COPY,			/* a copy follows and no character; the second: behind a copy */
	MESSAGE_AGAIN = 2,		/* from the distance of the last */
	MESSAGE_DISTANCE,		/* of a number each bit but its highest, the lowest first, and before
					 * each that there is one */
	MESSAGE_LENGTH = MESSAGE_DISTANCE + 32,
	MESSAGE_CHARACTER = MESSAGE_LENGTH + 32, /* by its bits so far, behind a 1 */
	MESSAGE_CHANCES = MESSAGE_CHARACTER + 256,
	MESSAGE_EVEN = 1 << 15,		/* at first */
	MESSAGE_CERTAIN = (1 << 16) - 1,
	MESSAGE_RATE = 5,		/* a chance moves by one part in 1 << this */
	MESSAGE_RUN = 15,		/* of rows: bytes of a run at most */
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

struct message_pack {
	uint16_t size;			/* of what it unpacks to */
	uint8_t bytes[];
};
/* The link adds these; without it they are NULL. */
#define MESSAGE_LINKED __attribute__((weak, visibility("hidden")))
extern char message_start[] MESSAGE_LINKED; /* the section, without bytes */
extern const struct message_pack message_pack MESSAGE_LINKED;
extern char message_rows_start[] MESSAGE_LINKED;
extern struct message_pack message_rows MESSAGE_LINKED;

/* The text, unpacked; other texts are themselves.  A table `static const char table[] MESSAGE_PACKED` is to be read
 * through what this returns, since the compiler may read a constant before the call.  From any thread, also in
 * a signal handler. */
const char *message_text(const void *text);
/* `size` bytes of texts. */
void message_unpack(const uint8_t *bytes, char *to, size_t size);
/* Constants declared MESSAGE_ROWS, which is for those that pack well: nothing reads them before an env was
 * made, which calls this.  Any thread.  They are packed for speed: runs of a byte (bytes in it * 16 + bytes of a
 * copy), the bytes, and of a copy the distance. */
void message_unpack_rows(void);
void message_unpack_bytes(const uint8_t *bytes, char *to, size_t size);
/* vsnprintf */
int message_print(char *to, size_t cap, const char *text, va_list args)
	__attribute__((format(printf, 3, 0)));

#endif
