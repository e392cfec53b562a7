"""Sums of products named by subscripts: einsum, and tensordot."""

from __future__ import annotations

import functools
import math
import string
from typing import Any

from .. import ops
from ..kernels import matrix as kernels
from .define import op
from .promotion import is_complex
from .sizes import shaped

__all__ = ["bilinear", "einsum", "tensordot"]

_LETTERS = string.ascii_uppercase + string.ascii_lowercase


def _conj(x: Any) -> Any:
    return x.conj() if is_complex(x) else x


_BATCH = "\N{GREEK CAPITAL LETTER BETA}"
"""The first of the letters that stand for axes of batches; those of nested ones follow."""


def _batched(batch, input, other, input_axes, other_axes, out_axes):
    """The batch as one more letter."""
    letter = _BATCH
    while letter in input_axes + other_axes:
        letter = chr(ord(letter) + 1)
    (a, mapped_a), (b, mapped_b) = batch.parts(input), batch.parts(other)
    ours, theirs = letter * mapped_a + input_axes, letter * mapped_b + other_axes
    return batch.perform((a, b, ours, theirs, letter + out_axes), {})


@op(
    "ViewBackward0",
    input=lambda g, other, input_axes, other_axes, out_axes: contract(
        g, _conj(other), out_axes, other_axes, input_axes
    ),
    other=lambda g, input, input_axes, other_axes, out_axes: contract(
        g, _conj(input), out_axes, input_axes, other_axes
    ),
    batch=_batched,
)
def contract(input, other, input_axes, other_axes, out_axes):
    """The sum of ``input * other`` over axes that both have and the result has not; axes are named by letters."""
    return kernels.contract(input, other, input_axes, other_axes, out_axes)


def einsum(*args):
    """The sum of products of operands that an equation names: ``einsum("ij,jk->ik", a, b)`` is ``a @ b``.

    Axes of one letter have one length; letters that the result does not have are summed over; ``...`` stands for axes
    that are broadcast. Without ``->`` the result has the letters that occur once, in order. Operands with lists of
    numbers in place of letters are taken too: ``einsum(a, [0, 1], b, [1, 2], [0, 2])``.

    Raises:
        RuntimeError: the equation and the operands do not fit.

    >>> import rushlight as torch
    >>> torch.einsum("ii->i", torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor([1., 4.])
    """
    subscripts, operands = _given(args)
    inputs, out = _named(subscripts, tuple([x.ndim for x in operands]))
    size: dict[str, int] = {}
    for position, (x, axes) in enumerate(zip(operands, inputs)):
        for letter, n in zip(axes, x.shape):
            if n != 1 and size.get(letter, 1) not in (1, n):
                words = (
                    f"einsum(): subscript {letter} has size {n} for operand {position} which does not broadcast with "
                    f"previously seen size {size[letter]}"
                )
                raise RuntimeError(shaped(words, "einsum", operands=list(operands)))
            if n != 1 or letter not in size:
                size[letter] = n
    left, axes = _simplified(operands[0], inputs[0], "".join(inputs[1:]) + out, size)
    for position in range(1, len(operands)):
        later = "".join(inputs[position + 1 :]) + out
        right, right_axes = _simplified(operands[position], inputs[position], axes + later, size)
        left, axes = _summed_out(left, axes, right_axes + later)
        kept = "".join(x for x in dict.fromkeys(axes + right_axes) if x in later)
        if position == len(operands) - 1:
            kept = "".join(x for x in out if x in axes + right_axes)
        left, axes = contract(left, right, axes, right_axes, kept), kept
    return _shown_as(left, axes, out, size)


def _given(args: tuple) -> tuple[Any, list]:
    """The equation, or in its place the subscripts of the operands and of the result, and the operands."""
    if not args:
        raise ValueError(
            "einsum(): must specify the equation string and at least one operand, or at least one operand and its "
            "subscripts list"
        )
    if not isinstance(args[0], str):
        inputs = tuple(_spelled(numbers) for numbers in args[1::2])
        return (inputs, _spelled(args[-1]) if len(args) % 2 else None), list(args[: len(args) // 2 * 2 : 2])
    if len(args) == 2 and isinstance(args[1], (list, tuple)):
        return args[0], list(args[1])
    return args[0], list(args[1:])


@functools.lru_cache(256)
def _named(subscripts: Any, ranks: tuple[int, ...]) -> tuple[tuple[str, ...], str]:
    """A letter for each axis of the operands, which have these numbers of axes, and of the result."""
    inputs, out = _parsed(subscripts, len(ranks)) if isinstance(subscripts, str) else subscripts
    return _without_ellipsis(inputs, out, ranks)


def _parsed(equation: str, count: int) -> tuple[list[str], str | None]:
    """The subscripts of the operands, and those of the result if they are given."""
    equation = equation.replace(" ", "")
    left, arrow, out = equation.partition("->")
    inputs = left.split(",")
    for subscripts in (*inputs, out):
        stray = set(subscripts.replace("...", "", 1)) - set(_LETTERS)
        if stray:
            raise RuntimeError(
                f"einsum(): invalid subscript given at index {equation.index(min(stray))} in the equation string, "
                "subscripts must be in [a-zA-Z]"
            )
    if len(inputs) != count:
        more = "more" if count > len(inputs) else "fewer"
        raise RuntimeError(f"einsum(): {more} operands were provided than specified in the equation")
    return inputs, out if arrow else None


def _spelled(numbers: Any) -> str:
    """A list of numbers and at most one Ellipsis as letters."""
    for n in numbers:
        if n is not Ellipsis and not 0 <= n < len(_LETTERS):
            raise ValueError(f"einsum(): subscripts in the list must be in [0, 52), got {n}")
    return "".join("..." if n is Ellipsis else _LETTERS[n] for n in numbers)


def _without_ellipsis(inputs: Any, out: str | None, ranks: tuple[int, ...]) -> tuple[tuple[str, ...], str]:
    """The same with a letter for each axis that ``...`` stands for; they are the digits and what follows them."""
    covered = []
    for position, (found, axes) in enumerate(zip(ranks, inputs)):
        named = len(axes.replace("...", ""))
        extra = found - named
        if extra < 0 or ("..." not in axes and extra):
            how = "" if "..." in axes else " and no ellipsis was given"
            raise RuntimeError(
                f"einsum(): the number of subscripts in the equation ({named}) "
                f"{'is more than' if '...' in axes else 'does not match'} "
                f"the number of dimensions ({found}) for operand {position}{how}"
            )
        covered.append(extra if "..." in axes else 0)
    rank = max(covered)
    stand_ins = "".join(chr(0x3B1 + i) for i in range(rank))
    inputs = tuple(axes.replace("...", stand_ins[rank - n :]) for axes, n in zip(inputs, covered))
    if out is None:
        everything = "".join(inputs)
        out = stand_ins + "".join(sorted(x for x in set(everything) - set(stand_ins) if everything.count(x) == 1))
    else:
        out = out.replace("...", stand_ins)
        for letter in out:
            if out.count(letter) > 1:
                raise RuntimeError(f"einsum(): output subscript {letter} appears more than once in the output")
            if not any(letter in axes for axes in inputs):
                raise RuntimeError(
                    f"einsum(): output subscript {letter} does not appear in the equation for any input operand"
                )
    return inputs, out


def _simplified(x: Any, axes: str, elsewhere: str, size: dict[str, int]) -> tuple[Any, str]:
    """An operand with one axis for each letter: diagonals taken, axes of length 1 dropped where others are longer."""
    for letter in dict.fromkeys(axes):
        while axes.count(letter) > 1:
            first = axes.index(letter)
            second = axes.index(letter, first + 1)
            x = _diagonal(x, first, second)
            axes = axes[:first] + axes[first + 1 : second] + axes[second + 1 :] + letter
    for place in reversed(range(len(axes))):
        if x.shape[place] == 1 and (size[axes[place]] != 1):
            x, axes = x.squeeze(place), axes[:place] + axes[place + 1 :]
    return _summed_out(x, axes, elsewhere)


def _diagonal(x: Any, first: int, second: int) -> Any:
    """The diagonal of two axes as the last one; one of length 1 is broadcast."""
    if x.shape[first] != x.shape[second]:
        n = max(x.shape[first], x.shape[second])
        x = x.expand([n if i in (first, second) else m for i, m in enumerate(x.shape)])
    return x.diagonal(0, first, second)


def _summed_out(x: Any, axes: str, elsewhere: str) -> tuple[Any, str]:
    """Summed over the axes that nothing else has."""
    alone = tuple(i for i, letter in enumerate(axes) if letter not in elsewhere)
    return (x.sum(alone), "".join(a for a in axes if a in elsewhere)) if alone else (x, axes)


def _shown_as(x: Any, axes: str, out: str, size: dict[str, int]) -> Any:
    """The axes in the order of the result."""
    x, axes = _summed_out(x, axes, out)
    present = [letter for letter in out if letter in axes]
    if axes != "".join(present):
        x = x.permute([axes.index(letter) for letter in present])
    missing = [i for i, letter in enumerate(out) if letter not in axes]
    for place in missing:
        x = x.unsqueeze(place)
    return x.expand([size[letter] for letter in out]) if missing else x


def tensordot(a, b, dims=2, out=None):
    """The sum of products over pairs of axes: the last ``dims`` of ``a`` with the first of ``b``, or two lists of axes.

    Raises:
        RuntimeError: the axes of a pair differ in length.

    >>> import rushlight as torch
    >>> torch.tensordot(torch.ones(2, 3), torch.ones(3, 4), dims=1).shape
    torch.Size([2, 4])
    """
    dims = dims.tolist() if hasattr(dims, "tolist") else dims
    if isinstance(dims, (tuple, list)):
        ours, theirs = ([d] if isinstance(d, int) else list(d) for d in dims)
    else:
        if dims < 0:
            raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
        if dims > min(a.ndim, b.ndim):
            raise RuntimeError(f"tensordot expects dims < ndim_a or ndim_b, but got dims={dims}")
        ours, theirs = list(range(a.ndim - dims, a.ndim)), list(range(dims))
    if len(ours) != len(theirs):
        raise RuntimeError("both dimension lists should have same length")
    if a.dtype != b.dtype:
        raise RuntimeError("both inputs should have same dtype")
    for m, n in zip(ours, theirs):
        if a.shape[m] != b.shape[n] and 1 not in (a.shape[m], b.shape[n]):
            words = (
                f"contracted dimensions need to match, but first has size {a.shape[m]} in dim {m} and second has size "
                f"{b.shape[n]} in dim {n}"
            )
            raise RuntimeError(shaped(words, "tensordot", a=a, b=b))
    ours, theirs = [d % max(a.ndim, 1) for d in ours], [d % max(b.ndim, 1) for d in theirs]
    rows = [d for d in range(a.ndim) if d not in ours]
    columns = [d for d in range(b.ndim) if d not in theirs]
    for m, n in zip(ours, theirs):  # an axis of length 1 goes with all of the other's
        if a.shape[m] != b.shape[n]:
            a, b = (
                (a.sum(m, keepdim=True, dtype=a.dtype), b)
                if b.shape[n] == 1
                else (a, b.sum(n, keepdim=True, dtype=b.dtype))
            )
    shape = [a.shape[d] for d in rows] + [b.shape[d] for d in columns]
    k = math.prod(a.shape[d] for d in ours)
    left = a.permute(rows + ours).reshape(math.prod(shape[: len(rows)]), k)
    right = b.permute(theirs + columns).reshape(k, math.prod(shape[len(rows) :]))
    result = ops.mm(left, right).reshape(shape)
    if out is None:
        return result
    from .writing import write_out

    write_out(out, result.array)
    return out


def bilinear(input1, input2, weight, bias=None):
    """Σᵢⱼ x₁[i] · weight[o, i, j] · x₂[j] + bias[o]: (*, I) and (*, J) to (*, O).

    Raises:
        RuntimeError: sizes do not fit.
    """
    if input1.ndim != input2.ndim or input1.shape[:-1] != input2.shape[:-1]:
        raise RuntimeError(
            f"bilinear(): input batch dimensions do not match: got {list(input1.shape)} and {list(input2.shape)}"
        )
    for position, x in enumerate((input1, input2), 1):
        if x.shape[-1] != weight.shape[position]:
            words = (
                f"bilinear(): input{position} size does not match weight size: got {x.shape[-1]} but expected "
                f"{weight.shape[position]}"
            )
            raise RuntimeError(shaped(words, "bilinear", input1=input1, input2=input2, weight=weight))
    if bias is not None and bias.shape[0] != weight.shape[0]:
        raise RuntimeError(
            f"bilinear(): bias size does not match weight size: got {bias.shape[0]} but expected {weight.shape[0]}"
        )
    outer = input1.unsqueeze(-1) * input2.unsqueeze(-2)
    rows = outer.reshape(-1, weight.shape[1] * weight.shape[2]) @ weight.reshape(weight.shape[0], -1).mT
    result = rows.reshape(*input1.shape[:-1], weight.shape[0])
    return result if bias is None else result + bias
