"""Random programs for PyTorch and Rushlight: what their steps are, and one run of a program with one library.

A program is a list of steps, each a kind and numbers that choose its operation and its operands. Both libraries run
the same steps; a run keeps a log of all that it saw on the way: values, flags, names of nodes, versions, gradients,
calls of hooks, errors.

What is left out, and why:

====================================================  =================================================================
a step that changes an operand through other memory   PyTorch does not define what it reads; with axes of length 1 it
                                                      goes by strides that nothing else shows
the order of axes, and rounding errors, of gradients  not defined; ``grad`` gives a rounded copy in plain order
``.grad`` after an error in backward                  which gradients have arrived is not defined
second gradients that are constant                    PyTorch walks on with zeros, and may meet an error on the way
views of several, saved before their base had a       PyTorch calls them stale, Rushlight changed: it keeps the memory,
history                                               not the view
``t_`` and its like where nothing is recorded         PyTorch's graph keeps a shape that the tensor has not
stacks of nothing but inference tensors               PyTorch shows a view in them of what its own steps have made
inference tensors through ``detach`` and ``data``     PyTorch lets them be changed outside of inference mode
softmax whose sums are 1 (it is scaled by 0.96875)    they would meet the ones of ``signs``, and rounding would decide
                                                      which of two is the larger
whole numbers filled with a tensor that has a graph   PyTorch gives them a graph that nothing may use
whole numbers with a graph shaped anew in place       PyTorch refuses it after it has been done, Rushlight before
hooks on a leaf that shows a leaf; ``retain_grad`` of  PyTorch crashes
the second output
an internal assertion of PyTorch's                    the program ends there
====================================================  =================================================================
"""

from __future__ import annotations

import random
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

import rushlight

from .random_functions import functions_of

UNARY = {
    "sin": lambda t: t.clamp(-3, 3).sin(),  # of large numbers the last bit decides
    "tanh": lambda t: t.tanh(),
    "exp": lambda t: (t * 0.1).clamp(-3, 3).exp(),  # nor are differences of large ones exact
    "square": lambda t: t * t,
    "cube": lambda t: t.clamp(-3, 3) ** 3,
    "sqrt": lambda t: (t * t + 1).sqrt(),
    "log": lambda t: (t * t + 1).log(),
    "halved": lambda t: t / 2,
    "negated": lambda t: -t,
    "sigmoid": lambda t: t.sigmoid(),
    "clone": lambda t: t.clone(),
    "contiguous": lambda t: t.contiguous(),
    "sum": lambda t: t.sum(),
    "summed": lambda t: t.sum(-1, keepdim=True),
    "mean": lambda t: t.mean(0) if t.dim() else t * 1,
    "clamped": lambda t: t.clamp(-1, 1),
    "relu": lambda t: t.relu(),
    "abs": lambda t: t.abs(),
    "softmax": lambda t: t.softmax(-1) * 0.96875,
    "cumsum": lambda t: t.cumsum(0),
    "flipped": lambda t: t.flip(0) if t.dim() else t.clone(),
    "picked": lambda t: t[[0, -1]],
    "masked": lambda t: t[t.detach() > 0.53125],
    "signs": lambda t: (t > 0).long(),
}

BINARY = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / (b * b + 1),
    "maximum": lambda a, b: a.maximum(b),
    "mixed": lambda a, b: a * 0.5 + b * b,
    "lerp": lambda a, b: a.lerp(b, 0.25),
    "addcmul": lambda a, b: a.addcmul(b, b, value=0.5),
    "hypot": lambda a, b: a.hypot(b + 3.0),
}

VIEWS = {
    "row": lambda t, n: t[n % max(len(t), 1)] if t.dim() else t.view(1),
    "slice": lambda t, n: t[n % 2 :] if t.dim() and t.shape[0] > 1 else t.view(t.shape),
    "stepped": lambda t, n: t[::2] if t.dim() else t.view(()),
    "column": lambda t, n: t[:, n % max(t.shape[1], 1)] if t.dim() > 1 else t.unsqueeze(0),
    "transposed": lambda t, n: t.t() if t.dim() < 3 else t.transpose(0, n % 3),
    "permuted": lambda t, n: t.permute(*range(1, t.dim()), 0) if t.dim() else t.view(()),
    "flat": lambda t, n: t.reshape(-1),
    "viewed": lambda t, n: t.view(-1),
    "unsqueezed": lambda t, n: t.unsqueeze(n % (t.dim() + 1)),
    "squeezed": lambda t, n: t.squeeze(),
    "narrowed": lambda t, n: t.narrow(0, 0, 1) if t.dim() else t.view(1),
    "expanded": lambda t, n: t.expand(2, *t.shape) if t.dim() < 3 else t.view(t.shape),
    "diagonal": lambda t, n: t.diagonal() if t.dim() == 2 else t.view(t.shape),
    "unfolded": lambda t, n: t.unfold(0, 1, 1),
    "strided": lambda t, n: t.contiguous().as_strided((2,), (1,)) if t.numel() > 1 else t.view(t.shape),
    "detached": lambda t, n: t.detach(),
    "everything": lambda t, n: t[...],
    "one_of_unbind": lambda t, n: t.unbind()[n % max(len(t), 1)],
    "one_of_split": lambda t, n: t.split(1)[n % max(len(t), 1)],
    "one_of_chunk": lambda t, n: t.chunk(2)[0],
}

INPLACE = {
    "add_": lambda t, other: t.add_(other),
    "sub_": lambda t, other: t.sub_(other, alpha=2),
    "mul_": lambda t, other: t.mul_(other),
    "div_": lambda t, other: t.div_(other * other + 1),
    "add_one": lambda t, other: t.add_(1),
    "double_": lambda t, other: t.mul_(2),
    "sin_": lambda t, other: t.clamp_(-3, 3).sin_(),
    "tanh_": lambda t, other: t.tanh_(),
    "sigmoid_": lambda t, other: t.sigmoid_(),
    "relu_": lambda t, other: t.relu_(),
    "neg_": lambda t, other: t.neg_(),
    "clamp_": lambda t, other: t.clamp_(-1, 1),
    "square_": lambda t, other: t.clamp_(-2, 2).pow_(2),
    "addcmul_": lambda t, other: t.addcmul_(other, other, value=0.5),
    "lerp_": lambda t, other: t.lerp_(other, 0.25),
    "cumsum_": lambda t, other: t.cumsum_(0),
    "gt_": lambda t, other: t.gt_(0.53125),
    "zero_": lambda t, other: t.zero_(),
    "fill_": lambda t, other: t.fill_(0.75),
    "fill_tensor": lambda t, other: t.fill_(other.sum().tanh()),
    "copy_": lambda t, other: t.copy_(other),
    "set_first": lambda t, other: t[0].fill_(0.5),
    "set_part": lambda t, other: t.__setitem__(slice(None, 1), other),
    "set_all": lambda t, other: t.__setitem__(Ellipsis, other),
    "set_all_number": lambda t, other: t.__setitem__(Ellipsis, 1.5),
    "set_item": lambda t, other: t.__setitem__((0,) * t.dim(), 1.25),
    "set_rows": lambda t, other: t.__setitem__([0, -1], other),
    "set_masked": lambda t, other: t.__setitem__(t.detach() > 1.0625, 0.25),
    "masked_fill_": lambda t, other: t.masked_fill_(t.detach() > 1.0625, 0.25),
    "index_fill_": lambda t, other: t.index_fill_(0, other.new_zeros(1).long(), 0.5),
    "index_add_": lambda t, other: t.index_add_(0, other.new_zeros(1).long(), t.detach()[:1] + 1),
    "scatter_": lambda t, other: t.scatter_(0, other.new_zeros((1,) * t.dim()).long(), 0.5),
    "masked_scatter_": lambda t, other: t.masked_scatter_(t.detach() > 1.0625, other.sum().expand(t.shape)),
    "unsqueeze_": lambda t, other: t.unsqueeze_(0),
    "squeeze_": lambda t, other: t.squeeze_(),
    "t_": lambda t, other: t.t_(),
    "detach_": lambda t, other: t.detach_(),
    "through_detach": lambda t, other: t.detach().mul_(0.5),
    "through_data": lambda t, other: t.data.mul_(0.5),
}

SECOND_FAILED = "second gradient failed"

RESHAPING = ("unsqueeze_", "squeeze_", "t_")

KINDS = {
    "unary": 6, "binary": 8, "view": 8, "inplace": 7, "unrecorded": 2, "inferring": 0.3, "hook": 2, "unhook": 0.3,
    "retain": 2, "function": 2, "grad": 1, "backward": 0.7, "parts": 0.5, "joined": 0.7, "leaf": 0.3,
}  # fmt: skip

TABLES = {"unary": UNARY, "binary": BINARY, "view": VIEWS, "inplace": INPLACE}


def steps_of(choose: random.Random) -> list[tuple]:
    """A random program of 5 to 40 steps."""
    count = choose.randint(5, 40)
    kinds = choose.choices(list(KINDS), list(KINDS.values()), k=count)
    return [(kind, *(choose.randrange(1 << 16) for _ in range(4))) for kind in kinds]


def described(steps: list[tuple]) -> str:
    """A program for a reader."""
    lines = []
    for number, (kind, a, b, c, d) in enumerate(steps):
        chosen = ""
        if kind in TABLES:
            chosen = pick(TABLES[kind], c)
        elif kind in ("unrecorded", "inferring"):
            chosen = " ".join(unrecorded(c, d))
        elif kind == "function":
            chosen = pick(functions_of(rushlight), c).__name__
        lines.append(f"  {number} {kind} {chosen} of {a % 6} and {b % 6}, {d % 24}")
    return "\n".join(lines)


def pick(table: Any, number: int) -> Any:
    return list(table)[number % len(table)]


def unrecorded(c: int, d: int) -> tuple[str, str]:
    """What a step under ``no_grad`` does: the name of its table and its place there."""
    kind = pick(("unary", "view", "inplace", "inplace"), d)
    return kind, pick(TABLES[kind], c)


def copied(tensor: Any) -> Any:
    """The values of a tensor, or of what stands in its place."""
    return None if tensor is None else tensor.detach().numpy(force=True).copy()


def is_dense(array: np.ndarray) -> bool:
    """Whether the elements lie in memory without gaps and repeats."""
    return not array.size or array.transpose(np.argsort(array.strides)[::-1]).flags.c_contiguous


class Run:
    """One run of a program with one library."""

    def __init__(self, library: ModuleType, steps: list[tuple]) -> None:
        self.library, self.log, self.functions = library, [], functions_of(library)
        values = np.random.default_rng(0).uniform(0.5, 2.0, (3, 2, 3))
        self.leaves = [library.tensor(values[i].tolist(), dtype=library.float64, requires_grad=i < 2) for i in range(3)]
        self.tensors = [*self.leaves, self.leaves[0] * 1]
        self.retained: list = []
        self.handles: list = []
        self.inferred = False
        self.special: list = []  # views that must not be changed in place, and views of them
        self.quiet = False  # where Rushlight may know that a gradient is constant, and PyTorch computes zeros
        for number, step in enumerate(steps):
            self.step(number, *step)
        self.log.append(("at the end", *(self.facts(tensor) for tensor in self.tensors)))
        roots = [t for t in self.tensors[-1 - steps[-1][1] % 3 :] if t.requires_grad]
        if roots:
            self.attempt("last backward", lambda: self.send_back(roots, False))

    def attempt(self, key: Any, call: Callable[[], Any]) -> Any:
        """What a call gives; None after an error, which goes into the log."""
        try:
            return call()
        except Exception as error:
            self.log.append((key, error))
            return None

    def step(self, number: int, kind: str, a: int, b: int, c: int, d: int) -> None:
        # operands from the later ones mostly, so that programs grow deep rather than wide
        x, y = (self.tensors[-1 - place % min(len(self.tensors), 6)] for place in (a, b))
        result = self.attempt((number, kind), lambda: getattr(self, kind)(number, x, y, c, d))
        for tensor in result if isinstance(result, (tuple, list)) else () if result is None else (result,):
            self.log.append((number, kind, self.facts(tensor)))
            self.tensors.append(tensor)
            chosen = pick(VIEWS, c) if kind == "view" else kind
            if chosen.startswith(("function", "inferring", "one_of", "parts", "unrecorded")) or any(
                x is t for t in self.special
            ):
                self.special.append(tensor)

    def joins(self, x: Any, y: Any) -> bool:
        """Whether a change of ``x`` gives views a history that cannot have one, and that may have been saved without.

        PyTorch then says of them that they are stale, Rushlight that they have been changed.
        """
        if x.requires_grad or not y.requires_grad:
            return False
        base = x._base if x._is_view() else x
        return any(t._base is base and t is not x for t in self.special)

    def facts(self, tensor: Any) -> tuple:
        """What is compared after each step; reading the node of a stale view may be an error itself."""
        try:
            node = type(tensor.grad_fn).__name__, tensor.is_leaf
        except RuntimeError as error:
            node = error
        version = None if self.inferred else tensor._version  # PyTorch counts its own steps on inference tensors too
        return node, tensor.requires_grad, version, tensor.is_inference(), copied(tensor)

    # The kinds of steps

    def unary(self, number: int, x: Any, y: Any, c: int, d: int) -> Any:
        return UNARY[pick(UNARY, c)](x)

    def binary(self, number: int, x: Any, y: Any, c: int, d: int) -> Any:
        return BINARY[pick(BINARY, c)](x, y)

    def view(self, number: int, x: Any, y: Any, c: int, d: int) -> Any:
        if pick(VIEWS, c) == "detached" and x.is_inference():
            return None  # PyTorch lets that one be changed outside of inference mode
        return VIEWS[pick(VIEWS, c)](x, d)

    def parts(self, number: int, x: Any, y: Any, c: int, d: int) -> Any:
        """Views of which one operation makes several."""
        return pick((lambda: x.unbind(), lambda: x.split(1), lambda: x.chunk(2, -1)), c)()

    def joined(self, number: int, x: Any, y: Any, c: int, d: int) -> Any:
        if x.is_inference() and y.is_inference():
            return None  # PyTorch's stack of them is a view of what its own steps have made
        return pick((self.library.cat, self.library.stack), c)([x, y, x][: 2 + d % 2])

    def inplace(self, number: int, x: Any, y: Any, c: int, d: int) -> None:
        operation = pick(INPLACE, c)
        one, other = x.detach().numpy(), y.detach().numpy()
        clear = is_dense(one) and is_dense(other) and one.size == other.size and 1 not in one.shape + other.shape
        if x is not y and np.may_share_memory(one, other) and not clear:
            y = y.clone()  # what PyTorch reads of an operand that it is overwriting is not defined, and whether it
            # refuses one with an axis of length 1 depends on strides that nothing else shows
        if self.joins(x, y):
            return
        recorded = x.requires_grad and self.library.is_grad_enabled()
        if operation in RESHAPING and not (recorded and x.is_floating_point()):
            return  # PyTorch's graph may then come to have a shape in it that the tensor has not
        if operation in ("through_detach", "through_data") and x.is_inference():
            return  # PyTorch makes tensors of inference mode then that count versions
        if operation == "fill_tensor" and not x.is_floating_point():
            return  # PyTorch gives whole numbers a graph then that nothing may use
        before = copied(x)
        try:
            INPLACE[operation](x, y)
        except Exception:
            one[...] = before  # PyTorch may have written before it raised the error, Rushlight never has
            raise
        self.log.append((number, "changed", self.facts(x)))

    def unrecorded(self, number: int, x: Any, y: Any, c: int, d: int) -> Any:
        with self.library.no_grad():
            return getattr(self, unrecorded(c, d)[0])(number, x, y, c, d >> 4)

    def inferring(self, number: int, x: Any, y: Any, c: int, d: int) -> Any:
        self.inferred = True
        with self.library.inference_mode():
            return getattr(self, unrecorded(c, d)[0])(number, x, y, c, d >> 4)

    def hook(self, number: int, x: Any, y: Any, c: int, d: int) -> None:
        def hook(g: Any) -> Any:
            if not self.quiet:
                self.log.append((number, "hook", copied(g)))
            return g * 2 if d % 2 and g is not None else None

        if not (x.requires_grad and x.is_leaf and x._is_view()):  # PyTorch crashes on one that shows such a base
            self.handles.append(x.register_hook(hook))

    def unhook(self, number: int, x: Any, y: Any, c: int, d: int) -> None:
        if self.handles:
            self.handles.pop(c % len(self.handles)).remove()

    def retain(self, number: int, x: Any, y: Any, c: int, d: int) -> None:
        if x.output_nr == 0:  # of another output PyTorch crashes, if its base comes from an in-place operation later
            x.retain_grad()
            self.retained.append(x)

    def function(self, number: int, x: Any, y: Any, c: int, d: int) -> Any:
        if x.is_inference() or self.joins(x, y):
            return None  # one that is changed in place is changed before PyTorch raises the error
        return pick(self.functions, c).apply(*(x, y)[: 1 + d % 2])

    def leaf(self, number: int, x: Any, y: Any, c: int, d: int) -> Any:
        """A tensor becomes a leaf, or stops to be one."""
        if c % 2:
            return x.detach().requires_grad_()
        x.requires_grad_(d % 3 > 0)
        return None

    def grad(self, number: int, x: Any, y: Any, c: int, d: int) -> Any:
        """Gradients of a sum; with ``create_graph`` also those of their squares."""
        inputs = [(self.leaves[0], self.leaves[1], y)[c % 3], self.leaves[0]][: 1 + d % 2]
        retain, create = pick((None, True, True, False), d >> 4), bool(d >> 6 & 1)
        try:
            found = self.library.autograd.grad(
                x.sum(), inputs, create_graph=create, retain_graph=retain, allow_unused=bool(d >> 8 & 3)
            )
        except Exception:
            self.forget()
            raise
        for g in found:
            self.log.append((number, "grad", copied(g)))
        found = [g for g in found if g is not None]
        linked = [g for g in found if g.requires_grad]  # Rushlight may know that one is constant
        if create and retain is not False and linked:
            second = sum((g * g).sum() for g in linked)
            self.quiet = True
            try:
                seconds = self.library.autograd.grad(
                    second, self.leaves[:2], retain_graph=True, allow_unused=True, materialize_grads=True
                )
            except RuntimeError as error:
                self.log.append((number, SECOND_FAILED, error))
                raise
            finally:
                self.quiet = False
        else:
            seconds = [self.library.zeros_like(leaf) for leaf in self.leaves[:2]]
        self.log.append((number, "second", *map(copied, seconds)))
        if not found:
            return None
        plain = found[0].detach().clone(memory_format=self.library.contiguous_format)
        return (plain * 1e9).round() / 1e9  # the sign of a rounding error, and its order of axes, are not defined

    def backward(self, number: int, x: Any, y: Any, c: int, d: int) -> None:
        self.send_back([x, y][: 1 + d % 2], bool(d >> 4 & 3))

    def send_back(self, roots: list, retain: bool) -> None:
        """Backward from the sums of several roots; then a look at all gradients."""
        losses = [root.sum() for root in roots]
        try:
            self.library.autograd.backward(losses, retain_graph=retain)
            for tensor in (*self.leaves, *self.retained):
                self.log.append(("gradient", copied(tensor.grad)))
        except Exception:
            self.forget()
            raise

    def forget(self) -> None:
        """After an error in backward: which gradients have arrived before it, is not defined."""
        for tensor in (*self.leaves, *self.retained):
            tensor.grad = None
