#include "hook/registry.h"

#include <algorithm>

namespace ringtime::hook {

void Registry::add(PluginRef plugin) {
    std::lock_guard lock(lock_);
    plugins_.push_back(std::move(plugin));
}

void Registry::remove(const Plugin& plugin) {
    std::lock_guard lock(lock_);
    std::erase_if(plugins_, [&](const PluginRef& mine) { return mine.get() == &plugin; });
}

std::vector<PluginRef> Registry::plugins() const {
    std::lock_guard lock(lock_);
    return plugins_;
}

}  // namespace ringtime::hook
