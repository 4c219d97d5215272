#pragma once
// The access log of one core: one JSON line per request, encoded into a bounded ring of bytes and
// written by another thread in batches. A full ring drops the line and counts it; a core never
// waits for a disk. One producer (the core), one consumer (the writer's thread).

#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>

#include "base/reason.h"
#include "base/result.h"

namespace ringtime::exchange {

struct AccessEntry {
    uint64_t wall_ms = 0;
    std::string_view request_id;
    std::string_view peer;
    std::string_view method;
    std::string_view target;  ///< As received.
    std::string_view host;
    std::string_view mount;
    std::string_view server;  ///< Of an upstream: the one that answered, or failed last.
    unsigned retries = 0;     ///< Further attempts the upstream made.
    std::string_view plugin;  ///< The one that answered, or failed the request.
    std::string_view user_agent;
    Reason reason = Reason::none;
    std::string_view cause;   ///< What stands behind it, in one word; empty when nothing does.
    uint16_t status = 0;      ///< 0: nothing was answered.
    uint64_t bytes_received = 0;
    uint64_t bytes_sent = 0;
    uint64_t duration_us = 0;
    bool complete = false;
};

/// For `cause`: the rule that a client's message broke, or what was wrong with an upstream.
[[nodiscard]] std::string_view cause_of(const Error& error) noexcept;

class AccessLog {
 public:
    explicit AccessLog(size_t capacity_bytes);

    /// Whether lines are written or shown to anybody; any thread sets it.
    [[nodiscard]] bool wanted() const noexcept { return wanted_.load(std::memory_order_relaxed); }
    // tidy: allow(bool-parameter) the state to be set
    void set_wanted(bool wanted) noexcept { wanted_.store(wanted, std::memory_order_relaxed); }
    /// The core's thread.
    void add(const AccessEntry& entry) noexcept;
    [[nodiscard]] uint64_t dropped() const noexcept {
        return dropped_.load(std::memory_order_relaxed);
    }

    /// The writer's thread: the oldest contiguous bytes, whole lines only at the end of the ring's
    /// use; call again after consumed() until it is empty.
    [[nodiscard]] std::string_view readable() const noexcept;
    void consumed(size_t size) noexcept;

 private:
    size_t capacity_;
    std::unique_ptr<char[]> bytes_;
    alignas(128) std::atomic<uint64_t> tail_{0};
    alignas(128) std::atomic<uint64_t> head_{0};
    std::atomic<uint64_t> dropped_{0};
    std::atomic<bool> wanted_{true};
};

}  // namespace ringtime::exchange
