"""vmap: tensors with a hidden batch axis, and how operations are carried out on them.

An operation's declaration says with ``batch=`` how it is done for a whole batch at once:

* an elementwise operation needs nothing: its operands are aligned behind the batch axis;
* ``"dim"``, or several names: these arguments are axes, which move back by one;
* ``"leading"``: the operation takes any number of leading axes as they are;
* ``"stacks"``: so it does, and the leading axes of its operands are broadcast;
* a function ``(batch, *args, **kwargs)`` from the arguments, batched tensors among them, to the results with the batch
  axis first; `Batch` has what it needs.

An operation that says nothing is done for one element of the batch after the other, with a warning.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ..tensor import Tensor, wrap
from .axes import moved
from .batching_rules import no_axis, refuse_scalars
from .convert import to_dtype
from .inplace import copy_
from .join import stack
from .levels import Layered, Level, below, mapped, spans
from .parts import select
from .promotion import raw, result_dtype
from .views import expand, reshape


def asking(method: str, words: str) -> Callable:
    """A method of batched tensors that asks for a value, of which they have one for each element of the batch."""

    def refuse(self: Any, *_: Any, **__: Any) -> Any:
        raise RuntimeError(
            f"vmap: It looks like you're {words}. A batched tensor has another value for each element of the batch: "
            f"rewrite what needs .{method}() with other operations, such as torch.where."
        )

    return refuse


ITEM = (
    "calling .item() on a Tensor. We don't support vmap over calling .item() on a Tensor, please try to rewrite what "
    "you're doing with other operations"
)
CONTROL = "attempting to use a Tensor in some data-dependent control flow. We don't support that"
STORAGE = "asking for the memory of a Tensor. Cannot access data pointer of Tensor that doesn't have storage"


class Batched(Layered):
    """A tensor that stands for a batch of them; its array shows the first, for everybody who asks for shape and type.

    ``value`` holds all, the batch axis first; or one for the whole batch, if not ``mapped``.
    """

    __slots__ = ()
    value: Tensor
    mapped: bool

    @property
    def inner(self) -> Tensor:
        return self.value

    @property
    def differs(self) -> bool:
        return self.mapped

    def bare(self) -> Batched:
        return batched(self.level, self.value, self.mapped)

    def detached(self) -> Tensor:
        return batched(self.level, self.value.detach(), self.mapped)

    @property  # type: ignore[misc]
    def data(self) -> Tensor:
        raise RuntimeError("accessing `data` under vmap transform is not allowed")

    def spans(self) -> set:
        return spans(self.value) | ({self.level} if self.mapped else set())

    item = asking("item", ITEM)
    __float__ = __int__ = __complex__ = __index__ = item
    __bool__ = is_nonzero = asking("__bool__", CONTROL)
    numpy = tolist = __array__ = data_ptr = apply_ = map_ = asking("numpy", STORAGE)

    # To mypy, arguments of special methods have no names.
    def __repr__(self, *, tensor_contents: str | None = None) -> str:  # type: ignore[override]
        lines = repr(self.value).replace("\n", "\n    ")
        place = 0 if self.mapped else None
        return f"BatchedTensor(lvl={self.level.number + 1}, bdim={place}, value=\n    {lines}\n)"


def batched(level: Any, value: Tensor, is_mapped: bool = True) -> Batched:
    """A tensor of a batch level, from one with the batch axis first."""
    array = value.array
    if is_mapped:
        array = array[0, ...] if array.shape[0] else np.empty(array.shape[1:], array.dtype)
    out = wrap(array, Batched)
    out.version, out.level, out.value, out.mapped = value.version, level, value, is_mapped
    return out


class BatchLevel(Level):
    """One vmap.

    Attributes:
        size: the length of the batch.
        randomness: "error", "same" or "different": what random operations may do.
    """

    def __init__(self, size: int, randomness: str = "error") -> None:
        self.size, self.randomness = size, randomness

    def lift(self, tensor: Tensor) -> Batched:
        return batched(self, tensor, False)

    def is_mapped(self, value: Any) -> bool:
        """Whether a value differs along this batch."""
        return isinstance(value, Batched) and value.level is self and value.mapped

    def lowered(self, value: Any) -> Any:
        """What a tensor of this level holds; any other value as it is."""
        return value.value if isinstance(value, Batched) and value.level is self else value

    def interpret(self, perform: Any, spec: Any, args: tuple, kwargs: dict) -> Any:
        batch = Batch(self, perform, spec, args, kwargs)
        with below(self):
            if not (spec.random or batch.any_mapped(args) or batch.any_mapped(kwargs.values())):
                return self._wrapped(perform(mapped(self.lowered, args), mapped(self.lowered, kwargs)), False)
            if numbers := numbers_of(spec):
                values = spec.values(args, kwargs)
                for place in numbers:
                    if isinstance(values[place], Batched) and values[place].differs:
                        values[place].item()  # an error
            return self._wrapped(rule_of(spec)(batch, *args, **kwargs), True)

    def _wrapped(self, outs: Any, is_mapped: bool) -> Any:
        if isinstance(outs, Tensor):
            return batched(self, outs, is_mapped)
        return [batched(self, out, is_mapped) for out in outs]

    def write(self, target: Tensor, result: Tensor) -> None:
        if self.is_mapped(result) and not self.is_mapped(target):
            raise RuntimeError(
                f"output with shape {list(target.shape)} doesn't match the broadcast shape "
                f"{[self.size, *result.shape]}: "
                "vmap: inplace arithmetic(self, *extra_args) is not possible because there exists a Tensor `other` in "
                "extra_args that has more elements than `self`. This happened due to `other` being vmapped over but "
                "`self` not being vmapped over in a vmap. Use the out-of-place form of the operation instead."
            )
        batch = Batch(self, None, None, (), {})
        with below(self):
            copy_(self.lowered(target), batch.front(result) if self.is_mapped(target) else self.lowered(result))

    def reshape(self, target: Any, show: Any, _change: Any) -> None:
        shown = show(target.bare())
        target.array, target.value = shown.array, shown.value


class Batch:
    """One operation on tensors of a batch level, and what its batching rule may ask for."""

    def __init__(self, level: BatchLevel, perform: Any, spec: Any, args: tuple, kwargs: dict) -> None:
        self.level, self.size = level, level.size
        self.perform, self.spec, self.args, self.kwargs = perform, spec, args, kwargs

    def is_mapped(self, value: Any) -> bool:
        """Whether a value differs along the batch."""
        return self.level.is_mapped(value)

    def any_mapped(self, values: Any) -> bool:
        """Whether a tensor among values and in their lists differs along the batch."""
        for value in values:
            if isinstance(value, Batched):
                if value.mapped and value.level is self.level:
                    return True
            elif isinstance(value, dict):
                value = tuple(value.values())
            if isinstance(value, (list, tuple)) and self.any_mapped(value):
                return True
        return False

    def parts(self, value: Any) -> tuple[Any, bool]:
        """What a tensor holds, and whether that has the batch axis in front."""
        return self.level.lowered(value), self.is_mapped(value)

    def front(self, value: Any) -> Any:
        """A tensor with the batch axis first, also if it is the same for the whole batch (without a copy then)."""
        if not isinstance(value, Tensor) or self.is_mapped(value):
            return self.level.lowered(value)
        value = self.level.lowered(value)
        return expand(value, (self.size, *value.array.shape))

    def flat(self, value: Any) -> Any:
        """A tensor with the batch axis first, and all others as one."""
        return reshape(self.front(value), (self.size, value.array.size))

    def aligned(self, value: Any, rank: int) -> Any:
        """A tensor so that it broadcasts with others of up to ``rank`` axes behind the batch axis."""
        inner = self.level.lowered(value)
        if not self.is_mapped(value) or inner.array.ndim > rank:
            return inner
        shape = inner.array.shape
        return reshape(inner, (shape[0], *(1,) * (rank + 1 - len(shape)), *shape[1:]))

    def ruled(self, operation: Any, *args: Any, **kwargs: Any) -> Any:
        """What the batching rule of another operation makes of these arguments."""
        spec = operation.op
        batch = Batch(self.level, lambda args, kwargs: operation(*args, **kwargs), spec, args, kwargs)
        return rule_of(spec)(batch, *args, **kwargs)

    def element(self, value: Any, index: int) -> Any:
        """A tensor's part in one element of the batch."""
        return select(value.value, 0, index) if self.is_mapped(value) else self.level.lowered(value)


NUMBERS = frozenset(("eps", "ord", "correction", "k", "threshold", "nan", "posinf", "neginf", "scale"))


@functools.cache
def numbers_of(spec: Any) -> tuple[int, ...]:
    """The places of an operation's arguments that are plain numbers for a whole batch, whose default is one mostly."""
    if spec.random or spec.view:
        return ()
    arguments = enumerate(zip(spec.names, spec.tail))
    return tuple(place for place, (name, usual) in arguments if isinstance(usual, (int, float)) or name in NUMBERS)


@functools.cache
def rule_of(spec: Any) -> Callable:
    """The batching rule of an operation."""
    batch = spec.batch
    if batch is None:
        return elementwise if spec.elementwise else one_by_one
    if batch in ("elementwise", "stacks"):
        return elementwise
    if batch == "leading":
        return leading
    return along(batch) if isinstance(batch, str) else batch


def elementwise(batch: Batch, *args: Any, **kwargs: Any) -> Any:
    """Operands aligned behind the batch axis, in the type that they have together element by element."""
    spec = batch.spec
    values = list(spec.values(args, kwargs))
    tensors = [value for value in values if isinstance(value, Tensor)]
    rank = max(tensor.array.ndim for tensor in tensors)
    dtype = None
    places = spec.places or range(len(values))
    if spec.promote is not None and any(tensor.array.dtype != tensors[0].array.dtype for tensor in tensors):
        dtype = result_dtype(tuple(raw(values[place]) for place in places), spec.promote == "float").numpy
    for place, value in enumerate(values):
        if isinstance(value, Tensor):
            values[place] = batch.aligned(value, rank)
            if dtype is not None and place in places and value.array.dtype != dtype:
                values[place] = to_dtype(values[place], dtype)
    return batch.perform(*spec.arguments(values))


def leading(batch: Batch, *args: Any, **kwargs: Any) -> Any:
    """The batch axis as one more leading axis of every tensor."""
    return batch.perform(mapped(batch.front, args), mapped(batch.front, kwargs))


def along(names: str) -> Callable:
    """The rule of operations whose arguments of these names are axes of their first tensor."""
    axes = names.split()

    def rule(batch: Batch, *args: Any, **kwargs: Any) -> Any:
        spec = batch.spec
        values = dict(zip(spec.names, spec.values(args, kwargs)))
        ndim = next(v for v in values.values() if isinstance(v, Tensor)).array.ndim
        for name, value in values.items():
            values[name] = moved(value, ndim) if name in axes else mapped(batch.front, value)
        if not ndim:  # an axis for the axes to be
            try:
                refuse_scalars(batch, 1, args, kwargs)
            except (RuntimeError, IndexError) as error:
                raise no_axis() from error
            values = {name: mapped(lambda x: reshape(x, (*x.array.shape, 1)), value) for name, value in values.items()}
        outs = batch.perform(*spec.arguments(list(values.values())))
        if ndim:
            return outs
        return mapped(lambda x: reshape(x, (batch.size,)), outs if isinstance(outs, Tensor) else list(outs))

    return rule


def one_by_one(batch: Batch, *args: Any, **kwargs: Any) -> Any:
    """One element of the batch after the other."""
    warnings.warn(
        "There is a performance drop because we have not yet implemented the batching rule for "
        f"{batch.spec.name}: it is done for each element of the batch in turn.",
        UserWarning,
        stacklevel=2,
    )
    results = []
    for index in range(batch.size):
        part = lambda tensor, index=index: batch.element(tensor, index)  # noqa: E731
        results.append(batch.perform(mapped(part, args), mapped(part, kwargs)))
    if isinstance(results[0], Tensor):
        return stack(results)
    return [stack(list(parts)) for parts in zip(*results)]
