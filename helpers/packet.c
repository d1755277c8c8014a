/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* packet.c - bytes and metadata of the packet: load, store, bounds of XDP buffers, hash, tunnel, socket.
 * Results and errno as Linux 6.18 gives them (tests/helpers/packet_kernel_test.c). */
#include <linux/bpf.h>
#include "helpers/packet.h"

uint32_t packet_link_len(const struct uebpf_call *call)
{
	return call->code->type && call->code->type->groups & (HG_LWT | HG_LWT_XMIT | HG_SEG6LOCAL) ? 0
												      : ETH_LEN;
}

uint16_t packet_protocol(const struct uebpf_call *call, const struct uebpf_packet *packet)
{
	uint8_t bytes[4];

	if (packet->protocol) {
		memcpy(bytes, &packet->protocol, sizeof bytes);
		return get_be16(bytes);
	}
	if (!packet_link_len(call))
		return packet_len(packet) && packet->data[0] >> 4 == 6 ? PROTO_IPV6 : PROTO_IPV4;
	return packet_len(packet) >= ETH_LEN ? get_be16(packet->data + 12) : 0;
}

void packet_set_protocol(struct uebpf_packet *packet, uint16_t protocol)
{
	uint8_t bytes[4] = { 0 };

	put_be16(bytes, protocol);
	memcpy(&packet->protocol, bytes, sizeof bytes);
}

/* ---- load and store ---- */

static uint64_t load_or_zero(const uint8_t *from, uint64_t to, uint64_t len)
{
	if (!from) {
		memset(ptr(to), 0, (uint32_t)len);
		return ERR(EFAULT);
	}
	memcpy(ptr(to), from, (uint32_t)len);
	return 0;
}

FN(skb_load_bytes)
{
	struct uebpf_packet *packet = call_packet(call);
	uint32_t offset = (uint32_t)r2;

	return load_or_zero(packet && offset <= INT32_MAX ? packet_at(packet, offset, (uint32_t)r4) : NULL,
			    r3, r4);
}

FN(skb_load_bytes_relative)
{
	struct uebpf_packet *packet = call_packet(call);
	uint32_t offset = (uint32_t)r2, start = (uint32_t)r5;
	bool known = start == BPF_HDR_START_MAC || start == BPF_HDR_START_NET;

	if (start == BPF_HDR_START_NET)
		start = packet_link_len(call);
	else
		start = 0;
	return load_or_zero(packet && known && offset <= OFFSET_MAX && start + offset < packet_len(packet)
				    ? packet_at(packet, start + offset, (uint32_t)r4) : NULL, r3, r4);
}

FN(skb_store_bytes)
{
	struct uebpf_packet *packet = call_packet(call);
	uint32_t offset = (uint32_t)r2, len = (uint32_t)r4;
	uint8_t *to;

	if (r5 & ~(uint64_t)(BPF_F_RECOMPUTE_CSUM | BPF_F_INVALIDATE_HASH))
		return ERR(EINVAL);
	to = packet && offset <= INT32_MAX ? packet_at(packet, offset, len) : NULL;
	if (!to)
		return ERR(EFAULT);
	memmove(to, ptr(r3), len);
	if (r5 & BPF_F_INVALIDATE_HASH)
		packet->hash = 0;
	return 0;
}

FN(skb_pull_data)
{
	struct uebpf_packet *packet = call_packet(call);

	return packet && (uint32_t)r2 <= packet_len(packet) ? 0 : ERR(ENOMEM);
}

static uint64_t xdp_range(const struct uebpf_packet *packet, uint32_t offset, uint32_t len, uint8_t **at)
{
	if (!packet || offset > OFFSET_MAX || len > OFFSET_MAX)
		return ERR(EFAULT);
	*at = packet_at(packet, offset, len);
	return *at ? 0 : ERR(EINVAL);
}

static uint64_t xdp_copy(struct uebpf_call *call, uint64_t offset, void *mem, uint64_t len, bool store)
{
	uint8_t *at = NULL;
	uint64_t err = xdp_range(call_packet(call), (uint32_t)offset, (uint32_t)len, &at);

	if (!err)
		memmove(store ? at : mem, store ? mem : at, (uint32_t)len);
	return err;
}

FN(xdp_load_bytes)
{
	return xdp_copy(call, r2, ptr(r3), r4, false);
}

FN(xdp_store_bytes)
{
	return xdp_copy(call, r2, ptr(r3), r4, true);
}

FN(xdp_get_buff_len)
{
	struct uebpf_packet *packet = call_packet(call);

	return packet ? packet_len(packet) : 0;
}

/* ---- bounds of an XDP buffer ---- */

FN(xdp_adjust_head)
{
	struct uebpf_packet *packet = call_packet(call);
	int64_t delta = (int32_t)r2, meta_len;
	uint8_t *meta;

	if (!packet)
		return ERR(EINVAL);
	meta = packet_meta(packet);
	meta_len = packet->data - meta;
	if (delta < packet_head(packet) - meta || delta > (int64_t)packet_len(packet) - ETH_LEN)
		return ERR(EINVAL);
	if (meta_len)
		memmove(meta + delta, meta, (size_t)meta_len);
	packet->data += delta;
	if (packet->data_meta)
		packet->data_meta = meta + delta;
	call_packet_moved(call);
	return 0;
}

FN(xdp_adjust_meta)
{
	enum { META_MAX = 255 };
	struct uebpf_packet *packet = call_packet(call);
	int64_t delta = (int32_t)r2, before;

	if (!packet)
		return ERR(EINVAL);
	before = packet_meta(packet) - packet->data + delta;	/* negative: that far in front of data */
	if (before > 0 || before < packet_head(packet) - packet->data)
		return ERR(EINVAL);
	if (before % 4 || -before > META_MAX)
		return ERR(EACCES);
	packet->data_meta = packet->data + before;
	call_packet_moved(call);
	return 0;
}

FN(xdp_adjust_tail)
{
	struct uebpf_packet *packet = call_packet(call);
	int64_t delta = (int32_t)r2;

	if (!packet || delta > packet_tail(packet) - packet->data_end ||
	    delta < ETH_LEN - (int64_t)packet_len(packet))
		return ERR(EINVAL);
	if (delta > 0)
		memset(packet->data_end, 0, (size_t)delta);
	packet->data_end += delta;
	call_packet_moved(call);
	return 0;
}

/* ---- metadata ---- */

FN(skb_change_type)
{
	enum { OTHERHOST = 3 };
	struct uebpf_packet *packet = call_packet(call);

	if (!packet || packet->pkt_type > OTHERHOST || (uint32_t)r2 > OTHERHOST)
		return ERR(EINVAL);
	packet->pkt_type = (uint32_t)r2;
	return 0;
}

FN(set_hash)
{
	struct uebpf_packet *packet = call_packet(call);

	if (packet)
		packet->hash = (uint32_t)r2;
	return 0;
}

FN(set_hash_invalid)
{
	struct uebpf_packet *packet = call_packet(call);

	if (packet)
		packet->hash = 0;
	return 0;
}

static uint32_t mix_bytes(uint32_t hash, const uint8_t *at, uint32_t len)
{
	while (len--)
		hash = (hash ^ *at++) * 0x01000193;
	return hash;
}

/* Both directions of a flow need not be equal; one flow always is. */
FN(get_hash_recalc)
{
	enum { TCP = 6, UDP = 17, SCTP = 132 };
	struct uebpf_packet *packet = call_packet(call);
	uint32_t link = packet_link_len(call), hash = 0x811c9dc5, ports = 0, proto = 0;
	const uint8_t *ip;

	if (!packet || packet->hash)
		return packet ? packet->hash : 0;
	switch (packet_protocol(call, packet)) {
	case PROTO_IPV4:
		ip = packet_at(packet, link, 20);
		if (!ip)
			return 0;
		proto = ip[9];
		hash = mix_bytes(mix_bytes(hash, ip + 12, 8), ip + 9, 1);
		ports = get_be16(ip + 6) & 0x3fff ? 0 : link + (ip[0] & 15u) * 4;
		break;
	case PROTO_IPV6:
		ip = packet_at(packet, link, 40);
		if (!ip)
			return 0;
		proto = ip[6];
		hash = mix_bytes(mix_bytes(hash, ip + 8, 32), ip + 6, 1);
		ports = link + 40;
		break;
	default:
		return 0;
	}
	if (ports && (proto == TCP || proto == UDP || proto == SCTP) && packet_at(packet, ports, 4))
		hash = mix_bytes(hash, packet->data + ports, 4);
	packet->hash = hash ? hash : 1;
	return packet->hash;
}

FN(skb_set_tstamp)
{
	struct uebpf_packet *packet = call_packet(call);
	uint32_t type = (uint32_t)r3;
	uint16_t protocol;

	if (!packet)
		return ERR(EINVAL);
	protocol = packet_protocol(call, packet);
	if (protocol != PROTO_IPV4 && protocol != PROTO_IPV6)
		return ERR(EOPNOTSUPP);
	if (type > 2 || (type && !r2))
		return ERR(EINVAL);
	packet->tstamp = r2;
	packet->tstamp_type = type;
	return 0;
}

FN(get_socket_cookie)
{
	struct uebpf_packet *packet = call_packet(call);

	return packet && PACKET_HAS(packet, socket_cookie) ? packet->socket_cookie : 0;
}

FN(get_socket_uid)
{
	enum { OVERFLOW_UID = 65534 };
	struct uebpf_packet *packet = call_packet(call);

	return packet && PACKET_HAS(packet, socket_uid) && packet->socket_cookie ? packet->socket_uid
										  : OVERFLOW_UID;
}

/* ---- tunnel metadata ---- */

static struct uebpf_tunnel *tunnel_of(struct uebpf_call *call)
{
	struct uebpf_packet *packet = call_packet(call);

	return packet && PACKET_HAS(packet, tunnel) ? packet->tunnel : NULL;
}

/* Older programs were built with a shorter struct bpf_tunnel_key: its size ended at these members. */
static bool tunnel_size_ok(uint32_t size)
{
	return size == sizeof(struct bpf_tunnel_key) || size == offsetof(struct bpf_tunnel_key, local_ipv4) ||
	       size == offsetof(struct bpf_tunnel_key, tunnel_label) ||
	       size == offsetof(struct bpf_tunnel_key, tunnel_ext) ||
	       size == offsetof(struct bpf_tunnel_key, remote_ipv6[1]);
}

FN(skb_get_tunnel_key)
{
	struct uebpf_tunnel *tunnel = tunnel_of(call);
	uint32_t size = (uint32_t)r3;

	if (tunnel && tunnel->key_len && tunnel->key_len <= sizeof tunnel->key && tunnel_size_ok(size) &&
	    !(r4 & ~(uint64_t)(BPF_F_TUNINFO_IPV6 | 1 << 4 /* BPF_F_TUNINFO_FLAGS */))) {
		memset(ptr(r2), 0, size);
		memcpy(ptr(r2), tunnel->key, size < tunnel->key_len ? size : tunnel->key_len);
		return 0;
	}
	memset(ptr(r2), 0, size);
	return ERR(EINVAL);
}

FN(skb_set_tunnel_key)
{
	enum { FLAGS = BPF_F_TUNINFO_IPV6 | BPF_F_ZERO_CSUM_TX | BPF_F_DONT_FRAGMENT | BPF_F_SEQ_NUMBER | 1 << 4 };
	struct uebpf_tunnel *tunnel = tunnel_of(call);
	uint32_t size = (uint32_t)r3;

	if (r4 & ~(uint64_t)FLAGS || !tunnel_size_ok(size))
		return ERR(EINVAL);
	if (!tunnel)
		return ERR(EOPNOTSUPP);
	memset(tunnel->key, 0, sizeof tunnel->key);
	memcpy(tunnel->key, ptr(r2), size);
	tunnel->key_len = sizeof(struct bpf_tunnel_key);
	tunnel->flags = r4;
	return 0;
}

FN(skb_get_tunnel_opt)
{
	struct uebpf_tunnel *tunnel = tunnel_of(call);
	uint32_t size = (uint32_t)r3;

	memset(ptr(r2), 0, size);
	if (!tunnel || !tunnel->opt_len || tunnel->opt_len > sizeof tunnel->opt)
		return ERR(ENOENT);
	if (size < tunnel->opt_len)
		return ERR(ENOMEM);
	memcpy(ptr(r2), tunnel->opt, tunnel->opt_len);
	return tunnel->opt_len;
}

FN(skb_set_tunnel_opt)
{
	struct uebpf_tunnel *tunnel = tunnel_of(call);
	uint32_t size = (uint32_t)r3;

	if (!tunnel || !tunnel->key_len || size % 4)
		return ERR(EINVAL);
	if (size >= sizeof tunnel->opt)
		return ERR(ENOMEM);
	memcpy(tunnel->opt, ptr(r2), size);
	tunnel->opt_len = size;
	return 0;
}
