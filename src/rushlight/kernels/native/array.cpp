// Arrays as arguments and results of kernels.
#include "array.hpp"

#include "memory.hpp"

namespace rushlight {
namespace {

nb::object made(PyObject *array) {
    if (!array) throw nb::python_error();
    return nb::steal(array);
}

// What an argument takes of a conversion, which fails without an error.
bool taken_from(PyObject *converted, nb::object &taken) {
    if (!converted) PyErr_Clear();
    taken = nb::steal(converted);
    return converted;
}

// An array of that type.
PyArrayObject *array_of(nb::handle source, int type) {
    if (!PyArray_CheckExact(source.ptr())) return nullptr;
    auto *array = reinterpret_cast<PyArrayObject *>(source.ptr());
    return PyArray_TYPE(array) == type ? array : nullptr;
}

}  // namespace

nb::object new_array(std::span<const Index> shape, PyArray_Descr *type) {
    double bytes = PyDataType_ELSIZE(type);  // which may be absurdly many
    for (Index length : shape) bytes *= static_cast<double>(length);
    if (bytes >= large) use_pool();
    Py_INCREF(type);
    return made(PyArray_Empty(static_cast<int>(shape.size()), const_cast<Index *>(shape.data()), type, 0));
}

nb::object new_array(std::span<const Index> shape, int type, bool zeros) {
    PyArray_Descr *const described = PyArray_DescrFromType(type);
    if (!zeros) {
        const nb::object owner = nb::steal(reinterpret_cast<PyObject *>(described));
        return new_array(shape, described);
    }
    return made(PyArray_Zeros(static_cast<int>(shape.size()), const_cast<Index *>(shape.data()), described, 0));
}

bool take_in_order(nb::handle source, int type, nb::object &taken) noexcept {
    if (source.is_none()) return true;
    PyArrayObject *const array = array_of(source, type);
    if (!array) return false;
    if (!PyArray_ISCARRAY_RO(array))
        return taken_from(PyArray_FROM_OTF(source.ptr(), type, NPY_ARRAY_IN_ARRAY | NPY_ARRAY_NOTSWAPPED), taken);
    taken = nb::borrow(source);
    return true;
}

bool take_if_in_order(nb::handle source, int type, nb::object &taken) noexcept {
    PyArrayObject *const array = array_of(source, type);
    if (!array || !PyArray_ISCARRAY_RO(array)) return false;
    taken = nb::borrow(source);
    return true;
}

bool take_dense(nb::handle source, int type, nb::object &taken) noexcept {
    PyArrayObject *const array = array_of(source, type);
    if (!array) return false;
    if (!PyArray_ISBEHAVED_RO(array) || !is_dense(array)) return take_in_order(source, type, taken);
    taken = nb::borrow(source);
    return true;
}

bool take_as_it_lies(nb::handle source, int type, nb::object &taken) noexcept {
    PyArrayObject *const array = array_of(source, type);
    if (!array || !PyArray_ISBEHAVED_RO(array)) return false;
    for (int axis = 0; axis < PyArray_NDIM(array); ++axis)
        if (PyArray_STRIDE(array, axis) % PyArray_ITEMSIZE(array)) return false;
    taken = nb::borrow(source);
    return true;
}

bool take_elements(nb::handle source, int, nb::object &taken) noexcept {
    if (!PyArray_CheckExact(source.ptr())) return false;
    auto *const array = reinterpret_cast<PyArrayObject *>(source.ptr());
    if (PyDataType_REFCHK(PyArray_DESCR(array))) return false;
    const auto size = PyArray_ITEMSIZE(array);
    const bool apart = (size == 4 || size == 8) && reinterpret_cast<uintptr_t>(PyArray_DATA(array)) % size;
    return taken_from(PyArray_FromArray(array, nullptr, NPY_ARRAY_C_CONTIGUOUS | (apart ? NPY_ARRAY_ENSURECOPY : 0)), taken);
}

void order_of(PyArrayObject *x, int *axes) {
    const Index *const strides = PyArray_STRIDES(x);
    for (int i = 0; i < PyArray_NDIM(x); ++i) {
        int at = i;
        for (; at > 0 && strides[axes[at - 1]] < strides[i]; --at) axes[at] = axes[at - 1];
        axes[at] = i;
    }
}

bool is_dense(PyArrayObject *x) {
    if (PyArray_IS_C_CONTIGUOUS(x)) return true;
    int axes[NPY_MAXDIMS];
    order_of(x, axes);
    Index step = PyArray_ITEMSIZE(x);
    for (int i = PyArray_NDIM(x); i--;) {
        const Index length = PyArray_DIM(x, axes[i]);
        if (length != 1 && PyArray_STRIDE(x, axes[i]) != step) return false;
        step *= length;
    }
    return true;
}

}  // namespace rushlight
