"""Grad mode and inference mode in every form, run with PyTorch and with Rushlight."""

from __future__ import annotations

import threading

import pytest

from .both import Programs, assert_same, fails, name

programs = Programs()


def modes(torch):
    return torch.is_grad_enabled(), torch.is_inference_mode_enabled()


MODES = {
    "no_grad": lambda torch: torch.no_grad(),
    "enable_grad": lambda torch: torch.enable_grad(),
    "set_grad_enabled_true": lambda torch: torch.set_grad_enabled(True),
    "set_grad_enabled_false": lambda torch: torch.set_grad_enabled(False),
    "inference_mode": lambda torch: torch.inference_mode(),
    "inference_mode_false": lambda torch: torch.inference_mode(False),
}

DECORATORS = MODES | {
    "no_grad_bare": lambda torch: torch.no_grad,
    "enable_grad_bare": lambda torch: torch.enable_grad,
    "inference_mode_bare": lambda torch: torch.inference_mode,
}


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_context(mode):
    def program(torch):
        yield modes(torch)
        with mode(torch) as entered:
            yield entered is None
            yield modes(torch)
            x = torch.ones(2, requires_grad=True)
            y = x * 2
            yield x.requires_grad, y.requires_grad, y.is_leaf, y.is_inference()
        yield modes(torch)

    assert_same(program)


@pytest.mark.parametrize("inner", MODES.values(), ids=MODES)
@pytest.mark.parametrize("outer", MODES.values(), ids=MODES)
def test_nesting(outer, inner):
    def program(torch):
        with outer(torch):
            yield modes(torch)
            with inner(torch):
                yield modes(torch)
                yield (torch.ones(1) * 1).is_inference()
            yield modes(torch)
        yield modes(torch)

    assert_same(program)


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_left_by_an_exception(mode):
    def program(torch):
        try:
            with mode(torch):
                raise KeyError
        except KeyError:
            yield modes(torch)

    assert_same(program)


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_one_instance_used_again_and_within_itself(mode):
    def program(torch):
        manager = mode(torch)
        for _ in range(2):
            with manager:
                yield modes(torch)
            yield modes(torch)

    assert_same(program)


@pytest.mark.parametrize("mode", DECORATORS.values(), ids=DECORATORS)
def test_decorator(mode):
    def program(torch):
        @mode(torch)
        def function(a, *, b=1):
            """What it does."""
            return a, b, modes(torch)

        yield modes(torch)
        yield function(1, b=2)
        yield function.__name__, function.__doc__
        yield modes(torch)
        with torch.no_grad():
            yield function(3)
            yield modes(torch)

    assert_same(program)


@pytest.mark.parametrize("mode", DECORATORS.values(), ids=DECORATORS)
def test_decorated_recursion(mode):
    def program(torch):
        @mode(torch)
        def function(depth):
            if depth:
                with torch.enable_grad():
                    inner = function(depth - 1)
                return [modes(torch), *inner]
            return [modes(torch)]

        yield function(3)
        yield modes(torch)

    assert_same(program)


@pytest.mark.parametrize("mode", DECORATORS.values(), ids=DECORATORS)
def test_decorated_generator(mode):
    def program(torch):
        @mode(torch)
        def generator():
            log.append(modes(torch))
            try:
                got = yield 1
                log.append((got, modes(torch)))
            except ValueError:
                log.append(("thrown", modes(torch)))
            try:
                yield 2
            finally:
                log.append(("closed", modes(torch)))
            return "end"

        for how in ("run", "send", "throw", "close"):
            log = []
            running = generator()
            log.append(next(running))
            log.append(modes(torch))
            if how == "send":
                log.append(running.send("sent"))
            elif how == "throw":
                log.append(running.throw(ValueError()))
            elif how == "run":
                log.extend(running)
            running.close()
            yield log
            yield modes(torch)

    assert_same(program)


@pytest.mark.parametrize("mode", DECORATORS.values(), ids=DECORATORS)
def test_decorated_class(mode):
    def program(torch):
        class Thing:
            def __init__(self):
                self.seen = modes(torch)

            def method(self):
                return modes(torch)

        decorated = mode(torch)(Thing)
        made = decorated()
        yield made.seen, made.method()

    assert_same(program)


@pytest.mark.parametrize("program", programs, ids=name)
def test_modes(program):
    assert_same(program)


@programs
def set_grad_enabled_as_a_function(torch):
    torch.set_grad_enabled(False)
    yield modes(torch)
    torch.set_grad_enabled(mode=True)
    yield modes(torch)


@programs
def set_grad_enabled_takes_effect_before_with(torch):
    manager = torch.set_grad_enabled(False)
    yield modes(torch)
    with manager:
        yield modes(torch)
    yield modes(torch)


@programs
def set_grad_enabled_by_a_condition(torch):
    x = torch.ones(1, requires_grad=True)
    for training in (True, False):
        with torch.set_grad_enabled(training):
            yield (x * 2).requires_grad


@programs
def threads_have_their_own_mode(torch):
    log = []

    def other():
        log.append(modes(torch))
        with torch.no_grad():
            log.append(modes(torch))

    with torch.no_grad():
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        yield modes(torch)
    yield log
    yield modes(torch)


@programs
def graphs_in_several_threads(torch):
    results = [None] * 4

    def work(place):
        x = torch.full((3,), float(place), requires_grad=True)
        y = x
        for _ in range(20):
            y = (y * 0.5).sin() + x
        y.sum().backward()
        results[place] = x.grad

    threads = [threading.Thread(target=work, args=(place,)) for place in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    yield results


@programs
def backward_in_another_thread(torch):
    x = torch.tensor(2.0, requires_grad=True)
    y = x * x
    thread = threading.Thread(target=y.backward)
    thread.start()
    thread.join()
    yield x.grad


@programs
def backward_under_no_grad(torch):
    x = torch.tensor(2.0, requires_grad=True)
    y = x * x
    with torch.no_grad():
        y.backward()
    yield x.grad
    yield modes(torch)


@programs
def mode_inside_hooks(torch):
    x = torch.tensor(2.0, requires_grad=True)
    log = []
    y = x * x
    y.register_hook(lambda g: log.append((modes(torch), g.requires_grad)))
    y.backward(retain_graph=True)
    y.backward(create_graph=True)
    yield log
    yield modes(torch)


@programs
def enable_grad_inside_no_grad(torch):
    x = torch.tensor(2.0, requires_grad=True)
    with torch.no_grad():
        a = x * 2
        with torch.enable_grad():
            b = x * 3
    yield a
    yield b
    b.backward()
    yield x.grad


@programs
def part_without_recording(torch):
    x = torch.tensor(2.0, requires_grad=True)
    with torch.no_grad():
        factor = x.exp()
    (x * factor).backward()
    yield x.grad


# Inference tensors


@programs
def inference_tensors(torch):
    x = torch.ones(2, requires_grad=True)
    with torch.inference_mode():
        y = x * 2
        yield y.is_inference(), y.requires_grad, x.is_inference()
        v = x.view(2)
        yield v.is_inference()
        z = torch.ones(2)
        yield z.is_inference()
        z.requires_grad_()
        yield z.requires_grad
    yield (
        y.is_inference(),
        (y * 2).is_inference(),
        y.clone().is_inference(),
        y[0].is_inference(),
        y.detach().is_inference(),
    )


@programs
def inference_tensor_saved(torch):
    with torch.inference_mode():
        y = torch.ones(2)
    x = torch.ones(2, requires_grad=True)
    yield fails(lambda: x * y)
    yield x + y
    (x + y).sum().backward()
    yield x.grad


@programs
def inference_tensor_changed_in_place(torch):
    with torch.inference_mode():
        y = torch.ones(2)
        y.mul_(2)
        yield y
    yield fails(lambda: y.mul_(2))
    yield fails(lambda: y.fill_(2))
    yield fails(lambda: y.__setitem__(0, 5.0))
    with torch.no_grad():
        yield fails(lambda: y.mul_(2))
    with torch.inference_mode():  # an error comes after the change in PyTorch, before it in Rushlight: begin anew
        y.copy_(torch.zeros(2)).add_(1)
    yield y


@programs
def inference_tensor_requires_grad(torch):
    with torch.inference_mode():
        y = torch.ones(2)
    yield fails(lambda: y.requires_grad_())
    yield fails(lambda: y.requires_grad_(False))


@programs
def inference_tensor_version(torch):
    with torch.inference_mode():
        y = torch.ones(2)
        yield fails(lambda: y._version)
    yield fails(lambda: y._version)


@programs
def inference_tensor_cloned(torch):
    with torch.inference_mode():
        y = torch.ones(2)
    c = y.clone().requires_grad_()
    (c * c).sum().backward()
    yield c.grad


@programs
def normal_tensor_changed_in_inference_mode(torch):
    x = torch.ones(2)
    with torch.inference_mode():
        x.mul_(3)
        yield x.is_inference()
    yield x
    yield x._version


@programs
def saved_value_changed_in_inference_mode(torch):
    x = torch.ones(2, requires_grad=True)
    y = x.exp()
    with torch.inference_mode():
        y.mul_(2)
    y.sum().backward()


@programs
def leaf_changed_in_inference_mode(torch):
    x = torch.ones(2, requires_grad=True)
    with torch.inference_mode():
        x.mul_(3)
    yield x
    (x * x).sum().backward()
    yield x.grad


@programs
def view_made_in_inference_mode(torch):
    x = torch.ones(2, requires_grad=True)
    y = x * 1
    with torch.inference_mode():
        v = y[:1]
    yield v.is_inference(), v.requires_grad
    yield fails(lambda: v.mul_(2))


@programs
def backward_in_inference_mode(torch):
    with torch.inference_mode():
        x = torch.ones(2, requires_grad=True)
        y = (x * 2).sum()
        yield y.requires_grad
        yield fails(lambda: y.backward())
