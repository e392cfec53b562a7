"""Helpers around training: data loading."""

from __future__ import annotations

from . import data
