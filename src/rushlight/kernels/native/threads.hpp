// Loops shared among threads.
#pragma once

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

// To be called now and then in a piece of more than some 0.1 s: an interrupt, or an exception in another piece, ends it there
// by an exception.
void breathe();

// Calls body(begin, end) so that [0, count) is covered, in pieces that depend on the count and the work of one index
// only: results do not depend on the number of threads.
void share_out(Index count, Index work, const std::function<void(Index, Index)> &body);
template <class Body> void parallel(Index count, Index work, Body &&body) { share_out(count, work, std::ref(body)); }

}  // namespace rushlight
