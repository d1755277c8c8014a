/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* message.c - reads packed texts (message.h). */
#include <stdio.h>
#include "vm/message.h"

static char *expand(const struct message_pack *pack, char *to, uint8_t c)
{
	const uint8_t *pair = pack->pair[c];

	if (pair[0])
		return expand(pack, expand(pack, to, pair[0]), pair[1]);
	*to = (char)c;
	return to + 1;
}

const char *message_unpack(const struct message_pack *pack, size_t at, char buf[MESSAGE_MAX])
{
	const struct message_mark *mark = pack->mark;
	const uint8_t *from;
	size_t now;
	char *to;

	while (mark[1].text <= at)
		mark++;
	from = pack->packed + mark->packed;
	for (now = mark->text;; now += (size_t)(to - buf) + 1) {
		for (to = buf; *from; from++)
			to = expand(pack, to, *from);
		*to = 0;
		from++;
		if (now + (size_t)(to - buf) >= at)
			return buf + (at - now);
	}
}

const char *message_text(const char *text, char buf[MESSAGE_MAX])
{
	size_t at = (uintptr_t)text - (uintptr_t)message_start;

	return &message_pack && at < message_pack.size ? message_unpack(&message_pack, at, buf)
						       : text;
}

int message_print(char *to, size_t cap, const char *text, va_list args)
{
	char buf[MESSAGE_MAX];

	return vsnprintf(to, cap, message_text(text, buf), args);
}
