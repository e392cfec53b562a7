// The gradient of a convolution's weights: sums over all positions of all images.
#include <bit>
#include <limits>

#include "maths.hpp"
#include "module.hpp"
#include "rasters.hpp"
#include "threads.hpp"

namespace rushlight {
namespace {

using namespace rasters;

template <class T> T all_bits() { return std::bit_cast<T>(typename Format<T>::Bits(-1)); }

#ifdef __GNUC__
template <class T> inline Vector<T> masked(const Vector<T> &x, const Vector<T> &mask) {
    typedef typename Format<T>::Bits Bits __attribute__((vector_size(vector_bytes)));
    return (Vector<T>)((Bits)x & (Bits)mask);
}
#else
template <class T> inline Vector<T> masked(Vector<T> x, Vector<T> mask) {
    using Bits = typename Format<T>::Bits;
    for (int i = 0; i < lanes<T>; ++i) x[i] = std::bit_cast<Bits>(mask[i]) ? x[i] : 0;
    return x;
}
#endif

// Sums of neighbouring lanes: those of a, then those of b.
template <class T> inline Vector<T> sums_of_pairs(const Vector<T> &a, const Vector<T> &b) {
#if defined(__has_builtin) && __has_builtin(__builtin_shufflevector)
    return [&]<int... i>(std::integer_sequence<int, i...>) {
        return __builtin_shufflevector(a, b, 2 * i...) + __builtin_shufflevector(a, b, 2 * i + 1 ...);
    }(std::make_integer_sequence<int, lanes<T>>());
#else
    Vector<T> sums;
    for (int i = 0; i < lanes<T> / 2; ++i) {
        sums[i] = a[2 * i] + a[2 * i + 1];
        sums[i + lanes<T> / 2] = b[2 * i] + b[2 * i + 1];
    }
    return sums;
#endif
}

// The sums of the lanes of so many vectors, a power of two: lanes / count next to each other belong to each.
template <int count, class T> inline Vector<T> sums_of_lanes(const Vector<T> *x) {
    if constexpr (count == 1) return *x;
    else return sums_of_pairs<T>(sums_of_lanes<count / 2, T>(x), sums_of_lanes<count / 2, T>(x + count / 2));
}

// Adds the sum of the lanes of each vector to an element of w.
template <int count, class T> inline void add_sums(const Vector<T> (&x)[count], T *w) {
    constexpr int each = count > lanes<T> ? 1 : count > 8 ? 16 : count > 4 ? 8 : count > 2 ? 4 : count;
    if constexpr (each > lanes<T> || each < count) {
        for (int i = 0; i < count; ++i) {
            const Vector<T> one[1] = {x[i]};
            add_sums<1, T>(one, w + i);
        }
    } else {
        Vector<T> all[each] = {};
        std::copy_n(x, count, all);
        auto sums = sums_of_lanes<each, T>(all);
        for (int left = lanes<T> / each; left > 1; left /= 2) sums = sums_of_pairs<T>(sums, sums);
        T line[lanes<T>];
        store(line, sums);
        for (int i = 0; i < count; ++i) w[i] += line[i];
    }
}

// Weights that a tile sums: of `rows` output channels with `columns` elements of kernels.
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int weigh_rows = 6, weigh_columns = 4, weigh_alone = 9;
#else
constexpr int weigh_rows = 3, weigh_columns = 3, weigh_alone = 6;
#endif
template <int rows> constexpr int weigh_width = rows == 1 ? weigh_alone : weigh_columns;

// Adds to w the sums over all spots of y times x, which is at x[place + spot]. Lanes that are no position are zero in y and
// masked in x, where they may be anything.
template <int rows, int columns, class T>
void weigh_tile(const Pass &pass, const T *y, Index pitch, const T *x, const Index *places, const T *masks, T *w, Index w_pitch) {
    Vector<T> sums[rows][columns] = {};
    const Index spots = static_cast<Index>(pass.spots.size());
    for (Index s = 0; s < spots; ++s) {
        const auto mask = load(masks + s * lanes<T>);
        const T *const at = x + pass.spots[s].place;
        Vector<T> part[columns];
        for (int c = 0; c < columns; ++c) part[c] = masked<T>(load(at + places[c]), mask);
#pragma GCC unroll 16
        for (int r = 0; r < rows; ++r) {
            const auto line = load(y + r * pitch + s * lanes<T>);
            for (int c = 0; c < columns; ++c) sums[r][c] += line * part[c];
        }
    }
    for (int r = 0; r < rows; ++r) add_sums<columns, T>(sums[r], w + r * w_pitch);
}

// Room that no source has: with few positions images are computed together, which they are not in place.
constexpr Index no_place = std::numeric_limits<Index>::max() / 2;

// The weights of the groups, summed over all positions of all images.
template <class T> struct Weighing {
    const T *x, *y, *y_end;
    Index images, groups, inner, outer, out_size;
    Raster raster;
    Index block, channel_size;
    Pass pass;
    std::vector<Index> places;
    std::vector<T> masks, run_masks;  // of the lanes of each spot and of each run

    Weighing(const Array<T> &x, const Array<T> &y, const std::array<Axis, axes> &along, const Lengths &kernel, Index groups)
        : x(x.data()), y(y.data()), y_end(y.data() + y.size()), images(x.shape(0)), groups(groups), inner(x.shape(1) / groups), outer(y.shape(1) / groups),
          out_size(volume(image(y))), raster(along, out_size < 32 * lanes<T> ? no_place : lanes<T>),
          block(raster.in_place ? 1 : std::min(together(images, image(y), 64 * lanes<T>), std::max<Index>(1, (1 << 18) / (inner * raster.size)))), channel_size(block * raster.size),
          pass(make_pass<T>({&along[0].passes[0], &along[1].passes[0], &along[2].passes[0]}, raster, kernel, image(y), block,
                            groups * outer * out_size)),
          masks(pass.spots.size() * lanes<T>), run_masks(pass.runs.size() * lanes<T>) {
        for (Index channel = 0; channel < inner; ++channel)
            for (const Index place : pass.places) places.push_back(channel * channel_size + place);
        for (size_t s = 0; s < pass.spots.size(); ++s)
            for (Index r = 0; r < pass.spots[s].runs; ++r) {
                const Index at = pass.spots[s].first_run + r;
                const Run &run = pass.runs[at];
                std::fill_n(&masks[s * lanes<T> + run.lane], run.length, all_bits<T>());
                std::fill_n(&run_masks[at * lanes<T> + run.lane], run.length, all_bits<T>());
            }
    }

    void run(T *w) const {
        // A fixed part of the blocks is summed at a time, whatever the number of threads, and the sums then added.
        const Index blocks = (images + block - 1) / block, weights = groups * outer * static_cast<Index>(places.size());
        const Index chunks = std::min<Index>(blocks, std::clamp<Index>((Index(1) << 22) / weights, 1, 16));
        const Index parts = chunks * groups, each = weights / groups, raster_size = inner * channel_size + raster.slack + lanes<T>;
        auto partial = Array<T>::empty({chunks, weights});
        parallel(parts, blocks / chunks * block * out_size * each / 8, [&](Index begin, Index end) {
            T *const rasters = panels_of_thread<T>(0, raster_size), *const memory = panels_of_thread<T>(1, weigh_rows * line());
            for (Index i = begin; i < end; ++i) {
                const Index chunk = i / groups, group = i % groups;
                T *const to = partial.data() + i * each;
                std::fill_n(to, each, T(0));
                for (Index b = blocks * chunk / chunks; b < blocks * (chunk + 1) / chunks; ++b) {
                    const T *at = x + (b * groups + group) * inner * raster.size;
                    if (!raster.in_place) {
                        copy(b * block, group, rasters);
                        at = rasters;
                    }
                    add(b * block, group, at, memory, to);
                }
            }
        });
        parallel(weights, chunks, [&](Index begin, Index end) {
            std::copy(partial.data() + begin, partial.data() + end, w + begin);
            for (Index chunk = 1; chunk < chunks; ++chunk)
                for (Index i = begin; i < end; ++i) w[i] += partial.data()[chunk * weights + i];
        });
    }

private:
    // The raster of a group's channels of a block of images.
    void copy(Index first, Index group, T *to) const {
        const Index size = volume(raster.source);
        for (Index channel = 0; channel < inner; ++channel)
            for (Index n = 0; n < block; ++n, to += raster.size)
                if (first + n < images)
                    raster.copy(x + ((first + n) * groups * inner + group * inner + channel) * size, x + images * groups * inner * size, to);
                else std::fill_n(to, raster.size, T(0));
        std::fill_n(to, raster.slack, T(0));
    }

    Index line() const { return static_cast<Index>(pass.spots.size()) * lanes<T>; }

    // The outputs of a channel, from the image that `from` is in, in the lanes of the spots.
    void arrange(const T *from, Index end, T *to) const {
        for (const Spot &spot : pass.spots) {
            Vector<T> line = {};
            for (Index r = spot.first_run; r < spot.first_run + spot.runs; ++r) {
                const Run &run = pass.runs[r];
                if (run.out >= end) break;
                const T *at = from + run.out - run.lane;
                T part[lanes<T>] = {};
                if (at < y || at + lanes<T> > y_end) {
                    std::copy_n(from + run.out, run.length, part + run.lane);
                    at = part;
                }
                line += masked<T>(load(at), load(&run_masks[r * lanes<T>]));
            }
            store(to, line);
            to += lanes<T>;
        }
    }

    // Adds to w, (outer, inner * taps), what a block of images has in a group, whose raster is at `at`.
    void add(Index first, Index group, const T *at, T *memory, T *w) const {
        const Index channels = groups * outer, taps = static_cast<Index>(places.size());
        const Index end = std::min(block, images - first) * channels * out_size;
        const Index row_panels = (outer + weigh_rows - 1) / weigh_rows;
        for (Index panel = 0; panel < row_panels; ++panel) {
            const Index row = outer * panel / row_panels, rows = outer * (panel + 1) / row_panels - row;
            for (Index r = 0; r < rows; ++r)
                arrange(y + (first * channels + group * outer + row + r) * out_size, end, memory + r * line());
            with_constant<weigh_rows>(rows, [&](auto rows) {
                constexpr int most = weigh_width<rows>;
                const Index panels = (taps + most - 1) / most;
                for (Index i = 0; i < panels; ++i) {
                    const Index tap = taps * i / panels;
                    with_constant<most>(taps * (i + 1) / panels - tap, [&](auto columns) {
                        weigh_tile<rows, columns, T>(pass, memory, line(), at, &places[tap], masks.data(), w + row * taps + tap, taps);
                    });
                }
            });
        }
    }
};

template <class T> Array<T> weigh(Array<T> x, Array<T> y, nb::tuple moves, nb::tuple size) {
    const Geometry by(moves);
    const Lengths source = image(x), out = image(y), kernel = Geometry::lengths(size, 1);
    const Index groups = by.groups, channels = x.shape(1), o = y.shape(1);
    refuse(x.ndim() != by.rank + 2 || y.ndim() != x.ndim() || x.shape(0) != y.shape(0) || channels % groups || o % groups);
    std::array<Axis, axes> along;
    for (int axis = 0; axis < axes; ++axis) {
        require(kernel[axis] <= Geometry::most);
        const Index reach = (out[axis] - 1) * by.stride[axis] + by.dilation[axis] * (kernel[axis] - 1) + 1;
        refuse(kernel[axis] < 1 || reach > source[axis] + 2 * by.padding[axis]);
        along[axis] = gathered(source[axis], kernel[axis], out[axis], by.stride[axis], by.padding[axis], by.dilation[axis]);
    }
    const Weighing<T> weighing(x, y, along, kernel, groups);
    Index shape[2 + axes] = {o, channels / groups};
    std::copy(kernel.end() - by.rank, kernel.end(), shape + 2);
    const auto w = Array<T>::empty(std::span<const Index>(shape, 2 + by.rank));
    weighing.run(w.data());
    return w;
}

}  // namespace

void add_weighing(nb::module_ &module) { RUSHLIGHT_FLOATING(module, weigh); }

}  // namespace rushlight
