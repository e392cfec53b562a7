// A pool for NumPy's large arrays: what one gives back serves the next of about that size, so that a loop which makes the
// same arrays again and again neither asks the system for memory nor touches new pages.
#include "memory.hpp"

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <vector>
#if defined(_WIN32)
#include <malloc.h>
#elif defined(__APPLE__)
#include <malloc/malloc.h>
#else
#include <malloc.h>
#include <sys/mman.h>
#endif
#ifndef _WIN32
#include <pthread.h>
#endif

#include "array.hpp"
#include "module.hpp"

namespace rushlight {
namespace {

constexpr size_t alignment = 64, most_blocks = 4096;

// New memory, which `free` takes back, as it does NumPy's own: it does not matter whose function gets which block.
void *request(size_t size) {
#ifdef _WIN32
    return std::malloc(size);
#else
    void *block;
    if (posix_memalign(&block, alignment, size)) return nullptr;
#ifdef __linux__
    constexpr size_t page = 4096, huge = 1 << 22;  // as NumPy does: fewer pages where they are large
    if (size >= huge) {
        const size_t start = (reinterpret_cast<uintptr_t>(block) + page - 1) / page * page;
        madvise(reinterpret_cast<void *>(start), size - page, MADV_HUGEPAGE);
    }
#endif
    return block;
#endif
}

// How many bytes a block really has: NumPy's word is not taken for it.
size_t size_of(void *block) {
#if defined(_WIN32)
    return _msize(block);
#elif defined(__APPLE__)
    return malloc_size(block);
#else
    return malloc_usable_size(block);
#endif
}

class Pool {
public:
    std::atomic<size_t> limit{0};

    Pool() { kept_.reserve(most_blocks); }

    void *take(size_t size) {
        {
            std::lock_guard lock(mutex);
            for (size_t i = kept_.size(); i-- > 0;) {  // the latest may still be in the cache
                const Block block = kept_[i];
                if (size <= block.size && block.size - size <= block.size / 8) {
                    kept_.erase(kept_.begin() + i);
                    bytes_ -= block.size;
                    ++reused_;
                    return block.start;
                }
            }
            ++requested_;
        }
        void *block = request(size);
        if (block) return block;
        release();
        return request(size);
    }

    void give(void *start) {
        const size_t size = size_of(start);
        std::lock_guard lock(mutex);
        if (size > limit || size < large || reinterpret_cast<uintptr_t>(start) % alignment) return std::free(start);
        shrink(limit - size);
        if (kept_.size() == most_blocks) drop(1);
        kept_.push_back({start, size});
        bytes_ += size;
    }

    // Gives the oldest back to the system until no more than so many bytes are kept.
    void shrink(size_t most) {
        size_t count = 0, left = bytes_;
        while (left > most) left -= kept_[count++].size;
        drop(count);
    }

    void release() {
        std::lock_guard lock(mutex);
        shrink(0);
    }

    nb::dict statistics() {
        std::lock_guard lock(mutex);
        nb::dict result;
        result["kept"] = bytes_;
        result["requested"] = requested_;
        result["reused"] = reused_;
        return result;
    }

    std::mutex mutex;

private:
    struct Block {
        void *start;
        size_t size;
    };
    std::vector<Block> kept_;  // the oldest first
    size_t bytes_ = 0, requested_ = 0, reused_ = 0;

    void drop(size_t count) {
        for (size_t i = 0; i < count; ++i) {
            bytes_ -= kept_[i].size;
            std::free(kept_[i].start);
        }
        kept_.erase(kept_.begin(), kept_.begin() + count);
    }
};

Pool &pool = *new Pool;                // never destroyed, since arrays may outlive everything else
PyDataMemAllocator *numpys = nullptr;  // what serves the small ones

#ifndef _WIN32
const int registered = pthread_atfork([] { pool.mutex.lock(); }, [] { pool.mutex.unlock(); }, [] { pool.mutex.unlock(); });
#endif

void *allocate(void *, size_t size) { return size < large ? numpys->malloc(numpys->ctx, size) : pool.take(size); }

void *allocate_zeros(void *, size_t count, size_t size) {
    // What is much larger than the pool comes as untouched pages, which are zero and take no memory until they are written.
    if (!size || count > pool.limit / size || count * size < large) return numpys->calloc(numpys->ctx, count, size);
    void *block = pool.take(count * size);
    return block ? std::memset(block, 0, count * size) : nullptr;
}

void *reallocate(void *, void *block, size_t size) { return numpys->realloc(numpys->ctx, block, size); }

void release(void *, void *block, size_t size) {
    if (size < large || !block) numpys->free(numpys->ctx, block, size);
    else pool.give(block);
}

PyDataMem_Handler handler = {"rushlight_pool", 1, {nullptr, allocate, allocate_zeros, reallocate, release}};
PyObject *capsule = nullptr;

void set_pool_limit(size_t bytes) {
    if (!capsule) {
        auto *inner = static_cast<PyDataMem_Handler *>(PyCapsule_GetPointer(PyDataMem_DefaultHandler, "mem_handler"));
        capsule = inner ? PyCapsule_New(&handler, "mem_handler", nullptr) : nullptr;
        if (!capsule) throw nb::python_error();
        numpys = &inner->allocator;
    }
    {
        std::lock_guard lock(pool.mutex);
        pool.limit = bytes;
        pool.shrink(bytes);
    }
    use_pool();
}

}  // namespace

void use_pool() {
    if (!capsule) return;
    const auto current = nb::steal(PyDataMem_GetHandler());
    if (current.ptr() != PyDataMem_DefaultHandler) return;
    const auto replaced = nb::steal(PyDataMem_SetHandler(capsule));
    if (!replaced) throw nb::python_error();
}

void add_memory(nb::module_ &module) {
    module.def("set_pool_limit", &set_pool_limit);
    module.def("release_memory", [] { pool.release(); });
    module.def("memory_statistics", [] { return pool.statistics(); });
}

}  // namespace rushlight
