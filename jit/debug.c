/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* debug.c - on request: perf's map file and jitdump.  Files are created with O_EXCL, or appended to when
 * they are regular files of ours with one name; a symbolic link is never followed. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "jit/state.h"
#include "vm/self.h"

/* Locked until it is closed: other threads load, too.  *fresh: it is empty. */
static int open_ours(const char *path, bool *fresh)
{
	struct stat st;
	int fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0 && errno == EEXIST)
		fd = open(path, O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd >= 0 && (flock(fd, LOCK_EX) || fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_uid != geteuid() ||
			st.st_nlink != 1)) {
		close(fd);
		fd = -1;
	}
	*fresh = fd >= 0 && !st.st_size;
	return fd;
}

static bool perf_map(const struct jit_code *jit, const char *name)
{
	bool fresh, good = true;
	char path[64], line[256];
	int fd, n;

	snprintf(path, sizeof path, "/tmp/perf-%d.map", getpid());
	fd = open_ours(path, &fresh);
	if (fd < 0)
		return false;
	for (uint32_t k = 0; k <= jit->code->nr_sub && good; k++) {
		uint32_t from = jit->sub_off[k];
		size_t to = k < jit->code->nr_sub ? jit->sub_off[k + 1] : jit->bytes;
		const char *sub = k == jit->code->nr_sub ? "entries" : jit->code->sub[k].name;

		n = snprintf(line, sizeof line, "%lx %lx bpf:%s%s%s\n", (unsigned long)(uintptr_t)(jit->text + from),
			     (unsigned long)(to - from), name, k ? ":" : "", k ? sub : "");
		good = n > 0 && (size_t)n < sizeof line && write(fd, line, (size_t)n) == n;
	}
	close(fd);
	return good;
}

/* linux/tools/perf/Documentation/jitdump-specification.txt */
struct dump_head { uint32_t magic, version, size, machine, pad, pid; uint64_t time, flags; };
struct dump_load {
	uint32_t id, size; uint64_t time;
	uint32_t pid, tid; uint64_t vma, addr, bytes, index;
};
struct dump_debug { uint32_t id, size; uint64_t time; uint64_t addr, nr; };
struct dump_line { uint64_t addr; uint32_t line, discriminator; };
enum { DUMP_MAGIC = 0x4a695444, DUMP_LOAD = 0, DUMP_DEBUG = 2, MACHINE_X86_64 = 62 };

static bool put(int fd, const void *bytes, size_t n)
{
	return write(fd, bytes, n) == (ssize_t)n;
}

static void dump_lines(int fd, const struct jit_code *jit, const struct jit_opts *o)
{
	struct dump_debug head = { .id = DUMP_DEBUG, .size = sizeof head, .time = self_clock(),
				   .addr = (uintptr_t)jit->text };
	uint32_t at = 0, off = 0;

	for (int pass = 0; pass < 2; pass++) {
		const char *file, *last_file = NULL;
		uint32_t line, last = 0;

		if (pass && (!head.nr || !put(fd, &head, sizeof head)))
			return;
		at = off = 0;
		for (uint32_t i = 0; i < jit->code->n; i++) {
			struct dump_line entry;

			jit_map_next(jit, &at, &off);
			if (!o->line(o->line_arg, jit->code->slot[i], &file, &line) || (line == last && file == last_file))
				continue;
			last = line;
			last_file = file;
			if (!pass) {
				head.nr++;
				head.size += (uint32_t)(sizeof entry + strlen(file) + 1);
				continue;
			}
			entry = (struct dump_line){ (uintptr_t)jit->text + off, line, 0 };
			if (!put(fd, &entry, sizeof entry) || !put(fd, file, strlen(file) + 1))
				return;
		}
	}
}

static bool jitdump(struct jit_code *jit, const struct jit_opts *o, const char *name)
{
	struct dump_head head = { DUMP_MAGIC, 1, sizeof head, MACHINE_X86_64, 0, (uint32_t)getpid(), self_clock(), 0 };
	struct dump_load load = {
		.id = DUMP_LOAD, .size = (uint32_t)(sizeof load + strlen(name) + 1 + jit->bytes),
		.pid = (uint32_t)getpid(), .tid = (uint32_t)syscall(SYS_gettid), .vma = (uintptr_t)jit->text,
		.addr = (uintptr_t)jit->text, .bytes = jit->bytes,
	};
	char path[64];
	bool fresh, good;
	int fd;

	snprintf(path, sizeof path, "jit-%d.dump", getpid());
	fd = open_ours(path, &fresh);
	if (fd < 0)
		return false;
	if (fresh && put(fd, &head, sizeof head))	/* perf finds the file by this mapping */
		(void)mmap(NULL, sizeof head, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	if (o->line)
		dump_lines(fd, jit, o);
	load.index = load.time = self_clock();	/* an address comes again */
	good = put(fd, &load, sizeof load) && put(fd, name, strlen(name) + 1) && put(fd, jit->text, jit->bytes);
	flock(fd, LOCK_UN);	/* the mapping holds the file beyond close */
	close(fd);
	return good;
}

bool debug_announce(struct jit_code *jit, const struct jit_opts *o)
{
	const char *name = o->name ? o->name : "prog";
	bool good = true;
	int saved = errno;

	if (o->flags & JIT_PERF_MAP)
		good = perf_map(jit, name);
	if (o->flags & JIT_JITDUMP)
		good &= jitdump(jit, o, name);
	if (o->flags & JIT_GDB)
		gdb_register(jit, name, o);
	errno = saved;
	return good;
}
