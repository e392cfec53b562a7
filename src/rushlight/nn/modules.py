"""PyTorch's paths to the layers, such as `nn.modules.batchnorm.BatchNorm2d`, for programs that spell them out."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

from . import (
    activation,
    adaptive,
    containers,
    conv,
    distance,
    dropout,
    lazy,
    linear,
    loss,
    module,
    norm,
    padding,
    pooling,
    recurrent,
    shape,
    sparse,
    transformer,
)

PATHS = {
    "activation": activation,
    "adaptive": adaptive,
    "batchnorm": norm,
    "channelshuffle": shape,
    "container": containers,
    "conv": conv,
    "distance": distance,
    "dropout": dropout,
    "flatten": shape,
    "fold": shape,
    "instancenorm": norm,
    "lazy": lazy,
    "linear": linear,
    "loss": loss,
    "module": module,
    "normalization": norm,
    "padding": padding,
    "pixelshuffle": shape,
    "pooling": pooling,
    "rnn": recurrent,
    "sparse": sparse,
    "transformer": transformer,
    "upsampling": shape,
}
globals().update(PATHS)
sys.modules.update({f"{__name__}.{path}": found for path, found in PATHS.items()})
__path__: list[str] = []  # What lets `import rushlight.nn.modules.batchnorm` look here.


def __getattr__(name: str) -> Any:
    """The layers themselves: all names of `nn`."""
    return getattr(import_module(__package__), name)
