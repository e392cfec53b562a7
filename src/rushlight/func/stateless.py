"""Modules as functions of their parameters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from .. import ops
from ..nn import Module
from ..nn.norm import _BatchNorm
from ..tensor import Tensor

__all__ = ["functional_call", "replace_all_batch_norm_modules_", "stack_module_state"]


def functional_call(
    module: Module,
    parameter_and_buffer_dicts: Any,
    args: Any = None,
    kwargs: dict | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """Call a module with other parameters and buffers than its own, which it has again afterwards.

    Args:
        parameter_and_buffer_dicts: tensors by their names in the module, or a sequence of such dictionaries.
        args: the arguments: a tuple, or a single one.
        tie_weights: tensors that the module has under several names are replaced under all of them.
        strict: every parameter and buffer must be given, and nothing else.

    Raises:
        RuntimeError: ``strict``, and a name is missing or unknown.
        ValueError: two of the dictionaries have the same name.
        TypeError: what stands in the place of a tensor is none.

    >>> import rushlight as torch
    >>> layer = torch.nn.Linear(1, 1)
    >>> state = {"weight": torch.ones(1, 1), "bias": torch.ones(1)}
    >>> torch.func.functional_call(layer, state, torch.tensor([[2.0]]))
    tensor([[3.]])
    """
    state = _merged(parameter_and_buffer_dicts)
    for value in state.values():
        if value is not None and not isinstance(value, Tensor):
            raise TypeError(f"{value} is not an instance of torch.Tensor")
    args = () if args is None else args if isinstance(args, tuple) else (args,)
    with replaced(module, state, tie_weights, strict):
        return module(*args, **(kwargs or {}))


def _merged(given: Any) -> dict[str, Tensor]:
    if isinstance(given, dict):
        return given
    if not isinstance(given, Sequence) or not all(isinstance(item, dict) for item in given):
        raise ValueError(
            "Expected all elements of parameter_and_buffer_dicts to be dictionaries, and it to be a dictionary or a "
            f"sequence of them; got {type(given).__name__}"
        )
    merged: dict[str, Tensor] = {}
    for item in given:
        for name, tensor in item.items():
            if name in merged:
                raise ValueError(f"{name} appears in multiple dictionaries; behavior of functional call is ambiguous")
            merged[name] = tensor
    return merged


@contextmanager
def replaced(module: Module, state: dict[str, Tensor], tie_weights: bool, strict: bool) -> Iterator[None]:
    """The module has these tensors in the place of its own."""
    own = _slots(module)
    missing, unknown = own.keys() - state.keys(), state.keys() - own.keys()
    by_tensor: dict[int, list[str]] = {}
    for name, (holder, key) in own.items():
        by_tensor.setdefault(id(holder[key]), []).append(name)
    wanted = dict(state)
    if tie_weights:
        for name, tensor in state.items():
            if name in own:
                holder, key = own[name]
                for alike in by_tensor[id(holder[key])]:
                    if alike in state and state[alike] is not tensor:
                        raise ValueError(
                            f"functional_call got multiple values for keys {sorted(by_tensor[id(holder[key])])}, which "
                            "are tied. Consider using tie_weights=False"
                        )
                    wanted.setdefault(alike, tensor)
        missing -= wanted.keys()
    if strict and (missing or unknown):
        parts = [f"Unexpected key(s): {', '.join(sorted(unknown))}."] if unknown else []
        parts += [f"Missing key(s): {', '.join(sorted(missing))}."] if missing else []
        raise RuntimeError(f"Error(s) in reparametrizing for {type(module).__name__}:\n\t" + "\n\t".join(parts))
    before = [(*own[name], own[name][0][own[name][1]]) for name in wanted if name in own]
    try:
        for name, tensor in wanted.items():
            if name in own:
                holder, key = own[name]
                holder[key] = tensor
        yield
    finally:
        for holder, key, tensor in before:
            holder[key] = tensor


def _slots(module: Module) -> dict[str, tuple[dict, str]]:
    """Where each parameter and buffer is kept, by its full name."""
    found: dict[str, tuple[dict, str]] = {}
    for prefix, part in module.named_modules(remove_duplicate=False):
        for holder in (part._parameters, part._buffers):
            for key, tensor in holder.items():
                if tensor is not None:
                    found[f"{prefix}.{key}" if prefix else key] = (holder, key)
    return found


def stack_module_state(models: Sequence[Module]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The parameters and the buffers of several modules of one architecture, each stacked along a new first axis.

    Raises:
        RuntimeError: there are no modules, they differ in class, or some are training and some are not.

    >>> import rushlight as torch
    >>> params, buffers = torch.func.stack_module_state([torch.nn.Linear(2, 3) for _ in range(4)])
    >>> params["weight"].shape
    torch.Size([4, 3, 2])
    """
    if not models:
        raise RuntimeError("stack_module_state: Expected at least one model, got 0.")
    if not (all(m.training for m in models) or not any(m.training for m in models)):
        raise RuntimeError("stack_module_state: Expected all models to have the same training/eval mode.")
    if any(type(m) is not type(models[0]) for m in models):
        raise RuntimeError("stack_module_state: Expected all models to be of the same class.")
    parameters = [dict(m.named_parameters()) for m in models]
    buffers = [dict(m.named_buffers()) for m in models]
    return {n: _stacked([p[n] for p in parameters]) for n in parameters[0]}, {
        n: _stacked([b[n] for b in buffers]) for n in buffers[0]
    }


def _stacked(tensors: list[Tensor]) -> Tensor:
    """Tensors in one; a leaf, if they are leaves."""
    stacked = ops.stack(tensors)
    if all(tensor.is_leaf for tensor in tensors):
        return stacked.detach().requires_grad_(tensors[0].requires_grad)
    return stacked


def replace_all_batch_norm_modules_(root: Module) -> Module:
    """Let every batch norm in a module use the statistics of its batch alone, as ``vmap`` needs it; changes the module.

    >>> import rushlight as torch
    >>> net = torch.func.replace_all_batch_norm_modules_(torch.nn.Sequential(torch.nn.BatchNorm1d(2)))
    >>> list(net.buffers())
    []
    """
    for module in root.modules():
        if isinstance(module, _BatchNorm):
            module.running_mean = module.running_var = module.num_batches_tracked = None
            module.track_running_stats = False
    return root
