/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* flame.h - kernel symbols and a flame graph of stacks as SVG. */
#ifndef NETCOST_FLAME_H
#define NETCOST_FLAME_H

#include <stddef.h>
#include <stdint.h>

/* Sorted; -1 when /proc/kallsyms shows no addresses. */
int kernel_symbols(void);
size_t kernel_symbol_count(void);
const char *kernel_symbol(size_t i, uint64_t *start, uint64_t *end);
const char *kernel_symbol_at(uint64_t address);
/* ip[0] is the innermost. */
void flame_add(const unsigned long long *ip, unsigned depth);
int flame_write(const char *path, const char *title);

#endif
