"""The tuples with named fields that operations of several results return."""

from __future__ import annotations

from collections.abc import Iterable
from operator import itemgetter
from typing import Any


class Returns(tuple):
    """Several results that can also be read by name; a plain tuple otherwise.

    Classes of their own rather than named tuples, which take longer to make than most operations take to import.
    """

    __slots__ = ()
    __match_args__: tuple[str, ...] = ()

    def __repr__(self) -> str:
        shown = ",\n".join(f"{field}={value!r}" for field, value in zip(self.__match_args__, self, strict=True))
        return f"torch.return_types.{type(self).__name__}(\n{shown})"

    def __reduce__(self) -> tuple:
        return _again, (type(self).__name__, self.__match_args__, tuple(self))


def named(name: str, fields: tuple[str, ...]) -> type[Returns]:
    """The class of the results of one operation.

    >>> from rushlight.ops.returns import named
    >>> named("pair", ("first", "second"))((1, 2)).second
    2
    """
    attributes: dict[str, Any] = {field: property(itemgetter(place)) for place, field in enumerate(fields)}
    attributes |= {"__slots__": (), "__module__": "torch.return_types", "__match_args__": fields}
    return type(name, (Returns,), attributes)


def _again(name: str, fields: tuple[str, ...], values: Iterable) -> Returns:
    return named(name, fields)(values)
