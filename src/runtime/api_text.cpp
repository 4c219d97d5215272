#include "runtime/api_text.h"

#include <fmt/core.h>
#include <time.h>

#include <algorithm>
#include <iterator>

#include "base/json.h"

namespace ringtime::runtime {
namespace {

void write_key(JsonWriter& json, const ApiKey& key) {
    json.key("id").string(key.id).key("name").string(key.name);
    json.key("role").string(role_name(key.role));
    json.key("created").string(date_text(key.created_ms));
}

}  // namespace

std::string TextTable::text() const {
    std::vector<size_t> widths;
    for (size_t i = 0; i < columns_.size(); ++i) {
        size_t width = columns_[i].name.size();
        for (const auto& row : rows_) width = std::max(width, row[i].size());
        widths.push_back(width);
    }
    std::string out;
    auto add_row = [&](auto&& cell) {
        std::string line;
        for (size_t i = 0; i < columns_.size(); ++i) {
            if (i > 0) line += "  ";
            if (columns_[i].align == Align::right) {
                line += fmt::format("{:>{}}", cell(i), widths[i]);
            } else {
                line += fmt::format("{:<{}}", cell(i), widths[i]);
            }
        }
        while (line.ends_with(' ')) line.pop_back();
        out += line + "\n";
    };
    add_row([&](size_t i) { return columns_[i].name; });
    for (const auto& row : rows_) {
        add_row([&](size_t i) -> std::string_view { return row[i]; });
    }
    return out;
}

std::string duration_text(uint64_t milliseconds) {
    if (milliseconds < 1000) return fmt::format("{}ms", milliseconds);
    uint64_t seconds = milliseconds / 1000;
    if (seconds < 60) return fmt::format("{}s", seconds);
    if (seconds < 3600) return fmt::format("{}m {}s", seconds / 60, seconds % 60);
    if (seconds < 86400) return fmt::format("{}h {}m", seconds / 3600, seconds / 60 % 60);
    return fmt::format("{}d {}h", seconds / 86400, seconds / 3600 % 24);
}

std::string date_text(uint64_t milliseconds_since_1970) {
    auto seconds = static_cast<time_t>(milliseconds_since_1970 / 1000);
    tm utc{};
    ::gmtime_r(&seconds, &utc);
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", utc.tm_year + 1900, utc.tm_mon + 1,
                       utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec);
}

std::string size_text(uint64_t bytes) {
    constexpr std::string_view units[] = {"B", "KB", "MB", "GB", "TB"};
    auto value = static_cast<double>(bytes);
    size_t unit = 0;
    while (value >= 1024 && unit + 1 < std::size(units)) {
        value /= 1024;
        ++unit;
    }
    return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, units[unit]);
}

std::string keys_text(const std::vector<ApiKey>& keys) {
    TextTable table({{"ID"}, {"NAME"}, {"ROLE"}, {"CREATED"}});
    for (const ApiKey& key : keys)
        table.add({key.id, key.name, std::string(role_name(key.role)), date_text(key.created_ms)});
    return table.empty() ? "no keys: only the admin socket is answered\n" : table.text();
}

std::string keys_json(const std::vector<ApiKey>& keys) {
    std::string out;
    JsonWriter json(out);
    json.begin_object().key("keys").begin_array();
    for (const ApiKey& key : keys) {
        json.begin_object();
        write_key(json, key);
        json.end_object();
    }
    json.end_array().end_object();
    return out + "\n";
}

std::string new_key_json(const ApiKey& key, std::string_view text) {
    std::string out;
    JsonWriter json(out);
    json.begin_object();
    write_key(json, key);
    json.key("key").string(text).end_object();
    return out + "\n";
}

}  // namespace ringtime::runtime
