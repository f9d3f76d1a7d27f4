"""Winograd's convolution against the naive one: odd shapes, error bounds, adjoints, threads, what NaN reaches."""

import os
import subprocess
import sys

import numpy as np
import pytest

from autograd_nn.kernels import winograd
from autograd_nn.kernels.compile import get_num_threads, set_num_threads
from autograd_nn.kernels.winograd_transforms import (
    gradient_line,
    input_line,
    output_line,
    transform,
    weight_gradient_line,
    weight_line,
)

from .. import reference

BOUND = {np.float32: 4e-5, np.float64: 2e-13}  # of the largest output

SHAPES = [  # N, Cin, H, W, Cout, padding
    (1, 1, 3, 3, 1, ((0, 0), (0, 0))),
    (2, 16, 8, 8, 16, ((1, 1), (1, 1))),
    (2, 5, 9, 7, 6, ((1, 1), (1, 1))),
    (3, 33, 26, 26, 40, ((0, 0), (0, 0))),
    (1, 20, 13, 30, 70, ((0, 2), (1, 3))),
    (2, 17, 5, 21, 3, ((3, 1), (4, 0))),
    (3, 8, 1, 1, 9, ((1, 1), (1, 1))),
    (2, 3, 2, 40, 31, ((2, 2), (0, 1))),
    (2, 4, 1, 2, 4, ((5, 4), (6, 3))),
    (9, 64, 4, 4, 100, ((1, 1), (1, 1))),
    (40, 16, 8, 8, 33, ((1, 1), (1, 1))),
    (5, 200, 6, 6, 200, ((1, 1), (1, 1))),
    (70, 130, 4, 4, 140, ((1, 1), (1, 1))),
]


def operands(shape, dtype, seed=0):
    N, C, H, W, O, padding = shape
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((N, C, H, W)).astype(dtype)
    w = rng.standard_normal((O, C, 3, 3)).astype(dtype)
    g = rng.standard_normal((N, O, H + sum(padding[0]) - 2, W + sum(padding[1]) - 2)).astype(dtype)
    return x, w, g, padding


def assert_near(value, expected, bound):
    assert value.shape == expected.shape
    assert np.abs(value - expected).max() <= bound * np.abs(expected).max()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_equals_the_naive_convolution(shape, dtype):
    x, w, g, padding = operands(shape, dtype)
    bias = np.linspace(-1, 1, len(w)).astype(dtype)
    out = winograd.conv2d(x, w, bias, padding=padding)
    gx = winograd.conv2d_input(g, w, size=x.shape[2:], padding=padding)
    gw = winograd.conv2d_weight(g, x, padding=padding)
    assert out.dtype == gx.dtype == gw.dtype == dtype
    assert_near(out, reference.conv2d(x, w, bias, padding=padding), BOUND[dtype])
    assert_near(gx, reference.conv2d_input(g, w, size=x.shape[2:], padding=padding), BOUND[dtype])
    assert_near(gw, reference.conv2d_weight(g, x, size=(3, 3), padding=padding), BOUND[dtype])


def test_equals_the_naive_convolution_for_random_shapes():
    rng = np.random.default_rng(1)
    for seed in range(40):
        N, C, O = (int(rng.integers(1, high)) for high in (6, 70, 70))
        padding = tuple(tuple(map(int, rng.integers(0, 4, 2))) for _ in range(2))
        H, W = (int(rng.integers(max(1, 3 - sum(pair)), 20)) for pair in padding)
        x, w, g, padding = operands((N, C, H, W, O, padding), np.float32, seed)
        out = winograd.conv2d(x, w, padding=padding)
        gx = winograd.conv2d_input(g, w, size=(H, W), padding=padding)
        gw = winograd.conv2d_weight(g, x, padding=padding)
        assert_near(out, reference.conv2d(x, w, padding=padding), 4e-5)
        assert_near(gx, reference.conv2d_input(g, w, size=(H, W), padding=padding), 4e-5)
        assert_near(gw, reference.conv2d_weight(g, x, size=(3, 3), padding=padding), 4e-5)


@pytest.mark.parametrize("shape", [(8, 64, 16, 16, 64), (8, 256, 8, 8, 64), (16, 512, 4, 4, 64)], ids=str)
def test_error_stays_within_the_stated_bound(shape):
    x, w, g, padding = operands((*shape, ((1, 1), (1, 1))), np.float32)
    assert_near(winograd.conv2d(x, w, padding=padding), reference.conv2d(x, w, padding=padding), 3e-5)
    gx = winograd.conv2d_input(g, w, size=x.shape[2:], padding=padding)
    assert_near(gx, reference.conv2d_input(g, w, size=x.shape[2:], padding=padding), 3e-5)
    gw = winograd.conv2d_weight(g, x, padding=padding)
    assert_near(gw, reference.conv2d_weight(g, x, size=(3, 3), padding=padding), 3e-5)


@pytest.mark.parametrize("shape", SHAPES[3:6], ids=str)
def test_gradients_are_adjoints(shape):
    x, w, g, padding = operands(shape, np.float64)
    inner = np.vdot(winograd.conv2d(x, w, padding=padding), g)
    scale = 1e-12 * np.linalg.norm(g) * np.linalg.norm(x) * np.linalg.norm(w)
    assert abs(inner - np.vdot(winograd.conv2d_input(g, w, size=x.shape[2:], padding=padding), x)) <= scale
    assert abs(inner - np.vdot(winograd.conv2d_weight(g, x, padding=padding), w)) <= scale


@pytest.mark.parametrize(
    "shape",
    [(6, 33, 17, 19, 40), (40, 20, 9, 9, 130), (40, 80, 8, 8, 144), (3, 40, 24, 24, 36), (70, 130, 4, 4, 140)],
    ids=str,
)
def test_any_number_of_threads_gives_the_same_bits(shape):
    x, w, g, padding = operands((*shape, ((1, 1), (1, 1))), np.float32)

    def results():
        yield winograd.conv2d(x, w, padding=padding)
        yield winograd.conv2d_input(g, w, size=x.shape[2:], padding=padding)
        yield winograd.conv2d_weight(g, x, padding=padding)

    before = get_num_threads()
    try:
        set_num_threads(1)
        expected = list(results())
        for threads in (2, 5):
            set_num_threads(threads)
            for value, same in zip(results(), expected):
                np.testing.assert_array_equal(value, same)
    finally:
        set_num_threads(before)


def test_many_groups_of_tiles_add_up(monkeypatch):
    for name in ("SHARED_BYTES", "GROUP_BYTES", "SLOT_BYTES", "PANEL_BYTES", "CHUNK_BYTES", "GROUP_TILES"):
        monkeypatch.setattr(winograd, name, 7 if name == "GROUP_TILES" else 40_000)
    winograd.blocks_for.cache_clear()
    winograd.weight_blocks_for.cache_clear()
    try:
        x, w, g, padding = operands((5, 37, 10, 11, 70, ((1, 1), (1, 1))), np.float64)
        out = winograd.conv2d(x, w, padding=padding)
        gw = winograd.conv2d_weight(g, x, padding=padding)
    finally:
        winograd.blocks_for.cache_clear()
        winograd.weight_blocks_for.cache_clear()
    assert_near(out, reference.conv2d(x, w, padding=padding), 1e-13)
    assert_near(gw, reference.conv2d_weight(g, x, size=(3, 3), padding=padding), 1e-13)


def test_takes_read_only_and_strided_arrays_and_leaves_them_alone():
    x, w, g, padding = operands((2, 12, 9, 10, 11, ((1, 1), (1, 1))), np.float32)
    bias = np.ones(11, np.float32)
    expected = winograd.conv2d(x, w, bias, padding=padding)
    gx = winograd.conv2d_input(g, w, size=(9, 10), padding=padding)
    gw = winograd.conv2d_weight(g, x, padding=padding)
    views = [np.repeat(a, 2, axis=-1)[..., ::2] for a in (x, w, g, bias)]
    frozen = [a.copy() for a in (x, w, g, bias)]
    for a in frozen:
        a.flags.writeable = False
    for X, K, G, b in (views, frozen):
        np.testing.assert_array_equal(winograd.conv2d(X, K, b, padding=padding), expected)
        np.testing.assert_array_equal(winograd.conv2d_input(G, K, size=(9, 10), padding=padding), gx)
        np.testing.assert_array_equal(winograd.conv2d_weight(G, X, padding=padding), gw)
    for view, original in zip(views + frozen, (x, w, g, bias) * 2):
        np.testing.assert_array_equal(view, original)


def test_writes_to_out_and_nowhere_else():
    x, w, g, padding = operands((2, 12, 9, 10, 11, ((1, 1), (1, 1))), np.float32)
    memory = np.full((2, 13, 9, 10), 7, np.float32)
    strided = memory[:, 1:12]
    assert winograd.conv2d(x, w, padding=padding, out=strided) is strided
    np.testing.assert_array_equal(strided, winograd.conv2d(x, w, padding=padding))
    assert (memory[:, [0, 12]] == 7).all()
    memory = np.full(g.size + 64, 7, np.float32)
    dense = memory[32:-32].reshape(g.shape)
    assert winograd.conv2d(x, w, padding=padding, out=dense) is dense
    np.testing.assert_array_equal(dense, strided)
    assert (memory[:32] == 7).all() and (memory[-32:] == 7).all()
    memory = np.full(w.size + 64, 7, np.float32)
    gw = memory[32:-32].reshape(w.shape)
    assert winograd.conv2d_weight(g, x, padding=padding, out=gw) is gw
    assert (memory[:32] == 7).all() and (memory[-32:] == 7).all()


@pytest.mark.parametrize("shape", [SHAPES[3], SHAPES[9], SHAPES[11]], ids=str)
def test_a_prepared_weight_gives_the_same_bits(shape):
    x, w, _, padding = operands(shape, np.float32)
    bias = np.linspace(-30, 30, len(w)).astype(np.float32)
    prepared = winograd.prepare_weight(w)
    out = winograd.conv2d_prepared(x, prepared, bias, padding=padding, relu=True)
    np.testing.assert_array_equal(out, winograd.conv2d(x, w, bias, padding=padding, relu=True))


def test_bias_and_relu():
    x, w, _, padding = operands((2, 6, 7, 7, 35, ((1, 1), (1, 1))), np.float32)
    bias = np.linspace(-30, 30, 35).astype(np.float32)
    plain = winograd.conv2d(x, w, bias, padding=padding)
    np.testing.assert_array_equal(winograd.conv2d(x, w, bias, padding=padding, relu=True), np.maximum(plain, 0))
    assert (plain < 0).any()


def test_nan_reaches_what_it_should_and_no_further_than_its_tiles():
    x, w, g, padding = operands((1, 4, 16, 16, 3, ((1, 1), (1, 1))), np.float32)
    clean = winograd.conv2d(x, w, padding=padding)
    x[0, 1, 5, 9] = np.nan
    for relu in (False, True):
        out = winograd.conv2d(x, w, padding=padding, relu=relu)
        assert np.isnan(out[0, :, 4:7, 8:11]).all()
        rest = np.ones((16, 16), bool)
        rest[4:8, 8:12] = False
        np.testing.assert_array_equal(out[0][:, rest], (np.maximum(clean, 0) if relu else clean)[0][:, rest])
    gw = winograd.conv2d_weight(g, x, padding=padding)
    assert np.isnan(gw[:, 1]).all()
    assert np.isfinite(gw[:, [0, 2, 3]]).all()
    x[0, 1, 5, 9] = np.inf
    assert not np.isfinite(winograd.conv2d(x, w, padding=padding)[0, :, 4:7, 8:11]).any()


@pytest.mark.parametrize("empty", ["images", "channels"])
def test_empty_arrays(empty):
    padding = ((1, 1), (1, 1))
    N, C = (0, 3) if empty == "images" else (2, 0)
    x, w, g = np.ones((N, C, 5, 5)), np.ones((4, C, 3, 3)), np.ones((N, 4, 5, 5))
    bias = np.arange(-1.0, 3.0)
    out = winograd.conv2d(x, w, bias, padding=padding, relu=True)
    np.testing.assert_array_equal(out, np.broadcast_to(np.maximum(bias, 0)[:, None, None], g.shape))
    assert winograd.conv2d_input(g, w, size=(5, 5), padding=padding).shape == x.shape
    gw = winograd.conv2d_weight(g, x, padding=padding)
    assert gw.shape == w.shape
    assert not gw.any()


def matrix(line, size):
    """Return the matrix that a transform of lines applies."""
    return np.array(line(*np.eye(size)))


def test_transforms_are_those_of_lavin_and_gray():
    BT, G, AT = matrix(input_line, 6), matrix(weight_line, 3), matrix(output_line, 6)
    expected_BT = [[4, 0, -5, 0, 1, 0], [0, -4, -4, 1, 1, 0], [0, 4, -4, -1, 1, 0], [0, -2, -1, 2, 1, 0],
                   [0, 2, -1, -2, 1, 0], [0, 4, 0, -5, 0, 1]]  # fmt: skip
    expected_G = [[1 / 4, 0, 0], [-1 / 6, -1 / 6, -1 / 6], [-1 / 6, 1 / 6, -1 / 6], [1 / 24, 1 / 12, 1 / 6],
                  [1 / 24, -1 / 12, 1 / 6], [0, 0, 1]]  # fmt: skip
    expected_AT = [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]]
    np.testing.assert_allclose(BT, expected_BT)
    np.testing.assert_allclose(G, expected_G)
    np.testing.assert_allclose(AT, expected_AT)
    np.testing.assert_allclose(matrix(gradient_line, 4), AT.T)
    np.testing.assert_allclose(matrix(weight_gradient_line, 6), G.T)


def test_the_algorithm_of_one_tile():
    rng = np.random.default_rng(0)
    d, w = rng.standard_normal((6, 6)), rng.standard_normal((3, 3))
    product = np.multiply(transform(weight_line, w), transform(input_line, d))
    y = np.array(transform(output_line, product))
    expected = [[np.sum(d[i : i + 3, j : j + 3] * w) for j in range(4)] for i in range(4)]
    np.testing.assert_allclose(y, expected)


INTERPRETED = """
import numpy as np
from autograd_nn.kernels import winograd
from tests import reference
rng = np.random.default_rng(0)
x, w = rng.standard_normal((1, 2, 5, 3)), rng.standard_normal((3, 2, 3, 3))
bias, padding = rng.standard_normal(3), ((1, 1), (0, 2))
out = winograd.conv2d(x, w, bias, padding=padding, relu=True)
np.testing.assert_allclose(out, reference.conv2d(x, w, bias, padding=padding, relu=True), atol=1e-12)
gx = winograd.conv2d_input(out, w, size=(5, 3), padding=padding)
np.testing.assert_allclose(gx, reference.conv2d_input(out, w, size=(5, 3), padding=padding), atol=1e-12)
gw = winograd.conv2d_weight(out, x, padding=padding)
np.testing.assert_allclose(gw, reference.conv2d_weight(out, x, size=(3, 3), padding=padding), atol=1e-12)
"""


def test_runs_without_the_compiler():
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    subprocess.run([sys.executable, "-c", INTERPRETED], check=True, env=environment, cwd=root, timeout=120)


def test_agrees_with_pytorch():
    torch = pytest.importorskip("torch")
    x, w, g, padding = operands((4, 24, 14, 15, 20, ((1, 1), (1, 1))), np.float32)
    X, K, G = (torch.from_numpy(a) for a in (x, w, g))
    gx, gw, _ = torch.ops.aten.convolution_backward(
        G, X, K, None, [1, 1], [1, 1], [1, 1], False, [0, 0], 1, [True, True, False]
    )
    assert_near(winograd.conv2d(x, w, padding=padding), torch.conv2d(X, K, padding=1).numpy(), 3e-5)
    assert_near(winograd.conv2d_input(g, w, size=(14, 15), padding=padding), gx.numpy(), 3e-5)
    assert_near(winograd.conv2d_weight(g, x, padding=padding), gw.numpy(), 3e-5)
