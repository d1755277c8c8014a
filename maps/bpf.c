/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* bpf.c - see bpf.h. */
#include <errno.h>
#include <linux/bpf.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "maps/bpf.h"

static int sys_bpf(int cmd, union bpf_attr *attr, size_t size)
{
	int saved = errno;
	long r = syscall(SYS_bpf, cmd, attr, size);

	if (r < 0)
		r = -errno;
	errno = saved;
	return (int)r;
}

static uint64_t ptr(const void *p) { return (uint64_t)(uintptr_t)p; }

int kmap_create(const struct uebpf_map_opts *o, int inner_fd)
{
	union bpf_attr a;

	memset(&a, 0, sizeof(a));
	a.map_type = o->type;
	a.key_size = o->key_size;
	a.value_size = o->value_size;
	a.max_entries = o->max_entries;
	a.map_flags = o->flags;
	a.map_extra = o->extra;
	a.inner_map_fd = inner_fd > 0 ? (uint32_t)inner_fd : 0;
	if (o->name)
		strncpy(a.map_name, o->name, sizeof(a.map_name) - 1);
	return sys_bpf(BPF_MAP_CREATE, &a, sizeof(a));
}

static int elem(int cmd, int fd, const void *key, const void *value, uint64_t flags)
{
	union bpf_attr a;

	memset(&a, 0, sizeof(a));
	a.map_fd = (uint32_t)fd;
	a.key = ptr(key);
	a.value = ptr(value);
	a.flags = flags;
	return sys_bpf(cmd, &a, sizeof(a));
}

int kmap_lookup(int fd, const void *key, void *value, uint64_t flags)
{
	return elem(BPF_MAP_LOOKUP_ELEM, fd, key, value, flags);
}

int kmap_update(int fd, const void *key, const void *value, uint64_t flags)
{
	return elem(BPF_MAP_UPDATE_ELEM, fd, key, value, flags);
}

int kmap_delete(int fd, const void *key)
{
	return elem(BPF_MAP_DELETE_ELEM, fd, key, NULL, 0);
}

int kmap_lookup_delete(int fd, const void *key, void *value, uint64_t flags)
{
	return elem(BPF_MAP_LOOKUP_AND_DELETE_ELEM, fd, key, value, flags);
}

int kmap_next_key(int fd, const void *key, void *next)
{
	return elem(BPF_MAP_GET_NEXT_KEY, fd, key, next, 0);
}

/* Commands whose attributes begin with one number or pointer and have no more. */
static int with_first(int cmd, const void *first, size_t size)
{
	union bpf_attr a;

	memset(&a, 0, sizeof(a));
	memcpy(&a, first, size);
	return sys_bpf(cmd, &a, sizeof(a));
}

int kmap_freeze(int fd)
{
	return with_first(BPF_MAP_FREEZE, &fd, sizeof(fd));
}

static int batch(int cmd, int fd, const void *in, void *out, const void *keys, const void *values,
		 uint32_t *count, uint64_t flags)
{
	union bpf_attr a;
	int r;

	memset(&a, 0, sizeof(a));
	a.batch.map_fd = (uint32_t)fd;
	a.batch.in_batch = ptr(in);
	a.batch.out_batch = ptr(out);
	a.batch.keys = ptr(keys);
	a.batch.values = ptr(values);
	a.batch.count = *count;
	a.batch.elem_flags = flags;
	r = sys_bpf(cmd, &a, sizeof(a));
	*count = a.batch.count;
	return r;
}

int kmap_lookup_batch(int fd, const void *in, void *out, void *keys, void *values, uint32_t *count,
		      uint64_t flags)
{
	return batch(BPF_MAP_LOOKUP_BATCH, fd, in, out, keys, values, count, flags);
}

int kmap_update_batch(int fd, const void *keys, const void *values, uint32_t *count, uint64_t flags)
{
	return batch(BPF_MAP_UPDATE_BATCH, fd, NULL, NULL, keys, values, count, flags);
}

int kmap_open_id(enum kmap_kind kind, uint32_t id)
{
	return with_first(kind == KMAP_BTF ? BPF_BTF_GET_FD_BY_ID : BPF_MAP_GET_FD_BY_ID, &id, sizeof(id));
}

int kmap_open_pin(const char *path)
{
	uint64_t name = ptr(path);

	return with_first(BPF_OBJ_GET, &name, sizeof(name));
}

static int object_info(int fd, void *info, uint32_t size)
{
	union bpf_attr a;

	memset(&a, 0, sizeof(a));
	a.info.bpf_fd = (uint32_t)fd;
	a.info.info_len = size;
	a.info.info = ptr(info);
	return sys_bpf(BPF_OBJ_GET_INFO_BY_FD, &a, sizeof(a));
}

/* Programs and links have pins, too, and what the kernel tells about those would be taken for a map's. */
static bool other_object(int fd)
{
	char path[32], what[32] = "";
	int saved = errno;
	bool named;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	named = readlink(path, what, sizeof(what) - 1) > 0;
	errno = saved;
	return named && !strstr(what, "bpf-map");
}

int kmap_info(int fd, struct kmap_info *out)
{
	struct bpf_map_info info;
	int r;

	if (other_object(fd))
		return -EINVAL;
	memset(&info, 0, sizeof(info));
	r = object_info(fd, &info, sizeof(info));
	if (r < 0)
		return r;
	memcpy(out->name, info.name, sizeof(info.name));
	out->name[sizeof(info.name)] = 0;
	out->id = info.id;
	out->btf = info.btf_id;
	out->shape = (struct uebpf_map_opts){
		.size = sizeof(out->shape), .name = out->name, .type = info.type, .key_size = info.key_size,
		.value_size = info.value_size, .max_entries = info.max_entries, .flags = info.map_flags,
		.extra = info.map_extra, .btf_key = info.btf_key_type_id, .btf_value = info.btf_value_type_id,
	};
	return 0;
}

int kmap_btf(int fd, void *data, uint32_t *len)
{
	struct bpf_btf_info info;
	int r;

	memset(&info, 0, sizeof(info));
	info.btf = ptr(data);
	info.btf_size = *len;
	r = object_info(fd, &info, sizeof(info));
	*len = info.btf_size;
	return r < 0 ? r : 0;
}
