// Products of matrices inside kernels.
#include "gemm.hpp"

#include "module.hpp"
#include "threads.hpp"

namespace rushlight {

template <class T> T *panels_of_thread(int which, Index size) {
    struct Free {
        void operator()(T *memory) const { ::operator delete(memory, std::align_val_t(vector_bytes)); }
    };
    thread_local std::unique_ptr<T, Free> memory[2];
    thread_local Index sizes[2];
    if (sizes[which] < size) {
        sizes[which] = 0;
        memory[which].reset();
        memory[which].reset(static_cast<T *>(::operator new(size * sizeof(T), std::align_val_t(vector_bytes))));
        sizes[which] = size;
    }
    return memory[which].get();
}

// Packs the first columns of a panel of `height` rows, as many as a vector has elements. What is written beyond them is
// for the next columns to overwrite.
template <int height, class T> void pack_squares(const T *from, Index pitch, T *to) {
    constexpr int squares = (height + lanes<T> - 1) / lanes<T>;
    Vector<T> x[squares][lanes<T>] = {};
    for (int r = 0; r < height; ++r) x[r / lanes<T>][r % lanes<T>] = load(from + r * pitch);
    for (auto &square : x) transpose<T>(square);
    for (int k = 0; k < lanes<T>; ++k, to += height)
        for (int s = 0; s < squares; ++s) store(to + s * lanes<T>, x[s][k]);
}

template <class T> void pack_rows(Matrix<T> a, Index rows, Index depth, T *to) {
    const Panels panels(rows);
    for (Index i = 0; i < panels.count; ++i)
        with_constant<tile_rows>(panels.height(i), [&](auto height) {
            const T *from = a.data + panels.begin(i) * a.row;
            Index k = 0;
            if (a.column == 1)  // rows of neighbours: squares are transposed, as far as there is room beyond them
                for (; (k + lanes<T>) * height + lanes<T> <= depth * height; k += lanes<T>, from += lanes<T>, to += height * lanes<T>)
                    pack_squares<height>(from, a.row, to);
            if (a.row == 1)  // columns of neighbours
                for (; k < depth; ++k, from += a.column, to += height) std::memcpy(to, from, height * sizeof(T));
            for (; k < depth; ++k, from += a.column, to += height)
                for (int r = 0; r < height; ++r) to[r] = from[r * a.row];
        });
}

template <class T> void pack_columns(Matrix<T> b, Index columns, Index depth, T *to) {
    constexpr Index width = tile_columns<T>, some_rows = std::max(8, lanes<T>);  // as many as can be read in order at once
    for (Index first = 0; first < depth; first += some_rows)
        for (Index column = 0; column < columns; column += width) {
            const Index end = std::min(first + some_rows, depth), some = std::min(width, columns - column);
            const T *const from = b.data + column * b.column;
            T *const panel = to + column * depth;
            if (some < width) std::fill(panel + first * width, panel + end * width, T(0));
            if (b.column == 1 && some == width)
                for (Index k = first; k < end; ++k)
                    for (int v = 0; v < 2; ++v) store(panel + k * width + v * lanes<T>, load(from + k * b.row + v * lanes<T>));
            else if (b.row == 1 && some == width && end - first == some_rows)
                for (Index k = first; k < end; k += lanes<T>)
                    for (int v = 0; v < 2; ++v) {
                        Vector<T> x[lanes<T>];
                        for (int j = 0; j < lanes<T>; ++j) x[j] = load(from + (v * lanes<T> + j) * b.column + k);
                        transpose<T>(x);
                        for (int i = 0; i < lanes<T>; ++i) store(panel + (k + i) * width + v * lanes<T>, x[i]);
                    }
            else
                for (Index j = 0; j < some; ++j)
                    for (Index k = first; k < end; ++k) panel[k * width + j] = from[k * b.row + j * b.column];
        }
}

template <class T>
void multiply_packed(Index rows, Index columns, Index depth, const T *a, const T *b, T *c, Index pitch, bool accumulate) {
    constexpr Index width = tile_columns<T>;
    const Panels panels(rows);
    for (Index column = 0; column < columns; column += width, b += width * depth)
        for (Index i = 0; i < panels.count; ++i) {
            const Index some = std::min(width, columns - column);
            T *const to = c + panels.begin(i) * pitch + column;
            with_constant<tile_rows>(panels.height(i), [&](auto height) {
                const T *const one[] = {b}, *const two[] = {b, b + lanes<T>};
                const auto place = [](Index k) { return k * tile_columns<T>; };
                const auto finish = [&](auto &sums) {
                    constexpr int vectors = sizeof sums[0] / vector_bytes;
                    for (int r = 0; r < height; ++r) {
                        T *const at = to + r * pitch;
                        if (some == vectors * lanes<T>) {
                            for (int v = 0; v < vectors; ++v) {
                                if (accumulate) sums[r][v] += load(at + v * lanes<T>);
                                store(at + v * lanes<T>, sums[r][v]);
                            }
                        } else {
                            T line[vectors * lanes<T>];
                            std::memcpy(line, sums[r], sizeof line);
                            for (Index j = 0; j < some; ++j) at[j] = accumulate ? at[j] + line[j] : line[j];
                        }
                    }
                };
                if (some <= lanes<T>) tile<height, 1, T>(depth, a + panels.begin(i) * depth, one, place, finish);
                else tile<height, 2, T>(depth, a + panels.begin(i) * depth, two, place, finish);
            });
        }
}

template <class T>
void gemm(Index m, Index n, Index k, Matrix<T> a, Matrix<T> b, T *c, Index pitch, bool accumulate) {
    gemm<T>(
        m, n, k,
        [&](Index row, Index rows, Index first, Index depth, T *to) { pack_rows(a.from(row, first), rows, depth, to); },
        [&](Index column, Index columns, Index first, Index depth, T *to) {
            pack_columns(b.from(first, column), columns, depth, to);
        },
        c, pitch, accumulate);
}

#define RUSHLIGHT_GEMM(T)                                                                                 \
    template T *panels_of_thread<T>(int, Index);                                                          \
    template void pack_rows<T>(Matrix<T>, Index, Index, T *);                                             \
    template void pack_columns<T>(Matrix<T>, Index, Index, T *);                                          \
    template void multiply_packed<T>(Index, Index, Index, const T *, const T *, T *, Index, bool);        \
    template void gemm<T>(Index, Index, Index, Matrix<T>, Matrix<T>, T *, Index, bool);
RUSHLIGHT_GEMM(float)
RUSHLIGHT_GEMM(double)

// The product of two matrices given transposed or not: what the tests see.
template <class T> static Array<T> gemm_of(Array<T> a, Array<T> b, bool a_transposed, bool b_transposed) {
    require(a.ndim() == 2 && b.ndim() == 2 && a.shape(!a_transposed) == b.shape(b_transposed));
    const auto view = [](const Array<T> &x, bool transposed) {
        return transposed ? Matrix<T>{x.data(), 1, x.shape(1)} : Matrix<T>{x.data(), x.shape(1), 1};
    };
    const Index m = a.shape(a_transposed), k = a.shape(!a_transposed), n = b.shape(!b_transposed);
    auto c = Array<T>::empty({m, n});
    gemm(m, n, k, view(a, a_transposed), view(b, b_transposed), c.data(), n);
    return c;
}

void add_gemm(nb::module_ &module) { module.def("gemm", &gemm_of<float>).def("gemm", &gemm_of<double>); }

}  // namespace rushlight
