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
from functools import partial
from typing import Any

import numpy as np

from ..autograd.modes import inferring, open_levels, recording
from ..autograd.node import Nowhere, current_frame, latest, make_slot, next_number, user_place
from ..autograd.origin import CONSTANT, remember
from ..autograd.versions import inference_cell
from ..kernels.layout import arranged
from ..tensor import Parameter, Tensor, edge_of, new, view_edge, wrap
from .declaration import RESULT, SHAPE, VALUE
from .nodes import Backward, ElementwiseBackward, Facts, Positions, Saved, SavedLayered, SavedPositions, keep, loaded
from .promotion import PLAIN, float32, float64, raw, shapes


def kept(value: Any) -> Any:
    """An argument without a derivative, as a node keeps it."""
    if isinstance(value, Tensor):
        return keep(value, edge_of(value))
    return SavedPositions(value) if type(value) is Positions else value


ARRAYS = frozenset((Saved, SavedLayered, SavedPositions))
"""The types of what holds arrays, which backward has to release."""


def facts(saved: dict) -> dict:
    """What a node keeps, if it has to be looked at whether there are arrays in it."""
    return Facts(saved) if ARRAYS.isdisjoint(map(type, saved.values())) else saved


NAMES: dict[str, Any] = {
    "ndarray": np.ndarray, "asarray": np.asarray, "float32": float32, "float64": float64, "PLAIN": PLAIN, "raw": raw,
    "open_levels": open_levels, "recording": recording, "inferring": inferring, "inference_cell": inference_cell,
    "current_frame": current_frame, "user_place": user_place, "latest": latest, "next_number": next_number,
    "remember": remember, "CONSTANT": CONSTANT, "Nowhere": Nowhere, "edge_of": edge_of, "view_edge": view_edge,
    "Tensor": Tensor, "Parameter": Parameter, "new": new, "wrap": wrap, "arranged": arranged, "make_slot": make_slot,
    "Facts": Facts, "facts": facts, "Saved": Saved, "kept": kept, "loaded": loaded, "shapes": shapes,
}  # fmt: skip
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
    savers: dict = {}
    own = {"general": general, "spec": spec, "compute": spec.compute, "Node": node, "name": spec._node[0]}
    own |= {"savers": savers, "saver": partial(saver, spec, [spec.names[place] for place in spec.places], savers)}
    defaults = {f"default_{name}": value for name, value in zip(spec.names, spec.tail)}
    return function(spec, spec.name, call_lines(spec), own | defaults)


def is_regular(spec: Any) -> bool:
    """Whether an operation takes tensors in known places, has a derivative, and gives a known number of new tensors."""
    if spec.view or spec.variadic or spec.outputs is None or not spec.places:
        return False
    if spec.sequence is not None:
        keeps = [spec.names[place] for _, source, place in spec.plan(()) if source == VALUE]
        meets = spec.loops or spec.fits or spec.promote is not None
        if meets or spec.sequence in keeps or spec.differentiable != (spec.sequence,):
            return False
    return NAMES.keys().isdisjoint(spec.names)


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
    yield f"def {spec.name}({signature(spec)}):"
    yield "    _mode = recording.get()"
    yield "    if (_mode is not True and _mode) or open_levels.get():"
    yield f"        {general}"
    for name in tensors:
        yield from array_lines(spec, name, name == tensors[0], general)
    for name in spec.names:
        if name not in tensors:
            yield f"    _array_{name} = {name} if type({name}) in PLAIN else raw({name})"
    results = [f"_y_{number}" for number in range(len(spec.outputs))]
    compute = f"{', '.join(results)} = _compute({passed(spec, '_array_')})"
    if spec.promote is None:
        yield f"    {compute}"
    else:
        yield "    try:"
        yield f"        {compute}"
        yield "    except (RuntimeError, ValueError):"
        yield f"        {general}"
    if spec.loops:
        yield f"    if _y_0.ndim > 1 and not ({' and '.join(straight(spec, name) for name in spec.names)}):"
        yield f"        _y_0 = arranged(_y_0, ({''.join(f'_array_{name}, ' for name in spec.names)}))"
    for number in tensors_of(spec):
        yield f"    if type(_y_{number}) is not ndarray:"
        yield f"        _y_{number} = asarray(_y_{number})"
        yield f"    _out_{number} = new(Tensor)"
        yield f"    _out_{number}.array, _out_{number}.leaf, _out_{number}.node = _y_{number}, False, None"
        yield f"    _out_{number}._grad = _out_{number}._view = _out_{number}._hooks = None"
        yield f"    _out_{number}.version = inference_cell if not _mode and inferring.get() else [0]"
    real = [f"(_y_{number}.dtype is float32 or _y_{number}.dtype is float64)" for number in linked_of(spec)]
    yield "    if _mode:"
    yield f"        _usual = {' and '.join(real)}"
    for name in tensors:
        yield from edge_lines(spec, name)
    yield f"        if {' or '.join(f'_edge_{name} is not None' for name in tensors)}:"
    yield from node_lines(spec, tensors, values)
    for number in tensors_of(spec):
        yield f"    remember(_out_{number}, _name, _mode, current_frame(2), ({values}))"
    yield f"    return {returned(spec)}"


def tensors_of(spec: Any) -> range:
    """The places of the results that become tensors."""
    return range(1 if spec.aside else len(spec.outputs))


def returned(spec: Any) -> str:
    """The result of a call: the only one, or all of them."""
    outs = [f"_out_{number}" for number in tensors_of(spec)]
    if len(spec.outputs) == 1:
        return outs[0]
    if spec.aside:
        return ", ".join(outs + [f"_y_{number}" for number in range(1, len(spec.outputs))])
    return f"_spec.returns(({', '.join(outs)}))"


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


def array_lines(spec: Any, name: str, first: bool, general: str) -> Iterator[str]:
    """The array of an operand, or those of a list of them."""
    if name == spec.sequence:
        yield f"    if type({name}) is not list and type({name}) is not tuple:"
        yield f"        {general}"
        yield f"    _array_{name} = []"
        yield f"    for _one in {name}:"
        yield "        if type(_one) is not Tensor and type(_one) is not Parameter:"
        yield f"            {general}"
        yield f"        _array_{name}.append(_one.array)"
        return
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
    if not first:
        yield f"    elif {name} is None:"
        yield f"        _array_{name} = None"
    yield "    else:"
    yield f"        {general}"


def straight(spec: Any, name: str) -> str:
    """The condition that an argument leaves the axes of the result in the order they are in."""
    test = f"_array_{name}.shape == _y_0.shape and _array_{name}.flags.c_contiguous"
    return test if name == spec.names[spec.places[0]] else f"(type(_array_{name}) is not ndarray or {test})"


def edge_lines(spec: Any, name: str) -> Iterator[str]:
    """Where the gradient of an operand goes, or those of a list; None if there is none."""
    if name == spec.sequence:
        yield f"        _edge_{name} = tuple([edge_of(_one) for _one in {name}])"
        yield f"        if not any([_one is not None for _one in _edge_{name}]):"
        yield f"            _edge_{name} = None"
        return
    if name == spec.names[spec.places[0]]:
        yield f"        if {name}._view is None:"
    else:
        yield f"        if {name} is None{f' or type({name}) in PLAIN' if spec.promote is not None else ''}:"
        yield f"            _edge_{name} = None"
        yield f"        elif {name}._view is None:"
    yield f"            _edge_{name} = {name} if {name}.leaf else {name}.node"
    yield "        else:"
    yield f"            _edge_{name} = view_edge({name})"
    yield f"            _usual = _usual and type(_edge_{name}) is not Nowhere"


def node_lines(spec: Any, tensors: list[str], values: str) -> Iterator[str]:
    """The node of a recorded call, and the end of the call."""
    edges = f"_edge_{spec.sequence}" if spec.sequence else f"({''.join(f'_edge_{name}, ' for name in tensors)})"
    linked = linked_of(spec)
    yield "            if _usual:"
    yield "                _node = new(_Node)"
    yield f"                _node.number, _node.hooks, _node.edges = next_number(), None, {edges}"
    if len(tensors) == 1:
        yield f"                _node.saved = {kept_text(spec, tensors, (True,))}"
    else:
        wanted = [f"_edge_{name} is not None" for name in tensors]
        yield f"                if {' and '.join(wanted)}:"
        yield f"                    _node.saved = {kept_text(spec, tensors, (True,) * len(tensors))}"
        yield "                else:"
        yield f"                    _mask = {', '.join(wanted)}"
        yield f"                    _node.saved = (_savers.get(_mask) or _saver(_mask))({known(spec, tensors)})"
    yield f"                _node.fit = {fit_text(spec, tensors, values, edges)}"
    yield "                _frame = current_frame(2)"
    yield "                _code = _frame.f_code"
    yield "                if _code is latest.code:"
    yield "                    _node.code, _node.instruction = _code, _frame.f_lasti"
    yield "                else:"
    yield "                    _node.code, _node.instruction = user_place(_frame)"
    if spec.several:
        yield f"                _node.outputs = [{', '.join(f'(_y_{n}.shape, _y_{n}.dtype)' for n in linked)}]"
        for index, number in reversed([*enumerate(linked)]):  # backward passes the latest first: in order
            yield f"                _out_{number}.node = make_slot(_node, {index})"
    else:
        yield f"                _out_{linked[0]}.node = _node"
    for number in tensors_of(spec):
        if number not in linked:
            yield f"                remember(_out_{number}, _name, CONSTANT, _frame, ({values}))"
    yield f"                return {returned(spec)}"
    if len(spec.outputs) == 1:
        yield f"            return _spec.recorded(_out_0, ({values}), {edges}, current_frame(2))"
    else:
        tensors_found = tensors_of(spec)
        outs = ", ".join(f"_out_{n}" if n in tensors_found else f"wrap(_y_{n})" for n in range(len(spec.outputs)))
        yield f"            return _spec._linked([{outs}], {tensors[0]}, ({values}), {edges}, current_frame(2))"


def linked_of(spec: Any) -> list[int]:
    """The places of the results that have a derivative."""
    return [number for number, name in enumerate(spec.outputs) if name not in spec.nondifferentiable]


def known(spec: Any, tensors: list[str]) -> str:
    """All that a node may keep something of, as arguments or parameters."""
    names = [*spec.names, *(f"{of}_{name}" for name in tensors for of in ("_array", "_edge"))]
    outs = [*(f"_y_{n}" for n in range(len(spec.outputs))), *(f"_out_{n}" for n in tensors_of(spec))]
    return ", ".join(names + outs)


def saver(spec: Any, tensors: list[str], savers: dict, mask: tuple[bool, ...]) -> Callable:
    """The function that makes what a node keeps where only the gradients of some operands are wanted."""
    lines = [f"def save({known(spec, tensors)}):", f"    return {kept_text(spec, tensors, mask)}"]
    savers[mask] = function(spec, "save", iter(lines), {})
    return savers[mask]


def kept_text(spec: Any, tensors: list[str], mask: tuple[bool, ...]) -> str:
    """What a node keeps for these wanted gradients, a dictionary."""
    items = []
    arrays = spec.fast
    facts = "Facts"
    for name, source, place in spec.plan([True if wanted else None for wanted in mask]):
        operand = "" if source == RESULT else spec.names[place]
        if source == RESULT:
            arrays = True
            version = f"_out_{place}.version" if place in tensors_of(spec) else "[0]"
            text = f"Saved(_y_{place}, {version}, {spec.output_place(name, place)})"
        elif source == VALUE and operand in tensors and mask[tensors.index(operand)]:
            text, arrays = f"Saved(_array_{operand}, {operand}.version, _edge_{operand})", True
        elif source == VALUE:
            text, facts = f"{operand} if type({operand}) in PLAIN else kept({operand})", "facts"
        elif operand == spec.sequence:
            text = f"[_one.{'shape' if source == SHAPE else 'dtype'} for _one in _array_{operand}]"
        elif operand in tensors:
            text = f"_array_{operand}.{'shape' if source == SHAPE else 'dtype'}"
        else:
            text = f"shapes({operand})" if source == SHAPE else f"raw({operand}).dtype"
        items.append(f"{name!r}: {text}")
    saved = "{" + ", ".join(items) + "}"
    return saved if arrays else f"{facts}({saved})"


def fit_text(spec: Any, tensors: list[str], values: str, edges: str) -> str:
    """What brings gradients back to operands that were broadcast, if there are any."""
    if not spec.fits:
        return "None"
    same = [f"_array_{name}.shape == _y_0.shape and _array_{name}.dtype is _y_0.dtype" for name in tensors]
    same[1:] = [f"{name} is not None and {test}" for name, test in zip(tensors[1:], same[1:])]
    return f"None if {' and '.join(same)} else _spec._fit(({values}), {edges}, _out_0.array)"


# The run of a node


def run_lines(spec: Any) -> Iterator[str]:
    """The source of what runs the rules, where all is as it was saved for the gradients of all operands."""
    plan, rules = spec.plan((True,) * len(spec.places)), spec.node.rules
    edges = [f"_edge_{number}" for number in range(len(spec.places))]
    yield "def run(_node, g, _asked=None):"
    yield "    if _node.fit is not None:"
    yield "        return _node.apply(g, _node.kept(False), _asked or _node.edges)"
    yield "    _saved = _node.saved.get"
    for name, source, _ in plan:
        yield f"    {name} = _saved({name!r})"
        if source == RESULT or (source == VALUE and name in spec.differentiable):
            yield f"    if type({name}) is Saved and {name}.cell[0] == {name}.version:"
            yield f"        {name} = {name}.array"
            yield f"    elif {name} is not None:"
            yield f"        {name} = loaded({name}, _node)"
        elif source == VALUE:
            yield f"    if type({name}) not in PLAIN:"
            yield f"        {name} = loaded({name}, _node)"
    if spec.node.joint:
        if "needs" in rules[0].names:
            yield "    needs = tuple([edge is not None for edge in _asked or _node.edges])"
        yield f"    return tuple(_rule_0({', '.join(map(str, rules[0].names))}))"
        return
    parts = [f"_rule_{number}({', '.join(map(str, rule.names))})" for number, rule in enumerate(rules)]
    if len(parts) == 1:
        yield f"    return ({parts[0]},)"
    else:
        yield f"    {', '.join(edges)} = _asked or _node.edges"
        yield f"    return ({', '.join(f'None if {edge} is None else {part}' for edge, part in zip(edges, parts))})"
