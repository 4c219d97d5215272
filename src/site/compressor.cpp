#include "site/compressor.h"

#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>

#include <chrono>
#include <cstdlib>
#include <cstring>

#include "base/assert.h"
#include "site/compress.h"

namespace ringtime::site {
namespace {

/// Weight 15 of 1024 against a core that is busy, and never in the way of one that wakes up.
void lower_priority() noexcept {
    constexpr int nicest = 19;
    ::setpriority(PRIO_PROCESS, 0, nicest);  // Of this thread alone: that is how Linux reads it.
    sched_param none{};
    ::pthread_setschedparam(::pthread_self(), SCHED_BATCH, &none);
}

}  // namespace

Compressor::Compressor(size_t kept_bytes, Priority priority)
    : kept_bytes_max_(kept_bytes), thread_([this, priority] { run(priority); }) {}

Compressor::~Compressor() {
    {
        std::lock_guard lock(mutex_);
        ASSERT(!first_);
        ending_ = true;
    }
    wake_.notify_all();
    thread_.join();
}

bool Compressor::submit(CompressionJob& job) noexcept {
    {
        std::lock_guard lock(mutex_);
        if (waiting_ == limits::compressions_max) return false;
        ++waiting_;
        job.next = nullptr;
        (last_ ? last_->next : first_) = &job;
        last_ = &job;
    }
    wake_.notify_one();
    return true;
}

void Compressor::abandon(const loop::Reactor& reactor) noexcept {
    CompressionJob* undone = nullptr;
    {
        std::lock_guard lock(mutex_);
        CompressionJob* job = std::exchange(first_, nullptr);
        last_ = nullptr;
        while (job) {
            CompressionJob* next = std::exchange(job->next, nullptr);
            if (job->reactor == &reactor) {
                job->next = std::exchange(undone, job);
                --waiting_;
            } else {
                (last_ ? last_->next : first_) = job;
                last_ = job;
            }
            job = next;
        }
        if (running_for_ == &reactor) stop_.store(true, std::memory_order_relaxed);
    }
    while (undone) {
        CompressionJob* next = undone->next;
        undone->on_done(*undone);
        undone = next;
    }
}

void Compressor::leave(const loop::Reactor& reactor) noexcept {
    std::unique_lock lock(mutex_);
    idle_.wait(lock, [&] { return running_for_ != &reactor; });
}

void Compressor::run(Priority priority) noexcept {
    ::pthread_setname_np(::pthread_self(), "compress");
    if (priority == Priority::lowest) lower_priority();
    std::unique_lock lock(mutex_);
    for (;;) {
        wake_.wait(lock, [this] { return first_ || ending_; });
        if (!first_) return;
        CompressionJob& job = *first_;
        first_ = job.next;
        if (!first_) last_ = nullptr;
        --waiting_;
        running_for_ = job.reactor;
        stop_.store(false, std::memory_order_relaxed);
        lock.unlock();
        answer(job);
        // Not under the lock: a core that submits is not emptying its mailbox.
        send_back(job);
        lock.lock();
        running_for_ = nullptr;
        idle_.notify_all();
    }
}

void Compressor::answer(CompressionJob& job) noexcept {
    if (take_kept(job)) return;
    Compressed made = compress(job.bytes, job.coding, stop_);
    job.result = made.bytes;
    job.result_size = made.size;
    made_.fetch_add(1, std::memory_order_relaxed);
    if (job.result) keep(job);
}

bool Compressor::take_kept(CompressionJob& job) {
    for (auto at = kept_.begin(); at != kept_.end(); ++at) {
        if (at->coding != job.coding || !(at->facts == job.facts) ||
            at->etag != job.etag)
            continue;
        kept_.splice(kept_.begin(), kept_, at);
        job.result = static_cast<char*>(std::malloc(at->bytes.size()));
        if (!job.result) return true;
        std::memcpy(job.result, at->bytes.data(), at->bytes.size());
        job.result_size = at->bytes.size();
        return true;
    }
    return false;
}

void Compressor::keep(const CompressionJob& job) {
    if (job.result_size > kept_bytes_max_) return;
    kept_.push_front({job.coding, job.facts, std::string(job.etag),
                      std::string(job.result, job.result_size)});
    kept_bytes_ += job.result_size;
    while (kept_bytes_ > kept_bytes_max_ || kept_.size() > limits::compressed_kept_max) {
        kept_bytes_ -= kept_.back().bytes.size();
        kept_.pop_back();
    }
}

void Compressor::send_back(CompressionJob& job) noexcept {
    loop::Message message;
    message.context = &job;
    message.function = [](void* context, uint64_t) noexcept {
        auto* done = static_cast<CompressionJob*>(context);
        done->on_done(*done);
    };
    // A core whose mailbox is full is about to empty it.
    // tidy: allow(sleep) its mailbox says nothing when there is room, and nobody waits here
    while (!job.reactor->post(message)) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

}  // namespace ringtime::site
