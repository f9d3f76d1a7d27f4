"""Convolution and its two adjoints against the naive ones: every setting and method, threads, memory, NaN."""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from autograd_nn.kernels.compile import get_num_threads, set_num_threads
from autograd_nn.kernels.conv import choice as conv

from ... import reference

BOUND = {np.float32: 4e-5, np.float64: 2e-13}  # of the largest result; the direct method stays far below

# N, Cin, H, W, Cout, (kH, kW), stride, padding, dilation, groups
CASES = [
    (1, 1, 1, 1, 1, (1, 1), (1, 1), ((0, 0), (0, 0)), (1, 1), 1),
    (7, 1, 28, 28, 10, (3, 3), (1, 1), ((0, 0), (0, 0)), (1, 1), 1),
    (2, 1, 28, 28, 32, (3, 3), (1, 1), ((0, 0), (0, 0)), (1, 1), 1),
    (3, 20, 11, 26, 24, (3, 3), (1, 1), ((0, 0), (0, 0)), (1, 1), 1),
    (2, 17, 9, 7, 18, (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 1),
    (2, 3, 30, 31, 17, (7, 7), (2, 2), ((3, 3), (3, 3)), (1, 1), 1),
    (2, 6, 14, 14, 16, (5, 5), (1, 1), ((0, 0), (0, 0)), (1, 1), 1),
    (2, 5, 17, 33, 7, (3, 3), (2, 2), ((1, 1), (1, 1)), (1, 1), 1),
    (2, 5, 18, 13, 12, (3, 2), (2, 3), ((1, 0), (2, 1)), (1, 1), 1),
    (2, 4, 12, 13, 6, (1, 1), (2, 2), ((0, 0), (0, 0)), (1, 1), 1),
    (3, 9, 8, 8, 20, (1, 1), (1, 1), ((0, 0), (0, 0)), (1, 1), 1),
    (2, 6, 32, 32, 5, (1, 1), (1, 1), ((0, 0), (0, 0)), (1, 1), 1),
    (2, 3, 7, 9, 4, (1, 1), (1, 1), ((2, 1), (0, 3)), (1, 1), 1),
    (2, 3, 5, 5, 4, (5, 5), (1, 1), ((4, 4), (4, 4)), (1, 1), 1),
    (2, 3, 4, 5, 4, (2, 2), (3, 3), ((2, 2), (2, 2)), (1, 1), 1),
    (2, 3, 16, 20, 4, (3, 3), (1, 1), ((2, 2), (1, 3)), (2, 3), 1),
    (2, 4, 16, 20, 6, (3, 2), (2, 3), ((2, 2), (1, 3)), (2, 3), 2),
    (2, 12, 10, 11, 18, (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 3),
    (2, 12, 10, 11, 18, (3, 3), (2, 2), ((1, 1), (1, 1)), (1, 1), 3),
    (3, 6, 19, 37, 6, (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 6),
    (2, 6, 19, 37, 12, (5, 4), (2, 3), ((1, 0), (2, 1)), (1, 1), 6),
    (2, 6, 12, 17, 6, (3, 3), (1, 1), ((2, 2), (2, 2)), (2, 2), 6),
    (2, 6, 23, 35, 12, (3, 3), (2, 2), ((1, 1), (1, 1)), (1, 1), 6),
    (1, 3, 21, 17, 3, (5, 6), (1, 2), ((2, 2), (3, 2)), (1, 1), 3),
    (1, 1, 90, 18, 1, (3, 3), (2, 1), ((1, 0), (4, 0)), (2, 3), 1),
    (2, 3, 9, 11, 3, (2, 1), (2, 2), ((0, 0), (0, 0)), (2, 2), 3),
    (1, 2, 200, 220, 9, (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 1),
    (1, 40, 65, 64, 9, (3, 3), (2, 2), ((1, 1), (1, 1)), (1, 1), 1),
    (9, 2, 3, 3, 40, (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 1),
    (5, 3, 4, 1, 2, (4, 1), (1, 1), ((0, 0), (0, 0)), (1, 1), 1),
]


def random_case(rng):
    """Return a case of small sizes in which every setting is drawn."""
    while True:
        groups = int(rng.choice([1, 1, 2, 3]))
        kernel, stride, dilation = (tuple(int(v) for v in rng.integers(1, top, 2)) for top in (5, 4, 3))
        padding = tuple(tuple(int(v) for v in rng.integers(0, 4, 2)) for _ in range(2))
        N, C, O = (int(v) for v in rng.integers(1, 5, 3))
        H, W = (int(v) for v in rng.integers(1, 40, 2))
        if min(conv.output_size((H, W), kernel, stride, padding, dilation)) > 0:
            return N, C * groups, H, W, O * groups, kernel, stride, padding, dilation, groups


RANDOM_CASES = [random_case(np.random.default_rng(seed)) for seed in range(40)]


def operands(case, dtype, seed=0):
    """Return x, w, bias, g and the settings."""
    N, C, H, W, O, kernel, stride, padding, dilation, groups = case
    rng = np.random.default_rng(seed)
    settings = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    out_size = conv.output_size((H, W), kernel, stride, padding, dilation)
    shapes = (N, C, H, W), (O, C // groups, *kernel), (O,), (N, O, *out_size)
    return *(rng.standard_normal(shape).astype(dtype) for shape in shapes), settings


def assert_near(value, expected, dtype):
    assert value.dtype == dtype
    assert value.shape == expected.shape
    assert np.abs(value - expected).max() <= BOUND[dtype] * max(np.abs(expected).max(), 1e-3)


def assert_all_near(x, w, bias, g, settings, dtype):
    assert_near(conv.conv2d(x, w, bias, **settings), reference.conv2d(x, w, bias, **settings), dtype)
    size = x.shape[2:]
    expected = reference.conv2d_input(g, w, size=size, **settings)
    assert_near(conv.conv2d_input(g, w, size=size, **settings), expected, dtype)
    size = w.shape[2:]
    expected = reference.conv2d_weight(g, x, size=size, **settings)
    assert_near(conv.conv2d_weight(g, x, size=size, **settings), expected, dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", CASES + RANDOM_CASES, ids=str)
def test_equals_the_naive_convolution(case, dtype):
    assert_all_near(*operands(case, dtype), dtype)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_direct_method_equals_the_naive_convolution(case):
    with conv.force_method("direct"):
        assert_all_near(*operands(case, np.float32), np.float32)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_three_operations_are_adjoint(case):
    x, w, _, g, settings = operands(case, np.float64)
    forward = np.vdot(conv.conv2d(x, w, **settings), g)
    by_input = np.vdot(x, conv.conv2d_input(g, w, size=x.shape[2:], **settings))
    by_weight = np.vdot(w, conv.conv2d_weight(g, x, size=w.shape[2:], **settings))
    scale = np.linalg.norm(conv.conv2d(x, w, **settings)) * np.linalg.norm(g)
    assert abs(forward - by_input) <= 1e-13 * scale
    assert abs(forward - by_weight) <= 1e-13 * scale


@pytest.mark.parametrize("size", [(9, 11), (10, 11), (9, 12), (10, 12)])
def test_input_gradient_serves_transposed_convolution_of_any_fitting_size(size):
    rng = np.random.default_rng(0)
    g, w = rng.standard_normal((2, 5, 5, 6)), rng.standard_normal((5, 4, 3, 3))
    settings = {"stride": (2, 2), "padding": ((1, 1), (1, 1))}
    result = conv.conv2d_input(g, w, size=size, **settings)
    assert_near(result, reference.conv2d_input(g, w, size=size, **settings), np.float64)


@pytest.mark.parametrize("name", ["direct", "depthwise"])
@pytest.mark.parametrize("case", CASES[1:9], ids=str)
def test_relu_is_applied_to_the_sum_with_the_bias(case, name):
    x, w, bias, _, settings = operands(case, np.float32)
    with conv.force_method(name):
        result = conv.conv2d(x, w, bias, relu=True, **settings)
    assert_near(result, reference.conv2d(x, w, bias, relu=True, **settings), np.float32)


@pytest.mark.parametrize("name", ["direct", "depthwise"])
@pytest.mark.parametrize("case", [CASES[1], CASES[7], CASES[18], CASES[19], CASES[24]], ids=str)
def test_no_images(case, name):
    x, w, bias, g, settings = operands((0, *case[1:]), np.float32)
    with conv.force_method(name):
        assert conv.conv2d(x, w, bias, **settings).shape == g.shape
        assert conv.conv2d_input(g, w, size=x.shape[2:], **settings).shape == x.shape
        gw = conv.conv2d_weight(g, x, size=w.shape[2:], **settings)
    assert gw.shape == w.shape
    assert not gw.any()


def results(case, name, threads):
    x, w, bias, g, settings = operands(case, np.float32)
    before = get_num_threads()
    set_num_threads(threads)
    try:
        with conv.force_method(name):
            return (
                conv.conv2d(x, w, bias, **settings),
                conv.conv2d_input(g, w, size=x.shape[2:], **settings),
                conv.conv2d_weight(g, x, size=w.shape[2:], **settings),
            )
    finally:
        set_num_threads(before)


@pytest.mark.parametrize("name", ["direct", "depthwise", "winograd"])
@pytest.mark.parametrize(
    "case",
    [
        (13, 6, 28, 28, 20, (3, 3), (1, 1), ((0, 0), (0, 0)), (1, 1), 1),
        (13, 8, 29, 28, 20, (3, 3), (2, 2), ((1, 1), (1, 1)), (1, 1), 1),
        (9, 12, 30, 28, 24, (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 12),
        (1, 6, 150, 200, 20, (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 1),
    ],
    ids=str,
)
def test_same_bits_for_any_number_of_threads(case, name):
    one = results(case, name, 1)
    for threads in (2, 5):
        for value, expected in zip(results(case, name, threads), one, strict=True):
            assert value.tobytes() == expected.tobytes()


def misplaced(array):
    """Return the same values as a read-only array that is not contiguous."""
    wide = np.zeros((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
    wide[..., ::2] = array
    view = wide[..., ::2]
    view.flags.writeable = False
    return view


@pytest.mark.parametrize("case", [CASES[1], CASES[3], CASES[7], CASES[16], CASES[19]], ids=str)
def test_inputs_may_be_read_only_and_are_left_alone(case):
    x, w, bias, g, settings = operands(case, np.float32)
    copies = [each.copy() for each in (x, w, bias, g)]
    expected = conv.conv2d(x, w, bias, **settings)
    expected_x = conv.conv2d_input(g, w, size=x.shape[2:], **settings)
    expected_w = conv.conv2d_weight(g, x, size=w.shape[2:], **settings)
    for each, copy in zip((x, w, bias, g), copies, strict=True):
        np.testing.assert_array_equal(each, copy)
    x, w, bias, g = map(misplaced, (x, w, bias, g))
    np.testing.assert_array_equal(conv.conv2d(x, w, bias, **settings), expected)
    np.testing.assert_array_equal(conv.conv2d_input(g, w, size=x.shape[2:], **settings), expected_x)
    np.testing.assert_array_equal(conv.conv2d_weight(g, x, size=w.shape[2:], **settings), expected_w)


@pytest.mark.parametrize("case", [CASES[1], CASES[3], CASES[7], CASES[16], CASES[19]], ids=str)
def test_out_is_written_and_returned(case):
    x, w, bias, g, settings = operands(case, np.float32)
    calls = [
        lambda out: conv.conv2d(x, w, bias, out=out, **settings),
        lambda out: conv.conv2d_input(g, w, size=x.shape[2:], out=out, **settings),
        lambda out: conv.conv2d_weight(g, x, size=w.shape[2:], out=out, **settings),
    ]
    for call in calls:
        expected = call(None)
        for out in (np.full_like(expected, np.nan), np.full((*expected.shape, 2), np.nan, np.float32)[..., 0]):
            assert call(out) is out
            np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", CASES + RANDOM_CASES[:10], ids=str)
def test_nothing_is_written_beyond_the_result(case, dtype):
    x, w, bias, g, settings = operands(case, dtype)

    def guarded(shape):
        guard = 64
        memory = np.full(int(np.prod(shape)) + 2 * guard, 7, dtype)
        return memory, memory[guard:-guard].reshape(shape)

    for name in ("direct", "depthwise", "winograd"):
        with conv.force_method(name):
            memories = []
            for shape, call in (
                (g.shape, lambda out: conv.conv2d(x, w, bias, out=out, **settings)),
                (x.shape, lambda out: conv.conv2d_input(g, w, size=x.shape[2:], out=out, **settings)),
                (w.shape, lambda out: conv.conv2d_weight(g, x, size=w.shape[2:], out=out, **settings)),
            ):
                memory, out = guarded(shape)
                call(out)
                memories.append(memory)
        for memory in memories:
            assert (memory[:64] == 7).all()
            assert (memory[-64:] == 7).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["direct", "depthwise"])
@pytest.mark.parametrize("case", [CASES[1], CASES[5], CASES[7], CASES[10], CASES[19]], ids=str)
def test_nan_and_infinity_reach_what_depends_on_them_and_nothing_else(case, name, value):
    x, w, bias, g, settings = operands(case, np.float64)
    x[-1, -1, -1, -1] = value
    w, g = np.abs(w), np.abs(g)
    with conv.force_method(name), np.errstate(invalid="ignore"):
        out = conv.conv2d(x, w, bias, relu=True, **settings)
        gw = conv.conv2d_weight(g, x, size=w.shape[2:], **settings)
        expected = reference.conv2d(x, w, bias, **settings)
        expected_gw = reference.conv2d_weight(g, x, size=w.shape[2:], **settings)
    touched = ~np.isfinite(expected)
    assert touched.any()
    np.testing.assert_array_equal(np.isnan(out), np.isnan(expected))
    np.testing.assert_array_equal(np.isfinite(out), np.isfinite(np.maximum(expected, 0)))
    np.testing.assert_array_equal(np.isnan(gw), np.isnan(expected_gw))


def test_shapes_that_do_not_fit_are_refused():
    x, w, g = np.zeros((2, 3, 8, 8)), np.zeros((4, 3, 3, 3)), np.zeros((2, 4, 6, 6))
    with pytest.raises(ValueError, match=r"conv2d\(\)"):
        conv.conv2d(x, w[:, :2])
    with pytest.raises(ValueError, match=r"conv2d\(\)"):
        conv.conv2d(x, w, out=np.zeros((2, 4, 6, 5)))
    with pytest.raises(ValueError, match=r"conv2d_input\(\)"):
        conv.conv2d_input(g, w, size=(9, 8))
    with pytest.raises(ValueError, match=r"conv2d_weight\(\)"):
        conv.conv2d_weight(g, x, size=(3, 2))
    with pytest.raises(ValueError, match="force_method"), conv.force_method("fastest"):
        pass


def test_the_choice_of_the_method_can_be_seen_and_overruled():
    shapes = (32, 64, 32, 32), (64, 64, 3, 3)
    padding = ((1, 1), (1, 1))
    assert conv.method(*shapes, padding=padding)["conv2d"] == "winograd"
    with conv.force_method("direct"):
        assert set(conv.method(*shapes, padding=padding).values()) == {"direct"}
    conv.set_winograd(False)
    try:
        assert conv.method(*shapes, padding=padding)["conv2d"] == "direct"
    finally:
        conv.set_winograd(True)
    assert set(conv.method((32, 64, 32, 32), (128, 64, 3, 3), stride=(2, 2), padding=padding).values()) == {"winograd"}
    assert set(conv.method((32, 3, 32, 32), (64, 3, 3, 3), stride=(2, 2), padding=padding).values()) == {"direct"}
    assert set(conv.method(*shapes, stride=(2, 1), padding=padding).values()) == {"direct"}
    assert set(conv.method((2, 8, 9, 9), (8, 1, 3, 3), groups=8).values()) == {"depthwise"}
    assert conv.method((2, 8, 9, 9), (8, 1, 3, 3), stride=(3, 3), groups=8)["conv2d"] == "direct"


TINY = [
    (2, 2, 6, 19, 3, (3, 3), (1, 1), ((0, 0), (0, 0)), (1, 1), 1),
    (1, 2, 5, 6, 3, (3, 3), (2, 2), ((1, 1), (1, 1)), (1, 1), 1),
    (1, 2, 5, 6, 2, (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 2),
    (1, 2, 7, 8, 3, (2, 2), (2, 2), ((1, 1), (1, 1)), (2, 2), 1),
]


@pytest.mark.parametrize("case", TINY)
def test_tiny_cases(case):
    assert_all_near(*operands(case, np.float32), np.float32)


def test_without_the_compiler():
    code = """
import numpy as np
from tests.kernels.conv.test_choice import TINY, assert_all_near, operands
for case in TINY:
    assert_all_near(*operands(case, np.float32), np.float32)
"""
    root = pathlib.Path(__file__).parents[3]
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, cwd=root, timeout=300)


def test_agrees_with_pytorch():
    torch = pytest.importorskip("torch")
    for case in CASES[1:8]:
        x, w, bias, g, settings = operands(case, np.float32)
        (top, bottom), (left, right) = settings["padding"]
        X = torch.nn.functional.pad(torch.from_numpy(x), (left, right, top, bottom)).requires_grad_()
        K = torch.from_numpy(w).requires_grad_()
        Y = torch.nn.functional.conv2d(X, K, torch.from_numpy(bias), settings["stride"])
        Y.backward(torch.from_numpy(g))
        gx = X.grad.numpy()[:, :, top : top + x.shape[2], left : left + x.shape[3]]
        assert_near(conv.conv2d(x, w, bias, **settings), Y.detach().numpy(), np.float32)
        assert_near(conv.conv2d_input(g, w, size=x.shape[2:], **settings), gx, np.float32)
        assert_near(conv.conv2d_weight(g, x, size=w.shape[2:], **settings), K.grad.numpy(), np.float32)
