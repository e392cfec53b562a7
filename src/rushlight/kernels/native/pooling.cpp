// Pooling over one to three axes: the largest element or the average of each window.
#include <array>
#include <utility>
#include <vector>

#include "maths.hpp"
#include "module.hpp"
#include "threads.hpp"

namespace rushlight {
namespace {

constexpr int axes = 3;  // of images; those with fewer have leading ones of length one

// The windows along an axis of n elements: the Windows of the definition.
struct Windows {
    Index n, kernel, stride, padding, dilation, out;

    // Which windows have their element k inside of the input: [first, last).
    Index first(Index k) const { return std::clamp<Index>(divided_up(padding - k * dilation), 0, out); }
    Index last(Index k) const { return std::clamp<Index>(divided_up(n + padding - k * dilation), first(k), out); }
    // Where element k of window i is.
    Index place(Index i, Index k) const { return i * stride - padding + k * dilation; }
    bool inside(Index i, Index k) const { return place(i, k) >= 0 && place(i, k) < n; }
    // How far the first element of window i that is inside of the input is from its first one.
    Index skipped(Index i) const { return place(i, 0) >= 0 ? 0 : (-place(i, 0) + dilation - 1) / dilation * dilation; }

private:
    Index divided_up(Index a) const { return a <= 0 ? -(-a / stride) : (a - 1) / stride + 1; }
};

// Windows over the last axes of an array, whose other axes are `lead` images.
struct Pooling {
    int rank;
    std::array<Windows, axes> along;
    Index lead, size, out;
    std::vector<Index> shape;
    std::vector<Index> first, last;  // for each element of a window along the last axis, the windows that have it inside

    static constexpr Index most = 1 << 24;  // so that sums and products of a few stay within an Index

    Pooling(std::span<const Index> x, nb::tuple by, nb::object size_of = nb::none()) {
        require(by.size() == 5);
        const nb::object kernel(by[0]), stride(by[1]), padding(by[2]), dilation(by[3]), windows(by[4]);
        rank = static_cast<int>(nb::len(kernel));
        if (rank < 1 || rank > axes || static_cast<int>(x.size()) < rank) throw nb::next_overload();
        along.fill({1, 1, 1, 0, 1, 1});
        lead = count(x.first(x.size() - rank));
        shape.assign(x.begin(), x.end());
        size = out = 1;
        for (int i = 0; i < rank; ++i) {
            const auto number = [i](const nb::object &values) { return nb::cast<Index>(values[i]); };
            const Index n = size_of.is_none() ? x[x.size() - rank + i] : number(size_of);
            const Windows w = {n, number(kernel), number(stride), number(padding), number(dilation), number(windows)};
            require(std::max({w.kernel, w.stride, w.padding, w.dilation}) <= most && w.out <= Index(1) << 32);
            if (w.kernel < 1 || w.stride < 1 || w.dilation < 1 || w.padding < 0 || w.out < 0) throw nb::next_overload();
            along[axes - rank + i] = w;
            size = within(size, w.n), out = within(out, w.out);
        }
        for (Index k = 0; k < along[2].kernel; ++k) {
            first.push_back(along[2].first(k));
            last.push_back(along[2].last(k));
        }
    }

    // The array's shape with other last axes: those of windows or those of elements.
    std::vector<Index> with(Index Windows::*length) const {
        auto result = shape;
        for (int i = 0; i < rank; ++i) result[result.size() - rank + i] = along[axes - rank + i].*length;
        return result;
    }

    // A product that is not absurd.
    static Index within(Index a, Index b) {
        require(0 <= b && b <= (Index(1) << 48) / std::max<Index>(a, 1));
        return a * b;
    }

    Index elements() const { return along[0].kernel * along[1].kernel * along[2].kernel; }

    // Calls body(from, offset) for each row that windows have inside, which begins at `from`: `offset` from their first row.
    template <class Body> void rows_of(Index i, Index j, Body &&body) const {
        const Windows &planes = along[0], &rows = along[1];
        for (Index a = 0; a < planes.kernel; ++a)
            for (Index b = 0; b < rows.kernel; ++b)
                if (planes.inside(i, a) && rows.inside(j, b))
                    body(offset(planes.place(i, a), rows.place(j, b), 0), offset(a * planes.dilation, b * rows.dilation, 0));
    }

    Index offset(Index a, Index b, Index c) const { return (a * along[1].n + b) * along[2].n + c; }
};

// The usual strides as constants, with which loops are vectorised.
template <class Body> void with_stride(Index stride, Body &&body) {
    switch (stride) {
        case 1: return body(std::integral_constant<Index, 1>());
        case 2: return body(std::integral_constant<Index, 2>());
        case 3: return body(std::integral_constant<Index, 3>());
        case 4: return body(std::integral_constant<Index, 4>());
        default: return body(stride);
    }
}

// So many windows are worked on at a time, as vectors.
template <class T> constexpr int width = 64 / sizeof(T);

// An element of each of `width` windows from window k, that of window 0 being at `from` in x; `missing` for those windows
// that are not in [begin, end).
template <class T, class Stride>
inline std::array<T, width<T>> element_of(std::span<const T> x, Index from, Stride stride, Index k, Index begin, Index end, T missing) {
    std::array<T, width<T>> result;
    const Index at = from + k * stride;
    if (at >= 0 && at + (width<T> - 1) * stride < static_cast<Index>(x.size())) {
        const T *const elements = x.data() + at;
#pragma omp simd
        for (int l = 0; l < width<T>; ++l) result[l] = elements[l * stride];
        if (begin > k || end < k + width<T>)
#pragma omp simd
            for (int l = 0; l < width<T>; ++l) result[l] = (l >= begin - k) & (l < end - k) ? result[l] : missing;
    } else
#pragma omp simd
        for (int l = 0; l < width<T>; ++l) result[l] = l >= begin - k && l < end - k ? x[at + l * stride] : missing;
    return result;
}

template <class T> std::span<const T> all_of(const Array<T> &x) { return {x.data(), static_cast<size_t>(x.size())}; }

template <class T> nb::tuple largest_of_windows(Array<T> x, nb::tuple windows) {
    using Bits = typename Format<T>::Bits;
    const Pooling by(x.shape(), windows);
    if (by.size > std::numeric_limits<int32_t>::max()) throw nb::next_overload();
    const Windows &planes = by.along[0], &rows = by.along[1], &columns = by.along[2];
    const auto values = Array<T>::empty(by.with(&Windows::out));
    const auto places = Array<int64_t>::empty(by.with(&Windows::out));
    const Index lines = planes.out * rows.out;
    const auto all = all_of(x);
    constexpr T lowest = -std::numeric_limits<T>::infinity();
    std::vector<Bits> skipped(columns.out + width<T>);
    for (Index k = 0; k < columns.out; ++k) skipped[k] = static_cast<Bits>(columns.skipped(k));
    parallel(by.lead * lines, columns.out * by.elements(), [&](Index begin, Index end) {
        for (Index line = begin; line < end; ++line) {
            const Index i = line % lines / rows.out, j = line % rows.out, image = line / lines * by.size;
            const Bits above = static_cast<Bits>(by.offset(planes.skipped(i), rows.skipped(j), 0));
            const Index start = by.offset(planes.place(i, 0), rows.place(j, 0), columns.place(0, 0));
            for (Index k = 0; k < columns.out; k += width<T>) {
                T best[width<T>];
                Bits where[width<T>];  // from the first element of the window
#pragma omp simd
                for (int l = 0; l < width<T>; ++l) best[l] = lowest;
#pragma omp simd
                for (int l = 0; l < width<T>; ++l) where[l] = above + skipped[k + l];
                with_stride(columns.stride, [&](auto stride) {
                    by.rows_of(i, j, [&](Index from, Index offset) {
                        for (Index c = 0; c < columns.kernel; ++c) {
                            const Index first = image + from + columns.place(0, c);
                            const auto x = element_of(all, first, stride, k, by.first[c], by.last[c], lowest);
                            const Bits here = static_cast<Bits>(offset + c * columns.dilation);
#pragma omp simd
                            for (int l = 0; l < width<T>; ++l) {
                                const bool better = (x[l] > best[l]) | (x[l] != x[l]);
                                best[l] = better ? x[l] : best[l];
                                where[l] = better ? here : where[l];
                            }
                        }
                    });
                });
                const Index at = line * columns.out + k, some = std::min<Index>(width<T>, columns.out - k);
                std::copy_n(best, some, values.data() + at);
                for (Index l = 0; l < some; ++l) places.data()[at + l] = start + (k + l) * columns.stride + where[l];
            }
        }
    });
    return nb::make_tuple(values, places);
}

// Parts of nearly equal length along each of the last axes, which cover it.
struct Parts {
    std::array<Index, axes> n = {1, 1, 1}, out = {1, 1, 1};  // elements and parts
    std::array<std::vector<Index>, axes> first, last;         // of each part
    Index lead, size, cells;

    Parts(std::span<const Index> whole, std::span<const Index> parts) : lead(count(whole.first(whole.size() - parts.size()))) {
        std::ranges::copy(whole.last(parts.size()), n.end() - parts.size());
        std::ranges::copy(parts, out.end() - parts.size());
        for (int axis = 0; axis < axes; ++axis) {
            require(0 < n[axis] && n[axis] <= most && 0 < out[axis] && out[axis] <= most);
            for (Index i = 0; i < out[axis]; ++i) {
                first[axis].push_back(i * n[axis] / out[axis]);
                last[axis].push_back(((i + 1) * n[axis] + out[axis] - 1) / out[axis]);
            }
        }
        size = n[0] * n[1] * n[2], cells = out[0] * out[1] * out[2];
    }

    Index length(int axis, Index part) const { return last[axis][part] - first[axis][part]; }
    // The parts that element i is in.
    std::pair<Index, Index> around(int axis, Index i) const {
        return {i * out[axis] / n[axis], ((i + 1) * out[axis] + n[axis] - 1) / n[axis]};
    }
    // Calls body(start) for the rows of two parts.
    template <class Body> void rows_of(Index a, Index b, Body &&body) const {
        for (Index i = first[0][a]; i < last[0][a]; ++i)
            for (Index j = first[1][b]; j < last[1][b]; ++j) body((i * n[1] + j) * n[2]);
    }

    static constexpr Index most = 1 << 20;
};

// A shape whose last axes are others, and those.
struct Resized {
    std::vector<Index> shape;
    size_t rank;

    Resized(std::span<const Index> of, nb::tuple lengths) : shape(of.begin(), of.end()), rank(lengths.size()) {
        require(0 < rank && rank <= axes && rank <= shape.size());
        for (size_t i = 0; i < rank; ++i) shape[shape.size() - rank + i] = nb::cast<Index>(lengths[i]);
    }
    std::span<const Index> last() const { return std::span<const Index>(shape).last(rank); }
};

// The largest element of each part and its place.
template <class T> nb::tuple largest_of_parts(Array<T> x, nb::tuple parts) {
    const Resized resized(x.shape(), parts);
    const Parts by(x.shape(), resized.last());
    const auto values = Array<T>::empty(resized.shape);
    const auto places = Array<int64_t>::empty(resized.shape);
    const Index lines = by.out[0] * by.out[1];
    parallel(by.lead * lines, 2 * by.size / lines, [&](Index begin, Index end) {
        for (Index line = begin; line < end; ++line) {
            const T *const image = x.data() + line / lines * by.size;
            const Index a = line % lines / by.out[1], b = line % by.out[1];
            for (Index c = 0; c < by.out[2]; ++c) {
                T best = -std::numeric_limits<T>::infinity();
                int64_t place = (by.first[0][a] * by.n[1] + by.first[1][b]) * by.n[2] + by.first[2][c];
                by.rows_of(a, b, [&](Index row) {
                    for (Index k = by.first[2][c]; k < by.last[2][c]; ++k) {
                        const T candidate = image[row + k];
                        const bool better = (candidate > best) | (candidate != candidate);
                        best = better ? candidate : best;
                        place = better ? row + k : place;
                    }
                });
                values.data()[line * by.out[2] + c] = best;
                places.data()[line * by.out[2] + c] = place;
            }
        }
    });
    return nb::make_tuple(values, places);
}

// The average of each part.
template <class T> Array<T> averages_of_parts(Array<T> x, nb::tuple parts) {
    const Resized resized(x.shape(), parts);
    const Parts by(x.shape(), resized.last());
    const auto y = Array<T>::empty(resized.shape);
    const Index lines = by.out[0] * by.out[1], n = by.n[2];
    parallel(by.lead * lines, by.size / lines, [&](Index begin, Index end) {
        std::vector<T> sums(n);  // of the rows of parts
        for (Index line = begin; line < end; ++line) {
            const T *const image = x.data() + line / lines * by.size;
            const Index a = line % lines / by.out[1], b = line % by.out[1];
            const T rows = static_cast<T>(by.length(0, a) * by.length(1, b));
            std::fill_n(sums.data(), n, T(0));
            by.rows_of(a, b, [&, to = sums.data()](Index row) {
                for (Index k = 0; k < n; ++k) to[k] += image[row + k];
            });
            for (Index c = 0; c < by.out[2]; ++c) {
                T sum = 0;
                for (Index k = by.first[2][c]; k < by.last[2][c]; ++k) sum += sums[k];
                y.data()[line * by.out[2] + c] = sum / (rows * static_cast<T>(by.length(2, c)));
            }
        }
    });
    return y;
}

// The transpose. Rows that are of the same parts are computed once.
template <class T> Array<T> averages_of_parts_back(Array<T> y, nb::tuple size) {
    const Resized resized(y.shape(), size);
    const Parts by(resized.shape, y.shape().last(resized.rank));
    const auto x = Array<T>::empty(resized.shape);
    const Index n = by.n[2];
    parallel(by.lead, 2 * by.size, [&](Index begin, Index end) {
        for (Index image = begin; image < end; ++image) {
            T *const to = x.data() + image * by.size, *row = to;
            const T *const from = y.data() + image * by.cells;
            for (Index i = 0; i < by.n[0]; ++i) {
                const auto planes = by.around(0, i);
                for (Index j = 0; j < by.n[1]; ++j, row += n) {
                    const auto rows = by.around(1, j);
                    if (j && rows == by.around(1, j - 1)) {
                        std::copy_n(row - n, n, row);
                        continue;
                    }
                    std::fill_n(row, n, T(0));
                    for (Index p = planes.first; p < planes.second; ++p)
                        for (Index q = rows.first; q < rows.second; ++q)
                            for (Index c = 0; c < by.out[2]; ++c) {
                                const Index elements = by.length(0, p) * by.length(1, q) * by.length(2, c);
                                const T share = from[(p * by.out[1] + q) * by.out[2] + c] / static_cast<T>(elements);
                                for (Index k = by.first[2][c]; k < by.last[2][c]; ++k) row[k] += share;
                            }
                }
            }
        }
    });
    return x;
}

// Sums of windows, which have no dilation, divided.
template <class T, class Divide> Array<T> averaged_by(const Array<T> &x, const Pooling &by, Divide divide) {
    const Windows &planes = by.along[0], &rows = by.along[1], &columns = by.along[2];
    if (columns.dilation != 1) throw nb::next_overload();
    const auto y = Array<T>::empty(by.with(&Windows::out));
    const Index lines = planes.out * rows.out, n = columns.n, padding = columns.padding;
    const Index padded = padding + std::max(n, (columns.out + width<T>) * columns.stride + columns.kernel);
    parallel(by.lead * lines, columns.out * by.elements(), [&](Index begin, Index end) {
        std::vector<T> row(padded);  // the sum of the rows of a window, with zeros on both sides
        for (Index line = begin; line < end; ++line) {
            std::fill_n(row.data() + padding, n, T(0));
            by.rows_of(line % lines / rows.out, line % rows.out, [&](Index from, Index) {
                const T *const elements = x.data() + line / lines * by.size + from;
                for (Index k = 0; k < n; ++k) row[padding + k] += elements[k];
            });
            T *const to = y.data() + line * columns.out;
            for (Index k = 0; k < columns.out; k += width<T>) {
                T sum[width<T>] = {};
                with_stride(columns.stride, [&](auto stride) {
                    const T *from = row.data() + k * stride;
                    for (Index c = 0; c < columns.kernel; ++c, ++from)
#pragma omp simd
                        for (int l = 0; l < width<T>; ++l) sum[l] += from[l * stride];
                });
                std::copy_n(sum, std::min<Index>(width<T>, columns.out - k), to + k);
            }
            divide(to, line % lines);
        }
    });
    return y;
}

template <class T> Array<T> averaged(Array<T> x, nb::tuple windows, double divisor) {
    const Pooling by(x.shape(), windows);
    return averaged_by(x, by, [&](T *y, Index) {
        for (Index k = 0; k < by.along[2].out; ++k) y[k] /= static_cast<T>(divisor);
    });
}

template <class T> Array<T> averaged_variously(Array<T> x, nb::tuple windows, Array<double> divisors) {
    const Pooling by(x.shape(), windows);
    if (divisors.size() != by.out) throw nb::next_overload();
    return averaged_by(x, by, [&](T *y, Index line) {
        const Index columns = by.along[2].out;
        for (Index k = 0; k < columns; ++k) y[k] /= static_cast<T>(divisors.data()[line * columns + k]);
    });
}

// The transpose: each value of a window over its divisor is added to all elements of the window.
template <class T, class Divided> Array<T> averaged_back_by(const Array<T> &y, const Pooling &by, Divided divided) {
    const Windows &planes = by.along[0], &rows = by.along[1], &columns = by.along[2];
    if (count(y.shape()) != by.lead * by.out) throw nb::next_overload();
    const auto x = Array<T>::empty(by.with(&Windows::n));
    const Index lines = planes.out * rows.out;
    parallel(by.lead, by.out * by.elements(), [&](Index begin, Index end) {
        std::vector<T> row(columns.out);
        for (Index image = begin; image < end; ++image) {
            T *const to = x.data() + image * by.size;
            std::fill_n(to, by.size, T(0));
            for (Index line = 0; line < lines; ++line) {
                divided(y.data() + (image * lines + line) * columns.out, line, row.data());
                with_stride(columns.stride, [&](auto stride) {
                    by.rows_of(line / rows.out, line % rows.out, [&](Index from, Index) {
                        for (Index c = 0; c < columns.kernel; ++c) {
                            T *const first = to + from + columns.place(0, c);
                            for (Index k = by.first[c]; k < by.last[c]; ++k) first[k * stride] += row[k];
                        }
                    });
                });
            }
        }
    });
    return x;
}

template <class T> Array<T> averaged_back(Array<T> y, nb::tuple windows, double divisor, nb::tuple size) {
    const Pooling by(y.shape(), windows, size);
    return averaged_back_by(y, by, [&](const T *from, Index, T *to) {
        for (Index k = 0; k < by.along[2].out; ++k) to[k] = from[k] / static_cast<T>(divisor);
    });
}

template <class T> Array<T> averaged_back_variously(Array<T> y, nb::tuple windows, Array<double> divisors, nb::tuple size) {
    const Pooling by(y.shape(), windows, size);
    if (divisors.size() != by.out) throw nb::next_overload();
    return averaged_back_by(y, by, [&](const T *from, Index line, T *to) {
        const Index columns = by.along[2].out;
        for (Index k = 0; k < columns; ++k) to[k] = from[k] / static_cast<T>(divisors.data()[line * columns + k]);
    });
}

// Zeros with values added at flat places of the last axes.
template <class T> Array<T> add_at_places(Array<T> values, Array<int64_t> places, nb::tuple size, bool) {
    std::vector<Index> shape(values.shape().begin(), values.shape().end());
    const Index rank = static_cast<Index>(nb::len(size)), dims = static_cast<Index>(shape.size());
    if (rank > dims || places.size() != values.size()) throw nb::next_overload();
    const Index lead = count(std::span<const Index>(shape).first(dims - rank));
    Index total = 1;
    for (Index i = 0; i < rank; ++i) total = Pooling::within(total, shape[dims - rank + i] = nb::cast<Index>(size[i]));
    const auto x = Array<T>::empty(shape);
    const Index each = lead ? values.size() / lead : 0;
    parallel(lead, each + total, [&](Index begin, Index end) {
        const int64_t *place = places.data() + begin * each;
        const T *value = values.data() + begin * each;
        for (T *to = x.data() + begin * total; to < x.data() + end * total; to += total) {
            std::fill_n(to, total, T(0));
            for (Index i = 0; i < each; ++i, ++place, ++value)
                if (static_cast<uint64_t>(*place) < static_cast<uint64_t>(total)) to[*place] += *value;
        }
    });
    return x;
}

}  // namespace

void add_pooling(nb::module_ &module) {
    RUSHLIGHT_FLOATING(module, largest_of_windows);
    RUSHLIGHT_FLOATING(module, largest_of_parts);
    RUSHLIGHT_FLOATING(module, averages_of_parts);
    RUSHLIGHT_FLOATING(module, averages_of_parts_back);
    RUSHLIGHT_FLOATING(module, averaged);
    RUSHLIGHT_FLOATING(module, averaged_back);
    module.def("averaged", &averaged_variously<float>).def("averaged", &averaged_variously<double>);
    module.def("averaged_back", &averaged_back_variously<float>).def("averaged_back", &averaged_back_variously<double>);
    RUSHLIGHT_FLOATING(module, add_at_places);
}

}  // namespace rushlight
