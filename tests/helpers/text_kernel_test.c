/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* text_kernel_test.c - strtol, strtoul, strncmp, snprintf, trace_printk, trace_vprintk, probe_read beside
 * the kernel's. */
#include "tests/helpers/oracle.h"
#include "tests/util/run.h"

static struct kernel k;
static struct result in;
static unsigned differences, ran, refused;

static void begin(void)
{
	memset(&in, 0, sizeof in);
	in.len = 64;
	in.packet[12] = 8;
	differences = ran = refused = 0;
}

static bool compare(const struct call_case *c, const char *text)
{
	bool done = same(&k, c, BPF_PROG_TYPE_SCHED_CLS, &in, text, &differences);

	ran += done;
	refused += !done;
	return done;
}

START_TEST(strtol_takes_bases_0_8_10_16_and_rejects_plus)
{
	static const char *const texts[] = {
		"0", "5", "+5", "-5", " 12", "\t\n 12x", "0x1f", "0X1F", "0x", "0xg", "08", "077", "0778", "-0x10", "--5", "-",
		"", " ", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809",
		"18446744073709551615", "18446744073709551616", "99999999999999999999999", "12 34", "1e5", "abc", "ABCDEF",
		"ffffffffffffffff", "-0", "0b1", "1234567890123456789012345678901234567890123456789012345678901234567890",
		"0000000000000000000000000000000000000000000000000000000000000000000000005", "\v\f7", "\2407",
		"0x00000000000000000000000000000000000000000000000000000000000001",
	};
	static const uint64_t flags[] = { 0, 8, 10, 16, 2, 36, 31, 32, 1ull << 40 };

	begin();
	if (!kernel_open(&k, NULL, 0))
		return;
	for (size_t t = 0; t < sizeof texts / sizeof texts[0]; t++) {
		size_t len = strlen(texts[t]);

		for (size_t f = 0; f < sizeof flags / sizeof flags[0]; f++) {
			struct call_case l = { "strtol", { A(64), N(len ? len : 1), N(flags[f]), A(16) } };
			struct call_case u = { "strtoul", { A(64), N(len ? len : 1), N(flags[f]), A(16) } };

			memset(in.area + 8, 0xaa, 300);
			memcpy(in.area + 64, texts[t], len);
			compare(&l, NULL);
			compare(&u, NULL);
			l.arg[1].n++;	/* one byte of rubbish behind */
			compare(&l, NULL);
			l.arg[1].n = 100;	/* the NUL inside */
			in.area[64 + len] = 0;
			compare(&l, NULL);
		}
	}
	kernel_close(&k);
	printf("strtol: %u calls, %u differences\n", ran, differences);
	ck_assert_uint_eq(differences, 0);
	ck_assert_uint_gt(ran, 1000);
}
END_TEST

START_TEST(strncmp_as_the_kernel)
{
	static const char text[AREA] = "hello\0helloo\0hell\0\0\x80zz\0h";
	static const uint64_t at[] = { 0, 6, 13, 18, 19, 23 };
	static const char *const first[] = { "hello", "hell", "", "\x7f", "\xff", "z", "hellp" };

	begin();
	if (!kernel_open(&k, text, sizeof text))
		return;
	for (size_t i = 0; i < sizeof first / sizeof first[0]; i++)
		for (size_t j = 0; j < sizeof at / sizeof at[0]; j++)
			for (uint64_t n = 1; n < 8; n++) {
				struct call_case c = { "strncmp", { A(64), N(n), T(at[j]) } };

				memset(in.area + 64, 0, 16);
				memcpy(in.area + 64, first[i], strlen(first[i]));
				compare(&c, text);
			}
	kernel_close(&k);
	ck_assert_uint_eq(differences, 0);
	ck_assert_uint_eq(refused, 0);
}
END_TEST

static const char *const formats[] = {
	"", "x", "plain text\n", "%d", "%i %u", "%x %X", "%ld %lu %lx", "%lld %llu %llX", "%5d|%-5d|%05d", "%+d % d",
	"%+05d|%-05d|% 5d", "%c%c", "%3c|%-3c|", "%%", "%%%d", "100%", "%", "%5", "%d%", "%#x", "%.3d", "%*d", "%hd",
	"%hhd", "%f", "%n", "%o", "%zu", "%q", "%ll", "%l", "%lc", "%ls", "%s", "%s|%s", "%10s|%-10s|", "%05s|", "%sx", "%s.",
	"%s_", "%s%d", "%p.", "%px", "%px %px", "%pxy", "%20px|", "%-20px|", "%pK.", "%pi4", "%pI4", "%pi6", "%pI6",
	"%pI4x", "%pI6c", "%pI5", "%pI", "%pf", "%pB", "%pks", "%pus", "%pks.", "%pksx", "%pus|%d", "%pk", "%d %d %d",
	"%d %d %d %d", "%300d", "%-300d|", "%1000000d", "tab\t", "\x01", "caf\xc3\xa9", "%d\x80", "%llx%llx%llx", "% +d",
	"%p%", "%p%d", "%0-8d|", "%-08x|", "%+u", "% x", "%+c|", "%lli", "%li",
};

/* %p hashes, %ps and %pB ask kallsyms: those have no equal. */
static bool comparable(const char *format)
{
	return !strstr(format, "%p.") && !strstr(format, "%p%d") && !strstr(format, "pK") && !strstr(format, "pB");
}

/* Linux 6.18 neither counts nor skips such an argument once the output is full (bstr_printf): with
 * size 0 its length is wrong, and the numbers behind it are read from the wrong place. */
static bool kernel_loses_it(const char *format, uint64_t size)
{
	return !size && (strstr(format, "%pi") || strstr(format, "%pI") || strstr(format, "%pu") ||
			 strstr(format, "%pk"));
}

static void string_arguments(void)
{
	/* Addresses that neither side can read: strings come out empty, in both. */
	for (unsigned i = 0; i < 12; i++) {
		static const uint64_t value[] = { 1, UINT64_MAX, 0x8000000000000000, 0x123456789abcdef0, 0xffffffff80000000,
						  'A', 0, 42 };

		memcpy(in.area + 512 + i * 8, &value[i % 8], 8);
	}
}

START_TEST(snprintf_formats_and_rejects_as_the_kernel)
{
	unsigned agree_refused = 0;

	begin();
	for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
		char text[AREA] = { 0 };
		const char *why = "";

		strcpy(text, formats[i]);
		if (!comparable(text))
			continue;
		if (!kernel_open(&k, text, sizeof text))
			return;
		for (uint64_t args = 0; args <= 5; args++) {
			static const uint64_t sizes[] = { 64, 1, 5, 0 };

			for (size_t z = 0; z < 4; z++) {
				struct call_case c = { "snprintf", { A(1024), N(sizes[z]), T(0), A(512), N(args * 8) } };
				int bad;

				if (kernel_loses_it(text, sizes[z]))
					continue;
				if (!sizes[z])
					c.arg[0] = (struct value)N(0);
				string_arguments();
				bad = -1;
				for (uint32_t h = 0; h < helpers_nr; h++)
					if (!strcmp(helper_name(&helpers_builtin[h]), "snprintf"))
						bad = helper_check(&helpers_builtin[h])(text, args * 8, &why);
				if (compare(&c, text)) {
					ck_assert_msg(!bad, "load would refuse '%s' with %d: %s", text, (int)args, why);
				} else {
					ck_assert_msg(bad, "the kernel refuses '%s' with %d: %s", text, (int)args, k.log);
					agree_refused++;
				}
			}
		}
		kernel_close(&k);
	}
	printf("snprintf: %u calls, %u refused at load by both, %u differences\n", ran, agree_refused, differences);
	ck_assert_uint_eq(differences, 0);
	ck_assert_uint_gt(agree_refused, 50);
}
END_TEST

START_TEST(trace_printk_returns_length_and_einval_for_a_lone_percent)
{
	begin();
	if (!kernel_open(&k, NULL, 0))
		return;
	for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
		size_t len = strlen(formats[i]) + 1;
		struct call_case three = { "trace_printk", { A(64), N(len), N(1), N(-2), N(0x1234567890abcdef) } };

		memset(in.area + 64, 'z', 64);
		strcpy((char *)in.area + 64, formats[i]);
		string_arguments();
		if (!comparable(formats[i]))
			continue;
		compare(&three, NULL);
		three.arg[1].n = len > 1 ? len - 1 : 1;	/* without its NUL */
		compare(&three, NULL);
		for (uint64_t args = 0; args <= 12; args += 3) {
			struct call_case v = { "trace_vprintk", { A(64), N(len), A(512), N(args * 8) } };

			compare(&v, NULL);
		}
	}
	for (uint64_t bytes = 0; bytes < 112; bytes += 4) {
		struct call_case v = { "trace_vprintk", { A(64), N(3), A(512), N(bytes) } };
		struct call_case none = { "trace_vprintk", { A(64), N(3), N(0), N(0) } };

		strcpy((char *)in.area + 64, "ok");
		compare(&v, NULL);
		compare(&none, NULL);
	}
	kernel_close(&k);
	printf("trace_printk: %u calls, %u differences\n", ran, differences);
	ck_assert_uint_eq(differences, 0);
	ck_assert_uint_eq(refused, 0);
}
END_TEST

START_TEST(probe_read_of_a_bad_address_gives_efault_and_zeroes)
{
	static const char *const names[] = { "probe_read_kernel", "probe_read_user", "probe_read_kernel_str",
					     "probe_read_user_str" };
	static struct result theirs, ours;
	static const uint64_t bad[] = { 0, 1, 0x1000, 0xdead000000000000, UINT64_MAX, UINT64_MAX - 4095 };

	begin();
	if (!kernel_open(&k, NULL, 0))
		return;
	memset(in.area + 8, 0xaa, 512);
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		for (size_t j = 0; j < sizeof bad / sizeof bad[0]; j++)
			for (uint64_t n = 4; n <= 16; n += 4) {
				struct call_case c = { names[i], { A(64), N(n), N(bad[j]) } };

				ck_assert_int_eq(kernel_run(&k, &c, BPF_PROG_TYPE_SCHED_CLS, &in, &theirs), 0);
				ours_run(&c, BPF_PROG_TYPE_SCHED_CLS, &in, NULL, &ours);
				/* The kernel says -ERANGE for what is no kernel address; here none is. */
				ck_assert_int_lt((int64_t)theirs.r0, 0);
				ck_assert_int_eq((int64_t)ours.r0, -EFAULT);
				ck_assert_mem_eq(ours.area + 8, theirs.area + 8, AREA - 8);
			}
	kernel_close(&k);
}
END_TEST

/* The kernel program reads its own map value, ours its own area: known memory both times. */
START_TEST(probe_read_of_known_memory)
{
	static const char *const names[] = { "probe_read_kernel", "probe_read_kernel_str" };

	begin();
	if (!kernel_open(&k, NULL, 0))
		return;
	strcpy((char *)in.area + 600, "a string of twenty-seven.");
	memset(in.area + 700, 'q', 300);
	for (size_t i = 0; i < 2; i++)
		for (uint64_t n = 0; n < 40; n++)
			for (uint64_t from = 590; from < 1000; from += 31) {
				struct call_case c = { names[i], { A(64), N(n), A(from) } };

				compare(&c, NULL);
			}
	kernel_close(&k);
	ck_assert_uint_eq(differences, 0);
	ck_assert_uint_eq(refused, 0);
}
END_TEST

int main(void)
{
	TCase *t = test_case("text helpers and the kernel", 30);

	tcase_add_test(t, strtol_takes_bases_0_8_10_16_and_rejects_plus);
	tcase_add_test(t, strncmp_as_the_kernel);
	tcase_add_test(t, snprintf_formats_and_rejects_as_the_kernel);
	tcase_add_test(t, trace_printk_returns_length_and_einval_for_a_lone_percent);
	tcase_add_test(t, probe_read_of_a_bad_address_gives_efault_and_zeroes);
	tcase_add_test(t, probe_read_of_known_memory);
	return run_tests();
}
