#pragma once
// What every reader of field lines does once it knows where the name ends and where the line does.
// Private to the parsers.

#include <cstring>

#include "http/fields.h"

namespace ringtime::http::detail {

[[nodiscard]] inline bool is_line_end(const char* at) noexcept {
    uint16_t two;
    std::memcpy(&two, at, sizeof two);
    return two == ('\r' | '\n' << 8);
}

/// The field of one line whose CR stands at `end`.
[[nodiscard]] inline Field field_at(const char* data, size_t line, size_t colon, size_t end,
                                    FieldId id) noexcept {
    auto blank = [](char c) { return c == ' ' || c == '\t'; };
    // Nearly all have one space and nothing more. Known by branches, since a value's beginning
    // should not wait for a byte of it. The CR is no blank and ends the searches.
    size_t begin = colon + 2;
    if (data[colon + 1] != ' ' || blank(data[begin]) || blank(data[end - 1])) [[unlikely]] {
        begin = colon + 1;
        while (blank(data[begin])) ++begin;
        while (end > begin && blank(data[end - 1])) --end;
    }
    Field field;
    field.name_offset = static_cast<uint16_t>(line);
    field.name_size = static_cast<uint16_t>(colon - line);
    field.value_offset = static_cast<uint16_t>(begin);
    field.value_size = static_cast<uint16_t>(end - begin);
    field.id = id;
    return field;
}

}  // namespace ringtime::http::detail
