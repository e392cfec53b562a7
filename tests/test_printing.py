"""Printed forms: every data type, shape, magnitude and print option, letter by letter as PyTorch prints them."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rushlight import dtypes
from rushlight.printing import get_printoptions, printoptions, set_printoptions, tensor_repr
from rushlight.tensor import Parameter, Tensor, wrap

FLOATING = ["float16", "bfloat16", "float32", "float64"]
COMPLEX = ["complex64", "complex128"]
INTEGRAL = ["uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64"]
NAMES = [*FLOATING, *COMPLEX, *INTEGRAL, "bool"]

inf, nan = math.inf, math.nan


@pytest.fixture(autouse=True)
def _restore_defaults() -> Iterator[None]:
    yield
    set_printoptions(profile="default")
    dtypes.set_default_dtype(dtypes.float32)
    torch.set_default_dtype(torch.float32)


def as_torch(array: np.ndarray) -> torch.Tensor:
    """The tensor that holds the same bits."""
    if array.dtype.name == "bfloat16":
        return torch.from_numpy(np.array(array).view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(np.array(array))


def assert_same_print(array: np.ndarray, **options: object) -> None:
    with printoptions(**options), torch._tensor_str.printoptions(**options):
        assert tensor_repr(array) == repr(as_torch(array))


def array_of(values: object, name: str) -> np.ndarray:
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(values).astype(getattr(dtypes, name).numpy)


VALUES = {
    "whole": [1.0, 2.0, 3.0],
    "whole_wide": [1.0, -20.0, 300.0],
    "fractions": [0.5, 1.25, -3.75],
    "zero": [0.0, 0.0],
    "negative_zero": [-0.0, 0.0],
    "negative_zero_beside_fraction": [-0.0, 1.5],
    "negative_zero_beside_whole": [-0.0, 1.0],
    "not_finite": [nan, inf, -inf],
    "whole_and_not_finite": [1.0, nan, inf, -inf],
    "fractions_and_not_finite": [0.5, nan, inf, -inf],
    "ratio_at_limit": [1.0, 1000.0],
    "ratio_over_limit": [1.0, 1001.0],
    "fraction_over_limit": [0.5, 501.0],
    "large_at_limit": [1e8],
    "large_over_limit": [1.1e8],
    "small_at_limit": [1e-4],
    "small_under_limit": [0.99e-4],
    "tiny": [1e-45, 1e-300],
    "huge": [1e38, -1e300],
    "span_overflows": [1e300, 1e-300],
    "scientific_and_not_finite": [1e-10, nan, -inf, 0.0, -0.0, 1.0],
    "carry": [0.99996, 9.99999],
    "ties": [0.00005, 0.12345, 2.5, 3.5],
    "long": [i / 7 for i in range(40)],
    "long_whole": [float(i) for i in range(60)],
    "single": [7.0],
}
SHAPES = [(), (1,), (3,), (25,), (2, 3), (3, 1), (1, 1, 1), (2, 2, 2), (2, 1, 2, 3), (1, 2, 1, 2, 2), (3, 30)]
EMPTY = [(0,), (2, 0), (0, 3), (1, 0, 2), (0, 0)]


@pytest.mark.parametrize("name", FLOATING)
@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES.keys())
@pytest.mark.parametrize("sci_mode", [None, True, False])
def test_floating_point_values(name: str, values: list[float], sci_mode: bool | None) -> None:
    array = array_of(values, name)
    assert_same_print(array, sci_mode=sci_mode)
    for element in array:
        assert_same_print(np.asarray(element, array.dtype), sci_mode=sci_mode)


@pytest.mark.parametrize("name", COMPLEX)
@pytest.mark.parametrize("real", VALUES.values(), ids=VALUES.keys())
def test_complex_values(name: str, real: list[float]) -> None:
    for imag in VALUES.values():
        length = min(len(real), len(imag))
        array = np.empty(length, np.complex128)
        array.real, array.imag = real[:length], imag[:length]
        array = array_of(array, name)
        assert_same_print(array)
        assert_same_print(array[0].reshape(()))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [*SHAPES, *EMPTY])
def test_shapes(name: str, shape: tuple[int, ...]) -> None:
    assert_same_print(array_of(np.arange(math.prod(shape)).reshape(shape), name))


@pytest.mark.parametrize("name", INTEGRAL)
def test_integer_limits(name: str) -> None:
    info = np.iinfo(name)
    assert_same_print(np.array([info.min, 0, 1, info.max], name))


@pytest.mark.parametrize("default", FLOATING)
@pytest.mark.parametrize("name", NAMES)
def test_type_is_told_where_the_default_does_not_imply_it(default: str, name: str) -> None:
    dtypes.set_default_dtype(getattr(dtypes, default))
    torch.set_default_dtype(getattr(torch, default))
    for shape in [(), (2,), (0,), (2, 0)]:
        assert_same_print(array_of(np.ones(shape), name))


BIG = [(1001,), (1000,), (40, 40), (2, 600), (600, 2), (7, 7, 30), (2, 3, 200), (5, 9, 5, 9), (1, 1, 2000)]


@pytest.mark.parametrize("shape", BIG)
@pytest.mark.parametrize("name", ["float32", "int32", "bool", "complex64", "bfloat16"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"edgeitems": 1},
        {"edgeitems": 20},
        {"edgeitems": 0},
        {"threshold": 10, "linewidth": 30},
        {"threshold": 1_000_000},
        {"profile": "short"},
        {"profile": "full", "precision": 1},
        {"linewidth": 200, "precision": 8, "sci_mode": True},
    ],
    ids=str,
)
def test_summaries(shape: tuple[int, ...], name: str, options: dict[str, object]) -> None:
    assert_same_print(array_of(np.sin(np.arange(math.prod(shape)) * 3.0).reshape(shape) * 9, name), **options)


@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 2), (0,)])
@pytest.mark.parametrize("options", [{"edgeitems": 0}, {"threshold": 0}, {"threshold": 0, "edgeitems": 0}], ids=str)
def test_no_edge_items_and_no_threshold(shape: tuple[int, ...], options: dict[str, object]) -> None:
    assert_same_print(np.ones(shape, np.float32), **options)


@pytest.mark.parametrize("linewidth", [1, 10, 20, 33, 34, 35, 36, 57, 58, 59, 60, 61, 62, 80.5, 200])
@pytest.mark.parametrize("name", ["float32", "int16", "complex128"])
def test_line_breaks(linewidth: float, name: str) -> None:
    for length in (0, 1, 2, 5, 9, 17):
        assert_same_print(array_of(np.arange(length) / 2, name), linewidth=linewidth)


def test_values_outside_a_summary_do_not_shape_it() -> None:
    array = np.ones(2000, np.float32)
    array[1000] = 1e-20
    assert tensor_repr(array) == "tensor([1., 1., 1.,  ..., 1., 1., 1.])" == repr(as_torch(array))


def test_a_summary_reads_only_its_corners() -> None:
    untouched = np.broadcast_to(np.float32(1), (10**6, 10**6))  # would fill terabytes if anything copied it
    line = "[1., 1., 1.,  ..., 1., 1., 1.]"
    expected = ",\n        ".join([line] * 3 + ["..."] + [line] * 3)
    assert tensor_repr(untouched) == f"tensor([{expected}])"


@pytest.mark.parametrize("view", [np.s_[::-1], np.s_[:, ::2], np.s_[1:1], np.s_[..., None]], ids=str)
def test_views(view: object) -> None:
    assert_same_print((np.arange(24, dtype=np.float32) / 4).reshape(4, 6)[view])
    assert_same_print((np.arange(2400, dtype=np.float32) / 4).reshape(40, 60).T[view])


def test_byte_order_is_not_told() -> None:
    assert tensor_repr(np.array([1, 2], ">i4")) == "tensor([1, 2], dtype=torch.int32)"


def test_signaling_nan_prints_without_a_warning() -> None:
    array = np.array([0x7F800001, 0x3FC00000], np.uint32).view(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert tensor_repr(array) == "tensor([   nan, 1.5000])"


FORMATS = ["", ".3f", "08.2f", "+.1e", ">12", "d", "x", "s", "nonsense"]


def formatted(value: object, spec: str) -> tuple[str, str]:
    """The text that ``format`` gives, or the error that it raises."""
    try:
        return "text", format(value, spec)
    except (TypeError, ValueError) as error:
        return type(error).__name__, str(error)


@pytest.mark.parametrize("spec", FORMATS)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(), (1,)])
def test_format(spec: str, name: str, shape: tuple[int, ...]) -> None:
    array = array_of(np.full(shape, 3.25), name)
    assert formatted(wrap(array), spec) == formatted(as_torch(array), spec)


@pytest.mark.parametrize("spec", ["", ".3f"])
@pytest.mark.parametrize("shape", [(), (2,)])
def test_format_of_parameters(spec: str, shape: tuple[int, ...]) -> None:
    array = np.full(shape, 3.25, np.float32)
    ours, theirs = Parameter(wrap(array)), torch.nn.Parameter(as_torch(array))
    assert formatted(ours, spec) == formatted(theirs, spec)


class Weight(Parameter):
    """A subclass of Parameter, for its printed name."""


class TorchWeight(torch.nn.Parameter):
    """A subclass of PyTorch's parameter, which prints as Weight."""


TorchWeight.__name__ = "Weight"


@pytest.mark.parametrize("requires_grad", [True, False])
@pytest.mark.parametrize("shape", [(), (7,), (9,), (3, 4), (0, 2), (40, 40)])
def test_tensors_and_parameters(shape: tuple[int, ...], requires_grad: bool) -> None:
    array = np.linspace(0, 1, math.prod(shape), dtype=np.float32).reshape(shape)
    ours, theirs = wrap(array).requires_grad_(requires_grad), as_torch(array).requires_grad_(requires_grad)
    assert str(ours) == repr(ours) == repr(theirs)
    assert ours.__repr__(tensor_contents="...") == theirs.__repr__(tensor_contents="...")
    for mine, reference in [(Parameter, torch.nn.Parameter), (Weight, TorchWeight)]:
        assert repr(mine(ours, requires_grad)) == repr(reference(theirs, requires_grad))


def test_a_subclass_of_tensor_prints_its_own_name() -> None:
    class Labelled(Tensor):
        pass

    assert repr(wrap(np.ones(2, np.float32), Labelled)) == "Labelled([1., 1.])"


LENGTHS = [1, 3, 7, 8, 9, 10, 11]


@pytest.mark.parametrize("length", LENGTHS)
def test_leaf(length: int) -> None:
    array = np.linspace(0, 1, length, dtype=np.float32)
    assert tensor_repr(array, requires_grad=True) == repr(as_torch(array).requires_grad_())


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("name", ["float32", "float64", "complex128"])
def test_grad_fn(length: int, name: str) -> None:
    leaf = as_torch(array_of(np.linspace(0, 1, length), name)).requires_grad_()
    result = leaf + leaf
    array = result.detach().numpy()
    assert tensor_repr(array, requires_grad=True, grad_fn_name="AddBackward0") == repr(result)
    assert tensor_repr(array[:0], grad_fn_name="SliceBackward0") == repr(result[:0])


class Labelled(torch.Tensor):
    """A subclass of PyTorch's tensor, for its printed name."""


def test_subclasses() -> None:
    array = np.linspace(0, 1, 30, dtype=np.float32).reshape(2, 15)
    tensor = as_torch(array)
    assert tensor_repr(array, class_name="Labelled") == repr(tensor.as_subclass(Labelled))
    parameter = tensor_repr(array, class_name="Labelled", is_parameter=True, requires_grad=True)
    assert parameter == repr(torch.nn.Parameter(tensor.as_subclass(Labelled)))


def test_given_contents_stand_for_the_values() -> None:
    array = np.ones((2, 3), np.int32)
    assert tensor_repr(array, contents="...") == as_torch(array).__repr__(tensor_contents="...")


@pytest.mark.parametrize("shape", [(), (2,), (3, 9)])
def test_dual_numbers_show_their_tangent(shape: tuple[int, ...]) -> None:
    array = np.full(shape, 0.5, np.float32)
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(as_torch(array), as_torch(array))
        expected = repr(dual)
    assert tensor_repr(array, tangent=f"{as_torch(array)}") == expected


def test_types_that_tensors_do_not_have() -> None:
    with pytest.raises(TypeError, match="can't convert np.ndarray of type numpy.str_"):
        tensor_repr(np.array(["a"]))


OPTION_CALLS = [
    [{"precision": 2}],
    [{"sci_mode": True}, {"precision": 3}],
    [{"threshold": 5, "edgeitems": 2, "linewidth": 40}],
    [{"profile": "short"}],
    [{"profile": "full", "precision": 7}],
    [{"precision": 9, "linewidth": 1}, {"profile": "default"}],
    [{"profile": "unheard of"}],
]


@pytest.mark.parametrize("calls", OPTION_CALLS, ids=str)
def test_options_add_up(calls: list[dict[str, object]]) -> None:
    before = get_printoptions()
    with printoptions(), torch._tensor_str.printoptions():
        for options in calls:
            set_printoptions(**options)
            torch.set_printoptions(**options)
        assert get_printoptions() == torch._tensor_str.get_printoptions()
    assert get_printoptions() == before


def test_options_are_restored_after_an_error() -> None:
    before = get_printoptions()
    with pytest.raises(ZeroDivisionError), printoptions(precision=1, sci_mode=True):
        raise ZeroDivisionError
    assert get_printoptions() == before


OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "precision": st.integers(0, 12),
        "threshold": st.sampled_from([0, 1, 5, 20, 1000, inf]),
        "edgeitems": st.integers(0, 5),
        "linewidth": st.integers(1, 150),
        "profile": st.sampled_from(["default", "short", "full"]),
        "sci_mode": st.sampled_from([None, True, False]),
    },
)
SHAPE = hnp.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=9).filter(lambda shape: math.prod(shape) <= 600)
UNUSUAL = st.sampled_from([nan, inf, -inf, -0.0])
MODERATE = st.one_of(st.integers(-1000, 1000).map(float), st.floats(-100, 100, width=16), UNUSUAL)


@st.composite
def arrays(draw: st.DrawFn) -> np.ndarray:
    """Arrays of every data type: any bits at all, or numbers of everyday sizes among NaN and infinities."""
    name, shape = draw(st.sampled_from(NAMES)), draw(SHAPE)
    if name == "bool" or name in INTEGRAL:
        return draw(hnp.arrays(name, shape))
    dtype = getattr(dtypes, name).numpy
    if draw(st.booleans()):
        words = np.dtype(f"u{min(dtype.itemsize, 8) // (2 if name == 'complex64' else 1)}")
        parts = dtype.itemsize // words.itemsize
        bits = draw(hnp.arrays(words, (math.prod(shape) * parts,)))
        return bits.view(dtype).reshape(shape)
    real = draw(hnp.arrays(np.float64, shape, elements=MODERATE))
    if name not in COMPLEX:
        return array_of(real, name)
    array = np.empty(shape, np.complex128)
    array.real, array.imag = real, draw(hnp.arrays(np.float64, shape, elements=MODERATE))
    return array_of(array, name)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(arrays(), OPTIONS)
def test_any_array_under_any_options(array: np.ndarray, options: dict[str, object]) -> None:
    assert_same_print(array, **options)
