// Cross entropy and the negative log-likelihood: from logits or log-probabilities, and the number of the right class or the
// probabilities of all.
#include <string_view>
#include <vector>

#include "lines.hpp"
#include "maths.hpp"
#include "module.hpp"

namespace rushlight {
namespace {

using Classes = Array<int64_t>;

// Classes along the second axis, or the only one.
Axis classes_of(std::span<const Index> shape) {
    require(!shape.empty());
    return Axis(shape, shape.size() > 1);
}

// Where the logit of a row's class is.
Index place(const Axis &axis, Index row, Index of_class) {
    return (row / axis.inner * axis.length + of_class) * axis.inner + row % axis.inner;
}

// What each row counts for: its class's weight, nothing for the ignored class.
template <class T> struct Counts {
    const int64_t *target;
    const T *weight;  // or null
    int64_t ignored;

    Counts(const Axis &axis, const Classes &classes, const Array<T> &weights, nb::handle ignore)
        : target(classes.data()), weight(weights.data()),
          ignored(ignore.is_none() ? std::numeric_limits<int64_t>::min() : nb::cast<int64_t>(ignore)) {
        require(classes.size() == axis.outer * axis.inner && (axis.length || !classes.size()) && (!weight || weights.size() == axis.length));
        for (Index k = 0; k < classes.size(); ++k)
            if (target[k] != ignored && (target[k] < 0 || target[k] >= axis.length))
                throw nb::index_error("a target is not a class");
    }
    T operator()(Index k) const { return target[k] == ignored ? 0 : weight ? weight[target[k]] : 1; }
    // The class of a row, any for the ignored one.
    Index of(Index k) const { return target[k] == ignored ? 0 : target[k]; }
    bool even() const { return !weight && ignored == std::numeric_limits<int64_t>::min(); }
    T total(Index rows) const {
        return even() ? static_cast<T>(rows) : fold<Sum<T>, T>(0, rows, [&](Index k) { return (*this)(k); });
    }
};

// The losses of rows, weighed and reduced.
template <class T> Array<T> reduced(const Array<T> &losses, const Counts<T> &counts, std::string_view reduction) {
    T *loss = losses.data();
    const Index rows = losses.size();
    if (!counts.even()) {
        for (Index k = 0; k < rows; ++k) {
            const T count = counts(k);
            loss[k] = count == 0 ? 0 : loss[k] * count;
        }
    }
    if (reduction == "none") return losses;
    const auto result = Array<T>::empty(std::span<const Index>());
    T sum = fold<Sum<T>, T>(0, rows, [&](Index k) { return loss[k]; });
    if (reduction == "mean") sum /= counts.total(rows);
    *result.data() = sum;
    return result;
}

// What the log-probability of each row's class is multiplied with in backward, without its sign.
template <class T> std::vector<T> scales(const Array<T> &gradient, const Counts<T> &counts, Index rows, std::string_view reduction) {
    require(gradient.size() == (reduction == "none" ? rows : 1));
    const T *g = gradient.data();
    const T whole = reduction == "mean" ? *g / counts.total(rows) : reduction == "sum" ? *g : 0;
    std::vector<T> result(rows);
    for (Index k = 0; k < rows; ++k)
        result[k] = counts.target[k] == counts.ignored ? 0 : (reduction == "none" ? g[k] : whole) * counts(k);
    return result;
}

// The largest logit of each row and the logarithm of the sum of the exponentials of all less it.
template <class T> struct Normaliser {
    std::vector<T> largest, log_sum;

    Normaliser(const Axis &axis, const T *x) : largest(axis.outer * axis.inner), log_sum(largest.size()) {
        over_lines<T>(axis, 8, [=, most = largest.data(), sum = log_sum.data()](const auto &lines, Index first) {
            T *line = most + first;
            lines.template fold<LargestNumber>(line, [&](Index i, Index) { return x[i]; });
            lines.template fold<Sum>(sum + first, [&](Index i, Index j) { return exp(x[i] - line[j]); });
        });
        for (T &sum : log_sum) sum = log(sum);  // of all rows at once, since one alone would wait for each step
    }
    // For backward, see `At`.
    Array<T> kept() const {
        const auto result = Array<T>::empty({static_cast<Index>(largest.size()), 2});
        for (size_t k = 0; k < largest.size(); ++k) {
            result.data()[2 * k] = largest[k];
            result.data()[2 * k + 1] = log_sum[k];
        }
        return result;
    }
    // Those of the rows that are worked on together.
    struct At {
        T most[width], log_sum[width];

        template <class Lines> At(const Lines &lines, const T *kept) {
            lines.each_line([&](Index j) {
                most[j] = kept[2 * j];
                log_sum[j] = kept[2 * j + 1];
            });
        }
        T softmax(T x, Index j) const { return exp((x - most[j]) - log_sum[j]); }
    };
};

// What even probabilities, which get some of those of the target, add to the losses of rows.
template <class T> void smooth(const Axis &axis, const T *x, const Normaliser<T> &normaliser, T smoothing, T *losses) {
    const T share = smoothing / static_cast<T>(axis.length);
    over_lines<T>(axis, 8, [=, most = normaliser.largest.data(), log_sum = normaliser.log_sum.data()](const auto &lines, Index first) {
        T even[width];
        lines.template fold<Sum>(even, [&](Index i, Index j) { return log_sum[first + j] - (x[i] - most[first + j]); });
        lines.each_line([&](Index j) { losses[first + j] = losses[first + j] * (1 - smoothing) + even[j] * share; });
    });
}

template <class T>
nb::tuple cross_entropy(Array<T> input, Classes target, Array<T> weight, nb::object ignore, const char *reduction, double smoothing) {
    require(!smoothing || !weight);
    const Axis axis = classes_of(input.shape());
    const Counts<T> counts(axis, target, weight, ignore);
    const auto losses = Array<T>::empty(target.shape());
    const T *x = input.data();
    const Normaliser<T> normaliser(axis, x);
    T *loss = losses.data();
    for (Index k = 0; k < target.size(); ++k)
        loss[k] = normaliser.log_sum[k] - (x[place(axis, k, counts.of(k))] - normaliser.largest[k]);
    if (smoothing) smooth(axis, x, normaliser, static_cast<T>(smoothing), loss);
    return nb::make_tuple(reduced(losses, counts, reduction), normaliser.kept());
}

template <class T>
Array<T> cross_entropy_back(Array<T> gradient, Array<T> input, Classes target, Array<T> weight, nb::object ignore,
                            const char *reduction, double smoothing, Array<T> normaliser) {
    require(!smoothing || !weight);
    const Axis axis = classes_of(input.shape());
    const Counts<T> counts(axis, target, weight, ignore);
    require(normaliser.size() == 2 * target.size());
    const auto scale = scales(gradient, counts, target.size(), reduction);
    const auto result = Array<T>::empty(input.shape());
    const T *x = input.data(), *kept = normaliser.data();
    const T rest = static_cast<T>(1 - smoothing), share = axis.length ? static_cast<T>(smoothing) / static_cast<T>(axis.length) : 0;
    over_lines<T>(axis, 8, [=, &scale, to = result.data()](const auto &lines, Index first) {
        const typename Normaliser<T>::At row(lines, kept + 2 * first);
        T factor[width];
        lines.each_line([&](Index j) { factor[j] = scale[first + j]; });
        lines.each([&](Index i, Index j) { to[i] = (row.softmax(x[i], j) - share) * factor[j]; });
        lines.each_line([&](Index j) { to[lines.at(counts.of(first + j), j)] -= factor[j] * rest; });
    });
    return result;
}

// A target of probabilities, of which even ones get some.
template <class T> struct Probabilities {
    const T *target;
    T rest, share;

    Probabilities(const Axis &axis, const Array<T> &given, double smoothing)
        : target(given.data()), rest(static_cast<T>(1 - smoothing)), share(static_cast<T>(smoothing / static_cast<double>(axis.length))) {}
    T operator()(Index i) const { return target[i] * rest + share; }
};

template <class T>
nb::tuple soft_cross_entropy(Array<T> input, Array<T> target, nb::handle weight, const char *reduction, double smoothing) {
    require(weight.is_none() && input.size() && same_shape(input, target));
    const Axis axis = classes_of(input.shape());
    const Probabilities<T> wanted(axis, target, smoothing);
    const T *x = input.data();
    const Normaliser<T> normaliser(axis, x);
    const bool one = input.ndim() == 1;
    const auto losses = one ? Array<T>::empty(std::span<const Index>()) : Array<T>::reduced(input.shape(), 1, false);
    over_lines<T>(axis, 8, [=, most = normaliser.largest.data(), log_sum = normaliser.log_sum.data(), loss = losses.data()](const auto &lines, Index first) {
        lines.template fold<Sum>(loss + first, [&](Index i, Index j) {
            return wanted(i) * (log_sum[first + j] - (x[i] - most[first + j]));
        });
    });
    if (std::string_view(reduction) == "none") return nb::make_tuple(losses, normaliser.kept());
    const auto result = Array<T>::empty(std::span<const Index>());
    const T sum = fold<Sum<T>, T>(0, losses.size(), [loss = losses.data()](Index k) { return loss[k]; });
    *result.data() = std::string_view(reduction) == "mean" ? sum / static_cast<T>(losses.size()) : sum;
    return nb::make_tuple(result, normaliser.kept());
}

template <class T>
Array<T> soft_cross_entropy_back(Array<T> gradient, Array<T> input, Array<T> target, nb::handle weight, const char *reduction,
                                 double smoothing, Array<T> normaliser) {
    require(weight.is_none() && input.size() && same_shape(input, target));
    const Axis axis = classes_of(input.shape());
    const Index rows = axis.outer * axis.inner;
    const bool each = std::string_view(reduction) == "none";
    require(normaliser.size() == 2 * rows && gradient.size() == (each ? rows : 1));
    const Probabilities<T> wanted(axis, target, smoothing);
    const auto result = Array<T>::empty(input.shape());
    const T *g = gradient.data(), *x = input.data(), *kept = normaliser.data();
    const T share = std::string_view(reduction) == "mean" ? 1 / static_cast<T>(rows) : 1;
    over_lines<T>(axis, 8, [=, to = result.data()](const auto &lines, Index first) {
        const typename Normaliser<T>::At row(lines, kept + 2 * first);
        T factor[width], sum[width];
        lines.each_line([&](Index j) { factor[j] = g[each ? first + j : 0] * share; });
        lines.template fold<Sum>(sum, [&](Index i, Index) { return wanted(i); });
        lines.each([&](Index i, Index j) { to[i] = (row.softmax(x[i], j) * sum[j] - wanted(i)) * factor[j]; });
    });
    return result;
}

template <class T>
Array<T> nll_loss(Array<T> input, Classes target, Array<T> weight, nb::object ignore, const char *reduction) {
    const Axis axis = classes_of(input.shape());
    const Counts<T> counts(axis, target, weight, ignore);
    const auto losses = Array<T>::empty(target.shape());
    const T *x = input.data();
    for (Index k = 0; k < target.size(); ++k)
        losses.data()[k] = -x[place(axis, k, counts.of(k))];
    return reduced(losses, counts, reduction);
}

template <class T>
Array<T> nll_loss_back(Array<T> gradient, Classes target, Array<T> weight, nb::object ignore, const char *reduction,
                       nb::tuple shape) {
    Index lengths[NPY_MAXDIMS];
    require(shape.size() <= NPY_MAXDIMS);
    for (size_t i = 0; i < shape.size(); ++i) lengths[i] = nb::cast<Index>(shape[i]);
    const std::span<const Index> whole(lengths, shape.size());
    const Axis axis = classes_of(whole);
    const Counts<T> counts(axis, target, weight, ignore);
    const auto scale = scales(gradient, counts, target.size(), reduction);
    const auto result = Array<T>::empty(whole);
    std::fill_n(result.data(), result.size(), T(0));
    for (Index k = 0; k < target.size(); ++k)
        result.data()[place(axis, k, counts.of(k))] = -scale[k];
    return result;
}

// Whether all targets are classes, and whether one is the ignored one, which need not be a class.
nb::tuple are_classes(Classes target, int64_t classes, int64_t ignored) {
    bool found = false, wrong = false;
    for (const int64_t t : std::span(target.data(), target.size())) {
        found |= t == ignored;
        wrong |= (t != ignored) & ((t < 0) | (t >= classes));
    }
    return nb::make_tuple(!wrong, found);
}

}  // namespace

void add_crossentropy(nb::module_ &module) {
    const auto g = nb::arg("g"), x = nb::arg("x"), target = nb::arg("target"), reduction = nb::arg("reduction");
    const auto weight = nb::arg("weight").none(), ignore = nb::arg("ignore").none();
    const auto smoothing = nb::arg("smoothing"), normaliser = nb::arg("normaliser");
    RUSHLIGHT_FLOATING(module, cross_entropy, x, target, weight, ignore, reduction, smoothing);
    RUSHLIGHT_FLOATING(module, cross_entropy_back, g, x, target, weight, ignore, reduction, smoothing, normaliser);
    RUSHLIGHT_FLOATING(module, soft_cross_entropy, x, target, weight, reduction, smoothing);
    RUSHLIGHT_FLOATING(module, soft_cross_entropy_back, g, x, target, weight, reduction, smoothing, normaliser);
    RUSHLIGHT_FLOATING(module, nll_loss, x, target, weight, ignore, reduction);
    RUSHLIGHT_FLOATING(module, nll_loss_back, g, target, weight, ignore, reduction, nb::arg("shape"));
    module.def("are_classes", &are_classes);
}

}  // namespace rushlight
