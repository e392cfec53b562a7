"""Recurrent networks, attention and transformers next to PyTorch's, and sequences padded and packed."""

from __future__ import annotations

import numpy as np
import pytest

from .both import assert_same

CLOSE = {"rtol": 2e-5, "atol": 2e-6}


def tensor(t, *shape, seed=0, grad=False):
    values = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    return t.tensor(values, requires_grad=grad)


def flat(value):
    """The tensors in nested tuples."""
    if isinstance(value, tuple):
        return [part for item in value for part in flat(item)]
    return [] if value is None else [value]


def run(layer, *inputs, **options):
    """Form, outputs and all gradients of a call."""
    outputs = flat(layer(*inputs, **options))
    sum((output * output).sum() for output in outputs if output.requires_grad).backward()
    gradients = [tensor.grad for tensor in flat(inputs) if tensor.requires_grad]
    return repr(layer), outputs, gradients, [(name, p, p.grad) for name, p in layer.named_parameters()]


def made(t, name, *arguments, **options):
    t.manual_seed(0)
    return getattr(t.nn, name)(*arguments, **options)


NETWORKS = [
    ("RNN", {}),
    ("RNN", {"nonlinearity": "relu", "num_layers": 2}),
    ("RNN", {"bidirectional": True, "bias": False}),
    ("LSTM", {}),
    ("LSTM", {"num_layers": 2, "bidirectional": True, "batch_first": True}),
    ("LSTM", {"proj_size": 2, "num_layers": 2}),
    ("LSTM", {"proj_size": 2, "bidirectional": True, "bias": False}),
    ("GRU", {}),
    ("GRU", {"num_layers": 2, "bidirectional": True, "bias": False}),
]
IDS = [f"{name}-{'-'.join(map(str, options.items()))}" for name, options in NETWORKS]


def state_for(t, name, options, batch):
    rows = options.get("num_layers", 1) * (2 if options.get("bidirectional") else 1)
    shape = (rows, batch) if batch else (rows,)
    h = tensor(t, *shape, options.get("proj_size", 4), seed=1, grad=True)
    return (h, tensor(t, *shape, 4, seed=2, grad=True)) if name == "LSTM" else h


@pytest.mark.parametrize(("name", "options"), NETWORKS, ids=IDS)
def test_recurrent(name, options):
    assert_same(lambda t: run(made(t, name, 3, 4, **options), tensor(t, 5, 2, 3, grad=True)), **CLOSE)


@pytest.mark.parametrize(("name", "options"), NETWORKS, ids=IDS)
def test_recurrent_from_a_state(name, options):
    batch = 5 if options.get("batch_first") else 2
    assert_same(
        lambda t: run(
            made(t, name, 3, 4, **options), tensor(t, 5, 2, 3, grad=True), state_for(t, name, options, batch)
        ),
        **CLOSE,
    )


@pytest.mark.parametrize(("name", "options"), NETWORKS, ids=IDS)
def test_recurrent_unbatched(name, options):
    assert_same(
        lambda t: run(made(t, name, 3, 4, **options), tensor(t, 5, 3, grad=True), state_for(t, name, options, 0)),
        **CLOSE,
    )


@pytest.mark.parametrize("sort", [True, False])
@pytest.mark.parametrize(("name", "options"), NETWORKS, ids=IDS)
def test_recurrent_packed(name, options, sort):
    def function(t):
        rnn = t.nn.utils.rnn
        x = tensor(t, 5, 3, 3, grad=True)
        packed = rnn.pack_padded_sequence(x, [5, 3, 1] if sort else [3, 5, 1], enforce_sorted=sort)
        output, state = made(t, name, 3, 4, **options)(packed, state_for(t, name, options, 3))
        padded, lengths = rnn.pad_packed_sequence(output)
        padded.sum().backward()
        return padded, lengths, flat(state), x.grad

    assert_same(function, **CLOSE)


def test_dropout_between_layers():
    def function(t):
        layer = made(t, "LSTM", 3, 4, num_layers=3, dropout=0.5)
        t.manual_seed(1)
        x = tensor(t, 5, 2, 3)
        return flat(layer(x)), flat(layer.eval()(x))

    assert_same(function, **CLOSE)


@pytest.mark.parametrize("name", ["RNNCell", "LSTMCell", "GRUCell"])
@pytest.mark.parametrize("batch", [(2,), ()])
@pytest.mark.parametrize("bias", [True, False])
def test_cells(name, batch, bias):
    def function(t):
        cell = made(t, name, 3, 4, bias)
        h = tensor(t, *batch, 4, seed=1, grad=True)
        state = (h, tensor(t, *batch, 4, seed=2, grad=True)) if name == "LSTMCell" else h
        return run(cell, tensor(t, *batch, 3, grad=True), state), flat(cell(tensor(t, *batch, 3)))

    assert_same(function, **CLOSE)


def test_cell_form():
    assert_same(lambda t: repr(t.nn.RNNCell(1, 2, nonlinearity="relu")))


REFUSED = {
    "dropout": lambda t: t.nn.LSTM(3, 4, dropout=2),
    "dropout of one layer": lambda t: repr(t.nn.LSTM(3, 4, dropout=0.5)),
    "no size": lambda t: t.nn.GRU(0, 4),
    "float size": lambda t: t.nn.GRU(3.0, 4),
    "no hidden": lambda t: t.nn.GRU(3, 0),
    "no layers": lambda t: t.nn.GRU(3, 4, 0),
    "bias": lambda t: t.nn.GRU(3, 4, bias=1),
    "projection": lambda t: t.nn.LSTM(3, 4, proj_size=4),
    "negative projection": lambda t: t.nn.LSTM(3, 4, proj_size=-1),
    "nonlinearity": lambda t: t.nn.RNN(3, 4, nonlinearity="gelu"),
    "mode": lambda t: t.nn.RNNBase("RNN", 3, 4),
    "rnn input axes": lambda t: t.nn.RNN(3, 4)(t.ones(3)),
    "lstm input axes": lambda t: t.nn.LSTM(3, 4)(t.ones(3)),
    "input width": lambda t: t.nn.GRU(3, 4)(t.ones(5, 2, 7)),
    "input dtype": lambda t: t.nn.GRU(3, 4)(t.ones(5, 2, 3, dtype=t.float64)),
    "hidden axes": lambda t: t.nn.GRU(3, 4)(t.ones(5, 2, 3), t.ones(1, 4)),
    "hidden axes unbatched": lambda t: t.nn.RNN(3, 4)(t.ones(5, 3), t.ones(1, 1, 4)),
    "lstm hidden axes": lambda t: t.nn.LSTM(3, 4)(t.ones(5, 2, 3), (t.ones(1, 4), t.ones(1, 4))),
    "hidden size": lambda t: t.nn.GRU(3, 4)(t.ones(5, 2, 3), t.ones(1, 3, 4)),
    "lstm hidden size": lambda t: t.nn.LSTM(3, 4)(t.ones(5, 2, 3), (t.ones(1, 2, 4), t.ones(1, 2, 5))),
    "cell axes": lambda t: t.nn.GRUCell(3, 4)(t.ones(1, 2, 3)),
    "cell hidden axes": lambda t: t.nn.LSTMCell(3, 4)(t.ones(2, 3), (t.ones(2, 4), t.ones(1, 1, 4))),
    "cell nonlinearity": lambda t: t.nn.RNNCell(3, 4, nonlinearity="gelu")(t.ones(2, 3)),
    "attention heads": lambda t: t.nn.MultiheadAttention(4, 3),
    "attention sizes": lambda t: t.nn.MultiheadAttention(0, 3),
    "attention axes": lambda t: t.nn.MultiheadAttention(4, 2)(*[t.ones(1, 2, 3, 4)] * 3),
    "attention width": lambda t: t.nn.MultiheadAttention(4, 2)(*[t.ones(2, 3, 6)] * 3),
    "attention integer mask": lambda t: t.nn.MultiheadAttention(4, 2)(
        *[t.ones(2, 3, 4)] * 3, attn_mask=t.ones(2, 2, dtype=t.int64)
    ),
    "transformer activation": lambda t: t.nn.TransformerEncoderLayer(4, 2, activation="tanh"),
    "transformer width": lambda t: t.nn.Transformer(4, 2, 1, 1, 8)(t.ones(2, 3, 4), t.ones(2, 3, 5)),
    "transformer batch": lambda t: t.nn.Transformer(4, 2, 1, 1, 8)(t.ones(2, 3, 4), t.ones(2, 2, 4)),
    "unsorted": lambda t: t.nn.utils.rnn.pack_padded_sequence(t.ones(3, 2, 1), [1, 3]),
    "no length": lambda t: t.nn.utils.rnn.pack_padded_sequence(t.ones(3, 2, 1), [3, 0]),
    "lengths": lambda t: t.nn.utils.rnn.pack_padded_sequence(t.ones(3, 2, 1), [3]),
    "pad nothing": lambda t: t.nn.utils.rnn.pad_sequence([]),
    "pad number": lambda t: t.nn.utils.rnn.pad_sequence(3),
    "pad side": lambda t: t.nn.utils.rnn.pad_sequence([t.ones(1)], padding_side="top"),
    "too short": lambda t: t.nn.utils.rnn.pad_packed_sequence(
        t.nn.utils.rnn.pack_sequence([t.ones(3)]), total_length=2
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case):
    assert_same(REFUSED[case])


REFUSED_SHORTLY = {
    "attention key axes": lambda t: t.nn.MultiheadAttention(4, 2)(t.ones(2, 3, 4), t.ones(2, 4), t.ones(2, 4)),
    "attention mask": lambda t: t.nn.MultiheadAttention(4, 2)(*[t.ones(2, 3, 4)] * 3, attn_mask=t.ones(5, 5)),
    "attention causal": lambda t: t.nn.MultiheadAttention(4, 2)(*[t.ones(2, 3, 4)] * 3, is_causal=True),
}


@pytest.mark.parametrize("case", REFUSED_SHORTLY)
def test_refused_with_the_same_beginning(case):
    assert_same(REFUSED_SHORTLY[case], words=32)


def attend(t, options, call, batched=True):
    layer = made(t, "MultiheadAttention", 8, 2, **options)
    batch = (3,) if batched else ()
    first, second = ((*batch, 5), (*batch, 4)) if options.get("batch_first") else ((5, *batch), (4, *batch))
    query = tensor(t, *first, 8, grad=True)
    key = tensor(t, *second, options.get("kdim", 8), seed=1, grad=True)
    value = tensor(t, *second, options.get("vdim", 8), seed=2, grad=True)
    return run(layer, query, key, value, **call(t))


MASK = np.random.default_rng(5).uniform(size=(5, 4)) < 0.3
PADDING = np.array([[False] * 4, [False, False, False, True], [False, True, True, True]])
ATTENTIONS = {
    "plain": ({}, lambda t: {}),
    "no weights": ({}, lambda t: {"need_weights": False}),
    "batch first": ({"batch_first": True}, lambda t: {}),
    "weights of heads": ({"bias": False}, lambda t: {"average_attn_weights": False}),
    "other widths": ({"kdim": 6, "vdim": 7}, lambda t: {}),
    "bias of keys": ({"add_bias_kv": True, "add_zero_attn": True}, lambda t: {}),
    "bias of keys and mask": ({"add_bias_kv": True}, lambda t: {"attn_mask": t.tensor(MASK)}),
    "boolean mask": ({}, lambda t: {"attn_mask": t.tensor(MASK)}),
    "boolean mask, no weights": ({}, lambda t: {"attn_mask": t.tensor(MASK), "need_weights": False}),
    "float mask": ({}, lambda t: {"attn_mask": t.tensor(MASK * -2.0, dtype=t.float32)}),
    "mask of each head": ({}, lambda t: {"attn_mask": t.tensor(np.stack([MASK] * 6))}),
    "padding": ({}, lambda t: {"key_padding_mask": t.tensor(PADDING)}),
    "padding, no weights": ({}, lambda t: {"key_padding_mask": t.tensor(PADDING), "need_weights": False}),
    "both masks": (
        {},
        lambda t: {"key_padding_mask": t.tensor(PADDING), "attn_mask": t.tensor(MASK * -1.0, dtype=t.float32)},
    ),
    "zero position and padding": ({"add_zero_attn": True}, lambda t: {"key_padding_mask": t.tensor(PADDING)}),
}


@pytest.mark.parametrize("case", ATTENTIONS)
def test_attention(case):
    assert_same(lambda t: attend(t, *ATTENTIONS[case]), **CLOSE)


def test_attention_unbatched():
    assert_same(lambda t: attend(t, {}, lambda t: {"attn_mask": t.tensor(MASK)}, batched=False), **CLOSE)


def test_attention_dropout_draws_the_same():
    def function(t):
        layer = made(t, "MultiheadAttention", 8, 2, dropout=0.3)
        t.manual_seed(3)
        x = tensor(t, 5, 3, 8)
        return flat(layer(x, x, x))

    assert_same(function, **CLOSE)


def causal(t, length):
    return t.nn.Transformer.generate_square_subsequent_mask(length)


TRANSFORMERS = {
    "encoder layer": lambda t: run(
        made(t, "TransformerEncoderLayer", 8, 2, 16, dropout=0.0), tensor(t, 5, 3, 8, grad=True)
    ),
    "encoder layer norm first": lambda t: run(
        made(t, "TransformerEncoderLayer", 8, 2, 16, 0.0, "gelu", batch_first=True, norm_first=True, bias=False),
        tensor(t, 3, 5, 8, grad=True),
        causal(t, 5),
    ),
    "encoder layer masks": lambda t: run(
        made(t, "TransformerEncoderLayer", 8, 2, 16, 0.0, batch_first=True),
        tensor(t, 3, 4, 8, grad=True),
        src_key_padding_mask=t.tensor(PADDING),
    ),
    "encoder layer dropout": lambda t: run(
        made(t, "TransformerEncoderLayer", 8, 2, 16, dropout=0.4), tensor(t, 5, 3, 8, grad=True)
    ),
    "encoder layer activation module": lambda t: run(
        made(t, "TransformerEncoderLayer", 8, 2, 16, 0.0, t.nn.Tanh()), tensor(t, 5, 3, 8, grad=True)
    ),
    "decoder layer": lambda t: run(
        made(t, "TransformerDecoderLayer", 8, 2, 16, 0.0),
        tensor(t, 5, 3, 8, grad=True),
        tensor(t, 4, 3, 8, seed=1, grad=True),
    ),
    "decoder layer norm first": lambda t: run(
        made(t, "TransformerDecoderLayer", 8, 2, 16, 0.2, norm_first=True),
        tensor(t, 5, 3, 8, grad=True),
        tensor(t, 4, 3, 8, seed=1, grad=True),
        causal(t, 5),
        tgt_is_causal=True,
    ),
    "encoder": lambda t: run(
        t.nn.TransformerEncoder(
            made(t, "TransformerEncoderLayer", 8, 2, 16, 0.0), 2, t.nn.LayerNorm(8), enable_nested_tensor=False
        ),
        tensor(t, 5, 3, 8, grad=True),
        causal(t, 5),
    ),
    "transformer": lambda t: run(
        made(t, "Transformer", 8, 2, 1, 2, 16, 0.1, batch_first=True),
        tensor(t, 3, 5, 8, grad=True),
        tensor(t, 3, 4, 8, seed=1, grad=True),
        tgt_mask=causal(t, 4),
    ),
    "causal mask": lambda t: causal(t, 4),
}


@pytest.mark.parametrize("case", TRANSFORMERS)
def test_transformers(case):
    assert_same(TRANSFORMERS[case], rtol=1e-4, atol=1e-5)


def test_evaluation_is_training_without_dropout():
    assert_same(lambda t: made(t, "TransformerEncoderLayer", 8, 2, 16).eval()(tensor(t, 5, 3, 8)), rtol=1e-4, atol=1e-5)


def sequences(t):
    return [tensor(t, length, 2, seed=length) for length in (4, 2, 1)]


PADDED = {
    "pad": lambda t: t.nn.utils.rnn.pad_sequence(sequences(t)),
    "pad batch first": lambda t: t.nn.utils.rnn.pad_sequence(sequences(t), True, 7.0),
    "pad left": lambda t: t.nn.utils.rnn.pad_sequence(sequences(t), padding_side="left"),
    "unpad": lambda t: t.nn.utils.rnn.unpad_sequence(
        t.nn.utils.rnn.pad_sequence(sequences(t), True), t.tensor([4, 2, 1]), batch_first=True
    ),
    "pack": lambda t: tuple(t.nn.utils.rnn.pack_sequence(sequences(t))),
    "pack unsorted": lambda t: tuple(t.nn.utils.rnn.pack_sequence(sequences(t)[::-1], enforce_sorted=False)),
    "pack padded": lambda t: tuple(t.nn.utils.rnn.pack_padded_sequence(tensor(t, 3, 4, 2), t.tensor([4, 4, 2]), True)),
    "back": lambda t: t.nn.utils.rnn.pad_packed_sequence(
        t.nn.utils.rnn.pack_sequence(sequences(t)[::-1], enforce_sorted=False), True, -1.0, total_length=6
    ),
    "unpack": lambda t: t.nn.utils.rnn.unpack_sequence(t.nn.utils.rnn.pack_sequence(sequences(t))),
    "convert": lambda t: tuple(t.nn.utils.rnn.pack_sequence(sequences(t)).to(t.float64)),
    "invert": lambda t: t.nn.utils.rnn.invert_permutation(t.tensor([2, 0, 1])),
}


@pytest.mark.parametrize("case", PADDED)
def test_padded_and_packed(case):
    assert_same(PADDED[case])
