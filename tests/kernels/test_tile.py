"""The register tile equals its definition, for both dtypes, at the edges, and at every level of x86-64."""

import os
import platform
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from autograd_nn.kernels import tile
from autograd_nn.kernels.compile import JIT_DISABLED, jit, target
from autograd_nn.kernels.tile import (
    ADD,
    BIAS_OF_COLUMN,
    BIAS_OF_ROW,
    ZERO,
    Columns,
    Place,
    Rows,
    Target,
    copy_vector,
    dot_products,
    lanes,
    multiply_tile,
    sums_of_rows,
    transpose_block,
)

COMPILED = pytest.mark.skipif(JIT_DISABLED, reason="of compiled kernels only")
ROWS, VECTORS, DOT_ROWS = 5, 2, 3
DTYPES = [np.float32, np.float64]


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@jit
def matrix_tile(a, lda, b, ldb, c, ldc, K, keep, begin, bias, relu):
    width = lanes(c)
    multiply_tile(
        ROWS, VECTORS, (K, 1, 1), Rows(a, 2, (1, 0, 0), lda), Columns(b, 3, (ldb, 0, 0), width),
        Target(c, 1, ldc, width), keep, begin, Place(bias, 1), relu,
    )  # fmt: skip


@jit
def nested_tile(a, b, c, counts, a_steps, a_row, b_steps):
    width = lanes(c)
    keep = (ROWS, VECTORS * width)
    multiply_tile(
        ROWS, VECTORS, counts, Rows(a, 0, a_steps, a_row), Columns(b, 0, b_steps, width),
        Target(c, 0, VECTORS * width, width), keep, ZERO, Place(c, 0), False,
    )  # fmt: skip


@jit
def unrolled_tile(a, b, c, n1, n2):
    width = lanes(c)
    multiply_tile(
        ROWS, VECTORS, (n1, n2, 3), Rows(a, 0, (24, 6, 1), (2, 11, 4)), Columns(b, 0, (30, 7, 2), width),
        Target(c, 0, VECTORS * width, width), (ROWS, VECTORS * width), ZERO, Place(c, 0), False,
    )  # fmt: skip


@jit
def transpose(source, source_row, target, target_row, keep, fill):
    transpose_block(source, 3, source_row, target, 2, target_row, keep, fill)


@jit
def copy(source, target, count):
    copy_vector(source, 1, target, 2, count)


@jit
def dot(a, a_row, b, c, count):
    dot_products(DOT_ROWS, a, 1, a_row, b, 2, count, c, 1, 2)


@jit
def row_sums(a, a_row, row_count, b, b_row, count, c, c_row, begin, bias, relu):
    sums_of_rows(DOT_ROWS, a, 1, a_row, row_count, b, 2, b_row, count, c, 1, c_row, begin, bias, 1, relu)


def width_of(dtype):
    return tile.VECTOR_BYTES // np.dtype(dtype).itemsize


def close(actual, expected):
    tolerance = 1e-5 if actual.dtype == np.float32 else 1e-13
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("begin", [ZERO, ADD, BIAS_OF_ROW, BIAS_OF_COLUMN])
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("missing", [(0, 0), (1, 0), (0, 1), (4, 99), (2, 17), (-3, -5)])
def test_tile_computes_the_kept_part_and_touches_nothing_else(dtype, begin, relu, missing, rng):
    K, columns = 7, VECTORS * width_of(dtype)
    keep = ROWS - missing[0], max(1, columns - missing[1])
    rows, kept_columns = min(keep[0], ROWS), min(keep[1], columns)
    a = rng.standard_normal(2 + ROWS * 9).astype(dtype)
    b = rng.standard_normal(3 + K * (columns + 4)).astype(dtype)
    bias = rng.standard_normal(1 + max(rows, kept_columns)).astype(dtype)
    # The output ends with the last kept element: one more access would be beyond the array.
    ldc = kept_columns + 2
    c = rng.standard_normal(1 + (rows - 1) * ldc + kept_columns).astype(dtype)

    expected = c.copy()
    a_rows = np.lib.stride_tricks.as_strided(a[2:], (ROWS, K), (9 * a.itemsize, a.itemsize))
    b_rows = np.lib.stride_tricks.as_strided(b[3:], (K, columns), ((columns + 4) * b.itemsize, b.itemsize))
    product = (a_rows.astype(np.float64) @ b_rows.astype(np.float64))[:rows, :kept_columns]
    view = np.lib.stride_tricks.as_strided(
        expected[1:], (rows, kept_columns), (ldc * c.itemsize, c.itemsize)
    )
    start = {ZERO: 0, ADD: view, BIAS_OF_ROW: bias[1 : 1 + rows, None] if rows else 0,
             BIAS_OF_COLUMN: bias[1 : 1 + kept_columns]}[begin]  # fmt: skip
    product = product + start
    view[...] = np.maximum(product, 0) if relu else product

    matrix_tile(a, 9, b, columns + 4, c, ldc, K, keep, begin, bias, relu)
    close(c, expected)


@pytest.mark.parametrize("dtype", DTYPES)
def test_three_loops_and_every_placement_of_rows(dtype, rng):
    columns = VECTORS * width_of(dtype)
    counts, a_steps, b_steps = (2, 3, 4), (40, 9, 2), (50, 11, 3)
    a, b = rng.standard_normal(300).astype(dtype), rng.standard_normal(300).astype(dtype)
    table = np.array([7, 0, 33, 12, 5])
    for a_row, offsets in [
        (13, 13 * np.arange(ROWS)),
        ((2, 31, 4), [0, 4, 31, 35, 62]),
        (table, table),
    ]:
        expected = np.zeros((ROWS, columns))
        for k in np.ndindex(counts):
            at_a, at_b = np.dot(k, a_steps), np.dot(k, b_steps)
            expected += np.outer(a[offsets + at_a].astype(np.float64), b[at_b : at_b + columns])
        c, twin = np.full((2, ROWS * columns), np.nan, dtype)
        nested_tile(a, b, c, counts, a_steps, a_row, b_steps)
        tile.multiply_tile_reference(
            ROWS, VECTORS, counts, Rows(a, 0, a_steps, a_row), Columns(b, 0, b_steps, width_of(dtype)),
            Target(twin, 0, columns, width_of(dtype)), (ROWS, columns), ZERO, Place(twin, 0), False,
        )  # fmt: skip
        close(c.reshape(ROWS, columns), expected)
        close(twin.reshape(ROWS, columns), expected)


def test_literal_innermost_count_is_the_same_sum(rng):
    columns = VECTORS * width_of(np.float32)
    a, b = rng.standard_normal(200).astype(np.float32), rng.standard_normal(200).astype(np.float32)
    unrolled, looped = np.empty((2, ROWS * columns), np.float32)
    unrolled_tile(a, b, unrolled, 2, 3)
    nested_tile(a, b, looped, (2, 3, 3), (24, 6, 1), (2, 11, 4), (30, 7, 2))
    np.testing.assert_array_equal(unrolled, looped)


def test_empty_reduction_gives_the_beginning():
    c = np.full(ROWS * VECTORS * width_of(np.float32) + 1, 7, np.float32)
    bias = np.arange(ROWS + 1, dtype=np.float32)
    columns = VECTORS * width_of(np.float32)
    matrix_tile(c, 0, c, 0, c, columns, 0, (ROWS, columns), BIAS_OF_ROW, bias, False)
    np.testing.assert_array_equal(c[1:].reshape(ROWS, columns), np.repeat(bias[1:, None], columns, axis=1))


@pytest.mark.parametrize("relu", [False, True])
def test_nan_and_infinity_travel(relu):
    columns = VECTORS * width_of(np.float32)
    a, b = np.ones(2 + ROWS * 2, np.float32), np.ones(3 + 2 * columns, np.float32)
    a[2], a[4], a[6], a[8] = np.nan, np.inf, -np.inf, np.inf
    b[3] = -1
    c = np.zeros(1 + ROWS * columns, np.float32)
    matrix_tile(a, 2, b, columns, c, columns, 2, (ROWS, columns), ZERO, c, relu)
    with np.errstate(invalid="ignore"):
        expected = a[2:].reshape(ROWS, 2) @ b[3:].reshape(2, columns)
    np.testing.assert_array_equal(
        c[1:].reshape(ROWS, columns), np.maximum(expected, 0) if relu else expected
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(99, 99), (16, 3), (3, 16), (1, 1), (5, 7), (8, 4), (4, 8)])
@pytest.mark.parametrize("fill", [0, 2, 6, 99])
def test_transposed_block(dtype, shape, fill, rng):
    width = width_of(dtype)
    rows, columns = min(shape[0], width), min(shape[1], width)
    source = rng.standard_normal(3 + (rows - 1) * 20 + columns).astype(dtype)  # ends with the block
    written = min(max(rows, fill), width)
    target = np.full(2 + (columns - 1) * 21 + written, -1, dtype)
    twin = target.copy()
    expected = target.copy()
    for j in range(columns):
        row = expected[2 + j * 21 :][:written]
        row[:] = 0
        row[:rows] = source[3 + j :: 20][:rows]
    transpose(source, 20, target, 21, shape, fill)
    tile.transpose_block_reference(source, 3, 20, twin, 2, 21, shape, fill)
    np.testing.assert_array_equal(target, expected)
    np.testing.assert_array_equal(twin, expected)


@pytest.mark.parametrize("dtype", DTYPES)
def test_copied_vector_is_padded_with_zeros(dtype):
    width = width_of(dtype)
    for count in [-1, 0, 1, width - 1, width, width + 3]:
        source = np.arange(1, 2 + min(max(count, 0), width), dtype=dtype)
        target, twin = np.full((2, width + 3), -1, dtype)
        copy(source, target, count)
        tile.copy_vector_reference(source, 1, twin, 2, count)
        expected = [-1, -1, *source[1:], *[0] * (width - len(source) + 1), -1]
        np.testing.assert_array_equal(target, expected)
        np.testing.assert_array_equal(twin, expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("count", [0, 1, 15, 16, 33, 64, 101])
def test_dot_products(dtype, count, rng):
    a = rng.standard_normal(1 + 2 * 110 + count).astype(dtype)
    b = rng.standard_normal(2 + count).astype(dtype)
    expected = [np.dot(a[1 + i * 110 :][:count].astype(np.float64), b[2:]) for i in range(DOT_ROWS)]
    c, twin = np.full((2, 7), -1, dtype)
    dot(a, 110, b, c, count)
    tile.dot_products_reference(DOT_ROWS, a, 1, 110, b, 2, count, twin, 1, 2)
    for result in (c, twin):
        close(result[1:6:2], np.array(expected))
        np.testing.assert_array_equal(result[::2], -1)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("count", [1, 7, 16, 37])
@pytest.mark.parametrize("missing", [0, 1, 9])
@pytest.mark.parametrize(("begin", "relu"), [(ZERO, True), (BIAS_OF_ROW, False)])
def test_sums_of_rows_are_those_of_the_tile(dtype, count, missing, begin, relu, rng):
    rows = max(1, tile.GROUPS * width_of(dtype) - missing)
    a, b = rng.standard_normal((rows, count)).astype(dtype), rng.standard_normal((DOT_ROWS, count)).astype(dtype)
    a[0, 0], bias = np.nan, rng.standard_normal(1 + rows).astype(dtype)
    flat_a, flat_b = np.append(dtype(0), a), np.append(np.zeros(2, dtype), b)
    c, twin = np.full((2, 1 + DOT_ROWS * (rows + 1)), -1, dtype)
    row_sums(flat_a, count, rows, flat_b, count, count, c, rows + 1, begin, bias, relu)
    tile.sums_of_rows_reference(
        DOT_ROWS, flat_a, 1, count, rows, flat_b, 2, count, count, twin, 1, rows + 1, begin, bias, 1, relu
    )
    expected = b.astype(np.float64) @ a.T + (bias[1:] if begin == BIAS_OF_ROW else 0)
    expected = np.where(expected < 0, 0, expected) if relu else expected
    for result in (c, twin):
        close(result[1:].reshape(DOT_ROWS, -1)[:, :rows], expected.astype(dtype))
        assert np.isnan(result[1]) and result[0] == -1
        np.testing.assert_array_equal(result[1:].reshape(DOT_ROWS, -1)[:, rows], -1)


@COMPILED
def test_wrong_operands_are_refused_when_compiled():
    c = np.zeros(200, np.float32)
    with pytest.raises(tile.TypingError, match="all be float32 or all float64"):
        matrix_tile(c, 1, c.astype(np.float64), 1, c, 1, 1, (1, 1), ZERO, c, False)
    with pytest.raises(tile.TypingError, match="one-dimensional"):
        matrix_tile(c.reshape(2, 100), 1, c, 1, c, 1, 1, (1, 1), ZERO, c, False)


def run(program, **environment):
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        env=os.environ | environment, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.slow
@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="levels of x86-64")
@pytest.mark.parametrize(("level", "vector_bytes"), [("x86-64-v2", 16), ("x86-64-v3", 32)])
def test_narrower_vectors_of_other_processors(level, vector_bytes, tmp_path):
    if level > target.host_level():
        pytest.skip(f"this processor has no more than {target.host_level()}")
    run(
        f"""
        import numpy as np
        from autograd_nn.kernels import gemm, tile

        assert tile.VECTOR_BYTES == gemm.VECTOR_BYTES == {vector_bytes}
        rng = np.random.default_rng(0)
        for dtype in (np.float32, np.float64)[: {vector_bytes} // 16]:
            for left, right in [((70, 90), (90, 61)), ((1, 3000), (3000, 100))]:
                a, b = rng.standard_normal(left).astype(dtype), rng.standard_normal(right).astype(dtype)
                for x, y in [(a, b), (np.asfortranarray(a), np.asfortranarray(b))]:
                    error = abs(gemm.matmul(x, y) - a.astype(np.float64) @ b).max()
                    assert error < (1e-3 if dtype == np.float32 else 1e-11), error
        """,
        NUMBA_CACHE_DIR=str(tmp_path), NUMBA_CPU_NAME=level, NUMBA_CPU_FEATURES="",
    )  # fmt: skip


@COMPILED
def test_a_fresh_process_finds_the_kernels_on_disk(tmp_path):
    program = """
        import numpy as np
        from autograd_nn.kernels import gemm

        gemm.matmul(np.ones((64, 128), np.float32), np.ones((128, 64), np.float32))
        stats = gemm.product.build.stats
        print(sum(stats.cache_hits.values()), sum(stats.cache_misses.values()))
        """
    alone = {"NUMBA_CACHE_DIR": str(tmp_path), "AUTOGRAD_NN_AHEAD": "0"}  # without the process that compiles ahead
    assert run(program, **alone).split() == ["0", "1"]
    assert run(program, **alone).split() == ["1", "0"]
