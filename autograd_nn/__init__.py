"""autograd_nn: a small deep-learning framework for the CPU on NumPy and Numba.

The names here are PyTorch's, so that ``import autograd_nn as torch`` serves many scripts; dtypes are NumPy's. Each
public name stands once, in the `__all__` of its module.
"""

import importlib as _importlib
import importlib.util as _importlib_util
import typing as _typing
from types import ModuleType as _Module

from . import autograd as autograd
from . import devices as devices
from . import missing as _missing
from . import moved as _moved
from . import nn as nn
from . import optim as optim
from . import utils as utils
from .devices import *
from .devices import accelerator as accelerator
from .devices import cuda as cuda
from .engine import backward as backward
from .engine import elementwise as elementwise
from .engine import enable_grad as enable_grad
from .engine import get_default_dtype as get_default_dtype
from .engine import grad as grad
from .engine import is_grad_enabled as is_grad_enabled
from .engine import no_grad as no_grad
from .engine import primitive as primitive
from .engine import set_default_dtype as set_default_dtype
from .engine import set_grad_enabled as set_grad_enabled
from .engine.arguments import explain as _explain
from .look import mistakes as mistakes
from .nn.module import set_compiler as _set_compiler
from .ops.activation import celu as celu
from .ops.activation import prelu as prelu
from .ops.activation import selu as selu
from .ops.activation import threshold as threshold
from .ops.arithmetic import *
from .ops.complexes import *
from .ops.conv import *
from .ops.creation import *
from .ops.discrete import *
from .ops.distance import cdist as cdist
from .ops.distance import cosine_similarity as cosine_similarity
from .ops.distance import norm as norm
from .ops.distance import pdist as pdist
from .ops.elementwise import *
from .ops.fourier import istft as istft
from .ops.fourier import stft as stft
from .ops.index import *
from .ops.joining import *
from .ops.linalg import *
from .ops.maths import *
from .ops.matrices import det as det
from .ops.matrices import logdet as logdet
from .ops.matrices import matrix_exp as matrix_exp
from .ops.matrices import matrix_power as matrix_power
from .ops.matrices import slogdet as slogdet
from .ops.placing import *
from .ops.pool import avg_pool1d as avg_pool1d
from .ops.pool import avg_pool2d as avg_pool2d
from .ops.pool import max_pool1d as max_pool1d
from .ops.pool import max_pool2d as max_pool2d
from .ops.products import *
from .ops.random import *
from .ops.reduce import *
from .ops.scan import *
from .ops.scattering import *
from .ops.search import *
from .ops.shape import *
from .ops.slopes import *
from .ops.solving import cholesky_inverse as cholesky_inverse
from .ops.solving import cholesky_solve as cholesky_solve
from .ops.special import copysign as copysign
from .ops.special import digamma as digamma
from .ops.special import erfc as erfc
from .ops.special import erfinv as erfinv
from .ops.special import float_power as float_power
from .ops.special import frexp as frexp
from .ops.special import hypot as hypot
from .ops.special import i0 as i0
from .ops.special import ldexp as ldexp
from .ops.special import lgamma as lgamma
from .ops.special import logaddexp2 as logaddexp2
from .ops.special import polygamma as polygamma
from .ops.special import sinc as sinc
from .ops.special import xlogy as xlogy
from .ops.statistics import *
from .ops.types import *
from .ops.volumes import conv3d as conv3d
from .ops.volumes import conv_transpose3d as conv_transpose3d
from .ops.volumes import max_pool3d as max_pool3d
from .saving.checkpoints import load as load
from .saving.checkpoints import save as save
from .tensor import *
from .tensor.printing import set_printoptions as set_printoptions
from .tensor.size import Size as Size
from .torch_names import backends as backends
from .torch_names.aliases import *
from .torch_names.amp import GradScaler as GradScaler
from .torch_names.amp import autocast as autocast
from .torch_names.amp import is_autocast_enabled as is_autocast_enabled
from .torch_names.constants import *
from .torch_names.copies import *
from .torch_names.einops_backend import watch_einops as _watch_einops
from .torch_names.matrices import *
from .torch_names.typed_tensors import *

__version__ = "0.2.0"



def _compiler(*args: _typing.Any, **kwargs: _typing.Any) -> _typing.Any:
    """Load `compile`, and call it."""
    return _importlib.import_module(".compiled", __name__).compile(*args, **kwargs)


_watch_einops()
_set_compiler(_compiler)  # until it is loaded
_PACKAGES = (accelerator, autograd, backends, cuda, devices, mistakes, nn, optim, utils)
_ROOMS = ("compiled", "metrics", "models", "parallel", "testing")
_LATER = (  # imported by their first use
    "data", "distributed", "distributions", "fft", "func", "linalg", "look", "masked", "onnx", "saving", "sparse",
    "special", "training",
)  # fmt: skip
_FOUND_IN = {  # names whose modules are imported by their first use: these load the compiler
    "compile": "compiled", "get_num_threads": "kernels.compile", "set_num_threads": "kernels.compile",
}  # fmt: skip

if _typing.TYPE_CHECKING:  # a checker reads the imports, and no list that is computed
    from .compiled import compile as compile
    from .kernels.compile import get_num_threads as get_num_threads
    from .kernels.compile import set_num_threads as set_num_threads
else:
    __all__ = sorted(_FOUND_IN.keys() | {
        name
        for name, value in globals().items()
        if not name.startswith("_") and (not isinstance(value, _Module) or value in _PACKAGES)
    })

    _explain(globals(), __all__)

    def __dir__() -> list[str]:
        return sorted({*globals(), *_FOUND_IN, *_LATER, *_ROOMS})

    def __getattr__(name: str) -> _typing.Any:
        if name in _FOUND_IN:
            globals()[name] = getattr(_importlib.import_module(f".{_FOUND_IN[name]}", __name__), name)
            _explain(globals(), [name])
            return globals()[name]
        if name in _LATER or _moved.new_names(f"{__name__}.{name}") or (
            not name.startswith("_") and _importlib_util.find_spec(f"{__name__}.{name}") is not None
        ):
            return _importlib.import_module(f".{name}", __name__)
        if name == "vmap":
            return _importlib.import_module(".func", __name__).vmap
        if name in ("sparse_coo_tensor", "spmm"):
            return getattr(_importlib.import_module(".sparse", __name__), name)
        raise AttributeError(_missing.absent_function(name, [*__all__, *_LATER, *_ROOMS]))
