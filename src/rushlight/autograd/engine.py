"""Backward: order the graph, run each node's rule, add up the gradients, release what was saved.

Gradients travel as bare arrays; as Tensors when ``create_graph`` asks for a graph of the gradients themselves, or when
a transformation is open whose tensors are more than one array.
A node's number exceeds those of all that it points at: the pending node of the highest number has all of its gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from contextvars import ContextVar
from heapq import heappop, heappush
from operator import attrgetter
from sys import getrefcount
from threading import Lock
from typing import Any

import numpy as np

from ..kernels.arithmetic import add
from .anomalies import is_anomaly_enabled, report
from .modes import IN_BACKWARD, as_recording, recording
from .nesting import nested
from .node import Bundle, Node, explained, freed_by, name_line

by_number = attrgetter("number")
ndarray = np.ndarray

FREED = (
    "Trying to backward through the graph a second time (or directly access saved tensors after they have already been "
    "freed). Saved intermediate values of the graph are freed when you call .backward() or autograd.grad(). Specify "
    "retain_graph=True if you need to backward through the graph a second time or if you need to access saved tensors "
    "after calling backward."
)


watchers: list[Callable] = []
"""Contexts of the nodes of each backward: anomaly detection and profiles look on from there."""


def run(
    roots: list,
    gradients: list,
    *,
    keep_graph: bool,
    on_tensors: bool,
    create_graph: bool,
    targets: Any,
    make: Callable,
    boundary: bool = False,
    capture: bool = True,
    place: tuple = (None, 0),
) -> dict:
    """Send the gradients of the roots through the graph.

    Args:
        roots: the nodes or leaves of the outputs, with one gradient each in ``gradients``.
        keep_graph: leave what was saved in place.
        on_tensors: gradients are Tensors, those of open transformations included, rather than arrays.
        create_graph: what the rules do is recorded, which takes Tensors.
        targets: nodes and leaves whose gradients are asked for; by default those of all leaves are accumulated.
        make: turns an array into a Tensor.
        boundary: the graph beyond the targets does not matter.
        capture: return the gradients of the targets; otherwise accumulate those of the leaves among them.
        place: the user's code and instruction, for errors about what was freed.

    Returns:
        The gradients of the targets that were reached, None for those that are undefined.
    """
    captured: dict | None = None
    relevant: Any = ()
    wanted: set | None = None
    if targets is not None:
        captured, targets = {} if capture else None, set(targets)
        relevant = leading_to(targets, reachable(roots, targets if boundary else ()))
        wanted = relevant | targets
    grads: dict = {}
    node: Any = None
    pending: list = []  # a heap of the nodes that have a gradient waiting, latest first
    following: Any = None  # the only node with a gradient waiting, if there is only one, which is in arrived
    arrived: Any = None
    if len(roots) == 1 and isinstance(roots[0], Node) and (wanted is None or roots[0] in wanted):
        following, arrived = roots[0], gradients[0]
    else:
        grads = starting(roots, gradients, wanted)
        for root in grads:
            if isinstance(root, Node):
                heappush(pending, (-root.number, root))
    owned: set = set()  # buffers made by an addition here: the next one may go in place
    due: dict | None = None
    g: Any = GONE
    outer, outer_pass = recording.get(), running.get()
    recording.set(as_recording() if create_graph else IN_BACKWARD)
    current = Pass()  # without an __init__, which costs more than the rest
    current.roots, current.wanted, current.captured, current.targets, current.outer = (
        roots,
        wanted,
        captured,
        targets,
        outer_pass,
    )
    current.keep_graph, current.on_tensors, current.make, current.place = keep_graph, on_tensors, make, place
    running.set(current)
    try:
        while True:
            if following is not None:
                node, g, following = following, arrived, None
            elif pending:
                node = heappop(pending)[1]
                g = grads.pop(node, GONE)
                if g is GONE:  # it was waiting twice, first for a gradient that was undefined
                    continue
            else:
                break
            if targets is not None and node not in relevant:
                current.end_at(node, g)
                continue
            if captured is not None and node in targets:
                captured[node] = g  # as PyTorch: without what hooks make of it, where backward goes on from there
            if node.hooks is not None:
                if due is None:
                    due = last_before_leaves(roots)
                    current.finish_whole(grads, [node, *waiting(pending)])
                g = nested(node.hooks.call_before, g, on_tensors, make)
            if node.saved is None and (g is not None or node.unpacks):
                if not node.leads():
                    g = GONE
                    continue
                raise RuntimeError(explained(FREED, *freed_by(node)))
            if g is None:
                parts = node.run_undefined(on_tensors)
            elif wanted is None or not node.narrows:
                parts = node.run_recorded(g) if on_tensors else node.run(g)
            else:
                asked = tuple([edge if edge in wanted else None for edge in node.edges])
                parts = node.run_recorded(g, asked) if on_tensors else node.run(g, asked)
            if node.hooks is not None:
                parts = nested(node.hooks.call_after, parts, g, on_tensors, make)
            if not keep_graph and node.saved:
                node.saved, node.fit = None, place
            g = GONE
            for edge, part in zip(node.edges, parts):
                if part is None or edge is None or (wanted is not None and edge not in wanted):
                    if part is None and edge is not None and edge is not following and (not wanted or edge in wanted):
                        reach_undefined(edge, grads, pending)
                        if due is None and not isinstance(edge, Node) and edge._hooks is not None:
                            due = last_before_leaves(roots)
                    continue
                if edge is following:
                    arrived = add(arrived, part) if type(arrived) is ndarray else arrived + part
                    continue
                so_far = grads.get(edge)
                if so_far is None:
                    if isinstance(edge, Node):
                        if following is None and not pending:
                            following, arrived = edge, part  # the only one: most of a chain never sees the heap
                            continue
                        heappush(pending, (-edge.number, edge))
                    elif edge._hooks is not None and due is None:
                        due = last_before_leaves(roots)
                    grads[edge] = part
                elif on_tensors or type(part) is Bundle:
                    grads[edge] = so_far + part
                elif edge in owned:
                    add(so_far, part, so_far)
                else:
                    grads[edge] = total = add(so_far, part) if type(so_far) is ndarray else so_far + part
                    if type(total) is ndarray:
                        owned.add(edge)
            parts = part = so_far = total = None
            if following is not None and pending:
                heappush(pending, (-following.number, following))
                grads[following], following = arrived, None
            if due is not None:
                for leaf in due.get(node, ()):
                    if leaf in grads:
                        current.finish(leaf, grads.pop(leaf))
        node, g = None, GONE
        for leaf in tuple(grads):
            if captured is None or leaf._hooks is not None or not leaf.leaf:
                current.finish(leaf, grads.pop(leaf))
            else:
                captured[leaf] = grads[leaf]
    except BaseException as error:
        unfinished = [*waiting(pending), *([] if g is GONE else [node]), *([] if following is None else [following])]
        current.finish_whole(grads, unfinished)
        if g is not GONE and node.saved is None and isinstance(error, (TypeError, AttributeError, LookupError)):
            raise RuntimeError(FREED) from error  # by another thread, between the question above and the answer
        if node is not None and isinstance(error, Exception):
            name_line(error, node)
        if is_anomaly_enabled():
            report(None if g is GONE else node)
        raise
    finally:
        recording.set(outer)
        running.set(outer_pass)
    return captured or {}


GONE = object()


def reach_undefined(edge: Any, grads: dict, pending: list) -> None:
    """Nothing but an undefined gradient has arrived so far: hooks are called and the node runs all the same."""
    if edge not in grads:
        grads[edge] = None
        if isinstance(edge, Node):
            heappush(pending, (-edge.number, edge))


class Pass:
    """One backward under way: what was asked of it, for those who are called from it, and what it does at the ends."""

    __slots__ = (
        *("__weakref__", "captured", "keep_graph", "make", "nodes", "on_tensors", "outer", "place", "roots"),
        *("targets", "wanted"),
    )

    roots: list
    wanted: set | None
    captured: dict | None
    targets: Any
    outer: Pass | None
    nodes: set
    keep_graph: bool
    on_tensors: bool
    make: Callable
    place: tuple

    def will_run(self, end: Any) -> bool:
        """Whether the gradient of this node or leaf is, was or will be computed."""
        if self.wanted is not None:
            return end in self.wanted
        if not hasattr(self, "nodes"):
            order = reachable(self.roots)
            self.nodes = {*self.roots, *order}.union(*(node.edges for node in order))
        return end in self.nodes

    def end_at(self, node: Node, g: Any) -> None:
        """The gradient of a node beyond which nothing was asked for: hand it over, or only call the node's hooks."""
        hooks, on_tensors, make = node.hooks, self.on_tensors, self.make
        if self.captured is not None:
            self.captured[node] = g if hooks is None else nested(hooks.call_on_tensors, g, on_tensors, make)
            return
        if hooks is not None:
            g = nested(hooks.call_before, g, on_tensors, make)
            nested(hooks.call_after, (None,) * len(node.edges), g, on_tensors, make)
        if not self.keep_graph and node.saved:
            node.saved, node.fit = None, self.place

    def finish_whole(self, grads: dict, unfinished: list[Node]) -> None:
        """The gradients of the leaves to which none of the unfinished nodes leads are whole."""
        fed = {edge for node in reachable(unfinished) for edge in node.edges}
        for leaf in [leaf for leaf in grads if not isinstance(leaf, Node) and leaf not in fed]:
            self.finish(leaf, grads.pop(leaf))

    def finish(self, leaf: Any, g: Any) -> None:
        """The gradient of a leaf is whole: hand it to whoever asked, or accumulate it."""
        hooks, captured = leaf._hooks, self.captured
        if hooks is not None:
            call = hooks.call_before if captured is None else hooks.call_on_tensors
            g = nested(call, g, self.on_tensors, self.make)
        accumulates = captured is None and g is not None
        if accumulates and leaf._view is not None:
            _ = leaf.grad_fn  # a view may have got a history by now, or an unusable one
        if not leaf.leaf:  # requires_grad may have been switched off since
            if leaf.node is not None and accumulates:
                raise RuntimeError("leaf variable has been moved into the graph interior")
            return
        if captured is None:
            if accumulates:
                accumulate(leaf, g, self.on_tensors, self.make)
            if hooks is not None:
                nested(hooks.call_accumulated, leaf, g, self.on_tensors, self.make)
        elif leaf in self.targets:
            captured[leaf] = g


running: ContextVar[Pass | None] = ContextVar("running", default=None)
"""The innermost backward under way in this thread."""


def starting(roots: list, gradients: list, wanted: set | None) -> dict:
    """The gradient that each root starts from; one that is given twice gets the sum."""
    grads: dict = {}
    for root, gradient in zip(roots, gradients):
        if wanted is None or root in wanted:
            grads[root] = gradient if root not in grads else grads[root] + gradient
    return grads


def reachable(roots: Iterable, boundary: Collection = ()) -> list[Node]:
    """All nodes that the roots depend on, earliest first, and none beyond the boundary."""
    seen: set = set(roots)
    stack = list(seen)
    order = []
    while stack:
        node = stack.pop()
        if not isinstance(node, Node):
            continue
        order.append(node)
        if boundary and node in boundary:
            continue
        for edge in node.edges:
            if isinstance(edge, Node) and edge not in seen:
                seen.add(edge)
                stack.append(edge)
    if len(order) > 1:
        order.sort(key=by_number)
    return order


def leading_to(targets: set, order: list[Node]) -> set:
    """The nodes that lead to a target."""
    leading: set = set()
    for node in order:
        for edge in node.edges:
            if edge in leading or edge in targets:
                leading.add(node)
                break
    return leading


def waiting(pending: list) -> list[Node]:
    """The nodes in a heap."""
    return [node for _, node in pending]


def last_before_leaves(roots: list) -> dict:
    """The leaves under the last node to feed each: where hooks may look, a gradient is due as soon as it is whole."""
    last: dict = {}
    for node in reversed(reachable(roots)):
        for edge in node.edges:
            if edge is not None and not isinstance(edge, Node):
                last.pop(edge, None)  # those of one node in the order of their last edges
                last[edge] = node
    due: dict = {}
    for leaf, node in last.items():
        due.setdefault(node, []).append(leaf)
    return due


accumulating = Lock()  # graphs of several threads may end at the same leaf


def accumulate(leaf: Any, g: Any, on_tensors: bool, make: Callable) -> None:
    """Add a gradient to ``.grad``."""
    with accumulating:
        grad = leaf._grad
        if on_tensors:
            g = g if recording.get() else g.detach()  # as in PyTorch, also without a tangent
            leaf._grad = g if grad is None else grad + g
        elif grad is None:
            leaf._grad = make(g if is_sole(g) else like_its_leaf(g, leaf.array))
        else:
            if type(g) is ndarray and g.dtype is grad.array.dtype:
                add(grad.array, g, grad.array)
            else:
                np.add(grad.array, g, grad.array, casting="unsafe")
            cell = grad.version
            cell[0] += 1
            if len(cell) > 1:
                del cell[1:]  # who changed it before: that was not the last change


def is_sole(g: Any) -> bool:
    """Whether an array that the engine holds is seen by nobody else, so that ``.grad`` may keep it as it is."""
    return type(g) is ndarray and g.base is None and getrefcount(g) <= SOLE and g.flags.c_contiguous


def like_its_leaf(g: Any, leaf: ndarray) -> ndarray:
    """A copy of a gradient that lies in memory as its leaf does."""
    if type(g) is not ndarray:
        return np.array(g)
    copied = np.empty_like(leaf, dtype=g.dtype)
    copied[...] = g
    return copied


def _references(g: Any, depth: int = 1) -> int:
    """How many references an unshared array has when it arrives in `is_sole`: counted, as versions of Python differ."""
    return _references(g, depth - 1) if depth else getrefcount(g)


SOLE = (lambda g: _references(g))(np.empty(1))
