/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* three.c - one object of three predicates (bench/objects/three.bpf.c) in the kernel, attached to a raw
 * tracepoint while packets pass the loopback device, and then here on the same packets: equal verdicts,
 * and what one costs.  `three OBJECT`; needs bpf() (root); says why when it cannot. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include "include/uebpf.h"

struct seen { char name[16]; uint32_t len; uint16_t protocol, verdict; };
enum { MOST = 4096 };
static struct seen seen[MOST];
static int packets;

static int take(void *ctx, void *data, size_t size)
{
	(void)ctx;
	if (packets < MOST && size >= sizeof(struct seen))
		memcpy(&seen[packets++], data, sizeof(struct seen));
	return 0;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* UDP over loopback, of sizes on both sides of the filter's. */
static void traffic(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	char data[1400] = { 0 };

	for (int i = 0; i < 1000; i++)
		sendto(fd, data, (size_t)(i % 7) * 200, 0, (struct sockaddr *)&to, sizeof to);
	close(fd);
}

static int in_kernel(const char *path)
{
	struct bpf_object *obj = bpf_object__open_file(path, NULL);
	struct bpf_program *prog = obj ? bpf_object__find_program_by_name(obj, "three") : NULL;
	struct bpf_link *link;
	struct ring_buffer *ring;

	if (!prog)
		return printf("kernel: cannot open %s\n", path), -1;
	bpf_program__set_autoload(bpf_object__find_program_by_name(obj, "offsets"), false);
	if (bpf_object__load(obj) || !(link = bpf_program__attach(prog))) {
		printf("skip: three predicates in the kernel: it does not load or attach here (raw_tp net_dev_queue)\n");
		return 1;
	}
	ring = ring_buffer__new(bpf_object__find_map_fd_by_name(obj, "packets"), take, NULL, NULL);
	traffic();
	ring_buffer__consume(ring);
	bpf_link__destroy(link);
	ring_buffer__free(ring);
	bpf_object__close(obj);
	return 0;
}

int main(int argc, char **argv)
{
	enum { BYTES = 8192, TIMES = 200000 };
	struct uebpf_env_opts eo = { .size = sizeof eo, .probe = UEBPF_PROBE_SYSCALL };
	uint8_t *skb = mmap(NULL, 2 * BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *dev = skb + BYTES;
	uint64_t ctx[12] = { (uintptr_t)skb }, at = 0, r0 = 0;
	int differ = 0, wanted = 0, rc;
	struct uebpf_object *obj;
	struct uebpf_error err;
	struct uebpf_env *env;
	const struct uebpf_prog *three;
	double t;

	if (argc != 2)
		return fprintf(stderr, "usage: three OBJECT\n"), 1;
	rc = in_kernel(argv[1]);
	if (rc)
		return rc < 0;
	env = uebpf_env_new(&eo);
	obj = uebpf_object_open_file(env, argv[1], NULL, &err);
	if (!obj || uebpf_object_load(obj, NULL, &err))
		return fprintf(stderr, "three: %s\n", err.text), 1;
	three = uebpf_object_prog(obj, "three");
	if (uebpf_prog_run(uebpf_object_prog(obj, "offsets"), ctx, sizeof ctx, NULL, &at))
		return fprintf(stderr, "three: offsets\n"), 1;
	memcpy(skb + (at & 0xffff), &dev, sizeof dev);
	for (int i = 0; i < packets; i++) {
		memcpy(dev + (at >> 48), seen[i].name, 16);
		memcpy(skb + (at >> 16 & 0xffff), &seen[i].len, 4);
		memcpy(skb + (at >> 32 & 0xffff), &seen[i].protocol, 2);
		rc = uebpf_prog_run(three, ctx, sizeof ctx, NULL, &r0);
		differ += rc != 0 || r0 != seen[i].verdict;
		wanted += seen[i].verdict;
	}
	t = now();
	for (int i = 0; i < TIMES; i++)
		uebpf_prog_run(three, ctx, sizeof ctx, NULL, &r0);
	t = (now() - t) / TIMES;
	printf("%d packets seen by the kernel's program, %d wanted; run here: %d verdicts differ; %.0f ns a run here, "
	       "with four probe_reads and the ring buffer\n", packets, wanted, differ, t);
	uebpf_object_free(obj);
	uebpf_env_free(env);
	return differ || !packets || !wanted || wanted == packets;
}
