"""Helpers around training: data loading."""

from __future__ import annotations

from ..missing import refuse as _refuse
from . import data

__getattr__ = _refuse(__name__)
