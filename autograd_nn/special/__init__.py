"""Special functions under PyTorch's names: ``special.erfcx``, ``special.ndtri``, ``special.xlogy`` ..."""

from __future__ import annotations

from ..ops.elementwise import erf, expm1, log1p, round
from ..ops.elementwise import sigmoid as expit
from ..ops.maths import exp2, logit
from ..ops.reduce import log_softmax, logsumexp, softmax
from ..ops.special import (
    digamma,
    entr,
    erfc,
    erfcx,
    erfinv,
    gammainc,
    gammaincc,
    i0,
    i0e,
    i1,
    i1e,
    log_ndtr,
    multigammaln,
    ndtr,
    ndtri,
    polygamma,
    sinc,
    xlog1py,
    xlogy,
    zeta,
)
from ..ops.special import digamma as psi
from ..ops.special import lgamma as gammaln

__all__ = ["digamma", "entr", "erf", "erfc", "erfcx", "erfinv", "exp2", "expit", "expm1", "gammainc", "gammaincc",
           "gammaln", "i0", "i0e", "i1", "i1e", "log1p", "log_ndtr", "log_softmax", "logit", "logsumexp",
           "multigammaln", "ndtr", "ndtri", "polygamma", "psi", "round", "sinc", "softmax", "xlog1py", "xlogy",
           "zeta"]  # fmt: skip
