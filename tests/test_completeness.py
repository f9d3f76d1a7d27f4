"""What an operation or a kernel still lacks: a method, a NumPy counterpart, a naive twin; each failure says what to do.

What lacks one on purpose is in a list, with the reason.
"""

import importlib
import pkgutil

import numpy as np
import pytest

import autograd_nn as ag
from autograd_nn import Tensor, kernels, ops
from autograd_nn.tensor import numpy_protocol
from tests import reference


def listed(text):
    """Return what a list says: names, a colon, and why they are in it."""
    rows = [row.split(":", 1) for row in text.strip().splitlines()]
    return {name: reason.strip() for names, reason in rows for name in names.split()}


WITHOUT_A_METHOD = listed("""
celu selu threshold conv1d conv2d conv_transpose1d conv_transpose2d: functions of networks; PyTorch has no method
conv3d conv_transpose3d max_pool3d: functions of networks; PyTorch has no method
avg_pool1d avg_pool2d max_pool1d max_pool2d dropout: functions of networks; PyTorch has no method
arange empty empty_like eye full full_like linspace logspace ones ones_like: they make a tensor
scalar_tensor tril_indices triu_indices zeros zeros_like: they make a tensor
normal rand rand_like randint randint_like randn randn_like randperm: they make a tensor
get_rng_state initial_seed manual_seed seed set_rng_state: they are about the generator
cdist pdist cosine_similarity tensordot einsum isin searchsorted bucketize: about several tensors of equal rank
atleast_1d atleast_2d atleast_3d broadcast_shapes broadcast_tensors cartesian_prod: about several tensors
block_diag cat stack column_stack dstack hstack vstack meshgrid: about several tensors
poisson std_mean var_mean combinations trapezoid cumulative_trapezoid gradient: PyTorch has no method
can_cast promote_types result_type: about dtypes
complex polar view_as_complex view_as_real: PyTorch has no method
""")

WITHOUT_NUMPY = listed("""
arange empty eye full linspace logspace ones tril_indices triu_indices zeros: NumPy's takes no tensor
broadcast_shapes promote_types: about shapes and dtypes, no tensor
meshgrid: NumPy's default order is 'xy', PyTorch's 'ij'
cov corrcoef: NumPy's takes weights, ddof and two sets of variables
median: NumPy's is the mean of the two in the middle, PyTorch's the lower one
diagflat dsplit nanquantile put trapezoid: NumPy's take other settings, or write in place
gradient: NumPy's takes positions one by one
nanmedian: NumPy's is the mean of the two in the middle
select: NumPy's chooses by conditions, PyTorch's takes one index of a dim
""")

# What a kernel without a function of its name in `tests.reference` is compared with.
TWINS = listed("""
copies.copy copies.put: NumPy's copy
elementwise.arithmetic: NumPy's ufuncs, bit for bit
elementwise.add_relu elementwise.relu elementwise.relu_input elementwise.sigmoid: NumPy, written out
elementwise.dropout elementwise.dropout_apply: NumPy's generator and a comparison
elementwise.erf gated.gelu gated.gelu_input: math.erf
gated.silu gated.silu_input: NumPy, written out
loss.softmax loss.cross_entropy loss.cross_entropy_input: reference.log_softmax
norm.batch_norm norm.group_norm norm.layer_norm: reference.normalize
norm.batch_norm_input norm.group_norm_input norm.layer_norm_input: reference.normalize_input
norm.channel_sum: NumPy's sum
optim.adam_step optim.adam_steps optim.amsgrad_steps: reference.adam
optim.sgd_step optim.sgd_steps optim.momentum_steps: reference.sgd
pool.avg_pool2d pool.avg_pool2d_input: reference.avg_pool2d_matrix, a matrix and its transpose
pool.adaptive_avg_pool2d_input: the adjoint of reference.adaptive_avg_pool2d
pool.adaptive_max_pool2d_put pool.adaptive_max_pool2d_take: the positions of reference.adaptive_max_pool2d
recurrent.gru recurrent.gru_gates recurrent.gru_input recurrent.lstm recurrent.lstm_input: a loop over time in NumPy
reduce.SUM reduce.PRODUCT reduce.MAXIMUM reduce.MINIMUM reduce.running_product reduce.running_sum: NumPy in float64
reduce.products_of_others: NumPy's product without one element
scatter.add_rows scatter.add_along scatter.add_slices: np.add.at
scatter.take_along: np.take_along_axis
scatter.take_slices: np.take
special.unary special.binary: mpmath to 20 digits, identities
softmax.softmax softmax.softmax_input softmax.log_softmax_input: NumPy in float64, written out
softmax.logsumexp softmax.weighted_softmax: NumPy in float64, written out
conv.depthwise.convolve conv.depthwise.convolve_input conv.depthwise.convolve_weight: reference.conv2d and its adjoints
conv.direct.convolve conv.direct_weight.weight_gradient: reference.conv2d and its adjoints
conv.winograd.passes.conv2d_prepared: reference.conv2d
""")
# Modules that compute nothing by themselves: they compile, schedule, move data or choose, or are parts of kernels.
NO_KERNELS = (
    "by_numpy",  # what is left to NumPy
    "warm", "ship",  # they call kernels so that they are compiled
    "addresses", "annotations", "arena", "compile", "looks", "machine", "memory", "numeric", "records", "rows", "tile",
    "functions",
    "lanes", "operations", "passes", "small", "conv.kept", "conv.winograd.transforms",
)  # fmt: skip
NO_ARRAYS = listed("""
conv.choice.force_method conv.choice.forget_weights conv.choice.method conv.choice.set_winograd: settings
conv.depthwise.can_use conv.direct.forward_plan conv.direct.input_plan conv.direct_weight.weight_plan: plans
conv.winograd.passes.prepare_weight softmax.parts_of_logsumexp: parts of other kernels
later.load_later: loads modules
""")


def public_operations():
    """Return the operations that are functions of the package too, by name."""
    found = {}
    for info in pkgutil.iter_modules(ops.__path__):
        module = importlib.import_module(f"{ops.__name__}.{info.name}")
        for name in getattr(module, "__all__", ()):  # none where a module is only run
            value = getattr(module, name)
            if callable(value) and not isinstance(value, type) and getattr(ag, name, None) is value:
                found[name] = info.name
    return found


OPERATIONS = public_operations()


def kernel_functions():
    """Yield the public functions of the kernels, with their modules."""
    for info in pkgutil.walk_packages(kernels.__path__, f"{kernels.__name__}."):
        short = info.name.removeprefix(f"{kernels.__name__}.")
        if info.ispkg or any(short == name or short.startswith(name + ".") for name in NO_KERNELS):
            continue
        module = importlib.import_module(info.name)
        for name in getattr(module, "__all__", ()):
            value = getattr(module, name)
            if callable(value) and not isinstance(value, type):
                yield short, name


def test_there_is_something_to_look_at():
    assert len(OPERATIONS) > 200 and len(list(kernel_functions())) > 30


def test_every_module_of_operations_has_a_list_of_names():
    for info in pkgutil.iter_modules(ops.__path__):
        assert hasattr(importlib.import_module(f"{ops.__name__}.{info.name}"), "__all__"), f"ops/{info.name}.py"


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_an_operation_is_a_method_of_tensor(name):
    if name in WITHOUT_A_METHOD:
        assert not hasattr(Tensor, name), f"Tensor.{name} exists: take it out of WITHOUT_A_METHOD"
    else:
        assert hasattr(Tensor, name), (
            f"{name} of ops/{OPERATIONS[name]}.py is no method: add `{name} = {OPERATIONS[name]}.{name}` to Tensor "
            "(tensor/tensor.py), or say in WITHOUT_A_METHOD why there is none"
        )


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_an_operation_with_a_name_of_numpys_takes_its_place(name):
    function = getattr(np, name, None) or getattr(np.linalg, name, None)
    known = {*numpy_protocol.UFUNCS, *numpy_protocol.FUNCTIONS, *numpy_protocol.WITHOUT_GRADIENT}
    if not callable(function) or isinstance(function, type):
        return
    if name in WITHOUT_NUMPY:
        assert function not in known, f"np.{name} is known: take it out of WITHOUT_NUMPY"
    else:
        assert function in known, (
            f"np.{name} of a tensor is not {name}(): add it to UFUNCS or FUNCTIONS in tensor/numpy_protocol.py, or say "
            "in WITHOUT_NUMPY why it is something else"
        )


def test_a_kernel_has_a_naive_twin():
    missing = [
        f"{module}.{name}"
        for module, name in kernel_functions()
        if not hasattr(reference, name) and f"{module}.{name}" not in {*TWINS, *NO_ARRAYS}
    ]
    assert not missing, (
        f"{', '.join(missing)}: write a naive twin in tests/reference.py and compare with it in tests/kernels, or say "
        "in TWINS what the kernel is compared with"
    )


def test_the_lists_name_what_exists():
    assert set(WITHOUT_A_METHOD) <= set(OPERATIONS), set(WITHOUT_A_METHOD) - set(OPERATIONS)
    assert set(WITHOUT_NUMPY) <= set(OPERATIONS), set(WITHOUT_NUMPY) - set(OPERATIONS)
    known = {f"{module}.{name}" for module, name in kernel_functions()}
    assert {*TWINS, *NO_ARRAYS} <= known, {*TWINS, *NO_ARRAYS} - known


@pytest.mark.parametrize(
    "call",
    [
        lambda x: np.atleast_1d(x), lambda x: np.atleast_3d(x), lambda x: np.column_stack([x, x]),
        lambda x: np.dstack([x, x]), lambda x: np.hstack([x, x]), lambda x: np.vstack([x, x]), np.fliplr, np.flipud,
        np.rot90, lambda x: np.hsplit(x, 3)[1], lambda x: np.vsplit(x, 2)[0], lambda x: np.array_split(x, 2, 1)[1],
        lambda x: np.cross(x, x[::-1]), lambda x: np.inner(x, x), lambda x: np.kron(x, x), np.diff,
        lambda x: np.diff(x, 2, 1), np.nansum, lambda x: np.nanmean(x, axis=1, keepdims=True),
        lambda x: np.quantile(x, 0.3, 1), np.exp2, np.deg2rad, np.degrees, np.positive,
        lambda x: np.logaddexp(x, 0.5), lambda x: np.logaddexp(0.5, x),
        lambda x: np.linalg.det(x[:, :2]), lambda x: np.linalg.slogdet(x[:, :2])[1], np.linalg.pinv,
        lambda x: np.linalg.inv(x[:, :2]), lambda x: np.linalg.solve(x[:, :2], x[:, 0]),
        lambda x: np.linalg.matrix_power(x[:, :2], 3), lambda x: np.linalg.cholesky(x @ x.T),
        lambda x: np.linalg.eigvalsh(x @ x.T), lambda x: np.linalg.eigh(x @ x.T)[0],
    ],
)  # fmt: skip
def test_numpys_function_of_a_tensor_is_recorded_and_has_its_values(call):
    array = np.array([[0.5, -1.0, 2.0], [1.5, 0.25, -3.0]])
    x = Tensor(array, requires_grad=True)
    out = call(x)
    assert isinstance(out, Tensor) and out.requires_grad
    np.testing.assert_allclose(np.asarray(out.detach()), call(array), rtol=1e-6, strict=True)
