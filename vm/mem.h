/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* mem.h - where memory comes from: the env's allocator (uebpf_env_opts.alloc), or malloc.
 * Every allocation that outlives one function of the library goes through here, so that a host can
 * account for it and a test can fail the n-th one.  Sizes are given back on free because the
 * allocator's contract asks for them.  errno is left alone.  host NULL: malloc. */
#ifndef UEBPF_VM_MEM_H
#define UEBPF_VM_MEM_H

#include <stddef.h>

struct vm_host;

void *mem_alloc(struct vm_host *host, size_t size);	/* zeroed; NULL when short or size is 0 */
/* n elements of `size` bytes, zeroed; NULL also when the product overflows. */
void *mem_array(struct vm_host *host, size_t n, size_t size);
/* Keeps the contents, zeroes what is new.  NULL leaves `old` as it was; new_size 0 is not allowed. */
void *mem_resize(struct vm_host *host, void *old, size_t old_size, size_t new_size);
void mem_free(struct vm_host *host, void *old, size_t size);	/* old NULL is fine */
void *mem_copy(struct vm_host *host, const void *from, size_t size);
/* Strings: "" is a string too; NULL only when short. */
char *mem_string(struct vm_host *host, const char *text);
void mem_free_string(struct vm_host *host, const char *text);	/* NULL is fine */

/* Copies an option struct whose first member is its size into `to` (of `size` bytes): what the caller
 * did not know stays zero, all of it for NULL.  -EINVAL: no size, or the caller sets something that we do not know. */
int options_copy(void *to, size_t size, const void *from);

#endif
