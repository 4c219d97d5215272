#pragma once
// The functions plugins call: thin C shells around ChainRun, Plugin, PluginCore and Cores. None
// lets an exception out.

#include <ringtime/plugin.h>

namespace ringtime::hook {

[[nodiscard]] ringtime_host host_table() noexcept;

}  // namespace ringtime::hook
