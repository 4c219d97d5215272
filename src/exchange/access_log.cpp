#include "exchange/access_log.h"

#include <time.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "http/refusal.h"
#include "upstream/cause.h"

namespace ringtime::exchange {
namespace {

// A text ends after so many bytes of the line, which counts what escaping makes of it.
constexpr size_t kLineBytes = 4096;
constexpr size_t kTextBytesMax = 1024;
// All that is not from the request: names of members, numbers, the end. Texts leave that room.
constexpr size_t kFixedBytes = 640;

/// Appends to a fixed buffer. Texts are cut so that a line is always whole.
class Line {
 public:
    void raw(std::string_view text) noexcept {
        size_t size = std::min(text.size(), sizeof bytes_ - used_);
        std::memcpy(bytes_ + used_, text.data(), size);
        used_ += size;
    }
    void number(uint64_t value) noexcept {
        auto end = std::to_chars(bytes_ + used_, bytes_ + sizeof bytes_, value).ptr;
        used_ = static_cast<size_t>(end - bytes_);
    }
    void padded(uint64_t value, unsigned width) noexcept {
        char digits[8];
        for (unsigned i = width; i-- > 0; value /= 10)
            digits[i] = static_cast<char>('0' + value % 10);
        raw({digits, width});
    }
    /// A JSON string; bytes that are not printable ASCII become \u00XX.
    void text(std::string_view key, std::string_view value) noexcept {
        raw(",\"");
        raw(key);
        raw("\":\"");
        size_t end = std::min(used_ + kTextBytesMax, sizeof bytes_ - kFixedBytes);
        for (char c : value) {
            if (used_ + 6 > end) break;
            escape(c);
        }
        raw("\"");
    }
    void member(std::string_view key, uint64_t value) noexcept {
        raw(",\"");
        raw(key);
        raw("\":");
        number(value);
    }
    [[nodiscard]] std::string_view view() const noexcept { return {bytes_, used_}; }

 private:
    void escape(char c) noexcept {
        static constexpr char digits[] = "0123456789abcdef";
        auto byte = static_cast<unsigned char>(c);
        if (byte >= 0x20 && byte < 0x7f) {
            if (c == '"' || c == '\\') bytes_[used_++] = '\\';
            bytes_[used_++] = c;
        } else {
            raw("\\u00");
            bytes_[used_++] = digits[byte >> 4];
            bytes_[used_++] = digits[byte & 15];
        }
    }

    char bytes_[kLineBytes];
    size_t used_ = 0;
};

void write_time(Line& line, uint64_t wall_ms) noexcept {
    auto seconds = static_cast<time_t>(wall_ms / 1000);
    tm utc{};
    ::gmtime_r(&seconds, &utc);
    line.raw("{\"time\":\"");
    line.padded(static_cast<uint64_t>(utc.tm_year) + 1900, 4);
    line.raw("-");
    line.padded(static_cast<uint64_t>(utc.tm_mon) + 1, 2);
    line.raw("-");
    line.padded(static_cast<uint64_t>(utc.tm_mday), 2);
    line.raw("T");
    line.padded(static_cast<uint64_t>(utc.tm_hour), 2);
    line.raw(":");
    line.padded(static_cast<uint64_t>(utc.tm_min), 2);
    line.raw(":");
    line.padded(static_cast<uint64_t>(utc.tm_sec), 2);
    line.raw(".");
    line.padded(wall_ms % 1000, 3);
    line.raw("Z\"");
}

}  // namespace

std::string_view cause_of(const Error& error) noexcept {
    if (error.source == Source::upstream) return upstream::cause_of(error);
    http::Refusal rule = http::refusal_of(error);
    bool broken = error.source == Source::client && rule != http::Refusal::none;
    return broken ? http::describe(rule).name : std::string_view{};
}

AccessLog::AccessLog(size_t capacity_bytes)
    : capacity_(capacity_bytes), bytes_(new char[capacity_bytes]) {}

void AccessLog::add(const AccessEntry& entry) noexcept {
    Line line;
    write_time(line, entry.wall_ms);
    line.text("id", entry.request_id);
    line.text("peer", entry.peer);
    line.text("method", entry.method);
    line.text("host", entry.host);
    line.text("target", entry.target);
    line.member("status", entry.status);
    line.member("received", entry.bytes_received);
    line.member("sent", entry.bytes_sent);
    line.member("us", entry.duration_us);
    line.text("mount", entry.mount);
    if (!entry.server.empty()) line.text("server", entry.server);
    if (!entry.plugin.empty()) line.text("plugin", entry.plugin);
    if (entry.retries > 0) line.member("retries", entry.retries);
    if (entry.reason != Reason::none) line.text("reason", describe(entry.reason).name);
    if (!entry.cause.empty()) line.text("cause", entry.cause);
    if (!entry.complete) line.raw(",\"complete\":false");
    line.text("agent", entry.user_agent);
    line.raw("}\n");

    std::string_view text = line.view();
    uint64_t tail = tail_.load(std::memory_order_relaxed);
    uint64_t used = tail - head_.load(std::memory_order_acquire);
    if (capacity_ - used < text.size()) {
        dropped_.fetch_add(1, std::memory_order_relaxed);
        return;
    }
    size_t at = tail % capacity_;
    size_t first = std::min(text.size(), capacity_ - at);
    std::memcpy(bytes_.get() + at, text.data(), first);
    std::memcpy(bytes_.get(), text.data() + first, text.size() - first);
    tail_.store(tail + text.size(), std::memory_order_release);
}

std::string_view AccessLog::readable() const noexcept {
    uint64_t head = head_.load(std::memory_order_relaxed);
    uint64_t tail = tail_.load(std::memory_order_acquire);
    size_t at = head % capacity_;
    return {bytes_.get() + at, std::min<size_t>(tail - head, capacity_ - at)};
}

void AccessLog::consumed(size_t size) noexcept {
    head_.fetch_add(size, std::memory_order_release);
}

}  // namespace ringtime::exchange
