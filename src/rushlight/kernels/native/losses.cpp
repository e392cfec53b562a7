// Losses of pairs of elements: their values, reduced, and their gradients, each in one pass.
#include <string_view>
#include <vector>

#include "lines.hpp"
#include "maths.hpp"
#include "module.hpp"

namespace rushlight {
namespace {

// A loss has the value for an input and its target, and the derivative by the input.
template <class T> struct Squared {
    static T value(T x, T t, T) { return (x - t) * (x - t); }
    static T slope(T x, T t, T) { return 2 * (x - t); }
};
template <class T> struct SmoothL1 {
    static T value(T x, T t, T beta) {
        const T d = x < t ? t - x : x - t;
        return d < beta ? T(0.5) * d * d / beta : d - T(0.5) * beta;
    }
    static T slope(T x, T t, T beta) {
        const T d = (x - t) / beta;
        return d < -1 ? -1 : d > 1 ? 1 : d;
    }
};
template <class T> struct Huber {
    static T value(T x, T t, T delta) {
        const T d = x < t ? t - x : x - t;
        return d < delta ? T(0.5) * d * d : delta * (d - T(0.5) * delta);
    }
    static T slope(T x, T t, T delta) {
        const T d = x - t;
        return d < -delta ? -delta : d > delta ? delta : d;
    }
};
// The logarithm of zero counts as -100, so that a loss stays finite.
template <class T> struct CrossEntropy {
    static T value(T p, T t, T) {
        const T of_not = log1p(-p), of = log(p);
        return (t - 1) * (of_not < -100 ? -100 : of_not) - t * (of < -100 ? -100 : of);
    }
    static T slope(T p, T t, T) {
        const T spread = p * (1 - p);
        return (p - t) / (spread < T(1e-12) ? T(1e-12) : spread);
    }
};
template <class T> struct OfLogits {
    static T value(T x, T t, T) {
        const T size = x < 0 ? -x : x;
        return (1 - t) * x + ((x < 0 ? -x : 0) + log1p(exp(-size)));
    }
    static T slope(T x, T t, T) { return 1 / (1 + exp(-x)) - t; }
};

// For targets 1 and -1.
template <class T> struct SoftMargin {
    static T value(T x, T t, T) { return softplus(-t * x); }
    static T slope(T x, T t, T) { return -t * sigmoid(-t * x); }
};

// The work of an element.
template <template <class> class Loss> constexpr Index effort = 1;
template <> constexpr Index effort<CrossEntropy> = 6;
template <> constexpr Index effort<OfLogits> = 4;
template <> constexpr Index effort<SoftMargin> = 4;

// The losses value(i) of all elements, reduced.
template <class T, class Value> Array<T> loss_of(const Array<T> &input, Index work, std::string_view reduction, Value value) {
    const Index count = input.size();
    if (reduction == "none") {
        const auto result = Array<T>::empty(input.shape());
        parallel(count, work, [=, y = result.data()](Index begin, Index end) {
#pragma omp simd
            for (Index i = begin; i < end; ++i) y[i] = value(i);
        });
        return result;
    }
    const auto result = Array<T>::empty(std::span<const Index>());
    const T sum = sum_of<T>(count, work, value);
    *result.data() = reduction == "mean" ? sum / static_cast<T>(count) : sum;
    return result;
}

// The gradient by the input, of which slope(i) is the derivative of each element's loss.
template <class T, class Slope>
Array<T> gradient_of(const Array<T> &gradient, const Array<T> &input, Index work, std::string_view reduction, Slope slope) {
    const bool each = reduction == "none";
    require(each ? same_shape(gradient, input) : gradient.size() == 1);
    const T *g = gradient.data();
    const T share = reduction == "mean" ? 1 / static_cast<T>(input.size()) : 1;
    const auto result = Array<T>::empty(input.shape());
    parallel(input.size(), work, [=, y = result.data()](Index begin, Index end) {
        if (each) {
#pragma omp simd
            for (Index i = begin; i < end; ++i) y[i] = slope(i) * g[i];
            return;
        }
        const T scale = *g * share;
#pragma omp simd
        for (Index i = begin; i < end; ++i) y[i] = slope(i) * scale;
    });
    return result;
}

// `OfLogits`, where the loss of each element counts as often as a weight says and its positive part besides as often as
// another.
template <class T> struct Weighted {
    const T *x, *t, *weight, *positive;

    Weighted(const Contiguous<T> &input, const Contiguous<T> &target, const Array<T> &weight, const Array<T> &positive)
        : x(input.data()), t(target.data()), weight(weight.data()), positive(positive.data()) {
        require(same_shape(input, target) && same_shape(input, weight) && same_shape(input, positive));
    }
    T often(Index i) const { return 1 + (positive[i] - 1) * t[i]; }
    T value(Index i) const { return ((1 - t[i]) * x[i] + often(i) * softplus(-x[i])) * weight[i]; }
    T slope(Index i) const { return ((1 - t[i]) - often(i) * sigmoid(-x[i])) * weight[i]; }
};

template <class T>
Array<T> weighted_bce_with_logits(Contiguous<T> x, Contiguous<T> t, Array<T> weight, Array<T> positive, const char *reduction) {
    return loss_of<T>(x, 4, reduction, [of = Weighted<T>(x, t, weight, positive)](Index i) { return of.value(i); });
}

template <class T>
Array<T> weighted_bce_with_logits_back(Array<T> g, Contiguous<T> x, Contiguous<T> t, Array<T> weight, Array<T> positive,
                                       const char *reduction) {
    return gradient_of<T>(g, x, 4, reduction, [of = Weighted<T>(x, t, weight, positive)](Index i) { return of.slope(i); });
}

template <class T> bool within_unit_interval(Array<T> array) {
    const T *x = array.data();
    return fold<Largest<T>, T>(0, array.size(), [=](Index i) { return x[i] >= 0 && x[i] <= 1 ? T(0) : T(1); }) <= 0;
}

template <class T, template <class> class Loss> void add_loss(nb::module_ &module, const char *name, const char *back) {
    module.def(name, [](Contiguous<T> input, Contiguous<T> target, const char *reduction, double parameter) {
        require(same_shape(input, target));
        return loss_of<T>(input, effort<Loss>, reduction, [x = input.data(), t = target.data(), p = static_cast<T>(parameter)](Index i) {
            return Loss<T>::value(x[i], t[i], p);
        });
    });
    module.def(back, [](Array<T> g, Contiguous<T> input, Contiguous<T> target, const char *reduction, double parameter) {
        require(same_shape(input, target));
        return gradient_of<T>(g, input, effort<Loss>, reduction, [x = input.data(), t = target.data(), p = static_cast<T>(parameter)](Index i) {
            return Loss<T>::slope(x[i], t[i], p);
        });
    });
}

template <class T> void add_all(nb::module_ &module) {
    add_loss<T, Squared>(module, "mse_loss", "mse_loss_back");
    add_loss<T, SmoothL1>(module, "smooth_l1_loss", "smooth_l1_loss_back");
    add_loss<T, Huber>(module, "huber_loss", "huber_loss_back");
    add_loss<T, CrossEntropy>(module, "bce_loss", "bce_loss_back");
    add_loss<T, OfLogits>(module, "bce_with_logits", "bce_with_logits_back");
    add_loss<T, SoftMargin>(module, "soft_margin_loss", "soft_margin_loss_back");
    module.def("within_unit_interval", &within_unit_interval<T>);
}

}  // namespace

void add_losses(nb::module_ &module) {
    add_all<float>(module);
    add_all<double>(module);
    RUSHLIGHT_FLOATING(module, weighted_bce_with_logits);
    RUSHLIGHT_FLOATING(module, weighted_bce_with_logits_back);
}

}  // namespace rushlight
