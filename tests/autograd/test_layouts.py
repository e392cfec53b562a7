"""In what order results lie in memory, which decides which of their views can be made."""

from __future__ import annotations

import pytest

from .both import assert_same

LAYOUTS = {
    "sum": lambda t, lib: t.sum(0),
    "mean": lambda t, lib: t.mean(-1),
    "var": lambda t, lib: t.var(1),
    "norm": lambda t, lib: t.norm(dim=1),
    "logsumexp": lambda t, lib: t.logsumexp(1),
    "amax": lambda t, lib: t.amax(0),
    "softmax": lambda t, lib: t.softmax(1),
    "log_softmax": lambda t, lib: t.log_softmax(1),
    "cumsum": lambda t, lib: t.cumsum(0),
    "cat": lambda t, lib: lib.cat([t, t]),
    "stack": lambda t, lib: lib.stack([t, t], 1),
    "roll": lambda t, lib: t.roll(1, 0),
    "flip": lambda t, lib: t.flip(0),
    "clone": lambda t, lib: t.clone(),
    "zeros_like": lambda t, lib: lib.zeros_like(t),
    "to": lambda t, lib: t.to(lib.float64),
    "to_bool": lambda t, lib: t.bool(),
    "tanh": lambda t, lib: t.tanh(),
    "clamp": lambda t, lib: t.clamp(1, 3),
    "gelu": lambda t, lib: lib.nn.functional.gelu(t),
    "gt": lambda t, lib: t > 1,
    "tril": lambda t, lib: t.tril(),
    "sort": lambda t, lib: t.sort(0)[0],
    "gather": lambda t, lib: t.gather(0, lib.zeros_like(t).long()),
    "index_add": lambda t, lib: t.index_add(0, lib.tensor([0]), t[:1]),
    "index_fill": lambda t, lib: t.index_fill(0, lib.tensor([0]), 1),
    "masked_fill": lambda t, lib: t.masked_fill(lib.ones(2, *t.shape).bool(), 1),
    "rows": lambda t, lib: t[[0, -1]],
    "columns": lambda t, lib: t[:, [0, -1]],
    "both": lambda t, lib: t[[0, -1], :, [0, 0]],
    "index_of_columns": lambda t, lib: t[lib.tensor([[0, 1], [0, 0], [1, 1]]).t()],
}

OF_TWO = {
    "add": lambda a, b, lib: a + b,
    "add_float64": lambda a, b, lib: a + b.double(),
    "from_float64": lambda a, b, lib: a.double() - b,
    "maximum": lambda a, b, lib: a.maximum(b),
    "where": lambda a, b, lib: lib.where(a > 3, b, a),
    "addcmul": lambda a, b, lib: b.addcmul(a, b),
    "lerp": lambda a, b, lib: a.lerp(b, 0.25),
    "eq": lambda a, b, lib: a == b,
    "clamp": lambda a, b, lib: a.clamp(min=b),
    "mse_loss": lambda a, b, lib: lib.nn.functional.mse_loss(a, b, reduction="none"),
    "smooth_l1_loss": lambda a, b, lib: lib.nn.functional.smooth_l1_loss(a, b, reduction="none"),
}


def arrangements(torch):
    """Tensors whose elements lie in all kinds of orders, with gaps, and at the same place."""
    cube = torch.arange(24.0).reshape(2, 3, 4)
    row, matrix = cube[:1].expand(2, 3, 4), cube[:, :1].expand(2, 3, 4)
    plain = cube, cube.permute(2, 0, 1), cube.transpose(1, 2), torch.arange(64.0).reshape(4, 4, 4).mT[::2, 1:]
    return *plain, row, matrix.mT, matrix.permute(2, 1, 0), cube.flatten().unfold(0, 3, 1).unfold(0, 2, 1)


@pytest.mark.parametrize("operation", LAYOUTS)
def test_of_one(operation):
    def program(torch):
        for t in arrangements(torch):
            yield LAYOUTS[operation](t, torch).stride()

    assert_same(program)


@pytest.mark.parametrize("operation", OF_TWO)
def test_of_two(operation):
    def program(torch):
        for a in arrangements(torch):
            for b in arrangements(torch):
                if a.shape == b.shape:
                    yield OF_TWO[operation](a, b, torch).stride()
            yield OF_TWO[operation](a, a[:1].mT.contiguous().mT, torch).stride()

    assert_same(program)


def test_axes_of_length_one():
    """Where operands are broadcast, the steps along axes of length 1 decide too."""

    def program(torch):
        column = torch.ones(3, 3).t()[:, :1].unsqueeze(1)
        for a, b in ((column, torch.ones(2, 1)), (torch.ones(2, 1), column)):
            yield (a + b).stride(), torch.where(a > 0, a, b).stride()

    assert_same(program)
