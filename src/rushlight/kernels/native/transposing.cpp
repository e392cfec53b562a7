// Copies whose elements lie in memory in another order than those of the original.
#include <cstring>
#include <vector>

#include "module.hpp"
#include "threads.hpp"

namespace rushlight {
namespace {

// A side of the squares that are copied at a time, by way of a copy of the square: of what lies far apart, every line of
// the cache is then taken up once only.
constexpr Index side = 16;

// A plane of an array: `rows` of lines that are contiguous in the copy, and `columns` that are in the original; steps in
// elements.
struct Plane {
    Index rows, columns, to_row, from_column;
};

template <class T> void copy_square(const Plane &plane, const T *from, T *to, Index row, Index column) {
    const Index rows = std::min(side, plane.rows - row), columns = std::min(side, plane.columns - column);
    T square[side][side];
    from += row + column * plane.from_column;
    to += row * plane.to_row + column;
    if (rows == side && columns == side) {
        for (Index j = 0; j < side; ++j)
            for (Index i = 0; i < side; ++i) square[i][j] = from[i + j * plane.from_column];
        for (Index i = 0; i < side; ++i) std::memcpy(to + i * plane.to_row, square[i], side * sizeof(T));
        return;
    }
    for (Index j = 0; j < columns; ++j)
        for (Index i = 0; i < rows; ++i) square[i][j] = from[i + j * plane.from_column];
    for (Index i = 0; i < rows; ++i)
        for (Index j = 0; j < columns; ++j) to[i * plane.to_row + j] = square[i][j];
}

// The axes other than that of rows and the last one, as offsets of their planes in the copy and in the original.
struct Offsets {
    std::vector<Index> to{0}, from{0};

    void add(Index length, Index to_step, Index from_step) {
        const size_t before = to.size();
        for (Index i = 1; i < length; ++i)
            for (size_t k = 0; k < before; ++k) {
                to.push_back(to[k] + i * to_step);
                from.push_back(from[k] + i * from_step);
            }
    }
};

template <class T> Elements copied(const Elements &original, int rows_axis) {
    const Elements copy = original.empty(original.shape());
    PyArrayObject *x = original.numpy(), *out = copy.numpy();
    const int last = original.ndim() - 1;
    const auto to_step = [&](int axis) { return PyArray_STRIDE(out, axis) / static_cast<Index>(sizeof(T)); };
    const auto from_step = [&](int axis) { return PyArray_STRIDE(x, axis) / static_cast<Index>(sizeof(T)); };
    const Plane plane{PyArray_DIM(x, rows_axis), PyArray_DIM(x, last), to_step(rows_axis), from_step(last)};
    Offsets offsets;
    for (int axis = last - 1; axis >= 0; --axis)
        if (axis != rows_axis) offsets.add(PyArray_DIM(x, axis), to_step(axis), from_step(axis));
    const Index bands = (plane.rows + side - 1) / side;
    parallel(static_cast<Index>(offsets.to.size()) * bands, side * plane.columns, [&](Index begin, Index end) {
        for (Index i = begin; i < end; ++i) {
            const T *from = static_cast<const T *>(PyArray_DATA(x)) + offsets.from[i / bands];
            T *to = static_cast<T *>(PyArray_DATA(out)) + offsets.to[i / bands];
            for (Index column = 0; column < plane.columns; column += side)
                copy_square(plane, from, to, i % bands * side, column);
        }
    });
    return copy;
}

// Where another axis than the last one has its elements side by side, and both are long; NumPy is fast at all else.
Elements copy_in_order(nb::handle source) {
    if (!PyArray_CheckExact(source.ptr())) throw nb::next_overload();
    auto *x = reinterpret_cast<PyArrayObject *>(source.ptr());
    const int ndim = PyArray_NDIM(x);
    const Index itemsize = PyArray_ITEMSIZE(x);
    if (ndim < 2 || !PyArray_ISALIGNED(x) || PyDataType_REFCHK(PyArray_DESCR(x)) || !PyArray_SIZE(x)) throw nb::next_overload();
    int rows_axis = -1;
    for (int axis = 0; axis < ndim; ++axis) {
        if (PyArray_STRIDE(x, axis) % itemsize) throw nb::next_overload();
        if (PyArray_STRIDE(x, axis) == itemsize && PyArray_DIM(x, axis) > 1) rows_axis = axis;
    }
    if (rows_axis < 0 || rows_axis == ndim - 1) throw nb::next_overload();
    if (std::min(PyArray_DIM(x, rows_axis), PyArray_DIM(x, ndim - 1)) < side) throw nb::next_overload();
    const Elements original(nb::borrow(source));
    if (itemsize == 4) return copied<uint32_t>(original, rows_axis);
    if (itemsize == 8) return copied<uint64_t>(original, rows_axis);
    throw nb::next_overload();
}

}  // namespace

void add_transposing(nb::module_ &module) { module.def("copy_in_order", &copy_in_order); }

}  // namespace rushlight
