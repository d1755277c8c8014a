/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* message_test.c - packed texts read back.  That each text of the library comes back is checked by
 * scripts/pack.c whenever it is linked; here are the reader's own cases. */
#include <stdlib.h>
#include <string.h>
#include "tests/util/run.h"
#include "vm/message.h"

static void put(uint8_t *to, unsigned *at, unsigned value, unsigned n)
{
	for (unsigned i = 0; i < n; i++, ++*at)
		to[*at / 8] |= (uint8_t)((value >> i & 1) << *at % 8);
}

/* Texts "abcabx", "" and "yabc" at 0, 7 and 8; a mark at the third.  With codes, the first bit
 * left, which is the highest of a byte: NUL 0, ABC 10, AB 110, x 1110, y 1111. */
static const char *unpacked(size_t at)
{
	enum { NUL, ABC, AB, X, Y, A, B, C, NR };
	static const uint16_t symbol[NR][2] = {{NUL, 0}, {AB, C},  {A, B},   {X, 'x'},
					       {Y, 'y'}, {A, 'a'}, {B, 'b'}, {C, 'c'}};
	static const struct message_pack head = {
		.code = { 13, NR * MESSAGE_PAIR_BITS / 8, { 1, 1, 1, 2 } },
		.mark = {{0, 0}, {8, 2}},
	};
	static char buf[MESSAGE_MAX];
	struct message_pack *pack = calloc(1, sizeof head + head.code.codes + 3 + MESSAGE_BEHIND);
	unsigned bit = 0;
	const char *text;

	ck_assert_ptr_nonnull(pack);
	memcpy(pack, &head, sizeof head);
	for (unsigned i = 0; i < NR; i++)
		put(pack->bytes, &bit, symbol[i][0] | symbol[i][1] * (unsigned)MESSAGE_SYMBOLS,
		    MESSAGE_PAIR_BITS);
	pack->bytes[head.code.codes] = 0xb7;	/* ABC AB and x but its last bit, which is 0 as NUL and NUL are */
	pack->bytes[head.code.codes + 2] = 0xf8;	/* y ABC NUL */
	for (unsigned i = 2; i < MESSAGE_MARKS; i++)
		pack->mark[i].text = head.code.size;
	text = message_unpack(pack, at, buf);
	free(pack);
	return text;
}

START_TEST(texts_come_back_from_their_start)
{
	ck_assert_str_eq(unpacked(0), "abcabx");
	ck_assert_str_eq(unpacked(7), "");
	ck_assert_str_eq(unpacked(8), "yabc");
}
END_TEST

/* A compiler may let one text be the end of another. */
START_TEST(and_from_their_middle)
{
	ck_assert_str_eq(unpacked(1), "bcabx");
	ck_assert_str_eq(unpacked(4), "bx");
	ck_assert_str_eq(unpacked(6), "");
	ck_assert_str_eq(unpacked(10), "bc");
	ck_assert_str_eq(unpacked(12), "");
}
END_TEST

START_TEST(a_text_that_is_not_packed_is_itself)
{
	char buf[MESSAGE_MAX];
	const char *text = "as it is: %d";

	ck_assert_ptr_eq(message_text(text, buf), text);
}
END_TEST

int main(void)
{
	TCase *t = test_case("packed texts", 60);

	tcase_add_test(t, texts_come_back_from_their_start);
	tcase_add_test(t, and_from_their_middle);
	tcase_add_test(t, a_text_that_is_not_packed_is_itself);
	return run_tests();
}
