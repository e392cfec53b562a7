// Softmax, its logarithm, and the logarithm of a sum of exponentials, along an axis.
#include "lines.hpp"
#include "maths.hpp"
#include "module.hpp"

namespace rushlight {
namespace {

// The largest element of a line may be found without regard to NaN: the sum of exponentials has it all the same.

template <class T> Array<T> softmax(Array<T> input, Index dim) {
    const auto result = Array<T>::empty(input.shape());
    over_lines<T>(Axis(input.shape(), axis_of(input.shape(), dim)), 8, [x = input.data(), y = result.data()](auto lines, Index) {
        T most[width], sum[width];
        lines.template fold<LargestNumber>(most, [&](Index i, Index) { return x[i]; });
        lines.template fold<Sum>(sum, [&](Index i, Index j) { return y[i] = exp(x[i] - most[j]); });
        lines.each_line([&](Index j) { sum[j] = 1 / sum[j]; });
        lines.each([&](Index i, Index j) { y[i] *= sum[j]; });
    });
    return result;
}

template <class T> Array<T> softmax_back(Array<T> gradient, Array<T> value, Index dim) {
    require(same_shape(gradient, value));
    const auto result = Array<T>::empty(gradient.shape());
    const T *g = gradient.data(), *y = value.data();
    over_lines<T>(Axis(gradient.shape(), axis_of(gradient.shape(), dim)), 2, [=, to = result.data()](auto lines, Index) {
        T sum[width];
        lines.template fold<Sum>(sum, [&](Index i, Index) { return g[i] * y[i]; });
        lines.each([&](Index i, Index j) { to[i] = (g[i] - sum[j]) * y[i]; });
    });
    return result;
}

template <class T> Array<T> log_softmax(Array<T> input, Index dim) {
    const auto result = Array<T>::empty(input.shape());
    over_lines<T>(Axis(input.shape(), axis_of(input.shape(), dim)), 8, [x = input.data(), y = result.data()](auto lines, Index) {
        T most[width], sum[width];
        lines.template fold<LargestNumber>(most, [&](Index i, Index) { return x[i]; });
        lines.template fold<Sum>(sum, [&](Index i, Index j) { return exp(x[i] - most[j]); });
        lines.each_line([&](Index j) { sum[j] = log(sum[j]); });
        lines.each([&](Index i, Index j) { y[i] = x[i] - most[j] - sum[j]; });
    });
    return result;
}

template <class T> Array<T> log_softmax_back(Array<T> gradient, Array<T> value, Index dim) {
    require(same_shape(gradient, value));
    const auto result = Array<T>::empty(gradient.shape());
    const T *g = gradient.data(), *y = value.data();
    over_lines<T>(Axis(gradient.shape(), axis_of(gradient.shape(), dim)), 8, [=, to = result.data()](auto lines, Index) {
        T sum[width];
        lines.template fold<Sum>(sum, [&](Index i, Index) { return g[i]; });
        lines.each([&](Index i, Index j) { to[i] = g[i] - exp(y[i]) * sum[j]; });
    });
    return result;
}

template <class T> Array<T> logsumexp(Array<T> input, Index dim, bool keepdims) {
    dim = axis_of(input.shape(), dim);
    const auto result = Array<T>::reduced(input.shape(), dim, keepdims);
    over_lines<T>(Axis(input.shape(), dim), 8, [x = input.data(), y = result.data()](auto lines, Index first) {
        constexpr T infinity = std::numeric_limits<T>::infinity();
        T most[width], sum[width];
        lines.template fold<LargestNumber>(most, [&](Index i, Index) { return x[i]; });
        lines.each_line([&](Index j) { most[j] = most[j] > -infinity && most[j] < infinity ? most[j] : 0; });
        lines.template fold<Sum>(sum, [&](Index i, Index j) { return exp(x[i] - most[j]); });
        lines.each_line([&](Index j) { y[first + j] = log(sum[j]) + most[j]; });
    });
    return result;
}

// exp(x - y) is the softmax of x; where y is infinite it counts as 0.
template <class T> Array<T> logsumexp_back(Array<T> gradient, Array<T> input, Array<T> value, Index dim) {
    const Axis axis(input.shape(), axis_of(input.shape(), dim));
    require(gradient.size() == axis.outer * axis.inner && value.size() == gradient.size());
    const auto result = Array<T>::empty(input.shape());
    const T *g = gradient.data(), *x = input.data(), *y = value.data();
    over_lines<T>(axis, 8, [=, to = result.data()](auto lines, Index first) {
        constexpr T infinity = std::numeric_limits<T>::infinity();
        T finite[width], weight[width];
        lines.each_line([&](Index j) {
            const T of_line = y[first + j];
            finite[j] = of_line == infinity || of_line == -infinity ? 0 : of_line;
            weight[j] = g[first + j];
        });
        lines.each([&](Index i, Index j) { to[i] = weight[j] * exp(x[i] - finite[j]); });
    });
    return result;
}

}  // namespace

void add_softmax(nb::module_ &module) {
    RUSHLIGHT_FLOATING(module, softmax);
    RUSHLIGHT_FLOATING(module, softmax_back);
    RUSHLIGHT_FLOATING(module, log_softmax);
    RUSHLIGHT_FLOATING(module, log_softmax_back);
    RUSHLIGHT_FLOATING(module, logsumexp);
    RUSHLIGHT_FLOATING(module, logsumexp_back);
}

}  // namespace rushlight
