"""Learning-rate schedulers: each changes the ``"lr"`` of an optimizer's groups whenever its ``step()`` is called."""

from __future__ import annotations

from ...missing import refuse as _refuse
from .base import LRScheduler
from .composite import ChainedScheduler, SequentialLR
from .cyclic import CyclicLR, OneCycleLR
from .decay import (
    ConstantLR,
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    ExponentialLR,
    LinearLR,
    MultiStepLR,
    PolynomialLR,
    StepLR,
)
from .function import LambdaLR, MultiplicativeLR
from .plateau import ReduceLROnPlateau

_LRScheduler = LRScheduler  # the name before PyTorch 2.0, which many programs still subclass

__all__ = [
    "LRScheduler",
    "LambdaLR",
    "MultiplicativeLR",
    "StepLR",
    "MultiStepLR",
    "ConstantLR",
    "LinearLR",
    "ExponentialLR",
    "PolynomialLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "OneCycleLR",
    "SequentialLR",
    "ChainedScheduler",
    "ReduceLROnPlateau",
]

__getattr__ = _refuse(__name__)
