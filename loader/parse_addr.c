/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* parse_addr.c - network addresses as people write them, into members of their size: IPv4 into 4 bytes,
 * MAC into 6, IPv6 into 16, always as they lie on the wire. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "loader/elf/btf_bits.h"
#include "vm/desc.h"

static bool mac_parse(const char *word, uint8_t to[6])
{
	unsigned v[6];
	int n = 0;

	if (sscanf(word, "%2x:%2x:%2x:%2x:%2x:%2x%n", &v[0], &v[1], &v[2], &v[3], &v[4], &v[5], &n) != 6 || word[n])
		return false;
	for (int i = 0; i < 6; i++)
		to[i] = (uint8_t)v[i];
	return true;
}

size_t address_parse(const char *text, uint8_t *to, size_t size)
{
	char word[64];
	size_t n = 0;
	int saved = errno;
	bool ok;

	while (text_digit(text[n]) < 16 || text[n] == '.' || text[n] == ':')
		n++;
	if (!n || n >= sizeof word || !memchr(text, size == 4 ? '.' : ':', n))
		return 0;
	memcpy(word, text, n);
	word[n] = 0;
	ok = size == 4 ? inet_pton(AF_INET, word, to) == 1 : size == 6 ? mac_parse(word, to) :
	     size == 16 && inet_pton(AF_INET6, word, to) == 1;
	errno = saved;
	return ok ? n : 0;
}
