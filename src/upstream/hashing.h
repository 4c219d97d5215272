#pragma once
// The hash that servers are chosen by. Fixed, without a seed of its own: several gateways in front
// of the same servers send one client to the same server.

#include <cstdint>
#include <string_view>

#include "base/scramble.h"

namespace ringtime::upstream {

/// FNV-1a, scrambled.
[[nodiscard]] constexpr uint64_t hash_text(std::string_view text) noexcept {
    uint64_t hash = 0xcbf29ce484222325U;
    for (char c : text) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3U;
    return scramble(hash);
}

}  // namespace ringtime::upstream
