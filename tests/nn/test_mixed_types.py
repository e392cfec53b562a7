"""Normalisations refuse parameters of another type than the input, in PyTorch's words, and take those that it takes."""

import pytest
import torch

import rushlight

CALLS = {
    "layer_norm": lambda F, x, w, running: F.layer_norm(x, (4,), w, w),
    "layer_norm without bias": lambda F, x, w, running: F.layer_norm(x, (4,), w),
    "rms_norm": lambda F, x, w, running: F.rms_norm(x, (4,), w),
    "group_norm": lambda F, x, w, running: F.group_norm(x, 2, w, w),
    "batch_norm, training": lambda F, x, w, running: F.batch_norm(x, running, running + 1, w, w, True),
    "batch_norm, evaluation": lambda F, x, w, running: F.batch_norm(x, running, running + 1, w, w),
    "batch_norm without parameters": lambda F, x, w, running: F.batch_norm(x, running, running + 1),
    "instance_norm": lambda F, x, w, running: F.instance_norm(x[..., None].expand(2, 4, 4, 3), None, None, w, w),
}
TYPES = ("float16", "bfloat16", "float32", "float64")


def outcome(library, call, types):
    x, w, running = (
        library.ones(2, 4, 4, dtype=getattr(library, types[0])),
        *(library.ones(4, dtype=getattr(library, name)) for name in types[1:]),
    )
    try:
        return str(call(library.nn.functional, x, w, running).dtype)
    except RuntimeError as error:
        return str(error)


@pytest.mark.filterwarnings("ignore:Mismatch dtype between input and weight")
@pytest.mark.parametrize("case", CALLS)
def test_as_pytorch(case):
    for types in [(a, b, c) for a in TYPES for b in TYPES for c in TYPES]:
        expected, got = (outcome(library, CALLS[case], types) for library in (torch, rushlight))
        assert got.startswith(expected.strip().rstrip(".")), types
