"""Single kernels, forward and backward (of an optimizer: a step), at a thousand, 65 thousand and a million elements.

A kernel is a function of the library and the number of elements, 4ᵏ, that returns the work; the work returns a list of
what it computed. `work` makes one of the sizes of its inputs and the function between them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .timing import Options, compare, geometric_mean

SIZES = (2**10, 2**16, 2**20)
Work = Callable[[], list]
Kernel = Callable[[Any, int], Work]
Shape = tuple[int, ...]


def numbers(torch: Any, shape: Shape, seed: int, positive: bool = False) -> Any:
    """Normally distributed numbers, the same in both libraries."""
    values = np.random.default_rng(seed).standard_normal(shape)
    return torch.tensor((abs(values) + 0.5 if positive else values).astype("float32"))


def whole(torch: Any, end: int, shape: Shape) -> Any:
    """Whole numbers from zero to before `end`."""
    return torch.tensor(np.random.default_rng(7).integers(0, end, shape))


def square(n: int) -> Shape:
    """The shape of a matrix."""
    return (math.isqrt(n),) * 2


def derived(torch: Any, function: Callable[..., Any], shapes: list[Shape], positive: bool = False) -> Work:
    """Forward, and backward to all the inputs."""
    inputs = [numbers(torch, shape, seed, positive).requires_grad_() for seed, shape in enumerate(shapes)]
    upstream = numbers(torch, tuple(function(*inputs).shape), 99)
    # Only what the derivative needs is measured: no accumulation in .grad.
    gradient = torch.autograd.grad

    def work() -> list:
        result = function(*inputs)
        return [result, *gradient(result, inputs, upstream)]

    return work


def of_matrix(function: Callable[[Any, Any], Any], positive: bool = False) -> Kernel:
    """A kernel of a function of the library and a square matrix."""
    return lambda torch, n: derived(torch, lambda x: function(torch, x), [square(n)], positive)


def functional(name: str, *args: Any, **options: Any) -> Kernel:
    """A kernel of a function of `nn.functional` and a square matrix."""
    return of_matrix(lambda torch, x: getattr(torch.nn.functional, name)(x, *args, **options))


def method(name: str, *args: Any, positive: bool = False) -> Kernel:
    """A kernel of a method of a square matrix."""
    return of_matrix(lambda torch, x: getattr(x, name)(*args), positive)


def of_two(function: Callable[[Any, Any, Any], Any], second: Callable[[int], Shape] = square) -> Kernel:
    """A kernel of a function of the library, a square matrix and another operand."""
    return lambda torch, n: derived(torch, lambda x, y: function(torch, x, y), [square(n), second(n)], positive=True)


def row(n: int) -> Shape:
    """The shape of a row of the matrix."""
    return (math.isqrt(n),)


def column(n: int) -> Shape:
    """The shape of a column of the matrix."""
    return (math.isqrt(n), 1)


ELEMENTWISE: dict[str, Kernel] = {
    "relu": functional("relu"),
    "gelu": functional("gelu"),
    "gelu, tanh": functional("gelu", approximate="tanh"),
    "silu": functional("silu"),
    "sigmoid": method("sigmoid"),
    "tanh": method("tanh"),
    "softplus": functional("softplus"),
    "elu": functional("elu"),
    "leaky_relu": functional("leaky_relu"),
    "selu": functional("selu"),
    "exp": method("exp"),
    "log": method("log", positive=True),
    "sqrt": method("sqrt", positive=True),
    "add": of_two(lambda _, x, y: x + y),
    "mul": of_two(lambda _, x, y: x * y),
    "div": of_two(lambda _, x, y: x / y),
    "x + row": of_two(lambda _, x, y: x + y, row),
    "x * column": of_two(lambda _, x, y: x * y, column),
    "where": of_matrix(lambda torch, x: torch.where(x > 0, x, -0.5)),
    "pow 2": method("pow", 2),
    "abs": method("abs"),
    "clamp": method("clamp", -1.0, 1.0),
    "dropout": functional("dropout", 0.1),
}


def loss(name: str, targets: Callable[[Any, int], Any]) -> Kernel:
    """A kernel of a loss of a square matrix."""

    def kernel(torch: Any, n: int) -> Work:
        target = targets(torch, n)
        return derived(torch, lambda x: getattr(torch.nn.functional, name)(x, target), [square(n)])

    return kernel


def classes(torch: Any, n: int) -> Any:
    """A class for each row of the matrix."""
    return whole(torch, math.isqrt(n), row(n))


LOSSES: dict[str, Kernel] = {
    "softmax": method("softmax", -1),
    "log_softmax": method("log_softmax", -1),
    "logsumexp": method("logsumexp", -1),
    "cross_entropy": loss("cross_entropy", classes),
    "nll_loss": loss("nll_loss", classes),
    "mse_loss": loss("mse_loss", lambda torch, n: numbers(torch, square(n), 5)),
}


def over_rows(name: str, parameters: int) -> Kernel:
    """A kernel of a normalization of each row, with weight and perhaps bias."""

    def kernel(torch: Any, n: int) -> Work:
        normalize, width = getattr(torch.nn.functional, name), row(n)
        return derived(torch, lambda x, *rest: normalize(x, width, *rest), [square(n)] + [width] * parameters)

    return kernel


def pictures(n: int) -> Shape:
    """The shape of a batch of pictures: n elements."""
    return {2**10: (1, 4, 16, 16), 2**16: (4, 16, 32, 32), 2**20: (32, 32, 32, 32)}[n]


def batch_norm(training: bool) -> Kernel:
    """A kernel of batch normalization of pictures."""

    def kernel(torch: Any, n: int) -> Work:
        shape = pictures(n)
        mean, variance = torch.zeros(shape[1]), torch.ones(shape[1])

        def normalize(x: Any, weight: Any, bias: Any) -> Any:
            return torch.nn.functional.batch_norm(x, mean, variance, weight, bias, training)

        return derived(torch, normalize, [shape, shape[1:2], shape[1:2]])

    return kernel


def group_norm(torch: Any, n: int) -> Work:
    """Normalization of pictures in groups of channels."""
    shape = pictures(n)
    channels = shape[1:2]
    return derived(torch, lambda x, w, b: torch.nn.functional.group_norm(x, 4, w, b), [shape, channels, channels])


NORMS: dict[str, Kernel] = {
    "layer_norm": over_rows("layer_norm", 2),
    "rms_norm": over_rows("rms_norm", 1),
    "group_norm": group_norm,
    "batch_norm, training": batch_norm(True),
    "batch_norm, eval": batch_norm(False),
}


AXES: dict[str, tuple[int, ...]] = {"last axis": (-1,), "first axis": (0,), "all": ()}
REDUCTIONS = {f"{name}, {axis}": method(name, *dim) for name in ("sum", "mean", "var") for axis, dim in AXES.items()}
REDUCTIONS |= {f"{name}, all": method(name) for name in ("max", "min", "norm")}
REDUCTIONS |= {
    f"{name}, {axis}": of_matrix(lambda torch, x, name=name, dim=AXES[axis]: getattr(x, name)(*dim).values)
    for name in ("max", "min")
    for axis in ("last axis", "first axis")
}


def picked(function: Callable[[Any, Any, Any], Any], by_row: bool = False) -> Kernel:
    """A kernel of a function of the library, a square matrix, and as many row numbers as it has rows or elements."""

    def kernel(torch: Any, n: int) -> Work:
        index = whole(torch, math.isqrt(n), row(n) if by_row else square(n))
        return derived(torch, lambda x: function(torch, x, index), [square(n)])

    return kernel


def embedding(torch: Any, n: int) -> Work:
    """Rows of 64 numbers for a text in an alphabet of a thousand."""
    text = whole(torch, 1000, (n // 64,))
    return derived(torch, lambda weight: torch.nn.functional.embedding(text, weight), [(1000, 64)])


MOVES: dict[str, Kernel] = {
    "embedding": embedding,
    "index_select": picked(lambda _, x, index: x.index_select(0, index), by_row=True),
    "gather": picked(lambda _, x, index: x.gather(1, index)),
    "scatter_add": picked(lambda torch, x, index: torch.zeros(x.shape).scatter_add(1, index, x)),
    "index_add": picked(lambda torch, x, index: torch.zeros(x.shape).index_add(0, index, x), by_row=True),
    "cumsum, last axis": method("cumsum", -1),
    "cumsum, first axis": method("cumsum", 0),
    "sort, last axis": of_matrix(lambda _, x: x.sort(-1).values),
    "sort, flat": of_matrix(lambda _, x: x.flatten().sort().values),
    "topk 8 of rows": of_matrix(lambda _, x: x.topk(8).values),
    "transposed copy": of_matrix(lambda _, x: x.t().contiguous()),
    "cat": of_two(lambda torch, x, y: torch.cat([x, y])),
    "stack": of_two(lambda torch, x, y: torch.stack([x, y])),
}


def pool(name: str, size: int) -> Kernel:
    """A kernel of pooling of pictures."""

    def kernel(torch: Any, n: int) -> Work:
        return derived(torch, lambda x: getattr(torch.nn.functional, name)(x, size), [pictures(n)])

    return kernel


def convolution(
    dimensions: int, size: int, transposed: bool = False, depthwise: bool = False, **options: int
) -> Kernel:
    """A kernel of a convolution with as many channels in as out; a transposed one doubles the picture."""
    name = f"conv{'_transpose' if transposed else ''}{dimensions}d"

    def kernel(torch: Any, n: int) -> Work:
        batch, channels, *picture = {1: sequences, 2: pictures, 3: volumes}[dimensions](n)
        groups = channels if depthwise else 1
        weight = (channels, channels // groups, *(size,) * dimensions)

        def convolve(x: Any, weight: Any, bias: Any) -> Any:
            return getattr(torch.nn.functional, name)(x, weight, bias, groups=groups, **options)

        return derived(torch, convolve, [(batch, channels, *picture), weight, (channels,)])

    return kernel


def sequences(n: int) -> Shape:
    """The shape of a batch of sequences for a convolution: n elements."""
    return {2**10: (1, 16, 64), 2**16: (8, 32, 256), 2**20: (16, 64, 1024)}[n]


def volumes(n: int) -> Shape:
    """The shape of a batch of volumes: n elements."""
    return {2**10: (1, 2, 8, 8, 8), 2**16: (4, 4, 16, 16, 16), 2**20: (8, 4, 32, 32, 32)}[n]


CONVOLUTIONS: dict[str, Kernel] = {
    "max_pool2d": pool("max_pool2d", 2),
    "avg_pool2d": pool("avg_pool2d", 2),
    "adaptive_avg_pool2d": pool("adaptive_avg_pool2d", 4),
    "conv1d": convolution(1, 3, padding=1),
    "conv2d 3x3": convolution(2, 3, padding=1),
    "conv2d 1x1": convolution(2, 1),
    "conv2d, depthwise": convolution(2, 3, depthwise=True, padding=1),
    "conv2d, stride 2": convolution(2, 3, stride=2, padding=1),
    "conv3d": convolution(3, 3, padding=1),
    "conv_transpose2d": convolution(2, 2, transposed=True, stride=2),
}


def attention(causal: bool) -> Kernel:
    """A kernel of scaled dot-product attention; queries, keys and values have n elements each."""

    def kernel(torch: Any, n: int) -> Work:
        shape = {2**10: (1, 2, 16, 32), 2**16: (4, 4, 128, 32), 2**20: (8, 8, 256, 64)}[n]
        attend = torch.nn.functional.scaled_dot_product_attention
        return derived(torch, lambda q, k, v: attend(q, k, v, is_causal=causal), [shape] * 3)

    return kernel


def recurrent(name: str) -> Kernel:
    """A kernel of a recurrent layer over whole sequences, to the inputs and all parameters."""

    def kernel(torch: Any, n: int) -> Work:
        length, batch, width = {2**10: (8, 4, 32), 2**16: (64, 16, 64), 2**20: (128, 64, 128)}[n]
        torch.manual_seed(0)
        layer = getattr(torch.nn, name)(width, width)
        inputs = [numbers(torch, (length, batch, width), 0).requires_grad_(), *layer.parameters()]
        upstream = numbers(torch, (length, batch, width), 99)

        def work() -> list:
            result, _ = layer(inputs[0])
            return [result, *torch.autograd.grad(result, inputs, upstream)]

        return work

    return kernel


def linear(torch: Any, n: int) -> Work:
    """A linear layer on a square matrix."""
    return derived(torch, torch.nn.functional.linear, [square(n), square(n), row(n)])


def bmm(torch: Any, n: int) -> Work:
    """A batch of products of matrices."""
    shape = {2**10: (4, 16, 16), 2**16: (16, 64, 64), 2**20: (64, 128, 128)}[n]
    return derived(torch, torch.bmm, [shape, shape])


PRODUCTS: dict[str, Kernel] = {
    "linear": linear,
    "bmm": bmm,
    "attention": attention(False),
    "attention, causal": attention(True),
    "LSTM": recurrent("LSTM"),
    "GRU": recurrent("GRU"),
}


def parameters(torch: Any, n: int) -> list[Any]:
    """The parameters of four layers, with gradients: n elements and some for the biases."""
    shapes = [(4, n // 16), (16,)] * 4
    made = [numbers(torch, shape, seed).requires_grad_() for seed, shape in enumerate(shapes)]
    for seed, parameter in enumerate(made, 50):
        parameter.grad = numbers(torch, tuple(parameter.shape), seed)
    return made


def optimizer(name: str, **options: float) -> Kernel:
    """A kernel of one step of an optimizer."""

    def kernel(torch: Any, n: int) -> Work:
        held = parameters(torch, n)
        step = getattr(torch.optim, name)(held, lr=1e-6, **options).step

        def work() -> list:
            step()
            return held

        return work

    return kernel


def clipping(torch: Any, n: int) -> Work:
    """The norm of all gradients, and scaling by it."""
    held = parameters(torch, n)
    return lambda: [torch.nn.utils.clip_grad_norm_(held, 1.0)]


def accumulation(torch: Any, n: int) -> Work:
    """Twice backward into the same .grad."""
    x, y = (numbers(torch, square(n), seed).requires_grad_() for seed in (0, 1))

    def work() -> list:
        x.grad = None
        for _ in range(2):
            (x * y).sum().backward(inputs=[x])
        return [x.grad]

    return work


OPTIMIZERS: dict[str, Kernel] = {
    "SGD with momentum": optimizer("SGD", momentum=0.9),
    "Adam": optimizer("Adam"),
    "AdamW": optimizer("AdamW"),
    "RMSprop": optimizer("RMSprop"),
    "clip_grad_norm_": clipping,
    "accumulation in .grad": accumulation,
}

KERNELS = ELEMENTWISE | LOSSES | NORMS | REDUCTIONS | MOVES | CONVOLUTIONS | PRODUCTS | OPTIMIZERS


def ratios(options: Options) -> Iterator[tuple[str, list[float]]]:
    """The name of each kernel, and PyTorch's time over Rushlight's at each size."""
    import torch

    import rushlight

    for name, kernel in KERNELS.items():
        if options.wants(name):
            works = ((kernel(rushlight, n), kernel(torch, n)) for n in SIZES)
            rows = [compare(options, name, *both, rounds=9, round_seconds=0.01, longest=1.0) for both in works]
            yield name, [row.ratio for row in rows]


def main(options: Options) -> None:
    """Print the table of ratios, one column for each size."""
    print("\nKernels, forward + backward: PyTorch's time over Rushlight's")
    print(f"{'elements':34}" + "".join(f"{n:>10}" for n in SIZES))
    table = []
    for name, measured in ratios(options):
        table.append(measured)
        print(f"{name:34}" + "".join(f"{ratio:10.2f}" for ratio in measured), flush=True)
    if table:
        for title, summary in (("geometric mean", geometric_mean), ("lowest", min)):
            columns = [summary(column) for column in zip(*table)]
            every = summary([ratio for measured in table for ratio in measured])
            print(f"{title:34}" + "".join(f"{value:10.2f}" for value in columns) + f"   all {every:.2f}")
