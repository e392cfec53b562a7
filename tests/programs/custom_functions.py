"""Custom Functions: exp, linear, straight-through sign, several outputs, derivatives of derivatives; gradcheck."""

import torch
from torch.autograd import Function, gradcheck, gradgradcheck
from torch.autograd.function import once_differentiable


class Exp(Function):
    @staticmethod
    def forward(ctx, i):
        result = i.exp()
        ctx.save_for_backward(result)
        return result

    @staticmethod
    def backward(ctx, grad_output):
        (result,) = ctx.saved_tensors
        return grad_output * result


class LinearFunction(Function):
    @staticmethod
    def forward(ctx, input, weight, bias=None):
        ctx.save_for_backward(input, weight, bias)
        output = input.mm(weight.t())
        if bias is not None:
            output += bias.unsqueeze(0).expand_as(output)
        return output

    @staticmethod
    def backward(ctx, grad_output):
        input, weight, bias = ctx.saved_tensors
        grad_input = grad_weight = grad_bias = None
        if ctx.needs_input_grad[0]:
            grad_input = grad_output.mm(weight)
        if ctx.needs_input_grad[1]:
            grad_weight = grad_output.t().mm(input)
        if bias is not None and ctx.needs_input_grad[2]:
            grad_bias = grad_output.sum(0)
        return grad_input, grad_weight, grad_bias


class MulConstant(Function):
    @staticmethod
    def forward(tensor, constant):
        return tensor * constant

    @staticmethod
    def setup_context(ctx, inputs, output):
        tensor, constant = inputs
        ctx.constant = constant

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output * ctx.constant, None


class SignSTE(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.sign(x)

    @staticmethod
    @once_differentiable
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * (x.abs() <= 1).to(g.dtype)


class MinMax(Function):
    @staticmethod
    def forward(ctx, x):
        lo, i = x.min(0)
        hi, j = x.max(0)
        ctx.mark_non_differentiable(i, j)
        ctx.save_for_backward(i, j)
        ctx.shape = x.shape
        return lo, hi, i, j

    @staticmethod
    def backward(ctx, glo, ghi, gi, gj):
        i, j = ctx.saved_tensors
        g = torch.zeros(ctx.shape, dtype=glo.dtype)
        g[i] += glo
        g[j] += ghi
        return g


torch.manual_seed(0)
x = torch.randn(3, requires_grad=True)
y = Exp.apply(x)
print(y, type(y.grad_fn).__name__)
y.sum().backward()
print(torch.allclose(x.grad, x.exp()))
inputs = (
    torch.randn(20, 4, dtype=torch.double, requires_grad=True),
    torch.randn(3, 4, dtype=torch.double, requires_grad=True),
)
print(gradcheck(LinearFunction.apply, inputs, eps=1e-6, atol=1e-4))
print(gradgradcheck(Exp.apply, (torch.randn(3, dtype=torch.double, requires_grad=True),)))
torch.manual_seed(1)
w = torch.randn(2, 3, requires_grad=True)
b = torch.randn(2, requires_grad=True)
out = LinearFunction.apply(torch.ones(4, 3), w, b)
out.pow(2).sum().backward()
print(out, w.grad, b.grad)
z = torch.tensor([1.0, 2.0], requires_grad=True)
m = MulConstant.apply(z, 5.5)
print(m)
(g,) = torch.autograd.grad(m.sum(), z, create_graph=True)
print(g)
s = torch.tensor([-2.0, -0.5, 0.3, 4.0], requires_grad=True)
q = SignSTE.apply(s)
(q * torch.arange(4.0)).sum().backward()
print(q, s.grad)
v = torch.tensor([3.0, -1.0, 7.0], requires_grad=True)
lo, hi, i, j = MinMax.apply(v)
print(lo, hi, i, j, i.requires_grad)
(2 * lo + 3 * hi).backward()
print(v.grad)


class Wrong(Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, g):
        return g * 3


try:
    gradcheck(Wrong.apply, (torch.randn(2, dtype=torch.double, requires_grad=True),))
except Exception as e:
    print(type(e).__name__, str(e).split("\n")[0])
print(gradcheck(Wrong.apply, (torch.randn(2, dtype=torch.double, requires_grad=True),), raise_exception=False))
try:
    Exp()(x)
except RuntimeError as e:
    print("legacy")
