// Functions of arrays, element by element, with broadcasting: each is a function of numbers and one line of `define`.
#pragma once

#include <utility>

#include "array.hpp"

namespace rushlight {

constexpr int most_operands = 4, most_numbers = 4;

// Computes n adjacent elements of a result from n of each operand.
using Loop = void (*)(const void *const *operands, void *result, Index n, const double *numbers);

struct Elementwise {
    const char *name;
    int operands, numbers;   // how many arrays it takes, and numbers after them
    bool masked, compares;   // whether the first operand, and the result, are truth values
    Index work;              // of one element, in elementary operations
    Loop single, twice;      // for float and for double
};

// Adds the function to the module. What it doesn't take goes to the definition, given by `define_otherwise`.
void add_elementwise(nb::module_ &module, const Elementwise &function);

// Says what a function of this name does with what it doesn't take; false if there is no such function.
bool define_otherwise(const char *name, nb::object definition);

template <class F, class T, bool masked, size_t... operand, size_t... number>
void loop(const void *const *operands, void *result, Index n, const double *numbers, std::index_sequence<operand...>,
          std::index_sequence<number...>) {
    const F function{};
    const auto at = [operands]<size_t place>(std::integral_constant<size_t, place>) {
        return static_cast<const std::conditional_t<masked && place == 0, uint8_t, T> *>(operands[place]);
    };
    [&](const auto *...from) {
        const T given[] = {static_cast<T>(numbers[number])..., T(0)};
        using Result = decltype(function(*from..., given[number]...));
        auto *to = static_cast<Result *>(result);
#pragma omp simd
        for (Index i = 0; i < n; ++i) to[i] = function(from[i]..., given[number]...);
    }(at(std::integral_constant<size_t, operand>())...);
}

template <class F, class T, bool masked, int operands, int numbers>
void loop(const void *const *from, void *to, Index n, const double *given) {
    loop<F, T, masked>(from, to, n, given, std::make_index_sequence<operands>(), std::make_index_sequence<numbers>());
}

// Adds a function of so many operands and numbers; `masked` if the first operand is one of truth values.
template <int operands, int numbers = 0, bool masked = false, class F>
void define(nb::module_ &module, const char *name, Index work, F) {
    constexpr bool compares = [] {
        return []<size_t... i>(std::index_sequence<i...>) {
            using First = std::conditional_t<masked, uint8_t, float>;
            return std::is_same_v<decltype(F{}(First(), ((void)i, 0.0f)...)), bool>;
        }(std::make_index_sequence<operands + numbers - 1>());
    }();
    add_elementwise(module, {name, operands, numbers, masked, compares, work, loop<F, float, masked, operands, numbers>,
                             loop<F, double, masked, operands, numbers>});
}

}  // namespace rushlight
