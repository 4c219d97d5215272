#pragma once
// The hash that servers are chosen by. Fixed, without a seed of its own: several gateways in front
// of the same servers send one client to the same server.

#include <cstdint>
#include <string_view>

namespace ringtime::upstream {

/// Makes every bit of the result depend on every bit of the value (the finaliser of splitmix64).
[[nodiscard]] constexpr uint64_t scramble(uint64_t value) noexcept {
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9U;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebU;
    return value ^ (value >> 31);
}

/// FNV-1a, scrambled.
[[nodiscard]] constexpr uint64_t hash_text(std::string_view text) noexcept {
    uint64_t hash = 0xcbf29ce484222325U;
    for (char c : text) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3U;
    return scramble(hash);
}

}  // namespace ringtime::upstream
