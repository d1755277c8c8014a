/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* message_test.c - packed texts and rows read back.  That each byte of the library's comes back is checked by
 * scripts/pack.c whenever it is linked; here are the readers' own cases. */
#include <string.h>
#include "tests/util/run.h"
#include "vm/message.h"

/* What scripts/pack.c makes of "no map\0no map of maps\0": characters, a copy, a copy from the same distance. */
START_TEST(texts_come_back)
{
	static const uint8_t packed[] = { 200, 226, 163, 224, 58, 228, 228, 242, 147, 153, 129, 85, 241, 93, 123, 160, 240, 41, 132 };
	char text[24];

	memset(text, '#', sizeof text);
	message_unpack(packed, text, 22);
	ck_assert_str_eq(text, "no map");
	ck_assert_str_eq(text + 7, "no map of maps");
	ck_assert_msg(text[22] == '#' && text[23] == '#', "bytes behind the texts were written");
}
END_TEST

/* By hand: bytes alone, a copy that reads what it writes, a copy alone, bytes at the end. */
START_TEST(rows_come_back)
{
	static const uint8_t packed[] = { 0x20, 1, 2, 0x14, 3, 1, 0x02, 6, 0x10, 9 };
	static const uint8_t want[] = { 1, 2, 3, 3, 3, 3, 3, 2, 3, 9 };
	uint8_t row[12];

	memset(row, 0xaa, sizeof row);
	message_unpack_bytes(packed, (char *)row, sizeof want);
	ck_assert_mem_eq(row, want, sizeof want);
	ck_assert_msg(row[10] == 0xaa && row[11] == 0xaa, "bytes behind the rows were written");
}
END_TEST

START_TEST(a_text_that_is_not_packed_is_itself)
{
	const char *text = "as it is: %d";

	ck_assert_ptr_eq(message_text(text), text);
	ck_assert_str_eq(text, "as it is: %d");
}
END_TEST

int main(void)
{
	TCase *t = test_case("packed texts", 60);

	tcase_add_test(t, texts_come_back);
	tcase_add_test(t, rows_come_back);
	tcase_add_test(t, a_text_that_is_not_packed_is_itself);
	return run_tests();
}
