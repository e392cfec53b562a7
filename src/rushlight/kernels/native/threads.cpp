#include "threads.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>
#ifndef _WIN32
#include <pthread.h>
#endif

namespace rushlight {
namespace {

using Clock = std::chrono::steady_clock;
// How long a worker looks for more before it goes to sleep. Between the operations of a training step pass some 50 µs of
// Python; a sleeping worker takes as long to wake on a virtual machine.
constexpr auto patience = std::chrono::milliseconds(1);
constexpr auto interrupt_interval = std::chrono::milliseconds(50);

struct Job {
    const std::function<void(Index)> *piece;
    Index pieces;
    std::atomic<Index> next{0};
    std::atomic<int> helpers{0};  // workers that are inside
    std::atomic<bool> cancelled{false};
    std::exception_ptr error = nullptr;  // of the thread that cancelled

    // Takes pieces until none is left; `pause` runs after each.
    template <class Pause> void work(Pause &&pause) {
        try {
            for (Index i; !cancelled.load(std::memory_order_relaxed) && (i = next.fetch_add(1)) < pieces;) {
                (*piece)(i);
                pause();
            }
        } catch (...) {
            if (!cancelled.exchange(true)) error = std::current_exception();
        }
    }
};

// Threads that wait for jobs. One job at a time: a second caller meanwhile works alone.
class Pool {
public:
    std::mutex in_use;

    void run(Job &job, int helpers, const auto &pause) {
        grow(helpers);
        {
            std::lock_guard lock(mutex_);
            job_ = &job;
            wanted_ = helpers;
            turn_.fetch_add(1, std::memory_order_release);
        }
        wake_.notify_all();
        job.work(pause);
        {
            std::lock_guard lock(mutex_);
            job_ = nullptr;  // who comes now comes too late
        }
        while (job.helpers.load(std::memory_order_acquire)) std::this_thread::yield();
    }

private:
    std::mutex mutex_;
    std::condition_variable wake_;
    Job *job_ = nullptr;
    int wanted_ = 0;
    std::atomic<uint64_t> turn_{0};
    int size_ = 0;

    void grow(int helpers) {
        // Detached, since a process that ends does not wait for them, and the pool is never destroyed.
        try {
            for (; size_ < helpers; ++size_) std::thread([this] { serve(); }).detach();
        } catch (const std::system_error &) {  // the system allows no more: those that there are do it
        }
    }

    void serve() {
        for (uint64_t seen = 0;;) {
            const auto start = Clock::now();
            while (turn_.load(std::memory_order_acquire) == seen && Clock::now() - start < patience) std::this_thread::yield();
            Job *job = nullptr;
            {
                std::unique_lock lock(mutex_);
                wake_.wait(lock, [&] { return turn_.load(std::memory_order_relaxed) != seen; });
                seen = turn_.load(std::memory_order_relaxed);
                if (job_ && wanted_ > 0) {
                    --wanted_;
                    job = job_;
                    job->helpers.fetch_add(1);
                }
            }
            if (job) {
                job->work([] {});
                job->helpers.fetch_sub(1, std::memory_order_release);
            }
        }
    }
};

const int processors = std::max(1u, std::thread::hardware_concurrency());  // asking takes 10 µs
std::atomic<int> threads{0};  // 0: as many as there are processors
Pool *pool = new Pool;

#ifndef _WIN32
// A child of fork has none of the threads, and perhaps a locked mutex: it begins with a new pool.
const int registered = pthread_atfork(nullptr, nullptr, [] { pool = new Pool; });
#endif

}  // namespace

int get_threads() {
    const int count = threads.load();
    return count ? count : processors;
}

void set_threads(int count) { threads = count; }

void run_pieces(Index pieces, const std::function<void(Index)> &piece) {
    if (!PyGILState_Check()) {  // a loop within a piece of another: its thread does it all
        for (Index i = 0; i < pieces; ++i) piece(i);
        return;
    }
    Job job{&piece, pieces};
    {
        nb::gil_scoped_release release;
        auto last = Clock::now();
        const auto pause = [&] {
            if (const auto now = Clock::now(); now - last > interrupt_interval) {
                last = now;
                nb::gil_scoped_acquire acquire;
                if (PyErr_CheckSignals()) throw nb::python_error();
            }
        };
        const int helpers = static_cast<int>(std::min<Index>(get_threads(), pieces)) - 1;
        std::unique_lock turn(pool->in_use, std::defer_lock);
        if (helpers > 0 && turn.try_lock()) pool->run(job, helpers, pause);
        else job.work(pause);
    }
    if (job.error) std::rethrow_exception(job.error);
}

}  // namespace rushlight
