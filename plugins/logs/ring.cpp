#include "ring.h"

#include <algorithm>
#include <charconv>

#include "../shared/ascii.h"
#include "../shared/text.h"

namespace {

using shared::hex_value;

constexpr std::string_view kLevels[] = {"debug", "info", "warn", "error"};
constexpr size_t kLimitMost = 1000;
/// What an entry costs beside its text.
constexpr size_t kEntryBytes = sizeof(Entry);

/// Of a query as forms write it.
std::string decoded(std::string_view text) {
    std::string out;
    for (size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '+') {
            out += ' ';
        } else if (text[i] == '%' && i + 2 < text.size() && hex_value(text[i + 1]) >= 0 &&
                   hex_value(text[i + 2]) >= 0) {
            out += static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
            i += 2;
        } else {
            out += text[i];
        }
    }
    return out;
}

template <typename Number>
bool number(std::string_view text, Number& out) {
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

std::string Entry::json() const {
    bool access = kind == RINGTIME_LOG_ACCESS;
    std::string out = "{\"id\":" + std::to_string(id) + ",\"time\":" + std::to_string(wall_ms);
    out.append(access ? ",\"kind\":\"access\"," : ",\"kind\":\"event\",");
    shared::append_json_pair(out, "level", kLevels[std::min<size_t>(level, 3)]);
    out += ',';
    shared::append_json_pair(out, "source", source);
    if (lost) out.append(",\"lost\":").append(std::to_string(lost));
    out += ',';
    // A line of the access log is JSON already.
    if (access && !text.empty() && text.front() == '{') {
        out.append("\"status\":").append(std::to_string(status));
        out.append(",\"request\":").append(text);
    } else {
        shared::append_json_pair(out, "text", text);
    }
    return out + "}";
}

bool Filter::take(std::string_view key, const std::string& value) {
    if (key == "kind") {
        if (value != "event" && value != "access") return false;
        kind = value == "access" ? RINGTIME_LOG_ACCESS : RINGTIME_LOG_EVENT;
        return true;
    }
    if (key == "level") {
        const auto* found = std::find(std::begin(kLevels), std::end(kLevels), value);
        level_min = static_cast<uint8_t>(found - std::begin(kLevels));
        return found != std::end(kLevels);
    }
    if (key == "status") {
        bool group = value.size() == 3 && value.substr(1) == "xx";
        if (!number(group ? std::string_view(value).substr(0, 1) : std::string_view(value),
                    status_min))
            return false;
        status_max = status_min;
        if (group) {
            status_min = static_cast<uint16_t>(status_min * 100);
            status_max = static_cast<uint16_t>(status_min + 99);
        }
        return true;
    }
    if (key == "source") source = value;
    if (key == "text") text = value;
    if (key == "source" || key == "text") return true;
    if (key == "after") return number(value, after);
    if (key == "limit") return number(value, limit) && limit > 0 && limit <= kLimitMost;
    return false;
}

bool Filter::parse(std::string_view query, std::string& problem) {
    while (!query.empty()) {
        std::string_view part = query.substr(0, query.find('&'));
        query.remove_prefix(std::min(query.size(), part.size() + 1));
        if (part.empty()) continue;
        size_t equals = std::min(part.find('='), part.size());
        std::string key = decoded(part.substr(0, equals));
        std::string value = decoded(part.substr(std::min(equals + 1, part.size())));
        if (take(key, value)) continue;
        problem = "`" + std::string(part) +
                  "` is not understood: kind=event|access, level=debug|info|warn|error, "
                  "status=404 or 5xx, source=, text=, after=ID, limit=1 to 1000";
        return false;
    }
    return true;
}

bool Filter::wants(const Entry& entry) const {
    if (entry.id <= after || entry.level < level_min || (kind && entry.kind != *kind)) return false;
    bool by_status = status_min > 0;
    if (by_status && (entry.kind != RINGTIME_LOG_ACCESS || entry.status < status_min ||
                      entry.status > status_max))
        return false;
    return (source.empty() || entry.source == source) &&
           (text.empty() || entry.text.find(text) != std::string::npos);
}

Entry Ring::add(const ringtime::LogEntry& entry) {
    std::string_view line = ringtime::text(entry.text);
    while (!line.empty() && line.back() == '\n') line.remove_suffix(1);
    Entry made;
    made.wall_ms = entry.wall_ms;
    made.lost = entry.lost;
    made.kind = entry.kind;
    made.level = entry.level;
    made.status = entry.status;
    made.source = ringtime::text(entry.source);
    made.text = line;
    size_t size = kEntryBytes + made.source.size() + made.text.size();
    std::lock_guard lock(lock_);
    made.id = next_++;
    entries_.push_back(made);
    bytes_ += size;
    while (entries_.size() > entries_max_ || (bytes_ > bytes_max_ && entries_.size() > 1)) {
        const Entry& oldest = entries_.front();
        bytes_ -= kEntryBytes + oldest.source.size() + oldest.text.size();
        entries_.pop_front();
    }
    return made;
}

std::vector<Entry> Ring::find(const Filter& filter) const {
    std::vector<Entry> found;
    std::lock_guard lock(lock_);
    for (auto entry = entries_.rbegin(); entry != entries_.rend(); ++entry) {
        if (found.size() == filter.limit || entry->id <= filter.after) break;
        if (filter.wants(*entry)) found.push_back(*entry);
    }
    std::reverse(found.begin(), found.end());
    return found;
}
