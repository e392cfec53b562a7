"""Decides whether two outcomes agree, and says in one line where they do not."""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.parity.outcome import GRADIENT, SECOND, VALUE, Leaf, Outcome

# Relative tolerance, taken of each element and of the largest element of the result (sums cancel), and the absolute
# floor below which a difference is rounding.
TOLERANCES = {
    "torch.float64": (1e-7, 1e-9),
    "torch.complex128": (1e-7, 1e-9),
    "torch.float32": (1e-5, 1e-5),
    "torch.complex64": (1e-5, 1e-5),
    "torch.float16": (2e-3, 1e-3),
    "torch.complex32": (2e-3, 1e-3),
    "torch.bfloat16": (1.6e-2, 8e-3),
}

# Ops whose result PyTorch itself has to fewer digits in double precision: factor on both tolerances, and why. Each was
# held against the series summed with 50 digits: Rushlight is within 7e-16 of it throughout.
LOOSER: dict[str, tuple[float, str]] = {
    f"special.{name}": (20.0, f"PyTorch is off by up to {error} just above 5, where its approximations change over")
    for name, error in {"bessel_j0": "4e-7", "bessel_j1": "4e-7", "bessel_y0": "2e-7", "bessel_y1": "8e-7"}.items()
}
LOOSER |= dict.fromkeys(
    ("svd_lowrank", "pca_lowrank"),
    (10.0, "PyTorch's second derivative is 4e-7 from finite differences of its own first one, Rushlight's 1e-9"),
)
LOOSER["special.airy_ai"] = (100.0, "PyTorch is off by up to 8e-6 around -2, where its approximations change over")


@dataclass(frozen=True)
class Known:
    """A difference that is known, with the better right on Rushlight's side: counted and printed, but no failure.

    Attributes:
        stages: where it is found: in the values, in the gradients, in the second gradients.
        places: from PyTorch's array and the other, the elements that may differ; all others are compared.
        reason: why.
    """

    stages: tuple[str, ...]
    places: Callable[[np.ndarray, np.ndarray], np.ndarray]
    reason: str


def _anywhere(expected: np.ndarray, got: np.ndarray) -> np.ndarray:
    return np.asarray(expected != got)


def _where_nan(expected: np.ndarray, got: np.ndarray) -> np.ndarray:
    return np.isnan(expected) & np.isfinite(got)


def _at_poles(expected: np.ndarray, got: np.ndarray) -> np.ndarray:
    return (np.abs(expected.astype(np.float64)) > 1e6) & np.isinf(got)


_POLES = Known(
    (VALUE,), _at_poles, "of the integers below one PyTorch has a large number for some types, where there is a pole"
)
KNOWN: dict[str, Known] = {
    "as_strided_scatter": Known(
        (GRADIENT, SECOND), _anywhere,
        "PyTorch gives the input its gradient in the places that were overwritten, not in those that were kept "
        "(its own gradcheck fails)",
    ),
    "as_strided.partial_views": Known(
        (), _anywhere,
        "from elements that as_strided_ reaches beyond the view that it is called on, PyTorch loses the gradient "
        "(its own gradcheck fails)",
    ),
    "logcumsumexp": Known(
        (SECOND,), _where_nan,
        "PyTorch takes the logarithm of the incoming gradient, and has NaN for its derivative at zero",
    ),
    "linalg.norm": Known(
        (SECOND,), _where_nan, "of the norm of zeros PyTorch has the first derivative as zero, the second as NaN"
    ),
    "special.zeta": Known((VALUE,), _where_nan, "of powers beyond 1e19 PyTorch multiplies zero by infinity"),
    "polygamma": _POLES,
    "special.polygamma": _POLES,
}  # fmt: skip
TIES = "which of several equal elements the index points at is not specified; the element is the same"
TIED = {"kthvalue", "median", "mode", "nanmedian", "topk"}  # and gradients go where the index points

# Ops with a form that PyTorch documents as differentiable once only, where Rushlight goes on.
ONCE = {"nn.functional.linear_cross_entropy": "with options PyTorch has no second derivative"}


def accept_known(expected: Outcome, got: Outcome, name: str) -> str | None:
    """Take over from PyTorch's outcome what is known to differ; the reason if anything did."""
    if name in ONCE and not got.failed and _accept_more(expected, got):
        return ONCE[name]
    if expected.failed or got.failed:
        return None
    if name in TIED:
        return TIES if _accept_tie(expected, got) else None
    if name not in KNOWN:
        return None
    known = KNOWN[name]
    stages = ((VALUE, "output"), (GRADIENT, "gradients"), (SECOND, "second"))
    found = False
    for attribute in (attribute for stage, attribute in stages if stage in known.stages):
        for e, g in zip(leaves_of(getattr(expected, attribute)), leaves_of(getattr(got, attribute)), strict=False):
            if e.shape == g.shape and e.dtype == g.dtype:
                places = known.places(e.array, g.array)
                g.array = np.where(places, e.array, g.array)
                found = found or bool(places.any())
    return known.reason if found else None


def _accept_more(expected: Outcome, got: Outcome) -> bool:
    """Leave out the second derivatives that PyTorch refuses or does not have."""
    if expected.failed in (GRADIENT, SECOND):
        got.failed, got.error, got.gradients, got.second = expected.failed, expected.error, expected.gradients, []
        return True
    lacking = None in expected.second and None not in got.second
    if lacking:
        got.second = expected.second
    return lacking


def _accept_tie(expected: Outcome, got: Outcome) -> bool:
    """Take over the indices where those of `got` point at the right elements too."""
    theirs, ours = (list(leaves_of(o.output)) for o in (expected, got))
    if [leaf.shape for leaf in theirs] != [leaf.shape for leaf in ours] or len(theirs) != 2:
        return False
    (values, e), (_, g) = theirs, ours
    if np.array_equal(e.array, g.array):
        return False
    if not _points_at(expected.inputs[0].array, g.array, values.array):
        return False
    g.array, got.gradients, got.second = e.array, expected.gradients, expected.second
    return True


def _points_at(source: np.ndarray, indices: np.ndarray, values: np.ndarray) -> bool:
    """Whether the values are those at the indices, along whichever axis."""
    for axis in range(source.ndim):
        kept = indices.ndim == source.ndim
        places, wanted = (x if kept else np.expand_dims(x, axis) for x in (indices, values))
        others = [i for i in range(source.ndim) if i != axis]
        if [places.shape[i] for i in others] != [source.shape[i] for i in others] or places.max() >= source.shape[axis]:
            continue
        if np.array_equal(np.take_along_axis(source, places, axis), wanted):
            return True
    return False


def tolerance(name: str, dtype: str) -> tuple[float, float]:
    """Relative and absolute tolerance for an op's result of a dtype."""
    relative, absolute = TOLERANCES.get(dtype, (0.0, 0.0))
    factor = LOOSER[name][0] if name in LOOSER else 1.0
    return relative * factor, absolute * factor


def allowed(expected: np.ndarray, relative: float, absolute: float) -> np.ndarray:
    """The difference allowed at each element."""
    size = np.abs(np.where(np.isfinite(expected), expected, 0))
    return absolute + relative * np.maximum(size, size.max(initial=0.0))


def values_differ(expected: np.ndarray, got: np.ndarray, relative: float, absolute: float) -> str | None:
    """Where and by how much two arrays of one shape differ, or None."""
    if expected.dtype.kind not in "fc":
        wrong = np.asarray(expected != got)
    else:
        with np.errstate(all="ignore"):
            close = np.abs(expected - got) <= allowed(expected, relative, absolute)
        wrong = ~(close & np.isfinite(expected) & np.isfinite(got) | _same_special(expected, got))
    if not wrong.any():
        return None
    with np.errstate(all="ignore"):
        excess = np.where(wrong, np.nan_to_num(np.abs(expected.astype(complex) - got), nan=np.inf), -1.0)
    worst = tuple(int(i) for i in np.unravel_index(np.argmax(excess), excess.shape))
    where = f" at {list(worst)}" if worst else ""
    return (
        f"{int(wrong.sum())} of {wrong.size} values differ; worst{where}: expected {expected[worst]!s}, "
        f"got {got[worst]!s} (difference {excess[worst]:.2g})"
    )


def _same_special(expected: np.ndarray, got: np.ndarray) -> np.ndarray:
    if expected.dtype.kind == "c":
        return _same_special(expected.real, got.real) & _same_special(expected.imag, got.imag)
    return (expected == got) | (np.isnan(expected) & np.isnan(got))


def leaves_differ(expected: Leaf, got: Leaf, name: str, strides: bool = False) -> str | None:
    """The first thing in which two tensors differ, or None."""
    for what in ("shape", "dtype", *(["strides"] if strides else [])):
        if getattr(expected, what) != getattr(got, what):
            return f"{what}: expected {getattr(expected, what)}, got {getattr(got, what)}"
    if expected.array is None or got.array is None:
        return None
    return values_differ(expected.array, got.array, *tolerance(name, expected.dtype))


def trees_differ(expected: Any, got: Any, name: str, strides: bool = False, at: str = "output") -> str | None:
    """The first thing in which two described results differ, or None."""
    if isinstance(expected, Leaf) and isinstance(got, Leaf):
        found = leaves_differ(expected, got, name, strides)
        return found and f"{at}: {found}"
    if isinstance(expected, (list, tuple)) and isinstance(got, (list, tuple)):
        if len(expected) != len(got):
            return f"{at}: expected {len(expected)} items, got {len(got)}"
        if type(expected) is not type(got):
            return f"{at}: expected {brief(expected)}, got {brief(got)}"
        pairs = enumerate(zip(expected, got, strict=True))
        return next(filter(None, (trees_differ(e, g, name, strides, f"{at}[{i}]") for i, (e, g) in pairs)), None)
    if isinstance(expected, dict) and isinstance(got, dict):
        if list(expected) != list(got):
            return f"{at}: expected keys {list(expected)}, got {list(got)}"
        found = (trees_differ(v, got[k], name, strides, f"{at}[{k!r}]") for k, v in expected.items())
        return next(filter(None, found), None)
    if type(expected) is not type(got):
        return f"{at}: expected {brief(expected)}, got {brief(got)}"
    if isinstance(expected, (float, complex)):
        found = values_differ(np.asarray(expected), np.asarray(got), *tolerance(name, "torch.float64"))
        return found and f"{at}: {found}"
    return None if np.array_equal(expected, got) else f"{at}: expected {brief(expected)}, got {brief(got)}"


def brief(value: Any) -> str:
    """A value in a few characters."""
    if isinstance(value, Leaf):
        return f"a tensor {list(value.shape)} of {value.dtype}"
    if isinstance(value, dict):
        return f"a result with the fields {', '.join(map(str, value))}"
    if isinstance(value, (list, tuple)):
        return f"a {type(value).__name__} of {len(value)}"
    text = f"{type(value).__name__} {value!r}"
    return text if len(text) <= 100 else text[:97] + "..."


def flags_of(tree: Any) -> list[bool]:
    """The requires_grad of every tensor in a described result."""
    if isinstance(tree, Leaf):
        return [tree.requires_grad]
    branches = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, (list, tuple)) else ()
    return [flag for branch in branches for flag in flags_of(branch)]


def outcomes_differ(
    expected: Outcome, got: Outcome, name: str, strides: bool = False, trace: bool = False
) -> Iterator[tuple[str, str]]:
    """Every (check, what differs) between the outcomes of one call in PyTorch and in the other library."""
    if expected.failed == VALUE:
        yield from _raised_differ(expected, got, trace)
        return
    if got.failed == VALUE:
        yield VALUE, error_line(got.error, trace)
        return
    form = trees_differ(without_values(expected.output), without_values(got.output), name, strides)
    if value := form or trees_differ(expected.processed, got.processed, name):
        yield VALUE, value
    elif not got.is_self and expected.is_self:
        yield VALUE, "the in-place form returned another object than its input"
    elif found := trees_differ(expected.inputs, got.inputs, name, at="inputs afterwards"):
        yield "inputs", found
    if form:
        return
    if flags_of(expected.output) != flags_of(got.output):
        yield "requires_grad", f"outputs: expected {flags_of(expected.output)}, got {flags_of(got.output)}"
        return
    yield from _derivatives_differ(expected, got, name, trace)


def _derivatives_differ(expected: Outcome, got: Outcome, name: str, trace: bool) -> Iterator[tuple[str, str]]:
    """Differences of the gradients, or, only if there are none, of the second gradients."""
    for stage, attribute in ((GRADIENT, "gradients"), (SECOND, "second")):
        if stage == expected.failed:
            yield from _raised_differ(expected, got, trace)
            return
        if stage == got.failed:
            yield stage, error_line(got.error, trace)
            return
        strict = stage == GRADIENT
        found = list(_gradients_differ(getattr(expected, attribute), getattr(got, attribute), name, strict))
        yield from ((stage, what) for what in found)
        if found:
            return


def _raised_differ(expected: Outcome, got: Outcome, trace: bool) -> Iterator[tuple[str, str]]:
    """How `got` differs where PyTorch raised."""
    wanted, stage = expected.error, expected.failed or VALUE
    if isinstance(wanted, NotImplementedError) or "not implemented" in str(wanted):
        return  # PyTorch lacks a kernel for this dtype or derivative: nothing to be measured against.
    if got.failed is None:
        yield stage, f"expected {error_line(wanted)}, but nothing was raised"
    elif got.failed != stage or not same_class(wanted, got.error):
        yield stage, f"expected {error_line(wanted)}, got {error_line(got.error, trace)}"


def same_class(wanted: BaseException | None, got: BaseException | None) -> bool:
    """Whether `got` would be caught where `wanted` is: the class or a subclass, by name for a library's own classes."""
    return type(wanted).__name__ in [c.__name__ for c in type(got).__mro__]


def without_values(tree: Any) -> Any:
    """A described result with shapes, dtypes and flags only."""
    if isinstance(tree, Leaf):
        return Leaf(None, tree.dtype, tree.shape, tree.requires_grad, tree.strides)
    if isinstance(tree, (list, tuple)):
        return type(tree)(without_values(x) for x in tree)
    if isinstance(tree, dict):
        return {k: without_values(v) for k, v in tree.items()}
    return tree


def _gradients_differ(expected: list[Leaf | None], got: list[Leaf | None], name: str, strict: bool) -> Iterator[str]:
    """Differences of gradients in order of the inputs; a missing one is a zero unless `strict`."""
    for i in range(max(len(expected), len(got))):
        e, g = (side[i] if i < len(side) else None for side in (expected, got))
        if e is None and g is None:
            continue
        if e is None or g is None:
            present = e or g
            if strict or np.any(present.array):
                yield f"of input {i}: expected {e and brief(e)}, got {g and brief(g)}"
        elif found := leaves_differ(e, g, name):
            yield f"of input {i}: {found}"


def error_line(error: BaseException | None, trace: bool = False) -> str:
    """An exception in one line, with the innermost frame that is neither NumPy's nor Python's own."""
    message = str(error).strip().splitlines()[0] if str(error).strip() else ""
    frames = traceback.extract_tb(error.__traceback__) if error else []
    own = [f for f in frames if not re.search(r"site-packages|lib/python3|tests/parity|frozen ", f.filename)]
    place = f"  [{own[-1].filename.rpartition('/src/')[2]}:{own[-1].lineno} in {own[-1].name}]" if own else ""
    line = f"{type(error).__name__}: {message[:300]}{place}"
    return line + "\n" + "".join(traceback.format_tb(error.__traceback__)) if trace and error else line


def same_form(expected: Outcome, got: Outcome) -> bool:
    """Whether two outcomes agree in all but numbers."""
    if expected.failed or got.failed:
        return False
    bare = [
        Outcome(*map(without_values, (o.output, o.processed)), is_self=o.is_self, **_bare_gradients(o))
        for o in (expected, got)
    ]
    return not list(outcomes_differ(*bare, ""))


def _bare_gradients(outcome: Outcome) -> dict[str, Any]:
    return {"gradients": without_values(outcome.gradients), "second": without_values(outcome.second)}


def shares_key_words(pattern: str, wanted: str, got: str) -> bool:
    """Whether `got` matches the database's pattern, or holds at least half of the words of PyTorch's message."""
    if re.search(pattern, got):
        return True
    wanted = wanted.splitlines()[0].partition("(Could this error message be improved?")[0]
    words = set(re.findall(r"[a-z_]{4,}|\d+", wanted.lower()))
    return bool(words) and 2 * len(words & set(re.findall(r"[a-z_]{4,}|\d+", got.lower()))) >= len(words)


def no_less_exact(truth: Outcome, expected: Outcome, got: Outcome) -> bool:
    """Whether `got` is, in every number, as near to the double-precision result as PyTorch (to a factor 2)."""
    if truth.failed or expected.failed or got.failed:
        return False
    return as_near(*([o.processed, o.gradients, o.second] for o in (truth, expected, got)))


def as_near(truth: Any, expected: Any, got: Any) -> bool:
    """Whether every number of a described result is as near to the double-precision result as PyTorch's."""
    trees = [list(leaves_of(tree)) for tree in (truth, expected, got)]
    if len({tuple(leaf.shape for leaf in side) for side in trees}) != 1:
        return False
    return all(_as_near(t.array, e.array, g.array, e.dtype) for t, e, g in zip(*trees, strict=True))


def leaves_of(tree: Any) -> Iterator[Leaf]:
    """The tensors with values in a described result, in order."""
    if isinstance(tree, Leaf) and tree.array is not None:
        yield tree
    elif isinstance(tree, (list, tuple, dict)):
        for branch in tree.values() if isinstance(tree, dict) else tree:
            yield from leaves_of(branch)


def _as_near(truth: np.ndarray, expected: np.ndarray, got: np.ndarray, dtype: str) -> bool:
    if truth.dtype.kind not in "fc":
        return np.array_equal(expected, got)
    kind = "torch.float32" if expected.dtype.itemsize <= (8 if expected.dtype.kind == "c" else 4) else "torch.float64"
    with np.errstate(all="ignore"):
        finite = np.isfinite(truth) & np.isfinite(expected) & np.isfinite(got)
        theirs = np.where(finite, np.abs(expected - truth), 0.0).max(initial=0.0)
        near = np.abs(got - truth) <= np.maximum(allowed(truth, *TOLERANCES[kind]), 2 * theirs)
        # Where PyTorch overflowed on the way to a number that there is, a result has to be that number.
        beyond = np.abs(truth) > (65504 if dtype == "torch.float16" else np.finfo(np.float32).max)
        right = np.where(beyond, np.isinf(got), np.abs(got - truth) <= allowed(truth, *TOLERANCES[dtype]))
        otherwise = _same_special(expected, got) | (np.isfinite(truth) & ~np.isfinite(expected) & right)
    return bool(np.all(np.where(finite, near, otherwise)))
