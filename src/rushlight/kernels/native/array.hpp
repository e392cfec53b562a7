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

#include "memory.hpp"

namespace nb = nanobind;

namespace rushlight {

using Index = npy_intp;

inline Index count(std::span<const Index> lengths);

template <class T> constexpr int type_number = NPY_NOTYPE;
template <> constexpr int type_number<bool> = NPY_BOOL;
template <> constexpr int type_number<float> = NPY_FLOAT32;
template <> constexpr int type_number<double> = NPY_FLOAT64;
template <> constexpr int type_number<uint32_t> = NPY_UINT32;
template <> constexpr int type_number<uint64_t> = NPY_UINT64;
template <> constexpr int type_number<int64_t> = NPY_INT64;

// An array of T in C order. As an argument it is borrowed, or copied where its memory is in another order; as a result it
// is new. An argument of another type is not taken: the call goes to the next function of that name.
template <class T> class Array {
public:
    Array() = default;
    explicit Array(nb::object owner) : owner_(std::move(owner)) {}

    static Array empty(std::span<const Index> shape) {
        if (count(shape) * Index(sizeof(T)) >= Index(large)) use_pool();
        PyObject *made = PyArray_SimpleNew(static_cast<int>(shape.size()), const_cast<Index *>(shape.data()), type_number<T>);
        if (!made) throw nb::python_error();
        return Array(nb::steal(made));
    }
    static Array zeros(std::span<const Index> shape) {
        PyObject *made = PyArray_ZEROS(static_cast<int>(shape.size()), const_cast<Index *>(shape.data()), type_number<T>, 0);
        if (!made) throw nb::python_error();
        return Array(nb::steal(made));
    }
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
    Index shape(int axis) const { return PyArray_DIM(numpy(), axis); }
    const nb::object &object() const { return owner_; }
    explicit operator bool() const { return owner_.is_valid(); }  // of an optional argument

private:
    nb::object owner_;
};

// An array in C order of elements of any type that may be copied as bytes; those of 4 or 8 bytes lie at multiples of that,
// and may be copied as integers.
class Elements {
public:
    Elements() = default;
    explicit Elements(nb::object owner) : owner_(std::move(owner)) {}

    // A new array of elements of the same type.
    Elements empty(std::span<const Index> shape) const {
        if (count(shape) * itemsize() >= Index(large)) use_pool();
        PyArray_Descr *type = PyArray_DESCR(numpy());
        Py_INCREF(type);
        PyObject *made = PyArray_Empty(static_cast<int>(shape.size()), const_cast<Index *>(shape.data()), type, 0);
        if (!made) throw nb::python_error();
        return Elements(nb::steal(made));
    }

    PyArrayObject *numpy() const { return reinterpret_cast<PyArrayObject *>(owner_.ptr()); }
    char *data() const { return static_cast<char *>(PyArray_DATA(numpy())); }
    int ndim() const { return PyArray_NDIM(numpy()); }
    Index itemsize() const { return PyArray_ITEMSIZE(numpy()); }
    std::span<const Index> shape() const { return {PyArray_DIMS(numpy()), static_cast<size_t>(ndim())}; }
    const nb::object &object() const { return owner_; }

private:
    nb::object owner_;
};

// An array of T as it lies in memory; as an argument it is borrowed.
template <class T> class Strided {
public:
    Strided() = default;
    explicit Strided(nb::object owner) : owner_(std::move(owner)) {}

    PyArrayObject *numpy() const { return reinterpret_cast<PyArrayObject *>(owner_.ptr()); }
    T *data() const { return static_cast<T *>(PyArray_DATA(numpy())); }
    int ndim() const { return PyArray_NDIM(numpy()); }
    std::span<const Index> shape() const { return {PyArray_DIMS(numpy()), static_cast<size_t>(ndim())}; }
    // Of an axis, counted from the end where it is negative; strides are in elements.
    Index shape(int axis) const { return PyArray_DIM(numpy(), axis < 0 ? axis + ndim() : axis); }
    Index stride(int axis) const { return PyArray_STRIDE(numpy(), axis < 0 ? axis + ndim() : axis) / Index(sizeof(T)); }
    const nb::object &object() const { return owner_; }

private:
    nb::object owner_;
};

// An array in C order, which is not copied: others are not taken, where results lie in memory as their operands do.
template <class T> struct Contiguous : Array<T> {
    using Array<T>::Array;
};

// The product of lengths.
inline Index count(std::span<const Index> lengths) {
    Index product = 1;
    for (Index length : lengths) product *= length;
    return product;
}

// Leaves the call to the next function of that name, the definition, unless this one takes the arguments.
inline void require(bool taken) {
    if (!taken) throw nb::next_overload();
}

template <class T, class U> bool same_shape(const Array<T> &a, const Array<U> &b) {
    return std::ranges::equal(a.shape(), b.shape());
}

}  // namespace rushlight

namespace nanobind::detail {

template <class T> struct type_caster<rushlight::Strided<T>> {
    NB_TYPE_CASTER(rushlight::Strided<T>, const_name("ndarray"))

    bool from_python(handle source, uint8_t, cleanup_list *) noexcept {
        if (!PyArray_CheckExact(source.ptr())) return false;
        auto *array = reinterpret_cast<PyArrayObject *>(source.ptr());
        if (PyArray_TYPE(array) != rushlight::type_number<T> || !PyArray_ISBEHAVED_RO(array)) return false;
        for (int axis = 0; axis < PyArray_NDIM(array); ++axis)
            if (PyArray_STRIDE(array, axis) % rushlight::Index(sizeof(T))) return false;
        value = rushlight::Strided<T>(borrow(source));
        return true;
    }

    static handle from_cpp(const rushlight::Strided<T> &array, rv_policy, cleanup_list *) noexcept {
        return array.object().inc_ref();
    }
};

template <class T> struct type_caster<rushlight::Array<T>> {
    NB_TYPE_CASTER(rushlight::Array<T>, const_name("ndarray"))

    bool from_python(handle source, uint8_t, cleanup_list *) noexcept {
        if (source.is_none()) return true;  // of an argument that may be None
        if (!PyArray_CheckExact(source.ptr())) return false;
        auto *array = reinterpret_cast<PyArrayObject *>(source.ptr());
        if (PyArray_TYPE(array) != rushlight::type_number<T>) return false;
        if (PyArray_ISCARRAY_RO(array)) {
            value = rushlight::Array<T>(borrow(source));
            return true;
        }
        PyObject *copy = PyArray_FROM_OTF(source.ptr(), rushlight::type_number<T>, NPY_ARRAY_IN_ARRAY | NPY_ARRAY_NOTSWAPPED);
        if (!copy) {
            PyErr_Clear();
            return false;
        }
        value = rushlight::Array<T>(steal(copy));
        return true;
    }

    static handle from_cpp(const rushlight::Array<T> &array, rv_policy, cleanup_list *) noexcept {
        return array ? array.object().inc_ref() : none().release();
    }
};

template <> struct type_caster<rushlight::Elements> {
    NB_TYPE_CASTER(rushlight::Elements, const_name("ndarray"))

    bool from_python(handle source, uint8_t, cleanup_list *) noexcept {
        if (!PyArray_CheckExact(source.ptr())) return false;
        auto *array = reinterpret_cast<PyArrayObject *>(source.ptr());
        if (PyDataType_REFCHK(PyArray_DESCR(array))) return false;
        const auto size = PyArray_ITEMSIZE(array);
        const bool apart = (size == 4 || size == 8) && reinterpret_cast<uintptr_t>(PyArray_DATA(array)) % size;
        PyObject *ordered = PyArray_FromArray(array, nullptr, NPY_ARRAY_C_CONTIGUOUS | (apart ? NPY_ARRAY_ENSURECOPY : 0));
        if (!ordered) {
            PyErr_Clear();
            return false;
        }
        value = rushlight::Elements(steal(ordered));
        return true;
    }

    static handle from_cpp(const rushlight::Elements &array, rv_policy, cleanup_list *) noexcept {
        return array.object().inc_ref();
    }
};

template <class T> struct type_caster<rushlight::Contiguous<T>> {
    NB_TYPE_CASTER(rushlight::Contiguous<T>, const_name("ndarray"))

    bool from_python(handle source, uint8_t, cleanup_list *) noexcept {
        if (!PyArray_CheckExact(source.ptr())) return false;
        auto *array = reinterpret_cast<PyArrayObject *>(source.ptr());
        if (PyArray_TYPE(array) != rushlight::type_number<T> || !PyArray_ISCARRAY_RO(array)) return false;
        value = rushlight::Contiguous<T>(borrow(source));
        return true;
    }
};

}  // namespace nanobind::detail
