// Powers to a few numbers, element by element, and gradients (`_back`) from g and the base x, or the result y.
#include <cmath>

#include "elementwise.hpp"
#include "maths.hpp"
#include "module.hpp"

namespace rushlight {
namespace {

// 2^x, within 1.5 ulp, as `exp` with an x that is n + r / ln 2.
template <class T> T exp2(T x) {
    using F = Format<T>;
    constexpr T lowest = -F::bias - F::mantissa - 2;
    x = x < lowest ? lowest : x;  // NaN stays
    constexpr auto zero = std::bit_cast<typename F::Bits>(F::rounder);
    const auto bits = std::min(std::bit_cast<typename F::Bits>(x + F::rounder), zero + F::bias + 1);
    const auto n = bits - zero, half = n >> 1;
    const T r = (x - (std::bit_cast<T>(bits) - F::rounder)) * T(0.69314718055994530942);
    return (r * mean_slope(r) + 1) * power_of_two<T>(half) * power_of_two<T>(n - half);
}

}  // namespace

void add_powers(nb::module_ &module) {
    define<1>(module, "cube", 1, []<class T>(T x) { return x * x * x; });
    define<2>(module, "cube_back", 1, []<class T>(T g, T x) { return g * (3 * (x * x)); });
    define<1>(module, "inverse_square", 1, []<class T>(T x) { return 1 / (x * x); });
    define<2>(module, "inverse_back", 1, []<class T>(T g, T x) { return g * -(1 / (x * x)); });
    define<2>(module, "root_back", 2, []<class T>(T g, T x) { return g * (T(0.5) * (1 / std::sqrt(x))); });
    define<1>(module, "rsqrt", 2, []<class T>(T x) { return 1 / std::sqrt(x); });
    define<2>(module, "rsqrt_back", 1, []<class T>(T g, T y) { return g * (T(-0.5) * (y * y * y)); });
    define<1>(module, "exp2", 8, []<class T>(T x) { return exp2(x); });
    define<2>(module, "exp2_back", 1, []<class T>(T g, T y) { return g * (y * T(0.69314718055994530942)); });
    define<1>(module, "sign", 1, []<class T>(T x) { return static_cast<T>((x > 0) - (x < 0)); });
}

}  // namespace rushlight
