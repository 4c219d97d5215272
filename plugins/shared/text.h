#pragma once
// Text of others in JSON: what is no UTF-8 would spoil the whole page, so it is replaced.

#include <cstddef>
#include <string>
#include <string_view>

namespace shared {

/// Bytes of the UTF-8 sequence that `text`, which is not empty, begins with; 0: it is none.
inline size_t sequence(std::string_view text) {
    auto lead = static_cast<unsigned char>(text[0]);
    size_t size = 0;
    if (lead < 0x80) {
        size = 1;
    } else if (lead >= 0xc2 && lead < 0xf5) {
        size = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    }
    if (size == 0 || size > text.size()) return 0;
    for (size_t i = 1; i < size; ++i) {
        if ((static_cast<unsigned char>(text[i]) & 0xc0) != 0x80) return 0;
    }
    if (size < 3) return size;
    auto second = static_cast<unsigned char>(text[1]);
    bool overlong = (lead == 0xe0 && second < 0xa0) || (lead == 0xf0 && second < 0x90);
    bool no_character = (lead == 0xed && second >= 0xa0) || (lead == 0xf4 && second >= 0x90);
    return overlong || no_character ? 0 : size;
}

/// Without the quotation marks.
inline void append_json(std::string& out, std::string_view text) {
    constexpr std::string_view digits = "0123456789abcdef";
    while (!text.empty()) {
        size_t size = sequence(text);
        char c = text[0];
        auto byte = static_cast<unsigned char>(c);
        if (size == 0) {
            out += '?';
        } else if (c == '\\' || c == '"') {
            out.append("\\").append(1, c);
        } else if (c == '\n') {
            out += "\\n";
        } else if (byte < 0x20) {
            out.append("\\u00").append(1, digits[byte >> 4]).append(1, digits[byte & 15]);
        } else {
            out += text.substr(0, size);
        }
        text.remove_prefix(size ? size : 1);
    }
}

/// `"key":"value"`
inline void append_json_pair(std::string& out, std::string_view key, std::string_view value) {
    out.append("\"").append(key).append("\":\"");
    append_json(out, value);
    out += '"';
}

}  // namespace shared
