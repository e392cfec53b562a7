// Steps of optimizers, and norm and clipping of gradients: one pass over all elements of all parameters of a group.
#include <array>
#include <cmath>
#include <vector>

#include "module.hpp"
#include "threads.hpp"

namespace rushlight {
namespace {

constexpr int most_lists = 5;

PyArrayObject *as_array(nb::handle object) {
    if (!PyArray_CheckExact(object.ptr())) throw nb::next_overload();
    return reinterpret_cast<PyArrayObject *>(object.ptr());
}

bool same_order(PyArrayObject *x, PyArrayObject *y) {
    if (PyArray_IS_C_CONTIGUOUS(x) && PyArray_IS_C_CONTIGUOUS(y)) return true;
    return PyArray_CompareLists(PyArray_STRIDES(x), PyArray_STRIDES(y), PyArray_NDIM(x));
}

// The arrays of all parameters of a group. What cannot be worked on in place, element by element as it lies in memory,
// is left to the definition.
class Parameters {
public:
    // Parameters, gradients, and lists of what is kept of each; those after the `required` ones may be empty.
    Parameters(int required, std::initializer_list<nb::list> lists) {
        const nb::list &params = *lists.begin();
        for (size_t k = 0; k < params.size(); ++k) {
            PyArrayObject *like = as_array(params[k]);
            const bool wide = PyArray_TYPE(like) == NPY_FLOAT64;
            if (!(wide || PyArray_TYPE(like) == NPY_FLOAT32) || !is_dense(like)) throw nb::next_overload();
            if (!PyArray_ISBEHAVED(like)) throw nb::next_overload();
            Each each{{}, PyArray_SIZE(like), wide};
            int place = 0;
            for (const nb::list &list : lists) {
                if (place < required || list.size()) each.data[place] = PyArray_DATA(take(list, k, like, place == 1));
                ++place;
            }
            end_ += each.size;
            each_.push_back(each);
            ends_.push_back(end_);
        }
    }

    // Calls update(k, arrays, n, begin) with the n next elements of the k-th parameter's arrays, which come after `begin`
    // others, until all have been updated.
    template <class Update> void update(Update &&update) const {
        parallel(end_, piece_work / piece, [&](Index begin, Index end) {
            for (size_t k = std::ranges::upper_bound(ends_, begin) - ends_.begin(); begin < end; ++k) {
                const Index skipped = begin - (ends_[k] - each_[k].size), n = std::min(end, ends_[k]) - begin;
                if (each_[k].wide) update(k, each_[k].template from<double>(skipped), n, begin);
                else update(k, each_[k].template from<float>(skipped), n, begin);
                begin += n;
            }
        });
    }

    size_t count() const { return each_.size(); }
    Index size() const { return end_; }

    static constexpr Index piece = piece_work / 8;  // elements that are updated at a time at most

private:
    struct Each {
        std::array<void *, most_lists> data;
        Index size;
        bool wide;

        template <class T> std::array<T *, most_lists> from(Index skipped) const {
            std::array<T *, most_lists> at{};
            for (int i = 0; i < most_lists; ++i)
                if (data[i]) at[i] = static_cast<T *>(data[i]) + skipped;
            return at;
        }
    };
    std::vector<Each> each_;
    std::vector<Index> ends_;  // where each parameter ends in the row of all elements
    Index end_ = 0;
    std::vector<nb::object> copies_;  // of gradients that lie in memory in another order

    PyArrayObject *take(const nb::list &list, size_t k, PyArrayObject *like, bool is_gradient) {
        if (k >= list.size()) throw nb::next_overload();
        PyArrayObject *x = as_array(list[k]);
        if (PyArray_TYPE(x) != PyArray_TYPE(like) || PyArray_NDIM(x) != PyArray_NDIM(like) ||
            !PyArray_CompareLists(PyArray_DIMS(x), PyArray_DIMS(like), PyArray_NDIM(x)))
            throw nb::next_overload();
        if (same_order(x, like) && (is_gradient ? PyArray_ISBEHAVED_RO(x) : PyArray_ISBEHAVED(x))) return x;
        if (!is_gradient) throw nb::next_overload();
        nb::object copy = nb::steal(PyArray_NewLikeArray(like, NPY_KEEPORDER, nullptr, 0));
        if (!copy.is_valid() || PyArray_CopyInto(reinterpret_cast<PyArrayObject *>(copy.ptr()), x) < 0) throw nb::python_error();
        copies_.push_back(copy);
        return reinterpret_cast<PyArrayObject *>(copy.ptr());
    }
};

// Counts one step more for each parameter, in arrays of one number, and gives the counts.
std::vector<double> advance(const nb::list &steps, size_t count) {
    if (steps.size() != count) throw nb::next_overload();
    for (nb::handle step : steps) {
        PyArrayObject *x = as_array(step);
        const int type = PyArray_TYPE(x);
        if (PyArray_NDIM(x) || !PyArray_ISBEHAVED(x) || !(type == NPY_FLOAT32 || type == NPY_FLOAT64)) throw nb::next_overload();
    }
    std::vector<double> counts;
    for (nb::handle step : steps) {
        PyArrayObject *x = as_array(step);
        if (PyArray_TYPE(x) == NPY_FLOAT32) counts.push_back(*static_cast<float *>(PyArray_DATA(x)) += 1);
        else counts.push_back(*static_cast<double *>(PyArray_DATA(x)) += 1);
    }
    return counts;
}

// The gradient as a step takes it.
template <class T> struct Gradient {
    T weight_decay, sign;

    Gradient(double weight_decay, bool maximize) : weight_decay(static_cast<T>(weight_decay)), sign(maximize ? -1 : 1) {}
    T operator()(T g, T p) const { return weight_decay != 0 ? sign * g + weight_decay * p : sign * g; }
};

// NaN if one of them is.
template <class T> T larger(T a, T b) { return a > b || a != a ? a : b; }

template <bool amsgrad, class T>
void adam(const std::array<T *, most_lists> &x, Index n, Gradient<T> gradient, T shrink, T rate, T take1, T keep2, T take2, T eps) {
    T *const p = x[0], *const gs = x[1], *const m = x[2], *const v = x[3], *const largest = x[4];
#pragma omp simd
    for (Index i = 0; i < n; ++i) {
        const T g = gradient(gs[i], p[i]);
        m[i] += (g - m[i]) * take1;
        T square = v[i] = v[i] * keep2 + g * g * take2;
        if constexpr (amsgrad) square = largest[i] = larger(largest[i], square);
        p[i] = p[i] * shrink - m[i] / (std::sqrt(square) + eps) * rate;
    }
}

void adam_step(nb::list params, nb::list grads, nb::list means, nb::list squares, nb::list largest, nb::list steps, double lr,
               double beta1, double beta2, double eps, double weight_decay, double shrink, bool maximize) {
    const Parameters all(4, {params, grads, means, squares, largest});
    const auto counts = advance(steps, all.count());
    all.update([&, amsgrad = largest.size() > 0]<class T>(size_t k, const std::array<T *, most_lists> &x, Index n, Index) {
        const double root = std::sqrt(1 - std::pow(beta2, counts[k])), rate = lr * root / (1 - std::pow(beta1, counts[k]));
        (amsgrad ? adam<true, T> : adam<false, T>)(x, n, {weight_decay, maximize}, shrink, rate, 1 - beta1, beta2, 1 - beta2,
                                                   root * eps);
    });
}

template <bool accumulates, class T>
void sgd(const std::array<T *, most_lists> &x, Index n, Gradient<T> gradient, T lr, T momentum, T take, T nesterov) {
    T *const p = x[0], *const gs = x[1], *const b = x[2];
#pragma omp simd
    for (Index i = 0; i < n; ++i) {
        T g = gradient(gs[i], p[i]);
        if constexpr (accumulates) {
            b[i] = b[i] * momentum + g * take;
            g = nesterov != 0 ? g + momentum * b[i] : b[i];
        }
        p[i] -= lr * g;
    }
}

void sgd_step(nb::list params, nb::list grads, nb::list buffers, double lr, double momentum, double take, bool nesterov,
              double weight_decay, bool maximize) {
    const Parameters all(2, {params, grads, buffers});
    all.update([&, accumulates = buffers.size() > 0]<class T>(size_t, const std::array<T *, most_lists> &x, Index n, Index) {
        (accumulates ? sgd<true, T> : sgd<false, T>)(x, n, {weight_decay, maximize}, lr, momentum, take, nesterov);
    });
}

template <bool accumulates, bool centered, class T>
void rmsprop(const std::array<T *, most_lists> &x, Index n, Gradient<T> gradient, T lr, T alpha, T take, T eps, T momentum) {
    T *const p = x[0], *const gs = x[1], *const v = x[2], *const velocity = x[3], *const mean = x[4];
#pragma omp simd
    for (Index i = 0; i < n; ++i) {
        const T g = gradient(gs[i], p[i]);
        T square = v[i] = v[i] * alpha + g * g * take;
        if constexpr (centered) {
            mean[i] += (g - mean[i]) * take;
            square -= mean[i] * mean[i];
        }
        T step = g / (std::sqrt(square) + eps);
        if constexpr (accumulates) step = velocity[i] = velocity[i] * momentum + step;
        p[i] -= lr * step;
    }
}

void rmsprop_step(nb::list params, nb::list grads, nb::list squares, nb::list velocities, nb::list means, double lr, double alpha,
                  double eps, double momentum, double weight_decay, bool maximize) {
    const Parameters all(3, {params, grads, squares, velocities, means});
    const bool accumulates = velocities.size() > 0, centered = means.size() > 0;
    all.update([&]<class T>(size_t, const std::array<T *, most_lists> &x, Index n, Index) {
        (accumulates ? centered ? rmsprop<true, true, T> : rmsprop<true, false, T>
                     : centered ? rmsprop<false, true, T> : rmsprop<false, false, T>)(
            x, n, {weight_decay, maximize}, lr, alpha, 1 - alpha, eps, momentum);
    });
}

template <class T> void adagrad(const std::array<T *, most_lists> &x, Index n, Gradient<T> gradient, T rate, T eps) {
    T *const p = x[0], *const gs = x[1], *const sum = x[2];
#pragma omp simd
    for (Index i = 0; i < n; ++i) {
        const T g = gradient(gs[i], p[i]);
        sum[i] += g * g;
        p[i] -= rate * g / (std::sqrt(sum[i]) + eps);
    }
}

void adagrad_step(nb::list params, nb::list grads, nb::list sums, nb::list steps, double lr, double lr_decay, double eps,
                  double weight_decay, bool maximize) {
    const Parameters all(3, {params, grads, sums});
    const auto counts = advance(steps, all.count());
    all.update([&]<class T>(size_t k, const std::array<T *, most_lists> &x, Index n, Index) {
        adagrad<T>(x, n, {weight_decay, maximize}, lr / (1 + (counts[k] - 1) * lr_decay), eps);
    });
}

template <class T> double sum_of_squares(const T *x, Index n) {
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (Index i = 0; i < n; ++i) sum += static_cast<double>(x[i]) * x[i];
    return sum;
}

double total_norm(nb::list arrays) {
    const Parameters all(1, {arrays});
    std::vector<double> sums(all.size() / Parameters::piece + 1);
    all.update([&]<class T>(size_t, const std::array<T *, most_lists> &x, Index n, Index begin) {
        sums[begin / Parameters::piece] += sum_of_squares(x[0], n);
    });
    double sum = 0;
    for (double part : sums) sum += part;
    return std::sqrt(sum);
}

void scale_all(nb::list arrays, double factor) {
    const Parameters all(1, {arrays});
    if (factor == 1) return;
    all.update([&]<class T>(size_t, const std::array<T *, most_lists> &x, Index n, Index) {
        const T by = static_cast<T>(factor);
        for (Index i = 0; i < n; ++i) x[0][i] *= by;
    });
}

void clip_all(nb::list arrays, double limit) {
    const Parameters all(1, {arrays});
    all.update([&]<class T>(size_t, const std::array<T *, most_lists> &x, Index n, Index) {
        const T most = static_cast<T>(limit);
        for (Index i = 0; i < n; ++i) x[0][i] = x[0][i] < -most ? -most : x[0][i] > most ? most : x[0][i];
    });
}

}  // namespace

void add_steps(nb::module_ &module) {
    module.def("adam_step", &adam_step);
    module.def("sgd_step", &sgd_step);
    module.def("rmsprop_step", &rmsprop_step);
    module.def("adagrad_step", &adagrad_step);
    module.def("total_norm", &total_norm);
    module.def("scale_all", &scale_all);
    module.def("clip_all", &clip_all);
}

}  // namespace rushlight
