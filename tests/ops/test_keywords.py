"""PyTorch's and NumPy's keywords: a call by name gives what the call by position gives, here and in PyTorch."""

import inspect

import numpy as np
import pytest

import autograd_nn as ag

A = np.array([[3.0, -1.0, 2.0], [0.5, 4.0, -2.0], [1.0, 0.25, 5.0]])
B = np.array([[1.0, 2.0, -1.0], [2.0, -0.5, 3.0], [0.0, 1.0, 2.0]])
V = np.array([1.0, 2.0, -3.0])
I = np.array([[0, 2, 1], [1, 0, 2]])
N = np.array([2, 0])
M = A > 1
S = np.array([1.0, 2.0, 3.0])

# name: the arguments in order; the same by other names. Arrays stand for tensors.
TABLE = {
    "add": ((A, B), {"input": A, "other": B}),
    "addcdiv": ((A, A, B + 3), {"input": A, "tensor1": A, "tensor2": B + 3}),
    "addmm": ((A, A, B), {"input": A, "mat1": A, "mat2": B}),
    "addmv": ((V, A, V), {"input": V, "mat": A, "vec": V}),
    "all": ((M, 1, True), {"input": M, "axis": 1, "keepdims": True}),
    "amax": ((A, 1, True), {"input": A, "axis": 1, "keepdims": True}),
    "amin": ((A, (0, 1), True), {"input": A, "axis": (0, 1), "keepdims": True}),
    "aminmax": ((A,), {"input": A}),
    "any": ((M, 0), {"input": M, "axis": 0, "keepdims": False}),
    "argmax": ((A, 1, True), {"input": A, "axis": 1, "keepdims": True}),
    "argmin": ((A, 0), {"input": A, "axis": 0}),
    "argsort": ((A, 0, True), {"input": A, "axis": 0, "descending": True}),
    "argwhere": ((M,), {"input": M}),
    "atan2": ((A, B), {"input": A, "other": B}),
    "baddbmm": ((A[None], A[None], B[None]), {"input": A[None], "batch1": A[None], "batch2": B[None]}),
    "bincount": ((N,), {"input": N}),
    "bmm": ((A[None], B[None]), {"input": A[None], "mat2": B[None]}),
    "cat": (((A, B), 1), {"tensors": (A, B), "axis": 1}),
    "concat": (((A, B), 1), {"tensors": (A, B), "axis": 1}),
    "concatenate": (((A, B), 1), {"tensors": (A, B), "axis": 1}),
    "chunk": ((A, 3, 1), {"input": A, "chunks": 3, "axis": 1}),
    "clamp": ((A, 0.0, 1.0), {"input": A, "min": 0.0, "max": 1.0}),
    "clone": ((A,), {"input": A, "memory_format": "preserve_format"}),
    "count_nonzero": ((A, 1), {"input": A, "axis": 1}),
    "cosine_similarity": ((A, B, 1), {"x1": A, "x2": B, "axis": 1}),
    "cross": ((A, B, 1), {"input": A, "other": B, "axis": 1}),
    "cummax": ((A, 1), {"input": A, "axis": 1}),
    "cummin": ((A, 0), {"input": A, "axis": 0}),
    "cumprod": ((A, 1), {"input": A, "axis": 1}),
    "cumsum": ((A, 1), {"input": A, "axis": 1}),
    "diag": ((A, 1), {"input": A, "diagonal": 1}),
    "diff": ((A, 1, 0), {"input": A, "n": 1, "axis": 0}),
    "dist": ((A, B), {"input": A, "other": B}),
    "div": ((A, B + 3), {"input": A, "other": B + 3}),
    "dot": ((V, S), {"input": V, "tensor": S}),
    "eq": ((A, B), {"input": A, "other": B}),
    "exp": ((A,), {"input": A}),
    "flip": ((A, (0,)), {"input": A, "dims": (0,)}),
    "fmod": ((A, B + 3), {"input": A, "other": B + 3}),
    "full_like": ((A, 2.0), {"input": A, "fill_value": 2.0, "memory_format": "preserve_format"}),
    "gather": ((A, 1, I), {"input": A, "axis": 1, "index": I, "sparse_grad": False}),
    "gt": ((A, B), {"input": A, "other": B}),
    "index_add": ((A, 0, N, B[:2]), {"input": A, "axis": 0, "index": N, "source": B[:2]}),
    "index_copy": ((A, 0, N, B[:2]), {"input": A, "axis": 0, "index": N, "source": B[:2]}),
    "index_fill": ((A, 0, N, 1.0), {"input": A, "axis": 0, "index": N, "value": 1.0}),
    "index_select": ((A, 1, N), {"input": A, "axis": 1, "index": N}),
    "isclose": ((A, B), {"input": A, "other": B}),
    "kron": ((A, B), {"input": A, "other": B}),
    "kthvalue": ((A, 2, 1, True), {"input": A, "k": 2, "axis": 1, "keepdims": True}),
    "log_softmax": ((A, 1), {"input": A, "axis": 1}),
    "logaddexp": ((A, B), {"input": A, "other": B}),
    "logcumsumexp": ((A, 1), {"input": A, "axis": 1}),
    "logsumexp": ((A, 1, True), {"input": A, "axis": 1, "keepdims": True}),
    "masked_fill": ((A, M, 0.0), {"input": A, "mask": M, "value": 0.0}),
    "masked_select": ((A, M), {"input": A, "mask": M}),
    "matmul": ((A, B), {"input": A, "other": B}),
    "max": ((A, 1, True), {"input": A, "axis": 1, "keepdims": True}),
    "maximum": ((A, B), {"input": A, "other": B}),
    "mean": ((A, 1, True), {"input": A, "axis": 1, "keepdims": True}),
    "median": ((A, 1, True), {"input": A, "axis": 1, "keepdims": True}),
    "min": ((A, 1, True), {"input": A, "axis": 1, "keepdims": True}),
    "mm": ((A, B), {"input": A, "mat2": B}),
    "mul": ((A, B), {"input": A, "other": B}),
    "mv": ((A, V), {"input": A, "vec": V}),
    "nan_to_num": ((A,), {"input": A}),
    "nanmean": ((A, 1, True), {"input": A, "axis": 1, "keepdims": True}),
    "nansum": ((A, 1, True), {"input": A, "axis": 1, "keepdims": True}),
    "narrow": ((A, 1, 0, 2), {"input": A, "axis": 1, "start": 0, "length": 2}),
    "neg": ((A,), {"input": A}),
    "nonzero": ((M,), {"input": M}),
    "norm": ((A, 2, 1, True), {"input": A, "p": 2, "dim": 1, "keepdim": True}),
    "outer": ((V, S), {"input": V, "vec2": S}),
    "permute": ((A, (1, 0)), {"input": A, "dims": (1, 0)}),
    "pow": ((np.abs(A), 2.0), {"input": np.abs(A), "exponent": 2.0}),
    "prod": ((A, 1, True), {"input": A, "axis": 1, "keepdims": True}),
    "quantile": ((A, 0.4, 1, True), {"input": A, "q": 0.4, "axis": 1, "keepdims": True}),
    "relu": ((A,), {"input": A}),
    "repeat_interleave": ((A, 2, 1), {"input": A, "repeats": 2, "axis": 1}),
    "reshape": ((A, (1, 9)), {"input": A, "shape": (1, 9)}),
    "roll": ((A, 1, 0), {"input": A, "shifts": 1, "dims": 0}),
    "rot90": ((A, 1, (0, 1)), {"input": A, "k": 1, "dims": (0, 1)}),
    "round": ((A,), {"input": A, "decimals": 0}),
    "scatter": ((A, 1, I, B[:2]), {"input": A, "axis": 1, "index": I, "src": B[:2]}),
    "scatter_add": ((A, 1, I, B[:2]), {"input": A, "axis": 1, "index": I, "src": B[:2]}),
    "select": ((A, 1, 2), {"input": A, "axis": 1, "index": 2}),
    "softmax": ((A, 1), {"input": A, "axis": 1}),
    "sort": ((A, 1), {"input": A, "axis": 1, "descending": False}),
    "split": ((A, 2, 1), {"tensor": A, "split_size_or_sections": 2, "dim": 1}),
    "squeeze": ((A[None], 0), {"input": A[None], "axis": 0}),
    "stack": (((A, B), 1), {"tensors": (A, B), "axis": 1}),
    "std": ((A, 1), {"input": A, "axis": 1, "keepdims": False}),
    "std_mean": ((A, 1), {"input": A, "axis": 1, "keepdims": False}),
    "sub": ((A, B), {"input": A, "other": B}),
    "sum": ((A, (0, 1), True), {"input": A, "axis": (0, 1), "keepdims": True}),
    "swapaxes": ((A, 0, 1), {"input": A, "axis0": 0, "axis1": 1}),
    "swapdims": ((A, 0, 1), {"input": A, "dim0": 0, "dim1": 1}),
    "take": ((A, N), {"input": A, "index": N}),
    "take_along_dim": ((A, np.argsort(A, 1), 1), {"input": A, "indices": np.argsort(A, 1), "dim": 1}),
    "tensor_split": ((A, 3, 1), {"input": A, "sections": 3, "dim": 1}),
    "tensordot": ((A, B, 1), {"a": A, "b": B, "dims": 1}),
    "tile": ((A, (1, 2)), {"input": A, "dims": (1, 2)}),
    "topk": ((A, 2, 1), {"input": A, "k": 2, "axis": 1, "largest": True, "sorted": True}),
    "trace": ((A,), {"input": A}),
    "transpose": ((A, 0, 1), {"input": A, "dim0": 0, "dim1": 1}),
    "tril": ((A, 1), {"input": A, "diagonal": 1}),
    "unbind": ((A, 1), {"input": A, "axis": 1}),
    "unflatten": ((A, 1, (3, 1)), {"input": A, "dim": 1, "sizes": (3, 1)}),
    "unsqueeze": ((A, 1), {"input": A, "axis": 1}),
    "var": ((A, 1), {"input": A, "axis": 1, "keepdims": False}),
    "var_mean": ((A, 1), {"input": A, "axis": 1, "keepdims": False}),
    "where": ((M, A, B), {"condition": M, "input": A, "other": B}),
    "zeros_like": ((A,), {"input": A, "memory_format": "contiguous_format", "layout": "strided"}),
    "zeros": (((2, 3),), {"size": (2, 3), "layout": "strided", "pin_memory": False, "device": "cpu"}),
    "ones": ((2, 3), {"size": (2, 3), "dtype": None}),
    "full": (((2, 3), 1.5), {"size": (2, 3), "fill_value": 1.5}),
    "cumulative_trapezoid": ((A,), {"y": A, "dim": -1}),
    "gradient": ((V,), {"input": V}),
    "index_reduce": ((A, 0, N, B[:2], "amax"), {"input": A, "axis": 0, "index": N, "source": B[:2], "reduce": "amax"}),
    "mode": ((A, 1), {"input": A, "axis": 1}),
    "nanmedian": ((A, 1), {"input": A, "axis": 1}),
    "nanquantile": ((A, 0.5, 1), {"input": A, "q": 0.5, "axis": 1}),
    "renorm": ((A, 2, 0, 1.0), {"input": A, "p": 2, "axis": 0, "maxnorm": 1.0}),
    "scatter_reduce": ((A, 1, I, B[:2], "amax"), {"input": A, "axis": 1, "index": I, "src": B[:2], "reduce": "amax"}),
    "select_scatter": ((A, V, 0, 1), {"input": A, "src": V, "axis": 0, "index": 1}),
    "slice_scatter": ((A, B[:2], 0, 1, 3), {"input": A, "src": B[:2], "axis": 0, "start": 1, "end": 3}),
    "trapezoid": ((A,), {"y": A, "dim": -1}),
    "trapz": ((A,), {"y": A, "dim": -1}),
}  # fmt: skip
AS_KEYWORDS_ONLY = {
    "unique": "sorted=, dim= as in PyTorch",
    "unique_consecutive": "return_inverse=, return_counts=, dim= as in PyTorch",
}


def given(value, library):
    """Return an argument for one of the libraries."""
    if isinstance(value, np.ndarray):
        return library.tensor(value)
    if isinstance(value, tuple) and value and isinstance(value[0], np.ndarray):
        return tuple(map(library.tensor, value))
    if isinstance(value, str) and value in ("preserve_format", "contiguous_format", "strided"):
        return getattr(library, value)
    return value


def results(out):
    return [np.asarray(x) for x in (out if isinstance(out, tuple | list) else (out,))]


def called(library, name):
    positional, keywords = TABLE[name]
    function = getattr(library, name)
    return (results(function(*(given(x, library) for x in positional))),
            results(function(**{key: given(x, library) for key, x in keywords.items()})))


@pytest.mark.parametrize("name", TABLE)
def test_keywords_stand_for_arguments_in_order(name):
    by_place, by_name = called(ag, name)
    assert len(by_place) == len(by_name)
    for x, y in zip(by_place, by_name):
        np.testing.assert_array_equal(x, y, strict=True)


@pytest.mark.parametrize("name", TABLE)
def test_they_are_keywords_of_pytorch(name):
    torch = pytest.importorskip("torch")
    theirs = called(torch, name)[1]
    for x, y in zip(called(ag, name)[1], theirs, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-6, atol=1e-12)


def test_every_function_over_dims_is_in_the_table():
    over_dims = {
        name for name in ag.__all__
        if inspect.isfunction(f := getattr(ag, name)) and {"dim", "keepdim"} & set(inspect.signature(f).parameters)
        and f.__module__.startswith("autograd_nn.ops")
    }  # fmt: skip
    assert over_dims <= set(TABLE) | set(AS_KEYWORDS_ONLY)


@pytest.mark.parametrize("name", sorted(name for name, (_, kw) in TABLE.items() if "axis" in kw or "keepdims" in kw))
def test_methods_take_them_too(name):
    positional, keywords = TABLE[name]
    if not hasattr(ag.Tensor, name):
        return
    keywords = {key: given(x, ag) for key, x in keywords.items() if key not in ("input", "tensor")}
    method = getattr(given(positional[0], ag), name)
    for x, y in zip(results(method(**keywords)), called(ag, name)[0], strict=True):
        np.testing.assert_array_equal(x, y)


def test_what_has_no_such_keyword_refuses_it():
    x = ag.ones(2, 3)
    for call in (lambda: ag.sum(x, dimension=1), lambda: ag.sum(x, dim=1, axis=1), lambda: ag.sum(x, out=x),
                 lambda: ag.zeros(2, pin_memory=True), lambda: ag.exp(x, axis=1), lambda: ag.cat([x], other=x),
                 lambda: ag.zeros(2, layout="sparse_coo"), lambda: ag.sum(x, input=x)):
        with pytest.raises(TypeError):
            call()
    with pytest.raises((TypeError, RuntimeError), match="CPU only"):
        ag.zeros(size=(2,), device="cuda")


def test_an_error_inside_is_raised_once():
    calls = []

    def function(x, dim=0):
        calls.append(dim)
        raise TypeError("inside")

    with pytest.raises(TypeError, match="inside"):
        ag.ops.keywords.with_other_names(function)(1, dim=2)
    assert calls == [2]


def test_methods_by_name():
    x = ag.arange(6.0).reshape(2, 3)
    assert x.flip(dims=(0,)).equal(x.flip(0)) and x.permute(dims=(1, 0)).equal(x.T)
    assert x.new_zeros(size=(2,), device="cpu").shape == (2,) and x.tile(dims=(2,)).shape == (2, 6)
    assert x.to(memory_format=ag.channels_last).equal(x) and x.clone(memory_format=ag.preserve_format).equal(x)
    assert x.contiguous(memory_format=ag.contiguous_format) is x and x.is_contiguous(memory_format=ag.contiguous_format)
    assert ag.softmax(ag.ones(2), 0, dtype=ag.float64).dtype == ag.float64
    assert ag.log_softmax(ag.tensor([1, 1]), dim=0, dtype=ag.float32).dtype == ag.float32
    assert ag.as_tensor([1.0], device="cpu").dtype == ag.float32
    net = ag.nn.Conv2d(1, 1, 1).to(memory_format=ag.channels_last)
    assert net.weight.shape == (1, 1, 1, 1)


def test_backward_and_grad_take_pytorchs_keywords():
    for library in (ag, pytest.importorskip("torch")):
        a = library.tensor([1.0, 2.0], requires_grad=True)
        b = library.tensor([3.0, 4.0], requires_grad=True)
        middle = a * b
        loss = (middle**2).sum()
        loss.backward(inputs=[a], retain_graph=True)
        assert a.grad.tolist() == [18.0, 64.0] and b.grad is None
        loss.backward(inputs=[a, b], retain_graph=True)
        assert a.grad.tolist() == [36.0, 128.0] and b.grad.tolist() == [6.0, 32.0]
        unused = library.tensor([5.0], requires_grad=True)
        found = library.autograd.grad(outputs=loss, inputs=[a, unused], only_inputs=True, materialize_grads=True)
        assert [g.tolist() for g in found] == [[18.0, 64.0], [0.0]]
        with pytest.raises(RuntimeError, match="empty"):
            (a * 2).sum().backward(inputs=[])
    with pytest.raises(RuntimeError, match="input 0 does not require grad"):
        x = ag.ones(2, requires_grad=True)
        (x * 2).sum().backward(inputs=ag.ones(2))
    with pytest.raises(ValueError, match="only_inputs"):
        ag.grad(x.sum(), x, only_inputs=False)
