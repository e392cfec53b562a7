"""Runs one program with PyTorch and with Rushlight and compares everything that it shows on the way.

A program is a generator function of the library: whatever it yields is compared, and so is the error that ends it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import numpy as np
import torch

import rushlight

Program = Callable[[ModuleType], Iterator]

KEY_WORDS = """
argument 0 is not a Variable
arguments, got 0 instead
arguments, got 1 instead
arguments, got 2 instead
all inputs have to be Tensors or GradientEdges, but got
Cannot set grad_dtype to
Expected output to be a torch.Tensor
data set to a tensor that requires gradients must be floating point or complex dtype
grad_dtype can only be accessed on leaf tensors
grad_dtype can only be set on leaf tensors
grad_dtype must be a torch.dtype or None
inside of a function being transformed by a functorch transform
must be bool, not int
All outputs of f must be floating-point or complex Tensors
Cannot access data pointer of Tensor
Batch norm got a batched tensor as input while
Expected at least one model
Expected all models to
is not an instance of torch.Tensor
Expected f to be a function that has non-empty output
Expected tensors, got unsupported type
Index tensor must have the same number of dimensions as input tensor
backward() called inside a functorch transform
can't retain_grad on Tensor that has requires_grad=False
gradients can be either Tensors or None, but got int
in flattened pytree doesn't match the
to be real but received complex tensor at flattened input idx
Cannot use both regular backward hooks and full backward hooks
An inplace custom Function is not modifying the forward mode gradients inplace
An inplace custom Function is not returning the forward mode gradients as-is
Expected both tensor and its forward grad to be floating point or complex
Function's jvp returned a gradient at position
Function's jvp returned an invalid number of forward gradients
In order to use an autograd.Function with functorch transforms
To use autograd.Function with vmap
You tried to vmap over
but the jvp is not returning a view
returned an incompatible (output, out_dims) tuple
to have two returns, an output and out_dims
Expected at least one Tensor to vmap over
in_dims is not compatible with the structure of `inputs`
but that input is a Tensor of dimensionality
expected `in_dims` to be int or a (potentially nested) tuple
We cannot vmap over non-Tensor arguments
Expected all tensors to have the same size in the mapped dimension
must only return Tensors, got type
out_dims is not compatible with the structure of `outputs`
can not return a BatchedTensor when out_dim is None
got no inputs. Maybe you forgot to add inputs
It looks like you're calling .item() on a Tensor
It looks like you're attempting to use a Tensor in some data-dependent control flow
called random operation while in randomness error mode
does not currently support same randomness with a batched tensor input
Cannot ask for different inplace randomness on an unbatched tensor
inplace bernoulli(self, *extra_args) is not possible
Only allowed values for randomness are
chunk_size should be None or greater than 0
output dynamic shape
indexing with a boolean mask
Dimension out of range
Attempted to vmap over `mask` in torch.masked_select
inplace arithmetic(self, *extra_args) is not possible
is invalid for input of size
maximum size for tensor at dimension
split_size can only be 0 if dimension size is 0
out of range for tensor of size
to return a scalar Tensor, got tensor with
to return a Tensor, got <class
positional inputs
argnums elements must be unique
argnums must be int or Tuple
Thing passed to transform API must be Tensor
should be a tuple: (output, aux) if has_aux is True
Expected primals to be a tuple
Expected primals and tangents to have the same python structure
to return only tensors, got unsupported type
Expected primals to contain at least one Tensor
Expected pytree structure of cotangents to be the same
Autograd not support dtype
invalid index of a 0-dim tensor
maximum size for tensor at dimension
Expected primal to be floating point or complex
Expected tangent to be floating point or complex
Dual level must be a positive number
Making a dual Tensor based on a Tensor that already has a forward gradient
Nested forward mode AD is not supported
Trying to create a dual Tensor for forward AD but no level exists
Trying to set a forward gradient that has a different size
An input that has been returned as-is as output is being saved for backward
If your Function modifies inplace an input that is a view of another Tensor
Legacy autograd function
Some elements marked as dirty during the forward method were not returned as output
You must implement the jvp function
attribute is expected to be a tuple
expects all arguments to be tensors
got an unexpected keyword argument
got multiple values for argument
has been used in an in-place operation
input_is_complex == grad_is_complex
mark_dirty can only accept variables
mark_non_differentiable only accepts variable arguments
missing required argument
received an invalid combination of arguments
save_for_backward can only save variables
saved_tensors can only be accessed once
setup_context is not implemented
expected Variable or None (got
Index put requires the source and destination dtypes match
expected self and source to have same dtypes
only supports 0-dimension value tensor
tuple index out of range
not implemented for
was created in inference mode
cannot be applied to a 0-dim tensor
is out of bounds for dimension
could not infer output dtype
expects a tensor with <= 2 dimensions
Dimension specified as 0 but tensor has no dimensions
Trying to use a saved tensor that has been detached in-place
expand(torch.
split expects at least a 1-dimensional tensor
too many indices for tensor of dimension
view size is not compatible with input tensor's size and stride
Boolean value of Tensor with more than one value is ambiguous
Number of elements of source < number of ones in mask
Sizes of tensors must match except in dimension
Tensors must have same number of dimensions
The expanded size of the tensor
cannot be concatenated
chunk expects at least a 1-dimensional tensor
expected dtype
stack expects each tensor to be equal size
is being modified inplace in normal mode
Cannot set version_counter for inference tensor
Calling register_hooks on a saved tensor
Expected allow_unused to be True or not passed
Expects all inputs to be Tensor
Implementing both 'backward' and 'vjp'
Inference tensors cannot be saved for backward
Inference tensors do not track version counter
Inplace update to inference tensor outside InferenceMode
Legacy autograd function with non-static forward method is deprecated
Mismatch in shape
Numerical gradient for function expected to be zero
appears to not have been used in the graph. Set allow_unused=True if this is the desired behavior
One of the differentiated Tensors does not require grad
Output 0 of
Output 1 of
some elements of the input tensor and the written-to tensor refer to a single memory location
must match the size of tensor b
is a view and its base or another view of its base has been modified inplace
was created in no_grad mode
Setting requires_grad=True on inference tensor outside InferenceMode
This view is the output of a function that returns multiple views
This view was created inside a custom Function
Trying to backward through the graph a second time
You must implement either the backward or vjp method
You must implement the forward function
a leaf Variable that requires grad
`inputs` argument to `backward()` cannot be empty
`inputs` argument to `grad()` cannot be empty
Can't detach views in-place
has no attribute
got 2 tensors and 1 gradients
is not iterable
is modifying its input in place
materialize_grads cannot be used when the given input is a GradientEdge
Iterable[Tensor] as input
Trying to backward outside of the 'allow_mutation_on_saved_tensors' context
allow_mutation_on_saved_tensors contexts cannot be nested
Backward hook returned an invalid number of grad_input
Backward pre hook returned an invalid number of grad_output
Backward hook for Modules where no input requires gradient
object of type 'int' has no len()
A different number of tensors was saved during the original forward and recomputation
Expected op in `op_list` to be an OpOverload
GraphExecGroup contexts cannot be nested
Only tuple of tensors is supported
Passing `context_fn` or `debug` is only supported when use_reentrant=False
Recomputed values for the following tensors have different metadata
Tensor cached during selective activation checkpoint has been mutated
Trying to backward an extra time
Unexpected keyword arguments
Unpack is being triggered for a tensor that was already unpacked once
When use_reentrant=True, torch.utils.checkpoint is incompatible with
broken function
debug=True is incompatible with non-default context_fn
determinism_check should be one of
encountered during backward but not found in
none of output has requires_grad=True
policy_fn_or_list must be either a function or a list of ops
suppressed an exception raised during the
trying to save more tensors during recomputation
incompatible function arguments
no hooks here
unpack_hook expected to be a Tensor
assigned grad expected to be a Tensor or None
attempting to assign a gradient of size
attempting to assign a gradient with dtype
For complex Tensors, both grad_output and output are required to have the same dtype
can be either Tensors or None
can only be created for real scalar
can't assign Variable as its own grad
can't be cast to the desired output type
can't retain_grad on Tensor that has requires_grad=False
cannot be broadcast
are out of bounds for storage of size
apart from dimension
derivative for set_ is not implemented
leaf variable has been moved into the graph interior
exceeds dimension size
should be equal to source.size(dim)
cannot register a hook on a tensor that doesn't require gradient
corresponding forward input was not a Variable
does not require grad and does not have a grad_fn
doesn't match the broadcast shape
division by zero
post accumulate grad hooks cannot be registered on non-leaf tensors
expected Variable or None
for a Tensor that does not require gradients
element 0 of tensors
element 1 of tensors
expected a Tensor or None
expected tuple, but hook returned
expected Variable, but hook returned
object is not callable
can't replace a None gradient
post accumulate grad hooks should return None
Expects mode to be one of
A leaf node was passed to _will_engine_execute_node
Expected gradient function to be set
Can't instantiate abstract class Node
region_activation_memory_budget
expected shape compatible with
grad can be implicitly created only for real scalar outputs
grad can be implicitly created only for scalar outputs
grad requires non-empty inputs
has been modified by an inplace operation
has changed the size of value
has changed the type of value
has returned an incorrect number of values
hook should not be
in-place operation
is being used in an in-place operation
modified by an inplace operation
more than one element of the written-to tensor refers to a single memory location
must be a bool
not allowed
nly Tensors of floating point
only be registered on leaf
returned an incorrect number of gradients
returned an invalid gradient at index
returned nan values in its
should not be instantiated
to differentiate twice a function that was marked with @once_differentiable
use a computed variable in a subgraph that doesn't require differentiation
you can only change requires_grad flags of leaf variables
""".strip().splitlines()
"""What is looked for in PyTorch's messages and must then be in Rushlight's too."""


def fails(call: Callable[[], Any]) -> Any:
    """The error that a call raises, or what it returns."""
    try:
        return call()
    except Exception as error:
        return error


def run(program: Program, library: ModuleType) -> list:
    """All that a program shows, in plain values, with its error at the end if it raised one."""
    shown = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            for value in program(library):
                shown.append(plain(value))
        except Exception as error:
            shown.append(error)
    return shown


def plain(value: Any) -> Any:
    """A value that two libraries share: tensors as their values and flags, nodes as their names."""
    if isinstance(value, (torch.Tensor, rushlight.Tensor)):
        flags = {"dtype": str(value.dtype), "requires_grad": value.requires_grad, "is_leaf": value.is_leaf}
        return flags | {"grad_fn": plain(value.grad_fn), "values": np.array(value.detach().numpy())}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if value is None or isinstance(value, (bool, int, float, complex, str, np.ndarray, Exception)):
        return value
    return type(value).__name__ if hasattr(value, "next_functions") else str(value)


def assert_same(program: Program, rtol: float = 1e-6) -> None:
    """Assert that both libraries show the same."""
    expected, got = run(program, torch), run(program, rushlight)
    for place, (want, have) in enumerate(zip(expected, got)):
        assert_equal(have, want, f"shown value {place}", rtol)
    assert len(got) == len(expected), f"PyTorch showed {expected[len(got) :]}, Rushlight {got[len(expected) :]} more"


def assert_equal(got: Any, expected: Any, place: str, rtol: float = 1e-6) -> None:
    """Assert that two plain values are equal: arrays within rounding, errors in class and key words."""
    if isinstance(expected, Exception) or isinstance(got, Exception):
        assert type(got).__name__ == type(expected).__name__, f"{place}: {got!r} instead of {expected!r}"
        for words in words_of(expected):
            assert words in str(got), f"{place}: '{words}' is missing in: {got}"
    elif isinstance(expected, np.ndarray):
        assert isinstance(got, np.ndarray) and got.shape == expected.shape, f"{place}: {got!r} instead of {expected!r}"
        np.testing.assert_allclose(got, expected, rtol=rtol, atol=rtol, err_msg=place)
    elif isinstance(expected, dict):
        assert isinstance(got, dict) and list(got) == list(expected), f"{place}: {got!r} instead of {expected!r}"
        for key in expected:
            assert_equal(got[key], expected[key], f"{place}.{key}", rtol)
    elif isinstance(expected, list):
        assert isinstance(got, list) and len(got) == len(expected), f"{place}: {got!r} instead of {expected!r}"
        for index, (have, want) in enumerate(zip(got, expected, strict=True)):
            assert_equal(have, want, f"{place}[{index}]", rtol)
    else:
        assert got == expected, f"{place}: {got!r} instead of {expected!r}"


def words_of(error: Exception) -> list[str]:
    """The key words of an error of PyTorch's."""
    found = [words for words in KEY_WORDS if words in str(error)]
    assert found, f"say what is essential in: {error!r}"
    return found


class Programs(list):
    """Collects the programs of a test file: use as a decorator, and as the parameters of one test."""

    def __call__(self, program: Program) -> Program:
        assert program.__name__ not in map(name, self), f"two programs named {program.__name__}"
        self.append(program)
        return program


def name(program: Program) -> str:
    """What a program is called in the report."""
    return program.__name__
