"""Attention by blocks: values, gradients, masks, strides, and the same bits for all numbers of threads."""

import itertools

import numpy as np
import pytest

from autograd_nn.kernels import attention as kernels
from autograd_nn.kernels.compile import get_num_threads, set_num_threads
from autograd_nn.kernels.elementwise import dropout
from tests import reference

SEED = np.array(1234567890123, np.int64)
# batch, heads, queries, keys, features of queries and of values
SHAPES = [(2, 1, 64, 64, 64, 64), (1, 3, 17, 29, 10, 7), (2, 2, 130, 70, 33, 16), (1, 1, 200, 130, 16, 32),
          (1, 1, 1, 1, 1, 1), (1, 1, 9, 300, 8, 65)]  # fmt: skip


@pytest.fixture(params=[1, 3])
def threads(request):
    before = get_num_threads()
    set_num_threads(request.param)
    yield request.param
    set_num_threads(before)


def operands(rng, shape, dtype, turned=False):
    """Return q, k, v and g; as views of (batch, places, heads, features) if `turned`."""
    N, H, L, S, E, V = shape
    sizes = (L, E), (S, E), (S, V), (L, V)
    if turned:
        return [rng.standard_normal((N, n, H, f)).astype(dtype).swapaxes(1, 2) for n, f in sizes]
    return [rng.standard_normal((N, H, n, f)).astype(dtype) for n, f in sizes]


def masks(rng, shape, dtype):
    N, _, L, S, *_ = shape
    pairs, keys = rng.random((L, S)) < 0.6, rng.random((N, 1, 1, S)) < 0.7
    pairs[0] = False
    added = rng.standard_normal((N, 1, L, S)).astype(dtype)
    added[..., : S // 2, :] = -np.inf
    return [None, pairs, keys, np.ascontiguousarray(pairs.T).T, added]


def run(q, k, v, g, mask=None, *, causal=False, p=0.0, scale=None):
    settings = {"scale": q.shape[-1] ** -0.5 if scale is None else scale, "causal": causal, "p": p}
    results = kernels.attention(q, k, v, mask, SEED, **settings)
    return (*results, *kernels.attention_input(g, q, k, v, mask, SEED, *results, **settings))


def expected(q, k, v, g, mask=None, *, causal=False, p=0.0):
    scale = q.shape[-1] ** -0.5
    kept = dropout(np.ones((*q.shape[:-1], k.shape[-2])), p=p, seed=int(SEED))[0] if p else 1.0
    return (*reference.attention(q, k, v, mask, scale=scale, causal=causal, kept=kept),
            *reference.attention_input(g, q, k, v, mask, scale=scale, causal=causal, kept=kept))  # fmt: skip


def check(found, exact, dtype):
    for a, b in zip(found, exact, strict=True):
        assert a.dtype == dtype and a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=0, atol=(3e-6 if dtype == np.float32 else 1e-14) * max(1, abs(b).max()))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values_and_gradients(threads, dtype):
    rng = np.random.default_rng(0)
    for shape, turned in itertools.product(SHAPES, (False, True)):
        arrays = operands(rng, shape, dtype, turned)
        before = [x.copy() for x in arrays]
        for mask in masks(rng, shape, dtype):
            check(run(*arrays, mask), expected(*arrays, mask), dtype)
        check(run(*arrays, causal=True), expected(*arrays, causal=True), dtype)
        check(run(*arrays, p=0.3), expected(*arrays, p=0.3), dtype)
        for x, y in zip(arrays, before, strict=True):
            np.testing.assert_array_equal(x, y)


def test_the_same_bits_for_all_numbers_of_threads_batches_and_queries():
    rng = np.random.default_rng(1)
    arrays = operands(rng, (1, 2, 200, 150, 24, 40), np.float32)
    before, found = get_num_threads(), []
    for threads in (1, 2, 5, 9):
        set_num_threads(threads)
        found.append(run(*arrays, causal=True, p=0.2))
    set_num_threads(before)
    for others in found[1:]:
        for a, b in zip(found[0], others, strict=True):
            np.testing.assert_array_equal(a, b)
    q, k, v, g = arrays
    for causal in (False, True):
        whole = run(q, k, v, g, causal=causal)
        part = run(*(x[:, 1:] for x in arrays), causal=causal)
        for a, b in zip(whole, part, strict=True):
            np.testing.assert_array_equal(a[:, 1:], b)
        fewer = run(q[:, :, :67], k, v, g[:, :, :67], causal=causal)
        for a, b in zip(whole[:4], fewer[:4], strict=True):
            np.testing.assert_array_equal(a[:, :, :67], b)


def test_the_error_is_no_larger_than_that_of_the_matrix_of_weights():
    rng = np.random.default_rng(2)
    q, k, v, g = operands(rng, (2, 2, 128, 128, 32, 32), np.float32)
    scores = (4 * q) @ k.swapaxes(-1, -2)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    through = g @ v.swapaxes(-1, -2)
    slopes = 4 * weights * (through - (weights * through).sum(-1, keepdims=True))
    composed = weights @ v, slopes @ k, slopes.swapaxes(-1, -2) @ q, weights.swapaxes(-1, -2) @ g
    exact = reference.attention(q, k, v, scale=4.0)[0], *reference.attention_input(g, q, k, v, scale=4.0)
    out, _, _, *gradients = run(q, k, v, g, scale=4.0)
    for found, other, right in zip((out, *gradients), composed, exact, strict=True):
        assert np.sqrt(np.mean((found - right) ** 2)) <= 1.1 * np.sqrt(np.mean((other - right) ** 2))


def test_infinite_and_missing_scores():
    q, k, v = np.ones((1, 9, 4), np.float32), np.ones((1, 70, 4), np.float32), np.ones((1, 70, 4), np.float32)
    g = np.ones((1, 9, 4), np.float32)
    hidden = np.ones((9, 70), bool)
    hidden[2] = False
    hidden[3, :64] = False  # the whole first block
    out, _, _, dq, dk, dv = run(q, k, v, g, hidden)
    np.testing.assert_array_equal(out[0, 2], 0)
    np.testing.assert_allclose(out[0, [0, 1, 3, 4]], 1, rtol=1e-6)
    assert all(np.isfinite(x).all() for x in (dq, dk, dv))
    q[0, 5], k[0, 69] = np.nan, 2.0
    out = run(q, k, v, g)[0]
    assert np.isnan(out[0, 5]).all() and np.isfinite(out[0, [0, 1, 2, 3, 4, 6, 7, 8]]).all()
    k[0, 65] = np.inf
    assert np.isnan(run(np.ones_like(q), k, v, g)[0]).all()  # as the softmax of what holds +inf


def test_read_only_and_repeated_operands():
    rng = np.random.default_rng(3)
    q, k, v, g = operands(rng, (2, 3, 70, 70, 8, 8), np.float32)
    repeated = np.broadcast_to(k[:, :1], k.shape)
    q.setflags(write=False)
    check(run(q, repeated, v[..., ::-1], g), expected(q, repeated, v[..., ::-1], g), np.float32)
