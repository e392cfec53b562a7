"""Losses: values, both gradients and node names of every reduction, and errors, as PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import rushlight
from tests.ops.gradients import assert_same_gradients
from tests.ops.oracle import outcome

PAIRS = {
    "mse_loss": "", "l1_loss": "", "smooth_l1_loss": "beta=0.5", "huber_loss": "delta=0.7", "kl_div": "",
    "poisson_nll_loss": "", "soft_margin_loss": "", "binary_cross_entropy_with_logits": "", "hinge_embedding_loss": "",
}  # fmt: skip


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.filterwarnings("ignore:reduction")
def test_of_pairs(name, reduction):
    options = eval(f"dict({PAIRS[name]})")

    def function(library, x, target):
        target = target.detach()
        target = target.sign() if "margin" in name or "hinge" in name else target.sigmoid()
        return getattr(library.nn.functional, name)(x, target, reduction=reduction, **options)

    assert_same_gradients(function, (4, 3), (4, 3), second=True)


CLASSES = {
    "cross_entropy(x, t)": (5, 4), "cross_entropy(x, t, w)": (5, 4), "cross_entropy(x, t, w, ignore_index=1)": (5, 4),
    "cross_entropy(x, t, label_smoothing=0.2)": (5, 4), "cross_entropy(x, t, w, label_smoothing=0.2)": (5, 4),
    "cross_entropy(x, t, reduction='sum')": (5, 4, 3), "cross_entropy(x, t, w, reduction='none')": (5, 4, 3, 2),
    "cross_entropy(x, x.detach().softmax(1), w)": (5, 4), "nll_loss(x, t, w)": (5, 4), "nll_loss(x, t)": (5, 4, 2, 2),
    "nll_loss(x, t, w, ignore_index=2, reduction='none')": (5, 4), "multi_margin_loss(x, t, p=1, weight=w)": (5, 4),
}  # fmt: skip


@pytest.mark.parametrize("call", CLASSES)
def test_of_classes(call):
    shape = CLASSES[call]
    classes = np.random.default_rng(5).integers(0, 4, (shape[0], *shape[2:]))

    def function(library, x):
        given = {
            "x": x,
            "t": library.from_numpy(classes),
            "w": library.tensor([0.5, 1.0, 2.0, 0.1], dtype=library.float64),
        }
        return eval(call, vars(library.nn.functional), given)

    node = "smoothing" not in call and "softmax" not in call
    assert_same_gradients(function, shape, node=node, second="multi_margin" not in call)


ERRORS = """
F.mse_loss(o(3), o(4)); F.mse_loss(o(3), o(3), reduction='x'); F.cross_entropy(o(2, 3), torch.tensor([0, 5]))
F.cross_entropy(o(2, 3), o(3).long()); F.cross_entropy(o(2, 3), o(2)); F.nll_loss(o(2, 3), o(2, 2).long())
F.cross_entropy(o(2, 3), o(2).long(), weight=o(2)); F.nll_loss(o(2, 3, 4), o(2, 3).long())
F.binary_cross_entropy(o(3), o(4)); F.binary_cross_entropy(o(3) * 2, o(3)); F.binary_cross_entropy(o(3), o(3) * 2)
F.binary_cross_entropy_with_logits(o(3), o(4)); F.smooth_l1_loss(o(3), o(3), beta=-1)
F.huber_loss(o(3), o(3), delta=-1); F.cross_entropy(o(2, 3), o(2).int()); F.mse_loss(o(3).long(), o(3).long())
F.triplet_margin_loss(o(2, 3), o(2, 3), o(2, 3), margin=-1); F.multi_margin_loss(o(2, 3), o(2).long(), p=3)
"""


@pytest.mark.parametrize("code", [part.strip() for part in ERRORS.replace("\n", ";").split(";") if part.strip()])
def test_errors(code):
    """The same class, and PyTorch's first words."""
    expected, got = (outcome(code, lib, {"F": lib.nn.functional, "o": lib.ones}) for lib in (torch, rushlight))
    assert got[0] == expected[0]
    assert got[1].startswith(expected[1][:50])


def test_probabilities_far_out_stay_finite():
    x = rushlight.tensor([1000.0, -1000.0], requires_grad=True)
    loss = rushlight.nn.functional.binary_cross_entropy_with_logits(x, rushlight.tensor([1.0, 0.0]))
    loss.backward()
    assert loss.item() == 0.0 and x.grad.tolist() == [0.0, 0.0]
    assert rushlight.nn.functional.cross_entropy(x[None], rushlight.tensor([1])).item() == 2000.0


def test_soft_margin_has_no_derivative_by_its_target():
    for library in (torch, rushlight):
        input, target = library.tensor([0.5, -2.0]), library.tensor([1.0, -1.0], requires_grad=True)
        with pytest.raises(RuntimeError, match="not differentiable with respect to argument 'target'"):
            library.nn.functional.soft_margin_loss(input, target)
        with library.no_grad():
            assert library.nn.functional.soft_margin_loss(input, target).item() == pytest.approx(0.30050, abs=1e-4)
