// Reading and adding at positions along an axis.
#include <atomic>
#include <cstring>
#include <numeric>
#include <vector>

#include "axes.hpp"
#include "module.hpp"

namespace rushlight {
namespace {

using Shape = std::vector<Index>;
using Positions = Array<int64_t>;

// An array around one of its axes, which must be counted from the front.
Axis around(std::span<const Index> shape, Index dim) {
    require(0 <= dim && dim < static_cast<Index>(shape.size()));
    return Axis(shape, dim);
}

// The shape with its axes [dim, dim + removed) replaced by others.
Shape replaced(std::span<const Index> shape, Index dim, Index removed, std::span<const Index> by) {
    require(0 <= dim && dim <= static_cast<Index>(shape.size()) - removed);
    Shape result(shape.begin(), shape.begin() + dim);
    result.insert(result.end(), by.begin(), by.end());
    result.insert(result.end(), shape.begin() + dim + removed, shape.end());
    return result;
}

bool all_within(const int64_t *index, Index n, int64_t least, int64_t length) {
    uint64_t outside = 0;
    for (Index i = 0; i < n; ++i)
        outside |= static_cast<uint64_t>(index[i]) - static_cast<uint64_t>(least) >= static_cast<uint64_t>(length - least);
    return !outside;
}

[[noreturn]] void refuse() { throw nb::index_error("index out of range in self"); }

// Whether the positions exist, on which the others rely.
void check(const Positions &index, int64_t least, int64_t length) {
    if (!all_within(index.data(), index.size(), least, length)) refuse();
}

// A position that may count from the end, counted from the front.
Index from_front(int64_t position, Index length) { return position < 0 ? position + length : position; }

// Copies rows of `inner` units; T is a unit's type.
template <class T> void take(const Axis &axis, const T *x, const Positions &index, T *out) {
    const Index n = index.size(), inner = axis.inner;
    parallel(axis.outer * n, inner * sizeof(T) / 8 + 1, [&, at = index.data()](Index begin, Index end) {
        while (begin < end) {
            const Index first = begin % n, last = std::min(n, first + end - begin);
            const T *from = x + begin / n * axis.length * inner;
            T *to = out + (begin - first) * inner;
            if (inner == 1) {
#pragma omp simd
                for (Index k = first; k < last; ++k) to[k] = from[from_front(at[k], axis.length)];
            } else
                for (Index k = first; k < last; ++k)
                    std::memcpy(to + k * inner, from + from_front(at[k], axis.length) * inner, inner * sizeof(T));
            begin += last - first;
        }
    });
}

Elements take_rows(Elements x, Index dim, Positions index, bool from_end) {
    Axis axis = around(x.shape(), dim);
    check(index, from_end ? -axis.length : 0, axis.length);
    const Elements out = x.empty(replaced(x.shape(), dim, 1, index.shape()));
    if (x.itemsize() == 4) take(axis, reinterpret_cast<uint32_t *>(x.data()), index, reinterpret_cast<uint32_t *>(out.data()));
    else if (x.itemsize() == 8) take(axis, reinterpret_cast<uint64_t *>(x.data()), index, reinterpret_cast<uint64_t *>(out.data()));
    else {
        axis.inner *= x.itemsize();
        take(axis, x.data(), index, out.data());
    }
    return out;
}

// Positions along several axes as positions along the one that these axes are together.
Positions join_positions(nb::list positions, nb::list lengths) {
    if (!positions.size() || positions.size() != lengths.size()) throw nb::next_overload();
    Positions first, index;
    if (!nb::try_cast(positions[0], first)) throw nb::next_overload();
    const auto joined = Positions::zeros(first.shape());
    for (size_t axis = 0; axis < positions.size(); ++axis) {
        const auto length = nb::cast<Index>(lengths[axis]);
        require(length >= 0);
        if (!nb::try_cast(positions[axis], index) || !std::ranges::equal(index.shape(), first.shape())) throw nb::next_overload();
        check(index, -length, length);
        parallel(index.size(), 2, [length, from = index.data(), to = joined.data()](Index begin, Index end) {
            for (Index i = begin; i < end; ++i) to[i] = to[i] * length + from_front(from[i], length);
        });
    }
    return joined;
}

// The places of positions, row by row, and within a row in their order: those of a row begin at start[row].
struct ByRow {
    std::vector<Index> start, places;

    ByRow(const Positions &index, Index length) : start(length + 1), places(index.size()) {
        const int64_t *at = index.data();
        for (Index k = 0; k < index.size(); ++k) ++start[from_front(at[k], length)];
        std::exclusive_scan(start.begin(), start.end(), start.begin(), Index(0));
        std::vector<Index> next = start;
        for (Index k = 0; k < index.size(); ++k) places[next[from_front(at[k], length)]++] = k;
    }
};

// Adds rows of values in the order of their positions: where there are many, row by row, so that threads share the rows.
template <class T> void add(const Axis &axis, T *out, const Positions &index, const T *values, Index skipped) {
    const Index n = index.size(), inner = axis.inner, length = axis.length;
    const auto add_row = [inner](T *sum, const T *row) {
#pragma omp simd
        for (Index j = 0; j < inner; ++j) sum[j] += row[j];
    };
    if (inner >= 16 && n * inner > 2 * piece_work && length <= n) {
        const ByRow rows(index, length);
        parallel(axis.outer * length, n * inner / length, [&](Index begin, Index end) {
            for (Index i = begin; i < end; ++i) {
                const Index row = i % length, block = i / length;
                if (row == skipped) continue;
                for (Index k = rows.start[row]; k < rows.start[row + 1]; ++k)
                    add_row(out + i * inner, values + (block * n + rows.places[k]) * inner);
            }
        });
        return;
    }
    parallel(axis.outer, n * inner, [&, at = index.data()](Index begin, Index end) {
        for (Index i = begin; i < end; ++i) {
            T *to = out + i * length * inner;
            const T *from = values + i * n * inner;
            if (inner == 1 && skipped < 0) {
                for (Index k = 0; k < n; ++k) to[from_front(at[k], length)] += from[k];
                continue;
            }
            for (Index k = 0; k < n; ++k)
                if (const Index row = from_front(at[k], length); row != skipped) add_row(to + row * inner, from + k * inner);
        }
    });
}

template <class T> void copy(const Array<T> &from, const Array<T> &to) {
    std::memcpy(to.data(), from.data(), from.size() * sizeof(T));
}

// Values must have the axes of the positions in place of the axis that they are counted along.
template <class T> void check_values(const Array<T> &values, const Shape &shape) {
    if (!std::ranges::equal(values.shape(), shape)) throw nb::value_error("values and positions do not go together");
}

template <class T> Array<T> with_rows_added(Array<T> x, Index dim, Positions index, Array<T> values) {
    const Axis axis = around(x.shape(), dim);
    check(index, 0, axis.length);
    check_values(values, replaced(x.shape(), dim, 1, index.shape()));
    const auto out = Array<T>::empty(x.shape());
    copy(x, out);
    add(axis, out.data(), index, values.data(), -1);
    return out;
}

template <class T> Array<T> sum_rows(Array<T> values, Index dim, Positions index, Index length, bool from_end, Index skipped) {
    require(length >= 0);
    check(index, from_end ? -length : 0, length);
    const Shape shape = replaced(values.shape(), dim, index.ndim(), std::span(&length, 1));
    check_values(values, replaced(shape, dim, 1, index.shape()));
    const auto out = Array<T>::zeros(shape);
    add(around(shape, dim), out.data(), index, values.data(), skipped);
    return out;
}

// Lines along the axis of positions, and of what they are positions in, of which only that axis may have another length.
struct Lines {
    Axis index, x;

    Lines(std::span<const Index> index_shape, std::span<const Index> shape, Index dim)
        : index(around(checked(index_shape, shape, dim), dim)), x(around(shape, dim)) {}

    // Calls body(positions, elements, n, columns) with the offsets of `columns` adjacent lines of positions and of
    // what they are in.
    template <class Body> void each(Body &&body) const {
        constexpr Index width = 256;
        const Index blocks = (index.inner + width - 1) / width;
        parallel(index.outer * blocks, 2 * index.length * std::min(index.inner, width), [&](Index begin, Index end) {
            for (Index i = begin; i < end; ++i) {
                const Index block = i / blocks, column = i % blocks * width;
                body(block * index.length * index.inner + column, block * x.length * index.inner + column,
                     std::min(width, index.inner - column));
            }
        });
    }

private:
    static std::span<const Index> checked(std::span<const Index> index, std::span<const Index> shape, Index dim) {
        require(index.size() == shape.size());
        for (size_t axis = 0; axis < shape.size(); ++axis)
            require(index[axis] == shape[axis] || static_cast<Index>(axis) == dim);
        return index;
    }
};

// Calls element(i, j) for the place i of each position and the place j that it names.
template <class Element> void over_elements(const Lines &lines, const Positions &index, Element &&element) {
    const Index n = lines.index.length, inner = lines.index.inner, length = lines.x.length;
    std::atomic<bool> outside{false};
    lines.each([&, at = index.data()](Index from, Index to, Index columns) {
        // One line is checked as a whole, several row by row.
        const Index rows = inner == 1 ? 1 : n, width = inner == 1 ? n : columns, step = inner == 1 ? 0 : 1;
        for (Index k = 0; k < rows; ++k) {
            const Index row = from + k * inner;
            if (!all_within(at + row, width, 0, length)) {
                outside = true;
                return;
            }
            for (Index j = 0; j < width; ++j) element(row + j, to + at[row + j] * inner + j * step);
        }
    });
    if (outside) refuse();
}

template <class T> void gather_elements(const Lines &lines, const T *x, const Positions &index, T *out) {
    over_elements(lines, index, [=](Index i, Index j) { out[i] = x[j]; });
}

Elements gather(Elements x, Index dim, Positions index) {
    const Lines lines(index.shape(), x.shape(), dim);
    const Elements out = x.empty(index.shape());
    if (x.itemsize() == 4) gather_elements(lines, reinterpret_cast<uint32_t *>(x.data()), index, reinterpret_cast<uint32_t *>(out.data()));
    else if (x.itemsize() == 8) gather_elements(lines, reinterpret_cast<uint64_t *>(x.data()), index, reinterpret_cast<uint64_t *>(out.data()));
    else throw nb::next_overload();
    return out;
}

template <class T> void add_elements(const Lines &lines, T *out, const Positions &index, const Array<T> &values) {
    require(same_shape(values, index));
    over_elements(lines, index, [=, from = values.data()](Index i, Index j) { out[j] += from[i]; });
}

template <class T> Array<T> scatter_add(Array<T> x, Index dim, Positions index, Array<T> values) {
    const Lines lines(index.shape(), x.shape(), dim);
    const auto out = Array<T>::empty(x.shape());
    copy(x, out);
    add_elements(lines, out.data(), index, values);
    return out;
}

template <class T> Array<T> sum_gathered(Array<T> values, Index dim, Positions index, Lengths shape) {
    const Lines lines(index.shape(), shape, dim);
    const auto out = Array<T>::zeros(shape);
    add_elements(lines, out.data(), index, values);
    return out;
}

}  // namespace

void add_indexing(nb::module_ &module) {
    module.def("take_rows", &take_rows);
    module.def("join_positions", &join_positions);
    module.def("gather", &gather);
    RUSHLIGHT_FLOATING(module, with_rows_added);
    RUSHLIGHT_FLOATING(module, sum_rows);
    RUSHLIGHT_FLOATING(module, scatter_add);
    RUSHLIGHT_FLOATING(module, sum_gathered);
}

}  // namespace rushlight
