#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# make install into another root, a program built against what is there by pkg-config, uninstall, dist.
set -u
cd "$(dirname "$0")/../.." || exit 1
T=$(mktemp -d) && trap 'rm -rf "$T"' EXIT
version=$(cat VERSION)
passed=0
die() { echo "FAILED: $1"; tail -n 15 "$T/log" 2>/dev/null; exit 1; }
ok() { passed=$((passed + 1)); }
umask 077	# what is installed is for everybody all the same
mk() { make -s "$@" BUILD=build DESTDIR="$T/root" PREFIX=/opt/u LIBDIR=/opt/u/lib/here >"$T/log" 2>&1; }

mk install || die "make install"
(cd "$T/root" && find . ! -type d | sort) >"$T/files"
cat >"$T/want" <<END
./opt/u/bin/uebpf-run
$(for h in include/*.h; do echo "./opt/u/$h"; done)
./opt/u/lib/here/libuebpf.a
./opt/u/lib/here/libuebpf.so
./opt/u/lib/here/libuebpf.so.${version%%.*}
./opt/u/lib/here/libuebpf.so.$version
./opt/u/lib/here/pkgconfig/uebpf.pc
./opt/u/share/man/man1/uebpf-run.1
END
diff "$T/want" "$T/files" >"$T/log" || die "other files than expected"
ok
[ -z "$(find "$T/root" -type f ! -perm -044)" ] || die "not readable by all: $(find "$T/root" -type f ! -perm -044)"
ok

# One version behind everything.
[ "$("$T/root/opt/u/bin/uebpf-run" --version | head -1)" = "uebpf-run $version" ] || die "--version"
grep -q "$version" "$T/root/opt/u/share/man/man1/uebpf-run.1" || die "the man page's version"
readelf -d "$T/root/opt/u/lib/here/libuebpf.so" | grep -q "SONAME.*\[libuebpf.so.${version%%.*}\]" || die "SONAME"
ok

cat >"$T/use.c" <<'END'
#include <stdio.h>
#include <uebpf.h>
int main(void)
{
	struct uebpf_env *env = uebpf_env_new(NULL);
	struct uebpf_error err;
	struct uebpf_object *obj = uebpf_object_open_text(env, "r0 = 42\nexit\n", NULL, &err);
	uint64_t r0 = 0;

	if (!obj || uebpf_object_load(obj, NULL, &err) || uebpf_prog_run(uebpf_object_prog(obj, NULL), NULL, 0, NULL, &r0))
		return fprintf(stderr, "%s\n", err.text), 1;
	printf("%s %d\n", uebpf_version(), (int)r0);
	uebpf_object_free(obj);
	uebpf_env_free(env);
	return 0;
}
END
if command -v pkg-config >/dev/null; then
	export PKG_CONFIG_PATH=$T/root/opt/u/lib/here/pkgconfig PKG_CONFIG_SYSROOT_DIR=$T/root
	[ "$(pkg-config --modversion uebpf)" = "$version" ] || die "pkg-config --modversion"
	"${CC:-cc}" -o "$T/shared" "$T/use.c" $(pkg-config --cflags --libs uebpf) -Wl,-rpath,"$T/root/opt/u/lib/here" 2>"$T/log" ||
		die "a program with the shared library"
	[ "$("$T/shared")" = "$version 42" ] || die "the program with the shared library does not run"
	unset PKG_CONFIG_SYSROOT_DIR	# -lelf is the system's
	"${CC:-cc}" -o "$T/static" -I"$T/root/opt/u/include" "$T/use.c" "$T/root/opt/u/lib/here/libuebpf.a" \
		$(pkg-config --static --libs-only-l uebpf | sed 's/-luebpf//') 2>"$T/log" || die "a program with the archive"
	[ "$("$T/static")" = "$version 42" ] || die "the program with the archive does not run"
	ok
else
	echo "skip: install: no pkg-config"
fi
# A host that unloads the library must be able to: no constructors, nothing to run at exit.
readelf -SW "$T/root/opt/u/lib/here/libuebpf.so" | grep -E ' \.(ctors|preinit_array)' && die "constructors"
ok

mk uninstall || die "make uninstall"
[ -z "$(find "$T/root" ! -type d)" ] || die "left behind: $(find "$T/root" ! -type d)"
ok
if git rev-parse -q --verify HEAD >/dev/null 2>&1; then
	mkdir "$T/dist" && git archive --prefix="uebpf-$version/" HEAD | tar x -C "$T/dist" || die "dist"
	for f in VERSION Makefile include/uebpf.h docs/uebpf-run.1 LICENSE-APACHE LICENSE-MIT; do
		[ -s "$T/dist/uebpf-$version/$f" ] || die "dist has no $f"
	done
	ok
else
	echo "skip: install: not a git tree, so no dist"
fi
echo "Checks: $passed, Failures: 0, Errors: 0"
