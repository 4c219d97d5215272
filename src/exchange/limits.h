#pragma once
// Maxima of client connections beside those of base/limits.h, with their units and costs.

#include "base/limits.h"

namespace ringtime::limits {

/// Different peers whose connections can be counted at once, all cores together: 8 MiB, given by
/// the kernel as it is used.
inline constexpr size_t peers_counted = 256 * 1024;
/// Bytes read and dropped behind the last answer, so that a reset does not destroy it: an upload
/// that was refused should not keep its sender from reading why.
inline constexpr size_t linger_bytes = 16 * 1024 * 1024;
/// The rest of a body from which on it is received in place: what is shorter is mostly here with
/// the head.
inline constexpr size_t in_place_bytes_min = 64 * 1024;

}  // namespace ringtime::limits
