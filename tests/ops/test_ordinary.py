"""The ordinary call that is written out for each operation records just what the general way records."""

import gc
import itertools
import traceback

import numpy as np
import pytest

import rushlight as torch
from rushlight.autograd.modes import open_levels
from rushlight.ops.define import Op
from rushlight.ops.nodes import Saved
from rushlight.ops.ordinary import ordinary_call

F = torch.nn.functional
FLOAT = np.random.default_rng(0).standard_normal


def floats(*shape):
    return torch.tensor(FLOAT(shape).astype("float32"))


def whole(end, *shape):
    return torch.tensor(np.random.default_rng(1).integers(0, end, shape))


CALLS = {  # differentiable operands, then the call
    "sum of a line": ([floats(3, 4)], lambda x: x.sum(-1)),
    "several axes": ([floats(2, 3, 4)], lambda x: x.sum((0, 2), keepdim=True)),
    "two results": ([floats(3, 4)], lambda x: x.max(1)),
    "several results with derivatives": ([floats(4, 3)], lambda x: torch.linalg.qr(x)),
    "positions": ([floats(3, 4)], lambda x: x.gather(1, whole(4, 3, 4))),
    "a list": ([floats(2, 3), floats(1, 3), floats(2, 3)], lambda *x: torch.cat(x)),
    "a product": ([floats(2, 3), floats(3, 4)], torch.mm),
    "an affine map": ([floats(2, 3), floats(4, 3), floats(4)], F.linear),
    "an affine map without bias": ([floats(2, 3), floats(4, 3)], F.linear),
    "a convolution": ([floats(1, 2, 5, 5), floats(3, 2, 3, 3), floats(3)], lambda *x: F.conv2d(*x, padding=(1, 0))),
    "results kept aside": ([floats(3, 4), floats(4), floats(4)], lambda x, w, b: F.layer_norm(x, (4,), w, b)),
    "a loss": ([floats(3, 4)], lambda x: F.cross_entropy(x, whole(4, 3))),
    "broadcasting": ([floats(3, 4), floats(4), floats(3, 1)], torch.addcmul),
    "a condition": ([floats(3, 4), floats(4)], lambda x, y: torch.where(torch.ones(3, 4) > 0, x, y)),
    "a transposed operand": ([floats(4, 3)], lambda x: x.t().cumsum(0)),
    "distances": ([floats(3, 4), floats(3, 4)], lambda x, y: F.mse_loss(x, y)),
    "attention": ([floats(1, 2, 4, 8)] * 3, lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True)),
}


def recorded(result):
    """The tensors of a result with their nodes, and all that each node holds, in comparable form."""
    tensors = [result] if isinstance(result, torch.Tensor) else [*result]
    found = []
    for tensor in tensors:
        node = tensor.node
        held = None
        if node is not None:
            saved = node.saved if isinstance(node.saved, dict) else {}
            places = {name: comparable(value) for name, value in saved.items()}
            held = type(node).__name__, places, type(node.saved).__name__, comparable(node.fit)
        found.append((tensor.array.tobytes(), tensor.array.strides, str(tensor.dtype), tensor.requires_grad, held))
    return found


def comparable(value):
    """What a node keeps, in a form that is equal for equal contents."""
    assert not isinstance(value, torch.Tensor)
    if isinstance(value, Saved):
        place = value.place if isinstance(value.place, int) else type(value.place).__name__
        return type(value).__name__, value.array.tobytes(), value.version, place
    return [comparable(one) for one in value] if isinstance(value, (list, tuple)) else repr(value)


def gradients(result, inputs):
    """The gradients of a sum of all results."""
    tensors = [result] if isinstance(result, torch.Tensor) else [*result]
    reached = [tensor for tensor in tensors if tensor.requires_grad]
    if not reached:
        return []
    found = torch.autograd.grad(reached, inputs, [torch.ones_like(tensor) * 1.5 for tensor in reached])
    return [gradient.tolist() for gradient in found]


@pytest.mark.parametrize("case", CALLS)
def test_as_the_general_way(case):
    operands, call = CALLS[case]
    for wanted in itertools.product([False, True], repeat=len(operands)):
        inputs = [x.clone().requires_grad_(want) for x, want in zip(operands, wanted)]
        results = []
        for open_level in ((), (object(),)):  # with one open all calls go the general way
            token = open_levels.set(open_level)
            try:
                result = call(*inputs)
            finally:
                open_levels.reset(token)
            results.append((recorded(result), gradients(result, [x for x in inputs if x.requires_grad])))
        assert results[0] == results[1]


def test_tracebacks_show_what_is_written():
    with pytest.raises(RuntimeError) as caught:
        torch.mm(floats(2, 3), floats(2, 3))
    shown = "".join(traceback.format_exception(caught.value))
    assert 'File "<rushlight mm: mm>"' in shown
    assert "_compute(_array_input" in shown


def test_changed_operands_are_found():
    x = floats(3, 4).requires_grad_()
    y = x * 1
    loss = F.mse_loss(y, floats(3, 4)).sum()
    y += 1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_every_operation_can_be_written_out():
    declared = [found for found in gc.get_objects() if type(found) is Op and not found.fast]
    written = [spec for spec in declared if ordinary_call(spec, general) is not general]
    assert len(written) > len(declared) / 2


def general(*args, **kwargs):
    """What stands for the way of all calls that are not ordinary."""
