"""One step of an optimizer: its arithmetic on the arrays of all parameters of a group, which it changes in place.

Each function takes lists of arrays in the order of the parameters: the parameters, their gradients, what the optimizer
keeps of each. A list of what is not kept is empty. Complex numbers count as pairs of real ones.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .native import kernel

Arrays = list[np.ndarray]

# Elements an update works on at a time: few enough that an array's pieces and the temporaries stay in the cache.
_BLOCK = 32768


def pieces(arrays: Arrays, weight_decay: float = 0.0, shrink: float = 1.0, maximize: bool = False) -> Iterator[Arrays]:
    """Pieces ``[parameter, gradient, *state]`` of one parameter's arrays, to be updated in place one after the other.

    They are real and have at least one dimension. The gradient comes negated for ``maximize`` and with
    ``weight_decay`` times the parameter added, otherwise it is the caller's array and must not be written to;
    the parameter comes multiplied by ``shrink``.
    """
    arrays = [_real(array) for array in arrays]
    for piece in (arrays,) if arrays[0].size <= _BLOCK else _slices(arrays):
        if maximize:
            piece[1] = -piece[1]
        if weight_decay:
            piece[1] = piece[1] + weight_decay * piece[0]
        if shrink != 1:
            piece[0] *= shrink
        yield piece


def _real(array: np.ndarray) -> np.ndarray:
    if array.dtype.kind == "c":
        return array[..., None].view(array.real.dtype)
    return array if array.ndim else array.reshape(1)


def _slices(arrays: Arrays) -> Iterator[Arrays]:
    """Cut along the first dimension, which works whatever the strides are."""
    rows = len(arrays[0])
    height = max(1, _BLOCK * rows // arrays[0].size)
    for start in range(0, rows, height):
        yield [array[start : start + height] for array in arrays]


def _advance(step: np.ndarray) -> float:
    """Count one step more and return the count."""
    step += 1
    return float(step)


@kernel
def adam_step(
    params: Arrays,
    grads: Arrays,
    means: Arrays,
    squares: Arrays,
    largest: Arrays,
    steps: Arrays,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    shrink: float,
    maximize: bool,
) -> None:
    """Adam: ``p -= lr * m / (sqrt(v) + eps)`` with the corrected means ``m`` of gradients and ``v`` of their squares.

    With ``largest`` the largest ``v`` so far take its place. ``steps`` are counts, each an array of one number.
    """
    for step, *arrays in zip(steps, *(kept for kept in (params, grads, means, squares, largest) if kept), strict=True):
        count = _advance(step)
        root = (1 - beta2**count) ** 0.5
        # root * m / (sqrt(v) + root * eps) is m / (sqrt(v) / root + eps) with one operation less on arrays.
        rate, rooted_eps = lr * root / (1 - beta1**count), root * eps
        for p, g, m, v, *v_max in pieces(arrays, weight_decay, shrink, maximize):
            work = g - m
            work *= 1 - beta1
            m += work
            v *= beta2
            np.multiply(g, g, work)
            work *= 1 - beta2
            v += work
            if v_max:
                v = np.maximum(v_max[0], v, out=v_max[0])
            np.sqrt(v, work)
            work += rooted_eps
            np.divide(m, work, work)
            work *= rate
            p -= work


@kernel
def sgd_step(
    params: Arrays,
    grads: Arrays,
    buffers: Arrays,
    lr: float,
    momentum: float,
    take: float,
    nesterov: bool,
    weight_decay: float,
    maximize: bool,
) -> None:
    """Gradient descent ``p -= lr * g``; with buffers ``b = momentum * b + take * g; p -= lr * b``.

    ``nesterov`` steps along ``g + momentum * b``.
    """
    for arrays in zip(*(kept for kept in (params, grads, buffers) if kept), strict=True):
        for p, g, *buffer in pieces(list(arrays), weight_decay, maximize=maximize):
            if buffer:
                (b,) = buffer
                b *= momentum
                b += g if take == 1 else take * g
                g = g + momentum * b if nesterov else b
            p -= lr * g


@kernel
def rmsprop_step(
    params: Arrays,
    grads: Arrays,
    squares: Arrays,
    velocities: Arrays,
    means: Arrays,
    lr: float,
    alpha: float,
    eps: float,
    momentum: float,
    weight_decay: float,
    maximize: bool,
) -> None:
    """RMSprop: ``v = alpha * v + (1 - alpha) * g**2; p -= lr * g / (sqrt(v) + eps)``.

    ``velocities`` accumulate the quotients, with ``means`` of the gradients their variance takes the place of ``v``.
    """
    for arrays in zip(*(kept for kept in (params, grads, squares, velocities, means) if kept), strict=True):
        for p, g, v, *others in pieces(list(arrays), weight_decay, maximize=maximize):
            v *= alpha
            work = g * g
            work *= 1 - alpha
            v += work
            if means:
                mean = others[-1]
                mean += (1 - alpha) * (g - mean)
                np.sqrt(v - mean * mean, work)
            else:
                np.sqrt(v, work)
            work += eps
            np.divide(g, work, work)
            if velocities:
                velocity = others[0]
                velocity *= momentum
                velocity += work
                np.multiply(velocity, lr, work)
            else:
                work *= lr
            p -= work


@kernel
def adagrad_step(
    params: Arrays,
    grads: Arrays,
    sums: Arrays,
    steps: Arrays,
    lr: float,
    lr_decay: float,
    eps: float,
    weight_decay: float,
    maximize: bool,
) -> None:
    """Adagrad: ``s += g**2; p -= lr / (1 + (step - 1) * lr_decay) * g / (sqrt(s) + eps)``."""
    for step, *arrays in zip(steps, params, grads, sums, strict=True):
        rate = lr / (1 + (_advance(step) - 1) * lr_decay)
        for p, g, total in pieces(arrays, weight_decay, maximize=maximize):
            total += g * g
            p -= rate * g / (np.sqrt(total) + eps)
