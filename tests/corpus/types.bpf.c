/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* types.bpf.c - each program type: what its context gives, and what it does not. */
#include "corpus.h"

struct pt_regs { u64 r[21]; };
struct bpf_sock { u32 bound_dev_if, family, type, protocol, mark, priority, src_ip4, src_ip6[4], src_port; u16 dst_port;
	u16 : 16; u32 dst_ip4, dst_ip6[4], state; s32 rx_queue_mapping; };
struct bpf_tcp_sock { u32 snd_cwnd, srtt_us, more[18]; u64 bytes_received, bytes_acked; };
struct bpf_sock_addr { u32 user_family, user_ip4, user_ip6[4], user_port, family, type, protocol, msg_src_ip4,
	msg_src_ip6[4]; struct bpf_sock *sk; };
struct bpf_sock_ops { u32 op, args[4], family; };
struct bpf_sk_lookup { struct bpf_sock *sk; u32 family, protocol, remote_ip4, remote_ip6[4]; u16 remote_port; u16 : 16;
	u32 local_ip4, local_ip6[4], local_port, ingress_ifindex; };
struct sk_msg_md { void *data, *data_end; u32 family, remote_ip4; };
struct sk_reuseport_md { void *data, *data_end; u32 len, eth_protocol, ip_protocol, bind_inany, hash; };
struct bpf_cgroup_dev_ctx { u32 access_type, major, minor; };
struct bpf_sysctl { u32 write, file_pos; };
struct bpf_sockopt { struct bpf_sock *sk; void *optval, *optval_end; s32 level, optname, optlen, retval; };
struct skb { u32 a[19], data, data_end, napi_id, family, remote_ip4, local_ip4, remote_ip6[4], local_ip6[4], remote_port,
	local_port, data_meta; u64 flow_keys, tstamp; u32 wire_len, gso_segs; struct bpf_sock *sk; };
static struct bpf_sock *(*fullsock)(struct bpf_sock *) = (void *)95;
static struct bpf_tcp_sock *(*tcp_sock)(struct bpf_sock *) = (void *)96;
static long (*tail_call)(void *, void *, u32) = (void *)12;
static u64 (*cookie)(void *) = (void *)46;
struct { __uint(type, 3); __uint(max_entries, 4); __uint(key_size, 4); __uint(value_size, 4); } next SEC(".maps");

/* Any type: helpers, maps and stack are the same everywhere. */
#define EVERYWHERE(id, section, ok) \
SEC(section) int any_##id(void *ctx) { u32 key = 1; struct value *v = lookup(&arr, &key); if (v) v->count++; return ok; } \
SEC(section) int bad_any_##id(void *ctx) { u32 key = prandom(); struct value *v = lookup(&hash, &key); v->count++; return ok; } \
SEC(section) int bad_ctx_##id(void *ctx) { u32 v = *(volatile u32 *)(ctx + 60000); barrier(v); return ok; } \
SEC(section) int bad_off_##id(void *ctx) { volatile u8 b[16]; u32 i = prandom() & 1023; barrier(i); b[i] = 1; return ok; }
EVERYWHERE(kprobe, "kprobe/x", 0)
EVERYWHERE(tracepoint, "tracepoint/a/b", 0)
EVERYWHERE(raw_tp, "raw_tp/x", 0)
EVERYWHERE(perf, "perf_event", 0)
EVERYWHERE(cgskb, "cgroup_skb/egress", 1)
EVERYWHERE(sock, "cgroup/sock_create", 1)
EVERYWHERE(bind, "cgroup/bind4", 1)
EVERYWHERE(connect, "cgroup/connect4", 1)
EVERYWHERE(recvmsg, "cgroup/recvmsg4", 1)
EVERYWHERE(dev, "cgroup/dev", 1)
EVERYWHERE(sysctl, "cgroup/sysctl", 1)
EVERYWHERE(sockopt, "cgroup/getsockopt", 1)
EVERYWHERE(sockops, "sockops", 1)
EVERYWHERE(sk_skb, "sk_skb/stream_verdict", 1)
EVERYWHERE(sk_msg, "sk_msg", 1)
EVERYWHERE(reuseport, "sk_reuseport", 1)
EVERYWHERE(sk_lookup, "sk_lookup", 1)
EVERYWHERE(lwt_in, "lwt_in", 0)
EVERYWHERE(lwt_out, "lwt_out", 0)
EVERYWHERE(lwt_xmit, "lwt_xmit", 0)
EVERYWHERE(seg6, "lwt_seg6local", 0)
EVERYWHERE(action, "action", 0)

SEC("kprobe/x") int regs(struct pt_regs *ctx) { return ctx->r[14] + ctx->r[5] > 7; }
SEC("kprobe/x") int probe_ctx_at(struct pt_regs *ctx) { u64 v = 0; u32 i = prandom() & 127; probe_read(&v, 8, (void *)ctx + i); return v & 1; }
SEC("kprobe/x") int bad_regs_write(struct pt_regs *ctx) { *(volatile u64 *)&ctx->r[5] = 1; return 0; }
SEC("kprobe/x") int bad_regs_at(struct pt_regs *ctx) { u32 i = prandom() & 15; barrier(i); return *(u64 *)((void *)ctx + i * 8) & 1; }
SEC("raw_tp/x") int args(u64 *ctx) { return ctx[0] > 7; }
SEC("raw_tp/x") int bad_args_write(u64 *ctx) { *(volatile u64 *)ctx = 1; return 0; }
SEC("tracepoint/a/b") int record(u8 *ctx) { return *(u32 *)(ctx + 16) > 7; }

struct { __uint(type, 15); __uint(max_entries, 4); __type(key, u32); __type(value, u32); } sockets SEC(".maps");
static struct bpf_sock *(*find_tcp)(void *, void *, u32, u64, u64) = (void *)84;
static long (*release)(struct bpf_sock *) = (void *)86;
#define KEEP(check) u32 key = 0; u64 tuple[2] = { 0, 0 }; struct bpf_sock *sk = find_tcp(ctx, tuple, 12, -1, 0); check \
	update(&sockets, &key, sk, 0); release(sk); return 0
SEC("tc") int sockmap_keep(void *ctx) { KEEP(if (!sk) return 0;); }
SEC("tc") int bad_sockmap_null(void *ctx) { KEEP(); }
SEC("tc") int bad_sockmap_number(void *ctx) { u32 key = 0, fd = 3; return update(&sockets, &key, &fd, 0) != 0; }
SEC("sk_skb/stream_verdict") int form_sockmap_keep(void *ctx) { KEEP(if (!sk) return 0;); }
SEC("sk_skb/stream_verdict") int form_sockmap_delete(void *ctx) { u32 key = 0; delete(&sockets, &key); return 1; }
SEC("sockops") int sockmap_delete(void *ctx) { u32 key = 0; delete(&sockets, &key); return 1; }

SEC("cgroup_skb/egress") int sk_family(struct skb *s) { struct bpf_sock *sk = s->sk; return sk ? sk->family == 2 : 1; }
SEC("cgroup_skb/egress") int bad_sk_null(struct skb *s) { struct bpf_sock *sk = s->sk; return sk->family == 2; }
SEC("cgroup_skb/egress") int bad_sk_type(struct skb *s) { struct bpf_sock *sk = s->sk; return sk ? sk->type == 1 : 1; }
SEC("cgroup_skb/egress") int sk_full(struct skb *s) { struct bpf_sock *sk = s->sk; if (!sk) return 1; sk = fullsock(sk); return sk ? sk->type == 1 : 1; }
SEC("cgroup_skb/egress") int bad_sk_full(struct skb *s) { struct bpf_sock *sk = s->sk; if (!sk) return 1; sk = fullsock(sk); return sk->type == 1; }
SEC("cgroup_skb/egress") int sk_tcp(struct skb *s) { struct bpf_sock *sk = s->sk; if (!sk) return 1; struct bpf_tcp_sock *t = tcp_sock(sk); return t ? t->snd_cwnd > 10 : 1; }
SEC("cgroup_skb/egress") int sk_bytes(struct skb *s) { struct bpf_sock *sk = s->sk; if (!sk) return 1; struct bpf_tcp_sock *t = tcp_sock(sk); return t ? t->bytes_acked > 10 : 1; }
SEC("cgroup_skb/egress") int bad_sk_write(struct skb *s) { struct bpf_sock *sk = s->sk; if (!sk) return 1; sk = fullsock(sk); if (sk) *(volatile u32 *)&sk->mark = 1; return 1; }
SEC("cgroup_skb/egress") int bad_sk_past(struct skb *s) { struct bpf_sock *sk = s->sk; if (!sk) return 1; sk = fullsock(sk); return sk ? *(u32 *)((u8 *)sk + 80) == 1 : 1; }
SEC("cgroup_skb/egress") int bad_verdict(struct skb *s) { return 4; }
SEC("cgroup_skb/egress") int ports(struct skb *s) { return s->local_port == 80; }
SEC("cgroup_skb/egress") int bad_write(struct skb *s) { u8 *d = (u8 *)(long)s->data; if (d + 1 > (u8 *)(long)s->data_end) return 1; d[0] = 1; return 1; }

SEC("cgroup/sock_create") int mark(struct bpf_sock *s) { s->mark = 7; return s->family == 2; }
SEC("cgroup/sock_create") int bad_family(struct bpf_sock *s) { *(volatile u32 *)&s->family = 7; return 1; }
SEC("cgroup/sock_create") int bad_return(struct bpf_sock *s) { return 2; }
SEC("cgroup/connect4") int redirect(struct bpf_sock_addr *a) { a->user_ip4 = 0x0100007f; a->user_port = 0x5000; return 1; }
SEC("cgroup/connect4") int bad_port(struct bpf_sock_addr *a) { *(volatile u32 *)&a->protocol = 1; return 1; }
SEC("cgroup/connect6") int wide_ip6(struct bpf_sock_addr *a) { return *(u64 *)&a->user_ip6[2] != 0; }
SEC("cgroup/recvmsg4") int bad_recvmsg(struct bpf_sock_addr *a) { return 0; }
SEC("cgroup/bind4") int bind_port(struct bpf_sock_addr *a) { return a->user_port != 0x1600; }
SEC("cgroup/dev") int device(struct bpf_cgroup_dev_ctx *c) { return c->major == 1 && c->minor == 3; }
SEC("cgroup/dev") int bad_device(struct bpf_cgroup_dev_ctx *c) { *(volatile u32 *)&c->major = 1; return 1; }
SEC("cgroup/sysctl") int sysctl(struct bpf_sysctl *c) { return !c->write; }
SEC("cgroup/getsockopt") int option(struct bpf_sockopt *c) { u8 *v = c->optval; if (v + 4 > (u8 *)c->optval_end) return 1; v[0] = 1; c->retval = 0; return 1; }
SEC("cgroup/getsockopt") int bad_option(struct bpf_sockopt *c) { u8 *v = c->optval; v[0] = 1; return 1; }
SEC("sockops") int ops(struct bpf_sock_ops *o) { o->args[0] = 1; return o->op == 3; }
SEC("sockops") int bad_ops(struct bpf_sock_ops *o) { *(volatile u32 *)&o->family = 1; return 1; }
SEC("sk_lookup") int lookup_port(struct bpf_sk_lookup *c) { return c->local_port == 80 && c->remote_port; }
SEC("sk_lookup") int bad_lookup(struct bpf_sk_lookup *c) { *(volatile u32 *)&c->local_port = 1; return 1; }
SEC("sk_msg") int message(struct sk_msg_md *m) { u8 *d = m->data; return d + 4 > (u8 *)m->data_end ? 1 : d[3] & 1; }
SEC("sk_msg") int bad_message(struct sk_msg_md *m) { u8 *d = m->data; return d[3] & 1; }
SEC("sk_reuseport") int reuse(struct sk_reuseport_md *m) { return m->hash & 1; }
SEC("sk_skb/stream_verdict") int stream(struct skb *s) { u8 *d = (u8 *)(long)s->data; return d + 1 > (u8 *)(long)s->data_end ? 1 : d[0] & 1; }
SEC("lwt_xmit") int xmit(struct skb *s) { u8 *d = (u8 *)(long)s->data; if (d + 1 > (u8 *)(long)s->data_end) return 0; d[0] = 1; return 0; }
SEC("lwt_in") int bad_in(struct skb *s) { u8 *d = (u8 *)(long)s->data; if (d + 1 > (u8 *)(long)s->data_end) return 0; d[0] = 1; return 0; }

/* What may happen inside a subprogram. */
noinline_ int jump_away(struct xdp_md *ctx) { tail_call(ctx, &next, 0); barrier(ctx); return 1; }
SEC("xdp") int tail_then_reload(struct xdp_md *ctx)
{
	int r = jump_away(ctx);
	u8 *d = (u8 *)(long)ctx->data;

	return d + 1 > (u8 *)(long)ctx->data_end ? r & 1 : d[0] & 1;
}
SEC("xdp") int bad_tail_then_stale(struct xdp_md *ctx)
{
	u8 *d = (u8 *)(long)ctx->data;

	if (d + 1 > (u8 *)(long)ctx->data_end)
		return 1;
	jump_away(ctx);
	return d[0] & 1;
}

struct bpf_dynptr { u64 a, b; } __attribute__((aligned(8)));
static long (*from_mem)(void *, u32, u64, void *) = (void *)197;
static long (*rb_dynptr)(void *, u32, u64, void *) = (void *)198;
static void (*rb_submit)(void *, u64) = (void *)199;
static long (*dread)(void *, u32, void *, u32, u64) = (void *)201;
static void *(*slice)(void *, u32, u32) = (void *)203;
SEC("xdp") int dynptr_slice(struct xdp_md *c) { struct bpf_dynptr d; rb_dynptr(&ring, 64, 0, &d); u64 *p = slice(&d, 0, 8); if (p) *p = 1; rb_submit(&d, 0); return 0; }
SEC("xdp") int bad_dynptr_stale(struct xdp_md *c) { struct bpf_dynptr d; rb_dynptr(&ring, 64, 0, &d); u64 *p = slice(&d, 0, 8); rb_submit(&d, 0); if (p) *p = 1; return 0; }
SEC("xdp") int bad_dynptr_kept(struct xdp_md *c) { struct bpf_dynptr d; rb_dynptr(&ring, 64, 0, &d); return 0; }
SEC("xdp") int bad_dynptr_part(struct xdp_md *c) { struct bpf_dynptr d; u32 k = 0; struct value *v = lookup(&arr, &k); if (!v) return 0; from_mem(v, 8, 0, &d); ((volatile u32 *)&d)[3] = 1; u64 x = 0; dread(&x, 8, &d, 0, 0); return x & 1; }
SEC("xdp") int bad_dynptr_stack(struct xdp_md *c) { struct bpf_dynptr d; u64 w = 0; from_mem(&w, 8, 0, &d); u64 x = 0; dread(&x, 8, &d, 0, 0); return x & 1; }
