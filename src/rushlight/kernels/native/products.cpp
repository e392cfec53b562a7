// Products of matrices and stacks of matrices, wherever their elements lie.
#include <nanobind/stl/optional.h>

#include <vector>

#include "gemm.hpp"
#include "module.hpp"
#include "threads.hpp"

namespace rushlight {
namespace {

// The stack of matrices in the last two axes of an array.
template <class T> struct Stack {
    const Strided<T> &array;
    std::span<const Index> shape = array.shape().first(array.ndim() - 2);

    // Of an axis, where stacks are broadcast to `ndim` axes.
    Index length(size_t axis, size_t ndim) const {
        const size_t missing = ndim - shape.size();
        return axis < missing ? 1 : shape[axis - missing];
    }

    // The matrix at a place of the broadcast stack.
    Matrix<T> at(Index place, std::span<const Index> broadcast) const {
        const T *data = array.data();
        for (size_t axis = broadcast.size(); axis-- > 0; place /= broadcast[axis])
            if (length(axis, broadcast.size()) != 1)
                data += place % broadcast[axis] * array.stride(static_cast<int>(axis + shape.size() - broadcast.size()));
        return {data, array.stride(-2), array.stride(-1)};
    }
};

// How many pieces a product is cut into, for all threads to have some. However many there are along its rows and columns,
// elements are summed in the same order. Where both are few it is cut along the axis that is summed over, and that for any
// number of threads.
struct Cut {
    Index rows = 1, columns = 1, depth = 1;

    Cut(Index stack, Index m, Index n, Index k) {
        constexpr Index least = 48, enough = 1 << 20, most = Index(1) << 32;  // multiplications: of a piece some 0.1 s
        const Index work = m * n * k, threads = get_threads();
        if (stack == 1 && std::max(m, n) < 2 * least) {
            depth = std::clamp<Index>(std::min(work / enough, k / 256), 1, 16);
            if (depth > 1) return;
        }
        const Index wanted = std::max(threads == 1 ? 1 : std::min(2 * threads / stack, work / enough), work / most);
        while (rows * columns < wanted) {
            const bool taller = m / rows >= n / columns;
            if ((taller ? m / rows : n / columns) < 2 * least) break;
            (taller ? rows : columns) *= 2;
        }
    }
};

// The same product for a vector: y becomes x times b, or grows by it.
template <class T> void times_vector(Index n, Index k, const T *x, Index spacing, Matrix<T> b, T *y, bool accumulate) {
    if (!accumulate) std::fill_n(y, n, T(0));
    if (b.row != 1) {
        const auto add = [&]<int rows>(std::integral_constant<int, rows>, const T *factors, const T *from) {
            const auto column = [&](Index j, Index place) {
                T sum = 0;
                for (int r = 0; r < rows; ++r) sum += factors[r * spacing] * from[r * b.row + place];
                y[j] += sum;
            };
            if (b.column == 1)
                for (Index j = 0; j < n; ++j) column(j, j);
            else
                for (Index j = 0; j < n; ++j) column(j, j * b.column);
        };
        Index i = 0;
        for (; i + 4 <= k; i += 4) add(std::integral_constant<int, 4>(), x + i * spacing, b.data + i * b.row);
        for (; i < k; ++i) add(std::integral_constant<int, 1>(), x + i * spacing, b.data + i * b.row);
    } else
        for (Index j = 0; j < n; ++j) {
            const T *const from = b.data + j * b.column;
            T sum = 0;
            if (spacing == 1) {
#pragma omp simd reduction(+ : sum)
                for (Index i = 0; i < k; ++i) sum += x[i] * from[i];
            } else {
                for (Index i = 0; i < k; ++i) sum += x[i * spacing] * from[i];
            }
            y[j] += sum;
        }
}

// The same where c has few columns, as the product of the transposed matrices: tiles have many columns and any number of rows.
template <class T>
void multiply_narrow(Index m, Index n, Index k, Matrix<T> a, Matrix<T> b, T *c, Index pitch, bool accumulate) {
    constexpr Index most = 1024;
    std::vector<T> turned(n * std::min(m, most));
    const Matrix<T> left{b.data, b.column, b.row};
    for (Index first = 0; first < m; first += most) {
        const Index rows = std::min(most, m - first);
        gemm(n, rows, k, left, Matrix<T>{a.from(first, 0).data, a.column, a.row}, turned.data(), rows);
        for (Index i = 0; i < rows; ++i)
            for (Index j = 0; j < n; ++j) {
                T &to = c[(first + i) * pitch + j];
                to = accumulate ? to + turned[j * rows + i] : turned[j * rows + i];
            }
    }
}

template <class T>
void multiply(Index m, Index n, Index k, Matrix<T> a, Matrix<T> b, T *c, Index pitch, bool accumulate) {
    constexpr Index tiny = 100;
    if (m == 1) times_vector(n, k, a.data, a.column, b, c, accumulate);
    else if (n == 1 && pitch == 1) times_vector(m, k, b.data, b.row, {a.data, a.column, a.row}, c, accumulate);
    else if (m * n * k <= tiny)
        for (Index i = 0; i < m; ++i)
            times_vector(n, k, a.data + i * a.row, a.column, b, c + i * pitch, accumulate);
    else if (n <= lanes<T> * 3 / 4 && m >= lanes<T>) multiply_narrow(m, n, k, a, b, c, pitch, accumulate);
    else gemm(m, n, k, a, b, c, pitch, accumulate);
}

// c becomes a times b, plus a bias in each row if there is one.
template <class T>
void multiply(Index m, Index n, Index k, Matrix<T> a, Matrix<T> b, T *c, Index pitch, const T *bias) {
    if (bias)
        for (Index i = 0; i < m; ++i) std::copy_n(bias, n, c + i * pitch);
    multiply(m, n, k, a, b, c, pitch, bias != nullptr);
}

// The same in pieces of k, whose products are added in their order.
template <class T>
void multiply_deep(Index pieces, Index m, Index n, Index k, Matrix<T> a, Matrix<T> b, T *c, const T *bias) {
    const auto others = Array<T>::empty({pieces - 1, m, n});
    parallel(pieces, m * n * k / pieces / 16, [&, rest = others.data()](Index begin, Index end) {
        for (Index i = begin; i < end; ++i) {
            const Index first = k * i / pieces, some = k * (i + 1) / pieces - first;
            T *const to = i ? rest + (i - 1) * m * n : c;
            multiply(m, n, some, a.from(0, first), b.from(first, 0), to, n, i ? nullptr : bias);
        }
    });
    const T *from = others.data();
    for (Index i = 1; i < pieces; ++i, from += m * n)
        for (Index j = 0; j < m * n; ++j) c[j] += from[j];
}

// c[place] becomes a(place) times b(place), plus a bias in each row if there is one, for all places of a stack.
template <class T, class A, class B>
void multiply_all(Index stack, Index m, Index n, Index k, A a, B b, T *c, const T *bias = nullptr) {
    if (!stack || !m || !n) return;
    const Cut cut(stack, m, n, k);
    if (cut.depth > 1) return multiply_deep(cut.depth, m, n, k, a(0), b(0), c, bias);
    const Index pieces = cut.rows * cut.columns;
    parallel(stack * pieces, m * n * k / pieces / 16, [&](Index begin, Index end) {
        for (Index i = begin; i < end; ++i) {
            const Index place = i / pieces, row = i % pieces / cut.columns, column = i % cut.columns;
            const Index top = m * row / cut.rows, left = n * column / cut.columns;
            const Index rows = m * (row + 1) / cut.rows - top, columns = n * (column + 1) / cut.columns - left;
            T *const to = c + (place * m + top) * n + left;
            multiply(rows, columns, k, a(place).from(top, 0), b(place).from(0, left), to, n, bias ? bias + left : nullptr);
        }
    });
}

// The rows of an array as one matrix. An array whose rows are not evenly spaced is for the definition to copy.
template <class T> Matrix<T> all_rows(const Strided<T> &x) {
    Index stride = 0, length = 1;
    for (int axis = x.ndim() - 2; axis >= 0; --axis) {
        if (x.shape(axis) == 1) continue;
        if (length == 1) stride = x.stride(axis);
        else require(x.stride(axis) == stride * length);
        length *= x.shape(axis);
    }
    return {x.data(), stride, x.stride(-1)};
}

// The shape of a stack of rows or matrices, with other last axes.
struct Shape {
    Index lengths[NPY_MAXDIMS];
    size_t ndim = 0;

    Shape() = default;
    explicit Shape(std::span<const Index> stack) : ndim(stack.size()) { std::ranges::copy(stack, lengths); }
    void add(Index length) { lengths[ndim++] = length; }
    operator std::span<const Index>() const { return {lengths, ndim}; }
};

template <class T> Array<T> rows_times(const Strided<T> &x, Matrix<T> matrix, Index n, const T *bias, bool is_vector) {
    const auto stack = x.shape().first(x.ndim() - 1);
    const Matrix<T> rows = all_rows(x);
    Shape shape(stack);
    if (!is_vector) shape.add(n);
    const auto y = Array<T>::empty(shape);
    multiply_all<T>(1, count(stack), n, x.shape(-1), [&](Index) { return rows; }, [&](Index) { return matrix; }, y.data(), bias);
    return y;
}

template <class T> Array<T> product(Strided<T> a, Strided<T> b) {
    require(a.ndim() && b.ndim() && a.shape(-1) == b.shape(b.ndim() == 1 ? 0 : -2));
    if (b.ndim() == 1) return rows_times<T>(a, {b.data(), b.stride(0), 1}, 1, nullptr, true);
    if (b.ndim() == 2) return rows_times<T>(a, {b.data(), b.stride(0), b.stride(1)}, b.shape(1), nullptr, false);
    require(a.ndim() > 1);
    const Index m = a.shape(-2), k = a.shape(-1), n = b.shape(-1);
    const Stack<T> left{a}, right{b};
    Shape shape;
    const size_t ndim = std::max(left.shape.size(), right.shape.size());
    for (size_t axis = 0; axis < ndim; ++axis) {
        const Index x = left.length(axis, ndim), y = right.length(axis, ndim);
        require(x == y || x == 1 || y == 1);
        shape.add(x == 1 ? y : x);
    }
    const std::span<const Index> stack(shape);
    shape.add(m);
    shape.add(n);
    const auto c = Array<T>::empty(shape);
    multiply_all<T>(
        count(stack), m, n, k, [&](Index place) { return left.at(place, stack); },
        [&](Index place) { return right.at(place, stack); }, c.data());
    return c;
}

template <class T> Array<T> linear(Strided<T> x, Strided<T> weight, std::optional<Array<T>> bias) {
    require(x.ndim() && weight.ndim() == 2 && x.shape(-1) == weight.shape(1));
    const Index n = weight.shape(0);
    require(!bias || (bias->ndim() == 1 && bias->size() == n));
    return rows_times<T>(x, {weight.data(), weight.stride(1), weight.stride(0)}, n, bias ? bias->data() : nullptr, false);
}

}  // namespace

void add_products([[maybe_unused]] nb::module_ &module) {
#if defined(__AVX2__)  // elsewhere NumPy's BLAS, which knows those processors better
    RUSHLIGHT_FLOATING(module, product);
    module.def("linear", &linear<float>, nb::arg(), nb::arg(), nb::arg().none());
    module.def("linear", &linear<double>, nb::arg(), nb::arg(), nb::arg().none());
#endif
}

}  // namespace rushlight
