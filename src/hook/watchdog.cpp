#include "hook/watchdog.h"

#include <pthread.h>

#include <chrono>

#include "base/log.h"

namespace ringtime::hook {

Watchdog::Watchdog(Cores& cores) : cores_(cores), seen_(cores.count()) {}

std::vector<Held> Watchdog::look(Nanoseconds now) {
    std::vector<Held> held;
    for (unsigned i = 0; i < cores_.count(); ++i) {
        uint64_t marker = cores_[i].marker();
        Seen& seen = seen_[i];
        if (marker != seen.marker) {
            seen = {marker, now, false};
        } else if (marker != 0 && !seen.told && now - seen.since > from_milliseconds(held_max)) {
            seen.told = true;
            found_.fetch_add(1, std::memory_order_relaxed);
            auto mark = static_cast<uint32_t>(marker);
            held.push_back({i, cores_.name_of(mark >> 8), static_cast<Hook>((mark & 0xff) - 1),
                            (now - seen.since) / kNanosecondsPerMillisecond});
        }
    }
    return held;
}

void Watchdog::start() {
    thread_ = std::thread(&Watchdog::run, this);
    ::pthread_setname_np(thread_.native_handle(), "watchdog");
}

void Watchdog::stop() {
    if (!thread_.joinable()) return;
    {
        std::lock_guard lock(lock_);
        stopping_ = true;
    }
    changed_.notify_one();
    thread_.join();
}

void Watchdog::run() {
    std::unique_lock lock(lock_);
    while (!changed_.wait_for(lock, std::chrono::milliseconds(period), [&] { return stopping_; })) {
        for (const Held& held : look(monotonic_now()))
            log_format(
                LogLevel::warn, "watchdog",
                "core={} plugin={} hook={} has held the core for {} ms: nothing else is served "
                "there; let the hook pause and work in a thread of its own",
                held.core, held.plugin, hook_name(held.hook), held.at_least);
    }
}

}  // namespace ringtime::hook
