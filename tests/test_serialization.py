"""save and load: what PyTorch writes is read here and the other way round; what is unsafe or broken is refused."""

from __future__ import annotations

import io
import os
import pathlib
import pickle
import zipfile
from collections import Counter, OrderedDict

import numpy as np
import pytest
import torch

import rushlight
from rushlight.tensor import wrap

DTYPES = [
    *("float16", "float32", "float64", "bfloat16", "complex64", "complex128", "bool"),
    *("uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64"),
]


def through_file(obj, save, load, **options):
    file = io.BytesIO()
    save(obj, file)
    file.seek(0)
    return load(file, **options)


def to_torch(obj):
    return through_file(obj, rushlight.save, torch.load)


def to_rushlight(obj):
    return through_file(obj, torch.save, rushlight.load)


def again(obj):
    return through_file(obj, rushlight.save, rushlight.load)


def numbers_of(tensor):
    if str(tensor.dtype) == "torch.bfloat16":
        tensor = tensor.float()
    return tensor.detach().tolist()


def array_of(dtype):
    values = np.arange(6).reshape(2, 3) % 4
    kind = getattr(rushlight, dtype)
    return rushlight.from_numpy(values.astype(kind.numpy) if dtype == "bfloat16" else values.astype(dtype))


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_goes_both_ways(dtype):
    ours = array_of(dtype)
    theirs = to_torch(ours)
    assert str(theirs.dtype) == f"torch.{dtype}" and numbers_of(theirs) == numbers_of(ours)
    back = to_rushlight(theirs)
    assert back.dtype is ours.dtype and back.shape == ours.shape and numbers_of(back) == numbers_of(ours)


SHAPES = {
    "0-dim": lambda lib: lib.tensor(2.5),
    "empty": lambda lib: lib.zeros(0, 3),
    "transposed": lambda lib: lib.arange(6.0).reshape(2, 3).t(),
    "row": lambda lib: lib.arange(6.0).reshape(2, 3)[1],
    "steps": lambda lib: lib.arange(9.0)[1::3],
    "expanded": lambda lib: lib.ones(3, 1).expand(3, 2),
    "three axes": lambda lib: lib.arange(24.0).reshape(2, 3, 4).permute(2, 0, 1),
    "leaf": lambda lib: lib.ones(2, requires_grad=True),
    "non-leaf": lambda lib: lib.ones(2, requires_grad=True) * 2,
    "parameter": lambda lib: lib.nn.Parameter(lib.ones(2)),
    "frozen parameter": lambda lib: lib.nn.Parameter(lib.ones(2), requires_grad=False),
}


@pytest.mark.parametrize("make", SHAPES.values(), ids=SHAPES)
def test_layouts_and_flags_go_both_ways(make):
    for source, target, convert in ((rushlight, torch, to_torch), (torch, rushlight, to_rushlight)):
        original, loaded = make(source), convert(make(source))
        assert type(loaded).__name__ == type(original).__name__ and isinstance(loaded, target.Tensor)
        assert loaded.tolist() == original.tolist()
        assert loaded.stride() == original.stride()
        assert loaded.requires_grad == original.requires_grad
        assert loaded.is_leaf


def test_an_array_that_runs_backwards_is_saved():
    tensor = wrap(np.arange(4.0)[::-1])
    assert to_torch(tensor).tolist() == again(tensor).tolist() == [3.0, 2.0, 1.0, 0.0]


PLAIN = {
    "containers": {"a": [1, 2.5, None, True], "b": (1, "text"), 3: {1, 2}, "c": {}},
    "ordered": OrderedDict([("z", 1), ("a", 2)]),
    "counter": Counter("aab"),
    "numbers": [2**70, -1, 1 + 2j, float("inf")],
    "bytes": [b"abc", bytearray(b"abc"), "ä\u2713"],
}


@pytest.mark.parametrize("value", PLAIN.values(), ids=PLAIN)
def test_plain_values_go_both_ways(value):
    assert to_torch(value) == to_rushlight(value) == again(value) == value


def test_sizes_dtypes_and_devices_are_the_other_librarys():
    def values(library):
        return [library.Size([2, 3]), library.float16, library.bool, library.device("cpu")]

    assert to_torch(values(rushlight)) == values(torch)
    assert to_rushlight(values(torch)) == values(rushlight)
    assert again(values(rushlight)) == values(rushlight)


def test_tensors_that_share_memory_share_it_again():
    base = rushlight.arange(6.0)
    saved = {"base": base, "part": base[2:4], "same": base, "other": base.clone()}
    file = io.BytesIO()
    rushlight.save(saved, file)
    with zipfile.ZipFile(file) as archive:
        assert sum("/data/" in name for name in archive.namelist()) == 2
    for load in (rushlight.load, torch.load):
        file.seek(0)
        loaded = load(file)
        loaded["base"][2] = 50.0
        assert loaded["part"].tolist() == [50.0, 3.0]
        assert loaded["same"] is loaded["base"]
        assert loaded["other"].tolist()[2] == 2.0


def test_one_memory_as_two_types_is_refused():
    array = np.arange(4, dtype=np.int32)
    tensors = [rushlight.from_numpy(array), rushlight.from_numpy(array.view(np.float32))]
    with pytest.raises(RuntimeError, match="Cannot save multiple tensors or storages that view the same data as diff"):
        rushlight.save(tensors, io.BytesIO())


def test_attributes_of_tensors_are_kept():
    tensor, parameter = rushlight.ones(2), rushlight.nn.Parameter(rushlight.ones(2))
    tensor.note, parameter.note = "a", [1]
    for convert in (to_torch, again):
        loaded = convert([tensor, parameter])
        assert (loaded[0].note, loaded[1].note) == ("a", [1])


def trained(library, steps=2):
    library.manual_seed(0)
    model = library.nn.Linear(3, 2)
    optimizer = library.optim.Adam(model.parameters(), lr=0.1, amsgrad=True)
    schedule = library.optim.lr_scheduler.StepLR(optimizer, 1)
    for _ in range(steps):
        train(library, model, optimizer)
        schedule.step()
    return model, optimizer, schedule


def train(library, model, optimizer):
    optimizer.zero_grad()
    (model(library.ones(4, 3)) ** 2).sum().backward()
    optimizer.step()


@pytest.mark.parametrize(
    ("source", "target", "convert"),
    [(torch, rushlight, to_rushlight), (rushlight, torch, to_torch), (rushlight, rushlight, again)],
    ids=["from PyTorch", "to PyTorch", "again"],
)
def test_training_goes_on_from_a_checkpoint(source, target, convert):
    objects = trained(source)
    checkpoint = convert([part.state_dict() for part in objects])
    twins = trained(target, steps=0)
    for twin, state in zip(twins, checkpoint, strict=True):
        twin.load_state_dict(state)
    for library, (model, optimizer, schedule) in ((source, objects), (target, twins)):
        train(library, model, optimizer)
        schedule.step()
    np.testing.assert_allclose(twins[0].weight.tolist(), objects[0].weight.tolist(), rtol=1e-5)
    assert twins[2].get_last_lr() == objects[2].get_last_lr()


def test_paths(tmp_path):
    for path in (str(tmp_path / "a.pt"), tmp_path / "b.pt", pathlib.PurePath(tmp_path, "c.pt")):
        rushlight.save({"x": rushlight.ones(2)}, path)
        assert rushlight.load(path)["x"].tolist() == torch.load(path, mmap=True)["x"].tolist() == [1.0, 1.0]
    assert sorted(os.listdir(tmp_path)) == ["a.pt", "b.pt", "c.pt"]


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "model.pt"
    rushlight.save(1, path)
    with pytest.raises((pickle.PicklingError, AttributeError)):
        rushlight.save([2, lambda: 3], path)

    def full(*args, **options):
        raise OSError("No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "open", full)
    with pytest.raises(OSError, match="No space left"):
        rushlight.save(2, path)
    monkeypatch.undo()
    assert rushlight.load(path) == 1
    assert os.listdir(tmp_path) == ["model.pt"]


def test_links_are_followed(tmp_path):
    rushlight.save(1, tmp_path / "real.pt")
    (tmp_path / "link.pt").symlink_to(tmp_path / "real.pt")
    rushlight.save(2, tmp_path / "link.pt")
    assert (tmp_path / "link.pt").is_symlink() and rushlight.load(tmp_path / "real.pt") == 2


class Unknown:
    def __init__(self, value):
        self.value = value


def saved(obj):
    file = io.BytesIO()
    rushlight.save(obj, file)
    file.seek(0)
    return file


UNSAFE = [Unknown(1), print, np.zeros(2), Unknown]


@pytest.mark.parametrize("obj", UNSAFE, ids=lambda obj: type(obj).__name__)
def test_what_can_run_code_is_refused_by_default(obj):
    words = []
    for load in (rushlight.load, torch.load):
        with pytest.raises(pickle.UnpicklingError, match="Weights only load failed") as caught:
            load(saved(obj))
        words.append(str(caught.value)[str(caught.value).index("Unsupported global") :][:60])
    assert words[0] == words[1]


def test_unsafe_objects_load_when_asked_for():
    assert rushlight.load(saved(Unknown(5)), weights_only=False).value == 5


@pytest.mark.parametrize("entry", [Unknown, (Unknown, f"{__name__}.Unknown")])
def test_allowed_classes_load(entry):
    with rushlight.serialization.safe_globals([entry]):
        assert rushlight.serialization.get_safe_globals() == [Unknown]
        assert rushlight.load(saved(Unknown(5))).value == 5
    with pytest.raises(pickle.UnpicklingError):
        rushlight.load(saved(Unknown(5)))


def archive_of(data, **records):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in {"data.pkl": data, "version": b"3\n", **records}.items():
            archive.writestr(f"archive/{name}", content)
    file.seek(0)
    return file


EVIL = {
    "builtin": b"cbuiltins\neval\n(X\x03\x00\x00\x001+1tR.",
    "python 2 name": b"c__builtin__\neval\n(X\x03\x00\x00\x001+1tR.",
    "call of what is no function": b"ccollections\nOrderedDict\n)R(tR.",
    "attributes of a class": b"ctorch.nn.parameter\nParameter\nN}X\x01\x00\x00\x00xK\x01s\x86b.",
    "inst": b"(ios\nsystem\n.",
    "persistent text": b"X\x01\x00\x00\x00aQ.",
    "extension": b"\x82\x01.",
}


@pytest.mark.parametrize("data", EVIL.values(), ids=EVIL)
def test_evil_pickles_are_refused(data):
    with pytest.raises(pickle.UnpicklingError, match="Weights only load failed"):
        rushlight.load(archive_of(data))


def test_a_tensor_beyond_its_storage_is_refused():
    file = saved(rushlight.ones(4))
    with zipfile.ZipFile(file) as archive:
        data = archive.read("archive/data.pkl")
    assert data.count(b"K\x04\x85") == 1
    with pytest.raises(RuntimeError, match="out of bounds for storage of size 16"):
        rushlight.load(archive_of(data.replace(b"K\x04\x85", b"K\x09\x85"), **{"data/0": b"\0" * 16}))


def test_the_other_byte_order_is_read():
    file = saved([rushlight.tensor([1.0, 2.0]), rushlight.tensor([1 + 2j]), rushlight.tensor([True])])
    with zipfile.ZipFile(file) as archive:
        records = {name.removeprefix("archive/"): archive.read(name) for name in archive.namelist()}
    swapped = {
        "byteorder": b"big",
        "data/0": np.frombuffer(records["data/0"], "<f4").astype(">f4").tobytes(),
        "data/1": np.frombuffer(records["data/1"], "<c8").astype(">c8").tobytes(),
        "data/2": records["data/2"],
    }
    loaded = rushlight.load(archive_of(records["data.pkl"], **swapped))
    assert [tensor.tolist() for tensor in loaded] == [[1.0, 2.0], [1 + 2j], [True]]


def of_gpu():
    file = saved(rushlight.ones(2))
    with zipfile.ZipFile(file) as archive:
        data, content = archive.read("archive/data.pkl"), archive.read("archive/data/0")
    return archive_of(data.replace(b"\x03\x00\x00\x00cpu", b"\x06\x00\x00\x00cuda:0"), **{"data/0": content})


MAPS = ["cpu", rushlight.device("cpu"), {"cuda:0": "cpu"}, lambda storage, location: storage]


@pytest.mark.parametrize("where", MAPS, ids=["name", "device", "dict", "function"])
def test_storages_of_other_devices_are_mapped(where):
    assert rushlight.load(of_gpu(), map_location=where).tolist() == [1.0, 1.0]


@pytest.mark.parametrize("where", [None, "cuda", {"cuda:1": "cpu"}, lambda storage, location: None])
def test_storages_of_other_devices_need_a_map(where):
    with pytest.raises(RuntimeError, match="Attempting to deserialize object on a cuda"):
        rushlight.load(of_gpu(), map_location=where)


BROKEN = [
    (lambda lib: lib.save(1, 5), AttributeError, "expected 'f' to be string, path"),
    (lambda lib: lib.save(1, "/no such folder/x.pt"), RuntimeError, "Parent directory /no such folder does not exist"),
    (lambda lib: lib.load(5), AttributeError, "from a file that is seekable"),
    (lambda lib: lib.load("/no such folder/x.pt"), FileNotFoundError, "No such file"),
    (lambda lib: lib.load(io.BytesIO(b"")), EOFError, None),
    (lambda lib: lib.load(io.BytesIO(b"PK\x03\x04garbage")), RuntimeError, "PytorchStreamReader failed"),
]


@pytest.mark.parametrize(("function", "error", "words"), BROKEN, ids=range(len(BROKEN)))
def test_files_that_are_none_raise_as_in_pytorch(function, error, words):
    for library in (rushlight, torch):
        with pytest.raises(error, match=words):
            function(library)


def test_text_is_no_checkpoint():
    with pytest.raises(pickle.UnpicklingError, match="not a zip archive"):
        rushlight.load(io.BytesIO(b"hello world"))


def test_a_module_of_pickles_of_its_own_is_refused_where_it_would_be_unsafe():
    with pytest.raises(RuntimeError, match="Can not safely load weights when explicit pickle_module is specified"):
        rushlight.load(saved(1), weights_only=True, pickle_module=pickle)
