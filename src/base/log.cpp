#include "base/log.h"

#include <time.h>
#include <unistd.h>

#include <atomic>
#include <string>

#include "base/clock.h"

namespace ringtime {
namespace {

std::atomic<LogLevel> threshold{LogLevel::info};
std::atomic<uint64_t> dropped{0};
std::atomic<LogListener*> listener{nullptr};

constexpr std::string_view kNames[] = {"debug", "info", "warn", "error", "off"};

void append_escaped(std::string& out, std::string_view text) {
    for (char c : text) {
        auto byte = static_cast<unsigned char>(c);
        if (byte >= 0x20 && byte != 0x7f) {
            out.push_back(c);
        } else {
            out += fmt::format("\\x{:02x}", byte);
        }
    }
}

std::string timestamp(uint64_t now) {
    auto seconds = static_cast<time_t>(now / 1000);
    tm utc{};
    ::gmtime_r(&seconds, &utc);
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", utc.tm_year + 1900,
                       utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
                       now % 1000);
}

}  // namespace

void set_log_level(LogLevel level) noexcept { threshold.store(level, std::memory_order_relaxed); }
LogLevel log_level() noexcept { return threshold.load(std::memory_order_relaxed); }

bool parse_log_level(std::string_view text, LogLevel& out) noexcept {
    for (size_t i = 0; i < std::size(kNames); ++i) {
        if (text == kNames[i]) {
            out = static_cast<LogLevel>(i);
            return true;
        }
    }
    return false;
}

void log_line(LogLevel level, std::string_view area, std::string_view text) noexcept {
    if (level < log_level() || level == LogLevel::off) return;
    try {
        uint64_t now = wall_clock_milliseconds();
        if (LogListener* hears = listener.load(std::memory_order_acquire))
            hears->on_line(level, now, area, text);
        std::string line = timestamp(now);
        line += fmt::format(" {:<5} {}: ", kNames[static_cast<size_t>(level)], area);
        append_escaped(line, text);
        line.push_back('\n');
        if (::write(STDERR_FILENO, line.data(), line.size()) != static_cast<ssize_t>(line.size()))
            dropped.fetch_add(1, std::memory_order_relaxed);
    } catch (...) {
        dropped.fetch_add(1, std::memory_order_relaxed);
    }
}

void set_log_listener(LogListener* new_listener) noexcept {
    listener.store(new_listener, std::memory_order_release);
}

uint64_t log_lines_dropped() noexcept { return dropped.load(std::memory_order_relaxed); }

}  // namespace ringtime
