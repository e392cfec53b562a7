// Normalisation of lines and of channels: to mean 0 and variance 1, to mean square 1, or by given statistics; then times
// weight plus bias; and the way back.
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

    Axis channels() const { return Axis(outer, groups, space); }
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

// Whether a shape has this number of elements, which is not zero.
bool fits(std::span<const Index> shape, Index size) {
    for (const Index length : shape) {
        if (length < 1 || size % length) return false;
        size /= length;
    }
    return size == 1;
}

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

// Calls body(lines, k) for all channels, which lie along an axis; k is the first channel.
template <class T, class Body> void over_channels(const Axis &axis, Body &&body) {
    if (axis.inner == 1) {
        over_lines<T>(Axis(1, axis.outer, axis.length), 8, body);
        return;
    }
    parallel(axis.length, axis.outer * axis.inner, [&](Index begin, Index end) {
        for (Index c = begin; c < end; ++c)
            body(Segments<T>{c * axis.inner, axis.outer, axis.length * axis.inner, axis.inner}, c);
    });
}

// The mean of each line, which is taken for 0 unless it is `centred`, and its variance, in two passes.
template <class T, class Lines> void moments(const Lines &lines, const T *x, Index length, bool centred, T *mean, T *variance) {
    if (centred) lines.template fold<Sum>(mean, [&](Index i, Index) { return x[i]; });
    lines.each_line([&](Index j) { mean[j] = centred ? mean[j] / static_cast<T>(length) : 0; });
    lines.template fold<Sum>(variance, [&](Index i, Index j) { return (x[i] - mean[j]) * (x[i] - mean[j]); });
    lines.each_line([&](Index j) { variance[j] /= static_cast<T>(length); });
}

template <class T>
nb::tuple normalize(Array<T> input, Array<T> weight, Array<T> bias, Lengths view, Axes axes, Axes affine, double eps, bool centred) {
    require(fits(view, input.size()));
    const uint64_t reduced = axes.of(view.count);
    const Plan plan(view, reduced, affine);
    const Parameters<T> weights(weight, plan.parameters(), 1), biases(bias, plan.parameters(), 0);
    const auto result = Array<T>::empty(input.shape());
    for (int i = 0; i < view.count; ++i)
        if (reduced >> i & 1) view.named[i] = 1;
    const auto means = Array<T>::empty(view), variances = Array<T>::empty(view),
               scales = Array<T>::empty(view);
    const T *x = input.data(), *w = weights.data(), *b = biases.data();
    T *y = result.data(), *mean = means.data(), *variance = variances.data(), *scale = scales.data();
    const auto statistics = [&](const auto &lines, Index first) {
        moments(lines, x, plan.length(), centred, mean + first, variance + first);
        lines.each_line([&](Index j) {
            scale[first + j] = 1 / std::sqrt(variance[first + j] + static_cast<T>(eps));
        });
    };
    if (plan.across) {
        over_channels<T>(plan.channels(), [&](const auto &lines, Index first) {
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
    bool centred;

    // With the sums over a line of length n of g w, and of g w (x - mean): the gradient of x.
    template <class Lines> void input(const Lines &lines, const T *w, const T *mean, const T *scale, const T *sum, const T *product, Index n) const {
        T factor[width], shift[width], slope[width], middle[width];
        lines.each_line([&](Index j) {
            middle[j] = mean[j];
            factor[j] = scale[j] * w[j];
            shift[j] = centred ? scale[j] * sum[j] / static_cast<T>(n) : 0;
            slope[j] = scale[j] * scale[j] * scale[j] * product[j] / static_cast<T>(n);
        });
        lines.each([&](Index i, Index j) {
            of_input[i] = g[i] * factor[j] - shift[j] - (x[i] - middle[j]) * slope[j];
        });
    }

    // A line along which all parameters differ.
    void wide_line(Index at, Index n, T middle, T factor, const T *w, T *dw, T *db) const {
        const T *g = this->g + at, *x = this->x + at;
        if (!of_input) {
#pragma omp simd
            for (Index k = 0; k < n; ++k) {
                dw[k] += g[k] * (x[k] - middle) * factor;
                db[k] += g[k];
            }
            return;
        }
        const T sum = centred ? fold<Sum<T>, T>(0, n, [=](Index k) { return g[k] * w[k]; }) : 0;
        const T product = fold<Sum<T>, T>(0, n, [=](Index k) { return g[k] * w[k] * (x[k] - middle); });
        const T shift = sum / static_cast<T>(n), slope = factor * factor * product / static_cast<T>(n);
        T *to = of_input + at;
#pragma omp simd
        for (Index k = 0; k < n; ++k) {
            const T deviation = x[k] - middle;
            to[k] = factor * (g[k] * w[k] - shift - deviation * slope);
            dw[k] += g[k] * deviation * factor;
            db[k] += g[k];
        }
    }

    // One line of `each` parameters.
    void line(const Plan &plan, Index number, T *of_weight, T *of_bias) const {
        const Index n = plan.length(), at = number * n, first = number % plan.groups * plan.each;
        const T middle = mean[number], factor = scale[number];
        if (plan.space == 1) {
            wide_line(at, n, middle, factor, w + first, of_weight + first, of_bias + first);
            return;
        }
        T sum = 0, product = 0;
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
nb::tuple normalize_back(Array<T> gradient, Array<T> input, Array<T> weight, Array<T> means, Array<T> scales, Lengths view,
                         Axes axes, Axes affine, bool centred, bool needs_input) {
    require(same_shape(gradient, input) && fits(view, input.size()));
    const Plan plan(view, axes.of(view.count), affine);
    require(means.size() == plan.lines() && scales.size() == plan.lines());
    const Index count = plan.parameters();
    const Parameters<T> weights(weight, count, 1);
    const auto of_input = needs_input ? Array<T>::empty(input.shape()) : Array<T>();
    const auto of_weight = Array<T>::empty({count}), of_bias = Array<T>::empty({count});
    T *dw = of_weight.data(), *db = of_bias.data();
    std::fill_n(dw, count, T(0));
    std::fill_n(db, count, T(0));
    const Back<T> back{gradient.data(), input.data(), weights.data(), means.data(), scales.data(), of_input.data(), centred};
    if (plan.across) {
        over_channels<T>(plan.channels(), [&](const auto &lines, Index c) {
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

// Channels, along the second axis, less their mean and over the root of their variance, both given.
template <class T>
Array<T> normalize_by(Contiguous<T> input, Array<T> mean, Array<T> variance, Array<T> weight, Array<T> bias, double eps) {
    require(input.ndim() > 1);
    const Axis axis(input.shape(), 1);
    const Index channels = axis.length, space = axis.inner;
    require(mean.size() == channels && variance.size() == channels);
    const Parameters<T> weights(weight, channels, 1), biases(bias, channels, 0);
    std::vector<T> factors(channels), shifts(channels);
    T *factor = factors.data(), *shift = shifts.data();
    for (Index c = 0; c < channels; ++c) {
        factor[c] = 1 / std::sqrt(variance.data()[c] + static_cast<T>(eps)) * weights.data()[c];
        shift[c] = biases.data()[c] - mean.data()[c] * factor[c];
    }
    const auto result = Array<T>::empty(input.shape());
    const T *x = input.data();
    if (space == 1) {
        parallel(axis.outer, channels, [=, y = result.data()](Index begin, Index end) {
            for (Index n = begin; n < end; ++n)
                Row<T>{n * channels, channels}.each([&](Index i, Index) { y[i] = x[i] * factor[i - n * channels] + shift[i - n * channels]; });
        });
        return result;
    }
    parallel(axis.outer * channels, space, [=, y = result.data()](Index begin, Index end) {
        for (Index line = begin; line < end; ++line)
            Row<T>{line * space, space}.each([=, times = factor[line % channels], plus = shift[line % channels]](Index i, Index) {
                y[i] = x[i] * times + plus;
            });
    });
    return result;
}

template <class T>
nb::tuple normalize_by_back(Contiguous<T> gradient, Contiguous<T> input, Array<T> mean, Array<T> variance, Array<T> weight,
                            double eps, bool needs_input) {
    require(input.ndim() > 1 && same_shape(gradient, input));
    const Axis axis(input.shape(), 1);
    const Index channels = axis.length;
    require(mean.size() == channels && variance.size() == channels);
    const Parameters<T> weights(weight, channels, 1);
    const auto of_input = needs_input ? Array<T>::empty(input.shape()) : Array<T>();
    const auto of_weight = Array<T>::empty({channels}), of_bias = Array<T>::empty({channels});
    const T *g = gradient.data(), *x = input.data(), *w = weights.data(), *means = mean.data(), *variances = variance.data();
    T *dx = of_input.data(), *dw = of_weight.data(), *db = of_bias.data();
    over_channels<T>(axis, [=](const auto &lines, Index first) {
        T middle[width], scale[width], factor[width];
        lines.each_line([&](Index j) {
            middle[j] = means[first + j];
            scale[j] = 1 / std::sqrt(variances[first + j] + static_cast<T>(eps));
            factor[j] = scale[j] * w[first + j];
        });
        lines.template fold<Sum>(dw + first, [&](Index i, Index j) { return g[i] * (x[i] - middle[j]); });
        lines.each_line([&](Index j) { dw[first + j] *= scale[j]; });
        lines.template fold<Sum>(db + first, [&](Index i, Index) { return g[i]; });
        if (dx) lines.each([&](Index i, Index j) { dx[i] = g[i] * factor[j]; });
    });
    return nb::make_tuple(of_input, of_weight, of_bias);
}

// Moves running statistics, in place, by `momentum` towards those of a batch times a factor.
template <class T> void move_statistics(Contiguous<T> running, Array<T> towards, double momentum, double factor) {
    require(running.size() == towards.size() && PyArray_ISWRITEABLE(running.numpy()));
    T *to = running.data();
    const T *from = towards.data();
#pragma omp simd
    for (Index i = 0; i < running.size(); ++i)
        to[i] = static_cast<T>((1 - momentum) * to[i] + momentum * factor * from[i]);
}

}  // namespace

void add_normalize(nb::module_ &module) {
    const auto x = nb::arg("x"), g = nb::arg("g"), mean = nb::arg("mean"), variance = nb::arg("variance");
    const auto scale = nb::arg("scale"), eps = nb::arg("eps"), needs_input = nb::arg("needs_input");
    const auto view = nb::arg("view"), axes = nb::arg("axes"), affine = nb::arg("affine"), centred = nb::arg("centred");
    const auto weight = nb::arg("weight").none(), bias = nb::arg("bias").none();
    RUSHLIGHT_FLOATING(module, normalize, x, weight, bias, view, axes, affine, eps, centred);
    RUSHLIGHT_FLOATING(module, normalize_back, g, x, weight, mean, scale, view, axes, affine, centred, needs_input);
    RUSHLIGHT_FLOATING(module, normalize_by, x, mean, variance, weight, bias, eps);
    RUSHLIGHT_FLOATING(module, normalize_by_back, g, x, mean, variance, weight, eps, needs_input);
    RUSHLIGHT_FLOATING(module, move_statistics);
}

}  // namespace rushlight
