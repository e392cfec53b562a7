"""The printed form of a tensor, and the options that shape it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from types import SimpleNamespace
from typing import Any

import numpy as np

from . import dtypes

_PROFILES: dict[str, dict[str, Any]] = {
    "default": {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80},
    "short": {"precision": 2, "threshold": 1000, "edgeitems": 2, "linewidth": 80},
    "full": {"precision": 4, "threshold": math.inf, "edgeitems": 3, "linewidth": 80},
}
_options = SimpleNamespace(**_PROFILES["default"], sci_mode=None)


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Set how tensors are printed; an option left at None keeps its value, except ``sci_mode``.

    Args:
        precision: digits after the decimal point.
        threshold: tensors with more elements are printed as a summary.
        edgeitems: how many items a summary shows at each end of an axis.
        linewidth: characters after which a line is broken.
        profile: "default", "short" or "full", taken before the options given beside it.
        sci_mode: scientific notation always (True), never (False), or where the values call for it (None).

    >>> import rushlight as torch
    >>> torch.set_printoptions(precision=2)
    >>> torch.tensor([1.12345])
    tensor([1.12])
    >>> torch.set_printoptions(profile="default")
    >>> torch.tensor([1.12345])
    tensor([1.1235])
    """
    chosen = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems, "linewidth": linewidth}
    given = {name: value for name, value in chosen.items() if value is not None}
    for name, value in (_PROFILES.get(profile or "", {}) | given).items():
        setattr(_options, name, value)
    _options.sci_mode = sci_mode


def get_printoptions() -> dict[str, Any]:
    """The options in force, as keyword arguments for ``set_printoptions``.

    >>> get_printoptions()["edgeitems"]
    3
    """
    return dict(vars(_options))


@contextmanager
def printoptions(**options: Any) -> Iterator[None]:
    """Set print options, as ``set_printoptions`` does, for the length of a ``with`` block.

    >>> with printoptions(precision=1):
    ...     print(tensor_repr(np.array([0.25, 0.5], np.float32)))
    tensor([0.2, 0.5])
    """
    before = get_printoptions()
    try:
        set_printoptions(**options)
        yield
    finally:
        set_printoptions(**before)


def tensor_repr(
    array: np.ndarray,
    *,
    requires_grad: bool = False,
    grad_fn_name: str | None = None,
    tangent: str | None = None,
    class_name: str = "tensor",
    is_parameter: bool = False,
    contents: str | None = None,
) -> str:
    """The printed form of a tensor that holds ``array``, of any shape and of any type that tensors have.

    Args:
        array: the values; those that a summary leaves out are never looked at.
        requires_grad: whether the tensor is a leaf that asks for a gradient.
        grad_fn_name: the name of the operation that made it, None for a leaf.
        tangent: the printed tangent of a dual number.
        class_name: "tensor", or the name of a subclass.
        is_parameter: whether it counts as a Parameter, which the text says of subclasses only.
        contents: text to stand in the place of the values.

    Raises:
        TypeError: ``array`` is of a type that tensors do not have.

    >>> print(tensor_repr(np.array([1.0, 2.5], np.float32), grad_fn_name="AddBackward0"))
    tensor([1.0000, 2.5000], grad_fn=<AddBackward0>)
    """
    head = f"{class_name}("
    notes = _notes_on_type(array)
    if grad_fn_name is not None:
        notes.append(f"grad_fn=<{grad_fn_name}>")
    elif requires_grad:
        notes.append("requires_grad=True")
    if tangent is not None:
        notes.append(f"tangent={tangent}")
    body = _values(array, len(head)) if contents is None else contents
    text = _with_notes(head + body, notes, len(head)) + ")"
    return f"Parameter({text})" if is_parameter and class_name != "tensor" else text


def _notes_on_type(array: np.ndarray) -> list[str]:
    """The size and the data type, each where the values alone do not tell it."""
    dtype, default = dtypes.of(array.dtype), dtypes.get_default_dtype()
    if array.size == 0:
        size_is_told, dtype_is_told = array.ndim == 1, dtype is default
    else:
        size_is_told = _options.edgeitems != 0
        dtype_is_told = dtype in (default, dtypes.default_complex(), dtypes.int64, dtypes.bool)
    notes = [] if size_is_told else [f"size={array.shape}"]
    return notes if dtype_is_told else [*notes, f"dtype={dtype}"]


def _with_notes(text: str, notes: Sequence[str], indent: int) -> str:
    # Two characters are held back for what follows the text, whatever that turns out to be.
    column = len(text) - (text.rfind("\n") + 1) + 2
    for note in notes:
        if column + len(note) + 2 > _options.linewidth:
            text += ",\n" + " " * indent + note
            column = indent + len(note)
        else:
            text += ", " + note
            column += len(note) + 2
    return text


def _values(array: np.ndarray, indent: int) -> str:
    """The nested brackets, for a text that begins at column ``indent``."""
    if array.size == 0:
        return "[]"
    array, elided = _summary(array)
    cells, width = _complex_cells(array) if array.dtype.kind == "c" else _real_cells(array)
    room = _options.linewidth - (indent + array.ndim - 1)
    per_line = max(1, math.floor(room / (width + 2)))
    return _nested(iter(cells), array.shape, elided, indent, per_line)


def _summary(array: np.ndarray) -> tuple[np.ndarray, tuple[bool, ...]]:
    """The part of an array that is shown, and along which axes the middle is left out."""
    edge = _options.edgeitems
    summarized = array.size > _options.threshold
    elided = tuple(summarized and length > 2 * edge for length in array.shape)
    if any(elided):
        ends = [*range(edge), *range(-edge, 0)]
        shown = (ends if cut else range(length) for cut, length in zip(elided, array.shape, strict=True))
        array = array[np.ix_(*shown)]
    return array, elided


def _nested(cells: Iterator[str], shape: Sequence[int], elided: Sequence[bool], indent: int, per_line: int) -> str:
    if not shape:
        return next(cells)
    length, *inner = shape
    if inner:
        items = [_nested(cells, inner, elided[1:], indent + 1, per_line) for _ in range(length)]
    else:
        items = list(islice(cells, length))
    if elided[0]:
        # PyTorch sets the ellipsis among numbers apart by one more space.
        items.insert(length // 2, "..." if inner or not length else " ...")
    if not inner:
        items = [", ".join(items[start : start + per_line]) for start in range(0, len(items), per_line)]
    # Matrices follow each other after a blank line, their stacks after two, and so on.
    return "[" + ("," + "\n" * max(1, len(inner)) + " " * (indent + 1)).join(items) + "]"


def _real_cells(array: np.ndarray) -> tuple[list[str], int]:
    """The elements as text, aligned to the right, and the width that they are aligned to."""
    flat = array.reshape(-1)
    if flat.dtype.kind in "biu":
        texts = [str(value) for value in flat.tolist()]
        width = max(map(len, texts), default=1)
    else:
        texts, width = _float_texts(flat)
    return [text.rjust(width) for text in texts], width


def _complex_cells(array: np.ndarray) -> tuple[list[str], int]:
    real, real_width = _real_cells(array.real)
    imag, imag_width = _real_cells(array.imag)
    signed = (part if part[0] == "-" else "+" + part for part in map(str.lstrip, imag))
    return [f"{re}{im}j" for re, im in zip(real, signed, strict=True)], real_width + imag_width + 1


def _float_texts(flat: np.ndarray) -> tuple[list[str], int]:
    """Floating-point numbers as text in the one notation that suits them all, and their greatest width.

    Only numbers that are finite and not zero count for the notation and for the width, as in PyTorch.
    """
    with np.errstate(invalid="ignore"):  # a signaling NaN complains when it is converted
        values = flat.astype(np.float64)
    telling = np.isfinite(values) & (values != 0)
    sizes = np.abs(values[telling])
    whole = not np.any(sizes % 1)
    scientific = sizes.size > 0 and _is_scientific(float(sizes.min()), float(sizes.max()))
    if scientific:
        texts = _formatted(values, f".{_options.precision}e")
    elif whole:
        # The point says that the numbers are not integers; infinities and NaN say so themselves.
        texts = [text + "." if text[-1].isdigit() else text for text in _formatted(values, ".0f")]
    else:
        texts = _formatted(values, f".{_options.precision}f")
    return texts, max((len(texts[i]) for i in np.flatnonzero(telling)), default=1)


def _is_scientific(smallest: float, largest: float) -> bool:
    if _options.sci_mode is not None:
        return _options.sci_mode
    return largest / smallest > 1000 or largest > 1e8 or smallest < 1e-4


def _formatted(values: np.ndarray, spec: str) -> list[str]:
    return [format(value, spec) for value in values.tolist()]
