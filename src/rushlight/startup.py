"""Loading of the operations with the garbage collector held: it would search all of NumPy several times, in vain."""

from __future__ import annotations

import gc

_collecting = gc.isenabled()
gc.disable()
try:
    from . import methods as methods
finally:
    if _collecting:
        gc.enable()
