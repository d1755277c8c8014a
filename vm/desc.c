/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* desc.c - the field table of a program type put to work: what a checked run reads and writes through
 * its context pointer. */
#include <errno.h>
#include <string.h>
#include "vm/code.h"

/* ---- context fields ---- */

static uint32_t field_span(const struct ctx_field *f)
{
	return (uint32_t)f->size * (f->count ? f->count : 1);
}

static bool field_allows(const struct ctx_field *f, uint32_t off, uint32_t size, bool write)
{
	uint32_t at = off - f->off;

	if (off < f->off || at >= field_span(f) || size > field_span(f) - at)
		return false;
	if (!(f->access & (write ? ACCESS_WRITE : ACCESS_READ)))
		return false;
	if (size == f->size)
		return at % f->size == 0;
	if (f->kind != CTX_SCALAR)
		return false;
	if (size < f->size)
		return f->narrow && (f->size > 8 || (at % size == 0 && (at % f->size) + size <= f->size));
	/* Several elements of an array at once (cb[0] and cb[1]) when the host holds them the same way. */
	return f->count > 1 && f->host_size == f->size && at % size == 0;
}

const struct ctx_field *ctx_field_at(const struct prog_type *type, uint32_t off, uint32_t size, bool write)
{
	for (uint32_t i = 0; i < type->nr_fields; i++)
		if (field_allows(&type->fields[i], off, size, write))
			return &type->fields[i];
	return NULL;
}

/* ---- fields of objects ---- */

/* net/core/filter.c: bpf_sock_is_valid_access and its kin. */
static const struct { uint8_t object, lo, hi, sizes; } object_rows[] = {
	{ OBJECT_SOCK_COMMON, 0, 4, 4 }, { OBJECT_SOCK_COMMON, 4, 8, 7 }, { OBJECT_SOCK_COMMON, 24, 50, 7 },
	{ OBJECT_SOCK_COMMON, 48, 52, 4 }, { OBJECT_SOCK_COMMON, 52, 80, 7 },
	{ OBJECT_SOCK, 0, 4, 4 }, { OBJECT_SOCK, 4, 16, 7 }, { OBJECT_SOCK, 16, 24, 4 }, { OBJECT_SOCK, 24, 50, 7 },
	{ OBJECT_SOCK, 48, 52, 4 }, { OBJECT_SOCK, 52, 80, 7 },
	{ OBJECT_TCP_SOCK, 0, 80, 4 }, { OBJECT_TCP_SOCK, 80, 96, 8 }, { OBJECT_TCP_SOCK, 96, 112, 4 },
	{ OBJECT_XDP_SOCK, 0, 4, 4 },
};
enum { OBJECT_ROWS = sizeof object_rows / sizeof object_rows[0] };

uint32_t object_size(enum object object)
{
	uint32_t size = 0;

	for (uint32_t i = 0; i < OBJECT_ROWS; i++)
		if (object_rows[i].object == object)
			size = object_rows[i].hi;
	return size;
}

bool object_field(enum object object, uint32_t off, uint32_t size)
{
	for (uint32_t i = 0; i < OBJECT_ROWS; i++)
		if (object_rows[i].object == object && (object_rows[i].sizes & size) && !(off & (size - 1)) &&
		    off >= object_rows[i].lo && off < object_rows[i].hi && size <= object_rows[i].hi - off)
			return true;
	return false;
}

static uint64_t host_read(const char *at, uint32_t size)
{
	uint8_t b;
	uint16_t h;
	uint32_t w;
	uint64_t d;

	switch (size) {
	case 1: memcpy(&b, at, 1); return b;
	case 2: memcpy(&h, at, 2); return h;
	case 4: memcpy(&w, at, 4); return w;
	default: memcpy(&d, at, 8); return d;
	}
}

static void host_write(char *at, uint32_t size, uint64_t value)
{
	uint8_t b = (uint8_t)value;
	uint16_t h = (uint16_t)value;
	uint32_t w = (uint32_t)value;

	switch (size) {
	case 1: memcpy(at, &b, 1); break;
	case 2: memcpy(at, &h, 2); break;
	case 4: memcpy(at, &w, 4); break;
	default: memcpy(at, &value, 8); break;
	}
}

static bool is_number(uint32_t size)
{
	return size == 1 || size == 2 || size == 4 || size == 8;
}

/* Bits to shift so that `size` bytes at byte `at` of a `whole`-byte number become its low bits. */
static uint32_t narrow_shift(uint32_t at, uint32_t size, uint32_t whole)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	(void)size;
	(void)whole;
	return at * 8;
#else
	return (whole - at - size) * 8;
#endif
}

static uint64_t low_bytes(uint64_t value, uint32_t size)
{
	return size >= 8 ? value : value & ((1ull << size * 8) - 1);
}

int ctx_load(const struct prog_type *type, const void *ctx, uint32_t off, uint32_t size, uint64_t *value)
{
	const struct ctx_field *f = ctx_field_at(type, off, size, false);
	uint32_t at, index;
	const char *host;

	if (!f)
		return -EFAULT;
	index = (off - f->off) / f->size;
	at = (off - f->off) % f->size;
	host = (const char *)ctx + f->host_off + (size_t)index * f->host_size;
	if (f->kind != CTX_SCALAR) {
		uintptr_t p;

		memcpy(&p, host, sizeof p);
		if (!p && f->kind == CTX_PACKET_META && (type->flags & TYPE_PACKET))
			p = (uintptr_t)((const struct uebpf_packet *)ctx)->data;
		*value = p;
	} else if (!is_number(f->size) || !is_number(f->host_size) || size > f->size) {
		*value = host_read(host + at, size);	/* bytes in place */
	} else {
		uint64_t whole = low_bytes(host_read(host, f->host_size), f->size);

		*value = low_bytes(whole >> narrow_shift(at, size, f->size), size);
	}
	return 0;
}

int ctx_store(const struct prog_type *type, void *ctx, uint32_t off, uint32_t size, uint64_t value)
{
	const struct ctx_field *f = ctx_field_at(type, off, size, true);
	uint32_t at, index, shift;
	uint64_t mask;
	char *host;

	if (!f || f->kind != CTX_SCALAR)
		return -EFAULT;
	index = (off - f->off) / f->size;
	at = (off - f->off) % f->size;
	host = (char *)ctx + f->host_off + (size_t)index * f->host_size;
	if (!is_number(f->size) || !is_number(f->host_size) || size > f->size) {
		host_write(host + at, size, value);
	} else if (size == f->size) {
		host_write(host, f->host_size, low_bytes(value, size));
	} else {
		shift = narrow_shift(at, size, f->size);
		mask = low_bytes(~0ull, size) << shift;
		value = low_bytes(value, size) << shift;
		host_write(host, f->host_size, (host_read(host, f->host_size) & ~mask) | value);
	}
	return 0;
}
