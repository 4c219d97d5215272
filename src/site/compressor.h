#pragma once
// Compresses files for all cores, one after another, on a thread that gets what the cores leave. A
// core asks once per version of a file and coding and goes on sending it as it is; the answer comes
// as a message. What one core had made is there for the others, within a bound. Owned by the
// runtime; outlives the caches that use it.

#include <atomic>
#include <condition_variable>
#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "loop/reactor.h"
#include "site/content.h"
#include "site/limits.h"
#include "site/negotiate.h"

namespace ringtime::site {

/// One file in one coding. Its core's, and lent until `on_done` is called there.
struct CompressionJob {
    Coding coding = Coding::identity;
    std::string_view bytes;      ///< Must not change or go away.
    /// What the result is known by, with the coding. The tag alone would do but for somebody who
    /// makes two files of one tag; the facts alone but for what we add to a file.
    FileFacts facts;
    std::string_view etag;
    loop::Reactor* reactor = nullptr;
    void (*on_done)(CompressionJob& job) noexcept = nullptr;
    void* context = nullptr;

    /// Memory of malloc, for the core; null when it is not worth it.
    char* result = nullptr;
    size_t result_size = 0;
    CompressionJob* next = nullptr;
};

class Compressor {
 public:
    enum class Priority : uint8_t { lowest, as_started };

    /// `kept_bytes`: of results, for other cores that will ask for the same.
    explicit Compressor(size_t kept_bytes = limits::compressed_kept_bytes,
                        Priority priority = Priority::lowest);
    /// Precondition: no job is out.
    ~Compressor();
    Compressor(const Compressor&) = delete;
    Compressor& operator=(const Compressor&) = delete;

    /// Any core. False when limits::compressions_max jobs wait.
    [[nodiscard]] bool submit(CompressionJob& job) noexcept;
    /// A core ends: what waits for it comes back undone, and soon.
    void abandon(const loop::Reactor& reactor) noexcept;
    /// Its last job is back: waits until the thread has let go of the reactor.
    void leave(const loop::Reactor& reactor) noexcept;

    [[nodiscard]] uint64_t made() const noexcept { return made_.load(std::memory_order_relaxed); }

 private:
    struct Result {
        Coding coding;
        FileFacts facts;
        std::string etag;
        std::string bytes;
    };

    void run(Priority priority) noexcept;
    void answer(CompressionJob& job) noexcept;
    [[nodiscard]] bool take_kept(CompressionJob& job);
    void keep(const CompressionJob& job);
    void send_back(CompressionJob& job) noexcept;

    const size_t kept_bytes_max_;
    // tidy: allow(data-path) taken once per version of a file, for a few instructions
    std::mutex mutex_;
    std::condition_variable wake_;
    std::condition_variable idle_;
    CompressionJob* first_ = nullptr;
    CompressionJob* last_ = nullptr;
    size_t waiting_ = 0;
    bool ending_ = false;
    const loop::Reactor* running_for_ = nullptr;
    std::atomic<bool> stop_{false};
    std::atomic<uint64_t> made_{0};

    // The thread's own. Most recently used first.
    std::list<Result> kept_;
    size_t kept_bytes_ = 0;
    std::thread thread_;
};

}  // namespace ringtime::site
