// Axes of arrays that are reduced, and operands whose memory may be in any order of their axes.
#pragma once

#include <vector>

#include "lines.hpp"

namespace rushlight {

// Whole numbers that a tuple names, such as the lengths of axes.
struct Lengths {
    int count = 0;
    Index named[NPY_MAXDIMS];

    operator std::span<const Index>() const { return {named, static_cast<size_t>(count)}; }

    // Adds a number; false if it is none.
    bool add(PyObject *number) noexcept {
        if (!PyLong_CheckExact(number) || count == NPY_MAXDIMS) return false;
        const Py_ssize_t value = PyLong_AsSsize_t(number);
        if (value == -1 && PyErr_Occurred()) {
            PyErr_Clear();
            return false;
        }
        named[count++] = value;
        return true;
    }
    bool add_all(PyObject *numbers) noexcept {
        if (!PyTuple_CheckExact(numbers)) return false;
        for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(numbers); ++i)
            if (!add(PyTuple_GET_ITEM(numbers, i))) return false;
        return true;
    }
};

// The axes that an argument names: None for all, a number or a tuple.
struct Axes : Lengths {
    bool all = false;

    // Which of the axes of an array are named.
    uint64_t of(int ndim) const {
        if (all) return ~uint64_t(0);
        uint64_t set = 0;
        for (int i = 0; i < count; ++i) {
            require(-ndim <= named[i] && named[i] < ndim);
            const uint64_t bit = uint64_t(1) << (named[i] < 0 ? named[i] + ndim : named[i]);
            require(!(set & bit));
            set |= bit;
        }
        return set;
    }
};

// Adjacent axes in memory that are all reduced or all kept, as one.
struct Group {
    Index length;
    bool reduced;
};

// An operand's axes in groups, from the outermost in memory. Where two axes that stay lie in memory in another order than
// in the shape, and so the result would, the call is left to the definition.
template <class T> std::vector<Group> groups_of(const Dense<T> &x, uint64_t reduced) {
    int axes[NPY_MAXDIMS], last = -1;
    order_of(x.numpy(), axes);
    std::vector<Group> groups;
    for (int i = 0; i < x.ndim(); ++i) {
        const Index length = x.shape(axes[i]);
        const bool goes = reduced >> axes[i] & 1;
        if (length == 1) continue;
        if (!goes) {
            require(axes[i] > last);
            last = axes[i];
        }
        if (!groups.empty() && groups.back().reduced == goes) groups.back().length *= length;
        else groups.push_back({length, goes});
    }
    return groups;
}

// Those of an array of this shape in C order.
inline std::vector<Group> groups_of(std::span<const Index> shape, uint64_t reduced) {
    std::vector<Group> groups;
    for (size_t axis = 0; axis < shape.size(); ++axis) {
        const bool goes = reduced >> axis & 1;
        if (shape[axis] == 1) continue;
        if (!groups.empty() && groups.back().reduced == goes) groups.back().length *= shape[axis];
        else groups.push_back({shape[axis], goes});
    }
    return groups;
}

// The result of a reduction, yet to be filled.
template <class T> Array<T> reduced_like(const Dense<T> &x, uint64_t reduced, bool keepdims) {
    Index shape[NPY_MAXDIMS], *next = shape;
    for (int i = 0; i < x.ndim(); ++i) {
        if (!(reduced >> i & 1)) *next++ = x.shape(i);
        else if (keepdims) *next++ = 1;
    }
    return Array<T>::empty(std::span<const Index>(shape, next));
}

}  // namespace rushlight

namespace nanobind::detail {

template <> struct type_caster<rushlight::Lengths> {
    NB_TYPE_CASTER(rushlight::Lengths, const_name("tuple[int, ...]"))

    bool from_python(handle source, uint8_t, cleanup_list *) noexcept { return value.add_all(source.ptr()); }
};

template <> struct type_caster<rushlight::Axes> {
    NB_TYPE_CASTER(rushlight::Axes, const_name("int | tuple[int, ...] | None"))

    bool from_python(handle source, uint8_t, cleanup_list *) noexcept {
        if (source.is_none()) return value.all = true;
        return PyLong_CheckExact(source.ptr()) ? value.add(source.ptr()) : value.add_all(source.ptr());
    }
};

}  // namespace nanobind::detail
