#pragma once
// The plugins that are loaded, of all generations, for those who visit them from outside of a
// request: metrics, the log's taps, readiness probes. Whoever enters one is a Guest of its door.
// Cold.

#include <mutex>
#include <vector>

#include "hook/plugin.h"

namespace ringtime::hook {

class Registry {
 public:
    void add(PluginRef plugin);
    void remove(const Plugin& plugin);
    /// As they stand now.
    [[nodiscard]] std::vector<PluginRef> plugins() const;

 private:
    mutable std::mutex lock_;  // tidy: allow(data-path) held to copy a list, never in a hook
    std::vector<PluginRef> plugins_;
};

}  // namespace ringtime::hook
