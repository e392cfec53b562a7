// Softmax and its logarithm along an axis.
#include <cmath>
#include <vector>

#include "maths.hpp"
#include "module.hpp"
#include "threads.hpp"

namespace rushlight {
namespace {

// An array around one of its axes: `outer` blocks of `length` rows of `inner` elements.
struct Axis {
    Index outer, length, inner;

    Axis(std::span<const Index> shape, Index dim)
        : outer(count(shape.first(dim))), length(shape[dim]), inner(count(shape.subspan(dim + 1))) {}
};

// Columns that are worked on together where the axis is not the last one.
constexpr Index width = 64;

// Lines along the axis that a body works on at a time: calls body(offset, columns) for the first element of each, with
// `columns` adjacent lines.
template <class Body> void over_lines(const Axis &axis, Body &&body) {
    const Index blocks = axis.inner == 1 ? 1 : (axis.inner + width - 1) / width;
    parallel(axis.outer * blocks, 8 * axis.length * std::min(axis.inner, width), [&](Index begin, Index end) {
        for (Index i = begin; i < end; ++i) {
            const Index column = i % blocks * width;
            body(i / blocks * axis.length * axis.inner + column, std::min(width, axis.inner - column));
        }
    });
}

template <class T> T largest(const T *x, Index n) {
    T most = -std::numeric_limits<T>::infinity();
#pragma omp simd reduction(max : most)
    for (Index i = 0; i < n; ++i) most = x[i] > most ? x[i] : most;
    return most;
}

template <class T> void softmax_row(const T *x, T *y, Index n) {
    const T most = largest(x, n);
    T sum = 0;
#pragma omp simd reduction(+ : sum)
    for (Index i = 0; i < n; ++i) sum += y[i] = exp(x[i] - most);
    const T scale = 1 / sum;
    for (Index i = 0; i < n; ++i) y[i] *= scale;
}

template <class T> void softmax_columns(const T *x, T *y, Index n, Index stride, Index columns) {
    T most[width], sum[width] = {};
    std::fill_n(most, width, -std::numeric_limits<T>::infinity());
    for (Index i = 0; i < n; ++i)
        for (Index j = 0; j < columns; ++j) most[j] = std::max(most[j], x[i * stride + j]);
    for (Index i = 0; i < n; ++i)
        for (Index j = 0; j < columns; ++j) sum[j] += y[i * stride + j] = exp(x[i * stride + j] - most[j]);
    for (Index i = 0; i < n; ++i)
        for (Index j = 0; j < columns; ++j) y[i * stride + j] /= sum[j];
}

template <class T> Array<T> softmax(Array<T> x, Index dim) {
    const auto y = Array<T>::empty(x.shape());
    const Axis axis(x.shape(), dim);
    over_lines(axis, [&, from = x.data(), to = y.data()](Index at, Index columns) {
        if (axis.inner == 1) softmax_row(from + at, to + at, axis.length);
        else softmax_columns(from + at, to + at, axis.length, axis.inner, columns);
    });
    return y;
}

}  // namespace

void add_softmax(nb::module_ &module) { RUSHLIGHT_FLOATING(module, softmax); }

}  // namespace rushlight
