#pragma once
// Looks up the names of upstream servers, off the cores: one thread, at start and again as answers
// age. A name that does not resolve never fails the start; its server is skipped until it does.

#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "upstream/upstream.h"

namespace ringtime::upstream {

class Resolver {
 public:
    Resolver() = default;
    ~Resolver();

    /// Replaces the upstreams to look after; the first look-up begins at once. Starts the thread,
    /// which inherits the caller's signal mask.
    // tidy: allow(data-path) the resolver is a thread of its own
    void watch(std::vector<std::shared_ptr<Upstream>> upstreams);

 private:
    void run();
    static void resolve(Server& server);

    // tidy: allow(data-path) the resolver is a thread of its own
    std::mutex mutex_;
    std::condition_variable changed_;
    // tidy: allow(data-path) the resolver is a thread of its own
    std::vector<std::shared_ptr<Upstream>> upstreams_;
    bool stopping_ = false;
    uint64_t generation_ = 0;
    std::thread thread_;
};

}  // namespace ringtime::upstream
