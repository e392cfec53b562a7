// Lines of numbers: what is done along one axis of an array, and the reduction of each to one number.
#pragma once

#include <algorithm>
#include <limits>
#include <span>
#include <vector>

#include "threads.hpp"

namespace rushlight {

// Ways to join two numbers to one. NaN is larger than all numbers, and smaller too, as in NumPy and PyTorch.
template <class T> struct Sum {
    static constexpr T start = 0;
    static T join(T a, T b) { return a + b; }
};
template <class T> struct Product {
    static constexpr T start = 1;
    static T join(T a, T b) { return a * b; }
};
template <class T> struct Largest {
    static constexpr T start = -std::numeric_limits<T>::infinity();
    static T join(T a, T b) { return b > a || b != b ? b : a; }
};
// NaN aside: of no more than NaN it is -inf.
template <class T> struct LargestNumber {
    static constexpr T start = -std::numeric_limits<T>::infinity();
    static T join(T a, T b) { return b > a ? b : a; }
};
template <class T> struct Smallest {
    static constexpr T start = std::numeric_limits<T>::infinity();
    static T join(T a, T b) { return b < a || b != b ? b : a; }
};

// Numbers that are joined side by side: enough for the processor not to wait for one before the next. It is the same
// number for all instruction sets, and so is the order of joining.
constexpr Index lanes = 32, few = 8;
// The longest line that is joined in one go; longer ones are halved, since rounding errors grow with the length.
constexpr Index run = 1024;

// Joins terms to as many numbers side by side as long as there are enough.
template <class Way, Index count, class T, class Term> void join_terms(T *lane, Index &begin, Index end, Term &term) {
    for (; end - begin >= count; begin += count) {
#pragma omp simd
        for (Index j = 0; j < count; ++j) lane[j] = Way::join(lane[j], term(begin + j));
    }
}

// Joins the upper half of some numbers to the lower one until so few are left; unrolled, so that they stay in registers.
template <class Way, Index count, Index left, class T> void halve(T *lane) {
    if constexpr (count > left) {
#pragma omp simd
        for (Index j = 0; j < count / 2; ++j) lane[j] = Way::join(lane[j], lane[j + count / 2]);
        halve<Way, count / 2, left>(lane);
    }
}

template <class Way, class T, class Term> T fold_run(Index begin, Index end, Term &term) {
    T some[few];
    std::fill_n(some, few, Way::start);
    if (end - begin >= lanes) {
        T lane[lanes];
        std::fill_n(lane, lanes, Way::start);
        join_terms<Way, lanes>(lane, begin, end, term);
        halve<Way, lanes, few>(lane);
        std::copy_n(lane, few, some);
    }
    join_terms<Way, few>(some, begin, end, term);
    T joined = Way::start;
    for (; begin < end; ++begin) joined = Way::join(joined, term(begin));
    halve<Way, few, 1>(some);
    return Way::join(some[0], joined);
}

// The terms of [begin, end) joined.
template <class Way, class T, class Term> [[gnu::noinline]] T fold(Index begin, Index end, Term &&term) {
    if (end - begin <= run) return fold_run<Way, T>(begin, end, term);
    const Index middle = begin + (end - begin) / 2 / lanes * lanes;
    const T first = fold<Way, T>(begin, middle, term);
    return Way::join(first, fold<Way, T>(middle, end, term));
}

// The sum of many terms, in pieces that threads share; `work` is that of a term.
template <class T, class Term> T sum_of(Index count, Index work, Term &&term) {
    const Index length = std::max(run, piece_work / work);
    if (count <= length) return fold<Sum<T>, T>(0, count, term);
    std::vector<T> partial((count + length - 1) / length);
    parallel(static_cast<Index>(partial.size()), length * work, [&](Index begin, Index end) {
        for (Index i = begin; i < end; ++i)
            partial[i] = fold<Sum<T>, T>(i * length, std::min(count, (i + 1) * length), term);
    });
    return fold<Sum<T>, T>(0, static_cast<Index>(partial.size()), [&](Index i) { return partial[i]; });
}

// Lines are the elements along one axis of an array in C order. What is done with each can be written once for the last
// axis, where a line is contiguous, and for the others, where lines lie side by side: `fold` joins term(i, j) of all
// elements of line j, at index i, to joined[j]; `each` calls body(i, j) for all; and `each_line` body(j).
template <class T> struct Row {
    Index begin, length;

    template <template <class> class Way, class Term> void fold(T *joined, Term &&term) const {
        joined[0] = rushlight::fold<Way<T>, T>(begin, begin + length, [&](Index i) { return term(i, 0); });
    }
    template <class Body> void each(Body &&body) const {
#pragma omp simd
        for (Index i = begin; i < begin + length; ++i) body(i, 0);
    }
    template <class Body> void each_line(Body &&body) const { body(0); }
    Index at(Index place, Index) const { return begin + place; }  // the index of an element of a line
};

// Lines that are worked on together.
constexpr Index width = 128;

template <class T> struct Columns {
    Index begin, length, stride, columns;

    template <template <class> class Way, class Term> [[gnu::noinline]] void fold(T *joined, Term &&term) const {
        if (length > run) {
            T second[width];
            Columns{begin, length / 2, stride, columns}.template fold<Way>(joined, term);
            Columns{begin + length / 2 * stride, length - length / 2, stride, columns}.template fold<Way>(second, term);
            for (Index j = 0; j < columns; ++j) joined[j] = Way<T>::join(joined[j], second[j]);
            return;
        }
        std::fill_n(joined, columns, Way<T>::start);
        for (Index i = 0; i < length; ++i) {
#pragma omp simd
            for (Index j = 0; j < columns; ++j) joined[j] = Way<T>::join(joined[j], term(begin + i * stride + j, j));
        }
    }
    template <class Body> void each(Body &&body) const {
        for (Index i = 0; i < length; ++i) {
#pragma omp simd
            for (Index j = 0; j < columns; ++j) body(begin + i * stride + j, j);
        }
    }
    template <class Body> void each_line(Body &&body) const {
#pragma omp simd
        for (Index j = 0; j < columns; ++j) body(j);
    }
    Index at(Index place, Index j) const { return begin + place * stride + j; }
};

// A line in several stretches of memory, each contiguous.
template <class T> struct Segments {
    Index begin, count, stride, length;

    template <template <class> class Way, class Term> void fold(T *joined, Term &&term) const {
        if (count > 64) {
            T second;
            Segments{begin, count / 2, stride, length}.template fold<Way>(joined, term);
            Segments{begin + count / 2 * stride, count - count / 2, stride, length}.template fold<Way>(&second, term);
            joined[0] = Way<T>::join(joined[0], second);
            return;
        }
        joined[0] = Way<T>::start;
        for (Index k = 0; k < count; ++k) {
            T of_one;
            Row<T>{begin + k * stride, length}.template fold<Way>(&of_one, term);
            joined[0] = Way<T>::join(joined[0], of_one);
        }
    }
    template <class Body> void each(Body &&body) const {
        for (Index k = 0; k < count; ++k) Row<T>{begin + k * stride, length}.each(body);
    }
    template <class Body> void each_line(Body &&body) const { body(0); }
};

// An array around one of its axes: `outer` blocks of `length` rows of `inner` elements.
struct Axis {
    Index outer, length, inner;

    Axis(Index outer, Index length, Index inner) : outer(outer), length(length), inner(inner) {}
    Axis(std::span<const Index> shape, Index dim)
        : outer(count(shape.first(dim))), length(shape[dim]), inner(count(shape.subspan(dim + 1))) {}
};

// An axis counted from the front.
inline Index axis_of(std::span<const Index> shape, Index dim) {
    const Index ndim = static_cast<Index>(shape.size());
    require(-ndim <= dim && dim < ndim);
    return dim < 0 ? dim + ndim : dim;
}

// Calls body(lines, k) for all lines along an axis, some at a time; k is the number of the first. `work` is that of eight
// elements.
template <class T, class Body> void over_lines(const Axis &axis, Index work, Body &&body) {
    const Index outer = axis.outer, length = axis.length, inner = axis.inner;
    if (inner == 1) {
        parallel(outer, work * length / 8 + 1, [&](Index begin, Index end) {
            for (Index i = begin; i < end; ++i) body(Row<T>{i * length, length}, i);
        });
        return;
    }
    const Index blocks = (inner + width - 1) / width;
    parallel(outer * blocks, work * length * std::min(inner, width) / 8 + 1, [&](Index begin, Index end) {
        for (Index i = begin; i < end; ++i) {
            const Index column = i % blocks * width, block = i / blocks;
            body(Columns<T>{block * length * inner + column, length, inner, std::min(width, inner - column)},
                 block * inner + column);
        }
    });
}

}  // namespace rushlight
