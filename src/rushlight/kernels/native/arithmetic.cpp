// Arithmetic of two arrays, element by element, as NumPy's functions of these names.
#include <cmath>

#include "elementwise.hpp"
#include "maths.hpp"
#include "module.hpp"

namespace rushlight {

void add_arithmetic(nb::module_ &module) {
    define<2>(module, "add", 1, []<class T>(T x, T y) { return x + y; });
    define<2>(module, "subtract", 1, []<class T>(T x, T y) { return x - y; });
    define<2>(module, "multiply", 1, []<class T>(T x, T y) { return x * y; });
    define<2>(module, "divide", 1, []<class T>(T x, T y) { return x / y; });
    define<3>(module, "divisor_back", 1, []<class T>(T g, T x, T y) { return -g * (x / y / y); });
    define<2>(module, "maximum", 1, []<class T>(T x, T y) { return x > y || x != x ? x : y; });
    define<2>(module, "minimum", 1, []<class T>(T x, T y) { return x < y || x != x ? x : y; });
    define<2>(module, "equal", 1, []<class T>(T x, T y) { return x == y; });
    define<2>(module, "not_equal", 1, []<class T>(T x, T y) { return x != y; });
    define<2>(module, "less", 1, []<class T>(T x, T y) { return x < y; });
    define<2>(module, "less_equal", 1, []<class T>(T x, T y) { return x <= y; });
    define<2>(module, "greater", 1, []<class T>(T x, T y) { return x > y; });
    define<2>(module, "greater_equal", 1, []<class T>(T x, T y) { return x >= y; });
    define<3, 0, true>(module, "select", 1, []<class T>(uint8_t first, T x, T y) {
        using Bits = typename Format<T>::Bits;
        const Bits mask = -static_cast<Bits>(first);  // a choice by a truth value would be a branch
        return std::bit_cast<T>((std::bit_cast<Bits>(x) & mask) | (std::bit_cast<Bits>(y) & ~mask));
    });
    define<3>(module, "lerp", 2, []<class T>(T x, T y, T weight) {
        const T span = y - x;
        return std::abs(weight) < T(0.5) ? x + weight * span : y - span * (1 - weight);
    });
    define<1>(module, "negative", 1, []<class T>(T x) { return -x; });
    define<1>(module, "absolute", 1, []<class T>(T x) { return std::abs(x); });
    define<2>(module, "absolute_back", 1, []<class T>(T g, T x) { return x > 0 ? g : x < 0 ? -g : g * 0; });
    define<1>(module, "square", 1, []<class T>(T x) { return x * x; });
    define<2>(module, "square_back", 1, []<class T>(T g, T x) { return g * (2 * x); });
    define<1>(module, "sqrt", 2, []<class T>(T x) { return std::sqrt(x); });
    define<2>(module, "sqrt_back", 2, []<class T>(T g, T y) { return g / (2 * y); });
    define<1>(module, "reciprocal", 1, []<class T>(T x) { return 1 / x; });
    define<2>(module, "reciprocal_back", 1, []<class T>(T g, T y) { return -g * (y * y); });
}

}  // namespace rushlight
