"""Devices: where a tensor lives. There is one, the CPU."""

from __future__ import annotations


class device:
    """The place of a tensor's memory.

    >>> import rushlight as torch
    >>> torch.device("cpu")
    device(type='cpu')

    Raises:
        RuntimeError: the device string is malformed or names a device that is not there.
    """

    __slots__ = ("index", "type")
    index: int | None
    type: str

    def __init__(self, type: str | device, index: int | None = None) -> None:
        if isinstance(type, device):
            self.type, self.index = type.type, type.index
            return
        name, _, number = type.partition(":")
        if number:
            if index is not None or not number.isdigit():
                raise RuntimeError(f"Invalid device string: '{type}'")
            index = int(number)
        if name not in _KINDS:
            raise RuntimeError(f"Expected one of {', '.join(_KINDS)} device type at start of device string: {name}")
        self.type, self.index = name, index

    def __repr__(self) -> str:
        return (
            f"device(type='{self.type}')" if self.index is None else f"device(type='{self.type}', index={self.index})"
        )

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) and (self.type, self.index) == (other.type, other.index)

    def __hash__(self) -> int:
        return hash((self.type, self.index))

    def __reduce__(self) -> tuple:
        return device, (str(self),)

    def __enter__(self) -> device:
        """New tensors inside a ``with`` live here: on the CPU, as they do anyway."""
        check(self)
        return self

    def __exit__(self, *error: object) -> None:
        pass


_KINDS = ("cpu", "cuda", "mps", "xpu", "meta")
cpu = device("cpu")


def check(where: device | str | int | None) -> None:
    """Refuse a device that is not the CPU.

    Raises:
        AssertionError: CUDA is asked for (as PyTorch's CPU build raises it).
        RuntimeError: another device is asked for.
    """
    if where is None or where is cpu:
        return
    kind = "cuda" if isinstance(where, int) else device(where).type
    if kind == "cuda":
        raise AssertionError("Torch not compiled with CUDA enabled: Rushlight computes on the CPU; use device='cpu'")
    if kind != "cpu":
        raise RuntimeError(f"Rushlight computes on the CPU, got device {where!s}; use device='cpu'")
