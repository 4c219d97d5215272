#pragma once
// Tables and figures for people: what `format=text` answers are made of. No state.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/api_keys.h"

namespace ringtime::runtime {

/// A table for people: columns as wide as their widest cell, numbers to the right.
class TextTable {
 public:
    enum class Align : uint8_t { left, right };
    struct Column {
        std::string_view name;
        Align align = Align::left;
    };
    explicit TextTable(std::vector<Column> columns) : columns_(std::move(columns)) {}
    void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
    [[nodiscard]] bool empty() const noexcept { return rows_.empty(); }
    [[nodiscard]] std::string text() const;

 private:
    std::vector<Column> columns_;
    std::vector<std::vector<std::string>> rows_;
};

/// `3d 4h`, `2m 5s`, `850ms`.
[[nodiscard]] std::string duration_text(uint64_t milliseconds);
/// `2026-11-21T07:30:00Z`.
[[nodiscard]] std::string date_text(uint64_t milliseconds_since_1970);
/// `12.3 MB`.
[[nodiscard]] std::string size_text(uint64_t bytes);
/// Without their secrets.
[[nodiscard]] std::string keys_text(const std::vector<ApiKey>& keys);
[[nodiscard]] std::string keys_json(const std::vector<ApiKey>& keys);
/// The only place a key's text stands in.
[[nodiscard]] std::string new_key_json(const ApiKey& key, std::string_view text);

}  // namespace ringtime::runtime
