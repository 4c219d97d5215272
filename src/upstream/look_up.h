#pragma once
// The name of one server looked up at once, by who can wait for it: a helper thread for a plugin
// that asks a server nobody has configured. Configured ones have the resolver.

#include "upstream/server.h"

namespace ringtime::upstream {

/// Blocks as long as the system's name servers take. One thread at a time per server. What failed
/// leaves the addresses as they were.
void look_up(Server& server);

}  // namespace ringtime::upstream
