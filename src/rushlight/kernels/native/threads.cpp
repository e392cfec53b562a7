#include "threads.hpp"

#include <algorithm>
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

struct Stopped {};  // thrown where a piece ends since its job is cancelled

// Each thread begins with pieces of its own, always the same ones, so that it finds what it wrote last time in its cache.
// Who has done all of them helps the others.
struct Job {
    struct alignas(64) Share {
        std::atomic<Index> next;
        Index end;
    };

    const std::function<void(Index)> *piece;
    std::vector<Share> shares;
    std::atomic<int> helpers{0};  // workers that are inside
    std::atomic<bool> cancelled{false};
    std::exception_ptr error = nullptr;  // of the thread that cancelled

    Job(const std::function<void(Index)> &piece, Index pieces, int threads) : piece(&piece), shares(threads) {
        for (int i = 0; i < threads; ++i) {
            shares[i].next = pieces * i / threads;
            shares[i].end = pieces * (i + 1) / threads;
        }
    }

    int workers() const { return static_cast<int>(shares.size()) - 1; }

    // Takes pieces until none is left; thread 0 is the caller.
    void work(size_t thread);

    // What the caller does after each piece.
    void look_for_interrupts() {
        if (const auto now = Clock::now(); now - looked_ > interrupt_interval) {
            looked_ = now;
            nb::gil_scoped_acquire acquire;
            if (PyErr_CheckSignals()) throw nb::python_error();
        }
    }

private:
    Clock::time_point looked_ = Clock::now();
};

// What this thread works on.
struct Work {
    Job *job = nullptr;
    bool is_caller = false;
};
thread_local Work current;

void Job::work(size_t thread) {
    current = {this, thread == 0};
    try {
        for (size_t k = 0; k < shares.size(); ++k) {
            Share &share = shares[(thread + k) % shares.size()];
            for (Index i; !cancelled.load(std::memory_order_relaxed) && (i = share.next.fetch_add(1)) < share.end;) {
                (*piece)(i);
                if (thread == 0) look_for_interrupts();
            }
        }
    } catch (...) {
        if (!cancelled.exchange(true)) error = std::current_exception();
    }
    current = {};
}

// Threads that wait for jobs. One job at a time: a second caller meanwhile works alone.
class Pool {
public:
    std::mutex in_use;

    void run(Job &job) {
        grow(job.workers());
        {
            std::lock_guard lock(mutex_);
            job_ = &job;
            turn_.fetch_add(1, std::memory_order_release);
        }
        wake_.notify_all();
        job.work(0);
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
    std::atomic<uint64_t> turn_{0};
    int size_ = 0;

    void grow(int helpers) {
        // Detached, since a process that ends does not wait for them, and the pool is never destroyed.
        try {
            for (; size_ < helpers; ++size_) std::thread([this, number = size_ + 1] { serve(number); }).detach();
        } catch (const std::system_error &) {  // the system allows no more: those that there are do it
        }
    }

    void serve(int number) {
        for (uint64_t seen = 0;;) {
            const auto start = Clock::now();
            while (turn_.load(std::memory_order_acquire) == seen && Clock::now() - start < patience) std::this_thread::yield();
            Job *job = nullptr;
            {
                std::unique_lock lock(mutex_);
                wake_.wait(lock, [&] { return turn_.load(std::memory_order_relaxed) != seen; });
                seen = turn_.load(std::memory_order_relaxed);
                if (job_ && number <= job_->workers()) {
                    job = job_;
                    job->helpers.fetch_add(1);
                }
            }
            if (job) {
                job->work(number);
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
    Job job(piece, pieces, static_cast<int>(std::min<Index>(get_threads(), pieces)));
    {
        nb::gil_scoped_release release;
        std::unique_lock turn(pool->in_use, std::defer_lock);
        if (job.workers() && turn.try_lock()) pool->run(job);
        else job.work(0);
    }
    if (job.error) std::rethrow_exception(job.error);
}

void breathe() {
    if (!current.job) return;
    if (current.job->cancelled.load(std::memory_order_relaxed)) throw Stopped();
    if (current.is_caller) current.job->look_for_interrupts();
}

void share_out(Index count, Index work, const std::function<void(Index, Index)> &body) {
    work = std::max<Index>(work, 1);
    const Index length = std::max<Index>(1, piece_work / work);
    if (count * work > piece_work)
        run_pieces((count + length - 1) / length, [&](Index i) { body(i * length, std::min(count, (i + 1) * length)); });
    else if (count) body(0, count);
}

}  // namespace rushlight
