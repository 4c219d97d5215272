#pragma once
// The event log: cold, rare, human lines on stderr. One line per event, `key=value` details, any
// thread. Never called per request (that is the access log's work).
//
//     log_line(LogLevel::warn, "worker", "app=shop pid=812 ended: signal 11; restarting in 100
//     ms");

#include <fmt/core.h>

#include <cstdint>
#include <string_view>

namespace ringtime {

enum class LogLevel : uint8_t { debug, info, warn, error, off };

/// Process-wide threshold; set once at start (and on reload).
void set_log_level(LogLevel level) noexcept;
[[nodiscard]] LogLevel log_level() noexcept;
/// `debug info warn error off`; anything else is false and leaves `out` alone.
[[nodiscard]] bool parse_log_level(std::string_view text, LogLevel& out) noexcept;

/// Writes one line, control characters escaped, when `level` is at or above the threshold. A line
/// that cannot be written at once (full disk or pipe) is dropped and counted.
void log_line(LogLevel level, std::string_view area, std::string_view text) noexcept;
[[nodiscard]] uint64_t log_lines_dropped() noexcept;

/// Hears every line that is written. Any thread; must return at once.
class LogListener {
 public:
    virtual void on_line(LogLevel level, uint64_t wall_ms, std::string_view area,
                         std::string_view text) noexcept = 0;

 protected:
    ~LogListener() = default;
};

/// Null: nobody. A listener that is replaced may still be called by lines under way: it outlives
/// the threads that log.
void set_log_listener(LogListener* listener) noexcept;

template <typename... Args>
void log_format(LogLevel level, std::string_view area, fmt::format_string<Args...> format,
                Args&&... args) {
    if (level < log_level()) return;
    log_line(level, area, fmt::format(format, static_cast<Args&&>(args)...));
}

}  // namespace ringtime
