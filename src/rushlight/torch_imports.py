"""Makes ``torch`` and everything below it resolve to Rushlight, for the program that `rushlight run` runs.

The modules are the same objects, not copies: ``torch is rushlight`` and ``sys.modules["torch.nn"] is rushlight.nn``.
An installed PyTorch is neither found nor read, because names that begin with ``torch`` never reach the path.
"""

from __future__ import annotations

import importlib
import sys
from contextlib import suppress
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pkgutil import iter_modules
from types import ModuleType
from typing import NoReturn

# Modules that PyTorch has and Rushlight keeps elsewhere. Where both have one of the same path, no entry is needed.
ALIASES = {
    "torch._tensor": "rushlight.tensor",
    "torch.functional": "rushlight",
    "torch.autograd.variable": "rushlight.autograd",
    "torch.nn.modules": "rushlight.nn",
}

# Modules of PyTorch's whose names Rushlight has in the package around them: they stand for that package.
FOLDED = {
    "torch.nn.modules": {
        *("activation", "batchnorm", "container", "conv", "dropout", "flatten", "linear", "loss", "module"),
        *("normalization", "padding", "pooling", "rnn", "sparse", "transformer", "upsampling"),
    },
    "torch.optim": {"adamw"},
    "torch.utils.data": {"dataloader", "dataset", "sampler"},
}

# Classes whose names programs print, and pickle: called as PyTorch calls them.
CLASSES = {"torch": ("Tensor", "Size", "dtype", "device", "finfo", "iinfo"), "torch.nn.parameter": ("Parameter",)}

# Where a name that was asked for in the wrong place is looked for before similar names are.
HOMES = (
    "rushlight",
    "rushlight.nn",
    "rushlight.nn.functional",
    "rushlight.optim",
    "rushlight.optim.lr_scheduler",
    "rushlight.utils.data",
    "rushlight.autograd",
    "rushlight.linalg",
)

# How alike two names must be for one to be a misspelling of the other: "reluu" and "relu" are at 0.89; "distributed"
# and "strided", which have nothing to do with each other, at 0.78.
ALIKE = 0.8

# No program names these. Whoever imports from them within the library asks for what is not loaded yet, all the time.
INTERNAL = ("rushlight.kernels", "rushlight.ops")


def install() -> None:
    """Let every later import of ``torch`` in this process give Rushlight."""
    sys.meta_path.insert(0, TorchFinder())
    importlib.import_module("torch")
    for home, names in CLASSES.items():
        module = importlib.import_module(home)
        for name in names:
            getattr(module, name).__module__ = home


class TorchFinder(MetaPathFinder):
    """Finds ``torch`` and its submodules in Rushlight, and says what is nearest where there is no such module."""

    def __init__(self) -> None:
        self.served: set[str] = set()

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if fullname == "torch" or fullname.startswith("torch."):
            module = resolve(fullname)
            self.served.add(module.__name__)
            suggest_nearest(module)
            # Called a package, a plain module too gets a __path__, so that a name missing from it comes here, below.
            return ModuleSpec(fullname, ExistingModule(module), is_package=True)
        parent, _, name = fullname.rpartition(".")
        # `from torch.nn import X` asks for rushlight.nn.X, by the module's own name, when the module has no X.
        if parent in self.served and not submodule_exists(sys.modules[parent], name):
            refuse_import(sys.modules[parent], name)
        return None


class ExistingModule(Loader):
    """Loads a module that is there already, and leaves it as it was."""

    def __init__(self, module: ModuleType) -> None:
        self.module = module
        self.spec = module.__spec__

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return self.module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self.spec


def resolve(fullname: str) -> ModuleType:
    """The module of Rushlight that answers to a module name of PyTorch's.

    Raises ModuleNotFoundError, with the nearest name there is, when Rushlight has no such module.
    """
    parent_name, _, name = fullname.rpartition(".")
    if not parent_name:
        return importlib.import_module("rushlight")
    parent = sys.modules[parent_name]
    held = vars(parent).get(name)
    if isinstance(held, ModuleType) and held.__name__.startswith("rushlight"):
        return held
    # The import statement will bind the module to this name of its parent: nothing else may stand there.
    if held is None:
        if submodule_exists(parent, name):
            return importlib.import_module(f"{parent.__name__}.{name}")
        if fullname in ALIASES:
            return importlib.import_module(ALIASES[fullname])
        if name in FOLDED.get(parent_name, ()):
            return parent
    reason = hint(parent, name) if held is None else f"; {fullname} is not a module"
    raise ModuleNotFoundError(f"No module named {fullname!r}{reason}", name=fullname)


def submodule_exists(parent: ModuleType, name: str) -> bool:
    """Whether there is a file (or folder) for this submodule."""
    return PathFinder.find_spec(f"{parent.__name__}.{name}", getattr(parent, "__path__", [])) is not None


def suggest_nearest(module: ModuleType) -> None:
    """Let an attribute that the module, or one below it, does not have fail with the nearest one that it has."""
    fallback = vars(module).get("__getattr__")
    if getattr(fallback, "__module__", None) == __name__ or module.__name__ in INTERNAL:
        return

    def __getattr__(name: str) -> object:
        if fallback is not None:
            try:
                found = fallback(name)
            except AttributeError:
                pass
            except ImportError as error:
                if error.name != torch_name(module):  # not refused below: a part of the library that does not load
                    raise
            else:
                if isinstance(found, ModuleType):
                    suggest_nearest(found)
                return found
        message = f"module {torch_name(module)!r} has no attribute {name!r}"
        # The name given and no object: Python would otherwise print a suggestion of its own behind this one.
        raise AttributeError(message if name.startswith("__") else message + hint(module, name), name=name)

    module.__getattr__ = __getattr__  # type: ignore[method-assign]
    for part in list(vars(module).values()):
        if isinstance(part, ModuleType) and part.__name__.startswith(f"{module.__name__}."):
            suggest_nearest(part)


def refuse_import(module: ModuleType, name: str) -> NoReturn:
    """Raise the error of ``from module import name``."""
    message = f"cannot import name {name!r} from {torch_name(module)!r}{hint(module, name)}"
    raise ImportError(message, name=torch_name(module), path=getattr(module, "__file__", None))


def hint(module: ModuleType, name: str) -> str:
    """What to append to an error about a name that the module does not have."""
    found = nearest(module, name)
    return f"; the nearest that Rushlight has is {found!r}" if found else "; Rushlight has nothing of a similar name"


def nearest(module: ModuleType, name: str) -> str | None:
    """The full name of what Rushlight has by this name elsewhere, or else by a similar name in the same module."""
    from difflib import get_close_matches

    for home in HOMES:
        # Where importing a part of the library is what failed, that part has nothing to offer.
        with suppress(ImportError):
            if name in vars(importlib.import_module(home)):
                return f"{home.replace('rushlight', 'torch', 1)}.{name}"
    names = {*dir(module), *(found.name for found in iter_modules(getattr(module, "__path__", [])))}
    public = [other for other in names if not other.startswith("_")]
    # Of names that differ in case only, as a module and its class do, the last one counts.
    public.sort(key=lambda other: (not isinstance(vars(module).get(other, module), ModuleType), other))
    spelled = {other.lower(): other for other in public}
    match = get_close_matches(name.lower(), spelled, n=1, cutoff=ALIKE)
    return f"{torch_name(module)}.{spelled[match[0]]}" if match else None


def torch_name(module: ModuleType) -> str:
    """The name that a program written for PyTorch knows a module of Rushlight by."""
    return module.__name__.replace("rushlight", "torch", 1)
