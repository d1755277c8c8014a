/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The "kernel" of core.bpf.c: the same types, laid out in another way.  Only its BTF is used. */
typedef unsigned int u32;
typedef unsigned long long u64;
struct deep { char pad[12]; int leaf[4]; };
struct moved {
	char pad[40];
	u64 grown;			/* u32 in the program */
	int shifted;
	union { struct { int x; int hidden; }; u64 both; };
	u32 low : 5, mid : 7, high : 20;
	signed int narrow : 3;
	struct deep inside[3];
	void *pointer;
	short shrunk_signed;
	char tail[];
};
enum colour { RED = 10, GREEN = 20, BLUE = 30 };
enum big { HUGE = 0x123456789abcdefull };
struct other_shape { int a; long b; };
struct twin { int pad; int field; };
typedef struct { int one, two, three; } anon_typedef;
struct same { int a; u64 b; };
struct moved g1; enum colour g2; struct other_shape g3; anon_typedef g4; struct same g5; struct twin g6;
enum big g7;
