#pragma once
// Messages to a core from other threads: other cores, the supervisor, helper threads. A bounded
// multi-producer queue (Vyukov's sequence-numbered cells) plus a doorbell that rings only while the
// core sleeps. Cold paths only: no request waits for a message on its usual way.

#include <atomic>
#include <cstdint>
#include <memory>

#include "base/limits.h"

namespace ringtime::loop {

struct Message {
    void (*function)(void* context, uint64_t value) noexcept = nullptr;
    void* context = nullptr;
    uint64_t value = 0;
};

class Mailbox {
 public:
    Mailbox();

    /// Any thread. False when full.
    [[nodiscard]] bool push(const Message& message) noexcept;
    /// The core's thread. False when empty.
    [[nodiscard]] bool pop(Message& out) noexcept;
    [[nodiscard]] bool empty() const noexcept;

 private:
    static constexpr uint64_t mask = limits::mailbox_entries - 1;
    static_assert((limits::mailbox_entries & mask) == 0);

    struct Cell {
        std::atomic<uint64_t> sequence;
        Message message;
    };

    std::unique_ptr<Cell[]> cells_;
    alignas(128) std::atomic<uint64_t> tail_{0};
    alignas(128) uint64_t head_ = 0;
};

}  // namespace ringtime::loop
