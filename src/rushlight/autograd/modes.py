"""Whether operations are recorded: grad mode and inference mode, per thread."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable
from contextvars import ContextVar
from types import CodeType
from typing import Any

from .node import current_frame, explained, here, is_library, user_place, where


class Unrecorded(list):
    """Why operations are not recorded: what `recording` holds in place of False.

    An empty list is as false as False, and asked about as cheaply.
    """

    __slots__ = ("code", "instruction", "mode")

    mode: str
    code: CodeType | None
    instruction: int

    def __repr__(self) -> str:
        return self.mode if self.code is None else f"{self.mode} entered at {where(self.code, self.instruction)}"


def unrecorded(mode: str) -> Unrecorded:
    """Why operations are not recorded; a function, as an ``__init__`` would take twice as long."""
    why = Unrecorded()
    why.mode, why.code, why.instruction = mode, None, -1
    return why


IN_FORWARD = unrecorded("the forward of a custom Function")
IN_BACKWARD = unrecorded("a backward without create_graph=True")

# A context variable costs a third of a thread-local on each recorded operation, and also keeps coroutines apart.
recording: ContextVar[Any] = ContextVar("recording", default=True)
"""True or an `Unrecorded`; or, as true, what `intercepting` holds: fast paths ask for True and pay nothing for it."""
inferring: ContextVar[bool] = ContextVar("inferring", default=False)
intercepting: ContextVar[Any] = ContextVar("intercepting", default=None)
"""What stands between operations and the graph, such as hooks on what is saved: an `ops.saving.Interception`."""
open_levels: ContextVar[tuple] = ContextVar("open_levels", default=())  # of forward mode and vmap, see `ops.levels`
remembering: ContextVar[bool] = ContextVar("remembering", default=True)  # false where levels are open, or were
transforming: ContextVar[bool] = ContextVar("transforming", default=False)  # whether `torch.func` calls the code
asked: ContextVar[bool] = ContextVar("asked", default=True)  # grad mode within inference mode, where it changes nothing


def is_grad_enabled() -> bool:
    """Whether operations are recorded in this thread.

    >>> import rushlight as torch
    >>> with torch.no_grad():
    ...     torch.is_grad_enabled()
    False
    """
    return asked.get() if inferring.get() else bool(recording.get())


def is_inference(input: Any) -> bool:
    """Whether a tensor was made in inference mode."""
    return input.is_inference()


def is_inference_mode_enabled() -> bool:
    """Whether this thread is in inference mode."""
    return inferring.get()


def as_recording() -> Any:
    """What `recording` holds where operations are to be recorded."""
    return intercepting.get() or True


def check_untransformed(message: str) -> None:
    """Refuse what code that `torch.func` transforms must not do.

    Raises:
        RuntimeError: such code is under way.
    """
    if transforming.get():
        raise RuntimeError(explained(message, f"It is called at {here()}"))


def intercept(by: Any) -> None:
    """Let something stand between the operations from here on and the graph; None for nothing."""
    intercepting.set(by)
    _restore(_state())


def _state() -> tuple:
    return recording.get(), asked.get(), inferring.get()


def _restore(state: tuple) -> None:
    record, wanted, infer = state
    recording.set(as_recording() if record else record)
    _infer(infer, wanted)


def _infer(infer: bool, wanted: bool) -> None:
    """Set inference mode, and in it the grad mode that was asked for: to set a variable costs more than to look."""
    if infer is not inferring.get():
        inferring.set(infer)
    if infer:
        asked.set(wanted)


class _Mode:
    """A context manager and decorator that sets the mode inside; generator functions keep it across their yields."""

    _function: Callable | None = None  # what it decorates
    _outer: Any = None  # what was set outside, and so on further out, as one mode may be entered several times
    _label = ""  # what it is called in errors, if not by its own name

    def _wanted(self) -> tuple[bool, bool]:
        raise NotImplementedError(f"{type(self).__name__} must say which mode it sets")

    def _set(self) -> None:
        record, infer = self._wanted()
        if record and not infer:
            recording.set(as_recording())
        elif recording.get() or infer != inferring.get():  # else what was the reason before stays it
            why = unrecorded(self._label or type(self).__name__)
            why.code, why.instruction = self._place()
            recording.set(why)
        _infer(infer, record)

    def _place(self) -> tuple[CodeType | None, int]:
        """Where the mode was entered: the head of the function that it decorates, or the user's line."""
        if self._function is not None:
            code = getattr(self._function, "__code__", None)
            if code is not None and not is_library(code.co_filename):
                return code, -1
        return user_place(current_frame(3))

    def clone(self) -> _Mode:
        """The same mode, to be entered anew."""
        return type(self)()

    def _around(self, function: Callable) -> _Mode:
        """The same mode once more, for a call of a function that it decorates."""
        mode = self.clone()
        mode._function = function
        return mode

    def __enter__(self) -> None:
        self._outer = _state(), self._outer
        self._set()

    def __exit__(self, *exception: object) -> None:
        state, self._outer = self._outer
        _restore(state)

    def __call__(self, function: Callable) -> Callable:
        if inspect.isclass(function):
            return _decorate_class(self, function)
        if inspect.isgeneratorfunction(function):
            return _decorate_generator(self, function)

        @functools.wraps(function)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with self._around(function):
                return function(*args, **kwargs)

        return inside


def _decorate_class(mode: _Mode, cls: type) -> type:
    warnings.warn(
        "Decorating classes is deprecated and will be disabled in future versions. Decorate functions or methods: for "
        "a class, its `__init__` and nothing else is what is decorated.",
        FutureWarning,
        stacklevel=3,
    )
    cls.__init__ = mode(cls.__init__)  # type: ignore[misc]
    return cls


def _decorate_generator(mode: _Mode, function: Callable) -> Callable:
    """Run each piece between two yields inside the mode, and what the consumer does outside of it."""

    @functools.wraps(function)
    def inside(*args: Any, **kwargs: Any) -> Any:
        generator = function(*args, **kwargs)
        resume: Callable = functools.partial(next, generator)
        while True:
            try:
                with mode._around(function):
                    value = resume()
            except StopIteration as end:
                return end.value
            try:
                received = yield value
            except GeneratorExit:
                with mode._around(function):
                    generator.close()
                raise
            except BaseException as error:
                resume = functools.partial(generator.throw, error)
            else:
                resume = functools.partial(generator.send, received)

    return inside


class _BareMode(_Mode):
    """A mode that decorates with or without parentheses."""

    def __new__(cls, function: Callable | None = None) -> Any:
        mode = super().__new__(cls)
        return mode if function is None else mode(function)


class no_grad(_BareMode):
    """Operations inside are not recorded.

    >>> import rushlight as torch
    >>> x = torch.tensor(2.0, requires_grad=True)
    >>> with torch.no_grad():
    ...     (x * 3).requires_grad
    False
    """

    def _wanted(self) -> tuple[bool, bool]:
        return False, inferring.get()


class enable_grad(_BareMode):
    """Operations inside are recorded, also within ``no_grad``."""

    def _wanted(self) -> tuple[bool, bool]:
        return True, inferring.get()


class set_grad_enabled(_Mode):
    """Record or do not record from here on; as a context manager, until its end."""

    _label = "set_grad_enabled(False)"

    def __init__(self, mode: bool) -> None:
        if not isinstance(mode, bool):
            raise TypeError(
                f"set_grad_enabled(): argument 'enabled' (position 1) must be bool, not {type(mode).__name__}"
            )
        self.mode = mode
        self._before = _state()
        self._set()

    def _wanted(self) -> tuple[bool, bool]:
        return self.mode, inferring.get()

    def clone(self) -> set_grad_enabled:
        return set_grad_enabled(self.mode)

    def __exit__(self, *exception: object) -> None:
        super().__exit__(*exception)
        self._undo()

    def _undo(self) -> None:
        _restore((*self._before[:2], inferring.get()))

    def __call__(self, function: Callable) -> Callable:
        self._undo()  # decorating a function must not change the mode of the code that decorates
        return super().__call__(function)


class inference_mode(_Mode):
    """Operations inside are not recorded and their results can never enter a graph.

    >>> import rushlight as torch
    >>> with torch.inference_mode():
    ...     torch.ones(2).is_inference()
    True
    """

    def __new__(cls, mode: bool | Callable = True) -> Any:
        if callable(mode):
            return cls()(mode)
        return super().__new__(cls)

    def __init__(self, mode: bool | Callable = True) -> None:
        self.mode = mode

    def clone(self) -> inference_mode:
        return inference_mode(self.mode)

    def _wanted(self) -> tuple[bool, bool]:
        return not self.mode, bool(self.mode)
