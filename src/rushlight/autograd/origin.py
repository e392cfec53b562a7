"""Where tensors without a graph come from: what the result of an unrecorded operation remembers, and tells in errors.

The slot `Tensor.origin` holds ``(what, why, code, instruction, sources, depth)``: the name of the operation, why it was
not recorded, the user's place, and the origins of its operands where it is they that decide. Recorded results leave the
slot unset and pay nothing, as do results within vmap and forward mode, whose steps are not the user's. No tensor is
kept alive, and of a chain that grows too deep only the ends are kept.
"""

from __future__ import annotations

from re import sub
from typing import Any

from .modes import Unrecorded, remembering
from .node import Nowhere, Slot, current_frame, latest, made_by, user_place, where

MADE = "made"  # by a function of the library, from numbers
CUT = "cut"  # a detached alias of a tensor that may have a graph
CONSTANT = "constant"  # of an operation without a derivative
FROZEN = "frozen"  # a leaf whose requires_grad was switched off
GRADIENT = "gradient"  # of a backward without create_graph
# Besides: an Unrecorded, and True where operations were recorded but nothing in the sources required grad.

DEEPEST = 32
MOST_ENDS = 6


def remember(result: Any, what: str, why: Any, frame: Any, input: Any = None, other: Any = None) -> None:
    """Let the result of an unrecorded operation remember how it was made, and from which tensors."""
    if not remembering.get():
        return
    code = frame.f_code
    if code is latest.code:
        instruction = frame.f_lasti
    else:
        code, instruction = user_place(frame)
    if why is not True:
        result.origin = what, why, code, instruction, (), 0
        return
    try:
        source = input.origin
        depth = source[5]
        if other is None or type(other) is float or type(other) is int:
            sources: tuple = (source,)
        else:
            sources = source, other.origin
            if sources[1][5] > depth:
                depth = sources[1][5]
    except AttributeError:  # lists, or tensors of which nothing is known
        sources = origins((input, other))
        depth = max([origin[5] for origin in sources], default=0)
    if depth == DEEPEST or len(sources) > MOST_ENDS:
        sources, depth = ends(sources), 0
    result.origin = what, True, code, instruction, sources, depth + 1


def tracked(values: Any) -> bool:
    """Whether any tensor among values and in their lists requires grad."""
    return any(
        tracked(value) if type(value) is list or type(value) is tuple else getattr(value, "requires_grad", False)
        for value in values
    )


def origins(values: Any) -> tuple:
    """The origins of the tensors among values and in their lists."""
    found: tuple = ()
    for value in values:
        if type(value) is list or type(value) is tuple:
            found += origins(value)
        elif hasattr(value, "origin"):
            found += (value.origin,)
    return found


def ends(sources: tuple) -> tuple:
    """The first few origins at the ends of these chains: what decided that there is no graph."""
    found: list = []
    stack, seen = list(reversed(sources)), set()
    while stack and len(found) < MOST_ENDS:
        origin = stack.pop()
        if id(origin) not in seen:
            seen.add(id(origin))
            stack.extend(reversed(origin[4]))
            if not origin[4] and origin not in found:
                found.append(origin)
    return tuple(found)


def born(tensor: Any, why: str = MADE) -> Any:
    """Let a tensor that is no operation's result remember the user's line that made it."""
    code, instruction = user_place(current_frame(2))
    tensor.origin = "", why, code, instruction, (), 0
    return tensor


def detached(tensor: Any, source: Any) -> Any:
    """Let a detached alias remember where it was cut off from its graph, or where its source, without one, is from."""
    if source.requires_grad:
        return born(tensor, CUT)
    origin = getattr(source, "origin", None)
    if origin is not None:
        tensor.origin = origin
    return tensor


ADVICE = {  # by the reason; the most telling first
    CUT: "Leave that out where gradients are to pass.",
    FROZEN: "Switch it on again with requires_grad_() where gradients are wanted.",
    GRADIENT: "Pass create_graph=True there to differentiate a gradient.",
    CONSTANT: "Gradients cannot pass there: compute the loss from the values that went in, or from a smooth stand-in.",
    Unrecorded: "Compute it outside of that, where operations are recorded.",
    MADE: "Create the tensors to be differentiated with requires_grad=True.",
}


def story(tensor: Any) -> list[str]:
    """How a tensor without a graph was made, why it has none, and what to do: lines for an error."""
    origin = getattr(tensor, "origin", None)
    if origin is None:
        return [
            "Nothing that it was computed from requires grad, or it was computed under no_grad or detached.",
            ADVICE[MADE],
        ]
    roots = sorted(ends((origin,)), key=_rank)
    if origin[4]:
        lines = [f"It was computed by {place(origin)}", "from what does not require grad:"]
        lines += dict.fromkeys(f"- {sentence(end)}" for end in roots)
    else:
        lines = [f"It was {sentence(origin)}"]
    if tensor.array.dtype.kind not in "fcV":
        lines.append(f"Its type is {tensor.dtype}: only floating-point and complex numbers have gradients.")
    return [*lines, ADVICE[_reason(roots[0])]]


def made(tensor: Any) -> str:
    """How and where any tensor was made, in words."""
    node = tensor.node  # not grad_fn: of a view whose history has become unusable, that is an error
    if type(node) is Slot:
        node = node.edges[0]
    if node is not None and type(node) is not Nowhere:
        return f"the result of {made_by(node)}"
    origin = getattr(tensor, "origin", None)
    return "a leaf" if origin is None else f"a tensor {sentence(origin)}"


def sentence(origin: tuple) -> str:
    """One origin in words: by what, where, and why it has no graph."""
    why = origin[1]
    if isinstance(why, Unrecorded):
        return f"computed by {place(origin)}\n    under {why!r}"
    if why is MADE:
        return f"made {place(origin)}"
    if why is CUT:
        return f"cut off from its graph {place(origin)}"
    if why is FROZEN:
        return f"made a constant {place(origin)}"
    if why is GRADIENT:
        return f"computed without create_graph=True {place(origin)}"
    if why is CONSTANT:
        return f"computed by {place(origin)}\n    whose result has no derivative"
    return f"computed by {place(origin)}"


def place(origin: tuple) -> str:
    """The operation, if it was one, and the line."""
    return f"{name_of(origin[0])} at {where(origin[2], origin[3])}".lstrip()


def name_of(what: str) -> str:
    """An operation's own name, from that or from its node's: masked_fill from MaskedFillBackward0."""
    return sub("(?<!^)(?=[A-Z])", "_", what.partition("Backward")[0]).lower() if "Backward" in what else what


def _reason(origin: tuple) -> Any:
    why = origin[1]
    return Unrecorded if isinstance(why, Unrecorded) else why if why in ADVICE else MADE


def _rank(origin: tuple) -> int:
    return list(ADVICE).index(_reason(origin))
