"""Winograd's convolutions, of stride 1 and 2, against the naive one: odd shapes, errors, adjoints, threads, NaN."""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from autograd_nn.kernels.compile import get_num_threads, set_num_threads
from autograd_nn.kernels.conv.winograd import passes as winograd
from autograd_nn.kernels.conv.winograd.passes import StrideTwo, UnitStride, Upsampling
from autograd_nn.kernels.conv.winograd.transforms import Transform, apply

from ... import reference

STRIDES = (1, 2)
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


def operands(shape, dtype, seed=0, stride=1):
    """Return x, w, g and the settings of the convolution."""
    N, C, H, W, O, padding = shape
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((N, C, H, W)).astype(dtype)
    w = rng.standard_normal((O, C, 3, 3)).astype(dtype)
    OH, OW = ((size + sum(pair) - 3) // stride + 1 for size, pair in zip((H, W), padding))
    g = rng.standard_normal((N, O, OH, OW)).astype(dtype)
    return x, w, g, {"stride": stride, "padding": padding}


def naive(x, w, g, stride, padding, bias=None):
    """Return the convolution and its gradients in x and in w, computed in float64."""
    x, w, g = (a.astype(np.float64) for a in (x, w, g))
    settings = {"stride": (stride, stride), "padding": padding}
    return (
        reference.conv2d(x, w, bias, **settings),
        reference.conv2d_input(g, w, size=x.shape[2:], **settings),
        reference.conv2d_weight(g, x, size=(3, 3), **settings),
    )


def fast(x, w, g, stride, padding, bias=None):
    """Return the same from Winograd's method."""
    return (
        winograd.conv2d(x, w, bias, stride=stride, padding=padding),
        winograd.conv2d_input(g, w, size=x.shape[2:], stride=stride, padding=padding),
        winograd.conv2d_weight(g, x, stride=stride, padding=padding),
    )


def assert_near(value, expected, bound):
    assert value.shape == expected.shape
    assert np.abs(value - expected).max() <= bound * max(np.abs(expected).max(), 1e-2)


@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_equals_the_naive_convolution(shape, dtype, stride):
    x, w, g, settings = operands(shape, dtype, stride=stride)
    bias = np.linspace(-1, 1, len(w)).astype(dtype)
    for value, expected in zip(fast(x, w, g, bias=bias, **settings), naive(x, w, g, bias=bias, **settings)):
        assert value.dtype == dtype
        assert_near(value, expected, BOUND[dtype])


@pytest.mark.parametrize("stride", STRIDES)
def test_equals_the_naive_convolution_for_random_shapes(stride):
    rng = np.random.default_rng(1)
    for seed in range(40):
        N, C, O = (int(rng.integers(1, high)) for high in (6, 70, 70))
        padding = tuple(tuple(map(int, rng.integers(0, 4, 2))) for _ in range(2))
        H, W = (int(rng.integers(max(1, 3 - sum(pair)), 20)) for pair in padding)
        x, w, g, settings = operands((N, C, H, W, O, padding), np.float32, seed, stride)
        for value, expected in zip(fast(x, w, g, **settings), naive(x, w, g, **settings)):
            assert_near(value, expected, 4e-5)


@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize("shape", [(8, 64, 16, 16, 64), (8, 256, 8, 8, 64), (16, 512, 4, 4, 64)], ids=str)
def test_error_stays_within_the_stated_bound(shape, stride):
    x, w, g, settings = operands((*shape, ((1, 1), (1, 1))), np.float32, stride=stride)
    for value, expected in zip(fast(x, w, g, **settings), naive(x, w, g, **settings)):
        assert_near(value, expected, {1: 3e-5, 2: 1.5e-5}[stride])


@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize("shape", SHAPES[3:6], ids=str)
def test_gradients_are_adjoints(shape, stride):
    x, w, g, settings = operands(shape, np.float64, stride=stride)
    out, gx, gw = fast(x, w, g, **settings)
    inner = np.vdot(out, g)
    scale = 1e-12 * np.linalg.norm(g) * np.linalg.norm(x) * np.linalg.norm(w)
    assert abs(inner - np.vdot(gx, x)) <= scale
    assert abs(inner - np.vdot(gw, w)) <= scale


@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize(
    "shape",
    [(6, 33, 17, 19, 40), (40, 20, 9, 9, 130), (40, 80, 8, 8, 144), (3, 40, 24, 24, 36), (70, 130, 4, 4, 140)],
    ids=str,
)
def test_any_number_of_threads_gives_the_same_bits(shape, stride):
    x, w, g, settings = operands((*shape, ((1, 1), (1, 1))), np.float32, stride=stride)
    before = get_num_threads()
    try:
        set_num_threads(1)
        expected = fast(x, w, g, **settings)
        for threads in (2, 5):
            set_num_threads(threads)
            for value, same in zip(fast(x, w, g, **settings), expected):
                np.testing.assert_array_equal(value, same)
    finally:
        set_num_threads(before)


@pytest.mark.parametrize("stride", STRIDES)
def test_many_groups_of_tiles_add_up(monkeypatch, stride):
    for name in ("SHARED_BYTES", "GROUP_BYTES", "SLOT_BYTES", "PANEL_BYTES", "CHUNK_BYTES", "GROUP_TILES"):
        monkeypatch.setattr(winograd, name, 7 if name == "GROUP_TILES" else 40_000)
    winograd.blocks_for.cache_clear()
    winograd.weight_blocks_for.cache_clear()
    try:
        x, w, g, settings = operands((5, 37, 10 * stride, 11 * stride, 70, ((1, 1), (1, 1))), np.float64, stride=stride)
        values = fast(x, w, g, **settings)
    finally:
        winograd.blocks_for.cache_clear()
        winograd.weight_blocks_for.cache_clear()
    for value, expected in zip(values, naive(x, w, g, **settings)):
        assert_near(value, expected, 1e-13)


@pytest.mark.parametrize("stride", STRIDES)
def test_takes_read_only_and_strided_arrays_and_leaves_them_alone(stride):
    x, w, g, settings = operands((2, 12, 9, 10, 11, ((1, 1), (1, 1))), np.float32, stride=stride)
    bias = np.ones(11, np.float32)
    expected = fast(x, w, g, bias=bias, **settings)
    views = [np.repeat(a, 2, axis=-1)[..., ::2] for a in (x, w, g, bias)]
    frozen = [a.copy() for a in (x, w, g, bias)]
    for a in frozen:
        a.flags.writeable = False
    for X, K, G, b in (views, frozen):
        for value, same in zip(fast(X, K, G, bias=b, **settings), expected):
            np.testing.assert_array_equal(value, same)
    for view, original in zip(views + frozen, (x, w, g, bias) * 2):
        np.testing.assert_array_equal(view, original)


@pytest.mark.parametrize("stride", STRIDES)
def test_writes_to_out_and_nowhere_else(stride):
    x, w, g, settings = operands((2, 12, 9, 10, 11, ((1, 1), (1, 1))), np.float32, stride=stride)
    calls = (
        lambda out: winograd.conv2d(x, w, out=out, **settings),
        lambda out: winograd.conv2d_input(g, w, size=x.shape[2:], out=out, **settings),
        lambda out: winograd.conv2d_weight(g, x, out=out, **settings),
    )
    for call, expected in zip(calls, fast(x, w, g, **settings)):
        first, second, *rest = expected.shape
        memory = np.full((first, second + 2, *rest), 7, np.float32)
        strided = memory[:, 1:-1]
        assert call(strided) is strided
        np.testing.assert_array_equal(strided, expected)
        assert (memory[:, [0, -1]] == 7).all()
        memory = np.full(expected.size + 64, 7, np.float32)
        dense = memory[32:-32].reshape(expected.shape)
        assert call(dense) is dense
        np.testing.assert_array_equal(dense, expected)
        assert (memory[:32] == 7).all() and (memory[-32:] == 7).all()


@pytest.mark.parametrize("shape", [SHAPES[3], SHAPES[9], SHAPES[11]], ids=str)
def test_a_prepared_weight_gives_the_same_bits(shape):
    x, w, _, settings = operands(shape, np.float32)
    bias = np.linspace(-30, 30, len(w)).astype(np.float32)
    prepared = winograd.prepare_weight(w)
    out = winograd.conv2d_prepared(x, prepared, bias, padding=settings["padding"], relu=True)
    np.testing.assert_array_equal(out, winograd.conv2d(x, w, bias, relu=True, **settings))


@pytest.mark.parametrize("stride", STRIDES)
def test_bias_and_relu(stride):
    x, w, _, settings = operands((2, 6, 7, 7, 35, ((1, 1), (1, 1))), np.float32, stride=stride)
    bias = np.linspace(-30, 30, 35).astype(np.float32)
    plain = winograd.conv2d(x, w, bias, **settings)
    np.testing.assert_array_equal(winograd.conv2d(x, w, bias, relu=True, **settings), np.maximum(plain, 0))
    assert (plain < 0).any()


# Pixel (5, 9), the outputs that it reaches directly, and those of its tiles.
@pytest.mark.parametrize(
    ("stride", "direct", "tiles"),
    [(1, np.s_[4:7, 8:11], np.s_[4:8, 8:12]), (2, np.s_[2:4, 4:6], np.s_[0:4, 4:8])],
)
def test_nan_reaches_what_it_should_and_no_further_than_its_tiles(stride, direct, tiles):
    x, w, g, settings = operands((1, 4, 16, 16, 3, ((1, 1), (1, 1))), np.float32, stride=stride)
    clean = winograd.conv2d(x, w, **settings)
    x[0, 1, 5, 9] = np.nan
    rest = np.ones(clean.shape[2:], bool)
    rest[tiles] = False
    for relu in (False, True):
        out = winograd.conv2d(x, w, relu=relu, **settings)
        assert np.isnan(out[0][:, *direct]).all()
        np.testing.assert_array_equal(out[0][:, rest], (np.maximum(clean, 0) if relu else clean)[0][:, rest])
    gw = winograd.conv2d_weight(g, x, **settings)
    assert np.isnan(gw[:, 1, ::stride, ::stride]).all()
    assert np.isfinite(gw[:, [0, 2, 3]]).all()
    x[0, 1, 5, 9] = np.inf
    assert not np.isfinite(winograd.conv2d(x, w, **settings)[0][:, *direct]).any()


def test_nan_in_a_gradient_reaches_no_further_than_its_tiles():
    _, w, g, settings = operands((1, 3, 32, 32, 4, ((1, 1), (1, 1))), np.float32, stride=2)
    clean = winograd.conv2d_input(g, w, size=(32, 32), **settings)
    g[0, 2, 5, 8] = np.nan
    gx = winograd.conv2d_input(g, w, size=(32, 32), **settings)
    assert np.isnan(gx[0, :, 9:12, 15:18]).all()
    rest = np.ones((32, 32), bool)
    rest[8:16, 8:24] = False
    np.testing.assert_array_equal(gx[0][:, rest], clean[0][:, rest])


@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize("empty", ["images", "channels"])
def test_empty_arrays(empty, stride):
    N, C = (0, 3) if empty == "images" else (2, 0)
    x, w, g, settings = operands((N, C, 5, 5, 4, ((1, 1), (1, 1))), np.float64, stride=stride)
    bias = np.arange(-1.0, 3.0)
    out = winograd.conv2d(x, w, bias, relu=True, **settings)
    np.testing.assert_array_equal(out, np.broadcast_to(np.maximum(bias, 0)[:, None, None], g.shape))
    assert winograd.conv2d_input(g, w, size=(5, 5), **settings).shape == x.shape
    gw = winograd.conv2d_weight(g, x, **settings)
    assert gw.shape == w.shape
    assert not gw.any()


def matrix(transform):
    """Return the matrix of a transform."""
    result = np.zeros((transform.targets, transform.sources))
    for part in transform.parts:
        result[np.ix_(part.targets, part.sources)] = np.array(part.line(*np.eye(len(part.sources))))
    return result


def test_transforms_are_those_of_lavin_and_gray():
    BT, G, AT = (matrix(each) for each in (UnitStride.inputs, UnitStride.weights, UnitStride.outputs))
    expected_BT = [[4, 0, -5, 0, 1, 0], [0, -4, -4, 1, 1, 0], [0, 4, -4, -1, 1, 0], [0, -2, -1, 2, 1, 0],
                   [0, 2, -1, -2, 1, 0], [0, 4, 0, -5, 0, 1]]  # fmt: skip
    expected_G = [[1 / 4, 0, 0], [-1 / 6, -1 / 6, -1 / 6], [-1 / 6, 1 / 6, -1 / 6], [1 / 24, 1 / 12, 1 / 6],
                  [1 / 24, -1 / 12, 1 / 6], [0, 0, 1]]  # fmt: skip
    expected_AT = [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]]
    np.testing.assert_allclose(BT, expected_BT)
    np.testing.assert_allclose(G, expected_G)
    np.testing.assert_allclose(AT, expected_AT)


@pytest.mark.parametrize("algorithm", [UnitStride, StrideTwo])
def test_transforms_of_the_weight_gradient_are_adjoints(algorithm):
    np.testing.assert_allclose(matrix(algorithm.gradients), matrix(algorithm.outputs).T)
    np.testing.assert_allclose(matrix(algorithm.weight_gradients), matrix(algorithm.weights).T)


def test_even_and_odd_pixels_share_the_output_transform_of_stride_two():
    AT, BT = matrix(StrideTwo.outputs), matrix(StrideTwo.inputs)
    np.testing.assert_allclose(AT[:, :4] @ BT[5:, 1::2], np.eye(4))
    np.testing.assert_allclose(BT[:5, 1::2], 0)
    even, weights = BT[:5, ::2], matrix(StrideTwo.weights)[:5, ::2]
    for k in range(2):
        np.testing.assert_allclose(AT @ np.diag(weights[:, k]) @ even, np.eye(4, 5, k), atol=1e-15)


def transformed(transform, grid):
    result = np.zeros((transform.targets, transform.targets))

    def store(i, j, value):
        result[i, j] = value

    apply(transform, lambda i, j: grid[i, j], store)
    return result


@pytest.mark.parametrize("algorithm", [UnitStride, StrideTwo, Upsampling])
@pytest.mark.parametrize("name", ["inputs", "weights", "outputs", "gradients", "weight_gradients"])
def test_a_transform_applies_its_matrix_to_both_axes(algorithm, name):
    transform = getattr(algorithm, name)
    assert isinstance(transform, Transform)
    X, M = np.random.default_rng(0).standard_normal((transform.sources,) * 2), matrix(transform)
    np.testing.assert_allclose(transformed(transform, X), M @ X @ M.T, atol=1e-13)


def test_the_algorithm_of_one_tile():
    rng = np.random.default_rng(0)
    d, w = rng.standard_normal((6, 6)), rng.standard_normal((3, 3))
    product = transformed(UnitStride.weights, w) * transformed(UnitStride.inputs, d)
    expected = [[np.sum(d[i : i + 3, j : j + 3] * w) for j in range(4)] for i in range(4)]
    np.testing.assert_allclose(transformed(UnitStride.outputs, product), expected)


INTERPRETED = """
import numpy as np
from tests.kernels.conv.test_winograd import fast, naive, operands
for stride in (1, 2):
    x, w, g, settings = operands((1, 2, 5, 3, 3, ((1, 1), (0, 2))), np.float64, stride=stride)
    bias = np.ones(3)
    for value, expected in zip(fast(x, w, g, bias=bias, **settings), naive(x, w, g, bias=bias, **settings)):
        np.testing.assert_allclose(value, expected, atol=1e-12)
"""


def test_runs_without_the_compiler():
    root = pathlib.Path(__file__).parents[3]
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    subprocess.run([sys.executable, "-c", INTERPRETED], check=True, env=environment, cwd=root, timeout=120)


@pytest.mark.parametrize("stride", STRIDES)
def test_agrees_with_pytorch(stride):
    torch = pytest.importorskip("torch")
    x, w, g, settings = operands((4, 24, 14, 15, 20, ((1, 1), (1, 1))), np.float32, stride=stride)
    X, K, G = (torch.from_numpy(a) for a in (x, w, g))
    gx, gw, _ = torch.ops.aten.convolution_backward(
        G, X, K, None, [stride] * 2, [1, 1], [1, 1], False, [0, 0], 1, [True, True, False]
    )
    expected = torch.conv2d(X, K, stride=stride, padding=1), gx, gw
    for value, other in zip(fast(x, w, g, **settings), expected):
        assert_near(value, other.numpy(), 3e-5)
