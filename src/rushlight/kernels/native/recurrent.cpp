// LSTM and GRU over whole sequences. The sequences of a batch do not know of each other, so that threads share them
// out and each runs its rows through all steps.
#include <nanobind/stl/tuple.h>

#include <stdexcept>
#include <tuple>
#include <vector>

#include "gemm.hpp"
#include "maths.hpp"
#include "module.hpp"
#include "threads.hpp"

namespace rushlight {
namespace {

// Sequences that a thread takes at a time.
constexpr Index rows_at_a_time = 8;

// A matrix that is packed once and multiplies many rows.
template <class T> class Packed {
public:
    Packed(Matrix<T> b, Index depth, Index columns) : depth_(depth), columns_(columns), data_(padded<T>(columns) * depth) {
        pack_columns(b, columns, depth, data_.data());
    }

    // c, whose rows are `pitch` apart, grows by a times this.
    void add_product(const T *a, Index a_pitch, Index rows, T *c, Index pitch, T *work) const {
        pack_rows(Matrix<T>{a, a_pitch, 1}, rows, depth_, work);
        multiply_packed(rows, columns_, depth_, work, data_.data(), c, pitch, true);
    }

private:
    Index depth_, columns_;
    std::vector<T> data_;
};

struct Sizes {
    Index steps, batch, width;

    template <class T> Sizes(const Array<T> &x, const Array<T> &state, const Array<T> &weight, Index gates, Index gates_of_x) {
        if (x.ndim() != 3 || state.ndim() != 2) throw std::invalid_argument("the gates have 3 axes, and a state 2");
        steps = x.shape(0), batch = x.shape(1), width = state.shape(1);
        require(state, {batch, width});
        require(x, {steps, batch, gates_of_x * width});
        require(weight, {gates * width, width});
    }

    template <class T> static void require(const Array<T> &array, std::initializer_list<Index> shape) {
        if (!std::ranges::equal(array.shape(), shape)) throw std::invalid_argument("the sizes of gates, states and weight do not fit");
    }
    Index states() const { return steps * batch * width; }
};

template <class Body> void over_sequences(const Sizes &sizes, Index gates, Body &&body) {
    const Index work = 2 * sizes.steps * gates * sizes.width * sizes.width;
    const Index blocks = (sizes.batch + rows_at_a_time - 1) / rows_at_a_time;
    parallel(blocks, work * rows_at_a_time, [&](Index begin, Index end) {
        for (Index i = begin; i < end; ++i)
            body(i * rows_at_a_time, std::min(rows_at_a_time, sizes.batch - i * rows_at_a_time));
    });
}

template <class T>
std::tuple<Array<T>, Array<T>> lstm(Array<T> x, Array<T> h, Array<T> c, Array<T> weight, Array<T> bias) {
    const Sizes s(x, h, weight, 4, 4);
    const Index width = s.width, all = 4 * width;
    s.require(c, {s.batch, width}), s.require(bias, {all});
    const auto states = Array<T>::empty({2, s.steps, s.batch, width}), gates = Array<T>::empty({s.steps, s.batch, all});
    const Packed<T> packed({weight.data(), 1, width}, width, all);
    over_sequences(s, 4, [&, hs = states.data(), cs = states.data() + s.states(), gs = gates.data()](Index first, Index rows) {
        std::vector<T> work(rows * width);
        const T *h_before = h.data() + first * width, *c_before = c.data() + first * width;
        for (Index t = 0; t < s.steps; ++t) {
            breathe();
            const Index row = t * s.batch + first;
            T *const g = gs + row * all;
            const T *const from_x = x.data() + row * all, *const b = bias.data();
            for (Index r = 0; r < rows; ++r)
                for (Index j = 0; j < all; ++j) g[r * all + j] = from_x[r * all + j] + b[j];
            packed.add_product(h_before, width, rows, g, all, work.data());
            T *const h_after = hs + row * width, *const c_after = cs + row * width;
            for (Index r = 0; r < rows; ++r) {
                T *const i = g + r * all, *const f = i + width, *const u = f + width, *const o = u + width;
#pragma omp simd
                for (Index j = 0; j < width; ++j) {
                    const T in = sigmoid(i[j]), forget = sigmoid(f[j]), update = tanh(u[j]), out = sigmoid(o[j]);
                    const T cell = forget * c_before[r * width + j] + in * update;
                    i[j] = in, f[j] = forget, u[j] = update, o[j] = out;
                    c_after[r * width + j] = cell;
                    h_after[r * width + j] = out * tanh(cell);
                }
            }
            h_before = h_after, c_before = c_after;
        }
    });
    return {states, gates};
}

template <class T>
std::tuple<Array<T>, Array<T>, Array<T>> lstm_back(Array<T> of_states, Array<T> c, Array<T> weight, Array<T> states, Array<T> gates) {
    const Sizes s(gates, c, weight, 4, 4);
    const Index width = s.width, all = 4 * width;
    for (const auto *array : {&of_states, &states}) s.require(*array, {2, s.steps, s.batch, width});
    const T *const of_hidden = of_states.data(), *const of_cells = of_hidden + s.states(), *const cells = states.data() + s.states();
    const auto of_x = Array<T>::empty(gates.shape()), of_h = Array<T>::empty(c.shape()), of_c = Array<T>::empty(c.shape());
    const Packed<T> packed({weight.data(), width, 1}, all, width);
    over_sequences(s, 4, [&, dx = of_x.data()](Index first, Index rows) {
        std::vector<T> work(rows * all);
        T *const dh = of_h.data() + first * width, *const dc = of_c.data() + first * width;
        std::fill_n(dh, rows * width, T(0)), std::fill_n(dc, rows * width, T(0));
        for (Index t = s.steps - 1; t >= 0; --t) {
            breathe();
            const Index row = t * s.batch + first;
            const T *const c_before = t ? cells + (row - s.batch) * width : c.data() + first * width;
            for (Index r = 0; r < rows; ++r) {
                const Index at = (row + r) * width;
                const T *const i = gates.data() + (row + r) * all, *const f = i + width, *const u = f + width, *const o = u + width;
                const T *const dh_out = of_hidden + at, *const dc_out = of_cells + at, *const cell = cells + at;
                T *const to = dx + (row + r) * all;
#pragma omp simd
                for (Index j = 0; j < width; ++j) {
                    const T wide = tanh(cell[j]), up = dh[r * width + j] + dh_out[j];
                    const T in = i[j], forget = f[j], update = u[j], out = o[j];
                    const T carried = dc[r * width + j] + dc_out[j] + up * out * (1 - wide * wide);
                    to[j] = carried * update * in * (1 - in);
                    to[width + j] = carried * c_before[r * width + j] * forget * (1 - forget);
                    to[2 * width + j] = carried * in * (1 - update * update);
                    to[3 * width + j] = up * wide * out * (1 - out);
                    dc[r * width + j] = carried * forget;
                    dh[r * width + j] = 0;
                }
            }
            packed.add_product(dx + row * all, all, rows, dh, width, work.data());
        }
    });
    return {of_x, of_h, of_c};
}

template <class T> std::tuple<Array<T>, Array<T>> gru(Array<T> x, Array<T> h, Array<T> weight, Array<T> bias) {
    const Sizes s(x, h, weight, 3, 3);
    const Index width = s.width, all = 3 * width, kept = 4 * width;
    s.require(bias, {all});
    const auto hidden = Array<T>::empty({s.steps, s.batch, width}), gates = Array<T>::empty({s.steps, s.batch, kept});
    const Packed<T> packed({weight.data(), 1, width}, width, all);
    over_sequences(s, 3, [&, hs = hidden.data(), gs = gates.data()](Index first, Index rows) {
        std::vector<T> work(rows * width), from_state(rows * all);
        const T *before = h.data() + first * width;
        for (Index t = 0; t < s.steps; ++t) {
            breathe();
            const Index row = t * s.batch + first;
            for (Index r = 0; r < rows; ++r) std::copy_n(bias.data(), all, from_state.data() + r * all);
            packed.add_product(before, width, rows, from_state.data(), all, work.data());
            T *const after = hs + row * width;
            for (Index r = 0; r < rows; ++r) {
                const T *const from_x = x.data() + (row + r) * all, *const from_h = from_state.data() + r * all;
                T *const g = gs + (row + r) * kept;
#pragma omp simd
                for (Index j = 0; j < width; ++j) {
                    const T reset = sigmoid(from_x[j] + from_h[j]), update = sigmoid(from_x[width + j] + from_h[width + j]);
                    const T contributed = from_h[2 * width + j];
                    const T fresh = tanh(from_x[2 * width + j] + reset * contributed);
                    g[j] = reset, g[width + j] = update, g[2 * width + j] = fresh, g[3 * width + j] = contributed;
                    after[r * width + j] = (before[r * width + j] - fresh) * update + fresh;
                }
            }
            before = after;
        }
    });
    return {hidden, gates};
}

template <class T>
std::tuple<Array<T>, Array<T>, Array<T>> gru_back(Array<T> of_hidden, Array<T> h, Array<T> weight, Array<T> hidden, Array<T> gates) {
    const Sizes s(gates, h, weight, 3, 4);
    const Index width = s.width, all = 3 * width, kept = 4 * width;
    for (const auto *array : {&of_hidden, &hidden}) s.require(*array, {s.steps, s.batch, width});
    const auto of_x = Array<T>::empty({s.steps, s.batch, all}), of_state = Array<T>::empty({s.steps, s.batch, all});
    const auto of_h = Array<T>::empty(h.shape());
    const Packed<T> packed({weight.data(), width, 1}, all, width);
    over_sequences(s, 3, [&, dx = of_x.data(), ds = of_state.data()](Index first, Index rows) {
        std::vector<T> work(rows * all);
        T *const dh = of_h.data() + first * width;
        std::fill_n(dh, rows * width, T(0));
        for (Index t = s.steps - 1; t >= 0; --t) {
            breathe();
            const Index row = t * s.batch + first;
            const T *const before = t ? hidden.data() + (row - s.batch) * width : h.data() + first * width;
            for (Index r = 0; r < rows; ++r) {
                const T *const g = gates.data() + (row + r) * kept, *const out = of_hidden.data() + (row + r) * width;
                T *const to = dx + (row + r) * all, *const through = ds + (row + r) * all;
#pragma omp simd
                for (Index j = 0; j < width; ++j) {
                    const T reset = g[j], update = g[width + j], fresh = g[2 * width + j], contributed = g[3 * width + j];
                    const T up = dh[r * width + j] + out[j];
                    const T of_fresh = up * (1 - update) * (1 - fresh * fresh);
                    to[j] = through[j] = of_fresh * contributed * reset * (1 - reset);
                    to[width + j] = through[width + j] = up * (before[r * width + j] - fresh) * update * (1 - update);
                    to[2 * width + j] = of_fresh;
                    through[2 * width + j] = of_fresh * reset;
                    dh[r * width + j] = up * update;
                }
            }
            packed.add_product(ds + row * all, all, rows, dh, width, work.data());
        }
    });
    return {of_x, of_state, of_h};
}

}  // namespace

void add_recurrent(nb::module_ &module) {
    RUSHLIGHT_FLOATING(module, lstm);
    RUSHLIGHT_FLOATING(module, lstm_back);
    RUSHLIGHT_FLOATING(module, gru);
    RUSHLIGHT_FLOATING(module, gru_back);
}

}  // namespace rushlight
