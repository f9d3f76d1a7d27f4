"""Matrix products equal the naive reference, whatever the shape, memory order, method and thread count."""

import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from autograd_nn.kernels import gemm
from autograd_nn.kernels.compile import JIT_DISABLED, get_num_threads, set_num_threads

from .. import reference

DTYPES = [np.float32, np.float64]
THREADS = [1, 2, 5]

# (M, K, N): one for each method and each kind of edge.
SHAPES = {
    "NumPy": (3, 4, 5),
    "panels of rows, whole": (60, 80, 64),
    "panels of rows, 1 left": (61, 80, 65),
    "panels of rows, 5 left": (65, 80, 63),
    "panels of rows, 11 left": (71, 80, 95),
    "blocks of the reduction": (50, 1111, 40),
    "blocks of the columns": (40, 600, 700),
    "transposed": (100, 1690, 10),
    "rows of one panel": (10, 100, 1690),
    "long reduction": (10, 9001, 11),
    "row times matrix": (1, 1690, 1001),
    "row times narrow matrix": (1, 9001, 31),
    "matrix times column": (333, 1690, 1),
    "vector times vector": (1, 300_001, 1),
    "outer product": (600, 1, 700),
}
ORDERS = ["nn", "nt", "tn", "tt"]


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.fixture(autouse=True)
def restored_thread_count():
    count = get_num_threads()
    yield
    set_num_threads(count)


def operand(rng, shape, dtype, order):
    x = rng.standard_normal(shape).astype(dtype)
    return x if order == "n" else np.ascontiguousarray(x.swapaxes(-1, -2)).swapaxes(-1, -2)


def check(compute, expected, scale):
    """Compare with the reference, and the bits of all thread counts with each other."""
    results = []
    for count in THREADS:
        set_num_threads(count)
        results.append(compute())
    tolerance = 2e-6 if results[0].dtype == np.float32 else 4e-15
    assert results[0].shape == expected.shape
    np.testing.assert_allclose(results[0], expected, rtol=0, atol=tolerance * scale)
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])
    return results[0]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_matmul_equals_the_reference_in_every_memory_order(shape, dtype, rng):
    M, K, N = shape
    a, b = operand(rng, (M, K), dtype, "n"), operand(rng, (K, N), dtype, "n")
    expected = reference.matmul(a, b)
    for order in ORDERS:
        x = a if order[0] == "n" else np.asfortranarray(a)
        y = b if order[1] == "n" else np.asfortranarray(b)
        before = x.copy(), y.copy()
        out = check(lambda x=x, y=y: gemm.matmul(x, y), expected, scale=4 * K**0.5)
        assert out.dtype == dtype
        np.testing.assert_array_equal(x, before[0])
        np.testing.assert_array_equal(y, before[1])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("has_bias", [False, True])
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize(
    "shape", [SHAPES[name] for name in SHAPES if name not in ("vector times vector", "outer product")]
)
def test_linear_equals_the_reference(shape, has_bias, relu, dtype, rng):
    M, K, N = shape
    x, w = operand(rng, (M, K), dtype, "n"), operand(rng, (N, K), dtype, "n")
    bias = operand(rng, (N,), dtype, "n") * 9 if has_bias else None
    check(lambda: gemm.linear(x, w, bias, relu), reference.linear(x, w, bias, relu), scale=4 * K**0.5 + 9)


def test_random_shapes(rng):
    for _ in range(40):
        M, K, N = np.exp(rng.uniform(0, np.log(300), 3)).astype(int)
        dtype, order = DTYPES[rng.integers(2)], ORDERS[rng.integers(4)]
        a, b = operand(rng, (M, K), dtype, order[0]), operand(rng, (K, N), dtype, order[1])
        out = np.full((M, N), np.nan, dtype)
        check(lambda a=a, b=b, out=out: gemm.multiply(a, b, out).copy(), reference.matmul(a, b), 4 * K**0.5)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((7, 40, 50), (7, 50, 60)),
        ((2, 1, 40, 50), (3, 50, 60)),
        ((4, 5, 70, 30), (30, 90)),
        ((40, 50), (7, 50, 60)),
        ((2, 170, 190), (2, 190, 150)),
        ((3, 1, 900), (3, 900, 400)),
        ((2, 3, 4, 5), (2, 3, 5, 6)),
        ((300, 20, 9), (300, 9, 8)),
    ],
)
def test_stacks_of_matrices(left, right, dtype, rng):
    for order in ORDERS:
        a, b = operand(rng, left, dtype, order[0]), operand(rng, right, dtype, order[1])
        check(lambda a=a, b=b: gemm.matmul(a, b), reference.matmul(a, b), scale=4 * left[-1] ** 0.5)


@pytest.mark.parametrize(
    ("left", "right"),
    [((0, 5), (5, 7)), ((5, 0), (0, 7)), ((5, 7), (7, 0)), ((0, 3, 4), (0, 4, 5)), ((2, 3, 0), (2, 0, 5))],
)
def test_empty_operands(left, right):
    out = gemm.matmul(np.ones(left, np.float32), np.ones(right, np.float32))
    assert out.shape == (*left[:-1], right[-1])
    np.testing.assert_array_equal(out, 0)


def test_linear_without_features_is_the_bias():
    bias = np.array([1, -2], np.float32)
    out = gemm.linear(np.ones((3, 0), np.float32), np.ones((2, 0), np.float32), bias, True)
    np.testing.assert_array_equal(out, [[1, 0]] * 3)
    assert gemm.linear(np.ones((0, 4), np.float32), np.ones((2, 4), np.float32), bias).shape == (0, 2)


def test_linear_takes_any_number_of_leading_dims(rng):
    x, w = operand(rng, (6, 7, 80), np.float32, "n"), operand(rng, (90, 80), np.float32, "n")
    out = gemm.linear(x, w)
    assert out.shape == (6, 7, 90)
    np.testing.assert_array_equal(out.reshape(42, 90), gemm.linear(x.reshape(42, 80), w))
    assert gemm.linear(x[0, 0], w).shape == (90,)


@pytest.mark.parametrize("shape", [(70, 80, 90), (1, 900, 400), (10, 9001, 11), (3, 4, 5)])
def test_views_and_read_only_arrays(shape, rng):
    M, K, N = shape
    a, b = operand(rng, (2 * M, 3 * K), np.float32, "n"), operand(rng, (K, N), np.float32, "n")
    view = a[::-2, 1::3]
    b.flags.writeable = False
    expected = reference.matmul(view, b)
    np.testing.assert_allclose(gemm.matmul(view, b), expected, rtol=0, atol=1e-5 * K**0.5)
    repeated = np.broadcast_to(b[:1], (K, N))
    expected = reference.matmul(view, repeated)
    np.testing.assert_allclose(gemm.matmul(view, repeated), expected, rtol=0, atol=1e-4 * K**0.5)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_nan_and_infinity_reach_their_row_and_column_only(shape, rng):
    M, K, N = shape
    a, b = operand(rng, (M, K), np.float32, "n"), operand(rng, (K, N), np.float32, "n")
    a[-1, -1] = np.nan
    b[0, -1] = np.inf
    out = gemm.matmul(a, b)
    is_finite = np.ones((M, N), bool)
    is_finite[-1, :] = is_finite[:, -1] = False
    np.testing.assert_array_equal(np.isfinite(out), is_finite)
    assert np.isnan(out[-1]).all()
    assert np.isinf(out[:-1, -1]).all() or K == 1


def test_relu_keeps_nan(rng):
    x, w = operand(rng, (64, 80), np.float32, "n"), operand(rng, (90, 80), np.float32, "n")
    x[5, 7] = np.nan
    assert np.isnan(gemm.linear(x, w, relu=True)[5]).all()


@pytest.mark.parametrize("shape", [(70, 80, 90), (3, 4, 5)])
def test_out_is_written_and_returned(shape, rng):
    M, K, N = shape
    a, b = operand(rng, (M, K), np.float32, "n"), operand(rng, (K, N), np.float32, "n")
    expected = gemm.matmul(a, b)
    for out in (np.empty((M, N), np.float32), np.empty((N, M), np.float32).T):
        assert gemm.matmul(a, b, out=out) is out
        np.testing.assert_array_equal(out, expected)
        out[...] = 0
        assert gemm.linear(a, b.T, out=out) is out
        np.testing.assert_array_equal(out, expected)


def test_other_dtypes_are_numpys():
    a = np.arange(6).reshape(2, 3)
    out = gemm.matmul(a, a.T)
    assert out.dtype == a.dtype
    np.testing.assert_array_equal(out, [[5, 14], [14, 50]])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("M", "K", "N"), [(7, 9, 45), (3, 5, 70), (35, 2, 3), (20, 3, 35), (1, 30, 67), (17, 40, 1)])
def test_small_products_by_each_method(M, K, N, dtype, rng):
    for orders in ORDERS:
        a, b = operand(rng, (M, K), dtype, orders[0]), operand(rng, (K, N), dtype, orders[1])
        bias, column = rng.standard_normal(N).astype(dtype), np.empty(M, dtype)
        out, rows = np.empty((2, M, N), dtype)
        gemm.multiply(a, b, out, bias, True)
        gemm.multiply_column(a, b[:, 0], column)
        gemm.multiply_few(a, b, rows, bias, True)
        np.testing.assert_allclose(out, np.maximum(a @ b + bias, 0), 1e-4, 1e-5)
        np.testing.assert_allclose(column, a @ b[:, 0], 1e-4, 1e-5)
        np.testing.assert_array_equal(rows, out)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("K", "N"), [(1, 3), (4, 64), (64, 1), (64, 2), (65, 33), (300, 10), (300, 70), (5000, 40),
                                      (700, 130), (256, 260)])  # fmt: skip
def test_rows_have_the_same_bits_in_every_batch(K, N, dtype, rng):
    x, w = operand(rng, (300, K), dtype, "n"), operand(rng, (N, K), dtype, "n")
    bias, b = operand(rng, (N,), dtype, "n"), operand(rng, (K, N), dtype, "n")
    linear, product = gemm.linear(x, w, bias, relu=True), gemm.matmul(x, b)
    stack = gemm.matmul(x.reshape(20, 15, K), np.broadcast_to(b, (20, K, N)))
    for rows in (1, 2, 3, 4, 5, 7, 8, 11, 12, 13, 31, 64, 128, 299):
        for begin in (0, 300 - rows):
            part = x[begin : begin + rows]
            np.testing.assert_array_equal(gemm.linear(part, w, bias, relu=True), linear[begin : begin + rows])
            np.testing.assert_array_equal(gemm.matmul(part, b), product[begin : begin + rows])
    for count in (1, 3):
        part = gemm.matmul(x.reshape(20, 15, K)[:count], np.broadcast_to(b, (count, K, N)))
        np.testing.assert_array_equal(part, stack[:count])


@pytest.mark.parametrize("dtype", DTYPES)
def test_stacks_are_read_in_place_whatever_their_strides(dtype, rng):
    joint = rng.standard_normal((3, 9, 4, 3, 10)).astype(dtype)  # examples, words, heads, (query, key, value), width
    q, k, v = (joint[:, :, :, i].swapaxes(1, 2) for i in range(3))
    scores = gemm.matmul(q, k.swapaxes(-1, -2))
    np.testing.assert_allclose(scores, reference.matmul(q, k.swapaxes(-1, -2)), 1e-4, 1e-5)
    np.testing.assert_allclose(gemm.matmul(scores, v), reference.matmul(scores, v), 1e-4, 1e-4)
    np.testing.assert_allclose(gemm.matmul(q[..., ::-1], v.swapaxes(-1, -2)[..., ::-1, :]),
                               reference.matmul(q, v.swapaxes(-1, -2)), 1e-4, 1e-5)
    assert all(np.shares_memory(gemm.strided(x, x.shape[:-2])[0], joint) for x in (q, k.swapaxes(-1, -2)))


def test_many_rows_are_multiplied_in_blocks(monkeypatch, rng):
    monkeypatch.setattr(gemm, "ROW_BLOCK", 3 * gemm.ROWS)
    x, w = operand(rng, (150, 80), np.float32, "n"), operand(rng, (90, 80), np.float32, "n")
    bias = operand(rng, (90,), np.float32, "n")
    check(lambda: gemm.linear(x, w, bias), reference.linear(x, w, bias), 30)
    x = operand(rng, (500, 80), np.float32, "n")
    monkeypatch.setattr(gemm, "padded_work", lambda M, N, panel: M)  # always the transposed product
    check(lambda: gemm.linear(x, w, bias), reference.linear(x, w, bias), 30)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda one: gemm.matmul(one((2, 3)), one((4, 5))), r"a has 3 columns but b has 4 rows"),
        (lambda one: gemm.matmul(one((3,)), one((3, 5))), r"at least 2 dims"),
        (lambda one: gemm.matmul(one((2, 2, 3)), one((3, 3, 5))), r"batch dims do not broadcast"),
        (lambda one: gemm.matmul(one((2, 3)), one((3, 5)), out=one((5, 2))), r"out must have"),
        (lambda one: gemm.linear(one((2, 3)), one((5, 4))), r"as many features as w has columns"),
        (lambda one: gemm.linear(one((2, 3)), one((5, 3)), one((4,))), r"one entry per row of w"),
    ],
)
def test_errors_name_the_rule_and_both_values(call, message):
    with pytest.raises(ValueError, match=message):
        call(lambda shape: np.ones(shape, np.float32))


def run(program, **environment):
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        env=os.environ | environment, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr


def test_own_kernels_run_as_plain_python():
    run(
        """
        import numpy as np
        from autograd_nn.kernels import gemm

        rng = np.random.default_rng(0)
        for M, K, N in [(14, 3, 35), (35, 2, 3)]:
            a, b = rng.standard_normal((M, K)), rng.standard_normal((K, N))
            for x, y in [(a, b), (np.asfortranarray(a), np.asfortranarray(b))]:
                np.testing.assert_allclose(gemm.multiply(x, y, np.empty((M, N))), a @ b, atol=1e-12)
        out, row = np.empty((5, 1)), np.empty((3, 3))
        gemm.multiply_column(a[:5], b[:, 0], out.reshape(-1))
        np.testing.assert_allclose(out, a[:5] @ b[:, :1], atol=1e-12)
        for matrix in (b, np.asfortranarray(b)):
            gemm.multiply_few(a[:3], matrix, row, None, False)
            np.testing.assert_allclose(row, a[:3] @ b, atol=1e-12)
        np.testing.assert_allclose(gemm.matmul(np.ones((400, 300)), np.ones((300, 200))), 300)
        """,
        NUMBA_DISABLE_JIT="1",
    )


@pytest.mark.skipif(JIT_DISABLED, reason="in plain Python all products are NumPy's")
@pytest.mark.skipif(not os.path.exists("/proc/self/task"), reason="counts threads' time slices in /proc")
def test_numpy_is_left_no_product_that_wakes_its_thread_pool():
    run(
        """
        import pathlib
        import threading
        import time

        import numpy as np
        from autograd_nn.kernels import gemm
        from autograd_nn.kernels.compile import set_num_threads

        def slices_of_other_threads():
            tasks = pathlib.Path("/proc/self/task").iterdir()
            own = str(threading.get_native_id())
            return {t.name: int((t / "schedstat").read_text().split()[2]) for t in tasks if t.name != own}

        set_num_threads(1)
        shapes = [(64, 64, 64), (1, 512, 512), (512, 512, 1), (8, 32, 1024), (512, 1, 512), (1, 2**18, 1),
                  (1, 10_000, 1), (1, 10_001, 1),
                  (2, 2**17, 1), (4, 2**14, 4), (90, 90, 90), (100, 1690, 10), (1, 9216, 128)]
        for dtype in (np.float32, np.float64):
            for M, K, N in shapes:
                a, b = np.ones((M, K), dtype), np.ones((K, N), dtype)
                operands = [(a, b), (a, b.T.copy().T)] + ([(a, a.T)] if M == N else [])
                for x, y in operands:
                    gemm.matmul(x, y)
        time.sleep(0.5)
        before = slices_of_other_threads()
        for dtype in (np.float32, np.float64):
            for M, K, N in shapes:
                a, b = np.ones((M, K), dtype), np.ones((K, N), dtype)
                operands = [(a, b), (a, b.T.copy().T)] + ([(a, a.T)] if M == N else [])
                for x, y in operands:
                    for _ in range(20):
                        gemm.matmul(x, y)
        time.sleep(0.1)
        after = slices_of_other_threads()
        woken = {name: after[name] - before.get(name, 0) for name in after if after[name] != before.get(name)}
        assert not woken, woken
        """
    )


def test_agrees_with_torch(rng):
    torch = pytest.importorskip("torch")
    x, w = operand(rng, (64, 300), np.float32, "n"), operand(rng, (100, 300), np.float32, "n")
    expected = torch.nn.functional.linear(torch.from_numpy(x), torch.from_numpy(w)).numpy()
    np.testing.assert_allclose(gemm.linear(x, w), expected, rtol=0, atol=1e-4)
