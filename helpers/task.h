/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* task.h - the opaque number by which programs know the running thread. */
#ifndef UEBPF_HELPERS_TASK_H
#define UEBPF_HELPERS_TASK_H

#include <stdint.h>

struct uebpf_call;

/* Never an address: following it is a fault on every 64-bit machine. */
uint64_t task_number(struct uebpf_call *call);

#endif
