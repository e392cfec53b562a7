"""Special functions under the names of ``torch.special``."""

from __future__ import annotations

from .missing import refuse as _refuse
from .ops.bessel import FUNCTIONS as _BESSEL
from .ops.powers import exp2, expm1, log1p, xlogy
from .ops.reduce import logsumexp
from .ops.rounding import round
from .ops.softmaxes import log_softmax, softmax
from .ops.special import (
    digamma,
    entr,
    erf,
    erfc,
    erfcx,
    erfinv,
    i0,
    i0e,
    i1,
    i1e,
    log_ndtr,
    logit,
    ndtr,
    ndtri,
    polygamma,
    xlog1py,
    zeta,
)
from .ops.special import igamma as gammainc
from .ops.special import igammac as gammaincc
from .ops.special import lgamma as gammaln
from .ops.special import mvlgamma as multigammaln
from .ops.special import sigmoid as expit
from .ops.trig import sinc

psi = digamma

__all__ = [
    "digamma", "entr", "erf", "erfc", "erfcx", "erfinv", "exp2", "expit", "expm1", "gammainc", "gammaincc", "gammaln",
    "i0",
    "i0e", "i1", "i1e", "log1p", "log_ndtr", "log_softmax", "logit", "logsumexp", "multigammaln", "ndtr", "ndtri",
    "polygamma", "psi", "round", "sinc", "softmax", "xlog1py", "xlogy", "zeta", *_BESSEL,
]  # fmt: skip
globals().update(_BESSEL)

__getattr__ = _refuse(__name__)
