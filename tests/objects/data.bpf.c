/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Data sections: literals, static and global variables, custom names, pointers. */
#include "bpf_min.h"

const volatile u32 setting = 11;
const volatile u64 settings[3] = { 1, 2, 3 };
static volatile u32 first_static_data = 21;
static volatile u32 second_static_data = 22;
u64 counter;
static volatile u64 static_counter;
u32 initialised = 5;
u32 in_custom SEC(".data.mine") = 77;
const u32 in_custom_ro SEC(".rodata.mine") = 78;
u32 in_custom_bss SEC(".bss.mine");
u32 in_own SEC("own_section") = 79;
struct point { s16 x, y; };
struct thing { struct point at; char name[8]; u8 flag : 1, kind : 3; } thing = { { -3, 4 }, "abc", 1, 5 };
const char *const names[] = { "zero", "one", "two" };

SEC("raw") int sum_settings(void *ctx) { return setting + settings[0] + settings[1] + settings[2]; }
SEC("raw") int second_data(void *ctx) { return second_static_data * 100 + first_static_data; }
SEC("raw") int count(void *ctx) { static_counter += 2; return ++counter * 10 + static_counter; }
SEC("raw") int literals(void *ctx)
{
	const char *volatile a = "first", *volatile b = "second";

	return a[0] << 8 | b[2];
}
SEC("raw") int custom(void *ctx) { in_custom_bss++; return in_custom + in_custom_ro + in_custom_bss + in_own; }
SEC("raw") int through_pointer(void *ctx)
{
	volatile u32 i = 2;
	const char *s = names[i & 1 ? 1 : 2];

	return s[1];
}
SEC("raw") int of_thing(void *ctx) { return thing.at.x + thing.name[1] + thing.kind; }
SEC("raw") int of_initialised(void *ctx) { return initialised; }
char _license[] SEC("license") = "GPL";
