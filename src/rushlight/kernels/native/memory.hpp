// The memory of large arrays.
#pragma once

#include <cstddef>

namespace rushlight {

// Arrays of fewer bytes than this are left to NumPy.
constexpr size_t large = 1 << 16;

// Lets NumPy take large arrays from the pool from here on, unless the pool is off or somebody else provides its memory.
// NumPy remembers that for each context (contextvars) by itself, and new threads begin without.
void use_pool();

}  // namespace rushlight
