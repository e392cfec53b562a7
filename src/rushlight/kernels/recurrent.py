"""One direction of one layer of an LSTM or a GRU over whole sequences, and the way back for gradients.

T steps of N sequences, a state of width H. The gates of all steps stay beside each other, (T, N, 4H) or (T, N, 3H):
they come in as what the input contributes, W_ih x + b_ih, and are kept as they came out of their functions.
"""

from __future__ import annotations

import numpy as np

from .native import kernel


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def _before(start: np.ndarray, states: np.ndarray) -> list[np.ndarray]:
    """The state from which each step started."""
    return [start, *states[:-1]]


@kernel
def lstm(
    x: np.ndarray, h: np.ndarray, c: np.ndarray, weight: np.ndarray, bias: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The states h and c after each step, (2, T, N, H), and the gates (i, f, g, o).

    c' = σ(f) c + σ(i) tanh(g) and h' = σ(o) tanh(c'), the gates from x + W_hh h + b_hh.
    """
    gates, states = np.empty_like(x), np.empty((2, *x.shape[:2], h.shape[1]), x.dtype)
    for t, step in enumerate(x):
        i, f, g, o = np.split(step + (h @ weight.T + bias), 4, -1)
        i, f, g, o = _sigmoid(i), _sigmoid(f), np.tanh(g), _sigmoid(o)
        c = f * c + i * g
        h = o * np.tanh(c)
        gates[t] = np.concatenate((i, f, g, o), -1)
        states[:, t] = h, c
    return states, gates


@kernel
def lstm_back(
    of_states: np.ndarray, c: np.ndarray, weight: np.ndarray, states: np.ndarray, gates: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The gradients of what came in: of x, and of the states h and c before the first step."""
    of_x = np.empty_like(gates)
    of_h, of_c = np.zeros_like(c), np.zeros_like(c)
    before = _before(c, states[1])
    for t in reversed(range(len(gates))):
        i, f, g, o = np.split(gates[t], 4, -1)
        wide = np.tanh(states[1, t])
        of_h = of_h + of_states[0, t]
        of_c = of_c + of_states[1, t] + of_h * o * (1 - wide * wide)
        parts = (
            of_c * g * i * (1 - i),
            of_c * before[t] * f * (1 - f),
            of_c * i * (1 - g * g),
            of_h * wide * o * (1 - o),
        )
        of_x[t] = np.concatenate(parts, -1)
        of_c = of_c * f
        of_h = of_x[t] @ weight
    return of_x, of_h, of_c


@kernel
def gru(x: np.ndarray, h: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The state h after each step, and the gates (r, z, n) with what the state contributed to the last, (T, N, 4H).

    h' = (1 - z) n + z h with r and z from x + W_hh h + b_hh, and n = tanh(x_n + r (W_hn h + b_hn)).
    """
    width = h.shape[1]
    gates, hidden = np.empty((*x.shape[:2], 4 * width), x.dtype), np.empty((*x.shape[:2], width), x.dtype)
    for t, step in enumerate(x):
        from_state = h @ weight.T + bias
        r, z = np.split(_sigmoid(step[:, : 2 * width] + from_state[:, : 2 * width]), 2, -1)
        n = np.tanh(step[:, 2 * width :] + r * from_state[:, 2 * width :])
        h = (h - n) * z + n
        gates[t] = np.concatenate((r, z, n, from_state[:, 2 * width :]), -1)
        hidden[t] = h
    return hidden, gates


@kernel
def gru_back(
    of_hidden: np.ndarray, h: np.ndarray, weight: np.ndarray, hidden: np.ndarray, gates: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The gradients of what came in: of x, of what the state contributed to the gates, and of the first state."""
    width = h.shape[1]
    of_x = np.empty((*gates.shape[:2], 3 * width), gates.dtype)
    from_state = np.empty_like(of_x)
    of_h = np.zeros_like(h)
    before = _before(h, hidden)
    for t in reversed(range(len(gates))):
        r, z, n, contributed = np.split(gates[t], 4, -1)
        of_h = of_h + of_hidden[t]
        of_n = of_h * (1 - z) * (1 - n * n)
        of_r = of_n * contributed * r * (1 - r)
        of_z = of_h * (before[t] - n) * z * (1 - z)
        of_x[t] = np.concatenate((of_r, of_z, of_n), -1)
        from_state[t] = np.concatenate((of_r, of_z, of_n * r), -1)
        of_h = of_h * z + from_state[t] @ weight
    return of_x, from_state, of_h
