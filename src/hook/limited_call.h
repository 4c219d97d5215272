#pragma once
// Runs foreign code that may never return: on a thread of its own, waiting no longer than a limit.
// Never on a core. When the limit passes the thread is left behind, and what it runs in may not be
// unloaded.

#include <functional>

#include "base/clock.h"

namespace ringtime::hook {

/// False when `call` has not returned within `limit`. It then still runs: whatever it uses must be
/// owned by it or live as long as the process.
// tidy: allow(data-path) loading and unloading, never a core
[[nodiscard]] bool call_with_limit(Milliseconds limit, std::function<void()> call);

}  // namespace ringtime::hook
