// What a plugin has of its own on one core: timers, work on helper threads, fetches. None of it is
// made per request as a rule, so it comes from the heap.

#include <fmt/core.h>

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
    timer.firing = true;
    mine.call(Hook::timer, [&] { timer.function(timer.user); });
    timer.firing = false;
    if (timer.every_ms == 0 || timer.stopped) return mine.free_timer(timer);
    mine.core->port().arm(timer.timer, mine.core->port().now() + from_milliseconds(timer.every_ms));
}

// Whoever is told yes has said it.
bool PluginCore::may_complain(Fault fault) noexcept {
    Nanoseconds& quiet = quiet_until[static_cast<size_t>(fault)];
    Nanoseconds now = core->port().now();
    if (now < quiet) return false;
    quiet = now + kNanosecondsPerSecond;
    return true;
}

void PluginCore::say_complaint(Hook hook, std::string_view what) noexcept {
    plugin->log(RINGTIME_LOG_ERROR, fmt::format("{} {}", hook_name(hook), what));
}

// --- Calls back ---

uint64_t PluginCore::enter(Hook hook) noexcept {
    HookCounters& counters = hooks[static_cast<size_t>(hook)];
    HookCounters::add(counters.calls);
    uint64_t outer = core->marker();
    core->enter(make_mark(plugin->number(), hook), counters.calls.load(std::memory_order_relaxed));
    return outer;
}

void PluginCore::note_exception(Hook hook) noexcept {
    HookCounters::add(hooks[static_cast<size_t>(hook)].errors);
    plugin->log_exception(hook_name(hook));
}

namespace {

/// Work of a plugin on its way to a helper thread and back.
struct HelperCall : HelperTask {
    PluginRef plugin;  ///< Its code stays mapped while the work runs.
    PluginCore* mine = nullptr;
    void (*function)(void*) = nullptr;
    void (*finished)(void*) = nullptr;
    void* argument = nullptr;
};

void do_work(HelperTask& task) noexcept {
    auto& call = static_cast<HelperCall&>(task);
    Guest guest(call.plugin->door());
    if (!guest) return;
    call.plugin->guarded("work on a helper thread", [&] { call.function(call.argument); });
}

void finish_work(HelperTask& task) noexcept {
    std::unique_ptr<HelperCall> call(static_cast<HelperCall*>(&task));
    PluginCore& mine = *call->mine;
    --mine.outstanding;
    if (call->finished && mine.started)
        mine.call(Hook::helper, [&] { call->finished(call->argument); });
}

}  // namespace

ringtime_status PluginCore::run_helper(void (*work)(void*), void (*done)(void*),
                                       void* argument) noexcept {
    if (!work) return RINGTIME_INVALID;
    if (!core->here()) return RINGTIME_WRONG_PHASE;
    if (closing) return RINGTIME_GONE;
    std::unique_ptr<HelperCall> task(new (std::nothrow) HelperCall);
    if (!task) return RINGTIME_LIMIT;
    task->work = &do_work;
    task->done = &finish_work;
    task->core = core;
    task->plugin = plugin->shared_from_this();
    task->mine = this;
    task->function = work;
    task->finished = done;
    task->argument = argument;
    if (!core->helpers().submit(*task)) return RINGTIME_AGAIN;
    (void)task.release();
    ++outstanding;
    return RINGTIME_OK;
}

ringtime_status PluginCore::fetch(const ringtime_fetch& request, ringtime_fetched answered,
                                  void* user) noexcept {
    if (!answered || request.struct_size < sizeof request) return RINGTIME_INVALID;
    if (!core->here() || !core->fetches()) return RINGTIME_WRONG_PHASE;
    if (closing) return RINGTIME_GONE;
    return core->fetches()->fetch(*this, request, answered, user);
}

}  // namespace ringtime::hook
