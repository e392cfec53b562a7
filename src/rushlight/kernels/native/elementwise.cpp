#include "elementwise.hpp"

#include <cstring>
#include <new>

#include "threads.hpp"

namespace rushlight {
namespace {

constexpr int most_axes = NPY_MAXDIMS;
constexpr Index chunk = 512;  // elements that go through buffers at a time, which stay in the nearest cache

// One call: the arrays, and the axes of the result in the order of its memory, adjacent ones as one.
struct Call {
    const Elementwise &function;
    double numbers[most_numbers];
    PyArrayObject *operands[most_operands];
    const char *data[most_operands];
    Index sizes[most_operands];  // of an element, in bytes
    Loop loop;
    int result_type;
    Index result_size;

    int ndim = 0;
    Index shape[most_axes], strides[most_operands][most_axes];
    int order[most_axes];

    explicit Call(const Elementwise &function) : function(function) {}

    int operand_count() const { return function.operands; }
    bool prepare();
    bool broadcast();
    void sort_axes();
    void merge_axes();
    PyObject *make_result() const;
    void run(char *result, Index count);
    void run_blocks(char *result) const;
};

// ---- Arguments

bool usable(PyObject *object) {
    return PyArray_CheckExact(object) && PyArray_ISBEHAVED_RO(reinterpret_cast<PyArrayObject *>(object));
}

bool as_number(PyObject *object, double &number) {
    if (PyFloat_Check(object)) number = PyFloat_AS_DOUBLE(object);
    else if (PyLong_CheckExact(object)) number = PyLong_AsDouble(object);
    else return false;
    if (number == -1 && PyErr_Occurred()) {
        PyErr_Clear();
        return false;
    }
    return true;
}

// Looks at the types of the operands; false if they are not for the function.
bool Call::prepare() {
    const int type = PyArray_TYPE(operands[function.operands - 1]);
    if (type != NPY_FLOAT32 && type != NPY_FLOAT64) return false;
    for (int k = 0; k < operand_count(); ++k) {
        if (PyArray_TYPE(operands[k]) != (function.masked && k == 0 ? NPY_BOOL : type)) return false;
        data[k] = PyArray_BYTES(operands[k]);
        sizes[k] = PyArray_ITEMSIZE(operands[k]);
    }
    loop = type == NPY_FLOAT32 ? function.single : function.twice;
    result_type = function.compares ? NPY_BOOL : type;
    result_size = function.compares ? 1 : sizes[function.operands - 1];
    return true;
}

// ---- Layout

// The operand whose shape all others have, or none, if all lie in memory without gaps, in this order; else null.
PyArrayObject *dense(const Call &call, int flag) {
    PyArrayObject *first = call.operands[0];
    for (int k = 0; k < call.operand_count(); ++k) {
        PyArrayObject *operand = call.operands[k];
        if (!PyArray_NDIM(first)) first = operand;
        if (PyArray_NDIM(operand) && !(PyArray_CHKFLAGS(operand, flag) && PyArray_SAMESHAPE(operand, first))) return nullptr;
    }
    return first;
}

// Finds the common shape and the strides along it; false if there is none.
bool Call::broadcast() {
    for (int k = 0; k < operand_count(); ++k) ndim = std::max(ndim, PyArray_NDIM(operands[k]));
    std::fill_n(shape, ndim, 1);
    for (int k = 0; k < operand_count(); ++k) {
        const int lead = ndim - PyArray_NDIM(operands[k]);
        std::fill_n(strides[k], lead, 0);
        for (int axis = lead; axis < ndim; ++axis) {
            const Index length = PyArray_DIM(operands[k], axis - lead);
            strides[k][axis] = length == 1 ? 0 : PyArray_STRIDE(operands[k], axis - lead);
            if (length == 1 || length == shape[axis]) continue;
            if (shape[axis] != 1) return false;
            shape[axis] = length;
        }
    }
    for (int axis = 0; axis < ndim; ++axis) order[axis] = axis;
    return true;
}

// Puts axes with long steps before those with short ones, as NumPy does: in doubt and in dispute they stay as they are.
void Call::sort_axes() {
    const auto exchanged = [&](int outer, int inner) {  // -1 where no operand says
        int verdict = -1;
        for (int k = 0; k < operand_count(); ++k) {
            const Index a = std::abs(strides[k][outer]), b = std::abs(strides[k][inner]);
            if (a && b) verdict = a < b && verdict != 0;
        }
        return verdict;
    };
    for (int axis = ndim - 2; axis >= 0; --axis) {
        int to = axis;
        for (int next = axis + 1; next < ndim; ++next) {
            const int verdict = exchanged(axis, order[next]);
            if (verdict == 0) break;
            if (verdict == 1) to = next;
        }
        std::rotate(order + axis, order + axis + 1, order + to + 1);
    }
}

// A new array for the result, its axes in the order of `order`.
PyObject *Call::make_result() const {
    PyArray_Descr *type = PyArray_DescrFromType(result_type);
    Index steps[most_axes], step = result_size;
    for (int place = ndim - 1; place >= 0; --place) {
        steps[order[place]] = step;
        step *= std::max<Index>(shape[order[place]], 1);
    }
    return PyArray_NewFromDescr(&PyArray_Type, type, ndim, const_cast<Index *>(shape), steps, nullptr, 0, nullptr);
}

// Reorders the axes as they lie in the result, leaves out those of length 1 and merges what one stride passes.
void Call::merge_axes() {
    Index lengths[most_axes], steps[most_operands][most_axes];
    int merged = 0;
    for (int place = 0; place < ndim; ++place) {
        const int axis = order[place];
        if (shape[axis] == 1) continue;
        bool joins = merged > 0;
        for (int k = 0; joins && k < operand_count(); ++k)
            joins = steps[k][merged - 1] == strides[k][axis] * shape[axis];
        if (!joins) lengths[merged++] = 1;
        lengths[merged - 1] *= shape[axis];
        for (int k = 0; k < operand_count(); ++k) steps[k][merged - 1] = strides[k][axis];
    }
    ndim = merged;
    std::copy_n(lengths, ndim, shape);
    for (int k = 0; k < operand_count(); ++k) std::copy_n(steps[k], ndim, strides[k]);
}

// ---- Computation

// All operands lie as the result does, or are single numbers.
void Call::run(char *result, Index count) {
    bool single = false;
    for (int k = 0; k < operand_count(); ++k) {
        strides[k][0] = PyArray_NDIM(operands[k]) || count == 1 ? sizes[k] : 0;
        single |= !strides[k][0];
    }
    if (single && count) {
        ndim = 1;
        shape[0] = count;
        return run_blocks(result);
    }
    parallel(count, function.work, [&](Index begin, Index end) {
        const void *from[most_operands];
        for (int k = 0; k < operand_count(); ++k) from[k] = data[k] + begin * sizes[k];
        loop(from, result + begin * result_size, end - begin, numbers);
    });
}

template <class Unit>
void copy_block(char *target, const char *from, Index rows, Index columns, Index row_step, Index step) {
    auto *to = reinterpret_cast<Unit *>(target);
    for (Index row = 0; row < rows; ++row, from += row_step, to += columns) {
        if (step == 0) std::fill_n(to, columns, *reinterpret_cast<const Unit *>(from));
        else if (step == sizeof(Unit)) std::memcpy(to, from, columns * sizeof(Unit));
        else
            for (Index i = 0; i < columns; ++i) to[i] = *reinterpret_cast<const Unit *>(from + i * step);
    }
}

// A block of an operand as adjacent elements: where it is, or copied into a buffer that may still hold it.
struct Buffer {
    alignas(64) char bytes[chunk * sizeof(double)];
    const char *held = nullptr;
    Index held_rows = 0, held_columns = 0;

    const char *fill(const char *from, Index rows, Index columns, Index row_step, Index step, Index size) {
        if (step == size && (rows == 1 || row_step == columns * size)) return from;
        if (held != from || held_rows != rows || held_columns != columns) {
            const auto copy = size == 8 ? copy_block<int64_t> : size == 4 ? copy_block<int32_t> : copy_block<char>;
            copy(bytes, from, rows, columns, row_step, step);
            held = from, held_rows = rows, held_columns = columns;
        }
        return bytes;
    }
};

// The last two axes in blocks of whole rows, or of parts of one, of at most `chunk` elements.
void Call::run_blocks(char *result) const {
    const Index columns = ndim > 0 ? shape[ndim - 1] : 1, rows = ndim > 1 ? shape[ndim - 2] : 1;
    const Index width = std::min(columns, chunk), height = std::max<Index>(1, chunk / columns);
    const Index across = (columns + width - 1) / width, down = (rows + height - 1) / height;
    const int outer = std::max(ndim - 2, 0);
    parallel(count(std::span(shape, outer)) * down * across, function.work * width * std::min(rows, height),
             [&](Index begin, Index end) {
        Buffer buffers[most_operands];
        for (Index block = begin; block < end; ++block) {
            const Index column = block % across * width, row = block / across % down * height;
            const Index n_columns = std::min(width, columns - column), n_rows = std::min(height, rows - row);
            Index rest = block / across / down;
            Index offsets[most_operands];
            for (int k = 0; k < operand_count(); ++k)
                offsets[k] = (ndim > 0 ? column * strides[k][ndim - 1] : 0) + (ndim > 1 ? row * strides[k][ndim - 2] : 0);
            const Index place = (rest * rows + row) * columns + column;
            for (int axis = outer - 1; axis >= 0; --axis) {
                for (int k = 0; k < operand_count(); ++k) offsets[k] += rest % shape[axis] * strides[k][axis];
                rest /= shape[axis];
            }
            const void *from[most_operands];
            for (int k = 0; k < operand_count(); ++k)
                from[k] = buffers[k].fill(data[k] + offsets[k], n_rows, n_columns, ndim > 1 ? strides[k][ndim - 2] : 0,
                                          ndim > 0 ? strides[k][ndim - 1] : 0, sizes[k]);
            loop(from, result + place * result_size, n_rows * n_columns, numbers);
        }
    });
}

// The memory of an array, from its first to behind its last byte.
std::pair<const char *, const char *> extent(PyArrayObject *array) {
    const char *first = PyArray_BYTES(array), *last = first + PyArray_ITEMSIZE(array);
    for (int axis = 0; axis < PyArray_NDIM(array); ++axis) {
        const Index reach = (PyArray_DIM(array, axis) - 1) * PyArray_STRIDE(array, axis);
        (reach < 0 ? first : last) += reach;
    }
    return {first, last};
}

// Whether the result can be written into an array while the operands are read: what is read there must be what is
// written next.
bool can_write(const Call &call, PyArrayObject *out) {
    if (PyArray_TYPE(out) != call.result_type || !PyArray_ISWRITEABLE(out)) return false;
    const auto [first, last] = extent(out);
    for (int k = 0; k < call.operand_count(); ++k) {
        PyArrayObject *operand = call.operands[k];
        const auto [begin, end] = extent(operand);
        const bool same = begin == first && PyArray_SAMESHAPE(operand, out) && call.sizes[k] == call.result_size &&
                          PyArray_CompareLists(PyArray_STRIDES(operand), PyArray_STRIDES(out), PyArray_NDIM(out));
        if (!same && begin < last && first < end) return false;
    }
    return true;
}

// The array to write into: the given one, or a new one.
template <class Make> nb::object result_array(PyArrayObject *out, Make &&make) {
    if (out) return nb::borrow(reinterpret_cast<PyObject *>(out));
    nb::object made = nb::steal(make());
    if (!made) throw nb::python_error();
    return made;
}

// The result, or null without an error where the definition has to serve.
PyObject *compute(Call &call, PyArrayObject *out) {
    if (out && !can_write(call, out)) return nullptr;
    for (const int flag : {NPY_ARRAY_C_CONTIGUOUS, NPY_ARRAY_F_CONTIGUOUS}) {
        PyArrayObject *like = dense(call, flag);
        if (!like || (out && !(PyArray_CHKFLAGS(out, flag) && PyArray_SAMESHAPE(out, like)))) continue;
        nb::object owner = result_array(out, [&] {
            return PyArray_EMPTY(PyArray_NDIM(like), PyArray_DIMS(like), call.result_type, flag == NPY_ARRAY_F_CONTIGUOUS);
        });
        call.run(PyArray_BYTES(reinterpret_cast<PyArrayObject *>(owner.ptr())), PyArray_SIZE(like));
        return owner.release().ptr();
    }
    if (!call.broadcast()) return nullptr;
    if (!out) call.sort_axes();
    else if (!PyArray_IS_C_CONTIGUOUS(out) || PyArray_NDIM(out) != call.ndim ||
             !PyArray_CompareLists(PyArray_DIMS(out), call.shape, call.ndim))
        return nullptr;
    nb::object owner = result_array(out, [&] { return call.make_result(); });
    auto *result = reinterpret_cast<PyArrayObject *>(owner.ptr());
    if (PyArray_SIZE(result)) {
        call.merge_axes();
        call.run_blocks(PyArray_BYTES(result));
    }
    return owner.release().ptr();
}

// ---- Functions in Python

struct Entry {
    Elementwise function;
    PyMethodDef method;
    nb::object definition;
    Entry *next;
};

Entry *entries = nullptr;

// The value of the keyword `out`, where it is the only one; null if there are others.
PyObject *given_out(PyObject *const *args, Py_ssize_t count, PyObject *names) {
    if (!names) return Py_None;
    if (PyTuple_GET_SIZE(names) != 1 || PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(names, 0), "out")) return nullptr;
    return args[count];
}

// The result of a call, or null without an error where the definition has to serve.
PyObject *attempt(const Elementwise &function, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    PyObject *out = given_out(args, count, names);
    const int wanted = function.operands + function.numbers;
    if (!names && count == wanted + 1) out = args[--count];
    if (count != wanted || !out) return nullptr;
    if (out == Py_None || out == Py_Ellipsis) out = nullptr;
    else if (!usable(out)) return nullptr;
    Call call(function);
    for (int k = 0; k < function.operands; ++k) {
        if (!usable(args[k])) return nullptr;
        call.operands[k] = reinterpret_cast<PyArrayObject *>(args[k]);
    }
    for (int k = 0; k < function.numbers; ++k)
        if (!as_number(args[function.operands + k], call.numbers[k])) return nullptr;
    return call.prepare() ? compute(call, reinterpret_cast<PyArrayObject *>(out)) : nullptr;
}

PyObject *call(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    const auto *entry = static_cast<Entry *>(PyCapsule_GetPointer(self, nullptr));
    try {
        if (PyObject *result = attempt(entry->function, args, count, names)) return result;
    } catch (nb::python_error &error) {
        error.restore();
        return nullptr;
    } catch (const std::bad_alloc &) {
        return PyErr_NoMemory();
    }
    if (entry->definition) return PyObject_Vectorcall(entry->definition.ptr(), args, count, names);
    return PyErr_Format(PyExc_TypeError, "%s() does not take these arguments", entry->function.name);
}

}  // namespace

void add_elementwise(nb::module_ &module, const Elementwise &function) {
    // Lives as long as the process, as the module does.
    auto *entry = new Entry{function, {function.name, nullptr, METH_FASTCALL | METH_KEYWORDS, nullptr}, {}, entries};
    entry->method.ml_meth = reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(call));
    entries = entry;
    const auto self = nb::steal(PyCapsule_New(entry, nullptr, nullptr));
    module.attr(function.name) = nb::steal(PyCFunction_NewEx(&entry->method, self.ptr(), nullptr));
}

bool define_otherwise(const char *name, nb::object definition) {
    for (Entry *entry = entries; entry; entry = entry->next)
        if (!std::strcmp(entry->function.name, name)) return entry->definition = std::move(definition), true;
    return false;
}

}  // namespace rushlight
