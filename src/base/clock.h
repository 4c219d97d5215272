#pragma once
// Time as the cores see it: nanoseconds of CLOCK_MONOTONIC, read once per loop iteration and passed
// down as a value. Pure folders never read a clock. Durations of configuration are milliseconds.

#include <cstdint>

namespace ringtime {

/// Nanoseconds since an arbitrary start; never goes back.
using Nanoseconds = uint64_t;
using Milliseconds = uint64_t;

inline constexpr Nanoseconds kNanosecondsPerMillisecond = 1'000'000;
inline constexpr Nanoseconds kNanosecondsPerSecond = 1'000'000'000;

[[nodiscard]] constexpr Nanoseconds from_milliseconds(Milliseconds value) noexcept {
    return value * kNanosecondsPerMillisecond;
}

/// CLOCK_MONOTONIC now. For the loop, start-up and helper threads.
[[nodiscard]] Nanoseconds monotonic_now() noexcept;
/// Milliseconds since 1970 (CLOCK_REALTIME), for logs and dates.
[[nodiscard]] uint64_t wall_clock_milliseconds() noexcept;

}  // namespace ringtime
