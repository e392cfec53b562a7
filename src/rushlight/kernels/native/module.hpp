// The families of kernels, each of which adds its functions to the module.
#pragma once

#include <nanobind/nanobind.h>

namespace rushlight {

// Adds an instance of a template for each type of floating-point numbers.
#define RUSHLIGHT_FLOATING(module, name, ...) \
    module.def(#name, &name<float> __VA_OPT__(, ) __VA_ARGS__).def(#name, &name<double> __VA_OPT__(, ) __VA_ARGS__)

// They run once, and are built for size.
[[gnu::cold]] void add_convolution(nanobind::module_ &module);
[[gnu::cold]] void add_weighing(nanobind::module_ &module);
[[gnu::cold]] void add_arithmetic(nanobind::module_ &module);
[[gnu::cold]] void add_functions(nanobind::module_ &module);
[[gnu::cold]] void add_gemm(nanobind::module_ &module);
[[gnu::cold]] void add_indexing(nanobind::module_ &module);
[[gnu::cold]] void add_joining(nanobind::module_ &module);
[[gnu::cold]] void add_ordering(nanobind::module_ &module);
[[gnu::cold]] void add_periodic(nanobind::module_ &module);
[[gnu::cold]] void add_powers(nanobind::module_ &module);
[[gnu::cold]] void add_attention(nanobind::module_ &module);
[[gnu::cold]] void add_recurrent(nanobind::module_ &module);
[[gnu::cold]] void add_random(nanobind::module_ &module);
[[gnu::cold]] void add_memory(nanobind::module_ &module);
[[gnu::cold]] void add_products(nanobind::module_ &module);
[[gnu::cold]] void add_scans(nanobind::module_ &module);
[[gnu::cold]] void add_crossentropy(nanobind::module_ &module);
[[gnu::cold]] void add_losses(nanobind::module_ &module);
[[gnu::cold]] void add_normalize(nanobind::module_ &module);
[[gnu::cold]] void add_reduce(nanobind::module_ &module);
[[gnu::cold]] void add_pooling(nanobind::module_ &module);
[[gnu::cold]] void add_softmax(nanobind::module_ &module);
[[gnu::cold]] void add_steps(nanobind::module_ &module);
[[gnu::cold]] void add_transposing(nanobind::module_ &module);

}  // namespace rushlight
