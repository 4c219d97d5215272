#pragma once
// The hooks of one kind of route, compiled once: per phase an array of what to call, in order.
// Chains are shared by all routes with the same plugins and belong to the PluginSet. A phase nobody
// subscribed to has no array, and costs the test of a pointer.

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "hook/plugin.h"

namespace ringtime::hook {

struct HookEntry {
    enum Flag : uint8_t {
        narrowed = 1,    ///< Only for requests in the plugin's scope.
        down = 2,        ///< The plugin is broken: the request fails here.
        not_public = 4,  ///< Skipped on public routes.
    };

    void (*function)() = nullptr;  ///< Of the phase's type in ringtime_plugin_table.
    void* self = nullptr;
    PluginCore* cores = nullptr;  ///< One per core, by index.
    uint32_t mark = 0;
    uint8_t slot = 0;  ///< The plugin's place in the chain, in order of on_request.
    uint8_t flags = 0;
};
static_assert(sizeof(HookEntry) == 32);

struct Phase {
    const HookEntry* entries = nullptr;
    uint32_t count = 0;
};

class Chain {
 public:
    /// In dependency order, at most limits::hooks_per_chain_max; they outlive the chain. `narrowed`
    /// says of each whether requests have to be looked at.
    Chain(std::vector<Plugin*> plugins, const std::vector<bool>& narrowed);
    Chain(const Chain&) = delete;
    Chain& operator=(const Chain&) = delete;

    [[nodiscard]] const Phase& request() const noexcept { return request_; }
    [[nodiscard]] const Phase& request_body() const noexcept { return request_body_; }
    /// These two in reverse order.
    [[nodiscard]] const Phase& response() const noexcept { return response_; }
    [[nodiscard]] const Phase& response_body() const noexcept { return response_body_; }
    [[nodiscard]] const Phase& done() const noexcept { return done_; }
    [[nodiscard]] std::span<Plugin* const> plugins() const noexcept { return plugins_; }
    /// Slots of plugins that see only part of the requests.
    [[nodiscard]] uint64_t narrowed() const noexcept { return narrowed_; }
    /// Slots of plugins that want whole request bodies.
    [[nodiscard]] uint64_t gathering() const noexcept { return gathering_; }
    /// Slots that may replace body bytes (decided before heads are forwarded).
    [[nodiscard]] uint64_t request_transformers() const noexcept { return request_transformers_; }
    [[nodiscard]] uint64_t response_transformers() const noexcept { return response_transformers_; }

 private:
    [[nodiscard]] HookEntry entry_of(const Plugin& plugin, Hook hook, size_t slot) const noexcept;

    std::vector<Plugin*> plugins_;
    uint64_t narrowed_ = 0;
    uint64_t gathering_ = 0;
    uint64_t request_transformers_ = 0;
    uint64_t response_transformers_ = 0;
    Phase request_;
    Phase request_body_;
    Phase response_;
    Phase response_body_;
    Phase done_;
    std::unique_ptr<HookEntry[]> entries_;
};

}  // namespace ringtime::hook
