"""Custom Functions under transformations: forward mode by their jvp, vmap by their rule or by a generated one."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..ops.batching import Batch, BatchLevel, batched
from ..ops.custom import settle
from ..ops.dual import Dual, ForwardLevel, dual
from ..ops.levels import Level, below, mapped, opened, top_level, zeros_like
from ..ops.promotion import fit
from ..ops.views import movedim
from ..tensor import Tensor, edge_of
from .function import (
    BackwardCFunction,
    Function,
    FunctionCtx,
    backward_of,
    in_forward,
    linked,
    perform,
    perform_plainly,
)
from .modes import open_levels, recording, transforming


def check_methods(cls: type[Function]) -> None:
    """Refuse a Function that lacks what the open transformations need of it.

    Raises:
        RuntimeError: it has no setup_context; or there is a vmap, and it has no rule for one, or two.
    """
    if cls.setup_context is Function.setup_context:
        raise RuntimeError(
            "In order to use an autograd.Function with functorch transforms (vmap, grad, jvp, jacrev, ...), it must "
            f"override the setup_context staticmethod: move what {cls.__name__}.forward does with ctx there."
        )
    own_rule = cls.vmap is not Function.vmap
    if own_rule is not cls.generate_vmap_rule or not any(isinstance(level, BatchLevel) for level in open_levels.get()):
        return
    if own_rule:
        raise RuntimeError(
            f"You tried to vmap over {cls.__name__}, but it has both generate_vmap_rule=True and an overriden vmap "
            "staticmethod. Please set generate_vmap_rule=False or delete the overriden vmap staticmethod to avoid "
            "ambiguity."
        )
    raise RuntimeError(
        f"You tried to vmap over {cls.__name__}, but it does not have vmap support. Please override and implement the "
        "vmap staticmethod or set generate_vmap_rule=True."
    )


def perform_at(level: Any, node: BackwardCFunction, args: tuple) -> Any:
    """What a Function returns for arguments of which some belong to a level of a transformation."""
    if isinstance(level, BatchLevel):
        output = in_batch(level, node, args)
        return recorded_at(level, node, args, output) if any(needing(level, args)) else output
    if transforming.get():
        return recorded_at(level, node, args, with_tangents(level, node, args))
    return beside_forward(level, node, args)


def needing(level: Level, args: tuple) -> list[bool]:
    """Which arguments need a gradient at a level."""
    return [isinstance(arg, Tensor) and level.records(arg) and arg.requires_grad for arg in args]


def recorded_at(level: Level, node: BackwardCFunction, args: tuple, output: Any) -> Any:
    """What was computed by lower levels, with its place in the graph of this one."""
    tensors = [arg for arg in args if isinstance(arg, Tensor)]
    node.needs_input_grad = tuple(needing(level, args))
    recorded = bool(recording.get()) and True in node.needs_input_grad
    if recorded:
        node.join([edge_of(tensor) if level.records(tensor) else None for tensor in tensors], tensors)
    with in_forward():
        node._forward_cls.setup_context(node, args, output)
    return linked(node, tensors, output, recorded, counted=True)


def perform_below(node: BackwardCFunction, args: tuple) -> tuple[BackwardCFunction, Any]:
    """The same call with what a level's tensors hold: its own node, and what it returns."""
    inner = type(node)(args)
    inner.code, inner.instruction = node.code, node.instruction
    return inner, perform(inner, args)


def as_tuple(output: Any) -> tuple:
    """What a method returned, as a tuple."""
    return output if isinstance(output, tuple) else (output,)


def place_among(tensor: Any, tensors: tuple) -> int | None:
    """Where a tensor is among others."""
    return next((place for place, other in enumerate(tensors) if tensor is other), None)


# Forward mode


def beside_forward(level: ForwardLevel, node: BackwardCFunction, args: tuple) -> Any:
    """Dual numbers of `forward_ad`: forward and jvp see them, but not that they move."""
    push = Push(level, args)
    with below(level):
        output = perform_plainly(node, args)
        push.call(node, args, as_tuple(output))
        push.move(node, args, as_tuple(output), as_tuple(output))
    return output


def with_tangents(level: ForwardLevel, node: BackwardCFunction, args: tuple) -> Any:
    """The call with the primals, and its jvp with the tangents."""
    primals = tuple([level.primal(arg) for arg in args])
    push = Push(level, args)
    with below(level):
        inner, output = perform_below(node, primals)
        if not inner.differentiable:  # a batch in which nothing is recorded has not set up the context that jvp needs
            output = recorded_at(top_level(primals), inner, primals, output)
        outputs = as_tuple(output)
        push.call(inner, primals, outputs)
        settle(inner)
        results = tuple([same_or(lambda out: dual(level, out, None), out, primals, args) for out in outputs])
        push.move(inner, primals, outputs, results)
    return results if isinstance(output, tuple) else results[0]


class Push:
    """The tangents of the arguments of one call, and what jvp makes of them."""

    def __init__(self, level: ForwardLevel, args: tuple) -> None:
        self.level = level
        self.tangents = [level.tangent(arg) for arg in args]
        self.versions = [None if tangent is None else tangent._version for tangent in self.tangents]
        self.moves: tuple | None = None

    def call(self, node: BackwardCFunction, args: tuple, outputs: tuple) -> None:
        """Ask jvp for the tangents of the outputs, if an input moves.

        Raises:
            RuntimeError: there are too few or too many, or one is no tensor.
        """
        if all(tangent is None for tangent in self.tangents):
            return
        moves = as_tuple(node.apply_jvp(*map(self._given, [node] * len(args), args, self.tangents)))
        for place, move in enumerate(moves):
            if move is not None and not isinstance(move, Tensor):
                raise RuntimeError(f"expected Variable or None (got {type(move).__name__}) for grad output {place}.")
        if len(moves) != len(outputs):
            raise RuntimeError(
                f"Function's jvp returned an invalid number of forward gradients (expected {len(outputs)} but got "
                f"{len(moves)})"
            )
        self.moves = moves

    @staticmethod
    def _given(node: BackwardCFunction, arg: Any, tangent: Tensor | None) -> Tensor | None:
        if tangent is None and node.materialize_grads and isinstance(arg, Tensor) and arg.array.dtype.kind in "fcV":
            return zeros_like(arg)
        return tangent

    def move(self, node: BackwardCFunction, args: tuple, outputs: tuple, results: tuple) -> None:
        """Let results move: the outputs as tensors of this level.

        Raises:
            RuntimeError: a tangent is missing, of another shape, or there for what does not move; or an output was
                changed in place, or is a view, and its tangent is not.
        """
        for place, (output, result, move) in enumerate(zip(outputs, results, self.moves or ())):
            if not isinstance(output, Tensor):
                continue
            if not node.differentiable[place]:
                if move is not None:
                    raise RuntimeError(
                        f"Function's jvp returned a gradient at position {place}, but  the corresponding forward "
                        "output is not a differentiable Tensor.You should return None at that position instead."
                    )
                continue
            source = place_among(output, args)
            if source is not None and self.tangents[source] is not None:
                self._check_changed(source, move)
                continue
            if source is None:
                self._check_view(output, args, move)
            move = fitting(move, output)
            if not (isinstance(result, Dual) and result.level is self.level):
                self.level.become_dual(result)
            if source is None:
                result.tangent = move
            else:
                self.level.write_tangent(result, move)

    def _check_changed(self, source: int, move: Tensor | None) -> None:
        """The tangent of an input that was changed in place must have been changed in place too."""
        if (0 if move is None else move._version) == self.versions[source]:
            raise RuntimeError(
                "An inplace custom Function is not modifying the forward mode gradients inplace. If the forward is "
                "modifying an input inplace, then the jvp function must modify the corresponding gradient inplace."
            )
        if move is not self.tangents[source]:
            raise RuntimeError(
                "An inplace custom Function is not returning the forward mode gradients as-is. If the forward is "
                "modifying an input inplace, then the jvp function must modify the gradient inplace and return it "
                "as-is."
            )

    def _check_view(self, output: Tensor, args: tuple, move: Tensor | None) -> None:
        """The tangent of a view of an input must be a view of its tangent."""
        if output._view is None:
            return
        for arg, tangent in zip(args, self.tangents):
            if tangent is not None and base_of(arg) is output._view.base:
                if move is None or move._view is None or move._view.base is not base_of(tangent):
                    raise RuntimeError(
                        "A custom Function's forward is returning a view (or an input as-is) but the jvp is not "
                        "returning a view."
                    )
                return


def base_of(tensor: Tensor) -> Tensor:
    """What a tensor is a view of, or itself."""
    return tensor if tensor._view is None else tensor._view.base


def fitting(move: Tensor | None, output: Tensor) -> Tensor:
    """A tangent, if it can be that of an output."""
    if move is None or move.array.dtype.kind not in "fcV":
        have = "None" if move is None else move.dtype
        raise RuntimeError(
            "Expected both tensor and its forward grad to be floating point or complex, but jvp returned "
            f"{have} for an output of {output.dtype}"
        )
    if move.array.shape != output.array.shape:
        raise RuntimeError(
            "Trying to set a forward gradient that has a different size than that of the original Tensor, this is not "
            f"supported. Tensor is of size {list(output.array.shape)} while the given forward gradient is of size "
            f"{list(move.array.shape)}."
        )
    return move


# vmap


class VmapInfo(NamedTuple):
    """What `Function.vmap` is told about the batch."""

    batch_size: int
    randomness: str


def in_batch(level: BatchLevel, node: BackwardCFunction, args: tuple) -> Any:
    """What a Function returns for a batch."""
    cls = node._forward_cls
    lowered = tuple(mapped(level.lowered, list(args)))
    batch = Batch(level, None, None, args, {})
    if not batch.any_mapped(args):
        with below(level):
            inner, output = perform_below(node, lowered)
            settle(inner)
        dims: Any = None
    elif cls.generate_vmap_rule:
        with below(level):
            output = Vmapped.apply(cls, level, tuple([level.is_mapped(arg) for arg in args]), *lowered)
        dims = 0
    else:
        in_dims = tuple([dims_of(level, arg) for arg in args])
        with below(level):
            output, dims = checked_pair(cls.vmap(VmapInfo(level.size, level.randomness), in_dims, *lowered))
    outputs = as_tuple(output)
    with below(level):
        results = tuple(
            [
                same_or(lambda out, dim=dim: rebatched(level, out, dim), out, lowered, args)
                for out, dim in zip(outputs, dims_for(outputs, dims))
            ]
        )
    return results if isinstance(output, tuple) else results[0]


def same_or(make: Any, output: Any, inner: tuple, outer: tuple) -> Any:
    """An output for a level: the argument that it is, or what is made of it."""
    if not isinstance(output, Tensor):
        return output
    place = place_among(output, inner)
    return make(output) if place is None else outer[place]


def rebatched(level: BatchLevel, output: Tensor, dim: int | None) -> Tensor:
    """A tensor with a batch axis as one of the level."""
    if dim is None:
        return batched(level, output, False)
    return batched(level, output if dim == 0 else movedim(output, dim, 0))


def dims_of(level: BatchLevel, value: Any) -> Any:
    """The batch axis of each tensor in nested lists, None for what has none."""
    if type(value) in (list, tuple):
        return type(value)([dims_of(level, item) for item in value])
    if type(value) is dict:
        return {key: dims_of(level, item) for key, item in value.items()}
    return 0 if level.is_mapped(value) else None


def checked_pair(result: Any) -> tuple:
    """What the vmap staticmethod has returned, if it is outputs and their batch axes."""
    start = (
        "Expected the vmap staticmethod to have two returns, an output and out_dims with pytree structure compatible "
        "with the output. "
    )
    if not isinstance(result, tuple):
        raise RuntimeError(f"{start}Got a {type(result)} instead")
    if len(result) != 2:
        raise RuntimeError(f"{start}Got {len(result)} returns instead")
    return result


def dims_for(outputs: tuple, dims: Any) -> tuple:
    """The batch axis of each output."""
    if dims is None or isinstance(dims, int):
        return (dims,) * len(outputs)
    if not isinstance(dims, (tuple, list)) or len(dims) != len(outputs):
        raise RuntimeError(
            "The autograd.Function's vmap staticmethod returned an incompatible (output, out_dims) tuple. Expected "
            f"out_dims={dims} to be compatible with the structure of `output`: {len(outputs)} outputs."
        )
    return tuple(dims)


class ElementContext(FunctionCtx):
    """The context of one element of a batch, which the methods of a Function see where they are run on batches."""

    saved_tensors: tuple = ()
    materialize_grads = True
    to_save = dirty_tensors = non_differentiable = saved_for_forward = None

    def __init__(self, needs_input_grad: tuple) -> None:
        self.needs_input_grad = needs_input_grad


class Vmapped(Function):
    """A Function for a whole batch, made of another whose methods run on batches.

    Its arguments are that Function, the level of the batch, which arguments have a batch axis, and the arguments.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(of: type[Function], level: BatchLevel, has_axis: tuple, *values: Any) -> Any:
        """The outputs, all with the batch axis first."""
        with opened(level):
            output = of.forward(*wrapped(level, has_axis, values))
        with below(level):
            outputs = tuple([fronted(level, out) for out in as_tuple(output)])
        return outputs if isinstance(output, tuple) else outputs[0]

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Any) -> None:
        """Let the other Function set up a context of its own, and keep for it what it saves."""
        of, level, has_axis, *values = inputs
        ctx.of, ctx.level, ctx.has_axis = of, level, has_axis
        ctx.element = element = ElementContext(ctx.needs_input_grad[3:])
        with opened(level):
            args = wrapped(level, has_axis, values)
            outs = wrapped(level, [True] * len(as_tuple(output)), as_tuple(output))
            of.setup_context(element, tuple(args), tuple(outs) if isinstance(output, tuple) else outs[0])
        ctx.metas = [(arg.array.shape, arg.array.dtype) if isinstance(arg, Tensor) else None for arg in args]
        ctx.materialize_grads = element.materialize_grads
        saved: Any = element.to_save, element.saved_for_forward
        ctx.saved_axes, ctx.forward_axes = [[level.is_mapped(tensor) for tensor in kept or ()] for kept in saved]
        for name in ("to_save", "saved_for_forward", "dirty_tensors", "non_differentiable"):
            tensors = getattr(element, name)
            if tensors is not None:
                setattr(ctx, name, tuple([level.lowered(tensor) for tensor in tensors]))
                setattr(element, name, None)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> tuple:
        """The other Function's gradients, summed over the batch for what has no batch axis."""
        level = ctx.level
        parts = called(ctx, backward_of(ctx.of), ctx.saved_axes, [True] * len(grad_outputs), grad_outputs)
        gradients: list = []
        for part, axis, meta in zip(parts, ctx.has_axis, ctx.metas):
            if isinstance(part, Tensor) and meta is not None:
                with opened(level):
                    part = fit(part, *meta)
                part = fronted(level, part)
                part = part if axis else part.sum(0)
            gradients.append(part)
        return (None, None, None, *gradients, *parts[len(gradients) :])

    @staticmethod
    def jvp(ctx: Any, *grad_inputs: Any) -> Any:
        """The other Function's tangents."""
        axes = ctx.forward_axes or ctx.saved_axes
        parts = called(ctx, ctx.of.jvp, axes, ctx.has_axis, grad_inputs[3:])
        return tuple([fronted(ctx.level, part) for part in parts])


def called(ctx: Any, method: Any, saved_axes: list, axes: Any, values: tuple) -> tuple:
    """What a method of the other Function returns for batches."""
    element = ctx.element
    with opened(ctx.level):
        element.saved_tensors = tuple(wrapped(ctx.level, saved_axes, ctx.saved_tensors))
        try:
            return as_tuple(method(element, *wrapped(ctx.level, axes, values)))
        finally:
            del element.saved_tensors


def wrapped(level: BatchLevel, has_axis: Any, values: Any) -> list:
    """Tensors with a batch axis as tensors of the level."""
    return [
        batched(level, value) if axis and isinstance(value, Tensor) else value for axis, value in zip(has_axis, values)
    ]


def fronted(level: BatchLevel, value: Any) -> Any:
    """A tensor of the level with the batch as its first axis."""
    return Batch(level, None, None, (), {}).front(value)
