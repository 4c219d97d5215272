#pragma once
// How much memory a process has resident, by the kernel's word.

#include <cstdint>

namespace ringtime {

/// Of this process alone, not of those it started; 0 when the kernel does not say.
[[nodiscard]] uint64_t resident_bytes(int32_t pid);

}  // namespace ringtime
