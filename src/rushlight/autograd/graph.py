"""The graph as a program sees it: nodes, edges, versions."""

from __future__ import annotations

from typing import Any, NamedTuple

from .node import Node, public_edge

__all__ = ["GradientEdge", "Node", "get_gradient_edge", "increment_version"]


class GradientEdge(NamedTuple):
    """Where the gradient of a tensor goes: a node, and which of its outputs it is; the token is the edge itself."""

    node: Node
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
    edge = edge_of(tensor)
    node, output_nr = public_edge(edge)
    return GradientEdge(node, output_nr, edge)


def increment_version(tensor: Any) -> None:
    """Count a change of one or more tensors that autograd cannot see, so that values saved before it are not used.

    >>> import rushlight as torch
    >>> x = torch.zeros(2)
    >>> torch.autograd.graph.increment_version(x)
    >>> x._version
    1
    """
    from ..tensor import Tensor, inference_cell

    for one in (tensor,) if isinstance(tensor, Tensor) else tensor:
        if one.version is not inference_cell:
            one.version[0] += 1
