"""What newcomers get wrong fails as in PyTorch: the class of the error and its key words."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import rushlight

MISTAKES = {
    # a size that is no size
    "ones('2')": "argument 'size' (position 1) must be tuple of ints, not str",
    "ones(2.5)": "argument 'size' (position 1) must be tuple of ints, not float",
    "zeros(True)": "argument 'size' (position 1) must be tuple of ints, not bool",
    "empty(None)": "argument 'size' (position 1) must be tuple of ints, not NoneType",
    "randn(2, 3.0)": "failed to unpack the object at pos 2",
    "ones([2, 'x'])": "but got str",
    "full(2, 1)": "argument 'size' (position 1) must be tuple of ints, not int",
    # a number where a tensor belongs
    "exp(3)": "exp(): argument 'input' (position 1) must be Tensor, not int",
    "exp(input=3)": "must be Tensor, not int",
    "sum(3)": "sum(): argument 'input' (position 1) must be Tensor, not int",
    "mean(3.0)": "mean(): argument 'input' (position 1) must be Tensor, not float",
    "sort(3)": "sort(): argument 'input' (position 1) must be Tensor, not int",
    "nn.ReLU()(3)": "relu(): argument 'input' (position 1) must be Tensor, not int",
    # something else where a number or a tensor belongs
    "ones(2).add('x')": "argument 'other' (position",
    "ones(2).add_('x')": "must be Tensor, not str",
    "ones(2).floor_divide('x')": "floor_divide(",
    "ones(2).mul_([1])": "must be Tensor, not list",
    "ones(2).fill_('x')": "fill_() received an invalid combination of arguments - got (str)",
    "ones(2).argmax(dim='x')": "argument 'dim' must be int, not str",
    "ones(2).sum(dim='x')": "",
    "ones(2).sum(dim=0.5)": "",
    # several elements where one belongs
    "float_(ones(2))": "only one element tensors can be converted to Python scalars",
    "int_(ones(2))": "only one element tensors can be converted to Python scalars",
    "complex_(ones(0))": "only one element tensors can be converted to Python scalars",
    "ones(2).item()": "cannot be converted to Scalar",
    "int_(tensor(1j))": "value cannot be converted to type int64_t without overflow",
    # gradients of whole numbers
    "tensor([1], requires_grad=True)": "Only Tensors of floating point and complex dtype can require gradients",
    "arange(3, requires_grad=True)": "Only Tensors of floating point and complex dtype can require gradients",
    "nn.Parameter(tensor([1]))": "Only Tensors of floating point and complex dtype can require gradients",
    "tensor([1]).requires_grad_()": "only Tensors of floating point dtype can require gradients",
    "setattr_(tensor([1]), 'requires_grad', True)": "only Tensors of floating point and complex dtype can require",
    # a graphics card
    "cuda.synchronize()": "Torch not compiled with CUDA enabled",
    "cuda.get_device_name(0)": "Torch not compiled with CUDA enabled",
}
PYTHON = {"float_": float, "int_": int, "complex_": complex, "setattr_": setattr}


def evaluated(library, code):
    return eval(code, {**{name: getattr(library, name) for name in NAMES}, **PYTHON})


NAMES = ("arange", "cuda", "empty", "exp", "full", "mean", "nn", "ones", "randn", "sort", "sum", "tensor", "zeros")


@pytest.mark.parametrize(("code", "words"), MISTAKES.items())
def test_mistakes(code, words):
    with pytest.raises(Exception) as theirs:
        evaluated(torch, code)
    with pytest.raises(theirs.type) as ours:
        evaluated(rushlight, code)
    assert words in str(theirs.value)
    assert words in str(ours.value)


@pytest.mark.parametrize(
    "name", ["slogdet", "svd", "linalg.slogdet", "linalg.qr", "linalg.svd", "linalg.eigh", "linalg.lu"]
)
def test_names_of_several_results(name):
    shown = [repr(eval(f"library.{name}(library.eye(2))")).partition("(")[0] for library in (rushlight, torch)]
    assert shown[0] == shown[1]


@pytest.mark.parametrize("name", ["add", "sub", "mul", "div"])
def test_arithmetic_of_numbers(name):
    ours, theirs = getattr(rushlight, name)(7, 2), getattr(torch, name)(7, 2)
    assert ours.item() == theirs.item() and str(ours.dtype) == str(theirs.dtype)


@pytest.mark.parametrize(
    ("code", "nearest"),
    [
        ("Linear", "torch.nn.Linear"),
        ("matmull", "torch.matmul"),
        ("nn.functional.reluu", "torch.nn.functional.relu"),
        ("optim.Adamm", "torch.optim.Adam"),
        ("distributedd", None),
        ("utils.tensorboard", None),
    ],
)
def test_missing_names(code, nearest):
    words = f"the nearest that Rushlight has is '{nearest}'" if nearest else "Rushlight has nothing of a similar name"
    with pytest.raises(AttributeError, match=words):
        eval(f"rushlight.{code}")


def test_error_function_of_single_precision():
    x = np.concatenate([np.linspace(-6, 6, 10_001), np.logspace(-38, 0, 1000), [math.inf, -math.inf]]).astype("f")
    exact = np.array([math.erf(v) for v in x.tolist()])
    error = np.abs(rushlight.erf(rushlight.from_numpy(x)).numpy() - exact)
    assert (error <= 4 * np.spacing(np.abs(exact).astype("f"))).all()
