"""Products of vectors and matrices, and products added to something."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import dtypes
from ..kernels.matrix import product
from ..tensor import Tensor
from . import batched_products as batched
from .define import op
from .forms import written_after_checks
from .promotion import as_type, fit, is_complex, like, promoted, raw
from .reduce import sum_to_size
from .views import t

__all__ = [
    "addbmm", "addmm", "addmv", "addr", "baddbmm", "bmm", "chain_matmul", "dot", "ger", "inner", "matmul",
    "matrix_power", "mm", "mv", "outer", "trace", "vdot",
]  # fmt: skip

_SPELLED = {
    "float32": "float", "float64": "double", "float16": "c10::Half", "bfloat16": "c10::BFloat16", "int64": "long int",
    "int32": "int", "int16": "short int", "int8": "signed char", "uint8": "unsigned char", "bool": "bool",
    "complex64": "c10::complex<float>", "complex128": "c10::complex<double>",
}  # fmt: skip
"""How PyTorch spells an element type in the errors of its matrix products."""


def cased(array: np.ndarray) -> str:
    """The name of an array's type in error messages, such as ``Float``."""
    return dtypes.CASED[dtypes.of(array.dtype)]


def by(array: np.ndarray) -> str:
    """A shape in error messages, such as ``2x3``."""
    return "x".join(map(str, array.shape))


def turned(x: Any) -> Any:
    """The matrix transposed: one, or each of a stack."""
    return t(x) if isinstance(x, Tensor) and x.array.ndim == 2 else x.mT


def adjoint(x: Any) -> Any:
    """The matrix transposed and conjugated."""
    return turned(x).conj() if is_complex(x) else turned(x)


def conj(x: Any) -> Any:
    """The conjugate, without a step in the graph where there is nothing to conjugate."""
    return x.conj() if is_complex(x) else x


def times(a: Any, b: Any) -> Any:
    """The matrix product of two arrays or two Tensors."""
    if type(a) is np.ndarray:
        return product(a, b)
    return mm(a, b) if a.array.ndim == b.array.ndim == 2 else a @ b


def summed_to(g: Any, shape: tuple) -> Any:
    """A gradient summed over the axes along which its operand was broadcast."""
    return g if g.shape == shape else sum_to_size(g, shape)


def flat(x: Any) -> Any:
    """A stack of rows as one matrix."""
    return x if x.ndim == 2 else x.reshape(math.prod(x.shape[:-1]), x.shape[-1])


# What may be multiplied


def _check_types(a: np.ndarray, b: np.ndarray) -> None:
    if a.dtype is not b.dtype and a.dtype != b.dtype:
        spelled = [_SPELLED.get(x.dtype.name, x.dtype.name) for x in (a, b)]
        raise RuntimeError(
            f"expected m1 and m2 to have the same dtype, but got: {spelled[0]} != {spelled[1]}. Convert one of them, "
            f"for example with .to({dtypes.of(a.dtype)})."
        )
    if a.dtype.kind == "b":
        raise NotImplementedError("\"addmm_impl_cpu_\" not implemented for 'Bool'; convert with .float() or .long()")


def _check_matrices(a: np.ndarray, b: np.ndarray) -> None:
    if a.ndim != 2 or b.ndim != 2:
        raise RuntimeError(
            f"{'self' if a.ndim != 2 else 'mat2'} must be a matrix, got {a.ndim}-D and {b.ndim}-D tensors"
        )
    if a.shape[1] != b.shape[0]:
        raise _cannot_multiply(a, b)
    _check_types(a, b)


def _cannot_multiply(a: np.ndarray, b: np.ndarray) -> RuntimeError:
    rows = f"{a.size // max(a.shape[-1], 1)}x{a.shape[-1]}" if a.ndim != 2 else by(a)
    return RuntimeError(
        f"mat1 and mat2 shapes cannot be multiplied ({rows} and {by(b)}): axis 1 of the first has length "
        f"{a.shape[-1]}, axis 0 of the second {b.shape[0]}, and they must be equal"
    )


def _check_batches(a: np.ndarray, b: np.ndarray) -> None:
    for name, x in (("batch1", a), ("batch2", b)):
        if x.ndim != 3:
            raise RuntimeError(f"{name} must be a 3D tensor, got {x.ndim}D")
    if b.shape[:2] != (a.shape[0], a.shape[2]):
        raise RuntimeError(
            f"Expected size for first two dimensions of batch2 tensor to be: [{a.shape[0]}, {a.shape[2]}] but got: "
            f"{list(b.shape[:2])}."
        )
    if a.dtype != b.dtype:
        raise RuntimeError(f"expected scalar type {cased(a)} but found {cased(b)}")
    _refuse_bool(a, "baddbmm_cpu_kernel" if a.size < 400 else "bmm")


def _refuse_bool(a: np.ndarray, kernel: str) -> None:
    if a.dtype.kind == "b":
        raise NotImplementedError(f"\"{kernel}\" not implemented for 'Bool'; convert with .float() or .long()")


def _check_vectors(a: np.ndarray, b: np.ndarray, name: str = "dot") -> None:
    if a.ndim != 1 or b.ndim != 1:
        raise RuntimeError(f"1D tensors expected, but got {a.ndim}D and {b.ndim}D tensors")
    if a.dtype != b.dtype:
        raise RuntimeError(f"{name} : expected both vectors to have same dtype, but found {cased(a)} and {cased(b)}")
    if a.shape != b.shape:
        raise RuntimeError(
            f"inconsistent tensor size, expected tensor {list(a.shape)} and src {list(b.shape)} to have the same "
            f"number of elements, but got {a.size} and {b.size} elements respectively"
        )
    _refuse_bool(a, name)


def _check_matrix_vector(a: np.ndarray, b: np.ndarray, start: np.ndarray | None = None) -> None:
    if a.ndim != 2 or b.ndim != 1 or (start is not None and start.ndim > 1):
        raise RuntimeError(
            f"vector + matrix @ vector expected, got {1 if start is None else start.ndim}, {a.ndim}, {b.ndim}"
        )
    if a.shape[1] != b.shape[0]:
        rows = a.shape[0] if start is None else start.size
        raise RuntimeError(f"size mismatch, got input ({rows}), mat ({by(a)}), vec ({b.shape[0]})")
    if a.dtype != b.dtype:
        raise RuntimeError(f"addmv input tensors must have the same dtype, but got {cased(a)} and {cased(b)}")
    _refuse_bool(a, "addmv_impl_cpu")


def _check_stacks(a: np.ndarray, b: np.ndarray) -> None:
    inner = b.shape[-2] if b.ndim > 1 else b.shape[0]
    if a.shape[-1] != inner:
        if b.ndim == 1:
            _check_matrix_vector(a.reshape(-1, a.shape[-1]), b)
        if b.ndim == 2:
            raise _cannot_multiply(a, b)
        if a.ndim == 1:
            _check_matrix_vector(b.mT.reshape(-1, inner), a)
        rows = int(np.prod(np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), dtype=np.int64))
        raise RuntimeError(
            f"Expected size for first two dimensions of batch2 tensor to be: [{rows}, {a.shape[-1]}] but got: "
            f"[{rows}, {inner}]."
        )
    _check_types(a, b)
    for axis, (m, n) in enumerate(zip(a.shape[-3::-1], b.shape[-3::-1])):
        if m != n and 1 not in (m, n):
            place = max(a.ndim, b.ndim) - 3 - axis
            raise RuntimeError(
                f"The size of tensor a ({m}) must match the size of tensor b ({n}) at non-singleton dimension "
                f"{place}: the shapes are {list(a.shape)} and {list(b.shape)}"
            )


# Products


@op(
    "MmBackward0",
    input=lambda g, mat2: times(g, adjoint(mat2)),
    mat2=lambda g, input: times(adjoint(input), g),
    batch=batched.products(_check_matrices),
)
def mm(input, mat2):
    """The product of two matrices, (n, k) and (k, m) to (n, m).

    Raises:
        RuntimeError: they are not matrices, their inner sizes differ, or their types differ.

    >>> import rushlight as torch
    >>> torch.mm(torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0], [4.0]]))
    tensor([[11.]])
    """
    _check_matrices(input, mat2)
    return product(input, mat2)


@op(
    "BmmBackward0",
    input=lambda g, mat2: times(g, adjoint(mat2)),
    mat2=lambda g, input: times(adjoint(input), g),
    batch=batched.products(_check_batches),
)
def bmm(input, mat2):
    """The products of two stacks of matrices, (b, n, k) and (b, k, m) to (b, n, m).

    Raises:
        RuntimeError: they are not 3-D, their sizes do not fit, or their types differ.
    """
    _check_batches(input, mat2)
    return product(input, mat2)


@op(
    "MvBackward0",
    input=lambda g, vec: g[:, None] * conj(vec),
    vec=lambda g, input: times(adjoint(input), g),
    batch=batched.products(_check_matrix_vector),
)
def mv(input, vec):
    """The product of a matrix (n, k) and a vector (k,).

    Raises:
        RuntimeError: their sizes or types do not fit.
    """
    _check_matrix_vector(input, vec)
    return product(input, vec)


@op(
    "DotBackward0",
    input=lambda g, tensor: g * conj(tensor),
    tensor=lambda g, input: g * conj(input),
    batch=batched.products(_check_vectors),
)
def dot(input, tensor):
    """The sum of the products of two vectors' elements.

    Raises:
        RuntimeError: they are not vectors of one length and type.

    >>> import rushlight as torch
    >>> torch.dot(torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0]))
    tensor(11.)
    """
    _check_vectors(input, tensor)
    return product(input, tensor)


def _vdot_batched(batch, input, other):
    _check_vectors(input.array, other.array, "vdot")
    lower, mapped = batch.parts(input)
    return batched.multiplied(lower.conj(), mapped, *batch.parts(other))


@op(
    "VdotBackward0",
    input=lambda g, other: conj(g) * other,
    other=lambda g, input: g * input,
    batch=_vdot_batched,
)
def vdot(input, other):
    """The sum of the products of two vectors' elements, the first conjugated.

    Raises:
        RuntimeError: they are not vectors of one length and type.
    """
    _check_vectors(input, other, "vdot")
    return product(input.conj(), other)


def _input_of_product(g, other, input_shape):
    """The derivative of a product by its first operand; operands may be stacks, or vectors."""
    if other.ndim == 1:
        g, other = g[..., None], other[:, None]
    if len(input_shape) == 1:
        return summed_to(times(g[..., None, :], adjoint(other)), (1, *input_shape)).reshape(input_shape)
    if other.ndim == 2:
        return times(flat(g), adjoint(other)).reshape(input_shape)
    return summed_to(times(g, adjoint(other)), input_shape)


def _other_of_product(g, input, other_shape):
    """The derivative of a product by its second operand."""
    if len(other_shape) == 1:
        g = g[..., None]
    if input.ndim == 1:
        g, input = (g if len(other_shape) == 1 else g[..., None, :]), input[None]
    if len(other_shape) <= 2:
        return times(adjoint(flat(input)), flat(g)).reshape(other_shape)
    return summed_to(times(adjoint(input), g), other_shape)


def _stacked(name: str):
    """The product of operands of any ranks, under one of the names that PyTorch's last step of it has."""

    @op(name, input=_input_of_product, other=_other_of_product, batch=batched.products(_check_stacks))
    def matmul(input, other):
        _check_stacks(input, other)
        return product(input, other)

    return matmul


_row_times_matrix = _stacked("SqueezeBackward4")
_matrix_times_stack = _stacked("CloneBackward0")
_any_stacks = _stacked("UnsafeViewBackward0")


_BY_RANK = {(1, 1): dot, (2, 1): mv, (2, 2): mm, (1, 2): _row_times_matrix}


def matmul(input, other, *, out=None):
    """The matrix product, as ``@``: of vectors, matrices, or stacks of matrices whose leading axes are broadcast.

    A vector on the left is a row, one on the right a column.

    Raises:
        RuntimeError: the inner sizes or the types differ, or an operand is 0-dim.

    >>> import rushlight as torch
    >>> (torch.ones(5, 2, 3) @ torch.ones(3, 4)).shape
    torch.Size([5, 2, 4])
    """
    try:
        a, b = input.ndim, other.ndim
    except AttributeError:
        position, name, x = (1, "input", input) if not hasattr(input, "ndim") else (2, "other", other)
        raise TypeError(
            f"matmul(): argument '{name}' (position {position}) must be Tensor, not {type(x).__name__}"
        ) from None
    if not a or not b:
        raise RuntimeError(f"both arguments to matmul need to be at least 1D, but they are {a}D and {b}D")
    chosen = _BY_RANK.get((a, b)) or (_matrix_times_stack if a == 2 else _any_stacks)
    return chosen(input, other) if out is None else chosen(input, other, out=out)


def matmul_operator(input, other):
    """``@``, which leaves operands of other kinds to their own ``__rmatmul__``."""
    return matmul(input, other) if isinstance(other, Tensor) else NotImplemented


def reversed_matmul_operator(input, other):
    """``@`` with the tensor on the right."""
    return matmul(other, input) if isinstance(other, Tensor) else NotImplemented


# Products added to something


def scale(factor: Any, x: Any) -> Any:
    """``factor * x``, without a step where the factor is one."""
    return x if factor == 1 and type(factor) is not complex else x * factor


def _back(factor: Any, g: Any) -> Any:
    return scale(factor.conjugate(), g)


def _added(start: np.ndarray, beta: Any, alpha: Any, result: np.ndarray) -> np.ndarray:
    """``beta * start + alpha * result``, where ``start`` may be broadcast and does not count at all if beta is 0."""
    if start.ndim > result.ndim or any(m not in (1, n) for m, n in zip(start.shape[::-1], result.shape[::-1])):
        axis = next(
            i for i in range(-1, -start.ndim - 1, -1) if i < -result.ndim or start.shape[i] not in (1, result.shape[i])
        )
        raise RuntimeError(
            f"The expanded size of the tensor ({result.shape[axis] if axis >= -result.ndim else 1}) must match the "
            f"existing size ({start.shape[axis]}) at non-singleton dimension {result.ndim + axis}.  Target sizes: "
            f"{list(result.shape)}.  Tensor sizes: {list(start.shape)}"
        )
    result = scale(as_type(alpha, result.dtype) if alpha != 1 else 1, result)
    if beta == 0:
        return result
    return scale(as_type(beta, start.dtype) if beta != 1 else 1, start) + result


def _same_types(start: np.ndarray, second: np.ndarray) -> None:
    if start.dtype != second.dtype:
        raise RuntimeError(f"self and mat2 must have the same dtype, but got {cased(start)} and {cased(second)}")


def _check_addmm(start: np.ndarray, a: np.ndarray, b: np.ndarray) -> None:
    _same_types(start, b)
    _check_matrices(a, b)


def _check_addmv(start: np.ndarray, a: np.ndarray, b: np.ndarray) -> None:
    _check_matrix_vector(a, b, start)
    _same_types(start, b)


def _check_baddbmm(start: np.ndarray, a: np.ndarray, b: np.ndarray) -> None:
    _check_batches(a, b)
    _same_types(start, b)


def _start(g, input_shape, beta):
    return summed_to(_back(beta, g), input_shape)


@written_after_checks()
@op(
    "AddmmBackward0",
    input=_start,
    mat1=lambda g, mat2, alpha: _back(alpha, times(g, adjoint(mat2))),
    mat2=lambda g, mat1, alpha: _back(alpha, times(adjoint(mat1), g)),
    batch=batched.added(_check_addmm),
)
def addmm(input, mat1, mat2, *, beta=1, alpha=1):
    """``beta * input + alpha * (mat1 @ mat2)``, ``input`` broadcast to the shape of the product.

    Raises:
        RuntimeError: sizes or types do not fit.

    >>> import rushlight as torch
    >>> torch.addmm(torch.ones(2), torch.ones(2, 3), torch.ones(3, 2))
    tensor([[4., 4.],
            [4., 4.]])
    """
    _check_addmm(input, mat1, mat2)
    return _added(input, beta, alpha, product(mat1, mat2))


@written_after_checks()
@op(
    "AddmvBackward0",
    input=_start,
    mat=lambda g, vec, alpha: _back(alpha, g[:, None] * conj(vec)),
    vec=lambda g, mat, alpha: _back(alpha, times(adjoint(mat), g)),
    batch=batched.added(_check_addmv),
)
def addmv(input, mat, vec, *, beta=1, alpha=1):
    """``beta * input + alpha * (mat @ vec)``.

    Raises:
        RuntimeError: sizes or types do not fit.
    """
    _check_addmv(input, mat, vec)
    return _added(input, beta, alpha, product(mat, vec))


def _batched_rules(summed: bool) -> dict:
    widen = (lambda g: g[None]) if summed else (lambda g: g)
    return {
        "input": _start,
        "batch1": lambda g, batch2, alpha: _back(alpha, times(widen(g), adjoint(batch2))),
        "batch2": lambda g, batch1, alpha: _back(alpha, times(adjoint(batch1), widen(g))),
    }


@written_after_checks((1, 2))
@op("BaddbmmBackward0", **_batched_rules(False), batch=batched.added(_check_baddbmm))
def baddbmm(input, batch1, batch2, *, beta=1, alpha=1):
    """``beta * input + alpha * (batch1 @ batch2)`` for stacks of matrices.

    Raises:
        RuntimeError: sizes or types do not fit.
    """
    _check_baddbmm(input, batch1, batch2)
    return _added(input, beta, alpha, product(batch1, batch2))


@written_after_checks((1, 2))
@op("AddbmmBackward0", **_batched_rules(True), batch=batched.added(_check_baddbmm, summed=True))
def addbmm(input, batch1, batch2, *, beta=1, alpha=1):
    """``beta * input + alpha * Σᵢ batch1[i] @ batch2[i]``.

    Raises:
        RuntimeError: sizes or types do not fit.
    """
    _check_baddbmm(input, batch1, batch2)
    b, n, k = batch1.shape
    side_by_side = batch1.transpose(1, 0, 2).reshape(n, b * k)
    return _added(
        input,
        beta,
        alpha,
        product(
            side_by_side, batch2.reshape(b * k, -1) if batch2.size else np.zeros((b * k, batch2.shape[2]), batch2.dtype)
        ),
    )


def _check_addr(_start: np.ndarray, a: np.ndarray, b: np.ndarray) -> None:
    for name, vec in (("vec1", a), ("vec2", b)):
        if vec.ndim != 1:
            raise RuntimeError(f"addr: Expected 1-D argument {name}, but got {vec.ndim}-D")


@written_after_checks()
@op(
    "AddrBackward0",
    input=lambda g, input_shape, input_dtype, beta: fit(_back(beta, g), input_shape, input_dtype),
    vec1=lambda g, vec2, alpha, vec1_dtype, vec1_shape: fit(_back(alpha, times(g, conj(vec2))), vec1_shape, vec1_dtype),
    vec2=lambda g, vec1, alpha, vec2_dtype, vec2_shape: fit(_back(alpha, times(conj(vec1), g)), vec2_shape, vec2_dtype),
    batch=batched.added(_check_addr, batched.outer),
)
def addr(input, vec1, vec2, *, beta=1, alpha=1):
    """``beta * input + alpha * outer(vec1, vec2)``.

    Raises:
        RuntimeError: ``vec1`` or ``vec2`` is not a vector.
    """
    _check_addr(input, vec1, vec2)
    (start, first, second), dtype = promoted((input, vec1, vec2))
    for name, factor in (("beta", beta), ("alpha", alpha)):
        if dtype.kind in "biu" and isinstance(factor, float):
            raise RuntimeError(f"For integral input tensors, argument {name} must not be a floating point number.")
    if dtype.kind == "b":
        result = first[:, None] & second if alpha else np.zeros((first.size, second.size), bool)
        return np.broadcast_to(start, result.shape) | result if beta else result
    return _added(start, beta, alpha, first[:, None] * second).astype(dtype, copy=False)


# Built of the others


def outer(input, vec2, *, out=None):
    """The matrix of all products of two vectors' elements.

    Raises:
        RuntimeError: an argument is not a vector.

    >>> import rushlight as torch
    >>> torch.outer(torch.tensor([1, 2]), torch.tensor([3, 4]))
    tensor([[3, 4],
            [6, 8]])
    """
    from .elementwise import mul

    for name, vec in (("self", input), ("vec2", vec2)):
        if vec.ndim != 1:
            raise RuntimeError(f"outer: Expected 1-D argument {name}, but got {vec.ndim}-D")
    return mul(input.reshape(-1, 1), vec2, **({} if out is None else {"out": out}))


ger = outer


def inner(input, other, *, out=None):
    """The sums of products along the last axes of both: ``tensordot(input, other, ([-1], [-1]))``.

    Raises:
        RuntimeError: the last sizes differ.
    """
    from .contraction import tensordot
    from .elementwise import mul

    if not input.ndim or not other.ndim:
        return mul(input, other, **({} if out is None else {"out": out}))
    if input.shape[-1] != other.shape[-1]:
        raise RuntimeError(
            f"inner() the last dimension must match on both input tensors but got shapes {list(input.shape)} and "
            f"{list(other.shape)}"
        )
    return tensordot(input, other, ([-1], [-1]), out=out)


def chain_matmul(*matrices, out=None):
    """The product of several matrices, in the order that needs the fewest multiplications."""
    from .linalg import multi_dot

    if len(matrices) == 1 and isinstance(matrices[0], (list, tuple)):
        (matrices,) = matrices
    if not matrices:
        raise RuntimeError("chain_matmul(): Expected one or more matrices")
    if len(matrices) == 1:
        return matrices[0]
    return multi_dot(list(matrices), out=out)


def matrix_power(input, n, *, out=None):
    """A square matrix, or each of a stack, times itself ``n`` times; a negative ``n`` takes the inverse.

    Raises:
        RuntimeError: the matrices are not square.
    """
    from . import linalg

    return linalg.matrix_power(input, n, out=out)


@op("TraceBackward0", input=lambda g, input_shape: _on_diagonal(g, input_shape), batch=batched.trace)
def trace(input):
    """The sum of a matrix's diagonal.

    Raises:
        RuntimeError: the input is not a matrix.
    """
    if input.ndim != 2:
        raise RuntimeError(f"trace: expected a matrix, but got tensor with dim {input.ndim}")
    return np.trace(input, dtype=np.int64 if input.dtype.kind in "biu" else None)


def _on_diagonal(g, shape):
    unit = np.eye(*shape, dtype=raw(g).dtype)
    return g * like(g, unit)
