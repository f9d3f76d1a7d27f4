"""Give one call to both frameworks and say how what comes back differs."""

import warnings

import numpy as np
import torch

import autograd_nn as ag

DTYPES = {
    torch.float64: np.dtype("f8"),
    torch.float32: np.dtype("f4"),
    torch.float16: np.dtype("f2"),
    torch.complex64: np.dtype("c8"),
    torch.complex128: np.dtype("c16"),
    torch.int64: np.dtype("i8"),
    torch.int32: np.dtype("i4"),
    torch.int16: np.dtype("i2"),
    torch.int8: np.dtype("i1"),
    torch.uint8: np.dtype("u1"),
    torch.bool: np.dtype("?"),
}
TOLERANCES = {"f2": (2e-2, 2e-2), "f4": (2e-4, 2e-5), "f8": (1e-7, 1e-8),
              "c8": (2e-4, 2e-5), "c16": (1e-7, 1e-8)}  # relative, and relative to the largest


def thaw():
    """Let scripts set PyTorch's global flags again: importing its tables of tests forbids it in the whole process."""
    torch.backends.flags_frozen.__globals__["__allow_nonbracketed_mutation_flag"] = True


class Absent(Exception):
    """A sample holds what tensors here do not have: sparse memory, bfloat16."""


def converted(value, made):
    """Return PyTorch's arguments as this framework's; `made` maps each tensor to its counterpart."""
    if isinstance(value, torch.Tensor):
        if value.layout is not torch.strided or value.dtype not in DTYPES or value.device.type != "cpu":
            raise Absent(f"{value.layout}, {value.dtype}")
        if id(value) not in made:
            twin = ag.from_numpy(value.detach().resolve_conj().resolve_neg().numpy())
            made[id(value)] = value, twin.requires_grad_() if value.requires_grad else twin
        return made[id(value)][1]
    if isinstance(value, torch.dtype):
        if value not in DTYPES:
            raise Absent(str(value))
        return DTYPES[value]
    if isinstance(value, torch.device):
        return str(value)
    if isinstance(value, torch.memory_format):
        if not hasattr(ag, "preserve_format"):
            raise Absent("memory formats")
        return getattr(ag, str(value).removeprefix("torch."))
    if isinstance(value, torch.layout):
        raise Absent(str(value))
    if isinstance(value, list | tuple):
        items = [converted(item, made) for item in value]
        return items if isinstance(value, list) else tuple(items)
    if isinstance(value, dict):
        return {name: converted(item, made) for name, item in value.items()}
    if isinstance(value, torch.nn.TransformerEncoderLayer):
        return encoder_layer(value)
    if isinstance(value, torch.nn.Module):
        raise Absent("a layer of PyTorch's")
    if callable(value) and getattr(torch.nn.functional, getattr(value, "__name__", ""), None) is value:
        return getattr(ag.nn.functional, value.__name__)
    if callable(value):
        raise Absent("a function over PyTorch's tensors")
    return value


def encoder_layer(layer):
    """Return this framework's encoder layer with the settings of PyTorch's, which has not kept them by name."""
    attention = layer.self_attn
    return ag.nn.TransformerEncoderLayer(
        attention.embed_dim,
        attention.num_heads,
        layer.linear1.out_features,
        layer.dropout.p,
        converted(layer.activation, {}),
        layer.norm1.eps,
        attention.batch_first,
        layer.norm_first,
        layer.linear1.bias is not None,
    )


def flat(value):
    """Return what a call returned as a list of tensors and plain values."""
    if isinstance(value, list | tuple) and any(isinstance(item, torch.Tensor | ag.Tensor | list) for item in value):
        return [x for item in value for x in flat(item)]
    return [tuple(value) if isinstance(value, list | tuple) else value]


def differing(ours, theirs, what, values=True):
    """Return how a result differs from PyTorch's, or an empty text."""
    if not isinstance(theirs, torch.Tensor):
        return "" if ours == theirs or (ours != ours and theirs != theirs) else f"{what}: {ours!r}, PyTorch {theirs!r}"
    if not isinstance(ours, ag.Tensor):
        return f"{what} is {type(ours).__name__}, PyTorch's a tensor"
    theirs = theirs.detach()
    dtype = DTYPES.get(theirs.dtype)
    if ours.dtype != dtype:
        return f"dtype of {what} {ours.dtype}, PyTorch's {theirs.dtype}"
    if tuple(ours.shape) != tuple(theirs.shape):
        return f"shape of {what} {tuple(ours.shape)}, PyTorch's {tuple(theirs.shape)}"
    if not values or not theirs.numel():
        return ""
    a, b = ours.numpy(force=True), theirs.numpy(force=True)
    if dtype.kind not in "fc":
        return "" if np.array_equal(a, b) else f"values of {what} {shown(a)}, PyTorch's {shown(b)}"
    relative, of_largest = TOLERANCES[dtype.str[1:]]
    with np.errstate(all="ignore"):
        largest = np.abs(b[np.isfinite(b)]).max(initial=0)
        same = np.isclose(a, b, relative, of_largest * min(max(largest, 1), 1e30), equal_nan=True)
    return "" if same.all() else f"values of {what} {shown(a[~same])}, PyTorch's {shown(b[~same])} ({(~same).sum()})"


def shown(array):
    return str(array.ravel()[:4].tolist())


def compared(theirs, ours, positional, keywords, values=True, backward=True, made=None):
    """Call both functions and compare results and gradients; return how they differ.

    `values` says whether the results are figures that can be compared, and `backward` whether gradients are; `made`
    holds tensors that both know already, as the parameters of layers.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = {} if made is None else made
        given = converted(list(positional), made), converted(keywords, made)
        torch.manual_seed(0)
        right = flat(theirs(*positional, **keywords))
        if any(isinstance(x, torch.Tensor) and (x.layout is not torch.strided or x.dtype not in DTYPES) for x in right):
            raise Absent("result")
        try:
            found = flat(ours(*given[0], **given[1]))
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        if len(found) != len(right):
            return f"{len(found)} results, PyTorch has {len(right)}"
        for i, (a, b) in enumerate(zip(found, right)):
            if wrong := differing(a, b, f"result {i}" if len(right) > 1 else "the result", values):
                return wrong
        if not backward:
            return ""
        return compared_gradients(found, right, made, values)


def drawn(generator, shape, dtype):
    """Return normal numbers, complex where the dtype is."""
    numbers = generator.standard_normal(shape)
    if dtype.kind == "c":
        numbers = numbers + 1j * generator.standard_normal(shape)
    return np.asarray(numbers, dtype)


def compared_gradients(found, right, made, values):
    """Compare the gradients of all inputs that need one, for a random gradient of each result."""
    generator = np.random.default_rng(0)
    leaves = [(a, b) for a, b in made.values() if a.requires_grad]
    pairs = [(a, b) for a, b in zip(found, right) if isinstance(b, torch.Tensor)]
    for i, (a, b) in enumerate(pairs):
        if a.requires_grad != b.requires_grad:
            return f"result {i} {'needs' if a.requires_grad else 'does not need'} a gradient, unlike PyTorch's"
    pairs = [(a, b) for a, b in pairs if b.requires_grad]
    if not pairs or not leaves:
        return ""
    upstream = [drawn(generator, b.shape, DTYPES[b.dtype]) for _, b in pairs]
    expected = torch.autograd.grad(
        [b for _, b in pairs],
        [a for a, _ in leaves],
        [torch.from_numpy(g) for g in upstream],
        allow_unused=True,
    )
    try:
        gradients = ag.autograd.grad(
            [a for a, _ in pairs], [b for _, b in leaves], [ag.from_numpy(g) for g in upstream], allow_unused=True
        )
    except Exception as error:
        return f"backward: {type(error).__name__}: {error}"
    for i, (a, b) in enumerate(zip(gradients, expected)):
        if a is None and b is not None and not b.any():
            continue
        if b is None:
            b = torch.zeros(leaves[i][0].shape, dtype=leaves[i][0].dtype)
            if a is None:
                continue
        if a is None:
            return f"no gradient of input {i}"
        if wrong := differing(a, b, f"the gradient of input {i}", values):
            return wrong
    return ""
