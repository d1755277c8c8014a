/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* bits.h - one event as two programs have it: struct BITS with its bit-fields and unions in other places when
 * ELSEWHERE.  Included again and again. */
#ifndef TESTS_OBJECTS_BITS_H
#define TESTS_OBJECTS_BITS_H
enum bits_color { BITS_RED, BITS_GREEN, BITS_BLUE };
#endif
#ifndef ELSEWHERE
struct BITS {
	unsigned int a : 3;
	int b : 10;
	unsigned int plain;
	unsigned long w : 40;
	signed char tiny : 2;
	unsigned char byte;
	enum bits_color color : 2;
	struct { unsigned int x : 7; int y : 9; char name[4]; } in;
	union {
		unsigned int u;
		int v;
		struct { unsigned short lo, hi; };
		unsigned char arr[4];
		const char *address;
	};
	union { unsigned int n; double d; } un;
	_Bool flag : 1;
	unsigned int sign : 4, wide : 20;
	const char *s;
};
#else
struct BITS {
	_Bool flag : 1;
	short b : 10;
	const char *s;
	unsigned long pad : 11, w : 40;
	struct { char name[4]; unsigned char pad; unsigned int x : 7; signed char y1 : 3; int y : 9; } in;
	unsigned char a;		/* no bit-field here */
	union {
		unsigned char arr[4];
		struct { unsigned short lo, hi; };
		int v;
		unsigned int u;
	};
	unsigned int pad2 : 30, plain : 31;
	signed char byte0 : 3, tiny : 2;
	unsigned char byte;
	unsigned int pad3 : 1;
	enum bits_color color : 2;
	union { double d; unsigned int n; } un;
	int sign : 4;
	unsigned int wide;
};
#endif
