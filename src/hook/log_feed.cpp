#include "hook/log_feed.h"

#include <time.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <utility>

#include "hook/registry.h"

namespace ringtime::hook {
namespace {

constexpr auto farewell = std::chrono::seconds(1);

struct Entry {
    ringtime_log_kind kind = RINGTIME_LOG_EVENT;
    ringtime_log_level level = RINGTIME_LOG_INFO;
    uint16_t status = 0;
    uint64_t wall_ms = 0;
    uint64_t lost = 0;
    std::string source;
    std::string text;
};

/// What stands behind `key` in a line of the access log. The line is our own: a quote inside of a
/// value is escaped, so a client cannot write a key.
std::string_view behind(std::string_view line, std::string_view key, std::string_view ends) {
    size_t at = line.find(key);
    if (at == std::string_view::npos) return {};
    line.remove_prefix(at + key.size());
    return line.substr(0, line.find_first_of(ends));
}

uint64_t number(std::string_view digits) {
    return std::strtoull(std::string(digits).c_str(), nullptr, 10);
}

/// Of `{"time":"2026-01-02T03:04:05.678Z"`.
uint64_t wall_of(std::string_view line) {
    std::string_view text = behind(line, "{\"time\":\"", "\"");
    if (text.size() != std::string_view("2026-01-02T03:04:05.678Z").size()) return 0;
    tm utc{};
    utc.tm_year = static_cast<int>(number(text.substr(0, 4))) - 1900;
    utc.tm_mon = static_cast<int>(number(text.substr(5, 2))) - 1;
    utc.tm_mday = static_cast<int>(number(text.substr(8, 2)));
    utc.tm_hour = static_cast<int>(number(text.substr(11, 2)));
    utc.tm_min = static_cast<int>(number(text.substr(14, 2)));
    utc.tm_sec = static_cast<int>(number(text.substr(17, 2)));
    return static_cast<uint64_t>(::timegm(&utc)) * 1000 + number(text.substr(20, 3));
}

Entry access_entry(std::string_view line) {
    Entry entry;
    entry.kind = RINGTIME_LOG_ACCESS;
    entry.status = static_cast<uint16_t>(number(behind(line, ",\"status\":", ",}")));
    entry.level = entry.status >= 500   ? RINGTIME_LOG_ERROR
                  : entry.status >= 400 ? RINGTIME_LOG_WARN
                                        : RINGTIME_LOG_INFO;
    entry.wall_ms = wall_of(line);
    entry.source = behind(line, ",\"mount\":\"", "\"");
    entry.text = line;
    return entry;
}

void deliver(const Entry& entry, const Registry& registry) noexcept {
    ringtime_log_entry shown{sizeof shown,
                             static_cast<uint8_t>(entry.kind),
                             static_cast<uint8_t>(entry.level),
                             entry.status,
                             entry.wall_ms,
                             to_slice(entry.source),
                             to_slice(entry.text),
                             entry.lost};
    try {
        for (const PluginRef& plugin : registry.plugins()) {
            if (plugin->log_taps().empty()) continue;
            Guest guest(plugin->door());
            if (!guest) continue;
            InPlugin inside(plugin->spec().name, "tap of the log");
            for (const LogTap& tap : plugin->log_taps()) tap.function(tap.user, &shown);
        }
    } catch (...) {  // It must not be logged: the line would be shown to the same tap.
    }
}

}  // namespace

struct LogFeed::State {
    std::mutex lock;  // tidy: allow(data-path) held to move an entry; log lines are rare
    std::condition_variable changed;
    std::deque<Entry> entries;
    uint64_t lost = 0;
    bool stopping = false;
    bool running = false;
    std::atomic<std::thread::id> self;

    void add(Entry entry) {
        std::lock_guard guard(lock);
        if (entries.size() == entries_max) {
            ++lost;
            return;
        }
        entry.lost = std::exchange(lost, 0);
        entries.push_back(std::move(entry));
        changed.notify_all();
    }
};

// tidy: allow(data-path) made once
LogFeed::LogFeed(Cores& cores) : cores_(cores), state_(std::make_shared<State>()) {}

void LogFeed::start() {
    state_->running = true;
    // The thread may be left behind, and the cores be gone when it comes back.
    std::thread([state = state_, registry = cores_.share_registry()] {
        run(*state, *registry);
        std::lock_guard guard(state->lock);
        state->running = false;
        state->changed.notify_all();
    }).detach();
    set_log_listener(this);
}

void LogFeed::stop() {
    set_log_listener(nullptr);
    std::unique_lock guard(state_->lock);
    state_->stopping = true;
    state_->changed.notify_all();
    state_->changed.wait_for(guard, farewell, [&] { return !state_->running; });
}

void LogFeed::run(State& state, const Registry& registry) noexcept {
    state.self = std::this_thread::get_id();
    std::unique_lock guard(state.lock);
    for (;;) {
        state.changed.wait(guard, [&] { return state.stopping || !state.entries.empty(); });
        if (state.entries.empty()) return;
        Entry entry = std::move(state.entries.front());
        state.entries.pop_front();
        guard.unlock();
        deliver(entry, registry);
        guard.lock();
    }
}

void LogFeed::on_line(LogLevel level, uint64_t wall_ms, std::string_view area,
                      std::string_view text) noexcept {
    // What a tap logs itself is not shown: it would never end.
    if (!wanted() || state_->self.load() == std::this_thread::get_id()) return;
    try {
        Entry entry;
        entry.level = static_cast<ringtime_log_level>(level);
        entry.wall_ms = wall_ms;
        entry.source = area;
        entry.text = text;
        state_->add(std::move(entry));
    } catch (...) {  // Without memory the line is lost to taps; it was written all the same.
    }
}

void LogFeed::on_access(std::string_view lines) noexcept {
    try {
        while (!lines.empty()) {
            size_t end = lines.find('\n');
            if (end == std::string_view::npos) return;
            state_->add(access_entry(lines.substr(0, end)));
            lines.remove_prefix(end + 1);
        }
    } catch (...) {  // As above.
    }
}

}  // namespace ringtime::hook
