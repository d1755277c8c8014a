// SPDX-License-Identifier: Apache-2.0 OR MIT
/* An event type in C: uebpf_env_add_type_btf reads it from this object's BTF. */
enum ev_color { EV_RED = 1, EV_GREEN = 2 };
struct ev {
	int id;
	char name[8];
	enum ev_color color;
	const char *text;
	struct { unsigned short x, y; } at;
	double d;
} __attribute__((preserve_access_index));

__attribute__((section("uebpf/ev"), used)) int filter(struct ev *e)
{
	return e->id < 0 && e->at.y == 4;
}
