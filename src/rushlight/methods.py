"""Which operation is which method of Tensor: one readable table."""

from __future__ import annotations

from .ops import (
    activation,
    along,
    bounds,
    compare,
    complexes,
    convert,
    copies,
    creation,
    cumulative,
    decompositions,
    elementwise,
    extremes,
    factors,
    filling,
    index,
    legacy,
    linalg,
    masks,
    norms,
    parts,
    powers,
    products,
    reduce,
    reshaping,
    rounding,
    rows,
    shape,
    softmaxes,
    solving,
    sorting,
    special,
    splitting,
    statistics,
    strided,
    taking,
    trig,
    views,
)
from .ops import inplace as in_place
from .ops import random as randoms
from .ops.define import inplace
from .tensor import Tensor

METHODS = {
    elementwise: (
        "abs absolute add addcdiv addcmul div divide floor_divide fmod gcd lcm ldexp lerp mul multiply neg negative "
        "positive reciprocal remainder sgn sign signbit sub subtract true_divide"
    ),
    powers: "exp exp2 expm1 float_power log log10 log1p log2 logaddexp logaddexp2 pow rsqrt sqrt square xlogy",
    trig: (
        "acos acosh arccos arccosh arcsin arcsinh arctan arctan2 arctanh asin asinh atan atan2 atanh cos cosh deg2rad "
        "hypot rad2deg sin sinc sinh tan tanh"
    ),
    rounding: "ceil copysign fix floor frac frexp nextafter round trunc",
    bounds: "clamp clamp_max clamp_min clip fmax fmin heaviside maximum minimum nan_to_num",
    compare: (
        "allclose bitwise_and bitwise_left_shift bitwise_not bitwise_or bitwise_right_shift bitwise_xor eq equal ge "
        "greater greater_equal gt is_complex is_floating_point is_nonzero is_same_size isclose isfinite isinf isnan "
        "isneginf isposinf isreal le less less_equal logical_and logical_not logical_or logical_xor lt ne not_equal"
    ),
    complexes: "angle conj conj_physical resolve_conj resolve_neg",
    activation: "hardshrink prelu relu",
    special: "digamma erf erfc erfinv i0 igamma igammac lgamma logit mvlgamma sigmoid",
    reduce: "all any count_nonzero logsumexp mean nanmean nansum prod std sum sum_to_size var",
    extremes: ("amax amin aminmax argmax argmin kthvalue max median min mode nanmedian nanquantile quantile"),
    cumulative: "cummax cummin cumprod cumsum diff logcumsumexp",
    sorting: "argsort msort sort topk unique unique_consecutive",
    softmaxes: "log_softmax softmax",
    norms: "dist norm renorm",
    statistics: "bincount corrcoef cov histc histogram",
    views: (
        "adjoint broadcast_to expand expand_as flatten moveaxis movedim permute ravel reshape reshape_as squeeze "
        "swapaxes swapdims t transpose unflatten unsqueeze view view_as"
    ),
    parts: "diagonal narrow select unfold",
    strided: "as_strided as_strided_scatter",
    in_place: "copy_",
    filling: "apply_ fill_ fill_diagonal_ map2_ map_ zero_",
    reshaping: "as_strided_ squeeze_ swapaxes_ swapdims_ t_ transpose_ unsqueeze_",
    shape: (
        "diag diag_embed diagflat diagonal_scatter flip fliplr flipud repeat repeat_interleave roll rot90 "
        "select_scatter slice_scatter tile tril triu"
    ),
    splitting: (
        "chunk dsplit hsplit split split_with_sizes tensor_split unbind unsafe_chunk unsafe_split "
        "unsafe_split_with_sizes vsplit"
    ),
    along: "gather scatter scatter_add scatter_reduce",
    rows: "index_add index_copy index_fill index_reduce index_select",
    taking: "put take take_along_dim",
    index: "index_put index_put_",
    masks: "argwhere masked_fill masked_fill_ masked_scatter masked_select nonzero",
    copies: "narrow_copy",
    convert: (
        "clone contiguous cpu cuda detach detach_ is_set_to resize_ resize_as_ set_ storage to type_as untyped_storage"
    ),
    creation: "new new_tensor",
    randoms: "bernoulli bernoulli_ cauchy_ exponential_ geometric_ log_normal_ multinomial normal_ random_ uniform_",
    products: "addbmm addmm addmv addr baddbmm bmm dot ger inner matmul matrix_power mm mv outer trace vdot",
    linalg: "cross kron",
    solving: "det inverse logdet pinverse",
    decompositions: "matrix_exp",
    factors: "cholesky_inverse cholesky_solve geqrf orgqr ormqr",
    legacy: "cholesky lu_solve qr slogdet svd triangular_solve",
}
"""The methods that are a module's function of the same name."""

INPLACE = {
    elementwise: (
        "add addcdiv addcmul div divide floor_divide fmod gcd lcm ldexp lerp mul multiply neg negative "
        "reciprocal remainder sgn sign sub subtract true_divide"
    ),
    powers: "exp exp2 expm1 log log10 log1p log2 rsqrt sqrt square xlogy",
    trig: (
        "acos acosh arccos arccosh arcsin arcsinh arctan arctan2 arctanh asin asinh atan atan2 atanh cos cosh deg2rad "
        "hypot rad2deg sin sinc sinh tan tanh"
    ),
    rounding: "ceil copysign fix floor frac nextafter round trunc",
    bounds: "clamp clamp_max clamp_min clip heaviside nan_to_num",
    compare: (
        "bitwise_and bitwise_left_shift bitwise_not bitwise_or bitwise_right_shift bitwise_xor eq ge greater "
        "greater_equal gt le less less_equal logical_and logical_not logical_or logical_xor lt ne not_equal"
    ),
    complexes: "conj_physical",
    activation: "relu",
    special: "digamma erf erfc erfinv i0 igamma igammac lgamma logit mvlgamma sigmoid",
    along: "scatter_add scatter_reduce",
    rows: "index_add index_copy index_reduce",
    taking: "put",
    masks: "masked_scatter",
    shape: "tril triu",
    norms: "renorm",
    products: "addbmm addmm addmv addr baddbmm",
}
"""The methods with a trailing underscore: a module's function, written into the tensor."""

OPERATORS = {
    **elementwise.OPERATORS,
    **powers.OPERATORS,
    **special.OPERATORS,
    **compare.OPERATORS,
    **cumulative.INPLACE,
    **{f"__i{name}__": inplace(function) for name, function in {
        "add": elementwise.add, "sub": elementwise.sub, "mul": elementwise.mul, "truediv": elementwise.div,
        "floordiv": elementwise.floor_divide, "mod": elementwise.remainder,
        "and": compare.bitwise_and, "or": compare.bitwise_or, "xor": compare.bitwise_xor,
        "lshift": compare.bitwise_left_shift, "rshift": compare.bitwise_right_shift,
    }.items()},
    "__matmul__": products.matmul_operator, "__rmatmul__": products.reversed_matmul_operator,
    "__getitem__": index.getitem, "__setitem__": index.setitem,
    "__iter__": splitting.iterate, "__reversed__": shape.backwards, "__contains__": index.contains,
    "layout": property(convert.layout_of),
    "index_fill_": rows.index_fill_, "get_device": convert.get_device, "scatter_": along.scatter_,
    "T": property(views.transposed), "mT": property(views.matrix_transposed), "H": property(views.hermitian),
    "mH": property(views.matrix_adjoint), "lu": legacy.lu_as_tuple, "type": convert.type_, **convert.CONVERSIONS,
    **creation.NEW,
    "real": property(complexes.real), "imag": property(complexes.imag),
}  # fmt: skip
"""Operators and other methods whose name differs from the function's."""


def attach() -> None:
    """Give Tensor its methods."""
    for module, names in METHODS.items():
        for name in names.split():
            setattr(Tensor, name, getattr(module, name))
    for module, names in INPLACE.items():
        for name in names.split():
            setattr(Tensor, f"{name}_", inplace(getattr(module, name)))
    for name, function in OPERATORS.items():
        setattr(Tensor, name, function)


attach()
