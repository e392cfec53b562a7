"""Fractional max pooling: the largest element of windows at random places that shrink an axis by any fraction."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..kernels import pooling as kernels
from ..tensor import Tensor
from .define import op
from .pool import _scatter, numbers
from .random import rand

__all__: list[str] = []


def _picking(rank: int) -> Any:
    @op(
        f"FractionalMaxPool{rank}DBackward0",
        flat=True,
        input=lambda g, indices, input_shape: _scatter(g, indices, tuple(input_shape[-rank:]), False),
        outputs=("out", "indices"),
        nondifferentiable=("indices",),
        batch="leading",
    )
    def pick(input, samples, output, kernel):
        """The largest elements and their places; ``samples``, (*, rank), say where windows begin."""
        if rank == 2:
            samples = samples[..., ::-1]  # of images PyTorch gives the first number to the width
        axes = zip(np.moveaxis(samples, -1, 0), input.shape[-rank:], output, kernel, strict=True)
        return kernels.largest_at(input, tuple((kernels.fractional_starts(*axis), axis[-1]) for axis in axes))

    return pick


_pick = {rank: _picking(rank) for rank in (2, 3)}


def _output_size(input: Tensor, rank: int, output_size: Any, output_ratio: Any) -> tuple[int, ...]:
    if output_size is not None:
        return numbers(output_size, rank, "output_size")
    if output_ratio is None:
        raise ValueError(f"fractional_max_pool{rank}d requires specifying either an output_size or an output_ratio")
    ratios = (output_ratio,) * rank if isinstance(output_ratio, (int, float)) else tuple(output_ratio)
    if len(ratios) != rank:
        raise ValueError(
            f"fractional_max_pool{rank}d requires output_ratio to either be a single number or tuple of {rank} "
            f"numbers, got {output_ratio}"
        )
    return tuple(int(size * ratio) for size, ratio in zip(input.shape[-rank:], ratios, strict=True))


def _check_sizes(sizes: tuple[int, ...], output: tuple[int, ...], kernel: tuple[int, ...]) -> None:
    rank = len(sizes)
    for name, size, count, length in zip(("time", "height", "width")[-rank:], sizes, output, kernel, strict=True):
        if count + length - 1 > size - (rank == 3):  # PyTorch wants one more to spare in volumes
            raise RuntimeError(
                f"fractional_max_pool{rank}d(): pool {name} {length} too large relative to input {name} {size}"
            )


def _check_samples(samples: Tensor, input: Tensor, rank: int) -> None:
    function = f"fractional_max_pool{rank}d"
    if samples.dtype != input.dtype:
        raise RuntimeError(
            f"Expect _random_samples to have the same dtype as input: {input.dtype}, not {samples.dtype}"
        )
    if samples.dim() != 3:
        raise RuntimeError(f"Expect _random_samples to have 3 dimensions, got {samples.dim()}")
    batch = 1 if input.dim() == rank + 1 else input.shape[0]
    if samples.shape[0] < batch:
        raise RuntimeError(f"{function}: Expect _random_samples.size(0) no less then input batch size.")
    if samples.shape[1] != input.shape[-rank - 1]:
        raise RuntimeError(f"{function}: Expect _random_samples.size(1) equals to input channel size.")
    if samples.shape[2] != rank:
        raise RuntimeError(f"{function}: Expect _random_samples.size(2) equals to {rank}; got {samples.shape[2]}.")


def _fractional_max_pool(rank: int) -> Any:
    name = f"fractional_max_pool{rank}d"

    def pool(input, kernel_size, output_size=None, output_ratio=None, return_indices=False, _random_samples=None):
        output = _output_size(input, rank, output_size, output_ratio)
        if input.dim() not in (rank + 1, rank + 2):
            raise RuntimeError(f"{name}(): Expected {rank + 1}D or {rank + 2}D tensor, but got: {list(input.shape)}")
        kernel, sizes = numbers(kernel_size, rank, "kernel_size"), tuple(input.shape[-rank:])
        _check_sizes(sizes, output, kernel)
        lead = tuple(input.shape[:-rank])
        if _random_samples is None:
            _random_samples = rand(*((1, *lead)[-2:]), rank, dtype=input.dtype)
        _check_samples(_random_samples, input, rank)
        samples = _random_samples[: lead[0] if len(lead) == 2 else 1].reshape(*lead, rank)
        values, indices = _pick[rank](input, samples, output, kernel)
        return (values, indices) if return_indices else values

    pool.__name__ = pool.__qualname__ = name
    pool.__doc__ = f"""The largest element of windows at random places along the last {rank} axes.

    The size shrinks to ``output_size``, or by the fraction ``output_ratio``; the windows, of ``kernel_size``, may
    overlap. With ``return_indices`` also the flat place of each maximum. ``_random_samples``, (N, C, {rank}) in
    [0, 1), decides the places. Source: Graham, 2014.

    Raises:
        ValueError: neither ``output_size`` nor ``output_ratio`` is given.
        RuntimeError: the windows do not fit into the input, or the samples do not fit it.
    """
    return pool


fractional_max_pool2d, fractional_max_pool3d = map(_fractional_max_pool, (2, 3))


def _with_indices(rank: int) -> Any:
    def pool(input, kernel_size, output_size=None, output_ratio=None, return_indices=True, _random_samples=None):
        function = fractional_max_pool2d if rank == 2 else fractional_max_pool3d
        return function(input, kernel_size, output_size, output_ratio, True, _random_samples)

    pool.__name__ = pool.__qualname__ = f"fractional_max_pool{rank}d_with_indices"
    pool.__doc__ = f"`fractional_max_pool{rank}d` and the flat place of each maximum."
    return pool


fractional_max_pool2d_with_indices, fractional_max_pool3d_with_indices = map(_with_indices, (2, 3))
