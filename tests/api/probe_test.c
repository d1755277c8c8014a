/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* probe_test.c - a probe site: its note as readelf shows it, the no-op in the code, the filter before it,
 * and a kernel uprobe there that counts what the filter lets through. */
#include <check.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "include/uebpf_probe.h"
#include "tests/util/run.h"

struct sale { uint32_t customer, cents; };
static struct uebpf_slot slot = UEBPF_SLOT_INIT;

__attribute__((noinline)) static int sell(uint32_t n)
{
	struct sale sale = { n, n * 10 };

	return UEBPF_PROBE(uebpf_test, sale, &slot, &sale);
}

/* Offset in the file of the site, from the note. */
static uint64_t site(void)
{
	static uint8_t file[32 << 20];
	FILE *f = fopen("/proc/self/exe", "rb");
	size_t len = fread(file, 1, sizeof(file), f);
	const Elf64_Ehdr *head = (const void *)file;
	const Elf64_Phdr *ph = (const void *)(file + head->e_phoff);
	static const char strings[] = "uebpf_test\0sale";
	const uint8_t *at = memmem(file, len, strings, sizeof(strings));
	uint64_t address;

	fclose(f);
	while (at && memcmp(at - 24 - 8, "stapsdt", 8))		/* not this function's own copy */
		at = memmem(at + 1, len - (size_t)(at + 1 - file), strings, sizeof(strings));
	ck_assert_ptr_nonnull(at);
	memcpy(&address, at - 24, 8);
	for (int i = 0; i < head->e_phnum; i++)
		if (ph[i].p_type == PT_LOAD && address >= ph[i].p_vaddr && address < ph[i].p_vaddr + ph[i].p_filesz) {
			address = address - ph[i].p_vaddr + ph[i].p_offset;
			break;
		}
#ifdef __x86_64__
	ck_assert_int_eq(memcmp(file + address, "\x0f\x1f\x44\x00\x00", 5), 0);
#endif
	return address;
}

static void set_filter(struct uebpf_env *env, const char *text)
{
	struct uebpf_error err;
	struct uebpf_object *obj = uebpf_object_open_filter(env, text, "sale", NULL, &err);

	ck_assert_msg(obj && !uebpf_object_load(obj, NULL, &err), "%s", err.text);
	ck_assert_int_eq(uebpf_slot_set(&slot, uebpf_object_prog(obj, NULL), NULL), 0);
	uebpf_object_free(obj);
}

static struct uebpf_env *sale_env(void)
{
	static const struct uebpf_field fields[] = { { .name = "customer", .size = 4 }, { .name = "cents", .offset = 4, .size = 4 } };
	struct uebpf_type_opts type = { .size = sizeof(type), .name = "sale", .ctx_size = sizeof(struct sale), .fields = fields,
					.nr_fields = 2 };
	struct uebpf_env *env = uebpf_env_new(NULL);
	struct uebpf_error err;

	ck_assert_msg(!uebpf_env_add_type(env, &type, &err), "%s", err.text);
	ck_assert_int_eq(uebpf_slot_init(&slot, env), 0);
	return env;
}

START_TEST(site_has_a_note_and_a_filter)
{
	struct uebpf_env *env = sale_env();
	char command[256], line[512] = "";
	FILE *p;

	ck_assert_uint_gt(site(), 0);
	snprintf(command, sizeof(command), "readelf -n /proc/%d/exe 2>&1 | grep -A4 uebpf_test", (int)getpid());
	p = popen(command, "r");
	line[fread(line, 1, sizeof(line) - 1, p)] = 0;
	pclose(p);
	if (!strstr(line, "Provider"))
		printf("skip: no readelf that shows notes\n");
	else
		ck_assert_msg(strstr(line, "Provider: uebpf_test") && strstr(line, "Name: sale") && strstr(line, "Arguments: 8@%"),
			      "%s", line);
	ck_assert_int_eq(sell(1), 1);
	set_filter(env, "cents > 50");
	ck_assert_int_eq(sell(1), 0);
	ck_assert_int_eq(sell(9), 1);
	ck_assert_int_eq(uebpf_slot_fini(&slot), 0);
	uebpf_env_free(env);
}
END_TEST

static int probe_type(void)
{
	FILE *f = fopen("/sys/bus/event_source/devices/uprobe/type", "r");
	int type = -1;

	if (f && fscanf(f, "%d", &type) != 1)
		type = -1;
	if (f)
		fclose(f);
	return type;
}

START_TEST(kernel_counts_what_passes)
{
	struct perf_event_attr attr = { .size = sizeof(attr), .type = (uint32_t)probe_type() };
	struct uebpf_env *env;
	char path[4096];
	ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 1);
	uint64_t count = 0;
	int fd;

	ck_assert_int_gt(len, 0);
	path[len] = 0;
	attr.uprobe_path = (uintptr_t)path;
	attr.probe_offset = site();
	fd = (int)attr.type < 0 ? -1 : (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
	if (fd < 0) {
		printf("skip: uprobe at the site: %s\n", (int)attr.type < 0 ? "the kernel has none" : strerror(errno));
		return;
	}
	env = sale_env();
	for (uint32_t n = 0; n < 5; n++)
		sell(n);
	set_filter(env, "cents > 50 || customer == 1");
	for (uint32_t n = 0; n < 10; n++)
		sell(n);
	ck_assert_int_eq(read(fd, &count, sizeof(count)), sizeof(count));
	ck_assert_uint_eq(count, 5 + 5);		/* 1, 6, 7, 8, 9 */
	close(fd);
	ck_assert_int_eq(uebpf_slot_fini(&slot), 0);
	uebpf_env_free(env);
}
END_TEST

int main(void)
{
	TCase *tc = test_case("probe sites", 60);

	tcase_add_test(tc, site_has_a_note_and_a_filter);
	tcase_add_test(tc, kernel_counts_what_passes);
	return run_tests();
}
