// Normalisation to mean 0 and variance 1 of lines and of channels, then times weight plus bias; and the way back.
#include <cmath>

#include "axes.hpp"
#include "module.hpp"

namespace rushlight {
namespace {

// How an array is normalised: `outer` times `groups` lines, each of `each` times `space` elements; or, where `across` is
// set, `groups` channels, each of `outer` stretches of `space` elements. Parameters differ along `groups` and `each`.
struct Plan {
    bool across = false;
    Index outer = 1, groups = 1, each = 1, space = 1;

    Index lines() const { return across ? groups : outer * groups; }
    Index length() const { return across ? outer * space : each * space; }
    Index parameters() const { return groups * each; }

    Plan(std::span<const Index> shape, uint64_t reduced, const Axes &affine) {
        require(affine.count == static_cast<int>(shape.size()));
        enum Part { none, outermost, group, channel, inside };
        Part last = none;
        for (size_t i = 0; i < shape.size(); ++i) {
            if (shape[i] == 1) continue;
            const bool goes = reduced >> i & 1, differs = affine.named[i] != 1;
            require(!differs || affine.named[i] == shape[i]);
            const Part part = goes ? differs ? channel : inside : differs ? group : outermost;
            if (part == outermost) {
                require(last <= outermost);
                outer *= shape[i];
            } else if (part == inside && (last == none || (last == inside && !across && groups == 1 && each == 1 && outer == 1))) {
                space *= shape[i];
            } else if (part == group && last == inside && each == 1 && outer == 1 && groups == 1) {
                across = true;
                outer = space;
                space = 1;
                groups = shape[i];
            } else {
                require(last <= part && !(across && part == channel));
                (part == group ? groups : part == channel ? each : space) *= shape[i];
            }
            last = part;
        }
    }
};

// Parameters of which those that are absent are all the same number.
template <class T> class Parameters {
public:
    Parameters(const Array<T> &given, Index count, T otherwise) {
        if (given) require(given.size() == count);
        else fill_.assign(count, otherwise);
        values_ = given ? given.data() : fill_.data();
    }
    const T *data() const { return values_; }

private:
    std::vector<T> fill_;
    const T *values_;
};

// Calls body(lines, k) for all channels of a plan across the outer axis; k is the first channel.
template <class T, class Body> void over_channels(const Plan &plan, Body &&body) {
    if (plan.space == 1) {
        over_lines<T>(Axis(1, plan.outer, plan.groups), 8, body);
        return;
    }
    parallel(plan.groups, plan.length(), [&](Index begin, Index end) {
        for (Index c = begin; c < end; ++c)
            body(Segments<T>{c * plan.space, plan.outer, plan.groups * plan.space, plan.space}, c);
    });
}

// The mean of each line and its variance, in two passes.
template <class T, class Lines> void moments(const Lines &lines, const T *x, Index length, T *mean, T *variance) {
    lines.template fold<Sum>(mean, [&](Index i, Index) { return x[i]; });
    lines.each_line([&](Index j) { mean[j] /= static_cast<T>(length); });
    lines.template fold<Sum>(variance, [&](Index i, Index j) { return (x[i] - mean[j]) * (x[i] - mean[j]); });
    lines.each_line([&](Index j) { variance[j] /= static_cast<T>(length); });
}

template <class T>
nb::tuple normalize(Array<T> input, Array<T> weight, Array<T> bias, Axes axes, Axes affine, double eps) {
    require(input.size());
    const uint64_t reduced = axes.of(input.ndim());
    const Plan plan(input.shape(), reduced, affine);
    const Parameters<T> weights(weight, plan.parameters(), 1), biases(bias, plan.parameters(), 0);
    const auto result = Array<T>::empty(input.shape());
    const Dense<T> dense(input.object());
    const auto means = reduced_like(dense, reduced, true), variances = reduced_like(dense, reduced, true),
               scales = reduced_like(dense, reduced, true);
    const T *x = input.data(), *w = weights.data(), *b = biases.data();
    T *y = result.data(), *mean = means.data(), *variance = variances.data(), *scale = scales.data();
    const auto statistics = [&](const auto &lines, Index first) {
        moments(lines, x, plan.length(), mean + first, variance + first);
        lines.each_line([&](Index j) {
            scale[first + j] = 1 / std::sqrt(variance[first + j] + static_cast<T>(eps));
        });
    };
    if (plan.across) {
        over_channels<T>(plan, [&](const auto &lines, Index first) {
            statistics(lines, first);
            T factor[width], middle[width], shift[width];
            lines.each_line([&](Index j) {
                factor[j] = scale[first + j] * w[first + j];
                middle[j] = mean[first + j];
                shift[j] = b[first + j];
            });
            lines.each([&](Index i, Index j) { y[i] = (x[i] - middle[j]) * factor[j] + shift[j]; });
        });
    } else {
        parallel(plan.lines(), plan.length(), [&](Index begin, Index end) {
            for (Index line = begin; line < end; ++line) {
                const Index at = line * plan.length(), first = line % plan.groups * plan.each;
                statistics(Row<T>{at, plan.length()}, line);
                const T middle = mean[line], factor = scale[line];
                if (plan.space == 1) {
#pragma omp simd
                    for (Index k = 0; k < plan.each; ++k)
                        y[at + k] = (x[at + k] - middle) * factor * w[first + k] + b[first + k];
                    continue;
                }
                for (Index k = 0; k < plan.each; ++k)
                    Row<T>{at + k * plan.space, plan.space}.each(
                        [&, times = factor * w[first + k], plus = b[first + k]](Index i, Index) {
                            y[i] = (x[i] - middle) * times + plus;
                        });
            }
        });
    }
    return nb::make_tuple(result, means, variances, scales);
}

// What backward reads and writes. The gradients of parameters are sums that start from zero.
template <class T> struct Back {
    const T *g, *x, *w, *mean, *scale;
    T *of_input;  // or null

    // With the sums over a line of length n of g w, and of g w (x - mean): the gradient of x.
    template <class Lines> void input(const Lines &lines, const T *w, const T *mean, const T *scale, const T *sum, const T *product, Index n) const {
        T factor[width], shift[width], slope[width], middle[width];
        lines.each_line([&](Index j) {
            middle[j] = mean[j];
            factor[j] = scale[j] * w[j];
            shift[j] = scale[j] * sum[j] / static_cast<T>(n);
            slope[j] = scale[j] * scale[j] * scale[j] * product[j] / static_cast<T>(n);
        });
        lines.each([&](Index i, Index j) {
            of_input[i] = g[i] * factor[j] - shift[j] - (x[i] - middle[j]) * slope[j];
        });
    }

    // One line of `each` parameters.
    void line(const Plan &plan, Index number, T *of_weight, T *of_bias) const {
        const Index n = plan.length(), at = number * n, first = number % plan.groups * plan.each;
        const T middle = mean[number], factor = scale[number];
        T sum = 0, product = 0;
        if (plan.space == 1) {
            const T *wide = w + first;
            T *dw = of_weight + first, *db = of_bias + first;
            if (of_input) {
                sum = fold<Sum<T>, T>(0, n, [&](Index k) { return g[at + k] * wide[k]; });
                product = fold<Sum<T>, T>(0, n, [&](Index k) { return g[at + k] * wide[k] * (x[at + k] - middle); });
                const T shift = sum / static_cast<T>(n), slope = factor * factor * product / static_cast<T>(n);
#pragma omp simd
                for (Index k = 0; k < n; ++k)
                    of_input[at + k] = factor * (g[at + k] * wide[k] - shift - (x[at + k] - middle) * slope);
            }
#pragma omp simd
            for (Index k = 0; k < n; ++k) {
                dw[k] += g[at + k] * (x[at + k] - middle) * factor;
                db[k] += g[at + k];
            }
            return;
        }
        for (Index k = 0; k < plan.each; ++k) {
            const Row<T> segment{at + k * plan.space, plan.space};
            T of_sum, of_product;
            sums(segment, &middle, &of_sum, &of_product);
            of_bias[first + k] += of_sum;
            of_weight[first + k] += of_product * factor;
            sum += of_sum * w[first + k];
            product += of_product * w[first + k];
        }
        if (!of_input) return;
        for (Index k = 0; k < plan.each; ++k)
            input(Row<T>{at + k * plan.space, plan.space}, w + first + k, &middle, &factor, &sum, &product, n);
    }

    template <class Lines> void sums(const Lines &lines, const T *mean, T *sum, T *product) const {
        lines.template fold<Sum>(sum, [&](Index i, Index) { return g[i]; });
        lines.template fold<Sum>(product, [&](Index i, Index j) { return g[i] * (x[i] - mean[j]); });
    }
};

template <class T>
nb::tuple normalize_back(Array<T> gradient, Array<T> input, Array<T> weight, Array<T> means, Array<T> scales, Axes axes,
                         Axes affine, bool needs_input) {
    require(input.size() && same_shape(gradient, input));
    const Plan plan(input.shape(), axes.of(input.ndim()), affine);
    require(means.size() == plan.lines() && scales.size() == plan.lines());
    const Index count = plan.parameters();
    const Parameters<T> weights(weight, count, 1);
    const auto of_input = needs_input ? Array<T>::empty(input.shape()) : Array<T>();
    const auto of_weight = Array<T>::empty({count}), of_bias = Array<T>::empty({count});
    T *dw = of_weight.data(), *db = of_bias.data();
    std::fill_n(dw, count, T(0));
    std::fill_n(db, count, T(0));
    const Back<T> back{gradient.data(), input.data(), weights.data(), means.data(), scales.data(), of_input.data()};
    if (plan.across) {
        over_channels<T>(plan, [&](const auto &lines, Index c) {
            T product[width], sum[width], times[width];
            back.sums(lines, back.mean + c, db + c, product);
            lines.each_line([&](Index j) {
                dw[c + j] = product[j] * back.scale[c + j];
                times[j] = back.w[c + j];
                sum[j] = db[c + j] * times[j];
                product[j] *= times[j];
            });
            if (back.of_input)
                back.input(lines, times, back.mean + c, back.scale + c, sum, product, plan.length());
        });
    } else if (plan.outer == 1) {
        parallel(plan.lines(), plan.length(), [&](Index begin, Index end) {
            for (Index line = begin; line < end; ++line) back.line(plan, line, dw, db);
        });
    } else {  // several outer ones at a time, whose sums are added up in the end
        const Index each = plan.groups * plan.length();
        const Index some = std::max({Index(1), piece_work / each, (plan.outer + 63) / 64});
        const Index pieces = (plan.outer + some - 1) / some;
        std::vector<T> partial(pieces > 1 ? 2 * count * pieces : 0);
        parallel(pieces, some * each, [&](Index begin, Index end) {
            for (Index piece = begin; piece < end; ++piece) {
                T *to_weight = pieces > 1 ? partial.data() + 2 * count * piece : dw;
                T *to_bias = pieces > 1 ? to_weight + count : db;
                const Index last = std::min(plan.outer, (piece + 1) * some) * plan.groups;
                for (Index line = piece * some * plan.groups; line < last; ++line)
                    back.line(plan, line, to_weight, to_bias);
            }
        });
        for (Index piece = 0; piece < pieces && pieces > 1; ++piece) {
            const T *from = partial.data() + 2 * count * piece;
            for (Index k = 0; k < count; ++k) dw[k] += from[k];
            for (Index k = 0; k < count; ++k) db[k] += from[count + k];
        }
    }
    return nb::make_tuple(of_input, of_weight, of_bias);
}

}  // namespace

void add_normalize(nb::module_ &module) {
    const auto x = nb::arg("x"), g = nb::arg("g"), axes = nb::arg("axes"), affine = nb::arg("affine");
    const auto weight = nb::arg("weight").none(), bias = nb::arg("bias").none();
    RUSHLIGHT_FLOATING(module, normalize, x, weight, bias, axes, affine, nb::arg("eps"));
    RUSHLIGHT_FLOATING(module, normalize_back, g, x, weight, nb::arg("mean"), nb::arg("scale"), axes, affine,
                       nb::arg("needs_input"));
}

}  // namespace rushlight
