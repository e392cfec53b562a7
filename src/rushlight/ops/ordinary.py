"""The ordinary call of an operation, and the run of its nodes, written out from its declaration.

Nearly all calls are alike: plain tensors, of one floating-point type where types have to meet, no transformation open,
nothing between operations and the graph. The general way, `Op.__call__`, asks each time what the declaration says once
for all, in code that all operations share and whose jumps no processor foresees: it takes three times as long. So an
operation gets a function of its own when it is called first, from source text made of its declaration as `dataclasses`
makes an ``__init__``. What that does not expect goes the general way.

In the text ``_array_x`` and ``_edge_x`` belong to the operand ``x``; all other names of its own begin with ``_`` too.
"""

from __future__ import annotations

import linecache
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..autograd.modes import open_levels, recording
from ..autograd.node import Nowhere, current_frame, latest, next_number, user_place
from ..autograd.origin import remember
from ..kernels.layout import arranged
from ..tensor import Parameter, Tensor, edge_of, new, view_edge, wrap
from .declaration import RESULT, SHAPE, VALUE
from .nodes import OUTPUT, Backward, ElementwiseBackward, Facts, Positions, Saved, SavedPositions, keep
from .promotion import float32, float64, raw, shapes

PLAIN = frozenset((bool, int, float, str, type(None)))
"""The types of arguments that are passed on, and kept, as they are."""


def kept(value: Any) -> Any:
    """An argument without a derivative, as a node keeps it."""
    if isinstance(value, Tensor):
        return keep(value, edge_of(value))
    return SavedPositions(value) if type(value) is Positions else value


def facts(saved: dict) -> dict:
    """What a node keeps, if it has to be looked at whether there is an array to release."""
    arrays = any(type(value) is Saved or type(value) is SavedPositions for value in saved.values())
    return saved if arrays else Facts(saved)


NAMES: dict[str, Any] = {
    **{"ndarray": np.ndarray, "asarray": np.asarray, "float32": float32, "float64": float64, "PLAIN": PLAIN},
    **{"open_levels": open_levels, "recording": recording, "current_frame": current_frame, "latest": latest},
    **{"next_number": next_number, "user_place": user_place, "remember": remember, "Nowhere": Nowhere},
    **{"arranged": arranged, "Parameter": Parameter, "Tensor": Tensor, "new": new, "view_edge": view_edge},
    **{"wrap": wrap, "OUTPUT": OUTPUT, "Facts": Facts, "facts": facts, "Saved": Saved, "kept": kept, "raw": raw},
    **{"shapes": shapes},
}
"""What the text may name; the operation's own things are added with a ``_`` in front."""


def ordinary_call(spec: Any, general: Callable) -> Callable:
    """The function for an operation's ordinary calls; its nodes get one that runs their rules.

    Args:
        general: the way of all other calls, which takes the arguments as they are given.
    """
    if not is_regular(spec):
        return general
    node = spec.node
    if node.run is Backward.run and node.apply in (Backward.apply, ElementwiseBackward.apply):
        rules = {f"rule_{number}": rule.function for number, rule in enumerate(node.rules)}
        node.run = function(spec, "run", run_lines(spec), rules)
    own = {"general": general, "spec": spec, "compute": spec.compute, "Node": node, "name": spec._node[0]}
    defaults = {f"default_{name}": value for name, value in zip(spec.names, spec.tail)}
    return function(spec, spec.compute.__name__, call_lines(spec), own | defaults)


def is_regular(spec: Any) -> bool:
    """Whether an operation takes tensors one by one, has a derivative, and gives one new tensor."""
    irregular = spec.view or spec.variadic or spec.sequence is not None or spec.outputs != ("result",)
    return bool(spec.places) and not irregular and NAMES.keys().isdisjoint(spec.names)


def function(spec: Any, name: str, lines: Iterator[str], own: dict[str, Any]) -> Callable:
    """A function from the lines of its source, which tracebacks show."""
    source = "\n".join(lines) + "\n"
    filename = f"<rushlight {spec.name}: {name}>"
    made: dict[str, Any] = NAMES | {f"_{key}": value for key, value in own.items()}
    exec(compile(source, filename, "exec"), made)
    linecache.cache[filename] = len(source), None, source.splitlines(True), filename
    return made[name]


# The call


def call_lines(spec: Any) -> Iterator[str]:
    """The source of an ordinary call: arrays, result, edges, node."""
    tensors = [spec.names[place] for place in spec.places]
    values = "".join(f"{name}, " for name in spec.names)
    general = f"return _general({passed(spec)})"
    yield f"def {spec.compute.__name__}({signature(spec)}):"
    yield "    _mode = recording.get()"
    yield "    if (_mode is not True and _mode) or open_levels.get():"
    yield f"        {general}"
    for name in tensors:
        yield from array_lines(spec, name, name == tensors[0], general)
    for name in spec.names:
        if name not in tensors:
            yield f"    _array_{name} = {name} if type({name}) in PLAIN else raw({name})"
    compute = f"_y = _compute({passed(spec, '_array_')})"
    if spec.promote is None:
        yield f"    {compute}"
    else:
        yield "    try:"
        yield f"        {compute}"
        yield "    except (RuntimeError, ValueError):"
        yield f"        {general}"
    if spec.loops:
        yield f"    if _y.ndim > 1 and not ({' and '.join(straight(spec, name) for name in spec.names)}):"
        yield f"        _y = arranged(_y, ({''.join(f'_array_{name}, ' for name in spec.names)}))"
    yield "    _out = wrap(_y if type(_y) is ndarray else asarray(_y))"
    yield "    if _mode:"
    for name in tensors:
        yield from edge_lines(spec, name)
    yield f"        if {' or '.join(f'_edge_{name} is not None' for name in tensors)}:"
    yield from node_lines(spec, tensors, values)
    yield f"    remember(_out, _name, _mode, current_frame(2), ({values}))"
    yield "    return _out"


def signature(spec: Any) -> str:
    """The parameters, as the operation's own function has them."""
    parts = []
    for place, name in enumerate(spec.names):
        if place == spec.positional:
            parts.append("*")
        parts.append(name if place < spec.required else f"{name}=_default_{name}")
    return ", ".join(parts)


def passed(spec: Any, prefix: str = "") -> str:
    """The arguments of a call that passes on all of them."""
    given = [f"{prefix}{name}" for name in spec.names]
    by_name = [f"{name}={value}" for name, value in zip(spec.names, given)][spec.positional :]
    return ", ".join(given[: spec.positional] + by_name)


def is_optional(spec: Any, name: str) -> bool:
    """Whether None may be given in place of a tensor."""
    place = spec.names.index(name)
    return place >= spec.required and spec.tail[place] is None


def array_lines(spec: Any, name: str, first: bool, general: str) -> Iterator[str]:
    """The array of an operand."""
    yield f"    _kind = type({name})"
    yield "    if _kind is Tensor or _kind is Parameter:"
    yield f"        _array_{name} = {name}.array"
    if spec.promote is not None:
        if first:
            yield f"        _dtype = _array_{name}.dtype"
            yield "        if _dtype is not float32 and _dtype is not float64:"
        else:
            yield f"        if _array_{name}.dtype is not _dtype:"
        yield f"            {general}"
        if not first:
            yield "    elif _kind is float or _kind is int:"
            yield f"        _array_{name} = asarray({name}, _dtype)"
    if is_optional(spec, name):
        yield f"    elif {name} is None:"
        yield f"        _array_{name} = None"
    yield "    else:"
    yield f"        {general}"


def straight(spec: Any, name: str) -> str:
    """The condition that an argument leaves the axes of the result in the order they are in."""
    test = f"_array_{name}.shape == _y.shape and _array_{name}.flags.c_contiguous"
    certain = name in spec.differentiable and not is_optional(spec, name)
    return test if certain else f"(type(_array_{name}) is not ndarray or {test})"


def edge_lines(spec: Any, name: str) -> Iterator[str]:
    """Where the gradient of an operand goes."""
    if spec.promote is not None or is_optional(spec, name):
        yield f"        if type({name}) in PLAIN:"
        yield f"            _edge_{name} = None"
        yield f"        elif {name}._view is None:"
    else:
        yield f"        if {name}._view is None:"
    yield f"            _edge_{name} = {name} if {name}.leaf else {name}.node"
    yield "        else:"
    yield f"            _edge_{name} = view_edge({name})"


def node_lines(spec: Any, tensors: list[str], values: str) -> Iterator[str]:
    """The node of a recorded call; written out only for one whose operands all want a gradient."""
    edges = "".join(f"_edge_{name}, " for name in tensors)
    wanted = [f"_edge_{name} is not None" for name in tensors if len(tensors) > 1]
    full = " and ".join(wanted + [f"type(_edge_{name}) is not Nowhere" for name in tensors])
    yield f"            if {full} and (_y.dtype is float32 or _y.dtype is float64):"
    yield "                _out.node = _node = new(_Node)"
    yield f"                _node.number, _node.hooks, _node.edges = next_number(), None, ({edges})"
    yield f"                _node.saved = {kept_text(spec, tensors)}"
    yield f"                _node.fit = {fit_text(spec, tensors, values, edges)}"
    yield "                _frame = current_frame(2)"
    yield "                _code = _frame.f_code"
    yield "                if _code is latest.code:"
    yield "                    _node.code, _node.instruction = _code, _frame.f_lasti"
    yield "                else:"
    yield "                    _node.code, _node.instruction = user_place(_frame)"
    yield "                return _out"
    yield f"            return _spec.recorded(_out, ({values}), ({edges}), current_frame(2))"


def kept_text(spec: Any, tensors: list[str]) -> str:
    """What a node keeps, a dictionary."""
    items = []
    arrays, uncertain = spec.fast, False
    for name, source, place in spec.plan((True,) * len(tensors)):
        operand = "" if source == RESULT else spec.names[place]
        if source == RESULT:
            text, arrays = "Saved(_out.array, _out.version, OUTPUT)", True
        elif source == VALUE and operand in tensors:
            text, arrays = f"Saved(_array_{operand}, {operand}.version, _edge_{operand})", True
        elif source == VALUE:
            text, uncertain = f"{operand} if type({operand}) in PLAIN else kept({operand})", True
        elif operand in tensors:
            text = f"_array_{operand}.{'shape' if source == SHAPE else 'dtype'}"
        else:
            text = f"shapes({operand})" if source == SHAPE else f"raw({operand}).dtype"
        items.append(f"{name!r}: {text}")
    saved = "{" + ", ".join(items) + "}"
    return saved if arrays else f"facts({saved})" if uncertain else f"Facts({saved})"


def fit_text(spec: Any, tensors: list[str], values: str, edges: str) -> str:
    """What brings gradients back to operands that were broadcast, if there are any."""
    if not spec.fits:
        return "None"
    same = [f"_array_{name}.shape == _y.shape and _array_{name}.dtype is _y.dtype" for name in tensors]
    return f"None if {' and '.join(same)} else _spec._fit(({values}), ({edges}), _out.array)"


# The run of a node


def run_lines(spec: Any) -> Iterator[str]:
    """The source of what runs the rules, where all is as it was saved for the gradients of all operands."""
    plan, rules = spec.plan((True,) * len(spec.places)), spec.node.rules
    general = "return _node.apply(g, _node.kept(False), _asked or _node.edges)"
    edges = [f"_edge_{number}" for number in range(len(spec.places))]
    yield "def run(_node, g, _asked=None):"
    yield "    _saved = _node.saved"
    yield f"    if len(_saved) != {len(plan)} or _node.fit is not None:"
    yield f"        {general}"
    for name, source, _ in plan:
        yield f"    {name} = _saved[{name!r}]"
        if source in (VALUE, RESULT):
            yield f"    if type({name}) is Saved and {name}.cell[0] == {name}.version:"
            yield f"        {name} = {name}.array"
            yield f"    elif type({name}) not in PLAIN:"
            yield f"        {general}"
    if len(rules) == len(edges) == 1 and not spec.node.joint:
        yield f"    return (_rule_0({', '.join(map(str, rules[0].names))}),)"
        return
    yield f"    {''.join(f'{edge}, ' for edge in edges)} = _asked or _node.edges"
    if spec.node.joint:
        yield f"    needs = ({''.join(f'{edge} is not None, ' for edge in edges)})"
        yield f"    return tuple(_rule_0({', '.join(map(str, rules[0].names))}))"
    else:
        parts = [f"_rule_{number}({', '.join(map(str, rule.names))})" for number, rule in enumerate(rules)]
        yield f"    return ({''.join(f'None if {edge} is None else {part}, ' for edge, part in zip(edges, parts))})"
