/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Externs: configuration, kernel symbols and functions, the compiler's builtins. */
#include "bpf_min.h"

enum tristate { TRI_NO, TRI_YES, TRI_MODULE };
extern int LINUX_KERNEL_VERSION __kconfig;
extern bool CONFIG_TEST_BOOL __kconfig;
extern enum tristate CONFIG_TEST_TRI __kconfig;
extern char CONFIG_TEST_CHAR __kconfig;
extern u64 CONFIG_TEST_NUMBER __kconfig;
extern s32 CONFIG_TEST_NEGATIVE __kconfig;
extern char CONFIG_TEST_TEXT[8] __kconfig;
extern int CONFIG_TEST_WEAK __kconfig __weak;
extern int CONFIG_TEST_NOWHERE __kconfig;
extern const int some_ksym __ksym;
extern const int weak_ksym __ksym __weak;
extern int bpf_some_kfunc(int x) __ksym;
extern int bpf_weak_kfunc(int x) __ksym __weak;
extern u64 bpf_ktime_get_boot_ns_by_name(void);
extern u64 host_twice(u64 x);

SEC("raw") int version(void *ctx) { return LINUX_KERNEL_VERSION; }
SEC("raw") int values(void *ctx)
{
	return CONFIG_TEST_BOOL + 10 * (CONFIG_TEST_TRI == TRI_MODULE) + 100 * (CONFIG_TEST_CHAR == 'y') +
		CONFIG_TEST_NUMBER + CONFIG_TEST_NEGATIVE;
}
SEC("raw") int text(void *ctx) { return CONFIG_TEST_TEXT[0] << 8 | CONFIG_TEST_TEXT[2]; }
SEC("raw") int weak_config(void *ctx) { return CONFIG_TEST_WEAK + 3; }
SEC("raw") int nowhere(void *ctx) { return CONFIG_TEST_NOWHERE; }
SEC("raw") int ksym(void *ctx) { return some_ksym; }
SEC("raw") int ksym_weak(void *ctx) { return &weak_ksym ? weak_ksym : 4; }
SEC("raw") int kfunc(void *ctx) { return bpf_some_kfunc(1); }
SEC("raw") int kfunc_weak(void *ctx) { return bpf_weak_kfunc ? bpf_weak_kfunc(1) : 5; }
SEC("raw") int host(void *ctx) { return host_twice(21); }
char _license[] SEC("license") = "Proprietary";
