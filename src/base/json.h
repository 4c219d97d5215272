#pragma once
// JSON as text, written front to back into a string the caller owns. For the command line, the
// admin interface, plugin configuration and logs: whatever bytes come in, what goes out is valid
// JSON.
//
//     JsonWriter json(out);
//     json.begin_object().key("name").string(name).key("pid").number(pid).end_object();

#include <fmt/format.h>

#include <cmath>
#include <concepts>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>

namespace ringtime {

/// Length of the well-formed UTF-8 sequence at the front of `text`; 0 when there is none.
/// Overlong forms, surrogates and code points above U+10FFFF are not well-formed (RFC 3629 §3).
[[nodiscard]] constexpr size_t utf8_sequence_length(std::string_view text) noexcept {
    auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
    auto follows = [&](size_t i, unsigned low, unsigned high) {
        return i < text.size() && byte(i) >= low && byte(i) <= high;
    };
    if (text.empty()) return 0;
    unsigned lead = byte(0);
    if (lead < 0x80) return 1;
    if (lead >= 0xC2 && lead <= 0xDF) return follows(1, 0x80, 0xBF) ? 2 : 0;
    if (lead >= 0xE0 && lead <= 0xEF) {
        unsigned low = lead == 0xE0 ? 0xA0 : 0x80;
        unsigned high = lead == 0xED ? 0x9F : 0xBF;
        return follows(1, low, high) && follows(2, 0x80, 0xBF) ? 3 : 0;
    }
    if (lead >= 0xF0 && lead <= 0xF4) {
        unsigned low = lead == 0xF0 ? 0x90 : 0x80;
        unsigned high = lead == 0xF4 ? 0x8F : 0xBF;
        return follows(1, low, high) && follows(2, 0x80, 0xBF) && follows(3, 0x80, 0xBF) ? 4 : 0;
    }
    return 0;
}

/// Appends `text` as a JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD.
inline void append_json_string(std::string& out, std::string_view text) {
    out += '"';
    while (!text.empty()) {
        auto byte = static_cast<unsigned char>(text.front());
        size_t length = utf8_sequence_length(text);
        if (length == 0) {
            out += "\\ufffd";
            length = 1;
        } else if (byte == '"' || byte == '\\') {
            out += '\\';
            out += text.front();
        } else if (byte == '\n') {
            out += "\\n";
        } else if (byte == '\t') {
            out += "\\t";
        } else if (byte == '\r') {
            out += "\\r";
        } else if (byte < 0x20 || byte == 0x7F) {
            fmt::format_to(std::back_inserter(out), "\\u{:04x}", unsigned{byte});
        } else {
            out += text.substr(0, length);
        }
        text.remove_prefix(length);
    }
    out += '"';
}

class JsonWriter {
  public:
    /// Appends to `out`, which is borrowed for the writer's life.
    explicit JsonWriter(std::string& out) noexcept : out_(out) {}

    JsonWriter& begin_object() { return open('{'); }
    JsonWriter& end_object() { return close('}'); }
    JsonWriter& begin_array() { return open('['); }
    JsonWriter& end_array() { return close(']'); }

    JsonWriter& key(std::string_view name) {
        separate();
        append_json_string(out_, name);
        out_ += ':';
        comma_ = false;
        return *this;
    }

    JsonWriter& string(std::string_view text) {
        separate();
        append_json_string(out_, text);
        return *this;
    }
    template <std::integral Number>
    JsonWriter& number(Number value) {
        separate();
        fmt::format_to(std::back_inserter(out_), "{}", value);
        return *this;
    }
    /// Values JSON cannot say (infinite, not a number) become null.
    JsonWriter& number(double value) {
        if (!std::isfinite(value)) return null();
        separate();
        fmt::format_to(std::back_inserter(out_), "{}", value);
        return *this;
    }
    // tidy: allow(bool-parameter) the value of a JSON boolean
    JsonWriter& boolean(bool value) { return raw(value ? "true" : "false"); }
    JsonWriter& null() { return raw("null"); }
    /// A value that is JSON already.
    JsonWriter& raw(std::string_view json) {
        separate();
        out_ += json;
        return *this;
    }

  private:
    void separate() {
        if (comma_) out_ += ',';
        comma_ = true;
    }
    JsonWriter& open(char bracket) {
        separate();
        out_ += bracket;
        comma_ = false;
        return *this;
    }
    JsonWriter& close(char bracket) {
        out_ += bracket;
        comma_ = true;
        return *this;
    }

    std::string& out_;
    bool comma_ = false;  ///< A value stands before the next one in the same container.
};

}  // namespace ringtime
