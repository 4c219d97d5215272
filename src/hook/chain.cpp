#include "hook/chain.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"

namespace ringtime::hook {
namespace {

using AnyFunction = void (*)();

AnyFunction function_of(const ringtime_plugin_table& table, Hook hook) noexcept {
    auto any = [](auto* function) { return reinterpret_cast<AnyFunction>(function); };
    switch (hook) {
        case Hook::request:
            return any(table.on_request);
        case Hook::request_body:
            return table.request_body == RINGTIME_BODY_NONE ? nullptr : any(table.on_request_body);
        case Hook::response:
            return any(table.on_response);
        case Hook::response_body:
            return table.response_body == RINGTIME_BODY_NONE ? nullptr
                                                             : any(table.on_response_body);
        case Hook::done:
            return any(table.on_done);
        case Hook::route:
        case Hook::timer:
        case Hook::core_start:
        case Hook::helper:
        case Hook::fetch:
        case Hook::websocket:
        case Hook::count_:
            break;
    }
    return nullptr;
}

}  // namespace

HookEntry Chain::entry_of(const Plugin& plugin, Hook hook, size_t slot) const noexcept {
    const ringtime_plugin_table& table = plugin.table();
    HookEntry entry;
    entry.slot = static_cast<uint8_t>(slot);
    entry.mark = make_mark(plugin.number(), hook);
    if (narrowed_ >> slot & 1) entry.flags |= HookEntry::narrowed;
    bool incoming = hook == Hook::request || hook == Hook::request_body;
    if (plugin.down()) {
        // What it would have done to a public route is not known; bypassing hooks is what public
        // means.
        if (hook == Hook::request && plugin.guards_requests())
            entry.flags |= HookEntry::down | HookEntry::not_public;
        return entry;
    }
    if (incoming && !(table.flags & RINGTIME_RUN_ON_PUBLIC)) entry.flags |= HookEntry::not_public;
    entry.function = function_of(table, hook);
    entry.self = plugin.self();
    entry.cores = plugin.cores();
    return entry;
}

Chain::Chain(std::vector<Plugin*> plugins, const std::vector<bool>& narrowed)
    : plugins_(std::move(plugins)) {
    ASSERT(plugins_.size() <= limits::hooks_per_chain_max && plugins_.size() == narrowed.size());
    for (size_t slot = 0; slot < plugins_.size(); ++slot) {
        uint64_t bit = uint64_t{1} << slot;
        if (narrowed[slot]) narrowed_ |= bit;
        if (plugins_[slot]->down()) continue;
        const ringtime_plugin_table& table = plugins_[slot]->table();
        if (table.gather_bytes_max) gathering_ |= bit;
        if (table.request_body == RINGTIME_BODY_TRANSFORM) request_transformers_ |= bit;
        if (table.response_body == RINGTIME_BODY_TRANSFORM) response_transformers_ |= bit;
    }
    const std::pair<Hook, Phase*> phases[] = {{Hook::request, &request_},
                                              {Hook::request_body, &request_body_},
                                              {Hook::response, &response_},
                                              {Hook::response_body, &response_body_},
                                              {Hook::done, &done_}};
    entries_ = std::make_unique<HookEntry[]>(std::size(phases) * plugins_.size());
    HookEntry* next = entries_.get();
    for (auto [hook, phase] : phases) {
        HookEntry* first = next;
        for (size_t slot = 0; slot < plugins_.size(); ++slot) {
            HookEntry entry = entry_of(*plugins_[slot], hook, slot);
            if (entry.function || entry.flags & HookEntry::down) *next++ = entry;
        }
        if (next == first) continue;
        if (hook == Hook::response || hook == Hook::response_body) std::reverse(first, next);
        *phase = {first, static_cast<uint32_t>(next - first)};
    }
}

}  // namespace ringtime::hook
