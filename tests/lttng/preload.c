/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* preload.c - LD_PRELOAD for the traced program: writes down what the session daemon sends it, one
 * line a message: "MSG hex".  LTTng-UST receives a command first (its layout is in the public header
 * lttng/ust-abi.h and what follows it on the wire), then the bytecode as a message of its own; capture
 * reads both from these lines.  File: $LT_WIRE. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

static FILE *out;
static __attribute__((constructor)) void begin(void)
{
	const char *path = getenv("LT_WIRE");

	out = path ? fopen(path, "we") : NULL;
}

ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
	ssize_t (*real)(int, struct msghdr *, int) =
		(ssize_t (*)(int, struct msghdr *, int))dlsym(RTLD_NEXT, "recvmsg");
	ssize_t n = real(fd, msg, flags);

	if (out && n > 0 && msg->msg_iovlen == 1) {
		fprintf(out, "%d ", fd);
		for (ssize_t i = 0; i < n; i++)
			fprintf(out, "%02x", ((unsigned char *)msg->msg_iov[0].iov_base)[i]);
		fputc('\n', out);
		fflush(out);
	}
	return n;
}
