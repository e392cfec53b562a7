// Elementary functions without branches or tables, so that loops over them vectorise for every instruction set.
// T is float or double; errors are stated in units in the last place (ulp).
#pragma once

#include <bit>
#include <cstdint>
#include <limits>
#include <type_traits>

namespace rushlight {

template <class T> struct Format;
template <> struct Format<float> {
    using Bits = int32_t;
    static constexpr int mantissa = 23, bias = 127;
    static constexpr float rounder = 0x1.8p23f;  // adding it leaves an integer in the last bits
    static constexpr float exp_lowest = -105.0f, exp_highest = 89.0f;
    static constexpr float log2e = 0x1.715476p0f, ln2_upper = 0x1.62ep-1f, ln2_lower = 0x1.0bfbe8p-15f;
    static constexpr int exp_degree = 7;
};
template <> struct Format<double> {
    using Bits = int64_t;
    static constexpr int mantissa = 52, bias = 1023;
    static constexpr double rounder = 0x1.8p52;
    static constexpr double exp_lowest = -746.0, exp_highest = 710.0;
    static constexpr double log2e = 0x1.71547652b82fep0, ln2_upper = 0x1.62e42fefa3800p-1, ln2_lower = 0x1.ef35793c76730p-45;
    static constexpr int exp_degree = 13;
};

// 2^n for n within the exponents of normal numbers.
template <class T> inline T power_of_two(typename Format<T>::Bits n) {
    return std::bit_cast<T>((n + Format<T>::bias) << Format<T>::mantissa);
}

// e^x, within 1 ulp: with x = n ln 2 + r and |r| <= ln 2 / 2 it is 2^n e^r, and e^r its Taylor polynomial.
template <class T> inline T exp(T x) {
    using F = Format<T>;
    x = x < F::exp_lowest ? F::exp_lowest : x > F::exp_highest ? F::exp_highest : x;  // NaN stays
    const T shifted = x * F::log2e + F::rounder;
    const auto n = std::bit_cast<typename F::Bits>(shifted) - std::bit_cast<typename F::Bits>(F::rounder);
    const T whole = shifted - F::rounder;
    const T r = (x - whole * F::ln2_upper) - whole * F::ln2_lower;
    T sum = 0;
    T inverse_factorials[F::exp_degree + 1] = {1};
    for (int k = 1; k <= F::exp_degree; ++k) inverse_factorials[k] = inverse_factorials[k - 1] / k;
    for (int k = F::exp_degree; k >= 0; --k) sum = sum * r + inverse_factorials[k];
    // In two steps, since 2^n alone may be out of range where the result is not.
    const auto half = n >> 1;
    return sum * power_of_two<T>(half) * power_of_two<T>(n - half);
}

}  // namespace rushlight
