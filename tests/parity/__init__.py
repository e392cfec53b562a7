"""Comparison of Rushlight with PyTorch over PyTorch's own databases of ops, modules and optimizers.

    python -m tests.parity                          every op that Rushlight has, float32 and float64
    python -m tests.parity relu linalg.norm         these ops only (name, alias, last part of a name, or a glob)
    python -m tests.parity 'fft.*' --dtype float64  one dtype
    python -m tests.parity sum --all-dtypes         every dtype that PyTorch's op takes
    python -m tests.parity gather --errors          also the inputs that must raise
    python -m tests.parity sum --forward            tangents of dual numbers, of in-place forms too
    python -m tests.parity sum --forward-over-reverse   tangents of gradients
    python -m tests.parity sum --batched            gradients for batches of cotangents, vmap of the op
    python -m tests.parity sum --inplace            gradients through the in-place form, on a copy and on a view
    python -m tests.parity sum --gradcheck          whether gradcheck and gradgradcheck accept the op, as PyTorch's do
    python -m tests.parity --list-missing           what Rushlight lacks, one name per line, and nothing else
    python -m tests.parity --modules [names ...]    nn modules    (also: python -m tests.parity.modules)
    python -m tests.parity --optimizers [names ...] optimizers    (also: python -m tests.parity.optimizers)

For every sample input of an op both libraries run the same call on equal inputs from the same seed, and these are
compared: structure, shape, dtype, value and requires_grad of the outputs; the inputs afterwards; the gradient of
every differentiable input under one random cotangent; the second gradient; the method, in-place and operator forms;
the `out=` form; the aliases. An op that raises in PyTorch must raise the same class.

The five other comparisons of derivatives are made in float64 and may be asked for together. Where PyTorch raises or
gives NaN there is nothing to compare with; the reasons are printed. vmap is held against PyTorch's and against a loop
of the library's own op, and the ops that were computed by a loop for lack of a rule are listed at the end.

Useful when developing: `--fail-fast`, `--verbose` (every failing sample, not three of a kind), `--sample N` (this
sample number only), `--traceback` (where the exception came from), `--samples 0` (all samples), `--only gradient`
(failures of this check only), `--strides` (memory layout as well). `--module torch` compares PyTorch with itself,
which must pass without a failure: that is the test of the comparison.

A failing line reads `FAIL op dtype check | #sample (arguments) | what differs`, with tensors as `f32[2,3]`, strides
after `~` where they are not contiguous, and for an exception the innermost line of the library in brackets. A result
beyond the tolerance in float32 or narrower still passes, and is counted, if it is no farther than twice PyTorch's own
error from PyTorch's result in double precision.

The exit status is 1 when anything failed, when nothing was compared, or when a module could not be imported.
"""
