"""Custom operations: a forward and a backward of the user's own, recorded as one node."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any, ClassVar

from .. import dtypes
from ..ops.custom import arrived, checked, link, settle, undifferentiable
from ..ops.levels import top_level
from ..ops.saving import SavedTensor
from ..tensor import Tensor, edge_of
from .engine import FREED
from .metadata import InputMetadata
from .modes import IN_FORWARD, asked, no_grad, open_levels, recording, transforming
from .nesting import nested
from .node import Bundle, Node, current_frame, explained, freed_by, next_number, user_place
from .origin import CONSTANT, remember

__all__ = [
    "BackwardCFunction",
    "Function",
    "FunctionCtx",
    "FunctionMeta",
    "InplaceFunction",
    "NestedIOFunction",
    "once_differentiable",
]

UNDEFINED = ((), dtypes.float32.numpy)  # how PyTorch shows the gradient of an output that has none
ACCESSED = (
    "saved_tensors can only be accessed once when clear_saved_tensors_on_access=True is set on the autograd.Function. "
    "Either access saved_tensors only once, or set clear_saved_tensors_on_access=False."
)


class FunctionCtx:
    """What the methods of a `Function` share in one call; anything else may be kept as an attribute."""

    to_save: tuple | None
    dirty_tensors: tuple | None
    non_differentiable: tuple | None
    saved_for_forward: tuple | None

    def save_for_backward(self, *tensors: Any) -> None:
        """Keep tensors for backward, where they are `saved_tensors`; a change in place before then is noticed."""
        self.to_save = tensors

    def save_for_forward(self, *tensors: Any) -> None:
        """Keep tensors for `Function.jvp`.

        Raises:
            AssertionError: one is neither a tensor nor None.
        """
        if not all(tensor is None or isinstance(tensor, Tensor) for tensor in tensors):
            raise AssertionError(
                "save_for_forward expects all arguments to be tensors; you should save non-tensors as attributes on "
                "ctx."
            )
        self.saved_for_forward = tensors

    def mark_dirty(self, *args: Any) -> None:
        """Say which inputs forward has changed in place; it must return them."""
        self.dirty_tensors = args

    def mark_shared_storage(self, *pairs: Any) -> None:
        """Nothing: tensors that share memory know it themselves."""
        warnings.warn(
            "`mark_shared_storage` is deprecated. Tensors with shared storages are automatically tracked.",
            FutureWarning,
            stacklevel=2,
        )

    def mark_non_differentiable(self, *args: Any) -> None:
        """Say which outputs have no gradient."""
        self.non_differentiable = args

    def set_materialize_grads(self, value: bool) -> None:
        """Whether gradients that did not arrive come as zeros, as by default, or as None."""
        self.materialize_grads = value


class BackwardCFunction(Node, FunctionCtx):
    """A call of a `Function` in the graph, which is also the ``ctx`` that its methods see."""

    _forward_cls: ClassVar[type[Function]]

    to_save = dirty_tensors = non_differentiable = saved_for_forward = None
    _materialize = True

    def __init__(self, args: tuple) -> None:
        self.number, self.edges, self.fit, self.hooks = next_number(), (), None, None
        self.code, self.instruction = None, 0
        self.takes_tensor = [isinstance(arg, Tensor) for arg in args]
        self.needs_input_grad = tuple([isinstance(arg, Tensor) and arg.requires_grad for arg in args])
        self.inputs: list = []  # the shape and type of each tensor among the arguments
        self.outputs: list = []  # the same of each output, None for what is no tensor
        self.differentiable: list = []  # whether each output may have a derivative
        self.kept: list = []
        self.freed = False

    @property
    def saved(self) -> bool:
        """Always something that the engine releases; backward may run again as long as it asks for nothing saved."""
        return True

    @saved.setter
    def saved(self, value: None) -> None:
        self.freed = True
        self.kept = []

    @property
    def materialize_grads(self) -> bool:
        """Whether gradients that did not arrive come as zeros."""
        return self._materialize

    @materialize_grads.setter
    def materialize_grads(self, value: bool) -> None:
        if not isinstance(value, bool):
            raise TypeError(
                "set_materialize_grads received an invalid combination of arguments - got "
                f"({type(value).__name__}), but expected (bool)"
            )
        self._materialize = value

    @property
    def several(self) -> bool:
        """Whether it has several outputs."""
        return len(self.outputs) > 1

    @property
    def saved_tensors(self) -> tuple:
        """The tensors that forward saved.

        Raises:
            RuntimeError: they have been freed, or one of them has been changed in place since.
        """
        if self.saved_for_forward is not None:  # still in forward
            return self.saved_for_forward
        saved = self.kept  # looked at first, for another thread may release it
        if self.freed:
            once = self._forward_cls.clear_saved_tensors_on_access
            raise RuntimeError(ACCESSED if once else explained(FREED, *freed_by(self)))
        tensors = tuple([None if kept is None else kept.load_tensor(self) for kept in saved])
        if saved:
            self.maybe_clear_saved_tensors()
        return tensors

    def maybe_clear_saved_tensors(self) -> None:
        """Let go of what was saved, if the Function has ``clear_saved_tensors_on_access``."""
        if self._forward_cls.clear_saved_tensors_on_access:
            self.saved = None

    @property
    def _raw_saved_tensors(self) -> tuple:
        if self.freed:
            raise RuntimeError(explained(FREED, *freed_by(self)))
        return tuple(SavedTensor(self, place, self.kept) for place in range(len(self.kept)))

    @property
    def _input_metadata(self) -> tuple:
        return tuple(
            InputMetadata(meta if differentiable else UNDEFINED)
            for meta, differentiable in zip(self.outputs, self.differentiable)
        )

    @property
    def saved_variables(self) -> tuple:
        """The old name of `saved_tensors`."""
        warnings.warn("'saved_variables' is deprecated; use 'saved_tensors'", DeprecationWarning, stacklevel=2)
        return self.saved_tensors

    def __repr__(self) -> str:
        return f"<torch.autograd.function.{type(self).__name__} object at {id(self):#x}>"

    def join(self, edges: list, tensors: list) -> None:
        """Take the node into the graph: the gradients of these tensors go to these edges."""
        self.edges = tuple(edges)
        self.number = next_number()  # anew: looking at a view may just have made the node that it leads to
        self.inputs = [(tensor.array.shape, tensor.array.dtype) for tensor in tensors]

    def has_own_setup(self) -> bool:
        """Whether forward takes no ctx, which another method fills."""
        return self._forward_cls.setup_context is not Function.setup_context

    def apply(self, *args: Any) -> Any:
        """What the user's backward gives for these gradients of the outputs."""
        cls = self._forward_cls
        if cls.boxed_grads_call:
            args = ([*args],)
        return backward_of(cls)(self, *args)

    def apply_jvp(self, *args: Any) -> Any:
        """What the user's jvp gives for these tangents of the inputs."""
        return self._forward_cls.jvp(self, *args)

    def run(self, g: Any) -> tuple:
        parts = checked(self, nested(self.apply, *arrived(self, g, False)))
        return tuple([None if part is None else part.array for part in parts])

    def run_recorded(self, g: Any) -> tuple:
        return checked(self, nested(self.apply, *arrived(self, g, True)))

    def run_undefined(self, on_tensors: bool) -> tuple:
        g = Bundle(len(self.outputs), {})
        return self.run_recorded(g) if on_tensors else self.run(g)


def backward_of(cls: type[Function]) -> Callable:
    """A Function's backward, which may also be called vjp."""
    own_vjp = cls.vjp is not Function.vjp
    if own_vjp and cls.backward is not Function.backward:
        raise RuntimeError(
            "Implementing both 'backward' and 'vjp' for a custom Function is not allowed. You should only implement "
            f"one of them in {cls.__name__}."
        )
    return cls.vjp if own_vjp else cls.backward


class FunctionMeta(type):
    """Gives each `Function` the class of its nodes, named after it."""

    _backward_cls: type[BackwardCFunction]

    def __init__(cls, name: str, bases: tuple, namespace: dict) -> None:
        super().__init__(name, bases, namespace)
        cls._backward_cls = type(f"{name}Backward", (BackwardCFunction,), {"_forward_cls": cls})


class Function(FunctionCtx, metaclass=FunctionMeta):
    """Base class of custom operations.

    Define static methods ``forward(ctx, *args)`` and ``backward(ctx, *grad_outputs)``, or ``forward(*args)`` with
    ``setup_context(ctx, inputs, output)``; call the operation with ``apply``.

    >>> import rushlight as torch
    >>> class Square(torch.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x**2
    ...
    ...     @staticmethod
    ...     def backward(ctx, grad_output):
    ...         (x,) = ctx.saved_tensors
    ...         return grad_output * 2 * x
    >>> x = torch.tensor(3.0, requires_grad=True)
    >>> Square.apply(x).backward()
    >>> x.grad
    tensor(6.)

    Attributes:
        generate_vmap_rule: vmap runs the methods on batches, for they are written in operations that can be batched.
        clear_saved_tensors_on_access: let go of what was saved when backward asks for it, which it may do once.
        boxed_grads_call: backward gets its gradients as one list, from which it may remove what it needs no more.
    """

    generate_vmap_rule = False
    clear_saved_tensors_on_access = False
    boxed_grads_call = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        warnings.warn(
            f"{type(self)} should not be instantiated. Methods on autograd functions are all static: use "
            f"{type(self).__name__}.apply(...). A future version of PyTorch will raise an error.",
            DeprecationWarning,
            stacklevel=2,
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(
            "Legacy autograd function with non-static forward method is deprecated. Please use new-style autograd "
            f"function with static forward method: {type(self).__name__}.apply(...)"
        )

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """Compute the outputs; nothing in it is recorded."""
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Any) -> Any:
        """Keep what backward needs, where forward takes no ``ctx``."""
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """The gradient of each input from those of the outputs."""
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom autograd.Function to use it with "
            "backward mode AD."
        )

    vjp = backward

    @staticmethod
    def jvp(ctx: Any, *grad_inputs: Any) -> Any:
        """The tangents of the outputs from those of the inputs."""
        raise NotImplementedError(
            "You must implement the jvp function for custom autograd.Function to use it with forward mode AD."
        )

    @staticmethod
    def vmap(info: Any, in_dims: tuple, *args: Any) -> Any:
        """The operation for a whole batch, which `torch.vmap` asks for.

        Args:
            info: ``info.batch_size`` and ``info.randomness``.
            in_dims: for each argument its batch axis, or None.

        Returns:
            The outputs, and for each its batch axis or None.
        """
        raise NotImplementedError(
            "To use autograd.Function with vmap, you must either override the vmap staticmethod or set "
            "generate_vmap_rule=True."
        )

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Run the operation and record it.

        Args:
            args: what forward takes; tensors inside lists or other objects are not differentiated with respect to.
            kwargs: the same by name; to backward all are positional.

        Raises:
            TypeError: an argument is missing, unknown or keyword-only, or something saved is no tensor.
            RuntimeError: an input was changed in place that must not be, or without being returned; or a transformation
                of `torch.func` needs a method that there is not.
        """
        own_setup = cls.setup_context is not Function.setup_context
        if transforming.get():
            from .function_transforms import check_methods

            check_methods(cls)
        if own_setup:
            args, kwargs = _with_defaults(cls.forward, args, kwargs)
        if kwargs:
            args = _by_position(cls.forward, args, kwargs, 0 if own_setup else 1)
        node = cls._backward_cls(args)
        if True in node.needs_input_grad or open_levels.get():
            node.code, node.instruction = user_place(current_frame(1))
        output = perform(node, args)
        settle(node)
        return output


def perform(node: BackwardCFunction, args: tuple) -> Any:
    """What a Function returns, at the highest level of the open transformations that its arguments belong to."""
    level = top_level(args) if open_levels.get() else None
    if level is None:
        return perform_plainly(node, args)
    from .function_transforms import perform_at

    return perform_at(level, node, args)


def perform_plainly(node: BackwardCFunction, args: tuple) -> Any:
    """What a Function returns, from its forward."""
    cls = node._forward_cls
    tensors = [arg for arg in args if isinstance(arg, Tensor)]
    recorded = bool(recording.get()) and True in node.needs_input_grad
    if recorded:
        node.join([edge_of(tensor) for tensor in tensors], tensors)
    with in_forward():
        if node.has_own_setup():
            output = cls.forward(*args)
            cls.setup_context(node, args, output)
        else:
            output = cls.forward(node, *args)
    return linked(node, tensors, output, recorded)


def linked(node: BackwardCFunction, tensors: list, output: Any, recorded: bool, counted: bool = False) -> Any:
    """What forward has returned, with its place in the graph; see `link`."""
    single = not isinstance(output, tuple)
    outputs = link(node, tensors, (output,) if single else output, recorded, counted)
    for out in outputs:
        if isinstance(out, Tensor) and not out.requires_grad:
            why = CONSTANT if recorded else recording.get() and True
            remember(out, node._forward_cls.__name__, why, current_frame(1), tensors)
    return outputs[0] if single else outputs


class in_forward:
    """Within a ``with`` block nothing is recorded, and transformations see nothing either."""

    __slots__ = ("before",)

    def __enter__(self) -> None:
        self.before = recording.get(), asked.get(), transforming.get()
        recording.set(IN_FORWARD)
        asked.set(False)
        transforming.set(False)

    def __exit__(self, *exception: object) -> None:
        recording.set(self.before[0])
        asked.set(self.before[1])
        transforming.set(self.before[2])


def _with_defaults(forward: Callable, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
    """The arguments with the defaults of those that were not given: setup_context gets them all."""
    code = getattr(forward, "__code__", None)
    if code is not None and not kwargs and len(args) == code.co_argcount and not code.co_kwonlyargcount:
        return args, kwargs
    import inspect  # slow to import, and to use

    bound = inspect.signature(forward).bind(*args, **kwargs)
    bound.apply_defaults()
    return bound.args, bound.kwargs


def _by_position(forward: Callable, args: tuple, kwargs: dict, skipped: int) -> tuple:
    """The arguments with those given by name in the places that forward's parameters have, without the first ones."""
    code = forward.__code__
    names = code.co_varnames[skipped : code.co_argcount]
    for name in kwargs:
        if name not in names:
            raise TypeError(f"forward() got an unexpected keyword argument '{name}'")
        if names.index(name) < len(args):
            raise TypeError(f"forward() got multiple values for argument '{name}'")
    last = max(map(names.index, kwargs))
    for position in range(len(args), last + 1):
        if names[position] not in kwargs:
            raise TypeError(f"forward() missing required argument: '{names[position]}' (position {position})")
    return args + tuple(kwargs[name] for name in names[len(args) : last + 1])


class InplaceFunction(Function):
    """A `Function` that remembers whether it works in place, for programs that were written for it."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace


class NestedIOFunction(Function):
    """A `Function`, under a name that programs may derive from: structured arguments are no longer unpacked."""


def once_differentiable(backward: Callable) -> Callable:
    """Mark a backward that cannot be differentiated itself: a second derivative raises an error."""

    @functools.wraps(backward)
    def wrapper(ctx: Any, *args: Any, **kwargs: Any) -> Any:
        with no_grad():
            outputs = backward(ctx, *args, **kwargs)
        if not recording.get() or not any(isinstance(arg, Tensor) and arg.requires_grad for arg in args):
            return outputs
        return undifferentiable(outputs if isinstance(outputs, tuple) else (outputs,))

    return wrapper
