"""Convolution, pooling, normalisation, resampling, attention: values, both gradients, node names, as PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

import rushlight
from tests.ops.gradients import assert_same_gradients
from tests.ops.oracle import outcome

IMAGE, SIGNAL, VOLUME = (2, 4, 6, 5), (2, 4, 7), (1, 2, 4, 5, 4)

CALLS = {
    "conv1d(a, b)": [SIGNAL, (3, 4, 3)],
    "conv1d(a, b, c, 2, 1)": [SIGNAL, (3, 4, 3), (3,)],
    "conv2d(a, b, c)": [IMAGE, (3, 4, 3, 2), (3,)],
    "conv2d(a, b, c, padding='same', dilation=(1, 2))": [IMAGE, (3, 4, 2, 3), (3,)],
    "conv2d(a, b, None, (2, 1), (1, 2), 2, 2)": [IMAGE, (6, 2, 2, 2)],
    "conv2d(a, b, groups=4, padding=1)": [IMAGE, (8, 1, 3, 3)],
    "conv2d(a, b, c)  # one by one": [IMAGE, (3, 4, 1, 1), (3,)],
    "conv2d(a, b)  # unbatched": [(4, 6, 5), (3, 4, 3, 3)],
    "conv3d(a, b, c, 1, 1)": [VOLUME, (3, 2, 2, 3, 2), (3,)],
    "conv_transpose1d(a, b, c, 2, 1, 1)": [SIGNAL, (4, 3, 3), (3,)],
    "conv_transpose2d(a, b, c, 2, 1, 1, 2, 2)": [IMAGE, (4, 3, 3, 3), (6,)],
    "conv_transpose3d(a, b)": [VOLUME, (2, 3, 2, 2, 2)],
    "max_pool1d(a, 3, 2, 1)": [SIGNAL],
    "max_pool2d(a, 2)": [IMAGE],
    "max_pool2d(a, 3, 1, 1, 2, True)": [IMAGE],
    "max_pool3d(a, 2)": [VOLUME],
    "avg_pool1d(a, 2)": [SIGNAL],
    "avg_pool2d(a, 3, 2, 1, True, False)": [IMAGE],
    "avg_pool2d(a, 2, divisor_override=3)": [IMAGE],
    "avg_pool3d(a, 2)": [VOLUME],
    "adaptive_avg_pool1d(a, 3)": [SIGNAL],
    "adaptive_avg_pool2d(a, (3, 2))": [IMAGE],
    "adaptive_avg_pool2d(a, (3, 5))": [IMAGE],
    "adaptive_avg_pool2d(a, 1)": [IMAGE],
    "adaptive_avg_pool3d(a, (2, None, 3))": [VOLUME],
    "adaptive_max_pool2d(a, (4, 3))": [IMAGE],
    "max_unpool2d(*max_pool2d(a, 2, return_indices=True), 2, output_size=(6, 5))": [IMAGE],
    "layer_norm(a, (6, 5), b, c)": [IMAGE, (6, 5), (6, 5)],
    "layer_norm(a, (5,))": [IMAGE],
    "batch_norm(a, None, None, b, c, True)": [IMAGE, (4,), (4,)],
    "group_norm(a, 2, b, c)": [IMAGE, (4,), (4,)],
    "instance_norm(a)": [IMAGE],
    "rms_norm(a, (5,), b)": [IMAGE, (5,)],
    "local_response_norm(a, 3)": [IMAGE],
    "interpolate(a, scale_factor=2)": [IMAGE],
    "interpolate(a, (9, 4), mode='bilinear')": [IMAGE],
    "interpolate(a, (9, 4), mode='bilinear', align_corners=True)": [IMAGE],
    "interpolate(a, (9, 4), mode='bicubic')": [IMAGE],
    "interpolate(a, 11, mode='linear')": [SIGNAL],
    "interpolate(a, 3, mode='area')": [SIGNAL],
    "interpolate(a, scale_factor=1.5, mode='nearest-exact')": [IMAGE],
    "interpolate(a, 5, mode='trilinear')": [VOLUME],
    "bilinear(a, b, c, d)": [(2, 3), (2, 4), (5, 3, 4), (5,)],
    "adaptive_max_pool1d(a, 3)": [SIGNAL],
    "lp_pool2d(a, 3, 2)": [IMAGE],
}


@pytest.mark.parametrize("call", CALLS)
def test_same_gradients(call):
    names = "abcd"[: len(CALLS[call])]

    def function(library, *tensors):
        return eval(call, vars(library.nn.functional), dict(zip(names, tensors, strict=True)))

    assert_same_gradients(function, *CALLS[call], second=True)


@pytest.mark.parametrize("options", ["", "is_causal=True", "attn_mask=m", "attn_mask=m > 0", "scale=0.3"])
def test_attention(options):
    def function(library, q, k, v):
        given = {"m": library.from_numpy(np.random.default_rng(9).standard_normal((3, 3)) + 0.5)}
        return library.nn.functional.scaled_dot_product_attention(q, k, v, **eval(f"dict({options})", given))

    with sdpa_kernel(SDPBackend.MATH):  # the only one of PyTorch's forms that has second derivatives
        assert_same_gradients(function, *[(2, 2, 3, 4)] * 3, node=False, second=True)


@pytest.mark.parametrize(
    "name", ["dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout"]
)
@pytest.mark.filterwarnings("ignore:dropout")
def test_dropout_draws_the_same(name):
    results = []
    for library in (torch, rushlight):
        library.manual_seed(3)
        x = (
            library.ones(2, 8, 5)
            if name == "dropout1d"
            else library.ones(2, 8, 5, 3, 2)[..., 0 if name == "dropout2d" else slice(None)]
        )
        results.append(getattr(library.nn.functional, name)(x, 0.3, True).numpy())
    np.testing.assert_array_equal(*results)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize(
    "call", ["layer_norm(x, (8,))", "linear(x, x)", "softmax(x, 1)", "conv1d(x[None], x[None].mT[:, :, :3].mT)"]
)
def test_half_types_keep_their_type(call, dtype):
    values = []
    for library in (torch, rushlight):
        x = library.linspace(-1, 1, 64).reshape(8, 8).to(getattr(library, dtype))
        try:
            out = eval(call, vars(library.nn.functional), {"x": x})
        except RuntimeError:
            values.append(None)
            continue
        assert out.dtype is getattr(library, dtype)
        values.append(out.float().numpy())
    if values[0] is not None:
        np.testing.assert_allclose(values[1], values[0], rtol=1e-2, atol=1e-2)


ERRORS = """
F.conv2d(o(1, 3, 5, 5), o(2, 4, 3, 3)); F.conv2d(o(3, 5), o(2, 4, 3, 3)); F.conv2d(o(1, 4, 2, 2), o(2, 4, 3, 3))
F.conv2d(o(1, 4, 5, 5), o(2, 4, 3, 3), o(3)); F.conv2d(o(1, 4, 5, 5), o(2, 4, 3, 3).double())
F.conv2d(o(1, 4, 5, 5), o(2, 4, 3, 3), padding='same', stride=2); F.conv2d(o(1, 4, 5, 5), o(2, 4, 3, 3), stride=0)
F.conv2d(o(1, 4, 5, 5), o(3, 2, 3, 3), groups=2); F.conv2d(o(1, 4, 5, 5), o(2, 4, 3, 3), padding=-1)
F.conv2d(o(1, 4, 5, 5), o(2, 4, 3, 3), padding='x'); F.conv_transpose2d(o(1, 4, 5, 5), o(3, 4, 3, 3))
F.conv_transpose2d(o(1, 4, 5, 5), o(4, 3, 3, 3), output_padding=1)
F.conv2d(o(1, 4, 5, 5), o(2, 4, 3, 3), o(2).double())
F.max_pool2d(o(1, 2, 2, 2), 3); F.max_pool2d(o(2, 2), 3); F.max_pool2d(o(1, 2, 4, 4), 2, padding=2)
F.avg_pool2d(o(1, 2, 2, 2), 2, divisor_override=0); F.max_pool2d(o(1, 2, 4, 4), 2, stride=0); F.max_pool1d(o(4), 2)
F.layer_norm(o(2, 3), (4,)); F.layer_norm(o(2, 3), (3,), o(4)); F.layer_norm(o(2, 3), ()); F.layer_norm(o(2, 3), 3)
F.batch_norm(o(1, 3), None, None, training=True); F.batch_norm(o(2, 3), o(4), o(4)); F.batch_norm(o(2, 3), None, None)
F.group_norm(o(2, 3), 2); F.instance_norm(o(2, 3, 1)); F.rms_norm(o(2, 3), (4,)); F.dropout(o(2), 1.5)
F.interpolate(o(1, 1, 4, 4)); F.interpolate(o(1, 4, 4), scale_factor=2, mode='bilinear')
F.interpolate(o(1, 1, 4, 4), size=2, scale_factor=2); F.interpolate(o(1, 1, 4, 4), size=2, align_corners=True)
"""


@pytest.mark.parametrize("code", [part.strip() for part in ERRORS.replace("\n", ";").split(";") if part.strip()])
def test_errors(code):
    """The same class, and PyTorch's first words."""
    expected, got = (outcome(code, lib, {"F": lib.nn.functional, "o": lib.ones}) for lib in (torch, rushlight))
    assert got[0] == expected[0]
    assert got[1].startswith(expected[1][:50])
