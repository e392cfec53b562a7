// What convolutions over one to three axes compute on: an image is copied with its zeros, elements that are a stride apart
// next to each other ("raster"), and for each element of the kernel a row of the matrix of all windows is then a shifted
// part of that copy. A vector of positions may thus go on in the next row of the image; the places between rows that are no
// positions are computed too and dropped.
#pragma once

#include <array>
#include <new>
#include <stdexcept>
#include <vector>

#include "gemm.hpp"

namespace rushlight::rasters {

constexpr int axes = 3;  // of images; those with fewer have leading ones of length one
using Lengths = std::array<Index, axes>;

inline Index volume(const Lengths &lengths) { return lengths[0] * lengths[1] * lengths[2]; }

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
        require(1 <= groups && groups <= most);
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
inline Axis gathered(Index source, Index kernel, Index out, Index stride, Index padding, Index dilation) {
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

inline Index divided_up(Index a, Index b) { return a >= 0 ? (a + b - 1) / b : -(-a / b); }

// An axis along which the source's elements are spread over windows of the output. Those outputs that are a stride apart
// meet the same elements of the kernel.
inline Axis spread_out(Index source, Index kernel, Index out, Index stride, Index padding, Index dilation) {
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

// How many images are computed together, where one has too few positions for full vectors.
inline Index together(Index images, const Lengths &positions, Index wished) {
    const Index each = volume(positions);
    return std::min(images, (wished + each - 1) / each);
}

inline void refuse(bool wrong) {
    if (wrong) throw std::invalid_argument("shapes of a convolution do not fit");
}

}  // namespace rushlight::rasters
