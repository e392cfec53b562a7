"""Transformations of functions: derivatives and batches, nested in any order.

>>> import rushlight as torch
>>> torch.func.grad(lambda x: x**3)(torch.tensor(2.0))
tensor(12.)
"""

from __future__ import annotations

from ..missing import refuse as _refuse
from .forward import hessian, jacfwd, jvp
from .reverse import grad, grad_and_value, jacrev, linearize, vjp
from .stateless import functional_call, replace_all_batch_norm_modules_, stack_module_state
from .vmap import vmap

__all__ = [
    "functional_call",
    "grad",
    "grad_and_value",
    "hessian",
    "jacfwd",
    "jacrev",
    "jvp",
    "linearize",
    "replace_all_batch_norm_modules_",
    "stack_module_state",
    "vjp",
    "vmap",
]

__getattr__ = _refuse(__name__)
