#pragma once
// Watches over the servers of all upstreams: active checks where a manifest asks for them, and the
// rates of success that cores have counted. One thread for the process; verdicts are atomics of the
// servers, so cores see them without being told.

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/fd.h"
#include "upstream/probe.h"
#include "upstream/upstream.h"

namespace ringtime::upstream {

class HealthChecker {
 public:
    HealthChecker();
    ~HealthChecker();

    /// Replaces the upstreams to look after; what is known of servers that stay is kept. Starts the
    /// thread when there is something to do; it inherits the caller's signal mask.
    // tidy: allow(data-path) the checker is a thread of its own
    void watch(std::vector<std::shared_ptr<Upstream>> upstreams);

 private:
    struct Watched;

    void run();
    void adopt();
    void look_after(Watched& watched, Nanoseconds now);
    void begin_check(Watched& watched, Nanoseconds now);
    static void take_verdict(Watched& watched, Probe::Verdict verdict, Nanoseconds now);
    static void judge_rate(Watched& watched, Nanoseconds now);
    [[nodiscard]] Nanoseconds jittered(Milliseconds interval) noexcept;
    void wait(Nanoseconds now);

    // tidy: allow(data-path) the checker is a thread of its own
    std::mutex mutex_;  ///< Guards what watch() hands over.
    // tidy: allow(data-path) the checker is a thread of its own
    std::vector<std::shared_ptr<Upstream>> given_;
    bool has_given_ = false;
    bool stopping_ = false;
    Fd wake_;

    // The thread's own.
    std::vector<std::unique_ptr<Watched>> watched_;
    uint64_t random_ = 0;
    unsigned running_ = 0;  ///< Checks under way.
    std::thread thread_;
};

}  // namespace ringtime::upstream
