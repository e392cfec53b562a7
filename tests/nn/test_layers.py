"""Every layer and loss next to PyTorch's: printed form, starting parameters, value, gradients, errors, modes."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

import rushlight

from .both import assert_same

IMAGE, SEQUENCE, VOLUME, ROWS = (2, 4, 6, 6), (2, 4, 7), (2, 4, 4, 4, 4), (3, 4)

# name, positional arguments, keyword arguments, shapes of the inputs
LAYERS = [
    ("Identity", (1,), {"unused": 2}, [ROWS]),
    ("Linear", (4, 3), {}, [ROWS]),
    ("Linear", (4, 3, False), {}, [(2, 3, 4)]),
    ("Bilinear", (4, 5, 3), {}, [(3, 4), (3, 5)]),
    ("Bilinear", (4, 5, 3), {"bias": False}, [(3, 4), (3, 5)]),
    ("ReLU", (), {}, [ROWS]),
    ("ReLU", (True,), {}, None),
    ("ReLU6", (), {}, [ROWS]),
    ("ReLU6", (True,), {}, None),
    ("Sigmoid", (), {}, [ROWS]),
    ("Tanh", (), {}, [ROWS]),
    ("SiLU", (), {}, [ROWS]),
    ("SiLU", (), {"inplace": True}, None),
    ("Mish", (), {}, [ROWS]),
    ("Hardswish", (), {}, [ROWS]),
    ("Hardswish", (True,), {}, None),
    ("Hardsigmoid", (), {}, [ROWS]),
    ("ELU", (), {}, [ROWS]),
    ("ELU", (0.5, True), {}, None),
    ("CELU", (), {"alpha": 0.7}, [ROWS]),
    ("SELU", (), {}, [ROWS]),
    ("GLU", (), {}, [ROWS]),
    ("GELU", (), {}, [ROWS]),
    ("GELU", ("tanh",), {}, [ROWS]),
    ("Hardshrink", (), {}, [ROWS]),
    ("Softshrink", (0.2,), {}, [ROWS]),
    ("Tanhshrink", (), {}, [ROWS]),
    ("LeakyReLU", (), {}, [ROWS]),
    ("LeakyReLU", (0.2, True), {}, None),
    ("RReLU", (), {}, None),
    ("Hardtanh", (-0.5, 0.5), {}, [ROWS]),
    ("Hardtanh", (), {"min_value": -2.0}, [ROWS]),
    ("Threshold", (0.1, 20), {}, [ROWS]),
    ("Threshold", (0.1, 20, True), {}, None),
    ("LogSigmoid", (), {}, [ROWS]),
    ("Softplus", (), {}, [ROWS]),
    ("Softplus", (2, 1), {}, [ROWS]),
    ("Softsign", (), {}, [ROWS]),
    ("PReLU", (), {}, [ROWS]),
    ("PReLU", (4, 0.1), {}, [ROWS]),
    ("Softmax", (1,), {}, [ROWS]),
    ("Softmin", (), {"dim": 0}, [ROWS]),
    ("LogSoftmax", (-1,), {}, [ROWS]),
    ("Softmax2d", (), {}, [IMAGE]),
    ("Dropout", (), {}, None),
    ("Dropout", (0.0,), {}, [ROWS]),
    ("Dropout1d", (0.3, True), {}, None),
    ("Dropout2d", (), {}, None),
    ("Dropout3d", (), {}, None),
    ("AlphaDropout", (), {}, None),
    ("FeatureAlphaDropout", (), {}, None),
    ("BatchNorm1d", (4,), {}, [ROWS]),
    ("BatchNorm1d", (4,), {"affine": False, "momentum": None}, [SEQUENCE]),
    ("BatchNorm2d", (4,), {}, [IMAGE]),
    ("BatchNorm2d", (4, 1e-3, 0.2, True, False), {}, [IMAGE]),
    ("BatchNorm3d", (4,), {}, [VOLUME]),
    ("InstanceNorm1d", (4,), {}, [SEQUENCE]),
    ("InstanceNorm1d", (4,), {"affine": True}, [(4, 7)]),
    ("InstanceNorm2d", (4,), {"affine": True, "track_running_stats": True}, [IMAGE]),
    ("InstanceNorm3d", (4,), {}, [VOLUME]),
    ("LayerNorm", (4,), {}, [ROWS]),
    ("LayerNorm", ((3, 4),), {"bias": False}, [(2, 3, 4)]),
    ("LayerNorm", (4, 1e-3, False), {}, [ROWS]),
    ("RMSNorm", (4,), {}, [ROWS]),
    ("RMSNorm", (4, 1e-3, False), {}, [ROWS]),
    ("GroupNorm", (2, 4), {}, [IMAGE]),
    ("GroupNorm", (4, 4), {"affine": False}, [SEQUENCE]),
    ("LocalResponseNorm", (2,), {}, [IMAGE]),
    ("Flatten", (), {}, [IMAGE]),
    ("Flatten", (0, 1), {}, [IMAGE]),
    ("Unflatten", (1, (2, 2)), {}, [ROWS]),
    ("PixelShuffle", (2,), {}, [IMAGE]),
    ("PixelUnshuffle", (2,), {}, [IMAGE]),
    ("ChannelShuffle", (2,), {}, [IMAGE]),
    ("Upsample", (), {"scale_factor": 2}, [IMAGE]),
    ("Upsample", ((3, 4),), {"mode": "bilinear"}, [IMAGE]),
    ("UpsamplingNearest2d", (), {"scale_factor": (2, 3)}, [IMAGE]),
    ("UpsamplingBilinear2d", (4,), {}, [IMAGE]),
    ("Unfold", (3,), {}, [IMAGE]),
    ("Fold", ((4, 5), (2, 2)), {}, [(1, 12, 12)]),
    ("Conv1d", (4, 6, 3), {}, [SEQUENCE]),
    ("Conv1d", (4, 6, 3, 2, 1), {"bias": False}, [(4, 7)]),
    ("Conv2d", (4, 6, 3), {}, [IMAGE]),
    ("Conv2d", (4, 6, (3, 2)), {"stride": (2, 1), "padding": (1, 0), "dilation": (1, 2), "groups": 2}, [IMAGE]),
    ("Conv2d", (4, 6, 3), {"padding": "same"}, [IMAGE]),
    ("Conv2d", (4, 6, 3), {"padding": "valid"}, [IMAGE]),
    ("Conv2d", (4, 6, 2), {"padding": "same", "padding_mode": "circular"}, [IMAGE]),
    ("Conv2d", (4, 6, 3), {"padding": (1, 2), "padding_mode": "reflect"}, [IMAGE]),
    ("Conv2d", (4, 4, 3), {"padding": 1, "padding_mode": "replicate", "groups": 4}, [IMAGE]),
    ("Conv3d", (4, 2, 2), {}, [VOLUME]),
    ("ConvTranspose1d", (4, 6, 3, 2), {}, [SEQUENCE]),
    ("ConvTranspose2d", (4, 6, 3), {"stride": 2, "padding": 1, "output_padding": 1}, [IMAGE]),
    ("ConvTranspose2d", (4, 6, 3), {"groups": 2, "dilation": 2, "bias": False}, [IMAGE]),
    ("ConvTranspose3d", (4, 2, 2), {}, [VOLUME]),
    ("MaxPool1d", (2,), {}, [SEQUENCE]),
    ("MaxPool2d", (3, 2, 1), {"ceil_mode": True}, [IMAGE]),
    ("MaxPool2d", ((2, 3),), {"dilation": 2}, [IMAGE]),
    ("MaxPool3d", (2,), {}, [VOLUME]),
    ("AvgPool1d", (2,), {}, [SEQUENCE]),
    ("AvgPool2d", (3, 2, 1), {"count_include_pad": False}, [IMAGE]),
    ("AvgPool2d", (2,), {"divisor_override": 3}, [IMAGE]),
    ("AvgPool3d", (2,), {}, [VOLUME]),
    ("LPPool1d", (2, 3), {}, [SEQUENCE]),
    ("LPPool2d", (2, 2), {"stride": 1}, [IMAGE]),
    ("LPPool3d", (2, 2), {}, [VOLUME]),
    ("AdaptiveAvgPool1d", (3,), {}, [SEQUENCE]),
    ("AdaptiveAvgPool2d", ((2, None),), {}, [IMAGE]),
    ("AdaptiveAvgPool3d", (2,), {}, [VOLUME]),
    ("AdaptiveMaxPool1d", (3,), {}, [SEQUENCE]),
    ("AdaptiveMaxPool2d", ((2, 3),), {}, [IMAGE]),
    ("AdaptiveMaxPool3d", (2,), {}, [VOLUME]),
    ("CosineSimilarity", (), {}, [ROWS, ROWS]),
    ("PairwiseDistance", (), {"keepdim": True}, [ROWS, ROWS]),
    ("ConstantPad1d", (2, 3.5), {}, [SEQUENCE]),
    ("ConstantPad2d", ((1, 0, 2, 1), 1.0), {}, [IMAGE]),
    ("ConstantPad3d", (1, 0.5), {}, [VOLUME]),
    ("ZeroPad1d", ((1, 2),), {}, [SEQUENCE]),
    ("ZeroPad2d", (1,), {}, [IMAGE]),
    ("ZeroPad3d", (1,), {}, [VOLUME]),
    *((f"{kind}Pad{n}d", (1,), {}, [shape]) for kind in ("Reflection", "Replication", "Circular")
      for n, shape in ((1, SEQUENCE), (2, IMAGE), (3, VOLUME))),
]  # fmt: skip

POSITIVE, SIGNS, CLASSES, LABELS = "positive", "signs", "classes", "labels"
# name, positional arguments, keyword arguments, shape of the input, kinds or shapes of the other arguments
LOSSES = [
    ("L1Loss", (), {}, ROWS, [ROWS]),
    ("MSELoss", (), {}, ROWS, [ROWS]),
    ("MSELoss", (), {"reduction": "none"}, ROWS, [ROWS]),
    ("MSELoss", (), {"size_average": False}, ROWS, [ROWS]),
    ("MSELoss", (), {"reduce": False}, ROWS, [ROWS]),
    ("SmoothL1Loss", (), {"beta": 0.5}, ROWS, [ROWS]),
    ("HuberLoss", ("sum", 0.3), {}, ROWS, [ROWS]),
    ("NLLLoss", (), {}, ROWS, [CLASSES]),
    ("CrossEntropyLoss", (), {}, ROWS, [CLASSES]),
    ("CrossEntropyLoss", (), {"label_smoothing": 0.1, "reduction": "sum", "ignore_index": 1}, ROWS, [CLASSES]),
    ("BCELoss", (), {}, POSITIVE, [POSITIVE]),
    ("BCEWithLogitsLoss", (), {}, ROWS, [POSITIVE]),
    ("PoissonNLLLoss", (), {"full": True}, ROWS, [POSITIVE]),
    ("GaussianNLLLoss", (), {"full": True}, ROWS, [ROWS, POSITIVE]),
    ("KLDivLoss", (), {"reduction": "batchmean"}, ROWS, [POSITIVE]),
    ("KLDivLoss", (), {"reduction": "sum", "log_target": True}, ROWS, [ROWS]),
    ("SoftMarginLoss", (), {}, ROWS, [SIGNS]),
    ("MultiLabelMarginLoss", (), {}, ROWS, [LABELS]),
    ("MultiLabelSoftMarginLoss", (), {}, ROWS, [POSITIVE]),
    ("MultiMarginLoss", (2, 0.5), {}, ROWS, [CLASSES]),
    ("HingeEmbeddingLoss", (), {}, ROWS, [SIGNS]),
    ("CosineEmbeddingLoss", (0.1,), {}, ROWS, [ROWS, "row signs"]),
    ("MarginRankingLoss", (), {"margin": 0.2}, ROWS, [ROWS, SIGNS]),
    ("TripletMarginLoss", (), {"swap": True}, ROWS, [ROWS, ROWS]),
    ("TripletMarginWithDistanceLoss", (), {"margin": 0.5}, ROWS, [ROWS, ROWS]),
]


def values(shape, seed):
    """Random values of a shape, or of one of the kinds of targets."""
    random = np.random.default_rng(seed)
    if shape == POSITIVE:
        return random.uniform(0.1, 0.9, ROWS).astype(np.float32)
    if shape in (SIGNS, "row signs"):
        return random.choice([-1.0, 1.0], ROWS if shape == SIGNS else ROWS[0]).astype(np.float32)
    if shape == CLASSES:
        return np.array([0, 3, 1])
    if shape == LABELS:
        return np.array([[3, 0, -1, 1], [1, -1, 2, 0], [0, 1, 2, 3]])
    return random.standard_normal(shape).astype(np.float32)


def label(case):
    arguments = [*map(repr, case[1]), *(f"{k}={v!r}" for k, v in case[2].items())]
    return f"{case[0]}({', '.join(arguments)})"


def build(t, case):
    t.manual_seed(0)
    return getattr(t.nn, case[0])(*case[1], **case[2])


def in_default_type(t, array):
    """The values as a tensor; floating-point ones of the default type."""
    return t.tensor(array) if array.dtype.kind != "f" else t.tensor(array).to(t.get_default_dtype())


def run(t, layer, shapes):
    """Output, gradients of inputs and parameters, and state after a forward and backward."""
    inputs = [in_default_type(t, values(shape, seed)) for seed, shape in enumerate(shapes)]
    for x, shape in zip(inputs, shapes, strict=True):  # Of the kinds of targets, none has a gradient.
        x.requires_grad_(x is inputs[0] or not isinstance(shape, str))
    output = layer(*inputs)
    weights = in_default_type(t, values(tuple(output.shape), 99))
    (output * weights).sum().backward()
    gradients = [x.grad for x in inputs] + [p.grad for p in layer.parameters()]
    return output, gradients, layer.state_dict(), layer.eval()(*inputs)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", LAYERS, ids=label)
def test_form_and_starting_state(case):
    assert_same(lambda t: (repr(build(t, case)), build(t, case).state_dict()))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", [case for case in LAYERS if case[3]], ids=label)
def test_values_and_gradients(case):
    def function(t):  # in float64: in float32 sums that cancel differ with the number of threads
        before = t.get_default_dtype()
        t.set_default_dtype(t.float64)
        try:
            return run(t, build(t, case), case[3])
        finally:
            t.set_default_dtype(before)

    assert_same(function, rtol=1e-7, atol=1e-9)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", LOSSES, ids=label)
def test_losses(case):
    def function(t):
        loss = build(t, case)
        return repr(loss), loss.reduction, run(t, loss, [case[3], *case[4]])

    assert_same(function, rtol=1e-5, atol=2e-6)


def weighted(t, name, **options):
    weight = t.tensor([1.0, 2.0, 0.5, 0.1])
    loss = getattr(t.nn, name)(weight=weight, **options)
    target = CLASSES if name in ("NLLLoss", "CrossEntropyLoss", "MultiMarginLoss") else POSITIVE
    x = t.tensor(values(POSITIVE, 0))
    return loss(x, t.tensor(values(target, 1))), list(loss.state_dict())


@pytest.mark.parametrize(
    "name",
    ["NLLLoss", "CrossEntropyLoss", "MultiMarginLoss", "BCELoss", "BCEWithLogitsLoss", "MultiLabelSoftMarginLoss"],
)
def test_class_weights(name):
    assert_same(lambda t: weighted(t, name), rtol=1e-5)


DROPOUTS = [
    ("Dropout", ROWS),
    ("Dropout1d", SEQUENCE),
    ("Dropout2d", IMAGE),
    ("Dropout3d", VOLUME),
    ("AlphaDropout", ROWS),
    ("FeatureAlphaDropout", IMAGE),
]


@pytest.mark.parametrize(("name", "shape"), DROPOUTS)
def test_dropout_draws_the_same(name, shape):
    def function(t):
        layer = getattr(t.nn, name)(0.4)
        t.manual_seed(3)
        x = t.tensor(values(shape, 0))
        return layer(x), layer.eval()(x)

    assert_same(function, rtol=1e-5, atol=1e-6)


def embedding(t, *arguments, **options):
    t.manual_seed(0)
    layer = t.nn.Embedding(*arguments, **options)
    out = layer(t.tensor([[1, 2, 1], [0, 4, 2]]))
    out.sum().backward()
    return repr(layer), out, layer.weight, layer.weight.grad


EMBEDDINGS = {
    "plain": lambda t: embedding(t, 5, 3),
    "padding": lambda t: embedding(t, 5, 3, padding_idx=1),
    "padding from the end": lambda t: embedding(t, 5, 3, padding_idx=-1),
    "max norm": lambda t: embedding(t, 5, 3, max_norm=1.0),
    "other norm": lambda t: embedding(t, 5, 3, max_norm=1.0, norm_type=1.0),
    "frequency": lambda t: embedding(t, 5, 3, scale_grad_by_freq=True),
    "pretrained": lambda t: (lambda e: (repr(e), e.weight.requires_grad, e(t.tensor([1]))))(
        t.nn.Embedding.from_pretrained(t.ones(2, 3), padding_idx=0)
    ),
    "not frozen": lambda t: t.nn.Embedding.from_pretrained(t.ones(2, 3), freeze=False).weight.requires_grad,
    "given": lambda t: t.nn.Embedding(2, 2, _weight=t.ones(2, 2), _freeze=True).weight.requires_grad,
    "padding outside": lambda t: t.nn.Embedding(5, 3, padding_idx=5),
    "given of another shape": lambda t: t.nn.Embedding(2, 2, _weight=t.ones(3, 2)),
    "pretrained vector": lambda t: t.nn.Embedding.from_pretrained(t.ones(2)),
    "bag form": lambda t: [repr(t.nn.EmbeddingBag(5, 3, **o)) for o in ({}, {"mode": "sum", "padding_idx": -1})],
}


@pytest.mark.parametrize("case", EMBEDDINGS)
def test_embeddings(case):
    assert_same(EMBEDDINGS[case], rtol=1e-6)


MODES = {
    "batch norm statistics": lambda t: (lambda m: ([m(t.tensor(values(ROWS, s))) for s in range(3)], m.state_dict()))(
        t.nn.BatchNorm1d(4)
    ),
    "batch norm mean of batches": lambda t: (
        lambda m: ([m(t.tensor(values(ROWS, s))) for s in range(3)], m.eval()(t.tensor(values(ROWS, 9))))
    )(t.nn.BatchNorm1d(4, momentum=None)),
    "batch norm reset": lambda t: (
        lambda m: (m(t.tensor(values(ROWS, 1))), m.reset_running_stats(), m.state_dict())
    )(t.nn.BatchNorm1d(4)),
    "max pool indices": lambda t: t.nn.MaxPool2d(2, return_indices=True)(t.tensor(values(IMAGE, 0))),
    "max unpool": lambda t: t.nn.MaxUnpool2d(2)(*t.nn.MaxPool2d(2, return_indices=True)(t.tensor(values(IMAGE, 0)))),
    "max unpool form": lambda t: repr(t.nn.MaxUnpool2d((2, 3))),
    "transposed to a size": lambda t: (
        t.manual_seed(0), t.nn.ConvTranspose2d(4, 2, 3, stride=2)(t.tensor(values(IMAGE, 0)), output_size=(14, 13))
    )[1],
    "dtype": lambda t: t.nn.Linear(2, 2, dtype=t.float64).weight.dtype,
    "conv dtype": lambda t: t.nn.Conv2d(2, 2, 1, dtype=t.float64, device="cpu").bias.dtype,
    "norm dtype": lambda t: [b.dtype for b in t.nn.BatchNorm2d(2, dtype=t.float64).buffers()],
}  # fmt: skip


@pytest.mark.parametrize("case", MODES)
def test_modes(case):
    assert_same(MODES[case], rtol=1e-5, atol=1e-6)


ERRORS = {
    "dropout above one": lambda t: t.nn.Dropout(1.5),
    "groups": lambda t: t.nn.Conv2d(3, 4, 3, groups=2),
    "out groups": lambda t: t.nn.Conv2d(4, 3, 3, groups=2),
    "no groups": lambda t: t.nn.Conv2d(4, 3, 3, groups=0),
    "same with stride": lambda t: t.nn.Conv2d(3, 4, 3, padding="same", stride=2),
    "transposed padding mode": lambda t: t.nn.ConvTranspose2d(3, 4, 3, padding_mode="reflect"),
    "transposed size": lambda t: t.nn.ConvTranspose2d(4, 2, 3, stride=2)(t.ones(IMAGE), output_size=(20, 13)),
    "transposed size length": lambda t: t.nn.ConvTranspose2d(4, 2, 3)(t.ones(IMAGE), output_size=(20,)),
    "batch norm 1d of an image": lambda t: t.nn.BatchNorm1d(4)(t.ones(IMAGE)),
    "batch norm 2d of rows": lambda t: t.nn.BatchNorm2d(4)(t.ones(ROWS)),
    "instance norm 1d of an image": lambda t: t.nn.InstanceNorm1d(4)(t.ones(IMAGE)),
    "instance norm features": lambda t: t.nn.InstanceNorm2d(5, affine=True)(t.ones(IMAGE)),
    "group norm": lambda t: t.nn.GroupNorm(3, 4),
    "softmax 2d": lambda t: t.nn.Softmax2d()(t.ones(2, 2)),
    "hardtanh": lambda t: t.nn.Hardtanh(1, -1),
    "bilinear": lambda t: t.nn.Bilinear(0, 1, 1),
    "unflatten list of strings": lambda t: t.nn.Unflatten(1, (2, "a")),
    "unflatten number": lambda t: t.nn.Unflatten(1, 2),
    "circular": lambda t: t.nn.CircularPad2d(1)(t.ones(2, 2)),
    "huber": lambda t: t.nn.HuberLoss(delta="x"),
    "multi margin": lambda t: t.nn.MultiMarginLoss(p=3),
    "multi margin weight": lambda t: t.nn.MultiMarginLoss(weight=t.ones(2, 2)),
    "triplet": lambda t: t.nn.TripletMarginLoss(margin=0),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors(case):
    assert_same(ERRORS[case])


LAZY = [
    ("LazyLinear", (3,), {}, [(2, 4)]),
    ("LazyLinear", (3,), {"bias": False}, [(2, 4)]),
    ("LazyConv1d", (6, 3), {"padding": 1}, [SEQUENCE]),
    ("LazyConv2d", (6, 3, 1, 0, 1, 2, False), {}, [IMAGE]),
    ("LazyConv3d", (2, 2), {}, [VOLUME]),
    ("LazyConvTranspose1d", (6, 3), {}, [(4, 7)]),
    ("LazyConvTranspose2d", (6, 3, 2, 1, 1, 2), {}, [IMAGE]),
    ("LazyConvTranspose3d", (2, 2), {}, [VOLUME]),
    ("LazyBatchNorm1d", (), {}, [ROWS]),
    ("LazyBatchNorm2d", (1e-3, None), {}, [IMAGE]),
    ("LazyBatchNorm3d", (), {"affine": False}, [VOLUME]),
    ("LazyInstanceNorm1d", (), {}, [SEQUENCE]),
    ("LazyInstanceNorm2d", (), {"affine": True, "track_running_stats": False}, [IMAGE]),
    ("LazyInstanceNorm3d", (), {}, [VOLUME]),
]


@pytest.mark.parametrize("case", LAZY, ids=label)
def test_lazy_layers(case):
    def function(t):
        layer = build(t, case)
        before = repr(layer), layer.has_uninitialized_params(), list(layer.state_dict())
        t.manual_seed(0)
        return before, run(t, layer, case[3]), repr(layer), type(layer).__name__

    assert_same(function, rtol=1e-5, atol=2e-6)


LAZY_STATES = {
    "loaded": lambda t: (
        lambda m: (m.load_state_dict(t.nn.Linear(2, 3).state_dict()), m.weight.shape, type(m.weight).__name__)
    )(t.nn.LazyLinear(3)),
    "loaded lazy": lambda t: repr(t.nn.LazyLinear(3).load_state_dict(t.nn.LazyLinear(3).state_dict())),
    "shape": lambda t: t.nn.LazyLinear(3).weight.shape,
    "parameter": lambda t: repr(t.nn.LazyLinear(3).weight),
    "dtype": lambda t: t.nn.LazyLinear(3, dtype=t.float64)(t.ones(1, 2, dtype=t.float64)).dtype,
    "copied": lambda t: copy.deepcopy(t.nn.LazyLinear(3))(t.ones(1, 2)).shape,
    "wrong axes": lambda t: t.nn.LazyConv2d(3, 3)(t.ones(2, 2)),
    "wrong groups": lambda t: t.nn.LazyConv2d(4, 3, groups=4)(t.ones(1, 3, 5, 5)),
}


@pytest.mark.parametrize("case", LAZY_STATES)
def test_lazy_states(case):
    assert_same(LAZY_STATES[case])


def adaptive(t, rows):
    t.manual_seed(0)
    layer = t.nn.AdaptiveLogSoftmaxWithLoss(8, 20, [4, 10, 15], div_value=2.0, head_bias=True)
    x = t.tensor(values((6, 8), 0), requires_grad=True)
    target = t.tensor([0, 12, 3, 19, 5, 11][:rows])
    output, loss = layer(x[:rows], target)
    loss.backward()
    predicted = layer.predict(x * 10)
    return repr(layer), output, loss, x.grad, layer.log_prob(x), predicted, [p.grad for p in layer.parameters()]


ADAPTIVE = {
    "all clusters": lambda t: adaptive(t, 6),
    "one cluster": lambda t: adaptive(t, 1),
    "unbatched": lambda t: tuple(
        (t.manual_seed(0), t.nn.AdaptiveLogSoftmaxWithLoss(8, 20, [4, 10]))[1](t.ones(8), t.tensor(12))
    ),
    "no cutoffs": lambda t: t.nn.AdaptiveLogSoftmaxWithLoss(8, 20, []),
    "unsorted": lambda t: t.nn.AdaptiveLogSoftmaxWithLoss(8, 20, [5, 3]),
    "too large": lambda t: t.nn.AdaptiveLogSoftmaxWithLoss(8, 20, [5, 20]),
    "target": lambda t: t.nn.AdaptiveLogSoftmaxWithLoss(8, 20, [5])(t.ones(1, 8), t.tensor([20])),
    "target axes": lambda t: t.nn.AdaptiveLogSoftmaxWithLoss(8, 20, [5])(t.ones(1, 8), t.tensor([[2]])),
    "batch": lambda t: t.nn.AdaptiveLogSoftmaxWithLoss(8, 20, [5])(t.ones(1, 8), t.tensor([2, 3])),
    "input axes": lambda t: t.nn.AdaptiveLogSoftmaxWithLoss(8, 20, [5])(t.ones(1, 8), t.tensor(2)),
}


@pytest.mark.parametrize("case", ADAPTIVE)
def test_adaptive_softmax(case):
    assert_same(ADAPTIVE[case], rtol=1e-5, atol=1e-6)


LINEAR_CROSS_ENTROPY = {
    "indices": lambda t: run(t, build(t, ("LinearCrossEntropyLoss", (4, 5), {"bias": True})), [ROWS, CLASSES]),
    "form": lambda t: repr(build(t, ("LinearCrossEntropyLoss", (4, 5), {"out_features": (2,)}))),
    "several": lambda t: build(t, ("LinearCrossEntropyLoss", (4, 5), {"out_features": (2,), "reduction": "none"}))(
        t.tensor(values(ROWS, 0)), t.tensor([[0, 1], [2, 3], [4, 0]])
    ),
    "weight": lambda t: t.nn.LinearCrossEntropyLoss(4, 5, weight=t.ones(3)),
    "smoothing": lambda t: t.nn.LinearCrossEntropyLoss(4, 5, label_smoothing=2),
}


@pytest.mark.parametrize("case", LINEAR_CROSS_ENTROPY)
def test_linear_cross_entropy(case):
    assert_same(LINEAR_CROSS_ENTROPY[case], rtol=1e-5, atol=1e-6)


FRACTIONAL = {
    "2d": lambda t: (t.manual_seed(0), t.nn.FractionalMaxPool2d(2, 3)(t.tensor(values(IMAGE, 0))))[1],
    "2d ratio": lambda t: (
        t.manual_seed(0),
        t.nn.FractionalMaxPool2d((2, 3), output_ratio=0.5, return_indices=True)(t.tensor(values(IMAGE, 0))),
    )[1],
    "3d": lambda t: (t.manual_seed(0), t.nn.FractionalMaxPool3d(2, (2, 2, 1))(t.tensor(values(VOLUME, 0))))[1],
    "form": lambda t: repr(t.nn.FractionalMaxPool2d(2, 3)),
    "neither": lambda t: t.nn.FractionalMaxPool2d(2),
    "both": lambda t: t.nn.FractionalMaxPool3d(2, 2, 0.5),
    "ratio": lambda t: t.nn.FractionalMaxPool2d(2, output_ratio=1.5),
}


@pytest.mark.parametrize("case", FRACTIONAL)
def test_fractional_max_pool(case):
    assert_same(FRACTIONAL[case])


def test_linear_shapes(library):
    with pytest.raises(RuntimeError, match=r"mat1 and mat2 shapes cannot be multiplied \(2x5 and 4x3\)"):
        library.nn.Linear(4, 3)(library.ones(2, 5))


def test_padding_names():
    for options in ({"padding": "all"}, {"padding_mode": "mirror"}):
        with pytest.raises(ValueError, match="should be one of|must be one of"):
            rushlight.nn.Conv2d(1, 1, 1, **options)


def test_network_trains_the_same():
    """Twenty steps of a small convolutional network give the same loss."""

    def function(t):
        t.manual_seed(0)
        nn = t.nn
        model = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 3)
        )
        x, y = t.tensor(values((8, 1, 6, 6), 0)), t.tensor([0, 1, 2, 0, 1, 2, 0, 1])
        loss = nn.CrossEntropyLoss()
        losses = []
        for _ in range(20):
            model.zero_grad()
            error = loss(model(x), y)
            error.backward()
            with t.no_grad():
                for parameter in model.parameters():
                    parameter -= 0.1 * parameter.grad
            losses.append(error.item())
        return np.array(losses)

    assert_same(function, rtol=1e-4)


def test_every_layer_is_here():
    """Which of PyTorch's names are missing is known, and no other is."""
    missing = {name for name in torch.nn.modules.__all__ if not hasattr(rushlight.nn, name)}
    assert missing == MISSING


MISSING = {"Container", "CrossMapLRN2d", "SyncBatchNorm"}


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", [(3, 4, 5, 6), (1, 3, 5, 5), (2, 3, 2, 5, 4)])
def test_batch_norm_of_channels_last(shape, training):
    def program(t):
        form = t.channels_last if len(shape) == 4 else t.channels_last_3d
        x = t.tensor(values(shape, 0)).contiguous(memory_format=form).requires_grad_()
        weight, bias = (t.tensor(values(shape[1:2], seed), requires_grad=True) for seed in (1, 2))
        mean, variance = t.zeros(shape[1]), t.ones(shape[1])
        y = t.nn.functional.batch_norm(x, mean, variance, weight, bias, training)
        found = t.autograd.grad(y, (x, weight, bias), t.tensor(values(shape, 3)))
        return [y, mean, variance, *found, str(y.stride()), str(found[0].stride())]

    assert_same(program, rtol=1e-4, atol=1e-5)
