// Loops shared among threads.
#pragma once

#include <algorithm>
#include <functional>

#include "array.hpp"

namespace rushlight {

// The work, in elementary operations, of one piece of a loop: below two pieces a loop stays with its caller, where the
// handing over (some 5 µs) would cost more than it saves.
constexpr Index piece_work = 1 << 15;

int get_threads();
void set_threads(int count);

// Calls piece(i) for every i of [0, pieces), in any order, on all threads and without the interpreter's lock. An
// interrupt (Ctrl-C) ends it between pieces, as an exception; so does an exception in a piece. Not for use in a piece.
void run_pieces(Index pieces, const std::function<void(Index)> &piece);

// Calls body(begin, end) so that [0, count) is covered, in pieces that depend on the count and the work of one index
// only: results do not depend on the number of threads.
template <class Body> void parallel(Index count, Index work, Body &&body) {
    work = std::max<Index>(work, 1);
    const Index length = std::max<Index>(1, piece_work / work);
    if (count * work <= piece_work) {
        if (count) body(Index(0), count);
        return;
    }
    run_pieces((count + length - 1) / length, [&](Index i) { body(i * length, std::min(count, (i + 1) * length)); });
}

}  // namespace rushlight
