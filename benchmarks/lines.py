"""What it costs to keep the user's line with every operation: the chains of `per_op` beside a copy that does not."""

from __future__ import annotations

import ast
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import PathFinder, SourceFileLoader
from types import ModuleType
from typing import Any

from .per_op import CHAINS, LENGTH
from .timing import Options, compare, geometric_mean

DROPPED = {"frame = current_frame(1)", "code = frame.f_code", "node.code, node.instruction = user_place(frame)"}


class WithoutLines(ast.NodeTransformer):
    """Takes out of the recording modules what works out and keeps the place of the call."""

    def visit_Assign(self, assign: ast.Assign) -> Any:
        """Drop assignments of a node's place, and of what leads to it."""
        return ast.Pass() if ast.unparse(assign) in DROPPED else self.generic_visit(assign)

    def visit_Call(self, call: ast.Call) -> Any:
        """Hand on no frames."""
        frame = isinstance(call.func, ast.Name) and call.func.id == "current_frame"
        return ast.Constant(None) if frame else self.generic_visit(call)

    def visit_If(self, branch: ast.If) -> Any:
        """Drop the question whether the code is that of the latest operation, with both answers."""
        return ast.Pass() if ast.unparse(branch.test) == "code is latest.code" else self.generic_visit(branch)


class Loader(SourceFileLoader):
    """Compiles a module without the recording of lines, and leaves no bytecode behind."""

    def get_code(self, fullname: str) -> Any:
        """The transformed module."""
        path = self.get_filename(fullname)
        tree = WithoutLines().visit(ast.parse(self.get_data(path)))
        return compile(ast.fix_missing_locations(tree), path, "exec")


class Finder(MetaPathFinder):
    """Finds the modules that record operations."""

    modules = {f"rushlight.ops.{name}" for name in ("fast", "nodes")}

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> Any:
        """Their specification, with the loader that transforms them."""
        spec = PathFinder.find_spec(fullname, path) if fullname in self.modules else None
        if spec is not None and spec.origin is not None:
            spec.loader = Loader(fullname, spec.origin)
        return spec


def without_lines() -> ModuleType:
    """A second Rushlight, whose operations do not keep the line that called them."""
    mine = {name: sys.modules.pop(name) for name in tuple(sys.modules) if name.partition(".")[0] == "rushlight"}
    finder = Finder()
    sys.meta_path.insert(0, finder)
    try:
        import rushlight

        return rushlight
    finally:
        sys.meta_path.remove(finder)
        sys.modules.update(mine)


def main(options: Options) -> None:
    """Print the table."""
    import rushlight

    bare = without_lines()
    print(f"\nKeeping the user's line, forward + backward (chains of {LENGTH})")
    print(f"{'':34} {'with':>12} {'without':>12} {'cost':>7}")
    ratios = []
    for name, chain in CHAINS.items():
        rows = [compare(options, name, chain(rushlight), chain(bare), rounds=9) for _ in range(7)]
        row = sorted(rows, key=lambda row: row.ratio)[len(rows) // 2]  # a busy machine spoils some
        ratios.append(row.ours / row.theirs)
        ours, theirs = (f"{duration / LENGTH * 1e6:.2f} µs" for duration in (row.ours, row.theirs))
        print(f"{name:34} {ours:>12} {theirs:>12} {ratios[-1] - 1:7.1%}")
    print(f"{'geometric mean':34} {'':12} {'':12} {geometric_mean(ratios) - 1:7.1%}")
