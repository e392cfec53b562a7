"""Derivatives of functions by backward: grad, vjp, jacrev, linearize."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from typing import Any

from .. import autograd, ops
from ..autograd.engine import reachable
from ..autograd.modes import open_levels, recording
from ..autograd.node import Node
from ..ops.dual import check_differentiable
from ..ops.levels import bare, differentiated, fresh, recorded, settled, zeros_like
from ..tensor import Tensor, edge_of
from . import trees
from .vmap import vmap

__all__ = ["grad", "grad_and_value", "jacrev", "linearize", "vjp"]


class Graph:
    """The graph of one call of a function: from copies of its inputs to its outputs."""

    def __init__(self, inputs: list[Tensor]) -> None:
        for tensor in inputs:
            if not isinstance(tensor, Tensor):
                raise ValueError(f"Thing passed to transform API must be Tensor, got {type(tensor)}")
            if tensor.array.dtype.kind not in "fcV":
                raise RuntimeError("only Tensors of floating point dtype can require gradients")
        self.recorded = bool(recording.get())  # whether somebody outside may differentiate too
        self.level = open_levels.get()[-1] if open_levels.get() else None  # those below may record within this one
        self.inputs = [fresh(tensor) for tensor in inputs]
        self.outputs: list[Tensor] = []
        self.shared = False  # whether the outputs depend on more than the inputs, in what is recorded

    def close(self, outputs: list[Tensor]) -> None:
        """The function has returned these."""
        self.outputs = outputs
        own = {id(tensor) for tensor in self.inputs}
        for tensor in self.inputs:
            tensor.closed = True  # nobody else differentiates by it
        ends = [edge for edge in map(edge_of, outputs) if edge is not None]
        leaves = [end for end in ends if not isinstance(end, Node)]
        leaves += [e for node in reachable(ends) for e in node.edges if e is not None and not isinstance(e, Node)]
        self.shared = any(id(leaf) not in own and not hasattr(leaf, "closed") for leaf in leaves)

    def released(self, tensor: Any) -> Any:
        """A result for the outside: what only the copies of the inputs hang on is history of no interest there."""
        if not isinstance(tensor, Tensor) or not tensor.requires_grad or (self.shared and self.recorded):
            return tensor
        return bare(tensor)

    def gradients(self, cotangents: list[Tensor], retain_graph: bool = True) -> list[Tensor]:
        """The gradients of the inputs from those of the outputs; zeros where there is no dependence."""
        pairs = [(out, g) for out, g in zip(self.outputs, cotangents) if out.requires_grad]
        found: Any = [None] * len(self.inputs)
        if pairs:
            outputs, starts = zip(*pairs)
            outer = self.recorded and (self.shared or any(g is not None and g.requires_grad for g in starts))
            with contextlib.nullcontext() if outer else settled(self.level):
                found = autograd.grad(
                    outputs,
                    self.inputs,
                    starts,
                    retain_graph=retain_graph,
                    create_graph=bool(recording.get()) and (outer or self.level is not None),
                    allow_unused=True,
                )
            if not outer:
                found = [g if g is None else bare(g) for g in found]
        return [zeros_like(x) if g is None else g for x, g in zip(self.inputs, found)]


def parted(output: Any, has_aux: bool, what: str) -> tuple:
    """What a function returned: its output, and what comes along with it.

    Raises:
        RuntimeError: something was to come along, and the function did not return a pair.
    """
    if not has_aux:
        return output, None
    if not (isinstance(output, tuple) and len(output) == 2):
        raise RuntimeError(f"{what}: output of function f should be a tuple: (output, aux) if has_aux is True")
    return output


def graph_of(func: Callable, args: tuple, kwargs: dict, argnums: Any, has_aux: bool, what: str) -> tuple:
    """A call as a graph of the chosen arguments, what gives such their form, the output, and what comes along."""
    leaves, rebuild = trees.flatten(picked(args, argnums))
    graph = Graph(leaves)
    with differentiated():
        output = func(*replaced(args, argnums, rebuild(graph.inputs)), **kwargs)
    return graph, rebuild, *parted(output, has_aux, what)


def _cotangent(output: Tensor) -> Tensor:
    return ops.ones((), dtype=output.dtype)


def grad(func: Callable, argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable:
    """A function that computes the gradient of ``func``, which returns a single number, by one or more arguments.

    Args:
        func: returns a tensor without axes; with ``has_aux`` that and something else.
        argnums: which arguments; a tuple of numbers gives a tuple of gradients.
        has_aux: the gradient comes with the something else.

    Raises:
        RuntimeError: the function does not return a single number, or has no such argument.

    >>> import rushlight as torch
    >>> torch.func.grad(torch.func.grad(torch.sin))(torch.tensor(0.5))
    tensor(-0.4794)
    """

    @functools.wraps(func)
    def call(*args: Any, **kwargs: Any) -> Any:
        gradients, result = grad_and_value(func, argnums, has_aux)(*args, **kwargs)
        return (gradients, result[1]) if has_aux else gradients

    return call


def grad_and_value(func: Callable, argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable:
    """As `grad`, with the value: ``(gradient, value)``, or ``(gradient, (value, aux))``.

    >>> import rushlight as torch
    >>> torch.func.grad_and_value(lambda x: x**2)(torch.tensor(3.0))
    (tensor(6.), tensor(9.))
    """

    @functools.wraps(func)
    def call(*args: Any, **kwargs: Any) -> Any:
        graph, rebuild, output, aux = graph_of(func, args, kwargs, argnums, has_aux, "grad_and_value(f)(*args)")
        _check_scalar(output)
        graph.close([output])
        gradients = rebuild(graph.gradients([_cotangent(output)], retain_graph=graph.shared))
        value = graph.released(output)
        return gradients, ((value, trees.changed_aux(graph.released, aux)) if has_aux else value)

    return call


def _check_scalar(output: Any) -> None:
    start = "grad_and_value(f)(*args): Expected f(*args) to return a "
    if not isinstance(output, Tensor):
        raise RuntimeError(f"{start}Tensor, got {type(output)}")
    if output.array.ndim:
        raise RuntimeError(
            f"{start}scalar Tensor, got tensor with {output.array.ndim} dims. Maybe you wanted to use the vjp or "
            "jacrev APIs instead?"
        )
    if output.array.dtype.kind == "c":
        raise RuntimeError(f"grad can be implicitly created only for real scalar outputs but got {output.dtype}")


def picked(args: tuple, argnums: int | tuple[int, ...]) -> Any:
    """The arguments of these numbers.

    Raises:
        RuntimeError: there are no such arguments, or one is named twice.
    """
    numbers = argnums if isinstance(argnums, tuple) else (argnums,)
    for number in numbers:
        if not isinstance(number, int):
            raise RuntimeError(f"argnums must be int or Tuple[int, ...], got: {type(argnums)}")
        if not -len(args) <= number < len(args):
            raise RuntimeError(f"Got argnum={number}, but only {len(args)} positional inputs")
    if isinstance(argnums, tuple):
        if not argnums:
            raise RuntimeError("argnums must be non-empty")
        if len({number % len(args) for number in numbers}) < len(numbers):
            raise RuntimeError(f"argnums elements must be unique, got {argnums}")
        return tuple(args[number] for number in numbers)
    return args[argnums]


def replaced(args: tuple, argnums: int | tuple[int, ...], by: Any) -> tuple:
    """The arguments with those of these numbers replaced."""
    new = list(args)
    for number, value in zip(argnums, by) if isinstance(argnums, tuple) else ((argnums, by),):
        new[number] = value
    return tuple(new)


def vjp(func: Callable, *primals: Any, has_aux: bool = False) -> tuple:
    """The value of a function, and a function that takes gradients of its outputs to gradients of its inputs.

    Returns:
        ``(output, vjp_fn)``, or ``(output, vjp_fn, aux)``; ``vjp_fn`` returns a tuple, one gradient for each primal.

    >>> import rushlight as torch
    >>> value, pull = torch.func.vjp(torch.sin, torch.zeros(2))
    >>> pull(torch.tensor([1.0, 2.0]))
    (tensor([1., 2.]),)
    """
    leaves, rebuild = trees.flatten(primals)
    graph = Graph(leaves)
    with differentiated():
        output = func(*rebuild(graph.inputs))
    output, aux = parted(output, has_aux, "vjp(f, *primals)")
    outputs = differentiable(output)
    graph.close(outputs)
    form = trees.structure(output)

    def vjp_fn(cotangents: Any, retain_graph: bool = True, create_graph: bool | None = None) -> Any:
        if trees.structure(cotangents) != form:
            raise RuntimeError(
                "Expected pytree structure of cotangents to be the same as pytree structure of outputs to the "
                f"function. cotangents: {trees.structure(cotangents)}, primal output: {form}"
            )
        given = trees.flatten(cotangents)[0]
        for gradient in given:
            if gradient is not None and not isinstance(gradient, Tensor):
                raise TypeError(f"gradients can be either Tensors or None, but got {type(gradient).__name__}")
        return rebuild(graph.gradients(given, retain_graph))

    result = trees.changed(graph.released, output)
    return (result, vjp_fn, trees.changed_aux(graph.released, aux)) if has_aux else (result, vjp_fn)


def differentiable(output: Any) -> list[Tensor]:
    """The tensors that a function returned to `vjp`.

    Raises:
        RuntimeError: something else is among them, or whole numbers.
    """
    outputs = trees.only_tensors(output, "vjp(f, *primals)")
    for tensor in outputs:
        if tensor.array.dtype.kind not in "fcV":
            raise RuntimeError(
                "vjp(f, ...): All outputs of f must be floating-point or complex Tensors, got Tensor with dtype "
                f"{tensor.dtype}"
            )
    return outputs


def jacrev(
    func: Callable,
    argnums: int | tuple[int, ...] = 0,
    *,
    has_aux: bool = False,
    chunk_size: int | None = None,
    _preallocate_and_copy: bool = False,
) -> Callable:
    """A function that computes the Jacobian of ``func`` by backward: all rows at once, or ``chunk_size`` at a time.

    Returns of it: for each output (in the form of the outputs) and each chosen argument a tensor of the shape of the
    output followed by that of the argument.

    >>> import rushlight as torch
    >>> torch.func.jacrev(torch.sin)(torch.zeros(2))
    tensor([[1., 0.],
            [0., 1.]])
    """
    if chunk_size is not None and chunk_size <= 0:
        raise ValueError("jacrev: `chunk_size` should be greater than 0.")

    @functools.wraps(func)
    def call(*args: Any, **kwargs: Any) -> Any:
        trees.only_real(trees.flatten(picked(args, argnums))[0], "jacrev: Expected all inputs")
        graph, rebuild, output, aux = graph_of(func, args, kwargs, argnums, has_aux, "jacrev(f)(*args)")
        outputs = differentiable(output)
        trees.only_real(outputs, "jacrev: Expected all outputs")
        graph.close(outputs)
        _, build = trees.flatten(output)
        columns = jacobian_of(graph, chunk_size)
        jacobian = build([rebuild(row) for row in columns])
        return (jacobian, trees.changed_aux(graph.released, aux)) if has_aux else jacobian

    return call


def jacobian_of(graph: Graph, chunk_size: int | None) -> list[list[Tensor]]:
    """For each output of a graph its derivatives by each input."""
    basis = standard_basis(graph.outputs)
    pulled = vmap(lambda *rows: tuple(graph.gradients(list(rows))), chunk_size=chunk_size)(*basis)
    pulled = [graph.released(rows) for rows in pulled]
    table: list[list[Tensor]] = []
    start = 0
    for output in graph.outputs:
        count = output.array.size
        table.append(
            [
                graph.released(ops.reshape(ops.narrow(rows, 0, start, count), (*output.array.shape, *x.array.shape)))
                for rows, x in zip(pulled, graph.inputs)
            ]
        )
        start += count
    return table


def standard_basis(tensors: list[Tensor]) -> list[Tensor]:
    """One unit vector after the other for the elements of several tensors, each in the shapes of all of them."""
    total = sum(tensor.array.size for tensor in tensors)
    basis, start = [], 0
    for tensor in tensors:
        count = tensor.array.size
        rows = ops.zeros(total, count, dtype=tensor.dtype)
        rows.array[range(start, start + count), range(count)] = 1
        basis.append(ops.reshape(rows, (total, *tensor.array.shape)))
        start += count
    return basis


def linearize(func: Callable, *primals: Any) -> tuple:
    """The value of a function, and its derivative there as a function of tangents, without computing the value again.

    Returns:
        ``(output, jvp_fn)``; ``jvp_fn(*tangents)`` gives the tangent of the output.

    >>> import rushlight as torch
    >>> value, push = torch.func.linearize(torch.sin, torch.zeros(2))
    >>> push(torch.tensor([1.0, 2.0]))
    tensor([1., 2.])
    """
    leaves, inputs_of = trees.flatten(primals)
    for leaf in leaves:
        check_differentiable("primal", leaf)
    graph = Graph(leaves)
    with differentiated():
        output = func(*inputs_of(graph.inputs))
    results, rebuild = trees.flatten(output)
    outputs = [leaf for leaf in results if isinstance(leaf, Tensor)]
    graph.close(outputs)
    cotangents = [fresh(zeros_like(out)) for out in outputs]
    for cotangent in cotangents:
        cotangent.closed = True
    with recorded():
        pulled = graph.gradients(cotangents)
    form = trees.structure(primals)

    def jvp_fn(*tangents: Any) -> Any:
        if trees.structure(tangents) != form:
            raise RuntimeError(
                f"Expected the tangents {trees.structure(tangents)} to have the same argspec as the primals {form}"
            )
        directions = trees.flatten(tangents)[0]
        for place, (tangent, primal) in enumerate(zip(directions, leaves)):
            _check_alike(place, tangent, primal)
        moved = iter(pushed(graph, pulled, cotangents, directions))
        return rebuild([next(moved) if isinstance(leaf, Tensor) else leaf for leaf in results])

    return trees.changed(graph.released, output), jvp_fn


def _check_alike(place: int, tangent: Tensor, primal: Tensor) -> None:
    for what in ("shape", "dtype"):
        found, expected = getattr(tangent, what), getattr(primal, what)
        if found != expected:
            raise RuntimeError(
                f"tangent:{place} with {what} {found} in flattened pytree doesn't match the {what} {expected} of the "
                "corresponding primal."
            )


def pushed(graph: Graph, pulled: list[Tensor], cotangents: list[Tensor], tangents: list[Tensor]) -> list[Tensor]:
    """The tangents of the outputs of a graph: the map from gradients of outputs to those of inputs, transposed."""
    pairs = [(g, t) for g, t in zip(pulled, tangents) if g.requires_grad]
    found: Any = [None] * len(cotangents)
    if pairs:
        sources, directions = zip(*pairs)
        outer = graph.recorded and (graph.shared or any(t.requires_grad for t in directions))
        found = autograd.grad(sources, cotangents, directions, retain_graph=True, create_graph=outer, allow_unused=True)
    return [zeros_like(out) if t is None else t for out, t in zip(graph.outputs, found)]
