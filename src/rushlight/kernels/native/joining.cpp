// Several arrays as one.
#include <cstring>

#include "module.hpp"
#include "threads.hpp"

namespace rushlight {
namespace {

// Arrays of one type, all in C order, whose shapes are the same but for the axis along which they are joined.
PyArrayObject *checked(nb::handle part, PyArrayObject *first, int dim, bool stacked) {
    require(PyArray_CheckExact(part.ptr()));
    auto *array = reinterpret_cast<PyArrayObject *>(part.ptr());
    require(PyArray_ISCARRAY_RO(array) && PyArray_DESCR(array) == PyArray_DESCR(first) && PyArray_NDIM(array) == PyArray_NDIM(first));
    for (int axis = 0; axis < PyArray_NDIM(array); ++axis)
        require(PyArray_DIM(array, axis) == PyArray_DIM(first, axis) || (axis == dim && !stacked));
    return array;
}

// Copies blocks of `length` elements to places that are `step` elements apart.
template <class T> void copy_blocks(const void *source, void *target, Index count, Index length, Index step) {
    parallel(count * length, 1, [=](Index begin, Index end) {
        const T *from = static_cast<const T *>(source);
        for (Index block = length ? begin / length : 0, within = length ? begin % length : 0; begin < end; ++block, within = 0) {
            const Index n = std::min(length - within, end - begin);
            std::memcpy(static_cast<T *>(target) + block * step + within, from + begin, n * sizeof(T));
            begin += n;
        }
    });
}

// One after the other along an axis, which is a new one if they are `stacked`.
Elements join(nb::list parts, Index along, bool stacked) {
    require(parts.size() && PyArray_CheckExact(nb::handle(parts[0]).ptr()));
    Elements like;
    require(nb::try_cast(parts[0], like));
    auto *first = reinterpret_cast<PyArrayObject *>(nb::handle(parts[0]).ptr());
    const int ndim = PyArray_NDIM(first), places = ndim + stacked;
    const Index size = PyArray_ITEMSIZE(first);
    require(-places <= along && along < places && places <= NPY_MAXDIMS && (size == 1 || size == 4 || size == 8));
    const int dim = static_cast<int>(along < 0 ? along + places : along);
    Index shape[NPY_MAXDIMS];
    std::copy_n(PyArray_DIMS(first), dim, shape);
    std::copy(PyArray_DIMS(first) + dim + !stacked, PyArray_DIMS(first) + ndim, shape + dim + 1);
    shape[dim] = 0;
    for (nb::handle part : parts) shape[dim] += stacked ? 1 : PyArray_DIM(checked(part, first, dim, stacked), dim);
    for (nb::handle part : parts) checked(part, first, dim, stacked);
    const Elements result = like.empty(std::span<const Index>(shape, places));
    const Index outer = count(std::span<const Index>(shape, dim)), inner = count(std::span<const Index>(shape + dim + 1, places - dim - 1));
    const auto copy = size == 1 ? copy_blocks<char> : size == 4 ? copy_blocks<int32_t> : copy_blocks<int64_t>;
    char *to = result.data();
    for (nb::handle part : parts) {
        auto *array = reinterpret_cast<PyArrayObject *>(part.ptr());
        const Index length = stacked ? inner : PyArray_DIM(array, dim) * inner;
        copy(PyArray_DATA(array), to, outer, length, shape[dim] * inner);
        to += length * size;
    }
    return result;
}

}  // namespace

void add_joining(nb::module_ &module) { module.def("join", &join); }

}  // namespace rushlight
