"""Helpers around training: data loading, checkpointing."""

from __future__ import annotations

from ..missing import refuse as _refuse
from . import checkpoint, data, hooks

__getattr__ = _refuse(__name__)
