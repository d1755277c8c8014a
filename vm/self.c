/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* self.c - see self.h. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "vm/self.h"

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18	/* Linux 4.14 */
#endif

enum { FORK_PAGE = 4096 };

_Thread_local struct self self_cache;
/* A page of its own in .bss is private anonymous memory, which is what MADV_WIPEONFORK asks for. */
uint32_t self_fork_page[FORK_PAGE / sizeof(uint32_t)] __attribute__((aligned(FORK_PAGE)));

static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

extern inline struct self *self_get(void);

struct self *self_refresh(void)
{
	struct self *self = &self_cache;
	uint32_t pid = (uint32_t)getpid(), tid = (uint32_t)syscall(SYS_gettid);
	struct timespec now = { 0, 0 };
	int saved = errno;

	/* Harmless when another thread does the same. */
	if (madvise(self_fork_page, sizeof self_fork_page, MADV_WIPEONFORK) == 0)
		__atomic_store_n(&self_fork_page[0], pid, __ATOMIC_RELAXED);
	if (self->pid != pid || self->tid != tid) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		self->random = mix(self->random ^ mix((uint64_t)now.tv_sec << 30 ^ (uint64_t)now.tv_nsec) ^
				   mix((uint64_t)pid << 32 | tid) ^ (uintptr_t)&now);
		self->owner = 0;
		self->tid = tid;
		self->pid = pid;
		self->pid_tid = (uint64_t)pid << 32 | tid;
	}
	errno = saved;
	return self;
}

uint64_t self_clock(void)
{
	struct timespec t = { 0, 0 };

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* "123 (name with ) and blanks) S ...": field 22, the start time in ticks, counts from the last ')'. */
static uint32_t birth_of(uint32_t tid)
{
	char path[32] = "/proc/", text[1024], digits[12], *p = digits + sizeof digits;
	uint32_t hash = 0;
	ssize_t got;
	int fd, field;

	*--p = 0;
	do
		*--p = (char)('0' + tid % 10);
	while (tid /= 10);
	strcpy(strcpy(path + 6, p) + strlen(p), "/stat");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	got = read(fd, text, sizeof text - 1);
	close(fd);
	if (got <= 0)
		return 0;
	text[got] = 0;
	p = strrchr(text, ')');
	if (p && p[1] && (p[2] == 'Z' || p[2] == 'X'))
		return 1;	/* killed, not yet waited for: holds nothing any more */
	for (field = 2; p && field < 22; field++)
		p = strchr(p + 1, ' ');
	if (!p)
		return 0;
	for (p++; *p >= '0' && *p <= '9'; p++)
		hash = hash * 10 + (uint32_t)(*p - '0');
	return (uint32_t)(mix(hash) % 1022) + 2;
}

uint64_t self_owner_ask(void)
{
	struct self *self = self_get();
	int saved = errno;

	if (!self->owner) {
		uint32_t birth = birth_of(self->tid);

		self->owner = self->pid_tid | (uint64_t)(birth ? birth : 1) << SELF_BIRTH_SHIFT;
	}
	errno = saved;
	return self->owner;
}

uint32_t self_birth(void) { return (uint32_t)self_owner() >> SELF_BIRTH_SHIFT; }

int self_alive(uint32_t tid, uint32_t birth)
{
	int saved = errno, alive = 1;
	uint32_t now;

	if (!tid || (kill((pid_t)tid, 0) < 0 && errno == ESRCH)) {
		alive = 0;
	} else if (birth > 1) {
		now = birth_of(tid);
		alive = !now || now == birth;
	}
	errno = saved;
	return alive;
}
