"""Random calls of expressions beside the same calls in float64: values, gradients and dtypes.

An expression of `tests.ops.expressions` is called with its arrays in dtypes drawn at random, mixed ones among them,
laid out in memory in odd ways, with NaN, infinity, 1e20 and 1e-30, without elements, and with each number of it as a
Python number, a NumPy scalar, a 0-d array or tensor. What it gives is compared with PyTorch's result in float64, where
PyTorch is installed, and otherwise with ours; its dtype with PyTorch's for the same dtypes, or with the rule of
promotion.

A result may be as far off as rounding explains: as what the inputs' last digits change in float64, and some units in
the last place of the largest element. An error is no fault here: only what is silent counts.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

import autograd_nn as ag
from tests.ops.expressions import EXPRESSIONS

try:
    import torch
except ImportError:
    torch = None

LITERAL = re.compile(r"(?<![\w.\[])-?\d+\.\d+(?![\w\]])")
SINGULAR = re.compile("linalg|svd|qr|inv|det|lu_|solve|matrix_")  # equal rows have no inverse
SLACK = 64  # units in the last place, and times the effect of the inputs' last digits
FLOATS = ["f4"] * 8 + ["f8"] * 3 + ["f2"]
INTEGERS = ["i8", "i4", "i2", "i1", "u1"]
OTHERS = ["i8", "i4", "u1", "?"]
NUMBERS = [float, np.float32, np.float64, np.float16, lambda v: np.array(v), lambda v: ag.tensor(v),
           lambda v: ag.tensor(v, dtype=ag.float64)]  # fmt: skip


class Known(NamedTuple):
    """A difference that is meant: an expression and a problem, as regular expressions, why, and for which arrays."""

    call: str
    problem: str
    reason: str
    holds: Callable[[dict[str, np.ndarray]], bool] = lambda arrays: True  # of which arrays only


def floats(arrays):
    """Return all floating-point elements."""
    return np.concatenate([[0.0], *[a.ravel().astype(np.float64) for a in arrays.values() if a.dtype.kind == "f"]])


def infinite(arrays):
    """Return whether an element is infinite or NaN."""
    return not np.isfinite(floats(arrays)).all()


def far(arrays):
    """Return whether elements are so large that whole numbers have no digits after them."""
    return bool((np.abs(floats(arrays)) > 1e6).any())


def tiny(arrays):
    """Return whether all finite elements of an array are next to 0."""
    finite = [a[np.isfinite(a)] for a in arrays.values() if a.dtype.kind == "f"]
    return any(a.size and (np.abs(a) < 1e-6).all() for a in finite)


def integers(arrays):
    """Return whether integers stand where floats are usual."""
    return any(a.dtype.kind in "iu" for a in arrays.values())


def equal(arrays):
    """Return whether an array of numbers has equal elements."""
    return any(len(np.unique(a)) < a.size for a in arrays.values())


def singular(arrays):
    """Return whether a matrix is nearly singular, or holds what is not finite."""
    matrices = [a.astype(np.float64) for a in arrays.values() if a.dtype.kind == "f" and a.ndim > 1 and a.size]
    return any(not np.isfinite(a).all() or (np.linalg.svd(a, compute_uv=False)[..., -1] < 1e-3 * np.abs(a).max()).any()
               for a in matrices)


KNOWN = [
    Known(r"sinc\(", "", "PyTorch's argument pi x has no digits left near 1e20; at whole numbers ours is right"),
    Known(r"median\(|mode\(|sort\(|topk|kthvalue|max\(|min\(", "^result 1:", "which of equal elements is named", equal),
    Known(r"argsort|argmax|argmin", "^result 0:", "which of equal elements is named", equal),
    Known(r"digamma|polygamma|lgamma|gammaln", "float64", "PyTorch's trigamma has 12 digits"),
    Known(r"digamma|polygamma|lgamma|gammaln", "inf at", "near 1e20 all are integers: poles, which PyTorch misses",
          far),
    Known(r"conv_transpose", "nan at", "an infinite weight meets the zeros between the elements", infinite),
    Known(r"huber_loss|smooth_l1_loss|soft_margin_loss|cdist",
          r"is float\d\d, expected float(16|32)$",
          "of mixed dtypes PyTorch's gives the one of the input, ours the promoted one"),
    Known(r"any\(|all\(", "is bool, expected uint8", "any and all are booleans, of uint8 too"),
    Known(r"l1_loss|abs\(|norm\(|dist\(|slogdet|logdet|det\(|i1e|cholesky|index_reduce|scatter_reduce",
          "^gradient of .*: nan at", "the slope of NaN: sign(NaN) is NaN here, as in NumPy, and 0 in PyTorch",
          infinite),
    Known(r"acosh", "^gradient of .*: nan at", "below 1 the value is NaN, and so is the slope", infinite),
    Known(r"multi_margin_loss", "nan at", "a margin that is NaN PyTorch overlooks", infinite),
    Known(r"cholesky_ex\(x @ x", "^(result 0|gradient)", "of a singular matrix the factor ends where rounding says",
          lambda arrays: singular(arrays) or far(arrays) or tiny(arrays)),  # or whose product leaves the range
    Known(r"dtype=float64|float_power", "is float64, and no input is",
          "the expression names the dtype, or is float64 always"),
    Known(r"quantile", "^gradient of", "which of equal elements has the gradient", equal),
    Known(r"lu\(", "nan at|^result 0", "which pivot is chosen beside NaN", infinite),
    Known(r"slogdet", "^result 0: ", "of a determinant that is NaN PyTorch has the sign 0", infinite),
    Known(r"cholesky_inverse", "nan at", "infinity times 0", infinite),
    Known(r"conv", "^gradient of .*nan at", "an infinite weight meets the zeros between the elements of a gradient",
          infinite),
    Known(r"hardsigmoid", "0.1666", "PyTorch's sixth has the digits of float32"),
    Known(r"binary_cross_entropy\(", "^gradient of q: .*e-", "PyTorch's bound 1e-12 has the digits of float32", tiny),
    Known(r"binary_cross_entropy_with_logits.*pos_weight", "expected float(16|32)$",
          "PyTorch computes in place in the dtype of 1 - target"),
    Known(r"hinge_embedding_loss", "^result 0", "PyTorch leaves a loss of integers, with a margin that is none",
          integers),
    Known(r"scale_factor=0.4.*antialias", "^result 0", "PyTorch repeats the first row in a result of width 1"),
    Known(r"grid_sample.*bicubic", "^gradient of z: ",
          "beyond 2**24 all taps are one element, whose slopes cancel up to rounding", far),
    Known(r"(scatter|index)_reduce.*include_self=False", "^gradient of",
          "PyTorch counts an element that takes no part among the equal ones", equal),
    Known(r"embedding_bag.*max", "nan at", "PyTorch overlooks NaN in a bag unless it comes first", infinite),
    Known(r"cross_entropy.*label_smoothing", "^gradient of l: .*expected -?[0-9.]*e-1",
          "shares near 1/3 cancel to 1e-18", tiny),
    Known(r"ctc_loss", "^gradient of", "near 1e20 PyTorch's is the exponential of what lost its digits, or NaN", far),
    Known(r"gammaincc?\(|igammac?\(", "^gradient of p", "of integers PyTorch takes the logarithm of gamma in float32",
          integers),
    Known(r"lstsq", "result 2: shape", "the rank has the batch shape of the result"),
    Known(r"cholesky(_ex)?\(x @", "inf at", "the product of the expression overflows", far),
    Known(r"renorm|cosine_similarity", "gradient of .*e-2[0-9]", "squares near 1e-40 on the way have few digits"),
    Known(r"ldexp", "^gradient of x", "PyTorch takes 2 to the power of integers, which is 0 below 1", integers),
    Known(r"local_response_norm", "^result 0", "PyTorch cuts the mean of integers to an integer", integers),
    Known(r"polygamma|digamma", "inf at", "at 0, -1, -2 ... are poles, which PyTorch misses in float32", integers),
    Known(r"trapezoid", "expected u?int", "without elements PyTorch leaves integers", integers),
    Known(r"median\(x\)|median\(\)", "^gradient of", "which of equal elements has the gradient", equal),
    Known(r"(^|[^\w])(sign_?|sgn|heaviside)\(", "^result 0: nan at", "of NaN it is NaN, as in NumPy, and 0 in PyTorch",
          infinite),
    Known(r"^n . 1.5", "float64", "PyTorch's reference is float32, as no float is given", integers),
    Known(r"logical_(and|or|not)_\(", "^gradient of x: 0.0 at", "PyTorch's gradient passes what was overwritten"),
    Known(r"solve|lstsq|qr\(|matrix_power|inv", "nan at", "which pivot is chosen beside infinity or NaN", infinite),
    Known(r"det\(", "^gradient of", "which pivot is chosen beside infinity or NaN", infinite),
    Known(r"lstsq.*residuals", "^gradient of .*nan at", "the squares overflow, and so does their sum", far),
    Known(r"multilabel_margin_loss", "", "infinity less infinity, and NaN, which PyTorch overlooks", infinite),
    Known(r"binary_cross_entropy_with_logits.*pos_weight", "nan at", "an infinite weight meets infinity", infinite),
    Known(r"clamp\(", "^gradient of", "which of three of which one is NaN has the gradient", infinite),
    Known(r"triplet_margin", "^(result|gradient)", "distances near 1e20 cancel", far),
    Known(r"gradient\(x, spacing", "is float16, expected float32", "PyTorch divides integers first", integers),
    Known(r"gradient\(x, spacing", "^gradient of x: nan at", "infinite distances", infinite),
    Known(r"searchsorted|bucketize", "^result 0", "NaN among the boundaries is behind all, infinity too", infinite),
    Known("pixel_unshuffle", r"shape \(0, ", "without images PyTorch returns what it was given"),
    Known(r"as_strided\(", "^result 0", "reads the memory as it lies, which the reference has in order"),
    Known(r"mode\(", "^gradient of", "which of equal elements has the gradient", equal),
    Known(r"lcm\(", "^result 0", "beyond the range", integers),
    Known(r"l1_loss.*none", "is float32, expected int", "a loss of integers is float32", integers),
    Known(r"_reduce\(.*prod", "^gradient of", "the product underflows, and is divided by its factors", tiny),
    Known(r"special.i1e|special.erfcx|log_ndtr|F.softsign", "^gradient of x", "PyTorch's formulas cancel far out", far),
    Known(r"F.tanhshrink", "^gradient of x: .*e-[4-6][0-9]", "PyTorch's tanh squared is 0 near 1e-60", tiny),
    Known(r"gammaincc|igammac", "^result 0", "PyTorch takes 1 - P, of which little is left", tiny),
    Known(r"cross_entropy.*label_smoothing", r"^gradient of l: .*expected -?[0-9.]*e-(1[5-9]|[2-9]\d)",
          "shares that cancel to the last digit"),
    Known(r"TripletMarginWithDistanceLoss.*y \* 2", "", "y * 2 of bytes wraps, by the expression", integers),
    Known(r"x.det\(\)", "gradient", "determinants near 1e60 and 1e-90 on the way"),
]


class Given(NamedTuple):
    """What a call is given: the expression, its arrays by name as they are drawn, and what its numbers become."""

    call: str
    arrays: dict
    number: object


def compared(chance, only=""):
    """Draw a call whose expression holds `only`, and compare it; return it and its problem, as `problem_of`.

    Some operations take no mixed dtypes, no integers, or nothing empty. A call that ends in an error is therefore drawn
    again for the same expression, at first with all floats of one dtype, and at last with elements and plain numbers.
    """
    row = chance.choice([row for row in EXPRESSIONS if only in row[0]])
    for severity in range(3):
        given = drawn(chance, row, severity)
        problem = problem_of(given, chance)
        if problem is not None:
            break
    return given, problem


def drawn(chance, row, severity=0):
    """Return a call of an expression, drawn at random; of severity 1 the floats have one dtype, of 2 elements too."""
    call, arrays, names = row
    common = chance.choice(FLOATS) if severity or chance.random() < 0.6 else None
    scale = chance.choice([1e20, 1e-30]) if chance.random() < 0.15 else 1
    given = {name: array(chance, call, numbers(chance, value, severity) if name in "nd" else value, common, scale,
                         severity < 2) for name, value in zip(names.split(), arrays)}
    return Given(call, given, chance.choice(NUMBERS if severity < 2 else NUMBERS[:3]))


def numbers(chance, value, severity):
    """Return integers of another dtype, sometimes at the ends of its range."""
    dtype = np.dtype("i8" if severity > 1 else chance.choice(INTEGERS if severity else [*INTEGERS, "?"]))
    if dtype.kind != "b" and chance.random() < 0.15:
        value = value * (int(np.iinfo(dtype).max) // int(chance.choice([4, 5, 1000])))
    return value.astype(dtype)


def array(chance, call, value, common, scale, empty):
    """Return an array of other dtype, values and memory."""
    value = np.asarray(value)
    if value.dtype.kind == "c":
        value = (value * scale).astype(chance.choice(["c8", "c16"]))
    elif value.dtype.kind == "f":
        dtype = np.dtype(common or chance.choice(FLOATS if chance.random() < 0.8 else OTHERS))
        with np.errstate(all="ignore"):
            value = (value * scale if dtype.kind == "f" else np.round(value * 2)).astype(dtype)
        if dtype.kind == "f" and value.size and chance.random() < 0.08:
            value.flat[chance.randrange(value.size)] = chance.choice([np.nan, np.inf, -np.inf])
    elif value.dtype.kind == "i" and chance.random() < 0.1:
        value = value.astype(chance.choice(["i4", "i2"]))
    kind = chance.randrange(8)
    if kind == 0:
        value = value.copy()
        value.flags.writeable = False
    elif kind == 1:
        value = np.asfortranarray(value)
    elif kind == 2 and value.ndim:
        value = np.repeat(value, 2, 0)[::2]
    elif kind == 3 and value.ndim:
        value = value[::-1].copy()[::-1]
    elif kind == 4 and value.ndim and len(value) and value.dtype.kind == "f" and not SINGULAR.search(call):
        value = np.broadcast_to(value[:1], value.shape)
    elif kind == 5 and value.ndim and empty and chance.random() < 0.2:
        value = value[:0]
    return value


# ------------------------------------------------------------------------------------ evaluation


_compiled: dict = {}


def code(call):
    """Return an expression compiled, with its numbers handed to `number_`."""
    if call not in _compiled:
        _compiled[call] = compile(LITERAL.sub(lambda m: f"number_({m[0]})", call), call, "eval")
    return _compiled[call]


def scope(library):
    """Return the names that expressions are written in."""
    names = {name: getattr(library, name) for name in dir(library)}
    return names | {"F": library.nn.functional, "linalg": library.linalg, "special": library.special}


_scopes = {library: scope(library) for library in (ag, torch) if library is not None}


def evaluated(library, call, arrays, number, gradients, grad=True):
    """Return the results of a call and the gradients of a weighting of them, as arrays; None for no gradient.

    A pair of libraries gives the results of the first, which has no gradient of the call, and the second's gradients.
    """
    if isinstance(library, tuple):
        first, second = library
        return (evaluated(first, call, arrays, number, gradients, grad=False)[0],
                evaluated(second, call, arrays, number, gradients)[1])
    if library is torch and (grad or "embedding_bag" in call) and not all(value.size for value in arrays.values()):
        raise NotImplementedError("PyTorch crashes on bags, and on some backward passes, without elements")
    if library is torch and call.startswith("F.grid_sample") and not (np.abs(arrays["z"]) < 1e6).all():
        raise NotImplementedError("PyTorch's backward pass crashes on some positions far away")
    leaves = {}
    for name, value in arrays.items():
        wraps = library is torch and (not value.flags.writeable or any(s < 0 for s in value.strides))
        x = library.from_numpy(value.copy()) if wraps else tensor(library, value)
        leaves[name] = x.requires_grad_() if grad and name in gradients and value.dtype.kind in "fc" else x
    out = eval(code(call), {**_scopes[library], **leaves, "number_": number})
    results = list(out if isinstance(out, tuple | list) else [out])
    recorded = [x for x in results if x.requires_grad]
    if recorded:
        total = 0
        for x in recorded:
            weights = np.cos(np.arange(x.numel())).reshape(tuple(x.shape)).astype(str(x.dtype).rpartition(".")[2])
            part = (x * library.from_numpy(weights)).sum()
            total = total + (part.real if x.is_complex() else part)
        total.backward()
    slopes = [leaves[name].grad for name in gradients]
    return ([real(np.asarray(x.detach())) for x in results],
            [None if g is None else real(np.asarray(g.resolve_conj())) for g in slopes])


def tensor(library, value):
    """Return a tensor of the memory of an array, negative strides too, which only slices of tensors give."""
    steps = tuple(slice(None, None, -1 if s < 0 else None) for s in value.strides)
    return library.from_numpy(value[steps])[steps] if min(value.strides, default=0) < 0 else library.from_numpy(value)


def real(value):
    """Return an array without complex numbers: they become pairs."""
    return np.stack([value.real, value.imag], -1) if value.dtype.kind == "c" else value


def plain(value, wide=True):
    """Return an array as float64, if wide bytes as int64 (which no difference or square leaves), others as they are."""
    kinds = {"f": np.float64, "c": np.complex128} | ({"u": np.int64} if wide else {})
    return np.array(value, kinds.get(value.dtype.kind, value.dtype), order="C")


def promoted(arrays):
    """Return the floating-point dtype that PyTorch's rule gives: that of inputs with dims, else of the 0-d ones."""
    for inputs in ([a for a in arrays if a.ndim], [a for a in arrays if not a.ndim]):
        floats = [a.dtype for a in inputs if a.dtype.kind == "f"]
        if floats:
            return np.result_type(*floats)
    return np.dtype(np.float32)


# ------------------------------------------------------------------------------------ comparison


def problem_of(given, chance):
    """Return what is silently wrong with a call; '' for nothing, None if it, or its reference, ends in an error."""
    call, arrays, number = given
    floats = [name for name, a in arrays.items() if a.dtype.kind in "fc" and name not in "gt"]
    exact = all(a.dtype.kind in "iu?" for a in arrays.values())
    errors = (ValueError, TypeError, RuntimeError, IndexError, NotImplementedError, OverflowError, AttributeError,
              AssertionError)  # fmt: skip
    with np.errstate(all="ignore"):
        before = {name: value.copy() for name, value in arrays.items()}
        try:
            found, gradients = evaluated(ag, call, arrays, number, floats)
        except errors:
            return None
        for name, value in arrays.items():
            if not np.array_equal(value, before[name], equal_nan=value.dtype.kind == "f"):
                return f"input {name} was changed"
        wide = {name: plain(value) for name, value in arrays.items()}

        def number_(value):
            return float(number(value))  # what a number of few digits holds

        if torch is not None and _try(torch, call, wide, number_, floats, errors) is None:
            wide = {name: plain(value, wide=False) for name, value in arrays.items()}
        library = reference_library(call, wide, floats, number_, errors)
        if library is None:
            return None
        expected = evaluated(library, call, wide, number_, floats)
        if library is not ag:  # where PyTorch's is not finite, ours in float64 decides
            expected = finite_or(expected, _try(ag, call, wide, number_, floats, errors))
        same = _try(torch, call, arrays, number_, floats, errors)
        lowest = min([a.dtype for a in arrays.values() if a.dtype.kind in "fc"], key=lambda d: np.finfo(d).precision,
                     default=np.dtype(np.float32))
        eps = float(np.finfo(lowest).eps)
        if number in NUMBERS[5:6] and LITERAL.search(call):  # a 0-d tensor computes in its own precision
            eps = max(eps, float(np.finfo(np.float32).eps))
        moved = []
        for _ in range(3):
            signs = np.random.default_rng(chance.getrandbits(32))
            nudged = {name: value * (1 + eps * signs.choice([-1.0, 1.0], value.shape)) if value.dtype.kind in "fc"
                      else value for name, value in wide.items()}
            try:
                moved.append(evaluated(library, call, nudged, number_, floats))
            except errors:
                return None
        for i, value in enumerate(found):
            if exact and same and value.dtype == same[0][i].dtype and value.dtype.kind in "iu?":
                if not np.array_equal(value, same[0][i]):
                    return f"result {i}: {value}, expected {same[0][i]}"
                continue
            wrong = differs(value, expected[0][i], [m[0][i] for m in moved], eps, same and same[0][i])
            if wrong:
                return f"result {i}: {wrong}"
        for k, (name, value, right) in enumerate(zip(floats, gradients, expected[1])):
            others = [m[1][k] for m in moved]
            if value is None or right is None:
                if (value is not None and value.any()) or (right is not None and np.nan_to_num(right).any()):
                    return f"the gradient of {name} is {value}, expected {right}"
                continue
            if value.dtype != real(arrays[name]).dtype:
                return f"the gradient of {name} is {value.dtype}, {name} is {arrays[name].dtype}"
            nothing = np.isnan(real(arrays[name]))  # the slope there is anybody's
            value, right, *others = (np.where(nothing, value.dtype.type(0), x) for x in (value, right, *others))
            wrong = differs(value, right, others, eps, same and same[1][k])
            if wrong:
                return f"gradient of {name}: {wrong}"
        return wrong_dtype(given, found, errors)


def _try(library, call, arrays, number, floats, errors):
    """Return the results and gradients of a call, None if it ends in an error."""
    try:
        return evaluated(library, call, arrays, number, floats) if library is not None else None
    except errors:
        return None


def finite_or(first, second):
    """Return results and gradients, those elements of them that are not finite taken from others."""
    if second is None or len(first[0]) != len(second[0]):
        return first

    def merged(a, b):
        if a is None or b is None or a.shape != b.shape or a.dtype.kind != "f":
            return a
        return np.where(np.isfinite(a), a, b)

    return [merged(a, b) for a, b in zip(first[0], second[0])], [merged(a, b) for a, b in zip(first[1], second[1])]


def reference_library(call, wide, floats, number, errors):
    """Return the library whose float64 results are the reference, None if the call ends in an error there."""
    for library in (torch, torch and (torch, ag), ag):
        if library is not None:
            try:
                evaluated(library, call, wide, number, floats)
            except errors:
                continue
            return library
    return None


def differs(value, right, others, eps, same=None):
    """Return how an array differs from what it should be by more than rounding; '' if it does not.

    Parameters
    ----------
    value, right : ndarray
        What was found, and what it is in float64.
    others : list of ndarray
        What it is for inputs whose last digits are others.
    eps : float
        A unit in the last place of the least precise input.
    same : ndarray, optional
        What PyTorch gives in the same dtypes: an overflow on the way is none of ours if it has the same.
    """
    if value.shape != right.shape:
        return f"shape {value.shape}, expected {right.shape}"
    if not value.size:
        return ""
    right = right.astype(np.float64)
    if value.dtype.kind == "f":
        info = np.finfo(value.dtype)
        high, low, eps = float(info.max), float(info.tiny), max(float(info.eps), eps, 1e-14)
    else:
        limits = np.iinfo(value.dtype) if value.dtype.kind in "iu" else None
        high, low, eps = (float(limits.max) if limits else 1.0), 0.5 / SLACK, eps
        right = np.where((right < (limits.min if limits else 0)) | (right > high), np.inf, right)
    finite = np.isfinite(right)
    size = np.abs(right[finite & (np.abs(right) < high)]).max(initial=0.0)
    moves = np.max([np.abs(other.astype(np.float64) - right) for other in others], axis=0)
    settled = np.isfinite(moves) | ~finite
    tolerance = SLACK * (np.nan_to_num(moves) + eps * size + low)
    infinite = np.isnan(right) | (np.isinf(right) & (value.dtype.kind == "f"))
    near = high / 64 if value.dtype.kind == "f" else high + tolerance + 1  # next to the largest float it may overflow
    representable = infinite | (np.abs(right) + tolerance < near)
    x = value.astype(np.float64)
    with np.errstate(all="ignore"):
        agrees = np.where(np.isnan(right), np.isnan(x), (x == right) | (np.abs(x - right) <= tolerance))
    wrong = ~agrees & representable & settled
    if same is not None and same.shape == value.shape and same.dtype == value.dtype and value.dtype.kind == "f":
        wrong &= ~np.isclose(same, value, 16 * np.finfo(value.dtype).eps, 0, equal_nan=True)
    if not wrong.any():
        return ""
    place = np.unravel_index(int(np.argmax(wrong)), value.shape)
    return (f"{value[place]} at {tuple(map(int, place))}, expected {right[place]:.6g} ({value.dtype}, tolerance "
            f"{np.broadcast_to(tolerance, value.shape)[place]:.2g})")


def wrong_dtype(given, found, errors):
    """Return which result has another dtype than PyTorch gives, or than the rule allows."""
    call, arrays, _ = given
    numbers_decide = given.number in NUMBERS[4:] and not any(a.dtype.kind == "f" and a.ndim for a in arrays.values())
    if numbers_decide:  # the dtype of a 0-d tensor counts where no tensor with dims is of its category
        return ""
    if torch is not None:
        try:
            expected, _ = evaluated(torch, call, arrays, float, [], grad=False)
        except errors:
            expected = []
        for i, (value, right) in enumerate(zip(found, expected)):
            if value.dtype != right.dtype:
                return f"result {i} is {value.dtype}, expected {right.dtype}"
        if expected:
            return ""
    widest = np.result_type(promoted(list(arrays.values())), *[a.dtype for a in arrays.values()
                                                                       if a.dtype.kind == "f"],
                            *[a.real.dtype for a in arrays.values() if a.dtype.kind == "c"])
    for i, value in enumerate(found):
        if value.dtype.kind == "f" and value.dtype.itemsize > max(widest.itemsize, 4):
            return f"result {i} is {value.dtype}, and no input is"
    return ""


def known(given, problem):
    """Return whether a problem is listed."""
    return any(re.search(row.call, given.call) and re.search(row.problem, problem) and row.holds(given.arrays)
               for row in KNOWN)


def described(given):
    """Return a call in one line."""
    arrays = ", ".join(f"{name}: {a.dtype} {a.shape} {a.strides}" for name, a in given.arrays.items())
    return f"{given.call} with {arrays}; numbers as {getattr(given.number, '__name__', given.number)}"
