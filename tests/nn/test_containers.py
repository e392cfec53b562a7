"""Containers behave as PyTorch's: what they hold after each operation, what they print, and what they refuse."""

from __future__ import annotations

from collections import OrderedDict

import pytest

from .both import assert_same


def linears(t, *widths):
    """Layers that are told apart by their widths."""
    return [t.nn.Linear(1, width) for width in widths]


def after(container, *actions):
    """The container's form and state names after some actions, and what they returned."""
    returned = [action(container) for action in actions]
    return repr(container), list(container.state_dict()), len(container), returned


def sequential(t, *actions):
    return after(t.nn.Sequential(*linears(t, 1, 2, 3)), *actions)


def module_list(t, *actions):
    return after(t.nn.ModuleList(linears(t, 1, 2, 3)), *actions)


def module_dict(t, *actions):
    return after(t.nn.ModuleDict(dict(zip("abc", linears(t, 1, 2, 3), strict=True))), *actions)


def parameter_list(t, *actions):
    return after(t.nn.ParameterList([t.ones(1), t.nn.Parameter(t.zeros(2, 3)), "text"]), *actions)


def parameter_dict(t, *actions):
    return after(t.nn.ParameterDict(OrderedDict(b=t.ones(1), a=t.zeros(2), text="x")), *actions)


def delete(*keys):
    def action(container):
        for key in keys:
            del container[key]

    return action


def put(key, make):
    def action(container):
        container[key] = make()

    return action


CASES = {
    "sequential": lambda t: sequential(t),
    "sequential empty": lambda t: repr(t.nn.Sequential()),
    "sequential named": lambda t: after(t.nn.Sequential(OrderedDict(a=t.nn.ReLU(), b=t.nn.Linear(1, 1)))),
    "sequential nested": lambda t: repr(t.nn.Sequential(t.nn.Sequential(t.nn.ReLU()), t.nn.Sequential())),
    "sequential calls": lambda t: t.nn.Sequential(t.nn.ReLU(), t.nn.Flatten(0))(t.tensor([[-1.0, 2.0]])),
    "sequential of none": lambda t: t.nn.Sequential()(5),
    "sequential items": lambda t: sequential(t, lambda s: [s[0], s[-1], s[1:], s[::-1], list(s)]),
    "sequential named slice": lambda t: t.nn.Sequential(OrderedDict(a=t.nn.ReLU(), b=t.nn.Tanh()))[:1],
    "sequential subclass slice": lambda t: type(type("Mine", (t.nn.Sequential,), {})(t.nn.ReLU())[:1]).__name__,
    "sequential set": lambda t: sequential(t, put(-1, t.nn.ReLU)),
    "sequential delete": lambda t: sequential(t, delete(0)),
    "sequential delete slice": lambda t: sequential(t, delete(slice(0, 2))),
    "sequential append": lambda t: sequential(t, lambda s: s.append(t.nn.ReLU()) is s),
    "sequential extend": lambda t: sequential(t, lambda s: s.extend([t.nn.ReLU(), t.nn.Tanh()]) is s),
    "sequential insert": lambda t: sequential(t, lambda s: s.insert(1, t.nn.ReLU()) is s),
    "sequential insert end": lambda t: sequential(
        t, lambda s: s.insert(3, t.nn.ReLU()), lambda s: s.insert(-1, t.nn.Tanh())
    ),
    "sequential pop": lambda t: sequential(t, lambda s: s.pop(0)),
    "sequential add": lambda t: sequential(t, lambda s: s + t.nn.Sequential(t.nn.ReLU())),
    "sequential iadd": lambda t: sequential(t, lambda s: s.__iadd__(t.nn.Sequential(t.nn.ReLU())) is s),
    "sequential multiply": lambda t: sequential(t, lambda s: s * 2, lambda s: 2 * s),
    "sequential imultiply": lambda t: sequential(t, lambda s: s.__imul__(3) is s),
    "list": lambda t: module_list(t),
    "list empty": lambda t: repr(t.nn.ModuleList()),
    "list of equals": lambda t: repr(t.nn.ModuleList(linears(t, 1, 1, 2, 2, 2, 3))),
    "list of nested equals": lambda t: repr(t.nn.ModuleList([t.nn.Sequential(t.nn.ReLU()) for _ in range(2)])),
    "list items": lambda t: module_list(t, lambda m: [m[0], m[-1], m[1:], list(m)]),
    "list set": lambda t: module_list(t, put(0, t.nn.ReLU)),
    "list delete": lambda t: module_list(t, delete(1)),
    "list delete slice": lambda t: module_list(t, delete(slice(None, None, 2))),
    "list append": lambda t: module_list(t, lambda m: m.append(t.nn.ReLU()) is m),
    "list extend": lambda t: module_list(t, lambda m: m.extend(linears(t, 7)) is m),
    "list insert": lambda t: module_list(t, lambda m: m.insert(1, t.nn.ReLU())),
    "list pop": lambda t: module_list(t, lambda m: m.pop(-1)),
    "list add": lambda t: module_list(t, lambda m: m + linears(t, 9)),
    "list iadd": lambda t: module_list(t, lambda m: m.__iadd__(linears(t, 9)) is m),
    "dict": lambda t: module_dict(t),
    "dict views": lambda t: module_dict(
        t, lambda d: [list(d), list(d.keys()), list(d.values()), list(d.items()), "a" in d]
    ),
    "dict set": lambda t: module_dict(t, put("d", t.nn.ReLU), put("a", t.nn.Tanh)),
    "dict delete": lambda t: module_dict(t, delete("a")),
    "dict pop": lambda t: module_dict(t, lambda d: d.pop("b")),
    "dict clear": lambda t: module_dict(t, lambda d: d.clear()),
    "dict update": lambda t: module_dict(
        t, lambda d: d.update([("x", t.nn.ReLU())]), lambda d: d.update(t.nn.ModuleDict(d))
    ),
    "parameter list": lambda t: parameter_list(t),
    "parameter list kinds": lambda t: parameter_list(t, lambda p: [isinstance(v, t.nn.Parameter) for v in p]),
    "parameter list items": lambda t: parameter_list(t, lambda p: [p[0], p[-1], p[1:]]),
    "parameter list set": lambda t: parameter_list(t, put(0, lambda: t.zeros(3))),
    "parameter list append": lambda t: parameter_list(t, lambda p: p.append(t.ones(1)) is p),
    "parameter list extend": lambda t: parameter_list(t, lambda p: p.extend([t.ones(1), 3]) is p),
    "parameter list iadd": lambda t: parameter_list(t, lambda p: p.__iadd__([t.ones(1)]) is p),
    "parameter dict": lambda t: parameter_dict(t),
    "parameter dict sorted": lambda t: repr(t.nn.ParameterDict({"b": t.ones(1), "a": t.ones(2)})),
    "parameter dict pairs": lambda t: repr(t.nn.ParameterDict([("b", t.ones(1)), ("a", t.ones(2))])),
    "parameter dict views": lambda t: parameter_dict(
        t, lambda d: [list(d), list(d.keys()), list(d.values()), list(d.items()), list(reversed(d)), "a" in d]
    ),
    "parameter dict set": lambda t: parameter_dict(t, put("z", lambda: t.ones(4)), put("a", lambda: t.ones(5))),
    "parameter dict delete": lambda t: parameter_dict(t, delete("a")),
    "parameter dict get": lambda t: parameter_dict(t, lambda d: [d.get("a"), d.get("y"), d.get("y", 3)]),
    "parameter dict setdefault": lambda t: parameter_dict(
        t, lambda d: [d.setdefault("a", 1), d.setdefault("y", t.ones(1))]
    ),
    "parameter dict pop": lambda t: parameter_dict(t, lambda d: d.pop("a"), lambda d: list(d.popitem())),
    "parameter dict clear": lambda t: parameter_dict(t, lambda d: d.clear()),
    "parameter dict copy": lambda t: parameter_dict(t, lambda d: d.copy(), lambda d: d.copy() is d),
    "parameter dict fromkeys": lambda t: parameter_dict(t, lambda d: d.fromkeys(["p", "q"], t.ones(1))),
    "parameter dict or": lambda t: parameter_dict(t, lambda d: d | t.nn.ParameterDict({"n": t.ones(1)})),
    "parameter dict ior": lambda t: parameter_dict(t, lambda d: d.__ior__(t.nn.ParameterDict({"n": t.ones(1)})) is d),
    "dir": lambda t: [name for name in dir(t.nn.ParameterList([t.ones(1)])) if name.isdigit()],
}

REFUSED = {
    "sequential number": lambda t: t.nn.Sequential(1),
    "sequential function": lambda t: t.nn.Sequential(t.nn.ReLU(), "x"),
    "sequential index": lambda t: t.nn.Sequential(t.nn.ReLU())[1],
    "sequential name": lambda t: t.nn.Sequential(t.nn.ReLU())["a"],
    "sequential set number": lambda t: put(0, lambda: 3)(t.nn.Sequential(t.nn.ReLU())),
    "sequential insert far": lambda t: t.nn.Sequential().insert(2, t.nn.ReLU()),
    "sequential add list": lambda t: t.nn.Sequential() + [t.nn.ReLU()],
    "sequential iadd list": lambda t: t.nn.Sequential().__iadd__([t.nn.ReLU()]),
    "list index": lambda t: t.nn.ModuleList([t.nn.ReLU()])[1],
    "list negative index": lambda t: t.nn.ModuleList([t.nn.ReLU()])[-2],
    "list of numbers": lambda t: t.nn.ModuleList([1]),
    "list extend number": lambda t: t.nn.ModuleList().extend(1),
    "dict key": lambda t: t.nn.ModuleDict()["x"],
    "dict value": lambda t: t.nn.ModuleDict({"x": 1}),
    "dict update number": lambda t: t.nn.ModuleDict(3),
    "dict pair": lambda t: t.nn.ModuleDict([("a", t.nn.ReLU(), 1)]),
    "dict dotted": lambda t: t.nn.ModuleDict({"a.b": t.nn.ReLU()}),
    "dict method name": lambda t: t.nn.ModuleDict({"keys": t.nn.ReLU()}),
    "parameter list number": lambda t: t.nn.ParameterList(3),
    "parameter list tensor": lambda t: t.nn.ParameterList(t.ones(2)),
    "parameter list index": lambda t: t.nn.ParameterList([t.ones(2)])[1],
    "parameter dict call": lambda t: t.nn.ParameterDict()(1),
    "parameter dict update number": lambda t: t.nn.ParameterDict(3),
    "parameter dict pair": lambda t: t.nn.ParameterDict([("a",)]),
}


@pytest.mark.parametrize("case", CASES)
def test_same(case):
    assert_same(CASES[case])


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case):
    assert_same(REFUSED[case])


def test_other_words():
    """Where PyTorch's words carry a type's full path, the beginning is the same."""

    def function(t):
        words = []
        for wrong in (
            lambda: t.nn.Sequential().insert(0, 1),
            lambda: t.nn.Sequential() * 0.5,
            lambda: t.nn.Sequential() * 0,
            lambda: t.nn.ParameterDict({"a": 1})[1],
        ):
            try:
                wrong()
            except (AssertionError, TypeError, ValueError) as error:
                words.append((type(error).__name__, str(error)[:33]))
        return words

    assert_same(function)
