#pragma once
// What a base and a host of a mount may look like. Start-up only.

#include <cstddef>
#include <string>
#include <string_view>

namespace ringtime::route {

/// Bytes and segments of a base.
inline constexpr size_t base_bytes_max = 512;
inline constexpr size_t base_segments_max = 16;

/// Why `base` is none; null when it is one.
[[nodiscard]] const char* base_fault(std::string_view base) noexcept;
/// Why `host` is none; null when it is one, or empty. In the form normalise_host() gives.
[[nodiscard]] const char* host_fault(std::string_view host) noexcept;
/// Lower case, without the dot of a fully qualified name.
[[nodiscard]] std::string normalise_host(std::string_view host);

}  // namespace ringtime::route
