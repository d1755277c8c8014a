/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* mem.c - see mem.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "vm/code.h"
#include "vm/mem.h"

static void *take(struct vm_host *host, void *old, size_t old_size, size_t new_size)
{
	int saved = errno;
	void *p;

	if (host && host->alloc) {
		p = host->alloc(host->alloc_ctx, old, old_size, new_size);
	} else if (new_size) {
		p = realloc(old, new_size);
	} else {
		free(old);
		p = NULL;
	}
	errno = saved;
	return p;
}

void *mem_resize(struct vm_host *host, void *old, size_t old_size, size_t new_size)
{
	char *p = take(host, old, old_size, new_size);

	if (p && new_size > old_size)
		memset(p + old_size, 0, new_size - old_size);
	return p;
}

void *mem_alloc(struct vm_host *host, size_t size)
{
	return size ? mem_resize(host, NULL, 0, size) : NULL;
}

void *mem_array(struct vm_host *host, size_t n, size_t size)
{
	return size && n > (size_t)-1 / size ? NULL : mem_alloc(host, n * size);
}

void mem_free(struct vm_host *host, void *old, size_t size)
{
	if (old)
		take(host, old, size, 0);
}

void *mem_copy(struct vm_host *host, const void *from, size_t size)
{
	void *p = mem_alloc(host, size);

	if (p)
		memcpy(p, from, size);
	return p;
}

char *mem_string(struct vm_host *host, const char *text)
{
	return mem_copy(host, text, strlen(text) + 1);
}

void mem_free_string(struct vm_host *host, const char *text)
{
	if (text)
		mem_free(host, (void *)text, strlen(text) + 1);
}

int options_copy(void *to, size_t size, const void *from)
{
	size_t given, i;

	memset(to, 0, size);
	if (!from)
		return 0;
	memcpy(&given, from, sizeof(given));
	if (given < sizeof(given))
		return -EINVAL;
	for (i = size; i < given; i++)
		if (((const char *)from)[i])
			return -EINVAL;
	memcpy(to, from, given < size ? given : size);
	return 0;
}
