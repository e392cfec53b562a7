"""Nodes and the edges between them, as a program sees them."""

from __future__ import annotations

from typing import Any, NamedTuple

from . import node as nodes
from .metadata import note
from .node import AccumulateGrad, make_slot, public_edge


class _NodeMeta(type):
    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, nodes.Node)

    def __subclasscheck__(cls, subclass: type) -> bool:
        return issubclass(subclass, nodes.Node)

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        raise TypeError("Can't instantiate abstract class Node: the nodes of a graph are made by its operations")


class Node(metaclass=_NodeMeta):
    """What every node of a graph is an instance of: see `grad_fn` of a tensor and `next_functions` of a node.

    >>> import rushlight as torch
    >>> x = torch.ones(2, requires_grad=True)
    >>> isinstance((x * x).grad_fn, torch.autograd.graph.Node)
    True
    """


class GradientEdge(NamedTuple):
    """Where the gradient of a tensor goes: a node, and which of its outputs it is."""

    node: Any
    output_nr: int
    ownership_token: Any = None


def get_gradient_edge(tensor: Any) -> GradientEdge:
    """The edge of a tensor, which `grad` and `backward` take in place of the tensor.

    Raises:
        RuntimeError: the tensor does not require grad.

    >>> import rushlight as torch
    >>> x = torch.tensor(2.0, requires_grad=True)
    >>> torch.autograd.graph.get_gradient_edge(x * x).node.name()
    'MulBackward0'
    """
    from ..tensor import edge_of

    if not tensor.requires_grad:
        raise RuntimeError("It is not possible to get the gradient edge for a Tensor that does not require gradients")
    node, output_nr = public_edge(edge_of(tensor))
    note(node, tensor)
    return GradientEdge(node, output_nr)


def end_of(edge: GradientEdge) -> Any:
    """The node, the output of a node or the leaf that an edge leads to."""
    node = edge.node
    if isinstance(node, AccumulateGrad):
        return node.variable
    if node.several:
        return make_slot(node, edge.output_nr)
    return node
