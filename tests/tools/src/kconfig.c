/* Reads a value of the kernel's configuration and its version. */
extern int CONFIG_HZ __attribute__((section(".kconfig"), weak));
extern int LINUX_KERNEL_VERSION __attribute__((section(".kconfig")));
__attribute__((section("raw"))) int hz(void *mem, unsigned long len)
{
	return LINUX_KERNEL_VERSION ? CONFIG_HZ : -1;
}
