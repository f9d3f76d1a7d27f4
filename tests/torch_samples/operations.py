"""PyTorch's table of operations: which function here answers to each row, and how its samples compare."""

from torch.testing._internal.common_methods_invocations import op_db

import autograd_nn as ag
from tests.torch_samples import compare
from tests.torch_samples.differences import OPERATIONS

compare.thaw()

# Figures that are drawn at random, or not set at all: shapes, dtypes and errors are compared.
DRAWN = [
    "bernoulli", "cauchy", "empty", "empty_like", "empty_permuted", "empty_strided", "exponential", "geometric",
    "log_normal", "multinomial", "new_empty", "new_empty_strided", "nn.functional.alpha_dropout",
    "nn.functional.multi_head_attention_forward",
    "nn.functional.dropout", "nn.functional.dropout2d", "nn.functional.dropout3d",
    "nn.functional.feature_alpha_dropout", "nn.functional.fractional_max_pool2d", "nn.functional.fractional_max_pool3d",
    "nn.functional.rrelu", "normal", "rand", "rand_like", "randint", "randint_like", "randn", "randn_like", "randperm",
    "uniform",
]  # fmt: skip
METHODS = {  # elsewhere a dtype
    "bool", "byte", "cdouble", "cfloat", "char", "double", "fill", "float", "half", "int", "long", "short",
}  # fmt: skip
# Rows whose samples give the arguments in an order of their own, which a lambda in the row undoes.
CALLED = {
    "einsum": lambda x, equation: ag.einsum(equation, *x),
    "nn.functional.embedding": lambda weight, i, **p: ag.nn.functional.embedding(i, weight, **p),
    "nn.functional.embedding_bag": lambda weight, i, **p: ag.nn.functional.embedding_bag(i, weight, **p),
    "where": lambda x, condition, other: ag.where(condition, x, other),
    "polygamma": lambda x, n: ag.polygamma(n, x),
    "special.polygamma": lambda x, n: ag.special.polygamma(n, x),
    "linalg.pinv.singular": lambda a, b: ag.linalg.pinv(a @ b.mT),
    "linalg.lstsq.grad_oriented": lambda a, b, **p: ag.linalg.lstsq(a, b, **p)[:2],
    "zero_": lambda x: x.clone().zero_(),
    "fill": lambda x, value: x.clone().fill_(value),
    "normal.in_place": lambda x, mean, std=1.0: x.clone().normal_(mean, std),
}
RANDOM_SETTINGS = ("dropout_p",)


def function_of(row):
    """Return what answers to a row of the table: a function, or a method; None where there is none."""
    full = f"{row.name}.{row.variant_test_name}" if row.variant_test_name else row.name
    if full in CALLED or row.name in CALLED:
        return CALLED.get(full, CALLED.get(row.name))
    for owner in (ag.Tensor,) if row.name in METHODS else (ag, ag.Tensor):
        found = owner
        try:
            for part in row.name.split("."):
                found = getattr(found, part)
        except AttributeError:
            continue
        return (lambda x: getattr(x, row.name)) if isinstance(found, property) else found
    return None


def name_of(row):
    """Return the name of a row with that of its variant."""
    return row.name + (f" {row.variant_test_name}" if row.variant_test_name else "")


ROWS = {}
for _row in op_db:
    if function_of(_row) is not None:
        ROWS.setdefault(name_of(_row), _row)


def samples_of(row, dtype):
    """Return PyTorch's samples of a row, with whether they need gradients."""
    if dtype not in row.dtypes:
        return [], False
    backward = row.supports_autograd and (dtype.is_floating_point or dtype.is_complex)
    return list(row.sample_inputs("cpu", dtype, requires_grad=backward)), backward


def is_listed(row, wrong):
    """Return whether a difference stands in the list of deliberate ones."""
    return any(row.name == each.name and each.pattern.search(wrong) for each in OPERATIONS)


def outcomes(row, dtype):
    """Yield for each sample of a row how it differs (an empty text where it does not), and the sample."""
    samples, backward = samples_of(row, dtype)
    function = function_of(row)
    for sample in samples:
        values = row.name not in DRAWN and not any(sample.kwargs.get(name) for name in RANDOM_SETTINGS)
        positional = (sample.input, *sample.args)
        try:
            yield compare.compared(row.op, function, positional, sample.kwargs, values, backward), sample
        except compare.Absent:
            continue
