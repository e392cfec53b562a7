"""From a list of samples to a batch."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any

import numpy as np

from ... import ops
from ...dtypes import float64
from ...tensor import Tensor

_NOT_NUMERIC = "SUO"  # NumPy's kinds of bytes, strings and objects


def default_convert(data: Any) -> Any:
    """NumPy arrays and numbers as tensors, also inside of containers; anything else as it is.

    >>> import numpy as np
    >>> import rushlight as torch
    >>> torch.utils.data.default_convert({"x": np.array([1, 2]), "name": "a"})
    {'x': tensor([1, 2]), 'name': 'a'}
    """
    if isinstance(data, Tensor | str | bytes):
        return data
    if isinstance(data, np.ndarray | np.generic):
        return data if data.dtype.kind in _NOT_NUMERIC else ops.as_tensor(data)
    if isinstance(data, Mapping):
        return _like_mapping(data, {key: default_convert(data[key]) for key in data})
    if isinstance(data, Sequence):
        return _like_sequence(data, [default_convert(entry) for entry in data])
    return data


def _like_mapping(original: Any, entries: dict) -> Any:
    """The entries in a mapping of the original's type, or in a dict where that type cannot be made from them."""
    try:
        if isinstance(original, MutableMapping):
            clone = copy.copy(original)
            clone.update(entries)
            return clone
        return type(original)(entries)
    except TypeError:
        return entries


def _like_sequence(original: Any, entries: list) -> Any:
    """The entries in a sequence of the original's type; a list for plain tuples, as PyTorch does it."""
    if isinstance(original, tuple):
        return type(original)(*entries) if hasattr(original, "_fields") else entries
    try:
        if isinstance(original, MutableSequence):
            clone = copy.copy(original)
            for index, entry in enumerate(entries):
                clone[index] = entry
            return clone
        return type(original)(entries)
    except TypeError:
        return entries


def collate(batch: Sequence[Any], *, collate_fn_map: dict[Any, Callable] | None = None) -> Any:
    """Merge samples of one kind: by the function ``collate_fn_map`` has for their type, containers entry by entry.

    The functions are called as ``function(batch, collate_fn_map=...)``; keys are types or tuples of types.
    Raises ``TypeError`` for samples that are neither, ``RuntimeError`` for sequences of different lengths.
    """
    first = batch[0]
    functions = collate_fn_map or {}
    if type(first) in functions:
        return functions[type(first)](batch, collate_fn_map=collate_fn_map)
    for kind, function in functions.items():
        if isinstance(first, kind):
            return function(batch, collate_fn_map=collate_fn_map)

    def merged(samples: Sequence[Any]) -> Any:
        return collate(samples, collate_fn_map=collate_fn_map)

    if isinstance(first, Mapping):
        return _like_mapping(first, {key: merged([sample[key] for sample in batch]) for key in first})
    if isinstance(first, Sequence):
        named = isinstance(first, tuple) and hasattr(first, "_fields")
        if not named and any(len(sample) != len(first) for sample in batch):
            raise RuntimeError("each element in list of batch should be of equal size")
        return _like_sequence(first, [merged(samples) for samples in zip(*batch, strict=False)])
    raise _refused(type(first))


def _refused(found: Any) -> TypeError:
    return TypeError(
        f"default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {found}. "
        "Give the DataLoader a collate_fn that knows it"
    )


def collate_tensor_fn(batch: Sequence[Any], *, collate_fn_map: dict[Any, Callable] | None = None) -> Tensor:
    """Stack tensors along a new first dimension."""
    return ops.stack(list(batch), 0)


def collate_numpy_array_fn(batch: Sequence[Any], *, collate_fn_map: dict[Any, Callable] | None = None) -> Any:
    """Stack arrays of numbers as a tensor."""
    if batch[0].dtype.kind in _NOT_NUMERIC:
        raise _refused(batch[0].dtype)
    return collate([ops.as_tensor(array) for array in batch], collate_fn_map=collate_fn_map)


def collate_numpy_scalar_fn(batch: Sequence[Any], *, collate_fn_map: dict[Any, Callable] | None = None) -> Tensor:
    """A tensor of NumPy's numbers, in their type."""
    return ops.as_tensor(np.asarray(batch))


def collate_float_fn(batch: Sequence[Any], *, collate_fn_map: dict[Any, Callable] | None = None) -> Tensor:
    """A float64 tensor of Python's numbers."""
    return ops.tensor(batch, dtype=float64)


def collate_int_fn(batch: Sequence[Any], *, collate_fn_map: dict[Any, Callable] | None = None) -> Tensor:
    """An integer tensor of Python's numbers."""
    return ops.tensor(batch)


def collate_str_fn(batch: Sequence[Any], *, collate_fn_map: dict[Any, Callable] | None = None) -> Sequence[Any]:
    """Text and bytes stay as they are."""
    return batch


default_collate_fn_map: dict[Any, Callable] = {
    Tensor: collate_tensor_fn,
    np.ndarray: collate_numpy_array_fn,
    (np.bool_, np.number, np.object_): collate_numpy_scalar_fn,
    float: collate_float_fn,
    int: collate_int_fn,
    str: collate_str_fn,
    bytes: collate_str_fn,
}


def default_collate(batch: Sequence[Any]) -> Any:
    """A batch from a list of samples: tensors and numbers are stacked, containers merged entry by entry, text is kept.

    Floats become float64. Raises what :func:`collate` raises.

    >>> import rushlight as torch
    >>> torch.utils.data.default_collate([(0, "a"), (1, "b")])
    [tensor([0, 1]), ('a', 'b')]
    """
    return collate(batch, collate_fn_map=default_collate_fn_map)
