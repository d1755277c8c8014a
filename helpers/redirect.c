/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* redirect.c - where a packet should go: recorded in struct uebpf_packet, the host sends it. */
#include <linux/bpf.h>
#include "helpers/packet.h"

enum { ACT_SHOT = 2, ACT_REDIRECT = 7 };	/* TC_ACT_x of linux/pkt_cls.h */

static void record(struct uebpf_packet *packet, enum uebpf_redirect kind, uint32_t target, uint64_t flags,
		   struct uebpf_map *map)
{
	packet->redirect_kind = kind;
	packet->redirect_ifindex = target;
	packet->redirect_flags = flags;
	packet->redirect_map = map;
}

FN(redirect)
{
	struct uebpf_packet *packet = call_packet(call);
	bool xdp = call->code->type && call->code->type->groups & HG_XDP;

	if (!packet || (xdp ? r2 != 0 : (r2 & ~(uint64_t)BPF_F_INGRESS) != 0))
		return xdp ? XDP_ABORTED : ACT_SHOT;
	record(packet, UEBPF_REDIRECT_IFINDEX, (uint32_t)r1, r2, NULL);
	return xdp ? XDP_REDIRECT : ACT_REDIRECT;
}

FN(redirect_peer)
{
	struct uebpf_packet *packet = call_packet(call);

	if (!packet || r2)
		return ACT_SHOT;
	record(packet, UEBPF_REDIRECT_PEER, (uint32_t)r1, 0, NULL);
	return ACT_REDIRECT;
}

FN(redirect_neigh)
{
	enum { PARAMS = 20 };		/* struct bpf_redir_neigh */
	struct uebpf_packet *packet = call_packet(call);

	if (!packet || r4 || ((uint32_t)r3 && (uint32_t)r3 < PARAMS))
		return ACT_SHOT;
	record(packet, UEBPF_REDIRECT_NEIGH, (uint32_t)r1, 0, NULL);
	return ACT_REDIRECT;
}

FN(clone_redirect)
{
	struct uebpf_packet *packet = call_packet(call);

	if (!packet || r3 & ~(uint64_t)BPF_F_INGRESS)
		return ERR(EINVAL);
	record(packet, UEBPF_REDIRECT_CLONE, (uint32_t)r2, r3, NULL);
	return 0;
}

/* The two low flag bits are the verdict for a missing key. */
FN(redirect_map)
{
	enum { ACTION = 3, TO_MANY = BPF_F_BROADCAST | BPF_F_EXCLUDE_INGRESS };
	struct uebpf_packet *packet = call_packet(call);
	struct uebpf_map *map = ptr(r1);
	const struct map_ops *ops = map->ops;
	uint32_t key = (uint32_t)r2;
	bool many = map->type == BPF_MAP_TYPE_DEVMAP || map->type == BPF_MAP_TYPE_DEVMAP_HASH, known;

	if (!packet || r3 & ~(uint64_t)(many ? ACTION | TO_MANY : ACTION))
		return XDP_ABORTED;
	known = ops->more->has_target ? ops->more->has_target(map, &key)
				: ops->lookup && ops->lookup(map, &key, call);
	if (!known && !(r3 & BPF_F_BROADCAST))
		return r3 & ACTION;
	record(packet, UEBPF_REDIRECT_MAP, key, r3 & ~(uint64_t)ACTION, map);
	return XDP_REDIRECT;
}
