// NumPy arrays as arguments and results of kernels.
#pragma once

#ifndef RUSHLIGHT_IMPORT_NUMPY
#define NO_IMPORT_ARRAY
#endif
#define PY_ARRAY_UNIQUE_SYMBOL rushlight_numpy
#include <nanobind/nanobind.h>
#include <numpy/arrayobject.h>

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <span>

namespace nb = nanobind;

namespace rushlight {

using Index = npy_intp;

// The product of lengths.
inline Index count(std::span<const Index> lengths) {
    Index product = 1;
    for (Index length : lengths) product *= length;
    return product;
}

template <class T> constexpr int type_number = NPY_NOTYPE;
template <> constexpr int type_number<bool> = NPY_BOOL;
template <> constexpr int type_number<float> = NPY_FLOAT32;
template <> constexpr int type_number<double> = NPY_FLOAT64;
template <> constexpr int type_number<uint32_t> = NPY_UINT32;
template <> constexpr int type_number<uint64_t> = NPY_UINT64;
template <> constexpr int type_number<int64_t> = NPY_INT64;

// What NumPy gives for a new array, and what an argument takes of an object: false leaves the call to the next function of
// that name. They are apart from the templates below, so that there is one of each.
nb::object new_array(std::span<const Index> shape, int type, bool zeros = false);
nb::object new_array(std::span<const Index> shape, PyArray_Descr *type);
bool take_in_order(nb::handle source, int type, nb::object &taken) noexcept;
bool take_if_in_order(nb::handle source, int type, nb::object &taken) noexcept;
bool take_dense(nb::handle source, int type, nb::object &taken) noexcept;
bool take_as_it_lies(nb::handle source, int type, nb::object &taken) noexcept;
bool take_elements(nb::handle source, int, nb::object &taken) noexcept;

// The axes of an array from the outermost in memory; whether its elements fill their memory without gaps.
void order_of(PyArrayObject *x, int *axes);
bool is_dense(PyArrayObject *x);

// An array of T in C order. As an argument it is borrowed, or copied where its memory is in another order, or None; as a
// result it is new. An argument of another type is not taken.
template <class T> class Array {
public:
    static constexpr int type = type_number<T>;

    Array() = default;
    explicit Array(nb::object owner) : owner_(std::move(owner)) {}

    static Array empty(std::span<const Index> shape) { return Array(new_array(shape, type)); }
    static Array zeros(std::span<const Index> shape) { return Array(new_array(shape, type, true)); }
    static Array empty(std::initializer_list<Index> shape) { return empty(std::span(shape.begin(), shape.size())); }

    // Of a shape less one of its axes, or with length 1 there.
    static Array reduced(std::span<const Index> shape, Index dim, bool keep) {
        Index rest[NPY_MAXDIMS];
        Index *next = std::copy_n(shape.begin(), dim, rest);
        if (keep) *next++ = 1;
        return empty(std::span<const Index>(rest, std::copy(shape.begin() + dim + 1, shape.end(), next)));
    }

    PyArrayObject *numpy() const { return reinterpret_cast<PyArrayObject *>(owner_.ptr()); }
    T *data() const { return owner_.is_valid() ? static_cast<T *>(PyArray_DATA(numpy())) : nullptr; }
    int ndim() const { return PyArray_NDIM(numpy()); }
    Index size() const { return PyArray_SIZE(numpy()); }
    std::span<const Index> shape() const { return {PyArray_DIMS(numpy()), static_cast<size_t>(ndim())}; }
    // Of an axis, counted from the end where it is negative; strides are in elements.
    Index shape(int axis) const { return PyArray_DIM(numpy(), axis < 0 ? axis + ndim() : axis); }
    Index stride(int axis) const { return PyArray_STRIDE(numpy(), axis < 0 ? axis + ndim() : axis) / Index(sizeof(T)); }
    const nb::object &object() const { return owner_; }
    explicit operator bool() const { return owner_.is_valid(); }  // of an optional argument

private:
    nb::object owner_;
};

// The same in C order and never copied: others are not taken, where results lie in memory as their operands do.
template <class T> struct Contiguous : Array<T> {
    using Array<T>::Array;
};

// The same whose elements fill its memory in some order of its axes; of others a copy in C order.
template <class T> struct Dense : Array<T> {
    using Array<T>::Array;
};

// The same as it lies in memory.
template <class T> struct Strided : Array<T> {
    using Array<T>::Array;
};

// An array in C order of elements of any type that may be copied as bytes; those of 4 or 8 bytes lie at multiples of that,
// and may be copied as integers.
class Elements {
public:
    static constexpr int type = NPY_NOTYPE;  // any

    Elements() = default;
    explicit Elements(nb::object owner) : owner_(std::move(owner)) {}

    // A new array of elements of the same type.
    Elements empty(std::span<const Index> shape) const { return Elements(new_array(shape, PyArray_DESCR(numpy()))); }

    PyArrayObject *numpy() const { return reinterpret_cast<PyArrayObject *>(owner_.ptr()); }
    char *data() const { return static_cast<char *>(PyArray_DATA(numpy())); }
    int ndim() const { return PyArray_NDIM(numpy()); }
    Index itemsize() const { return PyArray_ITEMSIZE(numpy()); }
    std::span<const Index> shape() const { return {PyArray_DIMS(numpy()), static_cast<size_t>(ndim())}; }
    const nb::object &object() const { return owner_; }

private:
    nb::object owner_;
};

// Leaves the call to the next function of that name, the definition, unless this one takes the arguments.
inline void require(bool taken) {
    if (!taken) throw nb::next_overload();
}

template <class T, class U> bool same_shape(const Array<T> &a, const Array<U> &b) {
    return std::ranges::equal(a.shape(), b.shape());
}

}  // namespace rushlight

namespace nanobind::detail {

// An argument as `take` finds it.
template <class Taken, auto take> struct array_caster {
    NB_TYPE_CASTER(Taken, const_name("ndarray"))

    bool from_python(handle source, uint8_t, cleanup_list *) noexcept {
        object taken;
        if (!take(source, Taken::type, taken)) return false;
        value = Taken(std::move(taken));
        return true;
    }
    static handle from_cpp(const Taken &array, rv_policy, cleanup_list *) noexcept {
        return array.object().is_valid() ? array.object().inc_ref() : none().release();
    }
};

template <class T> struct type_caster<rushlight::Array<T>> : array_caster<rushlight::Array<T>, rushlight::take_in_order> {};
template <class T>
struct type_caster<rushlight::Contiguous<T>> : array_caster<rushlight::Contiguous<T>, rushlight::take_if_in_order> {};
template <class T> struct type_caster<rushlight::Dense<T>> : array_caster<rushlight::Dense<T>, rushlight::take_dense> {};
template <class T>
struct type_caster<rushlight::Strided<T>> : array_caster<rushlight::Strided<T>, rushlight::take_as_it_lies> {};
template <> struct type_caster<rushlight::Elements> : array_caster<rushlight::Elements, rushlight::take_elements> {};

}  // namespace nanobind::detail
