/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* control.c - the other end of traced.c: sends filters, one after the other, each in the place of the last,
 * and prints what comes back.  `control SOCKET ROUNDS FILTER...`: FILTER is an expression, or FILE.o for an
 * object that runs in checked mode ("!FILE.o": verified); "+" in front of it: events on which it fails are recorded.
 * The last line sums up: runs, accepted and faults of all filters, and how many events that means. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "wire.h"

static unsigned long runs, accepted, faults, wanted, errors, replaced;

static int hear(int fd)
{
	struct answer a;
	struct uebpf_error err;

	if (recv(fd, &a, sizeof a, 0) != sizeof a)
		return -1;
	if (a.what == ANSWER_GONE) {
		runs += a.stats.runs;
		accepted += a.stats.accepted;
		faults += a.stats.faults;
		wanted += a.stats.accepted + (a.on_error ? a.stats.faults : 0);
		replaced++;
	} else if (a.what == ANSWER_ERROR && uebpf_error_unpack(a.error, sizeof a.error, &err) > 0) {
		static uint32_t told[32], n;
		uint32_t i, what = err.stage << 16 | err.code;

		for (i = 0; i < n && told[i] != what; i++)
			;
		errors++;
		if (i == n && n < 32) {		/* each kind once */
			told[n++] = what;
			printf("from the traced process, stage %s, %s: %s\n", uebpf_stage_name(err.stage),
			       uebpf_code_name(err.code), err.text);
		}
		return (int)err.stage;
	}
	return a.what == ANSWER_INSTALLED ? 0 : 1;
}

int main(int argc, char **argv)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int door = socket(AF_UNIX, SOCK_SEQPACKET, 0), fd, i, n = argc - 3, rounds = argc > 3 ? atoi(argv[2]) : 0, heard;
	struct order order;

	if (n < 1 || rounds < 1)
		return fprintf(stderr, "usage: control SOCKET ROUNDS FILTER...\n"), 1;
	strncpy(at.sun_path, argv[1], sizeof at.sun_path - 1);
	if (bind(door, (struct sockaddr *)&at, sizeof at) || listen(door, 1))
		return perror("control"), 1;
	fd = accept(door, NULL, NULL);
	for (i = 0; i < rounds; i++) {
		const char *text = argv[3 + i % n];

		memset(&order, 0, sizeof order);
		order.on_error = text[0] == '+' ? UEBPF_ON_ERROR_RECORD : UEBPF_ON_ERROR_DROP;
		text += text[0] == '+';
		order.object = strlen(text) > 2 && !strcmp(text + strlen(text) - 2, ".o") ? 1 + (text[0] == '!') : 0;
		text += text[0] == '!' && order.object;
		snprintf(order.filter, sizeof order.filter, "%s", text);
		if (send(fd, &order, sizeof order, MSG_NOSIGNAL) != sizeof order)
			return perror("control: send"), 1;
		/* reports of the old filter come first; a refusal ends the round too */
		while ((heard = hear(fd)) == 1 || heard == UEBPF_STAGE_RUN)
			;
		if (heard < 0)
			return fprintf(stderr, "control: the traced process is gone\n"), 1;
		usleep(1000);
	}
	memset(&order, 0, sizeof order);
	send(fd, &order, sizeof order, MSG_NOSIGNAL);
	while (hear(fd) >= 0)
		;
	printf("replaced %lu runs %lu accepted %lu faults %lu wanted %lu errors %lu\n", replaced, runs, accepted, faults,
	       wanted, errors);
	return 0;
}
