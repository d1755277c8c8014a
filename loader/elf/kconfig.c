/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* kconfig.c - extern variables that somebody else defines: __kconfig ones (LINUX_KERNEL_VERSION,
 * CONFIG_x) get a place in a read-only map with the value from a configuration file or a default;
 * __ksym ones are kernel symbols, which user space does not have.  What has no value blocks only
 * the programs that use it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <unistd.h>
#include "loader/elf/inner.h"

enum { MAP_ARRAY = 2, F_RDONLY_PROG = 1 << 7, F_MMAPABLE = 1 << 10, FILE_MAX = 64 << 20 };

int read_file(struct vm_host *host, const char *path, size_t limit, uint8_t **out, size_t *len,
	      size_t *cap)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), ret = fd < 0 ? -errno : 0;
	uint8_t *buf = NULL;
	size_t n = 0;

	*cap = 0;
	while (!ret) {
		ssize_t got;

		if (*cap - n < 2) {	/* room for one byte and the NUL */
			uint8_t *more = *cap > limit ? NULL :
				mem_resize(host, buf, *cap, *cap ? *cap * 2 : 65536);

			ret = more ? 0 : *cap > limit ? -EFBIG : -ENOMEM;
			if (ret)
				break;
			*cap = *cap ? *cap * 2 : 65536;
			buf = more;
		}
		got = read(fd, buf + n, *cap - n - 1);
		if (!got)
			break;
		if (got > 0)
			n += (size_t)got;
		else if (errno != EINTR)
			ret = -errno;
	}
	if (fd >= 0)
		close(fd);
	if (ret) {
		mem_free(host, buf, *cap);
		return ret;
	}
	buf[n] = 0;
	*out = buf;
	*len = n;
	return 0;
}

const struct image_extern *image_extern_find(const struct image_inner *in, const char *name)
{
	for (uint32_t i = 0; i < in->nr_externs; i++)
		if (!strcmp(in->externs[i].name, name))
			return &in->externs[i];
	return NULL;
}

/* "6.18.0-x" -> 0x061200 */
static uint32_t kernel_version(void)
{
	unsigned int major = 0, minor = 0, patch = 0;
	struct utsname name;

	if (uname(&name) || sscanf(name.release, "%u.%u.%u", &major, &minor, &patch) < 2)
		return 0;
	return major << 16 | (minor & 0xff) << 8 | (patch > 255 ? 255 : patch);
}

/* The text behind "NAME=" at the start of a line of a configuration file, or NULL. */
static const char *config_text(const char *config, const char *name, size_t *len)
{
	size_t n = strlen(name);

	for (const char *p = config; p; p = strchr(p, '\n')) {
		p += *p == '\n';
		if (!strncmp(p, name, n) && p[n] == '=') {
			*len = strcspn(p + n + 1, "\r\n");
			return p + n + 1;
		}
	}
	return NULL;
}

static bool put_number(uint8_t *to, uint32_t size, bool is_signed, long long value)
{
	if (size < 8) {
		long long top = 1ll << (size * 8 - is_signed);

		if (value >= top || value < (is_signed ? -top : 0))
			return false;
	}
	for (uint32_t i = 0; i < size; i++)
		to[i] = (uint8_t)((unsigned long long)value >> i * 8);
	return true;
}

/* Writes a configuration value ("y", "m", "n", 123, "text") as the variable's type has it. */
static bool put_value(const struct image_inner *in, const struct image_extern *ext, uint8_t *to,
		      const char *text, size_t len)
{
	const struct btf *btf = in->image.btf;
	uint32_t type = btf_skip(btf, ext->btf_type);
	struct btf_int info = { 0, 0, 0 };
	char digits[32], *end;
	long long value;

	if (len >= 2 && text[0] == '"') {
		if (btf_kind(btf, type) != BTF_ARRAY || text[len - 1] != '"' || !ext->size)
			return false;
		len -= 2;
		memcpy(to, text + 1, len < ext->size ? len : ext->size - 1);
		return true;
	}
	btf_int(btf, type, &info);
	if (len == 1 && strchr("ymn", *text)) {
		if (info.encoding & BTF_INT_BOOL)
			return *text != 'm' && put_number(to, ext->size, false, *text == 'y');
		if (btf_kind(btf, type) == BTF_ENUM)	/* TRI_NO, TRI_YES, TRI_MODULE */
			return put_number(to, ext->size, true, *text == 'y' ? 1 : *text == 'm' ? 2 : 0);
		return ext->size == 1 && put_number(to, 1, true, *text);
	}
	if (!len || len >= sizeof(digits) || btf_kind(btf, type) != BTF_INT || ext->size > 8)
		return false;
	memcpy(digits, text, len);
	digits[len] = 0;
	value = *digits == '-' ? strtoll(digits, &end, 0) : (long long)strtoull(digits, &end, 0);
	return !*end && put_number(to, ext->size, info.encoding & BTF_INT_SIGNED, value);
}

/* True when a value is known. */
static bool set_value(const struct image_inner *in, const struct image_extern *ext, uint8_t *to,
		      const char *config)
{
	size_t len;
	const char *text = config ? config_text(config, ext->name, &len) : NULL;

	if (text)
		return put_value(in, ext, to, text, len);
	if (ext->size > 8)
		return ext->weak;
	if (!strcmp(ext->name, "LINUX_KERNEL_VERSION"))
		return put_number(to, ext->size, false, kernel_version());
	if (!strcmp(ext->name, "LINUX_HAS_BPF_COOKIE") || !strcmp(ext->name, "LINUX_HAS_SYSCALL_WRAPPER"))
		return put_number(to, ext->size, false, 1);
	/* A file that says nothing of a symbol says that it is off. */
	return ext->weak || (config && !strncmp(ext->name, "CONFIG_", 7) &&
			     put_value(in, ext, to, "n", 1));
}

static int add_extern(struct image_inner *in, uint32_t type, bool kconfig)
{
	const struct btf *btf = in->image.btf;
	const struct elf_sym *sym;
	struct image_extern *e;
	int64_t size;

	e = arena_grow(&in->arena, in->externs, in->nr_externs, sizeof(*e));
	if (!e)
		return -ENOMEM;
	in->externs = e;
	e += in->nr_externs++;
	e->name = btf_name(btf, type);
	sym = image_symbol(in, e->name, ELF_UNDEF);
	e->weak = sym && sym->bind == ELF_B_WEAK;
	e->btf_type = btf_target(btf, type);
	e->kind = kconfig ? EXTERN_KCONFIG :
		btf_kind(btf, type) == BTF_FUNC ? EXTERN_KSYM_FUNC : EXTERN_KSYM_VAR;
	size = btf_size(btf, e->btf_type);
	e->size = size < 0 ? 0 : (uint32_t)size;
	return 0;
}

static int make_map(struct image_inner *in)
{
	uint64_t total = 0;
	struct image_map *m;

	for (uint32_t i = 0; i < in->nr_externs; i++) {
		struct image_extern *e = &in->externs[i];
		uint32_t align = e->size >= 8 ? 8 : e->size >= 4 ? 4 : e->size >= 2 ? 2 : 1;

		if (e->kind != EXTERN_KCONFIG)
			continue;
		total = (total + align - 1) / align * align;
		e->off = (uint32_t)total;
		total += e->size;
		if (!e->size || total > 1 << 20)
			return image_fail(in, UEBPF_STAGE_BTF, UEBPF_E_BAD_BTF, -EINVAL, ".kconfig",
					  e->name, "the variable has no possible size");
	}
	if (!total)
		return 0;
	m = image_add_map(in);
	if (!m)
		return image_memory(in);
	m->name = m->opts.name = m->section = ".kconfig";
	m->kind = IMAGE_MAP_KCONFIG;
	m->read_only = true;
	m->opts.type = MAP_ARRAY;
	m->opts.key_size = 4;
	m->opts.value_size = m->data = (uint32_t)total;
	m->opts.max_entries = 1;
	m->opts.flags = F_MMAPABLE | F_RDONLY_PROG;
	m->bytes = arena_alloc(&in->arena, total);
	in->kconfig_map = in->image.nr_maps - 1;
	return m->bytes ? 0 : image_memory(in);
}

/* The configuration: the file that was named, or what distributions leave in /boot. */
static int read_config(struct image_inner *in, char **config, size_t *cap)
{
	struct utsname name;
	char path[512];
	size_t len;
	int ret;

	*config = NULL;
	if (in->params.kconfig) {
		ret = read_file(in->params.host, in->params.kconfig, FILE_MAX, (uint8_t **)config, &len,
				cap);
		if (ret == -ENOMEM)
			return image_memory(in);
		if (ret)
			return image_fail(in, UEBPF_STAGE_OPEN, UEBPF_E_IO, ret, ".kconfig", NULL,
					  "cannot read the configuration file %s", in->params.kconfig);
		return 0;
	}
	if (uname(&name))
		return 0;
	snprintf(path, sizeof(path), "/boot/config-%s", name.release);
	ret = read_file(in->params.host, path, FILE_MAX, (uint8_t **)config, &len, cap);
	if (ret)
		*config = NULL;
	return ret == -ENOMEM ? image_memory(in) : 0;
}

int image_read_externs(struct image_inner *in)
{
	const struct btf *btf = in->image.btf;
	char *config = NULL;
	size_t cap = 0;
	int ret;

	for (uint32_t id = 1; btf && id < btf_count(btf); id++) {
		bool kconfig = !strcmp(btf_name(btf, id), ".kconfig");
		struct btf_secinfo var;

		if (btf_kind(btf, id) != BTF_DATASEC || (!kconfig && strcmp(btf_name(btf, id), ".ksyms") != 0))
			continue;
		for (uint32_t k = 0; btf_secinfo(btf, id, k, &var); k++)
			if (add_extern(in, var.type, kconfig))
				return image_memory(in);
	}
	ret = make_map(in);
	if (ret || in->kconfig_map == IMAGE_NONE)
		return ret;
	ret = read_config(in, &config, &cap);
	for (uint32_t i = 0; !ret && i < in->nr_externs; i++) {
		struct image_extern *e = &in->externs[i];
		struct image_map *m = &in->image.maps[in->kconfig_map];
		struct image_global g = { e->name, in->kconfig_map, e->off, e->size, e->btf_type, false };

		if (e->kind != EXTERN_KCONFIG)
			continue;
		e->missing = !set_value(in, e, m->bytes + e->off, config);
		if (image_add_global(in, &g))
			ret = image_memory(in);
	}
	mem_free(in->params.host, config, cap);
	return ret;
}
