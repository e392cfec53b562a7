// Running sums and products, and the order of elements, along an axis.
#include <bit>
#include <cstring>
#include <vector>

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

// Whole numbers in the order of the numbers: NaN above all, whichever it is, and both zeros the same.
template <class T> auto ordered(T x) {
    using Bits = std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>;
    constexpr Bits sign = Bits(1) << (8 * sizeof(T) - 1);
    const Bits bits = std::bit_cast<Bits>(x + T(0));
    const Bits order = bits & sign ? ~bits : bits | sign;
    return x != x ? ~Bits(0) : order;
}

Array<uint64_t> sorting_keys(Array<float> x, bool descending) {
    require(x.ndim() > 0);
    const Index n = x.shape(x.ndim() - 1);
    require(n <= Index(1) << 32);
    const auto keys = Array<uint64_t>::empty(x.shape());
    const uint32_t flip = descending ? ~uint32_t(0) : 0;
    parallel(n ? x.size() / n : 0, 2 * n, [&](Index begin, Index end) {
        for (Index row = begin; row < end; ++row) {
            const float *from = x.data() + row * n;
            uint64_t *to = keys.data() + row * n;
#pragma omp simd
            for (Index i = 0; i < n; ++i) to[i] = static_cast<uint64_t>(ordered(from[i]) ^ flip) << 32 | static_cast<uint32_t>(i);
        }
    });
    return keys;
}

// The k places of the line with the largest keys, best first, the first of equals; kept in order as they come.
template <class T> void best_of(const T *x, Index n, Index k, bool largest, T *values, int64_t *places) {
    using Key = decltype(ordered(x[0]));
    const Key flip = largest ? 0 : ~Key(0);
    constexpr Index few = 32;
    std::vector<Key> best(k);
    Index held = 0;
    for (Index begin = 0; begin < n; begin += few) {
        const Index end = std::min(n, begin + few);
        Key keys[few];
        Key most = 0;
#pragma omp simd reduction(max : most)
        for (Index i = 0; i < end - begin; ++i) {
            keys[i] = ordered(x[begin + i]) ^ flip;
            most = keys[i] > most ? keys[i] : most;
        }
        if (held == k && most <= best[k - 1]) continue;
        for (Index i = 0; i < end - begin; ++i) {
            if (held == k && keys[i] <= best[k - 1]) continue;
            Index at = held < k ? held++ : k - 1;
            for (; at > 0 && best[at - 1] < keys[i]; --at) {
                best[at] = best[at - 1];
                places[at] = places[at - 1];
            }
            best[at] = keys[i];
            places[at] = begin + i;
        }
    }
    for (Index i = 0; i < k; ++i) values[i] = x[places[i]];
}

template <class T> nb::tuple top(Array<T> x, Index k, bool largest) {
    const Index ndim = x.ndim(), n = ndim ? x.shape(ndim - 1) : 0;
    if (k < 1 || k > n || k > 64) throw nb::next_overload();
    std::vector<Index> shape(x.shape().begin(), x.shape().end());
    shape.back() = k;
    const auto values = Array<T>::empty(shape);
    const auto places = Array<int64_t>::empty(shape);
    parallel(x.size() / n, 2 * n, [&](Index begin, Index end) {
        for (Index row = begin; row < end; ++row)
            best_of(x.data() + row * n, n, k, largest, values.data() + row * k, places.data() + row * k);
    });
    return nb::make_tuple(values, places);
}

}  // namespace

void add_scans(nb::module_ &module) {
    RUSHLIGHT_FLOATING(module, cumsum);
    RUSHLIGHT_FLOATING(module, cumprod);
    module.def("sorting_keys", &sorting_keys);
    RUSHLIGHT_FLOATING(module, top);
}

}  // namespace rushlight
