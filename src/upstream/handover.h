#pragma once
// Idle connections that change cores: a core without one asks the core with most of them before it
// connects. That is rare, a core that is busy has its own, and nobody waits long for an answer.
// An ask lies with the core that made it; the other one writes its answer into it, once, and rings.

#include <atomic>
#include <cstdint>
#include <memory>

#include "base/upstream_limits.h"

namespace ringtime::upstream {

class CorePool;
class Handover;
class Session;

/// One question for a connection. It is neither moved nor freed before it has been answered.
struct Ask {
    enum class State : uint8_t { free, asked, answered };

    // The question.
    Handover* handover = nullptr;
    unsigned asker = 0;  ///< A core.
    unsigned server = 0;
    uint64_t upstream = 0;

    // The answer.
    int fd = -1;  ///< A connection without a request or an unread byte; -1: there is none.
    uint32_t uses = 0;
    uint64_t address = 0;

    Session* session = nullptr;  ///< The asker's own; null when it has gone on without.
    std::atomic<State> state{State::free};

    /// The asked core, once: from here on the ask is the asker's again.
    void answer(int connection, uint64_t its_address, uint32_t its_uses) noexcept;
    void decline() noexcept { answer(-1, 0, 0); }
};

/// Where cores find each other. Lives longer than all of them.
class Handover {
 public:
    // tidy: allow(data-path) made before the cores are
    explicit Handover(unsigned cores) : seats_(std::make_unique<Seat[]>(cores)), cores_(cores) {}

    /// On the core's thread: messages reach it from here on.
    void join(CorePool& pool) noexcept;
    /// No more of them are posted once this has returned; those that were wait in the mailbox.
    void leave(const CorePool& pool) noexcept;

    using Function = void (*)(void* pool, uint64_t argument) noexcept;
    /// Any core. False when `core` has left or its mailbox is full.
    [[nodiscard]] bool post(unsigned core, Function function, uint64_t argument) noexcept;
    [[nodiscard]] bool post(unsigned core, Function function, Ask& ask) noexcept {
        return post(core, function, reinterpret_cast<uint64_t>(&ask));
    }

 private:
    struct alignas(64) Seat {
        std::atomic<CorePool*> pool{nullptr};
        std::atomic<unsigned> callers{0};  ///< Cores that are about to post.
    };

    std::unique_ptr<Seat[]> seats_;
    unsigned cores_;
};

}  // namespace ringtime::upstream
