"""Derivatives compared with finite differences: `gradcheck` and `gradgradcheck`.

A complex number counts as two real ones throughout: with PyTorch's convention the gradient of a real function has the
derivative by the real part as its real part, and that by the imaginary part as its imaginary part.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .gradients import grad

__all__ = ["GradcheckError", "gradcheck", "gradgradcheck"]


class GradcheckError(RuntimeError):
    """A derivative is not what it should be."""


def gradcheck(
    func: Callable,
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """Whether the gradients that backward gives for a function agree with finite differences.

    Args:
        func: takes the inputs, returns a tensor or a tuple of tensors.
        inputs: a tensor or a tuple; those that require grad are checked and should be of double precision.
        eps: the step of the finite differences.
        atol, rtol: how far apart the two may be.
        raise_exception: raise an error that says what differs, rather than return False.
        nondet_tol: how far two runs of the same backward may be apart.
        check_undefined_grad: check that gradients of outputs, and tangents of inputs, that are missing count as zeros.
        check_grad_dtypes: gradients must have the type of their input, tangents be complex where their output is.
        check_batched_grad: check that `vmap` of backward gives what backward gives for each of a batch of gradients.
        check_batched_forward_grad: the same of forward mode.
        check_forward_ad: check the tangents of forward mode too.
        check_backward_ad: check backward.
        fast_mode: compare one random combination of all derivatives rather than each.
        masked: zero gradients that are to give zeros need do so only nearly; otherwise for sparse tensors, which do not
            exist here.

    Raises:
        GradcheckError: a derivative differs; says of which output, by which input and element.
        ValueError: no input requires grad.
        RuntimeError: elements of an input share memory.
        AssertionError: there is nothing to check, or the function gives another shape or type beside the point.

    >>> import rushlight as torch
    >>> x = torch.tensor([0.5, 2.0], dtype=torch.float64, requires_grad=True)
    >>> torch.autograd.gradcheck(lambda x: x.exp() * x, x)
    True
    """
    _demand(check_forward_ad or check_backward_ad, "at least one of check_forward_ad or check_backward_ad to be True")
    _require("check_batched_grad", check_batched_grad, "check_backward_ad", check_backward_ad)
    _require("check_batched_forward_grad", check_batched_forward_grad, "check_forward_ad", check_forward_ad)
    from .checking import Check  # stands above the operations, which this module is loaded before

    check = Check(func, _as_tuple(inputs), eps, atol, rtol, nondet_tol, check_grad_dtypes, fast_mode)
    try:
        check.inputs_are_fit()
        if check_backward_ad:
            check.backward()
        if check_forward_ad or check_batched_grad:
            from . import checking_modes as modes

            if check_forward_ad:
                modes.check_forward(check, check_undefined_grad)
            if check_batched_forward_grad:
                modes.check_batched_forward(check)
            if check_batched_grad:
                modes.check_batched_backward(check)
        if check_backward_ad:
            check.zero_gradients(masked)
            if check_undefined_grad:
                check.undefined_gradients()
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(
    func: Callable,
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool = False,
) -> bool:
    """Whether the second derivatives of a function agree with finite differences of its first.

    Args:
        grad_outputs: the gradients of the outputs to start from, random ones by default.
        gen_non_contig_grad_outputs: make those random ones non-contiguous.
        check_fwd_over_rev: check forward mode of the first derivative too.
        check_rev_over_rev: check backward of the first derivative.

    The other arguments and the errors are those of `gradcheck`.

    >>> import rushlight as torch
    >>> x = torch.tensor([0.5, 2.0], dtype=torch.float64, requires_grad=True)
    >>> torch.autograd.gradgradcheck(lambda x: x.exp() * x, x)
    True
    """
    _demand(
        check_fwd_over_rev or check_rev_over_rev, "at least one of check_fwd_over_rev or check_rev_over_rev to be True"
    )
    _require("check_undefined_grad", check_undefined_grad, "check_rev_over_rev", check_rev_over_rev)
    _require("check_batched_grad", check_batched_grad, "check_rev_over_rev", check_rev_over_rev)
    from .checking import random_gradient

    inputs = _as_tuple(inputs)
    if grad_outputs is None:
        starts = tuple(
            random_gradient(output, gen_non_contig_grad_outputs)
            for output in _as_tuple(func(*inputs))
            if output.requires_grad
        )
    else:
        starts = _as_tuple(grad_outputs)
    given = inputs + starts
    recorded = [getattr(value, "requires_grad", False) for value in given]

    def first_derivative(*args: Any) -> tuple:
        # Checks of forward mode pass detached tensors.
        args = tuple(value.requires_grad_() if needed else value for value, needed in zip(args, recorded))
        point, weights = args[: len(inputs)], args[len(inputs) :]
        ends = [output for output in _as_tuple(func(*point)) if output.requires_grad]
        checked = [value for value, needed in zip(point, recorded) if needed]
        found = grad(ends, checked, weights, create_graph=True, allow_unused=True)
        return tuple(gradient for gradient in found if gradient is not None)

    return gradcheck(
        first_derivative,
        given,
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
        nondet_tol=nondet_tol,
        check_undefined_grad=check_undefined_grad,
        check_grad_dtypes=check_grad_dtypes,
        check_batched_grad=check_batched_grad,
        check_forward_ad=check_fwd_over_rev,
        check_backward_ad=check_rev_over_rev,
        fast_mode=fast_mode,
        masked=masked,
    )


def _as_tuple(value: Any) -> tuple:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)


def _demand(condition: bool, what: str) -> None:
    if not condition:
        raise AssertionError(f"Expected {what}")


def _require(option: str, given: bool, other: str, other_given: bool) -> None:
    if given and not other_given:
        raise AssertionError(f"Setting {option}=True requires {other} to be True")
