"""Random number generators: PyTorch's CPU generator, state for state, and the functions on the default one."""

from __future__ import annotations

import operator
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from threading import RLock
from typing import TYPE_CHECKING

import numpy as np

from .kernels.mersenne import MersenneTwister

if TYPE_CHECKING:
    from .devices import device as Device
    from .tensor import Tensor

__all__ = ["fork_rng", "get_rng_state", "initial_seed", "manual_seed", "seed", "set_rng_state"]

_DEFAULT_SEED = 67280421310721
_LEAST_SEED, _SEEDS = -(1 << 63), 1 << 64


def _unpredictable_seed() -> int:
    return int.from_bytes(os.urandom(8), "little")


class Generator:
    """A source of random numbers with a state of its own, for the `generator=` of the random operations.

    Equal seeds give the numbers that PyTorch gives on the CPU. Several threads may draw from one generator: `lock` is
    held while an operation draws.

    >>> import rushlight as torch
    >>> torch.Generator().manual_seed(42).initial_seed()
    42

    Raises RuntimeError for a device other than the CPU.
    """

    __slots__ = ("__weakref__", "lock", "twister")

    def __init__(self, device: Device | str = "cpu") -> None:
        if str(device).partition(":")[0] != "cpu":
            raise RuntimeError(f"Cannot get a generator for device {device}: the only device is 'cpu'")
        self.lock = RLock()
        self.twister = MersenneTwister(_DEFAULT_SEED)

    @property
    def device(self) -> Device:
        """The CPU."""
        from .devices import device

        return device("cpu")

    def manual_seed(self, seed: int) -> Generator:
        """Start again from `seed`, a whole number of 64 bits (negative ones count from 2**64 down); gives itself back.

        Raises RuntimeError when `seed` is not a whole number, ValueError when it does not fit.
        """
        try:
            number = operator.index(seed)
        except TypeError:
            number = None
        if number is None or isinstance(seed, bool):
            raise RuntimeError(f"manual_seed expected a long, but got {type(seed).__name__}; pass an int")
        if not _LEAST_SEED <= number < _SEEDS:
            raise ValueError(f"Overflow when unpacking long long: a seed lies in [-2**63, 2**64), but got {number}")
        with self.lock:
            self.twister.reseed(number % _SEEDS)
        return self

    def seed(self) -> int:
        """Start again from an unpredictable seed, which is returned."""
        return self.manual_seed(_unpredictable_seed()).initial_seed()

    def initial_seed(self) -> int:
        """The seed that the present stream began with."""
        return self.twister.seed

    def get_state(self) -> Tensor:
        """The state as a tensor of 5056 bytes (uint8), the same bytes that PyTorch's generator has at this place."""
        from .tensor import wrap

        with self.lock:
            return wrap(self.twister.get_state())

    def set_state(self, new_state: Tensor) -> None:
        """Continue from `new_state`, which a `get_state`, this library's or PyTorch's, has given.

        Raises TypeError when it is no uint8 tensor, RuntimeError when its bytes are no state.
        """
        state = getattr(new_state, "array", None)
        if state is None:
            raise TypeError(f"expected a torch.ByteTensor, but got {type(new_state).__name__}; pass a get_state()")
        if state.dtype != np.uint8:
            raise TypeError(f"RNG state must be a torch.ByteTensor (dtype uint8), but its dtype is {new_state.dtype}")
        with self.lock:
            self.twister.set_state(state)

    def clone_state(self) -> Generator:
        """A generator at the same place of the same stream, which then goes on by itself."""
        twin = Generator()
        with self.lock:
            twin.twister = self.twister.clone()
        return twin

    def __deepcopy__(self, memo: dict) -> Generator:
        return self.clone_state()

    def __reduce__(self) -> tuple:
        with self.lock:
            return _restored, (self.twister.get_state(),)

    def __repr__(self) -> str:
        return f"<torch._C.Generator object at {id(self):#x}>"


def _restored(state: np.ndarray) -> Generator:
    generator = Generator()
    generator.twister.set_state(state)
    return generator


default_generator = Generator().manual_seed(_unpredictable_seed())


def manual_seed(seed: int) -> Generator:
    """Seed the default generator, which is returned; anything that `int` takes will do.

    >>> import rushlight as torch
    >>> torch.manual_seed(0).initial_seed()
    0
    """
    return default_generator.manual_seed(int(seed))


def seed() -> int:
    """Seed the default generator with an unpredictable number, which is returned."""
    return default_generator.seed()


def initial_seed() -> int:
    """The seed that the default generator's present stream began with."""
    return default_generator.initial_seed()


def get_rng_state() -> Tensor:
    """The state of the default generator, 5056 bytes (uint8)."""
    return default_generator.get_state()


def set_rng_state(new_state: Tensor) -> None:
    """Let the default generator continue from `new_state`, as `get_rng_state` gives it."""
    default_generator.set_state(new_state)


@contextmanager
def fork_rng(
    devices: Iterable | None = None, enabled: bool = True, *, device_type: str | None = None
) -> Iterator[None]:
    """A block after which the default generator is where it was before; with `enabled=False` an ordinary block.

    `devices` and `device_type` name devices with generators of their own, of which there are none.

    >>> import rushlight as torch
    >>> _ = torch.manual_seed(1)
    >>> with torch.random.fork_rng():
    ...     _ = torch.manual_seed(2)
    >>> torch.initial_seed()
    1
    """
    if not enabled:
        yield
        return
    with default_generator.lock:
        state = default_generator.twister.get_state()
    try:
        yield
    finally:
        with default_generator.lock:
            default_generator.twister.set_state(state)
