#pragma once
// Paused exchanges of one core and the tokens that name them. A token holds core, slot and the
// slot's generation, so one that comes late finds another generation and does nothing. The first
// resumption wins a compare-and-swap; it then travels to the core as a message, and only there
// meets the exchange.

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "hook/abi.h"

namespace ringtime::hook {

/// Who sleeps. Called on the core's thread; notes what happened and wakes itself.
class Sleeper {
 public:
    virtual void on_resumed(uint64_t value) noexcept = 0;

 protected:
    ~Sleeper() = default;
};

/// Frees what the value of a resumption stands for when nobody is left to take it.
struct LateHandler {
    void (*function)(void* self, uint64_t value) = nullptr;
    void* self = nullptr;
};

class PauseTable {
 public:
    /// Exchanges of one core that may be paused at once: 48 B each, in pages as needed.
    static constexpr unsigned pauses_max = 16384;

    explicit PauseTable(unsigned core) noexcept : core_(core) {}
    PauseTable(const PauseTable&) = delete;
    PauseTable& operator=(const PauseTable&) = delete;
    ~PauseTable();

    /// The core's thread. 0 at the limit.
    [[nodiscard]] ringtime_token arm(Sleeper& sleeper, LateHandler late) noexcept;
    /// The core's thread: the sleeper will not be called any more.
    void cancel(ringtime_token token) noexcept;

    /// Any thread. True for the one call that wins; it must then be delivered or given back.
    [[nodiscard]] bool claim(ringtime_token token, uint64_t value) noexcept;
    /// Any thread: undoes a claim that could not be delivered. False when nobody sleeps there any
    /// more: the value is the caller's again.
    [[nodiscard]] bool give_back(ringtime_token token) noexcept;
    /// The core's thread: hands a claimed resumption over.
    void deliver(ringtime_token token) noexcept;

    [[nodiscard]] unsigned used() const noexcept { return used_; }
    [[nodiscard]] static unsigned core_of(ringtime_token token) noexcept {
        return static_cast<unsigned>(token >> 56);
    }

 private:
    static constexpr unsigned page_slots = 256;
    static constexpr unsigned pages = pauses_max / page_slots;
    enum Phase : uint64_t {
        free_slot,
        armed,
        claimed,
        deserted,  ///< Claimed, and its sleeper went away.
        orphaned,  ///< And the claim was given back: the core's thread has to find it.
    };
    static constexpr unsigned phase_bits = 3;
    [[nodiscard]] static constexpr uint64_t state_of(uint64_t generation, Phase phase) noexcept {
        return generation << phase_bits | phase;
    }

    struct Slot {
        std::atomic<uint64_t> state{state_of(1, free_slot)};
        std::atomic<uint64_t> value{0};
        Sleeper* sleeper = nullptr;
        LateHandler late;
    };

    [[nodiscard]] Slot* find(ringtime_token token) const noexcept;
    [[nodiscard]] bool grow() noexcept;
    void put_back(Slot& slot, unsigned index) noexcept;
    void take_orphans() noexcept;

    unsigned core_;
    unsigned used_ = 0;
    unsigned page_count_ = 0;
    std::vector<unsigned> free_;
    std::atomic<unsigned> orphans_{0};
    // Published once and never moved: other threads look slots up while pages are added.
    std::array<std::atomic<Slot*>, pages> pages_{};
};

}  // namespace ringtime::hook
