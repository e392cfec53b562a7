// Powers to a few numbers, element by element, and gradients (`_back`) from g and the base x, or the result y.
#include <cmath>

#include "elementwise.hpp"
#include "module.hpp"

namespace rushlight {

void add_powers(nb::module_ &module) {
    define<1>(module, "cube", 1, []<class T>(T x) { return x * x * x; });
    define<2>(module, "cube_back", 1, []<class T>(T g, T x) { return g * (3 * (x * x)); });
    define<1>(module, "inverse_square", 1, []<class T>(T x) { return 1 / (x * x); });
    define<2>(module, "inverse_back", 1, []<class T>(T g, T x) { return g * -(1 / (x * x)); });
    define<2>(module, "root_back", 2, []<class T>(T g, T x) { return g * (T(0.5) * (1 / std::sqrt(x))); });
    define<1>(module, "rsqrt", 2, []<class T>(T x) { return 1 / std::sqrt(x); });
    define<2>(module, "rsqrt_back", 1, []<class T>(T g, T y) { return g * (T(-0.5) * (y * y * y)); });
    define<1>(module, "sign", 1, []<class T>(T x) { return static_cast<T>((x > 0) - (x < 0)); });
}

}  // namespace rushlight
