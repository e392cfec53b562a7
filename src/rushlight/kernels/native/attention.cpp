// Attention without the matrix of all weights in memory: blocks of scores live in the cache, and backward computes them
// again. Dao et al., "FlashAttention", 2022.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/tuple.h>

#include <limits>
#include <stdexcept>
#include <tuple>
#include <vector>

#include "gemm.hpp"
#include "maths.hpp"
#include "module.hpp"
#include "threads.hpp"

namespace rushlight {
namespace {

constexpr Index query_block = 64, key_block = 256;

// The matrices along the last two axes of an array.
template <class T> class Stack {
public:
    explicit Stack(const Strided<T> &array) : array_(array), lead_(array.ndim() - 2) {
        if (lead_ < 0) throw std::invalid_argument("the operands of attention have 2 axes at least");
    }

    Index rows() const { return array_.shape(lead_); }
    Index columns() const { return array_.shape(lead_ + 1); }
    Index row_stride() const { return array_.stride(lead_); }

    T *start(Index i) const {
        Index at = 0;
        for (int axis = lead_ - 1; axis >= 0; --axis) {
            at += i % array_.shape(axis) * array_.stride(axis);
            i /= array_.shape(axis);
        }
        return array_.data() + at;
    }
    Matrix<T> operator[](Index i) const { return {start(i), row_stride(), array_.stride(lead_ + 1)}; }

private:
    Strided<T> array_;
    int lead_;
};

template <class T> std::span<const Index> lead_of(const Strided<T> &array) { return array.shape().first(array.ndim() - 2); }

template <class T> void same_lead(const Strided<T> &a, const Strided<T> &b) {
    if (a.ndim() != b.ndim() || !std::ranges::equal(lead_of(a), lead_of(b)))
        throw std::invalid_argument("the leading axes of the operands of attention differ");
}

template <class T> Matrix<T> transposed(Matrix<T> a) { return {a.data, a.column, a.row}; }

template <class T> using Bias = std::optional<Strided<T>>;

// The operands: queries (*, L, E), keys (*, S, E), values (*, S, V), and what is added to the scores (*, L, S).
template <class T> struct Problem {
    Stack<T> q, k, v;
    std::optional<Stack<T>> bias;
    T scale;
    bool causal;
    Index heads = 1;

    Problem(const Strided<T> &query, const Strided<T> &key, const Strided<T> &value, const Bias<T> &added, double scale, bool causal)
        : q(query), k(key), v(value), scale(static_cast<T>(scale)), causal(causal) {
        for (Index length : lead_of(query)) heads *= length;
        for (const auto *other : {&key, &value, added ? &*added : &key}) same_lead(query, *other);
        if (added) bias.emplace(*added);
        if (k.columns() != q.columns() || v.rows() != k.rows() || (bias && (bias->rows() != q.rows() || bias->columns() != k.rows())))
            throw std::invalid_argument("the sizes of the operands of attention do not fit");
    }

    // The keys that queries up to (not including) this one may see.
    Index keys_before(Index query) const { return causal ? std::min(k.rows(), query) : k.rows(); }

    // The scores of some queries and keys, as `columns` beside each other; minus infinity where a query may not look.
    void scores(Index head, Index query, Index queries, Index key, Index keys, T *to) const {
        gemm<T>(queries, keys, q.columns(), q[head].from(query, 0), transposed(k[head].from(key, 0)), to, keys);
        const Matrix<T> added = bias ? (*bias)[head].from(query, key) : Matrix<T>{};
        for (Index r = 0; r < queries; ++r, to += keys) {
            for (Index c = 0; c < keys; ++c) to[c] *= scale;
            if (bias)
                for (Index c = 0; c < keys; ++c) to[c] += added.data[r * added.row + c * added.column];
            if (causal)
                for (Index c = std::max<Index>(0, query + r + 1 - key); c < keys; ++c) to[c] = -std::numeric_limits<T>::infinity();
        }
    }
};

// The queries of a head in blocks.
template <class Body> void over_queries(Index length, Body &&body) {
    for (Index i = 0; i < length; i += query_block) body(i, std::min(query_block, length - i));
}

template <class Body> void over_keys(Index length, Body &&body) {
    for (Index i = 0; i < length; i += key_block) {
        body(i, std::min(key_block, length - i));
        breathe();
    }
}

// An array (*, rows, columns) with the heads of one row beside each other, where there are heads: what follows attention
// joins them.
template <class T> Strided<T> beside_each_other(const Strided<T> &like, Index rows, Index columns) {
    const int axes = like.ndim();
    std::vector<Index> shape(PyArray_DIMS(like.numpy()), PyArray_DIMS(like.numpy()) + axes);
    shape[axes - 2] = rows, shape[axes - 1] = columns;
    if (axes < 4) return Strided<T>(Array<T>::empty(shape).object());
    std::swap(shape[axes - 3], shape[axes - 2]);
    PyObject *swapped = PyArray_SwapAxes(Array<T>::empty(shape).numpy(), axes - 3, axes - 2);
    if (!swapped) throw nb::python_error();
    return Strided<T>(nb::steal(swapped));
}

// An array for the gradient of an operand, in memory like that where its rows are.
template <class T> Strided<T> gradient_of(const Strided<T> &operand) {
    const auto made_in = [&](NPY_ORDER order) {
        PyObject *made = PyArray_NewLikeArray(operand.numpy(), order, nullptr, 0);
        if (!made) throw nb::python_error();
        return Strided<T>(nb::steal(made));
    };
    const auto kept = made_in(NPY_KEEPORDER);
    return kept.stride(-1) == 1 || kept.shape(-1) <= 1 ? kept : made_in(NPY_CORDER);
}

// Takes a row of scores to exp(score - most), where `most` is the largest of the row so far, and returns the sum.
template <class T> T exponentials(T *row, Index n, T &most) {
    T largest = most;
#pragma omp simd reduction(max : largest)
    for (Index c = 0; c < n; ++c) largest = row[c] > largest ? row[c] : largest;
    most = largest;
    const T shift = most == -std::numeric_limits<T>::infinity() ? 0 : most;
    T sum = 0;
#pragma omp simd reduction(+ : sum)
    for (Index c = 0; c < n; ++c) sum += row[c] = exp(row[c] - shift);
    return sum;
}

template <class T>
std::tuple<Strided<T>, Array<T>> attention(Strided<T> query, Strided<T> key, Strided<T> value, Bias<T> bias, double scale, bool causal) {
    const Problem<T> problem(query, key, value, bias, scale, causal);
    const Index length = problem.q.rows(), width = problem.v.columns();
    const auto result = beside_each_other(query, length, width);
    const auto logsums = Array<T>::empty({problem.heads, length});
    const Stack<T> out(result);
    const Index blocks = (length + query_block - 1) / query_block;
    parallel(problem.heads * blocks, 2 * std::min(length, query_block) * problem.k.rows() * (problem.q.columns() + width), [&](Index begin, Index end) {
        std::vector<T> scores(query_block * key_block);
        for (Index i = begin; i < end; ++i) {
            const Index head = i / blocks, first = i % blocks * query_block, queries = std::min(query_block, length - first);
            T most[query_block], sum[query_block] = {};
            std::fill_n(most, query_block, -std::numeric_limits<T>::infinity());
            T *const to = out.start(head) + first * out.row_stride();
            over_keys(problem.keys_before(first + queries), [&](Index at, Index keys) {
                problem.scores(head, first, queries, at, keys, scores.data());
                for (Index r = 0; r < queries; ++r) {
                    const T before = most[r], added = exponentials(scores.data() + r * keys, keys, most[r]);
                    const T shrink = before == most[r] ? T(1) : exp(before - most[r]);
                    sum[r] = sum[r] * shrink + added;
                    if (at && shrink != 1)
                        for (Index j = 0; j < width; ++j) to[r * out.row_stride() + j] *= shrink;
                }
                gemm<T>(queries, width, keys, {scores.data(), keys, 1}, problem.v[head].from(at, 0), to, out.row_stride(), at > 0);
            });
            for (Index r = 0; r < queries; ++r) {
                T *const row = to + r * out.row_stride();
                const T inverse = sum[r] == 0 ? T(0) : 1 / sum[r];
                for (Index j = 0; j < width; ++j) row[j] = sum[r] == 0 ? T(0) : row[j] * inverse;
                logsums.data()[head * length + first + r] = sum[r] == 0 ? std::numeric_limits<T>::infinity() : most[r] + log(sum[r]);
            }
        }
    });
    return {result, logsums};
}

template <class T>
std::tuple<Strided<T>, Strided<T>, Strided<T>> attention_back(Strided<T> g, Strided<T> query, Strided<T> key, Strided<T> value, Bias<T> bias,
                                                              double scale, bool causal, Strided<T> result, Array<T> logsums) {
    const Problem<T> problem(query, key, value, bias, scale, causal);
    const Index length = problem.q.rows(), width = problem.v.columns(), depth = problem.q.columns();
    const auto of_query = gradient_of(query), of_key = gradient_of(key), of_value = gradient_of(value);
    const Stack<T> of_q(of_query), of_k(of_key), of_v(of_value), of_out(g), out(result);
    same_lead(query, g), same_lead(query, result);
    for (const Stack<T> *x : {&of_out, &out})
        if (x->rows() != length || x->columns() != width || logsums.size() != problem.heads * length)
            throw std::invalid_argument("the gradient of attention has another shape than its result");
    parallel(problem.heads, 5 * length * problem.k.rows() * (depth + width), [&](Index begin, Index end) {
        std::vector<T> weights(query_block * key_block), of_weights(query_block * key_block), along(length);
        for (Index head = begin; head < end; ++head) {
            for (const Stack<T> *x : {&of_q, &of_k, &of_v})
                for (Index r = 0; r < x->rows(); ++r) std::fill_n(x->start(head) + r * x->row_stride(), x->columns(), T(0));
            const Matrix<T> up = of_out[head], y = out[head];
            for (Index r = 0; r < length; ++r) {
                T sum = 0;
                for (Index j = 0; j < width; ++j) sum += up.data[r * up.row + j * up.column] * y.data[r * y.row + j * y.column];
                along[r] = sum;
            }
            over_queries(length, [&](Index first, Index queries) {
                over_keys(problem.keys_before(first + queries), [&](Index at, Index keys) {
                    problem.scores(head, first, queries, at, keys, weights.data());
                    gemm<T>(queries, keys, width, up.from(first, 0), transposed(problem.v[head].from(at, 0)), of_weights.data(), keys);
                    for (Index r = 0; r < queries; ++r) {
                        T *const w = weights.data() + r * keys, *const d = of_weights.data() + r * keys;
                        const T logsum = logsums.data()[head * length + first + r], less = along[first + r];
#pragma omp simd
                        for (Index c = 0; c < keys; ++c) {
                            w[c] = exp(w[c] - logsum);
                            d[c] = w[c] * (d[c] - less) * problem.scale;
                        }
                    }
                    const Matrix<T> w{weights.data(), keys, 1}, d{of_weights.data(), keys, 1};
                    gemm<T>(keys, width, queries, transposed(w), up.from(first, 0), of_v.start(head) + at * of_v.row_stride(), of_v.row_stride(), true);
                    gemm<T>(queries, depth, keys, d, problem.k[head].from(at, 0), of_q.start(head) + first * of_q.row_stride(), of_q.row_stride(), true);
                    gemm<T>(keys, depth, queries, transposed(d), problem.q[head].from(first, 0), of_k.start(head) + at * of_k.row_stride(), of_k.row_stride(), true);
                });
            });
        }
    });
    return {of_query, of_key, of_value};
}

}  // namespace

void add_attention(nb::module_ &module) {
    RUSHLIGHT_FLOATING(module, attention);
    RUSHLIGHT_FLOATING(module, attention_back);
}

}  // namespace rushlight
