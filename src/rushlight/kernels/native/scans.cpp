// Running sums and products along an axis.
#include "lines.hpp"
#include "module.hpp"

namespace rushlight {
namespace {

// Both kinds of lines, joined element by element in float64; from behind if `reverse`.
template <class Way, class T> void scan(const Row<T> &line, const T *x, T *out, bool reverse) {
    double joined = Way::start;
    for (Index k = 0; k < line.length; ++k) {
        const Index i = line.begin + (reverse ? line.length - 1 - k : k);
        out[i] = static_cast<T>(joined = Way::join(joined, x[i]));
    }
}

template <class Way, class T> void scan(const Columns<T> &lines, const T *x, T *out, bool reverse) {
    double joined[width];
    std::fill_n(joined, width, Way::start);
    for (Index k = 0; k < lines.length; ++k) {
        const Index row = lines.begin + (reverse ? lines.length - 1 - k : k) * lines.stride;
#pragma omp simd
        for (Index j = 0; j < lines.columns; ++j) out[row + j] = static_cast<T>(joined[j] = Way::join(joined[j], x[row + j]));
    }
}

template <template <class> class Way, class T> Array<T> scanned(Array<T> x, Index dim, bool reverse) {
    const Axis axis(x.shape(), axis_of(x.shape(), dim));
    const auto out = Array<T>::empty(x.shape());
    over_lines<T>(axis, 4, [&](auto lines, Index) { scan<Way<double>>(lines, x.data(), out.data(), reverse); });
    return out;
}

template <class T> Array<T> cumsum(Array<T> x, Index dim, bool reverse) { return scanned<Sum>(x, dim, reverse); }
template <class T> Array<T> cumprod(Array<T> x, Index dim) { return scanned<Product>(x, dim, false); }

}  // namespace

void add_scans(nb::module_ &module) {
    RUSHLIGHT_FLOATING(module, cumsum);
    RUSHLIGHT_FLOATING(module, cumprod);
}

}  // namespace rushlight
