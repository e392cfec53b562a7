"""save and load: objects and their tensors in the zip files that PyTorch writes and reads.

A file holds the pickled object (``data.pkl``), in which each tensor names its storage, and the bytes of each storage
(``data/0``, ``data/1``, ...); tensors that share memory share a storage. Pickled names are PyTorch's.
"""

from __future__ import annotations

from .read import add_safe_globals, clear_safe_globals, get_safe_globals, load, safe_globals
from .write import save

__all__ = ["add_safe_globals", "clear_safe_globals", "get_safe_globals", "load", "safe_globals", "save"]
