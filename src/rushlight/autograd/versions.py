"""Version cells: the count of in-place changes that tensors over the same memory share, and the last change."""

from __future__ import annotations

import weakref
from types import CodeType
from typing import Any

import numpy as np

from .node import explained, here, where

ndarray = np.ndarray


def changed_at(cell: list, name: str, code: CodeType | None, instruction: int) -> None:
    """Let a version cell, which begins with the count, remember the last change: the operation and the user's place."""
    if len(cell) == 1:
        cell.append((name, code, instruction))
    else:
        cell[1] = name, code, instruction


def touched(tensor: Any, name: str, place: tuple) -> None:
    """Count a change of a tensor's array, so that backward through values saved before fails instead of going wrong."""
    cell = tensor.version
    if cell is not inference_cell:
        cell[0] += 1
        changed_at(cell, name, *place)


def last_change(cell: list) -> str:
    """The operation that changed last what a version cell counts the changes of, and its line."""
    name, code, instruction = cell[1] if len(cell) > 1 else ("an unknown operation", None, 0)
    return f"{name} at {where(code, instruction)}"


class InferenceCell(list):
    """The version cell of tensors made in inference mode: they count no versions, so nothing may rely on theirs."""

    __slots__ = ()

    def __getitem__(self, index: Any) -> Any:
        raise RuntimeError(
            explained(
                "Inference tensors cannot be saved for backward. Please do not use Tensors created in inference mode "
                "in computation tracked by autograd. To work around this, you can make a clone to get a normal tensor "
                "and use it in autograd, or use `torch.no_grad()` instead of `torch.inference_mode()`.",
                f"It was to be saved at {here()}",
            )
        )


inference_cell = InferenceCell()


class Moved(int):
    """The version of a tensor whose ``.data`` was replaced, or that was detached in place.

    It is unlike every other version, also of the same number, so that backward looks twice at what was saved before: an
    operation that saved the tensor as an input sees the new data, as in PyTorch.
    """

    moves: dict[int, tuple[weakref.ref, ndarray | weakref.ref]]  # from what was replaced, as long as somebody keeps it

    def __new__(cls, version: int, old: ndarray, new: ndarray | weakref.ref) -> Moved:  # the tensor, if detached
        moved = super().__new__(cls, version)
        before = version.moves if type(version) is Moved else {}
        moved.moves = {key: move for key, move in before.items() if move[0]() is not None}
        moved.moves[id(old)] = weakref.ref(old), new
        return moved

    def __add__(self, changes: int) -> Moved:
        later = int.__new__(Moved, int(self) + changes)
        later.moves = self.moves
        return later

    def follow(self, array: ndarray, linked: bool) -> ndarray:
        """What a saved array has become; ``linked``: its tensor had a history, which must not have been cut off."""
        while (move := self.moves.get(id(array))) is not None and move[0]() is array:
            if isinstance(move[1], ndarray):
                array = move[1]
                continue
            tensor = move[1]()
            if linked and (tensor is None or tensor.node is None):  # an in-place operation may have made another one
                raise RuntimeError(
                    "Trying to use a saved tensor that has been detached in-place, i.e. with .detach_(). This is not "
                    "supported, please use out-of-place `.detach()` instead"
                )
            break
        return array

    def __eq__(self, other: object) -> bool:
        return self is other

    def __ne__(self, other: object) -> bool:
        return self is not other

    __hash__ = int.__hash__
