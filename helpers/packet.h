/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* packet.h - the flat packet of a run (struct uebpf_packet), as the packet helpers see it. */
#ifndef UEBPF_HELPERS_PACKET_H
#define UEBPF_HELPERS_PACKET_H

#include "helpers/families.h"

enum { ETH_LEN = 14, VLAN_LEN = 4, PROTO_IPV4 = 0x0800, PROTO_IPV6 = 0x86dd, PROTO_8021Q = 0x8100,
       PROTO_8021AD = 0x88a8, OFFSET_MAX = 0xffff };

/* Was the host's struct built with this field? */
#define PACKET_HAS(packet, field) \
	((packet)->size >= offsetof(struct uebpf_packet, field) + sizeof (packet)->field)

static inline uint32_t packet_len(const struct uebpf_packet *packet)
{
	return (uint32_t)(packet->data_end - packet->data);
}

static inline uint8_t *packet_head(const struct uebpf_packet *packet)
{
	return packet->head && packet->head <= packet->data ? packet->head : packet->data;
}

static inline uint8_t *packet_tail(const struct uebpf_packet *packet)
{
	return packet->tail && packet->tail >= packet->data_end ? packet->tail : packet->data_end;
}

/* Start of metadata; data when there is none. */
static inline uint8_t *packet_meta(const struct uebpf_packet *packet)
{
	return packet->data_meta && packet->data_meta <= packet->data &&
	       packet->data_meta >= packet_head(packet) ? packet->data_meta : packet->data;
}

/* [offset, offset + len) of the packet, or NULL. */
static inline uint8_t *packet_at(const struct uebpf_packet *packet, uint64_t offset, uint64_t len)
{
	uint64_t size = packet_len(packet);

	return offset <= size && len <= size - offset ? packet->data + offset : NULL;
}

static inline uint16_t get_be16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static inline void put_be16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* Bytes of link header in front of the network header: none for programs on routes. */
uint32_t packet_link_len(const struct uebpf_call *call);
/* EtherType in host order: the context's field, or what the frame says. */
uint16_t packet_protocol(const struct uebpf_call *call, const struct uebpf_packet *packet);
void packet_set_protocol(struct uebpf_packet *packet, uint16_t protocol);
/* Opens len zeroed bytes at offset by moving what is in front of it into the head room; or closes
 * them.  0 or -ENOMEM (no room), -EINVAL (not so many bytes). Metadata is lost. */
int packet_open(struct uebpf_call *call, struct uebpf_packet *packet, uint32_t offset, uint32_t len);
int packet_close(struct uebpf_call *call, struct uebpf_packet *packet, uint32_t offset, uint32_t len);

#endif
