"""The programs that run on the GPU, in Triton: features are made in registers, multiplied there, and never written to memory.

moments   M_a = sum_j y_j^a z_j, a tile of features a program, over one part of the tokens
prefix    sums of the moments before (after) each part
values    sum_a w_a x_i^a M_a  and, inside a causal chunk, sum_{j seen} p(x_i.y_j) z_j, a tile of tokens a program
slopes    sum_{|a|<g} w_a x_i^a <l_i, M_{a+c}>  and sum_{j seen} p'(x_i.y_j) <l_i, z_j> y_jc, for each coordinate c

p = T_g. Forward and backward are these, with queries and keys exchanged for the other half of the gradient. Tokens come last, (batch, d,
n); of the e + 1 rows of z the last is the normaliser's and is summed apart, so that tiles of e columns stay powers of two. Sums are in
float32 whatever the inputs are. Each sum has one fixed order: no atomics, equal bits every time.
"""

import triton
import triton.language as tl

NONE, CAUSAL, ANTICAUSAL = (tl.constexpr(number) for number in range(3))
"""Which column tokens j a row token i sees inside its chunk: no pair is looked at; j <= i; j >= i."""


@triton.jit
def _features(
    x, slots, weights, tokens, columns, stride_d, stride_n, end, d, count, size, DEGREE: tl.constexpr, WEIGHTED: tl.constexpr
):  # fmt: skip
    """Monomials of ``tokens`` for the table's ``columns``, two index tiles that broadcast; 0 where either is outside."""
    seen = (tokens < end) & (columns < count)
    product = tl.where(seen, 1.0, 0.0)
    for s in tl.static_range(DEGREE):
        variable = tl.load(slots + s * size + columns, mask=columns < count, other=d)
        entry = tl.load(x + variable * stride_d + tokens * stride_n, mask=seen & (variable < d), other=1.0)
        product *= entry.to(tl.float32)
    if WEIGHTED:
        product *= tl.load(weights + columns, mask=columns < count, other=0.0)
    return product


@triton.jit
def _polynomial(scores, DEGREE: tl.constexpr):
    """T_DEGREE by Horner: 1 + s (1 + s/2 (1 + s/3 (...))), its coefficients constants of the program."""
    value = tl.full(scores.shape, 1.0, tl.float32)
    for j in tl.static_range(DEGREE):
        value = value * scores * (1.0 / (DEGREE - j)) + 1.0
    return value


@triton.jit
def _tile(x, rows, columns, stride_row, stride_column, row_count, column_count):
    """A tile in float32, 0 outside."""
    inside = (rows < row_count) & (columns < column_count)
    return tl.load(x + rows * stride_row + columns * stride_column, mask=inside, other=0.0).to(tl.float32)


@triton.jit
def moments(
    y, z, out, slots, n, d, e, count, size, part_length,
    y_batch, y_d, y_n, z_batch, z_e, z_n, out_part, out_batch, out_e, out_k,
    DEGREE: tl.constexpr, TOKENS: tl.constexpr, FEATURES: tl.constexpr, E: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Programs (tile of features, part of the tokens, batch). ``out`` (parts, batch, e + 1, k) by its strides."""
    part, batch = tl.program_id(1), tl.program_id(2).to(tl.int64)
    columns = tl.program_id(0) * FEATURES + tl.arange(0, FEATURES)
    entries = tl.arange(0, E)
    end = tl.minimum((part + 1) * part_length, n)
    y += batch * y_batch
    z += batch * z_batch
    sums = tl.zeros([FEATURES, E], tl.float32)
    last = tl.zeros([FEATURES], tl.float32)
    for start in range(part * part_length, end, TOKENS):
        tokens = start + tl.arange(0, TOKENS)
        phi = _features(
            y, slots, slots, tokens[None, :], columns[:, None], y_d, y_n, end, d, count, size, DEGREE, False
        )
        values = _tile(z, tokens[:, None], entries[None, :], z_n, z_e, end, e)
        sums = tl.dot(phi, values, sums, input_precision=PRECISION)
        weight = tl.load(z + e * z_e + tokens * z_n, mask=tokens < end, other=0.0).to(tl.float32)
        last += tl.sum(phi * weight[None, :], 1)
    out += part.to(tl.int64) * out_part + batch * out_batch
    known = columns < count
    target = out + columns[:, None] * out_k + entries[None, :] * out_e
    tl.store(target, sums, mask=known[:, None] & (entries < e)[None, :])
    tl.store(out + columns * out_k + e * out_e, last, mask=known)


@triton.jit
def prefix(states, parts, length, stride_part, REVERSE: tl.constexpr, BLOCK: tl.constexpr):
    """In place: each part becomes the sum of those before it (after it). Programs (block of entries)."""
    entries = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = entries < length
    total = tl.zeros([BLOCK], tl.float32)
    for step in range(parts):
        part = parts - 1 - step if REVERSE else step
        at = states + tl.cast(part, tl.int64) * stride_part + entries
        own = tl.load(at, mask=inside, other=0.0)
        tl.store(at, total, mask=inside)
        total += own


@triton.jit
def values(
    x, states, y, z, out, slots, weights, n, d, e, count, size, chunk,
    x_batch, x_d, x_n, state_chunk, state_batch, state_e, state_k, y_batch, y_d, y_n, z_batch, z_e, z_n, out_batch, out_e, out_n,
    DEGREE: tl.constexpr, MASK: tl.constexpr, TOKENS: tl.constexpr, FEATURES: tl.constexpr, D: tl.constexpr, E: tl.constexpr,
    PRECISION: tl.constexpr,
):  # fmt: skip
    """Programs (tile of tokens, batch). ``out`` (batch, e + 1, n) by its strides."""
    first, batch = tl.program_id(0) * TOKENS, tl.program_id(1).to(tl.int64)
    tokens = first + tl.arange(0, TOKENS)
    entries = tl.arange(0, E)
    x += batch * x_batch
    states += (first // chunk).to(tl.int64) * state_chunk + batch * state_batch
    sums = tl.zeros([TOKENS, E], tl.float32)
    last = tl.zeros([TOKENS], tl.float32)
    for start in range(0, count, FEATURES):
        columns = start + tl.arange(0, FEATURES)
        phi = _features(x, slots, weights, tokens[:, None], columns[None, :], x_d, x_n, n, d, count, size, DEGREE, True)
        table = _tile(states, columns[:, None], entries[None, :], state_k, state_e, count, e)
        sums = tl.dot(phi, table, sums, input_precision=PRECISION)
        weight = tl.load(states + columns * state_k + e * state_e, mask=columns < count, other=0.0)
        last += tl.sum(phi * weight[None, :], 1)
    if MASK != NONE:
        y += batch * y_batch
        z += batch * z_batch
        coordinates = tl.arange(0, D)
        own = _tile(x, tokens[:, None], coordinates[None, :], x_n, x_d, n, d)
        begin = (first // chunk) * chunk if MASK == CAUSAL else first
        end = tl.minimum(first + TOKENS if MASK == CAUSAL else (first // chunk + 1) * chunk, n)
        for start in range(begin, end, TOKENS):
            others = start + tl.arange(0, TOKENS)
            theirs = _tile(y, coordinates[:, None], others[None, :], y_d, y_n, d, n)
            kernel = _polynomial(tl.dot(own, theirs, input_precision=PRECISION), DEGREE)
            visible = others[None, :] <= tokens[:, None] if MASK == CAUSAL else others[None, :] >= tokens[:, None]
            kernel = tl.where(visible, kernel, 0.0)
            sums = tl.dot(
                kernel, _tile(z, others[:, None], entries[None, :], z_n, z_e, n, e), sums, input_precision=PRECISION
            )
            weight = tl.load(z + e * z_e + others * z_n, mask=others < n, other=0.0).to(tl.float32)
            last += tl.sum(kernel * weight[None, :], 1)
    out += batch * out_batch
    target = out + tokens[:, None] * out_n + entries[None, :] * out_e
    tl.store(target, sums, mask=(tokens < n)[:, None] & (entries < e)[None, :])
    tl.store(out + tokens * out_n + e * out_e, last, mask=tokens < n)


@triton.jit
def slopes(
    x, left, states, y, z, out, slots, weights, raised, n, d, e, count, size, chunk,
    x_batch, x_d, x_n, left_batch, left_e, left_n, state_chunk, state_batch, state_e, state_k,
    y_batch, y_d, y_n, z_batch, z_e, z_n, out_batch, out_d, out_n,
    DEGREE: tl.constexpr, MASK: tl.constexpr, TOKENS: tl.constexpr, FEATURES: tl.constexpr, D: tl.constexpr, E: tl.constexpr,
    PRECISION: tl.constexpr,
):  # fmt: skip
    """Programs (tile of tokens, batch). ``count`` features of degree DEGREE - 1 or less; ``raised`` (count, d) finds a + c among all.
    ``out`` (batch, d, n) by its strides.
    """
    first, batch = tl.program_id(0) * TOKENS, tl.program_id(1).to(tl.int64)
    tokens = first + tl.arange(0, TOKENS)
    entries = tl.arange(0, E)
    coordinates = tl.arange(0, D)
    x += batch * x_batch
    left += batch * left_batch
    states += (first // chunk).to(tl.int64) * state_chunk + batch * state_batch
    lefts = _tile(left, tokens[:, None], entries[None, :], left_n, left_e, n, e)
    left_last = tl.load(left + e * left_e + tokens * left_n, mask=tokens < n, other=0.0).to(tl.float32)
    sums = tl.zeros([TOKENS, D], tl.float32)
    for start in range(0, count, FEATURES):
        columns = start + tl.arange(0, FEATURES)
        known = columns < count
        phi = _features(
            x, slots, weights, tokens[:, None], columns[None, :], x_d, x_n, n, d, count, size, DEGREE - 1, True
        )
        for c in range(d):
            places = tl.load(raised + columns * d + c, mask=known, other=0)
            table = tl.load(
                states + places[None, :] * state_k + entries[:, None] * state_e,
                mask=known[None, :] & (entries < e)[:, None],
                other=0.0,
            )
            weight = tl.load(states + places * state_k + e * state_e, mask=known, other=0.0)
            products = tl.dot(lefts, table, left_last[:, None] * weight[None, :], input_precision=PRECISION)
            sums += tl.where(coordinates[None, :] == c, tl.sum(phi * products, 1)[:, None], 0.0)
    if MASK != NONE:
        y += batch * y_batch
        z += batch * z_batch
        own = _tile(x, tokens[:, None], coordinates[None, :], x_n, x_d, n, d)
        begin = (first // chunk) * chunk if MASK == CAUSAL else first
        end = tl.minimum(first + TOKENS if MASK == CAUSAL else (first // chunk + 1) * chunk, n)
        for start in range(begin, end, TOKENS):
            others = start + tl.arange(0, TOKENS)
            theirs = _tile(y, coordinates[:, None], others[None, :], y_d, y_n, d, n)
            kernel = _polynomial(tl.dot(own, theirs, input_precision=PRECISION), DEGREE - 1)
            visible = others[None, :] <= tokens[:, None] if MASK == CAUSAL else others[None, :] >= tokens[:, None]
            weight = tl.load(z + e * z_e + others * z_n, mask=others < n, other=0.0).to(tl.float32)
            pairs = _tile(z, entries[:, None], others[None, :], z_e, z_n, e, n)
            pairs = tl.dot(lefts, pairs, left_last[:, None] * weight[None, :], input_precision=PRECISION)
            kernel = tl.where(visible, kernel * pairs, 0.0)
            sums = tl.dot(
                kernel, _tile(y, others[:, None], coordinates[None, :], y_n, y_d, n, d), sums, input_precision=PRECISION
            )
    target = out + batch * out_batch + tokens[:, None] * out_n + coordinates[None, :] * out_d
    tl.store(target, sums, mask=(tokens < n)[:, None] & (coordinates < d)[None, :])
