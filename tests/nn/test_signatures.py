"""The functions and layers take PyTorch's arguments: names, order and defaults, but for the differences listed here."""

import inspect
import re

import pytest

from autograd_nn import nn
from autograd_nn.nn import functional as F

torch = pytest.importorskip("torch")
TF = torch.nn.functional

OLD = {"size_average", "reduce"}  # which `reduction` replaced; what follows them is keyword-only here
PRIVATE = {"_stacklevel"}
HINTS = {"out", "antialias", "min_value", "max_value"}  # memory to write to; not available; renamed long ago
DIFFERENT = {
    "multi_head_attention_forward": "batch_first= is ours; the others are tested by calls",
    "unflatten": "torch has it outside of nn.functional",
    "UninitializedBuffer": "torch has it in __new__", "UninitializedParameter": "torch has it in __new__",
    "Module": "takes no arguments", "Sequential": "*modules", "Parameter": "data is required",
    "Transformer": "the default activation is the function itself in torch, its name here",
    "TransformerEncoderLayer": "as Transformer", "TransformerDecoderLayer": "as Transformer",
}  # fmt: skip


def documented(function, name):
    """Return the parameters of a built-in function of torch, from the first line of its documentation."""
    text = re.search(rf"\b{name}\((.*?)\) ?->", function.__doc__, re.DOTALL).group(1).replace("*,", "")
    parts = [part.partition("=") for part in text.split(",")]
    return {n.strip(): eval(default) if equal else ... for n, equal, default in parts}


def parameters(function, name):
    if name.startswith(("max_pool", "adaptive_max_pool")):  # chosen by `return_indices`
        function = getattr(TF, f"_{name}", function)
    try:
        signature = inspect.signature(function)
    except ValueError:
        return documented(function, name)
    return {
        p.name: ... if p.default is p.empty else p.default
        for p in signature.parameters.values()
        if p.name not in OLD | PRIVATE | HINTS and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    }


@pytest.mark.parametrize("name", sorted(set(F.__all__) - set(DIFFERENT)))
def test_functions(name):
    expected = parameters(getattr(TF, name), name)
    assert list(parameters(getattr(F, name), "").items()) == list(expected.items())


@pytest.mark.parametrize(
    "name", sorted(n for n in set(nn.__all__) - set(DIFFERENT) if inspect.isclass(getattr(nn, n)))
)
def test_layers(name):
    theirs = getattr(torch.nn, name)
    expected = parameters(theirs.__init__, name)
    if name in ("RNN", "LSTM", "GRU"):
        base = parameters(torch.nn.RNNBase.__init__, name)
        expected = {k: v for k, v in base.items() if k not in ("mode", "proj_size")}
    ours = parameters(getattr(nn, name).__init__, "")
    if name == "RNN":
        assert ours.pop("nonlinearity") == "tanh"
    assert list(ours.items()) == list(expected.items())


def test_what_follows_the_old_arguments_of_losses_is_keyword_only():
    for name in F.__all__:
        signature = getattr(TF, name, None)
        if not (inspect.isfunction(signature) and "size_average" in inspect.signature(signature).parameters):
            continue
        theirs = list(inspect.signature(signature).parameters)
        later = set(theirs[theirs.index("size_average") :]) - OLD
        ours = inspect.signature(getattr(F, name)).parameters
        assert all(ours[n].kind is inspect.Parameter.KEYWORD_ONLY for n in later & set(ours)), name


@pytest.mark.parametrize(
    ("module", "theirs"), [(nn, torch.nn), (F, TF), (nn.init, torch.nn.init), (nn.utils, torch.nn.utils)]
)
def test_what_is_absent_says_so(module, theirs):
    for name in dir(theirs):
        if not name.startswith("_") and not hasattr(module, name):
            with pytest.raises(AttributeError, match=rf"^nn\.?\w*\.{name}: autograd_nn has no {name}; \w+"):
                getattr(module, name)
