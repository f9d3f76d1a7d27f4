"""PyTorch's table of layers and losses: the same module with the same parameters here, and how they compare."""

from torch.testing._internal.common_modules import module_db

from autograd_nn import Tensor, nn
from tests.torch_samples import compare
from tests.torch_samples.differences import MODULES

compare.thaw()

DRAWN = {"RReLU"}  # what a layer draws at random in training
ROWS = {
    row.module_cls.__name__: row
    for row in module_db
    if hasattr(nn, row.module_cls.__name__) and not row.module_cls.__name__.startswith("Lazy")  # parameters come later
}


def is_listed(name, wrong):
    """Return whether a difference stands in the list of deliberate ones."""
    return any(name == each.name and each.pattern.search(wrong) for each in MODULES)


def outcomes(row, dtype, training):
    """Yield for each sample of a layer how it differs (an empty text where it does not), and the sample."""
    for sample in row.module_inputs_func(row, device="cpu", dtype=dtype, requires_grad=True, training=training):
        try:
            yield outcome(row.module_cls, sample, dtype, training), sample
        except compare.Absent:
            continue


def outcome(module_cls, sample, dtype, training):
    """Make a module of both frameworks, with the same parameters and buffers, and compare a call."""
    build, forward = sample.constructor_input, sample.forward_input
    theirs = module_cls(*build.args, **{"dtype": dtype, **build.kwargs} if accepts_dtype(module_cls) else build.kwargs)
    theirs = theirs.to(dtype).train(training)
    made = {}
    positional = compare.converted(list(build.args), made)
    keywords = {name: value for name, value in build.kwargs.items() if name not in ("device", "dtype")}
    try:
        ours = getattr(nn, module_cls.__name__)(*positional, **compare.converted(keywords, made))
        ours = ours.to(compare.DTYPES[dtype]).train(training)
        ours.load_state_dict({name: Tensor(x.numpy().copy()) for name, x in theirs.state_dict().items()})
    except compare.Absent:
        raise
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    if forward is None:
        return ""
    made = {}
    ours_by_name = dict(ours.named_parameters())
    for name, parameter in theirs.named_parameters():
        made[id(parameter)] = parameter, ours_by_name[name]
    return compare.compared(theirs, ours, forward.args, forward.kwargs, module_cls.__name__ not in DRAWN, True, made)


def accepts_dtype(module_cls):
    """Return whether a layer has parameters, and so takes a dtype."""
    return "dtype" in module_cls.__init__.__code__.co_varnames
