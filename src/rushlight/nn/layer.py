"""`Layer`: what the layers of this package add to Module, which is how they print."""

from __future__ import annotations

from typing import Any, ClassVar

from .module import Module


class Layer(Module):
    """A module that prints the attributes named in `shown`, a template such as `"p={p}"`.

    What `shown_if_changed` maps is printed as `, name=value` only where it differs from the value given there.
    """

    shown: ClassVar[str] = ""
    shown_if_changed: ClassVar[dict[str, Any]] = {}

    def extra_repr(self) -> str:
        """The attributes of the layer that are worth printing."""
        values = self.__dict__
        changed = [f"{name}={values[name]}" for name, usual in self.shown_if_changed.items() if values[name] != usual]
        return ", ".join([self.shown.format(**values)] * bool(self.shown) + changed)


def per_axis(value: Any, axes: int) -> tuple:
    """`value` for each axis: a number is repeated, a sequence is taken as it is."""
    return tuple(value) if isinstance(value, (tuple, list)) else (value,) * axes
