"""Hypothesis for kernels: no deadline for a large example, and the same ones every time: bounds in ulps are no laws."""

from hypothesis import settings

settings.register_profile("kernels", deadline=None, derandomize=True)
settings.load_profile("kernels")
