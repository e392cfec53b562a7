"""Recurrent layers: one step of each kind, and LSTM and GRU over whole sequences at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..kernels import recurrent as kernels
from ..kernels import reductions
from ..kernels.matrix import product
from ..tensor import Tensor
from .affine import linear
from .define import op
from .join import stack
from .special import sigmoid
from .trig import tanh

__all__: list[str] = []

State = tuple[Tensor, ...]
"""What is handed from step to step: (h,), or (h, c) for an LSTM."""


def rnn_step(nonlinearity: Callable) -> Callable[[Tensor, Tensor, State], State]:
    """A step of a plain RNN: from what input and state contribute, and the state, to the next state."""
    return lambda from_input, from_state, state: (nonlinearity(from_input + from_state),)


def lstm_step(from_input: Tensor, from_state: Tensor, state: State) -> State:
    """A step of an LSTM (Hochreiter & Schmidhuber, 1997; with a forget gate, Gers et al., 2000)."""
    i, f, g, o = (from_input + from_state).chunk(4, -1)
    cell = sigmoid(f) * state[1] + sigmoid(i) * tanh(g)
    return sigmoid(o) * tanh(cell), cell


def gru_step(from_input: Tensor, from_state: Tensor, state: State) -> State:
    """A step of a GRU (Cho et al., 2014), the reset gate applied after the map of the state."""
    (r, z, n), (state_r, state_z, state_n) = from_input.chunk(3, -1), from_state.chunk(3, -1)
    new = tanh(n + sigmoid(r + state_r) * state_n)
    return ((state[0] - new) * sigmoid(z + state_z) + new,)


def _step_by_step(step: Callable, x: Tensor, state: State, weight: Tensor, bias: Tensor) -> list[State]:
    """The states after each step, (T, N, H) each: the definition of the fused forms."""
    states = []
    for contribution in x.unbind(0):
        state = step(contribution, linear(state[0], weight, bias), state)
        states.append(state)
    return [stack(parts) for parts in zip(*states)]


def _of_weights(of_gates: np.ndarray, h: np.ndarray, hidden: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The gradients of the weight and the bias, from those of all gates and the states that each step started from."""
    width = of_gates.shape[-1]
    weight = product(of_gates[0].T, h)
    weight += product(of_gates[1:].reshape(-1, width).T, hidden[:-1].reshape(-1, h.shape[1]))
    return weight, reductions.sum(of_gates.reshape(-1, width), 0, False)


def _lstm_back(g, h, c, weight, states, gates):
    of_x, of_h, of_c = kernels.lstm_back(g, c, weight, states, gates)
    return of_x, of_h, of_c, *_of_weights(of_x, h, states[0])


@op(
    "LstmBackward0",
    **{"x, h, c, weight, bias": _lstm_back},
    outputs=("states", "gates"),
    nondifferentiable=("gates",),
    composite=lambda x, h, c, weight, bias: stack(_step_by_step(lstm_step, x, (h, c), weight, bias)),
)
def lstm(x, h, c, weight, bias):
    """One direction of one layer: the states (h, c) after each step, (2, T, N, H), and the gates.

    ``x`` is what the input contributes to the gates, (T, N, 4H); ``h`` and ``c`` (N, H) are the states to start from.
    """
    return kernels.lstm(x, h, c, weight, bias)


def _gru_back(g, h, weight, hidden, gates):
    of_x, of_gates, of_h = kernels.gru_back(g, h, weight, hidden, gates)
    return of_x, of_h, *_of_weights(of_gates, h, hidden)


@op(
    "GruBackward0",
    **{"x, h, weight, bias": _gru_back},
    outputs=("hidden", "gates"),
    nondifferentiable=("gates",),
    composite=lambda x, h, weight, bias: _step_by_step(gru_step, x, (h,), weight, bias)[0],
)
def gru(x, h, weight, bias):
    """One direction of one layer: the state after each step, (T, N, H), and the gates.

    ``x`` is what the input contributes to the gates, (T, N, 3H); ``h`` (N, H) is the state to start from.
    """
    return kernels.gru(x, h, weight, bias)
