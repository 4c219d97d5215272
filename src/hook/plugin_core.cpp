// Timers of a plugin on one core. Cold: made in on_core_start as a rule, so they come from the
// heap.

#include <new>

#include "hook/plugin.h"

namespace ringtime::hook {

PluginTimer* PluginCore::start_timer(uint32_t after_ms, uint32_t every_ms, void (*function)(void*),
                                     void* user) noexcept {
    if (!function || timer_count == plugin_timers_max) return nullptr;
    auto* made = new (std::nothrow) PluginTimer;
    if (!made) return nullptr;
    made->core = this;
    made->function = function;
    made->user = user;
    made->every_ms = every_ms;
    made->timer.on_expire = &on_expire;
    made->timer.owner = made;
    timers.push_back(*made);
    ++timer_count;
    core->port().arm(made->timer, core->port().now() + from_milliseconds(after_ms));
    return made;
}

void PluginCore::free_timer(PluginTimer& timer) noexcept {
    timer.unlink();
    --timer_count;
    delete &timer;
}

void PluginCore::stop_timer(PluginTimer& timer) noexcept {
    if (timer.firing) {
        timer.stopped = true;  // on_expire() frees it when its function has returned.
        return;
    }
    core->port().disarm(timer.timer);
    free_timer(timer);
}

void PluginCore::stop_all_timers() noexcept {
    while (PluginTimer* timer = timers.front()) stop_timer(*timer);
}

void PluginCore::on_expire(loop::Timer& expired) noexcept {
    auto& timer = *static_cast<PluginTimer*>(expired.owner);
    PluginCore& mine = *timer.core;
    HookCounters& counters = mine.hooks[static_cast<size_t>(Hook::timer)];
    HookCounters::add(counters.calls);
    mine.core->enter(make_mark(mine.plugin->number(), Hook::timer),
                     counters.calls.load(std::memory_order_relaxed));
    timer.firing = true;
    try {
        timer.function(timer.user);
    } catch (...) {
        HookCounters::add(counters.errors);
        mine.plugin->log(RINGTIME_LOG_ERROR, "a timer threw an exception across the ABI");
    }
    timer.firing = false;
    mine.core->leave();
    if (timer.every_ms == 0 || timer.stopped) return mine.free_timer(timer);
    mine.core->port().arm(timer.timer, mine.core->port().now() + from_milliseconds(timer.every_ms));
}

}  // namespace ringtime::hook
