#pragma once
// A number that one thread counts and any thread reads: for metrics. One writer means that no
// locked instruction is needed; readers see a value that is at most a moment old.

#include <atomic>
#include <cstdint>

namespace ringtime {

class Counter {
 public:
    Counter() = default;
    Counter(const Counter& other) noexcept : value_(other.value()) {}
    Counter& operator=(const Counter& other) noexcept {
        value_.store(other.value(), std::memory_order_relaxed);
        return *this;
    }

    void add(uint64_t amount) noexcept {
        value_.store(value_.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
    }
    void operator++() noexcept { add(1); }
    [[nodiscard]] uint64_t value() const noexcept {
        return value_.load(std::memory_order_relaxed);
    }
    [[nodiscard]] operator uint64_t() const noexcept { return value(); }

 private:
    std::atomic<uint64_t> value_{0};
};

}  // namespace ringtime
