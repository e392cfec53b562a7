// Random numbers: the Mersenne Twister, normal numbers, permutations.
#include <cmath>
#include <cstring>
#include <utility>

#include "maths.hpp"
#include "module.hpp"
#include "threads.hpp"

namespace rushlight {
namespace {

// The stream of words of the definition, with the same place in the same block.
class Words {
public:
    explicit Words(uint32_t seed) {
        key_[0] = seed;
        for (uint32_t i = 1; i < block; ++i) key_[i] = 1812433253u * (key_[i - 1] ^ (key_[i - 1] >> 30)) + i;
    }

    Array<uint32_t> words(Index n) {
        const auto out = Array<uint32_t>::empty({n});
        draw(out.data(), n);
        return out;
    }

    Array<float> uniforms32(Index n) {
        return converted<float, 1>(n, [](const uint32_t *word) { return static_cast<float>(word[0] & 0xFFFFFF) * 0x1p-24f; });
    }

    Array<double> uniforms64(Index n) {
        return converted<double, 2>(n, uniform64);
    }

    template <class T> Array<T> chosen(Index n, double probability, T value) {
        return converted<T, 2>(n, [=](const uint32_t *pair) { return uniform64(pair) < probability ? value : T(0); });
    }

    // Whole numbers of [first, first + span). The rest of a division, by way of a quotient that is at most one off.
    Array<int64_t> integers(Index n, uint32_t span, int64_t first) {
        if (!span) throw nb::value_error("there is no number in an empty range");
        const double length = span, inverse = 1 / length;
        return converted<int64_t, 1>(n, [=](const uint32_t *word) {
            const double rest = word[0] - std::floor(word[0] * inverse) * length;
            return static_cast<int64_t>(rest < 0 ? rest + length : rest >= length ? rest - length : rest) + first;
        });
    }

    nb::tuple state() const {
        const auto key = Array<uint32_t>::empty({block});
        std::memcpy(key.data(), key_, sizeof key_);
        return nb::make_tuple(key, place_);
    }

    void restore(Array<uint32_t> key, int place) {
        if (key.size() != block || place < 0 || place > block) throw nb::value_error("this is no state of a Mersenne Twister");
        std::memcpy(key_, key.data(), sizeof key_);
        place_ = place;
    }

private:
    static constexpr int block = 624, middle = 397;
    uint32_t key_[block];
    int place_ = 0;  // of the next word in the block; 0: the first block is to be twisted first

    static uint32_t mixed(uint32_t upper, uint32_t lower) {
        return (((upper & 0x80000000u) | (lower & 0x7FFFFFFFu)) >> 1) ^ (-(lower & 1) & 0x9908B0DFu);
    }

    void twist() {
#pragma omp simd
        for (int i = 0; i < block - middle; ++i) key_[i] = key_[i + middle] ^ mixed(key_[i], key_[i + 1]);
#pragma omp simd safelen(64)
        for (int i = block - middle; i < block - 1; ++i) key_[i] = key_[i + middle - block] ^ mixed(key_[i], key_[i + 1]);
        key_[block - 1] = key_[middle - 1] ^ mixed(key_[block - 1], key_[0]);
    }

    void draw(uint32_t *out, Index n) {
        while (n) {
            if (place_ == 0 || place_ == block) {
                twist();
                place_ = 0;
            }
            const int some = static_cast<int>(std::min<Index>(n, block - place_));
            for (int i = 0; i < some; ++i) {
                uint32_t word = key_[place_ + i];
                word ^= word >> 11;
                word ^= (word << 7) & 0x9D2C5680u;
                word ^= (word << 15) & 0xEFC60000u;
                out[i] = word ^ (word >> 18);
            }
            place_ += some;
            out += some;
            n -= some;
        }
    }

    static double uniform64(const uint32_t *pair) {
        return static_cast<double>(static_cast<int64_t>(pair[0] & 0x1FFFFF) << 32 | pair[1]) * 0x1p-53;
    }

    // n numbers, each made of so many words.
    template <class T, int each, class Convert> Array<T> converted(Index n, Convert &&convert) {
        const auto out = Array<T>::empty({n});
        constexpr Index some = 1024;
        uint32_t buffer[some * each];
        for (Index begin = 0; begin < n; begin += some) {
            const Index count = std::min(some, n - begin);
            draw(buffer, count * each);
            T *to = out.data() + begin;
#pragma omp simd
            for (Index i = 0; i < count; ++i) to[i] = convert(buffer + i * each);
        }
        return out;
    }
};

// Horner's rule, every step rounded once.
template <class... Coefficients> float polynomial(float x, float first, Coefficients... rest) {
    float value = first;
    ((value = std::fma(value, x, rest)), ...);
    return value;
}

// The functions below are those of the definition, in float32 with its polynomials and roundings.

inline float logarithm(float x) {
    const auto bits = std::bit_cast<int32_t>(x);
    float mantissa = std::bit_cast<float>((bits & 0x7FFFFF) | 0x3F000000);  // of [1/2, 1)
    float exponent = static_cast<float>((bits >> 23) - 126);
    const bool small = mantissa < 0.70710678118654752440f;
    mantissa = (small ? mantissa + mantissa : mantissa) - 1;
    exponent = small ? exponent - 1 : exponent;
    const float square = mantissa * mantissa;
    const float series = polynomial(mantissa, 7.0376836292e-2f, -1.1514610310e-1f, 1.1676998740e-1f, -1.2420140846e-1f,
                                    1.4249322787e-1f, -1.6668057665e-1f, 2.0000714765e-1f, -2.4999993993e-1f, 3.3333331174e-1f);
    const float y = std::fma(series * mantissa, square, exponent * -2.12194440e-4f) - square * 0.5f;
    return std::fma(exponent, 0.693359375f, mantissa + y);
}

inline void sine_and_cosine(float x, float &sine, float &cosine) {
    const int32_t octant = (static_cast<int32_t>(x * 1.27323954473516f) + 1) & ~1;
    const float turns = static_cast<float>(octant);
    x = std::fma(turns, -0.78515625f, x);  // less so many quarters of pi, given in three parts
    x = std::fma(turns, -2.4187564849853515625e-4f, x);
    x = std::fma(turns, -3.77489497744594108e-8f, x);
    const float square = x * x;
    const float of_cosine = polynomial(square, 2.443315711809948e-5f, -1.388731625493765e-3f, 4.166664568298827e-2f);
    const float of_sine = polynomial(square, -1.9515295891e-4f, 8.3321608736e-3f, -1.6666654611e-1f);
    const float c = std::fma(of_cosine * square, square, square * -0.5f) + 1;
    const float s = std::fma(of_sine * square, x, x);
    const bool swapped = octant & 2;
    sine = swapped ? c : s;
    cosine = swapped ? s : c;
    sine = octant & 4 ? -sine : sine;
    cosine = (octant + 2) & 4 ? -cosine : cosine;
}

inline double logarithm(double x) { return std::log(x); }

inline void sine_and_cosine(double x, double &sine, double &cosine) {
    sine = std::sin(x);
    cosine = std::cos(x);
}

// Blocks of eight radii's and eight angles' uniform numbers to blocks of normal ones, some at a time.
template <class T> void transform(const T *uniforms, T *normals, Index blocks, T mean, T std) {
    constexpr Index half = 8, some = 8;
    T radius[some * half], angle[some * half], sine[some * half], cosine[some * half];
    for (Index begin = 0; begin < blocks; begin += some) {
        const Index count = std::min(some, blocks - begin);
        const T *from = uniforms + begin * 2 * half;
        T *to = normals + begin * 2 * half;
        for (Index i = 0; i < count; ++i) {
            std::memcpy(radius + i * half, from + 2 * i * half, half * sizeof(T));
            std::memcpy(angle + i * half, from + (2 * i + 1) * half, half * sizeof(T));
        }
        const Index n = count * half;
#pragma omp simd
        for (Index i = 0; i < n; ++i) {
            radius[i] = std::sqrt(T(-2) * logarithm(1 - radius[i]));
            sine_and_cosine(T(6.283185307179586) * angle[i], sine[i], cosine[i]);
            sine[i] = std::fma(sine[i] * radius[i], std, mean);
            cosine[i] = std::fma(cosine[i] * radius[i], std, mean);
        }
        for (Index i = 0; i < count; ++i) {
            std::memcpy(to + 2 * i * half, cosine + i * half, half * sizeof(T));
            std::memcpy(to + (2 * i + 1) * half, sine + i * half, half * sizeof(T));
        }
    }
}

template <class T> Array<T> box_muller(Array<T> uniforms, double mean, double std) {
    constexpr Index block = 16;
    if (uniforms.size() % block) throw nb::value_error("Box and Muller's transform takes whole blocks of 16 numbers");
    const auto normals = Array<T>::empty({uniforms.size()});
    parallel(uniforms.size() / block, 16 * block, [&](Index begin, Index end) {
        transform<T>(uniforms.data() + begin * block, normals.data() + begin * block, end - begin, mean, std);
    });
    return normals;
}

Array<int64_t> swapped(Array<int64_t> targets) {
    const Index n = targets.size();
    const auto order = Array<int64_t>::empty({n});
    int64_t *to = order.data();
    for (Index i = 0; i < n; ++i) to[i] = i;
    for (Index i = 0; i < n; ++i) {
        const int64_t j = targets.data()[i];
        if (j < i || j >= n) throw nb::index_error("a place to swap with is out of range");
        std::swap(to[i], to[j]);
    }
    return order;
}

}  // namespace

void add_random(nb::module_ &module) {
    nb::class_<Words>(module, "Words")
        .def(nb::init<uint32_t>())
        .def("words", &Words::words)
        .def("uniforms32", &Words::uniforms32)
        .def("uniforms64", &Words::uniforms64)
        .def("chosen32", &Words::chosen<float>)
        .def("chosen64", &Words::chosen<double>)
        .def("integers", &Words::integers)
        .def("state", &Words::state)
        .def("restore", &Words::restore);
    RUSHLIGHT_FLOATING(module, box_muller);
    module.def("swapped", &swapped);
}

}  // namespace rushlight
