#pragma once
// A cheap bijection for numbers that must look unrelated: identifiers, buckets, chances.

#include <cstdint>

namespace ringtime {

/// Makes every bit of the result depend on every bit of the value (the finaliser of splitmix64).
[[nodiscard]] constexpr uint64_t scramble(uint64_t value) noexcept {
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9U;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebU;
    return value ^ (value >> 31);
}

}  // namespace ringtime
