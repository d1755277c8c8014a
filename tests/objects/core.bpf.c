/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Every kind of CO-RE relocation; what each program returns is known from core_target.c. */
#include "bpf_min.h"
#define CORE __attribute__((preserve_access_index))
#define field(f, kind) __builtin_preserve_field_info(f, kind)
enum { OFFSET, SIZE, EXISTS, SIGNED, LSHIFT, RSHIFT };
enum { T_EXISTS, T_SIZE, T_MATCHES };

struct deep { int leaf[4]; } CORE;
struct moved {
	u32 grown;
	int shifted, hidden, gone;
	u32 low : 5, mid : 7, high : 20;
	signed int narrow : 3;
	struct deep inside[3];
	void *pointer;
	int shrunk_signed;
	char tail[];
} CORE;
struct moved___new { int only_new; int shifted; } CORE;
struct missing { int field; } CORE;
struct other_shape { int a; long b; } CORE;
enum colour { RED = 1, GREEN = 2, VIOLET = 9 };
enum big { HUGE = 0x1 };
struct same { int a; u64 b; };
struct not_same { int a; };
struct twin___x { int field; } CORE;
typedef struct { int one; } anon_typedef;
struct wide_off { char pad[40000]; int field; } CORE;

#define P(name) SEC("raw") u64 name(struct moved *m)
P(off_shifted) { return field(m->shifted, OFFSET); }
P(off_hidden) { return field(m->hidden, OFFSET); }
P(off_deep) { return field(m->inside[2].leaf[3], OFFSET); }
P(off_tail) { return field(m->tail[5], OFFSET); }
P(size_grown) { return field(m->grown, SIZE); }
P(size_inside) { return field(m->inside, SIZE); }
P(exists_hidden) { return field(m->hidden, EXISTS) + 2 * field(m->gone, EXISTS); }
P(exists_flavour) { return field(((struct moved___new *)m)->shifted, EXISTS) +
	2 * field(((struct moved___new *)m)->only_new, EXISTS); }
P(exists_missing) { return field(((struct missing *)m)->field, EXISTS); }
P(out_of_bounds) { return field(m->inside[2], EXISTS); }
P(sign) { return field(m->narrow, SIGNED) * 2 + field(m->mid, SIGNED); }
P(shifts) { return field(m->mid, LSHIFT) << 16 | field(m->mid, RSHIFT) << 8 | field(m->narrow, LSHIFT); }
P(bit_place) { return field(m->high, OFFSET) << 8 | field(m->high, SIZE); }
P(type_exists) { return __builtin_preserve_type_info(*(struct moved *)0, T_EXISTS) |
	__builtin_preserve_type_info(*(struct missing *)0, T_EXISTS) << 1 |
	__builtin_preserve_type_info(*(anon_typedef *)0, T_EXISTS) << 2; }
P(type_size) { return __builtin_preserve_type_info(*(struct other_shape *)0, T_SIZE) << 8 |
	__builtin_preserve_type_info(*(anon_typedef *)0, T_SIZE); }
#if __clang_major__ >= 15
P(type_matches) { return __builtin_preserve_type_info(*(struct same *)0, T_MATCHES) |
	__builtin_preserve_type_info(*(struct moved *)0, T_MATCHES) << 1 |
	__builtin_preserve_type_info(*(struct other_shape *)0, T_MATCHES) << 2; }
#endif
P(type_ids) { return __builtin_btf_type_id(*(struct moved *)0, 0) > 0 &&
	__builtin_btf_type_id(*(struct moved *)0, 1) > 0; }
P(enum_exists) { return __builtin_preserve_enum_value(*(enum colour *)GREEN, 0) |
	__builtin_preserve_enum_value(*(enum colour *)VIOLET, 0) << 1; }
P(enum_value) { return __builtin_preserve_enum_value(*(enum colour *)GREEN, 1) * 100 +
	__builtin_preserve_enum_value(*(enum colour *)RED, 1); }
P(enum_big) { return __builtin_preserve_enum_value(*(enum big *)HUGE, 1); }
/* Loads: r1 points to 128 bytes that hold their own index. */
P(load_grown) { return m->grown; }
P(load_shifted) { return m->shifted & 0xff; }
P(load_twin) { return ((struct twin___x *)m)->field & 0xff; }
P(store_shifted) { m->shifted = 7; return ((u8 *)m)[48]; }
/* Poisoned, guarded and not. */
P(guarded) { if (field(m->gone, EXISTS)) return m->gone; return 55; }
P(poisoned) { return m->gone; }
P(poisoned_width) { return m->shrunk_signed; }
P(missing_type) { return ((struct missing *)m)->field; }
P(missing_enumval) { return __builtin_preserve_enum_value(*(enum colour *)VIOLET, 1); }
P(missing_size) { return __builtin_preserve_type_info(*(struct missing *)0, T_SIZE); }
P(neighbour) { return 1; }
char _license[] SEC("license") = "GPL";
