#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# docs/embedding.md as it stands: its snippets, in their order, are one program that compiles without a warning,
# links and runs.
cd "$(dirname "$0")/../.." || exit 1
build=${BUILD_DIR:-build} CLANG=${CLANG:-clang}
command -v "$CLANG" >/dev/null || { echo "skip: embedding: no clang to compile the snippets' program"; exit 0; }
[ -f /usr/include/bpf/libbpf.h ] || { echo "skip: embedding: no libbpf-dev, which one snippet shows"; exit 0; }
case $build in build) ;; *) echo "skip: embedding: snippets are linked with the release build"; exit 0 ;; esac
T=$(mktemp -d) && trap 'rm -rf "$T"' EXIT
# Block N of the page.
block() { awk -v want="$1" '/^```/ { inside = !inside && $0 == "```c"; n += inside; next } inside && n == want { print (want == 2 || !length ? "" : "\t") $0 }' docs/embedding.md; }

cat >"$T/prog.bpf.c" <<'EOF'
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
struct event { unsigned uid; };
const volatile unsigned limit = 1;
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4);
	__type(key, unsigned);
	__type(value, unsigned);
} counts SEC(".maps");
extern long lookup_user(unsigned uid, char *name, unsigned len);

SEC("event")
int keep(struct event *e)
{
	char name[8] = "";
	unsigned one = 1;

	bpf_map_update_elem(&counts, &e->uid, &one, 0);
	return limit == 4096 && lookup_user(e->uid, name, sizeof name) == 4 && name[0] == 'r';
}
char LICENSE[] SEC("license") = "GPL";
EOF
{
	cat <<'EOF'
#include <errno.h>
#include <uebpf.h>
#include <uebpf_libbpf.h>

struct event { unsigned uid; };
struct users { const char *name; };
static unsigned recorded, byes;
static uint64_t copy_name(const struct users *users, uint64_t uid, char *name, uint64_t len)
{
	snprintf(name, len, "%s", uid ? "?" : users->name);
	return strlen(name);
}
static void record(const struct event *event) { recorded += event->uid == 0; }
static void log_line(const char *text) { puts(text); }
static void say_bye(void *arg, const struct uebpf_prog *prog, const struct uebpf_filter_stats *stats)
{
	(void)arg, (void)prog, (void)stats;
	byes++;
}
EOF
	block 2
	cat <<'EOF'
int main(int argc, char **argv)
{
	const struct uebpf_field uid_field = { .name = "uid", .size = 4 };
	struct uebpf_type_opts type = { .size = sizeof type, .name = "event", .ctx_size = 4, .fields = &uid_field,
					.nr_fields = 1 };
	struct uebpf_env *env = uebpf_env_new(NULL);
	const char *path = argv[1];
	struct users users = { "root" };
	struct event event = { 0 };
	struct uebpf_error err = { 0 };

	if (uebpf_env_add_type(env, &type, &err))
		return puts(err.text), 1;
EOF
	block 3
	block 1
	echo '	const struct uebpf_prog *prog = uebpf_object_prog(obj, NULL);'
	echo '	if (id < 0 || !prog || uebpf_slot_init(&slot_of_this_test, env)) return puts(err.text), 1;'
	block 4 | sed 's/^\tstatic struct uebpf_slot slot = UEBPF_SLOT_INIT;.*/#define slot slot_of_this_test/' >"$T/slot"
	# the slot is filled first, or the event is recorded unasked
	sed -n '/^#define/p' "$T/slot"
	sed -n '/^\tstruct/,$p' "$T/slot"
	sed '/^\tstruct/,$d; /^#define/d' "$T/slot"
	block 6
	cat <<'EOF'
	uebpf_slot_set(&slot, NULL, NULL);
	uebpf_slot_wait(&slot, 1000000000);
	uebpf_slot_fini(&slot);
	uebpf_object_free(obj);
	if (argc > 2) {	/* compiled, not run: it needs a kernel half */
EOF
	block 5
	cat <<'EOF'
		bpf_object__close(kernel);
	}
	uebpf_env_free(env);
	printf("recorded %u, byes %u\n", recorded, byes);
	return 0;
}
EOF
} >"$T/embed.c"
sed -i 's/^static unsigned recorded, byes;/&\nstatic struct uebpf_slot slot_of_this_test = UEBPF_SLOT_INIT;/' "$T/embed.c"
multiarch=$(${CC:-cc} -print-multiarch 2>/dev/null || true)
"$CLANG" --target=bpf -O2 -g ${multiarch:+-idirafter "/usr/include/$multiarch"} -c "$T/prog.bpf.c" -o "$T/prog.o" || exit 1
${CC:-cc} -std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror -Wno-unused-function -Iinclude "$T/embed.c" -o "$T/embed" \
	"$build/libuebpf.so" "-Wl,-rpath,$PWD/$build" -lbpf || { echo "FAILED: the snippets do not compile"; cat -n "$T/embed.c"; exit 1; }
said=$("$T/embed" "$T/prog.o") || { echo "FAILED: $said"; exit 1; }
[ "$said" = "recorded 1, byes 1" ] || { echo "FAILED: it says: $said"; exit 1; }
echo "Checks: 1, Failures: 0, Errors: 0"
