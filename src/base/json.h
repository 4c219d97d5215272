#pragma once
// JSON as text, written front to back into a string the caller owns. For the command line, the
// admin interface, plugin configuration and logs: whatever bytes come in, what goes out is valid
// JSON.
//
//     JsonWriter json(out);
//     json.begin_object().key("name").string(name).key("pid").number(pid).end_object();

#include <concepts>
#include <cstddef>
#include <string>
#include <string_view>

namespace ringtime {

/// Length of the well-formed UTF-8 sequence at the front of `text`; 0 when there is none.
/// Overlong forms, surrogates and code points above U+10FFFF are not well-formed (RFC 3629 §3).
[[nodiscard]] size_t utf8_sequence_length(std::string_view text) noexcept;

/// Appends `text` as a JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD.
void append_json_string(std::string& out, std::string_view text);

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
        out_ += std::to_string(value);
        return *this;
    }
    /// Values JSON cannot say (infinite, not a number) become null.
    JsonWriter& number(double value);
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
