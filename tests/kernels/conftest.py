"""Examples of kernels are large now and then: no deadline for a single one."""

from hypothesis import settings

settings.register_profile("kernels", deadline=None)
settings.load_profile("kernels")
