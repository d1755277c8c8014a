/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* probe.c - reading addresses that may be bad, without a signal handler: memory that the run knows is
 * copied, other memory is refused or read through process_vm_readv on ourselves (env option probe). */
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#include "helpers/families.h"
#include "helpers/task.h"
#include "vm/self.h"

static int read_by_syscall(void *dst, uint64_t from, size_t n)
{
	struct iovec to = { dst, n }, at = { ptr(from), n };
	int saved = errno;
	long got;

	if (from != (uintptr_t)from)
		return -EFAULT;
	got = syscall(SYS_process_vm_readv, (pid_t)self_get()->pid, &to, 1ul, &at, 1ul, 0ul);
	errno = saved;
	return got >= 0 && (size_t)got == n ? 0 : -EFAULT;
}

int probe_copy(struct uebpf_call *call, void *dst, uint64_t from, size_t n)
{
	if (!n)
		return 0;
	if (call_may_access(call, from, n, ACCESS_READ)) {
		memmove(dst, ptr(from), n);
		return 0;
	}
	return call->env->probe == UEBPF_PROBE_SYSCALL ? read_by_syscall(dst, from, n) : -EFAULT;
}

/* Blocks that do not cross such a boundary do not cross a page either. */
enum { BLOCK = 256 };

/* How many bytes from `from` can be had, at most n; known memory may end inside a block. */
static size_t read_some(struct uebpf_call *call, char *block, uint64_t from, size_t n)
{
	size_t got = 0;

	if (!probe_copy(call, block, from, n))
		return n;
	while (got < n && !probe_copy(call, block + got, from + got, 1) && block[got++])
		;
	return got;
}

/* Bytes of dst behind the NUL stay as they were. */
long probe_string(struct uebpf_call *call, char *dst, uint64_t from, size_t n)
{
	char block[BLOCK];
	size_t done = 0, want, got, len;

	while (done < n) {
		want = BLOCK - (size_t)((from + done) % BLOCK);
		if (want > n - done)
			want = n - done;
		got = read_some(call, block, from + done, want);
		len = strnlen(block, got);
		memcpy(dst + done, block, len < got ? len + 1 : len);
		done += len;
		if (len < got)
			return (long)done + 1;
		if (got < want)
			return -EFAULT;
	}
	if (n)
		dst[n - 1] = 0;
	return (long)n;
}

static uint64_t read_memory(struct uebpf_call *call, uint64_t dst, uint64_t size, uint64_t from)
{
	int err = probe_copy(call, ptr(dst), from, (uint32_t)size);

	if (err)
		memset(ptr(dst), 0, (uint32_t)size);
	return (uint64_t)(int64_t)err;
}

static uint64_t read_text(struct uebpf_call *call, uint64_t dst, uint64_t size, uint64_t from)
{
	long got = probe_string(call, ptr(dst), from, (uint32_t)size);

	if (got < 0)
		memset(ptr(dst), 0, (uint32_t)size);
	return (uint64_t)(int64_t)got;
}

FN(probe_read)
{
	return read_memory(call, r1, r2, r3);
}

FN(probe_read_user)
{
	return read_memory(call, r1, r2, r3);
}

FN(probe_read_kernel)
{
	return read_memory(call, r1, r2, r3);
}

FN(copy_from_user)
{
	return read_memory(call, r1, r2, r3);
}

FN(copy_from_user_task)
{
	if (r5) {
		memset(ptr(r1), 0, (uint32_t)r2);
		return ERR(EINVAL);
	}
	if (r4 != task_number(call)) {
		memset(ptr(r1), 0, (uint32_t)r2);
		return ERR(ESRCH);
	}
	return read_memory(call, r1, r2, r3);
}

FN(probe_read_str)
{
	return read_text(call, r1, r2, r3);
}

FN(probe_read_user_str)
{
	return read_text(call, r1, r2, r3);
}

FN(probe_read_kernel_str)
{
	return read_text(call, r1, r2, r3);
}
