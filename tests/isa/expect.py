#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Writes tests/isa/*.data: every row of the instruction set with edge values, and the results that
RFC 9669 gives, computed here with Python's integers, independently of vm/isa.def.
Run it from the top of the tree when a group grows; the files are committed."""
import itertools

M64, M32 = (1 << 64) - 1, (1 << 32) - 1

def signed(v, w):
    v &= (1 << w) - 1
    return v - (1 << w) if v >> (w - 1) else v

def tdiv(a, b):                      # C division: truncates towards zero
    q = abs(a) // abs(b)
    return -q if (a < 0) != (b < 0) else q

def alu(op, a, b, w):
    m = (1 << w) - 1
    a, b = a & m, b & m
    sa, sb = signed(a, w), signed(b, w)
    r = {'+=': lambda: a + b, '-=': lambda: a - b, '*=': lambda: a * b,
         '/=': lambda: a // b if b else 0, '%=': lambda: a % b if b else a,
         's/=': lambda: tdiv(sa, sb) if b else 0, 's%=': lambda: sa - sb * tdiv(sa, sb) if b else a,
         '|=': lambda: a | b, '&=': lambda: a & b, '^=': lambda: a ^ b, '=': lambda: b,
         '<<=': lambda: a << (b % w), '>>=': lambda: a >> (b % w), 's>>=': lambda: sa >> (b % w)}[op]()
    return r & m

def taken(op, a, b, w):
    m = (1 << w) - 1
    a, b = a & m, b & m
    sa, sb = signed(a, w), signed(b, w)
    return {'==': a == b, '!=': a != b, '>': a > b, '>=': a >= b, '<': a < b, '<=': a <= b, '&': a & b != 0,
            's>': sa > sb, 's>=': sa >= sb, 's<': sa < sb, 's<=': sa <= sb}[op]

OPS = ['+=', '-=', '*=', '/=', 's/=', '|=', '&=', '<<=', '>>=', '%=', 's%=', '^=', '=', 's>>=']
JUMPS = ['==', '>', '>=', '&', '!=', 's>', 's>=', '<', '<=', 's<', 's<=']
VALUES = [0, 1, 2, 7, 31, 32, 33, 63, 64, 65, 0x7f, 0x80, 0xff, 0x7fffffff, 0x80000000, 0xffffffff,
          0x100000000, 0x1ffffffff, 0x123456789abcdef0, 0x7fffffffffffffff, 0x8000000000000000,
          0xffffffff00000000, 0xffffffff80000000, M64 - 1, M64]
IMMS = [0, 1, -1, 2, 7, 31, 32, 33, 63, 64, 127, -128, 0x7fffffff, -0x80000000, -2, 0x12345678]
HEAD = '# Made by tests/isa/expect.py.\n'

def case(out, name, lines, **want):
    out.append(f'-- case {name}')
    if 'mem' in want:
        out += ['-- mem', want['mem']]
    out.append('-- asm')
    out += lines
    if 'result' in want:
        out.append(f"-- result 0x{want['result'] & M64:x}")
    if 'after' in want:
        out += ['-- mem-after', want['after']]
    out.append('')

def write(name, out):
    with open(f'tests/isa/{name}.data', 'w') as f:
        f.write(HEAD + '\n'.join(out))

# One case runs one operation over all values (in memory): each result is mixed into r0, so that a
# difference shows whatever it is.
MEM = b''.join(v.to_bytes(8, 'little') for v in VALUES).hex()
MIX = ['r0 *= 31', 'r0 ^= r7']

def mix(h, v):
    return (h * 31 & M64) ^ v

def all_pairs(body):
    return ['r5 = r1', f'r5 += {8 * len(VALUES)}', 'r0 = 0', 'r4 = r1', 'outer:', 'r3 = r1', 'inner:', 'r7 = *(u64 *)(r4 + 0)',
            'r8 = *(u64 *)(r3 + 0)'] + body + ['r3 += 8', 'if r3 < r5 goto inner', 'r4 += 8', 'if r4 < r5 goto outer', 'exit']

def all_imms(body):
    lines = ['r5 = r1', f'r5 += {8 * len(VALUES)}', 'r0 = 0']
    for n, k in enumerate(IMMS):
        lines += ['r4 = r1', f'i{n}:', 'r7 = *(u64 *)(r4 + 0)'] + body(k, n) + ['r4 += 8', f'if r4 < r5 goto i{n}']
    return lines + ['exit']

def alu_groups():
    for w, group in ((64, 'alu64'), (32, 'alu32')):
        out = []
        p = 'r' if w == 64 else 'w'
        for op in OPS:
            h = 0
            for a, b in itertools.product(VALUES, VALUES):
                h = mix(h, alu(op, a, b, w))
            case(out, f'{p}7 {op} {p}8 over all pairs of edge values', all_pairs([f'{p}7 {op} {p}8'] + MIX), mem=MEM, result=h)
            h = 0
            for k, a in itertools.product(IMMS, VALUES):
                h = mix(h, alu(op, a, k & M64, w))
            case(out, f'{p}7 {op} immediate over edge values', all_imms(lambda k, n: [f'{p}7 {op} {k}'] + MIX), mem=MEM, result=h)
            for d, s in ((0, 0), (0, 1), (1, 0), (3, 3), (4, 7), (7, 4), (9, 2), (2, 9), (5, 1), (1, 5), (6, 6), (8, 3)):
                a, b = 0xfedcba9876543210, 0xfedcba9876543210 if d == s else 0x8000000300000005
                case(out, f'{p}{d} {op} {p}{s}: registers', [f'r{d} = 0x{a:x} ll', f'r{s} = 0x{b:x} ll',
                     f'{p}{d} {op} {p}{s}', f'r0 = r{d}', 'exit'], result=alu(op, a, b, w))
        write(group, out)

def unary_group():
    out = []
    def swap(v, n): return int.from_bytes((v & ((1 << n) - 1)).to_bytes(n // 8, 'little'), 'big')
    rows = [('r7 = -r7', lambda a: -a), ('w7 = -w7', lambda a: -a & M32)]
    for n in (16, 32, 64):
        rows += [(f'r7 = le{n} r7', lambda a, n=n: a & ((1 << n) - 1)), (f'r7 = be{n} r7', lambda a, n=n: swap(a, n)),
                 (f'r7 = bswap{n} r7', lambda a, n=n: swap(a, n))]
    rows += [('r7 = (s8)r8', lambda a: signed(a, 8)), ('r7 = (s16)r8', lambda a: signed(a, 16)),
             ('r7 = (s32)r8', lambda a: signed(a, 32)), ('w7 = (s8)w8', lambda a: signed(a, 8) & M32),
             ('w7 = (s16)w8', lambda a: signed(a, 16) & M32)]
    for text, f in rows:
        for d in range(10):
            h, lines, one = 0, ['r0 = 0'], text.replace('7', str(d)).replace('8', str(d)) if '(s' not in text else \
                text.replace('r8', f'r{d}').replace('w8', f'w{d}')
            src = d
            if d not in (0, 4, 7, 9):
                continue
            v = 0x8182838485868788
            one = text.replace('r7', f'r{d}').replace('w7', f'w{d}').replace('r8', f'r{d}').replace('w8', f'w{d}')
            case(out, f'{one}: registers', [f'r{d} = 0x{v:x} ll', one, f'r0 = r{d}', 'exit'], result=f(v) & M64)
        h = 0
        for a in VALUES:
            h = mix(h, f(a) & M64)
        lines = ['r5 = r1', f'r5 += {8 * len(VALUES)}', 'r0 = 0', 'r4 = r1', 'next:', 'r7 = *(u64 *)(r4 + 0)', 'r8 = r7', text] + MIX
        case(out, f'{text} over edge values', lines + ['r4 += 8', 'if r4 < r5 goto next', 'exit'], mem=MEM, result=h)
    write('unary', out)

def jump_groups():
    for w, group in ((64, 'jump64'), (32, 'jump32')):
        p, out = 'r' if w == 64 else 'w', []
        for op in JUMPS:
            h = 0
            for a, b in itertools.product(VALUES, VALUES):
                h = mix(h, 1 if taken(op, a, b, w) else 2)
            tail = ['r0 *= 31', 'r0 ^= r9']
            case(out, f'if {p}7 {op} {p}8 over all pairs of edge values',
                 all_pairs(['r9 = 1', f'if {p}7 {op} {p}8 goto t', 'r9 = 2', 't:'] + tail), mem=MEM, result=h)
            h = 0
            for k, a in itertools.product(IMMS, VALUES):
                h = mix(h, 1 if taken(op, a, k & M64, w) else 2)
            case(out, f'if {p}7 {op} immediate over edge values',
                 all_imms(lambda k, n: ['r9 = 1', f'if {p}7 {op} {k} goto t{n}', 'r9 = 2', f't{n}:'] + tail), mem=MEM, result=h)
            for d, s in ((0, 0), (0, 9), (9, 0), (1, 2), (5, 5), (8, 3)):
                a, b = 0x80000000_00000001, 0x7fffffff_80000000 if d != s else 0x80000000_00000001
                case(out, f'if {p}{d} {op} {p}{s}: registers', [f'r{d} = 0x{a:x} ll', f'r{s} = 0x{b:x} ll',
                     f'if {p}{d} {op} {p}{s} goto yes', 'r0 = 2', 'exit', 'yes:', 'r0 = 1', 'exit'],
                     result=1 if taken(op, a, b, w) else 2)
        write(group, out)

def memory_group():
    out, data = [], bytes([0x81, 0x92, 0xa3, 0xb4, 0xc5, 0xd6, 0xe7, 0xf8, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x08])
    for t, n, sgn in (('u8', 1, 0), ('u16', 2, 0), ('u32', 4, 0), ('u64', 8, 0), ('s8', 1, 1), ('s16', 2, 1), ('s32', 4, 1)):
        for off in range(0, 16 - n + 1):
            v = int.from_bytes(data[off:off + n], 'little', signed=bool(sgn))
            case(out, f'load {t} at {off}', ['r3 = r1', 'r3 += 8', f'r0 = *({t} *)(r3 {"+" if off >= 8 else "-"} {abs(off - 8)})',
                 'exit'], mem=data.hex(), result=v)
        if sgn:
            continue
        for off in (0, 1, 8 - n, 16 - n):
            v = 0xfedcba9876543210
            after = bytearray(data)
            after[off:off + n] = (v & ((1 << 8 * n) - 1)).to_bytes(n, 'little')
            case(out, f'store {t} register at {off}', [f'r4 = 0x{v:x} ll', f'*({t} *)(r1 + {off}) = r4', 'r0 = 0', 'exit'],
                 mem=data.hex(), after=after.hex(), result=0)
            for k in (-2, 0x7fffff80):
                after = bytearray(data)
                after[off:off + n] = (k & ((1 << 8 * n) - 1)).to_bytes(n, 'little')
                case(out, f'store {t} immediate {k} at {off}', [f'*({t} *)(r1 + {off}) = {k}', 'r0 = 0', 'exit'],
                     mem=data.hex(), after=after.hex(), result=0)
    # every register as base and as value; loads zero-extend into every register (bugs 1, 2, 3)
    for r in range(10):
        base = 1 if r != 1 else 2
        for t, n in (('u8', 1), ('u16', 2), ('u32', 4), ('u64', 8)):
            lines = [] if base == 1 else ['r2 = r1']
            lines += [f'r{r} = -1', f'r{r} = *({t} *)(r{base} + 1)', f'r0 = r{r}', 'exit']
            case(out, f'load {t} zero-extends into r{r}', lines, mem=data.hex(), result=int.from_bytes(data[1:1 + n], 'little'))
            after = bytearray(data)
            v = 0x1112131415161718
            after[3:3 + n] = (v & ((1 << 8 * n) - 1)).to_bytes(n, 'little')
            lines = [] if base == 1 else ['r2 = r1']
            lines += [f'r{r} = 0x{v:x} ll', f'*({t} *)(r{base} + 3) = r{r}', 'r0 = 0', 'exit']
            case(out, f'store {t} from r{r}', lines, mem=data.hex(), after=after.hex(), result=0)
        for disp, adjust in ((0, 0), (1, 0), (127, -120), (128, -121), (-128, 130), (-129, 133), (32767, -32760), (-32768, 32770)):
            at = disp + adjust
            lines = [f'r{r} = r1'] if r != 1 else []
            lines += [f'r{r} += {adjust}', f'r0 = *(u8 *)(r{r} {"-" if disp < 0 else "+"} {abs(disp)})', 'exit']
            case(out, f'base r{r} with displacement {disp}', lines, mem=data.hex(), result=data[at])
    write('memory', out)

def atomic_group():
    out = []
    f = {'add': lambda a, b: a + b, 'or': lambda a, b: a | b, 'and': lambda a, b: a & b, 'xor': lambda a, b: a ^ b,
         'xchg': lambda a, b: b}
    sym = {'add': '+=', 'or': '|=', 'and': '&=', 'xor': '^='}
    old, b = 0x8899aabbccddeeff, 0xf123456789abcde1
    for w, t, p in ((64, 'u64', 'r'), (32, 'u32', 'w')):
        m, n = (1 << w) - 1, w // 8
        def mem(v): return (v & m).to_bytes(n, 'little').hex() + (old >> w if w == 32 else 0).to_bytes(8 - n, 'little').hex()
        for op, g in f.items():
            new = g(old & m, b & m) & m
            if op in sym:
                for s in (0, 2, 9):
                    case(out, f'lock {t} {sym[op]} with r{s}', [f'r{s} = 0x{b:x} ll', f'lock *({t} *)(r1 + 0) {sym[op]} {p}{s}',
                         f'r0 = r{s}', 'exit'], mem=mem(old), after=mem(new), result=b)
            name = {'xchg': 'xchg_64(r1 + 0, ' if w == 64 else 'xchg32_32(r1 + 0, '}.get(op, f'atomic_fetch_{op}(({t} *)(r1 + 0), ')
            for s in (0, 2, 5, 9):
                case(out, f'fetch {op} {t} with r{s}', [f'r{s} = 0x{b:x} ll', f'{p}{s} = {name}{p}{s})', f'r0 = r{s}', 'exit'],
                     mem=mem(old), after=mem(new), result=old & m)
            # base register r0, and every other base
            for d in (0, 3, 7, 9):
                case(out, f'fetch {op} {t} at base r{d}', [f'r{d} = r1', f'r2 = 0x{b:x} ll', f'{p}2 = {name.replace("r1", f"r{d}")}{p}2)',
                     'r0 = r2', 'exit'], mem=mem(old), after=mem(new), result=old & m)
        cmp = 'cmpxchg_64' if w == 64 else 'cmpxchg32_32'
        for expect, hit in ((old & m, True), (old & m | (0x5a << 32 if w == 32 else 0), True), ((old & m) ^ 1, False)):
            case(out, f'{cmp} r0=0x{expect:x}', [f'r0 = 0x{expect:x} ll', f'r2 = 0x{b:x} ll', f'{p}0 = {cmp}(r1 + 0, {p}0, {p}2)', 'exit'],
                 mem=mem(old), after=mem(b if hit else old), result=old & m)
            case(out, f'{cmp} with src r0, r0=0x{expect:x}', [f'r0 = 0x{expect:x} ll', f'{p}0 = {cmp}(r1 + 0, {p}0, {p}0)', 'exit'],
                 mem=mem(old), after=mem(expect if hit else old), result=old & m)
    for t, n in (('u8', 1), ('u16', 2), ('u32', 4), ('u64', 8)):
        d = old.to_bytes(8, 'little')
        p = 'r' if n == 8 else 'w'
        case(out, f'load_acquire {t}', ['r2 = -1', f'{p}2 = load_acquire(({t} *)(r1 + 0))', 'r0 = r2', 'exit'], mem=d.hex(),
             result=old & ((1 << 8 * n) - 1))
        after = (b & ((1 << 8 * n) - 1)).to_bytes(n, 'little') + d[n:]
        case(out, f'store_release {t}', [f'r2 = 0x{b:x} ll', f'store_release(({t} *)(r1 + 0), {p}2)', 'r0 = 0', 'exit'], mem=d.hex(),
             after=after.hex(), result=0)
    write('atomic', out)

alu_groups(); unary_group(); jump_groups(); memory_group(); atomic_group()
