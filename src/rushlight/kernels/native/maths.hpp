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
    static constexpr float root_half = 0x1.6a09e6p-1f, two_to_mantissa = 0x1p23f;
    static constexpr int log_terms = 5;
};
template <> struct Format<double> {
    using Bits = int64_t;
    static constexpr int mantissa = 52, bias = 1023;
    static constexpr double rounder = 0x1.8p52;
    static constexpr double exp_lowest = -746.0, exp_highest = 710.0;
    static constexpr double log2e = 0x1.71547652b82fep0, ln2_upper = 0x1.62e42fefa3800p-1, ln2_lower = 0x1.ef35793c76730p-45;
    static constexpr int exp_degree = 13;
    static constexpr double root_half = 0x1.6a09e667f3bcdp-1, two_to_mantissa = 0x1p52;
    static constexpr int log_terms = 10;
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

// The natural logarithm, within 1 ulp: x = 2^n m with m within √½ and √2, and log m = 2 artanh(s) of s = f / (2 + f),
// f = m - 1, by its Taylor series. Of zero it is -inf, of negative numbers NaN.
template <class T> inline T log(T x) {
    using F = Format<T>;
    using Unsigned = std::make_unsigned_t<typename F::Bits>;
    constexpr T lowest = std::numeric_limits<T>::min(), infinity = std::numeric_limits<T>::infinity();
    constexpr auto one = std::bit_cast<Unsigned>(T(1)), root_half = std::bit_cast<Unsigned>(F::root_half);
    constexpr Unsigned fraction = (Unsigned(1) << F::mantissa) - 1;
    const T normal = x < lowest ? x * F::two_to_mantissa : x;
    const auto bits = std::bit_cast<Unsigned>(normal) + (one - root_half);
    // n is put into the last bits of a number, which is a conversion on all processors.
    const T whole = std::bit_cast<T>(std::bit_cast<Unsigned>(F::rounder) + (bits >> F::mantissa)) - F::rounder;
    const T n = whole - (x < lowest ? F::bias + F::mantissa : F::bias);
    const T f = std::bit_cast<T>((bits & fraction) + root_half) - 1;
    const T s = f / (2 + f), square = s * s;
    T series = 0;
    for (int k = F::log_terms; k >= 1; --k) series = (series + T(2) / (2 * k + 1)) * square;
    const T half_square = f * f / 2;
    const T result = n * F::ln2_upper - ((half_square - (s * (half_square + series) + n * F::ln2_lower)) - f);
    return x > 0 ? (x < infinity ? result : x) : x == 0 ? -infinity : std::numeric_limits<T>::quiet_NaN();
}

// log(1 + x), within 2 ulp: what 1 + x loses in rounding is added to the first order.
template <class T> inline T log1p(T x) {
    const T u = 1 + x;
    const T lost = x - (u - 1);
    const T of_u = log(u);
    const T result = u > 0 && u < std::numeric_limits<T>::infinity() ? of_u + lost / u : of_u;
    return x == 0 ? x : result;
}

}  // namespace rushlight
