#pragma once
// The paths that are the gateway's own, whatever is mounted: for who answers them and for who
// explains what would answer.

#include <cstdint>
#include <string_view>

namespace ringtime::exchange {

enum class CorePath : uint8_t { none, api, health, ready, well_known };

/// Whether `path` is `base` or lies below it.
[[nodiscard]] inline bool at_or_below(std::string_view path, std::string_view base) noexcept {
    return path.starts_with(base) && (path.size() == base.size() || path[base.size()] == '/');
}

[[nodiscard]] inline CorePath core_path(std::string_view path, std::string_view api) noexcept {
    if (at_or_below(path, api)) return CorePath::api;
    if (path == "/health") return CorePath::health;
    if (path == "/ready") return CorePath::ready;
    return path == "/.well-known/ringtime" ? CorePath::well_known : CorePath::none;
}

}  // namespace ringtime::exchange
