"""Custom Functions that random programs use, for either library."""

from __future__ import annotations

import functools
from types import ModuleType


@functools.cache
def functions_of(torch: ModuleType) -> tuple:
    """The Functions of one library; each takes one or two tensors."""

    class Squared(torch.autograd.Function):
        """Saves an input."""

        @staticmethod
        def forward(ctx, x, y=None):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return 2 * x * g, None

    class Exponential(torch.autograd.Function):
        """Saves its output."""

        @staticmethod
        def forward(ctx, x, y=None):
            result = (x * 0.1).clamp(-3, 3).exp()
            ctx.save_for_backward(result)
            return result

        @staticmethod
        def backward(ctx, g):
            (result,) = ctx.saved_tensors
            return 0.1 * g * result, None

    class Product(torch.autograd.Function):
        """Saves what backward needs, and computes what is asked for; has a plain forward."""

        @staticmethod
        def forward(x, y=None):
            return x * 3 if y is None else x * y.sum()

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(*inputs)

        @staticmethod
        def backward(ctx, g):
            if len(ctx.saved_tensors) == 1:
                return g * 3
            x, y = ctx.saved_tensors
            by_x = g * y.sum() if ctx.needs_input_grad[0] else None
            by_y = (g * x).sum().expand(y.shape) if ctx.needs_input_grad[1] else None
            return by_x, by_y

    class Same(torch.autograd.Function):
        """Returns its input as it is."""

        @staticmethod
        def forward(ctx, x, y=None):
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 2, None

    class Shown(torch.autograd.Function):
        """Returns a view of its input."""

        @staticmethod
        def forward(ctx, x, y=None):
            ctx.shape = x.shape
            return x[:1]

        @staticmethod
        def backward(ctx, g):
            return g.sum().expand(ctx.shape), None

    class Doubled(torch.autograd.Function):
        """Changes its input in place."""

        @staticmethod
        def forward(ctx, x, y=None):
            x.mul_(2)
            ctx.mark_dirty(x)
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 2, None

    class Pair(torch.autograd.Function):
        """Two outputs, one of which a backward may not reach."""

        @staticmethod
        def forward(ctx, x, y=None):
            return x.tanh(), x.detach() * 2

        @staticmethod
        def backward(ctx, g, h):
            return g + 2 * h, None

    class Partly(torch.autograd.Function):
        """Two outputs, one without a gradient; gradients that do not arrive are None."""

        @staticmethod
        def forward(ctx, x, y=None):
            signs = x.sign()
            ctx.mark_non_differentiable(signs)
            ctx.set_materialize_grads(False)
            return x.tanh(), signs

        @staticmethod
        def backward(ctx, g, h):
            return g, None

    class Once(torch.autograd.Function):
        """Has no second derivative."""

        @staticmethod
        def forward(ctx, x, y=None):
            return x * 2

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(ctx, g):
            return g * 2, None

    return Squared, Exponential, Product, Same, Shown, Doubled, Pair, Partly, Once
