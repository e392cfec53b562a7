"""Selective checkpointing: which results a policy keeps, what it is told, its errors; on both libraries."""

from __future__ import annotations

import functools

import pytest

from .both import Programs, assert_same, fails, name

programs = Programs()


@pytest.mark.parametrize("program", programs, ids=name)
def test_selective_checkpoint(program):
    assert_same(program, rtol=1e-5)


def matrices(torch):
    x = torch.tensor([[1.0, 0.5], [0.25, 2.0]], requires_grad=True)
    return x, torch.tensor([[0.5, 1.5], [1.0, 0.75]], requires_grad=True)


def function(x, y):
    return ((x @ y) @ y).sigmoid() * y


def selective(torch, function, *args, policy, **options):
    cp = torch.utils.checkpoint
    context_fn = functools.partial(cp.create_selective_checkpoint_contexts, policy, **options)
    return cp.checkpoint(function, *args, use_reentrant=False, context_fn=context_fn)


POLICIES = {
    "products": lambda torch: [torch.ops.aten.mm.default],
    "several": lambda torch: [torch.ops.aten.mm.default, torch.ops.aten.sigmoid.default],
    "none": lambda torch: [],
    "everything": lambda torch: lambda context, op, *args, **kwargs: True,
    "nothing": lambda torch: lambda context, op, *args, **kwargs: False,
} | {
    policy: lambda torch, policy=policy: (
        lambda context, op, *args, **kwargs: getattr(torch.utils.checkpoint.CheckpointPolicy, policy)
    )
    for policy in ("MUST_SAVE", "PREFER_SAVE", "MUST_RECOMPUTE", "PREFER_RECOMPUTE", "MUST_CPU_OFFLOAD")
}


@pytest.mark.parametrize("case", POLICIES)
def test_gradients(case):
    def program(torch):
        x, y = matrices(torch)
        out = selective(torch, function, x, y, policy=POLICIES[case](torch))
        out.sum().backward(retain_graph=True)
        yield x.grad, y.grad
        yield fails(lambda: out.sum().backward())

    assert_same(program, rtol=1e-5)


@programs
def what_a_policy_is_told(torch):
    log = []

    def policy(context, op, *args, **kwargs):
        shapes = [list(arg.shape) for arg in args if hasattr(arg, "shape")]
        log.append((str(op), context.is_recompute, list(context.op_output.shape), shapes))
        return torch.utils.checkpoint.CheckpointPolicy.MUST_SAVE

    x, y = matrices(torch)
    out = selective(torch, function, x, y, policy=policy)
    yield log
    out.sum().backward()
    yield len(log), x.grad


@programs
def names_of_operations(torch):
    log = []

    def policy(context, op, *args, **kwargs):
        log.append(str(op))
        return False

    def many(x, y):
        x = x.relu().tanh().softmax(0).log_softmax(1)
        z = ((x + y) - y) / (y + 1) * x
        z = z**2 + z.mean(0) + z.sum()
        return torch.cat([z, z]).exp().clamp(0, 1).var()

    selective(torch, many, *matrices(torch), policy=policy)
    yield log
    aten = torch.ops.aten
    yield str(aten.mm), repr(aten.mm.default), aten.mm.default.name(), aten.mul.Tensor.name(), aten.mm.default.__name__
    yield aten.mm.default is aten.mm.default, aten.mm.default == aten.bmm.default
    yield aten.mm.default(*matrices(torch)), aten.exp(matrices(torch)[0])
    yield fails(lambda: aten.there_is_no_such_operation)


@programs
def names_of_layers(torch):
    F = torch.nn.functional
    log = []

    def policy(context, op, *args, **kwargs):
        name = str(op)
        if not any(
            word in name for word in ("view", "squeeze", ".t.", "expand", "transpose", "empty", "select", "lift")
        ):
            log.append(name)
        return False

    def layers(x, y):
        F.conv2d(x[None, None], y[None, None])
        F.max_pool2d(x[None, None], 2)
        F.adaptive_avg_pool2d(x[None, None], 1)
        F.batch_norm(x, None, None, training=True)
        F.layer_norm(x, (2,))
        F.embedding(torch.tensor([0, 1]), x)
        F.scaled_dot_product_attention(x[None, None], y[None, None], y[None, None])
        F.linear(x[None], y, y[0])
        return 1 - x[None] @ y

    selective(torch, layers, *matrices(torch), policy=policy)
    yield log


@programs
def kept_results_are_not_computed_again(torch):
    x, y = matrices(torch)
    factor = [1.0]

    def changing(x, y):
        return torch.mm(x, y * factor[0]).sin()

    out = selective(torch, changing, x, y, policy=[torch.ops.aten.mm.default])
    factor[0] = 3.0
    out.sum().backward()
    yield x.grad


@pytest.mark.parametrize("second", ["other_operation", "one_more"])
def test_second_call_differs(second):
    def program(torch):
        x, y = matrices(torch)
        first = [True]

        def varying(x, y):
            if first[0]:
                return torch.mm(x, y).sin().cos()
            if second == "one_more":
                return torch.mm(torch.mm(x, y), y).sin().cos()
            return torch.mm(x, y).exp().cos()

        out = selective(torch, varying, x, y, policy=[torch.ops.aten.mm.default])
        first[0] = False
        yield fails(lambda: out.sum().backward())

    assert_same(program)


@pytest.mark.parametrize("allowed", [True, False])
def test_kept_result_changed_in_place(allowed):
    def program(torch):
        def changing(x, y):
            z = torch.mm(x, y)
            w = z.sin()
            z.mul_(2)
            return w * y

        x, y = matrices(torch)
        policy = [torch.ops.aten.mm.default]
        out = selective(torch, changing, x, y, policy=policy, allow_cache_entry_mutation=allowed)
        yield fails(lambda: out.sum().backward())
        yield x.grad

    assert_same(program, rtol=1e-5)


@programs
def operations_with_several_results(torch):
    def function(x, y):
        return (x.max(0).values * torch.sort(y).values).exp()

    x, y = matrices(torch)
    out = selective(torch, function, x, y, policy=lambda context, op, *args, **kwargs: True)
    out.sum().backward()
    yield x.grad, y.grad


@programs
def errors_of_policies(torch):
    create = torch.utils.checkpoint.create_selective_checkpoint_contexts
    yield fails(lambda: create([torch.ops.aten.mm]))
    yield fails(lambda: create([torch.mm]))
    yield fails(lambda: create(3))
    yield {policy.name: policy.value for policy in torch.utils.checkpoint.CheckpointPolicy}


@programs
def a_model(torch):
    nn = torch.nn
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 3), nn.GELU(), nn.LayerNorm(3), nn.Linear(3, 2), nn.LogSoftmax(-1))
    x, _ = matrices(torch)
    out = selective(torch, model, x, policy=[torch.ops.aten.addmm.default, torch.ops.aten.native_layer_norm.default])
    (out * x).sum().backward()
    yield x.grad, [p.grad for p in model.parameters()]
