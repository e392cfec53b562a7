"""vmap: a function of single examples done for a whole batch of them at once."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from .. import ops
from ..ops.batching import Batched, BatchLevel, batched
from ..ops.levels import opened
from ..tensor import Tensor
from . import trees

__all__ = ["vmap"]

RANDOMNESS = ("error", "different", "same")


def vmap(
    func: Callable,
    in_dims: Any = 0,
    out_dims: Any = 0,
    randomness: str = "error",
    *,
    chunk_size: int | None = None,
) -> Callable:
    """A function that does what ``func`` does for each element of a batch, all of them in the same operations.

    Args:
        func: takes and returns tensors, also in nested tuples, lists and dictionaries.
        in_dims: which axis of each argument is the batch: an int for all, or a tree like the arguments'; None for
            arguments that are the same for the whole batch.
        out_dims: where the batch axis goes in each result; None for a result that is the same for the whole batch.
        randomness: "error" refuses random operations, "same" draws once for the batch, "different" for each element.
        chunk_size: how many elements to do at once; by default all.

    Raises:
        ValueError: ``in_dims`` or ``out_dims`` do not go with the arguments or results, or their lengths differ.
        RuntimeError: the function does what cannot be batched, such as asking for the value of a tensor.

    >>> import rushlight as torch
    >>> torch.vmap(torch.dot)(torch.ones(3, 2), torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]))
    tensor([ 3.,  7., 11.])
    """
    if randomness not in RANDOMNESS:
        raise RuntimeError(f"Only allowed values for randomness are 'error', 'different', or 'same'. Got {randomness}")
    if chunk_size is not None and chunk_size <= 0:
        raise ValueError(f"vmap: chunk_size should be None or greater than 0. (got {chunk_size})")

    @functools.wraps(func)
    def call(*args: Any, **kwargs: Any) -> Any:
        size, dims, leaves, rebuild = split(func, in_dims, args)
        if chunk_size is None or chunk_size >= size:
            return _batch(func, size, dims, leaves, rebuild, out_dims, randomness, kwargs)
        return _in_chunks(func, size, dims, leaves, rebuild, out_dims, randomness, kwargs, chunk_size)

    return call


def name_of(func: Any) -> str:
    """What a function is called in errors."""
    return getattr(func, "__name__", repr(func))


def split(func: Any, in_dims: Any, args: tuple) -> tuple[int, list, list, Callable]:
    """The length of the batch, its axis in each leaf of the arguments (None without one), the leaves, their tree."""
    start = f"vmap({name_of(func)}, in_dims={in_dims}, ...)(<inputs>): "
    if not isinstance(in_dims, (int, tuple)):
        raise ValueError(
            f"{start}expected `in_dims` to be int or a (potentially nested) tuple matching the structure of inputs, "
            f"got: {type(in_dims)}."
        )
    if not args:
        raise ValueError(
            f"vmap({name_of(func)})(<inputs>): got no inputs. Maybe you forgot to add inputs, or you are trying to "
            "vmap over a function with no inputs. The latter is unsupported."
        )
    leaves, rebuild = trees.flatten(args)
    dims = trees.spread(in_dims, args)
    if dims is None:
        raise ValueError(
            f"{start}in_dims is not compatible with the structure of `inputs`. in_dims has structure "
            f"{trees.structure(in_dims)} but inputs has structure {trees.structure(args)}."
        )
    dims = [_checked(start, dim, leaf) for dim, leaf in zip(dims, leaves)]
    sizes = [leaf.array.shape[dim] for dim, leaf in zip(dims, leaves) if dim is not None]
    if not sizes:
        raise ValueError(f"vmap: Expected at least one Tensor to vmap over, but every in_dim of {in_dims} is None")
    if len(set(sizes)) > 1:
        raise ValueError(
            f"vmap: Expected all tensors to have the same size in the mapped dimension, got sizes {sizes} for the "
            "mapped dimension"
        )
    return sizes[0], dims, leaves, rebuild


def _checked(start: str, dim: Any, leaf: Any) -> int | None:
    """The batch axis of one leaf, counted from the front."""
    if dim is None:
        return None
    if not isinstance(dim, int):
        raise ValueError(
            f"{start}Got in_dim={dim} for an input but in_dim must be either an integer dimension or None."
        )
    if not isinstance(leaf, Tensor):
        raise ValueError(
            f"{start}Got in_dim={dim} for an input but the input is of type {type(leaf)}. We cannot vmap over "
            "non-Tensor arguments, please use None as the respective in_dim"
        )
    ndim = leaf.array.ndim
    if not -ndim <= dim < ndim:
        raise ValueError(
            f"{start}Got in_dim={dim} for some input, but that input is a Tensor of dimensionality {ndim} so expected "
            f"in_dim to satisfy -{ndim} <= in_dim < {ndim}."
        )
    return dim % ndim


def wrapped(level: BatchLevel, tensor: Any, dim: int | None) -> Any:
    """A tensor whose axis ``dim`` is the batch, as a tensor of the level."""
    if dim is None:
        return tensor
    return batched(level, tensor if dim == 0 else ops.movedim(tensor, dim, 0))


def unwrapped(level: BatchLevel, tensor: Any, dim: int) -> Tensor:
    """A tensor of the level as one with the batch as its axis ``dim``."""
    if level.is_mapped(tensor):
        inner = tensor.value
    else:
        inner = level.lowered(tensor)
        inner = ops.broadcast_to(inner, (level.size, *inner.array.shape))
    return inner if dim == 0 else ops.movedim(inner, 0, dim)


def _batch(
    func: Any, size: int, dims: list, leaves: list, rebuild: Any, out_dims: Any, randomness: str, kwargs: dict
) -> Any:
    level = BatchLevel(size, randomness)
    with opened(level):
        outputs = func(*rebuild([wrapped(level, leaf, dim) for leaf, dim in zip(leaves, dims)]), **kwargs)
    return _results(func, level, outputs, out_dims)


def _results(func: Any, level: BatchLevel, outputs: Any, out_dims: Any) -> Any:
    """What the function returned, with the batch as an axis."""
    leaves, rebuild = trees.flatten(outputs)
    dims = trees.spread(out_dims, outputs)
    start = f"vmap({name_of(func)}, ..., out_dims={out_dims})(<inputs>): "
    if dims is None and not isinstance(outputs, (tuple, list, dict)) and len(out_dims) == 1:
        dims = list(out_dims)
    if dims is None:
        raise ValueError(
            f"{start}out_dims is not compatible with the structure of `outputs`. out_dims has structure "
            f"{trees.structure(out_dims)} but outputs has structure {trees.structure(outputs)}."
        )
    results = []
    for leaf, dim in zip(leaves, dims):
        if dim is None:
            if isinstance(leaf, Batched) and level.is_mapped(leaf):
                raise ValueError(
                    f"vmap({name_of(func)}, ...): `{name_of(func)}` can not return a BatchedTensor when out_dim is None"
                )
            results.append(level.lowered(leaf))
            continue
        if not isinstance(dim, int):
            raise ValueError(
                f"{start}out_dims must be an int, None or a tree of them like the outputs, got {type(dim)}"
            )
        if not isinstance(leaf, Tensor):
            raise ValueError(
                f"vmap({name_of(func)}, ...): `{name_of(func)}` must only return Tensors, got type {type(leaf)}. Did "
                "you mean to set out_dims= to None for output?"
            )
        results.append(unwrapped(level, leaf, dim))
    return rebuild(results)


def _in_chunks(
    func: Any,
    size: int,
    dims: list,
    leaves: list,
    rebuild: Any,
    out_dims: Any,
    randomness: str,
    kwargs: dict,
    chunk_size: int,
) -> Any:
    """The batch in several parts, one after the other."""
    parts = []
    for start in range(0, size, chunk_size):
        length = min(chunk_size, size - start)
        some = [leaf if dim is None else ops.narrow(leaf, dim, start, length) for leaf, dim in zip(leaves, dims)]
        parts.append(_batch(func, length, dims, some, rebuild, out_dims, randomness, kwargs))
    flat = [trees.flatten(part)[0] for part in parts]
    _, build = trees.flatten(parts[0])
    places = trees.spread(out_dims, parts[0]) or [0]
    return build([column[0] if dim is None else ops.cat(list(column), dim) for column, dim in zip(zip(*flat), places)])
