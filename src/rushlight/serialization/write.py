"""Writing: the pickled object with PyTorch's names, the storages beside it."""

from __future__ import annotations

import io
import os
import pickle
import sys
from collections import OrderedDict
from types import FunctionType
from typing import IO, Any

import numpy as np

from .. import dtypes
from ..devices import device as Device
from ..kernels.layout import address, storage_of, strides_of
from ..size import Size
from ..tensor import Parameter, Tensor, wrap
from .format import STORAGE_TYPES, UNTYPED

_ALIGNMENT = 64
_PythonPickler: Any = pickle._Pickler


class _Global:
    """A name that the file refers to; called only by whoever reads it."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name

    def __call__(self) -> None:
        raise TypeError(f"{self.module}.{self.name} is a name in a file")


class _StorageId(tuple):
    """What the file has in the place of a storage."""


_REBUILD_TENSOR = _Global("torch._utils", "_rebuild_tensor_v2")
_REBUILD_TENSOR_OF_DTYPE = _Global("torch._utils", "_rebuild_tensor_v3")
_REBUILD_PARAMETER = _Global("torch._utils", "_rebuild_parameter")
_REBUILD_PARAMETER_WITH_STATE = _Global("torch._utils", "_rebuild_parameter_with_state")
_REBUILD_WITH_STATE = _Global("torch._tensor", "_rebuild_from_type_v2")
_TENSOR = _Global("torch", "Tensor")
_UNTYPED_STORAGE = _Global("torch.storage", "UntypedStorage")
_TYPED_STORAGES = {kind: _Global("torch", name) for kind, name in STORAGE_TYPES.items()}


class _Pickler(_PythonPickler):
    """Pickles with PyTorch's names, and collects the storages in ``storages``.

    The pickler written in Python: the one in C insists on importing what it names.
    """

    def __init__(self, file: IO[bytes], protocol: int) -> None:
        super().__init__(file, protocol)
        self.storages: list[np.ndarray] = []
        self._numbers: dict[int, tuple[int, dtypes.dtype]] = {}

    def persistent_id(self, obj: Any) -> tuple | None:
        return tuple(obj) if type(obj) is _StorageId else None

    def reducer_override(self, obj: Any) -> Any:
        if not isinstance(obj, Tensor):
            return NotImplemented
        state = obj.__dict__
        if isinstance(obj, Parameter):
            arguments: tuple = (wrap(obj.array), obj.requires_grad, OrderedDict())
            if state:
                return _REBUILD_PARAMETER_WITH_STATE, (*arguments, dict(state))
            return _REBUILD_PARAMETER, arguments
        function, arguments = self._rebuilding(obj)
        if state or type(obj) is not Tensor:
            cls = _TENSOR if type(obj) is Tensor else type(obj)
            return _REBUILD_WITH_STATE, (function, cls, arguments, dict(state))
        return function, arguments

    def _rebuilding(self, tensor: Tensor) -> tuple[_Global, tuple]:
        array = tensor.array
        storage = _whole_storage(array)
        if storage is None:
            array = array.copy()
            storage = array.reshape(-1)
        number = self._number(storage, array, tensor.dtype)
        untyped = tensor.dtype in UNTYPED
        kind = _UNTYPED_STORAGE if untyped else _TYPED_STORAGES[tensor.dtype]
        length = storage.nbytes if untyped else storage.nbytes // array.itemsize
        offset = (address(array) - address(storage)) // array.itemsize if array.size else 0
        placed: tuple = (
            _StorageId(("storage", kind, str(number), "cpu", length)),
            offset,
            tuple(array.shape),
            strides_of(array),
            tensor.requires_grad,
            OrderedDict(),
        )
        if untyped:
            return _REBUILD_TENSOR_OF_DTYPE, (*placed, tensor.dtype)
        return _REBUILD_TENSOR, placed

    def _number(self, storage: np.ndarray, array: np.ndarray, dtype: dtypes.dtype) -> int:
        key = address(storage) if storage.size else -1 - len(self.storages)
        if key not in self._numbers:
            self._numbers[key] = (len(self.storages), dtype)
            self.storages.append(storage)
        number, first = self._numbers[key]
        if first is not dtype and not {first, dtype} <= set(UNTYPED):
            raise RuntimeError(
                "Cannot save multiple tensors or storages that view the same data as different types: "
                f"{first} and {dtype}. Save a clone of one of them"
            )
        return number

    def save_global(self, obj: Any, name: str | None = None) -> None:
        if obj is Tensor or obj is Size or obj is Device:
            return self._save_named(_Global("torch", obj.__name__))
        if obj is Parameter:
            return self._save_named(_Global("torch.nn.parameter", "Parameter"))
        return super().save_global(obj, name)

    def _save_named(self, obj: _Global) -> None:
        self.write(pickle.GLOBAL + f"{obj.module}\n{obj.name}\n".encode())
        self.memoize(obj)

    def _save_dtype(self, obj: dtypes.dtype) -> None:
        self.write(pickle.GLOBAL + str(obj).replace(".", "\n").encode() + b"\n")
        self.memoize(obj)

    def _save_size(self, obj: Size) -> None:
        self.save_reduce(Size, (tuple(obj),), obj=obj)

    def _save_device(self, obj: Device) -> None:
        index = () if obj.index is None else (obj.index,)
        self.save_reduce(Device, (obj.type, *index), obj=obj)

    dispatch = {
        **_PythonPickler.dispatch,
        FunctionType: save_global,
        _Global: _save_named,
        dtypes.dtype: _save_dtype,
        Size: _save_size,
        Device: _save_device,
    }


def _whole_storage(array: np.ndarray) -> np.ndarray | None:
    """All the memory an array is a part of, as one row; None where the array does not lie in it as PyTorch's do."""
    storage = storage_of(array).ravel(order="K")
    if not np.may_share_memory(storage, array) and array.size:
        return None
    if any(stride < 0 or stride % array.itemsize for stride in array.strides):
        return None
    if array.size and (address(array) - address(storage)) % array.itemsize:
        return None
    return storage


def save(
    obj: object,
    f: str | os.PathLike | IO[bytes],
    pickle_module: Any = pickle,
    pickle_protocol: int = 2,
    _use_new_zipfile_serialization: bool = True,
) -> None:
    """Write an object, tensors and all, to a file that ``load`` here and in PyTorch reads.

    A path is written at once when everything is ready: when saving fails, the file that was there before remains.
    Best saved are ``state_dict()``s: they contain nothing but tensors and plain values, which ``load`` accepts.
    Raises what pickling raises, ``RuntimeError`` when the folder does not exist.

    >>> import io
    >>> import rushlight as torch
    >>> file = io.BytesIO()
    >>> torch.save({"w": torch.tensor([1.0, 2.0])}, file)
    >>> _ = file.seek(0)
    >>> torch.load(file)
    {'w': tensor([1., 2.])}
    """
    if pickle_module is not pickle or not _use_new_zipfile_serialization:
        raise NotImplementedError("save writes zip files with the standard pickle module only")
    if not isinstance(f, str | os.PathLike) and not hasattr(f, "write"):
        raise AttributeError(
            f"expected 'f' to be string, path, or a file-like object with a 'write' attribute, got {type(f).__name__}"
        )
    data = io.BytesIO()
    pickler = _Pickler(data, pickle_protocol)
    pickler.dump(obj)
    records = {
        "data.pkl": data.getvalue(),
        "byteorder": sys.byteorder.encode(),
        **{f"data/{number}": storage.view(np.uint8) for number, storage in enumerate(pickler.storages)},
        "version": b"3\n",
    }
    if not isinstance(f, str | os.PathLike):
        _write_archive(f, records)
        return
    path = os.path.realpath(f)
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        raise RuntimeError(f"Parent directory {folder} does not exist. Make it before saving {os.path.basename(path)}")
    if os.path.exists(path) and not os.path.isfile(path):  # a device or a pipe
        with open(path, "wb") as file:
            _write_archive(file, records)
        return
    draft = f"{path}.{os.getpid()}.part"
    try:
        with open(draft, "wb") as file:
            _write_archive(file, records)
        os.replace(draft, path)
    except BaseException:
        if os.path.exists(draft):
            os.remove(draft)
        raise


def _write_archive(file: IO[bytes], records: dict[str, Any]) -> None:
    """Write the records uncompressed, each from a multiple of 64 bytes on, so that they can be mapped into memory."""
    import zipfile

    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, content in records.items():
            info = zipfile.ZipInfo(f"archive/{name}")
            content = memoryview(content)
            info.file_size = content.nbytes
            header = 30 + len(info.filename) + 4  # 4: the extra field's own header, its name and length
            padding = -(archive.start_dir + header) % _ALIGNMENT
            info.extra = b"FB" + padding.to_bytes(2, "little") + b"Z" * padding
            with archive.open(info, "w") as record:
                record.write(content)
