/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* message_test.c - packed texts read back.  That each text of the library comes back is checked by
 * scripts/pack.c whenever it is linked; here are the reader's own cases. */
#include <stdlib.h>
#include <string.h>
#include "tests/util/run.h"
#include "vm/message.h"

/* 1 stands for "ab", 2 for "abc"; texts "abcabx", "" and "yabc" at 0, 7 and 8. */
static const char *unpacked(size_t at)
{
	static const uint8_t packed[] = { 2, 1, 'x', 0, 0, 'y', 2, 0 };
	static const struct message_pack head = {
		.size = 13,
		.pair = { [1] = { 'a', 'b' }, [2] = { 1, 'c' } },
		.mark = { { 0, 0 }, { 8, 5 } },
	};
	static char buf[MESSAGE_MAX];
	struct message_pack *pack = malloc(sizeof head + sizeof packed);
	const char *text;

	ck_assert_ptr_nonnull(pack);
	memcpy(pack, &head, sizeof head);
	memcpy(pack->packed, packed, sizeof packed);
	for (unsigned i = 2; i < MESSAGE_MARKS; i++)
		pack->mark[i].text = head.size;
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
