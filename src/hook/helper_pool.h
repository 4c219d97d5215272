#pragma once
// A few threads for work that blocks: reading a file, resolving a name, hashing a password. A core
// hands a task over and gets it back through its mailbox when the work is done. The queue is
// bounded; a full one is the caller's to deal with. Shared by all cores and plugins.

#include <cstdint>
#include <memory>

#include "base/clock.h"
#include "base/list.h"

namespace ringtime::hook {

class HookCore;

/// Embedded in whatever wants work to be done; belongs to the pool until done() is called.
struct HelperTask : ListNode {
    void (*work)(HelperTask&) noexcept = nullptr;  ///< On a helper thread.
    void (*done)(HelperTask&) noexcept = nullptr;  ///< On the thread of `core`.
    HookCore* core = nullptr;                      ///< Turns until done() was called.
};

class HelperPool {
 public:
    /// Threads are cheap while they sleep; work that blocks them all makes the rest wait.
    static constexpr unsigned threads = 4;
    /// Tasks that wait for a thread.
    static constexpr unsigned queue_max = 1024;

    HelperPool();
    HelperPool(const HelperPool&) = delete;
    HelperPool& operator=(const HelperPool&) = delete;
    /// A thread that does not come back from its work within a second is left behind.
    ~HelperPool();

    /// Starts the threads, once. Not on a core: they inherit its processor.
    void start();
    /// Any thread. False when the queue is full or nothing was started.
    [[nodiscard]] bool submit(HelperTask& task) noexcept;

    [[nodiscard]] uint64_t submitted() const noexcept;
    [[nodiscard]] uint64_t refused() const noexcept;
    [[nodiscard]] uint64_t waiting() const noexcept;

 private:
    struct State;
    static void run(State& state) noexcept;
    [[nodiscard]] static bool hand_back(State& state, HelperTask& task) noexcept;

    // tidy: allow(data-path) a thread that is left behind keeps what it looks at
    std::shared_ptr<State> state_;
};

}  // namespace ringtime::hook
