// Products of matrices inside kernels: on the calling thread alone, without the interpreter.
//
// A product is computed in tiles of C whose sums stay in registers: a few rows by two vectors of columns. For them A is
// packed into panels of a few rows and B into panels of two vectors, so that a tile reads both from adjacent places;
// blocks of panels fit the caches, as in Goto and van de Geijn, "Anatomy of high-performance matrix multiplication", 2008.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

#include "array.hpp"

namespace rushlight {

// What fits the registers: the most rows of a tile leave room for two vectors of B and one of A.
#if defined(__AVX512F__)
constexpr int vector_bytes = 64, tile_rows = 14;
#elif defined(__AVX__)
constexpr int vector_bytes = 32, tile_rows = 6;
#elif defined(__aarch64__) || defined(_M_ARM64)
constexpr int vector_bytes = 16, tile_rows = 14;
#else
constexpr int vector_bytes = 16, tile_rows = 6;
#endif
template <class T> constexpr int lanes = vector_bytes / sizeof(T);
template <class T> constexpr int tile_columns = 2 * lanes<T>;

#ifdef __GNUC__
template <class T> struct VectorOf {
    typedef T type __attribute__((vector_size(vector_bytes)));
};
template <class T> using Vector = typename VectorOf<T>::type;
#else
template <class T> struct Vector {
    T at[lanes<T>];
    T &operator[](int i) { return at[i]; }
    Vector &operator+=(const Vector &x) {
        for (int i = 0; i < lanes<T>; ++i) at[i] += x.at[i];
        return *this;
    }
    friend Vector operator*(T factor, Vector x) {
        for (int i = 0; i < lanes<T>; ++i) x.at[i] *= factor;
        return x;
    }
};
#endif

template <class T> inline Vector<T> load(const T *from) {
    Vector<T> x;
    std::memcpy(&x, from, sizeof x);
    return x;
}

template <class T> inline void store(T *to, const Vector<T> &x) { std::memcpy(to, &x, sizeof x); }

// Transposes a square of vectors.
template <class T> inline void transpose(Vector<T> (&x)[lanes<T>]) {
#ifdef __GNUC__
    // Squares within it of half the size swap places, then those within them.
    const auto exchange = [&]<int size, int... j>(std::integer_sequence<int, j...>, std::integral_constant<int, size>) {
        for (int i = 0; i < lanes<T>; ++i)
            if (!(i & size)) {
                const Vector<T> upper = x[i], lower = x[i + size];
                x[i] = __builtin_shufflevector(upper, lower, ((j & size) ? lanes<T> + j - size : j)...);
                x[i + size] = __builtin_shufflevector(upper, lower, ((j & size) ? lanes<T> + j : j + size)...);
            }
    };
    constexpr auto places = std::make_integer_sequence<int, lanes<T>>();
    if constexpr (lanes<T> > 8) exchange(places, std::integral_constant<int, 8>());
    if constexpr (lanes<T> > 4) exchange(places, std::integral_constant<int, 4>());
    if constexpr (lanes<T> > 2) exchange(places, std::integral_constant<int, 2>());
    exchange(places, std::integral_constant<int, 1>());
#else
    for (int i = 0; i < lanes<T>; ++i)
        for (int j = 0; j < i; ++j) std::swap(x[i].at[j], x[j].at[i]);
#endif
}

// Calls body with n, one of 1 to `most`, as a constant.
template <int most, class Body> inline void with_constant(Index n, Body &&body) {
    if constexpr (most > 1)
        if (n < most) return with_constant<most - 1>(n, body);
    body(std::integral_constant<int, most>());
}

// A tile: the products of `depth` columns of a panel of A with rows of B, where row k is at b[vector] + place(k).
// Calls finish(sums) with sums[row][vector].
template <int rows, int vectors, class T, class Place, class Finish>
inline void tile(Index depth, const T *a, const T *const (&b)[vectors], Place place, Finish finish) {
    Vector<T> sums[rows][vectors] = {};
    for (Index k = 0; k < depth; ++k, a += rows) {
        Vector<T> row[vectors];
        for (int v = 0; v < vectors; ++v) row[v] = load(b[v] + place(k));
#pragma GCC unroll 16
        for (int r = 0; r < rows; ++r)
            for (int v = 0; v < vectors; ++v) sums[r][v] += a[r] * row[v];
    }
    finish(sums);
}

// Rows shared evenly among panels of at most tile_rows.
struct Panels {
    Index rows, count;

    explicit Panels(Index rows) : rows(rows), count((rows + tile_rows - 1) / tile_rows) {}
    Index begin(Index panel) const { return rows * panel / count; }
    Index height(Index panel) const { return begin(panel + 1) - begin(panel); }
};

// How many elements so many columns have when packed.
template <class T> constexpr Index padded(Index columns) {
    return (columns + tile_columns<T> - 1) / tile_columns<T> * tile_columns<T>;
}

// A matrix anywhere in memory: element (i, j) is data[i * row + j * column].
template <class T> struct Matrix {
    const T *data;
    Index row, column;

    Matrix from(Index i, Index j) const { return {data + i * row + j * column, row, column}; }
};

// Packs `rows` rows of a, `depth` long, into panels: the columns of each panel one after the other.
template <class T> void pack_rows(Matrix<T> a, Index rows, Index depth, T *to);

// Packs `columns` columns of b, `depth` long, into panels: the rows of each panel, filled up with zeros, one after the
// other. That is padded(columns) * depth elements.
template <class T> void pack_columns(Matrix<T> b, Index columns, Index depth, T *to);

// C, whose rows are `pitch` apart, becomes the product of packed rows and packed columns, or grows by it.
template <class T>
void multiply_packed(Index rows, Index columns, Index depth, const T *a, const T *b, T *c, Index pitch, bool accumulate);

// How much of A, B and their common axis is packed at a time.
template <class T> struct Block {
    static constexpr Index rows = 10 * tile_rows, columns = 4096 / sizeof(T), depth = 4096 / sizeof(T);
};

// Memory of this thread that stays for its next product.
template <class T> T *panels_of_thread(int which, Index size);

// C (m, n), whose rows are `pitch` apart, becomes A (m, k) times B (k, n), or grows by it, where the caller packs:
// pack_a(row, rows, first, depth, to) what pack_rows makes of those rows and columns first.. of A, and
// pack_b(column, columns, first, depth, to) what pack_columns makes of those columns and rows first.. of B.
template <class T, class PackA, class PackB>
void gemm(Index m, Index n, Index k, PackA pack_a, PackB pack_b, T *c, Index pitch, bool accumulate = false) {
    using B = Block<T>;
    const Index most = std::min(k, B::depth);
    T *const a = panels_of_thread<T>(0, std::min(m, B::rows) * most);
    T *const b = panels_of_thread<T>(1, padded<T>(std::min(n, B::columns)) * most);
    for (Index column = 0; column < n; column += B::columns)
        for (Index first = 0; first < std::max<Index>(k, 1); first += B::depth) {
            const Index columns = std::min(B::columns, n - column), depth = std::min(B::depth, k - first);
            pack_b(column, columns, first, depth, b);
            for (Index row = 0; row < m; row += B::rows) {
                const Index rows = std::min(B::rows, m - row);
                pack_a(row, rows, first, depth, a);
                multiply_packed(rows, columns, depth, a, b, c + row * pitch + column, pitch, accumulate || first);
            }
        }
}

// The same for matrices in memory.
template <class T>
void gemm(Index m, Index n, Index k, Matrix<T> a, Matrix<T> b, T *c, Index pitch, bool accumulate = false);

}  // namespace rushlight
