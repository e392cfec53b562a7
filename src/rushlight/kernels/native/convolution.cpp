// Convolutions over one to three axes and transposed ones: sums for the outputs, as tiles of gemm.hpp over rasters.
#include <optional>

#include <nanobind/stl/optional.h>

#include "module.hpp"
#include "rasters.hpp"
#include "threads.hpp"

namespace rushlight {
namespace {

using namespace rasters;

// Vectors side by side in a tile of so many rows: as many sums as keep the multipliers busy.
template <int rows> constexpr int tile_vectors = rows == 1 ? 8 : rows < 4 ? 4 : 2;

// Writes the sums of a tile to the outputs of its spots, as far as they are before `end`; rows are `pitch` apart.
template <int rows, int vectors, class T>
inline void finish(const Vector<T> (&sums)[rows][vectors], const Pass &pass, const Spot *spots, T *out, Index pitch, Index end) {
    T lines[rows * vectors * lanes<T> + lanes<T>];
    bool stored = false;
    for (int v = 0; v < vectors; ++v) {
        const Run *run = pass.runs.data() + spots[v].first_run;
        if (run->length == lanes<T> && pass.step == 1 && run->out < end) {
            for (int r = 0; r < rows; ++r) store(out + run->out + r * pitch, sums[r][v]);
            continue;
        }
        if (!stored) std::memcpy(lines, sums, sizeof sums);
        stored = true;
        for (const Run *last = run + spots[v].runs; run < last && run->out < end; ++run)
            for (int r = 0; r < rows; ++r) {
                const T *const line = lines + (r * vectors + v) * lanes<T> + run->lane;
                T *const to = out + run->out + r * pitch;
                if (run->roomy) store(to, load(line));
                else
                    for (int i = 0; i < run->length; ++i) to[i * pass.step] = line[i];
            }
    }
}

// All spots of a pass for one panel of output channels, which are `pitch` apart.
template <class T>
void convolve(const Pass &pass, Index height, const std::vector<Index> &places, const T *source, const T *weights, const T *bias,
              T *out, Index pitch, Index end) {
    with_constant<tile_rows>(height, [&](auto rows) {
        const auto tile_at = [&](auto vectors, Index at) {
            const T *from[vectors];
            for (int v = 0; v < vectors; ++v) from[v] = source + pass.spots[at + v].place;
            const auto place = [places = places.data()](Index k) { return places[k]; };
            tile<rows, vectors, T>(static_cast<Index>(places.size()), weights, from, place, [&](auto &sums) {
                if (bias)
                    for (int r = 0; r < rows; ++r)
                        for (int v = 0; v < vectors; ++v) sums[r][v] += bias[r];
                finish<rows, vectors, T>(sums, pass, &pass.spots[at], out, pitch, end);
            });
        };
        constexpr int most = tile_vectors<rows>;
        const Index spots = static_cast<Index>(pass.spots.size());
        Index at = 0;
        for (; at + most <= spots; at += most) tile_at(std::integral_constant<int, most>(), at);
        for (; at < spots; ++at) tile_at(std::integral_constant<int, 1>(), at);
    });
}

// The weights of a group as a matrix: element k of the kernel from channel c of the source to channel r of the output is
// at data[r * row + c * column + k].
template <class T>
T *pack_weights(Matrix<T> w, const Panels &panels, Index channels, const Pass &pass, T *to) {
    for (Index i = 0; i < panels.count; ++i)
        for (Index c = 0; c < channels; ++c)
            for (const Index tap : pass.taps)
                for (Index r = panels.begin(i); r < panels.begin(i + 1); ++r) *to++ = w.data[r * w.row + c * w.column + tap];
    return to;
}

// A convolution or a transposed one: `source` (images, channels) with weights (groups * rows, columns) of kernels.
template <class T> struct Convolution {
    const T *source, *bias;
    T *out;
    Index images, groups, inner, outer;  // channels of source and output in each group
    Index out_size, source_size;
    const T *source_end;
    Raster raster;
    Index block, channel_size;  // images computed together, and what a channel of them takes on the raster
    Panels panels;
    std::vector<Pass> passes;
    std::vector<std::vector<Index>> places;  // for each pass the places on the raster, for all channels of a group
    Array<T> weights;

    Convolution(const Array<T> &source, const T *bias, Array<T> &out, const std::array<Axis, axes> &along, const Lengths &kernel,
                Index groups)
        : source(source.data()), bias(bias), out(out.data()), images(source.shape(0)), groups(groups),
          inner(source.shape(1) / groups), outer(out.shape(1) / groups), out_size(volume(image(out))),
          source_size(volume(image(source))), source_end(source.data() + source.size()), raster(along, lanes<T>),
          block(raster.in_place ? 1 : together(images, image(out), 8 * lanes<T>)), channel_size(block * raster.size), panels(outer) {
        for (const auto &a : along[0].passes)
            for (const auto &b : along[1].passes)
                for (const auto &c : along[2].passes) {
                    passes.push_back(make_pass<T>({&a, &b, &c}, raster, kernel, image(out), block, out.shape(1) * out_size));
                    places.emplace_back();
                    for (Index channel = 0; channel < inner; ++channel)
                        for (const Index place : passes.back().places) places.back().push_back(channel * channel_size + place);
                }
    }

    // Weights of a group are `group` apart.
    void pack(Matrix<T> w, Index group) {
        Index size = 0;
        for (const auto &pass : passes) size += static_cast<Index>(pass.taps.size());
        weights = Array<T>::empty({groups * outer * inner * size});
        T *to = weights.data();
        for (const auto &pass : passes)
            for (Index g = 0; g < groups; ++g) to = pack_weights({w.data + g * group, w.row, w.column}, panels, inner, pass, to);
    }

    // A panel of channels of a block of images, whose raster is at `from`.
    void compute(Index first, Index group, Index panel, const T *from) const {
        const Index row = group * outer + panels.begin(panel);
        const Index end = std::min(block, images - first) * groups * outer * out_size;
        const T *w = weights.data();
        for (size_t p = 0; p < passes.size(); ++p) {
            const Index depth = static_cast<Index>(places[p].size());
            convolve<T>(passes[p], panels.height(panel), places[p], from + group * inner * channel_size, w + row * depth,
                        bias ? bias + row : nullptr, out + (first * groups * outer + row) * out_size, out_size, end);
            w += groups * outer * depth;
        }
    }

    // Copies the channels of a block of images beside each other.
    void copy(Index first, Index begin, Index end, T *to) const {
        for (Index channel = begin; channel < end; ++channel)
            for (Index n = 0; n < block; ++n, to += raster.size)
                if (first + n < images)
                    raster.copy(source + ((first + n) * groups * inner + channel) * source_size, source_end, to);
                else std::fill_n(to, raster.size, T(0));
        if (end == groups * inner) std::fill_n(to, raster.slack, T(0));
    }

    void run() const {
        const Index blocks = (images + block - 1) / block, parts = groups * panels.count, channels = groups * inner;
        const Index raster_size = channels * channel_size + raster.slack + lanes<T>;  // vectors may reach beyond
        const Index work = std::max<Index>(1, block * out_size * static_cast<Index>(places[0].size()) * outer / panels.count / 8);
        const auto compute_all = [&](const T *rasters, Index pitch) {
            parallel(blocks * parts, work, [&](Index begin, Index end) {
                for (Index i = begin; i < end; ++i)
                    compute(i / parts * block, i % parts / panels.count, i % panels.count, rasters + i / parts * pitch);
            });
        };
        if (raster.in_place) return compute_all(source, channels * raster.size);
        if (blocks < 2 * get_threads()) {
            const auto rasters = Array<T>::empty({blocks, raster_size});
            parallel(blocks * channels, channel_size, [&](Index begin, Index end) {
                for (Index i = begin; i < end; ++i) {
                    const Index channel = i % channels, at = i / channels;
                    copy(at * block, channel, channel + 1, rasters.data() + at * raster_size + channel * channel_size);
                }
            });
            return compute_all(rasters.data(), raster_size);
        }
        parallel(blocks, work * parts, [&](Index begin, Index end) {
            T *const memory = panels_of_thread<T>(0, raster_size);
            for (Index i = begin; i < end; ++i) {
                copy(i * block, 0, channels, memory);
                for (Index part = 0; part < parts; ++part) compute(i * block, part / panels.count, part % panels.count, memory);
            }
        });
    }
};

template <class T> using Optional = std::optional<Array<T>>;

template <class T> Array<T> correlate(Array<T> x, Array<T> w, Optional<T> bias, nb::tuple moves, std::optional<nb::tuple> size) {
    const Geometry by(moves);
    const Lengths source = image(x), kernel = image(w);
    Lengths out;
    for (int axis = 0; axis < axes; ++axis)
        out[axis] = (source[axis] + 2 * by.padding[axis] - by.dilation[axis] * (kernel[axis] - 1) - 1) / by.stride[axis] + 1;
    const Lengths room = out;
    if (size) out = Geometry::lengths(*size, 1);
    const Index groups = by.groups, o = w.shape(0), c = w.shape(1), taps = volume(kernel);
    refuse(x.ndim() != by.rank + 2 || w.ndim() != x.ndim() || x.shape(1) != c * groups || o % groups);
    refuse(bias && bias->size() != o);
    std::array<Axis, axes> along;
    for (int axis = 0; axis < axes; ++axis) {
        refuse(out[axis] < 1 || out[axis] > room[axis]);
        along[axis] = gathered(source[axis], kernel[axis], out[axis], by.stride[axis], by.padding[axis], by.dilation[axis]);
    }
    auto y = image_like(x, o, out);
    Convolution<T> convolution(x, bias ? bias->data() : nullptr, y, along, kernel, groups);
    convolution.pack({w.data(), c * taps, taps}, o / groups * c * taps);
    convolution.run();
    return y;
}

template <class T> Array<T> spread(Array<T> y, Array<T> w, Optional<T> bias, nb::tuple moves, nb::tuple size) {
    const Geometry by(moves);
    const Lengths source = image(y), kernel = image(w), out = Geometry::lengths(size, 1);
    const Index groups = by.groups, o = w.shape(0), c = w.shape(1), taps = volume(kernel);
    refuse(y.ndim() != by.rank + 2 || w.ndim() != y.ndim() || y.shape(1) != o || o % groups);
    refuse(bias && bias->size() != c * groups);
    std::array<Axis, axes> along;
    for (int axis = 0; axis < axes; ++axis) {
        refuse(out[axis] < 1);
        require(out[axis] <= Index(1) << 40);
        along[axis] = spread_out(source[axis], kernel[axis], out[axis], by.stride[axis], by.padding[axis], by.dilation[axis]);
    }
    auto x = image_like(y, c * groups, out);
    Convolution<T> convolution(y, bias ? bias->data() : nullptr, x, along, kernel, groups);
    convolution.pack({w.data(), taps, c * taps}, o / groups * c * taps);
    convolution.run();
    return x;
}

}  // namespace

void add_convolution(nb::module_ &module) {
    RUSHLIGHT_FLOATING(module, correlate);
    RUSHLIGHT_FLOATING(module, spread);
}

}  // namespace rushlight
