/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* values.bpf.c - map values, stack buffers and numbers with bounds in every form. */
#include "corpus.h"

#define GET(map) u32 key = prandom() & 3; struct value *v = lookup(&map, &key); if (!v) return 0
#define MAPS(map, type, ctx_t) \
SEC(type) int get_##map(struct ctx_t *ctx) { GET(map); v->count++; return 0; } \
SEC(type) int bad_null_##map(struct ctx_t *ctx) { u32 key = prandom(); struct value *v = lookup(&map, &key); v->count++; return 0; } \
SEC(type) int atomic_##map(struct ctx_t *ctx) { GET(map); __sync_fetch_and_add(&v->count, 1); return 0; } \
SEC(type) int mask_##map(struct ctx_t *ctx) { GET(map); return v->bytes[prandom() & 31] & 1; } \
SEC(type) int bad_mask_##map(struct ctx_t *ctx) { GET(map); return v->bytes[prandom() & 63] & 1; } \
SEC(type) int cmp_##map(struct ctx_t *ctx) { GET(map); u64 i = v->index; if (i >= 40) return 0; return v->bytes[i] & 1; } \
SEC(type) int bad_cmp_##map(struct ctx_t *ctx) { GET(map); u64 i = v->index; if (i > 40) return 0; return v->bytes[i] & 1; } \
SEC(type) int cmp32_##map(struct ctx_t *ctx) { GET(map); u32 i = v->small; if (i >= 40) return 0; return v->bytes[i] & 1; } \
SEC(type) int bad_cmp32_##map(struct ctx_t *ctx) { GET(map); u32 i = v->small; if (i >= 41) return 0; return v->bytes[i] & 1; } \
SEC(type) int signed_##map(struct ctx_t *ctx) { GET(map); s64 i = v->index; if (i < 0 || i >= 40) return 0; return v->bytes[i] & 1; } \
SEC(type) int bad_signed_##map(struct ctx_t *ctx) { GET(map); s64 i = v->index; barrier(i); if (i >= 40) return 0; return v->bytes[i] & 1; } \
SEC(type) int mod_##map(struct ctx_t *ctx) { GET(map); return v->bytes[v->index % 32] & 1; } \
SEC(type) int shift_##map(struct ctx_t *ctx) { GET(map); return v->bytes[v->small >> 27] & 1; } \
SEC(type) int bad_shift_##map(struct ctx_t *ctx) { GET(map); return v->bytes[v->small >> 26] & 1; } \
SEC(type) int copy_##map(struct ctx_t *ctx) { GET(map); u32 i = v->small, j = i; barrier(j); if (i > 39) return 0; return v->bytes[i] + (j & 1); } \
SEC(type) int upd_##map(struct ctx_t *ctx) { u32 key = 1; struct value v = { 1 }; return update(&map, &key, &v, 0) != 0; } \
SEC(type) int second_##map(struct ctx_t *ctx) { GET(map); u32 k2 = prandom() & 7; struct value *w = lookup(&map, &k2); if (!w) return 0; v->count += w->count; return 0; } \
SEC(type) int bad_second_##map(struct ctx_t *ctx) { GET(map); u32 k2 = prandom() & 7; struct value *w = lookup(&map, &k2); v->count += w->count; return 0; } \
SEC(type) int range_##map(struct ctx_t *ctx) { GET(map); for (int i = 0; i < 40; i++) v->bytes[i] = i; return 0; } \
SEC(type) int bad_range_##map(struct ctx_t *ctx) { GET(map); for (int i = 0; i < 49; i++) { barrier(i); v->bytes[i] = i; } return 0; } \
SEC(type) int upto_##map(struct ctx_t *ctx) { GET(map); u32 n = v->small & 31; u64 s = 0; for (u32 i = 0; i < n; i++) { barrier(s); s += v->bytes[i]; } return s & 1; } \
SEC(type) int bad_upto_##map(struct ctx_t *ctx) { GET(map); u32 n = v->small & 63; u64 s = 0; for (u32 i = 0; i < n; i++) { barrier(s); s += v->bytes[i]; } return s & 1; }
MAPS(arr, "xdp", xdp_md)
MAPS(hash, "tc", __sk_buff)
MAPS(percpu, "socket", __sk_buff)

#define STACK(N) \
SEC("xdp") int buf_##N(struct xdp_md *ctx) { u8 b[N] = {}; u32 i = prandom(); if (i >= N) return 0; b[i] = 1; return b[N - 1]; } \
SEC("xdp") int bad_buf_##N(struct xdp_md *ctx) { u8 b[N] = {}; u32 i = prandom() & 1023; b[i] = 1; barrier(i); return b[N - 1]; } \
SEC("xdp") int name_##N(struct xdp_md *ctx) { char b[N]; return comm(b, sizeof b) != 0; } \
SEC("xdp") int words_##N(struct xdp_md *ctx) { u64 w[N / 8]; for (int i = 0; i < N / 8; i++) w[i] = ktime(); u32 k = prandom() & (N / 8 - 1); return w[k] & 1; } \
SEC("xdp") int sum_##N(struct xdp_md *ctx) { u8 b[N] = {}; u32 s = 0; u32 n = prandom() % N; for (u32 i = 0; i < n; i++) s += b[i]; return s & 1; } \
SEC("xdp") int diff_##N(struct xdp_md *ctx) { u32 b[N / 4] = {}; return csum_diff(NULL, 0, b, sizeof b, 0) & 1; } \
SEC("xdp") int bad_diff_##N(struct xdp_md *ctx) { u32 b[N / 4] = {}; u32 n = prandom() & 1023; return csum_diff(NULL, 0, b, n, 0) & 1; }
STACK(16)
STACK(64)
STACK(128)
STACK(32)
