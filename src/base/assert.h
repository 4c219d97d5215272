#pragma once
// Assertions document programming errors; they stay on in release builds.
// Bytes that a peer, plugin, worker or manifest supplied are never asserted on: those are Errors.

namespace ringtime {

/// Prints the fact that did not hold and where, then aborts.
[[noreturn]] void assertion_failed(const char* fact, const char* file, int line) noexcept;

}  // namespace ringtime

#define ASSERT(fact)                                                             \
    do {                                                                         \
        if (!(fact)) [[unlikely]]                                                \
            ::ringtime::assertion_failed(#fact, __FILE__, __LINE__);             \
    } while (false)

// For per-byte and per-step checks that would cost in release.
#ifdef RINGTIME_DEBUG
#define DEBUG_ASSERT(fact) ASSERT(fact)
#else
#define DEBUG_ASSERT(fact) \
    do {                   \
    } while (false)
#endif
