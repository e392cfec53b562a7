// Elementary functions and activations, element by element: values, and gradients (`_back`) from the gradient g of the
// result and the argument x or the result y.
#include "elementwise.hpp"
#include "maths.hpp"
#include "module.hpp"

namespace rushlight {
namespace {

// ---- The normal distribution, for gelu

constexpr double root_half = 0.70710678118654752440, inverse_root_2pi = 0.39894228040143267794;

// What the tanh form takes the hyperbolic tangent of: (tanh(u) + 1) / 2 is sigmoid(2u).
template <class T> T approximate_normal(T x) { return sigmoid(x * (x * x * T(0.0713548162726) + T(1.5957691216057308))); }

// The probability of a normal number below x, and what its density is a multiple of, exp(-x^2 / 2).
struct Normal {
    static auto of(double x) { return std::pair(erfc(x * -root_half) / 2, quick_exp(x * x * -0.5)); }

    // To 6e-8, as near as float comes to 1: the density times a polynomial in (|x| - 4) / (|x| + 4).
    static auto of(float x) {
        constexpr std::array coefficients = {0x1.82b4bap-1f,  -0x1.373e2ep-1f, 0x1.8c7184p-2f, -0x1.7df754p-3f,
                                             0x1.ebc36ep-5f, -0x1.29c7f2p-7f, -0x1.866af8p-8f};
        const float e = quick_exp(x * x * -0.5f), inverse = 1 / (std::abs(x) + 4);
        const float tail = e * (polynomial(1 - 8 * inverse, coefficients) * inverse);
        return std::pair(x < 0 ? tail : 1 - tail, e);
    }
};

// tanh(softplus(x)) from e = exp(x), e not so large that its square overflows
template <class T> T tanh_softplus(T e) { return e * (e + 2) / (e * (e + 2) + 2); }

template <class T> T capped(T x) { return x > 40 ? 40 : x; }

}  // namespace

void add_functions(nb::module_ &module) {
    define<1>(module, "exp", 8, []<class T>(T x) { return exp(x); });
    define<1>(module, "expm1", 10, []<class T>(T x) { return expm1(x); });
    define<1>(module, "log", 10, []<class T>(T x) { return log(x); });
    define<1>(module, "log1p", 12, []<class T>(T x) { return log1p(x); });
    define<2>(module, "expm1_back", 1, []<class T>(T g, T y) { return g * (y + 1); });
    define<2>(module, "log1p_back", 1, []<class T>(T g, T x) { return g / (x + 1); });
    define<1>(module, "erf", 20, []<class T>(T x) { return erf(x); });
    define<1>(module, "erfc", 20, []<class T>(T x) { return erfc(x); });
    define<2>(module, "erf_back", 12, []<class T>(T g, T x) { return g * exp(-x * x) * T(1.12837916709551257390); });

    define<1>(module, "tanh", 12, []<class T>(T x) { return tanh(x); });
    define<2>(module, "tanh_back", 1, []<class T>(T g, T y) { return g - g * y * y; });
    define<3>(module, "tanh_back_back", 1, []<class T>(T g, T h, T y) { return g * h * (-2 * y); });
    define<1>(module, "sigmoid", 10, []<class T>(T x) { return sigmoid(x); });
    define<2>(module, "sigmoid_back", 1, []<class T>(T g, T y) { return g * ((1 - y) * y); });
    define<3>(module, "sigmoid_back_back", 1, []<class T>(T g, T h, T y) { return g * h * (1 - 2 * y); });

    define<1>(module, "relu", 1, []<class T>(T x) { return x < 0 ? T(0) : x; });
    define<2>(module, "relu_back", 1, []<class T>(T g, T y) { return y <= 0 ? T(0) : g; });
    define<1, 1>(module, "leaky_relu", 1, []<class T>(T x, T slope) { return x > 0 ? x : x * slope; });
    define<2, 1>(module, "leaky_relu_back", 1, []<class T>(T g, T x, T slope) { return x > 0 ? g : g * slope; });

    define<1, 3>(module, "elu", 10, []<class T>(T x, T alpha, T scale, T input_scale) {
        return x > 0 ? x * scale : expm1(x * input_scale) * (alpha * scale);
    });
    define<2, 3>(module, "elu_back", 10, []<class T>(T g, T x, T alpha, T scale, T input_scale) {
        return x > 0 ? g * scale : g * (exp(x * input_scale) * (alpha * scale * input_scale));
    });

    define<1>(module, "silu", 10, []<class T>(T x) { return x / (1 + quick_exp(-x)); });
    define<2>(module, "silu_back", 10, []<class T>(T g, T x) {
        const T s = sigmoid(x), y = x * s;
        return g * (s + y * (1 - s));
    });
    define<1>(module, "mish", 10, []<class T>(T x) { return x * tanh_softplus(quick_exp(capped(x))); });
    define<2>(module, "mish_back", 10, []<class T>(T g, T x) {
        const T e = quick_exp(capped(x)), t = tanh_softplus(e);
        return g * (t + x * (e / (1 + e)) * (1 - t * t));
    });

    define<1, 2>(module, "softplus", 20, []<class T>(T x, T beta, T threshold) {
        return x * beta > threshold ? x : softplus(x * beta) / beta;
    });
    define<2, 2>(module, "softplus_back", 10, []<class T>(T g, T x, T beta, T threshold) {
        return x * beta > threshold ? g : g * sigmoid(x * beta);
    });
    define<1>(module, "logsigmoid", 20, []<class T>(T x) { return -softplus(-x); });
    define<2>(module, "logsigmoid_back", 10, []<class T>(T g, T x) { return g * sigmoid(-x); });

    define<1>(module, "gelu", 20, []<class T>(T x) { return x * Normal::of(x).first; });
    define<2>(module, "gelu_back", 20, []<class T>(T g, T x) {
        const auto [below, density] = Normal::of(x);
        return g * (below + x * (density * T(inverse_root_2pi)));
    });
    define<1>(module, "gelu_tanh", 10, []<class T>(T x) { return x * approximate_normal(x); });
    define<2>(module, "gelu_tanh_back", 10, []<class T>(T g, T x) {
        const T p = approximate_normal(x);
        return g * (p + x * (p * (1 - p) * (x * x * T(3 * 0.0713548162726) + T(1.5957691216057308))));
    });

    define<1>(module, "hardswish", 1, []<class T>(T x) {
        const T y = x + 3;
        return x * (y < 0 ? T(0) : y > 6 ? T(6) : y) / 6;
    });
    define<2>(module, "hardswish_back", 1, []<class T>(T g, T x) {
        return x <= -3 ? T(0) : x < 3 ? g * (x * (T(1) / 3) + T(0.5)) : g;
    });
    define<1>(module, "hardsigmoid", 1, []<class T>(T x) {
        const T y = x + 3;
        return (y < 0 ? T(0) : y > 6 ? T(6) : y) / 6;
    });
    define<2>(module, "hardsigmoid_back", 1, []<class T>(T g, T x) { return x > -3 && x < 3 ? g / 6 : T(0); });
    define<1, 2>(module, "hardtanh", 1, []<class T>(T x, T low, T high) {
        const T y = x < low ? low : x;
        return y > high ? high : y;
    });
    define<2, 2>(module, "hardtanh_back", 1, []<class T>(T g, T x, T low, T high) {
        return x > low && x < high ? g : T(0);
    });
}

}  // namespace rushlight
