"""Native LSTM and GRU equal their NumPy definitions, and their second derivatives PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rushlight
from rushlight.kernels import recurrent

from .twins import assert_close, assert_twins, needs_native, numbers

SIZES = st.sampled_from([0, 1, 3, 8, 19])


@st.composite
def layers(draw, gates):
    """Contributions (T, N, gates · H), a state (N, H), its weight and bias, and a seed for more."""
    steps, batch, width = draw(st.integers(1, 5)), draw(SIZES), draw(st.sampled_from([1, 3, 16, 33]))
    dtype, seed = draw(st.sampled_from([np.float32, np.float64])), draw(st.integers(0, 2**32))
    shapes = (steps, batch, gates * width), (batch, width), (gates * width, width), (gates * width,)
    return [numbers(seed + i, shape, dtype, 0.3) for i, shape in enumerate(shapes)], seed


# Products of up to 33 terms in another order, through five steps: judged at the size of the terms.


@needs_native
@given(layers(4))
def test_lstm(case):
    (x, h, weight, bias), seed = case
    c = numbers(seed + 9, h.shape, h.dtype)
    assert_twins("lstm", x, h, c, weight, bias, ulps=64, floor=1)
    states, gates = recurrent.lstm(x, h, c, weight, bias)
    of_states = numbers(seed + 10, states.shape, h.dtype)
    assert_twins("lstm_back", of_states, c, weight, states, gates, ulps=128, floor=4)


@needs_native
@given(layers(3))
def test_gru(case):
    (x, h, weight, bias), seed = case
    assert_twins("gru", x, h, weight, bias, ulps=64, floor=1)
    hidden, gates = recurrent.gru(x, h, weight, bias)
    of_hidden = numbers(seed + 10, hidden.shape, h.dtype)
    assert_twins("gru_back", of_hidden, h, weight, hidden, gates, ulps=128, floor=4)


@needs_native
def test_sizes_that_do_not_fit_are_refused():
    x, h, weight, bias = (np.zeros(shape, np.float32) for shape in ((2, 3, 16), (3, 4), (16, 4), (15,)))
    with pytest.raises(ValueError, match="do not fit"):
        recurrent.lstm(x, h, h, weight, bias)


@pytest.mark.parametrize("options", [{}, {"bidirectional": True, "num_layers": 2}, {"bias": False}], ids=str)
@pytest.mark.parametrize("name", ["LSTM", "GRU"])
def test_first_and_second_derivatives(name, options):
    """Of the layer's outputs, with respect to the input and all weights."""
    torch = pytest.importorskip("torch")  # the sanitizers run without it
    found = []
    for library in (torch, rushlight):
        library.manual_seed(0)
        layer = getattr(library.nn, name)(3, 4, **options).double()
        x = library.tensor(numbers(1, (5, 2, 3), np.float64), requires_grad=True)
        inputs = [x, *layer.parameters()]
        output, state = layer(x)
        last = state[1] if name == "LSTM" else state
        first = library.autograd.grad(output.sin().sum() + last.cos().sum(), inputs, create_graph=True)
        second = library.autograd.grad(sum((g * g).sum() for g in first), inputs)
        found.append([g.detach().numpy() for g in (output, *first, *second)])
    for theirs, ours in zip(*found, strict=True):
        assert_close(ours, theirs, ulps=1e4, floor=1)
