// Functions of what numbers leave over multiples of another: sines, cosines and remainders.
#include <cmath>

#include "elementwise.hpp"
#include "maths.hpp"
#include "module.hpp"

// The quotient is rounded, and its product taken from the number with a single rounding. Where the processor does not do
// that in one step, these functions are NumPy's.
#if defined(FP_FAST_FMA) && defined(FP_FAST_FMAF)
#define RUSHLIGHT_FUSED
#endif

namespace rushlight {

#ifdef RUSHLIGHT_FUSED
namespace {

// A loop over function.quick(operands...), which vectorises, and for what that does not hold for, function.exact(...).
template <class T, class Function, int operands>
void loop_with_exceptions(const void *const *from, void *to, Index n, const double *) {
    constexpr Index block = 256;
    for (Index begin = 0; begin < n; begin += block) {
        const T *x = static_cast<const T *>(from[0]) + begin, *y = static_cast<const T *>(from[operands - 1]) + begin;
        const Index count = std::min(block, n - begin);
        T part[block];
        typename Format<T>::Bits exceptions = 0;
#pragma omp simd
        for (Index i = 0; i < count; ++i) part[i] = Function::quick(x[i], y[i]);
#pragma omp simd reduction(| : exceptions)
        for (Index i = 0; i < count; ++i) exceptions |= Function::holds(x[i], y[i]) ? 0 : 1;
        if (exceptions)
            for (Index i = 0; i < count; ++i)
                if (!Function::holds(x[i], y[i])) part[i] = Function::exact(x[i], y[i]);
        std::copy_n(part, count, static_cast<T *>(to) + begin);
    }
}

template <template <class> class Function, int operands> void define_with_exceptions(nb::module_ &module, const char *name, Index work) {
    add_elementwise(module, {name, operands, 0, false, false, work, loop_with_exceptions<float, Function<float>, operands>,
                             loop_with_exceptions<double, Function<double>, operands>});
}

// ---- Sines and cosines

template <class T> struct Angle;
template <> struct Angle<float> {
    static constexpr float limit = 0x1p12f;
    static constexpr float half_pi[] = {0x1.921fb6p+0f, -0x1.777a5cp-25f, -0x1.ee59dap-50f};  // the sum of these
    static constexpr std::array sine = {-0x1.555556p-3f, 0x1.11110ep-7f, -0x1.a013a2p-13f, 0x1.6dbc3p-19f};
    static constexpr std::array cosine = {0x1.555556p-5f, -0x1.6c16cp-10f, 0x1.a015cp-16f, -0x1.25230ep-22f};
};
template <> struct Angle<double> {
    static constexpr double limit = 0x1p24;
    static constexpr double half_pi[] = {0x1.921fb54442d18p+0, 0x1.1a62633145c07p-54, -0x1.f1976b7ed8fbcp-110};
    static constexpr std::array sine = {-0x1.5555555555555p-3,  0x1.1111111110ba6p-7,  -0x1.a01a019e80a1ep-13,
                                      0x1.71de379292369p-19, -0x1.ae6006d9b0846p-26, 0x1.5e09988bec75bp-33};
    static constexpr std::array cosine = {0x1.5555555555555p-5,   -0x1.6c16c16c16960p-10, 0x1.a01a019f4d280p-16,
                                        -0x1.27e4fa15da106p-22, 0x1.1eeb66d0e9e6dp-29,  -0x1.907c1f7998900p-37};
};

// sin(x + quarters pi / 2) within 1.5 ulp. With x = n pi / 2 + r and |r| hardly above pi / 4 it is a polynomial of r, that
// of the sine or of the cosine. The first difference is exact.
template <class T> [[gnu::always_inline]] inline T turned(T x, int quarters) {
    using A = Angle<T>;
    using Bits = std::make_unsigned_t<typename Format<T>::Bits>;
    const T shifted = std::fma(x, T(0.63661977236758134308), Format<T>::rounder), n = shifted - Format<T>::rounder;
    const Bits quadrant = std::bit_cast<Bits>(shifted) + quarters;
    const T r = std::fma(-n, A::half_pi[2], std::fma(-n, A::half_pi[1], std::fma(-n, A::half_pi[0], x)));
    const T z = r * r, half = z / 2, rest = 1 - half;
    const T sine = std::fma(r * z, polynomial(z, A::sine), r);
    const T cosine = rest + ((1 - rest - half) + z * z * polynomial(z, A::cosine));
    const Bits sign = quadrant >> 1 << (8 * sizeof(T) - 1);
    return std::bit_cast<T>(std::bit_cast<Bits>(quadrant & 1 ? cosine : sine) ^ sign);
}

template <class T> struct Sine {
    static bool holds(T, T x) { return std::abs(x) <= Angle<T>::limit; }
    [[gnu::always_inline]] static T quick(T, T x) { return x == 0 ? x : turned(x, 0); }
    static T exact(T, T x) { return std::sin(x); }
};
template <class T> struct Cosine : Sine<T> {
    [[gnu::always_inline]] static T quick(T, T x) { return turned(x, 1); }
    static T exact(T, T x) { return std::cos(x); }
};
template <class T> struct SineBack : Sine<T> {
    [[gnu::always_inline]] static T quick(T g, T x) { return g * turned(x, 1); }
    static T exact(T g, T x) { return g * std::cos(x); }
};
template <class T> struct CosineBack : Sine<T> {
    [[gnu::always_inline]] static T quick(T g, T x) { return g * turned(x, 2); }
    static T exact(T g, T x) { return g * -std::sin(x); }
};

// ---- Remainders

// x less a whole multiple of y, of the sign of x; exact. The quotient, once rounded, may be one too large.
template <class T> struct Truncated {
    static bool holds(T x, T y) {
        return (std::abs(x / y) < Format<T>::rounder / 2) & (std::abs(y) < std::numeric_limits<T>::infinity());
    }
    [[gnu::always_inline]] static T quick(T x, T y) {
        const T a = std::abs(x), b = std::abs(y), rest = std::fma(-std::trunc(a / b), b, a);
        return std::copysign(rest < 0 ? rest + b : rest, x);
    }
    static T exact(T x, T y) { return std::fmod(x, y); }
};

template <class T> inline T with_sign_of(T rest, T y) {
    const bool other = (rest != 0) & ((rest < 0) != (y < 0));
    return other ? rest + y : rest;
}

template <class T> struct Floored : Truncated<T> {
    [[gnu::always_inline]] static T quick(T x, T y) { return with_sign_of(Truncated<T>::quick(x, y), y); }
    static T exact(T x, T y) { return with_sign_of(Truncated<T>::exact(x, y), y); }
};

}  // namespace
#endif

void add_periodic([[maybe_unused]] nb::module_ &module) {
#ifdef RUSHLIGHT_FUSED
    define_with_exceptions<Sine, 1>(module, "sin", 10);
    define_with_exceptions<Cosine, 1>(module, "cos", 10);
    define_with_exceptions<SineBack, 2>(module, "sin_back", 10);
    define_with_exceptions<CosineBack, 2>(module, "cos_back", 10);
    define_with_exceptions<Truncated, 2>(module, "fmod", 4);
    define_with_exceptions<Floored, 2>(module, "remainder", 4);
#endif
}

}  // namespace rushlight
