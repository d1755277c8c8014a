/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* plain.h - text of values without a type. */
#ifndef UEBPF_LOADER_PLAIN_H
#define UEBPF_LOADER_PLAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An integer of `size` bytes in host order, or x"HEX" as the bytes lie.  0 or -EINVAL. */
int plain_parse(const char *text, uint8_t *to, size_t size);
/* snprintf-like: an integer for sizes 1, 2, 4, 8; else x"HEX", in JSON "HEX". */
long plain_format(const uint8_t *data, size_t size, bool json, char *buf, size_t cap);

#endif
