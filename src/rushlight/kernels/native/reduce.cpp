// Sums, products, extremes and variances over axes.
#include <cmath>

#include "axes.hpp"
#include "maths.hpp"
#include "module.hpp"

namespace rushlight {
namespace {

// Terms of one piece of a long line, which threads share.
constexpr Index piece = 1 << 17;

// Reduces the middle axis of three.
template <template <class> class Way, class T> void reduce_axis(const T *x, T *y, const Axis &axis) {
    const Index outer = axis.outer, length = axis.length, inner = axis.inner;
    const Index lines = outer * ((inner + width - 1) / width), longest = std::max(run, piece / std::min(inner, width));
    if (length > longest && lines < 16) {  // too few lines to share: pieces of them
        const Index parts = (length + longest - 1) / longest;
        auto partial = Array<T>::empty({outer, parts, inner});
        parallel(outer * parts, piece, [&, to = partial.data()](Index begin, Index end) {
            for (Index i = begin; i < end; ++i) {
                const Index first = i % parts * longest;
                reduce_axis<Way>(x + (i / parts * length + first) * inner, to + i * inner,
                                 Axis(1, std::min(longest, length - first), inner));
            }
        });
        reduce_axis<Way>(partial.data(), y, Axis(outer, parts, inner));
        return;
    }
    over_lines<T>(axis, 1, [=](auto lines, Index first) {
        lines.template fold<Way>(y + first, [&](Index i, Index) { return x[i]; });
    });
}

// Reduces the groups of axes one after the other, from the last.
template <template <class> class Way, class T> void reduce_groups(const T *x, T *y, std::vector<Group> groups) {
    Index inner = 1, outer = 1;
    bool done = true;
    for (const Group &group : groups) outer *= group.length;
    size_t last = groups.size();
    for (size_t i = groups.size(); i-- && done;) {
        outer = outer ? outer / groups[i].length : 0;
        if (groups[i].reduced) last = i, done = false;
        else inner *= groups[i].length;
    }
    if (last == groups.size()) {  // nothing is reduced
        std::copy_n(x, inner, y);
        return;
    }
    const Axis axis(outer, groups[last].length, inner);
    groups.erase(groups.begin() + last);
    if (std::none_of(groups.begin(), groups.end(), [](const Group &group) { return group.reduced; })) {
        reduce_axis<Way>(x, y, axis);
        return;
    }
    const auto partial = Array<T>::empty({outer * inner});
    reduce_axis<Way>(x, partial.data(), axis);
    reduce_groups<Way>(static_cast<const T *>(partial.data()), y, std::move(groups));
}

template <template <class> class Way, class T> Array<T> reduce(const Dense<T> &x, const Axes &axes, bool keepdims) {
    const uint64_t reduced = axes.of(x.ndim());
    if (x.size() == 1 || x.size() == 0) {  // and the order in memory tells nothing
        const auto result = reduced_like(x, reduced, keepdims);
        std::fill_n(result.data(), result.size(), x.size() ? *x.data() : Way<T>::start);
        return result;
    }
    auto groups = groups_of(x, reduced);
    const auto result = reduced_like(x, reduced, keepdims);
    reduce_groups<Way>(static_cast<const T *>(x.data()), result.data(), std::move(groups));
    return result;
}

template <class T> Array<T> sum(Dense<T> x, Axes axes, bool keepdims) { return reduce<Sum>(x, axes, keepdims); }
template <class T> Array<T> prod(Dense<T> x, Axes axes, bool keepdims) { return reduce<Product>(x, axes, keepdims); }

template <class T> Array<T> amax(Dense<T> x, Axes axes, bool keepdims) {
    require(x.size());
    return reduce<Largest>(x, axes, keepdims);
}

template <class T> Array<T> amin(Dense<T> x, Axes axes, bool keepdims) {
    require(x.size());
    return reduce<Smallest>(x, axes, keepdims);
}

template <class T> Array<T> mean(Dense<T> x, Axes axes, bool keepdims) {
    const auto result = reduce<Sum>(x, axes, keepdims);
    require(x.size());
    const T count = static_cast<T>(x.size() / result.size());
    for (T *at = result.data(), *end = at + result.size(); at < end; ++at) *at /= count;
    return result;
}

// The one group of axes that are reduced, as the middle one of three.
template <class T> Axis one_group(const Dense<T> &x, uint64_t reduced) {
    Index lengths[3] = {1, 1, 1};
    int at = 0;
    for (const Group &group : groups_of(x, reduced)) {
        at = group.reduced ? (require(at == 0), 1) : at == 1 ? 2 : at;
        lengths[at] *= group.length;
    }
    return Axis(lengths[0], lengths[1], lengths[2]);
}

// Calls body(lines, mean) with the means of lines.
template <class T, class Body> void over_means(const T *x, const Axis &axis, Body &&body) {
    over_lines<T>(axis, 4, [&](auto lines, Index first) {
        T mean[width];
        lines.template fold<Sum>(mean, [&](Index i, Index) { return x[i]; });
        lines.each_line([&](Index j) { mean[j] /= static_cast<T>(axis.length); });
        body(lines, first, mean);
    });
}

template <class T> nb::tuple var_mean(Dense<T> input, Axes axes, double freedom, bool keepdims) {
    require(input.size());
    const uint64_t reduced = axes.of(input.ndim());
    const Axis axis = one_group(input, reduced);
    const auto var = reduced_like(input, reduced, keepdims), means = reduced_like(input, reduced, keepdims);
    const T *x = input.data();
    over_means(x, axis, [=, v = var.data(), m = means.data()](auto lines, Index first, const T *mean) {
        lines.template fold<Sum>(v + first, [&](Index i, Index j) { return (x[i] - mean[j]) * (x[i] - mean[j]); });
        lines.each_line([&](Index j) {
            v[first + j] /= static_cast<T>(freedom);
            m[first + j] = mean[j];
        });
    });
    return nb::make_tuple(var, means);
}

template <class T> Array<T> var_back(Array<T> gradient, Array<T> input, Axes axes, double factor) {
    require(input.size());
    const uint64_t reduced = axes.of(input.ndim());
    const Axis axis = one_group(Dense<T>(input.object()), reduced);
    require(gradient.size() == axis.outer * axis.inner);
    const auto result = Array<T>::empty(input.shape());
    const T *x = input.data(), *g = gradient.data();
    over_means(x, axis, [=, to = result.data()](auto lines, Index first, const T *mean) {
        T scale[width];
        lines.each_line([&](Index j) { scale[j] = g[first + j] * static_cast<T>(factor); });
        lines.each([&](Index i, Index j) { to[i] = scale[j] * (x[i] - mean[j]); });
    });
    return result;
}

// The first place in a line where the largest or smallest element is, NaN counting as such.
template <class T> Index place_in(const Row<T> &row, const T *x, T value) {
    const bool missing = value != value;
    const auto found = [&](Index i) { return x[i] == value || (missing && x[i] != x[i]); };
    Index i = row.begin;
    for (const Index end = row.begin + row.length; i + width <= end; i += width) {
        int hits = 0;
        for (Index j = 0; j < width; ++j) hits += x[i + j] == value || (missing && x[i + j] != x[i + j]);
        if (hits) break;
    }
    while (i < row.begin + row.length - 1 && !found(i)) ++i;
    return i - row.begin;
}

template <template <class> class Way, class T>
void extremes_in(const Row<T> &row, const T *x, T *value, int64_t *place) {
    row.template fold<Way>(value, [&](Index i, Index) { return x[i]; });
    *place = place_in(row, x, *value);
}

template <template <class> class Way, class T>
void extremes_in(const Columns<T> &lines, const T *x, T *value, int64_t *place) {
    using Place = typename Format<T>::Bits;
    Place at[width] = {};
    T best[width];
    std::copy_n(x + lines.begin, lines.columns, best);
    for (Index i = 1; i < lines.length; ++i) {
        const T *row = x + lines.begin + i * lines.stride;
#pragma omp simd
        for (Index j = 0; j < lines.columns; ++j) {
            const T next = row[j], joined = Way<T>::join(best[j], next);
            at[j] = (joined == best[j]) | (best[j] != best[j]) ? at[j] : static_cast<Place>(i);
            best[j] = joined;
        }
    }
    std::copy_n(best, lines.columns, value);
    std::copy_n(at, lines.columns, place);
}

template <template <class> class Way, class T> nb::tuple extremes(const Array<T> &input, Index dim, bool keepdims) {
    dim = axis_of(input.shape(), dim);
    const Axis axis(input.shape(), dim);
    require(axis.length && axis.length < std::numeric_limits<int32_t>::max());
    const auto values = Array<T>::reduced(input.shape(), dim, keepdims);
    const auto places = Array<int64_t>::reduced(input.shape(), dim, keepdims);
    over_lines<T>(axis, 2, [x = input.data(), v = values.data(), p = places.data()](auto lines, Index first) {
        extremes_in<Way>(lines, x, v + first, p + first);
    });
    return nb::make_tuple(values, places);
}

template <class T> nb::tuple largest(Array<T> x, Index dim, bool keepdims) { return extremes<Largest>(x, dim, keepdims); }
template <class T> nb::tuple smallest(Array<T> x, Index dim, bool keepdims) { return extremes<Smallest>(x, dim, keepdims); }

// The gradient of an extreme value, shared evenly among the elements that have it.
template <class T> Array<T> extreme_back(Array<T> gradient, Array<T> input, Array<T> value, Axes axes) {
    const uint64_t reduced = axes.of(input.ndim());
    require(input.size());
    const Axis axis = one_group(Dense<T>(input.object()), reduced);
    require(gradient.size() == axis.outer * axis.inner && value.size() == gradient.size());
    const auto result = Array<T>::empty(input.shape());
    const T *x = input.data(), *g = gradient.data(), *most = value.data();
    over_lines<T>(axis, 2, [=, to = result.data()](auto lines, Index first) {
        T count[width], share[width];
        const auto here = [&](Index i, Index j) {
            const T line = most[first + j];
            return (x[i] == line) | ((x[i] != x[i]) & (line != line)) ? T(1) : T(0);
        };
        lines.template fold<Sum>(count, here);
        lines.each_line([&](Index j) { share[j] = g[first + j] / count[j]; });
        lines.each([&](Index i, Index j) { to[i] = here(i, j) * share[j]; });
    });
    return result;
}

// Repeats numbers along the groups of axes that are reduced; both pointers move behind what was read and written.
template <class T> void repeat(const T *&from, T *&to, std::span<const Group> groups) {
    const bool last = groups.size() == 1;
    const auto [length, reduced] = groups[0];
    if (last && reduced) {
        to = std::fill_n(to, length, *from++);
    } else if (last) {
        to = std::copy_n(from, length, to);
        from += length;
    } else {
        const T *start = to;
        for (Index i = 0; i < (reduced ? 1 : length); ++i) repeat(from, to, groups.subspan(1));
        const Index made = to - start;
        for (Index i = 1; i < (reduced ? length : 1); ++i) to = std::copy_n(start, made, to);
    }
}

// A view of an array with more axes, along which it is repeated.
template <class T> nb::object repeated_view(const Array<T> &x, std::span<const Index> shape, uint64_t repeated) {
    Index strides[NPY_MAXDIMS], step = sizeof(T);
    for (size_t axis = shape.size(); axis--;) {
        strides[axis] = repeated >> axis & 1 ? 0 : step;
        if (!(repeated >> axis & 1)) step *= shape[axis];
    }
    PyObject *view = PyArray_NewFromDescr(&PyArray_Type, PyArray_DescrFromType(type_number<T>), static_cast<int>(shape.size()),
                                          shape.data(), strides, x.data(), 0, nullptr);
    if (!view) throw nb::python_error();
    nb::object owner = nb::steal(view);
    if (PyArray_SetBaseObject(reinterpret_cast<PyArrayObject *>(view), x.object().inc_ref().ptr())) throw nb::python_error();
    return owner;
}

// What was reduced over axes repeated along them: a view of it where that is large.
template <class T> nb::object repeated(Array<T> g, Lengths shape, Axes axes, bool keepdims, bool shared) {
    constexpr Index small = 1 << 14;
    const uint64_t reduced = axes.of(shape.count);
    Index kept = 1, repeats = 1;
    int ndim = keepdims ? shape.count : 0;
    for (int axis = 0; axis < shape.count; ++axis) {
        const bool goes = reduced >> axis & 1;
        (goes ? repeats : kept) *= shape.named[axis];
        ndim += !goes && !keepdims;
    }
    require(g.size() == kept && g.ndim() == ndim);
    if (shared) {
        const auto share = Array<T>::empty(g.shape());
        for (Index i = 0; i < kept; ++i) share.data()[i] = g.data()[i] / static_cast<T>(std::max<Index>(repeats, 1));
        g = share;
    }
    if (kept * repeats > small) return repeated_view(g, shape, reduced);
    const auto result = Array<T>::empty(shape);
    const auto groups = groups_of(std::span<const Index>(shape), reduced);
    const T *from = g.data();
    T *to = result.data();
    if (groups.empty()) *to = *from;
    else if (kept * repeats > 0) repeat(from, to, groups);
    return result.object();
}

// The gradient of elements picked one from each line: zero for all others.
template <class T> Array<T> picked_back(Array<T> gradient, Array<int64_t> places, Lengths shape, Index dim) {
    const Axis axis(shape, axis_of(shape, dim));
    const Index length = axis.length, inner = axis.inner;
    require(gradient.size() == axis.outer * inner && places.size() == gradient.size());
    const int64_t *place = places.data();
    for (Index i = 0; i < places.size(); ++i)
        if (place[i] < 0 || place[i] >= length) throw nb::index_error("index out of range in self");
    const auto result = Array<T>::zeros(shape);
    parallel(axis.outer, 4 * inner, [=, g = gradient.data(), to = result.data()](Index begin, Index end) {
        for (Index k = begin; k < end; ++k)
            for (Index i = k * inner; i < (k + 1) * inner; ++i)
                to[(k * length + place[i]) * inner + i - k * inner] = g[i];
    });
    return result;
}

// The root of the sum of squares.
template <class T> Array<T> norm2(Array<T> input, Axes axes, bool keepdims) {
    const uint64_t reduced = axes.of(input.ndim());
    require(input.size());
    const Dense<T> x(input.object());
    const Axis axis = one_group(x, reduced);
    const auto result = reduced_like(x, reduced, keepdims);
    over_lines<T>(axis, 1, [x = input.data(), y = result.data()](auto lines, Index first) {
        lines.template fold<Sum>(y + first, [&](Index i, Index) { return x[i] * x[i]; });
        lines.each_line([&](Index j) { y[first + j] = std::sqrt(y[first + j]); });
    });
    return result;
}

template <class T> Array<T> norm2_back(Array<T> gradient, Contiguous<T> input, Array<T> norm, Axes axes) {
    require(input.size());
    const Axis axis = one_group(Dense<T>(input.object()), axes.of(input.ndim()));
    require(gradient.size() == axis.outer * axis.inner && norm.size() == gradient.size());
    const auto result = Array<T>::empty(input.shape());
    over_lines<T>(axis, 1, [g = gradient.data(), x = input.data(), length = norm.data(), to = result.data()](auto lines, Index first) {
        T factor[width];
        lines.each_line([&](Index j) { factor[j] = length[first + j] == 0 ? 0 : g[first + j] / length[first + j]; });
        lines.each([&](Index i, Index j) { to[i] = x[i] * factor[j]; });
    });
    return result;
}

}  // namespace

void add_reduce(nb::module_ &module) {
    const auto x = nb::arg("x"), g = nb::arg("g"), keepdims = nb::arg("keepdims");
    const auto axes = nb::arg("axes").none();
    RUSHLIGHT_FLOATING(module, sum, x, axes, keepdims);
    RUSHLIGHT_FLOATING(module, prod, x, axes, keepdims);
    RUSHLIGHT_FLOATING(module, mean, x, axes, keepdims);
    RUSHLIGHT_FLOATING(module, amax, x, axes, keepdims);
    RUSHLIGHT_FLOATING(module, amin, x, axes, keepdims);
    RUSHLIGHT_FLOATING(module, largest);
    RUSHLIGHT_FLOATING(module, smallest);
    RUSHLIGHT_FLOATING(module, extreme_back, g, x, nb::arg("value"), axes);
    RUSHLIGHT_FLOATING(module, var_mean, x, axes, nb::arg("freedom"), keepdims);
    RUSHLIGHT_FLOATING(module, var_back, g, x, axes, nb::arg("factor"));
    RUSHLIGHT_FLOATING(module, norm2, x, axes, keepdims);
    RUSHLIGHT_FLOATING(module, norm2_back, g, x, nb::arg("norm"), axes);
    RUSHLIGHT_FLOATING(module, repeated, g, nb::arg("shape"), axes, keepdims, nb::arg("shared"));
    RUSHLIGHT_FLOATING(module, picked_back);
}

}  // namespace rushlight
