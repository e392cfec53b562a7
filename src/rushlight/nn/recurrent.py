"""Recurrent networks: RNN, LSTM and GRU, and one step of each."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any, ClassVar

from .. import ops
from ..autograd.modes import open_levels
from ..ops.recurrent import State, gru, gru_step, lstm, lstm_step, rnn_step
from ..tensor import Tensor
from . import functional as F
from . import init
from .layer import Layer
from .module import Module
from .parameter import new_parameter
from .utils.rnn import PackedSequence

_GATES = {"RNN_TANH": 1, "RNN_RELU": 1, "LSTM": 4, "GRU": 3}
_STEPS = {"RNN_TANH": rnn_step(ops.tanh), "RNN_RELU": rnn_step(ops.relu), "LSTM": lstm_step, "GRU": gru_step}


def reset_by_hidden_size(module: Module, hidden_size: int) -> None:
    """Draw all parameters from U(-√k, √k), k = 1 / hidden_size."""
    bound = 1.0 / math.sqrt(hidden_size) if hidden_size > 0 else 0
    for parameter in module.parameters():
        init.uniform_(parameter, -bound, bound)


class RNNBase(Layer):
    """What RNN, LSTM and GRU share: layers of one or two directions, run over a batch of sequences.

    Args:
        mode: "RNN_TANH", "RNN_RELU", "LSTM" or "GRU".
        input_size, hidden_size: widths of the input and of the state.
        num_layers: each layer reads what the one before wrote, with dropout of probability `dropout` in between.
        batch_first: sequences are (N, T, *) instead of (T, N, *).
        bidirectional: each layer also reads backwards, and writes both results next to each other.
        proj_size: LSTM only: the width that h is mapped to, if positive.

    Shape:
        (T, N, input_size), (N, T, input_size) if `batch_first`, (T, input_size) unbatched, or a PackedSequence →
        outputs (T, N, directions · hidden_size) of the same form, and the last states
        (directions · num_layers, N, hidden_size).
    """

    shown = "{input_size}, {hidden_size}"
    shown_if_changed: ClassVar[dict[str, Any]] = {
        "proj_size": 0,
        "num_layers": 1,
        "bias": True,
        "batch_first": False,
        "dropout": 0,
        "bidirectional": False,
    }

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.mode, self.input_size, self.hidden_size, self.num_layers = mode, input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.dropout = bias, batch_first, dropout
        self.bidirectional, self.proj_size = bidirectional, proj_size
        self._check_options()
        self.dropout = float(dropout)
        self._all_weights: list[list[str]] = []
        for layer in range(num_layers):
            for suffix in ("", "_reverse") if bidirectional else ("",):
                self._all_weights.append(self._make_weights(layer, suffix, device, dtype))
        self.reset_parameters()

    def _check_options(self) -> None:
        dropout = self.dropout
        if isinstance(dropout, bool) or not isinstance(dropout, (int, float)) or not 0 <= dropout <= 1:
            raise ValueError(
                "dropout should be a number in range [0, 1] representing the probability of an element being zeroed"
            )
        if dropout > 0 and self.num_layers == 1:
            warnings.warn(
                "dropout option adds dropout after all but last recurrent layer, so non-zero dropout expects "
                f"num_layers greater than 1, but got dropout={dropout} and num_layers={self.num_layers}",
                stacklevel=4,
            )
        for name, kind in (("bias", bool), ("batch_first", bool), ("input_size", int), ("hidden_size", int)):
            value = getattr(self, name)
            if not isinstance(value, kind):
                raise TypeError(f"{name} should be of type {kind.__name__}, got: {type(value).__name__}")
            if kind is int and value <= 0:
                raise ValueError(f"{name} must be greater than zero")
        if self.num_layers <= 0:
            raise ValueError("num_layers must be greater than zero")
        if self.proj_size < 0:
            raise ValueError("proj_size should be a positive integer or zero to disable projections")
        if self.proj_size >= self.hidden_size:
            raise ValueError("proj_size has to be smaller than hidden_size")
        if self.mode not in _GATES:
            raise ValueError("Unrecognized RNN mode: " + self.mode)

    def _make_weights(self, layer: int, suffix: str, device: Any, dtype: Any) -> list[str]:
        """Make the parameters of one layer and direction; return their names."""
        gates = _GATES[self.mode] * self.hidden_size
        written = self.proj_size or self.hidden_size
        read = self.input_size if layer == 0 else written * (2 if self.bidirectional else 1)
        shapes: dict[str, tuple[int, ...]] = {"weight_ih": (gates, read), "weight_hh": (gates, written)}
        if self.bias:
            shapes |= {"bias_ih": (gates,), "bias_hh": (gates,)}
        if self.proj_size:
            shapes["weight_hr"] = (self.proj_size, self.hidden_size)
        names = []
        for name, shape in shapes.items():
            names.append(f"{name}_l{layer}{suffix}")
            setattr(self, names[-1], new_parameter(*shape, device=device, dtype=dtype))
        return names

    @property
    def all_weights(self) -> list[list[Tensor]]:
        """The parameters of each layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        reset_by_hidden_size(self, self.hidden_size)

    def flatten_parameters(self) -> None:
        """Do nothing: where each parameter lies in memory makes no difference here."""

    def forward(self, input: Any, hx: Any = None) -> tuple[Any, Any]:
        """Run over the sequences, from the state `hx`, zeros by default; return the outputs and the last state."""
        if isinstance(input, PackedSequence):
            return self._forward_packed(input, hx)
        batched = self._check_dims(input, hx)
        time = 1 if self.batch_first and batched else 0
        if not batched:
            input = input.unsqueeze(1)
        elif time:
            input = input.transpose(0, 1)
        state = self._state(input, input.size(1), hx, batched)
        length, batch = input.shape[:2]
        output, state = self._run(input.reshape(length * batch, -1), [batch] * length, state)
        output = output.unflatten(0, (length, batch))
        if not batched:
            output, state = output.squeeze(1), tuple(part.squeeze(1) for part in state)
        return output.transpose(0, 1) if time else output, self._packed_state(state)

    def _forward_packed(self, input: PackedSequence, hx: Any) -> tuple[PackedSequence, Any]:
        if input.data.dim() != 2:
            raise RuntimeError(f"input must have 2 dimensions, got {input.data.dim()}")
        sizes = input.batch_sizes.tolist()
        state = self._state(input.data, sizes[0], hx, True)
        if hx is not None and input.sorted_indices is not None:
            state = tuple(part.index_select(1, input.sorted_indices) for part in state)
        output, state = self._run(input.data, sizes, state)
        if input.unsorted_indices is not None:
            state = tuple(part.index_select(1, input.unsorted_indices) for part in state)
        return PackedSequence(output, *input[1:]), self._packed_state(state)

    def _packed_state(self, state: State) -> Any:
        return state if self.mode == "LSTM" else state[0]

    def _check_dims(self, input: Tensor, hx: Any) -> bool:
        """Whether the input is batched, after checking that the state has as many axes."""
        name = self.mode.partition("_")[0]
        axes = input.dim()
        if axes not in (2, 3):
            tensor = " tensor" if name == "RNN" else ""
            raise ValueError(f"{name}: Expected input to be 2D or 3D, got {axes}D{tensor} instead")
        kind = "batched" if axes == 3 else "unbatched"
        if hx is None:
            return axes == 3
        if name == "LSTM":
            if hx[0].dim() != axes or hx[1].dim() != axes:
                got = f"({hx[0].dim()}-D, {hx[1].dim()}-D)"
                raise RuntimeError(
                    f"For {kind} {axes}-D input, hx and cx should also be {axes}-D but got {got} tensors"
                )
        elif hx.dim() != axes:
            raise RuntimeError(f"For {kind} {axes}-D input, hx should also be {axes}-D but got {hx.dim()}-D tensor")
        return axes == 3

    def _state(self, input: Tensor, batch: int, hx: Any, batched: bool) -> State:
        """The state to start from, with a batch axis, after checking it and the input."""
        weight = self.weight_ih_l0
        if input.dtype is not weight.dtype:
            raise ValueError(
                f"RNN input dtype ({input.dtype}) does not match weight dtype ({weight.dtype}). Convert input: "
                f"input.to({weight.dtype}), or convert model: model.to({input.dtype})"
            )
        if input.size(-1) != self.input_size:
            raise RuntimeError(
                f"input.size(-1) must be equal to input_size. Expected {self.input_size}, got {input.size(-1)}"
            )
        rows = self.num_layers * (2 if self.bidirectional else 1)
        widths = (self.proj_size or self.hidden_size, self.hidden_size)[: 2 if self.mode == "LSTM" else 1]
        if hx is None:
            return tuple(ops.zeros(rows, batch, width, dtype=input.dtype) for width in widths)
        state = tuple(hx) if self.mode == "LSTM" else (hx,)
        if not batched:
            state = tuple(part.unsqueeze(1) for part in state)
        for place, (part, width) in enumerate(zip(state, widths, strict=True)):
            if tuple(part.shape) != (rows, batch, width):
                which = f"hidden[{place}]" if self.mode == "LSTM" else "hidden"
                raise RuntimeError(f"Expected {which} size {(rows, batch, width)}, got {list(part.shape)}")
        return state

    def _run(self, steps: Tensor, sizes: list[int], state: State) -> tuple[Tensor, State]:
        """Run all layers over the steps, one after the other (sum of sizes, width), each with `sizes` sequences."""
        directions = 2 if self.bidirectional else 1
        last: list[State] = []
        for layer in range(self.num_layers):
            if layer > 0 and self.training and self.dropout > 0:
                steps = F.dropout(steps, self.dropout)
            written = []
            for direction in range(directions):
                row = layer * directions + direction
                start = tuple(part[row] for part in state)
                output, end = self._scan(steps, sizes, start, self.all_weights[row], backwards=direction == 1)
                written.append(output)
                last.append(end)
            steps = written[0] if directions == 1 else ops.cat(written, -1)
        return steps, tuple(ops.stack(parts) for parts in zip(*last, strict=True))

    def _scan(
        self, steps: Tensor, sizes: list[int], state: State, weights: list[Tensor], backwards: bool
    ) -> tuple[Tensor, State]:
        """Run one direction of one layer: the outputs, and the last state of each sequence."""
        weight_ih, weight_hh, *others = weights
        bias_ih, bias_hh = others[:2] if self.bias else (None, None)
        contributions = F.linear(steps, weight_ih, bias_ih)  # One product for all steps.
        fused = self.mode in ("LSTM", "GRU") and not self.proj_size and sizes[0] == sizes[-1] and not open_levels.get()
        if fused:
            bias = ops.zeros(weight_hh.size(0), dtype=weight_hh.dtype) if bias_hh is None else bias_hh
            contributions = contributions.unflatten(0, (len(sizes), sizes[0]))
            return _at_once(contributions, state, weight_hh, bias, backwards)
        projection = others[-1] if self.proj_size else None
        advance = _STEPS[self.mode]

        def step(contribution: Tensor, state: State) -> State:
            state = advance(contribution, F.linear(state[0], weight_hh, bias_hh), state)
            return state if projection is None else (F.linear(state[0], projection), state[1])

        outputs, state = _one_by_one(step, list(contributions.split(sizes)), state, backwards)
        return ops.cat(outputs), state


def _at_once(x: Tensor, state: State, weight: Tensor, bias: Tensor, backwards: bool) -> tuple[Tensor, State]:
    """All steps of sequences of one length, (T, N, gates), by the fused operations."""
    x = x.flip(0) if backwards else x
    states = (lstm if len(state) == 2 else gru)(x, *state, weight, bias)[0]
    parts = states.unbind(0) if len(state) == 2 else (states,)
    hidden = parts[0].flip(0) if backwards else parts[0]
    return hidden.flatten(0, 1), tuple(part[-1] for part in parts)


def _one_by_one(
    step: Callable[[Tensor, State], State], contributions: list[Tensor], state: State, backwards: bool
) -> tuple[list[Tensor], State]:
    """Step by step. Sequences that end early leave the state, or join it when going backwards."""
    outputs, ended = [], []
    waiting = state
    if backwards:
        contributions = contributions[::-1]
        state = tuple(part[: contributions[0].size(0)] for part in waiting)
    for contribution in contributions:
        size, present = contribution.size(0), state[0].size(0)
        if size > present:
            state = tuple(ops.cat([part, more[present:size]]) for part, more in zip(state, waiting, strict=True))
        elif size < present:
            ended.append(tuple(part[size:] for part in state))
            state = tuple(part[:size] for part in state)
        state = step(contribution, state)
        outputs.append(state[0])
    if ended:
        state = tuple(ops.cat(parts) for parts in zip(state, *reversed(ended), strict=True))
    return outputs[::-1] if backwards else outputs, state


class RNN(RNNBase):
    """h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or with relu; the arguments are those of RNNBase.

    Example:
        >>> import rushlight as torch
        >>> output, h = torch.nn.RNN(10, 20, num_layers=2)(torch.zeros(5, 3, 10))
        >>> output.shape, h.shape
        (torch.Size([5, 3, 20]), torch.Size([2, 3, 20]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"Unknown nonlinearity '{nonlinearity}'. Select from 'tanh' or 'relu'.")
        mode = f"RNN_{nonlinearity.upper()}"
        sizes = input_size, hidden_size, num_layers
        super().__init__(mode, *sizes, bias, batch_first, dropout, bidirectional, device=device, dtype=dtype)
        self.nonlinearity = nonlinearity


class LSTM(RNNBase):
    """c' = σ(f) c + σ(i) tanh(g), h' = σ(o) tanh(c'); i, f, g, o are the four parts of W_ih x + b_ih + W_hh h + b_hh.

    The state is (h, c). The arguments are those of RNNBase.

    Example:
        >>> import rushlight as torch
        >>> output, (h, c) = torch.nn.LSTM(10, 20, bidirectional=True)(torch.zeros(5, 3, 10))
        >>> output.shape, h.shape, c.shape
        (torch.Size([5, 3, 40]), torch.Size([2, 3, 20]), torch.Size([2, 3, 20]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        sizes = input_size, hidden_size, num_layers
        super().__init__("LSTM", *sizes, bias, batch_first, dropout, bidirectional, proj_size, device, dtype)


class GRU(RNNBase):
    """h' = (1 - z) n + z h, n = tanh(n_x + r n_h), with gates r = σ(r_x + r_h), z = σ(z_x + z_h).

    r_x, z_x, n_x are the three parts of W_ih x + b_ih, and r_h, z_h, n_h those of W_hh h + b_hh. The arguments are
    those of RNNBase.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        sizes = input_size, hidden_size, num_layers
        super().__init__("GRU", *sizes, bias, batch_first, dropout, bidirectional, device=device, dtype=dtype)


class RNNCellBase(Layer):
    """One step of a recurrent network; `num_chunks` is the number of its gates.

    Shape:
        (N, input_size) and (N, hidden_size), or without N → (N, hidden_size).
    """

    shown = "{input_size}, {hidden_size}"
    shown_if_changed: ClassVar[dict[str, Any]] = {"bias": True}

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool, num_chunks: int, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        gates = num_chunks * hidden_size
        for name, shape in (("weight_ih", (gates, input_size)), ("weight_hh", (gates, hidden_size))):
            setattr(self, name, new_parameter(*shape, device=device, dtype=dtype))
        for name in ("bias_ih", "bias_hh"):
            self.register_parameter(name, new_parameter(gates, device=device, dtype=dtype) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        reset_by_hidden_size(self, self.hidden_size)

    def _advance(self, step: Callable[[Tensor, Tensor, State], State], input: Tensor, state: State | None) -> State:
        """One step from `state`, zeros by default; the lstm's has two parts."""
        name = type(self).__name__
        if input.dim() not in (1, 2):
            raise ValueError(f"{name}: Expected input to be 1D or 2D, got {input.dim()}D instead")
        parts = 2 if step is lstm_step else 1
        for place, part in enumerate(state or ()):
            if part.dim() not in (1, 2):
                which = f"hx[{place}]" if parts == 2 else "hidden"
                raise ValueError(f"{name}: Expected {which} to be 1D or 2D, got {part.dim()}D instead")
        if state is None:
            state = (ops.zeros(*input.shape[:-1], self.hidden_size, dtype=input.dtype),) * parts
        from_input = F.linear(input, self.weight_ih, self.bias_ih)
        return step(from_input, F.linear(state[0], self.weight_hh, self.bias_hh), state)


class RNNCell(RNNCellBase):
    """One step of an RNN: h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or with relu."""

    shown_if_changed = {"bias": True, "nonlinearity": "tanh"}

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """The next state."""
        if self.nonlinearity not in ("tanh", "relu"):
            raise RuntimeError(f"Unknown nonlinearity: {self.nonlinearity}")
        return self._advance(rnn_step(getattr(ops, self.nonlinearity)), input, None if hx is None else (hx,))[0]


class LSTMCell(RNNCellBase):
    """One step of an LSTM; see there. The state is (h, c)."""

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> State:
        """The next state."""
        return self._advance(lstm_step, input, hx)


class GRUCell(RNNCellBase):
    """One step of a GRU; see there."""

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """The next state."""
        return self._advance(gru_step, input, None if hx is None else (hx,))[0]
