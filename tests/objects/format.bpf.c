/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Types for tests of text: every kind that a value can have. */
#include "bpf_min.h"
enum small { ZERO, ONE, MINUS = -1 };
enum flags { LOW = 1, TOP = 0x80000000u };
typedef struct { u16 x; s16 y; } point_t;
struct all {
	u8 byte;
	s8 sbyte;
	bool yes;
	char letter;
	u16 half;
	s32 word;
	u64 wide;
	enum small which;
	enum flags bits;
	char name[8];
	u8 mac[6];
	point_t at[2];
	struct { int inner_a; union { u32 raw; u8 part[4]; }; };
	union { u32 u; s32 s; } both;
	u32 low : 3, mid : 10, : 3, top : 16;
	s32 neg : 5;
	void *pointer;
	struct all *next;
	double real;
	float single;
	const volatile u32 qualified;
	int matrix[2][3];
	__int128 huge;
	struct { } nothing;
	u32 tail[];
};
struct all value;
enum small one;
int numbers[4];
SEC("raw") int f(void *ctx) { return value.byte + one + numbers[0]; }
char _license[] SEC("license") = "GPL";
