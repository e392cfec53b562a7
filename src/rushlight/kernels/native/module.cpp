// What Python sees of the kernels.
#define RUSHLIGHT_IMPORT_NUMPY
#include "array.hpp"
#include "elementwise.hpp"
#include "module.hpp"
#include "threads.hpp"

namespace rushlight {

// Adds a last function of that name, which takes what the others did not.
static void add_otherwise(nb::module_ &module) {
    module.def("otherwise", [handle = nb::handle(module)](const char *name, nb::callable definition) {
        if (define_otherwise(name, definition)) return;
        nb::borrow<nb::module_>(handle).def(name, [definition](nb::args args, nb::kwargs kwargs) {
            return definition(*args, **kwargs);
        });
    });
}

}  // namespace rushlight

NB_MODULE(RUSHLIGHT_MODULE, module) {
    using namespace rushlight;
    if (_import_array() < 0) throw nb::python_error();
    nb::set_leak_warnings(false);
    module.def("get_threads", &get_threads);
    module.def("set_threads", &set_threads);
    add_convolution(module);
    add_weighing(module);
    add_arithmetic(module);
    add_functions(module);
    add_gemm(module);
    add_indexing(module);
    add_joining(module);
    add_ordering(module);
    add_periodic(module);
    add_powers(module);
    add_attention(module);
    add_recurrent(module);
    add_random(module);
    add_memory(module);
    add_products(module);
    add_scans(module);
    add_crossentropy(module);
    add_losses(module);
    add_normalize(module);
    add_reduce(module);
    add_pooling(module);
    add_softmax(module);
    add_steps(module);
    add_transposing(module);
    add_otherwise(module);
}
