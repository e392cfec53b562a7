"""Reading: the object of a file, by default one that can hold nothing but tensors and plain values."""

from __future__ import annotations

import io
import os
import pickle
import sys
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from .. import dtypes
from ..devices import device as Device
from ..size import Size
from ..tensor import Parameter, Tensor, wrap
from .format import STORAGE_TYPES, UNTYPED

if TYPE_CHECKING:
    import zipfile


def load(
    f: str | os.PathLike | IO[bytes],
    map_location: Any = None,
    pickle_module: Any = None,
    *,
    weights_only: bool | None = None,
    mmap: bool | None = None,
    **pickle_load_args: Any,
) -> Any:
    """Read what ``save``, here or in PyTorch, has written.

    By default nothing but tensors, plain values and containers is made (and what :func:`add_safe_globals` allows):
    a file can run no code. ``weights_only=False`` unpickles anything, for files whose author you trust.
    ``map_location`` says where storages of another device go: a device, a dict from names to names, or a function of a
    storage and its location; all that lives here is the CPU. ``mmap`` is accepted; the file is read all the same.

    Raises ``pickle.UnpicklingError`` for a file with other objects or in another format, ``RuntimeError`` for storages
    of a device that is not mapped.
    """
    if weights_only is None:
        weights_only = pickle_module is None
    if weights_only and pickle_module is not None:
        raise RuntimeError("Can not safely load weights when explicit pickle_module is specified")
    if isinstance(f, str | os.PathLike):
        with open(f, "rb") as file:
            return _load_file(file, map_location, weights_only, pickle_load_args)
    if not all(hasattr(f, name) for name in ("read", "seek", "tell")):
        raise AttributeError(
            f"expected a path or a file-like object with 'read' and 'seek', got {type(f).__name__}. You can only load "
            "from a file that is seekable. Please pre-load the data into a buffer like io.BytesIO and try to load from "
            "it instead."
        )
    return _load_file(f, map_location, weights_only, pickle_load_args)


def _load_file(file: IO[bytes], map_location: Any, weights_only: bool, options: dict[str, Any]) -> Any:
    start = file.tell()
    first = file.read(2)
    file.seek(start)
    if not first:
        raise EOFError("Ran out of input: the file is empty")
    if first != b"PK":
        raise pickle.UnpicklingError(
            "the file is not a zip archive as PyTorch writes it since 1.6. An older one can be loaded with PyTorch and "
            "saved again"
        )
    import zipfile

    try:
        archive = zipfile.ZipFile(file)
    except zipfile.BadZipFile as error:
        raise RuntimeError(
            f"PytorchStreamReader failed reading zip archive: {error}. The file may be incomplete"
        ) from None
    with archive:
        reader = _Archive(archive, map_location)
        if not weights_only:
            return _Unpickler(reader, **options).load()
        try:
            return _WeightsUnpickler(reader, **options).load()
        except pickle.UnpicklingError as error:
            raise pickle.UnpicklingError(
                f"Weights only load failed. WeightsUnpickler error: {error}\n"
                "With `weights_only=False` this file will likely load, but it can run any code it contains: do that "
                "only if you trust the source of the checkpoint."
            ) from None


class _Storage:
    """Bytes read from a file, and the type they are of."""

    def __init__(self, content: np.ndarray, dtype: dtypes.dtype | None) -> None:
        self.content, self.dtype = content, dtype


class _Archive:
    """The records of a file, and its storages, each read once."""

    def __init__(self, archive: zipfile.ZipFile, map_location: Any) -> None:
        self.archive = archive
        self.map_location = map_location
        names = archive.namelist()
        pickled = [name for name in names if name.endswith("/data.pkl")]
        if not pickled:
            raise RuntimeError("PytorchStreamReader failed locating file data.pkl: file not found")
        self.folder = pickled[0].removesuffix("data.pkl")
        order = f"{self.folder}byteorder"
        self.swapped = order in names and archive.read(order).decode() != sys.byteorder
        self._storages: dict[str, _Storage] = {}

    def data(self) -> bytes:
        return self.archive.read(f"{self.folder}data.pkl")

    def storage(self, identity: Any) -> _Storage:
        """The storage that a pickled object names by ``("storage", type, key, location, length)``."""
        if not isinstance(identity, tuple) or len(identity) != 5 or identity[0] != "storage":
            raise pickle.UnpicklingError(f"Only persistent_load of storage is allowed, but got {identity!r}")
        _, kind, key, location, length = identity
        if key not in self._storages:
            dtype = kind.dtype if isinstance(kind, _StorageType) else None
            storage = _Storage(self._read(key, dtype), dtype)
            self._storages[key] = _restored(storage, location, self.map_location)
        return self._storages[key]

    def _read(self, key: str, dtype: dtypes.dtype | None) -> np.ndarray:
        info = self.archive.getinfo(f"{self.folder}data/{key}")
        content = np.empty(info.file_size, np.uint8)
        with self.archive.open(info) as record:
            record.readinto(content.data)  # type: ignore[attr-defined]
        if self.swapped and dtype is not None and dtype.itemsize > 1:
            unit = dtype.itemsize // (2 if dtype.is_complex else 1)
            content = content.reshape(-1, unit)[:, ::-1].reshape(-1)
        return content


def _restored(storage: _Storage, location: str, map_location: Any) -> _Storage:
    if callable(map_location) and not isinstance(map_location, Device):
        mapped = map_location(storage, location)
        if mapped is not None:
            return mapped
    elif isinstance(map_location, dict):
        location = str(map_location.get(location, location))
    elif map_location is not None:
        location = str(map_location)
    if location.partition(":")[0] != "cpu":
        raise RuntimeError(
            f"Attempting to deserialize object on a {location} device, but the only device is the CPU. "
            "Use load with map_location=torch.device('cpu') to map your storages to the CPU."
        )
    return storage


class _StorageType:
    """A storage class of PyTorch's as it is named in files."""

    def __init__(self, dtype: dtypes.dtype | None) -> None:
        self.dtype = dtype


def _placed(storage: _Storage, dtype: Any, offset: int, size: tuple, stride: tuple) -> np.ndarray:
    """The array at a place of a storage. Raises ``RuntimeError`` where it would reach beyond it."""
    kind = dtype.numpy
    try:
        return np.ndarray(
            tuple(size),
            kind,
            buffer=storage.content,
            offset=offset * kind.itemsize,
            strides=tuple(step * kind.itemsize for step in stride),
        )
    except (ValueError, TypeError):
        pass
    if 0 in size:
        return np.empty(size, kind)
    raise RuntimeError(
        f"setStorage: sizes {list(size)}, strides {list(stride)}, storage offset {offset}, and itemsize "
        f"{kind.itemsize} are out of bounds for storage of size {storage.content.nbytes}"
    )


def _rebuild_tensor_v2(
    storage: _Storage, offset: int, size: tuple, stride: tuple, requires_grad: bool, hooks: Any, metadata: Any = None
) -> Tensor:
    tensor = wrap(_placed(storage, storage.dtype, offset, size, stride))
    tensor.requires_grad = requires_grad
    return tensor


def _rebuild_tensor_v3(
    storage: _Storage,
    offset: int,
    size: tuple,
    stride: tuple,
    requires_grad: bool,
    hooks: Any,
    dtype: dtypes.dtype,
    metadata: Any = None,
) -> Tensor:
    tensor = wrap(_placed(storage, dtype, offset, size, stride))
    tensor.requires_grad = requires_grad
    return tensor


def _rebuild_tensor(storage: _Storage, offset: int, size: tuple, stride: tuple) -> Tensor:
    return _rebuild_tensor_v2(storage, offset, size, stride, False, None)


def _rebuild_parameter(data: Tensor, requires_grad: bool, hooks: Any) -> Parameter:
    return Parameter(data, requires_grad)


def _rebuild_parameter_with_state(data: Tensor, requires_grad: bool, hooks: Any, state: Any) -> Parameter:
    return _with_state(Parameter(data, requires_grad), state)


def _rebuild_from_type_v2(function: Callable, cls: type, arguments: tuple, state: Any) -> Any:
    tensor = function(*arguments)
    if type(tensor) is not cls:
        plain, tensor = tensor, wrap(tensor.array, cls)
        tensor.requires_grad = plain.requires_grad
    return _with_state(tensor, state)


def _with_state(tensor: Any, state: Any) -> Any:
    values, slots = state if isinstance(state, tuple) else (state, None)
    for name, value in {**(values or {}), **(slots or {})}.items():
        setattr(tensor, name, value)
    return tensor


def _named() -> dict[str, Any]:
    """What the names in files stand for."""
    import _codecs

    functions = (
        _rebuild_tensor,
        _rebuild_tensor_v2,
        _rebuild_tensor_v3,
        _rebuild_parameter,
        _rebuild_parameter_with_state,
    )
    return {
        "collections.OrderedDict": OrderedDict,
        "collections.Counter": Counter,
        "builtins.bytearray": bytearray,
        "builtins.set": set,
        "builtins.complex": complex,
        "_codecs.encode": _codecs.encode,
        "torch.Size": Size,
        "torch.Tensor": Tensor,
        "torch.device": Device,
        "torch.nn.parameter.Parameter": Parameter,
        "torch._tensor._rebuild_from_type_v2": _rebuild_from_type_v2,
        **{f"torch._utils.{function.__name__}": function for function in functions},
        **{str(dtype): dtype for dtype in (*STORAGE_TYPES, *UNTYPED)},
        **{f"torch.{name}": _StorageType(dtype) for dtype, name in STORAGE_TYPES.items()},
        "torch.storage.UntypedStorage": _StorageType(None),
    }


_allowed = _named()
_user_allowed: dict[str, Any] = {}


_PythonUnpickler: Any = pickle._Unpickler


class _Unpickler(_PythonUnpickler):
    """Unpickles the object of a file with this library's objects under PyTorch's names."""

    def __init__(self, archive: _Archive, **options: Any) -> None:
        super().__init__(io.BytesIO(archive.data()), **{"encoding": "utf-8", **options})
        self.persistent_load = archive.storage

    def find_class(self, module: str, name: str) -> Any:
        found = _allowed.get(f"{module}.{name}")
        return super().find_class(module, name) if found is None else found


class _WeightsUnpickler(_Unpickler):
    """Unpickles tensors, plain values and containers, and calls nothing that was not allowed by name."""

    def find_class(self, module: str, name: str) -> Any:
        import _compat_pickle

        module, name = _compat_pickle.NAME_MAPPING.get((module, name), (module, name))
        module = _compat_pickle.IMPORT_MAPPING.get(module, module)
        path = f"{module}.{name}"
        for table in (_allowed, _user_allowed):
            if path in table:
                return table[path]
        path = path.removeprefix("builtins.")
        raise pickle.UnpicklingError(
            f"Unsupported global: GLOBAL {path} was not an allowed global by default. Please use "
            f"`torch.serialization.add_safe_globals([{path}])` or the `torch.serialization.safe_globals([{path}])` "
            "context manager to allowlist this global if you trust this class/function."
        )

    def _check_allowed(self, called: Any, action: str) -> None:
        if not any(called is value for table in (_allowed, _user_allowed) for value in table.values()):
            raise pickle.UnpicklingError(f"Trying to {action} {called}, which was not allowed by add_safe_globals")

    def _reduce(self) -> None:
        self._check_allowed(self.stack[-2], "call reduce for unrecognized function")
        super().load_reduce()

    def _newobj(self) -> None:
        self._check_allowed(self.stack[-2], "create a new object of")
        super().load_newobj()

    def _build(self) -> None:
        cls = type(self.stack[-2])
        if cls not in (Tensor, Parameter, OrderedDict):
            self._check_allowed(cls, "build an object of")
        super().load_build()

    def _unsupported(self) -> None:
        raise pickle.UnpicklingError("Unsupported operand: the file was saved with another pickle protocol than 2")

    _plain = (
        "PROTO FRAME STOP MARK POP POP_MARK NONE NEWTRUE NEWFALSE BININT BININT1 BININT2 LONG1 BINFLOAT BINUNICODE "
        "SHORT_BINSTRING EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_LIST APPEND APPENDS EMPTY_DICT SETITEM SETITEMS "
        "EMPTY_SET BINGET LONG_BINGET BINPUT LONG_BINPUT GLOBAL BINPERSID"
    )
    dispatch = {
        **dict.fromkeys(_PythonUnpickler.dispatch, _unsupported),
        **{code: _PythonUnpickler.dispatch[code] for code in (getattr(pickle, name)[0] for name in _plain.split())},
        pickle.REDUCE[0]: _reduce,
        pickle.NEWOBJ[0]: _newobj,
        pickle.BUILD[0]: _build,
    }


def add_safe_globals(safe_globals: Iterable[Any]) -> None:
    """Let ``load`` make objects of these classes, and call these functions; an entry may be ``(object, "full.name")``.

    Raises ``ValueError`` or ``TypeError`` for an entry of another form.
    """
    for entry in safe_globals:
        if not isinstance(entry, tuple):
            _user_allowed[f"{entry.__module__}.{entry.__qualname__}"] = entry
            continue
        if len(entry) != 2:
            raise ValueError(
                f"Expected tuple of length 2 (global, str of callable full path), but got tuple of length: {len(entry)}"
            )
        if not isinstance(entry[1], str):
            raise TypeError(f"Expected second item in tuple to be str of callable full path, but got: {type(entry[1])}")
        _user_allowed[entry[1]] = entry[0]


def get_safe_globals() -> list[Any]:
    """The objects that were allowed with :func:`add_safe_globals`."""
    return list(_user_allowed.values())


def clear_safe_globals() -> None:
    """Take back all that was allowed with :func:`add_safe_globals`."""
    _user_allowed.clear()


@contextmanager
def safe_globals(safe_globals: Iterable[Any]) -> Iterator[None]:
    """A block in which ``load`` makes objects of these classes, as after :func:`add_safe_globals`."""
    before = dict(_user_allowed)
    add_safe_globals(safe_globals)
    try:
        yield
    finally:
        _user_allowed.clear()
        _user_allowed.update(before)
