#pragma once
// For how long a server says it keeps a connection that nobody uses: `Keep-Alive: timeout=5`, as
// Node, Apache and many others say. No standard obliges anybody; but a request sent while the
// server's FIN is on its way is lost, and one that may not be repeated is then a 502 nobody is to
// blame for. So the gateway lets go of such a connection first.

#include "base/clock.h"
#include "http/fields.h"

namespace ringtime::upstream {

inline constexpr Milliseconds keeps_for_ever = UINT64_MAX;

/// Three quarters of what was announced, which leaves time for what is on its way;
/// keeps_for_ever without a word.
[[nodiscard]] Milliseconds announced_keep_alive(const http::FieldTable& fields) noexcept;

}  // namespace ringtime::upstream
