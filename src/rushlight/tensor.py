"""Tensor and Parameter: an array, its flags and its place in the graph. No mathematics; see `ops` and `methods`."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from . import devices, dtypes
from .autograd import gradients, hooks
from .autograd.grad_dtype import get as get_grad_dtype
from .autograd.grad_dtype import put as put_grad_dtype
from .autograd.leaves import check_assigned, check_numbers, check_requires_grad
from .autograd.metadata import note
from .autograd.modes import check_untransformed, inferring
from .autograd.node import Node, Nowhere, Slot, explained, here
from .autograd.origin import FROZEN, born, detached, made, story
from .autograd.versions import Moved, inference_cell
from .kernels.layout import address, storage_of, strides_of
from .printing import tensor_repr
from .size import Size

new = object.__new__
ndarray = np.ndarray

NOT_A_LEAF = (
    "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed, and backward() fills .grad of leaves "
    "only."
)
TRANSFORMED = (
    "You are attempting to call Tensor.{call}(){note} inside of a function being transformed by a "
    "functorch transform. This is unsupported: use func.grad, vjp, jacrev, jacfwd or hessian there, or call {call}() "
    "outside of it."
)
FUNCTIONAL = " (or perhaps using torch.autograd.functional.* APIs)"
SCALAR = (
    "Converting a tensor with requires_grad=True to a scalar may lead to unexpected behavior.\n"
    "Consider using tensor.detach() first."
)
KEEP_GRAD = "Call .retain_grad() on it before backward(), or look at the leaf that it was computed from."


class View:
    """What makes a tensor a view: whose memory it shows, how to show it again, and which history it has seen."""

    __slots__ = ("base", "made", "replay", "seen", "where")

    DEFAULT, NO_GRAD, MULTI_OUTPUT, CUSTOM, INFERENCE = range(5)
    # Derives the history of a view anew from its base's. That takes an op, so `ops.inplace` puts it here.
    rederive: ClassVar[Callable[[Tensor], None]]

    def __init__(self, base: Tensor, replay: Callable | None, made: int, seen: int) -> None:
        self.base, self.replay, self.made, self.seen = base, replay, made, seen


if TYPE_CHECKING:
    Attached = Any  # to a type checker, the operators and methods that `methods` attaches may be anything
else:
    Attached = object


class Tensor(Attached):
    """An n-dimensional array that remembers how it was computed.

    Make one with ``torch.tensor``; ``Tensor(2, 3)`` gives an uninitialised one of a shape, ``Tensor([1, 2])`` one of
    the default type from data.

    >>> import rushlight as torch
    >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    tensor([2., 4.])
    """

    __slots__ = ("__dict__", "__weakref__", "_grad", "_hooks", "_view", "array", "leaf", "node", "origin", "version")
    __array_priority__ = 1000
    __hash__ = object.__hash__

    array: ndarray  # always an ndarray, 0-dim ones included
    node: Node | None  # what made it; None for a leaf
    leaf: bool  # a leaf that requires grad
    version: list  # the count of in-place changes and where the last was made; shared by views and detached aliases
    origin: tuple  # how it was made, if nothing was recorded; see `autograd.origin`
    _view: View | None
    _grad: Tensor | None
    _hooks: hooks.Hooks | None  # of a leaf; a non-leaf's are its node's

    def __new__(cls, *data: Any, device: Any = None) -> Any:
        devices.check(device)
        default = dtypes.get_default_dtype().numpy
        if len(data) == 1 and isinstance(data[0], Tensor):
            array = data[0].array
        elif len(data) == 1 and not isinstance(data[0], (int, Size)):
            array = np.array(data[0], default)
        else:
            shape = data[0] if len(data) == 1 and isinstance(data[0], Size) else data
            array = np.empty(shape if data else 0, default)
        return wrap(array, cls)

    # What it is

    @property
    def shape(self) -> Size:
        """The lengths of its axes."""
        return Size(self.array.shape)

    def size(self, dim: int | None = None) -> Any:
        """Its shape, or the length of one axis."""
        if dim is None:
            return Size(self.array.shape)
        ndim = self.array.ndim
        if not -max(ndim, 1) <= dim < max(ndim, 1):
            raise IndexError(
                f"Dimension out of range (expected to be in range of [{-max(ndim, 1)}, {max(ndim, 1) - 1}], but got "
                f"{dim})"
            )
        if ndim == 0:
            raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
        return self.array.shape[dim]

    @property
    def dtype(self) -> dtypes.dtype:
        """The type of its elements."""
        return dtypes.of(self.array.dtype)

    @property
    def device(self) -> devices.device:
        """Where it lives: the CPU."""
        return devices.cpu

    @property
    def ndim(self) -> int:
        """The number of its axes."""
        return self.array.ndim

    def dim(self) -> int:
        """The number of its axes."""
        return self.array.ndim

    ndimension = dim

    def numel(self) -> int:
        """The number of its elements."""
        return self.array.size

    nelement = numel

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return self.array.itemsize

    def element_size(self) -> int:
        """Bytes of one element."""
        return self.array.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self.array.nbytes

    def stride(self, dim: int | None = None) -> Any:
        """How many elements apart in memory two neighbours along each axis are."""
        strides = strides_of(self.array)
        return strides if dim is None else strides[dim]

    def is_contiguous(self, memory_format: Any = None) -> bool:
        """Whether its elements lie in memory in the order of its indices."""
        if memory_format is not None and getattr(memory_format, "axes", None):
            return memory_format.holds(self.array)
        return self.array.flags.c_contiguous

    def storage_offset(self) -> int:
        """How many elements of its storage come before its first."""
        storage = storage_of(self.array)
        return (address(self.array) - address(storage)) // self.array.itemsize if self.array.size else 0

    def data_ptr(self) -> int:
        """The address of its first element."""
        return address(self.array) if self.array.size else 0

    def is_floating_point(self) -> bool:
        """Whether its elements are floating-point numbers."""
        return self.dtype.is_floating_point

    def is_complex(self) -> bool:
        """Whether its elements are complex numbers."""
        return self.array.dtype.kind == "c"

    def is_signed(self) -> bool:
        """Whether its elements can be negative."""
        return self.dtype.is_signed

    def is_inference(self) -> bool:
        """Whether it was made in inference mode."""
        return self.version is inference_cell

    def is_conj(self) -> bool:
        """Whether it is a lazily conjugated view: conjugation here is done at once."""
        return False

    is_neg = is_conj
    layout = property(lambda self: "torch.strided")
    is_sparse = is_quantized = is_cuda = is_mps = is_meta = is_nested = property(lambda self: False)
    is_cpu = property(lambda self: True)

    # Its place in the graph

    @property
    def requires_grad(self) -> bool:
        """Whether operations on it are recorded."""
        return self.leaf or self.node is not None or (self._view is not None and self._view.base.requires_grad)

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if not isinstance(value, bool):
            raise RuntimeError("requires_grad must be a bool")
        check_requires_grad(self, value)
        if self.leaf and not value:
            born(self, FROZEN)
        self.leaf = value

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Set whether operations on it are recorded, and return it.

        Raises:
            RuntimeError: it holds whole numbers, or it is not a leaf and is to be recorded no more.
        """
        check_untransformed(TRANSFORMED.format(call="requires_grad_", note=FUNCTIONAL))
        if not isinstance(requires_grad, bool):
            kind = type(requires_grad).__name__
            raise TypeError(f"requires_grad_(): argument 'requires_grad' (position 1) must be bool, not {kind}")
        if requires_grad:
            check_numbers(self, "only Tensors of floating point dtype")
        if self.node is None or not requires_grad:
            self.requires_grad = requires_grad
        return self

    @property
    def is_leaf(self) -> bool:
        """Whether it was made by the user rather than by a recorded operation."""
        return self.node is None and (self._view is None or self.grad_fn is None)

    @property
    def grad_fn(self) -> Node | None:
        """The operation that made it."""
        node = self.node if self._view is None else view_edge(self)
        if node is None or type(node) is Nowhere or isinstance(node, Tensor):
            return None
        if type(node) is Slot:
            return node.edges[0]
        note(node, self)
        return node

    @property
    def output_nr(self) -> int:
        """Which output of the operation that made it this is."""
        return self.node.index if type(self.node) is Slot else 0

    @property
    def grad(self) -> Tensor | None:
        """The gradient that backward accumulated, of its shape and type.

        Warns when it is None because the tensor is not a leaf and was not asked to keep it.
        """
        if self._grad is None and not self.leaf and self.requires_grad and not self.retains_grad:
            warnings.warn(explained(NOT_A_LEAF, f"This one is {made(self)}", KEEP_GRAD), stacklevel=2)
        return self._grad

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None:
            if not isinstance(value, Tensor):
                kind = type(value).__name__
                raise TypeError(f"assigned grad expected to be a Tensor or None but got grad of type {kind}")
            check_assigned(self, value)
        self._grad = value

    @grad.deleter
    def grad(self) -> None:
        self._grad = None

    @property
    def grad_dtype(self) -> dtypes.dtype | None:
        """The type that ``.grad`` of this leaf has, its own by default; None allows an assigned one to have any."""
        return get_grad_dtype(self)

    @grad_dtype.setter
    def grad_dtype(self, dtype: dtypes.dtype | None) -> None:
        put_grad_dtype(self, dtype)

    @property
    def data(self) -> Tensor:
        """The same memory without the history; changes made through it are not seen by autograd."""
        return detached(wrap(self.array), self)

    @data.setter
    def data(self, value: Tensor) -> None:
        if not isinstance(value, Tensor):
            raise TypeError(f"Variable data has to be a tensor, but got {type(value).__name__}")
        if value.array.dtype.kind not in "fcV" and self.requires_grad:
            raise RuntimeError(
                explained(
                    "data set to a tensor that requires gradients must be floating point or complex dtype",
                    f"The data is of {value.dtype}: {made(value)}",
                    f"The tensor: {made(self)}",
                )
            )
        if self.version is not inference_cell and value.array is not self.array:
            self.version[0] = Moved(self.version[0], self.array, value.array)
        self.array = value.array

    @property
    def _version(self) -> int:
        if self.version is inference_cell:
            raise RuntimeError("Inference tensors do not track version counter.")
        return int(self.version[0])

    @property
    def _base(self) -> Tensor | None:
        return None if self._view is None else self._view.base

    def _is_view(self) -> bool:
        return self._view is not None

    def backward(
        self, gradient: Any = None, retain_graph: bool | None = None, create_graph: bool = False, inputs: Any = None
    ) -> None:
        """Add the gradient of this tensor to ``.grad`` of the leaves that it depends on.

        Args:
            gradient: of this tensor's shape; may be left out for a tensor of one element.
            retain_graph: keep what was saved, so that backward can run again; by default as ``create_graph``.
            create_graph: record the computation of the gradients too, for higher derivatives.
            inputs: accumulate into these tensors only.

        Raises:
            RuntimeError: the tensor has no graph, the graph was freed, a saved value has been changed in place, or
                ``gradient`` is missing or of another shape.
        """
        gradients.backward(self, gradient, retain_graph, create_graph, inputs=inputs)

    def retain_grad(self) -> None:
        """Keep ``.grad`` of this tensor in backward although it is not a leaf."""
        check_untransformed(TRANSFORMED.format(call="retain_grad", note=""))
        if not self.requires_grad:
            raise RuntimeError(explained("can't retain_grad on Tensor that has requires_grad=False", *story(self)))
        if self.node is not None and not self.retains_grad:
            hooks.retain(self, edge_of(self))

    @property
    def retains_grad(self) -> bool:
        """Whether ``.grad`` of this non-leaf is kept."""
        return self.node is not None and hooks.retains(self, self.node)

    def register_hook(self, hook: Callable) -> hooks.RemovableHandle:
        """Call ``hook(grad)`` when the gradient of this tensor is known; what it returns replaces the gradient."""
        if not self.requires_grad:
            raise RuntimeError(
                explained("cannot register a hook on a tensor that doesn't require gradient", *story(self))
            )
        edge = edge_of(self)
        return hooks.add(hooks.registry_of(self if type(edge) is Nowhere else edge), hook)

    def register_post_accumulate_grad_hook(self, hook: Callable) -> hooks.RemovableHandle:
        """Call ``hook(tensor)`` when backward has accumulated ``.grad`` of this leaf."""
        if not self.requires_grad:
            raise RuntimeError(
                explained("cannot register a hook on a tensor that doesn't require gradient", *story(self))
            )
        if not self.is_leaf:
            raise RuntimeError(
                explained(
                    "post accumulate grad hooks cannot be registered on non-leaf tensors",
                    f"This one is {made(self)}",
                    "Use register_hook(), or register it on the leaf.",
                )
            )
        return hooks.add(hooks.hooks_at(self).accumulated, hook)

    # The way out

    def item(self) -> Any:
        """Its only element as a Python number.

        Raises:
            RuntimeError: it does not have exactly one element.
        """
        if self.array.size != 1:
            raise RuntimeError(f"a Tensor with {self.array.size} elements cannot be converted to Scalar")
        return self.array.item() if self.array.dtype.kind != "V" else float(self.array.reshape(()))

    def tolist(self) -> Any:
        """Its elements as nested lists of Python numbers."""
        return (self.array if self.array.dtype.kind != "V" else self.array.astype(np.float32)).tolist()

    def numpy(self, *, force: bool = False) -> ndarray:
        """Its array, sharing the memory.

        Raises:
            RuntimeError: it requires grad and ``force`` is not set.
        """
        if self.requires_grad and not force:
            raise RuntimeError(
                explained(
                    "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.",
                    f"It is {made(self)}",
                    f"numpy() is called at {here()}",
                )
            )
        return self.array

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> ndarray:
        array = self.numpy()
        if dtype is not None and array.dtype != dtype:
            return array.astype(dtype)
        return array.copy() if copy else array

    def __dlpack__(self, **options: Any) -> Any:
        if self.requires_grad:
            raise BufferError(
                explained("Can't export tensors that require gradient, use tensor.detach()", f"It is {made(self)}")
            )
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple:
        return self.array.__dlpack_device__()

    def __len__(self) -> int:
        if self.array.ndim == 0:
            raise TypeError("len() of a 0-d tensor")
        return self.array.shape[0]

    def __bool__(self) -> bool:
        if self.array.size == 1:
            return bool(self.array.item() if self.array.dtype.kind != "V" else self.array)
        if self.array.size == 0:
            raise RuntimeError("Boolean value of Tensor with no values is ambiguous")
        raise RuntimeError("Boolean value of Tensor with more than one value is ambiguous")

    def __float__(self) -> float:
        return float(self._number("double"))

    def __int__(self) -> int:
        return int(self._number("int64_t"))

    def __complex__(self) -> complex:
        return complex(self._number())

    def __index__(self) -> int:
        if self.array.size != 1 or self.array.dtype.kind not in "iub":
            raise TypeError("only integer tensors of a single element can be converted to an index")
        return int(self.array.item())

    def _number(self, kind: str | None = None) -> Any:
        if self.array.size != 1:
            raise ValueError(
                f"only one element tensors can be converted to Python scalars, but this one has {self.array.size}"
            )
        if self.requires_grad:
            warnings.warn(SCALAR, stacklevel=3)
        value = self.item()
        if kind is not None and isinstance(value, complex):
            raise RuntimeError(f"value cannot be converted to type {kind} without overflow")
        return value

    def __reduce_ex__(self, protocol: Any) -> Any:
        state = dict(self.__dict__)
        return _rebuild, (type(self), np.array(self.array), self.requires_grad, state)

    def __copy__(self) -> Tensor:
        return _rebuild(type(self), self.array, self.requires_grad, self.__dict__)

    def __deepcopy__(self, memo: dict) -> Tensor:
        if not self.is_leaf:
            raise RuntimeError(
                "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the "
                "moment. If you were attempting to deepcopy a module, this may be because of a "
                "torch.nn.utils.weight_norm usage, see https://github.com/pytorch/pytorch/pull/103001"
                f"\n  This one is {made(self)}"
            )
        if id(self) in memo:
            return memo[id(self)]
        from copy import deepcopy

        copied = _rebuild(type(self), self.array.copy(order="K"), self.leaf, {})
        memo[id(self)] = copied
        if self._grad is not None:
            copied._grad = deepcopy(self._grad, memo)
        copied.__dict__.update(deepcopy(self.__dict__, memo))
        return copied

    def __repr__(self, *, tensor_contents: str | None = None) -> str:
        plain = type(self) is Tensor or type(self) is Parameter
        return self._printed("tensor" if plain else type(self).__name__, contents=tensor_contents)

    def _printed(self, class_name: str, **notes: Any) -> str:
        try:
            made_by = self.grad_fn
            grad_fn_name = None if made_by is None else type(made_by).__name__
        except RuntimeError:
            grad_fn_name = "Invalid"  # an in-place change has made this view's history unusable: it can still be seen
        return tensor_repr(
            self.array,
            requires_grad=grad_fn_name is None and self.requires_grad,
            grad_fn_name=grad_fn_name,
            class_name=class_name,
            is_parameter=isinstance(self, Parameter),
            **notes,
        )

    def __format__(self, spec: str) -> str:
        if self.array.ndim == 0 and type(self) is Tensor:
            return format(self.item(), spec)
        return super().__format__(spec)


class _ParameterMeta(type):
    def __instancecheck__(cls, instance: Any) -> bool:
        return super().__instancecheck__(instance) or (
            cls is Parameter and isinstance(instance, Tensor) and getattr(instance, "_is_param", False)
        )


class Parameter(Tensor, metaclass=_ParameterMeta):
    """A tensor that a Module lists among its parameters.

    >>> import rushlight as torch
    >>> torch.nn.Parameter(torch.zeros(2)).requires_grad
    True
    """

    __slots__ = ()

    def __new__(cls, data: Tensor | None = None, requires_grad: bool = True) -> Any:
        if data is None:
            data = wrap(np.empty(0, dtypes.get_default_dtype().numpy))
        parameter = born(wrap(data.array, cls))
        parameter.version = data.version
        return record_from(parameter) if requires_grad else parameter

    def __deepcopy__(self, memo: dict) -> Parameter:
        if id(self) not in memo:
            memo[id(self)] = _rebuild(type(self), self.array.copy(order="K"), self.leaf, {})
        return memo[id(self)]

    # To mypy, arguments of special methods have no names.
    def __repr__(self, *, tensor_contents: str | None = None) -> str:  # type: ignore[override]
        return "Parameter containing:\n" + super().__repr__(tensor_contents=tensor_contents)  # type: ignore[call-arg]


def wrap(array: ndarray, cls: type = Tensor) -> Any:
    """A tensor on this array: no copy, no history."""
    out: Any = new(cls)
    out.array, out.node, out.leaf, out._grad, out._view, out._hooks = array, None, False, None, None, None
    out.version = inference_cell if inferring.get() else [0]
    return out


def alias(tensor: Tensor) -> Tensor:
    """A tensor without history that shares memory and version with this one."""
    out = wrap(tensor.array.view())  # an array of its own: what becomes of the other's data does not concern it
    out.version = tensor.version
    return out


def record_from(tensor: Tensor) -> Any:
    """A tensor that was just made, as a leaf: what is computed from it is recorded.

    Raises:
        RuntimeError: it holds whole numbers.
    """
    check_numbers(
        tensor,
        "Only Tensors of floating point and complex dtype",
        "Give a floating-point dtype, or numbers with a point.",
    )
    tensor.requires_grad = True
    return tensor


def _rebuild(cls: type, array: ndarray, requires_grad: bool, state: dict) -> Any:
    tensor = wrap(array, cls)
    tensor.leaf = requires_grad
    if state:
        tensor.__dict__.update(state)
    return tensor


def edge_of(tensor: Tensor) -> Any:
    """The end of the graph that a tensor hangs on: the node that made it, itself if it is a leaf, or None."""
    if tensor._view is not None:
        return view_edge(tensor)
    return tensor if tensor.leaf else tensor.node


def view_edge(tensor: Tensor) -> Any:
    """`edge_of` for a view, whose history an in-place change of its base or of another view may have rewritten."""
    view = tensor._view
    if view is not None:
        if view.seen != tensor._version:
            View.rederive(tensor)
        if tensor.node is None and not tensor.leaf and view.base.requires_grad:
            return Nowhere(view.made)
    return tensor if tensor.leaf else tensor.node
