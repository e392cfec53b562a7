"""Names and types of the file format."""

from __future__ import annotations

from .. import dtypes

STORAGE_TYPES = {
    dtypes.float64: "DoubleStorage",
    dtypes.float32: "FloatStorage",
    dtypes.float16: "HalfStorage",
    dtypes.bfloat16: "BFloat16Storage",
    dtypes.int64: "LongStorage",
    dtypes.int32: "IntStorage",
    dtypes.int16: "ShortStorage",
    dtypes.int8: "CharStorage",
    dtypes.uint8: "ByteStorage",
    dtypes.bool: "BoolStorage",
    dtypes.complex64: "ComplexFloatStorage",
    dtypes.complex128: "ComplexDoubleStorage",
}

# Types younger than the typed storages are saved as bytes, with their dtype in the tensor's entry.
UNTYPED = (dtypes.uint16, dtypes.uint32, dtypes.uint64)
