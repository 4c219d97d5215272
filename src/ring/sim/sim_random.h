#pragma once
// The one source of chance in a simulated world (splitmix64): the same seed gives the same run on
// every machine and compiler, which the generators of <random> promise but its distributions do
// not.

#include <cstdint>

#include "base/assert.h"

namespace ringtime::ring {

class SimRandom {
 public:
    explicit SimRandom(uint64_t seed) noexcept : state_(seed) {}

    [[nodiscard]] uint64_t next() noexcept {
        state_ += 0x9E3779B97F4A7C15U;
        uint64_t mixed = state_;
        mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9U;
        mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EBU;
        return mixed ^ (mixed >> 31);
    }
    /// 0 to `bound` - 1.
    [[nodiscard]] uint64_t below(uint64_t bound) noexcept {
        ASSERT(bound > 0);
        return next() % bound;
    }
    /// `low` to `high`, both included.
    [[nodiscard]] uint64_t between(uint64_t low, uint64_t high) noexcept {
        ASSERT(low <= high);
        return low + below(high - low + 1);
    }
    /// True `permille` times out of a thousand. Draws nothing when the answer is certain, so that a
    /// fault switched off does not disturb the others.
    [[nodiscard]] bool chance(unsigned permille) noexcept {
        return permille > 0 && below(1000) < permille;
    }

 private:
    uint64_t state_;
};

}  // namespace ringtime::ring
