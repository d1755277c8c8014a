/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* room.c - skb helpers that change the packet's length: head, tail, room behind a header, VLAN tags,
 * IPv4 to IPv6.  Room comes from [head, data) and (data_end, tail] of struct uebpf_packet; a host that
 * gives none gets -ENOMEM, where the kernel would allocate. */
#include <linux/bpf.h>
#include "helpers/packet.h"

enum { IPV4_LEN = 20, IPV6_LEN = 40, LEN_MAX = 65536 };

/* Old headers do not name them. */
enum { DECAP_L3_IPV4 = 1 << 7, DECAP_L3_IPV6 = 1 << 8 };

int packet_open(struct uebpf_call *call, struct uebpf_packet *packet, uint32_t offset, uint32_t len)
{
	if (len > (size_t)(packet->data - packet_head(packet)))
		return -ENOMEM;
	if (offset > packet_len(packet))
		return -EINVAL;
	memmove(packet->data - len, packet->data, offset);
	packet->data -= len;
	memset(packet->data + offset, 0, len);
	packet->data_meta = packet->data_meta ? packet->data : NULL;
	call_packet_moved(call);
	return 0;
}

int packet_close(struct uebpf_call *call, struct uebpf_packet *packet, uint32_t offset, uint32_t len)
{
	if (!packet_at(packet, offset, len))
		return -EINVAL;
	memmove(packet->data + len, packet->data, offset);
	packet->data += len;
	packet->data_meta = packet->data_meta ? packet->data : NULL;
	call_packet_moved(call);
	return 0;
}

FN(skb_change_head)
{
	struct uebpf_packet *packet = call_packet(call);
	uint32_t len = (uint32_t)r2;

	if (!packet || r3 || len > LEN_MAX - packet_len(packet))
		return ERR(EINVAL);
	return (uint64_t)(int64_t)packet_open(call, packet, 0, len);
}

FN(skb_change_tail)
{
	struct uebpf_packet *packet = call_packet(call);
	uint32_t len = (uint32_t)r2, old;

	if (!packet || r3 || len > LEN_MAX || len < packet_link_len(call))
		return ERR(EINVAL);
	old = packet_len(packet);
	if (len > old) {
		if (len - old > (size_t)(packet_tail(packet) - packet->data_end))
			return ERR(ENOMEM);
		memset(packet->data_end, 0, len - old);
	}
	packet->data_end = packet->data + len;
	call_packet_moved(call);
	return 0;
}

/* ---- room behind a header ---- */

static uint32_t net_len(uint16_t protocol)
{
	return protocol == PROTO_IPV4 ? IPV4_LEN : protocol == PROTO_IPV6 ? IPV6_LEN : 0;
}

enum {
	ENCAP_L3 = BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 | BPF_F_ADJ_ROOM_ENCAP_L3_IPV6,
	ENCAP_L4 = BPF_F_ADJ_ROOM_ENCAP_L4_GRE | BPF_F_ADJ_ROOM_ENCAP_L4_UDP,
	DECAP = DECAP_L3_IPV4 | DECAP_L3_IPV6,
	PLAIN = BPF_F_ADJ_ROOM_FIXED_GSO | ENCAP_L3 | ENCAP_L4 | BPF_F_ADJ_ROOM_NO_CSUM_RESET |
		BPF_F_ADJ_ROOM_ENCAP_L2_ETH | DECAP,
};
#define ENCAP_L2_MASK ((uint64_t)BPF_ADJ_ROOM_ENCAP_L2_MASK << BPF_ADJ_ROOM_ENCAP_L2_SHIFT)

/* Which of the known flags go together; 0, -EINVAL, -EALREADY (a second time around the packet). */
static int room_flags(const struct uebpf_packet *packet, uint64_t flags, bool shrink, uint32_t diff)
{
	uint64_t l2 = flags >> BPF_ADJ_ROOM_ENCAP_L2_SHIFT;

	if (flags & DECAP && (!shrink || (flags & DECAP) == DECAP))
		return -EINVAL;
	if (shrink)
		return flags & ~(uint64_t)(BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_NO_CSUM_RESET | DECAP) ? -EINVAL : 0;
	if (!(flags & ENCAP_L3))
		return 0;	/* the other encapsulation flags then mean nothing */
	if ((flags & ENCAP_L3) == ENCAP_L3 || (flags & ENCAP_L4) == ENCAP_L4)
		return -EINVAL;
	if (flags & BPF_F_ADJ_ROOM_ENCAP_L2_ETH && l2 < ETH_LEN)
		return -EINVAL;
	if (PACKET_HAS(packet, encapsulated) && packet->encapsulated)
		return -EALREADY;
	return l2 <= diff ? 0 : -EINVAL;
}

static int adjust_room(struct uebpf_call *call, struct uebpf_packet *packet, int32_t diff, uint32_t mode,
		       uint64_t flags)
{
	uint32_t link = packet_link_len(call), size = (uint32_t)(diff < 0 ? -(int64_t)diff : diff), least;
	uint32_t left = packet_len(packet) > link ? packet_len(packet) - link : 0, at = link;
	uint16_t protocol = packet_protocol(call, packet);
	bool shrink = diff < 0;
	int err;

	if (flags & ~((uint64_t)PLAIN | ENCAP_L2_MASK))
		return -EINVAL;
	if (size > 0xfff)
		return -EFAULT;
	least = net_len(protocol);
	if (!least)
		return -ENOTSUPP;
	if (mode == BPF_ADJ_ROOM_NET)
		at += least;
	else if (mode != BPF_ADJ_ROOM_MAC)
		return -ENOTSUPP;
	if (shrink && flags & DECAP)
		least = flags & DECAP_L3_IPV4 ? IPV4_LEN : IPV6_LEN;
	if (shrink ? size >= left || left - size < least : packet_len(packet) + size > LEN_MAX)
		return -ENOTSUPP;
	err = room_flags(packet, flags, shrink, size);
	if (!err)
		err = shrink ? packet_close(call, packet, at, size) : packet_open(call, packet, at, size);
	if (err)
		return err;
	packet->hash = 0;
	if (!shrink && flags & ENCAP_L3) {
		if (PACKET_HAS(packet, encapsulated))
			packet->encapsulated = 1;
		packet_set_protocol(packet, flags & BPF_F_ADJ_ROOM_ENCAP_L3_IPV6 ? PROTO_IPV6 : PROTO_IPV4);
	}
	if (shrink && flags & DECAP)
		packet_set_protocol(packet, flags & DECAP_L3_IPV6 ? PROTO_IPV6 : PROTO_IPV4);
	return 0;
}

FN(skb_adjust_room)
{
	struct uebpf_packet *packet = call_packet(call);

	return packet ? (uint64_t)(int64_t)adjust_room(call, packet, (int32_t)r2, (uint32_t)r3, r4)
		      : ERR(EINVAL);
}

FN(skb_change_proto)
{
	struct uebpf_packet *packet = call_packet(call);
	uint16_t wire = (uint16_t)r2, from, to;
	uint8_t bytes[2];
	int err;

	if (!packet || r3)
		return ERR(EINVAL);
	memcpy(bytes, &wire, sizeof bytes);
	to = get_be16(bytes);
	from = packet_protocol(call, packet);
	if (from == PROTO_IPV4 && to == PROTO_IPV6)
		err = packet_open(call, packet, packet_link_len(call), IPV6_LEN - IPV4_LEN);
	else if (from == PROTO_IPV6 && to == PROTO_IPV4)
		err = packet_close(call, packet, packet_link_len(call), IPV6_LEN - IPV4_LEN);
	else
		return ERR(ENOTSUPP);
	if (!err) {
		packet_set_protocol(packet, to);
		packet->hash = 0;
	}
	return (uint64_t)(int64_t)err;
}

/* ---- VLAN: the outer tag is metadata, further tags lie in the frame ---- */

static bool is_vlan(uint16_t protocol)
{
	return protocol == PROTO_8021Q || protocol == PROTO_8021AD;
}

static uint16_t swap_if_little(uint16_t wire)
{
	uint8_t bytes[2];

	memcpy(bytes, &wire, sizeof bytes);
	return get_be16(bytes);
}

static void set_tag(struct uebpf_packet *packet, uint16_t protocol, uint16_t tci)
{
	uint8_t bytes[4] = { 0 };

	put_be16(bytes, protocol);
	memcpy(&packet->vlan_proto, bytes, sizeof bytes);
	packet->vlan_tci = tci;
	packet->vlan_present = 1;
}

FN(skb_vlan_push)
{
	struct uebpf_packet *packet = call_packet(call);
	uint16_t protocol = swap_if_little((uint16_t)r2), outer;
	uint8_t bytes[4];
	int err;

	if (!packet)
		return ERR(EINVAL);
	if (!is_vlan(protocol))
		protocol = PROTO_8021Q;
	if (packet->vlan_present) {
		memcpy(bytes, &packet->vlan_proto, sizeof bytes);
		outer = get_be16(bytes);
		err = packet_open(call, packet, 12, VLAN_LEN);
		if (err)
			return (uint64_t)(int64_t)err;
		put_be16(packet->data + 12, outer);
		put_be16(packet->data + 14, (uint16_t)packet->vlan_tci);
		packet_set_protocol(packet, outer);
	}
	set_tag(packet, protocol, (uint16_t)r3);
	return 0;
}

/* Takes the tag that lies in the frame; 0 or -ENOMEM. */
static int pop_inner(struct uebpf_call *call, struct uebpf_packet *packet, uint16_t *tci)
{
	if (packet_len(packet) < ETH_LEN + VLAN_LEN)
		return -ENOMEM;
	*tci = get_be16(packet->data + 14);
	packet_close(call, packet, 12, VLAN_LEN);
	packet_set_protocol(packet, get_be16(packet->data + 12));
	return 0;
}

FN(skb_vlan_pop)
{
	struct uebpf_packet *packet = call_packet(call);
	uint16_t protocol, tci = 0;
	int err = 0;

	if (!packet)
		return ERR(EINVAL);
	if (packet->vlan_present) {
		packet->vlan_present = packet->vlan_tci = packet->vlan_proto = 0;
	} else {
		if (!is_vlan(packet_protocol(call, packet)))
			return 0;
		err = pop_inner(call, packet, &tci);
	}
	protocol = packet_protocol(call, packet);
	if (err || !is_vlan(protocol))
		return (uint64_t)(int64_t)err;
	err = pop_inner(call, packet, &tci);
	if (!err)
		set_tag(packet, protocol, tci);
	return (uint64_t)(int64_t)err;
}
