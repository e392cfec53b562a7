// Elementary functions without branches or tables, so that loops over them vectorise for every instruction set.
// T is float or double; errors are stated in units in the last place (ulp).
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>

namespace rushlight {

template <class T> struct Format;
template <> struct Format<float> {
    using Bits = int32_t;
    static constexpr int mantissa = 23, bias = 127;
    static constexpr float rounder = 0x1.8p23f;  // adding it leaves an integer in the last bits
    static constexpr float exp_lowest = -105.0f, exp_lowest_normal = -88.0f;
    static constexpr float log2e = 0x1.715476p0f, ln2_upper = 0x1.62ep-1f, ln2_lower = 0x1.0bfbe8p-15f;
    static constexpr int exp_degree = 7, log_terms = 5, erf_terms = 7, softplus_terms = 8;
    static constexpr float rounder_of_half = 0x1.8p15f;
    static constexpr float saturation = 10.0f;  // from here on tanh is 1
    static constexpr std::array<float, 11> erfcx = {
        0x1.1649460p0f, -0x1.e02748p-1f, 0x1.6362d6p-1f, -0x1.bdb422p-2f, 0x1.ce517cp-3f, -0x1.7a0f5ep-4f,
        0x1.b266eep-6f, -0x1.acddp-9f, -0x1.67903p-10f, 0x1.c302eap-11f, 0x1.76c836p-13f};
};
template <> struct Format<double> {
    using Bits = int64_t;
    static constexpr int mantissa = 52, bias = 1023;
    static constexpr double rounder = 0x1.8p52;
    static constexpr double exp_lowest = -746.0, exp_lowest_normal = -709.0;
    static constexpr double log2e = 0x1.71547652b82fep0, ln2_upper = 0x1.62e42fefa3800p-1, ln2_lower = 0x1.ef35793c76730p-45;
    static constexpr int exp_degree = 13, log_terms = 11, erf_terms = 13, softplus_terms = 16;
    static constexpr double rounder_of_half = 0x1.8p32;
    static constexpr double saturation = 20.0;
    static constexpr std::array<double, 23> erfcx = {
        0x1.1649466cd0bf1p+0, -0x1.e02749166d56dp-1, 0x1.6362dd280195dp-1, -0x1.bdb3c1808b492p-2, 0x1.ce500ceb5bdd7p-3,
        -0x1.7a232e1d1a434p-4, 0x1.b27b2747fc97bp-6, -0x1.a06c1eb46a1aap-9, -0x1.5630dec6a2c8ep-10,
        0x1.769ed3c8ad567p-11, -0x1.60d7d855b14ccp-15, -0x1.39a39417538dbp-14, 0x1.38d9273e3635ep-16,
        0x1.e63316fbb37a3p-18, -0x1.c74282a6517c9p-19, -0x1.ac4bd04329e0fp-21, 0x1.27617f7588a19p-21,
        0x1.f9391744290e4p-24, -0x1.644552295cdb1p-24, -0x1.852abe28aedafp-26, 0x1.279a73b57fbccp-27,
        0x1.e4ccca0691296p-29, 0x1.27cdd2e0ba754p-33};
};

// 2^n for n within the exponents of normal numbers.
template <class T> inline T power_of_two(typename Format<T>::Bits n) {
    return std::bit_cast<T>((n + Format<T>::bias) << Format<T>::mantissa);
}

template <std::size_t exponent, class T> inline T power(T x) {
    if constexpr (exponent == 1) return x;
    else return power<exponent / 2>(x * x);
}

// A polynomial; `coefficients` from the constant one on. Halves are summed side by side (Estrin), since the processor
// waits four steps for each product and does others meanwhile.
template <class T, std::size_t terms, std::size_t from = 0, std::size_t count = terms>
inline T polynomial(T x, const std::array<T, terms> &coefficients) {
    if constexpr (count == 1) {
        return coefficients[from];
    } else {
        constexpr std::size_t half = std::bit_ceil(count) / 2;  // a power of two
        return polynomial<T, terms, from, half>(x, coefficients) +
               power<half>(x) * polynomial<T, terms, from + half, count - half>(x, coefficients);
    }
}

// The coefficients term(0), term(1), ...
template <std::size_t terms, class Term> constexpr auto coefficients(Term term) {
    std::array<decltype(term(0)), terms> result{};
    for (std::size_t k = 0; k < terms; ++k) result[k] = term(static_cast<int>(k));
    return result;
}

// x = n ln 2 + r with |r| <= ln 2 / 2, for the exponentials.
template <class T> struct Reduced {
    typename Format<T>::Bits n;
    T r;

    explicit Reduced(T x, T lowest = Format<T>::exp_lowest) {
        using F = Format<T>;
        x = x < lowest ? lowest : x;  // NaN stays
        constexpr auto zero = std::bit_cast<typename F::Bits>(F::rounder);
        // Beyond the largest exponent r is no longer small, and the result infinite.
        const auto bits = std::min(std::bit_cast<typename F::Bits>(x * F::log2e + F::rounder), zero + F::bias + 1);
        n = bits - zero;
        const T whole = std::bit_cast<T>(bits) - F::rounder;
        r = (x - whole * F::ln2_upper) - whole * F::ln2_lower;
    }
};

// 1 + r/2 + r^2/6 + ..., which is (e^r - 1) / r.
template <class T> inline T mean_slope(T r) {
    constexpr auto inverse_factorials = coefficients<Format<T>::exp_degree>([factor = T(1)](int k) mutable { return factor /= k + 1; });
    return polynomial(r, inverse_factorials);
}

// e^(x + rest), within 1.5 ulp: with x = n ln 2 + r it is 2^n e^r. The rest is small, a correction of x.
template <class T> inline T exp(T x, T rest = 0) {
    const Reduced<T> parts(x);
    const T r = parts.r + rest;
    // In two steps, since 2^n alone may be out of range where the result is not.
    const auto half = parts.n >> 1;
    return (r * mean_slope(r) + 1) * power_of_two<T>(half) * power_of_two<T>(parts.n - half);
}

// e^x, within 1.5 ulp where that is a normal number: below it is 0, and the last half of the largest binade is infinite.
// It is for what is added to a number, or is as good as 0 where it is so small.
template <class T> inline T quick_exp(T x) {
    const Reduced<T> parts(x, Format<T>::exp_lowest_normal);
    return (parts.r * mean_slope(parts.r) + 1) * power_of_two<T>(parts.n);
}

// e^x - 1, within 4 ulp.
template <class T> inline T expm1(T x) {
    const Reduced<T> parts(x);
    const auto half = parts.n >> 1, rest = parts.n - half;
    const T product = parts.r * mean_slope(parts.r) * power_of_two<T>(half);
    const T difference = (product + (power_of_two<T>(half) - power_of_two<T>(-rest))) * power_of_two<T>(rest);
    return x == 0 ? x : difference;
}

// log(x), within 1 ulp: with x = 2^n m and m between sqrt(1/2) and sqrt(2) it is n ln 2 + 2 artanh((m-1) / (m+1)).
// The correction is small, and added.
template <class T> inline T log(T x, T correction = 0) {
    using F = Format<T>;
    using Bits = typename F::Bits;
    constexpr Bits root_half = std::bit_cast<Bits>(T(0.70710678118654752440));
    const bool denormal = x < std::numeric_limits<T>::min();
    const T normal = denormal ? x * power_of_two<T>(F::mantissa) : x;
    const Bits bits = std::bit_cast<Bits>(normal) - root_half;
    const Bits n = bits >> F::mantissa;
    const T m = std::bit_cast<T>((bits & ((Bits(1) << F::mantissa) - 1)) + root_half);
    // An integer of few bits as a number: in the last bits of the rounder.
    const T exponent = std::bit_cast<T>(std::bit_cast<Bits>(F::rounder) + n) - F::rounder - (denormal ? F::mantissa : 0);
    constexpr auto odd = coefficients<F::log_terms>([](int k) { return T(2) / (2 * k + 3); });
    const T f = m - 1, s = f / (f + 2), square = s * s, half_square = f * f / 2;
    const T tail = s * (half_square + square * polynomial(square, odd)) + (exponent * F::ln2_lower + correction);
    const T result = exponent * F::ln2_upper - ((half_square - tail) - f);
    constexpr T infinity = std::numeric_limits<T>::infinity();
    return x > 0 ? (x < infinity ? result : x) : x == 0 ? -infinity : std::numeric_limits<T>::quiet_NaN();
}

// log(1 + x), within 1 ulp.
template <class T> inline T log1p(T x) {
    const T sum = 1 + x;
    const T lost = (x - (sum - 1)) / sum;
    const T result = log(sum, lost);
    return x == 0 ? x : result;
}

// Within 4 ulp.
template <class T> inline T tanh(T x) {
    constexpr T most = Format<T>::saturation;
    const T twice = expm1(2 * (x < -most ? -most : x > most ? most : x));
    const T result = twice / (twice + 2);
    return x == 0 ? x : result;
}

// 1 / (1 + e^-x), within 3 ulp where that is a normal number.
template <class T> inline T sigmoid(T x) { return 1 / (1 + quick_exp(-x)); }

// log(1 + e^x), within 5 ulp: the larger of x and 0, and log(1 + e^-|x|), which is 2 artanh(e / (e+2)).
template <class T> inline T softplus(T x) {
    constexpr auto odd = coefficients<Format<T>::softplus_terms>([](int k) { return T(2) / (2 * k + 1); });
    const T e = exp(-std::abs(x)), s = e / (e + 2);
    return (x > 0 ? x : 0) + s * polynomial(s * s, odd);
}

// 1 - erf(|x|), within 7 ulp where that is below 1/2: e^(-x^2) times a polynomial in t = (|x| - k) / (|x| + k), of which x^2 is in two parts.
template <class T> inline T erfc_of_size(T x) {
    using F = Format<T>;
    constexpr T k = 3.5, most = 30;
    const T size = std::abs(x), a = size > most ? most : size;  // NaN stays
    const T coarse = (a + F::rounder_of_half) - F::rounder_of_half;  // of so few bits that its square is exact
    const T inverse = 1 / (a + k);
    return exp(-coarse * coarse, (coarse - a) * (coarse + a)) * (polynomial((a - k) * inverse, F::erfcx) * inverse);
}

// The Taylor polynomial of the error function, for x^2 < 1/4.
template <class T> inline T erf_near(T x) {
    constexpr auto odd = coefficients<Format<T>::erf_terms>([factor = T(1.12837916709551257390)](int k) mutable {
        const T term = factor / (2 * k + 1);
        factor /= -(k + 1);
        return term;
    });
    return x * polynomial(x * x, odd);
}

// The error function, within 4 ulp.
template <class T> inline T erf(T x) {
    const T tail = erfc_of_size(x);
    return x * x < T(0.25) ? erf_near(x) : x < 0 ? tail - 1 : 1 - tail;
}

// 1 - erf(x), within 7 ulp.
template <class T> inline T erfc(T x) {
    const T tail = erfc_of_size(x);
    return x * x < T(0.25) ? 1 - erf_near(x) : x < 0 ? 2 - tail : tail;
}

}  // namespace rushlight
