/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* kconfig.c - the kernel's configuration for kconfig externs, where it is compressed: the library reads
 * plain text only (it needs no zlib), so the text goes through a file in memory.  Knows nothing of
 * objects but whether one has such externs at all. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>
#ifdef HAVE_ZLIB
#include <zlib.h>
#endif
#include "tools/tool.h"

#define RUNNING "/proc/config.gz"

static bool starts_with_gzip_magic(const char *path)
{
	unsigned char head[2] = { 0, 0 };
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool is = fd >= 0 && read(fd, head, 2) == 2 && head[0] == 0x1f && head[1] == 0x8b;

	if (fd >= 0)
		close(fd);
	return is;
}

#ifdef HAVE_ZLIB
const bool kconfig_gz_built = true;

/* The name of a file in memory with the text of `path`; it lives as long as this process. */
static const char *inflated(const char *path)
{
	static char name[64];
	char buf[16384];
	gzFile in = gzopen(path, "rb");
	int out = memfd_create("kconfig", MFD_CLOEXEC), n;

	if (!in || out < 0)
		die(EXIT_USAGE, "--kconfig: %s: %s", path, strerror(errno));
	while ((n = gzread(in, buf, sizeof buf)) > 0)
		if (write(out, buf, (size_t)n) != n)
			die(EXIT_USAGE, "--kconfig: %s: no memory for its text", path);
	if (n < 0 || gzclose(in) != Z_OK)
		die(EXIT_USAGE, "--kconfig: %s: damaged or cut off gzip data", path);
	snprintf(name, sizeof name, "/proc/self/fd/%d", out);
	return name;
}
#else
const bool kconfig_gz_built = false;

static const char *inflated(const char *path)
{
	if (strcmp(path, RUNNING))
		die(EXIT_UNSUPPORTED, "--kconfig: %s is compressed, and this uebpf-run was built without zlib:"
		    " give it the output of zcat", path);
	note("%s is not read: built without zlib (zcat %s >FILE; --kconfig FILE)", path, path);
	return NULL;
}
#endif

static bool has_kconfig_externs(const char *path, const struct bytes *object)
{
	static const char section[] = ".kconfig";	/* the name of the data section in the object's BTF */
	bool from_file = !object->data, has;
	struct stat st;
	struct bytes b;

	/* What is wrong with the file is the library's to say. */
	if (from_file && (stat(path, &st) || !S_ISREG(st.st_mode) || access(path, R_OK)))
		return false;
	b = from_file ? read_all(path, "the object") : *object;
	has = b.len && memmem(b.data, b.len, section, sizeof section);
	if (from_file)
		free(b.data);
	return has;
}

const char *kconfig_file(const char *asked, const char *path, const struct bytes *object)
{
	struct utsname name;
	char boot[256];

	if (asked)
		return starts_with_gzip_magic(asked) ? inflated(asked) : asked;
	/* What the library looks for by itself. */
	if (uname(&name) || snprintf(boot, sizeof boot, "/boot/config-%s", name.release) < 0 ||
	    !access(boot, R_OK))
		return NULL;
	return has_kconfig_externs(path, object) && starts_with_gzip_magic(RUNNING) ? inflated(RUNNING) : NULL;
}
