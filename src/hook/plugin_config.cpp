// Another configuration for a plugin that goes on: its file, its scope and what it depends on are
// the same, and it has said that it takes such changes.

#include <fmt/core.h>

#include "hook/limited_call.h"
#include "hook/plugin.h"

namespace ringtime::hook {

bool Plugin::can_become(const PluginSpec& spec) const {
    if (spec_ == spec) return true;
    if (!table_.on_config || abandoned_ || configs_.size() >= configs_max) return false;
    PluginSpec mine = spec_;
    mine.config_json = spec.config_json;
    return mine == spec;
}

bool Plugin::reconfigure(const std::string& json, Milliseconds limit, std::string& why) {
    std::string error;
    auto values = std::make_unique<ConfigValues>();
    if (!values->parse(json, error)) {
        why = "its configuration is " + error;
        return false;
    }
    const ConfigValues* before = &config();
    config_.store(values.get(), std::memory_order_release);
    configs_.push_back(std::move(values));
    {
        std::lock_guard lock(lock_);
        reconfiguring_ = true;
        failure_.clear();
    }
    // As in load(): the thread may be left behind, and then the result is not read.
    // tidy: allow(data-path) a reload, and two threads of which either may be the last
    auto good = std::make_shared<bool>(false);
    bool returned = call_with_limit(limit, [self = shared_from_this(), good] {
        InPlugin inside(self->spec_.name, "on_config");
        try {
            auto* context = reinterpret_cast<ringtime_context*>(self.get());
            *good = self->table_.on_config(self->self_, context) == 0;
        } catch (...) {
            self->set_failure(exception_text());
        }
    });
    std::lock_guard lock(lock_);
    reconfiguring_ = false;
    if (returned && *good && failure_.empty()) {
        spec_.config_json = json;
        return true;
    }
    config_.store(before, std::memory_order_release);
    // A thread that was left behind is in its code, so that must stay where it is.
    if (!returned) abandoned_ = true;
    if (!returned) {
        why = fmt::format("on_config did not return within {} ms", limit);
    } else {
        why = failure_.empty() ? "on_config failed without saying why"
                               : "on_config failed: " + failure_;
    }
    return false;
}

}  // namespace ringtime::hook
