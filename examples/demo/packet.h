/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* packet.h - the walk from the Ethernet header to the transport ports, shared by the demo's XDP programs. */
#ifndef DEMO_PACKET_H
#define DEMO_PACKET_H

#include <stddef.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct vlan { __be16 tci, proto; };
struct ports { __be16 src, dst; };

/* EtherType behind up to two VLAN tags; *at moves to the network header.  0: too short. */
static __always_inline __u16 network_proto(void **at, void *end)
{
	struct ethhdr *eth = *at;
	__be16 proto;

	if ((void *)(eth + 1) > end)
		return 0;
	proto = eth->h_proto;
	*at = eth + 1;
#pragma unroll
	for (int i = 0; i < 2; i++) {
		struct vlan *v = *at;

		if (proto != bpf_htons(ETH_P_8021Q) && proto != bpf_htons(ETH_P_8021AD))
			break;
		if ((void *)(v + 1) > end)
			return 0;
		proto = v->proto;
		*at = v + 1;
	}
	return bpf_ntohs(proto);
}

/* Transport header of an IPv4 packet, NULL when it does not lie in the packet. */
static __always_inline void *transport(struct iphdr *ip, void *end, __u32 need)
{
	void *l4;

	if (ip->ihl < 5)
		return NULL;
	l4 = (void *)ip + ip->ihl * 4;
	return l4 + need > end ? NULL : l4;
}

#endif
