// Convolutions over one to three axes: a sum over input, weight and output positions, and its partial derivatives.
//
// The products are the tiles of gemm.hpp, without a matrix of all windows: an image is copied with its zeros, elements
// that are a stride apart next to each other ("raster"), and for each element of the kernel a row of the matrix is then
// a shifted part of that copy. A vector of positions may thus go on in the next row of the image; the places between
// rows that are no positions are computed too and dropped.
#include <array>
#include <optional>
#include <vector>

#include <nanobind/stl/optional.h>

#include "gemm.hpp"
#include "maths.hpp"
#include "module.hpp"
#include "threads.hpp"

namespace rushlight {
namespace {

constexpr int axes = 3;  // of images; those with fewer have leading ones of length one
using Lengths = std::array<Index, axes>;

Index volume(const Lengths &lengths) { return lengths[0] * lengths[1] * lengths[2]; }

// Calls body(i, index) for each index within the lengths, in C order.
template <class Body> void over(const Lengths &lengths, Body &&body) {
    Index i = 0;
    Lengths at;
    for (at[0] = 0; at[0] < lengths[0]; ++at[0])
        for (at[1] = 0; at[1] < lengths[1]; ++at[1])
            for (at[2] = 0; at[2] < lengths[2]; ++at[2]) body(i++, at);
}

// How the kernel moves: the Geometry of the definition.
struct Geometry {
    static constexpr Index most = 1 << 24;  // so that sums and products of a few stay within an Index

    int rank;
    Lengths stride, padding, dilation;
    Index groups;

    explicit Geometry(nb::tuple by) : stride(lengths(nb::object(of_four(by)[0]), 1)), padding(lengths(nb::object(by[1]), 0)), dilation(lengths(nb::object(by[2]), 1)) {
        rank = static_cast<int>(nb::len(nb::object(by[0])));
        groups = nb::cast<Index>(by[3]);
        require(groups >= 1);
        for (int axis = 0; axis < axes; ++axis)
            require(1 <= stride[axis] && stride[axis] <= most && 0 <= padding[axis] && padding[axis] <= most && 1 <= dilation[axis] &&
                    dilation[axis] <= most);
    }

    static const nb::tuple &of_four(const nb::tuple &by) {
        require(by.size() == 4);
        return by;
    }

    static Lengths lengths(nb::handle values, Index missing) {
        const int rank = static_cast<int>(nb::len(values));
        if (rank < 1 || rank > axes) throw nb::next_overload();
        Lengths result = {missing, missing, missing};
        for (int axis = 0; axis < rank; ++axis) result[axes - rank + axis] = nb::cast<Index>(values[axis]);
        return result;
    }
};

// The last axes of an array.
template <class T> Lengths image(const Array<T> &x) {
    if (x.ndim() < 3 || x.ndim() > 2 + axes || !x.size()) throw nb::next_overload();
    Lengths result = {1, 1, 1};
    for (int axis = 2; axis < x.ndim(); ++axis) result[axes - x.ndim() + axis] = x.shape(axis);
    return result;
}

template <class T> Array<T> image_like(const Array<T> &x, Index channels, const Lengths &size) {
    const int rank = x.ndim() - 2;
    Index shape[2 + axes] = {x.shape(0), channels};
    std::copy(size.end() - rank, size.end(), shape + 2);
    return Array<T>::empty(std::span<const Index>(shape, 2 + rank));
}

// One axis of the copy of an image: for each phase the elements start + phase + i * step of the source, with zeros
// where it has none.
struct Line {
    Index source, start, step, extent;
    std::vector<Index> phases;
};

// One axis of a pass over outputs: `count` of them from `first`, `step` apart, and for each element k of the kernel that
// they meet where on the raster the first one does so.
struct Outputs {
    Index first, step, count;
    struct Tap {
        Index k, phase, place;
    };
    std::vector<Tap> taps;
};

struct Axis {
    Line line;
    std::vector<Outputs> passes;
};

// An axis along which outputs are sums of their windows.
Axis gathered(Index source, Index kernel, Index out, Index stride, Index padding, Index dilation) {
    Axis axis = {{source, -padding, stride, out + dilation * (kernel - 1) / stride, {}}, {{0, 1, out, {}}}};
    auto &phases = axis.line.phases;
    for (Index k = 0; k < kernel; ++k) {
        const Index phase = k * dilation % stride;
        auto known = std::find(phases.begin(), phases.end(), phase);
        if (known == phases.end()) known = phases.insert(known, phase);
        axis.passes[0].taps.push_back({k, known - phases.begin(), k * dilation / stride});
    }
    return axis;
}

Index divided_up(Index a, Index b) { return a >= 0 ? (a + b - 1) / b : -(-a / b); }

// An axis along which the source's elements are spread over windows of the output. Those outputs that are a stride apart
// meet the same elements of the kernel.
Axis spread_out(Index source, Index kernel, Index out, Index stride, Index padding, Index dilation) {
    Axis axis = {{source, 0, 1, 1, {0}}, {}};
    Index lowest = 0, highest = 0;
    for (Index phase = 0; phase < stride; ++phase) {
        const Index begin = divided_up(padding - phase, stride), end = divided_up(padding + out - phase, stride);
        if (begin >= end) continue;
        Outputs outputs = {begin * stride + phase - padding, stride, end - begin, {}};
        for (Index k = 0; k < kernel; ++k)
            if ((k * dilation - phase) % stride == 0) {
                const Index place = begin - (k * dilation - phase) / stride;
                outputs.taps.push_back({k, 0, place});
                lowest = axis.passes.empty() && outputs.taps.size() == 1 ? place : std::min(lowest, place);
                highest = std::max(highest, place + outputs.count);
            }
        axis.passes.push_back(outputs);
    }
    for (auto &pass : axis.passes)
        for (auto &tap : pass.taps) tap.place -= lowest;
    axis.line.start = lowest;
    axis.line.extent = std::max<Index>(highest - lowest, 1);
    for (auto &pass : axis.passes) axis.line.extent = std::max(axis.line.extent, pass.count);
    return axis;
}

// The copy of a channel: for all phases of all axes an image of `extent`. Zeros after a row are those before the next one,
// and so are those after an image, so that after the last one `slack` more are read.
struct Raster {
    std::array<Line, axes> lines;
    Lengths source, phases, extent;
    Index phase_size, size, slack;
    bool in_place;  // it is the source itself

    Raster(const std::array<Axis, axes> &from, Index vector) {
        in_place = true;
        Index reach = 0;
        for (int axis = 0; axis < axes; ++axis) {
            const Line &line = lines[axis] = from[axis].line;
            source[axis] = line.source;
            phases[axis] = static_cast<Index>(line.phases.size());
            extent[axis] = line.extent;
            in_place &= line.step == 1 && !line.start && line.extent <= line.source;
            Index furthest = 0;
            for (const auto &pass : from[axis].passes)
                for (const auto &tap : pass.taps) furthest = std::max(furthest, tap.place);
            reach = reach * line.source + furthest;
        }
        in_place &= reach + vector <= volume(source);
        if (in_place) extent = source;
        slack = 0;
        for (int axis = 0; axis < axes; ++axis) {
            const Index before = -lines[axis].start, after = lines[axis].extent - before - source[axis];
            Index shared = in_place || lines[axis].step > 1 ? 0 : std::min(before, after);
            for (const auto &pass : from[axis].passes) shared = std::min(shared, extent[axis] - pass.count);
            shared = std::max<Index>(shared, 0);
            extent[axis] -= shared;
            slack = slack * extent[axis] + shared;
        }
        phase_size = volume(extent);
        size = volume(phases) * phase_size;
        double exact = 1;
        for (int axis = 0; axis < axes; ++axis) exact *= static_cast<double>(phases[axis]) * static_cast<double>(extent[axis]);
        if (exact > 1e11) throw std::bad_alloc();
    }

    // Copies a channel whose memory ends before `last`.
    template <class T> void copy(const T *from, const T *last, T *to) const {
        const T *const stop = to + size;
        const Index step = lines[2].step, length = extent[2];
        over(phases, [&](Index, const Lengths &phase) {
            Lengths start;
            for (int axis = 0; axis < axes; ++axis) start[axis] = lines[axis].start + lines[axis].phases[phase[axis]];
            const Index begin = std::clamp<Index>(divided_up(-start[2], step), 0, length);
            const Index end = std::clamp<Index>(divided_up(source[2] - start[2], step), begin, length);
            over({extent[0], extent[1], 1}, [&](Index, const Lengths &at) {
                const Index i = start[0] + at[0] * lines[0].step, j = start[1] + at[1] * lines[1].step;
                if (i >= 0 && i < source[0] && j >= 0 && j < source[1]) {
                    const T *const row = from + (i * source[1] + j) * source[2] + start[2];
                    const bool roomy = stop - to >= length + lanes<T> && last - row >= (length + lanes<T>) * step;
                    fill(to, begin, stop);
                    if (step == 1) copy_every<1>(row, begin, end, to, roomy);
                    else if (step == 2) copy_every<2>(row, begin, end, to, roomy);
                    else copy_every<0>(row, begin, end, to, false);
                    fill(to + end, length - end, stop);
                } else fill(to, length, stop);
                to += length;
            });
        });
    }

private:
    // Zeros; whole vectors of them where what comes after is written later, up to `stop`.
    template <class T> static void fill(T *to, Index length, const T *stop) {
        if (length <= 0) return;
        if (stop - to >= length + lanes<T>)
            for (Index k = 0; k < length; k += lanes<T>) std::fill_n(to + k, lanes<T>, T(0));
        else
            for (Index k = 0; k < length; ++k) to[k] = 0;
    }

    // With a constant step this is vectorised; zero stands for any other. Whole vectors where there is room for them.
    template <int constant, class T> void copy_every(const T *from, Index begin, Index end, T *to, bool roomy) const {
        const Index step = constant ? constant : lines[2].step;
        if (roomy)
            for (Index k = begin; k < end; k += lanes<T>) {
                T line[lanes<T>];
                for (int l = 0; l < lanes<T>; ++l) line[l] = from[(k + l) * step];
                std::memcpy(to + k, line, sizeof line);
            }
        else
            for (Index k = begin; k < end; ++k) to[k] = from[k * step];
    }
};

// Lanes of a vector of positions that are neighbours among the outputs too.
struct Run {
    int lane, length;
    Index out;
    bool roomy;  // a whole vector may be written there: what comes after belongs to the same rows
};

// A vector of positions: where it begins on the raster, and which lanes are outputs.
struct Spot {
    Index place, first_run, runs;
};

// One pass over the outputs: the elements of the kernel that they meet, and vectors that cover their positions.
struct Pass {
    std::vector<Index> taps, places;  // the number of a kernel's element, and where on the raster it meets the first output
    std::vector<Spot> spots;
    std::vector<Run> runs;
    Index step;
};

// A pass from one of those along each axis, over images that follow each other on the raster and, `pitch` apart, in the
// outputs.
template <class T>
Pass make_pass(const std::array<const Outputs *, axes> &along, const Raster &raster, const Lengths &kernel, const Lengths &out,
               Index images, Index pitch) {
    const Outputs *const planes = along[0], *const rows = along[1], *const columns = along[2];
    Pass pass = {{}, {}, {}, {}, columns->step};
    Index reach = 0;
    for (const auto &a : planes->taps)
        for (const auto &b : rows->taps)
            for (const auto &c : columns->taps) {
                pass.taps.push_back((a.k * kernel[1] + b.k) * kernel[2] + c.k);
                const Index phase = (a.phase * raster.phases[1] + b.phase) * raster.phases[2] + c.phase;
                const Index row = (phase * raster.extent[0] + a.place) * raster.extent[1] + b.place;
                pass.places.push_back(row * raster.extent[2] + c.place);
                reach = std::max(reach, pass.places.back());
            }
    const bool whole = columns->count == out[2] && rows->count == out[1] && planes->count == out[0];
    Index reached = 0;  // the end of the last vector
    over({images * planes->count, rows->count, 1}, [&](Index, const Lengths &at) {
        const Index n = at[0] / planes->count, i = at[0] % planes->count, j = at[1];
        const Index row = n * raster.size + (i * raster.extent[1] + j) * raster.extent[2];
        const Index to_row = ((planes->first + i * planes->step) * out[1] + rows->first + j * rows->step) * out[2];
        for (Index k = 0; k < columns->count;) {
            if (pass.spots.empty() || row + k >= reached) {
                // On the source itself no vector reaches beyond the end.
                const Index place = raster.in_place ? std::min(row + k, raster.size - reach - lanes<T>) : row + k;
                pass.spots.push_back({place, static_cast<Index>(pass.runs.size()), 0});
                reached = place + lanes<T>;
            }
            const Index length = std::min(columns->count - k, reached - row - k);
            const Index to = to_row + columns->first + k * columns->step;
            const Index lane = row + k - pass.spots.back().place;
            pass.runs.push_back({static_cast<int>(lane), static_cast<int>(length), n * pitch + to,
                                 whole && to + lanes<T> <= volume(out)});
            ++pass.spots.back().runs;
            k += length;
        }
    });
    return pass;
}

// Sums for the outputs

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

// How many images are computed together, where one has too few positions for full vectors.
Index together(Index images, const Lengths &positions, Index wished) {
    const Index each = volume(positions);
    return std::min(images, (wished + each - 1) / each);
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

void refuse(bool wrong) {
    if (wrong) throw std::invalid_argument("shapes of a convolution do not fit");
}

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

// Sums for the weights

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

void add_convolution(nb::module_ &module) {
    RUSHLIGHT_FLOATING(module, correlate);
    RUSHLIGHT_FLOATING(module, spread);
    RUSHLIGHT_FLOATING(module, weigh);
}

}  // namespace rushlight
