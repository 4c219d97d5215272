#include "base/clock.h"

#include <time.h>

namespace ringtime {

Nanoseconds monotonic_now() noexcept {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<Nanoseconds>(now.tv_sec) * kNanosecondsPerSecond +
           static_cast<Nanoseconds>(now.tv_nsec);
}

uint64_t wall_clock_milliseconds() noexcept {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    return static_cast<uint64_t>(now.tv_sec) * 1000 +
           static_cast<uint64_t>(now.tv_nsec) / 1'000'000;
}

}  // namespace ringtime
